/* frontend/stmt.c: statements of blocks, bodies and nets. */
#include <ctype.h>
#include <string.h>

#include "frontend/elab.h"

static struct graph *top_graph(const struct elab *e)
{
    static const enum graph_kind kinds[] = { GRAPH_TRAIN, GRAPH_EVAL, GRAPH_INFER };
    return e->m->graph[kinds[e->mode]];
}

static void statement(struct elab *e, const struct ast *s);

void run_statements(struct elab *e, const struct ast *block)
{
    for (int i = 0; i < block->items && !e->returned && !diag_full(e->diag) && !e->too_large; i++) {
        statement(e, block->item[i]);
        if (block->item[i]->kind == A_RETURN && e->returned && i + 1 < block->items)
            error_at(e, block->item[i + 1]->at, "nothing behind `return` is reached");
    }
}

/* ---- binding ---- */

static const char *target_name(struct elab *e, const struct ast *t)
{
    if (t->kind == A_NAME)
        return t->text;
    struct val i = eval(e, t->b);
    const char *base = target_name(e, t->a);
    if (i.kind == V_INT && base)
        return name_printf(e->names, "%s.%lld", base, (long long)i.i);
    if (i.kind != V_POISON)
        error_at(e, t->b->at, "the index of a name that is bound is an integer, not %s", describe(e, &i));
    return NULL;
}

static void name_value(const struct val *v, const char *to)
{
    if (v->kind == V_TENSOR && !v->tensor->var && !v->tensor->name)
        v->tensor->name = to;
}

static void bind_target(struct elab *e, const struct ast *t, struct val v)
{
    const char *to = target_name(e, t);
    if (!to)
        return;
    name_value(&v, to);
    bind(e, to, v);
    e->env->first->at = t->at;
}

static void bind_poison(struct elab *e, const struct ast *s)
{
    for (int i = 0; i < s->items; i++)
        bind_target(e, s->item[i], v_poison());
}

/* As many names as there would be parts, were the number their size, as in PyTorch's split: the first parts alone. */
static void warn_of_parts(struct elab *e, const struct ast *s, const struct val *v)
{
    const struct node *n =
        v->text && !strcmp(v->text, "split") && v->i && v->item[0].kind == V_TENSOR ? v->item[0].tensor->def : NULL;
    if (!n || n->op != OP_slice || v->items == s->items)
        return;
    long long axis = (long long)attr_int(n, "axis");
    for (int i = 0; i < v->items; i++)
        if (v->item[i].tensor->type.dim[axis].k != s->items)
            return;
    diag_warning_hint(
        e->diag, s->item[0]->at,
        arena_printf(e->arena, "%d parts of %d are split(x, %d, %lld)", s->items, v->items, s->items, axis),
        "split makes %d parts of %d, and %d names take the first of them", v->items, s->items, s->items);
}

/* The name that is called last. */
static const char *callee_name(const struct ast *x)
{
    x = x->kind == A_CHAIN ? x->b : x;
    x = x->kind == A_CALL ? x->a : x;
    return x->kind == A_NAME ? x->text : "";
}

/* The statement with as many names as there are values. */
static const char *fewer_names(struct elab *e, const struct ast *s, int values)
{
    struct text t = text_make(e->arena);
    bool said = values > 0;

    text_puts(&t, values == 1 ? "it gives one value: " : arena_printf(e->arena, "it gives %d values: ", values));
    for (int i = 0; i < values && said; i++) {
        text_puts(&t, i ? ", " : "");
        said = say(e, &t, s->item[i]);
    }
    text_puts(&t, " = ");
    return said && say(e, &t, s->a) ? text_string(&t) : NULL;
}

static void too_many_names(struct elab *e, const struct ast *s, const struct val *v)
{
    const char *callee = callee_name(s->a);
    const char *hint = !strcmp(callee, "max") ? "max(x, axes = 1) gives the largest, argmax(x, 1) their places"
                       : !strcmp(callee, "min")
                           ? "min(x, axes = 1) gives the smallest, argmax(-x, 1) their places"
                           : fewer_names(e, s, v->kind == V_TUPLE || v->kind == V_LIST ? v->items : 1);
    error_hint(e, place_of(e, s->item[0]), NULL, NULL, hint, "%d names for %s", s->items, describe(e, v));
}

