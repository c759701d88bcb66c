#include "cache/inherit.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/backing.h"
#include "cache/keep.h"
#include "os/filelease.h"
#include "os/pipe.h"

#include <string.h>

struct hst_inherited {
    struct hst_list node;             /* in the keep's waiting */
    struct hst_cache *cache;
    struct hst_claim *claim;          /* referenced */
    struct hst_record_claim *record;  /* of the claim; owned */
    struct hst_record_residency view;
    uint64_t keep_id;
};

/* An item that was read. */
struct found {
    struct hst_list node;
    uint64_t id;
    enum hst_record_kind kind;
    struct hst_region *region;             /* one reference; what is locked of it */
    struct hst_ranges locked;
    struct hst_record_claim claim_record;
    struct hst_claim *claim;               /* one reference; NULL = it could not be made */
    struct hst_record_residency residency;
    struct hst_record_lease lease;
    int pipe_fd;
};

/* All of them. */
struct reading {
    struct hst_cache *cache;
    struct hst_list all;   /* in the order they came */
    struct hst_map by_id;
};

/* ---- items ---- */

/* The file that the record names, whatever was written to it since. */
static bool is_file(const struct hst_keeper_item *item, const struct hst_record_region *record, struct hst_file_id *ret_id)
{
    if (item->fd_count != 1 || !hst_file_is_readable(item->fds[0]) || hst_file_identify(item->fds[0], ret_id, NULL) < 0) return false;
    return ret_id->device == record->id.device && ret_id->inode == record->id.inode;
}

static bool take_file(struct hst_region *region, int fd, const struct hst_file_id *id)
{
    region->broken = !hst_file_id_equal(id, &region->id);
    region->fd = fd;
    region->leased = !region->broken && hst_filelease_take(fd);
    return region->broken || hst_region_map(region, NULL) == HST_OK;
}

static bool find_file(struct reading *reading, struct hst_keeper_item *item, const struct hst_record_region *record, struct found *found)
{
    struct hst_file_id id;
    const struct hst_model_file file = {.path = record->path, .id = record->id};
    if (!is_file(item, record, &id)) return false;
    found->region = hst_region_of_file(reading->cache, &file);
    if (found->region == NULL || found->region->size_bytes != record->size_bytes) return false;
    if (found->region->fd < 0) return take_file(found->region, hst_steal_fd(&item->fds[0]), &id);
    hst_keep_forget(reading->cache, &found->region->keep_id); /* that of an earlier region, which was about to go: the later one has the locks */
    return true;
}

static bool find_memory(struct reading *reading, struct hst_keeper_item *item, const struct hst_record_region *record, struct found *found)
{
    bool writable = record->kind == HST_BACKING_TMPFS_HUGE;
    struct hst_memfd memory;
    if (item->fd_count != 1 + (size_t)writable) return false;
    if (hst_memfd_adopt(item->fds[0], writable ? item->fds[1] : 0, record->size_bytes, record->kind != HST_BACKING_PAGES, &memory, NULL) < 0) return false;
    item->fds[0] = item->fds[1] = -1;
    found->region = hst_region_new(reading->cache, record->kind, record->size_bytes);
    if (found->region != NULL)
        found->region->memory = memory;
    else
        hst_memfd_fini(&memory);
    return found->region != NULL;
}

static bool read_region(struct reading *reading, struct hst_keeper_item *item, struct found *found)
{
    HST_AUTO(hst_record_region_fini) struct hst_record_region record = {0};
    if (hst_record_read_region(item->blob, item->blob_bytes, &record, NULL) < 0) return false;
    if (!(record.path != NULL ? find_file : find_memory)(reading, item, &record, found)) return false;
    found->region->keep_id = item->id;
    for (size_t i = 0; i < item->range_count; i++)
        if (hst_ranges_add(&found->locked, &item->ranges[i], NULL) < 0) break; /* it is locked again, then */
    return true;
}

