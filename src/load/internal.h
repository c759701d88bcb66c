#ifndef HST_LOAD_INTERNAL_H
#define HST_LOAD_INTERNAL_H
/** @file
 * The private half of loading, shared by the files of load/ alone. */
#include "base/list.h"
#include "catalog/config.h"
#include "load/allocation.h"
#include "load/load.h"

/** A component on a device, with its private half. */
struct hst_loaded_entry {
    struct hst_loaded view; /**< what the outside sees; first member */
    struct hst_allocation allocation; /**< what it has of the device; none while it is set aside */
    uint64_t keep_id;       /**< of hoist-keeper's item (loadedrecord.h); 0 = it has none */
    uint64_t number;        /**< by which leases know it: its keep_id, or another that no item has */
    bool laid_out;          /**< it holds the component's tensors: what clients are told of them */
    bool moving;            /**< it is being copied to another place on its device (rehouse.c): it stays meanwhile */
    bool lost;              /**< its device has lost it: it goes as soon as no job works on it */
    bool suspended;         /**< set aside by a load that has not ended: it is not on the device now */
};

/** Whom a plan may evict; its candidates are indices into these arrays. */
struct hst_victims {
    struct hst_residency **ram;       /**< owned */
    struct hst_loaded_entry **device; /**< owned */
};

/** A component of a job, and what the job made of it. */
struct hst_part {
    struct hst_residency *residency;  /**< RAM tier; NULL until found or reserved, and of what skips RAM */
    struct hst_recast *recast;        /**< in which types; NULL = as stored; owned */
    struct hst_claim *claim;          /**< what it would take of RAM, until it is reserved */
    struct hst_loaded_entry *present; /**< it was on the device before */
    struct hst_allocation allocation; /**< what it takes of the device, until published; none = nothing is loaded there */
    struct hst_loaded_entry *ready;   /**< its future entry, until published */
    uint64_t filled_bytes;            /**< brought into RAM so far */
    struct hst_device_progress copied; /**< from there to a device that has memory of its own */
    uint64_t copy_ns;                 /**< when that began; once it has ended, how long it took */
    bool referenced;                  /**< the job keeps the residency from being evicted */
    bool skips_ram;                   /**< RAM has no part in it: it is on the device already, or is copied there from its files */
    bool converts_there;              /**< RAM, or the file, has it as stored, and the device makes of it what is wanted */
    bool laid_out;                    /**< the job holds the component's tensors */
    bool reserved;                    /**< the job brings it into RAM */
};

/** What a journal entry undoes. */
enum hst_undo {
    HST_UNDO_DEVICE_SUSPEND, /**< put a victim back on the device */
    HST_UNDO_RAM_SUSPEND,    /**< bring a victim back into RAM */
    HST_UNDO_RAM_RESERVE,    /**< give a part's RAM back */
    HST_UNDO_DEVICE_RESERVE, /**< give back what a part has of the device */
};

/** One change that was made. */
struct hst_journal_entry {
    enum hst_undo kind;               /**< which */
    size_t part;                      /**< of the job; reserves and memory */
    struct hst_loaded_entry *loaded;  /**< device victim */
    struct hst_residency *residency;  /**< RAM victim */
    struct hst_decision *decision;    /**< why it is one; owned; NULL without memory */
};

/** A job with its private half. */
struct hst_job_entry {
    struct hst_job view;           /**< what the outside sees; first member */
    struct hst_loader *loader;     /**< its engine */
    struct hst_list node;          /**< in loader->jobs */
    struct hst_part *parts;        /**< one a component; owned */
    bool pin;                      /**< as asked, or wished for the model */
    bool patient;               /**< as asked */
    bool alone;                 /**< as asked */
    bool device_is_full;        /**< it said so when it was to allocate */
    uint64_t device_free;       /**< ... and that so many bytes were free */
    uint64_t device_limit;      /**< bytes of the device that can be in use, as the driver said when it had no more; 0 = it has not said so */
    int64_t ttl_seconds;           /**< as asked; -1 = nothing said */
    bool named;                    /**< its components were asked for by name */
    char precision[16];            /**< as asked; "" = as stored */
    bool cast;                     /**< it is known which precision each component will have: before that it may turn out to want any */
    struct hst_plan plan;          /**< made by estimate */
    struct hst_victims victims;    /**< what the plan's evictions are indices of */
    struct hst_journal_entry *journal; /**< owned */
    size_t journal_count;          /**< of journal */
    size_t journal_room;           /**< of journal */
    size_t pending;                /**< operations that have not come back */
    bool apart;                    /**< what the plan needs is set apart */
    double warm_share;             /**< of the model's files, what was in the page cache when the job looked; 0 = it has not */
    size_t batch;                  /**< the one being loaded */
    uint64_t step_ns;              /**< when the running step began */
    struct hst_error failure;      /**< the first one of the running step */
    _Atomic(bool) cancel;          /**< stop soon */
    size_t copies;                 /**< to devices, that run */
    bool host_converts;            /**< the device could not */
    bool waits;                    /**< in estimate, for equal tensors that another job brings in */
    bool unwanted;                 /**< somebody cancelled it */
    hst_job_fn ended;              /**< told at the end; may be NULL */
    void *context;                 /**< for ended */
};

