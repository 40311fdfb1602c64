/* codegen/loop_stream.c: results in the caller's memory that are larger than caches are written past them. Else the CPU reads
 * each line first, and what is still needed has to go.
 *
 *     kernel ... -> (y : f32[N,1024])                =>     kernel ... -> (y : f32[N,1024] streamed)
 *
 * All its stores are in lanes, and each vector lies at a multiple of 16 elements: it is part of one line. Whether the result
 * is that large for the samples of a call, and begins with a line, is asked when the kernel runs.
 */
#include "codegen/loop_pass.h"

#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

enum { LINE = 16 };

/* Whether a loop goes from line to line. */
static bool by_lines(const struct lx *x)
{
    const struct ls *loop = x->kind == LX_VAR ? x->var->loop : NULL;

    return loop && loop->begin->kind == LX_INT && loop->begin->i % LINE == 0 && loop->step % LINE == 0;
}

/* Whether the element that lanes begin with is a multiple of 16. */
static bool at_line(struct lkernel *k, const struct ls *store, const struct ls *lanes)
{
    struct lsum at;

    if (!lsum_of(&at, lx_flat(k, store->buf, store->index)) || lsum_factor(&at, lx_var(k, lanes->var)) != 1 ||
        at.constant % LINE || lanes->begin->kind != LX_INT || lanes->begin->i % LINE)
        return false;
    for (int i = 0; i < at.terms; i++)
        if (at.term[i].factor % LINE && at.term[i].atom != lx_var(k, lanes->var) && !by_lines(at.term[i].atom))
            return false;
    return true;
}

static bool stores_lines(struct lkernel *k, const struct lblock *block, const struct lbuf *b, const struct ls *lanes)
{
    for (const struct ls *s = block->first; s; s = s->next) {
        const struct ls *inner = s->kind == LS_LOOP && loop_in_lanes(s) ? s : lanes;
        bool whole = inner && loop_trips(inner) > 0 && loop_trips(inner) % LINE == 0;
        if (s->kind == LS_LOOP && s->way == WAY_SQUARE)
            return false;
        if (s->kind == LS_STORE && s->buf == b && (!whole || !at_line(k, s, inner)))
            return false;
        if (!stores_lines(k, &s->body, b, inner) || !stores_lines(k, &s->other, b, inner))
            return false;
    }
    return true;
}

static bool large(const struct lkernel *k, const struct lbuf *b)
{
    struct type t = type_make(b->dtype, b->rank, b->shape);

    return type_count(t, k->batch) * (k->f64 ? 8 : 4) >= STREAMED_BYTES;
}

void loop_stream(struct lkernel *k)
{
    for (struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next)
        b->streamed = b->written && !b->read && b->dtype == DT_REAL && !b->wanted && large(k, b) &&
                      stores_lines(k, &k->body, b, NULL);
}
