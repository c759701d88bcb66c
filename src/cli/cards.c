#include "cli/cards.h"

#include "cli/disks.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <glob.h>
#include <string.h>
#include <unistd.h>

/* Programs that are named of a card. */
enum { NAMED_MAX = 3 };

/* A size, or "-" for one that is not known. */
static const char *size_of(const json_t *object, const char *key, char out[HST_TERM_TEXT])
{
    return json_is_number(json_object_get(object, key)) ? hst_term_size(hst_talk_number(object, key), out) : "-";
}

/* One row: by hoist's books, then by the driver. */
static void add_row(json_t *rows, const char *place, const json_t *books, const char *total_key, const char *name)
{
    char used[HST_TERM_TEXT], budget[HST_TERM_TEXT], total[HST_TERM_TEXT], free_bytes[HST_TERM_TEXT], others[HST_TERM_TEXT];
    const json_t *driver = json_object_get(books, "driver");
    json_array_append_new(rows, json_pack("[s, s, s, s, s, s, s, s]", place, size_of(books, "used_bytes", used), size_of(books, "budget_bytes", budget),
                                          size_of(books, total_key, total), size_of(driver, "free_bytes", free_bytes), size_of(driver, "used_by_others_bytes", others),
                                          hst_talk_text(driver, "state"), name));
}

void hst_cards_print(const json_t *memory)
{
    json_t *rows = json_pack("[[s, s, s, s, s, s, s, s]]", "PLACE", "USED", "BUDGET", "TOTAL", "DRIVER FREE", "OTHERS", "STATE", "NAME"), *device;
    size_t index;
    add_row(rows, "ram", json_object_get(memory, "ram"), "machine_total_bytes", "weights in RAM, whoever uses them");
    json_array_foreach(json_object_get(memory, "devices"), index, device)
        add_row(rows, hst_talk_text(device, "device_id"), device, "total_bytes", hst_talk_text(device, "name"));
    hst_term_table(rows);
    json_decref(rows);
}

void hst_cards_print_short(const json_t *memory)
{
    size_t index;
    json_t *device;
    char used[HST_TERM_TEXT], budget[HST_TERM_TEXT];
    json_array_foreach(json_object_get(memory, "devices"), index, device)
        if (json_is_false(json_object_get(device, "references_ram")))
            printf("%s: %s of %s\n", hst_talk_text(device, "device_id"), size_of(device, "used_bytes", used), size_of(device, "budget_bytes", budget));
}

/* "NVIDIA H200 (GPU-...): 1.0 GiB of 130 GiB used; driver: ok, 100 GiB free, 5.0 GiB used by others" */
static void describe(const json_t *device, char *out, size_t size)
{
    char used[HST_TERM_TEXT], budget[HST_TERM_TEXT], free_bytes[HST_TERM_TEXT], others[HST_TERM_TEXT];
    const json_t *driver = json_object_get(device, "driver");
    const char *why = json_string_value(json_object_get(driver, "why"));
    snprintf(out, size, "%s (%s): %s of %s used; driver: %s, %s free, %s used by others%s%s", hst_talk_text(device, "name"), hst_talk_text(device, "uuid"),
             size_of(device, "used_bytes", used), size_of(device, "budget_bytes", budget), hst_talk_text(driver, "state"), size_of(driver, "free_bytes", free_bytes),
             size_of(driver, "used_by_others_bytes", others), why != NULL ? ": " : "", why != NULL ? why : "");
}

/* "python3 (pid 4711, 5.0 GiB)" */
static void describe_user(const json_t *process, char out[HST_TERM_TEXT * 4])
{
    char bytes[HST_TERM_TEXT];
    const char *name = json_string_value(json_object_get(process, "name"));
    bool has_size = json_is_number(json_object_get(process, "used_bytes"));
    snprintf(out, HST_TERM_TEXT * 4, "%s%s(pid %.0f, %s)", name != NULL ? name : "", name != NULL ? " " : "", hst_talk_number(process, "pid"),
             has_size ? size_of(process, "used_bytes", bytes) : "size not known");
}

/* "; programs on it: python3 (pid 4711, 5.0 GiB), (pid 4712, size not known), and 3 more": hoist's own left out. At most NAMED_MAX + 2 texts of a user's size. */
static void describe_users(const json_t *driver, char *out, size_t size)
{
    char user[HST_TERM_TEXT * 4];
    size_t index, length = 0, named = 0, others = (size_t)hst_talk_number(driver, "process_count");
    json_t *process;
    out[0] = '\0';
    json_array_foreach(json_object_get(driver, "processes"), index, process) {
        bool is_ours = strcmp(hst_talk_text(process, "name"), "hoist-device") == 0;
        others -= is_ours;
        if (is_ours || named == NAMED_MAX) continue;
        describe_user(process, user);
        length += (size_t)snprintf(out + length, size - length, "%s%s", named++ == 0 ? "; programs on it: " : ", ", user);
    }
    if (named > 0 && others > named) snprintf(out + length, size - length, ", and %zu more", others - named);
}

