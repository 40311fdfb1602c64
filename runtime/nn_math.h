/* nn_math.h: elementary functions of our own, for scalars (nn_exp) and lanes (nn_exp_v). They give the same bits for
 * every compiler and flag and, unfused (NN_PORTABLE), on every CPU; libm's do not. Errors against the exact value, in
 * units in the last place, are in README.md; all are below 2.5.
 *
 * Edge cases are those of C: NaN in gives NaN, infinities and denormal numbers are handled, sin and cos reduce
 * arguments of any size. The algorithms are in nn_math_body.h.
 */
#ifndef NN_MATH_H
#define NN_MATH_H

#include "nn_vec.h"

/* --- huge arguments of sin and cos -------------------------------------------------------------------------------- */

/* Up to here three parts of pi/2 do. */
#if defined NN_DOUBLE
#define NN_TRIG_FAST 524288.0
#else
#define NN_TRIG_FAST 8192.0
#endif

NN_INLINE uint64_t nn_bits64(double x)
{
    union {
        double x;
        uint64_t u;
    } p;
    p.x = x;
    return p.u;
}

NN_INLINE double nn_double_of_bits(uint64_t u)
{
    union {
        double x;
        uint64_t u;
    } p;
    p.u = u;
    return p.x;
}

/* 64 bits of a number stored in 32-bit limbs, lowest first, from bit `at` on. */
NN_INLINE uint64_t nn_limbs_at(const uint32_t *limb, int at)
{
    int i = at / 32, shift = at % 32;
    uint64_t low = limb[i] | (uint64_t)limb[i + 1] << 32;
    return shift ? low >> shift | (uint64_t)limb[i + 2] << (64 - shift) : low;
}

/* a * b = the result + *rest. */
NN_INLINE double nn_mul_exact(double a, double b, double *rest)
{
    double p = a * b;
    double ah = nn_double_of_bits(nn_bits64(a) & 0xFFFFFFFFF8000000u), al = a - ah;
    double bh = nn_double_of_bits(nn_bits64(b) & 0xFFFFFFFFF8000000u), bl = b - bh;
    *rest = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    return p;
}

/* x = q * pi/2 + hi + lo for any finite x >= 1024 (Payne and Hanek): x is a 53-bit integer times 2^e; of 2/pi only the
 * limbs are multiplied that neither give whole turns nor lie below the digits wanted. Returns q modulo 4. */
