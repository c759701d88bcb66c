#include "base/map.h"

#include "base/status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* What follows is most of the time that parsing a header takes: in registers, which the compiler does only when all of it is inline. */
#define INLINE inline __attribute__((always_inline))

static INLINE uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static INLINE void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static INLINE void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-1-3 (Aumasson, Bernstein 2012; the variant of Rust's and Python's maps). */
static uint32_t sip_hash(const uint64_t seed[2], const void *key, size_t len)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575U, seed[1] ^ 0x646f72616e646f6dU, seed[0] ^ 0x6c7967656e657261U,
                     seed[1] ^ 0x7465646279746573U};
    const unsigned char *bytes = key;
    uint64_t word = 0;
    for (size_t left = len; left >= 8; left -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        sip_word(v, word);
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < (len & 7); i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

static bool is_removed(const struct hst_map_slot *slot)
{
    return slot->key == NULL && slot->key_len != 0;
}

static bool same(const struct hst_map_slot *slot, uint32_t hash, const void *key, size_t len)
{
    return slot->key != NULL && slot->hash == hash && slot->key_len == len && memcmp(slot->key, key, len) == 0;
}

/* The slot of the key, or the one where it would go (the first tombstone on the way, else the empty end). */
static struct hst_map_slot *probe(const struct hst_map *map, uint32_t hash, const void *key, size_t len)
{
    struct hst_map_slot *reuse = NULL;
    for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        struct hst_map_slot *slot = &map->slots[i];
        if (same(slot, hash, key, len)) return slot;
        if (is_removed(slot) && reuse == NULL) reuse = slot;
        if (slot->key == NULL && !is_removed(slot)) return reuse ? reuse : slot;
    }
}

static int resize(struct hst_map *map, size_t capacity)
{
    struct hst_map grown = {.capacity = capacity, .count = map->count, .used = map->count, .seed = {map->seed[0], map->seed[1]}};
    grown.slots = calloc(capacity, sizeof *grown.slots);
    if (grown.slots == NULL) return HST_E_NOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        struct hst_map_slot *slot = &map->slots[i];
        if (slot->key != NULL) *probe(&grown, slot->hash, slot->key, slot->key_len) = *slot;
    }
    free(map->slots);
    *map = grown;
    return HST_OK;
}

static int make_room(struct hst_map *map)
{
    if (map->capacity == 0) {
        if (getrandom(map->seed, sizeof map->seed, 0) != (long)sizeof map->seed) return HST_E_NOMEM;
        return resize(map, 16);
    }
    if ((map->used + 1) * 4 < map->capacity * 3) return HST_OK;
    return resize(map, map->count * 2 >= map->capacity ? map->capacity * 2 : map->capacity);
}

int hst_map_put(struct hst_map *map, const void *key, size_t key_len, void *value)
{
    int status = make_room(map);
    if (status < 0) return status;
    uint32_t hash = sip_hash(map->seed, key, key_len);
    struct hst_map_slot *slot = probe(map, hash, key, key_len);
    if (slot->key == NULL) {
        map->count++;
        if (!is_removed(slot)) map->used++;
    }
    *slot = (struct hst_map_slot){.key = key, .value = value, .hash = hash, .key_len = (uint32_t)key_len};
    return HST_OK;
}

static struct hst_map_slot *find(const struct hst_map *map, const void *key, size_t key_len)
{
    if (map->capacity == 0) return NULL;
    struct hst_map_slot *slot = probe(map, sip_hash(map->seed, key, key_len), key, key_len);
    return slot->key != NULL ? slot : NULL;
}

void *hst_map_get(const struct hst_map *map, const void *key, size_t key_len)
{
    const struct hst_map_slot *slot = find(map, key, key_len);
    return slot ? slot->value : NULL;
}

void *hst_map_remove(struct hst_map *map, const void *key, size_t key_len)
{
    struct hst_map_slot *slot = find(map, key, key_len);
    if (slot == NULL) return NULL;
    void *value = slot->value;
    *slot = (struct hst_map_slot){.key_len = 1};
    map->count--;
    return value;
}

int hst_map_put_str(struct hst_map *map, const char *key, void *value)
{
    return hst_map_put(map, key, strlen(key), value);
}

void *hst_map_get_str(const struct hst_map *map, const char *key)
{
    return hst_map_get(map, key, strlen(key));
}

void *hst_map_remove_str(struct hst_map *map, const char *key)
{
    return hst_map_remove(map, key, strlen(key));
}

void *hst_map_next(const struct hst_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        const struct hst_map_slot *slot = &map->slots[(*cursor)++];
        if (slot->key != NULL) return slot->value;
    }
    return NULL;
}

void hst_map_fini(struct hst_map *map)
{
    free(map->slots);
    *map = (struct hst_map){0};
}
