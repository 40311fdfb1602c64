/* codegen/loop_lets.c: what is computed twice in a block gets a name, and so does what is costly and does not depend
 * on the loop it stands in.
 *
 *     for j in 0..100 par                                    let t = rsqrt(v[i] + 0.1)
 *       y[j] = x[j] * rsqrt(v[i] + 0.1)                      for j in 0..100 par
 *       z[j] = exp(x[j]) * exp(x[j])            =>             let t2 = x[j]
 *                                                              let t3 = exp(t2)
 *                                                              y[j] = t2 * t
 *                                                              z[j] = t3 * t3
 *
 * A name is given in the outermost block where all that the value reads is visible, before the first statement that
 * needs it. Only values that are computed there in any case move: what stands behind a condition or in a loop that may
 * not run gives no name. A value that reads what a loop or a condition from there on writes stays where it is; what is read
 * before a store of the block itself is another expression than what is read behind it. */
#include <limits.h>

#include "codegen/loop_pass.h"

#include "ir/loop_index.h"

/* What is known of an expression within the block at work. */
struct usage {
    int block;    /* the one at work; else nothing below holds */
    int edges;    /* expressions and statements that hold it; what has a name counts once */
    int first;    /* the statement of the block with its first use */
    bool inner;   /* used in a loop inside the block */
    bool certain; /* used wherever the block runs */
    bool named;
};

struct lets {
    struct lkernel *k;
    struct usage *use;     /* by expression */
    struct motion *motion; /* by expression */
    struct lx **seen;      /* by expression: itself, where the block at work holds it */
    size_t capacity;       /* of all three */
    int first, last;       /* that was seen */
    int block;             /* which is at work, from 1 */
};

/* Whether an expression can be computed in the block at work outside of loops and conditions, and from where on. */
struct motion {
    bool asked, visible, costly;
    int after; /* the last statement within which something writes what it reads; -1: none */
};

/* What a buffer carries in its scratch; what is visible of loops and lets carries the struct lets. */
struct buffer_state {
    bool visible;
    int written; /* within which statement of the block last, -1: none */
};

/* --- what may move ------------------------------------------------------------------------------------------------ */

static bool is_costly(const struct lx *x)
{
    if (x->kind == LX_ELEM && !op_is(x->op, CHEAP))
        return true;
    return x->kind == LX_RANDOM || x->kind == LX_HYPER || x->kind == LX_FOLD;
}

static bool is_visible(const struct lets *l, const struct lx *x)
{
    if (x->kind == LX_VAR)
        return !x->var->loop || x->var->loop->data == l;
    if (x->kind == LX_LET)
        return x->let->data == l;
    if (x->kind == LX_LOAD || x->kind == LX_FOLD) {
        const struct buffer_state *buf = x->buf->data;
        return buf->visible;
    }
    return true;
}

static const struct motion *motion_of(struct lets *l, const struct lx *x)
{
    struct motion *m = &l->motion[x->id];

    if (m->asked)
        return m;
    *m = (struct motion){ true, is_visible(l, x), is_costly(x), -1 };
    if (x->kind == LX_LOAD || x->kind == LX_FOLD)
        m->after = ((const struct buffer_state *)x->buf->data)->written;
    for (int i = 0; i < x->args; i++) {
        const struct motion *a = motion_of(l, x->arg[i]);
        m->visible &= a->visible;
        m->costly |= a->costly;
        m->after = a->after > m->after ? a->after : m->after;
    }
    return m;
}

/* Constants, names and index arithmetic are as short as a name. */
static bool deserves_name(const struct lx *x)
{
    switch (x->kind) {
    case LX_ELEM:
    case LX_FMA:
    case LX_FOLD:
    case LX_GUARD:
    case LX_RANDOM:
    case LX_HYPER: return true;
    case LX_LOAD: return x->buf->rank || x->buf->space == SPACE_ARGUMENT;
    default: return false;
    }
}

/* --- uses --------------------------------------------------------------------------------------------------------- */

struct context {
    int statement; /* of the block at work */
    bool inner, certain;
};

/* The block holds x and its operands. */
static void see(struct lets *l, struct lx *x)
{
    if (l->use[x->id].block == l->block)
        return;
    l->use[x->id] = (struct usage){ .block = l->block };
    l->motion[x->id].asked = false;
    l->seen[x->id] = x;
    l->first = x->id < l->first ? x->id : l->first;
    l->last = x->id > l->last ? x->id : l->last;
    for (int i = 0; i < x->args; i++)
        see(l, x->arg[i]);
}

static void use(struct lets *l, struct lx *x, struct context c)
{
    struct usage *u = &l->use[x->id];

    see(l, x);
    if (!u->edges || c.statement < u->first)
        u->first = c.statement;
    u->edges++;
    u->inner |= c.inner;
    u->certain |= c.certain;
}

static void use_block(struct lets *l, const struct lblock *b, struct context c);

static void use_statement(struct lets *l, const struct ls *s, struct context c)
{
    struct context in = c;

    for (int i = 0; s->kind == LS_STORE && i < s->buf->rank; i++)
        use(l, s->index[i], c);
    if (s->value)
        use(l, s->value, c);
    if (s->kind == LS_LOOP) {
        use(l, s->begin, c);
        use(l, s->end, c);
        in.inner = true;
        in.certain = c.certain && s->begin->high < s->end->low;
    } else {
        in.certain = false;
    }
    use_block(l, &s->body, in);
    use_block(l, &s->other, in);
}

static void use_block(struct lets *l, const struct lblock *b, struct context c)
{
    for (const struct ls *s = b->first; s; s = s->next)
        use_statement(l, s, c);
}

