/* nn_memory.c: memory for instances. */
#define _POSIX_C_SOURCE 200809L

#include "netrt.h"

#include <stdlib.h>

void *nn_alloc(size_t bytes)
{
    void *p = NULL;
    return posix_memalign(&p, 64, bytes ? bytes : 64) ? NULL : p;
}

void nn_free(void *p)
{
    free(p);
}
