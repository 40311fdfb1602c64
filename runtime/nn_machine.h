/* nn_machine.h: what a file is compiled for, and numbers one by one: how many lanes there are, whether products are fused,
 * what compilers have to be told, and the scalar functions that lanes (nn_vec.h) have namesakes of. A mask is 0 or 1
 * here, and integers wrap.
 *
 * NN_DOUBLE    nn_real, the element, is double; a file that computes in double defines it first.
 * NN_VL        f32 lanes: 16 with AVX-512, 8 with AVX, 4 with SSE2 or NEON, else 1. -DNN_VL=n overrides; a width beyond the
 *              machine's is right but slow.
 * NN_PORTABLE  multiply-adds are a product and a sum on every CPU. Otherwise they are fused where the CPU can.
 *
 * Nothing from libc is called but fma and square root, where the compiler has no instruction for them.
 */
#ifndef NN_MACHINE_H
#define NN_MACHINE_H

/* Functions of one line read as a table, and are kept so. */
/* clang-format off */

#if defined __FAST_MATH__ || (defined __FINITE_MATH_ONLY__ && __FINITE_MATH_ONLY__)
#error "compiled under -ffast-math: that changes results without a word; remove the flag"
#endif

/* The compiler must not fuse on its own: which products are fused would depend on its version and flags. Nor may it change
 * loops for each other, which at -O3 changes the order of sums in memory (gcc 12 does it to vectors). Without no-math-errno
 * gcc calls sqrtf to set errno. */
#if defined __clang__
#pragma STDC FP_CONTRACT OFF
#elif defined __GNUC__
#pragma GCC optimize("fp-contract=off", "no-loop-interchange", "no-math-errno")
#endif

/* For x86 gcc leaves the order of instructions to the CPU, which does not see far enough to find the next vector's behind a
 * chain as long as an exponential's. With 32 registers gcc can let the chains alternate; with 16 products run out of them, and
 * with 32 those kernels whose sums fill nearly all: NN_TIGHT. */
#if defined __AVX512F__ && defined __GNUC__ && !defined __clang__
#pragma GCC optimize("schedule-insns", "sched-pressure")
#define NN_TIGHT __attribute__((optimize("no-schedule-insns")))
#else
#define NN_TIGHT
#endif

#include <stddef.h>
#include <stdint.h>

/* Vectors wider than the machine's registers draw a note about the calling convention. All functions here are inlined,
 * so there is none to disagree about. */
#if defined __clang__
#pragma clang diagnostic ignored "-Wpsabi"
#elif defined __GNUC__
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#if defined __AVX__ && (defined __GNUC__ || defined __clang__)
#include <immintrin.h>
#elif defined __SSE2__ && (defined __GNUC__ || defined __clang__)
#include <emmintrin.h> /* the other takes a compiler half a second */
#elif defined __aarch64__ && defined __ARM_NEON && (defined __GNUC__ || defined __clang__)
#include <arm_neon.h>
#endif

#if !defined __GNUC__
#include <math.h>
#endif

/* --- attributes and pragmas --------------------------------------------------------------------------------------- */

#if defined __GNUC__
#define NN_INLINE static inline __attribute__((always_inline))
#define NN_NOINLINE __attribute__((noinline))
#define NN_UNUSED __attribute__((unused))
#define NN_ALIGN(bytes) __attribute__((aligned(bytes)))
#define NN_RESTRICT __restrict__
#define nn_prefetch(p) __builtin_prefetch(p)
#define NN_LIKELY(x) __builtin_expect(!!(x), 1)
#define NN_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define NN_INLINE static inline
#define NN_NOINLINE
#define NN_UNUSED
#define NN_ALIGN(bytes)
#define NN_RESTRICT
#define nn_prefetch(p) ((void)(p))
#define NN_LIKELY(x) (x)
#define NN_UNLIKELY(x) (x)
#endif

/* Before a loop with constant bounds over a register tile: without it the tile lives in memory. NN_UNROLL_K before the
 * loop over k, whose bounds need not be constant. */
