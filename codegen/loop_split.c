/* codegen/loop_split.c: a loop that cannot run in lanes, because places are found by division or differ at borders, is cut at
 * multiples of what decides: within a piece all that is the same.
 *
 *     for j in 0..128 par                              for j_0 in 0..4 par
 *       y[i,j] = x[i,j / 32,t,j % 32]          =>        for j in 0..32 par
 *                                                          y[i,j_0 * 32 + j] = x[i,j_0,t,j]
 *
 *     for j in 0..256 par                              for j_0 in 0..2 par
 *       y[j] = j < 128 ? a[j] : b[j - 128]     =>        for j in 0..128 par
 *                                                          y[j_0 * 128 + j] = j_0 < 1 ? a[j_0 * 128 + j] : ...
 *
 * Where no such pieces are of whole lanes, and borders alone decide, it is cut at the borders.
 *
 *     for j in 0..690 par                              for j in 0..9 par
 *       y[j] = 9 <= j ? x[j - 9] : 0           =>        y[j] = 0
 *                                                      for j in 9..690 par
 *                                                        y[j] = x[j - 9]
 *
 * Where what is stored stays no lanes, it is cut off where borders decide for all that the loop holds: most of it asks nothing.
 *
 *     for k in 0..115 par                              for k in 0..2 par ...
 *       for m in 0..6 par                              for k in 2..115 par
 *         y[k,m] = 0 <= k * 2 + m / 3 - 3         =>     for m in 0..6 par
 *                    ? x[k * 6 + m - 9] : 0                y[k,m] = x[k * 6 + m - 9]
 */
#include <stdlib.h>

#include "codegen/loop_pass.h"
#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

enum { LANES = 16 };

struct split {
    struct lkernel *k;
    struct lx *var, *inner; /* the loop's variable, and that of a piece */
    int64_t piece;
};

static int64_t common(int64_t a, int64_t b)
{
    return b ? common(b, a % b) : a;
}

/* ---- how long pieces may be ---- */

/* At which distance from a multiple of the piece a comparison changes. */
static int64_t border(struct lx *a, struct lx *b)
{
    struct lsum s;

    return lsum_of(&s, a) && lsum_add(&s, b, -1) ? llabs(s.constant) : 1;
}

static void shorten(struct split *p, const struct lx *x)
{
    if (!lx_mentions(x, p->var->var))
        return;
    if ((x->kind == LX_IDIV || x->kind == LX_IMOD) && x->arg[1]->kind == LX_INT)
        p->piece = common(p->piece, x->arg[1]->i);
    if (x->kind == LX_ILT || x->kind == LX_ILE)
        p->piece = common(p->piece, border(x->arg[0], x->arg[1]));
    for (int i = 0; i < x->args; i++)
        shorten(p, x->arg[i]);
}

static bool only_stores(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if (s->kind != LS_STORE)
            return false;
    return b->first != NULL;
}

/* ---- within a piece ---- */

/* g a + q < g b is a < b, and 0 <= g a + q - g b is b <= a, for q in 0..g: q goes where all else are multiples of g. */
static struct lx *compare(struct split *p, const struct lx *x)
{
    struct lsum s;
    int64_t sign = x->kind == LX_ILT ? 1 : -1;

    if (!lsum_of(&s, x->arg[0]) || !lsum_add(&s, x->arg[1], -1) || lsum_factor(&s, p->inner) != sign ||
        s.constant % p->piece)
        return NULL;
    for (int i = 0; i < s.terms; i++)
        if (s.term[i].atom != p->inner && s.term[i].factor % p->piece)
            return NULL;
    if (!lsum_add(&s, p->inner, -sign))
        return NULL;
    return lx_index(p->k, x->kind, lsum_build(p->k, &s), lx_int(p->k, 0));
}

static struct lx *again(struct rewrite *r, struct lx *x)
{
    struct split *p = r->context;
    struct lx *y = p->inner && (x->kind == LX_ILT || x->kind == LX_ILE) ? compare(p, x) : NULL;

    if (y)
        return y;
    if (x->kind >= LX_IADD && x->kind <= LX_IEQ)
        return lx_index(r->k, x->kind, x->arg[0], x->arg[1]);
    return x->kind == LX_GUARD ? lx_guard(r->k, x->arg[0], x->arg[1], x->arg[2]) : x;
}

/* Loops and stores again, in b. */
static void copy_block(struct rewrite *r, struct lblock *b, const struct lblock *from)
{
    struct lx *index[MAX_RANK];

    for (const struct ls *s = from->first; s; s = s->next) {
        if (s->kind == LS_LOOP) {
            struct ls *loop = ls_loop(r->k, b, s->var->name, rewrite_value(r, s->begin), rewrite_value(r, s->end),
                                      s->step, s->licence);
            rewrite_set(r, lx_var(r->k, s->var), lx_var(r->k, loop->var));
            copy_block(r, &loop->body, &s->body);
            continue;
        }
        for (int i = 0; i < s->buf->rank; i++)
            index[i] = rewrite_value(r, s->index[i]);
        ls_store(r->k, b, s->buf, index, rewrite_value(r, s->value));
    }
}

