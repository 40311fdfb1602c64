/* tests/unit/ir_base.c: what the compiler stands on: arena, interned names, text and the spelling of numbers, files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ir/base/arena.h"
#include "ir/base/files.h"
#include "ir/base/names.h"
#include "ir/base/text.h"

/* xorshift64*: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

/* ---- arena ---- */

static void assert_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(p[i], 0);
}

/* Sizes from nothing to beyond a block: zeroed, aligned, apart from each other. */
static void test_arena_gives_zeroed_memory(void **state)
{
    struct arena *a = arena_new();
    unsigned char *p[200];
    size_t size[200];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 200; i++) {
            size[i] = i % 50 == 49 ? 3u << 20 : i * i;
            p[i] = arena_alloc(a, size[i]);
            assert_int_equal((uintptr_t)p[i] % 16, 0);
            assert_zero(p[i], size[i] < 5000 ? size[i] : 5000);
            memset(p[i], (int)i + 1, size[i]);
        }
        for (size_t i = 0; i < 200; i++)
            if (size[i])
                assert_true(p[i][0] == (unsigned char)(i + 1) && p[i][size[i] - 1] == (unsigned char)(i + 1));
        assert_true(arena_bytes(a) >= 12u << 20);
        arena_reset(a);
        assert_int_equal(arena_bytes(a), 0);
    }
    arena_free(a);
    arena_free(NULL);
}

static void test_arena_grow_keeps_what_was(void **state)
{
    struct arena *a = arena_new();
    void *items = NULL;
    size_t capacity = 0;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        arena_grow(a, &items, &capacity, i + 1, sizeof(size_t));
        ((size_t *)items)[i] = i;
    }
    assert_true(capacity >= 1000 && capacity < 4000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(((size_t *)items)[i], i);
    arena_free(a);
}

/* What is given last grows where it is, while its block has room; what has something behind it moves, with what it holds. */
static void test_arena_resize(void **state)
{
    struct arena *a = arena_new();
    char *p = arena_resize(a, NULL, 0, 10), *q;

    (void)state;
    memcpy(p, "123456789", 10);
    q = arena_resize(a, p, 10, 1000);
    assert_ptr_equal(p, q);
    assert_string_equal(q, "123456789");
    arena_alloc(a, 1);
    q = arena_resize(a, p, 1000, 2000);
    assert_ptr_not_equal(p, q);
    assert_string_equal(q, "123456789");
    p = arena_resize(a, q, 2000, 1 << 22);
    assert_string_equal(p, "123456789");
    arena_free(a);
}

static void test_arena_strings(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    assert_string_equal(arena_string(a, "abc"), "abc");
    assert_string_equal(arena_stringn(a, "abc", 2), "ab");
    assert_string_equal(arena_stringn(a, "abc", 0), "");
    assert_string_equal(arena_printf(a, "%d-%s", 5, "x"), "5-x");
    assert_memory_equal(arena_copy(a, "\0\1\2", 3), "\0\1\2", 3);
    arena_free(a);
}

/* ---- names ---- */

static void test_names_are_one_pointer(void **state)
{
    struct arena *a = arena_new();
    struct names *t = names_new(a);
    const char *kept[3000];

    (void)state;
    for (int i = 0; i < 3000; i++)
        kept[i] = name_printf(t, "layer.%d.weight", i);
    for (int i = 0; i < 3000; i++) {
        char copy[32];
        snprintf(copy, sizeof copy, "layer.%d.weight", i);
        assert_ptr_equal(name(t, copy), kept[i]);
        assert_string_equal(kept[i], copy);
    }
    assert_int_equal(names_count(t), 3000);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(name_number(t, kept[i]), i);
    assert_int_equal(name_number(t, "one more"), 3000);
    assert_int_equal(names_count(t), 3001);
    assert_ptr_equal(namen(t, "layer.1.weight and more", 14), kept[1]);
    assert_ptr_not_equal(name(t, "layer.1"), kept[1]);
    assert_ptr_equal(name(t, ""), namen(t, "x", 0));
    arena_free(a);
}

/* ---- text ---- */

static const char *real(struct arena *a, double x)
{
    struct text t = text_make(a);

    text_real(&t, x);
    return text_string(&t);
}

