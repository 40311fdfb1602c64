/* frontend/builtin_lists.c: functions of the library over compile-time values: lists of sizes and axes, paddings,
 * conditions with their messages. */
#include <math.h>
#include <string.h>

#include "frontend/builtin.h"

struct val builtin_len(struct elab *e, struct builtin_args *g)
{
    if (g->arg[0].kind == V_LIST)
        return v_int(g->arg[0].items);
    error_at(e, g->at, "len takes a list, not %s", describe(e, &g->arg[0]));
    return v_poison();
}

/* How many axes there are. */
static bool arg_rank(struct elab *e, struct builtin_args *g, int i, int *rank)
{
    int64_t n;
    if (!arg_int(e, g, i, &n))
        return false;
    *rank = (int)n;
    if (n >= 0 && n <= MAX_RANK)
        return true;
    error_at(e, e->at, "'%s' of '%s' is a number of axes, from 0 to %d, not %lld", g->name[i], g->f->name, MAX_RANK,
             (long long)n);
    return false;
}

/* A number for each of n axes. */
static bool arg_per_axis(struct elab *e, struct builtin_args *g, int i, int n, int64_t **list)
{
    int count;
    if (!arg_ints(e, g, i, list, &count))
        return false;
    if (count == n)
        return true;
    error_at(e, e->at, "'%s' of '%s' has %d numbers for %d axes", g->name[i], g->f->name, count, n);
    return false;
}

/* A number for each of n axes: one number stands for all. `what` they are is at least 1 each. */
struct val builtin_spread(struct elab *e, struct builtin_args *g)
{
    int64_t *list;
    int n, count;
    const char *what = g->arg[2].kind == V_STRING ? g->arg[2].text : NULL;
    if (!arg_rank(e, g, 1, &n) || !arg_ints(e, g, 0, &list, &count))
        return v_poison();
    if (count != n && count != 1) {
        error_at(e, e->at, "%s%s%d numbers for %d axes", what ? what : "", what ? " has " : "", count, n);
        return v_poison();
    }
    for (int i = 0; what && i < count; i++)
        if (list[i] < 1) {
            error_at(e, e->at, "%s is at least 1, not %s", what, val_text(e, &g->arg[0]));
            return v_poison();
        }
    struct val v = v_list(e, n);
    for (int i = 0; i < n; i++)
        v.item[i] = v_int(list[count == 1 ? 0 : i]);
    return v;
}

static bool one_padding(struct elab *e, const struct val *p, int64_t *before, int64_t *after)
{
    if (p->kind == V_INT) {
        *before = *after = p->i;
        return true;
    }
    if (p->kind == V_LIST && p->items == 2 && p->item[0].kind == V_INT && p->item[1].kind == V_INT) {
        *before = p->item[0].i;
        *after = p->item[1].i;
        return true;
    }
    error_at(e, e->at, "pad is a number, \"same\", or for each axis a number or a pair [before, after], not %s",
             describe(e, p));
    return false;
}

/* pad = 1, [1, 2], [[0, 1], 2] or "same": before and after for each of n axes. */
struct val builtin_padding(struct elab *e, struct builtin_args *g)
{
    int64_t *kernel, *dilation, *stride;
    int n;
    const struct val *p = &g->arg[0];
    if (!arg_rank(e, g, 1, &n) || !arg_per_axis(e, g, 2, n, &kernel) || !arg_per_axis(e, g, 3, n, &dilation) ||
        !arg_per_axis(e, g, 4, n, &stride))
        return v_poison();
    struct val v = v_list(e, 2 * n);
    bool same = p->kind == V_STRING;
    if (same && strcmp(p->text, "same")) {
        error_at(e, e->at, "pad is a number, a list or \"same\", not \"%.40s\"", p->text);
        return v_poison();
    }
    if (p->kind == V_LIST && p->items != n) {
        error_at(e, e->at, "pad is given for %d axes, and there are %d", p->items, n);
        return v_poison();
    }
    for (int i = 0; i < n; i++) {
        int64_t before, after;
        if (same) {
            if (stride[i] != 1) {
                error_at(e, e->at, "pad = \"same\" needs stride 1");
                return v_poison();
            }
            int64_t total = dilation[i] * (kernel[i] - 1);
            before = total / 2;
            after = total - before;
        } else if (!one_padding(e, p->kind == V_LIST ? &p->item[i] : p, &before, &after)) {
            return v_poison();
        }
        v.item[2 * i] = v_int(before);
        v.item[2 * i + 1] = v_int(after);
    }
    return v;
}

