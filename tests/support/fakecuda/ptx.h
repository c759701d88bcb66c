#ifndef FAKECUDA_PTX_H
#define FAKECUDA_PTX_H
/* Kernels of the double: PTX text read, and run one thread after another on the CPU. memory.c says which addresses a kernel may use.
 * Functions that return int return a CUresult. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_ptx;          /* a module */
struct fake_ptx_function; /* a kernel of a module; lives as long as it */

/* Read a module: NUL-ended text. CUDA_ERROR_INVALID_PTX (218) for what is not understood, CUDA_ERROR_UNSUPPORTED_PTX_VERSION (222) for a .version that is
 * newer than the double's driver. Keeps nothing of `text`. */
int fake_ptx_load(const char *text, struct fake_ptx **ret_module);
void fake_ptx_free(struct fake_ptx *module);
/* A kernel (.entry) by its name, or NULL. */
const struct fake_ptx_function *fake_ptx_find(const struct fake_ptx *module, const char *name);
/* Bytes of all its parameters, each at its alignment: the block below. */
size_t fake_ptx_parameter_bytes(const struct fake_ptx_function *function);
/* Copy the values that the caller's pointers point to, in order, into a block: at the call, as the driver does, since the kernel runs later. */
void fake_ptx_pack(const struct fake_ptx_function *function, void *const *parameters, void *ret_block);
/* Run every thread of the grid, to the end. Called on the thread of a stream, with no lock held; several at once. An address that fake_memory_find does not give
 * is CUDA_ERROR_ILLEGAL_ADDRESS (700), an access that is not aligned to its size CUDA_ERROR_MISALIGNED_ADDRESS (716), and so on: what is returned is sticky. */
int fake_ptx_launch(const struct fake_ptx_function *function, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes, const void *parameters);

/* Memory that kernels reach (memory.c): the run of bytes around `address` that kernels of the card that this thread works for may read, or write too: mapped
 * memory of the card with access, and pinned memory of the host. The bytes may be used in place. The answer holds until the range is unmapped. */
bool fake_memory_find(uint64_t address, bool write, uint64_t *ret_begin, uint64_t *ret_end);
#endif
