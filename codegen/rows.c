/* codegen/rows.c: nests without an anchor that hold reductions: softmax, normalisations, losses and their gradients. One row
 * after the other is gone through as often as it takes, while it is in the cache:
 *
 *     for i in 0..n par
 *       largest = max over j of x[i, j]
 *       for j: e[j] = exp(x[i, j] - largest)          what is costly and needed again is kept for the row
 *       total = sum over j of e[j]
 *       for j: y[i, j] = e[j] / total
 *
 * Sums over rows go along (columns.c); where a nest has nothing else, they are taken one column after the other, in
 * registers. */
#include "codegen/lower.h"

struct rows {
    struct lower *l;
    struct lx *at[MAX_RANK]; /* of the domain */
    unsigned *passes;        /* of each operation: in which passes over the row its elements are needed */
    int last;                /* the pass that stores */
    struct type domain;      /* with the axes of a row joined where that can be */
};

static struct lx *at_domain(struct rows *r, struct value *v)
{
    struct lower *l = r->l;
    struct lx *in[MAX_RANK];

    l->in_row = flat_index(l, nest_row(&l->nest), r->at + l->nest.split);
    reshape_at(l, l->nest.domain, v->type, r->at, in);
    return body_at(l, v, in);
}

static struct lx *at_row(struct rows *r, struct value *v)
{
    struct lx *in[MAX_RANK];

    reshape_at(r->l, nest_rows(&r->l->nest), v->type, r->at, in);
    return body_at(r->l, v, in);
}

/* ---- which elements are needed when ---- */

static bool is_each(const struct lower *l, const struct value *v)
{
    return v->def && value_place(l, v) <= AT_EACH;
}

static void need(struct rows *r, struct value *v, unsigned pass)
{
    if (!is_each(r->l, v) || (r->passes[v->def->id] & pass) == pass)
        return;
    r->passes[v->def->id] |= pass;
    for (int i = 0; i < v->def->operands; i++)
        need(r, operand(v->def, i), pass);
}

static bool goes_along_rows(const struct lower *l, const struct node *n)
{
    if (!node_is_reduction(n) || l->nest.place[n->id] == AT_COLUMN)
        return false;
    const struct value *x = operand(n, 0);
    return value_place(l, x) != AT_ROW && shape_same_size(x->type, l->nest.domain);
}

/* Moments go through a row twice. */
static void find_passes(struct rows *r)
{
    struct lower *l = r->l;
    int count = 0, at = 0;

    for (struct node *n = l->body->first; n; n = n->next)
        count++;
    r->passes = NEW_ARRAY(l->k->arena, count, unsigned);
    for (struct node *n = l->body->first; n; n = n->next) {
        if (!goes_along_rows(l, n) || at > 28)
            continue;
        need(r, operand(n, 0), (n->op == OP_moments ? 3U : 1U) << at);
        at += n->op == OP_moments ? 2 : 1;
    }
    r->last = at;
    for (int i = 0; i < l->body->yields; i++)
        need(r, l->body->yield[i], 1U << at);
    for (struct node *n = l->body->first; n; n = n->next)
        if (!n->results || l->nest.place[n->id] == AT_COLUMN)
            for (int i = 0; i < n->operands; i++)
                need(r, operand(n, i), 1U << at);
}

/* ---- what is kept for a row ---- */

/* Whatever is made of v sees its elements in their order. */
static bool read_in_order(const struct lower *l, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->user;
        if (n == l->body->yield_node)
            continue;
        if (n->results && n->op != OP_reshape && !op_is_map(n->op) && !node_is_reduction(n))
            return false;
        if (n->results && n->graph == l->body && is_each(l, n->result[0]) && !read_in_order(l, n->result[0]))
            return false;
    }
    return true;
}

