/* ir/build.c: making operations: attributes in their order, defaults filled in, operands broadcast, types inferred. */
#include "ir/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct build build_at(struct graph *g, struct node *before)
{
    struct build b = { .graph = g, .before = before, .layer = "" };

    if (before) {
        b.at = before->at;
        b.layer = before->layer;
    }
    return b;
}

struct build build_end(struct graph *g, struct place at, const char *layer)
{
    return (struct build){ .graph = g, .at = at, .layer = layer ? layer : "" };
}

struct value *poison(struct build *b)
{
    struct value *v = NEW(b->graph->module->arena, struct value);

    v->type = type_poison();
    v->graph = b->graph;
    v->offset = -1;
    return v;
}

bool is_poison(const struct value *v)
{
    return type_is_poison(v->type);
}

/* ---- attributes ---- */

struct attr at_int(const char *name, int64_t i)
{
    return (struct attr){ .name = name, .kind = AT_INT, .i = i };
}

struct attr at_real(const char *name, double x)
{
    return (struct attr){ .name = name, .kind = AT_REAL, .real = x };
}

struct attr at_bool(const char *name, bool flag)
{
    return (struct attr){ .name = name, .kind = AT_BOOL, .flag = flag };
}

struct attr at_word(const char *name, const char *word)
{
    return (struct attr){ .name = name, .kind = AT_WORD, .word = word };
}

/* node_new copies the lists, so that borrowing them is enough here. */
struct attr at_ints(const char *name, const int64_t *ints, int count)
{
    return (struct attr){ .name = name, .kind = AT_INTS, .count = count, .ints = (int64_t *)ints };
}

struct attr at_dims(const char *name, const struct dim *dims, int count)
{
    return (struct attr){ .name = name, .kind = AT_DIMS, .count = count, .dims = (struct dim *)dims };
}

static struct attr attr_default(enum op op, const struct attr_decl *d)
{
    if (!d->fallback[0])
        bug("%s needs the attribute '%s'", op_info(op)->name, d->name);
    switch (d->kind) {
    case AT_INT: return at_int(d->name, strtoll(d->fallback, NULL, 10));
    case AT_REAL: return at_real(d->name, strtod(d->fallback, NULL));
    case AT_BOOL: return at_bool(d->name, !strcmp(d->fallback, "true"));
    case AT_WORD: return at_word(d->name, d->fallback);
    case AT_INTS:
    case AT_DIMS: break;
    }
    bug("ops.def: '%s' cannot have a default", d->name);
}

bool attr_is_default(const struct attr *a, const struct attr_decl *d)
{
    if (!d->fallback[0])
        return false;
    switch (a->kind) {
    case AT_INT: return a->i == strtoll(d->fallback, NULL, 10);
    case AT_REAL: return a->real == strtod(d->fallback, NULL) && !signbit(a->real);
    case AT_BOOL: return a->flag == !strcmp(d->fallback, "true");
    case AT_WORD: return !strcmp(a->word, d->fallback);
    case AT_INTS:
    case AT_DIMS: break;
    }
    return false;
}

static const struct attr *attr_given(const struct attr *attrs, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(attrs[i].name, name))
            return &attrs[i];
    return NULL;
}

/* All attributes of the operation, in the order of its declaration. */
static void complete(enum op op, const struct op_signature *g, const struct attr *attrs, int count, struct attr *all)
{
    int used = 0;

    for (int i = 0; i < g->attrs; i++) {
        const struct attr *given = attr_given(attrs, count, g->attr[i].name);
        if (given && given->kind != g->attr[i].kind)
            bug("attribute '%s' of %s is of another kind", given->name, op_info(op)->name);
        all[i] = given ? *given : attr_default(op, &g->attr[i]);
        used += given != NULL;
    }
    if (used != count)
        bug("%s is given an attribute that it does not have, or one twice", op_info(op)->name);
}

/* ---- operations ---- */

