#include "catalog/content.h"

#include "base/cleanup.h"
#include "catalog/hashes.h"
#include "store/db_hashes.h"

#include <openssl/evp.h>
#include <string.h>
#include <xxhash.h>

void hst_content_init(struct hst_content *content)
{
    *content = (struct hst_content){0};
    hst_list_init(&content->same);
    hst_list_init(&content->dirty);
}

static struct hst_entry *entry_of(struct hst_list *same)
{
    return hst_container_of(same, struct hst_entry, content.same);
}

/* Out of the ring of those with the same digest. The map leads to any one of them. */
static void unlink_entry(struct hst_catalog *catalog, struct hst_entry *entry)
{
    struct hst_content *content = &entry->content;
    struct hst_entry *other = hst_list_empty(&content->same) ? NULL : entry_of(content->same.next);
    if (content->known && hst_map_get(&catalog->by_content, content->digest, HST_SHA256_BYTES) == entry) {
        hst_map_remove(&catalog->by_content, content->digest, HST_SHA256_BYTES);
        if (other != NULL) (void)hst_map_put(&catalog->by_content, other->content.digest, HST_SHA256_BYTES, other);
    }
    hst_list_remove(&content->same);
    content->known = false;
}

static void link_entry(struct hst_catalog *catalog, struct hst_entry *entry)
{
    struct hst_content *content = &entry->content;
    struct hst_entry *other = hst_map_get(&catalog->by_content, content->digest, HST_SHA256_BYTES);
    content->known = true;
    if (other != NULL)
        hst_list_append(&other->content.same, &content->same);
    else
        (void)hst_map_put(&catalog->by_content, content->digest, HST_SHA256_BYTES, entry); /* without memory it has no duplicates */
}

void hst_content_fini(struct hst_catalog *catalog, struct hst_entry *entry)
{
    unlink_entry(catalog, entry);
    hst_list_remove(&entry->content.dirty);
}

bool hst_content_is_known(const struct hst_catalog *catalog, const struct hst_model *model)
{
    for (size_t i = 0; i < model->file_count; i++)
        if (hst_hashes_find(catalog, &model->files[i].id) == NULL) return false;
    return model->file_count > 0;
}

void hst_content_measure(const struct hst_model *model, uint64_t *ret_data_bytes, uint64_t *ret_tensor_count)
{
    *ret_data_bytes = *ret_tensor_count = 0;
    for (size_t i = 0; i < model->component_count; i++) {
        *ret_data_bytes += model->components[i].size_bytes;
        *ret_tensor_count += model->components[i].tensor_count;
    }
}

void hst_content_sketch(const uint8_t (*sketches)[HST_XXH128_BYTES], size_t count, uint8_t ret_sketch[HST_XXH128_BYTES])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(sketches, count * HST_XXH128_BYTES));
    memcpy(ret_sketch, &canonical, HST_XXH128_BYTES);
}

/* The weights where they can be told from the header, else the whole file. */
static const uint8_t *digest_of(const struct hst_hashes *hashes)
{
    return hashes->has_tensors && hashes->data_bytes > 0 ? hashes->tensors : hashes->sha256;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, HST_SHA256_BYTES);
}

/* Of one file its digest; of several the SHA-256 of their digests, sorted: names and order of shards do not matter. */
static bool sum_up(const struct hst_catalog *catalog, const struct hst_model *model, struct hst_content *content)
{
    HST_AUTO(hst_freep) uint8_t(*digests)[HST_SHA256_BYTES] = calloc(model->file_count, sizeof *digests);
    HST_AUTO(hst_freep) uint8_t(*sketches)[HST_XXH128_BYTES] = calloc(model->file_count, sizeof *sketches);
    if (digests == NULL || sketches == NULL) return false;
    for (size_t i = 0; i < model->file_count; i++) {
        const struct hst_hashes *hashes = hst_hashes_find(catalog, &model->files[i].id);
        memcpy(digests[i], digest_of(hashes), HST_SHA256_BYTES);
        memcpy(sketches[i], hashes->sketch, HST_XXH128_BYTES);
    }
    hst_content_measure(model, &content->data_bytes, &content->tensor_count);
    hst_content_sketch((const uint8_t(*)[HST_XXH128_BYTES])sketches, model->file_count, content->sketch);
    qsort(digests, model->file_count, sizeof *digests, compare);
    memcpy(content->digest, digests[0], HST_SHA256_BYTES);
    return model->file_count == 1 || EVP_Digest(digests, model->file_count * sizeof *digests, content->digest, NULL, EVP_sha256(), NULL) == 1;
}

