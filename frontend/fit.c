/* frontend/fit.c: tensors whose shapes do not fit, and what brings them together, as it is written: hints. */
#include <string.h>

#include "frontend/elab.h"

/* ---- residuals ---- */

/* Axes of an image. */
struct layout {
    int channels, height, width;
    const char *argument;
};

/* The stride by which a size becomes another; 0: none does. */
static int64_t stride_of(struct dim from, struct dim to)
{
    int64_t stride = from.n || to.n || !to.k ? 0 : (from.k + to.k / 2) / to.k;
    return stride >= 1 && stride <= 4 && (from.k + stride - 1) / stride == to.k ? stride : 0;
}

/* Whether `a` was there before b. */
static bool is_older(struct elab *e, const struct value *a, const struct value *b)
{
    for (const struct node *n = e->graph->first; a->def && b->def && n; n = n->next)
        if (n == a->def || n == b->def)
            return n == a->def;
    return !a->def;
}

/* What the model calls this tensor, here; NULL: nothing. */
static const char *given_name(const struct elab *e, const struct value *x)
{
    for (const struct binding *b = e->in_library ? NULL : e->env->first; b; b = b->next)
        if (b->v.kind == V_TENSOR && b->v.tensor == x && !strchr(b->name, '.'))
            return b->name;
    return NULL;
}

static const char *own_name(const struct elab *e, const struct value *x)
{
    const char *name = given_name(e, x);
    return name ? name : "x";
}

/* The convolution that makes the shape of `to` of x; NULL: none of kernel 1 does. */
static const char *projection(struct elab *e, const struct value *x, const struct value *to, const struct layout *l)
{
    const struct dim *from = x->type.dim, *into = to->type.dim;
    int64_t stride = stride_of(from[l->height], into[l->height]), across = stride_of(from[l->width], into[l->width]);
    const char *strided = "";

    if (!stride || across != stride || from[l->channels].n || into[l->channels].n)
        return NULL;
    if (stride > 1)
        strided = arena_printf(e->arena, ", stride = %lld", (long long)stride);
    return arena_printf(e->arena, "a convolution brings it to that shape: (%s |> conv2d(%lld, kernel = 1%s%s))",
                        own_name(e, x), (long long)into[l->channels].k, strided, l->argument);
}

/* Where a convolution without pad made less of x, along both axes of the image; else NULL. */
static const char *padding(struct elab *e, const struct value *x, const struct value *less, const struct layout *l)
{
    const struct dim *from = x->type.dim, *into = less->type.dim;
    int64_t lost = from[l->height].k - into[l->height].k, across = from[l->width].k - into[l->width].k;

    if (lost != across || lost < 2 || lost > 10 || lost % 2 || from[l->height].n || into[l->height].n)
        return NULL;
    return arena_printf(e->arena, "a convolution keeps the size with pad = %lld where its kernel is %lld",
                        (long long)lost / 2, (long long)lost + 1);
}

/* Where all axes but the last agree: the linear layer that makes the later's features of the older; NULL where they do not. */
static const char *features(struct elab *e, const struct value *a, const struct value *b)
{
    int last = a->type.rank - 1;

    if (e->in_library || a->type.rank != b->type.rank || last < 1 || last > 2 || a->type.dim[last].n ||
        b->type.dim[last].n || !a->type.dim[0].n || dim_equal(a->type.dim[last], b->type.dim[last]))
        return NULL;
    for (int i = 0; i < last; i++)
        if (!dim_equal(a->type.dim[i], b->type.dim[i]))
            return NULL;
    const struct value *x = is_older(e, a, b) ? a : b, *y = x == a ? b : a;
    return dim_is_one(a->type.dim[last]) || dim_is_one(b->type.dim[last])
               ? NULL
               : arena_printf(e->arena, "a linear layer brings it to that shape: (%s |> linear(%lld))", own_name(e, x),
                              (long long)y->type.dim[last].k);
}

