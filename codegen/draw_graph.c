/* codegen/draw_graph.c: a graph as boxes: operations, and groups and scans with what is in them, a row each. Constants,
 * and what is made of constants alone, stand in the boxes of those that read them. As JSON:
 *
 *     {"lines": [4, 9, 17], "drawing": 0}                         of a dump, in the page's lists
 *     {"size": [400, 130, 16],                                   width, height, height of a row
 *      "boxes": [[0, 14, 14, 160, 24, [[0, 8, 4]]]],              operation, x, y, width, height, rows: operation, x, y
 *      "edges": [[0, 1, 94, 38, 24, 20, 26, 0]]}                  operations, x, y, then down, aside and down, down, ... */
#include <string.h>

#include "codegen/draw.h"

enum { ROW = 16, PAD = 8, INDENT = 10 };
enum { LETTER = 67, STEP = 24 }; /* the width of a letter in tenths; widths of boxes are multiples */
enum { LABEL = 48 };             /* letters of a label at most */

/* ---- pools ---- */

static struct draw_pool pool_new(struct arena *a)
{
    return (struct draw_pool){ names_new(a), text_make(a) };
}

struct draw_pools draw_pools_new(struct arena *a)
{
    return (struct draw_pools){ pool_new(a), pool_new(a), pool_new(a), pool_new(a) };
}

/* The number of an element, given as JSON. */
static int pool_number(struct draw_pool *p, const char *json)
{
    size_t count = names_count(p->names), number = name_number(p->names, json);
    if (number == count) {
        text_puts(&p->list, count ? ",\n" : "");
        text_puts(&p->list, json);
    }
    return (int)number;
}

/* ---- operations ---- */

struct row {
    int op, depth;
};

struct block {
    const struct node *node;
    struct row *row;
    size_t rows, capacity;
    int *read; /* earlier blocks */
    int reads;
    bool constant; /* made of constants alone */
    bool shown;
    int box;
};

struct picture {
    struct arena *arena; /* scratch */
    struct draw_pools *pools;
    struct text *t;
    const struct graph *g;
    const char **label; /* of each operation */
    struct block *block;
    int blocks;
};

static int number_from(const struct graph *g, int id)
{
    for (struct node *n = g->first; n; n = n->next) {
        n->id = id++;
        for (int i = 0; i < n->bodies; i++)
            id = number_from(n->body[i], id);
    }
    return id;
}

int draw_number(const struct graph *g)
{
    return number_from(g, 0);
}

int draw_inside(const struct node *n)
{
    int count = 0;
    for (int i = 0; i < n->bodies; i++)
        for (const struct node *b = n->body[i]->first; b; b = b->next)
            count += 1 + draw_inside(b);
    return count;
}

/* "conv  f32[N,16,24,24]"; a group also has the names of its results, or only these where they are several. */
static const char *label_of(struct arena *a, const struct node *n)
{
    struct text t = text_make(a);
    text_puts(&t, op_info(n->op)->name);
    for (int i = 0; n->bodies && i < n->results; i++)
        text_add(&t, " %s", (const char *)n->result[i]->data);
    for (int i = 0; i < n->results && !(n->bodies && n->results > 1); i++) {
        text_puts(&t, i ? " " : "  ");
        text_type(&t, n->result[i]->type, n->graph->module->f64);
    }
    if (t.length <= LABEL)
        return text_string(&t);
    return arena_printf(a, "%.*s\u2026", LABEL - 1, text_string(&t));
}

static const char *json_of(struct arena *a, const char *s)
{
    struct text t = text_make(a);
    text_json(&t, s);
    return text_string(&t);
}

static const char *place_of(struct arena *a, const struct node *n)
{
    return n->at.line > 0 && n->at.file ? arena_printf(a, "%s:%d", n->at.file, n->at.line) : "";
}

/* ---- lines of the dump ---- */

struct lines {
    struct picture *p;
    const char *at; /* what is left of the dump */
    bool any;
};

static const char *next_line(struct lines *l)
{
    const char *end = strchr(l->at, '\n'), *s = l->at;
    l->at = end ? end + 1 : s + strlen(s);
    return json_of(l->p->arena, arena_stringn(l->p->arena, s, end ? (size_t)(end - s) : strlen(s)));
}

static void put_line(struct lines *l, const char *json)
{
    text_add(l->p->t, "%s%d", l->any ? "," : "", pool_number(&l->p->pools->lines, json));
    l->any = true;
}