static NN_UNUSED NN_NOINLINE uint32_t nn_trig_huge(double x, double *hi, double *lo)
{
    static const uint32_t two_over_pi[] = {
        0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u,
        0xb7246e3au, 0x424dd2e0u, 0x06492eeau, 0x09d1921cu, 0xfe1deb1cu, 0xb129a73eu, 0xe88235f5u, 0x2ebb4484u,
        0xe99c7026u, 0xb45f7e41u, 0x3991d639u, 0x835339f4u, 0x9c845f8bu, 0xbdf9283bu, 0x1ff897ffu, 0xde05980fu,
        0xef2f118bu, 0x5a0a6d1fu, 0x6d367ecfu, 0x27cb09b7u, 0x4f463f66u, 0x9e5fea2du, 0x7527bac7u, 0xebe5f17bu,
        0x3d0739f7u, 0x8a5292eau, 0x6bfb5fb1u, 0x1f8d5d08u, 0x56033046u, 0xfc7b6babu, 0xf0cfbc20u
    };
    uint64_t u = nn_bits64(x);
    int e = (int)(u >> 52 & 0x7FF) - 1075;
    uint64_t m = (u & 0xFFFFFFFFFFFFFu) | 0x10000000000000u;
    uint64_t part[2] = { m & 0xFFFFFFFFu, m >> 32 };
    int first = e >= 34 ? (e - 2) / 32 : 0;

    uint32_t product[12] = { 0 }; /* lowest limb first, with room for nn_limbs_at */
    for (int i = 0; i < 2; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 7; j++) {
            carry += part[i] * two_over_pi[first + 6 - j] + product[i + j];
            product[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        product[i + 7] = (uint32_t)carry;
    }

    int point = 32 * (first + 7) - e; /* bits behind the binary point */
    uint32_t q = (uint32_t)(nn_limbs_at(product, point) & 3);
    uint64_t f1 = nn_limbs_at(product, point - 64), f0 = nn_limbs_at(product, point - 128);
    int negative = (int)(f1 >> 63);
    if (negative) { /* nearer to the next multiple */
        q++;
        f1 = ~f1 + (f0 == 0);
        f0 = ~f0 + 1;
    }
    int shift = 0;
    while (!(f1 >> 63) && shift < 120) {
        f1 = f1 << 1 | f0 >> 63;
        f0 <<= 1;
        shift++;
    }
    double scale = nn_double_of_bits((uint64_t)(1023 - 53 - shift) << 52);
    double high = (double)(f1 >> 11) * scale;
    double low = (double)(f1 << 53 | f0 >> 11) * scale * 0x1p-64;
    double rest, r = nn_mul_exact(high, 0x1.921fb54442d18p+0, &rest);
    rest += high * 0x1.1a62633145c07p-54 + low * 0x1.921fb54442d18p+0;
    double sum = r + rest;
    rest = (r - sum) + rest;
    *hi = negative ? -sum : sum;
    *lo = negative ? -rest : rest;
    return q & 3;
}

NN_INLINE nn_bits_t nn_trig_slow(nn_real x, nn_bits_t q, nn_real *r, nn_real *lo)
{
    double hi, low;
    if (!(x - x == 0) || (x < 0 ? -x : x) <= (nn_real)NN_TRIG_FAST)
        return q;
    uint32_t turns = nn_trig_huge((double)(x < 0 ? -x : x), &hi, &low);
    if (x < 0) {
        hi = -hi;
        low = -low;
        turns = 0u - turns;
    }
    *r = (nn_real)hi;
    *lo = (nn_real)(hi - (double)*r + low);
    return turns;
}

NN_INLINE nn_vu nn_trig_slow_v(nn_v x, nn_vu q, nn_v *r, nn_v *lo)
{
    union {
        nn_vu v;
        nn_bits_t u[NN_L];
    } turns;
    nn_real xs[NN_L], rs[NN_L], ls[NN_L];
    turns.v = q;
    nn_store(xs, x);
    nn_store(rs, *r);
    nn_store(ls, *lo);
    for (int i = 0; i < NN_L; i++)
        turns.u[i] = nn_trig_slow(xs[i], turns.u[i], &rs[i], &ls[i]);
    *r = nn_load(rs);
    *lo = nn_load(ls);
    return turns.v;
}

/* --- scalars, then lanes ------------------------------------------------------------------------------------------ */

#define NN_T             nn_real
#define NN_M             int
#define NN_U             nn_bits_t
#define NN_F(name)       name
#define NN_K(x)          ((nn_real)(x))
#define NN_KU(x)         ((nn_bits_t)(x))
#define NN_PICK(m, a, b) nn_sel(m, a, b)
#define NN_AND(a, b)     ((a) && (b))
#define NN_OR(a, b)      ((a) || (b))
#define NN_ANY(m)        (m)
#include "nn_math_body.h"
#undef NN_T
#undef NN_M
#undef NN_U
#undef NN_F
#undef NN_K
#undef NN_KU
#undef NN_PICK
#undef NN_AND
#undef NN_OR
#undef NN_ANY

#define NN_T             nn_v
#define NN_M             nn_vm
#define NN_U             nn_vu
#define NN_F(name)       name##_v
#define NN_K(x)          nn_splat((nn_real)(x))
#define NN_KU(x)         nn_splat_u((nn_bits_t)(x))
#define NN_PICK(m, a, b) nn_sel_v(m, a, b)
#define NN_AND(a, b)     nn_and_m_v(a, b)
#define NN_OR(a, b)      nn_or_m_v(a, b)
#define NN_ANY(m)        nn_any_m(m)
#if defined __AVX512F__ && NN_VL == 16 && defined NN_DOUBLE
#define NN_SCALE(y, n) ((nn_v)_mm512_scalef_pd((__m512d)(y), (__m512d)(n)))
#elif defined __AVX512F__ && NN_VL == 16
#define NN_SCALE(y, n) ((nn_v)_mm512_scalef_ps((__m512)(y), (__m512)(n)))
#endif
#include "nn_math_body.h"
#undef NN_T
#undef NN_M
#undef NN_U
#undef NN_F
#undef NN_K
#undef NN_KU
#undef NN_PICK
#undef NN_AND
#undef NN_OR
#undef NN_ANY
#undef NN_SCALE

#endif
