/* ir/parse.c: reads a dump back. Every error is reported with its place; a line that is wrong is passed over. */
#include <stdlib.h>
#include <string.h>

#include "ir/build.h"
#include "ir/ir.h"
#include "ir/reader.h"

enum { MAX_DEPTH = 64, MAX_RESULTS = 4096, MAX_LIST = 65536 };

/* The values known by name in one graph or body. Bodies are closed: each has a scope of its own. */
struct scope {
    struct graph *graph;
    const char **name;          /* interned; open addressing */
    struct value **value;
    size_t size, count;
};

struct parser {
    struct reader r;
    struct arena *a;
    struct module *m;
    int depth;
};

/* ---- scopes ---- */

static size_t slot_of(const struct scope *s, const char *key)
{
    size_t i = ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 20;
    for (i &= s->size - 1; s->name[i] && s->name[i] != key; i = (i + 1) & (s->size - 1))
        ;
    return i;
}

static void scope_grow(struct parser *p, struct scope *s)
{
    struct scope old = *s;
    s->size = old.size ? 2 * old.size : 64;
    s->name = NEW_ARRAY(p->a, s->size, const char *);
    s->value = NEW_ARRAY(p->a, s->size, struct value *);
    for (size_t i = 0; i < old.size; i++)
        if (old.name[i]) {
            size_t at = slot_of(s, old.name[i]);
            s->name[at] = old.name[i];
            s->value[at] = old.value[i];
        }
}

static struct value *scope_find(const struct scope *s, const char *key)
{
    return s->size ? s->value[slot_of(s, key)] : NULL;
}

static bool scope_add(struct parser *p, struct scope *s, const char *key, struct value *v)
{
    if (2 * (s->count + 1) > s->size)
        scope_grow(p, s);
    size_t at = slot_of(s, key);
    if (s->name[at])
        return false;
    s->name[at] = key;
    s->value[at] = v;
    s->count++;
    return true;
}

/* ---- pieces ---- */

/* The names of variables with their sigil, as scopes know them, so that %w and @w are two. */
static const char *key_of(struct parser *p, const struct token *t)
{
    return t->kind == TK_VAR ? name_printf(p->r.names, "@%s", t->text) : t->text;
}

static bool parse_dim(struct parser *p, struct dim *d)
{
    *d = dim_of(1);
    if (reader_accept(&p->r, "N")) {
        d->n = true;
        return true;
    }
    if (!reader_int(&p->r, &d->k))
        return false;
    if (reader_accept(&p->r, "*")) {
        d->n = true;
        return reader_expect(&p->r, "N");
    }
    return true;
}

static bool parse_shape(struct parser *p, struct dim *dims, int *count, int most)
{
    *count = 0;
    if (!reader_expect(&p->r, "["))
        return false;
    if (reader_accept(&p->r, "]"))
        return true;
    do {
        if (*count == most) {
            reader_error(&p->r, p->r.token.at, "more than %d dimensions", most);
            return false;
        }
        if (!parse_dim(p, &dims[(*count)++]))
            return false;
    } while (reader_accept(&p->r, ","));
    return reader_expect(&p->r, "]");
}

static bool parse_type(struct parser *p, struct type *t)
{
    static const char *const words[] = { "f32", "f64", "i32", "u8", "bool" };
    static const enum dtype dtypes[] = { DT_REAL, DT_REAL, DT_I32, DT_U8, DT_BOOL };
    *t = type_scalar(DT_POISON);
    for (int i = 0; i < 5; i++)
        if (reader_is(&p->r, words[i]))
            t->dtype = dtypes[i];
    if (t->dtype == DT_POISON) {
        reader_expected(&p->r, "an element type (f32, f64, i32, u8, bool)");
        return false;
    }
    if (t->dtype == DT_REAL && p->m->f64 != reader_is(&p->r, "f64")) {
        reader_error(&p->r, p->r.token.at, "reals of this module are %s", p->m->f64 ? "f64" : "f32");
        return false;
    }
    reader_next(&p->r);
    struct place at = p->r.token.at;
    int64_t count;
    if (!parse_shape(p, t->dim, &t->rank, MAX_RANK))
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i].k < 1) {
            reader_error(&p->r, at, "a dimension of %lld", (long long)t->dim[i].k);
            return false;
        }
    if (!type_count_checked(*t, p->m->batch, &count)) {
        reader_error(&p->r, at, "more than 2^40 elements");
        return false;
    }
    return true;
}

