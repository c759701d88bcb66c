#ifndef HST_OS_SEQPACKET_H
#define HST_OS_SEQPACKET_H
/** @file
 * SOCK_SEQPACKET Unix sockets, non-blocking: packets with fds. A packet arrives whole or not at all. */
#include "base/error.h"

/** Most fds that one packet may bring; of a packet with more, all are closed and HST_E_PROTOCOL is returned. */
#define HST_SEQPACKET_FDS_MAX 64u
/** Returned by send, receive and accept: nothing was done, try again when the socket is ready. */
#define HST_SEQPACKET_AGAIN 0

/** A packet to send: two parts, so that a header need not be copied to its body. */
struct hst_seqpacket_parts {
    const void *head;   /**< first bytes */
    size_t head_length; /**< of head */
    const void *body;   /**< bytes after them; may be NULL */
    size_t body_length; /**< of body */
    const int *fds;     /**< to send along; they stay open here */
    size_t fd_count;    /**< of fds, at most HST_SEQPACKET_FDS_MAX */
};

/** The fds that came with a packet: owned by the receiver. */
struct hst_seqpacket_fds {
    int fds[HST_SEQPACKET_FDS_MAX]; /**< open, CLOEXEC */
    size_t count;                   /**< of fds */
};
/** Close them all and forget them: also a cleanup function. */
void hst_seqpacket_fds_close(struct hst_seqpacket_fds *fds);

/** Copies of fds of one's own, to be sent later: owned by the caller. HST_E_IO when the process is out of fds, and then there are none. */
int hst_seqpacket_fds_copy(const int *fds, size_t count, struct hst_seqpacket_fds *ret_fds, struct hst_error *err);

/** Bind a socket file and listen. Its mode is `mode` from the first moment, and its group `group` unless that is negative.
 * A socket file that is in the way is removed: the caller holds the lock that says nobody uses it. @return fd, owned by the caller */
int hst_seqpacket_listen(const char *path, unsigned mode, int64_t group, struct hst_error *err);
/** The next connection (fd > 0), HST_SEQPACKET_AGAIN, or HST_E_IO. When the process is out of fds, *spare_fd is spent on refusing the
 * connection and taken anew, so that the backlog never stays full. */
int hst_seqpacket_accept(int listener, int *spare_fd, struct hst_error *err);
/** An fd to be spent later. @return fd, owned by the caller, or -1 */
int hst_seqpacket_spare(void);
/** Connect within `timeout_ms`. @return fd, owned by the caller; HST_E_UNREACHABLE, HST_E_PERMISSION */
int hst_seqpacket_connect(const char *path, unsigned timeout_ms, struct hst_error *err);
/** Two that are connected to each other. Owned by the caller. HST_E_IO */
int hst_seqpacket_pair(int ret_ends[2], struct hst_error *err);
/** Send a packet. @return 1 when sent, HST_SEQPACKET_AGAIN, or HST_E_UNREACHABLE when the peer is gone */
int hst_seqpacket_send(int fd, const struct hst_seqpacket_parts *parts, struct hst_error *err);
/** Receive a packet into `buffer`. @return its length, HST_SEQPACKET_AGAIN, HST_E_UNREACHABLE when the peer has closed (an empty packet is the same),
 * HST_E_PROTOCOL for a packet that is longer than `size` or brought too many fds. *ret_fds is set in every case. */
int hst_seqpacket_receive(int fd, void *buffer, size_t size, struct hst_seqpacket_fds *ret_fds, struct hst_error *err);
/** Send a packet, waiting for room at most `timeout_ms` (negative = without end). HST_E_UNREACHABLE, HST_E_CANCELLED when that was not enough */
int hst_seqpacket_send_within(int fd, const struct hst_seqpacket_parts *parts, int timeout_ms, struct hst_error *err);
/** Receive a packet, waiting for it as long. @return as hst_seqpacket_receive, but HST_E_CANCELLED when nothing came */
int hst_seqpacket_receive_within(int fd, void *buffer, size_t size, struct hst_seqpacket_fds *ret_fds, int timeout_ms, struct hst_error *err);
/** Wait until it is readable (or writable) or has failed, at most `timeout_ms` (negative = without end). @return false when the time passed */
bool hst_seqpacket_wait(int fd, bool writable, int timeout_ms);
/** Has the peer received everything that was sent? */
bool hst_seqpacket_drained(int fd);
/** How many fds this process may have open. */
uint64_t hst_seqpacket_fd_limit(void);
#endif
