/* ir/infer_linear.c: types of contractions, windows and indexed operations. */
#include <string.h>

#include "ir/infer.h"

enum { MAX_SPATIAL = 3 };

bool infer_matmul(struct inference *f)
{
    struct type a = f->x[0], b = f->x[1];
    bool ta = attr_bool(f->n, "ta"), tb = attr_bool(f->n, "tb");
    if (!want_dtype(f, 0, DT_REAL) || !want_dtype(f, 1, DT_REAL) || !want_rank(f, 0, 2, MAX_RANK) ||
        !want_rank(f, 1, 2, MAX_RANK))
        return false;
    struct dim i = a.dim[a.rank - 2 + ta], ka = a.dim[a.rank - 1 - ta];
    struct dim kb = b.dim[b.rank - 2 + tb], j = b.dim[b.rank - 1 - tb];
    if (!dim_equal(ka, kb))
        return wrong(f, "needs equal inner dimensions: %s%s and %s%s", shape_of(f, a), ta ? "'" : "", shape_of(f, b),
                     tb ? "'" : "");
    struct type la = a, lb = b;
    la.rank -= 2;
    lb.rank -= 2;
    if (!shape_equal(la, lb))
        return wrong(f, "needs equal leading dimensions: %s and %s", shape_of(f, a), shape_of(f, b));
    f->type[0] = a;
    f->type[0].dim[a.rank - 2] = i;
    f->type[0].dim[a.rank - 1] = j;
    return true;
}

/* ---- windows: convolution and pooling ---- */

/* Stride, pad and dilation (NULL: 1) of an operation over `spatial` axes. */
struct window {
    int spatial;
    const int64_t *stride, *pad, *dilation;
};

static bool want_list(const struct inference *f, const char *name, int want, int64_t least, const int64_t **list)
{
    int count;
    *list = attr_ints(f->n, name, &count);
    if (count != want)
        return wrong(f, "wants %d numbers as %s, not %d", want, name, count);
    for (int i = 0; i < count; i++)
        if ((*list)[i] < least || (*list)[i] > INT32_MAX)
            return wrong(f, "cannot have %lld as %s", (long long)(*list)[i], name);
    return true;
}

static bool read_window(const struct inference *f, int spatial, bool dilated, struct window *w)
{
    *w = (struct window){ .spatial = spatial };
    return want_list(f, "stride", spatial, 1, &w->stride) && want_list(f, "pad", 2 * spatial, 0, &w->pad) &&
           (!dilated || want_list(f, "dilation", spatial, 1, &w->dilation));
}

/* What axis i of the result of sliding a window of k over `size` is; 0 where the window does not fit. */
static int64_t slid(const struct window *w, int i, int64_t size, int64_t k)
{
    int64_t reach = (w->dilation ? w->dilation[i] : 1) * (k - 1) + 1;
    int64_t room = size + w->pad[2 * i] + w->pad[2 * i + 1] - reach;
    return room < 0 ? 0 : room / w->stride[i] + 1;
}

static bool want_image(const struct inference *f, int index)
{
    if (!want_dtype(f, index, DT_REAL) || !want_rank(f, index, 3, 2 + MAX_SPATIAL))
        return false;
    for (int i = 1; i < f->x[index].rank; i++)
        if (!want_fixed(f, f->x[index], i))
            return false;
    return true;
}

/* Operand 1 as the weight of a convolution over images of `rank` axes, and the size of its windows. */
static bool want_weight(const struct inference *f, int rank, int64_t *kernel)
{
    struct type weight = f->x[1];
    if (!want_image(f, 1) || !want_rank(f, 1, rank, rank) || !want_fixed(f, weight, 0))
        return false;
    for (int i = 2; i < rank; i++) {
        kernel[i - 2] = weight.dim[i].k;
        if (weight.dim[i].k > INT32_MAX)
            return wrong(f, "cannot have windows of %lld: %s", (long long)weight.dim[i].k, shape_of(f, weight));
    }
    return true;
}

/* The shape of sliding windows of `kernel` over x, with c channels. */
static bool slide(struct inference *f, struct type x, const struct window *w, const int64_t *kernel, int64_t channels,
                  struct type *out)
{
    *out = x;
    out->dim[1] = dim_of(channels);
    for (int i = 0; i < w->spatial; i++) {
        int64_t size = slid(w, i, x.dim[2 + i].k, kernel[i]);
        int64_t dilation = w->dilation ? w->dilation[i] : 1;
        if (!size)
            return wrong(f, "has a window of %lld%s that does not fit into %lld elements with their padding (%s)",
                         (long long)((kernel[i] - 1) * dilation + 1), dilation > 1 ? " with its dilation" : "",
                         (long long)(x.dim[2 + i].k + w->pad[2 * i] + w->pad[2 * i + 1]), shape_of(f, x));
        out->dim[2 + i] = dim_of(size);
    }
    return true;
}

