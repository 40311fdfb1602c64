/* passes/parts_classes.c: what of a graph depends on which samples.
 *
 *     whole      on none: parameters, states, constants, and what is made of them
 *     samples    has an axis of samples; each slice depends on its own sample, and on what is whole
 *     sum        a sum over samples, or linear in one: the parts' sums add up to it
 *     total      a sum, or anything else of all samples, that something reads otherwise than by adding it up: a count that is
 *                divided by. It has to be known before the first part runs, so it is made of the call's arguments and of what
 *                is whole alone, without a product. Then it is whole.
 *
 * An axis of samples is the one axis that is a multiple of N; what lies along it belongs sample after sample, so that a part
 * of the batch is a part of the axis. All else (moments of a batch of activations, pairs of samples) stands against parts.
 *
 * Operations are judged by the types of what they read and give: what has no axis of samples, and reads what has one, adds
 * samples up or mixes them. The class of a value is its scratch number. */
#include <string.h>

#include "passes/parts.h"

enum { WHOLE, SUM, SAMPLES };

static void judge_graph(struct parting *s, struct graph *g);

static bool has_samples(const struct value *v)
{
    return shape_batches(v->type) > 0;
}

static bool is_zero(const struct value *v)
{
    double x;

    return value_constant(v, &x) && x == 0;
}

static void stands_against(struct parting *s, const struct node *n, const char *why)
{
    if (s->against || s->trying)
        return;
    s->against = n;
    s->why = why;
}

/* ---- totals ---- */

bool parts_is_total(const struct parting *s, const struct value *v)
{
    for (int i = 0; i < s->totals; i++)
        if (s->total[i] == v)
            return true;
    return false;
}

/* Changes of coordinates, reductions, elementwise operations and look-ups. */
static bool is_light(const struct node *n)
{
    const char *lowering = op_info(n->op)->lowering;

    return op_is_map(n->op) || op_is_index(n->op) || !strcmp(lowering, "reduce") || !strcmp(lowering, "cumsum") ||
           !strcmp(lowering, "gather");
}

enum { UNKNOWN, BEFOREHAND, NOT_BEFOREHAND }; /* node->id */

static bool known_beforehand(const struct value *v)
{
    if (!v->def)
        return v->var && v->var->role != ROLE_GRAD;
    if (v->def->id == UNKNOWN) {
        bool known = is_light(v->def);
        for (int i = 0; i < v->def->operands && known; i++)
            known = known_beforehand(operand(v->def, i));
        v->def->id = known ? BEFOREHAND : NOT_BEFOREHAND;
    }
    return v->def->id == BEFOREHAND;
}

/* What a parameter of a body stands for, but for a carry: NULL, then. */
static struct value *outside(const struct value *param)
{
    const struct node *owner = param->graph->owner;
    int64_t first = owner->op == OP_scan ? attr_int(owner, "sequences") : 0;
    int64_t carries = owner->op == OP_scan ? attr_int(owner, "carries") : 0;

    return param->index >= first && param->index < first + carries ? NULL : operand(owner, param->index);
}

static struct value *at_the_top(const struct parting *s, struct value *v)
{
    while (v && v->graph != s->g)
        v = v->def ? NULL : outside(v);
    return v;
}

static bool can_be_total(const struct parting *s, struct value *v)
{
    const struct value *top = at_the_top(s, v);

    return top && known_beforehand(top);
}

static const char across[] = "what it gives for one sample depends on all samples, as a mean over the batch does";

/* `reader` needs v for all samples. */
static void want_total(struct parting *s, struct value *v, const struct node *reader)
{
    struct value *top = at_the_top(s, v);
    void *items = s->total;

    v->id = WHOLE;
    if (s->trying)
        return;
    if (!can_be_total(s, v)) {
        stands_against(s, v->def && v->def->at.line > 0 ? v->def : reader, across);
        return;
    }
    if (parts_is_total(s, top))
        return;
    s->again = true;
    arena_grow(s->scratch, &items, &s->total_capacity, (size_t)s->totals + 1, sizeof *s->total);
    s->total = items;
    s->total[s->totals++] = top;
}

static void want_totals(struct parting *s, const struct node *n, int from)
{
    for (int i = from; i < n->operands; i++)
        if (operand(n, i)->id == SUM)
            want_total(s, operand(n, i), n);
}

/* ---- what counts once ---- */

static void count_once(struct parting *s, struct node *n, int index)
{
    void *items = s->once;

    if (is_zero(operand(n, index)) || s->trying)
        return;
    if (n->graph != s->g) {
        stands_against(s, n, "it adds what all samples share to a sum over them, within a body");
        return;
    }
    arena_grow(s->scratch, &items, &s->once_capacity, (size_t)s->onces + 1, sizeof *s->once);
    s->once = items;
    s->once[s->onces++] = (struct once){ n, index };
}

/* ---- operations without an axis of samples in what they give ---- */

enum linearity {
    NOT_LINEAR,
    ADDITIVE, /* in all operands from the second on, or from the first */
    CHOICE,
    FACTORS, /* in each of the first two, for itself */
    IN_FIRST
};

