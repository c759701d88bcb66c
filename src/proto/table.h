#ifndef HST_PROTO_TABLE_H
#define HST_PROTO_TABLE_H
/** @file
 * A tensor table as bytes, on its way from the process that parses to the one that believes. Little-endian, without padding:
 *
 *   u32 metadata_count, u32 tensor_count, u64 data_offset
 *   metadata, each:  u32 key_length, u32 value_length, key, value
 *   tensors, each:   u32 name_length, u32 dtype, u32 rank, u64 offset, u64 * rank shape, name
 *   u32 external_count
 *   externals, each: u32 location_length, u32 sha1_length (0 or 40), u32 exact, u64 least_bytes, location, sha1, then counts, metadata and tensors as above
 *   warnings, each:  u32 length, text; up to the end of the bytes
 *
 * What follows from these (elements, sizes, the size of the file) does not travel: the reader computes it. */
#include "base/cursor.h"
#include "base/strbuf.h"
#include "formats/tensors.h"

/** Append the table to `out`. */
void hst_table_encode(const struct hst_tensor_table *table, struct hst_strbuf *out);
/** Read a table of a file of `file_size_bytes` in the format of this name (static). Every byte is hostile: the table is built anew under the
 * checks of every parser, its tensors lie inside of the file, in order, and the bytes end with it. HST_E_PROTOCOL, HST_E_NOMEM. */
int hst_table_decode(struct hst_cursor *bytes, const char *format, uint64_t file_size_bytes, struct hst_tensor_table **ret_table,
                     struct hst_error *err);
#endif
