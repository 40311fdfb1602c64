/* frontend/member.c: what stands behind a value: members, indices, and the methods that nothing has. */
#include <string.h>

#include "frontend/builtin.h"
#include "frontend/meant.h"

static struct val shape_of_value(struct elab *e, const struct value *t)
{
    struct val v = v_list(e, t->type.rank);
    for (int i = 0; i < t->type.rank; i++)
        v.item[i] = v_dim(t->type.dim[i]);
    return v;
}

/* stage[i] may be a name of its own, bound by `stage[i] = ...`: "stage.0". */
static const char *indexed_name(struct elab *e, const struct ast *x)
{
    if (x->kind == A_NAME)
        return x->text;
    if (x->kind != A_INDEX)
        return NULL;
    const char *base = indexed_name(e, x->a);
    if (!base)
        return NULL;
    struct val i = eval(e, x->b);
    return i.kind == V_INT ? name_printf(e->names, "%s.%lld", base, (long long)i.i) : NULL;
}

/* `a.attn.q.weight`, `a.stage[0].bias`: a layer that has a name, and a path below it; NULL for the path of the layer. */
static bool below_layer(struct elab *e, const struct ast *x, struct layer **l, const char **path)
{
    if (x->kind == A_MEMBER && below_layer(e, x->a, l, path)) {
        *path = *path ? name_printf(e->names, "%s.%s", *path, x->text) : x->text;
        return true;
    }
    const char *own = x->kind == A_NAME || x->kind == A_INDEX ? indexed_name(e, x) : NULL;
    const struct val *bound = own ? look_up(e, own, false) : NULL;
    if (bound && bound->kind == V_LAYER && !bound->layer->builtin) {
        *l = bound->layer;
        *path = NULL;
        return true;
    }
    if (x->kind != A_INDEX || !below_layer(e, x->a, l, path) || !*path)
        return false;
    struct val i = eval(e, x->b);
    *path = i.kind == V_INT ? name_printf(e->names, "%s.%lld", *path, (long long)i.i) : NULL;
    return *path;
}

/* Whether a parameter of the layer has this path, or one that goes on behind it. */
static bool leads_to_parameter(struct elab *e, const struct layer *l, const char *path)
{
    const char *whole = arena_printf(e->arena, "%s.%s", l->instance->path, path);
    size_t length = strlen(whole);

    for (int i = 0; i < e->m->vars; i++) {
        const char *own = e->m->var[i]->name;
        if (!strncmp(own, whole, length) && (!own[length] || own[length] == '.'))
            return true;
    }
    return false;
}

/* Of a path below a layer, of which x is the last: the first member with which it leads nowhere. */
static const struct ast *first_missing(struct elab *e, const struct ast *x)
{
    struct layer *l;
    const char *path;
    bool below = (x->a->kind == A_MEMBER || x->a->kind == A_INDEX) && below_layer(e, x->a, &l, &path) && path;

    return below && !leads_to_parameter(e, l, path) ? first_missing(e, x->a) : x;
}

static bool is_operation(struct elab *e, const char *word)
{
    return look_up(e, word, true) || builtin_find(word);
}

/* Whether the model has a block or a layer of that name. */
static bool is_own(struct elab *e, const char *word)
{
    const struct val *v = look_up(e, word, true);
    return v && !(v->kind == V_BLOCK && v->block->library);
}

/* What is neither a tensor's nor a layer's: operations are no methods. */
static const char *method_hint(struct elab *e, const struct ast *member, const struct ast *call)
{
    const char *word = member->text;
    const struct usage u = { .object = member->a, .call = call };
    const char *foreign = is_own(e, word) ? NULL : foreign_hint(e, word, &u);
    if (foreign)
        return foreign;
    return is_operation(e, word) ? arena_printf(e->arena, "operations are no methods: x |> %s", word) : NULL;
}

/* The name of another library, or of an object, that a member is behind; NULL: there is none. hint: of the member. */
static const struct ast *module_of(struct elab *e, const struct ast *x, const char *hint)
{
    const struct ast *root = x;
    while (root->kind == A_MEMBER)
        root = root->a;
    if (root->kind != A_NAME || look_up(e, root->text, false))
        return NULL;
    bool misspelt = !hint || nearest_name(e, root->text, false); /* and no other library's */
    return is_foreign_module(root->text) || !misspelt ? root : NULL;
}

/* What a name is here, perhaps in another spelling; NULL: nothing. */
static const char *known_as(struct elab *e, const char *word)
{
    const char *layer = layer_here(e, word);
    return look_up(e, word, false) || builtin_find(word) ? word : layer ? layer : nearest_name(e, word, true);
}

