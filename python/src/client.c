#include "core.h"

#include <stdlib.h>

struct object {
    PyObject_HEAD
    struct hoist_client *client; /* owned; NULL once closed */
};

static struct hoist_client *client_of(PyObject *self)
{
    struct hoist_client *client = ((struct object *)self)->client;
    if (client == NULL) PyErr_SetString(PyExc_ValueError, "the connection is closed");
    return client;
}

static PyObject *new_client(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const char *socket;
    unsigned timeout_ms;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "zI", &socket, &timeout_ms)) return NULL;
    struct hoist_client *client = NULL;
    struct hoist_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = hoist_connect(socket, timeout_ms, &client, &error);
    Py_END_ALLOW_THREADS
    if (status < 0) return core_error_raise(&error);
    struct object *self = (struct object *)type->tp_alloc(type, 0);
    if (self == NULL) hoist_disconnect(client);
    else self->client = client;
    return (PyObject *)self;
}

static PyObject *close_client(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct object *object = (struct object *)self;
    hoist_disconnect(object->client);
    object->client = NULL;
    Py_RETURN_NONE;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    hoist_disconnect(((struct object *)self)->client);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *file_number(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct hoist_client *client = client_of(self);
    return client != NULL ? PyLong_FromLong(hoist_client_fd(client)) : NULL;
}

static PyObject *call(PyObject *self, PyObject *args)
{
    const char *method, *path, *body;
    int timeout_ms, status;
    struct hoist_client *client = client_of(self);
    if (client == NULL || !PyArg_ParseTuple(args, "sszi", &method, &path, &body, &timeout_ms)) return NULL;
    char *json = NULL;
    struct hoist_error error = {0};
    Py_BEGIN_ALLOW_THREADS
    status = hoist_call(client, method, path, body, timeout_ms, &json, &error);
    Py_END_ALLOW_THREADS
    PyObject *answer = status < 0 ? core_error_raise(&error) : PyUnicode_FromString(json);
    free(json);
    return answer;
}

/* The roles of a tuple of str as C strings, borrowed from it. NULL with an exception, or with *ret_count 0 for None. */
static const char **roles_of(PyObject *roles, size_t *ret_count)
{
    *ret_count = 0;
    if (roles == Py_None) return NULL;
    Py_ssize_t count = PyTuple_Size(roles);
    const char **list = count >= 0 ? PyMem_Calloc((size_t)count + 1, sizeof *list) : NULL;
    if (list == NULL && count >= 0) PyErr_NoMemory();
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        list[i] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(roles, i));
        if (list[i] == NULL) break;
        *ret_count = (size_t)(i + 1);
    }
    return list;
}

/* `id` NULL: the file behind `fd`. */
static PyObject *open_with(struct hoist_client *client, const char *id, int fd, const struct hoist_open_options *options)
{
    struct hoist_model *model = NULL;
    struct hoist_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = id != NULL ? hoist_open(client, id, options, &model, &error) : hoist_open_file(client, fd, options, &model, &error);
    Py_END_ALLOW_THREADS
    return status < 0 ? core_error_raise(&error) : core_model_wrap(model);
}

static PyObject *open_model(PyObject *self, PyObject *args)
{
    const char *id;
    PyObject *roles;
    struct hoist_open_options options = {.struct_size = sizeof options};
    struct hoist_client *client = client_of(self);
    if (client == NULL ||
        !PyArg_ParseTuple(args, "szOzzip", &id, &options.device, &roles, &options.precision, &options.domain, &options.timeout_ms, &options.share))
        return NULL;
    const char **list = roles_of(roles, &options.component_count);
    options.components = list;
    PyObject *model = PyErr_Occurred() ? NULL : open_with(client, id, -1, &options);
    PyMem_Free(list);
    return model;
}

static PyObject *open_file(PyObject *self, PyObject *args)
{
    int fd;
    struct hoist_open_options options = {.struct_size = sizeof options};
    struct hoist_client *client = client_of(self);
    if (client == NULL || !PyArg_ParseTuple(args, "izi", &fd, &options.device, &options.timeout_ms)) return NULL;
    return open_with(client, NULL, fd, &options);
}

static PyObject *hold_file(PyObject *self, PyObject *args)
{
    int fd, timeout_ms, pipe_fd = -1, status;
    struct hoist_client *client = client_of(self);
    if (client == NULL || !PyArg_ParseTuple(args, "ii", &fd, &timeout_ms)) return NULL;
    struct hoist_error error = {0};
    Py_BEGIN_ALLOW_THREADS
    status = hoist_hold_file(client, fd, timeout_ms, &pipe_fd, &error);
    Py_END_ALLOW_THREADS
    return status < 0 ? core_error_raise(&error) : PyLong_FromLong(pipe_fd);
}

static PyMethodDef methods[] = {
    {"call", call, METH_VARARGS, "call(method, path, body, timeout_ms) -> str."},
    {"open", open_model, METH_VARARGS, "open(id, device, components, precision, domain, timeout_ms, share) -> Model."},
    {"open_file", open_file, METH_VARARGS, "open_file(fd, device, timeout_ms) -> Model."},
    {"hold_file", hold_file, METH_VARARGS, "hold_file(fd, timeout_ms) -> fd that keeps the lease."},
    {"fileno", file_number, METH_NOARGS, "The socket."},
    {"close", close_client, METH_NOARGS, "Disconnect."},
    {NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "A connection: Client(socket, timeout_ms). For one thread at a time."},
    {Py_tp_new, new_client},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};
PyType_Spec core_client_spec = {"hoist._core.Client", sizeof(struct object), 0, Py_TPFLAGS_DEFAULT, slots};
