/* tests/unit/ir_type.c: arithmetic on shapes, their spelling, and the rows of ops.def as they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/op.h"
#include "ir/type.h"

/* "[N,3,2*N]" as a type of reals. */
static struct type shape(const char *s)
{
    struct type t = type_scalar(DT_REAL);

    for (s++; *s && *s != ']'; s += *s == ',') {
        struct dim d = dim_of(*s == 'N');
        for (; *s >= '0' && *s <= '9'; s++)
            d.k = d.k * 10 + (*s - '0');
        s += *s == '*';
        d.n = *s == 'N';
        s += d.n;
        t.dim[t.rank++] = d;
    }
    return t;
}

static void test_spelling(void **state)
{
    static const char *const shapes[] = { "[]", "[N]", "[3]", "[N,3,2*N]", "[1,1099511627776]", "[1,2,3,4,5,6,7,N]" };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        assert_string_equal(shape_text(a, shape(shapes[i])), shapes[i]);
    assert_string_equal(type_text(a, shape("[N,3]"), false), "f32[N,3]");
    assert_string_equal(type_text(a, shape("[N,3]"), true), "f64[N,3]");
    assert_string_equal(type_text(a, type_with(shape("[]"), DT_BOOL), true), "bool[]");
    assert_string_equal(type_text(a, type_with(shape("[2]"), DT_I32), true), "i32[2]");
    assert_string_equal(type_text(a, type_with(shape("[2]"), DT_U8), true), "u8[2]");
    arena_free(a);
}

static void test_equality(void **state)
{
    (void)state;
    assert_true(shape_equal(shape("[N,3]"), shape("[N,3]")));
    assert_false(shape_equal(shape("[N,3]"), shape("[1,3]")));
    assert_false(shape_equal(shape("[2*N]"), shape("[N]")));
    assert_false(shape_equal(shape("[3]"), shape("[3,1]")));
    assert_false(type_equal(shape("[3]"), type_with(shape("[3]"), DT_I32)));
    assert_true(type_is_poison(type_poison()));
    assert_false(type_is_poison(type_scalar(DT_BOOL)));
    assert_true(dim_is_one(dim_of(1)));
    assert_false(dim_is_one(dim_batch(1)));
    assert_int_equal(dim_size(dim_batch(3), 5), 15);
    assert_int_equal(dim_size(dim_of(3), 5), 3);
}

/* NULL: they do not broadcast. */
static void test_broadcasting(void **state)
{
    static const struct {
        const char *a, *b, *out;
    } cases[] = {
        { "[]", "[]", "[]" },
        { "[3]", "[]", "[3]" },
        { "[N,3]", "[3]", "[N,3]" },
        { "[N,1]", "[3]", "[N,3]" },
        { "[1]", "[N]", "[N]" },
        { "[N,1]", "[1,N]", "[N,N]" },
        { "[4,1,5]", "[3,1]", "[4,3,5]" },
        { "[2*N,3]", "[2*N,1]", "[2*N,3]" },
        { "[1,1,1,1,1,1,1,2]", "[2]", "[1,1,1,1,1,1,1,2]" },
        { "[N,3]", "[4]", NULL },
        { "[N]", "[2]", NULL },
        { "[N]", "[2*N]", NULL },
        { "[2]", "[3]", NULL },
        { "[N,3]", "[N]", NULL },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct type x = shape(cases[i].a), y = shape(cases[i].b), xy, yx;
        assert_int_equal(shape_broadcast(x, y, &xy), cases[i].out != NULL);
        assert_int_equal(shape_broadcast(y, x, &yx), cases[i].out != NULL);
        if (!cases[i].out)
            continue;
        assert_string_equal(shape_text(a, xy), cases[i].out);
        assert_string_equal(shape_text(a, yx), cases[i].out);
    }
    arena_free(a);
}

