/* codegen/depthwise.c: convolutions with their channels last (ir/layout.h) where every channel has a window of its own.
 *
 *     y[n, h, w + r, c]     += x[n, h stride + u - pad, (w + r) stride + v - pad, c] * weight[u, v, 0, c]
 *     dw[u, v + r, 0, c]    += x[n, h stride + u - pad, w stride + (v + r) - pad, c] * dy[n, h, w, c]
 *
 * There is little to reckon for what is read, so nothing is read twice that need not be: x has no border of zeros stored
 * around it. Rows of a window that lie outside are left out; along the last axis pixels at the image's ends ask for each
 * element, and those between need not. Each element adds up in one order, whatever the tile. */
#include "codegen/lower.h"

struct depthwise {
    struct window w;
    struct value *x, *other; /* other: the weights, or the gradient of the result */
    struct lx **at;          /* of the result */
    struct lx *k[3];         /* element of the window */
    struct lx *image[MAX_RANK];
    struct lx *first; /* pixel of the tile at work */
};

static struct depthwise read_depthwise(struct lower *l, struct type weight, struct lx **at)
{
    struct node *n = l->anchor;

    return (struct depthwise){ .w = read_window(n, weight), .x = operand(n, 0), .other = operand(n, 1), .at = at };
}

/* x at element k of the window of pixel `at`, whose rows lie inside. */
static struct lx *seen(struct lower *l, const struct depthwise *d, struct lx *const *at, struct lx *const *k)
{
    struct lx *from[MAX_RANK], *spatial[3];
    int rank = d->x->type.rank, last = d->w.n - 1;

    for (int i = 0; i <= last; i++)
        spatial[i] = slid(l, &d->w, i, at[1 + i], k[i]);
    spatial_at(&d->w, rank, at, spatial, from);
    return padded_along(l, &d->w, d->x->type, last, spatial[last], body_at(l, d->x, from));
}

/* Pixels first..end of a row see elements of the image alone. */
struct middle {
    int64_t first, end;
};

static int64_t at_most(int64_t x, int64_t most)
{
    return x < most ? x : most;
}

static struct middle middle_of(const struct depthwise *d, int64_t pixels)
{
    const struct window *w = &d->w;
    int i = w->n - 1;
    int64_t size = d->x->type.dim[w->axis + i].k, reach = (w->kernel[i] - 1) * w->dilation[i];
    int64_t room = size - 1 + w->pad[2 * i] - reach;
    int64_t first = at_most((w->pad[2 * i] + w->stride[i] - 1) / w->stride[i], pixels);
    int64_t end = room < 0 ? 0 : at_most(room / w->stride[i] + 1, pixels);

    return (struct middle){ first, end < first ? first : end };
}

/* ---- forward ---- */

enum { MOST_UNROLLED = 64 };

/* Pixels beside each other see the same elements: with the window's last axis unrolled each is loaded once for all. */
static struct lblock *open_last(struct lower *l, struct lblock *b, struct depthwise *d, int rows)
{
    int last = d->w.n - 1;
    struct ls *loop = ls_loop(l->k, b, "v", lx_int(l->k, 0), lx_int(l->k, d->w.kernel[last]), 1, LICENCE_RED);

    if (l->level && d->w.kernel[last] * rows <= MOST_UNROLLED)
        loop->way = WAY_UNROLL;
    d->k[last] = lx_var(l->k, loop->var);
    return &loop->body;
}

static void place_pixel(struct lower *l, struct lx *r, void *context)
{
    struct depthwise *d = context;

    d->at[d->w.n] = index_op(l, LX_IADD, d->first, r);
}

static struct lx *weight_at(struct lower *l, const struct depthwise *d)
{
    struct lx *at[MAX_RANK];
    int n = d->w.n;

    for (int i = 0; i < n; i++)
        at[i] = d->k[i];
    at[n] = lx_int(l->k, 0);
    at[n + 1] = d->at[n + 1];
    return body_at(l, d->other, at);
}

