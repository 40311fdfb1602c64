/* frontend/bracket.c: what other libraries write in brackets behind a tensor, m[:, None] and s[:, -1, 2:5], with the operations
 * that do it here: for hints. By text alone, as most of it cannot be read. */
#include <stdlib.h>
#include <string.h>

#include "frontend/meant.h"

enum { ITEMS = 8 };

enum item_kind { WHOLE, PART, ONE, NEW, REST };

/* One of what commas separate: `:`, `a:b:step` or `a..b`, a number, None, `...`. */
struct item {
    enum item_kind kind;
    const char *part[3]; /* PART: begin, end, step, each "" where it is left out; ONE: where */
};

struct brackets {
    struct arena *arena;
    const char *object;
    struct item item[ITEMS];
    int items, rest; /* rest: the item that is `...`; items: none is */
};

/* From here, behind the bracket that opens, to the one of `ends` on its line that stands in no others; NULL: there is none. */
static const char *until(const char *here, const char *ends)
{
    for (int depth = 0; *here && !strchr(";\n", *here); here++) {
        if (!depth && strchr(ends, *here))
            return here;
        depth += strchr("([{", *here) != NULL;
        depth -= strchr(")]}", *here) != NULL;
        if (depth < 0)
            return NULL;
    }
    return NULL;
}

static const char *trimmed(struct arena *a, const char *from, const char *end)
{
    while (from < end && strchr(" \t\r\n", *from))
        from++;
    while (end > from && strchr(" \t\r\n", end[-1]))
        end--;
    return arena_stringn(a, from, (size_t)(end - from));
}

bool is_new_axis(const char *text)
{
    static const char *const words[] = { "None", "none", "newaxis", "np.newaxis", "torch.newaxis" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], text))
            return true;
    return false;
}

static struct item read_item(struct arena *a, const char *text)
{
    struct item item = { ONE, { text, "", "" } };
    const char *from = text, *end = text + strlen(text), *range = strstr(text, "..");

    if (is_new_axis(text))
        item.kind = NEW;
    else if (!strcmp(text, "...") || !strcmp(text, "Ellipsis"))
        item.kind = REST;
    else if (strchr(text, ':') || range)
        item.kind = PART;
    for (int i = 0; i < 3 && item.kind == PART; i++) {
        const char *colon = range ? strstr(from, "..") : memchr(from, ':', (size_t)(end - from));
        item.part[i] = trimmed(a, from, colon ? colon : end);
        from = colon ? colon + 1 + (range != NULL) : end;
    }
    if (item.kind == PART && !*item.part[0] && !*item.part[1] && !*item.part[2])
        item.kind = WHOLE;
    return item;
}

/* inside: up to a ']'. False where there is too much. */
static bool read_items(struct brackets *b, const char *inside)
{
    for (const char *end; (end = until(inside, ",]")) && b->items < ITEMS; inside = end + 1) {
        const char *text = trimmed(b->arena, inside, end);
        if (*text || *end == ',')
            b->item[b->items++] = read_item(b->arena, text);
        if (*end == ']')
            break;
    }
    for (b->rest = 0; b->rest < b->items && b->item[b->rest].kind != REST;)
        b->rest++;
    return b->items && b->items < ITEMS;
}

/* Where a part ends that goes to the end; NULL where the object is not to be said twice. */
static const char *end_of(const struct brackets *b, int axis)
{
    return strchr(b->object, '(') ? NULL : arena_printf(b->arena, "%s.shape[%d]", b->object, axis);
}

/* The index behind this one; NULL as above. */
static const char *next_of(const struct brackets *b, const char *index, int axis)
{
    char *rest;
    long i = strtol(index, &rest, 10);

    if (*index == '[' || strchr(index, ','))
        return NULL; /* several */
    if (*rest || rest == index)
        return arena_printf(b->arena, "%s + 1", index);
    return i == -1 ? end_of(b, axis) : arena_printf(b->arena, "%ld", i + 1);
}

