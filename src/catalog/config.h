#ifndef HST_CATALOG_CONFIG_H
#define HST_CATALOG_CONFIG_H
/** @file
 * What the user wishes for a model, whoever loads it: whether it stays in memory, for how long when nobody uses it, before whom it goes, and in which
 * precision it is loaded. Kept in the catalog's database under the model's id. Loop thread only. */
#include "catalog/catalog.h"

/** Whether a model is pinned. */
enum hst_config_pin {
    HST_PIN_UNSAID, /**< as each load says */
    HST_PIN_NO,     /**< it is not, unless a load says so */
    HST_PIN_YES,    /**< all of it that is in memory, and that comes there */
};

/** Priorities go from minus this to this: each step doubles what a model is worth when somebody has to go. */
#define HST_PRIORITY_MOST 10
/** Longest time to live, in seconds: ten years, which is as good as for ever. */
#define HST_TTL_SECONDS_MAX 315360000u

/** The wish. All zero = nothing said. */
struct hst_model_config {
    enum hst_config_pin pin; /**< see there */
    bool has_ttl;            /**< is ttl_seconds said? */
    uint32_t ttl_seconds;    /**< what is not pinned goes when it was not used for so long; 0 = with the last lease */
    bool has_priority;       /**< is priority said? */
    int priority;            /**< -HST_PRIORITY_MOST to HST_PRIORITY_MOST; 0 when nothing is said */
    char precision[16];      /**< of loads that name none; "" = as stored */
};

/** Called on the loop thread when a wish was written; err NULL = it holds from now on. */
typedef void (*hst_config_fn)(void *context, const struct hst_error *err);

/** The wish for a model: never NULL, also for one that nobody knows and without a catalog (NULL). Borrowed until the next wish for it. */
const struct hst_model_config *hst_config_of(const struct hst_catalog *catalog, const char *model_id);
/** The next model that is pinned by a wish, or by one that is being written: start with *cursor = 0. @return borrowed, NULL at the end */
struct hst_model *hst_config_next_pinned(const struct hst_catalog *catalog, size_t *cursor);
/** Write a wish; it holds when `done` is told. HST_E_MODEL_NOT_FOUND; HST_E_BUSY while another one for the same model is being written. */
int hst_config_set(struct hst_catalog *catalog, const char *model_id, const struct hst_model_config *config, hst_config_fn done, void *context,
                   struct hst_error *err);
#endif