static bool has_bodies(enum op op)
{
    return op == OP_scan || op == OP_custom || op == OP_fused;
}

/* Types the results; an operation that is wrong goes again. */
static struct node *infer_or_remove(struct node *n)
{
    if (infer(n))
        return n;
    node_remove(n);
    return NULL;
}

struct node *build_node(struct build *b, enum op op, struct value *const *operands, int count, const struct attr *attrs,
                        int attr_count)
{
    struct op_signature g = op_signature(op);
    struct attr all[MAX_ATTRS];

    if (count < g.required || (!g.variadic && count > g.operands))
        bug("%s does not take %d operands", op_info(op)->name, count);
    for (int i = 0; i < count; i++)
        if (is_poison(operands[i]))
            return NULL;
    complete(op, &g, attrs, attr_count, all);

    struct node *n = node_new(b->graph, b->before, op, operands, count, all, g.attrs, 0);
    n->at = b->at;
    n->layer = b->layer;
    return has_bodies(op) ? n : infer_or_remove(n);
}

struct node *build_bodied(struct build *b, enum op op, struct value *const *operands, int count,
                          const struct attr *attrs, int attr_count, struct graph *const *bodies, int body_count)
{
    struct node *n = build_node(b, op, operands, count, attrs, attr_count);

    if (!n)
        return NULL;
    for (int i = 0; i < body_count; i++)
        node_add_body(n, bodies[i]);
    return infer_or_remove(n);
}

/* The first result of an operation of up to three operands. */
static struct value *result_of(struct build *b, enum op op, struct value *const *operands, int count,
                               const struct attr *attrs, int attr_count)
{
    struct node *n = build_node(b, op, operands, count, attrs, attr_count);

    return n ? n->result[0] : poison(b);
}

/* ---- elementwise ---- */

struct value *build_unary(struct build *b, enum op op, struct value *x)
{
    return result_of(b, op, &x, 1, NULL, 0);
}

/* The one shape of all operands, which are then broadcast to it; false (reported) where they have none. */
static bool broadcast_operands(struct build *b, enum op op, struct value **x, int count)
{
    const struct module *m = b->graph->module;
    struct arena *a = m->arena;
    struct type to = x[0]->type;

    for (int i = 1; i < count; i++)
        if (!shape_broadcast(to, x[i]->type, &to)) {
            struct text shapes = text_make(a);
            for (int j = 0; j < count; j++)
                text_add(&shapes, "%s%s", j == 0 ? "" : j == count - 1 ? " and " : ", ", shape_text(a, x[j]->type));
            diag_error_hint(m->diag, b->at, NULL, NULL, m->hint, "%s needs shapes that broadcast: %s", op_said(m, op),
                            text_string(&shapes));
            return false;
        }
    for (int i = 0; i < count; i++)
        x[i] = build_broadcast(b, x[i], to.dim, to.rank);
    return true;
}

/* Where the elements disagree already, infer says so, and shapes are left as they are. */
struct value *build_binary(struct build *b, enum op op, struct value *x, struct value *y)
{
    struct value *both[2] = { x, y };

    if (is_poison(x) || is_poison(y))
        return poison(b);
    if (x->type.dtype == y->type.dtype && !broadcast_operands(b, op, both, 2))
        return poison(b);
    return result_of(b, op, both, 2, NULL, 0);
}

struct value *build_select(struct build *b, struct value *c, struct value *x, struct value *y)
{
    struct value *all[3] = { c, x, y };

    if (is_poison(c) || is_poison(x) || is_poison(y))
        return poison(b);
    if (c->type.dtype == DT_BOOL && x->type.dtype == y->type.dtype && !broadcast_operands(b, OP_select, all, 3))
        return poison(b);
    return result_of(b, OP_select, all, 3, NULL, 0);
}

