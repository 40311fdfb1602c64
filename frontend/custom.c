/* frontend/custom.c: blocks with a gradient of their own. The body becomes the first body of operation `custom`; what
 * `backward` reads of it besides its inputs becomes further results. */
#include "frontend/elab.h"

static struct value *custom_param(struct elab *e, struct graph *g, const struct val *v)
{
    struct value *x = localize(e, v->tensor);
    return graph_param(g, x->type, x->name);
}

/* A returned value as tensors. */
static int returned_values(struct elab *e, struct val v, struct place at, struct value **out, int most)
{
    int count = 0, items = v.kind == V_TUPLE ? v.items : 1;
    const struct val *item = v.kind == V_TUPLE ? v.item : &v;
    for (int i = 0; i < items && count < most; i++) {
        out[count] = tensor_of(e, &item[i], at, "return", DT_REAL);
        if (!out[count++])
            return -1;
    }
    return count;
}

enum { MOST = 64 };

/* A custom block on its way. */
struct custom {
    const struct block *b;
    struct value *input[MOST]; /* outside */
    int inputs;
    struct body forward, backward;
    struct value *result[MOST]; /* returned, in the forward body */
    int results;
    struct value *gradient[MOST];
};

static bool forward_body(struct elab *e, struct custom *c, struct place at)
{
    run_statements(e, c->b->tree->b);
    if (!e->returned)
        return false;
    c->results = returned_values(e, e->result, at, c->result, MOST);
    if (c->results < 1)
        return false;
    for (int i = 0; i < c->results; i++)
        if (c->result[i]->graph != c->forward.graph)
            return false;
    graph_yield(c->forward.graph, c->result, c->results);
    return true;
}

/* Runs `backward` with the gradients bound; the body's names stay in sight. */
static int backward_body(struct elab *e, struct custom *c, struct place at)
{
    const struct ast *tree = c->b->tree;
    if (tree->backwards != c->results) {
        error_at(e, tree->at, "'%s' returns %d value%s, so its backward takes %d gradient%s, not %d", tree->text,
                 c->results, c->results == 1 ? "" : "s", c->results, c->results == 1 ? "" : "s", tree->backwards);
        return -1;
    }
    struct value *gradient[MOST];
    int count;
    e->env = env_new(e, e->env);
    for (int i = 0; i < tree->backwards; i++) {
        c->gradient[i] = graph_param(c->backward.graph, c->result[i]->type, tree->backward[i]->text);
        bind(e, tree->backward[i]->text, v_tensor(c->gradient[i]));
    }
    e->returned = false;
    e->in_backward = true;
    run_statements(e, tree->c);
    e->in_backward = false;
    if (!e->returned) {
        if (!diag_errors(e->diag))
            error_at(e, tree->at, "the backward of '%s' ends without a return", tree->text);
        return -1;
    }
    struct val v = e->result;
    count = returned_values(e, v, at, gradient, MOST);
    if (count < 0)
        return -1;
    if (count != c->inputs) {
        error_at(e, tree->at, "'%s' has %d inputs, but its backward returns %d value%s", tree->text, c->inputs, count,
                 count == 1 ? "" : "s");
        return -1;
    }
    for (int i = 0; i < count; i++) {
        struct type want = c->forward.graph->param[i]->type;
        if (want.dtype == DT_REAL && gradient[i]->type.dtype == DT_REAL && !shape_equal(gradient[i]->type, want)) {
            const struct node *def = gradient[i]->def;
            if (!gradient[i]->type.rank && def && def->op == OP_constant) { /* a number stands for a tensor of it */
                struct build b = builder(e);
                gradient[i] = build_broadcast(&b, gradient[i], want.dim, want.rank);
                continue;
            }
            error_hint(e, c->b->library ? at : tree->c->at, shape_text(e->arena, want),
                       shape_text(e->arena, gradient[i]->type), NULL,
                       "backward of '%s' returns %s for input '%s', which is %s", tree->text,
                       shape_text(e->arena, gradient[i]->type), tree->item[i]->text, shape_text(e->arena, want));
            return -1;
        }
    }
    graph_yield(c->backward.graph, gradient, count);
    return count;
}

