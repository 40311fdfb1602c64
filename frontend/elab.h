/* frontend/elab.h: what is shared by the files that evaluate a tree into graphs.
 *
 * Everything but tensors is known at compile time. A net is evaluated once for each of its graphs: training (training =
 * true), evaluation and inference (false). Parameters are made by the first evaluation and found again by the others. */
#ifndef FRONTEND_ELAB_H
#define FRONTEND_ELAB_H

#include "frontend/ast.h"
#include "frontend/frontend.h"
#include "frontend/meant.h"
#include "ir/build.h"

struct block;
struct builtin;
struct env;
struct instance;
struct layer;

enum val_kind {
    V_POISON,
    V_NONE,
    V_BOOL,
    V_INT,
    V_REAL,
    V_STRING,
    V_DIM,
    V_LIST,
    V_TENSOR,
    V_TUPLE,
    V_LAYER,
    V_BLOCK,
    V_INIT
};

/* An initialiser before its tensor's shape is known. */
struct init_spec {
    const char *rule; /* zeros, constant, uniform, xavier_uniform, ... */
    double a, b;      /* uniform's bounds, normal's mean and deviation, constant's value */
    double gain, slope;
    int64_t fan_in, fan_out; /* 0: counted from the shape */
    bool by_fan_out;
    bool blank; /* slice `row` of the first axis starts as zeros */
    int64_t row;
};

struct val {
    enum val_kind kind;
    /* V_INT, V_BOOL; V_LIST: how many values it holds, within its lists too; V_TUPLE of split: 0 where sizes were given */
    int64_t i;
    double real;
    const char *text; /* V_STRING; V_TUPLE: who gave the values, or NULL */
    struct dim dim;   /* V_DIM: a multiple of N */
    struct val *item; /* V_LIST, V_TUPLE */
    int items;
    struct value *tensor;
    struct layer *layer;
    const struct block *block;
    const struct init_spec *init;
};

/* A block, and the names it sees. */
struct block {
    const struct ast *tree;
    struct env *env;
    bool library; /* of prelude.net: places are those of its users */
};

/* The identity of a layer: where its parameters live. Applying a layer twice meets the same children. */
struct child {
    const char *name;
    struct instance *instance;
    int run; /* the application of the parent in which it was made last */
    struct child *next;
};

struct counter {
    const char *name;
    int count;
    struct counter *next;
};

/* A parameter or state that this application of a block has declared. */
struct declared {
    const char *path; /* interned */
    struct declared *next;
};

struct instance {
    const char *path; /* "" for the net itself */
    struct child *children;
    struct counter *counters; /* anonymous layers made in this application */
    struct declared *declared;
    int run;
    bool clash; /* another layer of the same application has this path */
    struct place at;
    const char *own; /* its block's name or the name it is bound to */
};

/* What stands in the parentheses of a call, and what it was where it was written. */
struct arguments {
    const struct ast **item; /* A_ARG or an expression */
    struct val *value;
    int count, held; /* the first are those that the layer which is called holds */
};

/* A block or built-in function with constants, waiting for its tensors. */
struct layer {
    const struct block *block;
    const struct builtin *builtin;
    struct val *constant; /* by formal; V_POISON with given[i] false: the default */
    bool *given;
    struct instance *instance;
    const struct ast *call, *first; /* a block's, as written, or NULL, and the first constant by place in it, or NULL */
    int by_place;                   /* constants */
    struct arguments arguments;     /* a built-in's */
    struct place at;
};

struct binding {
    const char *name;
    struct val v;
    bool read;
    struct place at; /* where a statement bound it; line 0: none did */
    struct binding *next;
};

struct env {
    struct env *parent;
    struct binding *first;
};

/* A body being built: values from outside become parameters of it. */
enum body_kind { BODY_SCAN, BODY_CUSTOM, BODY_BACKWARD };

