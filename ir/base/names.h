/* ir/base/names.h: interned names. Two equal names of one table are the same pointer, so `==` compares them. */
#ifndef IR_BASE_NAMES_H
#define IR_BASE_NAMES_H

#include "ir/base/arena.h"

struct names;

struct names *names_new(struct arena *a);
const char *name(struct names *t, const char *s);
const char *namen(struct names *t, const char *s, size_t n);
size_t name_number(struct names *t, const char *s); /* which it is, from 0 in the order in which they came */
size_t names_count(const struct names *t);
const char *name_printf(struct names *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
