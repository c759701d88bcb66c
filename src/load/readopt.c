/* What is on devices with memory of their own outlives hoistd: hoist-keeper has its descriptors, and on each item is written what it is (loadedrecord.h). The next hoistd
 * reserves its bytes at once, asks the device whether it still has them, on a thread, and makes it a component on the device again when the catalog has found its
 * model and its tensors are those that were written down.
 *
 *     take: items --> memory is asked for (thread) --,
 *                         the catalog has the model --+--> headers are read (thread) --> loaded again
 *                                                     '--> the device has lost it, or it is another model: gone; while leased, it stays charged
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/keep.h"
#include "load/internal.h"
#include "load/loadedrecord.h"
#include "model/layout.h"
#include "model/reread.h"

#include <string.h>

/* A component on its way back. */
struct hst_readopting {
    struct hst_list node; /* in loader->readopting */
    struct hst_loader *loader;
    uint64_t keep_id;
    struct hst_device *device;
    struct hst_loadedrecord record;
    struct hst_block **blocks;       /* one a segment of the record, each referenced; owned array */
    int *fds;                        /* one a segment; -1 = another brought it, or it was adopted; owned */
    struct hst_component *component; /* its model is referenced; NULL = not found yet */
    struct hst_reread *reread;
    bool laid_out;
    bool asked;   /* the device was, and has answered */
    bool reading; /* headers are being read */
    bool refused; /* it is only here while leased */
    bool gone;    /* the device has lost it since: it is nowhere, whoever has a lease */
    int status;   /* of asking, or reading */
};

static struct hst_readopting *entry_of(struct hst_list *node)
{
    return hst_container_of(node, struct hst_readopting, node);
}

/* ---- writing down ---- */

static uint64_t number_of(struct hst_loader *loader, struct hst_block *block)
{
    if (block->number == 0) block->number = ++loader->next_block;
    return block->number;
}

static void describe_segments(struct hst_loader *loader, const struct hst_loaded_entry *entry, struct hst_loadedrecord_segment *segments)
{
    const struct hst_allocation *allocation = &entry->allocation;
    for (size_t i = 0; i < allocation->block_count; i++) {
        struct hst_block *block = allocation->blocks[i];
        size_t count = 0;
        const struct hst_device_segment *parts = block != NULL ? block->device->ops->segments(block->memory, &count) : NULL;
        for (size_t j = 0; j < count; j++)
            for (size_t k = 0; k < entry->view.segment_count; k++)
                if (entry->view.segments[k].fd == parts[j].fd) segments[k] = (struct hst_loadedrecord_segment){number_of(loader, block), block->first + j, parts[j].size_bytes};
    }
}

static void describe_tensors(const struct hst_loaded_entry *entry, struct hst_loadedrecord_tensor *tensors)
{
    const struct hst_component *component = entry->view.component;
    for (size_t i = 0; i < component->tensor_count; i++) {
        const struct hst_component_tensor *row = &component->tensors[i];
        const struct hst_device_spot *spot = &entry->view.spots[i];
        tensors[i] = (struct hst_loadedrecord_tensor){row->file, row->tensor->offset, row->tensor->size_bytes, row->tensor->dtype,
                                              hst_recast_dtype(entry->view.recast, component, i), spot->segment, spot->offset};
    }
}

