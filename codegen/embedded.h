/* codegen/embedded.h: the runtime's files, carried inside the compiler for --standalone. */
#ifndef CODEGEN_EMBEDDED_H
#define CODEGEN_EMBEDDED_H

struct embedded {
    const char *name, *text;
};

extern const struct embedded runtime_text[];    /* ends with a NULL name */

#endif
