"""``papvmm run``: boot an ELF guest, with the options people know from QEMU."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from papvmm.cli import options
from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.log_option import add_log_arguments, logged
from papvmm.cli.outcome import explain
from papvmm.cli.session import Session
from papvmm.cli.stderr import complain
from papvmm.cli.trace_file import traced
from papvmm.engine.accel import ACCELERATORS, DEFAULT_ACCEL
from papvmm.errors import BadInput, BadUsage
from papvmm.isa.processors import DEFAULT_MODEL, cpu_list
from papvmm.isa.state import GPR
from papvmm.machine.builder import boot, build
from papvmm.machine.config import AreasOnReset, MachineConfig, OnReboot
from papvmm.machine.guest import Guest
from papvmm.machine.outcome import Outcome
from papvmm.vpa.levels import LEVELS

TOTAL_SIZE: Final = 4
"""Where the size of a flattened device tree is in it (Devicetree Specification 5.2)."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of ``papvmm run``."""
    parser.usage = "%(prog)s [OPTION …] ELF"
    add_kernel_arguments(parser)
    add_host_arguments(parser)
    add_machine_arguments(parser)


def add_kernel_arguments(parser: ArgumentParser) -> None:
    """Add what the guest is, and what happens at its end."""
    add = parser.add_argument_group("what runs").add_argument
    add("image", nargs="?", metavar="ELF", help="the kernel: an ELF64 ppc64 image")
    add("-kernel", metavar="ELF", help="the same, as QEMU spells it")
    add("-initrd", metavar="FILE", help="initial RAM disk")
    add("-dtb", metavar="FILE", help="device tree to give the kernel instead of the machine's own")
    add("-append", metavar="TEXT", default="", help="kernel command line (/chosen/bootargs)")
    add("-incoming", type=options.incoming, metavar="URI|defer",
        help="instead of a kernel, wait for a guest that migrates here, by unix:PATH,"
        " tcp:HOST:PORT, file:PATH, exec:COMMAND or fd:NUMBER; defer: where from, QMP's"
        " migrate-incoming says")  # fmt: skip
    add = parser.add_argument_group("ends and resets").add_argument
    add("-action", type=options.actions, metavar="EVENT=…", action="append", default=[],
        help="what follows when the guest does something: reboot=reset, shutdown or pause;"
        " shutdown=poweroff or pause; panic=shutdown, pause or none")  # fmt: skip
    add("-no-reboot", action="store_true", help="the same as -action reboot=shutdown")
    add("--next-kernel", metavar="ELF", action="append", default=[],
        help="load this image at the next reset instead; repeatable, one a reset")  # fmt: skip


def add_host_arguments(parser: ArgumentParser) -> None:
    """Add what connects a guest with the host it runs on."""
    add = parser.add_argument_group("console").add_argument
    add("-serial", type=options.one_of("a console", "stdio", "mon:stdio", "none"),
        default="stdio", metavar="stdio|mon:stdio|none",
        help="the console; mon:stdio has ^C as for -nographic (default stdio)")  # fmt: skip
    add("-nographic", action="store_true", help="give the guest ^C, ^\\ and ^Z, too; ^A x quits")
    add("-nodefaults", action="store_true", help="accepted: there are no default devices")
    add("-display", type=options.one_of("a display", "none"), metavar="none", help="accepted")
    add = parser.add_argument_group("steering").add_argument
    add("-qmp", type=options.socket_address("-qmp"), metavar="unix:PATH",
        help="control socket: unix:PATH[,server=on,wait=off]")  # fmt: skip
    add("-monitor", type=options.socket_address("-monitor"), metavar="unix:PATH",
        help="the same for people: QEMU's human monitor, a line at a time")  # fmt: skip
    add("-gdb", type=options.gdb_address, metavar="unix:PATH|tcp:[HOST]:PORT",
        help="listen for a debugger, on this host only unless HOST says otherwise")  # fmt: skip
    add("-s", action="store_true", help=f"the same as -gdb {options.DEBUGGER}")
    add("-S", action="store_true", help="start paused: QMP's cont or a debugger lets the guest run")
    add("-name", metavar="TEXT", default="", help="a name for the guest, for people")
    add_log_arguments(parser)
    add = parser.add_argument_group("execution").add_argument
    add("-accel", type=options.one_of("an engine", *ACCELERATORS), default=DEFAULT_ACCEL,
        metavar="|".join(ACCELERATORS), help=f"the engine (default {DEFAULT_ACCEL})")  # fmt: skip
    add("--clock", choices=("virtual", "host"), default="virtual",
        help="what time follows: the instructions executed, the same in every run, or the host's"
        " clock (default virtual)")  # fmt: skip
    add("--timeout", type=options.seconds, metavar="SECONDS", help="stop after this much host time")


