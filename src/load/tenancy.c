/* Leases of what is on devices with memory of their own. The tier watches the pipe; here is which components the lease has. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "os/clock.h"

#include <string.h>

/* A lease. */
struct tenancy {
    struct hst_list node; /* in loader->tenancies */
    uint64_t lease_id;
    struct hst_loaded **loaded; /* owned array */
    size_t count;
};

static struct tenancy *entry_of(struct hst_list *node)
{
    return hst_container_of(node, struct tenancy, node);
}

static struct tenancy *find(const struct hst_loader *loader, uint64_t lease_id)
{
    HST_LIST_FOREACH(node, &loader->tenancies)
        if (entry_of(node)->lease_id == lease_id) return entry_of(node);
    return NULL;
}

static void free_tenancy(struct tenancy *tenancy)
{
    if (tenancy == NULL) return;
    hst_list_remove(&tenancy->node);
    free(tenancy->loaded);
    free(tenancy);
}

static struct tenancy *make(struct hst_loaded *const *loaded, size_t count)
{
    struct tenancy *tenancy = calloc(1, sizeof *tenancy);
    if (tenancy == NULL) return NULL;
    hst_list_init(&tenancy->node);
    tenancy->count = count;
    tenancy->loaded = calloc(count + 1, sizeof(struct hst_loaded *));
    if (tenancy->loaded == NULL) {
        free_tenancy(tenancy);
        return NULL;
    }
    if (count > 0) memcpy(tenancy->loaded, loaded, count * sizeof(struct hst_loaded *));
    return tenancy;
}

int hst_loader_lease(struct hst_loader *loader, struct hst_loaded *const *loaded, size_t count, const struct hst_holder *holder, uint64_t *ret_lease_id, int *ret_pipe_fd,
                     struct hst_error *err)
{
    HST_AUTO(hst_freep) uint64_t *numbers = calloc(count + 1, sizeof *numbers);
    struct tenancy *tenancy = numbers != NULL ? make(loaded, count) : NULL;
    if (tenancy == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        numbers[i] = ((const struct hst_loaded_entry *)loaded[i])->number;
    int status = hst_cache_lease_others(loader->config.cache, numbers, count, holder, ret_lease_id, ret_pipe_fd, err);
    if (status < 0) {
        free_tenancy(tenancy);
        return status;
    }
    tenancy->lease_id = *ret_lease_id;
    hst_list_append(&loader->tenancies, &tenancy->node);
    for (size_t i = 0; i < count; i++)
        loaded[i]->leases++;
    return HST_OK;
}

bool hst_tenancy_has(const struct hst_holder *holder, uint64_t number)
{
    for (size_t i = 0; i < holder->other_count; i++)
        if (holder->others[i] == number) return true;
    return false;
}

/* One that grows by what comes back. */
static void extend(struct hst_loader *loader, uint64_t lease_id, struct hst_loaded *loaded)
{
    struct tenancy *tenancy = find(loader, lease_id);
    if (tenancy == NULL && (tenancy = make(NULL, 0)) != NULL) {
        tenancy->lease_id = lease_id;
        hst_list_append(&loader->tenancies, &tenancy->node);
    }
    struct hst_loaded **grown = tenancy != NULL ? reallocarray(tenancy->loaded, tenancy->count + 1, sizeof(struct hst_loaded *)) : NULL;
    if (grown == NULL) return; /* it may be evicted while it is leased: the client's mapping stays all the same */
    tenancy->loaded = grown;
    tenancy->loaded[tenancy->count++] = loaded;
    loaded->leases++;
}

void hst_tenancy_restore(struct hst_loader *loader, struct hst_loaded *loaded, uint64_t number)
{
    size_t cursor = 0;
    for (const struct hst_holder *holder; (holder = hst_cache_next_holder(loader->config.cache, &cursor));)
        if (hst_tenancy_has(holder, number)) extend(loader, holder->lease_id, loaded);
}

void hst_loader_lease_ended(struct hst_loader *loader, uint64_t lease_id)
{
    struct tenancy *tenancy = find(loader, lease_id);
    for (size_t i = 0; tenancy != NULL && i < tenancy->count; i++) {
        struct hst_loaded *loaded = tenancy->loaded[i];
        if (loaded == NULL) continue; /* its device has lost it */
        loaded->idle_since_ns = hst_clock_ns();
        if (--loaded->leases == 0 && loaded->alone) hst_loaded_drop(loader, (struct hst_loaded_entry *)loaded); /* it goes with its lease */
    }
    free_tenancy(tenancy);
    hst_readopt_settle(loader);
}

const struct hst_loaded *hst_loader_next_leased(const struct hst_loader *loader, uint64_t lease_id, size_t *cursor)
{
    const struct tenancy *tenancy = find(loader, lease_id);
    while (tenancy != NULL && *cursor < tenancy->count) {
        const struct hst_loaded *loaded = tenancy->loaded[(*cursor)++];
        if (loaded != NULL) return loaded;
    }
    return NULL;
}

void hst_tenancy_forget(struct hst_loader *loader, const struct hst_loaded *loaded)
{
    HST_LIST_FOREACH(node, &loader->tenancies)
        for (size_t i = 0; i < entry_of(node)->count; i++)
            if (entry_of(node)->loaded[i] == loaded) entry_of(node)->loaded[i] = NULL;
}

void hst_tenancy_drop_unleased(struct hst_loader *loader)
{
    for (size_t i = loader->loaded_count; i > 0; i--) {
        struct hst_loaded_entry *entry = loader->loaded[i - 1];
        if (entry->view.alone && entry->view.leases == 0) hst_loaded_drop(loader, entry);
    }
}

void hst_tenancy_fini(struct hst_loader *loader)
{
    HST_LIST_FOREACH(node, &loader->tenancies)
        free_tenancy(entry_of(node));
}
