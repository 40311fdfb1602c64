/* ir/loop_print.c: kernels as text, as in loop.h's picture.
 *
 *     kernel NAME [f64] (n <= N, [arguments and i32 parameters]) -> (results)   # origin
 *
 * Results are the arguments at the end of the list that are written. Blocks are indented. + - * / and comparisons are
 * written infix for reals and for indices, which cannot meet; everything else, and elementwise operations of other
 * types, as calls by the operation's name. Parentheses stand only where the tree needs them. */
#include "ir/loop.h"

#include <math.h>
#include <string.h>

enum { P_CHOICE, P_COMPARE, P_SUM, P_PRODUCT, P_UNARY, P_ATOM };

struct infix {
    const char *sign;
    int precedence;
};

static struct infix elementwise_infix(enum op op)
{
    switch (op) {
    case OP_add: return (struct infix){ "+", P_SUM };
    case OP_sub: return (struct infix){ "-", P_SUM };
    case OP_mul: return (struct infix){ "*", P_PRODUCT };
    case OP_div: return (struct infix){ "/", P_PRODUCT };
    case OP_eq: return (struct infix){ "==", P_COMPARE };
    case OP_ne: return (struct infix){ "!=", P_COMPARE };
    case OP_lt: return (struct infix){ "<", P_COMPARE };
    case OP_le: return (struct infix){ "<=", P_COMPARE };
    case OP_gt: return (struct infix){ ">", P_COMPARE };
    case OP_ge: return (struct infix){ ">=", P_COMPARE };
    default: return (struct infix){ NULL, P_ATOM };
    }
}

/* The sign between the two operands of x, or none. */
static struct infix infix_of(const struct lx *x)
{
    switch (x->kind) {
    case LX_IADD: return (struct infix){ "+", P_SUM };
    case LX_ISUB: return (struct infix){ "-", P_SUM };
    case LX_IMUL: return (struct infix){ "*", P_PRODUCT };
    case LX_IDIV: return (struct infix){ "/", P_PRODUCT };
    case LX_IMOD: return (struct infix){ "%", P_PRODUCT };
    case LX_ILT: return (struct infix){ "<", P_COMPARE };
    case LX_ILE: return (struct infix){ "<=", P_COMPARE };
    case LX_IEQ: return (struct infix){ "==", P_COMPARE };
    case LX_ELEM:
        if (x->args == 2 && x->arg[0]->dtype == DT_REAL && x->arg[1]->dtype == DT_REAL)
            return elementwise_infix(x->op);
        break;
    default: break;
    }
    return (struct infix){ NULL, P_ATOM };
}

static void print(struct text *t, const struct lx *x, int precedence);

static void print_list(struct text *t, struct lx *const *arg, int count)
{
    for (int i = 0; i < count; i++) {
        if (i)
            text_puts(t, ", ");
        print(t, arg[i], P_CHOICE);
    }
}

static void print_index(struct text *t, struct lx *const *index, int rank)
{
    for (int i = 0; i < rank; i++) {
        text_putc(t, i ? ',' : '[');
        print(t, index[i], P_CHOICE);
    }
    if (rank)
        text_putc(t, ']');
}

static void print_attr(struct text *t, const struct attr *a)
{
    text_add(t, ", %s = ", a->name);
    switch (a->kind) {
    case AT_INT: text_add(t, "%lld", (long long)a->i); break;
    case AT_REAL: text_real(t, a->real); break;
    case AT_BOOL: text_puts(t, a->flag ? "true" : "false"); break;
    case AT_WORD: text_puts(t, a->word); break;
    case AT_INTS:
    case AT_DIMS:
        text_putc(t, '[');
        for (int i = 0; i < a->count; i++) {
            if (i)
                text_putc(t, ',');
            text_dim(t, a->kind == AT_INTS ? dim_of(a->ints[i]) : a->dims[i]);
        }
        text_putc(t, ']');
        break;
    }
}

