/* frontend/expr.c: expressions. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontend/elab.h"

const char library_file[] = "prelude.net";

/* What is wrong inside the library is said of the layer that the model uses, at its place. */
static void report(struct elab *e, struct place at, const char *expected, const char *found, const char *hint,
                   const char *text)
{
    const char *speaker = e->in_library ? e->m->speaker : "";
    const char *named = text + (*text == '\'');
    bool says = !strncmp(named, speaker, strlen(speaker));
    hint = hint || !e->in_library ? hint : e->m->hint;
    diag_error_hint(e->diag, at.file == library_file ? e->at : at, expected, found, hint, "%s%s%s", says ? "" : speaker,
                    says ? "" : ": ", text);
    if (e->in_library) { /* the rest of the layer would only complain of the same */
        e->returned = true;
        e->result = v_poison();
    }
}

void error_at(struct elab *e, struct place at, const char *format, ...)
{
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    report(e, at, NULL, NULL, NULL, text);
}

void error_hint(struct elab *e, struct place at, const char *expected, const char *found, const char *hint,
                const char *format, ...)
{
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    report(e, at, expected, found, hint, text);
}

struct place place_of(const struct elab *e, const struct ast *x)
{
    return e->in_library ? e->at : x->at;
}

struct build builder(struct elab *e)
{
    struct build b = build_end(e->graph, e->at, e->instance ? e->instance->path : "");
    if (++e->operations > MAX_OPERATIONS && !e->too_large) {
        e->too_large = true;
        error_at(e, e->at, "the net has more than %d operations", MAX_OPERATIONS);
    }
    return b;
}

/* ---- tensors seen from a body ---- */

static struct value *capture(struct elab *e, struct body *body, struct value *v)
{
    if (!body || v->graph == body->graph || is_poison(v))
        return v;
    for (int i = 0; i < body->captured; i++)
        if (body->from[i] == v)
            return body->to[i];
    struct value *outside = capture(e, body->outer, v);
    struct value *param = graph_param(body->graph, outside->type, outside->name);
    void *from = body->from, *to = body->to;
    arena_grow(e->arena, &from, &body->from_capacity, (size_t)body->captured + 1, sizeof *body->from);
    arena_grow(e->arena, &to, &body->to_capacity, (size_t)body->captured + 1, sizeof *body->to);
    body->from = from;
    body->to = to;
    body->from[body->captured] = v;
    body->to[body->captured++] = param;
    return param;
}

struct value *localize(struct elab *e, struct value *v)
{
    return e->body && v->graph != e->graph ? capture(e, e->body, v) : v;
}

/* What a built-in operation takes as a tensor: numbers stand for one of the other operand's element type. */
struct value *tensor_of(struct elab *e, const struct val *v, struct place at, const char *what, enum dtype like)
{
    struct build b = builder(e);
    switch (v->kind) {
    case V_TENSOR: return localize(e, v->tensor);
    case V_POISON: return NULL;
    case V_INT: return build_constant(&b, (double)v->i, like == DT_I32 ? DT_I32 : DT_REAL);
    case V_REAL:
        if (like == DT_I32) {
            error_at(e, at, "%s: %s is no integer, and the other operand is i32", what, describe(e, v));
            return NULL;
        }
        return build_constant(&b, v->real, DT_REAL);
    case V_BOOL:
        if (like == DT_BOOL)
            return build_constant(&b, (double)v->i, DT_BOOL);
        break;
    case V_TUPLE:
        if (v->items)
            return tensor_of(e, &v->item[0], at, what, like);
        break;
    default: break;
    }
    error_hint(e, at, "a tensor", describe(e, v), tensor_hint(e, v), "%s: expected a tensor, found %s", what,
               describe(e, v));
    return NULL;
}

/* ---- compile-time arithmetic ---- */

