/* A hoist-device that is none: it takes a channel and answers the first call as $CUDA_FALSE says. */
#include "gpu/message.h"
#include "os/helper.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

static int channel;

static void say(uint32_t verb, uint64_t sequence, int32_t status)
{
    struct hst_gpu_frame frame = {.sequence = sequence, .status = status};
    (void)hst_gpu_send(channel, verb, &frame, 1000, NULL);
}

static void say_bytes(const char *bytes)
{
    (void)hst_seqpacket_send(channel, &(struct hst_seqpacket_parts){.head = bytes, .head_length = strlen(bytes)}, NULL);
}

static void no_greeting(uint64_t sequence) { say(HST_GPU_RESULT, sequence, 0); }
static void nonsense(uint64_t sequence) { (void)sequence, say_bytes("nonsense"); }
static void result_of_another(uint64_t sequence) { say(HST_GPU_HELLO, 0, 0), say(HST_GPU_RESULT, sequence + 1, 0); }
static void two_greetings(uint64_t sequence) { say(HST_GPU_HELLO, 0, 0), say(HST_GPU_HELLO, sequence, 0); }
static void no_result(uint64_t sequence) { say(HST_GPU_HELLO, 0, 0), say(HST_GPU_FILL, sequence, 0); }
static void good_status(uint64_t sequence) { say(HST_GPU_HELLO, 0, 0), say(HST_GPU_RESULT, sequence, 5); }
static void too_few_files(uint64_t sequence) { say(HST_GPU_HELLO, 0, 0), say(HST_GPU_RESULT, sequence, 0); }
static void silence(uint64_t sequence) { (void)sequence, say(HST_GPU_HELLO, 0, 0), poll(NULL, 0, 60000); }

static void too_many_files(uint64_t sequence)
{
    static int fds[400];
    say(HST_GPU_HELLO, 0, 0);
    (void)hst_gpu_send_files(channel, fds, 400, sequence, 1000, NULL);
    say(HST_GPU_RESULT, sequence, 0);
}

static void only_progress(uint64_t sequence)
{
    say(HST_GPU_HELLO, 0, 0);
    for (int i = 0; i < 1000; i++) {
        say(HST_GPU_PROGRESS, sequence, 0);
        poll(NULL, 0, 10);
    }
}

static const struct {
    const char *name;
    void (*answer)(uint64_t sequence);
} manners[] = {{"no_greeting", no_greeting},     {"nonsense", nonsense},           {"result_of_another", result_of_another}, {"two_greetings", two_greetings},
               {"no_result", no_result},         {"good_status", good_status},     {"too_few_files", too_few_files},         {"silence", silence},
               {"too_many_files", too_many_files}, {"only_progress", only_progress}};

int main(void)
{
    struct hst_gpu_packet packet;
    const char *wanted = getenv("CUDA_FALSE");
    if (hst_gpu_receive(HST_HELPER_FD, &packet, 5000, NULL) < 0 || packet.files.count != 1 || wanted == NULL) return 1;
    channel = packet.files.fds[0];
    do
        if (hst_gpu_receive(channel, &packet, 5000, NULL) < 0) return 1;
    while (packet.frame.verb == HST_GPU_FILES);
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++)
        if (strcmp(manners[i].name, wanted) == 0) manners[i].answer(packet.frame.sequence);
    poll(NULL, 0, 100);
    return 0;
}
