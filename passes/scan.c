/* passes/scan.c: scans changed in place: one more sequence, one more yield. */
#include "passes/shared.h"

#include "ir/build.h"

int scan_stacked(const struct node *scan)
{
    return scan->results - (int)attr_int(scan, "carries");
}

void scan_insert_results(struct node *scan, int stacked, int more)
{
    int carries = scan->results - stacked;

    for (int i = 0; i < more; i++)
        node_add_result(scan, type_poison());
    struct value **old = arena_copy(scan->graph->module->arena, scan->result, (size_t)scan->results * sizeof *old);
    for (int i = 0; i < carries; i++)
        scan->result[stacked + more + i] = old[stacked + i];
    for (int i = 0; i < more; i++)
        scan->result[stacked + i] = old[stacked + carries + i];
    for (int i = stacked; i < scan->results; i++)
        scan->result[i]->index = i;
}

struct value *scan_add_yield(struct node *scan, struct value *v)
{
    struct graph *body = scan->body[0];
    int stacked = scan_stacked(scan);
    struct value **yields = NEW_ARRAY(body->module->arena, body->yields + 1, struct value *);

    for (int i = 0; i <= body->yields; i++)
        yields[i] = i == stacked ? v : body->yield[i - (i > stacked)];
    graph_yield(body, yields, body->yields + 1);
    scan_insert_results(scan, stacked, 1);
    if (!infer(scan))
        bug("a scan does not stack one value more");
    return scan->result[stacked];
}

static struct type step_of(struct type whole, int axis)
{
    for (int i = axis; i + 1 < whole.rank; i++)
        whole.dim[i] = whole.dim[i + 1];
    whole.rank--;
    return whole;
}

struct value *scan_add_sequence(struct node *scan, struct value *whole)
{
    struct graph *body = scan->body[0];
    int sequences = (int)attr_int(scan, "sequences");
    struct value *p = graph_param(body, step_of(whole->type, (int)attr_int(scan, "axis")), whole->name);

    node_add_operand(scan, whole);
    for (int i = scan->operands - 1; i > sequences; i--) {
        node_set_operand(scan, i, operand(scan, i - 1));
        body->param[i] = body->param[i - 1];
        body->param[i]->index = i;
    }
    node_set_operand(scan, sequences, whole);
    body->param[sequences] = p;
    p->index = sequences;
    node_set_int(scan, "sequences", sequences + 1);
    return p;
}

struct type scan_stackable(const struct node *scan, struct type t)
{
    int64_t axis = attr_int(scan, "axis");

    while (t.rank < axis)
        t.dim[t.rank++] = dim_of(1);
    if (t.rank < MAX_RANK || (t.dim[MAX_RANK - 2].n && t.dim[MAX_RANK - 1].n))
        return t;
    t.rank--;
    t.dim[MAX_RANK - 2].k *= t.dim[MAX_RANK - 1].k;
    t.dim[MAX_RANK - 2].n |= t.dim[MAX_RANK - 1].n;
    return t;
}
