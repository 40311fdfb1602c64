/* passes/fold_affine.c: what inference multiplies and adds a channel goes into the weights and the bias of the linear
 * operation before it, or of the one behind it.
 *
 *     %1 = conv %x, @w                              %w = mul @w, scale of each output channel
 *     %2 = add %1, bias                             %1 = conv %x, %w
 *     %3 = sub %2, mean                     =>      %2 = add %1, (bias - mean) * scale + shift
 *     %4 = mul %3, scale
 *     %5 = add %4, shift
 *
 * So inference loses its BatchNorms; no rule names them. Two rules carry it, for all that parameters and states alone
 * decide, in graphs infer and eval; hoist prepares the new weights.
 *   - A factor goes back through what hands it on (sums, products, averages, changes of coordinates) until something has
 *     it in its weights: a convolution, its data gradient (a transposed convolution), a matrix product, another factor.
 *     What is added on the way is one sum in the end. No other may read what it passes.
 *   - What stands before a linear operation goes on into that, through changes of coordinates as well: a factor always,
 *     since outside the image that a convolution reads there is nothing, or a zero; a sum only where no border of zeros
 *     is read. What several read goes on where all of them take it. */
#include "passes/fold.h"

enum { DEEP = 64 }; /* operations that a factor passes */

/* A value that is v + shift. v NULL: there is none. */
struct part {
    struct value *v, *shift; /* thin, or NULL: 0 */
};

/* A value that is base * scale + shift. */
struct affine {
    struct value *base, *scale, *shift; /* thin; NULL: 1, and 0 */
};

static struct value *with_shift(struct folder *f, struct part p)
{
    return p.v && p.shift ? build_binary(&f->b, OP_add, p.v, thin_spread(f, p.shift, p.v->type)) : p.v;
}

/* n once more, of these operands. */
static struct value *again(struct folder *f, const struct node *n, struct value *const *x)
{
    struct build b = f->b;

    b.at = n->at;
    b.layer = n->layer;
    return build_node(&b, n->op, x, n->operands, n->attr, n->attrs)->result[0];
}

static bool only_use(const struct value *v)
{
    return v->uses && !v->uses->next && v->uses->user->graph == v->graph;
}

/* ---- weights ---- */

static bool is_contraction(const struct node *n)
{
    return n->op == OP_conv || n->op == OP_conv_dx || n->op == OP_matmul || n->op == OP_sparse_matmul;
}

/* Operand `which` of n meets settled weights. */
static bool is_linear(const struct node *n, int which)
{
    if (!is_contraction(n))
        return false;
    if (n->op == OP_matmul)
        return is_settled(before_broadcast(operand(n, 1 - which)));
    return !which && is_settled(operand(n, 1)) && (n->op == OP_sparse_matmul || !attr_bool(n, "channels_last"));
}

/* Scales w along axis `axis` by as many numbers as its channels are. They lie in two axes, [groups o, channels / groups, ...],
 * where the weights of a group are together along the first. */
static struct value *by_channel(struct folder *f, struct value *w, int axis, int64_t groups, struct value *factor)
{
    struct dim wide[MAX_RANK + 1], slim[MAX_RANK + 1];
    struct type t = w->type;
    bool split = groups > 1 && axis == 1 && !dim_is_one(factor->type.dim[1]);
    int rank = 0, at = axis + split;

    if (split) {
        wide[rank++] = dim_of(groups);
        wide[rank++] = dim_of(t.dim[0].k / groups);
    } else {
        wide[rank++] = t.dim[0];
    }
    for (int i = 1; i < t.rank; i++)
        wide[rank++] = t.dim[i];
    for (int i = 0; i < rank; i++)
        slim[i] = !dim_is_one(factor->type.dim[1]) && (i == at || (split && i == 0)) ? wide[i] : dim_of(1);
    struct value *seen = build_reshape(&f->b, w, wide, rank), *by = build_reshape(&f->b, factor, slim, rank);
    return settle(build_reshape(&f->b, build_binary(&f->b, OP_mul, seen, by), t.dim, t.rank));
}

/* Scales the values of a sparse matrix by as many numbers as it has rows, or columns. */
static struct value *by_place(struct folder *f, struct value *values, struct value *places, struct value *factor)
{
    struct dim d = factor->type.dim[0];
    const struct attr axis = at_int("axis", 0);
    struct value *x[2] = { settle(build_reshape(&f->b, factor, &d, 1)), places };

