/* codegen/c_part.c: a loop in threads is a function of its own, which does some of its iterations. The kernel calls it for
 * all of them, or each thread for a part. So a call with little work does not enter OpenMP, which costs as much as a small
 * kernel even where one thread is all there is; and arguments stay `restrict`, which they are not within a region.
 *
 *     for i in 0..n par threads from 12      static NN_PART void k7_i(int nn_begin, int nn_end, int n, ...)
 *       ...                                  {
 *                                                for (int i = nn_begin; i < nn_end; i++)
 *                                        =>          ...
 *                                            }
 *                                            static NN_KERNEL void k7(int n, ...)
 *                                            {
 *                                                NN_IN_THREADS(n >= 12, 0, n, 1, k7_i, n, ...);
 *                                            }
 *
 * Where iterations go in parts, nn_begin and nn_end count these, and a loop of which a part has its part goes from what nn_from
 * says to what nn_to does:
 *
 *     for i in 0..n parts 8 par threads          for (int nn_at = nn_begin / 8; nn_at * 8 < nn_end; nn_at++) {
 *       for j in 0..112 par part        =>           const int i = nn_at, nn_from = ..., nn_to = ...;
 *         ...                                        for (int j = nn_from * 14; j < nn_to * 14; j++)
 */
#include "codegen/c_kernel.h"

/* Whether the loop stores to a buffer. */
static bool stores(const struct lblock *b, const struct lbuf *to)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if ((s->kind == LS_STORE && s->buf == to) || stores(&s->body, to) || stores(&s->other, to))
            return true;
    return false;
}

static bool holds(const struct lblock *b, const struct ls *loop)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if (s == loop || holds(&s->body, loop) || holds(&s->other, loop))
            return true;
    return false;
}

static void pass(struct passed *p, const char *parameter, const char *name)
{
    c_parameter(p->parameters, &p->column, parameter);
    text_add(p->given, ", %s", name);
}

static void pass_int(struct passed *p, const struct c_kernel *c, const char *name)
{
    pass(p, arena_printf(c->k->arena, "int %s", name), name);
}

static void pass_arguments(struct passed *p, const struct c_kernel *c)
{
    for (const struct lbuf *b = c->k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next) {
        if (!c_has_word(c, p->words, b->name))
            continue;
        pass(p, c_argument(c->k, b), b->name);
        if (b->streamed)
            pass_int(p, c, arena_printf(c->k->arena, "nn_far_%s", b->name));
    }
}

/* What is declared beside a loop: a let and a scalar as they are, an array by its place. Registers have none, and a scalar that
 * is stored to would be another one. */
static void pass_local(struct passed *p, const struct c_kernel *c, const struct lbuf *b, const struct ls *loop)
{
    if (!c_has_word(c, p->words, b->name))
        return;
    p->fails |= b->space == SPACE_TILE || (!b->rank && stores(&loop->body, b));
    if (b->rank)
        pass(p, c_argument(c->k, b), b->name);
    else
        pass(p, arena_printf(c->k->arena, "%s %s", c_value_type(c->k, b->dtype, false), b->name), b->name);
}

/* A loop that is cut knows its end by a name, which is that of the part within its function. */
static bool is_end_of_part(const struct ls *loop, const struct ls *let)
{
    return loop->by && loop->way == WAY_THREADS && loop->end == let->reference;
}

/* Of all blocks around the loop, from b inwards. */
static void pass_outer(struct passed *p, const struct c_kernel *c, const struct lblock *b, const struct ls *loop)
{
    for (const struct ls *s = b->first; s && s != loop; s = s->next) {
        if (s->kind == LS_LET && !is_end_of_part(loop, s) && c_has_word(c, p->words, s->name))
            pass(p, arena_printf(c->k->arena, "%s %s", c_value_type(c->k, s->value->dtype, false), s->name), s->name);
        if (s->kind == LS_LOCAL)
            pass_local(p, c, s->buf, loop);
        if (s->kind == LS_LOOP && holds(&s->body, loop) && c_has_word(c, p->words, s->var->name))
            pass_int(p, c, s->var->name);
        if (holds(&s->body, loop))
            pass_outer(p, c, &s->body, loop);
        if (holds(&s->other, loop))
            pass_outer(p, c, &s->other, loop);
    }
}

