/* frontend/builtin_ops.c: what the rows of builtin.def run: operations made through ir/build.h, or numbers reckoned. */
#include <math.h>
#include <string.h>

#include "frontend/builtin.h"

static struct val made(struct node *n)
{
    return n ? v_tensor(n->result[0]) : v_poison();
}

static struct val pair(struct elab *e, struct node *n)
{
    if (!n)
        return v_poison();
    struct val v = v_list(e, 2);
    v.kind = V_TUPLE;
    v.item[0] = v_tensor(n->result[0]);
    v.item[1] = v_tensor(n->result[1]);
    return v;
}

static enum dtype like_of(const struct val *v, enum dtype otherwise)
{
    return v->kind == V_TENSOR ? v->tensor->type.dtype : otherwise;
}

/* ---- elementwise ---- */

static double reckon(const char *f, double x)
{
    switch (f[0]) {
    case 'a': return fabs(x);
    case 'n': return -x;
    case 'e': return f[1] == 'x' ? exp(x) : erf(x);
    case 'l': return log(x);
    case 'c': return f[1] == 'e' ? ceil(x) : cos(x);
    case 't': return tanh(x);
    case 'f': return floor(x);
    case 'r': return !strcmp(f, "rsqrt") ? 1 / sqrt(x) : !strcmp(f, "round") ? nearbyint(x) : 1 / x;
    default: break;
    }
    if (!strcmp(f, "sqrt"))
        return sqrt(x);
    if (!strcmp(f, "sin"))
        return sin(x);
    if (!strcmp(f, "sigmoid"))
        return 1 / (1 + exp(-x));
    if (!strcmp(f, "sign"))
        return (x > 0) - (x < 0);
    return x;
}

struct val builtin_unary(struct elab *e, struct builtin_args *g)
{
    if (is_number(&g->arg[0])) {
        bool whole = g->arg[0].kind == V_INT && strchr("anf", g->f->name[0]) && strcmp(g->f->name, "neg") != 0;
        double x = reckon(g->f->name, number_of(&g->arg[0]));
        return whole && fabs(x) < 9e15 ? v_int((int64_t)x) : v_real(x);
    }
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    struct build b = builder(e);
    return x ? v_tensor(build_unary(&b, (enum op)op_find(g->f->name), x)) : v_poison();
}

struct val builtin_square(struct elab *e, struct builtin_args *g)
{
    return binary(e, "*", g->arg[0], g->arg[0], g->at);
}

struct val builtin_cast(struct elab *e, struct builtin_args *g)
{
    bool real = g->f->name[0] == 'f';
    if (is_number(&g->arg[0])) {
        double x = number_of(&g->arg[0]);
        return real ? v_real(x) : v_int((int64_t)(fabs(x) < 2147483648.0 ? x : 0));
    }
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    struct build b = builder(e);
    return x ? v_tensor(build_cast(&b, x, real ? DT_REAL : DT_I32)) : v_poison();
}

static struct val two(struct elab *e, struct builtin_args *g, enum op op)
{
    enum dtype like = like_of(&g->arg[0], like_of(&g->arg[1], DT_REAL));
    struct value *x = arg_tensor(e, g, 0, like), *y = arg_tensor(e, g, 1, like);
    struct build b = builder(e);
    return x && y ? v_tensor(build_binary(&b, op, x, y)) : v_poison();
}

struct val builtin_binary(struct elab *e, struct builtin_args *g)
{
    if (is_number(&g->arg[0]) && is_number(&g->arg[1]))
        return v_real(pow(number_of(&g->arg[0]), number_of(&g->arg[1])));
    return two(e, g, OP_pow);
}

struct val builtin_where(struct elab *e, struct builtin_args *g)
{
    if (g->arg[0].kind == V_BOOL && is_number(&g->arg[1]) && is_number(&g->arg[2]))
        return g->arg[g->arg[0].i ? 1 : 2];
    enum dtype like = like_of(&g->arg[1], like_of(&g->arg[2], DT_REAL));
    struct value *c = arg_tensor(e, g, 0, DT_BOOL), *x = arg_tensor(e, g, 1, like), *y = arg_tensor(e, g, 2, like);
    struct build b = builder(e);
    if (c && !is_poison(c) && c->type.dtype != DT_BOOL) {
        error_at(e, g->where[0], "where chooses by a bool tensor, not by %s: compare first, as in x > 0",
                 type_text(e->arena, c->type, e->m->f64));
        return v_poison();
    }
    return c && x && y ? v_tensor(build_select(&b, c, x, y)) : v_poison();
}