    if (!dim_is_one(d))
        x[0] = settle(build_node(&f->b, OP_gather, x, 2, &axis, 1)->result[0]);
    return thin_op(f, OP_mul, values, x[0]);
}

/* ---- a factor goes back ---- */

static struct part absorb(struct folder *f, struct value *v, struct value *s, int depth);

/* v * s, where that takes no operation; else NULL. */
static struct value *absorbed(struct folder *f, struct value *v, struct value *s, int depth)
{
    struct value *x = thin_of(f, v);

    if (!x)
        return with_shift(f, absorb(f, v, s, depth));
    x = thin_times(f, x, s);
    return x ? thin_spread(f, x, v->type) : NULL;
}

/* n with x in place of that operand; NULL where x is. */
static struct value *with_operand(struct folder *f, const struct node *n, int which, struct value *x)
{
    struct value *all[4];

    for (int i = 0; i < n->operands; i++)
        all[i] = i == which ? x : operand(n, i);
    return x ? again(f, n, all) : NULL;
}

/* Rows of the left operand, or columns of the right. */
static struct value *absorb_in_matmul(struct folder *f, const struct node *n, struct value *s, int depth)
{
    int rank = s->type.rank;
    struct value *y = NULL;

    for (int which = 1; which >= 0 && !y; which--) {
        if (!dim_is_one(s->type.dim[which ? rank - 2 : rank - 1]))
            continue;
        bool turned = attr_bool(n, which ? "tb" : "ta");
        struct value *factor = turned ? settle(build_swap(&f->b, s)) : s;
        y = with_operand(f, n, which, absorbed(f, operand(n, which), factor, depth));
    }
    return y;
}

static struct value *absorb_in_conv(struct folder *f, const struct node *n, struct value *s)
{
    if (!is_linear(n, 0) || !is_one_along(s->type, 0, s->type.rank, 1))
        return NULL;
    bool turned = n->op == OP_conv_dx;
    return with_operand(f, n, 1, by_channel(f, operand(n, 1), turned, turned ? attr_int(n, "groups") : 1, s));
}

static struct value *absorb_in_sparse(struct folder *f, const struct node *n, struct value *s)
{
    if (!is_linear(n, 0) || !is_one_along(s->type, 1, s->type.rank, -1))
        return NULL;
    return with_operand(f, n, 1, by_place(f, operand(n, 1), operand(n, 2), s));
}

/* a * b, a / b: a settled divisor takes it, or one of the factors. */
static struct value *absorb_in_product(struct folder *f, const struct node *n, struct value *s, int depth)
{
    struct value *a = operand(n, 0), *b = operand(n, 1), *by = thin_of(f, b), *y;

    if (n->op == OP_div && by) {
        by = thin_times(f, s, thin_op(f, OP_div, build_constant(&f->b, 1, DT_REAL), by));
        return by ? build_binary(&f->b, OP_mul, a, thin_spread(f, by, a->type)) : NULL;
    }
    if (by)
        return with_operand(f, n, 1, absorbed(f, b, s, depth));
    y = with_operand(f, n, 0, absorbed(f, a, s, depth));
    return y || n->op == OP_div ? y : with_operand(f, n, 1, absorbed(f, b, s, depth));
}

/* a + b, a - b: both take it; what is settled becomes part of the shift. */
static struct part absorb_in_sum(struct folder *f, const struct node *n, struct value *s, int depth)
{
    struct part sum = { NULL, NULL }, none = sum;

    for (int i = 0; i < 2; i++) {
        struct value *c = thin_of(f, operand(n, i));
        bool minus = n->op == OP_sub && i;
        struct part p = { NULL, c ? thin_times(f, c, minus ? thin_negative(f, s) : s) : NULL };
        if (!c)
            p = absorb(f, operand(n, i), minus ? thin_negative(f, s) : s, depth);
        if (!p.v && (!c || !p.shift))
            return none;
        sum.v = sum.v && p.v ? build_binary(&f->b, OP_add, sum.v, p.v) : p.v ? p.v : sum.v;
        sum.shift = thin_plus(f, sum.shift, p.shift);
    }
    return sum;
}

static struct value *absorb_in_parts(struct folder *f, const struct node *n, struct value *s, int depth)
{
    struct value **x = NEW_ARRAY(f->g->module->arena, n->operands, struct value *);
    int axis = (int)attr_int(n, "axis");
    int64_t at = 0;

