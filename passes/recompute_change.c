/* passes/recompute_change.c: other orders of the same steps, and of some of them again. */
#include "passes/recompute.h"

static void replace_read(struct order *o, struct step *s, int from, int to)
{
    s->read = arena_copy(o->arena, s->read, (size_t)s->reads * sizeof *s->read);
    for (int k = 0; k < s->reads; k++)
        s->read[k] = s->read[k] == from ? to : s->read[k];
}

static bool step_reads(const struct step *s, int item)
{
    for (int k = 0; k < s->reads; k++)
        if (s->read[k] == item)
            return true;
    return false;
}

/* New items for what the step gives. */
static void give_anew(struct order *o, struct step *s)
{
    s->give = arena_copy(o->arena, s->give, (size_t)s->gives * sizeof *s->give);
    for (int k = 0; k < s->gives; k++)
        s->give[k] = order_add_item(o, o->item[s->give[k]].bytes, o->item[s->give[k]].root);
}

static int *none(int count, struct arena *a)
{
    int *list = NEW_ARRAY(a, count + 1, int);

    for (int i = 0; i < count; i++)
        list[i] = -1;
    return list;
}

/* ---- made again before it is read ---- */

struct change {
    struct order *o; /* the order before it */
    int at;          /* the step in whose front all is put that it needs */
    bool sharing;
    struct step *put; /* in order */
    int puts;
    int *made; /* by root: the item that is there for readers from here on; -1: none so far */
    bool *moved;
};

static int make_again(struct change *c, int item);

static bool lives_at(const struct item *x, int at)
{
    return x->step >= 0 && x->step < at && x->last >= at;
}

static int living_copy(const struct change *c, int root)
{
    for (int i = 0; i < c->o->items; i++)
        if (c->o->item[i].root == root && lives_at(&c->o->item[i], c->at))
            return i;
    return -1;
}

/* A copy made for readers still later. */
static int later_copy(const struct change *c, int root)
{
    const struct order *o = c->o;

    for (int i = 0; i < o->items && c->sharing; i++)
        if (o->item[i].root == root && o->item[i].step >= c->at && o->step[o->item[i].step].again)
            return i;
    return -1;
}

/* What stands for an item from here on: itself or a copy that lives, or one that is made. */
static int available(struct change *c, int item, int64_t beside)
{
    const struct order *o = c->o;
    const struct item *x = &o->item[item];
    int root = x->root, copy;

    if (c->made[root] < 0 && (copy = lives_at(x, c->at) ? item : living_copy(c, root)) >= 0)
        c->made[root] = copy;
    if (c->made[root] < 0 && (o->step[x->step].once || (x->bytes * SMALL <= beside && x->step < c->at)))
        c->made[root] = item; /* it lives longer */
    return c->made[root] >= 0 ? c->made[root] : make_again(c, item);
}

static int make_again(struct change *c, int item)
{
    struct order *o = c->o;
    int root = o->item[item].root, later = later_copy(c, root);
    int from = later >= 0 ? o->item[later].step : o->item[item].step;
    struct step s = order_again(o, &o->step[from]);
    int64_t bytes = o->item[item].bytes;

    for (int k = 0; k < s.reads; k++)
        s.read[k] = available(c, s.read[k], bytes);
    if (later >= 0)
        c->moved[from] = true;
    else
        give_anew(o, &s);
    for (int k = 0; k < s.gives; k++) {
        int other = o->item[s.give[k]].root;
        c->made[other] = c->made[other] < 0 || other == root ? s.give[k] : c->made[other];
    }
    c->put[c->puts++] = s;
    return c->made[root];
}

/* Whoever reads, from the change on, what lived there and is made again reads the new copy. */
static void redirect(struct change *c, int items)
{
    struct order *o = c->o;

    for (int i = c->at; i < o->steps; i++)
        for (int k = 0; k < o->step[i].reads; k++) {
            int x = o->step[i].read[k], to = x < items ? c->made[o->item[x].root] : -1;
            if (to >= items && to != x && lives_at(&o->item[x], c->at))
                replace_read(o, &o->step[i], x, to);
        }
}

