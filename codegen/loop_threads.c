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

#include "ir/loop_lanes.h"

/* Operations below which starting threads costs more than it gives (about 20 us without wide lanes, 5 with them), those that
 * a call of fewer samples should have, and iterations of a piece. */
enum { ENOUGH = 1 << 18, MUCH = 1 << 20, PIECE = 1 << 14 };

/* Elementary functions count as several operations. */
static double work_of(const struct lx *x)
{
    double work = x->kind == LX_ELEM && !op_is(x->op, CHEAP) ? 8 : x->kind == LX_RANDOM ? 20 : x->kind >= LX_ELEM;

    for (int i = 0; i < x->args; i++)
        work += work_of(x->arg[i]);
    return work;
}

static double work_of_block(struct lkernel *k, const struct lblock *b);

static double trips_of(struct lkernel *k, const struct ls *s)
{
    int64_t span = lx_index(k, LX_ISUB, s->end, s->begin)->high;

    return span > 0 ? (double)((span - 1) / s->step + 1) : 0;
}

static double work_of_block(struct lkernel *k, const struct lblock *b)
{
    double work = 0;

    for (const struct ls *s = b->first; s; s = s->next) {
        work += (s->value ? work_of(s->value) : 0) + work_of_block(k, &s->other);
        work += (s->kind == LS_LOOP ? trips_of(k, s) : 1) * work_of_block(k, &s->body);
    }
    return work;
}

static bool asks_for_batch(const struct lx *x)
{
    if (x->kind == LX_BATCH || (x->kind == LX_LET && asks_for_batch(x->let->value)))
        return true;
    for (int i = 0; i < x->args; i++)
        if (asks_for_batch(x->arg[i]))
            return true;
    return false;
}

static bool grows_with_batch(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if ((s->kind == LS_LOOP && (asks_for_batch(s->begin) || asks_for_batch(s->end))) ||
            grows_with_batch(&s->body) || grows_with_batch(&s->other))
            return true;
    return false;
}

/* How many samples make two iterations of a loop that goes over them. */
static int64_t samples_of_two(struct lkernel *k, const struct ls *s)
{
    int64_t span = lx_index(k, LX_ISUB, s->end, s->begin)->high;

    return asks_for_batch(s->end) && !asks_for_batch(s->begin) && span > 0 ? s->step * k->batch / span + 1 : 0;
}

/* How many samples make enough work of a loop that has so much for a full batch; 0: any. */
static int64_t least_samples(struct lkernel *k, const struct ls *s, double work)
{
    struct ls alone = *s;
    alone.next = NULL;
    if (!grows_with_batch(&(struct lblock){ &alone, &alone }))
        return 0;
    int64_t least = (int64_t)((double)MUCH * (double)k->batch / work) + 1, two = samples_of_two(k, s);
    least = least > two ? least : two;
    least = least < k->batch ? least : k->batch;
    return least > 1 ? least : 0;
}

/* for v in begin..end   =>   for v_0 in begin..end step PIECE, for v in v_0..imin(v_0 + PIECE, end) */
static void cut(struct lkernel *k, struct ls *s)
{
    struct lblock inner = { NULL, NULL };
    struct ls *piece = NEW(k->arena, struct ls), *outer;
    struct lx *first;

    *piece = *s;
    piece->next = NULL;
    piece->way = WAY_VECTOR; /* the end is no constant any more */
    piece->var->loop = piece;
    outer = ls_loop(k, &inner, arena_printf(k->arena, "%s_0", s->var->name), s->begin, s->end, PIECE, LICENCE_PAR);
    first = lx_var(k, outer->var);
    piece->begin = first;
    piece->end = lx_index(k, LX_IMIN, lx_index(k, LX_IADD, first, lx_int(k, PIECE)), s->end);
    outer->next = s->next;
    outer->body = (struct lblock){ piece, piece };
    *s = *outer;
    s->var->loop = s;
}

static void start(struct lkernel *k, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        double work = s->kind == LS_LOOP ? trips_of(k, s) * work_of_block(k, &s->body) : 0;
        if (s->kind != LS_LOOP || s->licence != LICENCE_PAR || trips_of(k, s) < 2) {
            start(k, &s->body);
            start(k, &s->other);
        } else if (work >= ENOUGH && (s->way == WAY_PLAIN || (loop_in_lanes(s) && trips_of(k, s) > PIECE))) {
            int64_t least = least_samples(k, s, work);
            if (loop_in_lanes(s))
                cut(k, s);
            s->way = WAY_THREADS;
            s->least = least;
        }
    }
}

void loop_threads(struct lkernel *k)
{
    start(k, &k->body);
}