/** The engine. */
struct hst_loader {
    struct hst_loader_config config; /**< as given */
    struct hst_exec *exec;           /**< threads for files and devices */
    struct hst_list inheriting;      /**< residencies of the hoistd before on their way back (inherit.c) */
    struct hst_list jobs;            /**< oldest first */
    size_t job_count;                /**< of jobs */
    size_t active;                   /**< queued or running */
    uint64_t next_job;               /**< 1, 2, ... */
    uint64_t next_seq;               /**< order of use */
    struct hst_loaded_entry **loaded; /**< owned array */
    size_t loaded_count;             /**< of loaded */
    size_t loaded_room;              /**< of loaded */
    size_t dry_runs;                 /**< of jobs, those that only say what they would do */
    struct hst_decisions decisions;  /**< why what was evicted was evicted */
    struct hst_estimates estimates;  /**< learnt from loads so far */
    int inject[HST_STEP_COUNT];      /**< status to fail with, once */
    bool draining;                   /**< being freed */
    struct hst_rearranging *rearranging; /**< a run under way (rearrange.c), or NULL */
    uv_timer_t rearrange_timer;      /**< looks whether one is due */
    bool share_due;                  /**< something is known to lie in memory twice, and was not shared yet */
    bool watching;                   /**< while freeing: the timer is not closed yet */
    uv_timer_t ttl_timer;            /**< looks whose time is over (giveback.c) */
    bool counting;                   /**< while freeing: that timer is not closed yet */
    uint64_t expired_bytes;          /**< given back by it */
    uv_timer_t copy_timer;           /**< looks how far copies to devices are (transfer.c) */
    size_t copies;                   /**< that run */
    bool looking;                    /**< that timer is not closed yet */
    struct hst_lookout *lookouts;    /**< one a device (lost.c); owned */
    struct hst_list lost;            /**< what devices have lost, until it is loaded again */
    uv_timer_t lost_timer;           /**< when that is tried */
    uint64_t lost_ms;                /**< after so long the next time */
    bool watching_lost;              /**< that timer is not closed yet */
    struct hst_list readopting;      /**< what is on devices from the hoistd before, on its way back (readopt.c) */
    bool asking;                     /**< devices are asked whether they still have it */
    bool refusing;                   /**< all models are known: what has none goes */
    uint64_t next_block;             /**< 1, 2, ...: numbers of blocks that are kept */
    uint64_t next_number;            /**< 1, 2, ...: of entries that are not kept */
    struct hst_list tenancies;       /**< leases of what is on devices with memory of their own (tenancy.c) */
    struct hst_pressure_watch *pressure; /**< looks at the machine's memory (pressure.c); NULL = nobody does */
};

/** Not an error: the step goes on and hst_step_settle will be called. */
#define HST_STEP_PENDING 1

/* job.c */
/** Make a job of a request; what is wrong with the request is an error. *ret_job is owned by the loader's list. */
int hst_job_new(struct hst_loader *loader, const struct hst_load_request *request, struct hst_job_entry **ret_job, struct hst_error *err);
/** Free one that has ended. */
void hst_job_free(struct hst_job_entry *job);
/** Is it queued, running or rolling back? */
bool hst_job_active(const struct hst_job_entry *job);
/** Does a job that has begun and not ended work on this component, or has it set it aside? */
bool hst_job_touches(const struct hst_loader *loader, const struct hst_component *component);
/** Is the component, in whatever generation, one of the job's? */
bool hst_job_brings(const struct hst_job_entry *job, const struct hst_component *component);
/** Does such a job have, bring in or have set aside this generation of the component in this precision (NULL or "" = as stored)? */
bool hst_job_has(const struct hst_loader *loader, const struct hst_component *component, const char *precision);
/** Is a device going to make other types of what RAM has of it as stored? */
bool hst_job_copies(const struct hst_loader *loader, const struct hst_residency *residency);
/** Keep the residency of a part from being evicted until the job ends. */
void hst_job_hold(struct hst_job_entry *job, struct hst_part *part);
/** Undo hst_job_hold. A residency whose file was changed meanwhile goes with it. @return is it still there? */
bool hst_job_release(struct hst_job_entry *job, struct hst_part *part);
/** Is it its turn: does no job that has begun work on its components, and, of one that is patient, does no other load wait or run? */
bool hst_job_may_start(const struct hst_job_entry *job);
/** Tell the listener how it stands. */
void hst_job_tell(const struct hst_job_entry *job);
/** Tell the listener about a component on the job's device. */
void hst_job_tell_device(const struct hst_job_entry *job, const struct hst_component *component, const char *state);
/** It is over: record, tell, and start what waited. */
void hst_job_end(struct hst_job_entry *job);
/** Start what waited for something that is over; what a device lost meanwhile goes. */
void hst_job_wake(struct hst_loader *loader);

