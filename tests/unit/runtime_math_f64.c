/* runtime_math_f64.c: elementary functions in double, with the machine's lanes, fused where it can. */
#define NN_DOUBLE
#include "runtime_math.h"
