/* ir/graph.h: the tensor IR. A module holds the variables of a model and its graphs; a graph is a list of operations
 * in an order in which definitions come before uses; an operation reads values and gives values.
 *
 * What a graph keeps outside itself are variables: parameters, states, inputs, targets, gradients, optimizer state. A
 * graph reads one through a value of its own (graph_var) and writes it with the operations `assign` and `accumulate`,
 * which take effect after everything has been read.
 *
 * Bodies (of fused, scan, custom) are graphs too, closed ones: they reach what is outside through their parameters
 * only, which the operation's operands are bound to in order. In print a parameter of a fused body carries the name of
 * its operand.
 *
 * Use lists are kept by graph.c alone: change operands through value_replace and node_set_operand. */
#ifndef IR_GRAPH_H
#define IR_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "ir/base/names.h"
#include "ir/op.h"
#include "ir/type.h"

struct graph;
struct module;
struct node;
struct value;

/* One operand of one operation, a link of its value's list of uses. */
struct use {
    struct value *value;
    struct node *user;
    int index; /* which operand */
    struct use *next, **link;
};

/* What an operation reads: a result of another, a variable's contents, or a body's parameter. */
struct value {
    struct type type;
    struct graph *graph;
    struct node *def; /* the operation that gives it, or NULL */
    int index;        /* which result, or which parameter of the body */
    struct var *var;  /* the variable it reads, or NULL */
    const char *name; /* the source's name for it, interned, or NULL; need not be unique */
    struct use *uses;
    int64_t offset; /* where it lies in the arena, in bytes; -1: not planned, or it lies elsewhere */
    int born, dies; /* of what is planned: the place is its own between these operations of the whole graph, from 0 */
    int id;         /* scratch numbering of whoever walks the graph */
    void *data;     /* scratch of the pass at work; nobody relies on its contents at entry */
};

struct attr {
    const char *name; /* interned nowhere: points into the operation's signature copy; compare with strcmp */
    enum attr_kind kind;
    int count; /* of ints or dims */
    union {
        int64_t i;
        double real;
        bool flag;
        const char *word; /* interned */
        int64_t *ints;
        struct dim *dims;
    };
};

enum { MAX_BODIES = 2 };

struct node {
    enum op op;
    int operands, results, attrs, bodies;
    struct use *operand; /* operand[i].value */
    struct value **result;
    struct attr *attr; /* in the order of ops.def, all present */
    struct graph *body[MAX_BODIES];
    struct graph *graph;
    struct node *previous, *next;
    struct place at;   /* the line of the model it came from */
    const char *layer; /* the layer path it came from, "" at the top */
    int id;
    void *data; /* scratch of the pass at work */
};

enum role {
    ROLE_INPUT,
    ROLE_TARGET, /* arguments of the generated functions; lead with N */
    ROLE_PARAM,
    ROLE_FROZEN,
    ROLE_STATE,
    ROLE_GRAD,      /* a trained parameter's gradient: `of` is the parameter */
    ROLE_OPTIMIZER, /* momentum and the like, of the parameters from `of` on; zero at first */
    ROLE_STEP,      /* i32[]: steps applied so far */
    ROLE_PREPARED,  /* computed by graph prepare from parameters and states alone */
    ROLE_RANGE,     /* neighbouring variables seen as one flat tensor: from `of` to `last` */
    ROLE_TOTAL,     /* computed by graph totals, of all samples of a call */
    ROLE_FIRST,     /* i32[]: the number of the first sample of the part that runs */
    ROLES
};

/* How a variable starts: every element `a` (constant), or drawn from uniform(a, b) or normal(a, b); the rows and the
 * columns of a sparse matrix: places drawn for both at once. */
enum init_rule { INIT_CONSTANT, INIT_UNIFORM, INIT_NORMAL, INIT_PLACES };

/* blank: slice `row` of the first axis starts as zeros instead, and the model keeps it out of its gradient. */
struct init {
    enum init_rule rule;
    double a, b;
    bool blank;
    int64_t row;
};

