#ifndef HST_PROTO_INDEX_H
#define HST_PROTO_INDEX_H
/** @file
 * The index: everything a client needs to find every tensor of what it opened, in one sealed memfd. u64 little-endian
 * throughout, 8-byte aligned; the reader checks all of it once and then trusts it.
 *
 *   header (8 words): magic, version, total_bytes, segment_count, tensor_count, component_count, shape_words, string_bytes
 *   segments          4 words each: fd (index into the fds after index and pipe), offset, size_bytes, backing
 *   components        2 words each: role_offset, role_length             (strings are in the last part)
 *   tensors           9 words each: name_offset, name_length, dtype, rank, shape_word, component, segment, offset, size_bytes
 *   shapes            shape_words words
 *   strings           string_bytes bytes, each string followed by a NUL
 *
 * A tensor without bytes lies in no segment: its segment and offset mean nothing. dtype is enum hst_dtype (formats/dtype.h). */
#include "base/error.h"

/** First word. "HOISTIDX" */
#define HST_INDEX_MAGIC UINT64_C(0x5844495453494f48)
/** Second word. */
#define HST_INDEX_VERSION 1u

/** In `backing` of a segment: memory of a device. Its fd is a shareable handle of all of it, `offset` is 0; a client maps the segments of the index in their order,
 * one behind the other (cuda/mapping.h). */
#define HST_INDEX_DEVICE_MEMORY 64u

/** A mappable run. */
struct hst_index_segment {
    uint64_t fd;         /**< which of the data fds */
    uint64_t offset;     /**< in the fd, page-aligned */
    uint64_t size_bytes; /**< to map */
    uint64_t backing;    /**< enum hst_backing, or HST_INDEX_DEVICE_MEMORY */
};
/** A component. */
struct hst_index_component {
    const char *role; /**< NUL-ended */
};
/** A tensor. */
struct hst_index_tensor {
    const char *name;      /**< NUL-ended key, as in the file */
    const uint64_t *shape; /**< rank words */
    uint64_t rank;         /**< dimensions */
    uint64_t dtype;        /**< enum hst_dtype */
    uint64_t component;    /**< which component */
    uint64_t segment;      /**< which segment */
    uint64_t offset;       /**< in the segment */
    uint64_t size_bytes;   /**< of its data */
};
/** What goes in; all borrowed. */
struct hst_index_content {
    const struct hst_index_segment *segments; /**< runs */
    size_t segment_count;                     /**< of segments */
    const struct hst_index_component *components; /**< components */
    size_t component_count;                   /**< of components */
    const struct hst_index_tensor *tensors;   /**< tensors */
    size_t tensor_count;                      /**< of tensors */
};
/** Encode; *ret_bytes owned by the caller (free). */
int hst_index_encode(const struct hst_index_content *content, void **ret_bytes, size_t *ret_length, struct hst_error *err);

/** A checked index. */
struct hst_index {
    const uint64_t *words;   /**< borrowed: the mapped memfd */
    uint64_t segment_count;  /**< segments */
    uint64_t tensor_count;   /**< tensors */
    uint64_t component_count; /**< components */
    const uint64_t *segments; /**< private */
    const uint64_t *components; /**< private */
    const uint64_t *tensors; /**< private */
    const uint64_t *shapes;  /**< private */
    const char *strings;     /**< private */
};
/** Check every count, range, string and tensor of `bytes` (8-byte aligned, borrowed while the index is used): tensors lie in
 * their segment, shapes x dtype give size_bytes, strings end in NUL. `fd_count` data fds came along. HST_E_PROTOCOL. */
int hst_index_open(const void *bytes, size_t length, size_t fd_count, struct hst_index *ret_index, struct hst_error *err);
/** The i-th segment. */
struct hst_index_segment hst_index_segment(const struct hst_index *index, uint64_t i);
/** The i-th component. */
struct hst_index_component hst_index_component(const struct hst_index *index, uint64_t i);
/** The i-th tensor. */
struct hst_index_tensor hst_index_tensor(const struct hst_index *index, uint64_t i);
#endif