/* Ends with the message, and a hint where there is one, where the condition does not hold. */
struct val builtin_require(struct elab *e, struct builtin_args *g)
{
    bool holds;
    const char *message = arg_word(e, g, 1);
    if (!message || !arg_bool(e, g, 0, &holds))
        return v_poison();
    if (holds)
        return v_none();
    error_hint(e, e->at, NULL, NULL, g->arg[2].kind == V_STRING ? g->arg[2].text : NULL, "%s", message);
    e->returned = true; /* the rest of the block would only complain of the same */
    e->result = v_poison();
    return v_poison();
}

/* Warns of tensors that are compared element by element and have different shapes; a number goes with any. */
struct val builtin_paired(struct elab *e, struct builtin_args *g)
{
    struct value *a = arg_tensor(e, g, 0, DT_REAL), *b = arg_tensor(e, g, 1, DT_REAL);
    struct type wide;
    if (!a || !b)
        return v_poison();
    if (shape_equal(a->type, b->type) || !a->type.rank || !b->type.rank || !shape_broadcast(a->type, b->type, &wide))
        return v_none();
    diag_warning(e->diag, e->at, "%s: %s and %s differ in shape: the mean is over %s", e->m->speaker,
                 shape_text(e->arena, a->type), shape_text(e->arena, b->type), shape_text(e->arena, wide));
    return v_none();
}

/* The target that the values are, perhaps converted; NULL where they are none. */
static const struct var *target_of(const struct value *x)
{
    while (x->def && x->def->op == OP_cast)
        x = operand(x->def, 0);
    return x->var && x->var->role == ROLE_TARGET ? x->var : NULL;
}

/* Warns of a loss of logits that is given what its own softmax, or sigmoid, has made already, or a target. */
struct val builtin_of_logits(struct elab *e, struct builtin_args *g)
{
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    const char *has = arg_word(e, g, 1);
    if (!x || !has)
        return v_poison();
    if (target_of(x))
        diag_warning(e->diag, e->at, "%s takes logits first, and this is target '%s'", e->m->speaker,
                     target_of(x)->name);
    const char *layer = x->def && x->def->layer ? x->def->layer : "", *last = strrchr(layer, '.');
    bool made = x->def && !strncmp(x->def->op == OP_custom ? (last ? last + 1 : layer) : op_info(x->def->op)->name, has,
                                   strlen(has));
    if (made)
        diag_warning(e->diag, e->at, "%s takes logits: it has a %s of its own", e->m->speaker, has);
    return v_none();
}

/* Whether the labels are as the logits are without this axis. */
static bool classes_along(struct type logits, struct type label, int axis)
{
    bool same = label.rank == logits.rank - 1;
    for (int i = 0; same && i < label.rank; i++)
        same = dim_equal(label.dim[i], logits.dim[i + (i >= axis)]);
    return same;
}

/* Whether layer linear made it of more axes than a sample's features. */
static bool is_of_linear(const struct value *x)
{
    const struct node *n = x->def && x->def->op == OP_reshape ? operand(x->def, 0)->def : NULL;
    n = n && n->op == OP_add ? operand(n, 0)->def : n;
    return n && n->op == OP_matmul;
}