/* A kernel's parameter that the part uses is used in the kernel too. */
static void pass_params(struct passed *p, struct c_kernel *c, uint64_t used)
{
    for (int i = 0; i < c->k->params; i++)
        if (used >> (i & 63) & 1)
            pass_int(p, c, c->k->param[i]->name);
    c->uses_param |= used;
}

bool c_pass(struct passed *p, struct c_kernel *c, const struct c_kernel *part, const struct ls *loop)
{
    if (c_needs_run(&loop->body))
        pass(p, "const nn_context *run", "run");
    if (part->uses_n)
        pass_int(p, c, "n");
    pass_arguments(p, c);
    pass_outer(p, c, &c->k->body, loop);
    pass_params(p, c, part->uses_param);
    c->uses_n |= part->uses_n;
    return !p->fails;
}

static void print_function(struct c_kernel *c, const struct ls *loop, const char *name, struct text *given)
{
    struct text body = text_make(c->k->arena);
    struct c_kernel part = *c;

    part.t = &body;
    part.depth = 1;
    part.part = loop;
    part.uses_n = false;
    part.uses_param = 0;
    if (loop->by)
        text_add(&body, "    const int %s = nn_end;\n", loop->end->let->name);
    c_loop(&part, loop);
    struct c_words words = c_words(c, &body);
    size_t start = c->before->length;
    text_add(c->before, "static NN_PART %svoid %s(int nn_begin, int nn_end", c_tight(&loop->body), name);
    struct passed p = { .words = &words, .parameters = c->before, .given = given, .column = c->before->length - start };
    if (!c_pass(&p, c, &part, loop))
        bug("loop %s of %s stores to what is not its own", loop->var->name, c->k->name);
    text_puts(c->before, ")\n{\n");
    c_bound(c->before, &part, &loop->body);
    text_add(c->before, "%s}\n\n", text_string(&body));
}

/* How many iterations there are, rounded up. */
static struct lx *trips(struct lkernel *k, const struct ls *s)
{
    struct lx *span = lx_index(k, LX_ISUB, s->end, s->begin);

    return lx_index(k, LX_IDIV, lx_index(k, LX_IADD, span, lx_int(k, s->step - 1)), lx_int(k, s->step));
}

/* "begin, end, step" of what threads share out: iterations, what they may be cut by, or their parts. */
static void print_units(struct c_kernel *c, const struct ls *loop)
{
    struct lx *begin = loop->begin, *end = loop->end;
    int64_t step = loop->by ? loop->by : loop->step;

    if (loop->parts) {
        begin = lx_int(c->k, 0);
        end = lx_index(c->k, LX_IMUL, trips(c->k, loop), lx_int(c->k, loop->parts));
        step = 1;
    }
    c_expr(c, begin, C_CHOICE);
    text_puts(c->t, ", ");
    c_expr(c, end, C_CHOICE);
    text_add(c->t, ", %lld", (long long)step);
}

void c_in_threads(struct c_kernel *c, const struct ls *loop)
{
    const char *name = arena_printf(c->k->arena, "%s_%s", c->k->name, loop->var->name);
    struct text given = text_make(c->k->arena);

    print_function(c, loop, name, &given);
    c_indent(c);
    text_puts(c->t, c->in_runs ? "NN_PARTS(" : "NN_IN_THREADS(");
    c_worth(c, loop);
    text_puts(c->t, ", ");
    print_units(c, loop);
    text_add(c->t, ", %s%s);\n", name, text_string(&given));
}
