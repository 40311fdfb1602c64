/* passes/simplify.c: constants, and algebra.
 *
 *     %0 = constant value = 1.0
 *     %1 = broadcast %0, shape = [8]
 *     %2 = mul %x, %1                   =>    %4 = transpose %x, perm = [1,0]     (and rubbish for dce)
 *     %3 = transpose %2, perm = [0,1]
 *     %4 = transpose %3, perm = [1,0]
 *
 * Most of it are rows of rules.def. What a row cannot say is here: operations that change nothing, constants computed
 * by the reference evaluator, elementwise operations moved before the broadcasts of their operands, transposed operands
 * of products, factors of sums. No number changes, save that constants are computed in double and that a sum of products
 * with one factor in common is rounded as the product of that factor and the sum. */
#include <math.h>
#include <string.h>

#include "ir/element.h"
#include "ir/layout.h"
#include "ir/term.h"
#include "passes/shared.h"

struct rule {
    struct term *from, *to;
    struct rule *next; /* of the same operation at its root */
};

struct simplify {
    struct module *m;
    struct arena *scratch;
    struct rule *rules[OP_COUNT];
    bool keep_stops; /* stop_gradient has not done its work yet */
};

/* The value that takes the place of n's result, or NULL. */
typedef struct value *rewrite_fn(struct simplify *s, struct node *n);

static void read_rules(struct simplify *s)
{
    static const char *const text[][2] = {
#define RULE(from, to) { from, to },
#include "passes/rules.def"
#undef RULE
    };

    for (size_t i = sizeof text / sizeof *text; i-- > 0;) {
        struct rule *r = NEW(s->scratch, struct rule);
        r->from = term_parse(s->scratch, text[i][0]);
        r->to = term_parse(s->scratch, text[i][1]);
        if (r->from->kind != TERM_CALL)
            bug("rules.def: %s is no operation", text[i][0]);
        r->next = s->rules[r->from->op];
        s->rules[r->from->op] = r;
    }
}

static struct value *by_rules(struct simplify *s, struct node *n)
{
    for (const struct rule *r = s->rules[n->op]; r; r = r->next) {
        struct bindings names = { .count = 0 };
        struct build b = build_at(n->graph, n);
        if (term_match(r->from, n->result[0], &names))
            return term_build(&b, r->to, &names);
    }
    return NULL;
}

/* ---- operations that change nothing ---- */

static bool is_identity_perm(const struct node *n)
{
    int count;
    const int64_t *perm = attr_ints(n, "perm", &count);

    for (int i = 0; i < count; i++) {
        if (perm[i] != i)
            return false;
    }
    return true;
}

static struct value *changes_nothing(struct simplify *s, struct node *n)
{
    struct value *x = n->operands > 0 ? operand(n, 0) : NULL;

    if (!x || !type_equal(x->type, n->result[0]->type))
        return NULL;
    switch (n->op) {
    case OP_reshape:
    case OP_broadcast:
    case OP_slice: /* of the same length: all of it */
    case OP_pad:
    case OP_dilate:
    case OP_cast: return x;
    case OP_concat: return n->operands == 1 ? x : NULL;
    case OP_transpose: return is_identity_perm(n) ? x : NULL;
    case OP_stop_gradient: return s->keep_stops ? NULL : x;
    default: return NULL;
    }
}

/* ---- constants ---- */

/* One element from one element of each operand; one_hot is a map too, but no such one. */
static bool is_elementwise(const struct node *n)
{
    return op_is_map(n->op) && n->operands > 0 && n->operands <= 3 &&
           shape_equal(operand(n, 0)->type, n->result[0]->type);
}

/* The result of an elementwise operation of scalars, by the reference evaluator. */
static double evaluate(const struct node *n, const double *x)
{
    enum dtype dtype = operand(n, n->op == OP_select ? 1 : 0)->type.dtype;

    return n->op == OP_cast ? element_cast(x[0], dtype, n->result[0]->type.dtype) : element_map(n->op, dtype, x);
}

