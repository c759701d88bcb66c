#include "workers/child.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "workers/limits.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { STDIN, STDOUT, STDERR, PIPES, OUTPUTS = 2, READ_BYTES = 65536, HANDLES = PIPES + 2 };

struct hst_child {
    uv_process_t process;
    uv_pipe_t pipes[PIPES];
    uv_timer_t timer; /* SIGKILL after SIGTERM; the end of reading after the exit */
    struct hst_child_listener listener;
    const char *name;
    unsigned *live;
    unsigned open_handles;
    bool gone;         /* the process is dead, `why` is known */
    int ended;         /* how many of stdout and stderr are closed */
    bool told;         /* listener.exited was called */
    struct hst_strbuf out; /* the part of stdout that is no whole line yet */
    struct hst_strbuf words; /* the end of stderr */
    char why[HST_ERROR_TEXT_MAX];
    char chunk[READ_BYTES];
};

static void free_when_closed(uv_handle_t *handle)
{
    struct hst_child *child = handle->data;
    if (--child->open_handles > 0) return;
    --*child->live;
    hst_strbuf_fini(&child->out);
    hst_strbuf_fini(&child->words);
    free(child);
}

static void close_all(struct hst_child *child)
{
    uv_close((uv_handle_t *)&child->process, free_when_closed);
    uv_close((uv_handle_t *)&child->timer, free_when_closed);
    for (int i = 0; i < PIPES; i++)
        uv_close((uv_handle_t *)&child->pipes[i], free_when_closed);
}

/* The last line of stderr says more than an exit code. */
static const char *last_words(struct hst_child *child)
{
    struct hst_strbuf *words = &child->words;
    while (words->length > 0 && (words->text[words->length - 1] == '\n' || words->text[words->length - 1] == ' '))
        words->text[--words->length] = '\0';
    if (words->length == 0) return NULL;
    const char *newline = strrchr(words->text, '\n');
    return newline != NULL ? newline + 1 : words->text;
}

static void tell(struct hst_child *child)
{
    if (child->told) return;
    child->told = true;
    char text[HST_ERROR_TEXT_MAX];
    const char *words = last_words(child);
    snprintf(text, sizeof text, "%.160s%s%.340s", child->why, words != NULL ? ": " : "", words != NULL ? words : "");
    child->listener.exited(child->listener.context, text);
    close_all(child);
}

static void set_why(struct hst_child *child, const char *why)
{
    if (why != NULL && child->why[0] == '\0') snprintf(child->why, sizeof child->why, "%s", why);
}

static void stop_reading_on_time(uv_timer_t *timer)
{
    tell(timer->data);
}

static void on_exited(uv_process_t *process, int64_t exit_status, int signal_number)
{
    struct hst_child *child = process->data;
    char text[64];
    if (signal_number != 0) snprintf(text, sizeof text, "was ended by signal %d (%s)", signal_number, strsignal(signal_number));
    else snprintf(text, sizeof text, "exited with status %d", (int)exit_status);
    set_why(child, text);
    child->gone = true;
    if (child->ended == OUTPUTS) tell(child);
    else uv_timer_start(&child->timer, stop_reading_on_time, HST_WORKER_DRAIN_MS, 0);
}

static void kill_on_time(uv_timer_t *timer)
{
    struct hst_child *child = timer->data;
    if (!child->gone) uv_process_kill(&child->process, SIGKILL);
}

void hst_child_stop(struct hst_child *child, const char *why)
{
    if (child->gone) return;
    set_why(child, why);
    uv_process_kill(&child->process, SIGTERM);
    uv_timer_start(&child->timer, kill_on_time, HST_WORKER_STOP_MS, 0);
}

void hst_child_kill(struct hst_child *child, const char *why)
{
    if (child->gone) return;
    set_why(child, why);
    uv_process_kill(&child->process, SIGKILL);
}

static bool skip_line(void *context, const char *line, size_t length)
{
    (void)context, (void)line, (void)length;
    return true;
}

static void skip_exit(void *context, const char *why)
{
    (void)context, (void)why;
}

void hst_child_abandon(struct hst_child *child)
{
    child->listener = (struct hst_child_listener){skip_line, skip_exit, NULL};
    hst_child_stop(child, NULL);
}

int32_t hst_child_pid(const struct hst_child *child)
{
    return uv_process_get_pid(&child->process);
}

/* Hand every whole line on; what is left stays. False when a line was refused or is too long. */
static bool split(struct hst_child *child, size_t scanned)
{
    struct hst_strbuf *out = &child->out;
    size_t begin = 0;
    for (char *newline; (newline = memchr(out->text + scanned, '\n', out->length - scanned)) != NULL; scanned = begin) {
        size_t end = (size_t)(newline - out->text);
        if (!child->listener.line(child->listener.context, out->text + begin, end - begin)) return false;
        begin = end + 1;
    }
    out->length -= begin;
    memmove(out->text, out->text + begin, out->length);
    return out->length <= HST_WORKER_LINE_MAX;
}

static void take_stdout(struct hst_child *child, size_t length)
{
    size_t scanned = child->out.length;
    hst_strbuf_append(&child->out, child->chunk, length);
    if (hst_strbuf_ok(&child->out) && split(child, scanned)) return;
    uv_read_stop((uv_stream_t *)&child->pipes[STDOUT]);
    hst_child_kill(child, "it wrote what is not an answer");
}

