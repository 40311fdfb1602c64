/* codegen/loop_work.h: how much there is to do in a loop for n samples, in operations. An element of a result, or a link of a
 * chain of sums, counts as WAITING of them: it waits for memory, or for the one before. An element that is read from far away
 * counts as READING, once however often it is read: products with a row or two do little else. */
#ifndef CODEGEN_LOOP_WORK_H
#define CODEGEN_LOOP_WORK_H

#include "ir/loop.h"

/* Below which starting threads costs more than it gives: some 20 us of products in wide lanes. A region costs libgomp 3 us, and
 * what comes behind it some more where system calls are dear. Where threads are there already, in a run of kernels, what they
 * lose is that they meet behind a loop: at most 1 us. */
enum { ENOUGH_WORK = 1 << 23, ENOUGH_IN_RUN = 1 << 20 };

/* Of an outermost loop: how far it goes, and its iterations. */
int64_t loop_span(const struct ls *s, int64_t n);
int64_t loop_trips_of(const struct ls *s, int64_t n);
int64_t loop_units(const struct ls *s, int64_t n); /* of which threads get some each */
/* Of one statement in the first of its iterations. */
double loop_work_within(const struct ls *loop, const struct ls *s, int64_t n);
/* Whether that share of its iterations, 0 to 1, is so much work. */
bool loop_is_enough(const struct lkernel *k, const struct ls *s, int64_t n, double share, double enough);
/* Whether what the smaller of two threads does of it is half of that. */
bool loop_shares_enough(const struct lkernel *k, const struct ls *s, int64_t n, double enough);
/* The same of all of a kernel's loops that run in threads for n samples: what these take off is half of it. */
double kernel_shared_work(const struct lkernel *k, int64_t n);

/* Whether all that stands in a kernel is loops whose iterations go in any order, with nothing on the stack that they have in
 * common: the threads of a run may call it. */
bool kernel_is_for_runs(const struct lkernel *k);
bool block_in_threads(const struct lblock *b); /* whether some of its loops, or of those within, are shared out */

#endif
