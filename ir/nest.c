/* ir/nest.c: see nest.h. Places are found operation by operation, from the first to the last. */
#include <math.h>

#include "ir/nest.h"
#include "ir/layout.h"

/* ---- kinds of operations ---- */

bool node_is_reduction(const struct node *n)
{
    switch (n->op) {
    case OP_sum:
    case OP_reduce_max:
    case OP_reduce_min:
    case OP_prod:
    case OP_moments: return true;
    default: return false;
    }
}

bool node_is_contraction(const struct node *n)
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
    case OP_dots: return true;
    default: return false;
    }
}

static bool is_effect(const struct node *n)
{
    return n->op == OP_assign || n->op == OP_accumulate;
}

/* Elements that depend on their own coordinates alone. */
static bool is_elementwise(const struct node *n)
{
    return op_is_map(n->op) || op_is(n->op, RANDOM) || n->op == OP_learning_rate || n->op == OP_bias_correction ||
           n->op == OP_first_step;
}

static bool is_lookup(const struct node *n)
{
    return n->op == OP_gather || n->op == OP_take_along;
}

bool node_is_anchor(const struct node *n)
{
    return !is_elementwise(n) && !op_is_index(n->op) && !is_lookup(n) && !op_is(n->op, EFFECT);
}

/* ---- what it takes ---- */

static double elements(const struct value *v)
{
    return (double)type_count(v->type, v->graph->module->batch);
}

/* Multiply-adds of a product of a and b to y are sqrt(|a| |b| |y|), and run in lanes. */
double node_work(const struct node *n)
{
    double work = 0;

    for (int i = 0; i < n->bodies; i++)
        for (const struct node *b = n->body[i]->first; b; b = b->next)
            work += node_work(b);
    if (n->op == OP_scan)
        return work * (double)operand(n, 0)->type.dim[attr_int(n, "axis")].k;
    if (n->op == OP_fused)
        return work;
    for (int i = 0; i < n->results; i++)
        work += elements(n->result[i]);
    if (n->results && n->operands > 1 && node_is_anchor(n))
        work += sqrt(elements(operand(n, 0)) * elements(operand(n, 1)) * elements(n->result[0])) / 8;
    return work;
}

/* ---- shapes ---- */

static struct type part(struct type t, int from, int to)
{
    return type_make(t.dtype, to - from, t.dim + from);
}

struct type nest_rows(const struct nest *n)
{
    return part(n->domain, 0, n->split);
}

struct type nest_row(const struct nest *n)
{
    return part(n->domain, n->split, n->domain.rank);
}

static bool is_one(struct type t)
{
    return shape_same_size(t, type_scalar(t.dtype));
}

/* The axes of x that a reduction takes, as a range begin..end with all that lies between; axes of length 1 do not count.
 * False where others lie between. */
static bool reduced_range(const struct node *n, int *begin, int *end)
{
    struct type t = operand(n, 0)->type;
    int count;
    const int64_t *axes = attr_ints(n, "axes", &count);
    bool gone[MAX_RANK] = { false };

    for (int i = 0; i < count; i++)
        gone[axes[i]] = true;
    *begin = *end = 0;
    for (int i = 0; i < t.rank; i++) {
        if (!gone[i] || dim_is_one(t.dim[i]))
            continue;
        *begin = *end ? *begin : i;
        *end = i + 1;
    }
    for (int i = *begin; i < *end; i++)
        if (!gone[i] && !dim_is_one(t.dim[i]))
            return false;
    return true;
}

static bool reduces_all(const struct node *n)
{
    int begin, end;
    struct type t = operand(n, 0)->type;

    return reduced_range(n, &begin, &end) && is_one(part(t, 0, begin)) && is_one(part(t, end, t.rank));
}

/* ---- the domain ---- */

static bool set_domain(struct nest *n, const struct node *reduction)
{
    struct type t = operand(reduction, 0)->type;
    int begin, end;

    if (!reduced_range(reduction, &begin, &end))
        return false;
    n->domain = t;
    if (is_one(part(t, end, t.rank)))
        n->split = begin; /* along rows */
    else if (is_one(part(t, 0, begin)))
        n->split = end; /* over rows */
    else
        return false;
    return true;
}

