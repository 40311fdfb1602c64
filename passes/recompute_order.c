/* passes/recompute_order.c: a graph as an order of steps, and back. */
#include <string.h>

#include "ir/in_place.h"
#include "ir/nest.h"
#include "passes/recompute.h"

/* ---- from the graph ---- */

static bool is_written(const struct value *v)
{
    for (const struct use *u = v->var ? v->uses : NULL; u; u = u->next)
        if (group_writes(u->user, u->index))
            return true;
    return false;
}

/* Whether what a body gives is made of variables that are written, whose old contents may be gone. */
static bool gives_written(const struct node *n)
{
    const struct graph *body = n->body[0];

    for (int i = 0; i < n->operands; i++)
        body->param[i]->id = is_written(operand(n, i));
    for (const struct node *b = body->first; b; b = b->next) {
        bool written = b->bodies > 0;
        for (int i = 0; i < b->operands; i++)
            written |= operand(b, i)->id;
        for (int i = 0; i < b->results; i++)
            b->result[i]->id = written;
    }
    for (int i = 0; i < body->yields; i++)
        if (body->yield[i]->id)
            return true;
    return false;
}

static bool reads_written(const struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        if (is_written(operand(n, i)))
            return true;
    return false;
}

/* Whether a group's effects are assignments of values that it makes, and nothing else. */
static bool only_assigns(const struct node *n)
{
    for (const struct node *b = n->body[0]->first; b; b = b->next)
        if (node_has_effect(b) && (b->op != OP_assign || !operand(b, 1)->def))
            return false;
    return true;
}

static bool runs_once(const struct node *n)
{
    if (n->op == OP_fused)
        return !only_assigns(n) || gives_written(n);
    return n->op != OP_scan || node_has_effect(n) || reads_written(n);
}

static void add_asides(struct order *o, struct step *s)
{
    const struct node *n = s->of;
    int64_t *aside = NEW_ARRAY(o->arena, n->operands + 1, int64_t);

    for (const struct node *b = n->op == OP_fused ? n->body[0]->first : NULL; b; b = b->next)
        if (b->op == OP_assign && !s->once)
            aside[s->asides++] = plan_bytes(n->graph->module, operand(b, 1)->type, graph_samples(n->graph));
    s->aside = aside;
}

int order_add_item(struct order *o, int64_t bytes, int root)
{
    void *items = o->item;

    arena_grow(o->arena, &items, &o->item_capacity, (size_t)o->items + 1, sizeof *o->item);
    o->item = items;
    o->item[o->items] =
        (struct item){ .bytes = bytes, .step = -1, .last = -1, .root = root < 0 ? o->items : root, .copy = -1 };
    return o->items++;
}

/* The pairs of a group's results and of those of its operands that are no variables. */
static void find_pairs(struct order *o, struct step *s)
{
    const struct node *n = s->of;
    const bool *pairs = n->op == OP_fused ? in_place_pairs(o->arena, n) : NULL;
    bool *in_place = NEW_ARRAY(o->arena, n->results * n->operands + 1, bool);

    for (int i = 0; i < n->results && pairs; i++)
        for (int k = 0, r = 0; k < n->operands; k++)
            if (!operand(n, k)->var)
                in_place[i * s->reads + r++] = pairs[i * n->operands + k];
    s->in_place = pairs ? in_place : NULL;
}

/* Buffers come in the order of the operations: an operation's results, as far as they lie in the arena, and then what lies
 * within it. */
