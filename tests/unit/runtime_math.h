/* runtime_math.h: the tests of nn_vec.h and nn_math.h, for whichever type, lanes and fusing the including file has set
 * before. A main each: runtime_math_f32.c, runtime_math_f64.c, ... An argument is the number of samples a function.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include "nn_random.h"

#if defined NN_DOUBLE
#define MANTISSA          52
#define SMALLEST_EXPONENT (-1022)
#else
#define MANTISSA          23
#define SMALLEST_EXPONENT (-126)
#endif

static long samples = 200000;

/* |got - exact| in units in the last place of the exact value. */
static double ulps(nn_real got, long double exact)
{
    int e;
    if (isnan(exact) || isnan(got))
        return isnan(exact) && isnan(got) ? 0 : 1e9;
    long double limit = ldexpl(1, SMALLEST_EXPONENT == -126 ? 128 : 1024);
    if (isinf(got) ||
        fabsl(exact) >= limit) { /* between the largest number and the next, if there were one: half way */
        long double ulp = ldexpl(limit, -MANTISSA - 1), next = (got > 0 ? 1 : -1) * limit;
        return isinf(got) && exact / next >= 1 ? 0
                                               : (double)(fabsl(exact - (isinf(got) ? next : (long double)got)) / ulp);
    }
    frexpl(exact, &e);
    e = e - 1 < SMALLEST_EXPONENT || exact == 0 ? SMALLEST_EXPONENT : e - 1;
    return (double)(fabsl((long double)got - exact) / ldexpl(1, e - MANTISSA));
}

static uint64_t mix_state;

