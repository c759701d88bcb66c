/* One loop, one connection, no state but the items:
 *
 *     waiting --- somebody connects ---> serving --- GOODBYE ---> everything is freed, the end
 *        ^ '--- wait_seconds pass ---> the end        '
 *        '------------- the connection ends ----------'
 */
#include "keeper/serve.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "keeper/items.h"
#include "keeper/message.h"
#include "os/cred.h"
#include "os/process.h"

#include <string.h>

struct keeper {
    struct hst_items items;
    struct hst_keeper_packet packet; /* the request */
    int peer;                        /* -1 = none */
    bool greeted;                    /* the peer speaks our language */
    bool ended;
    unsigned wait_seconds;
};

/* A request is answered by what this leaves in `answer`, which has its verb and sequence already. */
typedef int (*handler)(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err);

static int greet(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err)
{
    const struct hst_keeper_frame *hello = &keeper->packet.frame;
    (void)err;
    struct hst_keeper_frame ours = hst_keeper_hello(keeper->items.by_id.count);
    ours.sequence = answer->sequence;
    ours.id = keeper->items.highest_id;
    ours.flags = hst_process_id();
    *answer = ours;
    keeper->greeted = hst_keeper_understands(hello);
    if (keeper->greeted) keeper->wait_seconds = (unsigned)hst_min_u64(hello->size_bytes, HST_KEEPER_WAIT_SECONDS_MAX);
    return HST_OK;
}

static int end(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err)
{
    (void)answer, (void)err;
    keeper->ended = true;
    return HST_OK;
}

/* Are files and blob as announced? */
static bool is_item(const struct hst_keeper_packet *packet, bool in_file)
{
    bool fits = in_file ? packet->files.count > 0 && packet->body_bytes == 0 : packet->body_bytes == packet->frame.size_bytes;
    return fits && packet->files.count <= HST_KEEPER_FDS_MAX + in_file && packet->frame.size_bytes <= HST_KEEPER_BLOB_MAX;
}

/* What the packet brings, as an item: its files are taken over, its blob is copied. */
static int take_item(struct hst_keeper_packet *packet, struct hst_kept *ret_given, struct hst_error *err)
{
    const struct hst_keeper_frame *frame = &packet->frame;
    bool in_file = (frame->flags & HST_KEEPER_BLOB_IN_FILE) != 0;
    if (!is_item(packet, in_file)) return hst_error_set(err, HST_E_PROTOCOL, "files and blob are not as announced");
    void *blob = packet->body_bytes > 0 ? malloc(packet->body_bytes) : NULL;
    if (blob == NULL && packet->body_bytes > 0) return hst_error_nomem(err);
    if (blob != NULL) memcpy(blob, packet->body, packet->body_bytes);
    *ret_given = (struct hst_kept){.id = frame->id, .kind = frame->kind, .fd_count = packet->files.count, .blob_in_file = in_file, .blob = blob, .blob_bytes = frame->size_bytes};
    memcpy(ret_given->fds, packet->files.fds, packet->files.count * sizeof(int));
    packet->files.count = 0;
    return HST_OK;
}

static int put(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err)
{
    HST_AUTO(hst_kept_fini) struct hst_kept given = {0};
    (void)answer;
    HST_TRY(take_item(&keeper->packet, &given, err));
    return hst_items_put(&keeper->items, &given, err);
}

static int lock(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err)
{
    const struct hst_keeper_frame *asked = &keeper->packet.frame;
    bool locked = false;
    HST_TRY(hst_items_lock(&keeper->items, asked->id, &(struct hst_keeper_range){asked->offset, asked->size_bytes}, &locked, err));
    answer->flags = locked ? HST_KEEPER_LOCKED : 0;
    return HST_OK;
}

static int unlock(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err)
{
    const struct hst_keeper_frame *asked = &keeper->packet.frame;
    (void)answer;
    return hst_items_unlock(&keeper->items, asked->id, &(struct hst_keeper_range){asked->offset, asked->size_bytes}, err);
}

static int drop(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err)
{
    (void)answer, (void)err;
    hst_items_drop(&keeper->items, keeper->packet.frame.id);
    return HST_OK;
}

static int send_ranges(struct keeper *keeper, const struct hst_keeper_frame *answer, const struct hst_kept *kept, struct hst_error *err)
{
    enum { A_PACKET = HST_KEEPER_BLOB_INLINE / sizeof(struct hst_keeper_range) };
    struct hst_keeper_frame frame = {.verb = HST_KEEPER_RANGES, .sequence = answer->sequence, .id = kept->id};
    for (size_t at = 0; at < kept->locked.count; at += A_PACKET) {
        size_t count = (size_t)hst_min_u64(A_PACKET, kept->locked.count - at);
        struct hst_seqpacket_parts rest = {.body = kept->locked.items + at, .body_length = count * sizeof(struct hst_keeper_range)};
        HST_TRY(hst_keeper_send(keeper->peer, &frame, &rest, -1, err));
    }
    return HST_OK;
}

