/* tests/unit/passes_grad.c: gradients by `differentiate` against central differences in double, for what a single row
 * of ops.def does not show: bodies, several operands, shapes, sizes and corners. */
#include "tests/unit/passes_run.h"

/* y : type is computed by `lines` from the parameters of `decls`; the loss is the sum of y times fixed weights. */
struct gradient_case {
    const char *name, *decls, *lines, *type;
};

#define A34      "  param @a : f64[3,4] = constant(0.0)\n"
#define B34      "  param @b : f64[3,4] = constant(0.0)\n"
#define POSITIVE "  %p : f64[3,4] = exp @a\n"
#define IMAGE    "  param @a : f64[2,4,7,6] = constant(0.0)\n"

static const struct gradient_case cases[] = {
    { "chain", A34 B34,
      "  %c : f64[3,4] = mul @a, @b\n  %d : f64[3,4] = tanh %c\n  %e : f64[3,4] = add %d, @a\n"
      "  %y : f64[3,4] = div %e, @g\n",
      "f64[3,4]" },
    { "one value twice", A34, "  %c : f64[3,4] = mul @a, @a\n  %y : f64[3,4] = mul %c, @a\n", "f64[3,4]" },
    { "pow", A34 B34, POSITIVE "  %y : f64[3,4] = pow %p, @b\n", "f64[3,4]" },
    { "sqrt and rsqrt", A34,
      POSITIVE "  %r : f64[3,4] = sqrt %p\n  %s : f64[3,4] = rsqrt %p\n"
               "  %y : f64[3,4] = add %r, %s\n",
      "f64[3,4]" },
    { "max and min", A34 B34,
      "  %c : f64[3,4] = max @a, @b\n  %d : f64[3,4] = min @a, @b\n  %e : f64[3,4] = exp %d\n"
      "  %y : f64[3,4] = mul %c, %e\n",
      "f64[3,4]" },
    { "select", A34 B34,
      "  %t : bool[3,4] = lt @a, @b\n  %c : f64[3,4] = exp @b\n"
      "  %y : f64[3,4] = select %t, @a, %c\n",
      "f64[3,4]" },
    { "sum, kept and not", A34,
      "  %c : f64[4] = sum @a, axes = [0]\n"
      "  %d : f64[3,1] = sum @a, axes = [1], keepdims = true\n"
      "  %e : f64[3,4] = broadcast %c, shape = [3,4]\n"
      "  %f : f64[3,4] = broadcast %d, shape = [3,4]\n"
      "  %y : f64[3,4] = mul %e, %f\n",
      "f64[3,4]" },
    { "reduce_max", A34, "  %y : f64[3] = reduce_max @a, axes = [1]\n", "f64[3]" },
    { "reduce_min over all", A34, "  %y : f64[] = reduce_min @a, axes = [0,1]\n", "f64[]" },
    { "prod", A34, "  %y : f64[4] = prod @a, axes = [0]\n", "f64[4]" },
    { "prod, kept", A34, "  %y : f64[3,1] = prod @a, axes = [1], keepdims = true\n", "f64[3,1]" },
    { "moments", A34, "  %m : f64[4], %v : f64[4] = moments @a, axes = [0]\n  %y : f64[4] = mul %m, %v\n", "f64[4]" },
    { "mean alone", A34, "  %y : f64[1,1], %v : f64[1,1] = moments @a, axes = [0,1], keepdims = true\n", "f64[1,1]" },
    { "variance over the batch", "  param @a : f64[2,5] = constant(0.0)\n  input %x : f64[N,2,5]\n",
      "  %b : f64[N,2,5] = broadcast @a, shape = [N,2,5]\n  %c : f64[N,2,5] = mul %b, %x\n"
      "  %m : f64[5], %v : f64[5] = moments %c, axes = [0,1]\n  %y : f64[5] = add %m, %v\n",
      "f64[5]" },
    { "cumsum", A34,
      "  %c : f64[3,4] = cumsum @a, axis = 1\n  %d : f64[3,4] = cumsum %c, axis = 0, reverse = true\n"
      "  %y : f64[3,4] = mul %d, @a\n",
      "f64[3,4]" },
    { "shapes", A34,
      "  %c : f64[2,6] = reshape @a, shape = [2,6]\n  %d : f64[6,2] = transpose %c, perm = [1,0]\n"
      "  %e : f64[6,2] = reverse %d, axis = 0\n  %f : f64[3,2] = slice %e, axis = 0, begin = 1, "
      "end = 6, step = 2\n"
      "  %h : f64[3,5] = pad %f, pairs = [0,0,1,2], value = 3.0\n"
      "  %i : f64[7,5] = dilate %h, axis = 0, step = 3, length = 7\n"
      "  %y : f64[14,5] = concat %i, %i, axis = 0\n",
      "f64[14,5]" },
    { "transpose of three", "  param @a : f64[2,3,4] = constant(0.0)\n",
      "  %y : f64[4,2,3] = transpose @a, perm = [2,0,1]\n", "f64[4,2,3]" },
    { "matmul", A34 "  param @b : f64[4,5] = constant(0.0)\n", "  %y : f64[3,5] = matmul @a, @b\n", "f64[3,5]" },
    { "matmul ta", A34 "  param @b : f64[3,5] = constant(0.0)\n", "  %y : f64[4,5] = matmul @a, @b, ta = true\n",
      "f64[4,5]" },
    { "matmul tb", A34 "  param @b : f64[5,4] = constant(0.0)\n", "  %y : f64[3,5] = matmul @a, @b, tb = true\n",
      "f64[3,5]" },
    { "matmul ta tb", A34 "  param @b : f64[5,3] = constant(0.0)\n",
      "  %y : f64[4,5] = matmul @a, @b, ta = true, tb = true\n", "f64[4,5]" },
    { "matmul of many", "  param @a : f64[2,3,4] = constant(0.0)\n  param @b : f64[2,5,4] = constant(0.0)\n",
      "  %y : f64[2,3,5] = matmul @a, @b, tb = true\n", "f64[2,3,5]" },
    { "attention",
      "  param @a : f64[2,3,4] = constant(0.0)\n  param @b : f64[2,5,4] = constant(0.0)\n"
      "  param @c : f64[2,5,3] = constant(0.0)\n",
      "  %y : f64[2,3,3] = attention @a, @b, @c, scale = 0.5, causal = true\n", "f64[2,3,3]" },
    { "attention, dropped out",
      "  param @a : f64[2,3,4] = constant(0.0)\n  param @b : f64[2,5,4] = constant(0.0)\n"
      "  param @c : f64[2,5,3] = constant(0.0)\n",
      "  %y : f64[2,3,3] = attention @a, @b, @c, drop = 0.4, kept = 1.5, stream = 1\n", "f64[2,3,3]" },
    { "attention, mask added",
      "  param @a : f64[3,4] = constant(0.0)\n  param @b : f64[5,4] = constant(0.0)\n"
      "  frozen @i : f64[5] = constant(0.5)\n",
      "  %y : f64[3,4] = attention @a, @b, @b, @i\n", "f64[3,4]" },
    { "conv", IMAGE "  param @b : f64[6,2,3,2] = constant(0.0)\n",
      "  %y : f64[2,6,3,6] = conv @a, @b, stride = [2,1], pad = [1,0,1,1], dilation = [1,2], groups = 2\n",
      "f64[2,6,3,6]" },
    { "conv of one dimension", "  param @a : f64[2,3,9] = constant(0.0)\n  param @b : f64[4,3,3] = constant(0.0)\n",
      "  %y : f64[2,4,5] = conv @a, @b, stride = [2], pad = [1,1], dilation = [1]\n", "f64[2,4,5]" },
    { "conv_dx", "  param @a : f64[2,4,3,3] = constant(0.0)\n  param @b : f64[4,2,3,3] = constant(0.0)\n",
      "  %y : f64[2,2,6,5] = conv_dx @a, @b, stride = [2,2], pad = [1,1,1,1], dilation = [1,1], size = [6,5]\n",
      "f64[2,2,6,5]" },
    { "conv_dw", IMAGE "  param @b : f64[2,2,7,6] = constant(0.0)\n",
      "  %y : f64[2,4,3,3] = conv_dw @a, @b, stride = [1,1], pad = [1,1,1,1], dilation = [1,1], kernel = [3,3]\n",
      "f64[2,4,3,3]" },
    { "maxpool", IMAGE,
      "  %y : f64[2,4,3,3], %code : u8[2,4,3,3] = "
      "maxpool @a, kernel = [3,2], stride = [2,2], pad = [0,0,0,0]\n",
      "f64[2,4,3,3]" },
    { "avgpool", IMAGE,
      "  %y : f64[2,4,4,3] = avgpool @a, kernel = [3,2], "
      "stride = [2,2], pad = [1,1,0,0], count_include_pad = false\n",
      "f64[2,4,4,3]" },
    { "avgpool_dx", "  param @a : f64[2,4,4,3] = constant(0.0)\n",
      "  %y : f64[2,4,7,6] = avgpool_dx @a, kernel = [3,2], stride = [2,2], pad = [1,1,0,0], size = [7,6]\n",
      "f64[2,4,7,6]" },
    { "gather", A34 "  frozen @i : i32[2,2] = constant(0.0)\n", "  %y : f64[2,2,4] = gather @a, @i, axis = 0\n",
      "f64[2,2,4]" },
    { "gather, inner axis", "  param @a : f64[2,3,2] = constant(0.0)\n  frozen @i : i32[4] = constant(0.0)\n",
      "  %y : f64[2,4,2] = gather @a, @i, axis = 1\n", "f64[2,4,2]" },
    { "scatter_add", A34 "  frozen @i : i32[3] = constant(0.0)\n",
      "  %y : f64[5,4] = scatter_add @a, @i, axis = 0, size = 5\n", "f64[5,4]" },
    { "take_along", A34 "  frozen @i : i32[3,2] = constant(0.0)\n", "  %y : f64[3,2] = take_along @a, @i, axis = 1\n",
      "f64[3,2]" },
    { "put_along", A34 "  frozen @i : i32[3,4] = constant(0.0)\n",
      "  %y : f64[3,5] = put_along @a, @i, axis = 1, size = 5\n", "f64[3,5]" },
    { "sparse_matmul",
      "  param @a : f64[3,4] = constant(0.0)\n  param @b : f64[7] = constant(0.0)\n"
      "  frozen @i : i32[7] = constant(0.0)\n  frozen @j : i32[7] = constant(0.0)\n",
      "  %y : f64[5,4] = sparse_matmul @a, @b, @i, @j, out = 5\n", "f64[5,4]" },
    { "dots",
      "  param @a : f64[3,4] = constant(0.0)\n  param @b : f64[5,4] = constant(0.0)\n"
      "  frozen @i : i32[7] = constant(0.0)\n  frozen @j : i32[7] = constant(0.0)\n",
      "  %y : f64[7] = dots @a, @b, @i, @j\n", "f64[7]" },
    { "stopped", A34,
      "  %s : f64[3,4] = stop_gradient @a\n  %t : f64[3,4] = sub @a, %s\n"
      "  %y : f64[3,4] = exp %t\n",
      "f64[3,4]" },
};

