/* passes/recompute.c: --max-bytes. Where an instance that trains takes more than it may, what forward gave and backward
 * reads late is not kept: the group that gave it runs again, before it is read.
 *
 *     %1 = fused %x                       %1 = fused %x
 *     %2 = fused %1                       %2 = fused %1
 *     %3 = fused %2                 =>    %3 = fused %2              (%1 makes room)
 *     %4 = fused %3                       %4 = fused %3
 *     %5 = fused %4, %1                   %6 = fused %x              (%1's group once more)
 *                                         %5 = fused %4, %6
 *
 * A group that runs again is the same kernel on the same operands, and draws the same random numbers: the same bits. It
 * stands behind `plan` because groups must not depend on the budget: a sum adds up in the order of the group it is in.
 *
 * Tried are several ways: from the order as it is, and from orders that keep what crosses a few cuts and make all else again
 * from cut to cut (Chen et al., Training deep nets with sublinear memory cost, 2016). Each is followed down: at its peak,
 * that change is made which brings it lower for the least work, until it fits or no change helps. Of what fits, that is
 * taken which works least. No way depends on the budget, only where it ends: what fits into some bytes fits into more. */
#include <math.h>

#include "passes/recompute.h"

enum {
    TRIED = 48,  /* values tried at a peak, */
    STEPS = 500, /* of an order of so many steps; fewer of a longer one */
    GROWTH = 3,  /* so many times as many steps as the graph has, and not more */
    FINE = 64,   /* a way goes down in steps of this part of the peak */
    LADDER = 12, /* sizes of segments, */
    COARSE = 2   /* the largest an n-th of all that is kept; each 2/3 of the one before */
};

/* ---- one way down ---- */

struct way {
    struct order *o;
    struct arena *now, *next, *scratch,
        *tries; /* of the order, of the one after it, of its measures, of what is tried */
    int most_steps;
};

static void go_on_with(struct way *w, const struct order *o)
{
    struct arena *old = w->now;

    w->o = order_whole_copy(o, w->next);
    w->now = w->next;
    w->next = old;
    arena_reset(w->next);
    arena_reset(w->tries);
}

static int64_t peak_bytes(struct way *w)
{
    const int64_t *live = order_live_bytes(w->o, w->tries);
    int64_t peak = live[order_peak(w->o, live)];

    arena_reset(w->tries);
    return peak;
}

/* How far steps are above a limit: bytes too many, summed over them. */
static double excess(const int64_t *live, int steps, int64_t limit)
{
    double sum = 0;

    for (int i = 0; i < steps; i++)
        sum += live[i] > limit ? (double)(live[i] - limit) : 0;
    return sum;
}

/* A value that is idle at the peak: it lives on, and is read only after it. */
struct idle {
    int item, next; /* who reads it first */
    double worth;
};

/* Of each item the step that reads it first, from the step `at` on; -1: none. */
static const int *next_readers(const struct order *o, int at, struct arena *a)
{
    int *next = NEW_ARRAY(a, o->items + 1, int);

    for (int i = 0; i < o->items; i++)
        next[i] = -1;
    for (int i = o->steps - 1; i >= at; i--)
        for (int k = 0; k < o->step[i]->reads; k++)
            next[o->step[i]->read[k]] = i;
    return next;
}

static void add_idle(struct idle *list, int *count, int most, struct idle x)
{
    int i = *count < most ? (*count)++ : most;

    for (; i > 0 && list[i - 1].worth < x.worth; i--)
        if (i < most)
            list[i] = list[i - 1];
    if (i < most)
        list[i] = x;
}

static int tried_at_most(const struct order *o)
{
    int most = o->steps < STEPS ? TRIED : TRIED * STEPS / o->steps;
    return most > 4 ? most : 4;
}

/* Those first that free most for the work of one group. */
static int find_idle(const struct order *o, int at, struct idle *list, struct arena *scratch)
{
    const int *reader = next_readers(o, at, scratch);
    int count = 0, most = tried_at_most(o);

    for (int i = 0; i < o->items; i++) {
        const struct item *x = &o->item[i];
        int next = x->step >= 0 && x->step < at && x->last > at && x->bytes ? reader[i] : -1;
        if (next > at)
            add_idle(list, &count, most,
                     (struct idle){ i, next, (double)x->bytes * (next - x->step) / o->step[x->step]->work });
    }
    return count;
}

enum { EARLIER, LATER, LATER_SHARED, KINDS };

struct change {
    struct idle what;
    int kind;
    double worth;
};

/* The order as it is, and how it is measured. */
struct state {
    const struct order *o;
    const int64_t *live;
    int peak;
    int64_t across; /* bytes that live on from before the peak to it */
    int64_t limit;
    double excess;
};

static struct state state_of(const struct order *o, int64_t limit, struct arena *a)
{
    struct state s = { .o = o, .live = order_live_bytes(o, a), .limit = limit };

    s.peak = order_peak(o, s.live);
    s.excess = excess(s.live, o->steps, limit);
    for (int i = 0; i < o->items; i++)
        s.across += o->item[i].step < s.peak && o->item[i].last >= s.peak ? o->item[i].bytes : 0;
    return s;
}