static bool read_tmpfs(struct reading *reading, struct hst_keeper_item *item, struct found *found)
{
    struct hst_tmpfs *tmpfs = &reading->cache->tmpfs;
    uint64_t size_bytes;
    (void)found;
    if (item->fd_count != 2 || tmpfs->write_dir >= 0 || hst_record_read_tmpfs(item->blob, item->blob_bytes, &size_bytes, NULL) < 0) return false;
    if (size_bytes != reading->cache->config.budget_bytes) return false;
    tmpfs->write_dir = hst_steal_fd(&item->fds[0]);
    tmpfs->read_dir = hst_steal_fd(&item->fds[1]);
    reading->cache->keep->tmpfs_id = item->id;
    return true;
}

static bool read_claim(struct reading *reading, struct hst_keeper_item *item, struct found *found)
{
    (void)reading;
    return hst_record_read_claim(item->blob, item->blob_bytes, &found->claim_record, NULL) == HST_OK;
}

static bool read_residency(struct reading *reading, struct hst_keeper_item *item, struct found *found)
{
    (void)reading;
    return hst_record_read_residency(item->blob, item->blob_bytes, &found->residency, NULL) == HST_OK;
}

static bool read_lease(struct reading *reading, struct hst_keeper_item *item, struct found *found)
{
    (void)reading;
    if (item->fd_count != 1 || !hst_pipe_is_reader(item->fds[0])) return false;
    if (hst_record_read_lease(item->blob, item->blob_bytes, &found->lease, NULL) < 0) return false;
    found->pipe_fd = hst_steal_fd(&item->fds[0]);
    return true;
}

static bool (*const readers[])(struct reading *reading, struct hst_keeper_item *item, struct found *found) = {
    [HST_RECORD_TMPFS] = read_tmpfs, [HST_RECORD_REGION] = read_region, [HST_RECORD_CLAIM] = read_claim,
    [HST_RECORD_RESIDENCY] = read_residency, [HST_RECORD_LEASE] = read_lease,
};

static void free_found(struct found *found)
{
    if (found->claim != NULL) hst_claim_unref(found->claim);
    if (found->region != NULL) hst_region_unref(found->region);
    hst_ranges_fini(&found->locked);
    hst_record_claim_fini(&found->claim_record);
    hst_record_lease_fini(&found->lease);
    hst_closep(&found->pipe_fd);
    free(found);
}

/* What cannot be read is nobody's. */
static bool on_item(void *context, struct hst_keeper_item *item)
{
    struct reading *reading = context;
    if (item->kind >= HST_RECORD_OTHERS) return hst_keep_add_other(reading->cache->keep, item);
    bool known = item->kind < sizeof readers / sizeof readers[0] && readers[item->kind] != NULL;
    struct found *found = known ? calloc(1, sizeof *found) : NULL;
    if (found == NULL) return false;
    *found = (struct found){.id = item->id, .kind = (enum hst_record_kind)item->kind, .pipe_fd = -1};
    if (!readers[item->kind](reading, item, found) || hst_map_put(&reading->by_id, &found->id, sizeof found->id, found) < 0) {
        free_found(found);
        return false;
    }
    hst_list_append(&reading->all, &found->node);
    return true;
}

/* The item of this kind and number, or NULL. */
static struct found *find(const struct reading *reading, enum hst_record_kind kind, uint64_t id)
{
    struct found *found = hst_map_get(&reading->by_id, &id, sizeof id);
    return found != NULL && found->kind == kind ? found : NULL;
}

/* ---- claims ---- */

static bool find_regions(const struct reading *reading, const struct hst_record_claim *record, struct hst_region **regions)
{
    for (size_t i = 0; i < record->region_count; i++) {
        const struct found *found = find(reading, HST_RECORD_REGION, record->regions[i]);
        if (found == NULL) return false;
        regions[i] = found->region;
    }
    for (size_t i = 0; i < record->piece_count; i++) {
        const struct hst_piece *piece = &record->pieces[i];
        if (piece->begin + piece->size_bytes > regions[piece->region]->size_bytes) return false;
    }
    return true;
}

