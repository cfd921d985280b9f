"""The command line that connects gdb to a guest, ready to be pasted."""

import shlex

from papvmm.control.gdb.address import GdbAddress
from papvmm.isa.msr import MSR_LE
from papvmm.isa.state import MSR
from papvmm.machine.guest import Guest


def invitation(address: GdbAddress, guest: Guest) -> str:
    """Return it: gdb learns registers from its target, but no byte order."""
    image = guest.image
    if image is None:
        is_little = bool(guest.vcpus[0].state.read(MSR) & MSR_LE)
    else:
        is_little = image.little_endian
    commands = (f"set endian {'little' if is_little else 'big'}", f"target remote {address.target}")
    options = [part for command in commands for part in ("-ex", shlex.quote(command))]
    files = [] if image is None else [shlex.quote(image.name)]
    return " ".join(("gdb-multiarch", *options, *files))
