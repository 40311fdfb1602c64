/* tests/fuzz/check_plan.c: what lies where: the schedule is gone through step by step, and every byte of the arena
 * remembers the value that was written to it last. What is read must be there still. Nothing of the planner's idea of how
 * long a value lives is asked. */
#include "ir/view.h"
#include "tests/fuzz/fuzz.h"

struct memory {
    const struct module *m;
    const char *graph;
    const struct value **owner; /* a byte each */
    int64_t bytes;              /* of the arena */
};

static int64_t bytes_of(const struct memory *p, const struct value *v)
{
    struct type t = v->type;
    int64_t size = t.dtype == DT_REAL ? (p->m->f64 ? 8 : 4) : t.dtype == DT_I32 ? 4 : 1;

    return type_count(t, graph_samples(v->graph)) * size;
}

/* Where a body's parameter stands for a value from outside: what a group reads, and what a scan captures. */
static const struct value *source_of(const struct value *v)
{
    const struct node *owner = v->graph->owner;

    if (v->def || v->var || !owner)
        return v;
    bool own = owner->op == OP_scan && v->index < attr_int(owner, "sequences") + attr_int(owner, "carries");
    return own ? v : source_of(operand(owner, v->index));
}

static bool is_output(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user->op == OP_output)
            return true;
    return false;
}

/* Outside the arena: variables, and what lies in the caller's memory. */
static bool lies_elsewhere(const struct value *v)
{
    return v->var || is_output(v);
}

/* A view is a part of its whole, which is written when the scan begins. */
static void write_value(struct memory *p, const struct value *v)
{
    int64_t bytes = bytes_of(p, v);
    struct view view;

    if (lies_elsewhere(v) || view_of(v, &view)) {
        if (v->offset >= 0)
            fails("graph %s: a value that is not in the arena has the place %lld", p->graph, (long long)v->offset);
        return;
    }
    if (v->offset < 0 || v->offset % 64 || v->offset + bytes > p->bytes)
        fails("graph %s: a value of %lld bytes lies at %lld of %lld", p->graph, (long long)bytes, (long long)v->offset,
              (long long)p->bytes);
    for (int64_t i = 0; i < bytes; i++)
        p->owner[v->offset + i] = v;
}

static void read_value(struct memory *p, const struct value *v)
{
    struct view view;

    v = source_of(v);
    if (view_of(v, &view)) {
        read_value(p, view.whole);
        return;
    }
    if (lies_elsewhere(v))
        return;
    for (int64_t i = 0; i < bytes_of(p, v); i++)
        if (p->owner[v->offset + i] != v)
            fails("graph %s: byte %lld of a value of operation %s at %lld is gone when it is read", p->graph,
                  (long long)i, v->def ? op_info(v->def->op)->name : "parameter", (long long)v->offset);
}

static void run_nodes(struct memory *p, const struct graph *g);

static void read_operands(struct memory *p, const struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        read_value(p, operand(n, i));
}

/* Two steps and one more: what is carried goes through the places of all. */
static void run_scan(struct memory *p, const struct node *n)
{
    const struct graph *body = n->body[0];
    int sequences = (int)attr_int(n, "sequences"), carries = (int)attr_int(n, "carries");
    int stacked = body->yields - carries;

    read_operands(p, n);
    for (int i = 0; i < carries; i++)
        write_value(p, body->param[sequences + i]);
    for (int i = 0; i < stacked; i++)
        write_value(p, n->result[i]);
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < sequences; i++) {
            read_value(p, operand(n, i));
            write_value(p, body->param[i]);
        }
        run_nodes(p, body);
        for (int i = 0; i < body->yields; i++)
            read_value(p, body->yield[i]);
        for (int i = 0; i < stacked; i++)
            read_value(p, n->result[i]);
        for (int i = 0; i < carries; i++)
            write_value(p, body->param[sequences + i]);
    }
    for (int i = 0; i < carries; i++)
        read_value(p, body->param[sequences + i]);
    for (int i = 0; i < carries; i++)
        write_value(p, n->result[stacked + i]);
    for (int i = 0; i < n->results; i++)
        read_value(p, n->result[i]);
}

/* Whether a result lies where one of the operands does, which is as large: check_kernels sees that it may. */
static bool in_place_of(const struct memory *p, const struct value *result, const struct value *x)
{
    return !lies_elsewhere(result) && !lies_elsewhere(x) && result->offset >= 0 && result->offset == x->offset &&
           bytes_of(p, result) == bytes_of(p, x);
}

static bool gives_place_up(const struct memory *p, const struct node *n, const struct value *x)
{
    for (int i = 0; i < n->results; i++)
        if (in_place_of(p, n->result[i], x))
            return true;
    return false;
}

/* After a kernel both what it read and what it gave are there, for its pointers are restrict, but for operands in whose
 * place a result lies. */
static void run_kernel(struct memory *p, const struct node *n)
{
    read_operands(p, n);
    for (int i = 0; i < n->results; i++)
        write_value(p, n->result[i]);
    for (int i = 0; i < n->operands; i++)
        if (!gives_place_up(p, n, operand(n, i)))
            read_value(p, operand(n, i));
    for (int i = 0; i < n->results; i++)
        read_value(p, n->result[i]);
}

static void run_nodes(struct memory *p, const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (n->op == OP_scan)
            run_scan(p, n);
        else
            run_kernel(p, n);
}

/* The most bytes that a step needs at once: what was computed before or by it, and is read by it or later. */
static int64_t least_bytes(struct memory *p, const struct graph *g)
{
    int64_t most = 0;
    int step = 0;

    for (struct node *n = g->first; n; n = n->next)
        n->id = step++;
    for (const struct node *at = g->first; at; at = at->next) {
        int64_t sum = 0;
        for (const struct node *n = g->first; n && n->id <= at->id; n = n->next)
            for (int i = 0; i < n->results; i++) {
                int last = n->id;
                for (const struct use *u = n->result[i]->uses; u; u = u->next)
                    last = u->user->id > last ? u->user->id : last;
                bool over = last == at->id && at != n && gives_place_up(p, at, n->result[i]);
                if (last >= at->id && !lies_elsewhere(n->result[i]) && !over)
                    sum += bytes_of(p, n->result[i]);
            }
        most = sum > most ? sum : most;
    }
    return most;
}

void check_plan(struct module *m)
{
    struct arena *a = arena_new();

    for (int k = 0; k < GRAPH_KINDS; k++) {
        struct graph *g = m->graph[k];
        if (!g)
            continue;
        struct memory p = { .m = m, .graph = graph_name(g->kind), .bytes = g->arena_bytes };
        p.owner = NEW_ARRAY(a, p.bytes + 1, const struct value *);
        run_nodes(&p, g);
        int64_t least = least_bytes(&p, g);
        if (g->lower_bound < least || g->arena_bytes < g->lower_bound)
            fails("graph %s: %lld bytes are needed at once, the bound is %lld, the arena has %lld", p.graph,
                  (long long)least, (long long)g->lower_bound, (long long)g->arena_bytes);
    }
    arena_free(a);
}
