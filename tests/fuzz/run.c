/* tests/fuzz/run.c: numbers for a module's variables; all that can be seen of its graphs' results; and, by changing every
 * operand a little, how exactly these can be known. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/build.h"
#include "tests/fuzz/fuzz.h"

static struct tally own;
struct tally *tally = &own;

void fails(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

struct module *module_of_text(struct arena *a, const char *text)
{
    struct diag *d = diag_new(a, stderr);

    diag_source(d, "fuzz.ir", text, strlen(text));
    struct module *m = parse_module(a, names_new(a), d, "fuzz.ir", text);
    return m && verify_module(m) ? m : NULL;
}

const char *text_of_module(struct arena *a, const struct module *m)
{
    struct text t = text_make(a);

    print_module(&t, m);
    return text_string(&t);
}

/* ---- numbers ---- */

static struct random random_of(const char *called, int variant)
{
    struct random r = { (uint64_t)variant * 0x9e3779b97f4a7c15u };

    for (; *called; called++)
        r.state = (r.state ^ (unsigned char)*called) * 0x100000001b3u;
    return r;
}

static double real_at_random(struct random *r, bool coarse)
{
    double x = (double)(draw(r) >> 11) * 0x1p-52 - 1;

    return coarse ? round(4 * x) / 4 : (double)(float)x; /* what f32 holds too */
}

static void fill(struct tensor *t, const struct var *v, int variant)
{
    struct random r = random_of(v->name, variant);
    bool coarse = variant == 0 && v->role == ROLE_INPUT && chance(&r, 40);

    for (int64_t i = 0; i < t->count; i++)
        switch (t->type.dtype) {
        case DT_I32: t->data[i] = below(&r, 8) - 1; break;
        case DT_U8: t->data[i] = below(&r, 256); break;
        case DT_BOOL: t->data[i] = below(&r, 2); break;
        default: t->data[i] = real_at_random(&r, coarse); break;
        }
}

static bool is_given(enum role role)
{
    return role == ROLE_INPUT || role == ROLE_TARGET || role == ROLE_PARAM || role == ROLE_FROZEN || role == ROLE_STATE;
}

struct store *fill_store(struct arena *a, struct module *m, int64_t n, int variant)
{
    struct store *s = store_new(a, m, n, 7);

    for (int i = 0; i < m->vars; i++)
        if (is_given(m->var[i]->role))
            fill(&s->var[i], m->var[i], variant);
    return s;
}

/* ---- runs ---- */

struct log {
    struct arena *arena;
    struct store *s;
    run_fn *run;
    struct seen *first, **last;
};

static void note(struct log *l, const char *label, const struct tensor *t)
{
    struct seen *x = NEW(l->arena, struct seen);

    *x = (struct seen){ .label = label, .step = (int)l->s->step, .t = *t };
    x->t.data = arena_copy(l->arena, t->data, (size_t)(t->count + 1) * sizeof *t->data);
    *l->last = x;
    l->last = &x->next;
}

static bool is_noted(enum role role)
{
    return role == ROLE_PARAM || role == ROLE_STATE || role == ROLE_GRAD || role == ROLE_OPTIMIZER;
}

static void note_variables(struct log *l, const char *after)
{
    const struct module *m = l->s->module;

    for (int i = 0; i < m->vars; i++)
        if (is_noted(m->var[i]->role))
            note(l, arena_printf(l->arena, "@%s after %s", m->var[i]->name, after), &l->s->var[i]);
}

enum { PART = 2 }; /* samples a part: where a graph takes a batch in parts, any will do */

/* Arguments from sample `first` on, as far as `part` holds them; the others are the store's. */
static struct store *part_of(struct log *l, int64_t first)
{
    const struct module *m = l->s->module;
    struct store *part = arena_copy(l->arena, l->s, sizeof *l->s);

    part->first = first;
    part->n = l->s->n - first < PART ? l->s->n - first : PART;
    part->var = arena_copy(l->arena, l->s->var, (size_t)m->vars * sizeof *part->var);
    for (int i = 0; i < m->vars; i++) {
        struct tensor *t = &part->var[i];
        if (!shape_batches(m->var[i]->type))
            continue;
        t->data += first * type_count(t->type, 1);
        t->count = type_count(t->type, part->n);
    }
    return part;
}