const char *module_callee(struct elab *e, const struct ast *member)
{
    bool ours = is_own(e, member->text) || layer_here(e, member->text);
    const char *hint = ours ? NULL : foreign_hint(e, member->text, NULL);
    const struct ast *root = hint ? NULL : module_of(e, member, NULL);
    const char *here = root ? known_as(e, member->text) : NULL;

    return here && (look_up(e, here, true) || builtin_find(here)) ? here : NULL;
}

void say_module(struct elab *e, const struct ast *member, const char *here, const struct ast *call, const char *before)
{
    const struct ast *root = module_of(e, member, NULL);
    const char *written = call_here_text(e, here, call, before);

    error_hint(e, root->at, NULL, NULL, arena_printf(e->arena, "a name stands alone: %s", written ? written : here),
               "nothing is called '%s' here", root->text);
}

/* nn.Linear(10), torch.nn.functional.relu(x), self.x: a name of another library, or of an object, before what is meant. */
static bool behind_module(struct elab *e, const struct ast *x, const struct usage *u)
{
    const char *hint = is_own(e, x->text) ? NULL : foreign_hint(e, x->text, u);
    const struct ast *root = module_of(e, x, hint);
    if (!root)
        return false;
    const char *here = known_as(e, x->text);
    if (!hint)
        hint = here ? arena_printf(e->arena, "a name stands alone: %s", here)
                    : arena_printf(e->arena, "a name stands alone, and nothing is called '%s' either", x->text);
    error_hint(e, root->at, NULL, NULL, hint, "nothing is called '%s' here", root->text);
    return true;
}

/* Of a tensor. */
static bool is_own_member(const char *word)
{
    return !strcmp(word, "shape") || !strcmp(word, "rank");
}

static struct val no_member(struct elab *e, const struct ast *x, const struct val *v, const char *hint)
{
    error_hint(e, place_of(e, x), NULL, NULL, hint, "%s '.%s'",
               v->kind == V_TENSOR ? "a tensor has .shape and .rank, not"
                                   : arena_printf(e->arena, "%s has no", describe(e, v)),
               x->text);
    return v_poison();
}

struct method {
    const struct ast *member, *call; /* call: NULL where it is none */
};

/* The last method up to which all are operations, from the object on; without a member where the first is none. */
static struct method last_known(struct elab *e, struct method m)
{
    const struct ast *object = m.member->a;
    struct method below = { NULL, NULL };

    if (is_method_call(object))
        below = last_known(e, (struct method){ object->a, object });
    bool known = !is_method_call(object) || below.member == object->a;
    const char *word = m.member->text;
    bool renamed = foreign_name(word) && !(m.call && m.call->items);
    bool same =
        is_own(e, word) || renamed || (is_operation(e, word) && !foreign_hint(e, word, NULL)); /* not max(x, 1) */
    return known && same ? m : below;
}

/* What the object is converted by that true and false are added up of. */
static const char *converted_by(struct method m, const struct val *v)
{
    static const char *const adds[] = { "sum", "mean", "prod", "moments" };
    const struct ast *first = m.member;

    while (is_method_call(first->a))
        first = first->a->a;
    for (size_t i = 0; i < sizeof adds / sizeof *adds; i++)
        if (v->kind == V_TENSOR && v->tensor->type.dtype == DT_BOOL && !strcmp(first->text, adds[i]))
            return "f32";
    return NULL;
}

/* Of x.transpose(1, 2), which is x; NULL of others. */
static const char *swapped_hint(struct elab *e, struct method m, const struct val *x)
{
    if (strcmp(m.member->text, "transpose") || m.call->items != 2 || !is_literal(m.call->item[0]) ||
        !is_literal(m.call->item[1]))
        return NULL;
    struct val a = eval(e, m.call->item[0]), b = eval(e, m.call->item[1]);
    return a.kind == V_INT && b.kind == V_INT ? swap_hint(e, x->tensor->type.rank, a.i, b.i, m.member->a) : NULL;
}

/* How methods of v are written, one as a call and several as a chain; NULL where the first of them is no operation. */
static const char *methods_hint(struct elab *e, struct method m, const struct val *v)
{
    struct method known = last_known(e, m);
    struct text t = text_make(e->arena);

    if (!known.member)
        return NULL;
    bool one =
        !is_method_call(known.member->a) && known.call && v->kind == V_TENSOR && !look_up(e, known.member->text, true);
    const char *as = converted_by(known, v), *swapped = one ? swapped_hint(e, known, v) : NULL;
    if (swapped)
        return arena_printf(e->arena, "operations are no methods, and %s", swapped);
    text_puts(&t, is_callable(v) ? "operations are no methods: x |> " : "operations are no methods: ");
    bool said =
        one ? say_applied(e, &t, known.member, known.call, as) : say_methods(e, &t, known.member, known.call, as);
    return said ? text_string(&t) : NULL;
}

