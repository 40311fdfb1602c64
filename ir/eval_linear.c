/* ir/eval_linear.c: matrix products; convolution and its two gradients, which are one loop nest with three bodies. */
#include "ir/eval.h"

/* ---- matmul: c[..., i, j] = sum over k of a[..., i, k] * b[..., k, j] ---- */

struct matrices {
    int64_t rows, columns, inner;
    int64_t a_row, a_inner, b_inner, b_column; /* strides */
};

static void product(const struct matrices *m, const double *a, const double *b, double *c)
{
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t k = 0; k < m->inner; k++) {
            double left = a[i * m->a_row + k * m->a_inner];
            for (int64_t j = 0; j < m->columns; j++)
                c[i * m->columns + j] += left * b[k * m->b_inner + j * m->b_column];
        }
}

void eval_matmul(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    bool ta = attr_bool(n, "ta"), tb = attr_bool(n, "tb");
    int last = x[0].type.rank - 1;
    struct matrices m = {
        .rows = dim_size(y[0].type.dim[last - 1], e->n),
        .columns = dim_size(y[0].type.dim[last], e->n),
        .inner = dim_size(x[0].type.dim[ta ? last - 1 : last], e->n),
    };
    int64_t matrix = m.rows * m.columns, batches = matrix ? y[0].count / matrix : 0;

    m.a_row = ta ? 1 : m.inner;
    m.a_inner = ta ? m.rows : 1;
    m.b_inner = tb ? 1 : m.columns;
    m.b_column = tb ? m.inner : 1;
    for (int64_t i = 0; i < batches; i++)
        product(&m, x[0].data + i * m.rows * m.inner, x[1].data + i * m.inner * m.columns, y[0].data + i * matrix);
}

/* ---- convolution ---- */

struct conv {
    struct slide s;
    int64_t samples, groups, channels, outputs; /* channels and outputs of one group */
    double *x, *w, *y;
};

/* One row of outputs, for one weight: y[i] belongs to x[i * step]. */
struct row {
    double *x, *w, *y;
    int64_t count, step;
};

typedef void row_fn(struct row r);

/* The outputs from *first on, *count of them, whose input lies within the axis; the input of the first is returned. */
static int64_t inside(const struct slide *s, int axis, int64_t k, int64_t *first, int64_t *count)
{
    int64_t offset = k * s->dilation[axis] - s->pad[axis], stride = s->stride[axis], last;

    *first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    last = s->x[axis] - 1 - offset < 0 ? -1 : (s->x[axis] - 1 - offset) / stride;
    if (last >= s->y[axis])
        last = s->y[axis] - 1;
    *count = last - *first + 1;
    return *first * stride + offset;
}

/* All rows of outputs of one plane x, plane y and weight (k0, k1, k2). */
static void rows_of_weight(const struct slide *s, const int64_t *k, double *x, double *w, double *y, row_fn *run)
{
    int64_t y0, y1, y2, n0, n1, n2;
    int64_t x0 = inside(s, 0, k[0], &y0, &n0), x1 = inside(s, 1, k[1], &y1, &n1), x2 = inside(s, 2, k[2], &y2, &n2);

    if (n2 <= 0)
        return;
    for (int64_t i = 0; i < n0; i++)
        for (int64_t j = 0; j < n1; j++) {
            int64_t from = ((x0 + i * s->stride[0]) * s->x[1] + x1 + j * s->stride[1]) * s->x[2] + x2;
            int64_t to = ((y0 + i) * s->y[1] + y1 + j) * s->y[2] + y2;
            run((struct row){ x + from, w, y + to, n2, s->stride[2] });
        }
}

static void planes(const struct conv *c, double *x, double *w, double *y, row_fn *run)
{
    const struct slide *s = &c->s;

    for (int64_t k = 0; k < s->k_size; k++) {
        int64_t at[3] = { k / (s->k[1] * s->k[2]), k / s->k[2] % s->k[1], k % s->k[2] };
        rows_of_weight(s, at, x, w + k, y, run);
    }
}

static void convolve(const struct conv *c, row_fn *run)
{
    for (int64_t i = 0; i < c->samples; i++)
        for (int64_t g = 0; g < c->groups; g++)
            for (int64_t o = g * c->outputs; o < (g + 1) * c->outputs; o++)
                for (int64_t k = 0; k < c->channels; k++)
                    planes(c, c->x + ((i * c->groups + g) * c->channels + k) * c->s.x_size,
                           c->w + (o * c->channels + k) * c->s.k_size,
                           c->y + (i * c->groups * c->outputs + o) * c->s.y_size, run);
}

static struct conv conv_of(struct eval *e, const struct node *n, const struct tensor *x, const struct tensor *w,
                           const struct tensor *y)
{
    int64_t kernel[MAX_RANK] = { 0 };
    struct conv c = { .x = x->data, .w = w->data, .y = y->data, .groups = attr_int(n, "groups") };

    for (int i = 2; i < w->type.rank; i++)
        kernel[i - 2] = w->type.dim[i].k;
    c.s = slide_of(n, x->type, y->type, kernel);
    c.samples = dim_size(x->type.dim[0], e->n);
    c.channels = w->type.dim[1].k;
    c.outputs = w->type.dim[0].k / c.groups;
    return c;
}

static void row_y(struct row r)
{
    for (int64_t i = 0; i < r.count; i++)
        r.y[i] += *r.w * r.x[i * r.step];
}

static void row_dx(struct row r)
{
    for (int64_t i = 0; i < r.count; i++)
        r.x[i * r.step] += *r.w * r.y[i];
}

static void row_dw(struct row r)
{
    double sum = 0;

    for (int64_t i = 0; i < r.count; i++)
        sum += r.x[i * r.step] * r.y[i];
    *r.w += sum;
}

void eval_conv(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct conv c = conv_of(e, n, &x[0], &x[1], &y[0]);

    convolve(&c, row_y);
}

void eval_conv_dx(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct conv c = conv_of(e, n, &y[0], &x[1], &x[0]);

    convolve(&c, row_dx);
}

void eval_conv_dw(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct conv c = conv_of(e, n, &x[0], &y[0], &x[1]);

    convolve(&c, row_dw);
}