/* ---- reductions ---- */

/* Of true and false nothing is added up. */
static bool adds(struct elab *e, const struct builtin_args *g, const struct value *x)
{
    struct text t = text_make(e->arena);
    const struct ast *first = first_written(g);

    if (!x || x->type.dtype != DT_BOOL)
        return x;
    text_add(&t, "it is written %s(f32(", g->f->name);
    bool said = first && say(e, &t, first);
    text_puts(&t, ")");
    for (int i = 1; said && i < g->call->items; i++) {
        text_puts(&t, ", ");
        said = say_argument(e, &t, g->f->name, g->call->item[i]);
    }
    text_puts(&t, ")");
    error_hint(e, g->at, NULL, NULL,
               said ? text_string(&t) : arena_printf(e->arena, "f32 converts: ... |> f32 |> %s", g->f->name),
               "'%s' takes numbers, not %s", g->f->name, type_text(e->arena, x->type, e->m->f64));
    return false;
}

static struct val reduce(struct elab *e, struct builtin_args *g, enum op op, int axes_at)
{
    int64_t axes[MAX_RANK];
    int count;
    bool keep;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!adds(e, g, x) || !arg_axes(e, g, axes_at, x->type.rank, axes, &count) || !arg_bool(e, g, axes_at + 1, &keep))
        return v_poison();
    struct build b = builder(e);
    return v_tensor(build_reduce(&b, op, x, axes, count, keep));
}

struct val builtin_reduce(struct elab *e, struct builtin_args *g)
{
    return reduce(e, g, *g->f->name == 's' ? OP_sum : OP_prod, 1);
}

/* max(a, b) elementwise, or max(x, axes) over axes. */
struct val builtin_extreme(struct elab *e, struct builtin_args *g)
{
    bool most = !strcmp(g->f->name, "max");
    if (!g->given[1] && is_number(&g->arg[0])) {
        error_at(e, g->where[0], "'%s' works between two values, or over axes of a tensor, not on %s alone", g->f->name,
                 describe(e, &g->arg[0]));
        return v_poison();
    }
    if (!g->given[1])
        return reduce(e, g, most ? OP_reduce_max : OP_reduce_min, 2);
    if (g->given[2] || g->given[3]) {
        error_at(
            e, g->at,
            "'%s' works between two values or over axes of one tensor, not both: %s(x, axes = -1, keepdims = true)",
            g->f->name, g->f->name);
        return v_poison();
    }
    if (is_number(&g->arg[0]) && is_number(&g->arg[1])) {
        bool first =
            most ? number_of(&g->arg[0]) >= number_of(&g->arg[1]) : number_of(&g->arg[0]) <= number_of(&g->arg[1]);
        return g->arg[first ? 0 : 1];
    }
    return two(e, g, most ? OP_max : OP_min);
}

/* How many elements the axes hold: an integer, or, where the batch is among them, a scalar known when the code runs. */
static struct val count_of(struct elab *e, const struct value *x, const int64_t *axes, int count)
{
    int64_t k = 1;
    int batches = 0;
    for (int i = 0; i < count; i++) {
        k *= x->type.dim[axes[i]].k;
        batches += x->type.dim[axes[i]].n;
    }
    if (!batches)
        return v_int(k);
    struct build b = builder(e);
    struct type t = type_scalar(DT_REAL);
    for (int i = 0; i < batches; i++)
        t.dim[t.rank++] = dim_batch(1);
    int64_t all[MAX_RANK];
    for (int i = 0; i < batches; i++)
        all[i] = i;
    struct value *n = build_reduce(&b, OP_sum, build_full(&b, 1, t), all, batches, false);
    return v_tensor(k == 1 ? n : build_binary(&b, OP_mul, n, build_constant(&b, (double)k, DT_REAL)));
}

struct val builtin_count(struct elab *e, struct builtin_args *g)
{
    int64_t axes[MAX_RANK];
    int count;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axes(e, g, 1, x->type.rank, axes, &count))
        return v_poison();
    return count_of(e, x, axes, count);
}

struct val builtin_mean(struct elab *e, struct builtin_args *g)
{
    int64_t axes[MAX_RANK];
    int count;
    struct val sum = reduce(e, g, OP_sum, 1);
    if (sum.kind == V_POISON)
        return sum;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!arg_axes(e, g, 1, x->type.rank, axes, &count))
        return v_poison();
    return binary(e, "/", sum, count_of(e, x, axes, count), g->at);
}

