/* passes/group.h: making groups, shared by fuse and outline. Private to them. */
#ifndef PASSES_GROUP_H
#define PASSES_GROUP_H

#include "passes/passes.h"

/* Whether an operation may stand in a group at all: scans, outputs, losses and metrics stand alone. */
bool group_member(const struct node *n);

/* Wraps neighbouring operations, given in their order, into one `fused` at the place of the last. What is read outside
 * becomes its results. */
struct node *group_make(struct node *const *member, int count, struct arena *scratch);

#endif
