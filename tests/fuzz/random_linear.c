/* tests/fuzz/random_linear.c: products, convolutions, pools and what is indexed by data, at random. */
#include "tests/fuzz/gen.h"

static bool is_matrix(struct type t)
{
    return t.rank >= 2;
}

/* Elements of the result times the length of each one's sum, at full batch. */
static bool affordable(const struct gen *g, struct type result, double sum)
{
    return fits(result) && (double)type_count(result, g->m->batch) * sum <= MAX_WORK;
}

/* By a matrix of parameters, or by another value of the pool whose inner axis agrees. */
void make_matmul(struct gen *g)
{
    const struct item *x = pick_where(g, DT_REAL, is_matrix);
    bool ta = chance(g->r, 30), tb = chance(g->r, 50);

    if (!x)
        return;
    struct type t = x->v->type, result = t, w = type_scalar(DT_REAL);
    struct dim inner = t.dim[t.rank - 1 - ta], columns = dim_of(size_at_random(g));
    double sum = (double)dim_size(inner, g->m->batch), most = x->most;
    result.dim[t.rank - 2] = t.dim[t.rank - 2 + ta];
    result.dim[t.rank - 1] = columns;
    struct item y = { NULL, 1 };
    for (int i = 0; i < 10 && !y.v; i++) {
        const struct item *z = pick_where(g, DT_REAL, is_matrix);
        struct type u = z->v->type, lead = t, other = u;
        lead.rank -= 2;
        other.rank -= 2;
        if (dim_equal(u.dim[u.rank - 2 + tb], inner) && shape_equal(lead, other)) {
            y = *z;
            result.dim[t.rank - 1] = u.dim[u.rank - 1 - tb];
        }
    }
    if (!affordable(g, result, sum))
        return;
    if (!y.v) {
        if (inner.n)
            return;
        for (int i = 0; i < t.rank - 2 && chance(g->r, 30); i++)
            w.dim[w.rank++] = t.dim[i].n ? dim_of(1) : t.dim[i];
        if (w.rank != t.rank - 2)
            w.rank = 0;
        w.dim[w.rank++] = tb ? columns : inner;
        w.dim[w.rank++] = tb ? inner : columns;
        y = parameter(g, w);
    }
    keep(g, build_matmul(&g->b, x->v, y.v, ta, tb), most * y.most * sum);
}

/* x x' or x' x, as attention has it. */
void make_self_product(struct gen *g)
{
    const struct item *x = pick_where(g, DT_REAL, is_matrix);
    bool rows = chance(g->r, 70);

    if (!x)
        return;
    struct type t = x->v->type, result = t;
    double sum = (double)dim_size(t.dim[t.rank - 1 - !rows], g->m->batch);
    result.dim[t.rank - 1] = result.dim[t.rank - 2] = t.dim[t.rank - 1 - rows];
    if (affordable(g, result, sum) && shape_batches(result) < 3)
        keep(g, build_matmul(&g->b, x->v, x->v, !rows, rows), x->most * x->most * sum);
}

/* ---- attention ---- */

static bool is_sequence(struct type t)
{
    return t.rank >= 2 && !t.dim[t.rank - 1].n && !t.dim[t.rank - 2].n;
}

/* x, the last axis of which becomes one of `columns`. */
static struct value *projected(struct gen *g, struct value *x, int64_t columns)
{
    struct dim shape[] = { x->type.dim[x->type.rank - 1], dim_of(columns) };
    struct value *w = parameter(g, type_make(DT_REAL, 2, shape)).v;
    struct value *scaled = build_binary(&g->b, OP_mul, w, real_of(g, 1.0 / (double)shape[0].k));

    return build_matmul(&g->b, x, scaled, false, false);
}

static struct value *counted(struct gen *g, int64_t count, bool down)
{
    struct dim shape[] = { dim_of(count), dim_of(1) };
    const struct attr attrs[] = { at_dims("shape", shape, down ? 2 : 1), at_int("axis", 0), at_word("dtype", "i32") };

    return build_node(&g->b, OP_iota, NULL, 0, attrs, 3)->result[0];
}

