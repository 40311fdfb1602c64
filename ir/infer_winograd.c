/* ir/infer_winograd.c: types of the operations of Winograd's method. */
#include "ir/infer.h"
#include "ir/winograd.h"

/* Operand `index` as a real tensor of four axes, of which all but the first are fixed. */
static bool want_tensor(const struct inference *f, int index, bool images)
{
    if (!want_dtype(f, index, DT_REAL) || !want_rank(f, index, 4, 4))
        return false;
    for (int i = images; i < 4; i++) {
        if (!want_fixed(f, f->x[index], i))
            return false;
    }
    return true;
}

static bool want_form(const struct inference *f, struct winograd *w)
{
    return winograd_of(f->n, f->x, w) || wrong(f, "has no form for these tiles, windows, stride and pad");
}

static struct type resized(struct type t, int64_t down, int64_t across)
{
    t.dim[0] = dim_of(down);
    t.dim[1] = dim_of(across);
    return t;
}

bool infer_winograd_weight(struct inference *f)
{
    struct winograd w[2];

    if (!want_tensor(f, 0, false) || !want_form(f, w))
        return false;
    f->type[0] = resized(f->x[0], w[0].points, w[1].points);
    return true;
}

bool infer_winograd_dw_weight(struct inference *f)
{
    struct winograd w[2];
    struct type t = f->x[0];

    if (!want_tensor(f, 0, false) || !want_form(f, w))
        return false;
    if (t.dim[0].k % w[0].points || t.dim[1].k != w[1].points)
        return wrong(f, "wants %d x %d points, one part behind the other: %s", w[0].points, w[1].points,
                     shape_of(f, t));
    f->type[0] = resized(f->x[0], w[0].kernel, w[1].kernel);
    return true;
}

/* Four numbers that are a padding, before the form is asked for. */
static bool want_pad(const struct inference *f)
{
    int count;
    const int64_t *pad = attr_ints(f->n, "pad", &count);

    if (count != 4)
        return wrong(f, "wants 4 numbers as pad, not %d", count);
    for (int i = 0; i < 4; i++)
        if (pad[i] < 0 || pad[i] > INT32_MAX)
            return wrong(f, "cannot have %lld as pad", (long long)pad[i]);
    return true;
}

/* The shape of sliding windows over operand 0, with these channels. */
static bool slide(const struct inference *f, const struct winograd *w, struct dim channels, struct type *y)
{
    const int64_t *pad = attr_ints(f->n, "pad", NULL);

    *y = f->x[0];
    y->dim[3] = channels;
    for (int i = 0; i < 2; i++) {
        int64_t reach = (int64_t)(w[i].kernel - 1) * w[i].dilation + 1,
                room = (y->dim[1 + i].k - 1) * w[i].up + 1 + pad[2 * i] + pad[2 * i + 1] - reach;
        if (room < 0)
            return wrong(f, "has a window of %lld that does not fit into %s", (long long)reach, shape_of(f, f->x[0]));
        y->dim[1 + i] = dim_of(room / w[i].stride + 1);
    }
    return true;
}

bool infer_winograd(struct inference *f)
{
    struct winograd w[2];

    if (!want_tensor(f, 0, true) || !want_tensor(f, 1, false) || !want_pad(f) || !want_form(f, w))
        return false;
    if (f->x[0].dim[3].k < f->x[1].dim[2].k)
        return wrong(f, "needs channels of images for all of the weights': %s and %s", shape_of(f, f->x[0]),
                     shape_of(f, f->x[1]));
    return slide(f, w, f->x[1].dim[3], &f->type[0]);
}

enum { MAX_PARTS = 64 };

bool infer_winograd_dw(struct inference *f)
{
    int64_t parts = attr_int(f->n, "parts");
    struct winograd w[2];
    struct type y;

    if (!want_tensor(f, 0, true) || !want_tensor(f, 1, true) || !want_pad(f) || !want_form(f, w) ||
        !slide(f, w, f->x[1].dim[3], &y))
        return false;
    if (!shape_equal(y, f->x[1]))
        return wrong(f, "needs a gradient of the shape %s, not %s", shape_of(f, y), shape_of(f, f->x[1]));
    if (parts < 1 || parts > MAX_PARTS)
        return wrong(f, "cannot be in %lld parts", (long long)parts);
    f->type[0] = resized(f->x[0], w[0].points * parts, w[1].points);
    f->type[0].dim[2] = f->x[0].dim[3];
    f->type[0].dim[3] = y.dim[3];
    return true;
}
