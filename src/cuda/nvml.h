#ifndef HST_CUDA_NVML_H
#define HST_CUDA_NVML_H
/** @file
 * What NVIDIA's management library says of cards: memory, temperature, who uses them, whether they failed. It is found at run time, beside
 * $HOIST_CUDA_DRIVER when that is set, else as libnvidia-ml.so.1; a machine without it is no error, its figures are unknown. No context is needed, and
 * nothing here takes memory of a card. Loaded and started by the first call, for as long as the process lives. Any thread; a call may take some milliseconds. */
#include "cuda/driver.h"

/** Unknown bytes and counts. */
#define HST_NVML_UNKNOWN UINT64_MAX

/** A card, or a slice of one, now. What a slice has none of is that of its card. */
struct hst_nvml_figures {
    bool is_lost;            /**< has it fallen off the bus? Nothing else is known then, but xid at best */
    uint64_t total_bytes;    /**< of memory */
    uint64_t free_bytes;     /**< not used by anybody */
    uint64_t used_bytes;     /**< all the rest: by processes, and by the driver itself */
    uint64_t reserved_bytes; /**< of used_bytes those that the driver keeps for itself; 0 when it does not say them apart */
    int utilization_percent; /**< of its time; -1 = not known, as of a slice */
    int temperature_c;       /**< -1 = not known */
    uint64_t ecc_errors;     /**< uncorrectable ones since the driver was loaded */
    uint64_t xid;            /**< the last critical Xid since the first call of hst_nvml_figures for it; 0 = none; HST_NVML_UNKNOWN = it cannot be watched */
};

/** A process that computes on a card. */
struct hst_nvml_process {
    uint32_t pid;        /**< as the host numbers it: another one than in a container */
    uint64_t used_bytes; /**< of the card's memory; HST_NVML_UNKNOWN = the driver does not say */
};

/** Is there an NVML? Unless, `why` says what is missing. */
bool hst_nvml_available(char why[256]);
/** Figures of the card "GPU-..." or "MIG-...", each unknown that NVML does not tell. @return false when it knows of no such card, or there is no NVML */
bool hst_nvml_figures(const char *uuid, struct hst_nvml_figures *ret_figures);
/** Processes on a card, at most `room`. @return how many there are, which may be more; -1 = not known */
int hst_nvml_processes(const char *uuid, struct hst_nvml_process *ret_processes, unsigned room);
/** The name of a card for people. @return false when it is not known */
bool hst_nvml_name(const char *uuid, char out[96]);
/** Version of the driver, such as "550.54.14". @return false when it is not known */
bool hst_nvml_driver_version(char out[80]);
/** Is the card cut into slices (MIG mode)? false also when nobody can say. */
bool hst_nvml_has_slices(const char *uuid);
/** Does this identify a slice, and no whole card? false also when nobody can say. */
bool hst_nvml_is_slice(const struct hst_cu_uuid *uuid);
#endif
