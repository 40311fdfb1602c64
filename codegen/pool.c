/* codegen/pool.c: maxpool, avgpool and their gradients. A small window without padding is written out element by
 * element, without a branch; others are loops over what of the window lies inside. */
#include "codegen/window.h"

enum { SMALL = 9 };

static struct window read_pool(const struct node *n)
{
    struct window w = { .stride = attr_ints(n, "stride", NULL), .pad = attr_ints(n, "pad", NULL) };
    const int64_t *kernel = attr_ints(n, "kernel", &w.n);
    for (int i = 0; i < w.n; i++)
        w.kernel[i] = kernel[i];
    return w;
}

static int64_t window_size(const struct window *w)
{
    int64_t size = 1;
    for (int i = 0; i < w->n; i++)
        size *= w->kernel[i];
    return size;
}

static struct lx *code_of(struct lower *l, const struct window *w, struct lx *const *k)
{
    struct lx *code = lx_int(l->k, 0);
    for (int i = 0; i < w->n; i++)
        code = index_op(l, LX_IADD, index_op(l, LX_IMUL, code, lx_int(l->k, w->kernel[i])), k[i]);
    return code;
}

/* Where window element k of the output at o lies on axis i. */
static struct lx *place(struct lower *l, const struct window *w, int i, struct lx *o, struct lx *k)
{
    struct lx *from = index_op(l, LX_IADD, index_op(l, LX_IMUL, o, lx_int(l->k, w->stride[i])), k);
    return index_op(l, LX_ISUB, from, lx_int(l->k, w->pad[2 * i]));
}

/* The elements of the window at o that lie inside: begin..end on each axis. */
static void clip_window(struct lower *l, const struct window *w, struct type x, struct lx *const *o, struct lx **begin,
                        struct lx **end)
{
    for (int i = 0; i < w->n; i++) {
        struct lx *first = place(l, w, i, o[i], lx_int(l->k, 0));
        begin[i] = index_op(l, LX_IMAX, index_op(l, LX_ISUB, lx_int(l->k, 0), first), lx_int(l->k, 0));
        end[i] = index_op(l, LX_IMIN, index_op(l, LX_ISUB, lx_dim(l->k, x.dim[2 + i]), first),
                          lx_int(l->k, w->kernel[i]));
    }
}

static struct lblock *open_clipped(struct lower *l, struct lblock *b, const struct window *w, struct lx *const *o,
                                   struct lx *const *begin, struct lx *const *end, struct lx **k, struct lx **at)
{
    static const char *const names[] = { "u", "v", "w" };
    for (int i = 0; i < w->n; i++) {
        struct ls *loop = ls_loop(l->k, b, names[i], begin[i], end[i], 1, LICENCE_RED);
        k[i] = lx_var(l->k, loop->var);
        at[i] = place(l, w, i, o[i], k[i]);
        b = &loop->body;
    }
    return b;
}

/* ---- maxpool ---- */

/* The largest element of a window and which it is. */
struct largest {
    struct lx *most, *code;
};

static struct largest loop_for_largest(struct lower *l, struct lblock *b, const struct window *w, struct lx *const *o)
{
    struct value *x = operand(l->anchor, 0);
    struct lx *begin[3], *end[3], *k[3], *at[MAX_RANK] = { o[0], o[1] };
    clip_window(l, w, x->type, o + 2, begin, end);
    struct lbuf *most = lbuf_scalar(l->k, b, "most", DT_REAL, lx_real(l->k, -__builtin_inf()));
    struct lbuf *code = lbuf_scalar(l->k, b, "code", DT_I32, code_of(l, w, begin));
    struct lblock *in = open_clipped(l, b, w, o + 2, begin, end, k, at + 2);
    struct lx *v = ls_let(l->k, in, "v", body_at(l, x, at));
    struct ls *take = ls_if(l->k, in, exceeds(l, v, lx_load(l->k, most, NULL)));
    ls_store(l->k, &take->body, most, NULL, v);
    ls_store(l->k, &take->body, code, NULL, code_of(l, w, k));
    return (struct largest){ lx_load(l->k, most, NULL), lx_load(l->k, code, NULL) };
}

