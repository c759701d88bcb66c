/* A client and a card: which card a name means, what an answer of hoistd has to be, memory that is mapped, shared, and let go. The driver is the double, whose
 * device addresses are addresses of the process. */
#include "base/cleanup.h"
#include "client/internal.h"
#include "cmocka_all.h"
#include "fds.h"
#include "formats/dtype.h"
#include "os/memfd.h"
#include "os/pipe.h"
#include "os/process.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1) << 20)

static const struct hst_cuda_driver *driver;
static void *context;
static const float numbers[4] = {1, 2, 3, 4};

/* The descriptor of memory of the card that begins with the numbers. */
static int make_memory(uint64_t size_bytes)
{
    const struct hst_cu_allocation kind = {.type = HST_CU_ALLOCATION_PINNED, .handle_types = HST_CU_HANDLE_POSIX_FD, .location = {HST_CU_LOCATION_DEVICE, 0}};
    struct hst_cuda_mapping mapping = {0};
    unsigned long long handle;
    int fd = -1;
    assert_int_equal(driver->cuMemCreate(&handle, size_bytes, &kind, 0), 0);
    assert_int_equal(driver->cuMemExportToShareableHandle(&fd, handle, HST_CU_HANDLE_POSIX_FD, 0), 0);
    assert_int_equal(driver->cuMemRelease(handle), 0);
    const struct hst_cuda_part part = {fd, size_bytes};
    assert_int_equal(hst_cuda_map(driver, 0, &part, 1, HST_CU_ACCESS_READ_WRITE, &mapping, NULL), 0);
    memcpy((void *)(uintptr_t)mapping.address, numbers, sizeof numbers);
    assert_int_equal(hst_cuda_unmap(&mapping), 0);
    return fd;
}

/* What a hoistd answers with: two tensors in a segment each, and one of no bytes. */
struct offer {
    struct hst_index_segment segments[2];
    uint64_t tensor_offset; /* of the second tensor */
    const char *body;       /* further fields */
};

static struct offer sound_offer(const char *body)
{
    return (struct offer){.segments = {{0, 0, 2 * MIB, HST_INDEX_DEVICE_MEMORY}, {1, 0, 4 * MIB, HST_INDEX_DEVICE_MEMORY}}, .body = body};
}

static int encode(const struct offer *offer)
{
    static const uint64_t shape[] = {4, 0};
    const struct hst_index_component component = {"unet"};
    const struct hst_index_tensor tensors[] = {{"a", shape, 1, HST_DTYPE_F32, 0, 0, 0, 16}, {"b", shape, 1, HST_DTYPE_F32, 0, 1, offer->tensor_offset, 16},
                                               {"c", shape + 1, 1, HST_DTYPE_F32, 0, 0, 0, 0}};
    const struct hst_index_content content = {offer->segments, 2, &component, 1, tensors, 3};
    HST_AUTO(hst_freep) void *bytes = NULL;
    size_t length;
    assert_int_equal(hst_index_encode(&content, &bytes, &length, NULL), 0);
    return hst_memfd_from_bytes("index", bytes, length, NULL);
}

/* The fds of an OPENED: index, pipe, segments. *ret_lease ends when the client has let go. */
static void make_fds(const struct offer *offer, int fds[4], int *ret_lease)
{
    fds[0] = encode(offer);
    assert_int_equal(hst_pipe_new(ret_lease, &fds[1], NULL), 0);
    fds[2] = make_memory(offer->segments[0].size_bytes);
    fds[3] = make_memory(4 * MIB);
}

static struct hst_answer make_answer(const struct offer *offer, int *ret_lease)
{
    struct hst_answer answer = {.type = HST_FRAME_OPENED, .fds = calloc(4, sizeof(int)), .fd_count = 4};
    make_fds(offer, answer.fds, ret_lease);
    assert_true(asprintf(&answer.body, "{\"model_id\":\"m\"%s}", offer->body) > 0);
    return answer;
}