static bool worth_keeping(const struct rows *r, const struct node *n, int pass)
{
    struct type row = nest_row(&r->l->nest);
    unsigned passes = r->passes[n->id];

    if (pass >= r->last || !op_is_map(n->op) || op_is(n->op, CHEAP) || n->op == OP_relayout ||
        !is_each(r->l, n->result[0]))
        return false;
    return (passes >> pass & 1) && passes >> (pass + 1) && !shape_batches(row) && type_count(row, 1) <= NEST_LOCAL &&
           shape_same_size(n->result[0]->type, r->l->nest.domain) && read_in_order(r->l, n->result[0]);
}

/* The coordinates of an element of the row at hand, from those along the joined axes. */
static void place_element(struct rows *r, struct lx *const *along)
{
    const struct nest *n = &r->l->nest;
    struct lx *joined[MAX_RANK];

    for (int i = 0; i < r->domain.rank; i++)
        joined[i] = i < n->split ? r->at[i] : along[i - n->split];
    reshape_at(r->l, r->domain, n->domain, joined, r->at);
}

static struct lblock *open_elements(struct rows *r, struct lblock *b)
{
    struct lx *joined[MAX_RANK];
    int split = r->l->nest.split;

    b = open_loops(r->l, b, r->domain, split, r->domain.rank, joined);
    place_element(r, joined + split);
    return b;
}

static bool is_known(const struct lower *l, const struct value *v)
{
    for (const struct known *k = l->known; k; k = k->next)
        if (k->value == v)
            return true;
    return false;
}

static void know_row(struct lower *l, struct value *v, struct lbuf *row)
{
    know(l, v, NULL);
    l->known->staged = row;
}

/* Before a pass that reduces x: whatever costs much and is needed in later ones too. Gives where x itself is to be kept, by
 * the pass; NULL: nowhere. */
static struct lbuf *keep_for_row(struct rows *r, struct lblock *b, int pass, const struct node *reduction)
{
    struct lower *l = r->l;
    struct dim size = dim_of(type_count(nest_row(&l->nest), 1));
    struct lbuf *kept = NULL;

    for (struct node *n = l->body->first; n; n = n->next) {
        struct value *v = n->results ? n->result[0] : NULL;
        if (!v || !worth_keeping(r, n, pass) || is_known(l, v))
            continue;
        struct lbuf *row = lbuf_local(l->k, b, op_info(n->op)->name, SPACE_ARRAY, v->type.dtype, 1, &size);
        if (v == operand(reduction, 0) && reduction->op != OP_moments) {
            kept = row;
            continue;
        }
        struct lblock *in = open_elements(r, b);
        struct lx *x = at_domain(r, v);
        ls_store(l->k, in, row, &l->in_row, x);
        know_row(l, v, row);
    }
    return kept;
}

/* ---- reductions ---- */

struct along {
    struct rows *r;
    struct value *x;
    struct lx *mean; /* moments' second pass */
};

static struct lx *along_term(struct lower *l, struct lx *const *at, void *context)
{
    struct along *a = context;

    place_element(a->r, at);
    struct lx *v = at_domain(a->r, a->x);
    if (!a->mean)
        return v;
    struct lx *d = element(l, OP_sub, DT_REAL, v, a->mean);
    return element(l, OP_mul, DT_REAL, d, d);
}

static struct sum sum_along(struct along *a, enum op op)
{
    struct lower *l = a->r->l;
    int split = l->nest.split;
    struct type row = type_make(DT_REAL, a->r->domain.rank - split, a->r->domain.dim + split);
    struct sum s = {
        .op = op, .dtype = a->x->type.dtype, .axes = row.rank, .term = along_term, .context = a, .last = 1
    };

    for (int i = 0; i < row.rank; i++)
        s.extent[i] = lx_dim(l->k, row.dim[i]);
    if (row.rank) {
        struct dim last = row.dim[row.rank - 1];
        s.last = last.n ? -1 : last.k;
        s.contiguous = true;
    }
    return s;
}

