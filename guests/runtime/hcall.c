#include "hcall.h"

const char *status_name(long status)
{
    switch (status) {
    case H_SUCCESS: return "H_SUCCESS";
    case H_BUSY: return "H_BUSY";
    case H_HARDWARE: return "H_HARDWARE";
    case H_FUNCTION: return "H_FUNCTION";
    case H_PARAMETER: return "H_PARAMETER";
    case H_RESOURCE: return "H_RESOURCE";
    case H_STATE: return "H_STATE";
    default: return "a status this guest has no name for";
    }
}