static void test_real_spelling(void **state)
{
    static const struct {
        double x;
        const char *text;
    } cases[] = {
        { 0.0, "0.0" },
        { -0.0, "-0.0" },
        { 1, "1.0" },
        { -2.5, "-2.5" },
        { 0.1, "0.1" },
        { 1e-3, "0.001" },
        { 255, "255.0" },
        { 100, "100.0" },
        { 1e14, "100000000000000.0" },
        { 1e15, "1e15" },
        { 1e300, "1e300" },
        { 1e-5, "0.00001" },
        { 1e-8, "1e-8" },
        { 1.5e-8, "1.5e-8" },
        { 1.0 / 3, "0.3333333333333333" },
        { 9007199254740993.0, "9.007199254740992e15" },
        { 5e-324, "5e-324" },
        { 1.7976931348623157e308, "1.7976931348623157e308" },
        { INFINITY, "inf" },
        { -INFINITY, "-inf" },
        { NAN, "nan" },
        { -NAN, "nan" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(real(a, cases[i].x), cases[i].text);
    arena_free(a);
}

/* Digits of a spelling, without sign, point, exponent and leading zeros. */
static int digits_of(const char *s)
{
    int digits = 0, zeros = 0;

    for (; *s && *s != 'e'; s++) {
        if (*s < '0' || *s > '9' || (*s == '0' && !digits))
            continue;
        digits++;
        zeros = *s == '0' ? zeros + 1 : 0;
    }
    return digits - zeros;
}

/* Any bits: what is written reads back as the same bits, and one digit less would not. */
static void test_real_is_the_shortest_that_reads_back(void **state)
{
    struct arena *a = arena_new();
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random(&seed);
        double x, back;
        memcpy(&x, &bits, sizeof x);
        if (i % 2)
            x = (double)(int64_t)(bits >> 40) / 1000;
        if (isnan(x) || isinf(x) || x == 0)
            continue;
        const char *s = real(a, x);
        back = strtod(s, NULL);
        assert_memory_equal(&back, &x, sizeof x);
        assert_non_null(strpbrk(s, ".e"));
        char shorter[40];
        int digits = digits_of(s);
        snprintf(shorter, sizeof shorter, "%.*e", digits > 1 ? digits - 2 : 0, x);
        assert_true(digits == 1 || strtod(shorter, NULL) != x);
        arena_reset(a);
    }
    arena_free(a);
}

static void test_text_pieces(void **state)
{
    struct arena *a = arena_new();
    struct text t = text_make(a);

    (void)state;
    assert_string_equal(text_string(&t), "");
    text_puts(&t, "one\n\xC3\xA9t\xC3\xA9"); /* the column counts characters, not bytes */
    text_pad(&t, 5);
    text_putc(&t, '|');
    text_pad(&t, 2);
    text_putn(&t, "xyz", 2);
    text_add(&t, "%03d", 7);
    assert_string_equal(text_string(&t), "one\n\xC3\xA9t\xC3\xA9  |xy007");
    assert_int_equal(t.length, strlen(t.s));
    for (int i = 0; i < 10000; i++)
        text_add(&t, "%d,", i);
    assert_int_equal(t.length, strlen(t.s));
    arena_free(a);
}

static void test_quoted(void **state)
{
    struct arena *a = arena_new();
    struct text t = text_make(a);

    (void)state;
    text_quoted(&t, "a\"b\\c\nd\te\x01\x7F\xC3\xA9");
    assert_string_equal(text_string(&t), "\"a\\\"b\\\\c\\nd\\te\\x01\\x7F\xC3\xA9\"");
    arena_free(a);
}

/* ---- files ---- */

/* A folder of the test's own, with its name in *state. */
static int make_folder(void **state)
{
    char name[] = "/tmp/ir_base.XXXXXX";
    char *made = mkdtemp(name);

    *state = made ? strdup(made) : NULL;
    return !*state;
}

static int remove_folder(void **state)
{
    char command[200];

    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    int status = system(command);
    free(*state);
    return status;
}

static void assert_file(struct arena *a, const char *path, const char *data, size_t length)
{
    const char *why = NULL;
    size_t n = 0;
    char *s = file_read(a, path, &n, &why);

    assert_non_null(s);
    assert_int_equal(n, length);
    assert_memory_equal(s, data, length);
    assert_int_equal(s[n], '\0');
}

static int count_entries(const char *folder)
{
    char command[200];
    int count = -1;

    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &count), 1);
    pclose(f);
    return count;
}