static int describe(struct hst_loader *loader, const struct hst_loaded_entry *entry, struct hst_loadedrecord *record)
{
    const struct hst_loaded *view = &entry->view;
    const struct hst_model *model = view->component->model;
    *record = (struct hst_loadedrecord){.component_id = strdup(view->component->id), .pinned = view->pinned, .alone = view->alone, .ttl_seconds = view->ttl_seconds,
                                       .copy_ns = view->copy_ns, .fill_ns = view->fill_ns, .since_wall_ns = view->since_wall_ns,
                                       .files = calloc(model->file_count + 1, sizeof *record->files), .file_count = model->file_count,
                                       .segments = calloc(view->segment_count + 1, sizeof *record->segments), .segment_count = view->segment_count,
                                       .tensors = calloc(view->component->tensor_count + 1, sizeof *record->tensors), .tensor_count = view->component->tensor_count};
    if (record->component_id == NULL || record->files == NULL || record->segments == NULL || record->tensors == NULL) return HST_E_NOMEM;
    memcpy(record->device_uuid, view->device->uuid, sizeof record->device_uuid);
    memcpy(record->precision, view->precision, sizeof record->precision);
    for (size_t i = 0; i < model->file_count; i++)
        record->files[i] = model->files[i].id;
    describe_segments(loader, entry, record->segments);
    describe_tensors(entry, record->tensors);
    return HST_OK;
}

void hst_loaded_keep(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    HST_AUTO(hst_loadedrecord_fini) struct hst_loadedrecord record = {0};
    struct hst_strbuf text = {0};
    int fds[HST_KEEPER_FDS_MAX];
    if (entry->view.segment_count == 0 || entry->view.segment_count > HST_KEEPER_FDS_MAX || describe(loader, entry, &record) < 0) return;
    for (size_t i = 0; i < entry->view.segment_count; i++)
        fds[i] = entry->view.segments[i].fd;
    hst_loadedrecord_write(&text, &record);
    entry->keep_id = hst_keep_put_other(loader->config.cache, HST_LOADEDRECORD_KIND, entry->keep_id, fds, entry->view.segment_count, &text);
}

void hst_loaded_forget(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    (void)hst_keep_forget_now(loader->config.cache, &entry->keep_id);
}

/* Another keeper runs, and has nothing. */
static void on_fresh(void *context)
{
    struct hst_loader *loader = context;
    for (size_t i = 0; i < loader->loaded_count; i++)
        if (loader->loaded[i]->keep_id > 0) hst_loaded_keep(loader, loader->loaded[i]);
}

/* ---- the end of one ---- */

static void free_readopting(struct hst_readopting *readopting)
{
    hst_list_remove(&readopting->node);
    if (readopting->laid_out) hst_layout_release(readopting->component);
    hst_reread_free(readopting->reread);
    if (readopting->component != NULL) hst_model_unref(readopting->component->model);
    for (size_t i = 0; i < readopting->record.segment_count; i++) {
        if (readopting->blocks != NULL && readopting->blocks[i] != NULL) hst_block_unref(readopting->blocks[i]);
        if (readopting->fds != NULL) hst_closep(&readopting->fds[i]);
    }
    free(readopting->blocks);
    free(readopting->fds);
    hst_loadedrecord_fini(&readopting->record);
    free(readopting);
}

static bool is_leased(const struct hst_readopting *readopting)
{
    size_t cursor = 0;
    for (const struct hst_holder *holder; (holder = hst_cache_next_holder(readopting->loader->config.cache, &cursor));)
        if (hst_tenancy_has(holder, readopting->keep_id)) return true;
    return false;
}

/* What a client still maps is still there: it stays charged until the lease ends. */
static void refuse(struct hst_readopting *readopting)
{
    readopting->refused = true;
    if (!readopting->gone && is_leased(readopting)) return;
    (void)hst_keep_forget_now(readopting->loader->config.cache, &readopting->keep_id);
    free_readopting(readopting);
}

void hst_readopt_settle(struct hst_loader *loader)
{
    HST_LIST_FOREACH(node, &loader->readopting)
        if (entry_of(node)->refused) refuse(entry_of(node));
}

/* ---- loaded again ---- */

static bool is_tensor(const struct hst_readopting *readopting, size_t index)
{
    const struct hst_loadedrecord_tensor *was = &readopting->record.tensors[index];
    const struct hst_component_tensor *row = &readopting->component->tensors[index];
    return was->offset == row->tensor->offset && was->size_bytes == row->tensor->size_bytes && was->stored == (uint64_t)row->tensor->dtype &&
           hst_file_id_equal(&readopting->record.files[was->file], &readopting->component->model->files[row->file].id);
}