static void make_claim(const struct reading *reading, struct found *found)
{
    const struct hst_record_claim *record = &found->claim_record;
    HST_AUTO(hst_freep) struct hst_region **regions = calloc(record->region_count + 1, sizeof(struct hst_region *));
    if (regions == NULL || !find_regions(reading, record, regions)) return;
    if (hst_claim_restore(reading->cache, record, regions, &found->claim, NULL) < 0) return;
    found->claim->keep_id = found->id;
}

/* ---- what claims are for ---- */

static void make_residency(const struct reading *reading, struct found *found)
{
    struct found *of = find(reading, HST_RECORD_CLAIM, found->residency.claim);
    bool usable = of != NULL && of->claim != NULL && of->claim_record.component_id != NULL && !hst_claim_is_broken(of->claim);
    struct hst_inherited *inherited = usable ? calloc(1, sizeof *inherited) : NULL;
    struct hst_record_claim *record = inherited != NULL ? calloc(1, sizeof *record) : NULL;
    if (record == NULL) {
        free(inherited);
        hst_keep_forget(reading->cache, &found->id);
        return;
    }
    *record = of->claim_record;
    of->claim_record = (struct hst_record_claim){0};
    *inherited = (struct hst_inherited){.cache = reading->cache, .claim = hst_claim_ref(of->claim), .record = record, .view = found->residency, .keep_id = found->id};
    hst_list_append(&reading->cache->keep->waiting, &inherited->node);
}

static void make_lease(const struct reading *reading, struct found *found)
{
    HST_AUTO(hst_freep) struct hst_claim **claims = calloc(found->lease.count + 1, sizeof(struct hst_claim *));
    bool any = found->lease.view.other_count > 0;
    for (size_t i = 0; claims != NULL && i < found->lease.count; i++) {
        const struct found *of = find(reading, HST_RECORD_CLAIM, found->lease.shares[i].claim);
        claims[i] = of != NULL ? of->claim : NULL;
        any = any || claims[i] != NULL;
    }
    if (claims == NULL || !any || hst_lease_restore(reading->cache, &found->lease, claims, &found->pipe_fd, found->id, NULL) < 0) hst_keep_forget(reading->cache, &found->id);
}

/* ---- memory ---- */

static bool is_locked(const struct hst_ranges *locked, uint64_t begin, uint64_t end)
{
    for (size_t i = 0; i < locked->count; i++)
        if (locked->items[i].offset <= begin && end - locked->items[i].offset <= locked->items[i].size_bytes) return true;
    return false;
}

/* What the keeper did not come to lock: until it is, it counts as not locked. */
static void check_locks(struct hst_region *region, const struct hst_ranges *locked)
{
    for (size_t i = 0; i + 1 < region->used.count; i++)
        if (region->used.edges[i].count > 0 && !is_locked(locked, region->used.edges[i].at, region->used.edges[i + 1].at)) region->unlocked = true;
    if (region->unlocked) hst_keep_restore_locks(region);
}

/* What nobody names of a sealed memfd is there all the same; elsewhere it is not, whatever was left of it. */
static void settle_memory(struct hst_region *region)
{
    uint64_t at = 0;
    region->left = true;
    if (region->kind != HST_BACKING_TMPFS_HUGE) {
        region->stuck_bytes = region->size_bytes - region->used.used_bytes;
        region->cache->stats.used_bytes += region->stuck_bytes;
        return;
    }
    for (size_t i = 0; i + 1 < region->used.count; i++) {
        if (region->used.edges[i].count == 0) continue;
        if (at < region->used.edges[i].at) (void)hst_memfd_punch(&region->memory, at, region->used.edges[i].at - at);
        at = region->used.edges[i + 1].at;
    }
    if (at > 0 && at < region->size_bytes) (void)hst_memfd_punch(&region->memory, at, region->size_bytes - at);
}

static void settle_region(struct found *found)
{
    if (found->region->used.used_bytes == 0 || found->region->keep_id != found->id) return; /* it goes, or was only read from; it has a later item */
    if (hst_region_is_file(found->region))
        check_locks(found->region, &found->locked);
    else
        settle_memory(found->region);
}

