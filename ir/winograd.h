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
 *     2     3       0, 1, -1                       products: 16 of 36
 *     4     3       0, -p, p, -q, q                          36 of 144         p q = 1, p^2 + q^2 = 5/2: rounding
 *     2     5       the same                                 36 of 100         errors stay five times smaller than
 *                                                                              with 1 and 2 */
#ifndef IR_WINOGRAD_H
#define IR_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_POINTS = 6 };

/* A matrix. Of rows (or, where `down` is not set, columns) 1 and 2, 3 and 4 each element is that of the other, or its
 * negative. */
struct winograd_matrix {
    int rows, columns;
    bool down;
    double at[MAX_POINTS][MAX_POINTS];
};

struct winograd {
    int tile, kernel, points;
    struct winograd_matrix in, weight, out;
};

/* False where there is no such form. */
bool winograd_form(int64_t tile, int64_t kernel, struct winograd *w);
struct winograd_matrix winograd_transposed(const struct winograd_matrix *m);

/* How many of `samples` a part has: all parts but the last. */
int64_t winograd_part(int64_t samples, int64_t parts);

#endif
