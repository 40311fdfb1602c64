/* codegen/images.c: images that an anchor makes of what its group reads, instead of reading them (ir/nest.h): those of some
 * samples in scratch, before it goes through these samples. What else the group stores in their size is stored there, and an
 * image that is itself stored needs no scratch.
 *
 *     for from in samples, some at a time
 *       for n in from..to
 *         image[n - from, ...] = max(x[n, ...] * a + b, 0)
 *       the anchor, of samples from..to
 */
#include "codegen/lower.h"

int64_t images_that_fit(const struct lower *l)
{
    int64_t all = dim_size(operand(l->anchor, 0)->type.dim[0], l->k->batch), most = all;

    for (int i = 0; i < 2; i++) {
        const struct value *v = l->nest.image[i];
        int64_t room = v ? NEST_STAGED * all / type_count(v->type, l->k->batch) : all;
        most = room < most ? room : most;
    }
    return !nest_image(&l->nest) ? 0 : most > 0 ? most : 1;
}

/* Coordinates of the image's elements, in loops over those of the samples and over the rest, joined where it lies together;
 * also_stored: with all that is stored in its size. */
static struct lblock *open_elements(struct lower *l, struct lblock *b, struct value *image, bool also_stored,
                                    const struct range *samples, struct lx **to)
{
    struct value **values = NEW_ARRAY(l->k->arena, l->body->yields + 1, struct value *);
    struct lx *at[MAX_RANK] = { samples->begin };
    int count = 0;

    values[count++] = image;
    for (int i = 0; i < l->body->yields && also_stored; i++)
        if (leaves_at(l, NULL, l->body->yield[i]) == AT_STAGED)
            values[count++] = l->body->yield[i];
    struct type joined = join_axes(l, image->type, 1, image->type.rank, values, count);
    if (samples->end) {
        struct ls *loop = ls_loop(l->k, b, "n", samples->begin, samples->end, 1, LICENCE_PAR);
        at[0] = lx_var(l->k, loop->var);
        b = &loop->body;
    }
    b = open_loops(l, b, joined, 1, joined.rank, at);
    reshape_at(l, joined, image->type, at, to);
    return b;
}

/* Where the image's element at these coordinates lies in its buffer, which may be an operand's of another shape. */
static struct lx **where(struct lower *l, const struct stage *s, struct lx *const *at, struct lx **in)
{
    struct type t = s->image->type;

    if (!s->first) {
        reshape_at(l, t, s->buf->value->type, at, in);
        return in;
    }
    for (int i = 0; i < t.rank; i++)
        in[i] = i ? at[i] : index_op(l, LX_ISUB, at[0], s->first);
    return in;
}

/* While it is made it is what it is made of. An image of the first one's size that is stored is stored beside it. */
static void make_image(struct lower *l, struct lblock *b, int which, int64_t count, const struct range *samples)
{
    struct value *v = l->nest.image[which];
    struct stage made = { v, result_buffer(l, v), NULL };
    struct type t = v->type;
    bool first = v == nest_image(&l->nest);
    struct lx *to[MAX_RANK], *in_buffer[MAX_RANK];

    t.dim[0] = dim_of(count);
    if (!made.buf)
        made = (struct stage){ v, lbuf_local(l->k, b, "image", SPACE_ARRAY, DT_REAL, t.rank, t.dim), samples->begin };
    if (first || made.first) {
        struct lblock *in = open_elements(l, b, v, first, samples, to);
        if (made.first)
            ls_store(l->k, in, made.buf, where(l, &made, to, in_buffer), body_at(l, v, to));
        if (first) /* behind the other: it may lie where something lay that is read */
            finish_place(l, in, AT_STAGED, v->type, to);
    }
    l->stage[which] = made;
}

struct lblock *open_images(struct lower *l, struct lblock *b, int64_t count, struct range *samples,
                           enum licence licence)
{
    struct ls *loop =
        ls_loop(l->k, b, count > 1 ? "from" : "sample", samples->begin, samples->end, (int)count, licence);
    struct lx *from = lx_var(l->k, loop->var), *next = index_op(l, LX_IADD, from, lx_int(l->k, count));
    struct range some = { from, NULL };

    if (count > 1)
        some.end = ls_let(l->k, &loop->body, "to", index_op(l, LX_IMIN, next, samples->end));
    for (int i = 0; i < 2; i++)
        if (l->nest.image[i] && (!i || l->nest.image[i] != l->nest.image[0]))
            make_image(l, &loop->body, i, count, &some);
    *samples = (struct range){ from, count > 1 ? some.end : next };
    return &loop->body;
}

struct lblock *open_samples(struct lower *l, struct lblock *b, struct type t, struct lx **at)
{
    struct range all = { lx_int(l->k, 0), lx_dim(l->k, t.dim[0]) };

    if (!images_that_fit(l))
        return open_loops(l, b, t, 0, 1, at);
    b = open_images(l, b, 1, &all, LICENCE_PAR);
    at[0] = all.begin;
    return b;
}

struct lx *image_at(struct lower *l, const struct value *v, struct lx *const *at)
{
    struct lx *in[MAX_RANK];

    for (int i = 0; i < 2; i++)
        if (l->stage[i].image == v)
            return lx_load(l->k, l->stage[i].buf, where(l, &l->stage[i], at, in));
    return NULL;
}
