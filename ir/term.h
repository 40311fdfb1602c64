/* ir/term.h: rules written as text. A term is an expression over operations of the tensor IR:
 *
 *     dy * (1 - y * y)                                     a gradient
 *     transpose(transpose(x, p), q)   transpose(x, p[q])   a pattern and what takes its place
 *
 * + - * / and unary - stand for add sub mul div neg; == != < <= > >= for eq ne lt le gt ge; anything else is called by
 * its name: tanh(x), select(c, a, b), sum(x, axes = a, keepdims = true). Behind an operation's operands follow its
 * attributes, in the order of ops.def or by name (only by name where operands are variadic): a name, a number, true,
 * false, "a word", or p[q], the list r with r[i] = p[q[i]].
 *
 * A name stands for a value or, in the place of an attribute, for an attribute. Arithmetic on numbers alone is done at
 * once. Terms are part of the compiler, so what is wrong in one is a bug(). */
#ifndef IR_TERM_H
#define IR_TERM_H

#include "ir/build.h"

enum term_kind {
    TERM_NAME,    /* name */
    TERM_NUMBER,  /* number */
    TERM_WORD,    /* name; attributes only */
    TERM_COMPOSE, /* arg[0][arg[1]], both names; attributes only */
    TERM_CALL     /* op, arg, attr */
};

enum { MAX_TERM_ARGS = 6, MAX_BINDINGS = 24 };

struct term {
    enum term_kind kind;
    const char *name;
    double number;
    enum op op;
    int args;
    struct term *arg[MAX_TERM_ARGS];
    int attrs;
    const char *attr_name[MAX_ATTRS];
    struct term *attr[MAX_ATTRS];
    int swap;  /* TERM_CALL of a commutative operation: its number among those of the whole term; else -1 */
    int swaps; /* of a whole term: how many of those it has */
};

/* What names stand for. Exactly one of value and attr is set. */
struct binding {
    const char *name;
    struct value *value;
    const struct attr *attr;
};

struct bindings {
    int count;
    struct binding item[MAX_BINDINGS];
};

void bind_value(struct bindings *names, const char *name, struct value *v);
void bind_attr(struct bindings *names, const char *name, const struct attr *a);
struct value *bound_value(const struct bindings *names, const char *name);     /* NULL: not bound */
const struct attr *bound_attr(const struct bindings *names, const char *name); /* NULL: not bound */

struct term *term_parse(struct arena *a, const char *text);
int term_parse_list(struct arena *a, const char *text, struct term **out, int max); /* separated by ';' */
bool term_is_number(const struct term *t, double x);
bool term_uses(const struct term *t, const char *name);

/* Emits the term's operations. A number beside a value becomes a scalar constant of the value's element type, which
 * build.h broadcasts; a number alone a real scalar. A name alone gives its value. Poison after an error. */
struct value *term_build(struct build *b, const struct term *t, const struct bindings *names);

/* Whether v is computed as the term says. Names already bound must be met again as bound, others are bound; a name met
 * twice means one value; a number matches what value_constant sees as that number; operands of commutative operations
 * match in either order; attributes the term leaves out must have their default. Where it does not match, `names` is
 * left as it was. */
bool term_match(const struct term *t, struct value *v, struct bindings *names);

#endif
