#include "keeper/dial.h"

#include "base/cleanup.h"
#include "os/file.h"
#include "os/helper.h"

enum { CONNECT_MS = 200 };

/* An answer to this request, whatever it is. */
static int ask(int fd, const struct hst_keeper_frame *frame, int timeout_ms, struct hst_keeper_frame *ret_answer, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_keeper_packet *packet = malloc(sizeof *packet);
    if (packet == NULL) return hst_error_nomem(err);
    HST_TRY(hst_keeper_send(fd, frame, NULL, timeout_ms, err));
    HST_TRY(hst_keeper_receive(fd, packet, timeout_ms, err));
    hst_seqpacket_fds_close(&packet->files);
    *ret_answer = packet->frame;
    return HST_OK;
}

static int greet(int fd, unsigned wait_seconds, int timeout_ms, struct hst_dialled *ret_dialled, struct hst_error *err)
{
    struct hst_keeper_frame hello = hst_keeper_hello(wait_seconds), answer;
    HST_TRY(ask(fd, &hello, timeout_ms, &answer, err));
    if (!hst_keeper_understands(&answer)) return hst_error_set(err, HST_E_PROTOCOL, "the keeper that runs is of another version");
    *ret_dialled = (struct hst_dialled){.pid = (int32_t)answer.flags, .items = answer.size_bytes, .highest_item = answer.id};
    return HST_OK;
}

/* One that is there. */
static int connect_there(const char *socket, unsigned wait_seconds, int timeout_ms, struct hst_dialled *ret_dialled, struct hst_error *err)
{
    HST_AUTO(hst_closep) int fd = hst_seqpacket_connect(socket, CONNECT_MS, err);
    HST_TRY(fd);
    int status = greet(fd, wait_seconds, timeout_ms, ret_dialled, err);
    if (status == HST_E_PROTOCOL) hst_dial_goodbye(fd, NULL);
    HST_TRY(status);
    ret_dialled->fd = hst_steal_fd(&fd);
    return HST_OK;
}

/* It listens on a socket that is there before it runs: whoever connects does not have to wait for it. */
static int start(const char *socket, const char *program, int *ret_pid, struct hst_error *err)
{
    HST_AUTO(hst_closep) int listener = hst_seqpacket_listen(socket, 0600, -1, err);
    HST_TRY(listener);
    int status = hst_helper_start_apart(program, listener, ret_pid, err);
    if (status < 0) hst_file_remove(socket);
    return status;
}

int hst_dial(const char *socket, const char *program, unsigned wait_seconds, struct hst_dialled *ret_dialled, struct hst_error *err)
{
    int child;
    if (connect_there(socket, wait_seconds, HST_KEEPER_END_MS, ret_dialled, err) == HST_OK) return HST_OK;
    HST_TRY(start(socket, program, &child, err));
    int status = connect_there(socket, wait_seconds, HST_KEEPER_START_MS, ret_dialled, err);
    if (status == HST_OK)
        ret_dialled->child = child;
    else
        hst_helper_kill(&(struct hst_helper){.pid = child, .fd = -1});
    return status;
}

int hst_dial_goodbye(int fd, struct hst_error *err)
{
    struct hst_keeper_frame goodbye = {.verb = HST_KEEPER_GOODBYE}, answer;
    int status = ask(fd, &goodbye, HST_KEEPER_END_MS, &answer, err);
    while (status == HST_OK)
        status = ask(fd, &goodbye, HST_KEEPER_END_MS, &answer, err); /* that was the answer to something else */
    return status == HST_E_UNREACHABLE ? HST_OK : hst_error_set(err, HST_E_UNREACHABLE, "hoist-keeper does not end");
}

int hst_dial_dismiss(const char *socket, struct hst_error *err)
{
    struct hst_error why = {0};
    HST_AUTO(hst_closep) int fd = hst_seqpacket_connect(socket, CONNECT_MS, &why);
    if (fd < 0) return 0;
    HST_TRY(hst_dial_goodbye(fd, err));
    return 1;
}
