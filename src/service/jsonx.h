#ifndef HST_SERVICE_JSONX_H
#define HST_SERVICE_JSONX_H
/** @file
 * JSON values of our own types. Each returns a new reference, or NULL when out of memory (jansson's setters take that as failure). */
#include <jansson.h>
#include <stdint.h>

/** Text; bytes that are not UTF-8 are escaped; null for NULL. */
json_t *hst_jsonx_text(const char *text);
/** Bytes or a count. */
json_t *hst_jsonx_size(uint64_t value);
/** Milliseconds, to the microsecond. */
json_t *hst_jsonx_ms(double ms);
/** The same; null when it is negative, which is: not known. */
json_t *hst_jsonx_known_ms(double ms);
/** A wall-clock time (RFC 3339 UTC); null for 0 = never. */
json_t *hst_jsonx_time(int64_t wall_ns);
/** An array of texts. */
json_t *hst_jsonx_texts(const char *const *texts, size_t count);
#endif
