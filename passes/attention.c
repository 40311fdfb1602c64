/* passes/attention.c: attention that is written out becomes one operation (ir/attention.h), which keeps no tensor of all
 * rows and keys.
 *
 *     %0 = matmul %q, %k, tb = true
 *     %1 = mul %0, scale
 *     %2 = select (key <= row), %1, -1e30         =>      %y = attention %q, %k, %v, scale = ..., causal = true
 *     %3 = softmax %2
 *     %y = matmul %3, %v
 *
 * Found is what it computes, not who wrote it: softmax in the library's form or by hand; scaled before or after it is
 * masked, or not at all; masked by a comparison of places, by any other condition, by a sum, or not. A mask that is
 * trained has no gradient here and stays, as does what has readers of its own in between: probabilities that are
 * dropped out or put out. */
#include <math.h>

#include "ir/attention.h"
#include "ir/build.h"
#include "passes/shared.h"

enum { LANES = 16, SCRATCH = 1 << 20 }; /* bytes that a kernel may have for a head */

/* What is known of it, from the product with the values backwards. */
struct written {
    struct value *q, *k, *v, *mask;
    double scale, masked;
    bool causal, hidden; /* hidden: a mask was found */
    struct build b;
};

static bool has_readers(const struct value *v, int count)
{
    for (const struct use *u = v->uses; u; u = u->next)
        count--;
    return count == 0;
}

static bool is_op(const struct value *v, enum op op)
{
    return v->def && v->def->op == op;
}

/* ---- softmax along the last axis ---- */

/* What is spread over the columns of each row: one number a row. */
static struct value *of_row(struct value *v)
{
    while (is_op(v, OP_broadcast) || is_op(v, OP_reshape) || is_op(v, OP_stop_gradient))
        v = operand(v->def, 0);
    return v;
}

static bool reduces_rows(const struct value *v, enum op op, const struct value *of)
{
    int count;

    if (!is_op(v, op) || operand(v->def, 0) != of)
        return false;
    const int64_t *axes = attr_ints(v->def, "axes", &count);
    return count == 1 && axes[0] == of->type.rank - 1;
}

static bool is_number(const struct value *v, double *number)
{
    while (is_op(v, OP_broadcast) || is_op(v, OP_reshape))
        v = operand(v->def, 0);
    if (!is_op(v, OP_constant))
        return false;
    *number = attr_real(v->def, "value");
    return true;
}

/* x where v is 1 / x. */
static struct value *inverse_of(struct value *v)
{
    double one;

    if (is_op(v, OP_reciprocal))
        return operand(v->def, 0);
    return is_op(v, OP_div) && is_number(operand(v->def, 0), &one) && one == 1 ? operand(v->def, 1) : NULL;
}

/* e in e / sum of e, or e * (1 / sum of e). */
static struct value *numerator(const struct value *v)
{
    for (int i = 0; i < 2 && v->def && v->def->operands == 2; i++) {
        struct value *e = operand(v->def, i), *other = of_row(operand(v->def, 1 - i));
        if (is_op(v, OP_mul))
            other = inverse_of(other);
        else if (!is_op(v, OP_div) || i)
            other = NULL;
        if (other && is_op(e, OP_exp) && reduces_rows(of_row(other), OP_sum, e) && has_readers(e, 2))
            return e;
    }
    return NULL;
}

/* The scores that v is the softmax of, computed here; they have no other readers. */
static struct value *scores_of(struct value *v)
{
    struct value *e = numerator(v), *x = e ? operand(e->def, 0) : NULL;

    if (!x || !is_op(x, OP_sub) || !has_readers(x, 1))
        return x && has_readers(x, 1) && !is_op(x, OP_sub) ? x : NULL;
    struct value *s = operand(x->def, 0);
    return reduces_rows(of_row(operand(x->def, 1)), OP_reduce_max, s) && has_readers(s, 2) ? s : NULL;
}

/* The library's softmax still has its body. */
static struct value *softmax_operand(struct value *v)
{
    const struct node *n = v->def;

    if (!n || n->op != OP_custom)
        return scores_of(v);
    const struct graph *body = n->body[0];
    bool plain = n->operands == 1 && n->results == 1 && body->params == 1;
    return plain && scores_of(body->yield[0]) == body->param[0] && has_readers(operand(n, 0), 1) ? operand(n, 0) : NULL;
}

/* ---- which keys a row sees ---- */

/* start + sum of step[i] * place along axis i */
struct places {
    double start, step[MAX_RANK];
};

