/* tests/fuzz/check_passes.c: the evaluator's results before and after every pass of passes.def; and gradients against
 * differences of the loss. */
#include <math.h>
#include <string.h>

#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"

static const char *const order[] = {
#define PASS(name, when, what) #name,
#define BEFORE(first, second, why)
#include "passes/passes.def"
#undef PASS
#undef BEFORE
};

/* Those that change the order of sums, or move factors out of them or into them. All others change no bit. */
static bool rounds_otherwise(const char *pass)
{
    static const char *const those[] = { "attention", "batch_scan", "choose",      "layout",
                                         "parts",     "simplify",   "fold_affine", "winograd" };

    for (size_t i = 0; i < sizeof those / sizeof *those; i++)
        if (strcmp(pass, those[i]) == 0)
            return true;
    return false;
}

static int64_t train_arena(void *context, struct module *m)
{
    (void)context;
    return m->graph[GRAPH_TRAIN] ? m->graph[GRAPH_TRAIN]->arena_bytes : 0;
}

/* As little memory as there may be. */
static struct budget nothing = { .bytes = 1, .measure = train_arena };

static void run_pass(struct module *m, const char *pass)
{
    struct pipeline_options o = { .level = 2, .verify = true, .only = pass, .budget = &nothing };

    if (!pipeline_run(m, &o))
        fails("pass %s reports an error", pass);
}

/* Results before and after. Where bits differ and may, the difference is held against what rounding explains. */
static void check_pass(struct arena *a, struct module *m, const char *pass, int64_t n, const struct seen **now)
{
    const char *before = text_of_module(a, m);
    bool had_apply = m->graph[GRAPH_APPLY] != NULL;
    int64_t arena = train_arena(NULL, m);

    run_pass(m, pass);
    if (strcmp(pass, "recompute") == 0 && train_arena(NULL, m) > arena)
        fails("recompute makes an arena of %lld bytes %lld bytes large", (long long)arena,
              (long long)train_arena(NULL, m));
    const struct seen *is = run_module(a, m, n, 0, eval_graph);
    tally->parted += strcmp(pass, "parts") == 0 && m->graph[GRAPH_TRAIN] && m->graph[GRAPH_TRAIN]->part;
    int steps = had_apply == (m->graph[GRAPH_APPLY] != NULL) ? 2 : 1;
    const char *what = difference(a, *now, is, NULL, 0, steps);
    if (what && rounds_otherwise(pass))
        what = difference(a, *now, is, deviations(a, before, *now, n, 0, 1e-15), 1e-12, steps);
    if (what)
        fails("after pass %s: %s", pass, what);
    *now = is;
}

/* ---- gradients ---- */

static double loss_at(struct arena *a, struct module *m, int64_t n, int variant, double along)
{
    struct store *s = fill_store(a, m, n, variant);

    for (int i = 0; i < m->vars; i++) {
        struct random r = { (uint64_t)i };
        for (int64_t k = 0; m->var[i]->grad && k < s->var[i].count; k++)
            s->var[i].data[k] += along * ((double)below(&r, 2001) / 1000 - 1);
    }
    return eval_graph(a, s, m->graph[GRAPH_TRAIN]).loss.data[0];
}

/* The loss's change along one direction through all parameters, by the gradients. */
static double slope_by_gradients(struct arena *a, struct module *m, int64_t n, int variant)
{
    struct store *s = fill_store(a, m, n, variant);
    double sum = 0;

    eval_graph(a, s, m->graph[GRAPH_TRAIN]);
    for (int i = 0; i < m->vars; i++) {
        struct random r = { (uint64_t)i };
        for (int64_t k = 0; m->var[i]->grad && k < s->var[i].count; k++)
            sum += s->var[m->var[i]->grad->index].data[k] * ((double)below(&r, 2001) / 1000 - 1);
    }
    return sum;
}

/* Two differences that disagree say that there is a corner near, and nothing of the gradient. */
static bool slopes_agree(struct arena *a, struct module *m, int64_t n, int variant, double *is, double *want)
{
    const double h = 1e-5;
    double far = (loss_at(a, m, n, variant, h) - loss_at(a, m, n, variant, -h)) / (2 * h);
    double near = (loss_at(a, m, n, variant, h / 2) - loss_at(a, m, n, variant, -h / 2)) / h;

    *is = slope_by_gradients(a, m, n, variant);
    *want = near;
    return !(fabs(*is - near) > 1e-6 * fmax(1, fabs(near)) + 10 * fabs(far - near));
}

static bool has_operation(const struct graph *g, enum op op)
{
    for (const struct node *n = g->first; n; n = n->next) {
        if (n->op == op)
            return true;
        for (int i = 0; i < n->bodies; i++)
            if (has_operation(n->body[i], op))
                return true;
    }
    return false;
}

/* A corner that happens to be there with one set of numbers is not there with all. */
static void check_gradients(struct arena *a, struct module *m, int64_t n)
{
    double is, want;

    if (has_operation(m->graph[GRAPH_TRAIN], OP_stop_gradient))
        return;
    for (int variant = 1; variant < 5; variant++)
        if (slopes_agree(a, m, n, variant, &is, &want))
            return;
    fails("along the gradient the loss changes by %.17g, not %.17g", want, is);
}

void check_passes(const char *text, uint64_t seed)
{
    struct arena *a = arena_new();
    struct module *m = module_of_text(a, text);
    struct random r = { seed };

    if (!m)
        fails("what was printed does not parse:\n%s", text);
    if (strcmp(text_of_module(a, m), text) != 0)
        fails("printed, parsed and printed again it is another text:\n%s", text_of_module(a, m));
    int64_t n = 1 + below(&r, m->batch);
    bool parts = chance(&r, 50);
    const struct seen *now = run_module(a, m, n, 0, eval_graph);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (parts || strcmp(order[i], "parts") != 0)
            check_pass(a, m, order[i], n, &now);
        if (strcmp(order[i], "differentiate") == 0 && m->graph[GRAPH_TRAIN])
            check_gradients(a, m, n);
    }
    check_plan(m);
    arena_free(a);
}
