/* codegen/lower.c: one group becomes one kernel. Here: its arguments, loops over a shape, the epilogue, and which
 * generator its anchor asks for. */
#include <string.h>

#include "codegen/lower.h"
#include "ir/in_place.h"
#include "ir/loop_index.h"
#include "ir/view.h"

/* ---- arguments ---- */

static const char *value_name(const struct value *v, const char *otherwise)
{
    const char *s = v->var    ? v->var->name
                    : v->name ? v->name
                              : otherwise,
               *dot = strrchr(s, '.'), *slash = strrchr(s, '/');
    const char *last = dot && (!slash || dot > slash) ? dot : slash;

    if (v->var && v->var->role == ROLE_PREPARED)
        return "prepared"; /* not by its number: layers of one shape have one function */
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

/* What the group reads or gives as v. */
static struct lbuf *argument(struct lower *l, struct value *v, const char *otherwise)
{
    struct lbuf *b = lbuf_argument(l->k, value_name(v, otherwise), l->flat ? flattened(v->type) : v->type, v);
    struct view view;

    if (lies_apart(v, &view))
        lbuf_view(b, view.steps, view.axis);
    return b;
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
        int in = in_place_operand(l->group, i);
        if (in >= 0)
            return l->param[in];
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

static bool is_effect(const struct node *n)
{
    return n->op == OP_assign || n->op == OP_accumulate;
}

enum place_of value_place(const struct lower *l, const struct value *v)
{
    return v->def ? l->nest.place[v->def->id] : AT_FREE;
}

/* Coordinates of v's elements, from those of shape t. */
static void seen_from(struct lower *l, const struct value *v, struct type t, struct lx *const *at, struct lx **in)
{
    if (l->flat)
        in[0] = at[0];
    else
        reshape_at(l, t, v->type, at, in);
}

/* What is stored where. */
struct write {
    struct lbuf *to;
    struct lx *at[MAX_RANK], *value;
};

static struct lx *effect_value(struct lower *l, const struct node *n, struct lbuf *to, struct lx *const *at)
{
    struct lx *v = body_at(l, operand(n, 1), at);

    return n->op == OP_accumulate ? element(l, OP_add, to->dtype, lx_load(l->k, to, at), v) : v;
}

enum place_of leaves_at(const struct lower *l, const struct node *effect, const struct value *v)
{
    enum place_of at;

    if (!nest_leaves_at(&l->nest, effect ? l->nest.place[effect->id] : value_place(l, v), v->type, &at))
        bug("a value of group %s leaves at no place", l->k->name);
    return at;
}

bool stores_at(const struct lower *l, enum place_of place)
{
    for (int i = 0; i < l->body->yields; i++)
        if (leaves_at(l, NULL, l->body->yield[i]) == place)
            return true;
    for (const struct node *n = l->body->first; n; n = n->next)
        if (is_effect(n) && leaves_at(l, n, operand(n, 1)) == place)
            return true;
    return false;
}

static int collect_stores(struct lower *l, enum place_of place, struct type t, struct lx *const *at, struct write *s)
{
    int count = 0;

    for (int i = 0; i < l->body->yields; i++) {
        struct value *v = l->body->yield[i];
        if (leaves_at(l, NULL, v) != place)
            continue;
        seen_from(l, v, t, at, s[count].at);
        s[count].to = result_buffer(l, v);
        s[count].value = body_at(l, v, s[count].at);
        if (s[count].to->value != l->group->result[i]) /* it lies in an operand's place, and is seen as that */
            seen_from(l, s[count].to->value, t, at, s[count].at);
        count++;
    }
    for (const struct node *n = l->body->first; n; n = n->next) {
        if (!is_effect(n) || leaves_at(l, n, operand(n, 1)) != place)
            continue;
        seen_from(l, operand(n, 1), t, at, s[count].at);
        s[count].to = l->param[operand(n, 0)->index];
        s[count].value = effect_value(l, n, s[count].to, s[count].at);
        count++;
    }
    return count;
}

static bool is_in_place(const struct lower *l)
{
    for (int i = 0; i < l->group->results; i++)
        if (in_place_operand(l->group, i) >= 0)
            return true;
    return false;
}

/* Of several values all are known before the first is stored: one may read the variable that another writes, or what lies
 * where another goes. */
void finish_place(struct lower *l, struct lblock *b, enum place_of place, struct type t, struct lx *const *at)
{
    int most = l->body->yields;

    for (const struct node *n = l->body->first; n; n = n->next)
        most += is_effect(n);
    struct write *s = NEW_ARRAY(l->k->arena, most + 1, struct write);
    int count = collect_stores(l, place, t, at, s);
    bool before = count > 1 && (most > l->body->yields || is_in_place(l));
    for (int i = 0; i < count && before; i++)
        s[i].value = s[i].value->kind == LX_REAL ? s[i].value : ls_let(l->k, b, "v", s[i].value);
    for (int i = 0; i < count; i++)
        ls_store(l->k, b, s[i].to, s[i].at, s[i].value);
}

static void hold(struct lower *l, struct lblock *b, struct lx *const *at)
{
    int last = l->anchor->result[0]->type.rank - 1;
    struct lx *to[] = { index_op(l, LX_ISUB, at[last - 1], l->held.first), at[last] };

    ls_store(l->k, b, l->held.rows, to, l->result);
}

/* Sums first: they may read what lies where a result goes. */
void finish(struct lower *l, struct lblock *b, struct lx *const *at)
{
    if (makes_held_rows(l)) {
        hold(l, b, at);
        return;
    }
    add_columns(l, b, at);
    finish_place(l, b, AT_EACH, l->nest.domain, at);
}

/* ---- maps ---- */

static bool flat_node(const struct node *n, struct type t)
{
    if (is_effect(n))
        return true;
    if (n->op == OP_broadcast)
        return !operand(n, 0)->type.rank;
    bool map = op_is_map(n->op) || op_is(n->op, RANDOM) || !strcmp(op_info(n->op)->lowering, "scalar");
    return map && n->op != OP_iota && n->op != OP_one_hot &&
           (!n->result[0]->type.rank || shape_equal(n->result[0]->type, t));
}

/* Whether coordinates do not matter: every tensor has the root's shape and lies together, or is a scalar. */
static bool is_flat(const struct lower *l, struct type t)
{
    struct view view;

    if (t.rank < 2 || shape_batches(t) > 1)
        return false;
    for (const struct node *n = l->body->first; n; n = n->next)
        if (!flat_node(n, t))
            return false;
    for (int i = 0; i < l->body->params; i++)
        if ((l->body->param[i]->type.rank && !shape_equal(l->body->param[i]->type, t)) ||
            lies_apart(operand(l->group, i), &view))
            return false;
    for (int i = 0; i < l->group->results; i++)
        if (lies_apart(l->group->result[i], &view))
            return false;
    return true;
}

enum { BLOCK = 16, STRIP = 32 };

/* at: in shape t, which is the domain with some axes joined. */
static void finish_joined(struct lower *l, struct lblock *b, struct type t, struct lx *const *at)
{
    struct lx *in[MAX_RANK];

    if (l->flat)
        in[0] = at[0];
    else
        reshape_at(l, t, l->nest.domain, at, in);
    finish(l, b, in);
}

/* The loop variable that moves to the next element of what is read: of several things read the one that lies otherwise
 * than the last; -1: none. */
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
        found = axis >= 0 && (found < 0 || axis < rank - 1) ? axis : found;
    }
    return found;
}

