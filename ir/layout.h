/* ir/layout.h: channels last. Convolutions and pools have an attribute `channels_last`; where it is set their tensors
 * have these axes instead of the usual ones:
 *
 *     images                 [n, c, s...]     ->  [n, s..., c]
 *     weights                [o, c, k...]     ->  [k..., c, o]
 *     weights of conv_dx     [o, c, k...]     ->  [k..., o, c]
 *
 * so that the channels of the result run along neighbouring elements. Types are inferred, and values evaluated, in the
 * usual order: what enters is turned, and what comes out turned back. */
#ifndef IR_LAYOUT_H
#define IR_LAYOUT_H

#include "ir/graph.h"

/* A result of at most so many channels fills no lanes: these run along the channels that are summed, where that many lie
 * beside each other (passes/choose.c, codegen/conv_last.c); and a tile of the weights' gradient takes in elements of the
 * window beside each other, where the image has fewer. */
enum { FEW_CHANNELS = 6 };

/* Whether a convolution, the gradient of its image, or either in Winograd's form, has weights so large that they are gone from
 * a core's own caches when the next pixels want them: they are laid out, and gone through, some channels of the result at a
 * time. */
enum { CONV_PANEL = 32, LARGE_WEIGHTS = 1 << 18 }; /* channels; elements */
bool conv_goes_in_panels(const struct node *n);

bool layout_known(enum op op);                   /* has the attribute */
bool layout_channels_last(const struct node *n); /* has it, and it is set */

/* The axes of operand or result `index` of op in the usual order: axis i of the usual is perm[i] of channels last. */
void layout_perm(enum op op, bool result, int index, int rank, int64_t *perm);

/* The same tensor's type in the other order. */
struct type layout_first(struct type t, const int64_t *perm); /* from channels last */
struct type layout_last(struct type t, const int64_t *perm);  /* from the usual one */

#endif
