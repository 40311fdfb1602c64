/* codegen/loop_share.c: a loop of few iterations of which each is work enough for threads, as the samples of large images are, is
 * cut into parts of an iteration, so that threads share out a single sample too.
 *
 *     for i in 0..n par                       for share in 0..n * 16 par
 *       for j in 0..112 par                     let i = share / 16
 *         y[i,j] = ...                  =>      let part = share % 16
 *                                               for j in part * 7..part * 7 + 7 par
 *                                                 y[i,j] = ...
 *
 * Where it holds several loops, as one over what lies within borders and one along each, a part has its part of each: none
 * reads what another writes, and each place is written by one of them. */
#include "codegen/loop_pass.h"
#include "codegen/loop_work.h"
#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

/* Parts of an iteration: even shares of some threads, half of the most there are. What an iteration is at least, in what is
 * enough work for threads: shares of less are not worth what the borders of parts cost. */
enum { PARTS = 8, LARGE = 4 };

/* ---- which loops ---- */

static bool is_plain(const struct ls *s)
{
    return s->kind == LS_LOOP && s->licence == LICENCE_PAR && s->way == WAY_PLAIN;
}

/* For one sample. */
static bool is_large(const struct lkernel *k, const struct ls *s)
{
    int64_t trips = loop_trips_of(s, 1);

    return is_plain(s) && trips > 0 && trips < PARTS &&
           loop_is_enough(k, s, 1, 1 / (double)trips, LARGE * (double)ENOUGH_WORK);
}

/* The loop that is all there is in a block but for names; NULL: there is none. */
static struct ls *only_loop(const struct lblock *b)
{
    struct ls *s = b->first;

    while (s && s->kind == LS_LET)
        s = s->next;
    return s && !s->next && is_plain(s) ? s : NULL;
}

/* Of loops around each other the one to cut: the outermost of PARTS iterations, else that of the most. NULL: none has two. */
static struct ls *loop_to_cut(struct ls *s)
{
    struct ls *most = NULL;
    int64_t trips = 1;

    for (; s && trips < PARTS; s = only_loop(&s->body))
        if (loop_trips(s) > trips) {
            most = s;
            trips = loop_trips(s);
        }
    return most;
}

/* ---- whether what stands in a block is apart ---- */

struct access { /* index NULL: all of it */
    const struct lbuf *buf;
    struct lx *const *index;
    bool store;
    const struct access *next;
};

/* What one statement of the block reads and writes. */
struct accesses {
    struct lkernel *k;
    const struct access *first;
    bool *seen; /* by expression */
};

static void note(struct accesses *a, const struct lbuf *buf, struct lx *const *index, bool store)
{
    const struct access at = { buf, index, store, a->first };

    a->first = arena_copy(a->k->arena, &at, sizeof at);
}

static void note_loads(struct accesses *a, const struct lx *x)
{
    if (a->seen[x->id])
        return;
    a->seen[x->id] = true;
    if (x->kind == LX_LOAD || x->kind == LX_FOLD)
        note(a, x->buf, x->kind == LX_LOAD ? x->arg : NULL, false);
    for (int i = 0; i < x->args; i++)
        note_loads(a, x->arg[i]);
}

static void note_block(struct accesses *a, const struct lblock *b);

static void note_statement(struct accesses *a, const struct ls *s)
{
    if (s->value)
        note_loads(a, s->value);
    if (s->kind == LS_LOOP) {
        note_loads(a, s->begin);
        note_loads(a, s->end);
    }
    for (int i = 0; s->kind == LS_STORE && i < s->buf->rank; i++)
        note_loads(a, s->index[i]);
    if (s->kind == LS_STORE)
        note(a, s->buf, s->index, true);
    note_block(a, &s->body);
    note_block(a, &s->other);
}

static void note_block(struct accesses *a, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next)
        note_statement(a, s);
}

/* Along some axis one is behind all of the other. */
static bool are_apart(const struct access *x, const struct access *y)
{
    for (int i = 0; x->index && y->index && i < x->buf->rank; i++)
        if (x->index[i]->high < y->index[i]->low || y->index[i]->high < x->index[i]->low)
            return true;
    return false;
}

static bool meet(const struct access *all, const struct access *others)
{
    for (const struct access *x = all; x; x = x->next)
        for (const struct access *y = others; y; y = y->next)
            if (x->buf == y->buf && (x->store || y->store) && !are_apart(x, y))
                return true;
    return false;
}

