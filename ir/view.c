/* ir/view.c: see view.h. */
#include "ir/view.h"

static bool all_ones(struct type t, int before)
{
    for (int i = 0; i < before; i++)
        if (!dim_is_one(t.dim[i]))
            return false;
    return true;
}

/* Neighbours along the last axis stay neighbours. */
static bool rows_lie_together(struct type step, const struct view *view)
{
    return !view->axis || view->axis < step.rank;
}

/* Which of the scan's results v is one step of; -1: of none or of several, or something else than a kernel needs it. */
static int stacked_as(const struct value *v, int stacked)
{
    int found = -1;

    for (const struct use *u = v->uses; u; u = u->next) {
        bool yields = u->user == v->graph->yield_node, stacks = yields && u->index < stacked;
        if ((!yields && u->user->op != OP_fused) || (stacks && found >= 0))
            return -1;
        found = stacks ? u->index : found;
    }
    return found;
}

static bool read_by_kernels(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user == v->graph->yield_node || u->user->op != OP_fused)
            return false;
    return true;
}

bool view_of(const struct value *v, struct view *view)
{
    const struct graph *body = v->graph;
    struct node *scan = body->owner;

    if (!scan || scan->op != OP_scan || v->var)
        return false;
    if (!v->def) {
        if (v->index >= attr_int(scan, "sequences") || !read_by_kernels(v))
            return false;
        view->whole = operand(scan, v->index);
    } else {
        int i = v->def->op == OP_fused ? stacked_as(v, body->yields - (int)attr_int(scan, "carries")) : -1;
        if (i < 0)
            return false;
        view->whole = scan->result[i];
    }
    int axis = (int)attr_int(scan, "axis");
    view->scan = scan;
    view->steps = view->whole->type.dim[axis].k;
    view->axis = all_ones(v->type, axis) ? 0 : axis;
    return rows_lie_together(v->type, view);
}

bool lies_apart(const struct value *v, struct view *view)
{
    return view_of(v, view) && view->axis;
}
