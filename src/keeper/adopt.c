/* What a keeper has kept, read back: an item, its ranges, the next item, ..., the end of the list. */
#include "base/cleanup.h"
#include "keeper/internal.h"
#include "os/file.h"

#include <string.h>

struct adoption {
    struct hst_keeper *keeper;
    struct hst_keeper_packet packet; /* the latest */
    struct hst_keeper_item item;     /* being read */
    bool reading;                    /* there is one */
    char *blob;                      /* its */
    struct hst_ranges ranges;        /* its */
    hst_keeper_adopter adopter;
    void *context;
    size_t count; /* taken over */
};

/* Forget the item, and close what nobody took. */
static void reset(struct adoption *adoption)
{
    for (size_t i = 0; i < adoption->item.fd_count; i++)
        hst_closep(&adoption->item.fds[i]);
    free(adoption->blob);
    hst_ranges_fini(&adoption->ranges);
    adoption->item = (struct hst_keeper_item){0};
    adoption->blob = NULL;
    adoption->reading = false;
}

static void free_adoption(struct adoption **adoption)
{
    if (*adoption == NULL) return;
    reset(*adoption);
    free(*adoption);
}

/* The item is complete. */
static int deliver(struct adoption *adoption)
{
    int status = HST_OK;
    if (!adoption->reading) return HST_OK;
    adoption->item.ranges = adoption->ranges.items;
    adoption->item.range_count = adoption->ranges.count;
    if (adoption->adopter(adoption->context, &adoption->item))
        adoption->count++;
    else
        status = hst_keeper_drop(adoption->keeper, adoption->item.id, NULL, NULL);
    reset(adoption);
    return status;
}

static int strange(struct hst_error *err)
{
    return hst_error_set(err, HST_E_PROTOCOL, "hoist-keeper shows what is no item");
}

/* The bytes of the blob: those of the packet, or those of its last file. */
static int read_blob(struct adoption *adoption, struct hst_error *err)
{
    struct hst_keeper_packet *packet = &adoption->packet;
    struct hst_seqpacket_fds *files = &packet->files;
    if ((packet->frame.flags & HST_KEEPER_BLOB_IN_FILE) != 0) {
        if (files->count == 0 || packet->frame.size_bytes > HST_KEEPER_BLOB_MAX) return strange(err);
        HST_AUTO(hst_closep) int fd = files->fds[--files->count];
        return hst_file_slurp(fd, 0, packet->frame.size_bytes, &adoption->blob, err);
    }
    if (packet->frame.size_bytes != packet->body_bytes) return strange(err);
    adoption->blob = malloc(packet->body_bytes + 1);
    if (adoption->blob == NULL) return hst_error_nomem(err);
    memcpy(adoption->blob, packet->body, packet->body_bytes);
    return HST_OK;
}

static int read_item(struct adoption *adoption, struct hst_error *err)
{
    struct hst_keeper_packet *packet = &adoption->packet;
    HST_TRY(deliver(adoption));
    HST_TRY(read_blob(adoption, err));
    if (packet->files.count > HST_KEEPER_FDS_MAX) return strange(err);
    adoption->item = (struct hst_keeper_item){.id = packet->frame.id, .kind = packet->frame.kind, .fd_count = packet->files.count, .blob = adoption->blob,
                                              .blob_bytes = packet->frame.size_bytes};
    memcpy(adoption->item.fds, packet->files.fds, packet->files.count * sizeof(int));
    packet->files.count = 0;
    adoption->reading = true;
    return HST_OK;
}

static int read_ranges(struct adoption *adoption, struct hst_error *err)
{
    const struct hst_keeper_packet *packet = &adoption->packet;
    struct hst_keeper_range range;
    if (!adoption->reading || packet->frame.id != adoption->item.id || packet->body_bytes % sizeof range != 0) return strange(err);
    for (size_t at = 0; at < packet->body_bytes; at += sizeof range) {
        memcpy(&range, packet->body + at, sizeof range);
        HST_TRY(hst_ranges_add(&adoption->ranges, &range, err));
    }
    return HST_OK;
}

/* @return 1 at the end of the list */
static int read_one(struct adoption *adoption, struct hst_error *err)
{
    struct hst_keeper_packet *packet = &adoption->packet;
    HST_TRY(hst_keeper_reply(adoption->keeper, packet, HST_KEEPER_ANSWER_MS, err));
    int status = packet->frame.verb == HST_KEEPER_ITEM     ? read_item(adoption, err)
                 : packet->frame.verb == HST_KEEPER_RANGES ? read_ranges(adoption, err)
                                                           : 1;
    hst_seqpacket_fds_close(&packet->files);
    return status;
}

static int read_all(struct adoption *adoption, struct hst_error *err)
{
    struct hst_keeper_frame frame = {.verb = HST_KEEPER_LIST};
    int status;
    HST_TRY(hst_keeper_request(adoption->keeper, &frame, NULL, err));
    while ((status = read_one(adoption, err)) == HST_OK)
        continue;
    return status < 0 ? status : deliver(adoption);
}

int hst_keeper_adopt(struct hst_keeper *keeper, hst_keeper_adopter adopter, void *context, size_t *ret_count, struct hst_error *err)
{
    HST_AUTO(free_adoption) struct adoption *adoption = calloc(1, sizeof *adoption);
    if (adoption == NULL) return hst_error_nomem(err);
    adoption->keeper = keeper;
    adoption->adopter = adopter;
    adoption->context = context;
    HST_TRY(hst_keeper_begin_turn(keeper, HST_KEEPER_ANSWER_MS, err));
    int status = read_all(adoption, err);
    hst_keeper_end_turn(keeper);
    HST_TRY(status);
    if (ret_count != NULL) *ret_count = adoption->count;
    return HST_OK;
}
