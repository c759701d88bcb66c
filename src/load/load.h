#ifndef HST_LOAD_LOAD_H
#define HST_LOAD_LOAD_H
/** @file
 * Loading in five steps, and what is loaded where.
 *
 *   queued -> validate -> estimate -> allocate -> load -> status -> done
 *                 \           \           \         \        \
 *                  '-----------'-----------'---------'--------'--> rolling_back -> failed | cancelled
 *
 * Every change a step makes is written to the job's journal before it is made; a rollback undoes the journal from its end, so
 * that bytes, refcounts and states are exactly those before the job. A component that another job is already bringing in is
 * waited for, not loaded twice (single flight). Loop thread only. */
#include "cache/rearrange.h"
#include "catalog/catalog.h"
#include "device/device.h"
#include "device/layout.h"
#include "load/decisions.h"
#include "load/estimates.h"

/** The engine: jobs, and the table of what is on which device. */
struct hst_loader;

/** The five steps, in order. */
enum hst_step {
    HST_STEP_VALIDATE, /**< the model is loadable, its files are those parsed, precision and device exist */
    HST_STEP_ESTIMATE, /**< plan: bytes, evictions, batches */
    HST_STEP_ALLOCATE, /**< set victims aside, charge RAM, reserve and allocate on the device */
    HST_STEP_LOAD,     /**< bring bytes in, batch after batch, components of a batch in parallel */
    HST_STEP_STATUS,   /**< publish, evict the victims for good, tell listeners */
    HST_STEP_COUNT,    /**< number of steps */
};

/** State of a job. */
enum hst_job_state {
    HST_JOB_QUEUED,       /**< not begun */
    HST_JOB_RUNNING,      /**< in a step */
    HST_JOB_ROLLING_BACK, /**< undoing */
    HST_JOB_DONE,         /**< succeeded */
    HST_JOB_FAILED,       /**< failed and undone; see error */
    HST_JOB_CANCELLED,    /**< cancelled and undone */
};

/** One step's record. */
struct hst_step_record {
    const char *state;  /**< pending running done failed skipped */
    double ms;          /**< time it took, so far or in all */
    char detail[160];   /**< sentence for people */
};

/** A component of a job or on a device. */
struct hst_loaded {
    struct hst_component *component; /**< its model is referenced */
    struct hst_residency *residency; /**< RAM tier; NULL on devices that do not reference RAM */
    struct hst_recast *recast;       /**< its tensors in other types; owned by the loader; NULL = as stored */
    char precision[16];              /**< "" = as stored */
    struct hst_device *device;       /**< where */
    uint64_t device_bytes;           /**< reserved on the device for it */
    uint64_t shared_bytes;           /**< of tensors for which nothing was reserved: equal ones of others were there */
    struct hst_device_segment *segments; /**< what clients map; NULL where a device references RAM; owned by the loader */
    size_t segment_count;            /**< of segments */
    struct hst_device_spot *spots;   /**< where in them each tensor is; owned by the loader */
    uint64_t copy_ns;                /**< how long it took to copy it from RAM; 0 = nothing was copied */
    uint64_t fill_ns;                /**< how long it had taken to bring it into RAM */
    bool alone;                      /**< it is for one lease, which may write to it, and goes with it */
    unsigned leases;                 /**< that have it, on a device with memory of its own */
    uint64_t idle_since_ns;          /**< when it was last used, or given back by the last who leased it (hst_clock_ns) */
    int64_t ttl_seconds;             /**< it may go when it was idle for so long; -1 = nothing said by who loaded it */
    int64_t since_wall_ns;           /**< when */
    uint64_t last_used_seq;          /**< order of use */
    bool pinned;                     /**< not evicted to make room */
};

/** What a job is going to do about a component. */
struct hst_outlook {
    bool held;             /**< in RAM already, or on its way there by another load: nothing is read */
    bool arriving;         /**< the latter */
    bool loaded;           /**< on the device already */
    bool skips_ram;        /**< RAM has no part in it: it is on the device, or copied there from its files */
    bool converts;         /**< into another precision on its way */
    uint64_t ram_bytes;    /**< to be charged for it */
    uint64_t device_bytes; /**< to be reserved for it */
    uint64_t device_shared_bytes; /**< of its tensors, on the device already: equal ones of others */
    uint64_t read_bytes;   /**< to be read from its files */
    uint64_t warm_bytes;   /**< of these, in the page cache; a dry run looks, a load does not */
    uint64_t shared_bytes; /**< of its memory, there already: equal tensors of others */
    char **sharers;        /**< component ids of some of those; owned; a dry run looks, a load does not */
    size_t sharer_count;   /**< of sharers */
};

