/* passes/layout.c: convolutions with their channels last (ir/layout.h), so that what runs along neighbouring elements
 * are the channels of their results. Transposes go in front of a convolution and behind it, and those behind wander down
 * through whatever works element by element, or on axes, until they meet the next one's, and both go.
 *
 *     %1 = conv %x, @w                    %a = transpose %x, perm = [0,2,3,1]      (and relayout)
 *     %2 = max %1, %0                     %b = transpose @w, perm = [2,3,1,0]
 *     %y = conv %2, @v              =>    %1 = conv %a, %b, channels_last = true
 *                                         %2 = max %1, %0
 *                                         %3 = conv %2, %c, channels_last = true
 *                                         %y = transpose %3, perm = [0,3,1,2]
 *
 * In inference and evaluation, where weights are turned once, a product takes all elements of an image as they lie:
 *
 *     %1 = transpose %x, perm = [0,3,1,2]             %1 = reshape %x, shape = [N,512]
 *     %2 = reshape %1, shape = [N,512]          =>    %2 = @w's rows [32,4,4] as [4,4,32]
 *     %3 = matmul %2, @w                              %3 = matmul %1, %2
 *
 * Where all windows of a graph are of one element they are products as they stand:
 *
 *     %1 = conv %x, @w              =>    %a = reshape @w              [outputs, channels]
 *                                         %b = reshape %x              [N, channels, pixels]
 *                                         %1 = reshape (matmul %a, %b)
 */
#include <string.h>

#include "ir/build.h"
#include "ir/layout.h"
#include "passes/shared.h"

enum { MIN_CHANNELS = 8, POOLED = 16 }; /* fewer do not fill a vector; so many pay for turning an image to pool it */

/* ---- tensors in the one order and the other ---- */

/* The perm of the transpose that gives an image in the usual order. */
static void image_perm(int rank, int64_t *perm)
{
    layout_perm(OP_conv, false, 0, rank, perm);
}

static void inverse(const int64_t *perm, int rank, int64_t *back)
{
    for (int i = 0; i < rank; i++)
        back[perm[i]] = i;
}

static struct value *in_usual_order(struct build *b, struct value *last)
{
    int64_t perm[MAX_RANK];

    image_perm(last->type.rank, perm);
    return build_transpose(b, last, perm);
}

/* The tensor with its channels last that v is the transpose of, or NULL. */
static struct value *behind(const struct value *v)
{
    int64_t perm[MAX_RANK];
    int rank = v->type.rank;

    if (!v->def || v->def->op != OP_transpose || rank < 3 || rank > 5)
        return NULL;
    image_perm(rank, perm);
    const int64_t *has = attr_ints(v->def, "perm", NULL);
    return memcmp(has, perm, (size_t)rank * sizeof *perm) ? NULL : operand(v->def, 0);
}

static struct value *channels_last(struct build *b, struct value *v);

/* What is spread over an image is turned before, while it is small. */
static struct value *broadcast_last(struct build *b, const struct value *v)
{
    struct value *x = operand(v->def, 0);
    int rank = v->type.rank, extra = rank - x->type.rank;
    struct dim wide[MAX_RANK];
    int64_t perm[MAX_RANK];

    for (int i = 0; i < rank; i++)
        wide[i] = i < extra ? dim_of(1) : x->type.dim[i - extra];
    if (extra)
        x = build_reshape(b, x, wide, rank);
    image_perm(rank, perm);
    return build_broadcast(b, channels_last(b, x), layout_last(v->type, perm).dim, rank);
}

static struct value *channels_last(struct build *b, struct value *v)
{
    int64_t perm[MAX_RANK], back[MAX_RANK];

    if (behind(v))
        return behind(v);
    if (v->def && v->def->op == OP_broadcast)
        return broadcast_last(b, v);
    image_perm(v->type.rank, perm);
    inverse(perm, v->type.rank, back);
    return build_transpose(b, v, back);
}

/* ---- convolutions and pools ---- */

static bool is_pool(enum op op)
{
    return op == OP_maxpool || op == OP_maxpool_dx || op == OP_avgpool || op == OP_avgpool_dx;
}

