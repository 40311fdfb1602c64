/* ir/print.c: the dump: one operation a line, as README.md shows it. What parse.c reads back prints the same. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ir/build.h"
#include "ir/ir.h"

enum { COMMENT_COLUMN = 80 };

struct printer {
    struct text *t;
    const struct module *m;
    const char **seen; /* the names that values of this graph carry, sorted */
    size_t names, capacity;
    int next; /* the number of the next value without a name */
    int indent;
    bool meaning; /* what the model says, not where it says it or what real is compiled to */
};

/* ---- names ---- */

static bool is_word(const char *s, bool path)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && !(path && strchr("./-", *s)))
            return false;
    return true;
}

static void print_sigil(struct text *t, char sigil, const char *s)
{
    text_putc(t, sigil);
    if (is_word(s, sigil == '@'))
        text_puts(t, s);
    else
        text_quoted(t, s);
}

static bool is_argument(const struct var *v)
{
    return v->role == ROLE_INPUT || v->role == ROLE_TARGET;
}

static void collect(struct printer *p, const char *s)
{
    void *items = p->seen;
    if (!s)
        return;
    arena_grow(p->m->arena, &items, &p->capacity, p->names + 1, sizeof *p->seen);
    p->seen = items;
    p->seen[p->names++] = s;
}

static void collect_graph(struct printer *p, const struct graph *g)
{
    bool fused = g->owner && g->owner->op == OP_fused;
    for (int i = 0; i < g->params && !fused; i++)
        collect(p, g->param[i]->name);
    for (const struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++)
            collect(p, n->result[i]->name);
        for (int i = 0; i < n->bodies; i++)
            collect_graph(p, n->body[i]);
    }
}

static int by_pointer(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const char *const *)a, y = (uintptr_t) * (const char *const *)b;
    return x < y ? -1 : x > y;
}

/* A name is printed where it is an identifier and nothing else in the graph carries it. */
static bool is_unique(const struct printer *p, const char *s)
{
    const char **at = p->names ? bsearch(&s, p->seen, p->names, sizeof *p->seen, by_pointer) : NULL;
    if (!at || isdigit((unsigned char)*s) || !is_word(s, false))
        return false;
    return (at == p->seen || at[-1] != s) && (at == p->seen + p->names - 1 || at[1] != s);
}

/* value->data: how the value is spelled. */
static void give_name(struct printer *p, struct value *v)
{
    struct text t = text_make(p->m->arena);
    if (v->name && is_unique(p, v->name))
        text_add(&t, "%%%s", v->name);
    else
        text_add(&t, "%%%d", p->next++);
    v->data = (void *)(uintptr_t)text_string(&t);
}

void text_var(struct text *t, const struct var *v)
{
    print_sigil(t, is_argument(v) ? '%' : '@', v->name);
}

static const char *spelled(struct printer *p, const struct value *v)
{
    if (!v->var)
        return v->data ? v->data : "%?";
    struct text t = text_make(p->m->arena);
    text_var(&t, v->var);
    return text_string(&t);
}

/* ---- types and attributes ---- */

static void print_attr(struct printer *p, const struct attr *a)
{
    struct text *t = p->t;
    switch (a->kind) {
    case AT_INT: text_add(t, "%lld", (long long)a->i); return;
    case AT_REAL: text_real(t, a->real); return;
    case AT_BOOL: text_puts(t, a->flag ? "true" : "false"); return;
    case AT_WORD:
        if (p->meaning && !strcmp(a->word, dtype_name(DT_REAL, true)))
            text_puts(t, dtype_name(DT_REAL, false));
        else if (is_word(a->word, false) && !isdigit((unsigned char)*a->word))
            text_puts(t, a->word);
        else
            text_quoted(t, a->word);
        return;
    case AT_INTS:
    case AT_DIMS: break;
    }
    text_putc(t, '[');
    for (int i = 0; i < a->count; i++) {
        text_puts(t, i ? "," : "");
        if (a->kind == AT_INTS)
            text_add(t, "%lld", (long long)a->ints[i]);
        else
            text_dim(t, a->dims[i]);
    }
    text_putc(t, ']');
}

