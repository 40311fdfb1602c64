/* codegen/loop_vector.c: chooses loops that run in lanes: the innermost `par` loop of a nest that can (loop_lanes.h)
 * and has at least 16 iterations, or a number that depends on the batch.
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

/* Whether a loop in b runs in lanes now. */
static bool choose(struct lkernel *k, struct lblock *b)
{
    bool any = false;

    for (struct ls *s = b->first; s; s = s->next) {
        bool body = choose(k, &s->body), other = choose(k, &s->other), inside = body || other;
        if (s->kind == LS_LOOP && !inside && worth(s) && !lanes_of(k, s).why)
            s->way = WAY_VECTOR;
        any |= inside || (s->kind == LS_LOOP && s->way == WAY_VECTOR);
    }
    return any;
}

void loop_vector(struct lkernel *k)
{
    choose(k, &k->body);
}
