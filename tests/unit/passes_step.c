/* tests/unit/passes_step.c: the optimizers' steps against torch.optim's algorithms, written down once more here for one
 * number as its documentation states them. Parameters of several sizes check ranges and their padding along the way. */
#include "tests/unit/passes_run.h"

enum { STEPS = 4, SIZE = 3 + 17 + 5 };

struct hyper {
    const char *rule, *text; /* the arguments behind lr, and once more: */
    double momentum, dampening, decay, beta1, beta2, eps, alpha, lr_decay, clip;
    bool dampen_first, nesterov, centered;
};

static const struct hyper hypers[] = {
    { "sgd", "", .momentum = 0 },
    { "sgd", "momentum = 0.9, weight_decay = 0.1", .momentum = 0.9, .decay = 0.1 },
    { "sgd", "momentum = 0.9, dampening = 0.3", .momentum = 0.9, .dampening = 0.3 },
    { "sgd", "momentum = 0.9, dampening = 0.3, first_step = 1.0", .momentum = 0.9, .dampening = 0.3,
      .dampen_first = true },
    { "sgd", "momentum = 0.9, nesterov = 1.0, clip_norm = 0.7", .momentum = 0.9, .nesterov = true, .clip = 0.7 },
    { "adam", "beta1 = 0.9, beta2 = 0.99, eps = 1e-8", .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8 },
    { "adam", "beta1 = 0.8, beta2 = 0.9, eps = 0.0, weight_decay = 0.2", .beta1 = 0.8, .beta2 = 0.9, .decay = 0.2 },
    { "adamw", "beta1 = 0.9, beta2 = 0.99, eps = 1e-8, weight_decay = 0.2", .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8,
      .decay = 0.2 },
    { "rmsprop", "alpha = 0.9, eps = 1e-8", .alpha = 0.9, .eps = 1e-8 },
    { "rmsprop", "alpha = 0.9, eps = 1e-3, momentum = 0.5, centered = 1.0, weight_decay = 0.1", .alpha = 0.9,
      .eps = 1e-3, .momentum = 0.5, .centered = true, .decay = 0.1 },
    { "adagrad", "lr_decay = 0.5, eps = 1e-10, weight_decay = 0.1", .lr_decay = 0.5, .eps = 1e-10, .decay = 0.1 },
};

/* One number's state. */
struct number {
    double p, m, v, mean;
};

static void sgd(const struct hyper *h, struct number *x, double g, double lr, int t)
{
    g += h->decay * x->p;
    if (h->momentum != 0) {
        double share = t == 0 && !h->dampen_first ? 1 : 1 - h->dampening;
        x->m = h->momentum * x->m + share * g;
        g = h->nesterov ? g + h->momentum * x->m : x->m;
    }
    x->p -= lr * g;
}

static void adam(const struct hyper *h, struct number *x, double g, double lr, int t)
{
    if (!strcmp(h->rule, "adamw"))
        x->p *= 1 - lr * h->decay;
    else
        g += h->decay * x->p;
    x->m = h->beta1 * x->m + (1 - h->beta1) * g;
    x->v = h->beta2 * x->v + (1 - h->beta2) * g * g;
    double m = x->m / (1 - pow(h->beta1, t + 1)), v = x->v / (1 - pow(h->beta2, t + 1));
    x->p -= lr * m / (sqrt(v) + h->eps);
}

static void rmsprop(const struct hyper *h, struct number *x, double g, double lr)
{
    g += h->decay * x->p;
    x->v = h->alpha * x->v + (1 - h->alpha) * g * g;
    x->mean = h->alpha * x->mean + (1 - h->alpha) * g;
    double d = g / (sqrt(h->centered ? x->v - x->mean * x->mean : x->v) + h->eps);
    x->m = h->momentum * x->m + d;
    x->p -= lr * (h->momentum != 0 ? x->m : d);
}

static void adagrad(const struct hyper *h, struct number *x, double g, double lr, int t)
{
    g += h->decay * x->p;
    x->v += g * g;
    x->p -= lr / (1 + t * h->lr_decay) * g / (sqrt(x->v) + h->eps);
}

static void step(const struct hyper *h, struct number *x, double g, double lr, int t)
{
    if (!strcmp(h->rule, "sgd"))
        sgd(h, x, g, lr, t);
    else if (!strcmp(h->rule, "rmsprop"))
        rmsprop(h, x, g, lr);
    else if (!strcmp(h->rule, "adagrad"))
        adagrad(h, x, g, lr, t);
    else
        adam(h, x, g, lr, t);
}

