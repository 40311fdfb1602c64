/* nn_math_body.h: the elementary functions, each written once. nn_math.h includes this file twice: for scalars, and
 * for lanes with names that end in _v. So both give the same bits.
 *
 * NN_T, NN_M, NN_U   real, mask, bits as unsigned integers (one or NN_L of each)
 * NN_F(name)         the function's name, NN_K(x), NN_KU(x) a constant, NN_PICK(m, a, b) a where m else b
 *
 * Only + - * / sqrt, multiply-add and unsigned bit work. Polynomials are in Horner's form, highest power first; those
 * of logarithm, sine, cosine and the rational tanh are from fdlibm and Cephes, erf in f32 after N. Juffa; others are
 * fits of our own. No include guard: see above.
 */

#if defined NN_DOUBLE
#define NN_MANT          52
#define NN_EXP_BIAS      1023
#define NN_MAGIC         NN_K(6755399441055744.0) /* 1.5 * 2^52: adding it rounds to an integer, in the low bits */
#define NN_WHOLE         NN_K(4503599627370496.0) /* from here on there are no fractions */
#define NN_SIGN          NN_KU(0x8000000000000000u)
#define NN_LN2_HI        NN_K(6.93147180369123816490e-01) /* few enough bits that n * hi is exact */
#define NN_LN2_LO        NN_K(1.90821492927058770002e-10)
#define NN_SPLIT         NN_KU(0xFFFFFFFFF8000000u)
#define NN_INFINITY_BITS 0x7FF0000000000000u
#define NN_NAN_BITS      0x7FF8000000000000u
#else
#define NN_MANT          23
#define NN_EXP_BIAS      127
#define NN_MAGIC         NN_K(12582912.0)
#define NN_WHOLE         NN_K(8388608.0)
#define NN_SIGN          NN_KU(0x80000000u)
#define NN_LN2_HI        NN_K(0.693359375)
#define NN_LN2_LO        NN_K(-2.12194440054690583e-4)
#define NN_SPLIT         NN_KU(0xFFFFF000u)
#define NN_INFINITY_BITS 0x7F800000u
#define NN_NAN_BITS      0x7FC00000u
#endif

#define NN_H(p, x, c) NN_F(nn_fma)(p, x, NN_K(c)) /* one step of Horner's rule */

/* --- sign, rounding, simple ones ---------------------------------------------------------------------------------- */

NN_INLINE NN_T NN_F(nn_abs)(NN_T x)
{
    return NN_F(nn_of_bits)(NN_F(nn_bits)(x) & ~NN_SIGN);
}

/* The size of a with the sign of b. */
NN_INLINE NN_T NN_F(nn_copysign)(NN_T a, NN_T b)
{
    return NN_F(nn_of_bits)((NN_F(nn_bits)(a) & ~NN_SIGN) | (NN_F(nn_bits)(b) & NN_SIGN));
}

NN_INLINE NN_T NN_F(nn_sign)(NN_T x)
{
    return NN_PICK(x > NN_K(0), NN_K(1), NN_PICK(x < NN_K(0), NN_K(-1), x));
}

/* Halves to even. */
NN_INLINE NN_T NN_F(nn_round)(NN_T x)
{
    NN_T a = NN_F(nn_abs)(x);
    NN_T r = (a + NN_WHOLE) - NN_WHOLE;
    return NN_PICK(a < NN_WHOLE, NN_F(nn_copysign)(r, x), x);
}

NN_INLINE NN_T NN_F(nn_floor)(NN_T x)
{
    NN_T r = NN_F(nn_round)(x);
    return NN_PICK(r > x, r - NN_K(1), r);
}

NN_INLINE NN_T NN_F(nn_ceil)(NN_T x)
{
    NN_T r = NN_F(nn_round)(x);
    return NN_F(nn_copysign)(NN_PICK(r < x, r + NN_K(1), r), x);
}

NN_INLINE NN_T NN_F(nn_rsqrt)(NN_T x)
{
    return NN_K(1) / NN_F(nn_sqrt)(x);
}