/* A part of two axes that are walked in squares of so many elements; 1: one by one. */
struct part {
    struct lx *begin[2], *end[2];
    int square;
};

static void copy_part(struct lower *l, struct type t, int axis, const struct part *p)
{
    struct lx *at[MAX_RANK], *from[2], *within;
    struct lblock *b = open_loops(l, &l->k->body, t, 0, axis, at);

    for (int i = 0; i < 2; i++) {
        struct ls *loop = ls_loop(l->k, b, i ? "j" : "i", p->begin[i], p->end[i], p->square, LICENCE_PAR);
        from[i] = lx_var(l->k, loop->var);
        b = &loop->body;
        at[i ? t.rank - 1 : axis] = from[i];
        if (!i)
            b = open_loops(l, b, t, axis + 1, t.rank - 1, at);
    }
    for (int i = 0; i < 2 && p->square > 1; i++) {
        struct ls *loop = ls_loop(l->k, b, i ? "v" : "u", lx_int(l->k, 0), lx_int(l->k, p->square), 1, LICENCE_PAR);
        within = lx_var(l->k, loop->var);
        b = &loop->body;
        at[i ? t.rank - 1 : axis] = index_op(l, LX_IADD, from[i], within);
    }
    finish_joined(l, b, t, at);
}

/* What a group that stores one value stores, or NULL. */
static struct value *only_value(const struct graph *body)
{
    struct value *only = body->yields == 1 ? body->yield[0] : NULL;
    int count = body->yields;