static int send_item(struct keeper *keeper, const struct hst_keeper_frame *answer, const struct hst_kept *kept, struct hst_error *err)
{
    struct hst_keeper_frame frame = {.verb = HST_KEEPER_ITEM, .sequence = answer->sequence, .id = kept->id, .kind = kept->kind, .size_bytes = kept->blob_bytes,
                                     .flags = kept->blob_in_file ? HST_KEEPER_BLOB_IN_FILE : 0};
    struct hst_seqpacket_parts rest = {.body = kept->blob, .body_length = kept->blob != NULL ? kept->blob_bytes : 0, .fds = kept->fds, .fd_count = kept->fd_count};
    HST_TRY(hst_keeper_send(keeper->peer, &frame, &rest, -1, err));
    return send_ranges(keeper, answer, kept, err);
}

static int list(struct keeper *keeper, struct hst_keeper_frame *answer, struct hst_error *err)
{
    HST_LIST_FOREACH(node, &keeper->items.all)
        HST_TRY(send_item(keeper, answer, hst_container_of(node, struct hst_kept, node), err));
    answer->size_bytes = keeper->items.by_id.count;
    return HST_OK;
}

/* By verb. Before a greeting that was understood, only the first two. */
static const handler handlers[] = {
    [HST_KEEPER_HELLO] = greet, [HST_KEEPER_GOODBYE] = end, [HST_KEEPER_PUT] = put,   [HST_KEEPER_LOCK] = lock,
    [HST_KEEPER_UNLOCK] = unlock, [HST_KEEPER_DROP] = drop,   [HST_KEEPER_LIST] = list,
};

static handler find_handler(const struct keeper *keeper)
{
    uint32_t verb = keeper->packet.frame.verb, known = keeper->greeted ? sizeof handlers / sizeof handlers[0] : HST_KEEPER_GOODBYE + 1;
    return verb < known ? handlers[verb] : NULL;
}

/* One request. What is not understood is refused, and the connection goes on. HST_E_UNREACHABLE: it does not. */
static int serve_one(struct keeper *keeper)
{
    struct hst_error err = {0};
    int status = hst_keeper_receive(keeper->peer, &keeper->packet, keeper->greeted ? -1 : (int)HST_KEEPER_START_MS, &err);
    if (status < 0 && status != HST_E_PROTOCOL) return status;
    struct hst_keeper_frame answer = {.verb = keeper->packet.frame.verb, .sequence = keeper->packet.frame.sequence};
    handler handle = status == HST_OK ? find_handler(keeper) : NULL;
    answer.status = handle != NULL ? handle(keeper, &answer, &err) : HST_E_PROTOCOL;
    hst_seqpacket_fds_close(&keeper->packet.files);
    return keeper->ended ? HST_OK : hst_keeper_send(keeper->peer, &answer, NULL, -1, &err);
}

/* The next peer that may ask; false when nobody came in time. */
static bool wait_for_peer(struct keeper *keeper, int listener, int timeout_ms)
{
    struct hst_cred cred;
    struct hst_error err = {0};
    int spare = -1;
    if (!hst_seqpacket_wait(listener, false, timeout_ms)) return false;
    int fd = hst_seqpacket_accept(listener, &spare, &err);
    hst_closep(&spare);
    if (fd <= 0) return true;
    if (hst_cred_of_socket(fd, &cred, &err) == HST_OK && hst_cred_allowed(fd, &cred, -1))
        keeper->peer = fd;
    else
        close(fd);
    return true;
}

static void serve_peer(struct keeper *keeper)
{
    keeper->greeted = false;
    while (!keeper->ended && serve_one(keeper) == HST_OK)
        continue;
    if (!keeper->ended) hst_items_release_leases(&keeper->items);
}

void hst_keeper_serve(int listener)
{
    static struct keeper keeper;
    keeper = (struct keeper){.peer = -1, .wait_seconds = HST_KEEPER_WAIT_SECONDS};
    hst_items_init(&keeper.items);
    while (!keeper.ended && wait_for_peer(&keeper, listener, (int)keeper.wait_seconds * 1000)) {
        if (keeper.peer < 0) continue;
        serve_peer(&keeper);
        if (!keeper.ended) hst_closep(&keeper.peer);
    }
    hst_items_fini(&keeper.items);
    hst_closep(&keeper.peer); /* so that whoever said goodbye knows that everything is free */
}
