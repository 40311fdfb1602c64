/* ir/eval_winograd.c: convolution by Winograd's method, a tile and a pair of channels at a time. */
#include "ir/eval.h"
#include "ir/winograd.h"

typedef double square[MAX_POINTS][MAX_POINTS];

/* y = m x m' */
static void transform(const struct winograd_matrix *m, square x, square y)
{
    square half = { { 0 } };

    for (int i = 0; i < m->rows; i++)
        for (int k = 0; k < m->columns; k++)
            for (int j = 0; j < m->columns; j++)
                half[i][j] += m->at[i][k] * x[k][j];
    for (int i = 0; i < m->rows; i++)
        for (int j = 0; j < m->rows; j++) {
            y[i][j] = 0;
            for (int k = 0; k < m->columns; k++)
                y[i][j] += half[i][k] * m->at[j][k];
        }
}

/* x [size, size, ...] by m, element by element. */
static void transform_all(const struct winograd_matrix *m, const struct tensor *x, struct tensor *y)
{
    int64_t each = x->count / (m->columns * m->columns);
    square in, out;

    for (int64_t e = 0; e < each; e++) {
        for (int i = 0; i < m->columns; i++)
            for (int j = 0; j < m->columns; j++)
                in[i][j] = x->data[(i * m->columns + j) * each + e];
        transform(m, in, out);
        for (int i = 0; i < m->rows; i++)
            for (int j = 0; j < m->rows; j++)
                y->data[(i * m->rows + j) * each + e] = out[i][j];
    }
}

static struct winograd form_of(const struct node *n, const struct tensor *x)
{
    struct type types[] = { x[0].type, n->operands > 1 ? x[1].type : x[0].type };
    struct winograd w;

    if (!winograd_of(n, types, &w))
        bug("'%s' has no form", op_info(n->op)->name);
    return w;
}

void eval_winograd_weight(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct winograd w = form_of(n, x);

    (void)e;
    transform_all(&w.weight, &x[0], &y[0]);
}

void eval_winograd_dw_weight(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct winograd w = form_of(n, x);
    struct winograd_matrix back = winograd_transposed(&w.weight);
    struct type one = x[0].type;

    one.dim[0] = one.dim[1];
    struct tensor sum = tensor_make(e->arena, one, e->n);
    for (int64_t i = 0; i < x[0].count; i++)
        sum.data[i % sum.count] += x[0].data[i];
    transform_all(&back, &sum, &y[0]);
}

/* Images of `size` elements along two axes, with channels last. */
struct images {
    const struct tensor *t;
    int64_t size[2], channels;
};

static struct images images_of(const struct tensor *t)
{
    return (struct images){ t, { t->type.dim[1].k, t->type.dim[2].k }, t->type.dim[3].k };
}

static double *pixel(const struct images *m, int64_t sample, int64_t i, int64_t j, int64_t channel)
{
    if (i < 0 || j < 0 || i >= m->size[0] || j >= m->size[1])
        return NULL;
    return &m->t->data[((sample * m->size[0] + i) * m->size[1] + j) * m->channels + channel];
}

/* side x side elements from (i, j) on, zeros outside. */
static void read_square(const struct images *m, int64_t sample, int64_t i, int64_t j, int64_t channel, int side,
                        square to)
{
    for (int u = 0; u < side; u++)
        for (int v = 0; v < side; v++) {
            const double *at = pixel(m, sample, i + u, j + v, channel);
            to[u][v] = at ? *at : 0;
        }
}

/* What the tile at (i, j) of the result is made from. */
static void read_window(const struct winograd *w, const struct images *m, int64_t sample, int64_t i, int64_t j,
                        int64_t channel, square to)
{
    read_square(m, sample, i / w->tile * w->step - w->before[0], j / w->tile * w->step - w->before[1], channel,
                w->in.columns, to);
}

static void add_square(const struct images *m, int64_t sample, int64_t i, int64_t j, int64_t channel, int side,
                       square from)
{
    for (int u = 0; u < side; u++)
        for (int v = 0; v < side; v++) {
            double *at = pixel(m, sample, i + u, j + v, channel);
            if (at)
                *at += from[u][v];
        }
}

/* One tile of y at (i, j) and one pair of channels. */
static void forward_tile(const struct winograd *w, square in, const double *u, int64_t stride, square y)
{
    square product;

    for (int i = 0; i < w->points; i++)
        for (int j = 0; j < w->points; j++)
            product[i][j] = in[i][j] * u[(i * w->points + j) * stride];
    transform(&w->out, product, y);
}

void eval_winograd(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct winograd w = form_of(n, x);
    struct images from = images_of(&x[0]), to = images_of(&y[0]);
    square d, in, out;

    for (int64_t s = 0; s < dim_size(x[0].type.dim[0], e->n); s++)
        for (int64_t i = 0; i < to.size[0]; i += w.tile)
            for (int64_t j = 0; j < to.size[1]; j += w.tile)
                for (int64_t c = 0; c < from.channels; c++) {
                    read_window(&w, &from, s, i, j, c, d);
                    transform(&w.in, d, in);
                    for (int64_t o = 0; o < to.channels; o++) {
                        forward_tile(&w, in, &x[1].data[c * to.channels + o], from.channels * to.channels, out);
                        add_square(&to, s, i, j, o, w.tile, out);
                    }
                }
}

void eval_winograd_dw(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *du)
{
    struct winograd w = form_of(n, x);
    struct winograd_matrix back = winograd_transposed(&w.out);
    struct images from = images_of(&x[0]), to = images_of(&x[1]);
    int64_t pairs = from.channels * to.channels, samples = dim_size(x[0].type.dim[0], e->s->module->batch);
    int64_t part = winograd_part(samples, attr_int(n, "parts"));
    square d, in, dy, out;

    for (int64_t s = 0; s < dim_size(x[0].type.dim[0], e->n); s++)
        for (int64_t i = 0; i < to.size[0]; i += w.tile)
            for (int64_t j = 0; j < to.size[1]; j += w.tile)
                for (int64_t p = 0; p < pairs; p++) {
                    read_window(&w, &from, s, i, j, p / to.channels, d);
                    read_square(&to, s, i, j, p % to.channels, w.tile, dy);
                    transform(&w.in, d, in);
                    transform(&back, dy, out);
                    for (int k = 0; k < w.points * w.points; k++)
                        du[0].data[(s / part * w.points * w.points + k) * pairs + p] +=
                            in[k / w.points][k % w.points] * out[k / w.points][k % w.points];
                }
}
