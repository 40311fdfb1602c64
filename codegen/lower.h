/* codegen/lower.h: what the rooms of lowering share: one group on its way to a kernel. Private to them. */
#ifndef CODEGEN_LOWER_H
#define CODEGEN_LOWER_H

#include "codegen/codegen.h"

/* A group holds at most one anchor; everything else of it is built by body_at at the coordinates that are asked for. */
struct lower {
    struct lkernel *k;
    struct node *group;
    struct graph *body;
    int level;
    struct lbuf **param; /* by parameter of the body */
    struct node *anchor; /* or NULL */
    struct lx *result;   /* the anchor's value at the coordinates of the epilogue, or NULL */
    bool flat;           /* buffers are seen with one dimension; coordinates are one index */
    bool failed;
};

/* body.c */
struct lx *body_at(struct lower *l, struct value *v, struct lx *const *at);
struct lx *flat_index(struct lower *l, struct type t, struct lx *const *at);
struct lx *clamped(struct lower *l, struct lx *index, struct dim d); /* into 0..d - 1 */
struct lx *index_op(struct lower *l, enum lx_kind kind, struct lx *a, struct lx *b);
struct lx *element(struct lower *l, enum op op, enum dtype d, struct lx *a, struct lx *b);

/* lower.c: opens `par` loops over the dimensions of t; at gets the coordinates; gives the innermost block. */
struct lblock *open_loops(struct lower *l, struct lblock *b, struct type t, int from, int to, struct lx **at);
/* Stores what the group gives at these coordinates: its result through the epilogue, or its effect. */
void finish(struct lower *l, struct lblock *b, struct lx *const *at);
struct lbuf *result_buffer(struct lower *l, struct value *v); /* of a body's value that is yielded; NULL: it is not */

/* reduce.c */
void lower_reduce(struct lower *l);
void lower_argmax(struct lower *l);
void lower_moments(struct lower *l);
void lower_cumsum(struct lower *l);

/* A sum over several axes: the value at coordinates `at` of those axes. */
struct sum {
    enum op op; /* add, mul, max, min */
    enum dtype dtype;
    int axes;
    struct lx *extent[MAX_RANK + 1];
    int64_t last;    /* the last extent where it is constant, -1: it depends on the batch */
    bool contiguous; /* the last axis is: it runs in 16 logical lanes */
    struct lx *(*term)(struct lower *l, struct lx *const *at, void *context);
    void *context;
};
struct lx *emit_sum(struct lower *l, struct lblock *b, const struct sum *s);
struct lx *exceeds(struct lower *l, struct lx *v, struct lx *most); /* v takes the place of the largest so far */

/* contract.c, scatter.c, sparse.c */
void lower_matmul(struct lower *l);
void lower_conv(struct lower *l);
void lower_conv_dx(struct lower *l);
void lower_conv_dw(struct lower *l);
void lower_pool(struct lower *l);
void lower_pool_dx(struct lower *l);
void lower_scatter(struct lower *l);
void lower_bound(struct lower *l);
void lower_sparse_matmul(struct lower *l);
void lower_dots(struct lower *l);

#endif
