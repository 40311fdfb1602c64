/* codegen/out_dot.c: NET.dot, the planned graphs for Graphviz (`dot -Tsvg NET.dot`). A graph is a cluster, and so is each
 * group and scan of it; operations are boxes with type and line of the model; arrows go from what gives a value to what
 * reads it. Boundaries of groups are looked through: an arrow ends at the operation inside. */
#include <string.h>

#include "codegen/c_emit.h"

struct dot {
    struct text *t;
    const struct module *m;
    const struct graph *top;
    int next, indent; /* the number of the next operation or parameter */
};

/* A quoted string of dot: a backslash or '&' of the model is shown as it is; what is no text becomes '?'. */
static void put_text(struct text *t, const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(s + i, n - i);
        if (!length || (unsigned char)s[i] < ' ' || s[i] == 0x7f)
            text_putc(t, '?');
        else if (s[i] == '"' || s[i] == '\\')
            text_add(t, "\\%c", s[i]);
        else if (s[i] == '&')
            text_puts(t, "&amp;");
        else
            text_putn(t, s + i, length);
        i += length ? length : 1;
    }
}

static void indent(struct dot *d)
{
    for (int i = 0; i < d->indent; i++)
        text_puts(d->t, "  ");
}

static void open_cluster(struct dot *d, const char *name, int number, const char *style)
{
    indent(d);
    text_add(d->t, "subgraph cluster_%s_%d {\n", graph_name(d->top->kind), number);
    d->indent++;
    indent(d);
    text_puts(d->t, "label=\"");
    put_text(d->t, name);
    text_add(d->t, "\";%s\n", style);
}

static void close_cluster(struct dot *d)
{
    d->indent--;
    indent(d);
    text_puts(d->t, "}\n");
}

/* ---- nodes ---- */

/* What is declared outside a graph: its shape says whether it is an argument, a parameter, a state, or neither. */
static const char *var_style(enum role r)
{
    switch (r) {
    case ROLE_INPUT:
    case ROLE_TARGET: return "shape=ellipse, fillcolor=\"#dbeafe\"";
    case ROLE_PARAM:
    case ROLE_FROZEN: return "shape=cylinder, fillcolor=\"#fde68a\"";
    case ROLE_STATE: return "shape=cylinder, fillcolor=\"#fecaca\"";
    default: return "shape=cylinder, fillcolor=\"#e5e7eb\"";
    }
}

/* sort: v a variable, o an operation, p a parameter of a body. */
static void put_id(struct dot *d, char sort, int number)
{
    text_add(d->t, "%s_%c%d", graph_name(d->top->kind), sort, number);
}

static void variables(struct dot *d)
{
    for (int i = 0; i < d->top->var_values; i++) {
        const struct value *v = d->top->var_value[i];
        if (!value_used(v))
            continue;
        indent(d);
        put_id(d, 'v', v->var->index);
        text_add(d->t, " [%s, label=\"", var_style(v->var->role));
        put_text(d->t, v->data);
        text_add(d->t, "\\n%s ", role_name(v->var->role));
        text_type(d->t, v->type, d->m->f64);
        text_puts(d->t, "\"];\n");
    }
}

static void operation(struct dot *d, struct node *n)
{
    indent(d);
    put_id(d, 'o', n->id = d->next++);
    text_add(d->t, " [label=\"%s", op_info(n->op)->name);
    for (int i = 0; i < n->results; i++) {
        text_puts(d->t, "\\n");
        put_text(d->t, n->result[i]->data);
        text_puts(d->t, " : ");
        text_type(d->t, n->result[i]->type, d->m->f64);
    }
    if (n->at.line > 0 && n->at.file) {
        text_puts(d->t, "\\n");
        put_text(d->t, n->at.file);
        text_add(d->t, ":%d", n->at.line);
    }
    text_puts(d->t, "\"];\n");
}

