/* codegen/window.c: windows sliding over images, and pooling. Channels are the second axis of images, or the last. */
#include "codegen/lower.h"
#include "ir/layout.h"

/* ---- windows ---- */

static int spatial_axis(const struct node *n)
{
    return layout_channels_last(n) ? 1 : 2;
}

struct window read_window(const struct node *n, struct type weight)
{
    struct window w = { .n = weight.rank - 2,
                        .axis = spatial_axis(n),
                        .stride = attr_ints(n, "stride", NULL),
                        .pad = attr_ints(n, "pad", NULL),
                        .dilation = attr_ints(n, "dilation", NULL),
                        .groups = attr_int(n, "groups") };

    for (int i = 0; i < w.n; i++)
        w.kernel[i] = weight.dim[w.axis == 1 ? i : 2 + i].k;
    return w;
}

void spatial_at(const struct window *w, int rank, struct lx *const *at, struct lx *const *spatial, struct lx **to)
{
    for (int i = 0; i < rank; i++)
        to[i] = i >= w->axis && i < w->axis + w->n ? spatial[i - w->axis] : at[i];
}

struct lx *slid(struct lower *l, const struct window *w, int i, struct lx *o, struct lx *k)
{
    struct lx *reach = w->dilation ? index_op(l, LX_IMUL, k, lx_int(l->k, w->dilation[i])) : k;
    struct lx *from = index_op(l, LX_IADD, index_op(l, LX_IMUL, o, lx_int(l->k, w->stride[i])), reach);

    return index_op(l, LX_ISUB, from, lx_int(l->k, w->pad[2 * i]));
}

struct lx *padded_along(struct lower *l, const struct window *w, struct type x, int i, struct lx *at, struct lx *v)
{
    struct lx *end = lx_dim(l->k, x.dim[w->axis + i]), *zero = lx_real(l->k, 0);

    if (w->pad[2 * i + 1])
        v = lx_guard(l->k, index_op(l, LX_ILT, at, end), v, zero);
    if (w->pad[2 * i])
        v = lx_guard(l->k, index_op(l, LX_ILE, lx_int(l->k, 0), at), v, zero);
    return v;
}

struct lx *padded(struct lower *l, const struct window *w, struct type x, struct lx *const *spatial, struct lx *v)
{
    for (int i = w->n - 1; i >= 0; i--)
        v = padded_along(l, w, x, i, spatial[i], v);
    return v;
}

struct lblock *only_where(struct lower *l, struct lblock *b, struct lx *condition)
{
    return condition->kind == LX_FLAG && condition->i ? b : &ls_if(l->k, b, condition)->body;
}

struct lblock *inside_along(struct lower *l, struct lblock *b, const struct window *w, struct type x, int i,
                            struct lx *at)
{
    if (w->pad[2 * i])
        b = only_where(l, b, index_op(l, LX_ILE, lx_int(l->k, 0), at));
    if (w->pad[2 * i + 1])
        b = only_where(l, b, index_op(l, LX_ILT, at, lx_dim(l->k, x.dim[w->axis + i])));
    return b;
}

struct lblock *open_red(struct lower *l, struct lblock *b, const char *name, int64_t count, struct lx **at)
{
    struct ls *loop = ls_loop(l->k, b, name, lx_int(l->k, 0), lx_int(l->k, count), 1, LICENCE_RED);

    *at = lx_var(l->k, loop->var);
    return &loop->body;
}

struct lblock *open_window(struct lower *l, struct lblock *b, const struct window *w, struct lx **k)
{
    static const char *const names[] = { "u", "v", "w" };

    for (int i = 0; i < w->n; i++)
        b = open_red(l, b, names[i], w->kernel[i], &k[i]);
    return b;
}

struct source source_of(struct lower *l, const struct window *w, struct type dy, struct lx *const *at,
                        struct lx *const *k)
{
    struct source s = { .guards = 0 };
    for (int i = 0; i < w->n; i++) {
        struct lx *reach = w->dilation ? index_op(l, LX_IMUL, k[i], lx_int(l->k, w->dilation[i])) : k[i];
        struct lx *t = index_op(l, LX_ISUB, index_op(l, LX_IADD, at[i], lx_int(l->k, w->pad[2 * i])), reach);
        s.from[i] = index_op(l, LX_IDIV, t, lx_int(l->k, w->stride[i]));
        s.guard[s.guards++] = index_op(l, LX_ILE, lx_int(l->k, 0), t);
        s.guard[s.guards++] = index_op(l, LX_IEQ, index_op(l, LX_IMOD, t, lx_int(l->k, w->stride[i])), lx_int(l->k, 0));
        s.guard[s.guards++] = index_op(l, LX_ILT, s.from[i], lx_dim(l->k, dy.dim[w->axis + i]));
    }
    return s;
}

