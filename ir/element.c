/* ir/element.c: see element.h. */
#include "ir/element.h"

#include <math.h>
#include <string.h>

/* --- elementwise -------------------------------------------------------------------------------------------------- */

static double wrap(int64_t i)
{
    return (double)(int32_t)(uint32_t)(uint64_t)i;
}

/* NaN if either is; of two zeros the second. */
static double larger(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

static double smaller(double a, double b)
{
    return a < b || isnan(a) ? a : b;
}

static double integer_map(enum op op, const double *x)
{
    int64_t a = (int64_t)x[0], b;

    switch (op) {
    case OP_neg: return wrap(-a);
    case OP_abs: return wrap(a < 0 ? -a : a);
    case OP_add: b = (int64_t)x[1]; return wrap(a + b);
    case OP_sub: b = (int64_t)x[1]; return wrap(a - b);
    case OP_mul: b = (int64_t)x[1]; return wrap(a * b);
    default: return element_map(op, DT_REAL, x);
    }
}

double element_map(enum op op, enum dtype type, const double *x)
{
    if (type == DT_I32 && (op == OP_neg || op == OP_abs || op == OP_add || op == OP_sub || op == OP_mul))
        return integer_map(op, x);
    switch (op) {
    case OP_neg: return -x[0];
    case OP_abs: return fabs(x[0]);
    case OP_exp: return exp(x[0]);
    case OP_log: return log(x[0]);
    case OP_sqrt: return sqrt(x[0]);
    case OP_rsqrt: return 1 / sqrt(x[0]);
    case OP_reciprocal: return 1 / x[0];
    case OP_sin: return sin(x[0]);
    case OP_cos: return cos(x[0]);
    case OP_tanh: return tanh(x[0]);
    case OP_sigmoid: return 1 / (1 + exp(-x[0]));
    case OP_erf: return erf(x[0]);
    case OP_sign: return x[0] > 0 ? 1 : x[0] < 0 ? -1 : x[0];
    case OP_floor: return floor(x[0]);
    case OP_ceil: return ceil(x[0]);
    case OP_round: return nearbyint(x[0]);
    case OP_not: return x[0] == 0;
    case OP_relayout:
    case OP_stop_gradient: return x[0];
    case OP_add: return x[0] + x[1];
    case OP_sub: return x[0] - x[1];
    case OP_mul: return x[0] * x[1];
    case OP_div: return x[0] / x[1];
    case OP_pow: return pow(x[0], x[1]);
    case OP_max: return larger(x[0], x[1]);
    case OP_min: return smaller(x[0], x[1]);
    case OP_eq: return x[0] == x[1];
    case OP_ne: return x[0] != x[1];
    case OP_lt: return x[0] < x[1];
    case OP_le: return x[0] <= x[1];
    case OP_gt: return x[0] > x[1];
    case OP_ge: return x[0] >= x[1];
    case OP_and: return x[0] != 0 && x[1] != 0;
    case OP_or: return x[0] != 0 || x[1] != 0;
    case OP_select: return x[0] != 0 ? x[1] : x[2];
    default: bug("%s is not elementwise", op_info(op)->name);
    }
}

/* Toward zero; beyond the range its nearest end, 0 for NaN. */
static double to_integer(double x)
{
    return isnan(x) ? 0 : x >= INT32_MAX ? INT32_MAX : x <= INT32_MIN ? INT32_MIN : trunc(x);
}

double element_cast(double x, enum dtype from, enum dtype to)
{
    switch (to) {
    case DT_BOOL: return x != 0;
    case DT_I32: return from == DT_REAL ? to_integer(x) : x;
    case DT_U8: return (double)((uint32_t)(int32_t)to_integer(x) & 255);
    default: return x;
    }
}

double element_fold(enum op op, const double *x)
{
    double t[16];

    memcpy(t, x, sizeof t);
    for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            double pair[] = { t[i], t[i + half] };
            t[i] = element_map(op, DT_REAL, pair);
        }
    }
    return t[0];
}

/* --- random numbers ----------------------------------------------------------------------------------------------- */

const struct attr *attr_find(const struct attr *attr, int attrs, const char *name)
{
    for (int i = 0; i < attrs; i++) {
        if (!strcmp(attr[i].name, name))
            return &attr[i];
    }
    bug("no attribute named %s", name);
}

/* Philox4x32-10: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011. */
static void philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * c[0], q = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = { (uint32_t)(q >> 32) ^ c[1] ^ k0, (uint32_t)q, (uint32_t)(p >> 32) ^ c[3] ^ k1,
                             (uint32_t)p };
        memcpy(c, next, sizeof next);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* Uniform in [0, 1). */
