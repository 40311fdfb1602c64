/* passes/grad_rules.c: gradients too long for their row in ops.def. y is the result, dy its gradient; where a rule may
 * use y in place of an operand it does, so that the operand need not be kept.
 *
 * Conventions at corners are those of PyTorch, and stand beside the rule. */
#include "passes/grad.h"

/* ---- helpers ---- */

static struct value *first_result(struct grad *g, enum op op, struct value *const *operands, int count,
                                  const struct attr *attrs, int attr_count)
{
    struct node *n = build_node(&g->b, op, operands, count, attrs, attr_count);

    return n ? n->result[0] : poison(&g->b);
}

static bool is_axis(const int64_t *axes, int count, int axis)
{
    for (int i = 0; i < count; i++) {
        if (axes[i] == axis)
            return true;
    }
    return false;
}

/* A value of the reduction's result shape, with its axes back as ones. */
static struct value *keep_axes(struct grad *g, struct value *v)
{
    struct dim shape[MAX_RANK];
    struct type x = g->x[0]->type;
    int count;
    const int64_t *axes = attr_ints(g->node, "axes", &count);

    for (int i = 0; i < x.rank; i++)
        shape[i] = is_axis(axes, count, i) ? dim_of(1) : x.dim[i];
    return build_reshape(&g->b, v, shape, x.rank);
}

/* The same, over all of x. */
static struct value *over_x(struct grad *g, struct value *v)
{
    return build_broadcast(&g->b, keep_axes(g, v), g->x[0]->type.dim, g->x[0]->type.rank);
}

static struct value *number(struct grad *g, double x)
{
    return build_constant(&g->b, x, DT_REAL);
}

/* How many elements of x one result of the reduction is made of. Where axes depend on the batch that is known only when
 * the code runs: as the sum of as many ones. */
static struct value *reduced_count(struct grad *g)
{
    static const int64_t first_axis[] = { 0 };
    const struct dim samples = dim_batch(1);
    double constant = 1;
    int count, batches = 0;
    const int64_t *axes = attr_ints(g->node, "axes", &count);

    for (int i = 0; i < count; i++) {
        struct dim d = g->x[0]->type.dim[axes[i]];
        constant *= (double)d.k;
        batches += d.n;
    }
    struct value *all = number(g, constant);
    if (batches == 0)
        return all;
    struct value *n = build_broadcast(&g->b, number(g, 1), &samples, 1);
    n = build_reduce(&g->b, OP_sum, n, first_axis, 1, false);
    while (batches-- > 0)
        all = build_binary(&g->b, OP_mul, all, n);
    return all;
}

/* ---- elementwise ---- */

/* Real to real is no conversion at all; no gradient flows through whole numbers. */
void grad_cast(struct grad *g)
{
    if (g->y[0]->type.dtype == DT_REAL)
        g->dx[0] = g->dy[0];
}

/* The base: 0 where the exponent is 0. The exponent: 0 where the base is 0 and the exponent is not negative; NaN where
 * the base is negative. */
void grad_pow(struct grad *g)
{
    if (g->need[0])
        g->dx[0] = grad_term(g, "select(b == 0, 0, dy * (b * pow(a, b - 1)))");
    if (g->need[1])
        g->dx[1] = grad_term(g, "select(and(a == 0, b >= 0), 0, dy * (y * log(a)))");
}

/* ---- reductions ---- */

/* Every x had weight one, so dy spreads back over the axes it was summed from. */
void grad_sum(struct grad *g)
{
    g->dx[0] = over_x(g, g->dy[0]);
}

/* Equals share evenly. */
void grad_extreme(struct grad *g)
{
    struct build *b = &g->b;
    int count;
    const int64_t *axes = attr_ints(g->node, "axes", &count);
    struct value *wins = build_binary(b, OP_eq, g->x[0], over_x(g, g->y[0]));
    struct value *winners = build_reduce(b, OP_sum, build_cast(b, wins, DT_REAL), axes, count, true);
    struct value *share = build_binary(b, OP_div, keep_axes(g, g->dy[0]), winners);

    g->dx[0] = build_select(b, wins, share, number(g, 0));
}

/* The product of all others: of the factors that are not 0, divided by x, where there is no 0; where there is one it
 * alone has a gradient; where there are more none has. */
