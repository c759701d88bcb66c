#include "gpu/list.h"

#include "base/cleanup.h"
#include "cuda/nvml.h"
#include "gpu/info.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

static int identify(const struct hst_cuda_driver *driver, int device, struct hst_gpu_card *card)
{
    struct hst_cu_uuid uuid = {0};
    int result = driver->cuDeviceGetName(card->name, sizeof card->name, device);
    if (result == HST_CU_SUCCESS) result = driver->cuDeviceGetUuid(&uuid, device);
    if (result == HST_CU_SUCCESS) result = driver->cuDeviceGetPCIBusId(card->pci_bus_id, sizeof card->pci_bus_id, device);
    bool is_slice = hst_nvml_is_slice(&uuid) || strstr(card->name, " MIG ") != NULL; /* without NVML: a slice's profile is behind the card's name */
    hst_cuda_uuid_text(&uuid, is_slice, card->uuid);
    return result;
}

static int ask_number(const struct hst_cuda_driver *driver, int device, int attribute, uint64_t *ret_number)
{
    int value = 0;
    int result = driver->cuDeviceGetAttribute(&value, attribute, device);
    *ret_number = value > 0 ? (uint64_t)value : 0;
    return result;
}

static int ask_abilities(const struct hst_cuda_driver *driver, int device, struct hst_gpu_card *card)
{
    uint64_t has_vmm = 0, has_descriptors = 0;
    int result = ask_number(driver, device, HST_CU_ATTRIBUTE_MAJOR, &card->major);
    if (result == HST_CU_SUCCESS) result = ask_number(driver, device, HST_CU_ATTRIBUTE_MINOR, &card->minor);
    if (result == HST_CU_SUCCESS) result = ask_number(driver, device, HST_CU_ATTRIBUTE_VMM, &has_vmm);
    if (result == HST_CU_SUCCESS) result = ask_number(driver, device, HST_CU_ATTRIBUTE_POSIX_FD, &has_descriptors);
    card->usable = has_vmm != 0 && has_descriptors != 0;
    return result;
}

/* Of one that shares nothing, there is no granularity. */
static int ask_memory(const struct hst_cuda_driver *driver, int device, struct hst_gpu_card *card)
{
    size_t total = 0, granularity = 0;
    const struct hst_cu_allocation allocation = {HST_CU_ALLOCATION_PINNED, HST_CU_HANDLE_POSIX_FD, {HST_CU_LOCATION_DEVICE, device}, NULL, {0}};
    int result = driver->cuDeviceTotalMem(&total, device);
    if (result == HST_CU_SUCCESS && card->usable) result = driver->cuMemGetAllocationGranularity(&granularity, &allocation, HST_CU_GRANULARITY_RECOMMENDED);
    card->info.total_bytes = total;
    card->granularity = granularity;
    return result;
}

int hst_gpu_list_card(const struct hst_cuda_driver *driver, int ordinal, struct hst_gpu_card *ret_card, struct hst_error *err)
{
    struct hst_gpu_card card = {.ordinal = (uint64_t)ordinal, .driver_version = (uint64_t)driver->version, .info = HST_GPU_INFO_UNKNOWN};
    int device = 0;
    int result = driver->cuDeviceGet(&device, ordinal);
    if (result == HST_CU_SUCCESS) result = identify(driver, device, &card);
    if (result == HST_CU_SUCCESS) result = ask_abilities(driver, device, &card);
    if (result == HST_CU_SUCCESS) result = ask_memory(driver, device, &card);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "ask about a card", err);
    *ret_card = card;
    return HST_OK;
}

/* A line is written at once: whoever reads packets gets one for each. */
static int print(struct hst_strbuf *line)
{
    int status = hst_strbuf_ok(line) ? hst_file_write_all(STDOUT_FILENO, line->text, line->length, NULL) : HST_E_NOMEM;
    hst_strbuf_reset(line);
    return status;
}

/* One that does not answer is no reason to leave the others out: *ret_shown says whether it did. */
static int print_card(const struct hst_cuda_driver *driver, int ordinal, struct hst_strbuf *line, bool *ret_shown, struct hst_error *why)
{
    struct hst_gpu_card card;
    int status = hst_gpu_list_card(driver, ordinal, &card, why);
    if (status == HST_OK) status = hst_gpu_info_ask(card.uuid, &card.info, why);
    card.info.xid = UINT64_MAX; /* a process that ends now has watched for nothing */
    *ret_shown = status == HST_OK;
    if (!*ret_shown) {
        fprintf(stderr, "hoist-device: card %d: %s\n", ordinal, why->text);
        return HST_OK;
    }
    hst_gpu_card_put(&card, line);
    return print(line);
}

static int print_none(const char *why, struct hst_strbuf *line)
{
    hst_gpu_card_put_none(why, line);
    return print(line);
}

static int print_cards(const struct hst_cuda_driver *driver, int count, struct hst_strbuf *line)
{
    struct hst_error why = {0};
    bool any_shown = false, shown;
    hst_error_set(&why, HST_E_DEVICE_UNAVAILABLE, "the driver knows no card");
    for (int ordinal = 0; ordinal < count; ordinal++) {
        HST_TRY(print_card(driver, ordinal, line, &shown, &why));
        any_shown = any_shown || shown;
    }
    return any_shown ? HST_OK : print_none(why.text, line);
}

int hst_gpu_list_print(void)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf line = {0};
    const struct hst_cuda_driver *driver;
    struct hst_error why = {0};
    int count = 0;
    if (hst_cuda_driver_get(&driver, &why) < 0) return print_none(why.text, &line);
    int result = driver->cuDeviceGetCount(&count);
    if (result == HST_CU_SUCCESS) return print_cards(driver, count, &line);
    hst_cuda_error(driver, result, "count the cards", &why);
    return print_none(why.text, &line);
}
