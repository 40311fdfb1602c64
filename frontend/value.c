/* frontend/value.c: compile-time values, and the scopes that hold them. */
#include <math.h>
#include <string.h>

#include "frontend/elab.h"

struct val v_poison(void)
{
    return (struct val){ .kind = V_POISON };
}

struct val v_none(void)
{
    return (struct val){ .kind = V_NONE };
}

struct val v_bool(bool b)
{
    return (struct val){ .kind = V_BOOL, .i = b };
}

struct val v_int(int64_t i)
{
    return (struct val){ .kind = V_INT, .i = i };
}

struct val v_real(double x)
{
    return (struct val){ .kind = V_REAL, .real = x };
}

struct val v_string(const char *s)
{
    return (struct val){ .kind = V_STRING, .text = s };
}

struct val v_dim(struct dim d)
{
    return d.n ? (struct val){ .kind = V_DIM, .dim = d } : v_int(d.k);
}

struct val v_tensor(struct value *t)
{
    if (!t || is_poison(t))
        return v_poison();
    return (struct val){ .kind = V_TENSOR, .tensor = t };
}

struct val v_list(struct elab *e, int items)
{
    return (
        struct val){ .kind = V_LIST, .i = items, .item = NEW_ARRAY(e->arena, items + 1, struct val), .items = items };
}

/* A list that holds one list twice, which holds one twice, and so on, is more than could ever be looked through. */
bool weigh_list(struct elab *e, struct val *v, struct place at)
{
    v->i = v->items;
    for (int k = 0; k < v->items; k++)
        v->i += v->item[k].kind == V_LIST ? v->item[k].i : 0;
    if (v->i <= 2 * MAX_ITEMS)
        return true;
    error_at(e, at, "a list of more than %d values, those of its lists counted", 2 * MAX_ITEMS);
    return false;
}

bool is_number(const struct val *v)
{
    return v->kind == V_INT || v->kind == V_REAL;
}

double number_of(const struct val *v)
{
    return v->kind == V_INT || v->kind == V_BOOL ? (double)v->i : v->real;
}

bool is_callable(const struct val *v)
{
    return v->kind == V_LAYER || v->kind == V_BLOCK;
}

/* A number that is no integer by kind does not look like one. */
static const char *real_text(struct elab *e, double x)
{
    const char *text = isnan(x) ? "nan" : arena_printf(e->arena, "%g", x);
    return text[strspn(text, "-0123456789")] ? text : arena_printf(e->arena, "%s.0", text);
}

/* A list within lists may stand for more than could be written: behind `most` characters nothing is added. */
enum { LONGEST_TOLD = 60, LONGEST_TEXT = 10000 };

static void add_list(struct elab *e, struct text *t, const struct val *v, size_t most)
{
    text_putc(t, '[');
    for (int i = 0; i < v->items && t->length <= most; i++) {
        if (i)
            text_putc(t, ',');
        if (v->item[i].kind == V_LIST)
            add_list(e, t, &v->item[i], most);
        else
            text_puts(t, val_text(e, &v->item[i]));
    }
    text_putc(t, ']');
}

/* What it is, and which where that is short. */
static const char *describe_list(struct elab *e, const struct val *v)
{
    struct text t = text_make(e->arena);
    add_list(e, &t, v, LONGEST_TOLD);
    return t.length <= LONGEST_TOLD ? arena_printf(e->arena, "the list %s", text_string(&t))
                                    : arena_printf(e->arena, "a list of %d", v->items);
}

static const char *layer_name(const struct layer *l)
{
    return l->builtin ? l->builtin->name : l->block->tree->text;
}

/* Whether parentheses belong behind the name. */
static bool has_constants(const struct val *v)
{
    const struct layer *l = v->kind == V_LAYER ? v->layer : NULL;
    if (l && l->builtin)
        return l->arguments.count;
    const struct ast *tree = l ? l->block->tree : v->block->tree;
    for (int i = 0; i < tree->items; i++)
        if (tree->item[i]->flag && (l ? l->given[i] : !tree->item[i]->a))
            return true;
    return false;
}

/* How what is no tensor is made one; NULL where there is no saying. */
const char *tensor_hint(struct elab *e, const struct val *v)
{
    if (v->kind != V_LAYER && v->kind != V_BLOCK)
        return NULL;
    const char *called = v->kind == V_LAYER ? layer_name(v->layer) : v->block->tree->text;
    return arena_printf(e->arena, "'%s' takes a tensor first: x |> %s%s", called, called,
                        has_constants(v) ? "(...)" : "");
}

static const char *plural(int count)
{
    return count == 1 ? "" : "s";
}

bool tuple_fits(struct elab *e, const struct val *tuple, int room, int inputs, const char *called, struct place at)
{
    struct text t = text_make(e->arena);
    int tensors = 0;

    for (int i = 0; i < tuple->items; i++)
        if (tuple->item[i].kind == V_TENSOR)
            text_add(&t, "%s%s", tensors++ ? ", " : "", describe(e, &tuple->item[i]));
    if (tensors <= room)
        return true;
    const char *takes = arena_printf(e->arena, "'%s' takes %d tensor%s", called, inputs, plural(inputs));
    if (tuple->text)
        error_hint(e, at, NULL, NULL,
                   arena_printf(e->arena,
                                "the first alone: ... |> %s(...) |> first |> %s, or by a name: y = ... |> %s(...);",
                                tuple->text, called, tuple->text),
                   "%s, and '%s' gives %d: %s", takes, tuple->text, tensors, text_string(&t));
    else
        error_at(e, at, "%s, and %d are passed: %s", takes, tensors, text_string(&t));
    return false;
}

