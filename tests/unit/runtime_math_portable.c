/* runtime_math_portable.c: never fused, in float: the same bits on every machine. */
#define NN_PORTABLE
#define PORTABLE_FINGERPRINT 0x468e7671f6496626u
#include "runtime_math.h"
