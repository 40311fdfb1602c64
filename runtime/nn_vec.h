/* nn_vec.h: lanes. One text of generated code is bound here to the machine it is compiled for (nn_machine.h).
 *
 * nn_v is a vector of NN_L elements, nn_vi NN_L int32 lanes, nn_vm the mask that comparing two nn_v gives. Where NN_L is 1 all
 * of them are plain scalars, and the same text compiles: + - * /, unary - and comparisons are infix everywhere, the rest are
 * functions. Functions that end in _v, and those that exist for lanes only (nn_load, nn_splat, ...), take vectors; their
 * namesakes without _v take scalars. A lane has the bits that the scalar function gives.
 */
#ifndef NN_VEC_H
#define NN_VEC_H

#include "nn_machine.h"

/* Functions of one line read as a table, and are kept so. */
/* clang-format off */

/* --- lanes that are scalars --------------------------------------------------------------------------------------- */

#if NN_LANES_ARE_SCALARS

typedef nn_real nn_v;
typedef int32_t nn_vi;
typedef int nn_vm;
typedef nn_bits_t nn_vu;

NN_INLINE nn_v nn_load(const nn_real *p) { return *p; }
NN_INLINE nn_v nn_keep(nn_v x) { return x; }
NN_INLINE void nn_store(nn_real *p, nn_v x) { *p = x; }
NN_INLINE void nn_stream(int far, nn_real *p, nn_v x) { (void)far, *p = x; }
NN_INLINE nn_vi nn_load_i(const int32_t *p) { return *p; }
NN_INLINE void nn_store_i(int32_t *p, nn_vi x) { *p = x; }
NN_INLINE nn_vi nn_load_u8(const uint8_t *p) { return *p; }
NN_INLINE nn_vm nn_load_b(const uint8_t *p) { return *p != 0; }
NN_INLINE void nn_store_u8(uint8_t *p, nn_vi x) { *p = (uint8_t)x; }
NN_INLINE void nn_store_b(uint8_t *p, nn_vm m) { *p = m != 0; }

NN_INLINE nn_v nn_splat(nn_real x) { return x; }
NN_INLINE nn_vi nn_splat_i(int32_t x) { return x; }
NN_INLINE nn_vm nn_splat_m(int m) { return m != 0; }
NN_INLINE nn_vu nn_splat_u(nn_bits_t u) { return u; }
NN_INLINE nn_vi nn_iota_i(int32_t first) { return first; }

NN_INLINE nn_real nn_lane(nn_v x, int i) { return (void)i, x; }

NN_INLINE nn_v nn_v_of_i(nn_vi x) { return (nn_real)x; }
NN_INLINE nn_vi nn_i_of_v(nn_v x) { return nn_to_i(x); }
NN_INLINE nn_v nn_v_of_m(nn_vm m) { return (nn_real)(m != 0); }
NN_INLINE nn_vi nn_i_of_m(nn_vm m) { return m != 0; }
NN_INLINE nn_vm nn_m_of_v(nn_v x) { return x != 0; }
NN_INLINE nn_vm nn_m_of_i(nn_vi x) { return x != 0; }

NN_INLINE nn_v nn_sel_v(nn_vm m, nn_v a, nn_v b) { return m ? a : b; }
NN_INLINE nn_vi nn_sel_i_v(nn_vm m, nn_vi a, nn_vi b) { return m ? a : b; }
NN_INLINE nn_vm nn_sel_m_v(nn_vm m, nn_vm a, nn_vm b) { return m ? a : b; }

NN_INLINE nn_vm nn_and_m_v(nn_vm a, nn_vm b) { return a & b; }
NN_INLINE nn_vm nn_or_m_v(nn_vm a, nn_vm b) { return a | b; }
NN_INLINE nn_vm nn_not_m_v(nn_vm a) { return !a; }
NN_INLINE nn_vm nn_eq_m_v(nn_vm a, nn_vm b) { return a == b; }
NN_INLINE int nn_any_m(nn_vm m) { return m; }
NN_INLINE int nn_all_m(nn_vm m) { return m; }

