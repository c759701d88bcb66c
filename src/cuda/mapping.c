#include "cuda/mapping.h"

#include "base/checked.h"

#include <stdlib.h>

/* Which of it is done is in the mapping: address, then count. So unmapping undoes a half-made one, too. */

static int check_size(const struct hst_cuda_part *parts, size_t count, uint64_t *ret_bytes, struct hst_error *err)
{
    uint64_t total = 0;
    bool fits = count > 0;
    for (size_t i = 0; i < count && fits; i++)
        fits = parts[i].size_bytes > 0 && hst_checked_add(total, parts[i].size_bytes, &total);
    if (!fits) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no memory to be mapped in %zu parts of %llu bytes", count, (unsigned long long)total);
    *ret_bytes = total;
    return HST_OK;
}

static int reserve(struct hst_cuda_mapping *mapping, uint64_t size_bytes, struct hst_error *err)
{
    int result = mapping->driver->cuMemAddressReserve(&mapping->address, size_bytes, 0, 0, 0);
    if (result != HST_CU_SUCCESS) {
        mapping->address = 0;
        return hst_cuda_error(mapping->driver, result, "reserve addresses for device memory", err);
    }
    mapping->size_bytes = size_bytes;
    return HST_OK;
}

/* A mapping needs no handle: the memory lives as long as it is mapped. */
static int map_part(struct hst_cuda_mapping *mapping, const struct hst_cuda_part *part, unsigned long long address, struct hst_error *err)
{
    const struct hst_cuda_driver *driver = mapping->driver;
    unsigned long long handle;
    int result = driver->cuMemImportFromShareableHandle(&handle, (void *)(uintptr_t)part->fd, HST_CU_HANDLE_POSIX_FD);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "import device memory from its descriptor", err);
    result = driver->cuMemMap(address, part->size_bytes, 0, handle, 0);
    if (result == HST_CU_SUCCESS) mapping->sizes[mapping->count++] = part->size_bytes;
    int released = driver->cuMemRelease(handle);
    if (result == HST_CU_SUCCESS) result = released;
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(driver, result, "map device memory", err);
}

static int map_parts(struct hst_cuda_mapping *mapping, const struct hst_cuda_part *parts, size_t count, struct hst_error *err)
{
    unsigned long long address = mapping->address;
    for (size_t i = 0; i < count; i++) {
        HST_TRY(map_part(mapping, &parts[i], address, err));
        address += parts[i].size_bytes;
    }
    return HST_OK;
}

static int permit(const struct hst_cuda_mapping *mapping, int device, int access, struct hst_error *err)
{
    const struct hst_cu_access allowed = {{HST_CU_LOCATION_DEVICE, device}, access};
    int result = mapping->driver->cuMemSetAccess(mapping->address, mapping->size_bytes, &allowed, 1);
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(mapping->driver, result, "make device memory accessible", err);
}

int hst_cuda_map(const struct hst_cuda_driver *driver, int device, const struct hst_cuda_part *parts, size_t count, int access,
                 struct hst_cuda_mapping *ret_mapping, struct hst_error *err)
{
    struct hst_cuda_mapping mapping = {.driver = driver};
    uint64_t size_bytes;
    HST_TRY(check_size(parts, count, &size_bytes, err));
    mapping.sizes = calloc(count, sizeof *mapping.sizes);
    if (mapping.sizes == NULL) return hst_error_nomem(err);
    int status = reserve(&mapping, size_bytes, err);
    if (status == HST_OK) status = map_parts(&mapping, parts, count, err);
    if (status == HST_OK) status = permit(&mapping, device, access, err);
    if (status < 0) {
        (void)hst_cuda_unmap(&mapping);
        return status;
    }
    *ret_mapping = mapping;
    return HST_OK;
}

static void keep_first(int *first, int result)
{
    if (*first == HST_CU_SUCCESS) *first = result;
}

int hst_cuda_unmap(struct hst_cuda_mapping *mapping)
{
    int first = HST_CU_SUCCESS;
    unsigned long long address = mapping->address;
    for (size_t i = 0; i < mapping->count; i++) {
        keep_first(&first, mapping->driver->cuMemUnmap(address, mapping->sizes[i]));
        address += mapping->sizes[i];
    }
    if (mapping->address != 0) keep_first(&first, mapping->driver->cuMemAddressFree(mapping->address, mapping->size_bytes));
    free(mapping->sizes);
    *mapping = (struct hst_cuda_mapping){0};
    return first;
}
