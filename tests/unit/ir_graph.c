/* tests/unit/ir_graph.c: lists of uses under every change of a graph, what the builder makes, what inference refuses
 * (a table of wrong operations), and what the verifier finds in graphs that were broken by hand. */
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

/* A module whose reports are collected, its train graph, and a builder at its end. */
struct bench {
    struct arena *a;
    FILE *out;
    char *said;
    size_t length;
    struct module *m;
    struct graph *g;
    struct build b;
};

static struct bench bench_new(void)
{
    struct bench t = { .a = arena_new() };

    return t;
}

/* Apart from bench_new since the stream keeps pointers into *t. */
static void bench_open(struct bench *t)
{
    t->out = open_memstream(&t->said, &t->length);
    t->m = module_new(t->a, names_new(t->a), diag_new(t->a, t->out), "test", 64);
    t->g = graph_new(t->m, GRAPH_TRAIN);
    t->b = build_end(t->g, (struct place){ "test.net", 3, 5, 1 }, "layer");
}

static const char *said(struct bench *t)
{
    fflush(t->out);
    return t->said;
}

static void bench_close(struct bench *t)
{
    fclose(t->out);
    free(t->said);
    arena_free(t->a);
}

static struct value *variable(struct bench *t, const char *name, enum role role, enum dtype dtype, int rank,
                              const struct dim *dim)
{
    return graph_var(t->g, module_var(t->m, name, role, type_make(dtype, rank, dim)));
}

/* f32[N,k] */
static struct value *rows(struct bench *t, const char *name, int64_t k)
{
    return variable(t, name, ROLE_INPUT, DT_REAL, 2, (struct dim[]){ dim_batch(1), dim_of(k) });
}

static void assert_shape(struct bench *t, const struct value *v, const char *shape)
{
    assert_string_equal(shape_text(t->a, v->type), shape);
}

/* ---- uses ---- */

static void test_uses_follow_operands(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3), *y = rows(&t, "y", 3);
    struct value *sum = build_binary(&t.b, OP_add, x, x),
                 *wide = build_concat(&t.b, (struct value *[]){ x, sum }, 2, 1);
    assert_int_equal(value_use_count(x), 3);

    struct node *n = wide->def;
    for (int i = 0; i < 20; i++) /* the array grows under the links */
        node_add_operand(n, i % 2 ? x : sum);
    assert_int_equal(value_use_count(x), 13);
    assert_int_equal(value_use_count(sum), 11);
    assert_true(infer(n));
    assert_shape(&t, wide, "[N,66]");
    assert_true(verify_module(t.m));

    node_drop_operand(n, 0);
    assert_ptr_equal(operand(n, 0), sum);
    assert_ptr_equal(operand(n, 2), x);
    assert_int_equal(value_use_count(x), 12);
    assert_true(infer(n) && verify_module(t.m));

    value_replace(x, y);
    assert_false(value_used(x));
    assert_int_equal(value_use_count(y), 12);
    assert_true(verify_module(t.m));

    node_set_operand(sum->def, 1, x);
    assert_int_equal(value_use_count(x), 1);
    assert_true(verify_module(t.m));
    while (n->operands > 1)
        node_drop_operand(n, n->operands - 1);
    node_remove(n);
    assert_int_equal(value_use_count(sum), 0);
    assert_ptr_equal(t.g->last, sum->def);
    assert_true(verify_module(t.m));
    bench_close(&t);
}

static void test_order(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3);
    struct node *a = build_unary(&t.b, OP_exp, x)->def, *c = build_unary(&t.b, OP_sin, x)->def;
    t.b = build_at(t.g, c);
    assert_string_equal(t.b.layer, "layer");
    assert_int_equal(t.b.at.line, 3);
    struct node *b = build_unary(&t.b, OP_log, a->result[0])->def;
    assert_true(t.g->first == a && a->next == b && b->next == c && t.g->last == c && c->previous == b && !a->previous);
    node_move(c, a);
    assert_true(t.g->first == c && c->next == a && t.g->last == b && !b->next);
    assert_true(verify_module(t.m));
    node_move(a, NULL);
    assert_true(t.g->last == a);
    assert_false(verify_module(t.m));
    assert_non_null(strstr(said(&t), "log: reads a value that is not defined before it"));
    bench_close(&t);
}

static void test_variables(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3);
    struct graph *other = graph_new(t.m, GRAPH_EVAL);
    struct value *elsewhere = graph_var(other, x->var);
    assert_ptr_not_equal(elsewhere, x);
    assert_ptr_equal(graph_var(t.g, x->var), x);
    assert_ptr_equal(graph_var(other, x->var), elsewhere);
    assert_null(module_var(t.m, "x", ROLE_STATE, type_scalar(DT_REAL)));
    assert_ptr_equal(module_find(t.m, "x"), x->var);
    assert_null(module_find(t.m, "y"));
    bench_close(&t);
}

/* ---- bodies and copies ---- */

