#include "daemon/daemon.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cache/cache.h"
#include "catalog/catalog.h"
#include "daemon/budget.h"
#include "daemon/devices.h"
#include "daemon/keeping.h"
#include "daemon/parsing.h"
#include "daemon/paths.h"
#include "daemon/roots.h"
#include "daemon/watching.h"
#include "http/http.h"
#include "load/load.h"
#include "os/file.h"
#include "os/lockfile.h"
#include "os/meminfo.h"
#include "os/process.h"
#include "service/service.h"
#include "wire/wire.h"
#include "workers/workers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Longest stop before the process gives up (the contract says gone in 5 s). */
#define STOP_SECONDS 5u
/** Hashing nobody asked for begins so long after the last scan or load: a script that loads one model after the other has the disk for itself. */
#define HASH_QUIET_MS 2000u
/** Exit code after SIGUSR2, by which dist/hoistd.service knows that it is to be started again (EX_TEMPFAIL). */
#define EXIT_UPGRADE 75
/** Longest token in a token file. */
#define TOKEN_MAX 512u

struct daemon {
    const struct hst_settings *settings;
    uv_loop_t loop;
    uv_signal_t signals[3];
    char socket[HST_PATH_MAX];
    char state[HST_PATH_MAX];
    char python[HST_PATH_MAX];
    char token[TOKEN_MAX];
    uint64_t ram_bytes;
    uint64_t reserve_bytes;
    int lock_fd;
    int exit_code;
    struct hst_service_slot slot;
    struct hst_keeper *keeper;
    struct hst_cache *cache;
    struct hst_devices devices;
    struct hst_scanner *scanner;
    struct hst_catalog *catalog;
    struct hst_loader *loader;
    struct hst_service *service;
    struct hst_wire *wire;
    struct hst_http *http;
    struct hst_http *metrics;
    struct hst_workers *workers;
};

static int start_state(struct daemon *daemon, struct hst_error *err)
{
    char lock[HST_PATH_MAX + 8];
    HST_TRY(hst_paths_socket(daemon->settings, daemon->socket, err));
    HST_TRY(hst_paths_state(daemon->settings, daemon->state, err));
    HST_TRY(hst_paths_python(daemon->settings, daemon->python, err));
    snprintf(lock, sizeof lock, "%s/lock", daemon->state);
    int status = hst_file_mkdirs(daemon->state, 0700, err);
    if (status == HST_OK) status = daemon->lock_fd = hst_lockfile_take(lock, err);
    if (status < 0 && status != HST_E_ALREADY_RUNNING) err->status = HST_E_STATE_FOLDER;
    return status < 0 ? err->status : HST_OK;
}

static void stop_state(struct daemon *daemon)
{
    hst_closep(&daemon->lock_fd);
}

static int start_keeper(struct daemon *daemon, struct hst_error *err)
{
    (void)err;
    hst_keeping_begin(daemon->settings, daemon->state, &daemon->loop, &daemon->keeper);
    return HST_OK;
}

static void stop_keeper(struct daemon *daemon)
{
    hst_keeper_free(daemon->keeper);
}

static int start_cache(struct daemon *daemon, struct hst_error *err)
{
    HST_TRY(hst_budget_read(daemon->settings, hst_meminfo_total_bytes(), &daemon->ram_bytes, &daemon->reserve_bytes, err));
    HST_TRY(hst_cache_new(&(struct hst_cache_config){.loop = &daemon->loop,
                                                     .budget_bytes = daemon->ram_bytes,
                                                     .reserve_bytes = daemon->reserve_bytes,
                                                     .keeper = daemon->keeper,
                                                     .force_backing = getenv("HOIST_FORCE_BACKING"),
                                                     .force_reading = getenv("HOIST_FORCE_READING"),
                                                     .listener = hst_service_cache_listener(&daemon->slot)},
                          &daemon->cache, err));
    hst_keeping_report(daemon->cache);
    return HST_OK;
}

static void stop_cache(struct daemon *daemon)
{
    hst_cache_free(daemon->cache);
}

static int start_devices(struct daemon *daemon, struct hst_error *err)
{
    return hst_devices_begin(daemon->settings, daemon->ram_bytes, &daemon->loop, &daemon->devices, err);
}

static void stop_devices(struct daemon *daemon)
{
    hst_devices_fini(&daemon->devices);
}

