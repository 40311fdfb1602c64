/* passes/batch_after.c: what leaves a scan's body without being read in it: yields that end in a product, and carries
 * that only add up,
 *
 *     %next = add %carry, %term        (%carry is read nowhere else, %next by the yield alone)
 *
 * where the sum of %term over all steps is linear in products, each of which is one product behind the scan, or in values
 * of which all steps are at hand there: slices, what is yielded, cheap operations on such. What these products read and is
 * not at hand is yielded. */
#include "passes/batch.h"

enum { LATE = 1, STAYS = 2, SUNK = 4, TAKEN = 8 };
/* of operations, in node->id: read by yields and LATE alone; needed in the body; done behind the scan; an addition to a
 * carry whose term is summed there */

/* One addition on the way from a carry to its next value. */
struct link {
    int carry;
    struct node *node;
    int side; /* which operand comes from the carry */
};

struct links {
    struct link *item;
    int count;
    size_t capacity;
};

static struct value *term_of(const struct link *l)
{
    return operand(l->node, 1 - l->side);
}

/* ---- carries that add up ---- */

static const struct use *only_use(const struct value *v)
{
    return v->uses && !v->uses->next ? v->uses : NULL;
}

static bool is_addition(const struct use *u)
{
    return u->user->op == OP_add || (u->user->op == OP_sub && u->index == 0);
}

static void follow_carry(struct batch_scan *s, int carry, struct links *links)
{
    const struct value *v = s->body->param[s->sequences + carry];
    const struct use *u;
    int start = links->count;

    if (v->type.dtype != DT_REAL)
        return;
    while ((u = only_use(v)) && u->user != s->body->yield_node && is_addition(u)) {
        void *items = links->item;
        arena_grow(s->scratch, &items, &links->capacity, (size_t)links->count + 1, sizeof *links->item);
        links->item = items;
        links->item[links->count++] = (struct link){ carry, u->user, u->index };
        v = u->user->result[0];
    }
    if (!u || u->user != s->body->yield_node || u->index != s->stacked + carry)
        links->count = start;
}

/* ---- what can be had behind the scan ---- */

/* Which stacked result holds all steps of v; -1: none. */
static int result_of(const struct batch_scan *s, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        if (u->user == s->body->yield_node && u->index < s->stacked)
            return u->index;
    }
    return -1;
}

static bool all_at_hand(const struct node *n)
{
    for (int i = 0; i < n->operands; i++) {
        if (!batch_seen(operand(n, i))->at_hand)
            return false;
    }
    return true;
}

static bool is_cheap(const struct batch_scan *s, const struct node *n)
{
    return n->results == 1 && (op_is(n->op, CHEAP) || op_is_index(n->op)) && batch_node_can(s, n);
}

static bool is_at_hand(const struct batch_scan *s, const struct value *v)
{
    const struct seen *x = batch_seen(v);

    if (x->early || x->stored || result_of(s, v) >= 0)
        return true;
    return v->def && is_cheap(s, v->def) && all_at_hand(v->def);
}

/* The operand that n is linear in, the others being the same in all steps; -1: none. */
static int linear_in(const struct node *n)
{
    int which = -1;

    switch (n->op) {
    case OP_neg:
    case OP_sum:
    case OP_reshape:
    case OP_transpose:
    case OP_broadcast:
    case OP_slice:
    case OP_reverse:
    case OP_dilate: return 0;
    case OP_pad: return attr_real(n, "value") == 0 ? 0 : -1;
    case OP_div: return batch_seen(operand(n, 1))->varies ? -1 : 0;
    case OP_mul:
    case OP_matmul:
        for (int i = 0; i < 2; i++) {
            if (!batch_seen(operand(n, 1 - i))->varies)
                which = i;
        }
        return which;
    default: return -1;
    }
}

static bool adds_products(const struct batch_scan *s, const struct node *n)
{
    bool varies[MAX_OPERAND_NAMES];

    for (int i = 0; i < n->operands && i < MAX_OPERAND_NAMES; i++) {
        const struct seen *x = batch_seen(operand(n, i));
        if (!x->at_hand && value_bytes(operand(n, i)) > s->most)
            return false;
        varies[i] = x->varies;
    }
    return batch_can_add_up(&s->a, n, varies);
}

/* Linear in all operands: sums, differences, parts put together. */
static bool is_sum(const struct node *n)
{
    return n->op == OP_add || n->op == OP_sub || n->op == OP_concat;
}

