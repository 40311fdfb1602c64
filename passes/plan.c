/* passes/plan.c: where everything lies. Every result of a group or scan gets an offset in one arena, for a full run;
 * what is dead makes room for what comes. Variables get offsets within their segments.
 *
 *     %1 : f32[N,8] = ...             %1 : f32[N,8] at 0 = ...
 *     %2 : f32[N,8] = ... %1    =>    %2 : f32[N,8] at 2048 = ... %1
 *     %3 : f32[N,8] = ... %2          %3 : f32[N,8] at 0 = ... %2
 *
 * A result that may lie in the place of an operand that dies there does (ir/in_place.h): the two are one to whoever gives
 * places. A scan's inner values live as long as the scan, each in a place of its own, but for views (ir/view.h), which lie
 * in what they are a step of. */
#include <string.h>

#include "ir/in_place.h"
#include "ir/view.h"
#include "passes/shared.h"

enum { ALIGNMENT = 64 };

struct planner {
    struct module *m;
    int64_t samples; /* of a full run */
    struct arena *scratch;
    struct buffer *buffer;
    int count;
    size_t capacity;
    int step;
    int rounds;
    struct life *life; /* of what has its place, by offset */
    struct range *range;
    int *beside; /* which of them live at the same time as another */
};

struct life {
    int born, dies;
};

struct range {
    int64_t from, to;
};

static int64_t aligned(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

int64_t plan_bytes(const struct module *m, struct type t, int64_t samples)
{
    int64_t size = t.dtype == DT_REAL ? (m->f64 ? 8 : 4) : t.dtype == DT_I32 ? 4 : 1;
    return aligned(type_count(t, samples) * size);
}

/* In the caller's buffer: what an output hands over. */
static bool lies_outside(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user->op == OP_output)
            return true;
    return false;
}

static void add(struct planner *p, struct value *v, int born, int dies)
{
    void *items = p->buffer;
    arena_grow(p->scratch, &items, &p->capacity, (size_t)p->count + 1, sizeof *p->buffer);
    p->buffer = items;
    v->id = p->count;
    p->buffer[p->count++] = (struct buffer){ v, plan_bytes(p->m, v->type, p->samples), -1, born, dies, -1 };
}

static void add_of_body(struct planner *p, struct value *v, int step)
{
    struct view view;

    if (view_of(v, &view))
        v->offset = -1;
    else
        add(p, v, step, step);
}

/* All values of a scan's body, and the parameters that are not captured. */
static void add_body(struct planner *p, struct node *scan, int step)
{
    struct graph *body = scan->body[0];
    int own = (int)(attr_int(scan, "sequences") + attr_int(scan, "carries"));
    for (int i = 0; i < own; i++)
        add_of_body(p, body->param[i], step);
    for (struct node *n = body->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++)
            add_of_body(p, n->result[i], step);
        if (n->op == OP_scan)
            add_body(p, n, step);
    }
}

static int last_use(const struct value *v, int born)
{
    int last = born;
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->user->id > last)
            last = u->user->id;
    return last;
}

void plan_in_place(const bool *pairs, int results, int operands, const bool *read, const bool *dies, int *in)
{
    for (int i = 0; i < results; i++) {
        in[i] = -1;
        for (int k = 0; k < operands && in[i] < 0; k++) {
            bool free = pairs && pairs[i * operands + k] && read[i] && dies[k];
            for (int j = 0; j < i; j++)
                free &= in[j] != k;
            in[i] = free ? k : -1;
        }
    }
}

