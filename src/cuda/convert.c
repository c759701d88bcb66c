#include "cuda/convert.h"

static const char ptx[] =
#include "cuda/convert.inc"
    ;

/* Of a block, and blocks at most: more threads than any card runs at once, each of which takes number after number. */
enum { THREADS = 256, BLOCKS_MAX = 4096 };

unsigned hst_cuda_number_bytes(enum hst_dtype dtype)
{
    static const unsigned char bytes[] = {[HST_DTYPE_F8_E5M2] = 1, [HST_DTYPE_F8_E4M3] = 1, [HST_DTYPE_F16] = 2, [HST_DTYPE_BF16] = 2, [HST_DTYPE_F32] = 4, [HST_DTYPE_F64] = 8};
    return (size_t)dtype < sizeof bytes ? bytes[dtype] : 0;
}

bool hst_cuda_converts(enum hst_dtype from, enum hst_dtype to)
{
    return hst_cuda_number_bytes(from) != 0 && hst_cuda_number_bytes(to) != 0 && from != to;
}

int hst_cuda_converter_init(const struct hst_cuda_driver *driver, struct hst_cuda_converter *ret_converter, struct hst_error *err)
{
    struct hst_cuda_converter converter = {.driver = driver};
    int result = driver->cuModuleLoadData(&converter.module, ptx);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "loading the kernel that converts numbers", err);
    result = driver->cuModuleGetFunction(&converter.kernel, converter.module, "hst_convert");
    if (result != HST_CU_SUCCESS) {
        hst_cuda_converter_fini(&converter);
        return hst_cuda_error(driver, result, "finding the kernel that converts numbers", err);
    }
    *ret_converter = converter;
    return HST_OK;
}

void hst_cuda_converter_fini(struct hst_cuda_converter *converter)
{
    if (converter->module != NULL) converter->driver->cuModuleUnload(converter->module);
    *converter = (struct hst_cuda_converter){0};
}

int hst_cuda_convert(const struct hst_cuda_converter *converter, enum hst_dtype from, enum hst_dtype to, unsigned long long source, unsigned long long target,
                     uint64_t count, void *stream, struct hst_error *err)
{
    uint32_t from_type = from, to_type = to;
    uint64_t blocks = count / THREADS + (count % THREADS != 0);
    void *parameters[] = {&source, &target, &count, &from_type, &to_type};
    if (!hst_cuda_converts(from, to)) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "type %u is not converted to type %u on a card", from_type, to_type);
    if (source % hst_cuda_number_bytes(from) != 0 || target % hst_cuda_number_bytes(to) != 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "numbers to convert are not aligned on the card");
    if (count == 0) return HST_OK;
    if (blocks > BLOCKS_MAX) blocks = BLOCKS_MAX;
    int result = converter->driver->cuLaunchKernel(converter->kernel, (unsigned)blocks, 1, 1, THREADS, 1, 1, 0, stream, parameters, NULL);
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(converter->driver, result, "converting numbers", err);
}