static void run_bind(struct elab *e, const struct ast *s)
{
    const char *to = s->items == 1 ? target_name(e, s->item[0]) : NULL;
    int effects = e->effects;
    struct val v = eval_named(e, s->a, to);
    if (v.kind == V_POISON) {
        bind_poison(e, s);
        return;
    }
    if (!s->items) {
        if (v.kind != V_TENSOR && v.kind != V_TUPLE && v.kind != V_NONE)
            error_at(e, place_of(e, s), "this statement does nothing: is a name missing before it, as in `a = ...`?");
        else if (v.kind != V_NONE && e->mode == MODE_TRAIN && e->effects == effects && !e->in_library)
            diag_warning(e->diag, s->a->at, "nothing reads this value: is a name missing before it, as in `a = ...`?");
        return;
    }
    if (s->items == 1) {
        bind_target(e, s->item[0], v.kind == V_TUPLE && v.items ? v.item[0] : v);
        return;
    }
    if ((v.kind != V_TUPLE && v.kind != V_LIST) || v.items < s->items) {
        too_many_names(e, s, &v);
        bind_poison(e, s);
        return;
    }
    warn_of_parts(e, s, &v);
    for (int i = 0; i < s->items; i++)
        bind_target(e, s->item[i], v.item[i]);
}

/* ---- parameters and states ---- */

static bool variable_allowed(struct elab *e, const struct ast *s, const char *what)
{
    if (e->body && e->body->kind == BODY_SCAN && e->depth == e->yields_depth) {
        error_at(e, place_of(e, s), "`%s %s` stands before the scan: all steps share it", what, s->text);
        return false;
    }
    for (const struct body *b = e->body; b; b = b->outer)
        if (b->kind != BODY_SCAN || !strcmp(what, "state")) {
            error_at(e, place_of(e, s),
                     b->kind == BODY_SCAN ? "a layer with states cannot be applied inside a scan (state '%s')"
                                          : "a block with a backward of its own declares no parameters ('%s')",
                     s->text);
            return false;
        }
    if (e->instance->clash) {
        error_at(
            e, e->instance->at,
            "two layers would both be called '%s', and their parameters with them: give them names apart, as in `%s[i] = ...`",
            e->instance->path, e->instance->own);
        return false;
    }
    return true;
}

static const char *variable_path(struct elab *e, const char *own)
{
    return *e->instance->path ? name_printf(e->names, "%s.%s", e->instance->path, own) : own;
}

/* A parameter's name in weight files: its own, or what the string behind it says. NULL after an error. */
static const char *saved_name(struct elab *e, const struct ast *s)
{
    if (!s->c)
        return s->text;
    struct val v = eval(e, s->c);
    if (v.kind != V_STRING)
        return NULL;
    const char *c = v.text;
    while (isalnum((unsigned char)*c) || *c == '_')
        c++;
    if (!*c && *v.text && !isdigit((unsigned char)*v.text))
        return v.text;
    error_at(e, place_of(e, s->c), "a parameter's name has letters, digits and '_', as any name: not \"%.40s\"",
             v.text);
    return NULL;
}

/* The variable of that path: made by the first evaluation, found by later ones and by further applications. */
static struct var *variable(struct elab *e, const struct ast *s, const char *path, enum role role, struct type t,
                            const struct init *init)
{
    struct var *v = module_find(e->m, path);
    if (!v) {
        v = module_var(e->m, path, role, t);
        v->init = *init;
        v->at = place_of(e, s);
        v->data = e->instance;
        return v;
    }
    bool argument = v->role == ROLE_INPUT || v->role == ROLE_TARGET;
    if (argument || (v->data != e->instance && v->data)) {
        error_at(e, place_of(e, s), "'%s' is the path of two things: give the layers names apart, as in `fc[i] = ...`",
                 path);
        return NULL;
    }
    if (!type_equal(v->type, t)) {
        error_hint(e, place_of(e, s), type_text(e->arena, v->type, e->m->f64), type_text(e->arena, t, e->m->f64), NULL,
                   "'%s' is %s here, but was %s where the layer was applied first", path,
                   type_text(e->arena, t, e->m->f64), type_text(e->arena, v->type, e->m->f64));
        return NULL;
    }
    return v;
}

