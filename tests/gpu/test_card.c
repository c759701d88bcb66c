/* What hoist's design rests on, asked of the card itself: memory lives in descriptors, whoever made it; what is mapped for reading cannot be written; what is in several
 * pieces is one range. Each step runs in a process of its own, as in use, and as a driver that was used must not be forked. Without $HOIST_GPU_TEST nothing is
 * asked: it takes memory of a card that others may compute on. */
#include "cmocka_all.h"
#include "cuda/mapping.h"
#include "os/seqpacket.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
enum { PARTS_MAX = 4, WAIT_MS = 60000, NO_CARD = 77 };

/* A process that is asked to do one thing; `fds` are memory. */
struct task {
    int (*work)(const struct task *task);
    const struct hst_cuda_part *parts;
    size_t count;
    int channel; /* to who asks */
};
/* What it answers. */
struct answer {
    int result;
    uint64_t value;
    char text[256];
};

static const struct hst_cuda_driver *cu;
static struct answer said; /* by this process */

/* ---- in a process of its own ---- */

static int failed(const char *what, int result)
{
    struct hst_error err = {0};
    said.result = result;
    (void)hst_cuda_error(cu, result, what, &err);
    snprintf(said.text, sizeof said.text, "%.255s", err.text);
    return 1;
}
#define CU(expression)                                                                                                                                           \
    do {                                                                                                                                                         \
        int result_ = (expression);                                                                                                                              \
        if (result_ != HST_CU_SUCCESS) return failed(#expression, result_);                                                                                        \
    } while (0)

static int open_card(void)
{
    struct hst_error err = {0};
    void *context;
    if (hst_cuda_driver_get(&cu, &err) < 0) {
        snprintf(said.text, sizeof said.text, "%.255s", err.text);
        return NO_CARD;
    }
    CU(cu->cuDevicePrimaryCtxRetain(&context, 0));
    CU(cu->cuCtxSetCurrent(context));
    return 0;
}

static int map(const struct task *task, int access, struct hst_cuda_mapping *ret_mapping)
{
    struct hst_error err = {0};
    if (hst_cuda_map(cu, 0, task->parts, task->count, access, ret_mapping, &err) == 0) return 0;
    snprintf(said.text, sizeof said.text, "%.255s", err.text);
    return 1;
}

/* A byte at an offset of what was written: no two neighbours, and no two pieces, are alike. */
static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 2654435761u >> 24 ^ offset >> 3);
}

static int put_pattern(unsigned long long address, uint64_t bytes)
{
    unsigned char *buffer = malloc(bytes);
    if (buffer == NULL) return 1;
    for (uint64_t i = 0; i < bytes; i++)
        buffer[i] = byte_at(i);
    int result = cu->cuMemcpyHtoDAsync(address, buffer, bytes, NULL);
    if (result == HST_CU_SUCCESS) result = cu->cuCtxSynchronize();
    free(buffer);
    CU(result);
    return 0;
}

static int compare_pattern(unsigned long long address, uint64_t bytes)
{
    unsigned char *buffer = calloc(1, bytes);
    if (buffer == NULL) return 1;
    int result = cu->cuMemcpyDtoHAsync(buffer, address, bytes, NULL);
    if (result == HST_CU_SUCCESS) result = cu->cuCtxSynchronize();
    uint64_t same = 0;
    while (same < bytes && buffer[same] == byte_at(same))
        same++;
    free(buffer);
    CU(result);
    said.value = same;
    if (same < bytes) snprintf(said.text, sizeof said.text, "byte %llu is another one", (unsigned long long)same);
    return same < bytes;
}

/* What a test takes: a part of the card, as a multiple of the granularity. */
static int size_of_part(uint64_t *ret_bytes)
{
    const struct hst_cu_allocation wanted = {.type = HST_CU_ALLOCATION_PINNED, .handle_types = HST_CU_HANDLE_POSIX_FD, .location = {HST_CU_LOCATION_DEVICE, 0}};
    size_t total, granularity;
    CU(cu->cuDeviceTotalMem(&total, 0));
    CU(cu->cuMemGetAllocationGranularity(&granularity, &wanted, HST_CU_GRANULARITY_MINIMUM));
    uint64_t bytes = total / 32 < 64 * MIB ? total / 32 : 64 * MIB;
    *ret_bytes = bytes / granularity * granularity;
    return *ret_bytes == 0;
}

static int make_part(uint64_t bytes, int *ret_fd)
{
    const struct hst_cu_allocation wanted = {.type = HST_CU_ALLOCATION_PINNED, .handle_types = HST_CU_HANDLE_POSIX_FD, .location = {HST_CU_LOCATION_DEVICE, 0}};
    unsigned long long handle;
    CU(cu->cuMemCreate(&handle, bytes, &wanted, 0));
    CU(cu->cuMemExportToShareableHandle(ret_fd, handle, HST_CU_HANDLE_POSIX_FD, 0));
    CU(cu->cuMemRelease(handle));
    return 0;
}