/* What a change gains, the order after it, and where that is another: up to which step. */
static double gain_of_earlier(const struct state *s, const struct change *c, struct order **o, struct arena *a)
{
    int to, at = s->peak;

    *o = read_earlier(s->o, c->what.item, at, &to, a);
    if (!*o)
        return 0;
    const int64_t *live = order_live_between(*o, at, to, s->across, a);
    return excess(&s->live[at], to - at + 1, s->limit) - excess(live, to - at + 1, s->limit);
}

static double gain_of_later(const struct state *s, const struct change *c, double most_work, struct order **o,
                            struct arena *a)
{
    bool once = s->o->step[s->o->item[c->what.item].step]->once;

    *o = once ? NULL : made_later(s->o, c->what.item, c->what.next, c->kind == LATER_SHARED, most_work, a);
    return *o ? s->excess - excess(order_live_bytes(*o, a), (*o)->steps, s->limit) : 0;
}

/* A change that may take so much work, and no more, to be worth more than the best so far: with a little for rounding. */
static double most_work(const struct state *s, double best)
{
    return best > 0 ? s->excess / best * (1 + 1e-6) + 1e-3 : INFINITY;
}

/* What a change gains for its work, and the order after it; it is worth nothing where it gains nothing. */
static double worth_of(const struct state *s, const struct change *c, double best, struct order **o, struct arena *a)
{
    double gain = c->kind == EARLIER ? gain_of_earlier(s, c, o, a) : gain_of_later(s, c, most_work(s, best), o, a);
    double work = *o ? (*o)->work - s->o->work : 0;

    return gain > 0 ? gain / (work > 1 ? work : 1) : 0;
}

/* The best change at the peak is made; false where none brings the order nearer to the limit. */
static bool improve(struct way *w, int64_t limit)
{
    struct idle list[TRIED];
    struct change best = { .worth = 0 };
    const struct state s = state_of(w->o, limit, w->scratch);
    int count = w->o->steps < w->most_steps ? find_idle(w->o, s.peak, list, w->scratch) : 0;
    struct order *o;

    for (int i = 0; i < KINDS * count; i++) {
        struct change c = { .what = list[i / KINDS], .kind = i % KINDS };
        c.worth = worth_of(&s, &c, best.worth, &o, w->tries);
        best = c.worth > best.worth ? c : best;
        arena_reset(w->tries);
    }
    if (best.worth > 0) {
        worth_of(&s, &best, 0, &o, w->tries);
        go_on_with(w, o);
    }
    arena_reset(w->scratch);
    return best.worth > 0;
}

/* A little lower, so that only what must is made again; where that cannot be, by any byte. */
static bool lower(struct way *w)
{
    int64_t peak = peak_bytes(w), limit[] = { peak - 1 - peak / FINE, peak - 1 - peak / 256 };

    for (int i = 0; i < 2; i++) {
        while (peak_bytes(w) > limit[i] && improve(w, limit[i]))
            ;
        if (peak_bytes(w) < peak)
            return true;
    }
    return false;
}

/* ---- all ways ---- */

struct search {
    struct graph *g;
    struct arena *scratch;
    const struct order *first; /* as the graph is */
    struct way way;
    int64_t room;                 /* the arena's */
    struct order *best;           /* of what fits that with the least work; NULL: nothing fits */
    const struct order *smallest; /* of all that were measured */
    int64_t smallest_bytes;
    bool something_fits; /* in more parts, at least: the smallest is not asked for */
};

/* The step that gives the loss; backward follows. */
static int turn_of(const struct order *o)
{
    for (int i = 0; i < o->steps; i++)
        if (o->step[i]->of->op == OP_loss)
            return o->step[i]->reads ? o->item[o->step[i]->read[0]].step : i;
    return -1;
}

static int64_t kept_bytes(const struct order *o, int turn)
{
    int64_t sum = 0;

    for (int i = 0; i < o->items; i++)
        sum += o->item[i].step <= turn && o->item[i].last > turn ? o->item[i].bytes : 0;
    return sum;
}

static int64_t planned_bytes(struct way *w)
{
    int64_t bytes = order_planned_bytes(w->o, w->tries);

    arena_reset(w->tries);
    return bytes;
}

/* What fits is taken, and the way is at its end; so it is where it only takes more work than what fits already. */
static bool arrived(struct search *s)
{
    struct way *w = &s->way;

    if (s->best && w->o->work >= s->best->work)
        return true;
    if (peak_bytes(w) > s->room || planned_bytes(w) > s->room)
        return false;
    s->best = order_whole_copy(w->o, s->scratch);
    return true;
}

static void note_smallest(struct search *s, const struct order *o)
{
    int64_t bytes = order_planned_bytes(o, s->way.tries);

    arena_reset(s->way.tries);
    if (bytes >= s->smallest_bytes)
        return;
    s->smallest = order_whole_copy(o, s->scratch);
    s->smallest_bytes = bytes;
}

