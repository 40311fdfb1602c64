/* runtime_math_portable.c: never fused, in float: the same bits on every machine. */
#define NN_PORTABLE
#define PORTABLE_FINGERPRINT 0x961a860b44c5190au
#include "runtime_math.h"
