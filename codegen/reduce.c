/* codegen/reduce.c: sums and their like. The order of every sum depends on shapes alone: along a contiguous axis 16 or 32
 * logical lanes and one fixed tree, in all other directions one after the other, where they are many some at a time, and of
 * very many the sums of these some at a time: a long sum of small numbers loses digits. */
#include <math.h>

#include "codegen/lower.h"
#include "ir/loop_lanes.h"

struct lx *identity(struct lower *l, enum op op, enum dtype d)
{
    if (d == DT_I32)
        return lx_int(l->k, op == OP_add ? 0 : op == OP_mul ? 1 : op == OP_max ? INT32_MIN : INT32_MAX);
    return lx_real(l->k, op == OP_add ? 0 : op == OP_mul ? 1 : op == OP_max ? -INFINITY : INFINITY);
}

static struct lblock *open_sum(struct lower *l, struct lblock *b, const struct sum *s, int to, struct lx **at)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "o" };
    for (int i = 0; i < to; i++) {
        struct ls *loop = ls_loop(l->k, b, names[i], lx_int(l->k, 0), s->extent[i], 1, LICENCE_RED);
        at[i] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    return b;
}

/* The term at these coordinates, in block b. */
static struct lx *term_at(struct lower *l, struct lblock *b, const struct sum *s, struct lx *const *at)
{
    struct lx *v = s->term(l, at, s->context), *index = lx_int(l->k, 0);

    if (!s->kept)
        return v;
    for (int i = 0; i < s->axes; i++)
        index = index_op(l, LX_IADD, index_op(l, LX_IMUL, index, s->extent[i]), at[i]);
    v = ls_let(l->k, b, "v", v);
    ls_store(l->k, b, s->kept, &index, v);
    return v;
}

/* The new term first: of two numbers one of which is no number nn_max_v takes the first at less cost. */
static struct lx *combined(struct lower *l, const struct sum *s, struct lx *acc, struct lx *term)
{
    return s->op == OP_add || s->op == OP_mul ? element(l, s->op, s->dtype, acc, term)
                                              : element(l, s->op, s->dtype, term, acc);
}

static void add_to(struct lower *l, struct lblock *b, const struct sum *s, struct lbuf *acc, struct lx *x)
{
    ls_store(l->k, b, acc, NULL, combined(l, s, lx_load(l->k, acc, NULL), x));
}

enum { PIECE = 256, PIECES = 16 };

/* Adds the terms begin..end of the last axis to acc, in pieces of `size`, and these in pieces of 256; size 1: one by one.
 *
 *     for some in begin..end step size: acc = acc + (the sum of some..imin(some + size, end)) */
static void add_pieces(struct lower *l, struct lblock *b, const struct sum *s, struct lx **at, struct lbuf *acc,
                       struct lx *begin, struct lx *end, int size)
{
    struct ls *loop = ls_loop(l->k, b, size > 1 ? "some" : "a", begin, end, size, LICENCE_RED);
    struct lx *from = lx_var(l->k, loop->var);

    if (size == 1) {
        at[s->axes - 1] = from;
        add_to(l, &loop->body, s, acc, term_at(l, &loop->body, s, at));
        return;
    }
    struct lx *next = index_op(l, LX_IADD, from, lx_int(l->k, size));
    struct lbuf *piece = lbuf_scalar(l->k, &loop->body, "piece", s->dtype, identity(l, s->op, s->dtype));
    add_pieces(l, &loop->body, s, at, piece, from, index_op(l, LX_IMIN, next, end), size > PIECE ? PIECE : 1);
    add_to(l, &loop->body, s, acc, lx_load(l->k, piece, NULL));
}

static struct lx *sum_in_order(struct lower *l, struct lblock *b, const struct sum *s)
{
    bool pieces = l->level && s->op == OP_add && s->dtype == DT_REAL && s->most >= 2 * PIECE;
    int size = s->most >= 2 * PIECES * PIECE ? PIECES * PIECE : PIECE;
    struct lx *at[MAX_RANK + 1];
    struct lbuf *acc = lbuf_scalar(l->k, b, "acc", s->dtype, identity(l, s->op, s->dtype));
    struct lblock *in = open_sum(l, b, s, s->axes - pieces, at);