static void test_files_are_written_whole(void **state)
{
    struct arena *a = arena_new();
    const char *why = NULL, *which = NULL;
    char *folder = path_join(a, *state, "a/b/c");

    assert_true(folder_make(a, folder, &why));
    assert_true(folder_make(a, folder, &why));
    struct file_out set[] = {
        { path_join(a, folder, "one"), "1\0one", 5 },
        { path_join(a, folder, "two"), "", 0 },
    };
    assert_true(files_write(a, set, 2, &which, &why));
    assert_file(a, set[0].path, "1\0one", 5);
    assert_file(a, set[1].path, "", 0);
    assert_true(files_write(a, set, 2, &which, &why));
    assert_int_equal(count_entries(folder), 2);
    assert_true(files_write(a, NULL, 0, &which, &why));
    arena_free(a);
}

/* The second cannot be written: the first is as it was, and nothing lies about. */
static void test_files_all_or_none(void **state)
{
    struct arena *a = arena_new();
    const char *why = NULL, *which = NULL, *folder = *state;
    struct file_out old = { path_join(a, folder, "one"), "old", 3 };
    struct file_out set[] = {
        { old.path, "new", 3 },
        { path_join(a, folder, "missing/two"), "2", 1 },
        { path_join(a, folder, "three"), "3", 1 },
    };
    struct file_out onto_folder[] = { { old.path, "new", 3 }, { path_join(a, folder, "taken"), "2", 1 } };

    assert_true(files_write(a, &old, 1, &which, &why));
    assert_false(files_write(a, set, 3, &which, &why));
    assert_string_equal(which, set[1].path);
    assert_string_equal(why, "No such file or directory");
    assert_file(a, old.path, "old", 3);

    assert_true(folder_make(a, onto_folder[1].path, &why));
    assert_false(files_write(a, onto_folder, 2, &which, &why));
    assert_string_equal(why, "Is a directory");
    assert_file(a, old.path, "old", 3);
    assert_int_equal(count_entries(folder), 2);
    arena_free(a);
}

static void test_reading_says_why_not(void **state)
{
    struct arena *a = arena_new();
    const char *why = NULL;
    size_t n;

    assert_null(file_read(a, path_join(a, *state, "nothing"), &n, &why));
    assert_string_equal(why, "No such file or directory");
    assert_null(file_read(a, *state, &n, &why));
    assert_string_equal(why, "Is a directory");
    char *large = path_join(a, *state, "large");
    FILE *f = fopen(large, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(truncate(large, ((off_t)1 << 30) + 1), 0);
    assert_null(file_read(a, large, &n, &why));
    assert_string_equal(why, "larger than 1 GiB");
    assert_false(folder_make(a, path_join(a, large, "below"), &why));
    arena_free(a);
}

static void test_paths(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    assert_string_equal(path_join(a, "a", "b"), "a/b");
    assert_string_equal(path_join(a, "a/", "b"), "a/b");
    assert_string_equal(path_join(a, "", "b"), "b");
    assert_string_equal(path_join(a, "a", "/b"), "/b");
    assert_string_equal(path_folder(a, "a/b/c.net"), "a/b");
    assert_string_equal(path_folder(a, "c.net"), ".");
    assert_string_equal(path_folder(a, "/c.net"), "/");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_gives_zeroed_memory),
        cmocka_unit_test(test_arena_grow_keeps_what_was),
        cmocka_unit_test(test_arena_resize),
        cmocka_unit_test(test_arena_strings),
        cmocka_unit_test(test_names_are_one_pointer),
        cmocka_unit_test(test_real_spelling),
        cmocka_unit_test(test_real_is_the_shortest_that_reads_back),
        cmocka_unit_test(test_text_pieces),
        cmocka_unit_test(test_quoted),
        cmocka_unit_test_setup_teardown(test_files_are_written_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_files_all_or_none, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_reading_says_why_not, make_folder, remove_folder),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
