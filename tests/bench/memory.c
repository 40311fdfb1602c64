/* tests/bench/memory.c: the most that a process holds of the machine's memory in three training steps of a generated model,
 * in bytes: data, instance and program; and how much of it is the code of files. Compiled beside the model's C with
 * -DMODEL=NET_model; without MODEL it is the program that does nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef MODEL
#include <netrt.h>

extern const nn_model MODEL;

/* Room for n samples; indices stay 0 or 1. */
static void *made(const nn_port *p, int n)
{
    int64_t count = 1;
    for (int i = 0; i < p->rank; i++)
        count *= p->shape[i] < 0 ? -p->shape[i] * n : p->shape[i];
    unsigned char *to = nn_alloc((size_t)count * nn_dtype_size(p->dtype) + 64);
    if (!to)
        exit(1);
    for (int64_t i = 0; i < count; i++) {
        float real = (float)(i % 7) / 7;
        int32_t index = i % 2;
        if (p->dtype == NN_F32)
            memcpy(to + i * 4, &real, 4);
        else if (p->dtype == NN_I32)
            memcpy(to + i * 4, &index, 4);
        else
            to[i] = (unsigned char)index;
    }
    return to;
}

static int run(void)
{
    const nn_model *model = &MODEL;
    const void *in[16];
    int ports = model->inputs + model->targets, n = model->batch, failed = 0;
    double loss;

    for (int i = 0; i < ports && i < 16; i++)
        in[i] = made(i < model->inputs ? &model->input[i] : &model->target[i - model->inputs], n);
    void *m = model->create(1);
    for (int step = 0; m && step < 3 && !failed; step++)
        failed = model->train_step(m, n, in, &loss);
    if (failed)
        fprintf(stderr, "%s: %s\n", model->name, model->error(m));
    return !m || failed;
}
#else
static int run(void)
{
    return 0;
}
#endif

/* Of the kernel's table, which counts in kB of 1024 bytes each. */
static long long held(const char *field)
{
    char line[256];
    long long kilobytes = -1;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, field, strlen(field)))
            kilobytes = strtoll(line + strlen(field), NULL, 10);
    if (f)
        fclose(f);
    return kilobytes * 1024;
}

/* VmHWM begins with 0 in a program that is started. */
int main(void)
{
    int failed = run();

    printf("%lld %lld\n", held("VmHWM:"), held("RssFile:"));
    return failed;
}
