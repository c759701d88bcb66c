/* Requests. One at a time: a thread takes the turn, sends a packet, and waits for the answer. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "keeper/internal.h"
#include "os/clock.h"
#include "os/memfd.h"

#include <string.h>

/* ---- turns ---- */

static int unreachable(struct hst_error *err)
{
    return hst_error_set(err, HST_E_UNREACHABLE, "there is no hoist-keeper");
}

/* Who comes while it is taken is handed it before whoever has it can take it again: a thread that locks gigabytes piece by piece lets the loop in
 * after each. @return is it ours? */
static bool wait_for_turn(struct hst_keeper *keeper, unsigned timeout_ms)
{
    uint64_t deadline = hst_clock_ns() + timeout_ms * UINT64_C(1000000);
    if (!keeper->taken) return keeper->taken = true;
    keeper->waiting++;
    for (uint64_t now; !keeper->handed && (now = hst_clock_ns()) < deadline;)
        uv_cond_timedwait(&keeper->turn_free, &keeper->lock, deadline - now);
    keeper->waiting--;
    bool ours = keeper->handed;
    keeper->handed = false;
    return ours;
}

static void pass_on(struct hst_keeper *keeper)
{
    keeper->handed = keeper->waiting > 0;
    keeper->taken = keeper->handed;
    uv_cond_broadcast(&keeper->turn_free);
}

static bool is_usable(const struct hst_keeper *keeper)
{
    return keeper->connected && !keeper->left;
}

int hst_keeper_begin_turn(struct hst_keeper *keeper, unsigned timeout_ms, struct hst_error *err)
{
    if (keeper == NULL) return unreachable(err);
    uv_mutex_lock(&keeper->lock);
    bool ours = is_usable(keeper) && wait_for_turn(keeper, timeout_ms), usable = is_usable(keeper);
    if (ours && !usable) pass_on(keeper);
    uv_mutex_unlock(&keeper->lock);
    if (!usable) return unreachable(err);
    return ours ? HST_OK : hst_error_set(err, HST_E_UNREACHABLE, "hoist-keeper is busy");
}

void hst_keeper_end_turn(struct hst_keeper *keeper)
{
    uv_mutex_lock(&keeper->lock);
    pass_on(keeper);
    uv_mutex_unlock(&keeper->lock);
}

/* ---- with the turn ---- */

/* However a connection fails, nothing was kept. */
static int silent(struct hst_error *err)
{
    return hst_error_set(err, HST_E_UNREACHABLE, "hoist-keeper does not answer");
}

/* @return HST_OK for the next packet that answers the latest request, HST_E_* when there is none in time */
static int receive(struct hst_keeper *keeper, struct hst_keeper_packet *packet, int timeout_ms)
{
    for (;;) {
        HST_TRY(hst_keeper_receive(keeper->dialled.fd, packet, timeout_ms, NULL));
        bool is_answer = packet->frame.verb != HST_KEEPER_ITEM && packet->frame.verb != HST_KEEPER_RANGES;
        if (is_answer) keeper->unanswered--;
        if (packet->frame.sequence == keeper->sequence) return HST_OK;
        hst_seqpacket_fds_close(&packet->files); /* one that was given up is answered at last */
    }
}

/* As long as it owes answers nothing more is asked, so that who asks does not wait for one that is stuck each time anew. */
static int catch_up(struct hst_keeper *keeper)
{
    HST_AUTO(hst_freep) struct hst_keeper_packet *packet = keeper->unanswered > 0 ? malloc(sizeof *packet) : NULL;
    while (keeper->unanswered > 0 && packet != NULL) {
        HST_TRY(receive(keeper, packet, 0));
        hst_seqpacket_fds_close(&packet->files);
    }
    return keeper->unanswered == 0 ? HST_OK : HST_E_NOMEM;
}

