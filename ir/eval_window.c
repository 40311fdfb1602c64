/* ir/eval_window.c: pooling and its gradients: each output visits the cells of its window that lie in the input. */
#include "ir/eval.h"

#include <math.h>

#include <string.h>

static bool has_attr(const struct node *n, const char *called)
{
    for (int i = 0; i < n->attrs; i++)
        if (strcmp(n->attr[i].name, called) == 0)
            return true;
    return false;
}

struct slide slide_of(const struct node *n, struct type x, struct type y, const int64_t *kernel)
{
    const int64_t *stride = attr_ints(n, "stride", NULL), *pad = attr_ints(n, "pad", NULL);
    const int64_t *dilation = has_attr(n, "dilation") ? attr_ints(n, "dilation", NULL) : NULL;
    struct slide s = { .x_size = 1, .k_size = 1, .y_size = 1 };
    int missing = 5 - x.rank;

    if (!kernel)
        kernel = attr_ints(n, "kernel", NULL);
    for (int i = 0; i < 3; i++) {
        int k = i - missing;
        s.x[i] = k < 0 ? 1 : x.dim[2 + k].k;
        s.y[i] = k < 0 ? 1 : y.dim[2 + k].k;
        s.k[i] = k < 0 ? 1 : kernel[k];
        s.stride[i] = k < 0 ? 1 : stride[k];
        s.pad[i] = k < 0 ? 0 : pad[2 * k];
        s.dilation[i] = k < 0 || !dilation ? 1 : dilation[k];
        s.x_size *= s.x[i];
        s.k_size *= s.k[i];
        s.y_size *= s.y[i];
    }
    return s;
}

/* Where cell `code` of the window of output `at` lies in its plane, or -1 where that is padding. */
static int64_t cell(const struct slide *s, int64_t at, int64_t code)
{
    int64_t y[3] = { at / (s->y[1] * s->y[2]), at / s->y[2] % s->y[1], at % s->y[2] };
    int64_t k[3] = { code / (s->k[1] * s->k[2]), code / s->k[2] % s->k[1], code % s->k[2] };
    int64_t place = 0;

    for (int i = 0; i < 3; i++) {
        int64_t x = y[i] * s->stride[i] - s->pad[i] + k[i];
        if (x < 0 || x >= s->x[i])
            return -1;
        place = place * s->x[i] + x;
    }
    return place;
}

/* The first of equals wins; a NaN is larger than all. */
static int64_t winner(const struct slide *s, const double *plane, int64_t at)
{
    int64_t best = -1;
    double most = 0;

    for (int64_t code = 0; code < s->k_size; code++) {
        int64_t place = cell(s, at, code);
        if (place < 0)
            continue;
        if (best < 0 || plane[place] > most || (isnan(plane[place]) && !isnan(most))) {
            best = code;
            most = plane[place];
        }
    }
    if (best < 0)
        bug("a window sees padding only");
    return best;
}

void eval_maxpool(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct slide s = slide_of(n, x[0].type, y[0].type, NULL);

    (void)e;
    for (int64_t i = 0; i < y[0].count; i++) {
        const double *plane = x[0].data + i / s.y_size * s.x_size;
        int64_t code = winner(&s, plane, i % s.y_size);
        y[0].data[i] = plane[cell(&s, i % s.y_size, code)];
        y[1].data[i] = (double)code;
    }
}

/* Codes that no maxpool gave, beyond the window or in the padding, receive nothing. */
void eval_maxpool_dx(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct slide s = slide_of(n, y[0].type, x[0].type, NULL);

    (void)e;
    for (int64_t i = 0; i < x[0].count; i++) {
        int64_t code = (int64_t)x[1].data[i], place = code < s.k_size ? cell(&s, i % s.y_size, code) : -1;
        if (place >= 0)
            y[0].data[i / s.y_size * s.x_size + place] += x[0].data[i];
    }
}

/* How many cells an average is over. */
static double cells(const struct node *n, const struct slide *s, int64_t at)
{
    int64_t count = 0;

    if (attr_bool(n, "count_include_pad"))
        return (double)s->k_size;
    for (int64_t code = 0; code < s->k_size; code++)
        count += cell(s, at, code) >= 0;
    return (double)count;
}

void eval_avgpool(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct slide s = slide_of(n, x[0].type, y[0].type, NULL);

    (void)e;
    for (int64_t i = 0; i < y[0].count; i++) {
        for (int64_t code = 0; code < s.k_size; code++) {
            int64_t place = cell(&s, i % s.y_size, code);
            if (place >= 0)
                y[0].data[i] += x[0].data[i / s.y_size * s.x_size + place];
        }
        y[0].data[i] /= cells(n, &s, i % s.y_size);
    }
}

void eval_avgpool_dx(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct slide s = slide_of(n, y[0].type, x[0].type, NULL);

    (void)e;
    for (int64_t i = 0; i < x[0].count; i++) {
        double share = x[0].data[i] / cells(n, &s, i % s.y_size);
        for (int64_t code = 0; code < s.k_size; code++) {
            int64_t place = cell(&s, i % s.y_size, code);
            if (place >= 0)
                y[0].data[i / s.y_size * s.x_size + place] += share;
        }
    }
}