struct val builtin_moments(struct elab *e, struct builtin_args *g)
{
    int64_t axes[MAX_RANK];
    int count;
    bool keep;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!adds(e, g, x) || !arg_axes(e, g, 1, x->type.rank, axes, &count) || !arg_bool(e, g, 2, &keep))
        return v_poison();
    struct build b = builder(e);
    struct attr attrs[] = { at_ints("axes", axes, count), at_bool("keepdims", keep) };
    return pair(e, build_node(&b, OP_moments, &x, 1, attrs, 2));
}

static struct val along(struct elab *e, struct builtin_args *g, enum op op, int at)
{
    int axis;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axis(e, g, at, x->type.rank, &axis))
        return v_poison();
    struct build b = builder(e);
    struct attr a = at_int("axis", axis);
    return made(build_node(&b, op, &x, 1, &a, 1));
}

struct val builtin_argmax(struct elab *e, struct builtin_args *g)
{
    return along(e, g, OP_argmax, 1);
}

struct val builtin_cumsum(struct elab *e, struct builtin_args *g)
{
    return along(e, g, OP_cumsum, 1);
}

struct val builtin_reverse(struct elab *e, struct builtin_args *g)
{
    return along(e, g, OP_reverse, 1);
}

/* ---- shape ---- */

/* The product of the dimensions, N not counted; 0 where -1 is among them. */
static int64_t elements_of(const struct val *dims, int count, bool *batch)
{
    int64_t product = 1;
    for (int i = 0; i < count; i++) {
        *batch |= dims[i].kind == V_DIM;
        if (__builtin_mul_overflow(product, dims[i].kind == V_DIM ? dims[i].dim.k : dims[i].i, &product))
            product = INT64_MAX; /* more than there is of anything */
        if (dims[i].kind == V_INT && dims[i].i == -1)
            return 0;
    }
    return product;
}

const char *samples_hint(struct elab *e, const struct value *x, const struct val *dims, int count)
{
    struct type t = x->type;
    bool batch = false;
    if (!count || !t.rank || !dim_equal(t.dim[0], dim_batch(1)))
        return NULL;
    for (int i = 0; i < count; i++)
        if (dims[i].kind != V_INT && dims[i].kind != V_DIM)
            return NULL;
    t.dim[0] = dim_of(1);
    int64_t have = type_count(t, 1), all = elements_of(dims, count, &batch);
    bool leads = dims[0].kind == V_DIM ? dims[0].dim.k == 1 : dims[0].i == -1;
    int64_t want = elements_of(dims + 1, count - 1, &batch);
    if (!batch && all == have)
        return arena_printf(e->arena, "N leads what depends on the batch: [%s, ...]",
                            e->in_net ? e->batch_name : "x.shape[0]");
    if (!leads && dims[0].kind == V_INT && want == have && !batch) {
        struct text shape = text_make(e->arena);
        for (int i = 1; i < count; i++)
            text_add(&shape, ", %s", val_text(e, &dims[i]));
        return arena_printf(e->arena, "the samples of a call are N: [%s%s]", e->in_net ? e->batch_name : "x.shape[0]",
                            text_string(&shape));
    }
    if (!leads || !want || want == have)
        return NULL;
    if (count == 2 && t.rank > 2)
        return arena_printf(e->arena, "a sample has %lld elements, and flatten makes [N,%lld] of them", (long long)have,
                            (long long)have);
    return arena_printf(e->arena, "a sample has %lld elements, not %lld", (long long)have, (long long)want);
}

/* One -1 is what is left: the batch where the rest has none of it. */
static bool infer_minus_one(struct elab *e, struct builtin_args *g, const struct value *x, struct val *list)
{
    int at = -1, batches = shape_batches(x->type);
    int64_t have = type_count(x->type, 1), rest = 1;
    for (int i = 0; i < list->items; i++) {
        struct val *v = &list->item[i];
        if (v->kind == V_INT && v->i == -1) {
            if (at >= 0) {
                error_at(e, g->where[1], "only one dimension can be -1");
                return false;
            }
            at = i;
            continue;
        }
        struct dim d;
        if (!val_dim(e, v, g->where[1], &d))
            return false;
        if (__builtin_mul_overflow(rest, d.k, &rest))
            rest = INT64_MAX; /* more than there is of anything */
        batches -= v->kind == V_DIM;
    }
    if (at < 0)
        return true;
    if (have % rest || batches < 0 || batches > 1) {
        error_hint(e, g->where[1], NULL, NULL, samples_hint(e, x, list->item, list->items),
                   "no dimension in place of -1 makes %s of %s", val_text(e, list), shape_text(e->arena, x->type));
        return false;
    }
    list->item[at] = v_dim(batches ? dim_batch(have / rest) : dim_of(have / rest));
    return true;
}

