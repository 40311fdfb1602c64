/* ir/type.c: types of tensors: arithmetic on shapes, and their spelling. */
#include "ir/type.h"

struct dim dim_of(int64_t k)
{
    return (struct dim){ k, false };
}

struct dim dim_batch(int64_t k)
{
    return (struct dim){ k, true };
}

bool dim_equal(struct dim a, struct dim b)
{
    return a.k == b.k && a.n == b.n;
}

int64_t dim_size(struct dim d, int64_t n)
{
    return d.n ? d.k * n : d.k;
}

bool dim_is_one(struct dim d)
{
    return d.k == 1 && !d.n;
}

struct type type_make(enum dtype dtype, int rank, const struct dim *dim)
{
    struct type t = { .dtype = dtype, .rank = rank };

    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    return t;
}

struct type type_scalar(enum dtype dtype)
{
    return (struct type){ .dtype = dtype };
}

struct type type_with(struct type t, enum dtype dtype)
{
    t.dtype = dtype;
    return t;
}

struct type type_poison(void)
{
    return (struct type){ .dtype = DT_POISON };
}

bool type_is_poison(struct type t)
{
    return t.dtype == DT_POISON;
}

bool type_equal(struct type a, struct type b)
{
    return a.dtype == b.dtype && shape_equal(a, b);
}

bool shape_equal(struct type a, struct type b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (!dim_equal(a.dim[i], b.dim[i]))
            return false;
    return true;
}

/* At n = 1 the product is that of the multiples alone. */
bool shape_same_size(struct type a, struct type b)
{
    int64_t na, nb;

    return shape_batches(a) == shape_batches(b) && type_count_checked(a, 1, &na) && type_count_checked(b, 1, &nb) &&
           na == nb;
}

int shape_batches(struct type t)
{
    int count = 0;

    for (int i = 0; i < t.rank; i++)
        count += t.dim[i].n;
    return count;
}

int64_t shape_rows_of_samples(struct type t)
{
    int64_t rows = 1;

    for (int i = 0; i < t.rank && !t.dim[i].n; i++)
        rows *= t.dim[i].k;
    return rows;
}

int64_t type_count(struct type t, int64_t n)
{
    int64_t count = 1;

    for (int i = 0; i < t.rank; i++)
        count *= dim_size(t.dim[i], n);
    return count;
}

/* *count *= by; false where that is above the limit. */
static bool multiply(int64_t *count, int64_t by)
{
    if (by < 0 || (by > 0 && *count > MAX_ELEMENTS / by))
        return false;
    *count *= by;
    return true;
}

bool type_count_checked(struct type t, int64_t n, int64_t *count)
{
    *count = 1;
    for (int i = 0; i < t.rank; i++)
        if (!multiply(count, t.dim[i].k) || (t.dim[i].n && !multiply(count, n)))
            return false;
    return true;
}

/* Axis i of a shape of the given rank, seen from the right edge of one of `rank` axes. */
static struct dim dim_aligned(struct type t, int rank, int i)
{
    int own = i - (rank - t.rank);

    return own < 0 ? dim_of(1) : t.dim[own];
}

bool shape_broadcast(struct type a, struct type b, struct type *out)
{
    struct type t = { .dtype = a.dtype, .rank = a.rank > b.rank ? a.rank : b.rank };

    for (int i = 0; i < t.rank; i++) {
        struct dim x = dim_aligned(a, t.rank, i), y = dim_aligned(b, t.rank, i);
        if (!dim_equal(x, y) && !dim_is_one(x) && !dim_is_one(y))
            return false;
        t.dim[i] = dim_is_one(x) ? y : x;
    }
    *out = t;
    return true;
}

/* ---- spelling ---- */

void text_dim(struct text *t, struct dim d)
{
    if (!d.n)
        text_add(t, "%lld", (long long)d.k);
    else if (d.k == 1)
        text_puts(t, "N");
    else
        text_add(t, "%lld*N", (long long)d.k);
}

void text_shape(struct text *t, struct type type)
{
    text_putc(t, '[');
    for (int i = 0; i < type.rank; i++) {
        if (i)
            text_putc(t, ',');
        text_dim(t, type.dim[i]);
    }
    text_putc(t, ']');
}

void text_type(struct text *t, struct type type, bool f64)
{
    text_puts(t, dtype_name(type.dtype, f64));
    text_shape(t, type);
}

const char *dtype_name(enum dtype d, bool f64)
{
    switch (d) {
    case DT_POISON: return "poison";
    case DT_REAL: return f64 ? "f64" : "f32";
    case DT_I32: return "i32";
    case DT_U8: return "u8";
    case DT_BOOL: return "bool";
    }
    return "?";
}

const char *type_text(struct arena *a, struct type t, bool f64)
{
    struct text text = text_make(a);

    text_type(&text, t, f64);
    return text_string(&text);
}

const char *shape_text(struct arena *a, struct type t)
{
    struct text text = text_make(a);

    text_shape(&text, t);
    return text_string(&text);
}
