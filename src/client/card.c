#include "client/card.h"

#include "base/checked.h"
#include "os/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* CUDA_ERROR_STREAM_CAPTURE_*: what cannot be done while a graph is captured. */
enum { CAPTURE_FIRST = 900, CAPTURE_LAST = 909 };

/* Cards with shared memory that is mapped. A forked child touches neither: another thread of its parent may have held the lock. */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hst_list shared_cards = {&shared_cards, &shared_cards};
/* Process that used CUDA first; 0 = none yet. */
static _Atomic(uint32_t) first_pid;

static bool is_own(uint32_t pid)
{
    return pid == hst_process_id();
}

static int ask(const struct hst_cuda_driver *driver, int result, const char *what, struct hst_error *err)
{
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(driver, result, what, err);
}

/* ---- which card ---- */

bool hst_card_is_named(const char *device)
{
    return device != NULL && (strcmp(device, "cuda") == 0 || strncmp(device, "cuda:", 5) == 0 || strncmp(device, "GPU-", 4) == 0 || strncmp(device, "MIG-", 4) == 0);
}

/* @return HST_E_DEVICE_UNAVAILABLE when the process was forked from one that used the driver, whose state does not come along */
static int get_driver(const struct hst_cuda_driver **ret_driver, struct hst_error *err)
{
    uint32_t first = atomic_load(&first_pid);
    if (first != 0 && !is_own(first))
        return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "this process was forked from one that had used CUDA, and cannot use it; start it by spawn");
    HST_TRY(hst_cuda_driver_get(ret_driver, err));
    atomic_store(&first_pid, hst_process_id());
    return HST_OK;
}

/* A slice is told by its name, "... MIG 1g.10gb": NVML, which knows better, is not for a client to load. */
static int read_uuid(const struct hst_cuda_driver *driver, int device, char out[64], struct hst_error *err)
{
    struct hst_cu_uuid uuid;
    char name[128] = "";
    HST_TRY(ask(driver, driver->cuDeviceGetUuid(&uuid, device), "ask a card for its UUID", err));
    HST_TRY(ask(driver, driver->cuDeviceGetName(name, sizeof name, device), "ask a card for its name", err));
    hst_cuda_uuid_text(&uuid, strstr(name, " MIG ") != NULL, out);
    return HST_OK;
}

static int take(const struct hst_cuda_driver *driver, int ordinal, struct hst_card *ret_card, struct hst_error *err)
{
    struct hst_card card = {.driver = driver, .ordinal = ordinal, .pid = hst_process_id()};
    HST_TRY(ask(driver, driver->cuDeviceGet(&card.device, ordinal), "ask for a card", err));
    HST_TRY(read_uuid(driver, card.device, card.uuid, err));
    *ret_card = card;
    return HST_OK;
}

static int refuse(const char *name, int count, struct hst_error *err)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    return hst_error_set(err, HST_E_DEVICE_NOT_FOUND, "this process sees no '%s' among %d card(s)%s%s", name, count, visible != NULL ? "; CUDA_VISIBLE_DEVICES=" : "",
                         visible != NULL ? visible : "");
}

/* "cuda", "cuda:N" -> N; -1 when it is no such name. */
static int ordinal_of(const char *name)
{
    const char *digits = name[4] == ':' ? name + 5 : "0";
    size_t count = strspn(digits, "0123456789");
    return count > 0 && count < 5 && digits[count] == '\0' ? atoi(digits) : -1;
}

static int find_uuid(const struct hst_cuda_driver *driver, const char *name, int count, struct hst_card *ret_card, struct hst_error *err)
{
    for (int i = 0; i < count; i++) {
        HST_TRY(take(driver, i, ret_card, err));
        if (hst_card_has_uuid(ret_card, name)) return HST_OK;
    }
    return refuse(name, count, err);
}

static int find(const struct hst_cuda_driver *driver, const char *name, struct hst_card *ret_card, struct hst_error *err)
{
    int count;
    HST_TRY(ask(driver, driver->cuDeviceGetCount(&count), "count the cards", err));
    if (strncmp(name, "cuda", 4) != 0) return find_uuid(driver, name, count, ret_card, err);
    int ordinal = ordinal_of(name);
    return ordinal >= 0 && ordinal < count ? take(driver, ordinal, ret_card, err) : refuse(name, count, err);
}

/* Can memory of the card be handed from process to process? */
static int check_ability(const struct hst_card *card, struct hst_error *err)
{
    static const int needed[] = {HST_CU_ATTRIBUTE_VMM, HST_CU_ATTRIBUTE_POSIX_FD};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        int able = 0;
        HST_TRY(ask(card->driver, card->driver->cuDeviceGetAttribute(&able, needed[i], card->device), "ask what a card can do", err));
        if (able == 0) return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "memory of cuda:%d cannot be shared between processes: its driver has no VMM for it", card->ordinal);
    }
    return HST_OK;
}

int hst_card_find(const char *name, struct hst_card *ret_card, struct hst_error *err)
{
    const struct hst_cuda_driver *driver;
    struct hst_card card;
    HST_TRY(get_driver(&driver, err));
    HST_TRY(find(driver, name, &card, err));
    HST_TRY(check_ability(&card, err));
    *ret_card = card;
    return HST_OK;
}

