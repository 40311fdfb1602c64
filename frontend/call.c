/* frontend/call.c: blocks and layers: arguments bound to inputs and constants, layers made, named and applied. */
#include <string.h>

#include "frontend/elab.h"

/* ---- identity of layers ---- */

static const char *path_join_names(struct elab *e, const char *path, const char *own)
{
    return *path ? name_printf(e->names, "%s.%s", path, own) : own;
}

static struct instance *instance_new(struct elab *e, const char *path, const char *own, struct place at)
{
    struct instance *i = NEW(e->arena, struct instance);
    i->path = path;
    i->own = own;
    i->at = at;
    return i;
}

/* A layer bound to `_` adds no component: its parameters are its owner's. */
static const char *child_path(struct elab *e, const char *path, const char *own)
{
    return strcmp(own, "_") ? path_join_names(e, path, own) : path;
}

/* The child of that name: the same one in every application of the parent. A second layer of one name in one
 * application is another layer of the same path, which is wrong once both have parameters. */
struct instance *child_of(struct elab *e, struct instance *parent, const char *own, struct place at)
{
    for (struct child *c = parent->children; c; c = c->next) {
        if (c->name != own)
            continue;
        if (c->run != parent->run) {
            c->run = parent->run;
            return c->instance;
        }
        struct instance *other = instance_new(e, c->instance->path, own, at);
        other->clash = true;
        return other;
    }
    struct child *c = NEW(e->arena, struct child);
    *c = (struct child){ own, instance_new(e, child_path(e, parent->path, own), own, at), parent->run,
                         parent->children };
    parent->children = c;
    return c->instance;
}

static const char *anonymous(struct elab *e, const char *block)
{
    struct counter *c = e->instance->counters;
    while (c && c->name != block)
        c = c->next;
    if (!c) {
        c = NEW(e->arena, struct counter);
        *c = (struct counter){ block, 0, e->instance->counters };
        e->instance->counters = c;
    }
    return name_printf(e->names, "%s_%d", block, ++c->count);
}

static struct instance *new_instance(struct elab *e, const char *block, const char *own, struct place at)
{
    return child_of(e, e->instance, own ? own : anonymous(e, block), at);
}

/* Several values know who gave them. */
static struct val given_by(struct val v, const char *name)
{
    if (v.kind == V_TUPLE)
        v.text = name;
    return v;
}

/* ---- arguments of a block ---- */

struct bound {
    struct val *constant; /* by formal */
    bool *given;
    struct val *tensor; /* by formal */
    int tensors, inputs, next_input, next_constant;
    bool numbers;                          /* some of the tensors are */
    bool whole;                            /* as many values as there are formals: each goes to its own */
    const struct ast *call, *item, *first; /* at work: an argument; first: the first constant by place */
    int by_place;
    bool lost; /* a constant did not go with its formal: those behind it do not either */
    bool ok;
};

static const struct ast *formal(const struct block *b, int i)
{
    return b->tree->item[i];
}

static int find_formal(const struct block *b, const char *wanted)
{
    for (int i = 0; i < b->tree->items; i++)
        if (formal(b, i)->text == wanted)
            return i;
    return -1;
}

static int next_formal(const struct block *b, int from, bool constant)
{
    while (from < b->tree->items && formal(b, from)->flag != constant)
        from++;
    return from;
}

/* How many tensors it still takes. */
static int room_from(const struct block *b, int from)
{
    int room = 0;
    for (int i = next_formal(b, from, false); i < b->tree->items; i = next_formal(b, i + 1, false))
        room++;
    return room;
}

/* Marks a formal as given; false where it was already. */
static bool give(struct elab *e, struct bound *g, const struct block *b, int i, struct place at)
{
    if (g->given[i]) {
        error_at(e, at, "argument '%s' is given twice", formal(b, i)->text);
        g->ok = false;
        return false;
    }
    g->given[i] = true;
    return true;
}

