/* codegen/loop_work.c: see loop_work.h. Loops are gone through by what their bounds are for n samples, each of those around taken
 * to be in the middle of its iterations. */
#include "codegen/loop_work.h"

#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

enum { WAITING = 128, READING = 96, NEAR = 1 << 18 }; /* NEAR: elements that a core's own caches hold */

/* Elementary functions count as several operations. */
static double work_of(const struct lx *x)
{
    double work = x->kind == LX_ELEM && !op_is(x->op, CHEAP) ? 8 : x->kind == LX_RANDOM ? 20 : x->kind >= LX_ELEM;

    for (int i = 0; i < x->args; i++)
        work += work_of(x->arg[i]);
    return work;
}

/* Products run from registers, and scratch is near; results wait for memory, and sums of another kind for the one before. */
static double work_of_store(const struct ls *s)
{
    bool sum = s->buf->space == SPACE_ARRAY && !s->buf->rank && s->value->kind != LX_FMA;

    return work_of(s->value) + (s->buf->space == SPACE_ARGUMENT || sum ? WAITING : 0);
}

struct around { /* the loops around a statement, from the innermost on, each in the middle of its iterations */
    const struct lvar *var;
    int64_t value;
    const struct around *outer;
};

static int64_t index_of(const struct lx *x, int64_t n, const struct around *loops);

static int64_t value_of(const struct lx *x, const struct around *loops)
{
    for (; loops; loops = loops->outer)
        if (loops->var == x->var)
            return loops->value;
    return x->high;
}

static int64_t rounded_down(int64_t a, int64_t b)
{
    return b < 1 ? 0 : a / b - (a % b < 0);
}

static int64_t both(enum lx_kind kind, int64_t a, int64_t b)
{
    switch (kind) {
    case LX_IADD: return a + b;
    case LX_ISUB: return a - b;
    case LX_IMUL: return a * b;
    case LX_IDIV: return rounded_down(a, b);
    case LX_IMOD: return a - rounded_down(a, b) * b;
    case LX_IMIN: return a < b ? a : b;
    default: return a > b ? a : b;
    }
}

/* What an index is. One that is loaded, or guarded: as much as it may be. */
static int64_t index_of(const struct lx *x, int64_t n, const struct around *loops)
{
    if (x->kind == LX_BATCH)
        return n;
    if (x->kind == LX_VAR)
        return value_of(x, loops);
    if (x->kind == LX_LET)
        return index_of(x->let->value, n, loops);
    if (x->kind >= LX_IADD && x->kind <= LX_IMAX)
        return both(x->kind, index_of(x->arg[0], n, loops), index_of(x->arg[1], n, loops));
    return x->kind == LX_INT ? x->i : x->high;
}

static int64_t span_of(const struct ls *s, int64_t n, const struct around *loops)
{
    return index_of(s->end, n, loops) - index_of(s->begin, n, loops);
}

static int64_t trips_of(const struct ls *s, int64_t n, const struct around *loops)
{
    int64_t span = span_of(s, n, loops);

    return span > 0 ? (span - 1) / s->step + 1 : 0;
}

static double work_of_block(const struct lblock *b, int64_t n, const struct around *loops);

static double work_of_loop(const struct ls *s, int64_t n, const struct around *loops)
{
    int64_t trips = trips_of(s, n, loops);
    const struct around here = { s->var, index_of(s->begin, n, loops) + (trips - 1) / 2 * s->step, loops };

    return trips ? (double)trips * work_of_block(&s->body, n, &here) : 0;
}

static double work_of_statement(const struct ls *s, int64_t n, const struct around *loops)
{
    double work = s->kind == LS_STORE ? work_of_store(s) : s->value ? work_of(s->value) : 0;

    work += work_of_block(&s->other, n, loops);
    return work + (s->kind == LS_LOOP ? work_of_loop(s, n, loops) : work_of_block(&s->body, n, loops));
}

static double work_of_block(const struct lblock *b, int64_t n, const struct around *loops)
{
    double work = 0;

    for (const struct ls *s = b->first; s; s = s->next)
        work += work_of_statement(s, n, loops);
    return work;
}

