/* codegen/c_expr.c: expressions as C. Elementwise operations are printed as ops.def's column `element` has them;
 * indices are flattened, row-major.
 *
 * Scalars: reals are float or double, i32 and u8 int, a bool is an int that is 0 or 1. Lanes: nn_v, nn_vi, nn_vi,
 * nn_vm. A scalar meets lanes bare in infix arithmetic of reals, and is spread by nn_splat... elsewhere. */
#include "codegen/c_kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/loop_index.h"

static bool varies(const struct c_kernel *c, const struct lx *x)
{
    return c->lanes && lanes_vary(c->lanes, x);
}

const char *c_value_type(const struct lkernel *k, enum dtype t, bool lanes)
{
    switch (t) {
    case DT_REAL: return lanes ? "nn_v" : k->f64 ? "double" : "float";
    case DT_BOOL: return lanes ? "nn_vm" : "int";
    default: return lanes ? "nn_vi" : "int";
    }
}

const char *c_element_type(const struct lkernel *k, enum dtype t)
{
    switch (t) {
    case DT_REAL: return k->f64 ? "double" : "float";
    case DT_I32: return "int32_t";
    default: return "uint8_t";
    }
}

/* --- constants ---------------------------------------------------------------------------------------------------- */

/* The shortest digits that read back as this float or double; whole numbers without an exponent. */
static void real_digits(char *to, size_t size, double x, bool f64)
{
    if (x == floor(x) && fabs(x) < 1e7) {
        snprintf(to, size, "%.1f", x);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(to, size, "%.*g", digits, x);
        if (f64 ? strtod(to, NULL) == x : strtof(to, NULL) == (float)x)
            return;
    }
}

void c_real(struct text *t, double x, bool f64)
{
    char digits[40];

    if (!f64)
        x = (double)(float)x;
    if (isnan(x) || isinf(x)) {
        text_puts(t, isnan(x) ? "NN_NAN" : x < 0 ? "-NN_INF" : "NN_INF");
        return;
    }
    real_digits(digits, sizeof digits, x, f64);
    text_add(t, "%s%s%s", digits, strpbrk(digits, ".e") ? "" : ".0", f64 ? "" : "f");
}

static void print_real(struct c_kernel *c, double x)
{
    c_real(c->t, x, c->k->f64);
}

static void print_int(struct c_kernel *c, int64_t i)
{
    if (i == INT32_MIN)
        text_puts(c->t, "INT32_MIN");
    else
        text_add(c->t, "%lld", (long long)i);
}

/* --- operators ---------------------------------------------------------------------------------------------------- */

struct infix {
    const char *sign;
    enum c_precedence precedence;
};

static struct infix index_infix(const struct lx *x)
{
    bool plain = x->args == 2 && x->arg[0]->low >= 0;

    switch (x->kind) {
    case LX_IADD: return (struct infix){ "+", C_SUM };
    case LX_ISUB: return (struct infix){ "-", C_SUM };
    case LX_IMUL: return (struct infix){ "*", C_PRODUCT };
    case LX_IDIV: return plain ? (struct infix){ "/", C_PRODUCT } : (struct infix){ NULL, C_POSTFIX };
    case LX_IMOD: return plain ? (struct infix){ "%", C_PRODUCT } : (struct infix){ NULL, C_POSTFIX };
    case LX_ILT: return (struct infix){ "<", C_COMPARE };
    case LX_ILE: return (struct infix){ "<=", C_COMPARE };
    case LX_IEQ: return (struct infix){ "==", C_EQUAL };
    default: return (struct infix){ NULL, C_POSTFIX };
    }
}

/* Comparisons of indices in lanes are functions. */
static const char *index_call(const struct lx *x, bool lanes)
{
    switch (x->kind) {
    case LX_IDIV: return "nn_div_down";
    case LX_IMOD: return "nn_mod_down";
    case LX_IMIN: return lanes ? "nn_min_i_v" : "nn_min_i";
    case LX_IMAX: return lanes ? "nn_max_i_v" : "nn_max_i";
    case LX_ILT: return "nn_lt_i_v";
    case LX_ILE: return "nn_le_i_v";
    case LX_IEQ: return "nn_eq_i_v";
    default: bug("no function for index operation %d", (int)x->kind);
    }
}

