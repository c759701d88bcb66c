#ifndef HST_SERVICE_ENVELOPE_H
#define HST_SERVICE_ENVELOPE_H
/** @file
 * The envelope of every answer of the API (contract section 5). Texts are owned by the caller (free); NULL when out of memory. */
#include "base/error.h"
#include <jansson.h>

/** Success with data (stolen). */
char *hst_envelope_ok(json_t *data, const char *request_id);
/** Failure; details (stolen) may be NULL. */
char *hst_envelope_fail(const struct hst_error *error, json_t *details, const char *request_id);
#endif
