/* ir/term.c: see term.h. Reading, building and matching, in this order. */
#include "ir/term.h"

#include <string.h>

#include "ir/reader.h"

struct parser {
    struct reader r;
    int swaps;
};

static struct term *parse_comparison(struct parser *p);

static struct term *term_new(struct parser *p, enum term_kind kind)
{
    struct term *t = NEW(p->r.arena, struct term);

    t->kind = kind;
    t->swap = -1;
    return t;
}

static struct term *number_term(struct parser *p, double x)
{
    struct term *t = term_new(p, TERM_NUMBER);

    t->number = x;
    return t;
}

static struct term *call_term(struct parser *p, enum op op)
{
    struct term *t = term_new(p, TERM_CALL);

    t->op = op;
    if (op_is(op, COMMUTES))
        t->swap = p->swaps++;
    return t;
}

static double fold(enum op op, double a, double b)
{
    switch (op) {
    case OP_add: return a + b;
    case OP_sub: return a - b;
    case OP_mul: return a * b;
    case OP_div: return a / b;
    default: bug("no comparison of two numbers in a term");
    }
}

static struct term *binary_term(struct parser *p, enum op op, struct term *a, struct term *b)
{
    struct term *t;

    if (a->kind == TERM_NUMBER && b->kind == TERM_NUMBER)
        return number_term(p, fold(op, a->number, b->number));
    t = call_term(p, op);
    t->args = 2;
    t->arg[0] = a;
    t->arg[1] = b;
    return t;
}

/* What may stand for an attribute. */
static struct term *parse_attr(struct parser *p)
{
    struct reader *r = &p->r;
    struct term *t, *compose;

    if (r->token.kind == TK_STRING || r->token.kind == TK_NAME) {
        t = term_new(p, r->token.kind == TK_STRING ? TERM_WORD : TERM_NAME);
        t->name = r->token.text;
        reader_next(r);
        if (!reader_accept(r, "["))
            return t;
        compose = term_new(p, TERM_COMPOSE);
        compose->arg[0] = t;
        compose->arg[1] = parse_attr(p);
        compose->args = 2;
        reader_expect(r, "]");
        return compose;
    }
    t = term_new(p, TERM_NUMBER);
    reader_real(r, &t->number);
    return t;
}

static void add_attr(struct parser *p, struct term *t, const char *attr_name)
{
    if (t->attrs == MAX_ATTRS)
        bug("too many attributes: %s", p->r.here.file);
    t->attr_name[t->attrs] = attr_name;
    t->attr[t->attrs++] = parse_attr(p);
}

/* The name in front of '=' where an attribute is given by name, taken with its '='; else NULL and nothing taken. */
static const char *parse_attr_name(struct parser *p)
{
    struct reader before = p->r;

    if (p->r.token.kind == TK_NAME) {
        reader_next(&p->r);
        if (reader_accept(&p->r, "="))
            return before.token.text;
    }
    p->r = before;
    return NULL;
}

/* One argument of a call: an operand, or an attribute by name or by its place behind the operands. */
static void parse_argument(struct parser *p, struct term *t, const struct op_signature *s)
{
    const char *by_name = parse_attr_name(p);

    if (by_name) {
        add_attr(p, t, by_name);
    } else if (s->variadic || t->args < s->operands) {
        if (t->args == MAX_TERM_ARGS)
            bug("too many operands: %s", p->r.here.file);
        t->arg[t->args++] = parse_comparison(p);
    } else if (t->attrs < s->attrs) {
        add_attr(p, t, name(p->r.names, s->attr[t->attrs].name));
    } else {
        bug("too many arguments of %s: %s", op_info(t->op)->name, p->r.here.file);
    }
}

static struct term *parse_call(struct parser *p, const char *op_name)
{
    int op = op_find(op_name);
    struct op_signature s;
    struct term *t;

