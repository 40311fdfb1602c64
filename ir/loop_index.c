/* ir/loop_index.c: index expressions, simplified as they are made.
 *
 * Sums are kept flat (loop_index.h) and rebuilt in one canonical form, so that what cancels does, and equal indices are
 * one pointer. Division rounds down; with x = c * q + r and the bounds of loop variables it mostly goes away:
 *
 *     (i * 784 + p) / 28         =>   i * 28 + p / 28
 *     (p / 28) * 28 + p % 28     =>   p
 *     (r * 28 + c) / 28          =>   r                   where c is in 0..28
 *
 * Every rewrite is exact for all integers within the bounds; what would leave 64 bits is left as it was written. */
#include "ir/loop_index.h"

/* Bounds saturate here: far beyond every index, and safe to add. */
#define FAR ((int64_t)1 << 60)

static int64_t saturate(int64_t x)
{
    return x > FAR ? FAR : x < -FAR ? -FAR : x;
}

static int64_t bound_mul(int64_t a, int64_t b)
{
    int64_t p;

    if (__builtin_mul_overflow(a, b, &p))
        return (a < 0) == (b < 0) ? FAR : -FAR;
    return saturate(p);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    return a - floor_div(a, b) * b;
}

/* --- sums --------------------------------------------------------------------------------------------------------- */

static void term_remove(struct lsum *s, int at)
{
    for (int i = at; i + 1 < s->terms; i++)
        s->term[i] = s->term[i + 1];
    s->terms--;
}

static bool add_atom(struct lsum *s, struct lx *atom, int64_t factor)
{
    for (int i = 0; i < s->terms; i++) {
        if (s->term[i].atom != atom)
            continue;
        if (__builtin_add_overflow(s->term[i].factor, factor, &s->term[i].factor))
            return false;
        if (!s->term[i].factor)
            term_remove(s, i);
        return true;
    }
    if (s->terms == LSUM_MAX)
        return false;
    s->term[s->terms++] = (struct lterm){ atom, factor };
    return true;
}

bool lsum_add(struct lsum *s, struct lx *x, int64_t factor)
{
    int64_t product;

    if (!factor)
        return true;
    switch (x->kind) {
    case LX_INT:
        return !__builtin_mul_overflow(x->i, factor, &product) &&
               !__builtin_add_overflow(s->constant, product, &s->constant);
    case LX_IADD: return lsum_add(s, x->arg[0], factor) && lsum_add(s, x->arg[1], factor);
    case LX_ISUB: return factor != INT64_MIN && lsum_add(s, x->arg[0], factor) && lsum_add(s, x->arg[1], -factor);
    case LX_IMUL:
        if (x->arg[1]->kind != LX_INT)
            return add_atom(s, x, factor);
        return !__builtin_mul_overflow(x->arg[1]->i, factor, &product) && lsum_add(s, x->arg[0], product);
    default: return add_atom(s, x, factor);
    }
}

bool lsum_of(struct lsum *s, struct lx *x)
{
    s->terms = 0;
    s->constant = 0;
    return lsum_add(s, x, 1);
}

void lsum_range(const struct lsum *s, int64_t *low, int64_t *high)
{
    *low = *high = saturate(s->constant);
    for (int i = 0; i < s->terms; i++) {
        const struct lterm *t = &s->term[i];
        int64_t a = bound_mul(t->factor, t->atom->low), b = bound_mul(t->factor, t->atom->high);
        *low = saturate(*low + (a < b ? a : b));
        *high = saturate(*high + (a < b ? b : a));
    }
}

int64_t lsum_factor(const struct lsum *s, const struct lx *atom)
{
    for (int i = 0; i < s->terms; i++) {
        if (s->term[i].atom == atom)
            return s->term[i].factor;
    }
    return 0;
}

/* f * (x % c) and f * c * (x / c) are f * x; f * (x % c) and f * c * ((x / c) % d) are f * (x % (c * d)). Gives what
 * replaces both, or NULL. */
static struct lx *rejoin(struct lkernel *k, const struct lterm *rest, const struct lterm *whole)
{
    int64_t factor, product;
    struct lx *m = rest->atom, *d = whole->atom;

