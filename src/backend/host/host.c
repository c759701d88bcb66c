/* Loading to RAM is referencing what the RAM tier holds: a memory here is the fact that it was checked, not a copy. */
#include "backend/host/host.h"

#include "os/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* One reference: how many bytes, and how many of them were filled in. */
struct hst_device_memory {
    uint64_t size_bytes;
};

static int allocate(void *backend, const uint64_t *segment_bytes, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err)
{
    (void)backend;
    struct hst_device_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        memory->size_bytes += segment_bytes[i];
    *ret_memory = memory;
    return HST_OK;
}

static int fill(struct hst_device_memory *memory, const struct hst_device_extent *extents, size_t count, struct hst_device_progress *progress,
                struct hst_error *err)
{
    uint64_t offered = 0;
    for (size_t i = 0; i < count; i++)
        offered += extents[i].size_bytes;
    if (*progress->cancel) return hst_error_set(err, HST_E_CANCELLED, "the load was cancelled");
    progress->done_bytes = offered;
    if (offered >= memory->size_bytes) return HST_OK;
    return hst_error_set(err, HST_E_LOAD_FAILED, "RAM holds %llu of the component's %llu bytes", (unsigned long long)offered,
                         (unsigned long long)memory->size_bytes);
}

static void release(struct hst_device_memory *memory)
{
    free(memory);
}

/* The device is the RAM tier's budget; the backend is that number. */
static uint64_t total_bytes(void *backend)
{
    return *(const uint64_t *)backend;
}

static const struct hst_device_ops ops = {.kind = "host",
                                          .references_ram = true,
                                          .granularity = 1,
                                          .allocate = allocate,
                                          .fill = fill,
                                          .release = release,
                                          .total_bytes = total_bytes,
                                          .close = free};

/* A digest of the machine's id, which itself is nobody's business. */
static void name_uuid(unsigned index, char out[64])
{
    char id[40];
    hst_process_machine_id(id);
    if (id[0] == '\0') return;
    XXH128_hash_t digest = XXH3_128bits_withSeed(id, strlen(id), index);
    snprintf(out, 64, "host-%016llx%016llx", (unsigned long long)digest.high64, (unsigned long long)digest.low64);
}

int hst_host_open(unsigned index, uint64_t budget_bytes, struct hst_device **ret_device, struct hst_error *err)
{
    char id[32];
    uint64_t *backend = malloc(sizeof *backend);
    if (backend == NULL) return hst_error_nomem(err);
    *backend = budget_bytes;
    snprintf(id, sizeof id, "host:%u", index);
    HST_TRY(hst_device_new(id, "System memory", &ops, backend, budget_bytes, ret_device, err));
    name_uuid(index, (*ret_device)->uuid);
    return HST_OK;
}
