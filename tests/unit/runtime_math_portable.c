/* runtime_math_portable.c: never fused, in float: the same bits on every machine. */
#define NN_PORTABLE
#define PORTABLE_FINGERPRINT 0x5e3d67bfd052805eu
#include "runtime_math.h"
