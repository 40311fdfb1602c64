/* ir/verify.c: what must hold of a module between passes: definitions before uses, use lists that agree with operands,
 * attributes as declared, types as infer.c finds them, closed bodies, effects where they may stand. Anything found is
 * reported; the work goes on to find more. Nothing is changed but the scratch `data` of values, and of what is in planned
 * groups the number. */
#include <stdarg.h>
#include <string.h>

#include "ir/in_place.h"
#include "ir/infer.h"
#include "ir/ir.h"

enum { MAX_DEPTH = 64 };

struct verifier {
    struct module *m;
    int errors;
};

static void complain(struct verifier *v, struct place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(struct verifier *v, struct place at, const char *format, ...)
{
    struct text text = text_make(v->m->arena);
    va_list arguments;

    va_start(arguments, format);
    text_vadd(&text, format, arguments);
    va_end(arguments);
    diag_error(v->m->diag, at, "%s", text_string(&text));
    v->errors++;
}

/* What is wrong with an operation, led by its name. */
static void complain_of(struct verifier *v, const struct node *n, const char *what)
{
    complain(v, n->at, "%s: %s", op_info(n->op)->name, what);
}

static const char *shown_type(const struct verifier *v, struct type t)
{
    return type_text(v->m->arena, t, v->m->f64);
}

/* ---- uses ---- */

/* A value is known once the walk has passed its definition: value->data is then the graph it belongs to. */
static bool is_known(const struct value *x, const struct graph *g)
{
    return x->graph == g && x->data == g;
}

static void check_operand(struct verifier *v, const struct node *n, int index)
{
    const struct use *u = &n->operand[index];

    if (!u->value) {
        complain_of(v, n, "an operand is missing");
        return;
    }
    if (u->user != n || u->index != index || !u->link || *u->link != u)
        complain_of(v, n, "an operand is not in its value's list of uses");
    if (u->value->graph != n->graph)
        complain_of(v, n, "reads a value of another graph");
    else if (!is_known(u->value, n->graph))
        complain_of(v, n, "reads a value that is not defined before it");
    else if (type_is_poison(u->value->type))
        complain_of(v, n, "reads poison");
}

/* Links that operands do not account for are uses by what is no longer in the graph. */
static int check_uses(struct verifier *v, const struct value *x, struct place at)
{
    int count = 0;

    for (const struct use *u = x->uses; u; u = u->next, count++)
        if (u->value != x || !u->user || u->index >= u->user->operands || &u->user->operand[u->index] != u) {
            complain(v, at, "a list of uses is broken");
            return count;
        }
    return count;
}

static void check_use_counts(struct verifier *v, const struct graph *g, struct place at)
{
    int uses = 0, operands = g->yield_node ? g->yield_node->operands : 0;

    for (int i = 0; i < g->params; i++)
        uses += check_uses(v, g->param[i], at);
    for (int i = 0; i < g->var_values; i++)
        uses += check_uses(v, g->var_value[i], at);
    for (const struct node *n = g->first; n; n = n->next) {
        operands += n->operands;
        for (int i = 0; i < n->results; i++)
            uses += check_uses(v, n->result[i], n->at);
    }
    if (uses != operands)
        complain(v, at, "graph %s: there are %d uses of values, but %d operands", graph_name(g->kind), uses, operands);
}

/* ---- one operation ---- */

/* Operands and attributes as ops.def declares them; where not, nothing else can be asked about the operation. */
static bool check_signature(struct verifier *v, const struct node *n)
{
    struct op_signature s = op_signature(n->op);
    bool fits = n->attrs == s.attrs;

    if (n->operands < s.required || (!s.variadic && n->operands > s.operands)) {
        complain_of(v, n, "takes another number of operands");
        return false;
    }
    for (int i = 0; fits && i < s.attrs; i++)
        fits = !strcmp(n->attr[i].name, s.attr[i].name) && n->attr[i].kind == s.attr[i].kind;
    if (!fits)
        complain_of(v, n, "its attributes are not those of the operation");
    return fits;
}

static void check_types(struct verifier *v, const struct node *n)
{
    struct inference f;

    if (!infer_types(n, &f)) {
        v->errors++;
        return;
    }
    if (n->results != f.results) {
        complain(v, n->at, "%s: gives %d results, not %d", op_info(n->op)->name, f.results, n->results);
        return;
    }
    for (int i = 0; i < f.results; i++)
        if (!type_equal(n->result[i]->type, f.type[i]))
            complain(v, n->at, "%s: its result is %s, but was said to be %s", op_info(n->op)->name,
                     shown_type(v, f.type[i]), shown_type(v, n->result[i]->type));
}

/* Groups may write variables; every other effect is the graph's own. `bound` is an error of the call wherever it
 * stands. */
static bool effect_allowed(const struct node *n)
{
    const struct graph *g = n->graph;
    bool write = n->op == OP_assign || n->op == OP_accumulate;

    if (n->op == OP_bound)
        return true;
    while (write && g->kind == GRAPH_BODY && g->owner && g->owner->op == OP_fused)
        g = g->owner->graph;
    return g->kind != GRAPH_BODY;
}

/* Of a planned group: what lies in an operand's place may. */
static void check_places_taken(struct verifier *v, const struct node *group)
{
    const bool *pairs = NULL;

    for (int i = 0; i < group->results; i++) {
        int k = in_place_operand(group, i);
        if (k < 0)
            continue;
        pairs = pairs ? pairs : in_place_pairs(v->m->arena, group);
        if (!pairs || !pairs[i * group->operands + k])
            complain(v, group->at, "fused: result %d lies in the place of operand %d, which is not read in its order",
                     i, k);
    }
}

static void check_graph(struct verifier *v, struct graph *g, int depth);

static void check_node(struct verifier *v, struct node *n, int depth)
{
    int before = v->errors;

    if (!check_signature(v, n))
        return;
    for (int i = 0; i < n->operands; i++)
        check_operand(v, n, i);
    if (op_is(n->op, EFFECT) && !effect_allowed(n))
        complain_of(v, n, "stands where no effect may");
    for (int i = 0; i < n->bodies; i++) {
        if (n->body[i]->owner != n || n->body[i]->kind != GRAPH_BODY)
            complain_of(v, n, "its body belongs to another");
        check_graph(v, n->body[i], depth + 1);
    }
    if (v->errors == before)
        check_types(v, n);
    if (v->errors == before && n->op == OP_fused)
        check_places_taken(v, n);
}

/* ---- graphs ---- */

static struct place place_of(const struct graph *g)
{
    return g->owner ? g->owner->at : (struct place){ 0 };
}

static void check_params(struct verifier *v, struct graph *g)
{
    for (int i = 0; i < g->params; i++) {
        struct value *x = g->param[i];
        if (x->index != i || x->graph != g || x->def || x->var)
            complain(v, place_of(g), "parameter %d of a body is out of place", i);
        x->data = g;
    }
}

static void check_var_values(struct verifier *v, struct graph *g)
{
    for (int i = 0; i < g->var_values; i++) {
        struct value *x = g->var_value[i];
        const struct var *var = x->var;
        if (!var || x->graph != g || var->index >= v->m->vars || v->m->var[var->index] != var)
            complain(v, (struct place){ 0 }, "graph %s reads a variable that is not the module's", graph_name(g->kind));
        else if (!type_equal(x->type, var->type))
            complain(v, var->at, "'%s' is %s, but read as %s", var->name, shown_type(v, var->type),
                     shown_type(v, x->type));
        x->data = g;
    }
}

static void check_yields(struct verifier *v, const struct graph *g)
{
    const struct node *n = g->yield_node;
    bool agrees = n ? n->operands == g->yields : g->yields == 0;

    for (int i = 0; agrees && i < g->yields; i++) {
        agrees = n->operand[i].value == g->yield[i];
        check_operand(v, n, i);
    }
    if (!agrees)
        complain(v, place_of(g), "the yields of a body are not the operands of its yield");
}

/* Nothing is known at first; a value whose operation has left the graph never will be. */
static void forget(struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->operands; i++)
            if (n->operand[i].value)
                n->operand[i].value->data = NULL;
        for (int i = 0; i < n->results; i++)
            n->result[i]->data = NULL;
    }
    for (int i = 0; i < g->yields; i++)
        g->yield[i]->data = NULL;
}

