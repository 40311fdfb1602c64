/* passes/batch_rules.c: an operation of a scan's body, done for all steps at once.
 *
 *     a step:     %y : [N,H] = matmul %x, %w
 *     all steps:  %0 : [T*N,D] = reshape %xs        (%xs : [N,T,D])
 *                 %1 : [T*N,H] = matmul %0, %w
 *                 %ys : [N,T,H] = reshape %1
 *
 * Elementwise operations, reductions and changes of coordinates pass the steps' axis by; in a product with a matrix that
 * does not vary it joins the rows or columns, in a product of two that vary it leads; in convolutions and pools it joins
 * the samples. */
#include <string.h>

#include "passes/batch.h"

int batch_place(const struct batch *a, int rank)
{
    return a->axis < rank ? (int)a->axis : rank;
}

/* t with the steps' axis before its axis `place`. */
static struct type stacked(const struct batch *a, struct type t, int place)
{
    for (int i = t.rank++; i > place; i--)
        t.dim[i] = t.dim[i - 1];
    t.dim[place] = a->steps;
    return t;
}

bool batch_fits(const struct batch *a, struct type t)
{
    int64_t count;

    return t.rank < MAX_RANK && type_count_checked(stacked(a, t, 0), a->b.graph->module->batch, &count);
}

/* v with its axis `from` at `to`, the others in their order. */
static struct value *moved(struct batch *a, struct value *v, int from, int to)
{
    int64_t perm[MAX_RANK];

    for (int i = 0, next = 0; i < v->type.rank; i++) {
        next += next == from;
        perm[i] = i == to ? from : next++;
    }
    return build_transpose(&a->b, v, perm);
}

/* v, whose steps' axis is at `from`, with it where it belongs. */
static struct value *settled(struct batch *a, struct value *v, int from)
{
    return moved(a, v, from, batch_place(a, v->type.rank - 1));
}

/* What is a broadcast already is spread from what it was. */
struct value *batch_widen(struct batch *a, struct value *v)
{
    int rank = v->type.rank;
    struct type full = stacked(a, v->type, batch_place(a, rank));

    while (v->def && v->def->op == OP_broadcast)
        v = operand(v->def, 0);
    int place = batch_place(a, rank) - (rank - v->type.rank);
    if (place > 0) {
        struct type one = stacked(a, v->type, place);
        one.dim[place] = dim_of(1);
        v = build_reshape(&a->b, v, one.dim, one.rank);
    }
    return build_broadcast(&a->b, v, full.dim, full.rank);
}

/* ---- operations again, with other attributes ---- */

static struct node *again(struct batch *a, const struct node *n, struct value *const *x, struct attr *changed)
{
    struct attr attrs[MAX_ATTRS];

    for (int i = 0; i < n->attrs; i++)
        attrs[i] = changed && strcmp(n->attr[i].name, changed->name) == 0 ? *changed : n->attr[i];
    struct node *copy = build_node(&a->b, n->op, x, n->operands, attrs, n->attrs);
    if (!copy)
        bug("%s cannot be done outside a scan", op_info(n->op)->name);
    for (int i = 0; i < n->results; i++)
        copy->result[i]->name = n->result[i]->name;
    return copy;
}

struct value *batch_copy(struct batch *a, const struct node *n, struct value *const *x)
{
    return again(a, n, x, NULL)->result[0];
}

/* The place of a step's axis beside the steps' one. */
static int64_t beside(int64_t axis, int place)
{
    return axis + (axis >= place);
}

static struct value *along_axis(struct batch *a, const struct node *n, struct value *const *x)
{
    int place = batch_place(a, operand(n, 0)->type.rank);
    struct attr axis = at_int("axis", beside(attr_int(n, "axis"), place));

    return again(a, n, x, &axis)->result[0];
}

/* ---- changes of coordinates ---- */

static struct value *batch_transpose(struct batch *a, const struct node *n, struct value *x)
{
    int64_t perm[MAX_RANK];
    int rank = x->type.rank, place = batch_place(a, rank - 1);
    const int64_t *old = attr_ints(n, "perm", NULL);

    for (int i = 0; i < rank; i++)
        perm[i] = i == place ? place : beside(old[i - (i > place)], place);
    return build_transpose(&a->b, x, perm);
}

