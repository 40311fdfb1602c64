/* tests/unit/lower_ops.c: kernels against the reference evaluator: every operation by the rows of tests/ops/cases.def,
 * at every level, before and after the loop passes; and graphs made at random. */
#include "tests/unit/lower_run.h"

#include "ir/build.h"

struct manner {
    const char *passes;
    int level;
    bool loops;
};

static const struct manner manners[] = {
    { "inline_train,outline", 0, false },
    { "inline_train,outline", 0, true },
    { "inline_train,outline", 1, true },
    { "inline_train,choose,dce,fuse,outline", 2, false },
    { "inline_train,choose,dce,fuse,outline", 2, true },
};

enum { MANNERS = sizeof manners / sizeof *manners };

static void compare_output(struct machine *p, const char *label, const struct node *output, const struct tensor *want)
{
    const double *is = place_of(p, operand(output, 0));

    for (int64_t i = 0; i < want->count; i++) {
        if (!number_near(is[i], want->data[i], 1e-9))
            fail_msg("%s at level %d: %s[%d] is %.17g, not %.17g\n%s", label, p->level, attr_word(output, "name"),
                     (int)i, is[i], want->data[i], p->shown);
    }
}

static void compare_variables(const char *label, const struct store *is, const struct store *want)
{
    for (int i = 0; i < want->module->vars; i++) {
        for (int64_t j = 0; j < want->var[i].count; j++) {
            if (!number_near(is->var[i].data[j], want->var[i].data[j], 1e-9))
                fail_msg("%s: @%s[%d] is %.17g, not %.17g", label, want->module->var[i]->name, (int)j,
                         is->var[i].data[j], want->var[i].data[j]);
        }
    }
}

/* Both modules say the same; `m` goes through the passes and its kernels, `reference` through the evaluator. */
static void compare(struct arena *a, const char *label, struct module *m, struct module *reference,
                    const struct manner *w, void (*change)(struct store *s))
{
    struct machine p = { .arena = a, .level = w->level, .loops = w->loops, .shown = "" };
    struct store *want = filled_store(a, reference, 3);
    int outputs = 0;

    assert_true(run_passes(m, w->passes));
    p.s = filled_store(a, m, 3);
    if (change) {
        change(want);
        change(p.s);
    }
    p.s->step = want->step = 3;
    struct run_result r = eval_graph(a, want, reference->graph[GRAPH_TRAIN]);
    assert_null(r.error);
    run_by_kernels(&p, m->graph[GRAPH_TRAIN]);
    for (struct node *n = m->graph[GRAPH_TRAIN]->first; n; n = n->next) {
        if (n->op == OP_output)
            compare_output(&p, label, n, &r.output[outputs++]);
    }
    assert_int_equal(outputs, r.outputs);
    compare_variables(label, p.s, want);
}

/* ---- the rows of cases.def ---- */

struct row {
    const char *label;
    enum op op;
    const char *operands, *results, *text;
    bool lines;
};