/* Whether this application of the block has declared that path already; from now on it has. */
static bool declared_here(struct elab *e, const char *path)
{
    for (const struct declared *d = e->instance->declared; d; d = d->next)
        if (d->path == path)
            return true;
    struct declared *d = NEW(e->arena, struct declared);
    *d = (struct declared){ path, e->instance->declared };
    e->instance->declared = d;
    return false;
}

/* The declaration without the axes of the batch. */
static const char *for_all_samples(struct elab *e, const struct ast *s, struct type t)
{
    struct type one = t;

    one.rank = 0;
    for (int i = 0; i < t.rank; i++)
        if (!t.dim[i].n)
            one.dim[one.rank++] = t.dim[i];
    return arena_printf(e->arena, "one for all samples: `%s : %s`", s->text, type_text(e->arena, one, e->m->f64));
}

/* NULL after an error. What its type and its initialiser read is what was bound before. */
static struct var *declare_variable(struct elab *e, const struct ast *s, enum role role)
{
    struct type t;
    struct init init;
    const char *own = saved_name(e, s), *path = own ? variable_path(e, own) : NULL;
    bool twice = path && declared_here(e, path);
    if (twice)
        error_at(e, place_of(e, s), "'%s' is declared twice", own);
    if (twice || !path)
        return NULL;
    if (!variable_allowed(e, s, role == ROLE_STATE ? "state" : "param") || !eval_type(e, s->b, &t))
        return NULL;
    if (shape_batches(t)) {
        error_hint(e, place_of(e, s), NULL, NULL, e->in_library ? NULL : for_all_samples(e, s, t),
                   "'%s' cannot depend on the batch dimension", own);
        if (e->in_library) { /* the rest of the layer would only complain of the same */
            e->returned = true;
            e->result = v_poison();
        }
        return NULL;
    }
    bool places = e->in_library && role == ROLE_STATE && t.dtype == DT_I32;
    if (t.dtype != DT_REAL && !places) {
        error_at(e, place_of(e, s), "'%s' must be f32, not %s", own, type_text(e->arena, t, e->m->f64));
        return NULL;
    }
    if (!s->a) {
        error_at(e, place_of(e, s), "'%s' needs an initialiser, as in `%s : ... = zeros`", s->text, s->text);
        return NULL;
    }
    struct val i = eval_init(e, s->a);
    if (i.kind != V_INIT || !resolve_init(e, i.init, t, place_of(e, s->a), &init))
        return NULL;
    return variable(e, s, path, role, t, &init);
}

static void run_variable(struct elab *e, const struct ast *s, enum role role)
{
    struct var *v = declare_variable(e, s, role);
    bind(e, s->text, v ? v_tensor(graph_var(top_graph(e), v)) : v_poison());
}

