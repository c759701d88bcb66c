#ifndef HST_BASE_MAP_H
#define HST_BASE_MAP_H
/** @file
 * A hash map from byte strings to pointers. Keyed with SipHash-1-3 and a random key per map, so that hostile keys
 * cannot make it slow. Keys are borrowed: they must live as long as their entry (usually inside the value). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A slot of the table: small, since a table of 100,000 tensors has 262,144 of them. */
struct hst_map_slot {
    const void *key;  /**< borrowed; NULL = never used, or removed */
    void *value;      /**< borrowed */
    uint32_t hash;    /**< of the key; valid when used */
    uint32_t key_len; /**< bytes of the key; without a key: not 0 = removed, and probing goes on */
};

/** The map. Zero-initialise; free with hst_map_fini. */
struct hst_map {
    struct hst_map_slot *slots; /**< owned, `capacity` of them */
    size_t capacity;            /**< power of two, or 0 */
    size_t count;               /**< live entries */
    size_t used;                /**< live entries and tombstones */
    uint64_t seed[2];           /**< random, set at the first insertion */
};

/** Add or replace; a key has less than 4 GiB. @return 0 or HST_E_NOMEM, and then nothing changed */
int hst_map_put(struct hst_map *map, const void *key, size_t key_len, void *value);
/** The value, or NULL. */
void *hst_map_get(const struct hst_map *map, const void *key, size_t key_len);
/** Take it out. @return the value that was there, or NULL */
void *hst_map_remove(struct hst_map *map, const void *key, size_t key_len);
/** hst_map_put with a NUL-ended key. */
int hst_map_put_str(struct hst_map *map, const char *key, void *value);
/** hst_map_get with a NUL-ended key. */
void *hst_map_get_str(const struct hst_map *map, const char *key);
/** hst_map_remove with a NUL-ended key. */
void *hst_map_remove_str(struct hst_map *map, const char *key);
/** Walk the entries in no order: start with *cursor = 0. @return the next value, or NULL at the end */
void *hst_map_next(const struct hst_map *map, size_t *cursor);
/** Free the table (not the values); it can be used again. */
void hst_map_fini(struct hst_map *map);
#endif
