#ifndef HST_BASE_STRBUF_H
#define HST_BASE_STRBUF_H
/** @file
 * A growing string. After an allocation failed it stays failed and empty; check once at the end with hst_strbuf_ok. */
#include <stdbool.h>
#include <stddef.h>

/** A string under construction. Zero-initialise; free with hst_strbuf_fini. */
struct hst_strbuf {
    char *text;      /**< owned; NULL until something was added; NUL-ended */
    size_t length;   /**< bytes without the NUL */
    size_t capacity; /**< bytes allocated */
    bool failed;     /**< an allocation failed: content is incomplete */
};

/** Add `length` bytes. */
void hst_strbuf_append(struct hst_strbuf *buf, const void *bytes, size_t length);
/** Add a NUL-ended string. */
void hst_strbuf_puts(struct hst_strbuf *buf, const char *text);
/** Add formatted text. */
void hst_strbuf_printf(struct hst_strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Did every addition succeed? */
bool hst_strbuf_ok(const struct hst_strbuf *buf);
/** Hand the text over (owned by the caller, never NULL unless failed) and empty the buffer. */
char *hst_strbuf_take(struct hst_strbuf *buf);
/** Empty it but keep its memory. */
void hst_strbuf_reset(struct hst_strbuf *buf);
/** Free what it holds; it can be used again. */
void hst_strbuf_fini(struct hst_strbuf *buf);
#endif