    if (pieces)
        add_pieces(l, in, s, at, acc, lx_int(l->k, 0), s->extent[s->axes - 1], size);
    else
        add_to(l, in, s, acc, term_at(l, in, s, at));
    return ls_let(l->k, b, "total", lx_load(l->k, acc, NULL));
}

static struct ls *lane_loop(struct lower *l, struct lblock *b, int lanes)
{
    return ls_loop(l->k, b, "lane", lx_int(l->k, 0), lx_int(l->k, lanes), 1, LICENCE_PAR);
}

static struct ls *fill(struct lower *l, struct lblock *b, struct lbuf *to, struct lx *with)
{
    struct ls *loop = lane_loop(l, b, (int)to->shape[0].k);
    struct lx *q = lx_var(l->k, loop->var);
    ls_store(l->k, &loop->body, to, &q, with);
    return loop;
}

/* Where the terms can be had in lanes the 16 sums are vectors; else they are numbers, in the same order. */
void run_in_lanes(struct lower *l, struct lbuf *acc, struct ls *const *loops, int count)
{
    acc->space = SPACE_TILE;
    for (int i = 0; i < count; i++)
        loops[i]->way = WAY_VECTOR;
    bool ok = true;
    for (int i = 0; i < count && ok; i++)
        ok = !lanes_of(l->k, loops[i]).why;
    for (int i = 0; i < count && !ok; i++)
        loops[i]->way = WAY_PLAIN;
    if (!ok)
        acc->space = SPACE_ARRAY;
}

enum { LANES = 16, LONG = 256 }; /* a long row keeps two vectors of 16 lanes busy: one sum waits for itself */

/* Elements from..from + lanes of a row, in block b, each to its lane of acc. */
static struct ls *add_lanes(struct lower *l, struct lblock *b, const struct sum *s, struct lx **at, struct lbuf *acc,
                            struct lx *from, int lanes)
{
    struct ls *loop = lane_loop(l, b, lanes);
    struct lx *q = lx_var(l->k, loop->var);

    at[s->axes - 1] = index_op(l, LX_IADD, from, q);
    struct lx *v = term_at(l, &loop->body, s, at);
    ls_store(l->k, &loop->body, acc, &q, combined(l, s, lx_load(l->k, acc, &q), v));
    return loop;
}

/* What fills no 16 lanes, from `whole` on, each to its lane of rest. */
static void add_rest(struct lower *l, struct lblock *b, const struct sum *s, struct lx **at, struct lbuf *rest,
                     struct lx *whole)
{
    struct ls *tail = ls_loop(l->k, b, "tail", whole, s->extent[s->axes - 1], 1, LICENCE_RED);
    struct lx *t = lx_var(l->k, tail->var), *lane = index_op(l, LX_ISUB, t, whole);

    at[s->axes - 1] = t;
    struct lx *v = term_at(l, &tail->body, s, at);
    ls_store(l->k, &tail->body, rest, &lane, combined(l, s, lx_load(l->k, rest, &lane), v));
}

/* The greatest multiple of `by` that is not above x. */
static struct lx *multiple(struct lower *l, struct lx *x, int by)
{
    return index_op(l, LX_IMUL, index_op(l, LX_IDIV, x, lx_int(l->k, by)), lx_int(l->k, by));
}

/* A sum in lanes on its way. */
struct running {
    const struct sum *s;
    struct lbuf *acc, *rest;
    struct lx *at[MAX_RANK + 1];
    int lanes;
    bool whole_alone; /* the row fills all lanes */
    struct ls *in_lanes[8];
    int loops;
};

static struct running begin_sum(struct lower *l, struct lblock *b, const struct sum *s)
{
    struct running r = { .s = s, .lanes = s->last >= LONG ? 2 * LANES : LANES };
    struct dim once = dim_of(LANES), all = dim_of(r.lanes);
    struct lx *zero = identity(l, s->op, s->dtype);

