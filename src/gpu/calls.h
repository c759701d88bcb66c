#ifndef HST_GPU_CALLS_H
#define HST_GPU_CALLS_H
/** @file
 * What hoist-device does when it is called. */
#include "gpu/context.h"
#include "gpu/lanes.h"
#include "gpu/message.h"

/** A call under way. */
struct hst_gpu_call {
    struct hst_gpu_context *context; /**< of the process */
    struct hst_gpu_lanes *lanes;     /**< of the process */
    int channel;                     /**< borrowed: progress goes there, a wish to cancel comes from there */
    struct hst_gpu_frame asked;      /**< the verb */
    struct hst_gpu_files files;      /**< that came with it: owned by the channel */
    char *sheet;                     /**< owned by the channel: sizes, extents */
    struct hst_gpu_frame result;     /**< what is answered */
    struct hst_gpu_files made;       /**< files that go with it: owned by the channel */
};

/** Do what was asked, and fill in the result. HST_E_UNREACHABLE: nobody waits for it any more. Anything else is in the result, too. */
int hst_gpu_call_run(struct hst_gpu_call *call, struct hst_error *err);
#endif
