"""hcall-copy: H_PAGE_INIT, a page zeroed or copied by the hypervisor."""

from collections.abc import Mapping
from typing import Final

from papvmm.bits import is_aligned
from papvmm.memory.door import Origin
from papvmm.papr.hcall import (
    PARAMETER,
    SUCCESS,
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
)

PAGE_SIZE: Final = 4096

H_COPY_PAGE: Final = 1 << 14
H_ZERO_PAGE: Final = 1 << 15
H_ICACHE_SYNCHRONIZE: Final = 1 << 22
H_ICACHE_INVALIDATE: Final = 1 << 23
_KNOWN: Final = H_COPY_PAGE | H_ZERO_PAGE | H_ICACHE_SYNCHRONIZE | H_ICACHE_INVALIDATE


def h_page_init(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Fill the page at ``args[1]`` from the page at ``args[2]`` or with zeroes.

    Copying wins over zeroing. The instruction cache flags need no work: what was derived from
    code is dropped with every store.
    """
    flags, destination, source = args[:3]
    pages = (destination, source) if flags & H_COPY_PAGE else (destination,)
    if flags & ~_KNOWN or not all(_is_page(context, page) for page in pages):
        return PARAMETER
    origin = Origin(Hcall.H_PAGE_INIT.name, context.caller.vcpu_id)
    if flags & H_COPY_PAGE:
        context.door.store(destination, context.memory.read(source, PAGE_SIZE), origin)
    elif flags & H_ZERO_PAGE:
        context.door.store(destination, bytes(PAGE_SIZE), origin)
    return SUCCESS


def _is_page(context: HcallContext, gpa: int) -> bool:
    return is_aligned(gpa, PAGE_SIZE) and context.memory.holds(gpa, PAGE_SIZE)


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {Hcall.H_PAGE_INIT: h_page_init}
