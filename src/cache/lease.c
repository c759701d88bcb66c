/* Leases: a pipe whose write end travels to the client. The kernel closes it with the last process that has it, so a lease ends
 * however the client does. */
#include "cache/lease.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/internal.h"
#include "cache/keep.h"
#include "os/clock.h"
#include "os/pipe.h"

#include <stdio.h>
#include <string.h>

static void free_lease(struct hst_lease *lease)
{
    for (size_t i = 0; lease->claims != NULL && i < lease->claim_count; i++)
        hst_claim_unref(lease->claims[i]);
    free(lease->claims);
    free(lease->residencies);
    free(lease->view.residencies);
    free(lease->view.others);
    free(lease);
}

static void on_closed(uv_handle_t *handle)
{
    struct hst_lease *lease = handle->data;
    lease->cache->closing--;
    hst_closep(&lease->pipe_fd);
    free_lease(lease);
}

static void evict_if_stale(struct hst_cache *cache, struct hst_residency *residency)
{
    if (residency->stale && residency->leases == 0 && residency->device_refs == 0) hst_cache_evict(cache, residency, NULL, NULL);
}

static void end(struct hst_lease *lease)
{
    struct hst_cache *cache = lease->cache;
    hst_list_remove(&lease->node);
    hst_keep_forget(cache, &lease->keep_id);
    for (size_t i = 0; i < lease->view.count; i++) {
        lease->view.residencies[i]->leases--;
        lease->view.residencies[i]->idle_since_ns = hst_clock_ns();
    }
    for (size_t i = 0; i < lease->claim_count; i++)
        hst_claim_unref(hst_steal(&lease->claims[i]));
    for (size_t i = 0; i < lease->view.count; i++)
        evict_if_stale(cache, lease->view.residencies[i]);
    cache->closing++;
    uv_close((uv_handle_t *)&lease->poll, on_closed);
}