#if defined __clang__
#define NN_UNROLL _Pragma("clang loop unroll(full)")
#define NN_UNROLL_K _Pragma("clang loop unroll_count(4)")
#elif defined __GNUC__
#define NN_UNROLL _Pragma("GCC unroll 64")
#define NN_UNROLL_K _Pragma("GCC unroll 4")
#else
#define NN_UNROLL
#define NN_UNROLL_K
#endif

/* At the head of a kernel: what n is at most. clang reckons with the range of each variable in an address; where one has no
 * bound, and loops are many, it may take minutes. */
#if defined __clang__
#define NN_AT_MOST(n, most) ((n) = (n) < (most) ? (n) : (most))
#else
#define NN_AT_MOST(n, most) ((void)0)
#endif

#if defined __GNUC__
#define NN_INF ((nn_real)__builtin_inf())
#define NN_NAN ((nn_real)__builtin_nan(""))
#else
#define NN_INF ((nn_real)INFINITY)
#define NN_NAN ((nn_real)NAN)
#endif

#if defined __cplusplus
#define NN_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define NN_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* --- how wide ----------------------------------------------------------------------------------------------------- */

#if !defined NN_VL
#if !defined __GNUC__
#define NN_VL 1
#elif defined __AVX512F__
#define NN_VL 16
#elif defined __AVX__
#define NN_VL 8
#elif defined __SSE2__ || defined __ARM_NEON
#define NN_VL 4
#else
#define NN_VL 1
#endif
#endif

#if NN_VL != 1 && NN_VL != 4 && NN_VL != 8 && NN_VL != 16
#error "NN_VL must be 1, 4, 8 or 16"
#endif
#if NN_VL > 1 && !defined __GNUC__
#error "NN_VL above 1 needs the vector extensions of gcc or clang"
#endif

/* Vectors that a wide loop takes at a time: a tile of 8 rows by this many is held in registers; and a wider one, which holds
 * up to 4 sums. */
#if NN_VL == 16 || defined __aarch64__
#define NN_WIDE 2
#define NN_WIDER 4
#else
#define NN_WIDE 1
#define NN_WIDER 2
#endif

#if defined NN_DOUBLE
typedef double nn_real;
typedef uint64_t nn_bits_t;
#define NN_L (NN_VL == 1 ? 1 : NN_VL / 2)
#define NN_LANES_ARE_SCALARS (NN_VL == 1)
#else
typedef float nn_real;
typedef uint32_t nn_bits_t;
#define NN_L NN_VL
#define NN_LANES_ARE_SCALARS (NN_VL == 1)
#endif

/* Layouts and the order of sums know blocks of 16 whatever the lanes: NN_BLOCK_V vectors a block. */
#define NN_BLOCK 16
#define NN_BLOCK_V (NN_BLOCK / NN_L)

/* clang splits 64-byte vectors in two for some CPUs unless the function says otherwise. */
#if defined __clang__ && NN_VL == 16 && defined __AVX512F__
#define NN_KERNEL __attribute__((noinline, __min_vector_width__(512)))
#define NN_PART __attribute__((__min_vector_width__(512)))
#elif defined __GNUC__
#define NN_KERNEL __attribute__((noinline))
#define NN_PART
#else
#define NN_KERNEL
#define NN_PART
#endif

/* --- fused or not ------------------------------------------------------------------------------------------------- */

#if defined NN_PORTABLE
#include <float.h>
/* 16 says the same, and that half a precision has arithmetic too (C23): gcc's where a CPU has AVX512-FP16. */
NN_STATIC_ASSERT(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16, "portable results need arithmetic in the type's own precision");
#define NN_FUSED 0
#elif defined __FMA__ || defined __AVX512F__ || defined __aarch64__
#define NN_FUSED 1
#elif defined NN_DOUBLE && defined __FP_FAST_FMA
#define NN_FUSED 1
#elif !defined NN_DOUBLE && (defined __FP_FAST_FMAF || defined __ARM_FEATURE_FMA)
#define NN_FUSED 1
#elif defined __riscv_flen
#if __riscv_flen >= 64 || (__riscv_flen >= 32 && !defined NN_DOUBLE)
#define NN_FUSED 1
#else
#define NN_FUSED 0
#endif
#else
#define NN_FUSED 0
#endif