    if (op < 0)
        bug("no operation '%s': %s", op_name, p->r.here.file);
    s = op_signature((enum op)op);
    t = call_term(p, (enum op)op);
    while (!reader_is(&p->r, ")")) {
        parse_argument(p, t, &s);
        if (!reader_accept(&p->r, ","))
            break;
    }
    reader_expect(&p->r, ")");
    return t;
}

static struct term *parse_primary(struct parser *p)
{
    struct reader *r = &p->r;
    struct token token = r->token;
    struct term *t;

    if (reader_accept(r, "(")) {
        t = parse_comparison(p);
        reader_expect(r, ")");
        return t;
    }
    if (token.kind == TK_INT || token.kind == TK_REAL) {
        reader_next(r);
        return number_term(p, token.real);
    }
    reader_expect_kind(r, TK_NAME, "a name");
    reader_next(r);
    if (reader_accept(r, "("))
        return parse_call(p, token.text);
    t = term_new(p, TERM_NAME);
    t->name = token.text;
    return t;
}

static struct term *parse_unary(struct parser *p)
{
    struct term *x, *t;

    if (!reader_accept(&p->r, "-"))
        return parse_primary(p);
    x = parse_unary(p);
    if (x->kind == TERM_NUMBER)
        return number_term(p, -x->number);
    t = call_term(p, OP_neg);
    t->args = 1;
    t->arg[0] = x;
    return t;
}

static struct term *parse_product(struct parser *p)
{
    struct term *t = parse_unary(p);

    for (;;) {
        if (reader_accept(&p->r, "*"))
            t = binary_term(p, OP_mul, t, parse_unary(p));
        else if (reader_accept(&p->r, "/"))
            t = binary_term(p, OP_div, t, parse_unary(p));
        else
            return t;
    }
}

static struct term *parse_sum(struct parser *p)
{
    struct term *t = parse_product(p);

    for (;;) {
        if (reader_accept(&p->r, "+"))
            t = binary_term(p, OP_add, t, parse_product(p));
        else if (reader_accept(&p->r, "-"))
            t = binary_term(p, OP_sub, t, parse_product(p));
        else
            return t;
    }
}

static struct term *parse_comparison(struct parser *p)
{
    static const struct {
        const char *sign;
        enum op op;
    } comparisons[] = { { "==", OP_eq }, { "!=", OP_ne }, { "<", OP_lt },
                        { "<=", OP_le }, { ">", OP_gt },  { ">=", OP_ge } };
    struct term *t = parse_sum(p);

    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++)
        if (reader_accept(&p->r, comparisons[i].sign))
            return binary_term(p, comparisons[i].op, t, parse_sum(p));
    return t;
}

int term_parse_list(struct arena *a, const char *text, struct term **out, int max)
{
    struct parser p = { .swaps = 0 };
    int count = 0;

    reader_start(&p.r, a, names_new(a), NULL, text, text, false);
    do {
        if (count == max)
            bug("more than %d terms: %s", max, text);
        p.swaps = 0;
        out[count] = parse_comparison(&p);
        out[count++]->swaps = p.swaps;
    } while (reader_accept(&p.r, ";"));
    reader_expect_kind(&p.r, TK_END, "the end");
    return count;
}

struct term *term_parse(struct arena *a, const char *text)
{
    struct term *t;

    term_parse_list(a, text, &t, 1);
    return t;
}

bool term_is_number(const struct term *t, double x)
{
    return t->kind == TERM_NUMBER && t->number == x;
}

bool term_uses(const struct term *t, const char *name_used)
{
    if (t->kind == TERM_NAME)
        return strcmp(t->name, name_used) == 0;
    for (int i = 0; i < t->args; i++)
        if (term_uses(t->arg[i], name_used))
            return true;
    for (int i = 0; i < t->attrs; i++)
        if (term_uses(t->attr[i], name_used))
            return true;
    return false;
}

/* Names. */

static const struct binding *find(const struct bindings *names, const char *key)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->item[i].name, key) == 0)
            return &names->item[i];
    return NULL;
}

static struct binding *bind_new(struct bindings *names, const char *key)
{
    struct binding *b;