static void print_call(struct c_kernel *c, const char *function, const struct lx *x, bool lanes)
{
    text_add(c->t, "%s(", function);
    for (int i = 0; i < x->args; i++) {
        if (i)
            text_puts(c->t, ", ");
        if (lanes)
            c_lanes(c, x->arg[i]);
        else
            c_expr(c, x->arg[i], C_CHOICE);
    }
    text_putc(c->t, ')');
}

static void open_bracket(struct c_kernel *c, bool is)
{
    if (is)
        text_putc(c->t, '(');
}

static void close_bracket(struct c_kernel *c, bool is)
{
    if (is)
        text_putc(c->t, ')');
}

static void print_infix(struct c_kernel *c, struct infix in, struct lx *a, struct lx *b, enum c_precedence precedence)
{
    bool bracket = in.precedence < precedence, compares = in.precedence < C_SUM;

    open_bracket(c, bracket);
    c_expr(c, a, compares ? C_SUM : in.precedence);
    text_add(c->t, " %s ", in.sign);
    c_expr(c, b, compares ? C_SUM : in.precedence + 1);
    close_bracket(c, bracket);
}

static void print_index_operation(struct c_kernel *c, struct lx *x, enum c_precedence precedence)
{
    struct infix in = index_infix(x);
    bool lanes = varies(c, x);

    if (in.sign && !(lanes && in.precedence < C_SUM))
        print_infix(c, in, x->arg[0], x->arg[1], precedence);
    else
        print_call(c, index_call(x, lanes), x, lanes);
}

/* --- elementwise operations --------------------------------------------------------------------------------------- */

/* The form of ops.def's column that is for operands of this type: reals | i32 | bool. */
static const char *element_form(struct c_kernel *c, const struct lx *x)
{
    enum dtype t = x->op == OP_select ? x->dtype : x->arg[0]->dtype;
    const char *all = op_info(x->op)->element, *bar;
    int wanted = t == DT_REAL ? 0 : t == DT_BOOL ? 2 : 1;

    for (int i = 0; all && i < wanted && (bar = strchr(all, '|')); i++)
        all = bar + 1;
    while (all && *all == ' ')
        all++;
    if (!all || !*all || *all == '|')
        bug("%s has no form for %s", op_info(x->op)->name, dtype_name(t, c->k->f64));
    return all;
}

/* Which operand of the operation is named at s, or -1. */
static int operand_at(const struct op_signature *g, const char *s, size_t length)
{
    for (int i = 0; i < g->operands; i++) {
        if (strlen(g->operand[i]) == length && !strncmp(g->operand[i], s, length))
            return i;
    }
    return -1;
}

static size_t word_length(const char *s)
{
    return strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789");
}

/* "a + b": the sign between two operands; "-x": before one. */
static bool print_form_infix(struct c_kernel *c, const struct lx *x, const char *form, enum c_precedence precedence)
{
    static const struct infix signs[] = {
        { "+", C_SUM },    { "-", C_SUM },     { "*", C_PRODUCT },  { "/", C_PRODUCT }, { "==", C_EQUAL },
        { "!=", C_EQUAL }, { "<", C_COMPARE }, { "<=", C_COMPARE }, { ">", C_COMPARE }, { ">=", C_COMPARE },
    };
    size_t first = word_length(form), sign;
    const char *at = form + first + 1;

    if (form[0] == '-') {
        bool bracket = precedence > C_UNARY;
        open_bracket(c, bracket);
        text_putc(c->t, '-');
        c_expr(c, x->arg[0], C_POSTFIX);
        close_bracket(c, bracket);
        return true;
    }
    if (form[first] != ' ' || x->args != 2)
        return false;
    sign = strcspn(at, " ");
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strlen(signs[i].sign) == sign && !strncmp(signs[i].sign, at, sign)) {
            print_infix(c, signs[i], x->arg[0], x->arg[1], precedence);
            return true;
        }
    }
    return false;
}

/* "nn_max$(a, b)": the suffix of lanes, the operands in the order written. */
static void print_form_call(struct c_kernel *c, const struct lx *x, const char *form, bool lanes)
{
    struct op_signature g = op_signature(x->op);

    while (*form && *form != '|') {
        size_t length = word_length(form);
        int which = length ? operand_at(&g, form, length) : -1;
        if (which >= 0 && lanes)
            c_lanes(c, x->arg[which]);
        else if (which >= 0)
            c_expr(c, x->arg[which], C_CHOICE);
        else if (length)
            text_putn(c->t, form, length);
        else if (*form == '$')
            text_puts(c->t, lanes ? "_v" : "");
        else if (*form != ' ' || form[-1] == ',')
            text_putc(c->t, *form);
        form += length ? length : 1;
    }
}