static const struct gradient_case bodies[] = {
    { "recurrence",
      "  param @a : f64[2,5,3] = constant(0.0)\n  param @w : f64[3,3] = constant(0.0)\n"
      "  param @h : f64[2,3] = constant(0.0)\n",
      "  %z : f64[2,5,3], %y : f64[2,3] = scan %x = @a, %c = @h, %v = @w, sequences = 1, carries = 1 {\n"
      "    %p : f64[2,3] = matmul %c, %v\n    %q : f64[2,3] = add %p, %x\n    %n : f64[2,3] = tanh %q\n"
      "    yield %n, %n\n  }\n",
      "f64[2,3]" },
    { "recurrence, stacked, backwards, first axis",
      "  param @a : f64[5,2,3] = constant(0.0)\n  param @w : f64[3,3] = constant(0.0)\n"
      "  param @h : f64[2,3] = constant(0.0)\n",
      "  %y : f64[5,2,3], %z : f64[2,3] = scan %x = @a, %c = @h, %v = @w, sequences = 1, carries = 1, "
      "axis = 0, reverse = true {\n"
      "    %p : f64[2,3] = matmul %c, %v\n    %q : f64[2,3] = mul %p, %x\n    %n : f64[2,3] = tanh %q\n"
      "    yield %n, %q\n  }\n",
      "f64[5,2,3]" },
    { "last axis, a carry yielded as it comes",
      "  param @a : f64[2,4] = constant(0.0)\n"
      "  param @h : f64[2] = constant(0.0)\n",
      "  %y : f64[2,4], %z : f64[2] = scan %x = @a, %c = @h, sequences = 1, carries = 1 {\n"
      "    %q : f64[2] = mul %c, %x\n    %r : f64[2] = sin %q\n    yield %c, %r\n  }\n",
      "f64[2,4]" },
    { "a sequence twice, a capture twice",
      "  param @a : f64[2,4] = constant(0.0)\n"
      "  param @h : f64[2] = constant(0.0)\n",
      "  %y : f64[2,4] = scan %x = @a, %z = @a, %v = @h, %w = @h, sequences = 2, carries = 0 {\n"
      "    %q : f64[2] = mul %x, %v\n    %r : f64[2] = exp %z\n    %s : f64[2] = add %q, %r\n"
      "    %t : f64[2] = mul %s, %w\n    yield %t\n  }\n",
      "f64[2,4]" },
    { "linear: nothing is kept", "  param @h : f64[2] = constant(0.0)\n  frozen @x : f64[2,4] = constant(0.0)\n",
      "  %y : f64[2] = scan %a = @x, %c = @h, sequences = 1, carries = 1 {\n"
      "    %q : f64[2] = add %c, %c\n    yield %q\n  }\n",
      "f64[2]" },
    { "a carry that becomes active",
      "  param @w : f64[2] = constant(0.0)\n  frozen @x : f64[2,4] = constant(0.0)\n"
      "  frozen @h : f64[2] = constant(0.0)\n",
      "  %y : f64[2], %z : f64[2] = scan %a = @x, %c = @h, %d = @h, %v = @w, sequences = 1, carries = 2 {\n"
      "    %q : f64[2] = mul %d, %a\n    %r : f64[2] = mul %c, %v\n    %s : f64[2] = tanh %r\n    yield %q, %s\n"
      "  }\n",
      "f64[2]" },
    { "an integer carry", "  param @a : f64[2,4] = constant(0.0)\n  frozen @k : i32[2] = constant(0.0)\n",
      "  %y : f64[2,4], %z : i32[2] = scan %x = @a, %c = @k, sequences = 1, carries = 1 {\n"
      "    %o : i32[2] = add %c, %c\n    %f : f64[2] = cast %c, to = f64\n    %q : f64[2] = mul %f, %x\n"
      "    %r : f64[2] = exp %q\n"
      "    yield %r, %o\n  }\n",
      "f64[2,4]" },
    { "scan in scan", "  param @a : f64[2,3,4] = constant(0.0)\n  param @w : f64[2] = constant(0.0)\n",
      "  %y : f64[2,3,4], %z : f64[2] = scan %x = @a, %c = @w, %v = @w, sequences = 1, carries = 1 {\n"
      "    %i : f64[2,4], %j : f64[2] = scan %u = %x, %d = %c, %e = %v, sequences = 1, carries = 1 {\n"
      "      %p : f64[2] = mul %d, %u\n      %q : f64[2] = add %p, %e\n      %r : f64[2] = tanh %q\n"
      "      yield %r, %r\n    }\n"
      "    %s : f64[2] = sin %j\n    yield %i, %s\n  }\n",
      "f64[2,3,4]" },
    { "custom in a scan", "  param @a : f64[2,4] = constant(0.0)\n  param @w : f64[2] = constant(0.0)\n",
      "  %y : f64[2,4], %z : f64[2] = scan %x = @a, %c = @w, sequences = 1, carries = 1 {\n"
      "    %r : f64[2], %keep : f64[2] = custom %p = %x, %q = %c, returned = 1 {\n"
      "      %e : f64[2] = exp %p\n      %m : f64[2] = mul %e, %q\n      yield %m, %e\n"
      "    } backward (%p, %q, %m, %e, %dm) {\n"
      "      %dp : f64[2] = mul %dm, %m\n      %dq : f64[2] = mul %dm, %e\n      yield %dp, %dq\n    }\n"
      "    %t : f64[2] = tanh %r\n    yield %r, %t\n  }\n",
      "f64[2,4]" },
    { "custom", A34 B34,
      "  %y : f64[3,4], %z : f64[3,4] = custom %p = @a, %q = @b, returned = 2 {\n"
      "    %e : f64[3,4] = exp %p\n    %m : f64[3,4] = mul %e, %q\n    yield %m, %e\n"
      "  } backward (%p, %q, %m, %e, %dm, %de) {\n"
      "    %dp : f64[3,4] = mul %dm, %m\n    %d2 : f64[3,4] = mul %de, %e\n"
      "    %d3 : f64[3,4] = add %dp, %d2\n"
      "    %dq : f64[3,4] = mul %dm, %e\n    yield %d3, %dq\n  }\n",
      "f64[3,4]" },
};