NN_INLINE nn_vm nn_lt_i_v(nn_vi a, nn_vi b) { return a < b; }
NN_INLINE nn_vm nn_le_i_v(nn_vi a, nn_vi b) { return a <= b; }
NN_INLINE nn_vm nn_gt_i_v(nn_vi a, nn_vi b) { return a > b; }
NN_INLINE nn_vm nn_ge_i_v(nn_vi a, nn_vi b) { return a >= b; }
NN_INLINE nn_vm nn_eq_i_v(nn_vi a, nn_vi b) { return a == b; }
NN_INLINE nn_vm nn_ne_i_v(nn_vi a, nn_vi b) { return a != b; }
NN_INLINE nn_vi nn_max_i_v(nn_vi a, nn_vi b) { return a > b ? a : b; }
NN_INLINE nn_vi nn_min_i_v(nn_vi a, nn_vi b) { return a < b ? a : b; }
NN_INLINE nn_vi nn_add_i_v(nn_vi a, nn_vi b) { return nn_add_i(a, b); }
NN_INLINE nn_vi nn_sub_i_v(nn_vi a, nn_vi b) { return nn_sub_i(a, b); }
NN_INLINE nn_vi nn_mul_i_v(nn_vi a, nn_vi b) { return nn_mul_i(a, b); }
NN_INLINE nn_vi nn_neg_i_v(nn_vi a) { return nn_neg_i(a); }
NN_INLINE nn_vi nn_abs_i_v(nn_vi a) { return nn_abs_i(a); }

NN_INLINE nn_v nn_fma_v(nn_v a, nn_v b, nn_v c) { return nn_fma(a, b, c); }
NN_INLINE nn_v nn_sqrt_v(nn_v x) { return nn_sqrt(x); }
NN_INLINE nn_v nn_max_v(nn_v a, nn_v b) { return nn_max(a, b); }
NN_INLINE nn_v nn_min_v(nn_v a, nn_v b) { return nn_min(a, b); }
NN_INLINE nn_vu nn_bits_v(nn_v x) { return nn_bits(x); }
NN_INLINE nn_v nn_of_bits_v(nn_vu u) { return nn_of_bits(u); }

#else

/* --- lanes that are vectors --------------------------------------------------------------------------------------- */

#define NN_VBYTES (NN_VL * 4)

typedef nn_real nn_v __attribute__((vector_size(NN_VBYTES)));
typedef nn_bits_t nn_vu __attribute__((vector_size(NN_VBYTES)));
#if defined NN_DOUBLE
typedef int64_t nn_vm __attribute__((vector_size(NN_VBYTES)));
typedef int32_t nn_vi __attribute__((vector_size(NN_VBYTES / 2)));
typedef uint8_t nn_vb __attribute__((vector_size(NN_VBYTES / 8)));
#else
typedef int32_t nn_vm __attribute__((vector_size(NN_VBYTES)));
typedef int32_t nn_vi __attribute__((vector_size(NN_VBYTES)));
typedef uint8_t nn_vb __attribute__((vector_size(NN_VBYTES / 4)));
#endif

typedef uint32_t nn_vw __attribute__((vector_size(NN_L * 4)));

/* Users' pointers are aligned to their elements only. */
typedef nn_real nn_v_at __attribute__((vector_size(NN_VBYTES), aligned(sizeof(nn_real)), may_alias));
typedef int32_t nn_vi_at __attribute__((vector_size(NN_L * 4), aligned(4), may_alias));
typedef uint8_t nn_vb_at __attribute__((vector_size(NN_L), aligned(1), may_alias));
typedef int32_t nn_word_at __attribute__((aligned(1), may_alias));

NN_INLINE nn_v nn_load(const nn_real *p) { return *(const nn_v_at *)p; }
NN_INLINE void nn_store(nn_real *p, nn_v x) { *(nn_v_at *)p = x; }

/* Stores past the caches, of vectors that lie in one line each: see nn_streams below. */
NN_INLINE void nn_stream(int far, nn_real *p, nn_v x)
{
#if defined __AVX512F__ && NN_VL == 16
    if (far) {
        _mm512_stream_si512((__m512i *)(void *)p, (__m512i)x);
        return;
    }
#elif defined __AVX__ && NN_VL == 8
    if (far) {
        _mm256_stream_si256((__m256i *)(void *)p, (__m256i)x);
        return;
    }
#elif defined __SSE2__ && NN_VL == 4
    if (far) {
        _mm_stream_si128((__m128i *)(void *)p, (__m128i)x);
        return;
    }
#endif
    (void)far;
    nn_store(p, x);
}

