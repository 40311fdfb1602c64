/* tests/fuzz/check_kernels.c: what kernels compute, run by the evaluator of loops, at every level, before and after the
 * loop passes. */
#include "tests/unit/lower_run.h"

#include "tests/fuzz/fuzz.h"

static int level; /* of the kernels being run, and whether after the loop passes */
static bool loops;

static struct tensor taken(struct machine *p, struct value *v)
{
    struct tensor t = tensor_make(p->arena, v->type, p->s->n);

    memcpy(t.data, place_of(p, v), (size_t)t.count * sizeof *t.data);
    return t;
}

static int count_of(const struct graph *g)
{
    int count = 1;

    for (const struct node *n = g->first; n; n = n->next)
        count++;
    return count;
}

static void count_steps(struct store *s)
{
    for (int i = 0; i < s->module->vars; i++)
        if (s->module->var[i]->role == ROLE_STEP)
            s->var[i].data[0] = (double)s->step;
}

static struct run_result run_kernels(struct arena *a, struct store *s, struct graph *g)
{
    struct machine p = { .arena = a, .s = s, .level = level, .loops = loops };
    struct run_result r = { .output = NEW_ARRAY(a, count_of(g), struct tensor),
                            .metric = NEW_ARRAY(a, count_of(g), struct tensor) };

    count_steps(s);
    run_by_kernels(&p, g);
    for (struct node *n = g->first; n; n = n->next) {
        if (n->op == OP_output)
            r.output[r.outputs++] = taken(&p, operand(n, 0));
        else if (n->op == OP_metric)
            r.metric[r.metrics++] = taken(&p, operand(n, 0));
        else if (n->op == OP_loss)
            r.loss = taken(&p, operand(n, 0));
    }
    return r;
}

static const char *const passes[] = {
    "inline_eval,differentiate,inline_train,optimize_step,dce,outline,schedule,plan",
    "inline_eval,simplify,cse,dce,attention,differentiate,inline_train,optimize_step,simplify,"
    "cse,dce,batch_scan,fold_affine,dce,layout,dce,simplify,dce,winograd,choose,cse,hoist,dce,keep,fuse,outline,schedule,"
    "plan"
};

static void check_level(struct arena *a, const char *text, int64_t n, bool all)
{
    struct module *m = module_of_text(a, text), *plain = module_of_text(a, text);

    assert_true(run_passes(m, passes[all]));
    assert_true(run_passes(plain, "differentiate,optimize_step"));
    const char *reference = text_of_module(a, plain);
    const struct seen *want = run_module(a, plain, n, 0, eval_graph);
    const struct seen *is = run_module(a, m, n, 0, run_kernels);
    const char *what = difference(a, want, is, NULL, 1e-9, 2);
    if (what)
        what = difference(a, want, is, deviations(a, reference, want, n, 0, 1e-13), 1e-9, 2);
    if (what)
        fails("kernels at level %d: %s", level, what);
}

void check_kernels(const char *text, uint64_t seed)
{
    struct arena *a = arena_new();
    struct random r = { seed };
    struct module *m = module_of_text(a, text);
    int64_t n = 1 + below(&r, m->batch);

    for (int way = 0; way < 5; way++) {
        level = way < 2 ? 0 : way < 3 ? 1 : 2;
        loops = way != 0 && way != 3;
        check_level(a, text, n, level == 2);
    }
    arena_free(a);
}
