/* ir/in_place.c: see in_place.h. A kernel stores an element of what is EACH in its nest once, when all that has its
 * coordinates has been computed, and before it comes to the next one, or the next row (ir/nest.h). So an operand may give
 * up its place to such a result if whatever reads it does so element by element, in their order: then nobody reads an
 * element that is stored. Sums go through an element, or its row, before it is stored. What an anchor reads, or what is
 * read at other coordinates, is read by several elements of the result, or late. Where images are made, the same holds of
 * what is STAGED, if the first image and what is stored beside it is all that reads the operand. */
#include "ir/in_place.h"

#include "ir/nest.h"
#include "ir/view.h"

struct reading {
    const struct nest *n;
    const struct graph *body;
    enum place_of place; /* where elements are stored */
    bool *seen;          /* by operation */
};

static bool is_effect(const struct node *n)
{
    return n->op == OP_assign || n->op == OP_accumulate;
}

/* Where v, which the body yields, or which `effect` writes, is stored. */
static enum place_of stored_at(const struct nest *n, const struct node *effect, const struct value *v)
{
    enum place_of place = effect ? n->place[effect->id] : v->def ? n->place[v->def->id] : AT_FREE, at;

    return nest_leaves_at(n, place, v->type, &at) ? at : AT_TOTAL;
}

static bool read_in_order(struct reading *r, const struct value *v);

static bool reader_keeps_order(struct reading *r, const struct value *v, const struct node *reader)
{
    if (reader == r->body->yield_node)
        return stored_at(r->n, NULL, v) == r->place;
    if (reader->graph != r->body)
        return false;
    if (reader == r->n->anchor)
        return r->place == AT_STAGED && v == nest_image(r->n);
    if (is_effect(reader))
        return stored_at(r->n, reader, v) == r->place;
    if (r->seen[reader->id])
        return true;
    if (node_is_reduction(reader))
        return r->place == AT_EACH;
    r->seen[reader->id] = true;
    return (op_is_map(reader->op) || reader->op == OP_reshape || reader->op == OP_broadcast) &&
           reader->op != OP_one_hot && read_in_order(r, reader->result[0]);
}

static bool read_in_order(struct reading *r, const struct value *v)
{
    struct type t = r->place == AT_EACH ? r->n->domain : nest_image(r->n)->type;

    if (!shape_same_size(v->type, t))
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

/* Where result i is stored, if that may be in another's place; else AT_TOTAL. What an anchor gives may be stored by itself, in
 * parts. */
static enum place_of takes_a_place(const struct nest *n, const struct node *group, int i)
{
    const struct value *v = group->body[0]->yield[i];
    enum place_of at = v->def && v->def != n->anchor ? stored_at(n, NULL, v) : AT_TOTAL;

    return at == AT_EACH || at == AT_STAGED ? at : AT_TOTAL;
}

/* Whether operand k is read in the order in which elements are stored there. */
static bool gives_its_place(struct arena *a, const struct nest *n, const struct node *group, int k, enum place_of place,
                            int count)
{
    struct reading r = { n, group->body[0], place, NEW_ARRAY(a, count, bool) };

    return (place == AT_EACH || nest_image(n)) && read_in_order(&r, group->body[0]->param[k]);
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
        bool each = gives_its_place(a, &n, group, k, AT_EACH, count),
             staged = gives_its_place(a, &n, group, k, AT_STAGED, count);
        for (int i = 0; i < group->results; i++) {
            enum place_of at = takes_a_place(&n, group, i);
            any |= pairs[i * group->operands + k] &= at == AT_EACH ? each : at == AT_STAGED && staged;
        }
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
