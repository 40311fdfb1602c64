/* passes/fold_affine.c: what inference multiplies and adds a channel goes into the weights and the bias of the linear
 * operation before it, or of the one behind it.
 *
 *     %1 = conv %x, @w                              %w = mul @w, scale of each output channel
 *     %2 = add %1, bias                             %1 = conv %x, %w
 *     %3 = sub %2, mean                     =>      %2 = add %1, (bias - mean) * scale + shift
 *     %4 = mul %3, scale
 *     %5 = add %4, shift
 *
 * So inference loses its BatchNorms; no rule names them. It holds for convolutions, their data gradients (transposed
 * convolutions), and products with a matrix, with all that parameters and states alone decide, in graphs infer and eval:
 * hoist prepares the new weights. Where nothing lies outside the image that a convolution reads, or is a zero there, the
 * same goes for what stands before it: a scale always, a shift only where no border of zeros is read as well. */
#include "passes/shared.h"

#include "ir/build.h"

struct folder {
    struct graph *g;
    struct build b;
    struct node *linear;
};

/* value = scale * (what came before) + shift, a vector over channels each; NULL: 1, and 0. */
struct affine {
    struct value *scale, *shift;
    int64_t channels;
    int axis, steps; /* how many channels, along which axis of the value, and how many steps led here */
    bool scales;     /* or only adds */
};

/* ---- what parameters decide ---- */

static bool is_settled(const struct value *v)
{
    if (v->def)
        return v->def->id;
    return v->var && (v->var->role == ROLE_PARAM || v->var->role == ROLE_FROZEN || v->var->role == ROLE_STATE);
}

/* Leaves in node->id whether all that n reads are parameters, states and constants. */
static void find_settled(struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next) {
        n->id = !op_is(n->op, RANDOM | EFFECT) && !n->bodies;
        for (int i = 0; i < n->operands; i++)
            n->id = n->id && is_settled(operand(n, i));
        for (int i = 0; i < n->results; i++)
            n->id = n->id && !shape_batches(n->result[i]->type);
    }
}

/* What is made here is settled too. */
static struct value *settled(struct value *v)
{
    for (struct node *n = v->def; n && !n->id; n = n->operands ? operand(n, 0)->def : NULL)
        n->id = 1;
    return v;
}

/* v, spread over a tensor, as a vector over the channels of its axis; NULL where it varies along others or is not settled. */
static struct value *as_vector(struct folder *f, struct value *v, const struct affine *a)
{
    struct node *n = v->def;
    struct dim channels = dim_of(a->channels);

    if (!n || n->op != OP_broadcast || !is_settled(operand(n, 0)))
        return NULL;
    struct value *x = operand(n, 0);
    int extra = v->type.rank - x->type.rank;
    for (int i = 0; i < x->type.rank; i++)
        if (!dim_is_one(x->type.dim[i]) && i + extra != a->axis)
            return NULL;
    if (type_count(x->type, 1) == a->channels)
        return settled(build_reshape(&f->b, x, &channels, 1));
    return settled(build_broadcast(&f->b, build_reshape(&f->b, x, NULL, 0), &channels, 1));
}

static struct value *combine(struct folder *f, enum op op, struct value *x, struct value *y)
{
    return settled(build_binary(&f->b, op, x, y));
}

/* ---- chains of steps ---- */

/* Applies n, which reads the affine value as operand `which`. False where it is no step. */
static bool apply(struct folder *f, struct affine *a, struct node *n, int which)
{
    if (n->op == OP_neg) {
        a->scale = a->scale ? settled(build_unary(&f->b, OP_neg, a->scale)) : NULL;
        a->shift = a->shift ? settled(build_unary(&f->b, OP_neg, a->shift)) : NULL;
        return a->scale != NULL;
    }
    bool scales = n->op == OP_mul || (n->op == OP_div && !which);
    if (!scales && n->op != OP_add && (n->op != OP_sub || which))
        return false;
    struct value *by = as_vector(f, operand(n, 1 - which), a);
    if (!by)
        return false;
    if (scales) {
        struct value *one = a->scale ? a->scale : settled(build_full(&f->b, 1, by->type));
        a->scale = combine(f, n->op, one, by);
        a->shift = a->shift ? combine(f, n->op, a->shift, by) : NULL;
        a->scales = true;
    } else {
        a->shift = a->shift          ? combine(f, n->op, a->shift, by)
                   : n->op == OP_sub ? settled(build_unary(&f->b, OP_neg, by))
                                     : by;
    }
    a->steps++;
    return true;
}

