/* tests/unit/passes_equal.c: passes change no number: every graph is evaluated before and after, on the same inputs,
 * and results and variables are compared. */
#include "tests/unit/passes_run.h"

static void assert_same_results(const struct run_result *x, const struct run_result *y)
{
    assert_near("loss", &x->loss, &y->loss, 1e-9);
    assert_int_equal(x->outputs, y->outputs);
    assert_int_equal(x->metrics, y->metrics);
    for (int i = 0; i < x->outputs; i++)
        assert_near("output", &x->output[i], &y->output[i], 1e-9);
    for (int i = 0; i < x->metrics; i++)
        assert_near("metric", &x->metric[i], &y->metric[i], 1e-9);
}

static void assert_same_variables(const struct store *x, const struct store *y)
{
    for (int i = 0; i < x->module->vars; i++) {
        struct var *v = x->module->var[i], *w = module_find(y->module, v->name);
        if (w && v->role != ROLE_PREPARED && v->role != ROLE_RANGE)
            assert_near(v->name, &x->var[i], &y->var[w->index], 1e-9);
    }
}

/* All graphs of both, as a program would call them: two steps of training, then evaluation and inference. */
static void compare_modules(struct arena *a, struct module *before, struct module *after)
{
    static const enum graph_kind order[] = { GRAPH_TRAIN,   GRAPH_APPLY, GRAPH_TRAIN, GRAPH_APPLY,
                                             GRAPH_PREPARE, GRAPH_EVAL,  GRAPH_INFER };
    struct store *x = filled_store(a, before, 3), *y = filled_store(a, after, 3);

    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        struct run_result rx = run_graph(a, x, order[i]), ry = run_graph(a, y, order[i]);
        assert_same_results(&rx, &ry);
        x->step += order[i] == GRAPH_APPLY;
        y->step += order[i] == GRAPH_APPLY;
    }
    assert_same_variables(x, y);
}

static void compare_passes(const char *text, const char *few, const char *many)
{
    struct arena *a = arena_new();
    struct module *before = read_module(a, text), *after = read_module(a, text);

    assert_true(run_passes(before, few));
    assert_true(run_passes(after, many));
    compare_modules(a, before, after);
    arena_free(a);
}

