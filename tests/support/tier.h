#ifndef HST_TESTS_TIER_H
#define HST_TESTS_TIER_H
/** @file
 * A whole tier for tests: real files, a cache, a host device, a loader on a loop of its own. */
#include "backend/host/host.h"
#include "catalog/probe.h"
#include "cmocka_all.h"
#include "load/load.h"
#include "model_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#define MIB UINT64_C(1048576)

struct tier {
    uv_loop_t loop;
    char folder[64];
    struct hst_cache *cache;
    struct hst_device *device;
    struct hst_loader *loader;
    struct hst_model *models[8];
    size_t model_count;
    int ended;
    int progress;
    char news[1024];
};

static inline void tier_path(const struct tier *tier, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s.safetensors", tier->folder, name);
}

/** A checkpoint of two components, model and vae, of `bytes` bytes each. */
static inline struct hst_model *tier_model(struct tier *tier, const char *name, uint64_t bytes)
{
    char path[256], header[1024];
    unsigned long long b = bytes;
    snprintf(header, sizeof header,
             "{\"model.diffusion_model.input_blocks.0.0.weight\":{\"dtype\":\"U8\",\"shape\":[%llu],\"data_offsets\":[0,%llu]},"
             "\"first_stage_model.decoder.conv_in.weight\":{\"dtype\":\"U8\",\"shape\":[%llu],\"data_offsets\":[%llu,%llu]}}",
             b, b, b, b, 2 * b);
    tier_path(tier, name, path);
    model_bytes_write(path, header, 2 * bytes);
    struct hst_model *model;
    assert_int_equal(hst_probe_file(path, &model, NULL), 0);
    assert_int_equal(model->component_count, 2);
    tier->models[tier->model_count++] = model;
    return model;
}

/** Out of the page cache with its file: the next load reads the disk. */
static inline void tier_chill(const struct hst_model *model)
{
    int fd = open(model->path, O_RDONLY | O_CLOEXEC);
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static inline void tier_on_progress(void *context, const struct hst_job *job)
{
    (void)job;
    ((struct tier *)context)->progress++;
}

static inline void tier_on_device(void *context, const struct hst_component *component, const struct hst_device *device, const char *state)
{
    struct tier *tier = context;
    size_t used = strlen(tier->news);
    (void)device;
    snprintf(tier->news + used, sizeof tier->news - used, "%s %s\n", component->id, state);
}

/** `backing` NULL = by rule, `reading` NULL = the best there is. */
static inline void tier_init_reading(struct tier *tier, uint64_t ram_bytes, uint64_t device_bytes, const char *backing, const char *reading)
{
    *tier = (struct tier){.folder = "/tmp/hoist-test-XXXXXX"};
    assert_non_null(mkdtemp(tier->folder));
    uv_loop_init(&tier->loop);
    struct hst_cache_config cache = {.loop = &tier->loop, .budget_bytes = ram_bytes, .threads = 2, .force_backing = backing, .force_reading = reading};
    assert_int_equal(hst_cache_new(&cache, &tier->cache, NULL), 0);
    assert_int_equal(hst_host_open(0, device_bytes, &tier->device, NULL), 0);
    struct hst_loader_config loader = {.loop = &tier->loop, .cache = tier->cache, .devices = &tier->device, .device_count = 1, .policy = hst_plan_policy_find("lru"),
        .listener = {.progress = tier_on_progress, .device_state = tier_on_device, .context = tier}};
    assert_int_equal(hst_loader_new(&loader, &tier->loader, NULL), 0);
}

/** `backing` NULL = by rule. */
static inline void tier_init_with(struct tier *tier, uint64_t ram_bytes, uint64_t device_bytes, const char *backing)
{
    tier_init_reading(tier, ram_bytes, device_bytes, backing, NULL);
}

static inline void tier_init(struct tier *tier, uint64_t ram_bytes, uint64_t device_bytes)
{
    tier_init_with(tier, ram_bytes, device_bytes, NULL);
}

static inline void tier_fini(struct tier *tier)
{
    char command[128];
    hst_loader_free(tier->loader);
    hst_cache_free(tier->cache);
    assert_int_equal(tier->device->reserved_bytes, 0);
    hst_device_free(tier->device);
    for (size_t i = 0; i < tier->model_count; i++)
        hst_model_unref(tier->models[i]);
    uv_run(&tier->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&tier->loop), 0);
    snprintf(command, sizeof command, "rm -r %s", tier->folder);
    assert_int_equal(system(command), 0);
}

static inline void tier_on_end(void *context, const struct hst_job *job)
{
    (void)job;
    ((struct tier *)context)->ended++;
}

/** Start a load; the job is borrowed. */
static inline struct hst_job *tier_start(struct tier *tier, const struct hst_load_request *request)
{
    struct hst_job *job = NULL;
    struct hst_error err = {0};
    if (hst_loader_start(tier->loader, request, tier_on_end, tier, &job, &err) < 0) fail_msg("%s", err.text);
    return job;
}

/** Run the loop until `count` jobs have ended. */
static inline void tier_wait(struct tier *tier, int count)
{
    while (tier->ended < count)
        uv_run(&tier->loop, UV_RUN_ONCE);
}

/** Load a whole model to the device and wait. */
static inline struct hst_job *tier_load(struct tier *tier, struct hst_model *model)
{
    int before = tier->ended;
    struct hst_job *job = tier_start(tier, &(struct hst_load_request){.model = model, .device = tier->device});
    tier_wait(tier, before + 1);
    return job;
}

/** Run the loop until the kernel has what was given back. */
static inline void tier_settle(struct tier *tier)
{
    while (hst_cache_draining(tier->cache) > 0)
        uv_run(&tier->loop, UV_RUN_ONCE);
}

/** Everything that a failed load must leave as it was, as text. */
static inline void tier_snapshot(struct tier *tier, char *out, size_t size)
{
    tier_settle(tier);
    struct hst_cache_stats stats = hst_cache_stats(tier->cache);
    int used = snprintf(out, size, "ram %llu count %llu device %llu\n", (unsigned long long)stats.used_bytes, (unsigned long long)stats.count,
                        (unsigned long long)tier->device->reserved_bytes);
    size_t cursor = 0;
    for (const struct hst_residency *r; (r = hst_cache_next(tier->cache, &cursor));)
        used += snprintf(out + used, size - (size_t)used, "%s state %d charged %llu leases %u refs %u pinned %d locked %d\n", r->component->id,
                         (int)r->state, (unsigned long long)r->charged_bytes, r->leases, r->device_refs, r->pinned, r->locked);
    cursor = 0;
    for (const struct hst_loaded *l; (l = hst_loader_next_loaded(tier->loader, &cursor));)
        used += snprintf(out + used, size - (size_t)used, "%s on %s %llu pinned %d\n", l->component->id, l->device->id,
                         (unsigned long long)l->device_bytes, l->pinned);
}
#endif
