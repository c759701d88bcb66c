/* The double of libnvidia-ml: what it says of the cards that the double of libcuda has. CUDA_VISIBLE_DEVICES means nothing to it. */
#include "script.h"
#include "state.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define API __attribute__((visibility("default")))

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    TIMEOUT = 10,
    GPU_IS_LOST = 15,
    ARGUMENT_VERSION_MISMATCH = 25,
};

/* A device handle is the address of its element; an event set that of `xid_seen`. */
static char handles[FAKE_CARDS_MAX];
static atomic_int started;
static _Atomic(uint64_t) xid_seen[FAKE_CARDS_MAX];
static atomic_bool is_watched[FAKE_CARDS_MAX];

/* Counts the call; returns what the script wants, or whether NVML was started. */
static int enter(const char *function)
{
    struct fake_fate fate;
    fake_script_call(function, &fate);
    if (fate.result != 0) return fate.result;
    return atomic_load(&started) > 0 ? SUCCESS : UNINITIALIZED;
}

static bool is_lost(unsigned card)
{
    char uuid[64];
    int result;
    fake_card_uuid_text(card, uuid);
    return fake_script_is_lost(uuid, &result);
}

/* As enter, of a function of a card. */
static int enter_card(const char *function, const void *device, unsigned *ret_card)
{
    int result = enter(function);
    if (result != SUCCESS) return result;
    ptrdiff_t card = (const char *)device - handles;
    if (card < 0 || card >= (ptrdiff_t)fake_cards()) return INVALID_ARGUMENT;
    *ret_card = (unsigned)card;
    return is_lost(*ret_card) ? GPU_IS_LOST : SUCCESS;
}

API int nvmlInit_v2(void)
{
    struct fake_fate fate;
    fake_script_call("nvmlInit", &fate);
    if (fate.result == 0) atomic_fetch_add(&started, 1);
    return fate.result;
}

API int nvmlShutdown(void)
{
    int result = enter("nvmlShutdown");
    if (result == SUCCESS) atomic_fetch_sub(&started, 1);
    return result;
}

API const char *nvmlErrorString(int result)
{
    return result == 0 ? "Success" : result == GPU_IS_LOST ? "GPU is lost" : result == 18 ? "Driver/library version mismatch" : "Unknown Error";
}

API int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    int result = enter("nvmlSystemGetDriverVersion");
    if (result == SUCCESS) snprintf(version, length, "0.0.0-fakecuda");
    return result;
}

API int nvmlDeviceGetCount_v2(unsigned *count)
{
    int result = enter("nvmlDeviceGetCount");
    if (result == SUCCESS) *count = fake_cards();
    return result;
}

API int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    int result = enter("nvmlDeviceGetHandleByIndex");
    if (result == SUCCESS && index >= fake_cards()) return INVALID_ARGUMENT;
    if (result == SUCCESS) *device = &handles[index];
    return result;
}

API int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    int result = enter("nvmlDeviceGetHandleByUUID");
    if (result != SUCCESS) return result;
    for (unsigned card = 0; card < fake_cards(); card++) {
        char text[64];
        fake_card_uuid_text(card, text);
        if (strcmp(text, uuid) != 0) continue;
        *device = &handles[card];
        return is_lost(card) ? GPU_IS_LOST : SUCCESS;
    }
    return NOT_FOUND;
}

API int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length)
{
    unsigned card;
    char text[64];
    int result = enter_card("nvmlDeviceGetUUID", device, &card);
    if (result != SUCCESS) return result;
    fake_card_uuid_text(card, text);
    if (length <= strlen(text)) return INSUFFICIENT_SIZE;
    memcpy(uuid, text, strlen(text) + 1);
    return SUCCESS;
}

API int nvmlDeviceGetName(void *device, char *name, unsigned length)
{
    unsigned card;
    int result = enter_card("nvmlDeviceGetName", device, &card);
    if (result == SUCCESS) snprintf(name, length, "fakecuda card %u", card);
    return result;
}

struct memory_v1 {
    unsigned long long total, free, used;
};

API int nvmlDeviceGetMemoryInfo(void *device, struct memory_v1 *memory)
{
    unsigned card;
    int result = enter_card("nvmlDeviceGetMemoryInfo", device, &card);
    if (result != SUCCESS) return result;
    uint64_t total = fake_card_bytes(card), used = fake_state_used(card);
    *memory = (struct memory_v1){.total = total, .free = used < total ? total - used : 0, .used = used};
    return SUCCESS;
}

struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};

