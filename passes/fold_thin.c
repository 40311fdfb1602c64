/* passes/fold_thin.c: what fold_affine multiplies and adds: "thin" tensors, which parameters and states alone decide (settled),
 * of as many axes as what they are spread over, with length 1 where they are the same along one. They pass operations that move
 * elements:
 *
 *     %1 : [N,2,3,5] * [1,2,1,1]       %2 : [N,6,5] = reshape %1        =>        %2 * [1,6,1]
 *     %1 : [N,6,5] * [1,6,1]           %2 : [N,6] = sum %1, axes = [2]  =>        %2 * [1,6] */
#include "passes/fold.h"

/* ---- what parameters decide ---- */

bool is_settled(const struct value *v)
{
    if (v->def)
        return v->def->id;
    return v->var && (v->var->role == ROLE_PARAM || v->var->role == ROLE_FROZEN || v->var->role == ROLE_STATE);
}

/* Leaves in node->id whether all that n reads are parameters, states and constants. */
void find_settled(struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next) {
        n->id = !node_draws(n) && !op_is(n->op, EFFECT) && !n->bodies;
        for (int i = 0; i < n->operands; i++)
            n->id = n->id && is_settled(operand(n, i));
        for (int i = 0; i < n->results; i++)
            n->id = n->id && !shape_batches(n->result[i]->type);
    }
}

/* What is made here is settled too. */
struct value *settle(struct value *v)
{
    for (struct node *n = v->def; n && !n->id; n = n->operands ? operand(n, 0)->def : NULL)
        n->id = 1;
    return v;
}

struct value *before_broadcast(struct value *v)
{
    return v->def && v->def->op == OP_broadcast ? operand(v->def, 0) : v;
}

/* ---- thin tensors ---- */

struct value *thin_of(struct folder *f, struct value *v)
{
    struct value *x = before_broadcast(v);
    struct dim dim[MAX_RANK];
    int rank = v->type.rank, extra = rank - x->type.rank;

    if (!is_settled(x))
        return NULL;
    for (int i = 0; i < rank; i++)
        dim[i] = i < extra ? dim_of(1) : x->type.dim[i - extra];
    return settle(build_reshape(&f->b, x, dim, rank));
}

struct value *thin_spread(struct folder *f, struct value *x, struct type t)
{
    return build_broadcast(&f->b, x, t.dim, t.rank);
}

struct value *thin_number(struct folder *f, double x, int rank)
{
    struct dim dim[MAX_RANK];

    for (int i = 0; i < rank; i++)
        dim[i] = dim_of(1);
    return settle(build_full(&f->b, x, type_make(DT_REAL, rank, dim)));
}

struct value *thin_op(struct folder *f, enum op op, struct value *x, struct value *y)
{
    return settle(build_binary(&f->b, op, x, y));
}

struct value *thin_negative(struct folder *f, struct value *x)
{
    return x ? settle(build_unary(&f->b, OP_neg, x)) : NULL;
}

/* x * y; NULL where that is larger than both. */
struct value *thin_times(struct folder *f, struct value *x, struct value *y)
{
    struct type t;

    if (!shape_broadcast(x->type, y->type, &t))
        bug("a factor does not fit what it is a factor of");
    int64_t count = type_count(t, 1);
    return count > type_count(x->type, 1) && count > type_count(y->type, 1) ? NULL : thin_op(f, OP_mul, x, y);
}

struct value *thin_plus(struct folder *f, struct value *x, struct value *y)
{
    return x && y ? thin_op(f, OP_add, x, y) : x ? x : y;
}

bool is_one_along(struct type t, int from, int to, int but)
{
    for (int i = from; i < to; i++)
        if (i != but && !dim_is_one(t.dim[i]))
            return false;
    return true;
}

/* ---- reshape ---- */

/* Axes from..to of one side of a reshape: their elements, and how many of them are multiples of N. */
struct run {
    struct type t;
    int from, to;
    int64_t count;
    int batches;
};

static bool lengthen(struct run *r)
{
    if (r->to == r->t.rank)
        return false;
    r->count *= r->t.dim[r->to].k;
    r->batches += r->t.dim[r->to++].n;
    return true;
}

static bool is_shorter(const struct run *a, const struct run *b)
{
    return a->batches < b->batches || (a->batches == b->batches && a->count <= b->count);
}

/* The next two runs that hold the same elements. */
static bool next_runs(struct run *a, struct run *b)
{
    a->from = a->to;
    b->from = b->to;
    a->count = b->count = 1;
    a->batches = b->batches = 0;
    do {
        if (!(is_shorter(a, b) && lengthen(a)) && !lengthen(b) && !lengthen(a))
            return false;
    } while (a->batches != b->batches || a->count != b->count);
    return true;
}

static void fill_run(const struct run *r, bool varies, struct type *to)
{
    for (int i = r->from; i < r->to; i++)
        to->dim[i] = varies ? r->t.dim[i] : dim_of(1);
}

static bool through_reshape(struct type from, struct type into, struct type t, struct type *wide, struct type *to)
{
    struct run a = { .t = from }, b = { .t = into };

    *to = type_make(t.dtype, into.rank, into.dim);
    while (a.to < from.rank || b.to < into.rank) {
        if (!next_runs(&a, &b))
            return false;
        bool varies = !is_one_along(t, a.from, a.to, -1);
        if (varies && a.batches)
            return false;
        fill_run(&a, varies, wide);
        fill_run(&b, varies, to);
    }
    return true;
}

