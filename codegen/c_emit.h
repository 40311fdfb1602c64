/* codegen/c_emit.h: what the files that write the contract's C share. Private to codegen/c_*.c. */
#ifndef CODEGEN_C_EMIT_H
#define CODEGEN_C_EMIT_H

#include "codegen/codegen.h"

/* The memory of an instance: segments in this order, in bytes. Gradients, optimizer state and totals are only in instances
 * that train. */
enum segment {
    SEGMENT_PARAM,
    SEGMENT_STATE,
    SEGMENT_PREPARED,
    SEGMENT_GRAD,
    SEGMENT_OPTIMIZER,
    SEGMENT_TOTAL,
    SEGMENTS
};

/* A kernel of a graph, for the table that `bench --kernels` shows. macs and bytes are those of all its calls together. */
struct kernel_row {
    const char *name, *origin;
    const struct node *of; /* the group, or the scan that it copies a step of */
    double calls, macs, bytes;
    struct kernel_row *next;
};

enum { RUN_WORKS = 40 }; /* numbers of samples for which c_runs.c reckons work */

/* A kernel's function in C, among the graph's. Layers of one shape have one in common: the others are names for the first.
 * Its key is that of the loops it was printed from, before their passes (ir/loop.h); empty: there is none. */
struct kernel_text {
    const char *name;
    size_t at, length;
    const char *key;
    size_t key_bytes;
    const double *work; /* of a kernel whose loops the threads of a run share: c_runs.c; else NULL */
    bool own_threads;   /* it enters regions of its own */
    struct kernel_text *next;
};

/* What a graph's function calls for one operation of it, as lines: for one thread, and for those of a run. */
struct call_item {
    struct text plain, shared;
    const char *kernel;            /* the only one that it calls, or NULL */
    bool in_run, is_run, ends_run; /* threads share some of it; they do that in a run of its own; no run goes over it */
    bool needs_context;
    double work[RUN_WORKS]; /* that threads share, by numbers of samples */
    bool *given;            /* which arguments of the graph's function it takes: by var->index, then outputs */
    struct call_item *next;
};

struct graph_c {
    struct text kernels, calls; /* the static functions; the statements of the graph's function */
    struct kernel_row *rows, **last;
    struct kernel_text *texts; /* the last first */
    struct call_item *items, **last_item;
    int count;
    double macs;
};

struct emit {
    struct module *m;
    const struct emit_options *o;
    struct arena *arena;
    struct arena *lowering;          /* of one kernel, until it is written */
    const char *name, *upper, *real; /* lenet, LENET, float */
    int real_bytes;
    int64_t segment[SEGMENTS];
    int64_t header_bytes; /* of struct lenet, generously */
    int64_t infer_bytes, train_bytes, infer_arena, train_arena;
    int64_t stack_bytes; /* arrays of the kernel that has most of them */
    const char **var_id; /* by var->index: the C identifier */
    const char **taken;  /* identifiers given out */
    int taken_count;
    struct node **output, **metric; /* of the infer and the eval graph, in order of declaration */
    const char **output_id;
    int outputs, metrics;
    int tensors;                        /* parameters, frozen parameters and states */
    bool has_loss, has_step;            /* accumulate and eval; train_step and apply */
    struct graph *emitted[GRAPH_KINDS]; /* the graphs of this mode */
    int graphs;
    struct graph_c graph[GRAPH_KINDS]; /* by kind */
    double **constant; /* --embed-weights: elements of what is a const array, by var->index; else NULL */
    bool *read;        /* by var->index: an array that the emitted C reads */
    bool prepares;     /* something of graph prepare is left for run time */
    int kernel_number;
    struct names *shared; /* what kernels may have in common; c_shared.c */
    bool *given; /* marks which of the function's arguments what is emitted takes, as call_item has them; or NULL */
    bool apart;  /* within the function of a scan whose samples go apart: `first` is the first of them */
    uint64_t runtime_there; /* files of the runtime whose text NET.h holds, a bit each (--standalone) */
    struct file_out *files;
    size_t file_count, file_capacity;
};

/* kept.c */
void log_kept(const struct emit *e, const struct graph *g); /* of the training graph, to the log */

/* c_layout.c */
void layout_module(struct emit *e);
enum segment var_segment(const struct var *v);
const char *segment_name(enum segment s);                         /* as struct NET's member */
const char *var_pointer(struct emit *e, const struct var *v);     /* C expression */
const char *value_pointer(struct emit *e, const struct value *v); /* C expression */
const char *step_name(struct emit *e, const struct node *scan);   /* of the loop over a scan's steps */
const char *c_type(const struct emit *e, enum dtype d);
int64_t type_bytes(const struct emit *e, struct type t);        /* at n = N */
int64_t run_bytes(const struct emit *e, const struct value *v); /* in a full run of its graph */
const char *count_text(struct emit *e, struct type t);          /* elements at n samples, a size_t expression */
bool is_tensor(const struct var *v);                            /* shown by NET_tensors */
/* Every value that has a place of its own in the arena, those of scans included. */
void each_planned(const struct graph *g, void (*see)(void *context, const struct value *v), void *context);

