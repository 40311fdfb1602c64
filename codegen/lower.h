/* codegen/lower.h: what the rooms of lowering share: one group on its way to a kernel. Private to them. */
#ifndef CODEGEN_LOWER_H
#define CODEGEN_LOWER_H

#include "codegen/codegen.h"
#include "ir/nest.h"

/* What a value of the group is where code is being made: an expression, or one row of it stored in an array. */
struct known {
    const struct value *value;
    struct lx *x;
    struct lbuf *staged;
    struct known *next;
};

/* A reduction over rows on its way: see columns.c. */
struct column;

/* Rows of the nest's source: elements first.. of its last axis but one; while the nest goes through one of them, which. */
struct held {
    struct lbuf *rows;
    struct lx *first, *row;
};

/* Operand i of the anchor, whose images are made here: those from sample `first` on are in buf; NULL: those of all. */
struct stage {
    const struct value *image; /* NULL: it is read as it is */
    struct lbuf *buf;
    struct lx *first;
};

/* A group has one nest; what has no loops of its own is built by body_at at the coordinates that are asked for. */
struct lower {
    struct lkernel *k;
    struct node *group;
    struct graph *body;
    int level;
    struct lbuf **param; /* by parameter of the body */
    struct node *anchor; /* or NULL; while rows of the nest's source are made, that */
    struct lx *result;   /* the anchor's value at the coordinates of the epilogue, or NULL */
    struct nest nest;
    struct held held;
    struct stage stage[2];
    struct known *known;
    struct memory *memory; /* body.c: of each operation */
    int question;
    bool asking;
    struct lx *in_row; /* which element of its row is being computed */
    struct column *column;
    int64_t parts, part_size; /* of the first axis, whose sums over rows are kept apart */
    struct lx *part;          /* the one at work, where the nest has a loop over them; else NULL */
    bool flat;                /* buffers are seen with one dimension; coordinates are one index */
    bool failed;
};

/* body.c */
struct lx *body_at(struct lower *l, struct value *v, struct lx *const *at);
struct memory *new_memory(struct arena *a, int operations);
void know(struct lower *l, struct value *v, struct lx *x); /* from here on v is x */
/* The coordinates in shape `to` of the element that is at `at` in shape `from`, which has as many elements. */
void reshape_at(struct lower *l, struct type from, struct type to, struct lx *const *at, struct lx **in);
struct lx *flat_index(struct lower *l, struct type t, struct lx *const *at);
struct lx *clamped(struct lower *l, struct lx *index, struct dim d); /* into 0..d - 1 */
struct lx *index_op(struct lower *l, enum lx_kind kind, struct lx *a, struct lx *b);
struct lx *element(struct lower *l, enum op op, enum dtype d, struct lx *a, struct lx *b);

/* lower.c: opens `par` loops over the dimensions of t; at gets the coordinates; gives the innermost block. */
struct lblock *open_loops(struct lower *l, struct lblock *b, struct type t, int from, int to, struct lx **at);
/* Stores what the group gives at these coordinates of the domain: results through the epilogue, effects; and adds to the
 * sums over rows. To be called once for each. While rows of the source are made: holds one of their elements. */
void finish(struct lower *l, struct lblock *b, struct lx *const *at);
/* Stores what is known of this place in the nest, at these coordinates of shape t. */
void finish_place(struct lower *l, struct lblock *b, enum place_of place, struct type t, struct lx *const *at);
enum place_of value_place(const struct lower *l, const struct value *v);
/* Where v, which the group yields, or `effect` writes, is stored. */
bool stores_at(const struct lower *l, enum place_of place); /* whether anything is */
enum place_of leaves_at(const struct lower *l, const struct node *effect, const struct value *v);
struct lbuf *result_buffer(struct lower *l, struct value *v); /* of a body's value that is yielded; NULL: it is not */

/* join.c. A coordinate to ask with, of a loop that the kernel does not have. */
struct lx *some_index(struct lower *l, struct dim d);
/* t with those of its axes from..to joined that lie together in all of the values, which have as many elements; the domain
 * likewise, with all that is needed at each of its coordinates. Coordinates of the one are coordinates of the other by
 * reshape_at. */