static bool want_groups(const struct inference *f, int64_t channels, int64_t outputs, int64_t *groups)
{
    *groups = attr_int(f->n, "groups");
    if (*groups < 1 || channels % *groups || outputs % *groups)
        return wrong(f, "cannot part %lld and %lld channels into %lld groups", (long long)channels, (long long)outputs,
                     (long long)*groups);
    return true;
}

bool infer_conv(struct inference *f)
{
    struct type x = f->x[0], weight = f->x[1];
    struct window w;
    int64_t groups, kernel[MAX_SPATIAL];
    if (!want_image(f, 0) || !want_weight(f, x.rank, kernel) || !read_window(f, x.rank - 2, true, &w))
        return false;
    int64_t channels = x.dim[1].k, outputs = weight.dim[0].k;
    if (!want_groups(f, channels, outputs, &groups))
        return false;
    if (weight.dim[1].k * groups != channels)
        return wrong(f, "has %lld channels in its input %s, but its weight %s wants %lld", (long long)channels,
                     shape_of(f, x), shape_of(f, weight), (long long)(weight.dim[1].k * groups));
    return slide(f, x, &w, kernel, outputs, &f->type[0]);
}

/* The size given must be one that the forward operation makes dy's size of. */
static bool want_source(struct inference *f, struct type dy, const struct window *w, const int64_t *kernel,
                        const int64_t *size)
{
    for (int i = 0; i < w->spatial; i++)
        if (slid(w, i, size[i], kernel[i]) != dy.dim[2 + i].k)
            return wrong(f, "cannot come from %lld elements: a window of %lld makes %lld of them, its operand is %s",
                         (long long)size[i], (long long)kernel[i], (long long)slid(w, i, size[i], kernel[i]),
                         shape_of(f, dy));
    return true;
}

static void resize(struct type *t, int64_t channels, const int64_t *size, int spatial)
{
    t->dim[1] = dim_of(channels);
    for (int i = 0; i < spatial; i++)
        t->dim[2 + i] = dim_of(size[i]);
}

bool infer_conv_dx(struct inference *f)
{
    struct type dy = f->x[0], weight = f->x[1];
    struct window w;
    int64_t groups, kernel[MAX_SPATIAL];
    const int64_t *size;
    if (!want_image(f, 0) || !want_weight(f, dy.rank, kernel) || !read_window(f, dy.rank - 2, true, &w) ||
        !want_list(f, "size", w.spatial, 1, &size) || !want_groups(f, dy.dim[1].k, weight.dim[0].k, &groups))
        return false;
    if (weight.dim[0].k != dy.dim[1].k)
        return wrong(f, "has %lld channels in its input %s, but its weight %s wants %lld", (long long)dy.dim[1].k,
                     shape_of(f, dy), shape_of(f, weight), (long long)weight.dim[0].k);
    if (!want_source(f, dy, &w, kernel, size))
        return false;
    f->type[0] = dy;
    resize(&f->type[0], weight.dim[1].k * groups, size, w.spatial);
    return true;
}

bool infer_conv_dw(struct inference *f)
{
    struct type x = f->x[0], dy = f->x[1];
    struct window w;
    int64_t groups, size[MAX_SPATIAL] = { 0 };
    const int64_t *kernel;
    if (!want_image(f, 0) || !want_image(f, 1) || !want_rank(f, 1, x.rank, x.rank) ||
        !read_window(f, x.rank - 2, true, &w) || !want_list(f, "kernel", w.spatial, 1, &kernel) ||
        !want_groups(f, x.dim[1].k, dy.dim[1].k, &groups))
        return false;
    if (!dim_equal(x.dim[0], dy.dim[0]))
        return wrong(f, "needs as many samples in both: %s and %s", shape_of(f, x), shape_of(f, dy));
    for (int i = 0; i < w.spatial; i++)
        size[i] = x.dim[2 + i].k;
    if (!want_source(f, dy, &w, kernel, size))
        return false;
    f->type[0] = type_scalar(DT_REAL);
    f->type[0].rank = x.rank;
    f->type[0].dim[0] = dy.dim[1];
    resize(&f->type[0], x.dim[1].k / groups, kernel, w.spatial);
    return true;
}

