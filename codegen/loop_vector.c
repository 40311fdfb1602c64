/* codegen/loop_vector.c: chooses loops that run in lanes: the innermost `par` loop of a nest that can (loop_lanes.h)
 * and has at least 16 iterations, or a number that depends on the batch. Where it holds a tile of a few registers, and
 * runs over a multiple of 32, it takes two vectors at a time: what the lanes share is loaded half as often. Where it holds sums
 * over rows, and a multiple of 64, it takes four: rows are read as they lie.
 *
 *     for i in 0..n par                     for i in 0..n par
 *       for j in 0..100 par           =>      for j in 0..100 par vector
 *         y[i,j] = exp(x[i,j])                  y[i,j] = exp(x[i,j])
 */
#include "codegen/loop_pass.h"

#include "ir/loop_lanes.h"

static bool worth(const struct ls *s)
{
    int64_t trips = loop_trips(s);

    return s->licence == LICENCE_PAR && s->way == WAY_PLAIN && (trips < 0 || trips >= 16);
}

enum { WIDE_TILE = 14, WIDE = 32 }; /* more elements, twice, are more than there are registers */
enum { HELD = 4, WIDER = 64 };      /* sums over rows that are held meanwhile */

static bool holds_tile(const struct ls *loop)
{
    for (const struct ls *s = loop->body.first; s; s = s->next) {
        if (s->kind == LS_LOCAL && (!s->buf->rank || (s->buf->rank == 1 && s->buf->shape[0].k <= WIDE_TILE)))
            return true;
    }
    return false;
}

/* Whether all that it holds are a few sums that lie in memory else (loop_hold.c): the more of a row is read at once the better. */
static bool holds_sums(const struct ls *loop)
{
    int count = 0;

    for (const struct ls *s = loop->body.first; s; s = s->next) {
        if (s->kind != LS_LOCAL)
            continue;
        if (s->buf->rank || !s->value || s->value->kind != LX_LOAD || s->value->buf->space != SPACE_ARRAY)
            return false;
        count++;
    }
    return count && count <= HELD;
}

static void run_in_lanes(struct ls *s)
{
    int64_t trips = loop_trips(s);

    if (trips > 0 && trips % WIDER == 0 && holds_sums(s))
        s->way = WAY_WIDER;
    else
        s->way = trips > 0 && trips % WIDE == 0 && holds_tile(s) ? WAY_WIDE : WAY_VECTOR;
}

/* Whether a loop in b runs in lanes now. */
static bool choose(struct lkernel *k, struct lblock *b)
{
    bool any = false;

    for (struct ls *s = b->first; s; s = s->next) {
        bool body = choose(k, &s->body), other = choose(k, &s->other), inside = body || other;
        if (s->kind == LS_LOOP && !inside && worth(s) && !lanes_of(k, s).why)
            run_in_lanes(s);
        any |= inside || (s->kind == LS_LOOP && loop_in_lanes(s));
    }
    return any;
}

void loop_vector(struct lkernel *k)
{
    choose(k, &k->body);
}