/* Reads in the same pass see the old value; the right-hand side of a later update of the same state the new one. */
static void run_update(struct elab *e, const struct ast *s)
{
    const struct val *old = look_up(e, s->text, false);
    struct var *v = module_find(e->m, variable_path(e, s->text));
    if (!v || v->role != ROLE_STATE) {
        if (!old || old->kind != V_POISON)
            error_at(e, place_of(e, s), "'%s' is no state of this block: `update` changes a `state`", s->text);
        return;
    }
    if (e->body) {
        error_at(
            e, place_of(e, s),
            "`update` cannot stand in a scan or in a block with a backward of its own: carry '%s', and update it after",
            s->text);
        return;
    }
    if (e->mode != MODE_TRAIN)
        return;
    e->effects++;
    struct graph *g = top_graph(e);
    struct node *before = NULL;
    for (struct node *n = g->first; n; n = n->next)
        if (n->op == OP_assign && operand(n, 0)->var == v)
            before = n;
    struct env *env = e->env;
    if (before) {
        e->env = env_new(e, env);
        bind(e, s->text, v_tensor(operand(before, 1)));
    }
    struct val x = eval(e, s->a);
    e->env = env;
    if (x.kind == V_POISON)
        return;
    struct value *t = tensor_of(e, &x, place_of(e, s), "update", DT_REAL);
    if (!t)
        return;
    struct build b = builder(e);
    if (t->type.rank < v->type.rank && t->type.dtype == DT_REAL)
        t = build_broadcast(&b, t, v->type.dim, v->type.rank);
    if (is_poison(t))
        return;
    if (!type_equal(t->type, v->type)) {
        error_hint(e, place_of(e, s), shape_text(e->arena, v->type), shape_text(e->arena, t->type), NULL,
                   "state '%s' is %s, but its update is %s", s->text, type_text(e->arena, v->type, e->m->f64),
                   type_text(e->arena, t->type, e->m->f64));
        return;
    }
    if (before)
        node_remove(before);
    build_write(&b, OP_assign, v, t);
}

/* ---- control ---- */

static bool condition(struct elab *e, const struct ast *s, bool *holds)
{
    struct val c = eval(e, s->a);
    if (c.kind == V_POISON)
        return false;
    if (c.kind != V_BOOL) {
        error_at(e, place_of(e, s->a), "a condition is true or false, known at compile time, not %s%s", describe(e, &c),
                 c.kind == V_TENSOR ? ": where(cond, a, b) chooses by tensors" : "");
        return false;
    }
    *holds = c.i;
    return true;
}

static const char *base_name(const struct ast *t)
{
    while (t->kind == A_INDEX)
        t = t->a;
    return t->text;
}

/* What a branch would bind, where nobody knows whether it is taken, and a loop that came to no end. */
static void bind_poison_within(struct elab *e, const struct ast *block)
{
    for (int i = 0; block && i < block->items; i++) {
        const struct ast *s = block->item[i];
        if (s->kind == A_PARAM || s->kind == A_FROZEN || s->kind == A_STATE || (s->kind == A_OUTPUT && s->a))
            bind(e, s->text, v_poison());
        for (int k = 0; s->kind == A_BIND && k < s->items; k++)
            bind(e, base_name(s->item[k]), v_poison());
        if (s->kind == A_IF || s->kind == A_FOR) {
            bind_poison_within(e, s->b);
            bind_poison_within(e, s->c);
        }
    }
}

static bool binds(const struct ast *s, const char *wanted)
{
    for (int i = 0; s->kind == A_BIND && i < s->items; i++)
        if (base_name(s->item[i]) == wanted)
            return true;
    bool declares = s->kind == A_PARAM || s->kind == A_FROZEN || s->kind == A_STATE || s->kind == A_INPUT ||
                    s->kind == A_TARGET || (s->kind == A_OUTPUT && s->a);
    return declares && s->text == wanted;
}

/* The first line below this one in which statements bind the name; 0: in none. */
static int line_of_binding(const struct ast *block, const char *wanted, int above)
{
    int line = 0;
    for (int i = 0; block && i < block->items && !line; i++) {
        const struct ast *s = block->item[i];
        bool branches = s->kind == A_IF || s->kind == A_FOR;
        line = s->at.line > above && binds(s, wanted) ? s->at.line : 0;
        if (branches && !(line = line_of_binding(s->b, wanted, above)))
            line = line_of_binding(s->c, wanted, above);
    }
    return line;
}

const char *bound_later(struct elab *e, const struct ast *x)
{
    int line = e->in_library ? 0 : line_of_binding(e->within, x->text, x->at.line);
    return line ? arena_printf(e->arena, "'%s' is bound only in line %d", x->text, line) : NULL;
}

