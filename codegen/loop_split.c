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
    struct lx *y = (x->kind == LX_ILT || x->kind == LX_ILE) ? compare(p, x) : NULL;

    if (y)
        return y;
    if (x->kind >= LX_IADD && x->kind <= LX_IEQ)
        return lx_index(r->k, x->kind, x->arg[0], x->arg[1]);
    return x->kind == LX_GUARD ? lx_guard(r->k, x->arg[0], x->arg[1], x->arg[2]) : x;
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
    struct lx *index[MAX_RANK];

    p->inner = lx_var(p->k, inner->var);
    struct lx *from = lx_index(p->k, LX_IMUL, lx_var(p->k, outer->var), lx_int(p->k, p->piece));
    rewrite_set(&r, p->var, lx_index(p->k, LX_IADD, from, p->inner));
    for (const struct ls *store = s->body.first; store; store = store->next) {
        for (int i = 0; i < store->buf->rank; i++)
            index[i] = rewrite_value(&r, store->index[i]);
        ls_store(p->k, &inner->body, store->buf, index, rewrite_value(&r, store->value));
    }
    return lanes_of(p->k, inner).why ? NULL : outer;
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
        struct ls *pieces = p.piece % LANES || p.piece == trips ? NULL : in_pieces(&p, s);
        if (!pieces)
            continue;
        pieces->next = s->next;
        *s = *pieces;
        s->var->loop = s;
    }
}

void loop_split(struct lkernel *k)
{
    split(k, &k->body);
}
