/* passes/parts.c: --max-bytes. Where training takes more than it may, however much is computed again, the train graph takes
 * a batch in parts: it runs once for each, on their samples, and adds to the gradients and the loss. Evaluation and
 * inference do so where their values take more than that. How many samples a part has is decided once all is planned
 * (recompute.c); here a graph is made such that it can run so.
 *
 *     graph train (N = 16)                        graph train (N = 16, part = 16)
 *       bound %label, ...                           %2 = div %1, @total/1
 *       %n = sum %keep, axes = [0]                  loss %2
 *       %2 = div %1, %n                   =>        ...
 *       loss %2                                   graph totals
 *       ...                                         bound %label, ...
 *                                                   %n = sum %keep, axes = [0]
 *                                                   assign @total/1, %n
 *
 * What has to be known of all samples before the first part runs, checks of the call's data, and states that are made of
 * that alone go to graph totals, which runs on the whole batch beforehand. What is the same in every part and stands beside
 * a sum over samples, such as the gradient of a penalty on weights, counts in the first part alone. Random numbers are those
 * that the samples have in the whole batch. parts_classes.c says what may be parted. */
#include "passes/parts.h"

#include "ir/build.h"
#include "ir/ir.h"

/* ---- graph totals ---- */

static bool reads_stay(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user->id)
            return true;
    return false;
}

/* What n is made of, and it; value->data says of what is there already what it is there. */
static void copy_with_all(struct node *n, struct graph *to)
{
    for (int i = 0; i < n->operands; i++)
        if (operand(n, i)->def && !operand(n, i)->data)
            copy_with_all(operand(n, i)->def, to);
    node_copy(n, to, NULL);
}

static struct value *in_totals(struct graph *totals, struct value *v)
{
    if (!v->def)
        return graph_var(totals, v->var);
    if (!v->data)
        copy_with_all(v->def, totals);
    return v->data;
}

static struct var *new_total(struct module *m, const struct value *v, int number)
{
    struct var *var = module_var(m, name_printf(m->names, "total/%d", number), ROLE_TOTAL, v->type);

    if (!var)
        bug("total/%d is there already", number);
    var->at = v->def->at;
    return var;
}

/* The variable that graph totals leaves v in, which is copied there. */
static struct var *assigned_total(struct parting *s, struct graph *totals, struct value *v, int number)
{
    struct value *there = in_totals(totals, v);
    struct build b = build_end(totals, v->def->at, v->def->layer);
    struct var *var = new_total(s->g->module, v, number);

    build_write(&b, OP_assign, var, there);
    return var;
}

static void forget_copies(struct graph *g)
{
    for (int i = 0; i < g->var_values; i++)
        g->var_value[i]->data = NULL;
    for (struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->results; i++)
            n->result[i]->data = NULL;
}

static int totals_of(const struct module *m)
{
    int count = 0;

    for (int i = 0; i < m->vars; i++)
        count += m->var[i]->role == ROLE_TOTAL;
    return count;
}

/* All is copied before anything is replaced, since copies are made from what the operations read. */
static void make_totals(struct parting *s)
{
    struct graph *totals = s->totals || s->moves ? graph_new(s->g->module, graph_totals(s->g->kind)) : NULL;
    struct var **var = NEW_ARRAY(s->scratch, s->totals + 1, struct var *);
    int number = totals_of(s->g->module);

    forget_copies(s->g);
    for (int i = 0; i < s->moves; i++)
        copy_with_all(s->moved[i], totals);
    for (int i = 0; i < s->moves; i++)
        node_remove(s->moved[i]);
    for (int i = 0; i < s->totals; i++)
        if (reads_stay(s->total[i]))
            var[i] = assigned_total(s, totals, s->total[i], ++number);
    for (int i = 0; i < s->totals; i++)
        if (var[i])
            value_replace(s->total[i], graph_var(s->g, var[i]));
}

/* ---- what counts once ---- */

static struct value *is_first_part(struct build *b)
{
    struct module *m = b->graph->module;
    struct var *first = NULL;

    for (int i = 0; i < m->vars && !first; i++)
        first = m->var[i]->role == ROLE_FIRST ? m->var[i] : NULL;
    if (!first)
        first = module_var(m, "first", ROLE_FIRST, type_scalar(DT_I32));
    if (!first)
        first = module_var(m, "part/first", ROLE_FIRST, type_scalar(DT_I32)); /* a model may own the name */
    return build_binary(b, OP_eq, graph_var(b->graph, first), build_constant(b, 0, DT_I32));
}

static void count_in_first(const struct once *o)
{
    struct build b = build_at(o->reader->graph, o->reader);
    struct value *v = operand(o->reader, o->index);
    struct value *zero = build_full(&b, 0, v->type);
    struct value *first = build_broadcast(&b, is_first_part(&b), v->type.dim, v->type.rank);

    node_set_operand(o->reader, o->index, build_select(&b, first, v, zero));
}