void grad_prod(struct grad *g)
{
    struct build *b = &g->b;
    int count;
    const int64_t *axes = attr_ints(g->node, "axes", &count);
    struct value *x = g->x[0], *zero = number(g, 0);
    struct value *is_zero = build_binary(b, OP_eq, x, zero);
    struct value *zeros = build_reduce(b, OP_sum, build_cast(b, is_zero, DT_REAL), axes, count, true);
    struct value *factor = build_select(b, is_zero, number(g, 1), x);
    struct value *p = build_reduce(b, OP_prod, factor, axes, count, true);
    struct value *dp = build_binary(b, OP_mul, keep_axes(g, g->dy[0]), p);
    struct value *alone = build_select(b, build_binary(b, OP_eq, zeros, number(g, 1)), dp, zero);
    struct value *others = build_select(b, build_binary(b, OP_eq, zeros, zero), dp, zero);

    g->dx[0] = build_select(b, is_zero, alone, build_binary(b, OP_div, others, factor));
}

/* mean and biased variance: dx = dmean / n + dvariance * 2 (x - mean) / n, the factors one a channel. */
void grad_moments(struct grad *g)
{
    struct build *b = &g->b;
    struct value *n = reduced_count(g);

    if (g->dy[0])
        g->dx[0] = over_x(g, build_binary(b, OP_div, g->dy[0], n));
    if (!g->dy[1])
        return;
    struct value *factor = build_binary(b, OP_div, build_binary(b, OP_mul, g->dy[1], number(g, 2)), n);
    struct value *centred = build_binary(b, OP_sub, g->x[0], over_x(g, g->y[0]));
    struct value *d = build_binary(b, OP_mul, centred, over_x(g, factor));
    g->dx[0] = g->dx[0] ? build_binary(b, OP_add, d, g->dx[0]) : d;
}

/* y[i] = x[0] + ... + x[i], so x[i] went into all from i on. */
void grad_cumsum(struct grad *g)
{
    const struct attr attrs[] = { *node_attr(g->node, "axis"), at_bool("reverse", !attr_bool(g->node, "reverse")) };

    g->dx[0] = first_result(g, OP_cumsum, &g->dy[0], 1, attrs, 2);
}

/* ---- shape ---- */

void grad_reshape(struct grad *g)
{
    g->dx[0] = build_reshape(&g->b, g->dy[0], g->x[0]->type.dim, g->x[0]->type.rank);
}

void grad_transpose(struct grad *g)
{
    const int64_t *perm = attr_ints(g->node, "perm", NULL);
    int64_t inverse[MAX_RANK] = { 0 };

    for (int i = 0; i < g->x[0]->type.rank; i++)
        inverse[perm[i]] = i;
    g->dx[0] = build_transpose(&g->b, g->dy[0], inverse);
}

void grad_broadcast(struct grad *g)
{
    g->dx[0] = build_unbroadcast(&g->b, g->dy[0], g->x[0]->type);
}

static struct value *pad_axis(struct grad *g, struct value *v, int axis, int64_t before, int64_t after)
{
    int64_t pairs[2 * MAX_RANK] = { 0 };

    pairs[2 * axis] = before;
    pairs[2 * axis + 1] = after;
    return build_pad(&g->b, v, pairs, 0);
}

/* The length of `count` elements with step - 1 zeros between them. */
static int64_t dilated(int64_t count, int64_t step)
{
    return count > 0 ? (count - 1) * step + 1 : 0;
}

void grad_slice(struct grad *g)
{
    int axis = (int)attr_int(g->node, "axis");
    int64_t begin = attr_int(g->node, "begin"), step = attr_int(g->node, "step");
    int64_t length = dilated(g->y[0]->type.dim[axis].k, step);
    struct value *d = g->dy[0];

    if (step != 1) {
        const struct attr attrs[] = { at_int("axis", axis), at_int("step", step), at_int("length", length) };
        d = first_result(g, OP_dilate, &d, 1, attrs, 3);
    }
    if (!is_poison(d))
        g->dx[0] = pad_axis(g, d, axis, begin, g->x[0]->type.dim[axis].k - begin - length);
}

