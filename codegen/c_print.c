/* codegen/c_print.c: kernels as C functions. The only writer of statements; it decides nothing.
 *
 *     for o in 0..128 par vector                  for (int o = 0; o < 128; o += NN_L) {
 *       local acc : f32[] = b[o]                      nn_v acc = nn_load(&b[o]);
 *       for k in 0..784 red                  =>       for (int k = 0; k < 784; k++)
 *         acc = fma(h[i,k], w[k,o], acc)                  acc = nn_fma_v(nn_splat(h[i * 784 + k]), ..., acc);
 *       y[i,o] = max(acc, 0.0)                        nn_store(&y[i * 128 + o], nn_max_v(acc, nn_splat(0.0f)));
 *                                                 }
 *
 * A vector loop whose length is no constant multiple of 16 is followed by the same body for the scalars that are left.
 * In a wide loop whatever is a vector is an array of NN_WIDE (or NN_WIDER) of them, and each statement runs for all of them.
 * The first parameter is n, or before it `run` (nn_context) where the kernel draws random numbers or reads the step's
 * rates. */
#include "codegen/c_kernel.h"
#include "codegen/loop_work.h"
#include "codegen/codegen.h"

#include <string.h>

void c_indent(struct c_kernel *c)
{
    for (int i = 0; i < c->depth; i++)
        text_puts(c->t, "    ");
}

/* --- what a kernel needs ------------------------------------------------------------------------------------------ */

static bool needs_run(const struct lx *x)
{
    if (x->kind == LX_RANDOM || x->kind == LX_HYPER)
        return true;
    for (int i = 0; i < x->args; i++) {
        if (needs_run(x->arg[i]))
            return true;
    }
    return false;
}

bool c_needs_run(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if ((s->value && needs_run(s->value)) || c_needs_run(&s->body) || c_needs_run(&s->other))
            return true;
    }
    return false;
}

/* Whether registers are used in these statements: loops around them are unrolled, or they would live in memory. */
static bool reaches_tile(const struct lx *x)
{
    if (x->kind == LX_LOAD && x->buf->space == SPACE_TILE)
        return true;
    for (int i = 0; i < x->args; i++) {
        if (reaches_tile(x->arg[i]))
            return true;
    }
    return false;
}

static bool block_reaches_tile(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if ((s->kind == LS_STORE && s->buf->space == SPACE_TILE) || (s->value && reaches_tile(s->value)) ||
            block_reaches_tile(&s->body) || block_reaches_tile(&s->other))
            return true;
    }
    return false;
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static void print_block(struct c_kernel *c, const struct lblock *b);

/* How many vectors a wide loop takes at a time. */
static const char *vectors_of(const struct ls *wide)
{
    return wide->way == WAY_WIDER ? "NN_WIDER" : "NN_WIDE";
}

/* Before a statement of a wide loop that makes vectors. */
static void each_vector(struct c_kernel *c)
{
    c_indent(c);
    if (!c->wide)
        return;
    text_puts(c->t, "NN_UNROLL\n");
    c_indent(c);
    text_add(c->t, "for (int vec = 0; vec < %s; vec++)\n", vectors_of(c->wide));
    c->depth++;
    c_indent(c);
    c->depth--;
}

static bool on_lanes(const struct c_kernel *c, const struct lbuf *b)
{
    return c->lanes && (b->space == SPACE_TILE || lanes_local(c->lanes, b));
}

/* A value for a place that takes lanes or a scalar. */
static void print_value(struct c_kernel *c, struct lx *x, bool lanes)
{
    if (lanes)
        c_lanes(c, x);
    else
        c_expr(c, x, C_CHOICE);
}

static const char *lanes_store(enum dtype t)
{
    switch (t) {
    case DT_REAL: return "nn_store(&";
    case DT_I32: return "nn_store_i(&";
    case DT_U8: return "nn_store_u8(&";
    default: return "nn_store_b(&";
    }
}

static void print_scalar_store(struct c_kernel *c, const struct ls *s)
{
    bool byte = s->buf->dtype == DT_U8 || s->buf->dtype == DT_BOOL;
    bool narrow = byte && (s->buf->rank || s->buf->space == SPACE_ARGUMENT);

    c_element(c, s->buf, s->index);
    text_puts(c->t, narrow ? " = (uint8_t)" : " = ");
    c_expr(c, s->value, narrow ? C_POSTFIX : C_CHOICE);
    text_puts(c->t, ";\n");
}