/* As hoist_open, when hoistd has answered. */
static int take(const char *device, struct hst_answer *answer, bool shared, struct hoist_model **ret_model)
{
    struct hst_card card = {0};
    if (device != NULL) assert_int_equal(hst_card_find(device, &card, NULL) | hst_card_open(&card, NULL), 0);
    int status = hst_model_new(answer, &card, shared, ret_model, NULL);
    hst_answer_fini(answer);
    return status;
}

/* The body of an answer that is right for the first card. */
static const char *body_of(bool shared)
{
    static char text[160];
    struct hoist_device device;
    assert_int_equal(hoist_device_find("cuda:0", &device, NULL), 0);
    snprintf(text, sizeof text, ",\"device_id\":\"cuda:3\",\"device_uuid\":\"%s\",\"shared\":%s", device.uuid, shared ? "true" : "false");
    return text;
}

static struct hoist_model *attach(bool shared, int *ret_lease)
{
    struct hoist_model *model = NULL;
    const struct offer offer = sound_offer(body_of(shared));
    struct hst_answer answer = make_answer(&offer, ret_lease);
    assert_int_equal(take("cuda:0", &answer, shared, &model), 0);
    return model;
}

static float *data_of(const struct hoist_model *model, const char *name)
{
    struct hoist_tensor tensor;
    assert_int_equal(hoist_model_find(model, "unet", name, &tensor), 0);
    return tensor.data;
}

static size_t free_bytes(void)
{
    size_t left, total;
    assert_int_equal(driver->cuMemGetInfo(&left, &total), 0);
    return left;
}

/* How a child that runs `body` ends. */
static int in_a_child(void (*body)(void *), void *given)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        body(given);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* ---- names ---- */

static void a_card_has_three_names(void **state)
{
    struct hoist_device first, second;
    (void)state;
    assert_int_equal(hoist_device_find("cuda", &first, NULL), 0);
    assert_int_equal(hoist_device_find("cuda:0", &second, NULL), 0);
    assert_string_equal(first.uuid, second.uuid);
    assert_int_equal(hoist_device_find(first.uuid, &second, NULL), 0);
    assert_int_equal(second.ordinal, 0);
    assert_int_equal(second.type, HOIST_DEVICE_CUDA);
}

static void what_this_process_does_not_see_is_not_found(void **state)
{
    static const char *const strangers[] = {"cuda:2", "cuda:", "cuda:x", "cuda:00001", "GPU-00000000-0000-0000-0000-000000000000", "MIG-", "host:0", "mps"};
    struct hoist_device device;
    (void)state;
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        struct hoist_error error = {0};
        assert_int_equal(hoist_device_find(strangers[i], &device, &error), HST_E_DEVICE_NOT_FOUND);
        assert_non_null(strstr(error.message, strangers[i]));
    }
}

static void a_slice_is_the_same_whatever_is_before_its_number(void **state)
{
    struct hst_card card = {.uuid = "GPU-12345678-abcd"};
    (void)state;
    assert_true(hst_card_has_uuid(&card, "MIG-12345678-ABCD"));
    assert_false(hst_card_has_uuid(&card, "GPU-12345678-abce"));
    assert_false(hst_card_has_uuid(&card, "12345678"));
    assert_false(hst_card_has_uuid(&card, NULL));
}

/* ---- memory ---- */

static void tensors_lie_on_the_card_where_the_index_says(void **state)
{
    int lease;
    struct hoist_tensor tensor;
    struct hoist_model *model = attach(false, &lease);
    (void)state;
    assert_int_equal(hoist_model_mapped_bytes(model), 6 * MIB);
    assert_memory_equal(data_of(model, "a"), numbers, sizeof numbers);
    assert_memory_equal(data_of(model, "b"), numbers, sizeof numbers);
    assert_int_equal((char *)data_of(model, "b") - (char *)data_of(model, "a"), 2 * MIB);
    assert_non_null(data_of(model, "c"));
    assert_int_equal(hoist_model_tensor(model, 0, &tensor), 0);
    assert_int_equal(tensor.device.type, HOIST_DEVICE_CUDA);
    assert_int_equal(tensor.device.ordinal, 0);
    hoist_model_unref(model);
    close(lease);
}

