/* tests/fuzz/shrink.c: a failing dump made small: graphs, effects, operations and variables are taken away, one after the
 * other, as long as the same check fails in the same way. */
#include <stdlib.h>
#include <string.h>

#include "ir/build.h"
#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_TRIES = 600 };

struct shrinking {
    struct arena *arena;
    check_fn *check;
    uint64_t seed;
    const char *failure; /* what was said at first */
    int tries;
};

/* What a failing check says; NULL where it does not fail. */
static const char *failure_of(struct shrinking *s, const char *text)
{
    char said[4096] = "";
    FILE *file = tmpfile();
    bool good = passes_check(s->check, text, s->seed, file);

    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return good ? NULL : arena_string(s->arena, said);
}

/* Up to the first colon: "after pass choose", "passes/fuse.c". */
static bool fails_alike(struct shrinking *s, const char *text)
{
    const char *said = failure_of(s, text);
    size_t length = strcspn(s->failure, ":");

    s->tries++;
    return said && strncmp(said, s->failure, length) == 0 && said[length] == s->failure[length];
}

/* ---- the k-th thing to take away ---- */

static void replace_results(struct node *n)
{
    struct build b = build_at(n->graph, n);

    for (int i = 0; i < n->results; i++) {
        struct type t = n->result[i]->type;
        value_replace(n->result[i], build_full(&b, t.dtype == DT_REAL ? 0.75 : 1, t));
    }
}

static bool is_constant(const struct node *n)
{
    return n->op == OP_constant || (n->op == OP_broadcast && operand(n, 0)->def && is_constant(operand(n, 0)->def));
}

/* *k counts down; true where it was this operation's. */
static bool change_node(struct node *n, int *k)
{
    if (op_is(n->op, EFFECT) && (*k)-- == 0) {
        node_remove(n);
        return true;
    }
    if (op_is(n->op, EFFECT) || is_constant(n))
        return false;
    for (int i = 0; i < n->operands; i++)
        if (n->results == 1 && type_equal(operand(n, i)->type, n->result[0]->type) && (*k)-- == 0) {
            value_replace(n->result[0], operand(n, i));
            return true;
        }
    if ((*k)-- == 0) {
        replace_results(n);
        return true;
    }
    return false;
}

static bool change_graph(struct graph *g, int *k)
{
    for (struct node *n = g->last, *previous; n; n = previous) {
        previous = n->previous;
        if (change_node(n, k))
            return true;
        for (int i = 0; i < n->bodies; i++)
            if (change_graph(n->body[i], k))
                return true;
    }
    return false;
}

static bool change_module(struct module *m, int k)
{
    for (int i = 0; i < GRAPH_KINDS; i++)
        if (m->graph[i] && k-- == 0) {
            m->graph[i] = NULL;
            return true;
        }
    if (m->optimizer && k-- == 0) {
        m->optimizer = NULL;
        return true;
    }
    if (m->batch > 1 && k-- == 0) {
        m->batch--;
        return true;
    }
    for (int i = 0; i < GRAPH_KINDS; i++)
        if (m->graph[i] && change_graph(m->graph[i], &k))
            return true;
    return false;
}

static bool is_module(struct arena *a, const char *text)
{
    struct diag *d = diag_new(a, stderr);

    diag_hold(d);
    struct module *m = parse_module(a, names_new(a), d, "fuzz.ir", text);
    return m && verify_module(m);
}

/* NULL: there is no k-th thing. What comes out may be no module. */
static const char *changed_text(struct arena *a, const char *text, int k)
{
    struct module *m = module_of_text(a, text);
    struct pipeline_options o = { .level = 2, .only = "dce" };

    if (!change_module(m, k))
        return NULL;
    diag_hold(m->diag);
    return pipeline_run(m, &o) ? text_of_module(a, m) : "";
}

/* ---- variables that nothing reads ---- */

/* Without the k-th line that declares a variable named nowhere else; NULL: there is none. */
static const char *without_variable(struct arena *a, const char *text, int k)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length = strcspn(line, "\n") + 1;
        const char *at = line + strcspn(line, "@%\n");
        if (strncmp(line, "  ", 2) != 0 || *at == '\n' || !strchr("ipfst", line[2]) || line[2] == '%')
            continue;
        const char *called = arena_stringn(a, at, strcspn(at, " "));
        size_t name_length = strlen(called);
        int count = 0;
        for (const char *s = text; (s = strstr(s, called)); s += name_length)
            count += !strchr("0123456789", s[name_length]);
        if (count == 1 && k-- == 0) {
            struct text t = text_make(a);
            text_putn(&t, text, (size_t)(line - text));
            text_puts(&t, line + length);
            return text_string(&t);
        }
    }
    return NULL;
}

typedef const char *change_fn(struct arena *a, const char *text, int k);

/* Every change once, keeping those after which it fails still. */
static const char *sweep(struct shrinking *s, const char *text, change_fn *change)
{
    for (int k = 0; s->tries < MAX_TRIES;) {
        const char *next = change(s->arena, text, k);
        if (!next)
            break;
        if (strcmp(next, text) != 0 && is_module(s->arena, next) && fails_alike(s, next))
            text = next;
        else
            k++;
    }
    return text;
}

const char *shrink(struct arena *a, check_fn *check, const char *text, uint64_t seed)
{
    struct shrinking s = { .arena = a, .check = check, .seed = seed };
    const char *before;

    s.failure = failure_of(&s, text);
    if (!s.failure)
        return text; /* not again */
    do {
        before = text;
        text = sweep(&s, text, changed_text);
        text = sweep(&s, text, without_variable);
    } while (strcmp(text, before) != 0 && s.tries < MAX_TRIES);
    return text;
}
