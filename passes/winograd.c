/* passes/winograd.c: convolutions of 2 to 5 elements along one axis or two, with stride 1 or 2 and channels last, by
 * Winograd's method (ir/winograd.h), where that is faster.
 *
 *     %y  = conv %x, %w, pad = [1,1,1,1]        =>    %0  = winograd_weight %w, tile = [4,4]
 *                                                     %y  = winograd %x, %0, pad = [1,1,1,1], tile = [4,4]
 *
 *     %dx = conv_dx %dy, %w, pad = [1,1,1,1]    =>    the same, with %w turned round; stride 2 becomes up = 2
 *
 *     %dw = conv_dw %x, %dy, pad = [1,1,1,1]    =>    %0  = winograd_dw %x, %dy, pad = [1,1,1,1], tile = [4,4]
 *                                                     %dw = winograd_dw_weight %0      (%0 in parts = 4)
 *
 * Images of one axis are images of one row; of few channels and taken with stride 2, images of four times as many channels.
 * Results differ from those of the plain form by rounding: up to 2.6e-6 of the largest, where that has up to 2.4e-6. Not
 * with f64, which is asked for to know better. */
#include "ir/build.h"
#include "ir/layout.h"
#include "ir/winograd.h"
#include "passes/shared.h"

enum { MIN_CHANNELS = 16, SCRATCH = 540 << 10 };
/* Parts of samples, whose gradients are summed apart, in threads: four where they are small, two where they are not large. */
enum { PARTS = 4, SMALL = 1 << 18, LARGE = 1 << 20 };
/* Elements of transformed weights that no core's own cache holds. */
enum { LARGE_TRANSFORMED = 1 << 19 };

/* A convolution y = conv(x, w) that an operation is, or is a gradient of. Numbers stand for each axis. */
struct shape {
    int64_t kernel[2], stride[2], dilation[2], pad[4], size[2]; /* size: of y */
    int64_t channels, outputs;
    bool row; /* images have one axis, the last of the two */
};

/* How many results at once. */
static int64_t tile_for(int64_t kernel, int64_t stride)
{
    static const int64_t tiles[] = { 0, 1, 2, 4, 3, 2 };

    return stride == 2 ? 2 : kernel < (int64_t)(sizeof tiles / sizeof *tiles) ? tiles[kernel] : 0;
}

static struct shape shape_of(const struct node *n)
{
    struct type weight = n->op == OP_conv_dw ? n->result[0]->type : operand(n, 1)->type;
    struct type y = n->op == OP_conv ? n->result[0]->type : operand(n, n->op == OP_conv_dw)->type;
    int axes = weight.rank - 2;
    struct shape s = { .kernel = { 1, 1 },
                       .stride = { 1, 1 },
                       .dilation = { 1, 1 },
                       .size = { 1, 1 },
                       .channels = weight.dim[axes].k,
                       .outputs = weight.dim[axes + 1].k,
                       .row = axes == 1 };

    for (int i = 0, to = 2 - axes; i < axes; i++, to++) {
        s.kernel[to] = weight.dim[i].k;
        s.stride[to] = attr_ints(n, "stride", NULL)[i];
        s.dilation[to] = attr_ints(n, "dilation", NULL)[i];
        s.size[to] = y.dim[1 + i].k;
        for (int k = 0; k < 2; k++)
            s.pad[2 * to + k] = attr_ints(n, "pad", NULL)[2 * i + k];
    }
    return s;
}

/* A register tile of transformed images has to fit into scratch: 8 rows of them, or 14 where columns fill no two vectors. */
static bool fits(const struct winograd *w, int64_t channels, int64_t columns)
{
    int64_t rows = columns % 32 ? 14 : 8, at_once = columns % 32 ? 16 : 32;

    return rows * w[0].points * w[1].points * (channels + at_once) * 4 <= SCRATCH;
}

/* Multiply-adds of a pair of channels in the plain form: as many as the window has elements for each result. */
static double plain_products(const struct shape *s)
{
    return (double)(s->size[0] * s->kernel[0]) * (double)(s->size[1] * s->kernel[1]);
}

/* And in tiles: as many as there are pairs of points for each; what tiles reach over the edge is lost. */
static double tile_products(const struct shape *s, const struct winograd *w)
{
    return (double)(winograd_tiles(&w[0], s->size[0]) * w[0].points) *
           (double)(winograd_tiles(&w[1], s->size[1]) * w[1].points);
}

