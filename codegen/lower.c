/* codegen/lower.c: one group becomes one kernel. Here: its arguments, loops over a shape, the epilogue, and which
 * generator its anchor asks for. */
#include <string.h>

#include "codegen/lower.h"
#include "ir/loop_index.h"

/* ---- arguments ---- */

static const char *value_name(const struct value *v, const char *otherwise)
{
    const char *s = v->var    ? v->var->name
                    : v->name ? v->name
                              : otherwise,
               *dot = strrchr(s, '.'), *slash = strrchr(s, '/');
    const char *last = dot && (!slash || dot > slash) ? dot : slash;
    return last && last[1] ? last + 1 : s;
}

/* All of it as one dimension. */
static struct type flattened(struct type t)
{
    struct dim all = dim_of(1);
    for (int i = 0; i < t.rank; i++)
        all = (struct dim){ all.k * t.dim[i].k, all.n || t.dim[i].n };
    struct type flat = type_scalar(t.dtype);
    if (t.rank)
        flat.dim[flat.rank++] = all;
    return flat;
}

static struct lbuf *argument(struct lower *l, struct value *v, const char *otherwise)
{
    return lbuf_argument(l->k, value_name(v, otherwise), l->flat ? flattened(v->type) : v->type, v);
}

static void add_bytes(struct lower *l, struct type t)
{
    double size = t.dtype == DT_REAL ? (l->k->f64 ? 8 : 4) : t.dtype == DT_I32 ? 4 : 1;
    l->k->bytes += size * (double)type_count(t, l->k->batch);
}

struct lbuf *result_buffer(struct lower *l, struct value *v)
{
    for (int i = 0; i < l->body->yields; i++) {
        if (l->body->yield[i] != v)
            continue;
        struct value *outside = l->group->result[i];
        for (struct lbuf *b = l->k->buffers; b; b = b->next)
            if (b->value == outside)
                return b;
        add_bytes(l, outside->type);
        return argument(l, outside, "y");
    }
    return NULL;
}

/* ---- loops and stores ---- */

struct lblock *open_loops(struct lower *l, struct lblock *b, struct type t, int from, int to, struct lx **at)
{
    static const char *const names[] = { "i", "j", "k", "m", "p", "q", "r", "s" };
    for (int i = from; i < to; i++) {
        struct ls *loop = ls_loop(l->k, b, names[i], lx_int(l->k, 0), lx_dim(l->k, t.dim[i]), 1, LICENCE_PAR);
        at[i] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    return b;
}

static void store_effect(struct lower *l, struct lblock *b, struct node *n, struct lx *const *at)
{
    struct lbuf *to = l->param[operand(n, 0)->index];
    struct lx *v = body_at(l, operand(n, 1), at);
    if (n->op == OP_accumulate)
        v = element(l, OP_add, to->dtype, lx_load(l->k, to, at), v);
    ls_store(l->k, b, to, at, v);
}

void finish(struct lower *l, struct lblock *b, struct lx *const *at)
{
    for (int i = 0; i < l->body->yields; i++) {
        struct value *v = l->body->yield[i];
        ls_store(l->k, b, result_buffer(l, v), at, body_at(l, v, at));
    }
    for (struct node *n = l->body->first; n; n = n->next)
        if (n->op == OP_assign || n->op == OP_accumulate)
            store_effect(l, b, n, at);
}

/* ---- maps ---- */

/* The shape the group's last operation has. */
static struct type root_type(const struct lower *l)
{
    if (l->body->yields)
        return l->body->yield[0]->type;
    for (const struct node *n = l->body->last; n; n = n->previous)
        if (n->op == OP_assign || n->op == OP_accumulate)
            return operand(n, 0)->type;
    bug("a group without result or effect");
}

static bool flat_node(const struct node *n, struct type t)
{
    if (n->op == OP_assign || n->op == OP_accumulate)
        return true;
    if (n->op == OP_broadcast)
        return !operand(n, 0)->type.rank;
    bool map = op_is_map(n->op) || op_is(n->op, RANDOM) || !strcmp(op_info(n->op)->lowering, "scalar");
    return map && n->op != OP_iota && n->op != OP_one_hot &&
           (!n->result[0]->type.rank || shape_equal(n->result[0]->type, t));
}

/* Whether coordinates do not matter: every tensor has the root's shape or is a scalar. */
static bool is_flat(const struct lower *l, struct type t)
{
    if (t.rank < 2 || shape_batches(t) > 1)
        return false;
    for (const struct node *n = l->body->first; n; n = n->next)
        if (!flat_node(n, t))
            return false;
    for (int i = 0; i < l->body->params; i++)
        if (l->body->param[i]->type.rank && !shape_equal(l->body->param[i]->type, t))
            return false;
    return true;
}

enum { BLOCK = 16 };

/* The loop variable that moves to the next element of what is read, or -1: none, or several things are read. */
static int reads_along(struct lower *l, const struct lx *x, struct lx *const *at, int rank)
{
    struct lsum s;
    int found = -1;

    if (x->kind == LX_LOAD) {
        if (!lsum_of(&s, lx_flat(l->k, x->buf, x->arg)))
            return -1;
        for (int i = 0; i < s.terms; i++) {
            for (int k = 0; k < rank; k++)
                found = s.term[i].atom == at[k] && s.term[i].factor == 1 ? k : found;
        }
        return found;
    }
    for (int i = 0; i < x->args; i++) {
        int axis = x->arg[i]->dtype == DT_REAL ? reads_along(l, x->arg[i], at, rank) : -1;
        found = axis >= 0 ? axis : found;
    }
    return found;
}

/* for v in from..imin(from + BLOCK, end) */
static struct lblock *open_block(struct lower *l, struct lblock *b, const char *name, struct lx *from, struct dim d,
                                 struct lx **at)
{
    struct lx *end = lx_index(l->k, LX_IMIN, lx_index(l->k, LX_IADD, from, lx_int(l->k, BLOCK)), lx_dim(l->k, d));
    struct ls *loop = ls_loop(l->k, b, name, from, end, 1, LICENCE_PAR);