/* Names and loops that can be cut, none of which has to wait for another. */
static bool is_shareable(struct lkernel *k, const struct lblock *b)
{
    int count = 0;

    for (struct ls *s = b->first; s; s = s->next, count++)
        if (s->kind != LS_LET && !(is_plain(s) && loop_to_cut(s)))
            return false;
    struct accesses *of = NEW_ARRAY(k->arena, count + 1, struct accesses);
    count = 0;
    for (struct ls *s = b->first; s; s = s->next, count++) {
        of[count] = (struct accesses){ .k = k, .seen = NEW_ARRAY(k->arena, k->expressions, bool) };
        note_statement(&of[count], s);
        for (int i = 0; i < count; i++)
            if (meet(of[i].first, of[count].first))
                return false;
    }
    return true;
}

/* ---- cutting ---- */

/* Into how many parts so many iterations go: of equal length, where a number near to PARTS gives such. */
static int64_t parts_of(int64_t trips)
{
    for (int64_t parts = PARTS; parts < 2 * PARTS && parts <= trips; parts++)
        if (trips % parts == 0)
            return parts;
    return trips < PARTS ? trips : PARTS;
}

/* begin + step * (part * trips / parts): where a part of a loop begins. */
static struct lx *begin_of_part(struct lkernel *k, const struct ls *s, struct lx *part, int64_t parts)
{
    int64_t trips = loop_trips(s), each = trips % parts ? 1 : trips / parts;
    struct lx *first = lx_index(k, LX_IMUL, part, lx_int(k, trips % parts ? trips : each));

    if (trips % parts)
        first = lx_index(k, LX_IDIV, first, lx_int(k, parts));
    return lx_index(k, LX_IADD, s->begin, lx_index(k, LX_IMUL, first, lx_int(k, s->step)));
}

/* An iteration more is behind the end of the part, if not of the loop. */
static void cut(struct lkernel *k, struct ls *s, struct lx *part, int64_t parts)
{
    struct lx *begin = begin_of_part(k, s, part, parts);
    struct lx *end = begin_of_part(k, s, lx_index(k, LX_IADD, part, lx_int(k, 1)), parts);

    if (loop_trips(s) * s->step != s->end->i - s->begin->i)
        end = lx_index(k, LX_IMIN, end, s->end);
    s->begin = begin;
    s->end = end;
}

/* (end - begin) / step, rounded up. */
static struct lx *trips(struct lkernel *k, const struct ls *s)
{
    struct lx *span = lx_index(k, LX_ISUB, s->end, s->begin);

    return lx_index(k, LX_IDIV, lx_index(k, LX_IADD, span, lx_int(k, s->step - 1)), lx_int(k, s->step));
}

/* As many parts as the first of its loops has. */
static int64_t parts_within(const struct lblock *b)
{
    struct ls *s = b->first;

    while (s->kind != LS_LOOP)
        s = s->next;
    return parts_of(loop_trips(loop_to_cut(s)));
}

static void share(struct lkernel *k, struct ls *s)
{
    int64_t parts = parts_within(&s->body);
    struct lblock alone = { NULL, NULL };
    struct lx *end = lx_index(k, LX_IMUL, trips(k, s), lx_int(k, parts)), *of = lx_int(k, parts);
    struct ls *loop = ls_loop(k, &alone, "share", lx_int(k, 0), end, 1, LICENCE_PAR);
    struct lx *at = lx_var(k, loop->var), *iteration = lx_index(k, LX_IDIV, at, of);
    struct rewrite r = { .k = k };

    iteration = lx_index(k, LX_IADD, s->begin, lx_index(k, LX_IMUL, iteration, lx_int(k, s->step)));
    iteration = ls_let(k, &loop->body, s->var->name, iteration);
    loop->body.first->name = s->var->name; /* it is what the variable was */
    struct lx *part = ls_let(k, &loop->body, "part", lx_index(k, LX_IMOD, at, of));
    for (struct ls *inner = s->body.first; inner; inner = inner->next)
        if (inner->kind == LS_LOOP)
            cut(k, loop_to_cut(inner), part, parts);
    rewrite_set(&r, lx_var(k, s->var), iteration);
    rewrite_block(&r, &s->body);
    loop->body.last->next = s->body.first;
    loop->body.last = s->body.last;
    ls_replace(s, alone);
}

/* Outermost loops, as for threads. */
static void find(struct lkernel *k, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        if (s->kind != LS_LOOP || s->licence != LICENCE_PAR || loop_trips(s) == 1) {
            find(k, &s->body);
            find(k, &s->other);
        } else if (is_large(k, s) && is_shareable(k, &s->body)) {
            share(k, s);
        }
    }
}

void loop_share(struct lkernel *k)
{
    find(k, &k->body);
}