/* What an anchor gives, t, and the first reduction's rows as leading axes of it: as many elements, in other axes perhaps. */
static bool set_anchor_domain(struct nest *n, struct type t, const struct node *reduction)
{
    struct type rows = nest_rows(n);
    int split = reduction ? 0 : t.rank;

    if (reduction && !shape_same_size(t, n->domain))
        return false;
    while (reduction && split <= t.rank && !shape_same_size(part(t, 0, split), rows))
        split++;
    n->domain = t;
    n->split = split;
    return split <= t.rank;
}

/* The source's rows are leading axes of the domain; a reduction has said what a row is, or else they do. */
static bool set_source_rows(struct nest *n, bool reduction)
{
    struct type t = n->source->result[0]->type, rows = part(t, 0, t.rank - 1);
    int split = reduction ? n->split : 0;

    while (!reduction && split < n->domain.rank && !shape_same_size(part(n->domain, 0, split), rows))
        split++;
    n->split = split;
    return shape_same_size(nest_rows(n), rows);
}

/* An anchor's result; what the first reduction reads that leaves something; what is stored. Where all is summed a row is
 * all there is. */
static bool find_domain(struct node *const *member, int count, struct nest *n)
{
    const struct node *reduction = NULL;
    bool open = true;

    for (int i = 0; i < count; i++) {
        if (!node_is_reduction(member[i]) || member[i] == n->anchor)
            continue;
        n->reductions++;
        if (open && (!reduction || !reduces_all(member[i]))) {
            reduction = member[i];
            open = reduces_all(reduction);
        }
    }
    if (reduction && !set_domain(n, reduction))
        return false;
    if (reduction && reduces_all(reduction))
        n->split = 0;
    if (n->anchor) {
        return set_anchor_domain(n, n->anchor->result[0]->type, reduction);
    }
    if (reduction)
        return !n->source || set_source_rows(n, true);
    const struct node *last = member[count - 1];
    n->domain = is_effect(last) ? operand(last, 1)->type : last->results ? last->result[0]->type : type_scalar(DT_REAL);
    n->split = n->domain.rank;
    return !n->source || set_source_rows(n, false);
}

/* ---- places ---- */

struct finding {
    struct nest *n;
    struct node *const *member;
    int count;
    struct type rows, row;
};

static bool is_member(const struct finding *f, const struct node *n)
{
    return n && n->id >= 0 && n->id < f->count && f->member[n->id] == n;
}

static enum place_of place_at(const struct finding *f, const struct value *v)
{
    enum place_of place = is_member(f, v->def) ? f->n->place[v->def->id] : AT_FREE;

    return place_is_free(place) ? AT_FREE : place;
}

static bool has_size_of_image(const struct nest *n, struct type t)
{
    return nest_image(n) && shape_same_size(t, nest_image(n)->type);
}

static bool has_size(const struct nest *n, enum place_of place, struct type t)
{
    switch (place) {
    case AT_STAGED: return has_size_of_image(n, t);
    case AT_HELD: return !n->anchor && shape_same_size(t, n->domain);
    case AT_FREE:
    case AT_EACH: return shape_same_size(t, n->domain);
    case AT_ROW: return shape_same_size(t, nest_rows(n));
    case AT_COLUMN: return shape_same_size(t, nest_row(n));
    default: return is_one(t);
    }
}

bool nest_leaves_at(const struct nest *n, enum place_of place, struct type t, enum place_of *at)
{
    if (place != AT_FREE) {
        *at = place == AT_HELD ? AT_EACH : place;
        return has_size(n, place, t);
    }
    for (*at = AT_EACH; *at <= AT_TOTAL; (*at)++)
        if (has_size(n, *at, t) && (*at == AT_EACH || (n->reductions && !(n->anchor && *at == AT_ROW))))
            return true;
    return false;
}

/* Both are known where the nest goes through a row of its source. */
static bool is_element(const struct nest *n, enum place_of place)
{
    return !n->anchor && (place == AT_HELD || place == AT_EACH);
}

/* Whatever waits longest decides; what is known for a row or later joins nothing that is known earlier, or the other way
 * round, but through a broadcast. */
static bool place_elementwise(const struct finding *f, const struct node *n, enum place_of *place)
{
    *place = AT_FREE;
    for (int i = is_effect(n); i < n->operands; i++) {
        enum place_of p = place_at(f, operand(n, i));
        if (p == AT_FREE)
            continue;
        if (*place != AT_FREE && *place != p && !(is_element(f->n, *place) && is_element(f->n, p)))
            return false;
        *place = p > *place ? p : *place;
    }
    return true;
}