static void put_in(struct change *c)
{
    struct order *o = c->o;
    const struct step *old = o->step;
    int steps = 0;

    o->step = NEW_ARRAY(o->arena, o->steps + c->puts + 1, struct step);
    for (int i = 0; i < o->steps; i++) {
        for (int k = 0; k < c->puts && i == c->at; k++)
            o->step[steps++] = c->put[k];
        if (!c->moved[i])
            o->step[steps++] = old[i];
    }
    o->steps = steps;
}

struct order *made_later(const struct order *from, int item, int at, bool sharing, struct arena *a)
{
    struct order *o = order_copy(from, 0, a);
    struct change c = { .o = o, .at = at, .sharing = sharing };

    c.put = NEW_ARRAY(a, from->steps + 1, struct step);
    c.moved = NEW_ARRAY(a, from->steps + 1, bool);
    c.made = none(from->items, a);
    int copy = make_again(&c, item);
    for (int i = at; i < o->steps; i++)
        if (step_reads(&o->step[i], item))
            replace_read(o, &o->step[i], item, copy);
    redirect(&c, from->items);
    put_in(&c);
    order_finish(o, a);
    return o;
}

/* ---- read earlier ---- */

/* Whether the two may not change places because of a variable. */
static bool conflict(const struct step *a, const struct step *b)
{
    const struct node *m = a->of, *n = b->of;

    for (int i = 0; i < m->operands && (a->writes || b->writes); i++)
        for (int k = 0; k < n->operands && operand(m, i)->var; k++)
            if (operand(m, i) == operand(n, k) && (group_writes(m, i) || group_writes(n, k)))
                return true;
    return false;
}

/* A step that goes to the front of step `at` takes with it what it reads of what is made from there on. */
static bool may_go(const struct order *o, const bool *goes, int step, int at)
{
    if (o->step[step].stands || step == at)
        return false;
    for (int i = at; i < step; i++)
        if (!goes[i] && (o->step[i].checks || conflict(&o->step[step], &o->step[i])))
            return false;
    return true;
}

struct order *read_earlier(const struct order *from, int item, int at, struct arena *a)
{
    struct order *o = order_copy(from, 0, a);
    bool *goes = NEW_ARRAY(a, from->steps + 1, bool);
    int steps = at;

    for (int i = from->steps - 1; i >= at; i--) {
        const struct step *s = &from->step[i];
        goes[i] |= step_reads(s, item);
        for (int k = 0; k < s->reads && goes[i]; k++)
            if (from->item[s->read[k]].step >= at)
                goes[from->item[s->read[k]].step] = true;
    }
    for (int i = at; i < from->steps; i++)
        if (goes[i] && !may_go(from, goes, i, at))
            return NULL;
    for (int going = 1; going >= 0; going--)
        for (int i = at; i < from->steps; i++)
            if (goes[i] == going)
                o->step[steps++] = from->step[i];
    order_finish(o, a);
    return o;
}

/* ---- cuts ---- */

struct cuts {
    const struct order *from;
    struct order *o;
    int turn;
    bool *kept; /* by item: it is read from where it was made first */
    int *there; /* by item: the copy that is there; -1: none so far */
};

/* Bytes that pass from the steps up to each to the steps behind it, up to the turn. */
static int64_t *crossing_bytes(const struct cuts *c, const int *last, struct arena *a)
{
    int64_t *bytes = NEW_ARRAY(a, c->turn + 2, int64_t);

    for (int i = 0; i < c->from->items; i++) {
        const struct item *x = &c->from->item[i];
        if (x->step < last[i]) {
            bytes[x->step] += x->bytes;
            bytes[last[i]] -= x->bytes;
        }
    }
    for (int i = 1; i <= c->turn; i++)
        bytes[i] += bytes[i - 1];
    return bytes;
}

