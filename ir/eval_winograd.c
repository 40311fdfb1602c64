/* ir/eval_winograd.c: convolution by Winograd's method, a tile and a pair of channels at a time. */
#include "ir/eval.h"
#include "ir/winograd.h"

typedef double square[MAX_POINTS][MAX_POINTS];

/* y = down x across' */
static void transform(const struct winograd_matrix *down, const struct winograd_matrix *across, square x, square y)
{
    square half = { { 0 } };

    for (int i = 0; i < down->rows; i++)
        for (int k = 0; k < down->columns; k++)
            for (int j = 0; j < across->columns; j++)
                half[i][j] += down->at[i][k] * x[k][j];
    for (int i = 0; i < down->rows; i++)
        for (int j = 0; j < across->rows; j++) {
            y[i][j] = 0;
            for (int k = 0; k < across->columns; k++)
                y[i][j] += half[i][k] * across->at[j][k];
        }
}

/* x [rows, columns, ...] by the two, element by element. */
static void transform_all(const struct winograd_matrix *down, const struct winograd_matrix *across,
                          const struct tensor *x, struct tensor *y)
{
    int64_t each = x->count / (down->columns * across->columns);
    square in, out;

    for (int64_t e = 0; e < each; e++) {
        for (int i = 0; i < down->columns; i++)
            for (int j = 0; j < across->columns; j++)
                in[i][j] = x->data[(i * across->columns + j) * each + e];
        transform(down, across, in, out);
        for (int i = 0; i < down->rows; i++)
            for (int j = 0; j < across->rows; j++)
                y->data[(i * across->rows + j) * each + e] = out[i][j];
    }
}

static void form_of(const struct node *n, const struct tensor *x, struct winograd *w)
{
    struct type types[] = { x[0].type, n->operands > 1 ? x[1].type : x[0].type };

    if (!winograd_of(n, types, w))
        bug("'%s' has no form", op_info(n->op)->name);
}

void eval_winograd_weight(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct winograd w[2];

    (void)e;
    form_of(n, x, w);
    transform_all(&w[0].weight, &w[1].weight, &x[0], &y[0]);
}

