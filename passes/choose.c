/* passes/choose.c: contractions in the form whose loops run along contiguous memory.
 *
 *     %y = matmul %a, %b, tb = true            %0 = transpose %b, perm = [1,0]
 *                                        =>    %1 = relayout %0
 *                                              %y = matmul %a, %1      (zeros fill %1's rows up to a multiple of 16)
 *
 * with zeros between rows that would lie 1 KB apart or a multiple of it, which the product does not see (gap_of), and likewise
 * where %b is a transpose that nobody has laid out, or %a a transpose with axes joined.
 *
 *     %y = conv %x, %w, pad = [1,1,1,1]        %0 = pad %x, pairs = [0,0,0,0,1,1,1,1]
 *                                        =>    %1 = relayout %0
 *                                              %y = conv %1, %w, pad = [0,0,0,0]
 *
 *     %y = sparse_matmul %x, ...               %0 = relayout %x
 *                                        =>    %y = sparse_matmul %0, ...        where %x is a change of coordinates
 *
 * dots likewise, and conv_dw as conv; conv_dx becomes the convolution of the gradient, with stride - 1 zeros between its
 * elements and a border, with the weights turned round and their channels swapped. In inference `hoist` prepares the
 * relayouts of weights; within a scan that of a captured matrix is made before it. Large weights of convolutions lie in panels
 * of 32 channels of the result: pack. */
#include "passes/shared.h"

#include "ir/build.h"
#include "ir/layout.h"

enum { LANES = 16, MIN_COLUMNS = 7, NARROW = 7 }; /* fewer do not fill a vector */

static struct value *result(struct build *b, enum op op, struct value *const *operands, int count,
                            const struct attr *attrs, int attr_count)
{
    struct node *n = build_node(b, op, operands, count, attrs, attr_count);

    return n ? n->result[0] : poison(b);
}

static struct value *relayout(struct build *b, struct value *x)
{
    return build_unary(b, OP_relayout, x);
}

static bool replace(struct node *n, struct value *with)
{
    if (is_poison(with))
        bug("%s takes no other form", op_info(n->op)->name);
    with->name = n->result[0]->name;
    value_replace(n->result[0], with);
    node_remove(n);
    return true;
}

/* ---- products ---- */

/* The scan that v is a captured value of, or NULL. */
static struct node *captured_by(const struct value *v)
{
    struct node *scan = v->def || v->var ? NULL : v->graph->owner;

    if (!scan || scan->op != OP_scan || v->index < attr_int(scan, "sequences") + attr_int(scan, "carries"))
        return NULL;
    return scan;
}

/* Zeros behind the last axis. */
static struct value *with_zeros(struct build *b, struct value *x, int64_t extra)
{
    int64_t pairs[2 * MAX_RANK] = { 0 };

    pairs[2 * x->type.rank - 1] = extra;
    return extra ? build_pad(b, x, pairs, 0) : x;
}

static bool is_swap_of(const struct value *v, const struct value *x, int64_t extra)
{
    if (!v->def || v->def->op != OP_relayout)
        return false;
    v = operand(v->def, 0);
    if (extra && v->def && v->def->op == OP_pad)
        v = operand(v->def, 0);
    return v->def && v->def->op == OP_transpose && operand(v->def, 0) == x && v->type.rank == x->type.rank &&
           attr_ints(v->def, "perm", NULL)[x->type.rank - 1] == x->type.rank - 2;
}

/* v with its last two axes swapped and zeros behind its rows, laid out so; before the scan where a scan captures v. */
static struct value *swapped(struct build *b, struct value *v, int64_t extra)
{
    struct node *scan = captured_by(v);

    if (!scan)
        return relayout(b, with_zeros(b, build_swap(b, v), extra));
    struct value *outside = operand(scan, v->index);
    for (int i = v->index + 1; i < scan->operands; i++) {
        if (is_swap_of(operand(scan, i), outside, extra))
            return scan->body[0]->param[i];
    }
    struct build before = build_at(scan->graph, scan);
    struct value *moved = swapped(&before, outside, extra);
    node_add_operand(scan, moved);
    return graph_param(scan->body[0], moved->type, NULL);
}

