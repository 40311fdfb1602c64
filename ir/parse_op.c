/* ir/parse_op.c: operations of a dump: a line is read into a draft, made through build.h, and what comes out is held
 * against the types that were written. */
#include "ir/parse.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_RESULTS = 4096, MAX_LIST = 65536 };

/* One operation as read, before it is made. */
struct draft {
    enum op op;
    struct place at;
    struct token *result; /* names */
    struct type *type;
    int64_t *offset;
    int results;
    struct value **operand;
    const char **key; /* as each operand was written */
    int operands;
    size_t operand_capacity;
    struct attr attr[MAX_ATTRS];
    int attrs;
    struct graph *body[MAX_BODIES];
    int bodies;
};

static struct value *find_value(struct parser *p, const struct scope *s)
{
    struct token *t = &p->r.token;
    struct value *v = t->kind == TK_VALUE || t->kind == TK_VAR ? scope_find(s, key_of(p, t)) : NULL;
    if (t->kind != TK_VALUE && t->kind != TK_VAR)
        reader_expected(&p->r, "a value");
    else if (!v)
        reader_error(&p->r, t->at, "%s%s is not defined here", t->kind == TK_VAR ? "@" : "%", t->text);
    return v;
}

static void add_operand(struct parser *p, struct draft *d, struct value *v, const char *key)
{
    size_t capacity = d->operand_capacity;
    void *items = d->operand, *keys = d->key;
    arena_grow(p->a, &items, &d->operand_capacity, (size_t)d->operands + 1, sizeof *d->operand);
    arena_grow(p->a, &keys, &capacity, (size_t)d->operands + 1, sizeof *d->key);
    d->operand = items;
    d->key = keys;
    d->key[d->operands] = key;
    d->operand[d->operands++] = v;
}

static bool parse_ints(struct parser *p, struct attr *a)
{
    int64_t *list = NULL;
    size_t capacity = 0;
    int count = 0;
    if (!reader_expect(&p->r, "["))
        return false;
    while (!reader_accept(&p->r, "]")) {
        void *items = list;
        arena_grow(p->a, &items, &capacity, (size_t)count + 1, sizeof *list);
        list = items;
        if (count == MAX_LIST) {
            reader_error(&p->r, p->r.token.at, "a list of more than %d numbers", MAX_LIST);
            return false;
        }
        if (!reader_int(&p->r, &list[count++]))
            return false;
        if (!reader_is(&p->r, "]") && !reader_expect(&p->r, ","))
            return false;
    }
    *a = at_ints(a->name, list, count);
    return true;
}

static bool parse_attr_value(struct parser *p, struct attr *a)
{
    struct reader *r = &p->r;
    switch (a->kind) {
    case AT_INT: return reader_int(r, &a->i);
    case AT_REAL: return reader_real(r, &a->real);
    case AT_BOOL: a->flag = reader_is(r, "true"); return reader_accept(r, "true") || reader_expect(r, "false");
    case AT_WORD:
        a->word = r->token.text;
        if (r->token.kind != TK_STRING && !reader_expect_kind(r, TK_NAME, "a word"))
            return false;
        reader_next(r);
        return true;
    case AT_INTS: return parse_ints(p, a);
    case AT_DIMS: break;
    }
    a->dims = NEW_ARRAY(p->a, MAX_RANK, struct dim);
    return parse_shape(p, a->dims, &a->count, MAX_RANK);
}

static bool parse_attr(struct parser *p, struct draft *d)
{
    struct op_signature s = op_signature(d->op);
    const char *candidates[MAX_ATTRS];
    for (int i = 0; i < s.attrs; i++)
        candidates[i] = s.attr[i].name;
    struct token t = p->r.token;
    for (int i = 0; i < s.attrs; i++) {
        if (strcmp(t.text, s.attr[i].name))
            continue;
        for (int k = 0; k < d->attrs; k++)
            if (!strcmp(d->attr[k].name, t.text)) {
                reader_error(&p->r, t.at, "attribute '%s' is given twice", t.text);
                return false;
            }
        struct attr *a = &d->attr[d->attrs++];
        *a = (struct attr){ .name = t.text, .kind = s.attr[i].kind };
        reader_next(&p->r);
        return reader_expect(&p->r, "=") && parse_attr_value(p, a);
    }
    reader_unknown(&p->r, t.at, "attribute", t.text, candidates, (size_t)s.attrs);
    return false;
}

