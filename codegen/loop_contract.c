/* codegen/loop_contract.c: a product that is added to something becomes one multiply-add. The compiler may not do that
 * by itself (nn_machine.h), so that the bits do not depend on it. Where both operands are products nothing is done: a * b
 * - c * d stays symmetric, and is exactly 0 where the two are equal.
 *
 *     y[i] = x[i] * a + b           y[i] = fma(x[i], a, b)
 *     z[i] = b - x[i] * a     =>    z[i] = fma(-x[i], a, b)
 */
#include "codegen/loop_pass.h"

static bool is_element(const struct lx *x, enum op op)
{
    return x->kind == LX_ELEM && x->op == op && x->dtype == DT_REAL;
}

static struct lx *negative(struct lkernel *k, struct lx *x)
{
    if (x->kind == LX_REAL)
        return lx_real(k, -x->real);
    return is_element(x, OP_neg) ? x->arg[0] : lx_elem(k, OP_neg, DT_REAL, &x, 1);
}

static struct lx *contract(struct rewrite *r, struct lx *x)
{
    bool minus = is_element(x, OP_sub);
    struct lx *a, *b;

    if (!minus && !is_element(x, OP_add))
        return x;
    a = x->arg[0];
    b = x->arg[1];
    if (is_element(a, OP_mul) == is_element(b, OP_mul))
        return x;
    if (is_element(a, OP_mul))
        return lx_fma(r->k, a->arg[0], a->arg[1], minus ? negative(r->k, b) : b);
    return lx_fma(r->k, minus ? negative(r->k, b->arg[0]) : b->arg[0], b->arg[1], a);
}

void loop_contract(struct lkernel *k)
{
    struct rewrite r = { .k = k, .rule = contract };

    rewrite_block(&r, &k->body);
}