/* What this compilation computes with, in words. */
#define NN_TEXT_OF(x) #x
#define NN_TEXT(x)    NN_TEXT_OF(x)
#if NN_FUSED
#define NN_ARITHMETIC NN_TEXT(NN_VL) " f32 lanes, fused multiply-add"
#else
#define NN_ARITHMETIC NN_TEXT(NN_VL) " f32 lanes, no fused multiply-add"
#endif

#define NN_FMA(a, b, c) nn_fma(a, b, c)
#define NN_FMA_V(a, b, c) nn_fma_v(a, b, c)

/* --- scalars ------------------------------------------------------------------------------------------------------ */

NN_INLINE nn_real nn_fma(nn_real a, nn_real b, nn_real c)
{
#if !NN_FUSED
    return a * b + c;
#elif defined NN_DOUBLE
    return __builtin_fma(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
}

NN_INLINE nn_real nn_sqrt(nn_real x)
{
#if defined __SSE2__ && defined NN_DOUBLE && defined __GNUC__
    return _mm_cvtsd_f64(_mm_sqrt_pd(_mm_set_sd(x)));
#elif defined __SSE2__ && defined __GNUC__
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
#elif defined __GNUC__ && defined NN_DOUBLE
    return __builtin_sqrt(x);
#elif defined __GNUC__
    return __builtin_sqrtf(x);
#elif defined NN_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

/* The bits of a value, and the value of bits. */
NN_INLINE nn_bits_t nn_bits(nn_real x)
{
    union { nn_real x; nn_bits_t u; } p;
    p.x = x;
    return p.u;
}

NN_INLINE nn_real nn_of_bits(nn_bits_t u)
{
    union { nn_real x; nn_bits_t u; } p;
    p.u = u;
    return p.x;
}

NN_INLINE nn_real nn_sel(int m, nn_real a, nn_real b)
{
    return m ? a : b;
}

/* int32, and what is chosen or compared. */
NN_INLINE int32_t nn_add_i(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
NN_INLINE int32_t nn_sub_i(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
NN_INLINE int32_t nn_mul_i(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }
NN_INLINE int32_t nn_neg_i(int32_t a) { return nn_sub_i(0, a); }
NN_INLINE int32_t nn_abs_i(int32_t a) { return a < 0 ? nn_neg_i(a) : a; }
NN_INLINE int32_t nn_max_i(int32_t a, int32_t b) { return a > b ? a : b; }
NN_INLINE int32_t nn_min_i(int32_t a, int32_t b) { return a < b ? a : b; }
NN_INLINE int nn_lt_i(int32_t a, int32_t b) { return a < b; }
NN_INLINE int nn_le_i(int32_t a, int32_t b) { return a <= b; }
NN_INLINE int nn_eq_i(int32_t a, int32_t b) { return a == b; }
NN_INLINE int nn_ne_i(int32_t a, int32_t b) { return a != b; }
NN_INLINE int32_t nn_sel_i(int m, int32_t a, int32_t b) { return m ? a : b; }
NN_INLINE int nn_sel_m(int m, int a, int b) { return m ? a : b; }
NN_INLINE int nn_and_m(int a, int b) { return a & b; }
NN_INLINE int nn_or_m(int a, int b) { return a | b; }
NN_INLINE int nn_not_m(int a) { return !a; }

/* Quotients of indices, rounded down; b > 0. */
NN_INLINE int nn_div_down(int a, int b) { return a / b - (a % b < 0); }
NN_INLINE int nn_mod_down(int a, int b) { return a % b + (a % b < 0 ? b : 0); }

/* Toward zero; beyond the range the nearest end of it, 0 for NaN. */
NN_INLINE int32_t nn_to_i(nn_real x)
{
    return x != x ? 0 : x >= (nn_real)2147483648.0 ? INT32_MAX : x <= (nn_real)-2147483648.0 ? INT32_MIN : (int32_t)x;
}

/* The larger and the smaller; NaN if either is. Of two zeros the second. */
NN_INLINE nn_real nn_max(nn_real a, nn_real b)
{
    return a > b || a != a ? a : b;
}

NN_INLINE nn_real nn_min(nn_real a, nn_real b)
{
    return a < b || a != a ? a : b;
}

#endif