/* fused %x, %y { a = x + y; yield a, a * x } */
static struct node *fused_pair(struct bench *t, struct value *x, struct value *y)
{
    struct graph *body = graph_new(t->m, GRAPH_BODY);
    struct build b = build_end(body, t->b.at, "inner");
    struct value *px = graph_param(body, x->type, "x"), *py = graph_param(body, y->type, "y");
    struct value *a = build_binary(&b, OP_add, px, py);

    graph_yield(body, (struct value *[]){ a, build_binary(&b, OP_mul, a, px) }, 2);
    return build_bodied(&t->b, OP_fused, (struct value *[]){ x, y }, 2, NULL, 0, &body, 1);
}

static void test_yields_are_uses(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct node *f = fused_pair(&t, rows(&t, "x", 3), rows(&t, "y", 3));
    struct graph *body = f->body[0];
    assert_int_equal(f->results, 2);
    assert_int_equal(value_use_count(body->first->result[0]), 2);
    value_replace(body->yield[0], body->param[1]);
    assert_ptr_equal(body->yield[0], body->param[1]);
    assert_ptr_equal(operand(body->last, 0), body->param[1]);
    node_remove(body->first);
    assert_true(verify_module(t.m));
    graph_yield(body, (struct value *[]){ body->yield[1], body->yield[0], body->yield[1] }, 3);
    assert_true(infer(f));
    assert_int_equal(f->results, 3);
    assert_true(verify_module(t.m));
    node_drop_operand(body->yield_node, 0);
    assert_int_equal(body->yields, 2);
    assert_ptr_equal(body->yield[0], body->param[1]);
    assert_false(verify_module(t.m));
    assert_non_null(strstr(said(&t), "fused: gives 2 results, not 3"));
    bench_close(&t);
}

static void test_copies(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3), *y = rows(&t, "y", 3);
    struct node *f = fused_pair(&t, x, y);
    f->result[0]->name = name(t.m->names, "pair");
    build_effect(&t.b, OP_output, f->result[1], "out");

    struct graph *to = graph_new(t.m, GRAPH_EVAL);
    x->data = y->data = NULL;
    graph_copy_into(t.g, to, NULL);
    struct node *copy = to->first;
    assert_true(copy->op == OP_fused && copy->next->op == OP_output && !copy->next->next);
    assert_true(copy->body[0] != f->body[0] && copy->body[0]->owner == copy && copy->body[0]->yields == 2);
    assert_ptr_equal(operand(copy, 0), graph_var(to, x->var));
    assert_ptr_equal(copy->result[0]->name, f->result[0]->name);
    assert_ptr_equal(f->result[0]->data, copy->result[0]);
    assert_string_equal(copy->layer, "layer");
    assert_true(verify_module(t.m));

    x->data = NULL; /* into itself, with x standing for y */
    y->data = x;
    graph_copy_into(t.g, t.g, NULL);
    assert_true(t.g->last->op == OP_output && t.g->last->previous->op == OP_fused);
    assert_ptr_equal(operand(t.g->last->previous, 1), x);
    assert_true(verify_module(t.m));
    bench_close(&t);
}

static void test_constants(void **state)
{
    struct bench t = bench_new();
    double x = 0;

    (void)state;
    bench_open(&t);
    struct value *c = build_full(&t.b, 2.75, type_make(DT_REAL, 2, (struct dim[]){ dim_batch(1), dim_of(3) }));
    assert_true(value_constant(c, &x) && x == 2.75);
    struct value *whole = build_cast(&t.b, c, DT_I32);
    assert_true(value_constant(whole, &x) && x == 2);
    assert_true(value_constant(build_cast(&t.b, build_cast(&t.b, whole, DT_BOOL), DT_REAL), &x) && x == 1);
    assert_false(value_constant(build_cast(&t.b, build_constant(&t.b, 1e20, DT_REAL), DT_I32), &x));
    assert_false(value_constant(rows(&t, "x", 3), &x));
    assert_ptr_equal(build_cast(&t.b, c, DT_REAL), c);
    bench_close(&t);
}

/* ---- the builder ---- */