/* Of logits that have more axes than one label a sample takes. */
static const char *one_label_hint(struct elab *e, const struct value *logits, int axis)
{
    struct type t = logits->type;
    bool linear = is_of_linear(logits);
    long long classes = (long long)t.dim[linear ? axis : 1].k;
    const char *makes = linear ? arena_printf(e->arena, "x |> flatten |> linear(%lld) makes them", classes)
                               : "x |> global_avgpool makes them";
    return arena_printf(e->arena, "one label a sample takes logits [N,%lld]: %s", classes, makes);
}

/* What a loss or metric, the speaker, needs whose labels do not go with its logits; none where there is no saying. */
struct val builtin_labels_hint(struct elab *e, struct builtin_args *g)
{
    struct value *logits = arg_tensor(e, g, 0, DT_REAL), *label = arg_tensor(e, g, 1, DT_I32);
    int64_t given;
    if (!logits || !label || !arg_int(e, g, 2, &given))
        return v_poison();
    struct type x = logits->type, y = label->type;
    int axis = given >= -x.rank && given < x.rank ? (int)(given < 0 ? given + x.rank : given) : x.rank;
    const char *first = strcmp(e->m->speaker, "nll") ? "logits" : "logp", *hint = NULL;
    if (x.dtype == DT_I32 && y.dtype == DT_REAL)
        hint = arena_printf(e->arena, "the labels come second: %s(%s, label)", e->m->speaker, first);
    else if (shape_equal(x, y) && y.dtype == DT_REAL)
        hint = "a label is the number of a class: argmax(label) of what is one-hot";
    else if (y.rank == x.rank && axis < y.rank && dim_equal(y.dim[axis], dim_of(1)))
        hint = arena_printf(e->arena, "squeeze(label, %d) leaves the axis of 1 out", axis);
    else if (axis != 1 && x.rank > 2 && classes_along(x, y, 1))
        hint = arena_printf(e->arena, "where axis 1 is that of the classes: %s(%s, label, axis = 1)", e->m->speaker,
                            first);
    else if (x.rank > 2 && y.rank == 1 && axis < x.rank)
        hint = one_label_hint(e, logits, axis);
    return hint ? v_string(hint) : v_none();
}

/* The axes of a tensor of `rank` that are not among `axes`. */
struct val builtin_all_but(struct elab *e, struct builtin_args *g)
{
    int64_t *axes;
    int rank, count, kept = 0;
    if (!arg_rank(e, g, 1, &rank) || !arg_ints(e, g, 0, &axes, &count))
        return v_poison();
    for (int k = 0; k < count; k++)
        if (axes[k] < -rank || axes[k] >= rank) {
            error_at(e, e->at, "there is no axis %lld in a tensor of %d dimensions", (long long)axes[k], rank);
            return v_poison();
        }
    struct val v = v_list(e, rank);
    for (int i = 0; i < rank; i++) {
        bool out = false;
        for (int k = 0; k < count; k++)
            out |= (axes[k] < 0 ? axes[k] + rank : axes[k]) == i;
        if (!out)
            v.item[kept++] = v_int(i);
    }
    v.items = kept;
    return v;
}

static bool list_of(struct elab *e, struct builtin_args *g, struct val *copy)
{
    if (g->arg[0].kind != V_LIST) {
        error_at(e, e->at, "'%s' takes a list, not %s", g->f->name, describe(e, &g->arg[0]));
        return false;
    }
    *copy = v_list(e, g->arg[0].items);
    memcpy(copy->item, g->arg[0].item, (size_t)copy->items * sizeof *copy->item);
    return true;
}

/* The list with one element changed. */
struct val builtin_replace(struct elab *e, struct builtin_args *g)
{
    struct val v;
    int axis;
    if (!list_of(e, g, &v) || !arg_axis(e, g, 1, v.items, &axis))
        return v_poison();
    v.item[axis] = g->arg[2];
    return weigh_list(e, &v, e->at) ? v : v_poison();
}

