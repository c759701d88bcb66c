/* A hoist-device comes when it is needed and goes when it is not; it works for several threads at once, from files of any kind. */
#include "loading.h"
#include "os/clock.h"
#include "os/helper.h"
#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

static int start(void **state)
{
    (void)state;
    loading_init(&the_loading, "1G");
    return 0;
}

static bool wait_until_gone(struct loading *loading, unsigned ms)
{
    uint64_t began = hst_clock_ns();
    while (hst_gpu_link_is_running(loading->link) && hst_clock_ms_since(began) < ms)
        poll(NULL, 0, 5);
    return !hst_gpu_link_is_running(loading->link);
}

static void nothing_runs_before_the_first_call(void **state)
{
    struct loading *loading = *state;
    assert_false(hst_gpu_link_is_running(loading->link));
    loading_works(loading);
    assert_true(hst_gpu_link_is_running(loading->link));
}

static void one_without_work_ends_and_another_comes(void **state)
{
    struct loading *loading = *state;
    loading_link(loading, 20000, 1);
    loading_works(loading);
    assert_true(wait_until_gone(loading, 5000));
    loading_works(loading);
}

/* Who shows figures every second would keep a context of some 500 MB alive. */
static void being_asked_for_figures_is_no_work(void **state)
{
    struct loading *loading = *state;
    struct hst_gpu_info info;
    loading_link(loading, 20000, 1);
    loading_works(loading);
    for (int i = 0; i < 40 && hst_gpu_link_is_running(loading->link); i++) {
        if (hst_gpu_link_info(loading->link, &info, NULL) < 0) break;
        poll(NULL, 0, 50);
        if (i == 39) fail_msg("it still runs after 2 s");
    }
}

static void figures_are_those_of_the_driver(void **state)
{
    struct loading *loading = *state;
    struct hst_gpu_info info;
    card_script(&loading->card, "set others 1048576\nset temperature 61\nset utilization 7\nset ecc 2\n");
    assert_int_equal(hst_gpu_link_info(loading->link, &info, NULL), 0);
    assert_int_equal(info.total_bytes, 1024 * MIB);
    assert_int_equal(info.free_bytes, 1023 * MIB);
    assert_int_equal(info.used_bytes, MIB);
    assert_int_equal(info.temperature_c, 61);
    assert_int_equal(info.utilization_percent, 7);
    assert_int_equal(info.ecc_errors, 2);
}

static void who_computes_on_the_card_is_told(void **state)
{
    struct loading *loading = *state;
    struct hst_gpu_info info;
    assert_int_equal(hst_gpu_link_info(loading->link, &info, NULL), 0);
    assert_int_equal(info.process_count, 2); /* and we */
    assert_int_equal(hst_gpu_info_named(&info), 2);
    assert_int_equal(info.processes[0].pid + info.processes[1].pid, (uint64_t)hst_gpu_link_pid(loading->link) + hst_process_id());
    assert_int_equal(info.own_pids, 1);
}

static uint64_t who_uses_most(struct loading *loading)
{
    struct hst_gpu_info info;
    assert_int_equal(hst_gpu_link_info(loading->link, &info, NULL), 0);
    assert_true(info.processes[0].used_bytes > info.processes[1].used_bytes);
    return info.processes[0].pid;
}

static void who_uses_most_is_first(void **state)
{
    struct loading *loading = *state;
    const struct hst_cu_allocation allocation = {HST_CU_ALLOCATION_PINNED, HST_CU_HANDLE_POSIX_FD, {HST_CU_LOCATION_DEVICE, 0}, NULL, {0}};
    unsigned long long handle;
    int fds[SEGMENTS];
    assert_int_equal(hst_gpu_link_allocate(loading->link, loading->sizes, SEGMENTS, fds, NULL), 0);
    assert_int_equal(who_uses_most(loading), hst_gpu_link_pid(loading->link));
    assert_int_equal(loading->card.driver->cuMemCreate(&handle, 64 * MIB, &allocation, 0), 0);
    assert_int_equal(who_uses_most(loading), hst_process_id());
    assert_int_equal(loading->card.driver->cuMemRelease(handle), 0);
    for (size_t i = 0; i < SEGMENTS; i++)
        close(fds[i]);
}

static void an_xid_is_told(void **state)
{
    struct loading *loading = *state;
    struct hst_gpu_info info;
    card_script(&loading->card, "set xid 13\n");
    assert_int_equal(hst_gpu_link_info(loading->link, &info, NULL), 0);
    assert_int_equal(info.xid, 0); /* from before anybody watched */
    card_script(&loading->card, "set xid 31\n");
    assert_int_equal(hst_gpu_link_info(loading->link, &info, NULL), 0);
    assert_int_equal(info.xid, 31);
}

