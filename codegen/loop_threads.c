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

/* Operations below which starting threads costs more than it gives: some 20 us of products in wide lanes. A region costs
 * libgomp 3 us, and what comes behind it some more where system calls are dear. What waits counts as so many; and iterations of
 * a piece. */
enum { ENOUGH = 1 << 23, WAITING = 128, PIECE = 1 << 14 };

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

/* --- how much there is to do for n samples ------------------------------------------------------------------------ */

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

static double work_of_block(const struct lblock *b, int64_t n, const struct around *loops)
{
    double work = 0;

    for (const struct ls *s = b->first; s; s = s->next) {
        work += s->kind == LS_STORE ? work_of_store(s) : s->value ? work_of(s->value) : 0;
        work += work_of_block(&s->other, n, loops);
        work += s->kind == LS_LOOP ? work_of_loop(s, n, loops) : work_of_block(&s->body, n, loops);
    }
    return work;
}

/* --- whether it is enough ----------------------------------------------------------------------------------------- */

/* Twice the smaller part of two threads, the last iteration being what is left of a step: the parts of 49 in steps of 32 are
 * 32 and 17. */
static double work_shared(const struct ls *s, int64_t n)
{
    int64_t trips = trips_of(s, n, NULL), first = trips / 2 * s->step, second = span_of(s, n, NULL) - first;
    double smaller = (double)(first < second ? first : second) / (double)s->step;

    return trips < 2 ? 0 : work_of_loop(s, n, NULL) / (double)trips * 2 * smaller;
}

static bool is_enough(const struct ls *s, int64_t n)
{
    return work_shared(s, n) >= ENOUGH;
}

/* Tiles have at most so many rows: what they leave over is not more, and any number of it is tried. */
enum { ROWS = 16 };

/* The fewest samples that make enough work of a loop; 0: not even a full batch does. More samples make more work, rows that
 * tiles leave over aside. */
static int64_t least_samples(const struct ls *s, int64_t batch)
{
    int64_t few = 0, many = batch;

    for (int64_t n = 1; n <= batch && n <= ROWS; few = n++)
        if (is_enough(s, n))
            return n;
    if (!is_enough(s, batch))
        return 0;
    while (many - few > 1) {
        int64_t n = few + (many - few) / 2;
        if (is_enough(s, n))
            many = n;
        else
            few = n;
    }
    return many;
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

/* In a loop that does not run in threads those inside may. */
static void start(struct lkernel *k, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        if (s->kind != LS_LOOP || s->licence != LICENCE_PAR || loop_trips(s) == 1 || loop_trips(s) == 0) {
            start(k, &s->body);
            start(k, &s->other);
            continue;
        }
        int64_t least = least_samples(s, k->batch);
        if (!least || (s->way != WAY_PLAIN && !(loop_in_lanes(s) && trips_of(s, k->batch, NULL) > PIECE)))
            continue;
        if (loop_in_lanes(s))
            cut(k, s);
        s->way = WAY_THREADS;
        s->least = least > 1 ? least : 0;
    }
}

void loop_threads(struct lkernel *k)
{
    start(k, &k->body);
}
