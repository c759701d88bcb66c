#include "wire/wire.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "os/file.h"
#include "os/lockfile.h"
#include "proto/callline.h"
#include "wire/limits.h"
#include "wire/peer.h"

#include <stdio.h>
#include <string.h>

struct hst_wire {
    struct hst_wire_config config;
    char *path;            /* owned */
    int lock_fd;
    int listener;
    int spare_fd;
    int64_t group;
    uv_poll_t poll;        /* of listener */
    bool listening;
    struct hst_list peers;
    size_t peer_count;     /* connections that are not freed yet */
    size_t closing;        /* handles of our own that are not closed yet */
};

/* A request that is not answered yet. */
struct request {
    struct hst_list node;
    struct hst_peer_link *peer; /* NULL once it is gone */
    uint32_t id;
    uint64_t ticket;
    bool is_open;
};

static struct hst_wire *wire_of(struct hst_peer_link *peer)
{
    return peer->owner;
}

static void send_text(struct hst_peer_link *peer, uint16_t type, uint32_t request, const char *text)
{
    hst_peer_send(peer, &(struct hst_peer_message){.type = type, .request = request, .body = text, .body_length = strlen(text)});
}

static void send_error(struct hst_peer_link *peer, uint32_t request, const struct hst_error *error)
{
    json_t *json = hst_error_json(error, NULL);
    HST_AUTO(hst_freep) char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    send_text(peer, HST_FRAME_ERROR, request, text != NULL ? text : "{\"code\":\"nomem\"}");
}

static void drop_request(struct request *request)
{
    hst_list_remove(&request->node);
    if (request->peer != NULL) request->peer->request_count--;
    free(request);
}

static struct request *add_request(struct hst_peer_link *peer, uint32_t id, bool is_open)
{
    struct request *request = peer->request_count < HST_WIRE_REQUESTS_MAX ? calloc(1, sizeof *request) : NULL;
    if (request == NULL) {
        struct hst_error error = {0};
        hst_error_set(&error, HST_E_BUSY, "%zu requests of this connection are not answered yet", peer->request_count);
        send_error(peer, id, &error);
        return NULL;
    }
    *request = (struct request){.peer = peer, .id = id, .is_open = is_open};
    hst_list_append(&peer->requests, &request->node);
    peer->request_count++;
    return request;
}

static void forget_request(struct request *request)
{
    struct hst_service *service = wire_of(request->peer)->config.service;
    if (request->is_open)
        hst_service_forget_open(service, request->ticket);
    else
        hst_service_forget(service, request->ticket);
    drop_request(request);
}

/* Ticket 0: the request was answered already, and is gone. */
static void keep_ticket(struct request *request, uint64_t ticket)
{
    if (ticket == 0) return;
    request->ticket = ticket;
    if (request->peer->closed) forget_request(request);
}

/* It is answered now: gone before anything is sent, for sending may find that its peer is gone, and that ends all of its requests. @return the peer */
static struct hst_peer_link *end_request(struct request *request, uint32_t *ret_id)
{
    struct hst_peer_link *peer = request->peer;
    *ret_id = request->id;
    drop_request(request);
    return peer;
}

static void on_reply(void *context, const struct hst_reply *reply)
{
    uint32_t id;
    struct hst_peer_link *peer = end_request(context, &id);
    hst_peer_send(peer, &(struct hst_peer_message){.type = HST_FRAME_REPLY, .request = id, .body = reply->body, .body_length = reply->body_length});
}

static struct hst_peer describe(const struct hst_peer_link *peer)
{
    struct hst_peer who = {.pid = peer->cred.pid, .owns = hst_cred_owns(&peer->cred)};
    snprintf(who.transport, sizeof who.transport, "unix");
    return who;
}

