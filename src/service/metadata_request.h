#ifndef HST_SERVICE_METADATA_REQUEST_H
#define HST_SERVICE_METADATA_REQUEST_H
/** @file
 * What a request wants to be said about a model, checked: PUT /api/models/{id}/metadata. */
#include "catalog/annotate.h"
#include "service/service.h"

/** Read `target`, `metadata` and fields beside it. The lists of *ret_annotation are owned by the caller. HST_E_INVALID_ARGUMENT names
 * the field that is wrong. */
int hst_metadata_request_read(const struct hst_call *call, struct hst_annotation *ret_annotation, struct hst_error *err);
#endif
