#ifndef HST_DAEMON_SETTINGS_H
#define HST_DAEMON_SETTINGS_H
/** @file
 * The settings of hoistd: defaults, then hoist.yaml, then flags. Each is a row of api/settings.yaml and holds text; whoever uses
 * a setting checks its meaning. */
#include "base/error.h"
#include <stdio.h>

/** A row of api/settings.yaml. */
struct hst_setting_info {
    const char *key;      /**< in hoist.yaml */
    const char *flag;     /**< on the command line, without the dashes */
    const char *argument; /**< name of the flag's argument for the help; NULL = the flag takes none */
    const char *value;    /**< what a flag without argument sets */
    const char *fallback; /**< default, or NULL */
    const char *help;     /**< one sentence */
    bool repeat;          /**< may be given several times */
    bool in_file;         /**< allowed in hoist.yaml */
};

/** Most values of one repeated setting. */
#define HST_SETTING_VALUES_MAX 64u
/** Room for the rows of api/settings.yaml. */
#define HST_SETTING_ROWS_MAX 40u

/** Values given for one setting. */
struct hst_setting {
    char *values[HST_SETTING_VALUES_MAX]; /**< owned */
    size_t count;                         /**< of values; 0 = not given */
};

/** All settings. Zero-initialise; free with hst_settings_fini. */
struct hst_settings {
    struct hst_setting of[HST_SETTING_ROWS_MAX]; /**< by row */
};

/** Read flags and the file they name. HST_E_CONFIG names the flag, or the line, and the nearest valid one. */
int hst_settings_parse(struct hst_settings *settings, int argc, char *const *argv, struct hst_error *err);
/** Read a YAML file; settings that were given already win. */
int hst_settings_read_file(struct hst_settings *settings, const char *path, struct hst_error *err);
/** The value (the last, if several), else the default, else NULL. `key` must be a row. */
const char *hst_settings_get(const struct hst_settings *settings, const char *key);
/** Is it "on"? */
bool hst_settings_on(const struct hst_settings *settings, const char *key);
/** Every value of a repeated setting. */
const struct hst_setting *hst_settings_list(const struct hst_settings *settings, const char *key);
/** The value as a number of seconds between `least` and `most`; HST_E_CONFIG names the setting and both. `key` must be a row with a default. */
int hst_settings_seconds(const struct hst_settings *settings, const char *key, unsigned least, unsigned most, unsigned *ret_seconds, struct hst_error *err);
/** Add a value to the row of this index. */
int hst_settings_add(struct hst_settings *settings, size_t row, const char *value, struct hst_error *err);
/** Row of a key of hoist.yaml, or -1. */
int hst_settings_row(const char *key);
/** The row itself. */
const struct hst_setting_info *hst_settings_info(size_t row);
/** Is the text a word for on or off, and which? */
bool hst_settings_is_switch(const char *value, bool *ret_on);
/** The valid file key that looks most like `key`. */
const char *hst_settings_nearest(const char *key);
/** Print the usage, generated from the table. */
void hst_settings_help(FILE *out);
/** Free what it holds. */
void hst_settings_fini(struct hst_settings *settings);
#endif