    r.acc = lbuf_local(l->k, b, "acc", SPACE_ARRAY, s->dtype, 1, &all);
    r.rest = lbuf_local(l->k, b, "rest", SPACE_ARRAY, s->dtype, 1, &once);
    r.whole_alone = s->last >= 0 && s->last % LANES == 0;
    r.in_lanes[r.loops++] = fill(l, b, r.acc, zero);
    if (!r.whole_alone)
        fill(l, b, r.rest, zero);
    return r;
}

/* Elements from..from + lanes of the row. */
static void go_on(struct lower *l, struct lblock *b, struct running *r, struct lx *from, int lanes)
{
    r->in_lanes[r->loops++] = add_lanes(l, b, r->s, r->at, r->acc, from, lanes);
}

static struct lx *end_sum(struct lower *l, struct lblock *b, struct running *r)
{
    struct ls *both = r->in_lanes[r->loops++] = lane_loop(l, b, LANES);
    struct lx *p = lx_var(l->k, both->var), *sum = lx_load(l->k, r->acc, &p);
    struct lx *other = index_op(l, LX_IADD, p, lx_int(l->k, LANES));

    sum = r->lanes > LANES ? combined(l, r->s, sum, lx_load(l->k, r->acc, &other)) : sum;
    ls_store(l->k, &both->body, r->rest, &p,
             r->whole_alone ? sum : element(l, r->s->op, r->s->dtype, sum, lx_load(l->k, r->rest, &p)));
    run_in_lanes(l, r->acc, r->in_lanes, r->loops);
    return ls_let(l->k, b, "total", lx_fold(l->k, r->s->op, r->rest));
}

static struct lx *sum_in_lanes(struct lower *l, struct lblock *b, const struct sum *s)
{
    struct running r = begin_sum(l, b, s);
    struct lx *end = s->extent[s->axes - 1];
    struct lblock *in = open_sum(l, b, s, s->axes - 1, r.at);
    struct ls *block = ls_loop(l->k, in, "block", lx_int(l->k, 0), multiple(l, end, r.lanes), r.lanes, LICENCE_RED);

    go_on(l, &block->body, &r, lx_var(l->k, block->var), r.lanes);
    if (s->last >= 0 && s->last % r.lanes >= LANES)
        go_on(l, in, &r, multiple(l, end, r.lanes), LANES);
    if (!r.whole_alone)
        add_rest(l, in, s, r.at, r.rest, multiple(l, end, LANES));
    return end_sum(l, b, &r);
}

enum { TOGETHER = 4 * LANES };

bool goes_together(const struct sum *s)
{
    return s->contiguous && s->dtype == DT_REAL && s->axes == 1 && s->last >= LONG && s->last % TOGETHER == 0;
}

/* The order of each is that of its own. */
void emit_together(struct lower *l, struct lblock *b, const struct sum *first, const struct sum *second,
                   const struct also *also, struct lx **first_total, struct lx **second_total)
{
    struct running one = begin_sum(l, b, first), two = begin_sum(l, b, second);
    struct ls *block = ls_loop(l->k, b, "block", lx_int(l->k, 0), first->extent[0], TOGETHER, LICENCE_RED);
    struct lx *from = lx_var(l->k, block->var);

    if (also) {
        struct ls *loop = lane_loop(l, &block->body, TOGETHER);
        struct lx *at = index_op(l, LX_IADD, from, lx_var(l->k, loop->var));
        also->at(l, &loop->body, at, also->context);
    }
    for (int i = 0; i < TOGETHER; i += two.lanes)
        go_on(l, &block->body, &two, index_op(l, LX_IADD, from, lx_int(l->k, i)), two.lanes);
    for (int i = 0; i < TOGETHER; i += one.lanes)
        go_on(l, &block->body, &one, index_op(l, LX_IADD, from, lx_int(l->k, i)), one.lanes);
    *first_total = end_sum(l, b, &one);
    *second_total = end_sum(l, b, &two);
}

struct lx *emit_sum(struct lower *l, struct lblock *b, const struct sum *s)
{
    bool lanes = s->contiguous && s->dtype == DT_REAL && (s->last < 0 || s->last >= 16);
    return lanes ? sum_in_lanes(l, b, s) : sum_in_order(l, b, s);
}

