/* passes/pipeline.c: runs the passes of passes.def in their order.
 *
 * Around every pass stand the checks and the talk: the module is verified, printed, parsed and printed again where that
 * is asked for; dumps and the log of -v are written here. A pass does none of that itself. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ir/ir.h"
#include "passes/shared.h"

/* The level from which on a pass runs. Code generation, and training, cannot do without those that are NEEDED. */
enum when { NEEDED = -1, ALWAYS, OPTIMISING, FULL };

struct pass {
    const char *name;
    enum when when;
    const char *what;
    pass_fn *run;
};

static const struct pass passes[] = {
#define PASS(name, when, what) { #name, when, what, pass_##name },
#define BEFORE(first, second, why)
#include "passes/passes.def"
#undef PASS
#undef BEFORE
};

enum { PASSES = sizeof passes / sizeof *passes };

struct order {
    const char *first, *second, *why;
};

static const struct order orders[] = {
#define PASS(name, when, what)
#define BEFORE(first, second, why) { #first, #second, why },
#include "passes/passes.def"
#undef PASS
#undef BEFORE
};

static const struct pass *find_pass(const char *name, size_t length)
{
    for (int i = 0; i < PASSES; i++) {
        if (strlen(passes[i].name) == length && memcmp(passes[i].name, name, length) == 0)
            return &passes[i];
    }
    return NULL;
}

/* ---- the order ---- */

/* A word of BEFORE that is no pass, or stands in the wrong order, is a mistake in passes.def. */
static void check_order(const struct order *o)
{
    bool second = false;

    if (!find_pass(o->first, strlen(o->first)) || !find_pass(o->second, strlen(o->second)))
        bug("passes.def: BEFORE(%s, %s) names no pass", o->first, o->second);
    for (int i = 0; i < PASSES; i++) {
        if (second && strcmp(passes[i].name, o->first) == 0)
            bug("passes.def: %s stands behind %s: %s", o->first, o->second, o->why);
        second |= strcmp(passes[i].name, o->second) == 0;
    }
}

/* ---- lists of names, separated by commas ---- */

const char *next_name(const char **list, size_t *length)
{
    const char *at = *list;

    if (!at || !*at)
        return NULL;
    *length = strcspn(at, ",");
    *list = at + *length + (at[*length] == ',');
    return at;
}

bool list_has(const char *list, const char *name)
{
    size_t length;

    for (const char *at; (at = next_name(&list, &length));) {
        if (strlen(name) == length && memcmp(at, name, length) == 0)
            return true;
    }
    return false;
}

static const char *nearest(struct arena *a, const char *word, const char *const *others)
{
    size_t count = PASSES;

    while (others && others[count - PASSES])
        count++;
    const char **all = NEW_ARRAY(a, count, const char *);
    for (size_t i = 0; i < count; i++)
        all[i] = i < PASSES ? passes[i].name : others[i - PASSES];
    return diag_nearest(word, all, count);
}

const char *pipeline_unknown(struct arena *a, const char *list, const char *const *others, const char **near)
{
    size_t length;

    for (const char *at; (at = next_name(&list, &length));) {
        const char *word = arena_stringn(a, at, length);
        bool known = find_pass(at, length) != NULL;
        for (int i = 0; !known && others && others[i]; i++)
            known = strcmp(word, others[i]) == 0;
        if (known)
            continue;
        *near = nearest(a, word, others);
        return word;
    }
    return NULL;
}

/* The next name that is a pass of passes.def: loop passes may stand among them. */
static const char *next_pass(const char **list, size_t *length)
{
    const char *at;

    while ((at = next_name(list, length)) && !find_pass(at, *length)) {
    }
    return at;
}

const char *pipeline_lacks(struct arena *a, const char *disable)
{
    for (const struct pass *p = passes; p < passes + PASSES; p++)
        if (p->when == NEEDED && list_has(disable, p->name))
            return arena_printf(a, "code generation needs the pass '%s'", p->name);
    return NULL;
}

