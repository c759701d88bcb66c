/* Which cards there are: hoist-device prints a line for each, and every line is a packet here. */
#include "backend/cuda/internal.h"
#include "base/cleanup.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/helper.h"
#include "os/seqpacket.h"

#include <stdio.h>
#include <string.h>

/* A driver that has slept, with eight cards to wake, takes some seconds. */
enum { LIST_MS = 15000 };

/* Reading what it prints. */
struct reading {
    int fd;
    struct hst_gpu_card *cards;
    size_t count;
    char *why; /* of 256 bytes */
};

static void take_line(struct reading *reading, char *line)
{
    const char *none = hst_gpu_card_read_none(line);
    if (none != NULL) snprintf(reading->why, 256, "%.*s", (int)strcspn(none, "\n"), none);
    if (reading->count < HST_CUDA_CARDS_MAX && hst_gpu_card_read(line, &reading->cards[reading->count])) reading->count++;
}

/* Until the process has closed its end. HST_E_CANCELLED: it has not */
static int read_lines(struct reading *reading)
{
    uint64_t began = hst_clock_ns();
    for (;;) {
        HST_AUTO(hst_seqpacket_fds_close) struct hst_seqpacket_fds fds = {.count = 0};
        char line[HST_GPU_LINE_BYTES] = "";
        int left = LIST_MS - (int)hst_clock_ms_since(began);
        int length = hst_seqpacket_receive_within(reading->fd, line, sizeof line - 1, &fds, left > 0 ? left : 0, NULL);
        if (length == HST_E_UNREACHABLE) return HST_OK;
        HST_TRY(length);
        take_line(reading, line);
    }
}

static int start(const char *program, int *ret_fd, struct hst_helper *ret_helper, struct hst_error *err)
{
    static const char *const arguments[] = {"list", NULL};
    int ends[2];
    HST_TRY(hst_seqpacket_pair(ends, err));
    const struct hst_helper_command command = {program, arguments, hst_gpu_link_environment(), ends[1]};
    int status = hst_helper_start_as(&command, ret_helper, err);
    hst_closep(&ends[1]);
    *ret_fd = ends[0];
    if (status < 0) hst_closep(ret_fd);
    return status < 0 ? HST_E_DEVICE_FAILED : HST_OK;
}

/* Neither a card nor a reason: it did not come to that. */
static int explain(int status, const struct hst_helper *helper, int signal_number, struct hst_error *err)
{
    if (status == HST_E_CANCELLED) return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device list does not answer within %d ms", LIST_MS);
    if (signal_number != 0) return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device list ends with %s", hst_helper_signal_name(signal_number));
    return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device list says nothing (exit code %d)", helper->exit_code);
}

int hst_cuda_cards_ask(const char *program, struct hst_gpu_card cards[HST_CUDA_CARDS_MAX], size_t *ret_count, char ret_why[256], struct hst_error *err)
{
    struct hst_helper helper = {.fd = -1};
    struct hst_error why = {0};
    HST_AUTO(hst_closep) int fd = -1;
    ret_why[0] = '\0';
    if (start(program, &fd, &helper, &why) < 0) return hst_error_set(err, HST_E_DEVICE_FAILED, "%.400s", why.text);
    struct reading reading = {.fd = fd, .cards = cards, .why = ret_why};
    int status = read_lines(&reading);
    int signal_number = status < 0 ? hst_helper_kill(&helper) : hst_helper_reap(&helper);
    *ret_count = reading.count;
    if (reading.count > 0 || (ret_why[0] != '\0' && status == HST_OK)) return HST_OK;
    return explain(status, &helper, signal_number, err);
}

/* Of a card on this machine, the kernel shows something: so does that of a Jetson, and that of Windows under its Linux. */
static bool may_have_cards(void)
{
    static const char *const files[] = {"/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm", "/dev/nvmap", "/dev/nvhost-gpu", "/dev/dxg"};
    struct hst_file_id id;
    const char *driver = getenv("HOIST_CUDA_DRIVER");
    if (driver != NULL && driver[0] != '\0') return true;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (hst_file_is_writable(files[i])) return true;
    HST_AUTO(hst_closep) int fd = hst_file_open("/proc/driver/nvidia/version", &id, NULL); /* the module is there, its files are made when they are asked for */
    return fd >= 0;
}

static struct hst_cuda_card card_of(const struct hst_gpu_card *found)
{
    struct hst_cuda_card card = {.ordinal = (unsigned)found->ordinal, .total_bytes = found->info.total_bytes, .free_bytes = found->info.free_bytes,
                                 .granularity = found->granularity, .major = (int)found->major, .minor = (int)found->minor,
                                 .driver_version = (int)found->driver_version, .usable = found->usable != 0 && found->granularity > 0};
    memcpy(card.uuid, found->uuid, sizeof card.uuid);
    memcpy(card.name, found->name, sizeof card.name);
    memcpy(card.pci_bus_id, found->pci_bus_id, sizeof card.pci_bus_id);
    return card;
}

int hst_cuda_list(const char *program, struct hst_cuda_card cards[HST_CUDA_CARDS_MAX], size_t *ret_count, char ret_why[256], struct hst_error *err)
{
    struct hst_gpu_card found[HST_CUDA_CARDS_MAX];
    size_t count = 0;
    if (may_have_cards())
        HST_TRY(hst_cuda_cards_ask(program, found, &count, ret_why, err));
    else
        snprintf(ret_why, 256, "the kernel shows no NVIDIA card");
    for (size_t i = 0; i < count; i++)
        cards[i] = card_of(&found[i]);
    *ret_count = count;
    return HST_OK;
}