/* name: unique in the module, interned. Inputs and targets print as %name, all others as @name. Gradients are named
 * "grad/PATH", optimizer state "RULE.WHAT/PATH", prepared values "prepared/ORDINAL", totals "total/ORDINAL".
 * Layout: parameters and frozen parameters lie contiguous in the module's order of variables, each padded to 64 bytes
 * with zeros; gradients in the order of their parameters, with the same spacing, and so does optimizer state. */
struct var {
    const char *name;
    enum role role;
    struct type type;
    struct init init; /* of parameters and states */
    struct var *of, *last;
    struct var *grad; /* a trained parameter's gradient once differentiate has made it */
    struct place at;
    int index;           /* its position in the module */
    struct value *value; /* scratch of graph_var: the value in the graph asked last */
    int64_t offset;      /* memory planning: element offset within its segment, -1 before */
    void *data;          /* scratch */
};

/* `optimizer NAME(args) [for globs]`. Arguments are those of the rule, by name, every one present. */
enum { MAX_OPTIM_ARGS = 10, MAX_GLOBS = 16 };

struct optim_arg {
    const char *name;
    double value;
};

struct optimizer {
    const char *rule; /* "sgd", "adam", "adamw", "rmsprop", "adagrad" */
    struct optim_arg arg[MAX_OPTIM_ARGS];
    int args;
    /* lr as a schedule: operation learning_rate's attributes */
    const char *schedule; /* "constant", "step", "cosine", "linear" */
    double rate, every, gamma, steps, warmup, low;
    const char *glob[MAX_GLOBS];
    int globs; /* 0: takes the rest */
    struct place at;
    struct optimizer *next;
};

/* A sparse matrix of out x in whose entries are variables: entry e is values[e] in row rows[e] and column columns[e].
 * Places ascend, by row and then by column, and no two are alike. At first they are drawn at random; NET_evolve moves the
 * fraction zeta of them. */
struct sparse {
    struct var *values, *rows, *columns;
    int64_t out, in;
    double zeta;
    struct place at;
    struct sparse *next;
};

/* Which graphs a module has. accumulate: forward, loss, backward, gradients added, states updated (the train graph);
 * apply: the optimizer's step. totals, eval_totals, infer_totals: where the graph of that kind takes a batch in parts, what has to
 * be known of all samples before the first part runs. A graph that a model does not have is NULL. */
enum graph_kind {
    GRAPH_TRAIN,
    GRAPH_APPLY,
    GRAPH_EVAL,
    GRAPH_INFER,
    GRAPH_PREPARE,
    GRAPH_TOTALS,
    GRAPH_EVAL_TOTALS,
    GRAPH_INFER_TOTALS,
    GRAPH_KINDS,
    GRAPH_BODY = GRAPH_KINDS
};

struct graph {
    enum graph_kind kind;
    struct module *module;
    struct node *owner; /* of a body */
    struct node *first, *last;
    struct value **param; /* of a body */
    int params;
    struct value **yield; /* of a body: what it gives, kept alive by these uses */
    int yields;
    struct node *yield_node;  /* of a body: a pseudo operation, not in the list, whose operands are the yields */
    struct value **var_value; /* the values that read variables */
    int var_values;
    size_t var_capacity, param_capacity;
    int64_t part;        /* samples that a run takes at most, where a batch goes in parts; else 0 */
    int64_t arena_bytes; /* planned, for a full run; -1 before */
    int64_t lower_bound; /* the largest sum of live bytes, which no plan can go below */
};

struct module {
    struct arena *arena;
    struct names *names;
    struct diag *diag;
    const char *name; /* of the net */
    struct place at;  /* of the net in its file */
    int64_t batch;    /* N */
    bool f64;         /* --dtype f64 */
    struct var **var;
    int vars;
    size_t var_capacity;
    struct var **table; /* of module_find, by name; kept by graph.c */
    size_t table_size;
    struct optimizer *optimizer; /* in order; NULL: none */
    struct sparse *sparse;       /* in order; NULL: none */
    struct graph *graph[GRAPH_KINDS];
    uint64_t fingerprint; /* of the model and its training setup, before any pass: checkpoints of another are refused */
    int streams;          /* random streams handed out so far */
    const char *speaker; /* whom messages name: a function or layer of the language, "" for none of them, and operations
                          * by the language's words; NULL: operations by their own names */
    const char *hint;    /* of what is wrong with what the speaker was given; NULL: none */
};