/* Window element nth of the output at o. */
static struct lx *nth_element(struct lower *l, const struct window *w, struct lx *const *o, int64_t nth)
{
    struct lx *at[MAX_RANK] = { o[0], o[1] };
    for (int i = w->n - 1; i >= 0; i--) {
        at[2 + i] = place(l, w, i, o[2 + i], lx_int(l->k, nth % w->kernel[i]));
        nth /= w->kernel[i];
    }
    return body_at(l, operand(l->anchor, 0), at);
}

/* Outputs of some innermost axes, with their windows' elements side by side: by element, then by output. */
struct strip {
    const struct window *w;
    struct lbuf *element;
    int from;                       /* outputs of axes from..rank-1 */
    struct lbuf *y, *codes;
};

static void strip_index(struct lower *l, const struct strip *s, struct lx *const *o, int64_t nth, struct lx **index)
{
    struct type t = l->anchor->result[0]->type;
    index[0] = lx_int(l->k, nth);
    index[1] = lx_int(l->k, 0);
    for (int i = s->from; i < t.rank; i++)
        index[1] = index_op(l, LX_IADD, index_op(l, LX_IMUL, index[1], lx_dim(l->k, t.dim[i])), o[i]);
}

static struct lx *of_strip(struct lower *l, struct lblock *b, const struct strip *s, struct lx *const *o, int64_t nth)
{
    struct lx *index[2];
    if (!s->element)
        return ls_let(l->k, b, "v", nth_element(l, s->w, o, nth));
    strip_index(l, s, o, nth, index);
    return ls_let(l->k, b, "v", lx_load(l->k, s->element, index));
}

static void list_for_largest(struct lower *l, struct lblock *b, struct lx *const *o, void *context)
{
    const struct strip *s = context;
    struct largest best = { of_strip(l, b, s, o, 0), lx_int(l->k, 0) };
    for (int64_t nth = 1; nth < window_size(s->w); nth++) {
        struct lx *v = of_strip(l, b, s, o, nth), *take = ls_let(l->k, b, "take", exceeds(l, v, best.most));
        struct lx *value[] = { take, v, best.most }, *which[] = { take, lx_int(l->k, nth), best.code };
        best.most = ls_let(l->k, b, "most", lx_elem(l->k, OP_select, DT_REAL, value, 3));
        if (s->codes)
            best.code = ls_let(l->k, b, "code", lx_elem(l->k, OP_select, DT_I32, which, 3));
    }
    if (s->y)
        ls_store(l->k, b, s->y, o, best.most);
    if (s->codes)
        ls_store(l->k, b, s->codes, o, element(l, OP_cast, DT_U8, best.code, NULL));
}

/* The outermost axis from which on a strip's elements stay in the nearest cache, or the rank. */
static int strip_begin(struct type t, int64_t size)
{
    int from = t.rank;
    while (from > 2 && size * t.dim[from - 1].k <= 4096)
        size *= t.dim[--from].k;
    return from;
}