static void add_step(struct order *o, struct node *n, const struct buffer *buffer, int count, int *at)
{
    struct step *s = NEW(o->arena, struct step);
    bool kernel = n->op == OP_fused || n->op == OP_scan;
    int64_t *inner = NEW_ARRAY(o->arena, count - *at + 1, int64_t);
    int *read = NEW_ARRAY(o->arena, n->operands + 1, int), *give = NEW_ARRAY(o->arena, n->results + 1, int);

    *s = (struct step){ .of = n, .work = 1 + node_work(n), .inner = inner, .read = read, .give = give };
    s->checks = group_has(n, OP_bound);
    for (int i = 0; i < n->operands; i++)
        s->writes |= group_writes(n, i);
    s->stands = !kernel || s->checks;
    s->stays = s->stands || node_has_effect(n);
    s->once = s->stands || runs_once(n);
    for (int i = 0; i < n->operands; i++)
        if (!operand(n, i)->var)
            read[s->reads++] = operand(n, i)->id;
    for (int i = 0; i < n->results; i++) {
        bool planned = *at < count && buffer[*at].value == n->result[i];
        give[s->gives++] = n->result[i]->id = order_add_item(o, planned ? buffer[*at].bytes : 0, -1);
        s->once |= !planned;
        *at += planned;
    }
    for (; *at < count && buffer[*at].born == o->steps; ++*at)
        inner[s->inners++] = buffer[*at].bytes;
    add_asides(o, s);
    find_pairs(o, s);
    o->step[o->steps++] = s;
}

struct order *order_of(struct graph *g, struct arena *a)
{
    struct order *o = NEW(a, struct order);
    int count, steps, at = 0;
    const struct buffer *buffer = plan_lives(g, a, &count, &steps);

    *o = (struct order){ .arena = a, .step = NEW_ARRAY(a, steps + 1, const struct step *) };
    for (struct node *n = g->first; n; n = n->next)
        add_step(o, n, buffer, count, &at);
    order_finish(o, a);
    return o;
}

/* ---- copies ---- */

struct step *order_again(struct order *o, const struct step *s)
{
    struct step *again = arena_copy(o->arena, s, sizeof *s);

    again->again = true;
    again->stays = false;
    if (s->asides && !s->again) {
        again->inner = s->aside;
        again->inners = s->asides;
    }
    return again;
}

struct order *order_copy(const struct order *from, int more_steps, struct arena *a)
{
    struct order *o = NEW(a, struct order);

    *o = (struct order){ .arena = a,
                         .steps = from->steps,
                         .items = from->items,
                         .reader = from->reader,
                         .wary = from->wary,
                         .work = from->work };
    o->step = NEW_ARRAY(a, from->steps + more_steps + 1, const struct step *);
    memcpy(o->step, from->step, (size_t)from->steps * sizeof *o->step);
    o->item = arena_copy(a, from->item, (size_t)from->items * sizeof *from->item);
    o->item_capacity = (size_t)from->items;
    return o;
}

/* Items that are made, and all roots, whose numbers stay, close ranks: the new number of each. */
static const int *compact(struct order *o, struct arena *scratch)
{
    int *now = NEW_ARRAY(scratch, o->items + 1, int), kept = 0;

    for (int i = 0; i < o->items; i++) {
        if (o->item[i].step < 0 && o->item[i].root != i)
            continue;
        now[i] = kept;
        o->item[kept++] = o->item[i];
    }
    o->items = kept;
    return now;
}

static int *renumbered(const int *list, int count, const int *now, struct arena *a)
{
    int *copy = NEW_ARRAY(a, count + 1, int);

    for (int i = 0; i < count; i++)
        copy[i] = now[list[i]];
    return copy;
}

static void list_readers(struct order *o, struct arena *a)
{
    int *count = NEW_ARRAY(a, o->items + 1, int), all = 0, *reader;

    for (int i = 0; i < o->steps; i++)
        for (int k = 0; k < o->step[i]->reads; k++)
            count[o->step[i]->read[k]]++;
    for (int i = 0; i < o->items; i++) {
        o->item[i].readers = all;
        all += count[i] + 1;
        count[i] = o->item[i].readers;
    }
    reader = NEW_ARRAY(a, all + 1, int);
    for (int i = 0; i < o->steps; i++)
        for (int k = 0; k < o->step[i]->reads; k++)
            reader[count[o->step[i]->read[k]]++] = i;
    for (int i = 0; i < o->items; i++)
        reader[count[i]] = -1;
    o->reader = reader;
}

