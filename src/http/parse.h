#ifndef HST_HTTP_PARSE_H
#define HST_HTTP_PARSE_H
/** @file
 * Requests out of bytes: llhttp in its strict mode, with limits and the few checks it leaves out. Pure; loop thread or a test. */
#include "base/error.h"
#include "base/strbuf.h"
#include <llhttp.h>

/** Headers that matter; all others are read and thrown away. */
enum hst_http_header {
    HST_HTTP_HOST,           /**< Host */
    HST_HTTP_ORIGIN,         /**< Origin */
    HST_HTTP_FETCH_SITE,     /**< Sec-Fetch-Site */
    HST_HTTP_AUTHORIZATION,  /**< Authorization */
    HST_HTTP_CONTENT_TYPE,   /**< Content-Type */
    HST_HTTP_LAST_EVENT_ID,  /**< Last-Event-ID */
    HST_HTTP_EXPECT,         /**< Expect */
    HST_HTTP_HEADER_COUNT,   /**< how many */
};

/** A parser and the request it has read. */
struct hst_parse {
    llhttp_t parser;               /**< llhttp's own */
    llhttp_settings_t settings;    /**< its callbacks */
    struct hst_strbuf target;      /**< as in the request line */
    struct hst_strbuf name;        /**< of the header being read */
    struct hst_strbuf value;       /**< of the header being read */
    struct hst_strbuf headers[HST_HTTP_HEADER_COUNT]; /**< values */
    bool has[HST_HTTP_HEADER_COUNT]; /**< was it there? */
    struct hst_strbuf body;        /**< bytes */
    size_t bytes;                  /**< of the request so far */
    unsigned header_count;         /**< headers so far */
    bool in_headers;               /**< request line or headers are being read */
    bool line_begins;              /**< the next byte begins a line of the headers */
    bool complete;                 /**< a request is there: serve it, then hst_parse_next */
    bool keep_alive;               /**< may another follow? */
    bool wants_continue;           /**< Expect: 100-continue came; the owner clears it */
    struct hst_error error;        /**< of the first thing that was wrong */
};

/** Make it. */
void hst_parse_init(struct hst_parse *parse);
/** Read bytes. Stops after a request. *ret_used = how many were read. @return HST_OK or the error, which is final */
int hst_parse_feed(struct hst_parse *parse, const char *bytes, size_t length, size_t *ret_used);
/** Forget the request and go on. */
void hst_parse_next(struct hst_parse *parse);
/** Has a request begun that is not complete? */
bool hst_parse_is_underway(const struct hst_parse *parse);
/** Value of a header, or NULL. */
const char *hst_parse_header(const struct hst_parse *parse, enum hst_http_header header);
/** Method of the request. */
const char *hst_parse_method(const struct hst_parse *parse);
/** Free what it holds. */
void hst_parse_fini(struct hst_parse *parse);
#endif
