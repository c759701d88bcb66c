/* hoist cache, load, pin, unpin, unload, evict: what is where. */
#include "cli/patterns.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <string.h>

static void print_steps(const json_t *job)
{
    size_t index;
    json_t *step;
    char time[HST_TERM_TEXT];
    json_array_foreach(json_object_get(job, "steps"), index, step)
        printf("  %-9s %10s  %s\n", hst_talk_text(step, "step"), hst_term_ms(hst_talk_number(step, "ms"), time), hst_talk_text(step, "detail"));
}

/* Bytes of its components, wherever they came from. */
static double size_of(const json_t *job)
{
    size_t index;
    json_t *part;
    double bytes = 0;
    json_array_foreach(json_object_get(job, "loaded_components"), index, part)
        bytes += hst_talk_number(part, "size_bytes");
    return bytes;
}

static void print_job(const json_t *job)
{
    char time[HST_TERM_TEXT], size[HST_TERM_TEXT];
    const char *device = json_string_value(json_object_get(job, "device_id"));
    printf("%s%s%s is in %s: %s in %s\n", hst_term_style(stdout, HST_STYLE_BOLD), hst_talk_text(job, "model_id"), hst_term_plain(stdout),
           device != NULL ? device : "RAM", hst_term_size(size_of(job), size), hst_term_ms(hst_talk_number(job, "loading_ms"), time));
    print_steps(job);
}

static int run_job(const struct hst_arguments *arguments, const char *what, const char *path, json_t *body)
{
    json_t *job;
    int code = hst_talk_job(arguments, what, path, body, &job);
    if (code != HST_EXIT_DONE) return code;
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(job);
    else
        print_job(job);
    json_decref(job);
    return HST_EXIT_DONE;
}

int hst_command_load(const struct hst_arguments *arguments)
{
    const char *ttl = arguments->values[HST_OPTION_TTL];
    json_t *seconds = NULL;
    if (ttl != NULL && !hst_command_number(ttl, &seconds)) return hst_term_usage("--ttl is a number of seconds, not '%s'", ttl);
    if (hst_given(arguments, HST_OPTION_DRY_RUN)) {
        json_decref(seconds);
        return hst_command_plan(arguments);
    }
    json_t *body = hst_talk_load(arguments);
    if (seconds != NULL) json_object_set_new(body, "ttl_seconds", seconds);
    return run_job(arguments, "loading failed", "/api/model/load", body);
}

int hst_command_cache(const struct hst_arguments *arguments)
{
    if (hst_patterns_asked(arguments)) return hst_patterns_run(arguments);
    if (arguments->count == 0) return hst_term_usage("hoist cache needs a MODEL, --patterns or --reorganize");
    return run_job(arguments, "caching failed", "/api/model/cache", hst_talk_load(arguments));
}

static int set_pin(const struct hst_arguments *arguments, const char *what, bool pin)
{
    json_t *body = hst_talk_load(arguments);
    json_object_set_new(body, "pin", json_boolean(pin));
    return run_job(arguments, what, "/api/model/cache", body);
}

int hst_command_pin(const struct hst_arguments *arguments)
{
    return set_pin(arguments, "pinning failed", true);
}

int hst_command_unpin(const struct hst_arguments *arguments)
{
    return set_pin(arguments, "unpinning failed", false);
}

static void print_kept(const json_t *kept)
{
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)kept, index, item) {
        const json_t *holders = json_object_get(item, "holders");
        fprintf(stderr, "kept: %s", hst_talk_text(item, "reason"));
        for (size_t i = 0; i < json_array_size(holders); i++)
            fprintf(stderr, "%s%.0f (%s)", i == 0 ? ", by process " : ", ", hst_talk_number(json_array_get(holders, i), "pid"),
                    hst_talk_text(json_array_get(holders, i), "domain"));
        fputc('\n', stderr);
    }
}

/* What went and what stayed. @return exit code: failed when something was named and nothing of it went */
static int print_freed(const struct hst_arguments *arguments, const json_t *data, const char *gone_key, const char *kept_key)
{
    const json_t *gone = json_object_get(data, gone_key), *kept = json_object_get(data, kept_key);
    char size[HST_TERM_TEXT];
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(data);
    else
        printf("%zu components, %s freed\n", json_array_size(gone), hst_term_size(hst_talk_number(data, "freed_bytes"), size));
    print_kept(kept);
    return arguments->count > 0 && json_array_size(gone) == 0 && json_array_size(kept) > 0 ? HST_EXIT_FAILED : HST_EXIT_DONE;
}

static int release(const struct hst_arguments *arguments, const char *what, const char *path, const char *gone_key, const char *kept_key)
{
    json_t *data;
    if (arguments->count == 0 && !hst_given(arguments, HST_OPTION_ALL))
        return hst_term_usage("%s needs a MODEL, or --all", arguments->command->name);
    if (arguments->count > 0 && hst_given(arguments, HST_OPTION_ALL)) return hst_term_usage("name a MODEL or give --all, not both");
    int code = hst_talk(arguments, what, "DELETE", path, hst_talk_load(arguments), &data);
    if (code != HST_EXIT_DONE) return code;
    code = print_freed(arguments, data, gone_key, kept_key);
    json_decref(data);
    return code;
}

int hst_command_unload(const struct hst_arguments *arguments)
{
    return release(arguments, "unloading failed", "/api/model/unload", "unloaded_components", "leased_components");
}

int hst_command_evict(const struct hst_arguments *arguments)
{
    return release(arguments, "evicting failed", "/api/model/cache", "freed_components", "busy_components");
}
