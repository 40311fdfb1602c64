/* ir/loop_eval.c: runs a kernel, statement by statement, in double: the reference for what c_print.c writes. Asked to
 * round, it computes as an f32 machine without multiply-adds does. Loops run in the order given, whatever their way.
 * Every access is checked: one out of bounds, and every index beyond 32 bits, is a bug of what made the kernel. */
#include <math.h>

#include "ir/element.h"
#include "ir/loop.h"

struct memory {
    double *data;
    int64_t size[MAX_RANK];
    int64_t count;
};

struct eval {
    const struct lkernel *k;
    const struct loop_run *run;
    struct arena *arena;
    struct memory *memory; /* by buffer, which carries its number in its scratch */
};

/* Values of variables and lets live in their statements' scratch for the time of the run. */
static double *slot(void *scratch)
{
    return scratch;
}

static struct memory *memory_of(struct eval *e, const struct lbuf *b)
{
    return &e->memory[(uintptr_t)b->data];
}

static double value(struct eval *e, const struct lx *x);

/* --- memory ------------------------------------------------------------------------------------------------------- */

static double *element_at(struct eval *e, const struct lbuf *b, struct lx *const *index)
{
    struct memory *m = memory_of(e, b);
    int64_t at = 0;

    for (int i = 0; i < b->rank; i++) {
        int64_t j = (int64_t)value(e, index[i]);
        if (j < 0 || j >= m->size[i])
            bug("%s: index %d of %s is %lld, outside 0..%lld", e->k->name, i, b->name, (long long)j,
                (long long)m->size[i] - 1);
        at = at * m->size[i] * (i == b->axis ? b->steps : 1) + j;
    }
    return &m->data[at];
}

static void shape_memory(struct eval *e, const struct lbuf *b)
{
    struct memory *m = memory_of(e, b);

    m->count = 1;
    for (int i = 0; i < b->rank; i++) {
        m->size[i] = dim_size(b->shape[i], e->run->n);
        m->count *= m->size[i];
    }
}

/* --- expressions -------------------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static double index_value(struct eval *e, const struct lx *x)
{
    int64_t a = (int64_t)value(e, x->arg[0]), b = (int64_t)value(e, x->arg[1]), y = 0;

    if ((x->kind == LX_IDIV || x->kind == LX_IMOD) && b < 1)
        bug("%s: an index is divided by %lld", e->k->name, (long long)b);
    switch (x->kind) {
    case LX_IADD: y = a + b; break;
    case LX_ISUB: y = a - b; break;
    case LX_IMUL: y = a * b; break;
    case LX_IDIV: y = floor_div(a, b); break;
    case LX_IMOD: y = a - floor_div(a, b) * b; break;
    case LX_IMIN: y = a < b ? a : b; break;
    case LX_IMAX: y = a > b ? a : b; break;
    case LX_ILT: return a < b;
    case LX_ILE: return a <= b;
    default: return a == b;
    }
    if (y < INT32_MIN || y > INT32_MAX)
        bug("%s: an index is %lld", e->k->name, (long long)y);
    if (y < x->low || y > x->high)
        bug("%s: an index is %lld and was thought to be within %lld..%lld", e->k->name, (long long)y, (long long)x->low,
            (long long)x->high);
    return (double)y;
}

static double rounded(const struct eval *e, double x)
{
    return e->run->rounded && !e->k->f64 ? (double)(float)x : x;
}

static double multiply_add(struct eval *e, const struct lx *x)
{
    double product = rounded(e, value(e, x->arg[0]) * value(e, x->arg[1]));
    return rounded(e, product + value(e, x->arg[2]));
}

static double elementwise(struct eval *e, const struct lx *x)
{
    double a[4];

    for (int i = 0; i < x->args; i++)
        a[i] = value(e, x->arg[i]);
    if (x->op == OP_rsqrt)
        return rounded(e, 1 / rounded(e, sqrt(a[0])));
    if (x->op == OP_cast) {
        a[0] = element_cast(a[0], x->arg[0]->dtype, x->dtype);
        return x->dtype == DT_REAL ? rounded(e, a[0]) : a[0];
    }
    double y = element_map(x->op, x->op == OP_select ? x->dtype : x->arg[0]->dtype, a);
    return x->dtype == DT_REAL ? rounded(e, y) : y;
}

/* Where a batch goes in parts: how many elements of a random tensor the samples before this part have. */
static int64_t elements_before(const struct eval *e, const struct lx *x)
{
    return e->k->parts ? e->run->first * lx_elements_of_sample(x) : 0;
}