/* x, in a register. What is loaded once and used several times gcc 12 loads again at each use (at -O2), and a load across
 * two cache lines costs two. */
NN_INLINE nn_v nn_keep(nn_v x)
{
#if defined __clang__
#elif NN_VL == 16 && defined __AVX512F__
    __asm__("" : "+v"(x));
#elif (NN_VL == 8 && defined __AVX__) || (NN_VL == 4 && defined __SSE2__)
    __asm__("" : "+x"(x));
#endif
    return x;
}
NN_INLINE nn_vi nn_load_i(const int32_t *p) { return *(const nn_vi_at *)p; }
NN_INLINE void nn_store_i(int32_t *p, nn_vi x) { *(nn_vi_at *)p = x; }

/* Bytes. gcc 12 makes the general conversion one by one. */
NN_INLINE nn_vi nn_load_u8(const uint8_t *p)
{
#if defined __AVX512F__ && NN_L == 16
    return (nn_vi)_mm512_maskz_cvtepu8_epi32((__mmask16)-1, _mm_loadu_si128((const __m128i *)(const void *)p));
#elif defined __AVX2__ && NN_L == 8
    return (nn_vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
#elif defined __SSE2__ && NN_L == 4
    __m128i x = _mm_cvtsi32_si128(*(const nn_word_at *)(const void *)p), zero = _mm_setzero_si128();
    return (nn_vi)_mm_unpacklo_epi16(_mm_unpacklo_epi8(x, zero), zero);
#else
    return __builtin_convertvector(*(const nn_vb_at *)p, nn_vi);
#endif
}

/* The lowest byte of each. */
NN_INLINE void nn_store_u8(uint8_t *p, nn_vi x)
{
#if defined __AVX512F__ && NN_L == 16
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_maskz_cvtepi32_epi8((__mmask16)-1, (__m512i)x));
#elif defined __AVX2__ && NN_L == 8
    const __m128i low = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m128i a = _mm_shuffle_epi8(_mm256_castsi256_si128((__m256i)x), low);
    __m128i b = _mm_shuffle_epi8(_mm256_extracti128_si256((__m256i)x, 1), low);
    _mm_storel_epi64((__m128i *)(void *)p, _mm_unpacklo_epi32(a, b));
#elif defined __SSE2__ && NN_L == 4
    __m128i a = _mm_packs_epi32((__m128i)(x & 255), _mm_setzero_si128());
    *(nn_word_at *)(void *)p = _mm_cvtsi128_si32(_mm_packus_epi16(a, a));
#else
    *(nn_vb_at *)p = __builtin_convertvector(x & 255, nn_vb);
#endif
}

/* x - 0 is x, -0 included, and both compilers see a broadcast. */
NN_INLINE nn_v nn_splat(nn_real x)
{
    nn_v zero = {0};
    return x - zero;
}

NN_INLINE nn_vi nn_splat_i(int32_t x)
{
    nn_vi zero = {0};
    return x + zero;
}

NN_INLINE nn_vu nn_splat_u(nn_bits_t x)
{
    nn_vu zero = {0};
    return x + zero;
}

NN_INLINE nn_vm nn_splat_m(int m)
{
    nn_vm zero = {0};
    return zero - (m != 0);
}

NN_INLINE nn_vi nn_iota_i(int32_t first)
{
#if NN_VBYTES / 4 == 16 && !defined NN_DOUBLE
    nn_vi step = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif (NN_VL == 8 && !defined NN_DOUBLE) || (NN_VL == 16 && defined NN_DOUBLE)
    nn_vi step = {0, 1, 2, 3, 4, 5, 6, 7};
#elif (NN_VL == 4 && !defined NN_DOUBLE) || (NN_VL == 8 && defined NN_DOUBLE)
    nn_vi step = {0, 1, 2, 3};
#else
    nn_vi step = {0, 1};
#endif
    return first + step;
}

NN_INLINE nn_real nn_lane(nn_v x, int i) { return x[i]; }