/* Neighbouring outputs read elements that are a stride apart: laid side by side first, they run in lanes. */
static void pool_by_strips(struct lower *l, struct strip *s)
{
    struct type t = l->anchor->result[0]->type;
    struct lx *at[MAX_RANK], *o[MAX_RANK], *index[2];
    int64_t size = window_size(s->w), outputs = 1;
    s->from = s->w->stride[s->w->n - 1] == 1 ? t.rank : strip_begin(t, size);
    for (int i = s->from; i < t.rank; i++)
        outputs *= t.dim[i].k;
    struct lblock *b = open_loops(l, &l->k->body, t, 0, s->from == t.rank ? 2 : s->from, at);
    if (s->from == t.rank) {
        over_axes(l, b, t, 2, at, list_for_largest, s);
        return;
    }
    struct dim shape[] = { dim_of(size), dim_of(outputs) };
    struct lbuf *element = lbuf_local(l->k, b, "window", SPACE_ARRAY, DT_REAL, 2, shape);
    for (int i = 0; i < s->from; i++)
        o[i] = at[i];
    struct lblock *in = open_loops(l, b, t, s->from, t.rank, o);
    for (int64_t nth = 0; nth < size; nth++) {
        strip_index(l, s, o, nth, index);
        ls_store(l->k, in, element, index, nth_element(l, s->w, o, nth));
    }
    s->element = element;
    over_axes(l, b, t, s->from, at, list_for_largest, s);
}

static bool is_padded(const struct window *w)
{
    for (int i = 0; i < 2 * w->n; i++)
        if (w->pad[i])
            return true;
    return false;
}

static void max_pool(struct lower *l, struct window *w)
{
    struct node *n = l->anchor;
    struct type t = n->result[0]->type;
    struct strip s = { .w = w, .y = result_buffer(l, n->result[0]), .codes = result_buffer(l, n->result[1]) };
    struct lx *at[MAX_RANK];
    if (l->level && !is_padded(w) && window_size(w) <= SMALL) {
        pool_by_strips(l, &s);
        return;
    }
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank, at);
    struct largest best = loop_for_largest(l, b, w, at);
    if (s.y)
        ls_store(l->k, b, s.y, at, best.most);
    if (s.codes)
        ls_store(l->k, b, s.codes, at, element(l, OP_cast, DT_U8, best.code, NULL));
}

/* ---- avgpool ---- */

/* Elements of the window at o that an average divides by. */
static struct lx *window_count(struct lower *l, const struct node *n, const struct window *w, struct type x,
                               struct lx *const *o)
{
    struct lx *count = lx_int(l->k, 1), *begin[3], *end[3];
    clip_window(l, w, x, o, begin, end);
    for (int i = 0; i < w->n; i++) {
        bool whole = attr_bool(n, "count_include_pad");
        struct lx *size = whole ? lx_int(l->k, w->kernel[i]) : index_op(l, LX_ISUB, end[i], begin[i]);
        count = index_op(l, LX_IMUL, count, size);
    }
    return element(l, OP_cast, DT_REAL, count, NULL);
}

static void average_pool(struct lower *l, const struct window *w)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0);
    struct lx *begin[3], *end[3], *k[3], *from[MAX_RANK], *at[MAX_RANK];
    struct lblock *b = open_loops(l, &l->k->body, n->result[0]->type, 0, x->type.rank, at);
    from[0] = at[0];
    from[1] = at[1];
    clip_window(l, w, x->type, at + 2, begin, end);
    struct lbuf *acc = lbuf_scalar(l->k, b, "acc", DT_REAL, lx_real(l->k, 0));
    struct lblock *in = open_clipped(l, b, w, at + 2, begin, end, k, from + 2);
    ls_store(l->k, in, acc, NULL, element(l, OP_add, DT_REAL, lx_load(l->k, acc, NULL), body_at(l, x, from)));
    l->result = element(l, OP_div, DT_REAL, lx_load(l->k, acc, NULL), window_count(l, n, w, x->type, at + 2));
    finish(l, b, at);
}

void lower_pool(struct lower *l)
{
    struct window w = read_pool(l->anchor);
    if (l->anchor->op == OP_maxpool)
        max_pool(l, &w);
    else
        average_pool(l, &w);
}

/* ---- gradients ---- */

