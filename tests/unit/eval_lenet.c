/* tests/unit/eval_lenet.c: LeNet's first training steps in the reference evaluator, from weights and batches made by
 * the hash of tests/reference/lenet.py: the losses are PyTorch's. What this covers is the frontend's forward graph, the
 * library's layers, differentiate and optimize_step, with nothing of the code generator. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "frontend/frontend.h"
#include "ir/ir.h"
#include "passes/passes.h"

enum { BATCH = 64, PIXELS = 784, STEPS = 3 };

static double mix(uint32_t i, uint32_t key)
{
    uint32_t x = (i + 1) * 2654435761u + 40503u * key;

    x = (x ^ x >> 16) * 0x45D9F3Bu;
    x = (x ^ x >> 15) * 0x45D9F3Bu;
    return (x ^ x >> 16) / 4294967296.0;
}

static struct tensor *variable(struct store *s, const char *name)
{
    return &s->var[module_find(s->module, name)->index];
}

static void set_weights(struct store *s)
{
    uint32_t key = 1;

    for (int k = 0; k < s->module->vars; k++) {
        struct tensor *t = &s->var[k];
        if (s->module->var[k]->role != ROLE_PARAM)
            continue;
        double fan = t->type.rank > 1 ? (double)t->count / (double)t->type.dim[0].k : 16;
        for (int64_t i = 0; i < t->count; i++)
            t->data[i] = (mix((uint32_t)i, key) * 2 - 1) / sqrt(fan);
        key++;
    }
}

static void make_batch(struct store *s, uint32_t step)
{
    double *image = variable(s, "image")->data, *label = variable(s, "label")->data;

    for (uint32_t i = 0; i < BATCH; i++)
        label[i] = floor(mix(i, 1001 + 2 * step) * 10);
    for (uint32_t i = 0; i < BATCH * PIXELS; i++) {
        uint32_t row = i / 28 % 28, column = i % 28;
        bool inside = row >= 4 && row < 12 && column >= 4 && column < 12;
        image[i] = inside ? label[i / PIXELS] * 25 : floor(mix(i, 1000 + 2 * step) * 256);
    }
}

static struct module *load(struct arena *a)
{
    struct diag *d = diag_new(a, stderr);
    struct frontend_options o = { .f64 = true };
    int status;
    struct module *m = frontend_load(a, names_new(a), d, "examples/lenet/lenet.net", &o, &status);
    struct pass_context c = { .scratch = arena_new() };

    assert_non_null(m);
    pass_differentiate(m, &c);
    pass_inline_train(m, &c);
    pass_optimize_step(m, &c);
    arena_free(c.scratch);
    assert_int_equal(diag_errors(d), 0);
    return m;
}

/* What the generated train step does: accumulate, apply, clear the gradients, count. */
static double train_step(struct arena *a, struct store *s)
{
    struct run_result r = eval_graph(a, s, s->module->graph[GRAPH_TRAIN]);

    assert_null(r.error);
    eval_graph(a, s, s->module->graph[GRAPH_APPLY]);
    for (int k = 0; k < s->module->vars; k++)
        for (int64_t i = 0; s->module->var[k]->role == ROLE_GRAD && i < s->var[k].count; i++)
            s->var[k].data[i] = 0;
    s->step++;
    return r.loss.data[0];
}

static void test_losses_are_pytorchs(void **state)
{
    struct arena *a = arena_new();
    struct store *s = store_new(a, load(a), BATCH, 1);
    FILE *figures = fopen("tests/reference/lenet_f64.txt", "r");

    (void)state;
    assert_non_null(figures);
    set_weights(s);
    for (uint32_t step = 0; step < STEPS; step++) {
        double want;
        make_batch(s, step);
        double is = train_step(a, s);
        assert_int_equal(fscanf(figures, "%lf", &want), 1);
        if (!(fabs(is - want) <= 1e-9 * want))
            fail_msg("step %d: the loss is %.17g, not %.17g", (int)step, is, want);
    }
    fclose(figures);
    arena_free(a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(test_losses_are_pytorchs) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
