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

/* tile.c */
struct ls *tile_loop(struct lower *l, struct lblock *b, int rows);   /* over the rows of a tile */
struct lbuf *open_tile(struct lower *l, struct lblock *b, int rows); /* accumulators, all zero */
int tile_rows(int64_t rows);                                         /* how many at a time, where all are known */
typedef void tile_fn(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context);
/* Calls body for tiles of rows, and for the rows that are left. */
void in_tiles(struct lower *l, struct lblock *b, int64_t rows, int tile, tile_fn *body, void *context);

/* A window sliding over spatial axes, which begin at axis `axis` of images: 2, or 1 where channels are last. */
struct window {
    int n, axis;
    const int64_t *stride, *pad, *dilation; /* dilation NULL: 1 */
    int64_t groups, kernel[3];
};

struct window read_window(const struct node *n, struct type weight); /* of a convolution */
/* Coordinates of an image: those of `at` with the spatial ones replaced. */
void spatial_at(const struct window *w, int rank, struct lx *const *at, struct lx *const *spatial, struct lx **to);
/* o * stride + k * dilation - pad along spatial axis i; and value v at such coordinates, 0 where they lie outside. */
struct lx *slid(struct lower *l, const struct window *w, int i, struct lx *o, struct lx *k);
struct lx *padded(struct lower *l, const struct window *w, struct type x, struct lx *const *spatial, struct lx *v);
struct lblock *open_window(struct lower *l, struct lblock *b, const struct window *w, struct lx **k);
struct lblock *open_red(struct lower *l, struct lblock *b, const char *name, int64_t count, struct lx **at);
struct lx *add_product(struct lower *l, struct lx *a, struct lx *b, struct lx *acc);
void count_macs(struct lower *l, struct type t, double each); /* `each` for every element of t */

/* The output position that reads input position `at` through window element k, where there is one. */
struct source {
    struct lx *from[3];
    struct lx *guard[9];
    int guards;
};
struct source source_of(struct lower *l, const struct window *w, struct type dy, struct lx *const *at,
                        struct lx *const *k);
struct lx *guarded(struct lower *l, const struct source *s, struct lx *v);

/* contract.c, conv_last.c, winograd.c, window.c, scatter.c, sparse.c */
void lower_conv_last(struct lower *l); /* conv, conv_dx, conv_dw with channels last */
void lower_matmul(struct lower *l);
void lower_conv(struct lower *l);
void lower_conv_dx(struct lower *l);
void lower_conv_dw(struct lower *l);
void lower_winograd_weight(struct lower *l); /* and winograd_dw_weight */
void lower_winograd(struct lower *l);
void lower_winograd_dw(struct lower *l);
void lower_pool(struct lower *l);
void lower_pool_dx(struct lower *l);
void lower_scatter(struct lower *l);
void lower_bound(struct lower *l);
void lower_sparse_matmul(struct lower *l);
void lower_dots(struct lower *l);

#endif
