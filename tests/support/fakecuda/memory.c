/* Memory of the cards: handles, addresses, mappings. An address is one of this process: reserved, then the memory's file mapped there, with the protection that
 * cuMemSetAccess gave; so a client that writes what it may only read gets a SIGSEGV, as does whoever uses what was unmapped. */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Lives as long as a handle, a mapping or a copy under way refers to it; its bytes as long as any process has a descriptor or mapping of the file. */
struct fake_memory {
    struct fake_memory *next;
    unsigned long long handle;
    unsigned card;
    uint64_t bytes;
    int fd;
    unsigned handles;    /* not yet released */
    unsigned references; /* handles, mappings, copies under way */
};

struct mapping {
    struct mapping *next;
    uint64_t address, bytes;
    struct fake_memory *memory;
    unsigned char access[FAKE_CARDS_MAX]; /* of each card: HST_CU_ACCESS_* or 0 */
};

struct reservation {
    struct reservation *next;
    uint64_t address, bytes;
};

static struct fake_memory *memories;
static struct mapping *mappings;
static struct reservation *reservations;

/* --- memory and its references --- */

static struct fake_memory *find_memory(unsigned long long handle)
{
    for (struct fake_memory *memory = memories; memory != NULL; memory = memory->next)
        if (memory->handle == handle && memory->handles > 0) return memory;
    return NULL;
}

/* The last reference takes the file with it, unless another process has it. */
static void drop(struct fake_memory *memory)
{
    if (--memory->references > 0) return;
    struct fake_memory **link = &memories;
    while (*link != memory)
        link = &(*link)->next;
    *link = memory->next;
    close(memory->fd);
    fake_state_used(memory->card);
    free(memory);
}

static int add_memory(unsigned card, int fd, uint64_t bytes, unsigned long long *ret_handle)
{
    static unsigned long long last_handle = 0xfa4e0000;
    struct fake_memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL) return HST_CU_OUT_OF_MEMORY;
    *memory = (struct fake_memory){.next = memories, .handle = ++last_handle, .card = card, .bytes = bytes, .fd = fd, .handles = 1, .references = 1};
    memories = memory;
    *ret_handle = memory->handle;
    return HST_CU_SUCCESS;
}

static bool is_aligned(uint64_t value)
{
    return value % FAKE_GRANULARITY == 0;
}

/* --- the API: handles --- */

static bool is_asked_rightly(const struct hst_cu_allocation *allocation, unsigned *ret_card)
{
    bool is_right = allocation != NULL && allocation->type == HST_CU_ALLOCATION_PINNED && allocation->location.type == HST_CU_LOCATION_DEVICE &&
                    (allocation->handle_types == 0 || allocation->handle_types == HST_CU_HANDLE_POSIX_FD);
    return is_right && fake_visible_card(allocation->location.id, ret_card);
}

FAKE_API int cuMemGetAllocationGranularity(size_t *bytes, const struct hst_cu_allocation *allocation, int option)
{
    FAKE_ENTER("cuMemGetAllocationGranularity", FAKE_NEEDS_INIT)
    unsigned card;
    if (bytes == NULL || !is_asked_rightly(allocation, &card) || option < 0 || option > 1) return HST_CU_INVALID_VALUE;
    *bytes = FAKE_GRANULARITY;
    return HST_CU_SUCCESS;
}

static int create(unsigned card, uint64_t bytes, unsigned long long *ret_handle)
{
    int fd = fake_state_create(card, "mem", bytes);
    if (fd < 0) return fd == -ENOSPC ? HST_CU_OUT_OF_MEMORY : HST_CU_UNKNOWN;
    pthread_mutex_lock(&fake_lock);
    int result = add_memory(card, fd, bytes, ret_handle);
    pthread_mutex_unlock(&fake_lock);
    if (result != HST_CU_SUCCESS) close(fd);
    return result;
}

FAKE_API int cuMemCreate(unsigned long long *handle, size_t bytes, const struct hst_cu_allocation *allocation, unsigned long long flags)
{
    FAKE_ENTER("cuMemCreate", FAKE_NEEDS_CONTEXT)
    unsigned card;
    if (handle == NULL || flags != 0 || bytes == 0 || !is_aligned(bytes) || !is_asked_rightly(allocation, &card)) return HST_CU_INVALID_VALUE;
    int failure = fake_failure(card);
    return failure != 0 ? failure : create(card, bytes, handle);
}

FAKE_API int cuMemRelease(unsigned long long handle)
{
    FAKE_ENTER("cuMemRelease", FAKE_NEEDS_INIT)
    pthread_mutex_lock(&fake_lock);
    struct fake_memory *memory = find_memory(handle);
    if (memory != NULL) {
        memory->handles--;
        drop(memory);
    }
    pthread_mutex_unlock(&fake_lock);
    return memory != NULL ? HST_CU_SUCCESS : HST_CU_INVALID_VALUE;
}