static void test_builder_broadcasts(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3), *y = rows(&t, "y", 4);
    struct value *bias = variable(&t, "b", ROLE_PARAM, DT_REAL, 1, (struct dim[]){ dim_of(3) });
    struct value *sum = build_binary(&t.b, OP_add, x, bias);
    assert_shape(&t, sum, "[N,3]");
    assert_int_equal(operand(sum->def, 1)->def->op, OP_broadcast);
    assert_ptr_equal(operand(sum->def, 0), x);
    assert_shape(&t, build_unbroadcast(&t.b, sum, bias->type), "[3]");
    struct value *pick = build_select(&t.b, build_binary(&t.b, OP_lt, x, bias), build_constant(&t.b, 0, DT_REAL), bias);
    assert_shape(&t, pick, "[N,3]");
    assert_string_equal(said(&t), "");

    assert_true(is_poison(build_binary(&t.b, OP_add, x, y)));
    assert_non_null(strstr(said(&t), "test.net:3:5: error: add needs shapes that broadcast: [N,3] and [N,4]"));
    assert_true(is_poison(build_binary(&t.b, OP_mul, x, build_cast(&t.b, x, DT_I32))));
    assert_non_null(strstr(said(&t), "mul mixes f32[N,3] and i32[N,3]: convert one with f32(...) or i32(...)"));

    int errors = diag_errors(t.m->diag); /* poison is silent */
    struct value *p = poison(&t.b);
    assert_true(is_poison(build_unary(&t.b, OP_exp, p)) && is_poison(build_binary(&t.b, OP_add, x, p)));
    assert_true(is_poison(build_select(&t.b, p, x, x)) && is_poison(build_matmul(&t.b, p, x, false, false)));
    assert_true(is_poison(build_swap(&t.b, p)) && is_poison(build_reshape(&t.b, p, NULL, 0)));
    assert_true(is_poison(build_concat(&t.b, (struct value *[]){ x, p }, 2, 1)) &&
                is_poison(build_cast(&t.b, p, DT_I32)));
    assert_int_equal(diag_errors(t.m->diag), errors);
    assert_true(verify_module(t.m));
    bench_close(&t);
}

static void test_builder_gives_back_what_nothing_changes(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3);
    assert_ptr_equal(build_reshape(&t.b, x, x->type.dim, 2), x);
    assert_ptr_equal(build_broadcast(&t.b, x, x->type.dim, 2), x);
    assert_ptr_equal(build_transpose(&t.b, x, (int64_t[]){ 0, 1 }), x);
    assert_ptr_equal(build_slice(&t.b, x, 1, 0, 3, 1), x);
    assert_ptr_equal(build_pad(&t.b, x, (int64_t[]){ 0, 0, 0, 0 }, 0), x);
    assert_ptr_equal(build_reduce(&t.b, OP_sum, x, NULL, 0, false), x);
    assert_null(t.g->first);
    assert_shape(&t, build_swap(&t.b, x), "[3,N]");
    bench_close(&t);
}

/* What a dump cannot say, since its reader refuses it. */
static void test_builder_refuses_shapes(void **state)
{
    struct bench t = bench_new();
    struct dim nine[9], none = dim_of(0);

    (void)state;
    bench_open(&t);
    for (int i = 0; i < 9; i++)
        nine[i] = dim_of(1);
    struct value *one = build_constant(&t.b, 1, DT_REAL);
    assert_true(is_poison(build_reshape(&t.b, one, nine, 9)));
    assert_non_null(strstr(said(&t), "reshape would have 9 dimensions, of which there can be 8"));
    assert_true(is_poison(build_broadcast(&t.b, one, &none, 1)));
    assert_non_null(strstr(said(&t), "broadcast cannot have a dimension of 0"));
    assert_true(is_poison(build_swap(&t.b, one)));
    assert_non_null(strstr(said(&t), "transposing needs at least two axes: f32[]"));
    assert_ptr_equal(t.g->last, one->def);
    bench_close(&t);
}

/* Many rows against one matrix are one product of two matrices. */
static void test_builder_joins_rows(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = variable(&t, "x", ROLE_INPUT, DT_REAL, 3, (struct dim[]){ dim_batch(1), dim_of(5), dim_of(3) });
    struct value *w = variable(&t, "w", ROLE_PARAM, DT_REAL, 2, (struct dim[]){ dim_of(4), dim_of(3) });
    struct value *y = build_matmul(&t.b, x, w, false, true);
    assert_shape(&t, y, "[N,5,4]");
    assert_shape(&t, operand(y->def, 0), "[5*N,4]");
    assert_shape(&t, build_matmul(&t.b, w, x, false, true), "[N,4,5]");
    assert_shape(&t, build_matmul(&t.b, x, x, true, false), "[N,3,3]");
    assert_true(verify_module(t.m));
    assert_true(is_poison(build_matmul(&t.b, x, w, false, false)));
    assert_non_null(strstr(said(&t), "matmul needs equal inner dimensions: [N,5,3] and [4,3]"));
    bench_close(&t);
}

/* ---- what inference refuses ---- */

static const char variables[] = "graph train t (N = 64)\n"
                                "  input  %x : f32[N,3]\n"
                                "  input  %i : i32[N]\n"
                                "  input  %u : u8[N,3]\n"
                                "  input  %image : f32[N,4,9,9]\n"
                                "  input  %deep : f32[N,1,1,1,1,1,1,1]\n"
                                "  param  @w : f32[3,4] = constant(0.0)\n"
                                "  param  @v : f32[3] = constant(0.0)\n"
                                "  param  @kernel : f32[8,4,3,3] = constant(0.0)\n"
                                "  param  @other : f32[8,2,3,3] = constant(0.0)\n"
                                "  param  @huge : f32[1,4,1,3000000000] = constant(0.0)\n"
                                "  param  @table : f32[7,5] = constant(0.0)\n"
                                "  state  @s : i32[] = constant(0.0)\n"
                                "  state  @r : i32[5] = constant(0.0)\n"
                                "  state  @five : f32[5] = constant(0.0)\n"
                                "  step   @step : i32[]\n"
                                "  %b : bool[N,3] = lt %x, %x\n"
                                "  %xt : f32[3,N] = transpose %x, perm = [1,0]\n"
                                "  %square : f32[N,N] = matmul %x, %x, tb = true\n"
                                "  %cut : f32[N,4,3,9] = slice %image, axis = 2, begin = 0, end = 3\n"
                                "  %led : f32[N,4,3,3] = slice %cut, axis = 3, begin = 0, end = 3\n"
                                "  %one : f32[1] = slice @v, axis = 0, begin = 0, end = 1\n";

