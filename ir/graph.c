/* ir/graph.c: the lists a graph consists of: operations in order, operands, uses, bodies, variables.
 *
 * Every operand is a link (struct use) of the list of uses of the value it reads. Links lie in the operation's array
 * `operand`, so whatever moves elements of that array links them anew. Arrays grow in powers of two: one of `count`
 * elements has room up to the next power of two. */
#include "ir/graph.h"

#include <math.h>
#include <string.h>

/* ---- modules and variables ---- */

struct module *module_new(struct arena *a, struct names *names, struct diag *d, const char *net, int64_t batch)
{
    struct module *m = NEW(a, struct module);

    m->arena = a;
    m->names = names;
    m->diag = d;
    m->name = name(names, net);
    m->at = (struct place){ m->name, 0, 0, 0 };
    m->batch = batch;
    return m;
}

void module_add_sparse(struct module *m, const struct sparse *s)
{
    struct sparse **at = &m->sparse;

    while (*at)
        at = &(*at)->next;
    *at = arena_copy(m->arena, s, sizeof *s);
    (*at)->next = NULL;
}

/* The variable's place in the table, or the free one where it belongs. Interned names are told apart by address; the
 * order of the table shows nowhere. */
static struct var **var_slot(const struct module *m, const char *interned)
{
    size_t mask = m->table_size - 1, i = (size_t)((uintptr_t)interned / 16 * 2654435761u) & mask;

    while (m->table[i] && m->table[i]->name != interned)
        i = (i + 1) & mask;
    return &m->table[i];
}

/* Keeps the table at most half full. */
static void table_add(struct module *m, struct var *v)
{
    if ((size_t)m->vars * 2 >= m->table_size) {
        m->table_size = m->table_size ? m->table_size * 2 : 64;
        m->table = NEW_ARRAY(m->arena, m->table_size, struct var *);
        for (int i = 0; i < m->vars; i++)
            *var_slot(m, m->var[i]->name) = m->var[i];
    }
    *var_slot(m, v->name) = v;
}

struct var *module_find(const struct module *m, const char *path)
{
    return m->vars ? *var_slot(m, name(m->names, path)) : NULL;
}

struct var *module_var(struct module *m, const char *path, enum role role, struct type type)
{
    if (module_find(m, path))
        return NULL;

    struct var *v = NEW(m->arena, struct var);
    v->name = name(m->names, path);
    v->role = role;
    v->type = type;
    v->index = m->vars;
    v->offset = -1;
    void *items = m->var;
    arena_grow(m->arena, &items, &m->var_capacity, (size_t)m->vars + 1, sizeof *m->var);
    m->var = items;
    m->var[m->vars] = v;
    table_add(m, v);
    m->vars++;
    return v;
}

const char *graph_name(enum graph_kind kind)
{
    static const char *const names[] = { "train",  "apply",       "eval",         "infer", "prepare",
                                         "totals", "eval_totals", "infer_totals", "body" };

    return names[kind];
}

enum graph_kind graph_totals(enum graph_kind kind)
{
    switch (kind) {
    case GRAPH_TRAIN: return GRAPH_TOTALS;
    case GRAPH_EVAL: return GRAPH_EVAL_TOTALS;
    case GRAPH_INFER: return GRAPH_INFER_TOTALS;
    default: return GRAPH_KINDS;
    }
}

const char *role_name(enum role role)
{
    static const char *const names[] = { "input",     "target", "param",    "frozen", "state", "grad",
                                         "optimizer", "step",   "prepared", "range",  "total", "first" };

    return names[role];
}

/* ---- graphs and values ---- */

struct graph *graph_new(struct module *m, enum graph_kind kind)
{
    struct graph *g = NEW(m->arena, struct graph);

    g->kind = kind;
    g->module = m;
    g->arena_bytes = -1;
    if (kind != GRAPH_BODY)
        m->graph[kind] = g;
    return g;
}