static bool is_there(const struct hst_readopting *readopting, const struct hst_recast *recast, size_t index)
{
    const struct hst_loadedrecord_tensor *was = &readopting->record.tensors[index];
    uint64_t size = hst_recast_bytes(recast, readopting->component, index), end;
    return size == 0 || (hst_checked_add(was->at, size, &end) && was->segment < readopting->record.segment_count && end <= readopting->record.segments[was->segment].size_bytes);
}

/* In which types it is there. *ret_recast is NULL when they are those of the file. */
static int take_types(const struct hst_readopting *readopting, struct hst_recast **ret_recast)
{
    *ret_recast = NULL;
    if (readopting->record.precision[0] == '\0') return HST_OK;
    struct hst_recast *recast = hst_recast_new(readopting->component, readopting->record.precision);
    if (recast == NULL) return HST_E_NOMEM;
    for (size_t i = 0; i < recast->count; i++)
        recast->dtypes[i] = (enum hst_dtype)readopting->record.tensors[i].becomes;
    *ret_recast = recast;
    return HST_OK;
}

static bool fits(const struct hst_readopting *readopting, const struct hst_recast *recast)
{
    if (readopting->component->tensor_count == 0) return false;
    for (size_t i = 0; i < readopting->component->tensor_count; i++)
        if (!is_tensor(readopting, i) || !is_there(readopting, recast, i)) return false;
    return true;
}

/* Its blocks are those that it was found in: none is its own by name, but they go with it when nobody else has them. */
static int take_memory(struct hst_readopting *readopting, const struct hst_recast *recast, struct hst_allocation *allocation)
{
    size_t count = readopting->component->tensor_count, segments = readopting->record.segment_count;
    *allocation = (struct hst_allocation){.device = readopting->device, .tensor_count = count, .blocks = calloc(segments + 1, sizeof(struct hst_block *)),
                                          .spots = calloc(count + 1, sizeof *allocation->spots), .sizes = calloc(count + 1, sizeof *allocation->sizes)};
    if (allocation->blocks == NULL || allocation->spots == NULL || allocation->sizes == NULL) return HST_E_NOMEM;
    allocation->block_count = segments + 1;
    for (size_t i = 0; i < segments; i++)
        allocation->blocks[i + 1] = hst_steal(&readopting->blocks[i]);
    for (size_t i = 0; i < count; i++) {
        allocation->sizes[i] = hst_recast_bytes(recast, readopting->component, i);
        allocation->spots[i] = (struct hst_allocation_spot){(uint32_t)readopting->record.tensors[i].segment + 1, 0, readopting->record.tensors[i].at};
    }
    return HST_OK;
}

static uint64_t sum_sizes(const struct hst_loadedrecord *record)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < record->segment_count; i++)
        bytes += record->segments[i].size_bytes;
    return bytes;
}

static void dress(struct hst_readopting *readopting, struct hst_loaded_entry *entry)
{
    const struct hst_loadedrecord *record = &readopting->record;
    entry->keep_id = readopting->keep_id;
    entry->number = readopting->keep_id;
    entry->view.pinned = record->pinned;
    entry->view.alone = record->alone;
    entry->view.ttl_seconds = record->ttl_seconds;
    entry->view.copy_ns = record->copy_ns;
    entry->view.fill_ns = record->fill_ns;
    entry->view.since_wall_ns = record->since_wall_ns;
    entry->view.device_bytes = sum_sizes(record);
    memcpy(entry->view.precision, record->precision, sizeof entry->view.precision);
}

static int make_entry(struct hst_readopting *readopting, struct hst_recast *recast, struct hst_loaded_entry *entry)
{
    entry->view.recast = recast;
    entry->view.device = readopting->device;
    HST_TRY(take_memory(readopting, recast, &entry->allocation));
    HST_TRY(hst_loaded_show(&entry->view, &entry->allocation, NULL));
    HST_TRY(hst_loaded_reserve(readopting->loader, 1, NULL));
    dress(readopting, entry);
    return HST_OK;
}

