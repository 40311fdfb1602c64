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

/* `what`: a buffer, a variable or a let. */
static bool value_uses(const struct lx *x, const void *what)
{
    if (x->buf == what || x->var == what || x->let == what)
        return true;
    for (int i = 0; i < x->args; i++)
        if (value_uses(x->arg[i], what))
            return true;
    return false;
}

static bool block_uses(const struct lblock *b, const void *what);

static bool statement_uses(const struct ls *s, const void *what)
{
    if (s->buf == what || (s->value && value_uses(s->value, what)))
        return true;
    for (int i = 0; s->kind == LS_STORE && i < s->buf->rank; i++)
        if (value_uses(s->index[i], what))
            return true;
    if (s->kind == LS_LOOP && (value_uses(s->begin, what) || value_uses(s->end, what)))
        return true;
    return block_uses(&s->body, what) || block_uses(&s->other, what);
}

static bool block_uses(const struct lblock *b, const void *what)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if (statement_uses(s, what))
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

/* What the part takes besides its iterations, as parameters and as they are given. */
struct passed {
    struct arena *arena;
    struct text *parameters, *given;
    size_t column;
};

static void pass(struct passed *p, const char *parameter, const char *name)
{
    c_parameter(p->parameters, &p->column, parameter);
    text_add(p->given, ", %s", name);
}

static void pass_int(struct passed *p, const char *name)
{
    pass(p, arena_printf(p->arena, "int %s", name), name);
}

static void pass_arguments(struct passed *p, const struct lkernel *k, const struct ls *loop)
{
    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next) {
        if (!block_uses(&loop->body, b))
            continue;
        pass(p, c_argument(k, b), b->name);
        if (b->streamed)
            pass_int(p, arena_printf(p->arena, "nn_far_%s", b->name));
    }
}

/* What is declared beside a loop: a let and a scalar as they are, an array by its place. */
static void pass_declared(struct passed *p, const struct lkernel *k, const struct ls *s)
{
    if (s->kind == LS_LET)
        pass(p, arena_printf(p->arena, "%s %s", c_value_type(k, s->value->dtype, false), s->name), s->name);
    else if (!s->buf->rank)
        pass(p, arena_printf(p->arena, "%s %s", c_value_type(k, s->buf->dtype, false), s->buf->name), s->buf->name);
    else
        pass(p, c_argument(k, s->buf), s->buf->name);
}

/* Of all blocks around the loop, from b inwards. */
static void pass_outer(struct passed *p, const struct lkernel *k, const struct lblock *b, const struct ls *loop)
{
    for (const struct ls *s = b->first; s && s != loop; s = s->next) {
        if ((s->kind == LS_LET && block_uses(&loop->body, s)) ||
            (s->kind == LS_LOCAL && block_uses(&loop->body, s->buf)))
            pass_declared(p, k, s);
        if (s->kind == LS_LOOP && holds(&s->body, loop) && block_uses(&loop->body, s->var))
            pass_int(p, s->var->name);
        if (holds(&s->body, loop))
            pass_outer(p, k, &s->body, loop);
        if (holds(&s->other, loop))
            pass_outer(p, k, &s->other, loop);
    }
}

/* A kernel's parameter that the part uses is used in the kernel too. */
static void pass_params(struct passed *p, struct c_kernel *c, uint64_t used)
{
    for (int i = 0; i < c->k->params; i++)
        if (used >> (i & 63) & 1)
            pass_int(p, c->k->param[i]->name);
    c->uses_param |= used;
}

static void print_function(struct c_kernel *c, const struct ls *loop, const char *name, struct text *given)
{
    struct text body = text_make(c->k->arena);
    struct c_kernel part = { .t = &body, .k = c->k, .depth = 1, .part = loop, .before = c->before };
    c_loop(&part, loop);

    size_t start = c->before->length;
    text_add(c->before, "static NN_PART %svoid %s(int nn_begin, int nn_end", c_tight(&loop->body), name);
    struct passed p = { c->k->arena, c->before, given, c->before->length - start };
    if (c_needs_run(&loop->body))
        pass(&p, "const nn_context *run", "run");
    if (part.uses_n)
        pass_int(&p, "n");
    pass_arguments(&p, c->k, loop);
    pass_outer(&p, c->k, &c->k->body, loop);
    pass_params(&p, c, part.uses_param);
    text_puts(c->before, ")\n{\n");
    c_bound(c->before, &part, &loop->body);
    text_add(c->before, "%s}\n\n", text_string(&body));
    c->uses_n |= part.uses_n;
}

void c_in_threads(struct c_kernel *c, const struct ls *loop)
{
    const char *name = arena_printf(c->k->arena, "%s_%s", c->k->name, loop->var->name);
    struct text given = text_make(c->k->arena);

    print_function(c, loop, name, &given);
    c_indent(c);
    text_puts(c->t, "NN_IN_THREADS(");
    c_worth(c, loop);
    text_puts(c->t, ", ");
    c_expr(c, loop->begin, C_CHOICE);
    text_puts(c->t, ", ");
    c_expr(c, loop->end, C_CHOICE);
    text_add(c->t, ", %lld, %s%s);\n", (long long)loop->step, name, text_string(&given));
}
