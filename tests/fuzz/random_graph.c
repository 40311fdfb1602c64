/* tests/fuzz/random_graph.c: a module from a seed: variables, inputs, bodies, what is given and what is learned. The
 * graphs of a module are drawn from one seed, so that they are the same computation, as those of a net are. */
#include <string.h>

#include "tests/fuzz/gen.h"

/* ---- the pool ---- */

struct value *real_of(struct gen *g, double x)
{
    return build_constant(&g->b, x, DT_REAL);
}

bool fits(struct type t)
{
    return t.rank <= MAX_RANK && type_count(t, 17) <= MAX_COUNT;
}

void keep(struct gen *g, struct value *v, double most)
{
    if (is_poison(v))
        bug("an operation made at random is wrong");
    if (g->items == MAX_POOL)
        return;
    if (v->type.dtype == DT_REAL && most > 16) {
        v = chance(g->r, 50) ? build_binary(&g->b, OP_mul, v, real_of(g, 4 / most))
                             : build_binary(&g->b, OP_div, v, real_of(g, most / 4));
        most = 4;
    }
    g->item[g->items++] = (struct item){ v, most };
}

/* The last ones are taken more often, so that chains grow. */
static const struct item *any(struct gen *g)
{
    int near = g->items < 8 ? g->items : 8;

    return &g->item[chance(g->r, 55) ? g->items - 1 - below(g->r, near) : below(g->r, g->items)];
}

const struct item *pick_where(struct gen *g, enum dtype d, bool (*suits)(struct type))
{
    for (int i = 0; i < 30; i++) {
        const struct item *x = any(g);
        if (x->v->type.dtype == d && (!suits || suits(x->v->type)))
            return x;
    }
    for (int i = 0; i < g->items; i++)
        if (g->item[i].v->type.dtype == d && (!suits || suits(g->item[i].v->type)))
            return &g->item[i];
    return NULL;
}

const struct item *pick(struct gen *g, enum dtype d)
{
    return pick_where(g, d, NULL);
}

struct item at_most(struct gen *g, struct item x, double most)
{
    if (x.most <= most)
        return x;
    struct value *t = build_unary(&g->b, OP_tanh, x.v);
    return (struct item){ most < 1 || most >= 2 ? build_binary(&g->b, OP_mul, t, real_of(g, most)) : t, most };
}

struct item positive(struct gen *g, struct item x)
{
    struct value *a = build_unary(&g->b, OP_abs, x.v);

    return (struct item){ build_binary(&g->b, OP_add, a, real_of(g, 0.5)), x.most + 0.5 };
}

struct value *whole_of(struct gen *g, struct value *x)
{
    return build_cast(&g->b, build_binary(&g->b, OP_mul, x, real_of(g, 3)), DT_I32);
}

int64_t size_at_random(struct gen *g)
{
    static const int64_t sizes[] = { 1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 16, 17, 33 };

    return sizes[below(g->r, sizeof sizes / sizeof *sizes)];
}

int64_t axis_at_random(struct gen *g, struct type t, bool fixed)
{
    for (int i = 0; i < 5 && t.rank; i++) {
        int axis = below(g->r, t.rank);
        if (!fixed || !t.dim[axis].n)
            return axis;
    }
    return -1;
}

/* ---- variables ---- */

static const char *const prefixes[] = {
    [ROLE_INPUT] = "x", [ROLE_TARGET] = "t", [ROLE_PARAM] = "p", [ROLE_FROZEN] = "f", [ROLE_STATE] = "s"
};

/* The variable of this name that another graph of the module made, or a new one. */
static struct value *variable(struct gen *g, enum role role, struct type t)
{
    const char *called = name_printf(g->m->names, "%s%d", prefixes[role], (*g->variables)++);
    struct var *v = module_find(g->m, called);

    if (!v) {
        v = module_var(g->m, called, role, t);
        v->init = chance(g->r, 50) ? (struct init){ .rule = INIT_UNIFORM, .a = -1, .b = 1 }
                                   : (struct init){ .rule = INIT_CONSTANT, .a = 0.5 };
    } else {
        (void)draw(g->r);
    }
    if (v->role != role || !type_equal(v->type, t))
        bug("two graphs of one seed differ");
    return graph_var(g->b.graph, v);
}

