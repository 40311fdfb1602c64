/* codegen/body.c: the value of anything in a group at given coordinates. Index operations become other coordinates,
 * elementwise operations expressions, parameters loads: values, not text, so the same body serves scalar tails and lanes. */
#include <math.h>

#include "codegen/lower.h"

struct lx *index_op(struct lower *l, enum lx_kind kind, struct lx *a, struct lx *b)
{
    return lx_index(l->k, kind, a, b);
}

struct lx *element(struct lower *l, enum op op, enum dtype d, struct lx *a, struct lx *b)
{
    struct lx *args[] = { a, b };
    return lx_elem(l->k, op, d, args, b ? 2 : 1);
}

struct lx *flat_index(struct lower *l, struct type t, struct lx *const *at)
{
    struct lx *flat = lx_int(l->k, 0);
    for (int i = 0; i < t.rank; i++)
        flat = index_op(l, LX_IADD, index_op(l, LX_IMUL, flat, lx_dim(l->k, t.dim[i])), at[i]);
    return flat;
}

/* ---- index operations ---- */

static struct lx *at_broadcast(struct lower *l, struct node *n, struct lx *const *at)
{
    struct value *x = operand(n, 0);
    struct lx *in[MAX_RANK];
    int shift = n->result[0]->type.rank - x->type.rank;
    for (int i = 0; i < x->type.rank; i++)
        in[i] = dim_is_one(x->type.dim[i]) ? lx_int(l->k, 0) : at[i + shift];
    return body_at(l, x, in);
}

/* A run of dimensions of one shape that has as many elements as a run of the other. */
struct run {
    int from, to;
    int64_t k;
    int n;
};

static void take(struct run *r, struct type t)
{
    r->k *= t.dim[r->to].k;
    r->n += t.dim[r->to++].n;
}

/* Matching runs are mapped each for itself: one to one where they are one dimension, over a flat index else. */
static void map_run(struct lower *l, struct type from, struct run f, struct type to, struct run t, struct lx *const *at,
                    struct lx **in)
{
    struct lx *flat = lx_int(l->k, 0);
    for (int i = f.from; i < f.to; i++)
        if (!dim_is_one(from.dim[i]))
            flat = index_op(l, LX_IADD, index_op(l, LX_IMUL, flat, lx_dim(l->k, from.dim[i])), at[i]);
    for (int i = t.to - 1; i >= t.from; i--) {
        bool first = true;
        for (int k = t.from; k < i; k++)
            first &= dim_is_one(to.dim[k]);
        if (dim_is_one(to.dim[i])) {
            in[i] = lx_int(l->k, 0);
        } else if (first) {
            in[i] = flat;
        } else {
            struct lx *d = lx_dim(l->k, to.dim[i]);
            in[i] = index_op(l, LX_IMOD, flat, d);
            flat = index_op(l, LX_IDIV, flat, d);
        }
    }
}

void reshape_at(struct lower *l, struct type from, struct type to, struct lx *const *at, struct lx **in)
{
    struct run f = { 0, 0, 1, 0 }, t = { 0, 0, 1, 0 };

    while (f.to < from.rank || t.to < to.rank) {
        f = (struct run){ f.to, f.to, 1, 0 };
        t = (struct run){ t.to, t.to, 1, 0 };
        do {
            bool less = f.n < t.n || (f.n == t.n && f.k <= t.k);
            if (f.to < from.rank && (less || t.to == to.rank))
                take(&f, from);
            else
                take(&t, to);
        } while ((f.k != t.k || f.n != t.n) && (f.to < from.rank || t.to < to.rank));
        map_run(l, from, f, to, t, at, in);
    }
}

static struct lx *at_reshape(struct lower *l, struct node *n, struct lx *const *at)
{
    struct value *x = operand(n, 0);
    struct lx *in[MAX_RANK];

    reshape_at(l, n->result[0]->type, x->type, at, in);
    return body_at(l, x, in);
}

static struct lx *at_transpose(struct lower *l, struct node *n, struct lx *const *at)
{
    struct lx *in[MAX_RANK];
    int count;
    const int64_t *perm = attr_ints(n, "perm", &count);
    for (int i = 0; i < count; i++)
        in[perm[i]] = at[i];
    return body_at(l, operand(n, 0), in);
}

static struct lx *moved(struct lower *l, struct node *n, struct lx *const *at, int64_t axis, struct lx *to)
{
    struct lx *in[MAX_RANK];
    for (int i = 0; i < n->result[0]->type.rank; i++)
        in[i] = i == axis ? to : at[i];
    return body_at(l, operand(n, 0), in);
}