double loop_work_within(const struct ls *loop, const struct ls *s, int64_t n)
{
    const struct around first = { loop->var, index_of(loop->begin, n, NULL), NULL };

    return work_of_statement(s, n, &first);
}

int64_t loop_span(const struct ls *s, int64_t n)
{
    return span_of(s, n, NULL);
}

int64_t loop_trips_of(const struct ls *s, int64_t n)
{
    return trips_of(s, n, NULL);
}

static bool is_outermost(const struct lkernel *k, const struct ls *loop)
{
    const struct ls *s = k->body.first;

    while (s && s != loop)
        s = s->next;
    return s;
}

/* Elements that an outermost loop reads from far away: all that it reads, where that is more than is near. What is read again and
 * again in one order is then gone each time. */
static double far_read(const struct lkernel *k, const struct ls *s, int64_t n)
{
    double elements = 0;

    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next) {
        double all = (double)type_count(type_make(b->dtype, b->rank, b->shape), n);
        if (b->read && block_reads(&s->body, b))
            elements += all;
    }
    return elements > NEAR && is_outermost(k, s) ? elements : 0;
}

/* Of that share of an outermost loop's iterations. */
static double work_with_reading(const struct lkernel *k, const struct ls *s, int64_t n, double share)
{
    double work = work_of_loop(s, n, NULL) * share, read = far_read(k, s, n) * share;

    return work + READING * (read < work ? read : work);
}

bool loop_is_enough(const struct lkernel *k, const struct ls *s, int64_t n, double share, double enough)
{
    double work = work_of_loop(s, n, NULL) * share;

    if (work >= enough || work * (1 + READING) < enough) /* whatever it reads */
        return work >= enough;
    return work_with_reading(k, s, n, share) >= enough;
}

int64_t loop_units(const struct ls *s, int64_t n)
{
    int64_t unit = s->by ? s->by : s->step, span = loop_span(s, n);

    return span > 0 ? ((span - 1) / unit + 1) * (s->parts ? s->parts : 1) : 0;
}

/* How far the first of so many units go, of an iteration that is not whole its part. */
static double reach(const struct ls *s, int64_t units, double span)
{
    int64_t parts = s->parts ? s->parts : 1, whole = units / parts * (s->by ? s->by : s->step);
    double rest = span - (double)whole, last = rest < (double)s->step ? rest : (double)s->step;

    return (double)whole + last * (double)(units % parts) / (double)parts;
}

/* Twice the smaller of two shares. Those of 49 in steps of 32 are 32 and 17; by 8, 24 and 25. Work is reckoned as if all iterations
 * were whole, but for a single one. */
static double shared(const struct ls *s, int64_t n)
{
    int64_t units = loop_units(s, n), trips = loop_trips_of(s, n);
    double span = (double)loop_span(s, n), first = reach(s, units / 2, span), second = span - first;

    return units > 1 ? 2 * (first < second ? first : second) / (trips > 1 ? (double)(trips * s->step) : span) : 0;
}

bool loop_shares_enough(const struct lkernel *k, const struct ls *s, int64_t n, double enough)
{
    double share = shared(s, n);

    return share > 0 && loop_is_enough(k, s, n, share, enough);
}

double kernel_shared_work(const struct lkernel *k, int64_t n)
{
    double work = 0;

    for (const struct ls *s = k->body.first; s; s = s->next)
        if (s->kind == LS_LOOP && s->way == WAY_THREADS && n >= s->least)
            work += work_with_reading(k, s, n, shared(s, n));
    return work;
}

bool kernel_is_for_runs(const struct lkernel *k)
{
    for (const struct ls *s = k->body.first; s; s = s->next)
        if (s->kind != LS_LET && (s->kind != LS_LOOP || s->licence != LICENCE_PAR || loop_trips(s) == 1))
            return false;
    return true;
}

bool block_in_threads(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if ((s->kind == LS_LOOP && s->way == WAY_THREADS) || block_in_threads(&s->body) || block_in_threads(&s->other))
            return true;
    return false;
}
