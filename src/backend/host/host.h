#ifndef HST_BACKEND_HOST_HOST_H
#define HST_BACKEND_HOST_HOST_H
/** @file
 * The embedded default device: this machine's RAM. Loading to it references the bytes of the RAM tier; nothing is copied. */
#include "device/device.h"

/** Make device `host:INDEX` with a budget. *ret_device owned by the caller (hst_device_free). */
int hst_host_open(unsigned index, uint64_t budget_bytes, struct hst_device **ret_device, struct hst_error *err);
#endif