static const char *const texts[] = {
    /* a convolution net with its normalisation, pools, padding, groups and a stride */
    "graph train t (N = 4)\n"
    "  input  %x : f32[N,4,9,8]\n"
    "  target %l : i32[N]\n"
    "  param  @w : f32[6,2,3,3] = uniform(-1.0, 1.0)\n"
    "  param  @g : f32[6] = constant(1.0)\n"
    "  param  @v : f32[5,6,3,2] = uniform(-1.0, 1.0)\n"
    "  param  @u : f32[3,10] = uniform(-1.0, 1.0)\n"
    "  state  @mean : f32[6] = constant(0.0)\n"
    "  optimizer sgd(lr = constant(rate = 0.1, every = 1.0, gamma = 1.0, steps = 1.0, warmup = 0.0, "
    "low = 0.0), momentum = 0.9,"
    " weight_decay = 0.01)\n"
    "  %c : f32[N,6,9,8] = conv %x, @w, stride = [1,1], pad = [1,1,1,1], dilation = [1,1], groups = 2\n"
    "  %m : f32[6], %var : f32[6] = moments %c, axes = [0,2,3]\n"
    "  assign @mean, %m\n"
    "  %e : f32[] = constant value = 0.001, dtype = f32\n"
    "  %e6 : f32[6] = broadcast %e, shape = [6]\n"
    "  %s : f32[6] = add %var, %e6\n"
    "  %r : f32[6] = rsqrt %s\n"
    "  %rg : f32[6] = mul %r, @g\n"
    "  %m1 : f32[6,1,1] = reshape %m, shape = [6,1,1]\n"
    "  %mb : f32[N,6,9,8] = broadcast %m1, shape = [N,6,9,8]\n"
    "  %r1 : f32[6,1,1] = reshape %rg, shape = [6,1,1]\n"
    "  %rb : f32[N,6,9,8] = broadcast %r1, shape = [N,6,9,8]\n"
    "  %d : f32[N,6,9,8] = sub %c, %mb\n"
    "  %n : f32[N,6,9,8] = mul %d, %rb\n"
    "  %z : f32[N,6,9,8] = broadcast %e, shape = [N,6,9,8]\n"
    "  %a : f32[N,6,9,8] = max %n, %z\n"
    "  %p : f32[N,6,4,4], %code : u8[N,6,4,4] = maxpool %a, kernel = [3,2], stride = [2,2], pad = [0,0,0,0]\n"
    "  %c2 : f32[N,5,2,3] = conv %p, @v, stride = [2,2], pad = [1,1,1,1], dilation = [1,1]\n"
    "  %q : f32[N,5,2,1] = avgpool %c2, kernel = [1,2], stride = [1,2], pad = [0,0,0,0]\n"
    "  %f : f32[N,10] = reshape %q, shape = [N,10]\n"
    "  %ut : f32[10,3] = transpose @u, perm = [1,0]\n"
    "  %y : f32[N,3] = matmul %f, %ut\n"
    "  %lr : i32[N,1] = reshape %l, shape = [N,1]\n"
    "  %t : f32[N,1] = take_along %y, %lr, axis = 1\n"
    "  %loss : f32[] = sum %t, axes = [0,1]\n"
    "  loss %loss\n"
    "\n"
    "graph infer t (N = 4)\n"
    "  input  %x : f32[N,4,9,8]\n"
    "  param  @w : f32[6,2,3,3] = uniform(-1.0, 1.0)\n"
    "  param  @g : f32[6] = constant(1.0)\n"
    "  state  @mean : f32[6] = constant(0.0)\n"
    "  %c : f32[N,6,9,8] = conv %x, @w, stride = [1,1], pad = [1,1,1,1], dilation = [1,1], groups = 2\n"
    "  %n : f32[6] = mul @mean, @g\n"
    "  %e : f32[6] = exp %n\n"
    "  %e1 : f32[6,1,1] = reshape %e, shape = [6,1,1]\n"
    "  %eb : f32[N,6,9,8] = broadcast %e1, shape = [N,6,9,8]\n"
    "  %y : f32[N,6,9,8] = mul %c, %eb\n"
    "  output %y, name = y\n",

    /* attention, with the library's softmax and a mask made of what is read */
    "graph train t (N = 4)\n"
    "  input  %x : f32[N,8,16]\n"
    "  param  @w : f32[16,16] = uniform(-1.0, 1.0)\n"
    "  optimizer sgd(lr = constant(rate = 0.1, every = 1.0, gamma = 1.0, steps = 1.0, warmup = 0.0, low = 0.0))\n"
    "  %wb : f32[N,16,16] = broadcast @w, shape = [N,16,16]\n"
    "  %k : f32[N,8,16] = matmul %x, %wb\n"
    "  %kt : f32[N,16,8] = transpose %k, perm = [0,2,1]\n"
    "  %0 : f32[N,8,8] = matmul %x, %kt\n"
    "  %s : f32[N,8] = sum %x, axes = [2]\n"
    "  %z : f32[] = constant value = 0.0, dtype = f32\n"
    "  %zb : f32[N,8] = broadcast %z, shape = [N,8]\n"
    "  %seen : bool[N,8] = gt %s, %zb\n"
    "  %1 : bool[N,1,8] = reshape %seen, shape = [N,1,8]\n"
    "  %2 : bool[N,8,8] = broadcast %1, shape = [N,8,8]\n"
    "  %3 : f32[] = constant value = -1e30, dtype = f32\n"
    "  %4 : f32[N,8,8] = broadcast %3, shape = [N,8,8]\n"
    "  %5 : f32[N,8,8] = select %2, %0, %4\n"
    "  %6 : f32[N,8,8] = custom %7 = %5, returned = 1 {\n"
    "    %8 : f32[N,8,1] = reduce_max %7, axes = [2], keepdims = true\n"
    "    %9 : f32[N,8,8] = broadcast %8, shape = [N,8,8]\n"
    "    %10 : f32[N,8,8] = sub %7, %9\n"
    "    %11 : f32[N,8,8] = exp %10\n"
    "    %12 : f32[N,8,1] = sum %11, axes = [2], keepdims = true\n"
    "    %13 : f32[N,8,1] = reciprocal %12\n"
    "    %14 : f32[N,8,8] = broadcast %13, shape = [N,8,8]\n"
    "    %15 : f32[N,8,8] = mul %11, %14\n"
    "    yield %15\n"
    "  } backward (%16, %17, %dy) {\n"
    "    %18 : f32[N,8,8] = mul %dy, %17\n"
    "    %19 : f32[N,8,1] = sum %18, axes = [2], keepdims = true\n"
    "    %20 : f32[N,8,8] = broadcast %19, shape = [N,8,8]\n"
    "    %21 : f32[N,8,8] = sub %dy, %20\n"
    "    %22 : f32[N,8,8] = mul %17, %21\n"
    "    yield %22\n"
    "  }\n"
    "  %23 : f32[N,8,16] = matmul %6, %x\n"
    "  %24 : f32[] = sum %23, axes = [0,1,2]\n"
    "  loss %24\n",

    /* an LSTM-like scan, with products of captured weights, and a scan of scans */
    "graph train t (N = 4)\n"
    "  input  %x : f32[N,5,6]\n"
    "  param  @w : f32[8,6] = uniform(-1.0, 1.0)\n"
    "  param  @u : f32[8,8] = uniform(-1.0, 1.0)\n"
    "  param  @b : f32[8] = uniform(-1.0, 1.0)\n"
    "  param  @h0 : f32[8] = uniform(-1.0, 1.0)\n"
    "  optimizer adam(lr = cosine(rate = 0.1, every = 1.0, gamma = 1.0, steps = 9.0, warmup = 3.0, low "
    "= 0.01), beta1 = 0.9,"
    " beta2 = 0.99, eps = 1e-8, weight_decay = 0.1, clip_norm = 0.5)\n"
    "  %h1 : f32[N,8] = broadcast @h0, shape = [N,8]\n"
    "  %ys : f32[N,5,8], %hl : f32[N,8], %cl : f32[N,8] = scan %a = %x, %h = %h1, %c = %h1, %wc = @w, %uc "
    "= @u, %bc = @b, "
    "sequences = 1, carries = 2 {\n"
    "    %p : f32[N,8] = matmul %a, %wc, tb = true\n"
    "    %q : f32[N,8] = matmul %h, %uc, tb = true\n"
    "    %r : f32[N,8] = add %p, %q\n"
    "    %bb : f32[N,8] = broadcast %bc, shape = [N,8]\n"
    "    %s : f32[N,8] = add %r, %bb\n"
    "    %g : f32[N,8] = sigmoid %s\n"
    "    %i : f32[N,8] = tanh %s\n"
    "    %k : f32[N,8] = mul %g, %c\n"
    "    %l : f32[N,8] = add %k, %i\n"
    "    %m : f32[N,8] = tanh %l\n"
    "    %n : f32[N,8] = mul %m, %g\n"
    "    yield %n, %n, %l\n"
    "  }\n"
    "  %yy : f32[N,5,8] = mul %ys, %ys\n"
    "  %s1 : f32[] = sum %yy, axes = [0,1,2]\n"
    "  %s2 : f32[] = sum %cl, axes = [0,1]\n"
    "  %loss : f32[] = add %s1, %s2\n"
    "  loss %loss\n"
    "\n"
    "graph eval t (N = 4)\n"
    "  input  %x : f32[N,5,6]\n"
    "  param  @w : f32[8,6] = uniform(-1.0, 1.0)\n"
    "  param  @b : f32[8] = uniform(-1.0, 1.0)\n"
    "  %ew : f32[8,6] = exp @w\n"
    "  %ys : f32[N,5,8] = scan %a = %x, %wc = %ew, %bc = @b, sequences = 1, carries = 0, reverse = true {\n"
    "    %p : f32[N,8] = matmul %a, %wc, tb = true\n"
    "    %bb : f32[N,8] = broadcast %bc, shape = [N,8]\n"
    "    %s : f32[N,8] = custom %u = %p, %v = %bb, returned = 1 {\n"
    "      %o : f32[N,8] = add %u, %v\n"
    "      %oo : f32[N,8] = add %v, %u\n"
    "      %r : f32[N,8] = max %o, %oo\n"
    "      yield %r\n"
    "    }\n"
    "    yield %s\n"
    "  }\n"
    "  %loss : f32[] = sum %ys, axes = [0,1,2]\n"
    "  loss %loss\n"
    "\n"
    "graph infer t (N = 4)\n"
    "  input  %x : f32[N,5,6]\n"
    "  param  @w : f32[8,6] = uniform(-1.0, 1.0)\n"
    "  param  @b : f32[8] = uniform(-1.0, 1.0)\n"
    "  %ew : f32[8,6] = exp @w\n"
    "  %et : f32[6,8] = transpose %ew, perm = [1,0]\n"
    "  %y : f32[5,N,6] = transpose %x, perm = [1,0,2]\n"
    "  %z : f32[5,N,6] = reverse %y, axis = 0\n"
    "  %zz : f32[5,N,6] = reverse %z, axis = 0\n"
    "  %f : f32[5*N,6] = reshape %zz, shape = [5*N,6]\n"
    "  %o : f32[5*N,8] = matmul %f, %et\n"
    "  %two : f32[] = constant value = 2.0, dtype = f32\n"
    "  %t : f32[5*N,8] = broadcast %two, shape = [5*N,8]\n"
    "  %od : f32[5*N,8] = div %o, %t\n"
    "  %g : f32[5,N,8] = reshape %od, shape = [5,N,8]\n"
    "  %gt : f32[N,5,8] = transpose %g, perm = [1,0,2]\n"
    "  output %gt, name = y\n",

    /* custom with a backward of its own, randomness, indices, and two optimizers */
    "graph train t (N = 4)\n"
    "  input  %i : i32[N,2]\n"
    "  param  @e : f32[3,4] = uniform(-1.0, 1.0)\n"
    "  param  @a : f32[4,5] = uniform(-1.0, 1.0)\n"
    "  frozen @f : f32[5] = uniform(-1.0, 1.0)\n"
    "  param  @b.w : f32[5] = uniform(-1.0, 1.0)\n"
    "  param  @b.v : f32[17] = uniform(-1.0, 1.0)\n"
    "  param  @lone : f32[2] = uniform(-1.0, 1.0)\n"
    "  optimizer rmsprop(lr = step(rate = 0.1, every = 1.0, gamma = 0.5, steps = 1.0, warmup = 0.0, "
    "low = 0.0), alpha = 0.9,"
    " eps = 1e-8, momentum = 0.5, centered = 1.0, weight_decay = 0.1) for \"b.*\"\n"
    "  optimizer adagrad(lr = constant(rate = 0.1, every = 1.0, gamma = 0.5, steps = 1.0, warmup = 0.0, "
    "low = 0.0), lr_decay = 0.1,"
    " eps = 1e-10)\n"
    "  bound %i, low = 0, high = 3\n"
    "  %g : f32[N,2,4] = gather @e, %i, axis = 0\n"
    "  %h : f32[N,4] = sum %g, axes = [1]\n"
    "  %p : f32[N,5] = matmul %h, @a\n"
    "  %bw : f32[N,5] = broadcast @b.w, shape = [N,5]\n"
    "  %q : f32[N,5] = mul %p, %bw\n"
    "  %fb : f32[N,5] = broadcast @f, shape = [N,5]\n"
    "  %y : f32[N,5], %ty : f32[N,5] = custom %u = %q, %v = %fb, returned = 1 {\n"
    "    %t : f32[N,5] = tanh %u\n"
    "    %w : f32[N,5] = mul %t, %v\n"
    "    yield %w, %t\n"
    "  } backward (%u, %v, %w, %t, %dw) {\n"
    "    %d : f32[N,5] = mul %dw, %v\n"
    "    %d2 : f32[N,5] = mul %d, %t\n"
    "    %d3 : f32[N,5] = mul %dw, %t\n"
    "    yield %d2, %d3\n"
    "  }\n"
    "  %r : f32[N,5] = uniform shape = [N,5], low = 0.0, high = 1.0, stream = 1\n"
    "  %k : f32[N,5] = mul %y, %r\n"
    "  %s : f32[] = sum %k, axes = [0,1]\n"
    "  %vv : f32[17] = mul @b.v, @b.v\n"
    "  %s2 : f32[] = sum %vv, axes = [0]\n"
    "  loss %s\n"
    "  loss %s2\n",
};

