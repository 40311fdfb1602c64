/* ir/winograd.h: convolution by Winograd's method: tile x tile results of a window of kernel x kernel elements are sums
 * of points x points products (points = tile + kernel - 1) in place of (tile kernel)^2.
 *
 *     y = out [ sum over channels of (weight g weight') * (in d in') ] out'
 *
 * d: points x points elements of the image, g: the window, * element by element. All are polynomials' values at some
 * points, the last of which is infinity: out, which evaluates at the points what a tile is the coefficients of, has the
 * powers of the points in its columns. The others come in pairs t, -t, so the matrices' rows, or columns, do.
 *
 *     tile  kernel  points
 *     2     2       0, 1                           products: 9 of 16
 *     2     3       0, 1, -1                                 16 of 36
 *     4     3       0, -p, p, -q, q                          36 of 144         p q = 1, p^2 + q^2 = 5/2: rounding
 *     2     5       the same                                 36 of 100         errors stay five times smaller than
 *     3     4       the same                                 36 of 144         with 1 and 2
 *
 * With stride 2 a result takes every second element of the window from the image's even rows (or columns), the others
 * from the odd ones: two forms of half the window side by side, which share `out`. Gradients of the image, and transposed
 * convolutions, are convolutions of an image spread by zeros: their even results take every second element of the window
 * alone, their odd ones the others, from the same place. Both have 2 tile + kernel - 2 points, tile results (or elements
 * of the image that is spread) at once: 25 of 36 products for windows of 3 x 3, 36 of 64 for 4 x 4, 49 of 100 for 5 x 5. */
#ifndef IR_WINOGRAD_H
#define IR_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/type.h"

struct node;

enum { MAX_POINTS = 7 };

/* A matrix. Where bit i of `pairs` is set, each element of row i (or, where `down` is not set, of column i) is that of
 * the next one, or its negative. */
struct winograd_matrix {
    int rows, columns;
    bool down;
    unsigned pairs;
    double at[MAX_POINTS][MAX_POINTS];
};

/* Along one axis. With a dilation d tiles share a place: each lies in the others' gaps. */
struct winograd {
    int tile, kernel, points;
    int stride; /* windows lie so far apart; 2 at most */
    int up;     /* the image is spread so far, instead */
    int dilation; /* elements of a window, and those of a tile, lie so far apart; above 1 only where both of these are 1 */
    int step;     /* so many elements of the image lie between one tile's window and the next one's */
    int before; /* so many in front of the image the first one begins */
    struct winograd_matrix in, weight, out;
};

/* A form for windows of `kernel` elements. False where there is none. */
bool winograd_form(int64_t tile, int64_t kernel, int64_t stride, struct winograd *w);

/* The form of an operation along both axes, by its attributes and the types of its operands. False: there is none. */
bool winograd_of(const struct node *n, const struct type *x, struct winograd *w);

/* How many tiles results of this size have, and where tile number i begins: among the results, or, `step` in place of the
 * tile's size, in the image. */
int64_t winograd_tiles(const struct winograd *w, int64_t size);
int64_t winograd_begin(const struct winograd *w, int64_t i, int step);

struct winograd_matrix winograd_transposed(const struct winograd_matrix *m);

/* How many of `samples` a part has: all parts but the last. */
int64_t winograd_part(int64_t samples, int64_t parts);

#endif
