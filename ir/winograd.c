/* ir/winograd.c: see winograd.h. */
#include "ir/winograd.h"

#include "ir/graph.h"

#define P 0.70710678118654752440
#define Q 1.41421356237309504880

/* What all forms of six points make of an image. */
static const struct winograd_matrix six_points = { 6,
                                                   6,
                                                   true,
                                                   0,
                                                   { { 1, 0, -2.5, 0, 1, 0 },
                                                     { 0, -Q, -2, P, 1, 0 },
                                                     { 0, Q, -2, -P, 1, 0 },
                                                     { 0, -P, -0.5, Q, 1, 0 },
                                                     { 0, P, -0.5, -Q, 1, 0 },
                                                     { 0, 1, 0, -2.5, 0, 1 } } };

/* Which of them have pairs is seen by their points: all but the first and the last. */
static const struct winograd forms[] = {
    {
        .tile = 2,
        .kernel = 2,
        .points = 3,
        .in = { 3, 3, true, 0, { { -1, 1, 0 }, { 0, 1, 0 }, { 0, -1, 1 } } },
        .weight = { 3, 2, true, 0, { { -1, 0 }, { 1, 1 }, { 0, 1 } } },
        .out = { 2, 3, false, 0, { { 1, 1, 0 }, { 0, 1, 1 } } },
    },
    {
        .tile = 2,
        .kernel = 3,
        .points = 4,
        .in = { 4, 4, true, 0, { { -1, 0, 1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, -1, 0, 1 } } },
        .weight = { 4, 3, true, 0, { { -1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } } },
        .out = { 2, 4, false, 0, { { 1, 1, 1, 0 }, { 0, 1, -1, 1 } } },
    },
    {
        .tile = 4,
        .kernel = 3,
        .points = 6,
        .weight = { 6,
                    3,
                    true,
                    0,
                    { { 1, 0, 0 },
                      { -2.0 / 3, -2 * P / 3, -1.0 / 3 },
                      { -2.0 / 3, 2 * P / 3, -1.0 / 3 },
                      { 1.0 / 6, Q / 6, 1.0 / 3 },
                      { 1.0 / 6, -Q / 6, 1.0 / 3 },
                      { 0, 0, 1 } } },
        .out = { 4,
                 6,
                 false,
                 0,
                 { { 1, 1, 1, 1, 1, 0 },
                   { 0, P, -P, Q, -Q, 0 },
                   { 0, 0.5, 0.5, 2, 2, 0 },
                   { 0, P / 2, -P / 2, 2 * Q, -2 * Q, 1 } } },
    },
    {
        .tile = 2,
        .kernel = 5,
        .points = 6,
        .weight = { 6,
                    5,
                    true,
                    0,
                    { { 1, 0, 0, 0, 0 },
                      { -2.0 / 3, -2 * P / 3, -1.0 / 3, -P / 3, -1.0 / 6 },
                      { -2.0 / 3, 2 * P / 3, -1.0 / 3, P / 3, -1.0 / 6 },
                      { 1.0 / 6, Q / 6, 1.0 / 3, Q / 3, 2.0 / 3 },
                      { 1.0 / 6, -Q / 6, 1.0 / 3, -Q / 3, 2.0 / 3 },
                      { 0, 0, 0, 0, 1 } } },
        .out = { 2, 6, false, 0, { { 1, 1, 1, 1, 1, 0 }, { 0, P, -P, Q, -Q, 1 } } },
    },
    {
        .tile = 3,
        .kernel = 4,
        .points = 6,
        .weight = { 6,
                    4,
                    true,
                    0,
                    { { 1, 0, 0, 0 },
                      { -2.0 / 3, -2 * P / 3, -1.0 / 3, -P / 3 },
                      { -2.0 / 3, 2 * P / 3, -1.0 / 3, P / 3 },
                      { 1.0 / 6, Q / 6, 1.0 / 3, Q / 3 },
                      { 1.0 / 6, -Q / 6, 1.0 / 3, -Q / 3 },
                      { 0, 0, 0, 1 } } },
        .out = { 3, 6, false, 0, { { 1, 1, 1, 1, 1, 0 }, { 0, P, -P, Q, -Q, 0 }, { 0, 0.5, 0.5, 2, 2, 1 } } },
    },
};