#define EVERY "stride = [1,1], dilation = [1,1]"

/* The transposed convolution, in several sizes, and its padding. */
static const char *const transposed[] = {
    "  %y : f32[N,3,10,9] = conv_dx %x, @w, stride = [2,2], pad = [1,1,1,1], dilation = [1,1], size = [10,9]\n",
    "  %y : f32[N,3,9,9] = conv_dx %x, @w, stride = [2,2], pad = [1,1,1,1], dilation = [1,1], size = [9,9]\n",
    "  %y : f32[N,6,7,7] = conv_dx %x, @w, " EVERY ", pad = [0,0,0,0], size = [7,7], groups = 2\n",
    "  %y : f32[N,3,3,4] = conv_dx %x, @w, stride = [1,1], pad = [2,2,1,2], dilation = [1,1], size = [3,4]\n",
    "  %y : f32[N,3,1,4] = conv_dx %x, @w, stride = [1,1], pad = [3,3,3,0], dilation = [1,1], size = [1,4]\n",
    "  %y : f32[N,3,15,17] = conv_dx %x, @w, stride = [3,3], pad = [1,1,0,0], dilation = [2,2], size = [15,17]\n",
};

static void test_conv_dx(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof transposed / sizeof *transposed; i++) {
        struct arena *a = arena_new();
        const char *text = arena_printf(a,
                                        "graph infer t (N = 4)\n  input  %%x : f32[N,4,5,5]\n"
                                        "  param  @w : f32[4,3,3,3] = uniform(-1.0, 1.0)\n"
                                        "%s  output %%y, name = y\n",
                                        transposed[i]);
        compare_passes(text, "", "choose");
        compare_passes(text, "", "choose,simplify,cse,hoist,dce");
        compare_passes(text, "", "layout,simplify,dce,choose,cse,hoist,dce");
        arena_free(a);
    }
}