/* Only the end is kept: the last lines are what explains an exit. */
static void take_stderr(struct hst_child *child, size_t length)
{
    hst_log(HST_LOG_DEBUG, child->name, "%.*s", (int)length, child->chunk);
    struct hst_strbuf *words = &child->words;
    hst_strbuf_append(words, child->chunk, length);
    if (!hst_strbuf_ok(words) || words->length <= HST_WORKER_STDERR_MAX) return;
    size_t drop = words->length - HST_WORKER_STDERR_MAX;
    words->length -= drop;
    memmove(words->text, words->text + drop, words->length + 1);
}

/* Usually the exit is told right after the end of output; when it is not, the process is of no use any more. */
static void stop_mute_on_time(uv_timer_t *timer)
{
    hst_child_stop(timer->data, "it closed its output");
}

static void take_end(struct hst_child *child, uv_stream_t *stream)
{
    uv_read_stop(stream);
    child->ended++;
    if (child->gone && child->ended == OUTPUTS) tell(child);
    else if (!child->gone && stream == (uv_stream_t *)&child->pipes[STDOUT])
        uv_timer_start(&child->timer, stop_mute_on_time, HST_WORKER_DRAIN_MS, 0);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct hst_child *child = stream->data;
    (void)buffer;
    if (length < 0) take_end(child, stream);
    else if (stream == (uv_stream_t *)&child->pipes[STDOUT]) take_stdout(child, (size_t)length);
    else take_stderr(child, (size_t)length);
}

static void give_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct hst_child *child = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(child->chunk, sizeof child->chunk);
}

/* Our environment with HOIST_SOCKET replaced and without HOIST_PATCH: a worker asks hoist for tensors by itself. */
static char **make_environment(const char *socket_path, struct hst_strbuf *variable)
{
    extern char **environ;
    size_t count = 0, kept = 0;
    while (environ[count] != NULL)
        count++;
    char **list = calloc(count + 2, sizeof *list);
    if (list == NULL) return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "HOIST_SOCKET=", 13) != 0 && strncmp(environ[i], "HOIST_PATCH=", 12) != 0) list[kept++] = environ[i];
    if (socket_path != NULL) {
        hst_strbuf_printf(variable, "HOIST_SOCKET=%s", socket_path);
        list[kept] = variable->text;
    }
    return list;
}

static int start_process(struct hst_child *child, const struct hst_child_config *config, char **environment)
{
    uv_stdio_container_t stdio[PIPES] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&child->pipes[STDIN]},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->pipes[STDOUT]},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->pipes[STDERR]},
    };
    uv_process_options_t options = {.exit_cb = on_exited, .file = config->arguments[0], .env = environment, .stdio_count = PIPES,
        .stdio = stdio};
    memcpy(&options.args, &config->arguments, sizeof options.args); /* uv_spawn does not write to them, its type cannot say so */
    int failure = uv_spawn(config->loop, &child->process, &options);
    for (int i = STDOUT; failure == 0 && i < PIPES; i++)
        uv_read_start((uv_stream_t *)&child->pipes[i], give_chunk, on_read);
    return failure;
}

static struct hst_child *make(const struct hst_child_config *config)
{
    struct hst_child *child = calloc(1, sizeof *child);
    if (child == NULL) return NULL;
    child->listener = config->listener;
    child->name = config->name;
    child->live = config->live;
    child->open_handles = HANDLES;
    uv_timer_init(config->loop, &child->timer);
    child->timer.data = child->process.data = child;
    for (int i = 0; i < PIPES; i++) {
        uv_pipe_init(config->loop, &child->pipes[i], 0);
        child->pipes[i].data = child;
    }
    ++*config->live;
    return child;
}

int hst_child_spawn(const struct hst_child_config *config, struct hst_child **ret_child, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf variable = {0};
    HST_AUTO(hst_freep) char **environment = make_environment(config->socket_path, &variable);
    struct hst_child *child = environment != NULL ? make(config) : NULL;
    if (child == NULL) return hst_error_nomem(err);
    int failure = start_process(child, config, environment);
    if (failure < 0) {
        close_all(child);
        return hst_error_set(err, HST_E_WORKER_UNAVAILABLE, "cannot start %s: %s", config->arguments[0], uv_strerror(failure));
    }
    *ret_child = child;
    return 0;
}

struct writing {
    uv_write_t request;
    char *line;
};

static void written(uv_write_t *request, int status)
{
    struct writing *writing = (struct writing *)request; /* its first member */
    (void)status; /* a broken pipe means that the child is exiting, which is told by itself */
    free(writing->line);
    free(writing);
}

int hst_child_write(struct hst_child *child, char *line, size_t length, struct hst_error *err)
{
    struct writing *writing = calloc(1, sizeof *writing);
    if (writing == NULL) {
        free(line);
        return hst_error_nomem(err);
    }
    writing->line = line;
    uv_buf_t buffer = uv_buf_init(line, (unsigned)length);
    int failure = uv_write(&writing->request, (uv_stream_t *)&child->pipes[STDIN], &buffer, 1, written);
    if (failure == 0) return 0;
    free(line);
    free(writing);
    return hst_error_set(err, HST_E_WORKER_GONE, "writing to the worker failed: %s", uv_strerror(failure));
}
