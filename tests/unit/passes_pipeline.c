/* tests/unit/passes_pipeline.c: which passes run, what is dumped and logged, and names that are no pass. */
#include "tests/unit/passes_run.h"

static const char model[] = "graph infer t (N = 4)\n"
                            "  input  %x : f32[N,8]\n"
                            "  %a : f32[N,8] = exp %x\n"
                            "  %b : f32[N,8] = exp %x\n"
                            "  %c : f32[N,8] = add %a, %a\n"
                            "  output %c, name = y\n";

static int count_of(const char *text, const char *word)
{
    int count = 0;

    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

static const char *dump_of(struct arena *a, struct pipeline_options o)
{
    struct text t = text_make(a);

    o.dump_to = &t;
    o.verify = true;
    assert_true(pipeline_run(read_module(a, model), &o));
    return text_string(&t);
}

static void test_dumps(void **state)
{
    struct arena *a = arena_new();
    (void)state;
    const char *two = dump_of(a, (struct pipeline_options){ .only = "cse,dce,cse", .dump = "cse" });

    assert_int_equal(count_of(two, "# after cse\n"), 2);
    assert_int_equal(count_of(two, "# after dce\n"), 0);
    assert_int_equal(strncmp(two, "# after cse\ngraph infer t (N = 4)\n", 34), 0);
    const char *all = dump_of(a, (struct pipeline_options){ .only = "cse,dce", .dump = "" });
    assert_int_equal(count_of(all, "# after "), 2);
    const char *none = dump_of(a, (struct pipeline_options){ .only = "cse,dce" });
    assert_string_equal(none, "");
    arena_free(a);
}

static void test_order_given(void **state)
{
    struct arena *a = arena_new();
    (void)state;
    const char *all = dump_of(a, (struct pipeline_options){ .only = "dce,cse", .dump = "" });

    assert_int_equal(count_of(all, "exp"), 2); /* dce came first, so that one was left in both dumps */
    assert_true(strstr(all, "# after dce") < strstr(all, "# after cse"));
    /* names of loop passes are passed over */
    assert_string_equal(dump_of(a, (struct pipeline_options){ .only = "unroll", .dump = "" }), "");
    arena_free(a);
}

static void test_log(void **state)
{
    struct arena *a = arena_new();
    struct text log = text_make(a);
    struct pipeline_options o = { .only = "cse,dce", .log = &log };
    (void)state;

    assert_true(pipeline_run(read_module(a, model), &o));
    assert_int_equal(count_of(text_string(&log), "\n"), 2);
    assert_int_equal(count_of(text_string(&log), " operations"), 2);
    assert_int_equal(count_of(text_string(&log), "(no change)"), 1);
    arena_free(a);
}

static void test_unknown(void **state)
{
    static const char *const others[] = { "unroll", NULL };
    struct arena *a = arena_new();
    const char *near = NULL;
    (void)state;

    assert_null(pipeline_unknown(a, "cse,unroll,dce", others, &near));
    assert_null(pipeline_unknown(a, "", NULL, &near));
    assert_string_equal(pipeline_unknown(a, "cse,simplfy", others, &near), "simplfy");
    assert_string_equal(near, "simplify");
    assert_string_equal(pipeline_unknown(a, "unrol", others, &near), "unrol");
    assert_string_equal(near, "unroll");
    assert_string_equal(pipeline_unknown(a, "cs", NULL, &near), "cs");
    arena_free(a);
}

static void test_printed(void **state)
{
    struct arena *a = arena_new();
    struct text t = text_make(a);
    (void)state;

    pipeline_print(&t);
    assert_true(count_of(text_string(&t), "simplify") >= 2);
    assert_true(strstr(text_string(&t), "differentiate") < strstr(text_string(&t), "optimize_step"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dumps),   cmocka_unit_test(test_order_given), cmocka_unit_test(test_log),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
