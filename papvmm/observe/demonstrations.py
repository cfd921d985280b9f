"""The demonstrations there are: what is run, and what people should know beforehand."""

from collections.abc import Callable, Container, Iterator, Mapping
from importlib.resources import files
from shlex import join, quote
from typing import Final

from papvmm.machine.config import MIB, AreasOnReset, File, MachineConfig
from papvmm.observe.exhibit import Demonstration, Exhibit, Names, Scene

CURE: Final = (
    "at reset, before any vcpu enters the guest again, ONE_REG sets VPA_SLB, VPA_DTL and VPA_ADDR"
    " to 0, in this order, on every vcpu."
)


def image(name: str) -> File:
    """Return a guest that comes with papvmm."""
    return File(name, files("papvmm").joinpath(f"images/{name}").read_bytes())


def reboot() -> Demonstration:
    """Reboot from kernel A into kernel B: the areas stay, or they go."""
    keep = MachineConfig(
        memory_size=16 * MIB,
        vcpus=2,
        kernel=image("kernel-a.elf"),
        next_kernels=(image("kernel-b.elf"),),
        areas_on_reset=AreasOnReset.KEEP,
    )
    return Demonstration(
        name="reboot",
        title="the reboot corruption",
        story=(
            "A guest shares three areas a vcpu with its hypervisor: VPA, SLB shadow and dispatch"
            " trace log. Kernel A registers them and reboots. The hypervisor's pointers survive"
            " the reset, and it goes on storing: into kernel B's memory."
        ),
        cure=CURE,
        harmed=Scene("keep", "areas kept at reset", keep),
        cured=Scene(
            "unregister",
            "areas unregistered at reset",
            keep.replace(areas_on_reset=AreasOnReset.UNREGISTER),
        ),
    )


def oops() -> Demonstration:
    """Deregister a VPA, which crashed hosts before Linux 3.7."""
    before = MachineConfig(memory_size=16 * MIB, hv="kvm-3.6", kernel=image("oops.elf"))
    return Demonstration(
        name="oops",
        title="a guest that crashes its host",
        story=(
            "Before Linux 3.7 KVM initialised the VPA at the first guest entry after every"
            " change, even if the change was that there is none any more: through a null pointer."
        ),
        cure="KVM of Linux 3.7 initialises a VPA only if there is one (init_vpa).",
        harmed=Scene("kvm-3.6", "KVM of Linux 3.6", before),
        cured=Scene("kvm-3.7", "KVM of Linux 3.7", before.replace(hv="kvm-3.7")),
    )


def dtl_quirk() -> Demonstration:
    """Unregister a log the plain way, which ONE_REG of Linux 3.7 refuses."""
    first = reboot()
    plain = first.cured.config.replace(hv="kvm-3.7", reset_dtl_len=0)
    return Demonstration(
        name="dtl-quirk",
        title="the cure that Linux 3.7 refused",
        story=(
            "KVM of Linux 3.7 looks at a log's length before its address. A VMM that unregisters"
            " the log with address 0 and length 0 gets EINVAL; so long as the log is there the VPA"
            " can't go either (EINVAL again), and the corruption goes on."
        ),
        cure="a length of at least one entry, 48 bytes, goes with address 0: every KVM accepts it.",
        harmed=Scene("length-0", "log unregistered with length 0", plain),
        cured=Scene(
            "length-48", "log unregistered with length 48", plain.replace(reset_dtl_len=48)
        ),
    )


def crash_kexec() -> Demonstration:
    """Crash from kernel A into kernel B: there is no reset in which a VMM could help."""
    crash = MachineConfig(memory_size=16 * MIB, vcpus=2, kernel=image("crash-kexec.elf"))
    line = "kernel A: crashes into kernel B, with its areas still registered"
    return Demonstration(
        name="crash-kexec",
        title="the same without a reset",
        story=(
            "A kernel that crashes jumps into the next one (kexec) without cleaning up, and no"
            " VMM hears of it. The areas are still registered when the next kernel uses memory."
        ),
        cure="the next kernel deregisters every vcpu's areas itself, before it uses memory.",
        harmed=Scene("crash", "areas left as they are", crash, line),
        cured=Scene("cure", "deregistered by the next kernel", crash.replace(append="cure"), line),
    )


