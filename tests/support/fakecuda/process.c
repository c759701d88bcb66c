/* Initialisation, cards, contexts. A context is current per thread, on a stack; a forked child has nothing of its parent's. */
#include "fake.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_MAX 16u

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t fake_changed;

static pthread_once_t visible_once = PTHREAD_ONCE_INIT;
static unsigned visible_cards[FAKE_CARDS_MAX];
static int visible_count;
static _Atomic(pid_t) initialised; /* the process that it was done in; 0 = none */
static _Atomic(int) failures[FAKE_CARDS_MAX];
static struct fake_context *contexts;
static struct fake_context *primaries[FAKE_CARDS_MAX];
static _Thread_local struct fake_context *stack[STACK_MAX];
static _Thread_local unsigned stack_depth;

__attribute__((constructor)) static void prepare(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&fake_changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* --- which cards --- */

/* A number, or "GPU-" and as much of the uuid as makes it unique. */
static bool parse_visible(const char *word, unsigned *ret_card)
{
    char *end = NULL;
    unsigned long number = strtoul(word, &end, 10);
    bool is_number = end != word && *end == '\0';
    for (unsigned card = 0; card < fake_cards(); card++) {
        char uuid[64];
        fake_card_uuid_text(card, uuid);
        bool is_it = is_number ? number == card : strlen(word) > 4 && strncmp(uuid, word, strlen(word)) == 0;
        if (!is_it) continue;
        *ret_card = card;
        return true;
    }
    return false;
}

/* As the driver does it: the list ends at the first entry that is no card. */
static void find_visible(void)
{
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    if (list == NULL) {
        for (unsigned card = 0; card < fake_cards(); card++)
            visible_cards[visible_count++] = card;
        return;
    }
    char copy[1024], *rest = NULL;
    snprintf(copy, sizeof(copy), "%s", list);
    for (char *word = strtok_r(copy, ", ", &rest); word != NULL && visible_count < (int)FAKE_CARDS_MAX; word = strtok_r(NULL, ", ", &rest)) {
        if (!parse_visible(word, &visible_cards[visible_count])) return;
        visible_count++;
    }
}

int fake_visible(void)
{
    pthread_once(&visible_once, find_visible);
    return visible_count;
}

bool fake_visible_card(int ordinal, unsigned *ret_card)
{
    if (ordinal < 0 || ordinal >= fake_visible()) return false;
    *ret_card = visible_cards[ordinal];
    return true;
}

int fake_ordinal(unsigned card)
{
    for (int i = 0; i < fake_visible(); i++)
        if (visible_cards[i] == card) return i;
    return -1;
}

bool fake_peers(void)
{
    return fake_size("FAKECUDA_PEER", 0) != 0;
}

/* --- what fails --- */

int fake_fail(unsigned card, int result)
{
    int none = 0;
    atomic_compare_exchange_strong(&failures[card], &none, result);
    return result;
}

static bool has_context(unsigned card)
{
    for (const struct fake_context *context = contexts; context != NULL; context = context->next)
        if (context->card == card && context->fd >= 0) return true;
    return false;
}

/* A lost card takes its memory along, and the contexts that were there: they stay failed when it is back. */
static int check_lost(unsigned card)
{
    char uuid[64];
    int result = 0;
    fake_card_uuid_text(card, uuid);
    if (!fake_script_is_lost(uuid, &result)) return HST_CU_SUCCESS;
    fake_state_forget(card);
    pthread_mutex_lock(&fake_lock);
    if (has_context(card)) result = fake_fail(card, HST_CU_UNKNOWN);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

int fake_failure(unsigned card)
{
    int lost = check_lost(card);
    int failed = atomic_load(&failures[card]);
    return failed != 0 ? failed : lost;
}

static int check_need(enum fake_need need)
{
    pid_t pid = atomic_load(&initialised);
    if (need == FAKE_NEEDS_NOTHING) return HST_CU_SUCCESS;
    if (pid != getpid()) return HST_CU_NOT_INITIALIZED;
    struct fake_context *context = fake_current();
    if (need == FAKE_NEEDS_CONTEXT && context == NULL) return HST_CU_INVALID_CONTEXT;
    if (need == FAKE_NEEDS_CONTEXT && context->fd < 0) return HST_CU_CONTEXT_DESTROYED;
    return need == FAKE_NEEDS_CONTEXT ? fake_failure(context->card) : HST_CU_SUCCESS;
}

/* A sticky result of a call without a context is that of every card. */
static void fail_cards(int result)
{
    struct fake_context *context = fake_current();
    for (unsigned card = 0; card < FAKE_CARDS_MAX; card++)
        if (context == NULL || context->card == card) fake_fail(card, result);
}

int fake_enter(const char *function, enum fake_need need, struct fake_fate *ret_fate)
{
    pid_t pid = atomic_load(&initialised);
    if (pid != 0 && pid != getpid() && need != FAKE_NEEDS_NOTHING) return HST_CU_NOT_INITIALIZED; /* a forked child: its locks may be held by nobody */
    fake_script_call(function, ret_fate);
    if (ret_fate->result != 0 && ret_fate->is_sticky) fail_cards(ret_fate->result);
    return ret_fate->result != 0 ? ret_fate->result : check_need(need);
}

/* --- the API: initialisation and errors --- */

FAKE_API int cuInit(unsigned flags)
{
    pid_t pid = atomic_load(&initialised);
    if (pid != 0 && pid != getpid()) return HST_CU_NOT_INITIALIZED;
    FAKE_ENTER("cuInit", FAKE_NEEDS_NOTHING)
    if (flags != 0) return HST_CU_INVALID_VALUE;
    if (fake_visible() == 0) return HST_CU_NO_DEVICE;
    atomic_store(&initialised, getpid());
    return HST_CU_SUCCESS;
}

FAKE_API int cuDriverGetVersion(int *version)
{
    FAKE_ENTER("cuDriverGetVersion", FAKE_NEEDS_NOTHING)
    if (version == NULL) return HST_CU_INVALID_VALUE;
    *version = (int)fake_size("FAKECUDA_VERSION", 12040);
    return HST_CU_SUCCESS;
}

static const struct {
    int result;
    const char *name, *text;
} results[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {34, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {208, "CUDA_ERROR_ALREADY_MAPPED", "resource already mapped"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {220, "CUDA_ERROR_NVLINK_UNCORRECTABLE", "uncorrectable NVLink error detected during the execution"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED", "part or all of the requested memory range is already mapped"},
    {713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED", "pointer does not correspond to a registered memory region"},
    {714, "CUDA_ERROR_HARDWARE_STACK_ERROR", "hardware stack error"},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {800, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY", "system not yet initialized"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "forward compatibility was attempted on non supported HW"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static int find_result(int result, const char **ret_text, bool is_name)
{
    *ret_text = NULL;
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        if (results[i].result == result) *ret_text = is_name ? results[i].name : results[i].text;
    return *ret_text != NULL ? HST_CU_SUCCESS : HST_CU_INVALID_VALUE;
}

FAKE_API int cuGetErrorName(int result, const char **name)
{
    return find_result(result, name, true);
}

FAKE_API int cuGetErrorString(int result, const char **text)
{
    return find_result(result, text, false);
}

/* --- the API: cards --- */

FAKE_API int cuDeviceGetCount(int *count)
{
    FAKE_ENTER("cuDeviceGetCount", FAKE_NEEDS_INIT)
    if (count == NULL) return HST_CU_INVALID_VALUE;
    *count = fake_visible();
    return HST_CU_SUCCESS;
}

FAKE_API int cuDeviceGet(int *device, int ordinal)
{
    FAKE_ENTER("cuDeviceGet", FAKE_NEEDS_INIT)
    unsigned card;
    if (device == NULL || !fake_visible_card(ordinal, &card)) return device == NULL ? HST_CU_INVALID_VALUE : HST_CU_INVALID_DEVICE;
    *device = ordinal;
    return HST_CU_SUCCESS;
}

FAKE_API int cuDeviceGetName(char *name, int length, int device)
{
    FAKE_ENTER("cuDeviceGetName", FAKE_NEEDS_INIT)
    unsigned card;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    if (name == NULL || length <= 0) return HST_CU_INVALID_VALUE;
    snprintf(name, (size_t)length, "fakecuda card %u", card);
    return HST_CU_SUCCESS;
}

FAKE_API int cuDeviceGetUuid_v2(struct hst_cu_uuid *uuid, int device)
{
    FAKE_ENTER("cuDeviceGetUuid", FAKE_NEEDS_INIT)
    unsigned card;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    if (uuid == NULL) return HST_CU_INVALID_VALUE;
    fake_card_uuid(card, uuid->bytes);
    return HST_CU_SUCCESS;
}

FAKE_API int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    FAKE_ENTER("cuDeviceTotalMem", FAKE_NEEDS_INIT)
    unsigned card;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    if (bytes == NULL) return HST_CU_INVALID_VALUE;
    *bytes = fake_card_bytes(card);
    return HST_CU_SUCCESS;
}

/* As of a card of compute capability 9.0. */
static int attribute_of(int attribute)
{
    static const struct {
        int attribute, value;
    } known[] = {{1, 1024}, {2, 1024}, {3, 1024}, {4, 64}, {5, 2147483647}, {6, 65535}, {7, 65535}, {8, 49152}, {10, 32}, {16, 8}, {41, 1}, {HST_CU_ATTRIBUTE_MAJOR, 9},
                 {HST_CU_ATTRIBUTE_MINOR, 0}, {HST_CU_ATTRIBUTE_VMM, 1}, {HST_CU_ATTRIBUTE_POSIX_FD, 1}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].attribute == attribute) return known[i].value;
    return 0;
}

FAKE_API int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    FAKE_ENTER("cuDeviceGetAttribute", FAKE_NEEDS_INIT)
    unsigned card;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    if (value == NULL || attribute < 1 || attribute > 150) return HST_CU_INVALID_VALUE;
    char name[32];
    snprintf(name, sizeof(name), "attribute-%d", attribute);
    *value = (int)fake_script_figure(name, (uint64_t)attribute_of(attribute));
    return HST_CU_SUCCESS;
}

FAKE_API int cuDeviceGetPCIBusId(char *id, int length, int device)
{
    FAKE_ENTER("cuDeviceGetPCIBusId", FAKE_NEEDS_INIT)
    unsigned card;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    if (id == NULL || length < 13) return HST_CU_INVALID_VALUE;
    snprintf(id, (size_t)length, "0000:%02x:00.0", card + 1);
    return HST_CU_SUCCESS;
}

FAKE_API int cuDeviceCanAccessPeer(int *can, int device, int peer)
{
    FAKE_ENTER("cuDeviceCanAccessPeer", FAKE_NEEDS_INIT)
    unsigned card, other;
    if (!fake_visible_card(device, &card) || !fake_visible_card(peer, &other)) return HST_CU_INVALID_DEVICE;
    if (can == NULL) return HST_CU_INVALID_VALUE;
    *can = card != other && fake_peers();
    return HST_CU_SUCCESS;
}

/* --- contexts --- */

struct fake_context *fake_current(void)
{
    return stack_depth > 0 ? stack[stack_depth - 1] : NULL;
}

/* Its file costs what a context of this machine costs. Holding fake_lock. */
static int start_context(struct fake_context *context)
{
    int fd = fake_state_create(context->card, "ctx", fake_size("FAKECUDA_CONTEXT_BYTES", 0));
    if (fd < 0) return fd == -ENOSPC ? HST_CU_OUT_OF_MEMORY : HST_CU_UNKNOWN;
    context->fd = fd;
    return HST_CU_SUCCESS;
}

static int new_context(unsigned card, bool is_primary, struct fake_context **ret_context)
{
    struct fake_context *context = calloc(1, sizeof(*context));
    if (context == NULL) return HST_CU_OUT_OF_MEMORY;
    *context = (struct fake_context){.card = card, .fd = -1, .is_primary = is_primary, .next = contexts};
    contexts = context;
    *ret_context = context;
    return HST_CU_SUCCESS;
}

static void end_context(struct fake_context *context)
{
    fake_streams_end(context);
    fake_host_forget(context);
    if (context->fd >= 0) close(context->fd);
    context->fd = -1;
    pthread_cond_broadcast(&fake_changed);
}

static bool is_context(const struct fake_context *wanted)
{
    const struct fake_context *context = contexts;
    while (context != NULL && context != wanted)
        context = context->next;
    return context != NULL;
}

static int retain(unsigned card, void **ret_context)
{
    struct fake_context **primary = &primaries[card];
    int result = *primary == NULL ? new_context(card, true, primary) : HST_CU_SUCCESS;
    if (result == HST_CU_SUCCESS && (*primary)->fd < 0) result = start_context(*primary);
    if (result != HST_CU_SUCCESS) return result;
    (*primary)->retained++;
    *ret_context = *primary;
    return HST_CU_SUCCESS;
}

FAKE_API int cuDevicePrimaryCtxRetain(void **context, int device)
{
    FAKE_ENTER("cuDevicePrimaryCtxRetain", FAKE_NEEDS_INIT)
    unsigned card;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    if (context == NULL) return HST_CU_INVALID_VALUE;
    int failure = fake_failure(card);
    if (failure != 0) return failure;
    pthread_mutex_lock(&fake_lock);
    int result = retain(card, context);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

FAKE_API int cuDevicePrimaryCtxRelease_v2(int device)
{
    FAKE_ENTER("cuDevicePrimaryCtxRelease", FAKE_NEEDS_INIT)
    unsigned card;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    struct fake_context *primary = primaries[card];
    bool is_retained = primary != NULL && primary->retained > 0;
    if (is_retained && --primary->retained == 0) end_context(primary);
    pthread_mutex_unlock(&fake_lock);
    return is_retained ? HST_CU_SUCCESS : HST_CU_INVALID_CONTEXT;
}

static int push(struct fake_context *context)
{
    if (stack_depth == STACK_MAX) return HST_CU_INVALID_VALUE;
    stack[stack_depth++] = context;
    return HST_CU_SUCCESS;
}

FAKE_API int cuCtxCreate_v2(void **context, unsigned flags, int device)
{
    FAKE_ENTER("cuCtxCreate", FAKE_NEEDS_INIT)
    unsigned card;
    (void)flags;
    if (!fake_visible_card(device, &card)) return HST_CU_INVALID_DEVICE;
    int failure = fake_failure(card);
    if (failure != 0 || context == NULL) return failure != 0 ? failure : HST_CU_INVALID_VALUE;
    struct fake_context *made = NULL;
    pthread_mutex_lock(&fake_lock);
    int result = new_context(card, false, &made);
    if (result == HST_CU_SUCCESS) result = start_context(made);
    pthread_mutex_unlock(&fake_lock);
    if (result != HST_CU_SUCCESS) return result;
    *context = made;
    return push(made);
}

FAKE_API int cuCtxDestroy_v2(void *context)
{
    FAKE_ENTER("cuCtxDestroy", FAKE_NEEDS_INIT)
    struct fake_context *wanted = context;
    pthread_mutex_lock(&fake_lock);
    bool is_good = is_context(wanted) && !wanted->is_primary && wanted->fd >= 0;
    if (is_good) end_context(wanted);
    pthread_mutex_unlock(&fake_lock);
    if (is_good && fake_current() == wanted) stack_depth--;
    return is_good ? HST_CU_SUCCESS : HST_CU_INVALID_CONTEXT;
}

FAKE_API int cuCtxPushCurrent_v2(void *context)
{
    FAKE_ENTER("cuCtxPushCurrent", FAKE_NEEDS_INIT)
    pthread_mutex_lock(&fake_lock);
    bool is_good = is_context(context) && ((struct fake_context *)context)->fd >= 0;
    pthread_mutex_unlock(&fake_lock);
    return is_good ? push(context) : HST_CU_INVALID_CONTEXT;
}

FAKE_API int cuCtxPopCurrent_v2(void **context)
{
    FAKE_ENTER("cuCtxPopCurrent", FAKE_NEEDS_INIT)
    if (stack_depth == 0) return HST_CU_INVALID_CONTEXT;
    struct fake_context *top = stack[--stack_depth];
    if (context != NULL) *context = top;
    return HST_CU_SUCCESS;
}

FAKE_API int cuCtxSetCurrent(void *context)
{
    FAKE_ENTER("cuCtxSetCurrent", FAKE_NEEDS_INIT)
    pthread_mutex_lock(&fake_lock);
    bool is_good = context == NULL || is_context(context);
    pthread_mutex_unlock(&fake_lock);
    if (!is_good) return HST_CU_INVALID_CONTEXT;
    if (stack_depth > 0) stack_depth--;
    return context != NULL ? push(context) : HST_CU_SUCCESS;
}

FAKE_API int cuCtxGetCurrent(void **context)
{
    FAKE_ENTER("cuCtxGetCurrent", FAKE_NEEDS_INIT)
    if (context == NULL) return HST_CU_INVALID_VALUE;
    *context = fake_current();
    return HST_CU_SUCCESS;
}

FAKE_API int cuCtxSynchronize(void)
{
    FAKE_ENTER("cuCtxSynchronize", FAKE_NEEDS_CONTEXT)
    struct fake_context *context = fake_current();
    pthread_mutex_lock(&fake_lock);
    fake_streams_wait(context);
    pthread_mutex_unlock(&fake_lock);
    return fake_failure(context->card);
}