static struct val overflow(struct elab *e, struct place at)
{
    error_at(e, at, "integer overflow");
    return v_poison();
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static struct val int_arithmetic(struct elab *e, char op, int64_t a, int64_t b, struct place at)
{
    int64_t r = 0;
    if ((op == '/' || op == 'f' || op == '%') && (b == 0 || (a == INT64_MIN && b == -1))) {
        error_at(e, at, b ? "integer overflow" : "division by zero");
        return v_poison();
    }
    switch (op) {
    case '+': return __builtin_add_overflow(a, b, &r) ? overflow(e, at) : v_int(r);
    case '-': return __builtin_sub_overflow(a, b, &r) ? overflow(e, at) : v_int(r);
    case '*': return __builtin_mul_overflow(a, b, &r) ? overflow(e, at) : v_int(r);
    case 'f': return v_int(floor_div(a, b));
    case '%': return v_int(a - b * floor_div(a, b));
    default: break;
    }
    if (a % b == 0)
        return v_int(a / b);
    error_hint(e, at, NULL, NULL, "'//' rounds down; a float on either side divides exactly",
               "%lld / %lld is no integer", (long long)a, (long long)b);
    return v_poison();
}

static struct val real_arithmetic(char op, double a, double b)
{
    switch (op) {
    case '+': return v_real(a + b);
    case '-': return v_real(a - b);
    case '*': return v_real(a * b);
    case '/': return v_real(a / b);
    case 'f': return v_real(floor(a / b));
    default: return v_real(a - b * floor(a / b));
    }
}

/* Multiples of N: k*N times or over an integer, and sums of multiples. */
static struct val dim_arithmetic(struct elab *e, const char *op, const struct val *a, const struct val *b,
                                 struct place at)
{
    struct dim x = a->kind == V_DIM ? a->dim : dim_of(a->i), y = b->kind == V_DIM ? b->dim : dim_of(b->i);
    struct val k = v_poison();
    if (*op == '*' && !(x.n && y.n))
        k = int_arithmetic(e, '*', x.k, y.k, at);
    else if ((*op == '+' || *op == '-') && x.n && y.n)
        k = int_arithmetic(e, *op, x.k, y.k, at);
    else if (!strcmp(op, "/") && x.n && y.n)
        return int_arithmetic(e, '/', x.k, y.k, at);
    else if (*op == '/' && x.n && !y.n && y.k && x.k % y.k == 0)
        k = v_int(x.k / y.k);
    else
        error_at(e, at, "%s %s %s: a dimension is an integer or a whole multiple of the batch dimension",
                 val_text(e, a), op, val_text(e, b));
    return k.kind == V_POISON ? k : v_dim(dim_batch(k.i));
}

static bool compare(const char *op, double a, double b)
{
    if (!strcmp(op, "<"))
        return a < b;
    if (!strcmp(op, "<="))
        return a <= b;
    return !strcmp(op, ">") ? a > b : a >= b;
}

static struct val cannot(struct elab *e, const char *op, const struct val *a, const struct val *b, struct place at)
{
    const char *hint = is_callable(a) ? "'|>' binds loosest: what goes on with its result takes (x |> f)"
                       : *op == '>' && is_callable(b) ? "a chain is written x |> f"
                                                      : tensor_hint(e, b);
    if (a->kind != V_POISON && b->kind != V_POISON)
        error_hint(e, at, NULL, NULL, hint, "'%s' cannot be used between %s and %s", op, describe(e, a),
                   describe(e, b));
    return v_poison();
}

static struct val logic(struct elab *e, const char *op, const struct val *a, const struct val *b, struct place at)
{
    if (a->kind != V_BOOL || b->kind != V_BOOL)
        return cannot(e, op, a, b, at);
    return v_bool(*op == '&' ? a->i && b->i : a->i || b->i);
}

static struct val constants(struct elab *e, const char *op, const struct val *a, const struct val *b, struct place at)
{
    if ((a->kind == V_TENSOR && b->kind == V_STRING) || (a->kind == V_STRING && b->kind == V_TENSOR))
        return cannot(e, op, a, b, at);
    if (!strcmp(op, "=="))
        return v_bool(val_equal(a, b));
    if (!strcmp(op, "!="))
        return v_bool(!val_equal(a, b));
    if (*op == '&' || *op == '|')
        return logic(e, op, a, b, at);
    if ((a->kind == V_DIM || b->kind == V_DIM) && (a->kind == V_INT || a->kind == V_DIM) &&
        (b->kind == V_INT || b->kind == V_DIM) && *op != '<' && *op != '>')
        return dim_arithmetic(e, op, a, b, at);
    if (!is_number(a) || !is_number(b))
        return cannot(e, op, a, b, at);
    if (*op == '<' || *op == '>')
        return v_bool(a->kind == V_INT && b->kind == V_INT ? compare(op,
                                                                     a->i > b->i   ? 1
                                                                     : a->i < b->i ? -1
                                                                                   : 0,
                                                                     0)
                                                           : compare(op, number_of(a), number_of(b)));
    char c = !strcmp(op, "//") ? 'f' : *op;
    if (c == '@')
        return cannot(e, op, a, b, at);
    if (a->kind == V_INT && b->kind == V_INT)
        return int_arithmetic(e, c, a->i, b->i, at);
    return real_arithmetic(c, number_of(a), number_of(b));
}

/* ---- operators on tensors ---- */

static int operator_op(const char *op)
{
    static const struct {
        const char *word;
        enum op op;
    } table[] = {
        { "+", OP_add }, { "-", OP_sub }, { "*", OP_mul }, { "/", OP_div }, { "==", OP_eq },
        { "!=", OP_ne }, { "<", OP_lt },  { "<=", OP_le }, { ">", OP_gt },  { ">=", OP_ge },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].word, op))
            return (int)table[i].op;
    return -1;
}