static void on_pipe(uv_poll_t *poll, int status, int events)
{
    struct hst_lease *lease = poll->data;
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

/* One with room for so many. */
static struct hst_lease *new_lease(struct hst_cache *cache, size_t count)
{
    struct hst_lease *lease = calloc(1, sizeof *lease);
    if (lease == NULL) return NULL;
    lease->cache = cache;
    lease->view.residencies = calloc(count + 1, sizeof(struct hst_residency *));
    lease->residencies = calloc(count + 1, sizeof *lease->residencies);
    lease->claims = calloc(count + 1, sizeof(struct hst_claim *));
    if (lease->view.residencies != NULL && lease->residencies != NULL && lease->claims != NULL) return lease;
    free_lease(lease);
    return NULL;
}

static struct hst_lease *make(struct hst_cache *cache, struct hst_residency *const *residencies, size_t count)
{
    struct hst_lease *lease = new_lease(cache, count);
    if (lease == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        lease->view.residencies[i] = residencies[i];
        lease->residencies[i] = hst_resident_of(residencies[i])->keep_id;
        lease->claims[i] = hst_claim_ref(hst_resident_of(residencies[i])->claim);
    }
    lease->view.count = lease->claim_count = count;
    return lease;
}

/* From here on the lease exists: watch its pipe. */
static void begin(struct hst_lease *lease)
{
    struct hst_cache *cache = lease->cache;
    hst_list_append(&cache->holders, &lease->node);
    uv_poll_init(cache->config.loop, &lease->poll, lease->pipe_fd);
    lease->poll.data = lease;
    uv_poll_start(&lease->poll, UV_READABLE | UV_DISCONNECT, on_pipe);
}

/* It is made: give it to its holder. On failure it is gone. */
static int hand_out(struct hst_lease *lease, const struct hst_holder *holder, uint64_t *ret_lease_id, int *ret_pipe_fd, struct hst_error *err)
{
    struct hst_cache *cache = lease->cache;
    int status = hst_pipe_new(&lease->pipe_fd, ret_pipe_fd, err);
    if (status < 0) {
        free_lease(lease);
        return status;
    }
    lease->view.pid = holder->pid;
    memcpy(lease->view.domain, holder->domain, sizeof lease->view.domain);
    memcpy(lease->view.device_id, holder->device_id, sizeof lease->view.device_id);
    lease->view.lease_id = ++cache->next_lease_id;
    lease->view.since_wall_ns = hst_clock_wall_ns();
    begin(lease);
    hst_keep_lease(lease);
    *ret_lease_id = lease->view.lease_id;
    return HST_OK;
}

int hst_cache_lease(struct hst_cache *cache, struct hst_residency *const *residencies, size_t count, int32_t pid, const char *domain,
                    const char *device_id, uint64_t *ret_lease_id, int *ret_pipe_fd, struct hst_error *err)
{
    struct hst_holder holder = {.pid = pid};
    HST_TRY(check_leasable(residencies, count, err));
    struct hst_lease *lease = make(cache, residencies, count);
    if (lease == NULL) return hst_error_nomem(err);
    snprintf(holder.domain, sizeof holder.domain, "%s", domain);
    snprintf(holder.device_id, sizeof holder.device_id, "%s", device_id);
    HST_TRY(hand_out(lease, &holder, ret_lease_id, ret_pipe_fd, err));
    for (size_t i = 0; i < count; i++)
        residencies[i]->leases++;
    return HST_OK;
}

static int take_others(struct hst_lease *lease, const uint64_t *others, size_t count)
{
    lease->view.others = calloc(count + 1, sizeof *others);
    if (lease->view.others == NULL) return HST_E_NOMEM;
    memcpy(lease->view.others, others, count * sizeof *others);
    lease->view.other_count = count;
    return HST_OK;
}

int hst_cache_lease_others(struct hst_cache *cache, const uint64_t *others, size_t count, const struct hst_holder *holder, uint64_t *ret_lease_id, int *ret_pipe_fd,
                           struct hst_error *err)
{
    struct hst_lease *lease = new_lease(cache, 0);
    if (lease == NULL) return hst_error_nomem(err);
    if (take_others(lease, others, count) < 0) {
        free_lease(lease);
        return hst_error_nomem(err);
    }
    return hand_out(lease, holder, ret_lease_id, ret_pipe_fd, err);
}

static void take_view(struct hst_lease *lease, const struct hst_holder *view)
{
    const struct hst_holder mine = lease->view;
    lease->view = *view;
    lease->view.residencies = mine.residencies;
    lease->view.count = 0;
    lease->view.others = mine.others;
    lease->view.other_count = mine.other_count;
}

int hst_lease_restore(struct hst_cache *cache, const struct hst_record_lease *record, struct hst_claim *const *claims, int *pipe_fd, uint64_t keep_id,
                      struct hst_error *err)
{
    struct hst_lease *lease = new_lease(cache, record->count);
    if (lease == NULL) return hst_error_nomem(err);
    if (take_others(lease, record->view.others, record->view.other_count) < 0) {
        free_lease(lease);
        return hst_error_nomem(err);
    }
    take_view(lease, &record->view);
    lease->keep_id = keep_id;
    lease->pipe_fd = hst_steal_fd(pipe_fd);
    for (size_t i = 0; i < record->count; i++) {
        if (claims[i] == NULL) continue; /* it could not be read */
        lease->residencies[lease->claim_count] = record->shares[i].residency;
        lease->claims[lease->claim_count++] = hst_claim_ref(claims[i]);
    }
    cache->next_lease_id = hst_max_u64(cache->next_lease_id, lease->view.lease_id);
    begin(lease);
    return HST_OK;
}

static void attach(struct hst_lease *lease, struct hst_resident *resident)
{
    size_t i = 0;
    while (i < lease->claim_count && lease->residencies[i] != resident->keep_id)
        i++;
    if (i == lease->claim_count || lease->view.count == lease->claim_count) return;
    lease->view.residencies[lease->view.count++] = &resident->view;
    resident->view.leases++;
}

void hst_lease_attach(struct hst_cache *cache, struct hst_resident *resident)
{
    HST_LIST_FOREACH(node, &cache->holders)
        attach(hst_container_of(node, struct hst_lease, node), resident);
}

const struct hst_holder *hst_cache_next_holder(const struct hst_cache *cache, size_t *cursor)
{
    size_t at = 0;
    HST_LIST_FOREACH(node, &cache->holders)
        if (at++ == *cursor) {
            ++*cursor;
            return &hst_container_of(node, struct hst_lease, node)->view;
        }
    return NULL;
}

void hst_lease_end_all(struct hst_cache *cache)
{
    HST_LIST_FOREACH(node, &cache->holders)
        end(hst_container_of(node, struct hst_lease, node));
}
