/* hoistd: reads the settings, then serves, or answers one question and exits. */
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/inspect.h"
#include "daemon/keeping.h"

#include <stdio.h>

static int fail(const struct hst_error *err)
{
    const struct hst_status_info *info = hst_status_info(err->status);
    fprintf(stderr, "hoistd: %s: %s\n", info->text, err->text);
    for (size_t i = 0; i < info->action_count; i++)
        fprintf(stderr, "try: %s\n", info->actions[i].text);
    return info->exit_code;
}

static int show_help(const struct hst_settings *settings)
{
    (void)settings;
    hst_settings_help(stdout);
    return 0;
}

static int show_version(const struct hst_settings *settings)
{
    (void)settings;
    printf("hoistd %s\n", HOIST_VERSION);
    return 0;
}

/* What to do, by the first of these settings that was given; serving is the last row. */
static const struct {
    const char *key;
    int (*run)(const struct hst_settings *settings);
} modes[] = {
    {"help", show_help}, {"version", show_version}, {"verify", hst_inspect_verify}, {"scan_once", hst_inspect_scan}, {"free_kept", hst_keeping_free_kept}, {NULL, hst_daemon_run},
};

static int run(const struct hst_settings *settings)
{
    size_t mode = 0;
    while (modes[mode].key != NULL && hst_settings_get(settings, modes[mode].key) == NULL)
        mode++;
    return modes[mode].run(settings);
}

int main(int argc, char **argv)
{
    struct hst_settings settings = {0};
    struct hst_error err = {0};
    if (hst_settings_parse(&settings, argc, argv, &err) < 0) {
        hst_settings_fini(&settings);
        return fail(&err);
    }
    int level = hst_log_level_parse(hst_settings_get(&settings, "log"));
    if (level < 0) {
        hst_error_set(&err, HST_E_CONFIG, "unknown log level '%s'", hst_settings_get(&settings, "log"));
        hst_settings_fini(&settings);
        return fail(&err);
    }
    hst_log_set_level((enum hst_log_level)level);
    int code = run(&settings);
    hst_settings_fini(&settings);
    return code;
}