static void private_memory_is_writable_and_not_in_the_list(void **state)
{
    int lease;
    struct hoist_device device;
    struct hoist_model *model = attach(false, &lease);
    (void)state;
    data_of(model, "a")[0] = 7;
    assert_false(hoist_address_is_shared(data_of(model, "a")));
    hoist_model_device(model, &device);
    assert_int_equal(device.read_only, 0);
    hoist_model_unref(model);
    close(lease);
}

static void write_to(void *address)
{
    *(volatile float *)address = 7;
}

static void a_write_to_shared_memory_ends_the_writer_alone(void **state)
{
    int lease;
    struct hoist_model *model = attach(true, &lease);
    float *data = data_of(model, "b");
    (void)state;
    assert_true(hoist_address_is_shared(data) && hoist_address_is_shared(data + 3));
    assert_false(hoist_address_is_shared(&lease));
    int status = in_a_child(write_to, data);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_memory_equal(data, numbers, sizeof numbers);
    hoist_model_unref(model);
    assert_false(hoist_address_is_shared(data));
    close(lease);
}

static void other_cards_may_do_what_the_card_may(void **state)
{
    int lease;
    void *other, *popped;
    float read[4] = {0};
    struct hoist_model *model = attach(true, &lease);
    uintptr_t address = (uintptr_t)data_of(model, "b");
    (void)state;
    assert_int_equal(driver->cuDevicePrimaryCtxRetain(&other, 1) | driver->cuCtxPushCurrent(other), 0);
    assert_int_equal(driver->cuMemcpyDtoHAsync(read, address, sizeof read, NULL) | driver->cuStreamSynchronize(NULL), 0);
    assert_memory_equal(read, numbers, sizeof numbers);
    assert_int_not_equal(driver->cuMemcpyHtoDAsync(address, read, sizeof read, NULL) | driver->cuStreamSynchronize(NULL), 0);
    driver->cuCtxPopCurrent(&popped);
    driver->cuDevicePrimaryCtxRelease(1);
    hoist_model_unref(model);
    close(lease);
}

static void memory_goes_before_the_lease_with_the_last_reference(void **state)
{
    size_t before = free_bytes();
    int lease;
    struct hoist_model *model = attach(false, &lease);
    (void)state;
    assert_int_equal(before - free_bytes(), 6 * MIB);
    hoist_model_unref(hoist_model_ref(model));
    assert_false(hst_pipe_ended(lease));
    hoist_model_unref(model);
    assert_true(hst_pipe_ended(lease));
    assert_int_equal(free_bytes(), before);
    close(lease);
}

/* ---- answers that are not what was asked for ---- */

static void refuse(const char *device, const struct offer *offer, bool shared)
{
    size_t before = free_bytes();
    int fds = count_fds(), lease = -1;
    struct hoist_model *model = NULL;
    struct hst_answer answer = make_answer(offer, &lease);
    assert_int_equal(take(device, &answer, shared, &model), HST_E_PROTOCOL);
    assert_true(hst_pipe_ended(lease));
    close(lease);
    assert_int_equal(free_bytes(), before);
    assert_int_equal(count_fds(), fds);
}

static void memory_of_another_kind_is_refused(void **state)
{
    struct offer offer = sound_offer(body_of(false));
    (void)state;
    refuse(NULL, &offer, false);
    offer.segments[1].backing = 0;
    refuse("cuda:0", &offer, false);
    offer.segments[0].backing = 0;
    refuse("cuda:0", &offer, false);
}

static void memory_of_another_card_is_refused(void **state)
{
    struct offer offer = sound_offer(",\"device_uuid\":\"GPU-00000000-0000-0000-0000-000000000000\",\"shared\":false");
    (void)state;
    refuse("cuda:0", &offer, false);
    offer.body = ",\"device_uuid\":7,\"shared\":false";
    refuse("cuda:0", &offer, false);
    offer.body = "";
    refuse("cuda:0", &offer, false);
}

static void shared_memory_is_never_taken_for_private(void **state)
{
    struct offer offer = sound_offer(body_of(true));
    (void)state;
    refuse("cuda:0", &offer, false);
    offer.body = body_of(false);
    refuse("cuda:0", &offer, true);
}