NN_INLINE NN_T NN_F(nn_reciprocal)(NN_T x)
{
    return NN_K(1) / x;
}

/* --- exp ---------------------------------------------------------------------------------------------------------- */

/* exp(r) - 1 - r for |r| <= ln(2)/2, divided by r^2. */
NN_INLINE NN_T NN_F(nn_exp_tail)(NN_T r)
{
#if defined NN_DOUBLE
    NN_T p = NN_K(1.6059043836821613e-10);
    p = NN_H(p, r, 2.08767569878681e-09);
    p = NN_H(p, r, 2.505210838544172e-08);
    p = NN_H(p, r, 2.7557319223985893e-07);
    p = NN_H(p, r, 2.7557319223985893e-06);
    p = NN_H(p, r, 2.48015873015873e-05);
    p = NN_H(p, r, 1.984126984126984e-04);
    p = NN_H(p, r, 1.388888888888889e-03);
    p = NN_H(p, r, 8.333333333333333e-03);
    p = NN_H(p, r, 4.1666666666666664e-02);
    p = NN_H(p, r, 1.6666666666666666e-01);
    return NN_H(p, r, 0.5);
#else
    NN_T p = NN_K(1.3820633758e-3);
    p = NN_H(p, r, 8.3686737344e-3);
    p = NN_H(p, r, 4.1668266058e-2);
    p = NN_H(p, r, 1.6666521132e-1);
    return NN_H(p, r, 4.9999994040e-1);
#endif
}

/* exp(r). A product that is rounded before it is added has to be small: r^2 times the rest, not r times it. */
NN_INLINE NN_T NN_F(nn_exp_near)(NN_T r)
{
    NN_T p = NN_F(nn_exp_tail)(r);
#if NN_FUSED
    p = NN_H(p, r, 1.0);
    return NN_H(p, r, 1.0);
#else
    return (p * (r * r) + r) + NN_K(1);
#endif
}

#if defined NN_SCALE

/* exp(x + lo) for a lo that is lost when added to x. One instruction multiplies by the power of two and rounds once, below the
 * smallest normal number too. Of an x so large that n is no longer near x / ln(2), or of none, r may be anything: without
 * its exponent's highest bit it is below 2, the polynomial there positive, and n alone makes 0, infinity or NaN of it. */
NN_INLINE NN_T NN_F(nn_exp_of)(NN_T x, NN_T lo, int has_lo)
{
    NN_T n = NN_F(nn_fma)(x, NN_K(1.44269504088896340736), NN_MAGIC) - NN_MAGIC;
    NN_T r = NN_F(nn_fma)(n, -NN_LN2_HI, x);
    r = NN_F(nn_fma)(n, -NN_LN2_LO, r);
    r = has_lo ? r + lo : r;
    r = NN_F(nn_of_bits)(NN_F(nn_bits)(r) & ~(NN_SIGN >> 1));
    return NN_SCALE(NN_F(nn_exp_near)(r), n);
}

#else

/* Beyond these bounds an exponential is 0 and infinite, as it is, rounded, at them. */
#if defined NN_DOUBLE
#define NN_EXP_BOTTOM NN_K(-746)
#define NN_EXP_TOP    NN_K(710)
#else
#define NN_EXP_BOTTOM NN_K(-104)
#define NN_EXP_TOP    NN_K(89)
#endif

/* The same bits otherwise: the power of two is multiplied in two steps, so that results below the smallest normal number
 * are rounded once, and overflow gives infinity. What is 0 (a masked score is) never is a product: products that underflow
 * take many times as long. */
