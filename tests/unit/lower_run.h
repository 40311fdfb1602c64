/* tests/unit/lower_run.h: runs graphs by their kernels: every group is lowered, verified and evaluated (loop_eval.c),
 * as generated code would run them. Values lie in arrays of their own, but for those that were planned in the place of
 * another. */
#ifndef TESTS_UNIT_LOWER_RUN_H
#define TESTS_UNIT_LOWER_RUN_H

#include "codegen/codegen.h"
#include "ir/view.h"
#include "tests/unit/passes_run.h"

struct machine {
    struct arena *arena;
    struct store *s;
    int level;
    bool loops;   /* after the loop passes */
    int64_t step; /* of the scan around */
    double bad;
    const char *shown; /* a kernel's text, of the last one that ran */
};

/* Where v lies: a variable in the store, all else in an array made when it is first asked for. */
static inline double *place_of(struct machine *p, struct value *v)
{
    if (v->var)
        return p->s->var[v->var->index].data;
    if (!v->data)
        v->data = tensor_make(p->arena, v->type, p->s->n).data;
    return v->data;
}

/* Where a kernel finds v: a view is a step of a whole. */
static inline double *argument_of(struct machine *p, struct value *v)
{
    struct view view;

    if (!view_of(v, &view))
        return place_of(p, v);
    struct type behind = type_make(v->type.dtype, v->type.rank - view.axis, v->type.dim + view.axis);
    return place_of(p, view.whole) + p->step * type_count(behind, p->s->n);
}

static inline void run_kernel(struct machine *p, struct lkernel *k)
{
    struct module *m = p->s->module;
    double **argument;
    struct text t = text_make(p->arena);
    int count = 0;

    assert_non_null(k);
    assert_true(verify_kernel(k, m->diag));
    if (p->loops) {
        loops_run(k, p->level, NULL);
        assert_true(verify_kernel(k, m->diag));
    }
    print_kernel(&t, k);
    p->shown = text_string(&t);
    for (struct lbuf *b = k->buffers; b; b = b->next)
        count++;
    argument = NEW_ARRAY(p->arena, count + 1, double *);
    count = 0;
    for (struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next)
        argument[count++] = b->value ? argument_of(p, b->value) : &p->bad;
    struct loop_run r = { .n = p->s->n,
                          .seed = p->s->seed,
                          .step = p->s->step,
                          .lr_override = p->s->lr_override,
                          .param = &p->step,
                          .argument = argument };
    eval_kernel(p->arena, k, &r);
}

static inline void copy_value(struct machine *p, struct value *to, struct value *from)
{
    memcpy(place_of(p, to), place_of(p, from), (size_t)type_count(to->type, p->s->n) * sizeof(double));
}

static inline void run_nodes(struct machine *p, struct graph *g);

static inline void run_scan(struct machine *p, struct node *scan)
{
    struct graph *body = scan->body[0];
    int sequences = (int)attr_int(scan, "sequences"), carries = (int)attr_int(scan, "carries");
    int stacked = body->yields - carries;
    struct view view;
    int64_t steps = operand(scan, 0)->type.dim[attr_int(scan, "axis")].k, outer = p->step;

    for (int i = sequences; i < scan->operands; i++)
        copy_value(p, body->param[i], operand(scan, i));
    for (int64_t t = 0; t < steps; t++) {
        int64_t here = attr_bool(scan, "reverse") ? steps - 1 - t : t;
        p->step = here;
        for (int i = 0; i < sequences; i++)
            if (!view_of(body->param[i], &view))
                run_kernel(p, lower_scan_copy(scan->graph->module->arena, scan, STEP_TAKEN, i, "take"));
        run_nodes(p, body);
        p->step = here;
        for (int i = 0; i < stacked; i++)
            if (!view_of(body->yield[i], &view))
                run_kernel(p, lower_scan_copy(scan->graph->module->arena, scan, STEP_PUT, i, "put"));
        for (int i = 0; i < carries; i++)
            if (view_of(body->yield[stacked + i], &view))
                run_kernel(p, lower_scan_copy(scan->graph->module->arena, scan, STEP_CARRIED, i, "carry"));
            else
                copy_value(p, body->param[sequences + i], body->yield[stacked + i]);
    }
    p->step = outer;
    for (int i = 0; i < carries; i++)
        copy_value(p, scan->result[stacked + i], body->param[sequences + i]);
}

static inline void run_group(struct machine *p, struct node *n)
{
    for (int i = 0; i < n->results; i++)
        for (int k = 0; k < n->operands; k++)
            if (n->result[i]->offset >= 0 && n->result[i]->offset == operand(n, k)->offset && !operand(n, k)->var)
                n->result[i]->data = place_of(p, operand(n, k));
    run_kernel(p, lower_group(n->graph->module->arena, n, "k", p->level));
}

static inline void run_nodes(struct machine *p, struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next) {
        if (n->op == OP_fused)
            run_group(p, n);
        else if (n->op == OP_scan)
            run_scan(p, n);
        else if (n->op != OP_output && n->op != OP_loss && n->op != OP_metric)
            fail_msg("'%s' is left outside a group", op_info(n->op)->name);
    }
}

static inline void forget_places(struct graph *g)
{
    for (int i = 0; i < g->params; i++)
        g->param[i]->data = NULL;
    for (struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++)
            n->result[i]->data = NULL;
        for (int i = 0; i < n->bodies; i++)
            forget_places(n->body[i]);
    }
}

/* Runs g by its kernels; then its outputs are where place_of finds their operands. */
static inline void run_by_kernels(struct machine *p, struct graph *g)
{
    forget_places(g);
    run_nodes(p, g);
}

static inline bool number_near(double x, double y, double tolerance)
{
    if (isnan(x) || isnan(y) || isinf(x) || isinf(y))
        return x == y || (isnan(x) && isnan(y));
    return fabs(x - y) <= tolerance * fmax(1, fmax(fabs(x), fabs(y)));
}

#endif
