/* tests/unit/loop_ir.c: loop kernels as a language: indices are simplified and stay right, text reads back as itself,
 * what is wrong is said and never crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/files.h"
#include "ir/loop.h"
#include "ir/loop_index.h"

struct world {
    struct arena *arena;
    struct names *names;
    struct diag *diag;
    FILE *null;
};

static struct world world_new(void)
{
    struct world w = { .arena = arena_new(), .null = fopen("/dev/null", "w") };

    w.names = names_new(w.arena);
    w.diag = diag_new(w.arena, w.null);
    return w;
}

static void world_free(struct world w)
{
    fclose(w.null);
    arena_free(w.arena);
}

static const char *text_of(struct world w, struct lkernel *const *k, int count)
{
    struct text t = text_make(w.arena);

    for (int i = 0; i < count; i++)
        print_kernel(&t, k[i]);
    return text_string(&t);
}

/* --- indices ------------------------------------------------------------------------------------------------------ */

/* What an index expression over i, j, p, q, t, s becomes: s is a parameter, q runs from -3, t from 2 to 107, by 15. */
static const char *simplified(struct world w, const char *expression)
{
    const char *text = arena_printf(w.arena,
                                    "kernel k (n <= 9, s : i32) -> (y : i32[100000])\n"
                                    "  for i in 0..n par\n    for j in 0..28 par\n      for p in 0..784 par\n"
                                    "        for q in -3..5 par\n"
                                    "          for t in 2..112 step 15 par\n            y[0] = %s\n",
                                    expression);
    struct lkernel *k = parse_kernels(w.arena, w.names, w.diag, "k", text, NULL, NULL);
    char *start, *end;

    if (!k)
        fail_msg("does not parse: %s", expression);
    start = strstr(text_of(w, &k, 1), "y[0] = ") + 7;
    end = strchr(start, '\n');
    return arena_stringn(w.arena, start, (size_t)(end - start));
}

static void test_index_simplified(void **state)
{
    static const char *const cases[][2] = {
        { "i + 0", "i" },
        { "0 * j", "0" },
        { "j * 1", "j" },
        { "j - j", "0" },
        { "2 * j + j", "j * 3" },
        { "3 - j - 5", "j * -1 - 2" },
        { "5 - j", "5 - j" },
        { "(i * 28 + j) / 28", "i" },
        { "(i * 28 + j) % 28", "j" },
        { "(i * 784 + p) / 28", "i * 28 + p / 28" },
        { "p / 28 * 28 + p % 28", "p" },
        { "p / 28 % 28 * 28 + p % 28", "p" },
        { "(p % 784) / 28", "p / 28" },
        { "p / 7 / 4", "p / 28" },
        { "p % 28 % 7", "p % 7" },
        { "(2 * p) / 4", "p / 2" },
        { "(2 * p + 1) % 4", "p % 2 * 2 + 1" },
        { "(j + 30) / 28", "(j + 2) / 28 + 1" },
        { "(q + 3) / 8", "0" },
        { "(q - 3) / 2", "(q + 1) / 2 - 2" },
        { "q / 8", "q / 8" },
        { "(q + 3) % 8", "q + 3" },
        { "imin(j, 27)", "j" },
        { "imin(t, 107)", "t" },
        { "t < 107", "t < 107" },
        { "0 <= p / 3 - 3 ? 1 : 2", "9 <= p ? 1 : 2" },
        { "p / 3 - 3 < 224 ? 1 : 2", "p < 681 ? 1 : 2" },
        { "p / 3 <= 4 ? 1 : 2", "p < 15 ? 1 : 2" },
        { "5 < (p + 1) / 28 ? 1 : 2", "167 <= p ? 1 : 2" },
        { "64 - j * 64 <= 0 ? 1 : 2", "1 <= j ? 1 : 2" },
        { "0 <= j - 1 ? 1 : 2", "1 <= j ? 1 : 2" },
        { "j * 3 - 5 < 20 ? 1 : 2", "j < 9 ? 1 : 2" },
        { "7 < j * 2 ? 1 : 2", "4 <= j ? 1 : 2" },
        { "t + 4 < 112 ? 1 : 2", "1" },
        { "imin(j, 28 + i)", "j" },
        { "imax(p, q - 10)", "p" },
        { "imin(s, j)", "imin(s, j)" },
        { "i < n ? 1 : 2", "1" },
        { "n <= i ? 1 : 2", "2" },
        { "i < n - 1 ? 1 : 2", "i < n - 1 ? 1 : 2" },
        { "j == 28 ? 1 : 2", "2" },
        { "j == j ? 1 : 2", "1" },
        { "(i * n + i) / n", "i" },
        { "(s * n + i) % n", "i" },
        { "i * (n + 2) - i * n", "i * 2" },
        { "(p + 783) / 784", "(p + 783) / 784" },
        { "(784 * n - 1 - (783 - p)) / 784", "n - 1" },
    };
    struct world w = world_new();

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        assert_string_equal(simplified(w, cases[c][0]), cases[c][1]);
    world_free(w);
}