const char *residual_hint(struct elab *e, const struct value *a, const struct value *b)
{
    static const struct layout layouts[] = { { 1, 2, 3, "" }, { 3, 1, 2, ", layout = \"nhwc\"" } };
    bool apart = a->type.rank == 4 && b->type.rank == 4 && dim_equal(a->type.dim[0], b->type.dim[0]), differs = false;

    for (int i = 1; apart && i < 4; i++)
        differs |= !dim_equal(a->type.dim[i], b->type.dim[i]);
    if (!differs)
        return features(e, a, b);
    const struct value *x = is_older(e, a, b) ? a : b, *y = x == a ? b : a;
    bool last = dim_equal(a->type.dim[1], b->type.dim[1]) && dim_equal(a->type.dim[2], b->type.dim[2]);
    for (int i = last; i < 2; i++) {
        const char *hint = projection(e, x, y, &layouts[i]), *pad = padding(e, x, y, &layouts[i]);
        if (hint || pad)
            return hint ? hint : pad;
    }
    return NULL;
}

/* ---- shapes that do not go together ---- */

/* N, or what stands for it where it is not seen. */
static const char *batch_word(struct elab *e)
{
    return e->batch_name && look_up(e, e->batch_name, false) ? e->batch_name : "x.shape[0]";
}

/* What stands where N is meant by its size, as it is written with N: a shape, or a tensor's; NULL of all else. */
static const char *with_batch(struct elab *e, const struct val *v)
{
    struct text t = text_make(e->arena);
    const struct type *type = v->kind == V_TENSOR ? &v->tensor->type : NULL;
    bool list = v->kind == V_LIST && v->items && v->item[0].kind == V_INT && v->item[0].i == e->m->batch;

    if (!list && !(type && type->rank && dim_equal(type->dim[0], dim_of(e->m->batch))))
        return NULL;
    text_add(&t, "[%s", batch_word(e));
    for (int i = 1; i < (list ? v->items : type->rank); i++) {
        struct val dim = list ? v->item[i] : v_dim(type->dim[i]);
        text_add(&t, ", %s", val_text(e, &dim));
    }
    text_puts(&t, "]");
    return text_string(&t);
}

static bool is_of_batch(const struct val *v)
{
    return v->kind == V_TENSOR && v->tensor->type.rank && v->tensor->type.dim[0].n;
}

/* Axes of a parameter or a state are its own. */
static bool may_be_of_batch(const struct val *v, int rank)
{
    return v->kind != V_TENSOR || (v->tensor->type.rank == rank && !v->tensor->var);
}

const char *batch_hint(struct elab *e, const struct val *values, int count)
{
    int rank = 0;
    const char *meant = NULL;

    for (int i = 0; i < count; i++)
        rank = is_of_batch(&values[i]) ? values[i].tensor->type.rank : rank;
    for (int i = 0; i < count && rank && e->m->batch > 1 && !meant; i++)
        meant = may_be_of_batch(&values[i], rank) ? with_batch(e, &values[i]) : NULL;
    return meant ? arena_printf(e->arena, "%lld is the size of the batch, which is written %s: %s",
                                (long long)e->m->batch, batch_word(e), meant)
                 : NULL;
}

/* The shape with so many axes of 1 before this axis. */
static struct type with_ones(struct type t, int axis, int ones)
{
    struct type wide = t;

    for (int i = axis; i < t.rank; i++)
        wide.dim[i + ones] = t.dim[i];
    for (int i = axis; i < axis + ones; i++)
        wide.dim[i] = dim_of(1);
    wide.rank = t.rank + ones;
    return wide;
}

/* Whether it is a reduction to so many axes less, as it is called by its name. */
static bool reduces(struct elab *e, const struct ast *x, int rank)
{
    int count = 0;
    const struct val *of = NULL;

    if (x->kind != A_CALL || x->a->kind != A_NAME || x->items < 2 || !builtin_find(x->a->text))
        return false;
    const char **names = formal_names(e, x->a->text, &count);
    if (x->item[0]->kind == A_NAME)
        of = look_up(e, x->item[0]->text, false);
    return count && !strcmp(names[count - 1], "keepdims") && of && of->kind == V_TENSOR &&
           of->tensor->type.rank == rank;
}

