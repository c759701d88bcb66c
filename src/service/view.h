#ifndef HST_SERVICE_VIEW_H
#define HST_SERVICE_VIEW_H
/** @file
 * Models, components, devices and jobs as JSON objects (contract section 5.1). New references; NULL when out of memory. */
#include "catalog/validation.h"
#include "service/service.h"

/** A model as its files tell: without what is cached or loaded. */
json_t *hst_view_plain_model(const struct hst_model *model);
/** A model, and where it is. */
json_t *hst_view_model(const struct hst_service *service, const struct hst_model *model);
/** What is wrong with a file: code, text, and the byte where it is known. */
json_t *hst_view_problem(const struct hst_error *problem);
/** What a validation found: valid, checks[], files[], duration_ms, bytes_read. */
json_t *hst_view_validation(const struct hst_validation *validation);
/** What is said about a model, by question and by source. */
json_t *hst_view_metadata(const struct hst_model *model, const struct hst_metadata_list *list);
/** Put metadata{} of a model's view into it: pairs of its headers, and the answers beside them. */
void hst_view_add_metadata(json_t *view, const struct hst_model *model);
/** A component, and where it is. */
json_t *hst_view_component(const struct hst_service *service, const struct hst_component *component);
/** Who holds a component: an array. */
json_t *hst_view_holders(const struct hst_service *service, const struct hst_component *component);
/** What the loads of a model took so far: an array, a row for each device and precision. */
json_t *hst_view_loads(const struct hst_service *service, const struct hst_model *model);
/** What a load was expected to take, and took; null before that is known. */
json_t *hst_view_estimate(const struct hst_estimate *estimate);
/** A load. */
json_t *hst_view_job(const struct hst_job *job);
/** What is on a device, its memory, what the driver says, and the jobs that run for it. */
json_t *hst_view_device(const struct hst_service *service, const struct hst_device *device);
/** Memory of a device: by hoist's books, and in driver{} by the driver. */
json_t *hst_view_device_memory(const struct hst_service *service, const struct hst_device *device);
/** What the driver says of a device. @return false when nobody can say, as of host:0 */
bool hst_view_figures(const struct hst_device *device, struct hst_device_figures *ret_figures);
/** Bytes of a device in use that hoist has not reserved: other programs, and the contexts of all that compute there. */
uint64_t hst_view_others_bytes(const struct hst_device *device, const struct hst_device_figures *figures);
/** Figures of the last scan. */
json_t *hst_view_scan(const struct hst_scan_status *scan);
/** Budget and use of the RAM tier, put into `object`. */
void hst_view_cache_totals(const struct hst_service *service, json_t *object);
/** How the machine's memory stands: what is available, the reserve, how long tasks wait. */
json_t *hst_view_shortage(const struct hst_shortage *shortage);
/** A residency of RAM in words: absent caching cached. */
const char *hst_view_ram_state(const struct hst_residency *residency);
/** Details of a failed load to `device` (NULL = to RAM): when it is about memory, who fills the RAM tier and the device at this moment; else empty. */
json_t *hst_view_failure_details(const struct hst_service *service, const struct hst_device *device, const struct hst_error *error);
/** Put into `details` how a device's memory stands that had no room: by hoist's books, by the driver, what others use of it, and which processes. */
void hst_view_add_shortage_of(const struct hst_service *service, const struct hst_device *device, json_t *details);
#endif
