/* codegen/columns.c: sums over rows that go along with whatever else a nest does: the statistics of a normalisation in
 * the epilogue of the convolution before it, the gradients of scale and shift beside that of the input.
 *
 *     local acc[C] = 0                     for c: acc[c] = 0
 *     for rows                             for rows
 *       for c                              ...
 *         y[row, c] = v                      for c: y[row, c] = v, acc[c] = acc[c] + v
 *     for c: dgamma[c] = acc[c]            for c: dgamma[c] = acc[c]
 *
 * Rows come in order, so every sum has one order. The first axis is cut into a few parts of fixed size whose sums are kept
 * apart and added up in the end, so that parts may run in threads and no bit depends on how many there are. Mean and
 * variance are sums of what exceeds a row x0, d = x - x0, and of its square: mean = x0 + sum d / n,
 * squares = sum d^2 - (sum d)^2 / n; and parts are put together by their means (Chan, Golub, LeVeque 1983). x0 is about
 * the mean of some rows where they are at hand, else a part's first row.
 *
 * A chain of additions loses digits with its length. So where a part has more rows than 256, acc is added to `all` now and
 * then and begins at 0 again: behind the smallest thing in the nest that has 24 rows, a row of an image, a block of Winograd's
 * tiles, some of a product's, an image; and where that is more than 256 the loop in it is cut, 128 rows at a time.
 *
 *     for i in 0..28                       for i_0 in 0..784 step 128
 *       for k in 0..28                       for i in i_0..imin(i_0 + 128, 784)
 *         for c: acc[c] = acc[c] + v           for c: acc[c] = acc[c] + v
 *       for c                                for c
 *         all[c] = all[c] + acc[c]             all[c] = all[c] + acc[c]
 *         acc[c] = 0                           acc[c] = 0
 */
#include "codegen/loop_pass.h"
#include "codegen/lower.h"
#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

struct column {
    struct node *n;
    enum place_of place;
    struct lbuf *acc, *square, *first; /* a row for each part; the others NULL, but for moments */
    struct lbuf *all, *all_squares;    /* of all chains so far, where there are some; else NULL */
    struct column *next;
};

/* ---- parts ---- */

enum { PARTS = 8, ENOUGH = 1 << 16 };

static int64_t row_size(const struct lower *l)
{
    return type_count(nest_row(&l->nest), 1);
}

/* Whether the nest's first axis is the variable of its outermost loop, or the nest has a loop over parts. A product's
 * panels run in threads as they are. */
static bool goes_by_first_axis(const struct node *anchor)
{
    return !anchor || anchor->op == OP_conv || anchor->op == OP_conv_dx || anchor->op == OP_maxpool_dx ||
           anchor->op == OP_avgpool_dx || anchor->op == OP_maxpool || anchor->op == OP_avgpool ||
           anchor->op == OP_winograd;
}

static bool adds_up(const struct lower *l, enum place_of place)
{
    for (const struct node *n = l->body->first; n; n = n->next)
        if (node_is_reduction(n) && n != l->anchor && l->nest.place[n->id] == place)
            return true;
    return false;
}

/* A total's rows are those of the nest; where a product gives them some at a time, they are no loop of its own. */
static void choose_parts(struct lower *l)
{
    const struct nest *n = &l->nest;
    int64_t first = n->split ? dim_size(n->domain.dim[0], l->k->batch) : 1, parts = PARTS;
    bool totals = adds_up(l, AT_TOTAL);

    l->parts = 1;
    if (!goes_by_first_axis(l->anchor) || type_count(n->domain, l->k->batch) < ENOUGH ||
        (totals && (l->anchor || n->source)))
        return;
    if (adds_up(l, AT_COLUMN))
        parts = NEST_LOCAL / row_size(l) < parts ? NEST_LOCAL / row_size(l) : parts;
    l->parts = parts < 1 ? 1 : first < parts ? first : parts;
    l->part_size = (first + l->parts - 1) / l->parts;
}

/* The part that these coordinates lie in. */
static struct lx *part_of(struct lower *l, struct lx *const *at)
{
    if (l->part)
        return l->part;
    if (l->parts > 1 && at[0]->kind != LX_VAR)
        bug("the first axis of kernel %s is no loop", l->k->name);
    return l->parts == 1 ? lx_int(l->k, 0) : index_op(l, LX_IDIV, at[0], lx_int(l->k, l->part_size));
}

