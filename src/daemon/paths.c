#include "daemon/paths.h"

#include "os/process.h"

#include <stdlib.h>

/* `a` followed by `b`; HST_E_CONFIG when it does not fit. */
static int join(char out[HST_PATH_MAX], const char *a, const char *b, struct hst_error *err)
{
    if (snprintf(out, HST_PATH_MAX, "%s%s", a, b) >= (int)HST_PATH_MAX) return hst_error_set(err, HST_E_CONFIG, "the path %.80s... is too long", a);
    return HST_OK;
}

/* The folder in the environment variable, if it holds an absolute path. */
static const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] == '/' ? value : NULL;
}

int hst_paths_socket(const struct hst_settings *settings, char out[HST_PATH_MAX], struct hst_error *err)
{
    const char *given = hst_settings_get(settings, "socket");
    if (given != NULL) return join(out, given, "", err);
    if (hst_process_is_root()) return join(out, "/run", "/hoist/hoist.sock", err);
    const char *runtime = from_environment("XDG_RUNTIME_DIR");
    if (runtime != NULL) return join(out, runtime, "/hoist/hoist.sock", err);
    return hst_error_set(err, HST_E_CONFIG, "no place for the socket: XDG_RUNTIME_DIR is not set; give --socket PATH");
}

int hst_paths_state(const struct hst_settings *settings, char out[HST_PATH_MAX], struct hst_error *err)
{
    const char *given = hst_settings_get(settings, "state");
    if (given != NULL) return join(out, given, "", err);
    if (hst_process_is_root()) return join(out, "/var/lib", "/hoist", err);
    const char *state = from_environment("XDG_STATE_HOME");
    if (state != NULL) return join(out, state, "/hoist", err);
    const char *home = from_environment("HOME");
    if (home != NULL) return join(out, home, "/.local/state/hoist", err);
    return hst_error_set(err, HST_E_CONFIG, "no place for the state: HOME is not set; give --state DIR");
}

int hst_paths_python(const struct hst_settings *settings, char out[HST_PATH_MAX], struct hst_error *err)
{
    const char *given = hst_settings_get(settings, "python");
    if (given != NULL) return join(out, given, "", err);
    char folder[HST_PATH_MAX];
    HST_TRY(hst_process_program_folder(folder, sizeof folder, err));
    HST_TRY(join(out, folder, "/../.venv/bin/python3", err));
    return hst_process_may_run(out) ? HST_OK : join(out, "python3", "", err);
}

/* A program of ours that a person does not call: where the variable says, or at one of two places beside this one. */
static int find_helper(const char *variable, const char *const places[2], const char *purpose, char out[HST_PATH_MAX], struct hst_error *err)
{
    const char *given = from_environment(variable);
    char folder[HST_PATH_MAX];
    if (given != NULL) return join(out, given, "", err);
    HST_TRY(hst_process_program_folder(folder, sizeof folder, err));
    for (size_t i = 0; i < 2; i++) {
        HST_TRY(join(out, folder, places[i], err));
        if (hst_process_may_run(out)) return HST_OK;
    }
    return hst_error_set(err, HST_E_CONFIG, "%s, is missing: it belongs beside hoistd or to %s", purpose, out);
}

int hst_paths_scan(char out[HST_PATH_MAX], struct hst_error *err)
{
    static const char *const places[] = {"/hoist-scan", "/../" HOIST_LIBEXECDIR "/hoist-scan"};
    return find_helper("HOIST_SCAN", places, "hoist-scan, which parses model files in a sandbox", out, err);
}

int hst_paths_keeper(char out[HST_PATH_MAX], struct hst_error *err)
{
    static const char *const places[] = {"/hoist-keeper", "/../" HOIST_LIBEXECDIR "/hoist-keeper"};
    return find_helper("HOIST_KEEPER", places, "hoist-keeper, which keeps the memory when hoistd crashes", out, err);
}

int hst_paths_device(char out[HST_PATH_MAX], struct hst_error *err)
{
    static const char *const places[] = {"/hoist-device", "/../" HOIST_LIBEXECDIR "/hoist-device"};
    return find_helper("HOIST_DEVICE", places, "hoist-device, which works with a card", out, err);
}
