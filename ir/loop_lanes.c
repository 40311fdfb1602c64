/* ir/loop_lanes.c: see loop_lanes.h. A vector loop takes statements of every kind; its stores and the loads that vary
 * go to neighbouring elements, and what decides over control flow is shared by all lanes. */
#include "ir/loop_lanes.h"

#include "ir/loop_index.h"

enum { SHARED = 1, VARIES = 2, CHECKED = 4 };

static void refuse(struct lanes *l, const char *why)
{
    if (!l->why)
        l->why = why;
}

bool loop_in_lanes(const struct ls *loop)
{
    return loop->way == WAY_VECTOR || loop->way == WAY_WIDE || loop->way == WAY_WIDER;
}

int64_t loop_trips(const struct ls *loop)
{
    int64_t span;

    if (loop->begin->kind != LX_INT || loop->end->kind != LX_INT ||
        __builtin_sub_overflow(loop->end->i, loop->begin->i, &span))
        return -1;
    return span <= 0 ? 0 : (span - 1) / loop->step + 1;
}

/* What a loop variable runs over at most. */
static int64_t span_of(struct lx *begin, struct lx *end)
{
    struct lsum s;
    int64_t low, high;

    if (end->kind == LX_IMIN) {
        int64_t one = span_of(begin, end->arg[0]), other = span_of(begin, end->arg[1]);
        return one < other ? one : other;
    }
    if (!lsum_of(&s, end) || !lsum_add(&s, begin, -1))
        return end->high - begin->low;
    lsum_range(&s, &low, &high);
    return high;
}

int64_t loop_most_trips(const struct ls *loop)
{
    int64_t span = span_of(loop->begin, loop->end);

    return span <= 0 ? 0 : (span - 1) / loop->step + 1;
}

/* What is declared in the loop carries it in its scratch. */
bool lanes_local(const struct lanes *l, const struct lbuf *buf)
{
    return buf->space != SPACE_ARGUMENT && buf->data == l->loop;
}

/* --- what varies -------------------------------------------------------------------------------------------------- */

static bool args_vary(struct lanes *l, const struct lx *x)
{
    bool vary = false;

    for (int i = 0; i < x->args; i++)
        vary |= lanes_vary(l, x->arg[i]);
    return vary;
}

static bool varies(struct lanes *l, const struct lx *x)
{
    switch (x->kind) {
    case LX_VAR: return x->var == l->loop->var;
    case LX_LET: return x->let->data == l->loop && lanes_vary(l, x->let->value);
    case LX_FOLD:
    case LX_LOAD: return lanes_local(l, x->buf) || args_vary(l, x);
    default: return args_vary(l, x);
    }
}

bool lanes_vary(struct lanes *l, const struct lx *x)
{
    arena_grow(l->k->arena, (void **)&l->mark, &l->marks, (size_t)x->id + 1, 1);
    if (!l->mark[x->id])
        l->mark[x->id] = varies(l, x) ? VARIES : SHARED;
    return l->mark[x->id] & VARIES;
}

static int stride_of_sum(struct lanes *l, const struct lsum *s)
{
    int64_t factor = 0;

    for (int i = 0; i < s->terms; i++) {
        const struct lx *atom = s->term[i].atom;
        if (!lanes_vary(l, atom))
            continue;
        if (atom->kind != LX_VAR)
            return -1;
        factor = s->term[i].factor;
    }
    return factor == 0 || factor == 1 ? (int)factor : -1;
}

int lanes_step(struct lanes *l, struct lx *x)
{
    struct lsum s;

    if (!lanes_vary(l, x))
        return 0;
    return lsum_of(&s, x) ? stride_of_sum(l, &s) : -1;
}

/* Of a variable that stands in the last index alone the stride is plain to see; otherwise the address decides. */
int lanes_stride(struct lanes *l, const struct lbuf *buf, struct lx *const *index)
{
    bool early = false;

    for (int i = 0; i + 1 < buf->rank; i++)
        early |= lanes_vary(l, index[i]);
    if (!buf->rank)
        return 0;
    return lanes_step(l, early ? lx_flat(l->k, buf, index) : index[buf->rank - 1]);
}

