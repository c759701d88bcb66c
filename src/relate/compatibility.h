#ifndef HST_RELATE_COMPATIBILITY_H
#define HST_RELATE_COMPATIBILITY_H
/** @file
 * Do two models work together? Told by shapes: every module of an adapter against the base's weight of that module, a VAE's latent
 * channels and an encoder's width against those of the main model. Pure: tables in, report out. Any thread. */
#include "model/model.h"

/** The answer. */
enum hst_compatible {
    HST_COMPATIBLE_UNKNOWN, /**< the shapes do not tell */
    HST_COMPATIBLE_NO,      /**< fewer than half of the modules fit, or the width of the text or the latents differs */
    HST_COMPATIBLE_PARTLY,  /**< at least half of them fit, not all */
    HST_COMPATIBLE_YES,     /**< all fit */
};

/** Examples that a report keeps. */
#define HST_COMPATIBILITY_EXAMPLES 10

/** A module that does not fit. */
struct hst_misfit {
    char module[160];          /**< as the adapter calls it */
    char key[160];             /**< the base's tensor; "" = it has none */
    const char *problem;       /**< "mismatched" "missing" "dangling"; static */
    uint64_t adapter_shape[2]; /**< rows and columns that the adapter expects; 0 = any */
    uint64_t base_shape[2];    /**< those of the base's weight */
};

/** The report. Zero-initialise; free with hst_compatibility_fini. */
struct hst_compatibility {
    enum hst_compatible compatible;   /**< the answer */
    const struct hst_model *adapter;  /**< which of the two adapts the other; borrowed; NULL = neither does */
    const struct hst_model *base;     /**< the other one; borrowed */
    size_t matched;    /**< modules that fit */
    size_t mismatched; /**< modules with another shape */
    size_t missing;    /**< modules that the base does not have */
    size_t dangling;   /**< modules of which the adapter lacks a half */
    size_t unchecked;  /**< modules found whose weight is packed, or whose adapter does not tell a shape */
    size_t elsewhere;  /**< modules for a text encoder that the base does not have in itself */
    uint64_t text_width; /**< that the adapter was made for, when the base takes another; 0 = not so */
    size_t targets;    /**< matrices of the base in the parts that are adapted; 0 = not counted */
    size_t touched;    /**< those of them that are adapted */
    char **reasons;    /**< sentences; owned */
    size_t reason_count; /**< of reasons */
    struct hst_misfit examples[HST_COMPATIBILITY_EXAMPLES]; /**< the first misfits */
    size_t example_count; /**< of examples */
};

/** Compare two models; which of them adapts the other is found out. Their tensors must be at hand. */
int hst_compatibility_check(const struct hst_model *one, const struct hst_model *other, struct hst_compatibility *ret_report, struct hst_error *err);
/** yes partly no unknown. */
const char *hst_compatible_name(enum hst_compatible compatible);
/** Modules that were compared. */
size_t hst_compatibility_total(const struct hst_compatibility *report);
/** Add a sentence. */
int hst_compatibility_reason(struct hst_compatibility *report, struct hst_error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Free what it holds. */
void hst_compatibility_fini(struct hst_compatibility *report);
#endif
