#ifndef HST_CUDA_CONVERT_H
#define HST_CUDA_CONVERT_H
/** @file
 * Numbers in a card's memory turned into those of another floating type by the card itself, bit for bit as src/convert does it: F64, F32, F16, BF16,
 * F8_E4M3, F8_E5M2, each to every other. The kernel is PTX (kernels/convert.ptx), which the driver compiles for whichever card it is. */
#include "cuda/driver.h"
#include "formats/dtype.h"

/** The kernel, loaded into a context. Zero-initialise; end with hst_cuda_converter_fini while that context is current. */
struct hst_cuda_converter {
    const struct hst_cuda_driver *driver; /**< whose */
    void *module;                         /**< what was loaded; NULL = nothing */
    void *kernel;                         /**< of it */
};

/** Load the kernel into the current context. The driver compiles it, unless it finds it in its cache: tens of milliseconds. Fails as hst_cuda_error says, for
 * one where a driver came without its compiler: then the host can still convert. */
int hst_cuda_converter_init(const struct hst_cuda_driver *driver, struct hst_cuda_converter *ret_converter, struct hst_error *err);
/** Unload it; nothing may be converting any more. Twice is fine. */
void hst_cuda_converter_fini(struct hst_cuda_converter *converter);
/** Bytes of a number of a type that is converted; 0 of any other. */
unsigned hst_cuda_number_bytes(enum hst_dtype dtype);
/** Is there such a conversion? */
bool hst_cuda_converts(enum hst_dtype from, enum hst_dtype to);
/** Have `count` numbers at `source` converted to `target`, both addresses of the device, aligned to a number each, in ranges that do not overlap. Only
 * starts it: it is done when the stream is. HST_E_INVALID_ARGUMENT unless hst_cuda_converts, or when an address is not aligned. */
int hst_cuda_convert(const struct hst_cuda_converter *converter, enum hst_dtype from, enum hst_dtype to, unsigned long long source, unsigned long long target,
                     uint64_t count, void *stream, struct hst_error *err);
#endif