/* Whether the elements of v's last axis are no neighbours where they lie. */
static bool reads_across(const struct value *v)
{
    for (const struct node *n = v->def; n && op_is_index(n->op); n = operand(n, 0)->def) {
        int last = n->result[0]->type.rank - 1;
        if (n->op == OP_transpose)
            return attr_ints(n, "perm", NULL)[last] != last;
        if (n->op != OP_slice && n->op != OP_broadcast && n->op != OP_pad)
            return false;
    }
    return false;
}

/* Whether going along v's last axis one jumps about: axes that were not neighbours have become one. */
static bool is_scattered(const struct value *v)
{
    const struct node *n = v->def;

    while (n && (n->op == OP_slice || n->op == OP_broadcast || n->op == OP_pad))
        n = operand(n, 0)->def;
    if (!n || n->op != OP_reshape)
        return false;
    const struct node *before = operand(n, 0)->def;
    return before && before->op == OP_transpose;
}

/* Between rows that lie a large power of two apart, which few sets of the caches would hold, some zeros are stored that no product
 * goes over. ROWS: fewer are no trouble. */
static int64_t gap_of(const struct module *m, struct dim rows, struct dim columns)
{
    enum { APART = 1024, ROWS = 256 };
    int64_t bytes = columns.k * (m->f64 ? 8 : 4);

    return !columns.n && !rows.n && rows.k >= ROWS && bytes % APART == 0 ? LANES : 0;
}

static struct value *without_gap(struct build *b, struct value *x, int64_t gap)
{
    int last = x->type.rank - 1;

    return gap ? build_slice(b, x, last, 0, x->type.dim[last].k - gap, 1) : x;
}

/* Columns that fill no vector are followed by some of zeros, which nobody reads. */
static bool choose_matmul(struct node *n)
{
    struct value *a = operand(n, 0), *b = operand(n, 1);
    struct type t = n->result[0]->type;
    struct dim columns = t.dim[t.rank - 1];
    int64_t extra = columns.n || columns.k % LANES == 0 ? 0 : LANES - columns.k % LANES;
    struct build at = build_at(n->graph, n);

    if (dim_size(columns, n->graph->module->batch) < MIN_COLUMNS)
        return false;
    if (is_scattered(a) && !attr_bool(n, "ta"))
        a = relayout(&at, a);
    if (attr_bool(n, "tb")) {
        int64_t gap = gap_of(n->graph->module, b->type.dim[b->type.rank - 1], columns);
        b = without_gap(&at, swapped(&at, b, extra + gap), gap);
    } else if (reads_across(b) || (extra && n->graph->kind != GRAPH_BODY))
        b = relayout(&at, with_zeros(&at, b, extra));
    else if (a == operand(n, 0))
        return false;
    struct value *y = build_matmul(&at, a, b, attr_bool(n, "ta"), false);
    return replace(n, extra ? build_slice(&at, y, t.rank - 1, 0, columns.k, 1) : y);
}

/* Samples lie side by side where entries of a sparse matrix read them. */
static bool choose_sparse(struct node *n, int operands)
{
    bool changed = false;

    for (int i = 0; i < operands; i++) {
        struct value *x = operand(n, i);
        struct build at = build_at(n->graph, n);
        if (!x->def || !op_is_index(x->def->op))
            continue;
        node_set_operand(n, i, relayout(&at, x));
        changed = true;
    }
    return changed;
}

/* ---- convolutions ---- */

static bool has_padding(const struct node *n)
{
    int count;
    const int64_t *pad = attr_ints(n, "pad", &count);

    for (int i = 0; i < count; i++) {
        if (pad[i])
            return true;
    }
    return false;
}

/* The first axis that a window slides along. */
static int first_spatial(const struct node *n)
{
    return layout_channels_last(n) ? 1 : 2;
}

/* Whether every channel has a window of its own. */
static bool is_depthwise(const struct node *n)
{
    return layout_known(n->op) && attr_int(n, "groups") > 1;
}

/* With so little to reckon for an element, a border of zeros stored around it takes as long (codegen/depthwise.c). */
static bool asks_itself(const struct node *n)
{
    return layout_channels_last(n) && is_depthwise(n);
}