static struct value *constants(struct simplify *s, struct node *n)
{
    double x[3], y;

    (void)s;
    if (!is_elementwise(n))
        return NULL;
    for (int i = 0; i < n->operands; i++) {
        if (!value_constant(operand(n, i), &x[i]))
            return NULL;
    }
    y = evaluate(n, x);
    struct build b = build_at(n->graph, n);
    return isnan(y) ? NULL : build_full(&b, y, n->result[0]->type);
}

/* x / c is x * (1 / c) where that is exact: c is a power of two, and 1 / c no denormal of f32. */
static struct value *division(struct simplify *s, struct node *n)
{
    double c;
    int exponent;

    (void)s;
    if (n->op != OP_div || !value_constant(operand(n, 1), &c) || fabs(frexp(c, &exponent)) != 0.5)
        return NULL;
    if (exponent < -120 || exponent > 120)
        return NULL;
    struct build b = build_at(n->graph, n);
    return build_binary(&b, OP_mul, operand(n, 0), build_constant(&b, 1 / c, DT_REAL));
}

/* ---- shapes ---- */

/* The scalar that v is a broadcast of, or NULL. */
static struct value *spread_scalar(const struct value *v)
{
    const struct node *n = v->def;

    while (n && (n->op == OP_broadcast || n->op == OP_reshape)) {
        struct value *x = operand(n, 0);
        if (x->type.rank == 0)
            return x;
        n = x->def;
    }
    return NULL;
}

/* Whatever way a scalar took, it is broadcast to where it arrives. */
static struct value *coordinates_of_scalar(struct simplify *s, struct node *n)
{
    bool moves = n->op == OP_reshape || n->op == OP_broadcast || n->op == OP_transpose || n->op == OP_slice ||
                 n->op == OP_reverse;
    struct value *scalar = moves ? spread_scalar(operand(n, 0)) : NULL;

    (void)s;
    if (!scalar)
        return NULL;
    struct build b = build_at(n->graph, n);
    struct type t = n->result[0]->type;
    return build_broadcast(&b, scalar, t.dim, t.rank);
}

/* The shape that the operands of n have before they are broadcast; false where one of them is not. */
static bool before_broadcast(const struct node *n, struct type *out)
{
    for (int i = 0; i < n->operands; i++) {
        const struct node *def = operand(n, i)->def;
        if (!def || def->op != OP_broadcast)
            return false;
        struct type t = operand(def, 0)->type;
        if (i == 0)
            *out = t;
        else if (!shape_broadcast(*out, t, out))
            return false;
    }
    return true;
}

/* An elementwise operation of broadcasts is the broadcast of the operation. */
static struct value *before_the_broadcast(struct simplify *s, struct node *n)
{
    struct value *x[3];
    struct type small, full = n->result[0]->type;

    if (!is_elementwise(n) || n->op == OP_relayout || !before_broadcast(n, &small))
        return NULL;
    if (type_count(small, s->m->batch) >= type_count(full, s->m->batch))
        return NULL;
    struct build b = build_at(n->graph, n);
    for (int i = 0; i < n->operands; i++)
        x[i] = build_broadcast(&b, operand(operand(n, i)->def, 0), small.dim, small.rank);
    struct node *smaller = build_node(&b, n->op, x, n->operands, n->attr, n->attrs);
    return smaller ? build_broadcast(&b, smaller->result[0], full.dim, full.rank) : NULL;
}

/* Reducing axes of length one only takes them away. */
static struct value *reduction_of_one(struct simplify *s, struct node *n)
{
    int count;

    (void)s;
    if (n->op != OP_sum && n->op != OP_reduce_max && n->op != OP_reduce_min && n->op != OP_prod)
        return NULL;
    const int64_t *axes = attr_ints(n, "axes", &count);
    for (int i = 0; i < count; i++) {
        if (!dim_is_one(operand(n, 0)->type.dim[axes[i]]))
            return NULL;
    }
    struct build b = build_at(n->graph, n);
    return build_reshape(&b, operand(n, 0), n->result[0]->type.dim, n->result[0]->type.rank);
}