struct refusal {
    const char *operation, *message;
};

static const struct refusal refusals[] = {
    /* elements */
    { "%y : f32[N,3] = add %x, %i", "add mixes f32[N,3] and i32[N]: convert one with f32(...) or i32(...)" },
    { "%y : f32[N,3] = add %u, %u", "add cannot reckon with u8[N,3]: convert with f32(...) or i32(...)" },
    { "%y : f32[N,3] = add %x, @v", "add needs shapes that broadcast: [N,3] and [3]" },
    { "%y : f32[N] = exp %i", "exp takes real tensors, not i32[N]: convert with f32(...)" },
    { "%y : f32[N] = div %i, %i", "div takes real tensors, not i32[N]: convert with f32(...)" },
    { "%y : bool[N,3] = eq %b, %b", "eq cannot reckon with bool[N,3]" },
    { "%y : bool[N,3] = and %b, %x", "and wants bool, not f32[N,3]" },
    { "%y : f32[N,3] = select %x, %x, %x", "select wants bool, not f32[N,3]" },
    { "%y : f32[N,3] = select %b, %x, %i", "select chooses between f32[N,3] and i32[N]" },
    { "%y : u8[N,3] = select %b, %u, %u", "select cannot choose between u8[N,3]" },
    { "%y : f32[N,3] = cast %x, to = f64", "cast knows no element type 'f64'" },
    /* made */
    { "%y : i32[] = constant value = 0.5, dtype = i32", "constant cannot have the value 0.5 as i32" },
    { "%y : i32[] = constant value = 2147483648.0, dtype = i32", "constant cannot have the value 2.14748e+09 as i32" },
    { "%y : bool[] = constant value = nan, dtype = bool", "constant cannot have the value nan as bool" },
    { "%y : i32[3] = iota shape = [3], axis = 1, dtype = i32", "iota has no axis 1 in [3]" },
    { "%y : i32[3000000000] = iota shape = [3000000000], axis = 0, dtype = i32", "iota cannot count along axis 0" },
    { "%y : bool[3] = iota shape = [3], axis = 0, dtype = bool", "iota makes real or i32 tensors, not bool[3]" },
    { "%y : f32[2] = uniform shape = [2], low = 1.0, high = 0.0, stream = 1", "uniform needs low <= high" },
    { "%y : f32[2] = normal shape = [2], mean = 0.0, deviation = -1.0, stream = 1",
      "normal needs a deviation of at least 0" },
    /* reductions */
    { "%y : f32[N] = sum %x, axes = [2]", "sum has no axis 2: [N,3] has axes 0 to 1" },
    { "%y : f32[] = sum %x, axes = [1,0]", "sum needs distinct axes in ascending order, not 0 behind 1" },
    { "%y : f32[N] = reduce_max %x, axes = [1,1]", "max needs distinct axes in ascending order" },
    { "%y : f32[N] = sum %b, axes = [1]", "sum takes real tensors, not bool[N,3]" },
    { "%y : f32[] = moments %i, axes = [0]", "moments takes real tensors, not i32[N]" },
    { "%y : i32[N] = argmax %x, axis = -1", "argmax has no axis -1" },
    { "%y : f32[3] = argmax @s, axis = 0", "argmax has no axis 0: its operand is a scalar" },
    { "%y : f32[N,3] = cumsum %x, axis = 0", "cumsum cannot work along the batch axis 0 of [N,3]" },
    /* shapes */
    { "%y : f32[N,4] = reshape %x, shape = [N,4]", "reshape cannot make [N,4] of [N,3]: they differ in size" },
    { "%y : f32[192] = reshape %x, shape = [192]", "reshape cannot make [192] of [N,3]: they differ in size" },
    { "%y : f32[3] = reshape %x, shape = [N,N,3]", "reshape cannot make [N,N,3] of [N,3]" },
    { "%y : f32[4] = broadcast @v, shape = [4]", "broadcast cannot spread [3] to [4]" },
    { "%y : f32[1,3] = broadcast %x, shape = [1,3]", "broadcast cannot spread [N,3] to [1,3]" },
    { "%y : f32[3] = broadcast @v, shape = [1099511627776,3]",
      "broadcast would give f32[1099511627776,3], more than 2^40 elements" },
    { "%y : f32[3] = broadcast @v, shape = [9223372036854775807*N,3]", "more than 2^40 elements" },
    { "%y : f32[3,N] = transpose %x, perm = [1]", "transpose is given 1 axes for [N,3]" },
    { "%y : f32[N,N] = transpose %x, perm = [0,0]", "transpose is given axis 0 twice" },
    { "%y : f32[N,3] = transpose %x, perm = [0,2]", "transpose has no axis 2" },
    { "%y : f32[2,3] = slice %x, axis = 0, begin = 0, end = 2", "slice cannot work along the batch axis 0" },
    { "%y : f32[N,4] = slice %x, axis = 1, begin = 0, end = 4", "slice cannot take 0..4 of axis 1 of [N,3]" },
    { "%y : f32[N,1] = slice %x, axis = 1, begin = 2, end = 2", "slice cannot take 2..2 of axis 1 of [N,3]" },
    { "%y : f32[N,3] = slice %x, axis = 1, begin = 0, end = 3, step = 0", "slice needs a step of at least 1, not 0" },
    { "%y : f32[N,3] = reverse %x, axis = 0", "reverse cannot work along the batch axis 0" },
    { "%y : f32[N,3] = pad %x, pairs = [0,0]", "pad wants a pair for each axis of [N,3], not 1" },
    { "%y : f32[N,3] = pad %x, pairs = [1,0,0,0]", "pad cannot work along the batch axis 0" },
    { "%y : f32[N,3] = pad %x, pairs = [0,0,-1,0]", "pad cannot add -1 and 0 elements" },
    { "%y : i32[] = pad @s, pairs = [], value = 0.5", "pad cannot have the value 0.5 as i32" },
    { "%y : f32[4] = dilate @v, axis = 0, step = 2, length = 4", "dilate cannot spread axis 0 of [3] by 2 over 4" },
    { "%y : f32[1] = dilate %one, axis = 0, step = 2, length = 0", "dilate would give f32[0], which has no elements" },
    { "%y : f32[N,3] = concat axis = 0", "concat needs at least one operand" },
    { "%y : f32[N,6] = concat %x, %x, axis = 0", "concat cannot work along the batch axis 0" },
    { "%y : f32[N,6] = concat %x, %u, axis = 1",
      "concat needs shapes that agree but for axis 1: f32[N,3] and u8[N,3]" },
    { "%y : f32[3,6] = concat @w, %xt, axis = 1",
      "concat needs shapes that agree but for axis 1: f32[3,4] and f32[3,N]" },
    /* products */
    { "%y : f32[N,3] = matmul %x, %x", "matmul needs equal inner dimensions: [N,3] and [N,3]" },
    { "%y : f32[N,4] = matmul %x, @w, ta = true", "matmul needs equal inner dimensions: [N,3]' and [3,4]" },
    { "%y : f32[N] = matmul %x, @v", "matmul wants 2 to 8 dimensions, not the 1 of f32[3]" },
    { "%y : f32[N,4,9,4] = matmul %image, @kernel, tb = true",
      "matmul needs equal inner dimensions: [N,4,9,9] and [8,4,3,3]'" },
    { "%y : f32[N,4,3,3] = matmul %led, @kernel", "matmul needs equal leading dimensions: [N,4,3,3] and [8,4,3,3]" },
    { "%y : f32[N,N,3] = matmul @table, %deep", "matmul needs equal" },
    /* attention */
    { "%y : f32[N,4,9,9] = attention %image, %image, @v", "attention wants 2 to 8 dimensions, not the 1 of f32[3]" },
    { "%y : f32[N,4,9,9] = attention %image, %led, %led",
      "attention needs queries and keys of equal length: [N,4,9,9] and [N,4,3,3]" },
    { "%y : f32[N,4,9,9] = attention %image, @kernel, @kernel",
      "attention needs equal leading dimensions: [N,4,9,9] and [8,4,3,3]" },
    { "%y : f32[N,4,9,3] = attention %image, %image, %led",
      "attention needs a value for each key: [N,4,9,9] and [N,4,3,3]" },
    { "%y : f32[N,4,9,9] = attention %image, %image, %image, %i",
      "attention wants a mask of bool or real, not i32[N]" },
    { "%y : f32[N,4,9,9] = attention %image, %image, %image, @v",
      "attention cannot spread the mask [3] over [N,4,9,9]" },
    { "%y : f32[N,4,9,9], %z : f32[N,4,9,9], %w : f32[N,4,9,9] = attention_dx %image, %image, %image, %led",
      "attention_dx needs a gradient for each row: [N,4,9,9] and [N,4,3,3]" },
    { "%y : f32[N,N] = attention %x, %x, %x", "attention cannot work along the batch axis 0 of [N,3]" },
    /* windows */
    { "%y : f32[N,8,7,7] = conv %image, @other, stride = [1,1], pad = [0,0,0,0], dilation = [1,1]",
      "conv has 4 channels in its input [N,4,9,9], but its weight [8,2,3,3] wants 2" },
    { "%y : f32[N,8,7,7] = conv %image, @kernel, stride = [1,1], pad = [0,0,0,0], dilation = [1,1], groups = 3",
      "conv cannot part 4 and 8 channels into 3 groups" },
    { "%y : f32[N,8,7,7] = conv %image, @kernel, stride = [1], pad = [0,0,0,0], dilation = [1,1]",
      "conv wants 2 numbers as stride, not 1" },
    { "%y : f32[N,8,7,7] = conv %image, @kernel, stride = [0,1], pad = [0,0,0,0], dilation = [1,1]",
      "conv cannot have 0 as stride" },
    { "%y : f32[N,8,7,7] = conv %image, @kernel, stride = [1,1], pad = [0,0,0,-1], dilation = [1,1]",
      "conv cannot have -1 as pad" },
    { "%y : f32[N,8,7,7] = conv %image, @kernel, stride = [1,1], pad = [0,0,0,0], dilation = [5,1]",
      "conv has a window of 11 with its dilation that does not fit into 9 elements with their padding ([N,4,9,9])" },
    { "%y : f32[N,8,7,7] = conv %image, %led, stride = [1,1], pad = [0,0,0,0], dilation = [1,1]",
      "conv cannot work along the batch axis 0 of [N,4,3,3]" },
    { "%y : f32[N,1,9,9] = conv %image, @huge, stride = [1,1], pad = [0,0,0,0], dilation = [1,2147483647]",
      "conv cannot have windows of 3000000000" },
    { "%y : f32[N,3] = conv %x, @w, stride = [], pad = [], dilation = []",
      "conv wants 3 to 5 dimensions, not the 2 of f32[N,3]" },
    { "%y : f32[N,2,9,9] = conv_dx %image, @kernel, stride = [1,1], pad = [0,0,0,0], dilation = [1,1], size = [11,11]",
      "conv_dx has 4 channels in its input [N,4,9,9], but its weight [8,4,3,3] wants 8" },
    { "%y : f32[4,4,3,3] = conv_dw %image, %image, stride = [1,1], pad = [0,0,0,0], dilation = [1,1], kernel = [3,3]",
      "conv_dw cannot come from 9 elements: a window of 3 makes 7 of them, its operand is [N,4,9,9]" },
    { "%y : f32[N,4,9,9], %c : u8[N,4,9,9] = maxpool %image, kernel = [17,17], stride = [1,1], pad = [8,8,8,8]",
      "maxpool takes windows of at most 256 elements" },
    { "%y : f32[N,4,9,9], %c : u8[N,4,9,9] = maxpool %image, kernel = [-9223372036854775807,-9223372036854775807], stride = [1,1], "
      "pad = [0,0,0,0]",
      "maxpool cannot have -9223372036854775807 as kernel" },
    { "%y : f32[N,4,9,9] = avgpool %image, kernel = [2,2], stride = [1,1], pad = [2,0,0,0]",
      "avgpool has windows of 2 that would see padding only" },
    { "%y : f32[N,4,9,9] = maxpool_dx %image, %u, kernel = [2,2], stride = [1,1], pad = [0,0,0,0], size = [10,10]",
      "maxpool_dx needs codes of the gradient's shape [N,4,9,9], not u8[N,3]" },
    /* indices */
    { "%y : f32[N,5] = gather @table, %x", "gather wants i32, not f32[N,3]: convert with i32(...)" },
    { "%y : f32[N,3] = gather %x, %i", "gather cannot work along the batch axis 0 of [N,3]" },
    { "%y : f32[7,N] = gather @table, %i, axis = 2", "gather has no axis 2" },
    { "%y : f32[7,3] = scatter_add %x, %i, axis = 1, size = 7",
      "scatter_add needs the index's shape [N] at axis 1 of [N,3]" },
    { "%y : f32[7,3] = scatter_add %x, %i, axis = 9223372036854775807, size = 7", "scatter_add has no axis" },
    { "%y : f32[7,3] = scatter_add %x, %i, size = 0", "scatter_add cannot have 0 entries" },
    { "%y : f32[7] = scatter_add %deep, @s, size = 7", "scatter_add would have 9 dimensions" },
    { "%y : f32[N,3] = take_along %x, %i, axis = 1", "take_along wants 2 dimensions, not the 1 of i32[N]" },
    { "%y : f32[N,7] = put_along %x, %i, axis = 1, size = 7",
      "put_along needs an index of the gradient's shape [N,3], not [N]" },
    { "%y : f32[N,7] = one_hot %i, classes = 0", "one_hot needs at least one class, not 0" },
    { "%y : f32[N,3,7] = one_hot %x, classes = 7", "one_hot wants i32, not f32[N,3]: convert with i32(...)" },
    { "%y : f32[7,3] = sparse_matmul %x, @v, @r, @r, out = 7",
      "sparse_matmul cannot work along the batch axis 0 of [N,3]" },
    { "%y : f32[7,N] = sparse_matmul %xt, @w, @r, @r, out = 7",
      "sparse_matmul wants 1 dimensions, not the 2 of f32[3,4]" },
    { "%y : f32[7,N] = sparse_matmul %xt, @v, @r, @r, out = 7",
      "sparse_matmul needs a value for each entry: [3], and [5] rows" },
    { "%y : f32[7,N] = sparse_matmul %xt, @v, @r, @s, out = 7",
      "sparse_matmul wants 1 dimensions, not the 0 of i32[]" },
    { "%y : f32[7,N] = sparse_matmul %xt, @v, @v, @v, out = 7", "sparse_matmul wants i32, not f32[3]" },
    { "%y : f32[5] = dots @w, %xt, @r, @r", "dots needs rows of equal length: [3,4] and [3,N]" },
    { "%y : f32[7,N] = sparse_matmul %xt, @five, @r, @r, out = 0", "sparse_matmul cannot have 0 rows" },
    { "bound %x, low = 0, high = 3", "bound checks indices, not f32[N,3]" },
    { "bound %i, low = 4, high = 3", "bound needs low <= high, not 4 and 3" },
    /* scalars and effects */
    { "%y : f32[] = learning_rate @step, rule = often, rate = 0.1", "learning_rate knows no rule 'often'" },
    { "%y : f32[N] = first_step %i, first = 1.0, later = 0.0", "first_step wants 0 dimensions, not the 1 of i32[N]" },
    { "loss %x", "loss must be a scalar, not f32[N,3]: take its sum or its mean" },
    { "output %xt, name = y", "output must lead with N, not be f32[3,N]" },
    { "assign @v, @w", "assign cannot put f32[3,4] into f32[3]" },
    { "assign %x, %x", "assign cannot write the input 'x'" },
    { "assign %xt, %xt", "assign writes a variable, and its first operand is none" },
    { "accumulate @s, @s", "accumulate takes real tensors, not i32[]" },
    /* bodies */
    { "%y : f32[N] = scan %t = %x, axis = 0, sequences = 1, carries = 0 {\n    yield %t\n  }",
      "scan cannot work along the batch axis 0 of [N,3]" },
    { "%y : f32[N,3] = scan %t = %x, sequences = 0, carries = 1 {\n    yield %t\n  }", "scan has 1 operands" },
    { "%y : f32[N,3], %l : f32[N,3] = scan %t = %x, %c = @v, sequences = 1, carries = 1 {\n    yield %t, %t\n  }",
      "scan carries f32[3], but a step leaves f32[N]" },
    { "%y : f32[N,3] = custom %p = %x, returned = 2 {\n    yield %p\n  }", "custom returns 2 of 1 values" },
    { "%y : f32[N] = custom %p = %x, returned = 1 {\n    %q : f32[N] = sum %p, axes = [1]\n    yield %q\n  } backward (%p2, %q2, %d) {\n"
      "    yield %d\n  }",
      "custom has a backward whose value 1 is f32[N], but the input is f32[N,3]" },
};