static bool equal_heads(struct type x, struct type y, int axes_of_x, int axes_of_y)
{
    x.rank = axes_of_x;
    y.rank = axes_of_y;
    return shape_same_size(x, y);
}

/* Where the axes before the steps' hold as much before as behind, it may stay between; else it leads meanwhile. */
static struct value *batch_reshape(struct batch *a, const struct node *n, struct value *x)
{
    struct type from = operand(n, 0)->type, to = n->result[0]->type;
    int p = batch_place(a, from.rank), q = batch_place(a, to.rank);

    if (!equal_heads(from, to, p, q)) {
        x = moved(a, x, p, 0);
        q = 0;
    }
    struct type t = stacked(a, to, q);
    return settled(a, build_reshape(&a->b, x, t.dim, t.rank), q);
}

static struct value *batch_broadcast(struct batch *a, const struct node *n, struct value *x)
{
    struct type from = operand(n, 0)->type, to = n->result[0]->type, one = to;
    int extra = to.rank - from.rank, place = batch_place(a, to.rank);

    x = moved(a, x, batch_place(a, from.rank), place > extra ? place - extra : 0);
    for (int i = 0; i < to.rank; i++)
        one.dim[i] = i < extra ? dim_of(1) : from.dim[i - extra];
    one = stacked(a, one, place);
    to = stacked(a, to, place);
    return build_broadcast(&a->b, build_reshape(&a->b, x, one.dim, one.rank), to.dim, to.rank);
}

static struct value *batch_pad(struct batch *a, const struct node *n, struct value *x)
{
    int64_t pairs[2 * MAX_RANK] = { 0 };
    int place = batch_place(a, x->type.rank - 1);
    const int64_t *old = attr_ints(n, "pairs", NULL);

    for (int i = 0; i < x->type.rank - 1; i++)
        memcpy(&pairs[2 * beside(i, place)], &old[2 * i], 2 * sizeof *pairs);
    return build_pad(&a->b, x, pairs, attr_real(n, "value"));
}

/* ---- reductions ---- */

/* The axes of a step as axes of all steps, and how many of them lie before the steps' own. */
static int axes_beside(const int64_t *axes, int count, int place, int64_t *out)
{
    int before = 0;

    for (int i = 0; i < count; i++) {
        out[i] = beside(axes[i], place);
        before += axes[i] < place;
    }
    return before;
}

static void batch_reduce(struct batch *a, const struct node *n, struct value *x, struct value **y)
{
    int64_t axes[MAX_RANK];
    int count, place = batch_place(a, x->type.rank - 1);
    const int64_t *old = attr_ints(n, "axes", &count);
    int before = axes_beside(old, count, place, axes);
    struct attr changed = at_ints("axes", axes, count);
    struct node *all = again(a, n, &x, &changed);

    for (int i = 0; i < n->results; i++)
        y[i] = settled(a, all->result[i], attr_bool(n, "keepdims") ? place : place - before);
}

struct value *batch_sum(struct batch *a, struct value *v, const int64_t *axes, int count, bool keepdims)
{
    int64_t all[MAX_RANK];
    int place = batch_place(a, v->type.rank - 1), before = axes_beside(axes, count, place, all);
    struct type t = v->type;

    for (int i = count++; i > before; i--)
        all[i] = all[i - 1];
    all[before] = place;
    struct value *sum = build_reduce(&a->b, OP_sum, v, all, count, keepdims);
    if (!keepdims)
        return sum;
    t = sum->type;
    memmove(&t.dim[place], &t.dim[place + 1], (size_t)(--t.rank - place) * sizeof *t.dim);
    return build_reshape(&a->b, sum, t.dim, t.rank);
}

static struct value *batch_argmax(struct batch *a, const struct node *n, struct value *x)
{
    int place = batch_place(a, x->type.rank - 1);

    return settled(a, along_axis(a, n, &x), place - (attr_int(n, "axis") < place));
}

/* ---- contractions ---- */

/* The steps' axis and the axis `with` of a step as one. `behind`: the steps count faster. */
static struct value *joined(struct batch *a, struct value *v, int with, bool behind)
{
    v = moved(a, v, batch_place(a, v->type.rank - 1), with + behind);
    struct type t = v->type;
    t.dim[with] = (struct dim){ t.dim[with].k * t.dim[with + 1].k, t.dim[with].n || t.dim[with + 1].n };
    memmove(&t.dim[with + 1], &t.dim[with + 2], (size_t)(--t.rank - with - 1) * sizeof *t.dim);
    return build_reshape(&a->b, v, t.dim, t.rank);
}