static bool adds_up(const struct batch_scan *s, const struct value *v)
{
    const struct node *n = v->def;

    if (v->type.dtype != DT_REAL)
        return false;
    if (batch_seen(v)->at_hand)
        return batch_fits(&s->a, v->type);
    if (!n)
        return false;
    if (is_sum(n)) {
        for (int i = 0; i < n->operands; i++) {
            if (!batch_seen(operand(n, i))->adds_up)
                return false;
        }
        return true;
    }
    int x = linear_in(n);
    return adds_products(s, n) || (x >= 0 && batch_seen(operand(n, x))->adds_up);
}

static void look_behind(const struct batch_scan *s)
{
    for (int i = 0; i < s->body->params; i++) {
        struct value *p = s->body->param[i];
        batch_seen(p)->at_hand = is_at_hand(s, p);
        batch_seen(p)->adds_up = adds_up(s, p);
    }
    for (const struct node *n = s->body->first; n; n = n->next) {
        for (int i = 0; i < n->results; i++) {
            struct value *v = n->result[i];
            batch_seen(v)->at_hand = is_at_hand(s, v);
            batch_seen(v)->adds_up = adds_up(s, v);
        }
    }
}

/* ---- what goes behind the scan ---- */

static int part_of(const struct batch_scan *s, const struct node *n)
{
    bool stays = node_has_effect(n), late = false;

    for (int i = 0; i < n->results; i++) {
        for (const struct use *u = n->result[i]->uses; u; u = u->next) {
            bool yields = u->user == s->body->yield_node;
            stays |= yields ? u->index >= s->stacked : (u->user->id & STAYS) != 0;
            late |= yields || (u->user->id & LATE);
        }
    }
    if (!stays && late && !batch_seen(n->result[0])->early && batch_node_can(s, n))
        return LATE | SUNK;
    return stays || late ? STAYS : 0;
}

static bool is_sunk(const struct value *v)
{
    return v->def && (v->def->id & SUNK);
}

/* A product pays where the step then stores no more than it stored and read for it. */
static bool pays(const struct node *n)
{
    int64_t more = 0, less = value_bytes(n->result[0]);

    for (int i = 0; i < n->operands; i++) {
        const struct value *x = operand(n, i);
        if (!batch_seen(x)->varies)
            less += value_bytes(x);
        else if (!batch_seen(x)->at_hand && !is_sunk(x))
            more += value_bytes(x);
    }
    return more <= less;
}

/* What follows a product comes along where all else that it reads is at hand. */
static bool comes_along(const struct node *n)
{
    bool any = false;

    for (int i = 0; i < n->operands; i++) {
        const struct value *x = operand(n, i);
        if (!is_sunk(x) && !batch_seen(x)->at_hand)
            return false;
        any |= is_sunk(x);
    }
    return any;
}

static bool is_followed(const struct node *n)
{
    for (int i = 0; i < n->results; i++) {
        for (const struct use *u = n->result[i]->uses; u; u = u->next) {
            if ((u->user->id & LATE) && !(u->user->id & SUNK))
                return false;
        }
    }
    return true;
}

static void sink(const struct batch_scan *s)
{
    bool changed = true;

    for (struct node *n = s->body->last; n; n = n->previous)
        n->id = (n->id & TAKEN) | (n->id & TAKEN ? 0 : part_of(s, n));
    while (changed) {
        changed = false;
        for (struct node *n = s->body->first; n; n = n->next) {
            if (!(n->id & SUNK) || (is_followed(n) && (batch_is_contraction(n) ? pays(n) : comes_along(n))))
                continue;
            n->id &= ~SUNK;
            changed = true;
        }
    }
}

/* ---- what that needs ---- */

/* Whether n is done outside, or what it gives is yielded. A change of coordinates is made again rather than stored. */
static bool is_made_outside(const struct batch_scan *s, const struct node *n)
{
    const struct seen *y = batch_seen(n->result[0]);

    if (y->early || (n->id & SUNK))
        return true;
    if (y->stored || result_of(s, n->result[0]) >= 0 || !is_cheap(s, n))
        return false;
    return all_at_hand(n) ||
           (op_is_index(n->op) && n->operands == 1 && value_bytes(operand(n, 0)) <= value_bytes(n->result[0]));
}

/* How the sum over all steps of a value is had. */
enum way {
    BY_PRODUCT,   /* one product of all steps */
    BY_REDUCTION, /* a reduction along the steps too */
    BY_STEPS,     /* all steps, added up */
    BY_TERMS      /* n of the sums of its operands */
};

static enum way way_of(const struct batch_scan *s, const struct value *v)
{
    const struct node *n = v->def;