/* Is this all that is said of a dump with one wrong operation between right ones? */
static bool is_refused(const struct refusal *r)
{
    struct arena *a = arena_new();
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    struct diag *d = diag_new(a, out);

    parse_module(a, names_new(a), d, "t.ir",
                 arena_printf(a, "%s  %s\n  %%last : f32[N,3] = exp %%x\n", variables, r->operation));
    fclose(out);
    bool refused = diag_errors(d) == 1 && strstr(text, r->message);
    if (!refused)
        print_error("'%s' should be refused with '%s', not with\n%s\n", r->operation, r->message, text);
    free(text);
    arena_free(a);
    return refused;
}

static void test_refusals(void **state)
{
    bool all = true;

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        all = is_refused(&refusals[i]) && all;
    assert_true(all);
}

/* ---- what the verifier finds ---- */

static void expect_found(struct bench *t, const char *what)
{
    assert_false(verify_module(t->m));
    if (!strstr(said(t), what))
        fail_msg("the verifier should have found '%s', not\n%s", what, said(t));
    bench_close(t);
}

static void test_verifier_finds_types(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *y = build_unary(&t.b, OP_exp, rows(&t, "x", 3));
    assert_true(verify_module(t.m));
    y->type.dim[1] = dim_of(4);
    expect_found(&t, "exp: its result is f32[N,3], but was said to be f32[N,4]");
}

