#ifndef HST_CACHE_RECORDIO_H
#define HST_CACHE_RECORDIO_H
/** @file
 * What records (record.h) are made of: little-endian numbers of 64 bits, strings behind their length, tables behind the number of their rows, and a checksum at
 * the end. Writing never fails before the text is looked at; reading goes on with zeros after the first failure (base/cursor.h). Pure. */
#include "base/cursor.h"
#include "base/strbuf.h"
#include "os/file.h"

/** Write a number. */
void hst_recordio_put(struct hst_strbuf *out, uint64_t value);
/** Write a row: a struct of nothing but `count` numbers of 64 bits. */
void hst_recordio_put_row(struct hst_strbuf *out, const void *row, size_t count);
/** Write a string. */
void hst_recordio_put_text(struct hst_strbuf *out, const char *text);
/** Write which file it is. */
void hst_recordio_put_id(struct hst_strbuf *out, const struct hst_file_id *id);
/** The end of a record. */
void hst_recordio_seal(struct hst_strbuf *out);

/** Begin to read: the checksum and the version are looked at. */
void hst_recordio_begin(struct hst_cursor *cursor, const void *bytes, size_t length);
/** It is not what it should be. */
void hst_recordio_refuse(struct hst_cursor *cursor);
/** @return HST_OK when all was as it should be, and nothing is left; else HST_E_PROTOCOL, HST_E_NOMEM */
int hst_recordio_end(struct hst_cursor *cursor, struct hst_error *err);
/** Read a number below `limit`; 0 when it is not. */
uint64_t hst_recordio_take(struct hst_cursor *cursor, uint64_t limit);
/** Read a row, as hst_recordio_put_row. */
void hst_recordio_take_row(struct hst_cursor *cursor, void *row, size_t count);
/** Read a string of less than `room` bytes, none of them NUL. */
void hst_recordio_take_text(struct hst_cursor *cursor, char *out, size_t room);
/** Read a string, owned by the caller, or NULL. */
char *hst_recordio_take_string(struct hst_cursor *cursor);
/** Read which file it is. */
struct hst_file_id hst_recordio_take_id(struct hst_cursor *cursor);
/** Room for a table whose rows have `numbers` numbers in the text: that many rows are there. Owned by the caller; NULL after a failure. */
void *hst_recordio_take_table(struct hst_cursor *cursor, size_t numbers, size_t row_bytes, size_t *ret_count);
/** Read which files they are. Owned by the caller; NULL after a failure. */
struct hst_file_id *hst_recordio_take_ids(struct hst_cursor *cursor, size_t *ret_count);
/** Is there an element type of this number? */
bool hst_recordio_is_dtype(uint64_t value);
#endif