/* Of layers.append(linear(8)): nothing is added to a list. */
static const char *added_hint(struct elab *e, const struct ast *member, const struct ast *call)
{
    struct text t = text_make(e->arena);

    text_puts(&t, "a list stays as it is; one of several is bound by its number: ");
    if (strcmp(member->text, "append") || !call || call->items != 1 || !say(e, &t, member->a))
        return NULL;
    text_puts(&t, "[i] = ");
    return say(e, &t, call->item[0]) ? text_string(&t) : NULL;
}

/* Of layer.forward(x). */
static const char *applied_hint(struct elab *e, const struct ast *layer)
{
    struct text t = text_make(e->arena);

    text_puts(&t, "a layer is applied by its name: x |> ");
    return say(e, &t, layer) ? text_string(&t) : NULL;
}

/* What the methods would give, were they operations: so that what else is wrong is said, too. */
static struct val applied(struct elab *e, struct method m, struct val v)
{
    const struct ast *object = m.member->a;
    const char *renamed = foreign_name(m.member->text), *word = renamed ? renamed : m.member->text;
    const struct ast callee = { .kind = A_NAME, .at = m.member->at, .text = name(e->names, word) };

    if (is_method_call(object))
        v = applied(e, (struct method){ object->a, object }, v);
    struct ast given = { .kind = A_CALL, .at = m.member->at };
    given.item = NEW_ARRAY(e->arena, m.call ? m.call->items + 1 : 1, struct ast *);
    for (int i = 0; m.call && i < m.call->items; i++) {
        struct ast *argument = NEW(e->arena, struct ast);
        *argument = *m.call->item[i];
        if (!is_literal(argument->kind == A_ARG ? argument->a : argument))
            return v_poison();
        if (argument->kind == A_ARG)
            argument->text = name(e->names, argument_here(e, word, argument->text));
        given.item[given.items++] = argument;
    }
    return v.kind == V_POISON ? v : call(e, &callee, &given, &v, NULL);
}

/* After the methods of a tensor were said to be none. */
static struct val gone_on(struct elab *e, struct method m, const struct val *v)
{
    if (v->kind != V_TENSOR || last_known(e, m).member != m.member || converted_by(m, v))
        return v_poison();
    diag_hold(e->diag);
    struct val result = applied(e, m, *v);
    return diag_release(e->diag) ? v_poison() : result;
}

struct val eval_method(struct elab *e, const struct ast *member, const struct ast *call, bool piped, bool *called)
{
    const struct ast *first = member, *given = call;
    while (is_method_call(first->a)) {
        given = first->a;
        first = given->a;
    }
    const struct usage u = { .call = given,
                             .outer = first == member ? e->outer : NULL,
                             .piped = piped && first == member };
    e->outer = NULL;
    struct val v = behind_module(e, first, &u) ? v_poison() : eval(e, first->a);
    if (v.kind == V_POISON)
        return v;
    const char *hint = methods_hint(e, (struct method){ member, call }, &v);
    if (!hint && is_callable(&v) && !strcmp(first->text, "forward"))
        hint = applied_hint(e, first->a);
    const struct usage chained = { .call = given, .piped = true };
    if (!hint && is_callable(&v) && first->a->kind == A_CALL && !is_own(e, first->text))
        hint = foreign_hint(e, first->text, &chained);
    if (!hint && v.kind == V_TENSOR && !is_own_member(first->text))
        hint = method_hint(e, first, given);
    if (v.kind == V_LIST)
        hint = added_hint(e, first, given);
    if (!hint || (v.kind != V_TENSOR && v.kind != V_LIST && !is_callable(&v)))
        return eval_member(e, first);
    no_member(e, first, &v, hint);
    *called = true;
    return gone_on(e, (struct method){ member, call }, &v);
}

/* What a tensor has, here or elsewhere. */
static bool is_tensors_member(struct elab *e, const char *word)
{
    return is_own_member(word) || foreign_hint(e, word, NULL);
}

