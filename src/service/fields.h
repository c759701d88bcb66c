#ifndef HST_SERVICE_FIELDS_H
#define HST_SERVICE_FIELDS_H
/** @file
 * The fields of a request: those of its JSON body and its query parameters, together. A query parameter is text ("true", "5",
 * "a,b" or repeated for a list). A field given in both places is an error; so is one that the verb does not know, where guessing
 * could free what should stay. */
#include "service/service.h"

/** Put body (may be NULL) and raw query (may be NULL) together. *ret_fields owned by the caller (json_decref). */
int hst_fields_merge(const json_t *body, const char *query, json_t **ret_fields, struct hst_error *err);
/** Are all fields among these, and (for DELETE) none null? `known` is ended by NULL. */
int hst_fields_check(const struct hst_call *call, const char *const *known, struct hst_error *err);
/** Text; NULL when absent. Borrowed. */
int hst_fields_text(const struct hst_call *call, const char *name, const char **ret_text, struct hst_error *err);
/** A boolean; *ret_flag is left alone when absent. */
int hst_fields_flag(const struct hst_call *call, const char *name, bool *ret_flag, struct hst_error *err);
/** A number up to `most`; *ret_number is left alone when absent. */
int hst_fields_number(const struct hst_call *call, const char *name, uint64_t most, uint64_t *ret_number, struct hst_error *err);
/** A number from `least` to `most`; *ret_number is left alone when absent. */
int hst_fields_integer(const struct hst_call *call, const char *name, int64_t least, int64_t most, int64_t *ret_number, struct hst_error *err);
/** A list of texts as a JSON array (new reference), NULL when absent. */
int hst_fields_list(const struct hst_call *call, const char *name, json_t **ret_list, struct hst_error *err);
#endif