static void print_attrs(struct printer *p, const struct node *n)
{
    struct op_signature s = op_signature(n->op);
    bool first = !n->operands;
    for (int i = 0; i < n->attrs; i++) {
        if (attr_is_default(&n->attr[i], &s.attr[i]))
            continue;
        text_add(p->t, "%s%s = ", first ? " " : ", ", n->attr[i].name);
        print_attr(p, &n->attr[i]);
        first = false;
    }
}

/* ---- operations ---- */

static void print_indent(struct printer *p)
{
    for (int i = 0; i < p->indent; i++)
        text_puts(p->t, "  ");
}

/* A file's or layer's name without what would end it: blanks, ':', control characters; these become %XX. */
static void print_plain(struct text *t, const char *s)
{
    for (; *s; s++)
        if (*s == '%' || *s == ':' || (unsigned char)*s <= ' ' || *s == 0x7f)
            text_add(t, "%%%02X", (unsigned)(unsigned char)*s);
        else
            text_putc(t, *s);
}

/* Ends a line with where the operation came from: "# lenet.net:10 fc1", or "# -" where that is not known. */
static void print_place(struct printer *p, const struct node *n)
{
    if (p->meaning) {
        text_putc(p->t, '\n');
        return;
    }
    text_puts(p->t, " ");
    text_pad(p->t, COMMENT_COLUMN);
    text_puts(p->t, "# ");
    if (n->at.line > 0 && n->at.file) {
        print_plain(p->t, n->at.file);
        text_add(p->t, ":%d", n->at.line);
    } else {
        text_putc(p->t, '-');
    }
    if (n->layer && *n->layer) {
        text_putc(p->t, ' ');
        print_plain(p->t, n->layer);
    }
    text_putc(p->t, '\n');
}

static void print_results(struct printer *p, const struct node *n)
{
    for (int i = 0; i < n->results; i++) {
        struct value *v = n->result[i];
        give_name(p, v);
        text_add(p->t, "%s%s : ", i ? ", " : "", spelled(p, v));
        text_type(p->t, v->type, p->m->f64 && !p->meaning);
        if (v->offset >= 0)
            text_add(p->t, " at %lld", (long long)v->offset);
    }
    if (n->results)
        text_puts(p->t, " = ");
}

static void print_operands(struct printer *p, const struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        text_add(p->t, "%s%s", i ? ", " : " ", spelled(p, operand(n, i)));
}

/* scan and custom: what each parameter of the body is bound to. */
static void print_bindings(struct printer *p, const struct node *n)
{
    const struct graph *body = n->body[0];
    for (int i = 0; i < n->operands; i++) {
        give_name(p, body->param[i]);
        text_add(p->t, "%s%s", i ? ", " : " ", spelled(p, body->param[i]));
        if (body->param[i]->offset >= 0)
            text_add(p->t, " at %lld", (long long)body->param[i]->offset);
        text_add(p->t, " = %s", spelled(p, operand(n, i)));
    }
}

static void print_nodes(struct printer *p, const struct graph *g);

static void print_body(struct printer *p, const struct graph *body)
{
    p->indent++;
    print_nodes(p, body);
    print_indent(p);
    text_puts(p->t, "yield");
    for (int i = 0; i < body->yields; i++)
        text_add(p->t, "%s%s", i ? ", " : " ", spelled(p, body->yield[i]));
    text_putc(p->t, '\n');
    p->indent--;
    print_indent(p);
    text_putc(p->t, '}');
}