    if (n && adds_products(s, n))
        return BY_PRODUCT;
    if (n && n->op == OP_sum && batch_seen(operand(n, 0))->at_hand)
        return BY_REDUCTION;
    return batch_seen(v)->at_hand ? BY_STEPS : BY_TERMS;
}

static void want_terms(const struct node *n)
{
    int x = is_sum(n) ? -1 : linear_in(n);

    for (int i = 0; i < n->operands; i++) {
        struct seen *of = batch_seen(operand(n, i));
        if (is_sum(n) || i == x)
            of->added = true;
        else
            of->outside = true;
    }
}

static void want_operands(const struct node *n)
{
    for (int i = 0; i < n->operands; i++)
        batch_seen(operand(n, i))->outside = true;
}

static void want_for_sum(const struct batch_scan *s, struct value *v)
{
    switch (way_of(s, v)) {
    case BY_PRODUCT:
    case BY_REDUCTION: want_operands(v->def); break;
    case BY_STEPS: batch_seen(v)->outside = true; break;
    case BY_TERMS: want_terms(v->def); break;
    }
}

/* v has to be yielded; true where that is new. */
static bool store(const struct batch_scan *s, const struct value *v)
{
    struct seen *x = batch_seen(v);

    if (!x->outside || x->stored || x->early || result_of(s, v) >= 0)
        return false;
    x->stored = true;
    return true;
}

/* From the end: what is wanted outside, and what has to be yielded for it. True where there is more of it. */
static bool want(const struct batch_scan *s)
{
    bool more = false;

    for (struct node *n = s->body->last; n; n = n->previous) {
        bool outside = false;
        for (int i = 0; i < n->results; i++) {
            if (batch_seen(n->result[i])->added)
                want_for_sum(s, n->result[i]);
            outside |= batch_seen(n->result[i])->outside;
        }
        if (outside && is_made_outside(s, n)) {
            want_operands(n);
            continue;
        }
        for (int i = 0; i < n->results; i++)
            more |= store(s, n->result[i]);
    }
    for (int i = 0; i < s->body->params; i++)
        more |= store(s, s->body->param[i]);
    return more;
}

static bool want_sums(const struct links *links)
{
    bool more = false;

    for (int i = 0; i < links->count; i++) {
        struct link *l = &links->item[i];
        if ((l->node->id & TAKEN) || !batch_seen(term_of(l))->adds_up)
            continue;
        l->node->id |= TAKEN;
        batch_seen(term_of(l))->added = more = true;
    }
    return more;
}

static bool want_yields(const struct batch_scan *s)
{
    bool more = false;

    for (int i = 0; i < s->stacked; i++) {
        struct value *y = s->body->yield[i];
        more |= is_sunk(y) && !batch_seen(y)->outside;
        if (is_sunk(y))
            batch_seen(y)->outside = true;
    }
    return more;
}

/* What one sum or product makes the body yield is at hand for the others. */
static bool decide(const struct batch_scan *s, const struct links *links)
{
    bool more = true, any = false;

    for (struct node *n = s->body->first; n; n = n->next)
        n->id = 0;
    s->body->yield_node->id = 0;
    while (more) {
        look_behind(s);
        more = want_sums(links);
        sink(s);
        more |= want_yields(s);
        any |= more;
        more |= want(s);
    }
    return any;
}

/* ---- moving ---- */

static void yield_stored(struct batch_scan *s, struct value *v)
{
    struct type t = scan_stackable(s->scan, v->type), whole = v->type;
    struct build inside = build_end(s->body, s->scan->at, s->scan->layer);
    struct value *all = scan_add_yield(s->scan, build_reshape(&inside, v, t.dim, t.rank));
    int place = batch_place(&s->a, whole.rank);

    s->a.b.at = s->scan->at;
    s->a.b.layer = s->scan->layer;
    for (int i = whole.rank++; i > place; i--)
        whole.dim[i] = whole.dim[i - 1];
    whole.dim[place] = s->a.steps;
    batch_seen(v)->whole = build_reshape(&s->a.b, all, whole.dim, whole.rank);
}

/* Values that the body yields already, and those that it has to from now on. */
static void find_whole(struct batch_scan *s, struct value *v)
{
    int result = result_of(s, v);

    if (!batch_seen(v)->outside || batch_seen(v)->whole)
        return;
    if (result >= 0)
        batch_seen(v)->whole = s->scan->result[result];
    else if (batch_seen(v)->stored)
        yield_stored(s, v);
}

static struct value *sum_of_steps(struct batch_scan *s, const struct value *v)
{
    struct value *whole = batch_seen(v)->whole;

