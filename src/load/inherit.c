/* What the hoistd before had in RAM, by its name alone, meets the model that the catalog finds: its files are read again as far as their headers, which
 * says that they are the same and where its tensors are; nothing of the weights is read. Loads of it wait so long. */
#include "cache/inherit.h"

#include "base/cleanup.h"
#include "catalog/tensor_hashes.h"
#include "load/internal.h"
#include "model/layout.h"

#include <string.h>

/* A residency on its way back. */
struct hst_inheriting {
    struct hst_list node; /* in loader->inheriting */
    struct hst_loader *loader;
    struct hst_inherited *inherited;
    struct hst_component *component; /* its model is referenced by reread */
    struct hst_reread *reread;
    struct hst_tensor_hashes *hashes;
    bool laid_out;        /* the component is held for this */
    int status;
};

static struct hst_inheriting *entry_of(struct hst_list *node)
{
    return hst_container_of(node, struct hst_inheriting, node);
}

static void end(struct hst_inheriting *inheriting)
{
    hst_list_remove(&inheriting->node);
    if (inheriting->laid_out) hst_layout_release(inheriting->component);
    hst_tensor_hashes_free(inheriting->hashes);
    hst_reread_free(inheriting->reread);
    free(inheriting);
}

static void work(void *arg)
{
    struct hst_inheriting *inheriting = arg;
    inheriting->status = hst_reread_run(inheriting->reread, NULL);
    if (inheriting->status == HST_OK) hst_tensor_hashes_read(inheriting->hashes);
}

static void hold(struct hst_inheriting *inheriting)
{
    if (inheriting->laid_out || inheriting->status < 0) return;
    inheriting->status = hst_layout_hold(inheriting->component, inheriting->reread, NULL);
    inheriting->laid_out = inheriting->status == HST_OK;
}

static void attach(struct hst_inheriting *inheriting)
{
    hold(inheriting);
    if (inheriting->status < 0) {
        hst_cache_refuse(inheriting->inherited);
        return;
    }
    hst_tensor_hashes_note(inheriting->hashes);
    (void)hst_cache_attach(inheriting->loader->config.cache, inheriting->inherited, inheriting->component, NULL); /* one that does not fit is loaded when somebody asks for it */
}

static void done(void *arg)
{
    struct hst_inheriting *inheriting = arg;
    struct hst_loader *loader = inheriting->loader;
    attach(inheriting);
    end(inheriting);
    hst_job_wake(loader);
}

static int ask(struct hst_inheriting *inheriting)
{
    struct hst_model *model = inheriting->component->model;
    HST_TRY(hst_reread_new(model, &inheriting->reread, NULL));
    HST_TRY(hst_tensor_hashes_new(inheriting->loader->config.catalog, model, &inheriting->hashes, NULL));
    hst_reread_want(inheriting->reread, inheriting->component);
    inheriting->laid_out = inheriting->component->holders > 0;
    if (inheriting->laid_out) hst_layout_share(inheriting->component);
    return hst_exec_submit(inheriting->loader->exec, work, done, inheriting);
}

static void begin(struct hst_loader *loader, struct hst_inherited *inherited, struct hst_component *component)
{
    struct hst_inheriting *inheriting = calloc(1, sizeof *inheriting);
    if (inheriting == NULL) {
        hst_cache_refuse(inherited);
        return;
    }
    *inheriting = (struct hst_inheriting){.loader = loader, .inherited = inherited, .component = component};
    hst_list_append(&loader->inheriting, &inheriting->node);
    if (ask(inheriting) == HST_OK) return;
    hst_cache_refuse(inherited);
    end(inheriting);
}

static bool is_under_way(const struct hst_loader *loader, const struct hst_inherited *inherited)
{
    HST_LIST_FOREACH(node, &loader->inheriting)
        if (entry_of(node)->inherited == inherited) return true;
    return false;
}

/* The next one after `previous` that nobody works on. */
static struct hst_inherited *next_idle(const struct hst_loader *loader, const struct hst_inherited *previous)
{
    struct hst_inherited *inherited = hst_cache_next_inherited(loader->config.cache, previous);
    while (inherited != NULL && is_under_way(loader, inherited))
        inherited = hst_cache_next_inherited(loader->config.cache, inherited);
    return inherited;
}

static struct hst_component *find_component(const struct hst_model *model, const char *id)
{
    for (size_t i = 0; i < model->component_count; i++)
        if (strcmp(model->components[i].id, id) == 0) return &model->components[i];
    return NULL;
}

void hst_loader_inherit(struct hst_loader *loader, struct hst_model *model)
{
    struct hst_inherited *next;
    if (model->state != HST_MODEL_OK) return;
    hst_readopt_model(loader, model);
    for (struct hst_inherited *inherited = next_idle(loader, NULL); inherited != NULL; inherited = next) {
        struct hst_component *component = find_component(model, hst_inherited_component(inherited));
        next = next_idle(loader, inherited);
        if (component != NULL) begin(loader, inherited, component);
    }
}

void hst_loader_inherit_end(struct hst_loader *loader)
{
    for (struct hst_inherited *inherited; (inherited = next_idle(loader, NULL));)
        hst_cache_refuse(inherited);
    hst_readopt_end(loader);
}

bool hst_inherit_touches(const struct hst_loader *loader, const struct hst_component *component)
{
    HST_LIST_FOREACH(node, &loader->inheriting)
        if (strcmp(entry_of(node)->component->id, component->id) == 0) return true;
    return hst_readopt_touches(loader, component);
}

void hst_inherit_drain(struct hst_loader *loader)
{
    while (!hst_list_empty(&loader->inheriting))
        uv_run(loader->config.loop, UV_RUN_ONCE);
}