/* A line of an operation comes with its label, its place in the model, and how many operations are in it. */
static void operation_lines(struct lines *l, const struct graph *g)
{
    struct arena *a = l->p->arena;
    for (const struct node *n = g->first; n; n = n->next) {
        int label = pool_number(&l->p->pools->labels, json_of(a, l->p->label[n->id] = label_of(a, n))),
            place = pool_number(&l->p->pools->places, json_of(a, place_of(a, n)));
        const char *line = next_line(l);
        put_line(l, n->bodies ? arena_printf(a, "[%s,%d,%d,%d]", line, label, place, draw_inside(n))
                              : arena_printf(a, "[%s,%d,%d]", line, label, place));
        for (int i = 0; i < n->bodies; i++) {
            operation_lines(l, n->body[i]);
            put_line(l, arena_printf(a, "[%s]", next_line(l))); /* yield */
            put_line(l, arena_printf(a, "[%s]", next_line(l))); /* } */
        }
    }
}

static int lines_of(const struct graph *g)
{
    int count = 0;
    for (const struct node *n = g->first; n; n = n->next) {
        count++;
        for (int i = 0; i < n->bodies; i++)
            count += lines_of(n->body[i]) + 2;
    }
    return count;
}

/* Before the operations stand the graph's own line and those of variables. */
static void put_lines(struct picture *p, const char *dump)
{
    struct lines l = { p, dump, false };
    int count = -lines_of(p->g);
    for (const char *s = dump; *s; s++)
        count += *s == '\n';
    text_puts(p->t, "{\"lines\": [");
    while (count-- > 0)
        put_line(&l, arena_printf(p->arena, "[%s]", next_line(&l)));
    operation_lines(&l, p->g);
    text_puts(p->t, "]");
}

/* ---- blocks ---- */

static void add_row(struct picture *p, struct block *b, struct row r)
{
    void *items = b->row;
    for (size_t i = 0; i < b->rows && !b->node->bodies; i++)
        if (b->row[i].op == r.op)
            return;
    arena_grow(p->arena, &items, &b->capacity, b->rows + 1, sizeof *b->row);
    b->row = items;
    b->row[b->rows++] = r;
}

static void add_rows(struct picture *p, struct block *b, const struct node *n, int depth)
{
    add_row(p, b, (struct row){ n->id, depth });
    for (int i = 0; i < n->bodies; i++)
        for (const struct node *x = n->body[i]->first; x; x = x->next)
            add_rows(p, b, x, depth + 1);
}

/* A block stands in `of` at its operation's number. Reading a constant is having its rows; a group shows its own alone. */
static void add_block(struct picture *p, const struct node *n, const int *of)
{
    struct block *b = &p->block[p->blocks];
    *b = (struct block){ .node = n, .read = NEW_ARRAY(p->arena, n->operands + 1, int), .constant = !n->bodies };
    for (int i = 0; i < n->operands; i++) {
        const struct value *v = operand(n, i);
        struct block *from = v->def ? &p->block[of[v->def->id]] : NULL;
        bool again = false;
        if (!from || !from->constant)
            b->constant = false;
        for (int k = 0; from && k < b->reads; k++)
            again = again || b->read[k] == from - p->block;
        if (!from || again)
            continue;
        if (!from->constant || n->bodies) {
            b->read[b->reads++] = (int)(from - p->block);
            from->shown = true;
            continue;
        }
        for (size_t k = 0; k < from->rows; k++)
            add_row(p, b, from->row[k]);
    }
    add_rows(p, b, n, 0);
    bool used = false;
    for (int i = 0; i < n->results; i++)
        used = used || value_used(n->result[i]);
    b->shown = !b->constant || !used;
    p->blocks++;
}

static void find_blocks(struct picture *p, int operations)
{
    int *of = NEW_ARRAY(p->arena, operations + 1, int);
    p->block = NEW_ARRAY(p->arena, operations + 1, struct block);
    for (const struct node *n = p->g->first; n; n = n->next) {
        of[n->id] = p->blocks;
        add_block(p, n, of);
    }
}

/* ---- the drawing ---- */

static int letters(const char *label)
{
    int count = 0;
    for (; *label; label++)
        count += (*label & 0xc0) != 0x80;
    return count;
}

static int width_of(const struct picture *p, const struct block *b)
{
    int widest = 0;
    for (size_t i = 0; i < b->rows; i++) {
        int width = b->row[i].depth * INDENT + letters(p->label[b->row[i].op]) * LETTER / 10;
        widest = width > widest ? width : widest;
    }
    return (widest + 2 * PAD + STEP) / STEP * STEP;
}

