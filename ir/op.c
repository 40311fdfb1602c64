/* ir/op.c: the rows of ops.def, and the reading of their operands and attributes. */
#include "ir/op.h"

#include <stddef.h>
#include <string.h>

#include "ir/base/diag.h"

/* The last row is the pseudo operation whose operands are a body's yields (graph.h: yield_node). Its name, like every
 * other's, is fit for messages; op_find does not know it. */
static const struct op_info rows[] = {
#define OP(name, operands, attributes, type, gradient, lowering, element, flags)                                       \
    { #name, operands, attributes, #type, #lowering, element, flags },
#include "ir/ops.def"
#undef OP
    { "yield", "x*", "", "none", "none", NULL, 0 },
};

const struct op_info *op_info(enum op op)
{
    if ((unsigned)op > OP_COUNT)
        bug("no operation %d", (int)op);
    return &rows[op];
}

bool op_is(enum op op, unsigned flag)
{
    return (op_info(op)->flags & flag) != 0;
}

bool op_is_map(enum op op)
{
    return !strcmp(op_info(op)->lowering, "map");
}

bool op_is_index(enum op op)
{
    return !strcmp(op_info(op)->lowering, "index");
}

int op_find(const char *name)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (!strcmp(rows[op].name, name))
            return op;
    return -1;
}

/* ---- signatures ---- */

static const char *skip_blanks(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

/* Copies the word at s, which ends before one of `stops`; gives what follows it. */
static const char *take_word(const char *s, const char *stops, char *to, size_t size)
{
    size_t n = strcspn(s, stops);

    if (n == 0 || n >= size)
        bug("ops.def: cannot read '%s'", s);
    memcpy(to, s, n);
    to[n] = '\0';
    return skip_blanks(s + n);
}

/* "x, w, b?": the required ones, those that may be left out, or any number of the last. */
static void read_operands(struct op_signature *g, const char *s)
{
    for (s = skip_blanks(s); *s; s = skip_blanks(s + (*s == ','))) {
        if (g->operands == MAX_OPERAND_NAMES)
            bug("ops.def: more than %d operands", (int)MAX_OPERAND_NAMES);
        s = take_word(s, " ,?*", g->operand[g->operands], sizeof g->operand[0]);
        g->operands++;
        g->variadic = *s == '*';
        g->required += *s != '*' && *s != '?';
        s = skip_blanks(s + (*s == '*' || *s == '?'));
    }
}

static enum attr_kind kind_of(const char *word)
{
    static const char *const kinds[] = { "int", "real", "bool", "word", "ints", "dims" };

    for (int i = 0; i < (int)(sizeof kinds / sizeof kinds[0]); i++)
        if (!strcmp(word, kinds[i]))
            return (enum attr_kind)i;
    bug("ops.def: no kind of attribute '%s'", word);
}

/* "axes: ints, keepdims: bool = false" */
static void read_attributes(struct op_signature *g, const char *s)
{
    for (s = skip_blanks(s); *s; s = skip_blanks(s + (*s == ','))) {
        if (g->attrs == MAX_ATTRS)
            bug("ops.def: more than %d attributes", (int)MAX_ATTRS);
        struct attr_decl *d = &g->attr[g->attrs++];
        char kind[8];
        s = take_word(s, " :", d->name, sizeof d->name);
        if (*s != ':')
            bug("ops.def: a kind is missing at '%s'", s);
        s = take_word(skip_blanks(s + 1), " ,=", kind, sizeof kind);
        d->kind = kind_of(kind);
        if (*s == '=')
            s = take_word(skip_blanks(s + 1), " ,", d->fallback, sizeof d->fallback);
    }
}

struct op_signature op_signature(enum op op)
{
    struct op_signature g = { 0 };

    read_operands(&g, op_info(op)->operands);
    read_attributes(&g, op_info(op)->attributes);
    return g;
}