    if (m->kind != LX_IMOD || m->arg[1]->kind != LX_INT ||
        __builtin_mul_overflow(rest->factor, m->arg[1]->i, &factor) || factor != whole->factor)
        return NULL;
    if (d->kind == LX_IDIV && d->arg[0] == m->arg[0] && d->arg[1] == m->arg[1])
        return m->arg[0];
    if (d->kind != LX_IMOD || d->arg[1]->kind != LX_INT || d->arg[0]->kind != LX_IDIV ||
        d->arg[0]->arg[0] != m->arg[0] || d->arg[0]->arg[1] != m->arg[1] ||
        __builtin_mul_overflow(m->arg[1]->i, d->arg[1]->i, &product))
        return NULL;
    return lx_index(k, LX_IMOD, m->arg[0], lx_int(k, product));
}

/* One such pair, joined; false where there is none. */
static bool rejoin_one(struct lkernel *k, struct lsum *s)
{
    for (int i = 0; i < s->terms; i++) {
        for (int j = 0; j < s->terms; j++) {
            struct lx *joined = i == j ? NULL : rejoin(k, &s->term[i], &s->term[j]);
            struct lsum next = { .constant = s->constant };
            if (!joined)
                continue;
            for (int t = 0; t < s->terms; t++) {
                bool first = t == (i < j ? i : j), other = t == (i < j ? j : i);
                if (!other && !(first ? lsum_add(&next, joined, s->term[i].factor)
                                      : add_atom(&next, s->term[t].atom, s->term[t].factor)))
                    return false;
            }
            *s = next;
            return true;
        }
    }
    return false;
}

static struct lx *term_build(struct lkernel *k, struct lx *atom, int64_t factor)
{
    return factor == 1 ? atom : lx_raw(k, LX_IMUL, atom, lx_int(k, factor));
}

static struct lx *append(struct lkernel *k, struct lx *sum, struct lx *atom, int64_t factor)
{
    if (factor < 0 && factor != INT64_MIN)
        return lx_raw(k, LX_ISUB, sum, term_build(k, atom, -factor));
    return lx_raw(k, LX_IADD, sum, term_build(k, atom, factor));
}

bool lx_mentions(const struct lx *x, const struct lvar *v)
{
    if (x->kind == LX_VAR)
        return x->var == v;
    for (int i = 0; i < x->args; i++)
        if (lx_mentions(x->arg[i], v))
            return true;
    return false;
}

bool lx_reads(const struct lx *x, const struct lbuf *b)
{
    if ((x->kind == LX_LOAD || x->kind == LX_FOLD) && x->buf == b)
        return true;
    for (int i = 0; i < x->args; i++)
        if (lx_reads(x->arg[i], b))
            return true;
    return false;
}

bool block_reads(const struct lblock *block, const struct lbuf *b)
{
    for (const struct ls *s = block->first; s; s = s->next)
        if ((s->value && lx_reads(s->value, b)) || block_reads(&s->body, b) || block_reads(&s->other, b))
            return true;
    return false;
}

/* The first positive term leads, the constant stands last; where all terms are negative a positive constant leads. So
 * the text of a sum reads back as the same sum. */
struct lx *lsum_build(struct lkernel *k, const struct lsum *from)
{
    struct lsum s = *from;
    int lead = 0;
    struct lx *x;

    while (rejoin_one(k, &s))
        ;
    while (lead < s.terms && s.term[lead].factor < 0)
        lead++;
    if (lead == s.terms && (s.constant > 0 || !s.terms)) {
        x = lx_int(k, s.constant);
        s.constant = 0;
    } else {
        lead = lead == s.terms ? 0 : lead;
        x = term_build(k, s.term[lead].atom, s.term[lead].factor);
        term_remove(&s, lead);
    }
    for (int i = 0; i < s.terms; i++)
        x = append(k, x, s.term[i].atom, s.term[i].factor);
    if (s.constant < 0 && s.constant != INT64_MIN)
        return lx_raw(k, LX_ISUB, x, lx_int(k, -s.constant));
    return s.constant ? lx_raw(k, LX_IADD, x, lx_int(k, s.constant)) : x;
}

