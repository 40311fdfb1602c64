/* ir/loop_index.h: index expressions as sums. What lx_index simplifies with, and what asks how an address depends on a
 * loop variable.
 *
 *     (i * 28 + r) * 28 + c + 1     is the sum    784 * i + 28 * r + 1 * c, constant 1
 *
 * An atom is whatever is no sum and no product with a constant: a variable, n, a division, a minimum, a value. */
#ifndef IR_LOOP_INDEX_H
#define IR_LOOP_INDEX_H

#include "ir/loop.h"

enum { LSUM_MAX = 24 };

struct lterm {
    struct lx *atom;
    int64_t factor; /* not 0 */
};

struct lsum {
    struct lterm term[LSUM_MAX]; /* no atom twice, in order of appearance */
    int terms;
    int64_t constant;
};

/* False where there are too many terms or a factor leaves 64 bits; then *s is of no use. */
bool lsum_of(struct lsum *s, struct lx *x);
bool lsum_add(struct lsum *s, struct lx *x, int64_t factor); /* s += factor * x */
void lsum_range(const struct lsum *s, int64_t *low, int64_t *high);
int64_t lsum_factor(const struct lsum *s, const struct lx *atom); /* 0: not in it */
struct lx *lsum_build(struct lkernel *k, const struct lsum *s);
bool lx_mentions(const struct lx *x, const struct lvar *v); /* anywhere in it, the indices of what it loads too */
bool lx_reads(const struct lx *x, const struct lbuf *b);    /* an element of it, or all */
bool block_reads(const struct lblock *block, const struct lbuf *b);

/* The element of buf in row-major order that these indices name; of a view, that of the whole, from the step's first on. */
struct lx *lx_flat(struct lkernel *k, const struct lbuf *buf, struct lx *const *index);

/* Bounds of an index operation from those of its operands (loop_index.c); for lx_make. */
void lx_bounds(struct lkernel *k, struct lx *x);

/* loop_build.c: the node with these fields, made once. Nothing is simplified. */
struct lx *lx_make(struct lkernel *k, const struct lx *like);
struct lx *lx_raw(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b);

#endif
