/* passes/optimize_step.c: graph apply: the optimizer's step over the gradients, as ordinary operations.
 *
 *     optimizer sgd(lr = 0.1)          graph apply
 *     param @a, @b                       %0 = learning_rate @step, rule = constant, rate = 0.1
 *                                =>      %1 = broadcast %0, shape = [32]
 *                                        %2 = mul %1, @range/sgd_1/grads
 *                                        %3 = sub @range/sgd_1/params, %2
 *                                        assign @range/sgd_1/params, %3
 *                                        assign @range/sgd_1/grads, zeros
 *
 * Parameters of one optimizer that lie side by side are updated as one: a range over all of them, with its padding,
 * which is zero and stays so under every rule. Gradients and state have the same spacing, hence ranges alike. The rules
 * are those of torch.optim; names in their texts are the arguments, the parameters p, their gradients g and the state.
 * Gradients are cleared where they are read, and those that no optimizer reads behind that; the caller counts the step. */
#include <math.h>
#include <string.h>

#include "ir/term.h"
#include "passes/shared.h"

/* Parameters that one pass over memory updates, and the values and variables of that. */
struct update {
    struct build *b;
    const struct optimizer *o;
    const char *label;  /* "sgd_1" */
    struct var **param; /* neighbours in the module's order */
    int params;
    int64_t elements; /* of all, with their padding */
    size_t capacity;
    struct var *p, *g; /* variable or range */
    struct bindings names;
    struct var *state[3];
    const char *state_name[3];
    int states;
    struct value *step;
    struct update *next;
};

struct steps {
    struct module *m;
    struct build b;
    struct arena *scratch;
    struct value *step; /* how many steps were applied before this one */
    struct update *first, **last;
};

/* ---- who updates what ---- */