struct val builtin_reshape(struct elab *e, struct builtin_args *g)
{
    struct type t;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x)
        return v_poison();
    if (g->arg[1].kind == V_LIST || g->arg[1].kind == V_INT) {
        bool one = g->arg[1].kind == V_INT;
        struct val list = v_list(e, one ? 1 : g->arg[1].items);
        memcpy(list.item, one ? &g->arg[1] : g->arg[1].item, (size_t)list.items * sizeof *list.item);
        g->arg[1] = list;
        if (!infer_minus_one(e, g, x, &g->arg[1]))
            return v_poison();
    }
    if (!arg_shape(e, g, 1, &t))
        return v_poison();
    if (!shape_same_size(x->type, t) && g->arg[1].kind == V_LIST) {
        const char *hint = batch_hint(e, g->arg, 2);
        error_hint(e, e->at, NULL, NULL, hint ? hint : samples_hint(e, x, g->arg[1].item, g->arg[1].items),
                   "reshape cannot make %s of %s: they differ in size", shape_text(e->arena, t),
                   shape_text(e->arena, x->type));
        return v_poison();
    }
    struct build b = builder(e);
    return v_tensor(build_reshape(&b, x, t.dim, t.rank));
}

struct val builtin_flatten(struct elab *e, struct builtin_args *g)
{
    int from;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axis(e, g, 1, x->type.rank, &from))
        return v_poison();
    struct type t = type_scalar(DT_REAL);
    struct dim all = dim_of(1);
    for (int i = 0; i < x->type.rank; i++) {
        if (i < from) {
            t.dim[t.rank++] = x->type.dim[i];
            continue;
        }
        if (all.n && x->type.dim[i].n) {
            error_at(e, g->at, "flatten cannot join two multiples of N in %s", shape_text(e->arena, x->type));
            return v_poison();
        }
        all = (struct dim){ all.k * x->type.dim[i].k, all.n || x->type.dim[i].n };
    }
    t.dim[t.rank++] = all;
    struct build b = builder(e);
    return v_tensor(build_reshape(&b, x, t.dim, t.rank));
}

const char *swap_hint(struct elab *e, int rank, int64_t a, int64_t b, const struct ast *x)
{
    struct text t = text_make(e->arena), said = text_make(e->arena);
    a += a < 0 ? rank : 0;
    b += b < 0 ? rank : 0;
    if (a < 0 || b < 0 || a >= rank || b >= rank)
        return NULL;
    for (int64_t i = 0; i < rank; i++)
        text_add(&t, "%s%lld", i ? ", " : "", (long long)(i == a ? b : i == b ? a : i));
    bool named = x && say(e, &said, x);
    return arena_printf(e->arena, "these two are swapped by transpose(%s%s[%s])", named ? text_string(&said) : "",
                        named ? ", " : "", text_string(&t));
}

struct val builtin_transpose(struct elab *e, struct builtin_args *g)
{
    int64_t *perm;
    int count;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_ints(e, g, 1, &perm, &count))
        return v_poison();
    if (count != x->type.rank) {
        error_hint(e, g->where[1], NULL, NULL,
                   count == 2 ? swap_hint(e, x->type.rank, perm[0], perm[1], first_written(g)) : NULL,
                   "transpose needs every axis of %s once, not %d of them", shape_text(e->arena, x->type), count);
        return v_poison();
    }
    for (int i = 0; i < count; i++)
        perm[i] += perm[i] < 0 ? count : 0;
    struct build b = builder(e);
    return v_tensor(build_transpose(&b, x, perm));
}

