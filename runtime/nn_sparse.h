/* nn_sparse.h: sparse matrices whose places are data: how they start, and how sparse evolutionary training rewires them
 * (Mocanu et al. 2018, "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
 * network science", Nature Communications 9, algorithm 1). Header only, without heap or libc; included by the generated
 * code of models that have such layers.
 */
#ifndef NN_SPARSE_H
#define NN_SPARSE_H

#include "nn_core.h"

enum { NN_MOMENTS = 4 };

/* Entry e of an out x in matrix is values[e] in row rows[e] and column columns[e]. Places ascend, by row and then by
 * column, and no two are alike; so count <= out * in. moment: what the optimizer keeps for each value. */
typedef struct nn_sparse {
    nn_real *values, *moment[NN_MOMENTS];
    int32_t *rows, *columns;
    int moments;
    int64_t count, out, in;
    double zeta;
    nn_init init;    /* of values */
    uint32_t stream; /* of places */
} nn_sparse;

/* The finalizer of MurmurHash3 (Appleby, public domain). */
NN_INLINE uint32_t nn_scramble(uint32_t h)
{
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

/* A permutation of 0..size - 1 drawn at random, 1 <= size < 2^62: a Feistel network over the least even number of bits;
 * what falls outside goes through again (Black and Rogaway: Ciphers with arbitrary finite domains; CT-RSA 2002). Its first
 * images are different numbers in no order, without a memory of those drawn before. */
typedef struct nn_permutation {
    uint64_t size;
    int half; /* bits */
    uint32_t key[8];
} nn_permutation;

NN_INLINE nn_permutation nn_draw_permutation(uint64_t size, uint64_t seed, uint64_t step, uint32_t stream)
{
    nn_permutation p = { size, 0, { 0 } };
    nn_random_words(p.key, seed, step, stream, 0);
    nn_random_words(p.key + 4, seed, step, stream, 1);
    while ((uint64_t)1 << 2 * p.half < size)
        p.half++;
    return p;
}

NN_INLINE uint64_t nn_permuted(const nn_permutation *p, uint64_t i)
{
    const uint32_t mask = (uint32_t)(((uint64_t)1 << p->half) - 1);
    do {
        uint32_t left = (uint32_t)(i >> p->half), right = (uint32_t)i & mask;
        for (int round = 0; round < 8; round++) {
            uint32_t next = left ^ (nn_scramble(right + p->key[round]) & mask);
            left = right;
            right = next;
        }
        i = (uint64_t)left << p->half | right;
    } while (i >= p->size);
    return i;
}

/* --- places in order ---------------------------------------------------------------------------------------------- */

NN_INLINE int nn_before(int32_t row, int32_t column, int32_t other_row, int32_t other_column)
{
    return row < other_row || (row == other_row && column < other_column);
}

NN_INLINE void nn_swap_places(int32_t *rows, int32_t *columns, int64_t i, int64_t j)
{
    int32_t row = rows[i], column = columns[i];
    rows[i] = rows[j], columns[i] = columns[j];
    rows[j] = row, columns[j] = column;
}

/* A heap with the last place on top, but for element i, which may come before those under it. */
NN_INLINE void nn_sift(int32_t *rows, int32_t *columns, int64_t i, int64_t count)
{
    for (int64_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && nn_before(rows[child], columns[child], rows[child + 1], columns[child + 1]))
            child++;
        if (!nn_before(rows[i], columns[i], rows[child], columns[child]))
            return;
        nn_swap_places(rows, columns, i, child);
    }
}

/* Heapsort: in place. */
NN_INLINE void nn_sort_places(int32_t *rows, int32_t *columns, int64_t count)
{
    for (int64_t i = count / 2; i-- > 0;)
        nn_sift(rows, columns, i, count);
    for (int64_t end = count - 1; end > 0; end--) {
        nn_swap_places(rows, columns, 0, end);
        nn_sift(rows, columns, 0, end);
    }
}

/* The first images of a permutation in ascending order, each as row * in + column. */
NN_INLINE void nn_draw_places(int32_t *rows, int32_t *columns, int64_t count, int64_t in, const nn_permutation *p)
{
    for (int64_t i = 0; i < count; i++) {
        uint64_t at = nn_permuted(p, (uint64_t)i);
        rows[i] = (int32_t)(at / (uint64_t)in);
        columns[i] = (int32_t)(at % (uint64_t)in);
    }
    nn_sort_places(rows, columns, count);
}

/* The first places: an Erdos-Renyi graph with this number of edges. */
NN_INLINE void nn_start_places(const nn_sparse *s, uint64_t seed)
{
    const nn_permutation p = nn_draw_permutation((uint64_t)s->out * (uint64_t)s->in, seed, 0, s->stream);
    nn_draw_places(s->rows, s->columns, s->count, s->in, &p);
}

/* --- evolution ---------------------------------------------------------------------------------------------------- */

