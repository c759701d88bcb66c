#include "ptx.h"

#include "cuda/driver.h"

/* This double runs no kernels. */
int fake_ptx_load(const char *text, struct fake_ptx **ret_module)
{
    (void)text;
    (void)ret_module;
    return HST_CU_NOT_SUPPORTED;
}

void fake_ptx_free(struct fake_ptx *module)
{
    (void)module;
}

const struct fake_ptx_function *fake_ptx_find(const struct fake_ptx *module, const char *name)
{
    (void)module;
    (void)name;
    return NULL;
}

size_t fake_ptx_parameter_bytes(const struct fake_ptx_function *function)
{
    (void)function;
    return 0;
}

void fake_ptx_pack(const struct fake_ptx_function *function, void *const *parameters, void *ret_block)
{
    (void)function;
    (void)parameters;
    (void)ret_block;
}

int fake_ptx_launch(const struct fake_ptx_function *function, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes, const void *parameters)
{
    (void)function;
    (void)grid;
    (void)block;
    (void)shared_bytes;
    (void)parameters;
    return HST_CU_NOT_SUPPORTED;
}
