#include "wire/peer.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "wire/limits.h"

#include <stdlib.h>
#include <string.h>

enum { STALLS_MAX = 1000, BODY_MAX = HST_FRAME_MAX - HST_FRAME_HEADER };

/* A packet that waits. */
struct packet {
    struct hst_list node;
    struct hst_seqpacket_fds fds; /* copies; owned */
    size_t length;
    uint8_t bytes[];
};

static void free_packet(struct packet *packet)
{
    hst_list_remove(&packet->node);
    hst_seqpacket_fds_close(&packet->fds);
    free(packet);
}

static struct packet *first_packet(struct hst_peer_link *peer)
{
    return hst_container_of(peer->queue.next, struct packet, node);
}

static void on_closed(uv_handle_t *handle)
{
    struct hst_peer_link *peer = handle->data;
    while (!hst_list_empty(&peer->queue))
        free_packet(first_packet(peer));
    hst_closep(&peer->fd);
    if (peer->live != NULL) --*peer->live;
    free(peer);
}

void hst_peer_close(struct hst_peer_link *peer)
{
    if (peer->closed) return;
    peer->closed = true;
    hst_list_remove(&peer->node);
    if (peer->ended != NULL) peer->ended(peer);
    uv_poll_stop(&peer->poll);
    uv_close((uv_handle_t *)&peer->poll, on_closed);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct hst_peer_link *peer)
{
    int events = UV_READABLE | UV_DISCONNECT | (hst_list_empty(&peer->queue) ? 0 : UV_WRITABLE);
    if (!peer->closed) uv_poll_start(&peer->poll, events, on_ready);
}

/* @return as hst_seqpacket_send */
static int send_packet(struct hst_peer_link *peer, const struct packet *packet)
{
    const struct hst_seqpacket_parts parts = {.head = packet->bytes, .head_length = packet->length, .fds = packet->fds.fds, .fd_count = packet->fds.count};
    return hst_seqpacket_send(peer->fd, &parts, NULL);
}

/* Send what waits. A writable socket that takes nothing, again and again, belongs to a peer that keeps fds it does not read. */
static void flush(struct hst_peer_link *peer)
{
    while (!hst_list_empty(&peer->queue)) {
        struct packet *packet = first_packet(peer);
        int sent = send_packet(peer, packet);
        peer->stalls = sent == HST_SEQPACKET_AGAIN ? peer->stalls + 1 : 0;
        if (sent < 0 || peer->stalls > STALLS_MAX) hst_peer_close(peer);
        if (sent <= 0) return;
        peer->queued_bytes -= packet->length;
        free_packet(packet);
    }
    watch(peer);
}

static struct packet *make_packet(const struct hst_frame *frame, const char *body, const int *fds)
{
    struct packet *packet = malloc(sizeof *packet + HST_FRAME_HEADER + frame->body_bytes);
    if (packet == NULL) return NULL;
    hst_list_init(&packet->node);
    packet->length = HST_FRAME_HEADER + frame->body_bytes;
    hst_frame_encode(frame, packet->bytes);
    if (frame->body_bytes > 0) memcpy(packet->bytes + HST_FRAME_HEADER, body, frame->body_bytes);
    if (hst_seqpacket_fds_copy(fds, frame->fd_count, &packet->fds, NULL) == HST_OK) return packet;
    free(packet);
    return NULL;
}

static void enqueue(struct hst_peer_link *peer, const struct hst_frame *frame, const char *body, const int *fds)
{
    struct packet *packet = make_packet(frame, body, fds);
    size_t limit = frame->type == HST_FRAME_EVENT ? HST_WIRE_EVENTS_MAX : HST_WIRE_QUEUE_MAX;
    if (packet == NULL || peer->queued_bytes + packet->length > limit) {
        hst_log(HST_LOG_WARN, "socket", "process %d does not read its answers: disconnected", peer->cred.pid);
        if (packet != NULL) free_packet(packet);
        hst_peer_close(peer);
        return;
    }
    peer->queued_bytes += packet->length;
    hst_list_append(&peer->queue, &packet->node);
    watch(peer);
}

