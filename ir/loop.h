/* ir/loop.h: the loop IR: how one group is computed. A kernel is a tree of loops, lets, stores and ifs over buffers.
 *
 * Expressions are hash-consed within their kernel: equal expressions are one pointer. Values are real, i32, u8 or bool;
 * indices are i32 made with the lx_i... functions, which fold constants. Elementwise operations are those of the
 * tensor IR, by the same enum.
 *
 * A loop carries a licence, written by lowering: `par` (iterations in any order, across threads too), `red` (any order
 * on one thread, but printed in the order given so that sums keep their order) and `seq`. Loop passes use it and prove
 * nothing. How it runs is its way: plain, vector, unroll, threads, part.
 *
 * In a vector loop NN_L iterations run at once: loads and stores whose last index is the loop variable plus something
 * that does not depend on it are vector accesses, expressions without the variable are spread over the lanes. The
 * printer adds the scalar tail, unless the number of iterations is a constant multiple of 16. A wide loop is a vector
 * loop that takes NN_WIDE vectors at a time, 2 where the machine has registers enough: its number of iterations is a
 * constant multiple of 32. A wider one takes NN_WIDER, 4 there, else 2, and has a multiple of 64.
 *
 * An argument may be a view: one of some steps of a whole along an axis, at its place in there. Elements of the axes before
 * that one lie so many times as far apart; what points to it points to the step's first element.
 *
 *     xs : f32[N,512] of 64 at 1            xs[i,j] is one of 64 along axis 1 of f32[N,64,512]: in C, xs[i * 32768 + j]
 *
 * A square is a loop of 16 iterations around one of 16 that copies y[.. + j] = x[.. + i]: 16 rows become columns at once.
 *
 * Threads share out the iterations of a loop; where it says so, at multiples of less than its step, whose body then goes by the
 * name that its end has, or in parts of an iteration:
 *
 *       let all = n * 64
 *       for b in 0..all step 32 by 8 par threads        72 by two threads: 0..40, 40..72
 *         let used = imin(all - b, 32)
 *
 *       for i in 0..n parts 4 par threads               3 by two threads: the first half of the second is the first one's
 *         for j in 0..112 par part                      28 of these in each part
 *
 * Sums: along a contiguous axis in 16 logical lanes (a tile of 16, or two for long rows, then `fold`), folded in one fixed tree
 * ((l0+l8)+(l4+l12)) + ((l2+l10)+(l6+l14)) + ... ; in all other directions one after the
 * other, long ones in pieces of one length each. So no bit depends on
 * the number of lanes or threads.
 *
 *     kernel k3_linear (n <= 64, h : f32[N,784], w : f32[784,128], b : f32[128]) -> (y : f32[N,128])   # lenet.net:10
 *       for i in 0..n par threads
 *         for o in 0..128 par vector
 *           local acc : f32[] = b[o]
 *           for k in 0..784 red
 *             acc = fma(h[i,k], w[k,o], acc)
 *           y[i,o] = max(acc, 0.0)
 */
#ifndef IR_LOOP_H
#define IR_LOOP_H

#include "ir/base/diag.h"
#include "ir/graph.h"

struct lkernel;

/* Where a buffer lives. ARGUMENT: a pointer parameter of the kernel. ARRAY: memory local to the block that declares it
 * (rank 0: a scalar variable). TILE: vector registers, local too; its last axis is a constant multiple of 16 and is
 * indexed only by a vector loop's variable plus a multiple of 16. A scalar variable used inside a vector loop that
 * contains its declaration is a vector of lanes there, and so is each element of an array: where loops over its indices
 * are unrolled it is a tile of registers. */
enum lspace { SPACE_ARGUMENT, SPACE_ARRAY, SPACE_TILE };

struct lbuf {
    const char *name; /* unique in the kernel, a C identifier */
    enum lspace space;
    enum dtype dtype;
    int rank;
    struct dim shape[MAX_RANK]; /* physical, row-major */
    int64_t steps;              /* of an argument that is a view: of how many steps it is one; else 1 */
    int axis;                   /* of the whole, along which the steps are: 1..rank - 1; 0: no view */
    bool read, written;         /* of arguments; kept by lx_load and ls_store */
    bool streamed;              /* an argument, written only: lanes go past the caches */
    bool wanted;                /* an argument: operations read what it stands for */
    int epoch;                  /* stores so far: a load behind a store is another expression */
    struct value *value;        /* of arguments: the operand or result of the group it stands for (NULL: none) */
    struct lkernel *kernel;
    void *data;
    struct lbuf *next;
};

