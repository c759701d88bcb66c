/* hoist.yaml: a mapping of keys to a scalar or a list of scalars, read event by event (libyaml), so nothing nests. */
#include "daemon/settings.h"
#include "daemon/yamlfile.h"

/* What the next event may be. */
enum expect { EXPECT_START, EXPECT_KEY, EXPECT_VALUE, EXPECT_ITEM, EXPECT_END };

struct reader {
    struct hst_settings *settings;
    const char *path;
    enum expect expect;
    int row;      /* of the key whose value comes next */
    bool given;   /* by a flag, which wins: the file's value is checked and dropped */
    bool seen[HST_SETTING_ROWS_MAX]; /* keys that came already */
};

static int fail(const struct reader *reader, const yaml_event_t *event, struct hst_error *err, const char *what)
{
    return hst_yamlfile_fail(reader->path, event, err, what);
}

/* Something is wrong with the key being read, or its value. */
static int fail_key(const struct reader *reader, const yaml_event_t *event, struct hst_error *err, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "'%s' %s", hst_settings_info((size_t)reader->row)->key, what);
    return fail(reader, event, err, text);
}

static int read_key(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    const char *key = (const char *)event->data.scalar.value;
    char what[256];
    reader->row = hst_settings_row(key);
    if (reader->row < 0 || !hst_settings_info((size_t)reader->row)->in_file) {
        snprintf(what, sizeof what, "unknown key '%.80s'; the nearest valid key is '%s'", key, hst_settings_nearest(key));
        return fail(reader, event, err, what);
    }
    if (reader->seen[reader->row]) return fail_key(reader, event, err, "is given twice");
    reader->seen[reader->row] = true;
    reader->given = reader->settings->of[reader->row].count > 0;
    reader->expect = EXPECT_VALUE;
    return HST_OK;
}

static int read_value(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    const char *value = (const char *)event->data.scalar.value;
    bool on;
    if (reader->expect == EXPECT_VALUE) reader->expect = EXPECT_KEY;
    if (hst_settings_info((size_t)reader->row)->argument == NULL && !hst_settings_is_switch(value, &on)) return fail_key(reader, event, err, "is on or off");
    if (reader->given) return HST_OK;
    return hst_settings_add(reader->settings, (size_t)reader->row, value, err);
}

static int on_scalar(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    if (reader->expect == EXPECT_KEY) return read_key(reader, event, err);
    if (reader->expect == EXPECT_START) return fail(reader, event, err, "expected `key: value` lines");
    return read_value(reader, event, err);
}

static int on_list(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    bool starts = event->type == YAML_SEQUENCE_START_EVENT;
    if (starts && reader->expect != EXPECT_VALUE) return fail(reader, event, err, "a list is not expected here");
    if (starts && !hst_settings_info((size_t)reader->row)->repeat) return fail_key(reader, event, err, "takes one value, not a list");
    reader->expect = starts ? EXPECT_ITEM : EXPECT_KEY;
    return HST_OK;
}

static int on_mapping(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    bool starts = event->type == YAML_MAPPING_START_EVENT;
    if (starts && reader->expect == EXPECT_VALUE) return fail_key(reader, event, err, "must be text or a list of texts");
    if (starts && reader->expect != EXPECT_START) return fail(reader, event, err, "a value must be text or a list of texts");
    reader->expect = starts ? EXPECT_KEY : EXPECT_END;
    return HST_OK;
}

static int on_alias(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    return fail(reader, event, err, "aliases are not supported");
}

static int (*const handlers[])(struct reader *, const yaml_event_t *, struct hst_error *) = {
    [YAML_SCALAR_EVENT] = on_scalar,       [YAML_SEQUENCE_START_EVENT] = on_list, [YAML_SEQUENCE_END_EVENT] = on_list,
    [YAML_MAPPING_START_EVENT] = on_mapping, [YAML_MAPPING_END_EVENT] = on_mapping, [YAML_ALIAS_EVENT] = on_alias,
};

static int on_event(void *context, const yaml_event_t *event, struct hst_error *err)
{
    size_t type = event->type;
    bool known = type < sizeof handlers / sizeof handlers[0] && handlers[type] != NULL;
    return known ? handlers[type](context, event, err) : HST_OK;
}

int hst_settings_read_file(struct hst_settings *settings, const char *path, struct hst_error *err)
{
    struct reader reader = {.settings = settings, .path = path};
    return hst_yamlfile_read(path, on_event, &reader, err);
}
