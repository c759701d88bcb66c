#include "core.h"

#include <string.h>

struct object {
    PyObject_HEAD
    struct hoist_model *model; /* one reference */
};

static struct hoist_model *model_of(PyObject *self)
{
    return ((struct object *)self)->model;
}

PyObject *core_model_wrap(struct hoist_model *model)
{
    struct object *self = PyObject_New(struct object, core_types[CORE_MODEL]);
    if (self == NULL) hoist_model_unref(model);
    else self->model = model;
    return (PyObject *)self;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    core_model_unref(model_of(self));
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *get_id(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(hoist_model_id(model_of(self)));
}

static PyObject *get_mapped_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(hoist_model_mapped_bytes(model_of(self)));
}

static PyObject *get_device(PyObject *self, void *closure)
{
    struct hoist_device device;
    (void)closure;
    hoist_model_device(model_of(self), &device);
    return core_device_name(&device);
}

static PyObject *get_uuid(PyObject *self, void *closure)
{
    struct hoist_device device;
    (void)closure;
    hoist_model_device(model_of(self), &device);
    return PyUnicode_FromString(device.uuid);
}

static PyObject *get_shared(PyObject *self, void *closure)
{
    struct hoist_device device;
    (void)closure;
    hoist_model_device(model_of(self), &device);
    return PyBool_FromLong(device.read_only);
}

static PyObject *get_components(PyObject *self, void *closure)
{
    (void)closure;
    size_t count = hoist_model_component_count(model_of(self));
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *role = PyUnicode_FromString(hoist_model_component(model_of(self), i));
        if (role == NULL || PyList_Append(list, role) < 0) Py_CLEAR(list);
        Py_XDECREF(role);
    }
    return list;
}

static int tensor_at(PyObject *self, size_t i, struct hoist_tensor *ret_tensor)
{
    if (i < hoist_model_tensor_count(model_of(self)) && hoist_model_tensor(model_of(self), i, ret_tensor) == 0) return 0;
    PyErr_SetString(PyExc_IndexError, "no such tensor");
    return -1;
}

/* Add name -> index; 1 when the name is there already, which only a model of several components can have. */
static int add_name(PyObject *dict, const struct hoist_tensor *tensor, size_t i)
{
    PyObject *name = PyUnicode_FromString(tensor->name);
    PyObject *number = PyLong_FromSize_t(i);
    int result = name != NULL && number != NULL ? PyDict_Contains(dict, name) : -1;
    if (result == 0) result = PyDict_SetItem(dict, name, number);
    else if (result == 1) PyErr_Format(PyExc_KeyError, "two components have a tensor named %s; ask for one component", tensor->name);
    Py_XDECREF(name);
    Py_XDECREF(number);
    return result == 0 ? 0 : -1;
}