static void moments_along(struct rows *r, struct lblock *b, struct node *n)
{
    struct lower *l = r->l;
    struct along a = { .r = r, .x = operand(n, 0) };
    struct sum s = sum_along(&a, OP_add);
    struct lx *count = lx_int(l->k, 1);

    for (int i = 0; i < s.axes; i++)
        count = index_op(l, LX_IMUL, count, s.extent[i]);
    count = element(l, OP_cast, DT_REAL, count, NULL);
    a.mean = ls_let(l->k, b, "mean", element(l, OP_div, DT_REAL, emit_sum(l, b, &s), count));
    know(l, n->result[0], a.mean);
    know(l, n->result[1], ls_let(l->k, b, "variance", element(l, OP_div, DT_REAL, emit_sum(l, b, &s), count)));
}

static void reduce_along(struct rows *r, struct lblock *b, struct node *n, struct lbuf *kept)
{
    struct lower *l = r->l;
    struct along a = { .r = r, .x = operand(n, 0) };
    struct sum s = sum_along(&a, reduction_op(n));
    struct lx *v;

    s.kept = kept;
    if (n->op == OP_moments) {
        moments_along(r, b, n);
        return;
    }
    v = goes_along_rows(l, n) ? emit_sum(l, b, &s) : at_row(r, a.x);
    if (l->nest.place[n->id] == AT_TOTAL)
        add_total(l, b, n, r->at, v);
    else
        know(l, n->result[0], v);
    if (kept)
        know_row(l, a.x, kept);
}

/* ---- the nest ---- */

static void go_along(struct rows *r, struct lblock *b)
{
    struct lower *l = r->l;
    int pass = 0;

    for (struct node *n = l->body->first; n; n = n->next) {
        if (!node_is_reduction(n) || l->nest.place[n->id] == AT_COLUMN)
            continue;
        struct lbuf *kept = goes_along_rows(l, n) ? keep_for_row(r, b, pass, n) : NULL;
        reduce_along(r, b, n, kept);
        pass += goes_along_rows(l, n) ? (n->op == OP_moments ? 2 : 1) : 0;
    }
    if (stores_at(l, AT_EACH) || has_columns(l)) {
        struct lblock *in = open_elements(r, b);
        l->in_row = flat_index(l, nest_row(&l->nest), r->at + l->nest.split);
        finish(l, in, r->at);
    }
    finish_place(l, b, AT_ROW, nest_rows(&l->nest), r->at);
}

/* ---- the next row ahead ---- */

/* Where two sums go along a row, and the second needs the first, the CPU has to wait for each; and while it reckons memory rests.
 * So the first sum of a row is taken while the second of the row before it is, and the stores of the row before that are made:
 *
 *     for i_0 in 0..n step 64 par
 *       largest = max over j of x[i_0, j]
 *       total, next = sum over j of e[j] = exp(x[i_0, j] - largest); max over j of x[i_0 + 1, j]
 *       for i in i_0 + 1..i_0 + 64
 *         over j, in blocks: y[i - 1, j] = e[j] / total; e[j] = exp(x[i, j] - next), their sum; max over j of x[i + 1, j]
 *       for j: y[i_0 + 63, j] = e[j] / total
 */
enum { ROWS_AHEAD = 64, MANY_ELEMENTS = 1 << 18 };

struct ahead {
    struct node *first, *second;
    struct rows before, now, next;                         /* the same rows, each at its own */
    struct lbuf *kept;                                     /* the second sum's terms; NULL: they are not needed again */
    struct lbuf *first_before, *first_now, *second_before; /* sums; NULL: not needed */
    struct known *base, *known_before, *known_now;
};

/* Whether v is made of `from`, other than by way of what is known. */
static bool reaches(const struct lower *l, const struct value *v, const struct value *from)
{
    if (v == from || is_known(l, v))
        return v == from;
    for (int i = 0; v->def && v->def->graph == l->body && i < v->def->operands; i++)
        if (reaches(l, operand(v->def, i), from))
            return true;
    return false;
}

