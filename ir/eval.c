/* ir/eval.c: runs graphs: operation by operation, each value a tensor in value->data, effects last. */
#include "ir/eval.h"
#include "ir/layout.h"

#include <string.h>

/* An assignment or accumulation that waits. */
struct write {
    struct var *var;
    struct tensor value; /* a copy: its source may be a variable that another write changes */
    bool adds;
    struct write *next;
};

static void eval_nodes(struct eval *e, struct graph *g);

static const struct tensor *tensor_of(const struct value *v)
{
    if (!v->data)
        bug("a value is read before it is computed");
    return v->data;
}

static struct tensor tensor_copy(struct arena *a, const struct tensor *t)
{
    struct tensor copy = *t;

    copy.data = arena_copy(a, t->data, (size_t)t->count * sizeof *t->data);
    return copy;
}

/* ---- bodies ---- */

/* Runs a body; in and out have one tensor a parameter and a yield. What out holds may be shared with `in`. */
static void run_body(struct eval *e, struct graph *body, const struct tensor *in, struct tensor *out)
{
    for (int i = 0; i < body->params; i++)
        body->param[i]->data = arena_copy(e->arena, &in[i], sizeof in[i]);
    eval_nodes(e, body);
    for (int i = 0; i < body->yields; i++)
        out[i] = *tensor_of(body->yield[i]);
}

static void eval_bodied(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    run_body(e, n->body[0], x, y);
}

/* Copies step t of a sequence (a tensor with one axis more) to or from one of its steps. */
static void copy_step(struct along a, const struct tensor *sequence, int64_t t, const struct tensor *step, bool put)
{
    for (int64_t o = 0; o < a.outer; o++) {
        double *whole = sequence->data + (o * a.length + t) * a.inner, *part = step->data + o * a.inner;
        memcpy(put ? whole : part, put ? part : whole, (size_t)a.inner * sizeof *part);
    }
}

static void eval_scan(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct graph *body = n->body[0];
    int sequences = (int)attr_int(n, "sequences"), carries = (int)attr_int(n, "carries");
    int64_t axis = attr_int(n, "axis");
    int64_t steps = along_axis(e, x[0].type, axis).length;
    int stacked = body->yields - carries;
    struct tensor *in = NEW_ARRAY(e->arena, n->operands + 1, struct tensor);
    struct tensor *out = NEW_ARRAY(e->arena, body->yields + 1, struct tensor);

    for (int i = 0; i < n->operands; i++)
        in[i] = x[i];
    for (int64_t s = 0; s < steps; s++) {
        int64_t t = attr_bool(n, "reverse") ? steps - 1 - s : s;
        for (int i = 0; i < sequences; i++) {
            in[i] = tensor_make(e->arena, body->param[i]->type, e->n);
            copy_step(along_axis(e, x[i].type, axis), &x[i], t, &in[i], false);
        }
        run_body(e, body, in, out);
        for (int i = 0; i < stacked; i++)
            copy_step(along_axis(e, y[i].type, axis), &y[i], t, &out[i], true);
        for (int i = 0; i < carries; i++)
            in[sequences + i] = out[stacked + i];
    }
    for (int i = 0; i < carries; i++)
        y[stacked + i] = in[sequences + i];
}

/* ---- effects ---- */

/* The variable that a value stands for: within a body, what the parameter is bound to. */
static struct var *variable_of(const struct value *v)
{
    while (!v->var && !v->def && v->graph->owner)
        v = operand(v->graph->owner, v->index);
    if (!v->var)
        bug("what is written is no variable");
    return v->var;
}

static void eval_write(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct write *w = NEW(e->arena, struct write);

    (void)y;
    w->var = variable_of(operand(n, 0));
    w->value = tensor_copy(e->arena, &x[1]);
    w->adds = n->op == OP_accumulate;
    *e->last = w;
    e->last = &w->next;
}

static void eval_result(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    (void)y;
    if (n->op == OP_output)
        e->output[e->outputs++] = x[0];
    else if (n->op == OP_metric)
        e->metric[e->metrics++] = x[0];
    else if (e->loss.count)
        e->loss.data[0] += x[0].data[0]; /* several losses add up */
    else
        e->loss = tensor_copy(e->arena, &x[0]);
}