struct lvar { /* a loop variable, or an i32 parameter (a scan's step), which is not negative */
    const char *name;
    struct ls *loop; /* NULL: a parameter */
};

enum lx_kind {
    LX_INT,
    LX_REAL,
    LX_FLAG, /* constants: i, real, i (0 or 1) */
    LX_VAR,
    LX_BATCH, /* loop variable; n, the number of samples of the call */
    LX_IADD,
    LX_ISUB,
    LX_IMUL,
    LX_IDIV,
    LX_IMOD,
    LX_IMIN,
    LX_IMAX, /* indices; divisors are positive, rounding down */
    LX_ILT,
    LX_ILE,
    LX_IEQ,    /* of indices, giving bool */
    LX_ELEM,   /* an elementwise operation `op`; cast: to dtype */
    LX_FMA,    /* a * b + c, NN_FMA */
    LX_LOAD,   /* buf[arg...] */
    LX_LET,    /* the name of an LS_LET */
    LX_GUARD,  /* arg[0] ? arg[1] : arg[2]; only the branch taken is evaluated */
    LX_FOLD,   /* the 16 elements of buf (an ARRAY [16]) folded by op: add, mul, max, min */
    LX_RANDOM, /* the element arg[0] of random operation `op` with attributes attr */
    LX_HYPER   /* a scalar operation `op` (learning_rate, ...) of the step arg[0] */
};

struct lx {
    enum lx_kind kind;
    enum dtype dtype;
    enum op op;
    int args;
    struct lx **arg;
    int64_t i; /* LX_INT, LX_FLAG; of LX_LOAD and LX_FOLD the buffer's epoch */
    double real;
    int64_t low, high; /* of i32 and u8: bounds of what it can be, n being 1..N */
    struct lvar *var;
    struct lbuf *buf;
    struct ls *let;
    const struct attr *attr;
    int attrs;
    unsigned hash;
    struct lx *chain;
    int id;
    void *data;
};

enum licence { LICENCE_PAR, LICENCE_RED, LICENCE_SEQ };
enum way { WAY_PLAIN, WAY_VECTOR, WAY_UNROLL, WAY_THREADS, WAY_WIDE, WAY_WIDER, WAY_SQUARE, WAY_PART };

enum ls_kind { LS_LOOP, LS_LET, LS_STORE, LS_IF, LS_LOCAL, LS_PREFETCH };

struct lblock { /* a list of statements */
    struct ls *first, *last;
};

struct ls {
    enum ls_kind kind;
    struct ls *next;
    /* LS_LOOP: for var in begin..end step step */
    struct lvar *var;
    struct lx *begin, *end;
    int64_t step;
    enum licence licence;
    enum way way;
    /* In threads: where n is at least so many; 0: always. They may cut it at multiples of `by`, where its body knows its end by a
     * let's name alone; 0: of its step. Or within an iteration, into so many parts, each of which does its part of the loops
     * in it whose way that is, and all else that stands there; 0: they may not. */
    int64_t least, by, parts;
    struct lblock body; /* LS_IF: what runs where the condition holds; `other` else */
    struct lblock other;
    /* LS_LET: name = value, once; LS_STORE: buf[index...] = value; LS_LOCAL: declares buf, value NULL or what a scalar
     * starts as; LS_IF: value is the condition; LS_PREFETCH: value is a load of an argument's element that will be wanted soon */
    const char *name;
    struct lx *value, *reference; /* LS_LET: the LX_LET that names it */
    struct lbuf *buf;
    struct lx *index[MAX_RANK];
    int id;
    void *data;
};

struct lkernel {
    struct arena *arena;
    struct names *names;
    const char *name; /* a C identifier, unique in the module */
    const char *net;  /* the module's name, a type of the C: nothing in the kernel is called so; NULL: there is none */
    const char *origin; /* "lenet.net:10  linear -> relu" */
    struct place at;    /* of the model's expression it computes; line 0: no place is known */
    bool f64;
    bool parts; /* of a graph that takes a batch in parts: it draws the random elements of the samples in the whole */
    int64_t batch;                       /* N: for sizes */
    struct lbuf *buffers, **last_buffer; /* arguments in order, then locals in order of declaration */
    struct lvar **param;                 /* i32 parameters */
    int params;
    struct lblock body;
    double macs, bytes; /* at n = N, for -v and bench */
    struct lx **table;  /* of the hash-consing */
    size_t table_size, expressions;
    struct lname {
        const char *name;
        int next; /* the number by which the next that wants it is told apart */
    } * used;     /* the names given: no two things of a kernel share one */
    size_t used_capacity;
    int names_given;
};

