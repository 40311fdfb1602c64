/* passes/keep.c: what is worth a place in memory. A value that several operations read is stored once and loaded by each;
 * where computing it again takes no more loads than loading it, each reader has a copy of its own, and it is never stored.
 *
 *     %1 = broadcast %s, [N,8]             %1 = broadcast %s, [N,8]
 *     %2 = sub %x, %1                      %2 = sub %x, %1
 *     %3 = exp %2                    =>    %3 = exp %2
 *     %4 = mul %2, %dy                     %5 = broadcast %s, [N,8]
 *                                          %6 = sub %x, %5
 *                                          %4 = mul %6, %dy
 *
 * What the backward part reads of a function as dear as exp or erf it makes again too, where the function's operand is at
 * hand: storing much and loading it when it has left the cache takes longer. What both parts need in memory, products read
 * it, is stored in each of them where it is cheap and what it is made of is kept anyway: one of the two is enough.
 *
 * So a normalised activation lives as what it is made of: what the convolution gave, and a few numbers a channel.
 * Convolutions that can make their images themselves (ir/nest.h) do so each, where a sum has to be known before the image
 * is (else what gives its operand makes it): from one large value, or two of them from two, as the gradient behind a
 * BatchNorm. What is expensive (exp, a division), what is made of two large values, and what a product reads again and
 * again is stored. Heads that only attention reads are parts of the product that gave them: it takes their rows where
 * they lie. */
#include <limits.h>

#include "ir/nest.h"
#include "passes/shared.h"

enum { MAX_WORK = 24, SMALL = 8 }; /* operations made again; a value SMALL times smaller costs no load */

/* What a value is made of when it is made again: at most one large value. */
struct recipe {
    struct value *large; /* NULL: small values alone; the value itself: it is stored */
    struct value *of;    /* what a stored value could be made of, or NULL */
    struct value *sum;   /* what is far larger and is summed before this can be made, or NULL */
    int work;            /* operations on much, those met twice counted twice */
    bool behind;         /* the backward part reads it, or what is made of it again there */
    bool there;          /* made by the convolution that reads it, or what is made of it */
};

int64_t full_bytes(const struct module *m, struct type t)
{
    return type_count(t, m->batch) * (t.dtype == DT_REAL || t.dtype == DT_I32 ? 4 : 1);
}

int64_t value_bytes(const struct value *v)
{
    return full_bytes(v->graph->module, v->type);
}

bool value_is_small(const struct value *v, const struct value *beside)
{
    return value_bytes(v) * SMALL <= value_bytes(beside);
}

/* Readers that load an element again and again, or need all of it in memory. */
static bool needs_memory(const struct node *n)
{
    switch (n->op) {
    case OP_matmul:
    case OP_conv:
    case OP_conv_dx:
    case OP_conv_dw:
    case OP_winograd:
    case OP_winograd_dw:
    case OP_attention:
    case OP_attention_dx:
    case OP_sparse_matmul:
    case OP_dots:
    case OP_scan:
    case OP_output:
    case OP_loss:
    case OP_metric:
    case OP_gather:
    case OP_take_along:
    case OP_cumsum:
    case OP_argmax: return true;
    default: return false;
    }
}

/* Whether the elements of a row, along the last axis, stay neighbours. */
static bool keeps_rows(const struct node *n)
{
    int last = n->result[0]->type.rank - 1;

    return n->op == OP_reshape || (n->op == OP_transpose && attr_ints(n, "perm", NULL)[last] == last) ||
           n->op == OP_slice;
}

static bool attends(const struct node *n)
{
    return n->op == OP_attention || n->op == OP_attention_dx;
}

/* A reshape moves nothing: a contraction reads through it. Attention takes rows wherever they lie. */
static bool is_read_through(const struct value *v, const struct node *reader)
{
    if (!v->def)
        return false;
    return attends(reader) ? keeps_rows(v->def) : v->def->op == OP_reshape && node_is_contraction(reader);
}

static bool only_attends(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (!attends(u->user))
            return false;
    return true;
}

