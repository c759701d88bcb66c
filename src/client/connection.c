#include "client/internal.h"

#include "base/cleanup.h"
#include "os/clock.h"

#include <stdlib.h>
#include <string.h>

void hst_answer_fini(struct hst_answer *answer)
{
    for (size_t i = 0; i < answer->fd_count; i++)
        hst_closep(&answer->fds[i]);
    free(answer->fds);
    free(answer->body);
    *answer = (struct hst_answer){0};
}

static int lost(struct hoist_client *client, struct hst_error *err, const char *why)
{
    hst_closep(&client->fd);
    return hst_error_set(err, HST_E_UNREACHABLE, "%s", why);
}

/* Milliseconds left of a deadline; 0 = none; negative deadline = without end. */
static int left_of(int64_t deadline_ns)
{
    if (deadline_ns < 0) return -1;
    int64_t left = (deadline_ns - (int64_t)hst_clock_ns()) / 1000000 + 1;
    return left > 0 ? (int)left : 0;
}

static int64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : (int64_t)hst_clock_ns() + (int64_t)timeout_ms * 1000000;
}

int hst_connection_send(struct hoist_client *client, uint16_t type, const char *body, size_t length, int fd, uint32_t *ret_request, struct hst_error *err)
{
    uint8_t header[HST_FRAME_HEADER];
    const int64_t deadline_ns = deadline_of((int)client->timeout_ms);
    if (client->fd < 0) return hst_error_set(err, HST_E_UNREACHABLE, "the connection to hoistd was lost");
    if (length > HST_FRAME_MAX - HST_FRAME_HEADER) return hst_error_set(err, HST_E_PAYLOAD_TOO_LARGE, "a request of %zu bytes is too long", length);
    struct hst_frame frame = {.type = type, .request = ++client->next_request, .body_bytes = (uint32_t)length, .fd_count = fd >= 0};
    hst_frame_encode(&frame, header);
    struct hst_seqpacket_parts parts = {.head = header, .head_length = sizeof header, .body = body, .body_length = length, .fds = &fd, .fd_count = frame.fd_count};
    int sent;
    while ((sent = hst_seqpacket_send(client->fd, &parts, err)) == HST_SEQPACKET_AGAIN)
        if (left_of(deadline_ns) == 0 || !hst_seqpacket_wait(client->fd, true, left_of(deadline_ns))) return lost(client, err, "hoistd does not take requests");
    if (sent < 0) return lost(client, err, "the connection to hoistd was lost");
    *ret_request = frame.request;
    return HST_OK;
}

/* Add a packet to an answer. @return HST_OK, or HST_E_NOMEM, HST_E_PROTOCOL */
static int add_packet(struct hst_answer *answer, const struct hst_frame *frame, const char *body, struct hst_seqpacket_fds *fds, struct hst_error *err)
{
    size_t length = answer->body_length + frame->body_bytes, count = answer->fd_count + fds->count;
    if (count > HST_CLIENT_FDS_MAX) return hst_error_set(err, HST_E_PROTOCOL, "hoistd sent %zu descriptors at once", count);
    char *text = realloc(answer->body, length + 1);
    if (text == NULL) return hst_error_nomem(err);
    answer->body = text;
    int *more = realloc(answer->fds, (count + 1) * sizeof *more);
    if (more == NULL) return hst_error_nomem(err);
    answer->fds = more;
    memcpy(text + answer->body_length, body, frame->body_bytes);
    text[length] = '\0';
    if (fds->count > 0) memcpy(more + answer->fd_count, fds->fds, fds->count * sizeof *more);
    answer->type = frame->type;
    answer->body_length = length;
    answer->fd_count = count;
    fds->count = 0; /* they are the answer's now */
    return HST_OK;
}

/* Take one packet, if there is one. @return 1 when the answer is whole, 0 when not, or an error */
static int take_packet(struct hoist_client *client, uint32_t request, struct hst_answer *answer, struct hst_error *err)
{
    HST_AUTO(hst_seqpacket_fds_close) struct hst_seqpacket_fds fds = {.count = 0};
    struct hst_frame frame;
    int length = hst_seqpacket_receive(client->fd, client->packet, HST_FRAME_MAX, &fds, err);
    if (length == HST_SEQPACKET_AGAIN) return 0;
    if (length < 0) return length;
    HST_TRY(hst_frame_decode((const uint8_t *)client->packet, (size_t)length, &frame, err));
    if (frame.fd_count != fds.count) return hst_error_set(err, HST_E_PROTOCOL, "%zu descriptors came where %u were announced", fds.count, frame.fd_count);
    if (frame.request != request) return 0;
    HST_TRY(add_packet(answer, &frame, client->packet + HST_FRAME_HEADER, &fds, err));
    return (frame.flags & HST_FRAME_MORE) == 0;
}

