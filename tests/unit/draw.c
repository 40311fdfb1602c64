/* tests/unit/draw.c: what must hold of every drawing: no two boxes overlap, edges go down from what gives a value to what
 * reads it and cross no box, all lies within the drawing, and the same is drawn each time. Of graphs made at random, and
 * of examples after every pass, as the page has them. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/draw.h"
#include "frontend/frontend.h"
#include "passes/passes.h"

/* ---- what must hold ---- */

/* Whether a rectangle and the inside of a box have a point in common; the rectangle may be a line. */
static bool meets(const struct draw_box *b, int left, int top, int right, int bottom)
{
    return left < b->x + b->width && right > b->x && top < b->y + b->height && bottom > b->y;
}

static void check_boxes(const struct drawing *d)
{
    for (int i = 0; i < d->boxes; i++) {
        const struct draw_box *a = &d->box[i];
        assert_true(a->x >= 0 && a->y >= 0 && a->x + a->width <= d->width && a->y + a->height <= d->height);
        for (int k = 0; k < i; k++)
            if (meets(&d->box[k], a->x, a->y, a->x + a->width, a->y + a->height))
                fail_msg("boxes %d and %d overlap", k, i);
    }
}

/* From one point of an edge to the next: a line down, or a curve, which stays in the rectangle between its ends. */
static void check_piece(const struct drawing *d, int edge, int point)
{
    const struct draw_point *p = &d->edge[edge].point[point];
    int left = p[0].x < p[1].x ? p[0].x : p[1].x, right = p[0].x < p[1].x ? p[1].x : p[0].x;

    assert_true(p[1].y >= p[0].y && (point % 2 == 0 || p[1].y > p[0].y));
    assert_true(point % 2 || p[0].x == p[1].x);
    assert_true(left >= 0 && right <= d->width && p[0].y >= 0 && p[1].y <= d->height);
    for (int b = 0; b < d->boxes; b++)
        if (meets(&d->box[b], left, p[0].y, right, p[1].y))
            fail_msg("edge %d crosses box %d", edge, b);
}

static void check_edges(const struct drawing *d)
{
    for (int i = 0; i < d->edges; i++) {
        const struct draw_edge *e = &d->edge[i];
        const struct draw_box *from = &d->box[e->from], *to = &d->box[e->to];
        struct draw_point first = e->point[0], last = e->point[e->points - 1];
        assert_true(e->points >= 2 && e->points % 2 == 0);
        assert_true(first.y == from->y + from->height && first.x > from->x && first.x < from->x + from->width);
        assert_true(last.y == to->y && last.x > to->x && last.x < to->x + to->width);
        assert_true(last.y > first.y);
        for (int k = 0; k + 1 < e->points; k++)
            check_piece(d, i, k);
    }
}

/* ---- graphs made at random ---- */

static uint64_t draw_number_of(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int below(uint64_t *state, int n)
{
    return (int)(draw_number_of(state) % (uint64_t)n);
}

/* Boxes that read some of those just before them and some of all. */
static struct drawing random_drawing(struct arena *a, uint64_t seed)
{
    uint64_t state = seed;
    struct drawing d = { .boxes = below(&state, 60) };
    int most = 1 + below(&state, 4), near = 1 + below(&state, 12);
    d.box = NEW_ARRAY(a, d.boxes + 1, struct draw_box);
    d.edge = NEW_ARRAY(a, d.boxes * most + 1, struct draw_edge);
    for (int b = 0; b < d.boxes; b++) {
        int start = d.edges;
        d.box[b] = (struct draw_box){ .width = 24 * (1 + below(&state, 12)), .height = 24 + 16 * below(&state, 20) };
        for (int i = 0; b && i < below(&state, most + 1); i++) {
            int from = below(&state, 4) ? b - 1 - below(&state, near < b ? near : b) : below(&state, b);
            bool again = false;
            for (int k = start; k < d.edges; k++)
                again = again || d.edge[k].from == from;
            if (!again)
                d.edge[d.edges++] = (struct draw_edge){ .from = from, .to = b };
        }
    }
    return d;
}

static void assert_same(const struct drawing *x, const struct drawing *y)
{
    assert_true(x->width == y->width && x->height == y->height);
    assert_memory_equal(x->box, y->box, (size_t)x->boxes * sizeof *x->box);
    for (int i = 0; i < x->edges; i++) {
        assert_int_equal(x->edge[i].points, y->edge[i].points);
        assert_memory_equal(x->edge[i].point, y->edge[i].point, (size_t)x->edge[i].points * sizeof *x->edge[i].point);
    }
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 600; seed++) {
        struct arena *a = arena_new();
        struct drawing d = random_drawing(a, seed), again = random_drawing(a, seed);
        draw_layers(a, &d);
        check_boxes(&d);
        check_edges(&d);
        draw_layers(a, &again);
        assert_same(&d, &again);
        arena_free(a);
    }
}

