/* ir/eval_index.c: what is indexed by data. Indices are clamped into range; operation `bound` reports them. */
#include "ir/eval.h"

static int64_t clamp(double index, int64_t length)
{
    return index < 0 ? 0 : index >= (double)length ? length - 1 : (int64_t)index;
}

/* y[o, i, r] = x[o, index[i], r] */
void eval_gather(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct along a = along_axis(e, x[0].type, attr_int(n, "axis"));
    int64_t indices = x[1].count;

    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < indices; i++)
            for (int64_t r = 0; r < a.inner; r++)
                y[0].data[(o * indices + i) * a.inner + r] =
                    x[0].data[(o * a.length + clamp(x[1].data[i], a.length)) * a.inner + r];
}

/* y[o, index[i], r] += dy[o, i, r] */
void eval_scatter_add(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct along a = along_axis(e, y[0].type, attr_int(n, "axis"));
    int64_t indices = x[1].count;

    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < indices; i++)
            for (int64_t r = 0; r < a.inner; r++)
                y[0].data[(o * a.length + clamp(x[1].data[i], a.length)) * a.inner + r] +=
                    x[0].data[(o * indices + i) * a.inner + r];
}

/* Where element i of an index along an axis points to, in the tensor of `length` along that axis. */
static int64_t target(struct along index, int64_t i, double at, int64_t length)
{
    return (i / (index.length * index.inner) * length + clamp(at, length)) * index.inner + i % index.inner;
}

/* y[o, k, r] = x[o, index[o, k, r], r] */
void eval_take_along(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    int64_t axis = attr_int(n, "axis"), length = along_axis(e, x[0].type, axis).length;
    struct along a = along_axis(e, x[1].type, axis);

    for (int64_t i = 0; i < x[1].count; i++)
        y[0].data[i] = x[0].data[target(a, i, x[1].data[i], length)];
}

/* y[o, index[o, k, r], r] += dy[o, k, r] */
void eval_put_along(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct along a = along_axis(e, x[1].type, attr_int(n, "axis"));

    for (int64_t i = 0; i < x[1].count; i++)
        y[0].data[target(a, i, x[1].data[i], attr_int(n, "size"))] += x[0].data[i];
}

/* An index outside the classes has a row of zeros. */
void eval_one_hot(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    int64_t classes = attr_int(n, "classes");

    (void)e;
    for (int64_t i = 0; i < y[0].count; i++)
        y[0].data[i] = x[0].data[i / classes] == (double)(i % classes);
}

/* y[rows[e], j] += values[e] * x[columns[e], j] */
void eval_sparse_matmul(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct along in = along_axis(e, x[0].type, 0), out = along_axis(e, y[0].type, 0);

    (void)n;
    for (int64_t i = 0; i < x[1].count; i++)
        for (int64_t j = 0; j < in.inner; j++)
            y[0].data[clamp(x[2].data[i], out.length) * in.inner + j] +=
                x[1].data[i] * x[0].data[clamp(x[3].data[i], in.length) * in.inner + j];
}

/* y[e] = sum over j of a[rows[e], j] * b[columns[e], j] */
void eval_dots(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct along a = along_axis(e, x[0].type, 0), b = along_axis(e, x[1].type, 0);

    (void)n;
    for (int64_t i = 0; i < y[0].count; i++)
        for (int64_t j = 0; j < a.inner; j++)
            y[0].data[i] += x[0].data[clamp(x[2].data[i], a.length) * a.inner + j] *
                            x[1].data[clamp(x[3].data[i], b.length) * b.inner + j];
}
