/* ir/layout.c: see layout.h. */
#include "ir/layout.h"

bool layout_known(enum op op)
{
    switch (op) {
    case OP_conv:
    case OP_conv_dx:
    case OP_conv_dw:
    case OP_maxpool:
    case OP_maxpool_dx:
    case OP_avgpool:
    case OP_avgpool_dx: return true;
    default: return false;
    }
}

bool layout_channels_last(const struct node *n)
{
    return layout_known(n->op) && attr_bool(n, "channels_last");
}

bool conv_goes_in_panels(const struct node *n)
{
    bool plain = n->op == OP_conv || n->op == OP_conv_dx;

    if (plain ? !layout_channels_last(n) || attr_int(n, "groups") > 1 : n->op != OP_winograd)
        return false;
    struct type w = operand(n, 1)->type;
    int64_t channels = w.dim[w.rank - 1].k;

    return channels % CONV_PANEL == 0 && channels > CONV_PANEL && type_count(w, 1) >= LARGE_WEIGHTS;
}

static bool is_weight(enum op op, bool result, int index)
{
    return result ? op == OP_conv_dw : index == 1 && (op == OP_conv || op == OP_conv_dx);
}

void layout_perm(enum op op, bool result, int index, int rank, int64_t *perm)
{
    bool weight = is_weight(op, result, index), turned = weight && op == OP_conv_dx;

    for (int i = 2; i < rank; i++)
        perm[i] = weight ? i - 2 : i - 1;
    perm[0] = !weight ? 0 : turned ? rank - 2 : rank - 1;
    perm[1] = weight && !turned ? rank - 2 : rank - 1;
}

struct type layout_first(struct type t, const int64_t *perm)
{
    struct type first = t;

    for (int i = 0; i < t.rank; i++)
        first.dim[i] = t.dim[perm[i]];
    return first;
}

struct type layout_last(struct type t, const int64_t *perm)
{
    struct type last = t;

    for (int i = 0; i < t.rank; i++)
        last.dim[perm[i]] = t.dim[i];
    return last;
}
