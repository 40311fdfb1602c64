/* tests/unit/ir_text.c: dumps of the tensor IR. What was printed parses and prints as the same text; whatever bytes a
 * dump has, the parser ends, with an error or with a module that verifies and prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/build.h"
#include "ir/ir.h"
#include "ir/term.h"

/* Every kind of line there is. */
static const char sample[] =
    "graph train net (N = 64, arena = 8192)\n"
    "  input  %image : u8[N,1,6,6]\n"
    "  target %label : i32[N]\n"
    "  param  @conv2d_1.weight : f32[4,1,3,3] = uniform(-0.2, 0.2)\n"
    "  frozen @fc.bias : f32[4] = constant(0.0)\n"
    "  state  @bn.mean : f32[4] = normal(0.0, 0.00001) at 16\n"
    "  grad   @grad/conv2d_1.weight : f32[4,1,3,3] of @conv2d_1.weight\n"
    "  optimizer @adam.m/conv2d_1.weight : f32[4,1,3,3] of @conv2d_1.weight at 0\n"
    "  param  @w : f32[5] = uniform(-0.2, 0.2)\n"
    "  state  @w.rows : i32[5] = places at 32\n"
    "  state  @w.columns : i32[5] = places\n"
    "  step   @step : i32[]\n"
    "  prepared @prepared/0 : f32[4]\n"
    "  range  @range/a : f32[48] of @conv2d_1.weight to @fc.bias\n"
    "  optimizer adam(lr = cosine(rate = 0.001, every = 1.0, gamma = 1.0, steps = 100.0, warmup = 10.0, low = 0.0), "
    "beta1 = 0.9, eps = 1e-8) for \"conv*\", \"a \\\"b\\\"\"\n"
    "  optimizer sgd(lr = constant(rate = 0.1, every = 1.0, gamma = 1.0, steps = 1.0, warmup = 0.0, low = 0.0), momentum = 0.0)\n"
    "  sparse @w, @w.rows, @w.columns, out = 4, in = 3, zeta = 0.3\n"
    "  bound %label, low = 0, high = 4, except = -100                                # net.net:3\n"
    "  %0 : f32[N,1,6,6] = cast %image, to = f32                                     # net.net:4 conv2d_1\n"
    "  %h : f32[N,4,2,2] at 4096, %1 : f32[N,4,4,4] = fused %0, @conv2d_1.weight, @bn.mean { # net.net:5 conv2d_1\n"
    "    %2 : f32[N,4,4,4] = conv %0, @conv2d_1.weight, stride = [1,1], pad = [0,0,0,0], dilation = [1,1] # net.net:5 conv2d_1\n"
    "    %pooled : f32[N,4,2,2], %code : u8[N,4,2,2] = maxpool %2, kernel = [2,2], stride = [2,2], pad = [0,0,0,0] # -\n"
    "    %3 : f32[4] = sum %pooled, axes = [0,2,3]                                   # - bn\n"
    "    assign @bn.mean, %3                                                         # -\n"
    "    yield %pooled, %2\n"
    "  }\n"
    "  %flat : f32[N,4,4] = reshape %h, shape = [N,4,4]                              # my%20net.net:7 a%3Ab\n"
    "  %start : f32[] = constant value = -inf, dtype = f32                           # -\n"
    "  %4 : f32[N,4] = broadcast %start, shape = [N,4]                               # -\n"
    "  %ys : f32[N,4,4], %last : f32[N,4] = scan %x = %flat, %c at 64 = %4, %b = @fc.bias, sequences = 1, carries = 1, reverse = true { # -\n"
    "    %5 : f32[N,4] = broadcast %b, shape = [N,4]                                 # -\n"
    "    %6 : f32[N,4] = max %x, %c                                                  # -\n"
    "    %7 : f32[N,4] = add %6, %5                                                  # -\n"
    "    yield %7, %6\n"
    "  }\n"
    "  %8 : f32[N,4] = custom %u = %last, returned = 1 {                             # -\n"
    "    %e : f32[N,4] = exp %u                                                      # -\n"
    "    yield %e\n"
    "  } backward (%9, %e2, %10) {\n"
    "    %11 : f32[N,4] = mul %e2, %10                                               # -\n"
    "    yield %11\n"
    "  }\n"
    "  %12 : f32[N] = sum %8, axes = [1]                                             # -\n"
    "  %13 : f32[] = sum %12, axes = [0]                                             # -\n"
    "  loss %13                                                                      # net.net:9\n"
    "  metric %13, name = \"two words\"                                                # net.net:10\n"
    "  accumulate @grad/conv2d_1.weight, @conv2d_1.weight                            # -\n"
    "\n"
    "graph apply net (N = 64)\n"
    "  step   @step : i32[]\n"
    "  %0 : f32[] = learning_rate @step, rule = step, rate = 0.1, every = 10.0       # -\n"
    "  output %0, name = rate                                                        # -\n";