/* The operation again over x that has the padding in it. */
static bool pad_outside(struct node *n)
{
    static const int64_t zeros[2 * MAX_RANK] = { 0 };
    struct attr attrs[MAX_ATTRS];
    struct build b = build_at(n->graph, n);
    int64_t pairs[2 * MAX_RANK] = { 0 };
    int count;
    const int64_t *pad = attr_ints(n, "pad", &count);

    if (!has_padding(n) || asks_itself(n))
        return false;
    for (int i = 0; i < count; i++)
        pairs[2 * first_spatial(n) + i] = pad[i];
    for (int i = 0; i < n->attrs; i++)
        attrs[i] = &n->attr[i] == node_attr(n, "pad") ? at_ints("pad", zeros, count) : n->attr[i];
    struct value *operands[] = { relayout(&b, build_pad(&b, operand(n, 0), pairs, 0)), operand(n, 1) };
    return replace(n, result(&b, n->op, operands, 2, attrs, n->attrs));
}

/* One spatial axis of conv_dx's dy: stride - 1 zeros between the elements, then as many before and behind as the kernel
 * reaches over; fewer than none are cut off, after padding, so that something is always left. */
static struct value *spread_axis(struct build *b, struct value *dy, int axis, int64_t stride, int64_t before,
                                 int64_t length)
{
    int64_t count = (dy->type.dim[axis].k - 1) * stride + 1, after = length - before - count;
    int64_t pairs[2 * MAX_RANK] = { 0 }, cut = before < 0 ? -before : 0;
    const struct attr attrs[] = { at_int("axis", axis), at_int("step", stride), at_int("length", count) };

    if (stride > 1)
        dy = result(b, OP_dilate, &dy, 1, attrs, 3);
    pairs[2 * axis] = before > 0 ? before : 0;
    pairs[2 * axis + 1] = after > 0 ? after : 0;
    if (is_poison(dy))
        return dy;
    dy = build_pad(b, dy, pairs, 0);
    return build_slice(b, dy, axis, cut, cut + length, 1);
}

/* w [groups * o, c, k...] as the weights of the transposed convolution: [groups * c, o, k... from behind]. */
static struct value *turned_weights(struct build *b, struct value *w, int64_t groups)
{
    struct type t = w->type;
    struct dim split[MAX_RANK + 1] = { dim_of(groups), dim_of(t.dim[0].k / groups) };
    int64_t perm[MAX_RANK + 1];

    for (int i = 1; i < t.rank; i++)
        split[i + 1] = t.dim[i];
    for (int i = 0; i <= t.rank; i++)
        perm[i] = i;
    perm[1] = 2;
    perm[2] = 1;
    if (t.rank + 1 > MAX_RANK)
        bug("weights of rank %d", t.rank);
    w = build_transpose(b, build_reshape(b, w, split, t.rank + 1), perm);
    struct dim joined[MAX_RANK] = { dim_of(groups * t.dim[1].k), split[1] };
    for (int i = 2; i < t.rank; i++)
        joined[i] = t.dim[i];
    w = build_reshape(b, w, joined, t.rank);
    for (int i = 2; i < t.rank; i++) {
        const struct attr axis = at_int("axis", i);
        if (t.dim[i].k > 1)
            w = result(b, OP_reverse, &w, 1, &axis, 1);
    }
    return relayout(b, w);
}

/* dx[p] = sum over k of dy[(p + pad - k dilation) / stride] w[k], where that divides: a convolution with k from
 * behind. */
