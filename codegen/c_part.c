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

/* Of all blocks around the loop, from b inwards. */
static void pass_outer(struct passed *p, const struct c_kernel *c, const struct lblock *b, const struct ls *loop)
{
    for (const struct ls *s = b->first; s && s != loop; s = s->next) {
        if (s->kind == LS_LET && c_has_word(c, p->words, s->name))
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

void c_in_threads(struct c_kernel *c, const struct ls *loop)
{
    const char *name = arena_printf(c->k->arena, "%s_%s", c->k->name, loop->var->name);
    struct text given = text_make(c->k->arena);

    print_function(c, loop, name, &given);
    c_indent(c);
    text_puts(c->t, c->in_runs ? "NN_PARTS(" : "NN_IN_THREADS(");
    c_worth(c, loop);
    text_puts(c->t, ", ");
    c_expr(c, loop->begin, C_CHOICE);
    text_puts(c->t, ", ");
    c_expr(c, loop->end, C_CHOICE);
    text_add(c->t, ", %lld, %s%s);\n", (long long)loop->step, name, text_string(&given));
}
