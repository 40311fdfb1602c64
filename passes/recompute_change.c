/* passes/recompute_change.c: other orders of the same steps, and of some of them again. */
#include <string.h>

#include "passes/recompute.h"

/* A list of what a step reads, to be changed. */
static int *own_reads(struct order *o, struct step *s)
{
    int *read = arena_copy(o->arena, s->read, (size_t)s->reads * sizeof *s->read);

    s->read = read;
    return read;
}

/* New items for what the step gives. */
static void give_anew(struct order *o, struct step *s)
{
    int *give = arena_copy(o->arena, s->give, (size_t)s->gives * sizeof *s->give);

    for (int k = 0; k < s->gives; k++)
        give[k] = order_add_item(o, o->item[s->give[k]].bytes, o->item[s->give[k]].root);
    s->give = give;
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
    const struct step **put; /* in order */
    int puts;
    int *made;   /* by root: the item that is there for readers from here on; -1: none so far */
    int *reads;  /* by item: what readers from here on read instead; -1: itself */
    bool *moved; /* by step: it runs in front of `at` instead, where it is among what is put there */
    int *left, lefts;
    bool *gone;     /* by step: nobody needs it any more */
    bool *put_read; /* by item: what is put reads it */
};

static int make_again(struct change *c, int item);

static bool lives_at(const struct item *x, int at)
{
    return x->step >= 0 && x->step < at && x->last >= at;
}

static int living_copy(const struct change *c, int root)
{
    int i = root;

    while (i >= 0 && !lives_at(&c->o->item[i], c->at))
        i = c->o->item[i].copy;
    return i;
}

/* A copy made for readers still later. */
static int later_copy(const struct change *c, int root)
{
    const struct order *o = c->o;
    int i = c->sharing ? root : -1;

    while (i >= 0 && !(o->item[i].step >= c->at && o->step[o->item[i].step]->again))
        i = o->item[i].copy;
    return i;
}

/* What stands for an item from here on: itself or a copy that lives, or one that is made. */
static int available(struct change *c, int item, int64_t beside)
{
    const struct order *o = c->o;
    const struct item *x = &o->item[item];
    int root = x->root, copy;

    if (c->made[root] < 0 && (copy = lives_at(x, c->at) ? item : living_copy(c, root)) >= 0)
        c->made[root] = copy;
    if (c->made[root] < 0 && (o->step[x->step]->once || (x->bytes * SMALL <= beside && x->step < c->at)))
        c->made[root] = item; /* it lives longer */
    return c->made[root] >= 0 ? c->made[root] : make_again(c, item);
}

static int make_again(struct change *c, int item)
{
    struct order *o = c->o;
    int root = o->item[item].root, later = later_copy(c, root);
    int from = later >= 0 ? o->item[later].step : o->item[item].step;
    struct step *s = order_again(o, o->step[from]);
    int64_t bytes = o->item[item].bytes;
    int *read = own_reads(o, s);

    for (int k = 0; k < s->reads; k++)
        read[k] = available(c, read[k], bytes);
    if (later >= 0) {
        c->moved[from] = true;
        c->left[c->lefts++] = from;
    } else
        give_anew(o, s);
    for (int k = 0; k < s->gives; k++) {
        int other = o->item[s->give[k]].root;
        c->made[other] = c->made[other] < 0 || other == root ? s->give[k] : c->made[other];
    }
    c->put[c->puts++] = s;
    return c->made[root];
}

/* Whoever reads, from the change on, what lived there and is made again reads the new copy. */
static void redirect(struct change *c, int items)
{
    const struct order *o = c->o;

    for (int i = 0; i < c->puts; i++)
        for (int k = 0; k < c->put[i]->gives; k++) {
            int root = o->item[c->put[i]->give[k]].root, to = c->made[root];
            for (int x = root; x >= 0 && to >= items; x = o->item[x].copy)
                c->reads[x] = lives_at(&o->item[x], c->at) ? to : -1;
        }
}

static const struct step *redirected(const struct change *c, const struct step *from)
{
    int k = 0;

    while (k < from->reads && c->reads[from->read[k]] < 0)
        k++;
    if (k == from->reads)
        return from;
    struct step *s = arena_copy(c->o->arena, from, sizeof *s);
    int *read = own_reads(c->o, s);
    for (; k < s->reads; k++)
        read[k] = c->reads[read[k]] < 0 ? read[k] : c->reads[read[k]];
    return s;
}

static void put_in(struct change *c)
{
    struct order *o = c->o;
    const struct step *const *old = o->step;
    int steps = c->at;

    o->step = NEW_ARRAY(o->arena, o->steps + c->puts + 1, const struct step *);
    memcpy(o->step, old, (size_t)c->at * sizeof *old);
    for (int k = 0; k < c->puts; k++)
        o->step[steps++] = c->put[k];
    for (int i = c->at; i < o->steps; i++)
        if (!c->moved[i])
            o->step[steps++] = redirected(c, old[i]);
    o->steps = steps;
}

static bool is_read_still(const struct change *c, int item)
{
    const int *reader = &c->o->reader[c->o->item[item].readers];

    for (; *reader >= 0; reader++)
        if (!c->moved[*reader] && !c->gone[*reader] && (*reader < c->at || c->reads[item] < 0))
            return true;
    return c->put_read[item];
}