struct item parameter(struct gen *g, struct type t)
{
    if (g->depth)
        return (struct item){ build_full(&g->b, 0.4, t), 1 };
    enum role role = chance(g->r, 80) ? ROLE_PARAM : chance(g->r, 50) ? ROLE_FROZEN : ROLE_STATE;
    struct item x = { variable(g, role, t), 1 };
    if (chance(g->r, 50))
        keep(g, x.v, 1);
    return x;
}

static struct type type_at_random(struct gen *g, enum dtype d)
{
    struct type t = type_scalar(d);
    int rank = 1 + below(g->r, 4);

    t.dim[t.rank++] = dim_batch(1);
    while (t.rank < rank) {
        t.dim[t.rank++] = dim_of(size_at_random(g));
        if (!fits(t))
            t.rank--, rank--;
    }
    return t;
}

/* The first is real; an index of another may be checked. */
static void make_inputs(struct gen *g)
{
    static const enum dtype kinds[] = { DT_REAL, DT_REAL, DT_REAL, DT_I32, DT_I32, DT_U8, DT_BOOL };
    int count = 1 + below(g->r, 4);

    for (int i = 0; i < count; i++) {
        enum dtype d = i ? kinds[below(g->r, 7)] : DT_REAL;
        struct value *x = variable(g, ROLE_INPUT, type_at_random(g, d));
        const struct attr attrs[] = { at_int("low", -1), at_int("high", 7) };
        if (d == DT_I32 && chance(g->r, 40))
            build_node(&g->b, OP_bound, &x, 1, attrs, 2);
        keep(g, x, d == DT_U8 ? 255 : d == DT_I32 ? 6 : 1);
    }
    for (int i = below(g->r, 3); i >= 0; i--) {
        struct type t = type_at_random(g, DT_REAL);
        for (int k = 0; k < t.rank; k++)
            t.dim[k] = k ? t.dim[k] : dim_of(size_at_random(g));
        if (fits(t))
            keep(g, variable(g, ROLE_PARAM, t), 1);
    }
}

/* ---- operations ---- */

struct kind {
    make_fn *make;
    int weight;
    bool in_bodies;
};

static const struct kind kinds[] = {
    { make_unary, 10, true },     { make_binary, 16, true },
    { make_compare, 3, true },    { make_logic, 2, true },
    { make_select, 4, true },     { make_cast, 4, true },
    { make_integer, 3, true },    { make_made, 2, true },
    { make_random, 1, false },    { make_reduce, 10, true },
    { make_moments, 3, true },    { make_softmax, 3, true },
    { make_argmax, 2, true },     { make_cumsum, 2, true },
    { make_reshape, 5, true },    { make_transpose, 6, true },
    { make_slice, 4, true },      { make_reverse, 2, true },
    { make_pad, 3, true },        { make_dilate, 1, true },
    { make_concat, 4, true },     { make_broadcast, 4, true },
    { make_matmul, 8, true },     { make_self_product, 2, true },
    { make_attention, 2, true },  { make_rows_of_product, 3, true },
    { make_conv, 6, false },      { make_conv_dx, 2, false },
    { make_maxpool, 3, false },   { make_avgpool, 3, false },
    { make_pooled, 4, false },    { make_normalised, 10, false },
    { make_gather, 4, true },     { make_scatter_add, 2, true },
    { make_take_along, 2, true }, { make_put_along, 1, true },
    { make_one_hot, 2, true },    { make_scan, 4, true },
    { make_custom, 2, true },
};

static const struct kind *kind_at_random(struct gen *g)
{
    int sum = 0, at = 0;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        sum += kinds[i].weight;
    at = below(g->r, sum);
    for (const struct kind *k = kinds;; k++)
        if ((at -= k->weight) < 0)
            return k;
}

void many_operations(struct gen *g, int count)
{
    for (int i = 0; i < count; i++) {
        const struct kind *k = kind_at_random(g);
        if (k->in_bodies || !g->depth)
            k->make(g);
    }
}

/* ---- bodies ---- */

static struct gen inner(struct gen *g, struct graph *body)
{
    return (struct gen){ .r = g->r, .m = g->m, .b = build_end(body, g->b.at, ""), .depth = g->depth + 1 };
}

static struct value *param(struct gen *body, struct type t, double most)
{
    struct value *p = graph_param(body->b.graph, t, NULL);

    keep(body, p, most > 16 ? 16 : most);
    return p;
}