/* Scores of x's rows among themselves: hidden by place, by what the keys are, biased by place, or as they are. */
static struct value *masked_scores(struct gen *g, struct value *s, struct value *x)
{
    int64_t count = s->type.dim[s->type.rank - 1].k, last = x->type.rank - 1;
    struct value *low = real_of(g, chance(g->r, 70) ? -1e30 : -0.5), *key = counted(g, count, false);

    switch (below(g->r, 4)) {
    case 0: return build_select(&g->b, build_binary(&g->b, OP_le, key, counted(g, count, true)), s, low);
    case 1: {
        struct value *sum = build_swap(&g->b, build_reduce(&g->b, OP_sum, x, &last, 1, true));
        struct value *seen = build_binary(&g->b, OP_gt, sum, real_of(g, 0));
        return chance(g->r, 50) ? build_select(&g->b, seen, s, low) : build_select(&g->b, seen, low, s);
    }
    case 2: return build_binary(&g->b, chance(g->r, 50) ? OP_add : OP_sub, s, build_cast(&g->b, key, DT_REAL));
    default: return s;
    }
}

/* Scores are scaled by a number, by less than nothing, or, but for those that are masked, by what each row has: the gradient
 * of that sums up the scores, which no rounding is good enough for where some are 1e30. */
static struct value *scaled_scores(struct gen *g, struct value *s, struct value *x, bool masked)
{
    int64_t last = x->type.rank - 1;

    switch (below(g->r, masked ? 2 : 5)) {
    case 0: return build_unary(&g->b, OP_neg, s);
    case 1: return build_binary(&g->b, OP_div, s, real_of(g, 4));
    case 2:
        return build_binary(&g->b, OP_mul, build_unary(&g->b, OP_tanh, build_reduce(&g->b, OP_sum, x, &last, 1, true)),
                            s);
    default: return build_binary(&g->b, OP_mul, s, real_of(g, 0.25));
    }
}

/* Some are zero instead, as a dropout has it. */
static struct value *dropped_out(struct gen *g, struct value *p)
{
    const struct attr attrs[] = { at_dims("shape", p->type.dim, p->type.rank), at_real("low", 0), at_real("high", 1),
                                  at_int("stream", g->m->streams) };

    if (!chance(g->r, 30))
        return p;
    g->m->streams++;
    struct value *drawn = build_node(&g->b, OP_uniform, NULL, 0, attrs, 4)->result[0];
    struct value *kept = build_binary(&g->b, OP_mul, p, real_of(g, 1.25));
    if (chance(g->r, 50))
        return build_select(&g->b, build_binary(&g->b, OP_ge, drawn, real_of(g, 0.2)), kept, real_of(g, 0));
    return build_select(&g->b, build_binary(&g->b, OP_lt, drawn, real_of(g, 0.2)), real_of(g, 0), kept);
}

/* softmax(s) v, its division before the product or behind it, or all of it transposed. */
static struct value *softmax_product(struct gen *g, struct value *s, struct value *v)
{
    int64_t last = s->type.rank - 1;
    struct value *most = build_reduce(&g->b, OP_reduce_max, s, &last, 1, true);
    struct value *e = build_unary(&g->b, OP_exp, build_binary(&g->b, OP_sub, s, most));
    struct value *sum = build_reduce(&g->b, OP_sum, e, &last, 1, true);

    if (chance(g->r, 25))
        return build_binary(&g->b, OP_div, build_matmul(&g->b, e, v, false, false), sum);
    struct value *p = dropped_out(g, build_binary(&g->b, OP_div, e, sum));
    return chance(g->r, 25) ? build_swap(&g->b, build_matmul(&g->b, v, p, true, true))
                            : build_matmul(&g->b, p, v, false, false);
}