/* Winograd's tiles: whole, cut off at an edge, one alone; channels that fill vectors, and that do not. A graph is the
 * convolution and its gradients. */
static const struct {
    int channels, outputs, kernel, stride, size[2], pad[4], dilation;
} tiled[] = {
    { 16, 16, 3, 1, { 8, 8 }, { 1, 1, 1, 1 }, 1 },   { 16, 32, 3, 1, { 7, 11 }, { 1, 1, 1, 1 }, 1 },
    { 17, 20, 3, 1, { 6, 6 }, { 0, 0, 0, 0 }, 1 },   { 32, 16, 3, 1, { 13, 3 }, { 2, 0, 1, 2 }, 1 },
    { 19, 48, 3, 1, { 4, 4 }, { 1, 1, 1, 1 }, 1 },   { 16, 24, 3, 1, { 5, 9 }, { 2, 2, 2, 2 }, 1 },
    { 16, 16, 3, 2, { 8, 8 }, { 1, 1, 1, 1 }, 1 },   { 16, 24, 3, 2, { 11, 7 }, { 1, 1, 1, 1 }, 1 },
    { 17, 32, 3, 2, { 8, 12 }, { 0, 1, 0, 1 }, 1 },  { 16, 16, 4, 2, { 8, 12 }, { 1, 1, 1, 1 }, 1 },
    { 20, 16, 4, 2, { 7, 9 }, { 2, 1, 0, 3 }, 1 },   { 16, 16, 5, 2, { 12, 8 }, { 2, 2, 2, 2 }, 1 },
    { 16, 16, 3, 1, { 12, 15 }, { 2, 2, 2, 2 }, 2 }, { 16, 20, 5, 1, { 16, 20 }, { 4, 2, 0, 5 }, 2 },
};