static int send_answer(int channel, const int *fds, size_t fd_count)
{
    const struct hst_seqpacket_parts packet = {&said, sizeof said, NULL, 0, fds, fd_count};
    return hst_seqpacket_send(channel, &packet, NULL) == 1 ? 0 : 1;
}

/* Memory in `task->count` parts, filled with the pattern; sent; then it stays alive until it is killed. */
static int create(const struct task *task)
{
    int fds[PARTS_MAX];
    struct hst_cuda_part parts[PARTS_MAX];
    const struct task own = {.parts = parts, .count = task->count};
    struct hst_cuda_mapping mapping = {0};
    uint64_t bytes = 0;
    int status = open_card();
    if (status == 0) status = size_of_part(&bytes);
    for (size_t i = 0; status == 0 && i < task->count; i++) {
        status = make_part(bytes, &fds[i]);
        parts[i] = (struct hst_cuda_part){fds[i], bytes};
    }
    if (status == 0) status = map(&own, HST_CU_ACCESS_READ_WRITE, &mapping);
    if (status == 0) status = put_pattern(mapping.address, mapping.size_bytes);
    said.value = bytes;
    if (status != 0 || send_answer(task->channel, fds, task->count) != 0) return status != 0 ? status : 1;
    while (true)
        pause();
}

/* Has the memory the pattern, as one contiguous range? */
static int compare(const struct task *task)
{
    struct hst_cuda_mapping mapping = {0};
    int status = open_card();
    if (status == 0) status = map(task, HST_CU_ACCESS_READ, &mapping);
    return status == 0 ? compare_pattern(mapping.address, mapping.size_bytes) : status;
}

/* How much of the card is free? */
static int ask_free(const struct task *task)
{
    size_t free_bytes = 0, total;
    (void)task;
    int status = open_card();
    if (status != 0) return status;
    CU(cu->cuMemGetInfo(&free_bytes, &total));
    said.value = free_bytes;
    return 0;
}

/* Write to what is mapped for reading, by the copy engine. Well when the driver refuses. */
static int write_by_copy(const struct task *task)
{
    struct hst_cuda_mapping mapping = {0};
    char byte = 'x';
    int status = open_card();
    if (status == 0) status = map(task, HST_CU_ACCESS_READ, &mapping);
    if (status != 0) return status;
    int result = cu->cuMemcpyHtoDAsync(mapping.address, &byte, 1, NULL);
    if (result == HST_CU_SUCCESS) result = cu->cuCtxSynchronize();
    said.result = result;
    return result == HST_CU_SUCCESS;
}

/* Stores 0 at the address that it is given. */
static const char store_kernel[] = ".version 6.0\n.target sm_70\n.address_size 64\n"
                                   ".visible .entry store(.param .u64 to)\n{\n"
                                   "    .reg .b64 at;\n    .reg .b32 nothing;\n"
                                   "    ld.param.u64 at, [to];\n    cvta.to.global.u64 at, at;\n    mov.b32 nothing, 0;\n    st.global.b32 [at], nothing;\n    ret;\n}\n";

/* The same by a kernel. */
static int write_by_kernel(const struct task *task)
{
    struct hst_cuda_mapping mapping = {0};
    void *module, *function;
    int status = open_card();
    if (status == 0) status = map(task, HST_CU_ACCESS_READ, &mapping);
    if (status != 0) return status;
    CU(cu->cuModuleLoadData(&module, store_kernel));
    CU(cu->cuModuleGetFunction(&function, module, "store"));
    void *parameters[] = {&mapping.address};
    int result = cu->cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL);
    if (result == HST_CU_SUCCESS) result = cu->cuCtxSynchronize();
    said.result = result;
    return result == HST_CU_SUCCESS;
}

/* ---- who asks ---- */

static pid_t begin(struct task task, int *ret_channel)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        task.channel = ends[1];
        int status = task.work(&task);
        (void)send_answer(ends[1], NULL, 0);
        _exit(status);
    }
    close(ends[1]);
    *ret_channel = ends[0];
    return pid;
}

static struct answer receive(int channel, struct hst_seqpacket_fds *ret_fds)
{
    struct answer answer = {.text = "nothing was said"};
    assert_true(hst_seqpacket_wait(channel, false, WAIT_MS));
    (void)hst_seqpacket_receive(channel, &answer, sizeof answer, ret_fds, NULL);
    return answer;
}