/* inherit.c */
/** Is this component, in whatever precision, on its way back from the hoistd before? */
bool hst_inherit_touches(const struct hst_loader *loader, const struct hst_component *component);
/** Run the loop until nothing is on its way. */
void hst_inherit_drain(struct hst_loader *loader);

/* background.c */
/** A job begins: those in the background that bring in nothing it wants are cancelled. */
void hst_background_give_way(struct hst_loader *loader, const struct hst_job_entry *job);
/** Is one of them being cancelled, and does the job need what it has reserved? That comes back soon; until then the job does not begin. */
bool hst_background_is_in_the_way(const struct hst_loader *loader, const struct hst_job_entry *job);
/** May one for the background begin now? */
int hst_background_check(const struct hst_loader *loader, const struct hst_load_request *request, struct hst_error *err);

/* loader.c */
/** Keep the record of an eviction, and tell the listener. */
void hst_decision_note(struct hst_loader *loader, const struct hst_decision *decision);

/* cast.c */
/** Can what is stored become the precision that is asked for? */
int hst_cast_check(const struct hst_job_entry *job, struct hst_error *err);
/** Decide for each part whether, and how. Its tensors are held. */
int hst_cast_all(struct hst_job_entry *job, struct hst_error *err);

/* facts.c */
/** Gather the facts for a job and plan it; *ret_victims belongs to the plan. */
int hst_facts_plan(struct hst_job_entry *job, struct hst_plan *ret_plan, struct hst_victims *ret_victims, struct hst_error *err);
/** What policies look at of what is in RAM: what it would free, what it costs to bring back, how it is used, and whether it goes before all others,
 * because its time is over or it was brought in ahead of a use that has not come. */
struct hst_plan_candidate hst_facts_candidate(const struct hst_loader *loader, struct hst_residency *residency);
/** Would RAM be free of it once the devices that reference it let go, and would they? */
bool hst_facts_evictable(const struct hst_loader *loader, const struct hst_residency *residency);
/** Free the arrays. */
void hst_facts_victims_fini(struct hst_victims *victims);

/* outlook.c */
/** What the job is going to do about each of its components, whose claims are drafted. */
int hst_outlook_all(struct hst_job_entry *job, struct hst_error *err);
/** Free what the outlooks hold. */
void hst_outlook_fini(struct hst_job_entry *job);

/* consequences.c */
/** Complete the evictions of a plan: what goes from devices with its RAM, and the bytes that each really frees when it goes in this order. */
int hst_consequences_add(const struct hst_job_entry *job, struct hst_victims *victims, struct hst_plan *plan, struct hst_error *err);
/** The record of an eviction by a job, owned by the caller; NULL without memory. */
struct hst_decision *hst_consequences_record(const struct hst_job_entry *job, const struct hst_plan_eviction *eviction, const struct hst_plan_rivals *rivals);

/* dryrun.c */
/** In the place of a step that would change something: look what of the job's bytes is in the page cache. */
int hst_dryrun_look(struct hst_job_entry *job, struct hst_error *err);
/* forecast.c */
/** How much of a model's files is in the page cache, 0 to 1. [worker] */
double hst_forecast_look(const struct hst_model *model);
/** Estimate what was planned. */
void hst_forecast_make(struct hst_job_entry *job);
/** The bytes are there: measure, and learn. */
void hst_forecast_settle(struct hst_job_entry *job);

/* journal.c */
/** Undo the last entries, as far as that is done at once: what was reserved. Victims stay set aside. */
void hst_journal_retract(struct hst_job_entry *job);
/** Make sure that `count` more entries fit, so that writing them cannot fail. */
int hst_journal_reserve(struct hst_job_entry *job, size_t count, struct hst_error *err);
/** Write an entry. */
void hst_journal_add(struct hst_job_entry *job, struct hst_journal_entry entry);
/** Undo everything from the end, then end the job. */
void hst_journal_rollback(struct hst_job_entry *job);