/* ---- the pass ---- */

static void split(struct parting *s)
{
    make_totals(s);
    for (int i = 0; i < s->onces; i++)
        if (s->once[i].reader->id)
            count_in_first(&s->once[i]);
    dce_graph(s->g);
    s->g->part = s->g->module->batch;
}

/* All as it is planned if it goes on without parts, and nothing is computed again. */
static struct module *planned_copy(struct module *m, const struct pass_context *c)
{
    struct module *copy = parse_module(m->arena, m->names, m->diag, "copy", c->budget->before);
    struct pass_context planning = *c;

    planning.budget = NULL;
    if (!copy || !pipeline_behind(copy, &planning, "parts"))
        bug("the copy of a module does not go through the passes");
    return copy;
}

static const char *printed(struct module *m)
{
    struct text t = text_make(m->arena);

    print_module(&t, m);
    return text_string(&t);
}

/* An instance that only infers has no room for totals. */
static bool may_be_parted(const struct parting *s)
{
    return s->g->kind != GRAPH_INFER || !s->totals;
}

static void note_against(const struct parting *s, struct budget *b)
{
    b->against = s->against;
    b->why = s->why;
}

static bool take_in_parts(struct graph *g, const struct pass_context *c)
{
    struct parting s = { .g = g, .scratch = c->scratch };
    bool may = parts_classify(&s) && may_be_parted(&s);

    if (may)
        split(&s);
    else if (g->kind == GRAPH_TRAIN)
        note_against(&s, c->budget);
    return may;
}

static int64_t bytes_of_totals(const struct module *m)
{
    int64_t sum = 0;

    for (int i = 0; i < m->vars; i++)
        sum += m->var[i]->role == ROLE_TOTAL ? plan_bytes(m, m->var[i]->type, 1) : 0;
    return sum;
}

static const enum graph_kind kinds[] = { GRAPH_TRAIN, GRAPH_EVAL, GRAPH_INFER };

enum { KINDS = sizeof kinds / sizeof *kinds };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What the step and what is prepared take, which are of no samples: all arenas lie in one place. */
static int64_t least_arena(const struct module *planned)
{
    const struct graph *apply = planned->graph[GRAPH_APPLY], *prepare = planned->graph[GRAPH_PREPARE];

    return larger(apply ? apply->arena_bytes : 0, prepare ? prepare->arena_bytes : 0);
}

/* Those whose values do not fit; but none that takes no more than what cannot go in parts. What totals take is not there
 * for the others any more. */
static bool take_large_in_parts(struct module *m, const struct module *copy, int64_t room, const struct pass_context *c)
{
    bool tried[KINDS] = { false }, changed = false;
    int64_t least = least_arena(copy);

    for (int i = 0; i < KINDS; i++) {
        const struct graph *planned = copy->graph[kinds[i]];
        if (!planned || tried[i] || planned->arena_bytes <= larger(room - bytes_of_totals(m), least))
            continue;
        tried[i] = true;
        if (take_in_parts(m->graph[kinds[i]], c)) {
            changed = true;
            i = -1;
        } else
            least = larger(least, planned->arena_bytes);
    }
    return changed;
}

static bool has_parts(const struct module *m)
{
    for (int i = 0; i < KINDS; i++)
        if (m->graph[graph_totals(kinds[i])] || (m->graph[kinds[i]] && m->graph[kinds[i]]->part))
            return true;
    return false;
}

/* Training alone is too large, and something stands against parts: how little it takes without them is looked for later. */
static bool cannot_help(struct module *m, const struct module *copy, int64_t room, const struct pass_context *c)
{
    struct parting s = { .g = m->graph[GRAPH_TRAIN], .scratch = c->scratch };

    for (int i = 0; i < KINDS; i++)
        if (kinds[i] != GRAPH_TRAIN && copy->graph[kinds[i]] && copy->graph[kinds[i]]->arena_bytes > room)
            return false;
    if (parts_classify(&s))
        return false;
    note_against(&s, c->budget);
    return true;
}

bool pass_parts(struct module *m, struct pass_context *c)
{
    if (!m->graph[GRAPH_TRAIN] || !c->budget)
        return false;
    c->budget->before = printed(m);
    if (m->batch == 1 || has_parts(m))
        return false;
    struct module *copy = planned_copy(m, c);
    if (c->budget->measure(c->budget->context, copy) <= c->budget->bytes ||
        cannot_help(m, copy, arena_room(c->budget, copy), c))
        return false;
    pass_recompute(copy, c);
    c->budget->whole_bytes = c->budget->measure(c->budget->context, copy);
    if (c->budget->whole_bytes <= c->budget->bytes)
        return false;
    return take_large_in_parts(m, copy, arena_room(c->budget, copy), c);
}