/* Something of x's shape that depends on what the body made. */
static struct value *next_of(struct gen *body, struct value *x)
{
    for (int i = 0; i < 8; i++) {
        const struct item *y = pick(body, DT_REAL);
        struct type both;
        if (shape_broadcast(x->type, y->v->type, &both) && shape_equal(both, x->type))
            x = build_binary(&body->b, chance(body->r, 70) ? OP_add : OP_mul, x, y->v);
    }
    return build_unary(&body->b, OP_tanh, x);
}

static bool is_sequence(struct type t)
{
    return t.rank >= 2 && t.rank <= 4;
}

static bool holds(struct value *const *list, int count, const struct value *v)
{
    for (int i = 0; i < count; i++)
        if (list[i] == v)
            return true;
    return false;
}

enum { MAX_BOUND = 12 };

struct loop {
    struct gen body;
    struct value *operand[MAX_BOUND], *yield[MAX_BOUND];
    int operands, sequences, carries, yields;
    int64_t axis;
};

static void add_sequences(struct gen *g, struct loop *l, const struct item *first)
{
    for (int i = 0; i < 6 && l->sequences < 3; i++) {
        const struct item *x = i ? pick_where(g, DT_REAL, is_sequence) : first;
        struct type t = x->v->type, step = type_scalar(DT_REAL);
        if (t.rank <= l->axis || !dim_equal(t.dim[l->axis], first->v->type.dim[l->axis]) ||
            holds(l->operand, l->operands, x->v))
            continue;
        for (int k = 0; k < t.rank; k++)
            if (k != l->axis)
                step.dim[step.rank++] = t.dim[k];
        l->operand[l->operands++] = x->v;
        l->sequences++;
        param(&l->body, step, x->most);
        if (chance(g->r, 60))
            break;
    }
}

static void add_operands(struct gen *g, struct loop *l, int count, bool carries)
{
    for (int i = 0; i < count; i++) {
        const struct item *x = pick(g, carries || chance(g->r, 80) ? DT_REAL : DT_I32);
        if (!x || holds(l->operand, l->operands, x->v))
            continue;
        struct item y = carries ? at_most(g, *x, 1) : *x;
        l->operand[l->operands++] = y.v;
        l->carries += carries;
        param(&l->body, y.v->type, y.most);
    }
}

static void yield_loop(struct gen *g, struct loop *l)
{
    struct gen *body = &l->body;
    int stacked = l->carries ? below(g->r, 3) : 1 + below(g->r, 2);

    for (int i = 0; i < stacked; i++) {
        const struct item *x = pick(body, chance(g->r, 85) ? DT_REAL : DT_I32);
        x = x ? x : pick(body, DT_REAL);
        if (x->v->type.rank >= l->axis && x->v->type.rank < 5)
            l->yield[l->yields++] = x->v;
    }
    if (!l->yields && !l->carries)
        l->yield[l->yields++] = body->item[0].v;
    for (int i = 0; i < l->carries; i++)
        l->yield[l->yields++] = next_of(body, body->b.graph->param[l->sequences + i]);
    graph_yield(body->b.graph, l->yield, l->yields);
}

void make_scan(struct gen *g)
{
    const struct item *first = pick_where(g, DT_REAL, is_sequence);
    struct loop l = { .body = { 0 } };

    if (!first || g->depth > 1 || (l.axis = axis_at_random(g, first->v->type, true)) < 0 ||
        first->v->type.dim[l.axis].k > 8)
        return;
    struct graph *body = graph_new(g->m, GRAPH_BODY);
    l.body = inner(g, body);
    add_sequences(g, &l, first);
    add_operands(g, &l, below(g->r, 3), true);
    add_operands(g, &l, below(g->r, 4), false);
    many_operations(&l.body, 1 + below(g->r, 6));
    yield_loop(g, &l);
    const struct attr attrs[] = { at_int("sequences", l.sequences), at_int("carries", l.carries),
                                  at_int("axis", l.axis), at_bool("reverse", chance(g->r, 40)) };
    struct node *n = build_bodied(&g->b, OP_scan, l.operand, l.operands, attrs, 4, &body, 1);
    for (int i = 0; n && i < n->results; i++)
        keep(g, n->result[i], 16);
}

