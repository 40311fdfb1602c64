/* nn_threads.h: loops in threads, where OpenMP is compiled in; else none are. */
#ifndef NN_THREADS_H
#define NN_THREADS_H

#include "nn_machine.h"

/* clang-format off */

/* part(begin, end, ...) does the iterations of a loop of that step: all of them at once, or where that is `worth` it each
 * thread some of them. Which they are depends on the number of threads alone, and no result on that. */
#if defined _OPENMP
#include <omp.h>

/* How many can share so many iterations; 1: OpenMP is not entered. */
NN_INLINE int nn_threads(int iterations)
{
    return iterations > 1 && omp_get_active_level() < omp_get_max_active_levels() ? omp_get_max_threads() : 1;
}

NN_INLINE int nn_iterations(int begin, int end, int step) { return end > begin ? (end - begin - 1) / step + 1 : 0; }

/* Where the part of a thread begins, and that of the one before ends. */
NN_INLINE int nn_part_begin(int begin, int end, int step, int thread, int threads)
{
    int64_t at = begin + (int64_t)nn_iterations(begin, end, step) * thread / threads * step;
    return at < end ? (int)at : end;
}

#define NN_IN_THREADS(worth, begin, end, step, part, ...)                                                   \
    do {                                                                                                    \
        const int nn_of = (worth) ? nn_threads(nn_iterations(begin, end, step)) : 1;                        \
        if (nn_of > 1) {                                                                                    \
            _Pragma("omp parallel for schedule(static)")                                                    \
            for (int nn_t = 0; nn_t < nn_of; nn_t++)                                                        \
                part(nn_part_begin(begin, end, step, nn_t, nn_of), nn_part_begin(begin, end, step, nn_t + 1, nn_of), __VA_ARGS__); \
        } else {                                                                                            \
            part(begin, end, __VA_ARGS__);                                                                  \
        }                                                                                                   \
    } while (0)
#else
#define NN_IN_THREADS(worth, begin, end, step, part, ...) part(begin, end, __VA_ARGS__)
#endif

#endif