static struct lx *in_part(struct lower *l, struct lx *part, struct lx *index)
{
    return index_op(l, LX_IADD, index_op(l, LX_IMUL, part, lx_int(l->k, row_size(l))), index);
}

/* Which of its part's rows this is. */
static struct lx *row_in_part(struct lower *l, struct lx *const *at)
{
    struct lx *in[MAX_RANK];

    for (int i = 0; i < l->nest.split; i++)
        in[i] = at[i];
    if (l->parts > 1)
        in[0] = index_op(l, LX_IMOD, at[0], lx_int(l->k, l->part_size));
    return flat_index(l, nest_rows(&l->nest), in);
}

/* Calls for each part, in order, in a loop or without one. */
static struct lblock *open_parts(struct lower *l, struct lblock *b, struct lx **part)
{
    if (l->parts == 1) {
        *part = lx_int(l->k, 0);
        return b;
    }
    struct ls *loop = ls_loop(l->k, b, "part", lx_int(l->k, 0), lx_int(l->k, l->parts), 1, LICENCE_RED);
    *part = lx_var(l->k, loop->var);
    return &loop->body;
}

static struct lbuf *row_buffer(struct lower *l, const char *name, enum dtype d)
{
    struct dim size = dim_of(l->parts * row_size(l));

    return lbuf_local(l->k, &l->k->body, name, SPACE_ARRAY, d, 1, &size);
}

static void add(struct lower *l, struct lblock *b, struct lbuf *acc, enum op op, struct lx *const *index, struct lx *v)
{
    ls_store(l->k, b, acc, index, element(l, op, acc->dtype, lx_load(l->k, acc, index), v));
}

/* Loops over the places of a row; at gets their coordinates in the domain, index which it is. */
static struct lblock *open_row(struct lower *l, struct lblock *b, struct lx **at, struct lx **index)
{
    const struct nest *n = &l->nest;

    b = open_loops(l, b, n->domain, n->split, n->domain.rank, at);
    *index = flat_index(l, nest_row(n), at + n->split);
    return b;
}

static struct lx *reduced_at(struct lower *l, const struct column *c, struct lx *const *at)
{
    struct value *x = operand(c->n, 0);
    struct lx *in[MAX_RANK];

    reshape_at(l, l->nest.domain, x->type, at, in);
    return body_at(l, x, in);
}

/* Each part's total lies in a line of memory of its own: threads write to them all the time. */
enum { APART = 16 };

static struct lx *total_in_part(struct lower *l, struct lx *part)
{
    return index_op(l, LX_IMUL, part, lx_int(l->k, APART));
}

static void start_total(struct lower *l, struct column *c)
{
    enum dtype d = c->n->result[0]->type.dtype;

    if (l->parts == 1) {
        c->acc = lbuf_scalar(l->k, &l->k->body, "total", d, identity(l, reduction_op(c->n), d));
        return;
    }
    struct dim size = dim_of(l->parts * APART);
    struct lx *part;
    c->acc = lbuf_local(l->k, &l->k->body, "total", SPACE_ARRAY, d, 1, &size);
    struct lblock *b = open_parts(l, &l->k->body, &part);
    struct lx *index = total_in_part(l, part);
    ls_store(l->k, b, c->acc, &index, identity(l, reduction_op(c->n), d));
}

/* Rows of a chain: what is worth one; taken where a loop is cut; at most. */
enum { WORTH = 24, CUT = 128, LONGEST = 256 };

/* Whether a part may have more rows than a chain. */
static bool has_chains(const struct lower *l)
{
    struct type rows = nest_rows(&l->nest);

    if (l->parts > 1)
        rows.dim[0] = dim_of(l->part_size);
    return type_count(rows, l->k->batch) > LONGEST;
}

enum { SOME = 8 };

/* The mean of SOME rows, or of all where there are fewer, from that share of the others on: 0, a half, all of them. at: the
 * place in a row. */