static void print_store(struct c_kernel *c, const struct ls *s)
{
    if (!c->lanes) {
        c_indent(c);
        print_scalar_store(c, s);
        return;
    }
    each_vector(c);
    if (on_lanes(c, s->buf)) {
        c_element(c, s->buf, s->index);
        text_puts(c->t, " = ");
        c_lanes(c, s->value);
        text_puts(c->t, ";\n");
    } else {
        if (s->buf->streamed)
            text_add(c->t, "nn_stream(nn_far_%s, &", s->buf->name);
        else
            text_puts(c->t, lanes_store(s->buf->dtype));
        c_element(c, s->buf, s->index);
        text_puts(c->t, ", ");
        c_lanes(c, s->value);
        text_puts(c->t, ");\n");
    }
}

/* Kernels of the optimizer's scalars: a constant rate needs no step, a correction no run. */
static bool holds_hyper(const struct lkernel *k)
{
    for (size_t i = 0; i < k->table_size; i++)
        for (const struct lx *x = k->table[i]; x; x = x->chain)
            if (x->kind == LX_HYPER)
                return true;
    return false;
}

static void print_let(struct c_kernel *c, const struct ls *s)
{
    bool lanes = c->lanes && lanes_vary(c->lanes, s->value);

    if (lanes && c->wide) {
        c_indent(c);
        text_add(c->t, "%s %s[%s];\n", c_value_type(c->k, s->value->dtype, lanes), s->name, vectors_of(c->wide));
        each_vector(c);
        text_add(c->t, "%s[vec] = ", s->name);
    } else {
        c_indent(c);
        text_add(c->t, "const %s %s = ", c_value_type(c->k, s->value->dtype, lanes), s->name);
    }
    print_value(c, s->value, lanes);
    text_puts(c->t, ";\n");
    if (s->value->dtype == DT_I32 && holds_hyper(c->k)) { /* the step, which a constant rate does not ask for */
        c_indent(c);
        text_add(c->t, "(void)%s;\n", s->name);
    }
}

static void print_tile(struct c_kernel *c, const struct lbuf *b)
{
    text_add(c->t, "nn_v %s", b->name);
    for (int i = 0; i < b->rank; i++)
        text_add(c->t, i == b->rank - 1 ? "[%lld / NN_L]" : "[%lld]", (long long)b->shape[i].k);
    text_puts(c->t, ";\n");
}

static void print_local(struct c_kernel *c, const struct ls *s)
{
    const struct lbuf *b = s->buf;
    bool lanes = on_lanes(c, b);

    c_indent(c);
    if (b->space == SPACE_TILE) {
        print_tile(c, b);
        return;
    }
    if (b->rank && !lanes)
        text_puts(c->t, "NN_ALIGN(64) ");
    text_add(c->t, "%s %s", b->rank && !lanes ? c_element_type(c->k, b->dtype) : c_value_type(c->k, b->dtype, lanes),
             b->name);
    if (b->rank)
        text_add(c->t, "[%lld]", (long long)type_count(type_make(b->dtype, b->rank, b->shape), 1));
    if (lanes && c->wide)
        text_add(c->t, s->value ? "[%s];\n" : "[%s]", vectors_of(c->wide));
    if (s->value && lanes && c->wide) {
        each_vector(c);
        text_add(c->t, "%s[vec]", b->name);
    }
    if (s->value) {
        text_puts(c->t, " = ");
        print_value(c, s->value, lanes);
    }
    text_puts(c->t, ";\n");
}

static bool has_tail(const struct ls *s)
{
    return loop_trips(s) < 0 || loop_trips(s) % 16;
}

/* One statement of C that declares nothing. */
static bool is_simple(const struct lblock *b)
{
    const struct ls *s = b->first;

    if (!s || s->next || s->kind == LS_LET || s->kind == LS_LOCAL || s->kind == LS_IF)
        return false;
    return s->kind == LS_STORE || s->kind == LS_PREFETCH || s->way == WAY_PLAIN || s->way == WAY_SQUARE ||
           (s->way == WAY_UNROLL && is_simple(&s->body)) || (loop_in_lanes(s) && !has_tail(s) && is_simple(&s->body));
}

