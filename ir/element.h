/* ir/element.h: one element of each elementwise, random and scalar operation, in double: what both evaluators compute
 * with. Written for clarity, with libm; the runtime's own functions are checked against it. */
#ifndef IR_ELEMENT_H
#define IR_ELEMENT_H

#include "ir/graph.h"

/* `type` is that of the first operand that is no condition: integers wrap at 32 bits. */
double element_map(enum op op, enum dtype type, const double *x);
double element_cast(double x, enum dtype from, enum dtype to);
double element_fold(enum op op, const double *x); /* 16 of them, in nn_vec.h's tree; add, mul, max, min */

/* Element `element` of a random operation (uniform, normal): a pure function of these (nn_random.h). Reals of f32 have
 * 24 random bits, of f64 53. */
double element_random(enum op op, const struct attr *attr, int attrs, bool f64, uint64_t seed, uint64_t step,
                      uint64_t element);

/* Element i of a permutation of 0..size - 1 drawn at random (nn_sparse.h). */
uint64_t element_permuted(uint64_t size, uint64_t seed, uint64_t step, uint32_t stream, uint64_t i);

/* learning_rate, bias_correction, first_step after `step` steps (nn_schedule.h). lr_override: negative for none. */
double element_hyper(enum op op, const struct attr *attr, int attrs, int64_t step, double lr_override);

const struct attr *attr_find(const struct attr *attr, int attrs, const char *name);

#endif
