#include "core.h"

void core_model_unref(struct hoist_model *model)
{
    Py_BEGIN_ALLOW_THREADS
    hoist_model_unref(model);
    Py_END_ALLOW_THREADS
}

PyObject *core_device_name(const struct hoist_device *device)
{
    return device->type == HOIST_DEVICE_CUDA ? PyUnicode_FromFormat("cuda:%d", (int)device->ordinal) : PyUnicode_FromString("cpu");
}

PyObject *core_device_find(PyObject *self, PyObject *args)
{
    const char *name;
    int status;
    struct hoist_device device;
    struct hoist_error error = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = hoist_device_find(name, &device, &error);
    Py_END_ALLOW_THREADS
    return status < 0 ? core_error_raise(&error) : Py_BuildValue("(is)", (int)device.ordinal, device.uuid);
}

PyObject *core_device_is_shared(PyObject *self, PyObject *args)
{
    unsigned long long address;
    (void)self;
    if (!PyArg_ParseTuple(args, "K", &address)) return NULL;
    return PyBool_FromLong(hoist_address_is_shared((const void *)(uintptr_t)address));
}