static void bind_tensor(struct elab *e, struct bound *g, const struct block *b, struct val v, struct place at)
{
    int i = next_formal(b, g->next_input, false);
    if (i >= b->tree->items) {
        error_hint(e, at, NULL, NULL, g->inputs || b->library ? NULL : formals_hint(e, b, 0),
                   "'%s' takes %d tensor%s, and this is one more (%s)", b->tree->text, g->inputs,
                   g->inputs == 1 ? "" : "s", describe(e, &v));
        g->ok = false;
        return;
    }
    if (!give(e, g, b, i, at))
        return;
    g->next_input = i + 1;
    g->tensor[i] = v;
    g->tensors++;
    g->numbers |= is_number(&v);
}

/* ---- kinds of constants ---- */

static bool is_bool(const struct val *v)
{
    return v->kind == V_BOOL;
}

static bool is_int(const struct val *v)
{
    return v->kind == V_INT;
}

static bool is_ints(const struct val *v)
{
    for (int i = 0; v->kind == V_LIST && i < v->items; i++)
        if (v->item[i].kind != V_INT)
            return false;
    return v->kind == V_INT || v->kind == V_LIST;
}

/* What a convolution's pad may be. */
static bool is_pads(const struct val *v)
{
    bool pair = true;
    for (int i = 0; v->kind == V_LIST && i < v->items; i++)
        pair &= v->item[i].kind == V_INT || (is_ints(&v->item[i]) && v->item[i].items == 2);
    return v->kind == V_INT || (v->kind == V_LIST && pair) || (v->kind == V_STRING && !strcmp(v->text, "same"));
}

static bool is_string(const struct val *v)
{
    return v->kind == V_STRING;
}

static const struct kind {
    const char *word, *wants;
    bool (*is)(const struct val *v);
} kinds[] = {
    { "bool", "true or false", is_bool },
    { "int", "an integer", is_int },
    { "real", "a number", is_number },
    { "ints", "an integer or a list of integers", is_ints },
    { "string", "a string", is_string },
    { "pads", "a number, \"same\", or for each axis a number or a pair [before, after]", is_pads },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *find_kind(const char *word)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i].word, word))
            return &kinds[i];
    return NULL;
}

void check_kind(struct elab *e, const struct ast *x)
{
    const char *words[KINDS];
    for (int i = 0; i < KINDS; i++)
        words[i] = kinds[i].word;
    if (find_kind(x->text))
        return;
    error_hint(e, x->at, "bool, int, ints, pads, real or string", x->text,
               diag_meant(e->arena, diag_nearest(x->text, words, KINDS)), "no kind of constant is called '%s'",
               x->text);
}

/* The kind a constant says it has; one of the library that says none has that of a default of true, false or text. */
static const struct kind *kind_of(const struct block *b, const struct ast *f)
{
    if (f->b)
        return find_kind(f->b->text);
    if (!b->library || !f->a)
        return NULL;
    bool truth = f->a->kind == A_TRUE || f->a->kind == A_FALSE;
    return truth ? find_kind("bool") : f->a->kind == A_STRING ? find_kind("string") : NULL;
}

bool kind_suits(const struct block *b, int i, const struct val *v)
{
    const struct kind *k = kind_of(b, formal(b, i));
    return !k || k->is(v);
}

/* Of integers in parentheses, where a list was meant; NULL of anything else. */
const char *list_hint(struct elab *e, const struct val *v)
{
    struct text t = text_make(e->arena);

    if (v->kind != V_TUPLE)
        return NULL;
    for (int i = 0; i < v->items; i++) {
        if (v->item[i].kind != V_INT)
            return NULL;
        text_add(&t, "%s%lld", i ? ", " : "a list stands in brackets: [", (long long)v->item[i].i);
    }
    text_puts(&t, "]");
    return text_string(&t);
}

/* `none` may stand for what it is the default of. */
static bool suits(struct elab *e, struct bound *g, const struct block *b, int i, const struct val *v, struct place at,
                  const char *hint)
{
    const struct ast *f = formal(b, i);
    const struct kind *k = kind_of(b, f);
    if (!k || k->is(v) || v->kind == V_POISON || (v->kind == V_NONE && f->a && f->a->kind == A_NONE))
        return true;
    bool named = g->item && g->item->kind == A_ARG;
    const char *value = b->library ? foreign_value(e, f->text, v, !strcmp(k->word, "bool"), named) : NULL;
    hint = value ? diag_meant(e->arena, value) : hint;
    int input = next_formal(b, g->next_input, false);
    const char *missing = input < b->tree->items && !formal(b, input)->a ? formal(b, input)->text : NULL;
    hint = v->kind == V_TUPLE  ? list_hint(e, v)
           : v->kind == V_LIST ? foreign_list(e, b->tree->text, f->text, v->items)
                               : hint;
    if (missing && is_number(v) && !hint)
        hint = arena_printf(e->arena, "'%s' still needs its tensor '%s'", b->tree->text, missing);
    if (!hint && is_callable(v) && g->call)
        hint = chained_hint(e, b->tree->text, g->call, g->item);
    error_hint(e, at, k->wants, describe(e, v), hint, "%s: '%s' is %s, not %s", b->tree->text, f->text, k->wants,
               describe(e, v));
    g->ok = false;
    return false;
}

