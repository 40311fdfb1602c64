/* main.c: a program with its own training loop around the generated code: two rings, told apart. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"

/* A point on the inner or the outer ring. */
static void sample(float *point, float *side)
{
    float angle = 6.2831853f * (float)rand() / (float)RAND_MAX, noise = 0.2f * (float)rand() / (float)RAND_MAX;
    *side = (float)(rand() % 2);
    point[0] = (*side + 0.5f + noise) * cosf(angle);
    point[1] = (*side + 0.5f + noise) * sinf(angle);
}

int main(void)
{
    float point[EMBED_BATCH][2], side[EMBED_BATCH], loss = 0, probability;
    embed *m = embed_new(1);
    if (!m)
        return 1;
    for (int step = 0; step < 2000; step++) {
        for (int i = 0; i < EMBED_BATCH; i++)
            sample(point[i], &side[i]);
        if (embed_train_step(m, EMBED_BATCH, point[0], side, &loss)) {
            fprintf(stderr, "%s\n", embed_error(m));
            return 1;
        }
        if (step % 500 == 499)
            printf("step %4d  loss %.4f\n", step + 1, (double)loss);
    }
    const float inside[2] = { 0.5f, 0 }, outside[2] = { 0, 1.6f };
    embed_infer(m, 1, inside, &probability);
    printf("inner ring: %.3f\n", (double)probability);
    embed_infer(m, 1, outside, &probability);
    printf("outer ring: %.3f\n", (double)probability);
    embed_free(m);
    return 0;
}