/* Masks of the reals' width and of int32's. */
NN_INLINE nn_vm nn_wide_m(nn_vi m)
{
#if defined NN_DOUBLE
    return __builtin_convertvector(m, nn_vm);
#else
    return m;
#endif
}

NN_INLINE nn_vi nn_narrow_m(nn_vm m)
{
#if defined NN_DOUBLE
    return __builtin_convertvector(m, nn_vi);
#else
    return m;
#endif
}

NN_INLINE nn_vu nn_bits_v(nn_v x) { return (nn_vu)x; }
NN_INLINE nn_v nn_of_bits_v(nn_vu u) { return (nn_v)u; }

NN_INLINE nn_v nn_sel_v(nn_vm m, nn_v a, nn_v b)
{
#if defined __AVX__ && !defined __AVX512F__ && NN_VL == 8 && defined NN_DOUBLE
    return (nn_v)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)m);
#elif defined __AVX__ && !defined __AVX512F__ && NN_VL == 8
    return (nn_v)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
#else
    return (nn_v)((m & (nn_vm)a) | (~m & (nn_vm)b));
#endif
}

NN_INLINE nn_vi nn_sel_i_v(nn_vm m, nn_vi a, nn_vi b)
{
    nn_vi n = nn_narrow_m(m);
    return (n & a) | (~n & b);
}

NN_INLINE nn_vm nn_sel_m_v(nn_vm m, nn_vm a, nn_vm b) { return (m & a) | (~m & b); }

NN_INLINE nn_vm nn_and_m_v(nn_vm a, nn_vm b) { return a & b; }
NN_INLINE nn_vm nn_or_m_v(nn_vm a, nn_vm b) { return a | b; }
NN_INLINE nn_vm nn_not_m_v(nn_vm a) { return ~a; }
NN_INLINE nn_vm nn_eq_m_v(nn_vm a, nn_vm b) { return ~(a ^ b); }

NN_INLINE int nn_any_m(nn_vm m)
{
    int any = 0;
    for (int i = 0; i < NN_L; i++)
        any |= m[i] != 0;
    return any;
}

NN_INLINE int nn_all_m(nn_vm m) { return !nn_any_m(~m); }

NN_INLINE nn_vm nn_lt_i_v(nn_vi a, nn_vi b) { return nn_wide_m(a < b); }
NN_INLINE nn_vm nn_le_i_v(nn_vi a, nn_vi b) { return nn_wide_m(a <= b); }
NN_INLINE nn_vm nn_gt_i_v(nn_vi a, nn_vi b) { return nn_wide_m(a > b); }
NN_INLINE nn_vm nn_ge_i_v(nn_vi a, nn_vi b) { return nn_wide_m(a >= b); }
NN_INLINE nn_vm nn_eq_i_v(nn_vi a, nn_vi b) { return nn_wide_m(a == b); }
NN_INLINE nn_vm nn_ne_i_v(nn_vi a, nn_vi b) { return nn_wide_m(a != b); }

NN_INLINE nn_vi nn_max_i_v(nn_vi a, nn_vi b)
{
    nn_vi m = a > b;
    return (m & a) | (~m & b);
}

NN_INLINE nn_vi nn_min_i_v(nn_vi a, nn_vi b)
{
    nn_vi m = a < b;
    return (m & a) | (~m & b);
}

/* In unsigned lanes: signed ones may not overflow. */
NN_INLINE nn_vi nn_add_i_v(nn_vi a, nn_vi b) { return (nn_vi)((nn_vw)a + (nn_vw)b); }
NN_INLINE nn_vi nn_sub_i_v(nn_vi a, nn_vi b) { return (nn_vi)((nn_vw)a - (nn_vw)b); }
NN_INLINE nn_vi nn_mul_i_v(nn_vi a, nn_vi b) { return (nn_vi)((nn_vw)a * (nn_vw)b); }
NN_INLINE nn_vi nn_neg_i_v(nn_vi a) { return (nn_vi)(0u - (nn_vw)a); }
NN_INLINE nn_vi nn_abs_i_v(nn_vi a) { return nn_max_i_v(a, nn_neg_i_v(a)); }

NN_INLINE nn_v nn_v_of_i(nn_vi x) { return __builtin_convertvector(x, nn_v); }

