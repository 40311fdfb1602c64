/* tests/unit/loop_c.c: the kernels of loop_kernels.loop as C. They compile without a warning, compute what the
 * evaluator does, and give the same bits for every compiler, optimisation, number of lanes and of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "ir/base/files.h"

enum { SAMPLES = 5, MAX_ARGUMENTS = 16, SEED = 77, STEP = 5, FIRST = 3 };

#define FLAGS "-std=c11 -march=native -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Iruntime "

/* What is tested with: kernels of one type of reals. */
struct bench {
    struct arena *arena;
    bool f64;
    char folder[32];
    struct lkernel **kernel;
    int kernels;
    double *expected, *got;
    size_t results; /* doubles in each */
};

/* --- kernels and their data --------------------------------------------------------------------------------------- */

static char *read_kernels(struct arena *a, bool f64)
{
    const char *why;
    size_t length;
    char *text = file_read(a, "tests/unit/loop_kernels.loop", &length, &why);
    struct text t = text_make(a);

    assert_non_null(text);
    for (char *p = text; f64 && *p; p++) {
        if (!strncmp(p, "f32", 3))
            memcpy(p, "f64", 3);
    }
    for (char *p = text; *p; p++) {
        bool head = !strncmp(p, "kernel ", 7) && (p == text || p[-1] == '\n');
        size_t name = head ? 7 + strcspn(p + 7, " ") : 0;
        text_putn(&t, p, name);
        text_puts(&t, head && f64 ? " f64" : "");
        p += name;
        text_putc(&t, *p);
    }
    return arena_string(a, text_string(&t));
}

static void parse(struct bench *b, int level)
{
    struct diag *d = diag_new(b->arena, stderr);

    assert_non_null(parse_kernels(b->arena, names_new(b->arena), d, "loop_kernels.loop", read_kernels(b->arena, b->f64),
                                  &b->kernel, &b->kernels));
    for (int i = 0; i < b->kernels; i++) {
        assert_true(verify_kernel(b->kernel[i], d));
        loops_run(b->kernel[i], level, NULL);
        assert_true(verify_kernel(b->kernel[i], d));
    }
}

static int64_t elements(const struct lbuf *b)
{
    return type_count(lbuf_memory(b), SAMPLES);
}

/* The same numbers as fill() in the program gives: exact in f32. */
static double *data_of(struct arena *a, const struct lbuf *b, uint32_t seed)
{
    double *x = NEW_ARRAY(a, elements(b) + 1, double);

    for (int64_t i = 0; i < elements(b); i++) {
        uint32_t r;
        seed = seed * 1664525u + 1013904223u;
        r = seed >> 10;
        switch (b->dtype) {
        case DT_REAL: x[i] = ((double)(r % 4097) - 2048) / 1024; break;
        case DT_I32: x[i] = r % 10; break;
        case DT_U8: x[i] = r % 256; break;
        default: x[i] = r % 2; break;
        }
    }
    return x;
}

static void append(struct bench *b, const double *x, int64_t count)
{
    double *grown = NEW_ARRAY(b->arena, (int64_t)b->results + count, double);

    if (b->results)
        memcpy(grown, b->expected, b->results * sizeof *grown);
    memcpy(grown + b->results, x, (size_t)count * sizeof *x);
    b->expected = grown;
    b->results += (size_t)count;
}

static void evaluate(struct bench *b)
{
    const int64_t param[] = { STEP, STEP };

    b->results = 0;
    for (int i = 0; i < b->kernels; i++) {
        double *argument[MAX_ARGUMENTS];
        struct loop_run run = { SAMPLES, SEED, STEP, -1, param, argument, FIRST, false };
        uint32_t count = 0;
        for (const struct lbuf *a = b->kernel[i]->buffers; a && a->space == SPACE_ARGUMENT; a = a->next, count++)
            argument[count] = data_of(b->arena, a, count + 1);
        eval_kernel(b->arena, b->kernel[i], &run);
        count = 0;
        for (const struct lbuf *a = b->kernel[i]->buffers; a && a->space == SPACE_ARGUMENT; a = a->next, count++) {
            if (a->written)
                append(b, argument[count], elements(a));
        }
    }
}

/* --- the program -------------------------------------------------------------------------------------------------- */

