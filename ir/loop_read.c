/* ir/loop_read.c: expressions of the loop IR from their text.
 *
 *     choice   compare ? compare : compare
 *     compare  sum (== != < <= > >=) sum
 *     sum      product + product - ...
 *     product  unary * unary / unary % ...
 *     unary    -unary | number | name | name[index, ...] | operation(...) | (choice)
 *
 * An operator between two i32 is one of indices, between two reals an elementwise operation. */
#include "ir/loop_parse.h"

#include <string.h>

enum { MAX_DEPTH = 200, MAX_OPERATORS = 2000 };

static struct lx *parse_choice(struct loop_parser *p);

/* --- operators ---------------------------------------------------------------------------------------------------- */

enum level { COMPARE, SUM, PRODUCT };

struct operator
{
    const char *sign;
    enum level level;
    enum lx_kind index;
    enum op op;
    bool indices, reals; /* what it may stand between */
};

static const struct operator operators[] = {
    { "==", COMPARE, LX_IEQ, OP_eq, true, true },   { "!=", COMPARE, LX_IEQ, OP_ne, false, true },
    { "<", COMPARE, LX_ILT, OP_lt, true, true },    { "<=", COMPARE, LX_ILE, OP_le, true, true },
    { ">", COMPARE, LX_ILT, OP_gt, false, true },   { ">=", COMPARE, LX_ILE, OP_ge, false, true },
    { "+", SUM, LX_IADD, OP_add, true, true },      { "-", SUM, LX_ISUB, OP_sub, true, true },
    { "*", PRODUCT, LX_IMUL, OP_mul, true, true },  { "/", PRODUCT, LX_IDIV, OP_div, true, true },
    { "%", PRODUCT, LX_IMOD, OP_div, true, false },
};

/* The operator of this level that is the current token, or NULL. A line ends an expression. */
static const struct operator* operator_at(struct loop_parser *p, enum level level)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (operators[i].level == level && !p->r.token.first && reader_is(&p->r, operators[i].sign))
            return &operators[i];
    }
    return NULL;
}

static struct lx *apply(struct loop_parser *p, struct place at, const struct operator* o, struct lx *a, struct lx *b)
{
    bool division = o->index == LX_IDIV || o->index == LX_IMOD;

    if (a->dtype == DT_REAL && b->dtype == DT_REAL && o->reals) {
        struct lx *args[] = { a, b };
        return lx_elem(p->k, o->op, o->level == COMPARE ? DT_BOOL : DT_REAL, args, 2);
    }
    if (a->dtype != DT_I32 || b->dtype != DT_I32 || !o->indices) {
        reader_error(&p->r, at, "%s does not stand between %s and %s", o->sign, dtype_name(a->dtype, p->k->f64),
                     dtype_name(b->dtype, p->k->f64));
        return NULL;
    }
    if (division && b->low < 1) {
        reader_error(&p->r, at, "the divisor of an index must be known to be positive");
        return NULL;
    }
    return lx_index(p->k, o->index, a, b);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static bool parse_arguments(struct loop_parser *p, struct lx **arg, int *count)
{
    *count = 0;
    if (!reader_expect(&p->r, "("))
        return false;
    while (!reader_accept(&p->r, ")")) {
        if (*count == 4) {
            reader_error(&p->r, p->r.token.at, "more than 4 operands");
            return false;
        }
        if ((*count && !reader_expect(&p->r, ",")) || !(arg[*count] = parse_choice(p)))
            return false;
        ++*count;
    }
    return true;
}

static bool count_is(struct loop_parser *p, struct place at, const char *name, int count, int wanted)
{
    if (count != wanted)
        reader_error(&p->r, at, "%s takes %d operand%s, found %d", name, wanted, wanted == 1 ? "" : "s", count);
    return count == wanted;
}

static bool parse_ints(struct loop_parser *p, struct attr *a, bool dims)
{
    struct dim list[MAX_RANK * 2];

    if (!reader_expect(&p->r, "["))
        return false;
    while (!reader_accept(&p->r, "]")) {
        if (a->count == MAX_RANK * 2) {
            reader_error(&p->r, p->r.token.at, "too many numbers");
            return false;
        }
        if ((a->count && !reader_expect(&p->r, ",")) || !loop_parse_dim(p, &list[a->count]))
            return false;
        a->count++;
    }
    if (dims)
        a->dims = arena_copy(p->r.arena, list, sizeof list);
    else
        a->ints = NEW_ARRAY(p->r.arena, MAX_RANK * 2, int64_t);
    for (int i = 0; !dims && i < a->count; i++)
        a->ints[i] = list[i].k;
    return true;
}

static bool parse_attr(struct loop_parser *p, const struct attr_decl *d, struct attr *a)
{
    *a = (struct attr){ .name = name(p->r.names, d->name), .kind = d->kind };
    if (!reader_expect(&p->r, ",") || !reader_expect(&p->r, d->name) || !reader_expect(&p->r, "="))
        return false;
    switch (d->kind) {
    case AT_INT: return reader_int(&p->r, &a->i);
    case AT_REAL: return reader_real(&p->r, &a->real);
    case AT_BOOL: a->flag = reader_accept(&p->r, "true"); return a->flag || reader_expect(&p->r, "false");
    case AT_WORD:
        a->word = p->r.token.text;
        if (!reader_expect_kind(&p->r, TK_NAME, "a word"))
            return false;
        reader_next(&p->r);
        return true;
    case AT_INTS:
    case AT_DIMS: return parse_ints(p, a, d->kind == AT_DIMS);
    }
    return false;
}

/* uniform(element, shape = [N,3], low = 0.0, ...): all attributes, in the order of ops.def. */
static struct lx *parse_drawn(struct loop_parser *p, enum op op)
{
    struct op_signature g = op_signature(op);
    struct attr attr[MAX_ATTRS];
    struct lx *at;