    for (int i = 0; i < n->operands; i++) {
        struct value *v = operand(n, i), *part = s;
        int64_t end = at + v->type.dim[axis].k;
        if (!dim_is_one(s->type.dim[axis]))
            part = settle(build_slice(&f->b, s, axis, at, end, 1));
        x[i] = absorbed(f, v, part, depth);
        if (!x[i])
            return NULL;
        at = end;
    }
    return again(f, n, x);
}

static struct part absorb_before_move(struct folder *f, const struct node *n, struct value *s, int depth)
{
    struct part p = { NULL, NULL };

    s = thin_moved(f, n, s, false);
    if (s)
        p = absorb(f, operand(n, 0), s, depth);
    if (!p.v)
        return p;
    struct value *shift = thin_shift_moved(f, n, p.shift), *x = shift ? p.v : with_shift(f, p);
    return (struct part){ again(f, n, &x), shift };
}

/* v * s, where that takes no operation. */
static struct part absorb(struct folder *f, struct value *v, struct value *s, int depth)
{
    const struct node *n = v->def;
    struct part p = { NULL, NULL };

    if (!n || !only_use(v) || depth == DEEP)
        return p;
    switch (n->op) {
    case OP_conv:
    case OP_conv_dx: p.v = absorb_in_conv(f, n, s); return p;
    case OP_matmul: p.v = absorb_in_matmul(f, n, s, depth + 1); return p;
    case OP_sparse_matmul: p.v = absorb_in_sparse(f, n, s); return p;
    case OP_mul:
    case OP_div: p.v = absorb_in_product(f, n, s, depth + 1); return p;
    case OP_concat: p.v = absorb_in_parts(f, n, s, depth + 1); return p;
    case OP_neg: return absorb(f, operand(n, 0), thin_negative(f, s), depth + 1);
    case OP_add:
    case OP_sub: return absorb_in_sum(f, n, s, depth + 1);
    default: return absorb_before_move(f, n, s, depth + 1);
    }
}

/* n as v * scale + shift with something settled: v, or NULL. */
static struct value *step(struct folder *f, const struct node *n, struct value **scale, struct value **shift)
{
    *scale = *shift = NULL;
    if (n->op == OP_neg) {
        *scale = thin_number(f, -1, n->result[0]->type.rank);
        return operand(n, 0);
    }
    if (n->op != OP_mul && n->op != OP_div && n->op != OP_add && n->op != OP_sub)
        return NULL;
    int which = is_settled(before_broadcast(operand(n, 0))) ? 0 : 1;
    struct value *by = which && n->op == OP_div ? thin_of(f, operand(n, 1)) : thin_of(f, operand(n, which));
    if (!by || (n->op == OP_div && !which))
        return NULL;
    if (n->op == OP_mul)
        *scale = by;
    else if (n->op == OP_div)
        *scale = thin_op(f, OP_div, build_constant(&f->b, 1, DT_REAL), by);
    else
        *shift = n->op == OP_sub && which ? thin_negative(f, by) : by;
    if (n->op == OP_sub && !which)
        *scale = thin_number(f, -1, by->type.rank);
    return operand(n, 1 - which);
}

/* Takes away what nothing reads, from n back to behind `end`: uses are counted. */
static void sweep(struct folder *f, struct node *n, const struct node *end)
{
    for (struct node *previous; n && n != end; n = previous) {
        previous = n->previous;
        bool used = node_has_effect(n);
        for (int i = 0; i < n->results; i++)
            used = used || value_used(n->result[i]);
        if (used)
            continue;
        if (f->next == n)
            f->next = n->next;
        node_remove(n);
    }
}

/* p takes the place of v. Its shift goes on to join what is added there, and behind what changes the shape alone. */
static void finish(struct folder *f, struct value *v, struct part p)
{
    struct value *scale, *more;

    while (p.shift && only_use(v)) {
        struct node *n = v->uses->user;
        f->b = build_at(f->g, n);
        if (n->op == OP_reshape || n->op == OP_transpose) {
            more = thin_shift_moved(f, n, p.shift);
            if (!more)
                break;
            p = (struct part){ again(f, n, &p.v), more };
        } else if ((n->op == OP_add || n->op == OP_sub) && step(f, n, &scale, &more) == v && !scale) {
            p.shift = thin_plus(f, p.shift, more);
        } else {
            break;
        }
        v = n->result[0];
    }
    f->b = build_at(f->g, v->def);
    struct value *y = with_shift(f, p);
    y->name = v->name;
    value_replace(v, y);
    sweep(f, v->def, NULL);
}

