/* passes/grad.c: differentiate: the backward part of the training graph, by reverse accumulation from the loss to the
 * parameters that are trained, and nothing else.
 *
 *     %1 = mul @w, %x                 %1 = mul @w, %x
 *     %2 = sum %1, axes = [0]         %2 = sum %1, axes = [0]
 *     loss %2                  =>     loss %2
 *                                     %3 = constant value = 1.0
 *                                     %4 = broadcast %3, shape = [4]
 *                                     %5 = mul %4, %x
 *                                     accumulate @grad/w, %5
 *
 * First a walk down the graph finds the values that depend on a trained parameter; then a walk up gives gradients to
 * those of them that the loss depends on. Rules are ops.def's column: text over the operands' names, or a function of
 * grad_rules.c or grad_scan.c. Every trained parameter gets a variable "grad/PATH"; one that the loss does not depend
 * on is never added to. */
#include "ir/layout.h"
#include "passes/grad.h"

enum rule_kind { RULE_BY, RULE_FN, RULE_ZERO, RULE_NONE };

static const struct rule {
    enum rule_kind kind;
    const char *text;
    grad_fn *run;
} rules[OP_COUNT] = {
#define OP(name, operands, attributes, type, gradient, lowering, element, flags) gradient,
#define BY(text)                                                                                                       \
    {                                                                                                                  \
        RULE_BY, text, NULL                                                                                            \
    }
#define FN(f)                                                                                                          \
    {                                                                                                                  \
        RULE_FN, NULL, grad_##f                                                                                        \
    }
#define ZERO                                                                                                           \
    {                                                                                                                  \
        RULE_ZERO, NULL, NULL                                                                                          \
    }
#define NONE                                                                                                           \
    {                                                                                                                  \
        RULE_NONE, NULL, NULL                                                                                          \
    }
#include "ir/ops.def"
#undef OP
#undef BY
#undef FN
#undef ZERO
#undef NONE
};

/* What the tape knows of a value of the forward part. */
struct slot {
    bool active;            /* depends on what is differentiated for */
    struct value *gradient; /* so far; NULL: none */
};

/* ---- the tape ---- */

static void new_slot(struct tape *t, struct value *v)
{
    v->data = NEW(t->scratch, struct slot);
}

void tape_start(struct tape *t, struct graph *g, struct arena *scratch, struct grad_texts *texts)
{
    *t = (struct tape){ .graph = g, .last = g->last, .scratch = scratch, .texts = texts };
    for (int i = 0; i < g->params; i++)
        new_slot(t, g->param[i]);
    for (int i = 0; i < g->var_values; i++)
        new_slot(t, g->var_value[i]);
    for (struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++)
            new_slot(t, n->result[i]);
    }
}

void tape_want(struct value *v)
{
    struct slot *s = v->data;

    s->active = v->type.dtype == DT_REAL;
}

bool tape_active(const struct value *v)
{
    const struct slot *s = v->data;

    return s && s->active;
}

struct value *tape_gradient(const struct value *v)
{
    const struct slot *s = v->data;

    return s ? s->gradient : NULL;
}

static bool depends(const struct node *n)
{
    for (int i = 0; i < n->operands; i++) {
        if (tape_active(operand(n, i)))
            return rules[n->op].kind != RULE_ZERO;
    }
    return false;
}

void tape_forward(struct tape *t)
{
    for (struct node *n = t->last ? t->graph->first : NULL; n; n = n == t->last ? NULL : n->next) {
        bool active = depends(n);
        for (int i = 0; i < n->results && active; i++)
            tape_want(n->result[i]);
    }
}

void tape_seed(struct build *b, struct value *v, struct value *dy)
{
    struct slot *s = v->data;

    if (!s->active || is_poison(dy))
        return;
    s->gradient = s->gradient ? build_binary(b, OP_add, s->gradient, dy) : dy;
}

/* ---- one operation ---- */

static void bind_operands(struct grad *g, const struct op_signature *s, struct bindings *names)
{
    for (int i = 0; i < g->node->operands && i < s->operands; i++)
        bind_value(names, s->operand[i], g->x[i]);
    bind_value(names, "y", g->y[0]);
    bind_value(names, "dy", g->dy[0]);
}

struct value *grad_term(struct grad *g, const char *text)
{
    struct op_signature s = op_signature(g->node->op);
    struct bindings names = { .count = 0 };

    bind_operands(g, &s, &names);
    return term_build(&g->b, term_parse(g->tape->scratch, text), &names);
}

static void run_text(struct grad *g, const char *text)
{
    struct op_signature s = op_signature(g->node->op);
    struct grad_texts *texts = g->tape->texts;
    struct term **term = texts->term[g->node->op];
    int *count = &texts->count[g->node->op];
    struct bindings names = { .count = 0 };

    if (*count == 0)
        *count = term_parse_list(g->tape->scratch, text, term, MAX_OPERAND_NAMES);
    if (*count != g->node->operands)
        bug("ops.def: %s needs a gradient for each operand", op_info(g->node->op)->name);
    bind_operands(g, &s, &names);
    for (int i = 0; i < *count; i++) {
        if (g->need[i] && !term_is_number(term[i], 0))
            g->dx[i] = term_build(&g->b, term[i], &names);
    }
}