/* Of a compile-time value behind all constants. */
static const char *surplus_hint(struct elab *e, const struct bound *g, const struct block *b, const struct val *v)
{
    if (is_callable(v) && g->call)
        return chained_hint(e, b->tree->text, g->call, g->item);
    return !b->library && g->inputs && g->inputs == b->tree->items ? formals_hint(e, b, g->tensors) : NULL;
}

static void bind_constant(struct elab *e, struct bound *g, const struct block *b, struct val v, struct place at)
{
    int i = next_formal(b, g->next_constant, true);
    if (g->lost)
        return;
    g->lost = true;
    if (i >= b->tree->items) {
        error_hint(e, at, NULL, NULL, surplus_hint(e, g, b, &v), "'%s' does not take %s here", b->tree->text,
                   describe(e, &v));
        g->ok = false;
        return;
    }
    bool first = i == next_formal(b, 0, true);
    const char *hint =
        b->library && v.kind == V_INT && !first ? known_sizes(e, b, g->call, g->first, next_formal(b, 0, true)) : NULL;
    if (!suits(e, g, b, i, &v, at, hint) || !give(e, g, b, i, at))
        return;
    if (b->library && !e->in_library && v.kind == V_INT && v.i >= 1 && !strcmp(formal(b, i)->text, "eps"))
        diag_warning_hint(e->diag, at, known_sizes(e, b, g->call, g->item, i), "%s: by its place this is eps",
                          b->tree->text);
    g->lost = false;
    g->next_constant = i + 1;
    g->constant[i] = v;
}

/* A number where one of the library's layers has tensors alone is a tensor without axes, as is one in a tensor's place
 * where nothing is left out, clip(3, 0, 1), or where the constant in turn is no number, gelu(1). */
static bool is_scalar_tensor(const struct bound *g, const struct block *b, const struct val *v)
{
    int input = next_formal(b, g->next_input, false), constant = next_formal(b, g->next_constant, true);

    const struct kind *k = constant < b->tree->items ? kind_of(b, formal(b, constant)) : NULL;
    const struct val one = v_int(1);
    bool no_number = k && !k->is(&one) && !g->next_constant;
    return b->library && is_number(v) && input < b->tree->items &&
           (constant >= b->tree->items || (g->whole && input < constant) || (no_number && !formal(b, input)->a));
}

static void bind_positional(struct elab *e, struct bound *g, const struct block *b, struct val v, struct place at)
{
    if (v.kind == V_POISON)
        g->ok = false;
    else if (v.kind == V_TUPLE && !tuple_fits(e, &v, room_from(b, g->next_input), g->inputs, b->tree->text, at))
        g->ok = false;
    else if (b->library && no_list(e, &v, b->tree->text, at))
        g->ok = false;
    else if (v.kind == V_TUPLE)
        for (int i = 0; i < v.items; i++)
            bind_positional(e, g, b, v.item[i], at);
    else if (v.kind == V_TENSOR)
        bind_tensor(e, g, b, v, at);
    else if (is_scalar_tensor(g, b, &v))
        bind_tensor(e, g, b, v, at);
    else
        bind_constant(e, g, b, v, at);
}

/* What a chain passes: `none` in it leaves out a tensor, where that may be left out. */
static void bind_piped(struct elab *e, struct bound *g, const struct block *b, const struct val *v, struct place at)
{
    if (v->kind == V_TUPLE && !tuple_fits(e, v, room_from(b, g->next_input), g->inputs, b->tree->text, at)) {
        g->ok = false;
        return;
    }
    if (v->kind == V_TUPLE) {
        for (int i = 0; i < v->items; i++)
            bind_piped(e, g, b, &v->item[i], at);
        return;
    }
    int next = next_formal(b, g->next_input, false);
    if (v->kind == V_NONE && next < b->tree->items && formal(b, next)->a)
        g->next_input = next + 1;
    else
        bind_positional(e, g, b, *v, at);
}