FAKE_API int cuMemExportToShareableHandle(void *shareable, unsigned long long handle, int type, unsigned long long flags)
{
    FAKE_ENTER("cuMemExportToShareableHandle", FAKE_NEEDS_INIT)
    if (shareable == NULL || flags != 0 || type != HST_CU_HANDLE_POSIX_FD) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    const struct fake_memory *memory = find_memory(handle);
    int fd = memory != NULL ? fcntl(memory->fd, F_DUPFD_CLOEXEC, 3) : -1;
    pthread_mutex_unlock(&fake_lock);
    if (memory == NULL) return HST_CU_INVALID_VALUE;
    if (fd < 0) return HST_CU_UNKNOWN;
    *(int *)shareable = fd;
    return HST_CU_SUCCESS;
}

static int import(int theirs, unsigned card, uint64_t bytes, unsigned long long *ret_handle)
{
    int fd = fcntl(theirs, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return HST_CU_UNKNOWN;
    pthread_mutex_lock(&fake_lock);
    int result = add_memory(card, fd, bytes, ret_handle);
    pthread_mutex_unlock(&fake_lock);
    if (result != HST_CU_SUCCESS) close(fd);
    return result;
}

FAKE_API int cuMemImportFromShareableHandle(unsigned long long *handle, void *shareable, int type)
{
    FAKE_ENTER("cuMemImportFromShareableHandle", FAKE_NEEDS_CONTEXT)
    unsigned card;
    uint64_t bytes;
    if (handle == NULL || type != HST_CU_HANDLE_POSIX_FD) return HST_CU_INVALID_VALUE;
    int fd = (int)(uintptr_t)shareable;
    if (!fake_state_identify(fd, &card, &bytes)) return HST_CU_INVALID_HANDLE;
    if (fake_ordinal(card) < 0) return HST_CU_INVALID_DEVICE;
    int failure = fake_failure(card);
    return failure != 0 ? failure : import(fd, card, bytes, handle);
}

FAKE_API int cuMemGetAllocationPropertiesFromHandle(struct hst_cu_allocation *allocation, unsigned long long handle)
{
    FAKE_ENTER("cuMemGetAllocationPropertiesFromHandle", FAKE_NEEDS_INIT)
    if (allocation == NULL) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    const struct fake_memory *memory = find_memory(handle);
    if (memory != NULL)
        *allocation = (struct hst_cu_allocation){.type = HST_CU_ALLOCATION_PINNED, .handle_types = HST_CU_HANDLE_POSIX_FD,
                                                 .location = {.type = HST_CU_LOCATION_DEVICE, .id = fake_ordinal(memory->card)}};
    pthread_mutex_unlock(&fake_lock);
    return memory != NULL ? HST_CU_SUCCESS : HST_CU_INVALID_VALUE;
}

FAKE_API int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
    FAKE_ENTER("cuMemGetInfo", FAKE_NEEDS_CONTEXT)
    if (free_bytes == NULL || total_bytes == NULL) return HST_CU_INVALID_VALUE;
    unsigned card = fake_current()->card;
    uint64_t used = fake_state_used(card), total = fake_card_bytes(card);
    *free_bytes = used < total ? total - used : 0;
    *total_bytes = total;
    return HST_CU_SUCCESS;
}

/* --- the API: addresses --- */

/* Addresses that fault. In the child of a fork they are nothing, as with the driver. */
static bool close_range_of(uint64_t address, uint64_t bytes)
{
    void *there = mmap((void *)(uintptr_t)address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return there != MAP_FAILED && madvise(there, bytes, MADV_DONTFORK) == 0;
}

static int reserve(uint64_t bytes, uint64_t alignment, unsigned long long *ret_address)
{
    struct reservation *reservation = calloc(1, sizeof(*reservation));
    if (reservation == NULL) return HST_CU_OUT_OF_MEMORY;
    uint64_t room = bytes + alignment;
    void *place = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) {
        free(reservation);
        return HST_CU_OUT_OF_MEMORY;
    }
    uint64_t begin = (uint64_t)(uintptr_t)place, address = (begin + alignment - 1) & ~(alignment - 1), end = address + bytes;
    if (address > begin) munmap(place, address - begin);
    if (begin + room > end) munmap((void *)(uintptr_t)end, begin + room - end);
    madvise((void *)(uintptr_t)address, bytes, MADV_DONTFORK);
    *reservation = (struct reservation){.next = reservations, .address = address, .bytes = bytes};
    reservations = reservation;
    *ret_address = address;
    return HST_CU_SUCCESS;
}

