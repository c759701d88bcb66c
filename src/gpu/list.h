#ifndef HST_GPU_LIST_H
#define HST_GPU_LIST_H
/** @file
 * hoist-device list: what the driver says of every card, without a context on any. */
#include "cuda/driver.h"
#include "gpu/card.h"

/** Ask the driver about a card. HST_E_DEVICE_* when it does not say. */
int hst_gpu_list_card(const struct hst_cuda_driver *driver, int ordinal, struct hst_gpu_card *ret_card, struct hst_error *err);
/** Print a line for each card on stdout, or why there is none. @return 0 also then; HST_E_* when it could not be printed */
int hst_gpu_list_print(void);
#endif
