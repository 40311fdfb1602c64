/* frontend/builtin.c: built-in functions: their table, and the binding of arguments to signatures. */
#include "frontend/builtin.h"

#include <stdlib.h>
#include <string.h>

#define BUILTIN(name, signature, run) { #name, signature, builtin_##run },
static const struct builtin table[] = {
#include "frontend/builtin.def"
};
#undef BUILTIN

#define BUILTIN(name, signature, run) #name,
static const char *const names[] = {
#include "frontend/builtin.def"
};
#undef BUILTIN
enum { BUILTINS = sizeof table / sizeof *table };

const struct builtin *builtin_find(const char *wanted)
{
    for (int i = 0; i < BUILTINS; i++)
        if (!strcmp(table[i].name, wanted))
            return &table[i];
    return NULL;
}

const char *const *builtin_names(size_t *count)
{
    *count = BUILTINS;
    return names;
}

/* ---- signatures ---- */

static struct val default_value(struct elab *e, const char *s, size_t n)
{
    char *text = arena_stringn(e->arena, s, n), *end;
    if (!strcmp(text, "none"))
        return v_none();
    if (!strcmp(text, "true") || !strcmp(text, "false"))
        return v_bool(*text == 't');
    int64_t i = strtoll(text, &end, 10);
    return *end ? v_real(strtod(text, NULL)) : v_int(i);
}

/* Reads "x, y; axis = -1" into names and defaults. Arguments without a default stay V_POISON. */
static void read_signature(struct elab *e, struct builtin_args *g)
{
    bool constant = false;
    for (const char *s = g->f->signature; *s;) {
        s += strspn(s, " ,");
        if (*s == ';') {
            constant = true;
            s++;
            continue;
        }
        size_t n = strcspn(s, " ,;=*");
        if (!n)
            break;
        g->name[g->count] = namen(e->names, s, n);
        s += n;
        if (*s == '*')
            g->variadic = true, s++;
        s += strspn(s, " ");
        if (*s == '=') {
            s += 1 + strspn(s + 1, " ");
            n = strcspn(s, ",;");
            g->arg[g->count] = default_value(e, s, n);
            s += n;
        }
        g->tensors += !constant;
        g->count++;
    }
}

const char **formal_names(struct elab *e, const char *callee, int *count)
{
    const struct val *v = look_up(e, callee, true);
    const struct ast *tree = v && v->kind == V_BLOCK ? v->block->tree : NULL;
    struct builtin_args g = { .f = v ? NULL : builtin_find(callee) };
    if (!tree && !g.f)
        return optimizer_arguments(e, callee, count);
    if (g.f)
        read_signature(e, &g);
    *count = tree ? tree->items : g.count;
    const char **all = NEW_ARRAY(e->arena, *count + 1, const char *);
    for (int i = 0; i < *count; i++)
        all[i] = tree ? tree->item[i]->text : g.name[i];
    return all;
}

/* ---- binding ---- */

static void give(struct builtin_args *g, int i, struct val v, struct place at)
{
    g->arg[i] = v;
    g->where[i] = at;
    g->given[i] = true;
}

static bool give_more(struct elab *e, struct builtin_args *g, struct val v, struct place at)
{
    if (g->mores == MAX_VARIADIC) {
        error_at(e, at, "'%s' takes at most %d tensors", g->f->name, MAX_VARIADIC);
        return false;
    }
    void *items = g->more;
    arena_grow(e->arena, &items, &g->more_capacity, (size_t)g->mores + 1, sizeof *g->more);
    g->more = items;
    g->more[g->mores++] = v;
    give(g, 0, v, at);
    return true;
}

static int next_free(const struct builtin_args *g, int from, int to)
{
    while (from < to && g->given[from])
        from++;
    return from;
}

static bool is_extreme(const struct builtin_args *g) /* max(a, b) and max(x; axes): which is meant depends */
{
    return g->tensors == 2 && g->count > 2 && !strcmp(g->name[2], "axes");
}

/* concat([a, b]) of other languages. */
static bool lists_tensors(const struct builtin_args *g, const struct val *v)
{
    return g->variadic && v->kind == V_LIST && v->items && v->item[0].kind == V_TENSOR;
}