static bool choose_conv_dx(struct node *n)
{
    static const int64_t zeros[2 * MAX_RANK] = { 0 };
    const int64_t ones[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    struct build b = build_at(n->graph, n);
    struct value *dy = operand(n, 0), *w = operand(n, 1);
    int spatial;
    const int64_t *stride = attr_ints(n, "stride", &spatial), *pad = attr_ints(n, "pad", NULL);
    const int64_t *dilation = attr_ints(n, "dilation", NULL), *size = attr_ints(n, "size", NULL);

    for (int i = 0; i < spatial; i++) {
        int64_t reach = (w->type.dim[2 + i].k - 1) * dilation[i];
        dy = spread_axis(&b, dy, 2 + i, stride[i], reach - pad[2 * i], size[i] + reach);
    }
    if (dy != operand(n, 0))
        dy = relayout(&b, dy);
    const struct attr attrs[] = {
        at_ints("stride", ones, spatial),
        at_ints("pad", zeros, 2 * spatial),
        *node_attr(n, "dilation"),
        *node_attr(n, "groups"),
    };
    struct value *operands[] = { dy, turned_weights(&b, w, attr_int(n, "groups")) };
    return replace(n, result(&b, OP_conv, operands, 2, attrs, 4));
}

/* With channels last ([k..., o, c] are the weights): stride 1 likewise. */
static struct value *turned_last(struct build *b, struct value *w, int spatial, bool depthwise)
{
    for (int i = 0; i < spatial; i++) {
        const struct attr axis = at_int("axis", i);
        if (w->type.dim[i].k > 1)
            w = result(b, OP_reverse, &w, 1, &axis, 1);
    }
    return depthwise ? build_swap(b, w) : w; /* the one channel stands first */
}

/* Zeros that the window reaches before and behind dy along an axis, negative where elements are cut off. */
static void reached_beyond(const struct node *n, int i, int64_t *pair)
{
    const struct value *dy = operand(n, 0), *w = operand(n, 1);
    int64_t reach = (w->type.dim[i].k - 1) * attr_ints(n, "dilation", NULL)[i];

    pair[0] = reach - attr_ints(n, "pad", NULL)[2 * i];
    pair[1] = attr_ints(n, "size", NULL)[i] + reach - pair[0] - dy->type.dim[1 + i].k;
}

/* dy with what the window reaches beyond it, as far as the convolution does not ask itself (pad). */
static struct value *with_border(struct build *b, const struct node *n, int spatial, int64_t *pad)
{
    struct value *dy = operand(n, 0);
    bool cut = false;

    for (int i = 0; i < spatial; i++) {
        reached_beyond(n, i, pad + 2 * i);
        cut |= pad[2 * i] < 0 || pad[2 * i + 1] < 0;
    }
    if (asks_itself(n) && !cut)
        return dy;
    for (int i = 0; i < spatial; i++) {
        int64_t length = pad[2 * i] + dy->type.dim[1 + i].k + pad[2 * i + 1];
        dy = spread_axis(b, dy, 1 + i, 1, pad[2 * i], length);
        pad[2 * i] = pad[2 * i + 1] = 0;
    }
    return dy == operand(n, 0) ? dy : relayout(b, dy);
}

static bool choose_unstrided_dx(struct node *n)
{
    struct build b = build_at(n->graph, n);
    int64_t pad[2 * MAX_RANK];
    int spatial;
    const int64_t *stride = attr_ints(n, "stride", &spatial);
    struct value *dy = with_border(&b, n, spatial, pad);
    struct value *w = relayout(&b, turned_last(&b, operand(n, 1), spatial, attr_int(n, "groups") > 1));
    const struct attr attrs[] = { at_ints("stride", stride, spatial), at_ints("pad", pad, 2 * spatial),
                                  *node_attr(n, "dilation"), *node_attr(n, "groups"), at_bool("channels_last", true) };

    return replace(n, result(&b, OP_conv, (struct value *[]){ dy, w }, 2, attrs, 5));
}

/* How many elements of dy in front and behind the window reaches that are not there, along one axis. */
struct border {
    int64_t before, after;
};

static struct border border_of(const struct node *n, int i)
{
    int64_t stride = attr_ints(n, "stride", NULL)[i], pad = attr_ints(n, "pad", NULL)[2 * i];
    int64_t size = attr_ints(n, "size", NULL)[i], length = operand(n, 0)->type.dim[1 + i].k;
    int64_t reach = (operand(n, 1)->type.dim[i].k - 1) * attr_ints(n, "dilation", NULL)[i];
    int64_t before = reach > pad ? (reach - pad) / stride : 0, last = (size - 1 + pad) / stride;

    return (struct border){ before, last >= length ? last - length + 1 : 0 };
}

/* Other strides: a border of zeros around dy, so that no element asks whether it is there. */
static bool choose_strided_dx(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct attr attrs[MAX_ATTRS];
    struct type dy = operand(n, 0)->type;
    int64_t pairs[2 * MAX_RANK] = { 0 }, pad[2 * MAX_RANK];
    int spatial;
    bool bordered = false;
    const int64_t *stride = attr_ints(n, "stride", &spatial), *has = attr_ints(n, "pad", NULL);

    for (int i = 0; i < spatial; i++) {
        struct border z = border_of(n, i);
        int64_t reach = (operand(n, 1)->type.dim[i].k - 1) * attr_ints(n, "dilation", NULL)[i] + 1;
        int64_t length = dy.dim[1 + i].k + z.before + z.after, size = attr_ints(n, "size", NULL)[i];
        pairs[2 + 2 * i] = z.before;
        pairs[3 + 2 * i] = z.after;
        pad[2 * i] = has[2 * i] + z.before * stride[i];
        pad[2 * i + 1] = (length - 1) * stride[i] + reach - size - pad[2 * i];
        if (pad[2 * i + 1] < 0)
            pad[2 * i + 1] = 0;
        bordered |= z.before || z.after;
    }
    if (!bordered)
        return false;
    for (int i = 0; i < n->attrs; i++)
        attrs[i] = &n->attr[i] == node_attr(n, "pad") ? at_ints("pad", pad, 2 * spatial) : n->attr[i];
    struct value *operands[] = { relayout(&b, build_pad(&b, operand(n, 0), pairs, 0)), operand(n, 1) };
    return replace(n, result(&b, n->op, operands, 2, attrs, n->attrs));
}

static bool choose_last_dx(struct node *n)
{
    int spatial;
    const int64_t *stride = attr_ints(n, "stride", &spatial);

    for (int i = 0; i < spatial; i++) {
        if (stride[i] != 1)
            return choose_strided_dx(n);
    }
    return choose_unstrided_dx(n);
}

/* ---- rows of whole lanes ---- */

/* x with zeros behind its last axis, stored; a stored padding already there is stored once, with both. */
static struct value *lengthened(struct build *b, struct value *x, int64_t extra)
{
    int64_t pairs[2 * MAX_RANK] = { 0 };

    if (x->def && x->def->op == OP_relayout)
        x = operand(x->def, 0);
    pairs[2 * x->type.rank - 1] = extra;
    return relayout(b, build_pad(b, x, pairs, 0));
}

static bool may_widen(const struct node *n, int64_t length)
{
    int spatial;
    const int64_t *stride = attr_ints(n, "stride", &spatial);

    return stride[spatial - 1] == 1 && length % LANES && length >= NARROW && !has_padding(n);
}

/* A convolution whose rows are no multiple of 16 reckons some more, which nobody reads: rows run in lanes to their end.
 *
 *     %y : [N,8,14,14] = conv %x, %w    =>    %0 : [N,8,14,16] = conv (x, two zeros behind each row), %w
 *                                             %y = slice %0, axis = 3, begin = 0, end = 14
 */
static bool widen_conv(struct node *n)
{
    struct type t = n->result[0]->type;
    int last = t.rank - 1;
    int64_t length = t.dim[last].k;
    struct build b = build_at(n->graph, n);

    if (!may_widen(n, length))
        return false;
    struct value *operands[] = { lengthened(&b, operand(n, 0), LANES - length % LANES), operand(n, 1) };
    return replace(n, build_slice(&b, result(&b, OP_conv, operands, 2, n->attr, n->attrs), last, 0, length, 1));
}

/* Zeros behind the gradient's rows add nothing to the sums. */
static bool widen_conv_dw(struct node *n)
{
    struct type t = operand(n, 1)->type;
    int64_t length = t.dim[t.rank - 1].k, extra = LANES - length % LANES;
    struct build b = build_at(n->graph, n);

    if (!may_widen(n, length))
        return false;
    struct value *operands[] = { lengthened(&b, operand(n, 0), extra), lengthened(&b, operand(n, 1), extra) };
    return replace(n, result(&b, OP_conv_dw, operands, 2, n->attr, n->attrs));
}

/* Where the result's channels are few, lanes run along those summed over instead: weights have these last where they lie. */
static bool sum_in_lanes(struct node *n)
{
    struct type x = operand(n, 0)->type, t = n->result[0]->type;
    struct build b = build_at(n->graph, n);
    struct value *w = operand(n, 1);

    if (n->op == OP_conv_dw || t.dim[t.rank - 1].k > FEW_CHANNELS || x.dim[x.rank - 1].k % LANES)
        return false;
    if (w->def && w->def->op == OP_relayout)
        w = operand(w->def, 0);
    node_set_operand(n, 1, build_swap(&b, relayout(&b, build_swap(&b, w))));
    return true;
}

/* With channels last it is the channels of the result that are filled up; depthwise they are x's too, and stay. */
static bool widen_last(struct node *n)
{
    struct type t = n->result[0]->type;
    int last = t.rank - 1;
    int64_t channels = t.dim[last].k, extra = LANES - channels % LANES;
    struct build b = build_at(n->graph, n);

    if (channels % LANES == 0)
        return false;
    struct value *operands[] = { operand(n, 0), lengthened(&b, operand(n, 1), extra) };
    struct value *y = result(&b, n->op, operands, 2, n->attr, n->attrs);
    return replace(n, build_slice(&b, y, last, 0, channels, 1));
}

/* Large weights lie in panels: all that 32 channels of the result want of them, then of the next 32. Rows that are a power
 * of two apart would lie in few sets of the caches.
 *
 *     %w : [3,3,512,512]    =>    %0 = reshape %w, shape = [3,3,512,16,32]
 *                                 %1 = transpose %0, perm = [3,0,1,2,4]
 *                                 %2 = relayout %1       (and back, which nobody stores)
 */
static bool pack(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct value *w = operand(n, 1);
    struct type t = w->type, split = t;
    int last = t.rank - 1;
    int64_t there[MAX_RANK], back[MAX_RANK];

    if (!conv_goes_in_panels(n))
        return false;
    split.rank++;
    split.dim[last] = dim_of(t.dim[last].k / CONV_PANEL);
    split.dim[last + 1] = dim_of(CONV_PANEL);
    for (int i = 0; i < split.rank; i++) {
        there[i] = i == 0 ? last : i <= last ? i - 1 : i;
        back[i] = i < last ? i + 1 : i == last ? 0 : i;
    }
    if (w->def && w->def->op == OP_relayout)
        w = operand(w->def, 0);
    w = relayout(&b, build_transpose(&b, build_reshape(&b, w, split.dim, split.rank), there));
    node_set_operand(n, 1, build_reshape(&b, build_transpose(&b, w, back), t.dim, t.rank));
    return true;
}

static bool widen_node(struct node *n)
{
    if (n->op == OP_winograd || n->op == OP_winograd_dw)
        return widen_last(n) || pack(n);
    if (layout_channels_last(n))
        return (n->op == OP_conv || n->op == OP_conv_dx || n->op == OP_conv_dw) && !is_depthwise(n) &&
               (sum_in_lanes(n) || widen_last(n) || pack(n));
    switch (n->op) {
    case OP_conv: return widen_conv(n);
    case OP_conv_dw: return widen_conv_dw(n);
    default: return false;
    }
}

static bool widen_graph(struct graph *g)
{
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->bodies; i++)
            changed |= widen_graph(n->body[i]);
        changed |= widen_node(n);
    }
    return changed;
}

/* ---- the pass ---- */

static bool choose_node(struct node *n)
{
    if (layout_channels_last(n) && n->op == OP_conv_dx)
        return choose_last_dx(n);
    switch (n->op) {
    case OP_matmul: return choose_matmul(n);
    case OP_sparse_matmul: return choose_sparse(n, 1);
    case OP_dots: return choose_sparse(n, 2);
    case OP_conv:
    case OP_conv_dw: return pad_outside(n);
    case OP_conv_dx: return choose_conv_dx(n);
    default: return false;
    }
}

static bool choose_graph(struct graph *g)
{
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->bodies; i++)
            changed |= choose_graph(n->body[i]);
        changed |= choose_node(n);
    }
    return changed;
}

bool pass_choose(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    for (int i = 0; i < GRAPH_KINDS; i++) {
        if (!m->graph[i])
            continue;
        changed |= choose_graph(m->graph[i]);
        changed |= widen_graph(m->graph[i]);
    }
    return changed;
}