static void list_wary(struct order *o, struct arena *a)
{
    int *wary = NEW_ARRAY(a, o->steps + 1, int), count = 0;

    for (int i = 0; i < o->steps; i++)
        if (o->step[i]->checks || o->step[i]->writes)
            wary[count++] = i;
    wary[count] = -1;
    o->wary = wary;
}

static void link_copies(struct order *o, struct arena *scratch)
{
    int *next = NEW_ARRAY(scratch, o->items + 1, int);

    for (int i = 0; i < o->items; i++)
        next[i] = -1;
    for (int i = o->items - 1; i >= 0; i--) {
        o->item[i].copy = next[o->item[i].root];
        next[o->item[i].root] = i;
    }
}

struct order *order_whole_copy(const struct order *from, struct arena *a)
{
    struct order *o = order_copy(from, 0, a);
    const int *now = compact(o, a);

    for (int i = 0; i < o->steps; i++) {
        struct step *s = arena_copy(a, o->step[i], sizeof *s);
        s->read = renumbered(s->read, s->reads, now, a);
        s->give = renumbered(s->give, s->gives, now, a);
        s->inner = arena_copy(a, s->inner, (size_t)s->inners * sizeof *s->inner);
        s->aside = arena_copy(a, s->aside, (size_t)s->asides * sizeof *s->aside);
        o->step[i] = s;
    }
    link_copies(o, a);
    list_readers(o, a);
    list_wary(o, a);
    return o;
}

/* ---- measuring ---- */

/* From the last step to the first: whether a step stays, and, by numbers of all steps, where items are made and read last. */
static bool *find_lives(struct order *o, struct arena *scratch)
{
    bool *stays = NEW_ARRAY(scratch, o->steps + 1, bool);

    for (int i = 0; i < o->items; i++)
        o->item[i].step = o->item[i].last = -1;
    for (int i = o->steps - 1; i >= 0; i--) {
        const struct step *s = o->step[i];
        stays[i] = s->stays;
        for (int k = 0; k < s->gives; k++)
            stays[i] |= o->item[s->give[k]].last >= 0;
        for (int k = 0; k < s->gives && stays[i]; k++) {
            struct item *x = &o->item[s->give[k]];
            x->step = i;
            x->last = x->last < 0 ? i : x->last;
        }
        for (int k = 0; k < s->reads && stays[i]; k++) {
            struct item *x = &o->item[s->read[k]];
            x->last = x->last < 0 ? i : x->last;
        }
    }
    return stays;
}

/* Steps that nobody reads any more go: the number of each that stays. */
static const int *sweep(struct order *o, const bool *stays, struct arena *scratch)
{
    int *now = NEW_ARRAY(scratch, o->steps + 1, int), kept = 0;

    o->work = 0;
    for (int i = 0; i < o->steps; i++) {
        if (!stays[i])
            continue;
        o->work += o->step[i]->work;
        now[i] = kept;
        o->step[kept++] = o->step[i];
    }
    o->steps = kept;
    return now;
}

void order_finish(struct order *o, struct arena *scratch)
{
    int steps = o->steps;
    const int *now = sweep(o, find_lives(o, scratch), scratch);

    for (int i = 0; i < o->items && o->steps < steps; i++) {
        struct item *x = &o->item[i];
        x->step = x->step < 0 ? -1 : now[x->step];
        x->last = x->last < 0 ? -1 : now[x->last];
    }
}

