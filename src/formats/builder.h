#ifndef HST_FORMATS_BUILDER_H
#define HST_FORMATS_BUILDER_H
/** @file
 * What parsers share when they build a tensor table: growing arrays, names checked, duplicates found, data checked to have no hole. */
#include "base/cursor.h"
#include "base/map.h"
#include "formats/arena.h"
#include "formats/tensors.h"

/** A table under construction. Zero-initialise with hst_builder_init. */
struct hst_builder {
    struct hst_tensor_table *table; /**< owned until hst_builder_finish */
    struct hst_map names;           /**< tensor names seen */
    struct hst_map keys;            /**< metadata keys seen */
    size_t tensor_room;             /**< entries that fit into table->tensors */
    size_t metadata_room;           /**< entries that fit into table->metadata */
};

/** Begin a table of this format (static name). HST_E_NOMEM. */
int hst_builder_init(struct hst_builder *builder, const char *format, struct hst_error *err);
/** Add a tensor of this name, to be filled by the caller; refuses names with NUL, too long ones and duplicates. */
int hst_builder_add(struct hst_builder *builder, const char *name, size_t length, struct hst_tensor **ret_tensor, struct hst_error *err);
/** Give a tensor its shape (copied); computes elements and size_bytes from the dtype set before. */
int hst_builder_shape(struct hst_builder *builder, struct hst_tensor *tensor, const uint64_t *shape, uint32_t rank, struct hst_error *err);
/** Add a metadata pair; refuses duplicate keys. `key` stays valid in the arena. */
int hst_builder_metadata(struct hst_builder *builder, const char *key, size_t key_length, const char *value, size_t value_length, struct hst_error *err);
/** Note a key whose value is not kept; refuses what hst_builder_metadata refuses. */
int hst_builder_key(struct hst_builder *builder, const char *key, size_t length, struct hst_error *err);
/** Note something odd that does no harm: "word: a sentence". Those beyond HST_WARNINGS_MAX are dropped. */
int hst_builder_warn(struct hst_builder *builder, struct hst_error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Copy a metadata key or name into the arena. NULL when out of memory. */
char *hst_builder_text(struct hst_builder *builder, const char *text, size_t length);
/** Put the tensors in the order of the file's data. */
void hst_builder_sort(struct hst_builder *builder);
/** Sort by offset and check that the tensors cover the data from data_offset on with no overlap and no hole but the padding that brings each to a
 * multiple of `alignment` (1 = none). *ret_end = where the last one ends; HST_E_TRUNCATED when the file does not reach so far. */
int hst_builder_check_cover(struct hst_builder *builder, uint64_t alignment, uint64_t *ret_end, struct hst_error *err);
/** Hand the table over. */
struct hst_tensor_table *hst_builder_finish(struct hst_builder *builder);
/** Free whatever is left. */
void hst_builder_fini(struct hst_builder *builder);
#endif
