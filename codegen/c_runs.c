/* codegen/c_runs.c: runs of kernels, whose threads go through all of their calls together in one region, and meet behind each
 * loop that they share out:
 *
 *     static void k113_run(int n, lenet *m, const float *image)
 *     {
 *         k100_conv_add_max(n, image, ...);
 *         NN_ALONE(k101_matmul_add(n, ...));                        nothing in it is worth threads
 *         k102_conv_add_max(n, ...);
 *     }
 *
 *     NN_RUN(n * 3, k113_run, n, m, image);                         in lenet_infer: three threads for each sample
 *
 * A run goes from one kernel that threads share to another, over what stands between them. What may end the call ends a run, and
 * so do kernels that enter regions of their own, as those do whose parts share an array on the stack. */
#include <string.h>

#include "codegen/c_emit.h"
#include "codegen/loop_work.h"

/* Numbers of samples for which a run's work is reckoned: each of the first ones, and then twice as many each time. */
enum { EACH = 16, DOUBLED = 24 };
_Static_assert(EACH + DOUBLED == RUN_WORKS, "as many as c_emit.h has room for");

static int64_t samples_of(const struct emit *e, int i)
{
    int64_t n = i < EACH ? i + 1 : (int64_t)EACH << (i - EACH + 1);

    return n < e->m->batch ? n : e->m->batch;
}

const double *run_work(struct emit *e, const struct lkernel *k)
{
    double *work = NEW_ARRAY(e->arena, RUN_WORKS, double);

    for (int i = 0; i < RUN_WORKS; i++)
        work[i] = i && samples_of(e, i) == samples_of(e, i - 1) ? work[i - 1] : kernel_shared_work(k, samples_of(e, i));
    return work;
}

/* ---- calls ---- */

struct call_item *call_item(struct emit *e)
{
    struct call_item *item = NEW(e->arena, struct call_item);

    item->plain = text_make(e->arena);
    item->shared = text_make(e->arena);
    item->given = NEW_ARRAY(e->arena, e->m->vars + e->outputs + 1, bool);
    return item;
}

/* ---- a run ---- */

struct run {
    const struct call_item *first, *end; /* from one up to another, which may be NULL */
    double work[RUN_WORKS];
    bool needs_context;
    bool *given;
};

static struct run run_of(struct emit *e, const struct call_item *first, const struct call_item *end)
{
    struct run r = { .first = first, .end = end };

    r.given = NEW_ARRAY(e->arena, e->m->vars + e->outputs + 1, bool);
    for (const struct call_item *c = first; c != end; c = c->next) {
        for (int i = 0; i < RUN_WORKS; i++)
            r.work[i] += c->work[i];
        for (int i = 0; i < e->m->vars + e->outputs; i++)
            r.given[i] |= c->given[i];
        r.needs_context |= c->needs_context;
    }
    return r;
}

/* How many threads n samples are worth, of whom each has half of what is worth a region. Empty: no number of samples is. */
static const char *wanted(struct emit *e, const struct run *r)
{
    enum { MOST = 256 };
    int i = 0;

    while (i < RUN_WORKS && r->work[i] < ENOUGH_WORK)
        i++;
    if (i == RUN_WORKS)
        return "";
    double threads = 2 * r->work[i] / ENOUGH_WORK;
    int of = threads < MOST ? (int)threads : MOST;
    int64_t least = samples_of(e, i);
    return least == 1 ? arena_printf(e->arena, "n * %d", of)
                      : arena_printf(e->arena, "(int64_t)n * %d / %lld", of, (long long)least);
}

static void run_function(struct emit *e, struct text *t, enum graph_kind kind, const struct run *r, const char *name)
{
    const char *table = times_of(e, kind);

    text_add(t, "\n/* Kernels whose threads stay together. */\nstatic void %s(int n, %s *m%s", name, e->name,
             r->needs_context ? ", nn_context context" : "");
    given_text(e, t, r->given, true);
    text_puts(t, ")\n{\n    (void)m;\n");
    if (table)
        text_add(t, "    NN_TIMING(nn_first() ? %s : NULL);\n", table);
    else
        text_puts(t, "    NN_UNTIMED;\n");
    for (const struct call_item *c = r->first; c != r->end; c = c->next)
        text_puts(t, text_string(&c->shared));
    text_puts(t, "}\n");
}

static void run_call(struct emit *e, struct text *t, const struct run *r, const char *name, const char *threads)
{
    text_add(t, "    NN_RUN(%s, %s, n, m%s", threads, name, r->needs_context ? ", context" : "");
    given_text(e, t, r->given, false);
    text_puts(t, ");\n    NN_TIMED_WITHIN;\n");
}

/* A kernel that is a run needs no function. */
static void one_kernel(struct text *t, const struct call_item *c, const char *threads)
{
    const char *plain = text_string(&c->plain), *call = strstr(plain, arena_printf(t->arena, "    %s(n", c->kernel));

    if (!call) /* it takes the context first */
        call = strstr(plain, arena_printf(t->arena, "    %s(&", c->kernel));
    call += strlen("    ");
    text_add(t, "%.*sNN_RUN(%s, %s, %s", (int)(call - plain), plain, threads, c->kernel, call + strlen(c->kernel) + 1);
}

static void plain_calls(struct text *t, const struct call_item *c, const struct call_item *end)
{
    for (; c != end; c = c->next)
        text_puts(t, text_string(&c->plain));
}

static void calls_of_run(struct emit *e, struct graph_c *g, enum graph_kind kind, const struct call_item *first,
                         const struct call_item *end)
{
    const struct run r = run_of(e, first, end);
    const char *threads = wanted(e, &r);

    if (!*threads) {
        plain_calls(&g->calls, first, end);
    } else if (first->next == end && first->kernel) {
        one_kernel(&g->calls, first, threads);
    } else {
        const char *name = arena_printf(e->arena, "k%d_run", e->kernel_number++);
        run_function(e, &g->kernels, kind, &r, name);
        run_call(e, &g->calls, &r, name, threads);
    }
}

/* Calls between what ends runs: those from the first that threads share to the last. */
static void calls_between(struct emit *e, struct graph_c *g, enum graph_kind kind, const struct call_item *first,
                          const struct call_item *end)
{
    const struct call_item *from = end, *to = end;

    for (const struct call_item *c = first; c != end; c = c->next)
        if (c->in_run) {
            from = from == end ? c : from;
            to = c->next;
        }
    plain_calls(&g->calls, first, from);
    if (from != end)
        calls_of_run(e, g, kind, from, to);
    plain_calls(&g->calls, to, end);
}

void emit_runs(struct emit *e, enum graph_kind kind)
{
    struct graph_c *g = &e->graph[kind];
    const struct call_item *first = g->items;

    while (first) {
        const struct call_item *c = first;
        while (c && !c->ends_run && !c->is_run)
            c = c->next;
        calls_between(e, g, kind, first, c);
        if (c && c->is_run && c->in_run)
            calls_of_run(e, g, kind, c, c->next);
        else
            plain_calls(&g->calls, c, c ? c->next : NULL);
        first = c ? c->next : NULL;
    }
}
