#ifndef HST_SERVICE_VERBS_H
#define HST_SERVICE_VERBS_H
/** @file
 * The tables of routes, one a file. */
#include "service/service.h"

/** Models and components: what there is, scanning (verbs_catalog.c). */
extern const struct hst_route hst_verbs_catalog[];
/** What users wish for models, and models brought in ahead of time (verbs_config.c). */
extern const struct hst_route hst_verbs_config[];
/** Hashing a model now (verbs_hash.c). */
extern const struct hst_route hst_verbs_hash[];
/** How models belong together: what one needs, whether two fit (verbs_relations.c). */
extern const struct hst_route hst_verbs_relations[];
/** What is said about models (verbs_metadata.c). */
extern const struct hst_route hst_verbs_metadata[];
/** Loading, unloading, planning, jobs (verbs_load.c). */
extern const struct hst_route hst_verbs_load[];
/** The RAM tier (verbs_cache.c). */
extern const struct hst_route hst_verbs_cache[];
/** What is known of use, and memory put in order by it (verbs_patterns.c). */
extern const struct hst_route hst_verbs_patterns[];
/** Memory and devices (verbs_memory.c). */
extern const struct hst_route hst_verbs_memory[];
/** Making better use of memory in use (verbs_rearrange.c). */
extern const struct hst_route hst_verbs_rearrange[];
/** Health, metrics, the API's own description (verbs_system.c). */
extern const struct hst_route hst_verbs_system[];
/** Validation of models (verbs_validate.c). */
extern const struct hst_route hst_verbs_validate[];
/** Models written in another precision (verbs_convert.c). */
extern const struct hst_route hst_verbs_convert[];
#endif