static char *case_text(struct arena *a, const struct gradient_case *c)
{
    struct text axes = text_make(a);
    const char *shape = strchr(c->type, '[');
    int rank = shape[1] == ']' ? 0 : 1;

    for (const char *at = shape; *at; at++)
        rank += *at == ',';
    for (int i = 0; i < rank; i++)
        text_add(&axes, "%s%d", i ? "," : "", i);
    return arena_printf(a,
                        "graph train t (N = 4, f64)\n%s  frozen @g : %s = constant(0.0)\n"
                        "%s  %%yg : %s = mul %%y, @g\n"
                        "  %%loss : f64[] = sum %%yg, axes = [%s]\n  loss %%loss\n",
                        c->decls, c->type, c->lines, c->type, text_string(&axes));
}

static double loss_of(struct arena *a, struct store *s)
{
    struct run_result r = run_graph(a, s, GRAPH_TRAIN);

    assert_int_equal(r.loss.count, 1);
    return r.loss.data[0];
}

/* stop_gradient hides what central differences see. */
static bool is_stopped(const struct gradient_case *c)
{
    return strcmp(c->name, "stopped") == 0;
}

static void check_case(const struct gradient_case *c, const char *list)
{
    const double h = 1e-5;
    struct arena *a = arena_new();
    struct module *plain = read_module(a, case_text(a, c)), *m = read_module(a, case_text(a, c));

    assert_true(run_passes(m, list));
    struct store *s = filled_store(a, plain, 3), *t = filled_store(a, m, 3);
    run_graph(a, t, GRAPH_TRAIN);
    for (int i = 0; i < plain->vars; i++) {
        struct var *p = m->var[i];
        if (p->role != ROLE_PARAM || is_stopped(c))
            continue;
        assert_non_null(p->grad);
        for (int64_t k = 0; k < s->var[i].count; k++) {
            double *x = &s->var[i].data[k], before = *x, up, down, derived = t->var[p->grad->index].data[k];
            *x = before + h;
            up = loss_of(a, s);
            *x = before - h;
            down = loss_of(a, s);
            *x = before;
            if (!(fabs((up - down) / (2 * h) - derived) <= 1e-6 * fmax(1, fabs(derived))))
                fail_msg("%s: gradient of %s[%d] is %.12g, by differences %.12g", c->name, p->name, (int)k, derived,
                         (up - down) / (2 * h));
        }
    }
    arena_free(a);
}

