/* tests/fuzz/fuzz.h: graphs made at random, and whether every pass and the kernels compute the same from them.
 *
 *     random_graph.c    a module from a seed: variables, inputs, scans, losses; random_*.c the operations in it
 *     run.c             numbers for a module's variables, its results, and how exactly they can be known
 *     check_passes.c    results before and after every pass; gradients
 *     check_kernels.c   kernels, run by the evaluator of loops
 *     check_c.c         the generated C, compiled and run (driver/)
 *     check_plan.c      what lies where in the arena, step by step
 *     shrink.c          a failing dump made small
 *     fuzz.c            the program: seeds, processes, reports */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "ir/ir.h"

/* ---- numbers drawn from a seed ---- */

struct random {
    uint64_t state;
};

static inline uint64_t draw(struct random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 to n - 1 */
static inline int below(struct random *r, int64_t n)
{
    return (int)(draw(r) % (uint64_t)n);
}

static inline bool chance(struct random *r, int percent)
{
    return below(r, 100) < percent;
}

/* ---- modules ---- */

struct module *random_module(struct arena *a, uint64_t seed);
struct module *module_of_text(struct arena *a, const char *text); /* NULL where it is none, said on standard error */
const char *text_of_module(struct arena *a, const struct module *m);

/* ---- runs ---- */

/* Inputs, targets, parameters and states are filled with numbers that depend on names and `variant` alone. Variant 0 has
 * equals and zeros among the data. */
struct store *fill_store(struct arena *a, struct module *m, int64_t n, int variant);

/* One tensor that a run gave. */
struct seen {
    const char *label; /* "train loss", "infer y0", "@p3 after apply" */
    int step;          /* steps applied before */
    struct tensor t;
    struct seen *next;
};

const struct seen *find_seen(const struct seen *list, const char *label, int step); /* NULL: not in it */

/* Runs one graph: by the evaluator, or otherwise. */
typedef struct run_result run_fn(struct arena *a, struct store *s, struct graph *g);

/* Runs all graphs the way a program would call them, and notes all that can be seen of it. */
struct seen *run_module(struct arena *a, struct module *m, int64_t n, int variant, run_fn *run);

/* What rounding may do to results: the same runs where every operand was changed by a factor within 1 +- relative; the
 * largest deviation from `exact`, element by element. */
struct seen *deviations(struct arena *a, const char *text, const struct seen *exact, int64_t n, int variant,
                        double relative);

/* NULL where all of `want` before step `steps` is in `is`, or the first difference in words. Elements may be off by
 * `slack` of the tensor's largest, and by some deviations; where rounding alone may give another number nothing is
 * asked. noise: NULL for none. */
const char *difference(struct arena *a, const struct seen *want, const struct seen *is, const struct seen *noise,
                       double slack, int steps);

/* Numbers compared so far and those of which nothing could be asked, and train graphs that took their batch in parts; shared
 * by all processes. */
struct tally {
    int64_t compared, doubtful, parted;
};
extern struct tally *tally;

/* What is wrong, and the end of this process with status 1. */
_Noreturn void fails(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- checks: they end the process where something is wrong ---- */

void check_passes(const char *text, uint64_t seed);
void check_plan(struct module *m); /* a planned one */
void check_kernels(const char *text, uint64_t seed);
void check_c(const char *text, uint64_t seed);

typedef void check_fn(const char *text, uint64_t seed);

/* Whether the check, in a process of its own, ends well. Its words go to `say`, which may be NULL. */
bool passes_check(check_fn *check, const char *text, uint64_t seed, FILE *say);

/* A smaller dump that fails too. */
const char *shrink(struct arena *a, check_fn *check, const char *text, uint64_t seed);

#endif
