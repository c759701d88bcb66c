/* Modules and kernels: ptx.h reads and runs them, on the threads of streams. */
#include "fake.h"
#include "ptx_ops.h"

#include <stdio.h>
#include <stdlib.h>

struct function {
    struct function *next;
    const struct fake_ptx_function *kernel;
};

struct module {
    struct module *next;
    struct fake_context *context;
    struct fake_ptx *ptx;
    struct function *functions; /* that were asked for */
};

static struct module *modules;

static struct module *find_module(const void *handle)
{
    struct module *module = modules;
    while (module != NULL && module != handle)
        module = module->next;
    return module;
}

static const struct function *find_function(const void *handle)
{
    for (const struct module *module = modules; module != NULL; module = module->next)
        for (const struct function *function = module->functions; function != NULL; function = function->next)
            if (function == handle) return function;
    return NULL;
}

FAKE_API int cuModuleLoadData(void **module, const void *image)
{
    FAKE_ENTER("cuModuleLoadData", FAKE_NEEDS_CONTEXT)
    if (module == NULL || image == NULL) return HST_CU_INVALID_VALUE;
    struct fake_ptx *ptx = NULL;
    int result = fake_ptx_load(image, &ptx);
    if (result != HST_CU_SUCCESS) fprintf(stderr, "fakecuda: PTX is not taken: %s\n", fake_ptx_why());
    if (result != HST_CU_SUCCESS) return result;
    struct module *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        fake_ptx_free(ptx);
        return HST_CU_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&fake_lock);
    *made = (struct module){.next = modules, .context = fake_current(), .ptx = ptx};
    modules = made;
    pthread_mutex_unlock(&fake_lock);
    *module = made;
    return HST_CU_SUCCESS;
}

static void free_module(struct module *module)
{
    struct module **link = &modules;
    while (*link != module)
        link = &(*link)->next;
    *link = module->next;
    for (struct function *function = module->functions, *next; function != NULL; function = next) {
        next = function->next;
        free(function);
    }
    fake_ptx_free(module->ptx);
    free(module);
}

FAKE_API int cuModuleUnload(void *handle)
{
    FAKE_ENTER("cuModuleUnload", FAKE_NEEDS_CONTEXT)
    pthread_mutex_lock(&fake_lock);
    struct module *module = find_module(handle);
    if (module != NULL) fake_streams_wait(module->context);
    if (module != NULL) free_module(module);
    pthread_mutex_unlock(&fake_lock);
    return module != NULL ? HST_CU_SUCCESS : HST_CU_INVALID_HANDLE;
}

static int get_function(struct module *module, const char *name, void **ret_function)
{
    const struct fake_ptx_function *kernel = module != NULL ? fake_ptx_find(module->ptx, name) : NULL;
    if (kernel == NULL) return module != NULL ? HST_CU_NOT_FOUND : HST_CU_INVALID_HANDLE;
    struct function *function = calloc(1, sizeof(*function));
    if (function == NULL) return HST_CU_OUT_OF_MEMORY;
    *function = (struct function){.next = module->functions, .kernel = kernel};
    module->functions = function;
    *ret_function = function;
    return HST_CU_SUCCESS;
}

FAKE_API int cuModuleGetFunction(void **function, void *module, const char *name)
{
    FAKE_ENTER("cuModuleGetFunction", FAKE_NEEDS_CONTEXT)
    if (function == NULL || name == NULL) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    int result = get_function(find_module(module), name, function);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

/* Blocks of 1 to 1024 threads, grids as the driver takes them. */
static bool is_launchable(const unsigned grid[3], const unsigned block[3])
{
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2], blocks = (uint64_t)grid[0] * grid[1] * grid[2];
    return threads >= 1 && threads <= 1024 && block[2] <= 64 && blocks >= 1 && grid[0] <= 2147483647u && grid[1] <= 65535 && grid[2] <= 65535;
}

static int launch(const struct function *function, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes, void *stream, void **parameters,
                  const struct fake_fate *fate)
{
    size_t size = fake_ptx_parameter_bytes(function->kernel);
    void *packed = calloc(1, size + 1);
    if (packed == NULL) return HST_CU_OUT_OF_MEMORY;
    fake_ptx_pack(function->kernel, parameters, packed);
    int result = fake_stream_launch(fake_current(), stream, fate, function->kernel, grid, block, shared_bytes, packed);
    if (result != HST_CU_SUCCESS) free(packed);
    return result;
}

FAKE_API int cuLaunchKernel(void *handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                            unsigned shared_bytes, void *stream, void **parameters, void **extra)
{
    FAKE_ENTER("cuLaunchKernel", FAKE_NEEDS_CONTEXT)
    const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
    if (!is_launchable(grid, block) || shared_bytes > 227 << 10 || extra != NULL) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    const struct function *function = find_function(handle);
    int result = function == NULL ? HST_CU_INVALID_HANDLE : launch(function, grid, block, shared_bytes, stream, parameters, &fate);
    pthread_mutex_unlock(&fake_lock);
    return result;
}