/* ---- reductions over axes ---- */

struct reduction {
    struct value *x;
    struct type type;        /* x's, the last reduced axes joined where that can be */
    struct lx *at[MAX_RANK]; /* in it; those of reduced axes are set as the sum runs */
    int axis[MAX_RANK], axes;
    struct lx *mean; /* moments' second pass: the term is (x - mean)^2 */
};

static struct lx *term(struct lower *l, struct lx *const *at, void *context)
{
    struct reduction *r = context;
    struct lx *in[MAX_RANK];
    for (int i = 0; i < r->axes; i++)
        r->at[r->axis[i]] = at[i];
    reshape_at(l, r->type, r->x->type, r->at, in);
    struct lx *v = body_at(l, r->x, in);
    if (!r->mean)
        return v;
    struct lx *d = element(l, OP_sub, DT_REAL, v, r->mean);
    return element(l, OP_mul, DT_REAL, d, d);
}

static bool is_reduced(const struct reduction *r, int axis)
{
    for (int k = 0; k < r->axes; k++)
        if (r->axis[k] == axis)
            return true;
    return false;
}

/* Opens loops over the axes that stay; `out` gets the result's coordinates. */
static struct lblock *open_kept(struct lower *l, struct reduction *r, const struct node *n, struct lx **out)
{
    struct lblock *b = &l->k->body;
    int count = 0;

    for (int i = 0; i < r->type.rank; i++) {
        if (is_reduced(r, i))
            continue;
        b = open_loops(l, b, r->type, i, i + 1, r->at);
        out[count++] = r->at[i];
    }
    if (n->op == OP_argmax || !attr_bool(n, "keepdims"))
        return b;
    const int64_t *axes = attr_ints(n, "axes", &count);
    for (int i = 0; i < count; i++) {
        for (int k = r->x->type.rank - 1; k > axes[i]; k--)
            out[k] = out[k - 1];
        out[axes[i]] = lx_int(l->k, 0);
    }
    return b;
}

static struct sum make_sum(struct lower *l, struct reduction *r, enum op op)
{
    struct type t = r->type;
    struct sum s = { .op = op, .dtype = t.dtype, .axes = r->axes, .term = term, .context = r, .last = 1 };
    for (int i = 0; i < r->axes; i++)
        s.extent[i] = lx_dim(l->k, t.dim[r->axis[i]]);
    if (r->axes) {
        struct dim last = t.dim[r->axis[r->axes - 1]];
        s.last = last.n ? -1 : last.k;
        s.most = dim_size(last, l->k->batch);
        s.contiguous = r->axis[r->axes - 1] == t.rank - 1;
    }
    return s;
}

static struct reduction read_axes(struct lower *l, const struct node *n)
{
    struct reduction r = { .x = operand(n, 0), .type = operand(n, 0)->type };
    const int64_t *axes = attr_ints(n, "axes", &r.axes);
    for (int i = 0; i < r.axes; i++)
        r.axis[i] = (int)axes[i];
    int run = r.axes; /* the last run of neighbours begins here */
    while (run > 0 && (run == r.axes || r.axis[run - 1] + 1 == r.axis[run]))
        run--;
    if (r.axes)
        r.type = join_axes(l, r.type, r.axis[run], r.axis[r.axes - 1] + 1, &r.x, 1);
    r.axes -= r.x->type.rank - r.type.rank;
    return r;
}

enum op reduction_op(const struct node *n)
{
    return n->op == OP_prod ? OP_mul : n->op == OP_reduce_max ? OP_max : n->op == OP_reduce_min ? OP_min : OP_add;
}

void lower_reduce(struct lower *l)
{
    struct node *n = l->anchor;
    if (n->op == OP_argmax) {
        lower_argmax(l);
        return;
    }
    if (n->op == OP_moments) {
        lower_moments(l);
        return;
    }
    struct reduction r = read_axes(l, n);
    struct lx *out[MAX_RANK];
    struct lblock *b = open_kept(l, &r, n, out);
    struct sum s = make_sum(l, &r, reduction_op(n));
    l->result = emit_sum(l, b, &s);
    finish(l, b, out);
}