struct val eval_member(struct elab *e, const struct ast *x)
{
    struct layer *l;
    const char *path, *above;
    if (behind_module(e, x, NULL))
        return v_poison();
    bool deep = (x->a->kind == A_MEMBER || x->a->kind == A_INDEX) && below_layer(e, x, &l, &path);
    bool tensor = deep && below_layer(e, x->a, &l, &above) && above;
    if (tensor && !leads_to_parameter(e, l, path) && is_tensors_member(e, x->text) && !is_parameter(e, l, above))
        path = above; /* fc.weigth.data */
    if (deep && !(tensor && is_parameter(e, l, above)))
        return layer_member(e, l, path, place_of(e, first_missing(e, x)));
    struct val v = eval(e, x->a);
    if (v.kind == V_POISON)
        return v;
    if (v.kind == V_TENSOR && !strcmp(x->text, "shape"))
        return shape_of_value(e, v.tensor);
    if (v.kind == V_TENSOR && !strcmp(x->text, "rank"))
        return v_int(v.tensor->type.rank);
    bool operation = v.kind == V_LAYER && is_operation(e, x->text);
    if (v.kind == V_LAYER && (v.layer->builtin || !operation || is_parameter(e, v.layer, x->text)))
        return layer_member(e, v.layer, x->text, place_of(e, x));
    return no_member(e, x, &v, operation || v.kind == V_TENSOR ? method_hint(e, x, NULL) : NULL);
}

/* Names bound with an index, as stage[0] and stage[1], where another index was asked for; false where there are none. */
static bool other_index(struct elab *e, const struct ast *x, const char *own)
{
    const char *base = indexed_name(e, x->a);
    if (!own || !base || look_up(e, base, false))
        return false;
    enum { MOST = 4 };
    const char *index[MOST]; /* the first that were bound, the last of them first */
    size_t length = strlen(base), count = 0;
    for (const struct env *env = e->env; env; env = env->parent)
        for (const struct binding *b = env->first; b; b = b->next) {
            if (strncmp(b->name, base, length) || b->name[length] != '.')
                continue;
            const char *number = b->name + length + 1;
            if (!number[strspn(number, "0123456789")])
                index[count++ % MOST] = number;
        }
    if (!count)
        return false;
    struct text t = text_make(e->arena);
    for (size_t i = 1; i <= MOST && i <= count; i++)
        text_add(&t, "%s%s[%s]", i > 1 ? ", " : "there are ", base, index[(count - i) % MOST]);
    error_hint(e, place_of(e, x), NULL, NULL,
               arena_printf(e->arena, "%s%s", text_string(&t), count > MOST ? ", ..." : ""),
               "nothing is called '%s[%s]' here", base, own + length + 1);
    return true;
}

/* x[i] of a tensor: what does it here. */
static const char *tensor_index_hint(struct elab *e, const struct ast *x, const struct type *t, const struct val *i)
{
    struct text object = text_make(e->arena), index = text_make(e->arena);
    bool said = say_operand(e, &object, x->a) && say(e, &index, x->b), samples = t->rank > 1 && t->dim[0].n;
    const char *name = text_string(&object), *place = text_string(&index);

    if (!said)
        return "slice(x, axis, begin, end) takes part of a tensor";
    if (i->kind == V_TENSOR && i->tensor->type.dtype == DT_BOOL)
        return arena_printf(e->arena, "a shape is known as the net is compiled: where(%s, %s, 0)", place, name);
    if (i->kind == V_TENSOR)
        return arena_printf(e->arena,
                            samples ? "axis 0 is that of the samples; of another it is gather(%s, %s, axis = 1)"
                                    : "it is written gather(%s, %s)",
                            name, place);
    const char *hint =
        brackets_hint(e->arena, name, arena_printf(e->arena, samples && i->kind == V_INT ? ":, %s]" : "%s]", place));
    return hint && samples && i->kind == V_INT
               ? arena_printf(e->arena, "axis 0 is that of the samples; of axis 1 %s", hint)
               : hint;
}

struct val eval_index(struct elab *e, const struct ast *x)
{
    bool axis = x->b->kind == A_NAME && is_new_axis(x->b->text);
    const char *own = axis ? NULL : indexed_name(e, x);
    const struct val *bound = own ? look_up(e, own, false) : NULL;
    if (bound)
        return *bound;
    if (other_index(e, x, own))
        return v_poison();
    struct val v = eval(e, x->a), i = axis ? v_none() : eval(e, x->b);
    if (v.kind == V_POISON || i.kind == V_POISON)
        return v_poison();
    if (v.kind != V_LIST && v.kind != V_TUPLE) {
        error_hint(e, place_of(e, x), NULL, NULL,
                   v.kind == V_TENSOR ? tensor_index_hint(e, x, &v.tensor->type, &i)
                   : is_callable(&v)  ? "slice(x, axis, begin, end) takes part of a tensor"
                                      : NULL,
                   "%s has no elements to index", describe(e, &v));
        return v_poison();
    }
    if (i.kind != V_INT) {
        error_at(e, place_of(e, x->b), "an index is an integer, not %s", describe(e, &i));
        return v_poison();
    }
    int64_t at = i.i < 0 ? i.i + v.items : i.i;
    if (at < 0 || at >= v.items) {
        error_at(e, place_of(e, x->b), "index %lld is outside a list of %d", (long long)i.i, v.items);
        return v_poison();
    }
    return v.item[at];
}