/* `like` is a step of v, whose axis `with` was joined so. */
static struct value *parted(struct batch *a, struct value *v, struct type like, int with, bool behind)
{
    struct type t = stacked(a, like, with + behind);

    return settled(a, build_reshape(&a->b, v, t.dim, t.rank), with + behind);
}

/* Whether the steps' axis of a value of that rank lies behind `axis` already. */
static bool is_behind(const struct batch *a, int rank, int axis)
{
    return batch_place(a, rank) == axis + 1;
}

static struct value *product_of_all(struct batch *a, const struct node *n, struct value *x, struct value *y)
{
    int rank = x->type.rank - 1, place = batch_place(a, rank), lead = place < rank - 2 ? place : rank - 2;
    struct value *both[] = { moved(a, x, place, lead), moved(a, y, place, lead) };

    return settled(a, batch_copy(a, n, both), lead);
}

static struct value *batch_matmul(struct batch *a, const struct node *n, struct value *const *x, const bool *varies)
{
    struct type t = n->result[0]->type;
    int side = varies[0] ? 0 : 1;

    if (varies[0] && varies[1])
        return product_of_all(a, n, x[0], x[1]);
    bool turned = attr_bool(n, side ? "tb" : "ta");
    int with = t.rank - 2 + (side != turned);
    bool behind = is_behind(a, t.rank, with);
    struct value *both[] = { x[0], x[1] };
    both[side] = joined(a, x[side], with, behind);
    return parted(a, batch_copy(a, n, both), t, t.rank - 2 + side, behind);
}

/* Convolutions and pools see more samples. */
static void batch_images(struct batch *a, const struct node *n, struct value *const *x, const bool *varies,
                         struct value **y)
{
    struct value *in[MAX_OPERAND_NAMES];
    bool behind = a->axis > 0;

    for (int i = 0; i < n->operands; i++)
        in[i] = varies[i] ? joined(a, x[i], 0, behind) : x[i];
    struct node *all = again(a, n, in, NULL);
    for (int i = 0; i < n->results; i++)
        y[i] = parted(a, all->result[i], n->result[i]->type, 0, behind);
}

bool batch_can_add_up(const struct batch *a, const struct node *n, const bool *varies)
{
    if (n->op != OP_matmul && n->op != OP_conv_dw && n->op != OP_scatter_add)
        return false;
    return varies[0] && varies[1] && batch_fits(a, operand(n, 0)->type) && batch_fits(a, operand(n, 1)->type);
}

/* Both operands' steps join the axis that is summed over, in one order. */
static struct value *add_up_products(struct batch *a, const struct node *n, struct value *const *x)
{
    int rank = x[0]->type.rank - 1;
    int left = rank - 2 + !attr_bool(n, "ta"), right = rank - 2 + attr_bool(n, "tb");
    bool behind = is_behind(a, rank, left) || is_behind(a, rank, right);
    struct value *both[] = { joined(a, x[0], left, behind), joined(a, x[1], right, behind) };

    return batch_copy(a, n, both);
}

struct value *batch_add_up(struct batch *a, const struct node *n, struct value *const *x)
{
    int place = batch_place(a, x[0]->type.rank - 1);
    bool behind = a->axis > 0;

    if (n->op == OP_matmul)
        return add_up_products(a, n, x);
    struct value *both[] = { x[0], x[1] };
    if (n->op == OP_conv_dw) {
        both[0] = joined(a, x[0], 0, behind);
        both[1] = joined(a, x[1], 0, behind);
    } else { /* the index has the steps among its axes too */
        int beyond = (int)attr_int(n, "axis") + batch_place(a, x[1]->type.rank - 1);
        both[0] = moved(a, x[0], place, beyond);
    }
    return batch_copy(a, n, both);
}

/* ---- indices ---- */

static struct value *batch_gather(struct batch *a, const struct node *n, struct value *const *x, const bool *varies)
{
    int64_t axis = attr_int(n, "axis");
    int indices = operand(n, 1)->type.rank, place = batch_place(a, operand(n, 0)->type.rank);

