#ifndef HST_FORMATS_JSON_EDIT_H
#define HST_FORMATS_JSON_EDIT_H
/** @file
 * Changing one member of a JSON object in its text, so that everything else stays as somebody else wrote it, byte for byte. */
#include "base/error.h"
#include "base/strbuf.h"

/** A part of a text. */
struct hst_json_span {
    uint64_t begin; /**< first byte */
    uint64_t end;   /**< behind the last one; equal to begin = nothing */
};

/** Where the value of the member `key` is; an empty span when there is none. HST_E_INVALID_FILE when the text is no object or has
 * the member twice. */
int hst_json_edit_find(const char *text, size_t length, const char *key, struct hst_json_span *ret_span, struct hst_error *err);
/** The text with the member set to `value` (JSON text; NULL takes the member out), added to `out`. A new member comes last, written in
 * the manner of the first one. */
int hst_json_edit_set(const char *text, size_t length, const char *key, const char *value, struct hst_strbuf *out, struct hst_error *err);
/** hst_json_edit_set in place, with a member that is the string `value`; NULL takes it out. */
int hst_json_edit_text(struct hst_strbuf *text, const char *key, const char *value, struct hst_error *err);
/** Add `text` as a JSON string. It must be valid UTF-8. */
void hst_json_edit_quote(struct hst_strbuf *out, const char *text);
#endif
