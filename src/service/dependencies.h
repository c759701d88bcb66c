#ifndef HST_SERVICE_DEPENDENCIES_H
#define HST_SERVICE_DEPENDENCIES_H
/** @file
 * What a model needs, and which components of the catalog would serve, best first. Components are borrowed from the catalog. */
#include "relate/needs.h"
#include "service/limits.h"
#include "service/service.h"

/** A component that would serve. */
struct hst_dependency_candidate {
    struct hst_component *component; /**< of another model */
    struct hst_serving serving;      /**< how well, and why */
};
/** One need, and who serves. */
struct hst_dependency {
    struct hst_need need;            /**< what */
    const struct hst_component *own; /**< of the model itself, or NULL */
    struct hst_dependency_candidate candidates[HST_CANDIDATES_MAX]; /**< best first; none when `own` is there */
    size_t count;                    /**< of candidates */
};
/** All needs of a model. */
struct hst_dependencies {
    struct hst_dependency items[HST_NEEDS_MAX]; /**< in the order of the table */
    size_t count;                    /**< of items */
};

/** Look through the catalog. *ret_dependencies is large: owned by the caller (free). */
int hst_dependencies_find(const struct hst_service *service, const struct hst_model *model, struct hst_dependencies **ret_dependencies, struct hst_error *err);
/** The component that fills the need: the model's own, else the first candidate that is the one beyond doubt, else NULL. */
const struct hst_component *hst_dependency_choice(const struct hst_dependency *dependency);
/** Are all filled? */
bool hst_dependencies_complete(const struct hst_dependencies *dependencies);
#endif