static struct lx *mean_of_some(struct lower *l, struct lblock *b, const struct column *c, struct lx *const *at,
                               int halves)
{
    struct nest *n = &l->nest;
    struct type flat = type_scalar(DT_REAL);
    struct lx *all = lx_int(l->k, 1), *in[MAX_RANK], *there[MAX_RANK];

    flat.dim[flat.rank++] = dim_of(1);
    for (int i = 0; i < n->split; i++) {
        all = index_op(l, LX_IMUL, all, lx_dim(l->k, n->domain.dim[i]));
        flat.dim[0] = (struct dim){ flat.dim[0].k * n->domain.dim[i].k, flat.dim[0].n || n->domain.dim[i].n };
    }
    struct lx *some = index_op(l, LX_IMIN, all, lx_int(l->k, SOME));
    struct lx *others = index_op(l, LX_IMUL, index_op(l, LX_ISUB, all, some), lx_int(l->k, halves));
    struct lbuf *sum = lbuf_scalar(l->k, b, "some", DT_REAL, lx_real(l->k, 0));
    struct ls *loop = ls_loop(l->k, b, "row", lx_int(l->k, 0), some, 1, LICENCE_RED);
    in[0] = index_op(l, LX_IADD, index_op(l, LX_IDIV, others, lx_int(l->k, 2)), lx_var(l->k, loop->var));
    for (int i = n->split; i < n->domain.rank; i++) {
        in[flat.rank] = at[i];
        flat.dim[flat.rank++] = n->domain.dim[i];
    }
    reshape_at(l, flat, n->domain, in, there);
    add(l, &loop->body, sum, OP_add, NULL, reduced_at(l, c, there));
    return ls_let(l->k, b, "mean",
                  element(l, OP_div, DT_REAL, lx_load(l->k, sum, NULL), element(l, OP_cast, DT_REAL, some, NULL)));
}

/* Near the mean of all rows, which are at hand, so that what exceeds it adds up to little: of the means of some rows in front,
 * in the middle and at the end the one between the others, whatever a few rows hold. */
static struct lx *middle_of_means(struct lower *l, struct lblock *b, const struct column *c, struct lx *const *at)
{
    struct lx *mean[3];

    for (int i = 0; i < 3; i++)
        mean[i] = mean_of_some(l, b, c, at, i);
    struct lx *low = element(l, OP_min, DT_REAL, mean[0], mean[1]),
              *high = element(l, OP_max, DT_REAL, mean[0], mean[1]);
    return element(l, OP_max, DT_REAL, low, element(l, OP_min, DT_REAL, high, mean[2]));
}

static void start_column(struct lower *l, struct column *c)
{
    enum dtype d = c->n->result[0]->type.dtype;
    struct lx *at[MAX_RANK], *index;

    c->acc = row_buffer(l, "sum", d);
    if (c->n->op == OP_moments) {
        c->square = row_buffer(l, "square", d);
        c->first = row_buffer(l, "first", d);
    }
    if (has_chains(l)) {
        c->all = row_buffer(l, "all", d);
        c->all_squares = c->square ? row_buffer(l, "all_squares", d) : NULL;
    }
    struct lx *part;
    struct lblock *b = open_row(l, open_parts(l, &l->k->body, &part), at, &index);
    index = in_part(l, part, index);
    ls_store(l->k, b, c->acc, &index, identity(l, reduction_op(c->n), d));
    if (c->all)
        ls_store(l->k, b, c->all, &index, identity(l, reduction_op(c->n), d));
    if (c->all_squares)
        ls_store(l->k, b, c->all_squares, &index, lx_real(l->k, 0));
    if (c->square) {
        bool known = place_is_free(value_place(l, operand(c->n, 0)));
        ls_store(l->k, b, c->square, &index, lx_real(l->k, 0));
        ls_store(l->k, b, c->first, &index, known ? middle_of_means(l, b, c, at) : lx_real(l->k, 0));
    }
}

void open_columns(struct lower *l)
{
    if (!l->nest.reductions)
        return;
    choose_parts(l);
    for (struct node *n = l->body->last; n; n = n->previous) {
        enum place_of place = l->nest.place[n->id];
        if (!node_is_reduction(n) || n == l->anchor || (place != AT_COLUMN && place != AT_TOTAL))
            continue;
        struct column *c = NEW(l->k->arena, struct column);
        *c = (struct column){ .n = n, .place = place, .next = l->column };
        l->column = c;
        (place == AT_COLUMN ? start_column : start_total)(l, c);
    }
}