static void check_results(struct verifier *v, struct node *n)
{
    for (int i = 0; i < n->results; i++) {
        struct value *x = n->result[i];
        if (x->def != n || x->index != i || x->graph != n->graph || x->var)
            complain_of(v, n, "a result is out of place");
        x->data = n->graph;
    }
}

static void check_graph(struct verifier *v, struct graph *g, int depth)
{
    if (depth > MAX_DEPTH) {
        complain(v, place_of(g), "bodies are nested deeper than %d", (int)MAX_DEPTH);
        return;
    }
    forget(g);
    check_params(v, g);
    check_var_values(v, g);
    for (struct node *n = g->first; n; n = n->next) {
        if (n->graph != g || (n->next ? n->next->previous : g->last) != n) {
            complain_of(v, n, "the list of operations is broken");
            return;
        }
        check_node(v, n, depth);
        check_results(v, n);
    }
    check_yields(v, g);
    check_use_counts(v, g, place_of(g));
}

/* ---- variables ---- */

static bool is_argument(const struct var *x)
{
    return x->role == ROLE_INPUT || x->role == ROLE_TARGET;
}

static void check_variable(struct verifier *v, const struct var *x)
{
    struct type t = x->type;
    int64_t count;

    if (t.rank < 0 || t.rank > MAX_RANK || !type_count_checked(t, v->m->batch, &count))
        complain(v, x->at, "%s '%s' has too many dimensions or elements", role_name(x->role), x->name);
    else if (is_argument(x) && !(t.rank && t.dim[0].n && shape_batches(t) == 1))
        complain(v, x->at, "%s '%s' must lead with N, not be %s", role_name(x->role), x->name, shown_type(v, t));
    else if (!is_argument(x) && shape_batches(t))
        complain(v, x->at, "%s '%s' cannot depend on N", role_name(x->role), x->name);
    if (x->role == ROLE_FIRST && !type_equal(t, type_scalar(DT_I32)))
        complain(v, x->at, "%s '%s' is i32[], not %s", role_name(x->role), x->name, shown_type(v, t));
    if (x->role == ROLE_GRAD && (!x->of || !type_equal(x->of->type, t)))
        complain(v, x->at, "gradient '%s' is not of its parameter's type", x->name);
}