int hst_keeper_request(struct hst_keeper *keeper, struct hst_keeper_frame *frame, const struct hst_seqpacket_parts *rest, struct hst_error *err)
{
    if (catch_up(keeper) < 0) return silent(err);
    frame->sequence = ++keeper->sequence;
    if (hst_keeper_send(keeper->dialled.fd, frame, rest, HST_KEEPER_ANSWER_MS, NULL) < 0) return silent(err);
    keeper->unanswered++;
    return HST_OK;
}

int hst_keeper_reply(struct hst_keeper *keeper, struct hst_keeper_packet *packet, unsigned timeout_ms, struct hst_error *err)
{
    if (receive(keeper, packet, (int)timeout_ms) < 0) return silent(err);
    int status = packet->frame.status;
    if (status == HST_OK) return HST_OK;
    hst_seqpacket_fds_close(&packet->files);
    return hst_error_set(err, status, "hoist-keeper refuses: %s", hst_status_info(status)->text);
}

static int exchange(struct hst_keeper *keeper, struct hst_keeper_frame *frame, const struct hst_seqpacket_parts *rest, unsigned timeout_ms,
                    struct hst_keeper_packet *packet, struct hst_error *err)
{
    HST_TRY(hst_keeper_request(keeper, frame, rest, err));
    HST_TRY(hst_keeper_reply(keeper, packet, timeout_ms, err));
    hst_seqpacket_fds_close(&packet->files);
    *frame = packet->frame;
    return HST_OK;
}

/* Ask, and overwrite the frame with the answer's. */
static int ask(struct hst_keeper *keeper, struct hst_keeper_frame *frame, const struct hst_seqpacket_parts *rest, unsigned timeout_ms, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_keeper_packet *packet = malloc(sizeof *packet);
    if (packet == NULL) return hst_error_nomem(err);
    HST_TRY(hst_keeper_begin_turn(keeper, timeout_ms, err));
    int status = exchange(keeper, frame, rest, timeout_ms, packet, err);
    hst_keeper_end_turn(keeper);
    return status;
}

/* ---- requests ---- */

uint64_t hst_keeper_new_id(struct hst_keeper *keeper)
{
    return keeper != NULL ? ++keeper->last_id : 0;
}