static void run_if(struct elab *e, const struct ast *s)
{
    bool holds;
    if (!condition(e, s, &holds)) {
        bind_poison_within(e, s->b);
        bind_poison_within(e, s->c);
        return;
    }
    if (holds)
        run_statements(e, s->b);
    else if (s->c)
        run_statements(e, s->c);
}

/* value: what the name is bound to, said of what is found here; NULL in the first round, where that is no matter of rounds. */
static void run_round(struct elab *e, const struct ast *s, const struct val *value)
{
    bool said = value && !e->in_library;
    const char *is = !said ? NULL : is_number(value) ? val_text(e, value) : describe(e, value);
    if (said)
        diag_enter(e->diag, s->at, arena_printf(e->arena, "where %s is %s", s->text, is));
    run_statements(e, s->b);
    if (said)
        diag_leave(e->diag);
}

/* range(3) and range(1, 3) of Python. */
static const char *range_hint(struct elab *e, const struct ast *x)
{
    struct text t = text_make(e->arena);
    bool range = x->kind == A_CALL && x->a->kind == A_NAME && !strcmp(x->a->text, "range") && x->items && x->items <= 2;

    text_puts(&t, "a range is ");
    bool said = range && (x->items == 1 || say_operand(e, &t, x->item[0]));
    text_puts(&t, said && x->items == 1 ? "0" : "");
    text_puts(&t, "..");
    said = said && say_operand(e, &t, x->item[x->items - 1]);
    return said ? text_string(&t) : "a range is 0..4, without its end";
}

static void run_for(struct elab *e, const struct ast *s)
{
    struct val over = eval(e, s->a);
    int before = diag_said(e->diag);
    if (over.kind != V_LIST && over.kind != V_POISON)
        error_hint(e, place_of(e, s->a), NULL, NULL, range_hint(e, s->a), "`for` walks a range or a list, not %s",
                   describe(e, &over));
    if (over.kind != V_LIST) {
        bind_poison_within(e, s->b);
        return;
    }
    for (int i = 0; i < over.items && !e->returned && diag_said(e->diag) == before && !e->too_large; i++) {
        if (++e->iterations > MAX_ITERATIONS) {
            error_at(e, s->at, "blocks are applied and loops run more than %d times", MAX_ITERATIONS);
            e->too_large = true;
            return;
        }
        bind(e, s->text, over.item[i]);
        run_round(e, s, i ? &over.item[i] : NULL);
    }
    if (diag_said(e->diag) > before)
        bind_poison_within(e, s->b); /* each round would only complain of the same */
}

static void run_return(struct elab *e, const struct ast *s)
{
    struct val v = v_list(e, s->items);
    v.kind = V_TUPLE;
    for (int i = 0; i < s->items; i++) {
        v.item[i] = eval(e, s->item[i]);
        if (v.item[i].kind == V_POISON)
            v.kind = V_POISON;
    }
    e->result = s->items == 1 ? v.item[0] : v;
    e->returned = true;
}

static void run_yield(struct elab *e, const struct ast *s)
{
    if (!e->body || e->body->kind != BODY_SCAN || !e->yields || e->depth != e->yields_depth) {
        error_at(e, s->at, "`yield` belongs to the body of a scan");
        return;
    }
    int before = e->yields->kind == V_TUPLE ? e->yields->items : 0;
    struct val v = v_list(e, before + s->items);
    v.kind = V_TUPLE;
    for (int i = 0; i < before; i++)
        v.item[i] = e->yields->item[i];
    for (int i = 0; i < s->items; i++)
        v.item[before + i] = eval(e, s->item[i]);
    *e->yields = v;
}

/* ---- what only a net has ---- */

static void run_batch(struct elab *e, const struct ast *s)
{
    static const char most[] = "it is the most samples of a call, as in batch N = 32;";
    bool none = s->a->kind == A_NAME && spelt_alike(s->a->text, "none") && !look_up(e, s->a->text, false);
    struct val v = none ? v_none() : eval(e, s->a);
    if (e->batch_seen)
        error_at(e, s->at, "the batch dimension is declared twice");
    e->batch_seen = true;
    e->batch_name = s->text;
    if (v.kind != V_POISON && (v.kind != V_INT || v.i < 1 || v.i > INT32_MAX))
        error_hint(e, s->a->at, NULL, NULL, v.kind == V_NONE || v.kind == V_INT ? most : NULL,
                   "the batch capacity is an integer from 1 to %d, not %s", INT32_MAX, describe(e, &v));
    else if (v.kind == V_INT)
        e->m->batch = e->o->batch ? e->o->batch : v.i;
    bind(e, s->text, (struct val){ .kind = V_DIM, .dim = dim_batch(1) });
}