struct lx *guarded(struct lower *l, const struct source *s, struct lx *v)
{
    for (int i = s->guards - 1; i >= 0; i--)
        v = lx_guard(l->k, s->guard[i], v, lx_real(l->k, 0));
    return v;
}

/* ---- pooling ---- */

static struct window read_pool(const struct node *n)
{
    struct window w = { .axis = spatial_axis(n),
                        .stride = attr_ints(n, "stride", NULL),
                        .pad = attr_ints(n, "pad", NULL) };
    const int64_t *kernel = attr_ints(n, "kernel", &w.n);

    for (int i = 0; i < w.n; i++)
        w.kernel[i] = kernel[i];
    return w;
}

static struct lx *code_of(struct lower *l, const struct window *w, struct lx *const *k)
{
    struct lx *code = lx_int(l->k, 0);

    for (int i = 0; i < w->n; i++)
        code = index_op(l, LX_IADD, index_op(l, LX_IMUL, code, lx_int(l->k, w->kernel[i])), k[i]);
    return code;
}

/* Coordinates `to` of window element k of the window at `at`, and a block that runs where they lie inside. */
static struct lblock *inside(struct lower *l, struct lblock *b, const struct window *w, struct type x,
                             struct lx *const *at, struct lx *const *k, struct lx **to)
{
    struct lx *spatial[3];

    for (int i = 0; i < w->n; i++) {
        spatial[i] = slid(l, w, i, at[w->axis + i], k[i]);
        b = inside_along(l, b, w, x, i, spatial[i]);
    }
    spatial_at(w, x.rank, at, spatial, to);
    return b;
}

static struct lx *choose(struct lower *l, enum dtype d, struct lx *condition, struct lx *a, struct lx *b)
{
    struct lx *args[] = { condition, a, b };

    return lx_elem(l->k, OP_select, d, args, 3);
}

/* Without branches: which element wins differs between lanes. */
static void max_pool(struct lower *l, struct lblock *b, const struct window *w, struct lx **at)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0);
    struct lx *k[3] = { NULL, NULL, NULL }, *from[MAX_RANK];
    struct lbuf *most = lbuf_scalar(l->k, b, "most", DT_REAL, lx_real(l->k, -__builtin_inf()));
    bool codes = value_used(n->result[1]);
    struct lbuf *code = codes ? lbuf_scalar(l->k, b, "code", DT_I32, lx_int(l->k, 0)) : NULL;
    struct lblock *in = inside(l, open_window(l, b, w, k), w, x->type, at, k, from);
    struct lx *v = ls_let(l->k, in, "v", body_at(l, x, from)), *old = lx_load(l->k, most, NULL);
    struct lx *wins = codes ? ls_let(l->k, in, "wins", exceeds(l, v, old)) : NULL;

    if (codes)
        ls_store(l->k, in, code, NULL, choose(l, DT_I32, wins, code_of(l, w, k), lx_load(l->k, code, NULL)));
    ls_store(l->k, in, most, NULL, codes ? choose(l, DT_REAL, wins, v, old) : element(l, OP_max, DT_REAL, v, old));
    know(l, n->result[0], lx_load(l->k, most, NULL));
    if (codes)
        know(l, n->result[1], element(l, OP_cast, DT_U8, lx_load(l->k, code, NULL), NULL));
    finish(l, b, at);
}

/* Elements of the window at o that an average divides by. */
static struct lx *window_count(struct lower *l, const struct node *n, const struct window *w, struct type x,
                               struct lx *const *o)
{
    struct lx *count = lx_int(l->k, 1);

    for (int i = 0; i < w->n; i++) {
        struct lx *size = lx_int(l->k, w->kernel[i]);
        if (!attr_bool(n, "count_include_pad")) {
            struct lx *from = index_op(l, LX_ISUB, index_op(l, LX_IMUL, o[i], lx_int(l->k, w->stride[i])),
                                       lx_int(l->k, w->pad[2 * i]));
            struct lx *end = index_op(l, LX_IMIN, index_op(l, LX_IADD, from, size), lx_dim(l->k, x.dim[w->axis + i]));
            size = index_op(l, LX_ISUB, end, index_op(l, LX_IMAX, from, lx_int(l->k, 0)));
        }
        count = index_op(l, LX_IMUL, count, size);
    }
    return element(l, OP_cast, DT_REAL, count, NULL);
}

