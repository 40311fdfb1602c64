/* passes/attention.c: attention that is written out becomes one operation (ir/attention.h), which keeps no tensor of all
 * rows and keys.
 *
 *     %0 = matmul %q, %k, tb = true
 *     %1 = mul %0, scale
 *     %2 = select (key <= row), %1, -1e30         =>      %y = attention %q, %k, %v, scale = ..., causal = true
 *     %3 = softmax %2
 *     %y = matmul %3, %v
 *
 * Found is what it computes, not who wrote it: softmax in the library's form or by hand, its division before the product
 * with the values or behind it, all of it transposed or not; scaled before or after it is masked, by a number or by one a
 * head or a row; masked by a comparison of places, by other conditions, by sums, by both, or not; with probabilities that are
 * dropped out, or not. A mask that is trained has no gradient here and stays in training, as does what has readers of its
 * own in between: probabilities that are put out. */
#include <math.h>

#include "ir/attention.h"
#include "ir/build.h"
#include "passes/shared.h"

enum { LANES = 16, SCRATCH = 1 << 20 }; /* bytes that a kernel may have for a head */

static const double NOTHING = -1e25; /* added to it, in f64 too, no score changes it */

/* What is known of it, from the product with the values backwards. */
struct written {
    struct value *q, *k, *v;
    struct value *seen, *added; /* the mask, of bools or of reals; NULL: none */
    struct value *beyond;       /* what of `added` is added to what `seen` hides as well; NULL: nothing */
    struct value *factor;       /* of each row of scores; NULL: 1 */
    double scale, masked;
    double drop, kept; /* probabilities are dropped out */
    int64_t stream;
    bool causal;  /* that is what `seen` says */
    bool turned;  /* the product is of transposed values and transposed probabilities */
    bool trained; /* there will be gradients */
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

/* Whether x, spread to type t, is one number for each row of that. */
static bool spreads_rows(struct type x, struct type t)
{
    bool column = x.rank > 0 && dim_is_one(x.dim[x.rank - 1]);

    t.dim[t.rank - 1] = dim_of(1);
    return column && shape_same_size(x, t);
}

/* What is spread over the columns of each row of type t: one number a row, in their order. v: that, or before it is spread. */
static struct value *of_row(struct value *v, struct type t)
{
    while (is_op(v, OP_reshape) || is_op(v, OP_broadcast)) {
        struct value *x = operand(v->def, 0);
        if (!shape_same_size(x->type, v->type) && !(shape_equal(v->type, t) && spreads_rows(x->type, t)))
            break;
        v = x;
    }
    return v;
}

static struct value *of_row_stopped(struct value *v, struct type t)
{
    v = of_row(v, t);
    return is_op(v, OP_stop_gradient) ? of_row(operand(v->def, 0), t) : v;
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

/* e in e / sum of e, or e * (1 / sum of e); or the product of e with something in its place. */
static struct value *numerator(const struct value *v, bool product)
{
    const struct type t = v->type;

    for (int i = 0; i < 2 && v->def && v->def->operands == 2; i++) {
        struct value *e = operand(v->def, i), *other = of_row(operand(v->def, 1 - i), t), *first = e;
        if (is_op(v, OP_mul))
            other = inverse_of(other);
        else if (!is_op(v, OP_div) || i)
            other = NULL;
        if (product)
            e = is_op(e, OP_matmul) && !attr_bool(e->def, "ta") && has_readers(e, 1) ? operand(e->def, 0) : NULL;
        if (other && e && is_op(e, OP_exp) && reduces_rows(of_row(other, t), OP_sum, e) && has_readers(e, 2))
            return first;
    }
    return NULL;
}

/* The scores that e is exp of, perhaps less the largest; they have no other readers. */
static struct value *scores_of(struct value *e)
{
    struct value *x = e ? operand(e->def, 0) : NULL;

    if (!x || !has_readers(x, 1))
        return NULL;
    struct value *s = is_op(x, OP_sub) ? operand(x->def, 0) : NULL;
    if (!s || !reduces_rows(of_row_stopped(operand(x->def, 1), s->type), OP_reduce_max, s))
        return x;
    return has_readers(s, 2) ? s : NULL;
}

/* The library's softmax still has its body. */
static struct value *softmax_operand(struct value *v)
{
    const struct node *n = v->def;

