#include "daemon/watching.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    enum hst_catalog_watching how;
} words[] = {{"auto", HST_CATALOG_WATCH}, {"poll", HST_CATALOG_POLL}, {"off", HST_CATALOG_ASKED}};

static int read_word(const char *word, enum hst_catalog_watching *ret_how, struct hst_error *err)
{
    bool on;
    if (hst_settings_is_switch(word, &on)) word = on ? "auto" : "off"; /* YAML writes off as false */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, word) != 0) continue;
        *ret_how = words[i].how;
        return HST_OK;
    }
    return hst_error_set(err, HST_E_CONFIG, "watch must be auto, poll or off, not '%s'", word);
}

int hst_watching_read(const struct hst_settings *settings, struct hst_watching *ret_watching, struct hst_error *err)
{
    const char *most = getenv("HOIST_WATCH_MOST");
    struct hst_watching watching = {0};
    HST_TRY(read_word(hst_settings_get(settings, "watch"), &watching.how, err));
    HST_TRY(hst_settings_seconds(settings, "rescan_seconds", 0, 86400, &watching.rescan_seconds, err));
    watching.most = most != NULL ? (unsigned)strtoul(most, NULL, 10) : 0;
    *ret_watching = watching;
    return HST_OK;
}