/* As one writes it out; features fill whole vectors, or do not. */
void make_attention(struct gen *g)
{
    const struct item *item = pick_where(g, DT_REAL, is_sequence);

    if (!item)
        return;
    struct value *x = at_most(g, *item, 2).v;
    struct type t = x->type, scores = t;
    int64_t last = t.rank - 1;
    scores.dim[last] = scores.dim[last - 1];
    t.dim[last] = dim_of(33);
    if (!affordable(g, scores, 32) || !affordable(g, t, (double)x->type.dim[last].k))
        return;
    static const int64_t sizes[] = { 16, 32, 5, 20, 33 };
    int64_t depth = sizes[below(g->r, 4)], columns = sizes[below(g->r, 5)];
    struct value *q = projected(g, x, depth), *k = projected(g, x, depth), *v = projected(g, x, columns);
    struct value *s = scaled_scores(g, build_matmul(&g->b, q, k, false, true), x, false);
    for (int i = 0; i < 1 + chance(g->r, 40); i++)
        s = masked_scores(g, s, x);
    if (chance(g->r, 40))
        s = scaled_scores(g, s, x, true);
    keep(g, softmax_product(g, s, v), 2);
}

/* ---- rows of a product ---- */

static bool has_columns(struct type t)
{
    return t.rank >= 2 && !t.dim[t.rank - 1].n;
}

/* Parts of a product's rows beside each other, as a recurrent step has its gates; or what goes through a row as a whole. */
void make_rows_of_product(struct gen *g)
{
    static const int64_t sizes[] = { 1, 3, 8, 16, 20, 48 };
    const struct item *item = pick_where(g, DT_REAL, has_columns);
    int64_t columns = sizes[below(g->r, 6)], parts = 1 + below(g->r, 4);

    if (!item)
        return;
    struct value *x = at_most(g, *item, 2).v, *part[4];
    struct type t = x->type;
    int last = t.rank - 1;
    int64_t axis = last;
    double sum = (double)t.dim[last].k;
    t.dim[last] = dim_of(columns * parts);
    if (!affordable(g, t, sum))
        return;
    struct value *rows = projected(g, x, columns * parts);
    if (chance(g->r, 40)) {
        struct value *most = build_reduce(&g->b, OP_reduce_max, rows, &axis, 1, true);
        rows = build_unary(&g->b, OP_exp, build_binary(&g->b, OP_sub, rows, most));
    }
    for (int i = 0; i < parts; i++) {
        part[i] = build_slice(&g->b, rows, last, i * columns, (i + 1) * columns, 1);
        part[i] = chance(g->r, 50) ? build_unary(&g->b, OP_tanh, part[i]) : part[i];
    }
    for (int i = 1; i < parts; i++)
        part[0] = build_binary(&g->b, i % 2 ? OP_mul : OP_add, part[0], part[i]);
    keep(g, part[0], 8);
}

/* ---- windows ---- */

static bool is_image(struct type t)
{
    if (t.rank < 3 || t.rank > 5)
        return false;
    for (int i = 1; i < t.rank; i++)
        if (t.dim[i].n)
            return false;
    return true;
}

/* Channels that fill lanes: x's, and some of zeros. */
static void fill_lanes(struct gen *g, struct item *x)
{
    int64_t pairs[2 * MAX_RANK] = { 0 }, beyond = x->v->type.dim[1].k % 16;

    if (!beyond || !affordable(g, x->v->type, 16))
        return;
    pairs[3] = 16 - beyond;
    x->v = build_pad(&g->b, x->v, pairs, 0);
    keep(g, x->v, x->most);
}

/* An image of the pool, or one made from something flatter. */
static bool image(struct gen *g, struct item *x)
{
    const struct item *p = pick_where(g, DT_REAL, is_image);

    if (p) {
        *x = *p;
        if (chance(g->r, 25))
            fill_lanes(g, x);
        return true;
    }
    *x = *pick(g, DT_REAL);
    struct type t = x->v->type;
    if (t.rank != 2 || t.dim[1].n)
        return false;
    bool channels = chance(g->r, 50);
    const struct dim shape[] = { t.dim[0], channels ? t.dim[1] : dim_of(1), channels ? dim_of(1) : t.dim[1] };
    x->v = build_reshape(&g->b, x->v, shape, 3);
    keep(g, x->v, x->most);
    return true;
}

/* A window over the spatial axes of t. */
struct window {
    int spatial;
    int64_t kernel[3], stride[3], pad[6], dilation[3], size[3]; /* size: of the result */
};