const struct graph *graph_top(const struct graph *g)
{
    while (g->owner)
        g = g->owner->graph;
    return g;
}

int64_t graph_parts(const struct graph *g)
{
    int64_t batch = g->module->batch, part = graph_samples(g);

    return (batch + part - 1) / part;
}

int64_t graph_samples(const struct graph *g)
{
    const struct graph *top = graph_top(g);

    return top->part ? top->part : g->module->batch;
}

static struct value *value_new(struct graph *g, struct type type, struct node *def, int index)
{
    struct value *v = NEW(g->module->arena, struct value);

    v->type = type;
    v->graph = g;
    v->def = def;
    v->index = index;
    v->offset = -1;
    return v;
}

struct value *graph_var(struct graph *g, struct var *var)
{
    if (g->kind == GRAPH_BODY)
        bug("a body reads the variable %s", var->name);
    if (var->value && var->value->graph == g)
        return var->value;
    for (int i = 0; i < g->var_values; i++)
        if (g->var_value[i]->var == var)
            return var->value = g->var_value[i];

    struct value *v = value_new(g, var->type, NULL, 0);
    v->var = var;
    void *items = g->var_value;
    arena_grow(g->module->arena, &items, &g->var_capacity, (size_t)g->var_values + 1, sizeof *g->var_value);
    g->var_value = items;
    g->var_value[g->var_values++] = v;
    return var->value = v;
}

struct value *graph_param(struct graph *body, struct type type, const char *called)
{
    if (body->kind != GRAPH_BODY)
        bug("graph %s has no parameters", graph_name(body->kind));

    struct value *v = value_new(body, type, NULL, body->params);
    v->name = called ? name(body->module->names, called) : NULL;
    void *items = body->param;
    arena_grow(body->module->arena, &items, &body->param_capacity, (size_t)body->params + 1, sizeof *body->param);
    body->param = items;
    body->param[body->params++] = v;
    return v;
}

/* ---- uses ---- */

static void use_link(struct use *u, struct node *user, int index, struct value *v)
{
    u->value = v;
    u->user = user;
    u->index = index;
    u->next = v->uses;
    u->link = &v->uses;
    if (u->next)
        u->next->link = &u->next;
    v->uses = u;
}

static void use_unlink(struct use *u)
{
    *u->link = u->next;
    if (u->next)
        u->next->link = u->link;
    *u = (struct use){ 0 };
}

/* The use at `from` goes to `to` and becomes operand `index` of its user; its place in the list stays. */
static void use_move(struct use *to, struct use *from, int index)
{
    *to = *from;
    to->index = index;
    *to->link = to;
    if (to->next)
        to->next->link = &to->next;
    *from = (struct use){ 0 };
}

static size_t room_for(int count)
{
    size_t room = 1;

    while (room < (size_t)count)
        room *= 2;
    return room;
}

/* An array of `count` elements is full when count is a power of two (or 0). */
static bool is_full(int count)
{
    return (count & (count - 1)) == 0;
}

/* graph->yield repeats the operands of the yield node, for whoever only reads. */
static void keep_yields(struct node *n)
{
    struct graph *g = n->graph;

    if (n != g->yield_node)
        return;
    if (n->operands > g->yields)
        g->yield = NEW_ARRAY(g->module->arena, room_for(n->operands), struct value *);
    g->yields = n->operands;
    for (int i = 0; i < n->operands; i++)
        g->yield[i] = n->operand[i].value;
}

void node_set_operand(struct node *n, int index, struct value *v)
{
    if (index < 0 || index >= n->operands)
        bug("%s has no operand %d", op_info(n->op)->name, index);
    use_unlink(&n->operand[index]);
    use_link(&n->operand[index], n, index, v);
    keep_yields(n);
}