struct val builtin_slice(struct elab *e, struct builtin_args *g)
{
    int axis;
    int64_t begin, end, step;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axis(e, g, 1, x->type.rank, &axis) || !arg_int(e, g, 2, &begin))
        return v_poison();
    int64_t length = x->type.dim[axis].k;
    if (g->arg[3].kind == V_NONE)
        end = length;
    else if (!arg_int(e, g, 3, &end))
        return v_poison();
    if (!arg_int(e, g, 4, &step))
        return v_poison();
    if (!x->type.dim[axis].n && (begin < -length || end < -length)) {
        error_at(e, g->at, "slice cannot take %lld..%lld of axis %d of %s", (long long)begin, (long long)end, axis,
                 shape_text(e->arena, x->type));
        return v_poison();
    }
    struct build b = builder(e);
    return v_tensor(build_slice(&b, x, axis, begin < 0 ? begin + length : begin, end < 0 ? end + length : end, step));
}

struct val builtin_concat(struct elab *e, struct builtin_args *g)
{
    int axis;
    struct value **x = NEW_ARRAY(e->arena, g->mores + 1, struct value *);
    for (int i = 0; i < g->mores; i++)
        if (!(x[i] = tensor_of(e, &g->more[i], g->at, "concat", DT_REAL)))
            return v_poison();
    if (!g->mores || !arg_axis(e, g, 1, x[0]->type.rank, &axis))
        return v_poison();
    struct build b = builder(e);
    return v_tensor(build_concat(&b, x, g->mores, axis));
}

struct val builtin_split(struct elab *e, struct builtin_args *g)
{
    int axis, count;
    int64_t *parts, total = 0;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axis(e, g, 2, x->type.rank, &axis) || !arg_ints(e, g, 1, &parts, &count))
        return v_poison();
    int64_t length = x->type.dim[axis].k;
    if (g->arg[1].kind == V_INT) {
        if (parts[0] < 1 || parts[0] > length || length % parts[0]) {
            error_at(e, g->where[1], "axis %d of %s cannot be split into %lld equal parts", axis,
                     shape_text(e->arena, x->type), (long long)parts[0]);
            return v_poison();
        }
        count = (int)parts[0];
        parts = NEW_ARRAY(e->arena, count, int64_t);
        for (int i = 0; i < count; i++)
            parts[i] = length / count;
    }
    for (int i = 0; i < count; i++)
        if (parts[i] < 1 || parts[i] > length - total)
            total = length + 1;
        else
            total += parts[i];
    if (total != length) {
        error_at(e, g->where[1], "the parts must be positive and add up to the %lld of axis %d", (long long)length,
                 axis);
        return v_poison();
    }
    struct val v = v_list(e, count);
    v.kind = V_TUPLE;
    v.i = g->arg[1].kind == V_INT;
    for (int i = 0, begin = 0; i < count; begin += (int)parts[i++]) {
        struct build b = builder(e);
        v.item[i] = v_tensor(build_slice(&b, x, axis, begin, begin + parts[i], 1));
        if (v.item[i].kind == V_POISON)
            return v_poison();
    }
    return v;
}

struct val builtin_pad(struct elab *e, struct builtin_args *g)
{
    double value;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    const struct val *list = &g->arg[1];
    if (!x || !arg_real(e, g, 2, &value))
        return v_poison();
    int64_t *pairs = NEW_ARRAY(e->arena, 2 * MAX_RANK + 2, int64_t);
    bool ok = list->kind == V_LIST && list->items == x->type.rank;
    for (int i = 0; ok && i < list->items; i++) {
        const struct val *p = &list->item[i];
        ok = p->kind == V_LIST && p->items == 2 && p->item[0].kind == V_INT && p->item[1].kind == V_INT;
        for (int k = 0; ok && k < 2; k++)
            pairs[2 * i + k] = p->item[k].i;
    }
    if (!ok) {
        error_at(e, g->where[1], "pad needs one [before, after] for each of the %d axes of %s", x->type.rank,
                 shape_text(e->arena, x->type));
        return v_poison();
    }
    struct build b = builder(e);
    return v_tensor(build_pad(&b, x, pairs, value));
}

struct val builtin_broadcast_to(struct elab *e, struct builtin_args *g)
{
    struct type t;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_shape(e, g, 1, &t))
        return v_poison();
    struct build b = builder(e);
    return v_tensor(build_broadcast(&b, x, t.dim, t.rank));
}

struct val builtin_expand_dims(struct elab *e, struct builtin_args *g)
{
    int axis;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axis(e, g, 1, x->type.rank + 1, &axis))
        return v_poison();
    struct dim dim[MAX_RANK + 1];
    for (int i = 0; i <= x->type.rank; i++)
        dim[i] = i < axis ? x->type.dim[i] : i == axis ? dim_of(1) : x->type.dim[i - 1];
    if (x->type.rank == MAX_RANK) {
        error_at(e, g->at, "a tensor has at most %d dimensions", MAX_RANK);
        return v_poison();
    }
    struct build b = builder(e);
    return v_tensor(build_reshape(&b, x, dim, x->type.rank + 1));
}

