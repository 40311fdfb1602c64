/* tests/fuzz/random_shape.c: reductions and changes of coordinates at random. */
#include "tests/fuzz/gen.h"

/* Some axes, at least one unless there is none. */
static int some_axes(struct gen *g, struct type t, int64_t *axes)
{
    int count = 0;
    bool all = chance(g->r, 15);

    for (int i = 0; i < t.rank; i++)
        if (all || chance(g->r, 45))
            axes[count++] = i;
    if (!count && t.rank)
        axes[count++] = below(g->r, t.rank);
    return count;
}

/* Elements that are folded into one, at full batch. */
static double folded(const struct gen *g, struct type t, const int64_t *axes, int count)
{
    double product = 1;

    for (int i = 0; i < count; i++)
        product *= (double)dim_size(t.dim[axes[i]], g->m->batch);
    return product;
}

void make_reduce(struct gen *g)
{
    static const enum op ops[] = { OP_sum, OP_sum, OP_sum, OP_reduce_max, OP_reduce_min, OP_prod };
    const struct item *p = pick(g, chance(g->r, 85) ? DT_REAL : DT_I32);
    enum op op = ops[below(g->r, 6)];
    int64_t axes[MAX_RANK];

    if (!p)
        return;
    struct item x = *p;
    int count = some_axes(g, x.v->type, axes);
    double many = folded(g, x.v->type, axes, count);
    if (op == OP_prod && x.v->type.dtype == DT_REAL)
        x = at_most(g, x, 1);
    double most = op == OP_sum ? x.most * many : op == OP_prod ? 1 : x.most;
    keep(g, build_reduce(&g->b, op, x.v, axes, count, chance(g->r, 50)), most);
}

void make_moments(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    int64_t axes[MAX_RANK];
    int count = some_axes(g, x.v->type, axes);
    const struct attr attrs[] = { at_ints("axes", axes, count), at_bool("keepdims", chance(g->r, 60)) };
    struct node *n = build_node(&g->b, OP_moments, &x.v, 1, attrs, 2);

    if (chance(g->r, 80))
        keep(g, n->result[0], x.most);
    if (chance(g->r, 80))
        keep(g, n->result[1], x.most * x.most);
}

/* exp(x - max) / sum, as the library writes it. */
void make_softmax(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    int64_t axes[MAX_RANK];
    int count = some_axes(g, x.v->type, axes);

    if (!count)
        return;
    struct value *m = build_reduce(&g->b, OP_reduce_max, x.v, axes, count, true);
    struct value *e = build_unary(&g->b, OP_exp, build_binary(&g->b, OP_sub, x.v, m));
    keep(g, e, 1);
    keep(g, build_binary(&g->b, OP_div, e, build_reduce(&g->b, OP_sum, e, axes, count, true)), 1);
}

void make_argmax(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);

    if (!x.v->type.rank)
        return;
    const struct attr attr = at_int("axis", below(g->r, x.v->type.rank));
    keep(g, build_node(&g->b, OP_argmax, &x.v, 1, &attr, 1)->result[0], 40);
}

void make_cumsum(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    int64_t axis = axis_at_random(g, x.v->type, true);

    if (axis < 0)
        return;
    const struct attr attrs[] = { at_int("axis", axis), at_bool("reverse", chance(g->r, 40)) };
    keep(g, build_node(&g->b, OP_cumsum, &x.v, 1, attrs, 2)->result[0], x.most * (double)x.v->type.dim[axis].k);
}

/* ---- changes of coordinates ---- */

static const struct item *any_item(struct gen *g)
{
    static const enum dtype kinds[] = { DT_REAL, DT_REAL, DT_REAL, DT_REAL, DT_REAL, DT_I32, DT_U8, DT_BOOL };
    const struct item *x = pick(g, kinds[below(g->r, 8)]);

    return x ? x : pick(g, DT_REAL);
}

/* Joins two neighbouring axes; one of them may be a multiple of N. */
static bool join_axes(struct gen *g, struct type *t)
{
    int i = below(g->r, t->rank);

    if (i + 1 >= t->rank || (t->dim[i].n && t->dim[i + 1].n))
        return false;
    t->dim[i] = (struct dim){ t->dim[i].k * t->dim[i + 1].k, t->dim[i].n || t->dim[i + 1].n };
    t->rank--;
    for (int k = i + 1; k < t->rank; k++)
        t->dim[k] = t->dim[k + 1];
    return true;
}

/* Parts an axis in two by one of its divisors, 1 among them. */
static bool part_axis(struct gen *g, struct type *t)
{
    int i = below(g->r, t->rank);
    int64_t by = 1 + below(g->r, 4);

    if (t->rank >= 6 || t->dim[i].k % by)
        return false;
    for (int k = t->rank; k > i; k--)
        t->dim[k] = t->dim[k - 1];
    bool first = chance(g->r, 50);
    t->dim[i + first] = dim_of(by);
    t->dim[i + !first].k /= by;
    t->rank++;
    return true;
}