/* Transforms want what is saved to be much; with a stride they are sums of few elements, and the plain form copies images
 * with their borders. But little is saved there, and weights as large as that are read once more for each block of tiles. */
static bool pays(const struct shape *s, const struct winograd *w)
{
    bool strided = s->stride[0] * s->stride[1] > 1;
    double least = strided ? 1.2 : 1.5;

    if (strided && s->channels * s->outputs * w[0].points * w[1].points > LARGE_TRANSFORMED)
        return false;
    return fits(w, s->channels, s->outputs) && fits(w, s->outputs, s->channels) && s->channels >= MIN_CHANNELS &&
           s->outputs >= MIN_CHANNELS && plain_products(s) > least * tile_products(s, w);
}

/* Where n can take this form and is faster so. */
static bool takes(const struct node *n, struct shape *s, struct winograd *w)
{
    int rank = n->result[0]->type.rank;

    if (!layout_channels_last(n) || (rank != 3 && rank != 4) || attr_int(n, "groups") != 1)
        return false;
    *s = shape_of(n);
    for (int i = 0; i < 2; i++) {
        if (!winograd_form(tile_for(s->kernel[i], s->stride[i]), s->kernel[i], s->stride[i], &w[i]) ||
            (s->dilation[i] > 1 && s->stride[i] > 1))
            return false;
        w[i].dilation = (int)s->dilation[i];
    }
    return pays(s, w);
}

static struct value *made(struct build *b, enum op op, struct value *const *operands, int count,
                          const struct attr *attrs, int attr_count)
{
    struct node *n = build_node(b, op, operands, count, attrs, attr_count);

    if (!n)
        bug("%s takes no other form", op_info(op)->name);
    return n->result[0];
}

/* With an axis more, or one less, where images have one. */
static struct value *in_rows(struct build *b, const struct shape *s, struct value *v, int axis)
{
    struct type t = v->type;

    if (!s->row)
        return v;
    for (int i = t.rank++; i > axis; i--)
        t.dim[i] = t.dim[i - 1];
    t.dim[axis] = dim_of(1);
    return build_reshape(b, v, t.dim, t.rank);
}

static struct value *out_of_rows(struct build *b, const struct shape *s, struct value *v, int axis)
{
    struct type t = v->type;

    if (!s->row)
        return v;
    for (int i = axis; i + 1 < t.rank; i++)
        t.dim[i] = t.dim[i + 1];
    t.rank--;
    return build_reshape(b, v, t.dim, t.rank);
}

/* y = conv(x, weight), or of x that is spread by s->stride, and padded so. */
static struct value *forward(struct build *b, const struct winograd *w, const struct shape *s, struct value *x,
                             struct value *weight, const int64_t *pad, bool spread)
{
    int64_t tile[2], stride[2], up[2];

    for (int i = 0; i < 2; i++) {
        up[i] = spread ? s->stride[i] : 1;
        stride[i] = spread ? 1 : s->stride[i];
        tile[i] = w[i].tile;
    }
    const struct attr form[] = { at_ints("tile", tile, 2), at_ints("stride", s->stride, 2) };
    struct value *u = made(b, OP_winograd_weight, &weight, 1, form, 2);
    for (int i = 0; i < 2; i++)
        tile[i] *= up[i];
    const struct attr attrs[] = { at_ints("pad", pad, 4), at_ints("tile", tile, 2), at_ints("stride", stride, 2),
                                  at_ints("up", up, 2), at_ints("dilation", s->dilation, 2) };

    return made(b, OP_winograd, (struct value *[]){ x, u }, 2, attrs, 5);
}

/* The padding of dy, spread by the stride, of which the gradient is a convolution; false where some of dy would have to be
 * left out. */
static bool gradient_pad(const struct node *n, const struct shape *s, int64_t *pad)
{
    bool fits = true;

    for (int i = 0; i < 2; i++) {
        int64_t reach = (s->kernel[i] - 1) * s->dilation[i], spread = (s->size[i] - 1) * s->stride[i] + 1,
                size = s->row ? i ? attr_ints(n, "size", NULL)[0] : 1 : attr_ints(n, "size", NULL)[i];
        pad[2 * i] = reach - s->pad[2 * i];
        pad[2 * i + 1] = size + reach - pad[2 * i] - spread;
        fits &= pad[2 * i] >= 0 && pad[2 * i + 1] >= 0;
    }
    return fits;
}