/* A reduction that keeps its axes, of a tensor of this rank; or so many axes of 1 where they are missing. */
static bool say_widened(struct elab *e, struct text *t, const struct ast *x, int rank, int axis, int ones)
{
    struct text said = text_make(e->arena);

    if (!say(e, &said, x))
        return false;
    if (reduces(e, x, rank)) {
        text_add(t, "%.*s, keepdims = true)", (int)said.length - 1, text_string(&said));
        return true;
    }
    for (int i = 0; i < ones; i++)
        text_puts(t, "expand_dims(");
    text_puts(t, text_string(&said));
    for (int i = 0; i < ones; i++)
        text_add(t, ", %d)", axis + i);
    return true;
}

static const char *widened(struct elab *e, const struct ast *x, bool first, int rank, int axis, int ones)
{
    struct text t = text_make(e->arena);
    bool said = first ? say_widened(e, &t, x->a, rank, axis, ones) : say_operand(e, &t, x->a);

    text_add(&t, " %s ", x->text);
    said = said && (first ? say_operand(e, &t, x->b) : say_widened(e, &t, x->b, rank, axis, ones));
    return said ? text_string(&t) : NULL;
}

/* The shape as it is written, where the batch leads. */
static void say_shape(struct elab *e, struct text *t, struct type type)
{
    text_puts(t, "[");
    for (int i = 0; i < type.rank; i++) {
        const struct val dim = v_dim(type.dim[i]);
        text_add(t, "%s%s", i ? ", " : "", type.dim[i].n && type.dim[i].k == 1 ? batch_word(e) : val_text(e, &dim));
    }
    text_puts(t, "]");
}

/* Operands of as many elements: the one of fewer axes in the other's shape. */
static const char *reshaped(struct elab *e, const struct ast *x, bool first, struct type less, struct type more)
{
    struct text t = text_make(e->arena);

    if (!shape_same_size(less, more))
        return NULL;
    bool said = first || say_operand(e, &t, x->a);
    text_add(&t, "%sreshape(", first ? "" : arena_printf(e->arena, " %s ", x->text));
    said = said && say(e, &t, first ? x->a : x->b);
    text_puts(&t, ", ");
    say_shape(e, &t, more);
    text_puts(&t, first ? arena_printf(e->arena, ") %s ", x->text) : ")");
    said = said && (!first || say_operand(e, &t, x->b));
    return said ? arena_printf(e->arena, "as many elements in the other shape: %s", text_string(&t)) : NULL;
}

/* Features of a sample, [N, D], beside an image or steps: the layer that makes them as many as there are channels, or features
 * of a step. */
static const char *conditioned(struct elab *e, const struct ast *x, bool first, struct type less, struct type more)
{
    int axis = more.rank == 4 ? 1 : more.rank - 1;
    struct text t = text_make(e->arena);

    if (less.rank != 2 || more.rank < 3 || more.rank > 4 || !less.dim[0].n || !dim_equal(less.dim[0], more.dim[0]) ||
        less.dim[1].n || more.dim[axis].n || less.dtype != DT_REAL)
        return NULL;
    text_puts(&t, "a linear layer makes as many of them: ");
    bool said = say_operand(e, &t, first ? x->b : x->a);
    text_add(&t, " %s reshape(", x->text);
    said = said && say(e, &t, first ? x->a : x->b);
    text_add(&t, " |> linear(%lld), [%s", (long long)more.dim[axis].k, batch_word(e));
    for (int i = 1; i < more.rank; i++)
        text_add(&t, ", %lld", i == axis ? (long long)more.dim[axis].k : 1LL);
    text_puts(&t, "])");
    return said && !(first && *x->text == '-') ? text_string(&t) : NULL;
}