/* loaded.c */
/** The entry of a component on a device, in a precision (NULL = as stored), suspended ones included, or NULL. */
struct hst_loaded_entry *hst_loaded_find(const struct hst_loader *loader, const struct hst_component *component, const struct hst_device *device,
                                         const char *precision);
/** Make one that is not in the table yet. */
struct hst_loaded_entry *hst_loaded_new(struct hst_loader *loader, struct hst_component *component, struct hst_error *err);
/** Make sure that `count` more fit into the table. */
int hst_loaded_reserve(struct hst_loader *loader, size_t count, struct hst_error *err);
/** Describe for clients what an allocation whose memory is there has; nothing on a device that references RAM. */
int hst_loaded_show(struct hst_loaded *view, const struct hst_allocation *allocation, struct hst_error *err);
/** What RAM has of it, to the bit: by the same name there may be other types since, if it was wished for otherwise. NULL when it has not, or may not have for long. */
struct hst_residency *hst_loaded_source(const struct hst_loader *loader, const struct hst_loaded *loaded);
/** One that was set aside is there again: its allocation is filled. */
int hst_loaded_resume(struct hst_loader *loader, struct hst_loaded_entry *entry, struct hst_error *err);
/** Undo hst_loaded_show. */
void hst_loaded_hide(struct hst_loaded *view);
/** The allocation is the entry's from now on. */
void hst_loaded_take(struct hst_loaded_entry *entry, struct hst_allocation *allocation);
/** Somebody loaded it, who wishes that it may go after so long without use (-1 = wishes nothing, and then an earlier wish stays). */
void hst_loaded_keep_for(struct hst_loader *loader, struct hst_loaded_entry *entry, int64_t ttl_seconds);
/** Put it into the table and count its references. */
void hst_loaded_publish(struct hst_loader *loader, struct hst_loaded_entry *entry);
/** Set it aside: its memory and budget are given back, its place is kept. */
void hst_loaded_suspend(struct hst_loader *loader, struct hst_loaded_entry *entry);
/** Take it out of the table, release what it holds and free it. @return bytes of the device's budget that came back */
uint64_t hst_loaded_remove(struct hst_loader *loader, struct hst_loaded_entry *entry);
/** The same, and tell that it is absent. */
uint64_t hst_loaded_drop(struct hst_loader *loader, struct hst_loaded_entry *entry);
/** Tell the listener how it stands on its device. */
void hst_loaded_tell(const struct hst_loader *loader, const struct hst_loaded *loaded, const char *state);
/** Free one that was never published. NULL is fine. */
void hst_loaded_free(struct hst_loaded_entry *entry);
/** What is on a device, or of that what nobody would miss. Owned by the caller (free); NULL, and *ret_count 0, without memory. */
const struct hst_allocation **hst_loaded_allocations(const struct hst_loader *loader, const struct hst_device *device, bool evictable, size_t *ret_count);
/** Would nobody miss it: not pinned, not leased, not in use by a running job? */
bool hst_loaded_evictable(const struct hst_loader *loader, const struct hst_loaded_entry *entry);

/* device_ops.c */
/** Called on the loop thread when a device operation ended. */
typedef void (*hst_device_done_fn)(void *context, int status, const struct hst_error *err);
/** What to do on a thread of the loader. */
struct hst_device_task {
    struct hst_loader *loader;             /**< whose threads */
    struct hst_allocation *allocation;     /**< whose own block; it stays where it is until that is done */
    const struct hst_residency *fill;      /**< to fill it from RAM. What has no memory yet is allocated first */
    const struct hst_component *component; /**< without `fill`: to fill it from its files. Held meanwhile, and its model referenced; NULL without `fill`: do not fill */
    const struct hst_recast *recast;       /**< the source has its tensors as stored, and the device makes them these; with `component`. NULL = they are what they are */
    struct hst_device_progress *progress;  /**< looked at, and written */
    hst_device_done_fn done;               /**< told once; on failure what was allocated is gone */
    void *context;                         /**< for done */
};
/** Allocate and / or fill. On failure at once, done is not called. */
int hst_device_task_start(const struct hst_device_task *task, struct hst_error *err);