/* The two sums, if these are all that the nest has. */
static bool find_two(struct rows *r, struct ahead *a)
{
    struct lower *l = r->l;

    for (struct node *n = l->body->first; n; n = n->next) {
        if (!n->results || (node_is_reduction(n) && (!goes_along_rows(l, n) || n->op == OP_moments)))
            return false;
        if (!node_is_reduction(n))
            continue;
        if (l->nest.place[n->id] != AT_ROW || a->second)
            return false;
        *(a->first ? &a->second : &a->first) = n;
    }
    return a->second && reaches(l, operand(a->second, 0), a->first->result[0]);
}

/* Nothing is kept for a row but the terms of the second sum. */
static bool keeps_terms_alone(struct rows *r, struct ahead *a, bool *terms)
{
    for (struct node *n = r->l->body->first; n; n = n->next) {
        if (!n->results || (!worth_keeping(r, n, 0) && !worth_keeping(r, n, 1)))
            continue;
        if (n->result[0] != operand(a->second, 0))
            return false;
        *terms = true;
    }
    return true;
}

static bool can_go_ahead(struct rows *r, struct ahead *a, bool *terms)
{
    struct lower *l = r->l;
    int split = l->nest.split;
    struct along along = { .r = r };

    if (!l->level || !split || r->domain.rank != split + 1 || has_columns(l) || stores_at(l, AT_ROW) ||
        !stores_at(l, AT_EACH) || !find_two(r, a) || type_count(l->nest.domain, l->k->batch) < MANY_ELEMENTS)
        return false;
    along.x = operand(a->first, 0);
    struct sum first = sum_along(&along, reduction_op(a->first));
    along.x = operand(a->second, 0);
    struct sum second = sum_along(&along, reduction_op(a->second));
    return goes_together(&first) && goes_together(&second) && first.last <= NEST_LOCAL &&
           dim_size(l->nest.domain.dim[split - 1], l->k->batch) >= 4 * ROWS_AHEAD && keeps_terms_alone(r, a, terms);
}

struct ahead_term {
    struct along along;
    struct known *known;
};

static struct lx *ahead_term(struct lower *l, struct lx *const *at, void *context)
{
    struct ahead_term *t = context;

    l->known = t->known;
    return along_term(l, at, &t->along);
}

static void store_before(struct lower *l, struct lblock *b, struct lx *at, void *context)
{
    struct ahead *a = context;

    l->known = a->known_before;
    place_element(&a->before, &at);
    l->in_row = flat_index(l, nest_row(&l->nest), a->before.at + l->nest.split);
    finish(l, b, a->before.at);
}

static struct lx *row_let(struct lower *l, struct lblock *b, const char *name, struct lbuf *scalar)
{
    return ls_let(l->k, b, name, lx_load(l->k, scalar, NULL));
}

/* The sums of the row before; the first where what is stored needs it. */
static void know_before(struct lower *l, struct ahead *a, struct lblock *b)
{
    l->known = a->base;
    if (a->kept)
        know_row(l, operand(a->second, 0), a->kept);
    know(l, a->second->result[0], row_let(l, b, "sum", a->second_before));
    if (a->first_before)
        know(l, a->first->result[0], row_let(l, b, "most", a->first_before));
    a->known_before = l->known;
}

static bool stores_need_first(struct lower *l, struct ahead *a)
{
    bool needs = false;

    l->known = a->base;
    know(l, a->second->result[0], NULL);
    if (a->kept)
        know_row(l, operand(a->second, 0), a->kept);
    for (int i = 0; i < l->body->yields; i++)
        needs |= reaches(l, l->body->yield[i], a->first->result[0]);
    l->known = a->base;
    return needs;
}