static int attach(struct hst_readopting *readopting)
{
    struct hst_loader *loader = readopting->loader;
    HST_AUTO(hst_freep) struct hst_recast *recast = NULL;
    bool shared = !readopting->record.alone;
    if (readopting->record.tensor_count != readopting->component->tensor_count) return HST_E_FILE_CHANGED;
    HST_TRY(take_types(readopting, &recast));
    if (!fits(readopting, recast)) return HST_E_FILE_CHANGED;
    if (shared && hst_loaded_find(loader, readopting->component, readopting->device, readopting->record.precision) != NULL) return HST_E_FILE_CHANGED;
    struct hst_loaded_entry *entry = hst_loaded_new(loader, readopting->component, NULL);
    if (entry == NULL) return HST_E_NOMEM;
    int status = make_entry(readopting, hst_steal(&recast), entry);
    if (status < 0) {
        hst_allocation_fini(&entry->allocation);
        hst_loaded_free(entry);
        return status;
    }
    hst_loaded_publish(loader, entry);
    hst_tenancy_restore(loader, &entry->view, entry->number);
    hst_loaded_tell(loader, &entry->view, "loaded");
    return HST_OK;
}

static void finish(struct hst_readopting *readopting)
{
    struct hst_loader *loader = readopting->loader;
    int status = readopting->gone ? HST_E_DEVICE_LOST : readopting->status;
    if (status == HST_OK && !readopting->laid_out) {
        status = hst_layout_hold(readopting->component, readopting->reread, NULL);
        readopting->laid_out = status == HST_OK;
    }
    if (status == HST_OK) status = attach(readopting);
    if (status == HST_OK)
        free_readopting(readopting);
    else
        refuse(readopting);
    hst_tenancy_drop_unleased(loader);
    hst_job_wake(loader);
}

static void read_work(void *arg)
{
    struct hst_readopting *readopting = arg;
    readopting->status = hst_reread_run(readopting->reread, NULL);
}

static void read_done(void *arg)
{
    struct hst_readopting *readopting = arg;
    readopting->reading = false;
    finish(readopting);
}

static int start_reading(struct hst_readopting *readopting)
{
    HST_TRY(hst_reread_new(readopting->component->model, &readopting->reread, NULL));
    hst_reread_want(readopting->reread, readopting->component);
    readopting->laid_out = readopting->component->holders > 0;
    if (readopting->laid_out) hst_layout_share(readopting->component);
    HST_TRY(hst_exec_submit(readopting->loader->exec, read_work, read_done, readopting));
    readopting->reading = true;
    return HST_OK;
}

/* When both are there: the device's answer, and the model. */
static void go_on(struct hst_readopting *readopting)
{
    if (!readopting->asked || readopting->component == NULL || readopting->reading || readopting->refused) return;
    if (readopting->status < 0 || start_reading(readopting) < 0) refuse(readopting);
}

/* ---- asking devices ---- */

/* A device is asked for all of it, one after the other. */
struct asking {
    struct hst_loader *loader;
    struct hst_device_memory **memories; /* one a segment of all that wait, in their order; owned */
    size_t count;
};

static void ask_one(struct asking *asking, size_t *at, struct hst_readopting *readopting)
{
    const struct hst_device *device = readopting->device;
    for (size_t i = 0; i < readopting->record.segment_count; i++, ++*at) {
        struct hst_device_segment segment = {readopting->fds[i], readopting->record.segments[i].size_bytes};
        if (segment.fd < 0) continue;
        int status = device->ops->adopt(device->backend, &segment, 1, &asking->memories[*at], NULL);
        if (status == HST_OK) readopting->fds[i] = -1;
        if (status < 0) readopting->status = status;
    }
}

static void ask_work(void *arg)
{
    struct asking *asking = arg;
    size_t at = 0;
    HST_LIST_FOREACH(node, &asking->loader->readopting) /* nothing joins or leaves the list meanwhile */
        ask_one(asking, &at, entry_of(node));
}