/* As in training: a long chain whose second half reads what the first half gave, the last given first. */
static void test_long(void **state)
{
    enum { HALF = 450 };
    struct arena *a = arena_new();
    struct drawing d = { .box = NEW_ARRAY(a, 2 * HALF, struct draw_box),
                         .edge = NEW_ARRAY(a, 3 * HALF, struct draw_edge),
                         .boxes = 2 * HALF };
    (void)state;

    for (int b = 0; b < d.boxes; b++) {
        d.box[b] = (struct draw_box){ .width = 96 + 24 * (b % 5), .height = 24 + 16 * (b % 3) };
        if (b)
            d.edge[d.edges++] = (struct draw_edge){ .from = b - 1, .to = b };
        if (b > HALF)
            d.edge[d.edges++] = (struct draw_edge){ .from = 2 * HALF - 1 - b, .to = b };
    }
    draw_layers(a, &d);
    check_boxes(&d);
    check_edges(&d);
    for (int b = 1; b < d.boxes; b++)
        assert_true(d.box[b].y > d.box[b - 1].y);
    arena_free(a);
}

/* A chain is one column of straight edges; what one box alone reads stands right above it; parts stand side by side. */
static void test_small(void **state)
{
    struct arena *a = arena_new();
    struct draw_box box[8];
    struct draw_edge edge[] = { { 0, 1, NULL, 0 }, { 1, 2, NULL, 0 }, { 3, 4, NULL, 0 },
                                { 4, 5, NULL, 0 }, { 5, 7, NULL, 0 }, { 6, 7, NULL, 0 } };
    struct drawing d = { box, edge, 8, 6, 0, 0 };
    (void)state;

    for (int i = 0; i < 8; i++)
        box[i] = (struct draw_box){ .width = 96, .height = 24 };
    draw_layers(a, &d);
    check_boxes(&d);
    check_edges(&d);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(box[i].x, box[i + 1].x);
        assert_true(box[i].y < box[i + 1].y);
        assert_int_equal(edge[i].points, 2);
    }
    assert_int_equal(box[6].y, box[5].y);
    assert_true(box[6].y > box[4].y && box[6].y < box[7].y);
    assert_int_equal(box[0].y, box[3].y);
    assert_true(box[0].x + box[0].width < box[3].x);
    arena_free(a);
}

/* ---- examples after every pass ---- */

struct page {
    struct draw_pools pools;
    struct text dumps;
    int operations; /* of all dumps together */
};

static void see(void *context, struct module *m, const char *pass, const char *what)
{
    struct page *page = context;
    (void)pass;
    (void)what;

    for (int k = 0; k < GRAPH_KINDS; k++) {
        struct text t = text_make(m->arena);
        if (!m->graph[k])
            continue;
        print_graph(&t, m->graph[k], false);
        text_puts(&page->dumps, page->dumps.length ? "," : "");
        draw_graph(&page->pools, &page->dumps, m->graph[k], text_string(&t));
        page->operations += draw_number(m->graph[k]);
    }
}

static json_t *list(const struct text *t)
{
    json_t *j = json_loads(text_string(t), 0, NULL);
    assert_non_null(j);
    return j;
}

static json_t *list_of(struct arena *a, const char *elements)
{
    struct text t = text_make(a);
    text_add(&t, "[%s]", elements);
    return list(&t);
}

static int at(const json_t *j, size_t i)
{
    assert_true(json_is_integer(json_array_get(j, i)));
    return (int)json_integer_value(json_array_get(j, i));
}

/* The box of an operation. */
static int box_of(const json_t *boxes, int op)
{
    for (size_t i = 0; i < json_array_size(boxes); i++)
        if (at(json_array_get(boxes, i), 0) == op)
            return (int)i;
    fail_msg("operation %d has no box", op);
    return -1;
}

static struct draw_edge read_edge(struct arena *a, const json_t *j, const json_t *boxes)
{
    size_t n = json_array_size(j);
    struct draw_edge e = { box_of(boxes, at(j, 0)), box_of(boxes, at(j, 1)), NEW_ARRAY(a, n, struct draw_point), 2 };
    e.point[0] = (struct draw_point){ at(j, 2), at(j, 3) };
    e.point[1] = (struct draw_point){ at(j, 2), at(j, 3) + at(j, 4) };
    assert_int_equal(n % 3, 2);
    for (size_t i = 5; i < n; i += 3) {
        struct draw_point p = e.point[e.points - 1], q = { p.x + at(j, i), p.y + at(j, i + 1) };
        e.point[e.points++] = q;
        e.point[e.points++] = (struct draw_point){ q.x, q.y + at(j, i + 2) };
    }
    return e;
}

