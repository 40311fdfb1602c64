/* codegen/loop_squares.c: copies of 16 by 16 elements whose rows become columns are done at once, in registers.
 *
 *     for u in 0..16 par                           for u in 0..16 par square
 *       for v in 0..16 par                 =>        for v in 0..16 par
 *         y[i + u,j + v] = x[j + v,i + u]              y[i + u,j + v] = x[j + v,i + u]
 */
#include "codegen/loop_pass.h"
#include "ir/loop_lanes.h"

static void choose(struct lkernel *k, struct lblock *b)
{
    struct square q;

    for (struct ls *s = b->first; s; s = s->next) {
        if (s->kind == LS_LOOP && s->way == WAY_PLAIN && loop_square(k, s, &q)) {
            s->way = WAY_SQUARE;
            continue;
        }
        choose(k, &s->body);
        choose(k, &s->other);
    }
}

void loop_squares(struct lkernel *k)
{
    choose(k, &k->body);
}