static struct lx *at_slice(struct lower *l, struct node *n, struct lx *const *at)
{
    int64_t axis = attr_int(n, "axis");
    struct lx *step = index_op(l, LX_IMUL, at[axis], lx_int(l->k, attr_int(n, "step")));
    return moved(l, n, at, axis, index_op(l, LX_IADD, step, lx_int(l->k, attr_int(n, "begin"))));
}

static struct lx *at_reverse(struct lower *l, struct node *n, struct lx *const *at)
{
    int64_t axis = attr_int(n, "axis");
    return moved(l, n, at, axis, index_op(l, LX_ISUB, lx_int(l->k, n->result[0]->type.dim[axis].k - 1), at[axis]));
}

static struct lx *zero_of(struct lower *l, enum dtype d, double x)
{
    return d == DT_REAL   ? lx_real(l->k, x)
           : d == DT_BOOL ? lx_flag(l->k, x != 0)
                          : element(l, OP_cast, d, lx_int(l->k, (int64_t)x), NULL);
}

static struct lx *at_pad(struct lower *l, struct node *n, struct lx *const *at)
{
    struct value *x = operand(n, 0);
    const int64_t *pairs = attr_ints(n, "pairs", NULL);
    struct lx *in[MAX_RANK], *outside = zero_of(l, x->type.dtype, attr_real(n, "value"));
    for (int i = 0; i < x->type.rank; i++)
        in[i] = index_op(l, LX_ISUB, at[i], lx_int(l->k, pairs[2 * i]));
    struct lx *v = body_at(l, x, in);
    for (int i = x->type.rank - 1; i >= 0; i--) {
        if (pairs[2 * i + 1])
            v = lx_guard(l->k, index_op(l, LX_ILT, in[i], lx_dim(l->k, x->type.dim[i])), v, outside);
        if (pairs[2 * i])
            v = lx_guard(l->k, index_op(l, LX_ILE, lx_int(l->k, 0), in[i]), v, outside);
    }
    return v;
}

static struct lx *at_dilate(struct lower *l, struct node *n, struct lx *const *at)
{
    int64_t axis = attr_int(n, "axis"), step = attr_int(n, "step");
    struct lx *from = index_op(l, LX_IDIV, at[axis], lx_int(l->k, step)),
              *rest = index_op(l, LX_IMOD, at[axis], lx_int(l->k, step));
    struct lx *v = moved(l, n, at, axis, from), *zero = lx_real(l->k, 0);
    v = lx_guard(l->k, index_op(l, LX_ILT, from, lx_dim(l->k, operand(n, 0)->type.dim[axis])), v, zero);
    return lx_guard(l->k, index_op(l, LX_IEQ, rest, lx_int(l->k, 0)), v, zero);
}

static struct lx *at_concat(struct lower *l, struct node *n, struct lx *const *at)
{
    int64_t axis = attr_int(n, "axis"), end = n->result[0]->type.dim[axis].k;
    struct lx *v = NULL, *in[MAX_RANK];
    for (int i = n->operands - 1; i >= 0; i--) {
        struct value *x = operand(n, i);
        int64_t begin = end - x->type.dim[axis].k;
        for (int k = 0; k < x->type.rank; k++)
            in[k] = k == axis ? index_op(l, LX_ISUB, at[k], lx_int(l->k, begin)) : at[k];
        struct lx *part = body_at(l, x, in);
        v = v ? lx_guard(l->k, index_op(l, LX_ILT, at[axis], lx_int(l->k, end)), part, v) : part;
        end = begin;
    }
    return v;
}

/* ---- indexed by data: an index outside is clamped ---- */

struct lx *clamped(struct lower *l, struct lx *index, struct dim d)
{
    struct lx *last = index_op(l, LX_ISUB, lx_dim(l->k, d), lx_int(l->k, 1));
    return index_op(l, LX_IMAX, index_op(l, LX_IMIN, index, last), lx_int(l->k, 0));
}

static struct lx *at_gather(struct lower *l, struct node *n, struct lx *const *at)
{
    struct value *x = operand(n, 0), *index = operand(n, 1);
    int axis = (int)attr_int(n, "axis");
    struct lx *in[MAX_RANK];
    for (int i = 0; i < x->type.rank; i++)
        in[i] = i < axis   ? at[i]
                : i > axis ? at[i + index->type.rank - 1]
                           : clamped(l, body_at(l, index, at + axis), x->type.dim[axis]);
    return body_at(l, x, in);
}

static struct lx *at_take_along(struct lower *l, struct node *n, struct lx *const *at)
{
    int64_t axis = attr_int(n, "axis");
    return moved(l, n, at, axis, clamped(l, body_at(l, operand(n, 1), at), operand(n, 0)->type.dim[axis]));
}

