/* ir/view.h: steps of a scan that have no place of their own: one of a sequence is read where it lies, one of a stacked
 * result is stored where it goes.
 *
 *     %ys : f32[N,5,4] at 320, %last : f32[N,4] at 640 = scan %x = %seq, %h at 704 = %start, ... {
 *       %y : f32[N,4], %next : f32[N,4] at 768 = fused %x, %h { ... }        %x lies in %seq, %y in %ys: elements of
 *       yield %y, %next                                                      different samples 5 times as far apart
 *     }
 *
 * Kernels take such a place as an argument (lbuf_view in loop.h); all else has what lies together. Asked by plan, followed
 * by codegen. */
#ifndef IR_VIEW_H
#define IR_VIEW_H

#include "ir/graph.h"

struct view {
    const struct node *scan;
    struct value *whole; /* an operand or a result of the scan */
    int64_t steps;
    int axis; /* along which they are; 0: the step lies together, nothing but ones stands before it */
};

/* Whether v is a view, and of what. A sequence's step is one where kernels alone read it, what a kernel gives where it is
 * yielded as one step of one result, be it carried on or not, and kernels alone read it beside. */
bool view_of(const struct value *v, struct view *view);
/* Whether v is one whose elements do not lie together. */
bool lies_apart(const struct value *v, struct view *view);

#endif
