/* Making better use of memory, one model after the other: hashes are read, equal tensors shared, and at the end memory with holes made whole. */
#include "base/cleanup.h"
#include "catalog/tensor_hashes.h"
#include "load/internal.h"
#include "load/limits.h"

/* A run under way. */
struct hst_rearranging {
    struct hst_loader *loader;
    struct hst_model **models;      /* whose components are looked at; owned, each referenced */
    size_t model_count;
    size_t model;                   /* the one that is being looked at */
    size_t component;               /* and its component */
    size_t variant;                 /* and which of its residencies: as stored, in other types */
    const struct hst_model *hashes_of; /* whose hashes were asked for */
    bool compacts;                  /* at the end */
    const struct hst_device *device; /* but this one, and RAM not at all; NULL = all of them, after RAM */
    size_t loaded;                  /* what is on devices: the one that is looked at */
    struct hst_tensor_hashes *hashes;
    struct hst_rearranged sum;
    hst_rearranged_fn done;         /* or NULL */
    void *context;
};

static void go_on(struct hst_rearranging *run);

static void end(struct hst_rearranging *run)
{
    struct hst_rearranging ended = *run;
    run->loader->rearranging = NULL;
    for (size_t i = 0; i < run->model_count; i++)
        hst_model_unref(run->models[i]);
    free(run->models);
    free(run);
    if (ended.done != NULL) ended.done(ended.context, &ended.sum);
}

static void add(struct hst_rearranging *run, const struct hst_rearranged *what)
{
    run->sum.moved_bytes += what->moved_bytes;
    run->sum.shared_bytes += what->shared_bytes;
    run->sum.freed_bytes += what->freed_bytes;
    run->sum.components += what->components;
}

static void on_shared(void *context, const struct hst_rearranged *what)
{
    add(context, what);
    go_on(context);
}

static void on_compacted(void *context, const struct hst_rearranged *what)
{
    struct hst_rearranging *run = context;
    add(run, what);
    run->compacts = what->components > 0; /* else there was no memory for it, or nobody to move: not again and again */
    go_on(run);
}

static void hashes_work(void *arg)
{
    hst_tensor_hashes_read(((struct hst_rearranging *)arg)->hashes);
}

static void hashes_done(void *arg)
{
    struct hst_rearranging *run = arg;
    hst_tensor_hashes_note(run->hashes);
    hst_tensor_hashes_free(hst_steal(&run->hashes));
    go_on(run);
}

/* @return has it begun? Then go_on is called when it is done. */
static bool read_hashes(struct hst_rearranging *run)
{
    struct hst_loader *loader = run->loader;
    if (hst_tensor_hashes_new(loader->config.catalog, run->models[run->model], &run->hashes, NULL) < 0) return false;
    if (hst_exec_submit(loader->exec, hashes_work, hashes_done, run) == HST_OK) return true;
    hst_tensor_hashes_free(hst_steal(&run->hashes));
    return false;
}

/* The residency of this number that the component has in some precision, or NULL. */
static struct hst_residency *find_variant(const struct hst_cache *cache, const struct hst_component *component, size_t variant)
{
    size_t cursor = 0, seen = 0;
    for (struct hst_residency *held; (held = hst_cache_next(cache, &cursor));)
        if (held->component == component && seen++ == variant) return held;
    return NULL;
}

/* Share the next residency of the component. @return has it begun? */
static bool share(struct hst_rearranging *run, const struct hst_component *component)
{
    struct hst_loader *loader = run->loader;
    struct hst_residency *held = find_variant(loader->config.cache, component, run->variant++);
    if (held == NULL) {
        run->component++;
        run->variant = 0;
        return false;
    }
    bool touched = hst_job_touches(loader, component);
    if (touched) hst_rearrange_share_soon(loader);
    return !touched && hst_cache_share(loader->config.cache, held, on_shared, run, NULL) == HST_OK;
}

/* The next thing to do. @return has something begun? */
static bool next(struct hst_rearranging *run)
{
    struct hst_model *model = run->models[run->model];
    if (run->component == 0 && run->hashes_of != model) {
        run->hashes_of = model;
        return read_hashes(run);
    }
    if (run->component < model->component_count) return share(run, &model->components[run->component]);
    run->component = 0;
    run->model++;
    return false;
}

static void on_rehoused(void *context, const struct hst_rearranged *what)
{
    struct hst_rearranging *run = context;
    add(run, what);
    go_on(run);
}

/* The next component on a device that is better off elsewhere. @return has it begun? */
static bool rehouse_next(struct hst_rearranging *run)
{
    struct hst_loader *loader = run->loader;
    while (run->loaded < loader->loaded_count && !loader->draining) {
        struct hst_loaded_entry *entry = loader->loaded[run->loaded++];
        if (run->device != NULL && entry->view.device != run->device) continue;
        if (hst_rehouse(loader, entry, on_rehoused, run)) return true;
    }
    return false;
}

