#ifndef HST_WIRE_WIRE_H
#define HST_WIRE_WIRE_H
/** @file
 * The Unix socket server: accepts SOCK_SEQPACKET peers, checks their credentials, decodes frames (proto/frame.h) and calls the
 * service. Every peer has quotas; a peer that stalls or breaks the protocol loses only its own connection. Loop thread only. */
#include "service/service.h"

/** The server. */
struct hst_wire;

/** What it needs. */
struct hst_wire_config {
    uv_loop_t *loop;             /**< the loop */
    struct hst_service *service; /**< borrowed */
    const char *path;            /**< socket path; its folder is made 0700 if missing */
    const char *allow_group;     /**< NULL, or the group that may connect too (0660) */
};
/** Listen. Takes a lock file beside the socket: HST_E_ALREADY_RUNNING when another daemon has it; a stale socket is replaced. */
int hst_wire_new(const struct hst_wire_config *config, struct hst_wire **ret_wire, struct hst_error *err);
/** Close every connection, remove the socket, free. Runs the loop until its handles are closed. NULL is fine. */
void hst_wire_free(struct hst_wire *wire);
#endif
