#include "daemon/settings.h"

#include <stdlib.h>
#include <string.h>

static const struct hst_setting_info rows[] = {
#include "daemon/settings.inc"
};
enum { ROWS = sizeof rows / sizeof rows[0] };
_Static_assert(ROWS <= HST_SETTING_ROWS_MAX, "HST_SETTING_ROWS_MAX has room for api/settings.yaml");

int hst_settings_row(const char *key)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].key, key) == 0) return i;
    return -1;
}

const struct hst_setting_info *hst_settings_info(size_t row)
{
    return &rows[row];
}

int hst_settings_add(struct hst_settings *settings, size_t row, const char *value, struct hst_error *err)
{
    struct hst_setting *setting = &settings->of[row];
    if (setting->count == HST_SETTING_VALUES_MAX)
        return hst_error_set(err, HST_E_CONFIG, "%s is given more than %u times", rows[row].key, HST_SETTING_VALUES_MAX);
    char *copy = strdup(value);
    if (copy == NULL) return hst_error_nomem(err);
    setting->values[setting->count++] = copy;
    return HST_OK;
}

/* Levenshtein distance of two short words, one row at a time. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], length = strnlen(b, 63);
    for (size_t i = 0; i <= length; i++)
        row[i] = i;
    for (size_t i = 0; a[i] != '\0' && i < 63; i++) {
        size_t diagonal = row[0]++;
        for (size_t j = 0; j < length; j++) {
            size_t cost = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t step = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            row[j + 1] = cost < step ? cost : step;
        }
    }
    return row[length];
}

const char *hst_settings_nearest(const char *key)
{
    size_t best = 0;
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].in_file && distance(key, rows[i].key) < distance(key, rows[best].key)) best = i;
    return rows[best].in_file ? rows[best].key : rows[1].key;
}

/* The row of "--flag" or "--flag=value"; *ret_value = what follows '=', or NULL. */
static int find_flag(const char *word, const char **ret_value)
{
    const char *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
    *ret_value = equals != NULL ? equals + 1 : NULL;
    for (int i = 0; i < ROWS; i++)
        if (length == strlen(rows[i].flag) + 2 && memcmp(word, "--", 2) == 0 && memcmp(word + 2, rows[i].flag, length - 2) == 0)
            return i;
    return -1;
}

/* One flag at argv[*at]; moves *at past it and its argument. */
static int parse_flag(struct hst_settings *settings, int argc, char *const *argv, int *at, struct hst_error *err)
{
    const char *word = argv[(*at)++], *value;
    int row = find_flag(word, &value);
    if (row < 0) return hst_error_set(err, HST_E_CONFIG, "unknown flag %s; hoistd --help lists them", word);
    if (rows[row].argument == NULL) {
        if (value != NULL) return hst_error_set(err, HST_E_CONFIG, "--%s takes no value", rows[row].flag);
        return hst_settings_add(settings, (size_t)row, rows[row].value, err);
    }
    if (value == NULL && *at == argc) return hst_error_set(err, HST_E_CONFIG, "%s needs a value: %s", word, rows[row].argument);
    return hst_settings_add(settings, (size_t)row, value != NULL ? value : argv[(*at)++], err);
}

int hst_settings_parse(struct hst_settings *settings, int argc, char *const *argv, struct hst_error *err)
{
    for (int at = 1; at < argc;)
        HST_TRY(parse_flag(settings, argc, argv, &at, err));
    const char *file = hst_settings_get(settings, "config");
    return file != NULL ? hst_settings_read_file(settings, file, err) : HST_OK;
}

const struct hst_setting *hst_settings_list(const struct hst_settings *settings, const char *key)
{
    int row = hst_settings_row(key);
    return &settings->of[row < 0 ? 0 : row];
}

const char *hst_settings_get(const struct hst_settings *settings, const char *key)
{
    const struct hst_setting *setting = hst_settings_list(settings, key);
    return setting->count > 0 ? setting->values[setting->count - 1] : rows[setting - settings->of].fallback;
}

int hst_settings_seconds(const struct hst_settings *settings, const char *key, unsigned least, unsigned most, unsigned *ret_seconds, struct hst_error *err)
{
    const char *text = hst_settings_get(settings, key);
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number < least || number > most)
        return hst_error_set(err, HST_E_CONFIG, "%s must be a number of seconds from %u to %u, not '%s'", key, least, most, text);
    *ret_seconds = (unsigned)number;
    return HST_OK;
}

bool hst_settings_is_switch(const char *value, bool *ret_on)
{
    static const char *const words[] = {"on", "true", "yes", "off", "false", "no"};
    for (size_t i = 0; value != NULL && i < 6; i++) {
        if (strcmp(value, words[i]) != 0) continue;
        *ret_on = i < 3;
        return true;
    }
    return false;
}

bool hst_settings_on(const struct hst_settings *settings, const char *key)
{
    bool on = false;
    return hst_settings_is_switch(hst_settings_get(settings, key), &on) && on;
}

void hst_settings_help(FILE *out)
{
    fprintf(out, "usage: hoistd [FLAGS]\n\nKeeps one copy of every model's weights on this machine and hands it to any number of processes.\n\n");
    for (size_t i = 0; i < ROWS; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", rows[i].flag, rows[i].argument != NULL ? rows[i].argument : "");
        fprintf(out, "  %-26s %s", left, rows[i].help);
        if (rows[i].fallback != NULL && rows[i].argument != NULL) fprintf(out, " (default: %s)", rows[i].fallback);
        fputc('\n', out);
    }
}

void hst_settings_fini(struct hst_settings *settings)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < settings->of[i].count; j++)
            free(settings->of[i].values[j]);
    *settings = (struct hst_settings){0};
}