bool has_columns(const struct lower *l)
{
    for (const struct column *c = l->column; c; c = c->next)
        if (c->place == AT_COLUMN)
            return true;
    return false;
}

/* ---- an element ---- */

/* What moments measure from: the first row itself where rows were not at hand before. */
static struct lx *first_of(struct lower *l, struct lblock *b, const struct column *c, struct lx *v,
                           struct lx *const *at, struct lx *index)
{
    struct lx *first = lx_load(l->k, c->first, &index), *row = row_in_part(l, at);

    if (place_is_free(value_place(l, operand(c->n, 0))))
        return first;
    first = ls_let(l->k, b, "first", lx_guard(l->k, index_op(l, LX_IEQ, row, lx_int(l->k, 0)), v, first));
    ls_store(l->k, b, c->first, &index, first);
    return first;
}

void add_total(struct lower *l, struct lblock *b, const struct node *n, struct lx *const *at, struct lx *v)
{
    struct lx *index = l->parts > 1 ? total_in_part(l, part_of(l, at)) : NULL;

    for (const struct column *c = l->column; c; c = c->next)
        if (c->n == n)
            add(l, b, c->acc, reduction_op(n), index ? &index : NULL, v);
}

void add_columns(struct lower *l, struct lblock *b, struct lx *const *at)
{
    for (const struct column *c = l->column; c; c = c->next) {
        if (c->place == AT_TOTAL)
            continue;
        struct lx *index = flat_index(l, nest_row(&l->nest), at + l->nest.split), *v = reduced_at(l, c, at);
        index = in_part(l, part_of(l, at), index);
        if (c->square) {
            v = element(l, OP_sub, DT_REAL, v, first_of(l, b, c, v, at, index));
            add(l, b, c->square, OP_add, &index, element(l, OP_mul, DT_REAL, v, v));
        }
        add(l, b, c->acc, reduction_op(c->n), &index, v);
    }
}

/* ---- the end ---- */

/* As a real: the rows of all parts, or of one. */
static struct lx *rows_of(struct lower *l, struct lx *part)
{
    struct lx *count = lx_dim(l->k, l->nest.domain.dim[0]);

    if (part) {
        struct lx *begin = index_op(l, LX_IMUL, part, lx_int(l->k, l->part_size));
        struct lx *end = index_op(l, LX_IMIN, index_op(l, LX_IADD, begin, lx_int(l->k, l->part_size)), count);
        count = index_op(l, LX_IMAX, index_op(l, LX_ISUB, end, begin), lx_int(l->k, 0));
    }
    for (int i = 1; i < l->nest.split; i++)
        count = index_op(l, LX_IMUL, count, lx_dim(l->k, l->nest.domain.dim[i]));
    return element(l, OP_cast, DT_REAL, count, NULL);
}

static struct lx *whole_sum(struct lower *l, const struct column *c, struct lbuf *acc, struct lbuf *all,
                            struct lx *index)
{
    struct lx *sum = lx_load(l->k, acc, &index);

    return all ? element(l, reduction_op(c->n), acc->dtype, lx_load(l->k, all, &index), sum) : sum;
}

/* Something of each part, combined in order. */
typedef struct lx *part_fn(struct lower *l, const struct column *c, struct lx *part, struct lx *index, struct lx *mean);

static struct lx *over_parts(struct lower *l, struct lblock *b, const struct column *c, struct lx *index, enum op op,
                             part_fn *of, struct lx *mean)
{
    enum dtype d = c->acc->dtype;
    struct lx *part;

    if (l->parts == 1)
        return of(l, c, NULL, index, mean);
    struct lbuf *sum = lbuf_scalar(l->k, b, "parts", d, identity(l, op, d));
    struct lblock *in = open_parts(l, b, &part);
    struct lx *v = of(l, c, part, in_part(l, part, index), mean);
    ls_store(l->k, in, sum, NULL, element(l, op, d, lx_load(l->k, sum, NULL), v));
    return ls_let(l->k, b, "sum", lx_load(l->k, sum, NULL));
}

static struct lx *part_sum(struct lower *l, const struct column *c, struct lx *part, struct lx *index, struct lx *mean)
{
    (void)part, (void)mean;
    return whole_sum(l, c, c->acc, c->all, index);
}

