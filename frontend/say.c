/* frontend/say.c: expressions as they stand in a file, for hints that say what to write. */
#include <string.h>

#include "frontend/elab.h"

static bool say_part(struct elab *e, struct text *t, const struct ast *x, bool whole);

/* Items between brackets of a kind, which are two characters. */
static bool say_items(struct elab *e, struct text *t, const struct ast *x, const char *brackets)
{
    text_putc(t, brackets[0]);
    for (int i = 0; i < x->items; i++) {
        text_puts(t, i ? ", " : "");
        if (!say_part(e, t, x->item[i], true))
            return false;
    }
    text_putc(t, brackets[1]);
    return true;
}

bool say_argument(struct elab *e, struct text *t, const char *callee, const struct ast *x)
{
    const struct ast *value = x->kind == A_ARG ? x->a : x;
    bool list = value->kind == A_TUPLE && (x->kind == A_ARG || is_literal(value->item[0]));

    if (x->kind == A_ARG)
        text_add(t, "%s = ", callee ? argument_here(e, callee, x->text) : x->text);
    return list ? say_items(e, t, value, "[]") : say_part(e, t, value, true);
}

/* Those of a call, to the closing parenthesis. */
static bool say_arguments(struct elab *e, struct text *t, const char *callee, const struct ast *x)
{
    for (int i = 0; i < x->items; i++) {
        text_puts(t, i ? ", " : "");
        if (!say_argument(e, t, callee, x->item[i]))
            return false;
    }
    text_puts(t, ")");
    return true;
}

bool say_call_of(struct elab *e, struct text *t, const char *callee, const struct ast *call)
{
    text_add(t, "%s(", callee);
    return say_arguments(e, t, callee, call);
}

bool is_size_call(const struct ast *x)
{
    return is_method_call(x) && !strcmp(x->a->text, "size") && x->items == 1 && x->item[0]->kind != A_ARG;
}

static bool say_size(struct elab *e, struct text *t, const struct ast *x)
{
    if (!say_part(e, t, x->a->a, false))
        return false;
    text_puts(t, ".shape[");
    bool said = say_part(e, t, x->item[0], true);
    text_puts(t, "]");
    return said;
}

/* x.f(...) of a value, where f is an operation: not of a module, and not of a layer's own. */
static bool is_operation_of(struct elab *e, const struct ast *x)
{
    const struct ast *root = x->a;

    if (!is_method_call(x) || !(foreign_name(x->a->text) || builtin_find(x->a->text) || look_up(e, x->a->text, true)))
        return false;
    while (root->kind == A_MEMBER)
        root = root->a;
    return root->kind != A_NAME || look_up(e, root->text, false);
}

/* What is called here by the name of a class or a module's member elsewhere; NULL of all else. */
static const char *callee_here(struct elab *e, const struct ast *callee)
{
    const char *word = callee->text;

    if (callee->kind == A_MEMBER)
        return module_callee(e, callee);
    if (callee->kind != A_NAME || look_up(e, word, true) || builtin_find(word))
        return NULL;
    return layer_here(e, word) ? layer_here(e, word) : is_class(word) ? nearest_name(e, word, true) : NULL;
}

static bool say_call(struct elab *e, struct text *t, const struct ast *x)
{
    const char *here = is_size_call(x) ? NULL : callee_here(e, x->a), *said;

    if (here) {
        said = call_here_text(e, here, call_here(e, x->a->text, here, x), "");
        text_puts(t, said ? said : "");
        return said;
    }
    if (x->a->kind == A_NAME)
        return say_call_of(e, t, x->a->text, x);
    if (is_size_call(x))
        return say_size(e, t, x);
    if (is_operation_of(e, x))
        return say_applied(e, t, x->a, x, NULL);
    if (!say_part(e, t, x->a, false))
        return false;
    text_puts(t, "(");
    return say_arguments(e, t, NULL, x);
}

/* Of another language, whose operator the lexer knows. */
static bool say_power(struct elab *e, struct text *t, const struct ast *x)
{
    bool square = x->b->kind == A_INT && x->b->i == 2;

    text_puts(t, square ? "square(" : "pow(");
    bool said = say_part(e, t, x->a, true);
    text_puts(t, square ? "" : ", ");
    said = said && (square || say_part(e, t, x->b, true));
    text_puts(t, ")");
    return said;
}

/* Python's words for values are those of the language but for a capital. */
static const char *said_name(const char *name)
{
    static const char *const words[] = { "true", "false", "none" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(name + 1, words[i] + 1) && spelt_alike(name, words[i]))
            return words[i];
    return name;
}

static bool say_swap(struct elab *e, struct text *t, const struct ast *x)
{
    bool said = say_part(e, t, x->a, false);
    text_puts(t, "'");
    return said;
}

/* A chain is one, too: its operator binds loosest, and to the left. */
static bool say_binary(struct elab *e, struct text *t, const struct ast *x, const char *sign, bool whole)
{
    text_puts(t, whole ? "" : "(");
    if (!say_part(e, t, x->a, x->kind == A_CHAIN))
        return false;
    text_add(t, " %s ", sign);
    if (!say_part(e, t, x->b, false))
        return false;
    text_puts(t, whole ? "" : ")");
    return true;
}

