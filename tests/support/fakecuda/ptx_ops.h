#ifndef FAKECUDA_PTX_OPS_H
#define FAKECUDA_PTX_OPS_H
/** @file
 * The instructions that the interpreter of PTX knows, one row a full name, with the meaning that NVIDIA's PTX ISA gives them. Where the ISA leaves a result open
 * (which NaN comes out) it is one that nobody may count on. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Most operands of an instruction. */
#define PTX_OPERANDS 4

/** Fundamental types. */
enum ptx_type {
    PTX_NONE, /**< no operand, or a label */
    PTX_PRED, /**< predicate */
    PTX_B8,   /**< untyped bits */
    PTX_B16,  /**< untyped bits */
    PTX_B32,  /**< untyped bits */
    PTX_B64,  /**< untyped bits */
    PTX_U8,   /**< unsigned integer */
    PTX_U16,  /**< unsigned integer */
    PTX_U32,  /**< unsigned integer */
    PTX_U64,  /**< unsigned integer */
    PTX_S8,   /**< signed integer */
    PTX_S16,  /**< signed integer */
    PTX_S32,  /**< signed integer */
    PTX_S64,  /**< signed integer */
    PTX_F32,  /**< IEEE single */
    PTX_F64,  /**< IEEE double */
};

/** What an instruction does besides computing. */
enum ptx_kind {
    PTX_COMPUTE,   /**< first operand = compute(the others) */
    PTX_LOAD,      /**< first operand = memory at the second */
    PTX_STORE,     /**< memory at the first operand = the second */
    PTX_PARAMETER, /**< first operand = the parameter that is the second */
    PTX_BRANCH,    /**< go on at a label */
    PTX_END,       /**< this thread is done */
};

/** An instruction. */
struct ptx_op {
    const char *name;                  /**< with all its modifiers */
    enum ptx_kind kind;                /**< what it does */
    enum ptx_type types[PTX_OPERANDS]; /**< of its operands, or what is loaded and stored; PTX_NONE ends */
    uint64_t (*compute)(const uint64_t *sources); /**< of PTX_COMPUTE: bits of its result; what is too wide is cut off */
};

/** The instruction with this name, or NULL. */
const struct ptx_op *ptx_op_find(const char *name);
/** The type with this name (".b32"), or PTX_NONE. */
enum ptx_type ptx_type_find(const char *name);
/** Bytes of a type; 1 for a predicate. */
unsigned ptx_type_bytes(enum ptx_type type);
/** May a register of type `has` be an operand of type `wants`? `is_moved`: of an integer that is loaded or stored, which may have a wider register. */
bool ptx_type_fits(enum ptx_type has, enum ptx_type wants, bool is_moved);
/** Is it F32 or F64? */
bool ptx_type_is_float(enum ptx_type type);
/** What a register gets of the bits of a value of this type: those above are zeros, or the sign. */
uint64_t ptx_type_widen(enum ptx_type type, uint64_t bits);
/** Why the last fake_ptx_load of this thread did not take a text: the line, and what is wrong there. Static to the thread. */
const char *fake_ptx_why(void);
#endif
