/* ir/infer.c: the types of an operation's results, by the rule its row in ops.def names; elementwise operations,
 * reductions, shapes, effects. Contractions, windows, indexed operations and bodies are in infer_linear.c and
 * infer_body.c. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/infer.h"
#include "ir/layout.h"

/* ---- what rules say ---- */

/* The language's word for an operation; "" where layers alone have it. */
static const char *word_of(enum op op)
{
    switch (op) {
    case OP_add: return "'+'";
    case OP_sub:
    case OP_neg: return "'-'";
    case OP_mul: return "'*'";
    case OP_div: return "'/'";
    case OP_eq: return "'=='";
    case OP_ne: return "'!='";
    case OP_lt: return "'<'";
    case OP_le: return "'<='";
    case OP_gt: return "'>'";
    case OP_ge: return "'>='";
    case OP_matmul: return "'@'";
    case OP_select: return "where";
    case OP_reduce_max: return "max";
    case OP_reduce_min: return "min";
    case OP_broadcast: return "broadcast_to";
    case OP_take_along: return "take_along_axis";
    case OP_iota: return "range";
    case OP_conv:
    case OP_conv_dx:
    case OP_maxpool:
    case OP_avgpool: return "";
    default: return op_info(op)->name;
    }
}

const char *op_said(const struct module *m, enum op op)
{
    if (!m->speaker)
        return op_info(op)->name;
    const char *word = word_of(op);
    if (!*m->speaker)
        return *word ? word : op_info(op)->name;
    return !*word || !strcmp(word, m->speaker) ? m->speaker : arena_printf(m->arena, "%s: %s", m->speaker, word);
}

bool wrong(const struct inference *f, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct module *m = f->n->graph->module;
    diag_error_hint(m->diag, f->n->at, NULL, NULL, m->hint, "%s %s", op_said(m, f->n->op), text);
    return false;
}

const char *shown(const struct inference *f, struct type t)
{
    return type_text(f->arena, t, f->n->graph->module->f64);
}

const char *shape_of(const struct inference *f, struct type t)
{
    return shape_text(f->arena, t);
}

bool want_dtype(const struct inference *f, int index, enum dtype d)
{
    enum dtype is = f->x[index].dtype;
    bool f64 = f->n->graph->module->f64;
    if (is == d)
        return true;
    if (d == DT_REAL)
        return wrong(f, "takes real tensors, not %s: convert with f32(...)", shown(f, f->x[index]));
    return wrong(f, "wants %s, not %s%s", dtype_name(d, f64), shown(f, f->x[index]),
                 d == DT_I32 ? ": convert with i32(...)" : "");
}

bool want_rank(const struct inference *f, int index, int least, int most)
{
    int rank = f->x[index].rank;
    if (rank >= least && rank <= most)
        return true;
    if (least == most)
        return wrong(f, "wants %d dimensions, not the %d of %s", least, rank, shown(f, f->x[index]));
    return wrong(f, "wants %d to %d dimensions, not the %d of %s", least, most, rank, shown(f, f->x[index]));
}

bool want_axis(const struct inference *f, int64_t axis, int rank)
{
    if (axis >= 0 && axis < rank)
        return true;
    return rank ? wrong(f, "has no axis %lld: %s has axes 0 to %d", (long long)axis, shape_of(f, f->x[0]), rank - 1)
                : wrong(f, "has no axis %lld: its operand is a scalar", (long long)axis);
}

bool want_fixed(const struct inference *f, struct type t, int64_t axis)
{
    return !t.dim[axis].n || wrong(f, "cannot work along the batch axis %lld of %s", (long long)axis, shape_of(f, t));
}

/* ---- elementwise ---- */

static bool same_shapes(const struct inference *f)
{
    for (int i = 1; i < f->n->operands; i++)
        if (!shape_equal(f->x[0], f->x[i]))
            return wrong(f, "needs shapes that broadcast: %s and %s", shape_of(f, f->x[0]), shape_of(f, f->x[i]));
    return true;
}

static bool same_dtypes(const struct inference *f)
{
    for (int i = 1; i < f->n->operands; i++)
        if (f->x[i].dtype != f->x[0].dtype)
            return wrong(f, "mixes %s and %s: convert one with f32(...) or i32(...)", shown(f, f->x[0]),
                         shown(f, f->x[i]));
    return true;
}

static bool infer_same(struct inference *f)
{
    f->type[0] = f->x[0];
    return true;
}