/* ---- sums ---- */

static bool stands_before(const struct node *a, const struct node *b)
{
    while (b && b != a)
        b = b->previous;
    return b != NULL;
}

/* The same reduction was made before, with axes of length 1 where this one leaves none, or the other way round. */
static struct value *other_keepdims(struct simplify *s, struct node *n)
{
    int count, others;

    (void)s;
    if (n->op != OP_sum && n->op != OP_reduce_max && n->op != OP_reduce_min && n->op != OP_prod)
        return NULL;
    const int64_t *axes = attr_ints(n, "axes", &count);
    for (const struct use *u = operand(n, 0)->uses; u; u = u->next) {
        const struct node *o = u->user;
        if (o == n || o->op != n->op || attr_bool(o, "keepdims") == attr_bool(n, "keepdims"))
            continue;
        const int64_t *other = attr_ints(o, "axes", &others);
        if (others != count || memcmp(axes, other, (size_t)count * sizeof *axes) || !stands_before(o, n))
            continue;
        struct build b = build_at(n->graph, n);
        return build_reshape(&b, o->result[0], n->result[0]->type.dim, n->result[0]->type.rank);
    }
    return NULL;
}

/* v as a value of shape t, a reduction's result: for one that is the same along all reduced axes; else NULL. */
static struct value *beside_reduction(struct build *b, const struct node *sum, struct value *v)
{
    const struct node *n = v->def;
    bool gone[MAX_RANK] = { false };
    struct dim kept[MAX_RANK];
    int count, rank = 0;
    const int64_t *axes = attr_ints(sum, "axes", &count);

    if (!n || n->op != OP_broadcast)
        return NULL;
    struct value *x = operand(n, 0);
    int extra = v->type.rank - x->type.rank;
    for (int i = 0; i < count; i++) {
        gone[axes[i]] = true;
        if (axes[i] >= extra && !dim_is_one(x->type.dim[axes[i] - extra]))
            return NULL;
    }
    for (int i = 0; i < x->type.rank; i++)
        if (!gone[i + extra] || attr_bool(sum, "keepdims"))
            kept[rank++] = x->type.dim[i];
    struct type t = sum->result[0]->type;
    return build_broadcast(b, build_reshape(b, x, kept, rank), t.dim, t.rank);
}

enum { FACTORS = 6 }; /* products of products are looked into so deep */

/* Takes one such factor out of a product; *rest is what is left of it, NULL: nothing. */
static struct value *take_factor(struct build *b, const struct node *sum, struct value *v, struct value **rest,
                                 int depth)
{
    const struct node *n = v->def;
    struct value *factor = NULL, *left;

    if (!n || n->op != OP_mul || depth == FACTORS)
        return NULL;
    for (int i = 0; i < 2 && !factor; i++) {
        struct value *x = operand(n, i), *y = operand(n, 1 - i);
        factor = beside_reduction(b, sum, x);
        if (factor) {
            *rest = y;
        } else if ((factor = take_factor(b, sum, x, &left, depth + 1))) {
            *rest = build_binary(b, OP_mul, left, y);
        }
    }
    return factor;
}

/* sum(x * s), s the same along the summed axes, is s * sum(x): a factor a channel is applied once, and sums that differ in
 * it alone become one. */
static struct value *factor_of_sum(struct simplify *s, struct node *n)
{
    struct value *rest;
    struct build b = build_at(n->graph, n);

    (void)s;
    if (n->op != OP_sum || n->result[0]->type.dtype != DT_REAL)
        return NULL;
    struct value *factor = take_factor(&b, n, operand(n, 0), &rest, 0);
    if (!factor)
        return NULL;
    struct node *sum = build_node(&b, OP_sum, &rest, 1, n->attr, n->attrs);
    return build_binary(&b, OP_mul, sum->result[0], factor);
}