/* " at 4096", where memory is planned. */
static bool parse_offset(struct parser *p, int64_t *offset)
{
    *offset = -1;
    return !reader_accept(&p->r, "at") || reader_int(&p->r, offset);
}

/* ---- variables ---- */

static bool parse_init(struct parser *p, struct init *i)
{
    static const char *const rules[] = { "constant", "uniform", "normal" };
    int rule = -1;
    for (int k = 0; k < 3; k++)
        if (reader_is(&p->r, rules[k]))
            rule = k;
    if (rule < 0) {
        reader_expected(&p->r, "constant, uniform or normal");
        return false;
    }
    i->rule = (enum init_rule)rule;
    reader_next(&p->r);
    if (!reader_expect(&p->r, "(") || !reader_real(&p->r, &i->a))
        return false;
    if (i->rule != INIT_CONSTANT && (!reader_expect(&p->r, ",") || !reader_real(&p->r, &i->b)))
        return false;
    return reader_expect(&p->r, ")");
}

/* The variable a token names, already declared. */
static struct var *parse_var_name(struct parser *p)
{
    if (!reader_expect_kind(&p->r, TK_VAR, "a variable (@path)"))
        return NULL;
    struct var *v = module_find(p->m, p->r.token.text);
    if (!v)
        reader_error(&p->r, p->r.token.at, "no variable @%s has been declared", p->r.token.text);
    else
        reader_next(&p->r);
    return v;
}

static bool parse_of(struct parser *p, enum role role, struct var *v)
{
    bool needed = role == ROLE_GRAD || role == ROLE_RANGE;
    if (!reader_is(&p->r, "of")) {
        if (needed)
            reader_expected(&p->r, "'of'");
        return !needed;
    }
    reader_next(&p->r);
    if (!(v->of = parse_var_name(p)))
        return false;
    if (role == ROLE_GRAD)
        v->of->grad = v;
    if (reader_accept(&p->r, "to") && !(v->last = parse_var_name(p)))
        return false;
    if (role == ROLE_RANGE && !v->last) {
        reader_expected(&p->r, "'to'");
        return false;
    }
    return true;
}

/* A variable declared before must be the same here. */
static struct var *declare(struct parser *p, struct place at, const char *text, enum role role, struct type t)
{
    struct var *v = module_find(p->m, text);
    if (v && (v->role != role || !type_equal(v->type, t))) {
        reader_error(&p->r, at, "'%s' was declared as %s %s before", text, role_name(v->role), type_text(p->a, v->type, p->m->f64));
        return NULL;
    }
    if (!v) {
        v = module_var(p->m, text, role, t);
        v->at = at;
        v->init.rule = INIT_CONSTANT;
    }
    return v;
}

static bool parse_var(struct parser *p, enum role role, struct scope *s)
{
    bool argument = role == ROLE_INPUT || role == ROLE_TARGET;
    reader_next(&p->r);
    struct token t = p->r.token;
    struct type type;
    if (!reader_expect_kind(&p->r, argument ? TK_VALUE : TK_VAR, argument ? "a name (%name)" : "a path (@path)"))
        return false;
    reader_next(&p->r);
    if (!reader_expect(&p->r, ":") || !parse_type(p, &type))
        return false;
    struct var *v = declare(p, t.at, t.text, role, type);
    if (!v || (reader_accept(&p->r, "=") && !parse_init(p, &v->init)) || !parse_of(p, role, v) || !parse_offset(p, &v->offset))
        return false;
    if (!scope_add(p, s, key_of(p, &t), graph_var(s->graph, v))) {
        reader_error(&p->r, t.at, "'%s' is declared twice", t.text);
        return false;
    }
    return true;
}

