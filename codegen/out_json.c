/* codegen/out_json.c: NET.json, the module after all passes for other programs; README.md describes every field. Values
 * carry the names of the dump, an operation or kernel a line. */
#include <math.h>
#include <string.h>

#include "codegen/c_emit.h"

struct json {
    struct emit *e;
    struct text *t;
    int next; /* the number of the graph's next operation */
};

static void key(struct json *j, const char *name)
{
    text_json(j->t, name);
    text_puts(j->t, ": ");
}

static void next_key(struct json *j, const char *name)
{
    text_puts(j->t, ", ");
    key(j, name);
}

static void word(struct json *j, const char *name, const char *s)
{
    next_key(j, name);
    text_json(j->t, s ? s : "");
}

static void whole(struct json *j, const char *name, int64_t i)
{
    next_key(j, name);
    text_add(j->t, "%lld", (long long)i);
}

/* JSON knows no infinity: it is a string. */
static void put_real(struct json *j, double x)
{
    text_puts(j->t, isfinite(x) ? "" : "\"");
    text_real(j->t, x);
    text_puts(j->t, isfinite(x) ? "" : "\"");
}

static void real(struct json *j, const char *name, double x)
{
    next_key(j, name);
    put_real(j, x);
}

static void place(struct json *j, struct place at)
{
    word(j, "file", at.line > 0 ? at.file : "");
    whole(j, "line", at.line > 0 ? at.line : 0);
}

/* ---- types ---- */

/* A number, or "N" or "3*N" where it is a multiple of the batch size. */
static void put_dim(struct json *j, struct dim d)
{
    text_puts(j->t, d.n ? "\"" : "");
    text_dim(j->t, d);
    text_puts(j->t, d.n ? "\"" : "");
}

static void type(struct json *j, struct type t)
{
    word(j, "dtype", dtype_name(t.dtype, j->e->m->f64));
    next_key(j, "shape");
    text_putc(j->t, '[');
    for (int i = 0; i < t.rank; i++) {
        text_puts(j->t, i ? ", " : "");
        put_dim(j, t.dim[i]);
    }
    text_putc(j->t, ']');
}

static void values(struct json *j, const char *name, struct value *const *value, int count)
{
    next_key(j, name);
    text_putc(j->t, '[');
    for (int i = 0; i < count; i++) {
        text_puts(j->t, i ? ", {" : "{");
        key(j, "name");
        text_json(j->t, value[i]->data);
        type(j, value[i]->type);
        text_putc(j->t, '}');
    }
    text_putc(j->t, ']');
}

/* ---- operations ---- */

static void put_attr(struct json *j, const struct attr *a)
{
    switch (a->kind) {
    case AT_INT: text_add(j->t, "%lld", (long long)a->i); return;
    case AT_REAL: put_real(j, a->real); return;
    case AT_BOOL: text_puts(j->t, a->flag ? "true" : "false"); return;
    case AT_WORD: text_json(j->t, a->word); return;
    case AT_INTS:
    case AT_DIMS: break;
    }
    text_putc(j->t, '[');
    for (int i = 0; i < a->count; i++) {
        text_puts(j->t, i ? ", " : "");
        if (a->kind == AT_INTS)
            text_add(j->t, "%lld", (long long)a->ints[i]);
        else
            put_dim(j, a->dims[i]);
    }
    text_putc(j->t, ']');
}

static void attributes(struct json *j, const struct node *n)
{
    next_key(j, "attributes");
    text_putc(j->t, '{');
    for (int i = 0; i < n->attrs; i++) {
        text_puts(j->t, i ? ", " : "");
        key(j, n->attr[i].name);
        put_attr(j, &n->attr[i]);
    }
    text_putc(j->t, '}');
}

static void names(struct json *j, const char *name, struct value *const *value, int count)
{
    next_key(j, name);
    text_putc(j->t, '[');
    for (int i = 0; i < count; i++) {
        text_puts(j->t, i ? ", " : "");
        text_json(j->t, value[i]->data);
    }
    text_putc(j->t, ']');
}

static void operand_names(struct json *j, const struct node *n)
{
    struct value **value = NEW_ARRAY(j->e->arena, n->operands + 1, struct value *);
    for (int i = 0; i < n->operands; i++)
        value[i] = operand(n, i);
    names(j, "operands", value, n->operands);
}

static void operations(struct json *j, const struct graph *g, int depth);

static void body(struct json *j, const struct graph *g, int depth)
{
    values(j, "parameters", g->param, g->params);
    text_puts(j->t, ", ");
    operations(j, g, depth + 1);
    names(j, "yields", g->yield, g->yields);
}

static void put_operation(struct json *j, struct node *n, int depth)
{
    text_putc(j->t, '{');
    key(j, "id");
    text_add(j->t, "%d", n->id = j->next++);
    word(j, "operation", op_info(n->op)->name);
    values(j, "results", n->result, n->results);
    operand_names(j, n);
    attributes(j, n);
    place(j, n->at);
    word(j, "layer", n->layer);
    if (n->bodies)
        body(j, n->body[0], depth);
    text_putc(j->t, '}');
}