static const char *signature_hint(struct elab *e, const struct builtin *f)
{
    return arena_printf(e->arena, "its arguments are (%s)", f->signature + strspn(f->signature, "; "));
}

/* Tensors go to tensors and compile-time values to constants, each in order; where there are no constants left, or the
 * function has none, a number stands for a tensor. */
static bool give_positional(struct elab *e, struct builtin_args *g, struct val v, struct place at)
{
    if (v.kind == V_POISON)
        return false;
    if (v.kind == V_TUPLE && !g->variadic) {
        int room = 0;
        for (int i = 0; i < g->tensors; i++)
            room += !g->given[i];
        if (!tuple_fits(e, &v, room, g->tensors, g->f->name, at))
            return false;
    }
    if (no_list(e, &v, g->f->name, at))
        return false;
    if (v.kind == V_TUPLE) {
        for (int i = 0; i < v.items; i++)
            if (!give_positional(e, g, v.item[i], at))
                return false;
        return true;
    }
    int tensor = next_free(g, 0, g->tensors), constant = next_free(g, g->tensors, g->count);
    bool extreme = is_extreme(g); /* max(x, 0), but max(x, [1]) */
    bool as_tensor = v.kind == V_TENSOR || (v.kind == V_BOOL && g->count == g->tensors && !g->constants_only) ||
                     (is_number(&v) && !g->constants_only && !g->variadic &&
                      (constant == g->count || g->count == g->tensors || extreme || (tensor == 0 && g->tensors)));
    if (v.kind == V_TENSOR && g->variadic)
        return give_more(e, g, v, at);
    if (as_tensor && tensor < g->tensors) {
        give(g, tensor, v, at);
        return true;
    }
    if (lists_tensors(g, &v)) {
        error_at(e, at, "'%s' takes its tensors one by one, not in a list: %s(a, b)", g->f->name, g->f->name);
        return false;
    }
    if (v.kind != V_TENSOR && constant < g->count && !is_callable(&v)) {
        give(g, constant, v, at);
        return true;
    }
    bool chained = is_callable(&v) && g->call && g->item;
    error_hint(e, at, NULL, NULL, chained ? chained_hint(e, g->f->name, g->call, g->item) : signature_hint(e, g->f),
               "'%s' does not take %s here", g->f->name, describe(e, &v));
    return false;
}

static bool give_named(struct elab *e, struct builtin_args *g, const struct ast *a, struct val v)
{
    for (int i = 0; i < g->count; i++) {
        if (g->name[i] != a->text)
            continue;
        if (g->given[i]) {
            error_at(e, a->at, "argument '%s' is given twice", a->text);
            return false;
        }
        if (v.kind == V_POISON)
            return false;
        give(g, i, v, place_of(e, a));
        return true;
    }
    const struct val nothing = v_none();
    error_hint(e, place_of(e, a), NULL, a->text, named_hint(e, g->f->name, g->call, a, &nothing),
               "'%s' has no argument '%s'", g->f->name, a->text);
    return false;
}

/* The first argument that is missing; -1 where none is. */
static int missing_argument(const struct builtin_args *g)
{
    for (int i = 0; i < g->count; i++) {
        bool second = i == 1 && g->tensors == 2 && (!strcmp(g->f->name, "max") || !strcmp(g->f->name, "min"));
        if (!g->given[i] && g->arg[i].kind == V_POISON && !second)
            return i;
    }
    return -1;
}

/* The call with the axis that it lacks; NULL: it is not to be said. */
static const char *axis_hint(struct elab *e, const struct builtin_args *g)
{
    struct text t = text_make(e->arena);

    if (!g->call || e->in_library || !say_call_of(e, &t, g->f->name, g->call))
        return NULL;
    text_cut(&t, t.length - 1);
    return arena_printf(e->arena, "as in %s%saxis = 1)", text_string(&t), g->call->items ? ", " : "");
}

static bool check_required(struct elab *e, const struct builtin_args *g)
{
    int i = missing_argument(g);
    const char *hint = i >= 0 && !strcmp(g->name[i], "axis") ? axis_hint(e, g) : NULL;
    if (i >= 0)
        error_hint(e, g->at, NULL, NULL, hint ? hint : signature_hint(e, g->f), "'%s' needs its argument '%s'",
                   g->f->name, g->name[i]);
    return i < 0;
}