struct body {
    enum body_kind kind;
    struct graph *graph;
    struct body *outer;
    struct value *const *operand; /* whose values the first parameters have, all of them over all steps */
    int operands;
    struct value **from, **to; /* outside value, parameter of this body */
    int captured;
    size_t from_capacity, to_capacity;
};

/* A pattern of `freeze` or of an optimizer (of): what it matches is known when all parameters are. */
struct pattern {
    const char *glob;
    struct place at;
    const struct optimizer *of;
};

enum mode { MODE_TRAIN, MODE_EVAL, MODE_INFER };

struct elab {
    struct arena *arena;
    struct names *names;
    struct diag *diag;
    const struct frontend_options *o;
    struct module *m;
    enum mode mode;
    bool training;
    struct graph *graph; /* where operations go */
    struct body *body;   /* the innermost body, or NULL */
    struct env *env, *library;
    struct instance *instance;
    const struct ast *within; /* the statements of the innermost block or net */
    struct place at;          /* of the operations being made */
    bool in_library, in_net, in_backward;
    int depth;
    int64_t operations, iterations;
    int effects;                   /* updates so far, which a call may be there for */
    const struct binding **unread; /* what nothing has read in any evaluation */
    int unreads;
    bool too_large;
    bool returned;
    struct val result; /* of `return` or `yield` */
    struct val *yields;
    int yields_depth; /* the depth of the scan they belong to: a block it applies is deeper */
    struct value **losses;
    int loss_count;
    size_t loss_capacity;
    struct pattern *pattern;
    int patterns;
    size_t pattern_capacity;
    bool batch_seen;
    const char *batch_name;  /* what the net calls N; NULL: nothing yet */
    const struct ast *outer; /* the call of what the call at work gives, linear(3)(x), or NULL */
};

enum {
    MAX_DEPTH_OF_CALLS = 120,
    MAX_OPERATIONS = 100000,
    MAX_ITERATIONS = 250000,
    MAX_ITEMS = 100000,
    MAX_STRING = 10000
};

/* value.c */
struct val v_poison(void), v_none(void), v_bool(bool b), v_int(int64_t i), v_real(double x), v_string(const char *s);
struct val v_dim(struct dim d); /* an integer where it is none of N */
struct val v_tensor(struct value *t);
struct val v_list(struct elab *e, int items);
bool weigh_list(struct elab *e, struct val *v, struct place at); /* counts what it holds; false: too much */
bool is_number(const struct val *v);                             /* V_INT or V_REAL */
double number_of(const struct val *v);
bool is_callable(const struct val *v);
const char *describe(struct elab *e, const struct val *v);    /* "an integer", "f32[N,3]", ... */
const char *tensor_hint(struct elab *e, const struct val *v); /* of a layer: how it is applied; else NULL */
/* Whether as many tensors are free in what is called as the tuple holds; else says so. inputs: how many it takes. */
bool tuple_fits(struct elab *e, const struct val *tuple, int room, int inputs, const char *called, struct place at);
const char *val_text(struct elab *e, const struct val *v); /* as it stands in a text: "3", "[3,2]", "f32[N,3]", ... */
bool val_equal(const struct val *a, const struct val *b);
void bind(struct elab *e, const char *name, struct val v);
const struct val *look_up(const struct elab *e, const char *name, bool callable);
const char *nearest_name(struct elab *e, const char *word, bool callable);
struct env *env_new(struct elab *e, struct env *parent);

