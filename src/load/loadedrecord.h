#ifndef HST_LOAD_LOADEDRECORD_H
#define HST_LOAD_LOADEDRECORD_H
/** @file
 * What is written on what hoist-keeper keeps of a component on a device with memory of its own, whose descriptors are the item's: one for each segment. As in
 * cache/record.h. Pure. */
#include "base/error.h"
#include "base/strbuf.h"
#include "os/file.h"

/** Kind of the item (cache/record.h); never change it. */
#define HST_LOADEDRECORD_KIND 16u

/** A segment. Items that share it have the same pair of numbers. */
struct hst_loadedrecord_segment {
    uint64_t block;      /**< number of its block */
    uint64_t index;      /**< of the segment in it */
    uint64_t size_bytes; /**< of it */
};

/** A tensor: what it is in its file, and where it is. */
struct hst_loadedrecord_tensor {
    uint64_t file;       /**< index of its file in the record */
    uint64_t offset;     /**< in that file */
    uint64_t size_bytes; /**< in that file */
    uint64_t stored;     /**< its type there */
    uint64_t becomes;    /**< its type on the device */
    uint64_t segment;    /**< index of a segment in the record */
    uint64_t at;         /**< offset in it */
};

/** A component on a device. */
struct hst_loadedrecord {
    char device_uuid[64];              /**< which device */
    char *component_id;                /**< owned */
    char precision[16];                /**< "" = as stored */
    bool pinned;                       /**< see hst_loaded */
    bool alone;                        /**< see hst_loaded */
    int64_t ttl_seconds;               /**< see hst_loaded */
    uint64_t copy_ns;                  /**< see hst_loaded */
    uint64_t fill_ns;                  /**< see hst_loaded */
    int64_t since_wall_ns;             /**< see hst_loaded */
    struct hst_file_id *files;         /**< owned: those its tensors are stored in */
    size_t file_count;                 /**< of files */
    struct hst_loadedrecord_segment *segments; /**< owned; none is empty */
    size_t segment_count;              /**< of segments */
    struct hst_loadedrecord_tensor *tensors;   /**< owned; files and segments are there by their index, types are known */
    size_t tensor_count;               /**< of tensors */
};

/** Write one. */
void hst_loadedrecord_write(struct hst_strbuf *out, const struct hst_loadedrecord *record);
/** Read one. *ret_record: hst_loadedrecord_fini. HST_E_PROTOCOL, HST_E_NOMEM */
int hst_loadedrecord_read(const void *bytes, size_t length, struct hst_loadedrecord *ret_record, struct hst_error *err);
/** Free what it holds. */
void hst_loadedrecord_fini(struct hst_loadedrecord *record);
#endif
