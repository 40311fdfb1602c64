/* tests/fuzz/check_c.c: what the generated C computes, compiled and run, at -O0 and -O2: outputs, losses, metrics, and
 * parameters and states after training and after the optimizer's step, beside the reference evaluator's. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "ir/base/files.h"
#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"

enum { STEPS = 2 };

struct trial {
    struct arena *arena;
    const char *folder; /* of the process that runs one check after the other */
    struct module *m;   /* as it was made */
    struct store *s;
    int64_t n;
    bool parts; /* with as little memory as there may be, and what can in parts */
};

static const char *in_folder(const struct trial *t, const char *name)
{
    return path_join(t->arena, t->folder, name);
}

static const char *built(void)
{
    const char *b = getenv("B");

    return b ? b : "build";
}

/* ---- the program ---- */

static int64_t measure(void *options, struct module *m)
{
    return train_bytes_of(m, options).all;
}

/* Graphs that can take a batch in parts take two samples at a time. */
static void plan_parts(const struct trial *t, struct module *m)
{
    struct pass_context c = { .scratch = arena_new() };

    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k] && m->graph[k]->part)
            m->graph[k]->part = t->m->batch > 1 ? 2 : 1;
    tally->parted += m->graph[GRAPH_TRAIN] && m->graph[GRAPH_TRAIN]->part;
    pass_plan(m, &c);
    arena_free(c.scratch);
}

static void write_c(const struct trial *t, const char *text, int level)
{
    struct emit_options o = { .folder = t->folder, .emit = "c", .train = true, .infer = true, .level = level };
    struct budget nothing = { .bytes = 1, .measure = measure, .context = &o };
    const struct pipeline_options p = { .level = level, .budget = t->parts ? &nothing : NULL };
    struct module *m = module_of_text(t->arena, text);
    struct file_out *files;
    size_t count;
    const char *which, *why;

    bool planned = pipeline_run(m, &p);
    if (planned && t->parts)
        plan_parts(t, m);
    if (!planned || !emit_module(m, &o, &files, &count))
        fails("-O%d: no C comes of it", level);
    if (!files_write(t->arena, files, count, &which, &why))
        fails("%s: %s", which, why);
}

static bool run_command(const char *command)
{
    int status = system(command);

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void compile(const struct trial *t, int level)
{
    const char *cc = getenv("FUZZ_CC"), *sanitize = getenv("SANITIZE");
    const char *command = arena_printf(
        t->arena,
        "%s%s -std=c11 -Iruntime -I%s -DMODEL=%s_model -o %s/run tests/fuzz/driver/driver.c %s/*.c %s/libnetrt.a -lm >&2",
        cc ? cc : "gcc -O1 -march=native", sanitize && *sanitize ? " -fsanitize=address,undefined" : "", t->folder,
        t->m->name, t->folder, t->folder, built());

    if (!run_command(command))
        fails("-O%d: the C does not compile", level);
}

/* ---- numbers in, and out ---- */

static void write_tensor(FILE *f, const struct tensor *t)
{
    if (fwrite(t->data, sizeof *t->data, (size_t)t->count, f) != (size_t)t->count)
        fails("cannot write numbers");
}

static bool has_role(const struct var *v, int kind)
{
    switch (kind) {
    case 0: return v->role == ROLE_INPUT;
    case 1: return v->role == ROLE_TARGET;
    default: return v->role == ROLE_PARAM || v->role == ROLE_FROZEN || v->role == ROLE_STATE;
    }
}

/* Inputs, targets, tensors, in order of declaration. */
static void write_numbers(const struct trial *t)
{
    FILE *f = fopen(in_folder(t, "numbers"), "wb");

    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < t->m->vars && f; i++)
            if (has_role(t->m->var[i], kind))
                write_tensor(f, &t->s->var[i]);
    if (!f || fclose(f))
        fails("cannot write numbers");
}

/* What the program has shown, of the types that the evaluator gave; NULL at the end. */
static struct seen *read_result(const struct trial *t, FILE *f, const struct seen *want)
{
    char label[512];
    size_t count;
    struct seen *x = NEW(t->arena, struct seen);

    if (!fgets(label, sizeof label, f))
        return NULL;
    label[strcspn(label, "\n")] = '\0';
    if (fscanf(f, "%d %zu", &x->step, &count) != 2)
        fails("%s: no numbers", label);
    const struct seen *like = find_seen(want, label, x->step);
    if (!like || (size_t)like->t.count != count)
        fails("%s, step %d: %zu numbers, not %d", label, x->step, count, like ? (int)like->t.count : 0);
    x->label = like->label;
    x->t = like->t;
    x->t.data = NEW_ARRAY(t->arena, count + 1, double);
    for (size_t i = 0; i < count; i++)
        if (fscanf(f, "%lf", &x->t.data[i]) != 1)
            fails("%s: a number is missing", label);
    (void)fgetc(f);
    return x;
}

