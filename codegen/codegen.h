/* codegen/codegen.h: from planned graphs to C. lower.c makes a loop kernel of every group, loop_*.c decide how its loops
 * run, c_print.c writes it, c_*.c write the files of the contract around the kernels. */
#ifndef CODEGEN_CODEGEN_H
#define CODEGEN_CODEGEN_H

#include "ir/base/files.h"
#include "ir/ir.h"
#include "ir/loop.h"

/* lower.c: the kernel of one `fused` operation. Its arguments stand for the operands and results of the group
 * (lbuf.value); a group may hold effects: `assign` and `accumulate` of a parameter that is bound to a variable write that
 * argument. level 0: the plainest loops. The kernel's memory comes from a. */
/* The operations of a group's body, each once and few of them: its anchor first, a write last. "" where it only copies. */
const char *group_words(struct arena *a, const struct graph *body, const char *between, int most);
struct lkernel *lower_group(struct arena *a, struct node *fused, const char *name, int level);

/* Copies between whole sequences and one step of them, for what is no view; the kernel's i32 parameter is the step. Taken:
 * from a scan's operand number `which` into that parameter of the body; put: from that yield of the body into the result;
 * carried: from the result that the body's carry number `which` is a step of into the parameter where the next reads it. */
enum step_copy { STEP_TAKEN, STEP_PUT, STEP_CARRIED };
struct lkernel *lower_scan_copy(struct arena *a, struct node *scan, enum step_copy how, int which, const char *name);

/* Loop passes, mechanical: each a function of one kernel. loops.def has their names and order. */
void loops_run(struct lkernel *k, int level, const char *disable);
bool loops_has(const char *name, int level, const char *disable); /* whether that runs this one */
typedef void loop_pass_fn(struct lkernel *k);
void loops_only(struct lkernel *k, const char *passes); /* these, in the order given; NULL: none */
void loops_print(struct text *t);                       /* --print-passes: `lower`, then each loop pass, a line each */
const char *const *loops_names(void); /* "lower", the loop passes, "loops" (after all of them), NULL */
bool loops_wanted(const char *list);  /* whether a list of pass names holds one of these */
bool loops_text(const char *text);    /* whether a dump is loop IR: its first word is `kernel` */

/* c_print.c: the only writer of statements. */
void c_origin(struct text *t, const char *origin); /* a comment, or nothing where that is empty */
/* The function, behind those of its loops in threads. Where it goes to c_kernels, `shared` numbers what several may call,
 * and a kernel's text begins with c_begin_kernel; else NULL. */
void c_kernel(struct text *t, struct lkernel *k, struct names *shared);
void c_begin_kernel(struct text *t);
/* c_shared.c: all kernels of a file; what several have in common stands there once. */
void c_kernels(struct text *to, const char *const *kernels, int count, const struct names *shared);
bool c_needs_run(const struct lblock *b); /* random numbers, or the step's rates */
void c_kernel_call(struct text *t, const struct lkernel *k, const char *(*pointer)(void *context, const struct lbuf *b),
                   void *context, const char *const *param); /* name(n, pointers..., params...); */

/* out_html.c: the graphs after each pass, for --emit=html. history_add is given to the pipeline as a watcher. */
struct history;
struct history *history_new(struct arena *a);
void history_add(void *history, struct module *m, const char *pass, const char *what);

struct emit_options {
    const char *folder;
    const char *emit;  /* --emit: c, app, ir, dot, html, json, separated by commas */
    bool train, infer; /* --mode */
    bool portable;     /* --fp portable */
    bool standalone;
    int level;
    const char *disable;
    double *const *weights; /* --embed-weights: each parameter's and state's elements, by var->index; or NULL */
    const char *dump;       /* --dump-ir: kernels are printed where it names `lower`, a loop pass or `loops` */
    struct text *dump_to;
    struct text *log;        /* -v, or NULL */
    struct history *history; /* of --emit=html */
};

/* c_layout.c: what an instance that trains takes, as NET_TRAIN_BYTES: in all, and of that the arena
 * and what is known of all samples of a batch that goes in parts. */
struct train_bytes {
    int64_t all, arena, totals;
};
struct train_bytes train_bytes_of(struct module *m, const struct emit_options *o);

/* c_files.c: whether a list of --emit has this word. */
bool emit_wanted(const char *list, const char *word);

/* All files of the module, as a list to be written at once. False after an error. */
bool emit_module(struct module *m, const struct emit_options *o, struct file_out **files, size_t *count);

#endif