/* At once when nothing waits and the socket has room, else behind what waits. */
static void send_frame(struct hst_peer_link *peer, const struct hst_frame *frame, const char *body, const int *fds)
{
    uint8_t header[HST_FRAME_HEADER];
    hst_frame_encode(frame, header);
    const struct hst_seqpacket_parts parts = {.head = header, .head_length = sizeof header, .body = body, .body_length = frame->body_bytes, .fds = fds, .fd_count = frame->fd_count};
    int sent = hst_list_empty(&peer->queue) ? hst_seqpacket_send(peer->fd, &parts, NULL) : HST_SEQPACKET_AGAIN;
    if (sent == HST_SEQPACKET_AGAIN) enqueue(peer, frame, body, fds);
    if (sent < 0) hst_peer_close(peer);
}

void hst_peer_send(struct hst_peer_link *peer, const struct hst_peer_message *message)
{
    size_t body_at = 0, fd_at = 0;
    bool more = true;
    while (more && !peer->closed) {
        struct hst_frame frame = {.type = message->type, .request = message->request};
        frame.body_bytes = (uint32_t)hst_min_u64(message->body_length - body_at, BODY_MAX);
        frame.fd_count = (uint32_t)hst_min_u64(message->fd_count - fd_at, HST_FRAME_FDS_MAX);
        more = body_at + frame.body_bytes < message->body_length || fd_at + frame.fd_count < message->fd_count;
        frame.flags = more ? HST_FRAME_MORE : 0;
        send_frame(peer, &frame, message->body + body_at, message->fds + fd_at);
        body_at += frame.body_bytes;
        fd_at += frame.fd_count;
    }
}

/* @return may there be another packet? */
static bool receive_one(struct hst_peer_link *peer)
{
    static char buffer[HST_FRAME_MAX + 1]; /* the loop thread's alone */
    HST_AUTO(hst_seqpacket_fds_close) struct hst_seqpacket_fds fds = {.count = 0};
    struct hst_error error = {0};
    struct hst_frame frame;
    int length = hst_seqpacket_receive(peer->fd, buffer, HST_FRAME_MAX, &fds, &error);
    if (length == HST_SEQPACKET_AGAIN) return false;
    if (length < 0 || hst_frame_decode((const uint8_t *)buffer, (size_t)length, &frame, &error) < 0 || frame.fd_count != fds.count) {
        if (error.status != HST_E_UNREACHABLE) hst_log(HST_LOG_WARN, "socket", "process %d broke the protocol: %s", peer->cred.pid, error.text);
        hst_peer_close(peer);
        return false;
    }
    buffer[length] = '\0';
    peer->packet(peer, &frame, buffer + HST_FRAME_HEADER, &fds);
    return !peer->closed;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct hst_peer_link *peer = poll->data;
    if (status < 0) {
        hst_peer_close(peer);
        return;
    }
    if (events & UV_WRITABLE) flush(peer);
    for (unsigned i = 0; i < HST_WIRE_TURN && !peer->closed && (events & (UV_READABLE | UV_DISCONNECT)); i++)
        if (!receive_one(peer)) return;
}

int hst_peer_new(uv_loop_t *loop, int fd, const struct hst_cred *cred, struct hst_peer_link **ret_peer, struct hst_error *err)
{
    struct hst_peer_link *peer = calloc(1, sizeof *peer);
    if (peer == NULL || uv_poll_init(loop, &peer->poll, fd) < 0) {
        free(peer);
        hst_closep(&fd);
        return hst_error_nomem(err);
    }
    peer->fd = fd;
    peer->cred = *cred;
    peer->poll.data = peer;
    hst_list_init(&peer->node);
    hst_list_init(&peer->queue);
    hst_list_init(&peer->requests);
    watch(peer);
    *ret_peer = peer;
    return HST_OK;
}