/* Operands, then attributes, separated by commas, up to the end of the line or a '{'. */
static bool parse_arguments(struct parser *p, struct draft *d, const struct scope *s)
{
    bool first = true, attributes = false;
    while (!p->r.token.first && !reader_is(&p->r, "{")) {
        if (!first && !reader_expect(&p->r, ","))
            return false;
        first = false;
        if (p->r.token.kind == TK_NAME) {
            attributes = true;
            if (!parse_attr(p, d))
                return false;
            continue;
        }
        struct value *v = find_value(p, s);
        if (!v)
            return false;
        if (attributes) {
            reader_expected(&p->r, "an attribute");
            return false;
        }
        add_operand(p, d, v, key_of(p, &p->r.token));
        reader_next(&p->r);
    }
    return true;
}

/* scan and custom: `%x_t = %x` binds a parameter of the body. */
static bool parse_bindings(struct parser *p, struct draft *d, const struct scope *s, struct scope *inner)
{
    while (p->r.token.kind == TK_VALUE) {
        struct token t = p->r.token;
        int64_t offset;
        reader_next(&p->r);
        if (!parse_offset(p, &offset) || !reader_expect(&p->r, "="))
            return false;
        struct value *v = find_value(p, s);
        if (!v)
            return false;
        add_operand(p, d, v, NULL);
        struct value *param = graph_param(inner->graph, v->type, t.text);
        param->offset = offset;
        if (!scope_add(p, inner, t.text, param)) {
            reader_error(&p->r, t.at, "%%%s is defined twice", t.text);
            return false;
        }
        reader_next(&p->r);
        if (!reader_accept(&p->r, ","))
            break;
    }
    return true;
}

/* The sequences of a scan are bound to one step each: their parameters lose the axis. */
static bool step_params(struct parser *p, struct draft *d, struct graph *body)
{
    int64_t axis = 1, sequences = 0;
    for (int i = 0; i < d->attrs; i++) {
        axis = !strcmp(d->attr[i].name, "axis") ? d->attr[i].i : axis;
        sequences = !strcmp(d->attr[i].name, "sequences") ? d->attr[i].i : sequences;
    }
    for (int i = 0; i < sequences && i < body->params; i++) {
        struct type t = body->param[i]->type;
        if (type_is_poison(t))
            continue;
        if (axis < 0 || axis >= t.rank) {
            reader_error(&p->r, d->at, "scan: no axis %lld in %s", (long long)axis, shape_text(p->a, t));
            return false;
        }
        for (int k = (int)axis; k + 1 < t.rank; k++)
            t.dim[k] = t.dim[k + 1];
        t.rank--;
        body->param[i]->type = t;
    }
    return true;
}

static bool parse_yields(struct parser *p, struct scope *s)
{
    struct value **yields = NULL;
    size_t capacity = 0;
    int count = 0;
    while (!p->r.token.first) {
        void *items = yields;
        arena_grow(p->a, &items, &capacity, (size_t)count + 1, sizeof *yields);
        yields = items;
        if (!(yields[count++] = find_value(p, s)))
            return false;
        reader_next(&p->r);
        if (!p->r.token.first && !reader_expect(&p->r, ","))
            return false;
    }
    graph_yield(s->graph, yields, count);
    return true;
}

/* Behind the parameters: '{', operations, `yield`, '}'. */
static bool parse_body(struct parser *p, struct scope *s)
{
    if (p->depth == MAX_DEPTH) {
        reader_error(&p->r, p->r.token.at, "bodies are nested more than %d deep", MAX_DEPTH);
        return false;
    }
    if (!reader_expect(&p->r, "{"))
        return false;
    p->depth++;
    bool ok = parse_lines(p, s);
    p->depth--;
    if (!ok)
        return false;
    ok = reader_expect(&p->r, "yield") && parse_yields(p, s);
    while (!p->r.token.first)
        reader_next(&p->r);
    return reader_expect(&p->r, "}") && ok;
}

static bool parse_backward(struct parser *p, struct draft *d)
{
    struct scope inner = { .graph = graph_new(p->m, GRAPH_BODY) };
    const struct graph *body = d->body[0];
    int returned = 0, at = 0;
    for (int i = 0; i < d->attrs; i++)
        returned = !strcmp(d->attr[i].name, "returned") ? (int)d->attr[i].i : returned;
    if (!reader_expect(&p->r, "("))
        return false;
    while (p->r.token.kind == TK_VALUE) {
        int k = at - d->operands, y = k < body->yields ? k : k - body->yields;
        if (at >= d->operands && (y < 0 || y >= body->yields || (k >= body->yields && y >= returned))) {
            reader_error(&p->r, p->r.token.at, "more parameters than operands, results and gradients");
            return false;
        }
        struct type t = at < d->operands ? body->param[at]->type : body->yield[y]->type;
        if (!scope_add(p, &inner, p->r.token.text, graph_param(inner.graph, t, p->r.token.text))) {
            reader_error(&p->r, p->r.token.at, "%%%s is defined twice", p->r.token.text);
            return false;
        }
        at++;
        reader_next(&p->r);
        if (!reader_accept(&p->r, ","))
            break;
    }
    d->body[d->bodies++] = inner.graph;
    return reader_expect(&p->r, ")") && parse_body(p, &inner);
}