/* With stride 1. Windows of one element are products as they are. points = 0: there is no such form. */
static struct winograd plain_form(int64_t tile, int64_t kernel)
{
    struct winograd w = { .tile = (int)tile, .kernel = (int)kernel };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].tile == tile && forms[i].kernel == kernel)
            w = forms[i];
    if (w.points == six_points.rows)
        w.in = six_points;
    if (kernel == 1) {
        w.points = w.tile;
        w.weight = (struct winograd_matrix){ .rows = w.tile, .columns = 1, .down = true };
        w.in = w.out = (struct winograd_matrix){ .rows = w.tile, .columns = w.tile };
        w.in.down = true;
        for (int i = 0; i < w.tile; i++)
            w.in.at[i][i] = w.out.at[i][i] = w.weight.at[i][0] = 1;
        return w;
    }
    for (int i = 1; i + 1 < w.points - 1; i += 2)
        w.in.pairs |= 1u << i;
    w.weight.pairs = w.out.pairs = w.in.pairs;
    return w;
}

/* m's element (i, k) becomes to's (row + i * rows_apart, column + k * columns_apart). */
static void put(struct winograd_matrix *to, const struct winograd_matrix *m, int row, int rows_apart, int column,
                int columns_apart)
{
    to->pairs |= m->pairs << (m->down ? row : column);
    for (int i = 0; i < m->rows; i++)
        for (int k = 0; k < m->columns; k++)
            to->at[row + i * rows_apart][column + k * columns_apart] = m->at[i][k];
}

/* Elements 0, 2, ... of the window are `even`'s, the others `odd`'s. */
static void join(const struct winograd *even, const struct winograd *odd, struct winograd *w)
{
    *w = (struct winograd){ .kernel = even->kernel + odd->kernel, .points = even->points + odd->points };
    w->weight = (struct winograd_matrix){ .rows = w->points, .columns = w->kernel, .down = true };
    put(&w->weight, &even->weight, 0, 1, 0, 2);
    put(&w->weight, &odd->weight, even->points, 1, 1, 2);
}

static void stride_form(const struct winograd *even, const struct winograd *odd, struct winograd *w)
{
    join(even, odd, w);
    w->tile = even->tile;
    w->stride = 2;
    w->up = 1;
    w->step = 2 * w->tile;
    w->in = (struct winograd_matrix){ .rows = w->points, .columns = w->points, .down = true };
    put(&w->in, &even->in, 0, 1, 0, 2);
    put(&w->in, &odd->in, even->points, 1, 1, 2);
    w->out = (struct winograd_matrix){ .rows = w->tile, .columns = w->points };
    put(&w->out, &even->out, 0, 1, 0, 1);
    put(&w->out, &odd->out, 0, 1, even->points, 1);
}

/* With `pad` zeros in front of the image that is spread. Where they are odd in number, the first result is one of those
 * that take the odd elements of the window, from where the next result takes the even ones; else the other way round, and
 * the odd ones begin one element later. */
static void spread_form(const struct winograd *even, const struct winograd *odd, int64_t pad, struct winograd *w)
{
    int first = (int)(pad % 2), later = 1 - first, even_size = even->points, odd_size = odd->points + later;

    join(even, odd, w);
    w->tile = 2 * even->tile;
    w->stride = 1;
    w->up = 2;
    w->dilation = 1;
    w->step = even->tile;
    w->in = (struct winograd_matrix){ .rows = w->points, .down = true };
    w->in.columns = even_size > odd_size ? even_size : odd_size;
    put(&w->in, &even->in, 0, 1, 0, 1);
    put(&w->in, &odd->in, even->points, 1, later, 1);
    w->out = (struct winograd_matrix){ .rows = w->tile, .columns = w->points };
    put(&w->out, &even->out, first, 2, 0, 1);
    put(&w->out, &odd->out, later, 2, even->points, 1);
}

