/* codegen/loop_threads.c: an outermost `par` loop runs in threads where a full batch gives it enough work. Which
 * threads do what depends on shapes alone, and no sum crosses iterations, so no bit depends on their number. A loop in
 * lanes is cut into pieces first.
 *
 *     for i in 0..n par                      for i in 0..n par threads from 12
 *       ...                                    ...                           (fewer samples are too little work)
 *
 *     for i in 0..1000000 par vector   =>    for i_0 in 0..1000000 step 16384 par threads
 *       ...                                    for i in i_0..imin(i_0 + 16384, 1000000) par vector
 *                                                ...
 */
#include "codegen/loop_pass.h"
#include "codegen/loop_work.h"

#include "ir/loop_lanes.h"

enum { PIECE = 1 << 12 }; /* iterations of a loop in lanes that stay together */

/* --- whether it is enough ----------------------------------------------------------------------------------------- */

/* Tiles have at most so many rows: what they leave over is not more, and any number of it is tried. */
enum { ROWS = 16 };

/* The fewest samples that make enough work of a loop; 0: not even a full batch does. More samples make more work, rows that
 * tiles leave over aside. */
static int64_t least_samples(const struct lkernel *k, const struct ls *s, double enough)
{
    int64_t few = 0, many = k->batch;

    for (int64_t n = 1; n <= k->batch && n <= ROWS; few = n++)
        if (loop_shares_enough(k, s, n, enough))
            return n;
    if (!loop_shares_enough(k, s, k->batch, enough))
        return 0;
    while (many - few > 1) {
        int64_t n = few + (many - few) / 2;
        if (loop_shares_enough(k, s, n, enough))
            many = n;
        else
            few = n;
    }
    return many;
}

/* for v in begin..end   =>   for v_0 in begin..end step PIECE, for v in v_0..imin(v_0 + PIECE, end) */
static void cut(struct lkernel *k, struct ls *s)
{
    struct lblock alone = { NULL, NULL };
    const char *name = arena_printf(k->arena, "%s_0", s->var->name);
    struct ls *outer = ls_loop(k, &alone, name, s->begin, s->end, PIECE, LICENCE_PAR), *piece = ls_enclose(k, s, outer);

    piece->way = WAY_VECTOR; /* the end is no constant any more */
    piece->begin = lx_var(k, s->var);
    piece->end = lx_index(k, LX_IMIN, lx_index(k, LX_IADD, piece->begin, lx_int(k, PIECE)), s->end);
}

/* In a loop that does not run in threads those inside may. */
static void start(struct lkernel *k, struct lblock *b, double enough)
{
    for (struct ls *s = b->first; s; s = s->next) {
        if (s->kind != LS_LOOP || s->licence != LICENCE_PAR || loop_trips(s) == 1 || loop_trips(s) == 0) {
            start(k, &s->body, enough);
            start(k, &s->other, enough);
            continue;
        }
        int64_t least = least_samples(k, s, enough);
        if (!least || (s->way != WAY_PLAIN && !(loop_in_lanes(s) && loop_trips_of(s, k->batch) > PIECE)))
            continue;
        if (loop_in_lanes(s))
            cut(k, s);
        s->way = WAY_THREADS;
        s->least = least > 1 ? least : 0;
    }
}

void loop_threads(struct lkernel *k)
{
    start(k, &k->body, kernel_is_for_runs(k) ? ENOUGH_IN_RUN : ENOUGH_WORK);
}