/* A chain passes tensors; what is none would be taken for one of the library layer's constants. */
static bool chains(struct elab *e, const struct bound *g, const struct block *b, const struct val *v, struct place at)
{
    if (!b->library || v->kind == V_TENSOR || v->kind == V_TUPLE || v->kind == V_NONE || v->kind == V_POISON ||
        is_scalar_tensor(g, b, v))
        return true;
    error_hint(e, at, "a tensor", describe(e, v), tensor_hint(e, v), "'%s' takes a tensor, not %s", b->tree->text,
               describe(e, v));
    return false;
}

bool no_list(struct elab *e, const struct val *v, const char *callee, struct place at)
{
    const char *hint = list_hint(e, v);

    if (hint)
        error_hint(e, at, NULL, NULL, hint, "'%s' takes no integers in parentheses", callee);
    return hint != NULL;
}

const char *names_hint(struct elab *e, const char *word, const char *const *names, int count, const char *there)
{
    const char *foreign = foreign_argument(e, word, names, (size_t)count);
    const char *near = diag_nearest(word, names, (size_t)count);
    struct text t = text_make(e->arena);

    if (foreign || near)
        return foreign ? foreign : diag_meant(e->arena, near);
    for (int i = 0; i < count; i++)
        text_add(&t, "%s%s", i ? ", " : there, names[i]);
    return count ? text_string(&t) : "it has none";
}

const char *arguments_hint(struct elab *e, const char *word, const char *const *names, int count)
{
    return names_hint(e, word, names, count, "its arguments are ");
}

/* Of a bare word where a text is one of the constants that may stand there; NULL else. */
static const char *quoted_hint(struct elab *e, const struct block *b, int i, const struct ast *x)
{
    const struct val text = v_string(x->text);
    bool word = x->kind == A_NAME && formal(b, i)->flag && kind_of(b, formal(b, i)) && kind_suits(b, i, &text);
    return word ? arena_printf(e->arena, "a word stands in quotes: \"%s\"", x->text) : NULL;
}

static void bind_by_name(struct elab *e, struct bound *g, const struct block *b, const struct ast *arg)
{
    int i = find_formal(b, arg->text);
    if (i < 0) {
        error_hint(e, arg->at, NULL, arg->text, named_hint(e, b->tree->text, g->call, arg, g->tensor),
                   "'%s' has no argument '%s'", b->tree->text, arg->text);
        g->ok = false;
        return;
    }
    if (g->given[i]) {
        error_hint(e, arg->at, NULL, NULL,
                   b->library && formal(b, i)->flag ? known_sizes(e, b, g->call, g->first, next_formal(b, 0, true))
                                                    : NULL,
                   "argument '%s' is given twice", arg->text);
        g->ok = false;
        return;
    }
    bool constant = formal(b, i)->flag;
    const char *quoted = quoted_hint(e, b, i, arg->a);
    if (quoted && !look_up(e, arg->a->text, false) && !builtin_find(arg->a->text)) {
        error_hint(e, place_of(e, arg->a), NULL, NULL, quoted, "nothing is called '%s' here", arg->a->text);
        g->ok = false;
        return;
    }
    struct val v = constant && is_init_name(arg->text) ? eval_init(e, arg->a) : eval(e, arg->a);
    if (v.kind == V_POISON) {
        g->ok = false;
        return;
    }
    if (v.kind == V_NONE && formal(b, i)->a && !constant)
        return; /* a tensor that may be left out is left out */
    if (constant == (v.kind == V_TENSOR)) {
        error_at(e, arg->at,
                 constant ? "argument '%s' is a compile-time value, not %s" : "argument '%s' is a tensor, not %s",
                 arg->text, describe(e, &v));
        g->ok = false;
        return;
    }
    if (constant && !suits(e, g, b, i, &v, arg->at, quoted))
        return;
    g->given[i] = true;
    if (constant)
        g->constant[i] = v;
    else
        g->tensor[i] = v, g->tensors++;
}