/* What is to be looked at: a card that is not well, or that others have so much of that the budget cannot be filled. */
static const char *advise(const json_t *device)
{
    const json_t *driver = json_object_get(device, "driver"), *free_bytes = json_object_get(driver, "free_bytes");
    const char *state = hst_talk_text(driver, "state");
    if (strcmp(state, "lost") == 0) return "what was on it is gone and is loaded again from RAM; look for Xid messages in the kernel's log";
    if (strcmp(state, "unavailable") == 0) return "see docs/gpu.md, troubleshooting; weights in RAM and on other devices are not touched";
    if (json_is_number(free_bytes) && json_number_value(free_bytes) < hst_talk_number(device, "free_bytes"))
        return "other programs use so much of it that the budget cannot be filled: end them, or give a smaller one (--device cuda:N=SIZE)";
    return NULL;
}

static void examine_xid(json_t *checks, const json_t *device)
{
    char name[HST_TERM_TEXT], found[HST_TERM_TEXT * 2];
    const json_t *xid = json_object_get(json_object_get(device, "driver"), "xid");
    if (!json_is_integer(xid)) return;
    snprintf(name, sizeof name, "%s Xid", hst_talk_text(device, "device_id"));
    snprintf(found, sizeof found, "the driver reported Xid %lld since hoistd started", (long long)json_integer_value(xid));
    hst_examine(checks, name, found, "13, 31, 43 and 45 are as a rule the fault of a program that computes; for others see the kernel's log (dmesg) and NVIDIA's list of Xid errors");
}

static void examine_card(json_t *checks, const json_t *device)
{
    char found[HST_TERM_TEXT * 36], users[HST_TERM_TEXT * 4 * (NAMED_MAX + 2)];
    describe(device, found, sizeof found);
    describe_users(json_object_get(device, "driver"), users, sizeof users);
    size_t length = strlen(found);
    snprintf(found + length, sizeof found - length, "%s", users);
    hst_examine(checks, hst_talk_text(device, "device_id"), found, advise(device));
    examine_xid(checks, device);
}

static bool is_there(const char *pattern)
{
    glob_t found = {0};
    bool there = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
    globfree(&found);
    return there;
}

/* NVIDIA's cards that are bound to a driver, or known to the kernel's module. */
static bool is_on_bus(void)
{
    return is_there("/sys/bus/pci/drivers/nvidia/0*") || is_there("/sys/bus/pci/drivers/nouveau/0*") || is_there("/proc/driver/nvidia/gpus/*");
}

/* NULL when this machine has nothing of NVIDIA's, and so lacks nothing. `why` is hoistd's: whatever it says but that there is no card, a driver has said. */
static const char *advise_without_card(const char *why)
{
    bool files = is_there("/dev/nvidia[0-9]*") && access("/dev/nvidiactl", F_OK) == 0, kernel = access("/proc/driver/nvidia/version", R_OK) == 0;
    if (strncmp(why, "--device", 8) == 0) return NULL;
    if (kernel && !files) return "the kernel has NVIDIA's driver, but its device files are not here: give the container its cards (docker run --gpus all, or --device nvidia.com/gpu=all)";
    if (files || is_on_bus() || strcmp(why, "the kernel shows no NVIDIA card") != 0) return "see docs/gpu.md, troubleshooting; then start hoistd again, which looks for cards when it starts";
    return NULL;
}

static void examine_none(json_t *checks, const json_t *cards)
{
    char found[HST_TERM_TEXT * 6];
    const char *why = hst_talk_text(cards, "why");
    snprintf(found, sizeof found, "none is used: %s", why);
    hst_examine(checks, "cards", found, advise_without_card(why));
}

void hst_cards_examine(json_t *checks, const json_t *list)
{
    const json_t *cards = json_object_get(list, "cards");
    size_t index;
    json_t *device;
    json_array_foreach(json_object_get(list, "devices"), index, device)
        if (json_is_false(json_object_get(device, "references_ram"))) examine_card(checks, device);
    if (cards != NULL && hst_talk_number(cards, "used") == 0) examine_none(checks, cards);
}
