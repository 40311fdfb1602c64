/* tests/models/lenet_steps.c: trains lenet for some steps from weights and batches made by the hash of
 * tests/reference/lenet.py, and prints each loss. `real` is the model's real type (-DREAL=double for f64). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lenet.h"

#ifndef REAL
#define REAL float
#endif

static double mix(uint32_t i, uint32_t key)
{
    uint32_t x = (i + 1) * 2654435761u + 40503u * key;
    x = (x ^ x >> 16) * 0x45D9F3Bu;
    x = (x ^ x >> 15) * 0x45D9F3Bu;
    return (x ^ x >> 16) / 4294967296.0;
}

static void set_weights(lenet *m)
{
    size_t count;
    const nn_tensor *t = lenet_tensors(m, &count);
    uint32_t key = 1;
    for (size_t k = 0; k < count; k++) {
        if (t[k].role != NN_PARAM)
            continue;
        uint32_t elements = 1;
        for (int i = 0; i < t[k].rank; i++)
            elements *= (uint32_t)t[k].shape[i];
        double fan = t[k].rank > 1 ? elements / (double)t[k].shape[0] : 16;
        for (uint32_t i = 0; i < elements; i++)
            ((REAL *)t[k].data)[i] = (REAL)((mix(i, key) * 2 - 1) / sqrt(fan));
        key++;
    }
    lenet_changed(m);
}

static void make_batch(int step, uint8_t *image, int32_t *label)
{
    for (uint32_t i = 0; i < 64; i++)
        label[i] = (int32_t)floor(mix(i, 1001u + 2u * (uint32_t)step) * 10);
    for (uint32_t i = 0; i < 64 * 784; i++) {
        uint32_t row = i / 28 % 28, column = i % 28;
        int inside = row >= 4 && row < 12 && column >= 4 && column < 12;
        image[i] = (uint8_t)(inside ? label[i / 784] * 25 : (int)floor(mix(i, 1000u + 2u * (uint32_t)step) * 256));
    }
}

int main(int argc, char **argv)
{
    static uint8_t image[64 * 784];
    static int32_t label[64];
    int steps = argc > 1 ? atoi(argv[1]) : 50;
    lenet *m = lenet_new(1);
    if (!m)
        return 1;
    set_weights(m);
    for (int step = 0; step < steps; step++) {
        REAL loss;
        make_batch(step, image, label);
        if (lenet_train_step(m, 64, image, label, &loss)) {
            fprintf(stderr, "%s\n", lenet_error(m));
            return 1;
        }
        printf("%.17g\n", (double)loss);
    }
    if (argc > 2 && lenet_save(m, argv[2]))
        return 1;
    lenet_free(m);
    return 0;
}