/* What stands before the operand of a conversion; "" where values of both types are written alike. */
static const char *cast_before(const struct c_kernel *c, enum dtype from, enum dtype to, bool lanes)
{
    bool integer = from == DT_I32 || from == DT_U8;

    if (from == to)
        return "";
    if (to == DT_REAL)
        return !lanes ? (c->k->f64 ? "(double)" : "(float)") : integer ? "nn_v_of_i" : "nn_v_of_m";
    if (to == DT_BOOL)
        return !lanes ? (integer ? "0 != " : c->k->f64 ? "0.0 != " : "0.0f != ") : integer ? "nn_m_of_i" : "nn_m_of_v";
    if (from == DT_REAL)
        return lanes ? "nn_i_of_v" : "nn_to_i";
    return from == DT_BOOL && lanes ? "nn_i_of_m" : "";
}

/* A u8 holds the low eight bits. */
static void print_cast(struct c_kernel *c, const struct lx *x, enum c_precedence precedence)
{
    bool lanes = varies(c, x), narrow = x->dtype == DT_U8 && x->arg[0]->dtype != DT_BOOL;
    const char *before = cast_before(c, x->arg[0]->dtype, x->dtype, lanes);
    size_t length = strlen(before);
    bool call = length && before[length - 1] != ')' && before[length - 1] != ' ';
    bool compares = length && before[length - 1] == ' ';

    open_bracket(c, narrow || (compares && precedence > C_EQUAL));
    text_puts(c->t, before);
    open_bracket(c, call);
    c_expr(c, x->arg[0], call ? C_CHOICE : compares ? C_SUM : !length && !narrow ? precedence : C_POSTFIX);
    close_bracket(c, call);
    text_puts(c->t, narrow ? " & 255" : "");
    close_bracket(c, narrow || (compares && precedence > C_EQUAL));
}

