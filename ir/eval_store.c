/* ir/eval_store.c: the variables of a module with their contents.
 *
 * Parameters lie side by side in the module's order, each padded to 64 bytes; a gradient, and each kind of optimizer
 * state ("adam.m/PATH"), has the place of its parameter in a block of its own. So a ROLE_RANGE variable is the storage
 * of the variables that it spans, padding included. */
#include "ir/eval.h"

#include <stdlib.h>
#include <string.h>

#include "ir/build.h"
#include "ir/element.h"

/* Streams of initial values are kept apart from those of random operations by their highest bit. */
static const int64_t INIT_STREAM = 0x80000000;

struct tensor tensor_make(struct arena *a, struct type t, int64_t n)
{
    struct tensor x = { .type = t, .count = type_count(t, n) };

    x.data = NEW_ARRAY(a, x.count + 1, double);
    return x;
}

/* Blocks by name: "param", "grad", "adam.m". */
struct block {
    const char *name;
    double *data;
    struct block *next;
};

struct layout {
    struct store *s;
    int64_t *place; /* of each parameter, in elements */
    int64_t total;
    struct block *blocks;
};

static bool is_parameter(const struct var *v)
{
    return v->role == ROLE_PARAM || v->role == ROLE_FROZEN;
}

static int64_t padded(const struct layout *l, const struct var *v)
{
    int64_t unit = l->s->module->f64 ? 8 : 16;

    return (type_count(v->type, l->s->n) + unit - 1) / unit * unit;
}

static void place_parameters(struct layout *l)
{
    const struct module *m = l->s->module;

    l->place = NEW_ARRAY(l->s->arena, m->vars + 1, int64_t);
    for (int i = 0; i < m->vars; i++)
        if (is_parameter(m->var[i])) {
            l->place[i] = l->total;
            l->total += padded(l, m->var[i]);
        }
}

static const char *block_name(const struct layout *l, const struct var *v)
{
    if (is_parameter(v))
        return "param";
    if (v->role == ROLE_GRAD)
        return "grad";
    return arena_stringn(l->s->arena, v->name, strcspn(v->name, "/"));
}

/* The block of a name. It has room behind the parameters for state that is one tensor over all of them. */
static double *block_data(struct layout *l, const char *called)
{
    struct block *b = l->blocks;

    while (b && strcmp(b->name, called) != 0)
        b = b->next;
    if (!b) {
        b = NEW(l->s->arena, struct block);
        *b = (struct block){ called, NEW_ARRAY(l->s->arena, l->total + 1, double), l->blocks };
        l->blocks = b;
    }
    return b->data;
}

/* The parameter whose place a variable has, or NULL where it lies alone. */
static const struct var *placed_by(const struct var *v)
{
    if (is_parameter(v))
        return v;
    return (v->role == ROLE_GRAD || v->role == ROLE_OPTIMIZER) && v->of && is_parameter(v->of) ? v->of : NULL;
}

static void make_variable(struct layout *l, const struct var *v)
{
    struct tensor *t = &l->s->var[v->index];
    const struct var *p = placed_by(v);

    if (!p || l->place[p->index] + type_count(v->type, l->s->n) > l->total) {
        *t = tensor_make(l->s->arena, v->type, l->s->n);
        return;
    }
    t->type = v->type;
    t->count = type_count(v->type, l->s->n);
    t->data = block_data(l, block_name(l, v)) + l->place[p->index];
}

static void make_range(struct layout *l, const struct var *v)
{
    struct tensor *t = &l->s->var[v->index];
    const struct var *from = placed_by(v->of), *to = placed_by(v->last);

    t->type = v->type;
    t->count = type_count(v->type, l->s->n);
    t->data = l->s->var[v->of->index].data;
    if (!from || !to || l->place[to->index] + padded(l, v->last) - l->place[from->index] < t->count)
        bug("the range %s is longer than what it spans", v->name);
}

/* ---- initial values ---- */

static void initialise(const struct store *s, const struct var *v)
{
    struct tensor *t = &s->var[v->index];
    bool uniform = v->init.rule == INIT_UNIFORM;
    const struct attr attrs[] = {
        at_real(uniform ? "low" : "mean", v->init.a),
        at_real(uniform ? "high" : "deviation", v->init.b),
        at_int("stream", INIT_STREAM + v->index),
    };

    if (v->init.rule == INIT_PLACES)
        return;
    for (int64_t i = 0; i < t->count; i++)
        t->data[i] = v->init.rule == INIT_CONSTANT ? v->init.a
                                                   : element_random(uniform ? OP_uniform : OP_normal, attrs, 3,
                                                                    s->module->f64, s->seed, 0, (uint64_t)i);
    if (v->init.blank) {
        int64_t each = t->count / v->type.dim[0].k;
        memset(t->data + v->init.row * each, 0, (size_t)each * sizeof *t->data);
    }
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Different places, in order: the first images of a permutation of all. */
static void draw_places(const struct store *s, const struct sparse *m)
{
    struct tensor *rows = &s->var[m->rows->index], *columns = &s->var[m->columns->index];
    uint64_t *at = NEW_ARRAY(s->arena, rows->count + 1, uint64_t), in = (uint64_t)m->in;

    for (int64_t i = 0; i < rows->count; i++)
        at[i] =
            element_permuted((uint64_t)m->out * in, s->seed, 0, (uint32_t)(INIT_STREAM + m->rows->index), (uint64_t)i);
    qsort(at, (size_t)rows->count, sizeof *at, ascending);
    for (int64_t i = 0; i < rows->count; i++) {
        rows->data[i] = (double)(at[i] / in);
        columns->data[i] = (double)(at[i] % in);
    }
}

struct store *store_new(struct arena *a, struct module *m, int64_t n, uint64_t seed)
{
    struct store *s = NEW(a, struct store);
    struct layout l = { .s = s };

    *s = (struct store){ .module = m, .arena = a, .n = n, .seed = seed, .lr_override = -1 };
    s->var = NEW_ARRAY(a, m->vars + 1, struct tensor);
    place_parameters(&l);
    for (int i = 0; i < m->vars; i++)
        if (m->var[i]->role != ROLE_RANGE)
            make_variable(&l, m->var[i]);
    for (int i = 0; i < m->vars; i++) {
        if (m->var[i]->role == ROLE_RANGE)
            make_range(&l, m->var[i]);
        else if (is_parameter(m->var[i]) || m->var[i]->role == ROLE_STATE)
            initialise(s, m->var[i]);
    }
    for (const struct sparse *sparse = m->sparse; sparse; sparse = sparse->next)
        draw_places(s, sparse);
    return s;
}