static uint64_t mix(void)
{
    uint64_t z = mix_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Half of the samples even between the ends, half even in the exponent, of either sign. */
static nn_real sample(double low, double high)
{
    for (;;) {
        double x = low + (high - low) * (double)(mix() >> 11) * 0x1p-53;
        if (mix() & 1)
            return (nn_real)x;
        nn_real y = nn_of_bits((nn_bits_t)mix());
        if (y >= low && y <= high)
            return y;
    }
}

static uint64_t hash_state;

static void hash(nn_real x)
{
    if (x != x)
        x = nn_of_bits((nn_bits_t)(sizeof x == 4 ? 0x7FC00000u : 0x7FF8000000000000u)); /* a NaN's sign is free */
    hash_state = (hash_state ^ nn_bits(x)) * 0x100000001B3u;
    hash_state ^= hash_state >> 29;
}

static void expect_same(const char *name, nn_real lane, nn_real scalar, nn_real x, nn_real y)
{
    if (nn_bits(lane) != nn_bits(scalar) && !(lane != lane && scalar != scalar))
        fail_msg("%s(%a, %a): lane %a, scalar %a", name, (double)x, (double)y, (double)lane, (double)scalar);
}

struct function {
    const char *name;
    double low, high, bound;
    nn_real (*scalar)(nn_real);
    nn_v (*lanes)(nn_v);
    long double (*exact)(long double);
};

/* The functions as pointers, for they are inlined everywhere else. */
#define FUNCTION(name)                                                                                                 \
    static nn_real name##_1(nn_real x)                                                                                 \
    {                                                                                                                  \
        return name(x);                                                                                                \
    }                                                                                                                  \
    static nn_v name##_n(nn_v x)                                                                                       \
    {                                                                                                                  \
        return name##_v(x);                                                                                            \
    }
FUNCTION(nn_exp)
FUNCTION(nn_log)
FUNCTION(nn_sin)
FUNCTION(nn_cos)
FUNCTION(nn_tanh)
FUNCTION(nn_sigmoid)
FUNCTION(nn_erf)
FUNCTION(nn_sqrt)
FUNCTION(nn_rsqrt)
FUNCTION(nn_reciprocal)
FUNCTION(nn_abs)
FUNCTION(nn_sign)
FUNCTION(nn_floor)
FUNCTION(nn_ceil)
FUNCTION(nn_round)

static long double exact_sigmoid(long double x)
{
    return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
}
static long double exact_rsqrt(long double x)
{
    return 1 / sqrtl(x);
}
static long double exact_reciprocal(long double x)
{
    return 1 / x;
}
static long double exact_sign(long double x)
{
    return isnan(x) ? x : (x > 0) - (x < 0);
}

#if defined NN_DOUBLE
#define EXP_LOW         (-745)
#define EXP_HIGH        709.7
#define BIG             1.7e308
#define BOUND(f32, f64) f64
#else
#define EXP_LOW         (-104)
#define EXP_HIGH        88.7
#define BIG             3.4e38
#define BOUND(f32, f64) f32
#endif
#define ROW(name, low, high, bound, exact)                                                                             \
    {                                                                                                                  \
#name, low, high, bound, name##_1, name##_n, exact                                                             \
    }

static const struct function functions[] = {
    ROW(nn_exp, EXP_LOW, EXP_HIGH, BOUND(1.1, 1.1), expl),
    ROW(nn_log, 0, BIG, BOUND(1.1, 1.1), logl),
    ROW(nn_sin, -100, 100, BOUND(1.1, 1.1), sinl),
    ROW(nn_cos, -100, 100, BOUND(1.1, 1.1), cosl),
    ROW(nn_sin, -BIG, BIG, BOUND(1.1, 1.1), sinl),
    ROW(nn_cos, -BIG, BIG, BOUND(1.1, 1.1), cosl),
    ROW(nn_tanh, -20, 20, BOUND(1.6, 2.0), tanhl),
    ROW(nn_sigmoid, EXP_LOW, 40, BOUND(2.5, 2.5), exact_sigmoid),
    ROW(nn_erf, -6, 6, BOUND(1.5, 1.5), erfl),
    ROW(nn_sqrt, 0, BIG, 0.51, sqrtl),
    ROW(nn_rsqrt, 0, BIG, 1.5, exact_rsqrt),
    ROW(nn_reciprocal, -BIG, BIG, 0.51, exact_reciprocal),
    ROW(nn_abs, -BIG, BIG, 0, fabsl),
    ROW(nn_sign, -BIG, BIG, 0, exact_sign),
    ROW(nn_floor, -1e4, 1e4, 0, floorl),
    ROW(nn_ceil, -1e4, 1e4, 0, ceill),
    ROW(nn_round, -1e4, 1e4, 0, nearbyintl),
};

static const double edges[] = { 0.0,
                                -0.0,
                                1.0,
                                -1.0,
                                0.5,
                                -0.5,
                                1.5,
                                2.5,
                                -2.5,
                                1e-45,
                                -1e-45,
                                1e-40,
                                1.17549435e-38,
                                5e-324,
                                1e-310,
                                2.2250738585072014e-308,
                                3.4028234663852886e38,
                                -3.4028234663852886e38,
                                1.7e308,
                                -1.7e308,
                                88.72,
                                88.73,
                                -87.4,
                                -103.9,
                                -104.1,
                                709.78,
                                709.79,
                                -745.1,
                                -745.2,
                                8192,
                                8193,
                                524288,
                                524289,
                                1e15,
                                1e22,
                                0.625,
                                0.927734375,
                                6.0,
                                6.1,
                                8388607.5,
                                8388609,
                                4503599627370495.5,
                                2147483647,
                                2147483648.0,
                                -2147483648.0,
                                -2147483649.0,
                                (double)INFINITY,
                                -(double)INFINITY,
                                (double)NAN };
enum { EDGES = sizeof edges / sizeof *edges };

static void test_error_and_lanes(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        const struct function *fn = &functions[f];
        nn_real x[NN_L], y[NN_L], worst_x = 0;
        double worst = 0;
        mix_state = f;
        for (long i = 0; i < samples; i += NN_L) {
            for (int l = 0; l < NN_L; l++)
                x[l] = sample(fn->low, fn->high);
            nn_store(y, fn->lanes(nn_load(x)));
            for (int l = 0; l < NN_L; l++) {
                nn_real one = fn->scalar(x[l]);
                expect_same(fn->name, y[l], one, x[l], 0);
                double e = ulps(one, fn->exact((long double)x[l]));
                if (e > worst)
                    worst = e, worst_x = x[l];
            }
        }
        print_message("%-14s [%g, %g] max error %.3f ULP at %a\n", fn->name, fn->low, fn->high, worst, (double)worst_x);
        if (worst > fn->bound)
            fail_msg("%s: %.3f ULP at %a, more than %.2f", fn->name, worst, (double)worst_x, fn->bound);
    }
}

static void test_edges(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
        for (int i = 0; i < EDGES; i++) {
            const struct function *fn = &functions[f];
            nn_real x = (nn_real)edges[i], y[NN_L];
            nn_store(y, fn->lanes(nn_splat(x)));
            nn_real one = fn->scalar(x);
            expect_same(fn->name, y[NN_L - 1], one, x, 0);
            long double exact = fn->exact((long double)x);
            if (ulps(one, exact) > (fn->bound < 1 ? 1 : fn->bound))
                fail_msg("%s(%a) = %a, not %La", fn->name, (double)x, (double)one, exact);
            if (one == 0 && exact == 0 && fn->exact != logl && fn->exact != exact_sign && fn->exact != cosl &&
                !signbit(one) != !signbit(exact))
                fail_msg("%s(%a) has the wrong zero", fn->name, (double)x);
        }
}