static void print_body(struct c_kernel *c, const struct lblock *b)
{
    bool simple = is_simple(b);

    text_puts(c->t, simple ? "\n" : " {\n");
    c->depth++;
    print_block(c, b);
    c->depth--;
    if (!simple) {
        c_indent(c);
        text_puts(c->t, "}\n");
    }
}

static void print_advance(struct c_kernel *c, const char *var, int64_t step)
{
    if (step == 1)
        text_add(c->t, "%s++)", var);
    else
        text_add(c->t, "%s += %lld)", var, (long long)step);
}

/* begin + at * trips / parts * step, which is where that part begins. */
static void print_border(struct c_kernel *c, const struct ls *s, const char *at)
{
    int64_t trips = loop_trips(s), parts = c->part->parts;

    if (s->begin->i)
        text_add(c->t, "%lld + ", (long long)s->begin->i);
    if (trips % parts == 0)
        text_add(c->t, "%s * %lld", at, (long long)(trips / parts * s->step));
    else
        text_add(c->t, "%s * %lld / %lld * %lld", at, (long long)trips, (long long)parts, (long long)s->step);
}

static void print_part(struct c_kernel *c, const struct ls *s)
{
    bool whole = loop_trips(s) * s->step == s->end->i - s->begin->i;

    text_add(c->t, "for (int %s = ", s->var->name);
    print_border(c, s, "nn_from");
    text_add(c->t, "; %s < %s", s->var->name, whole ? "" : "nn_min_i(");
    print_border(c, s, "nn_to");
    if (!whole)
        text_add(c->t, ", %lld)", (long long)s->end->i);
    text_puts(c->t, "; ");
}

/* for (int i = begin; i < end; i += step) */
static void print_for(struct c_kernel *c, const struct ls *s)
{
    c_indent(c);
    if (c->part == s) {
        text_add(c->t, "for (int %s = nn_begin; %s < nn_end; ", s->var->name, s->var->name);
        return;
    }
    if (s->way == WAY_PART && c->part && c->part->parts) {
        print_part(c, s);
        return;
    }
    text_add(c->t, "for (int %s = ", s->var->name);
    c_expr(c, s->begin, C_CHOICE);
    text_add(c->t, "; %s < ", s->var->name);
    c_expr(c, s->end, C_SUM);
    text_puts(c->t, "; ");
}

/* for (int nn_at = nn_begin / parts; nn_at * parts < nn_end; nn_at++) { ... }: iterations of which some parts are this thread's. */
static void print_iterations(struct c_kernel *c, const struct ls *s)
{
    long long parts = s->parts;

    c_indent(c);
    text_add(c->t, "for (int nn_at = nn_begin / %lld; nn_at * %lld < nn_end; nn_at++) {\n", parts, parts);
    c->depth++;
    c_indent(c);
    text_add(c->t, "const int %s = ", s->var->name);
    if (s->begin->kind != LX_INT || s->begin->i) {
        c_expr(c, s->begin, C_SUM);
        text_puts(c->t, " + ");
    }
    text_add(c->t, s->step == 1 ? "nn_at;\n" : "nn_at * %lld;\n", (long long)s->step);
    c_indent(c);
    text_add(c->t, "const int nn_from = nn_max_i(nn_begin - nn_at * %lld, 0);\n", parts);
    c_indent(c);
    text_add(c->t, "const int nn_to = nn_min_i(nn_end - nn_at * %lld, %lld);\n", parts, parts);
    print_block(c, &s->body);
    c->depth--;
    c_indent(c);
    text_puts(c->t, "}\n");
}

/* Tiles this long keep the machine busy by themselves, and what runs ahead of loads follows few of them. */
enum { LONG_TILE = 64 };

static bool stores_long_tile(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if ((s->kind == LS_STORE && s->buf->space == SPACE_TILE && s->buf->shape[s->buf->rank - 1].k >= LONG_TILE) ||
            stores_long_tile(&s->body) || stores_long_tile(&s->other))
            return true;
    }
    return false;
}

/* Loops over tiles in one sum: several do more than enough already. */
enum { BUSY = 3 };

