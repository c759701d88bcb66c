#ifndef HOIST_HOIST_H
#define HOIST_HOIST_H
/** @file
 * libhoist: get at the weights that hoistd holds, from any process, in microseconds.
 *
 * Objects are opaque and made by *_connect, *_open; each is freed by its own call. Functions return 0 or a negative HOIST_E_*
 * and, when `error` is not NULL, fill it. A client may be used by one thread at a time; models and their tensors by any number.
 * Sizes are bytes. After fork() the child keeps every open model and its tensors; it must make a client of its own. */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks the exported functions. */
#define HOIST_API __attribute__((visibility("default")))

/** A connection to hoistd. */
struct hoist_client;
/** A model (or some of its components) mapped into this process. */
struct hoist_model;
/** A stream of events. */
struct hoist_events;

/** What went wrong. */
struct hoist_error {
    int status;             /**< negative; -71 = daemon not reachable, -9 = no such model, ... (docs/errors.md) */
    char code[40];          /**< the same as a word: "unreachable", "model_not_found" */
    char category[16];      /**< loading memory compatibility device io format worker request internal */
    char message[512];      /**< one sentence, UTF-8 */
    char *json;             /**< the whole error object of the HTTP API, or NULL; owned: hoist_error_clear */
};
/** Free what an error holds and make it empty. */
HOIST_API void hoist_error_clear(struct hoist_error *error);

/** The status of a code word ("model_not_found"); that of "internal" for one that is not known. */
HOIST_API int hoist_error_status(const char *code);
/** The exit code with which the command line reports such an error: 1 failed, 2 usage, 3 not found, 4 not enough memory, 5 invalid or
 * unsafe file, 69 daemon not reachable. */
HOIST_API int hoist_error_exit_code(const struct hoist_error *error);

/** Version of the library, "0.1.0". Static. */
HOIST_API const char *hoist_version(void);

/** Connect. `socket_path` NULL: $HOIST_SOCKET, else $XDG_RUNTIME_DIR/hoist/hoist.sock, else /run/hoist/hoist.sock, the first that answers.
 * `timeout_ms` bounds the connection and every later wait for an answer that does not load weights; 0 = 5000. */
HOIST_API int hoist_connect(const char *socket_path, unsigned timeout_ms, struct hoist_client **ret_client, struct hoist_error *error);
/** Close. Models opened through it stay. NULL is fine. */
HOIST_API void hoist_disconnect(struct hoist_client *client);
/** Its socket, to see from a forked child that the client is not its own. */
HOIST_API int hoist_client_fd(const struct hoist_client *client);

/** Call a verb of the HTTP API: method "GET", path "/api/model/status?..." and a JSON body or NULL.
 * *ret_json is the whole envelope (owned: free), also when the verb failed; then the result is the error's status.
 * `timeout_ms` 0 = the client's, negative = wait without end. */
HOIST_API int hoist_call(struct hoist_client *client, const char *method, const char *path, const char *body, int timeout_ms,
                         char **ret_json, struct hoist_error *error);

/** Kinds of memory, numbered as in DLPack. */
enum hoist_device_type {
    HOIST_DEVICE_CPU = 1,  /**< RAM */
    HOIST_DEVICE_CUDA = 2, /**< a card of NVIDIA's */
};
/** Where memory is. */
struct hoist_device {
    int32_t type;      /**< enum hoist_device_type */
    int32_t ordinal;   /**< N of cuda:N as this process numbers its cards (CUDA_VISIBLE_DEVICES counts); 0 in RAM */
    int32_t read_only; /**< 1 = it is shared: a kernel that writes to it fails, and ends the CUDA context of its own process, and of no other */
    char uuid[64];     /**< of the card, "GPU-..."; "" in RAM */
};
/** The card that this process calls `device`, "cuda" (which is cuda:0), "cuda:N", or its UUID: so it is named to hoistd, which may number cards otherwise.
 * -56 (device_unavailable): there is no driver here, or the process was forked from one that had used it; -11 (device_not_found): no such card is seen. */
HOIST_API int hoist_device_find(const char *device, struct hoist_device *ret_device, struct hoist_error *error);
/** Is this the address of memory of a card that a model of this process shares with others, and that may not be written? */
HOIST_API int hoist_address_is_shared(const void *address);

