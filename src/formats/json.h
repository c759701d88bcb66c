#ifndef HST_FORMATS_JSON_H
#define HST_FORMATS_JSON_H
/** @file
 * A strict JSON reader (RFC 8259) for the headers of model files: one token after the other, no tree, no recursion, so that memory
 * and stack do not grow with what a stranger nests. Errors stick in the cursor. */
#include "base/cursor.h"
#include "base/strbuf.h"
#include "formats/limits.h"

/** A token. */
enum hst_json_token {
    HST_JSON_ERROR,        /**< see cursor.error; also every token after it */
    HST_JSON_END,          /**< the document is complete and nothing but white space follows */
    HST_JSON_OBJECT_BEGIN, /**< { */
    HST_JSON_OBJECT_END,   /**< } */
    HST_JSON_ARRAY_BEGIN,  /**< [ */
    HST_JSON_ARRAY_END,    /**< ] */
    HST_JSON_KEY,          /**< a key; text is it, unescaped */
    HST_JSON_STRING,       /**< a string; text is it, unescaped */
    HST_JSON_NUMBER,       /**< a number; text is it as written */
    HST_JSON_TRUE,         /**< true */
    HST_JSON_FALSE,        /**< false */
    HST_JSON_NULL,         /**< null */
};

/** The reader. Members are private but for text, length, depth and the cursor's error. */
struct hst_json {
    struct hst_cursor cursor;   /**< the bytes, and the first error */
    const char *text;           /**< of a key, string or number; not NUL-ended; valid until the next token */
    size_t length;              /**< of text */
    unsigned depth;             /**< open objects and arrays */
    int expect;                 /**< private: what may come next */
    bool is_object[HST_JSON_DEPTH_MAX + 1]; /**< private: kind of each open container */
    struct hst_strbuf unescaped; /**< private */
};

/** Begin to read; `base` is the offset of the bytes in their file, for error messages. Free with hst_json_fini. */
void hst_json_init(struct hst_json *json, const void *bytes, uint64_t size, uint64_t base);
/** The next token. */
enum hst_json_token hst_json_next(struct hst_json *json);
/** Skip the rest of the value whose first token was `first`. @return false after an error */
bool hst_json_skip(struct hst_json *json, enum hst_json_token first);
/** Is the text of the present token this word? */
bool hst_json_is(const struct hst_json *json, const char *word);
/** The present number as an unsigned 64-bit integer: digits only, no sign, fraction or exponent, no overflow. */
bool hst_json_u64(const struct hst_json *json, uint64_t *ret_value);
/** Free what it holds. */
void hst_json_fini(struct hst_json *json);
#endif