static void print_element(struct c_kernel *c, const struct lx *x, enum c_precedence precedence)
{
    if (x->op == OP_cast) {
        print_cast(c, x, precedence);
    } else {
        const char *form = element_form(c, x);
        if (!print_form_infix(c, x, form, precedence))
            print_form_call(c, x, form, varies(c, x));
    }
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* Whether addresses of this buffer may be beyond int, with room for the sums on their way. */
static bool is_huge(const struct lbuf *b)
{
    return type_count(lbuf_memory(b), b->kernel->batch) > INT32_MAX / 4;
}

/* Each term of a sum as ptrdiff_t. */
static void print_wide(struct c_kernel *c, struct lx *x)
{
    if (x->kind == LX_IADD || x->kind == LX_ISUB) {
        print_wide(c, x->arg[0]);
        text_puts(c->t, x->kind == LX_IADD ? " + " : " - ");
        x = x->arg[1];
    }
    if (x->kind == LX_IMUL) {
        print_wide(c, x->arg[0]);
        text_puts(c->t, " * ");
        c_expr(c, x->arg[1], C_UNARY);
    } else {
        text_puts(c->t, x->kind == LX_INT ? "" : "(ptrdiff_t)");
        c_expr(c, x, C_UNARY);
    }
}

static void print_tile(struct c_kernel *c, const struct lbuf *b, struct lx *const *index)
{
    text_puts(c->t, b->name);
    for (int i = 0; i < b->rank; i++) {
        bool last = i == b->rank - 1;
        text_putc(c->t, '[');
        /* the variable itself stands here, not its lanes */
        struct lanes *lanes = c->lanes;
        c->lanes = NULL;
        c_expr(c, index[i], last ? C_PRODUCT : C_CHOICE);
        c->lanes = lanes;
        text_puts(c->t, last ? " / NN_L]" : "]");
    }
}

void c_element(struct c_kernel *c, const struct lbuf *b, struct lx *const *index)
{
    struct lanes *lanes = c->lanes;
    struct lx *at;

    if (b->space == SPACE_TILE) {
        print_tile(c, b, index);
        return;
    }
    bool vectors = c->lanes && lanes_local(c->lanes, b);
    if (!b->rank && b->space == SPACE_ARRAY) {
        text_puts(c->t, b->name);
        text_puts(c->t, vectors && c->wide ? "[vec]" : "");
        return;
    }
    at = lx_flat(b->kernel, b, index);
    text_add(c->t, "%s[", b->name);
    c->lanes = NULL;
    if (is_huge(b))
        print_wide(c, at);
    else
        c_expr(c, at, C_CHOICE);
    c->lanes = lanes;
    text_puts(c->t, vectors && c->wide ? "][vec]" : "]");
}

static const char *lanes_load(enum dtype t)
{
    switch (t) {
    case DT_REAL: return "nn_load(&";
    case DT_I32: return "nn_load_i(&";
    case DT_U8: return "nn_load_u8(&";
    default: return "nn_load_b(&";
    }
}

static void print_load(struct c_kernel *c, const struct lx *x, enum c_precedence precedence)
{
    bool variable = x->buf->space == SPACE_TILE || (!x->buf->rank && x->buf->space == SPACE_ARRAY) ||
                    (c->lanes && lanes_local(c->lanes, x->buf));
    bool truth = x->dtype == DT_BOOL && !variable && !varies(c, x);

    if (varies(c, x) && !variable)
        text_puts(c->t, lanes_load(x->dtype));
    open_bracket(c, truth && precedence > C_EQUAL);
    c_element(c, x->buf, x->arg);
    text_puts(c->t, truth ? " != 0" : "");
    close_bracket(c, truth && precedence > C_EQUAL);
    if (varies(c, x) && !variable)
        text_putc(c->t, ')');
}

/* --- random numbers and scalars of the step ----------------------------------------------------------------------- */

static const struct attr *attr_of(const struct lx *x, const char *name)
{
    for (int i = 0; i < x->attrs; i++) {
        if (!strcmp(x->attr[i].name, name))
            return &x->attr[i];
    }
    bug("%s has no attribute %s", op_info(x->op)->name, name);
}

static void print_draw(struct c_kernel *c, const struct lx *x)
{
    struct lanes *outer = c->lanes;

    int64_t each = c->k->parts ? lx_elements_of_sample(x) : 0;

    text_add(c->t, "%s%s(run->seed, run->step, %lldu, ", x->op == OP_uniform ? "nn_uniform01" : "nn_normal",
             varies(c, x) ? "_v" : "", (long long)attr_of(x, "stream")->i);
    if (each)
        text_add(c->t, "run->first * %lldu + ", (long long)each);
    text_puts(c->t, "(uint64_t)");
    c->lanes = NULL;
    c_expr(c, x->arg[0], C_UNARY);
    c->lanes = outer;
    text_putc(c->t, ')');
}

/* low + (high - low) * u, mean + deviation * z. */
static void print_random(struct c_kernel *c, const struct lx *x, enum c_precedence precedence)
{
    bool uniform = x->op == OP_uniform;
    double base = attr_of(x, uniform ? "low" : "mean")->real;
    double scale = uniform ? attr_of(x, "high")->real - base : attr_of(x, "deviation")->real;
    enum c_precedence mine = base != 0 ? C_SUM : scale != 1 ? C_PRODUCT : C_POSTFIX;

    open_bracket(c, mine < precedence);
    if (base != 0) {
        print_real(c, base);
        text_puts(c->t, " + ");
    }
    if (scale != 1) {
        print_real(c, scale);
        text_puts(c->t, " * ");
    }
    print_draw(c, x);
    close_bracket(c, mine < precedence);
}

/* The attributes of a scalar operation in the order of its function's parameters. */
static void print_doubles(struct c_kernel *c, const struct lx *x, const char *const *names)
{
    for (; *names; names++) {
        text_puts(c->t, ", ");
        text_real(c->t, attr_of(x, *names)->real);
    }
    text_putc(c->t, ')');
}

static void print_rate(struct c_kernel *c, const struct lx *x)
{
    static const struct {
        const char *rule;
        const char *arg[5];
    } rules[] = {
        { "constant", { "rate" } },
        { "step", { "rate", "every", "gamma" } },
        { "cosine", { "rate", "steps", "warmup", "low" } },
        { "linear", { "rate", "steps", "warmup", "low" } },
    };
    const char *rule = attr_of(x, "rule")->word;

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].rule, rule))
            continue;
        text_add(c->t, "nn_rate_%s(run", rule);
        if (i) {
            text_puts(c->t, ", ");
            c_expr(c, x->arg[0], C_CHOICE);
        }
        print_doubles(c, x, rules[i].arg);
        return;
    }
    bug("no schedule is named %s", rule);
}

