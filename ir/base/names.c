/* ir/base/names.c: interned names, in a hash table with open addressing that is never more than half full. */
#include "ir/base/names.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "ir/base/text.h"

struct entry {
    const char *s;
    size_t length, number;
    uint64_t hash;
};

struct names {
    struct arena *arena;
    struct entry *entry;
    size_t count, size; /* size: a power of two */
};

struct names *names_new(struct arena *a)
{
    struct names *t = NEW(a, struct names);

    t->arena = a;
    t->size = 32;
    t->entry = NEW_ARRAY(a, t->size, struct entry);
    return t;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *s, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h ^ h >> 32;
}

/* The place of the name, or the free one where it belongs. */
static struct entry *find(const struct names *t, const char *s, size_t n, uint64_t hash)
{
    for (size_t i = (size_t)hash & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
        struct entry *e = &t->entry[i];
        if (!e->s || (e->hash == hash && e->length == n && !memcmp(e->s, s, n)))
            return e;
    }
}

static void double_size(struct names *t)
{
    struct entry *old = t->entry;
    size_t old_size = t->size;

    t->size *= 2;
    t->entry = NEW_ARRAY(t->arena, t->size, struct entry);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].s)
            *find(t, old[i].s, old[i].length, old[i].hash) = old[i];
}

/* The entry of a name, which is made where there is none. */
static struct entry entry_of(struct names *t, const char *s, size_t n)
{
    uint64_t hash = hash_of(s, n);
    struct entry *e = find(t, s, n, hash);

    if (e->s)
        return *e;
    struct entry made = { arena_stringn(t->arena, s, n), n, t->count, hash };
    *e = made;
    if (++t->count * 2 > t->size)
        double_size(t);
    return made;
}

const char *namen(struct names *t, const char *s, size_t n)
{
    return entry_of(t, s, n).s;
}

size_t name_number(struct names *t, const char *s)
{
    return entry_of(t, s, strlen(s)).number;
}

size_t names_count(const struct names *t)
{
    return t->count;
}

const char *name(struct names *t, const char *s)
{
    return namen(t, s, strlen(s));
}

const char *name_printf(struct names *t, const char *format, ...)
{
    struct text text = text_make(t->arena);
    va_list args;

    va_start(args, format);
    text_vadd(&text, format, args);
    va_end(args);
    return namen(t, text_string(&text), text.length);
}