/** What to open. Zero-initialise, set `struct_size`, then what is wanted. */
struct hoist_open_options {
    size_t struct_size;             /**< sizeof(struct hoist_open_options) */
    const char *device;             /**< NULL or "cpu": RAM; "cuda", "cuda:N", "GPU-...": that card, as hoist_device_find names it */
    const char *const *components;  /**< roles; NULL = all */
    size_t component_count;         /**< of components */
    const char *precision;          /**< NULL = as stored */
    const char *domain;             /**< NULL = "client" */
    int timeout_ms;                 /**< for loading; 0 = without end */
    int share;                      /**< on a card: 1 = map the one copy, to be read; 0 = memory of one's own, filled for this lease. In RAM it says nothing */
};
/** Cache and load the model if needed, and map it. In RAM: private copy-on-write views, shared with every other process until written to. On a card:
 * device addresses, in its primary context (the one that PyTorch uses), which is retained. The lease lasts until hoist_model_unref was called for
 * the last reference, here and in every forked child; a child cannot use a card's memory of its parent, and touches nothing of it. */
HOIST_API int hoist_open(struct hoist_client *client, const char *model_id, const struct hoist_open_options *options,
                         struct hoist_model **ret_model, struct hoist_error *error);
/** As hoist_open, of the file behind an open read-only fd: the components that lie in it. Fails fast with model_not_found when the catalog does not know the
 * file. */
HOIST_API int hoist_open_file(struct hoist_client *client, int fd, const struct hoist_open_options *options, struct hoist_model **ret_model,
                              struct hoist_error *error);
/** Make the file behind an open read-only fd resident and lease it, without mapping: whoever reads it by path is served from RAM
 * while *ret_pipe_fd (owned by the caller) is open. Fails fast with model_not_found when the catalog does not know the file. */
HOIST_API int hoist_hold_file(struct hoist_client *client, int fd, int timeout_ms, int *ret_pipe_fd, struct hoist_error *error);

/** Keep a model. @return model */
HOIST_API struct hoist_model *hoist_model_ref(struct hoist_model *model);
/** Let go; the last reference unmaps and ends the lease; on a card it waits for the work of the context first. Thread-safe. NULL is fine. */
HOIST_API void hoist_model_unref(struct hoist_model *model);
/** Its id. Owned by the model. */
HOIST_API const char *hoist_model_id(const struct hoist_model *model);
/** Where its memory is. */
HOIST_API void hoist_model_device(const struct hoist_model *model, struct hoist_device *ret_device);
/** Bytes of address space it maps. */
HOIST_API uint64_t hoist_model_mapped_bytes(const struct hoist_model *model);
/** How many components. */
HOIST_API size_t hoist_model_component_count(const struct hoist_model *model);
/** Role of the i-th component. Owned by the model. */
HOIST_API const char *hoist_model_component(const struct hoist_model *model, size_t i);
/** How many tensors. */
HOIST_API size_t hoist_model_tensor_count(const struct hoist_model *model);

/** A tensor. All pointers are owned by the model. Until 1.0, fields may be added at its end: build with the header of the library. */
struct hoist_tensor {
    const char *name;       /**< key as in the file */
    size_t component;       /**< index of its component */
    const char *dtype;      /**< "F32", "BF16", "F8_E4M3", ... (the names of safetensors), "Q4_K", ... (GGML's) */
    uint32_t dtype_code;    /**< the same as a number (docs/protocol.md) */
    uint32_t dtype_bits;    /**< bits of an element; 0 = packed in blocks in which an element has no whole number of bits (GGML) */
    uint32_t rank;          /**< dimensions */
    const uint64_t *shape;  /**< `rank` sizes */
    void *data;             /**< in RAM: writable private view; writing copies the page for this process alone. On a card: the device address */
    uint64_t size_bytes;    /**< of data */
    struct hoist_device device; /**< where data is, and whether it may be written */
};
/** The i-th tensor. */
HOIST_API int hoist_model_tensor(const struct hoist_model *model, size_t i, struct hoist_tensor *ret_tensor);
/** The tensor of this name; `component` NULL = any. -7 (not_found) when there is none. */
HOIST_API int hoist_model_find(const struct hoist_model *model, const char *component, const char *name, struct hoist_tensor *ret_tensor);

/** Subscribe to events on a connection of its own. `last_event_id` 0 = only new ones. */
HOIST_API int hoist_events_open(const char *socket_path, uint64_t last_event_id, struct hoist_events **ret_events, struct hoist_error *error);
/** Wait for the next event: *ret_json is {"id","event","data"} (owned: free). `timeout_ms` negative = without end; when it passes: 0 with *ret_json NULL. */
HOIST_API int hoist_events_next(struct hoist_events *events, int timeout_ms, char **ret_json, struct hoist_error *error);
/** Close. NULL is fine. */
HOIST_API void hoist_events_close(struct hoist_events *events);

#ifdef __cplusplus
}
#endif
#endif