/* The loss is the sum of products with fixed inputs that change from step to step: gradients are those inputs. */
static const char *module_text(struct arena *a, const struct hyper *h)
{
    return arena_printf(
        a,
        "graph train t (N = 4, f64)\n"
        "  param  @a : f64[3] = constant(0.0)\n  param  @b : f64[17] = constant(0.0)\n"
        "  frozen @f : f64[2] = constant(5.0)\n"
        "  param  @c : f64[5] = constant(0.0)\n"
        "  frozen @x : f64[3] = constant(0.0)\n  frozen @y : f64[17] = constant(0.0)\n"
        "  frozen @z : f64[5] = constant(0.0)\n"
        "  optimizer %s(lr = step(rate = 0.1, every = 2.0, gamma = 0.5, steps = 1.0, warmup = 0.0, low = 0.0)%s%s)\n"
        "  %%p : f64[3] = mul @a, @x\n  %%q : f64[17] = mul @b, @y\n  %%r : f64[5] = mul @c, @z\n"
        "  %%s : f64[] = sum %%p, axes = [0]\n  %%t : f64[] = sum %%q, axes = [0]\n"
        "  %%u : f64[] = sum %%r, axes = [0]\n"
        "  loss %%s\n  loss %%t\n  loss %%u\n",
        h->rule, *h->text ? ", " : "", h->text);
}

static const char *const param[] = { "a", "b", "c" }, *const input[] = { "x", "y", "z" };

static double clipped(const struct hyper *h, const double *g)
{
    double norm = 0;

    for (int i = 0; i < SIZE; i++)
        norm += g[i] * g[i];
    return h->clip > 0 ? fmin(1, h->clip / (sqrt(norm) + 1e-6)) : 1;
}

/* Gradients into the inputs of the store, and all of them in a row. */
static void set_gradients(struct store *s, int t, double *g)
{
    char called[16];

    snprintf(called, sizeof called, "g%d", t);
    for (int i = 0; i < SIZE; i++)
        g[i] = noise(called, i);
    for (int i = 0, at = 0; i < 3; i++) {
        struct tensor *x = &s->var[module_find(s->module, input[i])->index];
        for (int64_t k = 0; k < x->count; k++)
            x->data[k] = g[at++];
    }
}

static void clear_gradients(struct store *s)
{
    for (int i = 0; i < s->module->vars; i++) {
        if (s->module->var[i]->role == ROLE_GRAD)
            memset(s->var[i].data, 0, (size_t)s->var[i].count * sizeof(double));
    }
}

static void check_hyper(const struct hyper *h, const char *list)
{
    struct arena *a = arena_new();
    struct module *m = read_module(a, module_text(a, h));
    struct number x[SIZE] = { { 0 } };
    double g[SIZE];

    assert_true(run_passes(m, list));
    struct store *s = filled_store(a, m, 3);
    for (int i = 0, at = 0; i < 3; i++) {
        struct tensor *p = &s->var[module_find(m, param[i])->index];
        for (int64_t k = 0; k < p->count; k++)
            x[at++].p = p->data[k];
    }
    for (int t = 0; t < STEPS; t++) {
        set_gradients(s, t, g);
        run_graph(a, s, GRAPH_TRAIN);
        run_graph(a, s, GRAPH_APPLY);
        clear_gradients(s);
        s->step++;
        double scale = clipped(h, g);
        for (int i = 0; i < SIZE; i++)
            step(h, &x[i], g[i] * scale, 0.1 * pow(0.5, t / 2), t);
    }
    for (int i = 0, at = 0; i < 3; i++) {
        struct tensor *p = &s->var[module_find(m, param[i])->index];
        for (int64_t k = 0; k < p->count; k++, at++) {
            if (!(fabs(p->data[k] - x[at].p) <= 1e-12))
                fail_msg("%s(%s): %s[%d] is %.15g, not %.15g", h->rule, h->text, param[i], (int)k, p->data[k], x[at].p);
        }
    }
    arena_free(a);
}

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hypers / sizeof *hypers; i++) {
        check_hyper(&hypers[i], "differentiate,optimize_step");
        check_hyper(&hypers[i], "differentiate,optimize_step,simplify,cse,dce");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rules) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