struct val builtin_squeeze(struct elab *e, struct builtin_args *g)
{
    int axis;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axis(e, g, 1, x->type.rank, &axis))
        return v_poison();
    if (!dim_is_one(x->type.dim[axis])) {
        error_at(e, g->where[1], "squeeze takes an axis of length 1, and axis %d of %s is not", axis,
                 shape_text(e->arena, x->type));
        return v_poison();
    }
    struct dim dim[MAX_RANK];
    for (int i = 0; i < x->type.rank - 1; i++)
        dim[i] = x->type.dim[i < axis ? i : i + 1];
    struct build b = builder(e);
    return v_tensor(build_reshape(&b, x, dim, x->type.rank - 1));
}

/* ---- indexed by data ---- */

/* x as it is where `body` stands: a sequence for its slices, an input, what was seen from outside. NULL: the body computes
 * it. The elements are the same, in another order perhaps; a conversion to i32 is left to the caller. */
static struct value *one_out(const struct body *body, struct value *x)
{
    while (x->def && x->graph == body->graph &&
           (x->def->op == OP_reshape || x->def->op == OP_transpose || x->def->op == OP_broadcast ||
            x->def->op == OP_reverse || (x->def->op == OP_cast && x->type.dtype == DT_I32)))
        x = operand(x->def, 0);
    if (x->graph != body->graph)
        return x;
    if (!x->def && x->index < body->operands)
        return body->operand[x->index];
    for (int i = 0; i < body->captured; i++)
        if (body->to[i] == x)
            return body->from[i];
    return NULL;
}

/* That x lies in low .. high - 1, or is `except`, is asked when the code runs, and outside of all bodies: a step cannot
 * end the call. What a body computes is not asked: operations limit an index. */
static void check_range(struct elab *e, struct value *x, int64_t low, int64_t high, int64_t except)
{
    struct body *body = e->body;
    struct graph *graph = e->graph;

    for (struct body *b = body; b && x; b = b->outer)
        x = one_out(b, x);
    if (!x)
        return;
    e->body = NULL;
    e->graph = x->graph;
    struct build b = builder(e);
    if (x->type.dtype != DT_I32)
        x = build_cast(&b, x, DT_I32);
    struct attr attrs[] = { at_int("low", low), at_int("high", high), at_int("except", except) };
    build_node(&b, OP_bound, &x, 1, attrs, 3);
    e->body = body;
    e->graph = graph;
}

/* An index as i32, checked when the code runs. */
static struct value *index_of(struct elab *e, struct builtin_args *g, int i, int64_t size)
{
    struct value *x = arg_tensor(e, g, i, DT_I32);
    struct build b = builder(e);
    if (!x)
        return NULL;
    if (x->type.dtype == DT_U8)
        x = build_cast(&b, x, DT_I32);
    if (x->type.dtype != DT_I32) {
        error_at(e, g->where[i], "an index is i32, not %s: convert with i32(...)",
                 type_text(e->arena, x->type, e->m->f64));
        return NULL;
    }
    check_range(e, x, 0, size, 0); /* 0: none besides */
    return x;
}

static struct val indexed(struct elab *e, struct builtin_args *g, enum op op)
{
    int axis;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !arg_axis(e, g, 2, x->type.rank, &axis))
        return v_poison();
    struct value *index = index_of(e, g, 1, x->type.dim[axis].k);
    if (!index)
        return v_poison();
    struct build b = builder(e);
    struct attr a = at_int("axis", axis);
    struct value *operands[] = { x, index };
    return made(build_node(&b, op, operands, 2, &a, 1));
}

/* The same places for every sample, where each has places of its own, as in PyTorch's gather: the result has N twice. */
struct val builtin_gather(struct elab *e, struct builtin_args *g)
{
    struct val v = indexed(e, g, OP_gather);
    const struct node *n = v.kind == V_TENSOR && !e->in_library ? v.tensor->def : NULL;
    if (n && shape_batches(operand(n, 0)->type) && shape_batches(operand(n, 1)->type) &&
        !operand(n, 0)->type.dim[attr_int(n, "axis")].n)
        diag_warning_hint(
            e->diag, e->at,
            arena_printf(e->arena, "what a sample has at places of its own is take_along_axis(x, index, %lld)",
                         (long long)attr_int(n, "axis")),
            "gather takes the places of all samples from each: %s of %s by %s", shape_text(e->arena, v.tensor->type),
            shape_text(e->arena, operand(n, 0)->type), shape_text(e->arena, operand(n, 1)->type));
    return v;
}