struct type join_axes(struct lower *l, struct type t, int from, int to, struct value *const *values, int count);
struct type join_domain(struct lower *l, int from);

/* columns.c: sums over rows that go along with whatever else a nest does. open_columns stands before its loops,
 * add_columns where an element is known, close_columns behind all. */
void open_columns(struct lower *l);
void add_columns(struct lower *l, struct lblock *b, struct lx *const *at);
void add_total(struct lower *l, struct lblock *b, const struct node *n, struct lx *const *at,
               struct lx *v); /* of one row, to n's */
void close_columns(struct lower *l);
bool has_columns(const struct lower *l); /* sums over rows, other than totals */

/* images.c: images that the anchor makes itself. How many of them fit into scratch at a time; 0: it makes none. */
int64_t images_that_fit(const struct lower *l);
struct range {
    struct lx *begin, *end;
};
/* Opens a loop over so many of these samples at a time, and makes their images: from here on body_at gives them. The range
 * becomes that of the loop's samples. open_samples: over those of t, one at a time where images are made. */
struct lblock *open_images(struct lower *l, struct lblock *b, int64_t count, struct range *samples,
                           enum licence licence);
struct lblock *open_samples(struct lower *l, struct lblock *b, struct type t, struct lx **at);
struct lx *image_at(struct lower *l, const struct value *v, struct lx *const *at); /* NULL: v is none */

static inline bool makes_held_rows(const struct lower *l)
{
    return l->anchor && l->anchor == l->nest.source;
}

/* rows.c: nests without an anchor that hold reductions, or have a source. */
void lower_rows(struct lower *l);

/* reduce.c */
struct lx *identity(struct lower *l, enum op op, enum dtype d);
enum op reduction_op(const struct node *n); /* the operation that combines two elements */
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
    int64_t most;    /* that extent at most, where it may be long: it is summed up in pieces then; else 0 */
    bool contiguous; /* the last axis is: it runs in 16 logical lanes */
    struct lx *(*term)(struct lower *l, struct lx *const *at, void *context);
    void *context;
    struct lbuf *kept; /* terms are also stored here, one behind the other; NULL: they are not */
};
/* Loops over acc run in lanes, and acc is a tile of registers, where all of them can; else it is an array. */
void run_in_lanes(struct lower *l, struct lbuf *acc, struct ls *const *loops, int count);
struct lx *emit_sum(struct lower *l, struct lblock *b, const struct sum *s);
/* Two sums over the same elements of long rows, not of the same row; in their loop, before them, something else. */
struct also {
    void (*at)(struct lower *l, struct lblock *b, struct lx *at, void *context);
    void *context;
};
bool goes_together(const struct sum *s);
void emit_together(struct lower *l, struct lblock *b, const struct sum *first, const struct sum *second,
                   const struct also *also, struct lx **first_total, struct lx **second_total);
struct lx *exceeds(struct lower *l, struct lx *v, struct lx *most); /* v takes the place of the largest so far */

/* tile.c */
struct ls *tile_loop(struct lower *l, struct lblock *b, int rows);   /* over the rows of a tile */
struct lbuf *open_tile(struct lower *l, struct lblock *b, int rows); /* accumulators, all zero */
struct lbuf *open_filled(struct lower *l, struct lblock *b, const char *name, int rows, struct lx *start); /* or this */
/* A tile whose sums are complete. Much work behind the anchor is not done on the registers but on a copy of some rows in
 * memory (open_stage, before the loop over columns; NULL: there is none), in a loop of its own: compilers spill accumulators
 * where an unrolled epilogue stands beside them. */
struct panel { /* some columns of the result; all where columns is 0 */
    struct lx *first;
    int64_t columns;
};
/* Opens the loop over them; at's last gets the coordinate, column which of the panel it is. */
struct lblock *open_panel(struct lower *l, struct lblock *b, const struct panel *p, struct lx **at, struct lx **column);