/* Whether x, as it is spread over t, gives each row its own: x has t's leading axes, and 1 in place of the others. */
static bool spreads_rows(const struct finding *f, struct type x, struct type t)
{
    int extra = t.rank - x.rank, axis = 0;

    if (!shape_same_size(t, f->n->domain))
        return false;
    while (axis < t.rank && !shape_same_size(part(t, 0, axis), f->rows))
        axis++;
    for (int i = 0; i < t.rank; i++) {
        struct dim d = i < extra ? dim_of(1) : x.dim[i - extra];
        if (i < axis ? !dim_equal(d, t.dim[i]) : !dim_is_one(d))
            return false;
    }
    return axis <= t.rank && shape_same_size(part(t, 0, axis), f->rows);
}

static bool place_broadcast(const struct finding *f, const struct node *n, enum place_of *place)
{
    struct type x = operand(n, 0)->type, t = n->result[0]->type;

    *place = place_at(f, operand(n, 0));
    if (*place == AT_FREE || shape_same_size(x, t))
        return true;
    if (*place != AT_ROW || !spreads_rows(f, x, t))
        return false;
    *place = AT_EACH;
    return true;
}

/* Whether the order of elements stays: a reshape, or a transpose that moves axes of length 1 alone. */
static bool keeps_order(const struct node *n)
{
    int count, before = -1;
    const int64_t *perm;
    struct type t = n->operands ? operand(n, 0)->type : type_scalar(DT_REAL);

    if (n->op == OP_reshape || n->op == OP_relayout)
        return true;
    if (n->op != OP_transpose)
        return false;
    perm = attr_ints(n, "perm", &count);
    for (int i = 0; i < count; i++) {
        if (dim_is_one(t.dim[perm[i]]))
            continue;
        if (perm[i] < before)
            return false;
        before = (int)perm[i];
    }
    return true;
}

/* Moments over rows measure from their first one: it is at hand, or it is what the anchor gives before any other. */
static bool gives_first_row_first(const struct node *anchor)
{
    return anchor && (anchor->op == OP_matmul || anchor->op == OP_conv || anchor->op == OP_winograd);
}

static bool place_reduction(const struct finding *f, const struct node *n, enum place_of *place)
{
    struct value *x = operand(n, 0);
    enum place_of p = place_at(f, x);
    struct type t = x->type;
    int begin, end;

    if (p == AT_COLUMN || p == AT_TOTAL || !reduced_range(n, &begin, &end))
        return false;
    struct type gone = part(t, begin, end);
    bool last = is_one(part(t, end, t.rank)), first = is_one(part(t, 0, begin));
    if (p != AT_ROW && shape_same_size(t, f->n->domain)) {
        if (last && shape_same_size(gone, f->row) && shape_same_size(part(t, 0, begin), f->rows) && !f->n->anchor)
            *place = AT_ROW;
        else if (first && shape_same_size(gone, f->rows) && f->n->split > 0)
            *place = AT_COLUMN;
        else if (first && last && !f->n->anchor && n->op != OP_moments)
            *place = AT_TOTAL;
        else
            return false;
    } else if (first && last && shape_same_size(t, f->rows) && !f->n->anchor && n->op != OP_moments) {
        *place = AT_TOTAL;
    } else {
        return false;
    }
    if (f->n->source && *place != AT_ROW)
        return false; /* blocks of rows run in threads, in any order */
    if (*place == AT_COLUMN && n->op == OP_moments && p != AT_FREE && !gives_first_row_first(f->n->anchor))
        return false;
    return *place != AT_COLUMN || (!shape_batches(f->row) && type_count(f->row, 1) <= NEST_LOCAL);
}

static bool all_free(const struct finding *f, const struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        if (place_at(f, operand(n, i)) != AT_FREE)
            return false;
    return true;
}

/* Whether a slice takes of each row what it takes. */
static bool stays_in_row(const struct finding *f, const struct node *n)
{
    struct type t = operand(n, 0)->type;
    int axis = 0;

    while (axis < attr_int(n, "axis") && !shape_same_size(part(t, 0, axis), f->rows))
        axis++;
    return shape_same_size(part(t, 0, axis), f->rows);
}

/* An anchor that has a source makes its values of elementwise operations on the source's elements. */
static bool place_anchor(const struct finding *f, const struct node *n, enum place_of *place)
{
    *place = AT_EACH;
    return f->n->source ? place_at(f, operand(n, 0)) == AT_HELD : all_free(f, n);
}