/* What ends a process is told by it: the next one has not seen it. */
static void an_xid_that_ends_the_process_is_told(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    loading_works(loading);
    assert_int_equal(hst_gpu_link_xid(loading->link), UINT64_MAX); /* nobody asked */
    card_script(&loading->card, "set xid 48\n@hoist-device cuMemCreate * = 719 sticky\n");
    assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_LOST);
    assert_int_equal(hst_gpu_link_xid(loading->link), 48);
    card_script(&loading->card, "set xid 48\n");
    loading_works(loading);
    assert_int_equal(hst_gpu_link_xid(loading->link), 48);
}

static void *load_a_few_times(void *arg)
{
    struct loading *loading = arg;
    for (int i = 0; i < 3; i++) {
        int fds[SEGMENTS];
        assert_int_equal(hst_gpu_link_allocate(loading->link, loading->sizes, SEGMENTS, fds, NULL), 0);
        assert_int_equal(loading_fill(loading, fds, NULL), 0);
        bool is_equal = false;
        const struct hst_gpu_memory memory = {fds, loading->sizes, SEGMENTS};
        const struct hst_gpu_reading reading = {.sources = &loading->ram.fd, .source_count = 1, .extents = loading->extents, .extent_count = SEGMENTS};
        assert_int_equal(hst_gpu_link_compare(loading->link, &memory, &reading, &is_equal, NULL), 0);
        assert_true(is_equal);
        for (size_t k = 0; k < SEGMENTS; k++)
            close(fds[k]);
    }
    return NULL;
}