/* A group's results that take an operand's place. What prepares is left alone: --embed-weights makes constants of both. */
static void take_places(struct planner *p, const struct node *n)
{
    const bool *pairs = n->op == OP_fused && n->graph->kind != GRAPH_PREPARE ? in_place_pairs(p->scratch, n) : NULL;
    int *in = NEW_ARRAY(p->scratch, n->results + 1, int);
    bool *read = NEW_ARRAY(p->scratch, n->results + 1, bool), *dies = NEW_ARRAY(p->scratch, n->operands + 1, bool);

    for (int i = 0; i < n->results; i++)
        read[i] = n->result[i]->uses && !lies_outside(n->result[i]);
    for (int k = 0; k < n->operands; k++) {
        const struct value *x = operand(n, k);
        dies[k] = !x->var && !lies_outside(x) && last_use(x, 0) == n->id;
    }
    plan_in_place(pairs, n->results, n->operands, read, dies, in);
    for (int i = 0; i < n->results; i++)
        if (in[i] >= 0)
            p->buffer[n->result[i]->id].in = operand(n, in[i])->id;
}

static void find_lives(struct planner *p, struct graph *g)
{
    int step = 0;
    for (struct node *n = g->first; n; n = n->next)
        n->id = step++;
    for (struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++)
            if (!lies_outside(n->result[i]))
                add(p, n->result[i], n->id, last_use(n->result[i], n->id));
        take_places(p, n);
        if (n->op == OP_scan)
            add_body(p, n, n->id);
    }
    p->step = step;
}

/* How many of what has its place live at the same time as b. Few do: there is no branch to guess wrong. */
static int find_beside(const struct planner *p, int placed, const struct buffer *b)
{
    const struct life *life = p->life, own = { b->born, b->dies };
    int count = 0, *beside = p->beside;

    for (int i = 0; i < placed; i++) {
        beside[count] = i;
        count += (life[i].born <= own.dies) & (own.born <= life[i].dies);
    }
    return count;
}

/* An offset at which it touches nothing that lives at the same time: the lowest, or that in the narrowest gap. */
static int64_t place(const struct planner *p, int placed, const struct buffer *b, bool narrowest)
{
    int64_t at = 0, found = -1, width = INT64_MAX, enough = narrowest ? b->bytes : INT64_MAX;
    int count = find_beside(p, placed, b);

    for (int i = 0; i < count && (found < 0 || width > enough); i++) {
        const struct range *r = &p->range[p->beside[i]];
        int64_t gap = r->from - at;
        if (gap >= b->bytes && gap < width) {
            found = at;
            width = gap;
        }
        at = r->to > at ? r->to : at;
    }
    return found < 0 ? at : found;
}

static void insert(const struct planner *p, int placed, const struct buffer *b)
{
    int at = 0;

    for (int end = placed; at < end;) { /* behind all that begin no later */
        int middle = at + (end - at) / 2;
        if (p->range[middle].from > b->offset)
            end = middle;
        else
            at = middle + 1;
    }
    memmove(&p->range[at + 1], &p->range[at], (size_t)(placed - at) * sizeof *p->range);
    memmove(&p->life[at + 1], &p->life[at], (size_t)(placed - at) * sizeof *p->life);
    p->range[at] = (struct range){ b->offset, b->offset + b->bytes };
    p->life[at] = (struct life){ b->born, b->dies };
}

/* ---- orders in which places are given ---- */

typedef bool before_fn(const struct buffer *a, const struct buffer *b);

static bool larger(const struct buffer *a, const struct buffer *b)
{
    return a->bytes > b->bytes;
}

static bool longer(const struct buffer *a, const struct buffer *b)
{
    return a->dies - a->born > b->dies - b->born;
}

static bool more(const struct buffer *a, const struct buffer *b)
{
    return (double)a->bytes * (a->dies - a->born + 1) > (double)b->bytes * (b->dies - b->born + 1);
}

static bool earlier(const struct buffer *a, const struct buffer *b)
{
    return a->born < b->born;
}

static bool later(const struct buffer *a, const struct buffer *b)
{
    return a->dies > b->dies;
}

/* Of a size the one that lives longer. */
static bool larger_or_longer(const struct buffer *a, const struct buffer *b)
{
    return a->bytes > b->bytes || (a->bytes == b->bytes && longer(a, b));
}

static before_fn *const before[] = { larger, longer, more, earlier, later, larger_or_longer };