/* ---- pools ---- */

/* Whether v is the same along all axes of the windows. */
static bool is_same_in_windows(const struct node *pool, const struct value *v)
{
    int axes, first = 1;

    attr_ints(pool, "kernel", &axes);
    if (!v->def || v->def->op != OP_broadcast)
        return false;
    struct type t = operand(v->def, 0)->type;
    int extra = v->type.rank - t.rank;
    for (int i = first; i < first + axes; i++)
        if (i >= extra && !dim_is_one(t.dim[i - extra]))
            return false;
    return true;
}

/* Whether nothing else reads v but what has lost its own readers. */
static bool is_only_reader(const struct node *n, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user != n && (u->user->results != 1 || value_used(u->user->result[0])))
            return false;
    return true;
}

/* The largest of x + c, or of max(x, c), is that of the largest x, to the bit but for the sign of a zero, and for the NaN
 * that an infinite c makes of another infinity: less is added, and the pool stands next to the convolution. Not where a
 * gradient is taken, or will be: which element is the largest says where that goes; nor before layout: fold_affine takes
 * what is multiplied and added as a whole. */
static struct value *behind_the_pool(struct simplify *s, struct node *n)
{
    const struct node *map = n->op == OP_maxpool && !s->keep_stops ? operand(n, 0)->def : NULL;

    if (!map || !layout_channels_last(n) || !is_only_reader(n, operand(n, 0)))
        return NULL;
    bool either = map->op == OP_add || map->op == OP_max || map->op == OP_min;
    for (int i = 0; i < (either ? 2 : map->op == OP_sub); i++) {
        struct value *x[2] = { operand(map, i), operand(map, 1 - i) };
        if (!is_same_in_windows(n, x[1]) || is_same_in_windows(n, x[0]))
            continue;
        struct build b = build_at(n->graph, n);
        struct type t = n->result[0]->type;
        x[0] = build_node(&b, OP_maxpool, x, 1, n->attr, n->attrs)->result[0];
        x[1] = build_broadcast(&b, operand(x[1]->def, 0), t.dim, t.rank);
        return build_binary(&b, map->op, x[i], x[1 - i]);
    }
    return NULL;
}

/* x where v is x with its last two axes swapped, else NULL. */
static struct value *unswapped(const struct value *v)
{
    const struct node *n = v->def;
    int rank = v->type.rank;

    if (!n || n->op != OP_transpose)
        return NULL;
    const int64_t *perm = attr_ints(n, "perm", NULL);
    for (int i = 0; i < rank; i++) {
        if (perm[i] != (i < rank - 2 ? i : 2 * rank - 3 - i))
            return NULL;
    }
    return operand(n, 0);
}

static struct value *transposed_operands(struct simplify *s, struct node *n)
{
    (void)s;
    if (n->op != OP_matmul)
        return NULL;
    struct value *a = unswapped(operand(n, 0)), *b = unswapped(operand(n, 1));
    if (!a && !b)
        return NULL;
    struct build at = build_at(n->graph, n);
    return build_matmul(&at, a ? a : operand(n, 0), b ? b : operand(n, 1), attr_bool(n, "ta") != (a != NULL),
                        attr_bool(n, "tb") != (b != NULL));
}

/* ---- sums of parts ---- */

/* A value with zeros before and behind it along one axis. */
struct part {
    struct value *x;
    int axis;
    int64_t before, after;
};

static bool is_part(const struct value *v, struct part *p)
{
    const struct node *n = v->def;
    int axes = 0;

    if (!n || n->op != OP_pad || attr_real(n, "value") != 0)
        return false;
    const int64_t *pairs = attr_ints(n, "pairs", NULL);
    for (int i = 0; i < v->type.rank; i++) {
        if (pairs[2 * i] || pairs[2 * i + 1]) {
            *p = (struct part){ operand(n, 0), i, pairs[2 * i], pairs[2 * i + 1] };
            axes++;
        }
    }
    return axes == 1;
}