static void test_winograd(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tiled / sizeof *tiled; i++) {
        const int *pad = tiled[i].pad, s = tiled[i].stride, k = tiled[i].kernel, d = tiled[i].dilation;
        struct arena *a = arena_new();
        const char *attributes = arena_printf(a, "stride = [%d,%d], dilation = [%d,%d], pad = [%d,%d,%d,%d]", s, s, d,
                                              d, pad[0], pad[1], pad[2], pad[3]);
        int c = tiled[i].channels, o = tiled[i].outputs, h = tiled[i].size[0], w = tiled[i].size[1];
        int reach = (k - 1) * d + 1,
            y[2] = { (h + pad[0] + pad[1] - reach) / s + 1, (w + pad[2] + pad[3] - reach) / s + 1 };
        const char *text = arena_printf(a,
                                        "graph infer t (N = 4)\n  input  %%x : f32[N,%d,%d,%d]\n"
                                        "  input  %%dy : f32[N,%d,%d,%d]\n"
                                        "  param  @w : f32[%d,%d,%d,%d] = uniform(-1.0, 1.0)\n"
                                        "  %%y : f32[N,%d,%d,%d] = conv %%x, @w, %s\n"
                                        "  %%dx : f32[N,%d,%d,%d] = conv_dx %%dy, @w, %s, size = [%d,%d]\n"
                                        "  %%dw : f32[%d,%d,%d,%d] = conv_dw %%x, %%dy, %s, kernel = [%d,%d]\n"
                                        "  output %%y, name = y\n  output %%dx, name = dx\n  output %%dw, name = dw\n",
                                        c, h, w, o, y[0], y[1], o, c, k, k, o, y[0], y[1], attributes, c, h, w,
                                        attributes, h, w, o, c, k, k, attributes, k, k);
        struct module *m = read_module(a, text);
        assert_true(run_passes(m, "layout,simplify,dce,winograd,dce"));
        for (const struct node *n = m->graph[GRAPH_INFER]->first; n; n = n->next)
            assert_true(n->op != OP_conv && n->op != OP_conv_dx && n->op != OP_conv_dw);
        compare_passes(text, "layout", "layout,winograd");
        compare_passes(text, "", "layout,simplify,dce,winograd,choose,cse,hoist,dce");
        arena_free(a);
    }
}