/** What a job is asked to do. Borrowed during the call. */
struct hst_load_request {
    struct hst_model *model;         /**< which model */
    const char *const *roles;        /**< which components; NULL = all */
    size_t role_count;               /**< of roles */
    struct hst_component *const *also; /**< components of other models that a dry run counts in; a load takes none */
    size_t also_count;               /**< of also */
    struct hst_device *device;       /**< where; NULL = RAM tier only */
    const char *precision;           /**< NULL = as stored */
    const char *optimization_level;  /**< speed balanced memory; NULL = balanced */
    bool pin;                        /**< pin what is loaded */
    bool alone;                      /**< for one lease, which may write to it: on a device with memory of its own, never shared */
    bool as_stored;                  /**< whatever precision is wished for the model (catalog/config.h), unless `precision` says one */
    bool keep;                       /**< is ttl_seconds said? */
    uint32_t ttl_seconds;            /**< what is loaded may go when it was not used for so long */
    bool patient;                    /**< it begins when no other load waits or runs */
    bool ahead;                      /**< nobody waits for it: into free memory only, given up when a load that somebody waits for begins, and no use */
};

/** Bytes by the way they come into RAM. */
struct hst_amount {
    uint64_t cold_bytes;      /**< read from disk */
    uint64_t warm_bytes;      /**< in the page cache already */
    uint64_t converted_bytes; /**< read from either, and turned into another type */
};

/** Bytes of all kinds. */
uint64_t hst_amount_total(const struct hst_amount *amount);

/** A job. Fields are read-only outside load/. Finished jobs are kept (limits.h says how many). */
struct hst_job {
    char id[24];                     /**< "job-1" ... */
    struct hst_model *model;         /**< referenced */
    struct hst_device *device;       /**< or NULL */
    enum hst_job_state state;        /**< see above */
    enum hst_step step;              /**< the one running or where it ended */
    struct hst_step_record steps[HST_STEP_COUNT]; /**< records */
    struct hst_component **components; /**< what it loads; owned array */
    size_t component_count;          /**< of components */
    uint64_t *device_bytes;          /**< per component */
    uint64_t *sizes;                 /**< per component: bytes of its tensors, in the types it has then */
    const char **precisions;         /**< per component: in which it is, NULL = as stored */
    bool *shared;                    /**< per component: it was there already, or came in by another job */
    struct hst_loaded **loaded;      /**< per component: on the device; set by the step status, and valid while the job's end is told */
    bool dry;                        /**< it only says what it would do */
    struct hst_outlook *outlooks;    /**< per component: what is planned; owned array; from the end of estimate on */
    const struct hst_plan *plan;     /**< what is planned; from the end of estimate on */
    struct hst_amount read;     /**< what was read; of a dry run: what would be */
    unsigned replans;                /**< how often there was less room than planned with, and it planned again */
    uint64_t total_bytes;            /**< to bring into RAM, and from there to a device that has memory of its own */
    uint64_t done_bytes;             /**< brought in so far */
    uint64_t started_wall_ns;        /**< when queued */
    struct hst_estimate estimate;    /**< made by the step estimate; measured once the step load is done */
    double loading_ms;               /**< total time once finished */
    const char *optimization_applied; /**< level in force */
    const char *precision;           /**< asked for; "" = as stored */
    bool ahead;                      /**< as in the request */
    double overtaken_ms;             /**< of one ahead: after so long somebody asked for the same, and it went on; 0 = nobody did */
    struct hst_error error;          /**< status 0 unless failed or cancelled */
};

/** How the machine's memory stands. */
struct hst_shortage {
    bool is_short;             /**< less is available than is wanted: what nobody holds is being given back */
    bool is_known;             /**< does the kernel say how long tasks wait for memory? */
    bool is_pressed;           /**< they wait for long: twice the reserve is wanted */
    bool is_told;              /**< the kernel tells when they do; else one looks once a second */
    double some_avg10;         /**< percent of the last ten seconds that some task waited */
    double full_avg10;         /**< that all did */
    uint64_t available_bytes;  /**< to the machine and our cgroup */
    uint64_t reserve_bytes;    /**< that is to stay available */
    uint64_t given_back_bytes; /**< since the start, for want of memory */
};
/** What was given back. */
struct hst_given_back {
    size_t components; /**< how many */
    uint64_t bytes;    /**< of them */
};