/* Where nothing fits, orders are planned from the way's end up: one whose peak is above the smallest plan cannot be it. */
static void go_down(struct search *s)
{
    if (arrived(s))
        return;
    int64_t peak = peak_bytes(&s->way);
    struct arena *a = arena_new();
    const struct order *here = s->something_fits || peak >= s->smallest_bytes ? NULL : order_whole_copy(s->way.o, a);
    if (lower(&s->way))
        go_down(s);
    if (here && peak < s->smallest_bytes)
        note_smallest(s, here);
    arena_free(a);
}

static void follow(struct search *s, const struct order *from)
{
    go_on_with(&s->way, from);
    go_down(s);
}

static void find_order(struct search *s)
{
    struct way *w = &s->way;

    s->best = NULL;
    s->first = s->smallest = order_of(s->g, s->scratch);
    s->smallest_bytes = s->g->arena_bytes;
    *w = (struct way){ .now = arena_new(), .next = arena_new(), .scratch = arena_new(), .tries = arena_new() };
    w->most_steps = GROWTH * s->first->steps;
    int turn = turn_of(s->first);
    int64_t segment = kept_bytes(s->first, turn) / COARSE;
    follow(s, s->first);
    for (int i = 0; i < LADDER && turn >= 0; i++, segment -= segment / 3)
        follow(s, cut_order(s->first, turn, segment, s->scratch));
    arena_free(w->now);
    arena_free(w->next);
    arena_free(w->scratch);
    arena_free(w->tries);
}

/* ---- the pass ---- */

/* What an instance takes where the graph's arena has so many bytes. */
static int64_t measured(const struct budget *b, struct graph *g, int64_t arena_bytes)
{
    int64_t is = g->arena_bytes;

    g->arena_bytes = arena_bytes;
    int64_t all = b->measure(b->context, g->module);
    g->arena_bytes = is;
    return all;
}

int64_t arena_room(const struct budget *b, struct module *m)
{
    const int64_t large = INT64_C(1) << 48;

    return b->bytes - (measured(b, m->graph[GRAPH_TRAIN], large) - large);
}

static bool fits(const struct budget *b, struct graph *g)
{
    return measured(b, g, g->arena_bytes) <= b->bytes;
}

/* In parts of so many samples: planned as it is, and, where that does not fit and the graph trains, an order found for it. */
static bool fits_in_parts(struct search *s, int64_t samples)
{
    s->g->part = samples;
    s->best = NULL;
    plan_graph(s->g, PLAN_ROUNDS, s->scratch);
    if (s->g->arena_bytes <= s->room || s->g->kind != GRAPH_TRAIN)
        return s->g->arena_bytes <= s->room;
    find_order(s);
    return s->best != NULL;
}

static int64_t samples_of(const struct graph *g, int64_t parts)
{
    return (g->module->batch + parts - 1) / parts;
}

static int steps_of(const struct search *s)
{
    return s->best ? s->best->steps : 0; /* fewer than any order has: the graph stays as it is */
}

/* In parts of so many samples, with sums kept apart for threads where that takes no more steps. */
static void take_parts(struct search *s, int64_t samples)
{
    fits_in_parts(s, samples);
    int steps = steps_of(s);
    if (!winograd_keep_apart(s->g, samples) || (fits_in_parts(s, samples) && steps_of(s) <= steps))
        return;
    winograd_keep_apart(s->g, 1);
    fits_in_parts(s, samples);
}

/* As few parts as fit, all sums in one place. What fits in some parts fits in more: so the search halves what is left. */
static void choose_parts(struct search *s)
{
    int64_t batch = s->g->module->batch, few = 0, many = batch; /* few do not fit, many do */

    winograd_keep_apart(s->g, 1);
    if (!fits_in_parts(s, 1))
        return;
    s->something_fits = true;
    while (many - few > 1) {
        int64_t parts = few + (many - few) / 2;
        if (fits_in_parts(s, samples_of(s->g, parts)))
            many = parts;
        else
            few = parts;
    }
    take_parts(s, samples_of(s->g, many));
}

/* Graphs that do not train keep nothing: in fewer samples they take less, or they do not. */
static void choose_others(struct module *m, int64_t room, struct arena *scratch)
{
    static const enum graph_kind kinds[] = { GRAPH_EVAL, GRAPH_INFER };

    for (int i = 0; i < 2; i++) {
        struct search s = { .g = m->graph[kinds[i]], .scratch = scratch, .room = room };
        if (s.g && s.g->part && s.g->arena_bytes > room)
            choose_parts(&s);
    }
}

bool pass_recompute(struct module *m, struct pass_context *c)
{
    struct search s = { .g = m->graph[GRAPH_TRAIN], .scratch = c->scratch };

    if (!s.g || !c->budget || s.g->arena_bytes < 0 || fits(c->budget, s.g))
        return false;
    s.room = arena_room(c->budget, m);
    choose_others(m, s.room, c->scratch);
    if (s.g->arena_bytes <= s.room)
        return true;
    if (s.g->part)
        choose_parts(&s);
    else
        find_order(&s);
    if (s.g->arena_bytes > s.room) {
        order_to_graph(s.best ? s.best : s.smallest, s.g, s.scratch);
        plan_graph(s.g, PLAN_ROUNDS_OF_MANY, c->scratch);
    }
    return true;
}