/* sum x = n x0 + sum d */
static struct lx *part_total(struct lower *l, const struct column *c, struct lx *part, struct lx *index,
                             struct lx *mean)
{
    struct lx *first = element(l, OP_mul, DT_REAL, rows_of(l, part), lx_load(l->k, c->first, &index));

    (void)mean;
    return element(l, OP_add, DT_REAL, first, whole_sum(l, c, c->acc, c->all, index));
}

/* sum (x - mean)^2 = sum d^2 - (sum d)^2 / n + n (x0 + sum d / n - mean)^2, n a part's rows; one without any gives 0. */
static struct lx *part_squares(struct lower *l, const struct column *c, struct lx *part, struct lx *index,
                               struct lx *mean)
{
    struct lx *n = rows_of(l, part), *some = element(l, OP_max, DT_REAL, n, lx_real(l->k, 1));
    struct lx *sum = whole_sum(l, c, c->acc, c->all, index), *excess = element(l, OP_div, DT_REAL, sum, some);
    struct lx *own = element(l, OP_sub, DT_REAL, whole_sum(l, c, c->square, c->all_squares, index),
                             element(l, OP_mul, DT_REAL, sum, excess));
    struct lx *off =
        element(l, OP_sub, DT_REAL, element(l, OP_add, DT_REAL, lx_load(l->k, c->first, &index), excess), mean);
    return element(l, OP_add, DT_REAL, own, element(l, OP_mul, DT_REAL, n, element(l, OP_mul, DT_REAL, off, off)));
}

/* One part's mean is its first row and what exceeds it: no need to multiply by n and to divide again. */
static struct lx *mean_of(struct lower *l, struct lblock *b, const struct column *c, struct lx *index)
{
    if (l->parts > 1)
        return element(l, OP_div, DT_REAL, over_parts(l, b, c, index, OP_add, part_total, NULL), rows_of(l, NULL));
    struct lx *excess = element(l, OP_div, DT_REAL, whole_sum(l, c, c->acc, c->all, index), rows_of(l, NULL));
    return element(l, OP_add, DT_REAL, lx_load(l->k, c->first, &index), excess);
}

static void know_column(struct lower *l, struct lblock *b, const struct column *c, struct lx *index)
{
    if (!c->square) {
        know(l, c->n->result[0], over_parts(l, b, c, index, reduction_op(c->n), part_sum, NULL));
        return;
    }
    struct lx *mean = ls_let(l->k, b, "mean", mean_of(l, b, c, index));
    struct lx *squares = over_parts(l, b, c, index, OP_add, part_squares, mean);
    know(l, c->n->result[0], mean);
    know(l, c->n->result[1],
         element(l, OP_max, DT_REAL, element(l, OP_div, DT_REAL, squares, rows_of(l, NULL)), lx_real(l->k, 0)));
}

/* Whether places that differ in v are different ones. By its division a part is found that has many. */
static bool depends(const struct lx *x, const struct lvar *v)
{
    if (x->kind == LX_VAR)
        return x->var == v;
    for (int i = 0; i < x->args && x->kind != LX_IDIV; i++)
        if (depends(x->arg[i], v))
            return true;
    return false;
}

static bool adds_across(const struct lower *l, const struct lblock *b, const struct lvar *v)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if (adds_across(l, &s->body, v) || adds_across(l, &s->other, v))
            return true;
        for (const struct column *c = l->column; c && s->kind == LS_STORE; c = c->next)
            if ((s->buf == c->acc || s->buf == c->first) && (!s->buf->rank || !depends(s->index[0], v)))
                return true;
    }
    return false;
}

/* Iterations of a loop over which something adds up stay on one thread. */
static void keep_order(const struct lower *l, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        if (s->kind == LS_LOOP && s->licence == LICENCE_PAR && adds_across(l, &s->body, s->var)) {
            s->licence = LICENCE_RED;
            s->by = 0;
        }
        keep_order(l, &s->body);
        keep_order(l, &s->other);
    }
}

static struct lx *simplified(struct rewrite *r, struct lx *x)
{
    return x->kind >= LX_IADD && x->kind <= LX_IEQ ? lx_index(r->k, x->kind, x->arg[0], x->arg[1]) : x;
}