/** News on the loop thread; slots may be NULL. */
struct hst_loader_listener {
    void (*progress)(void *context, const struct hst_job *job); /**< step or bytes moved on, and at the end */
    void (*device_state)(void *context, const struct hst_component *component, const struct hst_device *device, const char *state); /**< loading loaded unloading absent failed */
    void (*decided)(void *context, const struct hst_decision *decision); /**< an eviction was recorded, or (reloaded_wall_ns) turns out to be thrash */
    void (*pressure)(void *context, const struct hst_shortage *shortage, const struct hst_given_back *gone); /**< memory became short, is enough again, or something was given back */
    void *context; /**< for all */
};

/** What the loader needs; all borrowed, must outlive it. */
struct hst_loader_config {
    uv_loop_t *loop;           /**< the loop */
    struct hst_cache *cache;   /**< RAM tier */
    const struct hst_catalog *catalog; /**< knows the hashes of tensors; NULL = nobody does */
    struct hst_device *const *devices; /**< devices */
    size_t device_count;       /**< of devices */
    const struct hst_plan_policy *policy; /**< who makes room; NULL = cost */
    struct hst_loader_listener listener;  /**< news */
    uint64_t reserve_bytes;    /**< of the machine, that are to stay available; 0 = do not look */
};

/** Called once on the loop thread when a job has ended (done, failed, cancelled). */
typedef void (*hst_job_fn)(void *context, const struct hst_job *job);

/** Make the engine. *ret_loader owned by the caller. */
int hst_loader_new(const struct hst_loader_config *config, struct hst_loader **ret_loader, struct hst_error *err);
/** Cancel and undo what runs, unload everything, free. NULL is fine. Runs the loop until that is done. */
void hst_loader_free(struct hst_loader *loader);
/** Queue a job; HST_E_BUSY when it is one ahead while others wait or run. *ret_job is borrowed and valid until it is forgotten. `ended` may run before this returns. */
int hst_loader_start(struct hst_loader *loader, const struct hst_load_request *request, hst_job_fn ended, void *context,
                     struct hst_job **ret_job, struct hst_error *err);
/** Go the way of a load up to where it would change anything: files are looked at, tensors compared with what is in memory, and all is planned by the
 * code that plans the load. `ended` is told once, perhaps before this returns; the job is gone afterwards. It waits for no other job. */
int hst_loader_dry_run(struct hst_loader *loader, const struct hst_load_request *request, hst_job_fn ended, void *context, struct hst_error *err);
/** The same at once, from what is in memory alone: twins, and what conversions save, are not known, so it is no less than a load takes.
 * *ret_plan owned by the caller (hst_plan_fini). */
int hst_loader_plan(struct hst_loader *loader, const struct hst_load_request *request, struct hst_plan *ret_plan, struct hst_error *err);
/** Evict from RAM what no load has chosen, and record it: the cause, the reason, and what is known of the policy are the record's already, and its bytes
 * are filled in. Fails as hst_cache_evict, and then nothing is recorded. */
int hst_loader_evict(struct hst_loader *loader, struct hst_residency *residency, struct hst_decision *record, struct hst_error *err);
/** Why what was evicted was evicted. */
const struct hst_decisions *hst_loader_decisions(const struct hst_loader *loader);
/** Could this request be met, as far as model and precision go? */
int hst_loader_check(struct hst_loader *loader, const struct hst_load_request *request, struct hst_error *err);
/** Ask a job to stop and undo; ended jobs: HST_E_BUSY. */
int hst_loader_cancel(struct hst_loader *loader, struct hst_job *job, struct hst_error *err);
/** The job of this id, or NULL. */
struct hst_job *hst_loader_job(const struct hst_loader *loader, const char *id);
/** Jobs, oldest first: start with *cursor = 0; NULL at the end. */
struct hst_job *hst_loader_next_job(const struct hst_loader *loader, size_t *cursor);
/** What is on devices: start with *cursor = 0; NULL at the end. */
struct hst_loaded *hst_loader_next_loaded(const struct hst_loader *loader, size_t *cursor);
/** The component on the device, as stored, or NULL. */
struct hst_loaded *hst_loader_find(const struct hst_loader *loader, const struct hst_component *component, const struct hst_device *device);
/** The same in a precision; NULL = as stored. */
struct hst_loaded *hst_loader_find_as(const struct hst_loader *loader, const struct hst_component *component, const struct hst_device *device,
                                      const char *precision);