/* giveback.c */
/** Look now and then whose time to live is over, and give it back. */
void hst_giveback_watch(struct hst_loader *loader);
/** Stop looking. */
void hst_giveback_stop(struct hst_loader *loader);
/** Give back what nobody holds and nobody would miss, in the policy's order, until so many bytes are free, but not more than `most` components. */
struct hst_given_back hst_giveback_run(struct hst_loader *loader, uint64_t wanted_bytes, size_t most);
/** Was it not used for as long as somebody wished that it stays? */
bool hst_giveback_is_due(const struct hst_loader *loader, const struct hst_residency *residency);
/** The same of what is on a device. */
bool hst_giveback_loaded_is_due(const struct hst_loader *loader, const struct hst_loaded *loaded);

/* rearrange.c */
/** Look now and then, when nothing is loaded, whether memory is worth being made whole. */
void hst_rearrange_watch(struct hst_loader *loader);
/** Something lies in memory twice: share it soon, when nothing is loaded. */
void hst_rearrange_share_soon(struct hst_loader *loader);
/** Stop looking, and wait for a run under way. */
void hst_rearrange_stop(struct hst_loader *loader);

/* readopt.c */
/** Keep it, as it is now. */
void hst_loaded_keep(struct hst_loader *loader, struct hst_loaded_entry *entry);
/** Let go of what is kept of it, at once: its memory is free when all others have let go. */
void hst_loaded_forget(struct hst_loader *loader, struct hst_loaded_entry *entry);
/** Take over what the hoistd before had on devices. */
void hst_readopt_begin(struct hst_loader *loader);
/** The catalog knows this model now. */
void hst_readopt_model(struct hst_loader *loader, struct hst_model *model);
/** It knows all of them. */
void hst_readopt_end(struct hst_loader *loader);
/** A device has lost what was on it: what was on its way back to it is not coming. */
void hst_readopt_lost(struct hst_loader *loader, const struct hst_device *device);
/** A lease has ended: what was only there for it goes. */
void hst_readopt_settle(struct hst_loader *loader);
/** Is this component, in whatever precision, on its way back to a device? */
bool hst_readopt_touches(const struct hst_loader *loader, const struct hst_component *component);
/** Wait for what runs, and forget the rest (while freeing). */
void hst_readopt_drain(struct hst_loader *loader);

/* lost.c */
/** Hear when a device loses what is on it. */
void hst_lost_watch(struct hst_loader *loader);
/** Undo that; no job runs. */
void hst_lost_unwatch(struct hst_loader *loader);
/** What was lost while a job worked on it goes. */
void hst_lost_sweep(struct hst_loader *loader);

/* tenancy.c */
/** Has the lease something of this number (hst_loaded_entry)? */
bool hst_tenancy_has(const struct hst_holder *holder, uint64_t number);
/** It is gone, though it is leased. */
void hst_tenancy_forget(struct hst_loader *loader, const struct hst_loaded *loaded);
/** It is there again: leases of before that have it count. */
void hst_tenancy_restore(struct hst_loader *loader, struct hst_loaded *loaded, uint64_t number);
/** What was made for one lease, and has none, goes. */
void hst_tenancy_drop_unleased(struct hst_loader *loader);
/** Forget all leases (while freeing). */
void hst_tenancy_fini(struct hst_loader *loader);

/* rehouse.c */
/** Copy it to where it takes less of its device, if nobody has it and that is worth it. @return has it begun? Then `done` is told once, perhaps before this returns. */
bool hst_rehouse(struct hst_loader *loader, struct hst_loaded_entry *entry, hst_rearranged_fn done, void *context);

/* steps.c */
/** Start the job, or leave it queued while another job works on one of its components. */
void hst_step_start(struct hst_job_entry *job);
/** Something came in or was given up: jobs that wait for equal tensors look again. */
void hst_step_wake(struct hst_loader *loader);
/** An operation of the running step came back. */
void hst_step_settle(struct hst_job_entry *job, int status, const struct hst_error *err);
/** Keep the first failure of the step and stop the rest of it. */
void hst_step_fail(struct hst_job_entry *job, int status, const struct hst_error *err);
/** May the model be loaded as wished: is it usable, and of the precision asked for? */
int hst_step_check(const struct hst_job_entry *job, struct hst_error *err);

/* transfer.c */
/** Bring in the parts of the job's present batch. @return HST_STEP_PENDING, or HST_OK when there was nothing to do */
int hst_transfer_batch(struct hst_job_entry *job, struct hst_error *err);
/** Stop the fills that the job waits for; they end soon after. */
void hst_transfer_stop(struct hst_job_entry *job);
/** Be ready to look how far copies to devices are. */
void hst_transfer_watch(struct hst_loader *loader);
/** Undo that; none runs. */
void hst_transfer_unwatch(struct hst_loader *loader);
#endif