struct module *module_new(struct arena *a, struct names *names, struct diag *d, const char *name, int64_t batch);
struct var *module_var(struct module *m, const char *name, enum role role, struct type type); /* adds; NULL if taken */
void module_add_sparse(struct module *m, const struct sparse *s);                             /* a copy, at the end */
struct var *module_find(const struct module *m, const char *name);
const char *graph_name(enum graph_kind kind);       /* "train", "apply", "eval", "infer", "prepare", "totals", ... */
enum graph_kind graph_totals(enum graph_kind kind); /* the kind that runs before the parts of one; GRAPH_KINDS: none */
const char *role_name(enum role role);              /* "input", "target", "param", "frozen", "state", ... */

struct graph *graph_new(struct module *m, enum graph_kind kind); /* for GRAPH_BODY with no owner yet */
const struct graph *graph_top(const struct graph *g);            /* of a body: the graph it lies in, however deep */
int64_t graph_parts(const struct graph *g);   /* how many runs a full batch takes; 1 for what takes it at once */
int64_t graph_samples(const struct graph *g); /* that a run of it takes at most: N, or what its part holds */
struct value *graph_var(struct graph *g, struct var *v); /* the value that reads it; not for bodies */
struct value *graph_param(struct graph *body, struct type type, const char *name);
void graph_yield(struct graph *body, struct value *const *values, int count); /* sets or replaces the yields */

/* Makes an operation before `before` (NULL: at the end). Attributes are copied. Results get types from infer.c, which
 * build.h calls; use build.h rather than this. */
struct node *node_new(struct graph *g, struct node *before, enum op op, struct value *const *operands, int count,
                      const struct attr *attrs, int attr_count, int results);
void node_add_body(struct node *n, struct graph *body);
void node_remove(struct node *n); /* nothing may use its results */
void node_move(struct node *n, struct node *before);
void node_set_operand(struct node *n, int index, struct value *v);
void node_add_operand(struct node *n, struct value *v); /* at the end; for variadic operations */
struct value *node_add_result(struct node *n, struct type type);
void node_drop_operand(struct node *n, int index);
struct value *operand(const struct node *n, int index);
void value_replace(struct value *old, struct value *with); /* in every use, yields too */
bool value_used(const struct value *v);
int value_use_count(const struct value *v);

/* Numbers the operations, from 0; the number of the last that computes a loss, behind which the backward part stands; -1:
 * there is none. And the first reader of v in its own graph, so numbered, behind `last`; NULL. */
int graph_number(const struct graph *g);
struct node *value_read_behind(const struct value *v, int last);

/* Attributes by name; asking for one the operation does not have is a bug. */
const struct attr *node_attr(const struct node *n, const char *name);
int64_t attr_int(const struct node *n, const char *name);
double attr_real(const struct node *n, const char *name);
bool attr_bool(const struct node *n, const char *name);
const char *attr_word(const struct node *n, const char *name);
const int64_t *attr_ints(const struct node *n, const char *name, int *count); /* count may be NULL */
const struct dim *attr_dims(const struct node *n, const char *name, int *count);
bool attr_equal(const struct attr *a, const struct attr *b);

/* Copies the operations of `from` to before `before` in `to` (which may be another graph or a body of another
 * module graph); value->data of from's parameters and variables must hold what they become in `to` (for variables
 * NULL: graph_var(to, var)). Afterwards value->data of every copied result holds its copy. */
void graph_copy_into(struct graph *from, struct graph *to, struct node *before);
struct node *node_copy(const struct node *n, struct graph *to, struct node *before); /* one of them, by the same rule */
struct graph *graph_copy(struct graph *from);                                        /* a body, whole, with no owner */

/* The scalar constant's value, if v is one, through broadcast, reshape and cast. */
bool value_constant(const struct value *v, double *out);
bool node_reads_samples(const struct node *n); /* an operand has an axis of samples */

#endif
