/* codegen/c_product.c: a group that is one product and nothing else may be left to OpenBLAS, by -DNN_OPENBLAS when the C
 * is compiled. The kernel stands beside it, for other builds and for small sizes.
 *
 *     #ifdef NN_OPENBLAS
 *         if (!nn_product(x, 128, y, 256, z, 256, 1, n * 64, 256, 128, 0, 0))
 *     #endif
 *         k32_matmul(n, x, y, z);
 */
#include "codegen/c_emit.h"
#include "ir/view.h"

enum { SMALL = 64 * 64 * 64 }; /* nn_product's bound: below it nothing is gained */

/* x without the reshapes that made it: the elements lie in the same order. */
static const struct value *unshaped(const struct value *x)
{
    while (x->def && x->def->op == OP_reshape)
        x = operand(x->def, 0);
    return x;
}

/* Whether it takes the beginnings of a matrix's rows, which lie farther apart then. */
static bool begins_rows(const struct node *n)
{
    return n->op == OP_slice && n->result[0]->type.rank == 2 && attr_int(n, "axis") == 1 && !attr_int(n, "begin") &&
           attr_int(n, "step") == 1;
}

/* The group's operand that an operand of the product is. */
static const struct value *origin(const struct value *x)
{
    x = unshaped(x);
    return x->def && begins_rows(x->def) ? operand(x->def, 0) : x;
}

/* The group's product where it does nothing else, or NULL. */
static const struct node *only_product(const struct node *group)
{
    const struct graph *body = group->body[0];
    const struct node *product = NULL;
    for (const struct node *n = body->first; n; n = n->next) {
        if (n->op == OP_matmul && !product)
            product = n;
        else if (n->op != OP_reshape && !begins_rows(n))
            return NULL;
    }
    if (!product || body->yields != 1 || unshaped(body->yield[0])->def != product)
        return NULL;
    return origin(operand(product, 0))->def || origin(operand(product, 1))->def ? NULL : product;
}

static const char *dim_text(struct emit *e, struct dim d)
{
    return arena_printf(e->arena, !d.n ? "%lld" : d.k == 1 ? "n" : "n * %lld", (long long)d.k);
}

/* A matrix as the product sees it, which lies as `at`: "pointer, elements from one row to the next". NULL: those lie
 * otherwise than a matrix's. */
static const char *matrix(struct emit *e, const struct value *seen, const struct value *at)
{
    struct type t = seen->type;
    struct dim row = t.dim[t.rank - 1];
    struct view view;
    if (seen->def && begins_rows(seen->def)) {
        row = at->type.dim[1];
        if (at->type.rank != 2 || lies_apart(at, &view))
            return NULL;
    } else if (lies_apart(at, &view)) {
        if (t.rank != 2 || view.axis != 1 || !shape_equal(t, at->type))
            return NULL;
        row.k *= view.steps;
        if (dim_size(row, e->m->batch) > INT32_MAX)
            return NULL;
    }
    return arena_printf(e->arena, "%s, %s", value_pointer(e, at), dim_text(e, row));
}

const char *product_call(struct emit *e, const struct node *group)
{
    const struct node *p = only_product(group);
    if (!p)
        return NULL;
    struct type z = p->result[0]->type, x = operand(p, 0)->type;
    bool ta = attr_bool(p, "ta"), tb = attr_bool(p, "tb");
    struct dim m = z.dim[z.rank - 2], n = z.dim[z.rank - 1], k = x.dim[x.rank - 1 - ta];
    int64_t batch = e->m->batch;
    double size = (double)dim_size(m, batch) * (double)dim_size(n, batch) * (double)dim_size(k, batch);
    if (size <= SMALL)
        return NULL;
    struct type lead = type_make(DT_REAL, z.rank - 2, z.dim);
    const char *left = matrix(e, operand(p, 0), operand(group, origin(operand(p, 0))->index)),
               *right = matrix(e, operand(p, 1), operand(group, origin(operand(p, 1))->index)),
               *result = matrix(e, p->result[0], group->result[0]);
    if (!left || !right || !result)
        return NULL;
    return arena_printf(e->arena, "nn_product(%s, %s, %s, %s, %s, %s, %s, %d, %d)", left, right, result,
                        count_text(e, lead), dim_text(e, m), dim_text(e, n), dim_text(e, k), ta, tb);
}