/* Where it was declared first. */
static const char *first_at(struct elab *e, struct place at)
{
    return arena_printf(e->arena, "first at %s:%d:%d", at.file, at.line, at.column);
}

/* The type with N before the dimensions from this one on. */
static const char *led_by_batch(struct elab *e, const struct ast *s, const struct type *t, int from)
{
    struct text text = text_make(e->arena);
    text_add(&text, "%s[%s", s->b->text, e->batch_name ? e->batch_name : "N");
    for (int i = from; i < t->rank; i++)
        if (!t->dim[i].n)
            text_add(&text, ", %lld", (long long)t->dim[i].k);
    text_puts(&text, "]");
    return text_string(&text);
}

/* The type of an input or a target that N does not lead, with it. */
static const char *port_type(struct elab *e, const struct ast *s, const struct type *t)
{
    bool counted = t->rank && e->batch_name && t->dim[0].k == e->m->batch;
    bool labels = t->rank == 1 && s->kind == A_TARGET && t->dtype == DT_I32;
    const char *whole = led_by_batch(e, s, t, 0);
    if (shape_batches(*t) || !t->rank || (t->rank == 1 && !counted && !labels))
        return whole;
    const char *fewer = led_by_batch(e, s, t, 1);
    if (counted)
        return fewer;
    return labels ? arena_printf(e->arena, "%s where each sample has one, else %s", fewer, whole)
                  : arena_printf(e->arena, "%s where %lld counts the samples, else %s", fewer, (long long)t->dim[0].k,
                                 whole);
}

/* How an input or a target is declared that N does not lead. */
static const char *port_hint(struct elab *e, const struct ast *s, const struct type *t)
{
    const char *type = port_type(e, s, t);
    return e->batch_name
               ? arena_printf(e->arena, "it is %s", type)
               : arena_printf(e->arena, "the batch dimension is declared first, batch N = 32; and then it is %s", type);
}

/* `none`, -1 or a name of another language in the place of N: says so. */
static bool led_otherwise(struct elab *e, const struct ast *s, enum role role)
{
    const struct ast *first = s->b->items ? s->b->item[0] : NULL;
    bool otherwise = first && (first->kind == A_NONE || (first->kind == A_UNARY && first->a->kind == A_INT) ||
                               (first->kind == A_NAME && first->text != e->batch_name && strcmp(first->text, "N") &&
                                !look_up(e, first->text, false)));
    if (!otherwise || !e->batch_name)
        return false;
    error_hint(e, first->at, NULL, NULL, arena_printf(e->arena, "the batch dimension is called '%s'", e->batch_name),
               "%s '%s' must lead with the batch dimension", role_name(role), s->text);
    return true;
}

static void run_port(struct elab *e, const struct ast *s, enum role role)
{
    struct type t;
    bool known = !led_otherwise(e, s, role) && eval_type(e, s->b, &t); /* by what was bound before */
    bind(e, s->text, v_poison());
    if (!known)
        return;
    if (!t.rank || !dim_equal(t.dim[0], dim_batch(1))) {
        error_hint(e, s->b->at, NULL, NULL, port_hint(e, s, &t),
                   "%s '%s' must lead with the batch dimension N, not be %s", role_name(role), s->text,
                   type_text(e->arena, t, e->m->f64));
        return;
    }
    struct var *v = module_find(e->m, s->text);
    if (v && (v->data != s || v->role != role)) {
        error_hint(e, s->at, NULL, NULL, first_at(e, v->at), "'%s' is declared twice", s->text);
        return;
    }
    if (!v) {
        v = module_var(e->m, s->text, role, t);
        v->at = s->at;
        v->data = (void *)(uintptr_t)s;
    }
    bind(e, s->text, v_tensor(graph_var(top_graph(e), v)));
}