static bool infer_real(struct inference *f)
{
    for (int i = 0; i < f->n->operands; i++)
        if (!want_dtype(f, i, DT_REAL))
            return false;
    f->type[0] = f->x[0];
    return same_shapes(f);
}

static bool infer_arith(struct inference *f)
{
    if (!same_dtypes(f))
        return false;
    if (f->x[0].dtype != DT_REAL && f->x[0].dtype != DT_I32)
        return wrong(f, "cannot reckon with %s: convert with f32(...) or i32(...)", shown(f, f->x[0]));
    f->type[0] = f->x[0];
    return same_shapes(f);
}

static bool infer_compare(struct inference *f)
{
    if (!infer_arith(f))
        return false;
    f->type[0].dtype = DT_BOOL;
    return true;
}

static bool infer_logic(struct inference *f)
{
    for (int i = 0; i < f->n->operands; i++)
        if (!want_dtype(f, i, DT_BOOL))
            return false;
    f->type[0] = f->x[0];
    return same_shapes(f);
}

static bool infer_select(struct inference *f)
{
    if (!want_dtype(f, 0, DT_BOOL))
        return false;
    if (f->x[1].dtype != f->x[2].dtype)
        return wrong(f, "chooses between %s and %s: convert one with f32(...) or i32(...)", shown(f, f->x[1]),
                     shown(f, f->x[2]));
    if (f->x[1].dtype == DT_U8)
        return wrong(f, "cannot choose between %s: convert with f32(...) or i32(...)", shown(f, f->x[1]));
    f->type[0] = f->x[1];
    return same_shapes(f);
}

/* The element type an attribute names; false where it names none. */
static bool named_dtype(const struct inference *f, const char *attr, enum dtype *d)
{
    const char *word = attr_word(f->n, attr);
    bool f64 = f->n->graph->module->f64;
    for (enum dtype t = DT_REAL; t <= DT_BOOL; t++)
        if (!strcmp(word, dtype_name(t, f64))) {
            *d = t;
            return true;
        }
    return wrong(f, "knows no element type '%s'", word);
}

static bool infer_cast(struct inference *f)
{
    f->type[0] = f->x[0];
    return named_dtype(f, "to", &f->type[0].dtype);
}

/* ---- made from nothing ---- */

static bool take_shape(struct inference *f, const char *attr)
{
    int rank;
    const struct dim *dim = attr_dims(f->n, attr, &rank);
    if (rank > MAX_RANK)
        return wrong(f, "would have %d dimensions, of which there can be %d", rank, MAX_RANK);
    f->type[0].rank = rank;
    for (int i = 0; i < rank; i++) {
        if (dim[i].k < 1)
            return wrong(f, "cannot have a dimension of %lld", (long long)dim[i].k);
        f->type[0].dim[i] = dim[i];
    }
    return true;
}

/* Can an element of type d hold x as it is? */
static bool holds(enum dtype d, double x)
{
    static const double least[] = { [DT_I32] = INT32_MIN, [DT_U8] = 0, [DT_BOOL] = 0 };
    static const double most[] = { [DT_I32] = INT32_MAX, [DT_U8] = 255, [DT_BOOL] = 1 };
    return d == DT_REAL || (x >= least[d] && x <= most[d] && x == floor(x));
}

static bool want_held(const struct inference *f, enum dtype d, double x)
{
    return holds(d, x) || wrong(f, "cannot have the value %g as %s", x, dtype_name(d, f->n->graph->module->f64));
}

static bool infer_constant(struct inference *f)
{
    f->type[0] = type_scalar(DT_REAL);
    return named_dtype(f, "dtype", &f->type[0].dtype) && want_held(f, f->type[0].dtype, attr_real(f->n, "value"));
}

/* Positions along an axis are i32 values. */
static bool want_countable(const struct inference *f, struct type t, int64_t axis)
{
    return dim_size(t.dim[axis], f->n->graph->module->batch) <= INT32_MAX ||
           wrong(f, "cannot count along axis %lld of %s: an i32 ends at 2^31 - 1", (long long)axis, shape_of(f, t));
}