    *at = lx_var(l->k, loop->var);
    return &loop->body;
}

/* What lies along another axis than the last is copied in squares, whose rows and columns stay in the cache. */
static void copy_in_squares(struct lower *l, struct type t, int axis)
{
    struct lx *at[MAX_RANK], *from[2];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, axis, at);
    struct dim size[2] = { t.dim[axis], t.dim[t.rank - 1] };

    for (int i = 0; i < 2; i++) {
        struct ls *loop =
            ls_loop(l->k, b, i ? "j_0" : "i_0", lx_int(l->k, 0), lx_dim(l->k, size[i]), BLOCK, LICENCE_PAR);
        from[i] = lx_var(l->k, loop->var);
        b = &loop->body;
        if (!i)
            b = open_loops(l, b, t, axis + 1, t.rank - 1, at);
    }
    b = open_block(l, b, "i", from[0], size[0], &at[axis]);
    b = open_block(l, b, "j", from[1], size[1], &at[t.rank - 1]);
    finish(l, b, at);
}

/* The axis that a group which only copies reads along, where it is not the last. */
static int turned_axis(struct lower *l, struct type t)
{
    const struct node *root = l->body->last;
    struct lx *at[MAX_RANK];
    struct lblock nowhere = { NULL, NULL };
    int axis;

    if (!l->level || l->flat || t.rank < 2 || root->op != OP_relayout || l->body->yields != 1 || l->body->params != 1)
        return -1;
    open_loops(l, &nowhere, t, 0, t.rank, at);
    axis = reads_along(l, body_at(l, l->body->yield[0], at), at, t.rank);
    return axis < t.rank - 1 && dim_size(t.dim[t.rank - 1], l->k->batch) >= BLOCK && axis >= 0 &&
                   dim_size(t.dim[axis], l->k->batch) >= BLOCK
               ? axis
               : -1;
}

static void lower_map(struct lower *l)
{
    struct type t = root_type(l);
    struct lx *at[MAX_RANK];
    int axis = turned_axis(l, t);

    if (axis >= 0) {
        copy_in_squares(l, t, axis);
        return;
    }
    if (l->flat)
        t = flattened(t);
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank, at);
    finish(l, b, at);
}

/* ---- the group ---- */