static int start_parsing(struct daemon *daemon, struct hst_error *err)
{
    HST_TRY(hst_parsing_begin(daemon->settings, &daemon->scanner, err));
    const char *protection = hst_parser_protection();
    if (protection == NULL)
        hst_log(HST_LOG_WARN, "sandbox", "model files are parsed in hoistd itself");
    else
        hst_log(hst_scanner_sandbox(daemon->scanner).protections == HST_SANDBOX_ALL ? HST_LOG_INFO : HST_LOG_WARN, "sandbox",
                "model files are parsed in hoist-scan: %s", protection);
    return HST_OK;
}

static void stop_parsing(struct daemon *daemon)
{
    hst_parsing_end(daemon->scanner);
}

static int read_hash_mode(const struct hst_settings *settings, enum hst_hash_mode *ret_mode, struct hst_error *err)
{
    const char *text = hst_settings_get(settings, "hash");
    bool on = true, is_switch = hst_settings_is_switch(text, &on);
    *ret_mode = on ? HST_HASH_AUTO : HST_HASH_ASKED;
    return is_switch || strcmp(text, "auto") == 0 ? HST_OK : hst_error_set(err, HST_E_CONFIG, "hash is auto or off, not '%s'", text);
}

static void on_unwatched(void *context, const struct hst_error *why)
{
    (void)context;
    hst_log(HST_LOG_WARN, "catalog", "not every folder of models is watched, and changes there are seen by the next scan: %s", why->text);
}

static int start_catalog(struct daemon *daemon, struct hst_error *err)
{
    struct hst_watching watching;
    HST_AUTO(hst_roots_fini) struct hst_roots roots = {0};
    char database[HST_PATH_MAX + 16];
    enum hst_hash_mode hash;
    HST_TRY(read_hash_mode(daemon->settings, &hash, err));
    snprintf(database, sizeof database, "%s/catalog.db", daemon->state);
    HST_TRY(hst_roots_collect(daemon->settings, &roots, err));
    HST_TRY(hst_watching_read(daemon->settings, &watching, err));
    HST_TRY(hst_catalog_new(&(struct hst_catalog_config){.loop = &daemon->loop,
                                                         .roots = (const char *const *)roots.folders,
                                                         .root_count = roots.count,
                                                         .database = database,
                                                         .hash = hash,
                                                         .hash_quiet_ms = HASH_QUIET_MS,
                                                         .stay_inside = !hst_settings_on(daemon->settings, "follow_links"),
                                                         .watch = watching.how,
                                                         .rescan_seconds = watching.rescan_seconds,
                                                         .watch_most = watching.most,
                                                         .unwatched = on_unwatched,
                                                         .listener = hst_service_catalog_listener(&daemon->slot)},
                            &daemon->catalog, err));
    if (hst_catalog_was_corrupt(daemon->catalog)) hst_log(HST_LOG_WARN, "catalog", "the catalog was corrupt: it is kept beside %s and made anew", database);
    return HST_OK;
}

static void stop_catalog(struct daemon *daemon)
{
    if (daemon->scanner != NULL) hst_scanner_stop(daemon->scanner); /* its threads may wait for a file */
    hst_catalog_free(daemon->catalog);
}

/* HOIST_FAULT="STEP=CODE", such as "allocate=io": the first load fails at that step with that error, for tests of what follows. */
static int inject_fault(struct daemon *daemon, struct hst_error *err)
{
    const char *fault = getenv("HOIST_FAULT");
    if (fault == NULL || fault[0] == '\0') return HST_OK;
    const char *equals = strchr(fault, '=');
    for (int step = 0; equals != NULL && step < HST_STEP_COUNT; step++) {
        const char *name = hst_step_name((enum hst_step)step);
        if (strlen(name) != (size_t)(equals - fault) || strncmp(name, fault, strlen(name)) != 0) continue;
        hst_loader_inject(daemon->loader, (enum hst_step)step, hst_status_from_code(equals + 1));
        return HST_OK;
    }
    return hst_error_set(err, HST_E_CONFIG, "HOIST_FAULT must be STEP=CODE, not '%s'", fault);
}