/* Lanes take other ways where arguments have no place in a range: any bits will do. */
static void test_lanes_of_anything(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        nn_real x[NN_L], y[NN_L];
        mix_state = f + 100;
        for (long i = 0; i < samples; i += NN_L) {
            for (int l = 0; l < NN_L; l++)
                x[l] = nn_of_bits((nn_bits_t)mix());
            nn_store(y, functions[f].lanes(nn_load(x)));
            for (int l = 0; l < NN_L; l++)
                expect_same(functions[f].name, y[l], functions[f].scalar(x[l]), x[l], 0);
        }
    }
}

static double pow_error(nn_real x, nn_real y, nn_real *lane)
{
    nn_real r[NN_L], one = nn_pow(x, y);
    nn_store(r, nn_pow_v(nn_splat(x), nn_splat(y)));
    expect_same("nn_pow", r[0], one, x, y);
    *lane = one;
    return ulps(one, powl((long double)x, (long double)y));
}

static void test_pow(void **state)
{
    (void)state;
    double worst = 0;
    nn_real r, wx = 0, wy = 0;
    mix_state = 77;
    for (long i = 0; i < samples; i++) {
        nn_real x = i % 3 ? sample(0, 4) : sample(0, BIG);
        double top = EXP_HIGH / (fabs(log((double)x)) + 1e-9);
        nn_real y = i % 5 ? sample(-top, top) : sample(-10, 10);
        double e = pow_error(x, y, &r);
        if (e > worst)
            worst = e, wx = x, wy = y;
    }
    print_message("nn_pow         max error %.3f ULP at %a, %a\n", worst, (double)wx, (double)wy);
    assert_true(worst <= BOUND(2.0, 2.0));
    for (int i = 0; i < EDGES; i++)
        for (int j = 0; j < EDGES; j++) {
            nn_real x = (nn_real)edges[i], y = (nn_real)edges[j];
            if (pow_error(x, y, &r) > 2 || (r == 0 && !signbit(r) != !signbit(powl(x, y))))
                fail_msg("nn_pow(%a, %a) = %a, not %La", (double)x, (double)y, (double)r, powl(x, y));
        }
    for (int x = -5; x <= 5; x++)
        for (int y = -5; y <= 5; y++)
            assert_true(pow_error((nn_real)x, (nn_real)y, &r) <= 1);
}

static void test_two_operands(void **state)
{
    (void)state;
    for (int i = 0; i < EDGES; i++)
        for (int j = 0; j < EDGES; j++) {
            nn_real a = (nn_real)edges[i], b = (nn_real)edges[j], r[NN_L];
            nn_store(r, nn_max_v(nn_splat(a), nn_splat(b)));
            expect_same("nn_max", r[0], nn_max(a, b), a, b);
            nn_store(r, nn_min_v(nn_splat(a), nn_splat(b)));
            expect_same("nn_min", r[0], nn_min(a, b), a, b);
            nn_store(r, nn_fma_v(nn_splat(a), nn_splat(b), nn_splat(a)));
            expect_same("nn_fma", r[0], nn_fma(a, b, a), a, b);
            assert_true(nn_max(a, b) >= a || isnan(a) || isnan(b));
            assert_true(isnan(nn_max(a, b)) == (isnan(a) || isnan(b)));
            assert_true(isnan(nn_min(a, b)) == (isnan(a) || isnan(b)));
        }
}

static void test_fma_is_what_it_says(void **state)
{
    (void)state;
    nn_real e = nn_of_bits(nn_bits(1) + 1) - 1, a = 1 + e, r[NN_L];
    nn_store(r, nn_fma_v(nn_splat(a), nn_splat(a), nn_splat(-(1 + 2 * e))));
    assert_true(r[0] == (NN_FUSED ? e * e : 0));
}

