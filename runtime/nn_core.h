/* nn_core.h: what generated files need besides arithmetic, without files, heap or libc: messages, initial values,
 * copies, time per kernel. Header only, included by generated code.
 */
#ifndef NN_CORE_H
#define NN_CORE_H

#include "netrt.h"
#include "nn_random.h"
#include "nn_threads.h"

enum { NN_ERROR_BYTES = 256 };

/* Appends s to the text in error[0..NN_ERROR_BYTES), as far as it fits. */
NN_INLINE void nn_append(char *error, const char *s)
{
    int at = 0;
    while (error[at])
        at++;
    for (; *s && at < NN_ERROR_BYTES - 1; s++)
        error[at++] = *s;
    error[at] = '\0';
}

NN_INLINE void nn_append_int(char *error, int64_t i)
{
    char digits[24];
    int at = 23;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + u % 10);
    while (u /= 10);
    if (i < 0)
        digits[--at] = '-';
    nn_append(error, digits + at);
}

/* "infer: logits is a null pointer" */
NN_INLINE int nn_fail_null(char *error, const char *function, const char *what)
{
    error[0] = '\0';
    nn_append(error, function);
    nn_append(error, ": ");
    nn_append(error, what);
    nn_append(error, " is a null pointer");
    return NN_ENULL;
}

NN_INLINE int nn_fail_batch(char *error, const char *function, int n, int most)
{
    error[0] = '\0';
    nn_append(error, function);
    nn_append(error, ": n is ");
    nn_append_int(error, n);
    nn_append(error, ", but a batch holds 1 to ");
    nn_append_int(error, most);
    nn_append(error, " samples");
    return NN_EBATCH;
}

NN_INLINE int nn_fail_index(char *error, const char *what, int64_t position, int64_t low, int64_t high)
{
    error[0] = '\0';
    nn_append(error, what);
    nn_append(error, ": element ");
    nn_append_int(error, position);
    nn_append(error, " is outside ");
    nn_append_int(error, low);
    nn_append(error, "..");
    nn_append_int(error, high);
    return NN_EINDEX;
}

NN_INLINE int nn_fail(char *error, int code, const char *what)
{
    error[0] = '\0';
    nn_append(error, what);
    return code;
}

NN_INLINE void nn_copy(void *to, const void *from, size_t bytes)
{
#if defined __GNUC__
    __builtin_memcpy(to, from, bytes);
#else
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
#endif
}

NN_INLINE void nn_zero(void *to, size_t bytes)
{
#if defined __GNUC__
    __builtin_memset(to, 0, bytes);
#else
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)to)[i] = 0;
#endif
}

/* How a parameter or state starts: every element a; or drawn from uniform [a, b), or normal (mean a, deviation b). */
enum { NN_INIT_CONSTANT, NN_INIT_UNIFORM, NN_INIT_NORMAL };

typedef struct nn_init {
    size_t offset; /* bytes in its segment */
    int64_t count;
    int rule;
    double a, b;
    uint32_t stream;
} nn_init;

NN_INLINE nn_real nn_initial_value(const nn_init *init, uint64_t seed, uint64_t step, int64_t i)
{
    const nn_real a = (nn_real)init->a, b = (nn_real)init->b;
    if (init->rule == NN_INIT_UNIFORM)
        return a + (b - a) * nn_uniform01(seed, step, init->stream, (uint64_t)i);
    if (init->rule == NN_INIT_NORMAL)
        return a + b * nn_normal(seed, step, init->stream, (uint64_t)i);
    return a;
}

/* Gives the tensor its first values: a pure function of the seed. */
NN_INLINE void nn_initialise(nn_real *to, const nn_init *init, uint64_t seed)
{
    for (int64_t i = 0; i < init->count; i++)
        to[i] = nn_initial_value(init, seed, 0, i);
}

#ifdef NN_OPENBLAS
#include <cblas.h>
/* z = x y for each of `batches` pairs of matrices, row-major; ta, tb: transposed in memory. Rows of a matrix begin xs, ys, zs
 * elements apart: of several their own length. 0, and nothing is done, where they are so small that netc's own kernel is as
 * fast. Its bits depend on the library, its threads and the machine. In a run of kernels its first thread calls the library. */
NN_INLINE int nn_product(const nn_real *x, int xs, const nn_real *y, int ys, nn_real *z, int zs, size_t batches, int m,
                         int n, int k, int ta, int tb)
{
    if ((int64_t)m * n * k <= 64 * 64 * 64)
        return 0;
    for (size_t i = 0; i < batches && nn_first(); i++) {
        const size_t a = (size_t)m * (size_t)k, b = (size_t)k * (size_t)n, c = (size_t)m * (size_t)n;
#ifdef NN_DOUBLE
        cblas_dgemm(
#else
        cblas_sgemm(
#endif
            CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1, x + i * a, xs,
            y + i * b, ys, 0, z + i * c, zs);
    }
    nn_meet();
    return 1;
}
#endif

/* Time per kernel: NN_TIMING opens a graph's function (NN_UNTIMED one that is not timed), NN_TIMED(i) stands behind
 * the call of its kernel i, NN_TIMED_WITHIN behind a function that has timed its own. Nothing unless built with
 * -DNN_PROFILE. */
#ifdef NN_PROFILE
#include <time.h>
NN_INLINE uint64_t nn_now(void)
{
    struct timespec t;
    (void)timespec_get(&t, TIME_UTC);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#define NN_TIMING(table)                                                                                               \
    nn_kernel_time *const nn_times = (table);                                                                          \
    uint64_t nn_last = nn_now()
#define NN_UNTIMED                                                                                                     \
    nn_kernel_time *const nn_times = NULL;                                                                             \
    uint64_t nn_last = 0;                                                                                              \
    (void)nn_last
#define NN_TIMED(i)                                                                                                    \
    do {                                                                                                               \
        if (!nn_times)                                                                                                 \
            break;                                                                                                     \
        uint64_t nn_this = nn_now();                                                                                   \
        nn_times[i].calls++;                                                                                           \
        nn_times[i].nanoseconds += nn_this - nn_last;                                                                  \
        nn_last = nn_this;                                                                                             \
    } while (0)
#define NN_TIMED_WITHIN nn_last = nn_now()
#else
#define NN_TIMING(table) (void)0
#define NN_UNTIMED       (void)0
#define NN_TIMED(i)      (void)0
#define NN_TIMED_WITHIN  (void)0
#endif

#endif