static void check_all(const struct gradient_case *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_case(&c[i], "differentiate");
        check_case(&c[i], "differentiate,inline_train,simplify,cse,dce,choose,cse,dce");
    }
}

static void test_operations(void **state)
{
    (void)state;
    check_all(cases, sizeof cases / sizeof *cases);
}

static void test_bodies(void **state)
{
    (void)state;
    check_all(bodies, sizeof bodies / sizeof *bodies);
}

/* ---- corners: the gradient is a matter of convention ---- */

/* The gradient of the sum of y with respect to @a, which has these values. */
static void check_corner(const char *line, int count, const double *x, const double *expected)
{
    struct arena *a = arena_new();
    const char *text = arena_printf(a,
                                    "graph train t (N = 4, f64)\n  param @a : f64[%d] = constant(0.0)\n%s"
                                    "  %%loss : f64[] = sum %%y, axes = [0]\n  loss %%loss\n",
                                    count, line);
    struct module *m = read_module(a, text);

    assert_true(run_passes(m, "differentiate"));
    struct store *s = filled_store(a, m, 3);
    memcpy(s->var[0].data, x, (size_t)count * sizeof *x);
    run_graph(a, s, GRAPH_TRAIN);
    struct tensor wanted = { .count = count, .data = (double *)(uintptr_t)expected };
    assert_near(line, &s->var[m->var[0]->grad->index], &wanted, 1e-12);
    arena_free(a);
}

