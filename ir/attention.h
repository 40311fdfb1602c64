/* ir/attention.h: dot-product attention (Vaswani et al. 2017, section 3.2.1), as types, values and kernels see it:
 *
 *     s[i,j] = scale * sum over c of q[i,c] k[j,c]      p[i,:] = softmax(s[i,:])      y[i,d] = sum over j of p[i,j] v[j,d]
 *
 * for each element of the leading axes, which are heads and samples. Row i sees the keys j < seen(i): all, or where it is
 * causal up to the i-th, the last rows being the last keys. A mask is spread over the scores: of bools, where it is false
 * s is `masked` in place; of reals, it is added. Where `drop` is above 0, p is dropped out: each p[i,j] is multiplied by
 * `kept`, or by 0 where the element of uniform(0, 1) in its place, of stream `stream`, is below `drop`: w[i,j] in
 * y[i,d] = sum over j of p[i,j] w[i,j] v[j,d]; w is drawn again for the gradient. That goes to q, k and v, not to a mask:
 *
 *     dp[i,j] = w sum over d of dy[i,d] v[j,d]     ds = p * (dp - sum over j of p dp), 0 where a mask put `masked`
 *     dq = scale * ds k       dk = scale * ds' q       dv = (p w)' dy */
#ifndef IR_ATTENTION_H
#define IR_ATTENTION_H

#include "ir/graph.h"

struct attention {
    struct type scores;                 /* of s, p and w */
    int lead;                           /* axes before the last two */
    int64_t rows, keys, depth, columns; /* q [rows, depth], k [keys, depth], v [keys, columns] */
    bool causal;
    double scale, masked;
    double drop, kept;
    int64_t stream;
    int mask; /* which operand; -1: none */
};

/* Of `attention` and `attention_dx`, which infer has looked at. */
struct attention attention_of(const struct node *n);

#endif
