/* codegen/columns.c: sums over rows that go along with whatever else a nest does: the statistics of a normalisation in
 * the epilogue of the convolution before it, the gradients of scale and shift beside that of the input.
 *
 *     local acc[C] = 0                     for c: acc[c] = 0
 *     for rows                             for rows
 *       for c                              ...
 *         y[row, c] = v                      for c: y[row, c] = v, acc[c] = acc[c] + v
 *     for c: dgamma[c] = acc[c]            for c: dgamma[c] = acc[c]
 *
 * Rows come in order, so every sum has one order. Where many rows are gone through for each image, as in convolutions, an
 * image's are added up before they are added to the rest: a long sum of small numbers loses digits. Mean and variance are sums of what exceeds the first row, d = x - x0, and
 * of its square: mean = x0 + sum d / n, variance = sum d^2 / n - (sum d / n)^2 (Chan, Golub, LeVeque 1983, shifted data). */
#include "codegen/lower.h"

struct column {
    struct node *n;
    enum place_of place;
    struct lbuf *acc, *square, *first; /* of one row each; the others NULL, but for moments */
    struct lbuf *all, *all_squares;    /* of all images so far, where there are images; else NULL */
    struct column *next;
};

static struct lbuf *row_buffer(struct lower *l, const char *name, enum dtype d)
{
    struct dim size = dim_of(type_count(nest_row(&l->nest), 1));