/** Bytes on the device that nobody would miss. */
uint64_t hst_loader_evictable_bytes(const struct hst_loader *loader, const struct hst_device *device);
/** Lease what is on a device with memory of its own to a process. *ret_pipe_fd is the end that travels to it (owned by the caller): when the last copy of it is
 * closed, in any process, the lease ends. */
int hst_loader_lease(struct hst_loader *loader, struct hst_loaded *const *loaded, size_t count, const struct hst_holder *holder, uint64_t *ret_lease_id, int *ret_pipe_fd,
                     struct hst_error *err);
/** The tier says that a lease has ended: what it had of devices is given back. */
void hst_loader_lease_ended(struct hst_loader *loader, uint64_t lease_id);
/** What a lease has on a device: start with *cursor = 0; NULL at the end, and of leases of RAM. */
const struct hst_loaded *hst_loader_next_leased(const struct hst_loader *loader, uint64_t lease_id, size_t *cursor);
/** It was just used: it is the last to be evicted. */
void hst_loader_touch(struct hst_loader *loader, struct hst_loaded *loaded);
/** Leases that keep it on the device. */
unsigned hst_loaded_leases(const struct hst_loaded *loaded);
/** Take a component off a device; HST_E_BUSY while it is leased there. *ret_freed_bytes = bytes of the device's budget that came back: less when others share them. */
int hst_loader_unload(struct hst_loader *loader, struct hst_loaded *loaded, uint64_t *ret_freed_bytes, struct hst_error *err);
/** Pin it on its device, or unpin it. */
void hst_loader_pin(struct hst_loader *loader, struct hst_loaded *loaded, bool pinned);
/** A wish for a model has changed (catalog/config.h): what is in RAM or on devices of it is pinned, or not any more. */
void hst_loader_pin_model(struct hst_loader *loader, const struct hst_model *model, bool pinned);
/** Bytes of RAM that are pinned, or will be once all is in RAM that users wish to be pinned; of `model` (may be NULL) all of it counts. */
uint64_t hst_loader_pinned_bytes(const struct hst_loader *loader, const struct hst_model *model);
/** Make better use of RAM: share the equal tensors of all that is there, as far as they are hashed, and close holes. `done` (NULL = nobody) is told
 * once, perhaps before this returns. HST_E_BUSY while such a run is under way. */
int hst_loader_rearrange(struct hst_loader *loader, hst_rearranged_fn done, void *context, struct hst_error *err);
/** The same for a device with memory of its own alone: what nobody leases and would take less of it by now is copied to another place there. */
int hst_loader_rearrange_device(struct hst_loader *loader, const struct hst_device *device, hst_rearranged_fn done, void *context, struct hst_error *err);
/** How memory of such a device lies: region_bytes are those that are reserved, live_bytes those of tensors, each once; regions are blocks. */
struct hst_fragmentation hst_loader_fragmentation(const struct hst_loader *loader, const struct hst_device *device);
/** The tensors of this model are hashed now: share those that are in RAM twice. */
void hst_loader_share(struct hst_loader *loader, const struct hst_model *model);
/** The catalog knows this model now: what the hoistd before had of it in RAM becomes residencies again, soon; loads of it wait so long. */
void hst_loader_inherit(struct hst_loader *loader, struct hst_model *model);
/** The catalog knows all models: what the hoistd before had of others is let go. */
void hst_loader_inherit_end(struct hst_loader *loader);
/** How the machine's memory stands; all zero when nobody looks. */
struct hst_shortage hst_loader_shortage(const struct hst_loader *loader);
/** Bytes that were given back because their time to live was over. */
uint64_t hst_loader_expired_bytes(const struct hst_loader *loader);
/** What is known of how long loads take. */
const struct hst_estimates *hst_loader_estimates(const struct hst_loader *loader);
/** Jobs that wait or run. */
size_t hst_loader_active(const struct hst_loader *loader);
/** Does a job work on this component, or has it set it aside? Then it is not to be evicted from outside. */
bool hst_loader_busy(const struct hst_loader *loader, const struct hst_component *component);
/** Fail the next run of a step with this error (fault injection by tests and by HOIST_FAULT; see docs). */
void hst_loader_inject(struct hst_loader *loader, enum hst_step step, int status);
/** Name of a step: validate estimate allocate load status. */
const char *hst_step_name(enum hst_step step);
/** Name of a job state. */
const char *hst_job_state_name(enum hst_job_state state);
#endif