static void take_call(struct hst_peer_link *peer, const struct hst_frame *frame, char *body, struct hst_seqpacket_fds *fds)
{
    struct hst_callline line;
    struct hst_error error = {0};
    (void)fds;
    if (hst_callline_parse(body, frame->body_bytes, &line, &error) < 0) {
        send_error(peer, frame->request, &error);
        return;
    }
    struct request *request = add_request(peer, frame->request, false);
    if (request == NULL) return;
    struct hst_request call = {.method = line.method, .path = line.path, .query = line.query, .body = line.json, .body_length = line.json_length, .peer = describe(peer)};
    keep_ticket(request, hst_service_call(wire_of(peer)->config.service, &call, on_reply, request));
}

static void on_opened(void *context, const struct hst_opened *opened, const struct hst_error *error)
{
    uint32_t id;
    struct hst_peer_link *peer = end_request(context, &id);
    if (opened != NULL) {
        HST_AUTO(hst_freep) char *text = json_dumps(opened->body, JSON_COMPACT);
        hst_peer_send(peer, &(struct hst_peer_message){.type = HST_FRAME_OPENED, .request = id, .body = text, .body_length = text != NULL ? strlen(text) : 0,
                                                       .fds = opened->fds, .fd_count = opened->fd_count});
    } else
        send_error(peer, id, error);
}

/* The fields of an OPEN. */
struct open_fields {
    json_t *json;             /* owns the texts */
    const char **roles;       /* owned array */
    struct hst_file_id file_id;
    struct hst_open_request request;
};

static void open_fields_fini(struct open_fields *fields)
{
    json_decref(fields->json);
    free(fields->roles);
}

static int read_roles(struct open_fields *fields, struct hst_error *err)
{
    json_t *list = json_object_get(fields->json, "components");
    if (list == NULL || json_is_null(list)) return HST_OK;
    if (!json_is_array(list) || json_array_size(list) == 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "components must be a list of roles that is not empty");
    fields->roles = calloc(json_array_size(list), sizeof *fields->roles);
    if (fields->roles == NULL) return hst_error_nomem(err);
    fields->request.role_count = json_array_size(list);
    fields->request.roles = fields->roles;
    for (size_t i = 0; i < fields->request.role_count; i++) {
        fields->roles[i] = json_string_value(json_array_get(list, i));
        if (fields->roles[i] == NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "components must be a list of roles");
    }
    return HST_OK;
}

/* A file is known by an fd that may read it: who cannot open a file gets nothing of it. */
static int read_file_id(struct open_fields *fields, const struct hst_seqpacket_fds *fds, struct hst_error *err)
{
    if (fds->count == 0) return HST_OK;
    if (fds->count > 1 || !hst_file_is_readable(fds->fds[0])) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "send one fd that is open for reading");
    HST_TRY(hst_file_identify(fds->fds[0], &fields->file_id, err));
    fields->request.file_id = &fields->file_id;
    return HST_OK;
}

static int read_open(struct hst_peer_link *peer, const struct hst_frame *frame, const char *body, const struct hst_seqpacket_fds *fds, struct open_fields *fields, struct hst_error *err)
{
    fields->json = json_loadb(body, frame->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(fields->json)) return hst_error_set(err, HST_E_MALFORMED_JSON, "the body of an OPEN must be a JSON object");
    fields->request = (struct hst_open_request){.model_id = json_string_value(json_object_get(fields->json, "model_id")),
                                                .device_id = json_string_value(json_object_get(fields->json, "device")),
                                                .precision = json_string_value(json_object_get(fields->json, "precision")),
                                                .domain = json_string_value(json_object_get(fields->json, "domain")),
                                                .share = json_is_true(json_object_get(fields->json, "share")),
                                                .hold = json_is_true(json_object_get(fields->json, "hold")),
                                                .peer = describe(peer)};
    HST_TRY(read_roles(fields, err));
    return read_file_id(fields, fds, err);
}

static void take_open(struct hst_peer_link *peer, const struct hst_frame *frame, char *body, struct hst_seqpacket_fds *fds)
{
    HST_AUTO(open_fields_fini) struct open_fields fields = {0};
    struct hst_error error = {0};
    if (read_open(peer, frame, body, fds, &fields, &error) < 0) {
        send_error(peer, frame->request, &error);
        return;
    }
    struct request *request = add_request(peer, frame->request, true);
    if (request == NULL) return;
    keep_ticket(request, hst_service_open(wire_of(peer)->config.service, &fields.request, on_opened, request));
}

