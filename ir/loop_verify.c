/* ir/loop_verify.c: what must hold of a kernel: names are used where they are visible, types agree, indices fit in 32
 * bits, vector loops can be ones. Says what is wrong through diag, naming the kernel and the statement. */
#include "ir/loop.h"

#include <string.h>

#include "ir/loop_lanes.h"

enum { MAX_LOCAL = 1 << 18 }; /* elements of a local array: it lies on the stack */

struct verify {
    struct lkernel *k;
    struct diag *d;
    int *seen; /* by expression: the last statement that was found to use it rightly */
    int statement;
    const struct ls *lanes; /* the vector loop around */
    int errors;
    bool too_large; /* was said */
};

#define wrong(v, ...) (diag_error((v)->d, (struct place){ .file = (v)->k->name }, __VA_ARGS__), (v)->errors++)

/* What needs the index i is a size of the model, and the model's fault: said once of a kernel, where the model asks for it. */
static void too_large(struct verify *v, int64_t i)
{
    bool known = v->k->at.line > 0;

    if (!v->too_large)
        diag_error_hint(v->d, known ? v->k->at : (struct place){ .file = v->k->name }, NULL, NULL,
                        *v->k->origin ? arena_printf(v->k->arena, "what is computed there: %s", v->k->origin) : NULL,
                        "too large: an index would have to reach %lld, and indices end at %d (2^31 - 1)", (long long)i,
                        INT32_MAX);
    v->too_large = true;
    v->errors++;
}

static const char *words(const struct verify *v, enum dtype t)
{
    return dtype_name(t, v->k->f64);
}

/* --- expressions -------------------------------------------------------------------------------------------------- */

static void check(struct verify *v, struct lx *x);

static void check_type(struct verify *v, const struct lx *x, enum dtype t, const char *what)
{
    if (x->dtype != t)
        wrong(v, "%s is to be %s and is %s", what, words(v, t), words(v, x->dtype));
}

static void check_arith(struct verify *v, const struct lx *x, bool reals_only)
{
    const char *name = op_info(x->op)->name;

    for (int i = 0; i < x->args; i++)
        check_type(v, x->arg[i], x->arg[0]->dtype, name);
    check_type(v, x, x->arg[0]->dtype, name);
    if (x->dtype != DT_REAL && (reals_only || x->dtype != DT_I32))
        wrong(v, "%s is not defined for %s", name, words(v, x->dtype));
}

static void check_compare(struct verify *v, const struct lx *x)
{
    const char *name = op_info(x->op)->name;

    check_type(v, x->arg[1], x->arg[0]->dtype, name);
    check_type(v, x, DT_BOOL, name);
    if (x->arg[0]->dtype != DT_REAL && x->arg[0]->dtype != DT_I32)
        wrong(v, "%s does not compare %s", name, words(v, x->arg[0]->dtype));
}

static void check_select(struct verify *v, const struct lx *x)
{
    check_type(v, x->arg[0], DT_BOOL, "what select chooses by");
    check_type(v, x->arg[1], x->dtype, "select");
    check_type(v, x->arg[2], x->dtype, "select");
}

static void check_element(struct verify *v, const struct lx *x)
{
    const char *rule = op_info(x->op)->type_rule;
    struct op_signature g = op_signature(x->op);

    if (x->args != g.operands || g.variadic || (!op_info(x->op)->element && x->op != OP_cast)) {
        wrong(v, "%s of %d operands is no elementwise operation", op_info(x->op)->name, x->args);
        return;
    }
    if (!strcmp(rule, "arith") || !strcmp(rule, "real")) {
        check_arith(v, x, !strcmp(rule, "real"));
    } else if (!strcmp(rule, "compare")) {
        check_compare(v, x);
    } else if (!strcmp(rule, "select")) {
        check_select(v, x);
    } else if (!strcmp(rule, "logic")) {
        for (int i = 0; i < x->args; i++)
            check_type(v, x->arg[i], DT_BOOL, op_info(x->op)->name);
        check_type(v, x, DT_BOOL, op_info(x->op)->name);
    }
}

static void check_index(struct verify *v, const struct lx *x)
{
    check_type(v, x->arg[0], DT_I32, "an index");
    check_type(v, x->arg[1], DT_I32, "an index");
    if ((x->kind == LX_IDIV || x->kind == LX_IMOD) && x->arg[1]->low < 1)
        wrong(v, "the divisor of an index can be %lld", (long long)x->arg[1]->low);
    if (x->dtype == DT_I32 && (x->low < INT32_MIN || x->high > INT32_MAX))
        too_large(v, x->high > INT32_MAX ? x->high : x->low);
}