/* More of them than there are lanes for: some wait. */
static void threads_do_not_wait_for_each_other_for_ever(void **state)
{
    struct loading *loading = *state;
    enum { THREADS = 40 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_a_few_times, loading), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* Pieces that follow each other nowhere: each lies where another one was. */
static void tens_of_thousands_of_runs_arrive(void **state)
{
    enum { RUNS = 50000, RUN = 40 };
    struct loading *loading = *state;
    struct hst_gpu_extent *extents = calloc(RUNS, sizeof *extents);
    const uint64_t size = 2 * MIB;
    int fd;
    for (size_t i = 0; i < RUNS; i++)
        extents[i] = (struct hst_gpu_extent){.offset = (RUNS - 1 - i) * RUN, .size_bytes = RUN, .to = i * RUN};
    const struct hst_gpu_reading reading = {.sources = &loading->ram.fd, .source_count = 1, .extents = extents, .extent_count = RUNS};
    assert_int_equal(hst_gpu_link_allocate(loading->link, &size, 1, &fd, NULL), 0);
    assert_int_equal(hst_gpu_link_fill(loading->link, &(struct hst_gpu_memory){&fd, &size, 1}, &reading, NULL), 0);
    char *bytes = card_read(&loading->card, &(struct hst_device_segment){fd, size}, 1);
    for (size_t i = 0; i < RUNS; i++)
        assert_memory_equal(bytes + i * RUN, (char *)loading->ram.address + (RUNS - 1 - i) * RUN, RUN);
    free(bytes);
    free(extents);
    close(fd);
}

/* Enough for several lanes: the 20 MiB seven times over. @return as a fill; what arrived is looked at */
static int load_much(struct loading *loading)
{
    enum { TIMES = 7 };
    const uint64_t size = TIMES * 20 * MIB;
    struct hst_gpu_extent extents[TIMES];
    int fd;
    for (uint64_t i = 0; i < TIMES; i++)
        extents[i] = (struct hst_gpu_extent){.size_bytes = 20 * MIB, .to = i * 20 * MIB};
    const struct hst_gpu_reading reading = {.sources = &loading->ram.fd, .source_count = 1, .extents = extents, .extent_count = TIMES};
    HST_TRY(hst_gpu_link_allocate(loading->link, &size, 1, &fd, NULL));
    int status = hst_gpu_link_fill(loading->link, &(struct hst_gpu_memory){&fd, &size, 1}, &reading, NULL);
    char *bytes = card_read(&loading->card, &(struct hst_device_segment){fd, size}, 1);
    for (size_t i = 0; i < TIMES && status == HST_OK; i++)
        assert_memory_equal(bytes + i * 20 * MIB, loading->ram.address, 20 * MIB);
    free(bytes);
    close(fd);
    return status;
}

static void a_large_load_uses_several_lanes(void **state)
{
    struct loading *loading = *state;
    card_script(&loading->card, "@hoist-device cuStreamCreate 4 delay 1\n");
    assert_int_equal(load_much(loading), 0);
    card_script(&loading->card, "@hoist-device cuStreamCreate 1+ = 2\n"); /* all are there by now */
    assert_int_equal(load_much(loading), 0);
}

static void one_lane_does_what_several_would_have_done(void **state)
{
    struct loading *loading = *state;
    card_script(&loading->card, "@hoist-device cuStreamCreate 2+ = 2\n");
    int status = load_much(loading);
    assert_true(status == HST_OK || status == HST_E_OUT_OF_DEVICE_MEMORY); /* the first thread's lane may be the one that is refused */
    card_script(&loading->card, "");
    assert_int_equal(load_much(loading), 0);
}

static void one_lane_that_fails_ends_the_others(void **state)
{
    struct loading *loading = *state;
    for (int n = 1; n < 35; n += 3) {
        loading_script(loading, "@hoist-device cuMemcpyHtoDAsync %d = 1\n", n);
        assert_int_equal(load_much(loading), HST_E_DEVICE_FAILED);
        assert_int_equal(card_free_bytes(&loading->card), loading->free_bytes);
    }
    card_script(&loading->card, "");
    assert_int_equal(load_much(loading), 0);
}

/* A file on a disk, none of which is in the page cache, from an odd byte on to an odd byte. */
static void a_cold_file_arrives(void **state)
{
    struct loading *loading = *state;
    char path[] = "/var/tmp/hoist-cold-XXXXXX";
    const uint64_t size = 20 * MIB;
    int file = mkstemp(path), fd;
    unlink(path);
    assert_int_equal(write(file, loading->ram.address, size), size);
    assert_int_equal(fsync(file) + posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    const struct hst_gpu_extent extent = {.offset = 4097, .size_bytes = size - 4097 - 1, .to = 1};
    const struct hst_gpu_reading reading = {.sources = &file, .source_count = 1, .extents = &extent, .extent_count = 1};
    assert_int_equal(hst_gpu_link_allocate(loading->link, &size, 1, &fd, NULL), 0);
    assert_int_equal(hst_gpu_link_fill(loading->link, &(struct hst_gpu_memory){&fd, &size, 1}, &reading, NULL), 0);
    char *bytes = card_read(&loading->card, &(struct hst_device_segment){fd, size}, 1);
    assert_memory_equal(bytes + 1, (char *)loading->ram.address + 4097, size - 4098);
    free(bytes);
    close(fd);
    close(file);
}

/* Where the driver pins no memory, plain memory does. */
static void a_load_works_without_pinned_memory(void **state)
{
    struct loading *loading = *state;
    card_script(&loading->card, "@hoist-device cuMemHostAlloc * = 2\n");
    assert_int_equal(loading_once(loading, NULL), 0);
}

static void limits_are_kept(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    int fds[1];
    assert_int_equal(hst_gpu_link_allocate(loading->link, loading->sizes, 0, fds, &err), HST_E_LIMIT_EXCEEDED);
    assert_int_equal(hst_gpu_link_allocate(loading->link, loading->sizes, 257, fds, &err), HST_E_LIMIT_EXCEEDED);
    const struct hst_gpu_memory memory = {fds, loading->sizes, 1};
    assert_int_equal(hst_gpu_link_fill(loading->link, &memory, &(struct hst_gpu_reading){.source_count = 1025}, &err), HST_E_LIMIT_EXCEEDED);
    assert_false(hst_gpu_link_is_running(loading->link));
}

static void a_program_that_is_not_there_is_said(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    struct hst_gpu_info info;
    hst_gpu_link_free(loading->link);
    assert_int_equal(hst_gpu_link_new(&(struct hst_gpu_link_config){.program = "/no/hoist-device", .uuid = "GPU-1"}, &loading->link, NULL), 0);
    assert_int_equal(hst_gpu_link_info(loading->link, &info, &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "/no/hoist-device"));
    for (int i = 0; i < 20 && strstr(err.text, "the next start is in") == NULL; i++)
        assert_int_equal(hst_gpu_link_info(loading->link, &info, &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "the next start is in"));
}

static void a_card_that_is_not_there_is_said(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    struct hst_gpu_info info;
    hst_gpu_link_free(loading->link);
    assert_int_equal(hst_gpu_link_new(&(struct hst_gpu_link_config){.program = loading->card.program, .uuid = "GPU-1"}, &loading->link, NULL), 0);
    assert_int_equal(hst_gpu_link_info(loading->link, &info, &err), HST_E_DEVICE_UNAVAILABLE);
    assert_non_null(strstr(err.text, "GPU-1"));
    assert_false(hst_gpu_link_is_running(loading->link));
}

/* ---- a hoistd that is not there, or not right in its mind ---- */

static struct hst_helper start_alone(const struct loading *loading)
{
    const char *const arguments[] = {"serve", loading->card.found.uuid, "30", NULL};
    struct hst_helper helper;
    assert_int_equal(hst_helper_start_as(&(struct hst_helper_command){loading->card.program, arguments, hst_gpu_link_environment(), 0}, &helper, NULL), 0);
    return helper;
}

static void it_ends_with_hoistd_whatever_it_does(void **state)
{
    struct loading *loading = *state;
    struct hst_helper helper = start_alone(loading);
    struct hst_gpu_frame frame = {.sequence = 1};
    int ends[2];
    card_script(&loading->card, "@hoist-device cuCtxCreate * hang\n");
    assert_int_equal(hst_seqpacket_pair(ends, NULL), 0);
    assert_int_equal(hst_gpu_send_channel(helper.fd, ends[1], 1000, NULL), 0);
    close(ends[1]);
    int sheet = hst_memfd_from_bytes("sheet", "", 0, NULL);
    assert_int_equal(hst_gpu_send_files(ends[0], &sheet, 1, 1, 1000, NULL), 0);
    assert_int_equal(hst_gpu_send(ends[0], HST_GPU_INFO, &frame, 1000, NULL), 0);
    poll(NULL, 0, 100);
    int signal_number = hst_helper_reap(&helper);
    if (getenv("HOIST_SANITIZED") == NULL) assert_int_equal(signal_number, 0); /* by itself; a sanitizer waits a second for threads that hang */
    close(sheet);
    close(ends[0]);
}

static void nonsense_ends_a_channel_and_nothing_else(void **state)
{
    struct loading *loading = *state;
    struct hst_helper helper = start_alone(loading);
    struct hst_gpu_packet packet;
    int ends[2];
    assert_int_equal(hst_seqpacket_pair(ends, NULL), 0);
    assert_int_equal(hst_gpu_send_channel(helper.fd, ends[1], 1000, NULL), 0);
    close(ends[1]);
    assert_int_equal(hst_gpu_receive(ends[0], &packet, 5000, NULL), 0);
    assert_int_equal(packet.frame.verb, HST_GPU_HELLO);
    assert_int_equal(hst_seqpacket_send(ends[0], &(struct hst_seqpacket_parts){.head = "nonsense", .head_length = 8}, NULL), 1);
    assert_int_equal(hst_gpu_receive(ends[0], &packet, 5000, NULL), HST_E_UNREACHABLE);
    assert_false(hst_seqpacket_wait(helper.fd, false, 50));
    assert_int_equal(hst_seqpacket_send(helper.fd, &(struct hst_seqpacket_parts){.head = "nonsense", .head_length = 8}, NULL), 1);
    assert_true(hst_seqpacket_wait(helper.fd, false, 5000)); /* on the first socket, it is not hoistd that speaks */
    hst_helper_reap(&helper);
    close(ends[0]);
}

/* What no hoistd asks. */
static void a_call_that_is_none_is_refused(void **state)
{
    struct loading *loading = *state;
    struct hst_helper helper = start_alone(loading);
    struct hst_gpu_packet packet;
    int ends[2];
    assert_int_equal(hst_seqpacket_pair(ends, NULL), 0);
    assert_int_equal(hst_gpu_send_channel(helper.fd, ends[1], 1000, NULL), 0);
    close(ends[1]);
    assert_int_equal(hst_gpu_receive(ends[0], &packet, 5000, NULL), 0);
    for (uint32_t verb = 0; verb < HST_GPU_VERBS; verb++) {
        struct hst_gpu_frame frame = {.sequence = verb, .segments = 4000000000u, .extents = UINT64_MAX};
        if (verb == HST_GPU_FILES || verb == HST_GPU_CANCEL) continue;
        assert_int_equal(hst_gpu_send(ends[0], verb, &frame, 1000, NULL), 0);
        assert_int_equal(hst_gpu_receive(ends[0], &packet, 5000, NULL), 0);
        assert_int_equal(packet.frame.sequence, verb);
        assert_int_equal(packet.frame.status, HST_E_INVALID_ARGUMENT);
    }
    hst_helper_reap(&helper);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loading_test(nothing_runs_before_the_first_call),
        loading_test(one_without_work_ends_and_another_comes),
        loading_test(being_asked_for_figures_is_no_work),
        loading_test(figures_are_those_of_the_driver),
        loading_test(who_computes_on_the_card_is_told),
        loading_test(who_uses_most_is_first),
        loading_test(an_xid_is_told),
        loading_test(an_xid_that_ends_the_process_is_told),
        loading_test(threads_do_not_wait_for_each_other_for_ever),
        loading_test(tens_of_thousands_of_runs_arrive),
        loading_test(a_large_load_uses_several_lanes),
        loading_test(one_lane_does_what_several_would_have_done),
        loading_test(one_lane_that_fails_ends_the_others),
        loading_test(a_cold_file_arrives),
        loading_test(a_load_works_without_pinned_memory),
        loading_test(limits_are_kept),
        loading_test(a_program_that_is_not_there_is_said),
        loading_test(a_card_that_is_not_there_is_said),
        loading_test(it_ends_with_hoistd_whatever_it_does),
        loading_test(nonsense_ends_a_channel_and_nothing_else),
        loading_test(a_call_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, start, loading_end_group);
}