NN_INLINE NN_T NN_F(nn_exp_of)(NN_T x, NN_T lo, int has_lo)
{
#if defined NN_DOUBLE
    NN_U shift = NN_KU(0x4338000000000000u), half = NN_KU(1024);
#else
    NN_U shift = NN_KU(0x4B400000u), half = NN_KU(256);
#endif
    NN_M zero = x < NN_EXP_BOTTOM;
    x = NN_PICK(zero, NN_K(0), NN_PICK(x > NN_EXP_TOP, NN_EXP_TOP, x));
    NN_T t = NN_F(nn_fma)(x, NN_K(1.44269504088896340736), NN_MAGIC);
    NN_T n = t - NN_MAGIC;
    NN_T r = NN_F(nn_fma)(n, -NN_LN2_HI, x);
    r = NN_F(nn_fma)(n, -NN_LN2_LO, r);
    r = has_lo ? r + lo : r;
    NN_T y = NN_F(nn_exp_near)(r);

    NN_U k = NN_F(nn_bits)(t) - shift;         /* n in two's complement */
    NN_U k1 = ((k + half) >> 1) - (half >> 1); /* its half, rounded down; modulo 2^bits throughout */
    NN_T s1 = NN_F(nn_of_bits)((k1 + NN_EXP_BIAS) << NN_MANT);
    NN_T s2 = NN_F(nn_of_bits)((k - k1 + NN_EXP_BIAS) << NN_MANT);
    return NN_PICK(zero, NN_K(0), y * s1 * s2);
}
#undef NN_EXP_BOTTOM
#undef NN_EXP_TOP

#endif

NN_INLINE NN_T NN_F(nn_exp_sum)(NN_T x, NN_T lo)
{
    return NN_F(nn_exp_of)(x, lo, 1);
}

NN_INLINE NN_T NN_F(nn_exp)(NN_T x)
{
    return NN_F(nn_exp_of)(x, NN_K(0), 0);
}

/* --- log ---------------------------------------------------------------------------------------------------------- */

/* x = 2^k (1 + f), 1 + f between sqrt(1/2) and sqrt(2), for finite x > 0. */
NN_INLINE NN_T NN_F(nn_log_split)(NN_T x, NN_T *k)
{
#if defined NN_DOUBLE
    NN_M small = x < NN_K(2.2250738585072014e-308);
    NN_U u = NN_F(nn_bits)(NN_PICK(small, x * NN_K(18014398509481984.0), x));
    NN_T bias = NN_PICK(small, NN_K(-1077.0), NN_K(-1023.0));
    NN_U base = NN_KU(0x3fe6a09e00000000u), one = NN_KU(0x3ff0000000000000u), mask = NN_KU(0xfffffffffffffu);
    NN_U whole = NN_KU(0x4330000000000000u);
#else
    NN_M small = x < NN_K(1.17549435e-38);
    NN_U u = NN_F(nn_bits)(NN_PICK(small, x * NN_K(33554432.0), x));
    NN_T bias = NN_PICK(small, NN_K(-152.0), NN_K(-127.0));
    NN_U base = NN_KU(0x3f3504f3u), one = NN_KU(0x3f800000u), mask = NN_KU(0x7fffffu);
    NN_U whole = NN_KU(0x4B000000u);
#endif
    u += one - base;
    *k = (NN_F(nn_of_bits)((u >> NN_MANT) | whole) - NN_WHOLE) + bias;
    return NN_F(nn_of_bits)((u & mask) + base) - NN_K(1);
}

/* R(z) with log((1+s)/(1-s)) = 2s + s R(s^2). */
NN_INLINE NN_T NN_F(nn_log_tail)(NN_T z)
{
#if defined NN_DOUBLE
    NN_T p = NN_K(1.479819860511658591e-01);
    p = NN_H(p, z, 1.531383769920937332e-01);
    p = NN_H(p, z, 1.818357216161805012e-01);
    p = NN_H(p, z, 2.222219843214978396e-01);
    p = NN_H(p, z, 2.857142874366239149e-01);
    p = NN_H(p, z, 3.999999999940941908e-01);
    return NN_H(p, z, 6.666666666666735130e-01) * z;
#else
    NN_T p = NN_K(0.24279078841);
    p = NN_H(p, z, 0.28498786688);
    p = NN_H(p, z, 0.40000972152);
    return NN_H(p, z, 0.66666662693) * z;
#endif
}