/* Whether there is one already; then says so, and where. */
static bool name_taken(struct elab *e, const struct ast *s, enum op op, const char *what)
{
    for (const struct node *n = top_graph(e)->first; n; n = n->next)
        if (n->op == op && !strcmp(attr_word(n, "name"), s->text)) {
            error_hint(e, s->at, NULL, NULL, first_at(e, n->at), "%s '%s' is declared twice", what, s->text);
            return true;
        }
    return false;
}

/* A value goes missing only behind an error; were it otherwise, a net would come out without what it says. */
static void missing(struct elab *e, struct place at)
{
    if (!diag_errors(e->diag))
        error_at(e, at, "this has no value, and nothing was said to be wrong with it: a fault of netc");
}

static void run_output(struct elab *e, const struct ast *s)
{
    struct val v;
    if (s->a) {
        v = eval(e, s->a);
        if (v.kind == V_TUPLE && v.items)
            v = v.item[0];
        name_value(&v, s->text);
        bind(e, s->text, v);
    } else {
        struct ast x = { .kind = A_NAME, .at = s->at, .text = s->text };
        v = eval(e, &x);
    }
    if (v.kind == V_POISON) {
        missing(e, s->at);
        return;
    }
    if (v.kind != V_TENSOR) {
        error_hint(e, s->at, "a tensor", describe(e, &v), tensor_hint(e, &v), "an output is a tensor, not %s",
                   describe(e, &v));
        return;
    }
    if (name_taken(e, s, OP_output, "output"))
        return;
    struct type t = v.tensor->type;
    if (shape_batches(t) && !t.dim[0].n) {
        error_at(e, s->at, "output '%s' depends on the batch, so N must lead it: it is %s", s->text,
                 type_text(e->arena, t, e->m->f64));
        return;
    }
    struct build b = builder(e);
    if (e->mode == MODE_INFER)
        build_effect(&b, OP_output, v.tensor, s->text);
}

static struct value *scalar(struct elab *e, const struct ast *x, const char *what, const char *called)
{
    struct val v = eval(e, x);
    if (v.kind == V_TUPLE && v.items)
        v = v.item[0];
    if (v.kind == V_POISON) {
        missing(e, x->at);
        return NULL;
    }
    struct value *t = tensor_of(e, &v, x->at, what, DT_REAL);
    if (t && !t->type.rank && t->type.dtype != DT_REAL) {
        error_at(e, place_of(e, x), "%s%s%s is real, not %s: convert with f32(...)", what, *called ? " " : "", called,
                 type_text(e->arena, t->type, e->m->f64));
        return NULL;
    }
    if (t && t->type.rank) {
        error_hint(e, place_of(e, x), "a scalar", type_text(e->arena, t->type, e->m->f64), NULL,
                   "%s%s%s must be a scalar, not %s: take its mean or its sum", what, *called ? " " : "", called,
                   type_text(e->arena, t->type, e->m->f64));
        return NULL;
    }
    return t;
}

static void run_loss(struct elab *e, const struct ast *s)
{
    if (e->mode == MODE_INFER)
        return;
    struct value *t = scalar(e, s->a, "a loss", "");
    if (!t)
        return;
    void *items = e->losses;
    arena_grow(e->arena, &items, &e->loss_capacity, (size_t)e->loss_count + 1, sizeof *e->losses);
    e->losses = items;
    e->losses[e->loss_count++] = t;
}

static void run_metric(struct elab *e, const struct ast *s)
{
    if (e->mode != MODE_EVAL)
        return;
    struct value *t = scalar(e, s->a, "metric", s->text);
    if (!t)
        return;
    if (name_taken(e, s, OP_metric, "metric"))
        return;
    struct build b = builder(e);
    build_effect(&b, OP_metric, t, s->text);
}