const char *axes_hint(struct elab *e, const struct ast *x, const struct value *a, const struct value *b)
{
    bool first = a->type.rank < b->type.rank;
    struct type less = first ? a->type : b->type, more = first ? b->type : a->type, wide;
    const char *hint = NULL;

    if (less.rank == more.rank || !less.rank || shape_broadcast(a->type, b->type, &wide))
        return NULL;
    for (int ones = 1; ones <= more.rank - less.rank && !hint; ones++)
        for (int axis = less.rank; axis > 0; axis--) {
            if (!shape_broadcast(with_ones(less, axis, ones), more, &wide) || !shape_equal(wide, more))
                continue;
            const char *written = widened(e, x, first, more.rank, axis, ones);
            hint = hint && written && strcmp(hint, written) != 0 ? arena_printf(e->arena, "%s, or %s", hint, written)
                   : hint                                        ? hint
                                                                 : written;
        }
    if (hint)
        return arena_printf(e->arena, "axes go together from the last: %s", hint);
    hint = reshaped(e, x, first, less, more);
    return hint ? hint : *x->text == '/' ? NULL : conditioned(e, x, first, less, more);
}

/* ---- element types ---- */

const char *converted_hint(struct elab *e, const struct ast *x, const struct value *a, const struct value *b)
{
    struct text t = text_make(e->arena);
    bool first = a->type.dtype != DT_REAL;

    if (a->type.dtype == b->type.dtype || (first && b->type.dtype != DT_REAL))
        return NULL;
    text_puts(&t, first ? "f32(" : "");
    bool said = first ? say(e, &t, x->a) : say_operand(e, &t, x->a);
    text_add(&t, "%s %s %s", first ? ")" : "", x->text, first ? "" : "f32(");
    said = said && (first ? say_operand(e, &t, x->b) : say(e, &t, x->b));
    text_puts(&t, first ? "" : ")");
    return said ? arena_printf(e->arena, "as reals: %s", text_string(&t)) : NULL;
}

/* ---- products ---- */

/* Of two matrices, or of as many as their leading axes broadcast to; false: there is none. */
static bool product(struct type a, struct type b, struct type *out)
{
    struct type x = a, y = b;

    if (a.rank < 2 || b.rank < 2 || !dim_equal(a.dim[a.rank - 1], b.dim[b.rank - 2]))
        return false;
    x.rank -= 2;
    y.rank -= 2;
    if (!shape_broadcast(x, y, out))
        return false;
    out->dim[out->rank++] = a.dim[a.rank - 2];
    out->dim[out->rank++] = b.dim[b.rank - 1];
    return true;
}

static struct type turned(struct type t)
{
    struct dim last = t.dim[t.rank - 1];

    t.dim[t.rank - 1] = t.dim[t.rank - 2];
    t.dim[t.rank - 2] = last;
    return t;
}

static bool say_turned(struct elab *e, struct text *t, const struct ast *x, bool turn)
{
    if (turn && x->kind == A_SWAP)
        return say_operand(e, t, x->a);
    bool said = say_operand(e, t, x);
    text_puts(t, turn ? "'" : "");
    return said;
}

/* Whether the batch leads, and stands nowhere else. */
static bool leads(struct type t)
{
    return t.rank && t.dim[0].n && shape_batches(t) == 1;
}

const char *product_hint(struct elab *e, const struct ast *x, const struct value *a, const struct value *b)
{
    static const struct {
        bool change, turn_first, turn_second;
    } ways[] = { { false, false, true }, { true, false, false }, { true, false, true }, { false, true, false } };
    const char *found[2] = { NULL, NULL };
    int count = 0;
    struct type out, before = type_scalar(DT_REAL);

    if (a->type.rank < 2 || b->type.rank < 2 || product(a->type, b->type, &out))
        return NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways && count < 2; i++) {
        struct text t = text_make(e->arena);
        struct type first = ways[i].change ? b->type : a->type, second = ways[i].change ? a->type : b->type;
        if (!product(ways[i].turn_first ? turned(first) : first, ways[i].turn_second ? turned(second) : second, &out) ||
            (count && shape_equal(out, before)))
            continue;
        before = out;
        bool said = say_turned(e, &t, ways[i].change ? x->b : x->a, ways[i].turn_first);
        text_puts(&t, " @ ");
        said = said && say_turned(e, &t, ways[i].change ? x->a : x->b, ways[i].turn_second);
        if (!said)
            return NULL;
        if (leads(out))
            return arena_printf(e->arena, "it fits as %s, which is %s", text_string(&t), shape_text(e->arena, out));
        found[count++] = arena_printf(e->arena, "%s, which is %s", text_string(&t), shape_text(e->arena, out));
    }
    return !count     ? NULL
           : found[1] ? arena_printf(e->arena, "it fits as %s, or as %s", found[0], found[1])
                      : arena_printf(e->arena, "it fits as %s", found[0]);
}