/* Have it done in a process of its own. @return the exit status */
static int ask(int (*work)(const struct task *task), const struct hst_cuda_part *parts, size_t count, struct answer *ret_answer)
{
    struct hst_seqpacket_fds fds = {0};
    int channel, status;
    pid_t pid = begin((struct task){.work = work, .parts = parts, .count = count}, &channel);
    *ret_answer = receive(channel, &fds);
    hst_seqpacket_fds_close(&fds);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(channel);
    if (WEXITSTATUS(status) != 0) print_message("%s (CUresult %d)\n", ret_answer->text, ret_answer->result);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Memory whose creator is dead, killed without a chance to do anything. */
struct orphan {
    struct hst_seqpacket_fds fds;
    struct hst_cuda_part parts[PARTS_MAX];
    size_t count;
};

static void make_orphan(size_t count, struct orphan *ret_orphan)
{
    int channel, status;
    pid_t pid = begin((struct task){.work = create, .count = count}, &channel);
    struct answer answer = receive(channel, &ret_orphan->fds);
    if (ret_orphan->fds.count != count) print_message("%s\n", answer.text);
    assert_int_equal(ret_orphan->fds.count, count);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(channel);
    ret_orphan->count = count;
    for (size_t i = 0; i < count; i++)
        ret_orphan->parts[i] = (struct hst_cuda_part){ret_orphan->fds.fds[i], answer.value};
}

static int skip_without_card(void **state)
{
    struct answer answer;
    (void)state;
    if (getenv("HOIST_GPU_TEST") == NULL) {
        print_message("HOIST_GPU_TEST is not set\n");
        return 0;
    }
    return ask(ask_free, NULL, 0, &answer) == NO_CARD ? -1 : 0;
}
#define NEEDS_CARD()                                                                                                                                             \
    (void)state;                                                                                                                                                 \
    if (getenv("HOIST_GPU_TEST") == NULL) skip()

static void memory_outlives_a_killed_creator_while_only_a_descriptor_is_held(void **state)
{
    struct orphan orphan;
    struct answer answer;
    NEEDS_CARD();
    make_orphan(1, &orphan);
    assert_int_equal(ask(compare, orphan.parts, 1, &answer), 0);
    assert_int_equal(ask(compare, orphan.parts, 1, &answer), 0); /* and that one did not take it along */
    hst_seqpacket_fds_close(&orphan.fds);
}

static void memory_is_free_when_its_last_descriptor_is_closed(void **state)
{
    struct orphan orphan;
    struct answer before, held, after;
    NEEDS_CARD();
    assert_int_equal(ask(ask_free, NULL, 0, &before), 0);
    make_orphan(PARTS_MAX, &orphan);
    uint64_t bytes = PARTS_MAX * orphan.parts[0].size_bytes;
    assert_int_equal(ask(ask_free, NULL, 0, &held), 0);
    hst_seqpacket_fds_close(&orphan.fds);
    assert_int_equal(ask(ask_free, NULL, 0, &after), 0);
    assert_true(held.value + bytes / 2 < before.value); /* others may use the card: so close, no closer */
    assert_true(after.value + bytes / 2 > before.value);
}

static void pieces_are_one_range_in_their_order(void **state)
{
    struct orphan orphan;
    struct answer answer;
    NEEDS_CARD();
    make_orphan(PARTS_MAX, &orphan);
    assert_int_equal(ask(compare, orphan.parts, PARTS_MAX, &answer), 0);
    const struct hst_cuda_part turned[] = {orphan.parts[1], orphan.parts[0]};
    assert_int_equal(ask(compare, turned, 2, &answer), 1);
    hst_seqpacket_fds_close(&orphan.fds);
}

static void refuses(int (*work)(const struct task *task))
{
    struct orphan orphan;
    struct answer answer;
    make_orphan(1, &orphan);
    assert_int_equal(ask(work, orphan.parts, 1, &answer), 0);
    print_message("the driver says %d\n", answer.result);
    assert_int_equal(ask(compare, orphan.parts, 1, &answer), 0); /* nothing of it has changed, and whoever reads it goes on */
    hst_seqpacket_fds_close(&orphan.fds);
}

static void a_copy_to_what_is_mapped_for_reading_changes_nothing(void **state)
{
    NEEDS_CARD();
    refuses(write_by_copy);
}

static void a_kernel_that_writes_to_it_fails_in_its_own_process_alone(void **state)
{
    NEEDS_CARD();
    refuses(write_by_kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_outlives_a_killed_creator_while_only_a_descriptor_is_held),
        cmocka_unit_test(memory_is_free_when_its_last_descriptor_is_closed),
        cmocka_unit_test(pieces_are_one_range_in_their_order),
        cmocka_unit_test(a_copy_to_what_is_mapped_for_reading_changes_nothing),
        cmocka_unit_test(a_kernel_that_writes_to_it_fails_in_its_own_process_alone),
    };
    return cmocka_run_group_tests(tests, skip_without_card, NULL);
}