static bool fused_scope(struct parser *p, struct draft *d, struct scope *inner)
{
    for (int i = 0; i < d->operands; i++)
        if (!scope_add(p, inner, d->key[i], graph_param(inner->graph, d->operand[i]->type, NULL))) {
            reader_error(&p->r, d->at, "fused: an operand is given twice");
            return false;
        }
    return true;
}

/* Names inside a body: those of the operands of fused, the ones they are bound to of scan and custom. */
static bool bind_params(struct parser *p, struct draft *d, const struct scope *s, struct scope *inner)
{
    if (d->op == OP_fused)
        return parse_arguments(p, d, s) && fused_scope(p, d, inner);
    if (!parse_bindings(p, d, s, inner) || !parse_arguments(p, d, s))
        return false;
    if (d->operands == inner->graph->params)
        return d->op != OP_scan || step_params(p, d, inner->graph);
    reader_error(&p->r, d->at, "every operand of %s is bound to a name: %%name = %%operand", op_info(d->op)->name);
    return false;
}

static bool parse_bodied(struct parser *p, struct draft *d, const struct scope *s, const char **comment)
{
    struct scope inner = { .graph = graph_new(p->m, GRAPH_BODY) };
    if (!bind_params(p, d, s, &inner))
        return false;
    struct reader ahead = p->r; /* the comment stands behind the brace */
    reader_next(&ahead);
    *comment = ahead.comment;
    d->body[d->bodies++] = inner.graph;
    if (!parse_body(p, &inner))
        return false;
    return !reader_accept(&p->r, "backward") || parse_backward(p, d);
}

static bool parse_results(struct parser *p, struct draft *d)
{
    size_t capacity = 0, types = 0, offsets = 0;
    while (p->r.token.kind == TK_VALUE) {
        void *a = d->result, *b = d->type, *c = d->offset;
        arena_grow(p->a, &a, &capacity, (size_t)d->results + 1, sizeof *d->result);
        arena_grow(p->a, &b, &types, (size_t)d->results + 1, sizeof *d->type);
        arena_grow(p->a, &c, &offsets, (size_t)d->results + 1, sizeof *d->offset);
        d->result = a, d->type = b, d->offset = c;
        int i = d->results++;
        d->result[i] = p->r.token;
        reader_next(&p->r);
        if (i == MAX_RESULTS) {
            reader_error(&p->r, p->r.token.at, "more than %d results", MAX_RESULTS);
            return false;
        }
        if (!reader_expect(&p->r, ":") || !parse_type(p, &d->type[i]) || !parse_offset(p, &d->offset[i]))
            return false;
        if (!reader_accept(&p->r, ","))
            return reader_expect(&p->r, "=");
    }
    return true;
}

static bool parse_op_name(struct parser *p, struct draft *d)
{
    if (!reader_expect_kind(&p->r, TK_NAME, "an operation"))
        return false;
    int op = op_find(p->r.token.text);
    if (op < 0) {
        const char *names[OP_COUNT];
        for (enum op i = 0; i < OP_COUNT; i++)
            names[i] = op_info(i)->name;
        reader_unknown(&p->r, p->r.token.at, "operation", p->r.token.text, names, OP_COUNT);
        return false;
    }
    d->op = (enum op)op;
    d->at = p->r.token.at;
    reader_next(&p->r);
    return true;
}