static void bind_arguments(struct elab *e, struct bound *g, const struct block *b, const struct ast *arguments,
                           const struct val *piped, struct place at)
{
    for (int i = 0; i < b->tree->items; i++)
        g->inputs += !formal(b, i)->flag;
    g->whole = !piped && arguments && arguments->items == b->tree->items;
    if (piped && chains(e, g, b, piped, at))
        bind_piped(e, g, b, piped, at);
    else if (piped)
        g->ok = false;
    g->call = arguments;
    for (int i = 0; arguments && i < arguments->items; i++) {
        const struct ast *a = arguments->item[i];
        int constants = g->next_constant;
        g->item = a;
        if (a->kind == A_ARG)
            bind_by_name(e, g, b, a);
        else
            bind_positional(e, g, b, eval(e, a), place_of(e, a));
        if (g->next_constant == constants)
            continue;
        g->first = g->first ? g->first : a;
        g->by_place++;
    }
}

/* A constant left out takes its default, evaluated where the block was written, and seeing the formals before it. */
static bool check_constants(struct elab *e, const struct bound *g, const struct block *b, struct place at)
{
    for (int i = 0; i < b->tree->items; i++)
        if (formal(b, i)->flag && !g->given[i] && !formal(b, i)->a) {
            error_hint(e, at, NULL, NULL, e->in_library ? NULL : example_hint(e, b, g->call, g->given),
                       "'%s' needs its argument '%s'", b->tree->text, formal(b, i)->text);
            return false;
        }
    return true;
}

/* ---- applying ---- */

static bool too_deep(struct elab *e, struct place at)
{
    if (++e->iterations > MAX_ITERATIONS) {
        error_at(e, at, "blocks are applied and loops run more than %d times", MAX_ITERATIONS);
        e->too_large = true;
        return true;
    }
    if (e->depth < MAX_DEPTH_OF_CALLS)
        return false;
    error_at(e, at, "blocks are applied more than %d deep: does one apply itself?", MAX_DEPTH_OF_CALLS);
    e->too_large = true;
    return true;
}

/* Binds formals in the environment at work; missing tensors that may be left out become none. */
static bool bind_formals(struct elab *e, const struct block *b, const struct layer *l, const struct val *tensor,
                         struct place at)
{
    for (int i = 0; i < b->tree->items; i++) {
        const struct ast *f = formal(b, i);
        if (!f->flag) {
            if (tensor[i].kind == V_POISON && !f->a) {
                error_at(e, at, "'%s' needs its tensor '%s'", b->tree->text, f->text);
                return false;
            }
            bind(e, f->text, tensor[i].kind == V_POISON ? v_none() : tensor[i]);
            continue;
        }
        struct val v = l->given[i] ? l->constant[i] : is_init_name(f->text) ? eval_init(e, f->a) : eval(e, f->a);
        if (v.kind == V_POISON)
            return false;
        bind(e, f->text, v);
    }
    return true;
}

/* What is put aside while a block runs. */
struct saved {
    struct env *env;
    struct instance *instance;
    const struct ast *within;
    struct place at;
    bool in_library, in_net, returned;
    const char *speaker;
    struct val result;
};

static struct saved enter(struct elab *e, const struct block *b, struct instance *instance, struct place at)
{
    struct saved s = { e->env,    e->instance, e->within,     e->at,    e->in_library,
                       e->in_net, e->returned, e->m->speaker, e->result };
    if (!b->library)
        diag_enter(e->diag, at, arena_printf(e->arena, "in the call of '%s' here", b->tree->text));
    if (!e->in_library)
        e->at = at;
    if (!b->library || !e->in_library)
        e->m->speaker = b->library ? b->tree->text : "";
    e->env = env_new(e, b->env);
    e->instance = instance;
    e->within = b->tree->b;
    e->in_library = b->library;
    e->in_net = false;
    e->returned = false;
    e->result = v_none();
    e->depth++;
    instance->run++;
    instance->counters = NULL;
    instance->declared = NULL;
    return s;
}