static void test_corners(void **state)
{
    (void)state;
    check_corner("  %y : f64[3] = abs @a\n", 3, (double[]){ -2, 0, 2 }, (double[]){ -1, 0, 1 });
    check_corner("  %z : f64[] = constant value = 0.0, dtype = f64\n  %b : f64[3] = broadcast %z, shape = [3]\n"
                 "  %y : f64[3] = max @a, %b\n",
                 3, (double[]){ -1, 0, 1 }, (double[]){ 0, 0.5, 1 });
    check_corner("  %y : f64[1] = reduce_max @a, axes = [0], keepdims = true\n", 4, (double[]){ 1, 3, 3, 2 },
                 (double[]){ 0, 0.5, 0.5, 0 });
    check_corner("  %y : f64[1] = prod @a, axes = [0], keepdims = true\n", 3, (double[]){ 2, 0, 3 },
                 (double[]){ 0, 6, 0 });
    check_corner("  %y : f64[1] = prod @a, axes = [0], keepdims = true\n", 3, (double[]){ 0, 0, 3 },
                 (double[]){ 0, 0, 0 });
    check_corner("  %z : f64[] = constant value = 2.0, dtype = f64\n  %b : f64[3] = broadcast %z, shape = [3]\n"
                 "  %y : f64[3] = pow @a, %b\n",
                 3, (double[]){ -3, 0, 3 }, (double[]){ -6, 0, 6 });
    check_corner("  %z : f64[] = constant value = 0.0, dtype = f64\n  %b : f64[2] = broadcast %z, shape = [2]\n"
                 "  %y : f64[2] = pow @a, %b\n",
                 2, (double[]){ 0, 3 }, (double[]){ 0, 0 });
    check_corner("  %z : f64[] = constant value = 0.0, dtype = f64\n  %b : f64[2] = broadcast %z, shape = [2]\n"
                 "  %y : f64[2] = pow %b, @a\n",
                 2, (double[]){ 0, 2 }, (double[]){ 0, 0 });
}

