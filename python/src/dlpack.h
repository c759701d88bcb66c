#ifndef HOIST_PY_DLPACK_H
#define HOIST_PY_DLPACK_H
/** @file
 * The structures of the DLPack specification (1.1), the exchange format of tensor libraries. Field names follow the
 * specification's meaning; layout is fixed by it. */
#include <stdint.h>

/** Where data is. */
struct dl_device {
    int32_t type; /**< 1 = CPU, 2 = CUDA */
    int32_t id;   /**< ordinal */
};
/** Element type. */
struct dl_type {
    uint8_t code;   /**< kind: 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool, 7.. 8-bit and smaller floats */
    uint8_t bits;   /**< per element */
    uint16_t lanes; /**< elements of a vector type: 1 */
};
/** A tensor. */
struct dl_tensor {
    void *data;              /**< first byte */
    struct dl_device device; /**< where */
    int32_t rank;            /**< dimensions */
    struct dl_type type;     /**< element type */
    int64_t *shape;          /**< `rank` sizes */
    int64_t *strides;        /**< `rank` steps in elements */
    uint64_t byte_offset;    /**< of the first element from `data` */
};
/** Legacy form, capsule "dltensor". */
struct dl_managed {
    struct dl_tensor tensor;             /**< the tensor */
    void *context;                       /**< ours */
    void (*deleter)(struct dl_managed *); /**< called once by the consumer, from any thread */
};
/** Form of DLPack 1.x, capsule "dltensor_versioned". */
struct dl_managed_versioned {
    uint32_t major, minor;                          /**< version of the specification */
    void *context;                                  /**< ours */
    void (*deleter)(struct dl_managed_versioned *); /**< called once by the consumer, from any thread */
    uint64_t flags;                                 /**< 1 = read only, 2 = copied */
    struct dl_tensor tensor;                        /**< the tensor */
};
#endif