/* expr.c */
extern const char library_file[]; /* the file of places in the library */
struct val eval(struct elab *e, const struct ast *x);
struct val eval_named(struct elab *e, const struct ast *x, const char *name); /* a layer it makes carries this name */
struct value *localize(struct elab *e, struct value *v);                      /* as seen in the body at work */
struct value *tensor_of(struct elab *e, const struct val *v, struct place at, const char *what, enum dtype like);
bool eval_dim(struct elab *e, const struct ast *x, struct dim *d);
bool val_dim(struct elab *e, const struct val *v, struct place at, struct dim *d);
bool eval_type(struct elab *e, const struct ast *x, struct type *t);
struct val binary(struct elab *e, const char *op, struct val a, struct val b, struct place at);
struct build builder(struct elab *e);
void error_at(struct elab *e, struct place at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void error_hint(struct elab *e, struct place at, const char *expected, const char *found, const char *hint,
                const char *format, ...) __attribute__((format(printf, 6, 7)));
struct place place_of(const struct elab *e, const struct ast *x); /* of x, or of the library layer's user */

/* member.c */
struct val eval_member(struct elab *e, const struct ast *x);
struct val eval_index(struct elab *e, const struct ast *x);
/* A member that is called (call: or NULL; piped: a chain passes what it takes): nothing has methods. called: the value is
 * what the call would give. */
struct val eval_method(struct elab *e, const struct ast *member, const struct ast *call, bool piped, bool *called);
/* What is called here by the name of a module's member elsewhere, nn.Linear; NULL of all else. */
const char *module_callee(struct elab *e, const struct ast *member);
/* The error, with the call as it is here. */
void say_module(struct elab *e, const struct ast *member, const char *here, const struct ast *call, const char *before);

/* call.c */
struct val call(struct elab *e, const struct ast *callee, const struct ast *arguments, const struct val *piped,
                const char *name);
struct val apply_layer(struct elab *e, struct layer *l, const struct val *tensors, int count, struct place at);
struct val apply_custom(struct elab *e, const struct block *b, struct env *env, const struct val *input,
                        struct place at);
struct instance *child_of(struct elab *e, struct instance *parent, const char *name, struct place at);
struct val layer_member(struct elab *e, struct layer *l, const char *name, struct place at);
bool is_parameter(struct elab *e, const struct layer *l, const char *below); /* the path below the layer's */
struct val *formal_default(struct elab *e, const struct block *b, int i);
void check_kind(struct elab *e, const struct ast *x); /* the word behind a block's constant and ':' */
bool kind_suits(const struct block *b, int formal, const struct val *v);

/* Of a name that is not there: the one that is meant, or all there are, behind `there`. */
const char *names_hint(struct elab *e, const char *word, const char *const *names, int count, const char *there);
/* Integers in parentheses, where a list was meant: says so; false of anything else. */
bool no_list(struct elab *e, const struct val *v, const char *callee, struct place at);
const char *list_hint(struct elab *e, const struct val *v); /* of several integers in parentheses; NULL of all else */
const char *arguments_hint(struct elab *e, const char *word, const char *const *names, int count);

bool is_literal(const struct ast *x); /* net.c: numbers, words and lists of these, and their arithmetic */

/* foreign.c: what stands here for a word of PyTorch, NumPy or Python; NULL for other words */
/* Where such a word stands: x.word, x.word(...), word(...) or x |> word(...). */
struct usage {
    const struct ast *object, *call; /* each NULL where there is none */
    const struct ast *outer;         /* the call of what it gives, or NULL */
    bool piped;                      /* a chain passes the first tensor */
};

/* form.c: a form filled with what stands where its word is used; quoted: it is a sentence, with forms between quotes */
const char *form_filled(struct elab *e, const char *form, const struct usage *u, bool quoted);
/* A hint of what stands in a chain in the word's place, or of the block that does; NULL where there is neither. */
const char *form_chained(struct elab *e, const char *word, const char *form, const struct usage *u);
bool is_constant(const struct elab *e, const struct ast *x); /* as far as that is seen without reckoning it */
bool is_among(const char *names, size_t length,
              const char *word); /* names: with '|' between them, so many characters */

/* What is said of a name that is called, or that stands behind a '.'; u: or NULL. */
const char *foreign_hint(struct elab *e, const char *word, const struct usage *u);
const char *foreign_operation(struct elab *e, const char *word, const struct usage *u); /* the same, of an operation */
const char *foreign_setting(const char *word);              /* where what is bound to such a name stands: a sentence */
const char *foreign_init(struct elab *e, const char *word); /* a sentence of an initialiser */
const char *foreign_schedule(const char *word);             /* how it is written: "cosine(0.1, steps = 1000)" */
bool spelt_alike(const char *a, const char *b);             /* but for capitals and underscores */
const char *foreign_argument(struct elab *e, const char *word, const char *const *names, size_t count); /* a sentence */
/* What such an argument of that operation or layer is called here; the word itself where nothing is like it. */
const char *argument_here(struct elab *e, const char *callee, const char *word);
/* What such a value of a constant is here: "pad = 0"; NULL where nothing is known of it. named: it is given by its name. */
const char *foreign_value(struct elab *e, const char *formal, const struct val *v, bool truth, bool named);
const char *foreign_name(const char *word); /* of an operation that has another name here, and is the same else: that */
const char *foreign_list(struct elab *e, const char *layer, const char *formal, int items); /* a list for a number */

/* say.c: adds an expression as it stands in a file; false of what is more than names, numbers, lists, calls and what
 * operators make of them */
bool say(struct elab *e, struct text *t, const struct ast *x);
bool say_operand(struct elab *e, struct text *t, const struct ast *x); /* in parentheses, where operators need them */
bool is_method_call(const struct ast *x);                              /* x.f(...) */
bool is_size_call(const struct ast *x);                                /* x.size(1), which is x.shape[1] here */
/* An argument of that call (NULL: not known of what), by its name here, and a list in brackets. */
bool say_argument(struct elab *e, struct text *t, const char *callee, const struct ast *x);
/* The call with all its arguments, as one of this callee. */
bool say_call_of(struct elab *e, struct text *t, const char *callee, const struct ast *call);
/* x.f().g(2), of which `member` is the last and `call` its call (NULL: none), as a chain: x |> f |> g(2). as: what x is
 * converted by, or NULL. */
bool say_methods(struct elab *e, struct text *t, const struct ast *member, const struct ast *call, const char *as);
/* x.g(2), as g(x, 2). */
bool say_applied(struct elab *e, struct text *t, const struct ast *member, const struct ast *call, const char *as);

/* module.c: calls of a class or a module elsewhere */
bool is_class(const char *word); /* one that is told sizes of what comes in */
const char *layer_here(struct elab *e,
                       const char *word); /* the library's layer that Keras has by this name; NULL: none */
/* The call of `word` elsewhere as one of `callee` here, without what is known or not there; text: the activation within, or "". */
struct ast *call_here(struct elab *e, const char *word, const char *callee, const struct ast *call);
/* With the activation behind it, and then `before` before it; NULL: it is not to be said. */
const char *call_here_text(struct elab *e, const char *callee, const struct ast *call, const char *before);
/* What a layer is applied to by the call behind its own (NULL: none), as it stands before a chain. */
const char *applied_to(struct elab *e, const struct ast *tensors, bool piped);

/* habit.c: calls as another library has them */
/* Of an argument by a name that this operation or layer has not: the one that is meant, or the layer that has it; else all
 * there are. */
const char *named_hint(struct elab *e, const char *callee, const struct ast *call, const struct ast *argument,
                       const struct val *x); /* the first tensor */

/* Of a layer that is given to what is applied behind it: relu(conv2d(8, 3)). */
const char *chained_hint(struct elab *e, const char *callee, const struct ast *call, const struct ast *layer);
/* How the head of a block is written that is given so many tensors, and constants. */
const char *formals_hint(struct elab *e, const struct block *b, int tensors);
/* The call with an example of each constant that is missing; given: by formal. */
const char *example_hint(struct elab *e, const struct block *b, const struct ast *call, const bool *given);

/* fit.c: what brings shapes together */
/* How the operands of an operator would be of one shape, of which one was the other's input; NULL: there is no saying. */
const char *residual_hint(struct elab *e, const struct value *a, const struct value *b);

/* The operands of the operator x of unequal ranks, with the axes of 1 that bring them together; NULL: there are none. */
const char *axes_hint(struct elab *e, const struct ast *x, const struct value *a, const struct value *b);
/* Of values where one is of the batch and another has its size for N; else NULL. */
const char *batch_hint(struct elab *e, const struct val *values, int count);

/* The operands of x of two element types, of which one is real, the other made so; NULL of all else. */
const char *converted_hint(struct elab *e, const struct ast *x, const struct value *a, const struct value *b);
/* The operands of x, a product that is none, as they fit turned or changed about; NULL: they do not. */
const char *product_hint(struct elab *e, const struct ast *x, const struct value *a, const struct value *b);
const char *vector_hint(struct elab *e, const struct ast *x, const struct value *a,
                        const struct value *b); /* one has one axis */
/* Of a layer of the library and its first tensor, where that has another rank: what brings it there; NULL of all else. */
const char *rank_hint(struct elab *e, const struct layer *l, const struct val *tensor);
/* Of a pool's ceil_mode, which is `mode`: the pad that does it for the tensor x; NULL: there is no saying. */
const char *ceil_hint(struct elab *e, const char *callee, const struct ast *call, const struct ast *mode,
                      const struct val *x);

/* habit.c: the size of what comes in where a layer's first constant stands */
const char *known_size_hint(struct elab *e, const char *written); /* written: the call without it, or NULL */
const char *known_sizes(struct elab *e, const struct block *b, const struct ast *call, const struct ast *out,
                        int i); /* the hint; out: the constant that is left out (NULL: not known), formal i */
/* The call that a layer applied to this first tensor is meant to be, where no net would have it so; NULL else. */
const char *known_size_meant(struct elab *e, const struct layer *l, const struct val *tensor);
void warn_of_known_size(struct elab *e, const struct layer *l, const char *written); /* written: what is meant */

/* builtin.c */
struct builtin_args;
struct builtin {
    const char *name;
    const char *signature; /* "x, y; axis = -1": tensors before ';', `*` for any number, constants behind */
    struct val (*run)(struct elab *e, struct builtin_args *g);
};

const char *const *builtin_names(size_t *count);
const char **formal_names(struct elab *e, const char *callee,
                          int *count); /* of an operation, a layer or an optimizer */
struct val call_builtin(struct elab *e, const struct builtin *f, const struct layer *held, const struct ast *call,
                        const struct val *piped, struct place at); /* held: a layer of it with arguments, or NULL */

/* stmt.c */
/* Of a name that is bound only further down than x, which is that name: where; NULL of others. */
const char *bound_later(struct elab *e, const struct ast *x);
bool add_pattern(struct elab *e, const struct ast *x, const struct optimizer *of); /* false after an error */
void run_statements(struct elab *e, const struct ast *block);
void run_body(struct elab *e, const struct ast *block); /* in a scope of its own is the caller's business */

/* scan.c */
struct val eval_scan(struct elab *e, const struct ast *x);

/* init.c */
struct val eval_init(struct elab *e, const struct ast *x);
bool resolve_init(struct elab *e, const struct init_spec *s, struct type t, struct place at, struct init *out);
bool is_initialiser(const char *word);
bool is_init_name(const char *formal); /* formals that take initialisers: ..._init */

/* net.c */
void nothing_matches(struct elab *e, const struct pattern *p, const char *format); /* format: %s for the pattern */

/* optim.c */
const char **optimizer_arguments(struct elab *e, const char *optimizer, int *count); /* none of another name */
bool is_schedule(const char *name);
void add_optimizer(struct elab *e, const struct ast *x);
const char *optimizer_setting(struct elab *e, const char *name); /* a hint, where an optimizer has such an argument */
void check_optimizers(struct elab *e);
bool glob_match(const char *glob, const char *path);

#endif