static struct seen *read_results(const struct trial *t, const struct seen *want)
{
    struct seen *first = NULL, **last = &first;
    FILE *f = fopen(in_folder(t, "results"), "r");

    if (!f)
        fails("no results");
    while ((*last = read_result(t, f, want)))
        last = &(*last)->next;
    fclose(f);
    return first;
}

/* ---- what can be compared ---- */

static bool draws(const struct graph *g)
{
    for (const struct node *n = g ? g->first : NULL; n; n = n->next) {
        if (op_is(n->op, RANDOM))
            return true;
        for (int i = 0; i < n->bodies; i++)
            if (draws(n->body[i]))
                return true;
    }
    return false;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* "@NAME after ...", of a parameter or a state. */
static bool is_tensor(const struct module *m, const char *label)
{
    for (int i = 0; i < m->vars && *label == '@'; i++) {
        const struct var *v = m->var[i];
        size_t n = strlen(v->name);
        if ((v->role == ROLE_PARAM || v->role == ROLE_STATE) && !strncmp(label + 1, v->name, n) &&
            starts(label + 1 + n, " after "))
            return true;
    }
    return false;
}

/* What the program has to show: not what is a graph's own there, gradients and the optimizer's memory, nor metrics where
 * there is no loss. Calls of infer and eval are counted together there, and each by itself here: what they draw is
 * another. */
static bool is_comparable(const struct module *m, const char *label)
{
    bool evaluates = m->graph[GRAPH_TRAIN] && !draws(m->graph[GRAPH_EVAL]);

    return (starts(label, "infer output ") && !draws(m->graph[GRAPH_INFER])) ||
           ((starts(label, "eval loss") || starts(label, "eval metric ")) && evaluates) ||
           starts(label, "train loss") || is_tensor(m, label);
}

/* What a float holds of the numbers: 0 of the smallest, infinity of the largest. */
static double *as_float(struct arena *a, const struct tensor *t)
{
    double *x = NEW_ARRAY(a, t->count + 1, double);

    for (int64_t i = 0; i < t->count; i++)
        x[i] = t->type.dtype == DT_REAL ? (double)(float)t->data[i] : t->data[i];
    return x;
}

static struct seen *comparable(const struct trial *t, const struct seen *want)
{
    struct seen *first = NULL, **last = &first;

    for (; want; want = want->next) {
        if (!is_comparable(t->m, want->label))
            continue;
        *last = arena_copy(t->arena, want, sizeof *want);
        if (!t->m->f64)
            (*last)->t.data = as_float(t->arena, &want->t);
        last = &(*last)->next;
    }
    *last = NULL;
    return first;
}

static void compare(const struct trial *t, const char *text, const struct seen *want, int level)
{
    const struct seen *is = read_results(t, want), *of = comparable(t, want);
    double slack = t->m->f64 ? 1e-9 : 2e-5, relative = t->m->f64 ? 1e-13 : 2e-7;

    if (!is)
        fails("-O%d: the program shows nothing", level);
    if (!difference(t->arena, of, is, NULL, slack, STEPS))
        return;
    const char *what = difference(t->arena, of, is, deviations(t->arena, text, want, t->n, 1, relative), slack, STEPS);
    if (what)
        fails("C at -O%d: %s", level, what);
}

static void run_level(struct trial *t, const char *text, const char *reference, const struct seen *want, int level)
{
    const char *why;

    run_command(arena_printf(t->arena, "rm -rf %s", t->folder)); /* what failed last is left there to be looked at */
    if (!folder_make(t->arena, t->folder, &why))
        fails("%s: %s", t->folder, why);
    write_c(t, text, level);
    compile(t, level);
    write_numbers(t);
    if (!run_command(arena_printf(t->arena, "%s %d %d <%s >%s", in_folder(t, "run"), (int)t->n, STEPS,
                                  in_folder(t, "numbers"), in_folder(t, "results"))))
        fails("-O%d: the program ends badly", level);
    compare(t, reference, want, level);
    run_command(arena_printf(t->arena, "rm -r %s", t->folder));
}

void check_c(const char *text, uint64_t seed)
{
    struct trial t = { .arena = arena_new(), .m = NULL };
    struct random r = { seed };
    struct pass_context c = { .scratch = arena_new() };

    t.folder = arena_printf(t.arena, "%s/tests/fuzz/c-%ld", built(), (long)getppid());
    t.m = module_of_text(t.arena, text);
    t.n = 1 + below(&r, t.m->batch);
    t.parts = chance(&r, 50);
    t.s = fill_store(t.arena, t.m, t.n, 1);
    struct module *plain = module_of_text(t.arena, text);
    pass_differentiate(plain, &c);
    pass_optimize_step(plain, &c);
    const char *reference = text_of_module(t.arena, plain);
    const struct seen *want = run_module(t.arena, plain, t.n, 1, eval_graph);
    for (int level = 0; level < 3; level += 2)
        run_level(&t, text, reference, want, level);
    arena_free(c.scratch);
    arena_free(t.arena);
}
