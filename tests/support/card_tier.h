#ifndef HST_TESTS_CARD_TIER_H
#define HST_TESTS_CARD_TIER_H
/** @file
 * A tier (tier.h) whose device has memory of its own (shoebox.h). */
#include "load/internal.h"
#include "model/layout.h"
#include "shoebox.h"
#include "tier.h"

#include <sys/mman.h>

struct card_tier {
    struct tier tier; /* first member; its device is the box */
    struct shoebox box;
    uv_timer_t alive; /* the loop has something to wait for, as that of hoistd */
};

static inline void card_tier_on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static inline void card_tier_on_lease_ended(void *context, uint64_t lease_id)
{
    struct card_tier *card = context;
    if (card->tier.loader != NULL) hst_loader_lease_ended(card->tier.loader, lease_id);
}

/** `ram_bytes` of RAM in copies, a device of `device_bytes` in granules of `granularity`. */
static inline void card_tier_init(struct card_tier *card, uint64_t ram_bytes, uint64_t device_bytes, uint64_t granularity)
{
    struct tier *tier = &card->tier;
    *tier = (struct tier){.folder = "/tmp/hoist-test-XXXXXX"};
    assert_non_null(mkdtemp(tier->folder));
    uv_loop_init(&tier->loop);
    uv_timer_init(&tier->loop, &card->alive);
    uv_timer_start(&card->alive, card_tier_on_alive, 100, 100);
    struct hst_cache_config cache = {.loop = &tier->loop, .budget_bytes = ram_bytes, .threads = 2, .force_backing = "pages", .listener = {.lease_ended = card_tier_on_lease_ended, .context = card}};
    assert_int_equal(hst_cache_new(&cache, &tier->cache, NULL), 0);
    tier->device = shoebox_open(&card->box, granularity, device_bytes);
    assert_non_null(tier->device);
    struct hst_loader_config loader = {.loop = &tier->loop, .cache = tier->cache, .devices = &tier->device, .device_count = 1, .policy = hst_plan_policy_find("lru"),
        .listener = {.progress = tier_on_progress, .device_state = tier_on_device, .context = tier}};
    assert_int_equal(hst_loader_new(&loader, &tier->loader, NULL), 0);
}

/** The end: nothing is left in the box. */
static inline void card_tier_fini(struct card_tier *card)
{
    uv_close((uv_handle_t *)&card->alive, NULL);
    tier_fini(&card->tier);
    assert_int_equal(card->box.allocated_bytes, 0);
    assert_null(card->box.first);
}

/** A checkpoint of two components of `bytes` each, model and vae, whose bytes are `first` and `second` over and over. */
static inline struct hst_model *card_tier_model(struct card_tier *card, const char *name, uint64_t bytes, uint8_t first, uint8_t second)
{
    struct hst_model *model = tier_model(&card->tier, name, bytes);
    uint8_t *content = malloc(bytes);
    char path[256];
    if (content == NULL) abort();
    int fd = open(model->path, O_WRONLY | O_CLOEXEC);
    off_t at = lseek(fd, 0, SEEK_END) - (off_t)(2 * bytes);
    for (int i = 0; i < 2; i++) {
        memset(content, i == 0 ? first : second, bytes);
        assert_int_equal(pwrite(fd, content, bytes, at + (off_t)((uint64_t)i * bytes)), bytes);
    }
    close(fd);
    free(content);
    tier_path(&card->tier, name, path);
    hst_model_unref(model);
    assert_int_equal(hst_probe_file(path, &model, NULL), 0);
    return card->tier.models[card->tier.model_count - 1] = model;
}

/** Its tensors are hashed: of bytes `first` and `second`. It is held until card_tier_forget. */
static inline void card_tier_know(struct hst_model *model, uint8_t first, uint8_t second)
{
    struct hst_reread *reread = NULL;
    uint8_t *hashes = calloc(2, HST_TENSOR_HASH_BYTES);
    if (hashes == NULL) abort();
    memset(hashes, first, HST_TENSOR_HASH_BYTES);
    memset(hashes + HST_TENSOR_HASH_BYTES, second, HST_TENSOR_HASH_BYTES);
    assert_int_equal(hst_reread_new(model, &reread, NULL), 0);
    for (size_t i = 0; i < model->component_count; i++)
        hst_reread_want(reread, &model->components[i]);
    assert_int_equal(hst_reread_run(reread, NULL), 0);
    for (size_t i = 0; i < model->component_count; i++)
        assert_int_equal(hst_layout_hold(&model->components[i], reread, NULL), 0);
    hst_layout_note_hashes(model, 0, hashes, 2);
    hst_reread_free(reread);
}

static inline void card_tier_forget(struct hst_model *model)
{
    for (size_t i = 0; i < model->component_count; i++)
        hst_layout_release(&model->components[i]);
}

/** Is each byte of the component on the device `byte`? */
static inline bool card_tier_is(const struct hst_loaded *loaded, uint8_t byte)
{
    bool equal = true;
    for (size_t i = 0; i < loaded->component->tensor_count; i++) {
        uint64_t size = hst_recast_bytes(loaded->recast, loaded->component, i);
        uint8_t *bytes = malloc(size + 1);
        assert_int_equal(pread(loaded->segments[loaded->spots[i].segment].fd, bytes, size, (off_t)loaded->spots[i].offset), size);
        for (uint64_t j = 0; j < size; j++)
            equal = equal && bytes[j] == byte;
        free(bytes);
    }
    return equal;
}

/** Load it as wished and wait. */
static inline struct hst_job *card_tier_load(struct card_tier *card, const struct hst_load_request *request)
{
    int before = card->tier.ended;
    struct hst_job *job = tier_start(&card->tier, request);
    tier_wait(&card->tier, before + 1);
    return job;
}

static inline struct hst_loaded *card_tier_find(struct card_tier *card, const struct hst_model *model, const char *role)
{
    return hst_loader_find(card->tier.loader, hst_model_component(model, role), card->tier.device);
}

/** What is reserved is what living blocks have, and what the device gave out. */
static inline void card_tier_check(const struct card_tier *card)
{
    const struct hst_loader *loader = card->tier.loader;
    uint64_t bytes = 0;
    for (size_t i = 0; i < loader->loaded_count; i++) {
        const struct hst_allocation *allocation = &loader->loaded[i]->allocation;
        for (size_t j = 0; j < allocation->block_count; j++) {
            struct hst_block *block = allocation->blocks[j];
            if (block != NULL && block->going++ == 0) bytes += block->size_bytes;
        }
    }
    for (size_t i = 0; i < loader->loaded_count; i++)
        for (size_t j = 0; j < loader->loaded[i]->allocation.block_count; j++)
            if (loader->loaded[i]->allocation.blocks[j] != NULL) loader->loaded[i]->allocation.blocks[j]->going = 0;
    assert_int_equal(card->tier.device->reserved_bytes, bytes);
    assert_int_equal(card->box.allocated_bytes, bytes);
    assert_true(bytes <= card->tier.device->budget_bytes);
}
#endif
