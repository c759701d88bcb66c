/* The verbs of a client. */
#include "client/internal.h"

#include "base/cleanup.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where hoistd may listen, in the order of the contract; NULL at the end. */
static const char *candidate(size_t at, char out[4096])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (at == 0 && runtime != NULL && runtime[0] == '/') {
        snprintf(out, 4096, "%s/hoist/hoist.sock", runtime);
        return out;
    }
    return at <= 1 ? "/run/hoist/hoist.sock" : NULL;
}

static int connect_somewhere(unsigned timeout_ms, struct hoist_client **ret_client, struct hst_error *err)
{
    char path[4096];
    int status = HST_E_UNREACHABLE;
    const char *where;
    for (size_t at = 0; status < 0 && (where = candidate(at, path)) != NULL; at++)
        status = hst_connection_open(where, timeout_ms, ret_client, err);
    return status;
}

int hoist_connect(const char *socket_path, unsigned timeout_ms, struct hoist_client **ret_client, struct hoist_error *error)
{
    struct hst_error ours = {0};
    const char *given = socket_path != NULL ? socket_path : getenv("HOIST_SOCKET");
    bool named = given != NULL && given[0] != '\0';
    int status = named ? hst_connection_open(given, timeout_ms, ret_client, &ours) : connect_somewhere(timeout_ms, ret_client, &ours);
    return status < 0 ? hst_report(error, &ours) : HST_OK;
}

static int read_envelope(const char *text, struct hoist_error *error)
{
    json_t *envelope = json_loads(text, 0, NULL);
    json_t *failure = json_object_get(envelope, "error");
    int status = HST_OK;
    if (failure != NULL && !json_is_null(failure)) {
        HST_AUTO(hst_freep) char *json = json_dumps(failure, JSON_COMPACT);
        status = hst_report_json(error, json != NULL ? json : "{}");
    }
    json_decref(envelope);
    return status;
}

int hoist_call(struct hoist_client *client, const char *method, const char *path, const char *body, int timeout_ms, char **ret_json, struct hoist_error *error)
{
    HST_AUTO(hst_answer_fini) struct hst_answer answer = {0};
    const char *json = body != NULL ? body : "";
    size_t size = strlen(method) + strlen(path) + strlen(json) + 3;
    HST_AUTO(hst_freep) char *text = malloc(size);
    struct hst_error ours = {0};
    if (text == NULL) {
        hst_error_nomem(&ours);
        return hst_report(error, &ours);
    }
    snprintf(text, size, "%s %s\n%s", method, path, json);
    HST_TRY(hst_connection_ask(client, HST_FRAME_CALL, text, -1, timeout_ms != 0 ? timeout_ms : (int)client->timeout_ms, &answer, error));
    int status = read_envelope(answer.body, error);
    *ret_json = hst_steal(&answer.body);
    return status;
}

static json_t *roles_of(const struct hoist_open_options *options)
{
    if (options->components == NULL) return json_null();
    json_t *roles = json_array();
    for (size_t i = 0; i < options->component_count; i++)
        json_array_append_new(roles, json_string(options->components[i]));
    return roles;
}

/* A card by what everybody knows it by; RAM by nothing. */
static const char *device_of(const struct hoist_open_options *options, const struct hst_card *card)
{
    bool ram = options->device == NULL || strcmp(options->device, "cpu") == 0;
    return card->driver != NULL ? card->uuid : ram ? NULL : options->device;
}