/* What was given back is not in use any more. */
static void on_drained(void *context)
{
    end(context);
}

/* @return has something begun in RAM? */
static bool rearrange_ram(struct hst_rearranging *run)
{
    while (run->model < run->model_count && !run->loader->draining)
        if (next(run)) return true;
    bool compacts = run->compacts && !run->loader->draining;
    return compacts && hst_cache_compact(run->loader->config.cache, on_compacted, run, NULL) == HST_OK;
}

static void go_on(struct hst_rearranging *run)
{
    if (rearrange_ram(run) || rehouse_next(run)) return;
    struct hst_cache *cache = run->loader->config.cache;
    if (hst_cache_draining(cache) > 0 && hst_cache_settle(cache, on_drained, run, NULL) == HST_OK) return;
    end(run);
}

/* The models of what is in RAM, each once; `only` = but this one. */
static int list_models(struct hst_rearranging *run, const struct hst_model *only, struct hst_error *err)
{
    struct hst_cache *cache = run->loader->config.cache;
    size_t cursor = 0;
    run->models = calloc(hst_cache_count(cache) + 1, sizeof(struct hst_model *));
    if (run->models == NULL) return hst_error_nomem(err);
    for (struct hst_residency *held; (held = hst_cache_next(cache, &cursor));) {
        struct hst_model *model = held->component->model;
        bool listed = run->model_count > 0 && run->models[run->model_count - 1] == model;
        if (!listed && (only == NULL || only == model)) run->models[run->model_count++] = hst_model_ref(model);
    }
    return HST_OK;
}

static int begin(struct hst_loader *loader, const struct hst_rearranging *wish, const struct hst_model *only, struct hst_error *err)
{
    if (loader->rearranging != NULL) return hst_error_set(err, HST_E_BUSY, "memory is being rearranged already");
    struct hst_rearranging *run = calloc(1, sizeof *run);
    if (run == NULL) return hst_error_nomem(err);
    *run = *wish;
    run->loader = loader;
    int status = run->device == NULL ? list_models(run, only, err) : HST_OK;
    if (status < 0) {
        free(run);
        return status;
    }
    loader->rearranging = run;
    go_on(run);
    return HST_OK;
}

int hst_loader_rearrange(struct hst_loader *loader, hst_rearranged_fn done, void *context, struct hst_error *err)
{
    return begin(loader, &(struct hst_rearranging){.compacts = true, .done = done, .context = context}, NULL, err);
}

int hst_loader_rearrange_device(struct hst_loader *loader, const struct hst_device *device, hst_rearranged_fn done, void *context, struct hst_error *err)
{
    return begin(loader, &(struct hst_rearranging){.device = device, .done = done, .context = context}, NULL, err);
}

struct hst_fragmentation hst_loader_fragmentation(const struct hst_loader *loader, const struct hst_device *device)
{
    struct hst_fragmentation found = {.region_bytes = device->reserved_bytes};
    size_t count;
    HST_AUTO(hst_freep) const struct hst_allocation **all = hst_loaded_allocations(loader, device, false, &count);
    found.live_bytes = hst_allocation_live(all, count, &found.regions);
    return found;
}

void hst_loader_share(struct hst_loader *loader, const struct hst_model *model)
{
    if (begin(loader, &(struct hst_rearranging){0}, model, NULL) < 0) hst_rearrange_share_soon(loader);
}

/* Now and then, when nothing else is to do. */
static void on_time(uv_timer_t *timer)
{
    struct hst_loader *loader = timer->data;
    bool is_thin = hst_cache_is_thin(loader->config.cache), due = loader->share_due;
    if (!due && !is_thin) return;
    bool begun = loader->active == 0 && begin(loader, &(struct hst_rearranging){.compacts = is_thin}, NULL, NULL) == HST_OK;
    loader->share_due = due && !begun;
    if (loader->share_due) hst_rearrange_share_soon(loader);
}

void hst_rearrange_share_soon(struct hst_loader *loader)
{
    loader->share_due = true;
    if (!loader->draining) uv_timer_start(&loader->rearrange_timer, on_time, HST_SHARE_MS, HST_REARRANGE_MS);
}

void hst_rearrange_watch(struct hst_loader *loader)
{
    uv_timer_init(loader->config.loop, &loader->rearrange_timer);
    loader->rearrange_timer.data = loader;
    uv_timer_start(&loader->rearrange_timer, on_time, HST_REARRANGE_MS, HST_REARRANGE_MS);
    uv_unref((uv_handle_t *)&loader->rearrange_timer);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_loader *)handle->data)->watching = false;
}

void hst_rearrange_stop(struct hst_loader *loader)
{
    loader->watching = true;
    uv_close((uv_handle_t *)&loader->rearrange_timer, on_closed);
    while (loader->rearranging != NULL || loader->watching)
        uv_run(loader->config.loop, UV_RUN_ONCE);
}