/* ---- what has no gradient ---- */

static void test_refusal(void **state)
{
    static const char text[] =
        "graph train t (N = 4)\n"
        "  param @a : f32[2,4,3,3] = constant(0.0)\n"
        "  frozen @x : f32[2,4,6,6] = constant(0.0)\n"
        "  %p : f32[2,4,3,3], %c : u8[2,4,3,3] = maxpool @x, kernel = [2,2], stride = [2,2], pad = [0,0,0,0]\n"
        "  %y : f32[2,4,6,6] = maxpool_dx @a, %c, kernel = [2,2], stride = [2,2], pad = [0,0,0,0], size = [6,6]\n"
        "  %s : f32[] = sum %y, axes = [0,1,2,3]\n"
        "  loss %s\n";
    struct arena *a = arena_new();
    FILE *out = tmpfile();
    char line[200] = "";
    (void)state;
    struct diag *d = diag_new(a, out);
    struct module *m = parse_module(a, names_new(a), d, "test.ir", text);

    assert_non_null(m);
    assert_false(run_passes(m, "differentiate"));
    assert_int_equal(diag_errors(d), 1);
    rewind(out);
    assert_non_null(fgets(line, sizeof line, out));
    assert_non_null(strstr(line, "test.ir:5:"));
    assert_non_null(strstr(line, "no gradient through maxpool_dx"));
    fclose(out);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_corners),
        cmocka_unit_test(test_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