struct point {
    struct lvar *var[4];
    int64_t value[4], n;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t operate(enum lx_kind kind, int64_t a, int64_t b)
{
    switch (kind) {
    case LX_IADD: return a + b;
    case LX_ISUB: return a - b;
    case LX_IMUL: return a * b;
    case LX_IDIV: return floor_div(a, b);
    case LX_IMOD: return a - floor_div(a, b) * b;
    case LX_IMIN: return a < b ? a : b;
    case LX_IMAX: return a > b ? a : b;
    case LX_ILT: return a < b;
    case LX_ILE: return a <= b;
    default: return a == b;
    }
}

static int64_t at(const struct lx *x, const struct point *p)
{
    if (x->kind == LX_INT || x->kind == LX_FLAG)
        return x->i;
    if (x->kind == LX_BATCH)
        return p->n;
    for (int i = 0; x->kind == LX_VAR; i++) {
        if (p->var[i] == x->var)
            return p->value[i];
    }
    return operate(x->kind, at(x->arg[0], p), at(x->arg[1], p));
}

/* A random expression, simplified as it grows; *plain is what it should be at the point. */
static struct lx *grow(struct lkernel *k, const struct point *p, int depth, int64_t *plain)
{
    static const int64_t sizes[] = { 1, 2, 3, 4, 7, 28, 49 };
    enum lx_kind kind = (enum lx_kind)(LX_IADD + rand() % 7);
    struct lx *a, *b;
    int64_t x, y;