static void sizes_and_places_that_no_card_has_are_refused(void **state)
{
    struct offer offer = sound_offer(body_of(false));
    (void)state;
    offer.segments[0].offset = 2 * MIB;
    refuse("cuda:0", &offer, false);
    offer = sound_offer(body_of(false));
    offer.segments[1].size_bytes = 4 * MIB - 4096;
    refuse("cuda:0", &offer, false);
    offer = sound_offer(body_of(false));
    offer.tensor_offset = 2;
    refuse("cuda:0", &offer, false);
}

/* More than the memory behind the descriptor has is the driver's to refuse. */
static void a_segment_that_is_longer_than_its_memory_is_refused(void **state)
{
    struct offer offer = sound_offer(body_of(false));
    struct hoist_model *model = NULL;
    size_t before = free_bytes();
    int lease;
    (void)state;
    offer.segments[1].size_bytes = 8 * MIB;
    struct hst_answer answer = make_answer(&offer, &lease);
    assert_true(take("cuda:0", &answer, false, &model) < 0);
    assert_true(hst_pipe_ended(lease));
    assert_int_equal(free_bytes(), before);
    close(lease);
}

/* ---- after fork ---- */

static void let_go(void *model)
{
    hoist_model_unref(model);
}

static void find_again(void *unused)
{
    struct hoist_device device;
    struct hoist_error error = {0};
    (void)unused;
    int status = hoist_device_find("cuda:0", &device, &error);
    _exit(status == HST_E_DEVICE_UNAVAILABLE && strstr(error.message, "forked") != NULL ? 0 : 1);
}

static void a_forked_child_touches_nothing_of_the_card(void **state)
{
    int lease;
    struct hoist_model *model = attach(true, &lease);
    (void)state;
    assert_int_equal(in_a_child(find_again, NULL), 0);
    assert_int_equal(in_a_child(let_go, model), 0);
    assert_memory_equal(data_of(model, "a"), numbers, sizeof numbers);
    assert_false(hst_pipe_ended(lease));
    hoist_model_unref(model);
    assert_true(hst_pipe_ended(lease));
    close(lease);
}

/* ---- over a socket ---- */

/* A hoistd that answers one OPEN. */
struct service {
    pthread_t thread;
    char path[64], asked[2048];
    int listener, lease;
    struct offer offer;
};

static void send_frame(int fd, uint16_t type, uint32_t request, const void *body, size_t length, const int *fds, size_t fd_count)
{
    uint8_t header[HST_FRAME_HEADER];
    hst_frame_encode(&(struct hst_frame){type, 0, request, (uint32_t)length, (uint32_t)fd_count}, header);
    const struct hst_seqpacket_parts parts = {header, sizeof header, body, length, fds, fd_count};
    if (hst_seqpacket_send_within(fd, &parts, 5000, NULL) != HST_OK) abort();
}

static uint32_t receive_frame(int fd, char *body, size_t size)
{
    static char packet[HST_FRAME_MAX];
    struct hst_seqpacket_fds fds;
    struct hst_frame frame;
    int length = hst_seqpacket_receive_within(fd, packet, sizeof packet, &fds, 5000, NULL);
    if (length <= 0 || hst_frame_decode((uint8_t *)packet, (size_t)length, &frame, NULL) < 0) abort();
    snprintf(body, size, "%.*s", (int)frame.body_bytes, packet + HST_FRAME_HEADER);
    return frame.request;
}

static void *serve(void *given)
{
    struct service *service = given;
    uint8_t hello[HST_HELLO_BYTES];
    char body[512];
    int fds[4], spare = -1;
    driver->cuCtxSetCurrent(context);
    hst_seqpacket_wait(service->listener, false, 5000);
    int peer = hst_seqpacket_accept(service->listener, &spare, NULL);
    hst_hello_encode(&(struct hst_hello){HST_PROTO_MAGIC, HST_PROTO_MAJOR, HST_PROTO_MINOR, 0}, hello);
    send_frame(peer, HST_FRAME_WELCOME, receive_frame(peer, body, sizeof body), hello, sizeof hello, NULL, 0);
    uint32_t request = receive_frame(peer, service->asked, sizeof service->asked);
    make_fds(&service->offer, fds, &service->lease);
    snprintf(body, sizeof body, "{\"model_id\":\"m\"%s}", service->offer.body);
    send_frame(peer, HST_FRAME_OPENED, request, body, strlen(body), fds, 4);
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    close(peer);
    return NULL;
}