/* `*` stands for any text, dots too. */
static bool glob_matches(const char *glob, const char *path)
{
    const char *star = NULL, *resume = NULL;

    while (*path) {
        if (*glob == '*') {
            star = ++glob;
            resume = path;
        } else if (*glob == *path) {
            glob++;
            path++;
        } else if (star) {
            glob = star;
            path = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

static const struct optimizer *optimizer_of(const struct module *m, const struct var *p)
{
    for (const struct optimizer *o = m->optimizer; o; o = o->next) {
        for (int i = 0; i < o->globs; i++) {
            if (glob_matches(o->glob[i], p->name))
                return o;
        }
        if (o->globs == 0)
            return o;
    }
    return NULL;
}

static double argument(const struct optimizer *o, const char *name)
{
    for (int i = 0; i < o->args; i++) {
        if (strcmp(o->arg[i].name, name) == 0)
            return o->arg[i].value;
    }
    return 0;
}

/* Padding must stay zero, and eps = 0 makes 0/0 of it. */
static bool takes_ranges(const struct optimizer *o)
{
    return strcmp(o->rule, "sgd") == 0 || argument(o, "eps") > 0;
}

/* A variable with its padding to 64 bytes. */
static int64_t padded(const struct module *m, struct type t)
{
    int64_t unit = m->f64 ? 8 : 16;

    return (type_count(t, 1) + unit - 1) / unit * unit;
}

static struct update *new_update(struct steps *s, const struct optimizer *o)
{
    struct update *u = NEW(s->scratch, struct update);
    int ordinal = 1;

    for (const struct update *before = s->first; before; before = before->next)
        ordinal += strcmp(before->o->rule, o->rule) == 0;
    u->b = &s->b;
    u->o = o;
    u->label = arena_printf(s->scratch, "%s_%d", o->rule, ordinal);
    *s->last = u;
    s->last = &u->next;
    return u;
}

static void add_parameter(struct steps *s, struct update *u, struct var *p)
{
    void *items = u->param;

    arena_grow(s->scratch, &items, &u->capacity, (size_t)u->params + 1, sizeof *u->param);
    u->param = items;
    u->param[u->params++] = p;
    u->elements += padded(s->m, p->type);
}

/* Parameters, trained or frozen, lie in the module's order; a frozen one ends a run, as does one more than indices reach. */
static void group_parameters(struct steps *s)
{
    struct update *run = NULL;

    for (int i = 0; i < s->m->vars; i++) {
        struct var *v = s->m->var[i];
        if (v->role == ROLE_FROZEN)
            run = NULL;
        if (v->role != ROLE_PARAM)
            continue;
        const struct optimizer *o = v->grad ? optimizer_of(s->m, v) : NULL;
        if (!run || run->o != o || !takes_ranges(o) || run->elements + padded(s->m, v->type) > MAX_DIMENSION)
            run = o ? new_update(s, o) : NULL;
        if (run)
            add_parameter(s, run, v);
    }
}

/* ---- variables ---- */

static struct var *new_var(struct module *m, const char *name, enum role role, struct type type)
{
    struct var *v = module_var(m, name, role, type);

    if (!v)
        bug("%s is there already", name);
    return v;
}

/* The variables (parameters, their gradients or one kind of state) as one. */
static struct var *view(struct update *u, struct var *const *var, const char *what)
{
    struct module *m = u->b->graph->module;
    struct dim length = dim_of(0);

    if (u->params == 1)
        return var[0];
    for (int i = 0; i < u->params; i++)
        length.k += padded(m, var[i]->type);
    struct var *v =
        new_var(m, name_printf(m->names, "range/%s/%s", u->label, what), ROLE_RANGE, type_make(DT_REAL, 1, &length));
    v->of = var[0];
    v->last = var[u->params - 1];
    v->at = u->o->at;
    return v;
}

static void make_views(struct update *u)
{
    struct var **grad = NEW_ARRAY(u->b->graph->module->arena, u->params, struct var *);

    for (int i = 0; i < u->params; i++)
        grad[i] = u->param[i]->grad;
    u->p = view(u, u->param, "params");
    u->g = view(u, grad, "grads");
    bind_value(&u->names, "p", graph_var(u->b->graph, u->p));
    bind_value(&u->names, "g", graph_var(u->b->graph, u->g));
}

/* State of the rule, one variable a parameter, all of one kind side by side. */
static void state(struct update *u, const char *name)
{
    struct module *m = u->b->graph->module;
    struct var **var = NEW_ARRAY(m->arena, u->params, struct var *);

    for (int i = 0; i < u->params; i++) {
        const char *path = name_printf(m->names, "%s.%s/%s", u->o->rule, name, u->param[i]->name);
        var[i] = new_var(m, path, ROLE_OPTIMIZER, u->param[i]->type);
        var[i]->of = u->param[i];
        var[i]->at = u->o->at;
    }
    u->state[u->states] = view(u, var, name);
    u->state_name[u->states] = name;
    bind_value(&u->names, name, graph_var(u->b->graph, u->state[u->states++]));
}

/* ---- rules ---- */

static void set(struct update *u, const char *name, struct value *v)
{
    for (int i = 0; i < u->names.count; i++) {
        if (strcmp(u->names.item[i].name, name) == 0) {
            u->names.item[i].value = v;
            return;
        }
    }
    bind_value(&u->names, name, v);
}

static void let(struct update *u, const char *name, const char *text)
{
    set(u, name, term_build(u->b, term_parse(u->b->graph->module->arena, text), &u->names));
}

static void let_number(struct update *u, const char *name, double x)
{
    set(u, name, build_constant(u->b, x, DT_REAL));
}

/* An operation of the step's number with one or two real attributes. */
static void let_of_step(struct update *u, const char *name, enum op op, const struct attr *attrs, int count)
{
    struct node *n = build_node(u->b, op, &u->step, 1, attrs, count);

    set(u, name, n ? n->result[0] : poison(u->b));
}

/* Weight decay as a part of the gradient: L2 regularisation. */
static void decay_gradient(struct update *u)
{
    if (argument(u->o, "weight_decay") != 0)
        let(u, "g", "g + weight_decay * p");
}

/* buffer = momentum * buffer + g; the first gradient counts whole, the later ones 1 - dampening (first_step =
 * "plain"), or all of them 1 - dampening. */
static void momentum(struct update *u)
{
    double later = 1 - argument(u->o, "dampening");
    const struct attr attrs[] = { at_real("first", 1), at_real("later", later) };

    state(u, "buffer");
    if (later == 1) {
        let(u, "buffer", "momentum * buffer + g");
        return;
    }
    if (argument(u->o, "first_step") != 0)
        let_number(u, "share", later);
    else
        let_of_step(u, "share", OP_first_step, attrs, 2);
    let(u, "buffer", "momentum * buffer + share * g");
}

static void rule_sgd(struct update *u)
{
    decay_gradient(u);
    if (argument(u->o, "momentum") != 0) {
        momentum(u);
        let(u, "g", argument(u->o, "nesterov") != 0 ? "g + momentum * buffer" : "buffer");
    }
    let(u, "p", "p - lr * g");
}

/* m and v are means of g and g * g that start from zero; dividing by 1 - beta^t makes up for the start. */
static void moments_of_gradient(struct update *u)
{
    const struct attr beta1 = at_real("beta", argument(u->o, "beta1"));
    const struct attr beta2 = at_real("beta", argument(u->o, "beta2"));

    state(u, "m");
    state(u, "v");
    let_number(u, "rest1", 1 - argument(u->o, "beta1"));
    let_number(u, "rest2", 1 - argument(u->o, "beta2"));
    let_of_step(u, "correction1", OP_bias_correction, &beta1, 1);
    let_of_step(u, "correction2", OP_bias_correction, &beta2, 1);
    let(u, "m", "m + rest1 * (g - m)");
    let(u, "v", "beta2 * v + rest2 * (g * g)");
    let(u, "rate", "lr / correction1");
    let(u, "scale", "1 / sqrt(correction2)");
    let(u, "p", "p - rate * m / (sqrt(v) * scale + eps)");
}

static void rule_adam(struct update *u)
{
    decay_gradient(u);
    moments_of_gradient(u);
}

/* Weight decay beside the gradient. */
static void rule_adamw(struct update *u)
{
    if (argument(u->o, "weight_decay") != 0) {
        let(u, "shrink", "1 - lr * weight_decay");
        let(u, "p", "p * shrink");
    }
    moments_of_gradient(u);
}

/* Centered: by the variance, mean square less squared mean, which rounding must not make negative. */
static void rule_rmsprop(struct update *u)
{
    decay_gradient(u);
    state(u, "square");
    let_number(u, "rest", 1 - argument(u->o, "alpha"));
    let(u, "square", "alpha * square + rest * (g * g)");
    let(u, "spread", "square");
    if (argument(u->o, "centered") != 0) {
        state(u, "mean");
        let(u, "mean", "mean + rest * (g - mean)");
        let(u, "spread", "max(square - mean * mean, 0)");
    }
    let(u, "d", "g / (sqrt(spread) + eps)");
    if (argument(u->o, "momentum") != 0) {
        state(u, "buffer");
        let(u, "buffer", "momentum * buffer + d");
        let(u, "d", "buffer");
    }
    let(u, "p", "p - lr * d");
}

static void rule_adagrad(struct update *u)
{
    decay_gradient(u);
    state(u, "sum");
    if (argument(u->o, "lr_decay") != 0) {
        set(u, "t", build_cast(u->b, u->step, DT_REAL));
        let(u, "lr", "lr / (1 + lr_decay * t)");
    }
    let(u, "sum", "sum + g * g");
    let(u, "p", "p - lr * g / (sqrt(sum) + eps)");
}

static const struct rule {
    const char *name;
    void (*run)(struct update *u);
} rules[] = {
    { "sgd", rule_sgd },         { "adam", rule_adam },       { "adamw", rule_adamw },
    { "rmsprop", rule_rmsprop }, { "adagrad", rule_adagrad },
};

static const struct rule *find_rule(const char *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    }
    return NULL;
}

/* ---- one optimizer ---- */

static struct value *learning_rate(struct steps *s, const struct optimizer *o)
{
    const char *schedule = o->schedule ? o->schedule : "constant";
    struct attr attrs[] = {
        at_word("rule", name(s->m->names, schedule)),
        at_real("rate", o->rate),
        at_real("every", o->every),
        at_real("gamma", o->gamma),
        at_real("steps", o->steps),
        at_real("warmup", o->warmup),
        at_real("low", o->low),
    };
    int count = strcmp(schedule, "constant") == 0 ? 2 : 7;
    struct node *n = build_node(&s->b, OP_learning_rate, &s->step, 1, attrs, count);

    return n ? n->result[0] : poison(&s->b);
}

static struct value *sum_of_squares(struct update *u)
{
    struct value *g = bound_value(&u->names, "g");
    int64_t axes[MAX_RANK];

    for (int i = 0; i < g->type.rank; i++)
        axes[i] = i;
    return build_reduce(u->b, OP_sum, build_binary(u->b, OP_mul, g, g), axes, g->type.rank, false);
}

/* torch.nn.utils.clip_grad_norm_: all gradients times min(1, most / (norm + 1e-6)). */
static void clip(struct steps *s, const struct optimizer *o, double most)
{
    struct value *total = NULL;
    struct bindings names = { .count = 0 };

    for (struct update *u = s->first; u; u = u->next) {
        if (u->o == o)
            total = total ? build_binary(&s->b, OP_add, total, sum_of_squares(u)) : sum_of_squares(u);
    }
    if (!total)
        return;
    bind_value(&names, "total", total);
    bind_value(&names, "most", build_constant(&s->b, most, DT_REAL));
    struct value *scale = term_build(&s->b, term_parse(s->scratch, "min(most / (sqrt(total) + 1e-6), 1)"), &names);
    for (struct update *u = s->first; u; u = u->next) {
        if (u->o != o)
            continue;
        set(u, "scale", scale);
        let(u, "g", "g * scale");
    }
}

static void clear(struct build *b, struct var *gradient)
{
    build_write(b, OP_assign, gradient, build_full(b, 0, gradient->type));
}

static void run_update(struct update *u, struct value *lr, struct value *step)
{
    const struct rule *r = find_rule(u->o->rule);

    u->step = step;
    u->b->at = u->elements > MAX_DIMENSION ? u->param[0]->at : u->o->at; /* that one is too large, whoever updates it */
    set(u, "lr", lr);
    for (int i = 0; i < u->o->args; i++) {
        if (strcmp(u->o->arg[i].name, "lr") != 0)
            let_number(u, u->o->arg[i].name, u->o->arg[i].value);
    }
    r->run(u);
    for (int i = 0; i < u->states; i++)
        build_write(u->b, OP_assign, u->state[i], bound_value(&u->names, u->state_name[i]));
    build_write(u->b, OP_assign, u->p, bound_value(&u->names, "p"));
    clear(u->b, u->g);
}

static void apply_optimizer(struct steps *s, const struct optimizer *o)
{
    double most = argument(o, "clip_norm");

    if (!find_rule(o->rule)) {
        diag_error(s->m->diag, o->at, "no optimizer named '%s'", o->rule);
        return;
    }
    s->b.at = o->at;
    struct value *lr = learning_rate(s, o);
    if (most > 0 && isfinite(most))
        clip(s, o, most);
    for (struct update *u = s->first; u; u = u->next) {
        if (u->o == o)
            run_update(u, lr, s->step);
    }
}

/* ---- the pass ---- */

static struct var *step_var(struct module *m)
{
    for (int i = 0; i < m->vars; i++) {
        if (m->var[i]->role == ROLE_STEP)
            return m->var[i];
    }
    struct var *v = module_var(m, "step", ROLE_STEP, type_scalar(DT_I32));
    return v ? v : new_var(m, "optimizer/step", ROLE_STEP, type_scalar(DT_I32)); /* a model may own the name */
}

bool pass_optimize_step(struct module *m, struct pass_context *c)
{
    if (!m->optimizer || !m->graph[GRAPH_TRAIN] || m->graph[GRAPH_APPLY])
        return false;

    struct graph *g = graph_new(m, GRAPH_APPLY);
    struct steps s = { .m = m, .b = build_end(g, m->optimizer->at, ""), .scratch = c->scratch };
    s.step = graph_var(g, step_var(m));
    s.last = &s.first;
    group_parameters(&s);
    for (struct update *u = s.first; u; u = u->next)
        make_views(u);
    for (const struct optimizer *o = m->optimizer; o; o = o->next)
        apply_optimizer(&s, o);
    for (int i = 0; i < m->vars; i++)
        if (m->var[i]->role == ROLE_PARAM && m->var[i]->grad && !optimizer_of(m, m->var[i]))
            clear(&s.b, m->var[i]->grad);
    return true;
}
