#include "core.h"
#include "dlpack.h"

#include <stdlib.h>

/* DLPack kind and bits by the number of the element type (docs/protocol.md). kind 255: DLPack has no such type. */
static const struct {
    uint8_t code, bits;
} dl_types[] = {
    [1] = {6, 8},   [2] = {17, 4},  [3] = {15, 6},  [4] = {16, 6},  [5] = {1, 8},   [6] = {0, 8},
    [7] = {12, 8},  [8] = {10, 8},  [9] = {14, 8},  [10] = {11, 8}, [11] = {13, 8}, [12] = {0, 16},
    [13] = {1, 16}, [14] = {2, 16}, [15] = {4, 16}, [16] = {0, 32}, [17] = {1, 32}, [18] = {2, 32},
    [19] = {5, 64}, [20] = {2, 64}, [21] = {0, 64}, [22] = {1, 64},
};
enum { TYPE_COUNT = sizeof dl_types / sizeof dl_types[0], DL_UINT = 1, DL_READ_ONLY = 1 };

/* One block a capsule: the form that was asked for, the model it keeps, and room for shape and strides. */
struct block {
    union {
        struct dl_managed legacy;
        struct dl_managed_versioned versioned;
    } form;
    struct hoist_model *model;
    int64_t sizes[];
};

/* A consumer calls a deleter from any thread, with the interpreter's lock or without it, and after the interpreter's end. */
static void free_block(struct block *block)
{
    if (Py_IsInitialized() && PyGILState_Check()) core_model_unref(block->model);
    else hoist_model_unref(block->model);
    free(block);
}

static void delete_legacy(struct dl_managed *managed)
{
    free_block(managed->context);
}

static void delete_versioned(struct dl_managed_versioned *managed)
{
    free_block(managed->context);
}

/* A capsule that nobody consumed still owns its block; a consumer renames it. */
static void destroy_legacy(PyObject *capsule)
{
    if (!PyCapsule_IsValid(capsule, "dltensor")) return;
    struct dl_managed *managed = PyCapsule_GetPointer(capsule, "dltensor");
    managed->deleter(managed);
}

static void destroy_versioned(PyObject *capsule)
{
    if (!PyCapsule_IsValid(capsule, "dltensor_versioned")) return;
    struct dl_managed_versioned *managed = PyCapsule_GetPointer(capsule, "dltensor_versioned");
    managed->deleter(managed);
}

static void fill_sizes(const struct hoist_tensor *tensor, bool raw, int64_t *shape, int64_t *strides)
{
    if (raw) {
        shape[0] = (int64_t)tensor->size_bytes;
        strides[0] = 1;
        return;
    }
    int64_t step = 1;
    for (uint32_t i = tensor->rank; i-- > 0;) {
        shape[i] = (int64_t)tensor->shape[i];
        strides[i] = step;
        step *= shape[i] > 0 ? shape[i] : 1;
    }
}

static struct dl_tensor describe(struct block *block, const struct hoist_tensor *tensor, bool raw)
{
    uint32_t rank = raw ? 1 : tensor->rank;
    struct dl_tensor out = {.data = tensor->data, .device = {tensor->device.type, tensor->device.ordinal}, .rank = (int32_t)rank,
        .shape = block->sizes, .strides = block->sizes + rank};
    out.type = (struct dl_type){raw ? DL_UINT : dl_types[tensor->dtype_code].code, raw ? 8 : dl_types[tensor->dtype_code].bits, 1};
    fill_sizes(tensor, raw, out.shape, out.strides);
    return out;
}

static bool representable(const struct hoist_tensor *tensor)
{
    return tensor->dtype_code < TYPE_COUNT && dl_types[tensor->dtype_code].bits != 0;
}

static PyObject *wrap(struct block *block, const struct dl_tensor *described, enum core_dlpack_form form, bool read_only)
{
    if (form == CORE_DLPACK_VERSIONED) {
        block->form.versioned = (struct dl_managed_versioned){1, 1, block, delete_versioned, read_only ? DL_READ_ONLY : 0, *described};
        return PyCapsule_New(&block->form.versioned, "dltensor_versioned", destroy_versioned);
    }
    block->form.legacy = (struct dl_managed){*described, block, delete_legacy};
    return PyCapsule_New(&block->form.legacy, "dltensor", destroy_legacy);
}

PyObject *core_dlpack_capsule(struct hoist_model *model, const struct hoist_tensor *tensor, enum core_dlpack_form form, bool raw)
{
    if (!raw && !representable(tensor)) {
        PyErr_Format(PyExc_BufferError, "DLPack has no element type for %s", tensor->dtype);
        return NULL;
    }
    size_t sizes = raw ? 2 : 2 * (size_t)tensor->rank;
    struct block *block = malloc(sizeof *block + sizes * sizeof block->sizes[0]);
    if (block == NULL) return PyErr_NoMemory();
    block->model = hoist_model_ref(model);
    struct dl_tensor described = describe(block, tensor, raw);
    PyObject *capsule = wrap(block, &described, form, tensor->device.read_only != 0);
    if (capsule == NULL) free_block(block);
    return capsule;
}
