#ifndef HST_GPU_SERVE_H
#define HST_GPU_SERVE_H
/** @file
 * hoist-device serve: works on one card for whoever started it. Every channel has a thread; between two calls nothing is kept but the context and the lanes. */

/** Serve the socket `fd` until it is closed, or nothing was to be done for `idle_seconds`. @return what to exit with; a process that lost its card exits from within */
int hst_gpu_serve(int fd, const char *uuid, unsigned idle_seconds);
#endif
