/* tests/unit/ops_cases.c: every operation by the rows of tests/ops/cases.def: results of the evaluator against
 * PyTorch's and NumPy's (tests/ops/figures.def), gradients of pass differentiate against central differences. An
 * operation without a row fails. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/ir.h"
#include "passes/passes.h"

enum gradient { SMOOTH, CORNER, FLAT };

struct row {
    const char *label;
    enum op op;
    const char *operands, *results, *text;
    bool lines; /* text: whole lines; else attributes */
    enum gradient gradient;
};

static const struct row rows[] = {
#define CASE(label, op, operands, results, attributes, gradient)                                                       \
    { #label, OP_##op, operands, results, attributes, false, gradient },
#define TEXT(label, op, operands, results, lines, gradient)                                                            \
    { #label, OP_##op, operands, results, lines, true, gradient },
#define EFFECT(op)
#include "tests/ops/cases.def"
#undef CASE
#undef TEXT
#undef EFFECT
};

enum { ROWS = sizeof rows / sizeof *rows };

static const enum op effects[] = {
#define CASE(label, op, operands, results, attributes, gradient)
#define TEXT(label, op, operands, results, lines, gradient)
#define EFFECT(op) OP_##op,
#include "tests/ops/cases.def"
};

struct figure {
    const char *label, *name;
    size_t count;
    const double *number;
};

#define FIGURE(label, name, ...)                                                                                       \
    { #label, name, sizeof(const double[]){ __VA_ARGS__ } / sizeof(double), (const double[]){ __VA_ARGS__ } },
static const struct figure figures[] = {
#include "tests/ops/figures.def"
};

static const struct figure *find_figure(const char *label, const char *name)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (strcmp(figures[i].label, label) == 0 && strcmp(figures[i].name, name) == 0)
            return &figures[i];
    fail_msg("figures.def has no %s of %s: run tests/reference/ops.py", name, label);
    return NULL;
}

/* ---- numbers, as tests/reference/ops.py draws them ---- */

static uint64_t draw_start(const char *label)
{
    uint64_t h = 0xCBF29CE484222325u;

    for (; *label; label++)
        h = (h ^ (unsigned char)*label) * 0x100000001B3u;
    return h;
}

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

/* One "TYPE LOW HIGH" of a list. */
struct drawn {
    char type[72]; /* as the IR spells it */
    bool real, whole;
    double low, high;
};

static int read_list(const char *list, struct drawn *out)
{
    int count = 0;

    for (const char *s = list; *s; s += strcspn(s, ";"), s += *s == ';') {
        struct drawn *d = &out[count];
        char type[64];
        if (s[strspn(s, " ")] == '\0')
            break;
        *d = (struct drawn){ .low = -1, .high = 1 };
        assert_true(sscanf(s, " %63[^ ;] %lf %lf", type, &d->low, &d->high) >= 1);
        d->whole = strncmp(type, "whole", 5) == 0;
        snprintf(d->type, sizeof d->type, "%s%s", d->whole ? "f32" : "", type + (d->whole ? 5 : 0));
        d->real = strncmp(d->type, "f32", 3) == 0;
        count++;
    }
    return count;
}

static void fill(struct tensor *t, const struct drawn *d, const char *label)
{
    uint64_t state = draw_start(label);

    for (int64_t i = 0; i < t->count; i++)
        t->data[i] = d->real && !d->whole ? d->low + (d->high - d->low) * draw(&state)
                                          : d->low + floor((d->high - d->low + 1) * draw(&state));
}

/* ---- a row as a module ---- */

enum { MAX_LIST = 8 };

struct run {
    const struct row *row;
    struct arena *arena;
    struct diag *diag;
    struct module *m;
    struct store *s;
    struct drawn x[MAX_LIST], y[MAX_LIST];
    int xs, ys;
};

static void add_variables(struct run *r, struct text *t)
{
    for (int i = 0; i < r->xs; i++)
        text_add(t, "  %s @x%d : %s = constant(0.0)\n", r->x[i].real ? "param" : "frozen", i, r->x[i].type);
    for (int i = 0; i < r->ys; i++)
        if (r->y[i].real)
            text_add(t, "  frozen @w%d : %s = constant(0.0)\n", i, r->y[i].type);
}

static void add_operation(struct run *r, struct text *t)
{
    if (r->row->lines) {
        text_add(t, "%s\n", r->row->text);
        return;
    }
    for (int i = 0; i < r->ys; i++)
        text_add(t, "%s%%y%d : %s", i ? ", " : "  ", i, r->y[i].type);
    text_add(t, " = %s", op_info(r->row->op)->name);
    for (int i = 0; i < r->xs; i++)
        text_add(t, "%s@x%d", i ? ", " : " ", i);
    text_add(t, "%s%s\n", !*r->row->text ? "" : r->xs ? ", " : " ", r->row->text);
}

/* loss: the sum over all real results of the sum of w * y. */
static void add_loss(struct run *r, struct text *t)
{
    for (int i = 0; i < r->ys; i++) {
        bool scalar = strcmp(r->y[i].type, "f32[]") == 0;
        if (!r->y[i].real)
            continue;
        text_add(t, "  %%p%d : %s = mul %%y%d, @w%d\n", i, r->y[i].type, i, i);
        if (!scalar) {
            text_add(t, "  %%s%d : f32[] = sum %%p%d, axes = [0", i, i);
            for (int k = 1; k < 1 + (int)(strchr(r->y[i].type, ',') != NULL); k++)
                for (const char *c = r->y[i].type; (c = strchr(c, ',')) != NULL; c++)
                    text_add(t, ",%d", k++);
            text_puts(t, "]\n");
        }
        text_add(t, "  loss %%%c%d\n", scalar ? 'p' : 's', i);
    }
}

static void run_start(struct run *r, const struct row *row, bool loss)
{
    struct text t;

    *r = (struct run){ .row = row, .arena = arena_new() };
    r->diag = diag_new(r->arena, stderr);
    r->xs = read_list(row->operands, r->x);
    r->ys = read_list(row->results, r->y);
    t = text_make(r->arena);
    text_puts(&t, "graph train test (N = 2)\n");
    add_variables(r, &t);
    add_operation(r, &t);
    for (int i = 0; i < r->ys; i++)
        text_add(&t, "  output %%y%d, name = y%d\n", i, i);
    if (loss)
        add_loss(r, &t);
    diag_source(r->diag, row->label, text_string(&t), t.length);
    r->m = parse_module(r->arena, names_new(r->arena), r->diag, row->label, text_string(&t));
    assert_non_null(r->m);
    assert_true(verify_module(r->m));
}

static struct tensor *variable(struct run *r, const char *prefix, int i)
{
    const struct var *v = module_find(r->m, arena_printf(r->arena, "%s%d", prefix, i));

    assert_non_null(v);
    return &r->s->var[v->index];
}

static void run_store(struct run *r)
{
    r->s = store_new(r->arena, r->m, 2, 7);
    r->s->step = 3;
    for (int i = 0; i < r->xs; i++)
        fill(variable(r, "x", i), &r->x[i], arena_printf(r->arena, "%s/x%d", r->row->label, i));
    for (int i = 0; i < r->ys; i++)
        if (r->y[i].real)
            fill(variable(r, "w", i), &r->y[i], arena_printf(r->arena, "%s/w%d", r->row->label, i));
}

/* ---- checks ---- */

static void check_close(const struct row *row, const char *what, int64_t i, double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance * fmax(1, fabs(want))))
        fail_msg("%s: %s[%d] is %.17g, not %.17g", row->label, what, (int)i, is, want);
}