static bool infer_made(struct inference *f)
{
    f->type[0] = type_scalar(DT_REAL);
    if (!take_shape(f, "shape"))
        return false;
    if (f->n->op == OP_uniform && !(attr_real(f->n, "low") <= attr_real(f->n, "high")))
        return wrong(f, "needs low <= high, not %g and %g", attr_real(f->n, "low"), attr_real(f->n, "high"));
    if (f->n->op == OP_normal && !(attr_real(f->n, "deviation") >= 0))
        return wrong(f, "needs a deviation of at least 0, not %g", attr_real(f->n, "deviation"));
    if (f->n->op != OP_iota)
        return true;
    int64_t axis = attr_int(f->n, "axis");
    if (axis < 0 || axis >= f->type[0].rank)
        return wrong(f, "has no axis %lld in %s", (long long)axis, shape_of(f, f->type[0]));
    if (!named_dtype(f, "dtype", &f->type[0].dtype) || !want_countable(f, f->type[0], axis))
        return false;
    if (f->type[0].dtype != DT_REAL && f->type[0].dtype != DT_I32)
        return wrong(f, "makes real or i32 tensors, not %s", shown(f, f->type[0]));
    return true;
}

/* ---- reductions ---- */

static bool reduced(struct inference *f, struct type *out)
{
    int count;
    const int64_t *axes = attr_ints(f->n, "axes", &count);
    bool gone[MAX_RANK] = { false };
    for (int i = 0; i < count; i++) {
        if (!want_axis(f, axes[i], f->x[0].rank))
            return false;
        if (i && axes[i] <= axes[i - 1])
            return wrong(f, "needs distinct axes in ascending order, not %lld behind %lld", (long long)axes[i],
                         (long long)axes[i - 1]);
        gone[axes[i]] = true;
    }
    *out = type_scalar(f->x[0].dtype);
    for (int i = 0; i < f->x[0].rank; i++)
        if (!gone[i])
            out->dim[out->rank++] = f->x[0].dim[i];
        else if (attr_bool(f->n, "keepdims"))
            out->dim[out->rank++] = dim_of(1);
    return true;
}

static bool infer_reduce(struct inference *f)
{
    if (f->x[0].dtype != DT_I32 && !want_dtype(f, 0, DT_REAL))
        return false;
    return reduced(f, &f->type[0]);
}

static bool infer_moments(struct inference *f)
{
    if (!want_dtype(f, 0, DT_REAL) || !reduced(f, &f->type[0]))
        return false;
    f->type[1] = f->type[0];
    return true;
}

static bool infer_argmax(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis");
    if (f->x[0].dtype != DT_I32 && !want_dtype(f, 0, DT_REAL))
        return false;
    if (!want_axis(f, axis, f->x[0].rank) || !want_countable(f, f->x[0], axis))
        return false;
    f->type[0] = type_scalar(DT_I32);
    for (int i = 0; i < f->x[0].rank; i++)
        if (i != axis)
            f->type[0].dim[f->type[0].rank++] = f->x[0].dim[i];
    return true;
}

static bool infer_scanned(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis");
    f->type[0] = f->x[0];
    return want_dtype(f, 0, DT_REAL) && want_axis(f, axis, f->x[0].rank) && want_fixed(f, f->x[0], axis);
}

/* ---- shape ---- */

static bool infer_reshape(struct inference *f)
{
    f->type[0] = f->x[0];
    if (!take_shape(f, "shape"))
        return false;
    if (!shape_same_size(f->x[0], f->type[0]))
        return wrong(f, "cannot make %s of %s: they differ in size", shape_of(f, f->type[0]), shape_of(f, f->x[0]));
    return true;
}

static bool infer_broadcast(struct inference *f)
{
    struct type t;
    f->type[0] = f->x[0];
    if (!take_shape(f, "shape"))
        return false;
    if (!shape_broadcast(f->x[0], f->type[0], &t) || !shape_equal(t, f->type[0]))
        return wrong(f, "cannot spread %s to %s", shape_of(f, f->x[0]), shape_of(f, f->type[0]));
    return true;
}

static bool infer_transpose(struct inference *f)
{
    int count;
    const int64_t *perm = attr_ints(f->n, "perm", &count);
    bool seen[MAX_RANK] = { false };
    if (count != f->x[0].rank)
        return wrong(f, "is given %d axes for %s", count, shape_of(f, f->x[0]));
    f->type[0] = f->x[0];
    for (int i = 0; i < count; i++) {
        if (!want_axis(f, perm[i], count))
            return false;
        if (seen[perm[i]])
            return wrong(f, "is given axis %lld twice", (long long)perm[i]);
        seen[perm[i]] = true;
        f->type[0].dim[i] = f->x[0].dim[perm[i]];
    }
    return true;
}