struct val builtin_take_along(struct elab *e, struct builtin_args *g)
{
    return indexed(e, g, OP_take_along);
}

struct val builtin_one_hot(struct elab *e, struct builtin_args *g)
{
    int64_t classes;
    if (!arg_int(e, g, 1, &classes))
        return v_poison();
    struct value *x = e->in_library ? arg_tensor(e, g, 0, DT_I32) : index_of(e, g, 0, classes);
    struct build b = builder(e);
    struct attr a = at_int("classes", classes);
    return x ? made(build_node(&b, OP_one_hot, &x, 1, &a, 1)) : v_poison();
}

struct val builtin_bound(struct elab *e, struct builtin_args *g)
{
    int64_t low, high, except;
    struct value *x = arg_tensor(e, g, 0, DT_I32);
    if (!x || !arg_int(e, g, 1, &low) || !arg_int(e, g, 2, &high) || !arg_int(e, g, 3, &except))
        return v_poison();
    if (x->type.dtype != DT_I32 && (x->type.dtype != DT_U8 || e->in_library)) {
        error_at(e, e->at, "a label is i32, not %s: convert with i32(...)", type_text(e->arena, x->type, e->m->f64));
        e->returned = true; /* as in require: the rest would only complain of the same */
        e->result = v_poison();
        return v_poison();
    }
    check_range(e, x, low, high, except);
    return v_none();
}

/* ---- made ---- */

struct val builtin_full(struct elab *e, struct builtin_args *g)
{
    struct type t;
    double v = *g->f->name == 'o';
    if (!arg_shape(e, g, 0, &t) || (g->count > 1 && !arg_real(e, g, 1, &v)))
        return v_poison();
    struct build b = builder(e);
    return v_tensor(build_full(&b, v, t));
}

struct val builtin_range(struct elab *e, struct builtin_args *g)
{
    struct type t = type_scalar(DT_REAL);
    if (!val_dim(e, &g->arg[0], g->where[0], &t.dim[t.rank++]))
        return v_poison();
    int64_t count;
    if (!type_count_checked(t, e->m->batch, &count)) {
        error_at(e, g->where[0], "%s has more than 2^40 elements", shape_text(e->arena, t));
        return v_poison();
    }
    struct build b = builder(e);
    struct attr attrs[] = { at_dims("shape", t.dim, t.rank), at_int("axis", 0),
                            at_word("dtype", name(e->names, "i32")) };
    return made(build_node(&b, OP_iota, NULL, 0, attrs, 3));
}

/* Every draw has a stream of its own, so that no two are alike and evaluating changes no training run. */
static struct value *draw(struct elab *e, enum op op, struct type t, double a, double b2)
{
    struct build b = builder(e);
    bool uniform = op == OP_uniform;
    struct attr attrs[] = { at_dims("shape", t.dim, t.rank), at_real(uniform ? "low" : "mean", a),
                            at_real(uniform ? "high" : "deviation", b2), at_int("stream", e->m->streams++) };
    struct node *n = build_node(&b, op, NULL, 0, attrs, 4);
    return n ? n->result[0] : NULL;
}

struct val builtin_random(struct elab *e, struct builtin_args *g)
{
    struct type t;
    double a, b;
    if (!arg_shape(e, g, 0, &t) || !arg_real(e, g, 1, &a) || !arg_real(e, g, 2, &b))
        return v_poison();
    return v_tensor(draw(e, *g->f->name == 'u' ? OP_uniform : OP_normal, t, a, b));
}

struct val builtin_bernoulli(struct elab *e, struct builtin_args *g)
{
    struct value *p = arg_tensor(e, g, 0, DT_REAL);
    double given = is_number(&g->arg[0]) ? number_of(&g->arg[0]) : 0;
    if (!(given >= 0 && given <= 1))
        error_at(e, g->where[0], "a probability lies between 0 and 1: %g does not", given);
    if (!p || !(given >= 0 && given <= 1))
        return v_poison();
    struct value *u = draw(e, OP_uniform, type_with(p->type, DT_REAL), 0, 1);
    struct build b = builder(e);
    return u ? v_tensor(build_cast(&b, build_binary(&b, OP_lt, u, p), DT_REAL)) : v_poison();
}

