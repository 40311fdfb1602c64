/* frontend/habit.c: calls as other libraries have them: hints of how they are written here.
 *
 * PyTorch's layers are told the size of what comes in, before all else: nn.Conv2d(3, 6, 5). Here it is known, and
 * conv2d(3, 6, 5) has 3 channels, a kernel of 6 and a stride of 5. Where such a call is wrong the hint says how it is
 * written; where it compiles, and no net would have it so, a warning does. */
#include <string.h>

#include "frontend/elab.h"

static struct val literal(const struct ast *x)
{
    return x->kind == A_INT                          ? v_int(x->i)
           : x->kind == A_REAL                       ? v_real(x->real)
           : x->kind == A_STRING                     ? v_string(x->text)
           : x->kind == A_TRUE || x->kind == A_FALSE ? v_bool(x->kind == A_TRUE)
                                                     : v_poison();
}

/* ---- arguments by names ---- */

static bool has_argument(struct elab *e, const char *callee, const char *word)
{
    int count;
    const char **names = formal_names(e, callee, &count), *here = argument_here(e, callee, word);

    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], here))
            return true;
    return false;
}

/* A layer of the library that has such an argument, and this one's name in its own, as multi_head_attention has attention's. */
static const char *layer_with(struct elab *e, const char *callee, const char *word)
{
    for (const struct binding *b = e->library->first; b; b = b->next)
        if (strcmp(b->name, callee) && strstr(b->name, callee) && has_argument(e, b->name, word))
            return b->name;
    return NULL;
}

/* pad = "same" of padding=same: a word that is nothing, where a text may stand; NULL of all else. */
static const char *quoted_value(struct elab *e, const char *callee, const struct ast *argument)
{
    const struct val *v = look_up(e, callee, true);
    const struct block *b = v && v->kind == V_BLOCK ? v->block : NULL;
    const char *here = argument_here(e, callee, argument->text), *word = argument->a->text;
    const struct val text = v_string(word);

    if (argument->a->kind != A_NAME || look_up(e, word, false))
        return NULL;
    for (int i = 0; b && i < b->tree->items; i++)
        if (!strcmp(b->tree->item[i]->text, here) && b->tree->item[i]->b && kind_suits(b, i, &text))
            return arena_printf(e->arena, "%s = \"%s\"", here, word);
    return NULL;
}

const char *named_hint(struct elab *e, const char *callee, const struct ast *call, const struct ast *argument,
                       const struct val *x)
{
    struct text t = text_make(e->arena);
    int count;
    const char **names = formal_names(e, callee, &count);
    const struct val v = literal(argument->a);
    const char *value = foreign_value(e, argument_here(e, callee, argument->text), &v, false, true);

    value = value ? value : quoted_value(e, callee, argument);
    if (value)
        return diag_meant(e->arena, value);
    if (!strcmp(argument->text, "ceil_mode") && has_argument(e, callee, "kernel") &&
        !has_argument(e, callee, "channels")) {
        const char *hint = ceil_hint(e, callee, call, argument, x);
        return hint ? hint : arguments_hint(e, argument->text, names, count);
    }
    if (has_argument(e, callee, argument->text))
        return argument->a->kind == A_TUPLE && say_argument(e, &t, callee, argument)
                   ? diag_meant(e->arena, text_string(&t))
                   : arguments_hint(e, argument->text, names, count);
    const char *other = layer_with(e, callee, argument->text);
    return other && call && say_call_of(e, &t, other, call) ? diag_meant(e->arena, text_string(&t))
                                                            : arguments_hint(e, argument->text, names, count);
}

/* ---- what stands in other places ---- */

const char *chained_hint(struct elab *e, const char *callee, const struct ast *call, const struct ast *layer)
{
    struct ast rest = { .kind = A_CALL, .item = NEW_ARRAY(e->arena, call->items, struct ast *) };
    struct text t = text_make(e->arena);

    for (int i = 0; i < call->items; i++)
        if (call->item[i] != layer)
            rest.item[rest.items++] = call->item[i];
    text_puts(&t, "what is applied next stands behind: x |> ");
    bool said = say(e, &t, layer);
    text_puts(&t, " |> ");
    if (rest.items)
        said = said && say_call_of(e, &t, callee, &rest);
    else
        text_puts(&t, callee);
    return said ? text_string(&t) : "what is applied next stands behind: x |> f |> g";
}

static bool say_formal(struct elab *e, struct text *t, const struct ast *f)
{
    text_puts(t, f->text);
    if (f->b)
        text_add(t, " : %s", f->b->text);
    text_puts(t, f->a ? " = " : "");
    return !f->a || say(e, t, f->a);
}

const char *formals_hint(struct elab *e, const struct block *b, int tensors)
{
    const struct ast *tree = b->tree;
    struct text t = text_make(e->arena);
    bool more = !tensors || tensors >= tree->items; /* a tensor than has a name */

    text_add(&t, "tensors stand before ';', constants behind it: block %s(%s", tree->text,
             !more         ? ""
             : tree->items ? "x; "
                           : "x");
    for (int i = 0; i < tree->items; i++) {
        text_puts(&t, !i ? "" : i == tensors && !more ? "; " : ", ");
        if ((more && !strcmp(tree->item[i]->text, "x")) || !say_formal(e, &t, tree->item[i]))
            return NULL;
    }
    text_puts(&t, ")");
    return text_string(&t);
}