static void pixels_tile(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct depthwise *d = context;
    struct panel all = { NULL, 0 };
    struct lbuf *stage = open_stage(l, b, rows, &all);
    struct lx *column;
    struct lblock *in = open_panel(l, b, &all, d->at, &column), *sum = in;
    struct lbuf *acc = open_tile(l, in, rows);

    for (int i = 0; i < d->w.n - 1; i++) {
        sum = open_red(l, sum, "u", d->w.kernel[i], &d->k[i]);
        sum = inside_along(l, sum, &d->w, d->x->type, i, slid(l, &d->w, i, d->at[1 + i], d->k[i]));
    }
    sum = open_last(l, sum, d, rows);
    struct lx *right = ls_let(l->k, sum, "right", weight_at(l, d));
    struct ls *add = tile_loop(l, sum, rows);
    struct lx *r = lx_var(l->k, add->var);
    d->first = from;
    place_pixel(l, r, d);
    ls_store(l->k, &add->body, acc, &r, add_product(l, seen(l, d, d->at, d->k), right, lx_load(l->k, acc, &r)));
    finish_tile(l, &(struct tile){ all, column, b, in, acc, stage, rows, d->at, place_pixel, d });
}

/* Tiles of pixels from..to, whole ones, each down all rows: what neighbouring rows see is in the nearest cache. */
static void some_tiles(struct lower *l, struct lblock *b, int64_t from, int64_t to, int tile, struct depthwise *d)
{
    struct type t = l->anchor->result[0]->type;
    struct lx *first = lx_int(l->k, from);

    if (to - from > tile) {
        struct ls *loop = ls_loop(l->k, b, "i", first, lx_int(l->k, to), tile, LICENCE_PAR);
        first = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    if (to > from)
        pixels_tile(l, open_loops(l, b, t, 1, t.rank - 2, d->at), first, tile, d);
}

static void rows_of_pixels(struct lower *l, struct lblock *b, int64_t pixels, struct depthwise *d)
{
    int tile = l->level ? tile_rows(pixels, false) : 1;
    struct middle m = middle_of(d, pixels);
    int64_t whole = pixels / tile * tile, first = at_most((m.first + tile - 1) / tile * tile, whole);
    int64_t end = m.end / tile * tile;

    if (end < first)
        end = first;
    some_tiles(l, b, 0, first, tile, d);
    some_tiles(l, b, first, end, tile, d);
    some_tiles(l, b, end, whole, tile, d);
    some_tiles(l, b, whole, pixels, (int)(pixels - whole), d);
}

static void forward(struct lower *l)
{
    struct type t = l->anchor->result[0]->type;
    struct lx *at[MAX_RANK];
    struct depthwise d = read_depthwise(l, operand(l->anchor, 1)->type, at);
    struct lblock *b = open_samples(l, &l->k->body, t, at);

    rows_of_pixels(l, b, t.dim[t.rank - 2].k, &d);
    count_macs(l, t, (double)type_count(d.other->type, 1) / (double)t.dim[t.rank - 1].k);
}

/* ---- the gradient of the weights ---- */

struct sums {
    struct depthwise d;
    struct lbuf *dw;
    struct panel panel;
    int64_t pixels;
};

/* Element of the result for row r of a tile. */
static void place_element(struct lower *l, struct sums *s, struct lx *from, struct lx *r)
{
    int n = s->d.w.n;

    for (int i = 0; i < n - 1; i++)
        s->d.at[i] = s->d.k[i];
    s->d.at[n - 1] = s->d.k[n - 1] = index_op(l, LX_IADD, from, r);
    s->d.at[n] = lx_int(l->k, 0);
}

/* Pixels from..to of a row; no loop where there is none. */
static void add_pixels(struct lower *l, struct lblock *b, struct sums *s, struct lx *from, struct lbuf *acc,
                       struct middle part)
{
    struct depthwise *d = &s->d;
    int n = d->w.n, rows = (int)acc->shape[0].k;

    if (part.first == part.end)
        return;
    struct ls *pixels = ls_loop(l->k, b, "p", lx_int(l->k, part.first), lx_int(l->k, part.end), 1, LICENCE_RED);
    d->image[n] = lx_var(l->k, pixels->var);
    d->image[n + 1] = d->at[n + 1];
    struct lx *right = ls_let(l->k, &pixels->body, "right", body_at(l, d->other, d->image));
    struct ls *add = tile_loop(l, &pixels->body, rows);
    struct lx *r = lx_var(l->k, add->var);
    place_element(l, s, from, r);
    ls_store(l->k, &add->body, acc, &r, add_product(l, seen(l, d, d->image, d->k), right, lx_load(l->k, acc, &r)));
}

/* Elements from..from + rows of a row of the window, over a row of pixels, added to what the result holds so far: a chain of all
 * pixels would lose digits. */
static void elements_tile(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct sums *s = context;
    struct middle m = middle_of(&s->d, s->pixels);
    struct lx *column;
    struct lblock *in = open_panel(l, b, &s->panel, s->d.at, &column);
    struct lbuf *acc = open_tile(l, in, rows);

    add_pixels(l, in, s, from, acc, (struct middle){ 0, m.first });
    add_pixels(l, in, s, from, acc, m);
    add_pixels(l, in, s, from, acc, (struct middle){ m.end, s->pixels });
    struct ls *out = tile_loop(l, in, rows);
    struct lx *r = lx_var(l->k, out->var);
    place_element(l, s, from, r);
    ls_store(l->k, &out->body, s->dw, s->d.at,
             element(l, OP_add, DT_REAL, lx_load(l->k, s->dw, s->d.at), lx_load(l->k, acc, &r)));
}

static void clear(struct lower *l, struct lblock *b, struct sums *s)
{
    struct type t = l->anchor->result[0]->type;
    struct lx *column;

    b = open_loops(l, b, t, 0, t.rank - 1, s->d.at);
    b = open_panel(l, b, &s->panel, s->d.at, &column);
    ls_store(l->k, b, s->dw, s->d.at, lx_real(l->k, 0));
}

/* Some channels, over all rows of pixels: while one is in the cache, for the whole window. */
static void channels_of_weight(struct lower *l, struct lblock *b, struct sums *s, const struct range *samples)
{
    struct depthwise *d = &s->d;
    struct type dy = d->other->type;
    int n = d->w.n;

    for (int i = 0; i < n; i++) {
        struct range all = i ? (struct range){ lx_int(l->k, 0), lx_dim(l->k, dy.dim[i]) } : *samples;
        struct ls *loop = ls_loop(l->k, b, i ? "h" : "i", all.begin, all.end, 1, LICENCE_SEQ);
        d->image[i] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    for (int i = 0; i < n - 1; i++) {
        struct ls *loop = ls_loop(l->k, b, "u", lx_int(l->k, 0), lx_int(l->k, d->w.kernel[i]), 1, LICENCE_PAR);
        d->k[i] = lx_var(l->k, loop->var);
        b = inside_along(l, &loop->body, &d->w, d->x->type, i, slid(l, &d->w, i, d->image[1 + i], d->k[i]));
    }
    int64_t elements = d->w.kernel[n - 1];
    in_tiles(l, b, elements, l->level ? tile_rows(elements, false) : 1, elements_tile, s);
}

/* Panels of channels, which run in threads: cleared, or over some samples, or both. */
static void panels_of_weight(struct lower *l, struct lblock *b, struct sums *s, bool clears,
                             const struct range *samples)
{
    enum { MANY = 128, PANEL = 64, NARROW = 32 };
    struct type t = l->anchor->result[0]->type;
    int64_t channels = t.dim[t.rank - 1].k, panel = channels >= MANY ? PANEL : NARROW, whole = channels / panel * panel;

    for (int rest = 0; rest < 2; rest++) {
        struct lblock *in = b;
        if (rest ? channels == whole : !whole)
            continue;
        s->panel = (struct panel){ lx_int(l->k, whole), channels - whole };
        if (!rest) {
            struct ls *panels = ls_loop(l->k, b, "c", lx_int(l->k, 0), s->panel.first, (int)panel, LICENCE_PAR);
            s->panel = (struct panel){ lx_var(l->k, panels->var), panel };
            in = &panels->body;
        }
        if (clears)
            clear(l, in, s);
        if (samples)
            channels_of_weight(l, in, s, samples);
    }
}

static void gradient_of_weight(struct lower *l)
{
    struct type t = l->anchor->result[0]->type, dy = operand(l->anchor, 1)->type;
    struct lx *at[MAX_RANK];
    struct sums s = { .d = read_depthwise(l, t, at), .dw = result_buffer(l, l->anchor->result[0]) };
    struct range samples = { lx_int(l->k, 0), lx_dim(l->k, dy.dim[0]) };
    int64_t images = images_that_fit(l);
    struct lblock *b = &l->k->body;

    if (!s.dw)
        bug("the gradient of weights is no result of its group");
    s.pixels = dy.dim[dy.rank - 2].k;
    panels_of_weight(l, b, &s, true, images ? NULL : &samples);
    if (images) /* all panels read them */
        panels_of_weight(l, open_images(l, b, images, &samples, LICENCE_SEQ), &s, false, &samples);
    count_macs(l, dy, (double)type_count(t, 1) / (double)dy.dim[dy.rank - 1].k);
}

void lower_depthwise(struct lower *l)
{
    if (l->anchor->op == OP_conv)
        forward(l);
    else
        gradient_of_weight(l);
}