static const char *c_type_of(const struct bench *b, enum dtype t)
{
    return t == DT_REAL ? (b->f64 ? "double" : "float") : t == DT_I32 ? "int32_t" : "uint8_t";
}

static const char *pointer(void *context, const struct lbuf *b)
{
    return arena_printf(context, "%s_%s", b->kernel->name, b->name);
}

/* static float y_x[500]; ... fill; call; write */
static void program_part(struct bench *b, struct text *globals, struct text *calls, struct lkernel *k)
{
    static const char *const param[] = { "5", "5" };
    int count = 0;

    for (const struct lbuf *a = k->buffers; a && a->space == SPACE_ARGUMENT; a = a->next) {
        const char *name = pointer(b->arena, a);
        static const char *const fills[] = { [DT_REAL] = "real", [DT_I32] = "i32", [DT_U8] = "u8", [DT_BOOL] = "bool" };
        text_add(globals, "static %s %s[%lld];\n", c_type_of(b, a->dtype), name, (long long)elements(a));
        text_add(calls, "    fill_%s(%s, %lld, %du);\n", fills[a->dtype], name, (long long)elements(a), ++count);
    }
    text_puts(calls, "    ");
    c_kernel_call(calls, k, pointer, b->arena, param);
    text_puts(calls, "\n");
    for (const struct lbuf *a = k->buffers; a && a->space == SPACE_ARGUMENT; a = a->next) {
        if (a->written)
            text_add(calls, "    for (int i = 0; i < %lld; i++) put((double)%s[i]);\n", (long long)elements(a),
                     pointer(b->arena, a));
    }
}

static void write_program(struct bench *b)
{
    struct text t = text_make(b->arena), globals = text_make(b->arena), calls = text_make(b->arena);
    const char *why, *which;

    for (int i = 0; i < b->kernels; i++)
        program_part(b, &globals, &calls, b->kernel[i]);
    text_puts(&t, b->f64 ? "#define NN_DOUBLE\n" : "");
    text_puts(&t, "#include \"nn_core.h\"\n#include \"nn_schedule.h\"\n#include <stdio.h>\n\n");
    for (int i = 0; i < b->kernels; i++)
        c_kernel(&t, b->kernel[i], NULL);
    text_puts(&t, text_string(&globals));
    text_puts(&t,
              "static FILE *out;\nstatic void put(double x) { fwrite(&x, sizeof x, 1, out); }\n"
              "#define FILL(name, type, value) \\\n"
              "    static void fill_##name(type *x, int n, uint32_t s) { \\\n"
              "        for (int i = 0; i < n; i++) { s = s * 1664525u + 1013904223u; uint32_t r = s >> 10; \\\n"
              "            x[i] = value; } }\n"
              "FILL(real, nn_real, ((nn_real)(r % 4097) - 2048) / 1024)\n"
              "FILL(i32, int32_t, (int32_t)(r % 10))\n"
              "FILL(u8, uint8_t, (uint8_t)(r % 256))\n"
              "FILL(bool, uint8_t, (uint8_t)(r % 2))\n"
              "int main(int argc, char **argv)\n{\n    const int n = 5;\n"
              "    const nn_context context = {77, 5, -1, 3};\n    (void)argc;\n    out = fopen(argv[1], \"wb\");\n");
    text_puts(&t, text_string(&calls));
    text_puts(&t, "    return fclose(out);\n}\n");
    struct file_out file = { arena_printf(b->arena, "%s/k.c", b->folder), text_string(&t), t.length };
    assert_true(files_write(b->arena, &file, 1, &which, &why));
}

static void run(struct bench *b, const char *compiler, const char *flags)
{
    const char *why;
    size_t length;
    const char *command = arena_printf(b->arena, "%s " FLAGS "%s -o %s/k %s/k.c -lm && %s/k %s/out", compiler, flags,
                                       b->folder, b->folder, b->folder, b->folder);

    if (system(command))
        fail_msg("failed: %s", command);
    b->got = (double *)(void *)file_read(b->arena, arena_printf(b->arena, "%s/out", b->folder), &length, &why);
    assert_non_null(b->got);
    assert_int_equal(length, b->results * sizeof(double));
}

/* --- comparisons -------------------------------------------------------------------------------------------------- */