static void check_place(struct verify *v, const struct lbuf *b, struct lx *const *index)
{
    if (b->space != SPACE_ARGUMENT && b->data != v)
        wrong(v, "%s is used where it is not declared", b->name);
    if (b->space == SPACE_TILE && !v->lanes)
        wrong(v, "%s is a tile and used outside of vector loops", b->name);
    for (int i = 0; i < b->rank; i++)
        check_type(v, index[i], DT_I32, b->name);
}

static void check_fold(struct verify *v, const struct lx *x)
{
    const struct lbuf *b = x->buf;

    if (b->rank != 1 || b->shape[0].n || b->shape[0].k != 16 || b->space != SPACE_ARRAY || b->dtype != DT_REAL)
        wrong(v, "a fold is of a local array of 16 reals, %s is not", b->name);
    else if (b->data != v)
        wrong(v, "%s is used where it is not declared", b->name);
    if (x->op != OP_add && x->op != OP_mul && x->op != OP_max && x->op != OP_min)
        wrong(v, "no fold by %s", op_info(x->op)->name);
}

static void check_name(struct verify *v, const struct lx *x)
{
    if (x->kind == LX_LET && x->let->data != v)
        wrong(v, "%s is used where it is not visible", x->let->name);
    if (x->kind == LX_VAR && x->var->loop && x->var->loop->data != v)
        wrong(v, "%s is used outside of its loop", x->var->name);
}

static void check_node(struct verify *v, const struct lx *x)
{
    switch (x->kind) {
    case LX_INT:
        if (x->i < INT32_MIN || x->i > INT32_MAX)
            too_large(v, x->i);
        break;
    case LX_REAL:
    case LX_FLAG:
    case LX_BATCH: break;
    case LX_VAR:
    case LX_LET: check_name(v, x); break;
    case LX_IADD:
    case LX_ISUB:
    case LX_IMUL:
    case LX_IDIV:
    case LX_IMOD:
    case LX_IMIN:
    case LX_IMAX:
    case LX_ILT:
    case LX_ILE:
    case LX_IEQ: check_index(v, x); break;
    case LX_ELEM: check_element(v, x); break;
    case LX_FMA:
        for (int i = 0; i < 3; i++)
            check_type(v, x->arg[i], DT_REAL, "fma");
        break;
    case LX_LOAD: check_place(v, x->buf, x->arg); break;
    case LX_GUARD:
        check_type(v, x->arg[0], DT_BOOL, "a guard's condition");
        check_type(v, x->arg[2], x->arg[1]->dtype, "a guard");
        break;
    case LX_FOLD: check_fold(v, x); break;
    case LX_RANDOM:
    case LX_HYPER: check_type(v, x->arg[0], DT_I32, op_info(x->op)->name); break;
    }
}

