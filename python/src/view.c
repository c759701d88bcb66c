#include "core.h"

#include <string.h>

PyObject *core_view_new(struct hoist_model *model, const struct hoist_tensor *tensor)
{
    struct core_view *view = PyObject_New(struct core_view, core_types[CORE_VIEW]);
    if (view == NULL) return NULL;
    view->model = hoist_model_ref(model);
    view->tensor = *tensor;
    return (PyObject *)view;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    core_model_unref(((struct core_view *)self)->model);
    PyObject_Free(self);
    Py_DECREF(type);
}

static const struct hoist_tensor *tensor_of(PyObject *self)
{
    return &((struct core_view *)self)->tensor;
}

/* A zero-size tensor may have no address; consumers want one. */
static int get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    static char nothing;
    const struct hoist_tensor *tensor = tensor_of(self);
    if (tensor->device.type != HOIST_DEVICE_CPU) {
        buffer->obj = NULL;
        PyErr_Format(PyExc_BufferError, "%s is in the memory of cuda:%d, which has no buffer: take it by DLPack", tensor->name, (int)tensor->device.ordinal);
        return -1;
    }
    void *data = tensor->data != NULL ? tensor->data : &nothing;
    return PyBuffer_FillInfo(buffer, self, data, (Py_ssize_t)tensor->size_bytes, 0, flags);
}

static PyObject *get_name(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(tensor_of(self)->name);
}

static PyObject *get_dtype(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(tensor_of(self)->dtype);
}

static PyObject *get_shape(PyObject *self, void *closure)
{
    (void)closure;
    const struct hoist_tensor *tensor = tensor_of(self);
    PyObject *shape = PyTuple_New((Py_ssize_t)tensor->rank);
    for (uint32_t i = 0; shape != NULL && i < tensor->rank; i++) {
        PyObject *size = PyLong_FromUnsignedLongLong(tensor->shape[i]);
        if (size == NULL) Py_CLEAR(shape);
        else PyTuple_SET_ITEM(shape, (Py_ssize_t)i, size);
    }
    return shape;
}

static PyObject *get_nbytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(tensor_of(self)->size_bytes);
}

static PyObject *get_device(PyObject *self, void *closure)
{
    (void)closure;
    return core_device_name(&tensor_of(self)->device);
}

static PyObject *get_shared(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(tensor_of(self)->device.read_only);
}

/* Types that NumPy has, by the number of the element type (docs/protocol.md). */
static const char *const array_types[] = {
    [1] = "|b1",  [5] = "|u1",  [6] = "|i1",  [12] = "<i2", [13] = "<u2", [14] = "<f2", [16] = "<i4",
    [17] = "<u4", [18] = "<f4", [19] = "<c8", [20] = "<f8", [21] = "<i8", [22] = "<u8",
};

/* Nothing is under way in the memory when it is handed out: no stream is to be waited for. */
static PyObject *get_array_interface(PyObject *self, void *closure)
{
    const struct hoist_tensor *tensor = tensor_of(self);
    const char *type = tensor->dtype_code < sizeof array_types / sizeof array_types[0] ? array_types[tensor->dtype_code] : NULL;
    if (type == NULL || tensor->device.type != HOIST_DEVICE_CUDA)
        return PyErr_Format(PyExc_AttributeError, "%s (%s) has no CUDA array interface", tensor->name, tensor->dtype);
    PyObject *shape = get_shape(self, closure);
    if (shape == NULL) return NULL;
    unsigned long long address = tensor->size_bytes > 0 ? (uintptr_t)tensor->data : 0;
    return Py_BuildValue("{sN, ss, s(KN), sO, sO, si}", "shape", shape, "typestr", type, "data", address, PyBool_FromLong(tensor->device.read_only),
                         "strides", Py_None, "stream", Py_None, "version", 3);
}

/* A consumer that names DLPack 1.x or later gets the versioned form, any other the legacy one. */
static enum core_dlpack_form wanted_form(PyObject *max_version)
{
    if (max_version == NULL || !PyTuple_Check(max_version) || PyTuple_GET_SIZE(max_version) < 1) return CORE_DLPACK_LEGACY;
    return PyLong_AsLong(PyTuple_GET_ITEM(max_version, 0)) >= 1 ? CORE_DLPACK_VERSIONED : CORE_DLPACK_LEGACY;
}

/* A consumer may name the device that it wants the tensor on: (type, ordinal), or None. */
static bool is_there(const struct hoist_device *device, PyObject *wanted)
{
    int type, ordinal;
    if (wanted == NULL || wanted == Py_None) return true;
    if (!PyTuple_Check(wanted) || !PyArg_ParseTuple(wanted, "ii", &type, &ordinal)) {
        PyErr_Clear();
        return false;
    }
    return type == device->type && ordinal == device->ordinal;
}

static PyObject *dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    PyObject *stream = NULL, *max_version = NULL, *device = NULL, *copy = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO", names, &stream, &max_version, &device, &copy)) return NULL;
    if (copy == Py_True || !is_there(&tensor_of(self)->device, device)) {
        PyErr_SetString(PyExc_BufferError, "hoist hands out views; copy the result instead");
        return NULL;
    }
    struct core_view *view = (struct core_view *)self;
    enum core_dlpack_form form = wanted_form(max_version);
    if (view->tensor.device.read_only && form == CORE_DLPACK_LEGACY) {
        PyErr_SetString(PyExc_BufferError, "the memory is shared and may only be read, which DLPack before 1.0 cannot say: ask with max_version=(1, 0)");
        return NULL;
    }
    return core_dlpack_capsule(view->model, &view->tensor, form, false);
}

static PyObject *dlpack_device(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_BuildValue("(ii)", (int)tensor_of(self)->device.type, (int)tensor_of(self)->device.ordinal);
}

static PyMethodDef methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))dlpack, METH_VARARGS | METH_KEYWORDS, "The tensor as a DLPack capsule."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS, "(1, 0) in RAM, (2, N) on cuda:N."},
    {NULL},
};
static PyGetSetDef getters[] = {
    {"name", get_name, NULL, "Key as in the file.", NULL},
    {"dtype", get_dtype, NULL, "Element type in the words of safetensors.", NULL},
    {"shape", get_shape, NULL, "Sizes.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of data.", NULL},
    {"device", get_device, NULL, "\"cpu\" or \"cuda:N\".", NULL},
    {"shared", get_shared, NULL, "Is it memory of a card that others read, too, and that may not be written?", NULL},
    {"__cuda_array_interface__", get_array_interface, NULL, "On a card, of the types that NumPy has.", NULL},
    {NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "A tensor's bytes, by DLPack, and in RAM by the buffer protocol: writable and private to this process, unless shared on a card."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_bf_getbuffer, get_buffer},
    {0, NULL},
};
PyType_Spec core_view_spec = {"hoist._core.View", sizeof(struct core_view), 0, Py_TPFLAGS_DEFAULT, slots};