/* custom's gradient: its parameters are the operands, the results, then the gradients. */
static void print_backward(struct printer *p, const struct node *n)
{
    const struct graph *back = n->body[1];
    text_puts(p->t, " backward (");
    for (int i = 0; i < back->params; i++) {
        give_name(p, back->param[i]);
        text_add(p->t, "%s%s", i ? ", " : "", spelled(p, back->param[i]));
    }
    text_puts(p->t, ") {\n");
    print_body(p, back);
}

static void print_bodied(struct printer *p, const struct node *n)
{
    if (n->op == OP_fused) {
        for (int i = 0; i < n->operands; i++)
            n->body[0]->param[i]->data = (void *)(uintptr_t)spelled(p, operand(n, i));
        print_operands(p, n);
    } else {
        print_bindings(p, n);
    }
    print_attrs(p, n);
    text_puts(p->t, " {");
    print_place(p, n);
    print_body(p, n->body[0]);
    if (n->bodies > 1)
        print_backward(p, n);
    text_putc(p->t, '\n');
}

static void print_node(struct printer *p, const struct node *n)
{
    print_indent(p);
    print_results(p, n);
    text_puts(p->t, op_info(n->op)->name);
    if (n->bodies) {
        print_bodied(p, n);
        return;
    }
    print_operands(p, n);
    print_attrs(p, n);
    print_place(p, n);
}

static void print_nodes(struct printer *p, const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        print_node(p, n);
}

/* ---- variables ---- */

static void print_init(struct text *t, const struct init *i)
{
    static const char *const rule[] = { "constant", "uniform", "normal" };
    if (i->rule == INIT_PLACES) {
        text_puts(t, " = places");
        return;
    }
    text_add(t, " = %s(", rule[i->rule]);
    text_real(t, i->a);
    if (i->rule != INIT_CONSTANT) {
        text_puts(t, ", ");
        text_real(t, i->b);
    }
    text_putc(t, ')');
    if (i->blank)
        text_add(t, " blank %lld", (long long)i->row);
}

static void print_var(struct printer *p, const struct var *v)
{
    struct text *t = p->t;
    text_add(t, "  %-6s ", role_name(v->role));
    text_var(t, v);
    text_puts(t, " : ");
    text_type(t, v->type, p->m->f64 && !p->meaning);
    if (v->role == ROLE_PARAM || v->role == ROLE_FROZEN || v->role == ROLE_STATE)
        print_init(t, &v->init);
    if (v->of) {
        text_puts(t, " of ");
        print_sigil(t, '@', v->of->name);
    }
    if (v->last) {
        text_puts(t, " to ");
        print_sigil(t, '@', v->last->name);
    }
    if (v->offset >= 0)
        text_add(t, " at %lld", (long long)v->offset);
    text_putc(t, '\n');
}

static void print_named(struct text *t, const char *what, double x, bool first)
{
    text_add(t, "%s%s = ", first ? "" : ", ", what);
    text_real(t, x);
}

static void print_schedule(struct text *t, const struct optimizer *o)
{
    text_add(t, "lr = %s(", o->schedule);
    print_named(t, "rate", o->rate, true);
    print_named(t, "every", o->every, false);
    print_named(t, "gamma", o->gamma, false);
    print_named(t, "steps", o->steps, false);
    print_named(t, "warmup", o->warmup, false);
    print_named(t, "low", o->low, false);
    text_putc(t, ')');
}

static void print_optimizer(struct text *t, const struct optimizer *o)
{
    text_add(t, "  optimizer %s(", o->rule);
    print_schedule(t, o);
    for (int i = 0; i < o->args; i++)
        print_named(t, o->arg[i].name, o->arg[i].value, false);
    text_putc(t, ')');
    for (int i = 0; i < o->globs; i++) {
        text_puts(t, i ? ", " : " for ");
        text_quoted(t, o->glob[i]);
    }
    text_putc(t, '\n');
}

