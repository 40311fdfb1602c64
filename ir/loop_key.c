/* ir/loop_key.c: what a kernel is made of, as bytes. Expressions stand in the order they were made in and are told by their
 * numbers, variables, buffers and lets by their names, which are interned. */
#include "ir/loop.h"

static void put(struct text *t, const void *p, size_t bytes)
{
    text_putn(t, p, bytes);
}

static void put_name(struct text *t, const char *interned)
{
    put(t, &interned, sizeof interned);
}

static void put_buffer(struct text *t, const struct lbuf *b)
{
    int64_t is[] = { b->space, b->dtype,   b->rank,     b->steps,  b->axis,
                     b->read,  b->written, b->streamed, b->wanted, b->epoch };

    put_name(t, b->name);
    put(t, is, sizeof is);
    for (int i = 0; i < b->rank; i++) {
        int64_t size[] = { b->shape[i].k, b->shape[i].n };
        put(t, size, sizeof size);
    }
}

/* How many operands there are its kind says, its operation or its buffer. */
static void put_expression(struct text *t, const struct lx *x)
{
    unsigned is[1 + MAX_RANK] = { (unsigned)x->kind | (unsigned)x->dtype << 8 | (unsigned)x->op << 16 };

    for (int i = 0; i < x->args; i++)
        is[1 + i] = (unsigned)x->arg[i]->id;
    put(t, is, (1 + (size_t)x->args) * sizeof *is);
    switch (x->kind) {
    case LX_INT:
    case LX_FLAG: put(t, &x->i, sizeof x->i); break;
    case LX_REAL: put(t, &x->real, sizeof x->real); break;
    case LX_VAR: put_name(t, x->var->name); break;
    case LX_LET: put_name(t, x->let->name); break;
    case LX_LOAD:
    case LX_FOLD:
        put_name(t, x->buf->name);
        put(t, &x->i, sizeof x->i);
        break;
    default: break;
    }
}

/* False where one has attributes, which are not told. */
static bool put_expressions(struct text *t, const struct lkernel *k)
{
    const struct lx **made = NEW_ARRAY(k->arena, k->expressions, const struct lx *);

    for (size_t i = 0; i < k->table_size; i++)
        for (const struct lx *x = k->table[i]; x; x = x->chain)
            made[x->id] = x;
    for (size_t i = 0; i < k->expressions; i++) {
        if (made[i]->attrs)
            return false;
        put_expression(t, made[i]);
    }
    return true;
}

static int number(const struct lx *x)
{
    return x ? x->id : -1;
}

static void put_block(struct text *t, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        int64_t is[] = { s->kind,  s->step,          s->by,          s->parts,         s->licence,          s->way,
                         s->least, number(s->begin), number(s->end), number(s->value), number(s->reference) };
        put(t, is, sizeof is);
        put_name(t, s->var ? s->var->name : s->buf ? s->buf->name : s->name);
        for (int i = 0; s->kind == LS_STORE && i < s->buf->rank; i++)
            put(t, &s->index[i]->id, sizeof s->index[i]->id);
        put_block(t, &s->body);
        put_block(t, &s->other);
    }
    put_name(t, NULL);
}

bool kernel_key(struct text *t, const struct lkernel *k)
{
    int64_t is[] = { k->f64, k->parts, k->batch, k->params, k->names_given };

    put(t, is, sizeof is);
    for (int i = 0; i < k->params; i++)
        put_name(t, k->param[i]->name);
    for (int i = 0; i < k->names_given; i++) {
        put_name(t, k->used[i].name);
        put(t, &k->used[i].next, sizeof k->used[i].next);
    }
    for (const struct lbuf *b = k->buffers; b; b = b->next)
        put_buffer(t, b);
    put_name(t, NULL);
    put_block(t, &k->body);
    return put_expressions(t, k);
}