NN_INLINE NN_T NN_F(nn_log)(NN_T x)
{
    NN_T k, f = NN_F(nn_log_split)(x, &k);
    NN_T s = f / (f + NN_K(2));
    NN_T half = NN_K(0.5) * f * f;
    NN_T r = s * (half + NN_F(nn_log_tail)(s * s)) + k * NN_LN2_LO;
    NN_T y = k * NN_LN2_HI - ((half - r) - f);
    NN_T infinity = NN_F(nn_of_bits)(NN_KU(NN_INFINITY_BITS)), nan = NN_F(nn_of_bits)(NN_KU(NN_NAN_BITS));
    y = NN_PICK(x == infinity, infinity, y);
    y = NN_PICK(x == NN_K(0), -infinity, y);
    return NN_PICK(x >= NN_K(0), y, x + nan);
}

/* --- sin, cos ----------------------------------------------------------------------------------------------------- */

/* x = q * pi/2 + hi + lo with |hi| <= pi/4, for |x| <= NN_TRIG_FAST: the products with the parts of pi/2 are exact. The
 * low bits of what is returned are q. */
NN_INLINE NN_U NN_F(nn_trig_reduce)(NN_T x, NN_T *hi, NN_T *lo)
{
    NN_T t = x * NN_K(0.63661977236758134308) + NN_MAGIC;
    NN_T n = t - NN_MAGIC;
#if defined NN_DOUBLE
    NN_T a = x - n * NN_K(0x1.921fb544p+0);
    NN_T w = n * NN_K(0x1.0b4611a6p-34);
    NN_T h = a - w, l = (a - h) - w;
    l = l - n * NN_K(0x1.3198a2ep-69);
    l = l - n * NN_K(0x1.b839a252049c1p-104);
#else
    NN_T a = (x - n * NN_K(1.5703125)) - n * NN_K(0x1.fb4p-12);
    NN_T w = n * NN_K(0x1.444p-24);
    NN_T h = a - w, l = (a - h) - w;
    l = l - n * NN_K(2.563344151590573e-12);
#endif
    *hi = h + l;
    *lo = (h - *hi) + l;
    return NN_F(nn_bits)(t);
}

/* sin(r + lo) and cos(r + lo) for |r| <= pi/4 and a bit. */
NN_INLINE NN_T NN_F(nn_sin_near)(NN_T r, NN_T lo)
{
    NN_T z = r * r;
#if defined NN_DOUBLE
    NN_T p = NN_K(1.58969099521155010221e-10);
    p = NN_H(p, z, -2.50507602534068634195e-08);
    p = NN_H(p, z, 2.75573137070700676789e-06);
    p = NN_H(p, z, -1.98412698298579493134e-04);
    p = NN_H(p, z, 8.33333333332248946124e-03);
    p = NN_H(p, z, -1.66666666666666324348e-01);
#else
    NN_T p = NN_K(-1.9515295891e-4);
    p = NN_H(p, z, 8.3321608736e-3);
    p = NN_H(p, z, -1.6666654611e-1);
#endif
    return (p * (z * r) + (lo - lo * (NN_K(0.5) * z))) + r;
}

NN_INLINE NN_T NN_F(nn_cos_near)(NN_T r, NN_T lo)
{
    NN_T z = r * r;
#if defined NN_DOUBLE
    NN_T p = NN_K(-1.13596475577881948265e-11);
    p = NN_H(p, z, 2.08757232129817482790e-09);
    p = NN_H(p, z, -2.75573143513906633035e-07);
    p = NN_H(p, z, 2.48015872894767294178e-05);
    p = NN_H(p, z, -1.38888888888741095749e-03);
    p = NN_H(p, z, 4.16666666666666019037e-02);
#else
    NN_T p = NN_K(2.443315711809948e-5);
    p = NN_H(p, z, -1.388731625493765e-3);
    p = NN_H(p, z, 4.166664568298827e-2);
#endif
    NN_T half = NN_K(0.5) * z;
    NN_T w = NN_K(1) - half;
    return w + (((NN_K(1) - w) - half) + (p * (z * z) - r * lo));
}