const char *vector_hint(struct elab *e, const struct ast *x, const struct value *a, const struct value *b)
{
    struct text t = text_make(e->arena);
    struct type p = a->type, q = b->type;
    bool both = p.rank == 1 && q.rank == 1, last = p.rank >= 2 && q.rank == 1, first = p.rank == 1 && q.rank >= 2;

    if (!(both || last || first) || !dim_equal(p.dim[p.rank - 1], q.dim[q.rank - (first ? 2 : 1)]))
        return NULL;
    text_puts(&t, both ? "sum(" : first ? "squeeze(expand_dims(" : "squeeze(");
    bool said = first ? say(e, &t, x->a) : say_operand(e, &t, x->a);
    text_puts(&t, both ? " * " : first ? ", 0) @ " : " @ expand_dims(");
    said = said && (last ? say(e, &t, x->b) : say_operand(e, &t, x->b));
    text_puts(&t, both ? ")" : first ? ", -2)" : ", 1), -1)");
    return said ? arena_printf(e->arena, "of a vector it is %s", text_string(&t)) : NULL;
}

/* ---- layers of other ranks ---- */

/* A layer applied to a tensor of another rank. */
struct misfit {
    struct elab *e;
    const struct layer *l;
    const struct value *x;
    bool last; /* channels stand last */
};

/* The square side of so many elements with so many channels; 0: there is none. */
static int64_t side_of(int64_t elements, int64_t channels)
{
    int64_t side = 2;

    while (side * side * channels < elements)
        side++;
    return elements < 1 << 24 && side >= 4 && side * side * channels == elements ? side : 0;
}

static const char *channel_move(const struct misfit *m)
{
    return m->last ? arena_printf(m->e->arena, "expand_dims(%d)", m->x->type.rank) : "expand_dims(1)";
}

/* Pixels in a row, where they make a square of one channel or three. */
static const char *square_move(const struct misfit *m)
{
    struct dim d = m->x->type.dim[1];

    for (int channels = 1; channels <= 3 && !d.n; channels += 2) {
        long long side = (long long)side_of(d.k, channels);
        if (side && m->last)
            return arena_printf(m->e->arena, "reshape([%s, %lld, %lld, %d])", batch_word(m->e), side, side, channels);
        if (side)
            return arena_printf(m->e->arena, "reshape([%s, %d, %lld, %lld])", batch_word(m->e), channels, side, side);
    }
    return NULL;
}

/* Tokens in a row go through an embedding, numbers are steps of one feature. */
static const char *tokens_move(const struct misfit *m)
{
    return m->x->type.dtype == DT_I32 ? "embedding(1000, 64)" : NULL;
}

static const char *steps_move(const struct misfit *m)
{
    return m->x->type.dtype == DT_I32 ? tokens_move(m) : "expand_dims(2)";
}

static const char *embedding_move(const struct misfit *m)
{
    return m->x->type.dtype == DT_I32 ? "embedding(1000, 64) |> transpose([0, 2, 1])" : channel_move(m);
}

/* Pixels of an image as steps, with its channels as features. */
static const char *pixels_move(const struct misfit *m)
{
    const struct dim *d = m->x->type.dim;

    if (d[1].n || d[2].n || d[3].n)
        return NULL;
    return arena_printf(m->e->arena, "reshape([%s, %lld, %lld]) |> transpose([0, 2, 1])", batch_word(m->e),
                        (long long)d[1].k, (long long)(d[2].k * d[3].k));
}

