/* passes/inline.c: custom operations become what their forward body computes; their backward body has served by then,
 * or is not wanted (evaluation and inference).
 *
 *     %1 = custom %x, returned = 1 {
 *       (%a)                                  %1 = max %x, %zero
 *       %r = max %a, %zero            =>      output %1
 *       yield %r
 *     } { ... }
 *     output %1
 *
 * Bodies of scans are searched too, and what was inlined is looked at again: a body may hold further ones. */
#include "passes/shared.h"

/* Replaces n by copies of the operations of its first body; the first of them, or what follows n, is returned. */
static struct node *inline_custom(struct node *n)
{
    struct graph *body = n->body[0];
    struct node *before = n->previous;

    for (int i = 0; i < body->params; i++)
        body->param[i]->data = operand(n, i);
    graph_copy_into(body, n->graph, n);
    for (int i = 0; i < n->results; i++) {
        struct value *copy = body->yield[i]->data;
        if (n->result[i]->name && copy->def)
            copy->name = n->result[i]->name; /* the model's own name rather than the layer's */
        value_replace(n->result[i], copy);
    }
    struct graph *g = n->graph;
    node_remove(n);
    return before ? before->next : g->first;
}

static bool inline_graph(struct graph *g)
{
    bool changed = false;

    for (struct node *n = g->first; n;) {
        if (n->op == OP_custom) {
            n = inline_custom(n);
            changed = true;
            continue;
        }
        for (int i = 0; i < n->bodies; i++)
            changed |= inline_graph(n->body[i]);
        n = n->next;
    }
    return changed;
}

bool pass_inline_eval(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    for (int i = GRAPH_EVAL; i <= GRAPH_PREPARE; i++) {
        if (m->graph[i])
            changed |= inline_graph(m->graph[i]);
    }
    return changed;
}

bool pass_inline_train(struct module *m, struct pass_context *c)
{
    (void)c;
    return m->graph[GRAPH_TRAIN] && inline_graph(m->graph[GRAPH_TRAIN]);
}