API int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory)
{
    struct memory_v1 older;
    if (memory->version != (2u << 24 | sizeof(*memory))) return ARGUMENT_VERSION_MISMATCH;
    int result = nvmlDeviceGetMemoryInfo(device, &older);
    if (result != SUCCESS) return result;
    memory->total = older.total;
    memory->reserved = 0;
    memory->free = older.free;
    memory->used = older.used;
    return SUCCESS;
}

struct utilization {
    unsigned gpu, memory;
};

/* A figure that the script may set; otherwise this card has no such sensor. */
static int figure(const char *function, const void *device, const char *name, uint64_t *ret_value)
{
    unsigned card;
    int result = enter_card(function, device, &card);
    if (result != SUCCESS) return result;
    *ret_value = fake_script_figure(name, UINT64_MAX);
    return *ret_value != UINT64_MAX ? SUCCESS : NOT_SUPPORTED;
}

API int nvmlDeviceGetUtilizationRates(void *device, struct utilization *utilization)
{
    uint64_t value;
    int result = figure("nvmlDeviceGetUtilizationRates", device, "utilization", &value);
    if (result == SUCCESS) *utilization = (struct utilization){.gpu = (unsigned)value};
    return result;
}

API int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius)
{
    uint64_t value;
    int result = sensor == 0 ? figure("nvmlDeviceGetTemperature", device, "temperature", &value) : INVALID_ARGUMENT;
    if (result == SUCCESS) *celsius = (unsigned)value;
    return result;
}

API int nvmlDeviceGetTotalEccErrors(void *device, int type, int counter, unsigned long long *count)
{
    uint64_t value;
    bool is_known = type >= 0 && type <= 1 && counter >= 0 && counter <= 1;
    int result = is_known ? figure("nvmlDeviceGetTotalEccErrors", device, "ecc", &value) : INVALID_ARGUMENT;
    if (result == SUCCESS) *count = type == 1 ? value : 0;
    return result;
}

struct process {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};

API int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *processes)
{
    unsigned card;
    struct fake_process found[256];
    int result = enter_card("nvmlDeviceGetComputeRunningProcesses", device, &card);
    if (result != SUCCESS) return result;
    unsigned there = fake_state_processes(card, found, 256), room = *count;
    *count = there;
    if (there > room || there > 256) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < there; i++)
        processes[i] = (struct process){.pid = (unsigned)found[i].pid, .used = found[i].bytes, .gpu_instance = UINT32_MAX, .compute_instance = UINT32_MAX};
    return SUCCESS;
}

API int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending)
{
    unsigned card;
    int result = enter_card("nvmlDeviceGetMigMode", device, &card);
    if (result != SUCCESS || !fake_cards_are_slices()) return result != SUCCESS ? result : NOT_SUPPORTED;
    *current = *pending = 1;
    return SUCCESS;
}

/* --- events: the script's "set xid N" is one, whenever N becomes another --- */

struct event_data {
    void *device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
};

API int nvmlEventSetCreate(void **set)
{
    int result = enter("nvmlEventSetCreate");
    if (result == SUCCESS) *set = xid_seen;
    return result;
}

API int nvmlEventSetFree(void *set)
{
    int result = enter("nvmlEventSetFree");
    return result != SUCCESS || set == (void *)xid_seen ? result : INVALID_ARGUMENT;
}

API int nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *set)
{
    unsigned card;
    int result = enter_card("nvmlDeviceRegisterEvents", device, &card);
    if (result != SUCCESS || set != (void *)xid_seen || types != 8) return result != SUCCESS ? result : INVALID_ARGUMENT;
    atomic_store(&xid_seen[card], fake_script_figure("xid", 0));
    atomic_store(&is_watched[card], true);
    return SUCCESS;
}

API int nvmlEventSetWait_v2(void *set, struct event_data *data, unsigned timeout_ms)
{
    int result = enter("nvmlEventSetWait");
    if (result != SUCCESS || set != (void *)xid_seen || timeout_ms != 0) return result != SUCCESS ? result : INVALID_ARGUMENT;
    uint64_t now = fake_script_figure("xid", 0);
    for (unsigned card = 0; card < fake_cards(); card++) {
        if (!atomic_load(&is_watched[card]) || atomic_exchange(&xid_seen[card], now) == now || now == 0) continue;
        *data = (struct event_data){.device = &handles[card], .type = 8, .data = now, .gpu_instance = UINT32_MAX, .compute_instance = UINT32_MAX};
        return SUCCESS;
    }
    return TIMEOUT;
}