static void check_figure(struct run *r, const char *name, const double *is, int64_t count)
{
    const struct figure *f = find_figure(r->row->label, name);

    assert_int_equal(count, (int64_t)f->count);
    for (int64_t i = 0; i < count; i++)
        check_close(r->row, name, i, is[i], f->number[i], 1e-11);
}

static void check_values(const struct row *row)
{
    struct run r;

    run_start(&r, row, false);
    run_store(&r);
    struct run_result y = eval_graph(r.arena, r.s, r.m->graph[GRAPH_TRAIN]);
    assert_null(y.error);
    assert_int_equal(y.outputs, r.ys);
    for (int i = 0; i < r.ys; i++)
        check_figure(&r, arena_printf(r.arena, "y%d", i), y.output[i].data, y.output[i].count);
    arena_free(r.arena);
}

static double loss(struct run *r)
{
    struct run_result y = eval_graph(r->arena, r->s, r->m->graph[GRAPH_TRAIN]);

    assert_int_equal(y.loss.count, 1);
    return y.loss.data[0];
}

static void check_differences(struct run *r, int operand_index, const double *gradient)
{
    struct tensor *x = variable(r, "x", operand_index);
    const double h = 1e-5;

    for (int64_t i = 0; i < x->count; i++) {
        double at = x->data[i];
        x->data[i] = at + h;
        double above = loss(r);
        x->data[i] = at - h;
        double below = loss(r);
        x->data[i] = at;
        check_close(r->row, "gradient", i, gradient[i], (above - below) / (2 * h), 1e-6);
    }
}

