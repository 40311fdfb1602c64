/* codegen/draw_plan.c: the memory plan of a graph as a picture: operations from left to right, the arena from bottom to
 * top, a value a rectangle: where it lies as long as the place is its own. Lengths are in tenths of a point. As JSON:
 *
 *     {"size": [9000, 4400], "buffers": [[3, 620, 900, 80, 40, "kept", "%3: ..."]],  operation, x, y, width, height
 *      "keys": [[620, 40, 120, 120, "kept"]],                                        the same for the legend
 *      "paths": [["axis", "M620 300v3700h8300"]], "texts": [[540, 340, "end", "5.51 MB"]]} */
#include <stdlib.h>
#include <string.h>

#include "codegen/draw.h"

enum { WIDTH = 9000, HEIGHT = 4400, LEFT = 820, RIGHT = 8920, TOP = 380, BOTTOM = 4020 };
enum { LETTER = 68, KEY = 110, TICKS = 4 };

enum kind { FORWARD, KEPT, BACKWARD, KINDS };
static const char *const class_of[] = { "forward", "kept", "backward" };

struct plan {
    struct emit *e;
    struct text *t;
    const struct graph *g;
    int64_t steps, top;         /* operations; bytes of the arena */
    int loss;                   /* the last operation of the forward part; -1: none */
    const struct value **value; /* those that have a place */
    size_t count, capacity;
};

static int64_t at_step(const struct plan *p, int64_t step)
{
    return LEFT + step * (RIGHT - LEFT) / p->steps;
}

static int64_t at_byte(const struct plan *p, int64_t byte)
{
    return BOTTOM - byte * (BOTTOM - TOP) / p->top;
}

static enum kind kind_of(const struct plan *p, const struct value *v)
{
    return p->loss < 0 || v->dies <= p->loss ? FORWARD : v->born <= p->loss ? KEPT : BACKWARD;
}

/* ---- words ---- */

static void put_text(struct plan *p, const char *separator, int64_t x, int64_t y, const char *anchor, const char *s)
{
    text_add(p->t, "%s[%lld,%lld,\"%s\",", separator, (long long)x, (long long)y, anchor);
    text_json(p->t, s);
    text_putc(p->t, ']');
}

/* 1234567 as "1,234,567" */
static const char *grouped(struct arena *a, int64_t x)
{
    return x < 1000 ? arena_printf(a, "%lld", (long long)x)
                    : arena_printf(a, "%s,%03d", grouped(a, x / 1000), (int)(x % 1000));
}

/* 1234567 as "1.23 M" */
static const char *rounded(struct arena *a, int64_t x)
{
    static const char *const unit[] = { "", "k", "M", "G", "T" };
    int64_t scale = 1;
    int k = 0;
    for (; k < 4 && x / scale >= 1000; k++)
        scale *= 1000;
    if (!k)
        return arena_printf(a, "%lld ", (long long)x);
    int64_t hundredths = x / (scale / 100);
    return arena_printf(a, "%lld.%02d %s", (long long)(hundredths / 100), (int)(hundredths % 100), unit[k]);
}

/* ---- values ---- */

/* A parameter of a scan's body belongs to the scan. */
static int operation_of(const struct value *v)
{
    return v->def ? v->def->id : v->graph->owner->id;
}

static void add_value(void *context, const struct value *v)
{
    struct plan *p = context;
    void *items = p->value;
    arena_grow(p->e->arena, &items, &p->capacity, p->count + 1, sizeof(const struct value *));
    p->value = items;
    p->value[p->count++] = v;
}

static int by_offset(const void *a, const void *b)
{
    const struct value *x = *(const struct value *const *)a, *y = *(const struct value *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->born != y->born ? x->born - y->born : operation_of(x) - operation_of(y);
}

static void put_buffer(struct plan *p, const struct value *v)
{
    struct arena *a = p->e->arena;
    int64_t bytes = type_bytes(p->e, v->type), left = at_step(p, v->born), right = at_step(p, v->dies + 1),
            upper = at_byte(p, v->offset + bytes), lower = at_byte(p, v->offset);
    text_add(p->t, "[%d,%lld,%lld,%lld,%lld,\"%s\",", operation_of(v), (long long)left, (long long)upper,
             (long long)(right > left ? right - left : 1), (long long)(lower > upper ? lower - upper : 1),
             class_of[kind_of(p, v)]);
    text_json(p->t, arena_printf(a, "%s: %s bytes at %s, from operation %d to %d", (const char *)v->data,
                                 grouped(a, bytes), grouped(a, v->offset), v->born + 1, v->dies + 1));
    text_putc(p->t, ']');
}

static void put_buffers(struct plan *p)
{
    each_planned(p->g, add_value, p);
    if (p->count)
        qsort(p->value, p->count, sizeof *p->value, by_offset);
    for (size_t i = 0; i < p->count; i++) {
        text_puts(p->t, i ? ",\n" : "");
        put_buffer(p, p->value[i]);
    }
}

/* The bytes in use while an operation runs. A result in the place of its operand counts once. */
static int64_t in_use(const struct plan *p, int64_t step)
{
    int64_t sum = 0, end = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct value *v = p->value[i];
        int64_t from = v->offset > end ? v->offset : end, to = v->offset + type_bytes(p->e, v->type);
        if (step < v->born || step > v->dies || to <= end)
            continue;
        sum += to - from;
        end = to;
    }
    return sum;
}