static struct use *only_use(const struct value *v)
{
    return v->uses && !v->uses->next && v->uses->user->graph == v->graph ? v->uses : NULL;
}

/* The last value of the steps behind v. */
static struct value *steps_behind(struct folder *f, struct value *v, struct affine *a)
{
    for (struct use *u; (u = only_use(v)) && u->user->results == 1; v = u->user->result[0]) {
        f->b = build_at(f->g, u->user);
        if (!apply(f, a, u->user, u->index))
            break;
    }
    return v;
}

/* ---- weights ---- */

/* How the channels that a linear operation gives, or reads, lie in its weights: as `groups` runs of axis `axis`, one for each
 * index of axis 0 that begins a group. */
struct channels {
    int operand; /* which is the weight */
    int axis;
    int64_t groups; /* above 1 where they lie in two axes */
};

/* Scales w along its channels: [o, c, ...] with groups is seen as [groups, o / groups, c, ...]. */
static struct value *scaled(struct folder *f, struct value *w, const struct channels *c, struct value *scale)
{
    struct dim wide[MAX_RANK + 1], thin[MAX_RANK + 1];
    struct type t = w->type;
    bool split = c->groups > 1 && c->axis == 1;
    int rank = 0, at = c->axis + split;

    if (split) {
        wide[rank++] = dim_of(c->groups);
        wide[rank++] = dim_of(t.dim[0].k / c->groups);
    } else {
        wide[rank++] = t.dim[0];
    }
    for (int i = 1; i < t.rank; i++)
        wide[rank++] = t.dim[i];
    for (int i = 0; i < rank; i++)
        thin[i] = i == at || (split && i == 0) ? wide[i] : dim_of(1);
    struct value *seen = build_reshape(&f->b, w, wide, rank), *by = build_reshape(&f->b, scale, thin, rank);
    return settled(build_reshape(&f->b, build_binary(&f->b, OP_mul, seen, by), t.dim, t.rank));
}

/* The channels of n's result: their number, and where they lie in the weights. */
static bool result_channels(const struct node *n, struct affine *a, struct channels *c)
{
    const struct type t = n->result[0]->type;

    switch (n->op) {
    case OP_conv: *c = (struct channels){ 1, 0, 1 }; break;
    case OP_conv_dx: *c = (struct channels){ 1, 1, attr_int(n, "groups") }; break;
    default: *c = (struct channels){ 1, attr_bool(n, "tb") ? 0 : 1, 1 }; break;
    }
    a->axis = n->op == OP_matmul ? t.rank - 1 : 1;
    a->channels = t.dim[a->axis].k;
    return is_settled(operand(n, 1)) && !t.dim[a->axis].n && (n->op != OP_matmul || operand(n, 1)->type.rank == 2) &&
           (n->op == OP_matmul || !attr_bool(n, "channels_last"));
}

/* The channels of the operand that n reads. */
static bool operand_channels(const struct node *n, struct affine *a, struct channels *c)
{
    const struct type t = operand(n, 0)->type;

    switch (n->op) {
    case OP_conv: *c = (struct channels){ 1, 1, attr_int(n, "groups") }; break;
    case OP_conv_dx: *c = (struct channels){ 1, 0, 1 }; break;
    default: *c = (struct channels){ 1, attr_bool(n, "tb") ? 1 : 0, 1 }; break;
    }
    a->axis = n->op == OP_matmul ? t.rank - 1 : 1;
    a->channels = t.dim[a->axis].k;
    return is_settled(operand(n, 1)) && !t.dim[a->axis].n &&
           (n->op != OP_matmul || (operand(n, 1)->type.rank == 2 && !attr_bool(n, "ta"))) &&
           (n->op == OP_matmul || !attr_bool(n, "channels_last"));
}

/* ---- behind a linear operation ---- */

static struct value *along_axis(struct folder *f, struct value *vector, const struct affine *a, struct type t)
{
    struct dim thin[MAX_RANK];

    for (int i = 0; i < t.rank; i++)
        thin[i] = i == a->axis ? dim_of(a->channels) : dim_of(1);
    return build_broadcast(&f->b, settled(build_reshape(&f->b, vector, thin, t.rank)), t.dim, t.rank);
}

static bool is_linear(const struct node *n)
{
    return n->op == OP_conv || n->op == OP_conv_dx || n->op == OP_matmul;
}