/* ---- convolution and pooling: lists are already spread by the library ---- */

/* Argument i as an attribute of the same name; how long the list must be is inference's to say. */
static bool list_attr(struct elab *e, struct builtin_args *g, int i, struct attr *a)
{
    int count;
    int64_t *list;
    if (!arg_ints(e, g, i, &list, &count))
        return false;
    *a = at_ints(g->name[i], list, count);
    return true;
}

/* Stride, pad, dilation and groups. */
static bool conv_arguments(struct elab *e, struct builtin_args *g, struct attr a[4])
{
    int64_t groups;
    for (int i = 0; i < 3; i++)
        if (!list_attr(e, g, 2 + i, &a[i]))
            return false;
    if (!arg_int(e, g, 5, &groups))
        return false;
    a[3] = at_int("groups", groups);
    return true;
}

struct val builtin_conv(struct elab *e, struct builtin_args *g)
{
    struct attr attrs[4];
    struct value *operands[] = { arg_tensor(e, g, 0, DT_REAL), arg_tensor(e, g, 1, DT_REAL) };
    if (!operands[0] || !operands[1] || !conv_arguments(e, g, attrs))
        return v_poison();
    struct build b = builder(e);
    return made(build_node(&b, OP_conv, operands, 2, attrs, 4));
}

/* conv_dx and conv_dw: the gradients of a convolution, for blocks with a backward and for transposed convolutions. */
struct val builtin_conv_grad(struct elab *e, struct builtin_args *g)
{
    struct attr attrs[5];
    struct value *operands[] = { arg_tensor(e, g, 0, DT_REAL), arg_tensor(e, g, 1, DT_REAL) };
    if (!operands[0] || !operands[1] || !conv_arguments(e, g, attrs) || !list_attr(e, g, 6, &attrs[4]))
        return v_poison();
    struct build b = builder(e);
    bool data = g->f->name[6] == 'x';
    return made(build_node(&b, data ? OP_conv_dx : OP_conv_dw, operands, 2, attrs, 5));
}

struct val builtin_pool(struct elab *e, struct builtin_args *g)
{
    struct attr attrs[4];
    bool include = true;
    struct value *x = arg_tensor(e, g, 0, DT_REAL);
    if (!x || !list_attr(e, g, 1, &attrs[0]) || !list_attr(e, g, 2, &attrs[1]) || !list_attr(e, g, 3, &attrs[2]) ||
        (g->count > 4 && !arg_bool(e, g, 4, &include)))
        return v_poison();
    struct build b = builder(e);
    attrs[3] = at_bool("count_include_pad", include);
    bool most = g->f->name[0] == 'm';
    return made(build_node(&b, most ? OP_maxpool : OP_avgpool, &x, 1, attrs, most ? 3 : 4));
}

/* ---- sparse matrices ---- */

static void keep_sparse(struct elab *e, const struct sparse *s)
{
    for (const struct sparse *known = e->m->sparse; known; known = known->next)
        if (known->values == s->values)
            return;
    module_add_sparse(e->m, s);
}

/* W x of samples side by side; what W's entries are is said once, where the layer is met first. */
struct val builtin_sparse_product(struct elab *e, struct builtin_args *g)
{
    struct value *x[4];
    struct sparse s = { .at = e->at };
    for (int i = 0; i < 4; i++)
        if (!(x[i] = arg_tensor(e, g, i, i < 2 ? DT_REAL : DT_I32)))
            return v_poison();
    if (!arg_int(e, g, 4, &s.out) || !arg_real(e, g, 5, &s.zeta))
        return v_poison();
    s.values = x[1]->var;
    s.rows = x[2]->var;
    s.columns = x[3]->var;
    if (!s.values || !s.rows || !s.columns || s.rows->init.rule != INIT_PLACES || s.columns->init.rule != INIT_PLACES) {
        error_at(e, e->at, "sparse_product belongs to layer sparse_linear: its entries are a parameter and two states");
        return v_poison();
    }
    struct build b = builder(e);
    struct attr out = at_int("out", s.out);
    struct val y = made(build_node(&b, OP_sparse_matmul, x, 4, &out, 1));
    if (y.kind == V_POISON)
        return y;
    s.in = x[0]->type.dim[0].k;
    keep_sparse(e, &s);
    return y;
}