/* Channels of the forward convolution's result, and whether each has one input channel of its own. */
static bool is_worth_it(const struct node *n)
{
    if (is_pool(n->op))
        return behind(operand(n, 0)) || (n->operands > 1 && behind(operand(n, 1))) ||
               (operand(n, 0)->type.rank >= 4 && operand(n, 0)->type.dim[1].k >= POOLED &&
                !operand(n, 0)->type.dim[1].n);
    const struct value *x = n->op == OP_conv_dx ? n->result[0] : operand(n, 0);
    const struct value *y = n->op == OP_conv ? n->result[0] : operand(n, n->op == OP_conv_dx ? 0 : 1);
    int64_t groups = attr_int(n, "groups"), outputs = y->type.dim[1].k;
    bool depthwise = groups == outputs && groups == x->type.dim[1].k;
    return outputs >= MIN_CHANNELS && (groups == 1 || depthwise);
}

/* What a nest runs along has to lie so. */
static struct value *stored(struct build *b, struct value *v)
{
    return v->def && op_is_index(v->def->op) ? build_unary(b, OP_relayout, v) : v;
}

static struct value *turned_operand(struct build *b, const struct node *n, int i)
{
    struct value *v = operand(n, i);
    int64_t perm[MAX_RANK], image[MAX_RANK], back[MAX_RANK];
    int rank = v->type.rank;

    layout_perm(n->op, false, i, rank, perm);
    image_perm(rank, image);
    if (!memcmp(perm, image, (size_t)rank * sizeof *perm))
        return stored(b, channels_last(b, v));
    inverse(perm, rank, back);
    return stored(b, build_transpose(b, v, back));
}

static int attributes_with(const struct node *n, struct attr changed, struct attr *attrs)
{
    for (int i = 0; i < n->attrs; i++)
        attrs[i] = strcmp(n->attr[i].name, changed.name) ? n->attr[i] : changed;
    return n->attrs;
}

/* All results of n give way to those of `last`, transposed. */
static bool replace_results(struct build *b, struct node *n, struct node *last)
{
    if (!last)
        bug("%s cannot have its channels last", op_info(n->op)->name);
    for (int i = 0; i < n->results; i++) {
        int64_t perm[MAX_RANK];
        layout_perm(n->op, true, i, n->result[i]->type.rank, perm);
        struct value *with = build_transpose(b, last->result[i], perm);
        with->name = n->result[i]->name;
        value_replace(n->result[i], with);
    }
    node_remove(n);
    return true;
}

static bool turn_window(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct attr attrs[MAX_ATTRS];
    struct value *x[2] = { NULL, NULL };

    if (attr_bool(n, "channels_last") || !is_worth_it(n))
        return false;
    for (int i = 0; i < n->operands; i++)
        x[i] = turned_operand(&b, n, i);
    int count = attributes_with(n, at_bool("channels_last", true), attrs);
    return replace_results(&b, n, build_node(&b, n->op, x, n->operands, attrs, count));
}

/* ---- convolutions that are products ---- */

static bool all_are(const struct node *n, const char *name, int64_t x)
{
    int count;
    const int64_t *list = attr_ints(n, name, &count);

    for (int i = 0; i < count; i++) {
        if (list[i] != x)
            return false;
    }
    return true;
}

/* Every pixel by itself: a window of one element. */
static bool is_pointwise(const struct node *n)
{
    if (n->op != OP_conv && n->op != OP_conv_dx && n->op != OP_conv_dw)
        return false;
    struct type w = n->op == OP_conv_dw ? n->result[0]->type : operand(n, 1)->type;
    for (int i = 2; i < w.rank; i++) {
        if (!dim_is_one(w.dim[i]))
            return false;
    }
    return all_are(n, "stride", 1) && all_are(n, "pad", 0) && attr_int(n, "groups") == 1;
}

/* Where no window of a graph sees a neighbour, nothing asks for channels last, and no image need be turned. */
static bool is_all_pointwise(const struct graph *g)
{
    bool any = false;

    for (const struct node *n = g->first; n; n = n->next) {
        if (!layout_known(n->op))
            continue;
        if (!is_pointwise(n))
            return false;
        any = true;
    }
    return any;
}

/* [samples, channels, pixels], or, of weights, [outputs, channels] */
static struct value *as_matrices(struct build *b, struct value *v, int rank)
{
    struct dim shape[3] = { v->type.dim[0], v->type.dim[1], dim_of(1) };

    for (int i = 2; i < v->type.rank; i++)
        shape[2].k *= v->type.dim[i].k;
    return build_reshape(b, v, shape, rank);
}