/* --- whether a loop can run in lanes ------------------------------------------------------------------------------ */

static void check_value(struct lanes *l, struct lx *x);

/* Rows of registers are reached whole: the last index is the variable plus multiples of 16, the loop runs over such. */
static void check_tile(struct lanes *l, const struct lbuf *buf, struct lx *const *index)
{
    const struct ls *loop = l->loop;
    struct lsum s;

    for (int i = 0; i + 1 < buf->rank; i++) {
        if (lanes_vary(l, index[i]))
            refuse(l, "a tile is indexed by the loop in another axis than its last");
    }
    if (loop->begin->kind != LX_INT || loop->begin->i % 16 || loop_trips(loop) % 16)
        refuse(l, "a loop over a tile runs over a constant multiple of 16");
    if (!lsum_of(&s, index[buf->rank - 1]) || stride_of_sum(l, &s) != 1 || s.constant % 16) {
        refuse(l, "a tile's last index is the variable plus a multiple of 16");
        return;
    }
    for (int i = 0; i < s.terms; i++) {
        if (!lanes_vary(l, s.term[i].atom) && s.term[i].factor % 16)
            refuse(l, "a tile's last index is the variable plus a multiple of 16");
    }
}

/* The elements of a local array are vectors: which one is meant is the same in all lanes. */
static void check_array(struct lanes *l, const struct lbuf *buf, struct lx *const *index)
{
    for (int i = 0; i < buf->rank; i++) {
        if (lanes_vary(l, index[i]))
            refuse(l, "an array declared in the loop is indexed by it");
    }
}

static void check_load(struct lanes *l, const struct lx *x)
{
    if (x->buf->space == SPACE_TILE)
        check_tile(l, x->buf, x->arg);
    else if (lanes_local(l, x->buf))
        check_array(l, x->buf, x->arg);
    else if (args_vary(l, x) && lanes_stride(l, x->buf, x->arg) != 1)
        refuse(l, "a load goes to elements that are no neighbours");
}

static void check_args(struct lanes *l, const struct lx *x)
{
    for (int i = 0; i < x->args; i++)
        check_value(l, x->arg[i]);
}

static void check_varying(struct lanes *l, const struct lx *x)
{
    switch (x->kind) {
    case LX_IDIV:
    case LX_IMOD: refuse(l, "a division of indices has no form in lanes"); return;
    case LX_LOAD: check_load(l, x); return;
    case LX_HYPER: refuse(l, "a scalar operation depends on the loop"); return;
    case LX_FOLD: refuse(l, "lanes are folded within the loop"); return;
    case LX_RANDOM:
        if (lanes_step(l, x->arg[0]) != 1)
            refuse(l, "random elements that are no neighbours");
        return;
    case LX_GUARD:
        if (lanes_vary(l, x->arg[0]))
            refuse(l, "a guard differs between lanes");
        break;
    default: break;
    }
    check_args(l, x);
}

static void check_value(struct lanes *l, struct lx *x)
{
    bool vary = lanes_vary(l, x);

    if (l->mark[x->id] & CHECKED)
        return;
    l->mark[x->id] |= CHECKED;
    if (x->kind == LX_LOAD && x->buf->space == SPACE_TILE)
        check_tile(l, x->buf, x->arg);
    else if (vary)
        check_varying(l, x);
}

static void check_store(struct lanes *l, const struct ls *s)
{
    check_value(l, s->value);
    if (s->buf->space == SPACE_TILE)
        check_tile(l, s->buf, s->index);
    else if (lanes_local(l, s->buf))
        check_array(l, s->buf, s->index);
    else if (lanes_stride(l, s->buf, s->index) != 1)
        refuse(l, "a store does not go to neighbouring elements");
}

static void check_local(struct lanes *l, const struct ls *s)
{
    s->buf->data = (void *)(uintptr_t)l->loop;
    if (s->buf->space == SPACE_TILE)
        refuse(l, "a tile is declared in the loop");
    if (s->value)
        check_value(l, s->value);
}