static struct module *parse(struct arena *a, FILE *out, const char *text)
{
    struct diag *d = diag_new(a, out);

    diag_source(d, "x.ir", text, strlen(text));
    return parse_module(a, names_new(a), d, "x.ir", text);
}

static const char *print(struct arena *a, const struct module *m)
{
    struct text t = text_make(a);

    print_module(&t, m);
    return text_string(&t);
}

static void check_round_trip(const char *text)
{
    struct arena *a = arena_new();
    struct module *m = parse(a, stderr, text);

    assert_non_null(m);
    assert_true(verify_module(m));
    assert_string_equal(print(a, m), text);
    arena_free(a);
}

static void test_every_line_comes_back(void **state)
{
    (void)state;
    check_round_trip(sample);
}

static void test_f64(void **state)
{
    (void)state;
    check_round_trip("graph infer n (N = 1, f64)\n"
                     "  input  %x : f64[2*N,3]\n"
                     "  %0 : i32[2*N,3] = cast %x, to = i32                                           # a.net:1\n"
                     "  output %0, name = y                                                           # a.net:1\n");
}

/* Without a comment an operation's place is its line of the dump; other comments are none. */
static void test_comments(void **state)
{
    struct arena *a = arena_new();
    struct module *m = parse(a, stderr,
                             "# after cse\n\ngraph infer n (N = 1) # head\n  input %x : f32[N]\n"
                             "  %y : f32[N] = exp %x\n  %z : f32[N] = exp %y # note: this\n"
                             "  output %z, name = z # -\n");

    (void)state;
    assert_non_null(m);
    const struct node *n = m->graph[GRAPH_INFER]->first;
    assert_string_equal(n->at.file, "x.ir");
    assert_int_equal(n->at.line, 5);
    assert_int_equal(n->next->at.line, 6);
    assert_int_equal(n->next->next->at.line, 0);
    arena_free(a);
}

/* Names of built graphs need be neither unique nor identifiers. */
static void test_names(void **state)
{
    static const char *const names[] = { "x", "twice", "twice", "7", "with space", "", "%", "a.b", "own", "\xc3\xa4" };
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, stderr);
    struct module *m = module_new(a, names_new(a), d, "n", 2);
    struct dim n = dim_batch(1), two = dim_of(2);

    (void)state;
    struct var *x = module_var(m, "x", ROLE_INPUT, type_make(DT_REAL, 2, (struct dim[]){ n, two }));
    struct var *odd = module_var(m, "odd \"path\"\n", ROLE_STATE, type_make(DT_REAL, 1, &two));
    struct graph *g = graph_new(m, GRAPH_INFER);
    struct build b = build_end(g, (struct place){ "dir with space/a:b.net", 3, 1, 1 }, name(m->names, "layer one"));
    struct value *v = build_binary(&b, OP_add, graph_var(g, x), graph_var(g, odd));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        v->name = name(m->names, names[i]);
        v = build_unary(&b, OP_exp, v);
    }
    build_effect(&b, OP_output, v, name(m->names, "two \\ words"));
    const char *once = print(a, m);
    assert_non_null(strstr(once, "%own :"));
    assert_null(strstr(once, "%twice"));
    check_round_trip(once);
    const struct module *again = parse(a, stderr, once);
    assert_string_equal(again->graph[GRAPH_INFER]->first->at.file, "dir with space/a:b.net");
    assert_string_equal(again->graph[GRAPH_INFER]->first->layer, "layer one");
    arena_free(a);
}

/* ---- errors ---- */

static void check_error(const char *text, const char *want)
{
    struct arena *a = arena_new();
    char *said = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&said, &length);
    struct module *m = parse(a, out, text);

    fclose(out);
    if (m || !strstr(said, want))
        fail_msg("%s\ngives\n%s\nnot\n%s", text, said, want);
    free(said);
    arena_free(a);
}

#define HEAD "graph infer n (N = 2)\n  input %x : f32[N,3]\n"

