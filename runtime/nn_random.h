/* nn_random.h: random numbers as a pure function of (seed, step, stream, element). Nothing is stored, so backward can
 * draw a dropout mask again, and results depend on no order of evaluation.
 *
 * The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011):
 *     key      seed's low and high 32 bits
 *     counter  block's low and high 32 bits, step (modulo 2^32), stream (the operation's number)
 * and gives four 32-bit words a block. In f32 element e has word e % 4 of block e / 4; in f64 words 2 (e % 2), the low
 * half, and 2 (e % 2) + 1 of block e / 2. Normal numbers come in pairs of neighbours from the uniform numbers of the
 * same pair.
 */
#ifndef NN_RANDOM_H
#define NN_RANDOM_H

#include "nn_math.h"

#if defined NN_DOUBLE
#define NN_RANDOM_BLOCK 2 /* elements a block */
#else
#define NN_RANDOM_BLOCK 4
#endif

NN_INLINE void nn_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)q;
        c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The four words of a block. */
NN_INLINE void nn_random_words(uint32_t out[4], uint64_t seed, uint64_t step, uint32_t stream, uint64_t block)
{
    uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), (uint32_t)step, stream };
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    nn_philox(out, counter, key);
}

/* Word e % 4 of block e / 4, whatever the type of reals. */
NN_INLINE uint32_t nn_random_bits(uint64_t seed, uint64_t step, uint32_t stream, uint64_t element)
{
    uint32_t w[4];
    nn_random_words(w, seed, step, stream, element >> 2);
    return w[element & 3];
}

/* The i-th number of a block, in [0, 1): 24 bits in f32, 53 in f64. */
NN_INLINE nn_real nn_uniform_word(const uint32_t w[4], int i)
{
#if defined NN_DOUBLE
    uint64_t u = w[2 * i] | (uint64_t)w[2 * i + 1] << 32;
    return (double)(u >> 11) * 0x1p-53;
#else
    return (float)(w[i] >> 8) * 0x1p-24f;
#endif
}

/* Uniform in [0, 1). */
NN_INLINE nn_real nn_uniform01(uint64_t seed, uint64_t step, uint32_t stream, uint64_t element)
{
    uint32_t w[4];
    nn_random_words(w, seed, step, stream, element / NN_RANDOM_BLOCK);
    return nn_uniform_word(w, (int)(element % NN_RANDOM_BLOCK));
}

/* Mean 0, deviation 1 (Box and Muller): of a pair the even one has the cosine, the odd one the sine. */
NN_INLINE nn_real nn_normal(uint64_t seed, uint64_t step, uint32_t stream, uint64_t element)
{
    uint32_t w[4];
    nn_random_words(w, seed, step, stream, element / NN_RANDOM_BLOCK);
    int pair = (int)(element % NN_RANDOM_BLOCK) & ~1;
    nn_real radius = nn_sqrt((nn_real)-2 * nn_log(1 - nn_uniform_word(w, pair)));
    nn_real angle = (nn_real)6.283185307179586477 * nn_uniform_word(w, pair + 1);
    return radius * (element & 1 ? nn_sin(angle) : nn_cos(angle));
}

/* --- lanes: elements first, first + 1, ... ------------------------------------------------------------------------ */

/* Any first: the blocks it touches are drawn once each. */
NN_INLINE nn_v nn_uniform01_from(uint64_t seed, uint64_t step, uint32_t stream, uint64_t first)
{
    nn_real x[NN_L];
    uint32_t w[4] = { 0, 0, 0, 0 };
    for (int i = 0; i < NN_L; i++) {
        uint64_t element = first + (uint64_t)i;
        if (i == 0 || element % NN_RANDOM_BLOCK == 0)
            nn_random_words(w, seed, step, stream, element / NN_RANDOM_BLOCK);
        x[i] = nn_uniform_word(w, (int)(element % NN_RANDOM_BLOCK));
    }
    return nn_load(x);
}

/* Several blocks side by side, each in a 64-bit lane, where a vector holds whole blocks and the words can be put in order
 * by a shuffle. */