static struct lx *add(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b)
{
    struct lsum s;

    if (lsum_of(&s, a) && lsum_add(&s, b, kind == LX_IADD ? 1 : -1))
        return lsum_build(k, &s);
    return lx_raw(k, kind, a, b);
}

static struct lx *scale(struct lkernel *k, struct lx *x, struct lx *by)
{
    struct lsum s = { .constant = 0 };

    return lsum_add(&s, x, by->i) ? lsum_build(k, &s) : lx_raw(k, LX_IMUL, x, by);
}

/* Of two atoms; n stands last. */
static struct lx *product(struct lkernel *k, struct lx *a, struct lx *b)
{
    return a->kind == LX_BATCH ? lx_raw(k, LX_IMUL, b, a) : lx_raw(k, LX_IMUL, a, b);
}

static bool is_sum(const struct lx *x)
{
    return x->kind == LX_IADD || x->kind == LX_ISUB;
}

/* The product of a sum and an atom is distributed; that of two sums stays. */
static struct lx *multiply(struct lkernel *k, struct lx *a, struct lx *b)
{
    struct lsum s = { .constant = 0 }, p, q;

    if (a->kind == LX_INT || (b->kind != LX_INT && is_sum(b) && !is_sum(a))) {
        struct lx *swap = a;
        a = b;
        b = swap;
    }
    if (b->kind == LX_INT)
        return scale(k, a, b);
    if (!lsum_of(&p, a) || !lsum_of(&q, b) || q.terms != 1 || q.constant)
        return lx_raw(k, LX_IMUL, a, b);
    for (int i = 0; i < p.terms; i++) {
        int64_t factor;
        if (__builtin_mul_overflow(p.term[i].factor, q.term[0].factor, &factor) ||
            !lsum_add(&s, product(k, p.term[i].atom, q.term[0].atom), factor))
            return lx_raw(k, LX_IMUL, a, b);
    }
    return lsum_add(&s, b, p.constant) ? lsum_build(k, &s) : lx_raw(k, LX_IMUL, a, b);
}

/* --- division ----------------------------------------------------------------------------------------------------- */

/* x = c * whole + rest: terms with a factor that c divides go to `whole`, and of the constant as much as leaves `rest`
 * within 0..c-1 at its lower bound where that is possible at all. */
static void split(const struct lsum *x, int64_t c, struct lsum *whole, struct lsum *rest)
{
    int64_t low, high;

    *whole = *rest = (struct lsum){ .constant = 0 };
    for (int i = 0; i < x->terms; i++) {
        struct lterm t = x->term[i];
        if (t.factor % c == 0)
            whole->term[whole->terms++] = (struct lterm){ t.atom, t.factor / c };
        else
            rest->term[rest->terms++] = t;
    }
    rest->constant = x->constant;
    lsum_range(rest, &low, &high);
    whole->constant = floor_div(low, c) == floor_div(high, c) && low > -FAR && high < FAR
                          ? floor_div(low, c)
                          : floor_div(rest->constant, c);
    rest->constant -= whole->constant * c;
}

/* The greatest divisor of c and of all factors; the sum is divided by it, its constant rounded down. */
static int64_t reduce(struct lsum *s, int64_t c)
{
    int64_t g = c;

    for (int i = 0; i < s->terms; i++) {
        int64_t a = s->term[i].factor;
        while (a) {
            int64_t next = g % a;
            g = a;
            a = next;
        }
        g = g < 0 ? -g : g;
    }
    for (int i = 0; i < s->terms; i++)
        s->term[i].factor /= g;
    s->constant = floor_div(s->constant, g);
    return g;
}

static bool within(const struct lsum *s, int64_t c)
{
    int64_t low, high;

    lsum_range(s, &low, &high);
    return low >= 0 && high < c;
}

/* rest / c for a rest that is not within 0..c-1. (y / a) / c is y / (a * c); (y % m) / c is (y / c) % (m / c). */
static struct lx *divide_rest(struct lkernel *k, struct lsum *rest, int64_t c)
{
    int64_t product;
    struct lx *y;