    return lbuf_local(l->k, &l->k->body, name, SPACE_ARRAY, d, 1, &size);
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

static void start_total(struct lower *l, struct column *c)
{
    enum dtype d = c->n->result[0]->type.dtype;

    c->acc = lbuf_scalar(l->k, &l->k->body, "total", d, identity(l, reduction_op(c->n), d));
}

enum { MANY_ROWS = 64 };

static bool has_images(const struct nest *n)
{
    int64_t rows = 1;

    for (int i = 1; i < n->split; i++)
        rows *= n->domain.dim[i].k;
    return rows >= MANY_ROWS;
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
    if (has_images(&l->nest)) {
        c->all = row_buffer(l, "all", d);
        c->all_squares = c->square ? row_buffer(l, "all_squares", d) : NULL;
    }
    for (int i = 0; i < l->nest.split; i++)
        at[i] = lx_int(l->k, 0);
    struct lblock *b = open_row(l, &l->k->body, at, &index);
    ls_store(l->k, b, c->acc, &index, identity(l, reduction_op(c->n), d));
    if (c->all)
        ls_store(l->k, b, c->all, &index, identity(l, reduction_op(c->n), d));
    if (c->all_squares)
        ls_store(l->k, b, c->all_squares, &index, lx_real(l->k, 0));
    if (c->square) {
        bool known = value_place(l, operand(c->n, 0)) == AT_FREE;
        ls_store(l->k, b, c->square, &index, lx_real(l->k, 0));
        ls_store(l->k, b, c->first, &index, known ? reduced_at(l, c, at) : lx_real(l->k, 0));
    }
}

void open_columns(struct lower *l)
{
    if (!l->nest.reductions)
        return;
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

static void add(struct lower *l, struct lblock *b, struct lbuf *acc, enum op op, struct lx *const *index, struct lx *v)
{
    ls_store(l->k, b, acc, index, element(l, op, acc->dtype, lx_load(l->k, acc, index), v));
}

/* What moments measure from: the first row itself where it was not at hand before. */
static struct lx *first_of(struct lower *l, struct lblock *b, const struct column *c, struct lx *v,
                           struct lx *const *at, struct lx *index)
{
    struct lx *first = lx_load(l->k, c->first, &index), *row = flat_index(l, nest_rows(&l->nest), at);

    if (value_place(l, operand(c->n, 0)) == AT_FREE)
        return first;
    first = ls_let(l->k, b, "first", lx_guard(l->k, index_op(l, LX_IEQ, row, lx_int(l->k, 0)), v, first));
    ls_store(l->k, b, c->first, &index, first);
    return first;
}

void add_total(struct lower *l, struct lblock *b, const struct node *n, struct lx *v)
{
    for (const struct column *c = l->column; c; c = c->next)
        if (c->n == n)
            add(l, b, c->acc, reduction_op(n), NULL, v);
}

void add_columns(struct lower *l, struct lblock *b, struct lx *const *at)
{
    for (const struct column *c = l->column; c; c = c->next) {
        if (c->place == AT_TOTAL)
            continue;
        struct lx *index = flat_index(l, nest_row(&l->nest), at + l->nest.split), *v = reduced_at(l, c, at);
        if (c->square) {
            v = element(l, OP_sub, DT_REAL, v, first_of(l, b, c, v, at, index));
            add(l, b, c->square, OP_add, &index, element(l, OP_mul, DT_REAL, v, v));
        }
        add(l, b, c->acc, reduction_op(c->n), &index, v);
    }
}

/* ---- the end ---- */

static struct lx *rows_of(struct lower *l)
{
    struct lx *count = lx_int(l->k, 1);

    for (int i = 0; i < l->nest.split; i++)
        count = index_op(l, LX_IMUL, count, lx_dim(l->k, l->nest.domain.dim[i]));
    return element(l, OP_cast, DT_REAL, count, NULL);
}

static struct lx *whole_sum(struct lower *l, const struct column *c, struct lbuf *acc, struct lbuf *all,
                            struct lx *index)
{
    struct lx *sum = lx_load(l->k, acc, &index);

    return all ? element(l, reduction_op(c->n), acc->dtype, lx_load(l->k, all, &index), sum) : sum;
}

static void know_column(struct lower *l, struct lblock *b, const struct column *c, struct lx *index)
{
    struct lx *sum = whole_sum(l, c, c->acc, c->all, index);

    if (!c->square) {
        know(l, c->n->result[0], sum);
        return;
    }
    struct lx *mean = ls_let(l->k, b, "excess", element(l, OP_div, DT_REAL, sum, rows_of(l)));
    struct lx *square = element(l, OP_div, DT_REAL, whole_sum(l, c, c->square, c->all_squares, index), rows_of(l));
    struct lx *variance = element(l, OP_sub, DT_REAL, square, element(l, OP_mul, DT_REAL, mean, mean));
    know(l, c->n->result[0], element(l, OP_add, DT_REAL, lx_load(l->k, c->first, &index), mean));
    know(l, c->n->result[1], element(l, OP_max, DT_REAL, variance, lx_real(l->k, 0)));
}

static bool depends(const struct lx *x, const struct lvar *v)
{
    if (x->kind == LX_VAR)
        return x->var == v;
    for (int i = 0; i < x->args; i++)
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
        if (s->kind == LS_LOOP && s->licence == LICENCE_PAR && adds_across(l, &s->body, s->var))
            s->licence = LICENCE_RED;
        keep_order(l, &s->body);
        keep_order(l, &s->other);
    }
}

/* The rows that are gone through within a loop. */
static double rows_inside(const struct lower *l, const struct lblock *b)
{
    double rows = 1;

    for (const struct ls *s = b->first; s; s = s->next)
        if (s->kind == LS_LOOP && adds_across(l, &s->body, s->var)) {
            double trips = (double)(s->end->high - s->begin->low) / (double)s->step;
            rows = trips * rows_inside(l, &s->body) > rows ? trips * rows_inside(l, &s->body) : rows;
        }
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

/* Loops that go through many rows within each of their iterations add those up first. */
static void carry_images(struct lower *l)
{
    struct lx *at[MAX_RANK], *index;

    if (!has_images(&l->nest))
        return;
    for (struct ls *s = l->k->body.first; s; s = s->next) {
        if (s->kind != LS_LOOP || !adds_across(l, &s->body, s->var) || rows_inside(l, &s->body) < MANY_ROWS)
            continue;
        struct lblock *b = open_row(l, &s->body, at, &index);
        for (struct column *c = l->column; c; c = c->next) {
            if (!c->all)
                continue;
            carry(l, b, c, c->acc, c->all, index);
            if (c->square)
                carry(l, b, c, c->square, c->all_squares, index);
        }
    }
}

static void close_totals(struct lower *l)
{
    for (const struct column *c = l->column; c; c = c->next)
        if (c->place == AT_TOTAL)
            know(l, c->n->result[0], lx_load(l->k, c->acc, NULL));
    finish_place(l, &l->k->body, AT_TOTAL, type_scalar(DT_REAL), NULL);
}

void close_columns(struct lower *l)
{
    struct lx *at[MAX_RANK], *index;

    if (!l->nest.reductions)
        return;
    carry_images(l);
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