static int64_t reach(const struct window *w, int i)
{
    return w->dilation[i] * (w->kernel[i] - 1) + 1;
}

static bool window(struct gen *g, struct type t, bool pools, struct window *w)
{
    w->spatial = t.rank - 2;
    bool plain = chance(g->r, 30);
    for (int i = 0; i < w->spatial; i++) {
        w->kernel[i] = 1 + below(g->r, 4);
        w->stride[i] = plain ? 1 : 1 + below(g->r, 3);
        w->dilation[i] = plain || pools ? 1 : 1 + below(g->r, 2);
        for (int side = 0; side < 2; side++)
            w->pad[2 * i + side] = chance(g->r, 50) ? 0 : below(g->r, pools ? w->kernel[i] : 3);
        int64_t room = t.dim[2 + i].k + w->pad[2 * i] + w->pad[2 * i + 1] - reach(w, i);
        if (room < 0)
            return false;
        w->size[i] = room / w->stride[i] + 1;
    }
    return true;
}

/* Groups that part c channels; and outputs, a multiple of them. */
static int64_t parted(struct gen *g, int64_t channels, int64_t *outputs)
{
    int64_t groups = chance(g->r, 60) ? 1 : chance(g->r, 50) ? channels : 1 + below(g->r, channels);

    if (channels % groups)
        groups = 1;
    *outputs = groups * (1 + below(g->r, groups > 4 ? 2 : 5));
    return groups;
}

static struct item weight(struct gen *g, int64_t outputs, int64_t inputs, const struct window *w)
{
    struct type t = type_scalar(DT_REAL);

    t.dim[t.rank++] = dim_of(outputs);
    t.dim[t.rank++] = dim_of(inputs);
    for (int i = 0; i < w->spatial; i++)
        t.dim[t.rank++] = dim_of(w->kernel[i]);
    return parameter(g, t);
}

void make_conv(struct gen *g)
{
    struct item x;
    struct window w;
    int64_t outputs;

    if (!image(g, &x) || !window(g, x.v->type, false, &w))
        return;
    struct type t = x.v->type;
    int64_t channels = t.dim[1].k, groups = parted(g, channels, &outputs);
    double sum = (double)(channels / groups);
    t.dim[1] = dim_of(outputs);
    for (int i = 0; i < w.spatial; i++) {
        t.dim[2 + i] = dim_of(w.size[i]);
        sum *= (double)w.kernel[i];
    }
    if (!affordable(g, t, sum))
        return;
    struct item k = weight(g, outputs, channels / groups, &w);
    const struct attr attrs[] = { at_ints("stride", w.stride, w.spatial), at_ints("pad", w.pad, 2 * w.spatial),
                                  at_ints("dilation", w.dilation, w.spatial), at_int("groups", groups) };
    keep(g, build_node(&g->b, OP_conv, (struct value *[]){ x.v, k.v }, 2, attrs, 4)->result[0], x.most * k.most * sum);
}

/* The transposed convolution: sizes of which the forward one makes the operand's. */
void make_conv_dx(struct gen *g)
{
    struct item x;
    struct window w;
    int64_t inputs;

    if (!image(g, &x) || !window(g, x.v->type, false, &w))
        return;
    struct type t = x.v->type;
    int64_t channels = t.dim[1].k, groups = parted(g, channels, &inputs);
    double sum = (double)(channels / groups);
    t.dim[1] = dim_of(inputs);
    for (int i = 0; i < w.spatial; i++) {
        w.size[i] = (x.v->type.dim[2 + i].k - 1) * w.stride[i] + reach(&w, i) - w.pad[2 * i] - w.pad[2 * i + 1] +
                    below(g->r, w.stride[i]);
        if (w.size[i] < 1)
            return;
        t.dim[2 + i] = dim_of(w.size[i]);
        sum *= (double)w.kernel[i];
    }
    if (!affordable(g, t, sum))
        return;
    struct item k = weight(g, channels, inputs / groups, &w);
    const struct attr attrs[] = { at_ints("stride", w.stride, w.spatial), at_ints("pad", w.pad, 2 * w.spatial),
                                  at_ints("dilation", w.dilation, w.spatial), at_int("groups", groups),
                                  at_ints("size", w.size, w.spatial) };
    keep(g, build_node(&g->b, OP_conv_dx, (struct value *[]){ x.v, k.v }, 2, attrs, 5)->result[0],
         x.most * k.most * sum);
}

