/* codegen/loop_hold.c: sums over rows that go along with a row's elements stay in registers for some rows at a time, in
 * place of being loaded and stored again for each.
 *
 *     for i in 0..n red                             for i_0 in 0..n step 8 red
 *       for j in 0..64 par                            for j in 0..64 par
 *         sum[j] = sum[j] + x[i,j]          =>          local held : f32[] = sum[j]
 *                                                       for i in i_0..imin(i_0 + 8, n) red
 *                                                         held = held + x[i,j]
 *                                                       sum[j] = held
 *
 * Each sum takes its rows in their order as before. Few rows, known in number, are taken all at once; those of a register
 * tile are too few. */
#include "codegen/loop_pass.h"
#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

enum { ROWS = 8, LEAST = 16, FEW = 32, MOST = 8 }; /* rows at a time; worth it; taken at once; sums */

struct hold {
    struct lkernel *k;
    struct ls *rows, *lanes;
    int sums;
    struct lbuf *sum[MOST], *held[MOST];
    struct lx *index[MOST];
    unsigned char *seen; /* of each expression */
    size_t capacity;
};

static int number_of(const struct hold *h, const struct lbuf *buf)
{
    for (int i = 0; i < h->sums; i++)
        if (h->sum[i] == buf)
            return i;
    return -1;
}

/* Elements of a kernel's own array that a row adds to: one for each place in it, the same for all rows. False where some
 * other store is to one of those. */
static bool find_sums(struct hold *h)
{
    for (const struct ls *s = h->lanes->body.first; s; s = s->next) {
        if (s->kind != LS_STORE)
            continue;
        bool own = s->buf->space == SPACE_ARRAY && s->buf->rank == 1;
        if (number_of(h, s->buf) >= 0)
            return false;
        if (!own || lx_mentions(s->index[0], h->rows->var) || !lx_mentions(s->index[0], h->lanes->var))
            continue;
        if (h->sums == MOST)
            return false;
        h->sum[h->sums] = s->buf;
        h->index[h->sums++] = s->index[0];
    }
    return h->sums > 0;
}

/* Whether every load of a sum in x is of the element that is stored. */
static bool loads_it(struct hold *h, const struct lx *x)
{
    arena_grow(h->k->arena, (void **)&h->seen, &h->capacity, (size_t)x->id + 1, 1);
    if (h->seen[x->id])
        return true;
    h->seen[x->id] = 1;
    int which = x->kind == LX_LOAD || x->kind == LX_FOLD ? number_of(h, x->buf) : -1;
    if (which >= 0 && (x->kind == LX_FOLD || x->arg[0] != h->index[which]))
        return false;
    for (int i = 0; i < x->args; i++)
        if (!loads_it(h, x->arg[i]))
            return false;
    return true;
}

/* Statements of a place in a row: values and stores alone. */
static bool is_plain(struct hold *h)
{
    for (const struct ls *s = h->lanes->body.first; s; s = s->next) {
        if (s->kind != LS_LET && s->kind != LS_STORE)
            return false;
        if (!loads_it(h, s->value))
            return false;
        for (int i = 0; s->kind == LS_STORE && i < s->buf->rank; i++)
            if (!loads_it(h, s->index[i]))
                return false;
    }
    return true;
}

static bool is_held(struct hold *h)
{
    struct ls *rows = h->rows, *lanes = h->lanes;
    int64_t trips = loop_trips(rows);

    return (trips < 0 || trips >= LEAST) && rows->licence == LICENCE_RED && rows->way == WAY_PLAIN && rows->step == 1 &&
           lanes && !lanes->next && lanes->kind == LS_LOOP && lanes->licence == LICENCE_PAR &&
           lanes->way == WAY_PLAIN && lanes->step == 1 && !lx_mentions(lanes->begin, rows->var) &&
           !lx_mentions(lanes->end, rows->var) && find_sums(h) && is_plain(h);
}

static struct lx *held_load(struct rewrite *r, struct lx *x)
{
    struct hold *h = r->context;
    int which = x->kind == LX_LOAD ? number_of(h, x->buf) : -1;

    return which < 0 ? x : lx_load(h->k, h->held[which], NULL);
}

/* The statements of a place, which hold its sums. */
static void rename_sums(struct hold *h, struct lblock *b)
{
    struct rewrite r = { .k = h->k, .rule = held_load, .context = h };

    rewrite_block(&r, b);
    for (struct ls *s = b->first; s; s = s->next) {
        int which = s->kind == LS_STORE ? number_of(h, s->buf) : -1;
        if (which < 0)
            continue;
        s->buf = h->held[which];
        s->index[0] = NULL;
        s->buf->epoch++;
    }
}

/* Rows begin..end within a place of theirs. */
static void turn(struct hold *h, struct lblock *b, struct lx *begin, struct lx *end)
{
    struct lkernel *k = h->k;
    struct ls *rows = NEW(k->arena, struct ls), *lanes = NEW(k->arena, struct ls);
    struct lblock body = h->lanes->body, place = { NULL, NULL };

    for (int i = 0; i < h->sums; i++)
        h->held[i] = lbuf_scalar(k, &place, "held", h->sum[i]->dtype, lx_load(k, h->sum[i], &h->index[i]));
    rename_sums(h, &body);
    *rows = *h->rows;
    rows->next = NULL;
    rows->begin = begin;
    rows->end = end;
    rows->body = body;
    rows->var->loop = rows;
    place.last->next = rows;
    place.last = rows;
    for (int i = 0; i < h->sums; i++)
        ls_store(k, &place, h->sum[i], &h->index[i], lx_load(k, h->held[i], NULL));
    *lanes = *h->lanes;
    lanes->next = NULL;
    lanes->body = place;
    lanes->var->loop = lanes;
    *b = (struct lblock){ lanes, lanes };
}

static void hold(struct hold *h)
{
    struct lkernel *k = h->k;
    struct lblock b = { NULL, NULL }, inner;
    struct ls *rows = h->rows;
    int64_t trips = loop_trips(rows);

    if (trips >= 0 && trips <= FEW) {
        turn(h, &b, rows->begin, rows->end);
    } else {
        struct ls *outer =
            ls_loop(k, &b, arena_printf(k->arena, "%s_0", rows->var->name), rows->begin, rows->end, ROWS, LICENCE_RED);
        struct lx *first = lx_var(k, outer->var);
        struct lx *end = lx_index(k, LX_IMIN, lx_index(k, LX_IADD, first, lx_int(k, ROWS)), rows->end);
        turn(h, &inner, first, end);
        outer->body = inner;
    }
    ls_replace(rows, b);
}

static void look(struct lkernel *k, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        struct hold h = { .k = k, .rows = s, .lanes = s->body.first };
        if (s->kind == LS_LOOP && is_held(&h)) {
            hold(&h);
            continue;
        }
        look(k, &s->body);
        look(k, &s->other);
    }
}

void loop_hold(struct lkernel *k)
{
    look(k, &k->body);
}
