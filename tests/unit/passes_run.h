/* tests/unit/passes_run.h: modules as text, filled with numbers, through passes and the reference evaluator. */
#ifndef TESTS_UNIT_PASSES_RUN_H
#define TESTS_UNIT_PASSES_RUN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ir/ir.h"
#include "passes/passes.h"

static inline struct module *read_module(struct arena *a, const char *text)
{
    struct diag *d = diag_new(a, stderr);
    struct module *m;

    diag_source(d, "test.ir", text, strlen(text));
    m = parse_module(a, names_new(a), d, "test.ir", text);
    assert_non_null(m);
    assert_true(verify_module(m));
    return m;
}

/* Every pass with the checks of pipeline.c around it. */
static inline bool run_passes(struct module *m, const char *list)
{
    struct pipeline_options o = { .level = 2, .verify = true, .only = list };

    return pipeline_run(m, &o);
}

/* A number in (-1, 1) that depends on the name and the index only, so that two modules get the same. */
static inline double noise(const char *name, int64_t i)
{
    uint64_t h = 0x9e3779b97f4a7c15u;

    for (; *name; name++)
        h = (h ^ (uint64_t)(unsigned char)*name) * 0x100000001b3u;
    h ^= (uint64_t)(i + 1) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return (double)((h ^ h >> 31) >> 11) * 0x1p-52 - 1;
}

/* Indices are 0, 1 or 2: what the tests' tables are indexed with has three entries at least. */
static inline void fill_var(struct tensor *t, const char *name)
{
    for (int64_t i = 0; i < t->count; i++) {
        double x = noise(name, i);
        t->data[i] = t->type.dtype == DT_REAL ? x : t->type.dtype == DT_BOOL ? x > 0 : floor((x + 1) * 1.5);
    }
}

static inline struct store *filled_store(struct arena *a, struct module *m, int64_t n)
{
    struct store *s = store_new(a, m, n, 7);

    for (int i = 0; i < m->vars; i++) {
        struct var *v = m->var[i];
        if (v->role == ROLE_INPUT || v->role == ROLE_TARGET || v->role == ROLE_PARAM || v->role == ROLE_FROZEN ||
            v->role == ROLE_STATE)
            fill_var(&s->var[i], v->name);
    }
    return s;
}

static inline struct run_result run_graph(struct arena *a, struct store *s, enum graph_kind kind)
{
    struct run_result r = { .outputs = 0 };

    if (!s->module->graph[kind])
        return r;
    r = eval_graph(a, s, s->module->graph[kind]);
    assert_null(r.error);
    return r;
}

static inline void assert_near(const char *what, const struct tensor *x, const struct tensor *y, double tolerance)
{
    assert_int_equal(x->count, y->count);
    for (int64_t i = 0; i < x->count; i++) {
        double scale = fmax(1, fmax(fabs(x->data[i]), fabs(y->data[i])));
        if (x->data[i] != y->data[i] && !(fabs(x->data[i] - y->data[i]) <= tolerance * scale))
            fail_msg("%s[%lld]: %.17g and %.17g", what, (long long)i, x->data[i], y->data[i]);
    }
}

#endif
