/* runtime_math_f32.c: elementary functions in float, with the machine's lanes, fused where it can. */
#include "runtime_math.h"