/* low <= index < high; `except` is welcome too. */
static void eval_bound(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    double low = (double)attr_int(n, "low"), high = (double)attr_int(n, "high"), except = (double)attr_int(n, "except");
    const struct value *v = operand(n, 0);

    (void)y;
    while (!v->var && !v->def && v->graph->owner)
        v = operand(v->graph->owner, v->index);
    for (int64_t i = 0; i < x[0].count && !e->error; i++) {
        double at = x[0].data[i];
        if ((at < low || at >= high) && at != except)
            e->error = arena_printf(e->arena, "%s: element %lld is %.0f, outside %.0f..%.0f",
                                    v->var ? v->var->name : "an index", (long long)i, at, low, high - 1);
    }
}

/* ---- operations ---- */

static eval_fn *const functions[OP_COUNT] = {
    [OP_constant] = eval_made,
    [OP_iota] = eval_made,
    [OP_uniform] = eval_random,
    [OP_normal] = eval_random,
    [OP_sum] = eval_reduce,
    [OP_reduce_max] = eval_reduce,
    [OP_reduce_min] = eval_reduce,
    [OP_prod] = eval_reduce,
    [OP_argmax] = eval_argmax,
    [OP_moments] = eval_moments,
    [OP_cumsum] = eval_cumsum,
    [OP_reshape] = eval_reshape,
    [OP_transpose] = eval_transpose,
    [OP_broadcast] = eval_broadcast,
    [OP_slice] = eval_slice,
    [OP_reverse] = eval_reverse,
    [OP_pad] = eval_pad,
    [OP_dilate] = eval_dilate,
    [OP_concat] = eval_concat,
    [OP_matmul] = eval_matmul,
    [OP_conv] = eval_conv,
    [OP_conv_dx] = eval_conv_dx,
    [OP_conv_dw] = eval_conv_dw,
    [OP_winograd_weight] = eval_winograd_weight,
    [OP_winograd] = eval_winograd,
    [OP_winograd_dw] = eval_winograd_dw,
    [OP_winograd_dw_weight] = eval_winograd_dw_weight,
    [OP_maxpool] = eval_maxpool,
    [OP_maxpool_dx] = eval_maxpool_dx,
    [OP_avgpool] = eval_avgpool,
    [OP_avgpool_dx] = eval_avgpool_dx,
    [OP_gather] = eval_gather,
    [OP_scatter_add] = eval_scatter_add,
    [OP_take_along] = eval_take_along,
    [OP_put_along] = eval_put_along,
    [OP_one_hot] = eval_one_hot,
    [OP_attention] = eval_attention,
    [OP_attention_dx] = eval_attention_dx,
    [OP_sparse_matmul] = eval_sparse_matmul,
    [OP_dots] = eval_dots,
    [OP_bound] = eval_bound,
    [OP_scan] = eval_scan,
    [OP_custom] = eval_bodied,
    [OP_fused] = eval_bodied,
    [OP_learning_rate] = eval_hyper,
    [OP_bias_correction] = eval_hyper,
    [OP_first_step] = eval_hyper,
    [OP_assign] = eval_write,
    [OP_accumulate] = eval_write,
    [OP_output] = eval_result,
    [OP_loss] = eval_result,
    [OP_metric] = eval_result,
};

static eval_fn *function_of(enum op op)
{
    if (functions[op])
        return functions[op];
    if (!op_is_map(op))
        bug("%s cannot be evaluated", op_info(op)->name);
    return eval_map;
}

/* A tensor with its axes in another order: axis i is axis perm[i] of what it was. */
static struct tensor turned(struct eval *e, const struct tensor *x, const int64_t *perm)
{
    struct tensor y = tensor_make(e->arena, layout_first(x->type, perm), e->n);

    turn_axes(e, x, perm, &y);
    return y;
}