struct value *build_constant(struct build *b, double v, enum dtype dtype)
{
    const struct attr attrs[] = {
        at_real("value", v),
        at_word("dtype", dtype_name(dtype, b->graph->module->f64)),
    };

    return result_of(b, OP_constant, NULL, 0, attrs, 2);
}

struct value *build_full(struct build *b, double v, struct type t)
{
    return build_broadcast(b, build_constant(b, v, t.dtype), t.dim, t.rank);
}

struct value *build_cast(struct build *b, struct value *x, enum dtype to)
{
    const struct attr attr = at_word("to", dtype_name(to, b->graph->module->f64));

    if (x->type.dtype == to)
        return x;
    return result_of(b, OP_cast, &x, 1, &attr, 1);
}

/* ---- reductions and shapes ---- */

struct value *build_reduce(struct build *b, enum op op, struct value *x, const int64_t *axes, int count, bool keepdims)
{
    const struct attr attrs[] = { at_ints("axes", axes, count), at_bool("keepdims", keepdims) };

    if (count == 0 && op != OP_moments)
        return x;
    return result_of(b, op, &x, 1, attrs, 2);
}

/* Does x have this shape already? Ranks above the limit have not, and are infer's to report. */
static bool has_shape(const struct value *x, const struct dim *shape, int rank)
{
    return rank <= MAX_RANK && shape_equal(x->type, type_make(x->type.dtype, rank, shape));
}

struct value *build_reshape(struct build *b, struct value *x, const struct dim *shape, int rank)
{
    const struct attr attr = at_dims("shape", shape, rank);

    if (is_poison(x) || has_shape(x, shape, rank))
        return x;
    return result_of(b, OP_reshape, &x, 1, &attr, 1);
}

struct value *build_broadcast(struct build *b, struct value *x, const struct dim *shape, int rank)
{
    const struct attr attr = at_dims("shape", shape, rank);

    if (is_poison(x) || has_shape(x, shape, rank))
        return x;
    return result_of(b, OP_broadcast, &x, 1, &attr, 1);
}

struct value *build_transpose(struct build *b, struct value *x, const int64_t *perm)
{
    const struct attr attr = at_ints("perm", perm, x->type.rank);
    bool same = true;

    for (int i = 0; i < x->type.rank; i++)
        same = same && perm[i] == i;
    return same ? x : result_of(b, OP_transpose, &x, 1, &attr, 1);
}

struct value *build_swap(struct build *b, struct value *x)
{
    int64_t perm[MAX_RANK];
    int rank = x->type.rank;

    if (is_poison(x))
        return x;
    if (rank < 2) {
        struct module *m = b->graph->module;
        diag_error(m->diag, b->at, "transposing needs at least two axes: %s", type_text(m->arena, x->type, m->f64));
        return poison(b);
    }
    for (int i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return build_transpose(b, x, perm);
}

struct value *build_slice(struct build *b, struct value *x, int axis, int64_t begin, int64_t end, int64_t step)
{
    const struct attr attrs[] = {
        at_int("axis", axis),
        at_int("begin", begin),
        at_int("end", end),
        at_int("step", step),
    };

    if (axis >= 0 && axis < x->type.rank && begin == 0 && step == 1 && dim_equal(x->type.dim[axis], dim_of(end)))
        return x;
    return result_of(b, OP_slice, &x, 1, attrs, 4);
}

struct value *build_concat(struct build *b, struct value *const *x, int count, int axis)
{
    const struct attr attr = at_int("axis", axis);

    return count == 1 ? x[0] : result_of(b, OP_concat, x, count, &attr, 1);
}

struct value *build_pad(struct build *b, struct value *x, const int64_t *pairs, double value)
{
    const struct attr attrs[] = { at_ints("pairs", pairs, 2 * x->type.rank), at_real("value", value) };
    bool any = false;