/* Memory that several share was brought by the first of them. */
static bool has_all(const struct hst_readopting *readopting)
{
    for (size_t i = 0; i < readopting->record.segment_count; i++)
        if (readopting->blocks[i]->memory == NULL) return false;
    return true;
}

static void ask_done(void *arg)
{
    HST_AUTO(hst_freep) struct asking *asking = arg;
    struct hst_loader *loader = asking->loader;
    size_t at = 0;
    loader->asking = false;
    HST_LIST_FOREACH(node, &loader->readopting)
        for (size_t i = 0; i < entry_of(node)->record.segment_count; i++, at++)
            if (asking->memories[at] != NULL) entry_of(node)->blocks[i]->memory = asking->memories[at];
    free(asking->memories);
    HST_LIST_FOREACH(node, &loader->readopting) {
        struct hst_readopting *readopting = entry_of(node);
        readopting->asked = true;
        if (!has_all(readopting)) readopting->status = HST_E_DEVICE_LOST;
        if (readopting->gone)
            refuse(readopting);
        else
            go_on(readopting);
    }
    if (loader->refusing) hst_readopt_end(loader);
    hst_job_wake(loader);
}

static int ask(struct hst_loader *loader)
{
    struct asking *asking = calloc(1, sizeof *asking);
    if (asking == NULL) return HST_E_NOMEM;
    asking->loader = loader;
    HST_LIST_FOREACH(node, &loader->readopting)
        asking->count += entry_of(node)->record.segment_count;
    asking->memories = calloc(asking->count + 1, sizeof(struct hst_device_memory *));
    if (asking->memories != NULL && hst_exec_submit(loader->exec, ask_work, ask_done, asking) == HST_OK) {
        loader->asking = true;
        return HST_OK;
    }
    free(asking->memories);
    free(asking);
    return HST_E_NOMEM;
}

/* ---- taking ---- */

static struct hst_device *find_device(const struct hst_loader *loader, const char *uuid)
{
    for (size_t i = 0; i < loader->config.device_count; i++)
        if (!loader->config.devices[i]->ops->references_ram && strcmp(loader->config.devices[i]->uuid, uuid) == 0) return loader->config.devices[i];
    return NULL;
}

/* The block of a segment that another has brought, or NULL. */
static struct hst_block *find_block(const struct hst_loader *loader, const struct hst_device *device, const struct hst_loadedrecord_segment *segment)
{
    HST_LIST_FOREACH(node, &loader->readopting) {
        const struct hst_readopting *other = entry_of(node);
        for (size_t i = 0; i < other->record.segment_count; i++) {
            struct hst_block *block = other->blocks[i];
            if (block != NULL && block->device == device && block->number == segment->block && block->first == segment->index && block->size_bytes == segment->size_bytes) return block;
        }
    }
    return NULL;
}

static int take_segment(struct hst_readopting *readopting, size_t index, int *fd)
{
    struct hst_loader *loader = readopting->loader;
    const struct hst_loadedrecord_segment *segment = &readopting->record.segments[index];
    struct hst_block *block = find_block(loader, readopting->device, segment);
    loader->next_block = hst_max_u64(loader->next_block, segment->block);
    if (block != NULL) {
        block->refs++;
        readopting->blocks[index] = block;
        return HST_OK;
    }
    block = hst_block_restore(readopting->device, segment->size_bytes);
    if (block == NULL) return HST_E_NOMEM;
    block->number = segment->block;
    block->first = segment->index;
    readopting->blocks[index] = block;
    readopting->fds[index] = hst_steal_fd(fd);
    return HST_OK;
}

