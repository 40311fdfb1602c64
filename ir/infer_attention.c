/* ir/infer_attention.c: types of attention and its gradient (attention.h). */
#include "ir/infer.h"

static bool same_lead(const struct inference *f, int operand, int axes)
{
    struct type a = f->x[0], b = f->x[operand];

    if (a.rank == b.rank) {
        a.rank = b.rank = axes;
        if (shape_equal(a, b))
            return true;
    }
    return wrong(f, "needs equal leading dimensions: %s and %s", shape_of(f, f->x[0]), shape_of(f, f->x[operand]));
}

static bool same_dim(const struct inference *f, int x, int y, int axis, const char *what)
{
    return dim_equal(f->x[x].dim[axis], f->x[y].dim[axis]) ||
           wrong(f, "needs %s: %s and %s", what, shape_of(f, f->x[x]), shape_of(f, f->x[y]));
}

/* The mask is spread over scores by NumPy's rule. */
static bool want_mask(const struct inference *f, int operand, struct type scores)
{
    struct type m = f->x[operand];

    if (m.dtype != DT_BOOL && m.dtype != DT_REAL)
        return wrong(f, "wants a mask of bool or real, not %s", shown(f, m));
    for (int i = 0; i < m.rank; i++) {
        int axis = scores.rank - m.rank + i;
        if (axis < 0 || (!dim_is_one(m.dim[i]) && !dim_equal(m.dim[i], scores.dim[axis])))
            return wrong(f, "cannot spread the mask %s over %s", shape_of(f, m), shape_of(f, scores));
    }
    return true;
}

/* Operands 0..2, and a mask from operand `mask` on. */
static bool want_attention(const struct inference *f, int mask)
{
    struct type q = f->x[0], scores = q;
    int lead = q.rank - 2;

    for (int i = 0; i < mask; i++)
        if (!want_dtype(f, i, DT_REAL) || !want_rank(f, i, 2, MAX_RANK) || !same_lead(f, i, lead))
            return false;
    if (!same_dim(f, 0, 1, lead + 1, "queries and keys of equal length") ||
        !same_dim(f, 1, 2, lead, "a value for each key"))
        return false;
    for (int i = 0; i < 3; i++)
        if (!want_fixed(f, f->x[i], lead) || !want_fixed(f, f->x[i], lead + 1))
            return false;
    scores.dim[lead + 1] = f->x[1].dim[lead];
    if (attr_bool(f->n, "causal") && scores.dim[lead].k > scores.dim[lead + 1].k)
        return wrong(f, "cannot be causal with fewer keys than rows: %s and %s", shape_of(f, q), shape_of(f, f->x[1]));
    return f->n->operands <= mask || want_mask(f, mask, scores);
}

bool infer_attention(struct inference *f)
{
    if (!want_attention(f, 3))
        return false;
    f->type[0] = f->x[0];
    f->type[0].dim[f->x[0].rank - 1] = f->x[2].dim[f->x[2].rank - 1];
    return true;
}

bool infer_attention_dx(struct inference *f)
{
    int lead = f->x[0].rank - 2;

    if (!want_attention(f, 4))
        return false;
    if (!same_dim(f, 0, 3, lead, "a gradient for each row") ||
        !same_dim(f, 2, 3, lead + 1, "gradients as long as values"))
        return false;
    for (int i = 0; i < 3; i++)
        f->type[i] = f->x[i];
    return true;
}