/* The second sum of the row `now`, the first of the one after it, stores of the one before it where there is one. */
static void step_ahead(struct lower *l, struct lblock *b, struct ahead *a, struct lx *largest, bool stores,
                       struct lx **first_total, struct lx **second_total)
{
    struct ahead_term one = { { .r = &a->next, .x = operand(a->first, 0) }, a->base };
    struct ahead_term two = { { .r = &a->now, .x = operand(a->second, 0) }, NULL };
    struct sum first = sum_along(&one.along, reduction_op(a->first));
    struct sum second = sum_along(&two.along, reduction_op(a->second));
    struct also also = { store_before, a };

    l->known = a->base;
    know(l, a->first->result[0], largest);
    two.known = l->known;
    first.term = second.term = ahead_term;
    first.context = &one, second.context = &two, second.kept = a->kept;
    emit_together(l, b, &first, &second, stores ? &also : NULL, first_total, second_total);
    l->known = a->base;
}

/* Places the rows around `now`. */
static void place_rows(struct lower *l, struct lblock *b, struct ahead *a, struct lx *now, struct lx *last)
{
    int axis = l->nest.split - 1;
    struct lx *one = lx_int(l->k, 1);

    a->before.at[axis] = index_op(l, LX_ISUB, now, one);
    a->now.at[axis] = now;
    a->next.at[axis] = ls_let(l->k, b, "next", index_op(l, LX_IMIN, index_op(l, LX_IADD, now, one), last));
}

/* Rows from..last, of the last axis of rows. */
static void rows_ahead(struct lower *l, struct lblock *b, struct ahead *a, struct lx *from, struct lx *last)
{
    struct lx *one = lx_int(l->k, 1), *first, *next, *total;
    struct along along = { .r = &a->now, .x = operand(a->first, 0) };
    struct sum sum = sum_along(&along, reduction_op(a->first));

    a->base = l->known;
    place_rows(l, b, a, from, last);
    first = emit_sum(l, b, &sum);
    step_ahead(l, b, a, first, false, &next, &total);
    a->first_before = stores_need_first(l, a) ? lbuf_scalar(l->k, b, "most_before", DT_REAL, first) : NULL;
    a->first_now = lbuf_scalar(l->k, b, "most_now", DT_REAL, next);
    a->second_before = lbuf_scalar(l->k, b, "sum_before", DT_REAL, total);
    struct lx *end = index_op(l, LX_IADD, last, one);
    struct ls *loop = ls_loop(l->k, b, "i", index_op(l, LX_IADD, from, one), end, 1, LICENCE_SEQ);
    place_rows(l, &loop->body, a, lx_var(l->k, loop->var), last);
    know_before(l, a, &loop->body);
    first = row_let(l, &loop->body, "first", a->first_now);
    step_ahead(l, &loop->body, a, first, true, &next, &total);
    if (a->first_before)
        ls_store(l->k, &loop->body, a->first_before, NULL, first);
    ls_store(l->k, &loop->body, a->first_now, NULL, next);
    ls_store(l->k, &loop->body, a->second_before, NULL, total);

    a->before.at[l->nest.split - 1] = last;
    know_before(l, a, b);
    struct ls *rest = ls_loop(l->k, b, "j", lx_int(l->k, 0), sum.extent[0], 1, LICENCE_PAR);
    store_before(l, &rest->body, lx_var(l->k, rest->var), a);
    l->known = a->base;
}

static void lower_ahead(struct lower *l, const struct rows *r, struct ahead *a, bool terms)
{
    int axis = l->nest.split - 1;
    struct type t = l->nest.domain;
    struct dim size = dim_of(type_count(nest_row(&l->nest), 1));
    struct lx *at[MAX_RANK], *rows = lx_dim(l->k, t.dim[axis]);
    struct lblock *b = open_loops(l, &l->k->body, t, 0, axis, at);
    struct ls *some = ls_loop(l->k, b, "i_0", lx_int(l->k, 0), rows, ROWS_AHEAD, LICENCE_PAR);
    struct lx *from = lx_var(l->k, some->var);

    a->before = a->now = a->next = *r;
    for (int i = 0; i < axis; i++)
        a->before.at[i] = a->now.at[i] = a->next.at[i] = at[i];
    if (terms)
        a->kept = lbuf_local(l->k, &some->body, op_info(operand(a->second, 0)->def->op)->name, SPACE_ARRAY,
                             operand(a->second, 0)->type.dtype, 1, &size);
    struct lx *end = index_op(l, LX_IMIN, index_op(l, LX_IADD, from, lx_int(l->k, ROWS_AHEAD)), rows);
    rows_ahead(l, &some->body, a, from, ls_let(l->k, &some->body, "last", index_op(l, LX_ISUB, end, lx_int(l->k, 1))));
}