def add_machine_arguments(parser: ArgumentParser) -> None:
    """Add what describes the machine and its hypervisor."""
    add = parser.add_argument_group("the machine").add_argument
    add("-m", type=options.memory_size, default=512 << 20, metavar="SIZE",
        help="RAM, in MiB or with a K, M or G (default 512)")  # fmt: skip
    add("-smp", type=options.cpu_count, default=1, metavar="N", help="vcpus (default 1)")
    add("-machine", "-M", type=options.machine_type, default=options.MachineType(),
        metavar="pseries[,…]",
        help="pseries[,kernel-addr=ADDRESS][,dumpdtb=FILE]: dumpdtb writes the device tree, and"
        " runs nothing")  # fmt: skip
    add("-cpu", type=options.processor, default=DEFAULT_MODEL.name, metavar="NAME",
        help="power8, power9 or power10, or a version of these as -cpu help lists them"
        f" (default {DEFAULT_MODEL.name})")  # fmt: skip
    add("-rtc", type=options.rtc_base, metavar="base=…", help="date: base=utc or base=DATE")
    add("--seed", type=options.number, default=1, metavar="N",
        help="seed of the guest's random numbers (default 1)")  # fmt: skip
    add = parser.add_argument_group("its hypervisor, and the areas").add_argument
    add("--hv", default="kvm", choices=tuple(LEVELS),
        help="whose rules for the areas: the hypervisor's level (default kvm)")  # fmt: skip
    add("--hv-page", type=options.memory_size, default=4096, metavar="4K|64K",
        help="host page behind guest RAM: the granule in which areas are pinned")  # fmt: skip
    add("--areas-on-reset", type=AreasOnReset, default=AreasOnReset.UNREGISTER,
        choices=tuple(AreasOnReset), metavar="unregister|keep",
        help="what a reset does with the registered areas (default unregister)")  # fmt: skip
    add("--reset-dtl-len", type=options.number, default=48, metavar="N",
        help="length that a reset unregisters the log with; 0 is what kvm-3.7 refuses")  # fmt: skip


def config_from(args: Namespace) -> MachineConfig:
    """Return the machine that the options describe."""
    image = args.kernel or args.image
    if image is None and args.incoming is None:
        raise BadUsage("no kernel: give an ELF image, as in papvmm run guest.elf")
    config = MachineConfig(
        memory_size=args.m,
        vcpus=args.smp,
        cpu=args.cpu,
        accel=args.accel,
        hv=args.hv,
        hv_page=args.hv_page,
        kernel=options.read_file(image) if image else None,
        initrd=options.read_file(args.initrd) if args.initrd else None,
        dtb=options.read_file(args.dtb) if args.dtb else None,
        append=args.append,
        next_kernels=tuple(map(options.read_file, args.next_kernel)),
        kernel_addr=args.machine.kernel_addr,
        areas_on_reset=args.areas_on_reset,
        reset_dtl_len=args.reset_dtl_len,
        seed=args.seed,
        rtc_base=int(time.time()) if args.rtc is None else args.rtc,
    )
    for actions in args.action:
        config = config.replace(**actions)
    return config.replace(on_reboot=OnReboot.SHUTDOWN) if args.no_reboot else config


def is_question(args: Namespace) -> bool:
    """Tell whether an option asks for something to be told instead of a run."""
    return args.cpu in options.QUESTIONS or args.machine.dumpdtb is not None


def run(args: Namespace) -> int:
    """Run the guest to its end, or list the processors."""
    if args.cpu in options.QUESTIONS:
        print(cpu_list())
        return ExitCode.DONE
    guest = guest_from(args)
    if args.machine.dumpdtb is not None:
        return dump_device_tree(guest, args.machine.dumpdtb)
    return run_guest(guest, args)


def guest_from(args: Namespace) -> Guest:
    """Return the guest that the options describe, about to run or to come from elsewhere."""
    made = boot if args.incoming is None else build
    return made(config_from(args), complain)


def dump_device_tree(guest: Guest, path: str) -> int:
    """Write the device tree, which the boot vcpu finds by r3, to a file."""
    start = guest.vcpus[0].state.read(GPR, 3)
    tree = guest.memory.read(start, guest.memory.load_be(start + TOTAL_SIZE, 4))
    try:
        with open(path, "wb") as file:
            file.write(tree)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    return ExitCode.DONE


def run_guest(guest: Guest, args: Namespace) -> int:
    """Run a guest to its end, connected as the host arguments say."""
    return explain(run_to_its_end(guest, args), guest)


def run_to_its_end(
    guest: Guest, args: Namespace, hear: Callable[[bytes], None] | None = None
) -> Outcome:
    """Run a guest, and return how it ended; ``hear`` gets what it prints on its console."""
    with logged(guest, args) as say, traced(guest, args.trace):
        session = Session(guest, args, hear, say)
        with session.stdin if session.has_console else nullcontext():
            outcome = session.run_ahead() if session.is_alone else None
            if outcome is None:
                from papvmm.cli.attendance import attend  # noqa: PLC0415 - asyncio takes its time

                outcome = attend(session)
    for line in session.missing.lines():
        complain(line)
    return outcome
