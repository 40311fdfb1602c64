/* ir/in_place.c: see in_place.h. A kernel stores an element of what is EACH in its nest once, when all that has its
 * coordinates has been computed, and before it comes to the next one, or the next row (ir/nest.h). So an operand may give
 * up its place to such a result if whatever reads it does so element by element, in their order: then nobody reads an
 * element that is stored. Sums go through an element, or its row, before it is stored. What an anchor reads, or what is
 * read at other coordinates, is read by several elements of the result, or late. */
#include "ir/in_place.h"

#include "ir/nest.h"
#include "ir/view.h"

struct reading {
    const struct nest *n;
    const struct graph *body;
    bool *seen; /* by operation */
};

static bool is_effect(const struct node *n)
{
    return n->op == OP_assign || n->op == OP_accumulate;
}

/* Whether v, which the body yields, or which `effect` writes, is stored element by element. */
static bool stored_at_each(const struct nest *n, const struct node *effect, const struct value *v)
{
    enum place_of place = effect ? n->place[effect->id] : v->def ? n->place[v->def->id] : AT_FREE, at;

    return nest_leaves_at(n, place, v->type, &at) && at == AT_EACH;
}

static bool read_in_order(struct reading *r, const struct value *v);

static bool reader_keeps_order(struct reading *r, const struct value *v, const struct node *reader)
{
    if (reader == r->body->yield_node)
        return stored_at_each(r->n, NULL, v);
    if (reader->graph != r->body || reader == r->n->anchor)
        return false;
    if (is_effect(reader))
        return stored_at_each(r->n, reader, v);
    if (node_is_reduction(reader) || r->seen[reader->id])
        return true;
    r->seen[reader->id] = true;
    return (op_is_map(reader->op) || reader->op == OP_reshape || reader->op == OP_broadcast) &&
           reader->op != OP_one_hot && read_in_order(r, reader->result[0]);
}

static bool read_in_order(struct reading *r, const struct value *v)
{
    if (!shape_same_size(v->type, r->n->domain))
        return false;
    for (const struct use *u = v->uses; u; u = u->next)
        if (!reader_keeps_order(r, v, u->user))
            return false;
    return true;
}

static bool read_once(const struct node *group, int k)
{
    for (int i = 0; i < group->operands; i++)
        if (i != k && operand(group, i) == operand(group, k))
            return false;
    return true;
}

static bool find_nest(struct arena *a, const struct graph *body, struct nest *n, int *count)
{
    struct node **member;

    *count = 0;
    for (struct node *b = body->first; b; b = b->next)
        ++*count;
    member = NEW_ARRAY(a, *count + 1, struct node *);
    *count = 0;
    for (struct node *b = body->first; b; b = b->next)
        member[(*count)++] = b;
    return *count > 0 && nest_of(a, member, *count, n);
}

/* What an anchor gives may be stored by itself, in parts. */
static bool may_take_a_place(const struct nest *n, const struct node *group, int i)
{
    const struct value *v = group->body[0]->yield[i];

    return v->def && v->def != n->anchor && stored_at_each(n, NULL, v);
}

/* A view lies in another's place, and is no place to give. */
static bool has_own_place(const struct value *v)
{
    struct view view;

    return !v->var && !view_of(v, &view);
}

static bool as_large(const struct node *group, int k, int i)
{
    const struct value *x = operand(group, k), *y = group->result[i];

    return has_own_place(x) && has_own_place(y) && x->type.dtype == y->type.dtype &&
           shape_same_size(x->type, y->type) && read_once(group, k);
}

const bool *in_place_pairs(struct arena *a, const struct node *group)
{
    const struct graph *body = group->body[0];
    bool *pairs = NEW_ARRAY(a, group->results * group->operands + 1, bool), any = false;
    struct nest n;
    int count;

    for (int i = 0; i < group->results; i++)
        for (int k = 0; k < group->operands; k++)
            any |= pairs[i * group->operands + k] = as_large(group, k, i);
    if (!any || !find_nest(a, body, &n, &count))
        return NULL;
    any = false;
    for (int k = 0; k < group->operands; k++) {
        struct reading r = { &n, body, NEW_ARRAY(a, count, bool) };
        bool in_order = read_in_order(&r, body->param[k]);
        for (int i = 0; i < group->results; i++)
            any |= pairs[i * group->operands + k] &= in_order && may_take_a_place(&n, group, i);
    }
    return any ? pairs : NULL;
}

int in_place_operand(const struct node *group, int i)
{
    for (int k = 0; k < group->operands; k++)
        if (!operand(group, k)->var && operand(group, k)->offset >= 0 &&
            operand(group, k)->offset == group->result[i]->offset)
            return k;
    return -1;
}