NN_INLINE nn_v nn_v_of_m(nn_vm m)
{
    return (nn_v)(m & (nn_vm)nn_splat(1));
}

NN_INLINE nn_vi nn_i_of_m(nn_vm m) { return nn_narrow_m(m) & 1; }
NN_INLINE nn_vm nn_m_of_v(nn_v x) { return x != nn_splat(0); }
NN_INLINE nn_vm nn_m_of_i(nn_vi x) { return nn_wide_m(x != nn_splat_i(0)); }
NN_INLINE nn_vm nn_load_b(const uint8_t *p) { return nn_m_of_i(nn_load_u8(p)); }
NN_INLINE void nn_store_b(uint8_t *p, nn_vm m) { nn_store_u8(p, nn_i_of_m(m)); }

/* As nn_to_i. What does not fit is taken out before the conversion, which leaves it undefined. */
NN_INLINE nn_vi nn_i_of_v(nn_v x)
{
    nn_vm high = x >= nn_splat((nn_real)2147483648.0), low = x < nn_splat((nn_real)-2147483648.0);
    nn_vm in = ~(high | low) & (x == x);
    nn_vi i = __builtin_convertvector((nn_v)(in & (nn_vm)x), nn_vi);
    nn_vi hi = nn_narrow_m(high), lo = nn_narrow_m(low);
    return (~(hi | lo) & i) | (hi & INT32_MAX) | (lo & INT32_MIN);
}

/* The machine's own instructions on registers of type NN_W; a vector is NN_WIDES of them. Without any, lane by lane. */
#if defined __AVX512F__ && NN_VL == 16
/* The forms with a mask, for the plain ones of gcc 12 draw a warning about their own undefined operand in C++; and of a
 * NaN in the first operand the larger and the smaller are that. */
#define NN_W_KEEPS_NAN
#if defined NN_DOUBLE
#define NN_W_ALL ((__mmask8)-1)
#define NN_W __m512d
#define NN_W_SQRT(a) _mm512_maskz_sqrt_pd(NN_W_ALL, a)
#define NN_W_MAX(a, b) _mm512_mask_max_pd(a, _mm512_cmp_pd_mask(a, a, _CMP_ORD_Q), a, b)
#define NN_W_MIN(a, b) _mm512_mask_min_pd(a, _mm512_cmp_pd_mask(a, a, _CMP_ORD_Q), a, b)
#define NN_W_FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#else
#define NN_W_ALL ((__mmask16)-1)
#define NN_W __m512
#define NN_W_SQRT(a) _mm512_maskz_sqrt_ps(NN_W_ALL, a)
#define NN_W_MAX(a, b) _mm512_mask_max_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a, b)
#define NN_W_MIN(a, b) _mm512_mask_min_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a, b)
#define NN_W_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#endif
#elif defined __AVX__ && NN_VL >= 8
#if defined NN_DOUBLE
#define NN_W __m256d
#define NN_W_SQRT(a) _mm256_sqrt_pd(a)
#define NN_W_MAX(a, b) _mm256_max_pd(a, b)
#define NN_W_MIN(a, b) _mm256_min_pd(a, b)
#if defined __FMA__
#define NN_W_FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#endif
#else
#define NN_W __m256
#define NN_W_SQRT(a) _mm256_sqrt_ps(a)
#define NN_W_MAX(a, b) _mm256_max_ps(a, b)
#define NN_W_MIN(a, b) _mm256_min_ps(a, b)
#if defined __FMA__
#define NN_W_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#endif
#endif
#elif defined __SSE2__
#if defined NN_DOUBLE
#define NN_W __m128d
#define NN_W_SQRT(a) _mm_sqrt_pd(a)
#define NN_W_MAX(a, b) _mm_max_pd(a, b)
#define NN_W_MIN(a, b) _mm_min_pd(a, b)
#if defined __FMA__
#define NN_W_FMA(a, b, c) _mm_fmadd_pd(a, b, c)
#endif
#else
#define NN_W __m128
#define NN_W_SQRT(a) _mm_sqrt_ps(a)
#define NN_W_MAX(a, b) _mm_max_ps(a, b)
#define NN_W_MIN(a, b) _mm_min_ps(a, b)
#if defined __FMA__
#define NN_W_FMA(a, b, c) _mm_fmadd_ps(a, b, c)
#endif
#endif
#elif defined __aarch64__ && defined __ARM_NEON
#if defined NN_DOUBLE
#define NN_W float64x2_t
#define NN_W_SQRT(a) vsqrtq_f64(a)
#define NN_W_FMA(a, b, c) vfmaq_f64(c, a, b)
#else
#define NN_W float32x4_t
#define NN_W_SQRT(a) vsqrtq_f32(a)
#define NN_W_FMA(a, b, c) vfmaq_f32(c, a, b)
#endif
#endif