static void test_verifier_finds_foreign_values(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct node *f = fused_pair(&t, rows(&t, "x", 3), rows(&t, "y", 3));
    node_set_operand(f->body[0]->first, 1, operand(f, 0));
    expect_found(&t, "add: reads a value of another graph");
}

static void test_verifier_finds_lost_definitions(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *y = build_unary(&t.b, OP_exp, rows(&t, "x", 3));
    build_unary(&t.b, OP_log, y);
    t.g->first = y->def->next;
    t.g->first->previous = NULL;
    expect_found(&t, "log: reads a value that is not defined before it");
}

static void test_verifier_finds_broken_uses(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3), *y = rows(&t, "y", 3), *e = build_unary(&t.b, OP_exp, x);
    e->def->operand[0].value = y;
    expect_found(&t, "a list of uses is broken");
}

static void test_verifier_finds_uses_by_what_is_gone(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    build_unary(&t.b, OP_exp, rows(&t, "x", 3));
    t.g->first = t.g->last = NULL;
    expect_found(&t, "graph train: there are 1 uses of values, but 0 operands");
}

static void test_verifier_finds_attributes(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *s = build_reduce(&t.b, OP_sum, rows(&t, "x", 3), (int64_t[]){ 1 }, 1, false);
    s->def->attrs = 1;
    expect_found(&t, "sum: its attributes are not those of the operation");
}

