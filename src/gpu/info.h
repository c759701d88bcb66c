#ifndef HST_GPU_INFO_H
#define HST_GPU_INFO_H
/** @file
 * What is known of a card at a moment: by NVML where the machine has it, and by the driver where a context is current. */
#include "cuda/driver.h"
#include "gpu/message.h"

/** Fill in what NVML says of the card with this UUID, and who uses it; without NVML, all of it stays as it is. HST_E_DEVICE_LOST when it says that */
int hst_gpu_info_ask(const char *uuid, struct hst_gpu_info *info, struct hst_error *err);
/** The last critical Xid of the card since the first call of this or of hst_gpu_info_ask; 0 = none; UINT64_MAX = that is not known. */
uint64_t hst_gpu_info_xid(const char *uuid);
/** Fill in what the driver says: a context of the card is current. HST_E_DEVICE_* */
int hst_gpu_info_ask_context(const struct hst_cuda_driver *driver, struct hst_gpu_info *info, struct hst_error *err);
#endif