/* The work of the step that gives an item which has lost a reader, and of those that only it needs, where it goes. */
static double work_going(struct change *c, int item)
{
    int at = c->o->item[item].step;
    const struct step *s = c->o->step[at];
    double work = s->work;

    if (s->stays || c->moved[at] || c->gone[at])
        return 0;
    for (int k = 0; k < s->gives; k++)
        if (is_read_still(c, s->give[k]))
            return 0;
    c->gone[at] = true;
    for (int k = 0; k < s->reads; k++)
        work += work_going(c, s->read[k]);
    return work;
}

/* What the change takes more than the order before it, but for rounding. */
static double more_work(struct change *c, int items)
{
    const struct order *o = c->o;
    double work = 0;

    for (int i = 0; i < c->puts; i++) {
        work += c->put[i]->work;
        for (int k = 0; k < c->put[i]->reads; k++)
            c->put_read[c->put[i]->read[k]] |= c->put[i]->read[k] < items;
    }
    for (int i = 0; i < c->lefts; i++) {
        const struct step *s = o->step[c->left[i]];
        work -= s->work;
        for (int k = 0; k < s->reads; k++)
            work -= work_going(c, s->read[k]);
    }
    for (int i = 0; i < c->puts; i++)
        for (int k = 0; k < c->put[i]->gives; k++)
            for (int x = o->item[c->put[i]->give[k]].root; x >= 0; x = o->item[x].copy)
                work -= c->reads[x] >= 0 ? work_going(c, x) : 0;
    return work;
}

struct order *made_later(const struct order *from, int item, int at, bool sharing, double most_work, struct arena *a)
{
    struct order *o = order_copy(from, 0, a);
    struct change c = { .o = o, .at = at, .sharing = sharing };

    c.put = NEW_ARRAY(a, from->steps + 1, const struct step *);
    c.moved = NEW_ARRAY(a, from->steps + 1, bool);
    c.left = NEW_ARRAY(a, from->steps + 1, int);
    c.gone = NEW_ARRAY(a, from->steps + 1, bool);
    c.made = none(from->items, a);
    c.reads = none(from->items, a);
    int copy = make_again(&c, item);
    if (sharing && !c.lefts)
        return NULL;
    redirect(&c, from->items);
    c.reads[item] = copy;
    c.put_read = NEW_ARRAY(a, o->items + 1, bool);
    if (more_work(&c, from->items) > most_work)
        return NULL;
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
static void go(const struct order *o, int step, int at, bool *goes)
{
    const struct step *s = o->step[step];

    goes[step] = true;
    for (int k = 0; k < s->reads; k++)
        if (o->item[s->read[k]].step >= at && !goes[o->item[s->read[k]].step])
            go(o, o->item[s->read[k]].step, at, goes);
}

/* All that has to go to the front of step `at` so that what reads `item` stands there. */
static const bool *who_goes(const struct order *o, int item, int at, struct arena *a)
{
    bool *goes = NEW_ARRAY(a, o->steps + 1, bool);

    for (const int *reader = &o->reader[o->item[item].readers]; *reader >= 0; reader++)
        if (*reader >= at)
            go(o, *reader, at, goes);
    return goes;
}

/* Whether a step may go past those from `at` on that stay. */
static bool may_go(const struct order *o, const bool *goes, int step, int at)
{
    const struct step *s = o->step[step];

    if (s->stands || step == at)
        return false;
    for (int i = at; i < step && s->writes; i++)
        if (!goes[i] && conflict(s, o->step[i]))
            return false;
    for (const int *i = o->wary; *i >= 0 && *i < step; i++)
        if (*i >= at && !goes[*i] && (o->step[*i]->checks || conflict(s, o->step[*i])))
            return false;
    return true;
}

struct order *read_earlier(const struct order *from, int item, int at, int *to, struct arena *a)
{
    const bool *goes = who_goes(from, item, at, a);
    int steps = at;

    *to = from->item[item].last;
    for (int i = at; i <= *to; i++)
        if (goes[i] && !may_go(from, goes, i, at))
            return NULL;
    struct order *o = order_copy(from, 0, a);
    for (int going = 1; going >= 0; going--)
        for (int i = at; i <= *to; i++)
            if (goes[i] == going)
                o->step[steps++] = from->step[i];
    order_finish_between(o, at, *to);
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
        for (int k = 0; k < c->from->step[i]->reads; k++)
            last[c->from->step[i]->read[k]] = i;
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
        int64_t more = bytes_behind_turn(c, c->from->step[i]);
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
        const struct step *s = c->from->step[i];
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
        add_step_again(c, c->from->step[step]);
    return c->there[item];
}

/* The step, with copies of what is not there in front of it. */
static void add_reader(struct cuts *c, const struct step *from)
{
    struct step *s = arena_copy(c->o->arena, from, sizeof *s);
    int *read = own_reads(c->o, s);

    for (int k = 0; k < s->reads; k++)
        read[k] = there(c, read[k]);
    c->o->step[c->o->steps++] = s;
}

static void add_step_again(struct cuts *c, const struct step *s)
{
    struct step *again = order_again(c->o, s);

    give_anew(c->o, again);
    add_reader(c, again);
    for (int k = 0; k < s->gives; k++)
        c->there[s->give[k]] = again->give[k];
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