#define NN_RANDOM_LANES (NN_L / NN_RANDOM_BLOCK)
#if defined __BYTE_ORDER__ && defined __ORDER_LITTLE_ENDIAN__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#if NN_VL >= 8 && (defined __clang__ || (defined __GNUC__ && __GNUC__ >= 12))
#define NN_RANDOM_WIDE 1
#endif
#endif

#if defined NN_RANDOM_WIDE

typedef uint64_t nn_vq __attribute__((vector_size(8 * NN_RANDOM_LANES)));   /* a word of each block */
typedef uint64_t nn_vq2 __attribute__((vector_size(16 * NN_RANDOM_LANES))); /* all words: two a lane */

/* The product of the low halves of 64-bit lanes. */
NN_INLINE nn_vq nn_mul_low(nn_vq a, nn_vq b)
{
#if defined __AVX2__ && NN_VL == 16
    return (nn_vq)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined __SSE2__ && NN_VL == 8
    return (nn_vq)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

/* nn_philox on blocks block, block + 1, ...: their words in order. Only low halves of lanes count until the end. */
NN_INLINE nn_vq2 nn_random_blocks(uint64_t seed, uint64_t step, uint32_t stream, uint64_t block)
{
    const nn_vq zero = { 0 };
#if NN_RANDOM_LANES == 4
    const nn_vq number = { 0, 1, 2, 3 };
#else
    const nn_vq number = { 0, 1 };
#endif
    nn_vq c0 = number + block, c1 = c0 >> 32, c2 = zero + (uint32_t)step, c3 = zero + stream;
    const nn_vq m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        nn_vq p = nn_mul_low(c0, m0), q = nn_mul_low(c2, m1);
        c0 = (q >> 32) ^ c1 ^ (zero + k0);
        c1 = q;
        c2 = (p >> 32) ^ c3 ^ (zero + k1);
        c3 = p;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    const nn_vq low = zero + 0xFFFFFFFFu, a = (c0 & low) | c1 << 32, b = (c2 & low) | c3 << 32;
#if NN_RANDOM_LANES == 4
    return __builtin_shufflevector(a, b, 0, 4, 1, 5, 2, 6, 3, 7);
#else
    return __builtin_shufflevector(a, b, 0, 2, 1, 3);
#endif
}

NN_INLINE nn_v nn_uniform01_v(uint64_t seed, uint64_t step, uint32_t stream, uint64_t first)
{
    if (first % NN_RANDOM_BLOCK)
        return nn_uniform01_from(seed, step, stream, first);
    nn_vq2 words = nn_random_blocks(seed, step, stream, first / NN_RANDOM_BLOCK);
#if defined NN_DOUBLE
    return __builtin_convertvector((nn_vm)(words >> 11), nn_v) * nn_splat(0x1p-53);
#else
    return __builtin_convertvector((nn_vi)((nn_vw)words >> 8), nn_v) * nn_splat(0x1p-24f);
#endif
}

#else

NN_INLINE nn_v nn_uniform01_v(uint64_t seed, uint64_t step, uint32_t stream, uint64_t first)
{
    return nn_uniform01_from(seed, step, stream, first);
}

#endif

/* From the uniform numbers of whole pairs; where the first stands within a pair, one by one. */
NN_INLINE nn_v nn_normal_v(uint64_t seed, uint64_t step, uint32_t stream, uint64_t first)
{
    nn_real x[NN_L], u[NN_L], v[NN_L];
    uint8_t odd[NN_L];
    if (NN_L == 1 || first % 2) {
        for (int i = 0; i < NN_L; i++)
            x[i] = nn_normal(seed, step, stream, first + (uint64_t)i);
        return nn_load(x);
    }
    nn_store(x, nn_uniform01_v(seed, step, stream, first));
    for (int i = 0; i < NN_L; i++) {
        u[i] = 1 - x[i & ~1];
        v[i] = (nn_real)6.283185307179586477 * x[(i | 1) % NN_L];
        odd[i] = i & 1;
    }
    nn_v angle = nn_load(v);
    return nn_sqrt_v(nn_splat(-2) * nn_log_v(nn_load(u))) * nn_sel_v(nn_load_b(odd), nn_sin_v(angle), nn_cos_v(angle));
}

#endif