static void check_gradient(struct run *r, int i)
{
    const struct var *v = module_find(r->m, arena_printf(r->arena, "x%d", i));
    const struct tensor *g;
    const double *copy;

    assert_non_null(v->grad);
    g = &r->s->var[v->grad->index];
    copy = arena_copy(r->arena, g->data, (size_t)g->count * sizeof *g->data);
    if (r->row->gradient == CORNER)
        check_figure(r, arena_printf(r->arena, "dx%d", i), copy, g->count);
    else
        check_differences(r, i, copy);
    memset(g->data, 0, (size_t)g->count * sizeof *g->data);
}

static void check_gradients(const struct row *row)
{
    struct run r;
    struct pass_context c = { .scratch = arena_new(), .level = 2 };

    run_start(&r, row, true);
    pass_differentiate(r.m, &c);
    arena_free(c.scratch);
    assert_int_equal(diag_errors(r.diag), 0);
    assert_true(verify_module(r.m));
    for (int i = 0; i < r.xs; i++) {
        if (!r.x[i].real)
            continue;
        run_store(&r);
        loss(&r);
        check_gradient(&r, i);
    }
    arena_free(r.arena);
}

static void test_row(void **state)
{
    const struct row *row = *state;

    check_values(row);
    if (row->gradient != FLAT)
        check_gradients(row);
}

static bool has_row(enum op op)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].op == op)
            return true;
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        if (effects[i] == op)
            return true;
    return false;
}

static void test_every_operation_has_a_row(void **state)
{
    (void)state;
    for (enum op op = 0; op < OP_COUNT; op++)
        if (!has_row(op))
            fail_msg("tests/ops/cases.def has no row for %s", op_info(op)->name);
}

/* ---- effects ---- */

static void effect_start(struct run *r, const char *text)
{
    *r = (struct run){ .arena = arena_new() };
    r->diag = diag_new(r->arena, stderr);
    diag_source(r->diag, "effect", text, strlen(text));
    r->m = parse_module(r->arena, names_new(r->arena), r->diag, "effect", text);
    assert_non_null(r->m);
    assert_true(verify_module(r->m));
    r->s = store_new(r->arena, r->m, 1, 1);
}

static struct run_result effect_run(struct run *r)
{
    return eval_graph(r->arena, r->s, r->m->graph[GRAPH_TRAIN]);
}

static double *data_of(struct run *r, const char *name)
{
    return r->s->var[module_find(r->m, name)->index].data;
}

static void test_bound(void **state)
{
    struct run r;

    (void)state;
    effect_start(&r, "graph train t (N = 1)\n  target %label : i32[N,3]\n  state @s : f32[] = constant(1.0)\n"
                     "  bound %label, low = 0, high = 4, except = -100\n"
                     "  %a : f32[] = constant value = 2.0, dtype = f32\n  assign @s, %a\n");
    double *label = data_of(&r, "label");
    label[0] = 3, label[1] = -100, label[2] = 4;
    struct run_result y = effect_run(&r);
    assert_string_equal(y.error, "label: element 2 is 4, outside 0..3");
    assert_true(data_of(&r, "s")[0] == 1);
    label[2] = 0;
    assert_null(effect_run(&r).error);
    assert_true(data_of(&r, "s")[0] == 2);
    arena_free(r.arena);
}

