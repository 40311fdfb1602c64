/* frontend/say.c: expressions as they stand in a file, for hints that say what to write. */
#include <string.h>

#include "frontend/elab.h"

static bool say_part(struct text *t, const struct ast *x, bool whole);

/* Items between brackets of a kind, which are two characters. */
static bool say_items(struct text *t, const struct ast *x, const char *brackets)
{
    text_putc(t, brackets[0]);
    for (int i = 0; i < x->items; i++) {
        text_puts(t, i ? ", " : "");
        if (!say_part(t, x->item[i], true))
            return false;
    }
    text_putc(t, brackets[1]);
    return true;
}

static bool say_call(struct text *t, const struct ast *x)
{
    return say_part(t, x->a, false) && say_items(t, x, "()");
}

static bool say_swap(struct text *t, const struct ast *x)
{
    bool said = say_part(t, x->a, false);
    text_puts(t, "'");
    return said;
}

/* A chain is one, too: its operator binds loosest, and to the left. */
static bool say_binary(struct text *t, const struct ast *x, const char *sign, bool whole)
{
    text_puts(t, whole ? "" : "(");
    if (!say_part(t, x->a, x->kind == A_CHAIN))
        return false;
    text_add(t, " %s ", sign);
    if (!say_part(t, x->b, false))
        return false;
    text_puts(t, whole ? "" : ")");
    return true;
}

static bool say_index(struct text *t, const struct ast *x)
{
    if (!say_part(t, x->a, false))
        return false;
    text_puts(t, "[");
    if (!say_part(t, x->b, true))
        return false;
    text_puts(t, "]");
    return true;
}

static bool say_member(struct text *t, const struct ast *x)
{
    if (!say_part(t, x->a, false))
        return false;
    text_add(t, ".%s", x->text);
    return true;
}

/* whole: nothing stands beside it, so it needs no parentheses. */
static bool say_part(struct text *t, const struct ast *x, bool whole)
{
    switch (x->kind) {
    case A_INT: text_add(t, "%lld", (long long)x->i); return true;
    case A_REAL: text_add(t, "%g", x->real); return true;
    case A_STRING: text_add(t, "\"%s\"", x->text); return !x->text[strcspn(x->text, "\"\\\n\t")];
    case A_TRUE: text_puts(t, "true"); return true;
    case A_FALSE: text_puts(t, "false"); return true;
    case A_TRAINING: text_puts(t, "training"); return true;
    case A_NONE: text_puts(t, "none"); return true;
    case A_NAME: text_puts(t, x->text); return true;
    case A_ARG: text_add(t, "%s = ", x->text); return say_part(t, x->a, true);
    case A_UNARY: text_puts(t, x->text); return say_part(t, x->a, false);
    case A_BINARY: return say_binary(t, x, x->text, whole);
    case A_CHAIN: return say_binary(t, x, "|>", whole);
    case A_LIST: return say_items(t, x, "[]");
    case A_TUPLE: return say_items(t, x, "()");
    case A_CALL: return say_call(t, x);
    case A_SWAP: return say_swap(t, x);
    case A_INDEX: return say_index(t, x);
    case A_MEMBER: return say_member(t, x);
    default: return false;
    }
}

bool say(struct text *t, const struct ast *x)
{
    return say_part(t, x, true);
}

bool is_method_call(const struct ast *x)
{
    return x->kind == A_CALL && x->a->kind == A_MEMBER;
}

bool say_methods(struct text *t, const struct ast *member, const struct ast *call)
{
    const struct ast *object = member->a;

    if (is_method_call(object) ? !say_methods(t, object->a, object) : !say_part(t, object, false))
        return false;
    text_add(t, " |> %s", member->text);
    return !call || !call->items || say_items(t, call, "()");
}
