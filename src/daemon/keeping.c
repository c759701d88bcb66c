#include "daemon/keeping.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/paths.h"
#include "os/lockfile.h"

#include <stdlib.h>

/** Longest path of the socket, with its NUL. */
#define SOCKET_MAX (HST_PATH_MAX + 16)

static void socket_of(const char *state, char out[SOCKET_MAX])
{
    snprintf(out, SOCKET_MAX, "%s/keeper.sock", state);
}

/* $HOIST_KEEPER_SECONDS, which tests shorten; 0 = as usual. */
static unsigned read_seconds(void)
{
    const char *text = getenv("HOIST_KEEPER_SECONDS");
    unsigned long seconds = text != NULL ? strtoul(text, NULL, 10) : 0;
    return seconds <= HST_KEEPER_WAIT_SECONDS_MAX ? (unsigned)seconds : 0;
}

static int reach(const char *socket, uv_loop_t *loop, struct hst_keeper **ret_keeper, struct hst_error *err)
{
    char program[HST_PATH_MAX];
    struct hst_keeper_config config = {.loop = loop, .socket = socket, .program = program, .wait_seconds = read_seconds()};
    HST_TRY(hst_paths_keeper(program, err));
    return hst_keeper_open(&config, ret_keeper, err);
}

void hst_keeping_begin(const struct hst_settings *settings, const char *state, uv_loop_t *loop, struct hst_keeper **ret_keeper)
{
    char socket[SOCKET_MAX];
    struct hst_error err = {0};
    bool wanted = hst_settings_on(settings, "keeper");
    *ret_keeper = NULL;
    socket_of(state, socket);
    int status = wanted ? reach(socket, loop, ret_keeper, &err) : hst_keeper_dismiss(socket, &err);
    struct hst_keeper_status keeper = hst_keeper_status(*ret_keeper);
    if (status < 0)
        hst_log(HST_LOG_WARN, "keeper", "memory is lost when hoistd crashes: %s", err.text);
    else if (wanted)
        hst_log(HST_LOG_INFO, "keeper", "hoist-keeper (%d) runs, and holds %llu items from before", (int)keeper.pid, (unsigned long long)keeper.found_items);
}

void hst_keeping_report(const struct hst_cache *cache)
{
    struct hst_inheritance taken = hst_cache_inheritance(cache);
    if (taken.residencies + taken.leases > 0)
        hst_log(HST_LOG_INFO, "keeper", "taken over from before: components %zu, leases %zu, %llu bytes", taken.residencies, taken.leases, (unsigned long long)taken.bytes);
}

/* @return 1 when there was something to free */
static int free_kept(const struct hst_settings *settings, struct hst_error *err)
{
    char state[HST_PATH_MAX], socket[SOCKET_MAX], lock[SOCKET_MAX];
    HST_TRY(hst_paths_state(settings, state, err));
    snprintf(lock, sizeof lock, "%s/lock", state);
    HST_AUTO(hst_closep) int lock_fd = hst_lockfile_take(lock, err);
    if (lock_fd == HST_E_FILE_MISSING) return 0; /* no hoistd was ever there */
    HST_TRY(lock_fd);
    socket_of(state, socket);
    return hst_keeper_dismiss(socket, err);
}

int hst_keeping_free_kept(const struct hst_settings *settings)
{
    struct hst_error err = {0};
    int status = free_kept(settings, &err);
    if (status < 0) {
        fprintf(stderr, "hoistd: %s\n", err.text);
        return hst_status_info(status)->exit_code;
    }
    puts(status > 0 ? "the memory that was kept is free" : "no memory was kept");
    return 0;
}