static void compare_with_evaluator(const struct bench *b, const char *what)
{
    double tolerance = b->f64 ? 1e-12 : 2e-5;

    for (size_t i = 0; i < b->results; i++) {
        double x = b->got[i], y = b->expected[i];
        if (x != y && !(fabs(x - y) <= tolerance * (1 + fabs(y))))
            fail_msg("%s: result %zu is %.17g, not %.17g", what, i, x, y);
    }
}

static void compare_bits(const struct bench *b, const double *with, const char *what)
{
    for (size_t i = 0; i < b->results; i++) {
        if (memcmp(&b->got[i], &with[i], sizeof(double)))
            fail_msg("%s: result %zu is %.17g, elsewhere %.17g", what, i, b->got[i], with[i]);
    }
}

/* The first is compared with the evaluator, all others to the bit with the first. */
static void compare_all(struct bench *b, const char *const *compilers, const char *const *flags)
{
    const double *first = NULL;

    for (; *compilers; compilers++) {
        for (const char *const *f = flags; *f; f++) {
            run(b, *compilers, *f);
            if (first)
                compare_bits(b, first, *f);
            else
                compare_with_evaluator(b, *f);
            first = first ? first : b->got;
        }
    }
}

static void with_bench(bool f64, int level, const char *const *compilers, const char *const *flags)
{
    struct bench b = { .arena = arena_new(), .f64 = f64, .folder = "/tmp/loop_c.XXXXXX" };

    assert_non_null(mkdtemp(b.folder));
    parse(&b, level);
    evaluate(&b);
    write_program(&b);
    compare_all(&b, compilers, flags);
    assert_int_equal(system(arena_printf(b.arena, "rm -r %s", b.folder)), 0);
    arena_free(b.arena);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static const char *const portable[] = {
    "-DNN_PORTABLE -O2 -DNN_VL=1",
    "-DNN_PORTABLE -O2 -DNN_VL=4",
    "-DNN_PORTABLE -O2 -DNN_VL=8",
    "-DNN_PORTABLE -O2 -DNN_VL=16",
    "-DNN_PORTABLE -O0 -DNN_VL=1",
    "-DNN_PORTABLE -O0 -DNN_VL=16",
    NULL,
};
static const char *const fused[] = { "-O2 -DNN_VL=1", "-O3 -DNN_VL=8", "-O2 -DNN_VL=16", NULL };
static const char *const plain[] = { "-O1 -DNN_VL=8", NULL };
static const char *const checked[] = { "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined", NULL };

static const char *const threads[] = { "-O2", "-O2 -fopenmp", NULL };
static const char *const both[] = { "gcc", "clang", NULL }, *const gcc[] = { "gcc", NULL };

static void test_f32_portable(void **state)
{
    (void)state;
    with_bench(false, 2, both, portable);
}
static void test_f64_portable(void **state)
{
    (void)state;
    with_bench(true, 2, both, portable);
}
static void test_f32_fused(void **state)
{
    (void)state;
    with_bench(false, 2, both, fused);
}
static void test_f64_fused(void **state)
{
    (void)state;
    with_bench(true, 2, both, fused);
}
static void test_f32_unoptimised(void **state)
{
    (void)state;
    with_bench(false, 0, both, plain);
}
static void test_f64_unoptimised(void **state)
{
    (void)state;
    with_bench(true, 0, both, plain);
}
static void test_f32_sanitized(void **state)
{
    (void)state;
    with_bench(false, 2, both, checked);
}
static void test_threads(void **state)
{
    (void)state;
    with_bench(false, 2, gcc, threads);
}

/* What the loop passes make of a kernel is the same computation. */
static void test_passes_change_no_number(void **state)
{
    struct bench before = { .arena = arena_new(), .f64 = true }, after = before;

    (void)state;
    parse(&before, 0);
    evaluate(&before);
    parse(&after, 2);
    evaluate(&after);
    assert_int_equal(before.results, after.results);
    before.got = after.expected;
    compare_with_evaluator(&before, "after the passes");
    arena_free(before.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32_portable),
        cmocka_unit_test(test_f64_portable),
        cmocka_unit_test(test_f32_fused),
        cmocka_unit_test(test_f64_fused),
        cmocka_unit_test(test_f32_unoptimised),
        cmocka_unit_test(test_f64_unoptimised),
        cmocka_unit_test(test_f32_sanitized),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_passes_change_no_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