const char *describe(struct elab *e, const struct val *v)
{
    switch (v->kind) {
    case V_POISON: return "a wrong value";
    case V_NONE: return "none";
    case V_BOOL: return v->i ? "true" : "false";
    case V_INT: return arena_printf(e->arena, "the integer %lld", (long long)v->i);
    case V_REAL: return arena_printf(e->arena, "the number %s", real_text(e, v->real));
    case V_STRING: return arena_printf(e->arena, "the string \"%.40s\"", v->text);
    case V_DIM: return "the batch dimension";
    case V_LIST: return describe_list(e, v);
    case V_TENSOR: return type_text(e->arena, v->tensor->type, e->m->f64);
    case V_TUPLE: return arena_printf(e->arena, "%d values", v->items);
    case V_LAYER: return arena_printf(e->arena, "the layer '%s'", layer_name(v->layer));
    case V_BLOCK: return "a block";
    case V_INIT: return "an initialiser";
    }
    return "?";
}

static const char *list_text(struct elab *e, const struct val *v)
{
    struct text t = text_make(e->arena);
    add_list(e, &t, v, LONGEST_TEXT);
    return text_string(&t);
}

const char *val_text(struct elab *e, const struct val *v)
{
    switch (v->kind) {
    case V_INT: return arena_printf(e->arena, "%lld", (long long)v->i);
    case V_REAL: return real_text(e, v->real);
    case V_STRING: return v->text;
    case V_DIM: return v->dim.k == 1 ? "N" : arena_printf(e->arena, "%lldN", (long long)v->dim.k);
    case V_LIST: return list_text(e, v);
    default: return describe(e, v);
    }
}

static bool lists_equal(const struct val *a, const struct val *b)
{
    if (a->items != b->items)
        return false;
    for (int i = 0; i < a->items; i++)
        if (!val_equal(&a->item[i], &b->item[i]))
            return false;
    return true;
}

bool val_equal(const struct val *a, const struct val *b)
{
    if (is_number(a) && is_number(b))
        return a->kind == V_INT && b->kind == V_INT ? a->i == b->i : number_of(a) == number_of(b);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case V_NONE: return true;
    case V_BOOL: return a->i == b->i;
    case V_STRING: return a->text == b->text || !strcmp(a->text, b->text);
    case V_DIM: return dim_equal(a->dim, b->dim);
    case V_LIST: return lists_equal(a, b);
    case V_TENSOR: return a->tensor == b->tensor;
    default: return false;
    }
}

struct env *env_new(struct elab *e, struct env *parent)
{
    struct env *env = NEW(e->arena, struct env);
    env->parent = parent;
    return env;
}

/* Rebinding a name shadows it; what can be called still shows in call position behind what cannot. So a scope holds at
 * most two of a name, and unrolled loops do not make it longer. */
void bind(struct elab *e, const char *to, struct val v)
{
    struct binding *b = NEW(e->arena, struct binding), **old = &e->env->first;
    while (*old && ((*old)->name != to || is_callable(&(*old)->v) != is_callable(&v)))
        old = &(*old)->next;
    bool again = *old && (*old)->read && !is_callable(&v); /* as where a loop counts: its last value nobody reads */
    if (*old)
        *old = (*old)->next;
    *b = (struct binding){ .name = to, .v = v, .read = again, .next = e->env->first };
    e->env->first = b;
}

const struct val *look_up(const struct elab *e, const char *wanted, bool callable)
{
    for (const struct env *env = e->env; env; env = env->parent)
        for (struct binding *b = env->first; b; b = b->next)
            if (b->name == wanted && (!callable || is_callable(&b->v) || b->v.kind == V_POISON)) {
                b->read = true;
                return &b->v;
            }
    return NULL;
}

const char *nearest_name(struct elab *e, const char *word, bool callable)
{
    size_t builtins, count = 0, capacity = 0;
    const char *const *more = builtin_names(&builtins), **all = NULL;
    for (const struct env *env = e->env; env; env = env->parent)
        for (const struct binding *b = env->first; b; b = b->next) {
            void *items = all;
            if (callable && !is_callable(&b->v))
                continue;
            arena_grow(e->arena, &items, &capacity, count + 1, sizeof *all);
            all = items;
            all[count++] = b->name;
        }
    static const char *const values[] = { "true", "false", "none", "training" };
    more = callable ? more : values;
    for (size_t i = 0; i < (callable ? builtins : sizeof values / sizeof *values); i++) {
        void *items = all;
        arena_grow(e->arena, &items, &capacity, count + 1, sizeof *all);
        all = items;
        all[count++] = more[i];
    }
    return diag_nearest(word, all, count);
}
