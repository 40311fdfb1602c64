/* nn_error.c: codes and types in words, and how the library was built. Needs nothing of libc. */
#include "netrt.h"
#include "nn_machine.h"

const char *nn_strerror(int code)
{
    switch (code) {
    case NN_OK: return "no error";
    case NN_ENULL: return "a null pointer where data is needed";
    case NN_EBATCH: return "the number of samples is not between 1 and the model's batch";
    case NN_EINDEX: return "an index or label is out of range";
    case NN_EFILE: return "a file cannot be opened, read or written";
    case NN_EFORMAT: return "a file is malformed";
    case NN_EMISMATCH: return "a file does not fit this model";
    case NN_EMEMORY: return "not enough memory";
    case NN_ESTATE: return "not now: nothing is accumulated, or gradients wait for apply, or the instance only infers";
    case NN_EUNSUPPORTED: return "not supported by this model or build";
    case NN_EVALUE: return "a value does not fit its type";
    default: return code > 0 ? "no error" : "unknown error";
    }
}

const char *nn_build_info(void)
{
    return "netrt " NN_TEXT(NN_RUNTIME_VERSION) ", " NN_ARITHMETIC;
}

const char *nn_dtype_name(nn_dtype t)
{
    static const char *const names[] = { "f32", "f64", "i32", "u8", "bool" };
    return (unsigned)t < 5 ? names[t] : "?";
}

size_t nn_dtype_size(nn_dtype t)
{
    static const unsigned char sizes[] = { 4, 8, 4, 1, 1 };
    return (unsigned)t < 5 ? sizes[t] : 0;
}