    for (int i = 0; i < 2 * x->type.rank; i++)
        any = any || pairs[i] != 0;
    return any ? result_of(b, OP_pad, &x, 1, attrs, 2) : x;
}

/* ---- matrix products ---- */

static struct value *product(struct build *b, struct value *x, struct value *y, bool ta, bool tb)
{
    struct value *both[2] = { x, y };
    const struct attr attrs[] = { at_bool("ta", ta), at_bool("tb", tb) };

    return result_of(b, OP_matmul, both, 2, attrs, 2);
}

/* The product of all axes but the last; false where that is no multiple of N or too large. */
static bool join_leading(struct type t, struct dim *out)
{
    int64_t count;

    t.rank--;
    if (shape_batches(t) > 1 || !type_count_checked(t, 1, &count))
        return false;
    *out = (struct dim){ count, shape_batches(t) == 1 };
    return true;
}

/* Many rows against one matrix are one product: [N,T,D] @ [D,H] is [T*N,D] @ [D,H]. */
static struct value *product_of_rows(struct build *b, struct value *x, struct dim rows, struct value *y, bool tb)
{
    struct type t = x->type;
    struct dim flat[2] = { rows, t.dim[t.rank - 1] };
    struct value *p = product(b, build_reshape(b, x, flat, 2), y, false, tb);

    if (is_poison(p))
        return p;
    t.dim[t.rank - 1] = p->type.dim[1];
    return build_reshape(b, p, t.dim, t.rank);
}

/* x with the leading axes of `lead` before its own last two. */
static struct value *with_leading(struct build *b, struct value *x, struct type lead)
{
    struct type to = lead;

    to.rank = lead.rank + 2;
    to.dim[to.rank - 2] = x->type.dim[x->type.rank - 2];
    to.dim[to.rank - 1] = x->type.dim[x->type.rank - 1];
    return build_broadcast(b, x, to.dim, to.rank);
}

struct value *build_matmul(struct build *b, struct value *x, struct value *y, bool ta, bool tb)
{
    struct dim rows;

    if (is_poison(x) || is_poison(y))
        return poison(b);
    struct type lx = x->type, ly = y->type, lead;
    lx.rank -= 2;
    ly.rank -= 2;
    if (lx.rank < 0 || ly.rank < 0 || shape_equal(lx, ly))
        return product(b, x, y, ta, tb);

    bool inner = dim_equal(x->type.dim[ta ? lx.rank : lx.rank + 1], y->type.dim[tb ? ly.rank + 1 : ly.rank]);
    if (!inner || !shape_broadcast(lx, ly, &lead))
        return product(b, x, y, ta, tb); /* infer names both shapes */
    if (ly.rank == 0 && !ta && join_leading(x->type, &rows))
        return product_of_rows(b, x, rows, y, tb);
    return product(b, with_leading(b, x, lead), with_leading(b, y, lead), ta, tb);
}

/* ---- gradients ---- */

struct value *build_unbroadcast(struct build *b, struct value *dy, struct type to)
{
    int64_t axes[MAX_RANK];
    int count = 0, extra = dy->type.rank - to.rank;

    if (is_poison(dy) || shape_equal(dy->type, to))
        return dy;
    if (extra < 0)
        bug("a gradient has fewer axes than what it belongs to");
    for (int i = 0; i < dy->type.rank; i++)
        if (i < extra || (dim_is_one(to.dim[i - extra]) && !dim_is_one(dy->type.dim[i])))
            axes[count++] = i;
    return build_reshape(b, build_reduce(b, OP_sum, dy, axes, count, false), to.dim, to.rank);
}

/* ---- effects ---- */

void build_effect(struct build *b, enum op op, struct value *x, const char *name)
{
    const struct attr attr = at_word("name", name);

    build_node(b, op, &x, 1, &attr, op == OP_loss ? 0 : 1);
}

void build_write(struct build *b, enum op op, struct var *v, struct value *x)
{
    struct value *both[2] = { graph_var(b->graph, v), x };

    build_node(b, op, both, 2, NULL, 0);
}
