#ifndef HST_PROTO_CALLLINE_H
#define HST_PROTO_CALLLINE_H
/** @file
 * The body of a CALL: "METHOD SP PATH[?QUERY] LF", then JSON or nothing. */
#include "base/error.h"

/** A call, pointing into its body. */
struct hst_callline {
    const char *method;  /**< NUL-ended */
    const char *path;    /**< NUL-ended, percent-decoded */
    const char *query;   /**< NUL-ended, raw, without '?'; or NULL */
    const char *json;    /**< what follows the line, or NULL when nothing does */
    size_t json_length;  /**< bytes of json */
};

/** Take a body apart in place: NULs are written into it. HST_E_PROTOCOL when there is no such line in it. */
int hst_callline_parse(char *body, size_t length, struct hst_callline *ret_line, struct hst_error *err);
#endif