static void run_rule(struct grad *g)
{
    const struct rule *r = &rules[g->node->op];
    bool turned = layout_channels_last(g->node); /* the pass layout comes later */

    switch (turned ? RULE_NONE : r->kind) {
    case RULE_BY: run_text(g, r->text); break;
    case RULE_FN: r->run(g); break;
    case RULE_NONE:
        diag_error(g->b.graph->module->diag, g->node->at, "no gradient through %s%s", op_info(g->node->op)->name,
                   turned ? " with channels last" : "");
        break;
    case RULE_ZERO: break;
    }
}

/* Adds dx to the operands' gradients. A shape that is wrong comes from a custom's backward body. */
static void spread(struct grad *g)
{
    struct module *m = g->b.graph->module;

    for (int i = 0; i < g->node->operands; i++) {
        struct value *dx = g->need[i] ? g->dx[i] : NULL;
        if (!dx || is_poison(dx))
            continue;
        if (g->node->op != OP_custom)
            dx = build_unbroadcast(&g->b, dx, g->x[i]->type);
        if (type_equal(dx->type, g->x[i]->type))
            tape_seed(&g->b, g->x[i], dx);
        else
            diag_error(m->diag, g->node->at, "the gradient of operand %d of %s is %s instead of %s", i + 1,
                       op_info(g->node->op)->name, type_text(m->arena, dx->type, m->f64),
                       type_text(m->arena, g->x[i]->type, m->f64));
    }
}

/* Sets up a rule's view of n; false where there is nothing to do. */
static bool prepare(struct tape *t, struct grad *g, struct node *n)
{
    bool any_dy = false, any_need = false;

    *g = (struct grad){ .b = build_end(t->graph, n->at, n->layer), .node = n, .tape = t };
    g->y = NEW_ARRAY(t->scratch, n->results, struct value *);
    g->dy = NEW_ARRAY(t->scratch, n->results, struct value *);
    g->x = NEW_ARRAY(t->scratch, n->operands, struct value *);
    g->dx = NEW_ARRAY(t->scratch, n->operands, struct value *);
    g->need = NEW_ARRAY(t->scratch, n->operands, bool);
    for (int i = 0; i < n->results; i++) {
        g->y[i] = n->result[i];
        g->dy[i] = tape_gradient(n->result[i]);
        any_dy |= g->dy[i] != NULL;
    }
    for (int i = 0; i < n->operands; i++) {
        g->x[i] = operand(n, i);
        g->need[i] = tape_active(g->x[i]);
        any_need |= g->need[i];
    }
    return any_dy && any_need;
}

static bool has_gradient(const struct node *n)
{
    for (int i = 0; i < n->results; i++) {
        if (tape_gradient(n->result[i]))
            return true;
    }
    return false;
}

void tape_backward(struct tape *t)
{
    struct grad g;

    for (struct node *n = t->last; n; n = n->previous) {
        if (has_gradient(n) && prepare(t, &g, n)) {
            run_rule(&g);
            spread(&g);
        }
    }
}

/* ---- the pass ---- */

/* A variable for the gradient of every trained parameter; false where they are there already. */
static bool make_gradients(struct module *m)
{
    int vars = m->vars;

    for (int i = 0; i < vars; i++) {
        if (m->var[i]->role == ROLE_GRAD)
            return false;
    }
    for (int i = 0; i < vars; i++) {
        struct var *p = m->var[i];
        if (p->role != ROLE_PARAM)
            continue;
        p->grad = module_var(m, name_printf(m->names, "grad/%s", p->name), ROLE_GRAD, p->type);
        if (!p->grad)
            bug("two gradients of %s", p->name);
        p->grad->of = p;
        p->grad->at = p->at;
    }
    return true;
}

static bool seed_losses(struct tape *t)
{
    bool any = false;

    for (struct node *n = t->last; n; n = n->previous) {
        if (n->op != OP_loss)
            continue;
        struct build b = build_end(t->graph, n->at, n->layer);
        tape_seed(&b, operand(n, 0), build_full(&b, 1, operand(n, 0)->type));
        any = true;
    }
    return any;
}

/* In the order of the parameters, whatever order the graph reads them in. */
static void add_gradients(struct graph *g)
{
    struct module *m = g->module;

    for (int i = 0; i < m->vars; i++)
        m->var[i]->data = NULL;
    for (int i = 0; i < g->var_values; i++)
        g->var_value[i]->var->data = tape_gradient(g->var_value[i]);
    for (int i = 0; i < m->vars; i++) {
        struct var *p = m->var[i];
        struct value *d = p->role == ROLE_PARAM ? p->data : NULL;
        if (!d)
            continue;
        struct build b = build_end(g, d->def ? d->def->at : p->at, d->def ? d->def->layer : "");
        build_write(&b, OP_accumulate, p->grad, d);
    }
}

bool pass_differentiate(struct module *m, struct pass_context *c)
{
    struct graph *g = m->graph[GRAPH_TRAIN];
    struct tape t;

    if (!g || !make_gradients(m))
        return false;
    tape_start(&t, g, c->scratch, NEW(c->scratch, struct grad_texts));
    for (int i = 0; i < g->var_values; i++) {
        if (g->var_value[i]->var->role == ROLE_PARAM)
            tape_want(g->var_value[i]);
    }
    tape_forward(&t);
    if (!seed_losses(&t))
        return false;
    tape_backward(&t);
    add_gradients(g);
    return true;
}