/* What a layer holds are constants: no number among them stands for a tensor. */
static bool give_all(struct elab *e, struct builtin_args *g, const struct val *piped, const struct arguments *x)
{
    bool ok = true, constants_only = g->constants_only;
    if (piped && (is_callable(piped) || piped->kind == V_STRING)) {
        error_hint(e, g->at, "a tensor", describe(e, piped), tensor_hint(e, piped), "'%s' takes a tensor, not %s",
                   g->f->name, describe(e, piped));
        return false;
    }
    if (piped && !give_positional(e, g, *piped, g->at))
        return false;
    for (int i = 0; i < x->count; i++) {
        const struct ast *a = x->item[i];
        g->item = a;
        g->constants_only = constants_only || i < x->held;
        ok = (a->kind == A_ARG ? give_named(e, g, a, x->value[i])
                               : give_positional(e, g, x->value[i], place_of(e, a))) &&
             ok;
    }
    return ok;
}

const struct ast *first_written(const struct builtin_args *g)
{
    const struct ast *first = !g->piped && g->call && g->call->items ? g->call->item[0] : NULL;
    return first && first->kind != A_ARG ? first : NULL;
}

/* What is said of numbers, `count` of them from this one on, that stand for a list; x: the tensor, or NULL. */
static const char *as_list_hint(struct elab *e, const struct builtin_args *g, const struct arguments *x,
                                const int *number, int count, const struct value *tensor)
{
    struct text t = text_make(e->arena);
    struct val *dims = NEW_ARRAY(e->arena, count, struct val);
    bool said = true;
    for (int i = 0; i < count; i++) {
        dims[i] = x->value[number[i]];
        text_add(&t, "%s", i ? ", " : "");
        said = said && say(e, &t, x->item[number[i]]);
    }
    const char *hint = NULL;
    if (tensor && g->f->run == builtin_transpose && count == 2)
        hint = swap_hint(e, tensor->type.rank, dims[0].i, dims[1].i, first_written(g));
    if (tensor && g->f->run == builtin_reshape)
        hint = samples_hint(e, tensor, dims, count);
    return hint   ? hint
           : said ? arena_printf(e->arena, "a list stands in brackets: [%s]", text_string(&t))
                  : "a list stands in brackets";
}

/* Numbers one by one where the function takes a list of them, as in reshape(x, 4, 5): says so. Behind a shape or an order
 * of axes there is room for as many numbers as there are other constants; behind axes there is keepdims, which is none. */
static bool lists_no_numbers(struct elab *e, const struct builtin_args *g, const struct val *piped,
                             const struct arguments *x)
{
    enum { MOST = 16 };
    int number[MOST], count = 0, room = g->count - g->tensors - 1;
    const struct value *tensor = piped && piped->kind == V_TENSOR ? piped->tensor : NULL;
    const char *list = room < 0 ? "" : g->name[g->tensors];
    bool axes = !strcmp(list, "axes") && g->tensors == 1;
    if (!axes && strcmp(list, "shape") && strcmp(list, "perm"))
        return false;
    for (int i = 0; i < x->count; i++) {
        const struct val *v = &x->value[i];
        if (v->kind == V_TENSOR && !tensor)
            tensor = v->tensor;
        room -= x->item[i]->kind == A_ARG;
        if (x->item[i]->kind != A_ARG && (v->kind == V_DIM || is_number(v)) && count < MOST)
            number[count++] = i;
    }
    count -= axes || room < 0 ? 0 : room;
    if (count < 2)
        return false;
    error_hint(e, place_of(e, x->item[number[1]]), NULL, NULL, as_list_hint(e, g, x, number, count, tensor),
               "'%s' of '%s' is a list, not %d numbers", list, g->f->name, count);
    return true;
}

/* Whether the arguments make a layer that waits for its tensors: they are compile-time values, and were numbers among
 * them to stand for tensors, a constant would be missing, as in cumsum(1), or have its default, as in flatten(1). */