static bool infer_slice(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis"), begin = attr_int(f->n, "begin"), end = attr_int(f->n, "end"),
            step = attr_int(f->n, "step");
    f->type[0] = f->x[0];
    if (!want_axis(f, axis, f->x[0].rank) || !want_fixed(f, f->x[0], axis))
        return false;
    if (step < 1)
        return wrong(f, "needs a step of at least 1, not %lld", (long long)step);
    if (begin < 0 || end > f->x[0].dim[axis].k || begin >= end)
        return wrong(f, "cannot take %lld..%lld of axis %lld of %s", (long long)begin, (long long)end, (long long)axis,
                     shape_of(f, f->x[0]));
    f->type[0].dim[axis] = dim_of((end - begin + step - 1) / step);
    return true;
}

static bool infer_reverse(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis");
    f->type[0] = f->x[0];
    return want_axis(f, axis, f->x[0].rank) && want_fixed(f, f->x[0], axis);
}

static bool infer_pad(struct inference *f)
{
    int count;
    const int64_t *pairs = attr_ints(f->n, "pairs", &count);
    if (count != 2 * f->x[0].rank)
        return wrong(f, "wants a pair for each axis of %s, not %d", shape_of(f, f->x[0]), count / 2);
    f->type[0] = f->x[0];
    for (int i = 0; i < f->x[0].rank; i++) {
        int64_t before = pairs[2 * i], after = pairs[2 * i + 1];
        if (before < 0 || after < 0 || before > MAX_ELEMENTS || after > MAX_ELEMENTS)
            return wrong(f, "cannot add %lld and %lld elements", (long long)before, (long long)after);
        if ((before || after) && !want_fixed(f, f->x[0], i))
            return false;
        f->type[0].dim[i].k += before + after;
    }
    return want_held(f, f->x[0].dtype, attr_real(f->n, "value"));
}

/* Every element moves to step times its place; zeros between and behind. */
static bool infer_dilate(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis"), step = attr_int(f->n, "step"), length = attr_int(f->n, "length");
    f->type[0] = f->x[0];
    if (!want_dtype(f, 0, DT_REAL) || !want_axis(f, axis, f->x[0].rank) || !want_fixed(f, f->x[0], axis))
        return false;
    if (step < 1 || length > MAX_ELEMENTS || (f->x[0].dim[axis].k - 1) > (length - 1) / step)
        return wrong(f, "cannot spread axis %lld of %s by %lld over %lld", (long long)axis, shape_of(f, f->x[0]),
                     (long long)step, (long long)length);
    f->type[0].dim[axis] = dim_of(length);
    return true;
}

static bool infer_concat(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis"), total = 0;
    f->type[0] = f->x[0];
    if (f->n->operands == 0)
        return wrong(f, "needs at least one operand");
    if (!want_axis(f, axis, f->x[0].rank) || !want_fixed(f, f->x[0], axis))
        return false;
    for (int i = 0; i < f->n->operands && total <= MAX_ELEMENTS; i++) {
        struct type t = operand(f->n, i)->type, like = f->x[0];
        if (t.rank == like.rank)
            like.dim[axis] = t.dim[axis];
        if (!type_equal(t, like) || t.dim[axis].n)
            return wrong(f, "needs shapes that agree but for axis %lld: %s and %s", (long long)axis, shown(f, f->x[0]),
                         shown(f, t));
        total += t.dim[axis].k;
    }
    f->type[0].dim[axis] = dim_of(total);
    return true;
}

/* ---- scalars of the optimizer, effects ---- */

static bool want_rule(const struct inference *f)
{
    static const char *const rules_known[] = { "constant", "step", "cosine", "linear" };
    const char *rule = attr_word(f->n, "rule");
    for (size_t i = 0; i < sizeof rules_known / sizeof rules_known[0]; i++)
        if (!strcmp(rule, rules_known[i]))
            return true;
    return wrong(f, "knows no rule '%s': constant, step, cosine and linear", rule);
}

static bool infer_hyper(struct inference *f)
{
    f->type[0] = type_scalar(DT_REAL);
    return want_dtype(f, 0, DT_I32) && want_rank(f, 0, 0, 0) && (f->n->op != OP_learning_rate || want_rule(f));
}

/* An output that depends on the batch is led by it; `bound` looks at indices. */
static bool infer_effect(struct inference *f)
{
    struct type x = f->x[0];
    if (f->n->op == OP_output)
        return !shape_batches(x) || x.dim[0].n || wrong(f, "must lead with N, not be %s", shown(f, x));
    if (x.dtype != DT_I32 && x.dtype != DT_U8)
        return wrong(f, "checks indices, not %s", shown(f, x));
    int64_t low = attr_int(f->n, "low"), high = attr_int(f->n, "high");
    return low <= high || wrong(f, "needs low <= high, not %lld and %lld", (long long)low, (long long)high);
}