    c /= reduce(rest, c);
    if (c == 1)
        return lsum_build(k, rest);
    y = lsum_build(k, rest);
    if (y->kind == LX_IDIV && y->arg[1]->kind == LX_INT && !__builtin_mul_overflow(y->arg[1]->i, c, &product))
        return lx_index(k, LX_IDIV, y->arg[0], lx_int(k, product));
    if (y->kind == LX_IMOD && y->arg[1]->kind == LX_INT && y->arg[1]->i % c == 0)
        return lx_index(k, LX_IMOD, lx_index(k, LX_IDIV, y->arg[0], lx_int(k, c)), lx_int(k, y->arg[1]->i / c));
    return lx_raw(k, LX_IDIV, y, lx_int(k, c));
}

static struct lx *divide(struct lkernel *k, struct lx *a, int64_t c)
{
    struct lsum x, whole, rest;

    if (c == 1)
        return a;
    if (!lsum_of(&x, a))
        return lx_raw(k, LX_IDIV, a, lx_int(k, c));
    split(&x, c, &whole, &rest);
    if (within(&rest, c))
        return lsum_build(k, &whole);
    if (!lsum_add(&whole, divide_rest(k, &rest, c), 1))
        return lx_raw(k, LX_IDIV, a, lx_int(k, c));
    return lsum_build(k, &whole);
}

/* f * (y % m) is f * y modulo c where c divides f * m. */
static bool drop_inner_mod(struct lsum *s, int64_t c)
{
    for (int i = 0; i < s->terms; i++) {
        struct lterm t = s->term[i];
        int64_t product;
        if (t.atom->kind != LX_IMOD || t.atom->arg[1]->kind != LX_INT ||
            __builtin_mul_overflow(t.factor, t.atom->arg[1]->i, &product) || product % c)
            continue;
        term_remove(s, i);
        return lsum_add(s, t.atom->arg[0], t.factor);
    }
    return false;
}

static struct lx *modulo(struct lkernel *k, struct lx *a, int64_t c)
{
    struct lsum x, whole, rest;
    int64_t g, low_digit;

    if (c == 1)
        return lx_int(k, 0);
    if (!lsum_of(&x, a))
        return lx_raw(k, LX_IMOD, a, lx_int(k, c));
    split(&x, c, &whole, &rest);
    if (within(&rest, c))
        return lsum_build(k, &rest);
    x = rest;
    if (drop_inner_mod(&x, c))
        return modulo(k, lsum_build(k, &x), c);
    low_digit = rest.constant;
    g = reduce(&rest, c);
    if (g == 1)
        return lx_raw(k, LX_IMOD, lsum_build(k, &rest), lx_int(k, c));
    x = (struct lsum){ .constant = floor_mod(low_digit, g) };
    if (!lsum_add(&x, modulo(k, lsum_build(k, &rest), c / g), g))
        return lx_raw(k, LX_IMOD, a, lx_int(k, c));
    return lsum_build(k, &x);
}

/* By n: what is left of x beside multiples of n goes where it is a variable of a loop from 0 to n. */
static struct lx *by_batch(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *n)
{
    struct lsum x, whole = { .constant = 0 }, rest = { .constant = 0 };
    const struct lx *v;

    if (!lsum_of(&x, a))
        return lx_raw(k, kind, a, n);
    for (int i = 0; i < x.terms; i++) {
        struct lterm t = x.term[i];
        if (t.atom == n)
            whole.constant = t.factor;
        else if (t.atom->kind == LX_IMUL && t.atom->arg[1] == n)
            whole.term[whole.terms++] = (struct lterm){ t.atom->arg[0], t.factor };
        else
            rest.term[rest.terms++] = t;
    }
    rest.constant = x.constant;
    v = rest.terms == 1 && rest.term[0].factor == 1 && !rest.constant ? rest.term[0].atom : NULL;
    if ((rest.terms || rest.constant) &&
        !(v && v->kind == LX_VAR && v->low >= 0 && v->var->loop && v->var->loop->end == n))
        return lx_raw(k, kind, a, n);
    return lsum_build(k, kind == LX_IDIV ? &whole : &rest);
}