void make_maxpool(struct gen *g)
{
    struct item x;
    struct window w;

    if (!image(g, &x) || !window(g, x.v->type, true, &w))
        return;
    const struct attr attrs[] = { at_ints("kernel", w.kernel, w.spatial), at_ints("stride", w.stride, w.spatial),
                                  at_ints("pad", w.pad, 2 * w.spatial) };
    struct node *n = build_node(&g->b, OP_maxpool, &x.v, 1, attrs, 3);
    keep(g, n->result[0], x.most);
    if (chance(g->r, 20))
        keep(g, n->result[1], 64);
}

void make_avgpool(struct gen *g)
{
    struct item x;
    struct window w;

    if (!image(g, &x) || !window(g, x.v->type, true, &w))
        return;
    const struct attr attrs[] = { at_ints("kernel", w.kernel, w.spatial), at_ints("stride", w.stride, w.spatial),
                                  at_ints("pad", w.pad, 2 * w.spatial),
                                  at_bool("count_include_pad", chance(g->r, 50)) };
    keep(g, build_node(&g->b, OP_avgpool, &x.v, 1, attrs, 4)->result[0], x.most);
}

/* A bias a channel, and what grows with it or does not. */
static struct value *behind_conv(struct gen *g, struct value *y)
{
    static const enum op maps[] = { OP_tanh, OP_neg, OP_abs };
    struct dim ones[MAX_RANK] = { dim_of(1), y->type.dim[1], dim_of(1), dim_of(1), dim_of(1) };

    if (chance(g->r, 60))
        y = build_binary(&g->b, OP_add, y, parameter(g, type_make(DT_REAL, y->type.rank, ones)).v);
    if (chance(g->r, 60))
        y = build_binary(&g->b, OP_max, y, build_constant(&g->b, 0, DT_REAL));
    return chance(g->r, 25) ? build_unary(&g->b, maps[below(g->r, 3)], y) : y;
}

/* A convolution whose results a pool's windows share out. */
void make_pooled(struct gen *g)
{
    static const int64_t channels[] = { 3, 8, 16, 32 };
    struct item x;
    struct window w, p = { .spatial = 0 };

    if (!image(g, &x) || !window(g, x.v->type, false, &w))
        return;
    struct type t = x.v->type;
    double sum = (double)t.dim[1].k;
    t.dim[1] = dim_of(channels[below(g->r, 4)]);
    p.spatial = w.spatial;
    for (int i = 0; i < w.spatial; i++) {
        t.dim[2 + i] = dim_of(w.size[i]);
        p.kernel[i] = p.stride[i] = 1 + below(g->r, w.size[i] < 4 ? w.size[i] : 4);
        sum *= (double)w.kernel[i];
    }
    if (!affordable(g, t, sum))
        return;
    struct item k = weight(g, t.dim[1].k, x.v->type.dim[1].k, &w);
    const struct attr attrs[] = { at_ints("stride", w.stride, w.spatial), at_ints("pad", w.pad, 2 * w.spatial),
                                  at_ints("dilation", w.dilation, w.spatial), at_int("groups", 1) };
    struct value *y = build_node(&g->b, OP_conv, (struct value *[]){ x.v, k.v }, 2, attrs, 4)->result[0];
    y = behind_conv(g, y);
    const struct attr pool[] = { at_ints("kernel", p.kernel, p.spatial), at_ints("stride", p.stride, p.spatial),
                                 at_ints("pad", p.pad, 2 * p.spatial), at_bool("count_include_pad", true) };
    bool most = chance(g->r, 70);
    y = build_node(&g->b, most ? OP_maxpool : OP_avgpool, &y, 1, pool, most ? 3 : 4)->result[0];
    keep(g, y, (x.most * k.most * sum + 4) * (x.most * k.most * sum + 4));
}