#if defined NN_W
#define NN_WIDES ((int)(NN_VBYTES / sizeof(NN_W)))
typedef union nn_wide {
    nn_v v;
    NN_W w[NN_VBYTES / sizeof(NN_W)];
} nn_wide;
#endif

NN_INLINE nn_v nn_fma_v(nn_v a, nn_v b, nn_v c)
{
#if !NN_FUSED
    return a * b + c;
#elif defined NN_W_FMA
    nn_wide p, q, r;
    p.v = a, q.v = b, r.v = c;
    for (int i = 0; i < NN_WIDES; i++)
        r.w[i] = NN_W_FMA(p.w[i], q.w[i], r.w[i]);
    return r.v;
#else
    for (int i = 0; i < NN_L; i++)
        c[i] = nn_fma(a[i], b[i], c[i]);
    return c;
#endif
}

NN_INLINE nn_v nn_sqrt_v(nn_v x)
{
#if defined NN_W_SQRT
    nn_wide p;
    p.v = x;
    for (int i = 0; i < NN_WIDES; i++)
        p.w[i] = NN_W_SQRT(p.w[i]);
    return p.v;
#else
    for (int i = 0; i < NN_L; i++)
        x[i] = nn_sqrt(x[i]);
    return x;
#endif
}

/* x86's max gives its second operand where either is NaN: only a NaN in the first needs help. */
NN_INLINE nn_v nn_with_nan_of(nn_v a, nn_v most)
{
#if defined NN_W_KEEPS_NAN
    return (void)a, most;
#else
    return nn_sel_v(a != a, a, most);
#endif
}

NN_INLINE nn_v nn_max_v(nn_v a, nn_v b)
{
#if defined NN_W_MAX
    nn_wide p, q;
    p.v = a, q.v = b;
    for (int i = 0; i < NN_WIDES; i++)
        q.w[i] = NN_W_MAX(p.w[i], q.w[i]);
    return nn_with_nan_of(a, q.v);
#else
    return nn_sel_v((a > b) | (a != a), a, b);
#endif
}

NN_INLINE nn_v nn_min_v(nn_v a, nn_v b)
{
#if defined NN_W_MIN
    nn_wide p, q;
    p.v = a, q.v = b;
    for (int i = 0; i < NN_WIDES; i++)
        q.w[i] = NN_W_MIN(p.w[i], q.w[i]);
    return nn_with_nan_of(a, q.v);
#else
    return nn_sel_v((a < b) | (a != a), a, b);
#endif
}

#endif /* lanes */

NN_INLINE nn_vm nn_true_m(void) { return nn_splat_m(1); }
NN_INLINE nn_vm nn_false_m(void) { return nn_splat_m(0); }

/* --- streams ------------------------------------------------------------------------------------------------------ */

/* Results of so many bytes are in no cache when they are read. */
#if !defined NN_STREAMED_BYTES
#define NN_STREAMED_BYTES 16777216
#endif

NN_INLINE int nn_streams(const void *p, size_t bytes)
{
    return bytes >= NN_STREAMED_BYTES && (uintptr_t)p % 64 == 0;
}

/* Other threads see what this one has streamed. Those of a loop end at a barrier, whose locked instructions say the same. */
NN_INLINE void nn_streamed(void)
{
#if defined __SSE2__ && NN_VL > 1
    _mm_sfence();
#endif
}

/* --- folds -------------------------------------------------------------------------------------------------------- */

/* The end of every reduction along a contiguous axis: 16 partial results, wherever they came from, in one fixed tree:
 * each with the one 8 further, then 4, 2, 1. In vectors where the compiler can shift one. */