static bool on_event(void *context, const struct hst_event *event)
{
    struct hst_peer_link *peer = context;
    json_t *json = json_pack("{s:I, s:s, s:o}", "id", (json_int_t)event->id, "event", event->name, "data", json_loads(event->data, 0, NULL));
    HST_AUTO(hst_freep) char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    uint64_t subscription = peer->subscription;
    peer->subscription = 0; /* a peer that is closed meanwhile is unsubscribed by what this returns */
    if (text != NULL) send_text(peer, HST_FRAME_EVENT, peer->events_request, text);
    peer->subscription = subscription;
    return !peer->closed;
}

static void take_events(struct hst_peer_link *peer, const struct hst_frame *frame, char *body, struct hst_seqpacket_fds *fds)
{
    struct hst_error error = {0};
    (void)fds;
    json_t *json = json_loadb(body, frame->body_bytes, JSON_REJECT_DUPLICATES, NULL), *last = json_object_get(json, "last_event_id");
    uint64_t last_id = json_is_integer(last) && json_integer_value(last) >= 0 ? (uint64_t)json_integer_value(last) : UINT64_MAX;
    json_decref(json);
    peer->events_request = frame->request;
    send_text(peer, HST_FRAME_REPLY, frame->request, "{}"); /* before the events that are replayed */
    uint64_t subscription = peer->subscription == 0 ? hst_service_subscribe(wire_of(peer)->config.service, last_id, on_event, peer) : 0;
    if (subscription != 0) peer->subscription = subscription;
    if (subscription != 0 || peer->closed) return;
    hst_error_set(&error, HST_E_BUSY, "there are too many subscriptions");
    send_error(peer, frame->request, &error);
}

static void take_hello(struct hst_peer_link *peer, const struct hst_frame *frame, char *body, struct hst_seqpacket_fds *fds)
{
    const struct hst_hello ours = {.magic = HST_PROTO_MAGIC, .major = HST_PROTO_MAJOR, .minor = HST_PROTO_MINOR};
    struct hst_hello theirs;
    struct hst_error error = {0};
    uint8_t bytes[HST_HELLO_BYTES];
    (void)fds;
    if (hst_hello_decode((const uint8_t *)body, frame->body_bytes, &theirs, &error) < 0) {
        send_error(peer, frame->request, &error);
        hst_peer_close(peer);
        return;
    }
    peer->greeted = true;
    hst_hello_encode(&ours, bytes);
    hst_peer_send(peer, &(struct hst_peer_message){.type = HST_FRAME_WELCOME, .request = frame->request, .body = (const char *)bytes, .body_length = sizeof bytes});
}

static hst_peer_packet_fn find_handler(uint16_t type)
{
    static const hst_peer_packet_fn handlers[] = {
        [HST_FRAME_HELLO] = take_hello, [HST_FRAME_CALL] = take_call, [HST_FRAME_OPEN] = take_open, [HST_FRAME_EVENTS] = take_events};
    return type < sizeof handlers / sizeof handlers[0] ? handlers[type] : NULL;
}

static void on_packet(struct hst_peer_link *peer, const struct hst_frame *frame, char *body, struct hst_seqpacket_fds *fds)
{
    struct hst_error error = {0};
    hst_peer_packet_fn handler = find_handler(frame->type);
    if (!peer->greeted && frame->type != HST_FRAME_HELLO) {
        hst_error_set(&error, HST_E_PROTOCOL, "the first message must be HELLO");
        send_error(peer, frame->request, &error);
        hst_peer_close(peer);
    } else if (handler == NULL) {
        hst_error_set(&error, HST_E_PROTOCOL, "there is no message of type %u", frame->type);
        send_error(peer, frame->request, &error);
    } else
        handler(peer, frame, body, fds);
}

static void on_ended(struct hst_peer_link *peer)
{
    struct hst_service *service = wire_of(peer)->config.service;
    if (peer->subscription != 0) hst_service_unsubscribe(service, peer->subscription);
    HST_LIST_FOREACH(node, &peer->requests) {
        struct request *request = hst_container_of(node, struct request, node);
        if (request->ticket != 0) forget_request(request); /* else it is being answered right now */
    }
}