/* Leading axes broadcast as NumPy's matmul does; a vector's missing axis comes and goes. */
static struct value *matrix_product(struct elab *e, const struct ast *written, struct value *x, struct value *y)
{
    struct build b = builder(e);
    if (x->type.rank < 2 || y->type.rank < 2) {
        error_hint(e, e->at, NULL, NULL, written ? vector_hint(e, written, x, y) : NULL,
                   "'@' takes matrices, not %s and %s: reshape or expand_dims first", shape_text(e->arena, x->type),
                   shape_text(e->arena, y->type));
        return NULL;
    }
    return build_matmul(&b, x, y, false, false);
}

/* What does for tensors what the operator x (or NULL) does for compile-time values. */
static const char *elementwise_hint(struct elab *e, const struct ast *x)
{
    if (!x)
        return NULL;
    const char *form = !strcmp(x->text, "//")  ? "floor(a / b)"
                       : !strcmp(x->text, "%") ? "a - b * floor(a / b)"
                       : *x->text == '&'       ? "where(a, b, false)"
                       : *x->text == '|'       ? "where(a, true, b)"
                                               : NULL;
    struct ast *operand[] = { x->b }, call = { .kind = A_CALL, .item = operand, .items = 1 };
    const struct usage u = { .object = x->a, .call = &call };
    return form ? arena_printf(e->arena, "of tensors it is %s", form_filled(e, form, &u, false)) : NULL;
}

/* What a loss of the library is told that compares each class with the number of one. */
static const char *classes_hint(struct elab *e, struct type logits, struct type label)
{
    if (logits.dtype != DT_REAL || label.dtype != DT_I32 || logits.rank != label.rank + 1 ||
        logits.dim[logits.rank - 1].n)
        return NULL;
    return arena_printf(e->arena, "numbers of classes go into cross_entropy, or here as one_hot(label, %lld)",
                        (long long)logits.dim[logits.rank - 1].k);
}

