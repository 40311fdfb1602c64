/* ir/base/arena.c: memory that is freed all at once: a list of blocks, filled one after the other.
 *
 * `current` is the block being filled; the blocks behind it are empty, left over from before a reset. */
#define _DEFAULT_SOURCE /* madvise */
#include "ir/base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 16, PAGE = 1 << 12, FIRST_BLOCK = 1 << 14, LAST_BLOCK = 1 << 18 };

struct block {
    struct block *next;
    size_t size, used;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

struct arena {
    struct block *first, *current;
    size_t next_size, given;
};

static _Noreturn void out_of_memory(void)
{
    fputs("netc: out of memory\n", stderr);
    exit(3);
}

struct arena *arena_new(void)
{
    struct arena *a = calloc(1, sizeof *a);

    if (!a)
        out_of_memory();
    a->next_size = FIRST_BLOCK;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void arena_reset(struct arena *a)
{
    a->current = a->first;
    if (a->first)
        a->first->used = 0;
    a->given = 0;
}

/* All pages of a block at once, where the system has a call for it: each by itself costs more than what is done in it. */
static void have_pages(struct block *b, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    madvise(b, bytes, MADV_POPULATE_WRITE);
#else
    (void)b, (void)bytes;
#endif
}

/* A block with room for `bytes`, put behind the current one. */
static struct block *block_new(struct arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX - sizeof(struct block) - PAGE)
        out_of_memory();
    size_t least = (sizeof(struct block) + bytes + PAGE - 1) / PAGE * PAGE;
    size_t all = least > a->next_size ? least : a->next_size;
    struct block *b = aligned_alloc(PAGE, all);

    if (!b)
        out_of_memory();
    if (a->next_size < LAST_BLOCK)
        a->next_size *= 2;
    have_pages(b, all);
    b->size = all - sizeof *b;
    b->used = 0;
    b->next = a->current ? a->current->next : a->first;
    *(a->current ? &a->current->next : &a->first) = b;
    return b;
}

static struct block *block_with_room(struct arena *a, size_t bytes)
{
    struct block *b = a->current;

    if (b && b->size - b->used >= bytes)
        return b;
    b = b ? b->next : a->first;
    if (b && b->size >= bytes)
        b->used = 0;
    else
        b = block_new(a, bytes);
    a->current = b;
    return b;
}

static size_t aligned(size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGNMENT)
        out_of_memory();
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Whatever was there before. */
static void *take(struct arena *a, size_t bytes)
{
    bytes = aligned(bytes);

    struct block *b = block_with_room(a, bytes);
    void *p = b->bytes + b->used;

    b->used += bytes;
    a->given += bytes;
    return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    return memset(take(a, bytes), 0, bytes);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        out_of_memory();
    return arena_alloc(a, count * size);
}

void *arena_copy(struct arena *a, const void *from, size_t bytes)
{
    void *p = take(a, bytes);

    if (bytes)
        memcpy(p, from, bytes);
    return p;
}

char *arena_string(struct arena *a, const char *s)
{
    return arena_stringn(a, s, strlen(s));
}

char *arena_stringn(struct arena *a, const char *s, size_t n)
{
    char *p = arena_array(a, n + 1, 1);

    if (n)
        memcpy(p, s, n);
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    char few[128]; /* characters that most do not exceed */

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(few, sizeof few, format, args);
    char *s = arena_alloc(a, n < 0 ? 1 : (size_t)n + 1);
    if (n >= (int)sizeof few)
        vsnprintf(s, (size_t)n + 1, format, again);
    else if (n > 0)
        memcpy(s, few, (size_t)n);
    va_end(again);
    va_end(args);
    return s;
}

size_t arena_bytes(const struct arena *a)
{
    return a->given;
}

/* What was given last grows where it is, if its block has room. */
static bool grows_in_place(struct arena *a, const unsigned char *p, size_t from, size_t to)
{
    struct block *b = a->current;
    size_t more = aligned(to) - aligned(from);

    if (!p || p + aligned(from) != b->bytes + b->used || b->size - b->used < more)
        return false;
    b->used += more;
    a->given += more;
    return true;
}

void *arena_resize(struct arena *a, void *p, size_t from, size_t to)
{
    if (grows_in_place(a, p, from, to))
        return p;
    void *grown = take(a, to);
    if (from)
        memcpy(grown, p, from);
    return grown;
}

void arena_grow(struct arena *a, void **items, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return;

    size_t grown = *capacity > SIZE_MAX / 2 ? need : *capacity * 2;
    if (grown < need)
        grown = need;
    if (grown < 8)
        grown = 8;
    if (size && grown > SIZE_MAX / size)
        out_of_memory();
    *items = arena_resize(a, *items, *capacity * size, grown * size);
    memset((unsigned char *)*items + *capacity * size, 0, (grown - *capacity) * size);
    *capacity = grown;
}
