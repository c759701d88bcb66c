#ifndef HST_SERVICE_PRELOAD_H
#define HST_SERVICE_PRELOAD_H
/** @file
 * Fills memory that is free before anybody asks: first with what was there before a restart, pinned components first and then the warmest; then with
 * what is probably used next, as long as the ledger says that it is worth it. One component or model at a time, only while nothing else is loaded, in
 * loads that give way (load.h). */
#include "predict/patterns.h"
#include "service/service.h"

/** The part that does it. */
struct hst_preload;

/** Make it. What was in RAM is brought back after the first scan, not before. *ret_preload owned by the caller. */
int hst_preload_new(struct hst_service *service, struct hst_preload **ret_preload, struct hst_error *err);
/** Begin nothing more; what it has begun is nobody's any more. NULL is fine. */
void hst_preload_stop(struct hst_preload *preload);
/** Free it. NULL is fine. Runs the loop until its timer is closed. */
void hst_preload_free(struct hst_preload *preload);
/** Something happened (a use, the end of a load, free memory): look soon whether there is something to do. NULL is fine. */
void hst_preload_wake(struct hst_preload *preload);
/** A scan has ended: models are known. NULL is fine. */
void hst_preload_scanned(struct hst_preload *preload);
/** Bring in now all that is probable enough and fits, whether predictions are on or not. @return how many models that is */
size_t hst_preload_all(struct hst_preload *preload);
/** What is still to be brought back after a restart: an array (residents.h), borrowed; NULL = nothing. */
json_t *hst_preload_pending(const struct hst_preload *preload);
/** How it stands: {state, restored, pending}, state disabled waiting restoring done. New reference. */
json_t *hst_preload_view_restore(const struct hst_preload *preload);
/** Does the key name something that could be brought in and is not there? *ret_bytes = of it that are missing. */
bool hst_preload_is_missing(const struct hst_service *service, const char *key, uint64_t *ret_bytes);
#endif