/* Axes of length 1 come and go. */
static bool moved_places(struct type from, struct type to, struct places *p)
{
    double step[MAX_RANK] = { 0 };
    int k = 0;

    for (int i = 0; i < from.rank; i++) {
        if (dim_is_one(from.dim[i]))
            continue;
        while (k < to.rank && dim_is_one(to.dim[k]))
            k++;
        if (k == to.rank || !dim_equal(from.dim[i], to.dim[k]))
            return false;
        step[k++] = p->step[i];
    }
    for (int i = 0; i < to.rank; i++)
        p->step[i] = step[i];
    return true;
}

static void spread_places(struct type from, struct type to, struct places *p)
{
    int extra = to.rank - from.rank;

    for (int i = to.rank - 1; i >= 0; i--)
        p->step[i] = i < extra || dim_is_one(from.dim[i - extra]) ? 0 : p->step[i - extra];
}

static bool find_places(const struct value *v, struct places *p);

static bool sum_of_places(const struct node *n, double factor, struct places *p)
{
    struct places other;

    if (!find_places(operand(n, 0), p) || !find_places(operand(n, 1), &other))
        return false;
    p->start += factor * other.start;
    for (int i = 0; i < MAX_RANK; i++)
        p->step[i] += factor * other.step[i];
    return true;
}

/* Whether v counts places: whole numbers that no i32 loses. */
static bool find_places(const struct value *v, struct places *p)
{
    const struct node *n = v->def;

    *p = (struct places){ 0 };
    if (!n)
        return false;
    switch (n->op) {
    case OP_constant: p->start = attr_real(n, "value"); return fabs(p->start) < 1 << 24 && p->start == floor(p->start);
    case OP_iota: p->step[attr_int(n, "axis")] = 1; return true;
    case OP_cast: return n->result[0]->type.dtype != DT_BOOL && find_places(operand(n, 0), p);
    case OP_add: return sum_of_places(n, 1, p);
    case OP_sub: return sum_of_places(n, -1, p);
    case OP_reshape: return find_places(operand(n, 0), p) && moved_places(operand(n, 0)->type, v->type, p);
    case OP_broadcast:
        if (!find_places(operand(n, 0), p))
            return false;
        spread_places(operand(n, 0)->type, v->type, p);
        return true;
    default: return false;
    }
}

/* Whether v says key <= row + keys - rows; `turned`: whether its opposite does. */
static bool is_causal(const struct value *v, struct type scores, bool turned)
{
    struct places p;
    const struct node *n = v->def;

    while (n && (n->op == OP_broadcast || n->op == OP_not)) {
        turned ^= n->op == OP_not;
        v = operand(n, 0);
        n = v->def;
    }
    if (!n || (n->op != OP_le && n->op != OP_lt && n->op != OP_ge && n->op != OP_gt) || v->type.rank < 2 ||
        !sum_of_places(n, -1, &p))
        return false;
    /* left - right is at most 0, or less than 0: for whole numbers at most -1; or the other way round */
    double sign = n->op == OP_le || n->op == OP_lt ? 1 : -1, most = n->op == OP_lt || n->op == OP_gt ? -1 : 0;
    if (turned) {
        sign = -sign;
        most = -1 - most;
    }
    int row = v->type.rank - 2;
    for (int i = 0; i < row; i++)
        if (p.step[i] != 0)
            return false;
    double more = (double)(scores.dim[scores.rank - 1].k - scores.dim[scores.rank - 2].k);
    return shape_equal(type_make(scores.dtype, 2, scores.dim + scores.rank - 2),
                       type_make(scores.dtype, 2, v->type.dim + row)) &&
           sign * p.step[row] == -1 && sign * p.step[row + 1] == 1 && most - sign * p.start == more && more >= 0;
}

/* ---- masks ---- */

/* What v is spread from. */
static struct value *unspread(struct value *v)
{
    while (is_op(v, OP_broadcast))
        v = operand(v->def, 0);
    return v;
}

/* Whether v is made of no parameter that is trained; steps: how far is looked. */
static bool is_untrained(const struct value *v, int *steps)
{
    if (v->type.dtype != DT_REAL)
        return true;
    if (!v->def)
        return v->var && v->var->role != ROLE_PARAM;
    for (int i = 0; i < v->def->operands; i++) {
        if (--*steps < 0 || !is_untrained(operand(v->def, i), steps))
            return false;
    }
    return !v->def->bodies;
}

static struct value *hide(struct written *w, const struct node *select)
{
    double number;
    int score = is_number(operand(select, 2), &number) ? 1 : 2;
    struct value *s = operand(select, score), *condition = operand(select, 0);