/* ---- the picture around them ---- */

static void put_path(struct plan *p, const char *class, const char *separator)
{
    text_add(p->t, "%s[\"%s\",\"", separator, class);
}

/* The bytes in use, step by step. */
static void put_live(struct plan *p)
{
    put_path(p, "live", ",");
    for (int64_t i = 0; i < p->steps; i++) {
        int64_t sum = in_use(p, i);
        text_add(p->t, "%s%lld %lldH%lld", i ? "L" : "M", (long long)at_step(p, i), (long long)at_byte(p, sum),
                 (long long)at_step(p, i + 1));
    }
    text_puts(p->t, "\"]");
}

static void put_paths(struct plan *p)
{
    text_puts(p->t, ",\"paths\": [");
    put_path(p, "axis", "");
    text_add(p->t, "M%d %dV%dH%d\"]", LEFT, TOP, BOTTOM, RIGHT);
    for (int i = 1; i <= TICKS; i++) {
        put_path(p, "grid", ",");
        text_add(p->t, "M%d %lldH%d\"]", LEFT, (long long)at_byte(p, p->top * i / TICKS), RIGHT);
    }
    if (p->count)
        put_live(p);
    text_puts(p->t, "]");
}

static void put_texts(struct plan *p, const struct text *legend)
{
    struct arena *a = p->e->arena;
    text_add(p->t, ",\"texts\": [%s", text_string(legend));
    for (int i = 0; i <= TICKS; i++)
        put_text(p, ",", LEFT - 60, at_byte(p, p->top * i / TICKS) + 40, "end",
                 arena_printf(a, "%sB", rounded(a, p->top * i / TICKS)));
    for (int i = 0; i < TICKS; i++) {
        int64_t step = p->steps * i / TICKS;
        if (!i || step > p->steps * (i - 1) / TICKS)
            put_text(p, ",", at_step(p, step), BOTTOM + 140, "start", arena_printf(a, "%lld", (long long)step + 1));
    }
    put_text(p, ",", RIGHT, BOTTOM + 140, "end", arena_printf(a, "operation %lld", (long long)p->steps));
    put_text(
        p, ",", LEFT, BOTTOM + 310, "start",
        arena_printf(a, "arena %s bytes, at least %s", grouped(a, p->g->arena_bytes), grouped(a, p->g->lower_bound)));
    text_puts(p->t, "]");
}

/* What the colours mean: in a graph that trains there are three. */
static void put_legend(struct plan *p)
{
    static const char *const meaning[] = { "of the forward part", "kept for the backward part",
                                           "of the backward part" };
    struct text texts = text_make(p->e->arena), *t = p->t;
    int x = LEFT, kinds = p->loss < 0 ? 1 : KINDS;
    text_puts(t, ",\"keys\": [");
    p->t = &texts;
    for (int i = 0; i <= kinds; i++) {
        const char *class = i == kinds ? "in-use" : class_of[i], *words = i == kinds   ? "bytes in use"
                                                                          : kinds == 1 ? "a value in its place"
                                                                                       : meaning[i];
        text_add(t, "%s[%d,%d,%d,%d,\"%s\"]", i ? "," : "", x, i == kinds ? 105 : 60, KEY, i == kinds ? 20 : KEY,
                 class);
        put_text(p, i ? "," : "", x + KEY + 60, 155, "start", words);
        x += KEY + 180 + (int)strlen(words) * LETTER;
    }
    p->t = t;
    text_puts(t, "]");
    put_paths(p);
    put_texts(p, &texts);
}

/* The values of g are spelled as in the dump, and its operations numbered. */
void draw_plan(struct emit *e, struct text *t, const struct graph *g)
{
    struct plan p = { .e = e,
                      .t = t,
                      .g = g,
                      .steps = 0,
                      .top = g->arena_bytes > 0 ? g->arena_bytes : 1,
                      .loss = g->kind == GRAPH_TRAIN ? graph_number(g) : -1 };
    for (const struct node *n = g->first; n; n = n->next)
        p.steps++;
    p.steps += !p.steps;
    draw_number(g);
    text_add(t, "{\"size\": [%d,%d],\"buffers\": [", WIDTH, HEIGHT);
    put_buffers(&p);
    text_puts(t, "]");
    put_legend(&p);
    text_puts(t, "}");
}
