#ifndef HST_CACHE_RECORD_H
#define HST_CACHE_RECORD_H
/** @file
 * What is written on what hoist-keeper keeps, so that the next hoistd knows what it is. Texts are little-endian numbers of 64 bits, and strings behind
 * their length; the first number is the version, and the last one a checksum of all before it. What is read may be anything: sizes are checked before memory is taken for them, and what a
 * record names is checked by who uses it. Pure. */
#include "base/strbuf.h"
#include "cache/claim.h"

/** Kinds of items. The numbers are those that another hoistd reads: never change one. */
enum hst_record_kind {
    HST_RECORD_TMPFS = 1,     /**< the tmpfs: its two directories; one number, its size */
    HST_RECORD_REGION = 2,    /**< a region: its file, or its memory, and if that may be written the descriptor to do so */
    HST_RECORD_CLAIM = 3,     /**< a claim that is filled; no files */
    HST_RECORD_RESIDENCY = 4, /**< which claim is what a component has now; no files */
    HST_RECORD_LEASE = 5,     /**< a lease: the read end of its pipe */
    HST_RECORD_OTHERS = 16,   /**< this and those after it are not the tier's: kept for who asks for them (keep.h) */
};

/** Version of all of them; those of another one are dropped. */
#define HST_RECORD_VERSION 2u

/** A region. */
struct hst_record_region {
    enum hst_backing kind;   /**< what holds the bytes */
    uint64_t size_bytes;     /**< of it */
    struct hst_file_id id;   /**< a file: which */
    char *path;              /**< a file: where; owned; NULL = memory of our own */
};

/** A tensor of a claim: what it is in its file, and where it is. */
struct hst_record_tensor {
    uint64_t file;       /**< index of its file in the record */
    uint64_t offset;     /**< in that file */
    uint64_t size_bytes; /**< in that file */
    uint64_t stored;     /**< its type there */
    uint64_t becomes;    /**< its type in memory */
    uint64_t region;     /**< index of a region in the record */
    uint64_t at;         /**< offset in it */
};

/** A claim. */
struct hst_record_claim {
    enum hst_backing kind;             /**< of what is its own */
    char *component_id;                /**< owned */
    char precision[16];                /**< "" = as stored */
    uint64_t entered;                  /**< regions that are there because of twins */
    struct hst_file_id *files;         /**< owned: those its tensors are stored in */
    size_t file_count;                 /**< of files */
    uint64_t *regions;                 /**< owned: ids of items */
    size_t region_count;               /**< of regions */
    struct hst_piece *pieces;          /**< owned: page-aligned, of regions that are there by their index, and not empty */
    size_t piece_count;                /**< of pieces */
    struct hst_record_tensor *tensors; /**< owned; files and regions are there by their index, types are known */
    size_t tensor_count;               /**< of tensors; 0 = its component is not known any more, and only its leases are left */
};

/** A residency. */
struct hst_record_residency {
    uint64_t claim;   /**< id of the item */
    bool pinned;      /**< see hst_residency */
    bool ahead;       /**< see hst_residency */
    uint64_t fill_ns; /**< see hst_residency */
    uint64_t read_bytes; /**< see hst_residency */
    uint64_t warm_bytes; /**< see hst_residency */
    int64_t ttl_seconds; /**< see hst_residency */
};

/** What a lease has of a component. */
struct hst_record_share {
    uint64_t residency; /**< id of the item */
    uint64_t claim;     /**< id of the item: the residency may have another one by now */
};

/** A lease. */
struct hst_record_lease {
    struct hst_holder view;          /**< lease_id, pid, domain, device_id, since_wall_ns and others of it, which are owned */
    struct hst_record_share *shares; /**< owned */
    size_t count;                    /**< of shares */
};

/** The checksum by which a record ends. */
uint64_t hst_record_checksum(const void *bytes, size_t length);
/** Write that of the tmpfs. */
void hst_record_write_tmpfs(struct hst_strbuf *out, uint64_t size_bytes);
/** Read it. HST_E_PROTOCOL */
int hst_record_read_tmpfs(const void *bytes, size_t length, uint64_t *ret_size_bytes, struct hst_error *err);
/** Write that of a region. */
void hst_record_write_region(struct hst_strbuf *out, const struct hst_region *region);
/** Read one. *ret_record: hst_record_region_fini. HST_E_PROTOCOL, HST_E_NOMEM */
int hst_record_read_region(const void *bytes, size_t length, struct hst_record_region *ret_record, struct hst_error *err);
/** Write that of a claim, whose regions are all kept; its component is held, or NULL when it is gone. */
void hst_record_write_claim(struct hst_strbuf *out, const struct hst_claim *claim, const struct hst_component *component);
/** Read one. *ret_record: hst_record_claim_fini. HST_E_PROTOCOL, HST_E_NOMEM */
int hst_record_read_claim(const void *bytes, size_t length, struct hst_record_claim *ret_record, struct hst_error *err);
/** Write that of a residency whose claim is the item `claim`. */
void hst_record_write_residency(struct hst_strbuf *out, const struct hst_residency *residency, uint64_t claim);
/** Read one. HST_E_PROTOCOL */
int hst_record_read_residency(const void *bytes, size_t length, struct hst_record_residency *ret_record, struct hst_error *err);
/** Write that of a lease. */
void hst_record_write_lease(struct hst_strbuf *out, const struct hst_record_lease *lease);
/** Read one. *ret_record: hst_record_lease_fini. HST_E_PROTOCOL, HST_E_NOMEM */
int hst_record_read_lease(const void *bytes, size_t length, struct hst_record_lease *ret_record, struct hst_error *err);
/** Free what it holds. */
void hst_record_region_fini(struct hst_record_region *record);
/** Free what it holds. */
void hst_record_claim_fini(struct hst_record_claim *record);
/** Free what it holds. */
void hst_record_lease_fini(struct hst_record_lease *record);
#endif
