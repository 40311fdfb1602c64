/* ir/attention.c: see attention.h. */
#include "ir/attention.h"

struct attention attention_of(const struct node *n)
{
    struct type q = operand(n, 0)->type, k = operand(n, 1)->type, v = operand(n, 2)->type;
    int lead = q.rank - 2, mask = n->op == OP_attention ? 3 : 4;
    struct type scores = q;

    scores.dim[lead + 1] = k.dim[lead];
    return (struct attention){ .scores = scores,
                               .lead = lead,
                               .rows = q.dim[lead].k,
                               .keys = k.dim[lead].k,
                               .depth = q.dim[lead + 1].k,
                               .columns = v.dim[lead + 1].k,
                               .causal = attr_bool(n, "causal"),
                               .scale = attr_real(n, "scale"),
                               .masked = attr_real(n, "masked"),
                               .drop = attr_real(n, "drop"),
                               .kept = attr_real(n, "kept"),
                               .stream = attr_int(n, "stream"),
                               .mask = n->operands > mask ? mask : -1 };
}