/* From an expression to its operands, which are evaluated where it is. */
static void use_args(struct lets *l, const struct lx *x)
{
    const struct usage *u = &l->use[x->id];

    for (int i = 0; i < x->args; i++)
        use(l, x->arg[i],
            (struct context){ u->first, u->inner && !u->named,
                              (u->certain || u->named) && !(x->kind == LX_GUARD && i > 0) });
}

/* The expression of this number, if the block at work holds it. */
static struct lx *seen(const struct lets *l, int id)
{
    return l->use[id].block == l->block ? l->seen[id] : NULL;
}

static bool wants_name(struct lets *l, const struct lx *x)
{
    const struct usage *u = &l->use[x->id];
    const struct motion *m;

    if (!u->certain || !deserves_name(x))
        return false;
    m = motion_of(l, x);
    return m->visible && m->after < u->first && (u->edges > 1 || (u->inner && m->costly));
}

/* --- naming ------------------------------------------------------------------------------------------------------- */

/* Puts the let in front of statement number `at` of b. */
static struct lx *insert(struct lets *l, struct lblock *b, struct ls **statement, int at, struct lx *value)
{
    struct lblock alone = { NULL, NULL };
    struct lx *name = ls_let(l->k, &alone, "t", value);
    struct ls *s = b->first, *before = NULL;

    for (; s != statement[at]; s = s->next)
        before = s;
    alone.first->next = s;
    if (before)
        before->next = alone.first;
    else
        b->first = alone.first;
    alone.first->data = l;
    return name;
}

/* x itself is not looked up: it has no name yet. */
static struct lx *with_names(struct rewrite *r, const struct lx *x)
{
    struct lx *arg[MAX_RANK], like = *x;

    for (int i = 0; i < x->args; i++)
        arg[i] = rewrite_value(r, x->arg[i]);
    like.arg = arg;
    return lx_make(r->k, &like);
}

static void name_values(struct lets *l, struct lblock *b)
{
    struct rewrite r = { .k = l->k };
    struct ls **statement;
    int statements = 0;
    bool any = false;

    for (struct ls *s = b->first; s; s = s->next)
        statements++;
    statement = NEW_ARRAY(l->k->arena, statements + 1, struct ls *);
    statements = 0;
    for (struct ls *s = b->first; s; s = s->next) {
        statement[statements] = s;
        use_statement(l, s, (struct context){ statements++, false, true });
    }
    /* Operands have lower ids than what they are operands of. */
    for (int i = l->last; i >= l->first; i--) {
        struct lx *x = seen(l, i);
        if (!x)
            continue;
        any |= l->use[i].named = wants_name(l, x);
        use_args(l, x);
    }
    for (int i = l->first; any && i <= l->last; i++) {
        struct lx *x = seen(l, i);
        if (x && l->use[i].named)
            rewrite_set(&r, x, insert(l, b, statement, l->use[i].first, with_names(&r, x)));
    }
    for (int i = 0; any && i < statements; i++) {
        struct lblock one = { statement[i], statement[i] };
        struct ls *next = statement[i]->next;
        statement[i]->next = NULL;
        rewrite_block(&r, &one);
        statement[i]->next = next;
    }
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static void mark_written(const struct ls *s, int statement)
{
    const struct lblock *const blocks[] = { &s->body, &s->other };

    for (int i = 0; i < 2; i++) {
        for (const struct ls *in = blocks[i]->first; in; in = in->next) {
            if (in->kind == LS_STORE)
                ((struct buffer_state *)in->buf->data)->written = statement;
            mark_written(in, statement);
        }
    }
}

/* What the block declares is visible in it. */
static void set_visible(struct lets *l, const struct lblock *b, bool visible)
{
    for (struct ls *s = b->first; s; s = s->next) {
        s->data = visible && s->kind == LS_LET ? l : NULL;
        if (s->kind == LS_LOCAL)
            ((struct buffer_state *)s->buf->data)->visible = visible;
    }
}

/* Blocks share their scratch: each is done with it when it comes to those inside. */
static void clear_scratch(struct lets *l)
{
    size_t count = l->k->expressions;

    if (count > l->capacity) {
        l->capacity = 2 * count;
        l->use = NEW_ARRAY(l->k->arena, l->capacity, struct usage);
        l->motion = NEW_ARRAY(l->k->arena, l->capacity, struct motion);
        l->seen = NEW_ARRAY(l->k->arena, l->capacity, struct lx *);
    }
    l->first = INT_MAX;
    l->last = -1;
    l->block++;
}

static void run_block(struct lets *l, struct lblock *b)
{
    int statement = 0;

    if (!b->first)
        return;
    for (struct lbuf *buf = l->k->buffers; buf; buf = buf->next)
        ((struct buffer_state *)buf->data)->written = -1;
    set_visible(l, b, true);
    for (const struct ls *s = b->first; s; s = s->next)
        mark_written(s, statement++);
    clear_scratch(l);
    name_values(l, b);
    for (struct ls *s = b->first; s; s = s->next) {
        void *mine = s->data;
        s->data = s->kind == LS_LOOP ? l : mine;
        run_block(l, &s->body);
        run_block(l, &s->other);
        s->data = mine;
    }
    set_visible(l, b, false);
}

void loop_lets(struct lkernel *k)
{
    struct lets l = { .k = k };

    for (struct lbuf *b = k->buffers; b; b = b->next) {
        struct buffer_state *state = NEW(k->arena, struct buffer_state);
        state->visible = b->space == SPACE_ARGUMENT;
        b->data = state;
    }
    run_block(&l, &k->body);
}