void node_add_operand(struct node *n, struct value *v)
{
    if (is_full(n->operands)) {
        struct use *grown = NEW_ARRAY(n->graph->module->arena, room_for(n->operands + 1), struct use);
        for (int i = 0; i < n->operands; i++)
            use_move(&grown[i], &n->operand[i], i);
        n->operand = grown;
    }
    use_link(&n->operand[n->operands], n, n->operands, v);
    n->operands++;
    keep_yields(n);
}

void node_drop_operand(struct node *n, int index)
{
    if (index < 0 || index >= n->operands)
        bug("%s has no operand %d", op_info(n->op)->name, index);
    use_unlink(&n->operand[index]);
    n->operands--;
    for (int i = index; i < n->operands; i++)
        use_move(&n->operand[i], &n->operand[i + 1], i);
    keep_yields(n);
}

struct value *operand(const struct node *n, int index)
{
    if (index < 0 || index >= n->operands)
        bug("%s has no operand %d", op_info(n->op)->name, index);
    return n->operand[index].value;
}

void value_replace(struct value *old, struct value *with)
{
    if (old == with)
        return;
    while (old->uses)
        node_set_operand(old->uses->user, old->uses->index, with);
}

bool value_used(const struct value *v)
{
    return v->uses != NULL;
}

int value_use_count(const struct value *v)
{
    int count = 0;

    for (const struct use *u = v->uses; u; u = u->next)
        count++;
    return count;
}

void graph_yield(struct graph *body, struct value *const *values, int count)
{
    if (body->kind != GRAPH_BODY)
        bug("graph %s yields nothing", graph_name(body->kind));
    if (!body->yield_node) {
        body->yield_node = NEW(body->module->arena, struct node);
        body->yield_node->op = OP_COUNT;
        body->yield_node->graph = body;
        body->yield_node->layer = "";
    }

    struct node *n = body->yield_node;
    struct value **kept = arena_copy(body->module->arena, values, (size_t)count * sizeof *values);
    while (n->operands)
        node_drop_operand(n, n->operands - 1);
    for (int i = 0; i < count; i++)
        node_add_operand(n, kept[i]);
}

/* ---- operations ---- */

static void list_insert(struct node *n, struct node *before)
{
    struct graph *g = n->graph;

    n->next = before;
    n->previous = before ? before->previous : g->last;
    *(n->previous ? &n->previous->next : &g->first) = n;
    *(before ? &before->previous : &g->last) = n;
}

static void list_remove(struct node *n)
{
    struct graph *g = n->graph;

    *(n->previous ? &n->previous->next : &g->first) = n->next;
    *(n->next ? &n->next->previous : &g->last) = n->previous;
    n->next = n->previous = NULL;
}

/* Attributes own what they point to: lists are copied, words and names interned. */
static struct attr attr_copy(struct module *m, struct attr a)
{
    a.name = name(m->names, a.name);
    if (a.kind == AT_WORD)
        a.word = name(m->names, a.word);
    else if (a.kind == AT_INTS)
        a.ints = arena_copy(m->arena, a.ints, (size_t)a.count * sizeof *a.ints);
    else if (a.kind == AT_DIMS)
        a.dims = arena_copy(m->arena, a.dims, (size_t)a.count * sizeof *a.dims);
    return a;
}

struct node *node_new(struct graph *g, struct node *before, enum op op, struct value *const *operands, int count,
                      const struct attr *attrs, int attr_count, int results)
{
    struct arena *a = g->module->arena;
    struct node *n = NEW(a, struct node);

    n->op = op;
    n->graph = g;
    n->layer = "";
    n->operands = count;
    n->operand = count ? NEW_ARRAY(a, room_for(count), struct use) : NULL;
    for (int i = 0; i < count; i++)
        use_link(&n->operand[i], n, i, operands[i]);
    n->attrs = attr_count;
    n->attr = NEW_ARRAY(a, attr_count, struct attr);
    for (int i = 0; i < attr_count; i++)
        n->attr[i] = attr_copy(g->module, attrs[i]);
    for (int i = 0; i < results; i++)
        node_add_result(n, type_poison());
    list_insert(n, before);
    return n;
}