static int loops_on_tiles(const struct lblock *b)
{
    int count = 0;

    for (const struct ls *s = b->first; s; s = s->next)
        count += s->kind == LS_LOOP && loop_in_lanes(s) && block_reaches_tile(&s->body);
    return count;
}

static bool sums_inside(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if ((s->kind == LS_LOOP && s->licence == LICENCE_RED) || sums_inside(&s->body) || sums_inside(&s->other))
            return true;
    }
    return false;
}

/* Whether a loop in threads has work enough for several. */
void c_worth(struct c_kernel *c, const struct ls *s)
{
    if (s->least)
        text_add(c->t, "n >= %lld", (long long)s->least);
    else
        text_putc(c->t, '1');
    c->uses_n |= s->least > 0;
}

/* What stands before the loop for the compiler, or NULL. */
static const char *hint(const struct ls *s)
{
    if (s->way == WAY_UNROLL)
        return "NN_UNROLL\n";
    bool unrolls = s->licence == LICENCE_RED && block_reaches_tile(&s->body) && !sums_inside(&s->body);
    return unrolls && !stores_long_tile(&s->body) && loops_on_tiles(&s->body) < BUSY ? "NN_UNROLL_K\n" : NULL;
}

void c_loop(struct c_kernel *c, const struct ls *s)
{
    const char *asks = hint(s);
    if (c->part == s && s->parts) {
        print_iterations(c, s);
        return;
    }
    if (asks) {
        c_indent(c);
        text_puts(c->t, asks);
    }
    print_for(c, s);
    print_advance(c, s->var->name, s->step);
    bool busy = c->busy;
    c->busy = s->licence == LICENCE_RED && !sums_inside(&s->body) && loops_on_tiles(&s->body) >= BUSY;
    print_body(c, &s->body);
    c->busy = busy;
}

/* The part of a loop that fills whole vectors, then, if any, what is left. Some lanes leave nothing of a multiple of 4: said
 * in so many words, or compilers warn of what such a loop would do. */
static void print_main_and_tail(struct c_kernel *c, const struct ls *s, struct lanes *lanes)
{
    const char *var = s->var->name;

    c_indent(c);
    text_add(c->t, "int %s = ", var);
    c_expr(c, s->begin, C_CHOICE);
    text_puts(c->t, ";\n");
    c_indent(c);
    text_add(c->t, "for (; %s + NN_L <= ", var);
    c_expr(c, s->end, C_SUM);
    text_add(c->t, "; %s += NN_L)", var);
    c->lanes = lanes;
    print_body(c, &s->body);
    c->lanes = NULL;
    c_indent(c);
    text_puts(c->t, "for (; ");
    if (loop_trips(s) > 0 && loop_trips(s) % 4 == 0)
        text_add(c->t, "%lld %% NN_L && ", (long long)loop_trips(s));
    text_add(c->t, "%s < ", var);
    c_expr(c, s->end, C_SUM);
    text_add(c->t, "; %s++)", var);
    print_body(c, &s->body);
}

static void print_vector(struct c_kernel *c, const struct ls *s)
{
    struct lanes lanes = lanes_of(c->k, s);

    if (has_tail(s)) {
        print_main_and_tail(c, s, &lanes);
        return;
    }
    if (block_reaches_tile(&s->body) || c->busy) {
        c_indent(c);
        text_puts(c->t, "NN_UNROLL\n");
    }
    print_for(c, s);
    bool wide = s->way != WAY_VECTOR;
    text_add(c->t, "%s += %s%sNN_L)", s->var->name, wide ? vectors_of(s) : "", wide ? " * " : "");
    c->lanes = &lanes;
    c->wide = wide ? s : NULL;
    print_body(c, &s->body);
    c->lanes = NULL;
    c->wide = NULL;
}

/* nn_turn(&y[...], rows of y, &x[...], rows of x); */
static void print_square(struct c_kernel *c, const struct ls *s)
{
    struct square q;

    if (!loop_square(c->k, s, &q))
        bug("loop %s is no square", s->var->name);
    c_indent(c);
    text_add(c->t, "nn_turn(&%s[", q.to->name);
    c_expr(c, q.to_at, C_CHOICE);
    text_add(c->t, "], %lld, &%s[", (long long)q.to_stride, q.from->name);
    c_expr(c, q.from_at, C_CHOICE);
    text_add(c->t, "], %lld);\n", (long long)q.from_stride);
}