static void average_pool(struct lower *l, struct lblock *b, const struct window *w, struct lx **at)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0);
    struct lx *k[3], *from[MAX_RANK];
    struct lbuf *acc = lbuf_scalar(l->k, b, "acc", DT_REAL, lx_real(l->k, 0));
    struct lblock *in = inside(l, open_window(l, b, w, k), w, x->type, at, k, from);

    ls_store(l->k, in, acc, NULL, element(l, OP_add, DT_REAL, lx_load(l->k, acc, NULL), body_at(l, x, from)));
    struct lx *count = window_count(l, n, w, x->type, at + w->axis);
    l->result = element(l, OP_div, DT_REAL, lx_load(l->k, acc, NULL), count);
    finish(l, b, at);
}

/* ---- pooling what a convolution gives, as it is made ---- */

struct window pool_window(const struct lower *l)
{
    return read_pool(l->nest.anchor);
}

struct lx *pool_start(const struct lower *l)
{
    return lx_real(l->k, l->nest.anchor->op == OP_maxpool ? -__builtin_inf() : 0);
}

struct lx *pool_more(struct lower *l, struct lx *old, struct lx *const *at)
{
    struct node *pool = l->nest.anchor;

    return element(l, pool->op == OP_maxpool ? OP_max : OP_add, DT_REAL, body_at(l, operand(pool, 0), at), old);
}

void pool_finish(struct lower *l, struct lblock *b, struct lx *total, struct lx *const *at)
{
    struct node *pool = l->nest.anchor, *source = l->anchor;
    struct window w = pool_window(l);

    l->anchor = pool;
    l->result = total;
    if (pool->op == OP_avgpool)
        l->result = element(l, OP_div, DT_REAL, total, window_count(l, pool, &w, operand(pool, 0)->type, at + w.axis));
    finish(l, b, at);
    l->anchor = source;
}

static void lower_source(struct lower *l)
{
    struct node *pool = l->anchor;

    l->anchor = l->nest.source;
    (l->anchor->op == OP_winograd ? lower_winograd : lower_conv)(l);
    l->anchor = pool;
}

void lower_pool(struct lower *l)
{
    if (l->nest.source) {
        lower_source(l);
        return;
    }
    struct type t = l->anchor->result[0]->type;
    struct window w = read_pool(l->anchor);
    struct lx *at[MAX_RANK];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank, at);

    if (l->anchor->op == OP_maxpool)
        max_pool(l, b, &w, at);
    else
        average_pool(l, b, &w, at);
}

/* What the window at `from` passes on to its element k. */
static struct lx *passed_on(struct lower *l, const struct window *w, struct type x, struct lx *const *from,
                            struct lx *const *k)
{
    struct node *n = l->anchor;
    struct lx *v = body_at(l, operand(n, 0), from);

    if (n->op == OP_avgpool_dx)
        return element(l, OP_div, DT_REAL, v, window_count(l, n, w, x, from + w->axis));
    struct lx *won = element(l, OP_cast, DT_I32, body_at(l, operand(n, 1), from), NULL);
    return choose(l, DT_REAL, element(l, OP_eq, DT_BOOL, won, code_of(l, w, k)), v, lx_real(l->k, 0));
}

/* Every element lies in one window. */
static bool is_parted(const struct window *w, struct type x, struct type dy)
{
    for (int i = 0; i < w->n; i++) {
        if (w->kernel[i] != w->stride[i] || w->pad[2 * i] || w->pad[2 * i + 1] ||
            x.dim[w->axis + i].k != dy.dim[w->axis + i].k * w->stride[i])
            return false;
    }
    return true;
}

/* Every window writes its elements. */
static void spread_windows(struct lower *l, const struct window *w)
{
    static const char *const names[] = { "u", "v", "w" };
    struct type t = l->anchor->result[0]->type, dy = operand(l->anchor, 0)->type;
    struct lx *at[MAX_RANK], *to[MAX_RANK], *spatial[3], *k[3] = { NULL, NULL, NULL };
    int last = w->axis + w->n;
    struct lblock *b = open_loops(l, &l->k->body, dy, 0, last, at);

    for (int i = 0; i < w->n; i++) {
        struct ls *loop = ls_loop(l->k, b, names[i], lx_int(l->k, 0), lx_int(l->k, w->kernel[i]), 1, LICENCE_PAR);
        k[i] = lx_var(l->k, loop->var);
        b = &loop->body;
        spatial[i] = slid(l, w, i, at[w->axis + i], k[i]);
    }
    b = open_loops(l, b, dy, last, dy.rank, at);
    spatial_at(w, t.rank, at, spatial, to);
    l->result = passed_on(l, w, t, at, k);
    finish(l, b, to);
}

/* The element `phase` behind number `which` multiple of the stride along an axis. Windows hold it as their elements first,
 * first + stride, ..., `count` of them. */
