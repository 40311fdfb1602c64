/* runtime_math_portable_f64.c: never fused, in double: the same bits on every machine. */
#define NN_PORTABLE
#define NN_DOUBLE
#define PORTABLE_FINGERPRINT 0x5c92418447795265u
#include "runtime_math.h"