static struct drawing read_drawing(struct arena *a, const json_t *j)
{
    const json_t *boxes = json_object_get(j, "boxes"), *edges = json_object_get(j, "edges"),
                 *size = json_object_get(j, "size");
    struct drawing d = {
        NULL, NULL, (int)json_array_size(boxes), (int)json_array_size(edges), at(size, 0), at(size, 1)
    };
    d.box = NEW_ARRAY(a, d.boxes + 1, struct draw_box);
    d.edge = NEW_ARRAY(a, d.edges + 1, struct draw_edge);
    for (int i = 0; i < d.boxes; i++) {
        const json_t *b = json_array_get(boxes, (size_t)i);
        d.box[i] = (struct draw_box){ .x = at(b, 1), .y = at(b, 2), .width = at(b, 3), .height = at(b, 4) };
    }
    for (int i = 0; i < d.edges; i++)
        d.edge[i] = read_edge(a, json_array_get(edges, (size_t)i), boxes);
    return d;
}

/* Rows stand in their box one below the other, and each of the dump's operations in one at least: or in none, where it is
 * a constant that nobody reads. Letters are 7 wide at most. */
static void check_rows(const json_t *drawing, const char *const *label, size_t operations)
{
    const json_t *boxes = json_object_get(drawing, "boxes");
    bool *seen = calloc(operations + 1, 1);
    for (size_t i = 0; i < json_array_size(boxes); i++) {
        const json_t *b = json_array_get(boxes, i), *rows = json_array_get(b, 5);
        for (size_t k = 0; k < json_array_size(rows); k++) {
            const json_t *row = json_array_get(rows, k);
            int op = at(row, 0);
            assert_in_range(op, 0, operations - 1);
            seen[op] = true;
            assert_true(at(row, 2) >= (k ? at(json_array_get(rows, k - 1), 2) + 16 : 0) && at(row, 2) + 16 <= at(b, 4));
            assert_true(at(row, 1) + (int)strlen(label[op]) * 66 / 10 <= at(b, 3));
        }
    }
    for (size_t i = 0; i < operations; i++)
        if (!seen[i])
            fail_msg("operation %d, %s, is not drawn", (int)i, label[i]);
    free(seen);
}

/* The operations' labels, in order: their lines have one, and begin with what it says. */
static size_t read_labels(const json_t *dump, const json_t *lines, const json_t *labels, const char **label)
{
    const json_t *numbers = json_object_get(dump, "lines");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(numbers); i++) {
        const json_t *line = json_array_get(lines, (size_t)at(numbers, i));
        if (json_array_size(line) < 2)
            continue;
        const char *text = json_string_value(json_array_get(line, 0)),
                   *own = json_string_value(json_array_get(labels, (size_t)at(line, 1))), *is = strstr(text, " = ");
        size_t word = strcspn(own, " ");
        text = text[strspn(text, " ")] == '%' && is ? is + 3 : text + strspn(text, " ");
        assert_int_equal(strncmp(text, own, word), 0);
        label[count++] = own;
    }
    return count;
}

static struct page draw_example(struct arena *a, const char *path)
{
    struct page page = { draw_pools_new(a), text_make(a), 0 };
    struct watcher w = { see, &page, NULL };
    struct frontend_options f = { .infer_only = false };
    struct pipeline_options o = { .level = 2, .watchers = &w };
    int status;
    struct module *m = frontend_load(a, names_new(a), diag_new(a, stderr), path, &f, &status);
    assert_non_null(m);
    assert_true(pipeline_run(m, &o));
    return page;
}

static void check_example(const char *path)
{
    struct arena *a = arena_new();
    struct page page = draw_example(a, path), again = draw_example(a, path);
    json_t *dumps = list_of(a, text_string(&page.dumps)), *lines = list_of(a, text_string(&page.pools.lines.list)),
           *labels = list_of(a, text_string(&page.pools.labels.list)),
           *drawings = list_of(a, text_string(&page.pools.drawings.list));
    const char **label = NEW_ARRAY(a, page.operations + 1, const char *);
    size_t operations = 0;

    assert_string_equal(text_string(&page.dumps), text_string(&again.dumps));
    assert_string_equal(text_string(&page.pools.drawings.list), text_string(&again.pools.drawings.list));
    assert_string_equal(text_string(&page.pools.lines.list), text_string(&again.pools.lines.list));
    for (size_t i = 0; i < json_array_size(dumps); i++) {
        const json_t *dump = json_array_get(dumps, i);
        size_t count = read_labels(dump, lines, labels, label);
        check_rows(json_array_get(drawings, (size_t)json_integer_value(json_object_get(dump, "drawing"))), label,
                   count);
        operations += count;
    }
    assert_int_equal(operations, page.operations);
    for (size_t i = 0; i < json_array_size(drawings); i++) {
        struct drawing d = read_drawing(a, json_array_get(drawings, i));
        check_boxes(&d);
        check_edges(&d);
    }
    json_decref(dumps);
    json_decref(lines);
    json_decref(labels);
    json_decref(drawings);
    arena_free(a);
}

static void test_examples(void **state)
{
    static const char *const path[] = { "examples/digits/digits.net",   "examples/charlm/charlm.net",
                                        "examples/set_mlp/set_mlp.net", "examples/embed/embed.net",
                                        "examples/lenet/lenet.net",     "examples/unet/unet.net",
                                        "examples/gpt/gpt.net" };
    (void)state;
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        check_example(path[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
