/* passes/hoist.c: what inference and evaluation compute from parameters and states alone is computed once, by graph
 * prepare, into variables that they read.
 *
 *     graph infer                               graph infer
 *       %0 = add @bn.running_var, %eps            %1 = reshape @prepared/1, shape = [1,8,1,1]
 *       %s = rsqrt %0                             ...
 *       %1 = reshape %s, shape = [1,8,1,1]  =>  graph prepare
 *       ...                                       %0 = add @bn.running_var, %eps
 *                                                 %s = rsqrt %0
 *                                                 assign @prepared/1, %s
 *
 * Changes of coordinates at the end of such a computation stay behind: they cost nothing where they are, and what is
 * prepared is then no larger than what was computed. So do values made of cheap operations on constants alone, such as
 * masks. Random operations and what depends on the batch never move. */
#include "passes/shared.h"

#include "ir/attention.h"
#include "ir/build.h"

/* What is known of an operation, in node->id. */
enum {
    HOISTABLE = 1,     /* could move */
    FROM_VARIABLE = 2, /* reads a variable, directly or not */
    COSTLY = 4,        /* it or what it reads is not cheap */
    STAYS = 8,         /* is read here, and is made here */
    PREPARED = 16,     /* is read here, and becomes a variable */
    MOVES = 32         /* graph prepare needs it */
};

struct hoist {
    struct module *m;
    struct graph *prepare;    /* NULL: nothing has moved yet */
    struct node_table *table; /* the operations of prepare: evaluation and inference share them */
    struct arena *scratch;
    int prepared;
};

bool node_is_free(const struct node *n)
{
    return op_is_index(n->op) || n->op == OP_constant || n->op == OP_iota || n->op == OP_stop_gradient;
}

bool node_draws(const struct node *n)
{
    if (n->op == OP_attention || n->op == OP_attention_dx)
        return attention_of(n).drop > 0;
    return op_is(n->op, RANDOM);
}

/* ---- what can move, and what is worth it ---- */

static bool is_source(const struct value *v)
{
    return v->var && (v->var->role == ROLE_PARAM || v->var->role == ROLE_FROZEN || v->var->role == ROLE_STATE);
}

static int classify(const struct node *n)
{
    int flags = HOISTABLE;

    if (node_draws(n) || op_is(n->op, EFFECT) || n->bodies > 0)
        return 0;
    for (int i = 0; i < n->results; i++) {
        if (shape_batches(n->result[i]->type) > 0)
            return 0;
    }
    if (!op_is(n->op, CHEAP) && !node_is_free(n))
        flags |= COSTLY;
    for (int i = 0; i < n->operands; i++) {
        const struct value *v = operand(n, i);
        if (v->def ? !(v->def->id & HOISTABLE) : !is_source(v))
            return 0;
        flags |= v->def ? v->def->id & (FROM_VARIABLE | COSTLY) : FROM_VARIABLE;
    }
    return flags;
}

static bool is_worth_it(const struct node *n)
{
    return !node_is_free(n) && (n->id & (FROM_VARIABLE | COSTLY)) != 0;
}

/* From the end: what is read by what does not move stays or is prepared; what is prepared moves with all it reads. */
static void decide(struct graph *g)
{
    for (struct node *n = g->last; n; n = n->previous) {
        bool here = !(n->id & HOISTABLE) || (n->id & STAYS);
        bool there = (n->id & (PREPARED | MOVES)) != 0;
        for (int i = 0; i < n->operands; i++) {
            struct node *def = operand(n, i)->def;
            if (!def || !(def->id & HOISTABLE))
                continue;
            if (here)
                def->id |= is_worth_it(def) ? PREPARED : STAYS;
            if (there)
                def->id |= MOVES;
        }
    }
}

/* ---- moving ---- */

static struct value *in_prepare(struct hoist *h, const struct value *v)
{
    return v->var ? graph_var(h->prepare, v->var) : v->data;
}

/* n in graph prepare, where there may be an equal one from the other graph already. */
static void copy_node(struct hoist *h, struct node *n)
{
    struct build b = build_end(h->prepare, n->at, n->layer);
    struct value **operands = NEW_ARRAY(h->scratch, n->operands, struct value *);

    for (int i = 0; i < n->operands; i++)
        operands[i] = in_prepare(h, operand(n, i));
    struct node *copy = build_node(&b, n->op, operands, n->operands, n->attr, n->attrs);
    if (!copy)
        bug("%s does not go into graph prepare", op_info(n->op)->name);
    struct node *first = node_table_add(h->table, copy);
    if (first != copy)
        node_remove(copy);
    for (int i = 0; i < n->results; i++) {
        if (!first->result[i]->name)
            first->result[i]->name = n->result[i]->name;
        n->result[i]->data = first->result[i];
    }
}

static struct var *assigned_to(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        if (u->user->op == OP_assign && u->index == 1)
            return operand(u->user, 0)->var;
    }
    return NULL;
}

/* The variable that graph prepare leaves v in. */
static struct var *prepared_var(struct hoist *h, struct value *v)
{
    struct var *var = assigned_to(v);

    if (var)
        return var;
    var = module_var(h->m, name_printf(h->m->names, "prepared/%d", ++h->prepared), ROLE_PREPARED, v->type);
    if (!var)
        bug("prepared/%d is there already", h->prepared);
    struct build b = build_end(h->prepare, v->def->at, v->def->layer);
    var->at = v->def->at;
    build_write(&b, OP_assign, var, v);
    return var;
}

static void start_prepare(struct hoist *h)
{
    struct graph *g = h->m->graph[GRAPH_PREPARE];

    h->prepare = g ? g : graph_new(h->m, GRAPH_PREPARE);
    for (struct node *n = h->prepare->first; n; n = n->next)
        node_table_add(h->table, n);
}

/* All is copied before anything is replaced, since copies are made from what the operations read. */
static bool hoist_graph(struct hoist *h, struct graph *g)
{
    bool any = false;

    for (struct node *n = g->first; n; n = n->next)
        n->id = classify(n);
    decide(g);
    for (struct node *n = g->first; n; n = n->next) {
        if (!(n->id & (PREPARED | MOVES)))
            continue;
        if (!h->prepare)
            start_prepare(h);
        copy_node(h, n);
        any = true;
    }
    for (struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->results && (n->id & PREPARED); i++) {
            if (value_used(n->result[i]))
                value_replace(n->result[i], graph_var(g, prepared_var(h, n->result[i]->data)));
        }
    }
    return any;
}

bool pass_hoist(struct module *m, struct pass_context *c)
{
    struct hoist h = { .m = m, .table = node_table_new(c->scratch), .scratch = c->scratch };
    bool changed = false;

    for (int i = 0; i < m->vars; i++)
        h.prepared += m->var[i]->role == ROLE_PREPARED;
    if (m->graph[GRAPH_INFER])
        changed |= hoist_graph(&h, m->graph[GRAPH_INFER]);
    if (m->graph[GRAPH_EVAL])
        changed |= hoist_graph(&h, m->graph[GRAPH_EVAL]);
    return changed;
}
