#ifndef HST_SERVICE_RECORDER_H
#define HST_SERVICE_RECORDER_H
/** @file
 * Records every use, and keeps what is learned from it, and what is in RAM, over a restart. Changes are written together, HST_RECORDER_MS after the
 * first of them, by a thread of its own: who is killed loses the last seconds. */
#include "predict/ledger.h"
#include "predict/patterns.h"
#include "service/service.h"

/** The recorder. */
struct hst_recorder;

/** Make one, with what the catalog's database has kept. *ret_recorder owned by the caller. */
int hst_recorder_new(struct hst_service *service, struct hst_recorder **ret_recorder, struct hst_error *err);
/** Write what is not written and free. NULL is fine. Runs the loop until that is done. */
void hst_recorder_free(struct hst_recorder *recorder);
/** Something was used that is named by this key (usekey.h); waited_s = seconds it took to bring it in, 0 = it was there. */
void hst_recorder_use(struct hst_recorder *recorder, const char *key, double waited_s);
/** A load has succeeded: it is a use, unless it is in the background. */
void hst_recorder_job(struct hst_recorder *recorder, const struct hst_job *job);
/** Something else that is kept has changed. */
void hst_recorder_mark(struct hst_recorder *recorder);
/** What is known of uses. */
struct hst_patterns *hst_recorder_patterns(const struct hst_recorder *recorder);
/** What came of predictions. */
struct hst_ledger *hst_recorder_ledger(struct hst_recorder *recorder);
/** What was in RAM when the last hoistd ended, an array (residents.h); borrowed. */
json_t *hst_recorder_residents(const struct hst_recorder *recorder);
/** Wall clock in seconds, as patterns and ledger count it. */
double hst_recorder_now(void);
#endif