/* The last readers up to the turn. */
static int *last_before_turn(const struct cuts *c, struct arena *a)
{
    int *last = none(c->from->items, a);

    for (int i = 0; i <= c->turn; i++)
        for (int k = 0; k < c->from->step[i].reads; k++)
            last[c->from->step[i].read[k]] = i;
    return last;
}

static int64_t bytes_behind_turn(const struct cuts *c, const struct step *s)
{
    int64_t bytes = 0;

    for (int k = 0; k < s->gives; k++)
        bytes += c->from->item[s->give[k]].last > c->turn ? c->from->item[s->give[k]].bytes : 0;
    return bytes;
}

static void keep_across(struct cuts *c, int at, const int *last)
{
    for (int i = 0; i < c->from->items; i++)
        if (c->from->item[i].step <= at && last[i] > at)
            c->kept[i] = true;
}

/* A segment ends at the narrowest place of its second half. */
static void choose_cuts(struct cuts *c, int64_t segment, struct arena *a)
{
    const int *last = last_before_turn(c, a);
    const int64_t *crossing = crossing_bytes(c, last, a);
    int64_t bytes = 0, after = 0;
    int best = -1;

    for (int i = 0; i < c->turn; i++) {
        int64_t more = bytes_behind_turn(c, &c->from->step[i]);
        bytes += more;
        after += more;
        if (bytes * 2 >= segment && (best < 0 || crossing[i] <= crossing[best])) {
            best = i;
            after = 0;
        }
        if (bytes < segment)
            continue;
        keep_across(c, best, last);
        bytes = after;
        best = -1;
    }
}

/* What is small beside what it is made with stays where it is. */
static void keep_small(struct cuts *c)
{
    for (int i = 0; i <= c->turn; i++) {
        const struct step *s = &c->from->step[i];
        int64_t most = 0;
        for (int k = 0; k < s->reads + s->gives; k++) {
            int64_t bytes = c->from->item[k < s->reads ? s->read[k] : s->give[k - s->reads]].bytes;
            most = bytes > most ? bytes : most;
        }
        for (int k = 0; k < s->gives; k++)
            c->kept[s->give[k]] |= s->once || c->from->item[s->give[k]].bytes * SMALL <= most;
    }
}

static void add_step_again(struct cuts *c, const struct step *s);

static int there(struct cuts *c, int item)
{
    int step = c->from->item[item].step;

    if (step > c->turn || c->kept[item])
        return item;
    if (c->there[item] < 0)
        add_step_again(c, &c->from->step[step]);
    return c->there[item];
}

/* The step, with copies of what is not there in front of it. */
static void add_reader(struct cuts *c, struct step s)
{
    s.read = arena_copy(c->o->arena, s.read, (size_t)s.reads * sizeof *s.read);
    for (int k = 0; k < s.reads; k++)
        s.read[k] = there(c, s.read[k]);
    c->o->step[c->o->steps++] = s;
}

static void add_step_again(struct cuts *c, const struct step *s)
{
    struct step again = order_again(c->o, s);

    give_anew(c->o, &again);
    add_reader(c, again);
    for (int k = 0; k < s->gives; k++)
        c->there[s->give[k]] = again.give[k];
}

struct order *cut_order(const struct order *from, int turn, int64_t segment, struct arena *a)
{
    struct cuts c = { .from = from, .o = order_copy(from, turn + 1, a), .turn = turn };

    c.kept = NEW_ARRAY(a, from->items + 1, bool);
    c.there = none(from->items, a);
    choose_cuts(&c, segment, a);
    keep_small(&c);
    c.o->steps = turn + 1;
    for (int i = turn + 1; i < from->steps; i++)
        add_reader(&c, from->step[i]);
    order_finish(c.o, a);
    return c.o;
}