static bool fold_behind(struct folder *f)
{
    struct node *n = f->linear;
    struct affine a = { NULL, NULL, 0, 0, 0, false };
    struct channels c;

    if (!result_channels(n, &a, &c))
        return false;
    struct value *v = n->result[0], *end = steps_behind(f, v, &a);
    if (!a.scales)
        return false;
    struct node *last = end->def;
    f->b = build_at(f->g, last);
    struct value *x[2] = { operand(n, 0), scaled(f, operand(n, 1), &c, a.scale) };
    struct value *y = build_node(&f->b, n->op, x, 2, n->attr, n->attrs)->result[0];
    y = a.shift ? build_binary(&f->b, OP_add, y, along_axis(f, a.shift, &a, y->type)) : y;
    y->name = end->name;
    value_replace(end, y);
    return true;
}

/* ---- before a linear operation ---- */

static bool reads_border(const struct node *n)
{
    int count;
    const int64_t *pad = n->op == OP_conv ? attr_ints(n, "pad", &count) : NULL;

    for (int i = 0; pad && i < count; i++)
        if (pad[i])
            return true;
    return n->op == OP_conv_dx; /* its borders read fewer elements */
}

/* The value that the steps before v start from; steps are applied in their order. */
static struct value *steps_before(struct folder *f, struct value *v, struct affine *a)
{
    struct node *step[8];
    int which[8], count = 0;

    while (count < 8 && only_use(v) && v->def && v->def->results == 1 && v->def->operands == 2) {
        struct node *n = v->def;
        int i = n->op == OP_add || n->op == OP_mul ? is_settled(operand(n, 0)) : 0;
        if (is_settled(operand(n, i)) || (n->op != OP_add && n->op != OP_mul && n->op != OP_sub && n->op != OP_div) ||
            !as_vector(f, operand(n, 1 - i), a))
            break;
        step[count] = n;
        which[count++] = i;
        v = operand(n, i);
    }
    while (count-- > 0)
        if (!apply(f, a, step[count], which[count]))
            bug("a step of an affine chain is none");
    return v;
}

/* What a shift of the operand adds to each channel of the result. */
static struct value *shifted_result(struct folder *f, struct value *w, const struct channels *c, const struct affine *a)
{
    struct value *product = scaled(f, w, c, a->shift);
    int64_t axes[MAX_RANK];
    int count = 0, kept = f->linear->op == OP_matmul ? 1 - c->axis : 0;

    for (int i = 0; i < product->type.rank; i++)
        if (i != kept)
            axes[count++] = i;
    return settled(build_reduce(&f->b, OP_sum, product, axes, count, false));
}

static bool fold_before(struct folder *f)
{
    struct node *n = f->linear;
    struct affine a = { NULL, NULL, 0, 0, 0, false }, out;
    struct channels c, unused;

    if (!operand_channels(n, &a, &c) || !result_channels(n, &out, &unused))
        return false;
    f->b = build_at(f->g, n);
    struct value *from = steps_before(f, operand(n, 0), &a);
    if (!a.scales || (a.shift && reads_border(n)))
        return false;
    struct value *w = operand(n, 1), *x[2] = { from, scaled(f, w, &c, a.scale) };
    struct value *y = build_node(&f->b, n->op, x, 2, n->attr, n->attrs)->result[0];
    if (a.shift)
        y = build_binary(&f->b, OP_add, y, along_axis(f, shifted_result(f, w, &c, &a), &out, y->type));
    y->name = n->result[0]->name;
    value_replace(n->result[0], y);
    return true;
}

static bool fold(struct graph *g)
{
    bool changed = false;

    find_settled(g);
    for (struct node *n = g->first, *next; n; n = next) {
        struct folder f = { .g = g, .linear = n };
        next = n->next;
        changed |= is_linear(n) && fold_before(&f);
    }
    dce_graph(g);
    find_settled(g);
    for (struct node *n = g->first, *next; n; n = next) {
        struct folder f = { .g = g, .linear = n };
        next = n->next;
        changed |= is_linear(n) && fold_behind(&f);
    }
    dce_graph(g);
    return changed;
}

bool pass_fold_affine(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    if (m->graph[GRAPH_EVAL])
        changed |= fold(m->graph[GRAPH_EVAL]);
    if (m->graph[GRAPH_INFER])
        changed |= fold(m->graph[GRAPH_INFER]);
    return changed;
}
