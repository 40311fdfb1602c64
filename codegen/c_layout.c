/* codegen/c_layout.c: where everything lies in an instance, and how the generated C names it.
 *
 *     struct lenet | parameters | states | prepared | arena                               an instance that infers
 *     struct lenet | parameters | states | prepared | gradients | optimizer | arena       one that trains too
 *
 * Where the train graph takes a batch in parts, totals lie between optimizer and arena.
 */
#include <ctype.h>
#include <string.h>

#include "codegen/c_emit.h"
#include "ir/view.h"

enum { ALIGNMENT = 64 };

static int64_t aligned(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

enum segment var_segment(const struct var *v)
{
    switch (v->role) {
    case ROLE_PARAM:
    case ROLE_FROZEN: return SEGMENT_PARAM;
    case ROLE_STATE: return SEGMENT_STATE;
    case ROLE_PREPARED: return SEGMENT_PREPARED;
    case ROLE_GRAD: return SEGMENT_GRAD;
    case ROLE_OPTIMIZER: return SEGMENT_OPTIMIZER;
    case ROLE_TOTAL: return SEGMENT_TOTAL;
    case ROLE_RANGE: return var_segment(v->of);
    default: bug("'%s' has no segment", v->name);
    }
}

const char *segment_name(enum segment s)
{
    static const char *const name[SEGMENTS] = { "param", "state", "prepared", "grad", "optimizer", "total" };
    return name[s];
}

bool is_tensor(const struct var *v)
{
    return v->role == ROLE_PARAM || v->role == ROLE_FROZEN || v->role == ROLE_STATE;
}

const char *c_type(const struct emit *e, enum dtype d)
{
    switch (d) {
    case DT_REAL: return e->real;
    case DT_I32: return "int32_t";
    case DT_U8:
    case DT_BOOL: return "uint8_t";
    default: bug("no C type");
    }
}

static int64_t dtype_bytes(const struct emit *e, enum dtype d)
{
    return d == DT_REAL ? e->real_bytes : d == DT_I32 ? 4 : 1;
}

int64_t type_bytes(const struct emit *e, struct type t)
{
    return type_count(t, e->m->batch) * dtype_bytes(e, t.dtype);
}

int64_t run_bytes(const struct emit *e, const struct value *v)
{
    return type_count(v->type, graph_samples(v->graph)) * dtype_bytes(e, v->type.dtype);
}

const char *count_text(struct emit *e, struct type t)
{
    int64_t k = 1;
    int batches = 0;
    for (int i = 0; i < t.rank; i++) {
        k *= t.dim[i].k;
        batches += t.dim[i].n;
    }
    struct text out = text_make(e->arena);
    text_puts(&out, batches ? "(size_t)n" : "(size_t)1");
    for (int i = 1; i < batches; i++)
        text_puts(&out, " * (size_t)n");
    text_add(&out, " * %lld", (long long)k);
    return text_string(&out);
}

static int outputs_of(const struct module *m)
{
    int count = 0;
    for (const struct node *n = m->graph[GRAPH_INFER] ? m->graph[GRAPH_INFER]->first : NULL; n; n = n->next)
        count += n->op == OP_output;
    return count;
}

/* Constants that name a variable's place in its segment: at_conv2d_1_weight. */
static void name_variables(struct emit *e)
{
    struct module *m = e->m;
    e->var_id = NEW_ARRAY(e->arena, m->vars + 1, const char *);
    e->taken = NEW_ARRAY(e->arena, m->vars + outputs_of(m) + 1, const char *);
    for (int i = 0; i < m->vars; i++) {
        struct var *v = m->var[i];
        bool port = v->role == ROLE_INPUT || v->role == ROLE_TARGET;
        e->var_id[v->index] = c_identifier(e, port ? v->name : arena_printf(e->arena, "at_%s", v->name));
    }
}

static void measure_segments(struct emit *e)
{
    for (int i = 0; i < e->m->vars; i++) {
        struct var *v = e->m->var[i];
        if (v->role == ROLE_INPUT || v->role == ROLE_TARGET || v->role == ROLE_STEP || v->role == ROLE_FIRST ||
            v->role == ROLE_RANGE)
            continue;
        if (e->constant && (v->role != ROLE_PREPARED || e->constant[v->index]))
            continue;
        enum segment s = var_segment(v);
        int64_t end = v->offset + aligned(type_bytes(e, v->type));
        if (end > e->segment[s])
            e->segment[s] = end;
        e->tensors += is_tensor(v);
    }
}

static int64_t arena_of(const struct emit *e, enum graph_kind kind)
{
    struct graph *g = e->m->graph[kind];
    return g && g->arena_bytes > 0 ? aligned(g->arena_bytes) : 0;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void measure(struct emit *e)
{
    int64_t kept = e->segment[SEGMENT_PARAM] + e->segment[SEGMENT_STATE] + e->segment[SEGMENT_PREPARED];
    e->header_bytes = aligned(768 + 56 * (int64_t)e->tensors);
    bool prepares = !e->constant || e->prepares;
    e->infer_arena = larger(larger(arena_of(e, GRAPH_INFER), arena_of(e, GRAPH_INFER_TOTALS)),
                            prepares ? arena_of(e, GRAPH_PREPARE) : 0);
    static const enum graph_kind training[] = { GRAPH_TRAIN, GRAPH_APPLY, GRAPH_EVAL, GRAPH_TOTALS, GRAPH_EVAL_TOTALS };
    e->train_arena = e->infer_arena;
    for (size_t i = 0; i < sizeof training / sizeof *training; i++)
        e->train_arena = larger(e->train_arena, arena_of(e, training[i]));
    if (e->has_loss)
        e->train_arena = larger(e->train_arena, aligned(sparse_scratch(e)));
    e->infer_bytes = e->header_bytes + kept + e->infer_arena;
    e->train_bytes = e->header_bytes + kept + e->segment[SEGMENT_GRAD] + e->segment[SEGMENT_OPTIMIZER] +
                     e->segment[SEGMENT_TOTAL] + e->train_arena;
}

static void find_effects(struct emit *e, struct graph *g, enum op op, struct node ***list, int *count)
{
    if (!g)
        return;
    for (struct node *n = g->first; n; n = n->next)
        *count += n->op == op;
    *list = NEW_ARRAY(e->arena, *count + 1, struct node *);
    int i = 0;
    for (struct node *n = g->first; n; n = n->next)
        if (n->op == op)
            (*list)[i++] = n;
}

int profile_rows(const struct emit *e, enum graph_kind kind)
{
    int step = kind == GRAPH_TRAIN && e->has_step ? e->graph[GRAPH_APPLY].count : 0;
    return e->graph[kind].count + e->graph[graph_totals(kind)].count + step;
}

void layout_module(struct emit *e)
{
    struct module *m = e->m;
    e->real = m->f64 ? "double" : "float";
    e->real_bytes = m->f64 ? 8 : 4;
    e->name = m->name;
    char *upper = arena_string(e->arena, m->name);
    for (char *p = upper; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    e->upper = upper;
    name_variables(e);
    if (e->o->weights)
        embed_weights(e);
    measure_segments(e);
    find_effects(e, m->graph[GRAPH_INFER], OP_output, &e->output, &e->outputs);
    e->output_id = NEW_ARRAY(e->arena, e->outputs + 1, const char *);
    for (int i = 0; i < e->outputs; i++)
        e->output_id[i] = c_identifier(e, attr_word(e->output[i], "name"));
    find_effects(e, m->graph[GRAPH_EVAL], OP_metric, &e->metric, &e->metrics);
    e->has_loss = e->o->train && m->graph[GRAPH_TRAIN];
    e->has_step = e->has_loss && m->graph[GRAPH_APPLY];
    measure(e);
}

struct train_bytes train_bytes_of(struct module *m, const struct emit_options *o)
{
    struct emit *e = NEW(m->arena, struct emit);

    *e = (struct emit){ .m = m, .o = o, .arena = m->arena };
    layout_module(e);
    return (struct train_bytes){ e->train_bytes, e->train_arena, e->segment[SEGMENT_TOTAL] };
}

/* An argument of the graph's function. Another function is given what it takes. */
static const char *argument(struct emit *e, const char *name, int index)
{
    if (e->given)
        e->given[index] = true;
    return name;
}

const char *var_pointer(struct emit *e, const struct var *v)
{
    if (v->role == ROLE_INPUT || v->role == ROLE_TARGET)
        return argument(e, e->var_id[v->index], v->index);
    if (v->role == ROLE_STEP || v->role == ROLE_FIRST)
        return v->role == ROLE_STEP ? "&m->step" : "&m->first";
    const char *array = weight_name(e, v);
    if (array)
        return array;
    const char *place = arena_printf(e->arena, "m->%s + %s", segment_name(var_segment(v)), e->var_id[v->index]);
    return arena_printf(e->arena, "(%s *)(%s)", c_type(e, v->type.dtype), place);
}

/* The output that hands this value to the caller where it lies in the caller's buffer, or NULL. */
static struct node *output_of(const struct value *v)
{
    for (struct use *u = v->uses; u; u = u->next)
        if (u->user->op == OP_output)
            return u->user;
    return NULL;
}

const char *step_name(struct emit *e, const struct node *scan)
{
    int around = 0;
    for (const struct graph *g = scan->graph; g->owner; g = g->owner->graph)
        around++;
    return arena_printf(e->arena, "t%d", around);
}

/* The whole's first element of this step. */
static const char *view_pointer(struct emit *e, const struct value *v, const struct view *view)
{
    struct text t = text_make(e->arena);
    int64_t k = 1;
    text_add(&t, "%s + (size_t)%s", value_pointer(e, view->whole), step_name(e, view->scan));
    for (int i = view->axis; i < v->type.rank; i++) {
        k *= v->type.dim[i].k;
        text_puts(&t, v->type.dim[i].n ? " * (size_t)n" : "");
    }
    text_add(&t, " * %lld", (long long)k);
    return text_string(&t);
}

/* A pointer to the first sample at hand. */
static const char *from_first(struct emit *e, const struct value *v, const char *pointer)
{
    if (!e->apart || !shape_batches(v->type))
        return pointer;
    return arena_printf(e->arena, "%s + (size_t)first * %lld", pointer, (long long)type_count(v->type, 1));
}

static const char *output_pointer(struct emit *e, const struct value *v)
{
    struct node *out = output_of(v);
    if (!out)
        bug("a value of '%s' has no place", v->def ? op_info(v->def->op)->name : "?");
    for (int i = 0; i < e->outputs; i++)
        if (!strcmp(attr_word(e->output[i], "name"), attr_word(out, "name")))
            return argument(e, e->output_id[i], e->m->vars + i);
    bug("output '%s' is not declared", attr_word(out, "name"));
}

const char *value_pointer(struct emit *e, const struct value *v)
{
    struct view view;
    if (v->var)
        return from_first(e, v, var_pointer(e, v->var));
    if (view_of(v, &view))
        return view_pointer(e, v, &view);
    if (v->offset >= 0)
        return from_first(e, v,
                          arena_printf(e->arena, "NN_AT(%s, %lld)", c_type(e, v->type.dtype), (long long)v->offset));
    struct node *owner = v->def ? NULL : v->graph->owner;
    if (owner) /* a body's parameter that stands for what the body captures */
        return value_pointer(e, operand(owner, v->index));
    return from_first(e, v, output_pointer(e, v));
}

static void see_planned(const struct value *v, void (*see)(void *context, const struct value *v), void *context)
{
    if (v->offset >= 0 && !v->var)
        see(context, v);
}

/* A group's own values lie in registers; a scan's lie in the arena. */
void each_planned(const struct graph *g, void (*see)(void *context, const struct value *v), void *context)
{
    for (const struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++)
            see_planned(n->result[i], see, context);
        if (n->op != OP_scan)
            continue;
        for (int i = 0; i < n->body[0]->params; i++)
            see_planned(n->body[0]->param[i], see, context);
        each_planned(n->body[0], see, context);
    }
}
