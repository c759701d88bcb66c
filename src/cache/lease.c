/* Leases: a pipe whose write end travels to the client. The kernel closes it with the last process that has it, so a lease ends
 * however the client does. */
#include "base/cleanup.h"
#include "cache/internal.h"
#include "os/clock.h"
#include "os/pipe.h"

#include <stdio.h>
#include <string.h>

struct lease {
    struct hst_holder view;
    struct hst_list node;
    struct hst_cache *cache;
    int pipe_fd;
    uv_poll_t poll;
    struct hst_claim **claims; /* what the client maps; owned, each referenced */
};

static void free_lease(struct lease *lease)
{
    for (size_t i = 0; lease->claims != NULL && i < lease->view.count; i++)
        hst_claim_unref(lease->claims[i]);
    free(lease->claims);
    free(lease->view.residencies);
    free(lease);
}

static void on_closed(uv_handle_t *handle)
{
    struct lease *lease = handle->data;
    lease->cache->closing--;
    hst_closep(&lease->pipe_fd);
    free_lease(lease);
}

static void evict_if_stale(struct hst_cache *cache, struct hst_residency *residency)
{
    if (residency->stale && residency->leases == 0 && residency->device_refs == 0) hst_cache_evict(cache, residency, NULL, NULL);
}

static void end(struct lease *lease)
{
    struct hst_cache *cache = lease->cache;
    hst_list_remove(&lease->node);
    for (size_t i = 0; i < lease->view.count; i++) {
        lease->view.residencies[i]->leases--;
        hst_claim_unref(hst_steal(&lease->claims[i]));
    }
    for (size_t i = 0; i < lease->view.count; i++)
        evict_if_stale(cache, lease->view.residencies[i]);
    cache->closing++;
    uv_close((uv_handle_t *)&lease->poll, on_closed);
}

static void on_pipe(uv_poll_t *poll, int status, int events)
{
    struct lease *lease = poll->data;
    (void)events;
    if (status >= 0 && !hst_pipe_ended(lease->pipe_fd)) return;
    struct hst_cache_listener listener = lease->cache->config.listener;
    uint64_t id = lease->view.lease_id;
    end(lease);
    if (listener.lease_ended != NULL) listener.lease_ended(listener.context, id);
}

static int check_leasable(struct hst_residency *const *residencies, size_t count, struct hst_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (residencies[i]->state != HST_RESIDENCY_CACHED || residencies[i]->stale)
            return hst_error_set(err, HST_E_FILE_CHANGED, "%s is not held any more", residencies[i]->component->id);
    return HST_OK;
}

static struct lease *make(struct hst_cache *cache, struct hst_residency *const *residencies, size_t count)
{
    struct lease *lease = calloc(1, sizeof *lease);
    if (lease == NULL) return NULL;
    lease->cache = cache;
    lease->view.residencies = calloc(count + 1, sizeof *residencies);
    lease->claims = calloc(count + 1, sizeof(struct hst_claim *));
    if (lease->view.residencies == NULL || lease->claims == NULL) {
        free_lease(lease);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        lease->view.residencies[i] = residencies[i];
        lease->claims[i] = hst_claim_ref(hst_resident_of(residencies[i])->claim);
    }
    lease->view.count = count;
    return lease;
}

/* From here on the lease exists: watch its pipe and count it. */
static void begin(struct lease *lease)
{
    struct hst_cache *cache = lease->cache;
    lease->view.lease_id = ++cache->next_lease_id;
    lease->view.since_wall_ns = hst_clock_wall_ns();
    for (size_t i = 0; i < lease->view.count; i++)
        lease->view.residencies[i]->leases++;
    hst_list_append(&cache->holders, &lease->node);
    uv_poll_init(cache->config.loop, &lease->poll, lease->pipe_fd);
    lease->poll.data = lease;
    uv_poll_start(&lease->poll, UV_READABLE | UV_DISCONNECT, on_pipe);
}

int hst_cache_lease(struct hst_cache *cache, struct hst_residency *const *residencies, size_t count, int32_t pid, const char *domain,
                    const char *device_id, uint64_t *ret_lease_id, int *ret_pipe_fd, struct hst_error *err)
{
    HST_TRY(check_leasable(residencies, count, err));
    struct lease *lease = make(cache, residencies, count);
    if (lease == NULL) return hst_error_nomem(err);
    int status = hst_pipe_new(&lease->pipe_fd, ret_pipe_fd, err);
    if (status < 0) {
        free_lease(lease);
        return status;
    }
    lease->view.pid = pid;
    snprintf(lease->view.domain, sizeof lease->view.domain, "%s", domain);
    snprintf(lease->view.device_id, sizeof lease->view.device_id, "%s", device_id);
    begin(lease);
    *ret_lease_id = lease->view.lease_id;
    return HST_OK;
}

const struct hst_holder *hst_cache_next_holder(const struct hst_cache *cache, size_t *cursor)
{
    size_t at = 0;
    HST_LIST_FOREACH(node, &cache->holders)
        if (at++ == *cursor) {
            ++*cursor;
            return &hst_container_of(node, struct lease, node)->view;
        }
    return NULL;
}

void hst_lease_end_all(struct hst_cache *cache)
{
    HST_LIST_FOREACH(node, &cache->holders)
        end(hst_container_of(node, struct lease, node));
}
