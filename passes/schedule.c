/* passes/schedule.c: the order of a graph's kernels: first what checks the call's data, so that bad data is found before
 * anything changes; a write of a variable as soon as what it writes is known, everything has read the old value and everything
 * is checked, so that what it reads need not be kept; all else as it stands.
 *
 *     fused { assign @v, ... }            fused { bound %index }
 *     fused { bound %index }       =>     %1 = fused @v { ... }
 *     %1 = fused @v { ... }               fused { assign @v, ... }
 */
#include "passes/shared.h"

bool group_has(const struct node *n, enum op op)
{
    for (const struct node *b = n->op == OP_fused ? n->body[0]->first : NULL; b; b = b->next)
        if (b->op == op)
            return true;
    return false;
}

bool group_writes(const struct node *n, int i)
{
    for (const struct use *u = n->op == OP_fused ? n->body[0]->param[i]->uses : NULL; u; u = u->next)
        if ((u->user->op == OP_assign || u->user->op == OP_accumulate) && u->index == 0)
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

static bool has_bound(const struct node *n)
{
    if (n->op == OP_bound)
        return true;
    for (int i = 0; i < n->bodies; i++)
        for (const struct node *b = n->body[i]->first; b; b = b->next)
            if (has_bound(b))
                return true;
    return false;
}

bool node_checks(const struct node *n)
{
    return has_bound(n) && (n->op == OP_scan || !reads_arguments_alone(n));
}

static struct node *later(struct node *a, struct node *b)
{
    return !a || (b && b->id > a->id) ? b : a;
}

/* The last that has to run before a group without results: what gives its operands, what reads the variables it writes, and
 * `check`, after which nothing ends the call. */
static struct node *last_before(struct node *n, struct node *check)
{
    struct node *last = check;

    for (int i = 0; i < n->operands; i++) {
        const struct value *v = operand(n, i);
        last = later(last, v->def);
        for (const struct use *u = v->var ? v->uses : NULL; u; u = u->next)
            if (u->user != n && group_writes(n, i))
                last = later(last, u->user);
    }
    return last;
}

static void number(struct graph *g)
{
    int id = 0;

    for (struct node *n = g->first; n; n = n->next)
        n->id = id++;
}

static bool schedule(struct graph *g)
{
    struct node *top = g->first, *check = NULL;
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        if (group_has(n, OP_bound) && reads_arguments_alone(n) && n != top) {
            node_move(n, top);
            changed = true;
        }
    }
    number(g);
    for (struct node *n = g->first; n; n = n->next)
        check = node_checks(n) ? n : check;
    for (struct node *n = g->first, *next; n; n = next) {
        struct node *last;
        next = n->next;
        if (n->results || n->op != OP_fused || group_has(n, OP_bound) || !(last = last_before(n, check)) ||
            last->next == n)
            continue;
        node_move(n, last->next);
        number(g);
        changed = true;
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