/* sin(x + turn * pi/2). */
NN_INLINE NN_T NN_F(nn_trig)(NN_T x, nn_bits_t turn)
{
    NN_T r, lo;
    NN_U q = NN_F(nn_trig_reduce)(x, &r, &lo);
    if (NN_UNLIKELY(NN_ANY(NN_F(nn_abs)(x) > NN_K(NN_TRIG_FAST))))
        q = NN_F(nn_trig_slow)(x, q, &r, &lo);
    q += NN_KU(turn);
    NN_T y = NN_PICK((q & NN_KU(1)) != NN_KU(0), NN_F(nn_cos_near)(r, lo), NN_F(nn_sin_near)(r, lo));
    NN_U flip = (q >> 1) << (int)(sizeof(nn_real) * 8 - 1);
    return NN_F(nn_of_bits)(NN_F(nn_bits)(y) ^ flip);
}

NN_INLINE NN_T NN_F(nn_sin)(NN_T x)
{
    return NN_PICK(x == NN_K(0), x, NN_F(nn_trig)(x, 0)); /* keeps -0 */
}

NN_INLINE NN_T NN_F(nn_cos)(NN_T x)
{
    return NN_F(nn_trig)(x, 1);
}

/* --- tanh, sigmoid, erf ------------------------------------------------------------------------------------------- */

/* tanh(x) = x + x z T(z), z = x^2, |x| < 0.625. */
NN_INLINE NN_T NN_F(nn_tanh_tail)(NN_T z)
{
#if defined NN_DOUBLE
    NN_T p = NN_K(-9.64399179425052238628e-1);
    p = NN_H(p, z, -9.92877231001918586564e1);
    p = NN_H(p, z, -1.61468768441708447952e3);
    NN_T q = z + NN_K(1.12811678491632931402e2);
    q = NN_H(q, z, 2.23548839060100448583e3);
    q = NN_H(q, z, 4.84406305325125486048e3);
    return p / q;
#else
    NN_T p = NN_K(-5.70498872745e-3);
    p = NN_H(p, z, 2.06390887954e-2);
    p = NN_H(p, z, -5.37397155531e-2);
    p = NN_H(p, z, 1.33314422036e-1);
    return NN_H(p, z, -3.33332819422e-1);
#endif
}

NN_INLINE NN_T NN_F(nn_tanh)(NN_T x)
{
    NN_T a = NN_F(nn_abs)(x), z = a * a;
    NN_T near = NN_F(nn_fma)(NN_F(nn_tanh_tail)(z) * z, a, a);
    NN_T far = NN_K(1) - NN_K(2) / (NN_F(nn_exp)(a + a) + NN_K(1));
    return NN_F(nn_copysign)(NN_PICK(a < NN_K(0.625), near, far), x);
}

/* From exp(-|x|), so that the left tail keeps its digits. */
NN_INLINE NN_T NN_F(nn_sigmoid)(NN_T x)
{
    NN_T e = NN_F(nn_exp)(-NN_F(nn_abs)(x));
    return NN_PICK(x < NN_K(0), e, NN_K(1)) / (NN_K(1) + e);
}

/* erf(x) = x + x E(x^2) near 0, 1 - exp(G(|x|)) beyond. */
#if defined NN_DOUBLE
#define NN_ERF_EDGE 1.0
#else
#define NN_ERF_EDGE 0.927734375
#endif

