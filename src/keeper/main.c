/* hoist-keeper: owns the memory that hoistd fills, so that it outlives hoistd. hoistd starts it (link.h), or systemd (dist/hoist-keeper.socket): either way it finds
 * the socket on which it is spoken to as fd 3. A person has no use for it. */
#include "keeper/serve.h"
#include "os/helper.h"

int main(void)
{
    hst_helper_settle_apart();
    hst_keeper_serve(HST_HELPER_FD);
    return 0;
}