void grad_dilate(struct grad *g)
{
    int axis = (int)attr_int(g->node, "axis");
    int64_t step = attr_int(g->node, "step");

    g->dx[0] = build_slice(&g->b, g->dy[0], axis, 0, dilated(g->x[0]->type.dim[axis].k, step), step);
}

void grad_reverse(struct grad *g)
{
    g->dx[0] = first_result(g, OP_reverse, &g->dy[0], 1, node_attr(g->node, "axis"), 1);
}

void grad_pad(struct grad *g)
{
    const int64_t *pairs = attr_ints(g->node, "pairs", NULL);
    struct value *d = g->dy[0];

    for (int i = 0; i < g->x[0]->type.rank; i++) {
        if (pairs[2 * i] || pairs[2 * i + 1])
            d = build_slice(&g->b, d, i, pairs[2 * i], pairs[2 * i] + g->x[0]->type.dim[i].k, 1);
    }
    g->dx[0] = d;
}

void grad_concat(struct grad *g)
{
    int axis = (int)attr_int(g->node, "axis");
    int64_t at = 0;

    for (int i = 0; i < g->node->operands; i++) {
        int64_t length = g->x[i]->type.dim[axis].k;
        if (g->need[i])
            g->dx[i] = build_slice(&g->b, g->dy[0], axis, at, at + length, 1);
        at += length;
    }
}

/* ---- contractions ---- */

/* c = A B, A being a or its transpose: dA = dc B', dB = A' dc. */
void grad_matmul(struct grad *g)
{
    bool ta = attr_bool(g->node, "ta"), tb = attr_bool(g->node, "tb");
    struct value *a = g->x[0], *b = g->x[1], *dc = g->dy[0];

    if (g->need[0])
        g->dx[0] = ta ? build_matmul(&g->b, b, dc, tb, true) : build_matmul(&g->b, dc, b, false, !tb);
    if (g->need[1])
        g->dx[1] = tb ? build_matmul(&g->b, dc, a, true, ta) : build_matmul(&g->b, a, dc, !ta, false);
}

/* One operation gives all three gradients. Masks have none: only a mask that asks for none is made one. */
void grad_attention(struct grad *g)
{
    struct value *operands[] = { g->x[0], g->x[1], g->x[2], g->dy[0], g->node->operands > 3 ? g->x[3] : NULL };
    struct node *dx =
        build_node(&g->b, OP_attention_dx, operands, g->node->operands + 1, g->node->attr, g->node->attrs);

    if (g->node->operands > 3 && g->need[3])
        bug("the mask of attention is trained");
    for (int i = 0; i < 3 && dx; i++)
        g->dx[i] = g->need[i] ? dx->result[i] : NULL;
}

/* One of the three convolutions with the attributes of the operation at hand; `extent` names what its result has the
 * spatial sizes of: conv_dx's `size` is that of x, conv_dw's `kernel` that of w. */
static struct value *convolution(struct grad *g, enum op op, struct value *first, struct value *second,
                                 const char *extent, struct value *of)
{
    struct value *both[] = { first, second };
    int64_t sizes[MAX_RANK];
    struct attr attrs[5] = {
        *node_attr(g->node, "stride"),
        *node_attr(g->node, "pad"),
        *node_attr(g->node, "dilation"),
        *node_attr(g->node, "groups"),
    };

    if (!extent)
        return first_result(g, op, both, 2, attrs, 4);
    for (int i = 2; i < of->type.rank; i++)
        sizes[i - 2] = of->type.dim[i].k;
    attrs[4] = at_ints(extent, sizes, of->type.rank - 2);
    return first_result(g, op, both, 2, attrs, 5);
}

void grad_conv(struct grad *g)
{
    if (g->need[0])
        g->dx[0] = convolution(g, OP_conv_dx, g->dy[0], g->x[1], "size", g->x[0]);
    if (g->need[1])
        g->dx[1] = convolution(g, OP_conv_dw, g->x[0], g->dy[0], "kernel", g->x[1]);
}

/* x = conv_dx(y, w) is linear in both, and its transpose is conv. */
void grad_conv_dx(struct grad *g)
{
    if (g->need[0])
        g->dx[0] = convolution(g, OP_conv, g->dy[0], g->x[1], NULL, NULL);
    if (g->need[1])
        g->dx[1] = convolution(g, OP_conv_dw, g->dy[0], g->x[0], "kernel", g->x[1]);
}