/* Memory that a residency lives in was not left by it. */
static void note_living(const struct hst_inherited *inherited)
{
    for (size_t i = 0; i < inherited->claim->region_count; i++)
        inherited->claim->regions[i]->left = false;
}

/* ---- the whole ---- */

static void build(const struct reading *reading, enum hst_record_kind kind)
{
    HST_LIST_FOREACH(node, &reading->all) {
        struct found *found = hst_container_of(node, struct found, node);
        if (found->kind != kind) continue;
        if (kind == HST_RECORD_CLAIM) make_claim(reading, found);
        if (kind == HST_RECORD_RESIDENCY) make_residency(reading, found);
        if (kind == HST_RECORD_LEASE) make_lease(reading, found);
        if (kind == HST_RECORD_REGION) settle_region(found);
    }
}

/* A smaller budget has no room for all of it. */
static void fit_budget(struct hst_cache *cache)
{
    struct hst_inherited *inherited;
    while (hst_cache_kept(cache) > cache->config.budget_bytes && (inherited = hst_cache_next_inherited(cache, NULL)))
        hst_cache_refuse(inherited);
}

void hst_inherit_all(struct hst_cache *cache)
{
    struct reading reading = {.cache = cache};
    hst_list_init(&reading.all);
    if (cache->keep == NULL) return;
    (void)hst_keeper_adopt(cache->keep->keeper, on_item, &reading, NULL, NULL); /* what could not be read is not taken over */
    build(&reading, HST_RECORD_CLAIM);
    build(&reading, HST_RECORD_RESIDENCY);
    build(&reading, HST_RECORD_LEASE);
    build(&reading, HST_RECORD_REGION);
    HST_LIST_FOREACH(node, &cache->keep->waiting)
        note_living(hst_container_of(node, struct hst_inherited, node));
    HST_LIST_FOREACH(node, &reading.all) {
        struct found *found = hst_container_of(node, struct found, node);
        if (found->kind == HST_RECORD_CLAIM && found->claim == NULL) hst_keep_forget(cache, &found->id);
        free_found(found);
    }
    hst_map_fini(&reading.by_id);
    fit_budget(cache);
    cache->keep->inheritance = (struct hst_inheritance){
        .bytes = cache->stats.used_bytes, .residencies = hst_list_count(&cache->keep->waiting), .leases = hst_list_count(&cache->holders)};
}

struct hst_inheritance hst_cache_inheritance(const struct hst_cache *cache)
{
    return cache->keep != NULL ? cache->keep->inheritance : (struct hst_inheritance){0};
}

struct hst_inherited *hst_cache_next_inherited(const struct hst_cache *cache, const struct hst_inherited *previous)
{
    if (cache->keep == NULL) return NULL;
    const struct hst_list *next = previous != NULL ? previous->node.next : cache->keep->waiting.next;
    return next != &cache->keep->waiting ? hst_container_of(next, struct hst_inherited, node) : NULL;
}

const char *hst_inherited_component(const struct hst_inherited *inherited)
{
    return inherited->record->component_id;
}

static void free_inherited(struct hst_inherited *inherited)
{
    hst_list_remove(&inherited->node);
    hst_claim_unref(inherited->claim);
    hst_record_claim_fini(inherited->record);
    free(inherited->record);
    free(inherited);
}

void hst_cache_refuse(struct hst_inherited *inherited)
{
    hst_keep_forget(inherited->cache, &inherited->keep_id);
    free_inherited(inherited);
}

void hst_inherit_end(struct hst_cache *cache)
{
    for (struct hst_inherited *inherited; (inherited = hst_cache_next_inherited(cache, NULL));)
        hst_cache_refuse(inherited);
}

/* ---- components ---- */

/* Are these the bytes that the component has in its files by now? */
static bool is_tensor(const struct hst_inherited *inherited, const struct hst_component *component, size_t index)
{
    const struct hst_record_tensor *was = &inherited->record->tensors[index];
    const struct hst_component_tensor *row = &component->tensors[index];
    const struct hst_tensor *tensor = row->tensor;
    return was->offset == tensor->offset && was->size_bytes == tensor->size_bytes && was->stored == (uint64_t)tensor->dtype &&
           hst_file_id_equal(&inherited->record->files[was->file], &component->model->files[row->file].id);
}