    if (varies[1])
        return settled(a, batch_copy(a, n, x), (int)axis + batch_place(a, indices));
    return settled(a, along_axis(a, n, x), place <= axis ? place : place + indices - 1);
}

/* ---- the table ---- */

static bool only_varies(const struct node *n, const bool *varies, int which)
{
    for (int i = 0; i < n->operands; i++) {
        if (varies[i] != (i == which))
            return false;
    }
    return true;
}

static bool has_rule(const struct node *n, const bool *varies)
{
    switch (n->op) {
    case OP_cumsum:
    case OP_sum:
    case OP_reduce_max:
    case OP_reduce_min:
    case OP_prod:
    case OP_moments:
    case OP_argmax:
    case OP_matmul:
    case OP_maxpool:
    case OP_avgpool:
    case OP_avgpool_dx:
    case OP_take_along:
    case OP_put_along: return true;
    case OP_maxpool_dx: return varies[0] && varies[1];
    case OP_conv:
    case OP_conv_dx: return only_varies(n, varies, 0);
    case OP_gather: return only_varies(n, varies, 0) || only_varies(n, varies, 1);
    default: return op_is_map(n->op) || op_is_index(n->op);
    }
}

static bool any_varies(const struct node *n, const bool *varies)
{
    for (int i = 0; i < n->operands; i++) {
        if (varies[i])
            return true;
    }
    return false;
}

bool batch_can(const struct batch *a, const struct node *n, const bool *varies)
{
    if (node_draws(n) || op_is(n->op, EFFECT) || n->bodies > 0)
        return false;
    if (!any_varies(n, varies))
        return true;
    for (int i = 0; i < n->operands; i++) {
        if (!batch_fits(a, operand(n, i)->type))
            return false;
    }
    for (int i = 0; i < n->results; i++) {
        if (!batch_fits(a, n->result[i]->type))
            return false;
    }
    return has_rule(n, varies);
}

/* Operations whose operands all have the steps' axis at one place. */
static struct value *batch_alike(struct batch *a, const struct node *n, struct value **x)
{
    switch (n->op) {
    case OP_slice:
    case OP_reverse:
    case OP_dilate:
    case OP_concat:
    case OP_cumsum:
    case OP_take_along:
    case OP_put_along: return along_axis(a, n, x);
    case OP_transpose: return batch_transpose(a, n, x[0]);
    case OP_reshape: return batch_reshape(a, n, x[0]);
    case OP_broadcast: return batch_broadcast(a, n, x[0]);
    case OP_pad: return batch_pad(a, n, x[0]);
    case OP_argmax: return batch_argmax(a, n, x[0]);
    case OP_one_hot: return settled(a, batch_copy(a, n, x), batch_place(a, x[0]->type.rank - 1));
    default: return batch_copy(a, n, x);
    }
}

static void batch_widened(struct batch *a, const struct node *n, struct value *const *x, const bool *varies,
                          struct value **y)
{
    struct value **all = NEW_ARRAY(a->b.graph->module->arena, n->operands, struct value *);

    for (int i = 0; i < n->operands; i++)
        all[i] = varies[i] ? x[i] : batch_widen(a, x[i]);
    y[0] = batch_alike(a, n, all);
}

void batch_node(struct batch *a, const struct node *n, struct value *const *x, const bool *varies, struct value **y)
{
    a->b.at = n->at;
    a->b.layer = n->layer;
    if (!any_varies(n, varies)) {
        memcpy(y, again(a, n, x, NULL)->result, (size_t)n->results * sizeof *y);
        return;
    }
    switch (n->op) {
    case OP_sum:
    case OP_reduce_max:
    case OP_reduce_min:
    case OP_prod:
    case OP_moments: batch_reduce(a, n, x[0], y); break;
    case OP_matmul: y[0] = batch_matmul(a, n, x, varies); break;
    case OP_gather: y[0] = batch_gather(a, n, x, varies); break;
    case OP_conv:
    case OP_conv_dx:
    case OP_maxpool:
    case OP_maxpool_dx:
    case OP_avgpool:
    case OP_avgpool_dx: batch_images(a, n, x, varies, y); break;
    default: batch_widened(a, n, x, varies, y); break;
    }
}