static double value(struct eval *e, const struct lx *x)
{
    switch (x->kind) {
    case LX_INT:
    case LX_FLAG: return (double)x->i;
    case LX_REAL: return rounded(e, x->real);
    case LX_BATCH: return (double)e->run->n;
    case LX_VAR:
        for (int i = 0; !x->var->loop && i < e->k->params; i++) {
            if (e->k->param[i] == x->var)
                return (double)e->run->param[i];
        }
        return *slot(x->var->loop->data);
    case LX_LET: return *slot(x->let->data);
    case LX_ELEM: return elementwise(e, x);
    case LX_FMA: return multiply_add(e, x);
    case LX_LOAD: return *element_at(e, x->buf, x->arg);
    case LX_GUARD: return value(e, x->arg[value(e, x->arg[0]) != 0 ? 1 : 2]);
    case LX_FOLD: return element_fold(x->op, memory_of(e, x->buf)->data);
    case LX_RANDOM:
        return element_random(x->op, x->attr, x->attrs, e->k->f64, e->run->seed, e->run->step,
                              (uint64_t)(elements_before(e, x) + (int64_t)value(e, x->arg[0])));
    case LX_HYPER: return element_hyper(x->op, x->attr, x->attrs, (int64_t)value(e, x->arg[0]), e->run->lr_override);
    default: return index_value(e, x);
    }
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static void block(struct eval *e, const struct lblock *b);

static void loop(struct eval *e, const struct ls *s)
{
    int64_t end = (int64_t)value(e, s->end);

    for (int64_t i = (int64_t)value(e, s->begin); i < end; i += s->step) {
        *slot(s->data) = (double)i;
        block(e, &s->body);
    }
}

/* What a local holds before it is stored to must not matter: it is made NaN. */
static void local(struct eval *e, const struct ls *s)
{
    struct memory *m = memory_of(e, s->buf);
    double start = s->value ? value(e, s->value) : 0.0 / 0.0;

    for (int64_t i = 0; i < m->count; i++)
        m->data[i] = start;
}

static void statement(struct eval *e, const struct ls *s)
{
    double x;

    switch (s->kind) {
    case LS_LOOP: loop(e, s); break;
    case LS_LET: *slot(s->data) = value(e, s->value); break;
    case LS_PREFETCH: value(e, s->value); break; /* it has to be there */
    case LS_STORE:
        x = value(e, s->value);
        *element_at(e, s->buf, s->index) = x;
        break;
    case LS_IF: block(e, value(e, s->value) != 0 ? &s->body : &s->other); break;
    case LS_LOCAL: local(e, s); break;
    }
}

static void block(struct eval *e, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next)
        statement(e, s);
}

static void give_slots(struct arena *a, const struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        s->data = NEW(a, double);
        give_slots(a, &s->body);
        give_slots(a, &s->other);
    }
}

void eval_kernel(struct arena *a, const struct lkernel *k, const struct loop_run *r)
{
    struct eval e = { .k = k, .run = r, .arena = a };
    size_t buffers = 0, argument = 0;

    for (struct lbuf *b = k->buffers; b; b = b->next)
        b->data = (void *)buffers++;
    e.memory = NEW_ARRAY(a, buffers + 1, struct memory);
    for (const struct lbuf *b = k->buffers; b; b = b->next) {
        struct memory *m = memory_of(&e, b);
        shape_memory(&e, b);
        m->data = b->space == SPACE_ARGUMENT ? r->argument[argument++] : NEW_ARRAY(a, m->count, double);
    }
    give_slots(a, &k->body);
    block(&e, &k->body);
}
