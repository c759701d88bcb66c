#ifndef HST_SERVICE_RESIDENTS_H
#define HST_SERVICE_RESIDENTS_H
/** @file
 * What is in RAM and on devices, as a list that outlives a restart: pinned components first, then those used last. Each is {component_id, precision, device_id,
 * pinned, heat, last_used_ns}. */
#include "service/service.h"

/** A component that was in RAM. */
struct hst_resident_note {
    struct hst_component *component; /**< borrowed from the catalog; NULL = there is none any more that can be loaded */
    struct hst_residency *held;      /**< it is there; else NULL */
    const char *precision;           /**< borrowed; NULL = as stored */
    struct hst_device *device;       /**< it was on this device, too; NULL = on none that there is */
    bool pinned;                     /**< it was */
    double heat;                     /**< of its use (cache/cache.h) */
    int64_t last_used_ns;            /**< wall clock; 0 = never */
};

/** The list now, without what nobody has used so far; then those of `pending` (an array, or NULL) that are not there. New reference. */
json_t *hst_residents_list(const struct hst_service *service, json_t *pending);
/** What an entry says. */
struct hst_resident_note hst_residents_read(const struct hst_service *service, const json_t *entry);
/** Is it where it was? */
bool hst_resident_note_is_back(const struct hst_service *service, const struct hst_resident_note *note);
#endif