/* `model_id` NULL: the file that travels along. */
static char *describe_open(const char *model_id, const struct hoist_open_options *options, const struct hst_card *card)
{
    json_t *json = json_pack("{s:s?, s:s?, s:s?, s:s?, s:o}", "model_id", model_id, "device", device_of(options, card), "precision", options->precision, "domain",
                             options->domain, "components", roles_of(options));
    if (model_id == NULL) json_object_set_new(json, "fd", json_true());
    if (card->driver != NULL) json_object_set_new(json, "share", json_boolean(options->share));
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

/* Options of a caller that was built with an older header are shorter: what it does not know is as if not given. */
static struct hoist_open_options read_options(const struct hoist_open_options *given)
{
    struct hoist_open_options options = {0};
    if (given != NULL) memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
    return options;
}

/* What this process cannot use is not asked for: its card is found, and has a context, before anything is loaded. */
static int find_card(const struct hoist_open_options *options, struct hst_card *card, struct hoist_error *error)
{
    struct hst_error ours = {0};
    if (!hst_card_is_named(options->device)) return HST_OK;
    int status = hst_card_find(options->device, card, &ours);
    if (status == HST_OK) status = hst_card_open(card, &ours);
    return status < 0 ? hst_report(error, &ours) : HST_OK;
}

static int ask_open(struct hoist_client *client, const char *text, int fd, const struct hoist_open_options *options, struct hst_answer *ret_answer, struct hoist_error *error)
{
    struct hst_error ours = {0};
    if (text != NULL) return hst_connection_ask(client, HST_FRAME_OPEN, text, fd, options->timeout_ms > 0 ? options->timeout_ms : -1, ret_answer, error);
    hst_error_set(&ours, HST_E_INVALID_ARGUMENT, "the model id or an option is not UTF-8");
    return hst_report(error, &ours);
}

static int open_any(struct hoist_client *client, const char *model_id, int fd, const struct hoist_open_options *given, struct hoist_model **ret_model,
                    struct hoist_error *error)
{
    HST_AUTO(hst_answer_fini) struct hst_answer answer = {0};
    struct hst_error ours = {0};
    struct hst_card card = {0};
    struct hoist_open_options options = read_options(given);
    HST_TRY(find_card(&options, &card, error));
    HST_AUTO(hst_freep) char *text = describe_open(model_id, &options, &card);
    int status = ask_open(client, text, fd, &options, &answer, error);
    if (status < 0) {
        (void)hst_card_close(&card);
        return status;
    }
    status = hst_model_new(&answer, &card, options.share != 0, ret_model, &ours);
    return status < 0 ? hst_report(error, &ours) : HST_OK;
}

int hoist_open(struct hoist_client *client, const char *model_id, const struct hoist_open_options *options, struct hoist_model **ret_model, struct hoist_error *error)
{
    return open_any(client, model_id, -1, options, ret_model, error);
}

int hoist_open_file(struct hoist_client *client, int fd, const struct hoist_open_options *options, struct hoist_model **ret_model, struct hoist_error *error)
{
    return open_any(client, NULL, fd, options, ret_model, error);
}

int hoist_device_find(const char *device, struct hoist_device *ret_device, struct hoist_error *error)
{
    struct hst_error ours = {0};
    struct hst_card card;
    int status = hst_card_is_named(device) ? hst_card_find(device, &card, &ours) : hst_error_set(&ours, HST_E_DEVICE_NOT_FOUND, "'%s' names no card", device);
    if (status < 0) return hst_report(error, &ours);
    *ret_device = (struct hoist_device){.type = HOIST_DEVICE_CUDA, .ordinal = card.ordinal};
    memcpy(ret_device->uuid, card.uuid, sizeof ret_device->uuid);
    return HST_OK;
}

int hoist_address_is_shared(const void *address)
{
    return hst_card_is_shared(address);
}

int hoist_hold_file(struct hoist_client *client, int fd, int timeout_ms, int *ret_pipe_fd, struct hoist_error *error)
{
    HST_AUTO(hst_answer_fini) struct hst_answer answer = {0};
    struct hst_error ours = {0};
    HST_TRY(hst_connection_ask(client, HST_FRAME_OPEN, "{\"fd\":true,\"hold\":true}", fd, timeout_ms > 0 ? timeout_ms : -1, &answer, error));
    if (answer.type != HST_FRAME_OPENED || answer.fd_count != 1) {
        hst_error_set(&ours, HST_E_PROTOCOL, "hoistd answered with %zu descriptors", answer.fd_count);
        return hst_report(error, &ours);
    }
    *ret_pipe_fd = hst_steal_fd(&answer.fds[0]);
    return HST_OK;
}
