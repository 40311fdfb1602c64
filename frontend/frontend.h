/* frontend/frontend.h: from a .net file to the tensor IR. */
#ifndef FRONTEND_FRONTEND_H
#define FRONTEND_FRONTEND_H

#include "ir/graph.h"

struct frontend_options {
    const char *net; /* which net of the file; NULL: its only one */
    int64_t batch;   /* batch capacity; 0: the model's */
    bool f64, infer_only, train_only;
    const char *const *defines; /* NAME=VALUE */
    int ndefines;
    const char *const *include; /* -I */
    int includes;
};

/* The module of a net: variables, optimizers, and the graphs train (forward only), eval and infer. NULL after errors,
 * with the exit status in *status: 1 the model has errors, 2 wrong usage, 3 a file could not be read. */
struct module *frontend_load(struct arena *a, struct names *names, struct diag *d, const char *path,
                             const struct frontend_options *o, int *status);

extern const char frontend_prelude[]; /* prelude.net, the library of layers */

#endif