/* What brings a tensor of this rank to a layer of these, and what it is then; or the layer of that rank. */
static const struct way {
    const char *layers;
    int rank; /* 0: any, of numbers of tokens */
    const char *said;
    const char *(*move)(const struct misfit *m);
    const char *instead; /* the layer's name without its last two characters, and this */
} ways[] = {
    { "conv2d|conv_transpose2d|maxpool2d|avgpool2d|adaptive_avgpool2d", 3, "an image of one channel", channel_move,
      NULL },
    { "conv2d|conv_transpose2d|maxpool2d|avgpool2d|adaptive_avgpool2d", 2, "pixels in a row as an image", square_move,
      NULL },
    { "conv1d", 2, "channels stand behind N", embedding_move, NULL },
    { "conv_transpose1d|maxpool1d|avgpool1d", 2, "a row of one channel", channel_move, NULL },
    { "conv1d|conv_transpose1d|maxpool1d|avgpool1d", 4, "images have two axes besides channels", NULL, "2d" },
    { "conv3d", 4, "images have two axes besides channels", NULL, "2d" },
    { "lstm|gru|rnn", 2, "steps have features", steps_move, NULL },
    { "multi_head_attention", 2, "steps have features", tokens_move, NULL },
    { "multi_head_attention", 4, "pixels as steps", pixels_move, NULL },
    { "linear", 0, "numbers of tokens go through an embedding", tokens_move, NULL },
};

/* The layer's call as it stands, without its tensors. */
static bool say_layer(struct elab *e, struct text *t, const struct layer *l, const char *name)
{
    int said = 0;

    text_puts(t, name);
    for (int i = 0; l->call && i < l->call->items; i++) {
        const struct ast *x = l->call->item[i];
        if (x->kind != A_ARG && !is_constant(e, x))
            continue;
        text_puts(t, said++ ? ", " : "(");
        if (!say(e, t, x))
            return false;
    }
    text_puts(t, said ? ")" : "");
    return true;
}

static const char *way_hint(const struct misfit *m, const struct way *w)
{
    struct elab *e = m->e;
    struct text t = text_make(e->arena);
    const char *name = given_name(e, m->x), *layer = m->l->block->tree->text, *move = w->move ? w->move(m) : NULL;

    if (w->move && !move)
        return NULL;
    if (w->instead)
        layer = arena_printf(e->arena, "%.*s%s", (int)strlen(layer) - 2, layer, w->instead);
    text_add(&t, "%s: %s%s|> %s%s", w->said, name ? name : "", name ? " " : "", move ? move : "", move ? " |> " : "");
    return say_layer(e, &t, m->l, layer) ? text_string(&t) : NULL;
}

/* Of attention without an axis of heads. */
static const char *heads_hint(const struct misfit *m, const struct val *tensor, int tensors)
{
    struct text t = text_make(m->e->arena);
    struct dim features = m->x->type.dim[2];
    int heads = 8;

    while (heads > 1 && features.k % heads)
        heads /= 2;
    text_add(&t, "with its own parameters it is %s |> multi_head_attention(%d), with one head attention(",
             own_name(m->e, m->x), heads);
    for (int i = 0; i < tensors; i++)
        text_add(&t, "%sexpand_dims(%s, 1)", i ? ", " : "",
                 tensor[i].kind == V_TENSOR ? own_name(m->e, tensor[i].tensor) : "x");
    text_puts(&t, ")");
    return text_string(&t);
}

const char *rank_hint(struct elab *e, const struct layer *l, const struct val *tensor)
{
    const struct ast *tree = l->block->tree;
    struct misfit m = { .e = e, .l = l, .x = tensor->kind == V_TENSOR ? tensor->tensor : NULL };

    for (int i = 0; i < tree->items; i++)
        m.last |= !strcmp(tree->item[i]->text, "layout") && l->given[i] && l->constant[i].kind == V_STRING &&
                  !strcmp(l->constant[i].text, "nhwc");
    for (size_t i = 0; i < sizeof ways / sizeof *ways && m.x; i++)
        if ((ways[i].rank == m.x->type.rank || (!ways[i].rank && m.x->type.dtype == DT_I32)) &&
            is_among(ways[i].layers, strlen(ways[i].layers), tree->text))
            return way_hint(&m, &ways[i]);
    bool steps = m.x && !strcmp(tree->text, "attention");
    for (int i = 0; i < 3 && steps; i++)
        steps = tensor[i].kind == V_TENSOR && tensor[i].tensor->type.rank == 3;
    if (steps)
        return heads_hint(&m, tensor, 3);
    return m.x && m.x->type.rank == 2 && !strcmp(tree->text, "global_avgpool")
               ? "nothing is left to average: leave it out"
               : NULL;
}