/* What is said where the operands' shapes do not go together. x: the operator as it stands, or NULL. */
static const char *operands_hint(struct elab *e, const struct ast *x, bool sum, const struct value *a,
                                 const struct value *b)
{
    const struct val both[] = { { .kind = V_TENSOR, .tensor = (struct value *)a },
                                { .kind = V_TENSOR, .tensor = (struct value *)b } };
    const char *hint = x ? batch_hint(e, both, 2) : NULL;
    if (x && !e->in_library && a->type.dtype != b->type.dtype && shape_equal(a->type, b->type))
        hint = converted_hint(e, x, a, b);
    if (!hint && e->in_library) /* its own operands say nothing */
        hint = classes_hint(e, a->type, b->type);
    else if (!hint && x)
        hint = axes_hint(e, x, a, b);
    return hint || !sum ? hint : residual_hint(e, a, b);
}

static struct val tensor_binary(struct elab *e, const struct ast *written, const char *op, const struct val *a,
                                const struct val *b, struct place at)
{
    enum dtype like = a->kind == V_TENSOR   ? a->tensor->type.dtype
                      : b->kind == V_TENSOR ? b->tensor->type.dtype
                                            : DT_REAL;
    struct value *x = tensor_of(e, a, at, op, like), *y = tensor_of(e, b, at, op, like);
    if (!x || !y)
        return v_poison();
    struct place before = e->at;
    const char *hint = e->m->hint;
    if (!e->in_library)
        e->at = at;
    struct build build = builder(e);
    struct value *r = NULL;
    int code = operator_op(op);
    if (!hint && code < 0 && *op == '@' && written && !e->in_library)
        e->m->hint = product_hint(e, written, x, y);
    else if (!hint)
        e->m->hint = operands_hint(e, code >= 0 ? written : NULL, code == OP_add || code == OP_sub, x, y);
    if (!strcmp(op, "@"))
        r = matrix_product(e, written, x, y);
    else if (code >= 0)
        r = build_binary(&build, (enum op)code, x, y);
    else
        error_hint(e, at, NULL, NULL, elementwise_hint(e, written), "'%s' works on compile-time values, not on %s", op,
                   describe(e, a->kind == V_TENSOR ? a : b));
    e->at = before;
    e->m->hint = hint;
    return v_tensor(r);
}

/* x: the operator as it is written, or NULL. */
static struct val operate(struct elab *e, const struct ast *x, const char *op, struct val a, struct val b,
                          struct place at)
{
    if (a.kind == V_POISON || b.kind == V_POISON)
        return v_poison();
    if (a.kind == V_TUPLE && a.items)
        a = a.item[0];
    if (b.kind == V_TUPLE && b.items)
        b = b.item[0];
    bool words = a.kind == V_NONE || b.kind == V_NONE || a.kind == V_STRING || b.kind == V_STRING;
    if ((a.kind == V_TENSOR && is_callable(&b)) || (b.kind == V_TENSOR && is_callable(&a)))
        return cannot(e, op, &a, &b, at);
    if ((a.kind == V_TENSOR || b.kind == V_TENSOR) && !words)
        return tensor_binary(e, x, op, &a, &b, at);
    return constants(e, op, &a, &b, at);
}

struct val binary(struct elab *e, const char *op, struct val a, struct val b, struct place at)
{
    return operate(e, NULL, op, a, b, at);
}

/* ---- kinds of expressions ---- */

static struct val eval_list(struct elab *e, const struct ast *x, enum val_kind kind)
{
    struct val v = v_list(e, x->items);
    v.kind = kind;
    for (int i = 0; i < x->items; i++) {
        v.item[i] = eval(e, x->item[i]);
        if (v.item[i].kind == V_POISON)
            v.kind = V_POISON;
    }
    return v.kind == V_LIST && !weigh_list(e, &v, place_of(e, x)) ? v_poison() : v;
}