    if (w->hidden || (score == 2 && !is_number(operand(select, 1), &number)))
        return NULL;
    w->hidden = true;
    w->causal = is_causal(condition, s->type, score == 2) && number * w->scale < -1e4;
    if (w->causal)
        return s;
    w->masked = number * w->scale;
    w->mask = unspread(condition);
    if (score == 2)
        w->mask = build_unary(&w->b, OP_not, w->mask);
    return s;
}

static struct value *add(struct written *w, const struct node *sum)
{
    for (int i = 0; i < 2; i++) {
        struct value *mask = unspread(operand(sum, 1 - i));
        int steps = 64;
        if (w->hidden || w->scale != 1 || mask == operand(sum, 1 - i) || !is_untrained(mask, &steps))
            continue;
        w->hidden = true;
        w->mask = mask;
        return operand(sum, i);
    }
    return NULL;
}

static struct value *scale(struct written *w, const struct node *n)
{
    double factor;

    for (int i = 0; i < 2; i++) {
        if (!is_number(operand(n, 1 - i), &factor) || (n->op == OP_div && i))
            continue;
        w->scale *= n->op == OP_div ? 1 / factor : factor;
        return operand(n, i);
    }
    return NULL;
}

/* From the scores back to the product of queries and keys. */
static bool find_product(struct written *w, struct value *s)
{
    while (s && s->def && s->def->op != OP_matmul) {
        const struct node *n = s->def;
        s = n->op == OP_select                   ? hide(w, n)
            : n->op == OP_add                    ? add(w, n)
            : n->op == OP_mul || n->op == OP_div ? scale(w, n)
                                                 : NULL;
        if (s && !has_readers(s, 1))
            return false;
    }
    if (!s || !s->def)
        return false;
    w->q = operand(s->def, 0);
    w->k = operand(s->def, 1);
    if (attr_bool(s->def, "ta"))
        w->q = build_swap(&w->b, w->q);
    if (!attr_bool(s->def, "tb"))
        w->k = build_swap(&w->b, w->k);
    return true;
}

/* ---- where it pays ---- */

/* Panels of keys, and, where there is a gradient, of values; strips; copies of what has few features. */
static bool fits(const struct written *w, struct type scores, bool trained)
{
    int last = scores.rank - 1;
    struct dim rows = scores.dim[last - 1], keys = scores.dim[last], depth = w->q->type.dim[last],
               columns = w->v->type.dim[last];
    int64_t few = (depth.k < LANES) + (columns.k < LANES), size = w->b.graph->module->f64 ? 8 : 4;
    int64_t each = trained ? depth.k + columns.k + 64 + 2 * few * LANES : depth.k + 8 + few * LANES;

    return !rows.n && !keys.n && !depth.n && !columns.n &&
           (keys.k * each + rows.k * (trained ? few * LANES : 0)) * size <= SCRATCH;
}

static struct value *as_attention(struct written *w, struct node *product, bool trained)
{
    struct value *p = operand(product, 0), *s = softmax_operand(p);

    if (!s || attr_bool(product, "ta") || !has_readers(p, 1))
        return NULL;
    w->v = operand(product, 1);
    if (attr_bool(product, "tb"))
        w->v = build_swap(&w->b, w->v);
    if (!find_product(w, s) || !fits(w, p->type, trained))
        return NULL;
    const struct attr attrs[] = { at_real("scale", w->scale), at_bool("causal", w->causal),
                                  at_real("masked", w->masked) };
    struct node *n =
        build_node(&w->b, OP_attention, (struct value *[]){ w->q, w->k, w->v, w->mask }, w->mask ? 4 : 3, attrs, 3);
    if (!n)
        bug("attention takes no other form");
    return n->result[0];
}

static bool find_in(struct graph *g, bool trained)
{
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->bodies && n->op != OP_custom; i++)
            changed |= find_in(n->body[i], trained);
        if (n->op != OP_matmul)
            continue;
        struct written w = { .scale = 1, .b = build_at(g, n) };
        struct value *y = as_attention(&w, n, trained);
        if (!y)
            continue;
        y->name = n->result[0]->name;
        value_replace(n->result[0], y);
        changed = true;
    }
    return changed;
}

bool pass_attention(struct module *m, struct pass_context *c)
{
    bool changed = false;

    (void)c;
    for (int i = 0; i < GRAPH_KINDS; i++) {
        if (!m->graph[i] || !find_in(m->graph[i], i == GRAPH_TRAIN))
            continue;
        changed = true;
        dce_graph(m->graph[i]);
    }
    return changed;
}