/* ---- optimizers ---- */

static double *schedule_field(struct optimizer *o, const char *word)
{
    struct { const char *word; double *field; } fields[] = {
        { "rate", &o->rate }, { "every", &o->every }, { "gamma", &o->gamma },
        { "steps", &o->steps }, { "warmup", &o->warmup }, { "low", &o->low },
    };
    for (int i = 0; i < 6; i++)
        if (!strcmp(word, fields[i].word))
            return fields[i].field;
    return NULL;
}

static bool parse_schedule(struct parser *p, struct optimizer *o)
{
    o->schedule = p->r.token.text;
    reader_next(&p->r);
    if (!reader_expect(&p->r, "("))
        return false;
    while (!reader_accept(&p->r, ")")) {
        double *field = schedule_field(o, p->r.token.text);
        if (!field) {
            reader_expected(&p->r, "a property of the schedule");
            return false;
        }
        reader_next(&p->r);
        if (!reader_expect(&p->r, "=") || !reader_real(&p->r, field))
            return false;
        reader_accept(&p->r, ",");
    }
    return true;
}

static bool parse_optimizer_args(struct parser *p, struct optimizer *o)
{
    while (!reader_accept(&p->r, ")")) {
        const char *word = p->r.token.text;
        if (!reader_expect_kind(&p->r, TK_NAME, "an argument"))
            return false;
        reader_next(&p->r);
        if (!reader_expect(&p->r, "="))
            return false;
        if (!strcmp(word, "lr")) {
            if (!parse_schedule(p, o))
                return false;
        } else if (o->args == MAX_OPTIM_ARGS) {
            reader_error(&p->r, p->r.token.at, "more than %d arguments", MAX_OPTIM_ARGS);
            return false;
        } else {
            o->arg[o->args].name = word;
            if (!reader_real(&p->r, &o->arg[o->args++].value))
                return false;
        }
        reader_accept(&p->r, ",");
    }
    return true;
}

static bool parse_optimizer(struct parser *p)
{
    struct optimizer *o = NEW(p->a, struct optimizer), **at = &p->m->optimizer;
    *o = (struct optimizer){ .every = 1, .gamma = 1, .steps = 1, .schedule = "constant", .at = p->r.token.at };
    reader_next(&p->r);
    o->rule = p->r.token.text;
    if (!reader_expect_kind(&p->r, TK_NAME, "an optimizer"))
        return false;
    reader_next(&p->r);
    if (!reader_expect(&p->r, "(") || !parse_optimizer_args(p, o))
        return false;
    if (reader_accept(&p->r, "for"))
        do {
            if (!reader_expect_kind(&p->r, TK_STRING, "a pattern in quotes"))
                return false;
            if (o->globs == MAX_GLOBS) {
                reader_error(&p->r, p->r.token.at, "more than %d patterns", MAX_GLOBS);
                return false;
            }
            o->glob[o->globs++] = p->r.token.text;
            reader_next(&p->r);
        } while (reader_accept(&p->r, ","));
    while (*at)
        at = &(*at)->next;
    *at = o;
    return true;
}

/* ---- operations ---- */

