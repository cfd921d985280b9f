"""A machine's configuration as JSON, and the files it names, which are saved with it."""

from collections.abc import Mapping
from typing import Final

from papvmm.bits import M64
from papvmm.control.snapshot.members import Members
from papvmm.control.strict_json import Json, Object
from papvmm.machine.config import (
    MOST_MEMORY,
    MOST_VCPUS,
    AreasOnReset,
    File,
    MachineConfig,
    OnReboot,
)

KERNEL: Final = "kernel"
INITRD: Final = "initrd"
DTB: Final = "dtb"
NEXT_KERNEL: Final = "next_kernel_{}"

MOST_INSTRUCTIONS: Final = 1 << 62
LATEST: Final = 1 << 40
"""Seconds since 1970."""


def describe(config: MachineConfig) -> Object:
    """Return a configuration but for the engine, which no guest can tell; its files by name."""
    return {
        "memory_size": config.memory_size,
        "vcpus": config.vcpus,
        "cpu": config.cpu,
        "hv": config.hv,
        "hv_page": config.hv_page,
        "kernel": _name(config.kernel),
        "initrd": _name(config.initrd),
        "dtb": _name(config.dtb),
        "append": config.append,
        "next_kernels": [file.name for file in config.next_kernels],
        "kernel_addr": config.kernel_addr,
        "areas_on_reset": config.areas_on_reset.name,
        "reset_dtl_len": config.reset_dtl_len,
        "on_reboot": config.on_reboot.name,
        "slice_counts": config.slice_counts,
        "seed": config.seed,
        "rtc_base": config.rtc_base,
    }


def images(config: MachineConfig) -> dict[str, bytes]:
    """Return the files that a later reset needs."""
    files = {KERNEL: config.kernel, INITRD: config.initrd, DTB: config.dtb}
    for index, file in enumerate(config.next_kernels):
        files[NEXT_KERNEL.format(index)] = file
    return {name: file.data for name, file in files.items() if file is not None}


def configuration(saved: Members, files: Mapping[str, bytes], accel: str) -> MachineConfig:
    """Return what ``describe`` described, for an engine; BadInput or BadUsage for no machine."""

    def file(key: str, name: str | None) -> File | None:
        if name is None:
            return None
        if key not in files:
            raise saved.wrong(key, "has no file")
        return File(name, files[key])

    config = MachineConfig(
        memory_size=saved.number("memory_size", most=MOST_MEMORY),
        vcpus=saved.number("vcpus", most=MOST_VCPUS),
        cpu=saved.text("cpu"),
        accel=accel,
        hv=saved.text("hv"),
        hv_page=saved.number("hv_page", most=MOST_MEMORY),
        kernel=file(KERNEL, saved.optional_text("kernel")),
        initrd=file(INITRD, saved.optional_text("initrd")),
        dtb=file(DTB, saved.optional_text("dtb")),
        append=saved.text("append"),
        next_kernels=tuple(
            kernel
            for index, name in enumerate(saved.texts("next_kernels"))
            if (kernel := file(NEXT_KERNEL.format(index), name)) is not None
        ),
        kernel_addr=saved.number("kernel_addr", most=M64),
        areas_on_reset=saved.choice("areas_on_reset", AreasOnReset),
        reset_dtl_len=saved.number("reset_dtl_len", most=M64),
        on_reboot=saved.choice("on_reboot", OnReboot),
        slice_counts=saved.number("slice_counts", most=MOST_INSTRUCTIONS, least=1),
        seed=saved.number("seed", most=M64),
        rtc_base=saved.number("rtc_base", most=LATEST, least=-LATEST),
    )
    saved.done()
    return config


def _name(file: File | None) -> Json:
    return None if file is None else file.name
