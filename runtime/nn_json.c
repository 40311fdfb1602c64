/* nn_json.c: the reader behind nn_json.h. */
#include "nn_json.h"

#include <stdlib.h>
#include <string.h>

static void skip_space(struct nn_json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
        j->at++;
}

int nn_json_peek(struct nn_json *j)
{
    skip_space(j);
    return j->at < j->end ? *j->at : -1;
}

int nn_json_punct(struct nn_json *j, char c)
{
    if (nn_json_peek(j) != (unsigned char)c)
        return 0;
    j->at++;
    return 1;
}

static int hex4(struct nn_json *j, uint32_t *out)
{
    if (j->end - j->at < 4)
        return 0;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = *j->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return 0;
        *out = *out * 16 + (uint32_t)digit;
    }
    return 1;
}

/* A code point as UTF-8; up to four bytes. */
static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* Behind "\u": one code point, of two halves where it is beyond 16 bits. */
static int read_unicode(struct nn_json *j, uint32_t *c)
{
    uint32_t low;
    if (!hex4(j, c) || *c == 0 || (*c >= 0xDC00 && *c < 0xE000))
        return 0;
    if (*c < 0xD800 || *c >= 0xDC00)
        return 1;
    if (j->end - j->at < 6 || j->at[0] != '\\' || j->at[1] != 'u')
        return 0;
    j->at += 2;
    if (!hex4(j, &low) || low < 0xDC00 || low >= 0xE000)
        return 0;
    *c = 0x10000 + ((*c - 0xD800) << 10) + (low - 0xDC00);
    return 1;
}

static int read_escape(struct nn_json *j, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (j->at >= j->end)
        return 0;
    unsigned char c = *j->at++;
    uint32_t code;
    if (c == 'u') {
        if (!read_unicode(j, &code))
            return 0;
        *to = put_utf8(*to, code);
        return 1;
    }
    const char *which = c ? strchr(from, c) : NULL;
    if (!which)
        return 0;
    *(*to)++ = into[which - from];
    return 1;
}

/* One character of a string that is no escape: UTF-8 in its shortest form, no half of a pair (RFC 3629, section 4). */
static int read_character(struct nn_json *j, char **to)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    unsigned char first = *j->at++;
    int more = first < 0x80 ? 0 : first < 0xC2 ? -1 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : -1;
    if (first < 0x20 || more < 0 || j->end - j->at < more)
        return 0;
    uint32_t code = more ? first & (0x3Fu >> more) : first;
    *(*to)++ = (char)first;
    for (int i = 0; i < more; i++) {
        if ((*j->at & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (*j->at & 0x3F);
        *(*to)++ = (char)*j->at++;
    }
    return code >= least[more] && code <= 0x10FFFF && (code < 0xD800 || code >= 0xE000);
}

int nn_json_plain(const char *text)
{
    struct nn_json j = { (const unsigned char *)text, (const unsigned char *)text + strlen(text) };
    while (j.at < j.end) {
        char room[4], *to = room;
        if (!read_character(&j, &to))
            return 0;
    }
    return 1;
}

int nn_json_string(struct nn_json *j, char **out)
{
    *out = NULL;
    if (!nn_json_punct(j, '"'))
        return 0;
    const unsigned char *close = j->at;
    while (close < j->end && *close != '"')
        close += *close == '\\' && close + 1 < j->end ? 2 : 1;
    if (close >= j->end)
        return 0;
    char *text = malloc((size_t)(close - j->at) + 1), *to = text; /* an escape is never shorter than what it means */
    while (text && j->at < close) {
        if (*j->at == '\\') {
            j->at++;
            if (read_escape(j, &to))
                continue;
        } else if (read_character(j, &to)) {
            continue;
        }
        free(text);
        return 0;
    }
    if (!text || j->at != close) {
        free(text);
        return 0;
    }
    j->at++;
    *to = 0;
    *out = text;
    return 1;
}

int nn_json_size(struct nn_json *j, int64_t *out)
{
    int c = nn_json_peek(j);
    if (c < '0' || c > '9' || (c == '0' && j->at + 1 < j->end && j->at[1] >= '0' && j->at[1] <= '9'))
        return 0;
    *out = 0;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9') {
        int digit = *j->at++ - '0';
        if (*out > (INT64_MAX - digit) / 10)
            return 0;
        *out = *out * 10 + digit;
    }
    return j->at >= j->end || (*j->at != '.' && *j->at != 'e' && *j->at != 'E');
}

static int skip_word(struct nn_json *j)
{
    static const char *const words[] = { "true", "false", "null" };
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(j->end - j->at) >= length && !memcmp(j->at, words[i], length)) {
            j->at += length;
            return 1;
        }
    }
    return 0;
}

static int skip_digits(struct nn_json *j)
{
    const unsigned char *start = j->at;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
        j->at++;
    return j->at > start;
}

static int accept_sign(struct nn_json *j, const char *signs)
{
    if (j->at >= j->end || !*j->at || !strchr(signs, *j->at))
        return 0;
    j->at++;
    return 1;
}

/* -? (0 | 1-9 digits) (. digits)? ((e | E) (+ | -)? digits)?        RFC 8259, section 6 */
static int skip_number(struct nn_json *j)
{
    accept_sign(j, "-");
    if (!accept_sign(j, "0") && !skip_digits(j))
        return 0;
    if (accept_sign(j, ".") && !skip_digits(j))
        return 0;
    if (!accept_sign(j, "eE"))
        return 1;
    accept_sign(j, "+-");
    return skip_digits(j);
}

static int skip_members(struct nn_json *j, int depth, char open, char close)
{
    char *key;
    nn_json_punct(j, open);
    if (nn_json_punct(j, close))
        return 1;
    do {
        if (open == '{') {
            if (!nn_json_string(j, &key))
                return 0;
            free(key);
            if (!nn_json_punct(j, ':'))
                return 0;
        }
        if (!nn_json_skip(j, depth - 1))
            return 0;
    } while (nn_json_punct(j, ','));
    return nn_json_punct(j, close);
}

int nn_json_skip(struct nn_json *j, int depth)
{
    char *text;
    int c = nn_json_peek(j);
    if (depth <= 0 || c < 0)
        return 0;
    if (c == '{')
        return skip_members(j, depth, '{', '}');
    if (c == '[')
        return skip_members(j, depth, '[', ']');
    if (c == '"') {
        if (!nn_json_string(j, &text))
            return 0;
        free(text);
        return 1;
    }
    return (c >= 'a' && c <= 'z') ? skip_word(j) : skip_number(j);
}