/* dx[p] = sum over k of dy[p + pad - k] w[k]: w from behind. */
static struct value *data_gradient(struct build *b, const struct winograd *w, const struct shape *s,
                                   const struct node *n)
{
    int64_t pad[4];

    if (!gradient_pad(n, s, pad))
        return NULL;
    struct value *weight = in_rows(b, s, operand(n, 1), 0);
    for (int i = s->row; i < 2; i++) {
        const struct attr axis = at_int("axis", i);
        weight = made(b, OP_reverse, &weight, 1, &axis, 1);
    }
    return out_of_rows(b, s, forward(b, w, s, in_rows(b, s, operand(n, 0), 1), weight, pad, true), 1);
}

static int64_t sums_apart(int64_t samples, int64_t sums)
{
    return samples < PARTS || sums > LARGE ? 1 : sums > SMALL ? PARTS / 2 : PARTS;
}

static struct value *weight_gradient(struct build *b, const struct winograd *w, const struct shape *s,
                                     const struct node *n)
{
    struct value *pair[] = { in_rows(b, s, operand(n, 0), 1), in_rows(b, s, operand(n, 1), 1) };
    int64_t samples = dim_size(pair[0]->type.dim[0], n->graph->module->batch),
            sums = s->channels * s->outputs * w[0].points * w[1].points;
    int64_t parts = sums_apart(samples, sums), tile[] = { w[0].tile, w[1].tile };
    const struct attr attrs[] = {
        at_ints("tile", tile, 2),  at_ints("kernel", s->kernel, 2),     at_ints("stride", s->stride, 2),
        at_ints("pad", s->pad, 4), at_ints("dilation", s->dilation, 2), at_int("parts", parts)
    };
    struct value *du = made(b, OP_winograd_dw, pair, 2, attrs, 6);

    return out_of_rows(b, s, made(b, OP_winograd_dw_weight, &du, 1, attrs, 3), 0);
}

static struct value *plain_convolution(struct build *b, const struct winograd *w, const struct shape *s,
                                       const struct node *n)
{
    struct value *x = in_rows(b, s, operand(n, 0), 1), *weight = in_rows(b, s, operand(n, 1), 0);

    return out_of_rows(b, s, forward(b, w, s, x, weight, s->pad, false), 1);
}

/* ---- images of few channels with stride 2 ---- */

/* Elements (2 i + p, 2 k + q) of channel c become element (i, k) of channel (p, q, c): of v, whose axes `first` and the next
 * are a picture's, and the one behind them its channels, with zeros in front of each axis and behind it. */
static struct value *fold_squares(struct build *b, struct value *v, int first, const int64_t *pairs)
{
    struct value *wide = build_pad(b, v, pairs, 0);
    struct type t = wide->type;
    struct dim split[MAX_RANK];
    int64_t perm[MAX_RANK];
    int rank = 0;

    for (int i = 0; i < t.rank; i++) {
        bool picture = i == first || i == first + 1;
        split[rank++] = picture ? dim_of(t.dim[i].k / 2) : t.dim[i];
        if (picture)
            split[rank++] = dim_of(2);
    }
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[first + 1] = first + 2;
    perm[first + 2] = first + 1;
    struct value *apart = build_transpose(b, build_reshape(b, wide, split, rank), perm);
    for (int i = first; i < first + 2; i++)
        t.dim[i].k /= 2;
    t.dim[first + 2].k *= 4;
    return build_reshape(b, apart, t.dim, t.rank);
}

enum { LANES = 16 }; /* channels of a folded image, with zeros behind them */

