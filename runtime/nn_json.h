/* nn_json.h: as much JSON as a safetensors header needs: a cursor over bytes that reads one thing at a time. Every
 * function gives 1 when it read what it is for, else 0, and the cursor then stands where reading failed. Nothing is
 * trusted.
 */
#ifndef NN_JSON_H
#define NN_JSON_H

#include <stddef.h>
#include <stdint.h>

struct nn_json {
    const unsigned char *at, *end;
};

int nn_json_punct(struct nn_json *j, char c);      /* this sign, after white space */
int nn_json_peek(struct nn_json *j);               /* the next sign after white space, or -1 */
int nn_json_string(struct nn_json *j, char **out); /* malloc'ed, UTF-8, without zero bytes inside */
int nn_json_plain(const char *text);               /* whether a string may hold this text unescaped but for quotes */
int nn_json_size(struct nn_json *j, int64_t *out); /* a number without sign, fraction or exponent */
int nn_json_skip(struct nn_json *j, int depth);    /* any value, nested at most depth deep */

#endif
