/* passes/schedule.c: the order of a graph's kernels: first what checks the call's data, so that bad data is found before
 * anything changes; a write of a variable after everything that reads its old value; all else as it stands.
 *
 *     fused { assign @v, ... }            fused { bound %index }
 *     fused { bound %index }       =>     %1 = fused @v { ... }
 *     %1 = fused @v { ... }               fused { assign @v, ... }
 */
#include "passes/passes.h"

static bool has(const struct node *n, enum op op)
{
    for (const struct node *b = n->op == OP_fused ? n->body[0]->first : NULL; b; b = b->next)
        if (b->op == op)
            return true;
    return false;
}

static bool reads_arguments_alone(const struct node *n)
{
    for (int i = 0; i < n->operands; i++) {
        const struct var *v = operand(n, i)->var;
        if (!v || (v->role != ROLE_INPUT && v->role != ROLE_TARGET))
            return false;
    }
    return true;
}

static bool schedule(struct graph *g)
{
    struct node *top = g->first, *last = g->last;
    bool changed = false;
    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        if (has(n, OP_bound) && reads_arguments_alone(n) && n != top) {
            node_move(n, top);
            changed = true;
        }
    }
    for (struct node *n = g->first, *next; n && last; n = next) {
        next = n == last ? NULL : n->next;
        if (!n->results && (has(n, OP_assign) || has(n, OP_accumulate))) {
            node_move(n, NULL);
            changed = true;
        }
    }
    return changed;
}

bool pass_schedule(struct module *m, struct pass_context *c)
{
    bool changed = false;
    (void)c;
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            changed |= schedule(m->graph[k]);
    return changed;
}
