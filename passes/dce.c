/* passes/dce.c: dead code. Operations whose results nothing reads go, unless they have an effect; so do the results,
 * yields, parameters and operands of scans and groups that no one uses.
 *
 *     %0 = exp %x
 *     %1, %2 = scan %0, %x, ... {              %1 = scan %x, ... {
 *       (%a, %b, %h) ...                         (%b, %h) ...
 *       yield %p, %h2                  =>        yield %h2
 *     }                                        }
 *     output %1                                output %1
 *
 * A carry lives where its last value is read or where something that lives reads it inside the body; a carry that only
 * feeds itself goes. The operands of `custom` stay: whether they are needed is known once it is inlined. */
#include <string.h>

#include "passes/shared.h"

static bool graph_has_effect(const struct graph *g);

bool node_has_effect(const struct node *n)
{
    bool found = op_is(n->op, EFFECT);

    for (int i = 0; i < n->bodies && !found; i++)
        found = graph_has_effect(n->body[i]);
    return found;
}

/* How deep bodies nest is limited by whoever reads them: the parser and the frontend. */
static bool graph_has_effect(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        if (node_has_effect(n))
            return true;
    }
    return false;
}

static bool node_used(const struct node *n)
{
    for (int i = 0; i < n->results; i++) {
        if (value_used(n->result[i]))
            return true;
    }
    return false;
}

void node_set_int(struct node *n, const char *attribute, int64_t value)
{
    for (int i = 0; i < n->attrs; i++) {
        if (strcmp(n->attr[i].name, attribute) == 0) {
            n->attr[i].i = value;
            return;
        }
    }
    bug("%s has no attribute %s", op_info(n->op)->name, attribute);
}

void bodied_drop_result(struct node *n, int index)
{
    struct graph *body = n->body[0];
    struct value **kept = NEW_ARRAY(body->module->arena, body->yields, struct value *);
    int count = 0;

    for (int i = 0; i < body->yields; i++) {
        if (i != index)
            kept[count++] = body->yield[i];
    }
    graph_yield(body, kept, count);
    for (int i = index; i + 1 < n->results; i++) {
        n->result[i] = n->result[i + 1];
        n->result[i]->index = i;
    }
    n->results--;
}

void bodied_drop_param(struct node *n, int index)
{
    struct graph *body = n->body[0];

    node_drop_operand(n, index);
    for (int i = index; i + 1 < body->params; i++) {
        body->param[i] = body->param[i + 1];
        body->param[i]->index = i;
    }
    body->params--;
}

/* Whether something that lives reads v, where live[i] says it of the body's yields and node->id of its operations. */
static bool value_lives(const struct graph *body, const struct value *v, const bool *live)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        if (u->user == body->yield_node ? live[u->index] : u->user->id != 0)
            return true;
    }
    return false;
}

static void mark_living(struct graph *body, const bool *live)
{
    for (struct node *n = body->last; n; n = n->previous) {
        n->id = node_has_effect(n);
        for (int i = 0; i < n->results && n->id == 0; i++)
            n->id = value_lives(body, n->result[i], live);
    }
}

/* Which yields of a scan live: those whose result is read, and carries that living operations of the body read. */
static bool *living_yields(struct node *scan, int sequences, int stacked)
{
    struct graph *body = scan->body[0];
    bool *live = NEW_ARRAY(body->module->arena, body->yields, bool);
    bool changed = true;

    for (int i = 0; i < body->yields; i++)
        live[i] = value_used(scan->result[i]);
    while (changed) {
        changed = false;
        mark_living(body, live);
        for (int i = stacked; i < body->yields; i++) {
            if (!live[i] && value_lives(body, body->param[sequences + i - stacked], live))
                live[i] = changed = true;
        }
    }
    return live;
}

/* A scan keeps one sequence at least: its length is that of its sequences. */
static bool trim_scan(struct node *n)
{
    int sequences = (int)attr_int(n, "sequences"), carries = (int)attr_int(n, "carries");
    int stacked = n->results - carries;
    bool *live = living_yields(n, sequences, stacked), changed = false;

    for (int i = n->results - 1; i >= 0; i--) {
        if (!live[i]) {
            bodied_drop_result(n, i);
            changed = true;
        }
    }
    changed |= dce_graph(n->body[0]);
    for (int i = n->operands - 1; i >= 0; i--) {
        bool carry = i >= sequences && i < sequences + carries, only = i < sequences && sequences == 1;
        if (carry ? live[stacked + i - sequences] : value_used(n->body[0]->param[i]) || only)
            continue;
        bodied_drop_param(n, i);
        changed = true;
        if (carry)
            carries--;
        else if (i < sequences)
            sequences--;
    }
    node_set_int(n, "sequences", sequences);
    node_set_int(n, "carries", carries);
    return changed;
}

static bool trim_fused(struct node *n)
{
    bool changed = false;

    for (int i = n->results - 1; i >= 0; i--) {
        if (!value_used(n->result[i])) {
            bodied_drop_result(n, i);
            changed = true;
        }
    }
    changed |= dce_graph(n->body[0]);
    for (int i = n->operands - 1; i >= 0; i--) {
        if (!value_used(n->body[0]->param[i])) {
            bodied_drop_param(n, i);
            changed = true;
        }
    }
    return changed;
}

bool bodied_trim(struct node *n)
{
    bool changed = false;

    if (n->op == OP_scan)
        return trim_scan(n);
    if (n->op == OP_fused)
        return trim_fused(n);
    for (int i = 0; i < n->bodies; i++)
        changed |= dce_graph(n->body[i]);
    return changed;
}

bool dce_graph(struct graph *g)
{
    bool changed = false;

    for (struct node *n = g->last, *previous; n; n = previous) {
        previous = n->previous;
        if (node_used(n) || node_has_effect(n)) {
            changed |= bodied_trim(n);
        } else {
            node_remove(n);
            changed = true;
        }
    }
    return changed;
}

bool pass_dce(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    for (int i = 0; i < GRAPH_KINDS; i++) {
        if (m->graph[i])
            changed |= dce_graph(m->graph[i]);
    }
    return changed;
}