/* ---- what is missing ---- */

/* What such a constant may be. */
static const char *example_of(struct elab *e, const struct ast *formal)
{
    static const char *const rows[][2] = {
        { "kernel", "3" },    { "out", "10" },        { "channels", "16" },
        { "hidden", "64" },   { "heads", "2" },       { "entries", "1000" },
        { "dim", "64" },      { "groups", "1" },      { "size", "1" },
        { "lo", "-1" },       { "hi", "1" },          { "f", "relu" },
        { ": int", "8" },     { ": ints", "[2, 2]" }, { ": real", "0.5" },
        { ": bool", "true" }, { ": pads", "1" },      { ": string", "\"...\"" },
    };
    const char *kind = formal->b ? arena_printf(e->arena, ": %s", formal->b->text) : "";

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i][0], formal->text) || !strcmp(rows[i][0], kind))
            return rows[i][1];
    return "...";
}

const char *example_hint(struct elab *e, const struct block *b, const struct ast *call, const bool *given)
{
    const struct ast *tree = b->tree;
    struct text t = text_make(e->arena);
    int said = call ? call->items : 0;

    text_add(&t, "as in %s(", tree->text);
    for (int i = 0; i < said; i++) {
        text_puts(&t, i ? ", " : "");
        if (!say_argument(e, &t, tree->text, call->item[i]))
            return NULL;
    }
    for (int i = 0; i < tree->items; i++)
        if (tree->item[i]->flag && !given[i] && !tree->item[i]->a)
            text_add(&t, "%s%s = %s", said++ ? ", " : "", tree->item[i]->text, example_of(e, tree->item[i]));
    text_puts(&t, ")");
    return text_string(&t);
}

/* ---- a constant left out ---- */

/* The call, with all its arguments but one; NULL where that is not to be said in short. */
static const char *call_text(struct elab *e, const struct block *b, const struct ast *call, const struct ast *but)
{
    struct text t = text_make(e->arena);
    int left = call->items - (but != NULL);

    text_add(&t, "%s%s", b->tree->text, left ? "(" : "");
    for (int i = 0, said = 0; i < call->items; i++) {
        if (call->item[i] == but)
            continue;
        text_puts(&t, said++ ? ", " : "");
        if (!say(e, &t, call->item[i]))
            return NULL;
    }
    text_puts(&t, left ? ")" : "");
    return text_string(&t);
}

static int next_constant(const struct block *b, int from)
{
    while (from < b->tree->items && !b->tree->item[from]->flag)
        from++;
    return from;
}

static bool names_one_before(const struct block *b, const struct ast *call, int formal)
{
    for (int k = 0; k < call->items; k++)
        for (int i = 0; i < formal && call->item[k]->kind == A_ARG; i++)
            if (b->tree->item[i]->flag && b->tree->item[i]->text == call->item[k]->text)
                return true;
    return false;
}

/* Whether the constants behind this one, which is number i among the formals, go with those before their own, by place. */
static bool moves_up(const struct block *b, const struct ast *call, const struct ast *out, int i)
{
    int k = 0;

    while (call->item[k] != out)
        k++;
    for (k++; k < call->items; k++) {
        struct val v = literal(call->item[k]);
        if (call->item[k]->kind == A_ARG)
            continue;
        if (i >= b->tree->items || (v.kind != V_POISON && !kind_suits(b, i, &v)))
            return false;
        i = next_constant(b, i + 1);
    }
    return !names_one_before(b, call, i);
}

static const char *moved_up(struct elab *e, const struct block *b, const struct ast *call, const struct ast *out, int i)
{
    return call && out && moves_up(b, call, out, i) ? call_text(e, b, call, out) : NULL;
}

const char *known_size_hint(struct elab *e, const char *written)
{
    static const char known[] = "sizes of what comes in are known, and left out";

    return written ? arena_printf(e->arena, "%s: %s", known, written) : known;
}

const char *known_sizes(struct elab *e, const struct block *b, const struct ast *call, const struct ast *out, int i)
{
    return known_size_hint(e, moved_up(e, b, call, out, i));
}

/* ---- what no net has ---- */

/* A layer applied to x: the constants that are given by place, and others by name. */
struct habit {
    const struct layer *l;
    struct type x;
    int constant[4], given; /* formals */
};

static const struct val *by_place(const struct habit *h, int k)
{
    return &h->l->constant[h->constant[k]];
}

static const struct val *by_name(const struct habit *h, const char *formal)
{
    const struct ast *tree = h->l->block->tree;
    for (int i = 0; i < tree->items; i++)
        if (!strcmp(tree->item[i]->text, formal) && h->l->given[i])
            return &h->l->constant[i];
    return NULL;
}

