/* hoist-device: the only process that loads NVIDIA's driver. `hoist-device list` says which cards there are; `hoist-device serve UUID SECONDS` works on one of them
 * for hoistd, which starts it (link.h) and speaks to it through fd 3. A person has a use for the first alone. */
#include "gpu/list.h"
#include "gpu/serve.h"
#include "os/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int use(void)
{
    fputs("usage: hoist-device list\n       hoist-device serve UUID SECONDS (hoistd starts it)\n", stderr);
    return 2;
}

/* What a driver does when a process exits in the usual way waits for what does not answer: the kernel frees it all. */
int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "list") == 0) _exit(hst_gpu_list_print() < 0);
    if (count != 4 || strcmp(arguments[1], "serve") != 0) return use();
    hst_helper_settle_for_all("hoist-device");
    _exit(hst_gpu_serve(HST_HELPER_FD, arguments[2], (unsigned)strtoul(arguments[3], NULL, 10)));
}