/* Channels last: reckoned in the usual order of axes. */
static void eval_turned(struct eval *e, const struct node *n, const struct tensor *x, struct tensor *y)
{
    struct tensor in[MAX_OPERAND_NAMES], out[2];
    int64_t perm[MAX_RANK], back[MAX_RANK];

    for (int i = 0; i < n->operands; i++) {
        layout_perm(n->op, false, i, x[i].type.rank, perm);
        in[i] = turned(e, &x[i], perm);
    }
    for (int i = 0; i < n->results; i++) {
        layout_perm(n->op, true, i, y[i].type.rank, perm);
        out[i] = tensor_make(e->arena, layout_first(y[i].type, perm), e->n);
    }
    function_of(n->op)(e, n, in, out);
    for (int i = 0; i < n->results; i++) {
        layout_perm(n->op, true, i, y[i].type.rank, perm);
        for (int k = 0; k < y[i].type.rank; k++)
            back[perm[k]] = k;
        turn_axes(e, &out[i], back, &y[i]);
    }
}

static void eval_node(struct eval *e, const struct node *n)
{
    struct tensor *x = NEW_ARRAY(e->arena, n->operands + 1, struct tensor);
    struct tensor *y = NEW_ARRAY(e->arena, n->results + 1, struct tensor);

    for (int i = 0; i < n->operands; i++)
        x[i] = *tensor_of(operand(n, i));
    for (int i = 0; i < n->results; i++)
        y[i] = tensor_make(e->arena, n->result[i]->type, e->n);
    (layout_channels_last(n) ? eval_turned : function_of(n->op))(e, n, x, y);
    for (int i = 0; i < n->results; i++)
        n->result[i]->data = &y[i];
}

static void eval_nodes(struct eval *e, struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        eval_node(e, n);
}

/* ---- graphs ---- */

static int effects_of(const struct graph *g, enum op op)
{
    int count = 0;

    for (const struct node *n = g->first; n; n = n->next) {
        count += n->op == op;
        for (int i = 0; i < n->bodies; i++)
            count += effects_of(n->body[i], op);
    }
    return count;
}

static void bind_variables(struct store *s, struct graph *g)
{
    for (int i = 0; i < g->var_values; i++) {
        struct var *v = g->var_value[i]->var;
        if (v->role == ROLE_STEP)
            s->var[v->index].data[0] = (double)s->step;
        else if (v->role == ROLE_FIRST)
            s->var[v->index].data[0] = (double)s->first;
        g->var_value[i]->data = &s->var[v->index];
    }
}

static void carry_out(struct store *s, const struct write *w)
{
    struct tensor *to = &s->var[w->var->index];

    for (int64_t i = 0; i < to->count; i++)
        to->data[i] = w->value.data[i] + (w->adds ? to->data[i] : 0);
    if (w->var->role == ROLE_STEP)
        s->step = (uint64_t)to->data[0];
}

static struct tensor *copies(struct arena *a, const struct tensor *t, int count)
{
    struct tensor *all = NEW_ARRAY(a, count + 1, struct tensor);

    for (int i = 0; i < count; i++)
        all[i] = tensor_copy(a, &t[i]);
    return all;
}

static struct run_result results_of(struct arena *a, const struct eval *e)
{
    struct run_result r = { .outputs = e->outputs, .metrics = e->metrics };

    if (e->loss.count)
        r.loss = tensor_copy(a, &e->loss);
    r.output = copies(a, e->output, e->outputs);
    r.metric = copies(a, e->metric, e->metrics);
    if (e->error)
        r.error = arena_string(a, e->error);
    return r;
}

static struct eval eval_start(const struct store *s)
{
    return (struct eval){ .arena = arena_new(), .s = s, .n = s->n };
}

/* Where the data is at fault no variable changes. */
struct run_result eval_graph(struct arena *a, struct store *s, struct graph *g)
{
    struct eval e = eval_start(s);

    e.last = &e.first;
    e.output = NEW_ARRAY(e.arena, effects_of(g, OP_output) + 1, struct tensor);
    e.metric = NEW_ARRAY(e.arena, effects_of(g, OP_metric) + 1, struct tensor);
    bind_variables(s, g);
    eval_nodes(&e, g);
    struct run_result r = results_of(a, &e);
    for (const struct write *w = e.first; w && !e.error; w = w->next)
        carry_out(s, w);
    arena_free(e.arena);
    return r;
}

void eval_body(struct arena *a, struct store *s, struct graph *body, const struct tensor *in, struct tensor *out)
{
    struct eval e = eval_start(s);

    e.last = &e.first;
    run_body(&e, body, in, out);
    for (int i = 0; i < body->yields; i++)
        out[i] = tensor_copy(a, &out[i]);
    arena_free(e.arena);
}