static void begin(struct service *service, const char *body)
{
    service->offer = sound_offer(body);
    snprintf(service->path, sizeof service->path, "/tmp/hoist-card-%u.sock", hst_process_id());
    service->listener = hst_seqpacket_listen(service->path, 0600, -1, NULL);
    assert_true(service->listener >= 0);
    assert_int_equal(pthread_create(&service->thread, NULL, serve, service), 0);
}

static void end(struct service *service)
{
    pthread_join(service->thread, NULL);
    close(service->listener);
    close(service->lease);
    unlink(service->path);
}

static void hoistd_is_asked_for_the_card_by_its_uuid(void **state)
{
    struct service service = {0};
    struct hoist_client *client;
    struct hoist_model *model;
    struct hoist_device device;
    const struct hoist_open_options options = {.struct_size = sizeof options, .device = "cuda", .share = 1};
    (void)state;
    begin(&service, body_of(true));
    assert_int_equal(hoist_connect(service.path, 0, &client, NULL), 0);
    assert_int_equal(hoist_open(client, "m", &options, &model, NULL), 0);
    hoist_model_device(model, &device);
    assert_non_null(strstr(service.asked, device.uuid));
    assert_non_null(strstr(service.asked, "\"share\":true"));
    assert_null(strstr(service.asked, "cuda"));
    assert_memory_equal(data_of(model, "a"), numbers, sizeof numbers);
    hoist_model_unref(model);
    hoist_disconnect(client);
    end(&service);
}

static void a_card_that_is_not_there_is_not_asked_for(void **state)
{
    struct hoist_client client = {.fd = -1};
    struct hoist_model *model;
    struct hoist_error error = {0};
    const struct hoist_open_options options = {.struct_size = sizeof options, .device = "cuda:5"};
    (void)state;
    assert_int_equal(hoist_open(&client, "m", &options, &model, &error), HST_E_DEVICE_NOT_FOUND);
    assert_string_equal(error.code, "device_not_found");
}

/* ---- drivers that fail ---- */

/* What the double does from now on; "" = what it should. */
static void instruct(const char *lines)
{
    char path[96], fresh[104];
    snprintf(path, sizeof path, "%s/script", getenv("FAKECUDA_STATE"));
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    fputs(lines, file);
    fclose(file);
    assert_int_equal(rename(fresh, path), 0);
    setenv("FAKECUDA_SCRIPT", path, 1);
}

static void a_card_whose_memory_cannot_be_shared_is_unavailable(void **state)
{
    struct hoist_device device;
    struct hoist_error error = {0};
    (void)state;
    instruct("set attribute-102 0\n");
    int status = hoist_device_find("cuda:0", &device, &error);
    instruct("");
    assert_int_equal(status, HST_E_DEVICE_UNAVAILABLE);
    assert_non_null(strstr(error.message, "VMM"));
}

static void without_a_context_nothing_is_asked_for(void **state)
{
    struct hoist_client client = {.fd = -1};
    struct hoist_model *model;
    const struct hoist_open_options options = {.struct_size = sizeof options, .device = "cuda:0"};
    (void)state;
    instruct("cuDevicePrimaryCtxRetain * = 2\n");
    int status = hoist_open(&client, "m", &options, &model, NULL);
    instruct("");
    assert_int_equal(status, HST_E_OUT_OF_DEVICE_MEMORY);
}

static void a_mapping_that_fails_half_way_leaves_nothing(void **state)
{
    static const char *const failures[] = {"cuMemGetAllocationGranularity 1 = 801\n", "cuCtxPushCurrent 1 = 201\n", "cuMemAddressReserve 1 = 2\n", "cuMemMap 2 = 1\n",
                                           "cuMemImportFromShareableHandle 2 = 800\n", "cuMemSetAccess 1 = 801\n"};
    const struct offer offer = sound_offer(body_of(true));
    size_t before = free_bytes();
    (void)state;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        int lease;
        struct hoist_model *model;
        struct hst_answer answer = make_answer(&offer, &lease);
        instruct(failures[i]);
        int status = take("cuda:0", &answer, true, &model);
        instruct("");
        assert_true(status < 0 && hst_pipe_ended(lease));
        assert_int_equal(free_bytes(), before);
        close(lease);
    }
}

