/* ir/eval_map.c: operations whose every element stands for itself: elementwise ones, constants, random numbers, and the
 * scalars of the optimizer. What an element is, ir/element.c says. */
#include "ir/element.h"
#include "ir/eval.h"

void eval_map(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    enum dtype dtype = x[n->op == OP_select ? 1 : 0].type.dtype, to = y[0].type.dtype;
    double at[3] = { 0 };

    (void)e;
    if (n->operands < 1 || n->operands > 3)
        bug("%s is not elementwise", op_info(n->op)->name);
    for (int64_t i = 0; i < y[0].count; i++) {
        for (int k = 0; k < n->operands; k++)
            at[k] = x[k].data[i];
        y[0].data[i] = n->op == OP_cast ? element_cast(at[0], dtype, to) : element_map(n->op, dtype, at);
    }
}

/* constant: its value; iota: the place along its axis. */
void eval_made(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    (void)x;
    if (n->op == OP_constant) {
        y[0].data[0] = attr_real(n, "value");
        return;
    }
    struct along a = along_axis(e, y[0].type, attr_int(n, "axis"));
    for (int64_t i = 0; i < y[0].count; i++)
        y[0].data[i] = (double)(i / a.inner % a.length);
}

/* Where a batch goes in parts, those elements are drawn that its samples have in the whole. */
void eval_random(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    int64_t before = shape_batches(y[0].type) ? e->s->first * type_count(y[0].type, 1) : 0;

    (void)x;
    for (int64_t i = 0; i < y[0].count; i++)
        y[0].data[i] =
            element_random(n->op, n->attr, n->attrs, e->s->module->f64, e->s->seed, e->s->step, (uint64_t)(before + i));
}

void eval_hyper(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    y[0].data[0] = element_hyper(n->op, n->attr, n->attrs, (int64_t)x[0].data[0], e->s->lr_override);
}