static enum linearity linearity(const struct node *n)
{
    switch (n->op) {
    case OP_neg:
    case OP_relayout:
    case OP_stop_gradient:
    case OP_add:
    case OP_sub:
    case OP_sum:
    case OP_cumsum:
    case OP_reshape:
    case OP_transpose:
    case OP_broadcast:
    case OP_slice:
    case OP_reverse:
    case OP_dilate:
    case OP_concat:
    case OP_avgpool:
    case OP_avgpool_dx: return ADDITIVE;
    case OP_cast: return n->result[0]->type.dtype == DT_REAL ? ADDITIVE : NOT_LINEAR;
    case OP_pad: return attr_real(n, "value") == 0 ? ADDITIVE : NOT_LINEAR;
    case OP_select: return CHOICE;
    case OP_mul:
    case OP_matmul:
    case OP_conv:
    case OP_conv_dx:
    case OP_conv_dw:
    case OP_dots:
    case OP_sparse_matmul: return FACTORS;
    case OP_div:
    case OP_gather:
    case OP_take_along:
    case OP_scatter_add:
    case OP_put_along:
    case OP_maxpool_dx: return IN_FIRST;
    default: return NOT_LINEAR;
    }
}

static int sums_among(const struct node *n)
{
    int count = 0;

    for (int i = 0; i < n->operands; i++)
        count += operand(n, i)->id == SUM;
    return count;
}

/* All that is no sum counts once beside those that are. */
static int judge_terms(struct parting *s, struct node *n, int from)
{
    if (!sums_among(n))
        return WHOLE;
    for (int i = from; i < n->operands; i++)
        if (operand(n, i)->id == WHOLE)
            count_once(s, n, i);
    return SUM;
}

/* Of two sums one at least must be a total. */
static int judge_factors(struct parting *s, struct node *n)
{
    want_totals(s, n, 2);
    for (int i = 1; i >= 0 && sums_among(n) > 1; i--)
        if (can_be_total(s, operand(n, i)) || i == 0)
            want_total(s, operand(n, i), n);
    return sums_among(n) ? SUM : WHOLE;
}

static int judge_linear(struct parting *s, struct node *n)
{
    if (!sums_among(n))
        return WHOLE;
    switch (linearity(n)) {
    case ADDITIVE: return judge_terms(s, n, 0);
    case CHOICE:
        if (operand(n, 0)->id == SUM)
            want_total(s, operand(n, 0), n);
        return judge_terms(s, n, 1);
    case FACTORS: return judge_factors(s, n);
    case IN_FIRST: want_totals(s, n, 1); return sums_among(n) ? SUM : WHOLE;
    default: want_totals(s, n, 0); return WHOLE;
    }
}

static bool adds_samples_up(const struct node *n)
{
    switch (n->op) {
    case OP_sum:
    case OP_matmul:
    case OP_conv_dw:
    case OP_dots:
    case OP_scatter_add:
    case OP_put_along: return true;
    default: return false;
    }
}

/* It reads samples, and gives one value of them all: a sum, or what has to be a total. */
static void judge_reduction(struct parting *s, struct node *n)
{
    want_totals(s, n, 0);
    for (int i = 0; i < n->results; i++) {
        n->result[i]->id = SUM;
        if (!adds_samples_up(n) && value_used(n->result[i]))
            want_total(s, n->result[i], n);
    }
}

/* ---- operations that give samples ---- */

static void judge_samples(struct parting *s, struct node *n)
{
    struct type t = n->result[0]->type;

    want_totals(s, n, 0);
    if (n->op == OP_reshape && shape_rows_of_samples(t) != shape_rows_of_samples(operand(n, 0)->type))
        stands_against(s, n, "it makes one axis of the samples and what stands in front of them");
    else if (n->op == OP_iota && t.dim[attr_int(n, "axis")].n)
        stands_against(s, n, "it numbers the samples of the batch");
    else if (node_draws(n) && shape_rows_of_samples(t) != 1)
        stands_against(s, n, "the samples are not the first axis of what it draws");
}

/* ---- bodies ---- */

static void judge_body(struct parting *s, struct node *n)
{
    struct graph *body = n->body[0];

    for (int i = 0; i < n->operands; i++)
        body->param[i]->id = operand(n, i)->id;
    judge_graph(s, body);
    for (int i = 0; i < n->results; i++)
        n->result[i]->id = body->yield[i]->id;
}

static void bind(const struct node *n, int first, const int *carry, int carries)
{
    for (int i = 0; i < n->operands; i++)
        n->body[0]->param[i]->id = i >= first && i < first + carries ? carry[i - first] : operand(n, i)->id;
}

/* Runs over a scan's body until its carries are what a step leaves. A sum may start as zeros, which are whole. */
static void find_carries(struct parting *s, struct node *n, int first, int *carry, int carries)
{
    const struct graph *body = n->body[0];
    bool found = false;

    s->trying++;
    while (!found) {
        bind(n, first, carry, carries);
        judge_graph(s, n->body[0]);
        found = true;
        for (int i = 0; i < carries; i++) {
            bool becomes_sum = carry[i] == WHOLE && body->yield[body->yields - carries + i]->id == SUM;
            carry[i] = becomes_sum ? SUM : carry[i];
            found &= !becomes_sum;
        }
    }
    s->trying--;
}