static int add_operands(struct part p, struct value **list)
{
    const struct node *n = p.x->def;
    bool joined = n && n->op == OP_concat && attr_int(n, "axis") == p.axis;

    for (int i = 0; joined && i < n->operands; i++)
        list[i] = operand(n, i);
    list[0] = joined ? list[0] : p.x;
    return joined ? n->operands : 1;
}

/* The sum of two parts that lie end to end is the two joined: what becomes of the gradients of a split. */
static struct value *sum_of_parts(struct simplify *s, struct node *n)
{
    struct part a, b;
    int64_t pairs[2 * MAX_RANK] = { 0 };

    if (n->op != OP_add || !is_part(operand(n, 0), &a) || !is_part(operand(n, 1), &b) || a.axis != b.axis)
        return NULL;
    struct part first = a.before < b.before ? a : b, second = a.before < b.before ? b : a;
    if (first.before + first.x->type.dim[a.axis].k != second.before)
        return NULL;
    struct build at = build_at(n->graph, n);
    int most = (first.x->def ? first.x->def->operands : 0) + (second.x->def ? second.x->def->operands : 0) + 2;
    struct value **list = NEW_ARRAY(s->scratch, most, struct value *);
    int count = add_operands(first, list);
    count += add_operands(second, list + count);
    pairs[2 * a.axis] = first.before;
    pairs[2 * a.axis + 1] = second.after;
    return build_pad(&at, build_concat(&at, list, count, a.axis), pairs, 0);
}

/* ---- the pass ---- */

static rewrite_fn *const rewrites[] = {
    changes_nothing,      constants,        by_rules,       division,      coordinates_of_scalar,
    before_the_broadcast, reduction_of_one, other_keepdims, factor_of_sum, transposed_operands,
    sum_of_parts,         behind_the_pool,
};

static bool rewrite(struct simplify *s, struct node *n)
{
    for (size_t i = 0; i < sizeof rewrites / sizeof *rewrites; i++) {
        struct value *with = rewrites[i](s, n);
        if (!with || with == n->result[0])
            continue;
        if (!type_equal(with->type, n->result[0]->type))
            bug("a rule makes %s another type", op_info(n->op)->name);
        if (!with->name && with->def)
            with->name = n->result[0]->name;
        value_replace(n->result[0], with);
        node_remove(n);
        return true;
    }
    return false;
}

/* Of several results the first alone may be read. */
static bool gives_one(const struct node *n)
{
    for (int i = 1; i < n->results; i++)
        if (value_used(n->result[i]))
            return false;
    return n->results > 0;
}

/* What a rewrite has made is looked at next. Every rewrite leaves something smaller, so this ends. */
static bool simplify_graph(struct simplify *s, struct graph *g)
{
    bool changed = false;

    for (struct node *n = g->first; n;) {
        struct node *before = n->previous;
        for (int i = 0; i < n->bodies; i++)
            changed |= simplify_graph(s, n->body[i]);
        if (!gives_one(n) || n->bodies > 0 || !rewrite(s, n)) {
            n = n->next;
            continue;
        }
        changed = true;
        n = before ? before->next : g->first;
    }
    return changed;
}

bool pass_simplify(struct module *m, struct pass_context *c)
{
    struct simplify s = { .m = m, .scratch = c->scratch };
    bool changed = false, differentiated = false;

    read_rules(&s);
    for (int i = 0; i < m->vars; i++)
        differentiated |= m->var[i]->role == ROLE_GRAD;
    for (int i = 0; i < GRAPH_KINDS; i++) {
        s.keep_stops = i == GRAPH_TRAIN && !differentiated;
        if (m->graph[i])
            changed |= simplify_graph(&s, m->graph[i]);
    }
    return changed;
}
