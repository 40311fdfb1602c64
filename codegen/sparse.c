/* codegen/sparse.c: products with a sparse matrix. Loops run over its entries, and inside over the samples, which lie side
 * by side: an entry's row, column and value are loaded once for all of them, and each is added to the one row of the
 * result that it belongs to. The order of every sum is that of the entries, whatever the number of samples. */
#include "codegen/lower.h"

/* Operand i, rows or columns, at entry e: a row of a tensor of this many. */
static struct lx *place_of(struct lower *l, struct lblock *b, const char *name, int i, struct lx *e, struct dim rows)
{
    return ls_let(l->k, b, name, clamped(l, body_at(l, operand(l->anchor, i), &e), rows));
}

static struct ls *entry_loop(struct lower *l, enum licence licence)
{
    struct dim entries = operand(l->anchor, 2)->type.dim[0];
    l->k->macs = (double)entries.k * (double)dim_size(operand(l->anchor, 0)->type.dim[1], l->k->batch);
    return ls_loop(l->k, &l->k->body, "e", lx_int(l->k, 0), lx_dim(l->k, entries), 1, licence);
}

void lower_sparse_matmul(struct lower *l)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0);
    struct type t = n->result[0]->type;
    struct lbuf *out = result_buffer(l, n->result[0]);
    struct lx *to[2], *from[2];
    ls_store(l->k, open_loops(l, &l->k->body, t, 0, 2, to), out, to, lx_real(l->k, 0));
    struct ls *entries = entry_loop(l, LICENCE_SEQ);
    struct lblock *b = &entries->body;
    struct lx *e = lx_var(l->k, entries->var);
    struct lx *row = place_of(l, b, "row", 2, e, t.dim[0]), *column = place_of(l, b, "column", 3, e, x->type.dim[0]);
    struct lx *value = ls_let(l->k, b, "value", body_at(l, operand(n, 1), &e));
    b = open_loops(l, b, t, 1, 2, to);
    to[0] = row;
    from[0] = column;
    from[1] = to[1];
    ls_store(l->k, b, out, to, lx_fma(l->k, value, body_at(l, x, from), lx_load(l->k, out, to)));
}

/* The two rows that an entry multiplies. */
struct pair {
    struct lx *row, *column;
};

static struct lx *term(struct lower *l, struct lx *const *at, void *context)
{
    const struct pair *p = context;
    struct lx *left[] = { p->row, at[0] }, *right[] = { p->column, at[0] };
    return element(l, OP_mul, DT_REAL, body_at(l, operand(l->anchor, 0), left),
                   body_at(l, operand(l->anchor, 1), right));
}

void lower_dots(struct lower *l)
{
    struct type a = operand(l->anchor, 0)->type, b = operand(l->anchor, 1)->type;
    struct ls *entries = entry_loop(l, LICENCE_PAR);
    struct lx *e = lx_var(l->k, entries->var);
    struct pair p = { .row = place_of(l, &entries->body, "row", 2, e, a.dim[0]) };
    p.column = place_of(l, &entries->body, "column", 3, e, b.dim[0]);
    struct sum s = { .op = OP_add,
                     .dtype = DT_REAL,
                     .axes = 1,
                     .extent = { lx_dim(l->k, a.dim[1]) },
                     .last = a.dim[1].n ? -1 : a.dim[1].k,
                     .contiguous = true,
                     .term = term,
                     .context = &p };
    l->result = emit_sum(l, &entries->body, &s);
    finish(l, &entries->body, &e);
}
