/* passes/winograd.c: convolutions of 3 x 3 to 5 x 5 elements with stride 1 or 2 and channels last by Winograd's method
 * (ir/winograd.h), where that is faster: 4 x 4 results at once, or 2 x 2.
 *
 *     %y  = conv %x, %w, pad = [1,1,1,1]        =>    %0  = winograd_weight %w, tile = 4
 *                                                     %y  = winograd %x, %0, pad = [1,1,1,1], tile = 4
 *
 *     %dx = conv_dx %dy, %w, pad = [1,1,1,1]    =>    the same, with %w turned round; stride 2 becomes up = 2
 *
 *     %dw = conv_dw %x, %dy, pad = [1,1,1,1]    =>    %0  = winograd_dw %x, %dy, pad = [1,1,1,1], tile = 4, kernel = 3
 *                                                     %dw = winograd_dw_weight %0, kernel = 3      (%0 in parts = 4)
 *
 * Results differ from those of the plain form by rounding: up to 2.6e-6 of the largest, where that has up to 2.4e-6.
 * Not with f64, which is asked for to know better. */
#include "ir/build.h"
#include "ir/layout.h"
#include "ir/winograd.h"
#include "passes/shared.h"

enum { MIN_CHANNELS = 16, MOST_CHANNELS = 448 };
enum {
    PARTS = 4,
    SMALL = 1 << 18
}; /* of samples, whose gradients are summed apart, in threads: where they are small */

static int64_t tile_for(int64_t kernel, int64_t stride)
{
    if (stride == 2)
        return 2;
    return kernel == 3 ? 4 : kernel == 5 ? 2 : 0;
}

/* A convolution y = conv(x, w) that n is, or is a gradient of. */
struct shape {
    int64_t kernel, stride, channels, outputs;
    int64_t rows, columns; /* of y */
};

/* What all numbers of the list are, or 0. */
static int64_t all_of(const struct node *n, const char *name)
{
    int count;
    const int64_t *list = attr_ints(n, name, &count);

    for (int i = 1; i < count; i++) {
        if (list[i] != list[0])
            return 0;
    }
    return list[0];
}

/* A register tile of transformed images has to fit into scratch: 8 rows of them, or 14 where columns fill no two vectors. */
static bool fits(int64_t channels, int64_t columns)
{
    return channels <= (columns % 32 ? MOST_CHANNELS / 2 + 32 : MOST_CHANNELS);
}

/* Products of one tile for all channels take `points` squared multiply-adds, the plain form (tile kernel) squared; what
 * tiles reach over the edge is lost. Transforms cost about as much as 12 more channels on either side; with a stride they
 * are sums of few elements, and the plain form copies images with their borders. */
static bool pays(const struct shape *s, const struct winograd *w)
{
    int64_t down = (s->rows + w->tile - 1) / w->tile, across = (s->columns + w->tile - 1) / w->tile;
    double plain = (double)(s->rows * s->columns * s->kernel * s->kernel), least = s->stride == 1 ? 1.5 : 1.2;

    if (!fits(s->channels, s->outputs) || !fits(s->outputs, s->channels))
        return false;
    return s->channels >= MIN_CHANNELS && s->outputs >= MIN_CHANNELS &&
           plain > least * (double)(down * across * w->points * w->points);
}

/* Where n can take this form and is faster so. */
static bool takes(const struct node *n, struct winograd *w)
{
    if (!layout_channels_last(n) || n->result[0]->type.rank != 4 || attr_int(n, "groups") != 1 ||
        all_of(n, "dilation") != 1)
        return false;
    struct type weight = n->op == OP_conv_dw ? n->result[0]->type : operand(n, 1)->type;
    struct type y = n->op == OP_conv ? n->result[0]->type : operand(n, n->op == OP_conv_dw)->type;
    struct shape s = { .kernel = weight.dim[0].k,
                       .stride = all_of(n, "stride"),
                       .channels = weight.dim[2].k,
                       .outputs = weight.dim[3].k,
                       .rows = y.dim[1].k,
                       .columns = y.dim[2].k };
    return weight.dim[1].k == s.kernel && winograd_form(tile_for(s.kernel, s.stride), s.kernel, s.stride, w) &&
           pays(&s, w);
}