/* Both halves of a window that is taken apart. */
static bool halves(int64_t tile, int64_t kernel, struct winograd *even, struct winograd *odd)
{
    if (tile < 1 || kernel < 2 || 2 * tile + kernel - 2 > MAX_POINTS)
        return false;
    *even = plain_form(tile, (kernel + 1) / 2);
    *odd = plain_form(tile, kernel / 2);
    return even->points && odd->points;
}

bool winograd_form(int64_t tile, int64_t kernel, int64_t stride, struct winograd *w)
{
    struct winograd even, odd;

    if (stride == 2) {
        if (!halves(tile, kernel, &even, &odd))
            return false;
        stride_form(&even, &odd, w);
    } else {
        if (stride != 1 || tile < 1 || tile > MAX_POINTS || kernel < 1 || kernel > MAX_POINTS)
            return false;
        *w = plain_form(tile, kernel);
        w->stride = w->up = 1;
        w->step = w->tile;
    }
    w->dilation = 1;
    return w->points > 0;
}

/* As winograd_form, of an image that is spread by 2, with so many zeros in front. */
static bool form_of_spread(int64_t tile, int64_t kernel, int64_t pad, struct winograd *w)
{
    struct winograd even, odd;

    if (tile % 2 || !halves(tile / 2, kernel, &even, &odd))
        return false;
    spread_form(&even, &odd, pad, w);
    return true;
}

/* Element `axis` of a list, one for each axis (`each` elements); -1 where the list has another length. */
static int64_t along(const struct node *n, const char *name, int each, int axis)
{
    int count;
    const int64_t *list = attr_ints(n, name, &count);

    return count == 2 * each ? list[axis * each] : -1;
}

/* Of the product's operation, whose points tell how large the window was. */
static bool form_of_product(const struct node *n, int axis, int64_t points, struct winograd *w)
{
    int64_t pad = along(n, "pad", 2, axis), tile = along(n, "tile", 1, axis), stride = along(n, "stride", 1, axis),
            up = along(n, "up", 1, axis);

    if (up == 2 && stride == 1)
        return pad >= 0 && form_of_spread(tile, points - tile + 2, pad, w);
    return up == 1 && winograd_form(tile, points - stride * tile + stride, stride, w);
}

static bool form_along(const struct node *n, const struct type *x, int axis, struct winograd *w)
{
    int64_t tile = along(n, "tile", 1, axis), stride = along(n, "stride", 1, axis);

    switch (n->op) {
    case OP_winograd: return form_of_product(n, axis, x[1].dim[axis].k, w);
    case OP_winograd_weight: return winograd_form(tile, x[0].dim[axis].k, stride, w);
    default: return winograd_form(tile, along(n, "kernel", 1, axis), stride, w);
    }
}

bool winograd_of(const struct node *n, const struct type *x, struct winograd *w)
{
    for (int i = 0; i < 2; i++) {
        if (!form_along(n, x, i, &w[i]))
            return false;
        if (n->op != OP_winograd && n->op != OP_winograd_dw)
            continue;
        int64_t dilation = along(n, "dilation", 1, i);
        if (dilation < 1 || dilation > INT32_MAX || (dilation > 1 && w[i].stride * w[i].up > 1))
            return false;
        w[i].dilation = (int)dilation;
        w[i].before = (int)(along(n, "pad", 2, i) / w[i].up);
    }
    return true;
}

int64_t winograd_tiles(const struct winograd *w, int64_t size)
{
    int64_t place = (int64_t)w->tile * w->dilation;

    return (size + place - 1) / place * w->dilation;
}

int64_t winograd_begin(const struct winograd *w, int64_t i, int step)
{
    return i / w->dilation * step * w->dilation + i % w->dilation;
}

struct winograd_matrix winograd_transposed(const struct winograd_matrix *m)
{
    struct winograd_matrix t = { .rows = m->columns, .columns = m->rows, .down = !m->down, .pairs = m->pairs };

    for (int i = 0; i < m->rows; i++) {
        for (int k = 0; k < m->columns; k++)
            t.at[k][i] = m->at[i][k];
    }
    return t;
}

int64_t winograd_part(int64_t samples, int64_t parts)
{
    return (samples + parts - 1) / parts;
}
