/* ir/infer_body.c: operations with bodies. Their results are what the bodies yield; the bodies' parameters must be what
 * the operands are. */
#include "ir/infer.h"

static bool want_params(const struct inference *f, const struct graph *body, int count)
{
    return body->params == count || wrong(f, "has a body with %d parameters for %d values", body->params, count);
}

static bool want_param(const struct inference *f, const struct graph *body, int i, struct type t)
{
    return type_equal(body->param[i]->type, t) ||
           wrong(f, "binds %s to a parameter that is %s", shown(f, t), shown(f, body->param[i]->type));
}

static bool bind_operands(const struct inference *f, const struct graph *body, int from, int to)
{
    for (int i = from; i < to; i++)
        if (!want_param(f, body, i, operand(f->n, i)->type))
            return false;
    return true;
}

/* Of what is not real nobody asks for a gradient; a constant zero, of whatever shape, says that there is none. */
static bool is_gradient(const struct value *dx, struct type of)
{
    double x;
    return of.dtype != DT_REAL || type_equal(dx->type, of) ||
           (dx->type.dtype == DT_REAL && value_constant(dx, &x) && x == 0);
}

/* custom's backward: operands, results, gradients of those returned; one gradient an operand. */
static bool check_backward(const struct inference *f, int64_t returned)
{
    const struct graph *back = f->n->body[1], *body = f->n->body[0];
    int operands = f->n->operands;
    if (!want_params(f, back, operands + body->yields + (int)returned) || !bind_operands(f, back, 0, operands))
        return false;
    for (int i = 0; i < body->yields; i++)
        if (!want_param(f, back, operands + i, body->yield[i]->type))
            return false;
    for (int i = 0; i < returned; i++)
        if (!want_param(f, back, operands + body->yields + i, body->yield[i]->type))
            return false;
    if (back->yields != operands)
        return wrong(f, "has a backward that gives %d values for %d inputs", back->yields, operands);
    for (int i = 0; i < operands; i++)
        if (!is_gradient(back->yield[i], operand(f->n, i)->type))
            return wrong(f, "has a backward whose value %d is %s, but the input is %s", i + 1,
                         shown(f, back->yield[i]->type), shown(f, operand(f->n, i)->type));
    return true;
}

bool infer_bodied(struct inference *f)
{
    const struct node *n = f->n;
    if (n->bodies < 1)
        return wrong(f, "has no body");
    if (!want_params(f, n->body[0], n->operands) || !bind_operands(f, n->body[0], 0, n->operands))
        return false;
    for (int i = 0; i < f->results; i++)
        f->type[i] = n->body[0]->yield[i]->type;
    if (n->op != OP_custom)
        return true;
    int64_t returned = attr_int(n, "returned");
    if (returned < 0 || returned > f->results)
        return wrong(f, "returns %lld of %d values", (long long)returned, f->results);
    return n->bodies < 2 || check_backward(f, returned);
}

/* The type of one step of a sequence. */
static bool step_type(const struct inference *f, struct type t, int64_t axis, struct type *out)
{
    if (axis < 0 || axis >= t.rank)
        return wrong(f, "has no axis %lld to walk in %s", (long long)axis, shape_of(f, t));
    if (!want_fixed(f, t, axis))
        return false;
    *out = type_scalar(t.dtype);
    for (int i = 0; i < t.rank; i++)
        if (i != axis)
            out->dim[out->rank++] = t.dim[i];
    return true;
}

static bool stacked_type(const struct inference *f, struct type t, int64_t axis, struct dim steps, struct type *out)
{
    if (t.rank == MAX_RANK || axis > t.rank)
        return wrong(f, "cannot stack %s along axis %lld", shape_of(f, t), (long long)axis);
    *out = type_scalar(t.dtype);
    for (int i = 0; i <= t.rank; i++) {
        if (i == axis)
            out->dim[out->rank++] = steps;
        if (i < t.rank)
            out->dim[out->rank++] = t.dim[i];
    }
    return true;
}

static bool bind_sequences(const struct inference *f, const struct graph *body, int sequences, int64_t axis)
{
    for (int i = 0; i < sequences; i++) {
        struct type t = operand(f->n, i)->type, step;
        if (!step_type(f, t, axis, &step) || !want_param(f, body, i, step))
            return false;
        if (!dim_equal(t.dim[axis], operand(f->n, 0)->type.dim[axis]))
            return wrong(f, "walks sequences of different lengths: %s and %s", shape_of(f, operand(f->n, 0)->type),
                         shape_of(f, t));
    }
    return true;
}

bool infer_scan(struct inference *f)
{
    const struct node *n = f->n;
    int64_t axis = attr_int(n, "axis"), sequences = attr_int(n, "sequences"), carries = attr_int(n, "carries");
    if (n->bodies != 1)
        return wrong(f, "has no body");
    struct graph *body = n->body[0];
    if (sequences < 1 || carries < 0 || sequences + carries > n->operands || carries > body->yields)
        return wrong(f, "has %d operands and %d values for %lld sequences and %lld carries", n->operands, body->yields,
                     (long long)sequences, (long long)carries);
    if (!want_params(f, body, n->operands) || !bind_sequences(f, body, (int)sequences, axis) ||
        !bind_operands(f, body, (int)sequences, n->operands))
        return false;
    int stacked = body->yields - (int)carries;
    for (int i = 0; i < stacked; i++)
        if (!stacked_type(f, body->yield[i]->type, axis, operand(n, 0)->type.dim[axis], &f->type[i]))
            return false;
    for (int i = 0; i < carries; i++) {
        f->type[stacked + i] = body->param[sequences + i]->type;
        if (!type_equal(body->yield[stacked + i]->type, f->type[stacked + i]))
            return wrong(f, "carries %s, but a step leaves %s", shown(f, f->type[stacked + i]),
                         shown(f, body->yield[stacked + i]->type));
    }
    return true;
}