static void print_if(struct c_kernel *c, const struct ls *s)
{
    c_indent(c);
    text_puts(c->t, "if (");
    c_expr(c, s->value, C_CHOICE);
    text_puts(c->t, ") {\n");
    c->depth++;
    print_block(c, &s->body);
    c->depth--;
    c_indent(c);
    text_puts(c->t, s->other.first ? "} else {\n" : "}\n");
    if (!s->other.first)
        return;
    c->depth++;
    print_block(c, &s->other);
    c->depth--;
    c_indent(c);
    text_puts(c->t, "}\n");
}

/* Where several iterations of a loop in lanes make one row, the first asks for all of it. */
static void print_prefetch(struct c_kernel *c, const struct ls *s)
{
    c_indent(c);
    if (c->lanes) {
        text_add(c->t, "if (%s == ", c->lanes->loop->var->name);
        c_expr(c, c->lanes->loop->begin, C_CHOICE);
        text_puts(c->t, ") ");
    }
    text_puts(c->t, "nn_prefetch(&");
    c_expr(c, s->value, C_CHOICE);
    text_puts(c->t, ");\n");
}

static void print_loop(struct c_kernel *c, const struct lblock *b, const struct ls *s)
{
    if (s->way == WAY_THREADS)
        c_in_threads(c, s);
    else if (s->way == WAY_SQUARE)
        print_square(c, s);
    else if (loop_in_lanes(s) && !c->lanes)
        print_vector(c, s);
    else if (c_may_share(c, b, s))
        c_shared_loop(c, s);
    else
        c_loop(c, s);
}

/* A loop that is not shared out, where some of the kernel's are. */
static void print_alone(struct c_kernel *c, const struct ls *s)
{
    c_indent(c);
    text_puts(c->t, "if (nn_first()) {\n");
    c->depth++;
    print_loop(c, &c->k->body, s);
    c->depth--;
    c_indent(c);
    text_puts(c->t, "}\n");
    c_indent(c);
    text_puts(c->t, "nn_meet();\n");
}

static void print_block(struct c_kernel *c, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        switch (s->kind) {
        case LS_LET: print_let(c, s); break;
        case LS_STORE: print_store(c, s); break;
        case LS_LOCAL: print_local(c, s); break;
        case LS_IF: print_if(c, s); break;
        case LS_PREFETCH: print_prefetch(c, s); break;
        case LS_LOOP:
            if (c->in_runs && b == &c->k->body && s->way != WAY_THREADS)
                print_alone(c, s);
            else
                print_loop(c, b, s);
            break;
        }
    }
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

void c_origin(struct text *t, const char *origin)
{
    if (!*origin)
        return;
    text_puts(t, "/* ");
    for (const char *p = origin; *p; p++)
        text_puts(t, p[0] == '*' && p[1] == '/' ? "* " : (char[2]){ *p, '\0' });
    text_puts(t, " */\n");
}

/* One more parameter, on a line of its own where it would stand behind column 120. *column: where the line ends. */
void c_parameter(struct text *t, size_t *column, const char *parameter)
{
    size_t length = strlen(parameter) + 2;

    text_puts(t, *column + length > 118 ? ",\n    " : ", ");
    *column = *column + length > 118 ? length + 4 : *column + length;
    text_puts(t, parameter);
}

/* Sums of so many rows, two vectors each, leave no registers for what would be loaded ahead of them. */
enum { MANY_ROWS = 9 };

static bool fills_registers(const struct lblock *b, bool lanes)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if ((s->kind == LS_LOCAL && lanes && s->buf->rank == 1 && s->buf->shape[0].k >= MANY_ROWS) ||
            fills_registers(&s->body, lanes || (s->kind == LS_LOOP && s->way == WAY_WIDE)) ||
            fills_registers(&s->other, lanes))
            return true;
    }
    return false;
}

const char *c_tight(const struct lblock *b)
{
    return fills_registers(b, false) ? "NN_TIGHT " : "";
}

const char *c_argument(const struct lkernel *k, const struct lbuf *b)
{
    return arena_printf(k->arena, "%s%s *restrict %s", b->written ? "" : "const ", c_element_type(k, b->dtype),
                        b->name);
}

