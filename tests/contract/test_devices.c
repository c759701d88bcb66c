/* What every device backend does alike: memory comes and goes, cancelling is heeded, budgets are kept above it. */
#include "backend/host/host.h"
#include "cmocka_all.h"
#include "os/memfd.h"

#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(1048576)

/* Every backend: how it is opened with a budget. */
static int open_host(uint64_t budget, struct hst_device **ret_device)
{
    return hst_host_open(0, budget, ret_device, NULL);
}
static int (*const backends[])(uint64_t budget, struct hst_device **ret_device) = {open_host};
#define BACKENDS (sizeof backends / sizeof backends[0])

static void says_who_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKENDS; i++) {
        struct hst_device *device, *again;
        assert_int_equal(backends[i](4 * MIB, &device), 0);
        assert_int_equal(backends[i](4 * MIB, &again), 0);
        assert_int_equal(strncmp(device->id, device->ops->kind, strlen(device->ops->kind)), 0);
        assert_true(device->name[0] != '\0' && device->ops->total_bytes(device->backend) > 0);
        assert_string_equal(device->uuid, again->uuid);
        hst_device_free(device);
        hst_device_free(again);
    }
}

static void a_budget_is_kept_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKENDS; i++) {
        struct hst_device *device;
        struct hst_error err = {0};
        assert_int_equal(backends[i](4 * MIB, &device), 0);
        assert_int_equal(hst_device_reserve(device, 3 * MIB, NULL), 0);
        assert_int_equal(hst_device_reserve(device, MIB + 1, &err), HST_E_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(err.required_bytes, MIB + 1);
        assert_int_equal(err.available_bytes, MIB);
        assert_int_equal(hst_device_reserve(device, MIB, NULL), 0);
        assert_int_equal(hst_device_available(device), 0);
        assert_int_equal(hst_device_reserve(device, UINT64_MAX, NULL), HST_E_OUT_OF_DEVICE_MEMORY);
        hst_device_unreserve(device, 4 * MIB);
        assert_int_equal(hst_device_available(device), 4 * MIB);
        hst_device_free(device);
    }
}

static void fills_what_was_allocated_from_extents(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKENDS; i++) {
        struct hst_device *device;
        struct hst_device_memory *memory;
        struct hst_memfd ram;
        _Atomic(bool) cancel = false;
        struct hst_device_progress progress = {.cancel = &cancel};
        const uint64_t wanted = 2 * MIB;
        assert_int_equal(backends[i](4 * MIB, &device), 0);
        assert_int_equal(hst_memfd_new("test", 2 * MIB, false, &ram, NULL), 0);
        const struct hst_device_extent halves[] = {{ram.fd, 0, MIB, 0, 0}, {ram.fd, MIB, MIB, 0, MIB}};
        assert_int_equal(device->ops->allocate(device->backend, &wanted, 1, &memory, NULL), 0);
        assert_int_equal(device->ops->fill(memory, halves, 2, &progress, NULL), 0);
        assert_true(device->ops->fill(memory, halves, 1, &progress, NULL) < 0);
        cancel = true;
        assert_int_equal(device->ops->fill(memory, halves, 2, &progress, NULL), HST_E_CANCELLED);
        device->ops->release(memory);
        hst_memfd_fini(&ram);
        hst_device_free(device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_it_is),
        cmocka_unit_test(a_budget_is_kept_to_the_byte),
        cmocka_unit_test(fills_what_was_allocated_from_extents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
