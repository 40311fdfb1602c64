/* passes/outline.c: every operation that is left alone becomes a group of its own, so that code generation sees groups,
 * scans and effects alone.
 *
 *     %1 = exp %0                 %1 = fused %0 {
 *                           =>      %2 = exp %0
 *                                   yield %2
 *                                 }
 */
#include "passes/group.h"

#include "ir/build.h"
#include "passes/shared.h"

bool group_member(const struct node *n)
{
    switch (n->op) {
    case OP_fused:
    case OP_scan:
    case OP_custom:
    case OP_output:
    case OP_loss:
    case OP_metric: return false;
    default: return true;
    }
}

static bool inside(struct node *const *member, int count, const struct node *n)
{
    for (int i = 0; i < count; i++)
        if (member[i] == n)
            return true;
    return false;
}

static bool read_outside(struct node *const *member, int count, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (!inside(member, count, u->user))
            return true;
    return false;
}

/* The values a group reads from outside, each once; value->data is its parameter in the body. */
static int gather_operands(struct node *const *member, int count, struct graph *body, struct value **operands)
{
    int n = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < member[i]->operands; k++) {
            struct value *v = operand(member[i], k);
            bool seen = v->def && inside(member, count, v->def);
            for (int j = 0; j < n && !seen; j++)
                seen = operands[j] == v;
            if (seen)
                continue;
            operands[n++] = v;
            v->data = graph_param(body, v->type, v->name);
        }
    return n;
}

/* Copies of one operation, made for its readers, are one again where these are in one group. */
static struct node *only_copy(struct node_table *seen, struct node *n)
{
    struct node *first = node_table_add(seen, n);

    if (first != n)
        node_remove(n);
    return first;
}

static void move_members(struct node *const *member, int count, struct graph *body, struct arena *scratch)
{
    struct build b = build_end(body, member[count - 1]->at, "");
    struct node_table *seen = node_table_new(scratch);
    for (int i = 0; i < count; i++) {
        struct node *n = member[i];
        struct value **x = NEW_ARRAY(body->module->arena, n->operands + 1, struct value *);
        for (int k = 0; k < n->operands; k++)
            x[k] = operand(n, k)->data;
        b.at = n->at;
        b.layer = n->layer;
        struct node *copy = build_node(&b, n->op, x, n->operands, n->attr, n->attrs);
        copy = copy ? only_copy(seen, copy) : NULL;
        for (int k = 0; copy && k < n->results; k++) {
            if (n->result[k]->name)
                copy->result[k]->name = n->result[k]->name;
            n->result[k]->data = copy->result[k];
        }
    }
}

/* Where v stands among the values yielded so far; it is added where it does not. */
static int yield_of(struct value **yields, int *count, struct value *v)
{
    for (int i = 0; i < *count; i++)
        if (yields[i] == v)
            return i;
    yields[*count] = v;
    return (*count)++;
}

struct node *group_make(struct node *const *member, int count, struct arena *scratch)
{
    struct node *last = member[count - 1];
    struct graph *g = last->graph, *body = graph_new(g->module, GRAPH_BODY);
    int reads = 0, gives = 0, yielded = 0, at = 0;
    for (int i = 0; i < count; i++)
        reads += member[i]->operands, gives += member[i]->results;
    struct value **operands = NEW_ARRAY(scratch, reads + 1, struct value *),
                 **yields = NEW_ARRAY(scratch, gives + 1, struct value *),
                 **results = NEW_ARRAY(scratch, gives + 1, struct value *);
    int *from = NEW_ARRAY(scratch, gives + 1, int);
    reads = gather_operands(member, count, body, operands);
    move_members(member, count, body, scratch);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < member[i]->results; k++)
            if (read_outside(member, count, member[i]->result[k])) {
                results[at] = member[i]->result[k];
                from[at++] = yield_of(yields, &yielded, member[i]->result[k]->data);
            }
    graph_yield(body, yields, yielded);
    struct build b = build_at(g, last->next);
    b.at = last->at;
    b.layer = last->layer;
    struct node *fused = build_node(&b, OP_fused, operands, reads, NULL, 0);
    node_add_body(fused, body);
    if (!infer(fused))
        bug("a group of operations that were right is wrong");
    for (int i = 0; i < at; i++) {
        struct value *with = fused->result[from[i]];
        if (results[i]->name)
            with->name = results[i]->name;
        value_replace(results[i], with);
    }
    for (int i = count - 1; i >= 0; i--)
        node_remove(member[i]);
    return fused;
}

/* What a scan, an output or a yield needs must lie somewhere as it is: a variable's contents and parameters of a body are
 * copied first. */
static void materialise(struct node *n, int i)
{
    struct value *v = operand(n, i);
    struct build b = build_at(n->graph, n);
    struct value *copy = build_unary(&b, OP_relayout, v);
    node_set_operand(n, i, copy);
}

/* An output's value lies in the caller's buffer, so it is a group's result that no other output has. */
static bool needs_copy(const struct node *n)
{
    int outputs = 0;
    if (n->op != OP_output && n->op != OP_loss && n->op != OP_metric)
        return false;
    struct value *v = operand(n, 0);
    if (!v->def || v->def->op == OP_scan)
        return true;
    for (const struct use *u = v->uses; u; u = u->next)
        outputs += u->user->op == OP_output;
    return n->op == OP_output && outputs > 1;
}

static void copy_yields(struct graph *g)
{
    for (int i = 0; i < g->yields; i++)
        if (!g->yield[i]->def) {
            struct build b = build_end(g, g->owner ? g->owner->at : (struct place){ 0 }, "");
            struct value **list = NEW_ARRAY(g->module->arena, g->yields, struct value *);
            for (int k = 0; k < g->yields; k++)
                list[k] = g->yield[k];
            list[i] = build_unary(&b, OP_relayout, g->yield[i]);
            graph_yield(g, list, g->yields);
        }
}

/* A write of a variable whose value is another's contents is copied first: two may exchange their contents. */
static void copy_written(struct node *n)
{
    if ((n->op == OP_assign || n->op == OP_accumulate) && operand(n, 1)->var)
        materialise(n, 1);
}

static bool outline(struct graph *g, struct arena *scratch)
{
    bool changed = false;
    for (struct node *n = g->first; n; n = n->next) {
        if (needs_copy(n))
            materialise(n, 0);
        copy_written(n);
    }
    if (g->kind == GRAPH_BODY)
        copy_yields(g);
    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        if (n->op == OP_scan)
            outline(n->body[0], scratch);
        if (!group_member(n))
            continue;
        group_make(&n, 1, scratch);
        changed = true;
    }
    return changed;
}

bool pass_outline(struct module *m, struct pass_context *c)
{
    bool changed = false;
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            changed |= outline(m->graph[k], c->scratch);
    return changed;
}
