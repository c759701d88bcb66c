#include "daemon/choice.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "daemon/size.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** Which part of a card is left to the contexts of the processes that compute on it, and to their intermediate results, when nobody says a budget. */
#define RESERVE_PART 20u
/** Least of it: of the order of one context (680 MB were reported of a process that runs an LLM). */
#define RESERVE_LEAST (UINT64_C(512) << 20)
/** Longest name of a device in the setting, with its NUL. */
#define NAME_MAX_BYTES 80u

/** What is being made. */
struct choosing {
    const struct hst_choice_places *places;
    struct hst_choice *choices;
    size_t count;      /* cards that were chosen */
    bool host_given;
    uint64_t host_bytes;
};

/** A value of the setting, taken apart. */
struct wish {
    char name[NAME_MAX_BYTES]; /* of the device */
    const char *size;          /* behind '=', or "auto" */
};

static bool is_host(const char *name)
{
    return strcmp(name, "host") == 0 || strcmp(name, "host:0") == 0 || strcmp(name, "cpu") == 0;
}

static bool take_apart(const char *text, struct wish *ret_wish)
{
    const char *equals = strchr(text, '=');
    size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);
    *ret_wish = (struct wish){.size = equals != NULL ? equals + 1 : "auto"};
    snprintf(ret_wish->name, sizeof ret_wish->name, "%.*s", (int)hst_min_u64(length, NAME_MAX_BYTES - 1), text);
    return length > 0 && length < NAME_MAX_BYTES;
}

bool hst_choice_wants_cards(const struct hst_setting *given)
{
    struct wish wish;
    bool wants = given->count == 0;
    for (size_t i = 0; i < given->count; i++)
        wants = wants || !take_apart(given->values[i], &wish) || !is_host(wish.name);
    return wants;
}

uint64_t hst_choice_card_budget(uint64_t total_bytes)
{
    uint64_t least = hst_min_u64(RESERVE_LEAST, total_bytes / 4);
    return total_bytes - hst_max_u64(total_bytes / RESERVE_PART, least);
}

/* "cuda:N", "cuda" (the first one), or a UUID. */
static bool is_called(const struct hst_cuda_card *card, const char *name)
{
    char id[32];
    snprintf(id, sizeof id, "cuda:%u", card->ordinal);
    return strcmp(name, id) == 0 || strcasecmp(name, card->uuid) == 0 || (strcmp(name, "cuda") == 0 && card->ordinal == 0);
}

static void describe(const struct choosing *choosing, struct hst_strbuf *out)
{
    hst_strbuf_puts(out, "host:0");
    for (size_t i = 0; i < choosing->places->card_count; i++) {
        const struct hst_cuda_card *card = &choosing->places->cards[i];
        hst_strbuf_printf(out, ", cuda:%u (%s, %s)", card->ordinal, card->uuid, card->name);
    }
}

static bool is_split(const struct choosing *choosing)
{
    for (size_t i = 0; i < choosing->places->card_count; i++)
        if (strncmp(choosing->places->cards[i].uuid, "MIG-", 4) == 0) return true;
    return false;
}

static int no_such_device(const struct choosing *choosing, const char *name, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf there = {0};
    describe(choosing, &there);
    const char *text = there.text != NULL ? there.text : "host:0";
    if (choosing->places->card_count == 0) return hst_error_set(err, HST_E_CONFIG, "no device '%s' here, only host:0; no card was found: %s", name, choosing->places->why);
    return hst_error_set(err, HST_E_CONFIG, "no device '%s' here; there are: %s%s", name, text, is_split(choosing) ? "; a card that is split by MIG is named by its slices" : "");
}

static const struct hst_cuda_card *find_card(const struct choosing *choosing, const char *name)
{
    for (size_t i = 0; i < choosing->places->card_count; i++)
        if (is_called(&choosing->places->cards[i], name)) return &choosing->places->cards[i];
    return NULL;
}

/* The budget that `size` says, of a device called `id` that has `whole` bytes; `fallback` for auto. */
static int read_budget(const char *id, const char *size, uint64_t whole, uint64_t fallback, uint64_t *ret_bytes, struct hst_error *err)
{
    uint64_t bytes = fallback;
    if (strcmp(size, "auto") != 0) HST_TRY(hst_size_parse(size, whole, &bytes, err));
    if (bytes > whole) return hst_error_set(err, HST_E_CONFIG, "the device %s is to have %llu bytes, and there are %llu", id, (unsigned long long)bytes, (unsigned long long)whole);
    *ret_bytes = bytes;
    return HST_OK;
}

static int add_host(struct choosing *choosing, const struct wish *wish, struct hst_error *err)
{
    if (choosing->host_given) return hst_error_set(err, HST_E_CONFIG, "the device host:0 is given twice");
    choosing->host_given = true;
    return read_budget("host:0, which lies within ram,", wish->size, choosing->places->ram_bytes, choosing->places->ram_bytes, &choosing->host_bytes, err);
}

static void append(struct choosing *choosing, const struct hst_cuda_card *card, uint64_t budget_bytes)
{
    choosing->choices[choosing->count++] = (struct hst_choice){card, budget_bytes};
}

static int add_card(struct choosing *choosing, const struct wish *wish, struct hst_error *err)
{
    const struct hst_cuda_card *card = find_card(choosing, wish->name);
    uint64_t budget;
    if (card == NULL) return no_such_device(choosing, wish->name, err);
    for (size_t i = 0; i < choosing->count; i++)
        if (choosing->choices[i].card == card) return hst_error_set(err, HST_E_CONFIG, "the device cuda:%u (%s) is given twice", card->ordinal, card->uuid);
    if (!card->usable)
        return hst_error_set(err, HST_E_CONFIG, "cuda:%u (%s) cannot share its memory between processes: it, or its driver, has no virtual memory management with descriptors", card->ordinal, card->name);
    HST_TRY(read_budget(wish->name, wish->size, card->total_bytes, hst_choice_card_budget(card->total_bytes), &budget, err));
    append(choosing, card, budget);
    return HST_OK;
}

static int add_given(struct choosing *choosing, const char *text, struct hst_error *err)
{
    struct wish wish;
    if (!take_apart(text, &wish)) return no_such_device(choosing, wish.name, err);
    return is_host(wish.name) ? add_host(choosing, &wish, err) : add_card(choosing, &wish, err);
}

static void add_every_card(struct choosing *choosing)
{
    for (size_t i = 0; i < choosing->places->card_count; i++) {
        const struct hst_cuda_card *card = &choosing->places->cards[i];
        if (card->usable) append(choosing, card, hst_choice_card_budget(card->total_bytes));
    }
}

int hst_choice_make(const struct hst_setting *given, const struct hst_choice_places *places, struct hst_choice choices[HST_CHOICE_MAX], size_t *ret_count,
                    struct hst_error *err)
{
    struct choosing choosing = {.places = places, .choices = choices, .host_bytes = places->ram_bytes};
    for (size_t i = 0; i < given->count; i++)
        HST_TRY(add_given(&choosing, given->values[i], err));
    if (given->count == 0) add_every_card(&choosing);
    append(&choosing, NULL, choosing.host_bytes);
    *ret_count = choosing.count;
    return HST_OK;
}
