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
    hoist_model_unref(((struct core_view *)self)->model);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* A zero-size tensor may have no address; consumers want one. */
static int get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    static char nothing;
    struct hoist_tensor *tensor = &((struct core_view *)self)->tensor;
    void *data = tensor->data != NULL ? tensor->data : &nothing;
    return PyBuffer_FillInfo(buffer, self, data, (Py_ssize_t)tensor->size_bytes, 0, flags);
}

static PyObject *get_name(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(((struct core_view *)self)->tensor.name);
}

static PyObject *get_dtype(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(((struct core_view *)self)->tensor.dtype);
}

static PyObject *get_shape(PyObject *self, void *closure)
{
    (void)closure;
    const struct hoist_tensor *tensor = &((struct core_view *)self)->tensor;
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
    return PyLong_FromUnsignedLongLong(((struct core_view *)self)->tensor.size_bytes);
}

/* A consumer that names DLPack 1.x or later gets the versioned form, any other the legacy one. */
static enum core_dlpack_form wanted_form(PyObject *max_version)
{
    if (max_version == NULL || !PyTuple_Check(max_version) || PyTuple_GET_SIZE(max_version) < 1) return CORE_DLPACK_LEGACY;
    return PyLong_AsLong(PyTuple_GET_ITEM(max_version, 0)) >= 1 ? CORE_DLPACK_VERSIONED : CORE_DLPACK_LEGACY;
}

static PyObject *dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    PyObject *stream = NULL, *max_version = NULL, *device = NULL, *copy = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO", names, &stream, &max_version, &device, &copy)) return NULL;
    if (copy == Py_True) {
        PyErr_SetString(PyExc_BufferError, "hoist hands out views; copy the result instead");
        return NULL;
    }
    struct core_view *view = (struct core_view *)self;
    return core_dlpack_capsule(view->model, &view->tensor, wanted_form(max_version), false);
}

static PyObject *dlpack_device(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return Py_BuildValue("(ii)", 1, 0);
}

static PyMethodDef methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))dlpack, METH_VARARGS | METH_KEYWORDS, "The tensor as a DLPack capsule."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS, "(1, 0): the CPU."},
    {NULL},
};
static PyGetSetDef getters[] = {
    {"name", get_name, NULL, "Key as in the file.", NULL},
    {"dtype", get_dtype, NULL, "Element type in the words of safetensors.", NULL},
    {"shape", get_shape, NULL, "Sizes.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of data.", NULL},
    {NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "A tensor's bytes: buffer protocol and DLPack, writable, private to this process."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_bf_getbuffer, get_buffer},
    {0, NULL},
};
PyType_Spec core_view_spec = {"hoist._core.View", sizeof(struct core_view), 0, Py_TPFLAGS_DEFAULT, slots};