FAKE_API int cuMemAddressReserve(unsigned long long *address, size_t bytes, size_t alignment, unsigned long long wish, unsigned long long flags)
{
    FAKE_ENTER("cuMemAddressReserve", FAKE_NEEDS_INIT)
    (void)wish; /* a hint */
    bool is_power = (alignment & (alignment - 1)) == 0;
    if (address == NULL || bytes == 0 || !is_aligned(bytes) || !is_power || flags != 0) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    int result = reserve(bytes, alignment > FAKE_GRANULARITY ? alignment : FAKE_GRANULARITY, address);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

static bool overlaps(const struct mapping *mapping, uint64_t address, uint64_t bytes)
{
    return mapping->address < address + bytes && address < mapping->address + mapping->bytes;
}

static bool is_mapped_anywhere(uint64_t address, uint64_t bytes)
{
    const struct mapping *mapping = mappings;
    while (mapping != NULL && !overlaps(mapping, address, bytes))
        mapping = mapping->next;
    return mapping != NULL;
}

static int free_addresses(uint64_t address, uint64_t bytes)
{
    struct reservation **link = &reservations;
    while (*link != NULL && ((*link)->address != address || (*link)->bytes != bytes))
        link = &(*link)->next;
    if (*link == NULL || is_mapped_anywhere(address, bytes)) return HST_CU_INVALID_VALUE;
    struct reservation *reservation = *link;
    *link = reservation->next;
    munmap((void *)(uintptr_t)address, bytes);
    free(reservation);
    return HST_CU_SUCCESS;
}

FAKE_API int cuMemAddressFree(unsigned long long address, size_t bytes)
{
    FAKE_ENTER("cuMemAddressFree", FAKE_NEEDS_INIT)
    pthread_mutex_lock(&fake_lock);
    int result = free_addresses(address, bytes);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

/* --- the API: mappings --- */

static bool is_reserved(uint64_t address, uint64_t bytes)
{
    for (const struct reservation *r = reservations; r != NULL; r = r->next)
        if (address >= r->address && bytes <= r->bytes && address - r->address <= r->bytes - bytes) return true;
    return false;
}

static int map(uint64_t address, uint64_t bytes, unsigned long long handle)
{
    struct fake_memory *memory = find_memory(handle);
    if (memory == NULL || bytes > memory->bytes || !is_reserved(address, bytes)) return HST_CU_INVALID_VALUE;
    if (is_mapped_anywhere(address, bytes)) return FAKE_ALREADY_MAPPED;
    struct mapping *mapping = calloc(1, sizeof(*mapping));
    if (mapping == NULL) return HST_CU_OUT_OF_MEMORY;
    void *there = mmap((void *)(uintptr_t)address, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, memory->fd, 0);
    if (there == MAP_FAILED || madvise(there, bytes, MADV_DONTFORK) < 0) {
        free(mapping);
        return HST_CU_OUT_OF_MEMORY;
    }
    *mapping = (struct mapping){.next = mappings, .address = address, .bytes = bytes, .memory = memory};
    memory->references++;
    mappings = mapping;
    return HST_CU_SUCCESS;
}

FAKE_API int cuMemMap(unsigned long long address, size_t bytes, size_t offset, unsigned long long handle, unsigned long long flags)
{
    FAKE_ENTER("cuMemMap", FAKE_NEEDS_CONTEXT)
    if (offset != 0 || flags != 0 || bytes == 0 || !is_aligned(address) || !is_aligned(bytes)) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    int result = map(address, bytes, handle);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

/* Is the range made of whole mappings, with nothing between them? */
static bool covers_whole(uint64_t address, uint64_t bytes)
{
    uint64_t covered = 0;
    for (const struct mapping *mapping = mappings; mapping != NULL; mapping = mapping->next) {
        if (!overlaps(mapping, address, bytes)) continue;
        if (mapping->address < address || mapping->address + mapping->bytes > address + bytes) return false;
        covered += mapping->bytes;
    }
    return bytes > 0 && covered == bytes;
}

static void unmap(uint64_t address, uint64_t bytes)
{
    for (struct mapping **link = &mappings; *link != NULL;) {
        struct mapping *mapping = *link;
        if (!overlaps(mapping, address, bytes)) {
            link = &mapping->next;
            continue;
        }
        *link = mapping->next;
        if (!close_range_of(mapping->address, mapping->bytes)) abort();
        drop(mapping->memory);
        free(mapping);
    }
}

FAKE_API int cuMemUnmap(unsigned long long address, size_t bytes)
{
    FAKE_ENTER("cuMemUnmap", FAKE_NEEDS_INIT)
    pthread_mutex_lock(&fake_lock);
    bool is_good = covers_whole(address, bytes);
    if (is_good) unmap(address, bytes);
    pthread_mutex_unlock(&fake_lock);
    return is_good ? HST_CU_SUCCESS : HST_CU_INVALID_VALUE;
}

static int protection_of(const struct mapping *mapping)
{
    unsigned access = 0;
    for (unsigned card = 0; card < FAKE_CARDS_MAX; card++)
        access |= mapping->access[card];
    return access == HST_CU_ACCESS_READ_WRITE ? PROT_READ | PROT_WRITE : access == HST_CU_ACCESS_READ ? PROT_READ : PROT_NONE;
}

static bool is_access(const struct hst_cu_access *access, unsigned *ret_card)
{
    bool is_known = access->flags == 0 || access->flags == HST_CU_ACCESS_READ || access->flags == HST_CU_ACCESS_READ_WRITE;
    return is_known && access->location.type == HST_CU_LOCATION_DEVICE && fake_visible_card(access->location.id, ret_card);
}

static int set_access(uint64_t address, uint64_t bytes, unsigned card, int flags)
{
    for (struct mapping *mapping = mappings; mapping != NULL; mapping = mapping->next) {
        if (!overlaps(mapping, address, bytes)) continue;
        if (mapping->memory->card != card && !fake_peers()) return HST_CU_INVALID_DEVICE;
        mapping->access[card] = (unsigned char)flags;
        if (mprotect((void *)(uintptr_t)mapping->address, mapping->bytes, protection_of(mapping)) < 0) return HST_CU_UNKNOWN;
    }
    return HST_CU_SUCCESS;
}

FAKE_API int cuMemSetAccess(unsigned long long address, size_t bytes, const struct hst_cu_access *access, size_t count)
{
    FAKE_ENTER("cuMemSetAccess", FAKE_NEEDS_CONTEXT)
    if (access == NULL || count == 0) return HST_CU_INVALID_VALUE;
    int result = HST_CU_SUCCESS;
    pthread_mutex_lock(&fake_lock);
    if (!covers_whole(address, bytes)) result = HST_CU_INVALID_VALUE;
    for (size_t i = 0; i < count && result == HST_CU_SUCCESS; i++) {
        unsigned card;
        result = is_access(&access[i], &card) ? set_access(address, bytes, card, access[i].flags) : HST_CU_INVALID_VALUE;
    }
    pthread_mutex_unlock(&fake_lock);
    return result;
}

/* --- what copies and kernels reach --- */

/* The mapping around an address, if the card may use it so. */
static struct mapping *find_usable(unsigned card, uint64_t address, bool write)
{
    unsigned needed = write ? HST_CU_ACCESS_READ_WRITE : HST_CU_ACCESS_READ;
    for (struct mapping *mapping = mappings; mapping != NULL; mapping = mapping->next)
        if (overlaps(mapping, address, 1)) return (mapping->access[card] & needed) == needed ? mapping : NULL;
    return NULL;
}

bool fake_piece_find(unsigned card, uint64_t address, uint64_t bytes, bool write, struct fake_piece *ret_piece)
{
    const struct mapping *mapping = find_usable(card, address, write);
    if (mapping == NULL) return false;
    uint64_t offset = address - mapping->address, left = mapping->bytes - offset;
    mapping->memory->references++;
    *ret_piece = (struct fake_piece){.memory = mapping->memory, .fd = mapping->memory->fd, .offset = offset, .bytes = bytes < left ? bytes : left};
    return true;
}

void fake_piece_end(struct fake_piece *piece)
{
    pthread_mutex_lock(&fake_lock);
    drop(piece->memory);
    pthread_mutex_unlock(&fake_lock);
}

bool fake_range_usable(unsigned card, uint64_t address, uint64_t bytes, bool write)
{
    while (bytes > 0) {
        const struct mapping *mapping = find_usable(card, address, write);
        if (mapping == NULL) return false;
        uint64_t left = mapping->bytes - (address - mapping->address);
        uint64_t part = bytes < left ? bytes : left;
        address += part;
        bytes -= part;
    }
    return true;
}

bool fake_memory_find(uint64_t address, bool write, uint64_t *ret_begin, uint64_t *ret_end)
{
    pthread_mutex_lock(&fake_lock);
    const struct mapping *mapping = find_usable(fake_stream_card(), address, write);
    bool is_found = mapping != NULL;
    if (is_found) {
        *ret_begin = mapping->address;
        *ret_end = mapping->address + mapping->bytes;
    } else {
        is_found = fake_host_find(address, ret_begin, ret_end);
    }
    pthread_mutex_unlock(&fake_lock);
    return is_found;
}
