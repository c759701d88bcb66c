#include "gpu/message.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int send_with(int fd, uint32_t verb, struct hst_gpu_frame *frame, const int *fds, size_t count, int timeout_ms, struct hst_error *err)
{
    frame->magic = HST_GPU_MAGIC;
    frame->verb = verb;
    const struct hst_seqpacket_parts parts = {.head = frame, .head_length = sizeof *frame, .fds = fds, .fd_count = count};
    return hst_seqpacket_send_within(fd, &parts, timeout_ms, err);
}

int hst_gpu_send(int fd, uint32_t verb, struct hst_gpu_frame *frame, int timeout_ms, struct hst_error *err)
{
    return send_with(fd, verb, frame, NULL, 0, timeout_ms, err);
}

int hst_gpu_send_files(int fd, const int *fds, size_t count, uint64_t sequence, int timeout_ms, struct hst_error *err)
{
    for (size_t at = 0; at < count; at += HST_SEQPACKET_FDS_MAX) {
        struct hst_gpu_frame frame = {.sequence = sequence};
        size_t some = (size_t)hst_min_u64(count - at, HST_SEQPACKET_FDS_MAX);
        HST_TRY(send_with(fd, HST_GPU_FILES, &frame, fds + at, some, timeout_ms, err));
    }
    return HST_OK;
}

int hst_gpu_send_channel(int fd, int channel, int timeout_ms, struct hst_error *err)
{
    struct hst_gpu_frame frame = {0};
    return send_with(fd, HST_GPU_CHANNEL, &frame, &channel, 1, timeout_ms, err);
}

static bool is_frame(const struct hst_gpu_packet *packet, int length)
{
    return (size_t)length == sizeof packet->frame && packet->frame.magic == HST_GPU_MAGIC && packet->frame.verb < HST_GPU_VERBS;
}

int hst_gpu_receive(int fd, struct hst_gpu_packet *packet, int timeout_ms, struct hst_error *err)
{
    packet->files.count = 0;
    int length = hst_seqpacket_receive_within(fd, &packet->frame, sizeof packet->frame, &packet->files, timeout_ms, err);
    HST_TRY(length);
    if (is_frame(packet, length)) {
        packet->frame.text[sizeof packet->frame.text - 1] = '\0';
        return HST_OK;
    }
    hst_seqpacket_fds_close(&packet->files);
    return hst_error_set(err, HST_E_PROTOCOL, "a packet is not what hoistd and hoist-device of one build say to each other");
}

int hst_gpu_files_add(struct hst_gpu_files *files, struct hst_gpu_packet *packet, size_t most, struct hst_error *err)
{
    size_t count = packet->files.count;
    if (count > most - files->count) return hst_error_set(err, HST_E_PROTOCOL, "more than %zu files come with a call", most);
    if (count == 0) return HST_OK;
    int *fds = reallocarray(files->fds, files->count + count, sizeof *fds);
    if (fds == NULL) return hst_error_nomem(err);
    memcpy(fds + files->count, packet->files.fds, count * sizeof *fds);
    packet->files.count = 0;
    files->fds = fds;
    files->count += count;
    return HST_OK;
}

void hst_gpu_files_fini(struct hst_gpu_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        close(files->fds[i]);
    free(files->fds);
    *files = (struct hst_gpu_files){0};
}

void hst_gpu_put_error(struct hst_gpu_frame *result, int status, const struct hst_error *why)
{
    result->status = status;
    if (status == HST_OK) return;
    result->required_bytes = why->required_bytes;
    result->available_bytes = why->available_bytes;
    memcpy(result->text, why->text, sizeof result->text);
}

int hst_gpu_take_error(struct hst_gpu_frame *result, struct hst_error *err)
{
    if (result->status == HST_OK) return HST_OK;
    if (result->status > 0) result->status = HST_E_PROTOCOL;
    hst_error_set(err, result->status, "%s", result->text);
    if (err == NULL) return result->status;
    err->required_bytes = result->required_bytes;
    err->available_bytes = result->available_bytes;
    return result->status;
}

unsigned hst_gpu_info_named(const struct hst_gpu_info *info)
{
    unsigned count = 0;
    while (count < HST_GPU_PROCESSES && info->processes[count].pid != 0)
        count++;
    return count;
}