static int *sorted(struct planner *p, before_fn *first)
{
    int *order = NEW_ARRAY(p->scratch, p->count + 1, int);
    for (int i = 0; i < p->count; i++) {
        int at = i;
        for (; at > 0 && first(&p->buffer[i], &p->buffer[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return order;
}

/* Bytes that live at each step. */
static int64_t *live_bytes(const struct buffer *buffer, int count, int steps, struct arena *scratch)
{
    int64_t *live = NEW_ARRAY(scratch, steps + 2, int64_t);

    for (int i = 0; i < count; i++) {
        live[buffer[i].born] += buffer[i].bytes;
        live[buffer[i].dies + 1] -= buffer[i].bytes;
    }
    for (int i = 1; i <= steps; i++)
        live[i] += live[i - 1];
    return live;
}

static int peak_step(const int64_t *live, int steps)
{
    int peak = 0;

    for (int i = 1; i < steps; i++)
        peak = live[i] > live[peak] ? i : peak;
    return peak;
}

/* Each with all that come to lie in its place, one after the other; which[i]: the one that i is part of. */
static struct buffer *joined(const struct buffer *buffer, int *count, int *which, struct arena *scratch)
{
    struct buffer *all = NEW_ARRAY(scratch, *count + 1, struct buffer);
    int own = 0;

    for (int i = 0; i < *count; i++) {
        const struct buffer *b = &buffer[i];
        which[i] = b->in < 0 ? own : which[b->in];
        if (b->in < 0)
            all[own++] = *b;
        else
            all[which[i]].dies = b->dies;
    }
    *count = own;
    return all;
}

static int64_t bound_of(const struct buffer *all, int count, int steps, struct arena *scratch)
{
    const int64_t *live = live_bytes(all, count, steps, scratch);

    return live[peak_step(live, steps)];
}

int64_t plan_bound(const struct buffer *buffer, int count, int steps, struct arena *scratch)
{
    int *which = NEW_ARRAY(scratch, count + 1, int);
    const struct buffer *all = joined(buffer, &count, which, scratch);

    return bound_of(all, count, steps, scratch);
}

/* Where most lives there is no room for gaps: what lives there gets its place first. */
static int *peak_first(struct planner *p, const int *order)
{
    int peak = peak_step(live_bytes(p->buffer, p->count, p->step, p->scratch), p->step), at = 0;
    int *first = NEW_ARRAY(p->scratch, p->count + 1, int);

    for (int lives = 1; lives >= 0; lives--)
        for (int i = 0; i < p->count; i++) {
            const struct buffer *b = &p->buffer[order[i]];
            if ((b->born <= peak && peak <= b->dies) == lives)
                first[at++] = order[i];
        }
    return first;
}

/* Gives places in this order; how far they reach. */
static int64_t give_places(struct planner *p, const int *order, bool narrowest)
{
    int64_t end = 0;

    for (int i = 0; i < p->count; i++) {
        struct buffer *b = &p->buffer[order[i]];
        b->offset = place(p, i, b, narrowest);
        insert(p, i, b);
        end = b->offset + b->bytes > end ? b->offset + b->bytes : end;
    }
    return end;
}

/* The buffer that reaches furthest gets its place first; false where it did so already. */
static bool promote(const struct planner *p, int *order, int64_t end)
{
    int at = 0;

    while (p->buffer[order[at]].offset + p->buffer[order[at]].bytes != end)
        at++;
    int first = order[at];
    memmove(&order[1], &order[0], (size_t)at * sizeof *order);
    order[0] = first;
    return at > 0;
}

enum { ORDERS = sizeof before / sizeof *before, WAYS = 4 * ORDERS };

/* All orders, with what lives at the peak in front or not; half of the ways go into the lowest place, half into the
 * narrowest gap. */
static int *first_order(struct planner *p, int way)
{
    int *order = sorted(p, before[way % ORDERS]);

    return way / ORDERS % 2 ? peak_first(p, order) : order;
}

/* The best of several ways, each tried again with what reached furthest in front; the first that needs no more than the
 * lower bound will do. */
static int64_t best_places(struct planner *p, int64_t bound)
{
    size_t size = (size_t)p->count * sizeof(int);
    int *best = NEW_ARRAY(p->scratch, p->count + 1, int), *order[WAYS], best_way = 0;
    int64_t least = INT64_MAX;
    bool ended[WAYS] = { false };

    p->life = NEW_ARRAY(p->scratch, p->count + 1, struct life);
    p->range = NEW_ARRAY(p->scratch, p->count + 1, struct range);
    p->beside = NEW_ARRAY(p->scratch, p->count + 1, int);
    for (int i = 0; i < WAYS * p->rounds && least != bound && p->count; i++) {
        int way = i % WAYS;
        if (ended[way])
            continue;
        if (i < WAYS)
            order[way] = first_order(p, way);
        int64_t end = give_places(p, order[way], way >= WAYS / 2);
        if (end < least) {
            memcpy(best, order[way], size);
            least = end;
            best_way = way;
        }
        ended[way] = !promote(p, order[way], end);
    }
    return p->count ? give_places(p, best, best_way >= WAYS / 2) : 0;
}

struct buffer *plan_lives(struct graph *g, struct arena *scratch, int *count, int *steps)
{
    struct planner p = { .m = g->module, .samples = graph_samples(g), .scratch = scratch };

    find_lives(&p, g);
    *count = p.count;
    *steps = p.step;
    return p.buffer;
}

int64_t plan_places(struct buffer *buffer, int count, int steps, int rounds, struct arena *scratch)
{
    struct planner p = { .scratch = scratch, .count = count, .step = steps, .rounds = rounds };
    int *which = NEW_ARRAY(scratch, count + 1, int);

    p.buffer = joined(buffer, &p.count, which, scratch);
    int64_t end = best_places(&p, bound_of(p.buffer, p.count, steps, scratch));
    for (int i = 0; i < count; i++)
        buffer[i].offset = p.buffer[which[i]].offset;
    return end + ALIGNMENT; /* lanes may read a little behind a buffer */
}

void plan_graph(struct graph *g, int rounds, struct arena *scratch)
{
    int count, steps;
    struct buffer *buffer = plan_lives(g, scratch, &count, &steps);

    g->lower_bound = plan_bound(buffer, count, steps, scratch);
    g->arena_bytes = plan_places(buffer, count, steps, rounds, scratch);
    for (int i = 0; i < count; i++) {
        buffer[i].value->offset = buffer[i].offset;
        buffer[i].value->born = buffer[i].born;
        buffer[i].value->dies = buffer[i].dies;
    }
}

/* Gradients and optimizer state have their parameters' spacing, from the first trained one on. */
static void lay_out_variables(struct module *m)
{
    int64_t param = 0, state = 0, prepared = 0, grad = 0, optimizer = 0, total = 0;
    for (int i = 0; i < m->vars; i++) {
        struct var *v = m->var[i];
        int64_t bytes = plan_bytes(m, v->type, m->batch), *segment = NULL;
        switch (v->role) {
        case ROLE_PARAM:
        case ROLE_FROZEN: segment = &param; break;
        case ROLE_STATE: segment = &state; break;
        case ROLE_PREPARED: segment = &prepared; break;
        case ROLE_GRAD: segment = &grad; break;
        case ROLE_OPTIMIZER: segment = &optimizer; break;
        case ROLE_TOTAL: segment = &total; break;
        default: continue;
        }
        v->offset = *segment;
        *segment += bytes;
    }
    for (int i = 0; i < m->vars; i++)
        if (m->var[i]->role == ROLE_RANGE)
            m->var[i]->offset = m->var[i]->of->offset;
}

bool pass_plan(struct module *m, struct pass_context *c)
{
    lay_out_variables(m);
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            plan_graph(m->graph[k], PLAN_ROUNDS, c->scratch);
    return true;
}
