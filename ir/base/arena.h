/* ir/base/arena.h: memory that is freed all at once.
 *
 * A compilation has one arena; a pass has a scratch arena of its own that is emptied after it. Nothing in an arena is
 * freed singly. Memory comes zeroed. When the machine has none left the process ends with a message (exit 3): a
 * compiler has nothing better to do then. */
#ifndef IR_BASE_ARENA_H
#define IR_BASE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);                              /* also accepts NULL */
void arena_reset(struct arena *a);                             /* empties it, keeps its blocks */
void *arena_alloc(struct arena *a, size_t bytes);              /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t size); /* checked against overflow */
void *arena_copy(struct arena *a, const void *from, size_t bytes);
char *arena_string(struct arena *a, const char *s);
char *arena_stringn(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct arena *a); /* given out so far, for -v */

/* More room for what has `from` bytes in this arena, perhaps at another place; what is new is not cleared. */
void *arena_resize(struct arena *a, void *p, size_t from, size_t to);

/* Grows an array that lives in an arena: *items has room for *capacity elements; after the call for at least `need`. */
void arena_grow(struct arena *a, void **items, size_t *capacity, size_t need, size_t size);

#define NEW(a, type)          ((type *)arena_alloc((a), sizeof(type)))
#define NEW_ARRAY(a, n, type) ((type *)arena_array((a), (size_t)(n), sizeof(type)))

#endif