/* The windows of a pool and the padding beside them, of which no window consists. */
static bool read_pool(const struct inference *f, struct window *w, const int64_t **kernel)
{
    if (!want_image(f, 0) || !read_window(f, f->x[0].rank - 2, false, w) ||
        !want_list(f, "kernel", w->spatial, 1, kernel))
        return false;
    for (int i = 0; i < w->spatial; i++)
        if (w->pad[2 * i] >= (*kernel)[i] || w->pad[2 * i + 1] >= (*kernel)[i])
            return wrong(f, "has windows of %lld that would see padding only", (long long)(*kernel)[i]);
    return true;
}

static bool pooled(struct inference *f, struct type *out)
{
    struct window w;
    const int64_t *kernel;
    return read_pool(f, &w, &kernel) && slide(f, f->x[0], &w, kernel, f->x[0].dim[1].k, out);
}

/* A code, which element of a window won, is a u8. */
bool infer_maxpool(struct inference *f)
{
    int count;
    int64_t cells = 1;
    if (!pooled(f, &f->type[0]))
        return false;
    const int64_t *kernel = attr_ints(f->n, "kernel", &count);
    for (int i = 0; i < count && cells <= 256; i++)
        cells *= kernel[i];
    if (cells > 256)
        return wrong(f, "takes windows of at most 256 elements, for the codes of its gradient");
    f->type[1] = type_with(f->type[0], DT_U8);
    return true;
}

bool infer_avgpool(struct inference *f)
{
    return pooled(f, &f->type[0]);
}

static bool unpooled(struct inference *f)
{
    struct window w;
    const int64_t *kernel, *size;
    struct type dy = f->x[0];
    if (!read_pool(f, &w, &kernel) || !want_list(f, "size", w.spatial, 1, &size) ||
        !want_source(f, dy, &w, kernel, size))
        return false;
    f->type[0] = dy;
    resize(&f->type[0], dy.dim[1].k, size, w.spatial);
    return true;
}

bool infer_maxpool_dx(struct inference *f)
{
    if (f->x[1].dtype != DT_U8 || !shape_equal(f->x[0], f->x[1]))
        return wrong(f, "needs codes of the gradient's shape %s, not %s", shape_of(f, f->x[0]), shown(f, f->x[1]));
    return unpooled(f);
}

bool infer_avgpool_dx(struct inference *f)
{
    return unpooled(f);
}

/* ---- indexed by data ---- */

bool infer_gather(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis");
    struct type x = f->x[0], index = f->x[1], t = type_scalar(x.dtype);
    if (!want_dtype(f, 1, DT_I32) || !want_axis(f, axis, x.rank) || !want_fixed(f, x, axis))
        return false;
    if (x.rank + index.rank - 1 > MAX_RANK)
        return wrong(f, "would have %d dimensions, of which there can be %d", x.rank + index.rank - 1, MAX_RANK);
    for (int i = 0; i < axis; i++)
        t.dim[t.rank++] = x.dim[i];
    for (int i = 0; i < index.rank; i++)
        t.dim[t.rank++] = index.dim[i];
    for (int i = (int)axis + 1; i < x.rank; i++)
        t.dim[t.rank++] = x.dim[i];
    f->type[0] = t;
    return true;
}

static bool want_size(const struct inference *f, int64_t *size)
{
    *size = attr_int(f->n, "size");
    return *size >= 1 || wrong(f, "cannot have %lld entries", (long long)*size);
}

/* The gradient of gather: dy has index's axes where x had `axis`. */
bool infer_scatter_add(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis"), size;
    struct type dy = f->x[0], index = f->x[1], t = type_scalar(DT_REAL);
    if (!want_dtype(f, 0, DT_REAL) || !want_dtype(f, 1, DT_I32) || !want_size(f, &size))
        return false;
    if (axis < 0 || axis > dy.rank - index.rank)
        return wrong(f, "has no axis %lld with the %d axes of its index in %s", (long long)axis, index.rank,
                     shape_of(f, dy));
    for (int i = 0; i < index.rank; i++)
        if (!dim_equal(dy.dim[axis + i], index.dim[i]))
            return wrong(f, "needs the index's shape %s at axis %lld of %s", shape_of(f, index), (long long)axis,
                         shape_of(f, dy));
    if (dy.rank - index.rank == MAX_RANK)
        return wrong(f, "would have %d dimensions, of which there can be %d", MAX_RANK + 1, MAX_RANK);
    for (int i = 0; i < dy.rank; i++) {
        if (i == axis)
            t.dim[t.rank++] = dim_of(size);
        if (i < axis || i >= axis + index.rank)
            t.dim[t.rank++] = dy.dim[i];
    }
    if (axis == dy.rank)
        t.dim[t.rank++] = dim_of(size);
    f->type[0] = t;
    return true;
}