/* Where n, a convolution, can take that form: *s and w are then those of the convolution with stride 1. */
static bool takes_folded(const struct node *n, struct shape *s, struct winograd *w)
{
    if (!layout_channels_last(n) || n->result[0]->type.rank != 4 || attr_int(n, "groups") != 1)
        return false;
    *s = shape_of(n);
    double plain = plain_products(s);
    for (int i = 0; i < 2; i++) {
        int64_t size = operand(n, 0)->type.dim[1 + i].k, kernel = (s->kernel[i] + 1) / 2;
        if (s->stride[i] != 2 || s->dilation[i] != 1 || !winograd_form(tile_for(kernel, 1), kernel, 1, &w[i]))
            return false;
        s->stride[i] = 1;
        s->kernel[i] = kernel;
        s->pad[2 * i + 1] = 2 * (s->size[i] + kernel - 1) - s->pad[2 * i] - size;
        if (s->pad[2 * i + 1] < 0)
            return false;
    }
    return s->channels * 4 <= LANES && s->outputs >= MIN_CHANNELS && fits(w, LANES, s->outputs) &&
           plain > 1.5 * 4 * tile_products(s, w); /* of four times as many channels */
}

static struct value *folded(struct build *b, const struct winograd *w, struct shape *s, const struct node *n)
{
    struct value *x = operand(n, 0), *weight = operand(n, 1);
    const int64_t none[4] = { 0, 0, 0, 0 }, *pad = s->pad, *kernel = s->kernel;
    const int64_t of_x[] = { 0, 0, pad[0], pad[1], pad[2], pad[3], 0, 0 };
    const int64_t of_weight[] = {
        0, 2 * kernel[0] - weight->type.dim[0].k, 0, 2 * kernel[1] - weight->type.dim[1].k, 0, 0, 0, 0
    };
    const int64_t to_lanes[] = { 0, 0, 0, 0, 0, 0, 0, LANES - 4 * s->channels };

    x = build_unary(b, OP_relayout, build_pad(b, fold_squares(b, x, 1, of_x), to_lanes, 0));
    return forward(b, w, s, x, fold_squares(b, weight, 0, of_weight), none, false);
}

/* ---- the pass ---- */

static struct value *made_of_tiles(struct build *b, const struct winograd *w, const struct shape *s,
                                   const struct node *n)
{
    switch (n->op) {
    case OP_conv: return plain_convolution(b, w, s, n);
    case OP_conv_dx: return data_gradient(b, w, s, n);
    default: return weight_gradient(b, w, s, n);
    }
}

static bool change(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct winograd w[2];
    struct shape s;
    struct value *with = NULL;

    if (n->op != OP_conv && n->op != OP_conv_dx && n->op != OP_conv_dw)
        return false;
    if (takes(n, &s, w))
        with = made_of_tiles(&b, w, &s, n);
    else if (n->op == OP_conv && takes_folded(n, &s, w))
        with = folded(&b, w, &s, n);
    if (!with)
        return false;
    with->name = n->result[0]->name;
    value_replace(n->result[0], with);
    node_remove(n);
    return true;
}

static bool change_graph(struct graph *g)
{
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->bodies; i++)
            changed |= change_graph(n->body[i]);
        changed |= change(n);
    }
    return changed;
}

/* Whoever reads v, or gives it as a group, reads or gives a value of its type. */
static void spread_type(struct value *v)
{
    for (struct use *u = v->uses; u; u = u->next) {
        struct node *owner = v->graph->owner;
        struct value *same = u->user->bodies                            ? u->user->body[0]->param[u->index]
                             : owner && u->user == v->graph->yield_node ? owner->result[u->index]
                                                                        : NULL;
        if (!same)
            continue;
        same->type = v->type;
        spread_type(same);
    }
}

static bool keep_apart(struct node *n, int64_t samples)
{
    struct value *v = n->result[0];
    int64_t sums = type_count(v->type, 1), parts = attr_int(n, "parts"), now = sums_apart(samples, sums / parts);

    if (now == parts)
        return false;
    node_set_int(n, "parts", now);
    v->type.dim[0].k = v->type.dim[0].k / parts * now;
    spread_type(v);
    return true;
}

bool winograd_keep_apart(struct graph *g, int64_t samples)
{
    bool changed = false;

    for (struct node *n = g->first; n; n = n->next)
        for (struct node *b = n->op == OP_fused ? n->body[0]->first : NULL; b; b = b->next)
            changed |= b->op == OP_winograd_dw && keep_apart(b, samples);
    return changed;
}

bool pass_winograd(struct module *m, struct pass_context *c)
{
    bool changed = false;

    for (int i = 0; i < GRAPH_KINDS; i++) {
        if (m->graph[i] && !m->f64)
            changed |= change_graph(m->graph[i]);
    }
    if (c->budget)
        c->budget->winograd |= changed;
    return changed;
}