static void check_block(struct lanes *l, const struct lblock *b);

static void check_inner(struct lanes *l, const struct ls *s)
{
    if (loop_in_lanes(s) || s->way == WAY_THREADS)
        refuse(l, "a loop inside runs in lanes or threads");
    if (lanes_vary(l, s->begin) || lanes_vary(l, s->end))
        refuse(l, "the bounds of a loop inside differ between lanes");
    check_block(l, &s->body);
}

static void check_if(struct lanes *l, const struct ls *s)
{
    if (lanes_vary(l, s->value))
        refuse(l, "a condition differs between lanes");
    check_block(l, &s->body);
    check_block(l, &s->other);
}

static void check_block(struct lanes *l, const struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        switch (s->kind) {
        case LS_LOOP: check_inner(l, s); break;
        case LS_IF: check_if(l, s); break;
        case LS_STORE: check_store(l, s); break;
        case LS_PREFETCH:
            if (lanes_vary(l, s->value))
                refuse(l, "a prefetch is of one element");
            break;
        case LS_LOCAL: check_local(l, s); break;
        case LS_LET:
            s->data = (void *)(uintptr_t)l->loop;
            check_value(l, s->value);
            break;
        }
    }
}

struct lanes lanes_of(struct lkernel *k, const struct ls *loop)
{
    struct lanes l = { .k = k, .loop = loop };

    if (loop->licence != LICENCE_PAR)
        refuse(&l, "its iterations are ordered");
    if (loop->step != 1)
        refuse(&l, "its step is not 1");
    if (loop->way == WAY_WIDE && (loop_trips(loop) < 0 || loop_trips(loop) % 32))
        refuse(&l, "its iterations are no constant multiple of 32");
    if (loop->way == WAY_WIDER && (loop_trips(loop) < 0 || loop_trips(loop) % 64))
        refuse(&l, "its iterations are no constant multiple of 64");
    check_block(&l, &loop->body);
    return l;
}

/* --- squares ------------------------------------------------------------------------------------------------------ */

enum { SIDE = 16 };

static bool is_side(const struct ls *s)
{
    return s && s->kind == LS_LOOP && s->licence == LICENCE_PAR && s->step == 1 && loop_trips(s) == SIDE &&
           s->begin->kind == LX_INT && s->begin->i == 0 && s->body.first && !s->body.first->next;
}

/* The address as base + unit + stride * other: two loop variables, of which one has factor 1. */
static bool address(struct lkernel *k, struct lx *x, struct lx *unit, struct lx *other, struct lx **base,
                    int64_t *stride)
{
    struct lsum s;

    if (!lsum_of(&s, x) || lsum_factor(&s, unit) != 1)
        return false;
    *stride = lsum_factor(&s, other);
    for (int i = 0; i < s.terms; i++) {
        const struct lx *atom = s.term[i].atom;
        if (atom != unit && atom != other && (lx_mentions(atom, unit->var) || lx_mentions(atom, other->var)))
            return false;
    }
    return lsum_add(&s, unit, -1) && lsum_add(&s, other, -*stride) && (*base = lsum_build(k, &s)) && *stride > 0;
}

bool loop_square(struct lkernel *k, const struct ls *loop, struct square *q)
{
    const struct ls *inner = is_side(loop) ? loop->body.first : NULL,
                    *store = is_side(inner) ? inner->body.first : NULL;

    if (!store || store->kind != LS_STORE || store->value->kind != LX_LOAD)
        return false;
    q->to = store->buf;
    q->from = store->value->buf;
    if (q->to->dtype != DT_REAL || q->from->dtype != DT_REAL || q->to->space == SPACE_TILE ||
        q->from->space == SPACE_TILE || q->to == q->from)
        return false;
    struct lx *i = lx_var(k, loop->var), *j = lx_var(k, inner->var);
    return address(k, lx_flat(k, q->to, store->index), j, i, &q->to_at, &q->to_stride) &&
           address(k, lx_flat(k, q->from, store->value->arg), i, j, &q->from_at, &q->from_stride);
}
