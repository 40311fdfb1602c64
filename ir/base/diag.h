/* ir/base/diag.h: diagnostics. The one module that knows about places, carets, colours, JSON, nearest names and the
 * limit of 20 errors.
 *
 *     lenet.net:9:25: error: no layer or operation named 'maxpol2d'
 *         9 |     h = image |> conv2d(16) |> maxpol2d(2);
 *           |                                ^~~~~~~~
 *     lenet.net:9:25: hint: did you mean 'maxpool2d'?
 *
 * What is found within calls and rounds of loops says where those stand, the innermost first:
 *
 *     lenet.net:14:31: note: in the call of 'stage' here
 *
 * An error is reported where it is found and the work goes on with a poison value; nothing complains about poison
 * again. Two errors at one place with one text are one. */
#ifndef IR_BASE_DIAG_H
#define IR_BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ir/base/arena.h"

/* Where something stands. line and column count from 1, columns in characters (UTF-8); line 0: no place is known.
 * length: how many characters to underline (0 and 1: a lone caret). */
struct place {
    const char *file;
    int line, column, length;
};

struct diag;

struct diag *diag_new(struct arena *a, FILE *out);
void diag_json(struct diag *d, bool json);
void diag_color(struct diag *d, bool color);
void diag_limit(struct diag *d, int errors);                                         /* 20 unless told */
void diag_source(struct diag *d, const char *file, const char *text, size_t length); /* for the lines shown */

/* The texts given to diag_source, from which = 0 on, the last first; NULL behind the end. */
const char *diag_text(const struct diag *d, int which, const char **file);

/* Reports an error; `expected`, `found` and `hint` (any may be NULL) are shown behind it and are fields of their own
 * in JSON. */
void diag_error(struct diag *d, struct place at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_error_hint(struct diag *d, struct place at, const char *expected, const char *found, const char *hint,
                     const char *format, ...) __attribute__((format(printf, 6, 7)));
void diag_warning(struct diag *d, struct place at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_warning_hint(struct diag *d, struct place at, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int diag_errors(const struct diag *d);
int diag_said(const struct diag *d);  /* the same, but those that were told before count again, and while held */
bool diag_full(const struct diag *d); /* the limit is reached (a last line says so): stop looking for more */

/* Until it is left, what is reported is found within what stands at this place; `what` it is, in words of the note. */
void diag_enter(struct diag *d, struct place at, const char *what);
void diag_leave(struct diag *d);

/* While held, errors are counted but not shown: for trying something out. Returns the errors since the hold. */
void diag_hold(struct diag *d);
int diag_release(struct diag *d);

/* The candidate nearest to `word` by edit distance, else one that it begins (xavier, of xavier_uniform), else one that is part
 * of it (kernel_size, of kernel); NULL where none is near enough to be meant. */
const char *diag_nearest(const char *word, const char *const *candidates, size_t count);
const char *diag_meant(struct arena *a, const char *near); /* the hint that says so; NULL of NULL */

/* A bug in the compiler: says so with file and line, and aborts. */
#define bug(...) diag_bug(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void diag_bug(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