static bool find_place(const struct finding *f, const struct node *n, enum place_of *place)
{
    *place = AT_FREE;
    if (n == f->n->anchor)
        return place_anchor(f, n, place);
    if (n == f->n->source) {
        *place = AT_HELD;
        return all_free(f, n);
    }
    if (node_is_reduction(n))
        return place_reduction(f, n, place);
    if (n->op == OP_broadcast)
        return place_broadcast(f, n, place);
    if (keeps_order(n)) {
        *place = place_at(f, operand(n, 0));
        return *place != AT_HELD || !f->n->anchor || shape_equal(operand(n, 0)->type, n->result[0]->type);
    }
    bool held = n->operands && place_at(f, operand(n, 0)) == AT_HELD;
    if (held && !f->n->anchor && n->op == OP_slice && stays_in_row(f, n)) {
        *place = AT_HELD;
        return true;
    }
    if (is_effect(n) || is_elementwise(n))
        return place_elementwise(f, n, place) && (n->op != OP_one_hot || *place == AT_FREE);
    return (op_is_index(n->op) || is_lookup(n)) && all_free(f, n);
}

static bool read_outside(const struct finding *f, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (!is_member(f, u->user))
            return true;
    return false;
}

/* What leaves the group, or is written, has to be as large as its place says. */
static bool can_leave(const struct finding *f, const struct node *n, enum place_of place)
{
    enum place_of at;

    if (is_effect(n))
        return nest_leaves_at(f->n, place, operand(n, 1)->type, &at);
    if (n->op == OP_attention_dx)
        return true; /* results of several sizes, which it stores itself */
    for (int i = 0; i < n->results; i++)
        if (read_outside(f, n->result[i]) && !nest_leaves_at(f->n, place, n->result[i]->type, &at))
            return false;
    return true;
}

/* ---- images ---- */

static bool stages(const struct node *n, int index)
{
    switch (n->op) {
    case OP_winograd: return index == 0;
    case OP_winograd_dw: return index < 2;
    case OP_conv_dw: return index < 2 && layout_channels_last(n);
    case OP_conv:
    case OP_conv_dx: return index == 0 && layout_channels_last(n);
    default: return false;
    }
}

bool use_is_staged(const struct use *u)
{
    const struct node *n = u->user;
    struct type t = u->value->type;

    if (n->op == OP_reshape && n->result[0]->uses && !n->result[0]->uses->next)
        return use_is_staged(n->result[0]->uses);
    return stages(n, u->index) && type_count(part(t, 1, t.rank), 1) <= NEST_STAGED;
}

/* What elementwise operations of the group make of an image. */
static void find_images(const struct finding *f)
{
    struct node *n = f->n->anchor;

    for (int i = 0; n && i < n->operands && i < 2; i++) {
        const struct node *def = operand(n, i)->def;
        while (is_member(f, def) && def->op == OP_reshape)
            def = operand(def, 0)->def;
        if (is_member(f, def) && op_is_map(def->op) && def->op != OP_relayout && use_is_staged(&n->operand[i]))
            f->n->image[i] = operand(n, i);
    }
}

static bool is_staged(const struct finding *f, const struct node *n)
{
    return op_is_map(n->op) && n->results == 1 && has_size_of_image(f->n, n->result[0]->type);
}

static struct node *only_anchor(struct node *const *member, int count, bool reductions)
{
    struct node *anchor = NULL;

    for (int i = 0; i < count; i++) {
        if (!node_is_anchor(member[i]) || (!reductions && node_is_reduction(member[i])))
            continue;
        if (anchor)
            return NULL;
        anchor = member[i];
    }
    return anchor;
}

/* Rows whose work takes longer than to read a matrix from far away. */
enum { MANY_ROWS = 4 * NEST_TILE };

int64_t nest_least_held(const struct node *source)
{
    struct type right = operand(source, 1)->type;

    return type_count(part(right, right.rank - 2, right.rank), source->graph->module->batch) >= NEST_FAR ? MANY_ROWS
                                                                                                         : NEST_TILE;
}

/* Rows of a product can be held where the least that is worth it is not too much. */
static bool can_be_held(const struct node *n)
{
    struct type t = n ? n->result[0]->type : type_scalar(DT_REAL);

    return n && n->op == OP_matmul && !t.dim[t.rank - 1].n && t.dim[t.rank - 1].k * nest_least_held(n) <= NEST_HELD;
}

