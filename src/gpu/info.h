#ifndef HST_GPU_INFO_H
#define HST_GPU_INFO_H
/** @file
 * What is known of a card at a moment: by NVML where the machine has it, and by the driver where a context is current. */
#include "cuda/driver.h"
#include "gpu/message.h"

/** Fill in what NVML says of the card with this UUID, and who uses it; without NVML, all of it stays as it is. HST_E_DEVICE_LOST when it says that */
int hst_gpu_info_ask(const char *uuid, struct hst_gpu_info *info, struct hst_error *err);
/** Fill in what the driver says: a context of the card is current. HST_E_DEVICE_* */
int hst_gpu_info_ask_context(const struct hst_cuda_driver *driver, struct hst_gpu_info *info, struct hst_error *err);
#endif