static bool has(const struct habit *h, const char *formal)
{
    const struct ast *tree = h->l->block->tree;
    for (int i = 0; i < tree->items; i++)
        if (!strcmp(tree->item[i]->text, formal))
            return true;
    return false;
}

static int64_t size_of_axis(const struct habit *h, int axis)
{
    return axis < h->x.rank && !h->x.dim[axis].n ? h->x.dim[axis].k : 0;
}

/* Whether the kernel fits into the padded input, as it need not in a transposed convolution. */
static bool fits(const struct habit *h, int64_t kernel, int first_axis)
{
    const struct val *pad = by_name(h, "pad");
    if (pad && pad->kind != V_INT)
        return true;
    for (int axis = first_axis; axis < first_axis + h->x.rank - 2; axis++)
        if (kernel > size_of_axis(h, axis) + 2 * (pad ? pad->i : 0))
            return false;
    return true;
}

/* What a padded kernel covers of an axis: the stride where one multiplies the other's size. */
static int64_t covered(const struct habit *h, int64_t kernel)
{
    const struct val *pad = by_name(h, "pad"), *more = has(h, "output_pad") ? by_name(h, "output_pad") : NULL;
    return kernel - (pad && pad->kind == V_INT ? 2 * pad->i : 0) + (more && more->kind == V_INT ? more->i : 0);
}

/* (in, out, kernel) read as (channels, kernel, stride). Nets have strides of 1 and even ones, kernels up to twice an even
 * stride or wider by their pads, large kernels odd, and an odd stride as wide as its kernel, or where the channels change. A
 * transposed convolution pads less than its kernel. */
static bool is_window(const struct habit *h)
{
    const struct val *layout = by_name(h, "layout");
    bool last = layout && layout->kind == V_STRING && !strcmp(layout->text, "nhwc");
    if (h->given < 3 || by_place(h, 1)->kind != V_INT || by_place(h, 2)->kind != V_INT ||
        by_place(h, 0)->i != size_of_axis(h, last ? h->x.rank - 1 : 1))
        return false;
    int64_t kernel = by_place(h, 1)->i, stride = by_place(h, 2)->i;
    if (kernel < 1 || stride < 1)
        return false;
    bool odd = stride >= 3 && (stride % 2 ? kernel != stride : kernel < stride);
    bool transposed = has(h, "output_pad"), large = kernel >= 16 && (stride > 1 || h->given == 3),
         wide = kernel % 2 == 0 && kernel / 2 > stride && (large || (stride > 1 && covered(h, kernel) != stride));
    return odd || wide || (transposed ? covered(h, kernel) <= 0 : !fits(h, kernel, last ? 1 : 2));
}

/* (in, hidden) read as (hidden, layers). */
static bool is_depth(const struct habit *h)
{
    return h->given >= 2 && by_place(h, 0)->i == size_of_axis(h, 2) && by_place(h, 1)->kind == V_INT &&
           by_place(h, 1)->i > 8;
}

/* (channels) read as (axis), which is one of an image's. */
static bool is_axis(const struct habit *h)
{
    int64_t axis = by_place(h, 0)->i;
    return h->x.rank >= 4 && axis >= 2 && axis == size_of_axis(h, 1) && size_of_axis(h, 2) != axis;
}

static const struct row {
    int place; /* of the constant that tells the layer */
    const char *constant;
    bool (*is)(const struct habit *h);
} rows[] = { { 0, "axis", is_axis }, { 1, "kernel", is_window }, { 1, "layers", is_depth } };

static bool is_habit(const struct habit *h)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(h->l->block->tree->item[h->constant[rows[i].place]]->text, rows[i].constant))
            return rows[i].is(h);
    return false;
}

const char *known_size_meant(struct elab *e, const struct layer *l, const struct val *tensor)
{
    const struct block *b = l->block;
    struct habit h = { .l = l };

    if (!b->library || !l->first || l->call->at.file == library_file || tensor->kind != V_TENSOR)
        return NULL;
    h.x = tensor->tensor->type;
    for (int k = 0, i = 0; k < 4; k++, i++) {
        h.constant[k] = i = next_constant(b, i);
        if (i >= b->tree->items)
            return NULL;
        h.given += k < l->by_place;
    }
    return by_place(&h, 0)->kind == V_INT && is_habit(&h) ? moved_up(e, b, l->call, l->first, h.constant[0]) : NULL;
}

void warn_of_known_size(struct elab *e, const struct layer *l, const char *written)
{
    const struct block *b = l->block;
    struct text t = text_make(e->arena);

    for (int k = 0, i = 0; k < l->by_place; k++, i++) {
        i = next_constant(b, i);
        text_add(&t, "%s%s = %s", k ? ", " : "", b->tree->item[i]->text, val_text(e, &l->constant[i]));
    }
    diag_warning_hint(e->diag, l->at, diag_meant(e->arena, written),
                      "%s is %s: sizes of what comes in are known, and left out", call_text(e, b, l->call, NULL),
                      text_string(&t));
}
