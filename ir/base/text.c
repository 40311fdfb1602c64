/* ir/base/text.c: text that is built piece by piece, and the one spelling of numbers. */
#include "ir/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text text_make(struct arena *a)
{
    return (struct text){ .arena = a };
}

/* Room for n more characters and the '\0' behind them. */
static char *room(struct text *t, size_t n)
{
    size_t need = t->length + n + 1;

    if (need > t->capacity) {
        size_t capacity = need > 2 * t->capacity ? need : 2 * t->capacity;
        t->s = arena_resize(t->arena, t->s, t->capacity, capacity);
        t->capacity = capacity;
    }
    return t->s + t->length;
}

void text_putn(struct text *t, const char *s, size_t n)
{
    char *to = room(t, n);

    if (n)
        memcpy(to, s, n);
    to[n] = '\0';
    t->length += n;
}

void text_puts(struct text *t, const char *s)
{
    text_putn(t, s, strlen(s));
}

void text_putc(struct text *t, char c)
{
    text_putn(t, &c, 1);
}

void text_cut(struct text *t, size_t length)
{
    if (length < t->length)
        t->s[t->length = length] = '\0';
}

static void put_int(struct text *t, long long i)
{
    char digits[24], *at = digits + sizeof digits;
    unsigned long long left = i < 0 ? 0 - (unsigned long long)i : (unsigned long long)i;

    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (i < 0)
        *--at = '-';
    text_putn(t, at, (size_t)(digits + sizeof digits - at));
}

enum { FEW = 64 }; /* characters that most pieces do not exceed: those are written at once */

static void put_formatted(struct text *t, const char *format, va_list args)
{
    va_list again;
    char *to = room(t, FEW);

    va_copy(again, args);
    int n = vsnprintf(to, FEW + 1, format, args);
    if (n > FEW)
        vsnprintf(room(t, (size_t)n), (size_t)n + 1, format, again);
    va_end(again);
    t->s[t->length += n > 0 ? (size_t)n : 0] = '\0';
}

/* Strings and whole numbers are nearly all there is. Other forms, and what stands behind them, are printf's business. */
void text_vadd(struct text *t, const char *format, va_list args)
{
    for (;;) {
        size_t plain = 0;
        while (format[plain] && format[plain] != '%')
            plain++;
        text_putn(t, format, plain);
        format += plain;
        if (!*format)
            return;
        if (!strncmp(format, "%s", 2)) {
            text_puts(t, va_arg(args, const char *));
            format += 2;
        } else if (!strncmp(format, "%d", 2)) {
            put_int(t, va_arg(args, int));
            format += 2;
        } else if (!strncmp(format, "%lld", 4)) {
            put_int(t, va_arg(args, long long));
            format += 4;
        } else {
            put_formatted(t, format, args);
            return;
        }
    }
}

void text_add(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vadd(t, format, args);
    va_end(args);
}

/* Characters since the last newline; bytes that continue a UTF-8 character are not counted. */
static size_t column(const struct text *t)
{
    size_t n = 0;

    for (size_t i = t->length; i > 0 && t->s[i - 1] != '\n'; i--)
        if (((unsigned char)t->s[i - 1] & 0xC0) != 0x80)
            n++;
    return n;
}

void text_pad(struct text *t, size_t to)
{
    for (size_t at = column(t); at < to; at++)
        text_putc(t, ' ');
}

const char *text_string(const struct text *t)
{
    return t->s ? t->s : "";
}

/* The fewest significant digits that read back as x: at most 17 do. */
static int digits_needed(double x)
{
    char buffer[40];

    for (int digits = 1; digits < 17; digits++) {
        snprintf(buffer, sizeof buffer, "%.*e", digits - 1, x);
        if (strtod(buffer, NULL) == x)
            return digits;
    }
    return 17;
}

void text_real(struct text *t, double x)
{
    if (isnan(x)) {
        text_puts(t, "nan");
        return;
    }
    if (isinf(x)) {
        text_puts(t, x < 0 ? "-inf" : "inf");
        return;
    }

    char buffer[40];
    int digits = digits_needed(x);
    snprintf(buffer, sizeof buffer, "%.*e", digits - 1, x);
    char *e = strchr(buffer, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    /* Whole numbers below 1e15 are exact in a double, so that "%f" adds no digits that are not there. */
    if (exponent >= -5 && exponent < 15) {
        int decimals = digits - 1 - exponent;
        text_add(t, "%.*f", decimals < 1 ? 1 : decimals, x);
        return;
    }
    text_putn(t, buffer, (size_t)(e - buffer));
    text_add(t, "e%d", exponent);
}

void text_quoted(struct text *t, const char *s)
{
    text_putc(t, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_add(t, "\\%c", c);
        else if (c == '\n')
            text_puts(t, "\\n");
        else if (c == '\t')
            text_puts(t, "\\t");
        else if (c < 0x20 || c == 0x7F)
            text_add(t, "\\x%02X", c);
        else
            text_putc(t, *s);
    }
    text_putc(t, '"');
}

size_t utf8_length(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* How many characters from s on stand in a JSON string as they are, each a byte. */
static size_t plain_run(const char *s)
{
    size_t n = 0;

    while ((unsigned char)s[n] >= 0x20 && (unsigned char)s[n] < 0x80 && s[n] != '"' && s[n] != '\\')
        n++;
    return n;
}

void text_json(struct text *t, const char *s)
{
    size_t n = strlen(s);

    text_putc(t, '"');
    for (size_t i = 0; i < n;) {
        size_t run = plain_run(s + i), length = run ? run : utf8_length(s + i, n - i);
        if (run)
            text_putn(t, s + i, run);
        else if (length == 0)
            text_puts(t, "\\ufffd");
        else if (length == 1 && (unsigned char)s[i] < 0x20)
            text_add(t, "\\u%04x", (unsigned)(unsigned char)s[i]);
        else if (s[i] == '"' || s[i] == '\\')
            text_add(t, "\\%c", s[i]);
        else
            text_putn(t, s + i, length);
        i += length ? length : 1;
    }
    text_putc(t, '"');
}