/* Few channels, taken with stride 2, become four times as many, taken one by one. */
static const struct {
    int channels, kernel, size[2], pad[4];
} folded[] = {
    { 3, 7, { 22, 24 }, { 3, 3, 3, 3 } },
    { 1, 5, { 15, 17 }, { 2, 2, 2, 2 } },
    { 4, 7, { 19, 25 }, { 2, 3, 0, 1 } },
};

static void test_folded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof folded / sizeof *folded; i++) {
        const int *pad = folded[i].pad, c = folded[i].channels, k = folded[i].kernel;
        int h = folded[i].size[0], w = folded[i].size[1];
        struct arena *a = arena_new();
        const char *text = arena_printf(
            a,
            "graph infer t (N = 2)\n  input  %%x : f32[N,%d,%d,%d]\n"
            "  param  @w : f32[16,%d,%d,%d] = uniform(-1.0, 1.0)\n"
            "  %%y : f32[N,16,%d,%d] = conv %%x, @w, stride = [2,2], dilation = [1,1], pad = [%d,%d,%d,%d]\n"
            "  output %%y, name = y\n",
            c, h, w, c, k, k, (h + pad[0] + pad[1] - k) / 2 + 1, (w + pad[2] + pad[3] - k) / 2 + 1, pad[0], pad[1],
            pad[2], pad[3]);
        struct module *m = read_module(a, text);
        assert_true(run_passes(m, "layout,simplify,dce,winograd,dce"));
        for (const struct node *n = m->graph[GRAPH_INFER]->first; n; n = n->next)
            assert_true(n->op != OP_conv);
        compare_passes(text, "layout", "layout,winograd");
        compare_passes(text, "", "layout,simplify,dce,winograd,choose,cse,hoist,dce");
        arena_free(a);
    }
}

