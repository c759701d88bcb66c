/* How long does it take to get at every tensor of a resident model? usage: attach SOCKET MODEL REPEATS
 * Prints microseconds, one line a repeat: "ATTACH ROUNDTRIP", the second being one call that does nothing. */
#include "hoist/hoist.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Open and look at every tensor. @return microseconds */
static double attach(struct hoist_client *client, const char *id)
{
    struct hoist_model *model;
    struct hoist_tensor tensor;
    size_t bytes = 0;
    double began = now_us();
    if (hoist_open(client, id, NULL, &model, NULL) < 0) exit(1);
    for (size_t i = 0; i < hoist_model_tensor_count(model); i++)
        if (hoist_model_tensor(model, i, &tensor) == 0) bytes += tensor.size_bytes + (tensor.data == NULL);
    double took = now_us() - began;
    if (bytes == 0) exit(1);
    hoist_model_unref(model);
    return took;
}

static double round_trip(struct hoist_client *client)
{
    char *json = NULL;
    double began = now_us();
    if (hoist_call(client, "GET", "/health/live", NULL, 0, &json, NULL) < 0) exit(1);
    double took = now_us() - began;
    free(json);
    return took;
}

int main(int argc, char **argv)
{
    struct hoist_client *client;
    if (argc != 4 || hoist_connect(argv[1], 0, &client, NULL) < 0) return 1;
    for (int i = 0; i < atoi(argv[3]); i++)
        printf("%.1f %.1f\n", attach(client, argv[2]), round_trip(client));
    hoist_disconnect(client);
    return 0;
}