static struct lx *count_of(struct lower *l, const struct sum *s)
{
    struct lx *count = lx_int(l->k, 1);
    for (int i = 0; i < s->axes; i++)
        count = index_op(l, LX_IMUL, count, s->extent[i]);
    return element(l, OP_cast, DT_REAL, count, NULL);
}

/* Two passes: the mean, then squares of what is left, so that a large mean costs no digits. */
void lower_moments(struct lower *l)
{
    struct node *n = l->anchor;
    struct reduction r = read_axes(l, n);
    struct lx *out[MAX_RANK];
    struct lblock *b = open_kept(l, &r, n, out);
    struct sum s = make_sum(l, &r, OP_add);
    struct lx *count = count_of(l, &s), *sum = emit_sum(l, b, &s);
    r.mean = ls_let(l->k, b, "mean", element(l, OP_div, DT_REAL, sum, count));
    struct lx *square = emit_sum(l, b, &s);
    know(l, n->result[0], r.mean);
    know(l, n->result[1], element(l, OP_div, DT_REAL, square, count));
    finish(l, b, out);
}

/* The first of equals stays; a NaN is larger than all. */
struct lx *exceeds(struct lower *l, struct lx *v, struct lx *most)
{
    struct lx *larger = element(l, OP_gt, DT_BOOL, v, most);
    if (v->dtype != DT_REAL)
        return larger;
    struct lx *first =
        element(l, OP_and, DT_BOOL, element(l, OP_ne, DT_BOOL, v, v), element(l, OP_eq, DT_BOOL, most, most));
    return element(l, OP_or, DT_BOOL, larger, first);
}

void lower_argmax(struct lower *l)
{
    struct node *n = l->anchor;
    struct reduction r = {
        .x = operand(n, 0), .type = operand(n, 0)->type, .axes = 1, .axis = { (int)attr_int(n, "axis") }
    };
    struct lx *out[MAX_RANK];
    struct lblock *b = open_kept(l, &r, n, out);
    enum dtype d = r.x->type.dtype;
    struct lbuf *most = lbuf_scalar(l->k, b, "most", d, identity(l, OP_max, d));
    struct lbuf *where = lbuf_scalar(l->k, b, "where", DT_I32, lx_int(l->k, 0));
    struct ls *loop = ls_loop(l->k, b, "a", lx_int(l->k, 0), lx_dim(l->k, r.x->type.dim[r.axis[0]]), 1, LICENCE_SEQ);
    struct lx *at = lx_var(l->k, loop->var), *v = ls_let(l->k, &loop->body, "x", term(l, &at, &r));
    struct ls *larger = ls_if(l->k, &loop->body, exceeds(l, v, lx_load(l->k, most, NULL)));
    ls_store(l->k, &larger->body, most, NULL, v);
    ls_store(l->k, &larger->body, where, NULL, at);
    l->result = lx_load(l->k, where, NULL);
    finish(l, b, out);
}

void lower_cumsum(struct lower *l)
{
    struct node *n = l->anchor;
    struct type t = n->result[0]->type;
    int axis = (int)attr_int(n, "axis");
    struct lx *at[MAX_RANK];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, axis, at);
    b = open_loops(l, b, t, axis + 1, t.rank, at);
    struct lbuf *acc = lbuf_scalar(l->k, b, "acc", t.dtype, identity(l, OP_add, t.dtype));
    struct ls *loop = ls_loop(l->k, b, "a", lx_int(l->k, 0), lx_dim(l->k, t.dim[axis]), 1, LICENCE_SEQ);
    struct lx *step = lx_var(l->k, loop->var);
    at[axis] = attr_bool(n, "reverse") ? index_op(l, LX_ISUB, lx_int(l->k, t.dim[axis].k - 1), step) : step;
    ls_store(l->k, &loop->body, acc, NULL,
             element(l, OP_add, t.dtype, lx_load(l->k, acc, NULL), body_at(l, operand(n, 0), at)));
    l->result = lx_load(l->k, acc, NULL);
    finish(l, &loop->body, at);
}