    if (!reader_expect(&p->r, "(") || !(at = loop_parse_index(p)))
        return NULL;
    for (int i = 0; i < g.attrs; i++) {
        if (!parse_attr(p, &g.attr[i], &attr[i]))
            return NULL;
    }
    if (!reader_expect(&p->r, ")"))
        return NULL;
    return op_is(op, RANDOM) ? lx_random(p->k, op, attr, g.attrs, at) : lx_hyper(p->k, op, attr, g.attrs, at);
}

static struct lx *parse_elementwise(struct loop_parser *p, struct place at, enum op op)
{
    struct op_signature g = op_signature(op);
    const char *rule = op_info(op)->type_rule;
    struct lx *arg[4];
    enum dtype t;
    int count;

    if (!parse_arguments(p, arg, &count) || !count_is(p, at, op_info(op)->name, count, g.operands))
        return NULL;
    t = arg[!strcmp(rule, "select")]->dtype;
    if (!strcmp(rule, "compare") || !strcmp(rule, "logic"))
        t = DT_BOOL;
    return lx_elem(p->k, op, t, arg, count);
}

static struct lx *parse_cast(struct loop_parser *p, struct place at, enum dtype to)
{
    struct lx *arg[4];
    int count;

    reader_next(&p->r);
    if (!parse_arguments(p, arg, &count) || !count_is(p, at, "a conversion", count, 1))
        return NULL;
    return lx_elem(p->k, OP_cast, to, arg, 1);
}

static struct lx *parse_fma(struct loop_parser *p, struct place at)
{
    struct lx *arg[4];
    int count;

    if (!parse_arguments(p, arg, &count) || !count_is(p, at, "fma", count, 3))
        return NULL;
    return lx_fma(p->k, arg[0], arg[1], arg[2]);
}

static struct lx *parse_extreme(struct loop_parser *p, struct place at, enum lx_kind kind)
{
    struct lx *arg[4];
    int count;

    if (!parse_arguments(p, arg, &count) || !count_is(p, at, kind == LX_IMIN ? "imin" : "imax", count, 2))
        return NULL;
    if (arg[0]->dtype != DT_I32 || arg[1]->dtype != DT_I32) {
        reader_error(&p->r, at, "imin and imax are of two i32");
        return NULL;
    }
    return lx_index(p->k, kind, arg[0], arg[1]);
}

/* fold(add, buffer) */
static struct lx *parse_fold(struct loop_parser *p)
{
    const struct loop_binding *b;
    int op;

