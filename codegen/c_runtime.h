/* codegen/c_runtime.h: the runtime's files as text, for --standalone. The table is made by the build (runtime.sh). */
#ifndef CODEGEN_C_RUNTIME_H
#define CODEGEN_C_RUNTIME_H

struct runtime_file {
    const char *name, *text; /* "nn_core.h" */
};

extern const struct runtime_file runtime_files[]; /* headers, then sources, each by name; the last name is NULL */

#endif
