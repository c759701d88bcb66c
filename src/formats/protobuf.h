#ifndef HST_FORMATS_PROTOBUF_H
#define HST_FORMATS_PROTOBUF_H
/** @file
 * The wire format of Protocol Buffers, read strictly and field by field through a window: no message is ever copied, and none calls for
 * recursion. Where protobuf's own readers look away (numbers that do not fit, groups), this one refuses, with the byte. What a message means
 * is for its reader to say.
 *
 *     while ((status = hst_protobuf_next(&reader, &field)) > 0)    every field of a message; bytes are skipped unless they are
 *         ... hst_protobuf_enter(&reader, &field) ...              entered as a message of their own, until
 *     hst_protobuf_leave(&reader)                                  goes on behind it */
#include "formats/format.h"
#include "formats/limits.h"

/** How a field's value is written. Groups (3, 4) are out of use; 6 and 7 never were in. */
enum hst_protobuf_wire {
    HST_PROTOBUF_VARINT = 0,  /**< a number of 1 to 10 bytes */
    HST_PROTOBUF_FIXED64 = 1, /**< 8 bytes */
    HST_PROTOBUF_BYTES = 2,   /**< a length and as many bytes: text, a message, or packed numbers */
    HST_PROTOBUF_FIXED32 = 5, /**< 4 bytes */
};

/** A field. */
struct hst_protobuf_field {
    uint32_t number;             /**< of the field, 1 to 2^29 - 1 */
    enum hst_protobuf_wire wire; /**< how it is written */
    uint64_t value;              /**< of a varint; else 0 */
    uint64_t offset;             /**< of its value in the file, behind the length of bytes */
    uint64_t length;             /**< bytes of its value */
};

/** Where the reading stands. Members are private but for depth. */
struct hst_protobuf {
    const struct hst_source *source; /**< private */
    struct hst_error *err;           /**< private */
    uint8_t *window;                 /**< private: of the caller */
    size_t room;                     /**< private: bytes of window */
    size_t length;                   /**< private: of what is in it */
    uint64_t begin;                  /**< private: of the window in the file */
    uint64_t at;                     /**< private: next byte of the file */
    uint64_t fields;                 /**< private: that were read */
    unsigned depth;                  /**< messages around, 0 = the file itself */
    uint64_t ends[HST_PROTOBUF_DEPTH_MAX + 1]; /**< private: of the messages around */
};

/** Begin to read a file as one message, through `window`, which is of the caller. Failures go to `err`. */
void hst_protobuf_init(struct hst_protobuf *reader, const struct hst_source *source, uint8_t *window, size_t room, struct hst_error *err);
/** The next field of the message. @return 1; 0 at its end; HST_E_INVALID_FILE, HST_E_TRUNCATED (then *ret_field says what would have
 * reached too far), HST_E_LIMIT_EXCEEDED */
int hst_protobuf_next(struct hst_protobuf *reader, struct hst_protobuf_field *ret_field);
/** Go into the bytes of the field that was read last. HST_E_LIMIT_EXCEEDED when it is too deep. */
int hst_protobuf_enter(struct hst_protobuf *reader, const struct hst_protobuf_field *field);
/** Go on behind the message that was entered last. */
void hst_protobuf_leave(struct hst_protobuf *reader);
/** Is the message read to its end? For packed numbers, which have no fields. */
bool hst_protobuf_ended(const struct hst_protobuf *reader);
/** The next of packed varints. */
int hst_protobuf_varint(struct hst_protobuf *reader, uint64_t *ret_value);
/** The bytes of a field, of which there must be no more than the window has room for; borrowed until the next call. */
int hst_protobuf_bytes(struct hst_protobuf *reader, const struct hst_protobuf_field *field, const uint8_t **ret_bytes);
/** Fail at the present byte. @return status */
int hst_protobuf_fail(const struct hst_protobuf *reader, int status, const char *what);
#endif
