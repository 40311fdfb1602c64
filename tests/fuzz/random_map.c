/* tests/fuzz/random_map.c: elementwise operations at random, with operands that broadcast in all positions. */
#include "tests/fuzz/gen.h"

enum prepare { AS_IT_IS, SMALL, POSITIVE };

struct unary {
    enum op op;
    enum prepare prepare;
    double most; /* of its result; 0: that of its operand; -1: that and one more */
};

static const struct unary unaries[] = {
    { OP_neg, AS_IT_IS, 0 },        { OP_abs, AS_IT_IS, 0 },           { OP_exp, SMALL, 8 },
    { OP_log, POSITIVE, 3 },        { OP_sqrt, POSITIVE, 5 },          { OP_rsqrt, POSITIVE, 2 },
    { OP_reciprocal, POSITIVE, 2 }, { OP_sin, AS_IT_IS, 1 },           { OP_cos, AS_IT_IS, 1 },
    { OP_tanh, AS_IT_IS, 1 },       { OP_sigmoid, AS_IT_IS, 1 },       { OP_erf, AS_IT_IS, 1 },
    { OP_sign, AS_IT_IS, 1 },       { OP_floor, AS_IT_IS, -1 },        { OP_ceil, AS_IT_IS, -1 },
    { OP_round, AS_IT_IS, -1 },     { OP_stop_gradient, AS_IT_IS, 0 },
};

void make_unary(struct gen *g)
{
    const struct unary *u = &unaries[below(g->r, sizeof unaries / sizeof *unaries)];
    struct item x = *pick(g, DT_REAL);

    if (u->prepare == SMALL)
        x = at_most(g, x, 2);
    else if (u->prepare == POSITIVE)
        x = positive(g, x);
    keep(g, build_unary(&g->b, u->op, x.v), u->most > 0 ? u->most : x.most - u->most);
}

/* A shape that broadcasts to t: leading axes may be missing, others be 1; N is never left. */
static struct type part_of(struct gen *g, struct type t)
{
    int skip = chance(g->r, 40) ? below(g->r, t.rank + 1) : 0;
    struct type p = type_scalar(DT_REAL);

    for (int i = skip; i < t.rank; i++)
        p.dim[p.rank++] = t.dim[i].n || chance(g->r, 40) ? dim_of(1) : t.dim[i];
    return p;
}

static bool goes_with(struct type t, struct type other)
{
    struct type both;

    return shape_broadcast(t, other, &both) && fits(both);
}

/* The second operand for t: out of the pool, a parameter, or a constant. */
static struct item partner(struct gen *g, struct type t)
{
    for (int i = 0; i < 6; i++) {
        const struct item *x = pick(g, DT_REAL);
        if (goes_with(t, x->v->type))
            return *x;
    }
    if (chance(g->r, 70))
        return parameter(g, part_of(g, t));
    static const double numbers[] = { -1, 0, 0.5, 1, 2, 0.3, -1.7 };
    double x = numbers[below(g->r, 7)];
    return (struct item){ real_of(g, x), 2 };
}

/* Both operands in either order. */
static void two_operands(struct gen *g, struct item *x, struct item *y)
{
    *x = *pick(g, DT_REAL);
    *y = partner(g, x->v->type);
    if (chance(g->r, 30)) {
        struct item z = *x;
        *x = *y;
        *y = z;
    }
}

void make_binary(struct gen *g)
{
    static const enum op ops[] = { OP_add, OP_add, OP_sub, OP_mul, OP_mul, OP_div, OP_pow, OP_max, OP_min };
    enum op op = ops[below(g->r, 9)];
    struct item x, y;

    two_operands(g, &x, &y);
    if (op == OP_div || op == OP_pow)
        *(op == OP_div ? &y : &x) = positive(g, op == OP_div ? y : at_most(g, x, 4));
    if (op == OP_pow)
        y = at_most(g, y, 2);
    double most = op == OP_mul ? x.most * y.most : op == OP_div ? 2 * x.most : op == OP_pow ? 25 : x.most + y.most;
    keep(g, build_binary(&g->b, op, x.v, y.v), most);
}