/* Shapes that agree on all axes but one. */
static bool agree_but(const struct inference *f, int64_t axis)
{
    struct type like = f->x[1];
    like.dim[axis] = f->x[0].dim[axis];
    return shape_equal(like, f->x[0]) || wrong(f, "needs shapes that agree but for axis %lld: %s and %s",
                                               (long long)axis, shape_of(f, f->x[0]), shape_of(f, f->x[1]));
}

bool infer_take_along(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis");
    if (!want_dtype(f, 1, DT_I32) || !want_axis(f, axis, f->x[0].rank) ||
        !want_rank(f, 1, f->x[0].rank, f->x[0].rank) || !want_fixed(f, f->x[0], axis) || !agree_but(f, axis))
        return false;
    f->type[0] = type_with(f->x[1], f->x[0].dtype);
    return true;
}

bool infer_put_along(struct inference *f)
{
    int64_t axis = attr_int(f->n, "axis"), size;
    if (!want_dtype(f, 0, DT_REAL) || !want_dtype(f, 1, DT_I32) || !want_axis(f, axis, f->x[0].rank) ||
        !want_size(f, &size))
        return false;
    if (!shape_equal(f->x[0], f->x[1]))
        return wrong(f, "needs an index of the gradient's shape %s, not %s", shape_of(f, f->x[0]),
                     shape_of(f, f->x[1]));
    f->type[0] = f->x[0];
    f->type[0].dim[axis] = dim_of(size);
    return true;
}

bool infer_one_hot(struct inference *f)
{
    int64_t classes = attr_int(f->n, "classes");
    if (!want_dtype(f, 0, DT_I32) || !want_rank(f, 0, 0, MAX_RANK - 1))
        return false;
    if (classes < 1)
        return wrong(f, "needs at least one class, not %lld", (long long)classes);
    f->type[0] = type_with(f->x[0], DT_REAL);
    f->type[0].dim[f->type[0].rank++] = dim_of(classes);
    return true;
}

/* ---- sparse matrices ---- */

/* Operands 2 and 3: the row and the column of each entry; gives how many. */
static bool want_places(const struct inference *f, struct dim *entries)
{
    for (int i = 2; i < 4; i++)
        if (!want_dtype(f, i, DT_I32) || !want_rank(f, i, 1, 1) || !want_fixed(f, f->x[i], 0))
            return false;
    *entries = f->x[2].dim[0];
    return shape_equal(f->x[2], f->x[3]) ||
           wrong(f, "needs a row and a column for each entry: %s and %s", shape_of(f, f->x[2]), shape_of(f, f->x[3]));
}

/* An operand whose rows are what the matrix is multiplied with. */
static bool want_features(const struct inference *f, int operand)
{
    return want_dtype(f, operand, DT_REAL) && want_rank(f, operand, 2, 2) && want_fixed(f, f->x[operand], 0);
}

bool infer_sparse_matmul(struct inference *f)
{
    struct dim entries;
    int64_t out = attr_int(f->n, "out");
    if (!want_features(f, 0) || !want_dtype(f, 1, DT_REAL) || !want_rank(f, 1, 1, 1) || !want_places(f, &entries))
        return false;
    if (!dim_equal(f->x[1].dim[0], entries))
        return wrong(f, "needs a value for each entry: %s, and %s rows", shape_of(f, f->x[1]), shape_of(f, f->x[2]));
    if (out < 1 || out > INT32_MAX)
        return wrong(f, "cannot have %lld rows", (long long)out);
    f->type[0] = f->x[0];
    f->type[0].dim[0] = dim_of(out);
    return true;
}

bool infer_dots(struct inference *f)
{
    struct dim entries;
    if (!want_features(f, 0) || !want_features(f, 1) || !want_places(f, &entries))
        return false;
    if (!dim_equal(f->x[0].dim[1], f->x[1].dim[1]))
        return wrong(f, "needs rows of equal length: %s and %s", shape_of(f, f->x[0]), shape_of(f, f->x[1]));
    f->type[0] = type_make(DT_REAL, 1, &entries);
    return true;
}