static bool waits(struct elab *e, const struct builtin_args *g, const struct arguments *x)
{
    struct builtin_args as = { .f = g->f, .at = g->at, .constants_only = true };
    for (int i = 0; i < x->count; i++)
        if (x->value[i].kind == V_TENSOR || x->value[i].kind == V_POISON || x->value[i].kind == V_TUPLE)
            return false;
    bool fewer = x->count < g->count && g->count > g->tensors && !is_extreme(g);
    if (!x->count || (missing_argument(g) < 0 && !fewer))
        return false;
    read_signature(e, &as);
    diag_hold(e->diag);
    bool ok = give_all(e, &as, NULL, x);
    for (int i = 0; i < as.tensors; i++)
        ok = ok && !as.given[i];
    for (int i = as.tensors; i < as.count; i++)
        ok = ok && (as.given[i] || as.arg[i].kind != V_POISON);
    return !diag_release(e->diag) && ok;
}

/* The arguments of a call behind those that the layer holds already. */
static struct arguments all_arguments(struct elab *e, const struct layer *held, const struct ast *call)
{
    int before = held ? held->arguments.count : 0, here = call && call->kind == A_CALL ? call->items : 0;
    struct arguments x = { NEW_ARRAY(e->arena, before + here + 1, const struct ast *),
                           NEW_ARRAY(e->arena, before + here + 1, struct val), before + here, before };
    for (int i = 0; i < before; i++) {
        x.item[i] = held->arguments.item[i];
        x.value[i] = held->arguments.value[i];
    }
    for (int i = 0; i < here; i++) {
        x.item[before + i] = call->item[i];
        x.value[before + i] = eval(e, call->item[i]->kind == A_ARG ? call->item[i]->a : call->item[i]);
    }
    return x;
}

struct val call_builtin(struct elab *e, const struct builtin *f, const struct layer *held, const struct ast *call,
                        const struct val *piped, struct place at)
{
    struct builtin_args g = { .f = f, .at = at, .call = call, .piped = piped };
    struct arguments x = all_arguments(e, held, call);
    read_signature(e, &g);
    bool ok = !lists_no_numbers(e, &g, piped, &x) && give_all(e, &g, piped, &x), any_tensor = piped != NULL;
    for (int i = 0; i < g.tensors; i++)
        any_tensor |= g.given[i];
    if (ok && g.tensors && (!any_tensor || (!piped && waits(e, &g, &x)))) {
        struct layer *l = NEW(e->arena, struct layer);
        *l = (struct layer){ .builtin = f, .arguments = x, .at = at };
        return (struct val){ .kind = V_LAYER, .layer = l };
    }
    if (!ok || !check_required(e, &g))
        return v_poison();
    struct place before = e->at;
    const char *speaker = e->m->speaker, *hint = e->m->hint;
    if (!e->in_library) {
        e->at = at;
        e->m->speaker = f->name;
        e->m->hint = g.mores ? batch_hint(e, g.more, g.mores) : batch_hint(e, g.arg, g.count);
    }
    struct val v = f->run(e, &g);
    if (v.kind == V_TUPLE)
        v.text = f->name;
    e->at = before;
    e->m->speaker = speaker;
    e->m->hint = hint;
    return v;
}

/* ---- arguments by kind ---- */

static bool mistyped(struct elab *e, struct builtin_args *g, int i, const char *want)
{
    const char *hint = list_hint(e, &g->arg[i]);

    if (g->arg[i].kind != V_POISON)
        error_hint(e, g->given[i] ? g->where[i] : g->at, want, describe(e, &g->arg[i]), hint,
                   "'%s' of '%s' is %s, not %s", g->name[i], g->f->name, want, describe(e, &g->arg[i]));
    return false;
}

struct value *arg_tensor(struct elab *e, struct builtin_args *g, int i, enum dtype like)
{
    return tensor_of(e, &g->arg[i], g->where[i], g->f->name, like);
}

bool arg_int(struct elab *e, struct builtin_args *g, int i, int64_t *out)
{
    *out = g->arg[i].i;
    return g->arg[i].kind == V_INT || mistyped(e, g, i, "an integer");
}

bool arg_real(struct elab *e, struct builtin_args *g, int i, double *out)
{
    *out = number_of(&g->arg[i]);
    return is_number(&g->arg[i]) || mistyped(e, g, i, "a number");
}