/* A convolution whose results are all at hand in one register tile, or one of Winograd's, at a time. */
static bool can_be_pooled(const struct node *n, const int64_t *window)
{
    if (n->op == OP_conv) {
        struct type t = n->result[0]->type;
        return layout_channels_last(n) && attr_int(n, "groups") == 1 && t.dim[t.rank - 1].k > FEW_CHANNELS &&
               window[t.rank - 3] <= NEST_TILE;
    }
    if (n->op != OP_winograd)
        return false;
    const int64_t *tile = attr_ints(n, "tile", NULL), *dilation = attr_ints(n, "dilation", NULL);
    for (int i = 0; i < 2; i++)
        if (tile[i] % window[i] || dilation[i] != 1)
            return false;
    return true;
}

/* The pool among the members and, as *source, the convolution whose results its windows share out; or NULL. */
static struct node *pool_of(struct node *const *member, int count, struct node **source)
{
    struct node *pool = NULL;
    int n;

    *source = NULL;
    for (int i = 0; i < count; i++) {
        bool pools = member[i]->op == OP_maxpool || member[i]->op == OP_avgpool;
        if (pools || node_is_contraction(member[i])) {
            struct node **to = pools ? &pool : source;
            if (*to)
                return NULL;
            *to = member[i];
        }
    }
    if (!pool || !*source || !layout_channels_last(pool) || (pool->op == OP_maxpool && value_used(pool->result[1])) ||
        !shape_equal(operand(pool, 0)->type, (*source)->result[0]->type))
        return NULL;
    const int64_t *window = attr_ints(pool, "kernel", &n), *stride = attr_ints(pool, "stride", NULL),
                  *pad = attr_ints(pool, "pad", NULL);
    for (int i = 0; i < n; i++)
        if (window[i] != stride[i] || pad[2 * i] || pad[2 * i + 1])
            return NULL;
    return can_be_pooled(*source, window) ? pool : NULL;
}

static bool try_nest(struct node *const *member, int count, struct node *anchor, struct node *source, struct nest *n)
{
    enum place_of *place = n->place;

    *n = (struct nest){ .anchor = anchor, .source = source, .place = place };
    if (!find_domain(member, count, n))
        return false;
    struct finding f = { .n = n, .member = member, .count = count, .rows = nest_rows(n), .row = nest_row(n) };
    find_images(&f);
    for (int i = 0; i < count; i++) {
        if (!find_place(&f, member[i], &place[i]))
            return false;
        if (place[i] == AT_FREE && is_staged(&f, member[i]))
            place[i] = AT_STAGED;
        if (!can_leave(&f, member[i], place[i]))
            return false;
    }
    return true;
}

enum { MANY_PLACES = 1024, MANY_ELEMENTS = 1 << 18 };

/* Whether a reduction goes over so many rows of so few elements that it is worth to go through them once, in order, with
 * a row of sums in parts that threads share out; else each place of a row is summed for itself. */
static bool has_many_rows(const struct node *n)
{
    struct nest nest;
    int64_t row, all;

    if (!n || !node_is_reduction(n) || !set_domain(&nest, n) || nest.split == 0 || shape_batches(nest_row(&nest)))
        return false;
    row = type_count(nest_row(&nest), 1);
    all = type_count(nest.domain, n->graph->module->batch);
    return row > 1 && row <= MANY_PLACES && all >= MANY_ELEMENTS;
}

/* One reduction alone is an anchor, unless it has many rows: what stands behind it sees it at its own coordinates. */
bool nest_of(struct arena *a, struct node *const *member, int count, struct nest *n)
{
    struct node *only = only_anchor(member, count, true), *other = only_anchor(member, count, false), *source,
                *pool = pool_of(member, count, &source);
    bool rows = has_many_rows(only);

    n->place = NEW_ARRAY(a, (size_t)count, enum place_of);
    for (int i = 0; i < count; i++)
        member[i]->id = i;
    return (only && !rows && try_nest(member, count, only, NULL, n)) || try_nest(member, count, other, NULL, n) ||
           (rows && try_nest(member, count, only, NULL, n)) ||
           (can_be_held(other) && try_nest(member, count, NULL, other, n)) ||
           (pool && try_nest(member, count, pool, source, n));
}