void make_reshape(struct gen *g)
{
    const struct item *x = any_item(g);
    struct type t = x->v->type;
    double most = x->most;
    bool changed = false;

    for (int i = 0; i < 3 && t.rank; i++)
        changed |= chance(g->r, 50) ? join_axes(g, &t) : part_axis(g, &t);
    if (changed)
        keep(g, build_reshape(&g->b, x->v, t.dim, t.rank), most);
}

void make_transpose(struct gen *g)
{
    const struct item *x = any_item(g);
    int64_t perm[MAX_RANK];

    for (int i = 0; i < x->v->type.rank; i++) {
        int k = below(g->r, i + 1);
        perm[i] = perm[k];
        perm[k] = i;
    }
    if (x->v->type.rank > 1)
        keep(g, build_transpose(&g->b, x->v, perm), x->most);
}

void make_slice(struct gen *g)
{
    const struct item *x = any_item(g);
    int64_t axis = axis_at_random(g, x->v->type, true);

    if (axis < 0)
        return;
    int64_t length = x->v->type.dim[axis].k, begin = below(g->r, length);
    int64_t end = begin + 1 + below(g->r, length - begin);
    keep(g, build_slice(&g->b, x->v, (int)axis, begin, end, 1 + below(g->r, 3)), x->most);
}

void make_reverse(struct gen *g)
{
    const struct item *x = any_item(g);
    const struct attr attr = at_int("axis", axis_at_random(g, x->v->type, true));
    double most = x->most;

    if (attr.i >= 0)
        keep(g, build_node(&g->b, OP_reverse, (struct value *[]){ x->v }, 1, &attr, 1)->result[0], most);
}

void make_pad(struct gen *g)
{
    const struct item *x = any_item(g);
    struct type t = x->v->type;
    int64_t pairs[2 * MAX_RANK] = { 0 };
    double value = t.dtype == DT_REAL ? (chance(g->r, 50) ? 0 : 1.5) : below(g->r, 2);

    for (int i = 0; i < t.rank; i++)
        if (!t.dim[i].n && chance(g->r, 40)) {
            pairs[2 * i] = below(g->r, 3);
            pairs[2 * i + 1] = below(g->r, 3);
            t.dim[i].k += 4;
        }
    if (t.rank && fits(t))
        keep(g, build_pad(&g->b, x->v, pairs, value), x->most + 2);
}

void make_dilate(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    int64_t axis = axis_at_random(g, x.v->type, true), step = 1 + below(g->r, 3);

    if (axis < 0)
        return;
    struct type t = x.v->type;
    int64_t length = (t.dim[axis].k - 1) * step + 1 + below(g->r, 3);
    const struct attr attrs[] = { at_int("axis", axis), at_int("step", step), at_int("length", length) };
    t.dim[axis].k = length;
    if (fits(t))
        keep(g, build_node(&g->b, OP_dilate, &x.v, 1, attrs, 3)->result[0], x.most);
}

void make_concat(struct gen *g)
{
    const struct item *x = any_item(g);
    struct value *part[3] = { x->v };
    struct type t = x->v->type;
    double most = x->most;
    int count = 1;
    int64_t axis = axis_at_random(g, t, true);

    if (axis < 0)
        return;
    for (int i = 0; i < 12 && count < 3; i++) {
        const struct item *y = pick(g, t.dtype);
        struct type like = t;
        if (y->v->type.rank != t.rank)
            continue;
        like.dim[axis] = y->v->type.dim[axis];
        if (!type_equal(like, y->v->type) || like.dim[axis].n)
            continue;
        part[count++] = y->v;
        most = y->most > most ? y->most : most;
    }
    t.dim[axis].k *= 3;
    if (count > 1 && fits(t))
        keep(g, build_concat(&g->b, part, count, (int)axis), most);
}

void make_broadcast(struct gen *g)
{
    const struct item *x = any_item(g);
    struct type t = x->v->type;

    for (int i = 0; i < t.rank; i++)
        if (dim_is_one(t.dim[i]) && chance(g->r, 50))
            t.dim[i] = chance(g->r, 20) ? dim_batch(1) : dim_of(size_at_random(g));
    if (t.rank < 5 && chance(g->r, 40)) {
        for (int k = t.rank++; k > 0; k--)
            t.dim[k] = t.dim[k - 1];
        t.dim[0] = chance(g->r, 20) ? dim_batch(1) : dim_of(size_at_random(g));
    }
    if (shape_batches(t) < 3 && fits(t))
        keep(g, build_broadcast(&g->b, x->v, t.dim, t.rank), x->most);
}
