/* How long does it take to have again what the hoistd before had in RAM, and how long to load it? usage: takeover FILE BACKING REPEATS
 * Prints milliseconds, one line a repeat: "LOAD TAKEOVER BEGIN": from a file that is not in the page cache; by way of hoist-keeper, from the connection to it until the
 * components are there; and of the latter, what a tier takes to begin when there is nothing to take over. */
#include "backend/host/host.h"
#include "base/cleanup.h"
#include "cache/inherit.h"
#include "catalog/probe.h"
#include "keeper/link.h"
#include "load/load.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/hold.h"
#include "os/process.h"

#include <stdio.h>
#include <string.h>

static struct {
    uv_loop_t loop;
    char folder[64], socket[96], program[1200];
    const char *file, *backing;
    uint64_t budget_bytes;
    struct hst_model *model;
    struct hst_keeper *keeper;
    struct hst_cache *cache;
    struct hst_loader *loader;
    bool loaded;
} bench = {.folder = "/tmp/hoist-bench-XXXXXX"};

static void must(int status)
{
    if (status >= 0) return;
    fprintf(stderr, "takeover: error %d\n", status);
    exit(1);
}

static void begin(void)
{
    must(hst_keeper_open(&(struct hst_keeper_config){&bench.loop, bench.socket, bench.program, 20}, &bench.keeper, NULL));
    must(hst_cache_new(&(struct hst_cache_config){.loop = &bench.loop, .budget_bytes = bench.budget_bytes, .keeper = bench.keeper, .force_backing = bench.backing}, &bench.cache, NULL));
    must(hst_loader_new(&(struct hst_loader_config){.loop = &bench.loop, .cache = bench.cache}, &bench.loader, NULL));
}

static void end(bool leaves)
{
    if (leaves) hst_keeper_leave(bench.keeper);
    hst_loader_free(bench.loader);
    hst_cache_free(bench.cache);
    hst_keeper_free(bench.keeper);
}

static void on_loaded(void *context, const struct hst_job *job)
{
    (void)context;
    must(job->error.status);
    bench.loaded = true;
}

static void drop_file(void)
{
    HST_AUTO(hst_closep) int fd = hst_file_open(bench.file, &(struct hst_file_id){0}, NULL);
    must(fd);
    hst_hold_drop(fd, 0, bench.budget_bytes);
}

static double load(void)
{
    struct hst_job *job;
    drop_file();
    uint64_t began = hst_clock_ns();
    bench.loaded = false;
    must(hst_loader_start(bench.loader, &(struct hst_load_request){.model = bench.model}, on_loaded, NULL, &job, NULL));
    while (!bench.loaded)
        uv_run(&bench.loop, UV_RUN_ONCE);
    double took = hst_clock_ms_since(began);
    usleep(500000); /* a hoistd is rarely killed the moment it has loaded: all is locked by then */
    return took;
}

static double take_over(void)
{
    uint64_t began = hst_clock_ns();
    begin();
    hst_loader_inherit(bench.loader, bench.model);
    while (hst_cache_count(bench.cache) < bench.model->component_count)
        uv_run(&bench.loop, UV_RUN_ONCE);
    return hst_clock_ms_since(began);
}

/* A tier that finds a keeper, and nothing in it. */
static double begin_empty(void)
{
    begin();
    end(true);
    uint64_t began = hst_clock_ns();
    begin();
    double took = hst_clock_ms_since(began);
    end(false);
    return took;
}

static void measure(void)
{
    double empty = begin_empty();
    begin();
    double loading = load();
    end(true);
    double taking = take_over();
    end(false);
    printf("%.2f %.2f %.2f\n", loading, taking, empty);
}

int main(int argc, char **argv)
{
    char here[1024];
    if (argc != 4 || mkdtemp(bench.folder) == NULL || hst_process_program_folder(here, sizeof here, NULL) < 0) return 1;
    snprintf(bench.socket, sizeof bench.socket, "%s/keeper.sock", bench.folder);
    snprintf(bench.program, sizeof bench.program, "%s/hoist-keeper", here);
    bench.file = argv[1];
    bench.backing = argv[2];
    uv_loop_init(&bench.loop);
    must(hst_probe_file(bench.file, &bench.model, NULL));
    bench.budget_bytes = 2 * bench.model->size_bytes + (1u << 24);
    for (int i = 0; i < atoi(argv[3]); i++)
        measure();
    unlink(bench.socket);
    rmdir(bench.folder);
    return 0;
}
