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

/* What the model calls this tensor, here. */
static const char *own_name(const struct elab *e, const struct value *x)
{
    for (const struct binding *b = e->in_library ? NULL : e->env->first; b; b = b->next)
        if (b->v.kind == V_TENSOR && b->v.tensor == x && !strchr(b->name, '.'))
            return b->name;
    return "x";
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

const char *residual_hint(struct elab *e, const struct value *a, const struct value *b)
{
    static const struct layout layouts[] = { { 1, 2, 3, "" }, { 3, 1, 2, ", layout = \"nhwc\"" } };
    bool apart = a->type.rank == 4 && b->type.rank == 4 && dim_equal(a->type.dim[0], b->type.dim[0]), differs = false;

    for (int i = 1; apart && i < 4; i++)
        differs |= !dim_equal(a->type.dim[i], b->type.dim[i]);
    if (!differs)
        return NULL;
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
    return hint ? arena_printf(e->arena, "axes go together from the last: %s", hint) : NULL;
}