/* ---- the others ---- */

static void through_transpose(const struct node *n, struct type t, bool behind, struct type *to)
{
    const int64_t *perm = attr_ints(n, "perm", NULL);

    for (int i = 0; i < t.rank; i++)
        to->dim[behind ? i : perm[i]] = t.dim[behind ? perm[i] : i];
}

static bool through_broadcast(const struct node *n, struct type t, bool behind, struct type *to)
{
    struct type from = operand(n, 0)->type, full = n->result[0]->type;
    int extra = full.rank - from.rank;

    to->rank = behind ? full.rank : from.rank;
    for (int i = 0; i < full.rank; i++) {
        if (behind)
            to->dim[i] = i < extra ? dim_of(1) : t.dim[i - extra];
        else if ((i < extra || dim_is_one(from.dim[i - extra])) && !dim_is_one(t.dim[i]))
            return false;
        else if (i >= extra)
            to->dim[i - extra] = t.dim[i];
    }
    return true;
}

static bool through_sum(const struct node *n, struct type t, bool behind, struct type *to)
{
    bool gone[MAX_RANK] = { false };
    int count, rank = operand(n, 0)->type.rank, k = 0;
    const int64_t *axes = attr_ints(n, "axes", &count);

    for (int i = 0; i < count; i++) {
        gone[axes[i]] = true;
        if (behind && !dim_is_one(t.dim[axes[i]]))
            return false;
    }
    for (int i = 0; i < rank && !attr_bool(n, "keepdims"); i++) {
        if (behind && !gone[i])
            to->dim[k++] = t.dim[i];
        else if (!behind)
            to->dim[i] = gone[i] ? dim_of(1) : t.dim[k++];
    }
    to->rank = attr_bool(n, "keepdims") ? rank : behind ? k : rank;
    return true;
}

static bool through_pad(const struct node *n, struct type t)
{
    const int64_t *pairs = attr_ints(n, "pairs", NULL);

    for (int i = 0; i < t.rank; i++)
        if ((pairs[2 * i] || pairs[2 * i + 1]) && !dim_is_one(t.dim[i]))
            return false;
    return attr_real(n, "value") == 0;
}

bool factor_moves(const struct node *n, struct type t, bool behind, struct type *wide, struct type *to)
{
    struct value *x = n->operands ? operand(n, 0) : NULL;

    *wide = *to = t;
    switch (n->op) {
    case OP_reshape:
        return through_reshape((behind ? x : n->result[0])->type, (behind ? n->result[0] : x)->type, t, wide, to);
    case OP_transpose: through_transpose(n, t, behind, to); return true;
    case OP_broadcast: return through_broadcast(n, t, behind, to);
    case OP_sum: return through_sum(n, t, behind, to);
    case OP_avgpool: return !attr_bool(n, "channels_last") && is_one_along(t, 2, t.rank, -1);
    case OP_pad: return through_pad(n, t);
    case OP_slice:
    case OP_reverse: return dim_is_one(t.dim[attr_int(n, "axis")]);
    default: return false;
    }
}

/* How often each element of the result has what is added to all of the operand; 0: that is no number. */
static int64_t times_added(const struct node *n)
{
    int count;
    const int64_t *which;
    int64_t times = 1;

    switch (n->op) {
    case OP_reshape:
    case OP_transpose:
    case OP_broadcast:
    case OP_slice:
    case OP_reverse: return 1;
    case OP_sum:
        which = attr_ints(n, "axes", &count);
        for (int i = 0; i < count; i++) {
            struct dim d = operand(n, 0)->type.dim[which[i]];
            times = d.n ? 0 : times * d.k;
        }
        return times;
    case OP_avgpool:
        which = attr_ints(n, "pad", &count);
        for (int i = 0; i < count && attr_bool(n, "count_include_pad"); i++)
            times = which[i] ? 0 : times;
        return times;
    default: return 0;
    }
}

/* ---- through an operation ---- */

/* A factor of n's operand as one of its result (behind), or the other way round. */
struct value *thin_moved(struct folder *f, const struct node *n, struct value *x, bool behind)
{
    struct type wide, to;
    int64_t back[MAX_RANK];

    if (!x || !factor_moves(n, x->type, behind, &wide, &to))
        return NULL;
    if (n->op != OP_transpose)
        return settle(build_reshape(&f->b, settle(thin_spread(f, x, wide)), to.dim, to.rank));
    const int64_t *perm = attr_ints(n, "perm", NULL);
    for (int i = 0; i < x->type.rank; i++)
        back[perm[i]] = i;
    return settle(build_transpose(&f->b, x, behind ? perm : back));
}

bool sum_moves(const struct node *n)
{
    return times_added(n) != 0;
}

/* What is added to n's operand, as what is added to its result. */
struct value *thin_shift_moved(struct folder *f, const struct node *n, struct value *x)
{
    int64_t often = times_added(n);

    x = often ? thin_moved(f, n, x, true) : NULL;
    return x && often != 1 ? thin_op(f, OP_mul, x, thin_number(f, (double)often, x->type.rank)) : x;
}