/* Whether an operation may be made again at all, given its operands. A transpose of much is made once: reading across
 * rows is slow. But not for attention, to which the order of rows is all the same. */
static bool is_cheap(const struct node *n)
{
    if (n->op == OP_uniform)
        return true; /* the mask of a dropout: all that is drawn again is the same */
    if (n->results != 1 || !op_is(n->op, CHEAP) || op_is(n->op, EFFECT))
        return false;
    return n->op != OP_transpose || value_bytes(n->result[0]) <= 1 << 16 ||
           (keeps_rows(n) && only_attends(n->result[0]));
}

static const struct recipe *recipe_of(const struct value *v)
{
    return v->def ? v->data : NULL;
}

enum { MUCH = 128 }; /* products for each element: making it once more is little beside them */

bool image_pays(const struct use *u)
{
    const struct node *n = u->user;

    if (n->op == OP_reshape && n->result[0]->uses)
        return image_pays(n->result[0]->uses);
    if (n->op != OP_conv_dw)
        return true;
    struct type w = n->result[0]->type, dy = operand(n, 1)->type;
    int64_t batch = n->graph->module->batch, products = type_count(w, 1) / w.dim[w.rank - 1].k;
    return type_count(dy, batch) * products >= MUCH * type_count(u->value->type, batch);
}

/* An image that a convolution makes itself, some samples at a time (ir/nest.h). What no sum goes before is made by what gives
 * its operand, and then it is stored. */
static bool is_made_there(const struct value *v, const struct use *u)
{
    const struct recipe *r = recipe_of(v);

    return r && r->sum && is_cheap(v->def) && use_is_staged(u) && image_pays(u) &&
           graph_top(v->graph)->kind == GRAPH_TRAIN;
}

static bool is_stored_anyway(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user->graph != v->graph || u->user == v->graph->yield_node ||
            (needs_memory(u->user) && !is_read_through(v, u->user) && !is_made_there(v, u)))
            return true;
    return false;
}

/* What is far larger than what n gives, or is made of by cheap operations, and is summed before. What is stored is at hand,
 * whatever went before it. */
static struct value *summed_before(const struct node *n)
{
    const struct value *v = n->result[0];

    if (node_is_reduction(n))
        return value_is_small(v, operand(n, 0)) ? operand(n, 0) : NULL;
    for (int i = 0; i < n->operands; i++) {
        const struct value *x = operand(n, i);
        const struct recipe *r = recipe_of(x);
        if (!r || !r->sum)
            continue;
        bool stored = r->large == x && !value_is_small(x, r->sum);
        if (!stored && (value_is_small(v, r->sum) || is_cheap(n)))
            return r->sum;
    }
    return NULL;
}

static struct recipe make_recipe(const struct node *n)
{
    struct value *v = n->result[0];
    struct recipe r = { .large = NULL }, stored = { .large = v };

    if (!is_cheap(n))
        return stored;
    for (int i = 0; i < n->operands; i++) {
        struct value *x = operand(n, i);
        const struct recipe *of = recipe_of(x);
        struct value *large = of ? of->large : x;
        if (large && value_is_small(large, v))
            large = NULL;
        if (large && ((r.large && r.large != large) || value_bytes(large) > value_bytes(v)))
            return stored;
        r.large = large ? large : r.large;
        r.work += of && !value_is_small(x, v) ? of->work : 0;
    }
    r.work++;
    return r.work > MAX_WORK ? stored : r;
}

/* Some reader other than the first, or NULL. */
static struct node *another_reader(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user != v->uses->user)
            return u->user;
    return NULL;
}

/* Whether n is the convolution that makes v, or makes something else there. */
static bool makes_there(const struct node *n, const struct value *v)
{
    const struct recipe *r = n->results == 1 ? recipe_of(n->result[0]) : NULL;

    for (int i = 0; i < n->operands; i++)
        if (operand(n, i) == v && is_made_there(v, &n->operand[i]))
            return true;
    return r && r->there;
}