/* One operation as read, before it is made. */
struct draft {
    enum op op;
    struct place at;
    struct token *result;           /* names */
    struct type *type;
    int64_t *offset;
    int results;
    struct value **operand;
    const char **key;               /* as each operand was written */
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
        if (count == MAX_LIST || !reader_int(&p->r, &list[count++]))
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
    case AT_BOOL:
        a->flag = reader_is(r, "true");
        return reader_accept(r, "true") || reader_expect(r, "false");
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
static bool parse_bindings(struct parser *p, struct draft *d, const struct scope *s, struct graph *body, struct scope *inner)
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
        struct value *param = graph_param(body, v->type, t.text);
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

static bool parse_lines(struct parser *p, struct scope *s);

/* Behind '{': operations, `yield`, '}'. */
static bool parse_body(struct parser *p, struct scope *s)
{
    struct value **yields = NULL;
    size_t capacity = 0;
    int count = 0;
    if (++p->depth > MAX_DEPTH) {
        reader_error(&p->r, p->r.token.at, "bodies are nested more than %d deep", MAX_DEPTH);
        return false;
    }
    if (!reader_expect(&p->r, "{") || !parse_lines(p, s) || !reader_expect(&p->r, "yield"))
        return false;
    while (!p->r.token.first) {
        void *items = yields;
        arena_grow(p->a, &items, &capacity, (size_t)count + 1, sizeof *yields);
        yields = items;
        if (!(yields[count++] = find_value(p, s)))
            return false;
        reader_next(&p->r);
        if (!reader_accept(&p->r, ","))
            break;
    }
    graph_yield(s->graph, yields, count);
    p->depth--;
    return reader_expect(&p->r, "}");
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

static bool parse_bodied(struct parser *p, struct draft *d, const struct scope *s, const char **comment)
{
    struct scope inner = { .graph = graph_new(p->m, GRAPH_BODY) };
    if (d->op != OP_fused && !parse_bindings(p, d, s, inner.graph, &inner))
        return false;
    if (!parse_arguments(p, d, s) || (d->op == OP_fused && !fused_scope(p, d, &inner)) ||
        (d->op == OP_scan && !step_params(p, d, inner.graph)))
        return false;
    struct reader ahead = p->r;         /* the comment stands behind the brace */
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
        if (i == MAX_RESULTS || !reader_expect(&p->r, ":") || !parse_type(p, &d->type[i]) || !parse_offset(p, &d->offset[i]))
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

/* "lenet.net:10 fc1": where the operation came from. */
static void read_place(struct parser *p, const char *comment, struct node *n)
{
    const char *colon = comment ? strchr(comment, ':') : NULL;
    if (!colon)
        return;
    char *end;
    long line = strtol(colon + 1, &end, 10);
    if (line <= 0 || line > INT32_MAX || (*end && *end != ' '))
        return;
    n->at = (struct place){ namen(p->r.names, comment, (size_t)(colon - comment)), (int)line, 0, 0 };
    if (*end)
        n->layer = name(p->r.names, end + 1);
}

static bool check_draft(struct parser *p, const struct draft *d)
{
    struct op_signature s = op_signature(d->op);
    if (d->operands < s.required || (!s.variadic && d->operands > s.operands)) {
        reader_error(&p->r, d->at, "%s takes %s%d operands, not %d", op_info(d->op)->name, s.variadic ? "at least " : "",
                     s.required, d->operands);
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

static struct node *make_node(struct draft *d, struct scope *s)
{
    struct build b = build_end(s->graph, d->at, "");
    struct node *n = build_node(&b, d->op, d->operand, d->operands, d->attr, d->attrs);
    if (!n || !d->bodies)
        return n;
    for (int i = 0; i < d->bodies; i++)
        node_add_body(n, d->body[i]);
    return infer(n) ? n : NULL;
}

static bool parse_operation(struct parser *p, struct scope *s)
{
    struct draft d = { .results = 0 };
    const char *comment = NULL;
    if (!parse_results(p, &d) || !parse_op_name(p, &d))
        return false;
    bool bodied = d.op == OP_fused || d.op == OP_scan || d.op == OP_custom;
    if (bodied ? !parse_bodied(p, &d, s, &comment) : !parse_arguments(p, &d, s))
        return false;
    if (!bodied)
        comment = p->r.comment;
    if (!p->r.token.first) {
        reader_expected(&p->r, "the end of the line");
        return false;
    }
    if (!check_draft(p, &d))
        return false;
    struct node *n = make_node(&d, s);
    if (!n || !name_results(p, &d, n, s)) {
        p->r.errors++;
        return false;
    }
    read_place(p, comment, n);
    return true;
}

static int role_named(const struct reader *r)
{
    for (int role = ROLE_INPUT; role <= ROLE_RANGE; role++)
        if (reader_is(r, role_name((enum role)role)))
            return role;
    return -1;
}

/* Lines of a graph or body, up to something that is none of its own. */
static bool parse_lines(struct parser *p, struct scope *s)
{
    while (p->r.token.kind != TK_END && !reader_is(&p->r, "graph") && !reader_is(&p->r, "yield") && !reader_is(&p->r, "}")) {
        struct reader ahead = p->r;
        int role = s->graph->kind == GRAPH_BODY ? -1 : role_named(&p->r);
        reader_next(&ahead);
        bool declares = role >= 0 && (ahead.token.kind == TK_VAR || ahead.token.kind == TK_VALUE);
        bool ok = declares                              ? parse_var(p, (enum role)role, s)
                  : reader_is(&p->r, "optimizer")       ? parse_optimizer(p)
                                                        : parse_operation(p, s);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- graphs ---- */

static int graph_named(const struct reader *r)
{
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (reader_is(r, graph_name((enum graph_kind)k)))
            return k;
    return -1;
}

static bool parse_head(struct parser *p, struct graph **g)
{
    int kind;
    int64_t batch = 1, arena = -1;
    bool f64 = false;
    if (!reader_expect(&p->r, "graph"))
        return false;
    if ((kind = graph_named(&p->r)) < 0) {
        reader_expected(&p->r, "train, apply, eval, infer or prepare");
        return false;
    }
    struct place at = p->r.token.at;
    reader_next(&p->r);
    const char *net = p->r.token.text;
    if (!reader_expect_kind(&p->r, TK_NAME, "the net's name"))
        return false;
    reader_next(&p->r);
    if (!reader_expect(&p->r, "(") || !reader_expect(&p->r, "N") || !reader_expect(&p->r, "=") || !reader_int(&p->r, &batch))
        return false;
    while (reader_accept(&p->r, ",")) {
        if (reader_accept(&p->r, "f64"))
            f64 = true;
        else if (!reader_expect(&p->r, "arena") || !reader_expect(&p->r, "=") || !reader_int(&p->r, &arena))
            return false;
    }
    if (!reader_expect(&p->r, ")"))
        return false;
    if (batch < 1 || batch > INT32_MAX) {
        reader_error(&p->r, at, "N = %lld is out of range", (long long)batch);
        return false;
    }
    if (!p->m) {
        p->m = module_new(p->a, p->r.names, p->r.diag, net, batch);
        p->m->f64 = f64;
    }
    if (p->m->name != net || p->m->batch != batch || p->m->f64 != f64) {
        reader_error(&p->r, at, "the graphs of one file are of one net, one N and one real type");
        return false;
    }
    if (p->m->graph[kind]) {
        reader_error(&p->r, at, "graph %s stands there twice", graph_name((enum graph_kind)kind));
        return false;
    }
    *g = p->m->graph[kind] = graph_new(p->m, (enum graph_kind)kind);
    (*g)->arena_bytes = arena;
    return true;
}

struct module *parse_module(struct arena *a, struct names *names, struct diag *d, const char *file, const char *text)
{
    struct parser p = { .a = a };
    reader_start(&p.r, a, names, d, file, text, false);
    do {
        struct scope s = { .graph = NULL };
        if (!parse_head(&p, &s.graph))
            return NULL;
        if (!parse_lines(&p, &s))
            return NULL;
        if (p.r.token.kind != TK_END && !reader_is(&p.r, "graph")) {
            reader_expected(&p.r, "an operation or a graph");
            return NULL;
        }
    } while (p.r.token.kind != TK_END);
    return p.r.errors ? NULL : p.m;
}
