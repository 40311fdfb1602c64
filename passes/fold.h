/* passes/fold.h: what the two files of fold_affine share. */
#ifndef PASSES_FOLD_H
#define PASSES_FOLD_H

#include "ir/build.h"
#include "passes/shared.h"

struct folder {
    struct graph *g;
    struct build b;    /* where new operations go */
    struct node *next; /* whose turn is next */
};

/* ---- fold_thin.c ---- */

/* Leaves in node->id whether all that n reads are parameters, states and constants; settle: what is made later is so too. */
void find_settled(struct graph *g);
struct value *settle(struct value *v);
bool is_settled(const struct value *v);
struct value *before_broadcast(struct value *v);

/* A thin tensor is settled, and has the axes of what it is spread over, with length 1 along those where it is the same.
 * thin_of: v as one, NULL where it is not settled. */
struct value *thin_of(struct folder *f, struct value *v);
struct value *thin_number(struct folder *f, double x, int rank);
struct value *thin_spread(struct folder *f, struct value *x, struct type t);
struct value *thin_op(struct folder *f, enum op op, struct value *x, struct value *y);
struct value *thin_negative(struct folder *f, struct value *x);               /* NULL of NULL */
struct value *thin_times(struct folder *f, struct value *x, struct value *y); /* NULL where it is larger than both */
struct value *thin_plus(struct folder *f, struct value *x, struct value *y);  /* NULL is 0 */
bool is_one_along(struct type t, int from, int to,
                  int but); /* the same along all of the axes from..to, but perhaps `but` */

/* Where n only moves elements, adds them up, or sets zeros beside them, a factor of its operand may be one of its result
 * (behind), or the other way round: there it is of type `to`. It gets that by transposing, where n does, else by lying in
 * full, as `wide`, along what n joins or splits, and a reshape. thin_moved does it; NULL where that cannot be. */
bool factor_moves(const struct node *n, struct type t, bool behind, struct type *wide, struct type *to);
struct value *thin_moved(struct folder *f, const struct node *n, struct value *x, bool behind);

/* The same for what is added to the operand, which the result may have several times. */
bool sum_moves(const struct node *n);
struct value *thin_shift_moved(struct folder *f, const struct node *n, struct value *x);

#endif