static bool say_index(struct elab *e, struct text *t, const struct ast *x)
{
    if (!say_part(e, t, x->a, false))
        return false;
    text_puts(t, "[");
    if (!say_part(e, t, x->b, true))
        return false;
    text_puts(t, "]");
    return true;
}

static bool say_member(struct elab *e, struct text *t, const struct ast *x)
{
    if (!say_part(e, t, x->a, false))
        return false;
    text_add(t, ".%s", x->text);
    return true;
}

/* whole: nothing stands beside it, so it needs no parentheses. */
static bool say_part(struct elab *e, struct text *t, const struct ast *x, bool whole)
{
    switch (x->kind) {
    case A_INT: text_add(t, "%lld", (long long)x->i); return true;
    case A_REAL: text_add(t, "%g", x->real); return true;
    case A_STRING: text_add(t, "\"%s\"", x->text); return !x->text[strcspn(x->text, "\"\\\n\t")];
    case A_TRUE: text_puts(t, "true"); return true;
    case A_FALSE: text_puts(t, "false"); return true;
    case A_TRAINING: text_puts(t, "training"); return true;
    case A_NONE: text_puts(t, "none"); return true;
    case A_NAME: text_puts(t, said_name(x->text)); return true;
    case A_ARG: text_add(t, "%s = ", x->text); return say_part(e, t, x->a, true);
    case A_UNARY: text_puts(t, x->text); return say_part(e, t, x->a, false);
    case A_BINARY: return !strcmp(x->text, "**") ? say_power(e, t, x) : say_binary(e, t, x, x->text, whole);
    case A_CHAIN: return say_binary(e, t, x, "|>", whole);
    case A_LIST: return say_items(e, t, x, "[]");
    case A_TUPLE: return say_items(e, t, x, "()");
    case A_CALL: return say_call(e, t, x);
    case A_SWAP: return say_swap(e, t, x);
    case A_INDEX: return say_index(e, t, x);
    case A_MEMBER: return say_member(e, t, x);
    default: return false;
    }
}

bool say(struct elab *e, struct text *t, const struct ast *x)
{
    return say_part(e, t, x, true);
}

bool say_operand(struct elab *e, struct text *t, const struct ast *x)
{
    bool sign = x->kind == A_UNARY;

    text_puts(t, sign ? "(" : "");
    bool said = say_part(e, t, x, false);
    text_puts(t, sign ? ")" : "");
    return said;
}

bool is_method_call(const struct ast *x)
{
    return x->kind == A_CALL && x->a->kind == A_MEMBER;
}

/* The first object of a row of methods, in parentheses where it takes them. */
static bool say_object(struct elab *e, struct text *t, const struct ast *x, const char *as)
{
    if (!as)
        return say_part(e, t, x, false);
    text_add(t, "%s(", as);
    bool said = say_part(e, t, x, true);
    text_puts(t, ")");
    return said;
}

static const char *method_name(const struct ast *member)
{
    const char *renamed = foreign_name(member->text);
    return renamed ? renamed : member->text;
}

/* Of what is given to a method, the numbers that are a list here, as the first constant; NULL: none. Two axes alone are those
 * that elsewhere are swapped. */
static const struct ast *listed(struct elab *e, const char *callee, const struct ast *call)
{
    int count;
    const char *const *names = formal_names(e, callee, &count);
    bool shape = count > 1 && !strcmp(names[1], "shape"), perm = count > 1 && !strcmp(names[1], "perm");

    for (int i = 0; i < call->items; i++)
        if (call->item[i]->kind == A_ARG)
            return NULL;
    if ((shape || perm) && call->items == 1 && call->item[0]->kind == A_TUPLE)
        return call->item[0];
    return call->items > (shape ? 1 : 2) && (shape || perm) ? call : NULL;
}

/* To the closing parenthesis. */
static bool say_given(struct elab *e, struct text *t, const char *callee, const struct ast *call)
{
    const struct ast *list = listed(e, callee, call);

    if (!list)
        return say_arguments(e, t, callee, call);
    bool said = say_items(e, t, list, "[]");
    text_puts(t, ")");
    return said;
}

bool say_methods(struct elab *e, struct text *t, const struct ast *member, const struct ast *call, const char *as)
{
    const struct ast *object = member->a;
    const char *word = method_name(member);

    if (is_method_call(object) ? !say_methods(e, t, object->a, object, as) : !say_object(e, t, object, as))
        return false;
    text_add(t, " |> %s", word);
    text_puts(t, call && call->items ? "(" : "");
    return !call || !call->items || say_given(e, t, word, call);
}

bool say_applied(struct elab *e, struct text *t, const struct ast *member, const struct ast *call, const char *as)
{
    const char *word = method_name(member);

    text_add(t, "%s(", word);
    bool said = as ? say_object(e, t, member->a, as) : say_part(e, t, member->a, member->a->kind != A_CHAIN);
    text_puts(t, call->items ? ", " : "");
    return said && say_given(e, t, word, call);
}
