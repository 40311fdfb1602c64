/* codegen/out_html.c: NET.html, a page that shows a compilation: the model, the graphs after each pass, the C, the memory
 * plan and what every kernel costs. It needs no network and no other file: everything lies in one JSON object, which
 * page.js shows and page.css dresses; what is drawn is laid out here (draw.h). A graph's dump and its drawing stand in it
 * once, however many passes leave it as it is, and so does each line that dumps have in common. */
#include <string.h>

#include "codegen/draw.h"
#include "codegen/page.h"

/* The graphs behind a pass: dump[k] counts them from 0; -1: there is no such graph. */
struct step {
    const char *pass, *what;
    int dump[GRAPH_KINDS];
    struct step *next;
};

struct history {
    struct arena *arena;
    struct step *steps, **last;
    const char *shown[GRAPH_KINDS]; /* the last dump of each, and its number */
    int number[GRAPH_KINDS], dumps;
    struct text text; /* the dumps as elements of a JSON list */
    struct draw_pools pools;
};

struct history *history_new(struct arena *a)
{
    struct history *h = NEW(a, struct history);
    h->arena = a;
    h->last = &h->steps;
    h->text = text_make(a);
    h->pools = draw_pools_new(a);
    return h;
}

/* The dump of a graph without the blanks that align the places. */
static const char *dump_of(struct arena *a, const struct graph *g)
{
    struct text whole = text_make(a), t = text_make(a);
    print_graph(&whole, g, false);
    for (const char *s = text_string(&whole); *s; s++)
        if (*s != ' ' || s[1] != ' ' || !t.length || t.s[t.length - 1] == '\n' || t.s[t.length - 1] == ' ')
            text_putc(&t, *s);
        else
            s += strspn(s, " ") - 2; /* two of them stay */
    return text_string(&t);
}

/* The number of its dump, which is new where the last one of this graph was another. */
static int history_dump(struct history *h, const struct graph *g)
{
    struct arena *scratch = arena_new();
    const char *dump = dump_of(scratch, g);
    if (!h->shown[g->kind] || strcmp(h->shown[g->kind], dump)) {
        text_puts(&h->text, h->dumps ? ",\n" : "");
        draw_graph(&h->pools, &h->text, g, dump);
        h->shown[g->kind] = arena_string(h->arena, dump);
        h->number[g->kind] = h->dumps++;
    }
    arena_free(scratch);
    return h->number[g->kind];
}

void history_add(void *history, struct module *m, const char *pass, const char *what)
{
    struct history *h = history;
    struct step *s = NEW(h->arena, struct step);
    *s = (struct step){ .pass = pass ? pass : "model", .what = what ? what : "as it was written" };
    for (int k = 0; k < GRAPH_KINDS; k++)
        s->dump[k] = m->graph[k] ? history_dump(h, m->graph[k]) : -1;
    *h->last = s;
    h->last = &s->next;
}

/* ---- the data ---- */

static void put_steps(struct emit *e, struct text *t)
{
    for (const struct step *s = e->o->history->steps; s; s = s->next) {
        text_puts(t, s == e->o->history->steps ? "{\"name\": " : ",\n{\"name\": ");
        text_json(t, s->pass);
        text_puts(t, ", \"what\": ");
        text_json(t, s->what);
        text_puts(t, ", \"graphs\": {");
        const char *separator = "";
        for (int i = 0; i < e->graphs; i++) {
            enum graph_kind k = e->emitted[i]->kind;
            if (s->dump[k] < 0)
                continue;
            text_add(t, "%s\"%s\": %d", separator, graph_name(k), s->dump[k]);
            separator = ", ";
        }
        text_puts(t, "}}");
    }
}

static void put_file(struct text *t, const char *name, const char *content, int *count)
{
    text_puts(t, (*count)++ ? ",\n{\"file\": " : "{\"file\": ");
    text_json(t, name);
    text_puts(t, ", \"text\": ");
    text_json(t, content);
    text_putc(t, '}');
}