/* The list is walked along passes.def: a name of it that the end does not reach stands behind one it belongs before. */
const char *pipeline_incomplete(struct arena *a, const char *only)
{
    size_t length;
    const char *at = next_pass(&only, &length);

    for (const struct pass *p = passes; p < passes + PASSES; p++) {
        if (at && strlen(p->name) == length && memcmp(at, p->name, length) == 0)
            at = next_pass(&only, &length);
        else if (p->when == NEEDED)
            return arena_printf(a, "code generation needs the pass '%s' too, in its place", p->name);
    }
    return at ? arena_printf(a, "the pass '%s' does not stand in its place", arena_stringn(a, at, length)) : NULL;
}

/* ---- checks, dumps and the log ---- */

static const char *printed(struct module *m)
{
    struct text t = text_make(m->arena);

    print_module(&t, m);
    return text_string(&t);
}

/* What is wrong here is the pass's fault, not the user's. */
static void check(struct module *m, const char *name)
{
    if (!verify_module(m))
        bug("the module is not well formed after pass %s", name);
    const char *text = printed(m);
    struct module *again = parse_module(m->arena, m->names, m->diag, arena_printf(m->arena, "after-%s", name), text);
    if (!again)
        bug("what is printed after pass %s does not parse:\n%s", name, text);
    const char *twice = printed(again);
    if (strcmp(text, twice) != 0)
        bug("after pass %s print, parse and print give another text:\n%s\n---\n%s", name, text, twice);
}

static void dump(struct module *m, const struct pipeline_options *o, const char *name)
{
    if (!o->dump || (*o->dump && !list_has(o->dump, name)))
        return;
    text_add(o->dump_to, "# after %s\n", name);
    print_module(o->dump_to, m);
}

static void show(struct module *m, const struct pipeline_options *o, const char *pass, const char *what)
{
    for (const struct watcher *w = o->watchers; w; w = w->next)
        w->see(w->context, m, pass, what);
}