bool add_pattern(struct elab *e, const struct ast *x, const struct optimizer *of)
{
    struct val v = eval(e, x);
    void *items = e->pattern;
    if (v.kind != V_STRING)
        return false;
    arena_grow(e->arena, &items, &e->pattern_capacity, (size_t)e->patterns + 1, sizeof *e->pattern);
    e->pattern = items;
    e->pattern[e->patterns++] = (struct pattern){ v.text, x->at, of };
    return true;
}

/* What it names is frozen once all parameters are known: net.c. */
static void run_freeze(struct elab *e, const struct ast *s)
{
    for (int i = 0; e->mode == MODE_TRAIN && i < s->items; i++)
        add_pattern(e, s->item[i], NULL);
}

/* Of what a net returns. */
static const char *outputs_hint(struct elab *e, const struct ast *s)
{
    struct text t = text_make(e->arena);

    text_puts(&t, "it is '");
    for (int i = 0; i < s->items; i++) {
        text_puts(&t, i ? " output " : "output ");
        if (s->item[i]->kind != A_NAME)
            text_add(&t, i ? "NAME_%d = " : "NAME = ", i);
        if (!say(e, &t, s->item[i]))
            return NULL;
        text_puts(&t, ";");
    }
    text_puts(&t, "'");
    return s->items ? text_string(&t) : NULL;
}

static bool only_in_net(struct elab *e, const struct ast *s, const char *what)
{
    if (e->in_net)
        return true;
    struct text t = text_make(e->arena);
    bool output = s->kind == A_OUTPUT && !(e->body && e->body->kind == BODY_SCAN);
    text_puts(&t, "a block returns its value: return ");
    bool said = output && (!s->a || say(e, &t, s->a));
    text_add(&t, "%s;", s->a ? "" : s->text);
    error_hint(e, place_of(e, s), NULL, NULL, said ? text_string(&t) : NULL,
               "`%s` belongs to a net, not to a block or a scan", what);
    return false;
}

static void statement(struct elab *e, const struct ast *s)
{
    struct place before = e->at;
    if (!e->in_library)
        e->at = s->at;
    switch (s->kind) {
    case A_BIND: run_bind(e, s); break;
    case A_PARAM: run_variable(e, s, ROLE_PARAM); break;
    case A_FROZEN: run_variable(e, s, ROLE_FROZEN); break;
    case A_STATE: run_variable(e, s, ROLE_STATE); break;
    case A_UPDATE: run_update(e, s); break;
    case A_IF: run_if(e, s); break;
    case A_FOR: run_for(e, s); break;
    case A_RETURN:
        if (e->yields && e->body && e->body->kind == BODY_SCAN && e->depth == e->yields_depth)
            error_at(e, s->at, "`return` belongs to a block; a scan has `yield`");
        else if (e->in_net)
            error_hint(e, s->at, NULL, NULL, outputs_hint(e, s), "`return` belongs to a block; a net has `output`");
        else
            run_return(e, s);
        break;
    case A_YIELD: run_yield(e, s); break;
    case A_BATCH:
        if (only_in_net(e, s, "batch"))
            run_batch(e, s);
        break;
    case A_INPUT:
        if (only_in_net(e, s, "input"))
            run_port(e, s, ROLE_INPUT);
        break;
    case A_TARGET:
        if (only_in_net(e, s, "target"))
            run_port(e, s, ROLE_TARGET);
        break;
    case A_OUTPUT:
        if (only_in_net(e, s, "output"))
            run_output(e, s);
        break;
    case A_LOSS:
        if (only_in_net(e, s, "loss"))
            run_loss(e, s);
        break;
    case A_METRIC:
        if (only_in_net(e, s, "metric"))
            run_metric(e, s);
        break;
    case A_FREEZE:
        if (only_in_net(e, s, "freeze"))
            run_freeze(e, s);
        break;
    case A_OPTIMIZER:
        if (only_in_net(e, s, "optimizer") && e->mode == MODE_TRAIN)
            add_optimizer(e, s);
        break;
    default: bug("no statement");
    }
    e->at = before;
}
