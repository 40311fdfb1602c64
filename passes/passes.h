/* passes/passes.h: the passes of passes.def, and running them in order. */
#ifndef PASSES_PASSES_H
#define PASSES_PASSES_H

#include "ir/graph.h"

/* --max-bytes: how large an instance that trains may be, and how large the planned module makes it. Then what `parts` has
 * found: what it takes without parts (0: nothing was tried), and what stands against parts, with the reason; NULL: nothing.
 * before: the module as it came to `parts`; NULL: it did not. */
struct budget {
    int64_t bytes;
    int64_t (*measure)(void *context, struct module *m);
    void *context;
    int64_t whole_bytes;
    const struct node *against;
    const char *why, *before;
    bool winograd; /* there are convolutions by Winograd's method */
};

/* What a pass works with besides the module. */
struct pass_context {
    struct arena *scratch; /* emptied after the pass */
    int level;             /* -O0, -O1, -O2 */
    bool infer_only;       /* --mode infer */
    const char *disable;   /* passes that do not run, separated by commas, or NULL */
    struct budget *budget; /* NULL: none */
};

/* A pass changes the module; it returns whether it did. Errors go through the module's diag. */
typedef bool pass_fn(struct module *m, struct pass_context *c);

#define PASS(name, when, what) pass_fn pass_##name;
#define BEFORE(first, second, why)
#include "passes/passes.def"
#undef PASS
#undef BEFORE

/* Sees the module before the first pass (pass NULL) and after each: its name, and what it does. */
struct watcher {
    void (*see)(void *context, struct module *m, const char *pass, const char *what);
    void *context;
    const struct watcher *next;
};

struct pipeline_options {
    int level;
    bool infer_only;
    bool verify;         /* verify, print, parse and print again after every pass */
    const char *disable; /* names, separated by commas, or NULL */
    const char *only;    /* --passes: these, in the order given, or NULL */
    const char *dump;    /* names after which to dump, "" for after all of them, or NULL */
    struct text *dump_to;
    struct text *log;      /* -v: a line a pass with time and memory, or NULL */
    struct budget *budget; /* or NULL */
    const struct watcher *watchers;
};

/* Runs the passes; false after an error. */
bool pipeline_run(struct module *m, const struct pipeline_options *o);
/* What would have become of the module of the run that o describes without one of the passes from `parts` on (NULL: with
 * all), with a budget of its own; NULL where that cannot be tried: there was no such run with a budget. */
struct module *pipeline_without(struct module *m, const struct pipeline_options *o, struct budget *b, const char *pass);
void pipeline_print(struct text *t); /* --print-passes */
/* The first name of a list that is neither a pass nor among `others` (ended by NULL), or NULL; for checking options.
 * *near: the nearest pass, or NULL. */
const char *pipeline_unknown(struct arena *a, const char *list, const char *const *others, const char **near);

/* Why C cannot come out of the pipeline without the passes of a list (`disable`, or NULL), or from those of a list
 * alone; NULL: it can. */
const char *pipeline_lacks(struct arena *a, const char *disable);
const char *pipeline_incomplete(struct arena *a, const char *only);

/* explain.c: what passes (names separated by commas) changed, in lines of the model. explain_pass is a watcher's;
 * explain_end names those of the passes that did not run. */
struct explain;
struct explain *explain_new(struct arena *a, const char *passes, struct text *to);
void explain_pass(void *explain, struct module *m, const char *pass, const char *what);
void explain_end(struct explain *x);

#endif