bool is_c_word(const char *s); /* a keyword, or what compilers take for one */

/* loop_build.c. Names are made unique by a number where they are taken. */
struct lkernel *lkernel_new(struct arena *a, struct names *names, const char *name, const char *origin, int64_t batch,
                            bool f64);
struct lbuf *lbuf_argument(struct lkernel *k, const char *name, struct type t, struct value *stands_for);
void lbuf_view(struct lbuf *argument, int64_t steps, int axis); /* it is one of these */
/* What it reaches over: its shape; of a view all steps within their axis. */
struct type lbuf_memory(const struct lbuf *b);
struct lbuf *lbuf_local(struct lkernel *k, struct lblock *b, const char *name, enum lspace space, enum dtype dtype,
                        int rank, const struct dim *shape); /* declares it at the end of b */
struct lbuf *lbuf_scalar(struct lkernel *k, struct lblock *b, const char *name, enum dtype dtype, struct lx *start);
struct lvar *lkernel_param(struct lkernel *k, const char *name);

struct lx *lx_int(struct lkernel *k, int64_t i);
struct lx *lx_real(struct lkernel *k, double x);
struct lx *lx_flag(struct lkernel *k, bool x);
struct lx *lx_var(struct lkernel *k, struct lvar *v);
struct lx *lx_batch(struct lkernel *k);
struct lx *lx_dim(struct lkernel *k, struct dim d); /* k or k * n */
/* LX_IADD ... LX_IEQ, folded and simplified (loop_index.c). */
struct lx *lx_index(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b);
struct lx *lx_elem(struct lkernel *k, enum op op, enum dtype result, struct lx *const *args, int count);
struct lx *lx_fma(struct lkernel *k, struct lx *a, struct lx *b, struct lx *c);
/* buf->rank indices. A load is evaluated where the statement that holds it stands: see loop_build.c. */
struct lx *lx_load(struct lkernel *k, struct lbuf *buf, struct lx *const *index);
struct lx *lx_guard(struct lkernel *k, struct lx *condition, struct lx *then, struct lx *otherwise);
struct lx *lx_fold(struct lkernel *k, enum op op, struct lbuf *lanes);
struct lx *lx_random(struct lkernel *k, enum op op, const struct attr *attr, int attrs, struct lx *element);
int64_t lx_elements_of_sample(const struct lx *random); /* of the tensor it draws from; 0: that has no samples */
struct lx *lx_hyper(struct lkernel *k, enum op op, const struct attr *attr, int attrs, struct lx *step);

struct ls *ls_loop(struct lkernel *k, struct lblock *b, const char *name, struct lx *begin, struct lx *end,
                   int64_t step, enum licence licence); /* appended to b; fill ->body */
void ls_replace(struct ls *s,
                struct lblock with); /* a loop by what stands in a block, of which the first is a loop too */
struct ls *ls_enclose(struct lkernel *k, struct ls *s,
                      struct ls *outer); /* by `outer`, of which it is the body: where it is now */
struct lx *ls_let(struct lkernel *k, struct lblock *b, const char *name, struct lx *value);
void ls_store(struct lkernel *k, struct lblock *b, struct lbuf *buf, struct lx *const *index, struct lx *value);
struct ls *ls_if(struct lkernel *k, struct lblock *b, struct lx *condition);
void ls_prefetch(struct lkernel *k, struct lblock *b, struct lx *load);

/* loop_print.c, loop_parse.c, loop_verify.c, loop_eval.c */
void print_kernel(struct text *t, const struct lkernel *k);
struct lkernel *parse_kernels(struct arena *a, struct names *names, struct diag *d, const char *file, const char *text,
                              struct lkernel **all[], int *count); /* the first, or NULL after errors */
bool verify_kernel(struct lkernel *k, struct diag *d);
/* loop_key.c: all that a kernel is made of but its name, its origin and what its arguments stand for, as bytes behind t:
 * passes make the same of kernels whose keys are the same. False: of this one none is made. */
bool kernel_key(struct text *t, const struct lkernel *k);
struct loop_run {
    int64_t n;
    uint64_t seed, step;
    double lr_override;   /* negative: the model's own */
    const int64_t *param; /* of lkernel.param */
    double **argument;    /* one array an argument, in order */
    int64_t first;        /* where a batch goes in parts: the first sample of this one */
    bool rounded; /* every real to the kernel's type after each operation; else an f32 kernel's are doubles too */
};
/* An access out of bounds is a bug(). */
void eval_kernel(struct arena *a, const struct lkernel *k, const struct loop_run *r);

#endif
