#ifndef HOIST_PY_CORE_H
#define HOIST_PY_CORE_H
/** @file
 * The extension hoist._core: thin Python objects over libhoist, and tensors as DLPack capsules and buffers.
 * Private to the package; hoist.client and hoist.model are what users see. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include <hoist/hoist.h>

/** A tensor of an open model: keeps the model, exports DLPack, in RAM the buffer protocol, and on a card the CUDA array interface. */
struct core_view {
    PyObject_HEAD
    struct hoist_model *model;  /**< one reference; NULL before core_view_new filled it */
    struct hoist_tensor tensor; /**< its pointers live as long as `model` */
};

/** Raise the hoist exception that belongs to `error`, and clear it. @return NULL, so that `return core_error_raise(...)` reads well */
PyObject *core_error_raise(struct hoist_error *error);

/** A view of `tensor` of `model`, whose reference is taken here. New reference, or NULL with an exception. */
PyObject *core_view_new(struct hoist_model *model, const struct hoist_tensor *tensor);

/** Forms of a DLPack capsule. */
enum core_dlpack_form {
    CORE_DLPACK_LEGACY,    /**< "dltensor", DLPack before 1.0 */
    CORE_DLPACK_VERSIONED, /**< "dltensor_versioned", DLPack 1.x */
};
/** A capsule over the tensor's bytes; its deleter lets go of `model`. `raw`: as a row of uint8. NULL with an exception;
 * BufferError when the element type has no DLPack code and `raw` is false. */
PyObject *core_dlpack_capsule(struct hoist_model *model, const struct hoist_tensor *tensor, enum core_dlpack_form form, bool raw);

/** The types, ready for PyType_FromSpec. */
extern PyType_Spec core_client_spec, core_model_spec, core_view_spec, core_events_spec;
/** Let go of a model without the interpreter's lock, which is held: on a card the last one waits for its work. */
void core_model_unref(struct hoist_model *model);
/** "cpu", "cuda:N". New reference, or NULL with an exception. */
PyObject *core_device_name(const struct hoist_device *device);
/** The method find_device(name) -> (ordinal, uuid). */
PyObject *core_device_find(PyObject *self, PyObject *args);
/** The method is_shared(address) -> bool. */
PyObject *core_device_is_shared(PyObject *self, PyObject *args);
/** Wrap an open model, whose reference is taken over. New reference, or NULL with an exception (the model is unreffed). */
PyObject *core_model_wrap(struct hoist_model *model);
/** Types made at import, kept for the life of the process: index by enum core_type. */
extern PyTypeObject *core_types[4];
/** Places in core_types. */
enum core_type { CORE_CLIENT, CORE_MODEL, CORE_VIEW, CORE_EVENTS };
#endif
