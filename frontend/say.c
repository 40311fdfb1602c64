/* frontend/say.c: expressions as they stand in a file, for hints that say what to write. */
#include <string.h>

#include "frontend/elab.h"

static bool say_part(struct text *t, const struct ast *x, bool whole);

static bool say_list(struct text *t, const struct ast *x)
{
    text_puts(t, "[");
    for (int i = 0; i < x->items; i++) {
        text_puts(t, i ? ", " : "");
        if (!say_part(t, x->item[i], true))
            return false;
    }
    text_puts(t, "]");
    return true;
}

static bool say_binary(struct text *t, const struct ast *x, bool whole)
{
    text_puts(t, whole ? "" : "(");
    if (!say_part(t, x->a, false))
        return false;
    text_add(t, " %s ", x->text);
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
    case A_NONE: text_puts(t, "none"); return true;
    case A_NAME: text_puts(t, x->text); return true;
    case A_ARG: text_add(t, "%s = ", x->text); return say_part(t, x->a, true);
    case A_UNARY: text_puts(t, x->text); return say_part(t, x->a, false);
    case A_BINARY: return say_binary(t, x, whole);
    case A_LIST: return say_list(t, x);
    case A_INDEX: return say_index(t, x);
    case A_MEMBER: return say_member(t, x);
    default: return false;
    }
}

bool say(struct text *t, const struct ast *x)
{
    return say_part(t, x, true);
}
