#ifndef HST_CONVERT_RULES_H
#define HST_CONVERT_RULES_H
/** @file
 * Which tensors of a component are converted to the precision that somebody wishes, and which are better left alone. Pure. Where each rule
 * comes from: docs/decisions/0016-conversions.md. */
#include "base/error.h"
#include "convert/convert.h"

/** What matters most. */
enum hst_convert_level {
    HST_CONVERT_BALANCED, /**< what was wished, where it does no harm */
    HST_CONVERT_SPEED,    /**< and in types that the device computes with */
    HST_CONVERT_MEMORY,   /**< and small, even where the device has to widen before it computes */
};

/** What a device computes with, besides fp32 and fp16. */
struct hst_convert_device {
    bool has_bf16; /**< bf16 */
    bool has_fp8;  /**< fp8, of both kinds */
};

/** What is wished for a component. */
struct hst_convert_wish {
    enum hst_dtype dtype;             /**< one of those that are converted; 0 = as stored, whatever else is wished */
    const char *role;                 /**< of the component: "unet", "vae" ...; NULL = it belongs to none; borrowed */
    bool named;                       /**< the component was asked for by its name: then a VAE is converted, too */
    bool scaled;                      /**< the model is quantised: some of its numbers count only with scales that lie beside them */
    enum hst_convert_level level;     /**< what matters most */
    struct hst_convert_device device; /**< for which; all true = for whichever */
};

/** A tensor, as far as rules look at it. */
struct hst_convert_tensor {
    const char *name;     /**< as in its file; borrowed */
    enum hst_dtype dtype; /**< as stored */
    uint32_t rank;        /**< dimensions */
};

/** What becomes of it. */
struct hst_convert_choice {
    enum hst_dtype dtype; /**< its type then; as stored when it stays as it is */
    const char *why;      /**< a sentence without its full stop; static */
};

/** Decide about one tensor. */
struct hst_convert_choice hst_convert_choose(const struct hst_convert_wish *wish, const struct hst_convert_tensor *tensor);
/** The type of a precision as users write it: fp64 fp32 fp16 bf16 fp8_e4m3 fp8_e5m2, and fp8, which is fp8_e4m3. HST_E_INVALID_ARGUMENT. */
int hst_convert_precision(const char *text, enum hst_dtype *ret_dtype, struct hst_error *err);
/** How users write a type that is converted; static. */
const char *hst_convert_precision_name(enum hst_dtype dtype);
/** The name of a level; static. */
const char *hst_convert_level_name(enum hst_convert_level level);
/** The level of this name: speed balanced memory. HST_E_INVALID_ARGUMENT. */
int hst_convert_level_parse(const char *text, enum hst_convert_level *ret_level, struct hst_error *err);
#endif