    if (names->count == MAX_BINDINGS)
        bug("too many names in a term");
    b = &names->item[names->count++];
    *b = (struct binding){ .name = key };
    return b;
}

void bind_value(struct bindings *names, const char *key, struct value *v)
{
    bind_new(names, key)->value = v;
}

void bind_attr(struct bindings *names, const char *key, const struct attr *a)
{
    bind_new(names, key)->attr = a;
}

struct value *bound_value(const struct bindings *names, const char *key)
{
    const struct binding *b = find(names, key);

    return b ? b->value : NULL;
}

const struct attr *bound_attr(const struct bindings *names, const char *key)
{
    const struct binding *b = find(names, key);

    return b ? b->attr : NULL;
}

/* Building. */

static const struct attr *wanted_attr(const struct bindings *names, const struct term *t)
{
    const struct attr *a = t->kind == TERM_NAME ? bound_attr(names, t->name) : NULL;

    if (!a)
        bug("no attribute '%s' is known to a term", t->name ? t->name : "?");
    return a;
}

/* r[i] = p[q[i]]. */
static struct attr compose_attr(struct build *b, const char *key, const struct attr *p, const struct attr *q)
{
    int64_t *r = NEW_ARRAY(b->graph->module->arena, q->count, int64_t);

    if (p->kind != AT_INTS || q->kind != AT_INTS)
        bug("p[q] needs two lists of integers");
    for (int i = 0; i < q->count; i++) {
        if (q->ints[i] < 0 || q->ints[i] >= p->count)
            bug("p[q]: index %d is out of range", (int)q->ints[i]);
        r[i] = p->ints[q->ints[i]];
    }
    return at_ints(key, r, q->count);
}

static enum attr_kind attr_kind_of(enum op op, const char *key)
{
    struct op_signature s = op_signature(op);

    for (int i = 0; i < s.attrs; i++)
        if (strcmp(s.attr[i].name, key) == 0)
            return s.attr[i].kind;
    bug("%s has no attribute '%s'", op_info(op)->name, key);
}

static struct attr build_attr(struct build *b, const struct term *call, int index, const struct bindings *names)
{
    const struct term *t = call->attr[index];
    const char *key = call->attr_name[index];
    struct attr a;

    switch (t->kind) {
    case TERM_NUMBER:
        if (attr_kind_of(call->op, key) == AT_REAL)
            return at_real(key, t->number);
        return at_int(key, (int64_t)t->number);
    case TERM_WORD: return at_word(key, name(b->graph->module->names, t->name));
    case TERM_COMPOSE: return compose_attr(b, key, wanted_attr(names, t->arg[0]), wanted_attr(names, t->arg[1]));
    default:
        if (strcmp(t->name, "true") == 0 || strcmp(t->name, "false") == 0)
            return at_bool(key, t->name[0] == 't');
        a = *wanted_attr(names, t);
        a.name = key;
        return a;
    }
}

/* The operands of a call. Numbers take the element type of the first operand that has arithmetic ones. */
static void build_operands(struct build *b, const struct term *t, const struct bindings *names, struct value **x)
{
    enum dtype dtype = DT_POISON;

    for (int i = 0; i < t->args; i++) {
        if (t->arg[i]->kind == TERM_NUMBER)
            continue;
        x[i] = term_build(b, t->arg[i], names);
        if (dtype == DT_POISON && x[i]->type.dtype != DT_BOOL)
            dtype = x[i]->type.dtype;
    }
    for (int i = 0; i < t->args; i++)
        if (t->arg[i]->kind == TERM_NUMBER)
            x[i] = build_constant(b, t->arg[i]->number, dtype == DT_POISON ? DT_REAL : dtype);
}

static struct value *build_call(struct build *b, const struct term *t, const struct bindings *names)
{
    struct value *x[MAX_TERM_ARGS] = { NULL };
    struct attr attrs[MAX_ATTRS];
    struct node *n;