/* ---- rows of a product ---- */

/* Blocks of rows that there are at least, where there are tiles enough: for threads. */
enum { BLOCKS = 8 };

/* As many as can be held: the right operand is read once for each block. */
static int64_t held_rows(const struct lower *l)
{
    struct type t = l->nest.source->result[0]->type;
    int64_t all = dim_size(t.dim[t.rank - 2], l->k->batch), most = NEST_HELD / t.dim[t.rank - 1].k,
            least = nest_least_held(l->nest.source);

    most = all / BLOCKS < most ? all / BLOCKS : most;
    return most < least ? least : most / NEST_TILE * NEST_TILE;
}

/* for i_0 in 0..n step 8 par
 *   held[0..8, j] = product's rows i_0..i_0 + 8
 *   for i in 0..8: what the nest does in row i_0 + i, from held[i, j] */
static void lower_held(struct lower *l)
{
    struct node *n = l->nest.source;
    struct type t = n->result[0]->type;
    int axis = t.rank - 2;
    struct dim size[] = { dim_of(held_rows(l)), t.dim[t.rank - 1] };
    struct lx *at[MAX_RANK], *all = lx_dim(l->k, t.dim[axis]), *count = lx_int(l->k, size[0].k);
    struct lblock *b = open_loops(l, &l->k->body, t, 0, axis, at);
    bool cut = all->kind != LX_INT && size[0].k > NEST_TILE;
    if (cut)
        all = ls_let(l->k, b, "all", all);
    struct ls *blocks = ls_loop(l->k, b, "i_0", lx_int(l->k, 0), all, size[0].k, LICENCE_PAR);
    blocks->by = cut ? NEST_TILE : 0;
    struct lx *first = lx_var(l->k, blocks->var);

    if (all->kind != LX_INT || all->i % size[0].k)
        count = ls_let(l->k, &blocks->body, "rows", index_op(l, LX_IMIN, index_op(l, LX_ISUB, all, first), count));
    l->held.rows = lbuf_local(l->k, &blocks->body, "held", SPACE_ARRAY, DT_REAL, 2, size);
    l->held.first = first;
    l->anchor = n;
    lower_matmul_rows(l, &blocks->body, at, first, count);
    l->anchor = NULL;
    l->result = NULL;
    struct ls *rows = ls_loop(l->k, &blocks->body, "i", lx_int(l->k, 0), count, 1, LICENCE_PAR);
    l->held.row = lx_var(l->k, rows->var);
    at[axis] = index_op(l, LX_IADD, first, l->held.row);
    struct rows r = { .l = l, .domain = join_domain(l, l->nest.split) };
    find_passes(&r);
    reshape_at(l, type_make(t.dtype, t.rank - 1, t.dim), nest_rows(&l->nest), at, r.at);
    go_along(&r, &rows->body);
}

void lower_rows(struct lower *l)
{
    if (l->nest.source) {
        lower_held(l);
        return;
    }
    struct rows r = { .l = l, .domain = join_domain(l, l->nest.split) };
    struct ahead a = { .first = NULL };
    bool terms = false;

    find_passes(&r);
    if (can_go_ahead(&r, &a, &terms)) {
        lower_ahead(l, &r, &a, terms);
        return;
    }
    go_along(&r, open_loops(l, &l->k->body, l->nest.domain, 0, l->nest.split, r.at));
}