/* Each stands where it stood, or before the convolution that makes it, and is numbered as what reads it. */
static void copy_for_reader(struct node *n, struct node *reader, struct arena *scratch)
{
    struct value *v = n->result[0], *operands[MAX_OPERAND_NAMES];
    bool there = makes_there(reader, v);

    for (int i = 0; i < n->operands; i++)
        operands[i] = operand(n, i);
    struct node *copy = node_new(n->graph, there ? reader : n, n->op, operands, n->operands, n->attr, n->attrs, 0);
    copy->at = n->at;
    copy->layer = n->layer;
    copy->id = reader->id;
    struct value *own = node_add_result(copy, v->type);
    struct recipe *r = NEW(scratch, struct recipe);
    *r = *recipe_of(v);
    r->there = there;
    own->data = r;
    for (int i = 0; i < reader->operands; i++)
        if (operand(reader, i) == v)
            node_set_operand(reader, i, own);
}

static void copy_for_readers(struct node *n, struct arena *scratch)
{
    struct value *v = n->result[0];

    for (struct node *reader; (reader = another_reader(v));)
        copy_for_reader(n, reader, scratch);
    n->id = v->uses->user->id;
    if (!makes_there(v->uses->user, v))
        return;
    ((struct recipe *)v->data)->there = true;
    node_move(n, v->uses->user);
}

/* ---- what the backward part makes again ---- */

enum { FAR = 1 << 18 }; /* bytes that have left the cache when the backward part comes to them */

/* Whether the backward part reads what v is made of, by cheap operations, as well. */
static bool is_at_hand(const struct value *v, int end)
{
    while (v && !value_read_behind(v, end)) {
        const struct recipe *r = recipe_of(v);
        const struct value *next = NULL;
        for (int i = 0; r && r->large && r->large != v && i < v->def->operands; i++) {
            const struct recipe *of = recipe_of(operand(v->def, i));
            if (operand(v->def, i) == r->large || (of && of->large == r->large))
                next = operand(v->def, i);
        }
        v = next;
    }
    return v != NULL;
}

/* A function of one large value that both parts read, element by element: what takes longer to compute than to load, but
 * not longer than to store and load from afar. */
static bool is_made_again(const struct node *n, int end)
{
    bool before = false;

    if (!op_is_map(n->op) || op_is(n->op, CHEAP | EFFECT | RANDOM) || n->operands != 1 || n->op == OP_relayout ||
        n->id > end || value_bytes(n->result[0]) < FAR || !is_at_hand(operand(n, 0), end))
        return false;
    for (const struct use *u = n->result[0]->uses; u; u = u->next) {
        if (u->user->graph != n->graph || !op_is_map(u->user->op))
            return false;
        before |= u->user->id <= end;
    }
    return before && value_read_behind(n->result[0], end);
}

/* What is stored because both parts need it in memory, and is made by cheap operations of one value that the backward part
 * reads as well: a pass over memory that is at hand, and no need to keep both. */
static bool is_stored_again(const struct node *n, int end)
{
    const struct recipe *r = recipe_of(n->result[0]);
    bool before = false;

    if (!r || !r->of || n->id > end || value_bytes(n->result[0]) < FAR || !recipe_of(r->of) ||
        !recipe_of(r->of)->behind)
        return false;
    for (const struct use *u = n->result[0]->uses; u; u = u->next) {
        if (u->user->graph != n->graph || u->user == n->graph->yield_node)
            return false;
        before |= u->user->id <= end;
    }
    return before && value_read_behind(n->result[0], end);
}

static void find_behind(struct graph *g, int end)
{
    for (struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->results; i++) {
            const struct recipe *r = recipe_of(n->result[i]);
            struct value *large = r->large;
            if (large && large->def && value_read_behind(n->result[i], end))
                ((struct recipe *)large->data)->behind = true;
        }
}