static int64_t microseconds(void)
{
    struct timespec t;

    timespec_get(&t, TIME_UTC);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int count_operations(const struct graph *g)
{
    int count = 0;

    for (const struct node *n = g->first; n; n = n->next) {
        count++;
        for (int i = 0; i < n->bodies; i++)
            count += count_operations(n->body[i]);
    }
    return count;
}

static void log_pass(struct module *m, struct text *log, const char *name, bool changed, int64_t time, size_t bytes)
{
    int operations = 0;

    for (int i = 0; i < GRAPH_KINDS; i++)
        operations += m->graph[i] ? count_operations(m->graph[i]) : 0;
    text_add(log, "%-14s %8.3f ms %8zu KiB %7d operations%s\n", name, (double)time / 1e3, bytes / 1024, operations,
             changed ? "" : "  (no change)");
}

/* ---- outputs and metrics ---- */

/* Those of a graph, as they stand. Their order is that of a call's arguments, and of metrics[]: it is the model's, and no pass that
 * orders what computes them changes it. */
struct declared {
    struct node **node;
    const char **name;
    int count;
};

static struct declared declared_in(const struct graph *g, struct arena *a)
{
    struct declared d = { .count = 0 };

    for (const struct node *n = g->first; n; n = n->next)
        d.count += n->op == OP_output || n->op == OP_metric;
    d.node = NEW_ARRAY(a, d.count + 1, struct node *);
    d.name = NEW_ARRAY(a, d.count + 1, const char *);
    d.count = 0;
    for (struct node *n = g->first; n; n = n->next) {
        if (n->op != OP_output && n->op != OP_metric)
            continue;
        d.name[d.count] = attr_word(n, "name");
        d.node[d.count++] = n;
    }
    return d;
}

static struct node *find_declared(const struct declared *d, const char *called)
{
    for (int i = 0; i < d->count; i++)
        if (!strcmp(d->name[i], called))
            return d->node[i];
    return NULL;
}

static bool stands_behind(const struct node *n, const struct node *before)
{
    while (before && before != n)
        before = before->next;
    return before;
}

/* What stands before one that was before it goes behind that. */
static void keep_declared(struct graph *g, const struct declared *was, struct arena *a)
{
    struct declared now = declared_in(g, a);
    struct node *last = NULL;

    for (int i = 0; i < was->count; i++) {
        struct node *n = find_declared(&now, was->name[i]);
        if (!n)
            continue;
        if (last && !stands_behind(n, last))
            node_move(n, last->next);
        last = n;
    }
}

/* ---- running ---- */

static bool run_in_order(const struct pass *p, struct module *m, struct pass_context *c)
{
    struct declared was[GRAPH_KINDS];
    struct arena *a = arena_new();
    bool changed;

    for (int k = 0; k < GRAPH_KINDS; k++)
        was[k] = m->graph[k] ? declared_in(m->graph[k], a) : (struct declared){ .count = 0 };
    changed = p->run(m, c);
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            keep_declared(m->graph[k], &was[k], a);
    arena_free(a);
    return changed;
}

static bool run_pass(struct module *m, const struct pipeline_options *o, struct pass_context *c, const struct pass *p)
{
    int64_t start = microseconds();
    size_t bytes = arena_bytes(m->arena);
    bool changed = run_in_order(p, m, c);

    if (o->log)
        log_pass(m, o->log, p->name, changed, microseconds() - start, arena_bytes(m->arena) - bytes);
    arena_reset(c->scratch);
    if (diag_errors(m->diag))
        return false;
    if (o->verify)
        check(m, p->name);
    dump(m, o, p->name);
    show(m, o, p->name, p->what);
    return true;
}

static bool run_named(struct module *m, const struct pipeline_options *o, struct pass_context *c)
{
    const char *list = o->only;
    size_t length;

    for (const char *at; (at = next_name(&list, &length));) {
        const struct pass *p = find_pass(at, length);
        if (p && !run_pass(m, o, c, p)) /* others of the list are loop passes */
            return false;
    }
    return true;
}

/* From one of passes.def on to its end. */
static bool run_from(struct module *m, const struct pipeline_options *o, struct pass_context *c, const struct pass *p)
{
    for (; p < passes + PASSES; p++) {
        if ((int)p->when > o->level || list_has(o->disable, p->name))
            continue;
        if (!run_pass(m, o, c, p))
            return false;
    }
    return true;
}

bool pipeline_behind(struct module *m, const struct pass_context *c, const char *pass)
{
    const struct pipeline_options o = { .level = c->level, .disable = c->disable };
    struct pass_context inner = *c;

    inner.scratch = arena_new();
    bool done = run_from(m, &o, &inner, find_pass(pass, strlen(pass)) + 1);
    arena_free(inner.scratch);
    return done;
}

struct module *pipeline_without(struct module *m, const struct pipeline_options *o, struct budget *b, const char *pass)
{
    const char *disable = o->disable && *o->disable ? arena_printf(m->arena, "%s,%s", o->disable, pass) : pass;
    const struct pipeline_options less = { .level = o->level, .disable = pass ? disable : o->disable };
    struct pass_context c = { .level = o->level, .infer_only = o->infer_only, .disable = less.disable, .budget = b };

    if (!o->budget || !o->budget->before || o->only)
        return NULL;
    struct module *copy = parse_module(m->arena, m->names, m->diag, "copy", o->budget->before);
    c.scratch = arena_new();
    if (!copy || !run_from(copy, &less, &c, find_pass("parts", strlen("parts"))))
        bug("the copy of a module does not go through the passes");
    arena_free(c.scratch);
    return copy;
}

/* FNV-1a of what the model says of its training: no pass has had its say yet. */
static uint64_t fingerprint(const struct module *m)
{
    struct text t = text_make(m->arena);
    uint64_t hash = 14695981039346656037u;

    print_training(&t, m);
    for (size_t i = 0; i < t.length; i++)
        hash = (hash ^ (unsigned char)t.s[i]) * 1099511628211u;
    return hash;
}

bool pipeline_run(struct module *m, const struct pipeline_options *o)
{
    struct pass_context c = { .scratch = arena_new(),
                              .level = o->level,
                              .infer_only = o->infer_only,
                              .disable = o->disable,
                              .budget = o->budget };

    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        check_order(&orders[i]);
    m->fingerprint = fingerprint(m);
    show(m, o, NULL, NULL);
    bool done = o->only ? run_named(m, o, &c) : run_from(m, o, &c, passes);
    arena_free(c.scratch);
    return done;
}

void pipeline_print(struct text *t)
{
    static const char *const levels[] = { "", "-O1", "-O2" };

    for (const struct pass *p = passes; p < passes + PASSES; p++)
        text_add(t, "%-14s %-4s %s\n", p->name, p->when > 0 ? levels[p->when] : "", p->what);
}