/* y = tanh(u) v with a backward of its own, which reads what the body leaves for it. */
static void make_differentiable(struct gen *g)
{
    struct value *u = pick(g, DT_REAL)->v;
    struct type part = u->type;
    struct graph *body[2] = { graph_new(g->m, GRAPH_BODY), graph_new(g->m, GRAPH_BODY) };
    struct build b = build_end(body[0], g->b.at, ""), back = build_end(body[1], g->b.at, "");
    struct value *x[5];

    for (int i = 0; i < part.rank; i++)
        part.dim[i] = part.dim[i].n ? dim_of(1) : part.dim[i];
    struct value *both[2] = { u, build_broadcast(&g->b, parameter(g, part).v, u->type.dim, u->type.rank) };
    for (int i = 0; i < 2; i++)
        x[i] = graph_param(body[0], u->type, NULL);
    struct value *t = build_unary(&b, OP_tanh, x[0]);
    graph_yield(body[0], (struct value *[]){ build_binary(&b, OP_mul, t, x[1]), t }, 2);
    for (int i = 0; i < 5; i++)
        x[i] = graph_param(body[1], u->type, NULL);
    struct value *left =
        build_binary(&back, OP_sub, build_constant(&back, 1, DT_REAL), build_binary(&back, OP_mul, x[3], x[3]));
    struct value *du = build_binary(&back, OP_mul, x[4], build_binary(&back, OP_mul, x[1], left));
    graph_yield(body[1], (struct value *[]){ du, build_binary(&back, OP_mul, x[4], x[3]) }, 2);
    const struct attr attr = at_int("returned", 1);
    if (both[0] != both[1])
        keep(g, build_bodied(&g->b, OP_custom, both, 2, &attr, 1, body, 2)->result[0], 1);
}

/* Without a backward none is differentiated. */
void make_custom(struct gen *g)
{
    struct loop l = { .body = { 0 } };
    struct graph *body;

    if (g->m->graph[GRAPH_TRAIN]) {
        make_differentiable(g);
        return;
    }
    body = graph_new(g->m, GRAPH_BODY);
    l.body = inner(g, body);
    l.operand[l.operands++] = pick(g, DT_REAL)->v;
    param(&l.body, l.operand[0]->type, 16);
    add_operands(g, &l, below(g->r, 3), false);
    many_operations(&l.body, 1 + below(g->r, 5));
    for (int i = 1 + below(g->r, 3); i > 0; i--)
        l.yield[l.yields++] = pick(&l.body, DT_REAL)->v;
    graph_yield(body, l.yield, l.yields);
    const struct attr attr = at_int("returned", 1 + below(g->r, l.yields));
    struct node *n = build_bodied(&g->b, OP_custom, l.operand, l.operands, &attr, 1, &body, 1);
    for (int i = 0; n && i < attr.i; i++)
        keep(g, n->result[i], 16);
}

/* ---- what a graph gives ---- */

static struct value *sum_of(struct gen *g, struct value *x)
{
    int64_t axes[MAX_RANK];

    for (int i = 0; i < x->type.rank; i++)
        axes[i] = i;
    return build_reduce(&g->b, OP_sum, x, axes, x->type.rank, false);
}

/* The mean of what nothing reads, and of some values more. */
static struct value *scalar_of(struct gen *g, int percent)
{
    struct value *sum = real_of(g, 0);

    for (int i = 0; i < g->items; i++) {
        struct value *x = g->item[i].v;
        if (x->type.dtype != DT_REAL || (value_used(x) && !chance(g->r, percent)))
            continue;
        double many = (double)type_count(x->type, g->m->batch);
        struct value *part = chance(g->r, 50) ? build_binary(&g->b, OP_mul, x, x) : x;
        sum = build_binary(&g->b, OP_add, sum, build_binary(&g->b, OP_mul, sum_of(g, part), real_of(g, 1 / many)));
    }
    return sum;
}

/* Differences from a target, squared. */
static struct value *with_target(struct gen *g, struct value *loss)
{
    const struct item *x = pick(g, DT_REAL);
    struct type t = x->v->type;

    if (!t.rank || !dim_equal(t.dim[0], dim_batch(1)) || shape_batches(t) != 1)
        return loss;
    struct value *d = build_binary(&g->b, OP_sub, x->v, variable(g, ROLE_TARGET, t));
    double many = (double)type_count(t, g->m->batch);
    struct value *e = sum_of(g, build_binary(&g->b, OP_mul, d, d));
    return build_binary(&g->b, OP_add, loss, build_binary(&g->b, OP_mul, e, real_of(g, 1 / many)));
}

