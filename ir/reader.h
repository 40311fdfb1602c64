/* ir/reader.h: tokens of a dump, for the parsers of the tensor IR, of the loop IR and of rules written as text.
 *
 * A reader holds one token, the current one. It is a plain struct: a copy of it is a place to come back to.
 *
 *     reader_start(&r, arena, names, diag, "x.ir", text, false);
 *     while (r.token.kind != TK_END)
 *         if (reader_accept(&r, "graph")) ...
 *
 * Dumps are made of lines: token.first tells that a token is the first one of its line, token.at.column how far it is
 * indented. A comment runs from '#' to the end of its line; where one stands behind the last token of a line,
 * r.comment holds its text as long as the first token of a later line is current. */
#ifndef IR_READER_H
#define IR_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "ir/base/names.h"
#include "ir/base/text.h"

enum token_kind {
    TK_END,
    TK_NAME,   /* [A-Za-z_][A-Za-z0-9_]* */
    TK_INT,    /* i; digits only, signs are punctuation */
    TK_REAL,   /* real; has a '.' or an exponent */
    TK_STRING, /* "..." with text_quoted's escapes */
    TK_VALUE,  /* %name, %12, %"odd name": text is what stands behind the '%' */
    TK_VAR,    /* @path, @"odd name" */
    TK_PUNCT   /* one character, or one of == != <= >= .. -> += *= && || */
};

struct token {
    enum token_kind kind;
    const char *text; /* interned; of numbers and strings too (a string's contents) */
    int64_t i;
    double real;
    bool first; /* on its line */
    struct place at;
};

struct reader {
    struct arena *arena;
    struct names *names;
    struct diag *diag; /* NULL: an error is a bug(), for texts that are part of the compiler */
    const char *p;     /* behind the current token */
    struct place here; /* the place of p */
    bool fresh;        /* nothing but blanks so far on p's line */
    bool plain;        /* '%' and '@' are punctuation, as the loop IR has it */
    int errors;        /* reported through this reader */
    struct token token;
    const char *comment; /* see above; NULL: none. Without '#' and blanks around it */
};

/* Makes the first token of `text` the current one. */
void reader_start(struct reader *r, struct arena *a, struct names *names, struct diag *d, const char *file,
                  const char *text, bool plain);
void reader_next(struct reader *r);
void reader_skip_line(struct reader *r); /* to the first token of a later line */

/* An error at a place, and at the current token: "expected WHAT, found ...". */
void reader_error(struct reader *r, struct place at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void reader_expected(struct reader *r, const char *what);
/* An error about an unknown word, with the nearest of the candidates as a hint. */
void reader_unknown(struct reader *r, struct place at, const char *what, const char *word,
                    const char *const *candidates, size_t count);

/* `word` is a name or punctuation. is: looks; accept: takes it if it is there; expect: or reports and gives false. */
bool reader_is(const struct reader *r, const char *word);
bool reader_accept(struct reader *r, const char *word);
bool reader_expect(struct reader *r, const char *word);
bool reader_expect_kind(struct reader *r, enum token_kind kind, const char *what); /* takes nothing */

/* A number with its sign, taken; false after a report. reader_real also takes integers, inf and nan. */
bool reader_int(struct reader *r, int64_t *out);
bool reader_real(struct reader *r, double *out);

#endif