static const struct row rows[] = {
#define CASE(label, op, operands, results, attributes, gradient)                                                       \
    { #label, OP_##op, operands, results, attributes, false },
#define TEXT(label, op, operands, results, lines, gradient) { #label, OP_##op, operands, results, lines, true },
#define EFFECT(op)
#include "tests/ops/cases.def"
#undef CASE
#undef TEXT
#undef EFFECT
};

/* The types of a row's list "TYPE LOW HIGH; ..." as the IR spells them; ranges are left to filled_store. */
static int read_types(const char *list, char (*type)[72])
{
    int count = 0;

    for (const char *s = list; s[strspn(s, " ;")]; s += strcspn(s, ";"), s += *s == ';') {
        char word[64];
        assert_int_equal(sscanf(s, " %63[^ ;]", word), 1);
        bool whole = !strncmp(word, "whole", 5);
        snprintf(type[count++], 72, "%s%s", whole ? "f32" : "", word + (whole ? 5 : 0));
    }
    return count;
}

static const char *row_text(struct arena *a, const struct row *row)
{
    char x[8][72], y[8][72];
    int xs = read_types(row->operands, x), ys = read_types(row->results, y);
    struct text t = text_make(a);

    text_puts(&t, "graph train test (N = 3)\n");
    for (int i = 0; i < xs; i++)
        text_add(&t, "  frozen @x%d : %s = constant(0.0)\n", i, x[i]);
    if (row->lines)
        text_add(&t, "%s\n", row->text);
    for (int i = 0; i < ys && !row->lines; i++)
        text_add(&t, "%s%%y%d : %s", i ? ", " : "  ", i, y[i]);
    if (!row->lines)
        text_add(&t, " = %s", op_info(row->op)->name);
    for (int i = 0; i < xs && !row->lines; i++)
        text_add(&t, "%s@x%d", i ? ", " : " ", i);
    if (!row->lines)
        text_add(&t, "%s%s\n", !*row->text ? "" : xs ? ", " : " ", row->text);
    for (int i = 0; i < ys; i++)
        text_add(&t, "  output %%y%d, name = y%d\n", i, i);
    return text_string(&t);
}

/* Few different numbers, so that there are equals and zeros. */
static void make_whole(struct store *s)
{
    for (int i = 0; i < s->module->vars; i++) {
        for (int64_t j = 0; j < s->var[i].count; j++)
            s->var[i].data[j] = round(s->var[i].data[j]);
    }
}

/* Not for convolutions and attention: whether padding, or what is not seen, times infinity is added is nobody's promise. */
static bool takes_special(enum op op)
{
    return op != OP_conv && op != OP_conv_dx && op != OP_conv_dw && op != OP_winograd_weight && op != OP_winograd &&
           op != OP_winograd_dw && op != OP_winograd_dw_weight && op != OP_attention && op != OP_attention_dx;
}

static void make_special(struct store *s)
{
    for (int i = 0; i < s->module->vars; i++) {
        for (int64_t j = 0; j < s->var[i].count && s->var[i].type.dtype == DT_REAL; j++)
            s->var[i].data[j] = j % 5 == 3 ? (double)NAN : j % 7 == 2 ? -(double)INFINITY : s->var[i].data[j];
    }
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int w = 0; w < (rows[i].op == OP_fused ? 0 : takes_special(rows[i].op) ? 3 : 2) * MANNERS; w++) {
            struct arena *a = arena_new();
            const char *text = row_text(a, &rows[i]);
            compare(a, rows[i].label, read_module(a, text), read_module(a, text), &manners[w % MANNERS],
                    w < MANNERS       ? NULL
                    : w < 2 * MANNERS ? make_whole
                                      : make_special);
            arena_free(a);
        }
    }
}

/* ---- sums of many terms ---- */

/* The gradient of a matrix is added to in parts of its sum; for many rows, copies of panels of 32 columns are read. Products go in
 * pieces: in tiles of rows, in panels, one row alone, where rows are held, of few columns which lanes fill up, and
 * where a stage of all columns would be too large. */
static const char *const long_sums[] = {
    "graph train t (N = 4)\n"
    "  param  @x : f32[1030,260] = uniform(-1.0, 1.0)\n"
    "  param  @dy : f32[1030,80] = uniform(-1.0, 1.0)\n"
    "  param  @w : f32[260,80] = uniform(-1.0, 1.0)\n"
    "  grad   @g : f32[260,80] of @w\n"
    "  %dw : f32[260,80] = matmul @x, @dy, ta = true\n"
    "  accumulate @g, %dw\n",
    "graph train t (N = 21)\n"
    "  param  @x : f32[21,430] = uniform(-1.0, 1.0)\n"
    "  param  @w : f32[430,80] = uniform(-1.0, 1.0)\n"
    "  %y : f32[21,80] = matmul @x, @w\n"
    "  %z : f32[21,80] = tanh %y\n"
    "  output %z, name = z\n",
    "graph train t (N = 1)\n"
    "  param  @x : f32[1,430] = uniform(-1.0, 1.0)\n"
    "  param  @w : f32[430,300] = uniform(-1.0, 1.0)\n"
    "  %y : f32[1,300] = matmul @x, @w\n"
    "  output %y, name = y\n",
    "graph train t (N = 21)\n"
    "  param  @x : f32[21,430] = uniform(-1.0, 1.0)\n"
    "  param  @w : f32[430,16] = uniform(-1.0, 1.0)\n"
    "  param  @b : f32[10] = uniform(-1.0, 1.0)\n"
    "  %y : f32[21,16] = matmul @x, @w\n"
    "  %s : f32[21,10] = slice %y, axis = 1, begin = 0, end = 10\n"
    "  %c : f32[21,10] = broadcast @b, shape = [21,10]\n"
    "  %e : f32[21,10] = add %s, %c\n"
    "  output %e, name = e\n",
    "graph train t (N = 9)\n"
    "  param  @x : f32[9,430] = uniform(-1.0, 1.0)\n"
    "  param  @w : f32[430,1100] = uniform(-1.0, 1.0)\n"
    "  %y : f32[9,1100] = matmul @x, @w\n"
    "  output %y, name = y\n",
    "graph train t (N = 1)\n"
    "  param  @x : f32[1,430] = uniform(-1.0, 1.0)\n"
    "  param  @w : f32[8300,430] = uniform(-1.0, 1.0)\n"
    "  %y : f32[1,8300] = matmul @x, @w, tb = true\n"
    "  output %y, name = y\n",
};