struct value *node_add_result(struct node *n, struct type type)
{
    if (is_full(n->results)) {
        struct value **grown = NEW_ARRAY(n->graph->module->arena, room_for(n->results + 1), struct value *);
        for (int i = 0; i < n->results; i++)
            grown[i] = n->result[i];
        n->result = grown;
    }
    struct value *v = value_new(n->graph, type, n, n->results);
    n->result[n->results++] = v;
    return v;
}

void node_add_body(struct node *n, struct graph *body)
{
    if (n->bodies == MAX_BODIES || body->owner)
        bug("%s cannot take this body", op_info(n->op)->name);
    body->owner = n;
    n->body[n->bodies++] = body;
}

void node_remove(struct node *n)
{
    for (int i = 0; i < n->results; i++)
        if (value_used(n->result[i]))
            bug("%s is removed, but its result %d is read", op_info(n->op)->name, i);
    while (n->operands)
        node_drop_operand(n, n->operands - 1);
    list_remove(n);
}

void node_move(struct node *n, struct node *before)
{
    if (n == before)
        return;
    list_remove(n);
    list_insert(n, before);
}

/* ---- attributes ---- */

static const struct attr *attr_find(const struct node *n, const char *called)
{
    for (int i = 0; i < n->attrs; i++)
        if (!strcmp(n->attr[i].name, called))
            return &n->attr[i];
    return NULL;
}

const struct attr *node_attr(const struct node *n, const char *called)
{
    const struct attr *a = attr_find(n, called);

    if (!a)
        bug("%s has no attribute '%s'", op_info(n->op)->name, called);
    return a;
}

static const struct attr *attr_of_kind(const struct node *n, const char *called, enum attr_kind kind)
{
    const struct attr *a = node_attr(n, called);

    if (a->kind != kind)
        bug("attribute '%s' of %s is of another kind", called, op_info(n->op)->name);
    return a;
}

int64_t attr_int(const struct node *n, const char *called)
{
    return attr_of_kind(n, called, AT_INT)->i;
}

double attr_real(const struct node *n, const char *called)
{
    return attr_of_kind(n, called, AT_REAL)->real;
}

bool attr_bool(const struct node *n, const char *called)
{
    return attr_of_kind(n, called, AT_BOOL)->flag;
}

const char *attr_word(const struct node *n, const char *called)
{
    return attr_of_kind(n, called, AT_WORD)->word;
}

const int64_t *attr_ints(const struct node *n, const char *called, int *count)
{
    const struct attr *a = attr_of_kind(n, called, AT_INTS);

    if (count)
        *count = a->count;
    return a->ints;
}

const struct dim *attr_dims(const struct node *n, const char *called, int *count)
{
    const struct attr *a = attr_of_kind(n, called, AT_DIMS);

    if (count)
        *count = a->count;
    return a->dims;
}

/* Reals are compared by their bits: -0 is not 0, and a NaN is itself. */
bool attr_equal(const struct attr *a, const struct attr *b)
{
    if (a->kind != b->kind || strcmp(a->name, b->name))
        return false;
    switch (a->kind) {
    case AT_INT: return a->i == b->i;
    case AT_REAL: return !memcmp(&a->real, &b->real, sizeof a->real);
    case AT_BOOL: return a->flag == b->flag;
    case AT_WORD: return !strcmp(a->word, b->word);
    case AT_INTS:
        return a->count == b->count && (!a->count || !memcmp(a->ints, b->ints, (size_t)a->count * sizeof *a->ints));
    case AT_DIMS:
        for (int i = 0; i < a->count && i < b->count; i++)
            if (!dim_equal(a->dims[i], b->dims[i]))
                return false;
        return a->count == b->count;
    }
    return false;
}

/* ---- copies ---- */

