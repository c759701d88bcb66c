#include "core.h"

/* hoist.errors knows the classes; it is imported on the first failure only. */
PyObject *core_error_raise(struct hoist_error *error)
{
    PyObject *module = PyImport_ImportModule("hoist.errors");
    PyObject *exception = NULL;
    if (module != NULL)
        exception = PyObject_CallMethod(module, "make", "issss", error->status, error->code, error->category, error->message,
                                        error->json);
    hoist_error_clear(error);
    if (exception != NULL) PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    Py_XDECREF(module);
    return NULL;
}