/* A blob too long for a packet goes into a file behind the others. */
static int attach_blob(struct hst_keeper_frame *frame, struct hst_seqpacket_parts *rest, int fds[], int *ret_blob_fd, struct hst_error *err)
{
    if (rest->body_length > HST_KEEPER_BLOB_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: a blob of %zu bytes", rest->body_length);
    if (rest->body_length <= HST_KEEPER_BLOB_INLINE) return HST_OK;
    HST_TRY(*ret_blob_fd = hst_memfd_from_bytes("hoist-kept", rest->body, rest->body_length, err));
    fds[rest->fd_count++] = *ret_blob_fd;
    rest->body_length = 0;
    frame->flags = HST_KEEPER_BLOB_IN_FILE;
    return HST_OK;
}

int hst_keeper_put(struct hst_keeper *keeper, const struct hst_keeper_item *item, struct hst_error *err)
{
    HST_AUTO(hst_closep) int blob_fd = -1;
    int fds[HST_KEEPER_FDS_MAX + 1];
    struct hst_keeper_frame frame = {.verb = HST_KEEPER_PUT, .id = item->id, .kind = item->kind, .size_bytes = item->blob_bytes};
    struct hst_seqpacket_parts rest = {.body = item->blob, .body_length = item->blob_bytes, .fds = fds, .fd_count = item->fd_count};
    memcpy(fds, item->fds, item->fd_count * sizeof *fds);
    HST_TRY(attach_blob(&frame, &rest, fds, &blob_fd, err));
    return ask(keeper, &frame, &rest, HST_KEEPER_ANSWER_MS, err);
}

static int ask_for_range(struct hst_keeper *keeper, enum hst_keeper_verb verb, uint64_t id, const struct hst_keeper_range *range, bool *ret_locked, struct hst_error *err)
{
    struct hst_keeper_frame frame = {.verb = verb, .id = id, .offset = range->offset, .size_bytes = range->size_bytes};
    HST_TRY(ask(keeper, &frame, NULL, verb == HST_KEEPER_LOCK ? HST_KEEPER_LOCK_MS : HST_KEEPER_ANSWER_MS, err)); /* unlocking reads nothing */
    *ret_locked = (frame.flags & HST_KEEPER_LOCKED) != 0;
    return HST_OK;
}

int hst_keeper_lock(struct hst_keeper *keeper, uint64_t id, const struct hst_keeper_range *range, bool *ret_locked, struct hst_error *err)
{
    bool locked = true;
    for (uint64_t at = 0; locked && at < range->size_bytes; at += HST_KEEPER_LOCK_BYTES) {
        struct hst_keeper_range piece = {range->offset + at, hst_min_u64(HST_KEEPER_LOCK_BYTES, range->size_bytes - at)};
        HST_TRY(ask_for_range(keeper, HST_KEEPER_LOCK, id, &piece, &locked, err));
    }
    if (!locked) HST_TRY(hst_keeper_unlock(keeper, id, range, err));
    *ret_locked = locked;
    return HST_OK;
}

int hst_keeper_unlock(struct hst_keeper *keeper, uint64_t id, const struct hst_keeper_range *range, struct hst_error *err)
{
    bool locked;
    for (uint64_t at = 0; at < range->size_bytes; at += HST_KEEPER_LOCK_BYTES) {
        struct hst_keeper_range piece = {range->offset + at, hst_min_u64(HST_KEEPER_LOCK_BYTES, range->size_bytes - at)};
        HST_TRY(ask_for_range(keeper, HST_KEEPER_UNLOCK, id, &piece, &locked, err));
    }
    return HST_OK;
}

struct drop_job {
    struct hst_keeper *keeper;
    uint64_t id;
    void (*dropped)(void *context);
    void *context;
};

static int drop(struct hst_keeper *keeper, uint64_t id, unsigned timeout_ms, struct hst_error *err)
{
    struct hst_keeper_frame frame = {.verb = HST_KEEPER_DROP, .id = id};
    return ask(keeper, &frame, NULL, timeout_ms, err);
}

int hst_keeper_drop_now(struct hst_keeper *keeper, uint64_t id, struct hst_error *err)
{
    return drop(keeper, id, HST_KEEPER_ANSWER_MS, err);
}

static void work_drop(void *arg)
{
    const struct drop_job *job = arg;
    int status = drop(job->keeper, job->id, HST_KEEPER_LOCK_MS, NULL);
    (void)status; /* the keeper is gone, and what it had with it */
}

static void done_drop(void *arg)
{
    struct drop_job *job = arg;
    if (job->dropped != NULL) job->dropped(job->context);
    free(job);
}

int hst_keeper_drop(struct hst_keeper *keeper, uint64_t id, void (*dropped)(void *context), void *context)
{
    if (keeper == NULL) {
        if (dropped != NULL) dropped(context);
        return HST_OK;
    }
    struct drop_job *job = malloc(sizeof *job);
    if (job == NULL) return HST_E_NOMEM;
    *job = (struct drop_job){keeper, id, dropped, context};
    int status = hst_exec_submit(keeper->exec, work_drop, done_drop, job);
    if (status < 0) free(job);
    return status;
}

struct hst_keeper_status hst_keeper_status(struct hst_keeper *keeper)
{
    struct hst_keeper_status status = {0};
    if (keeper == NULL) return status;
    uv_mutex_lock(&keeper->lock);
    status = (struct hst_keeper_status){keeper->connected, keeper->connected ? keeper->dialled.pid : 0, keeper->found_items, keeper->starts, keeper->wait_seconds};
    uv_mutex_unlock(&keeper->lock);
    return status;
}