bool arg_bool(struct elab *e, struct builtin_args *g, int i, bool *out)
{
    *out = g->arg[i].i;
    return g->arg[i].kind == V_BOOL || mistyped(e, g, i, "true or false");
}

const char *arg_word(struct elab *e, struct builtin_args *g, int i)
{
    if (g->arg[i].kind == V_STRING)
        return g->arg[i].text;
    mistyped(e, g, i, "a string");
    return NULL;
}

bool arg_ints(struct elab *e, struct builtin_args *g, int i, int64_t **out, int *count)
{
    struct val *v = &g->arg[i];
    bool list = v->kind == V_LIST;
    if (!list && v->kind != V_INT)
        return mistyped(e, g, i, "an integer or a list of integers");
    *count = list ? v->items : 1;
    *out = NEW_ARRAY(e->arena, *count + 1, int64_t);
    for (int k = 0; k < *count; k++) {
        struct val *x = list ? &v->item[k] : v;
        if (x->kind != V_INT)
            return mistyped(e, g, i, "a list of integers");
        (*out)[k] = x->i;
    }
    return true;
}

bool arg_shape(struct elab *e, struct builtin_args *g, int i, struct type *out)
{
    struct val *v = &g->arg[i], one;
    struct place at = g->given[i] ? g->where[i] : g->at;
    if (v->kind == V_INT || v->kind == V_DIM) {
        one = (struct val){ .kind = V_LIST, .item = v, .items = 1 };
        v = &one;
    }
    if (v->kind != V_LIST)
        return mistyped(e, g, i, "a list of dimensions");
    *out = type_scalar(DT_REAL);
    if (v->items > MAX_RANK) {
        error_at(e, at, "a tensor has at most %d dimensions, not %d", MAX_RANK, v->items);
        return false;
    }
    for (int k = 0; k < v->items; k++)
        if (!val_dim(e, &v->item[k], at, &out->dim[out->rank++]))
            return false;
    int64_t count;
    if (type_count_checked(*out, e->m->batch, &count))
        return true;
    error_at(e, at, "%s has more than 2^40 elements", shape_text(e->arena, *out));
    return false;
}

static bool resolve_axis(struct elab *e, struct builtin_args *g, int i, int64_t axis, int rank, int64_t *out)
{
    *out = axis < 0 ? axis + rank : axis;
    if (*out >= 0 && *out < rank)
        return true;
    if (rank)
        error_at(e, g->given[i] ? g->where[i] : g->at,
                 "'%s' has no axis %lld here: there are axes 0 to %d, or -%d to -1", g->f->name, (long long)axis,
                 rank - 1, rank);
    else
        error_at(e, g->given[i] ? g->where[i] : g->at, "'%s' has no axis %lld: a scalar has none", g->f->name,
                 (long long)axis);
    return false;
}

bool arg_axis(struct elab *e, struct builtin_args *g, int i, int rank, int *axis)
{
    int64_t a, out = 0;
    bool ok = arg_int(e, g, i, &a) && resolve_axis(e, g, i, a, rank, &out);
    *axis = (int)out;
    return ok;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

bool arg_axes(struct elab *e, struct builtin_args *g, int i, int rank, int64_t *axes, int *count)
{
    int64_t *list;
    if (g->arg[i].kind == V_NONE) {
        for (*count = 0; *count < rank; ++*count)
            axes[*count] = *count;
        return true;
    }
    if (!arg_ints(e, g, i, &list, count))
        return false;
    if (*count > rank) {
        error_at(e, g->where[i], "'%s' is given %d axes of a tensor with %d dimensions", g->f->name, *count, rank);
        return false;
    }
    for (int k = 0; k < *count; k++)
        if (!resolve_axis(e, g, i, list[k], rank, &axes[k]))
            return false;
    qsort(axes, (size_t)*count, sizeof *axes, by_value);
    for (int k = 1; k < *count; k++)
        if (axes[k] == axes[k - 1]) {
            error_at(e, g->where[i], "'%s' is given axis %lld twice", g->f->name, (long long)axes[k]);
            return false;
        }
    return true;
}