static struct lx *quotient(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b)
{
    if (b->kind == LX_BATCH)
        return by_batch(k, kind, a, b);
    if (b->kind != LX_INT)
        return lx_raw(k, kind, a, b);
    if (b->i <= 0)
        bug("an index is divided by %lld", (long long)b->i);
    return kind == LX_IDIV ? divide(k, a, b->i) : modulo(k, a, b->i);
}

/* --- minima and comparisons --------------------------------------------------------------------------------------- */

/* Narrows the bounds of d by what term i, a variable of a loop, is bounded by as an expression: v <= end - 1. */
static void narrow(const struct lsum *d, int i, int64_t *low, int64_t *high)
{
    struct lsum e = *d;
    const struct lterm t = d->term[i];
    int64_t least, most;

    if (t.atom->kind != LX_VAR || !t.atom->var->loop || (t.factor != 1 && t.factor != -1))
        return;
    term_remove(&e, i);
    if (!lsum_add(&e, t.atom->var->loop->end, t.factor) || __builtin_sub_overflow(e.constant, t.factor, &e.constant))
        return;
    lsum_range(&e, &least, &most);
    if (t.factor == 1 && most < *high)
        *high = most;
    if (t.factor == -1 && least > *low)
        *low = least;
}

/* Bounds of a - b. */
static bool difference(struct lx *a, struct lx *b, int64_t *low, int64_t *high)
{
    struct lsum d;

    if (!lsum_of(&d, a) || !lsum_add(&d, b, -1))
        return false;
    lsum_range(&d, low, high);
    for (int i = 0; i < d.terms; i++)
        narrow(&d, i, low, high);
    return true;
}

static struct lx *extreme(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b)
{
    int64_t low, high;

    if (!difference(a, b, &low, &high))
        return lx_raw(k, kind, a, b);
    if (high <= 0)
        return kind == LX_IMIN ? a : b;
    if (low >= 0)
        return kind == LX_IMIN ? b : a;
    return lx_raw(k, kind, a, b);
}

/* A comparison in which but one atom is no constant: that against a constant, c <= t or t < c. Of a quotient it is what is
 * divided against a multiple: c <= x / d is c d <= x, and x / d < c is x < c d. NULL: it is no such comparison. */
static struct lx *compare_alone(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b)
{
    struct lsum s;
    int64_t bound;

    if (!lsum_of(&s, b) || !lsum_add(&s, a, -1) || s.terms != 1 || s.constant <= -FAR || s.constant >= FAR)
        return NULL;
    struct lx *t = s.term[0].atom;
    int64_t factor = s.term[0].factor, rest = s.constant - (kind == LX_ILT); /* 0 <= factor t + rest */
    bool from_below = factor > 0, quotient = t->kind == LX_IDIV && t->arg[1]->kind == LX_INT;
    if (factor == INT64_MIN)
        return NULL;
    bound = from_below ? -floor_div(rest, factor) : floor_div(rest, -factor) + 1;
    if (quotient && __builtin_mul_overflow(bound, t->arg[1]->i, &bound))
        return NULL;
    struct lx *c = lx_int(k, bound);
    if (quotient)
        return from_below ? lx_index(k, LX_ILE, c, t->arg[0]) : lx_index(k, LX_ILT, t->arg[0], c);
    return from_below ? lx_raw(k, LX_ILE, c, t) : lx_raw(k, LX_ILT, t, c);
}

static struct lx *compare(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b)
{
    int64_t low, high;

    if (!difference(a, b, &low, &high))
        return lx_raw(k, kind, a, b);
    if (kind == LX_IEQ && (low > 0 || high < 0 || (low == 0 && high == 0)))
        return lx_flag(k, low == 0);
    if (kind == LX_IEQ)
        return lx_raw(k, kind, a, b);
    if (kind == LX_ILE ? high <= 0 : high < 0)
        return lx_flag(k, true);
    if (kind == LX_ILE ? low > 0 : low >= 0)
        return lx_flag(k, false);
    struct lx *simpler = compare_alone(k, kind, a, b);
    return simpler ? simpler : lx_raw(k, kind, a, b);
}