#define NN_ADD(a, b) ((a) + (b))
#define NN_MUL(a, b) ((a) * (b))
#if defined __GNUC__ && !defined __clang__ && NN_L > 1
NN_INLINE nn_v nn_shifted(nn_v x, int by)
{
    nn_vm from;
    for (int i = 0; i < NN_L; i++)
        from[i] = (i + by) % NN_L;
    return __builtin_shuffle(x, from);
}

#define NN_FOLD(name, combine, combine_v)                                                                              \
    NN_INLINE nn_real name(const nn_real *x)                                                                           \
    {                                                                                                                  \
        nn_v t[16 / NN_L];                                                                                             \
        NN_UNROLL                                                                                                      \
        for (int i = 0; i < 16 / NN_L; i++)                                                                            \
            t[i] = nn_load(x + i * NN_L);                                                                              \
        NN_UNROLL                                                                                                      \
        for (int half = 8 / NN_L; half > 0; half /= 2)                                                                 \
            NN_UNROLL                                                                                                  \
            for (int i = 0; i < half; i++)                                                                             \
                t[i] = combine_v(t[i], t[i + half]);                                                                   \
        NN_UNROLL                                                                                                      \
        for (int half = NN_L / 2; half > 0; half /= 2)                                                                 \
            t[0] = combine_v(t[0], nn_shifted(t[0], half));                                                            \
        return t[0][0];                                                                                                \
    }
#else
#define NN_FOLD(name, combine, combine_v)                                                                              \
    NN_INLINE nn_real name(const nn_real *x)                                                                           \
    {                                                                                                                  \
        nn_real t[8];                                                                                                  \
        for (int i = 0; i < 8; i++)                                                                                    \
            t[i] = combine(x[i], x[i + 8]);                                                                            \
        for (int half = 4; half > 0; half /= 2)                                                                        \
            for (int i = 0; i < half; i++)                                                                             \
                t[i] = combine(t[i], t[i + half]);                                                                     \
        return t[0];                                                                                                   \
    }
#endif

NN_FOLD(nn_fold_add, NN_ADD, NN_ADD)
NN_FOLD(nn_fold_mul, NN_MUL, NN_MUL)
NN_FOLD(nn_fold_max, nn_max, nn_max_v)
NN_FOLD(nn_fold_min, nn_min, nn_min_v)
#undef NN_FOLD
#undef NN_ADD
#undef NN_MUL

/* --- squares ------------------------------------------------------------------------------------------------------ */

/* y[i * rows + j] = x[j * columns + i] for i and j in 0..16. In registers where the compiler can shuffle two: squares of NN_L
 * rows, whose halves change places, then the halves of those (Eklundh 1972). */
#if defined __GNUC__ && !defined __clang__ && NN_L > 1
NN_INLINE void nn_swap_halves(nn_v *a, nn_v *b, int d)
{
    nn_vm low, high;
    for (int i = 0; i < NN_L; i++) {
        low[i] = i & d ? NN_L + i - d : i;
        high[i] = i & d ? NN_L + i : i + d;
    }
    nn_v first = __builtin_shuffle(*a, *b, low);
    *b = __builtin_shuffle(*a, *b, high);
    *a = first;
}

NN_INLINE void nn_turn(nn_real *y, ptrdiff_t rows, const nn_real *x, ptrdiff_t columns)
{
    for (int i = 0; i < 16; i += NN_L)
        for (int j = 0; j < 16; j += NN_L) {
            nn_v r[NN_L];
            NN_UNROLL
            for (int k = 0; k < NN_L; k++)
                r[k] = nn_load(x + (j + k) * columns + i);
            NN_UNROLL
            for (int d = NN_L / 2; d > 0; d /= 2)
                NN_UNROLL
                for (int k = 0; k < NN_L; k++)
                    if (!(k & d))
                        nn_swap_halves(&r[k], &r[k + d], d);
            NN_UNROLL
            for (int k = 0; k < NN_L; k++)
                nn_store(y + (i + k) * rows + j, r[k]);
        }
}
#else
NN_INLINE void nn_turn(nn_real *y, ptrdiff_t rows, const nn_real *x, ptrdiff_t columns)
{
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++)
            y[i * rows + j] = x[j * columns + i];
}
#endif

#endif
