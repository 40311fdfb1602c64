/* nn_threads.h: loops in threads, where OpenMP is compiled in; else none are. */
#ifndef NN_THREADS_H
#define NN_THREADS_H

#include "nn_machine.h"

/* clang-format off */

/* part(begin, end, ...) does the iterations of a loop of that step: all of them at once, or where that is `worth` it each
 * thread some of them. Which they are depends on the number of threads alone, and no result on that.
 *
 *     NN_RUN(threads, run, ...)     run(...), which calls kernels, in one region of so many threads: each of them calls it. One
 *                                   or less, and where OpenMP has none left to give: it is called, and no region entered
 *     NN_PARTS(worth, ...)          a loop of a kernel that runs call: their threads share it out, and meet behind it
 *     NN_ALONE(call);               what the first thread of a run does while the others wait
 *     NN_IN_THREADS(worth, ...)     a loop that enters a region of its own; not for runs */
#if defined _OPENMP
#include <omp.h>

/* Which thread of a run this is, and of how many. 0 of 0: no run is at hand. */
typedef struct {
    int thread, threads;
} nn_team;
static nn_team nn_run;
#pragma omp threadprivate(nn_run)

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

/* Whether this thread does what a run's first does; nn_meet() stands behind that. */
NN_INLINE int nn_first(void) { return nn_run.thread == 0; }

NN_INLINE void nn_meet(void)
{
    if (nn_run.threads > 1) {
#pragma omp barrier
    }
}

#define NN_PARTS(worth, begin, end, step, part, ...)                                                        \
    do {                                                                                                    \
        const int nn_t = nn_run.thread, nn_of = (worth) ? nn_run.threads : 1;                               \
        if (nn_of > 1)                                                                                      \
            part(nn_part_begin(begin, end, step, nn_t, nn_of), nn_part_begin(begin, end, step, nn_t + 1, nn_of), __VA_ARGS__); \
        else if (nn_t == 0)                                                                                 \
            part(begin, end, __VA_ARGS__);                                                                  \
        if ((begin) < (end))                                                                                \
            nn_meet();                                                                                      \
    } while (0)

#define NN_RUN(wanted, run, ...)                                                                            \
    do {                                                                                                    \
        const int64_t nn_want = (wanted);                                                                   \
        const int nn_most = nn_want > 1 ? nn_threads(2) : 1, nn_of = nn_want < nn_most ? (int)nn_want : nn_most; \
        if (nn_of > 1) {                                                                                    \
            _Pragma("omp parallel num_threads(nn_of)")                                                      \
            {                                                                                               \
                nn_run.thread = omp_get_thread_num();                                                       \
                nn_run.threads = omp_get_num_threads();                                                     \
                run(__VA_ARGS__);                                                                           \
                nn_run.thread = nn_run.threads = 0;                                                         \
            }                                                                                               \
        } else {                                                                                            \
            run(__VA_ARGS__);                                                                               \
        }                                                                                                   \
    } while (0)
#else
NN_INLINE int nn_first(void) { return 1; }
NN_INLINE void nn_meet(void) {}

#define NN_IN_THREADS(worth, begin, end, step, part, ...) part(begin, end, __VA_ARGS__)
#define NN_PARTS(worth, begin, end, step, part, ...)      part(begin, end, __VA_ARGS__)
#define NN_RUN(wanted, run, ...)                          run(__VA_ARGS__)
#endif

#define NN_ALONE(...)    \
    do {                 \
        if (nn_first())  \
            __VA_ARGS__; \
        nn_meet();       \
    } while (0)

#endif