static void leave(struct elab *e, const struct block *b, struct saved s)
{
    if (!b->library)
        diag_leave(e->diag);
    e->env = s.env;
    e->instance = s.instance;
    e->within = s.within;
    e->at = s.at;
    e->in_library = s.in_library;
    e->in_net = s.in_net;
    e->returned = s.returned;
    e->m->speaker = s.speaker;
    e->result = s.result;
    e->depth--;
}

/* What is said of a layer of the library that does not take these tensors. */
static const char *operands_of_layer(struct elab *e, const struct layer *l, const struct val *tensor)
{
    const char *rank = rank_hint(e, l, tensor);
    return rank ? rank : batch_hint(e, tensor, l->block->tree->items);
}

/* numbers: what is given are numbers, of which no gradient is taken. */
static struct val apply_block(struct elab *e, const struct layer *l, const struct val *tensor, bool numbers,
                              struct place at)
{
    const struct block *b = l->block;
    struct val v = v_poison();
    if (too_deep(e, at))
        return v;
    const char *written = known_size_meant(e, l, tensor), *hint = e->m->hint;
    int said = diag_said(e->diag);
    e->m->hint = written         ? known_size_hint(e, written)
                 : e->in_library ? hint
                 : b->library    ? operands_of_layer(e, l, tensor)
                                 : NULL;
    struct saved s = enter(e, b, l->instance, at);
    struct place inner = e->at;
    if (bind_formals(e, b, l, tensor, inner)) {
        if (b->tree->c && !numbers) {
            v = apply_custom(e, b, e->env, tensor, inner);
        } else {
            run_statements(e, b->tree->b);
            v = e->result;
            if (!e->returned && !diag_errors(e->diag))
                error_at(e, b->tree->at, "block '%s' ends without a return", b->tree->text);
            if (!e->returned)
                v = v_poison();
        }
    }
    leave(e, b, s);
    e->m->hint = hint;
    if (written && diag_said(e->diag) == said)
        warn_of_known_size(e, l, written);
    return given_by(v, b->tree->text);
}

/* A layer of the library that is given numbers alone is a number where its body makes one of them, as relu(2); else they are
 * tensors without axes, as they are beside tensors. */
static struct val apply_numbers(struct elab *e, const struct layer *l, struct val *tensor, struct place at)
{
    const struct ast *tree = l->block->tree;
    bool numbers = true;
    for (int i = 0; i < tree->items; i++)
        numbers &= tensor[i].kind != V_TENSOR;
    if (numbers) {
        diag_hold(e->diag);
        struct val v = apply_block(e, l, tensor, true, at);
        if (!diag_release(e->diag) && is_number(&v))
            return v;
    }
    for (int i = 0; i < tree->items; i++)
        if (is_number(&tensor[i]))
            tensor[i] = v_tensor(tensor_of(e, &tensor[i], at, tree->text, DT_REAL));
    return apply_block(e, l, tensor, false, at);
}

/* The tensors of a layer that has its constants already. */
static bool spread(struct elab *e, struct layer *l, const struct val *v, struct val *tensor, int *next, struct place at)
{
    const struct block *b = l->block;
    if (v->kind == V_POISON)
        return false;
    if (v->kind == V_TUPLE && !tuple_fits(e, v, room_from(b, *next), room_from(b, 0), b->tree->text, at))
        return false;
    if (v->kind == V_TUPLE) {
        for (int i = 0; i < v->items; i++)
            if (!spread(e, l, &v->item[i], tensor, next, at))
                return false;
        return true;
    }
    *next = next_formal(b, *next, false);
    if (v->kind == V_NONE && *next < b->tree->items && formal(b, *next)->a) {
        (*next)++; /* it may be left out, and is */
        return true;
    }
    if (v->kind != V_TENSOR) {
        error_hint(e, at, "a tensor", describe(e, v), tensor_hint(e, v), "'%s' takes a tensor, not %s", b->tree->text,
                   describe(e, v));
        return false;
    }
    if (*next >= b->tree->items) {
        error_at(e, at, "'%s' is given too many tensors", b->tree->text);
        return false;
    }
    tensor[(*next)++] = *v;
    return true;
}

struct val apply_layer(struct elab *e, struct layer *l, const struct val *tensors, int count, struct place at)
{
    struct val *tensor = NEW_ARRAY(e->arena, l->block->tree->items + 1, struct val);
    int next = 0;
    for (int i = 0; i < count; i++)
        if (!spread(e, l, &tensors[i], tensor, &next, at))
            return v_poison();
    return apply_block(e, l, tensor, false, at);
}

