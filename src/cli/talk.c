#include "cli/talk.h"

#include "cli/term.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 50 };

void hst_talk_fini(struct hst_talk *talk)
{
    hoist_disconnect(talk->client);
    talk->client = NULL;
}

/* Bytes of the control character at this place: of ASCII, or of C1 in UTF-8; 0 = it is none. */
static size_t is_control(const unsigned char *at)
{
    if (at[0] < 0x20 || at[0] == 0x7f) return 1;
    return at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0 ? 2 : 0;
}

static bool is_plain(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (is_control(at) > 0) return false;
    return true;
}

const char *hst_talk_shown(json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL || is_plain(text)) return text;
    char *shown = malloc(4 * strlen(text) + 1), *end = shown;
    if (shown == NULL) return "?";
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        size_t length = is_control(at);
        for (size_t i = 0; i < length; i++)
            end += sprintf(end, "\\x%02x", at[i]);
        if (length == 0) *end++ = (char)*at;
        at += length > 0 ? length : 1;
    }
    *end = '\0';
    json_string_set_nocheck(value, shown);
    free(shown);
    return json_string_value(value);
}

const char *hst_talk_text(const json_t *object, const char *key)
{
    const char *text = hst_talk_shown(json_object_get(object, key));
    return text != NULL ? text : "-";
}

double hst_talk_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

int hst_talk_ask(struct hst_talk *talk, const char *method, const char *path, json_t *body, json_t **ret_data, struct hoist_error *error)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL, *answer = NULL;
    json_decref(body);
    int status = talk->client == NULL ? hoist_connect(talk->socket, 0, &talk->client, error) : 0;
    if (status == 0) status = hoist_call(talk->client, method, path, text, -1, &answer, error);
    free(text);
    json_t *envelope = answer != NULL ? json_loads(answer, 0, NULL) : NULL;
    free(answer);
    if (status == 0) *ret_data = json_incref(json_object_get(envelope, "data"));
    json_decref(envelope);
    return status < 0 ? -1 : 0;
}

int hst_talk(const struct hst_arguments *arguments, const char *what, const char *method, const char *path, json_t *body, json_t **ret_data)
{
    struct hst_talk talk = {.socket = arguments->values[HST_OPTION_SOCKET]};
    struct hoist_error error = {0};
    int status = hst_talk_ask(&talk, method, path, body, ret_data, &error);
    int code = status < 0 ? hst_term_error(what, &error) : HST_EXIT_DONE;
    hoist_error_clear(&error);
    hst_talk_fini(&talk);
    return code;
}

int hst_talk_show(const struct hst_arguments *arguments, const char *what, const char *method, const char *path, json_t *body, void (*print)(const json_t *data))
{
    json_t *data;
    int code = hst_talk(arguments, what, method, path, body, &data);
    if (code != HST_EXIT_DONE) return code;
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(data);
    else
        print(data);
    json_decref(data);
    return HST_EXIT_DONE;
}

json_t *hst_talk_wish(const struct hst_arguments *arguments)
{
    json_t *body = json_object(), *roles = json_array();
    for (size_t i = 0; i < arguments->component_count; i++)
        json_array_append_new(roles, json_string(arguments->components[i]));
    if (arguments->component_count > 0) json_object_set(body, "components", roles);
    json_decref(roles);
    if (hst_given(arguments, HST_OPTION_PRECISION)) json_object_set_new(body, "precision", json_string(arguments->values[HST_OPTION_PRECISION]));
    if (hst_given(arguments, HST_OPTION_LEVEL)) json_object_set_new(body, "optimization_level", json_string(arguments->values[HST_OPTION_LEVEL]));
    return body;
}

json_t *hst_talk_load(const struct hst_arguments *arguments)
{
    json_t *body = hst_talk_wish(arguments);
    if (arguments->count > 0) json_object_set_new(body, "model_id", json_string(arguments->rest[0]));
    if (hst_given(arguments, HST_OPTION_DEVICE)) json_object_set_new(body, "device_id", json_string(arguments->values[HST_OPTION_DEVICE]));
    if (hst_given(arguments, HST_OPTION_PIN)) json_object_set_new(body, "pin", json_true());
    return body;
}

static bool has_ended(const json_t *job)
{
    static const char *const active[] = {"queued", "running", "rolling_back"};
    for (size_t i = 0; i < sizeof active / sizeof active[0]; i++)
        if (strcmp(hst_talk_text(job, "state"), active[i]) == 0) return false;
    return true;
}

void hst_talk_read_failure(const json_t *failure, struct hoist_error *error)
{
    hoist_error_clear(error);
    error->json = json_dumps(failure, JSON_COMPACT);
    snprintf(error->message, sizeof error->message, "%s", hst_talk_text(failure, "message"));
    snprintf(error->code, sizeof error->code, "%s", hst_talk_text(failure, "code"));
    error->status = hoist_error_status(error->code);
}

/* The error of a job that failed is ours. */
static int take_job_failure(const json_t *job, struct hoist_error *error)
{
    const json_t *failure = json_object_get(job, "error");
    if (failure == NULL || json_is_null(failure)) return 0;
    hst_talk_read_failure(failure, error);
    return -1;
}

int hst_talk_follow(struct hst_talk *talk, const char *path, const char *step, json_t **data, struct hoist_error *error)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    const char *shown = NULL;
    int status = 0;
    while (status == 0 && !has_ended(*data)) {
        if (step != NULL) json_object_set_new(*data, "step", json_string(step));
        hst_term_progress(*data, &shown);
        nanosleep(&pause, NULL);
        json_t *next = NULL;
        status = hst_talk_ask(talk, "GET", path, NULL, &next, error);
        if (next != NULL) json_decref(*data);
        if (next != NULL) *data = next;
    }
    hst_term_progress_end();
    return status == 0 ? take_job_failure(*data, error) : status;
}

int hst_talk_job(const struct hst_arguments *arguments, const char *what, const char *path, json_t *body, json_t **ret_job)
{
    struct hst_talk talk = {.socket = arguments->values[HST_OPTION_SOCKET]};
    struct hoist_error error = {0};
    json_t *job = NULL;
    char job_path[4096];
    json_object_set_new(body, "wait", json_false());
    int status = hst_talk_ask(&talk, "POST", path, body, &job, &error);
    if (status == 0) status = hst_talk_follow(&talk, hst_talk_path(job_path, "/api/model/jobs/%s", hst_talk_text(job, "job_id")), NULL, &job, &error);
    int code = status < 0 ? hst_term_error(what, &error) : HST_EXIT_DONE;
    if (code == HST_EXIT_DONE)
        *ret_job = job;
    else
        json_decref(job);
    hoist_error_clear(&error);
    hst_talk_fini(&talk);
    return code;
}

const char *hst_talk_path(char out[4096], const char *format, const char *part)
{
    static const char hex[] = "0123456789ABCDEF";
    char encoded[3072];
    size_t used = 0;
    for (; *part != '\0' && used + 4 < sizeof encoded; part++) {
        unsigned char byte = (unsigned char)*part;
        bool plain = isalnum(byte) || strchr("-._~:", byte) != NULL;
        if (plain) encoded[used++] = (char)byte;
        if (plain) continue;
        encoded[used++] = '%';
        encoded[used++] = hex[byte >> 4];
        encoded[used++] = hex[byte & 15];
    }
    encoded[used] = '\0';
    const char *at = strstr(format, "%s");
    snprintf(out, 4096, "%.*s%s%s", at != NULL ? (int)(at - format) : (int)strlen(format), format, at != NULL ? encoded : "", at != NULL ? at + 2 : "");
    return out;
}