static const char *group_title(const struct module *m, const struct node *n)
{
    return n->results ? arena_printf(m->arena, "%s %s", op_info(n->op)->name, (const char *)n->result[0]->data)
                      : op_info(n->op)->name;
}

/* A group's parameters are what it reads; any other body has parameters of its own. */
static void parameters(struct dot *d, const struct graph *body)
{
    for (int i = 0; i < body->params; i++) {
        indent(d);
        put_id(d, 'p', body->param[i]->id = d->next++);
        text_puts(d->t, " [shape=cds, label=\"");
        put_text(d->t, body->param[i]->data);
        text_puts(d->t, "\"];\n");
    }
}

static void operations(struct dot *d, const struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next) {
        if (!n->bodies) {
            operation(d, n);
            continue;
        }
        open_cluster(d, group_title(d->m, n), d->next++,
                     n->op == OP_fused ? " style=\"filled,rounded\"; fillcolor=\"#f0fdf4\"; color=\"#86a08c\";"
                                       : " style=\"dashed,rounded\";");
        if (n->op != OP_fused)
            parameters(d, n->body[0]);
        operations(d, n->body[0]);
        close_cluster(d);
    }
}

/* ---- arrows ---- */

/* The node that a value comes from: through groups to what stands inside them or before them. */
static void source(struct dot *d, const struct value *v)
{
    const struct node *owner = v->graph->owner;
    if (v->var)
        put_id(d, 'v', v->var->index);
    else if (v->def && v->def->bodies)
        source(d, v->def->body[0]->yield[v->index]);
    else if (v->def)
        put_id(d, 'o', v->def->id);
    else if (owner->op == OP_fused)
        source(d, operand(owner, v->index));
    else
        put_id(d, 'p', v->id);
}

static void arrow(struct dot *d, const struct value *from, char sort, int to, const char *style)
{
    text_puts(d->t, "  ");
    source(d, from);
    text_puts(d->t, " -> ");
    put_id(d, sort, to);
    text_add(d->t, "%s;\n", style);
}

static void arrows(struct dot *d, const struct graph *g);

/* Into the parameters, and from what one step leaves to what the next one takes. */
static void body_arrows(struct dot *d, const struct node *n)
{
    const struct graph *body = n->body[0];
    for (int i = 0; i < n->operands; i++)
        arrow(d, operand(n, i), 'p', body->param[i]->id, "");
    if (n->op == OP_scan) {
        int sequences = (int)attr_int(n, "sequences"), carries = (int)attr_int(n, "carries");
        for (int i = 0; i < carries; i++)
            arrow(d, body->yield[body->yields - carries + i], 'p', body->param[sequences + i]->id,
                  " [style=dashed, constraint=false, label=\"next step\"]");
    }
    arrows(d, body);
}

static void arrows(struct dot *d, const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        if (n->op == OP_fused)
            arrows(d, n->body[0]);
        else if (n->bodies)
            body_arrows(d, n);
        else
            for (int i = 0; i < n->operands; i++)
                arrow(d, operand(n, i), 'o', n->id, "");
    }
}

void emit_dot(struct emit *e, struct text *t)
{
    text_puts(t, "digraph \"");
    put_text(t, e->name);
    text_puts(
        t,
        "\" {\n  node [shape=box, style=\"filled,rounded\", fillcolor=white, fontname=\"sans-serif\", fontsize=10];\n"
        "  graph [fontname=\"sans-serif\", fontsize=12];\n  edge [color=\"#64748b\"];\n");
    for (int i = 0; i < e->graphs; i++) {
        struct dot d = { .t = t, .m = e->m, .top = e->emitted[i], .indent = 1 };
        spell_values(d.top);
        open_cluster(&d, graph_name(d.top->kind), d.next++, "");
        variables(&d);
        operations(&d, d.top);
        close_cluster(&d);
        arrows(&d, d.top);
    }
    text_puts(t, "}\n");
}