static struct val eval_range(struct elab *e, const struct ast *x)
{
    struct val from = eval(e, x->a), to = eval(e, x->b);
    if (from.kind == V_POISON || to.kind == V_POISON)
        return v_poison();
    if (from.kind != V_INT || to.kind != V_INT) {
        error_at(e, place_of(e, x), "'..' needs integers, not %s and %s", describe(e, &from), describe(e, &to));
        return v_poison();
    }
    if (to.i > from.i && (uint64_t)to.i - (uint64_t)from.i > MAX_ITEMS) {
        error_at(e, place_of(e, x), "a range of more than %d", MAX_ITEMS);
        return v_poison();
    }
    struct val v = v_list(e, to.i > from.i ? (int)(to.i - from.i) : 0);
    for (int i = 0; i < v.items; i++)
        v.item[i] = v_int(from.i + i);
    return v;
}

static struct val eval_unary(struct elab *e, const struct ast *x)
{
    struct val v = eval(e, x->a);
    if (v.kind == V_POISON)
        return v;
    if (*x->text != '-') {
        if (v.kind == V_BOOL && *x->text == '!')
            return v_bool(!v.i);
    } else if (v.kind == V_INT) {
        return v.i == INT64_MIN ? overflow(e, place_of(e, x)) : v_int(-v.i);
    } else if (v.kind == V_REAL) {
        return v_real(-v.real);
    } else if (v.kind == V_TENSOR) {
        struct value *t = localize(e, v.tensor);
        struct build b = builder(e);
        return v_tensor(build_unary(&b, OP_neg, t));
    }
    bool logical = v.kind == V_TENSOR && v.tensor->type.dtype == DT_BOOL;
    const struct usage u = { .object = x->a };
    const char *form = v.kind == V_BOOL                        ? "!x"
                       : v.kind != V_TENSOR || *x->text == '-' ? NULL
                       : logical                               ? "i32(x) == 0"
                                                               : "x == 0";
    const char *written = form ? form_filled(e, form, &u, false) : NULL;
    if (*x->text == '~')
        error_hint(e, place_of(e, x), NULL, NULL, written ? arena_printf(e->arena, "it is written %s", written) : NULL,
                   "there is no operator '~'");
    else
        error_hint(e, place_of(e, x), NULL, NULL,
                   written ? arena_printf(e->arena, "of tensors it is %s", written) : NULL, "'%s' cannot be used on %s",
                   x->text, describe(e, &v));
    return v_poison();
}

static struct val eval_choice(struct elab *e, const struct ast *x, const char *to)
{
    struct val c = eval(e, x->a);
    if (c.kind == V_POISON)
        return c;
    if (c.kind != V_BOOL) {
        error_at(e, place_of(e, x), "'?' chooses by true or false, known at compile time, not by %s%s", describe(e, &c),
                 c.kind == V_TENSOR ? ": where(cond, a, b) chooses by tensors" : "");
        return v_poison();
    }
    return eval_named(e, c.i ? x->b : x->c, to);
}

static struct val eval_swap(struct elab *e, const struct ast *x)
{
    struct val v = eval(e, x->a);
    if (v.kind == V_POISON)
        return v;
    struct value *t = tensor_of(e, &v, place_of(e, x), "'", DT_REAL);
    if (!t)
        return v_poison();
    if (t->type.rank < 2) {
        error_at(e, place_of(e, x), "' swaps the last two axes, and %s has %d", shape_text(e->arena, t->type),
                 t->type.rank);
        return v_poison();
    }
    struct build b = builder(e);
    return v_tensor(build_swap(&b, t));
}