/* The loop in pieces, or NULL where that does not help. */
static struct ls *in_pieces(struct split *p, const struct ls *s)
{
    struct lblock b = { NULL, NULL };
    struct ls *outer = ls_loop(p->k, &b, arena_printf(p->k->arena, "%s_0", s->var->name), lx_int(p->k, 0),
                               lx_int(p->k, loop_trips(s) / p->piece), 1, LICENCE_PAR);
    struct ls *inner =
        ls_loop(p->k, &outer->body, s->var->name, lx_int(p->k, 0), lx_int(p->k, p->piece), 1, LICENCE_PAR);
    struct rewrite r = { .k = p->k, .rule = again, .context = p };

    p->inner = lx_var(p->k, inner->var);
    struct lx *from = lx_index(p->k, LX_IMUL, lx_var(p->k, outer->var), lx_int(p->k, p->piece));
    rewrite_set(&r, p->var, lx_index(p->k, LX_IADD, from, p->inner));
    copy_block(&r, &inner->body, &s->body);
    return lanes_of(p->k, inner).why ? NULL : outer;
}

/* ---- between borders ---- */

enum { MOST_CUTS = 4 };

struct cuts {
    struct lkernel *k;
    struct lx *var;
    int64_t at[MOST_CUTS + 2]; /* in order, with the loop's begin and end */
    int count;
};

/* False where there are too many. */
static bool cut_at(struct cuts *c, int64_t at)
{
    int i = c->count;

    if (at <= c->at[0] || at >= c->at[c->count - 1])
        return true;
    for (int n = 0; n < c->count; n++)
        if (c->at[n] == at)
            return true;
    if (c->count == MOST_CUTS + 2)
        return false;
    for (; c->at[i - 1] > at; i--)
        c->at[i] = c->at[i - 1];
    c->at[i] = at;
    c->count++;
    return true;
}

/* Where the comparison of v changes: 0 <= v + c from v = -c on, 0 <= c - v up to v = c. */
static bool cut_at_comparison(struct cuts *c, const struct lx *x)
{
    struct lsum s;
    int64_t factor, strict = x->kind == LX_ILT;

    if (!lsum_of(&s, x->arg[1]) || !lsum_add(&s, x->arg[0], -1) || s.terms != 1 || s.term[0].atom != c->var)
        return false;
    factor = s.term[0].factor;
    return (factor == 1 || factor == -1) && cut_at(c, factor == 1 ? strict - s.constant : s.constant + 1 - strict);
}

/* False where something else decides. */
static bool find_cuts(struct cuts *c, const struct lx *x)
{
    if (!lx_mentions(x, c->var->var))
        return true;
    if (x->kind == LX_ILT || x->kind == LX_ILE)
        return cut_at_comparison(c, x);
    if (x->kind == LX_LOAD && x->buf->rank)
        return find_cuts(c, lx_flat(c->k, x->buf, x->arg));
    if (x->kind == LX_IDIV || x->kind == LX_IMOD || x->kind == LX_IEQ)
        return false;
    for (int i = 0; i < x->args; i++)
        if (!find_cuts(c, x->arg[i]))
            return false;
    return true;
}

static bool find_all_cuts(struct cuts *c, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if (!find_cuts(c, s->value) || !find_cuts(c, lx_flat(c->k, s->buf, s->index)))
            return false;
    return c->count > 2;
}

/* The loop from a to b alone. */
static struct ls *range(struct lkernel *k, struct lblock *to, const struct ls *s, int64_t a, int64_t b)
{
    struct split p = { .k = k };
    struct ls *loop = ls_loop(k, to, s->var->name, lx_int(k, a), lx_int(k, b), 1, LICENCE_PAR);
    struct rewrite r = { .k = k, .rule = again, .context = &p };

    rewrite_set(&r, lx_var(k, s->var), lx_var(k, loop->var));
    copy_block(&r, &loop->body, &s->body);
    return loop;
}

/* The loops that take s's place, in b; false where none of them could run in lanes. */
static bool at_borders(struct lkernel *k, const struct ls *s, struct lblock *b)
{
    struct cuts c = { .k = k, .var = lx_var(k, s->var), .at = { s->begin->i, s->end->i }, .count = 2 };
    bool better = false;

    if (!find_all_cuts(&c, &s->body))
        return false;
    for (int i = 0; i + 1 < c.count; i++) {
        struct ls *loop = range(k, b, s, c.at[i], c.at[i + 1]);
        better |= c.at[i + 1] - c.at[i] > LANES && !lanes_of(k, loop).why;
    }
    return better;
}