/* What a value of `from` is in `to`: what value->data says, or the same variable. */
static struct value *counterpart(const struct value *v, struct graph *to)
{
    if (v->data)
        return v->data;
    if (!v->var)
        bug("a value is read outside of what is copied");
    return graph_var(to, v->var);
}

struct node *node_copy(const struct node *n, struct graph *to, struct node *before)
{
    struct value **operands = NEW_ARRAY(to->module->arena, n->operands, struct value *);

    for (int i = 0; i < n->operands; i++)
        operands[i] = counterpart(operand(n, i), to);
    struct node *copy = node_new(to, before, n->op, operands, n->operands, n->attr, n->attrs, 0);
    copy->at = n->at;
    copy->layer = n->layer;
    for (int i = 0; i < n->bodies; i++)
        node_add_body(copy, graph_copy(n->body[i]));
    for (int i = 0; i < n->results; i++) {
        struct value *v = node_add_result(copy, n->result[i]->type);
        v->name = n->result[i]->name;
        n->result[i]->data = v;
    }
    return copy;
}

void graph_copy_into(struct graph *from, struct graph *to, struct node *before)
{
    struct node *last = from->last;

    for (struct node *n = from->first; n; n = n->next) {
        node_copy(n, to, before);
        if (n == last) /* from may be `to`: what was copied is not copied again */
            break;
    }
}

struct graph *graph_copy(struct graph *from)
{
    struct graph *to = graph_new(from->module, GRAPH_BODY);

    if (from->kind != GRAPH_BODY)
        bug("graph %s is copied as if it were a body", graph_name(from->kind));
    for (int i = 0; i < from->params; i++)
        from->param[i]->data = graph_param(to, from->param[i]->type, from->param[i]->name);
    graph_copy_into(from, to, NULL);

    struct value **yields = NEW_ARRAY(to->module->arena, from->yields, struct value *);
    for (int i = 0; i < from->yields; i++)
        yields[i] = counterpart(from->yield[i], to);
    graph_yield(to, yields, from->yields);
    return to;
}

/* ---- the backward part ---- */

int graph_number(const struct graph *g)
{
    int id = 0, last = -1;

    for (struct node *n = g->first; n; n = n->next)
        n->id = id++;
    for (const struct node *n = g->first; n; n = n->next) {
        const struct node *def = n->op == OP_loss ? operand(n, 0)->def : NULL;
        last = def && def->id > last ? def->id : last;
    }
    return last;
}

struct node *value_read_behind(const struct value *v, int last)
{
    struct node *first = NULL;

    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user->graph == v->graph && u->user->id > last && (!first || u->user->id < first->id))
            first = u->user;
    return first;
}

/* ---- constants ---- */

static bool constant_cast(double x, enum dtype to, double *out)
{
    if (to == DT_I32 && !(x > -2147483649.0 && x < 2147483648.0))
        return false;
    if (to == DT_U8 && !(x > -1 && x < 256))
        return false;
    *out = to == DT_BOOL ? x != 0 : to == DT_REAL ? x : trunc(x);
    return true;
}

bool node_reads_samples(const struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        if (shape_batches(operand(n, i)->type))
            return true;
    return false;
}

enum { MAX_CASTS = 8 };

bool value_constant(const struct value *v, double *out)
{
    enum dtype cast[MAX_CASTS]; /* on the way to the constant, the outermost first */
    int casts = 0;
    const struct node *n = v->def;

    for (; n && (n->op == OP_broadcast || n->op == OP_reshape || n->op == OP_cast); n = operand(n, 0)->def) {
        if (n->op != OP_cast)
            continue;
        if (casts == MAX_CASTS)
            return false;
        cast[casts++] = n->result[0]->type.dtype;
    }
    if (!n || n->op != OP_constant)
        return false;
    *out = attr_real(n, "value");
    while (casts > 0)
        if (!constant_cast(*out, cast[--casts], out))
            return false;
    return true;
}