    if (!reader_expect(&p->r, "("))
        return NULL;
    op = p->r.token.kind == TK_NAME ? op_find(p->r.token.text) : -1;
    if (op != OP_add && op != OP_mul && op != OP_max && op != OP_min) {
        reader_expected(&p->r, "add, mul, max or min");
        return NULL;
    }
    reader_next(&p->r);
    if (!reader_expect(&p->r, ","))
        return NULL;
    b = p->r.token.kind == TK_NAME ? loop_find(p, p->r.token.text) : NULL;
    if (!b || !b->buf) {
        reader_expected(&p->r, "a buffer");
        return NULL;
    }
    reader_next(&p->r);
    return reader_expect(&p->r, ")") ? lx_fold(p->k, (enum op)op, b->buf) : NULL;
}

/* --- operands ----------------------------------------------------------------------------------------------------- */

bool loop_parse_indices(struct loop_parser *p, const struct lbuf *buf, struct lx **index)
{
    for (int i = 0; i < buf->rank; i++) {
        if (!reader_expect(&p->r, i ? "," : "[") || !(index[i] = loop_parse_index(p)))
            return false;
    }
    return !buf->rank || reader_expect(&p->r, "]");
}

static struct lx *parse_bound(struct loop_parser *p, const struct loop_binding *b)
{
    struct lx *index[MAX_RANK];

    reader_next(&p->r);
    if (b->var)
        return lx_var(p->k, b->var);
    if (b->let)
        return b->let;
    return loop_parse_indices(p, b->buf, index) ? lx_load(p->k, b->buf, index) : NULL;
}

static bool takes_call(const struct loop_parser *p, const char *word)
{
    return p->r.token.kind == TK_NAME && !strcmp(p->r.token.text, word);
}

/* A name that is bound to nothing: an operation. */
static struct lx *parse_operation(struct loop_parser *p, struct place at)
{
    const char *word = p->r.token.text;
    int op = op_find(word);

    reader_next(&p->r);
    if (!strcmp(word, "fma"))
        return parse_fma(p, at);
    if (!strcmp(word, "imin") || !strcmp(word, "imax"))
        return parse_extreme(p, at, !strcmp(word, "imin") ? LX_IMIN : LX_IMAX);
    if (!strcmp(word, "fold"))
        return parse_fold(p);
    if (op >= 0 && (op_is((enum op)op, RANDOM) || !strcmp(op_info((enum op)op)->type_rule, "hyper")))
        return parse_drawn(p, (enum op)op);
    if (op >= 0 && op_info((enum op)op)->element)
        return parse_elementwise(p, at, (enum op)op);
    reader_error(&p->r, at, "nothing here is named '%.60s'", word);
    return NULL;
}

static struct lx *parse_name(struct loop_parser *p)
{
    static const struct {
        const char *word;
        enum dtype to;
    } casts[] = {
        { "real", DT_REAL },
        { "i32", DT_I32 },
        { "u8", DT_U8 },
        { "bool", DT_BOOL },
    };
    struct place at = p->r.token.at;
    const struct loop_binding *b = loop_find(p, p->r.token.text);
    double x;

    if (b)
        return parse_bound(p, b);
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++) {
        if (takes_call(p, casts[i].word))
            return parse_cast(p, at, casts[i].to);
    }
    if (reader_is(&p->r, "inf") || reader_is(&p->r, "nan"))
        return reader_real(&p->r, &x) ? lx_real(p->k, x) : NULL;
    if (reader_accept(&p->r, "n"))
        return lx_batch(p->k);
    if (reader_is(&p->r, "true") || reader_is(&p->r, "false"))
        return lx_flag(p->k, reader_accept(&p->r, "true") || !reader_accept(&p->r, "false"));
    return parse_operation(p, at);
}

/* The sign of a number belongs to it. */
static struct lx *parse_number(struct loop_parser *p)
{
    struct reader behind = p->r;
    int64_t i;
    double x;

    if (reader_accept(&behind, "-") && behind.token.kind != TK_INT)
        return reader_real(&p->r, &x) ? lx_real(p->k, x) : NULL;
    if (behind.token.kind == TK_REAL)
        return reader_real(&p->r, &x) ? lx_real(p->k, x) : NULL;
    return reader_int(&p->r, &i) ? lx_int(p->k, i) : NULL;
}