static bool fold_behind(struct folder *f, struct node *n)
{
    struct node *mark = n->previous;
    struct value *scale, *shift, *v;

    if (n->id || (n->op != OP_mul && n->op != OP_div && n->op != OP_neg && n->op != OP_sub) ||
        n->result[0]->type.dtype != DT_REAL)
        return false;
    f->b = build_at(f->g, n);
    v = step(f, n, &scale, &shift);
    struct part p = v && scale ? absorb(f, v, scale, 0) : (struct part){ NULL, NULL };
    if (!p.v) {
        sweep(f, n->previous, mark);
        return false;
    }
    p.shift = thin_plus(f, p.shift, shift);
    finish(f, n->result[0], p);
    return true;
}

/* ---- before a linear operation ---- */

static bool reads_border(const struct node *n)
{
    int count;
    const int64_t *pad = attr_ints(n, "pad", &count);

    for (int i = 0; i < count; i++)
        if (pad[i])
            return true;
    if (n->op == OP_conv)
        return false;
    /* elsewhere its borders, and what lies between strides, read fewer elements */
    const struct type w = operand(n, 1)->type;
    const int64_t *stride = attr_ints(n, "stride", &count);
    for (int i = 0; i < count; i++)
        if (stride[i] != 1)
            return true;
    return !is_one_along(w, 2, w.rank, -1) || attr_int(n, "groups") != 1;
}

/* The axis of n's operand along which it does not add up. */
static int outer_axis(const struct node *n, int which)
{
    int rank = operand(n, which)->type.rank;

    return attr_bool(n, which ? "tb" : "ta") == (which == 0) ? rank - 1 : rank - 2;
}

/* Whether the weights of n can take what has type t, and is multiplied or also added to that operand. */
static bool takes(const struct node *n, int which, struct type t, bool shift)
{
    if (!is_linear(n, which))
        return false;
    if (n->op == OP_sparse_matmul)
        return is_one_along(t, 1, t.rank, -1);
    if (n->op != OP_matmul)
        return is_one_along(t, 0, t.rank, 1) && !(shift && reads_border(n));
    const struct type w = before_broadcast(operand(n, 1 - which))->type;
    for (int i = 0; i < t.rank - 2; i++) {
        int at = i - (t.rank - w.rank);
        if (!dim_is_one(t.dim[i]) && (at < 0 || dim_is_one(w.dim[at])))
            return false;
    }
    return dim_is_one(t.dim[outer_axis(n, which)]);
}

/* Whether all that read v can. */
static bool all_take(const struct value *v, struct type t, bool shift, int depth)
{
    struct type wide, to;

    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->user;
        if (n->graph != v->graph || depth == DEEP)
            return false;
        if (takes(n, u->index, t, shift))
            continue;
        if (!factor_moves(n, t, true, &wide, &to) || (shift && !sum_moves(n)) ||
            !all_take(n->result[0], to, shift, depth + 1))
            return false;
    }
    return true;
}

static struct type type_of(const struct affine *a)
{
    struct type t = (a->scale ? a->scale : a->shift)->type;

    if (a->scale && a->shift && !shape_broadcast(t, a->shift->type, &t))
        bug("a factor and a sum of one value have different shapes");
    return t;
}

/* a is the operand of n, a step or a move. False where that is not to be had. */
static bool apply(struct folder *f, const struct node *n, struct affine *a, struct value *scale, struct value *shift)
{
    struct affine from = *a;

    if (scale || shift) {
        a->scale = from.scale && scale ? thin_times(f, from.scale, scale) : from.scale ? from.scale : scale;
        a->shift = from.shift && scale ? thin_times(f, from.shift, scale) : from.shift;
        if ((scale && !a->scale) || (from.shift && !a->shift))
            return false;
        a->shift = thin_plus(f, a->shift, shift);
        return true;
    }
    a->scale = thin_moved(f, n, from.scale, true);
    a->shift = from.shift ? thin_shift_moved(f, n, from.shift) : NULL;
    if ((from.scale && !a->scale) || (from.shift && !a->shift))
        return false;
    a->base = again(f, n, &from.base);
    return true;
}

