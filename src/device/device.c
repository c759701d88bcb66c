#include "device/device.h"

#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>

int hst_device_new(const char *id, const char *name, const struct hst_device_ops *ops, void *backend, uint64_t budget_bytes,
                   struct hst_device **ret_device, struct hst_error *err)
{
    struct hst_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        ops->close(backend);
        return hst_error_nomem(err);
    }
    *device = (struct hst_device){.ops = ops, .backend = backend, .budget_bytes = budget_bytes};
    snprintf(device->id, sizeof device->id, "%s", id);
    snprintf(device->name, sizeof device->name, "%s", name);
    *ret_device = device;
    return HST_OK;
}

void hst_device_free(struct hst_device *device)
{
    if (device == NULL) return;
    device->ops->close(device->backend);
    free(device);
}

uint64_t hst_device_available(const struct hst_device *device)
{
    return device->budget_bytes > device->reserved_bytes ? device->budget_bytes - device->reserved_bytes : 0;
}

int hst_device_reserve(struct hst_device *device, uint64_t size_bytes, struct hst_error *err)
{
    uint64_t available = hst_device_available(device);
    if (size_bytes > available) {
        hst_error_set(err, HST_E_OUT_OF_DEVICE_MEMORY, "%llu bytes are needed on %s and %llu of %llu are free", (unsigned long long)size_bytes,
                      device->id, (unsigned long long)available, (unsigned long long)device->budget_bytes);
        if (err != NULL) {
            err->required_bytes = size_bytes;
            err->available_bytes = available;
        }
        return HST_E_OUT_OF_DEVICE_MEMORY;
    }
    hst_device_charge(device, size_bytes);
    return HST_OK;
}

void hst_device_charge(struct hst_device *device, uint64_t size_bytes)
{
    device->reserved_bytes += size_bytes;
    device->changed_wall_ns = hst_clock_wall_ns();
}

void hst_device_unreserve(struct hst_device *device, uint64_t size_bytes)
{
    device->reserved_bytes -= size_bytes;
    device->changed_wall_ns = hst_clock_wall_ns();
}