/* Images that are multiplied by weights as they lie. */
static void test_flatten(void **state)
{
    static const char text[] = "graph infer t (N = 3)\n"
                               "  input  %x : f32[N,3,6,7]\n"
                               "  param  @w : f32[16,3,3,3] = uniform(-1.0, 1.0)\n"
                               "  param  @rows : f32[320,5] = uniform(-1.0, 1.0)\n"
                               "  param  @columns : f32[7,320] = uniform(-1.0, 1.0)\n"
                               "  %c : f32[N,16,4,5] = conv %x, @w, " EVERY ", pad = [0,0,0,0]\n"
                               "  %f : f32[N,320] = reshape %c, shape = [N,320]\n"
                               "  %a : f32[N,5] = matmul %f, @rows\n"
                               "  %b : f32[N,7] = matmul %f, @columns, tb = true\n"
                               "  output %a, name = a\n  output %b, name = b\n";

    (void)state;
    compare_passes(text, "", "layout");
    compare_passes(text, "", "layout,simplify,dce,choose,cse,hoist,dce");
}

static const char *const each[] = {
    "simplify",      "cse",
    "dce",           "choose",
    "hoist,dce",     "inline_eval",
    "inline_train",  "simplify,choose,cse,dce,hoist,dce",
    "layout",        "layout,simplify,dce,choose",
    "fold_affine",   "simplify,fold_affine,dce,hoist,dce",
    "attention,dce", "inline_eval,attention,dce,inline_train",
    "batch_scan",    "inline_eval,inline_train,simplify,cse,dce,batch_scan,simplify,cse,dce"
};

static void test_single_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t k = 0; k < sizeof each / sizeof *each; k++)
            compare_passes(texts[i], "", each[k]);
    }
}

/* Gradients and updates: of the plain backward part, and of one with everything before and after. */
static void test_training(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        compare_passes(texts[i], "differentiate,optimize_step", "differentiate,inline_train,optimize_step,dce");
        compare_passes(texts[i], "differentiate,optimize_step",
                       "inline_eval,simplify,cse,dce,differentiate,inline_train,optimize_step,simplify,cse,dce,"
                       "batch_scan,layout,simplify,dce,choose,cse,hoist,dce");
    }
}

/* A second run finds nothing to do. */
static void test_settled(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct arena *a = arena_new();
        struct module *m = read_module(a, texts[i]);
        struct pass_context c = { .scratch = a, .level = 2 };
        assert_true(run_passes(m, "inline_eval,differentiate,inline_train,optimize_step,simplify,cse,dce,batch_scan,"
                                  "choose,cse,dce,hoist,dce"));
        assert_false(pass_inline_eval(m, &c));
        assert_false(pass_differentiate(m, &c));
        assert_false(pass_inline_train(m, &c));
        assert_false(pass_optimize_step(m, &c));
        assert_false(pass_cse(m, &c));
        assert_false(pass_dce(m, &c));
        assert_false(pass_batch_scan(m, &c));
        assert_false(pass_choose(m, &c));
        assert_false(pass_hoist(m, &c));
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_passes), cmocka_unit_test(test_training), cmocka_unit_test(test_conv_dx),
        cmocka_unit_test(test_winograd),      cmocka_unit_test(test_folded),   cmocka_unit_test(test_flatten),
        cmocka_unit_test(test_settled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
