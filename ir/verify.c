/* ir/verify.c: what must hold of a module between passes. Anything found is reported; the work goes on to find more. */
#include <string.h>

#include "ir/build.h"
#include "ir/ir.h"

enum { MAX_DEPTH = 64 };

struct verifier {
    struct module *m;
    int errors;
};

static void complain(struct verifier *v, const struct node *n, const char *what)
{
    diag_error(v->m->diag, n ? n->at : (struct place){ 0 }, "%s: %s", n ? op_info(n->op)->name : "graph", what);
    v->errors++;
}

/* value->id is the number of the walk that has passed its definition. */
static void check_operands(struct verifier *v, const struct node *n, const struct graph *g)
{
    for (int i = 0; i < n->operands; i++) {
        const struct value *x = operand(n, i);
        if (!x) {
            complain(v, n, "an operand is missing");
            continue;
        }
        if (x->graph != g)
            complain(v, n, "reads a value of another graph");
        else if (x->def && x->id != 1)
            complain(v, n, "reads a value before it is defined");
        if (n->operand[i].user != n || n->operand[i].index != i)
            complain(v, n, "a use names another operation");
        bool listed = false;
        for (const struct use *u = x->uses; u && !listed; u = u->next)
            listed = u == &n->operand[i];
        if (!listed)
            complain(v, n, "a use is not in its value's list");
    }
}

static void check_attributes(struct verifier *v, const struct node *n)
{
    struct op_signature s = op_signature(n->op);
    if (n->attrs != s.attrs) {
        complain(v, n, "attributes are missing");
        return;
    }
    for (int i = 0; i < s.attrs; i++)
        if (strcmp(n->attr[i].name, s.attr[i].name) || n->attr[i].kind != s.attr[i].kind)
            complain(v, n, "an attribute is of the wrong name or kind");
}

static void check_counts(struct verifier *v, const struct node *n)
{
    struct op_signature s = op_signature(n->op);
    if (n->operands < s.required || (!s.variadic && n->operands > s.operands))
        complain(v, n, "takes another number of operands");
}

/* Types as inference gives them now. */
static void check_types(struct verifier *v, struct node *n)
{
    struct type *before = NEW_ARRAY(v->m->arena, n->results + 1, struct type);
    int results = n->results;
    for (int i = 0; i < results; i++)
        before[i] = n->result[i]->type;
    if (!infer(n)) {
        v->errors++;
        return;
    }
    if (n->results != results)
        complain(v, n, "has another number of results");
    for (int i = 0; i < results && i < n->results; i++)
        if (!type_equal(before[i], n->result[i]->type))
            diag_error(v->m->diag, n->at, "%s: its result is %s, but was said to be %s", op_info(n->op)->name,
                       type_text(v->m->arena, n->result[i]->type, v->m->f64), type_text(v->m->arena, before[i], v->m->f64)),
                v->errors++;
}

static void check_graph(struct verifier *v, struct graph *g, int depth);

static bool effect_allowed(const struct node *n)
{
    if (n->graph->kind != GRAPH_BODY)
        return true;
    bool write = n->op == OP_assign || n->op == OP_accumulate || n->op == OP_bound;
    return write && n->graph->owner && n->graph->owner->op == OP_fused;
}

static void check_node(struct verifier *v, struct node *n, int depth)
{
    check_counts(v, n);
    check_attributes(v, n);
    check_operands(v, n, n->graph);
    if (op_is(n->op, EFFECT) && !effect_allowed(n))
        complain(v, n, "stands where no effect may");
    for (int i = 0; i < n->bodies; i++) {
        if (n->body[i]->owner != n)
            complain(v, n, "its body belongs to another");
        check_graph(v, n->body[i], depth + 1);
    }
    if (!v->errors)
        check_types(v, n);
    for (int i = 0; i < n->results; i++)
        n->result[i]->id = 1;
}

static void clear_marks(struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->results; i++)
            n->result[i]->id = 0;
}

static void check_graph(struct verifier *v, struct graph *g, int depth)
{
    if (depth > MAX_DEPTH) {
        complain(v, NULL, "bodies are nested too deep");
        return;
    }
    clear_marks(g);
    for (int i = 0; i < g->params; i++)
        if (g->param[i]->index != i || g->param[i]->graph != g)
            complain(v, g->owner, "a parameter is out of place");
    for (struct node *n = g->first; n; n = n->next) {
        if (n->graph != g || (n->next && n->next->previous != n))
            complain(v, n, "the list of operations is broken");
        check_node(v, n, depth);
    }
    for (int i = 0; i < g->yields; i++)
        if (g->yield[i]->graph != g)
            complain(v, g->owner, "yields a value of another graph");
}

static void check_variables(struct verifier *v)
{
    for (int i = 0; i < v->m->vars; i++) {
        const struct var *x = v->m->var[i];
        bool argument = x->role == ROLE_INPUT || x->role == ROLE_TARGET;
        if (argument && (!x->type.rank || !x->type.dim[0].n))
            diag_error(v->m->diag, x->at, "%s '%s' must lead with N, not be %s", role_name(x->role), x->name,
                       type_text(v->m->arena, x->type, v->m->f64)), v->errors++;
        if (!argument && shape_batches(x->type))
            diag_error(v->m->diag, x->at, "%s '%s' cannot depend on N", role_name(x->role), x->name), v->errors++;
        if (x->index != i)
            diag_error(v->m->diag, x->at, "variable '%s' is out of place", x->name), v->errors++;
    }
}

bool verify_module(struct module *m)
{
    struct verifier v = { .m = m };
    check_variables(&v);
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            check_graph(&v, m->graph[k], 0);
    return !v.errors;
}
