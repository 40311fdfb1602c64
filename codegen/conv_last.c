/* codegen/conv_last.c: convolutions with their channels last (ir/layout.h). Lanes run along the channels of the result;
 * a register tile holds some neighbouring pixels of a row. What a pixel has in common for all channels of the result is
 * one number that all lanes share, a weight one vector that all pixels share.
 *
 *     y[n, h, w + r, o]     += x[n, h stride + u, (w + r) stride + v, c] * weight[u, v, c, o]
 *     dx[n, h, w + r, c]    += dy[n, (h + pad - u) / stride, ...,   o] * weight[u, v, o, c]
 *     dw[u, v, c + r, o]    += x[n, h stride + u, w stride + v, c + r] * dy[n, h, w, o]
 *
 * Each element adds up in one order, whatever the tile. A pool behind takes the tile's pixels from the registers. Where every
 * channel has a window of its own (depthwise), that channel goes along with the lanes: here the gradient of the image at
 * strides, the rest in depthwise.c. Where the result's channels are few, lanes run along the channels that are summed: 16
 * sums an element, folded at the end. Large weights lie in panels, and the loop over these goes around pixels. */
#include "codegen/lower.h"
#include "ir/layout.h"

struct conv {
    struct window w;
    struct value *x, *weight; /* operands 0 and 1 */
    bool depthwise;
    struct lx **at;      /* of the result */
    struct lx *first;    /* pixel of the tile at work */
    struct class *class; /* the pixels that are at work; NULL: all, of the forward convolution */
    struct panel panel;  /* the channels of the result that are at work */
};

static struct conv read_conv(struct lower *l, struct type weight, struct lx **at)
{
    struct node *n = l->anchor;
    struct conv c = { .w = read_window(n, weight), .x = operand(n, 0), .weight = operand(n, 1), .at = at };

    c.depthwise = c.w.groups > 1;
    return c;
}

/* Weight element [k..., in, out]; where every channel has its own there is one `out`. */
static struct lx *weight_last(struct lower *l, const struct conv *c, struct lx *const *k, struct lx *in, struct lx *out)
{
    struct lx *at[MAX_RANK];
    int n = c->w.n;

    for (int i = 0; i < n; i++)
        at[i] = k[i];
    at[n] = in;
    at[n + 1] = c->depthwise ? lx_int(l->k, 0) : out;
    return body_at(l, c->weight, at);
}

/* Whether images are at hand and smaller than a panel of weights. */
static bool panels_come_first(const struct lower *l, const struct conv *c)
{
    struct type x = c->x->type, weight = c->weight->type;
    int64_t image = type_count(x, l->k->batch) / dim_size(x.dim[0], l->k->batch);

    return !images_that_fit(l) && image < type_count(weight, 1) / weight.dim[weight.rank - 1].k * CONV_PANEL;
}

static struct lblock *open_panels(struct lower *l, struct lblock *b, struct conv *c)
{
    int64_t count = l->anchor->result[0]->type.dim[c->w.n + 1].k / CONV_PANEL;
    struct ls *panels = ls_loop(l->k, b, "panel", lx_int(l->k, 0), lx_int(l->k, count), 1, LICENCE_PAR);
    struct lx *first = index_op(l, LX_IMUL, lx_var(l->k, panels->var), lx_int(l->k, CONV_PANEL));

    c->panel = (struct panel){ first, CONV_PANEL };
    return &panels->body;
}

/* Loops over the samples of t, the result's type or a pool's. Large weights are gone through some channels of the result after
 * the others: a panel of them stays in the second cache while an image's pixels go by, or, of small images, those of all. */
static struct lblock *open_samples_and_panels(struct lower *l, struct type t, struct lx **at, struct conv *c)
{
    struct lblock *b = &l->k->body;

    if (!l->level || !conv_goes_in_panels(l->anchor))
        return open_samples(l, b, t, at);
    if (panels_come_first(l, c))
        return open_samples(l, open_panels(l, b, c), t, at);
    return open_panels(l, open_samples(l, b, t, at), c);
}

/* ---- what a pixel sees: forward ---- */