/* divides: it stands behind '//', as a comment does elsewhere. */
static struct val eval_word(struct elab *e, const struct ast *x, bool divides)
{
    const struct val *v = look_up(e, x->text, false);
    if (v)
        return *v;
    if (builtin_find(x->text)) {
        struct layer *l = NEW(e->arena, struct layer);
        *l = (struct layer){ .builtin = builtin_find(x->text), .at = x->at };
        return (struct val){ .kind = V_LAYER, .layer = l };
    }
    const char *near = nearest_name(e, x->text, false), *later = bound_later(e, x);
    if (x->text == e->batch_name) {
        error_hint(e, x->at, NULL, NULL, "x.shape[0] of a tensor x that the block is given is the batch dimension",
                   "nothing is called '%s' here: a block does not see its net's names", x->text);
        return v_poison();
    }
    const char *hint = later                  ? later
                       : near                 ? diag_meant(e->arena, near)
                       : divides              ? COMMENT_HINT
                       : strcmp(x->text, "N") ? foreign_operation(e, x->text, NULL)
                       : e->batch_name ? arena_printf(e->arena, "the batch dimension is called '%s'", e->batch_name)
                                       : "the batch dimension is declared first: batch N = 32;";
    error_hint(e, x->at, NULL, NULL, hint, "nothing is called '%s' here", x->text);
    return v_poison();
}

static struct val eval_name(struct elab *e, const struct ast *x)
{
    return eval_word(e, x, false);
}

/* The tensors piped into a layer. */
/* x + x |> f is the sum through the chain: of a tensor and itself, without parentheses, that is hardly ever meant. */
static void warn_of_sum(struct elab *e, const struct ast *x, const struct val *v)
{
    const struct ast *sum = x->a;
    if (v->kind != V_TENSOR || sum->kind != A_BINARY || sum->held ||
        (strcmp(sum->text, "+") && strcmp(sum->text, "-")) || sum->a->kind != A_NAME || sum->b->kind != A_NAME ||
        strcmp(sum->a->text, sum->b->text))
        return;
    const char *term = sum->a->text;
    diag_warning_hint(e->diag, place_of(e, sum),
                      arena_printf(e->arena, "did you mean '%s %s (%s |> ...)'?", term, sum->text, term),
                      "'%s %s %s' goes through the chain: '|>' binds loosest", term, sum->text, term);
}

static struct val eval_chain(struct elab *e, const struct ast *x, const char *to)
{
    struct val v = eval(e, x->a);
    const struct ast *f = x->b;
    if (v.kind == V_POISON)
        return v;
    warn_of_sum(e, x, &v);
    if (f->kind == A_CALL)
        return call(e, f->a, f, &v, to);
    return call(e, f, NULL, &v, to);
}

/* `{name}` in a string stands for what the name is bound to; any other brace for itself. */
static struct val eval_string(struct elab *e, const struct ast *x)
{
    struct text t = text_make(e->arena);
    const char *from = x->text;
    for (const char *open; (open = strchr(from, '{'));) {
        size_t length = strspn(open + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        bool named = length && open[length + 1] == '}';
        text_add(&t, "%.*s", (int)(open - from) + !named, from);
        from = open + 1;
        if (!named)
            continue;
        struct ast held = { .kind = A_NAME, .at = x->at, .text = name_printf(e->names, "%.*s", (int)length, open + 1) };
        struct val v = eval_name(e, &held);
        if (v.kind == V_POISON)
            return v;
        text_add(&t, "%s", val_text(e, &v));
        if (t.length > MAX_STRING) {
            error_at(e, place_of(e, x), "a string of more than %d characters", MAX_STRING);
            return v_poison();
        }
        from = open + length + 2;
    }
    text_add(&t, "%s", from);
    return v_string(name(e->names, text_string(&t)));
}

/* `&` and `|` of other languages. */
static struct val no_bitwise(struct elab *e, const struct ast *x)
{
    struct text t = text_make(e->arena);
    struct val a = eval(e, x->a), b = eval(e, x->b);
    bool tensors = a.kind == V_TENSOR || b.kind == V_TENSOR, chain = *x->text == '|' && is_callable(&b);
    struct ast chained = { .kind = A_CHAIN, .a = x->a, .b = x->b };
    const char *hint = tensors && !chain ? elementwise_hint(e, x) : NULL;

