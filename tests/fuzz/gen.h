/* tests/fuzz/gen.h: what the files that make random graphs share. */
#ifndef TESTS_FUZZ_GEN_H
#define TESTS_FUZZ_GEN_H

#include "ir/build.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_POOL = 256, MAX_COUNT = 3000, MAX_WORK = 60000 };

/* A value that others may read. No element should be beyond +-most: what grows is scaled down, so that nothing
 * overflows and f32 has digits enough. */
struct item {
    struct value *v;
    double most;
};

/* A graph or body on its way. */
struct gen {
    struct random *r;
    struct module *m;
    struct build b;
    struct item item[MAX_POOL];
    int items;
    int depth;      /* of bodies around */
    int *variables; /* numbers the variables of this graph */
};

/* Adds what was built to the pool. */
void keep(struct gen *g, struct value *v, double most);
const struct item *pick(struct gen *g, enum dtype d);                                  /* NULL: there is none */
const struct item *pick_where(struct gen *g, enum dtype d, bool (*fits)(struct type)); /* the same */
struct item at_most(struct gen *g, struct item x, double most); /* x itself, or something made of it */
struct item positive(struct gen *g, struct item x);             /* at least 0.5 */
struct value *whole_of(struct gen *g, struct value *x);         /* i32 numbers from a real */
int64_t size_at_random(struct gen *g);
int64_t axis_at_random(struct gen *g, struct type t, bool fixed); /* -1: none */
bool fits(struct type t);                                         /* not too large for a test */
struct item parameter(struct gen *g, struct type t);              /* of reals; a constant in a body */
struct value *real_of(struct gen *g, double x);                   /* scalar constant */
void many_operations(struct gen *g, int count);

/* Operations by kind; each adds to the pool, or nothing where the pool has nothing fit for it. */
typedef void make_fn(struct gen *g);
make_fn make_unary, make_binary, make_compare, make_logic, make_select, make_cast, make_integer, make_made, make_random;
make_fn make_reduce, make_moments, make_argmax, make_cumsum, make_softmax;
make_fn make_reshape, make_transpose, make_slice, make_reverse, make_pad, make_dilate, make_concat, make_broadcast;
make_fn make_matmul, make_self_product, make_attention, make_rows_of_product, make_conv, make_conv_dx, make_maxpool,
    make_pooled, make_normalised, make_avgpool;
make_fn make_gather, make_scatter_add, make_take_along, make_put_along, make_one_hot;
make_fn make_scan, make_custom;

#endif