/* w = conv_dw(x, y) likewise. */
void grad_conv_dw(struct grad *g)
{
    if (g->need[0])
        g->dx[0] = convolution(g, OP_conv_dx, g->x[1], g->dy[0], "size", g->x[0]);
    if (g->need[1])
        g->dx[1] = convolution(g, OP_conv, g->x[0], g->dy[0], NULL, NULL);
}

/* ---- windows ---- */

/* A pool's gradient operation, with the pool's attributes and the size of its operand. */
static struct value *pool_dx(struct grad *g, enum op op, struct value *const *operands, int count)
{
    struct attr attrs[MAX_ATTRS];
    int64_t sizes[MAX_RANK];
    struct type x = g->x[0]->type;

    for (int i = 0; i < g->node->attrs; i++)
        attrs[i] = g->node->attr[i];
    for (int i = 2; i < x.rank; i++)
        sizes[i - 2] = x.dim[i].k;
    attrs[g->node->attrs] = at_ints("size", sizes, x.rank - 2);
    return first_result(g, op, operands, count, attrs, g->node->attrs + 1);
}

void grad_maxpool(struct grad *g)
{
    struct value *operands[] = { g->dy[0], g->y[1] };

    g->dx[0] = pool_dx(g, OP_maxpool_dx, operands, 2);
}

void grad_avgpool(struct grad *g)
{
    g->dx[0] = pool_dx(g, OP_avgpool_dx, g->dy, 1);
}

void grad_avgpool_dx(struct grad *g)
{
    g->dx[0] = first_result(g, OP_avgpool, g->dy, 1, g->node->attr, g->node->attrs - 1); /* all but size */
}

/* ---- indexed by data ---- */

/* Reads and writes by index are each other's gradients; a write states how long the axis is, a read does not. */
static void by_index(struct grad *g, enum op op, bool write)
{
    int axis = (int)attr_int(g->node, "axis");
    struct value *operands[] = { g->dy[0], g->x[1] };
    struct dim length = g->x[0]->type.dim[axis];
    const struct attr attrs[] = { at_int("axis", axis), at_int("size", length.k) };

    if (write && length.n)
        diag_error(g->b.graph->module->diag, g->node->at, "no gradient through %s along the batch",
                   op_info(g->node->op)->name);
    else
        g->dx[0] = first_result(g, op, operands, 2, attrs, write ? 2 : 1);
}

void grad_gather(struct grad *g)
{
    by_index(g, OP_scatter_add, true);
}

void grad_scatter_add(struct grad *g)
{
    by_index(g, OP_gather, false);
}

void grad_take_along(struct grad *g)
{
    by_index(g, OP_put_along, true);
}

void grad_put_along(struct grad *g)
{
    by_index(g, OP_take_along, false);
}

/* ---- sparse matrices ---- */

static struct value *sparse_product(struct grad *g, struct value *x, struct value *values, struct value *rows,
                                    struct value *columns, struct value *like)
{
    struct value *operands[] = { x, values, rows, columns };
    const struct attr out = at_int("out", like->type.dim[0].k);

    return first_result(g, OP_sparse_matmul, operands, 4, &out, 1);
}

/* dx = W' dy, with rows and columns exchanged; of dW = dy x' the entries that W has. */
void grad_sparse_matmul(struct grad *g)
{
    struct value **x = g->x, *pair[] = { g->dy[0], x[0], x[2], x[3] };

    if (g->need[0])
        g->dx[0] = sparse_product(g, g->dy[0], x[1], x[3], x[2], x[0]);
    if (g->need[1])
        g->dx[1] = first_result(g, OP_dots, pair, 4, NULL, 0);
}

/* dy holds the values of a sparse matrix: da is its product with b, db that of the transposed one with a. */
void grad_dots(struct grad *g)
{
    struct value **x = g->x;

    if (g->need[0])
        g->dx[0] = sparse_product(g, x[1], g->dy[0], x[2], x[3], x[0]);
    if (g->need[1])
        g->dx[1] = sparse_product(g, x[0], g->dy[0], x[3], x[2], x[1]);
}
