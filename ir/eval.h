/* ir/eval.h: what the files of the reference evaluator share. Every element is a double; real tensors are not
 * rounded to f32. Written for clarity: plain loops, one idea a file.
 *
 *     eval.c          graphs and bodies, operation by operation; effects
 *     eval_store.c    variables: where they lie and how they start
 *     eval_map.c      elementwise operations, constants, random numbers
 *     eval_reduce.c   reductions and running sums
 *     eval_shape.c    changes of coordinates
 *     eval_linear.c   matrix products, convolutions and their gradients
 *     eval_winograd.c convolution by Winograd's method
 *     eval_attention.c attention and its gradient
 *     eval_window.c   pooling and its gradients
 *     eval_index.c    what is indexed by data */
#ifndef IR_EVAL_H
#define IR_EVAL_H

#include "ir/ir.h"

struct write;

/* One run of a graph or body. */
struct eval {
    struct arena *arena; /* what lives as long as the run */
    const struct store *s;
    int64_t n;
    struct write *first, **last; /* assignments, carried out when everything has been read */
    int outputs, metrics;
    struct tensor *output, *metric; /* room for all of the graph */
    struct tensor loss;
    const char *error; /* the first `bound` that failed, in words */
};

/* Fills the results y, which are made and zero, from the operands x. */
typedef void eval_fn(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y);

eval_fn eval_map, eval_made, eval_random, eval_hyper;
eval_fn eval_reduce, eval_argmax, eval_moments, eval_cumsum;
eval_fn eval_reshape, eval_transpose, eval_broadcast, eval_slice, eval_reverse, eval_pad, eval_dilate, eval_concat;
eval_fn eval_matmul, eval_conv, eval_conv_dx, eval_conv_dw;
eval_fn eval_maxpool, eval_maxpool_dx, eval_avgpool, eval_avgpool_dx;
eval_fn eval_gather, eval_scatter_add, eval_take_along, eval_put_along, eval_one_hot;
eval_fn eval_sparse_matmul, eval_dots;
eval_fn eval_attention, eval_attention_dx;
eval_fn eval_winograd_weight, eval_winograd, eval_winograd_dw, eval_winograd_dw_weight;

/* A tensor seen from one axis: element (o, k, i) is data[(o * length + k) * inner + i]. */
struct along {
    int64_t outer, length, inner;
};

struct along along_axis(const struct eval *e, struct type t, int64_t axis);

/* How one goes through an array: element (i0, i1, ...) is data[sum of i * stride]. */
struct walk {
    double *data;
    int64_t stride[MAX_RANK];
};

struct walk walk_of(const struct eval *e, const struct tensor *t); /* row-major */

/* Calls visit for every position of a shape, with what lies there in both. */
void walk_both(const struct eval *e, struct type shape, struct walk from, struct walk to,
               void (*visit)(const double *from, double *to));

/* Fills y with x, whose axis perm[i] is axis i of y. */
void turn_axes(const struct eval *e, const struct tensor *x, const int64_t *perm, struct tensor *y);

/* A window sliding over up to three spatial axes; those that are missing are in front, of length 1. */
struct slide {
    int64_t x[3], k[3], y[3], stride[3], pad[3], dilation[3]; /* pad: before */
    int64_t x_size, k_size, y_size;                           /* products */
};

/* x, y: the types [n, c, s...] before and after; kernel: its lengths, NULL where attribute `kernel` holds them. */
struct slide slide_of(const struct node *n, struct type x, struct type y, const int64_t *kernel);

#endif
