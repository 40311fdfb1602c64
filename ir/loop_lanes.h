/* ir/loop_lanes.h: what depends on the variable of a vector loop, and whether a loop can be one.
 *
 * An expression that varies has NN_L values at once, one a lane; all others are scalars that every lane shares. */
#ifndef IR_LOOP_LANES_H
#define IR_LOOP_LANES_H

#include "ir/loop.h"

struct lanes {
    struct lkernel *k;
    const struct ls *loop;
    unsigned char *mark; /* by expression: what is known of it */
    size_t marks;
    const char *why; /* what stands against running the loop in lanes; NULL: nothing */
};

/* Walks the loop's body. */
struct lanes lanes_of(struct lkernel *k, const struct ls *loop);
bool lanes_vary(struct lanes *l, const struct lx *x);
bool lanes_local(const struct lanes *l, const struct lbuf *buf); /* declared in the loop: every element one a lane */

/* How an address moves with the variable: 0 not at all, 1 to the next element, -1 in any other way. The first is of
 * flattened indices, the second of one index. */
int lanes_stride(struct lanes *l, const struct lbuf *buf, struct lx *const *index);
int lanes_step(struct lanes *l, struct lx *x);

bool loop_in_lanes(const struct ls *loop); /* vector or wide */
/* The number of iterations where it is a constant, else -1. */
int64_t loop_trips(const struct ls *loop);
/* The most there can be, by the ranges of what it runs between. */
int64_t loop_most_trips(const struct ls *loop);

/* A loop and the one in it that copy 16 by 16 elements, rows to columns: to[to_at + i to_stride + j] = from[from_at + i +
 * j from_stride]. False where they are something else. */
struct square {
    struct lbuf *to, *from;
    struct lx *to_at, *from_at;
    int64_t to_stride, from_stride;
};
bool loop_square(struct lkernel *k, const struct ls *loop, struct square *q);

#endif