    for (const struct node *n = body->first; n; n = n->next) {
        only = is_effect(n) ? operand(n, 1) : only;
        count += is_effect(n);
    }
    return count == 1 ? only : NULL;
}

/* How many elements of the last axis come before zeros that fill it up. */
static struct dim before_zeros(const struct lower *l, struct type t)
{
    const struct value *v = only_value(l->body);
    struct dim size = t.dim[t.rank - 1];

    if (v && v->def && v->def->op == OP_relayout)
        v = operand(v->def, 0);
    if (v && v->def && v->def->op == OP_pad && !size.n && size.k == v->type.dim[v->type.rank - 1].k)
        size.k -= attr_ints(v->def, "pairs", NULL)[2 * v->type.rank - 1];
    return size;
}

/* What lies along another axis than the last is copied in squares, whose rows and columns stay in the cache; then what
 * is left of both axes. */
static void copy_in_squares(struct lower *l, struct type t, int axis)
{
    struct lx *zero = lx_int(l->k, 0), *block = lx_int(l->k, BLOCK), *size[2], *whole[2];
    const struct dim copied[] = { t.dim[axis], before_zeros(l, t) };

    for (int i = 0; i < 2; i++) {
        size[i] = lx_dim(l->k, t.dim[i ? t.rank - 1 : axis]);
        whole[i] = index_op(l, LX_IMUL, index_op(l, LX_IDIV, lx_dim(l->k, copied[i]), block), block);
    }
    copy_part(l, t, axis, &(struct part){ { zero, zero }, { whole[0], whole[1] }, BLOCK });
    if (whole[1] != size[1])
        copy_part(l, t, axis, &(struct part){ { zero, whole[1] }, { whole[0], size[1] }, 1 });
    if (whole[0] != size[0])
        copy_part(l, t, axis, &(struct part){ { whole[0], zero }, { size[0], size[1] }, 1 });
}

/* How many elements along the axis are written side by side: lines that lie a power of two apart share few sets of the nearest
 * cache, each of which holds WAYS of them. */
static int strip_of(struct type t, int axis)
{
    enum { LINE = 16, SETS = 64, WAYS = 8 };
    int64_t apart = 1, sets = SETS;

    for (int i = axis + 1; i < t.rank; i++)
        apart *= t.dim[i].k;
    if (apart % LINE)
        return STRIP;
    for (apart /= LINE; sets > 2 && apart % 2 == 0; apart /= 2)
        sets /= 2;
    return sets * WAYS < STRIP ? (int)sets * WAYS : STRIP;
}

/* The same where rows are too short for squares: some columns of all rows at a time, along what is read. */
static void copy_in_strips(struct lower *l, struct type t, int axis)
{
    int width = strip_of(t, axis);
    struct lx *at[MAX_RANK], *size = lx_dim(l->k, t.dim[axis]), *zero = lx_int(l->k, 0);
    struct lblock *b = open_loops(l, &l->k->body, t, 0, axis, at);
    struct ls *strip = ls_loop(l->k, b, "i", zero, size, width, LICENCE_PAR);
    struct lx *from = lx_var(l->k, strip->var), *end = index_op(l, LX_IADD, from, lx_int(l->k, width));

    b = open_loops(l, &strip->body, t, axis + 1, t.rank, at);
    struct ls *loop = ls_loop(l->k, b, "u", from, index_op(l, LX_IMIN, end, size), 1, LICENCE_PAR);
    at[axis] = lx_var(l->k, loop->var);
    finish_joined(l, &loop->body, t, at);
}

