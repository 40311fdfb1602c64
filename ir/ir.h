/* ir/ir.h: what one does with a module as a whole: print, parse, verify, evaluate. */
#ifndef IR_IR_H
#define IR_IR_H

#include "ir/base/text.h"
#include "ir/graph.h"

/* print.c: the dump of README.md. What parse reads back prints as the same text. `only`: one graph, or NULL for all. */
void print_module(struct text *t, const struct module *m);
void print_graph(struct text *t, const struct graph *g, bool all_variables);
/* The graphs that train, with all variables and optimizers: what they mean, without places, the number type or N. */
void print_training(struct text *t, const struct module *m);
void text_var(struct text *t, const struct var *v); /* a variable as the dump spells it: "%image", "@fc1.weight" */
/* value->data of every value becomes its spelling in the dump ("%3", "@fc1.weight"), a string. */
void spell_values(const struct graph *g);
void print_ops(struct text *t); /* --print-ops: a signature a line */

/* parse.c: NULL after errors. `file` names the text in messages. */
struct module *parse_module(struct arena *a, struct names *names, struct diag *d, const char *file, const char *text);

/* verify.c: operand types, definition before use, attributes in range, use lists. Reports through the module's diag;
 * false where anything is wrong. */
bool verify_module(struct module *m);
/* A dump from without: outputs, losses and metrics stand in graphs whose calls hand such over to their callers. */
bool verify_handed_over(struct module *m);

/* eval.c: the reference. Every element is a double, whatever its dtype; written for clarity. */
struct tensor {
    struct type type;
    int64_t count;
    double *data; /* row-major */
};

/* A module's variables with contents, at batch size n. Arrays are indexed by var->index. */
struct store {
    struct module *module;
    struct arena *arena;
    int64_t n;
    int64_t
        first; /* where a batch goes in parts: the first sample of this one; also the contents of the ROLE_FIRST variable */
    uint64_t seed;
    uint64_t step;      /* for random numbers; also the contents of the ROLE_STEP variable */
    double lr_override; /* negative: the model's own */
    struct tensor *var;
};

struct store *store_new(struct arena *a, struct module *m, int64_t n,
                        uint64_t seed); /* parameters initialised, all else 0 */

struct run_result {
    struct tensor loss; /* count 0: none */
    struct tensor *output, *metric;
    int outputs, metrics;
    const char *error; /* NULL, or what is wrong with the data (an index out of range) */
};

/* Runs a graph: reads and writes the store's variables, gives outputs, metrics and loss. */
struct run_result eval_graph(struct arena *a, struct store *s, struct graph *g);

/* The values of a body for these operands; used for fused, scan and custom, and by simplify to fold constants. */
void eval_body(struct arena *a, struct store *s, struct graph *body, const struct tensor *in, struct tensor *out);
struct tensor tensor_make(struct arena *a, struct type t, int64_t n);

#endif