/* ---- windows that do not fit ---- */

/* The whole number that a constant has for this axis; -1: none. */
static int64_t of_axis(const struct val *v, int axis)
{
    const struct val *item = v->kind == V_LIST && axis < v->items ? &v->item[axis] : v;
    return item->kind == V_INT ? item->i : -1;
}

/* A call of a pool: its kernel, stride and pad, of which the last two may be left out, and what stands for the pad. */
struct pool {
    struct val constant[3];
    const struct ast *pad;
};

static struct pool read_pool(struct elab *e, const char *callee, const struct ast *call)
{
    static const char *const names[] = { "kernel", "stride", "pad" };
    struct pool p = { .pad = NULL };
    int place = 0;

    for (int i = 0; i < call->items; i++) {
        const struct ast *x = call->item[i], *value = x->kind == A_ARG ? x->a : x;
        const char *here = x->kind == A_ARG ? argument_here(e, callee, x->text) : "";
        if (!is_constant(e, value))
            continue;
        int k = x->kind == A_ARG ? 0 : place++;
        while (x->kind == A_ARG && k < 3 && strcmp(names[k], here))
            k++;
        if (k < 3)
            p.constant[k] = eval(e, value);
        if (k == 2)
            p.pad = x;
    }
    if (p.constant[1].kind == V_POISON || p.constant[1].kind == V_NONE)
        p.constant[1] = p.constant[0];
    if (!p.pad)
        p.constant[2] = v_int(0);
    return p;
}

/* How much more pad behind an axis the last window takes, as PyTorch has it; -1: there is no saying. */
static int64_t missing_cells(const struct pool *p, struct dim d, int axis)
{
    int64_t kernel = of_axis(&p->constant[0], axis), stride = of_axis(&p->constant[1], axis),
            pad = of_axis(&p->constant[2], axis), span = d.k + 2 * pad - kernel;

    if (d.n || kernel < 1 || stride < 1 || pad < 0 || span < 0)
        return -1;
    int64_t missing = (stride - span % stride) % stride, steps = (span + missing) / stride;
    return steps * stride >= d.k + pad ? 0 : missing; /* a window would begin in the pad */
}

const char *ceil_hint(struct elab *e, const char *callee, const struct ast *call, const struct ast *mode,
                      const struct val *x)
{
    struct text t = text_make(e->arena), pads = text_make(e->arena);
    int64_t most = 0, least = 0;
    bool off = mode->a->kind == A_FALSE || (mode->a->kind == A_NAME && spelt_alike(mode->a->text, "false"));

    if (off || !call || x->kind != V_TENSOR || x->tensor->type.rank < 3)
        return off ? "windows that do not fit are left out: leave it out" : NULL;
    struct pool p = read_pool(e, callee, call);
    for (int axis = 2; axis < x->tensor->type.rank; axis++) {
        int64_t pad = of_axis(&p.constant[2], axis - 2), more = missing_cells(&p, x->tensor->type.dim[axis], axis - 2);
        text_add(&pads, "%s[%lld, %lld]", axis > 2 ? ", " : "", (long long)pad, (long long)(pad + more));
        most = more > most ? more : most;
        least = more < least ? more : least;
    }
    if (least < 0)
        return NULL;
    if (!most)
        return "every window fits: leave it out";
    text_add(&t, "more pad behind does it: %s(", callee);
    for (int i = 0, said = 0; i < call->items; i++) {
        if (call->item[i] == mode || call->item[i] == p.pad)
            continue;
        text_puts(&t, said++ ? ", " : "");
        if (!say_argument(e, &t, callee, call->item[i]))
            return NULL;
    }
    text_add(&t, ", pad = [%s]%s)", text_string(&pads),
             !strncmp(callee, "avg", 3) && !p.pad ? ", count_include_pad = false" : "");
    return text_string(&t);
}