static PyObject *names(PyObject *self, PyObject *args)
{
    Py_ssize_t component;
    if (!PyArg_ParseTuple(args, "n", &component)) return NULL;
    PyObject *dict = PyDict_New();
    size_t count = hoist_model_tensor_count(model_of(self));
    for (size_t i = 0; dict != NULL && i < count; i++) {
        struct hoist_tensor tensor;
        if (tensor_at(self, i, &tensor) < 0) Py_CLEAR(dict);
        else if ((component < 0 || tensor.component == (size_t)component) && add_name(dict, &tensor, i) < 0) Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *view(PyObject *self, PyObject *args)
{
    Py_ssize_t i;
    struct hoist_tensor tensor;
    if (!PyArg_ParseTuple(args, "n", &i) || tensor_at(self, (size_t)i, &tensor) < 0) return NULL;
    return core_view_new(model_of(self), &tensor);
}

/* How a consumer takes capsules. */
struct consumer {
    PyObject *take;              /* take(capsule) -> tensor */
    PyObject *finish;            /* finish(bytes as uint8, dtype, shape) -> tensor, for the types in `raw` */
    unsigned long long raw;      /* bit n: element type n goes through finish */
    enum core_dlpack_form form;  /* what `take` understands */
};

static PyObject *finish_raw(const struct consumer *consumer, struct hoist_model *model, const struct hoist_tensor *tensor, PyObject *bytes)
{
    PyObject *described = core_view_new(model, tensor);
    PyObject *done = described != NULL ? PyObject_CallFunctionObjArgs(consumer->finish, bytes, described, NULL) : NULL;
    Py_XDECREF(described);
    return done;
}

static PyObject *convert(const struct consumer *consumer, struct hoist_model *model, const struct hoist_tensor *tensor)
{
    bool raw = tensor->dtype_code >= 64 || (consumer->raw >> tensor->dtype_code & 1) != 0;
    PyObject *capsule = core_dlpack_capsule(model, tensor, consumer->form, raw);
    if (capsule == NULL) return NULL;
    PyObject *taken = PyObject_CallOneArg(consumer->take, capsule);
    Py_DECREF(capsule);
    if (taken == NULL || !raw) return taken;
    PyObject *done = finish_raw(consumer, model, tensor, taken);
    Py_DECREF(taken);
    return done;
}

static PyObject *take_at(PyObject *self, const struct consumer *consumer, PyObject *index)
{
    struct hoist_tensor tensor;
    size_t i = PyLong_AsSize_t(index);
    if (PyErr_Occurred() || tensor_at(self, i, &tensor) < 0) return NULL;
    return convert(consumer, model_of(self), &tensor);
}

static PyObject *convert_one(PyObject *self, PyObject *args)
{
    struct consumer consumer;
    PyObject *index;
    int versioned;
    if (!PyArg_ParseTuple(args, "OOOKp", &index, &consumer.take, &consumer.finish, &consumer.raw, &versioned)) return NULL;
    consumer.form = versioned ? CORE_DLPACK_VERSIONED : CORE_DLPACK_LEGACY;
    return take_at(self, &consumer, index);
}

static PyObject *convert_all(PyObject *self, PyObject *args)
{
    struct consumer consumer;
    PyObject *wanted, *name, *index;
    int versioned;
    if (!PyArg_ParseTuple(args, "O!OOKp", &PyDict_Type, &wanted, &consumer.take, &consumer.finish, &consumer.raw, &versioned)) return NULL;
    consumer.form = versioned ? CORE_DLPACK_VERSIONED : CORE_DLPACK_LEGACY;
    PyObject *dict = PyDict_New();
    for (Py_ssize_t at = 0; dict != NULL && PyDict_Next(wanted, &at, &name, &index);) {
        PyObject *taken = take_at(self, &consumer, index);
        if (taken == NULL || PyDict_SetItem(dict, name, taken) < 0) Py_CLEAR(dict);
        Py_XDECREF(taken);
    }
    return dict;
}

static PyMethodDef methods[] = {
    {"names", names, METH_VARARGS, "names(component) -> {name: index}; component -1 = all."},
    {"view", view, METH_VARARGS, "view(index) -> View."},
    {"convert", convert_one, METH_VARARGS, "convert(index, take, finish, raw_mask, versioned) -> tensor."},
    {"convert_all", convert_all, METH_VARARGS, "convert_all(names, take, finish, raw_mask, versioned) -> {name: tensor}."},
    {NULL},
};
static PyGetSetDef getters[] = {
    {"id", get_id, NULL, "Model id.", NULL},
    {"mapped_bytes", get_mapped_bytes, NULL, "Bytes of address space it maps.", NULL},
    {"device", get_device, NULL, "\"cpu\" or \"cuda:N\".", NULL},
    {"device_uuid", get_uuid, NULL, "Of the card; \"\" in RAM.", NULL},
    {"shared", get_shared, NULL, "Is it the one copy of a card, which may not be written?", NULL},
    {"components", get_components, NULL, "Roles.", NULL},
    {NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "A model mapped into this process."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {0, NULL},
};
PyType_Spec core_model_spec = {"hoist._core.Model", sizeof(struct object), 0, Py_TPFLAGS_DEFAULT, slots};