/* ---- indexed by data ---- */

void make_gather(struct gen *g)
{
    const struct item *index = pick(g, DT_I32), *x = pick(g, chance(g->r, 85) ? DT_REAL : DT_I32);

    if (!index || !x || index->v->type.rank > 3)
        return;
    int64_t axis = axis_at_random(g, x->v->type, true);
    struct item table = *x;
    if (chance(g->r, 50) || axis < 0 || x->v->type.rank > 3 || shape_batches(x->v->type) > 1) {
        const struct dim shape[] = { dim_of(1 + below(g->r, 8)), dim_of(size_at_random(g)) };
        table = parameter(g, type_make(DT_REAL, 2, shape));
        axis = below(g->r, 2);
    }
    struct type t = type_scalar(DT_REAL);
    for (int i = 0; i < table.v->type.rank; i++)
        if (i != axis)
            t.dim[t.rank++] = table.v->type.dim[i];
    for (int i = 0; i < index->v->type.rank; i++)
        t.dim[t.rank++] = index->v->type.dim[i];
    const struct attr attr = at_int("axis", axis);
    if (fits(t) && shape_batches(t) < 3)
        keep(g, build_node(&g->b, OP_gather, (struct value *[]){ table.v, index->v }, 2, &attr, 1)->result[0],
             table.most);
}

/* dy, with an index over its first axes. */
void make_scatter_add(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    int64_t axes[MAX_RANK];
    int lead = x.v->type.rank ? 1 + below(g->r, x.v->type.rank) : 0, count = 0;

    for (int i = lead; i < x.v->type.rank; i++)
        axes[count++] = i;
    double many = (double)type_count(x.v->type, g->m->batch);
    struct value *index = whole_of(g, build_reduce(&g->b, OP_reduce_max, x.v, axes, count, false));
    const struct attr attrs[] = { at_int("axis", 0), at_int("size", 1 + below(g->r, 5)) };
    if (lead)
        keep(g, build_node(&g->b, OP_scatter_add, (struct value *[]){ x.v, index }, 2, attrs, 2)->result[0],
             x.most * many);
}

void make_take_along(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    int64_t axis = axis_at_random(g, x.v->type, true);

    if (axis < 0)
        return;
    int64_t length = x.v->type.dim[axis].k, end = 1 + below(g->r, length);
    struct value *index = whole_of(g, build_slice(&g->b, x.v, (int)axis, 0, end, 1));
    const struct attr attr = at_int("axis", axis);
    keep(g, build_node(&g->b, OP_take_along, (struct value *[]){ x.v, index }, 2, &attr, 1)->result[0], x.most);
}

void make_put_along(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    int64_t axis = axis_at_random(g, x.v->type, true);

    if (axis < 0)
        return;
    const struct attr attrs[] = { at_int("axis", axis), at_int("size", 1 + below(g->r, 5)) };
    double most = x.most * (double)x.v->type.dim[axis].k;
    keep(g, build_node(&g->b, OP_put_along, (struct value *[]){ x.v, whole_of(g, x.v) }, 2, attrs, 2)->result[0], most);
}

void make_one_hot(struct gen *g)
{
    const struct item *x = pick(g, DT_I32);
    const struct attr attr = at_int("classes", 2 + below(g->r, 5));

    if (!x || x->v->type.rank > 4)
        return;
    struct type t = x->v->type;
    t.dim[t.rank++] = dim_of(attr.i);
    if (fits(t))
        keep(g, build_node(&g->b, OP_one_hot, (struct value *[]){ x->v }, 1, &attr, 1)->result[0], 1);
}

/* A convolution with a window of 3, sometimes of 1, of more steps than 1, of each channel by itself. */
static struct value *convolve(struct gen *g, struct value *x, int64_t channels)
{
    struct window w = { .spatial = x->type.rank - 2 };
    int64_t stride = chance(g->r, 25) ? 2 : 1, size = chance(g->r, 25) ? 1 : 3,
            groups = channels == x->type.dim[1].k && chance(g->r, 25) ? channels : 1;
    double sum = (double)(x->type.dim[1].k / groups);