static struct value *made(struct build *b, enum op op, struct value *const *operands, int count,
                          const struct attr *attrs, int attr_count)
{
    struct node *n = build_node(b, op, operands, count, attrs, attr_count);

    if (!n)
        bug("%s takes no other form", op_info(op)->name);
    return n->result[0];
}

/* y = conv(x, weight), or of x that is spread so far. */
static struct value *forward(struct build *b, const struct winograd *w, struct value *x, struct value *weight,
                             const int64_t *pad, int64_t up)
{
    const struct attr form[] = { at_int("tile", w->tile), at_int("stride", w->stride) };
    const struct attr attrs[] = { at_ints("pad", pad, 4), at_int("tile", w->tile * up),
                                  at_int("stride", up > 1 ? 1 : w->stride), at_int("up", up) };
    struct value *u = made(b, OP_winograd_weight, &weight, 1, form, 2);

    return made(b, OP_winograd, (struct value *[]){ x, u }, 2, attrs, 4);
}

/* The padding of dy, spread by the stride, of which the gradient is a convolution; false where some of dy would have to be
 * left out, or where rows and columns of what is spread would begin differently. */
static bool gradient_pad(const struct node *n, const struct winograd *w, int64_t *pad)
{
    const int64_t *has = attr_ints(n, "pad", NULL), *size = attr_ints(n, "size", NULL);
    bool fits = true;

    for (int i = 0; i < 2; i++) {
        pad[2 * i] = w->kernel - 1 - has[2 * i];
        int64_t spread = (operand(n, 0)->type.dim[1 + i].k - 1) * w->stride + 1;
        pad[2 * i + 1] = size[i] + w->kernel - 1 - pad[2 * i] - spread;
        fits &= pad[2 * i] >= 0 && pad[2 * i + 1] >= 0;
    }
    return fits && pad[0] % w->stride == pad[2] % w->stride;
}

/* dx[p] = sum over k of dy[p + pad - k] w[k]: w from behind. */
static struct value *data_gradient(struct build *b, const struct winograd *w, const struct node *n)
{
    struct value *weight = operand(n, 1);
    int64_t pad[4];

    if (!gradient_pad(n, w, pad))
        return NULL;
    for (int i = 0; i < 2; i++) {
        const struct attr axis = at_int("axis", i);
        weight = made(b, OP_reverse, &weight, 1, &axis, 1);
    }
    return forward(b, w, operand(n, 0), weight, pad, w->stride);
}

static struct value *weight_gradient(struct build *b, const struct winograd *w, const struct node *n)
{
    struct value *x = operand(n, 0), *dy = operand(n, 1);
    int64_t samples = dim_size(x->type.dim[0], n->graph->module->batch),
            channels = x->type.dim[3].k * dy->type.dim[3].k;
    int64_t parts = samples >= PARTS && channels * w->points * w->points <= SMALL ? PARTS : 1;
    const struct attr attrs[] = { *node_attr(n, "pad"), at_int("tile", w->tile), at_int("kernel", w->kernel),
                                  at_int("stride", w->stride), at_int("parts", parts) };
    struct value *du = made(b, OP_winograd_dw, (struct value *[]){ x, dy }, 2, attrs, 5);
    const struct attr back[] = { attrs[2], attrs[3] };

    return made(b, OP_winograd_dw_weight, &du, 1, back, 2);
}

static bool change(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct winograd w;
    struct value *with = NULL;

    if ((n->op != OP_conv && n->op != OP_conv_dx && n->op != OP_conv_dw) || !takes(n, &w))
        return false;
    switch (n->op) {
    case OP_conv: with = forward(&b, &w, operand(n, 0), operand(n, 1), attr_ints(n, "pad", NULL), 1); break;
    case OP_conv_dx: with = data_gradient(&b, &w, n); break;
    default: with = weight_gradient(&b, &w, n); break;
    }
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

bool pass_winograd(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    for (int i = 0; i < GRAPH_KINDS; i++) {
        if (m->graph[i] && !m->f64)
            changed |= change_graph(m->graph[i]);
    }
    return changed;
}