    if (a.kind == V_POISON || b.kind == V_POISON)
        return v_poison();
    text_puts(&t, "it is written ");
    if (!hint && say(e, &t, chain ? &chained : x))
        hint = text_string(&t);
    error_hint(e, place_of(e, x), NULL, NULL, hint, "there is no operator '%c'", *x->text);
    return v_poison();
}

/* There is no such operator; what else is wrong is said of a tensor, too. */
static struct val no_power(struct elab *e, const struct ast *x)
{
    struct text t = text_make(e->arena);
    struct val a = eval(e, x->a), b = eval(e, x->b);

    text_puts(&t, "it is written ");
    error_hint(e, place_of(e, x), NULL, NULL,
               say(e, &t, x) ? text_string(&t) : "pow(x, y) is a power, square(x) the second",
               "there is no operator '%s'", x->at.length == 1 ? "^" : "**");
    return a.kind == V_TENSOR && is_number(&b) ? a : v_poison();
}

static struct val eval_kind(struct elab *e, const struct ast *x, const char *to)
{
    switch (x->kind) {
    case A_INT: return v_int(x->i);
    case A_REAL: return v_real(x->real);
    case A_STRING: return eval_string(e, x);
    case A_TRUE: return v_bool(true);
    case A_FALSE: return v_bool(false);
    case A_NONE: return v_none();
    case A_TRAINING: return v_bool(e->training);
    case A_NAME: return eval_name(e, x);
    case A_LIST: return eval_list(e, x, V_LIST);
    case A_TUPLE: return eval_list(e, x, V_TUPLE);
    case A_RANGE: return eval_range(e, x);
    case A_UNARY: return eval_unary(e, x);
    case A_BINARY: {
        if (!strcmp(x->text, "**"))
            return no_power(e, x);
        if ((*x->text == '&' || *x->text == '|') && x->at.length == 1)
            return no_bitwise(e, x);
        struct val a = eval(e, x->a), b;
        bool decided = a.kind == V_BOOL && ((*x->text == '&' && !a.i) || (*x->text == '|' && a.i));
        if (decided)
            return a;
        b = !strcmp(x->text, "//") && x->b->kind == A_NAME ? eval_word(e, x->b, true) : eval(e, x->b);
        return operate(e, x, x->text, a, b, place_of(e, x));
    }
    case A_CHOICE: return eval_choice(e, x, to);
    case A_CALL: return call(e, x->a, x, NULL, to);
    case A_CHAIN: return eval_chain(e, x, to);
    case A_MEMBER: return eval_member(e, x);
    case A_INDEX: return eval_index(e, x);
    case A_SWAP: return eval_swap(e, x);
    case A_SCAN: return eval_scan(e, x);
    default: bug("no expression");
    }
}

struct val eval_named(struct elab *e, const struct ast *x, const char *to)
{
    if (diag_full(e->diag) || e->too_large)
        return v_poison();
    return eval_kind(e, x, to);
}

struct val eval(struct elab *e, const struct ast *x)
{
    return eval_named(e, x, NULL);
}

/* ---- dimensions and types ---- */

/* what: the dimension's name, or NULL. */
static bool any_dim(struct elab *e, const struct val *v, struct place at, const char *what, struct dim *d)
{
    if (v->kind == V_POISON)
        return false;
    if (v->kind == V_DIM && v->dim.k >= 1) {
        *d = v->dim;
        return true;
    }
    if (v->kind != V_INT && v->kind != V_DIM) {
        error_at(e, at, "a dimension is an integer or a multiple of the batch dimension, not %s", describe(e, v));
        return false;
    }
    if (v->kind == V_DIM || v->i < 1) {
        if (what)
            error_at(e, at, "a dimension must be at least 1, and '%s' is %s", what, val_text(e, v));
        else
            error_at(e, at, "a dimension must be at least 1, not %s", val_text(e, v));
        return false;
    }
    *d = dim_of(v->i);
    return true;
}

static bool named_dim(struct elab *e, const struct val *v, struct place at, const char *what, struct dim *d)
{
    if (!any_dim(e, v, at, what, d))
        return false;
    if (d->k <= MAX_DIMENSION)
        return true;
    error_at(e, at, "a dimension is at most %d (2^31 - 1), not %s", MAX_DIMENSION, val_text(e, v));
    return false;
}

bool val_dim(struct elab *e, const struct val *v, struct place at, struct dim *d)
{
    return named_dim(e, v, at, NULL, d);
}

static const char *name_of_dim(const struct ast *x)
{
    return x->kind == A_NAME ? x->text : NULL;
}

bool eval_dim(struct elab *e, const struct ast *x, struct dim *d)
{
    struct val v = eval(e, x);
    return named_dim(e, &v, place_of(e, x), name_of_dim(x), d);
}

static const char *const element_words[] = { "f32", "i32", "u8", "bool" };

const char *element_named(const char *word)
{
    static const char *const others[][2] = {
        { "float", "f32" },  { "float32", "f32" }, { "real", "f32" },     { "double", "f32" },  { "f64", "f32" },
        { "int", "i32" },    { "i64", "i32" },     { "long", "i32" },     { "int32", "i32" },   { "int64", "i32" },
        { "uint8", "u8" },   { "byte", "u8" },     { "boolean", "bool" }, { "float16", "f32" }, { "f16", "f32" },
        { "half", "f32" },   { "bf16", "f32" },    { "bfloat16", "f32" }, { "float64", "f32" }, { "tensor", "f32" },
        { "Tensor", "f32" }, { "i8", "i32" },      { "i16", "i32" },      { "u32", "i32" },     { "int8", "i32" },
        { "int16", "i32" },  { "char", "u8" }
    };
    for (int i = 0; i < 4; i++)
        if (!strcmp(word, element_words[i]))
            return element_words[i];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(word, others[i][0]))
            return others[i][1];
    return NULL;
}

