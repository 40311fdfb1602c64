/* codegen/scatter.c: what writes where data says: scatter_add, put_along; and the check that indices are in range. */
#include "codegen/lower.h"

static struct lblock *open_seq(struct lower *l, struct lblock *b, struct type t, int from, int to, struct lx **at)
{
    for (int i = from; i < to; i++) {
        struct ls *loop = ls_loop(l->k, b, "e", lx_int(l->k, 0), lx_dim(l->k, t.dim[i]), 1, LICENCE_SEQ);
        at[i] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    return b;
}

/* The variable that the group adds to, or NULL. */
static struct lbuf *added_to(const struct lower *l)
{
    for (const struct node *n = l->body->first; n; n = n->next)
        if (n->op == OP_accumulate)
            return l->param[operand(n, 0)->index];
    return NULL;
}

/* Cleared first, but for a variable; then every element of dy in order: indices may repeat. */
void lower_scatter(struct lower *l)
{
    struct node *n = l->anchor;
    struct value *dy = operand(n, 0), *index = operand(n, 1);
    struct type t = n->result[0]->type, d = dy->type;
    int axis = (int)attr_int(n, "axis"), spread = n->op == OP_scatter_add ? index->type.rank : 1;
    struct lbuf *variable = added_to(l), *out = variable ? variable : result_buffer(l, n->result[0]);
    struct lx *at[MAX_RANK], *to[MAX_RANK];
    if (!variable)
        ls_store(l->k, open_loops(l, &l->k->body, t, 0, t.rank, at), out, at, lx_real(l->k, 0));
    struct lblock *b = open_loops(l, &l->k->body, d, 0, axis, at);
    b = open_seq(l, b, d, axis, axis + spread, at);
    struct lx *target = NULL;
    if (n->op == OP_scatter_add)
        target = ls_let(l->k, b, "to", clamped(l, body_at(l, index, at + axis), t.dim[axis]));
    b = open_loops(l, b, d, axis + spread, d.rank, at);
    if (!target)
        target = clamped(l, body_at(l, index, at), t.dim[axis]);
    for (int i = 0; i < t.rank; i++)
        to[i] = i < axis ? at[i] : i == axis ? target : at[i + spread - 1];
    ls_store(l->k, b, out, to, element(l, OP_add, DT_REAL, lx_load(l->k, out, to), body_at(l, dy, at)));
}

/* bad = 1 + the position of the first element that is out of range, or 0. */
void lower_bound(struct lower *l)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0);
    struct lx *at[MAX_RANK];
    struct lbuf *bad = lbuf_argument(l->k, "bad", type_scalar(DT_I32), NULL);
    ls_store(l->k, &l->k->body, bad, NULL, lx_int(l->k, 0));
    struct lblock *b = open_seq(l, &l->k->body, x->type, 0, x->type.rank, at);
    struct lx *v = ls_let(l->k, b, "v", element(l, OP_cast, DT_I32, body_at(l, x, at), NULL));
    struct lx *low = index_op(l, LX_ILT, v, lx_int(l->k, attr_int(n, "low"))),
              *high = index_op(l, LX_ILE, lx_int(l->k, attr_int(n, "high")), v);
    struct lx *other = element(l, OP_not, DT_BOOL, index_op(l, LX_IEQ, v, lx_int(l->k, attr_int(n, "except"))), NULL);
    struct lx *first = index_op(l, LX_IEQ, lx_load(l->k, bad, NULL), lx_int(l->k, 0));
    struct lx *wrong =
        element(l, OP_and, DT_BOOL, element(l, OP_and, DT_BOOL, element(l, OP_or, DT_BOOL, low, high), other), first);
    struct ls *found = ls_if(l->k, b, wrong);
    ls_store(l->k, &found->body, bad, NULL, index_op(l, LX_IADD, flat_index(l, x->type, at), lx_int(l->k, 1)));
}
