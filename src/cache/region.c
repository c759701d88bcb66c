#include "cache/region.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/drain.h"
#include "cache/internal.h"
#include "cache/keep.h"
#include "model/reread.h"
#include "os/filelease.h"

#include <string.h>

static struct hst_region *find_file(const struct hst_cache *cache, const struct hst_file_id *id)
{
    HST_LIST_FOREACH(node, &cache->regions) {
        struct hst_region *region = hst_container_of(node, struct hst_region, node);
        if (hst_region_is_file(region) && hst_file_id_equal(&region->id, id)) return region;
    }
    return NULL;
}

static struct hst_region *make(struct hst_cache *cache, enum hst_backing kind, uint64_t size_bytes)
{
    struct hst_region *region = calloc(1, sizeof *region);
    if (region == NULL) return NULL;
    *region = (struct hst_region){.cache = cache, .kind = kind, .ops = hst_backing_ops(kind), .refs = 1, .size_bytes = size_bytes, .fd = -1, .direct_fd = -1};
    region->memory.fd = -1;
    hst_list_append(&cache->regions, &region->node);
    return region;
}

struct hst_region *hst_region_of_file(struct hst_cache *cache, const struct hst_model_file *file)
{
    struct hst_region *region = find_file(cache, &file->id);
    if (region != NULL) {
        region->refs++;
        return region;
    }
    region = make(cache, HST_BACKING_PAGE_CACHE, hst_round_up(file->id.size_bytes, hst_hold_page_size()));
    if (region == NULL) return NULL;
    region->id = file->id;
    region->path = strdup(file->path);
    if (region->path != NULL) return region;
    hst_region_unref(region);
    return NULL;
}

struct hst_region *hst_region_new(struct hst_cache *cache, enum hst_backing kind, uint64_t size_bytes)
{
    return make(cache, kind, size_bytes);
}

void hst_region_unref(struct hst_region *region)
{
    if (--region->refs > 0) {
        hst_drain_send(region);
        return;
    }
    hst_list_remove(&region->node);
    hst_twins_forget(region, 0, UINT64_MAX);
    /* Memory is freed with its last descriptor: ours shall be it. Of a file the keeper unlocks its pages first. */
    if (!hst_region_is_file(region)) (void)hst_keep_forget_now(region->cache, &region->keep_id);
    hst_drain_send_last(region);
}

int hst_region_open(const struct hst_region *region, struct hst_opened_file *ret_file, struct hst_error *err)
{
    const struct hst_model_file wanted = {.path = region->path, .id = region->id};
    int fd = hst_reread_open(&wanted, err);
    if (fd < 0) return fd;
    *ret_file = (struct hst_opened_file){.fd = fd, .leased = hst_filelease_take(fd)};
    return HST_OK;
}

int hst_region_map(struct hst_region *region, struct hst_error *err)
{
    if (region->hold.address != NULL || region->size_bytes == 0) return HST_OK;
    return hst_hold_map(region->fd, 0, region->size_bytes, &region->hold, err);
}

void hst_region_adopt(struct hst_region *region, struct hst_opened_file *file)
{
    if (file->fd < 0 || region->fd >= 0) {
        hst_region_discard(file);
        return;
    }
    region->leased = file->leased;
    region->fd = hst_steal_fd(&file->fd);
}

void hst_region_discard(struct hst_opened_file *file)
{
    if (file->fd >= 0 && file->leased) hst_filelease_release(file->fd);
    hst_closep(&file->fd);
}

void hst_region_use(struct hst_region *region, uint64_t begin, uint64_t end)
{
    region->cache->stats.used_bytes += hst_uses_use(&region->used, begin, end);
}

/* A use on its way back. */
struct release {
    struct hst_region *region;
    bool drop;
};

static void give_back(void *context, uint64_t begin, uint64_t end)
{
    const struct release *release = context;
    struct hst_region *region = release->region;
    hst_twins_forget(region, begin, end);
    if (region->dying || hst_region_gives_back(region))
        hst_drain_add(region, begin, end, release->drop);
    else
        region->stuck_bytes += end - begin;
}

void hst_region_release(struct hst_region *region, uint64_t begin, uint64_t end, bool drop)
{
    struct release release = {region, drop};
    hst_uses_release(&region->used, begin, end, give_back, &release);
}