    if (batch_seen(v)->varies)
        return batch_sum(&s->a, whole, NULL, 0, false);
    return build_binary(&s->a.b, OP_mul, whole, build_constant(&s->a.b, (double)s->a.steps.k, DT_REAL));
}

static struct value *sum_of_terms(struct batch_scan *s, const struct node *n)
{
    struct value **x = NEW_ARRAY(s->scratch, n->operands, struct value *);
    int only = is_sum(n) ? -1 : linear_in(n);

    for (int i = 0; i < n->operands; i++) {
        const struct seen *of = batch_seen(operand(n, i));
        x[i] = is_sum(n) || i == only ? of->sum : of->whole;
    }
    return batch_copy(&s->a, n, x);
}

static struct value *sum_of(struct batch_scan *s, const struct value *v)
{
    const struct node *n = v->def;
    struct value *x[MAX_OPERAND_NAMES];
    int count;

    for (int i = 0; n && i < n->operands && i < MAX_OPERAND_NAMES; i++)
        x[i] = batch_seen(operand(n, i))->whole;
    s->a.b.at = n ? n->at : s->scan->at;
    s->a.b.layer = n ? n->layer : s->scan->layer;
    switch (way_of(s, v)) {
    case BY_PRODUCT: return batch_add_up(&s->a, n, x);
    case BY_REDUCTION:;
        const int64_t *axes = attr_ints(n, "axes", &count);
        if (batch_seen(operand(n, 0))->varies)
            return batch_sum(&s->a, x[0], axes, count, attr_bool(n, "keepdims"));
        return sum_of_steps(s, v);
    case BY_STEPS: return sum_of_steps(s, v);
    case BY_TERMS: return sum_of_terms(s, n);
    }
    bug("a sum of no kind");
}

static void build_node_behind(struct batch_scan *s, struct node *n)
{
    bool outside = false;

    for (int i = 0; i < n->results; i++)
        outside |= batch_seen(n->result[i])->outside;
    if (outside && is_made_outside(s, n))
        batch_build(s, n);
    for (int i = 0; i < n->results; i++) {
        find_whole(s, n->result[i]);
        if (batch_seen(n->result[i])->added)
            batch_seen(n->result[i])->sum = sum_of(s, n->result[i]);
    }
}

static void build(struct batch_scan *s)
{
    struct node *end = s->body->last; /* behind it stand what yields are made of */

    for (int i = 0; i < s->body->params; i++) {
        find_whole(s, s->body->param[i]);
        if (batch_seen(s->body->param[i])->added)
            batch_seen(s->body->param[i])->sum = sum_of(s, s->body->param[i]);
    }
    for (struct node *n = s->body->first; end && n != end->next; n = n->next)
        build_node_behind(s, n);
}

static void replace_yields(struct batch_scan *s)
{
    for (int i = 0; i < s->stacked; i++) {
        if (is_sunk(s->body->yield[i]))
            value_replace(s->scan->result[i], batch_seen(s->body->yield[i])->whole);
    }
}

/* What the carry ends as: what is still added to it in the scan, and the sums. */
static void add_sums(struct batch_scan *s, const struct links *links, int carry)
{
    struct value *last = s->scan->result[scan_stacked(s->scan) + carry], *total = last;
    struct node *first = NULL;
    bool all = true;

    for (int i = 0; i < links->count; i++)
        all &= links->item[i].carry != carry || (links->item[i].node->id & TAKEN);
    if (all)
        total = operand(s->scan, s->sequences + carry);
    for (int i = 0; i < links->count; i++) {
        struct link *l = &links->item[i];
        if (l->carry != carry || !(l->node->id & TAKEN))
            continue;
        s->a.b.at = l->node->at;
        s->a.b.layer = l->node->layer;
        total = build_binary(&s->a.b, l->node->op, total, batch_seen(term_of(l))->sum);
        first = first ? first : total->def;
        value_replace(l->node->result[0], operand(l->node, l->side));
        node_remove(l->node);
    }
    if (!first)
        return;
    value_replace(last, total);
    if (!all)
        node_set_operand(first, 0, last);
}

bool batch_after(struct batch_scan *s)
{
    struct links links = { .count = 0 };

    batch_look(s);
    s->a.b.before = s->scan->next;
    for (int i = 0; i < s->carries; i++)
        follow_carry(s, i, &links);
    if (!decide(s, &links))
        return false;
    build(s);
    replace_yields(s);
    for (int i = 0; i < s->carries; i++)
        add_sums(s, &links, i);
    return true;
}
