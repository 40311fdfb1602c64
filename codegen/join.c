/* codegen/join.c: neighbouring axes that lie together wherever they are read are gone through as one: longer runs of
 * neighbouring elements, and fewer borders.
 *
 *     for j in 0..28 par                        for j in 0..784 par
 *       for k in 0..28 par            =>          y[j / 28,j % 28] = x[j / 28,j % 28]        (the address of both is j)
 *         y[j,k] = x[j,k]
 */
#include <string.h>

#include "codegen/lower.h"
#include "ir/loop_index.h"
#include "ir/view.h"

struct asking {
    struct lower *l;
    unsigned char *seen; /* of each expression: it holds no division */
    size_t capacity;
};

/* Whether a division is left once addresses are sums. */
static bool divides(struct asking *a, struct lx *x)
{
    arena_grow(a->l->k->arena, (void **)&a->seen, &a->capacity, (size_t)x->id + 1, 1);
    if (a->seen[x->id])
        return false;
    if (x->kind == LX_IDIV || x->kind == LX_IMOD)
        return true;
    if (x->kind == LX_LOAD && x->buf->rank) {
        if (divides(a, lx_flat(a->l->k, x->buf, x->arg)))
            return true;
    } else {
        for (int i = 0; i < x->args; i++)
            if (divides(a, x->arg[i]))
                return true;
    }
    a->seen[x->id] = 1;
    return false;
}

struct lx *some_index(struct lower *l, struct dim d)
{
    struct ls *loop = NEW(l->k->arena, struct ls);

    loop->kind = LS_LOOP;
    loop->begin = lx_int(l->k, 0);
    loop->end = lx_dim(l->k, d);
    loop->step = 1;
    loop->var = NEW(l->k->arena, struct lvar);
    *loop->var = (struct lvar){ "at", loop };
    return lx_var(l->k, loop->var);
}

/* What is known only when the nest has been gone through has some value meanwhile. */
static void know_reductions(struct lower *l)
{
    for (struct node *n = l->body->first; n; n = n->next)
        for (int i = 0; i < n->results && node_is_reduction(n); i++)
            know(l, n->result[i], identity(l, OP_add, n->result[i]->type.dtype));
}

/* Whether v, at these coordinates of it, is stored in a view in which that is another place than at all of them joined. */
static bool stored_apart(struct asking *a, const struct value *v, struct lx *const *at)
{
    struct lower *l = a->l;
    struct view view;

    for (int i = 0; i < l->body->yields; i++) {
        if (l->body->yield[i] != v || !lies_apart(l->group->result[i], &view))
            continue;
        struct lbuf like = { .name = "y", .dtype = v->type.dtype, .rank = v->type.rank };
        memcpy(like.shape, v->type.dim, sizeof like.shape);
        lbuf_view(&like, view.steps, view.axis);
        if (divides(a, lx_flat(l->k, &like, at)))
            return true;
    }
    return false;
}

static bool lie_together(struct lower *l, struct type t, struct type joined, struct value *const *values, int count)
{
    struct asking a = { .l = l };
    struct known *known = l->known;
    struct lx *at[MAX_RANK], *apart[MAX_RANK], *in[MAX_RANK];
    bool together = true;

    know_reductions(l);
    for (int i = 0; i < joined.rank; i++)
        at[i] = some_index(l, joined.dim[i]);
    reshape_at(l, joined, t, at, apart);
    for (int i = 0; i < count && together; i++) {
        reshape_at(l, t, values[i]->type, apart, in);
        together = !divides(&a, body_at(l, values[i], in)) && !stored_apart(&a, values[i], in);
    }
    l->known = known;
    return together;
}

/* t with axes i and i + 1 as one; false where that is no dimension. */
static bool as_one(struct lower *l, struct type *t, int i)
{
    struct dim a = t->dim[i], b = t->dim[i + 1];

    if ((a.n && b.n) || dim_size(a, l->k->batch) > INT32_MAX / dim_size(b, l->k->batch))
        return false;
    t->dim[i] = (struct dim){ a.k * b.k, a.n || b.n };
    t->rank--;
    for (int k = i + 1; k < t->rank; k++)
        t->dim[k] = t->dim[k + 1];
    return true;
}

struct type join_axes(struct lower *l, struct type t, int from, int to, struct value *const *values, int count)
{
    struct type joined = t;

    for (int i = to - 2; l->level && i >= from; i--) {
        struct type next = joined;
        if (as_one(l, &next, i) && lie_together(l, t, next, values, count))
            joined = next;
    }
    return joined;
}

/* Values of which the nest needs an element at each of its coordinates: what is stored or reduced there. */
struct type join_domain(struct lower *l, int from)
{
    struct type t = l->nest.domain;
    int count = 0, most = l->body->yields;

    for (const struct node *n = l->body->first; n; n = n->next)
        most++;
    struct value **values = NEW_ARRAY(l->k->arena, most + 1, struct value *);
    for (int i = 0; i < l->body->yields; i++)
        if (leaves_at(l, NULL, l->body->yield[i]) == AT_EACH)
            values[count++] = l->body->yield[i];
    for (const struct node *n = l->body->first; n; n = n->next) {
        bool effect = n->op == OP_assign || n->op == OP_accumulate;
        if (!effect && !node_is_reduction(n))
            continue;
        struct value *v = operand(n, effect);
        if (value_place(l, v) <= AT_EACH && shape_same_size(v->type, t))
            values[count++] = v;
    }
    return join_axes(l, t, from, t.rank, values, count);
}