NN_INLINE NN_T NN_F(nn_erf_near)(NN_T z)
{
#if defined NN_DOUBLE
    NN_T p = NN_K(5.960694665974463e-11);
    p = NN_H(p, z, -1.1374960857460192e-09);
    p = NN_H(p, z, 1.4660329933761725e-08);
    p = NN_H(p, z, -1.6350396383834975e-07);
    p = NN_H(p, z, 1.6461008490944795e-06);
    p = NN_H(p, z, -1.4925595772854025e-05);
    p = NN_H(p, z, 0.0001205533113297673);
    p = NN_H(p, z, -0.0008548326981425883);
    p = NN_H(p, z, 0.0052239776248284315);
    p = NN_H(p, z, -0.026866170645077875);
    p = NN_H(p, z, 0.11283791670954885);
    p = NN_H(p, z, -0.3761263890318375);
    return NN_H(p, z, 0.1283791670955126);
#else
    NN_T p = NN_K(-5.96761703e-4);
    p = NN_H(p, z, 4.99119423e-3);
    p = NN_H(p, z, -2.67681349e-2);
    p = NN_H(p, z, 1.12819925e-1);
    p = NN_H(p, z, -3.76125336e-1);
    return NN_H(p, z, 1.28379166e-1);
#endif
}

NN_INLINE NN_T NN_F(nn_erf_far)(NN_T a)
{
#if defined NN_DOUBLE
    NN_T p = NN_K(1.5303984638264327e-12);
    p = NN_H(p, a, -6.797821615701825e-11);
    p = NN_H(p, a, 1.41338378602499e-09);
    p = NN_H(p, a, -1.826707242540153e-08);
    p = NN_H(p, a, 1.6417310183382275e-07);
    p = NN_H(p, a, -1.0851205503113126e-06);
    p = NN_H(p, a, 5.417127397299442e-06);
    p = NN_H(p, a, -2.046287625092803e-05);
    p = NN_H(p, a, 5.6341838731986974e-05);
    p = NN_H(p, a, -9.613260046064944e-05);
    p = NN_H(p, a, 2.0534846700265956e-06);
    p = NN_H(p, a, 0.0005732539410452571);
    p = NN_H(p, a, -0.0016911973714115332);
    p = NN_H(p, a, 0.0002109666474184747);
    p = NN_H(p, a, 0.01912555681188414);
    p = NN_H(p, a, -0.10277105261153445);
    p = NN_H(p, a, -0.6366201998733018);
    p = NN_H(p, a, -0.12837911658385126);
    return NN_F(nn_fma)(p, a, -a);
#else
    NN_T p = NN_K(-1.72853470e-5);
    p = NN_H(p, a, 3.83197126e-4);
    p = NN_H(p, a, -3.88396438e-3);
    p = NN_H(p, a, 2.42546219e-2);
    p = NN_H(p, a, -1.06777877e-1);
    p = NN_H(p, a, -6.34846687e-1);
    p = NN_H(p, a, -1.28717512e-1);
    return NN_F(nn_fma)(p, a, -a);
#endif
}

NN_INLINE NN_T NN_F(nn_erf)(NN_T x)
{
    NN_T a = NN_F(nn_abs)(x);
    NN_T near = NN_F(nn_fma)(NN_F(nn_erf_near)(x * x), x, x);
    a = NN_PICK(a > NN_K(6), NN_K(6), a); /* 1 from there on */
    NN_T far = NN_F(nn_copysign)(NN_K(1) - NN_F(nn_exp)(NN_F(nn_erf_far)(a)), x);
    return NN_PICK(a > NN_K(NN_ERF_EDGE), far, near);
}
#undef NN_ERF_EDGE

/* --- pow ---------------------------------------------------------------------------------------------------------- */

/* What the rounded product p = a * b left out. */
NN_INLINE NN_T NN_F(nn_mul_rest)(NN_T a, NN_T b, NN_T p)
{
#if NN_FUSED
    return NN_F(nn_fma)(a, b, -p);
#else
    NN_T ah = NN_F(nn_of_bits)(NN_F(nn_bits)(a) & NN_SPLIT), al = a - ah;
    NN_T bh = NN_F(nn_of_bits)(NN_F(nn_bits)(b) & NN_SPLIT), bl = b - bh;
    return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
#endif
}

/* log(x) as a sum of two numbers, for finite x > 0: its error is multiplied by the exponent, which may be large. With
 * s = f / (2 + f): log(1 + f) = 2s + s^3 (2/3 + 2/5 s^2 + ...). */