static void check(struct verify *v, struct lx *x)
{
    if (v->seen[x->id] == v->statement || diag_full(v->d))
        return;
    v->seen[x->id] = v->statement;
    for (int i = 0; i < x->args; i++)
        check(v, x->arg[i]);
    check_node(v, x);
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static void check_block(struct verify *v, struct lblock *b);

static void check_way(struct verify *v, struct ls *s)
{
    const char *name = s->var->name;

    if (s->way == WAY_UNROLL && loop_trips(s) < 0)
        wrong(v, "loop %s is to be unrolled, and its bounds are no constants", name);
    if (s->way == WAY_THREADS && s->licence != LICENCE_PAR)
        wrong(v, "loop %s runs in threads, and its iterations are ordered", name);
    if (s->least < 0 || s->least > v->k->batch || (s->least && s->way != WAY_THREADS))
        wrong(v, "loop %s runs in threads from %lld samples of %lld", name, (long long)s->least,
              (long long)v->k->batch);
    if (s->by && (s->step % s->by || s->licence != LICENCE_PAR || s->end->kind != LX_LET))
        wrong(v, "loop %s cannot be cut by %lld: its step is a multiple of that, its end a name", name,
              (long long)s->by);
    if (s->parts && (s->by || s->licence != LICENCE_PAR))
        wrong(v, "loop %s goes in parts, and its iterations are ordered, or it is cut elsewhere", name);
    if (s->way == WAY_PART && (s->licence != LICENCE_PAR || loop_trips(s) < 0))
        wrong(v, "loop %s goes in parts, and its iterations are ordered, or its bounds no constants", name);
    struct square square;
    if (s->way == WAY_SQUARE && !loop_square(v->k, s, &square))
        wrong(v, "loop %s is no square", name);
    if (loop_in_lanes(s)) {
        struct lanes l = lanes_of(v->k, s);
        if (v->lanes)
            wrong(v, "vector loop %s stands in another, %s", name, v->lanes->var->name);
        else if (l.why)
            wrong(v, "loop %s cannot run in lanes: %s", name, l.why);
    }
}

static void check_loop(struct verify *v, struct ls *s)
{
    const struct ls *outer = v->lanes;

    check(v, s->begin);
    check(v, s->end);
    check_type(v, s->begin, DT_I32, "a bound");
    check_type(v, s->end, DT_I32, "a bound");
    if (s->var->loop != s)
        wrong(v, "the variable %s belongs to another loop", s->var->name);
    s->data = v;
    v->lanes = loop_in_lanes(s) ? s : outer;
    check_block(v, &s->body);
    v->lanes = outer;
    s->data = NULL;
}

static void check_local(struct verify *v, const struct ls *s)
{
    const struct lbuf *b = s->buf;
    int64_t count = 1;

    for (int i = 0; i < b->rank; i++) {
        if (b->shape[i].n)
            wrong(v, "local %s has the size of the batch", b->name);
        if (b->shape[i].k < 1 || b->shape[i].k > MAX_LOCAL || (count *= b->shape[i].k) > MAX_LOCAL) {
            wrong(v, "local %s is too large or empty", b->name);
            return;
        }
    }
    if (s->value)
        check_type(v, s->value, b->dtype, b->name);
    if (s->value && b->rank)
        wrong(v, "local %s is no scalar and cannot start as a value", b->name);
    if (b->space == SPACE_TILE && (!b->rank || b->shape[b->rank - 1].k % 16 || b->dtype != DT_REAL))
        wrong(v, "a tile is of reals and its last axis a multiple of 16, %s is not", b->name);
}

static void check_statement(struct verify *v, struct ls *s)
{
    v->statement++;
    for (int i = 0; s->kind == LS_STORE && i < s->buf->rank; i++)
        check(v, s->index[i]);
    if (s->value)
        check(v, s->value);
    switch (s->kind) {
    case LS_LOOP: check_loop(v, s); break;
    case LS_LET: s->data = v; break;
    case LS_LOCAL:
        check_local(v, s);
        s->buf->data = v;
        break;
    case LS_STORE:
        check_place(v, s->buf, s->index);
        check_type(v, s->value, s->buf->dtype, s->buf->name);
        break;
    case LS_PREFETCH:
        if (s->value->kind != LX_LOAD || s->value->buf->space != SPACE_ARGUMENT)
            wrong(v, "a prefetch is of an argument's element");
        break;
    case LS_IF:
        check_type(v, s->value, DT_BOOL, "a condition");
        check_block(v, &s->body);
        check_block(v, &s->other);
        break;
    }
}

/* What a block declares is visible to its end. */
static void check_block(struct verify *v, struct lblock *b)
{
    for (struct ls *s = b->first; s && !diag_full(v->d); s = s->next)
        check_statement(v, s);
    for (struct ls *s = b->first; s; s = s->next) {
        s->data = NULL;
        if (s->kind == LS_LOCAL)
            s->buf->data = NULL;
    }
}

/* After the rest: lanes_of has the same scratch. */
static void check_ways(struct verify *v, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        const struct ls *outer = v->lanes;
        if (s->kind == LS_LOOP)
            check_way(v, s);
        if (s->kind == LS_LOOP && loop_in_lanes(s))
            v->lanes = s;
        check_ways(v, &s->body);
        check_ways(v, &s->other);
        v->lanes = outer;
    }
}

bool verify_kernel(struct lkernel *k, struct diag *d)
{
    struct verify v = { .k = k, .d = d, .seen = NEW_ARRAY(k->arena, k->expressions + 1, int) };

    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next) {
        int64_t count;
        if (b->dtype == DT_POISON || !type_count_checked(lbuf_memory(b), k->batch, &count))
            wrong(&v, "argument %s is too large", b->name);
        if (b->streamed && (b->read || b->dtype != DT_REAL))
            wrong(&v, "argument %s is streamed: reals that are not read", b->name);
    }
    check_block(&v, &k->body);
    if (!v.errors)
        check_ways(&v, &k->body);
    return !v.errors;
}
