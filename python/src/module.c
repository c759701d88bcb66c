#include "core.h"

PyTypeObject *core_types[4];

static int add_type(PyObject *module, const char *name, PyType_Spec *spec, enum core_type place)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL) return -1;
    core_types[place] = (PyTypeObject *)type;
    if (place == CORE_MODEL || place == CORE_VIEW) core_types[place]->tp_new = NULL; /* only this extension makes them */
    Py_INCREF(type);
    if (PyModule_AddObject(module, name, type) == 0) return 0;
    Py_DECREF(type);
    return -1;
}

static int fill(PyObject *module)
{
    if (add_type(module, "Client", &core_client_spec, CORE_CLIENT) < 0) return -1;
    if (add_type(module, "Model", &core_model_spec, CORE_MODEL) < 0) return -1;
    if (add_type(module, "View", &core_view_spec, CORE_VIEW) < 0) return -1;
    if (add_type(module, "Events", &core_events_spec, CORE_EVENTS) < 0) return -1;
    return PyModule_AddStringConstant(module, "version", hoist_version());
}

static PyMethodDef functions[] = {
    {"find_device", core_device_find, METH_VARARGS, "find_device(name) -> (ordinal, uuid) of a card as this process names it."},
    {"is_shared", core_device_is_shared, METH_VARARGS, "is_shared(address) -> is it memory of a card that others read, too?"},
    {NULL},
};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "hoist._core", .m_doc = "libhoist as Python objects; private to the package.", .m_size = -1,
    .m_methods = functions};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && fill(module) < 0) Py_CLEAR(module);
    return module;
}