static struct lx *pixel(struct lower *l, const struct conv *c, struct lx *const *at, struct lx *const *k,
                        struct lx *channel)
{
    struct lx *from[MAX_RANK], *spatial[3];
    int rank = c->x->type.rank;

    for (int i = 0; i < c->w.n; i++)
        spatial[i] = slid(l, &c->w, i, at[1 + i], k[i]);
    spatial_at(&c->w, rank, at, spatial, from);
    from[rank - 1] = channel;
    return padded(l, &c->w, c->x->type, spatial, body_at(l, c->x, from));
}

/* ---- what a pixel sees: the gradient of the image ---- */

/* Pixels of one class, phase[i] behind a multiple of the stride, see the same elements of the window: those from
 * first[i] on, `step` apart, `count` of them. */
struct class
{
    struct conv *c;
    int64_t phase[3], first[3], count[3], step[3];
    struct lx *pixel[3]; /* which of the class, along each axis */
};

static int64_t common(int64_t a, int64_t b)
{
    return b ? common(b, a % b) : a;
}

static int64_t below(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* False where no element of the window reaches this class. */
static bool reaches(struct class *s, int i)
{
    const struct window *w = &s->c->w;
    int64_t stride = w->stride[i], at = s->phase[i] + w->pad[2 * i];

    s->step[i] = stride / common(stride, w->dilation[i]);
    s->count[i] = 0;
    for (int64_t k = w->kernel[i] - 1; k >= 0; k--) {
        if ((at - k * w->dilation[i]) % stride)
            continue;
        s->first[i] = k;
        s->count[i]++;
    }
    return s->count[i] > 0;
}

/* dy's spatial coordinates for elements e of the window that this class sees; guarded where they may lie outside. */
static struct lx *class_term(struct lower *l, struct class *s, struct lx *const *e, struct lx *channel)
{
    const struct window *w = &s->c->w;
    struct type dy = s->c->x->type;
    struct lx *spatial[3], *from[MAX_RANK];

    for (int i = 0; i < w->n; i++) {
        int64_t shift = below(s->phase[i] + w->pad[2 * i] - s->first[i] * w->dilation[i], w->stride[i]);
        struct lx *back = index_op(l, LX_IMUL, e[i], lx_int(l->k, s->step[i] * w->dilation[i] / w->stride[i]));
        spatial[i] = index_op(l, LX_ISUB, index_op(l, LX_IADD, s->pixel[i], lx_int(l->k, shift)), back);
    }
    spatial_at(w, dy.rank, s->c->at, spatial, from);
    from[dy.rank - 1] = channel;
    struct lx *v = body_at(l, s->c->x, from), *zero = lx_real(l->k, 0);
    for (int i = w->n - 1; i >= 0; i--) {
        v = lx_guard(l->k, index_op(l, LX_ILT, spatial[i], lx_dim(l->k, dy.dim[1 + i])), v, zero);
        v = lx_guard(l->k, index_op(l, LX_ILE, lx_int(l->k, 0), spatial[i]), v, zero);
    }
    return v;
}

static void place_pixels(struct lower *l, struct class *s)
{
    for (int i = 0; i < s->c->w.n; i++)
        s->c->at[1 + i] = index_op(l, LX_IADD, index_op(l, LX_IMUL, s->pixel[i], lx_int(l->k, s->c->w.stride[i])),
                                   lx_int(l->k, s->phase[i]));
}

static struct lblock *open_class(struct lower *l, struct lblock *b, struct class *s, struct lx **e, struct lx **k)
{
    static const char *const names[] = { "u", "v", "w" };

    for (int i = 0; i < s->c->w.n; i++) {
        b = open_red(l, b, names[i], s->count[i], &e[i]);
        k[i] = index_op(l, LX_IADD, index_op(l, LX_IMUL, e[i], lx_int(l->k, s->step[i])), lx_int(l->k, s->first[i]));
    }
    return b;
}

/* ---- tiles of pixels ---- */

static struct lblock *open_elements(struct lower *l, struct lblock *b, const struct conv *c, struct lx **e,
                                    struct lx **k)
{
    return c->class ? open_class(l, b, c->class, e, k) : open_window(l, b, &c->w, k);
}

/* What goes along with the weights at k; e: which of the elements that a class sees. */
static struct lx *seen(struct lower *l, const struct conv *c, struct lx *const *e, struct lx *const *k,
                       struct lx *channel)
{
    return c->class ? class_term(l, c->class, e, channel) : pixel(l, c, c->at, k, channel);
}

/* The r-th pixel of the tile that begins at `first`. */
static void place(struct lower *l, struct lx *r, void *context)
{
    struct conv *c = context;
    struct lx *at = index_op(l, LX_IADD, c->first, r);

    if (!c->class) {
        c->at[c->w.n] = at;
        return;
    }
    c->class->pixel[c->w.n - 1] = at;
    place_pixels(l, c->class);
}

/* The terms of one element of the window, e and k, added up in acc; the tile's pixels go along with c->first on. */
static void sum_terms(struct lower *l, struct lblock *b, struct conv *c, int rows, struct lbuf *acc,
                      struct lx *const *e, struct lx *const *k)
{
    struct type t = l->anchor->result[0]->type;
    struct lx *channel = c->at[t.rank - 1];

    if (!c->depthwise)
        b = open_red(l, b, "c", c->x->type.dim[t.rank - 1].k, &channel);
    struct lx *right = ls_let(l->k, b, "right", weight_last(l, c, k, channel, c->at[t.rank - 1]));
    struct ls *add = tile_loop(l, b, rows);
    struct lx *r = lx_var(l->k, add->var);
    place(l, r, c);
    struct lx *left = seen(l, c, e, k, channel);
    ls_store(l->k, &add->body, acc, &r, add_product(l, left, right, lx_load(l->k, acc, &r)));
}

static void sum_tile(struct lower *l, struct lblock *b, struct conv *c, int rows, struct lbuf *acc)
{
    struct lx *e[3], *k[3];

    sum_terms(l, open_elements(l, b, c, e, k), c, rows, acc, e, k);
}

/* A long chain of additions loses digits: of large weights each element of the window has one of its own, and they are added up
 * on a stage. Not of few rows: gcc would hold these sums in registers too, and spill what is multiplied. All tiles of a row of
 * pixels are alike where they have many. */
enum { FEW_ROWS = 8 };

static void tile(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct conv *c = context;
    struct lx *e[3], *k[3];
    bool pieces = c->panel.columns > 0 && rows > FEW_ROWS;
    struct tile t = { .panel = c->panel,
                      .outside = b,
                      .stage = (pieces ? open_total : open_stage)(l, b, rows, &c->panel),
                      .rows = rows,
                      .at = c->at,
                      .place = place,
                      .context = c };

    t.in = open_panel(l, pieces ? open_elements(l, b, c, e, k) : b, &c->panel, c->at, &t.column);
    t.acc = open_tile(l, t.in, rows);
    c->first = from;
    if (!pieces) {
        sum_tile(l, t.in, c, rows, t.acc);
        finish_tile(l, &t);
        return;
    }
    sum_terms(l, t.in, c, rows, t.acc, e, k);
    add_to_stage(l, &t);
    finish_stage(l, &t);
}

/* Nothing reaches these pixels. */
static void empty(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct conv *c = context;
    struct ls *out = tile_loop(l, b, rows);
    struct lx *column;

    c->first = from;
    place(l, lx_var(l->k, out->var), c);
    struct lblock *in = open_panel(l, &out->body, &c->panel, c->at, &column);
    l->result = lx_real(l->k, 0);
    finish(l, in, c->at);
}

/* ---- few channels ---- */

enum { LANES = 16, SUMS = 14 }; /* sums in registers */

/* Whether lanes run along the channels that are summed: those of the result are few, and the weights lie that way. */
static bool sums_in_lanes(const struct lower *l, const struct conv *c)
{
    const struct value *y = l->anchor->result[0];
    const struct node *w = c->weight->def;
    int last = y->type.rank - 1;

    return l->level && !c->depthwise && y->type.dim[last].k <= FEW_CHANNELS && c->x->type.dim[last].k % LANES == 0 &&
           w && w->op == OP_transpose && attr_ints(w, "perm", NULL)[last] == last - 1;
}

static struct ls *lanes(struct lower *l, struct lblock *b)
{
    return ls_loop(l->k, b, "lane", lx_int(l->k, 0), lx_int(l->k, LANES), 1, LICENCE_PAR);
}

/* Every 16th channel of what a tile's pixels see, and so for each lane: 16 sums an element of the result. */
static void sum_lanes(struct lower *l, struct lblock *b, struct conv *c, int rows, struct lbuf *sums)
{
    struct type t = l->anchor->result[0]->type;
    int last = t.rank - 1, channels = (int)t.dim[last].k;
    struct lx *e[3], *k[3], *right[FEW_CHANNELS];
    struct ls *loop = lanes(l, b);
    struct lx *lane = lx_var(l->k, loop->var);
    struct lbuf *acc = open_tile(l, &loop->body, rows * channels);
    struct lblock *in = open_elements(l, &loop->body, c, e, k);
    struct ls *block = ls_loop(l->k, in, "c", lx_int(l->k, 0), lx_dim(l->k, c->x->type.dim[last]), LANES, LICENCE_RED);
    struct lx *channel = index_op(l, LX_IADD, lx_var(l->k, block->var), lane);

    for (int o = 0; o < channels; o++)
        right[o] = ls_let(l->k, &block->body, "right", weight_last(l, c, k, channel, lx_int(l->k, o)));
    struct ls *add = tile_loop(l, &block->body, rows);
    place(l, lx_var(l->k, add->var), c);
    struct lx *left = ls_let(l->k, &add->body, "left", seen(l, c, e, k, channel));
    for (int o = 0; o < channels; o++) {
        struct lx *at =
            index_op(l, LX_IADD, index_op(l, LX_IMUL, lx_var(l->k, add->var), lx_int(l->k, channels)), lx_int(l->k, o));
        ls_store(l->k, &add->body, acc, &at, add_product(l, left, right[o], lx_load(l->k, acc, &at)));
    }
    struct ls *out = tile_loop(l, &loop->body, rows * channels);
    struct lx *q = lx_var(l->k, out->var), *to[2] = { q, lane };
    ls_store(l->k, &out->body, sums, to, lx_load(l->k, acc, &q));
}

static void tile_of_few(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct conv *c = context;
    struct type t = l->anchor->result[0]->type;
    int last = t.rank - 1;
    struct dim shape[2] = { dim_of(rows * t.dim[last].k), dim_of(LANES) };
    struct lbuf *sums = lbuf_local(l->k, b, "sums", SPACE_ARRAY, DT_REAL, 2, shape);

    c->first = from;
    sum_lanes(l, b, c, rows, sums);
    struct ls *out = tile_loop(l, b, rows);
    struct lx *r = lx_var(l->k, out->var);
    struct lblock *in = open_loops(l, &out->body, t, last, t.rank, c->at);
    place(l, r, c);
    struct lbuf *one = lbuf_local(l->k, in, "one", SPACE_ARRAY, DT_REAL, 1, &shape[1]);
    struct ls *copy = lanes(l, in);
    struct lx *lane = lx_var(l->k, copy->var);
    struct lx *which = index_op(l, LX_IADD, index_op(l, LX_IMUL, r, lx_dim(l->k, t.dim[last])), c->at[last]);
    ls_store(l->k, &copy->body, one, &lane, lx_load(l->k, sums, (struct lx *[]){ which, lane }));
    l->result = ls_let(l->k, in, "total", lx_fold(l->k, OP_add, one));
    finish(l, in, c->at);
}

/* A row of the result, or of one class's pixels. */
static void row_of_pixels(struct lower *l, struct lblock *b, struct conv *c, int64_t pixels)
{
    if (sums_in_lanes(l, c))
        in_tiles(l, b, pixels, SUMS / (int)l->anchor->result[0]->type.dim[l->anchor->result[0]->type.rank - 1].k,
                 tile_of_few, c);
    else
        in_tiles(l, b, pixels, l->level ? tile_rows(pixels, !c->depthwise) : 1, tile, c);
}

/* ---- behind it, a pool ---- */

struct pooled {
    struct conv c;
    struct window pool;
    struct lx *at[MAX_RANK]; /* of the pool */
};

/* for r in windows, v in one: most[r] = max(most[r], acc[r * kernel + v]) */
static void take_pixels(struct lower *l, struct lblock *b, struct pooled *p, int windows, struct lbuf *acc,
                        struct lbuf *most)
{
    int64_t kernel = p->pool.kernel[p->c.w.n - 1];
    struct ls *loop = tile_loop(l, b, windows);
    struct lx *r = lx_var(l->k, loop->var), *first = index_op(l, LX_IMUL, r, lx_int(l->k, kernel)), *v;
    struct ls *within = ls_loop(l->k, &loop->body, "v", lx_int(l->k, 0), lx_int(l->k, kernel), 1, LICENCE_PAR);

    v = index_op(l, LX_IADD, first, lx_var(l->k, within->var));
    place(l, v, &p->c);
    l->result = lx_load(l->k, acc, &v);
    ls_store(l->k, &within->body, most, &r, pool_more(l, lx_load(l->k, most, &r), p->c.at));
}

/* A tile of windows, by so many pixels of the rows that they reach over, one row after the other. */
static void pooled_tile(struct lower *l, struct lblock *b, struct lx *from, int windows, void *context)
{
    static const char *const names[] = { "u", "v", "w" };
    struct pooled *p = context;
    struct type t = l->anchor->result[0]->type;
    int n = p->c.w.n;
    struct lx *column;
    struct lblock *in = open_panel(l, b, &p->c.panel, p->c.at, &column), *row = in;
    struct lbuf *most = open_filled(l, in, "most", windows, pool_start(l));

    p->at[t.rank - 1] = p->c.at[t.rank - 1];
    for (int i = 0; i < n - 1; i++) {
        struct lx *u, *first = index_op(l, LX_IMUL, p->at[1 + i], lx_int(l->k, p->pool.kernel[i]));
        row = open_red(l, row, names[i], p->pool.kernel[i], &u);
        p->c.at[1 + i] = index_op(l, LX_IADD, first, u);
    }
    int pixels = windows * (int)p->pool.kernel[n - 1];
    struct lbuf *acc = open_tile(l, row, pixels);
    p->c.first = index_op(l, LX_IMUL, from, lx_int(l->k, p->pool.kernel[n - 1]));
    sum_tile(l, row, &p->c, pixels, acc);
    take_pixels(l, row, p, windows, acc, most);
    struct ls *out = tile_loop(l, in, windows);
    struct lx *r = lx_var(l->k, out->var);
    p->at[n] = index_op(l, LX_IADD, from, r);
    pool_finish(l, &out->body, lx_load(l->k, most, &r), p->at);
}

static void forward_pooled(struct lower *l)
{
    struct type t = l->nest.anchor->result[0]->type;
    struct lx *at[MAX_RANK];
    struct pooled p = { .c = read_conv(l, operand(l->anchor, 1)->type, at), .pool = pool_window(l) };
    int last = t.rank - 2;
    struct lblock *b = open_samples_and_panels(l, t, p.at, &p.c);

    b = open_loops(l, b, t, 1, last, p.at);
    at[0] = p.at[0];
    in_tiles(l, b, t.dim[last].k, tile_groups(t.dim[last].k, p.pool.kernel[last - 1]), pooled_tile, &p);
}

static void forward(struct lower *l)
{
    struct type t = l->anchor->result[0]->type;
    struct lx *at[MAX_RANK];
    struct conv c = read_conv(l, operand(l->anchor, 1)->type, at);

    if (is_pooled(l)) {
        forward_pooled(l);
    } else {
        struct lblock *b = open_samples_and_panels(l, t, at, &c);
        b = open_loops(l, b, t, 1, t.rank - 2, at);
        row_of_pixels(l, b, &c, t.dim[t.rank - 2].k);
    }
    count_macs(l, t, (double)type_count(c.weight->type, 1) / (double)t.dim[t.rank - 1].k);
}

/* Pixels of class s along axis i. */
static int64_t pixels_of(const struct lower *l, const struct class *s, int i)
{
    int64_t stride = s->c->w.stride[i];

    return (l->anchor->result[0]->type.dim[1 + i].k - s->phase[i] + stride - 1) / stride;
}

/* A row of one class's pixels, where there is one. */
static void one_class(struct lower *l, struct lblock *b, struct class *s)
{
    int last = s->c->w.n - 1;
    int64_t pixels = pixels_of(l, s, last);
    bool reached = true;

    for (int i = 0; i <= last; i++) {
        reached &= reaches(s, i);
        if (pixels_of(l, s, i) <= 0)
            return;
    }
    for (int i = 0; i < last; i++)
        b = only_where(l, b, index_op(l, LX_ILT, s->pixel[i], lx_int(l->k, pixels_of(l, s, i))));
    if (reached)
        row_of_pixels(l, b, s->c, pixels);
    else
        in_tiles(l, b, pixels, l->level ? tile_rows(pixels, !s->c->depthwise) : 1, empty, s->c);
}

/* All classes of some rows at once: they lie beside each other in memory, and so does what goes along with them. */
static void gradient_of_image(struct lower *l)
{
    static const char *const names[] = { "j", "k", "m" };
    struct type t = l->anchor->result[0]->type;
    struct lx *at[MAX_RANK];
    struct conv c = read_conv(l, operand(l->anchor, 1)->type, at);
    struct class s = { .c = &c };
    struct lblock *b = open_samples_and_panels(l, t, at, &c);
    int64_t classes = 1;

    c.class = &s;
    for (int i = 0; i < c.w.n; i++)
        classes *= c.w.stride[i];
    for (int i = 0; i < c.w.n - 1; i++) {
        struct lx *most = lx_int(l->k, pixels_of(l, &s, i)); /* those of phase 0 */
        struct ls *loop = ls_loop(l->k, b, names[i], lx_int(l->k, 0), most, 1, LICENCE_PAR);
        s.pixel[i] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    for (int64_t which = 0; which < classes; which++) {
        int64_t rest = which;
        for (int i = c.w.n - 1; i >= 0; i--) {
            s.phase[i] = rest % c.w.stride[i];
            rest /= c.w.stride[i];
        }
        one_class(l, b, &s);
    }
    struct type dy = c.x->type;
    count_macs(l, dy, (double)type_count(c.weight->type, 1) / (double)dy.dim[dy.rank - 1].k);
}

/* ---- the gradient of the weights ---- */

/* Sums in registers are loaded and stored once for some rows of pixels. */
enum { MANY_PIXELS = 64 };

struct rows_of_weight {
    struct conv c; /* weight: the gradient of the result */
    struct lbuf *dw;
    struct lx *k[3], *image[MAX_RANK]; /* which pixels of dy, but for the last axis */
    bool flat;                         /* few channels: rows are (element of the window along the last axis, channel) */
    struct lx *first;                  /* of the rows at work */
    struct panel panel;                /* columns at work */
    struct lx *from, *to;              /* rows of pixels at work; NULL: there is but one axis */
    struct lx *window;                 /* half of the rows of the window is at work, from here on; NULL: all are */
};

/* The result's coordinates of row `row`; also of the window, in s->k. */
static void place_weight(struct lower *l, struct rows_of_weight *s, struct lx *row, struct lx **at)
{
    int n = s->c.w.n;
    struct lx *channels = lx_dim(l->k, l->anchor->result[0]->type.dim[n]);

    row = index_op(l, LX_IADD, s->first, row);
    if (s->flat)
        s->k[n - 1] = index_op(l, LX_IDIV, row, channels);
    for (int i = 0; i < n; i++)
        at[i] = s->k[i];
    at[n] = s->flat ? index_op(l, LX_IMOD, row, channels) : row;
}

/* Loops over the pixels at work, whose coordinates go to s->image. */
static struct lblock *open_pixels(struct lower *l, struct lblock *b, struct rows_of_weight *s)
{
    struct type dy = s->c.weight->type;

    if (s->from) {
        struct ls *rows = ls_loop(l->k, b, "h", s->from, s->to, 1, LICENCE_RED);
        s->image[dy.rank - 3] = lx_var(l->k, rows->var);
        b = &rows->body;
    }
    return open_red(l, b, "p", dy.dim[dy.rank - 2].k, &s->image[dy.rank - 2]);
}

/* Sums over some rows of pixels, added to what the result holds so far: a chain of all pixels would lose digits. */
static void weight_tile(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct rows_of_weight *s = context;
    int last = l->anchor->result[0]->type.rank - 1, channel = last - 1;
    struct lx *at[MAX_RANK], *column;
    struct lblock *in = open_panel(l, b, &s->panel, at, &column);
    struct lbuf *acc = open_tile(l, in, rows);
    struct lblock *sum = open_pixels(l, in, s);

    s->image[s->c.weight->type.rank - 1] = at[last];
    struct lx *right = ls_let(l->k, sum, "right", body_at(l, s->c.weight, s->image));
    struct ls *loop = tile_loop(l, sum, rows);
    struct lx *r = lx_var(l->k, loop->var);
    place_weight(l, s, index_op(l, LX_IADD, from, r), at);
    struct lx *left = pixel(l, &s->c, s->image, s->k, at[channel]);
    ls_store(l->k, &loop->body, acc, &r, add_product(l, left, right, lx_load(l->k, acc, &r)));
    loop = tile_loop(l, in, rows);
    r = lx_var(l->k, loop->var);
    place_weight(l, s, index_op(l, LX_IADD, from, r), at);
    ls_store(l->k, &loop->body, s->dw, at,
             element(l, OP_add, DT_REAL, lx_load(l->k, s->dw, at), lx_load(l->k, acc, &r)));
}

static struct lblock *open_par(struct lower *l, struct lblock *b, const char *name, int64_t count, int64_t step,
                               struct lx **at)
{
    struct ls *loop = ls_loop(l->k, b, name, lx_int(l->k, 0), lx_int(l->k, count), (int)step, LICENCE_PAR);

    *at = lx_var(l->k, loop->var);
    return &loop->body;
}

static int64_t half_of(const struct rows_of_weight *s)
{
    return (s->c.w.kernel[0] + 1) / 2;
}

/* Loops over the rows of the window that are at work; elements of a row too where these are no rows of the tile. */
static struct lblock *open_kernel(struct lower *l, struct lblock *b, struct rows_of_weight *s)
{
    static const char *const names[] = { "u", "v", "w" };
    int n = s->c.w.n;

    for (int i = 0; i < n - s->flat; i++) {
        struct lx *begin = i || !s->window ? lx_int(l->k, 0) : s->window, *end = lx_int(l->k, s->c.w.kernel[i]);
        if (!i && s->window)
            end = index_op(l, LX_IMIN, index_op(l, LX_IADD, begin, lx_int(l->k, half_of(s))), end);
        struct ls *loop = ls_loop(l->k, b, names[i], begin, end, 1, LICENCE_PAR);
        s->k[i] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    return b;
}

static void clear(struct lower *l, struct lblock *b, struct rows_of_weight *s, int64_t rows)
{
    struct lx *at[MAX_RANK], *row, *column;

    b = open_par(l, open_kernel(l, b, s), "i", rows, 1, &row);
    b = open_panel(l, b, &s->panel, at, &column);
    place_weight(l, s, row, at);
    ls_store(l->k, b, s->dw, at, lx_real(l->k, 0));
}

/* Loops over images and, some at once, their rows of pixels: they stay in the cache for the whole window. */
static struct lblock *open_rows(struct lower *l, struct lblock *b, struct rows_of_weight *s,
                                const struct range *samples)
{
    struct type dy = s->c.weight->type;
    int leading = s->c.w.n > 1 ? dy.rank - 3 : 1;

    for (int i = 0; i < leading; i++) {
        struct range all = i ? (struct range){ lx_int(l->k, 0), lx_dim(l->k, dy.dim[i]) } : *samples;
        struct ls *loop = ls_loop(l->k, b, "i", all.begin, all.end, 1, LICENCE_SEQ);
        s->image[i] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    if (s->c.w.n == 1)
        return b;
    int64_t pixels = dy.dim[dy.rank - 2].k, some = l->level ? (MANY_PIXELS + pixels - 1) / pixels : 1;
    struct lx *end = lx_dim(l->k, dy.dim[dy.rank - 3]);
    struct ls *loop = ls_loop(l->k, b, "h_0", lx_int(l->k, 0), end, (int)some, LICENCE_SEQ);
    s->from = lx_var(l->k, loop->var);
    s->to = index_op(l, LX_IMIN, index_op(l, LX_IADD, s->from, lx_int(l->k, some)), end);
    return &loop->body;
}

/* What runs in threads: some channels, in fours where they are many, else in halves. */
static int64_t share_of(int64_t channels, int64_t least)
{
    for (int64_t shares = 4; shares > 1; shares /= 2) {
        if (channels % (shares * least) == 0)
            return channels / shares;
    }
    return channels;
}

/* Channels of the image, each share of which reads all of dy. A share of whole lines of the cache is the better one. */
static int64_t share_of_image(int64_t channels)
{
    enum { LINE = 16, TILE = 8 };
    int64_t share = share_of(channels, LINE);

    return share < channels ? share : share_of(channels, TILE);
}

/* Loops over what runs in threads, of so many rows at a time. Where the image's channels are few, that are those of dy, each
 * share of which reads the image; or the window's rows, each half of which reads both. */
static struct lblock *open_shares(struct lower *l, struct lblock *b, struct rows_of_weight *s, int64_t rows)
{
    enum { WIDE = 32 };
    struct type t = l->anchor->result[0]->type;
    int n = s->c.w.n;
    int64_t channels = t.dim[n].k, outputs = t.dim[n + 1].k;

    s->first = lx_int(l->k, 0);
    if (rows < channels)
        return open_par(l, b, "c", channels, rows, &s->first);
    if (share_of(outputs, WIDE) < outputs) {
        s->panel.columns = share_of(outputs, WIDE);
        return open_par(l, b, "o", outputs, s->panel.columns, &s->panel.first);
    }
    return n > s->flat && s->c.w.kernel[0] > 1 ? open_par(l, b, "u_0", s->c.w.kernel[0], half_of(s), &s->window) : b;
}

static void gradient_of_weight(struct lower *l)
{
    struct type t = l->anchor->result[0]->type, dy = operand(l->anchor, 1)->type;
    struct rows_of_weight s = { .c = read_conv(l, t, NULL), .dw = result_buffer(l, l->anchor->result[0]) };
    struct range samples = { lx_int(l->k, 0), lx_dim(l->k, dy.dim[0]) };
    int n = s.c.w.n;
    int64_t channels = t.dim[n].k, images = images_that_fit(l);

    if (!s.dw)
        bug("the gradient of weights is no result of its group");
    s.flat = channels < FEW_CHANNELS;
    int64_t rows = s.flat ? channels * t.dim[n - 1].k : share_of_image(channels);
    struct lblock *b = open_shares(l, &l->k->body, &s, rows);
    clear(l, b, &s, rows);
    if (images) /* all shares read them */
        b = open_shares(l, open_images(l, &l->k->body, images, &samples, LICENCE_SEQ), &s, rows);
    b = open_kernel(l, open_rows(l, b, &s, &samples), &s);
    in_tiles(l, b, rows, l->level ? tile_rows(rows, true) : 1, weight_tile, &s);
    count_macs(l, dy, (double)type_count(t, 1) / (double)dy.dim[dy.rank - 1].k);
}

void lower_conv_last(struct lower *l)
{
    bool depthwise = attr_int(l->anchor, "groups") > 1;

    switch (l->anchor->op) {
    case OP_conv_dx: gradient_of_image(l); break;
    case OP_conv: (depthwise ? lower_depthwise : forward)(l); break;
    default: (depthwise ? lower_depthwise : gradient_of_weight)(l); break;
    }
}