/* c_names.c */
const char *name_reserved(const char *id); /* why no net can be called so, or NULL */
bool name_of_cpp(const char *id);          /* a word of C++ alone: a net may be called so, and its header is for C */
const char *c_identifier(struct emit *e, const char *text); /* unique among those given out */

/* How many rows `bench --kernels` shows of a graph: its kernels, those of its totals, and of training those of the step. */
int profile_rows(const struct emit *e, enum graph_kind kind);

/* c_graph.c: kernels and calls of one graph. False after an error. */
bool emit_graph(struct emit *e, struct graph *g);

/* c_runtime.c: what stands in the runtime, included, or copied under --standalone. */
enum runtime_part {
    RUNTIME_CORE,
    RUNTIME_LIBRARY,
    RUNTIME_APP
}; /* sources: for bare metal; with files and heap; the app's */
void runtime_include(struct emit *e, struct text *t, const char *name);        /* a header */
void runtime_names(struct emit *e, struct text *t);                            /* before netrt.h */
void runtime_features(struct emit *e, struct text *t, enum runtime_part part); /* before the first #include */
void runtime_library(struct emit *e, struct text *t);                          /* the sources behind NET.c */
void runtime_app(struct emit *e, struct text *t);                              /* and behind NET_app.c */
void runtime_zlib(struct emit *e, struct text *t);                             /* NET_app.c: with .gz or without */

/* c_apart.c: scans whose samples go through the steps each for itself. scan_samples_in_threads: from how many samples on
 * threads are worth it; 0: they are not. The function has the steps' statements, of a graph of that kind. */
bool scan_is_apart(const struct node *scan);
int64_t scan_samples_in_threads(const struct node *scan);
void apart_function(struct emit *e, struct text *t, const char *name, enum graph_kind kind, const char *steps);
const char *apart_call(struct emit *e, const char *name, int64_t least);

/* c_runs.c: which calls of a graph, all of whose kernels are there, go through one region. */
const double *run_work(struct emit *e, const struct lkernel *k);
struct call_item *call_item(struct emit *e);
void emit_runs(struct emit *e, enum graph_kind kind);

/* c_product.c: the condition under which OpenBLAS has done a group's work, or NULL. */
const char *product_call(struct emit *e, const struct node *group);

/* c_weights.c: --embed-weights. */
void embed_weights(struct emit *e);                              /* decides what is constant, before layout */
bool computed_ahead(const struct emit *e, const struct node *n); /* an operation of prepare that is done with */
const char *weight_name(struct emit *e, const struct var *v); /* of its const array, which is then emitted; or NULL */
void declare_weights(struct emit *e, struct text *t);
void emit_weights(struct emit *e, struct text *t);

/* c_graph.c: the loop passes for a kernel of this graph. What prepare makes of weights is not contracted: its bits are
 * those that embedded weights have. */
void run_loop_passes(struct emit *e, struct lkernel *k, enum graph_kind kind);

/* c_header.c, c_model.c, c_run.c: one file of the contract each, as text. */
const char *times_of(const struct emit *e, enum graph_kind kind); /* where its kernels' times stand; NULL: nowhere */
void given_text(struct emit *e, struct text *t, const bool *given, bool typed); /* arguments by their marks */
void argument_text(struct emit *e, struct text *t, const char *name, enum dtype d, bool given, bool typed); /* one */
void arguments_text(struct emit *e, struct text *t, bool targets, bool outputs); /* ", const uint8_t *image, ..." */
void argument_names(struct emit *e, struct text *t, bool targets, bool outputs);
bool has_evolve(const struct emit *e); /* c_sparse.c: parts of NET.c, nothing where the net has no sparse matrix */
int64_t sparse_scratch(const struct emit *e);
const char *sparse_check(struct emit *e);
void emit_sparse_start(struct emit *e, struct text *t);
void emit_sparse_places(struct emit *e, struct text *t);
void emit_sparse_table(struct emit *e, struct text *t);
void emit_evolve(struct emit *e, struct text *t);
void emit_header(struct emit *e, struct text *t);
void emit_model(struct emit *e, struct text *t);
void emit_kernels(struct emit *e, struct text *t, const enum graph_kind *kinds, int count); /* of one file */
void emit_infer(struct emit *e, struct text *t);
void emit_train(struct emit *e, struct text *t);
void emit_app(struct emit *e, struct text *t);
void emit_prologue(struct emit *e, struct text *t, const char *suffix,
                   const char *what); /* comment, defines, includes */

/* out_dot.c, out_json.c, out_html.c: the planned graphs for people and programs that look at them. */
void emit_dot(struct emit *e, struct text *t);
void emit_json(struct emit *e, struct text *t);
void emit_html(struct emit *e, struct text *t); /* shows the files that are there so far */

#endif