static void test_integers_and_masks(void **state)
{
    (void)state;
    for (int i = 0; i < EDGES; i++) {
        nn_real x = (nn_real)edges[i];
        int32_t k[NN_L];
        nn_store_i(k, nn_i_of_v(nn_splat(x)));
        assert_int_equal(k[NN_L - 1], nn_to_i(x));
        assert_int_equal(nn_to_i(x), isnan(x)            ? 0
                                     : x >= 2147483648.0 ? INT32_MAX
                                     : x < -2147483648.0 ? INT32_MIN
                                                         : (int32_t)x);
    }
    uint8_t b[NN_L + 1], c[NN_L];
    int32_t a[NN_L];
    for (int i = 0; i <= NN_L; i++)
        b[i] = (uint8_t)(i * 40);
    nn_store_i(a, nn_load_u8(b + 1));
    for (int i = 0; i < NN_L; i++)
        assert_int_equal(a[i], b[i + 1]);
    for (int i = 0; i < NN_L; i++)
        a[i] = 1000003 * (i + 1) - (1 << 25);
    nn_store_u8(c, nn_load_i(a));
    for (int i = 0; i < NN_L; i++)
        assert_int_equal(c[i], (uint8_t)a[i]);
    nn_vi iota = nn_iota_i(5);
    nn_store_i(a, iota);
    for (int i = 0; i < NN_L; i++)
        assert_int_equal(a[i], 5 + i);
    nn_vm m = nn_and_m_v(nn_lt_i_v(iota, nn_splat_i(8)), nn_not_m_v(nn_eq_i_v(iota, nn_splat_i(6))));
    nn_store_b(c, m);
    for (int i = 0; i < NN_L; i++)
        assert_int_equal(c[i], 5 + i < 8 && 5 + i != 6);
    nn_store_i(a, nn_sel_i_v(nn_load_b(c), nn_splat_i(1), nn_max_i_v(iota, nn_splat_i(7))));
    for (int i = 0; i < NN_L; i++)
        assert_int_equal(a[i], c[i] ? 1 : i < 2 ? 7 : 5 + i);
    nn_real v[NN_L];
    nn_store(v, nn_v_of_m(nn_or_m_v(nn_load_b(c), nn_false_m())) + nn_v_of_i(nn_i_of_m(nn_true_m())));
    for (int i = 0; i < NN_L; i++)
        assert_true(v[i] == (c[i] ? 2 : 1));
    nn_store_b(c, nn_load(v) < nn_splat((nn_real)1.5));
    for (int i = 0; i < NN_L; i++)
        assert_int_equal(c[i], v[i] < 1.5);
    assert_true(nn_any_m(nn_true_m()) && nn_all_m(nn_true_m()) && !nn_any_m(nn_false_m()));
}

static void test_folds(void **state)
{
    (void)state;
    nn_real x[16];
    for (int i = 0; i < 16; i++)
        x[i] = (nn_real)((i * 7) % 16 + 1);
    assert_true(nn_fold_add(x) == 136 && nn_fold_max(x) == 16 && nn_fold_min(x) == 1);
    assert_true(fabs((double)nn_fold_mul(x) / 20922789888000.0 - 1) < 1e-5);
}

static void test_random_lanes(void **state)
{
    (void)state;
    for (uint64_t first = 0; first < 40; first++) {
        nn_real u[NN_L], g[NN_L];
        nn_store(u, nn_uniform01_v(1234567890123u, 17, 5, first));
        nn_store(g, nn_normal_v(1234567890123u, 17, 5, first));
        for (int i = 0; i < NN_L; i++) {
            expect_same("nn_uniform01", u[i], nn_uniform01(1234567890123u, 17, 5, first + (uint64_t)i), 0, 0);
            expect_same("nn_normal", g[i], nn_normal(1234567890123u, 17, 5, first + (uint64_t)i), 0, 0);
        }
    }
}

static void test_random_moments(void **state)
{
    (void)state;
    enum { N = 100000 };
    double s = 0, q = 0, u = 0, c = 0, last = 0;
    for (uint64_t i = 0; i < N; i++) {
        double g = (double)nn_normal(1, 2, 3, i);
        s += g, q += g * g, c += g * last, last = g;
        u += (double)nn_uniform01(4, 5, 6, i);
    }
    assert_true(fabs(s / N) < 0.015 && fabs(q / N - 1) < 0.02 && fabs(c / N) < 0.015 && fabs(u / N - 0.5) < 0.004);
}

/* One number for all results over fixed inputs. Unfused it is the same on every machine. */
static void test_fingerprint(void **state)
{
    (void)state;
    hash_state = 1;
    mix_state = 1;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
        for (int i = 0; i < 20000; i++)
            hash(functions[f].scalar(nn_of_bits((nn_bits_t)mix())));
    for (int i = 0; i < 20000; i++) {
        nn_real x = sample(0, 100), y = sample(-20, 20);
        hash(nn_pow(x, y));
        hash(nn_normal(9, 8, 7, (uint64_t)i));
    }
    print_message("fingerprint %016llx\n", (unsigned long long)hash_state);
#if defined NN_PORTABLE
    assert_true(hash_state == PORTABLE_FINGERPRINT);
#endif
}

int main(int argc, char **argv)
{
    if (argc > 1)
        samples = atol(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_and_lanes),    cmocka_unit_test(test_edges),
        cmocka_unit_test(test_lanes_of_anything),  cmocka_unit_test(test_pow),
        cmocka_unit_test(test_two_operands),       cmocka_unit_test(test_fma_is_what_it_says),
        cmocka_unit_test(test_integers_and_masks), cmocka_unit_test(test_folds),
        cmocka_unit_test(test_random_lanes),       cmocka_unit_test(test_random_moments),
        cmocka_unit_test(test_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