/* The bits of |x|: they order as the magnitudes do. */
NN_INLINE uint64_t nn_magnitude_bits(nn_real x)
{
#if defined NN_DOUBLE
    uint64_t u;
#else
    uint32_t u;
#endif
    nn_copy(&u, &x, sizeof u);
    return u & (((uint64_t)1 << (8 * sizeof u - 1)) - 1);
}

/* Of the values above or below zero: those that go, which are nearest to zero. Of those at the limit, the first. */
typedef struct nn_cut {
    uint64_t limit;
    int64_t at_limit;
} nn_cut;

NN_INLINE int nn_has_sign(nn_real x, int negative)
{
    return negative ? x < 0 : x > 0;
}

NN_INLINE int64_t nn_count_nearer(const nn_sparse *s, int negative, uint64_t limit)
{
    int64_t count = 0;
    for (int64_t i = 0; i < s->count; i++)
        count += nn_has_sign(s->values[i], negative) && nn_magnitude_bits(s->values[i]) < limit;
    return count;
}

/* The limit is found bit by bit: the largest that fewer than all that go lie below. */
NN_INLINE nn_cut nn_cut_of(const nn_sparse *s, int negative)
{
    nn_cut cut = { 0, 0 };
    int64_t go = (int64_t)(s->zeta * (double)nn_count_nearer(s, negative, UINT64_MAX));
    for (int bit = 8 * (int)sizeof(nn_real) - 2; bit >= 0; bit--) {
        uint64_t limit = cut.limit | (uint64_t)1 << bit;
        if (nn_count_nearer(s, negative, limit) < go)
            cut.limit = limit;
    }
    if (go)
        cut.at_limit = go - nn_count_nearer(s, negative, cut.limit);
    return cut;
}

NN_INLINE int nn_goes(nn_cut *cut, nn_real x)
{
    uint64_t bits = nn_magnitude_bits(x);
    if (bits == cut->limit && cut->at_limit > 0) {
        cut->at_limit--;
        return 1;
    }
    return bits < cut->limit;
}

NN_INLINE void nn_move_entry(const nn_sparse *s, int64_t from, int64_t to)
{
    s->values[to] = s->values[from];
    s->rows[to] = s->rows[from];
    s->columns[to] = s->columns[from];
    for (int k = 0; k < s->moments; k++)
        s->moment[k][to] = s->moment[k][from];
}

/* What stays, side by side at the front; gives how many. Zeros are of neither sign and stay. */
NN_INLINE int64_t nn_remove_entries(const nn_sparse *s)
{
    nn_cut positive = nn_cut_of(s, 0), negative = nn_cut_of(s, 1);
    int64_t kept = 0;
    for (int64_t i = 0; i < s->count; i++) {
        nn_real x = s->values[i];
        int goes = x > 0 ? nn_goes(&positive, x) : x < 0 ? nn_goes(&negative, x) : 0;
        if (!goes)
            nn_move_entry(s, i, kept++);
    }
    return kept;
}

/* rows, columns: ascending ranks among the free places; they become those places. */
NN_INLINE void nn_skip_taken(const nn_sparse *s, int64_t kept, int32_t *rows, int32_t *columns, int64_t count)
{
    int64_t taken = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t rank = rows[i] * s->in + columns[i];
        while (taken < kept && s->rows[taken] * s->in + s->columns[taken] <= rank + taken)
            taken++;
        rows[i] = (int32_t)((rank + taken) / s->in);
        columns[i] = (int32_t)((rank + taken) % s->in);
    }
}

/* The new entries take their places among those that stay, from the last on. */
NN_INLINE void nn_insert_entries(const nn_sparse *s, int64_t kept, const int32_t *rows, const int32_t *columns,
                                 uint64_t seed, uint64_t step)
{
    int64_t grown = s->count - kept;
    for (int64_t to = s->count - 1; grown > 0; to--) {
        int64_t old = kept - 1, new_one = grown - 1;
        if (old >= 0 && nn_before(rows[new_one], columns[new_one], s->rows[old], s->columns[old])) {
            nn_move_entry(s, old, to);
            kept--;
            continue;
        }
        s->values[to] = nn_initial_value(&s->init, seed, step, new_one);
        s->rows[to] = rows[new_one];
        s->columns[to] = columns[new_one];
        for (int k = 0; k < s->moments; k++)
            s->moment[k][to] = 0;
        grown--;
    }
}

/* Algorithm 1 of Mocanu et al.: the fraction zeta of the smallest positive and of the largest negative values goes, and as
 * many entries grow at random in free places. scratch holds two numbers for each that goes, zeta * count at most. */
NN_INLINE void nn_evolve(const nn_sparse *s, uint64_t seed, uint64_t step, int32_t *scratch)
{
    int64_t kept = nn_remove_entries(s), grown = s->count - kept;
    int32_t *rows = scratch, *columns = scratch + grown;
    if (!grown)
        return;
    const nn_permutation p = nn_draw_permutation((uint64_t)(s->out * s->in - kept), seed, step, s->stream);
    nn_draw_places(rows, columns, grown, s->in, &p);
    nn_skip_taken(s, kept, rows, columns, grown);
    nn_insert_entries(s, kept, rows, columns, seed, step);
}

#endif