bool hst_card_has_uuid(const struct hst_card *card, const char *uuid)
{
    const char *ours = strchr(card->uuid, '-'), *theirs = uuid != NULL ? strchr(uuid, '-') : NULL;
    return ours != NULL && theirs != NULL && strcasecmp(ours, theirs) == 0;
}

/* ---- its memory ---- */

int hst_card_open(struct hst_card *card, struct hst_error *err)
{
    return ask(card->driver, card->driver->cuDevicePrimaryCtxRetain(&card->context, card->device), "make the context of a card", err);
}

static int check_sizes(const struct hst_card *card, const struct hst_cuda_part *parts, size_t count, struct hst_error *err)
{
    const struct hst_cu_allocation kind = {.type = HST_CU_ALLOCATION_PINNED, .handle_types = HST_CU_HANDLE_POSIX_FD, .location = {HST_CU_LOCATION_DEVICE, card->device}};
    size_t granularity = 0;
    uint64_t total = 0;
    HST_TRY(ask(card->driver, card->driver->cuMemGetAllocationGranularity(&granularity, &kind, HST_CU_GRANULARITY_MINIMUM), "ask for the granularity of a card", err));
    for (size_t i = 0; i < count; i++)
        if (granularity == 0 || parts[i].size_bytes % granularity != 0 || !hst_checked_add(total, parts[i].size_bytes, &total))
            return hst_error_set(err, HST_E_PROTOCOL, "hoistd sent %llu bytes of a card's memory, which comes in %zu", (unsigned long long)parts[i].size_bytes, granularity);
    return HST_OK;
}

static void enlist(struct hst_card *card)
{
    pthread_mutex_lock(&shared_lock);
    hst_list_append(&shared_cards, &card->node);
    pthread_mutex_unlock(&shared_lock);
}

/* Other cards that reach this one may do what it may: torch copies from card to card directly. That they cannot is no failure. */
static void permit_peers(const struct hst_card *card, int access)
{
    const struct hst_cuda_driver *driver = card->driver;
    int count = 0, can = 0;
    (void)driver->cuDeviceGetCount(&count);
    for (int i = 0; i < count; i++) {
        struct hst_cu_access peer = {{HST_CU_LOCATION_DEVICE, -1}, access};
        if (driver->cuDeviceGet(&peer.location.id, i) != HST_CU_SUCCESS || peer.location.id == card->device) continue;
        if (driver->cuDeviceCanAccessPeer(&can, peer.location.id, card->device) == HST_CU_SUCCESS && can != 0)
            (void)driver->cuMemSetAccess(card->mapping.address, card->mapping.size_bytes, &peer, 1);
    }
}

static int map(struct hst_card *card, const struct hst_cuda_part *parts, size_t count, struct hst_error *err)
{
    void *popped;
    HST_TRY(ask(card->driver, card->driver->cuCtxPushCurrent(card->context), "use the context of a card", err));
    int access = card->shared ? HST_CU_ACCESS_READ : HST_CU_ACCESS_READ_WRITE;
    int status = hst_cuda_map(card->driver, card->device, parts, count, access, &card->mapping, err);
    if (status == HST_OK) permit_peers(card, access);
    (void)card->driver->cuCtxPopCurrent(&popped);
    return status;
}

int hst_card_map(struct hst_card *card, const struct hst_cuda_part *parts, size_t count, bool shared, struct hst_error *err)
{
    card->shared = shared;
    if (count == 0) return HST_OK; /* tensors without a byte lie nowhere */
    HST_TRY(check_sizes(card, parts, count, err));
    HST_TRY(map(card, parts, count, err));
    if (shared) enlist(card);
    return HST_OK;
}

/* Kernels that were launched before the last tensor went may still read. @return false when that cannot be waited for */
static bool unmap(struct hst_card *card)
{
    void *popped;
    bool current = card->driver->cuCtxPushCurrent(card->context) == HST_CU_SUCCESS;
    int waited = current ? card->driver->cuCtxSynchronize() : HST_CU_SUCCESS;
    bool idle = waited < CAPTURE_FIRST || waited > CAPTURE_LAST;
    if (idle) (void)hst_cuda_unmap(&card->mapping); /* what a broken context does not unmap goes with the process */
    if (current) (void)card->driver->cuCtxPopCurrent(&popped);
    return idle;
}

static void delist(struct hst_card *card)
{
    pthread_mutex_lock(&shared_lock);
    if (card->node.next != NULL) hst_list_remove(&card->node);
    pthread_mutex_unlock(&shared_lock);
}

bool hst_card_close(struct hst_card *card)
{
    if (card->context != NULL && is_own(card->pid)) {
        delist(card);
        if (card->mapping.address != 0 && !unmap(card)) return false;
        (void)card->driver->cuDevicePrimaryCtxRelease(card->device);
    }
    free(card->mapping.sizes); /* left only where the driver was not called */
    *card = (struct hst_card){0};
    return true;
}

static bool has(const struct hst_card *card, unsigned long long address)
{
    return address - card->mapping.address < card->mapping.size_bytes;
}

bool hst_card_is_shared(const void *address)
{
    bool found = false;
    if (!is_own(atomic_load(&first_pid))) return false;
    pthread_mutex_lock(&shared_lock);
    HST_LIST_FOREACH(node, &shared_cards)
        found = found || has(hst_container_of(node, struct hst_card, node), (uintptr_t)address);
    pthread_mutex_unlock(&shared_lock);
    return found;
}