static void print_drawn(struct text *t, const struct lx *x)
{
    text_add(t, "%s(", op_info(x->op)->name);
    print(t, x->arg[0], P_CHOICE);
    for (int i = 0; i < x->attrs; i++)
        print_attr(t, &x->attr[i]);
    text_putc(t, ')');
}

static void print_call(struct text *t, const char *name, const struct lx *x)
{
    text_add(t, "%s(", name);
    print_list(t, x->arg, x->args);
    text_putc(t, ')');
}

/* The minus of a constant belongs to the constant, so its negation is a call. */
static void print_element(struct text *t, const struct lx *x)
{
    if (x->op == OP_cast) {
        print_call(t, x->dtype == DT_REAL ? "real" : dtype_name(x->dtype, false), x);
    } else if (x->op == OP_neg && x->dtype == DT_REAL && x->arg[0]->kind != LX_REAL) {
        text_putc(t, '-');
        print(t, x->arg[0], P_UNARY);
    } else {
        print_call(t, op_info(x->op)->name, x);
    }
}

static void print_plain(struct text *t, const struct lx *x)
{
    switch (x->kind) {
    case LX_INT: text_add(t, "%lld", (long long)x->i); break;
    case LX_REAL: text_real(t, x->real); break;
    case LX_FLAG: text_puts(t, x->i ? "true" : "false"); break;
    case LX_VAR: text_puts(t, x->var->name); break;
    case LX_BATCH: text_putc(t, 'n'); break;
    case LX_IMIN: print_call(t, "imin", x); break;
    case LX_IMAX: print_call(t, "imax", x); break;
    case LX_ELEM: print_element(t, x); break;
    case LX_FMA: print_call(t, "fma", x); break;
    case LX_LOAD:
        text_puts(t, x->buf->name);
        print_index(t, x->arg, x->args);
        break;
    case LX_LET: text_puts(t, x->let->name); break;
    case LX_FOLD: text_add(t, "fold(%s, %s)", op_info(x->op)->name, x->buf->name); break;
    case LX_RANDOM:
    case LX_HYPER: print_drawn(t, x); break;
    default: bug("no text for an expression of kind %d", (int)x->kind);
    }
}

static int precedence_of(const struct lx *x)
{
    if (x->kind == LX_GUARD)
        return P_CHOICE;
    if (x->kind == LX_ELEM && x->op == OP_neg && x->dtype == DT_REAL && x->arg[0]->kind != LX_REAL)
        return P_UNARY;
    if ((x->kind == LX_INT && x->i < 0) || (x->kind == LX_REAL && signbit(x->real)))
        return P_UNARY;
    return infix_of(x).precedence;
}