/*     y[n] = w x[n]        dx[n] = w' dy[n]        dw = sum over n of dy[n] x[n]'        */
static bool multiply(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct type t = n->result[0]->type;
    bool gradient = n->op == OP_conv_dw;
    struct value *x = as_matrices(&b, operand(n, 0), 3), *y = as_matrices(&b, operand(n, 1), gradient ? 3 : 2);
    struct value *with =
        gradient ? build_matmul(&b, y, x, false, true) : build_matmul(&b, y, x, n->op == OP_conv_dx, false);

    if (gradient)
        with = build_reduce(&b, OP_sum, with, (int64_t[]){ 0 }, 1, false);
    with = build_reshape(&b, with, t.dim, t.rank);
    with->name = n->result[0]->name;
    value_replace(n->result[0], with);
    node_remove(n);
    return true;
}

/* ---- what lets a transpose through ---- */

/* n again over operands with their channels last and this attribute, transposed back. */
static bool turn_along(struct node *n, const struct attr *changed)
{
    struct build b = build_at(n->graph, n);
    struct attr attrs[MAX_ATTRS];
    struct value **x = NEW_ARRAY(n->graph->module->arena, n->operands, struct value *);

    for (int i = 0; i < n->operands; i++)
        x[i] = channels_last(&b, operand(n, i));
    int count = attributes_with(n, changed ? *changed : (struct attr){ .name = "" }, attrs);
    struct node *last = build_node(&b, n->op, x, n->operands, attrs, count);
    for (int i = 0; last && i < n->results; i++) {
        struct value *with = in_usual_order(&b, last->result[i]);
        with->name = n->result[i]->name;
        value_replace(n->result[i], with);
    }
    if (!last)
        bug("%s cannot have its channels last", op_info(n->op)->name);
    node_remove(n);
    return true;
}

static bool turn_axis(struct node *n)
{
    int64_t perm[MAX_RANK];

    image_perm(n->result[0]->type.rank, perm);
    const struct attr axis = at_int("axis", perm[attr_int(n, "axis")]);
    return turn_along(n, &axis);
}

static bool turn_pad(struct node *n)
{
    int64_t perm[MAX_RANK], pairs[2 * MAX_RANK];
    int count;
    const int64_t *has = attr_ints(n, "pairs", &count);

    image_perm(count / 2, perm);
    for (int i = 0; i < count; i++)
        pairs[2 * perm[i / 2] + i % 2] = has[i];
    const struct attr turned = at_ints("pairs", pairs, count);
    return turn_along(n, &turned);
}

static bool turn_broadcast(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct value *v = n->result[0];

    if (operand(n, 0)->type.rank != v->type.rank)
        return false;
    struct value *with = in_usual_order(&b, broadcast_last(&b, v));
    with->name = v->name;
    value_replace(v, with);
    node_remove(n);
    return true;
}

/* Axes that stay keep their order among each other, but for the channels. perm: of the transpose behind the reduction. */
static int kept_axes(const struct node *n, const bool *gone, int64_t *perm)
{
    int rank = operand(n, 0)->type.rank, kept = 0;
    int64_t image[MAX_RANK];

    image_perm(rank, image);
    for (int i = 0; i < rank; i++) {
        int before = 0;
        if (gone[i])
            continue;
        for (int k = 0; k < rank; k++)
            before += !gone[k] && image[k] < image[i];
        perm[kept++] = before;
    }
    return kept;
}

static bool turn_reduction(struct node *n)
{
    struct build b = build_at(n->graph, n);
    struct attr attrs[MAX_ATTRS];
    int64_t image[MAX_RANK], axes[MAX_RANK], perm[MAX_RANK];
    bool gone[MAX_RANK] = { false }, last_gone[MAX_RANK] = { false };
    int rank = operand(n, 0)->type.rank, count, at = 0;
    const int64_t *has = attr_ints(n, "axes", &count);

    image_perm(rank, image);
    for (int i = 0; i < count; i++)
        gone[has[i]] = last_gone[image[has[i]]] = true;
    for (int i = 0; i < rank; i++) {
        if (last_gone[i])
            axes[at++] = i;
    }
    struct value *x = channels_last(&b, operand(n, 0));
    int attributes = attributes_with(n, at_ints("axes", axes, count), attrs);
    struct node *last = build_node(&b, n->op, &x, 1, attrs, attributes);
    int kept = kept_axes(n, gone, perm);
    for (int i = 0; i < n->results; i++) {
        struct value *y = last->result[i];
        y = attr_bool(n, "keepdims") ? in_usual_order(&b, y) : kept ? build_transpose(&b, y, perm) : y;
        y->name = n->result[i]->name;
        value_replace(n->result[i], y);
    }
    node_remove(n);
    return true;
}