/* The position in x that the window at o took, and a block that runs where it lies inside. */
static struct lblock *chosen_place(struct lower *l, struct lblock *b, const struct window *w, struct type x,
                                   struct lx *code, struct lx *const *o, struct lx **at)
{
    for (int i = w->n - 1; i >= 0; i--) {
        struct lx *size = lx_int(l->k, w->kernel[i]);
        at[i] = place(l, w, i, o[i], i ? index_op(l, LX_IMOD, code, size) : code);
        at[i] = ls_let(l->k, b, "p", at[i]);
        code = index_op(l, LX_IDIV, code, size);
    }
    for (int i = 0; i < w->n; i++) {
        if (w->pad[2 * i])
            b = &ls_if(l->k, b, index_op(l, LX_ILE, lx_int(l->k, 0), at[i]))->body;
        b = &ls_if(l->k, b, index_op(l, LX_ILT, at[i], lx_dim(l->k, x.dim[2 + i])))->body;
    }
    return b;
}

static void store_plane(struct lower *l, struct lblock *b, struct lx *const *at, void *context)
{
    struct lbuf *to = context;
    ls_store(l->k, b, to, at, l->partial ? body_at(l, l->body->yield[0], at) : lx_real(l->k, 0));
}

/* A cleared plane gets every output's gradient where its window found the largest; the epilogue goes over it then. */
static void spread_by_code(struct lower *l, const struct window *w, struct lbuf *to)
{
    struct node *n = l->anchor;
    struct value *dy = operand(n, 0);
    struct type t = n->result[0]->type;
    struct lx *at[MAX_RANK], *o[MAX_RANK];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, 2, at);
    over_axes(l, b, t, 2, at, store_plane, to);
    o[0] = at[0];
    o[1] = at[1];
    struct lblock *in = open_in_order(l, b, dy->type, 2, dy->type.rank, o);
    struct lx *code = ls_let(l->k, in, "code", element(l, OP_cast, DT_I32, body_at(l, operand(n, 1), o), NULL));
    in = chosen_place(l, in, w, t, code, o + 2, at + 2);
    ls_store(l->k, in, to, at, element(l, OP_add, DT_REAL, lx_load(l->k, to, at), body_at(l, dy, o)));
    if (l->body->yield[0]->def == n)
        return;
    l->partial = to;                        /* the plane is complete */
    over_axes(l, b, t, 2, at, store_plane, to);
}

/* Every input element gathers from the windows that held it. */
static void gather_by_code(struct lower *l, const struct window *w)
{
    struct node *n = l->anchor;
    struct type t = n->result[0]->type;
    struct value *dy = operand(n, 0);
    struct lx *at[MAX_RANK], *k[3];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank, at);
    struct lbuf *acc = lbuf_scalar(l->k, b, "acc", DT_REAL, lx_real(l->k, 0));
    struct lblock *in = open_window(l, b, w, k);
    struct source s = source_of(l, w, dy->type, at + 2, k);
    struct lx *from[MAX_RANK] = { at[0], at[1], s.from[0], s.from[1], s.from[2] }, *v = body_at(l, dy, from);
    if (n->op == OP_maxpool_dx) {
        struct lx *won = element(l, OP_cast, DT_I32, body_at(l, operand(n, 1), from), NULL);
        v = lx_guard(l->k, index_op(l, LX_IEQ, won, code_of(l, w, k)), v, lx_real(l->k, 0));
    } else {
        v = element(l, OP_div, DT_REAL, v, window_count(l, n, w, t, s.from));
    }
    ls_store(l->k, in, acc, NULL, element(l, OP_add, DT_REAL, lx_load(l->k, acc, NULL), guarded(l, &s, v)));
    l->result = lx_load(l->k, acc, NULL);
    finish(l, b, at);
}

void lower_pool_dx(struct lower *l)
{
    struct window w = read_pool(l->anchor);
    struct lbuf *to = l->level && l->anchor->op == OP_maxpool_dx ? built_up_in(l) : NULL;
    if (to)
        spread_by_code(l, &w, to);
    else
        gather_by_code(l, &w);
}