static bool comes_from(const struct graph *g, const char *file)
{
    for (const struct node *n = g->first; n; n = n->next) {
        if (n->at.file && !strcmp(n->at.file, file))
            return true;
        for (int i = 0; i < n->bodies; i++)
            if (comes_from(n->body[i], file))
                return true;
    }
    return false;
}

/* The files of the model that operations came from. */
static void put_sources(struct emit *e, struct text *t)
{
    const char *file, *content;
    int count = 0;
    for (int i = 0; (content = diag_text(e->m->diag, i, &file)); i++)
        for (int k = 0; k < e->graphs; k++)
            if (comes_from(e->emitted[k], file)) {
                put_file(t, file, content, &count);
                break;
            }
}

/* Name, first and last operation, origin, multiply-adds and bytes of each kernel. */
static void put_kernels(struct text *t, const struct kernel_row *first)
{
    for (const struct kernel_row *r = first; r; r = r->next) {
        text_puts(t, r == first ? "[" : ",\n[");
        text_json(t, r->name);
        text_add(t, ",%d,%d,", r->of->id, r->of->id + (r->of->op == OP_fused ? draw_inside(r->of) : 0));
        text_json(t, r->origin);
        text_add(t, ",%.0f,%.0f]", r->macs, r->bytes);
    }
}

static void put_graphs(struct emit *e, struct text *t)
{
    for (int i = 0; i < e->graphs; i++) {
        const struct graph *g = e->emitted[i];
        spell_values(g);
        text_add(t, "%s{\"name\": \"%s\", \"plan\": ", i ? ",\n" : "", graph_name(g->kind));
        draw_plan(e, t, g);
        text_puts(t, ",\n\"kernels\": [");
        put_kernels(t, e->graph[g->kind].rows);
        text_puts(t, "]}");
    }
}

static void put_pool(struct text *t, const char *name, const struct draw_pool *p)
{
    text_add(t, "],\n\"%s\": [%s", name, text_string(&p->list));
}

static void put_data(struct emit *e, struct text *t)
{
    const struct history *h = e->o->history;
    int count = 0;
    text_puts(t, "{\"net\": ");
    text_json(t, e->name);
    text_add(t, ", \"batch\": %lld, \"real\": \"%s\", \"infer_bytes\": %lld, \"train_bytes\": %lld,\n\"sources\": [",
             (long long)e->m->batch, dtype_name(DT_REAL, e->m->f64), (long long)e->infer_bytes,
             (long long)(e->has_loss ? e->train_bytes : 0));
    put_sources(e, t);
    text_puts(t, "],\n\"files\": [");
    for (size_t i = 0; i < e->file_count; i++) {
        const char *slash = strrchr(e->files[i].path, '/');
        put_file(t, slash ? slash + 1 : e->files[i].path, e->files[i].data, &count);
    }
    text_puts(t, "],\n\"graphs\": [");
    put_graphs(e, t);
    text_puts(t, "],\n\"steps\": [");
    put_steps(e, t);
    put_pool(t, "labels", &h->pools.labels);
    put_pool(t, "places", &h->pools.places);
    put_pool(t, "lines", &h->pools.lines);
    put_pool(t, "drawings", &h->pools.drawings);
    text_puts(t, "],\n\"dumps\": [");
    text_puts(t, text_string(&h->text));
    text_puts(t, "]}");
}

/* Inside a script element only '<' could end it; in JSON it stands in strings alone. */
static void put_inside_script(struct text *t, const char *json)
{
    for (size_t run; *json; json += run) {
        run = strcspn(json, "<");
        text_putn(t, json, run);
        for (; json[run] == '<'; run++)
            text_puts(t, "\\u003c");
    }
}

void emit_html(struct emit *e, struct text *t)
{
    struct text data = text_make(e->arena);
    put_data(e, &data);
    text_add(t, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>%s - netc</title>\n",
             e->name);
    text_puts(t, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>\n");
    text_puts(t, codegen_page_css);
    text_puts(t, "</style>\n</head>\n<body>\n<script type=\"application/json\" id=\"data\">");
    put_inside_script(t, text_string(&data));
    text_puts(t, "</script>\n<script>\n");
    text_puts(t, codegen_page_js);
    text_puts(t, "</script>\n</body>\n</html>\n");
}