/* Operators of one precedence group to the left; comparisons and choices not at all. */
static void print(struct text *t, const struct lx *x, int precedence)
{
    struct infix in = infix_of(x);
    bool bracket = precedence_of(x) < precedence;

    if (bracket)
        text_putc(t, '(');
    if (x->kind == LX_GUARD) {
        print(t, x->arg[0], P_COMPARE);
        text_puts(t, " ? ");
        print(t, x->arg[1], P_COMPARE);
        text_puts(t, " : ");
        print(t, x->arg[2], P_COMPARE);
    } else if (in.sign) {
        print(t, x->arg[0], in.precedence == P_COMPARE ? P_SUM : in.precedence);
        text_add(t, " %s ", in.sign);
        print(t, x->arg[1], in.precedence + 1);
    } else {
        print_plain(t, x);
    }
    if (bracket)
        text_putc(t, ')');
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static void indent(struct text *t, int depth)
{
    for (int i = 0; i < depth; i++)
        text_puts(t, "  ");
}

static void print_block(struct text *t, const struct lblock *b, int depth);

static void print_loop(struct text *t, const struct ls *s, int depth)
{
    static const char *const licences[] = { "par", "red", "seq" };
    static const char *const ways[] = { "", " vector", " unroll", " threads", " wide", " wider", " square", " part" };

    text_add(t, "for %s in ", s->var->name);
    print(t, s->begin, P_SUM);
    text_puts(t, "..");
    print(t, s->end, P_SUM);
    if (s->step != 1)
        text_add(t, " step %lld", (long long)s->step);
    if (s->by)
        text_add(t, " by %lld", (long long)s->by);
    if (s->parts)
        text_add(t, " parts %lld", (long long)s->parts);
    text_add(t, " %s%s", licences[s->licence], ways[s->way]);
    if (s->least)
        text_add(t, " from %lld", (long long)s->least);
    text_puts(t, "\n");
    print_block(t, &s->body, depth + 1);
}

static void print_buffer(struct text *t, const struct lbuf *b)
{
    text_add(t, "%s : ", b->name);
    text_type(t, type_make(b->dtype, b->rank, b->shape), b->kernel->f64);
    if (b->axis)
        text_add(t, " of %lld at %d", (long long)b->steps, b->axis);
    text_puts(t, b->streamed ? " streamed" : "");
}

static void print_local(struct text *t, const struct ls *s)
{
    text_puts(t, s->buf->space == SPACE_TILE ? "tile " : "local ");
    print_buffer(t, s->buf);
    if (s->value) {
        text_puts(t, " = ");
        print(t, s->value, P_CHOICE);
    }
    text_putc(t, '\n');
}

static void print_if(struct text *t, const struct ls *s, int depth)
{
    text_puts(t, "if ");
    print(t, s->value, P_CHOICE);
    text_putc(t, '\n');
    print_block(t, &s->body, depth + 1);
    if (!s->other.first)
        return;
    indent(t, depth);
    text_puts(t, "else\n");
    print_block(t, &s->other, depth + 1);
}

static void print_statement(struct text *t, const struct ls *s, int depth)
{
    indent(t, depth);
    switch (s->kind) {
    case LS_LOOP: print_loop(t, s, depth); return;
    case LS_IF: print_if(t, s, depth); return;
    case LS_LOCAL: print_local(t, s); return;
    case LS_PREFETCH:
        text_puts(t, "prefetch ");
        print(t, s->value, P_CHOICE);
        text_putc(t, '\n');
        return;
    case LS_LET: text_add(t, "let %s", s->name); break;
    case LS_STORE:
        text_puts(t, s->buf->name);
        print_index(t, s->index, s->buf->rank);
        break;
    }
    text_puts(t, " = ");
    print(t, s->value, P_CHOICE);
    text_putc(t, '\n');
}

static void print_block(struct text *t, const struct lblock *b, int depth)
{
    for (const struct ls *s = b->first; s; s = s->next)
        print_statement(t, s, depth);
}

/* The first of the arguments at the end of the list that are written. */
static const struct lbuf *first_result(const struct lkernel *k)
{
    const struct lbuf *first = NULL;

    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next) {
        if (!b->written)
            first = NULL;
        else if (!first)
            first = b;
    }
    return first;
}

void print_kernel(struct text *t, const struct lkernel *k)
{
    const struct lbuf *result = first_result(k), *b = k->buffers;

    text_add(t, "kernel %s%s%s (n <= %lld", k->name, k->f64 ? " f64" : "", k->parts ? " parts" : "",
             (long long)k->batch);
    for (; b && b->space == SPACE_ARGUMENT && b != result; b = b->next) {
        text_puts(t, ", ");
        print_buffer(t, b);
    }
    for (int i = 0; i < k->params; i++)
        text_add(t, ", %s : i32", k->param[i]->name);
    text_puts(t, ") -> (");
    for (; b && b->space == SPACE_ARGUMENT; b = b->next) {
        print_buffer(t, b);
        if (b->next && b->next->space == SPACE_ARGUMENT)
            text_puts(t, ", ");
    }
    text_add(t, ")%s%s\n", *k->origin ? "   # " : "", k->origin);
    print_block(t, &k->body, 1);
}
