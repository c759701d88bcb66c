/* hoist-scan: parses the model files that hoistd hands it, and may do nothing else. hoistd starts it (scanner.h); a person has no use for it. */
#include "os/helper.h"
#include "os/sandbox.h"
#include "scanner/limits.h"
#include "scanner/serve.h"

#include <unistd.h>

int main(void)
{
    const struct hst_sandbox_limits limits = {HST_SCANNER_MEMORY_BYTES, HST_SCANNER_CPU_SECONDS, HST_SCANNER_FDS};
    hst_helper_settle("hoist-scan");
    struct hst_sandbox sandbox = hst_sandbox_enter(&limits, HST_HELPER_FD + 1);
    struct hst_answer_hello hello = {sandbox.protections, sandbox.landlock};
    _exit(hst_serve_run(HST_HELPER_FD, &hello) < 0); /* what runs at exit may want files */
}