/* Writes take effect after all reads, also those within a group. */
static void test_assign(void **state)
{
    struct run r;

    (void)state;
    effect_start(&r, "graph train t (N = 1)\n  state @a : f32[2] = constant(1.0)\n  state @b : f32[2] = constant(2.0)\n"
                     "  fused @a, @b {\n    assign @a, @b\n    yield\n  }\n"
                     "  assign @b, @a\n  %c : f32[2] = add @a, @b\n  output %c, name = c\n");
    struct run_result y = effect_run(&r);
    assert_true(y.output[0].data[0] == 3);
    assert_true(data_of(&r, "a")[1] == 2 && data_of(&r, "b")[1] == 1);
    arena_free(r.arena);
}

/* A range is the storage of its neighbours; each is padded to 16 elements. */
static void test_accumulate(void **state)
{
    struct run r;

    (void)state;
    effect_start(&r, "graph train t (N = 1)\n  param @a : f32[3] = constant(1.0)\n  param @b : f32[2] = constant(2.0)\n"
                     "  grad @grad/a : f32[3] of @a\n  grad @grad/b : f32[2] of @b\n"
                     "  range @both : f32[32] of @grad/a to @grad/b\n"
                     "  accumulate @grad/a, @a\n  accumulate @grad/b, @b\n  output @both, name = both\n");
    effect_run(&r);
    struct run_result y = effect_run(&r);
    assert_true(y.output[0].data[0] == 1 && y.output[0].data[2] == 1 && y.output[0].data[3] == 0);
    assert_true(y.output[0].data[16] == 2 && y.output[0].data[17] == 2 && y.output[0].data[18] == 0);
    assert_true(data_of(&r, "grad/a")[0] == 2 && data_of(&r, "grad/b")[1] == 4);
    arena_free(r.arena);
}

static void test_output(void **state)
{
    struct run r;

    (void)state;
    effect_start(&r, "graph train t (N = 1)\n  input %x : i32[N,2]\n  output %x, name = first\n"
                     "  %y : i32[N,2] = neg %x\n  output %y, name = second\n");
    data_of(&r, "x")[1] = 5;
    struct run_result y = effect_run(&r);
    assert_int_equal(y.outputs, 2);
    assert_true(y.output[0].data[1] == 5 && y.output[1].data[1] == -5);
    assert_int_equal(y.loss.count, 0);
    arena_free(r.arena);
}

/* Several losses add up. */
static void test_loss(void **state)
{
    struct run r;

    (void)state;
    effect_start(&r, "graph train t (N = 1)\n  %a : f32[] = constant value = 2.0, dtype = f32\n  loss %a\n  loss %a\n");
    struct run_result y = effect_run(&r);
    assert_int_equal(y.loss.count, 1);
    assert_true(y.loss.data[0] == 4);
    arena_free(r.arena);
}

static void test_metric(void **state)
{
    struct run r;

    (void)state;
    effect_start(&r, "graph train t (N = 1)\n  %a : f32[] = constant value = 0.5, dtype = f32\n"
                     "  metric %a, name = m\n");
    struct run_result y = effect_run(&r);
    assert_int_equal(y.metrics, 1);
    assert_true(y.metric[0].data[0] == 0.5);
    arena_free(r.arena);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_every_operation_has_a_row),
#undef EFFECT
#define EFFECT(op) cmocka_unit_test(test_##op),
#include "tests/ops/cases.def"
    };
    struct CMUnitTest tests[ROWS];

    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].label, test_row, NULL, NULL, (void *)(uintptr_t)&rows[i] };
    int failed = cmocka_run_group_tests(others, NULL, NULL);
    return failed + _cmocka_run_group_tests("rows", tests, ROWS, NULL, NULL);
}