/* Samples of an output go to their own places; what has none is handed out by every part. */
static void take_output(struct log *l, struct tensor *all, const struct tensor *part, int64_t first)
{
    int64_t each = shape_batches(part->type) ? type_count(part->type, 1) : 0;

    if (first == 0)
        *all = tensor_make(l->arena, part->type, l->s->n);
    memcpy(all->data + first * each, part->data, (size_t)part->count * sizeof *part->data);
}

static void add_up(struct tensor *all, const struct tensor *part)
{
    for (int64_t i = 0; i < all->count; i++)
        all->data[i] += part->data[i];
}

static struct run_result run_in_parts(struct log *l, struct graph *g)
{
    struct graph *totals = l->s->module->graph[graph_totals(g->kind)];
    struct run_result all = totals ? l->run(l->arena, l->s, totals) : (struct run_result){ 0 };

    for (int64_t first = 0; first < l->s->n && !all.error; first += PART) {
        struct run_result r = l->run(l->arena, part_of(l, first), g);
        if (first == 0) {
            all = r;
            all.output = NEW_ARRAY(l->arena, r.outputs + 1, struct tensor);
        } else {
            add_up(&all.loss, &r.loss);
            for (int i = 0; i < r.metrics; i++)
                add_up(&all.metric[i], &r.metric[i]);
        }
        for (int i = 0; i < r.outputs; i++)
            take_output(l, &all.output[i], &r.output[i], first);
    }
    return all;
}

static void run(struct log *l, enum graph_kind kind)
{
    const char *called = graph_name(kind);
    struct graph *g = l->s->module->graph[kind];

    if (!g)
        return;
    struct run_result r = g->part ? run_in_parts(l, g) : l->run(l->arena, l->s, g);
    if (r.error)
        fails("graph %s: %s", called, r.error);
    if (r.loss.count)
        note(l, arena_printf(l->arena, "%s loss", called), &r.loss);
    for (int i = 0; i < r.outputs; i++)
        note(l, arena_printf(l->arena, "%s output %d", called, i), &r.output[i]);
    for (int i = 0; i < r.metrics; i++)
        note(l, arena_printf(l->arena, "%s metric %d", called, i), &r.metric[i]);
    if (kind == GRAPH_TRAIN || kind == GRAPH_APPLY)
        note_variables(l, called);
}

static void clear_gradients(struct store *s)
{
    for (int i = 0; i < s->module->vars; i++)
        if (s->module->var[i]->role == ROLE_GRAD)
            memset(s->var[i].data, 0, (size_t)s->var[i].count * sizeof(double));
}

/* As a program would: random operations see how often a graph was called before, which is kept equal to the steps. */
struct seen *run_module(struct arena *a, struct module *m, int64_t n, int variant, run_fn *how)
{
    struct log l = { .arena = a, .s = fill_store(a, m, n, variant), .run = how };

    l.last = &l.first;
    for (int step = 0; step < 2; step++) {
        run(&l, GRAPH_PREPARE);
        run(&l, GRAPH_INFER);
        run(&l, GRAPH_EVAL);
        run(&l, GRAPH_TRAIN);
        run(&l, GRAPH_APPLY);
        if (m->graph[GRAPH_APPLY])
            clear_gradients(l.s);
        l.s->step++;
    }
    return l.first;
}

/* ---- how exactly ---- */

/* x * (1 + relative * u), u drawn anew for every operand that is read. */
static void shake_operand(struct node *n, int i, double relative, int64_t stream)
{
    struct build b = build_at(n->graph, n);
    struct value *x = operand(n, i);
    const struct attr attrs[] = { at_dims("shape", x->type.dim, x->type.rank), at_real("low", -relative),
                                  at_real("high", relative), at_int("stream", stream) };
    struct value *u = build_node(&b, OP_uniform, NULL, 0, attrs, 4)->result[0];

    node_set_operand(n, i, build_binary(&b, OP_add, x, build_binary(&b, OP_mul, x, u)));
}