/* for i in 0..n   =>   for part in 0..8, for i in part size..imin((part + 1) size, n); i / size is part. */
static void cut_into_parts(struct lower *l, struct ls *s)
{
    struct lblock outside = { NULL, NULL };
    struct lx *size = lx_int(l->k, l->part_size), *i = lx_var(l->k, s->var);
    struct rewrite r = { .k = l->k, .rule = simplified };
    struct ls *parts = ls_loop(l->k, &outside, "part", lx_int(l->k, 0), lx_int(l->k, l->parts), 1, LICENCE_PAR);
    struct lx *part = lx_var(l->k, parts->var), *begin = index_op(l, LX_IMUL, part, size);
    struct ls *inner = ls_enclose(l->k, s, parts);

    inner->licence = LICENCE_RED;
    inner->by = 0;
    inner->begin = begin;
    inner->end = index_op(l, LX_IMIN, index_op(l, LX_IADD, begin, size), inner->end);
    rewrite_set(&r, index_op(l, LX_IDIV, i, size), part);
    rewrite_set(&r, index_op(l, LX_IMOD, i, size), index_op(l, LX_ISUB, i, begin));
    rewrite_block(&r, &inner->body);
}

static bool is_first_axis(const struct lower *l, const struct ls *s)
{
    return s->kind == LS_LOOP && s->licence == LICENCE_PAR && s->step == 1 && s->begin->kind == LX_INT &&
           !s->begin->i && adds_across(l, &s->body, s->var);
}

/* ---- chains ---- */

static double rows_in(const struct lower *l, const struct lblock *b);

/* The rows that are added to a place of a row within a statement, at most. */
static double rows_of_statement(const struct lower *l, const struct ls *s)
{
    double rows = rows_in(l, &s->body) + rows_in(l, &s->other);

    if (s->kind == LS_LOOP && rows > 0 && adds_across(l, &s->body, s->var))
        return rows * (double)loop_most_trips(s);
    for (const struct column *c = l->column; c && s->kind == LS_STORE; c = c->next)
        if (c->place == AT_COLUMN)
            return s->buf == c->acc;
    return rows;
}

static double rows_in(const struct lower *l, const struct lblock *b)
{
    double rows = 0;

    for (const struct ls *s = b->first; s; s = s->next)
        rows += rows_of_statement(l, s);
    return rows;
}

/* Moves what acc holds into `all`. */
static void carry(struct lower *l, struct lblock *b, const struct column *c, struct lbuf *acc, struct lbuf *all,
                  struct lx *index)
{
    enum op op = reduction_op(c->n);

    add(l, b, all, op, &index, lx_load(l->k, acc, &index));
    ls_store(l->k, b, acc, &index, identity(l, op, acc->dtype));
}

/* The loop in b over what s goes over, made where there is none; its variable is known for that of s. */
static struct ls *loop_like(struct rewrite *r, struct lblock *b, const struct ls *s)
{
    struct lx *begin = rewrite_value(r, s->begin), *end = rewrite_value(r, s->end);
    struct ls *loop = b->first;

    while (loop && (loop->kind != LS_LOOP || loop->begin != begin || loop->end != end || loop->step != s->step))
        loop = loop->next;
    if (!loop)
        loop = ls_loop(r->k, b, s->var->name, begin, end, s->step, s->licence);
    rewrite_set(r, lx_var(r->k, s->var), lx_var(r->k, loop->var));
    return loop;
}

static bool is_carried(const struct lblock *b, const struct lbuf *acc, const struct lx *index)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if (s->kind == LS_STORE && s->buf == acc && s->index[0] == index)
            return true;
    return false;
}

/* Carries in `to` every place that block b adds to. Its conditions are about rows. */
static void carry_places(struct lower *l, struct rewrite *r, struct lblock *to, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        bool has_rows = rows_of_statement(l, s) > 0, places = s->kind == LS_LOOP && !adds_across(l, &s->body, s->var);
        struct lblock *in = has_rows && places ? &loop_like(r, to, s)->body : to;
        if (has_rows && s->kind != LS_STORE) {
            carry_places(l, r, in, &s->body);
            carry_places(l, r, in, &s->other);
        }
        for (const struct column *c = l->column; c && s->kind == LS_STORE; c = c->next) {
            struct lx *index = s->buf == c->acc && c->all ? rewrite_value(r, s->index[0]) : NULL;
            if (!index || is_carried(in, c->acc, index))
                continue;
            carry(l, in, c, c->acc, c->all, index);
            if (c->square)
                carry(l, in, c, c->square, c->all_squares, index);
        }
    }
}

