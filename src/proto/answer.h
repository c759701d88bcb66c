#ifndef HST_PROTO_ANSWER_H
#define HST_PROTO_ANSWER_H
/** @file
 * What hoistd and hoist-scan say to each other, over a SOCK_SEQPACKET pair; pure. Little-endian.
 *
 *   hoist-scan, once:   u32 magic, u32 protections (bits), u32 version of Landlock, version of hoist (text to the end)
 *   hoistd, each file:  u32 magic, u32 0, u64 size_bytes; the file's fd comes along
 *   hoist-scan:         u64 length of the answer, then the answer, in packets that are full but for the last
 *
 *   answer:  u32 0, u32 status (negated), u32 has_offset, u64 offset, text to the end   (what is wrong with the file)
 *        or  u32 number of the format, from 1, then a table (table.h) */
#include "base/strbuf.h"
#include "formats/format.h"

/** First word of every message but an answer. */
#define HST_ANSWER_MAGIC 0x4e435348u
/** Bytes of a request. */
#define HST_ANSWER_REQUEST_BYTES 16u
/** Most bytes of a packet: fits into any Unix socket's buffer several times. */
#define HST_ANSWER_PACKET_BYTES 65536u
/** Bytes of an answer that needs no size of its file to excuse it: an error, a small table. */
#define HST_ANSWER_FREE_BYTES UINT64_C(65536)
/** Bytes of an answer a byte of its file: a dimension takes two bytes in a JSON header and eight here. */
#define HST_ANSWER_GROWTH 8u
/** Bytes of any answer: 500,000 tensors with names of 100 bytes take 80 MB; the longest header allowed, 256 MiB. */
#define HST_ANSWER_BYTES_MAX UINT64_C(536870912)

/** What keeps a parser from doing harm. */
struct hst_answer_hello {
    uint32_t protections; /**< bits of enum hst_sandbox_protection */
    uint32_t landlock;    /**< version of Landlock, 0 = none */
};

/** Append the first message. */
void hst_answer_put_hello(struct hst_strbuf *out, const struct hst_answer_hello *hello);
/** Read it. HST_E_PROTOCOL also when it is of another version of hoist. */
int hst_answer_read_hello(const void *bytes, size_t length, struct hst_answer_hello *ret_hello, struct hst_error *err);
/** Write a request. */
void hst_answer_put_request(uint64_t size_bytes, uint8_t out[HST_ANSWER_REQUEST_BYTES]);
/** Read a request. HST_E_PROTOCOL. */
int hst_answer_read_request(const void *bytes, size_t length, uint64_t *ret_size_bytes, struct hst_error *err);
/** How long may the answer for a file be? */
uint64_t hst_answer_limit(uint64_t file_size_bytes);
/** Append an answer: the table when `status` is HST_OK, else the error. */
void hst_answer_put(struct hst_strbuf *out, int status, const struct hst_error *why, const struct hst_format *format, const struct hst_tensor_table *table);
/** Read an answer for a file of this size. @return HST_OK with a table (owned), the status of what is wrong with the file (a parser that
 * ran out of memory is HST_E_LIMIT_EXCEEDED), HST_E_NOMEM when memory is short here, or HST_E_PROTOCOL when no parser says such a thing */
int hst_answer_read(const void *bytes, size_t length, uint64_t file_size_bytes, const struct hst_format **ret_format,
                    struct hst_tensor_table **ret_table, struct hst_error *err);
#endif