static void test_verifier_finds_effects(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct node *f = fused_pair(&t, rows(&t, "x", 3), rows(&t, "y", 3));
    struct build b = build_end(f->body[0], t.b.at, "");
    build_effect(&b, OP_output, f->body[0]->param[0], "o");
    expect_found(&t, "output: stands where no effect may");
}

static void test_verifier_finds_variables(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    module_var(t.m, "x", ROLE_INPUT, type_make(DT_REAL, 1, (struct dim[]){ dim_of(3) }));
    module_var(t.m, "w", ROLE_PARAM, type_make(DT_REAL, 1, (struct dim[]){ dim_batch(3) }));
    assert_false(verify_module(t.m));
    assert_non_null(strstr(said(&t), "input 'x' must lead with N, not be f32[3]"));
    expect_found(&t, "param 'w' cannot depend on N");
}

/* The lines of a sparse matrix of 5 entries, with one of them changed. */
static void check_sparse(const char *values, const char *rows, const char *matrix, const char *expected)
{
    struct bench t = bench_new();

    bench_open(&t);
    struct module *m = parse_module(t.a, names_new(t.a), diag_new(t.a, t.out), "x.ir",
                                    arena_printf(t.a,
                                                 "graph infer t (N = 2)\n  input %%x : f32[N,3]\n  %s\n  %s\n"
                                                 "  state @c : i32[5] = places\n  %s\n  output %%x, name = y\n",
                                                 values, rows, matrix));
    assert_non_null(m);
    assert_int_equal(verify_module(m), !expected);
    if (expected)
        assert_non_null(strstr(said(&t), expected));
    bench_close(&t);
}