static bool has_transpose(const struct graph *body)
{
    for (const struct node *n = body->first; n; n = n->next)
        if (n->op == OP_transpose)
            return true;
    return false;
}

/* The axis that a map reads along, where it is not the last. */
static int turned_axis(struct lower *l, struct type t)
{
    struct value *v = only_value(l->body);
    struct lx *at[MAX_RANK], *in[MAX_RANK];
    int axis;

    if (!l->level || l->flat || t.rank < 2 || !has_transpose(l->body) || !v || !shape_equal(v->type, l->nest.domain))
        return -1;
    for (int i = 0; i < t.rank; i++)
        at[i] = some_index(l, t.dim[i]);
    reshape_at(l, t, l->nest.domain, at, in);
    axis = reads_along(l, body_at(l, v, in), at, t.rank);
    return axis >= 0 && axis < t.rank - 1 && dim_size(t.dim[axis], l->k->batch) >= BLOCK ? axis : -1;
}

static void lower_map(struct lower *l)
{
    struct type t = l->flat ? flattened(l->nest.domain) : l->column ? l->nest.domain : join_domain(l, 0);
    struct lx *at[MAX_RANK];
    int axis = turned_axis(l, t);

    if (axis >= 0) {
        bool squares = dim_size(t.dim[t.rank - 1], l->k->batch) >= BLOCK;
        (squares ? copy_in_squares : copy_in_strips)(l, t, axis);
        return;
    }
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank, at);
    finish_joined(l, b, t, at);
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
    { "attention", lower_attention },
    { "attention_dx", lower_attention_dx },
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

/* ---- what a group does, in words ---- */

static bool is_told(const struct graph *body, const struct node *n)
{
    if (n->op == OP_constant || op_is_index(n->op) || n->op == OP_relayout)
        return false;
    for (const struct node *b = body->first; b != n; b = b->next)
        if (b->op == n->op)
            return false;
    return true;
}

static void tell(struct text *t, const struct node *n, const char *between, int *told)
{
    text_add(t, "%s%s", (*told)++ ? between : "", op_info(n->op)->name);
}

const char *group_words(struct arena *a, const struct graph *body, const char *between, int most)
{
    struct text t = text_make(a);
    const struct node *write = NULL;
    int told = 0;

    for (const struct node *n = body->first; n; n = n->next)
        if (is_told(body, n) && node_is_anchor(n) && !node_is_reduction(n))
            tell(&t, n, between, &told);
    for (const struct node *n = body->first; n; n = n->next) {
        if (is_effect(n))
            write = n;
        else if (is_told(body, n) && told < most && (!node_is_anchor(n) || node_is_reduction(n)))
            tell(&t, n, between, &told);
    }
    if (write)
        tell(&t, write, between, &told);
    return text_string(&t);
}

static const char *origin(struct lower *l)
{
    struct node *g = l->group;
    struct text t = text_make(l->k->arena);
    const char *words = group_words(l->k->arena, l->body, " -> ", 8);

    if (g->at.line > 0 && g->at.file)
        text_add(&t, "%s:%d  ", g->at.file, g->at.line);
    if (g->layer && *g->layer)
        text_add(&t, "%s  ", g->layer);
    text_puts(&t, words);
    int told = 0;
    for (const struct node *n = l->body->first; n && !*words; n = n->next)
        tell(&t, n, " -> ", &told);
    return text_string(&t);
}

static void add_arguments(struct lower *l)
{
    for (int i = 0; i < l->body->params; i++) {
        l->param[i] = argument(l, operand(l->group, i), "x");
        add_bytes(l, l->body->param[i]->type);
    }
}