    for (int i = 0; i < w.spatial; i++) {
        w.kernel[i] = size;
        w.stride[i] = stride;
        w.dilation[i] = 1;
        w.pad[2 * i] = w.pad[2 * i + 1] = size / 2;
        sum *= (double)size;
    }
    struct item k = weight(g, channels, x->type.dim[1].k / groups, &w);
    k.v = build_binary(&g->b, OP_mul, k.v, real_of(g, 2 / sum));
    const struct attr attrs[] = { at_ints("stride", w.stride, w.spatial), at_ints("pad", w.pad, 2 * w.spatial),
                                  at_ints("dilation", w.dilation, w.spatial), at_int("groups", groups) };
    return build_node(&g->b, OP_conv, (struct value *[]){ x, k.v }, 2, attrs, 4)->result[0];
}

/* What is normalised by the moments of each channel over all else. */
static struct value *normalised(struct gen *g, struct value *y)
{
    int64_t axes[MAX_RANK] = { 0 };
    struct dim ones[MAX_RANK] = { dim_of(1), y->type.dim[1], dim_of(1), dim_of(1), dim_of(1) };
    int rank = y->type.rank;

    for (int i = 2; i < rank; i++)
        axes[i - 1] = i;
    const struct attr attrs[] = { at_ints("axes", axes, rank - 1), at_bool("keepdims", true) };
    struct node *n = build_node(&g->b, OP_moments, &y, 1, attrs, 2);
    struct value *scale = build_unary(&g->b, OP_rsqrt, build_binary(&g->b, OP_add, n->result[1], real_of(g, 0.5)));
    y = build_binary(&g->b, OP_mul, build_binary(&g->b, OP_sub, y, n->result[0]), scale);
    y = build_binary(&g->b, OP_mul, y, parameter(g, type_make(DT_REAL, rank, ones)).v);
    return build_binary(&g->b, OP_add, y, parameter(g, type_make(DT_REAL, rank, ones)).v);
}

/* Larger images than those of the pool, of which every sample is one number's: Winograd's method takes these. */
static struct value *large_image(struct gen *g, struct value *x)
{
    struct dim ones[MAX_RANK] = { x->type.dim[0], dim_of(1), dim_of(1), dim_of(1) };
    struct type t = type_scalar(DT_REAL);
    int64_t axes[MAX_RANK];
    int rank = 3 + chance(g->r, 70);

    for (int i = 1; i < x->type.rank; i++)
        axes[i - 1] = i;
    x = x->type.rank > 1 ? build_reduce(&g->b, OP_reduce_max, x, axes, x->type.rank - 1, false) : x;
    x = build_reshape(&g->b, x, ones, rank);
    t.dim[t.rank++] = dim_of(1);
    t.dim[t.rank++] = dim_of(4);
    while (t.rank < rank)
        t.dim[t.rank++] = dim_of(rank == 3 ? 6 + below(g->r, 12) : 5 + below(g->r, 2));
    return build_unary(&g->b, OP_tanh, build_binary(&g->b, OP_mul, x, parameter(g, t).v));
}

/* Convolutions with BatchNorm between them, or a block with what goes past it. */
void make_normalised(struct gen *g)
{
    static const int64_t channels[] = { 16, 16, 16, 32 };
    struct item x = *pick(g, DT_REAL);

    if (g->m->batch > 2 || !x.v->type.rank || !x.v->type.dim[0].n || shape_batches(x.v->type) != 1)
        return;
    struct value *y = convolve(g, large_image(g, x.v), 16);
    for (int i = 1 + below(g->r, 2); i > 0; i--) {
        struct value *past = y;
        y = normalised(g, y);
        if (chance(g->r, 30))
            y = build_binary(&g->b, OP_add, y, past);
        if (chance(g->r, 70))
            y = build_binary(&g->b, OP_max, y, build_constant(&g->b, 0, DT_REAL));
        if (chance(g->r, 30))
            keep(g, y, 100);
        y = convolve(g, y, chance(g->r, 60) ? past->type.dim[1].k : channels[below(g->r, 4)]);
    }
    keep(g, y, 100);
}
