#ifndef HST_SERVICE_PLANS_H
#define HST_SERVICE_PLANS_H
/** @file
 * What a load would do, asked of the loader by somebody who waits for the answer; and as JSON. */
#include "service/batch.h"

/** Plan one selected model's load, and see to it that the call is answered. On failure nothing runs and the call is not answered. */
int hst_plans_start(const struct hst_call *call, const struct hst_selected *item, const struct hst_batch_wish *wish, struct hst_error *err);
/** What a job has planned: steps, components, evictions, bytes. */
json_t *hst_view_plan(const struct hst_service *service, const struct hst_job *job);
/** The record of an eviction. */
json_t *hst_view_decision(const struct hst_decision *decision);
#endif