void make_compare(struct gen *g)
{
    static const enum op ops[] = { OP_eq, OP_ne, OP_lt, OP_le, OP_gt, OP_ge };
    struct item x, y;

    two_operands(g, &x, &y);
    keep(g, build_binary(&g->b, ops[below(g->r, 6)], x.v, y.v), 1);
}

void make_logic(struct gen *g)
{
    const struct item *x = pick(g, DT_BOOL), *y = pick(g, DT_BOOL);

    if (!x)
        return;
    if (chance(g->r, 30) || !goes_with(x->v->type, y->v->type))
        keep(g, build_unary(&g->b, OP_not, x->v), 1);
    else
        keep(g, build_binary(&g->b, chance(g->r, 50) ? OP_and : OP_or, x->v, y->v), 1);
}

void make_select(struct gen *g)
{
    const struct item *c = pick(g, DT_BOOL);
    struct item x, y;
    struct type both;

    two_operands(g, &x, &y);
    if (!shape_broadcast(x.v->type, y.v->type, &both))
        return;
    if (c && goes_with(both, c->v->type))
        keep(g, build_select(&g->b, c->v, x.v, y.v), x.most + y.most);
    else
        keep(g, build_select(&g->b, build_binary(&g->b, OP_lt, x.v, y.v), y.v, real_of(g, 0.25)), y.most + 1);
}

void make_cast(struct gen *g)
{
    static const enum dtype from[] = { DT_REAL, DT_REAL, DT_I32, DT_U8, DT_U8, DT_BOOL };
    enum dtype d = from[below(g->r, 6)];
    const struct item *x = pick(g, d);

    if (!x)
        return;
    enum dtype to = d == DT_REAL ? (chance(g->r, 70) ? DT_I32 : DT_BOOL) : chance(g->r, 80) ? DT_REAL : DT_I32;
    keep(g, build_cast(&g->b, x->v, to), x->most);
}

void make_integer(struct gen *g)
{
    static const enum op ops[] = { OP_add, OP_sub, OP_mul, OP_max, OP_min, OP_eq, OP_lt, OP_ge };
    const struct item *x = pick(g, DT_I32), *y = pick(g, DT_I32);
    enum op op = ops[below(g->r, 8)];

    if (!x)
        return;
    if (chance(g->r, 20)) {
        keep(g, build_unary(&g->b, chance(g->r, 50) ? OP_neg : OP_abs, x->v), x->most);
        return;
    }
    struct value *other =
        goes_with(x->v->type, y->v->type) && chance(g->r, 70) ? y->v : build_constant(&g->b, below(g->r, 4), DT_I32);
    keep(g, build_binary(&g->b, op, x->v, other), x->most * (y->most + 4));
}

static struct type shape_at_random(struct gen *g)
{
    const struct item *x = pick(g, DT_REAL);

    return x->v->type;
}

/* iota */
void make_made(struct gen *g)
{
    struct type t = shape_at_random(g);
    bool real = chance(g->r, 50);

    if (!t.rank)
        return;
    const struct attr attrs[] = { at_dims("shape", t.dim, t.rank), at_int("axis", below(g->r, t.rank)),
                                  at_word("dtype", dtype_name(real ? DT_REAL : DT_I32, g->m->f64)) };
    keep(g, build_node(&g->b, OP_iota, NULL, 0, attrs, 3)->result[0], 40);
}

/* A mask, as dropout has it, or noise. */
void make_random(struct gen *g)
{
    struct item x = *pick(g, DT_REAL);
    bool uniform = chance(g->r, 60);
    const struct attr attrs[] = { at_dims("shape", x.v->type.dim, x.v->type.rank), at_real(uniform ? "low" : "mean", 0),
                                  at_real(uniform ? "high" : "deviation", 1), at_int("stream", g->m->streams++) };
    struct value *u = build_node(&g->b, uniform ? OP_uniform : OP_normal, NULL, 0, attrs, 4)->result[0];

    if (uniform && chance(g->r, 50)) {
        struct value *kept = build_binary(&g->b, OP_gt, u, real_of(g, 0.5));
        keep(g, build_select(&g->b, kept, x.v, real_of(g, 0)), x.most);
    } else {
        keep(g, build_binary(&g->b, OP_mul, x.v, u), 6 * x.most);
    }
}