static void judge_scan(struct parting *s, struct node *n)
{
    struct graph *body = n->body[0];
    int first = (int)attr_int(n, "sequences"), carries = (int)attr_int(n, "carries"), stacked = body->yields - carries;
    int *carry = NEW_ARRAY(s->scratch, carries + 1, int);

    for (int i = 0; i < carries; i++)
        carry[i] = operand(n, first + i)->id;
    find_carries(s, n, first, carry, carries);
    bind(n, first, carry, carries);
    judge_graph(s, body);
    for (int i = 0; i < stacked; i++)
        n->result[i]->id = body->yield[i]->id;
    for (int i = 0; i < carries; i++) {
        const struct value *y = body->yield[stacked + i];
        n->result[stacked + i]->id = carry[i];
        if (carry[i] == SUM && operand(n, first + i)->id == WHOLE)
            count_once(s, n, first + i);
        if (y->id != carry[i] && !is_zero(y))
            stands_against(s, n, across);
    }
}

/* ---- effects ---- */

static void move(struct parting *s, struct node *n, const struct value *of, const char *why)
{
    void *items = s->moved;

    if (n->graph != s->g || !known_beforehand(of)) {
        stands_against(s, n, why);
        return;
    }
    arena_grow(s->scratch, &items, &s->moved_capacity, (size_t)s->moves + 1, sizeof *s->moved);
    s->moved = items;
    s->moved[s->moves++] = n;
}

/* Samples go to their own places, what is whole is handed out by every part alike. */
static void judge_output(struct parting *s, const struct node *n)
{
    const struct value *v = operand(n, 0);

    if (v->id == SUM || (v->id == SAMPLES && shape_rows_of_samples(v->type) != 1))
        stands_against(s, n, "it hands out what is not of one sample");
}

static void judge_effect(struct parting *s, struct node *n)
{
    int last = n->operands - 1;

    if (n->op == OP_bound)
        move(s, n, operand(n, 0), "it checks what is computed in parts");
    else if (n->op == OP_assign)
        move(s, n, operand(n, 1), "it keeps what it computes of all samples");
    else if (n->op == OP_output)
        judge_output(s, n);
    else if (operand(n, last)->id == WHOLE)
        count_once(s, n, last);
}

/* ---- the graph ---- */

static void judge(struct parting *s, struct node *n)
{
    for (int i = 0; i < n->results; i++)
        if (shape_batches(n->result[i]->type) > 1)
            stands_against(s, n, "it is of pairs of samples");
    if (op_is(n->op, EFFECT))
        judge_effect(s, n);
    else if (n->op == OP_scan)
        judge_scan(s, n);
    else if (n->bodies)
        judge_body(s, n);
    else if (has_samples(n->result[0]))
        judge_samples(s, n);
    else if (node_reads_samples(n))
        judge_reduction(s, n);
    else
        n->result[0]->id = judge_linear(s, n);
    for (int i = 1; i < n->results && !n->bodies && !node_reads_samples(n); i++)
        n->result[i]->id = n->result[0]->id;
    for (int i = 0; i < n->results; i++)
        n->result[i]->id = has_samples(n->result[i])         ? SAMPLES
                           : parts_is_total(s, n->result[i]) ? WHOLE
                                                             : n->result[i]->id;
}

static void judge_graph(struct parting *s, struct graph *g)
{
    for (struct node *n = g->first; n && !s->against; n = n->next)
        judge(s, n);
}

/* What reads a state that is written beforehand would read the new value. */
static void look_for_readers(struct parting *s)
{
    for (int i = 0; i < s->moves; i++) {
        const struct node *n = s->moved[i];
        for (const struct use *u = n->op == OP_assign ? operand(n, 0)->uses : NULL; u; u = u->next)
            if (u->user != n && u->user->id)
                stands_against(s, n, "what it assigns is computed beforehand, and is read in parts too");
    }
}

/* Marks what is left to run in parts: all that effects which do not move read, but for totals. */
static void mark_what_stays(struct parting *s)
{
    for (struct node *n = s->g->last; n; n = n->previous) {
        n->id = node_has_effect(n);
        for (int i = 0; i < s->moves; i++)
            n->id &= s->moved[i] != n;
        for (int i = 0; i < n->results && !n->id; i++)
            for (const struct use *u = n->result[i]->uses; u && !parts_is_total(s, n->result[i]); u = u->next)
                n->id |= u->user->id;
    }
}

bool parts_classify(struct parting *s)
{
    for (struct node *n = s->g->first; n; n = n->next)
        n->id = UNKNOWN;
    do {
        s->again = false;
        s->onces = s->moves = 0;
        for (int i = 0; i < s->g->var_values; i++)
            s->g->var_value[i]->id = has_samples(s->g->var_value[i]) ? SAMPLES : WHOLE;
        judge_graph(s, s->g);
    } while (s->again && !s->against);
    if (!s->against) {
        mark_what_stays(s);
        look_for_readers(s);
    }
    return !s->against;
}