struct lx *lx_index(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b)
{
    switch (kind) {
    case LX_IADD:
    case LX_ISUB: return add(k, kind, a, b);
    case LX_IMUL: return multiply(k, a, b);
    case LX_IDIV:
    case LX_IMOD: return quotient(k, kind, a, b);
    case LX_IMIN:
    case LX_IMAX: return extreme(k, kind, a, b);
    case LX_ILT:
    case LX_ILE:
    case LX_IEQ: return compare(k, kind, a, b);
    default: bug("no index operation: %d", (int)kind);
    }
}

/* --- bounds ------------------------------------------------------------------------------------------------------- */

static void bounds_of_product(struct lx *x, const struct lx *a, const struct lx *b)
{
    int64_t p[4] = { bound_mul(a->low, b->low), bound_mul(a->low, b->high), bound_mul(a->high, b->low),
                     bound_mul(a->high, b->high) };

    x->low = x->high = p[0];
    for (int i = 1; i < 4; i++) {
        x->low = p[i] < x->low ? p[i] : x->low;
        x->high = p[i] > x->high ? p[i] : x->high;
    }
}

/* The divisor is positive. */
static void bounds_of_quotient(struct lx *x, const struct lx *a, const struct lx *b)
{
    int64_t least = b->low > 0 ? b->low : 1, most = b->high > 0 ? b->high : 1;

    if (x->kind == LX_IMOD) {
        x->low = 0;
        x->high = a->low >= 0 && a->high < most - 1 ? a->high : most - 1;
        return;
    }
    x->low = floor_div(a->low, a->low < 0 ? least : most);
    x->high = floor_div(a->high, a->high < 0 ? most : least);
}

static void bounds_of_variable(struct lx *x, const struct lvar *v)
{
    x->low = v->loop ? v->loop->begin->low : 0;
    x->high = v->loop ? v->loop->end->high - 1 : INT32_MAX;
    if (v->loop && v->loop->begin->kind == LX_INT) /* the last step need not end at the end */
        x->high -= (x->high - x->low) % v->loop->step;
    if (x->high < x->low)
        x->high = x->low;
}

void lx_bounds(struct lkernel *k, struct lx *x)
{
    const struct lx *a = x->args > 0 ? x->arg[0] : NULL, *b = x->args > 1 ? x->arg[1] : NULL;

    x->low = x->dtype == DT_U8 || x->dtype == DT_BOOL ? 0 : INT32_MIN;
    x->high = x->dtype == DT_U8 ? 255 : x->dtype == DT_BOOL ? 1 : INT32_MAX;
    switch (x->kind) {
    case LX_INT:
    case LX_FLAG: x->low = x->high = saturate(x->i); break;
    case LX_VAR: bounds_of_variable(x, x->var); break;
    case LX_BATCH:
        x->low = 1;
        x->high = k->batch;
        break;
    case LX_IADD:
        x->low = saturate(a->low + b->low);
        x->high = saturate(a->high + b->high);
        break;
    case LX_ISUB:
        x->low = saturate(a->low - b->high);
        x->high = saturate(a->high - b->low);
        break;
    case LX_IMUL: bounds_of_product(x, a, b); break;
    case LX_IDIV:
    case LX_IMOD: bounds_of_quotient(x, a, b); break;
    case LX_IMIN:
        x->low = a->low < b->low ? a->low : b->low;
        x->high = a->high < b->high ? a->high : b->high;
        break;
    case LX_IMAX:
        x->low = a->low > b->low ? a->low : b->low;
        x->high = a->high > b->high ? a->high : b->high;
        break;
    case LX_LET:
        x->low = x->let->value->low;
        x->high = x->let->value->high;
        break;
    default: break;
    }
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

struct lx *lx_flat(struct lkernel *k, const struct lbuf *buf, struct lx *const *index)
{
    struct type t = lbuf_memory(buf);
    struct lx *at = buf->rank ? index[0] : lx_int(k, 0);

    for (int i = 1; i < buf->rank; i++)
        at = lx_index(k, LX_IADD, lx_index(k, LX_IMUL, at, lx_dim(k, t.dim[i])), index[i]);
    return at;
}
