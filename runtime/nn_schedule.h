/* nn_schedule.h: learning rates and what else depends on the number of steps alone, in double and with the same bits on
 * every machine. Header only.
 *
 * t is the number of steps applied before this one. A rate set by the caller (lr >= 0) goes before every schedule.
 */
#ifndef NN_SCHEDULE_H
#define NN_SCHEDULE_H

#include "nn_vec.h"

/* What a call knows beside its tensors. */
typedef struct nn_context {
    uint64_t seed; /* of the random streams */
    uint64_t step;
    double lr;      /* negative: the model's own */
    uint64_t first; /* where a batch goes in parts: the first sample of this one */
} nn_context;

/* x to the power k by squaring. */
NN_INLINE double nn_power(double x, uint64_t k)
{
    double y = 1;
    for (; k; k >>= 1) {
        if (k & 1)
            y *= x;
        x *= x;
    }
    return y;
}

/* cos(pi x) for 0 <= x <= 1, through the nearest of 0, 1/2 and 1: Taylor's series, until its terms are below half an
 * ulp. */
NN_INLINE double nn_cos_pi(double x)
{
    static const double cosine[] = { 1.0 / 1307674368000.0 / 16.0,
                                     -1.0 / 87178291200.0,
                                     1.0 / 479001600.0,
                                     -1.0 / 3628800.0,
                                     1.0 / 40320.0,
                                     -1.0 / 720.0,
                                     1.0 / 24.0,
                                     -0.5,
                                     1.0 };
    static const double sine[] = { -1.0 / 1307674368000.0, 1.0 / 6227020800.0, -1.0 / 39916800.0, 1.0 / 362880.0,
                                   -1.0 / 5040.0,          1.0 / 120.0,        -1.0 / 6.0,        1.0 };
    const double pi = 3.141592653589793238;
    int half = x > 0.25 && x < 0.75;
    double a = pi * (half ? 0.5 - x : x > 0.5 ? 1 - x : x), z = a * a, y = 0;
    if (half) {
        for (int i = 0; i < 8; i++)
            y = y * z + sine[i];
        return y * a;
    }
    for (int i = 0; i < 9; i++)
        y = y * z + cosine[i];
    return x > 0.5 ? -y : y;
}

NN_INLINE double nn_rate_constant(const nn_context *run, double rate)
{
    return run->lr >= 0 ? run->lr : rate;
}

/* rate * gamma^floor(t / every) */
NN_INLINE double nn_rate_step(const nn_context *run, int t, double rate, double every, double gamma)
{
    return run->lr >= 0 ? run->lr : rate * nn_power(gamma, (uint64_t)((double)t / every));
}

/* How far a schedule is on its way from its warm-up to its end. */
NN_INLINE double nn_rate_part(int t, double steps, double warmup)
{
    return ((double)t - warmup) / (steps - warmup);
}

/* Rises over the warm-up, then falls along half a cosine to `low`. */
NN_INLINE double nn_rate_cosine(const nn_context *run, int t, double rate, double steps, double warmup, double low)
{
    if (run->lr >= 0)
        return run->lr;
    if (t < warmup)
        return rate * ((double)t + 1) / warmup;
    return t >= steps ? low : low + (rate - low) * (1 + nn_cos_pi(nn_rate_part(t, steps, warmup))) / 2;
}

/* Rises over the warm-up, then falls straight down to `low`. */
NN_INLINE double nn_rate_linear(const nn_context *run, int t, double rate, double steps, double warmup, double low)
{
    if (run->lr >= 0)
        return run->lr;
    if (t < warmup)
        return rate * ((double)t + 1) / warmup;
    return t >= steps ? low : rate + (low - rate) * nn_rate_part(t, steps, warmup);
}

/* Adam's 1 - beta^(t + 1). */
NN_INLINE double nn_bias_correction(int t, double beta)
{
    return 1 - nn_power(beta, (uint64_t)t + 1);
}

NN_INLINE double nn_first_step(int t, double first, double later)
{
    return t == 0 ? first : later;
}

#endif
