#include "os/place.h"

#include "base/checked.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Where in [address, address + HST_PLACE_HUGE_BYTES) the mapping begins. */
static uint64_t lead_of(const void *address, uint64_t offset)
{
    return (offset - (uint64_t)(uintptr_t)address) % HST_PLACE_HUGE_BYTES;
}

/* Address space is set apart first, more than is needed; the mapping takes its place in it, and the rest is given back. */
void *hst_place_map(int fd, uint64_t offset, uint64_t size_bytes, int protection, int flags)
{
    uint64_t room = size_bytes + HST_PLACE_HUGE_BYTES, used;
    void *plain = size_bytes < HST_PLACE_HUGE_BYTES ? MAP_FAILED : mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (plain == MAP_FAILED) {
        void *address = mmap(NULL, size_bytes, protection, flags, fd, (off_t)offset);
        return address != MAP_FAILED ? address : NULL;
    }
    uint64_t lead = lead_of(plain, offset);
    void *address = mmap((char *)plain + lead, size_bytes, protection, flags | MAP_FIXED, fd, (off_t)offset);
    if (address == MAP_FAILED) {
        munmap(plain, room);
        return NULL;
    }
    used = lead + hst_round_up(size_bytes, 4096);
    if (lead > 0) munmap(plain, lead);
    if (used < room) munmap((char *)plain + used, room - used);
    return address;
}

void *hst_place_room(uint64_t size_bytes)
{
    uint64_t rounded = hst_round_up(size_bytes, HST_PLACE_HUGE_BYTES);
    void *room = aligned_alloc(HST_PLACE_HUGE_BYTES, rounded);
    if (room != NULL) (void)madvise(room, rounded, MADV_HUGEPAGE);
    return room;
}
