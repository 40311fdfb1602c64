/* codegen/loop_share.c: a loop of few iterations of which each is work enough for threads, as the samples of large images are, goes in
 * parts of an iteration, so that threads share out a single sample too.
 *
 *     for i in 0..n par                       for i in 0..n parts 8 par
 *       for j in 0..112 par             =>      for j in 0..112 par part
 *         y[i,j] = ...                            y[i,j] = ...
 *
 * Where it holds several loops, as one over what lies within borders and one along each, a part has its part of each: none
 * reads what another writes, and each place is written by one of them. What else stands there, as the transform of a block's tiles
 * before the panels of its product, stores to nothing but what is the iteration's own: each thread that has a part of it repeats
 * that, once however many parts it has. One thread does what it did before. */
#include "codegen/loop_pass.h"
#include "codegen/loop_work.h"
#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

/* Parts of an iteration: even shares of some threads, half of the most there are. REPEATED: of what an iteration does, at most that
 * part may be done again. */
enum { PARTS = 8, REPEATED = 4 };

/* ---- which loops ---- */

static bool is_plain(const struct ls *s)
{
    return s->kind == LS_LOOP && s->licence == LICENCE_PAR && s->way == WAY_PLAIN;
}

/* For one sample. */
static bool is_large(const struct lkernel *k, const struct ls *s)
{
    int64_t trips = loop_trips_of(s, 1);
    double enough = kernel_is_for_runs(k) ? ENOUGH_IN_RUN : ENOUGH_WORK;

    return is_plain(s) && trips > 0 && trips < PARTS && (!s->by || loop_units(s, 1) == 1) &&
           loop_is_enough(k, s, 1, 1 / (double)trips, enough);
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

static bool meet(const struct access *stores, const struct access *all)
{
    for (const struct access *x = stores; x; x = x->next)
        for (const struct access *y = all; y; y = y->next)
            if (x->store && x->buf == y->buf && !are_apart(x, y))
                return true;
    return false;
}

static bool stores_argument(const struct access *a)
{
    while (a && (!a->store || a->buf->space != SPACE_ARGUMENT))
        a = a->next;
    return a;
}

/* Of one of a body's statements: what it touches, and whether each part does its part of it. */
struct piece {
    struct ls *s;
    struct accesses of;
    bool cut;
};

static struct piece piece_of(struct lkernel *k, struct ls *s)
{
    struct piece p = { .s = s, .of = { .k = k, .seen = NEW_ARRAY(k->arena, k->expressions, bool) } };

    note_statement(&p.of, s);
    p.cut = stores_argument(p.of.first);
    return p;
}

/* Whether the pieces before this one, and it, get along: what one that is cut writes no other has to do with. */
static bool gets_along(const struct piece *all, int at)
{
    const struct piece *p = &all[at];

    if (p->cut && !(is_plain(p->s) && loop_to_cut(p->s)))
        return false;
    for (const struct piece *q = all; q < p; q++)
        if ((p->cut && meet(p->of.first, q->of.first)) || (q->cut && meet(q->of.first, p->of.first)))
            return false;
    return true;
}

/* Whether parts can do a body's iteration, with little of it again. */
static bool is_shareable(struct lkernel *k, const struct ls *loop)
{
    double repeated = 0, all = 0;
    int count = 0;

    for (struct ls *s = loop->body.first; s; s = s->next)
        count++;
    struct piece *pieces = NEW_ARRAY(k->arena, count + 1, struct piece);
    count = 0;
    for (struct ls *s = loop->body.first; s; s = s->next, count++) {
        pieces[count] = piece_of(k, s);
        if (!gets_along(pieces, count))
            return false;
        double work = loop_work_within(loop, s, 1);
        all += work;
        repeated += pieces[count].cut ? 0 : work;
    }
    return repeated * REPEATED <= all && all > repeated;
}

/* ---- marking ---- */

/* Into how many parts so many iterations go: of equal length, where a number near to PARTS gives such. */
static int64_t parts_of(int64_t trips)
{
    for (int64_t parts = PARTS; parts < 2 * PARTS && parts <= trips; parts++)
        if (trips % parts == 0)
            return parts;
    return trips < PARTS ? trips : PARTS;
}

static bool is_cut(struct lkernel *k, struct ls *s)
{
    return piece_of(k, s).cut;
}

/* As many parts as the first of its loops has. */
static void share(struct lkernel *k, struct ls *loop)
{
    loop->by = loop->parts = 0;
    for (struct ls *s = loop->body.first; s; s = s->next) {
        if (!is_cut(k, s))
            continue;
        struct ls *part = loop_to_cut(s);
        part->way = WAY_PART;
        loop->parts = loop->parts ? loop->parts : parts_of(loop_trips(part));
    }
}

/* Outermost loops, as for threads. */
static void find(struct lkernel *k, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        if (s->kind != LS_LOOP || s->licence != LICENCE_PAR || loop_trips(s) == 1) {
            find(k, &s->body);
            find(k, &s->other);
        } else if (is_large(k, s) && is_shareable(k, s)) {
            share(k, s);
        }
    }
}

void loop_share(struct lkernel *k)
{
    find(k, &k->body);
}
