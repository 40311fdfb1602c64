/* codegen/window.h: windows that slide over the spatial axes of [n, c, s...]: convolutions and pools. Private to them. */
#ifndef CODEGEN_WINDOW_H
#define CODEGEN_WINDOW_H

#include "codegen/lower.h"

struct window {
    int n;                          /* spatial axes */
    const int64_t *stride, *pad, *dilation;
    int64_t groups, kernel[3];
};

/* The output position that reads input position `at` through window element k, where there is one. */
struct source {
    struct lx *from[3];
    struct lx *guard[9];
    int guards;
};

/* dy: the type of what has a value for each position of the window. */
struct source source_of(struct lower *l, const struct window *w, struct type dy, struct lx *const *at, struct lx *const *k);
struct lx *guarded(struct lower *l, const struct source *s, struct lx *v);      /* v, or 0 where there is none */

/* Loops over a window's elements, appended to b; the innermost block. */
struct lblock *open_red(struct lower *l, struct lblock *b, const char *name, int64_t count, struct lx **at);
struct lblock *open_window(struct lower *l, struct lblock *b, const struct window *w, struct lx **k);
double count_macs(const struct lower *l, struct type t, double each);

#endif