static int start_loader(struct daemon *daemon, struct hst_error *err)
{
    const char *name = hst_settings_get(daemon->settings, "policy");
    const struct hst_plan_policy *policy = hst_plan_policy_find(name);
    if (policy == NULL) return hst_error_set(err, HST_E_CONFIG, "policy is cost, lru or lfu, not '%s'", name);
    HST_TRY(hst_loader_new(&(struct hst_loader_config){.loop = &daemon->loop,
                                                      .cache = daemon->cache,
                                                      .catalog = daemon->catalog,
                                                      .devices = daemon->devices.list,
                                                      .device_count = daemon->devices.count,
                                                      .policy = policy,
                                                      .reserve_bytes = daemon->reserve_bytes,
                                                      .listener = hst_service_loader_listener(&daemon->slot)},
                          &daemon->loader, err));
    return inject_fault(daemon, err);
}

static void stop_loader(struct daemon *daemon)
{
    hst_loader_free(daemon->loader);
}

static int read_switch(const struct hst_settings *settings, const char *key, bool *ret_on, struct hst_error *err)
{
    const char *text = hst_settings_get(settings, key);
    if (hst_settings_is_switch(text, ret_on)) return HST_OK;
    return hst_error_set(err, HST_E_CONFIG, "%s is on or off, not '%s'", key, text);
}

static int start_service(struct daemon *daemon, struct hst_error *err)
{
    bool predict = false, restore = false;
    HST_TRY(read_switch(daemon->settings, "predict", &predict, err));
    HST_TRY(read_switch(daemon->settings, "restore", &restore, err));
    return hst_service_new(&(struct hst_service_config){.loop = &daemon->loop,
                                                        .catalog = daemon->catalog,
                                                        .cache = daemon->cache,
                                                        .loader = daemon->loader,
                                                        .devices = daemon->devices.list,
                                                        .device_count = daemon->devices.count,
                                                        .cards = {daemon->devices.card_count, daemon->devices.count - 1, daemon->devices.why},
                                                        .predict = predict,
                                                        .restore = restore,
                                                        .slot = &daemon->slot},
                           &daemon->service, err);
}

static void stop_service(struct daemon *daemon)
{
    hst_service_free(daemon->service);
}

static int start_wire(struct daemon *daemon, struct hst_error *err)
{
    return hst_wire_new(&(struct hst_wire_config){.loop = &daemon->loop,
                                                  .service = daemon->service,
                                                  .path = daemon->socket,
                                                  .allow_group = hst_settings_get(daemon->settings, "allow_group")},
                        &daemon->wire, err);
}

static void stop_wire(struct daemon *daemon)
{
    hst_wire_free(daemon->wire);
}

/* The first line of the token file, or $HOIST_TOKEN, or "" for none. */
static int read_token(struct daemon *daemon, struct hst_error *err)
{
    const char *path = hst_settings_get(daemon->settings, "token_file"), *given = getenv("HOIST_TOKEN");
    if (path == NULL) {
        snprintf(daemon->token, sizeof daemon->token, "%s", given != NULL ? given : "");
        return HST_OK;
    }
    FILE *file = fopen(path, "re");
    bool got = file != NULL && fgets(daemon->token, sizeof daemon->token, file) != NULL;
    if (file != NULL) fclose(file);
    daemon->token[strcspn(daemon->token, "\r\n")] = '\0';
    if (got && daemon->token[0] != '\0') return HST_OK;
    return hst_error_set(err, HST_E_CONFIG, "there is no token in %s", path);
}

static int start_http(struct daemon *daemon, struct hst_error *err)
{
    const char *listen = hst_settings_get(daemon->settings, "listen");
    const struct hst_setting *hosts = hst_settings_list(daemon->settings, "allowed_hosts");
    if (strcmp(listen, "off") == 0) return HST_OK;
    HST_TRY(read_token(daemon, err));
    return hst_http_new(&(struct hst_http_config){.loop = &daemon->loop,
                                                  .service = daemon->service,
                                                  .listen = listen,
                                                  .token = daemon->token[0] != '\0' ? daemon->token : NULL,
                                                  .allowed_hosts = (const char *const *)hosts->values,
                                                  .allowed_host_count = hosts->count},
                        &daemon->http, err);
}

static void stop_http(struct daemon *daemon)
{
    hst_http_free(daemon->http);
}

static int start_metrics(struct daemon *daemon, struct hst_error *err)
{
    const char *listen = hst_settings_get(daemon->settings, "metrics_listen");
    if (listen == NULL) return HST_OK;
    HST_TRY(hst_http_new(&(struct hst_http_config){.loop = &daemon->loop, .service = daemon->service, .listen = listen, .metrics_only = true}, &daemon->metrics, err));
    hst_log(HST_LOG_INFO, "http", "metrics at %s/metrics", hst_http_url(daemon->metrics));
    return HST_OK;
}