    if (!depth || rand() % 6 == 0) {
        int which = rand() % 6;
        struct lx *leaf = which < 4 ? lx_var(k, p->var[which]) : which == 4 ? lx_batch(k) : lx_int(k, rand() % 60 - 20);
        *plain = at(leaf, p);
        return leaf;
    }
    a = grow(k, p, depth - 1, &x);
    b = grow(k, p, depth - 1, &y);
    if (kind == LX_IDIV || kind == LX_IMOD || (kind == LX_IMUL && rand() % 2))
        b = lx_int(k, y = sizes[rand() % 7]);
    *plain = operate(kind, x, y);
    return lx_index(k, kind, a, b);
}

static void test_index_right(void **state)
{
    static const int64_t low[] = { 0, 0, 0, -3 }, high[] = { 9, 28, 784, 5 }, step[] = { 1, 1, 15, 3 };
    (void)state;
    srand(1);
    for (int round = 0; round < 3000; round++) {
        struct world w = world_new();
        struct lkernel *k = lkernel_new(w.arena, w.names, "k", "", 9, false);
        struct lblock *b = &k->body;
        struct point p = { .n = 1 + rand() % 9 };
        int64_t plain, other;
        for (int i = 0; i < 4; i++) {
            struct ls *s =
                ls_loop(k, b, "v", lx_int(k, low[i]), i ? lx_int(k, high[i]) : lx_batch(k), step[i], LICENCE_PAR);
            p.var[i] = s->var;
            p.value[i] = low[i] + rand() % ((i ? high[i] : p.n) - low[i]) / step[i] * step[i];
            b = &s->body;
        }
        struct lx *x = grow(k, &p, 5, &plain), *y = grow(k, &p, 3, &other);
        assert_int_equal(at(x, &p), plain);
        assert_true(x->low <= plain && plain <= x->high);
        for (enum lx_kind c = LX_ILT; c <= LX_IEQ; c++)
            assert_int_equal(at(lx_index(k, c, x, y), &p), operate(c, plain, other));
        world_free(w);
    }
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static void test_text_reads_back(void **state)
{
    struct world w = world_new();
    const char *why, *once, *twice;
    size_t length;
    struct lkernel **k;
    int count;

    (void)state;
    const char *text = file_read(w.arena, "tests/unit/loop_kernels.loop", &length, &why);
    assert_non_null(text);
    assert_non_null(parse_kernels(w.arena, w.names, w.diag, "k", text, &k, &count));
    once = text_of(w, k, count);
    assert_non_null(parse_kernels(w.arena, w.names, w.diag, "k", once, &k, &count));
    twice = text_of(w, k, count);
    assert_string_equal(once, twice);
    world_free(w);
}

/* Cut anywhere, or with a byte changed, text gives an error or a kernel that prints and verifies or not. */
static void test_damaged_text(void **state)
{
    static const char bytes[] = "()[]:,.=+-*/%<>? \n09axn_#\"\377";
    struct world base = world_new();
    const char *why;
    size_t length;
    const char *text = file_read(base.arena, "tests/unit/loop_kernels.loop", &length, &why);

    (void)state;
    assert_non_null(text);
    srand(2);
    for (int round = 0; round < 1500; round++) {
        struct world w = world_new();
        size_t from = (size_t)rand() % (length - 600), size = 100 + (size_t)rand() % 500;
        const char *head = strstr(text + from, "\nkernel ");
        struct lkernel **k;
        int count = 0;
        if (!head)
            head = text + strcspn(text, "\n");
        size = size < strlen(head) ? size : strlen(head);
        char *damaged = arena_stringn(w.arena, head, size);
        for (int i = 0; i < 1 + round % 3; i++)
            damaged[(size_t)rand() % size] = bytes[(size_t)rand() % (sizeof bytes - 1)];
        parse_kernels(w.arena, w.names, w.diag, "k", damaged, &k, &count);
        for (int i = 0; i < count; i++) {
            text_of(w, &k[i], 1);
            verify_kernel(k[i], w.diag);
        }
        world_free(w);
    }
    world_free(base);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* The first line said of a kernel with this body. */
static const char *complaint(const char *body, char *line, size_t size)
{
    char *all = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&all, &length);
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, to);
    struct lkernel *k;
    const char *text = arena_printf(a, "kernel k (n <= 4, x : f32[N,32], s : i32) -> (y : f32[N,32])\n%s", body);

    k = parse_kernels(a, names_new(a), d, "k", text, NULL, NULL);
    if (k)
        verify_kernel(k, d);
    fclose(to);
    snprintf(line, size, "%.*s", (int)strcspn(all, "\n"), all);
    free(all);
    arena_free(a);
    return line;
}

static void test_errors(void **state)
{
    static const char *const cases[][2] = {
        { "  y[0] = 1.0\n", "k:2:6: error: expected ',', found ']'" },
        { "  y[0,0] = 1\n", "k: error: y is to be f32 and is i32" },
        { "  y[0,0] = z\n", "k:2:12: error: nothing here is named 'z'" },
        { "  y[0,0] = 1.0 + 1\n", "k:2:16: error: + does not stand between f32 and i32" },
        { "  y[0,0] = 1.0 2.0\n", "k:2:16: error: expected the end of the line, found '2.0'" },
        { "  y[0,s / s] = 1.0\n", "k:2:9: error: the divisor of an index must be known to be positive" },
        { "  for i in 0..n\n    y[i,0] = 1.0\n", "k:3:5: error: expected par, red or seq, found 'y'" },
        { "  for i in 0..n par threads\n    y[i,0] = 1.0\n", "" },
        { "  let end = n\n  for i in 0..end step 4 by 2 par threads\n    y[i,0] = 1.0\n", "" },
        { "  for i in 0..n step 4 by 2 par threads\n    y[i,0] = 1.0\n",
          "k: error: loop i cannot be cut by 2: its step is a multiple of that, its end a name" },
        { "  let end = n\n  for i in 0..end step 4 by 3 par threads\n    y[i,0] = 1.0\n",
          "k: error: loop i cannot be cut by 3: its step is a multiple of that, its end a name" },
        { "  for i in 0..n parts 2 par threads\n    for j in 0..8 par part\n      y[i,j] = 1.0\n", "" },
        { "  for i in 0..n parts 0 par\n    y[i,0] = 1.0\n", "k:2:17: error: parts takes a positive number" },
        { "  for i in 0..n parts 2 red\n    y[i,0] = 1.0\n",
          "k: error: loop i goes in parts, and its iterations are ordered, or it is cut elsewhere" },
        { "  for i in 0..n par part\n    y[i,0] = 1.0\n",
          "k: error: loop i goes in parts, and its iterations are ordered, or its bounds no constants" },
        { "  for i in 0..n red threads\n    y[i,0] = 1.0\n",
          "k: error: loop i runs in threads, and its iterations are ordered" },
        { "  for i in 0..n par\n    y[i,0] = 1.0\n  y[i,0] = 1.0\n", "k:4:5: error: nothing here is named 'i'" },
        { "  for i in 0..n par vector\n    y[i,0] = 1.0\n",
          "k: error: loop i cannot run in lanes: a store does not go to neighbouring elements" },
        { "  for i in 0..32 par vector\n    y[0,i] = x[0,i * 2 / 2]\n", "" },
        { "  for i in 0..16 par vector\n    y[0,i] = x[0,i * 2]\n",
          "k: error: loop i cannot run in lanes: a load goes to elements that are no neighbours" },
        { "  prefetch y[0,0]\n", "" },
        { "  prefetch 1.0\n", "k: error: a prefetch is of an argument's element" },
        { "  for i in 0..16 par vector\n    prefetch x[0,i]\n    y[0,i] = 1.0\n",
          "k: error: loop i cannot run in lanes: a prefetch is of one element" },
        { "  for i in 0..16 par vector\n    prefetch x[0,0]\n    y[0,i] = 1.0\n", "" },
        { "  tile t : f32[8]\n  y[0,0] = t[0]\n",
          "k: error: a tile is of reals and its last axis a multiple of 16, t is not" },
        { "  tile t : f32[16]\n  y[0,0] = t[0]\n", "k: error: t is a tile and used outside of vector loops" },
        { "  local t : f32[N]\n  y[0,0] = t[0]\n", "k: error: local t has the size of the batch" },
        { "  local x : f32[]\n", "k:2:9: error: the name 'x' is taken" },
        { "  if s\n    y[0,0] = 1.0\n", "k: error: a condition is to be bool and is i32" },
        { "  y[0,0] = exp(1.0, 2.0)\n", "k:2:12: error: exp takes 1 operand, found 2" },
        { "  y[0,0] = exp(true)\n", "k: error: exp is not defined for bool" },
        { "  y[0,s * 9] = 1.0\n",
          "k: error: too large: an index would have to reach 19327352823, and indices end at 2147483647 (2^31 - 1)" },
        { "  let t = 1.0\n    y[0,0] = t\n", "k:3:5: error: this line is indented differently from those before it" },
    };
    char line[512];

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        assert_string_equal(complaint(cases[c][0], line, sizeof line), cases[c][1]);
}

/* A view's indices are its own; what they name lies in the whole. */
static void test_views(void **state)
{
    struct world w = world_new();
    struct lkernel *k = lkernel_new(w.arena, w.names, "k", "", 4, false);
    struct dim shape[] = { dim_batch(1), dim_of(3), dim_of(8) };
    struct lbuf *b = lbuf_argument(k, "x", type_make(DT_REAL, 3, shape), NULL);
    struct lx *n = lx_batch(k), *at[] = { lx_int(k, 2), n, lx_int(k, 5) };
    struct lx *last = lx_index(k, LX_IADD, lx_index(k, LX_IMUL, n, lx_int(k, 8)), lx_int(k, 5));

    (void)state;
    lbuf_view(b, 10, 1);
    assert_int_equal(type_count(lbuf_memory(b), 2), 2 * 10 * 3 * 8);
    assert_ptr_equal(lx_flat(k, b, at), lx_index(k, LX_IADD, lx_int(k, 2 * 240), last));
    lbuf_view(b, 10, 2);
    assert_ptr_equal(lx_flat(k, b, (struct lx *[]){ lx_int(k, 1), lx_int(k, 2), lx_int(k, 5) }),
                     lx_int(k, 1 * 240 + 2 * 80 + 5));
    world_free(w);
}

static void test_wrong_views(void **state)
{
    static const char *const cases[][2] = {
        { "of 4 at 1", "" },
        { "of 4 at 0", "k:1:33: error: the steps of a view are along an axis between its own" },
        { "of 4 at 2", "k:1:33: error: the steps of a view are along an axis between its own" },
        { "of 0 at 1", "k:1:33: error: a view is one of 1 to 2^40 steps and elements along its axis" },
        { "of 34359738369 at 1", "k:1:33: error: a view is one of 1 to 2^40 steps and elements along its axis" },
        { "of 34359738368 at 1", "k: error: argument x is too large" },
        { "of 4", "k:1:37: error: expected 'at', found ')'" },
    };

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct world w = world_new();
        char *all = NULL;
        size_t length = 0;
        FILE *to = open_memstream(&all, &length);
        struct diag *d = diag_new(w.arena, to);
        const char *text = arena_printf(w.arena, "kernel k (n <= 4, x : f32[N,32] %s) -> ()\n", cases[c][0]);
        struct lkernel *k = parse_kernels(w.arena, w.names, d, "k", text, NULL, NULL);
        if (k)
            verify_kernel(k, d);
        fclose(to);
        all[strcspn(all, "\n")] = '\0';
        assert_string_equal(all, cases[c][1]);
        free(all);
        world_free(w);
    }
}