/* A state becomes a mixture of itself and what the graph computed. */
static void update_states(struct gen *g)
{
    for (int i = 0; i < g->m->vars; i++) {
        struct var *v = g->m->var[i];
        if (v->role != ROLE_STATE || !chance(g->r, 70))
            continue;
        struct value *old = graph_var(g->b.graph, v);
        struct value *part = build_unary(&g->b, OP_tanh, scalar_of(g, 5));
        build_write(&g->b, OP_assign, v,
                    build_binary(&g->b, OP_add, build_binary(&g->b, OP_mul, old, real_of(g, 0.75)),
                                 build_binary(&g->b, OP_mul, part, real_of(g, 0.25))));
    }
}

static bool leads_with_batch(struct type t)
{
    return !shape_batches(t) || t.dim[0].n;
}

static void give_outputs(struct gen *g)
{
    int given = 0;

    for (int i = g->items - 1; i >= 0 && given < 6; i--) {
        struct value *x = g->item[i].v;
        bool last = i == 0 && !given;
        if (!leads_with_batch(x->type) || (!last && value_used(x) && !chance(g->r, 8)))
            continue;
        build_effect(&g->b, OP_output, x, name_printf(g->m->names, "y%d", given++));
    }
}

static struct optimizer *optimizer_at_random(struct gen *g)
{
    static const struct optimizer rules[] = {
        { .rule = "sgd",
          .arg = { { "momentum", 0.9 },
                   { "dampening", 0 },
                   { "first_step", 0 },
                   { "nesterov", 1 },
                   { "weight_decay", 0.01 } },
          .args = 5 },
        { .rule = "sgd", .arg = { { "momentum", 0 }, { "clip_norm", 0.5 } }, .args = 2 },
        { .rule = "adam",
          .arg = { { "beta1", 0.9 }, { "beta2", 0.99 }, { "eps", 1e-3 }, { "weight_decay", 0 }, { "clip_norm", 0 } },
          .args = 5 },
        { .rule = "adamw",
          .arg = { { "beta1", 0.8 }, { "beta2", 0.9 }, { "eps", 1e-2 }, { "weight_decay", 0.1 } },
          .args = 4 },
        { .rule = "rmsprop",
          .arg = { { "alpha", 0.9 }, { "eps", 1e-2 }, { "momentum", 0.5 }, { "centered", 1 }, { "weight_decay", 0.1 } },
          .args = 5 },
        { .rule = "adagrad", .arg = { { "lr_decay", 0.1 }, { "eps", 1e-2 } }, .args = 2 },
    };
    static const char *const schedules[] = { "constant", "step", "cosine", "linear" };
    struct optimizer *o = NEW(g->m->arena, struct optimizer);

    *o = rules[below(g->r, 6)];
    o->schedule = schedules[below(g->r, 4)];
    o->rate = 0.05;
    o->every = 1;
    o->gamma = 0.5;
    o->steps = 4;
    o->warmup = o->schedule == schedules[0] || o->schedule == schedules[1] ? 0 : 1;
    return o;
}

/* ---- graphs ---- */

static void finish(struct gen *g, enum graph_kind kind)
{
    if (kind == GRAPH_INFER) {
        give_outputs(g);
        return;
    }
    struct value *loss = with_target(g, scalar_of(g, 5));
    if (kind == GRAPH_TRAIN)
        update_states(g);
    else
        build_effect(&g->b, OP_metric, scalar_of(g, 5), name(g->m->names, "share"));
    build_effect(&g->b, OP_loss, loss, NULL);
}

static void make_graph(struct module *m, enum graph_kind kind, uint64_t seed)
{
    struct random r = { seed };
    int variables = 0;
    struct gen g = { .r = &r, .m = m, .variables = &variables };

    m->graph[kind] = graph_new(m, kind);
    g.b = build_end(m->graph[kind], (struct place){ 0 }, "");
    make_inputs(&g);
    many_operations(&g, 3 + below(&r, 22));
    finish(&g, kind);
}

struct module *random_module(struct arena *a, uint64_t seed)
{
    static const int64_t batches[] = { 1, 2, 3, 5, 7, 17 };
    struct random r = { seed };
    struct module *m = module_new(a, names_new(a), diag_new(a, stderr), "net", batches[below(&r, 6)]);
    uint64_t graphs = draw(&r);

    m->f64 = chance(&r, 50);
    if (chance(&r, 50)) {
        struct gen g = { .r = &r, .m = m };
        if (chance(&r, 80))
            m->optimizer = optimizer_at_random(&g);
        make_graph(m, GRAPH_TRAIN, graphs);
        make_graph(m, GRAPH_EVAL, graphs);
    }
    make_graph(m, GRAPH_INFER, graphs);
    return m;
}