void order_finish_between(struct order *o, int from, int to)
{
    o->work = 0;
    for (int i = 0; i < o->steps; i++)
        o->work += o->step[i]->work;
    for (int i = from; i <= to; i++) {
        const struct step *s = o->step[i];
        for (int k = 0; k < s->gives + s->reads; k++) {
            struct item *x = &o->item[k < s->gives ? s->give[k] : s->read[k - s->gives]];
            x->step = k < s->gives ? i : x->step;
            x->last = x->last <= to ? i : x->last;
        }
    }
}

static bool dies_at(const struct item *x, int step)
{
    return x->last == step && x->bytes;
}

static bool lives_on(const struct item *x, int step)
{
    return x->last > step && x->bytes;
}

/* Of a step that gives one value: what it reads in whose place that comes to lie, or -1. */
static int place_taken(const struct order *o, int i)
{
    const struct step *s = o->step[i];
    int k = 0;

    if (!lives_on(&o->item[s->give[0]], i))
        return -1;
    while (k < s->reads && !(s->in_place[k] && dies_at(&o->item[s->read[k]], i)))
        k++;
    return k < s->reads ? k : -1;
}

/* Of what step i gives, what it reads in whose place that comes to lie; NULL: all have places of their own. */
static const int *places_taken(const struct order *o, int i, struct arena *a)
{
    const struct step *s = o->step[i];

    if (!s->in_place)
        return NULL;
    bool *read = NEW_ARRAY(a, s->gives + 1, bool), *dies = NEW_ARRAY(a, s->reads + 1, bool);
    int *in = NEW_ARRAY(a, s->gives + 1, int);
    for (int k = 0; k < s->reads; k++)
        dies[k] = dies_at(&o->item[s->read[k]], i);
    for (int k = 0; k < s->gives; k++)
        read[k] = lives_on(&o->item[s->give[k]], i);
    plan_in_place(s->in_place, s->gives, s->reads, read, dies, in);
    return in;
}

/* Of what step i gives, the bytes that have no place of their own. */
static int64_t bytes_in_place(const struct order *o, int i, struct arena *a)
{
    const struct step *s = o->step[i];
    int64_t sum = 0;

    if (s->in_place && s->gives == 1) /* most of them */
        return place_taken(o, i) < 0 ? 0 : o->item[s->give[0]].bytes;
    const int *in = places_taken(o, i, a);
    for (int k = 0; k < s->gives && in; k++)
        sum += in[k] < 0 ? 0 : o->item[s->give[k]].bytes;
    return sum;
}

int64_t *order_live_bytes(const struct order *o, struct arena *a)
{
    int64_t *live = NEW_ARRAY(a, o->steps + 1, int64_t);

    for (int i = 0; i < o->items; i++) {
        const struct item *x = &o->item[i];
        if (x->step < 0)
            continue;
        live[x->step] += x->bytes;
        live[x->last + 1] -= x->bytes;
    }
    for (int i = 1; i < o->steps; i++)
        live[i] += live[i - 1];
    for (int i = 0; i < o->steps; i++) {
        const struct step *s = o->step[i];
        for (int k = 0; k < s->inners; k++)
            live[i] += s->inner[k];
        live[i] -= s->in_place ? bytes_in_place(o, i, a) : 0;
    }
    return live;
}

/* Bytes that live no longer behind step i; what it reads twice dies once. */
static int64_t bytes_dying(const struct order *o, int i)
{
    const struct step *s = o->step[i];
    int64_t sum = 0;

    for (int k = 0; k < s->gives; k++)
        sum += o->item[s->give[k]].last == i ? o->item[s->give[k]].bytes : 0;
    for (int k = 0; k < s->reads; k++) {
        bool first = o->item[s->read[k]].last == i;
        for (int j = 0; j < k && first; j++)
            first = s->read[j] != s->read[k];
        sum += first ? o->item[s->read[k]].bytes : 0;
    }
    return sum;
}