static void new_line(struct json *j, int depth)
{
    text_putc(j->t, '\n');
    text_pad(j->t, (size_t)depth * 2);
}

static void operations(struct json *j, const struct graph *g, int depth)
{
    key(j, "operations");
    text_putc(j->t, '[');
    for (struct node *n = g->first; n; n = n->next) {
        text_puts(j->t, n == g->first ? "" : ",");
        new_line(j, depth);
        put_operation(j, n, depth);
    }
    text_putc(j->t, ']');
}

/* ---- memory and kernels ---- */

struct list {
    struct json *j;
    int count;
};

static void buffer(void *list, const struct value *v)
{
    struct list *l = list;
    struct json *j = l->j;
    text_puts(j->t, l->count++ ? "," : "");
    new_line(j, 3);
    text_putc(j->t, '{');
    key(j, "value");
    text_json(j->t, v->data);
    whole(j, "offset", v->offset);
    whole(j, "bytes", run_bytes(j->e, v));
    whole(j, "first", v->born);
    whole(j, "last", v->dies);
    text_putc(j->t, '}');
}

static void kernels(struct json *j, const struct kernel_row *first)
{
    for (const struct kernel_row *r = first; r; r = r->next) {
        text_puts(j->t, r == first ? "" : ",");
        new_line(j, 3);
        text_putc(j->t, '{');
        key(j, "name");
        text_json(j->t, r->name);
        whole(j, "operation", r->of->id);
        word(j, "origin", r->origin);
        real(j, "calls", r->calls);
        real(j, "multiply_adds", r->macs);
        real(j, "bytes", r->bytes);
        text_putc(j->t, '}');
    }
}

static void put_graph(struct json *j, struct graph *g)
{
    struct list list = { j, 0 };
    spell_values(g);
    j->next = 0;
    new_line(j, 1);
    text_putc(j->t, '{');
    key(j, "name");
    text_json(j->t, graph_name(g->kind));
    whole(j, "part", g->part);
    whole(j, "arena_bytes", g->arena_bytes);
    whole(j, "lower_bound", g->lower_bound);
    text_putc(j->t, ',');
    new_line(j, 2);
    operations(j, g, 3);
    text_putc(j->t, ',');
    new_line(j, 2);
    key(j, "buffers");
    text_putc(j->t, '[');
    each_planned(g, buffer, &list);
    text_puts(j->t, "],");
    new_line(j, 2);
    key(j, "kernels");
    text_putc(j->t, '[');
    kernels(j, j->e->graph[g->kind].rows);
    text_puts(j->t, "]}");
}

/* ---- the module ---- */

static const char *spelled(struct json *j, const struct var *v)
{
    struct text t = text_make(j->e->arena);
    if (v)
        text_var(&t, v);
    return text_string(&t);
}

static void variable(struct json *j, const struct var *v)
{
    bool placed = v->offset >= 0;
    text_putc(j->t, '{');
    key(j, "name");
    text_json(j->t, spelled(j, v));
    word(j, "role", role_name(v->role));
    type(j, v->type);
    whole(j, "bytes", type_bytes(j->e, v->type));
    word(j, "segment", placed ? segment_name(var_segment(v)) : "");
    whole(j, "offset", placed ? v->offset : 0);
    word(j, "of", spelled(j, v->of));
    place(j, v->at);
    text_putc(j->t, '}');
}

static void variables(struct json *j)
{
    key(j, "variables");
    text_putc(j->t, '[');
    for (int i = 0; i < j->e->m->vars; i++) {
        text_puts(j->t, i ? "," : "");
        new_line(j, 1);
        variable(j, j->e->m->var[i]);
    }
    text_puts(j->t, "],\n");
}

static void segments(struct json *j)
{
    key(j, "segments");
    text_putc(j->t, '{');
    for (enum segment s = 0; s < SEGMENTS; s++) {
        text_puts(j->t, s ? ", " : "");
        key(j, segment_name(s));
        text_add(j->t, "%lld", (long long)j->e->segment[s]);
    }
    text_puts(j->t, "},\n");
}

void emit_json(struct emit *e, struct text *t)
{
    struct json j = { .e = e, .t = t };
    text_puts(t, "{\"format\": \"netc 1\"");
    word(&j, "net", e->name);
    whole(&j, "batch", e->m->batch);
    word(&j, "real", dtype_name(DT_REAL, e->m->f64));
    whole(&j, "infer_bytes", e->infer_bytes);
    whole(&j, "train_bytes", e->train_bytes);
    text_puts(t, ",\n");
    segments(&j);
    variables(&j);
    key(&j, "graphs");
    text_putc(t, '[');
    for (int i = 0; i < e->graphs; i++) {
        text_puts(t, i ? "," : "");
        put_graph(&j, e->emitted[i]);
    }
    text_puts(t, "]}\n");
}
