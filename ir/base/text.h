/* ir/base/text.h: text that is built piece by piece, and the one spelling of numbers.
 *
 * Everything netc writes goes through a struct text and then, whole, to a file (files.h). */
#ifndef IR_BASE_TEXT_H
#define IR_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

struct text {
    struct arena *arena;
    char *s; /* always ends in '\0' once anything was added */
    size_t length, capacity;
};

struct text text_make(struct arena *a);
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vadd(struct text *t, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void text_puts(struct text *t, const char *s);
void text_putn(struct text *t, const char *s, size_t n);
void text_putc(struct text *t, char c);
void text_cut(struct text *t, size_t length);  /* leaves so much of it */
void text_pad(struct text *t, size_t column);  /* spaces up to this column (from 0) of the last line */
const char *text_string(const struct text *t); /* "" when empty */

/* The shortest decimal that reads back as the same double; always with a '.' or an 'e'; inf, -inf, nan. */
void text_real(struct text *t, double x);

/* A double-quoted string with the escapes \" \\ \n \t and \xHH for other control characters. */
void text_quoted(struct text *t, const char *s);

/* A JSON string; a byte that is not UTF-8 becomes U+FFFD. */
void text_json(struct text *t, const char *s);

/* The bytes of the character at s, of which n are there; 0 where they are not UTF-8. */
size_t utf8_length(const char *s, size_t n);

#endif
