/* ir/eval_shape.c: changes of coordinates. Each is one walk through two arrays at once. */
#include "ir/eval.h"

#include <string.h>

struct along along_axis(const struct eval *e, struct type t, int64_t axis)
{
    struct along a = { 1, 1, 1 };

    for (int i = 0; i < t.rank; i++)
        *(i < axis ? &a.outer : i == axis ? &a.length : &a.inner) *= dim_size(t.dim[i], e->n);
    return a;
}

struct walk walk_of(const struct eval *e, const struct tensor *t)
{
    struct walk w = { .data = t->data };
    int64_t stride = 1;

    for (int i = t->type.rank - 1; i >= 0; i--) {
        w.stride[i] = stride;
        stride *= dim_size(t->type.dim[i], e->n);
    }
    return w;
}

/* One position further, the last axis fastest; how far that moves each of the two. */
static void advance(const struct eval *e, struct type shape, int64_t *index, struct walk *from, struct walk *to)
{
    for (int i = shape.rank - 1; i >= 0; i--) {
        from->data += from->stride[i];
        to->data += to->stride[i];
        if (++index[i] < dim_size(shape.dim[i], e->n))
            return;
        from->data -= index[i] * from->stride[i];
        to->data -= index[i] * to->stride[i];
        index[i] = 0;
    }
}

void walk_both(const struct eval *e, struct type shape, struct walk from, struct walk to,
               void (*visit)(const double *from, double *to))
{
    int64_t index[MAX_RANK] = { 0 }, count = type_count(shape, e->n);

    for (int64_t i = 0; i < count; i++) {
        visit(from.data, to.data);
        if (i + 1 < count)
            advance(e, shape, index, &from, &to);
    }
}

static void visit_copy(const double *from, double *to)
{
    *to = *from;
}

void eval_reshape(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    (void)e, (void)n;
    memcpy(y[0].data, x[0].data, (size_t)y[0].count * sizeof *y[0].data);
}

void turn_axes(const struct eval *e, const struct tensor *x, const int64_t *perm, struct tensor *y)
{
    struct walk whole = walk_of(e, x), from = whole;

    for (int i = 0; i < x->type.rank; i++)
        from.stride[i] = whole.stride[perm[i]];
    walk_both(e, y->type, from, walk_of(e, y), visit_copy);
}

void eval_transpose(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    turn_axes(e, &x[0], attr_ints(n, "perm", NULL), &y[0]);
}

/* Axes of length 1, and those in front that x does not have, stand still. */
void eval_broadcast(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct walk whole = walk_of(e, &x[0]), from = { .data = x[0].data };
    int extra = y[0].type.rank - x[0].type.rank;

    (void)n;
    for (int i = 0; i < x[0].type.rank; i++)
        if (!dim_is_one(x[0].type.dim[i]))
            from.stride[extra + i] = whole.stride[i];
    walk_both(e, y[0].type, from, walk_of(e, &y[0]), visit_copy);
}

void eval_slice(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct walk from = walk_of(e, &x[0]);
    int64_t axis = attr_int(n, "axis");

    from.data += attr_int(n, "begin") * from.stride[axis];
    from.stride[axis] *= attr_int(n, "step");
    walk_both(e, y[0].type, from, walk_of(e, &y[0]), visit_copy);
}

void eval_reverse(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct walk from = walk_of(e, &x[0]);
    int64_t axis = attr_int(n, "axis");

    from.data += (dim_size(x[0].type.dim[axis], e->n) - 1) * from.stride[axis];
    from.stride[axis] = -from.stride[axis];
    walk_both(e, y[0].type, from, walk_of(e, &y[0]), visit_copy);
}

void eval_pad(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct walk to = walk_of(e, &y[0]);
    const int64_t *pairs = attr_ints(n, "pairs", NULL);

    for (int64_t i = 0; i < y[0].count; i++)
        y[0].data[i] = attr_real(n, "value");
    for (int i = 0; i < x[0].type.rank; i++)
        to.data += pairs[2 * i] * to.stride[i];
    walk_both(e, x[0].type, walk_of(e, &x[0]), to, visit_copy);
}

/* Element i moves to step * i; what lies between and behind is zero. */
void eval_dilate(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct walk to = walk_of(e, &y[0]);

    to.stride[attr_int(n, "axis")] *= attr_int(n, "step");
    walk_both(e, x[0].type, walk_of(e, &x[0]), to, visit_copy);
}

void eval_concat(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct walk to = walk_of(e, &y[0]);
    int64_t axis = attr_int(n, "axis");

    for (int i = 0; i < n->operands; i++) {
        walk_both(e, x[i].type, walk_of(e, &x[i]), to, visit_copy);
        to.data += dim_size(x[i].type.dim[axis], e->n) * to.stride[axis];
    }
}
