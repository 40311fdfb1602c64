/* ir/eval_reduce.c: reductions and running sums. Sums go through their elements in row-major order. */
#include "ir/eval.h"

#include <math.h>

#include "ir/element.h"

static void visit_sum(const double *x, double *y)
{
    *y += *x;
}

static void visit_prod(const double *x, double *y)
{
    *y *= *x;
}

static void visit_max(const double *x, double *y)
{
    *y = *x > *y || isnan(*x) ? *x : *y;
}

static void visit_min(const double *x, double *y)
{
    *y = *x < *y || isnan(*x) ? *x : *y;
}

/* Products of i32 wrap at 32 bits, step by step: their double would lose its last digits. */
static void visit_prod_i32(const double *x, double *y)
{
    double pair[] = { *y, *x };

    *y = element_map(OP_mul, DT_I32, pair);
}

static void visit_sum_i32(const double *x, double *y)
{
    double pair[] = { *y, *x };

    *y = element_map(OP_add, DT_I32, pair);
}

static void fill(struct tensor *y, double x)
{
    for (int64_t i = 0; i < y->count; i++)
        y->data[i] = x;
}

/* How one goes through the result while going through x: the axes summed over stand still. */
static struct walk walk_result(const struct eval *e, const struct node *n, struct type x, const struct tensor *y)
{
    int count, kept = 0;
    const int64_t *axes = attr_ints(n, "axes", &count);
    struct walk full = walk_of(e, y), w = { .data = y->data };
    bool keepdims = attr_bool(n, "keepdims");

    for (int i = 0, k = 0; i < x.rank; i++) {
        bool gone = k < count && axes[k] == i;
        k += gone;
        w.stride[i] = gone ? 0 : full.stride[kept];
        kept += !gone || keepdims;
    }
    return w;
}

void eval_reduce(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    bool whole = x[0].type.dtype == DT_I32;
    void (*visit)(const double *, double *) = n->op == OP_prod         ? (whole ? visit_prod_i32 : visit_prod)
                                              : n->op == OP_reduce_max ? visit_max
                                              : n->op == OP_reduce_min ? visit_min
                                              : whole                  ? visit_sum_i32
                                                                       : visit_sum;
    double lowest = whole ? INT32_MIN : (double)-INFINITY, highest = whole ? INT32_MAX : (double)INFINITY;

    fill(&y[0], n->op == OP_prod ? 1 : n->op == OP_reduce_max ? lowest : n->op == OP_reduce_min ? highest : 0);
    walk_both(e, x[0].type, walk_of(e, &x[0]), walk_result(e, n, x[0].type, &y[0]), visit);
}

/* The first of equals; a NaN is larger than all. */
void eval_argmax(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct along a = along_axis(e, x[0].type, attr_int(n, "axis"));

    for (int64_t at = 0; at < a.outer * a.inner; at++) {
        const double *row = x[0].data + at / a.inner * a.length * a.inner + at % a.inner;
        int64_t best = 0;
        for (int64_t k = 1; k < a.length; k++) {
            double was = row[best * a.inner], is = row[k * a.inner];
            if (is > was || (isnan(is) && !isnan(was)))
                best = k;
        }
        y[0].data[at] = (double)best;
    }
}

/* Twice through the data: the mean first, so that a large one costs the variance nothing. */
void eval_moments(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct walk mean = walk_result(e, n, x[0].type, &y[0]);
    struct tensor square = tensor_make(e->arena, x[0].type, e->n), spread = square;
    double count = (double)x[0].count / (double)y[0].count;

    walk_both(e, x[0].type, walk_of(e, &x[0]), mean, visit_sum);
    for (int64_t i = 0; i < y[0].count; i++)
        y[0].data[i] /= count;
    walk_both(e, x[0].type, mean, walk_of(e, &spread), visit_sum); /* the mean, at every element */
    for (int64_t i = 0; i < x[0].count; i++)
        square.data[i] = (x[0].data[i] - spread.data[i]) * (x[0].data[i] - spread.data[i]);
    walk_both(e, x[0].type, walk_of(e, &square), walk_result(e, n, x[0].type, &y[1]), visit_sum);
    for (int64_t i = 0; i < y[1].count; i++)
        y[1].data[i] /= count;
}

void eval_cumsum(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct along a = along_axis(e, x[0].type, attr_int(n, "axis"));
    bool reverse = attr_bool(n, "reverse");

    for (int64_t at = 0; at < a.outer * a.inner; at++) {
        int64_t first = at / a.inner * a.length * a.inner + at % a.inner;
        double sum = 0;
        for (int64_t k = 0; k < a.length; k++) {
            int64_t i = first + (reverse ? a.length - 1 - k : k) * a.inner;
            sum += x[0].data[i];
            y[0].data[i] = sum;
        }
    }
}