/* The group's operations in order have their nest; those with a generator of their own have none (scatter, bound). */
static void find_nest(struct lower *l)
{
    int count = 0;
    for (struct node *n = l->body->first; n; n = n->next)
        count++;
    struct node **member = NEW_ARRAY(l->k->arena, count, struct node *);
    l->memory = new_memory(l->k->arena, count);
    count = 0;
    for (struct node *n = l->body->first; n; n = n->next) {
        member[count++] = n;
        if (generator(n))
            l->anchor = n;
    }
    if (!nest_of(l->k->arena, member, count, &l->nest) && !(l->anchor && op_is(l->anchor->op, EFFECT)))
        bug("the operations of group %s have no nest in common", l->k->name);
    if (l->nest.anchor)
        l->anchor = l->nest.anchor;
    else if (l->nest.reductions || l->nest.source)
        l->anchor = NULL;
}

static struct lkernel *new_kernel(struct arena *a, const struct node *of, const char *name, const char *origin)
{
    struct module *m = of->graph->module;
    struct lkernel *k = lkernel_new(a, m->names, name, origin, m->batch, m->f64);

    k->net = m->name;
    k->at = of->at;
    return k;
}

struct lkernel *lower_group(struct arena *a, struct node *fused, const char *name, int level)
{
    struct lower l = { .group = fused, .body = fused->body[0], .level = level };

    l.k = new_kernel(a, fused, name, "");
    l.k->parts = graph_top(fused->graph)->part != 0;
    l.k->origin = origin(&l);
    l.param = NEW_ARRAY(a, l.body->params + 1, struct lbuf *);
    find_nest(&l);
    bool rows = !l.anchor && (l.nest.reductions || l.nest.source);
    l.flat = !l.anchor && !rows && is_flat(&l, l.nest.domain);
    add_arguments(&l);
    open_columns(&l);
    if (l.anchor)
        generator(l.anchor)(&l);
    else if (rows)
        lower_rows(&l);
    else
        lower_map(&l);
    close_columns(&l);
    return l.failed ? NULL : l.k;
}

/* ---- steps of a scan ---- */

/* What is copied, and where it is one step. */
struct step {
    struct value *whole, *step;
};

static struct step step_of(struct node *scan, enum step_copy how, int which)
{
    struct graph *body = scan->body[0];
    int carries = (int)attr_int(scan, "carries");
    struct view view;

    if (how == STEP_TAKEN)
        return (struct step){ operand(scan, which), body->param[which] };
    if (how == STEP_PUT)
        return (struct step){ scan->result[which], body->yield[which] };
    if (!view_of(body->yield[body->yields - carries + which], &view))
        bug("carry %d of a scan is no view", which);
    return (struct step){ view.whole, body->param[attr_int(scan, "sequences") + which] };
}

struct lkernel *lower_scan_copy(struct arena *a, struct node *scan, enum step_copy how, int which, const char *name)
{
    static const char *const origins[] = { [STEP_TAKEN] = "one step of a sequence",
                                           [STEP_PUT] = "one step of a result",
                                           [STEP_CARRIED] = "one step of a result, carried on" };
    struct lkernel *k = new_kernel(a, scan, name, origins[how]);
    struct lower l = { .k = k };
    struct step s = step_of(scan, how, which);
    bool in = how != STEP_PUT;
    struct value *source = in ? s.whole : s.step, *target = in ? s.step : s.whole;
    struct lbuf *from = lbuf_argument(k, "from", source->type, source),
                *to = lbuf_argument(k, "to", target->type, target);
    struct lx *t = lx_var(k, lkernel_param(k, "t")), *at[MAX_RANK], *all[MAX_RANK];
    int64_t axis = attr_int(scan, "axis");
    struct lblock *b = open_loops(&l, &k->body, s.step->type, 0, s.step->type.rank, at);
    for (int i = 0; i < s.whole->type.rank; i++)
        all[i] = i == axis ? t : at[i < axis ? i : i - 1];
    ls_store(k, b, to, in ? at : all, lx_load(k, from, in ? all : at));
    add_bytes(&l, s.step->type);
    add_bytes(&l, s.step->type);
    return k;
}