static bool number_ahead(const struct loop_parser *p)
{
    struct reader behind = p->r;

    if (reader_accept(&behind, "-") && (reader_is(&behind, "inf") || reader_is(&behind, "nan")))
        return true;
    return behind.token.kind == TK_INT || behind.token.kind == TK_REAL;
}

static struct lx *parse_operand(struct loop_parser *p);

/* Behind a minus that is no number's. */
static struct lx *parse_negative(struct loop_parser *p, struct place at)
{
    struct lx *x = NULL;

    if (++p->nesting > MAX_DEPTH)
        reader_error(&p->r, at, "an expression nests deeper than %d", (int)MAX_DEPTH);
    else
        x = parse_operand(p);
    p->nesting--;
    if (!x)
        return NULL;
    if (x->dtype != DT_REAL) {
        reader_error(&p->r, at, "- stands before reals and numbers");
        return NULL;
    }
    return lx_elem(p->k, OP_neg, DT_REAL, &x, 1);
}

static struct lx *parse_operand(struct loop_parser *p)
{
    struct place at = p->r.token.at;
    struct lx *x;

    if (number_ahead(p))
        return parse_number(p);
    if (reader_accept(&p->r, "-"))
        return parse_negative(p, at);
    if (p->r.token.kind == TK_NAME && !p->r.token.first)
        return parse_name(p);
    if (!reader_accept(&p->r, "(")) {
        reader_expected(&p->r, "a value");
        return NULL;
    }
    x = parse_choice(p);
    return x && reader_expect(&p->r, ")") ? x : NULL;
}

/* --- levels ------------------------------------------------------------------------------------------------------- */

static struct lx *parse_level(struct loop_parser *p, enum level level)
{
    struct lx *x = level == PRODUCT ? parse_operand(p) : parse_level(p, level + 1);
    const struct operator* o;

    while (x && (o = operator_at(p, level))) {
        struct place at = p->r.token.at;
        struct lx *y;
        if (++p->operators > MAX_OPERATORS) {
            reader_error(&p->r, at, "more than %d operators in one statement", (int)MAX_OPERATORS);
            return NULL;
        }
        reader_next(&p->r);
        y = level == PRODUCT ? parse_operand(p) : parse_level(p, level + 1);
        x = y ? apply(p, at, o, x, y) : NULL;
        if (level == COMPARE)
            break;
    }
    return x;
}

static struct lx *parse_guard(struct loop_parser *p, struct lx *condition)
{
    struct place at = p->r.token.at;
    struct lx *then, *otherwise;

    if (p->r.token.first || !reader_accept(&p->r, "?"))
        return condition;
    if (!(then = parse_level(p, COMPARE)) || !reader_expect(&p->r, ":") || !(otherwise = parse_level(p, COMPARE)))
        return NULL;
    if (condition->dtype != DT_BOOL || then->dtype != otherwise->dtype) {
        reader_error(&p->r, at, "a choice is of a bool and two values of one type");
        return NULL;
    }
    return lx_guard(p->k, condition, then, otherwise);
}

static struct lx *parse_choice(struct loop_parser *p)
{
    struct lx *x = NULL;

    if (++p->nesting > MAX_DEPTH)
        reader_error(&p->r, p->r.token.at, "an expression nests deeper than %d", (int)MAX_DEPTH);
    else
        x = parse_level(p, COMPARE);
    p->nesting--;
    return x ? parse_guard(p, x) : NULL;
}

struct lx *loop_parse_value(struct loop_parser *p)
{
    return parse_choice(p);
}

struct lx *loop_parse_index(struct loop_parser *p)
{
    struct place at = p->r.token.at;
    struct lx *x;

    if (++p->nesting > MAX_DEPTH) {
        reader_error(&p->r, at, "an expression nests deeper than %d", (int)MAX_DEPTH);
        x = NULL;
    } else {
        x = parse_level(p, SUM);
    }
    p->nesting--;
    if (x && x->dtype != DT_I32) {
        reader_error(&p->r, at, "an index is i32, found %s", dtype_name(x->dtype, p->k->f64));
        return NULL;
    }
    return x;
}