static void test_verifier_finds_sparse(void **state)
{
    const char *w = "param @w : f32[5] = constant(0.0)", *r = "state @r : i32[5] = places";

    (void)state;
    check_sparse(w, r, "sparse @w, @r, @c, out = 4, in = 3, zeta = 0.3", NULL);
    check_sparse(w, r, "sparse @w, @r, @c, out = 1, in = 4, zeta = 0.3", "5 entries do not fit into 1 x 4");
    check_sparse(w, r, "sparse @w, @r, @c, out = 0, in = 4, zeta = 0.3", "do not fit into 0 x 4");
    check_sparse(w, r, "sparse @w, @r, @c, out = 4, in = 3, zeta = 1.5", "zeta is a fraction, not 1.5");
    check_sparse(w, r, "sparse @w, @c, @c, out = 4, in = 3, zeta = 0.3", "two states of places");
    check_sparse(w, "state @r : i32[4] = places", "sparse @w, @r, @c, out = 4, in = 3, zeta = 0.3",
                 "all of one length");
    check_sparse(w, r, "", "the places 'r' are those of 0 sparse matrices");
}

static void test_verifier_limits_depth(void **state)
{
    struct bench t = bench_new();

    (void)state;
    bench_open(&t);
    struct value *x = rows(&t, "x", 3);
    struct graph *inner = NULL;
    for (int i = 0; i < 70; i++) {
        struct graph *body = graph_new(t.m, GRAPH_BODY);
        struct build b = build_end(body, t.b.at, "");
        struct value *y = graph_param(body, x->type, NULL);
        if (inner)
            y = build_bodied(&b, OP_fused, &y, 1, NULL, 0, &inner, 1)->result[0];
        graph_yield(body, &y, 1);
        inner = body;
    }
    build_bodied(&t.b, OP_fused, &x, 1, NULL, 0, &inner, 1);
    expect_found(&t, "bodies are nested deeper than 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uses_follow_operands),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_yields_are_uses),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_builder_broadcasts),
        cmocka_unit_test(test_builder_gives_back_what_nothing_changes),
        cmocka_unit_test(test_builder_joins_rows),
        cmocka_unit_test(test_builder_refuses_shapes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_verifier_finds_types),
        cmocka_unit_test(test_verifier_finds_foreign_values),
        cmocka_unit_test(test_verifier_finds_lost_definitions),
        cmocka_unit_test(test_verifier_finds_broken_uses),
        cmocka_unit_test(test_verifier_finds_uses_by_what_is_gone),
        cmocka_unit_test(test_verifier_finds_attributes),
        cmocka_unit_test(test_verifier_finds_effects),
        cmocka_unit_test(test_verifier_finds_variables),
        cmocka_unit_test(test_verifier_finds_sparse),
        cmocka_unit_test(test_verifier_limits_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