static const struct {
    const char *lowering;
    void (*run)(struct lower *l);
} generators[] = {
    { "reduce", lower_reduce },
    { "cumsum", lower_cumsum },
    { "matmul", lower_matmul },
    { "conv", lower_conv },
    { "conv_dx", lower_conv_dx },
    { "conv_dw", lower_conv_dw },
    { "winograd", lower_winograd },
    { "winograd_dw", lower_winograd_dw },
    { "winograd_weight", lower_winograd_weight },
    { "maxpool", lower_pool },
    { "avgpool", lower_pool },
    { "maxpool_dx", lower_pool_dx },
    { "avgpool_dx", lower_pool_dx },
    { "scatter", lower_scatter },
    { "bound", lower_bound },
    { "sparse", lower_sparse_matmul },
    { "dots", lower_dots },
};

static void (*generator(const struct node *n))(struct lower *l)
{
    for (size_t i = 0; i < sizeof generators / sizeof *generators; i++)
        if (!strcmp(op_info(n->op)->lowering, generators[i].lowering))
            return generators[i].run;
    return NULL;
}

static const char *origin(struct lower *l)
{
    struct node *g = l->group;
    struct text t = text_make(g->graph->module->arena);
    if (g->at.line > 0 && g->at.file)
        text_add(&t, "%s:%d  ", g->at.file, g->at.line);
    if (g->layer && *g->layer)
        text_add(&t, "%s  ", g->layer);
    int count = 0;
    for (const struct node *n = l->body->first; n && count < 12; n = n->next)
        if (n->op != OP_constant && n->op != OP_broadcast)
            text_add(&t, "%s%s", count++ ? " -> " : "", op_info(n->op)->name);
    return text_string(&t);
}

static void add_arguments(struct lower *l)
{
    for (int i = 0; i < l->body->params; i++) {
        struct value *p = l->body->param[i];
        l->param[i] = lbuf_argument(l->k, value_name(operand(l->group, i), "x"), l->flat ? flattened(p->type) : p->type,
                                    operand(l->group, i));
        add_bytes(l, p->type);
    }
}

struct lkernel *lower_group(struct node *fused, const char *name, int level)
{
    struct module *m = fused->graph->module;
    struct lower l = { .group = fused, .body = fused->body[0], .level = level };
    l.k = lkernel_new(m->arena, m->names, name, "", m->batch, m->f64);
    l.k->origin = origin(&l);
    l.param = NEW_ARRAY(m->arena, l.body->params + 1, struct lbuf *);
    void (*run)(struct lower *) = NULL;
    for (struct node *n = l.body->first; n; n = n->next)
        if (generator(n)) {
            l.anchor = n;
            run = generator(n);
        }
    l.flat = !run && is_flat(&l, root_type(&l));
    add_arguments(&l);
    if (run)
        run(&l);
    else
        lower_map(&l);
    return l.failed ? NULL : l.k;
}

/* ---- steps of a scan ---- */

struct lkernel *lower_scan_copy(struct node *scan, bool in, int which, const char *name)
{
    struct module *m = scan->graph->module;
    struct lkernel *k =
        lkernel_new(m->arena, m->names, name, in ? "one step of a sequence" : "one step of a result", m->batch, m->f64);
    struct lower l = { .k = k };
    struct graph *body = scan->body[0];
    struct value *whole = in ? operand(scan, which) : scan->result[which],
                 *step = in ? body->param[which] : body->yield[which];
    struct lbuf *from = lbuf_argument(k, "from", in ? whole->type : step->type, in ? whole : step);
    struct lbuf *to = lbuf_argument(k, "to", in ? step->type : whole->type, in ? step : whole);
    struct lx *t = lx_var(k, lkernel_param(k, "t")), *at[MAX_RANK], *all[MAX_RANK];
    int64_t axis = attr_int(scan, "axis");
    struct lblock *b = open_loops(&l, &k->body, step->type, 0, step->type.rank, at);
    for (int i = 0; i < whole->type.rank; i++)
        all[i] = i == axis ? t : at[i < axis ? i : i - 1];
    ls_store(k, b, to, in ? at : all, lx_load(k, from, in ? all : at));
    add_bytes(&l, step->type);
    add_bytes(&l, step->type);
    return k;
}