def hibernation() -> Demonstration:
    """Save a guest and restore it in another machine, with and without ONE_REG for its areas."""
    lost = MachineConfig(
        memory_size=16 * MIB,
        vcpus=2,
        hv="kvm-3.6",
        kernel=image("hibernate.elf"),
        append="rounds=6",
    )
    return Demonstration(
        name="hibernation",
        title="areas that do not come along",
        story=(
            "A guest is saved, and goes on restored in another machine. Its areas are no part of"
            " its memory but of the hypervisor, and before Linux 3.7 nobody could ask KVM for"
            " them: the restored guest waits for counts that no longer move."
        ),
        cure=(
            "ONE_REG gets the areas when the guest is saved, and registers them when it is"
            " restored, the VPA first. The log and the yield count start again, as after any"
            " registration."
        ),
        harmed=Scene("kvm-3.6", "KVM of Linux 3.6", lost, save_after=80_000),
        cured=Scene("kvm-3.7", "KVM of Linux 3.7", lost.replace(hv="kvm-3.7"), save_after=80_000),
        names=Names("the guest", "the restored guest"),
    )


def commands(exhibit: Exhibit, directory: str) -> tuple[str, ...]:
    """Return the commands that run the scenes by hand; ``directory`` holds the guests."""
    scenes = (exhibit.demonstration.harmed, exhibit.demonstration.cured)
    given = exhibit.demonstration.given
    by_hand = [line for scene in scenes for line in _by_hand(scene, directory, given)]
    return (*by_hand, join(("papvmm", "demo", exhibit.demonstration.name, *_options(exhibit))))


def _by_hand(scene: Scene, directory: str, given: Container[str]) -> Iterator[str]:
    if not scene.save_after:
        yield command_for(scene.config, directory, given)
        return
    endless = scene.config.replace(append="rounds=0")
    saved = f"{directory}/{scene.name}"
    yield f"{command_for(endless, directory)} -qmp {quote(f'unix:{saved}.sock')}"
    yield f"{join(['papvmm', 'save', '--quit', f'{saved}.sock', saved])}"
    yield f"{join(['papvmm', 'restore', saved])}"


def _options(exhibit: Exhibit) -> Iterator[str]:
    """Yield the user's own files as ``papvmm demo`` takes them."""
    config, given = exhibit.harmed.scene.config, exhibit.demonstration.given
    for option, file in (("--kernel", config.kernel), ("--initrd", config.initrd)):
        if file and file.name in given:
            yield from (option, file.name)
    if given:
        yield from ("--smp", f"{config.vcpus}", "-m", f"{config.memory_size // MIB}")
        yield from ("--append", config.append)


def command_for(config: MachineConfig, directory: str, given: Container[str] = ()) -> str:
    """Return the ``papvmm run`` of a configuration; files in ``given`` have their own places."""

    def path(file: File) -> str:
        return file.name if file.name in given else f"{directory}/{file.name}"

    words = ["papvmm", "run", "-m", f"{config.memory_size // MIB}", "-smp", f"{config.vcpus}"]
    if config.hv != "kvm":
        words += ["--hv", config.hv]
    if config.next_kernels:
        words += ["--areas-on-reset", config.areas_on_reset.value]
        words += ["--reset-dtl-len", f"{config.reset_dtl_len}"]
    if config.append:
        words += ["-append", config.append]
    if config.initrd:
        words += ["-initrd", path(config.initrd)]
    for file in config.next_kernels:
        words += ["--next-kernel", path(file)]
    if config.kernel:
        words.append(path(config.kernel))
    return join(words)


DEMONSTRATIONS: Final[Mapping[str, Callable[[], Demonstration]]] = {
    "reboot": reboot,
    "oops": oops,
    "dtl-quirk": dtl_quirk,
    "crash-kexec": crash_kexec,
    "hibernation": hibernation,
}
