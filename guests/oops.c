/* oops: deregisters a VPA. Before Linux 3.7 the next guest entry initialised the VPA that was no
 * longer there, and the host went down with it. */
#include "areas.h"
#include "console.h"
#include "cpus.h"
#include "hcall.h"
#include "tree.h"

enum { PAGE = 4096, TICKS = 512 };

static u8 memory[2 * PAGE] __attribute__((aligned(PAGE)));

void guest(void)
{
    const struct areas areas = {
        .vpa = (void *)memory,
        .slb_shadow = (void *)(memory + VPA_SIZE_LINUX),
        .dtl = (void *)(memory + PAGE),
    };

    areas_prepare(&areas);
    printf("oops: register a VPA: %s\n", status_name(register_vpa(REGISTER_VPA, tree.boot_server, areas.vpa)));
    cede(TICKS);
    printf("oops: deregister it\n");
    long status = register_vpa(DEREGISTER_VPA, tree.boot_server, 0);
    cede(TICKS);
    printf("oops: %s, and the host is still there\n", status_name(status));
}