struct phase {
    int64_t phase, first, count;
    struct lx *which;
};

static struct phase phase_of(const struct window *w, int i, int64_t phase, struct lx *which)
{
    int64_t first = (phase + w->pad[2 * i]) % w->stride[i], rest = w->kernel[i] - first;

    return (struct phase){ phase, first, rest > 0 ? (rest + w->stride[i] - 1) / w->stride[i] : 0, which };
}

/* The sum of what windows pass on to the element at `at`; what lies in none has 0. */
static struct lx *gathered(struct lower *l, struct lblock *b, const struct window *w, const struct phase *p,
                           struct lx *const *at)
{
    static const char *const names[] = { "u", "v", "w" };
    struct type t = l->anchor->result[0]->type, dy = operand(l->anchor, 0)->type;
    struct lx *from[MAX_RANK], *window[3], *k[3], *zero = lx_real(l->k, 0);
    struct lbuf *acc = lbuf_scalar(l->k, b, "acc", DT_REAL, zero);

    for (int i = 0; i < w->n; i++) {
        struct lx *e, *ahead = lx_int(l->k, (p[i].phase + w->pad[2 * i] - p[i].first) / w->stride[i]);
        b = open_red(l, b, names[i], p[i].count, &e);
        k[i] = index_op(l, LX_IADD, index_op(l, LX_IMUL, e, lx_int(l->k, w->stride[i])), lx_int(l->k, p[i].first));
        window[i] = index_op(l, LX_ISUB, index_op(l, LX_IADD, p[i].which, ahead), e);
    }
    spatial_at(w, t.rank, at, window, from);
    struct lx *v = passed_on(l, w, t, from, k);
    for (int i = w->n - 1; i >= 0; i--) {
        v = lx_guard(l->k, index_op(l, LX_ILT, window[i], lx_dim(l->k, dy.dim[w->axis + i])), v, zero);
        v = lx_guard(l->k, index_op(l, LX_ILE, lx_int(l->k, 0), window[i]), v, zero);
    }
    ls_store(l->k, b, acc, NULL, element(l, OP_add, DT_REAL, lx_load(l->k, acc, NULL), v));
    return lx_load(l->k, acc, NULL);
}

/* The element of these phases, where there is one. */
static void gather_phase(struct lower *l, struct lblock *b, const struct window *w, const struct phase *p,
                         struct lx **at)
{
    struct type t = l->anchor->result[0]->type;

    for (int i = 0; i < w->n; i++) {
        struct dim size = t.dim[w->axis + i];
        struct lx *first = index_op(l, LX_IMUL, p[i].which, lx_int(l->k, w->stride[i]));
        at[w->axis + i] = index_op(l, LX_IADD, first, lx_int(l->k, p[i].phase));
        if (size.k % w->stride[i] && p[i].phase >= size.k % w->stride[i])
            b = &ls_if(l->k, b, index_op(l, LX_ILT, at[w->axis + i], lx_dim(l->k, size)))->body;
    }
    b = open_loops(l, b, t, w->axis + w->n, t.rank, at);
    l->result = gathered(l, b, w, p, at);
    finish(l, b, at);
}

/* Every element gathers from the windows that held it: a square of the stride's size at a time, of which each element lies
 * otherwise in the windows, but all squares alike. */
static void gather_windows(struct lower *l, const struct window *w)
{
    static const char *const names[] = { "j", "k", "m" };
    struct type t = l->anchor->result[0]->type;
    struct lx *at[MAX_RANK], *which[3];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, w->axis, at);
    int64_t all = 1;

    for (int i = 0; i < w->n; i++) {
        int64_t count = (t.dim[w->axis + i].k + w->stride[i] - 1) / w->stride[i];
        struct ls *loop = ls_loop(l->k, b, names[i], lx_int(l->k, 0), lx_int(l->k, count), 1, LICENCE_PAR);
        which[i] = lx_var(l->k, loop->var);
        b = &loop->body;
        all *= w->stride[i];
    }
    for (int64_t number = 0; number < all; number++) {
        struct phase p[3];
        int64_t rest = number;
        for (int i = w->n - 1; i >= 0; i--) {
            p[i] = phase_of(w, i, rest % w->stride[i], which[i]);
            rest /= w->stride[i];
        }
        gather_phase(l, b, w, p, at);
    }
}

void lower_pool_dx(struct lower *l)
{
    struct window w = read_pool(l->anchor);
    bool parted = l->level && is_parted(&w, l->anchor->result[0]->type, operand(l->anchor, 0)->type);

    (parted ? spread_windows : gather_windows)(l, &w);
}