int64_t *order_live_between(const struct order *o, int from, int to, int64_t across, struct arena *a)
{
    int64_t *live = NEW_ARRAY(a, to - from + 1, int64_t);

    for (int i = from; i <= to; i++) {
        const struct step *s = o->step[i];
        for (int k = 0; k < s->gives; k++)
            across += o->item[s->give[k]].bytes;
        live[i - from] = across - (s->in_place ? bytes_in_place(o, i, a) : 0);
        for (int k = 0; k < s->inners; k++)
            live[i - from] += s->inner[k];
        across -= bytes_dying(o, i);
    }
    return live;
}

int order_peak(const struct order *o, const int64_t *live)
{
    int peak = 0;

    for (int i = 1; i < o->steps; i++)
        peak = live[i] > live[peak] ? i : peak;
    return peak;
}

/* As the graph is planned that the order is made: the same buffers in the same order. */
int64_t order_planned_bytes(const struct order *o, struct arena *scratch)
{
    int count = o->items, at = 0;

    for (int i = 0; i < o->steps; i++)
        count += o->step[i]->inners;
    struct buffer *buffer = NEW_ARRAY(scratch, count + 1, struct buffer);
    int *where = NEW_ARRAY(scratch, o->items + 1, int);
    for (int i = 0; i < o->steps; i++) {
        const struct step *s = o->step[i];
        const int *in = places_taken(o, i, scratch);
        for (int k = 0; k < s->gives; k++) {
            const struct item *x = &o->item[s->give[k]];
            int place = in && in[k] >= 0 ? where[s->read[in[k]]] : -1;
            if (!x->bytes)
                continue;
            where[s->give[k]] = at;
            buffer[at++] = (struct buffer){ .bytes = x->bytes, .born = i, .dies = x->last, .in = place };
        }
        for (int k = 0; k < s->inners; k++)
            buffer[at++] = (struct buffer){ .bytes = s->inner[k], .born = i, .dies = i, .in = -1 };
    }
    return plan_places(buffer, at, o->steps, PLAN_ROUNDS_OF_MANY, scratch);
}

/* ---- back to the graph ---- */

/* What a group assigns to variables goes aside: it gives it, and nobody reads it. So it is the same kernel yet. */
static void set_aside(struct node *group)
{
    struct graph *body = group->body[0];
    struct value **yield = NEW_ARRAY(group->graph->module->arena, body->yields + group->operands, struct value *);
    int yields = 0;

    for (; yields < body->yields; yields++)
        yield[yields] = body->yield[yields];
    for (struct node *b = body->first, *next; b; b = next) {
        next = b->next;
        if (b->op != OP_assign)
            continue;
        yield[yields++] = operand(b, 1);
        node_add_result(group, operand(b, 1)->type);
        node_remove(b);
    }
    graph_yield(body, yield, yields);
}

/* The same once more, for now of the same operands. */
static struct node *node_again(struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        operand(n, i)->data = operand(n, i);
    struct node *copy = node_copy(n, n->graph, NULL);
    if (n->op == OP_fused && group_has(n, OP_assign))
        set_aside(copy);
    return copy;
}

/* Operations come to stand in the order of the steps, copies among them; those that are no step any more go. */
void order_to_graph(const struct order *o, struct graph *g, struct arena *scratch)
{
    struct value **value = NEW_ARRAY(scratch, o->items + 1, struct value *);

    for (struct node *n = g->first; n; n = n->next)
        n->id = 0;
    for (int i = 0; i < o->steps; i++) {
        const struct step *s = o->step[i];
        struct node *n = s->again ? node_again(s->of) : s->of;
        node_move(n, NULL);
        n->id = 1;
        for (int k = 0, r = 0; k < n->operands; k++)
            if (!operand(n, k)->var)
                node_set_operand(n, k, value[s->read[r++]]);
        for (int k = 0; k < s->gives; k++)
            value[s->give[k]] = n->result[k];
    }
    for (struct node *n = g->last, *previous; n; n = previous) {
        previous = n->previous;
        if (!n->id)
            node_remove(n);
    }
}
