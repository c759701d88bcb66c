#include "daemon/devices.h"

#include "backend/host/host.h"
#include "base/log.h"

/** Longest that a context may idle, in seconds: a day. */
#define IDLE_MOST 86400u

/* Which cards there are. That none can be asked for is no failure: it is why there is none. */
static void find_cards(const struct hst_setting *given, struct hst_devices *devices)
{
    struct hst_error err = {0};
    if (!hst_choice_wants_cards(given)) {
        snprintf(devices->why, sizeof devices->why, "--device names host alone");
        return;
    }
    int status = hst_paths_device(devices->program, &err);
    if (status == HST_OK) status = hst_cuda_list(devices->program, devices->cards, &devices->card_count, devices->why, &err);
    if (status < 0) snprintf(devices->why, sizeof devices->why, "%.255s", err.text);
    if (status < 0) devices->card_count = 0;
    if (devices->card_count == 0) hst_log(status < 0 ? HST_LOG_WARN : HST_LOG_INFO, "device", "no card is used: %s", devices->why);
}

static int open_one(const struct hst_choice *choice, const struct hst_cuda_config *config, struct hst_device **ret_device, struct hst_error *err)
{
    if (choice->card == NULL) return hst_host_open(0, choice->budget_bytes, ret_device, err);
    HST_TRY(hst_cuda_open(config, choice->card, choice->budget_bytes, ret_device, err));
    hst_log(HST_LOG_INFO, "device", "%s is %s (%s): %llu of %llu bytes", (*ret_device)->id, choice->card->name, choice->card->uuid, (unsigned long long)choice->budget_bytes,
            (unsigned long long)choice->card->total_bytes);
    return HST_OK;
}

static int open_each(const struct hst_choice *choices, size_t count, const struct hst_cuda_config *config, struct hst_devices *devices, struct hst_error *err)
{
    for (size_t i = 0; i < count; i++) {
        HST_TRY(open_one(&choices[i], config, &devices->list[i], err));
        devices->count = i + 1;
    }
    return HST_OK;
}

/* What a card lacks is said once, here, and by hoist doctor. */
static void report_unusable(struct hst_devices *devices)
{
    for (size_t i = 0; i < devices->card_count; i++) {
        const struct hst_cuda_card *card = &devices->cards[i];
        if (card->usable) continue;
        snprintf(devices->why, sizeof devices->why, "%.100s cannot share its memory between processes", card->name);
        hst_log(HST_LOG_WARN, "device", "cuda:%u (%s) is not used: %s", card->ordinal, card->uuid, devices->why);
    }
    if (devices->count > 1) devices->why[0] = '\0';
}

int hst_devices_begin(const struct hst_settings *settings, uint64_t ram_bytes, uv_loop_t *loop, struct hst_devices *devices, struct hst_error *err)
{
    const struct hst_setting *given = hst_settings_list(settings, "device");
    struct hst_cuda_config config = {.loop = loop, .program = devices->program};
    struct hst_choice choices[HST_CHOICE_MAX];
    size_t count;
    HST_TRY(hst_settings_seconds(settings, "device_idle_seconds", 1, IDLE_MOST, &config.idle_seconds, err));
    find_cards(given, devices);
    const struct hst_choice_places places = {ram_bytes, devices->cards, devices->card_count, devices->why};
    HST_TRY(hst_choice_make(given, &places, choices, &count, err));
    HST_TRY(open_each(choices, count, &config, devices, err));
    report_unusable(devices);
    return HST_OK;
}

void hst_devices_fini(struct hst_devices *devices)
{
    for (size_t i = 0; i < devices->count; i++)
        hst_device_free(devices->list[i]);
    devices->count = 0;
}