static struct affine strip(struct folder *f, struct value *v, int depth)
{
    const struct node *n = v->def;
    struct affine a, none = { v, NULL, NULL };
    struct value *scale = NULL, *shift = NULL, *u;
    struct type wide, to;

    if (!n || n->id || n->graph != f->g || !n->operands || depth == DEEP || v->type.dtype != DT_REAL)
        return none;
    u = step(f, n, &scale, &shift);
    if (!u && factor_moves(n, thin_number(f, 1, operand(n, 0)->type.rank)->type, true, &wide, &to))
        u = operand(n, 0);
    if (!u)
        return none;
    a = strip(f, u, depth + 1);
    if ((!a.scale && !a.shift && !scale && !shift) || !apply(f, n, &a, scale, shift))
        return none;
    return only_use(v) || all_take(v, type_of(&a), a.shift, 0) ? a : none;
}

/* What a shift of its operand adds to n's result. */
static struct value *shifted_result(struct folder *f, const struct node *n, int which, struct value *shift)
{
    struct value *w = operand(n, 1 - which);
    struct type t = shift->type;
    int64_t axes[MAX_RANK];
    int count = 0, kept = n->op == OP_conv_dx;

    if (n->op == OP_matmul) {
        int inner = 2 * t.rank - 3 - outer_axis(n, which);
        t.dim[inner] = operand(n, which)->type.dim[inner];
        struct value *x = thin_spread(f, shift, t), *y = thin_of(f, w);
        return settle(build_matmul(&f->b, which ? y : x, which ? x : y, attr_bool(n, "ta"), attr_bool(n, "tb")));
    }
    if (n->op == OP_sparse_matmul) {
        t.dim[0] = operand(n, 0)->type.dim[0];
        return settle(with_operand(f, n, 0, thin_spread(f, shift, t)));
    }
    struct value *product = by_channel(f, w, !kept, attr_int(n, "groups"), shift);
    for (int i = 0; i < product->type.rank; i++)
        if (i != kept)
            axes[count++] = i;
    struct value *sum = settle(build_reduce(&f->b, OP_sum, product, axes, count, false));
    for (int i = 0; i < t.rank; i++)
        t.dim[i] = i == 1 ? sum->type.dim[0] : dim_of(1);
    return settle(build_reshape(&f->b, sum, t.dim, t.rank));
}

static struct value *scaled_weight(struct folder *f, const struct node *n, int which, struct value *scale)
{
    struct value *w = operand(n, 1 - which);

    if (n->op == OP_sparse_matmul)
        return by_place(f, w, operand(n, 3), scale);
    if (n->op != OP_matmul)
        return by_channel(f, w, n->op == OP_conv, attr_int(n, "groups"), scale);
    if (attr_bool(n, "ta") == attr_bool(n, "tb"))
        scale = settle(build_swap(&f->b, scale));
    return thin_spread(f, thin_op(f, OP_mul, thin_of(f, w), scale), w->type);
}

static bool fold_before(struct folder *f, struct node *n, int which)
{
    struct node *mark = n->previous;

    if (n->id || !is_linear(n, which))
        return false;
    f->b = build_at(f->g, n);
    struct affine a = strip(f, operand(n, which), 0);
    if (!a.scale || !takes(n, which, type_of(&a), a.shift)) {
        sweep(f, n->previous, mark);
        return false;
    }
    struct value *v = with_operand(f, n, 1 - which, scaled_weight(f, n, which, a.scale));
    node_set_operand(v->def, which, a.base);
    finish(f, n->result[0], (struct part){ v, a.shift ? shifted_result(f, n, which, a.shift) : NULL });
    return true;
}

static bool fold(struct graph *g)
{
    struct folder f = { .g = g };
    bool changed = false;

    find_settled(g);
    for (struct node *n = g->first; n; n = f.next) {
        f.next = n->next;
        changed |= is_contraction(n) && (fold_before(&f, n, 0) || (n->op == OP_matmul && fold_before(&f, n, 1)));
    }
    for (struct node *n = g->first; n; n = f.next) {
        f.next = n->next;
        changed |= fold_behind(&f, n);
    }
    dce_graph(g);
    return changed;
}

bool pass_fold_affine(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    if (m->graph[GRAPH_EVAL])
        changed |= fold(m->graph[GRAPH_EVAL]);
    if (m->graph[GRAPH_INFER])
        changed |= fold(m->graph[GRAPH_INFER]);
    return changed;
}
