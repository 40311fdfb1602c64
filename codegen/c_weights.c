/* codegen/c_weights.c: --embed-weights: inference whose parameters and states are const arrays in NET.c.
 *
 * What graph prepare makes of them is computed here where that gives the bits that the generated kernel would give on
 * any machine: copies, and sums, products, quotients and roots, each rounded. It is a const array too, and parameters
 * that nobody reads any more are left out. The rest of prepare (exp, multiply-adds that may be fused) runs at the first
 * inference, into the instance. */
#include <string.h>

#include "codegen/c_emit.h"
#include "codegen/c_kernel.h"

/* ---- graph prepare, ahead of time ---- */

static bool exact_operation(enum op op)
{
    static const enum op exact[] = { OP_add, OP_sub, OP_mul,  OP_div,      OP_sqrt,   OP_rsqrt, OP_reciprocal,
                                     OP_neg, OP_abs, OP_cast, OP_relayout, OP_select, OP_eq,    OP_ne,
                                     OP_lt,  OP_le,  OP_gt,   OP_ge,       OP_and,    OP_or,    OP_not };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (exact[i] == op)
            return true;
    return false;
}

/* Whether the evaluator gives the generated C's bits, rounding after each operation. */
static bool exact_kernel(const struct emit *e, const struct lkernel *k)
{
    for (size_t i = 0; i < k->table_size; i++)
        for (const struct lx *x = k->table[i]; x; x = x->chain) {
            bool ok = x->kind == LX_ELEM  ? exact_operation(x->op)
                      : x->kind == LX_FMA ? e->o->portable
                                          : x->kind != LX_FOLD && x->kind != LX_RANDOM && x->kind != LX_HYPER;
            if (!ok)
                return false;
        }
    return true;
}

static double **known(struct emit *e, struct value *v)
{
    return v->var ? &e->constant[v->var->index] : (double **)&v->data;
}

/* The kernel's arguments: what it reads has to be known, what it writes is made. False where that is not so. */
static bool gather(struct emit *e, const struct lkernel *k, double **argument)
{
    int i = 0;
    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next, i++) {
        argument[i] = b->value ? *known(e, b->value) : NULL;
        if (!b->value || (b->read && (b->written || !argument[i])))
            return false;
        if (b->written)
            argument[i] = NEW_ARRAY(e->arena, type_count(b->value->type, 1), double);
    }
    return true;
}

static bool compute(struct emit *e, struct node *n)
{
    struct lkernel *k = n->op == OP_fused ? lower_group(e->arena, n, "ahead", e->o->level) : NULL;
    if (!k)
        return false;
    run_loop_passes(e, k, GRAPH_PREPARE);
    double **argument = NEW_ARRAY(e->arena, n->operands + n->results + 1, double *);
    if (!exact_kernel(e, k) || !gather(e, k, argument))
        return false;
    struct loop_run run = { .n = 1, .lr_override = -1, .argument = argument, .rounded = true };
    eval_kernel(e->arena, k, &run);
    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next, argument++)
        if (b->written)
            *known(e, b->value) = *argument;
    return true;
}

/* What it wrote is not known after all. */
static void forget(struct emit *e, struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        if (operand(n, i)->var && operand(n, i)->var->role == ROLE_PREPARED)
            *known(e, operand(n, i)) = NULL;
    n->data = NULL;
}

bool computed_ahead(const struct emit *e, const struct node *n)
{
    return e->constant && n->graph->kind == GRAPH_PREPARE && n->data;
}

/* Forward what can be computed here; back from what cannot, all that it reads stays too. node->data: computed. */
static void compute_ahead(struct emit *e, struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++)
            n->result[i]->data = NULL;
        n->data = compute(e, n) ? e : NULL;
    }
    for (struct node *n = g->last; n; n = n->previous) {
        if (n->data)
            continue;
        e->prepares = true;
        forget(e, n);
        for (int i = 0; i < n->operands; i++)
            if (operand(n, i)->def)
                forget(e, operand(n, i)->def);
    }
}

void embed_weights(struct emit *e)
{
    e->constant = NEW_ARRAY(e->arena, e->m->vars + 1, double *);
    e->read = NEW_ARRAY(e->arena, e->m->vars + 1, bool);
    for (int i = 0; i < e->m->vars; i++)
        e->constant[i] = e->o->weights[i];
    if (e->m->graph[GRAPH_PREPARE])
        compute_ahead(e, e->m->graph[GRAPH_PREPARE]);
}

/* ---- arrays ---- */

const char *weight_name(struct emit *e, const struct var *v)
{
    if (!e->constant || !e->constant[v->index])
        return NULL;
    e->read[v->index] = true;
    return arena_printf(e->arena, "%s_w%s", e->name, e->var_id[v->index] + strlen("at"));
}

void declare_weights(struct emit *e, struct text *t)
{
    for (int i = 0; e->constant && i < e->m->vars; i++)
        if (e->read[i])
            text_add(t, "extern const %s %s[];\n", c_type(e, e->m->var[i]->type.dtype), weight_name(e, e->m->var[i]));
}

static void number(struct emit *e, struct text *t, enum dtype d, double x)
{
    if (d == DT_REAL)
        c_real(t, x, e->m->f64);
    else
        text_add(t, "%lld", (long long)x);
}

/* Lanes may read up to a vector behind a tensor: zeros stand there. */
static void weight_array(struct emit *e, struct text *t, const struct var *v)
{
    int64_t count = type_count(v->type, 1), room = (count + 15) / 16 * 16 + 16;
    text_add(t, "\n/* %s : %s */\n_Alignas(64) const %s %s[%lld] = {", v->name, type_text(e->arena, v->type, e->m->f64),
             c_type(e, v->type.dtype), weight_name(e, v), (long long)room);
    for (int64_t i = 0; i < count; i++) {
        text_puts(t, i % 8 ? " " : "\n    ");
        number(e, t, v->type.dtype, e->constant[v->index][i]);
        text_putc(t, ',');
    }
    text_puts(t, "\n};\n");
}

void emit_weights(struct emit *e, struct text *t)
{
    for (int i = 0; i < e->m->vars; i++)
        if (e->read[i])
            weight_array(e, t, e->m->var[i]);
}