static void copy_for_backward(struct node *n, int end)
{
    struct node *reader = value_read_behind(n->result[0], end);
    struct value *operands[MAX_OPERAND_NAMES];

    for (int i = 0; i < n->operands; i++)
        operands[i] = operand(n, i);
    struct node *copy = node_new(n->graph, reader, n->op, operands, n->operands, n->attr, n->attrs, 0);
    struct value *own = node_add_result(copy, n->result[0]->type);

    copy->at = n->at;
    copy->layer = n->layer;
    copy->id = reader->id;
    for (struct use *u = n->result[0]->uses, *next; u; u = next) {
        next = u->next;
        if (u->user->id > end)
            node_set_operand(u->user, u->index, own);
    }
}

/* ---- what convolutions make themselves ---- */

/* Adds to large, of which there are count, what v is made of by cheap operations; how many there are then, or MANY. */
enum { MANY = 3 };

static int add_large(struct value *v, struct value **large, int count)
{
    const struct recipe *r = recipe_of(v);
    struct value *one = r ? r->large : v;

    if (r && one == v && is_cheap(v->def) && !is_stored_anyway(v)) {
        for (int i = 0; i < v->def->operands && count < MANY; i++)
            if (!value_is_small(operand(v->def, i), v))
                count = add_large(operand(v->def, i), large, count);
        return count;
    }
    for (int i = 0; i < count; i++)
        if (large[i] == one)
            return count;
    if (one && count < MANY - 1)
        large[count] = one;
    return count + (one != NULL);
}

/* Whether a copy, into another layout or with a border, is all that comes of n: it makes there what it copies. */
static bool is_copied(const struct node *n)
{
    while (n->op != OP_relayout && n->results == 1 && (op_is_index(n->op) || is_cheap(n)) &&
           value_use_count(n->result[0]) == 1)
        n = n->result[0]->uses->user;
    return n->op == OP_relayout;
}

/* Whether n is read by two that make there what they read, one of them a convolution its images, and made of two large
 * values: reading these once more is less than storing it and reading it twice. And what stands between. */
static bool is_made_apart(const struct node *n)
{
    struct value *v = n->result[0], *large[MANY - 1];
    int readers = 0, images = 0;

    if (!is_cheap(n))
        return false;
    for (const struct use *u = v->uses; u; u = u->next, readers++) {
        bool image = makes_there(u->user, v);
        if (u->user->graph != n->graph || (!image && !is_copied(u->user)))
            return false;
        images += image;
    }
    return readers == 2 && images && add_large(v, large, 0) == 2;
}

/* ---- the pass ---- */

static bool keep(struct graph *g, struct arena *scratch)
{
    bool changed = false;
    int loss = graph_number(g), end = loss < 0 ? INT_MAX : loss; /* of the forward part */

    for (struct node *n = g->first; n; n = n->next) {
        if (n->op == OP_scan)
            changed |= keep(n->body[0], scratch);
        for (int i = 0; i < n->results; i++) {
            struct recipe *r = NEW(scratch, struct recipe);
            bool again = n->results == 1 && (n->operands <= MAX_OPERAND_NAMES);
            *r = again ? make_recipe(n) : (struct recipe){ .large = n->result[i] };
            r->sum = summed_before(n);
            n->result[i]->data = r;
            if (is_stored_anyway(n->result[i])) {
                r->of = r->large == n->result[i] ? NULL : r->large;
                r->large = n->result[i];
            }
        }
    }
    find_behind(g, end);
    for (struct node *n = g->last, *previous; n; n = previous) {
        previous = n->previous;
        const struct recipe *r = n->results == 1 ? recipe_of(n->result[0]) : NULL;
        if (!r || value_use_count(n->result[0]) < 2)
            continue;
        if (r->large != n->result[0] || is_made_apart(n))
            copy_for_readers(n, scratch);
        else if (is_made_again(n, end) || is_stored_again(n, end))
            copy_for_backward(n, end);
        else
            continue;
        changed = true;
    }
    return changed;
}

bool pass_keep(struct module *m, struct pass_context *c)
{
    bool changed = false;

    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            changed |= keep(m->graph[k], c->scratch);
    return changed;
}