/* Depth and length are limited, with an error. */
static void test_limits(void **state)
{
    struct text deep, wide, nested;
    struct world w = world_new();
    char line[512];

    (void)state;
    deep = wide = nested = text_make(w.arena);
    text_puts(&deep, "  y[0,0] = ");
    text_puts(&wide, "  y[0,0] = 1.0");
    for (int i = 0; i < 100000; i++) {
        text_puts(&deep, i % 2 ? "(" : "- ");
        text_puts(&wide, " + 1.0");
    }
    for (int i = 0; i < 300; i++)
        text_add(&nested, "%*sif true\n", 2 + i, "");
    assert_non_null(strstr(complaint(text_string(&deep), line, sizeof line), "nests deeper than"));
    assert_non_null(strstr(complaint(text_string(&wide), line, sizeof line), "operators in one statement"));
    assert_non_null(strstr(complaint(text_string(&nested), line, sizeof line), "nested blocks"));
    world_free(w);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static struct text key_of(struct world w, const char *text)
{
    struct lkernel *k = parse_kernels(w.arena, w.names, w.diag, "k", text, NULL, NULL);
    struct text key = text_make(w.arena);

    assert_non_null(k);
    assert_true(kernel_key(&key, k));
    return key;
}

/* Names and origins of kernels are not in their keys; all else is. */
static void test_keys(void **state)
{
    static const char *const others[] = {
        "kernel k (n <= 9, x : f32[N,8]) -> (y : f32[N,8])\n  for i in 0..n par\n    y[i,0] = x[i,1]\n",
        "kernel k (n <= 9, x : f32[N,8]) -> (y : f32[N,8])\n  for i in 0..n seq\n    y[i,0] = x[i,0]\n",
        "kernel k (n <= 9, x : f32[N,8]) -> (y : f32[N,8])\n  for j in 0..n par\n    y[j,0] = x[j,0]\n",
        "kernel k (n <= 9, z : f32[N,8]) -> (y : f32[N,8])\n  for i in 0..n par\n    y[i,0] = z[i,0]\n",
        "kernel k (n <= 9, x : f32[N,9]) -> (y : f32[N,8])\n  for i in 0..n par\n    y[i,0] = x[i,0]\n",
        "kernel k (n <= 9, x : f32[N,8]) -> (y : f32[N,8])\n  for i in 0..n par\n    y[i,0] = x[i,0] + 1.0\n",
        "kernel k f64 (n <= 9, x : f64[N,8]) -> (y : f64[N,8])\n  for i in 0..n par\n    y[i,0] = x[i,0]\n",
    };
    struct world w = world_new();
    struct text a = key_of(w, "kernel a (n <= 9, x : f32[N,8]) -> (y : f32[N,8])   # here\n"
                              "  for i in 0..n par\n    y[i,0] = x[i,0]\n");
    struct text b = key_of(w, "kernel b (n <= 9, x : f32[N,8]) -> (y : f32[N,8])   # there\n"
                              "  for i in 0..n par\n    y[i,0] = x[i,0]\n");

    (void)state;
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.s, b.s, a.length);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct text other = key_of(w, others[i]);
        assert_false(other.length == a.length && !memcmp(other.s, a.s, a.length));
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_simplified),
        cmocka_unit_test(test_index_right),
        cmocka_unit_test(test_text_reads_back),
        cmocka_unit_test(test_damaged_text),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_wrong_views),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
