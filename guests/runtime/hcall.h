/* Hypercalls: tokens and status codes as LoPAR names them. */
#ifndef HCALL_H
#define HCALL_H
#include "bytes.h"

enum {
    H_PUT_TERM_CHAR = 0x58,
    H_REGISTER_VPA = 0xdc,
    H_CEDE = 0xe0,
    H_CONFER = 0xe4,
    H_PROD = 0xe8,
    H_SET_MODE = 0x31c,
    H_RTAS = 0xf000,
};

enum {
    H_SUCCESS = 0,
    H_BUSY = 1,
    H_HARDWARE = -1,
    H_FUNCTION = -2,
    H_PARAMETER = -4,
    H_RESOURCE = -16,
    H_STATE = -75,
};

/* H_SET_MODE's resource "interrupt byte order" and its two values. */
enum { H_SET_MODE_RESOURCE_LE = 4, H_SET_MODE_ENDIAN_BIG = 0, H_SET_MODE_ENDIAN_LITTLE = 1 };

/* Arguments a call does not take are ignored; only the status comes back. */
long hcall(u64 token, ...);

const char *status_name(long status);
#endif