/* ---- calls ---- */

/* A block called: with tensors it is applied at once, without it becomes a layer. */
static struct val call_block(struct elab *e, const struct block *b, const struct ast *arguments,
                             const struct val *piped, struct place at, const char *own)
{
    int n = b->tree->items;
    struct bound g = { .constant = NEW_ARRAY(e->arena, n + 1, struct val),
                       .given = NEW_ARRAY(e->arena, n + 1, bool),
                       .tensor = NEW_ARRAY(e->arena, n + 1, struct val),
                       .ok = true };
    bind_arguments(e, &g, b, arguments, piped, at);
    if (!g.ok || !check_constants(e, &g, b, at))
        return v_poison();
    struct layer *l = NEW(e->arena, struct layer);
    *l = (struct layer){ .block = b, .constant = g.constant, .given = g.given, .at = at, .call = g.call };
    l->first = g.first;
    l->by_place = g.by_place;
    bool apply = g.tensors || !g.inputs;
    l->instance = new_instance(e, b->tree->text, apply ? NULL : own, at);
    if (apply)
        return g.numbers ? apply_numbers(e, l, g.tensor, at) : apply_block(e, l, g.tensor, false, at);
    return (struct val){ .kind = V_LAYER, .layer = l };
}

static struct val call_layer(struct elab *e, struct layer *l, const struct ast *arguments, const struct val *piped,
                             struct place at)
{
    if (l->builtin)
        return call_builtin(e, l->builtin, l, arguments, piped, at);
    int count = 0, n = (piped != NULL) + (arguments ? arguments->items : 0);
    struct val *tensors = NEW_ARRAY(e->arena, n + 1, struct val);
    if (piped)
        tensors[count++] = *piped;
    for (int i = 0; arguments && i < arguments->items; i++) {
        const struct ast *a = arguments->item[i];
        if (a->kind == A_ARG) {
            error_at(e, a->at, "this layer has its constants already; it takes tensors alone");
            return v_poison();
        }
        tensors[count++] = eval(e, a);
    }
    if (!count)
        return (struct val){ .kind = V_LAYER, .layer = l };
    return apply_layer(e, l, tensors, count, at);
}

/* Whether a call is by the name of a class elsewhere, Linear(32, 7), of what is here `near`, not only misspelt. */
static bool is_class_of(struct elab *e, const char *word, const char *near, const struct ast *call)
{
    return near && call && (is_class(word) || layer_here(e, word) || spelt_alike(word, near)) &&
           (look_up(e, near, true) || builtin_find(near));
}

/* meant: what is called, where that is known by its class elsewhere. */
static struct val unknown(struct elab *e, const struct ast *x, const struct usage *u, struct place at,
                          const char **meant)
{
    const struct val *other = look_up(e, x->text, false);
    const char *layer = layer_here(e, x->text), *near = layer ? layer : nearest_name(e, x->text, true);
    const char *later = bound_later(e, x), *hint = later ? later : layer ? NULL : foreign_hint(e, x->text, u);
    if (!hint && !other && is_class_of(e, x->text, near, u->call)) {
        *meant = near;
        near = call_here_text(e, near, call_here(e, x->text, near, u->call), applied_to(e, u->outer, u->piped));
    }
    hint = hint ? hint : near ? diag_meant(e->arena, near) : optimizer_setting(e, x->text);
    if (other && other->kind != V_POISON)
        error_at(e, at, "'%s' is %s, which cannot be called", x->text, describe(e, other));
    else if (!other)
        error_hint(e, at, NULL, x->text, hint, "no layer, block or operation is called '%s'", x->text);
    return v_poison();
}

/* Of x.shape(0); NULL where there is no saying. */
static const char *element_hint(struct elab *e, const struct ast *list, const struct ast *arguments)
{
    struct text t = text_make(e->arena);

    text_puts(&t, "an element's number stands in brackets: ");
    if (!arguments || arguments->items != 1 || !say(e, &t, list))
        return NULL;
    text_puts(&t, "[");
    bool said = say(e, &t, arguments->item[0]);
    text_puts(&t, "]");
    return said ? text_string(&t) : NULL;
}