/* What the layout depends on, and the same for two graphs that are drawn alike. */
static const char *key_of(struct picture *p, const struct drawing *d)
{
    struct text t = text_make(p->arena);
    for (int i = 0; i < p->blocks; i++) {
        const struct block *b = &p->block[i];
        text_add(&t, b->shown ? "%d %d:" : "", b->node->id, d->box[b->box].width);
        for (size_t k = 0; b->shown && k < b->rows; k++)
            text_add(&t, " %d %d,", b->row[k].op, b->row[k].depth);
    }
    for (int i = 0; i < d->edges; i++)
        text_add(&t, " %d-%d", d->edge[i].from, d->edge[i].to);
    return text_string(&t);
}

static struct drawing drawing_of(struct picture *p)
{
    struct drawing d = { .box = NEW_ARRAY(p->arena, p->blocks + 1, struct draw_box) };
    int reads = 0;
    for (int i = 0; i < p->blocks; i++) {
        struct block *b = &p->block[i];
        b->box = d.boxes;
        if (b->shown)
            d.box[d.boxes++] = (struct draw_box){ .width = width_of(p, b), .height = (int)b->rows * ROW + PAD };
        reads += b->reads;
    }
    d.edge = NEW_ARRAY(p->arena, reads + 1, struct draw_edge);
    for (int i = 0; i < p->blocks; i++)
        for (int k = 0; p->block[i].shown && k < p->block[i].reads; k++)
            d.edge[d.edges++] = (struct draw_edge){ .from = p->block[p->block[i].read[k]].box, .to = p->block[i].box };
    return d;
}

/* Rows lie where they do in their box. */
static void put_box(struct text *t, const struct block *b, const struct draw_box *box)
{
    text_add(t, "[%d,%d,%d,%d,%d,[", b->node->id, box->x, box->y, box->width, box->height);
    for (size_t i = 0; i < b->rows; i++)
        text_add(t, "%s[%d,%d,%d]", i ? "," : "", b->row[i].op, PAD + b->row[i].depth * INDENT, PAD / 2 + (int)i * ROW);
    text_puts(t, "]]");
}

/* Where it begins, how far down it goes, then of each curve how far to the side and down, and how far down behind it. */
static void put_way(struct text *t, const struct draw_edge *e)
{
    const struct draw_point *p = e->point;
    text_add(t, "%d,%d,%d", p[0].x, p[0].y, p[1].y - p[0].y);
    for (int i = 2; i < e->points; i += 2)
        text_add(t, ",%d,%d,%d", p[i].x - p[i - 1].x, p[i].y - p[i - 1].y, p[i + 1].y - p[i].y);
}

static void put_drawing(struct picture *p, struct text *t, const struct drawing *d)
{
    const struct node **of = NEW_ARRAY(p->arena, d->boxes + 1, const struct node *);
    text_add(t, "{\"size\": [%d,%d,%d],\"boxes\": [", d->width, d->height, ROW);
    for (int i = 0; i < p->blocks; i++) {
        const struct block *b = &p->block[i];
        if (!b->shown)
            continue;
        text_puts(t, b->box ? "," : "");
        put_box(t, b, &d->box[b->box]);
        of[b->box] = b->node;
    }
    text_puts(t, "],\"edges\": [");
    for (int i = 0; i < d->edges; i++) {
        text_add(t, "%s[%d,%d,", i ? "," : "", of[d->edge[i].from]->id, of[d->edge[i].to]->id);
        put_way(t, &d->edge[i]);
        text_puts(t, "]");
    }
    text_puts(t, "]}");
}

static int draw(struct picture *p)
{
    struct draw_pool *pool = &p->pools->drawings;
    struct drawing d = drawing_of(p);
    const char *key = key_of(p, &d);
    size_t count = names_count(pool->names), number = name_number(pool->names, key);
    if (number == count) {
        draw_layers(p->arena, &d);
        text_puts(&pool->list, count ? ",\n" : "");
        put_drawing(p, &pool->list, &d);
    }
    return (int)number;
}

/* The values of g are spelled as in the dump. */
void draw_graph(struct draw_pools *pools, struct text *t, const struct graph *g, const char *dump)
{
    struct picture p = { .arena = arena_new(), .pools = pools, .t = t, .g = g };
    int operations = draw_number(g);
    p.label = NEW_ARRAY(p.arena, operations + 1, const char *);
    put_lines(&p, dump);
    find_blocks(&p, operations);
    text_add(t, ",\"drawing\": %d}", draw(&p));
    arena_free(p.arena);
}
