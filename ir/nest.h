/* ir/nest.h: how the operations of a group share one nest of loops. Said of a group that is made or may be made: passes
 * ask whether there is such a nest, code generation which one it is.
 *
 * The nest goes over a *domain*, a shape: rows (the axes before `split`), and within each row the others. Values count
 * by their elements in row-major order, so a reshape changes nothing. Each has its *place*:
 *
 *     FREE     made of what the group reads by elementwise and index operations: can be had at any coordinates, at once
 *     STAGED   the same, and as large as an image that the anchor stages: stored where the image is made
 *     HELD     made of a row that the source gives: can be had anywhere in the row that is being gone through
 *     EACH     one element for each of the domain, known only there
 *     ROW      one for each row, known when the row was gone through: a sum along it, and what is made of that
 *     COLUMN   one for each place in a row, known when all rows were gone through: a sum over rows, and what is made of it
 *     TOTAL    one, known at the end
 *
 * An *anchor* (a product, a window, a reduction of its own that has not very many rows, ...) gives the values at EACH of
 * its result's coordinates; sums over its rows can go along with it. A convolution may *stage* its images: those of some
 * samples are made of what the group reads, by elementwise operations, before the anchor goes through these samples.
 * Without an anchor there may be several reductions: softmax, normalisations and their gradients, losses. Such a nest
 * may have a *source*, a product: some rows of it are held at a time, then the nest goes through these. So what needs a
 * whole row, or several places of it, is had without storing the product: a normalisation behind a linear layer, the
 * gates of a recurrent step. A pool may have a source too, a convolution whose results its windows share out among
 * themselves: HELD is what is known at the coordinates of one of these. */
#ifndef IR_NEST_H
#define IR_NEST_H

#include "ir/graph.h"

/* The later, the later it is known. */
enum place_of { AT_FREE, AT_STAGED, AT_HELD, AT_EACH, AT_ROW, AT_COLUMN, AT_TOTAL };

struct nest {
    struct type domain;
    int split;                    /* how many axes of the domain are rows */
    struct node *anchor, *source; /* NULL: none; both where the anchor is a pool */
    struct value *image[2];       /* operands of the anchor that are staged, or NULL */
    enum place_of *place;         /* of the results of member i, which has node->id = i */
    int reductions;               /* besides an anchor */
};

/* The nest of these operations, given in an order in which they can run; sets their node->id, and memory comes from a.
 * False where they have none in common. */
bool nest_of(struct arena *a, struct node *const *member, int count, struct nest *n);

/* Where a value of this type is stored that has this place: what is FREE as soon as it can be, by its size. False: nowhere. */
bool nest_leaves_at(const struct nest *n, enum place_of place, struct type t, enum place_of *at);

/* What is FREE can be had at once, whether it is stored early or not. */
static inline bool place_is_free(enum place_of place)
{
    return place <= AT_STAGED;
}

/* The first image that is staged, beside which others of its size are stored; NULL: none is. */
static inline struct value *nest_image(const struct nest *n)
{
    return n->image[0] ? n->image[0] : n->image[1];
}

/* Whether what reads a value here, or reads what is only another shape of it, may stage it. */
bool use_is_staged(const struct use *u);

/* Operations that need a nest of their own making, and reductions among them. */
bool node_is_anchor(const struct node *n);
bool node_is_contraction(const struct node *n);
bool node_is_reduction(const struct node *n); /* sum, reduce_max, reduce_min, prod, moments */
/* What an operation costs beside others, roughly, in elements that it makes of a full batch; one with bodies: all in them. */
double node_work(const struct node *n);

/* Shapes of one row of the domain, and of all its rows. */
struct type nest_rows(const struct nest *n);
struct type nest_row(const struct nest *n);

/* Elements that a kernel may hold of its own: a row, or sums over rows; rows of a source; images. A product's tile has so
 * many rows. */
enum { NEST_LOCAL = 8192, NEST_HELD = 1 << 15, NEST_STAGED = 1 << 16, NEST_TILE = 8 };

/* How many rows of a source are held at least: its right operand is read once for all of these. One of NEST_FAR elements
 * and more is in no second cache. */
enum { NEST_FAR = 1 << 18 };
int64_t nest_least_held(const struct node *source);

#endif
