#ifndef HST_SERVICE_USEJSON_H
#define HST_SERVICE_USEJSON_H
/** @file
 * What is learned from use, as the texts that are kept over a restart. What comes back was written by hoist; numbers that make no sense are left out. */
#include "predict/ledger.h"
#include "predict/patterns.h"
#include <jansson.h>

/** A pattern but for its key. New reference. */
json_t *hst_usejson_pattern(const struct hst_pattern *pattern);
/** Fill a table from an object of such patterns by key. */
void hst_usejson_recall(struct hst_patterns *patterns, json_t *rows);
/** The sums and the state of a ledger. New reference. */
json_t *hst_usejson_ledger(const struct hst_ledger *ledger);
/** Fill a ledger with them. */
void hst_usejson_recall_ledger(struct hst_ledger *ledger, const json_t *row);
#endif
