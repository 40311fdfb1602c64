/* nn_app_batch.c: batches of a generated program: memory for them, the order of samples, and random ones. */
#include "nn_app.h"

#include <stdlib.h>

static void **rooms_new(const nn_port *(*port)(const nn_model *, int), const nn_model *model, int count)
{
    void **room = calloc((size_t)count + 1, sizeof *room);
    for (int i = 0; room && i < count; i++) {
        room[i] = nn_alloc(nn_port_bytes(port(model, i), model->batch));
        if (!room[i]) {
            while (i-- > 0)
                nn_free(room[i]);
            free(room);
            return NULL;
        }
    }
    return room;
}

static void rooms_free(void **room, int count)
{
    for (int i = 0; room && i < count; i++)
        nn_free(room[i]);
    free(room);
}

void **nn_batch_new(const nn_model *model)
{
    return rooms_new(nn_app_port, model, model->inputs + model->targets);
}

void nn_batch_free(const nn_model *model, void **batch)
{
    rooms_free(batch, model->inputs + model->targets);
}

void **nn_outputs_new(const nn_model *model)
{
    return rooms_new(nn_app_output, model, model->outputs);
}

void nn_outputs_free(const nn_model *model, void **out)
{
    rooms_free(out, model->outputs);
}

/* --- order -------------------------------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014) of a counter. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

int nn_order_make(struct nn_order *o, const struct nn_set *set, uint64_t seed, int shuffle)
{
    *o = (struct nn_order){ .set = set, .seed = seed, .shuffle = shuffle, .epoch = -1 };
    if (set->stream || !shuffle)
        return 0;
    o->permutation = malloc((size_t)set->samples * sizeof *o->permutation);
    return o->permutation ? 0 : nn_app_fail(set->model, 1, "no memory for the order of the samples");
}

void nn_order_free(struct nn_order *o)
{
    free(o->permutation);
    o->permutation = NULL;
}

/* Fisher and Yates, from the seed and the epoch alone. */
static void permute(struct nn_order *o, int64_t epoch)
{
    int64_t n = o->set->samples;
    uint64_t state = mix(o->seed) ^ mix((uint64_t)epoch * 2 + 1);
    for (int64_t i = 0; i < n; i++)
        o->permutation[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = (int64_t)(mix(state + (uint64_t)i) % (uint64_t)(i + 1)), t = o->permutation[i];
        o->permutation[i] = o->permutation[k];
        o->permutation[k] = t;
    }
    o->epoch = epoch;
}

/* Windows start anywhere; samples of files come each once an epoch. */
int64_t nn_order_at(struct nn_order *o, int64_t epoch, int64_t place)
{
    const struct nn_set *s = o->set;
    if (!o->shuffle)
        return nn_set_place(s, place);
    if (s->stream) {
        uint64_t starts = (uint64_t)(s->stream_size - s->window - s->reach + 1);
        return (int64_t)(mix(mix(o->seed) ^ mix((uint64_t)epoch) ^ mix((uint64_t)place * 2 + 1)) % starts);
    }
    if (o->epoch != epoch)
        permute(o, epoch);
    return o->permutation[place];
}

/* --- random batches ----------------------------------------------------------------------------------------------- */

static void fill_random(const nn_port *p, void *to, int n, uint64_t seed, int64_t range)
{
    int64_t count = (int64_t)(nn_port_bytes(p, n) / nn_dtype_size(p->dtype));
    for (int64_t i = 0; i < count; i++) {
        double u = (double)(mix(seed + (uint64_t)i) >> 11) * 0x1p-53;
        switch (p->dtype) {
        case NN_F32: ((float *)to)[i] = (float)(2 * u - 1); break;
        case NN_F64: ((double *)to)[i] = 2 * u - 1; break;
        case NN_I32: ((int32_t *)to)[i] = (int32_t)(u * (double)range); break;
        case NN_BOOL: ((uint8_t *)to)[i] = u < 0.5; break;
        default: ((uint8_t *)to)[i] = (uint8_t)(u * (double)(range < 256 ? range : 256)); break;
        }
    }
}

static int probe(const nn_model *model, void *m, int n, void **batch, void **out)
{
    return model->eval ? model->eval(m, n, (const void *const *)batch, NULL, NULL)
                       : model->infer(m, n, (const void *const *)batch, out);
}

/* The table does not say how large an index may be: for each input in turn the widest range that a call does not
 * refuse, while those behind it hold zeros. */
int nn_batch_random(const nn_model *model, void *m, int n, void **batch)
{
    void **out = nn_outputs_new(model);
    int ports = model->inputs + model->targets, code = out ? 0 : NN_EMEMORY;
    for (int i = 0; i < ports; i++)
        fill_random(nn_app_port(model, i), batch[i], n, (uint64_t)i * 1000003u, 1);
    for (int i = 0; i < ports && !code; i++) {
        const nn_port *p = nn_app_port(model, i);
        int64_t range = p->dtype == NN_I32 ? 1 << 16 : p->dtype == NN_U8 ? 256 : 1;
        do {
            fill_random(p, batch[i], n, (uint64_t)i * 1000003u, range);
            code = probe(model, m, n, batch, out);
            range = range > 16 ? range / 2 : range - 1;
        } while (code == NN_EINDEX && range > 0);
    }
    nn_outputs_free(model, out);
    return code ? nn_app_fail(model, 1, "%s", *model->error(m) ? model->error(m) : nn_strerror(code)) : 0;
}