static bool element_type(struct elab *e, const struct ast *x, enum dtype *d)
{
    static const enum dtype dtypes[] = { DT_REAL, DT_I32, DT_U8, DT_BOOL };
    for (int i = 0; i < 4; i++)
        if (!strcmp(x->text, element_words[i])) {
            *d = dtypes[i];
            return true;
        }
    const char *near = element_named(x->text);
    error_hint(e, x->at, "f32, i32, u8 or bool", x->text,
               diag_meant(e->arena, near ? near : diag_nearest(x->text, element_words, 4)),
               "no element type is called '%s'", x->text);
    return false;
}

/* One dimension, or a list of them. */
static bool add_dims(struct elab *e, const struct val *v, struct place at, const char *what, struct type *t)
{
    if (v->kind == V_LIST) {
        for (int i = 0; i < v->items; i++)
            if (!add_dims(e, &v->item[i], at, what, t))
                return false;
        return true;
    }
    if (t->rank == MAX_RANK) {
        error_at(e, at, "a tensor has at most %d dimensions", MAX_RANK);
        return false;
    }
    return named_dim(e, v, at, what, &t->dim[t->rank++]);
}

bool eval_type(struct elab *e, const struct ast *x, struct type *t)
{
    int64_t count;
    *t = type_scalar(DT_REAL);
    if (!element_type(e, x, &t->dtype))
        return false;
    for (int i = 0; i < x->items; i++) {
        struct val v = eval(e, x->item[i]);
        if (!add_dims(e, &v, place_of(e, x->item[i]), name_of_dim(x->item[i]), t))
            return false;
    }
    if (!type_count_checked(*t, e->m->batch, &count)) {
        error_at(e, place_of(e, x), "%s has more than 2^40 elements", type_text(e->arena, *t, e->m->f64));
        return false;
    }
    return true;
}