static int hex(char c)
{
    const char *digits = "0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* What print.c wrote with %XX in place of what would end it. */
static const char *decode(struct parser *p, const char *s, size_t length)
{
    struct text t = text_make(p->a);
    for (size_t i = 0; i < length; i++) {
        int high = s[i] == '%' && i + 2 < length ? hex(s[i + 1]) : -1, low = high < 0 ? -1 : hex(s[i + 2]);
        text_putc(&t, low < 0 || high + low == 0 ? s[i] : (char)(high * 16 + low));
        i += low < 0 || high + low == 0 ? 0 : 2;
    }
    return name(p->r.names, text_string(&t));
}

/* "lenet.net:10 fc1" or "- fc1": where the operation came from. Without such a comment it is its line in the dump. */
static void read_place(struct parser *p, const char *comment, struct node *n)
{
    size_t length = comment ? strcspn(comment, " ") : 0, file = comment ? strcspn(comment, ":") : 0;
    long line = 0;
    n->at.length = 0;
    if (!length)
        return;
    if (file < length) {
        char *end;
        line = strtol(comment + file + 1, &end, 10);
        if (line <= 0 || line > INT32_MAX || end != comment + length)
            return;
    } else if (length != 1 || *comment != '-') {
        return;
    }
    n->at = line ? (struct place){ decode(p, comment, file), (int)line, 0, 0 } : (struct place){ 0 };
    if (comment[length])
        n->layer = decode(p, comment + length + 1, strlen(comment + length + 1));
}

static bool check_draft(struct parser *p, const struct draft *d)
{
    struct op_signature s = op_signature(d->op);
    if (d->operands < s.required || (!s.variadic && d->operands > s.operands)) {
        reader_error(&p->r, d->at, "%s takes %s%d operands, not %d", op_info(d->op)->name,
                     s.variadic ? "at least " : "", s.required, d->operands);
        return false;
    }
    for (int i = 0; i < s.attrs; i++) {
        bool given = s.attr[i].fallback[0];
        for (int k = 0; k < d->attrs; k++)
            given |= !strcmp(d->attr[k].name, s.attr[i].name);
        if (!given) {
            reader_error(&p->r, d->at, "%s needs the attribute '%s'", op_info(d->op)->name, s.attr[i].name);
            return false;
        }
    }
    return true;
}

/* The results' names, and the types that were written against those that come out. */
static bool name_results(struct parser *p, struct draft *d, struct node *n, struct scope *s)
{
    if (n->results != d->results) {
        reader_error(&p->r, d->at, "%s has %d results, not %d", op_info(d->op)->name, n->results, d->results);
        return false;
    }
    for (int i = 0; i < n->results; i++) {
        struct token *t = &d->result[i];
        if (!type_equal(n->result[i]->type, d->type[i])) {
            reader_error(&p->r, t->at, "%%%s is %s, not %s", t->text, type_text(p->a, n->result[i]->type, p->m->f64),
                         type_text(p->a, d->type[i], p->m->f64));
            return false;
        }
        n->result[i]->offset = d->offset[i];
        if (t->text[0] < '0' || t->text[0] > '9')
            n->result[i]->name = t->text;
        if (!scope_add(p, s, t->text, n->result[i])) {
            reader_error(&p->r, t->at, "%%%s is defined twice", t->text);
            return false;
        }
    }
    return true;
}

static bool yields_poison(const struct graph *body)
{
    for (int i = 0; i < body->yields; i++)
        if (is_poison(body->yield[i]))
            return true;
    return false;
}

static struct node *make_node(struct draft *d, struct scope *s)
{
    struct build b = build_end(s->graph, d->at, "");
    struct node *n = build_node(&b, d->op, d->operand, d->operands, d->attr, d->attrs);
    if (!n || !d->bodies)
        return n;
    for (int i = 0; i < d->bodies; i++) {
        if (yields_poison(d->body[i]))
            return NULL;
        node_add_body(n, d->body[i]);
    }
    return infer(n) ? n : NULL;
}

/* What a line that is wrong would have defined is poison, so that its readers say nothing. */
static void poison_results(struct parser *p, const struct draft *d, struct scope *s)
{
    struct build b = build_end(s->graph, d->at, "");
    for (int i = 0; i < d->results; i++)
        if (!scope_find(s, d->result[i].text))
            scope_add(p, s, d->result[i].text, poison(&b));
}

static bool parse_draft(struct parser *p, struct draft *d, struct scope *s, const char **comment)
{
    if (!parse_results(p, d) || !parse_op_name(p, d))
        return false;
    bool bodied = d->op == OP_fused || d->op == OP_scan || d->op == OP_custom;
    if (bodied ? !parse_bodied(p, d, s, comment) : !parse_arguments(p, d, s))
        return false;
    if (!bodied)
        *comment = p->r.comment;
    if (!p->r.token.first) {
        reader_expected(&p->r, "the end of the line");
        return false;
    }
    return check_draft(p, d);
}

bool parse_operation(struct parser *p, struct scope *s)
{
    struct draft d = { .results = 0 };
    const char *comment = NULL;
    struct node *n = parse_draft(p, &d, s, &comment) ? make_node(&d, s) : NULL;
    if (!n || !name_results(p, &d, n, s)) {
        poison_results(p, &d, s);
        return false;
    }
    read_place(p, comment, n);
    return true;
}