NN_INLINE NN_T NN_F(nn_log_pair)(NN_T x, NN_T *low)
{
    NN_T k, f = NN_F(nn_log_split)(x, &k);
    NN_T d = f + NN_K(2), dl = f - (d - NN_K(2));
    NN_T s = f / d, sd = s * d;
    NN_T sl = (((f - sd) - NN_F(nn_mul_rest)(s, d, sd)) - s * dl) / d;
    NN_T z = s * s;
    NN_T zl = NN_F(nn_mul_rest)(s, s, z) + NN_K(2) * s * sl;

#if defined NN_DOUBLE
    NN_T p = NN_K(2.0 / 25);
    NN_T third = NN_K(0.66666666666666662966), third_low = NN_K(3.70074341541718826e-17);
    for (int i = 23; i > 3; i -= 2)
        p = NN_H(p, z, 2.0 / i);
#else
    NN_T p = NN_K(2.0 / 11);
    NN_T third = NN_K(0.666666686534881592), third_low = NN_K(-1.98682149251302e-8);
    for (int i = 9; i > 3; i -= 2)
        p = NN_H(p, z, 2.0 / i);
#endif
    p = p * z;
    NN_T c = third + p, cl = ((third - c) + p) + third_low;
    NN_T t = s * z, tl = (NN_F(nn_mul_rest)(s, z, t) + s * zl) + sl * z;
    NN_T b = t * c, bl = (NN_F(nn_mul_rest)(t, c, b) + t * cl) + tl * c;

    NN_T two = s + s;
    NN_T m = two + b, ml = ((two - m) + b) + (bl + (sl + sl));
    NN_T kh = k * NN_LN2_HI;
    NN_T h = kh + m;
    *low = ((kh - h) + m) + (k * NN_LN2_LO + ml);
    return h;
}

/* C's pow: 1 for an exponent 0 or a base 1, NaN for a negative base and an exponent that is not whole. */
NN_INLINE NN_T NN_F(nn_pow)(NN_T x, NN_T y)
{
    NN_T ax = NN_F(nn_abs)(x), low;
    NN_T infinity = NN_F(nn_of_bits)(NN_KU(NN_INFINITY_BITS)), nan = NN_F(nn_of_bits)(NN_KU(NN_NAN_BITS));
    NN_T high = NN_F(nn_log_pair)(ax, &low);
    NN_T p = y * high;
    NN_M near = NN_F(nn_abs)(p) < NN_K(2000);
    NN_T pl = NN_PICK(near, NN_F(nn_mul_rest)(y, high, p) + y * low, NN_K(0)), sum = p + pl;
    NN_T r = NN_F(nn_exp_sum)(sum, NN_PICK(near, (p - sum) + pl, NN_K(0)));

    NN_T h = y * NN_K(0.5);
    NN_M whole = NN_F(nn_floor)(y) == y, odd = NN_AND(whole, NN_F(nn_floor)(h) != h);
    r = NN_PICK(ax == NN_K(1), NN_K(1), r);
    r = NN_PICK(ax == NN_K(0), NN_PICK(y > NN_K(0), NN_K(0), infinity), r);
    r = NN_PICK(ax == infinity, NN_PICK(y > NN_K(0), infinity, NN_K(0)), r);
    r = NN_PICK(odd, NN_F(nn_copysign)(r, x), r);
    r = NN_PICK(NN_AND(NN_AND(x < NN_K(0), ax < infinity), NN_F(nn_floor)(y) != y), nan, r);
    r = NN_PICK(NN_OR(x != x, y != y), x + y, r);
    return NN_PICK(NN_OR(y == NN_K(0), x == NN_K(1)), NN_K(1), r);
}

#undef NN_MANT
#undef NN_EXP_BIAS
#undef NN_MAGIC
#undef NN_WHOLE
#undef NN_SIGN
#undef NN_LN2_HI
#undef NN_LN2_LO
#undef NN_SPLIT
#undef NN_INFINITY_BITS
#undef NN_NAN_BITS
#undef NN_H
