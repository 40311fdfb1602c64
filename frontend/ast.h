/* frontend/ast.h: a .net file as a tree. One kind of record for everything; its kind says which fields mean what. */
#ifndef FRONTEND_AST_H
#define FRONTEND_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "ir/base/names.h"
#include "ir/base/text.h"

enum ast_kind {
    /* expressions */
    A_INT,
    A_REAL,
    A_STRING,
    A_TRUE,
    A_FALSE,
    A_NONE,
    A_TRAINING,
    A_NAME,     /* text */
    A_LIST,     /* items */
    A_TUPLE,    /* items: several tensors for a chain */
    A_RANGE,    /* a..b */
    A_UNARY,    /* text: - ! and ~, which is another language's */
    A_BINARY,   /* text: the operator; && and || are others' & and | where their place is of one character */
    A_CHOICE,   /* a ? b : c */
    A_CALL,     /* a(items); an item may be A_ARG */
    A_ARG,      /* text = a */
    A_CHAIN,    /* a |> b */
    A_MEMBER,   /* a.text */
    A_INDEX,    /* a[b] */
    A_SWAP,     /* a' */
    A_SCAN,     /* items: A_SEQUENCE, A_CARRY, A_ARG (options); b: the body */
    A_SEQUENCE, /* text in a */
    A_CARRY,    /* text = a */
    A_TYPE,     /* text: element type; items: dimensions */
    /* statements */
    A_BLOCK_OF, /* items: statements in braces */
    A_BIND,     /* items: targets (A_NAME, A_INDEX); a: the value */
    A_PARAM,
    A_FROZEN, /* text : b = a; c: A_STRING, its name among the layer's parameters (NULL: text) */
    A_STATE,
    A_UPDATE, /* text = a */
    A_IF,     /* a; b; c (NULL: none) */
    A_FOR,    /* text in a; b */
    A_RETURN,
    A_YIELD, /* items */
    A_BATCH, /* text = a */
    A_INPUT,
    A_TARGET,    /* text : b */
    A_OUTPUT,    /* text; a (NULL: the value of that name) */
    A_LOSS,      /* a */
    A_METRIC,    /* text = a */
    A_FREEZE,    /* items: A_STRING globs */
    A_OPTIMIZER, /* a: the call; items: A_STRING globs */
    /* a file */
    A_FILE,   /* items */
    A_IMPORT, /* text */
    A_CONST,  /* text = a */
    A_BLOCK,  /* text; items: A_FORMAL; b: body; c: backward body or NULL; backward: its names */
    A_FORMAL, /* text; flag: a constant; a: its default, b: A_NAME, its kind (NULL: none) */
    A_NET     /* text; b: body */
};

struct ast {
    enum ast_kind kind;
    struct place at;
    const char *text; /* interned */
    int64_t i;
    double real;
    bool flag;
    bool held; /* it stands in parentheses */
    struct ast *a, *b, *c;
    struct ast **item;
    int items;
    struct ast **backward; /* A_BLOCK: the names of the gradients */
    int backwards;
    size_t capacity;
    int depth; /* of the tree below, for the limit on nesting */
};

/* What lexer and grammar share while one file is read. */
struct parse {
    struct arena *arena;
    struct names *names;
    struct diag *diag;
    const char *file;
    const char *text; /* the whole file */
    struct ast *result;
    int line, column;        /* of the next character */
    struct place brace[256]; /* the braces that are open */
    int braces;
    const char *answered; /* where an error follows from the one before, and is none of its own */
    bool lost;            /* between the items of the file: what follows an error there is no error of its own */
    bool failed;          /* something was reported that ends the reading */
};

/* The file as a tree, or NULL after errors. */
struct ast *parse_file(struct arena *a, struct names *names, struct diag *d, const char *file, const char *text);

struct ast *ast_new(struct parse *p, enum ast_kind kind, struct place at);
struct ast *ast_text(struct parse *p, enum ast_kind kind, struct place at, const char *text);
struct ast *ast_two(struct parse *p, enum ast_kind kind, struct place at, struct ast *a, struct ast *b);
struct ast *ast_add(struct parse *p, struct ast *list, struct ast *item);

enum { MAX_NESTING = 200 };

#endif