static void print_hyper(struct c_kernel *c, const struct lx *x)
{
    static const char *const bias[] = { "beta", NULL }, *const first[] = { "first", "later", NULL };

    text_puts(c->t, c->k->f64 ? "" : "(float)");
    if (x->op == OP_learning_rate) {
        print_rate(c, x);
        return;
    }
    if (x->op != OP_bias_correction && x->op != OP_first_step)
        bug("%s is no scalar operation", op_info(x->op)->name);
    text_add(c->t, "nn_%s(", op_info(x->op)->name);
    c_expr(c, x->arg[0], C_CHOICE);
    print_doubles(c, x, x->op == OP_first_step ? first : bias);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static void print_guard(struct c_kernel *c, const struct lx *x, enum c_precedence precedence)
{
    bool lanes = varies(c, x), bracket = precedence > C_CHOICE;

    open_bracket(c, bracket);
    c_expr(c, x->arg[0], C_OR);
    for (int i = 1; i < 3; i++) {
        text_puts(c->t, i == 1 ? " ? " : " : ");
        if (lanes)
            c_lanes(c, x->arg[i]);
        else
            c_expr(c, x->arg[i], C_OR);
    }
    close_bracket(c, bracket);
}

static void print_variable(struct c_kernel *c, const struct lx *x, enum c_precedence precedence)
{
    for (int i = 0; i < c->k->params; i++)
        c->uses_param |= (uint64_t)(c->k->param[i] == x->var) << (i & 63);
    if (c->wide && c->wide->var == x->var) {
        bool bracket = !varies(c, x) && precedence > C_SUM;
        open_bracket(c, bracket);
        text_add(c->t, varies(c, x) ? "nn_iota_i(%s + vec * NN_L)" : "%s + vec * NN_L", x->var->name);
        close_bracket(c, bracket);
    } else {
        text_add(c->t, varies(c, x) ? "nn_iota_i(%s)" : "%s", x->var->name);
    }
}

static void print_constant(struct c_kernel *c, const struct lx *x, enum c_precedence precedence)
{
    bool bracket = precedence > C_UNARY && (x->kind == LX_REAL ? signbit(x->real) != 0 : x->i < 0);

    open_bracket(c, bracket);
    if (x->kind == LX_REAL)
        print_real(c, x->real);
    else
        print_int(c, x->i);
    close_bracket(c, bracket);
}

void c_expr(struct c_kernel *c, struct lx *x, enum c_precedence precedence)
{
    switch (x->kind) {
    case LX_INT:
    case LX_REAL:
    case LX_FLAG: print_constant(c, x, precedence); break;
    case LX_VAR: print_variable(c, x, precedence); break;
    case LX_BATCH:
        text_putc(c->t, 'n');
        c->uses_n = true;
        break;
    case LX_IADD:
    case LX_ISUB:
    case LX_IMUL:
    case LX_IDIV:
    case LX_IMOD:
    case LX_IMIN:
    case LX_IMAX:
    case LX_ILT:
    case LX_ILE:
    case LX_IEQ: print_index_operation(c, x, precedence); break;
    case LX_ELEM: print_element(c, x, precedence); break;
    case LX_FMA: print_call(c, varies(c, x) ? "nn_fma_v" : "nn_fma", x, varies(c, x)); break;
    case LX_LOAD: print_load(c, x, precedence); break;
    case LX_LET: text_add(c->t, c->wide && varies(c, x) ? "%s[vec]" : "%s", x->let->name); break;
    case LX_GUARD: print_guard(c, x, precedence); break;
    case LX_FOLD: text_add(c->t, "nn_fold_%s(%s)", op_info(x->op)->name, x->buf->name); break;
    case LX_RANDOM: print_random(c, x, precedence); break;
    case LX_HYPER: print_hyper(c, x); break;
    }
}

void c_lanes(struct c_kernel *c, struct lx *x)
{
    if (varies(c, x) || (x->kind == LX_LOAD && x->buf->space == SPACE_TILE)) {
        c_expr(c, x, C_CHOICE);
        return;
    }
    text_puts(c->t, x->dtype == DT_REAL ? "nn_splat(" : x->dtype == DT_BOOL ? "nn_splat_m(" : "nn_splat_i(");
    c_expr(c, x, C_CHOICE);
    text_putc(c->t, ')');
}