/* Is all of it in memory that is charged? */
static bool is_there(const struct hst_inherited *inherited, const struct hst_component *component, size_t index)
{
    const struct hst_record_tensor *was = &inherited->record->tensors[index];
    uint64_t size = hst_recast_bytes(inherited->claim->recast, component, index), end;
    if (size == 0) return true;
    return was->region < inherited->claim->region_count && hst_checked_add(was->at, size, &end) &&
           hst_uses_count(&inherited->claim->regions[was->region]->used, was->at, end, 1) == size;
}

/* In which types is it in memory? */
static int take_types(struct hst_inherited *inherited, const struct hst_component *component, struct hst_error *err)
{
    const struct hst_record_claim *record = inherited->record;
    if (record->precision[0] == '\0') return HST_OK;
    struct hst_recast *recast = hst_recast_new(component, record->precision);
    if (recast == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < recast->count; i++)
        recast->dtypes[i] = (enum hst_dtype)record->tensors[i].becomes;
    inherited->claim->recast = recast;
    return HST_OK;
}

/* Do clients see it where it is? */
static bool is_placed(const struct hst_inherited *inherited, const struct hst_component *component, size_t index)
{
    const struct hst_claim *claim = inherited->claim;
    const struct hst_record_tensor *was = &inherited->record->tensors[index];
    const struct hst_placement *place = &claim->places[index];
    uint64_t size = hst_recast_bytes(claim->recast, component, index);
    if (size == 0) return true;
    const struct hst_segment *segment = &claim->segments[place->segment];
    return place->segment < claim->segment_count && segment->fd == hst_claim_fd(claim, (uint32_t)was->region) && segment->offset + place->offset == was->at &&
           place->offset <= segment->size_bytes && size <= segment->size_bytes - place->offset;
}

static bool is_component(const struct hst_inherited *inherited, const struct hst_component *component)
{
    for (size_t i = 0; i < component->tensor_count; i++)
        if (!is_tensor(inherited, component, i) || !is_there(inherited, component, i) || !is_placed(inherited, component, i)) return false;
    return true;
}

static int check(struct hst_inherited *inherited, const struct hst_component *component, struct hst_error *err)
{
    bool fits = inherited->record->tensor_count == component->tensor_count && component->tensor_count > 0;
    if (fits) HST_TRY(take_types(inherited, component, err));
    if (fits) HST_TRY(hst_claim_publish(inherited->claim, err));
    if (fits && is_component(inherited, component) && !hst_claim_is_broken(inherited->claim)) return HST_OK;
    return hst_error_set(err, HST_E_FILE_CHANGED, "%s is not what is in memory", component->id);
}

static int attach(struct hst_inherited *inherited, struct hst_component *component, struct hst_error *err)
{
    struct hst_cache *cache = inherited->cache;
    struct hst_resident *resident;
    HST_TRY(check(inherited, component, err));
    HST_TRY(hst_cache_enter(cache, component, inherited->claim, &resident, err));
    hst_claim_ref(inherited->claim); /* free_inherited lets go of its own */
    resident->keep_id = inherited->keep_id;
    resident->view.pinned = inherited->view.pinned;
    resident->view.ahead = inherited->view.ahead;
    resident->view.fill_ns = inherited->view.fill_ns;
    resident->view.read_bytes = inherited->view.read_bytes;
    resident->view.warm_bytes = inherited->view.warm_bytes;
    resident->view.ttl_seconds = inherited->view.ttl_seconds;
    hst_twins_note_all(cache, component, resident->claim, true);
    hst_lease_attach(cache, resident);
    return HST_OK;
}

int hst_cache_attach(struct hst_cache *cache, struct hst_inherited *inherited, struct hst_component *component, struct hst_error *err)
{
    (void)cache;
    int status = attach(inherited, component, err);
    if (status < 0)
        hst_cache_refuse(inherited);
    else
        free_inherited(inherited);
    return status;
}