/* ---- where borders decide for all that a loop holds ---- */

/* So of the iterations from..to. */
struct middle {
    struct lx *var;
    int64_t from, to;
    bool *seen; /* by expression: what stands in many places is looked at once */
};

static int64_t divided_up(int64_t a, int64_t b)
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* 0 <= f v + r, whatever r may be. */
static void holds_between(struct middle *m, const struct lx *x)
{
    struct lsum s;
    int64_t low, high, first, f;

    if (!lsum_of(&s, x->arg[1]) || !lsum_add(&s, x->arg[0], -1) || !(f = lsum_factor(&s, m->var)) ||
        !lsum_add(&s, m->var, -f))
        return;
    lsum_range(&s, &low, &high);
    first = (x->kind == LX_ILT) - low; /* f v is that or more */
    if (f > 0 && divided_up(first, f) > m->from)
        m->from = divided_up(first, f);
    if (f < 0 && -divided_up(first, -f) + 1 < m->to)
        m->to = -divided_up(first, -f) + 1;
}

static void find_middle(struct middle *m, const struct lx *x)
{
    if (m->seen[x->id])
        return;
    m->seen[x->id] = true;
    if (x->kind == LX_ILT || x->kind == LX_ILE)
        holds_between(m, x);
    for (int i = 0; i < x->args; i++)
        find_middle(m, x->arg[i]);
}

static void find_middle_of(struct middle *m, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if (s->kind == LS_STORE)
            find_middle(m, s->value);
        find_middle_of(m, &s->body);
    }
}

/* Whether it is loops of few iterations around stores, and those no lanes. */
static bool is_scalar(struct lkernel *k, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if (s->kind == LS_STORE)
            continue;
        if (s->kind != LS_LOOP || s->licence != LICENCE_PAR)
            return false;
        if (only_stores(&s->body) ? loop_trips(s) < 0 || loop_trips(s) > LANES || !lanes_of(k, s).why
                                  : !is_scalar(k, &s->body))
            return false;
    }
    return b->first && !only_stores(b);
}

/* Where what is around s's stores is loops of constant bounds, and few iterations in the last. */
static struct middle middle_of(struct lkernel *k, const struct ls *s)
{
    struct middle m = { .var = NULL };

    if (s->kind != LS_LOOP || s->licence != LICENCE_PAR || s->step != 1 || loop_trips(s) <= 0 ||
        !is_scalar(k, &s->body))
        return m;
    m = (struct middle){ .var = lx_var(k, s->var), .from = s->begin->i, .to = s->end->i };
    m.seen = NEW_ARRAY(k->arena, k->expressions, bool);
    find_middle_of(&m, &s->body);
    return m;
}

/* What is asked in every iteration of a loop is asked by the loops within. */
static void cut_off(struct lkernel *k, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        struct middle m = middle_of(k, s);
        struct lblock parts = { NULL, NULL };
        if (!m.var || m.to - m.from == loop_trips(s)) {
            cut_off(k, &s->body);
            cut_off(k, &s->other);
            continue;
        }
        if (2 * (m.to - m.from) <= loop_trips(s))
            continue;
        if (m.from > s->begin->i)
            range(k, &parts, s, s->begin->i, m.from);
        range(k, &parts, s, m.from, m.to);
        if (m.to < s->end->i)
            range(k, &parts, s, m.to, s->end->i);
        ls_replace(s, parts);
    }
}

static void split(struct lkernel *k, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        split(k, &s->body);
        split(k, &s->other);
        int64_t trips = s->kind == LS_LOOP ? loop_trips(s) : 0;
        if (trips <= LANES || s->licence != LICENCE_PAR || s->step != 1 || s->begin->kind != LX_INT || s->begin->i ||
            !only_stores(&s->body) || !lanes_of(k, s).why)
            continue;
        struct split p = { .k = k, .var = lx_var(k, s->var), .piece = trips };
        for (const struct ls *store = s->body.first; store; store = store->next) {
            shorten(&p, store->value);
            for (int i = 0; i < store->buf->rank; i++)
                shorten(&p, store->index[i]);
        }
        struct lblock parts = { NULL, NULL };
        struct ls *pieces = p.piece % LANES || p.piece == trips ? NULL : in_pieces(&p, s);
        if (pieces)
            ls_replace(s, (struct lblock){ pieces, pieces });
        else if (at_borders(k, s, &parts))
            ls_replace(s, parts);
    }
}

void loop_split(struct lkernel *k)
{
    split(k, &k->body);
    cut_off(k, &k->body);
}
