/* Pinned memory of the host. */
#include "fake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct pinned {
    struct pinned *next;
    uint64_t address, bytes;
    const struct fake_context *context;
    bool is_owned; /* by cuMemHostAlloc */
};

static struct pinned *pinned_ranges;

static bool overlaps(const struct pinned *range, uint64_t address, uint64_t bytes)
{
    return range->address < address + bytes && address < range->address + range->bytes;
}

bool fake_host_find(uint64_t address, uint64_t *ret_begin, uint64_t *ret_end)
{
    for (const struct pinned *range = pinned_ranges; range != NULL; range = range->next) {
        if (!overlaps(range, address, 1)) continue;
        *ret_begin = range->address;
        *ret_end = range->address + range->bytes;
        return true;
    }
    return false;
}

bool fake_host_is_pinned(const void *address, size_t bytes)
{
    uint64_t at = (uint64_t)(uintptr_t)address, end = at + bytes, begin;
    while (at < end && fake_host_find(at, &begin, &at)) {}
    return at >= end;
}

static int add_range(uint64_t address, uint64_t bytes, bool is_owned)
{
    struct pinned *range = calloc(1, sizeof(*range));
    if (range == NULL) return HST_CU_OUT_OF_MEMORY;
    *range = (struct pinned){.next = pinned_ranges, .address = address, .bytes = bytes, .context = fake_current(), .is_owned = is_owned};
    pinned_ranges = range;
    return HST_CU_SUCCESS;
}

static void end_range(struct pinned **link)
{
    struct pinned *range = *link;
    *link = range->next;
    if (range->is_owned) munmap((void *)(uintptr_t)range->address, range->bytes);
    free(range);
}

void fake_host_forget(const struct fake_context *context)
{
    for (struct pinned **link = &pinned_ranges; *link != NULL;) {
        if ((*link)->context == context) end_range(link);
        else link = &(*link)->next;
    }
}

/* What pinning a range says: every page must be there, and writable. */
static int check_pages(uint64_t address, uint64_t bytes)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    uint64_t at = address, begin, end;
    char access[5], line[512];
    int result = HST_CU_SUCCESS;
    while (maps != NULL && at < address + bytes && fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, access) != 3 || end <= at) continue;
        if (begin > at) break;
        if (access[0] != 'r' || access[1] != 'w') result = HST_CU_NOT_PERMITTED;
        at = end;
    }
    if (maps != NULL) fclose(maps);
    return at < address + bytes ? HST_CU_INVALID_VALUE : result;
}

/* Memory that was unmapped before it was unregistered is a mistake, though a driver may not find it. */
static int remove_range(uint64_t address, bool is_owned)
{
    struct pinned **link = &pinned_ranges;
    while (*link != NULL && ((*link)->address != address || (*link)->is_owned != is_owned))
        link = &(*link)->next;
    if (*link == NULL) return is_owned ? HST_CU_INVALID_VALUE : FAKE_HOST_NOT_REGISTERED;
    int result = check_pages(address, (*link)->bytes) == HST_CU_INVALID_VALUE ? HST_CU_INVALID_VALUE : HST_CU_SUCCESS;
    end_range(link);
    return result;
}

FAKE_API int cuMemHostAlloc(void **address, size_t bytes, unsigned flags)
{
    FAKE_ENTER("cuMemHostAlloc", FAKE_NEEDS_CONTEXT)
    if (address == NULL || bytes == 0 || flags > 7) return HST_CU_INVALID_VALUE;
    size_t whole = (bytes + 4095) & ~(size_t)4095;
    void *place = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) return HST_CU_OUT_OF_MEMORY;
    pthread_mutex_lock(&fake_lock);
    int result = add_range((uint64_t)(uintptr_t)place, whole, true);
    pthread_mutex_unlock(&fake_lock);
    if (result != HST_CU_SUCCESS) munmap(place, whole);
    else *address = place;
    return result;
}

FAKE_API int cuMemFreeHost(void *address)
{
    FAKE_ENTER("cuMemFreeHost", FAKE_NEEDS_CONTEXT)
    pthread_mutex_lock(&fake_lock);
    int result = remove_range((uint64_t)(uintptr_t)address, true);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

static int pin(uint64_t address, uint64_t bytes)
{
    for (const struct pinned *range = pinned_ranges; range != NULL; range = range->next)
        if (overlaps(range, address, bytes)) return FAKE_HOST_ALREADY_REGISTERED;
    int result = check_pages(address, bytes);
    return result == HST_CU_SUCCESS ? add_range(address, bytes, false) : result;
}

FAKE_API int cuMemHostRegister_v2(void *address, size_t bytes, unsigned flags)
{
    FAKE_ENTER("cuMemHostRegister", FAKE_NEEDS_CONTEXT)
    if (address == NULL || bytes == 0 || flags > 15) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    int result = pin((uint64_t)(uintptr_t)address, bytes);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

FAKE_API int cuMemHostUnregister(void *address)
{
    FAKE_ENTER("cuMemHostUnregister", FAKE_NEEDS_CONTEXT)
    pthread_mutex_lock(&fake_lock);
    int result = remove_range((uint64_t)(uintptr_t)address, false);
    pthread_mutex_unlock(&fake_lock);
    return result;
}