static int take_item(struct hst_readopting *readopting, struct hst_keep_other *item)
{
    struct hst_loadedrecord *record = &readopting->record;
    HST_TRY(hst_loadedrecord_read(item->text, item->length, record, NULL));
    readopting->device = find_device(readopting->loader, record->device_uuid);
    if (readopting->device == NULL || item->fd_count != record->segment_count) return HST_E_DEVICE_NOT_FOUND;
    readopting->blocks = calloc(record->segment_count + 1, sizeof(struct hst_block *));
    readopting->fds = malloc((record->segment_count + 1) * sizeof *readopting->fds);
    if (readopting->blocks == NULL || readopting->fds == NULL) return HST_E_NOMEM;
    memset(readopting->fds, -1, (record->segment_count + 1) * sizeof *readopting->fds);
    for (size_t i = 0; i < record->segment_count; i++)
        HST_TRY(take_segment(readopting, i, &item->fds[i]));
    return HST_OK;
}

static void take(struct hst_loader *loader, struct hst_keep_other *item)
{
    struct hst_readopting *readopting = item->kind == HST_LOADEDRECORD_KIND ? calloc(1, sizeof *readopting) : NULL;
    uint64_t id = item->id;
    if (readopting != NULL) {
        readopting->loader = loader;
        readopting->keep_id = item->id;
        hst_list_init(&readopting->node);
        if (take_item(readopting, item) == HST_OK) {
            hst_list_append(&loader->readopting, &readopting->node);
            return;
        }
        free_readopting(readopting);
    }
    hst_keep_forget(loader->config.cache, &id);
}

void hst_readopt_begin(struct hst_loader *loader)
{
    hst_keep_listen(loader->config.cache, on_fresh, loader);
    for (struct hst_keep_other *item; (item = hst_keep_take_other(loader->config.cache));) {
        take(loader, item);
        hst_keep_other_free(item);
    }
    if (hst_list_empty(&loader->readopting) || ask(loader) == HST_OK) return;
    HST_LIST_FOREACH(node, &loader->readopting)
        refuse(entry_of(node));
}

/* ---- models ---- */

void hst_readopt_model(struct hst_loader *loader, struct hst_model *model)
{
    if (hst_list_empty(&loader->readopting)) return; /* as for each of 10,000 models of a scan */
    HST_LIST_FOREACH(node, &loader->readopting) {
        struct hst_readopting *readopting = entry_of(node);
        for (size_t i = 0; readopting->component == NULL && i < model->component_count; i++)
            if (strcmp(model->components[i].id, readopting->record.component_id) == 0) readopting->component = &hst_model_ref(model)->components[i];
        go_on(readopting);
    }
    hst_job_wake(loader);
}

void hst_readopt_end(struct hst_loader *loader)
{
    loader->refusing = true;
    HST_LIST_FOREACH(node, &loader->readopting)
        if (!loader->asking && entry_of(node)->component == NULL) refuse(entry_of(node));
}

void hst_readopt_lost(struct hst_loader *loader, const struct hst_device *device)
{
    HST_LIST_FOREACH(node, &loader->readopting) {
        struct hst_readopting *readopting = entry_of(node);
        if (readopting->device != device) continue;
        readopting->gone = true;
        if (!loader->asking && !readopting->reading) refuse(readopting);
    }
    hst_job_wake(loader);
}

bool hst_readopt_touches(const struct hst_loader *loader, const struct hst_component *component)
{
    HST_LIST_FOREACH(node, &loader->readopting) {
        const struct hst_readopting *readopting = entry_of(node);
        if (!readopting->refused && strcmp(readopting->record.component_id, component->id) == 0) return true;
    }
    return false;
}

static bool is_under_way(const struct hst_loader *loader)
{
    HST_LIST_FOREACH(node, &loader->readopting)
        if (entry_of(node)->reading) return true;
    return loader->asking;
}

void hst_readopt_drain(struct hst_loader *loader)
{
    hst_keep_listen(loader->config.cache, NULL, NULL);
    while (is_under_way(loader))
        uv_run(loader->config.loop, UV_RUN_ONCE);
    HST_LIST_FOREACH(node, &loader->readopting)
        free_readopting(entry_of(node));
}