/* Argument 1 as places in a list of n elements, which may be longer than a tensor has axes. */
static bool arg_elements(struct elab *e, struct builtin_args *g, int n, int64_t **at, int *count)
{
    *at = NEW_ARRAY(e->arena, n + 1, int64_t);
    return arg_axes(e, g, 1, n, *at, count);
}

/* Those elements of the list. */
struct val builtin_pick(struct elab *e, struct builtin_args *g)
{
    struct val v;
    int64_t *at;
    int count;
    if (!list_of(e, g, &v) || !arg_elements(e, g, v.items, &at, &count))
        return v_poison();
    for (int i = 0; i < count; i++)
        v.item[i] = v.item[at[i]];
    v.items = count;
    return v;
}

/* The list with 1 in place of all elements but those. */
struct val builtin_keep(struct elab *e, struct builtin_args *g)
{
    struct val v;
    int64_t *at;
    int count;
    if (!list_of(e, g, &v) || !arg_elements(e, g, v.items, &at, &count))
        return v_poison();
    struct val kept = v_list(e, v.items);
    for (int i = 0; i < v.items; i++)
        kept.item[i] = v_int(1);
    for (int i = 0; i < count; i++)
        kept.item[at[i]] = v.item[at[i]];
    return kept;
}

/* The permutation that moves one axis to the end. */
struct val builtin_move_last(struct elab *e, struct builtin_args *g)
{
    int64_t axis;
    int rank;
    if (!arg_int(e, g, 0, &axis) || !arg_rank(e, g, 1, &rank))
        return v_poison();
    struct val v = v_list(e, rank);
    for (int i = 0, k = 0; i < rank; i++)
        if (i != axis)
            v.item[k++] = v_int(i);
    if (axis < 0 || axis >= rank) {
        error_at(e, e->at, "no axis %lld in a tensor of %d dimensions", (long long)axis, rank);
        return v_poison();
    }
    v.item[rank - 1] = v_int(axis);
    return v;
}

/* A gradient summed back to the shape that was broadcast. */
struct val builtin_unbroadcast(struct elab *e, struct builtin_args *g)
{
    struct value *dy = arg_tensor(e, g, 0, DT_REAL), *like = arg_tensor(e, g, 1, DT_REAL);
    struct build b = builder(e);
    return dy && like ? v_tensor(build_unbroadcast(&b, dy, like->type)) : v_poison();
}

/* The first of several values. */
struct val builtin_first(struct elab *e, struct builtin_args *g)
{
    if (g->mores)
        return g->more[0];
    error_at(e, e->at, "first takes tensors, not %s", describe(e, &g->arg[0]));
    return v_poison();
}

/* As require: the rest of the layer would only complain of the same. */
static struct val refused(struct elab *e)
{
    e->returned = true;
    e->result = v_poison();
    return v_poison();
}

static bool is_feature_count(struct elab *e, const struct val *v, const char *what)
{
    if (v->kind == V_INT && v->i >= 1 && v->i <= INT32_MAX)
        return true;
    if (v->kind == V_INT)
        error_at(e, e->at, "sparse_linear: %s is 1 to 2147483647, not %lld", what, (long long)v->i);
    else if (v->kind != V_POISON)
        error_at(e, e->at, "sparse_linear: %s is an integer, not %s", what, describe(e, v));
    return false;
}

/* How many entries a layer has: p * in * out with p = epsilon * (in + out) / (in * out), at most 1 (Mocanu et al. 2018). */
struct val builtin_erdos_renyi(struct elab *e, struct builtin_args *g)
{
    double epsilon;
    if (!is_feature_count(e, &g->arg[0], "the feature axis") || !is_feature_count(e, &g->arg[1], "out") ||
        !arg_real(e, g, 2, &epsilon))
        return refused(e);
    double in = (double)g->arg[0].i, out = (double)g->arg[1].i;
    double most = in * out, count = round(epsilon * (in + out));
    return v_int((int64_t)(count < 1 ? 1 : count > most ? most : count));
}