static void a_broken_context_ends_the_lease_all_the_same(void **state)
{
    int lease;
    struct hoist_model *model = attach(false, &lease);
    (void)state;
    instruct("cuCtxSynchronize * = 700\n");
    hoist_model_unref(model);
    instruct("");
    assert_true(hst_pipe_ended(lease));
    close(lease);
}

static void while_a_graph_is_captured_nothing_is_unmapped(void **state)
{
    int lease, later;
    struct hoist_model *model = attach(false, &lease);
    float *data = data_of(model, "a");
    (void)state;
    instruct("cuCtxSynchronize 1 = 900\n");
    hoist_model_unref(model);
    instruct("");
    assert_memory_equal(data, numbers, sizeof numbers);
    assert_false(hst_pipe_ended(lease));
    hoist_model_unref(attach(false, &later));
    assert_true(hst_pipe_ended(lease));
    close(lease);
    close(later);
}

/* ---- the double ---- */

static int use_the_double(void **state)
{
    static char cards[] = "/dev/shm/hoist-card-XXXXXX";
    char folder[1024], path[1100];
    struct hst_error err = {0};
    (void)state;
    assert_int_equal(hst_process_program_folder(folder, sizeof folder, &err), 0);
    snprintf(path, sizeof path, "%s/fakecuda/libcuda.so.1", folder);
    setenv("HOIST_CUDA_DRIVER", path, 1);
    setenv("FAKECUDA_STATE", mkdtemp(cards), 1);
    setenv("FAKECUDA_BYTES", "256M", 1);
    setenv("FAKECUDA_DEVICES", "2", 1);
    setenv("FAKECUDA_PEER", "1", 1);
    if (hst_cuda_driver_get(&driver, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(driver->cuDevicePrimaryCtxRetain(&context, 0), 0);
    return driver->cuCtxSetCurrent(context);
}

static int remove_cards(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", getenv("FAKECUDA_STATE"));
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_has_three_names),
        cmocka_unit_test(what_this_process_does_not_see_is_not_found),
        cmocka_unit_test(a_slice_is_the_same_whatever_is_before_its_number),
        cmocka_unit_test(tensors_lie_on_the_card_where_the_index_says),
        cmocka_unit_test(private_memory_is_writable_and_not_in_the_list),
        cmocka_unit_test(a_write_to_shared_memory_ends_the_writer_alone),
        cmocka_unit_test(other_cards_may_do_what_the_card_may),
        cmocka_unit_test(memory_goes_before_the_lease_with_the_last_reference),
        cmocka_unit_test(memory_of_another_kind_is_refused),
        cmocka_unit_test(memory_of_another_card_is_refused),
        cmocka_unit_test(shared_memory_is_never_taken_for_private),
        cmocka_unit_test(sizes_and_places_that_no_card_has_are_refused),
        cmocka_unit_test(a_segment_that_is_longer_than_its_memory_is_refused),
        cmocka_unit_test(a_forked_child_touches_nothing_of_the_card),
        cmocka_unit_test(hoistd_is_asked_for_the_card_by_its_uuid),
        cmocka_unit_test(a_card_that_is_not_there_is_not_asked_for),
        cmocka_unit_test(a_card_whose_memory_cannot_be_shared_is_unavailable),
        cmocka_unit_test(without_a_context_nothing_is_asked_for),
        cmocka_unit_test(a_mapping_that_fails_half_way_leaves_nothing),
        cmocka_unit_test(a_broken_context_ends_the_lease_all_the_same),
        cmocka_unit_test(while_a_graph_is_captured_nothing_is_unmapped),
    };
    return cmocka_run_group_tests_name("client/card", tests, use_the_double, remove_cards);
}
