/* codegen/loop_unroll.c: loops of few iterations that index a register tile, or an array that a loop in lanes declares,
 * are unrolled: registers have no addresses.
 *
 *     tile acc : f32[4,32]                         tile acc : f32[4,32]
 *     for r in 0..4 par                     =>     for r in 0..4 par unroll
 *       for q in 0..32 par vector                    for q in 0..32 par vector
 *         acc[r,q] = 0.0                               acc[r,q] = 0.0
 *
 * So are sums over a small window inside a loop in lanes, where borders have to be asked for, and short loops that find
 * places by division: coordinates are constants then, and each element is a few instructions. And sums of few terms in lanes,
 * as over a row of a window that sees few channels: counting to five takes as long as some of its terms.
 *
 * But an array lies in memory, and its loops stay loops, where one of them asks for borders in more iterations than a small
 * window has: the branches take longer than memory does, and unrolled they were a quarter of what a C compiler had to do. Not
 * one that is added up in: each of its elements is wanted again at once, and a depthwise convolution took twice its time.
 */
#include "codegen/loop_pass.h"

#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

/* As nn_machine.h's NN_UNROLL; along each axis of a window; operations behind each other, of a sum of few terms. */
enum { MAX_UNROLLED = 64, MAX_WINDOW = 4, SHORT = 16, MAX_TERMS = 8, MAX_OPERATIONS = 96 };

static bool indexes_tile(const struct lbuf *b, struct lx *const *index, const struct lvar *v)
{
    if (b->space != SPACE_TILE && b->data != b)
        return false;
    for (int i = 0; i < b->rank; i++) {
        if (lx_mentions(index[i], v))
            return true;
    }
    return false;
}

static bool value_indexes(const struct lx *x, const struct lvar *v)
{
    if (x->kind == LX_LOAD && indexes_tile(x->buf, x->arg, v))
        return true;
    for (int i = 0; i < x->args; i++) {
        if (value_indexes(x->arg[i], v))
            return true;
    }
    return false;
}

static bool block_indexes(const struct lblock *b, const struct lvar *v)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if ((s->kind == LS_STORE && indexes_tile(s->buf, s->index, v)) || (s->value && value_indexes(s->value, v)) ||
            block_indexes(&s->body, v) || block_indexes(&s->other, v))
            return true;
    }
    return false;
}

/* Arrays that are vectors, one a lane each, carry themselves in their scratch. */
static void mark_arrays(const struct lblock *b, bool lanes)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if (s->kind == LS_LOCAL)
            s->buf->data = lanes ? s->buf : NULL;
        mark_arrays(&s->body, lanes || (s->kind == LS_LOOP && loop_in_lanes(s)));
        mark_arrays(&s->other, lanes);
    }
}

/* Whether a border depends on v. */
static bool value_asks(const struct lx *x, const struct lvar *v)
{
    if (x->kind == LX_GUARD && lx_mentions(x->arg[0], v))
        return true;
    for (int i = 0; i < x->args; i++) {
        if (value_asks(x->arg[i], v))
            return true;
    }
    return false;
}

static bool block_asks(const struct lblock *b, const struct lvar *v)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if ((s->kind == LS_IF && lx_mentions(s->value, v)) || (s->value && value_asks(s->value, v)) ||
            block_asks(&s->body, v) || block_asks(&s->other, v))
            return true;
    }
    return false;
}

static void leave_in_memory(const struct ls *store, const struct lvar *v)
{
    struct lbuf *b = store->buf;

    if (indexes_tile(b, store->index, v) && b->space == SPACE_ARRAY && !lx_reads(store->value, b))
        b->data = NULL;
}

/* What a loop asks borders for lies in memory. */
static void leave_arrays_in_memory(const struct lblock *b, const struct lvar *v)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if (s->kind == LS_STORE)
            leave_in_memory(s, v);
        leave_arrays_in_memory(&s->body, v);
        leave_arrays_in_memory(&s->other, v);
    }
}

static void find_arrays_in_memory(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if (s->kind == LS_LOOP && loop_trips(s) > MAX_WINDOW && block_asks(&s->body, s->var))
            leave_arrays_in_memory(&s->body, s->var);
        find_arrays_in_memory(&s->body);
        find_arrays_in_memory(&s->other);
    }
}

static bool is_window(const struct ls *s)
{
    return s->licence == LICENCE_RED && loop_trips(s) <= MAX_WINDOW && block_asks(&s->body, s->var);
}

static bool value_divides(const struct lx *x, const struct lvar *v)
{
    if ((x->kind == LX_IDIV || x->kind == LX_IMOD) && lx_mentions(x->arg[0], v))
        return true;
    for (int i = 0; i < x->args; i++) {
        if (value_divides(x->arg[i], v))
            return true;
    }
    return false;
}

/* Nothing but stores to, and of, places that are found by dividing the loop's variable. */
static bool is_short_and_divides(const struct ls *s)
{
    bool divides = false;

    for (const struct ls *in = s->body.first; in; in = in->next) {
        if (in->kind != LS_STORE)
            return false;
        divides |= value_divides(in->value, s->var);
        for (int i = 0; i < in->buf->rank; i++)
            divides |= value_divides(in->index[i], s->var);
    }
    return divides && loop_trips(s) <= SHORT;
}

/* Stores behind each other; too many where a loop among them is none that is unrolled. */
static int64_t operations(const struct lblock *b)
{
    int64_t sum = 0;

    for (const struct ls *s = b->first; s; s = s->next) {
        bool repeats = s->kind == LS_LOOP && s->way == WAY_PLAIN && loop_trips(s) != 1;
        int64_t trips = s->kind == LS_LOOP && loop_trips(s) > 0 ? loop_trips(s) : 1;
        sum += repeats || s->kind == LS_IF ? MAX_OPERATIONS + 1 : s->kind == LS_STORE;
        sum += trips * operations(&s->body);
    }
    return sum < MAX_OPERATIONS ? sum : MAX_OPERATIONS + 1;
}

static bool has_few_terms(const struct ls *s)
{
    return s->licence == LICENCE_RED && loop_trips(s) > 1 && loop_trips(s) <= MAX_TERMS &&
           loop_trips(s) * operations(&s->body) <= MAX_OPERATIONS;
}

static void unroll(struct lblock *b, bool lanes)
{
    for (struct ls *s = b->first; s; s = s->next) {
        unroll(&s->body, lanes || (s->kind == LS_LOOP && loop_in_lanes(s)));
        unroll(&s->other, lanes);
        if (s->kind == LS_LOOP && s->way == WAY_PLAIN && loop_trips(s) > 0 && loop_trips(s) <= MAX_UNROLLED &&
            (block_indexes(&s->body, s->var) || (lanes && (is_window(s) || has_few_terms(s))) ||
             is_short_and_divides(s)))
            s->way = WAY_UNROLL;
    }
}

void loop_unroll(struct lkernel *k)
{
    mark_arrays(&k->body, false);
    find_arrays_in_memory(&k->body);
    unroll(&k->body, false);
}