static bool is_places(const struct var *x)
{
    return x->role == ROLE_STATE && x->init.rule == INIT_PLACES && x->type.dtype == DT_I32 && x->type.rank == 1;
}

static void check_sparse(struct verifier *v, const struct sparse *s)
{
    bool parameter = s->values->role == ROLE_PARAM || s->values->role == ROLE_FROZEN;

    if (!parameter || s->values->type.dtype != DT_REAL || s->values->type.rank != 1 || !is_places(s->rows) ||
        !is_places(s->columns) || s->rows == s->columns || !shape_equal(s->values->type, s->rows->type) ||
        !shape_equal(s->values->type, s->columns->type))
        complain(v, s->at, "sparse: '%s', '%s' and '%s' are no parameter and two states of places, all of one length",
                 s->values->name, s->rows->name, s->columns->name);
    else if (s->out < 1 || s->in < 1 || s->out > INT32_MAX || s->in > INT32_MAX ||
             s->values->type.dim[0].k > s->out * s->in)
        complain(v, s->at, "sparse: %lld entries do not fit into %lld x %lld", (long long)s->values->type.dim[0].k,
                 (long long)s->out, (long long)s->in);
    else if (!(s->zeta >= 0 && s->zeta <= 1))
        complain(v, s->at, "sparse: zeta is a fraction, not %g", s->zeta);
}

/* A blank slice is one of a parameter's first axis. */
static void check_blank(struct verifier *v, const struct var *x)
{
    bool parameter = x->role == ROLE_PARAM || x->role == ROLE_FROZEN;

    if (x->init.blank && (!parameter || x->type.rank < 1 || x->init.row < 0 || x->init.row >= x->type.dim[0].k))
        complain(v, x->at, "'%s' has no slice %lld to be blank", x->name, (long long)x->init.row);
}

/* Places are those of one matrix. */
static void check_places(struct verifier *v, const struct var *x)
{
    int matrices = 0;

    for (const struct sparse *s = v->m->sparse; s; s = s->next)
        matrices += (s->rows == x) + (s->columns == x);
    if (x->init.rule == INIT_PLACES && matrices != 1)
        complain(v, x->at, "the places '%s' are those of %d sparse matrices, not of one", x->name, matrices);
}

/* What runs once for each part of a batch neither checks data, since a part before may have changed gradients already, nor
 * writes what another part reads. */
static void check_part(struct verifier *v, const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        if (n->op == OP_bound || n->op == OP_assign)
            complain_of(v, n, "stands in a graph that takes a batch in parts");
        for (int i = 0; i < n->bodies; i++)
            check_part(v, n->body[i]);
    }
}

static void check_parts(struct verifier *v, const struct graph *g)
{
    if (g->part && graph_totals(g->kind) == GRAPH_KINDS)
        complain(v, place_of(g), "graph %s cannot take a batch in parts", graph_name(g->kind));
    else if (g->part)
        check_part(v, g);
}

bool verify_module(struct module *m)
{
    struct verifier v = { .m = m };

    for (int i = 0; i < m->vars; i++) {
        if (m->var[i]->index != i)
            complain(&v, m->var[i]->at, "variable '%s' is out of place", m->var[i]->name);
        check_variable(&v, m->var[i]);
        check_places(&v, m->var[i]);
        check_blank(&v, m->var[i]);
    }
    for (const struct sparse *s = m->sparse; s; s = s->next)
        check_sparse(&v, s);
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k]) {
            check_graph(&v, m->graph[k], 0);
            check_parts(&v, m->graph[k]);
        }
    return !v.errors;
}

/* ---- what calls hand over ---- */

static bool graph_has(enum graph_kind kind, enum op op)
{
    switch (op) {
    case OP_output: return kind == GRAPH_INFER;
    case OP_metric: return kind == GRAPH_EVAL;
    case OP_loss: return kind == GRAPH_TRAIN || kind == GRAPH_EVAL;
    default: return true;
    }
}

bool verify_handed_over(struct module *m)
{
    struct verifier v = { .m = m };

    for (int k = 0; k < GRAPH_KINDS; k++)
        for (const struct node *n = m->graph[k] ? m->graph[k]->first : NULL; n; n = n->next)
            if (!graph_has(k, n->op))
                complain(&v, n->at, "%s: stands in graph %s, which has none", op_info(n->op)->name, graph_name(k));
    return !v.errors;
}
