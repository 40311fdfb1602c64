/* tests/bench/machine.c: what one core can do: `machine BYTES...` prints a JSON object with its multiply-adds a second
 * (as GFLOP/s, two each) and, for each number of bytes, the microseconds in which half as many are copied. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined __AVX512F__
enum { WIDTH = 64 };
#elif defined __AVX__
enum { WIDTH = 32 };
#else
enum { WIDTH = 16 };
#endif
enum { CHAINS = 12, ROUNDS = 2000000, LANES = WIDTH / (int)sizeof(float) };
typedef float lanes __attribute__((vector_size(WIDTH)));

static double now_us(void)
{
    struct timespec t;
    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* Independent chains of multiply-adds, kept in registers. They start apart, or the compiler would make one of them. */
static float chains(volatile float *seed)
{
    lanes a, b, sum[CHAINS];
    for (int i = 0; i < LANES; i++) {
        a[i] = *seed;
        b[i] = *seed;
        for (int c = 0; c < CHAINS; c++)
            sum[c][i] = *seed;
    }
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            sum[c] = sum[c] * a + b;
    for (int c = 1; c < CHAINS; c++)
        sum[0] += sum[c];
    return sum[0][0];
}

static double peak(void)
{
    volatile float seed = 0.5f, sink;
    double best = 0;
    for (int i = 0; i < 7; i++) {
        double start = now_us();
        sink = chains(&seed);
        double gflops = 2e-3 * CHAINS * LANES * (double)ROUNDS / (now_us() - start);
        best = gflops > best ? gflops : best;
    }
    (void)sink;
    return best;
}

/* The best of some copies from one half of a buffer to the other. */
static double copy_us(size_t bytes)
{
    size_t half = bytes / 2 + 64;
    char *p = malloc(2 * half);
    double best = 1e30;
    if (!p)
        exit(1);
    memset(p, 1, 2 * half);
    for (int i = 0; i < 15; i++) {
        size_t rounds = 1 + 1000000 / half;
        double start = now_us();
        for (size_t r = 0; r < rounds; r++) {
            memcpy(p + half, p, half);
            __asm__ volatile("" : : "r"(p) : "memory");
        }
        double us = (now_us() - start) / (double)rounds;
        best = us < best ? us : best;
    }
    free(p);
    return best;
}

int main(int argc, char **argv)
{
    printf("{\"peak_gflops\": %.1f, \"copy_us\": [", peak());
    for (int i = 1; i < argc; i++)
        printf("%s%.3f", i > 1 ? ", " : "", copy_us((size_t)atof(argv[i])));
    printf("]}\n");
    return 0;
}
