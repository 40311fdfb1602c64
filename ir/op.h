/* ir/op.h: the operations as an enum, and what ops.def says of each, read once from its text. */
#ifndef IR_OP_H
#define IR_OP_H

#include <stdbool.h>

#define OP(name, operands, attributes, type, gradient, lowering, element, flags) OP_##name,
enum op {
#include "ir/ops.def"
    OP_COUNT
};
#undef OP

enum op_flag { RANDOM = 1, COMMUTES = 2, EFFECT = 4, CHEAP = 8 };

enum attr_kind { AT_INT, AT_REAL, AT_BOOL, AT_WORD, AT_INTS, AT_DIMS };

enum { MAX_ATTRS = 8, MAX_OPERAND_NAMES = 5 };

/* A row of the table. */
struct op_info {
    const char *name;
    const char *operands, *attributes;          /* as written in ops.def */
    const char *type_rule, *lowering, *element; /* element NULL: none */
    unsigned flags;
};

/* One attribute as declared. fallback: the default as text; "" where the attribute is required. */
struct attr_decl {
    char name[24];
    enum attr_kind kind;
    char fallback[16];
};

/* The operands and attributes of a row, read from its text. */
struct op_signature {
    int operands; /* names given; the last repeats where `variadic` */
    int required; /* at least so many operands */
    bool variadic;
    char operand[MAX_OPERAND_NAMES][16];
    int attrs;
    struct attr_decl attr[MAX_ATTRS];
};

const struct op_info *op_info(enum op op);
struct op_signature op_signature(enum op op);
bool op_is(enum op op, unsigned flag);
bool op_is_map(enum op op);    /* lowering "map": one element from one element of each operand */
bool op_is_index(enum op op);  /* lowering "index": a change of coordinates */
int op_find(const char *name); /* the enum's value, or -1 */

#endif