    build_operands(b, t, names, x);
    for (int i = 0; i < t->args; i++)
        if (is_poison(x[i]))
            return poison(b);
    if (t->op == OP_select)
        return build_select(b, x[0], x[1], x[2]);
    if (op_is_map(t->op) && t->attrs == 0 && t->args == 1)
        return build_unary(b, t->op, x[0]);
    if (op_is_map(t->op) && t->attrs == 0 && t->args == 2)
        return build_binary(b, t->op, x[0], x[1]);
    for (int i = 0; i < t->attrs; i++)
        attrs[i] = build_attr(b, t, i, names);
    n = build_node(b, t->op, x, t->args, attrs, t->attrs);
    return n ? n->result[0] : poison(b);
}

struct value *term_build(struct build *b, const struct term *t, const struct bindings *names)
{
    struct value *v;

    switch (t->kind) {
    case TERM_NUMBER: return build_constant(b, t->number, DT_REAL);
    case TERM_NAME:
        v = bound_value(names, t->name);
        if (!v)
            bug("no value '%s' is known to a term", t->name);
        return v;
    case TERM_CALL: return build_call(b, t, names);
    default: bug("an attribute stands where a term needs a value");
    }
}

/* Matching. */

static bool number_is(const struct attr *a, double x)
{
    return (a->kind == AT_INT && (double)a->i == x) || (a->kind == AT_REAL && a->real == x);
}

static bool match_attr(const struct term *t, const struct attr *a, struct bindings *names)
{
    const struct attr *known;

    if (t->kind == TERM_NUMBER)
        return number_is(a, t->number);
    if (t->kind == TERM_WORD)
        return a->kind == AT_WORD && strcmp(a->word, t->name) == 0;
    if (t->kind != TERM_NAME)
        bug("p[q] stands in a pattern");
    if (a->kind == AT_BOOL && (strcmp(t->name, "true") == 0 || strcmp(t->name, "false") == 0))
        return a->flag == (t->name[0] == 't');
    known = bound_attr(names, t->name);
    if (known)
        return attr_equal(known, a);
    bind_attr(names, t->name, a);
    return true;
}

static bool match_attrs(const struct term *t, const struct node *n, struct bindings *names)
{
    struct op_signature s = op_signature(n->op);

    for (int i = 0; i < s.attrs; i++) {
        const struct attr *a = node_attr(n, s.attr[i].name);
        const struct term *given = NULL;
        for (int k = 0; k < t->attrs; k++)
            if (strcmp(t->attr_name[k], s.attr[i].name) == 0)
                given = t->attr[k];
        if (given ? !match_attr(given, a, names) : !attr_is_default(a, &s.attr[i]))
            return false;
    }
    return true;
}

/* One try: bit i of `swapped` says that the i-th commutative call of the term has its operands exchanged. */
static bool match(const struct term *t, struct value *v, unsigned swapped, struct bindings *names)
{
    const struct node *n = v->def;
    struct value *known;
    double x;

    switch (t->kind) {
    case TERM_NUMBER: return value_constant(v, &x) && x == t->number;
    case TERM_NAME:
        known = bound_value(names, t->name);
        if (!known)
            bind_value(names, t->name, v);
        return !known || known == v;
    case TERM_CALL: break;
    default: bug("an attribute stands where a term needs a value");
    }
    if (!n || n->op != t->op || v->index != 0 || n->operands != t->args || !match_attrs(t, n, names))
        return false;
    for (int i = 0; i < t->args; i++) {
        bool swap = t->swap >= 0 && (swapped >> t->swap & 1);
        if (!match(t->arg[i], operand(n, swap ? t->args - 1 - i : i), swapped, names))
            return false;
    }
    return true;
}

bool term_match(const struct term *t, struct value *v, struct bindings *names)
{
    if (t->swaps > 8)
        bug("a pattern with more than 8 commutative operations");
    for (unsigned swapped = 0; swapped < 1u << t->swaps; swapped++) {
        struct bindings tried = *names;
        if (match(t, v, swapped, &tried)) {
            *names = tried;
            return true;
        }
    }
    return false;
}