static void print_head(struct text *t, const struct lkernel *k)
{
    const char *tight = c_tight(&k->body);
    const char *run = c_needs_run(&k->body) ? "const nn_context *run, " : "";
    size_t column = t->length;

    text_add(t, "static NN_KERNEL %svoid %s(%sint n", tight, k->name, run);
    column = t->length - column;
    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next)
        c_parameter(t, &column, c_argument(k, b));
    for (int i = 0; i < k->params; i++)
        c_parameter(t, &column, arena_printf(k->arena, "int %s", k->param[i]->name));
    text_puts(t, ")\n");
}

/* Whether each streamed result is large enough, before all else; behind all, that these are in memory. */
static void print_streams(struct c_kernel *c)
{
    for (const struct lbuf *b = c->k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next) {
        if (!b->streamed)
            continue;
        c_indent(c);
        text_add(c->t, "const int nn_far_%s = nn_streams(%s, sizeof(%s)", b->name, b->name,
                 c_element_type(c->k, b->dtype));
        for (int i = 0; i < b->rank; i++) {
            text_puts(c->t, " * (size_t)");
            c_expr(c, lx_dim(c->k, b->shape[i]), C_POSTFIX);
        }
        text_puts(c->t, ");\n");
    }
}

static bool any_streamed(const struct lkernel *k)
{
    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next)
        if (b->streamed)
            return true;
    return false;
}

/* What the body may not use, so that no compiler warns. */
static void print_unused(struct c_kernel *c)
{
    const struct lkernel *k = c->k;
    bool hyper = holds_hyper(k);

    if (hyper)
        text_puts(c->t, "    (void)run;\n");

    if (!c->uses_n)
        text_puts(c->t, "    (void)n;\n");
    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next) {
        if ((!b->read && !b->written) || hyper)
            text_add(c->t, "    (void)%s;\n", b->name);
    }
    for (int i = 0; i < k->params; i++) {
        if (!(c->uses_param >> (i & 63) & 1))
            text_add(c->t, "    (void)%s;\n", k->param[i]->name);
    }
}

/* Loops within loops. */
static int depth_of(const struct lblock *b)
{
    int depth = 0;

    for (const struct ls *s = b->first; s; s = s->next) {
        int body = depth_of(&s->body) + (s->kind == LS_LOOP), other = depth_of(&s->other);
        depth = body > depth ? body : depth;
        depth = other > depth ? other : depth;
    }
    return depth;
}

enum { DEEP = 5 };

/* Addresses in deep loops have many terms, of which one may be of any size. */
void c_bound(struct text *t, const struct c_kernel *c, const struct lblock *b)
{
    if (c->uses_n && depth_of(b) >= DEEP - (c->part != NULL))
        text_add(t, "    NN_AT_MOST(n, %lld);\n", (long long)c->k->batch);
}

void c_kernel(struct text *t, struct lkernel *k, struct names *shared)
{
    struct text body = text_make(k->arena), unused = text_make(k->arena), before = text_make(k->arena);
    struct c_kernel c = {
        .t = &body,
        .k = k,
        .depth = 1,
        .before = &before,
        .shared = shared,
        .words = c_number_names(k),
        .in_runs = kernel_is_for_runs(k) && block_in_threads(&k->body),
    };

    print_streams(&c);
    print_block(&c, &k->body);
    if (any_streamed(k))
        text_puts(&body, "    nn_streamed();\n");
    c.t = &unused;
    print_unused(&c);
    c_bound(&unused, &c, &k->body);
    text_puts(t, text_string(&before));
    print_head(t, k);
    text_add(t, "{\n%s%s}\n", text_string(&unused), text_string(&body));
}

void c_kernel_call(struct text *t, const struct lkernel *k, const char *(*pointer)(void *context, const struct lbuf *b),
                   void *context, const char *const *param)
{
    text_add(t, "%s(%sn", k->name, c_needs_run(&k->body) ? "&context, " : "");
    for (const struct lbuf *b = k->buffers; b && b->space == SPACE_ARGUMENT; b = b->next)
        text_add(t, ", %s", pointer(context, b));
    for (int i = 0; i < k->params; i++)
        text_add(t, ", %s", param[i]);
    text_puts(t, ");");
}