static void stop_metrics(struct daemon *daemon)
{
    hst_http_free(daemon->metrics);
}

static int start_workers(struct daemon *daemon, struct hst_error *err)
{
    if (!hst_settings_on(daemon->settings, "workers")) return HST_OK;
    return hst_workers_new(&(struct hst_workers_config){.loop = &daemon->loop,
                                                        .service = daemon->service,
                                                        .python = daemon->python,
                                                        .socket_path = daemon->socket},
                           &daemon->workers, err);
}

static void stop_workers(struct daemon *daemon)
{
    hst_workers_free(daemon->workers);
}

static void leave_memory(struct daemon *daemon)
{
    hst_keeper_leave(daemon->keeper);
    daemon->exit_code = EXIT_UPGRADE;
}

/* The first signal drains, the second ends at once. SIGUSR2 leaves the memory to the next hoistd, an upgraded one for example. */
static void on_signal(uv_signal_t *handle, int number)
{
    if (number == 0) return;
    struct daemon *daemon = handle->data;
    uv_signal_stop(handle);
    hst_log(HST_LOG_INFO, "daemon", "stopping on signal %d", number);
    if (number == SIGUSR2) leave_memory(daemon);
    uv_stop(&daemon->loop);
}

static int start_signals(struct daemon *daemon, struct hst_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR2};
    (void)err;
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(&daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
        uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
    }
    return HST_OK;
}

static void stop_signals(struct daemon *daemon)
{
    for (size_t i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
}

/* The parts, in the order they start in. What a part needs stands above it. */
static const struct {
    const char *name;
    int (*start)(struct daemon *daemon, struct hst_error *err);
    void (*stop)(struct daemon *daemon);
} parts[] = {
    {"signals", start_signals, stop_signals}, {"state", start_state, stop_state},       {"keeper", start_keeper, stop_keeper},
    {"cache", start_cache, stop_cache},
    {"devices", start_devices, stop_devices}, {"sandbox", start_parsing, stop_parsing}, {"catalog", start_catalog, stop_catalog},
    {"loader", start_loader, stop_loader},    {"service", start_service, stop_service}, {"socket", start_wire, stop_wire},
    {"http", start_http, stop_http},          {"metrics", start_metrics, stop_metrics}, {"workers", start_workers, stop_workers},
};
enum { PARTS = sizeof parts / sizeof parts[0] };

static void say_ready(const struct daemon *daemon)
{
    const char *url = daemon->http != NULL ? hst_http_url(daemon->http) : "off";
    printf("hoistd ready url=%s socket=%s\n", url, daemon->socket);
    fflush(stdout);
    hst_process_notify("READY=1");
}

static int serve(struct daemon *daemon)
{
    struct hst_error err = {0};
    if (hst_catalog_scan(daemon->catalog, &err) < 0) hst_log(HST_LOG_WARN, "catalog", "%s", err.text);
    say_ready(daemon);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    hst_process_notify("STOPPING=1");
    return daemon->exit_code;
}

/* Log what failed, in the shape that people see on a terminal. @return exit code */
static int report(const char *part, const struct hst_error *err)
{
    const struct hst_status_info *info = hst_status_info(err->status);
    hst_log(HST_LOG_ERROR, part, "%s", err->text);
    fprintf(stderr, "hoistd: cannot start (%s): %s\n", part, err->text);
    for (size_t i = 0; i < info->action_count; i++)
        fprintf(stderr, "try: %s\n", info->actions[i].text);
    return info->exit_code;
}

static void stop_parts(struct daemon *daemon, size_t started)
{
    hst_process_deadline(STOP_SECONDS);
    while (started > 0)
        parts[--started].stop(daemon);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
}

int hst_daemon_run(const struct hst_settings *settings)
{
    static struct daemon daemon;
    struct hst_error err = {0};
    size_t started = 0;
    int code = 0;
    daemon = (struct daemon){.settings = settings, .lock_fd = -1};
    hst_process_harden();
    uv_loop_init(&daemon.loop);
    while (started < PARTS && code == 0) {
        if (parts[started].start(&daemon, &err) < 0) code = report(parts[started].name, &err);
        started++;
    }
    if (code == 0) code = serve(&daemon);
    stop_parts(&daemon, started);
    return code;
}