static void print_sparse(struct text *t, const struct sparse *s)
{
    const struct var *const var[] = { s->values, s->rows, s->columns };
    text_puts(t, "  sparse ");
    for (int i = 0; i < 3; i++) {
        text_puts(t, i ? ", " : "");
        print_sigil(t, '@', var[i]->name);
    }
    text_add(t, ", out = %lld, in = %lld", (long long)s->out, (long long)s->in);
    print_named(t, "zeta", s->zeta, false);
    text_putc(t, '\n');
}

/* A range needs the variables it spans, and a gradient or optimizer state its parameter: they are declared with it. */
static void mark(struct var *v, bool *used)
{
    if (!v || used[v->index])
        return;
    used[v->index] = true;
    mark(v->of, used);
    mark(v->last, used);
}

static void print_variables(struct printer *p, const struct graph *g, bool all)
{
    bool *used = NEW_ARRAY(p->m->arena, p->m->vars + 1, bool);
    for (int i = 0; i < g->var_values; i++)
        if (value_used(g->var_value[i]))
            mark(g->var_value[i]->var, used);
    for (int i = 0; i < p->m->vars; i++)
        if (all || used[i]) {
            print_var(p, p->m->var[i]);
            if (is_argument(p->m->var[i]))
                collect(p, p->m->var[i]->name);
        }
    for (const struct optimizer *o = p->m->optimizer; o && all; o = o->next)
        print_optimizer(p->t, o);
    for (const struct sparse *s = p->m->sparse; s && all; s = s->next)
        print_sparse(p->t, s);
}

static void print_head(struct text *t, const struct graph *g)
{
    text_add(t, "graph %s %s (N = %lld", graph_name(g->kind), g->module->name, (long long)g->module->batch);
    if (g->module->f64)
        text_puts(t, ", f64");
    if (g->part)
        text_add(t, ", part = %lld", (long long)g->part);
    if (g->arena_bytes >= 0)
        text_add(t, ", arena = %lld", (long long)g->arena_bytes);
    text_puts(t, ")\n");
}

static void print_rest(struct printer *p, const struct graph *g, bool all_variables)
{
    p->indent = 1;
    print_variables(p, g, all_variables);
    collect_graph(p, g);
    if (p->names)
        qsort(p->seen, p->names, sizeof *p->seen, by_pointer);
    print_nodes(p, g);
}

void print_graph(struct text *t, const struct graph *g, bool all_variables)
{
    struct printer p = { .t = t, .m = g->module };
    print_head(t, g);
    print_rest(&p, g, all_variables);
}

void print_training(struct text *t, const struct module *m)
{
    static const enum graph_kind kinds[] = { GRAPH_TRAIN, GRAPH_APPLY };
    text_add(t, "%s\n", m->name);
    for (int i = 0; i < 2; i++) {
        struct printer p = { .t = t, .m = m, .meaning = true };
        if (m->graph[kinds[i]])
            print_rest(&p, m->graph[kinds[i]], !i);
    }
}

void spell_values(const struct graph *g)
{
    struct text t = text_make(g->module->arena);
    struct printer p = { .t = &t, .m = g->module };
    print_graph(&t, g, false);
    for (int i = 0; i < g->var_values; i++)
        g->var_value[i]->data = (void *)(uintptr_t)spelled(&p, g->var_value[i]);
}

/* The first graph declares every variable of the module, the others those they use. */
void print_module(struct text *t, const struct module *m)
{
    bool first = true;
    for (int k = 0; k < GRAPH_KINDS; k++) {
        if (!m->graph[k])
            continue;
        if (!first)
            text_putc(t, '\n');
        print_graph(t, m->graph[k], first);
        first = false;
    }
}

void print_ops(struct text *t)
{
    for (enum op op = 0; op < OP_COUNT; op++) {
        const struct op_info *i = op_info(op);
        text_add(t, "%s(%s%s%s)\n", i->name, i->operands, *i->operands && *i->attributes ? "; " : "", i->attributes);
    }
}