static void test_errors(void **state)
{
    (void)state;
    check_error("", "expected 'graph', found the end");
    check_error(HEAD "  %y : f32[N,3] = exq %x\n", "x.ir:3:19: error: no operation named 'exq'");
    check_error(HEAD "  %y : f32[N,3] = exq %x\n", "did you mean 'exp'?");
    check_error(HEAD "  %y : f32[N,4] = exp %x\n", "f32[N,3]");
    check_error(HEAD "  %y : f32[N,4] = exp %x\n", "f32[N,4]");
    check_error(HEAD "  %y : f32[N,3] = exp %z\n", "x.ir:3:23: error: %z is not defined here");
    check_error(HEAD "  %y : f32[N,3] = exp %x, %x\n", "exp takes 1 operands, not 2");
    check_error(HEAD "  %y : f32[N] = sum %x\n", "needs the attribute 'axes'");
    check_error(HEAD "  %y : f32[N] = sum %x, axes = 1\n", "expected '['");
    check_error(HEAD "  %y : f32[N] = sum %x, axis = [1]\n", "no attribute named 'axis'");
    check_error(HEAD "  %y : f32[N] = sum %x, axes = [1], axes = [1]\n", "given twice");
    check_error(HEAD "  %y : f32[N,3] = exp %x\n  %y : f32[N,3] = exp %x\n", "defined twice");
    check_error(HEAD "  input %x : f32[N,3]\n", "declared twice");
    check_error(HEAD "  %y : f64[N,3] = exp %x\n", "reals of this module are f32");
    check_error(HEAD "  state @s : f32[0] = constant(1.0)\n", "dimension of 0");
    check_error(HEAD "  state @s : f32[1099511627776,2] = constant(1.0)\n", "2^40");
    check_error(HEAD "  %y : f32[N,3] = fused %x {\n    yield %x\n", "expected '}'");
    check_error(HEAD "  %y : f32[N,3] = fused %x, %x {\n    yield %x\n  }\n", "given twice");
    check_error(HEAD "  sparse @w, @r, @c, out = 4, in = 3, zeta = 0.3\n", "no variable @w");
    check_error(HEAD "  param @w : f32[5] = places(1.0)\n", "expected the end of the line");
    check_error(HEAD "graph infer n (N = 2)\n", "stands there twice");
    check_error(HEAD "graph eval n (N = 3)\n", "one net, one N");
    check_error("graph infer n (N = 99999999999999999999)\n", "integer out of range");
    check_error(HEAD "  output %x, name = \"a\n", "string without an end");
    check_error(HEAD "  \xff\xfe\n", "stray byte 0xff");
}

/* What one line lacks is said once, and the lines behind it are read. */
static void test_goes_on(void **state)
{
    const char *text = HEAD "  %a : f32[N,3] = exq %x {\n    %b : f32[N] = what\n  }\n  %c : f32[N,3] = exp %a\n"
                            "  %d : f32[N,3] = fused %c {\n    %e : f32[N,3] = exp %c\n    yield %e\n  }\n"
                            "  %f : f32[N,3] = log %x, 3\n";

    (void)state;
    check_error(text, "no operation named 'exq'");
    check_error(text, "x.ir:11:");
    struct arena *a = arena_new();
    char *said = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&said, &length);
    struct diag *d = diag_new(a, out);
    assert_null(parse_module(a, names_new(a), d, "x.ir", text));
    assert_int_equal(diag_errors(d), 2);
    fclose(out);
    free(said);
    arena_free(a);
}

static void test_depth(void **state)
{
    struct arena *a = arena_new();
    struct text t = text_make(a);

    (void)state;
    text_puts(&t, HEAD);
    for (int i = 0; i < 5000; i++)
        text_add(&t, "fused %%x {\n");
    check_error(text_string(&t), "nested more than");
    arena_free(a);
}

/* ---- any bytes ---- */

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Pieces that mean something are likelier to get far than single bytes. */
static size_t mutate(char *text, size_t length, size_t room, uint32_t *r)
{
    static const char *const pieces[] = {
        "{",     "}",       "\n",    "[",   "]",  ",", "=", "N",    "-1",  "99999999999", "%x", "@step", "fused ",
        "yield", "custom ", "scan ", "inf", "\"", "#", "0", "\xff", "2*N", "graph ",      "3",  ":",
    };
    size_t at = next(r) % length, n = next(r) % 12;

    if (at + n > length)
        n = length - at;
    switch (next(r) % 5) {
    case 0: text[at] = (char)(1 + next(r) % 255); return length;
    case 1: memmove(text + at, text + at + n, length - at - n); return length - n > 1 ? length - n : length;
    case 2: {
        const char *piece = pieces[next(r) % (sizeof pieces / sizeof *pieces)];
        size_t more = strlen(piece);
        if (length + more > room)
            return length;
        memmove(text + at + more, text + at, length - at);
        memcpy(text + at, piece, more);
        return length + more;
    }
    case 3: {
        size_t from = next(r) % (length - n + 1);
        memmove(text + at, text + from, n);
        return length;
    }
    default: {
        const char *piece = pieces[next(r) % (sizeof pieces / sizeof *pieces)];
        size_t more = strlen(piece);
        memcpy(text + at, piece, at + more > length ? length - at : more);
        return length;
    }
    }
}

