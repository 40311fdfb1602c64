/* ir/in_place.h: where a group's result may lie in the place of an operand that nobody reads after it.
 *
 *     %1 : f32[N,8] at 0 = fused %x { ... }
 *     %2 : f32[N,8] at 0 = fused %1, %b {          each element of %1 is read before that of %2 is stored,
 *       %3 : f32[N,8] = broadcast %b, ...          and nothing reads it afterwards
 *       %4 : f32[N,8] = add %1, %3
 *       yield %4
 *     }
 *
 * An operand lives until its group has run, so a result at its offset is one in its place: nothing else says so. */
#ifndef IR_IN_PLACE_H
#define IR_IN_PLACE_H

#include "ir/graph.h"

/* Of each result and each operand, [i * operands + k], whether the one may lie in the other's place, if that dies; NULL
 * where none may. Memory comes from a; sets node->id of what is in the body. */
const bool *in_place_pairs(struct arena *a, const struct node *group);

/* The operand in whose place result i was planned; -1: it has its own. */
int in_place_operand(const struct node *group, int i);

#endif