struct tile {
    struct panel panel;
    struct lx *column;
    struct lblock *outside, *in; /* around the loop over columns, and in it */
    struct lbuf *acc, *stage;
    int rows;
    struct lx **at;                                              /* of the result */
    void (*place)(struct lower *l, struct lx *r, void *context); /* sets them for row r */
    void *context;
};
enum { STAGED = 1 << 13 }; /* elements of a stage, at most */
struct lbuf *open_stage(struct lower *l, struct lblock *b, int rows, const struct panel *p);
void finish_tile(struct lower *l, struct tile *t);
/* Of a sum in pieces: the stage begins as zeros, each piece's accumulators are added to it, and it is what is finished. */
struct lbuf *open_total(struct lower *l, struct lblock *b, int rows, const struct panel *p);
void add_to_stage(struct lower *l, struct tile *t);
void finish_stage(struct lower *l, struct tile *t);
/* How many at a time, where all are known; shared: what one of the operands gives is loaded once for all of them. */
int tile_rows(int64_t rows, bool shared);
/* The same of groups of rows, which share what one of the operands gives. */
int tile_groups(int64_t groups, int64_t each);
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
/* b, or where the condition does not always hold a block that runs where it does. */
struct lblock *only_where(struct lower *l, struct lblock *b, struct lx *condition);
/* Along spatial axis i alone: v, and a block that runs where `at` lies in the image. */
struct lx *padded_along(struct lower *l, const struct window *w, struct type x, int i, struct lx *at, struct lx *v);
struct lblock *inside_along(struct lower *l, struct lblock *b, const struct window *w, struct type x, int i,
                            struct lx *at);
struct lblock *open_window(struct lower *l, struct lblock *b, const struct window *w, struct lx **k);
struct lblock *open_red(struct lower *l, struct lblock *b, const char *name, int64_t count, struct lx **at);
struct lx *add_product(struct lower *l, struct lx *a, struct lx *b, struct lx *acc);
void count_macs(struct lower *l, struct type t, double each); /* `each` for every element of t */

/* Whether the anchor at work is the source of a pool (window.c), which takes its values: what a window starts with, what
 * it is with one more of them (seen at these coordinates of the anchor's, where l->result is its value), and the window's end:
 * what comes of it is stored at these of the pool's. */
static inline bool is_pooled(const struct lower *l)
{
    return l->nest.anchor && l->anchor == l->nest.source;
}
struct window pool_window(const struct lower *l);
struct lx *pool_start(const struct lower *l);
struct lx *pool_more(struct lower *l, struct lx *old, struct lx *const *at);
void pool_finish(struct lower *l, struct lblock *b, struct lx *total, struct lx *const *at);

/* The output position that reads input position `at` through window element k, where there is one. */
struct source {
    struct lx *from[3];
    struct lx *guard[9];
    int guards;
};
struct source source_of(struct lower *l, const struct window *w, struct type dy, struct lx *const *at,
                        struct lx *const *k);
struct lx *guarded(struct lower *l, const struct source *s, struct lx *v);

/* contract.c, conv_last.c, depthwise.c, winograd.c, attention.c, window.c, scatter.c, sparse.c */
void lower_conv_last(struct lower *l); /* conv, conv_dx, conv_dw with channels last */
void lower_depthwise(struct lower *l); /* conv, conv_dw of those where every channel has a window of its own */
void lower_matmul(struct lower *l);
/* So many of the anchor's rows, at these coordinates before its last two. */
void lower_matmul_rows(struct lower *l, struct lblock *b, struct lx **at, struct lx *first, struct lx *count);
void lower_conv(struct lower *l);
void lower_conv_dx(struct lower *l);
void lower_conv_dw(struct lower *l);
void lower_winograd_weight(struct lower *l); /* and winograd_dw_weight */
void lower_winograd(struct lower *l);
void lower_winograd_dw(struct lower *l);
void lower_attention(struct lower *l);
void lower_attention_dx(struct lower *l);
void lower_pool(struct lower *l);
void lower_pool_dx(struct lower *l);
void lower_scatter(struct lower *l);
void lower_bound(struct lower *l);
void lower_sparse_matmul(struct lower *l);
void lower_dots(struct lower *l);

#endif