static void shake_graph(struct graph *g, double relative, int64_t *stream)
{
    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->operands; i++) {
            bool written = i == 0 && (n->op == OP_assign || n->op == OP_accumulate);
            if (operand(n, i)->type.dtype == DT_REAL && !written)
                shake_operand(n, i, relative, (*stream)++);
        }
        for (int i = 0; i < n->bodies; i++)
            shake_graph(n->body[i], relative, stream);
    }
}

const struct seen *find_seen(const struct seen *list, const char *label, int step)
{
    while (list && (list->step != step || strcmp(list->label, label) != 0))
        list = list->next;
    return list;
}

/* NaN counts as a deviation without end. */
static double larger_deviation(double deviation, double x, double exact)
{
    double d = fabs(x - exact);

    return x == exact || (isnan(x) && isnan(exact)) ? deviation : isnan(d) ? INFINITY : fmax(d, deviation);
}

static void add_deviations(struct seen *all, const struct seen *shaken, const struct seen *exact)
{
    for (struct seen *d = all; d; d = d->next, exact = exact->next) {
        const struct seen *x = find_seen(shaken, d->label, d->step);
        for (int64_t i = 0; i < d->t.count; i++)
            d->t.data[i] = larger_deviation(d->t.data[i], x->t.data[i], exact->t.data[i]);
    }
}

enum { SHAKES = 8 }; /* a comparison of numbers that are nearly equal turns in one of a few */

struct seen *deviations(struct arena *a, const char *text, const struct seen *exact, int64_t n, int variant,
                        double relative)
{
    struct log l = { .arena = a, .s = &(struct store){ 0 } };
    int64_t stream = 1000000;

    l.last = &l.first;
    for (const struct seen *x = exact; x; x = x->next) {
        l.s->step = (uint64_t)x->step;
        struct tensor zeros = x->t;
        zeros.data = NEW_ARRAY(a, zeros.count + 1, double);
        note(&l, x->label, &zeros);
    }
    for (int i = 0; i < SHAKES; i++) {
        struct module *m = module_of_text(a, text);
        for (int k = 0; k < GRAPH_KINDS; k++)
            if (m->graph[k])
                shake_graph(m->graph[k], relative, &stream);
        add_deviations(l.first, run_module(a, m, n, variant, eval_graph), exact);
    }
    return l.first;
}

static double scale_of(const struct tensor *t)
{
    double most = 0;

    for (int64_t i = 0; i < t->count; i++)
        most = isfinite(t->data[i]) ? fmax(most, fabs(t->data[i])) : most;
    return most;
}

/* Some deviations at most; a result of which rounding makes another number says nothing. */
static bool is_near(double want, double is, double deviation, double scale, double slack, bool real)
{
    double room = 32 * deviation;

    tally->compared++;
    if (room > (real ? 0.02 * scale : 0)) {
        tally->doubtful++;
        return true;
    }
    if (want == is || (isnan(want) && isnan(is)))
        return true;
    return real && fabs(want - is) <= room + slack * scale; /* false for NaN */
}

static const char *difference_of(struct arena *a, const struct seen *want, const struct tensor *is,
                                 const struct tensor *noise, double slack)
{
    double scale = scale_of(&want->t);

    if (!type_equal(want->t.type, is->type))
        return arena_printf(a, "%s: another shape", want->label);
    for (int64_t i = 0; i < want->t.count; i++) {
        double x = want->t.data[i], y = is->data[i], d = noise ? noise->data[i] : 0;
        if (!is_near(x, y, d, scale, slack, want->t.type.dtype == DT_REAL))
            return arena_printf(a, "%s, step %d, element %d is %.17g, not %.17g (largest %g, deviation %g)",
                                want->label, want->step, (int)i, y, x, scale, d);
    }
    return NULL;
}

const char *difference(struct arena *a, const struct seen *want, const struct seen *is, const struct seen *noise,
                       double slack, int steps)
{
    const char *what = NULL;

    for (; want && !what; want = want->next) {
        const struct seen *other = find_seen(is, want->label, want->step),
                          *d = find_seen(noise, want->label, want->step);
        if (want->step >= steps)
            continue;
        if (!other)
            return arena_printf(a, "%s: missing", want->label);
        what = difference_of(a, want, &other->t, d ? &d->t : NULL, slack);
    }
    return what;
}