static void test_same_size(void **state)
{
    (void)state;
    assert_true(shape_same_size(shape("[N,6]"), shape("[2,N,3]")));
    assert_true(shape_same_size(shape("[N,6]"), shape("[2*N,3]")));
    assert_true(shape_same_size(shape("[N,N,4]"), shape("[2*N,2*N]")));
    assert_false(shape_same_size(shape("[N,6]"), shape("[6]")));
    assert_false(shape_same_size(shape("[N,6]"), shape("[N,N,6]")));
    assert_false(shape_same_size(shape("[N,6]"), shape("[N,5]")));
    assert_false(shape_same_size(shape("[1099511627776,1099511627776]"), shape("[1099511627776,1099511627776]")));
}

static void test_counts_are_checked(void **state)
{
    int64_t count;

    (void)state;
    assert_true(type_count_checked(shape("[]"), 7, &count) && count == 1);
    assert_true(type_count_checked(shape("[N,3,2*N]"), 7, &count) && count == 294);
    assert_int_equal(type_count(shape("[N,3,2*N]"), 7), 294);
    assert_true(type_count_checked(shape("[1048576,1048576]"), 1, &count) && count == MAX_ELEMENTS);
    assert_false(type_count_checked(shape("[1048576,1048577]"), 1, &count));
    assert_false(type_count_checked(shape("[N,1048576]"), 1048577, &count));
    assert_false(type_count_checked(shape("[9223372036854775807,9223372036854775807]"), 1, &count));
    assert_false(type_count_checked(shape("[9223372036854775807*N]"), 9223372036854775807, &count));
    assert_true(type_count_checked(shape("[0,5]"), 1, &count) && count == 0);
    assert_int_equal(shape_batches(shape("[N,3,2*N]")), 2);
}

/* ---- ops.def ---- */

static void test_every_row_reads(void **state)
{
    (void)state;
    for (int op = 0; op < OP_COUNT; op++) {
        struct op_signature g = op_signature((enum op)op);
        assert_int_equal(op_find(op_info((enum op)op)->name), op);
        assert_in_range(g.required, 0, g.operands);
        assert_in_range(g.attrs, 0, MAX_ATTRS);
        for (int i = 0; i < g.attrs; i++)
            assert_in_range(strlen(g.attr[i].name), 1, sizeof g.attr[i].name - 1);
    }
    assert_int_equal(op_find("no such operation"), -1);
    assert_int_equal(op_find("yield"), -1);
    assert_string_equal(op_info(OP_COUNT)->name, "yield");
}

static void test_signatures(void **state)
{
    struct op_signature g = op_signature(OP_select);

    (void)state;
    assert_true(g.operands == 3 && g.required == 3 && !g.variadic && g.attrs == 0);
    assert_string_equal(g.operand[0], "c");
    assert_string_equal(g.operand[2], "b");
    g = op_signature(OP_concat);
    assert_true(g.operands == 1 && g.required == 0 && g.variadic && g.attrs == 1);
    assert_true(g.attr[0].kind == AT_INT && !g.attr[0].fallback[0]);
    g = op_signature(OP_bound);
    assert_true(g.operands == 1 && g.attrs == 3);
    assert_string_equal(g.attr[2].name, "except");
    assert_string_equal(g.attr[2].fallback, "-1");
    g = op_signature(OP_normal);
    assert_true(g.operands == 0 && g.attrs == 4 && g.attr[0].kind == AT_DIMS && g.attr[1].kind == AT_REAL);
    g = op_signature(OP_learning_rate);
    assert_true(g.attrs == 7 && g.attr[0].kind == AT_WORD);
    assert_string_equal(g.attr[6].fallback, "0");
}

static void test_flags(void **state)
{
    (void)state;
    assert_true(op_is(OP_add, COMMUTES) && op_is(OP_add, CHEAP) && !op_is(OP_add, EFFECT));
    assert_true(op_is(OP_uniform, RANDOM) && op_is(OP_assign, EFFECT));
    assert_true(op_is_map(OP_exp) && !op_is_index(OP_exp));
    assert_true(op_is_index(OP_transpose) && !op_is_map(OP_transpose));
    assert_null(op_info(OP_sum)->element);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spelling),           cmocka_unit_test(test_equality),
        cmocka_unit_test(test_broadcasting),       cmocka_unit_test(test_same_size),
        cmocka_unit_test(test_counts_are_checked), cmocka_unit_test(test_every_row_reads),
        cmocka_unit_test(test_signatures),         cmocka_unit_test(test_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