static void check_any(struct arena *a, FILE *out, const char *text)
{
    struct module *m = parse(a, out, text);

    if (!m)
        return;
    if (!verify_module(m))
        return;
    const char *once = print(a, m);
    struct module *again = parse(a, out, once);
    if (!again)
        fail_msg("what was printed does not parse:\n%s", once);
    assert_string_equal(print(a, again), once);
}

static void test_any_bytes(void **state)
{
    enum { ROOM = 2 * sizeof sample, ROUNDS = 20000 };
    char *text = malloc(ROOM + 1);
    FILE *out = fopen("/dev/null", "w");
    struct arena *a = arena_new();
    uint32_t r = 1;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        size_t length = sizeof sample - 1;
        memcpy(text, sample, length);
        for (uint32_t k = 1 + next(&r) % 4; k > 0; k--)
            length = mutate(text, length, ROOM, &r);
        text[length] = '\0';
        check_any(a, out, text);
        arena_reset(a);
    }
    arena_free(a);
    fclose(out);
    free(text);
}

/* ---- signatures and terms ---- */

static void test_print_ops(void **state)
{
    struct arena *a = arena_new();
    struct text t = text_make(a);
    int lines = 0;

    (void)state;
    print_ops(&t);
    for (const char *s = text_string(&t); *s; s++)
        lines += *s == '\n';
    assert_int_equal(lines, OP_COUNT);
    assert_non_null(strstr(text_string(&t), "conv(x, w; stride: ints, pad: ints, dilation: ints, groups: int = 1, "
                                            "channels_last: bool = false)"));
    arena_free(a);
}

/* The value that output `called` writes. */
static struct value *output_of(const struct module *m, const char *called)
{
    for (const struct node *n = m->graph[GRAPH_INFER]->first; n; n = n->next)
        if (n->op == OP_output && strcmp(attr_word(n, "name"), called) == 0)
            return operand(n, 0);
    return NULL;
}

static bool matches(struct arena *a, const struct module *m, const char *output, const char *pattern,
                    struct bindings *names)
{
    *names = (struct bindings){ .count = 0 };
    return term_match(term_parse(a, pattern), output_of(m, output), names);
}

static void test_terms(void **state)
{
    struct arena *a = arena_new();
    struct module *m = parse(
        a, stderr,
        "graph infer n (N = 2)\n  input %x : f32[N,3,4]\n  input %y : f32[N,3,4]\n"
        "  %one : f32[] = constant value = 1.0, dtype = f32\n  %ones : f32[N,3,4] = broadcast %one, shape = [N,3,4]\n"
        "  %a : f32[N,3,4] = mul %x, %y\n  %b : f32[N,3,4] = add %a, %x\n  %c : f32[N,3,4] = sub %ones, %b\n"
        "  %t : f32[3,4,N] = transpose %x, perm = [1,2,0]\n  %u : f32[N,3,4] = transpose %t, perm = [2,0,1]\n"
        "  output %b, name = b\n  output %c, name = c\n  output %u, name = u\n");
    struct bindings names;

    (void)state;
    assert_non_null(m);
    assert_true(matches(a, m, "b", "p + p * q", &names));
    assert_ptr_equal(bound_value(&names, "p"), graph_var(m->graph[GRAPH_INFER], module_find(m, "x")));
    assert_true(matches(a, m, "b", "p * q + p", &names));
    assert_false(matches(a, m, "b", "p * p + q", &names));
    assert_int_equal(names.count, 0);
    assert_true(matches(a, m, "c", "1 - r", &names));
    assert_false(matches(a, m, "c", "2 - r", &names));
    assert_true(matches(a, m, "u", "transpose(transpose(x, p), q)", &names));
    struct build b = build_end(m->graph[GRAPH_INFER], (struct place){ 0 }, "");
    struct value *v = term_build(&b, term_parse(a, "transpose(x, p[q])"), &names);
    assert_true(type_equal(v->type, output_of(m, "u")->type));
    assert_int_equal(attr_ints(v->def, "perm", NULL)[1], 1);
    v = term_build(&b, term_parse(a, "select(x > 2 * -3, tanh(x) / 2, 0)"), &names);
    assert_int_equal(v->def->op, OP_select);
    assert_true(type_equal(v->type, output_of(m, "u")->type));
    assert_true(term_is_number(term_parse(a, "-(1 + 2) * 4"), -12));
    arena_free(a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_comes_back),
        cmocka_unit_test(test_f64),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_print_ops),
        cmocka_unit_test(test_terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