void eval_winograd_dw_weight(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct winograd w[2];
    struct type one = x[0].type;

    form_of(n, x, w);
    struct winograd_matrix down = winograd_transposed(&w[0].weight), across = winograd_transposed(&w[1].weight);
    one.dim[0] = dim_of(w[0].points);
    struct tensor sum = tensor_make(e->arena, one, e->n);
    for (int64_t i = 0; i < x[0].count; i++)
        sum.data[i % sum.count] += x[0].data[i];
    transform_all(&down, &across, &sum, &y[0]);
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

/* Some elements of one: of a sample's channel, from a place on, so many along each axis, so far apart. */
struct part {
    int64_t sample, channel, begin[2];
    int count[2], apart[2];
};

static struct part part_of(const struct winograd *w, int64_t sample, const int64_t *tile, int64_t channel)
{
    struct part p = { .sample = sample, .channel = channel };

    for (int i = 0; i < 2; i++) {
        p.begin[i] = winograd_begin(&w[i], tile[i], w[i].tile);
        p.count[i] = w[i].tile;
        p.apart[i] = w[i].dilation;
    }
    return p;
}

/* What a tile of the result is made from. */
static struct part window_of(const struct winograd *w, int64_t sample, const int64_t *tile, int64_t channel)
{
    struct part p = part_of(w, sample, tile, channel);

    for (int i = 0; i < 2; i++) {
        p.begin[i] = winograd_begin(&w[i], tile[i], w[i].step) - w[i].before;
        p.count[i] = w[i].in.columns;
    }
    return p;
}

/* Element (u, v) of it; NULL: outside. */
static double *element(const struct images *m, const struct part *p, int u, int v)
{
    int64_t i = p->begin[0] + (int64_t)u * p->apart[0], j = p->begin[1] + (int64_t)v * p->apart[1];

    if (i < 0 || j < 0 || i >= m->size[0] || j >= m->size[1])
        return NULL;
    return &m->t->data[((p->sample * m->size[0] + i) * m->size[1] + j) * m->channels + p->channel];
}

static void read_part(const struct images *m, struct part p, square to)
{
    for (int u = 0; u < p.count[0]; u++)
        for (int v = 0; v < p.count[1]; v++) {
            const double *at = element(m, &p, u, v);
            to[u][v] = at ? *at : 0;
        }
}

static void add_part(const struct images *m, struct part p, square from)
{
    for (int u = 0; u < p.count[0]; u++)
        for (int v = 0; v < p.count[1]; v++) {
            double *at = element(m, &p, u, v);
            if (at)
                *at += from[u][v];
        }
}

/* All channels of one tile of y. */
static void forward_tile(const struct winograd *w, int64_t sample, const int64_t *tile, const struct tensor *x,
                         const struct tensor *y)
{
    struct images from = images_of(&x[0]), to = images_of(y);
    int points = w[0].points * w[1].points, across = w[1].points;
    int64_t channels = x[1].type.dim[2].k, pairs = channels * to.channels;
    square d, in, product, out;

    for (int64_t c = 0; c < channels; c++) {
        read_part(&from, window_of(w, sample, tile, c), d);
        transform(&w[0].in, &w[1].in, d, in);
        for (int64_t o = 0; o < to.channels; o++) {
            for (int k = 0; k < points; k++)
                product[k / across][k % across] =
                    in[k / across][k % across] * x[1].data[k * pairs + c * to.channels + o];
            transform(&w[0].out, &w[1].out, product, out);
            add_part(&to, part_of(w, sample, tile, o), out);
        }
    }
}

void eval_winograd(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct winograd w[2];
    struct images to = images_of(&y[0]);

    form_of(n, x, w);
    int64_t down = winograd_tiles(&w[0], to.size[0]), across = winograd_tiles(&w[1], to.size[1]);
    for (int64_t s = 0; s < dim_size(x[0].type.dim[0], e->n); s++)
        for (int64_t t = 0; t < down * across; t++)
            forward_tile(w, s, (int64_t[]){ t / across, t % across }, x, &y[0]);
}

/* What one tile of dy adds to the gradient of u. */
static void backward_tile(const struct winograd *w, int64_t sample, const int64_t *tile, const struct tensor *x,
                          double *du)
{
    struct winograd_matrix down = winograd_transposed(&w[0].out), across = winograd_transposed(&w[1].out);
    struct images from = images_of(&x[0]), to = images_of(&x[1]);
    int64_t pairs = from.channels * to.channels;
    square d, in, dy, out;

    for (int64_t p = 0; p < pairs; p++) {
        read_part(&from, window_of(w, sample, tile, p / to.channels), d);
        read_part(&to, part_of(w, sample, tile, p % to.channels), dy);
        transform(&w[0].in, &w[1].in, d, in);
        transform(&down, &across, dy, out);
        for (int i = 0; i < w[0].points; i++)
            for (int k = 0; k < w[1].points; k++)
                du[(i * w[1].points + k) * pairs + p] += in[i][k] * out[i][k];
    }
}

void eval_winograd_dw(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *du)
{
    struct winograd w[2];
    struct images to = images_of(&x[1]);
    int64_t parts = attr_int(n, "parts"), samples = dim_size(x[0].type.dim[0], e->s->module->batch);
    int64_t part = winograd_part(samples, parts), each = du[0].count / parts;

    form_of(n, x, w);
    int64_t down = winograd_tiles(&w[0], to.size[0]), across = winograd_tiles(&w[1], to.size[1]);
    for (int64_t s = 0; s < dim_size(x[0].type.dim[0], e->n); s++)
        for (int64_t t = 0; t < down * across; t++)
            backward_tile(w, s, (int64_t[]){ t / across, t % across }, x, &du[0].data[s / part * each]);
}