/* The backward body's parameters in their order: operands, results (what it reads of the body added to them), gradients. */
static void order_parameters(struct elab *e, struct custom *c)
{
    struct graph *f = c->forward.graph, *back = c->backward.graph;
    struct value *result[2 * MOST + 1024];
    int results = 0;
    for (int i = 0; i < c->results; i++)
        result[results++] = c->result[i];
    for (int i = 0; i < c->backward.captured && results < MOST + 1024; i++) {
        struct value *v = c->backward.from[i];
        bool known = !v->def;
        for (int k = 0; k < results && !known; k++)
            known = result[k] == v;
        if (!known)
            result[results++] = v;
    }
    graph_yield(f, result, results);
    int total = f->params + results + c->results, at = 0;
    struct value **param = NEW_ARRAY(e->arena, total + 1, struct value *);
    for (int i = 0; i < f->params + results; i++) {
        struct value *v = i < f->params ? f->param[i] : result[i - f->params], *p = NULL;
        for (int k = 0; k < c->backward.captured; k++)
            if (c->backward.from[k] == v)
                p = c->backward.to[k];
        param[at++] = p ? p : graph_param(back, v->type, v->name);
    }
    for (int i = 0; i < c->results; i++)
        param[at++] = c->gradient[i];
    back->param = param;
    back->params = total;
    back->param_capacity = (size_t)total;
    for (int i = 0; i < total; i++)
        param[i]->index = i;
}

static struct val finish(struct elab *e, struct custom *c)
{
    struct build b = builder(e);
    struct attr returned = at_int("returned", c->results);
    struct node *n = build_node(&b, OP_custom, c->input, c->inputs, &returned, 1);
    if (!n)
        return v_poison();
    node_add_body(n, c->forward.graph);
    node_add_body(n, c->backward.graph);
    if (!infer(n))
        return v_poison();
    struct val v = v_list(e, c->results);
    v.kind = V_TUPLE;
    for (int i = 0; i < c->results; i++)
        v.item[i] = v_tensor(n->result[i]);
    return c->results == 1 ? v.item[0] : v;
}

static bool custom_inputs(struct elab *e, struct custom *c, const struct val *input, struct place at)
{
    const struct ast *tree = c->b->tree;
    for (int i = 0; i < tree->items; i++) {
        if (tree->item[i]->flag)
            continue;
        if (input[i].kind != V_TENSOR || c->inputs == MOST) {
            error_at(e, at, "'%s' has a gradient of its own, so every one of its inputs is a tensor", tree->text);
            return false;
        }
        c->input[c->inputs++] = localize(e, input[i].tensor);
    }
    return true;
}

struct val apply_custom(struct elab *e, const struct block *b, struct env *env, const struct val *input,
                        struct place at)
{
    struct custom *c = NEW(e->arena, struct custom);
    struct graph *outside = e->graph;
    struct body *outer = e->body;
    struct val v = v_poison();
    c->b = b;
    e->env = env;
    if (!custom_inputs(e, c, input, at))
        return v;
    c->forward = (struct body){ .kind = BODY_CUSTOM,
                                .graph = graph_new(e->m, GRAPH_BODY),
                                .outer = outer,
                                .operand = c->input,
                                .operands = c->inputs };
    c->backward = (struct body){ .kind = BODY_BACKWARD, .graph = graph_new(e->m, GRAPH_BODY), .outer = &c->forward };
    for (int i = 0, k = 0; i < b->tree->items; i++)
        if (!b->tree->item[i]->flag) {
            struct value *p = custom_param(e, c->forward.graph, &input[i]);
            bind(e, b->tree->item[i]->text, v_tensor(p));
            k++;
        }
    e->graph = c->forward.graph;
    e->body = &c->forward;
    bool ok = forward_body(e, c, at);
    e->graph = c->backward.graph;
    e->body = &c->backward;
    ok = ok && backward_body(e, c, at) >= 0;
    e->graph = outside;
    e->body = outer;
    if (!ok)
        return v;
    order_parameters(e, c);
    return finish(e, c);
}