static void test_long_sum(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof long_sums / sizeof *long_sums; i++) {
        for (int w = 0; w < MANNERS; w++) {
            struct arena *a = arena_new();
            compare(a, "long sum", read_module(a, long_sums[i]), read_module(a, long_sums[i]), &manners[w], NULL);
            arena_free(a);
        }
    }
}

/* ---- convolutions whose results a pool's windows share out ---- */

#define CONV(weight)     "conv %x, @w, stride = [1,1], pad = [1,1,1,1], dilation = [1,1], channels_last = true", weight
#define TILES(tile, pad) "winograd %x, @w, pad = " pad ", tile = " tile ", stride = [1,1], up = [1,1], dilation = [1,1]"
#define LAST             "channels_last = true"

/* Tiles of windows: whole, with some left over, by rows and columns that no window takes; Winograd's of one window, of
 * four, of two. */
static const struct {
    const char *x, *conv, *weight, *between, *pool, *y;
} pooled[] = {
    { "9,9,3", CONV("3,3,3,16"), "9,9,16", "maxpool %b, kernel = [2,2], stride = [2,2], pad = [0,0,0,0], " LAST,
      "4,4,16" },
    { "6,30,2", CONV("3,3,2,20"), "6,30,20", "maxpool %b, kernel = [3,2], stride = [3,2], pad = [0,0,0,0], " LAST,
      "2,15,20" },
    { "5,8,2", CONV("3,3,2,32"), "5,8,32",
      "avgpool %b, kernel = [1,8], stride = [1,8], pad = [0,0,0,0], count_include_pad = false, " LAST, "5,1,32" },
    { "6,8,16", TILES("[2,2]", "[2,2,2,2]"), "6,6,16,32", "6,8,32",
      "maxpool %b, kernel = [2,2], stride = [2,2], pad = [0,0,0,0], " LAST, "3,4,32" },
    { "7,9,16", TILES("[2,2]", "[2,2,2,2]"), "6,6,16,16", "7,9,16",
      "maxpool %b, kernel = [2,1], stride = [2,1], pad = [0,0,0,0], " LAST, "3,9,16" },
    { "9,11,17", TILES("[4,4]", "[1,1,1,1]"), "6,6,17,32", "9,11,32",
      "avgpool %b, kernel = [2,2], stride = [2,2], pad = [0,0,0,0], count_include_pad = true, " LAST, "4,5,32" },
};

static const char *pooled_text(struct arena *a, size_t i)
{
    return arena_printf(a,
                        "graph train t (N = 3)\n  input  %%x : f32[N,%s]\n"
                        "  param  @w : f32[%s] = uniform(-1.0, 1.0)\n  param  @c : f32[%s] = uniform(-1.0, 1.0)\n"
                        "  %%a : f32[N,%s] = %s\n  %%s : f32[N,%s] = broadcast @c, shape = [N,%s]\n"
                        "  %%t : f32[N,%s] = add %%a, %%s\n  %%b : f32[N,%s] = abs %%t\n"
                        "  %%y : f32[N,%s]%s = %s\n  %%z : f32[N,%s] = tanh %%y\n  output %%z, name = z\n",
                        pooled[i].x, pooled[i].weight, strrchr(pooled[i].between, ',') + 1, pooled[i].between,
                        pooled[i].conv, pooled[i].between, pooled[i].between, pooled[i].between, pooled[i].between,
                        pooled[i].y, *pooled[i].pool == 'm' ? arena_printf(a, ", %%k : u8[N,%s]", pooled[i].y) : "",
                        pooled[i].pool, pooled[i].y);
}

static void test_pooled(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pooled / sizeof *pooled; i++) {
        struct arena *a = arena_new();
        const char *text = pooled_text(a, i);
        struct module *m = read_module(a, text);
        assert_true(run_passes(m, "fuse"));
        struct node *group = m->graph[GRAPH_TRAIN]->first;
        assert_true(group->op == OP_fused && group->next->op == OP_output); /* all of it */
        for (int w = 0; w < MANNERS; w++)
            compare(a, text, read_module(a, text), read_module(a, text), &manners[w], NULL);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_long_sum),
                                        cmocka_unit_test(test_pooled) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
