#include "core.h"

#include <stdlib.h>

struct object {
    PyObject_HEAD
    struct hoist_events *events; /* owned; NULL once closed */
};

static PyObject *new_events(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const char *socket;
    unsigned long long last_id;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "zK", &socket, &last_id)) return NULL;
    struct hoist_events *events = NULL;
    struct hoist_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = hoist_events_open(socket, last_id, &events, &error);
    Py_END_ALLOW_THREADS
    if (status < 0) return core_error_raise(&error);
    struct object *self = (struct object *)type->tp_alloc(type, 0);
    if (self == NULL) hoist_events_close(events);
    else self->events = events;
    return (PyObject *)self;
}

static PyObject *next_event(PyObject *self, PyObject *args)
{
    struct hoist_events *events = ((struct object *)self)->events;
    int timeout_ms, status;
    if (!PyArg_ParseTuple(args, "i", &timeout_ms)) return NULL;
    if (events == NULL) return PyErr_Format(PyExc_ValueError, "the stream is closed");
    char *json = NULL;
    struct hoist_error error = {0};
    Py_BEGIN_ALLOW_THREADS
    status = hoist_events_next(events, timeout_ms, &json, &error);
    Py_END_ALLOW_THREADS
    if (status < 0) return core_error_raise(&error);
    if (json == NULL) Py_RETURN_NONE;
    PyObject *text = PyUnicode_FromString(json);
    free(json);
    return text;
}

static PyObject *close_events(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct object *object = (struct object *)self;
    hoist_events_close(object->events);
    object->events = NULL;
    Py_RETURN_NONE;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    hoist_events_close(((struct object *)self)->events);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"next", next_event, METH_VARARGS, "next(timeout_ms) -> JSON text, or None when the time is over."},
    {"close", close_events, METH_NOARGS, "End the stream."},
    {NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "A stream of events: Events(socket, last_id)."},
    {Py_tp_new, new_events},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};
PyType_Spec core_events_spec = {"hoist._core.Events", sizeof(struct object), 0, Py_TPFLAGS_DEFAULT, slots};