int hst_connection_poll(struct hoist_client *client, uint32_t request, int timeout_ms, struct hst_answer *ret_answer, struct hst_error *err)
{
    const int64_t deadline_ns = deadline_of(timeout_ms);
    struct hst_answer answer = {0};
    if (client->fd < 0) return hst_error_set(err, HST_E_UNREACHABLE, "the connection to hoistd was lost");
    for (bool last = false;; last = left_of(deadline_ns) == 0) {
        int status = take_packet(client, request, &answer, err);
        if (status < 0) {
            hst_answer_fini(&answer);
            hst_closep(&client->fd);
            return status;
        }
        if (status > 0 || (last && answer.body == NULL)) break;
        hst_seqpacket_wait(client->fd, false, left_of(deadline_ns));
    }
    *ret_answer = answer;
    return HST_OK;
}

int hst_connection_receive(struct hoist_client *client, uint32_t request, int timeout_ms, struct hst_answer *ret_answer, struct hst_error *err)
{
    HST_TRY(hst_connection_poll(client, request, timeout_ms, ret_answer, err));
    return ret_answer->type != 0 ? HST_OK : lost(client, err, "hoistd did not answer in time");
}

int hst_connection_ask(struct hoist_client *client, uint16_t type, const char *body, int fd, int timeout_ms, struct hst_answer *ret_answer, struct hoist_error *error)
{
    struct hst_error ours = {0};
    uint32_t request;
    int status = hst_connection_send(client, type, body, strlen(body), fd, &request, &ours);
    if (status == HST_OK) status = hst_connection_receive(client, request, timeout_ms, ret_answer, &ours);
    if (status < 0) return hst_report(error, &ours);
    if (ret_answer->type != HST_FRAME_ERROR) return HST_OK;
    status = hst_report_json(error, ret_answer->body);
    hst_answer_fini(ret_answer);
    return status;
}

static int greet(struct hoist_client *client, struct hst_error *err)
{
    const struct hst_hello ours = {.magic = HST_PROTO_MAGIC, .major = HST_PROTO_MAJOR, .minor = HST_PROTO_MINOR};
    HST_AUTO(hst_answer_fini) struct hst_answer answer = {0};
    struct hst_hello theirs;
    uint8_t bytes[HST_HELLO_BYTES];
    uint32_t request;
    hst_hello_encode(&ours, bytes);
    HST_TRY(hst_connection_send(client, HST_FRAME_HELLO, (const char *)bytes, sizeof bytes, -1, &request, err));
    HST_TRY(hst_connection_receive(client, request, (int)client->timeout_ms, &answer, err));
    if (answer.type != HST_FRAME_WELCOME) return hst_error_set(err, HST_E_PROTOCOL, "hoistd refuses the connection: %s", answer.body);
    return hst_hello_decode((const uint8_t *)answer.body, answer.body_length, &theirs, err);
}

int hst_connection_open(const char *socket_path, unsigned timeout_ms, struct hoist_client **ret_client, struct hst_error *err)
{
    struct hoist_client *client = calloc(1, sizeof *client);
    if (client == NULL) return hst_error_nomem(err);
    client->timeout_ms = timeout_ms > 0 ? timeout_ms : HST_CLIENT_TIMEOUT_MS;
    client->fd = hst_seqpacket_connect(socket_path, client->timeout_ms, err);
    int status = client->fd >= 0 ? greet(client, err) : client->fd;
    if (status < 0)
        hoist_disconnect(client);
    else
        *ret_client = client;
    return status;
}

void hoist_disconnect(struct hoist_client *client)
{
    if (client == NULL) return;
    hst_closep(&client->fd);
    free(client);
}

int hoist_client_fd(const struct hoist_client *client)
{
    return client->fd;
}