/* After the error that names what is called: so that what else is wrong is said, too. */
static struct val gone_on(struct elab *e, const struct ast *callee, const char *here, const struct ast *arguments,
                          const struct val *piped, const char *own)
{
    const struct ast meant = { .kind = A_NAME, .at = callee->at, .text = name(e->names, here) };
    return call(e, &meant, arguments, piped, own);
}

/* `piped |> callee(arguments)` or `callee(arguments)`. own: the name a layer made here is bound to, or NULL. */
struct val call(struct elab *e, const struct ast *callee, const struct ast *arguments, const struct val *piped,
                const char *own)
{
    struct place at = place_of(e, callee);
    struct val v;
    bool called = false;
    const struct ast *outer = e->outer;
    e->outer = callee->kind == A_CALL ? arguments : NULL;
    const char *here = callee->kind == A_MEMBER && arguments ? module_callee(e, callee) : NULL;
    if (here) {
        const struct ast *meant = call_here(e, callee->text, here, arguments);
        say_module(e, callee, here, meant, applied_to(e, outer, piped));
        return gone_on(e, callee, here, meant, piped, own);
    }
    if (callee->kind == A_NAME) {
        const struct val *found = look_up(e, callee->text, true);
        const struct builtin *f = found ? NULL : builtin_find(callee->text);
        if (f)
            return call_builtin(e, f, NULL, arguments, piped, at);
        if (!found)
            unknown(e, callee, &(struct usage){ .call = arguments, .outer = outer, .piped = piped }, at, &here);
        if (here)
            return gone_on(e, callee, here, call_here(e, callee->text, here, arguments), piped, own);
        if (!found)
            return v_poison();
        v = *found;
    } else {
        e->outer = callee->kind == A_MEMBER ? outer : e->outer;
        v = callee->kind == A_MEMBER ? eval_method(e, callee, arguments, piped, &called) : eval(e, callee);
        e->outer = NULL;
    }
    if (v.kind == V_POISON || called)
        return v;
    if (v.kind == V_BLOCK)
        return call_block(e, v.block, arguments, piped, at, own);
    if (v.kind == V_LAYER)
        return call_layer(e, v.layer, arguments, piped, at);
    const char *hint = v.kind == V_LIST           ? element_hint(e, callee, arguments)
                       : callee->kind == A_STRING ? numbered_hint(e->arena, callee->text)
                                                  : NULL;
    error_hint(e, at, NULL, NULL, hint, "%s cannot be called", describe(e, &v));
    return v_poison();
}

/* ---- a layer's parameters ---- */

bool is_parameter(struct elab *e, const struct layer *l, const char *below)
{
    return module_find(e->m, path_join_names(e, l->instance->path, below));
}

struct val layer_member(struct elab *e, struct layer *l, const char *member, struct place at)
{
    if (l->builtin) {
        error_at(e, at, "'%s' has no parameters", l->builtin->name);
        return v_poison();
    }
    const char *path = path_join_names(e, l->instance->path, member);
    struct var *v = module_find(e->m, path);
    struct graph *top = e->graph;
    for (struct body *b = e->body; b; b = b->outer)
        top = b->outer ? b->outer->graph
                       : e->m->graph[e->mode == MODE_TRAIN  ? GRAPH_TRAIN
                                     : e->mode == MODE_EVAL ? GRAPH_EVAL
                                                            : GRAPH_INFER];
    if (v)
        return v_tensor(localize(e, graph_var(top, v)));
    const char **names = NEW_ARRAY(e->arena, e->m->vars + 1, const char *);
    size_t count = 0, length = strlen(l->instance->path);
    for (int i = 0; i < e->m->vars; i++)
        if (!strncmp(e->m->var[i]->name, l->instance->path, length) && e->m->var[i]->name[length] == '.')
            names[count++] = e->m->var[i]->name + length + 1;
    const char *near = diag_nearest(member, names, count);
    if (!count)
        error_at(e, at, "layer '%s' has no parameters yet: they are made when it is first applied", l->instance->path);
    else
        error_hint(e, at, NULL, member, diag_meant(e->arena, near), "layer '%s' has no parameter '%s'",
                   l->instance->path, member);
    return v_poison();
}