static size_t most_peers(void)
{
    uint64_t quarter = hst_seqpacket_fd_limit() / 4;
    return quarter < HST_WIRE_PEERS_MAX ? (size_t)quarter : HST_WIRE_PEERS_MAX;
}

static void serve(struct hst_wire *wire, int fd)
{
    HST_AUTO(hst_closep) int guard = fd;
    struct hst_cred cred;
    struct hst_peer_link *peer;
    if (hst_cred_of_socket(fd, &cred, NULL) < 0 || !hst_cred_allowed(fd, &cred, wire->group) || wire->peer_count >= most_peers()) return;
    if (hst_peer_new(wire->config.loop, hst_steal_fd(&guard), &cred, &peer, NULL) < 0) return;
    peer->packet = on_packet;
    peer->ended = on_ended;
    peer->owner = wire;
    peer->live = &wire->peer_count;
    wire->peer_count++;
    hst_list_append(&wire->peers, &peer->node);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct hst_wire *wire = poll->data;
    struct hst_error error = {0};
    (void)events;
    for (unsigned i = 0; status >= 0 && i < HST_WIRE_TURN; i++) {
        int fd = hst_seqpacket_accept(wire->listener, &wire->spare_fd, &error);
        if (fd < 0) hst_log(HST_LOG_WARN, "socket", "%s", error.text);
        if (fd <= 0) return;
        serve(wire, fd);
    }
}

static int make_folder(const char *path, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *folder = strdup(path);
    if (folder == NULL) return hst_error_nomem(err);
    char *slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder) return HST_OK;
    *slash = '\0';
    return hst_file_mkdirs(folder, 0700, err);
}

static int take_place(struct hst_wire *wire, struct hst_error *err)
{
    char lock[4096];
    bool shared = wire->config.allow_group != NULL;
    if (shared) HST_TRY(hst_cred_find_group(wire->config.allow_group, &wire->group, err));
    HST_TRY(make_folder(wire->path, err));
    snprintf(lock, sizeof lock, "%s.lock", wire->path);
    HST_TRY(wire->lock_fd = hst_lockfile_take(lock, err));
    HST_TRY(wire->listener = hst_seqpacket_listen(wire->path, shared ? 0660 : 0600, wire->group, err));
    wire->spare_fd = hst_seqpacket_spare();
    return HST_OK;
}

int hst_wire_new(const struct hst_wire_config *config, struct hst_wire **ret_wire, struct hst_error *err)
{
    struct hst_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) return hst_error_nomem(err);
    *wire = (struct hst_wire){.config = *config, .path = strdup(config->path), .lock_fd = -1, .listener = -1, .spare_fd = -1, .group = -1};
    hst_list_init(&wire->peers);
    int status = wire->path != NULL ? take_place(wire, err) : hst_error_nomem(err);
    if (status < 0) {
        hst_wire_free(wire);
        return status;
    }
    uv_poll_init(config->loop, &wire->poll, wire->listener);
    wire->poll.data = wire;
    wire->listening = true;
    uv_poll_start(&wire->poll, UV_READABLE, on_connection);
    *ret_wire = wire;
    return HST_OK;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_wire *)handle->data)->closing--;
}

void hst_wire_free(struct hst_wire *wire)
{
    if (wire == NULL) return;
    wire->closing = wire->listening;
    if (wire->listening) uv_close((uv_handle_t *)&wire->poll, on_closed);
    HST_LIST_FOREACH(node, &wire->peers)
        hst_peer_close(hst_container_of(node, struct hst_peer_link, node));
    while (wire->closing > 0 || wire->peer_count > 0)
        uv_run(wire->config.loop, UV_RUN_ONCE);
    if (wire->listener >= 0) hst_file_remove(wire->path);
    hst_closep(&wire->listener);
    hst_closep(&wire->spare_fd);
    hst_closep(&wire->lock_fd);
    free(wire->path);
    free(wire);
}