/* ---- products of whole images ---- */

static bool from_parameters(const struct value *v)
{
    if (v->var)
        return v->var->role == ROLE_PARAM || v->var->role == ROLE_FROZEN || v->var->role == ROLE_STATE;
    if (!v->def || v->def->bodies || op_is(v->def->op, RANDOM | EFFECT))
        return false;
    for (int i = 0; i < v->def->operands; i++) {
        if (!from_parameters(operand(v->def, i)))
            return false;
    }
    return true;
}

/* Whether every reader of v multiplies its rows by weights. */
static bool is_multiplied(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->user;
        if (n->op != OP_matmul || u->index || n->graph != v->graph || operand(n, 1) == v || attr_bool(n, "ta") ||
            operand(n, 1)->type.rank != 2 || !from_parameters(operand(n, 1)))
            return false;
    }
    return v->uses != NULL;
}

/* Weights whose axis of all elements is in the order [channels, rows, ...] as weights in the order [rows, ..., channels]. */
static struct value *turn_weights(struct build *b, struct value *w, int axis, struct type image)
{
    int rank = image.rank - 1;
    struct dim shape[MAX_RANK], flat[] = { w->type.dim[0], w->type.dim[1] };
    int64_t perm[MAX_RANK];

    for (int i = 0; i <= rank; i++) {
        bool other = axis ? !i : i == rank;
        int element = i - axis; /* of the image's axes behind the samples */
        shape[i] = other ? w->type.dim[1 - axis] : image.dim[1 + element];
        perm[i] = other ? i : axis + (element + 1) % rank;
    }
    return build_reshape(b, build_transpose(b, build_reshape(b, w, shape, rank + 1), perm), flat, 2);
}

static bool turn_flatten(struct node *n)
{
    struct value *v = n->result[0], *x = operand(n, 0);
    struct type t = v->type, image = x->type;

    if (t.rank != 2 || !dim_equal(t.dim[0], image.dim[0]) || image.rank == MAX_RANK || !is_multiplied(v))
        return false;
    struct build b = build_at(n->graph, n);
    struct value *rows = build_reshape(&b, behind(x), t.dim, t.rank);
    while (v->uses) {
        struct node *product = v->uses->user;
        struct build at = build_at(n->graph, product);
        node_set_operand(product, 1, turn_weights(&at, operand(product, 1), attr_bool(product, "tb"), image));
        node_set_operand(product, 0, rows);
    }
    rows->name = v->name;
    node_remove(n);
    return true;
}

static bool meets_transpose(const struct node *n)
{
    for (int i = 0; i < n->operands; i++) {
        if (behind(operand(n, i)))
            return true;
    }
    return false;
}

static bool turn_node(struct node *n)
{
    if (layout_known(n->op))
        return turn_window(n);
    if (!meets_transpose(n))
        return false;
    switch (n->op) {
    case OP_sum:
    case OP_reduce_max:
    case OP_reduce_min:
    case OP_prod:
    case OP_moments: return turn_reduction(n);
    case OP_broadcast: return turn_broadcast(n);
    case OP_slice:
    case OP_reverse:
    case OP_dilate:
    case OP_concat: return turn_axis(n);
    case OP_pad: return turn_pad(n);
    case OP_reshape: return (n->graph->kind == GRAPH_INFER || n->graph->kind == GRAPH_EVAL) && turn_flatten(n);
    case OP_relayout:
    case OP_one_hot: return false;
    default: return op_is_map(n->op) && n->result[0]->type.rank >= 3 && turn_along(n, NULL);
    }
}

bool pass_layout(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    for (int k = 0; k < GRAPH_KINDS; k++) {
        struct graph *g = m->graph[k];
        bool pointwise = g && is_all_pointwise(g);
        for (struct node *n = g ? g->first : NULL, *next; n; n = next) {
            next = n->next;
            changed |= pointwise ? is_pointwise(n) && multiply(n) : turn_node(n);
        }
    }
    return changed;
}