/* A chain ends behind s, which stands in b; block `of` is what it has added up. */
static void end_chain(struct lower *l, struct lblock *b, struct ls *s, const struct lblock *of)
{
    struct rewrite r = { .k = l->k };
    struct lblock ends = { NULL, NULL };

    carry_places(l, &r, &ends, of);
    ends.last->next = s->next;
    s->next = ends.first;
    b->last = b->last == s ? ends.last : b->last;
}

/* for i in 0..n   =>   for i_0 in 0..n step size, for i in i_0..imin(i_0 + size, n), and a chain ends */
static void cut_into_chains(struct lower *l, struct ls *s, int64_t size)
{
    struct lblock outside = { NULL, NULL };
    const char *name = arena_printf(l->k->arena, "%s_0", s->var->name);
    struct ls *chains = ls_loop(l->k, &outside, name, s->begin, s->end, size, LICENCE_RED);
    struct lx *from = lx_var(l->k, chains->var);
    struct ls *inner = ls_enclose(l->k, s, chains);

    inner->begin = from;
    inner->end = index_op(l, LX_IMIN, index_op(l, LX_IADD, from, lx_int(l->k, size)), inner->end);
    end_chain(l, &s->body, inner, &inner->body);
}

static void divide(struct lower *l, struct lblock *b);

/* A loop of more rows than a chain has. */
static void divide_loop(struct lower *l, struct ls *s)
{
    double each = rows_in(l, &s->body);

    if (each > LONGEST)
        divide(l, &s->body);
    else if (each >= WORTH)
        end_chain(l, &s->body, s->body.last, &s->body);
    else
        cut_into_chains(l, s, (int64_t)(CUT / each) * s->step);
}

/* A block of more rows than a chain has. What stands in an if is not divided. */
static void divide(struct lower *l, struct lblock *b)
{
    double chain = 0;

    for (struct ls *s = b->first, *next; s; s = next) {
        double rows = rows_of_statement(l, s);
        next = s->next;
        if (rows > LONGEST && s->kind == LS_LOOP) {
            divide_loop(l, s);
        } else if (rows > 0 && (chain += rows) >= WORTH) {
            end_chain(l, b, s, b);
            chain = 0;
        }
    }
}

static void arrange_loops(struct lower *l)
{
    for (struct ls *s = l->k->body.first; s; s = s->next) {
        if (s->kind != LS_LOOP)
            continue;
        if (l->parts > 1 && !l->part && is_first_axis(l, s))
            cut_into_parts(l, s);
        if (has_columns(l) && has_chains(l) && rows_of_statement(l, s) > LONGEST)
            divide_loop(l, s);
    }
}

static struct lx *total_of(struct lower *l, const struct column *c)
{
    enum op op = reduction_op(c->n);
    struct lx *part;

    if (l->parts == 1)
        return lx_load(l->k, c->acc, NULL);
    struct lbuf *sum = lbuf_scalar(l->k, &l->k->body, "parts", c->acc->dtype, identity(l, op, c->acc->dtype));
    struct lblock *in = open_parts(l, &l->k->body, &part);
    struct lx *index = total_in_part(l, part);
    add(l, in, sum, op, NULL, lx_load(l->k, c->acc, &index));
    return lx_load(l->k, sum, NULL);
}

static void close_totals(struct lower *l)
{
    for (const struct column *c = l->column; c; c = c->next)
        if (c->place == AT_TOTAL)
            know(l, c->n->result[0], total_of(l, c));
    finish_place(l, &l->k->body, AT_TOTAL, type_scalar(DT_REAL), NULL);
}

void close_columns(struct lower *l)
{
    struct lx *at[MAX_RANK], *index;

    if (!l->nest.reductions)
        return;
    arrange_loops(l);
    keep_order(l, &l->k->body);
    close_totals(l);
    if (!stores_at(l, AT_COLUMN))
        return;
    struct lblock *b = open_row(l, &l->k->body, at, &index);
    for (const struct column *c = l->column; c; c = c->next)
        if (c->place == AT_COLUMN)
            know_column(l, b, c, index);
    finish_place(l, b, AT_COLUMN, nest_row(&l->nest), at + l->nest.split);
}