static double uniform01(bool f64, uint64_t seed, uint64_t step, uint32_t stream, uint64_t element)
{
    uint64_t block = element / (f64 ? 2 : 4);
    uint32_t w[4] = { (uint32_t)block, (uint32_t)(block >> 32), (uint32_t)step, stream };

    philox(w, (uint32_t)seed, (uint32_t)(seed >> 32));
    if (f64) {
        uint64_t u = w[2 * (element % 2)] | (uint64_t)w[2 * (element % 2) + 1] << 32;
        return (double)(u >> 11) * 0x1p-53;
    }
    return (double)(w[element % 4] >> 8) * 0x1p-24;
}

/* Box and Muller: of a pair the even one has the cosine, the odd one the sine. */
static double normal01(bool f64, uint64_t seed, uint64_t step, uint32_t stream, uint64_t element)
{
    double u = uniform01(f64, seed, step, stream, element & ~(uint64_t)1);
    double v = uniform01(f64, seed, step, stream, element | 1);
    double radius = sqrt(-2 * log(1 - u)), angle = 6.283185307179586477 * v;

    return radius * (element & 1 ? sin(angle) : cos(angle));
}

double element_random(enum op op, const struct attr *attr, int attrs, bool f64, uint64_t seed, uint64_t step,
                      uint64_t element)
{
    uint32_t stream = (uint32_t)attr_find(attr, attrs, "stream")->i;
    double low, high;

    switch (op) {
    case OP_uniform:
        low = attr_find(attr, attrs, "low")->real;
        high = attr_find(attr, attrs, "high")->real;
        return low + (high - low) * uniform01(f64, seed, step, stream, element);
    case OP_normal:
        return attr_find(attr, attrs, "mean")->real +
               attr_find(attr, attrs, "deviation")->real * normal01(f64, seed, step, stream, element);
    default: bug("%s is not random", op_info(op)->name);
    }
}

/* The finalizer of MurmurHash3 (Appleby). */
static uint32_t scramble(uint32_t h)
{
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

/* A Feistel network over the least even number of bits; what falls outside goes through again (Black and Rogaway: Ciphers
 * with arbitrary finite domains; CT-RSA 2002). */
uint64_t element_permuted(uint64_t size, uint64_t seed, uint64_t step, uint32_t stream, uint64_t i)
{
    uint32_t key[8] = { 0, 0, (uint32_t)step, stream, 1, 0, (uint32_t)step, stream };
    int half = 0;

    philox(key, (uint32_t)seed, (uint32_t)(seed >> 32));
    philox(key + 4, (uint32_t)seed, (uint32_t)(seed >> 32));
    while ((uint64_t)1 << 2 * half < size)
        half++;
    do {
        uint32_t left = (uint32_t)(i >> half), right = (uint32_t)(i & (((uint64_t)1 << half) - 1));
        for (int round = 0; round < 8; round++) {
            uint32_t next = left ^ (scramble(right + key[round]) & (uint32_t)(((uint64_t)1 << half) - 1));
            left = right;
            right = next;
        }
        i = (uint64_t)left << half | right;
    } while (i >= size);
    return i;
}

/* --- scalars of the step ------------------------------------------------------------------------------------------ */

static double learning_rate(const struct attr *attr, int attrs, double t)
{
    const char *rule = attr_find(attr, attrs, "rule")->word;
    double rate = attr_find(attr, attrs, "rate")->real, low = attr_find(attr, attrs, "low")->real;
    double steps = attr_find(attr, attrs, "steps")->real, warmup = attr_find(attr, attrs, "warmup")->real, part;

    if (!strcmp(rule, "constant"))
        return rate;
    if (!strcmp(rule, "step"))
        return rate * pow(attr_find(attr, attrs, "gamma")->real, floor(t / attr_find(attr, attrs, "every")->real));
    if (t < warmup)
        return rate * (t + 1) / warmup;
    if (t >= steps)
        return low;
    part = (t - warmup) / (steps - warmup);
    if (!strcmp(rule, "cosine"))
        return low + (rate - low) * (1 + cos(3.14159265358979323846 * part)) / 2;
    if (!strcmp(rule, "linear"))
        return rate + (low - rate) * part;
    bug("no schedule is named %s", rule);
}

double element_hyper(enum op op, const struct attr *attr, int attrs, int64_t step, double lr_override)
{
    switch (op) {
    case OP_learning_rate: return lr_override >= 0 ? lr_override : learning_rate(attr, attrs, (double)step);
    case OP_bias_correction: return 1 - pow(attr_find(attr, attrs, "beta")->real, (double)step + 1);
    case OP_first_step: return attr_find(attr, attrs, step == 0 ? "first" : "later")->real;
    default: bug("%s is no scalar operation", op_info(op)->name);
    }
}