static void replace(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_content *new)
{
    struct hst_content *content = &entry->content;
    unlink_entry(catalog, entry);
    content->data_bytes = new->data_bytes;
    content->tensor_count = new->tensor_count;
    content->since_generation = new->since_generation;
    memcpy(content->digest, new->digest, sizeof content->digest);
    memcpy(content->sketch, new->sketch, sizeof content->sketch);
    link_entry(catalog, entry);
}

void hst_content_refresh(struct hst_catalog *catalog, struct hst_entry *entry)
{
    const struct hst_model *model = entry->model;
    struct hst_content new = {.since_generation = entry->generation};
    entry->content.current = false;
    if (model == NULL || model->state == HST_MODEL_MISSING || !hst_content_is_known(catalog, model) || !sum_up(catalog, model, &new)) return;
    bool same = entry->content.known && memcmp(entry->content.digest, new.digest, sizeof new.digest) == 0;
    entry->content.current = true;
    if (same) return;
    replace(catalog, entry, &new);
    if (catalog->db != NULL && hst_list_empty(&entry->content.dirty)) hst_list_append(&catalog->dirty_contents, &entry->content.dirty);
}

static int recall_row(void *context, const struct hst_db_content *row)
{
    struct hst_catalog *catalog = context;
    struct hst_entry *entry = hst_map_get_str(&catalog->by_id, row->id);
    struct hst_content content = {.data_bytes = row->data_bytes, .tensor_count = row->tensor_count, .since_generation = row->since_generation};
    memcpy(content.digest, row->digest, sizeof content.digest);
    memcpy(content.sketch, row->sketch, sizeof content.sketch);
    if (entry != NULL) replace(catalog, entry, &content);
    return HST_OK;
}

int hst_content_recall(struct hst_catalog *catalog, struct hst_error *err)
{
    return hst_db_each_content(catalog->db, recall_row, catalog, err);
}

/* The content of this very model, or NULL. */
static const struct hst_content *current(const struct hst_catalog *catalog, const struct hst_model *model)
{
    const struct hst_entry *entry = hst_map_get_str(&catalog->by_id, model->id);
    return entry != NULL && entry->model == model && entry->content.current ? &entry->content : NULL;
}

uint64_t hst_catalog_weights_since(const struct hst_catalog *catalog, const struct hst_model *model)
{
    const struct hst_content *content = current(catalog, model);
    return content != NULL ? content->since_generation : 0;
}

const uint8_t *hst_catalog_digest(const struct hst_catalog *catalog, const struct hst_model *model)
{
    const struct hst_content *content = current(catalog, model);
    return content != NULL ? content->digest : NULL;
}

struct hst_model *hst_catalog_next_duplicate(const struct hst_catalog *catalog, const struct hst_model *model, const struct hst_model *previous)
{
    const struct hst_content *self = current(catalog, model);
    const struct hst_content *at = previous != NULL ? current(catalog, previous) : self;
    if (self == NULL || at == NULL) return NULL;
    for (struct hst_list *node = at->same.next; node != &self->same; node = node->next) {
        const struct hst_entry *other = entry_of(node);
        if (other->content.current && other->model->state != HST_MODEL_MISSING) return other->model;
    }
    return NULL;
}