    if (!n || n->op != OP_custom)
        return scores_of(numerator(v, false));
    const struct graph *body = n->body[0];
    bool plain = n->operands == 1 && n->results == 1 && body->params == 1;
    return plain && scores_of(numerator(body->yield[0], false)) == body->param[0] && has_readers(operand(n, 0), 1)
               ? operand(n, 0)
               : NULL;
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

static bool find_places(const struct value *v, struct places *p, int *steps);

static bool sum_of_places(const struct node *n, double factor, struct places *p, int *steps)
{
    struct places other;

    if (!find_places(operand(n, 0), p, steps) || !find_places(operand(n, 1), &other, steps))
        return false;
    p->start += factor * other.start;
    for (int i = 0; i < MAX_RANK; i++)
        p->step[i] += factor * other.step[i];
    return true;
}

/* Whether v counts places: whole numbers that no i32 loses. steps: how far is looked, since what is read twice is looked
 * at twice. */
static bool find_places(const struct value *v, struct places *p, int *steps)
{
    const struct node *n = v->def;

    *p = (struct places){ 0 };
    if (!n || --*steps < 0)
        return false;
    switch (n->op) {
    case OP_constant: p->start = attr_real(n, "value"); return fabs(p->start) < 1 << 24 && p->start == floor(p->start);
    case OP_iota: p->step[attr_int(n, "axis")] = 1; return true;
    case OP_cast: return n->result[0]->type.dtype != DT_BOOL && find_places(operand(n, 0), p, steps);
    case OP_add: return sum_of_places(n, 1, p, steps);
    case OP_sub: return sum_of_places(n, -1, p, steps);
    case OP_reshape: return find_places(operand(n, 0), p, steps) && moved_places(operand(n, 0)->type, v->type, p);
    case OP_broadcast:
        if (!find_places(operand(n, 0), p, steps))
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
    int steps = 64;
    const struct node *n = v->def;

    while (n && (n->op == OP_broadcast || n->op == OP_not)) {
        turned ^= n->op == OP_not;
        v = operand(n, 0);
        n = v->def;
    }
    if (!n || (n->op != OP_le && n->op != OP_lt && n->op != OP_ge && n->op != OP_gt) || v->type.rank < 2 ||
        !sum_of_places(n, -1, &p, &steps))
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

/* Where two conditions put the same number, both have to hold. */
static struct value *hide(struct written *w, const struct node *select)
{
    double number;
    int score = is_number(operand(select, 2), &number) ? 1 : 2;
    struct value *s = operand(select, score), *seen = unspread(operand(select, 0));

    if (w->factor || (score == 2 && !is_number(operand(select, 1), &number)))
        return NULL;
    number *= w->scale;
    if (w->seen && (w->added || number != w->masked))
        return NULL;
    w->beyond = w->added;
    w->causal = !w->seen && is_causal(operand(select, 0), s->type, score == 2) && number < -1e4;
    if (score == 2)
        seen = build_unary(&w->b, OP_not, seen);
    w->seen = w->seen ? build_binary(&w->b, OP_and, w->seen, seen) : seen;
    w->masked = number;
    return s;
}

/* Whether v is made of a product that is scaled and masked. */
static bool is_scores(const struct value *v, int steps)
{
    const struct node *n = v->def;
    bool found = n && n->op == OP_matmul;

    if (n && steps && (op_is_map(n->op) && n->op != OP_cast))
        for (int i = 0; i < n->operands && !found; i++)
            found = is_scores(operand(n, i), steps - 1);
    return found;
}

/* What is added to scores: mostly of fewer axes; if not, what is made of no product. */
static struct value *add(struct written *w, const struct node *sum)
{
    for (int i = 0; i < (sum->op == OP_sub ? 1 : 2); i++) {
        struct value *s = operand(sum, i), *other = operand(sum, 1 - i), *mask = unspread(other);
        int steps = 64;
        if (w->factor || (w->trained && !is_untrained(mask, &steps)) ||
            (mask == other && (is_scores(mask, 8) || !is_scores(s, 8))))
            continue;
        if (sum->op == OP_sub)
            mask = build_unary(&w->b, OP_neg, mask);
        if (w->scale != 1)
            mask = build_binary(&w->b, OP_mul, mask, build_constant(&w->b, w->scale, DT_REAL));
        w->added = w->added ? build_binary(&w->b, OP_add, w->added, mask) : mask;
        return s;
    }
    return NULL;
}

/* Multiplied or divided by a number, or by one for each row: which the queries may have as well. */
static struct value *scale(struct written *w, const struct node *n)
{
    double number;

    for (int i = 0; i < (n->op == OP_div ? 1 : 2); i++) {
        struct value *x = unspread(operand(n, 1 - i));
        if (is_number(x, &number)) {
            w->scale *= n->op == OP_div ? 1 / number : number;
            return operand(n, i);
        }
        if (x->type.rank && !dim_is_one(x->type.dim[x->type.rank - 1]))
            continue;
        if (n->op == OP_div)
            x = build_unary(&w->b, OP_reciprocal, x);
        w->factor = w->factor ? build_binary(&w->b, OP_mul, w->factor, x) : x;
        return operand(n, i);
    }
    return NULL;
}

/* From the scores back to the product of queries and keys. */
static bool find_product(struct written *w, struct value *s)
{
    while (s && s->def && s->def->op != OP_matmul) {
        const struct node *n = s->def;
        switch (n->op) {
        case OP_select: s = hide(w, n); break;
        case OP_add:
        case OP_sub: s = add(w, n); break;
        case OP_mul:
        case OP_div: s = scale(w, n); break;
        case OP_neg:
            w->scale = -w->scale;
            s = operand(n, 0);
            break;
        default: return false;
        }
        if (s && !has_readers(s, 1))
            return false;
    }
    if (!s || !s->def)
        return false;
    w->q = operand(s->def, 0);
    w->k = operand(s->def, 1);
    if (attr_bool(s->def, "ta"))
        w->q = build_swap(&w->b, w->q);
    if (w->factor)
        w->q = build_binary(&w->b, OP_mul, w->q, w->factor);
    if (!attr_bool(s->def, "tb"))
        w->k = build_swap(&w->b, w->k);
    return true;
}

/* ---- where it pays ---- */

/* Draws are numbered in 32 bits. Panels of keys, and, where there is a gradient, of values; strips; copies of what has few features. */
static bool fits(const struct written *w, struct type scores)
{
    int last = scores.rank - 1;
    struct dim rows = scores.dim[last - 1], keys = scores.dim[last], depth = w->q->type.dim[last],
               columns = w->v->type.dim[last];
    int64_t few = (depth.k < LANES) + (columns.k < LANES), size = w->b.graph->module->f64 ? 8 : 4;
    int64_t each = w->trained ? depth.k + columns.k + 64 + 2 * few * LANES : depth.k + 8 + few * LANES;

    return !rows.n && !keys.n && !depth.n && !columns.n &&
           (w->drop <= 0 || type_count(scores, w->b.graph->module->batch) <= INT32_MAX) &&
           (keys.k * each + rows.k * (w->trained ? few * LANES : 0)) * size <= SCRATCH;
}

/* ---- dropped out probabilities ---- */

/* Where v is uniform(0, 1) in the shape of t: its stream. */
static bool is_draw(const struct value *v, struct type t, int64_t *stream)
{
    if (!is_op(v, OP_uniform) || !shape_equal(v->type, t) || attr_real(v->def, "low") != 0 ||
        attr_real(v->def, "high") != 1)
        return false;
    *stream = attr_int(v->def, "stream");
    return true;
}

/* x where v is x, or `number` times x, also by division. */
static struct value *without_factor(struct value *v, double *number)
{
    struct value *x = v;

    *number = 1;
    for (int i = 0; is_op(v, OP_mul) && x == v && i < 2; i++)
        if (is_number(operand(v->def, i), number))
            x = operand(v->def, 1 - i);
    if (is_op(v, OP_div) && is_number(operand(v->def, 1), number)) {
        *number = 1 / *number;
        x = operand(v->def, 0);
    }
    return has_readers(x, 1) ? x : NULL;
}

/* What is dropped out in v: v itself, where nothing is. In a scan each step draws others. */
static struct value *undropped(struct written *w, struct value *v)
{
    double zero;

    w->drop = 0;
    if (!is_op(v, OP_select) || w->b.graph->owner)
        return v;
    struct value *c = operand(v->def, 0);
    int kept = is_op(c, OP_ge) ? 1 : is_op(c, OP_lt) ? 2 : 0;
    if (!kept || !is_draw(operand(c->def, 0), v->type, &w->stream) || !is_number(operand(c->def, 1), &w->drop) ||
        w->drop <= 0 || !is_number(operand(v->def, 3 - kept), &zero) || zero != 0)
        return v;
    struct value *x = operand(v->def, kept);
    x = has_readers(x, 1) ? without_factor(x, &w->kept) : NULL;
    if (!x)
        w->drop = 0;
    return x ? x : v;
}

/* The scores of softmax(scores) v, v' softmax(scores)', or e v / sum of e, with v; NULL where n is none of them. */
static struct value *find_scores(struct written *w, const struct node *n)
{
    struct value *first = n->op == OP_matmul ? NULL : numerator(n->result[0], true), *s = NULL;
    const struct node *product = first ? first->def : n;

    if (product->op != OP_matmul)
        return NULL;
    w->v = operand(product, 1);
    if (first) {
        s = scores_of(operand(product, 0));
    } else if (!attr_bool(n, "ta") && has_readers(operand(n, 0), 1)) {
        s = softmax_operand(undropped(w, operand(n, 0)));
    }
    bool turned = attr_bool(product, "tb");
    if (!s && !first && turned && has_readers(operand(n, 1), 1)) {
        s = softmax_operand(undropped(w, operand(n, 1)));
        w->v = operand(n, 0);
        w->turned = true;
        turned = !attr_bool(n, "ta");
    }
    if (s && turned)
        w->v = build_swap(&w->b, w->v);
    return s;
}

/* What hides and what is added, as one. Where all rows see a key and what is added is of no sample, hiding is what
 * `causal` says; else a number beside which a score is nothing is added. False where there is none, or gradients go
 * through it and a row may see no key: its scores have none, and would get some. */
static bool join_masks(struct written *w)
{
    if (!w->seen || !w->added || (w->causal && !shape_batches(w->added->type)))
        return true;
    if (w->masked > NOTHING || (w->trained && !w->causal))
        return false;
    struct value *hidden = build_constant(&w->b, w->masked, DT_REAL);
    if (w->beyond)
        hidden = build_binary(&w->b, OP_add, w->beyond, hidden);
    w->added = build_select(&w->b, w->seen, w->added, hidden);
    w->seen = NULL;
    w->causal = false;
    return true;
}

/* The operand that says which keys a row sees, or how much; NULL: none. */
static struct value *mask_of(const struct written *w)
{
    return w->seen && !w->causal ? w->seen : w->added;
}

static struct value *as_attention(struct written *w, struct node *n)
{
    struct value *s = find_scores(w, n);

    if (!s)
        return NULL;
    struct type scores = s->type;
    if (!find_product(w, s) || !fits(w, scores) || !join_masks(w))
        return NULL;
    struct value *x[] = { w->q, w->k, w->v, mask_of(w) };
    const struct attr attrs[] = { at_real("scale", w->scale),
                                  at_bool("causal", w->causal),
                                  at_real("masked", w->seen && !w->causal ? w->masked : 0),
                                  at_real("drop", w->drop),
                                  at_real("kept", w->drop > 0 ? w->kept : 1),
                                  at_int("stream", w->drop > 0 ? w->stream : 0) };
    struct node *made = build_node(&w->b, OP_attention, x, x[3] ? 4 : 3, attrs, 6);
    if (!made)
        bug("attention takes no other form");
    return w->turned ? build_swap(&w->b, made->result[0]) : made->result[0];
}

static bool find_in(struct graph *g, bool trained)
{
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->bodies && n->op != OP_custom; i++)
            changed |= find_in(n->body[i], trained);
        if (n->op != OP_matmul && n->op != OP_div && n->op != OP_mul)
            continue;
        struct written w = { .scale = 1, .trained = trained, .b = build_at(g, n) };
        struct node *mark = n->previous;
        struct value *y = as_attention(&w, n);
        for (; !y && n->previous != mark;)
            node_remove(n->previous);
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