static bool infer_scalar_effect(struct inference *f)
{
    if (f->x[0].rank)
        return wrong(f, "must be a scalar, not %s: take its sum or its mean", shown(f, f->x[0]));
    return want_dtype(f, 0, DT_REAL);
}

static bool infer_write(struct inference *f)
{
    const struct value *v = operand(f->n, 0);
    if (!v->var && (v->def || f->n->graph->kind != GRAPH_BODY))
        return wrong(f, "writes a variable, and its first operand is none");
    if (v->var && (v->var->role == ROLE_INPUT || v->var->role == ROLE_TARGET))
        return wrong(f, "cannot write the %s '%s'", role_name(v->var->role), v->var->name);
    if (f->n->op == OP_accumulate && !want_dtype(f, 0, DT_REAL))
        return false;
    if (!type_equal(f->x[0], f->x[1]))
        return wrong(f, "cannot put %s into %s", shown(f, f->x[1]), shown(f, f->x[0]));
    return true;
}

/* ---- the table ---- */

#define OP(name, operands, attributes, type, gradient, lowering, element, flags) infer_##type,
static infer_rule *const rules[OP_COUNT] = {
#include "ir/ops.def"
};
#undef OP

/* Results an operation has where they do not depend on its bodies. */
static int fixed_results(enum op op)
{
    if (op_is(op, EFFECT))
        return 0;
    switch (op) {
    case OP_moments:
    case OP_maxpool: return 2;
    case OP_attention_dx: return 3;
    default: return 1;
    }
}

static int result_count(const struct node *n)
{
    switch (n->op) {
    case OP_scan:
    case OP_custom:
    case OP_fused: return n->bodies && n->body[0] ? n->body[0]->yields : 0;
    default: return fixed_results(n->op);
    }
}

/* Sizes that no machine holds are refused here, for every operation; of those a model asks for each dimension, too, is to
 * be one that indices reach. Poison, which a body may yield, was reported. */
static bool within_limits(const struct inference *f)
{
    for (int i = 0; i < f->results; i++) {
        int64_t count;
        if (type_is_poison(f->type[i]))
            return false;
        for (int j = 0; j < f->type[i].rank; j++) {
            if (f->type[i].dim[j].k < 1)
                return wrong(f, "would give %s, which has no elements", shown(f, f->type[i]));
            if (f->n->graph->module->speaker && f->type[i].dim[j].k > MAX_DIMENSION)
                return wrong(f, "would give %s, and a dimension is at most %d (2^31 - 1)", shown(f, f->type[i]),
                             MAX_DIMENSION);
        }
        if (!type_count_checked(f->type[i], f->n->graph->module->batch, &count))
            return wrong(f, "would give %s, more than 2^40 elements", shown(f, f->type[i]));
    }
    return true;
}

/* Types of images and weights with their channels last, seen in the usual order, and back. */
static bool infer_turned(struct inference *f)
{
    int64_t perm[MAX_RANK];
    for (int i = 0; i < f->n->operands && i < MAX_OPERAND_NAMES; i++) {
        if (f->x[i].rank < 3)
            return wrong(f, "wants images of 3 to 5 dimensions, not %s", shown(f, f->x[i]));
        layout_perm(f->n->op, false, i, f->x[i].rank, perm);
        f->x[i] = layout_first(f->x[i], perm);
    }
    if (!rules[f->n->op](f))
        return false;
    for (int i = 0; i < f->results; i++) {
        layout_perm(f->n->op, true, i, f->type[i].rank, perm);
        f->type[i] = layout_last(f->type[i], perm);
    }
    return true;
}

bool infer_types(const struct node *n, struct inference *f)
{
    *f = (struct inference){ .n = n, .arena = n->graph->module->arena };
    for (int i = 0; i < n->operands; i++) {
        struct type t = operand(n, i)->type;
        if (type_is_poison(t))
            return false;
        if (i < MAX_OPERAND_NAMES)
            f->x[i] = t;
    }
    f->results = result_count(n);
    f->type = f->results <= 2 ? f->few : NEW_ARRAY(f->arena, f->results, struct type);
    return (layout_channels_last(n) ? infer_turned(f) : rules[n->op](f)) && within_limits(f);
}

bool infer(struct node *n)
{
    struct inference f;
    if (!infer_types(n, &f))
        return false;
    if (n->results > f.results)
        return wrong(&f, "gives %d results, not %d", f.results, n->results);
    while (n->results < f.results)
        node_add_result(n, f.type[n->results]);
    for (int i = 0; i < f.results; i++)
        n->result[i]->type = f.type[i];
    return true;
}