/* What one item makes of the tensor that is said; NULL: there is no saying. */
static const char *taken(const struct brackets *b, const char *said, const struct item *item, int axis)
{
    const char *begin = *item->part[0] ? item->part[0] : "0", *step = item->part[2], *end = item->part[1];

    if (!said || item->kind == WHOLE || item->kind == NEW)
        return said;
    if (item->kind == ONE) {
        end = next_of(b, begin, axis);
        return end ? arena_printf(b->arena, "squeeze(slice(%s, %d, %s, %s), %d)", said, axis, begin, end, axis) : NULL;
    }
    if (*step == '-')
        return strcmp(step, "-1") || *item->part[0] || *end ? NULL
                                                            : arena_printf(b->arena, "reverse(%s, %d)", said, axis);
    end = *end ? end : end_of(b, axis);
    return !end    ? NULL
           : *step ? arena_printf(b->arena, "slice(%s, %d, %s, %s, step = %s)", said, axis, begin, end, step)
                   : arena_printf(b->arena, "slice(%s, %d, %s, %s)", said, axis, begin, end);
}

/* How many axes these items have of the tensor (of), or of what comes out. */
static int axes_of(const struct brackets *b, int from, int to, bool of)
{
    int axes = 0;

    for (int i = from; i < to; i++)
        axes += b->item[i].kind != (of ? NEW : ONE);
    return axes;
}

static const char *with_axis(const struct brackets *b, const char *said, int i, int axis)
{
    return said && b->item[i].kind == NEW ? arena_printf(b->arena, "expand_dims(%s, %d)", said, axis) : said;
}

/* Axes before `...` are counted from the first, and taken from the last on, so that all keep their numbers; those behind it the
 * other way round. New ones come when the others are taken. */
const char *brackets_hint(struct arena *a, const char *object, const char *inside)
{
    struct brackets b = { .arena = a, .object = object };
    const char *said = object;

    if (!read_items(&b, inside))
        return NULL;
    for (int i = b.rest - 1; i >= 0; i--)
        said = taken(&b, said, &b.item[i], axes_of(&b, 0, i, true));
    for (int i = b.rest + 1; i < b.items; i++)
        said = taken(&b, said, &b.item[i], -axes_of(&b, i, b.items, true));
    for (int i = 0; i < b.rest; i++)
        said = with_axis(&b, said, i, axes_of(&b, 0, i, false));
    for (int i = b.items - 1; i > b.rest; i--)
        said = with_axis(&b, said, i, -axes_of(&b, i, b.items, false));
    return said ? arena_printf(a, "it is written %s", said) : NULL;
}

/* The bracket that is open here. */
static const char *open_before(const char *text, const char *here)
{
    int depth = 0;

    while (here > text && !strchr(";{}", here[-1])) {
        here--;
        if (strchr("([", *here) && !depth--)
            return *here == '[' ? here : NULL;
        depth += *here == ')' || *here == ']';
    }
    return NULL;
}

/* Where the value begins that ends here: names, members, and what stands in parentheses and brackets. */
static const char *object_before(const char *text, const char *here)
{
    int depth = 0;

    for (; here > text; here--) {
        if (!depth && !strchr(WORD_LETTERS "0123456789.')]", here[-1]))
            break;
        depth += strchr(")]", here[-1]) != NULL;
        depth -= strchr("([", here[-1]) != NULL;
        if (strchr(";\n", here[-1]))
            return NULL;
    }
    return depth ? NULL : here;
}

const char *brackets_hint_at(const struct parse *p, const char *here)
{
    const char *open = open_before(p->text, here), *object = open ? object_before(p->text, open) : NULL,
               *before = object;

    if (!object || object == open || !until(open + 1, "]"))
        return NULL;
    while (before > p->text && strchr(" \t\r\n", before[-1]))
        before--;
    if (before - p->text >= 2 && before[-2] == '|' && before[-1] == '>')
        return NULL; /* what a layer gives has no name */
    return brackets_hint(p->arena, arena_stringn(p->arena, object, (size_t)(open - object)), open + 1);
}
