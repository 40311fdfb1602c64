/* ir/eval_attention.c: attention and its gradient as attention.h defines them, row by row. */
#include <math.h>

#include "ir/attention.h"
#include "ir/build.h"
#include "ir/element.h"
#include "ir/eval.h"

/* One element of the leading axes at work. */
struct head {
    struct attention a;
    const struct tensor *mask; /* NULL: none */
    struct walk walk;          /* over the scores; strides of axes of length 1 are 0 */
    const double *at;          /* of the mask, where this head's begins */
    double *score, *slope;     /* of a row: p, and dp */
};

static double dot(const double *x, const double *y, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

static int64_t seen(const struct attention *a, int64_t row)
{
    return a->causal ? row + 1 + a->keys - a->rows : a->keys;
}

static double mask_at(const struct head *h, int64_t i, int64_t j)
{
    return h->at[i * h->walk.stride[h->a.lead] + j * h->walk.stride[h->a.lead + 1]];
}

static bool is_masked(const struct head *h, int64_t i, int64_t j)
{
    return h->mask && h->mask->type.dtype == DT_BOOL && mask_at(h, i, j) == 0;
}

/* p of row i into h->score. */
static void softmax_row(struct head *h, int64_t i, const double *q, const double *k)
{
    const struct attention *a = &h->a;
    double largest = -INFINITY, total = 0;
    int64_t keys = seen(a, i);

    for (int64_t j = 0; j < keys; j++) {
        double s = a->scale * dot(q + i * a->depth, k + j * a->depth, a->depth);
        if (h->mask && h->mask->type.dtype == DT_REAL)
            s += mask_at(h, i, j);
        h->score[j] = is_masked(h, i, j) ? a->masked : s;
        largest = h->score[j] > largest || isnan(h->score[j]) ? h->score[j] : largest;
    }
    for (int64_t j = 0; j < keys; j++)
        total += h->score[j] = exp(h->score[j] - largest);
    for (int64_t j = 0; j < keys; j++)
        h->score[j] /= total;
}

/* By what p of row i and key j of head b is multiplied. */
static double weight(const struct eval *e, const struct attention *a, int64_t b, int64_t i, int64_t j)
{
    const struct attr attrs[] = { at_real("low", 0), at_real("high", 1), at_int("stream", a->stream) };

    if (a->drop <= 0)
        return 1;
    int64_t before = shape_batches(a->scores) ? e->s->first * type_count(a->scores, 1) : 0; /* in the whole batch */
    int64_t element = before + (b * a->rows + i) * a->keys + j;
    double x = element_random(OP_uniform, attrs, 3, e->s->module->f64, e->s->seed, e->s->step, (uint64_t)element);
    return x < a->drop ? 0 : a->kept;
}

static void add_scaled(double *to, const double *x, double factor, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        to[i] += factor * x[i];
}

/* The mask, seen with all axes of the scores. */
static struct walk spread(const struct eval *e, const struct tensor *mask, int rank)
{
    struct walk own = walk_of(e, mask), w = { .data = mask->data };
    int extra = rank - mask->type.rank;

    for (int i = extra; i < rank; i++)
        w.stride[i] = dim_is_one(mask->type.dim[i - extra]) ? 0 : own.stride[i - extra];
    return w;
}

static struct head new_head(struct eval *e, const struct node *n, const struct tensor *x)
{
    struct head h = { .a = attention_of(n) };

    if (h.a.mask >= 0) {
        h.mask = &x[h.a.mask];
        h.walk = spread(e, h.mask, h.a.lead + 2);
    }
    h.score = NEW_ARRAY(e->arena, (size_t)h.a.keys, double);
    h.slope = NEW_ARRAY(e->arena, (size_t)h.a.keys, double);
    return h;
}

/* Head number `which`: where its part of the mask begins. */
static void go_to(struct head *h, const struct eval *e, struct type q, int64_t which)
{
    h->at = h->walk.data;
    for (int i = h->a.lead - 1; i >= 0 && h->mask; i--) {
        int64_t size = dim_size(q.dim[i], e->n);
        h->at += which % size * h->walk.stride[i];
        which /= size;
    }
}

static int64_t heads_of(const struct attention *a, const struct tensor *q)
{
    return q->count / (a->rows * a->depth);
}

void eval_attention(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct head h = new_head(e, n, x);
    const struct attention *a = &h.a;

    for (int64_t b = 0; b < heads_of(a, &x[0]); b++) {
        const double *q = x[0].data + b * a->rows * a->depth, *k = x[1].data + b * a->keys * a->depth,
                     *v = x[2].data + b * a->keys * a->columns;
        double *to = y[0].data + b * a->rows * a->columns;
        go_to(&h, e, x[0].type, b);
        for (int64_t i = 0; i < a->rows; i++) {
            softmax_row(&h, i, q, k);
            for (int64_t j = 0; j < seen(a, i); j++)
                add_scaled(to + i * a->columns, v + j * a->columns, h.score[j] * weight(e, a, b, i, j), a->columns);
        }
    }
}

void eval_attention_dx(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct head h = new_head(e, n, x);
    const struct attention *a = &h.a;

    for (int64_t b = 0; b < heads_of(a, &x[0]); b++) {
        int64_t rows = b * a->rows * a->depth, keys = b * a->keys * a->depth, values = b * a->keys * a->columns;
        const double *q = x[0].data + rows, *k = x[1].data + keys, *v = x[2].data + values;
        go_to(&h, e, x[0].type, b);
        for (int64_t i = 0; i < a->rows; i++) {
            const double *dy = x[3].data + (b * a->rows + i) * a->columns;
            int64_t count = seen(a, i);
            softmax_row(&h, i, q, k);
            for (int64_t j = 0; j < count; j++)
                h.slope[j] = weight(e, a, b, i, j) * dot(dy, v + j * a->columns, a->columns);
            double mean = dot(h.score, h.slope, count);
            for (int64_t j = 0; j < count; j++) {
                double ds = is_masked(&h, i, j) ? 0 : a->scale * h.score[j] * (h.slope[j] - mean);
                add_scaled(y[0].data + rows + i * a->depth, k + j * a->depth, ds, a->depth);
                add_scaled(y[1].data + keys + j * a->depth, q + i * a->depth, ds, a->depth);
                add_scaled(y[2].data + values + j * a->columns, dy, h.score[j] * weight(e, a, b, i, j), a->columns);
            }
        }
    }
}