/* ---- everything else ---- */

static struct lx *at_constant(struct lower *l, struct node *n)
{
    return zero_of(l, n->result[0]->type.dtype, attr_real(n, "value"));
}

static struct lx *at_map(struct lower *l, struct node *n, struct lx *const *at)
{
    struct lx *args[MAX_OPERAND_NAMES];
    for (int i = 0; i < n->operands; i++)
        args[i] = body_at(l, operand(n, i), at);
    if (n->op == OP_stop_gradient || n->op == OP_relayout)
        return args[0];
    return lx_elem(l->k, n->op, n->result[0]->type.dtype, args, n->operands);
}

static struct lx *at_node(struct lower *l, struct node *n, struct lx *const *at)
{
    struct type t = n->result[0]->type;
    switch (n->op) {
    case OP_constant: return at_constant(l, n);
    case OP_iota: return element(l, OP_cast, t.dtype, at[attr_int(n, "axis")], NULL);
    case OP_one_hot:
        return element(l, OP_cast, DT_REAL, index_op(l, LX_IEQ, body_at(l, operand(n, 0), at), at[t.rank - 1]), NULL);
    case OP_uniform:
    case OP_normal: return lx_random(l->k, n->op, n->attr, n->attrs, l->flat && t.rank ? at[0] : flat_index(l, t, at));
    case OP_learning_rate:
    case OP_bias_correction:
    case OP_first_step: return lx_hyper(l->k, n->op, n->attr, n->attrs, body_at(l, operand(n, 0), at));
    case OP_broadcast: return at_broadcast(l, n, at);
    case OP_reshape: return at_reshape(l, n, at);
    case OP_transpose: return at_transpose(l, n, at);
    case OP_slice: return at_slice(l, n, at);
    case OP_reverse: return at_reverse(l, n, at);
    case OP_pad: return at_pad(l, n, at);
    case OP_dilate: return at_dilate(l, n, at);
    case OP_concat: return at_concat(l, n, at);
    case OP_gather: return at_gather(l, n, at);
    case OP_take_along: return at_take_along(l, n, at);
    default: break;
    }
    if (!op_is_map(n->op))
        bug("'%s' has no value at coordinates", op_info(n->op)->name);
    return at_map(l, n, at);
}

void know(struct lower *l, struct value *v, struct lx *x)
{
    struct known *k = NEW(l->k->arena, struct known);

    *k = (struct known){ .value = v, .x = x, .next = l->known };
    l->known = k;
}

static struct lx *known_at(struct lower *l, const struct value *v)
{
    for (const struct known *k = l->known; k; k = k->next)
        if (k->value == v)
            return k->staged ? lx_load(l->k, k->staged, &l->in_row) : k->x;
    return NULL;
}

static struct lx *value_at(struct lower *l, struct value *v, struct lx *const *at)
{
    struct lx *known = known_at(l, v);

    if (known)
        return known;
    if (l->result && v->def && v->def == l->anchor)
        return l->result;
    struct lx *image = image_at(l, v, at);
    if (image)
        return image;
    if (v->def && v->def == l->nest.source)
        return lx_load(l->k, l->held.rows, (struct lx *[]){ l->held.row, at[v->type.rank - 1] });
    if (v->def)
        return at_node(l, v->def, at);
    return lx_load(l->k, l->param[v->index], at);
}

/* What a value was at the coordinates asked for last. */
struct memory {
    int question;
    struct lx *at[MAX_RANK], *x;
};

static int coordinates(const struct lower *l, const struct value *v)
{
    return l->flat ? v->type.rank > 0 : v->type.rank;
}

static bool same_place(const struct memory *m, struct lx *const *at, int count)
{
    for (int i = 0; i < count; i++)
        if (m->at[i] != at[i])
            return false;
    return true;
}

/* Within one question, a value at one place is found once, however many ways lead to it. The next question asks anew: a
 * load behind a store is another expression. */
struct lx *body_at(struct lower *l, struct value *v, struct lx *const *at)
{
    bool outermost = !l->asking;
    struct memory *m = v->def && v->def->results == 1 ? &l->memory[v->def->id] : NULL;

    if (m && !outermost && m->question == l->question && same_place(m, at, coordinates(l, v)))
        return m->x;
    if (outermost)
        l->question++;
    l->asking = true;
    struct lx *x = value_at(l, v, at);
    l->asking = !outermost;
    if (m) {
        *m = (struct memory){ .question = l->question, .x = x };
        for (int i = 0; i < coordinates(l, v); i++)
            m->at[i] = at[i];
    }
    return x;
}

struct memory *new_memory(struct arena *a, int operations)
{
    return NEW_ARRAY(a, operations + 1, struct memory);
}
