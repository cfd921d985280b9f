"""Areas scripts: the per-vcpu areas, driven operation by operation without a guest.

A script is one line of JSON: ``{"id", "level", "config": {"ram", "page", "vcpus"}, "ops"}``,
with the expected result of each operation in ``exp`` if somebody recorded them. An operation is
a text, its numbers in C notation:

    hreg CALLER FLAGS TARGET ADDR      H_REGISTER_VPA
    setreg V VPA ADDR                  KVM_SET_ONE_REG; also SLB or DTL with ADDR LEN, or an id
    getreg V NAME                      KVM_GET_ONE_REG
    enter V [tb= pcpu= stolen= pc= msr=]
    tryenter V                         an entry that is interrupted before the guest runs
    exit V
    poke ADDR HEX, peek ADDR LEN       guest RAM
    reset [DTLLEN]                     every vcpu's areas cleared as a VMM does, by ONE_REG
    dirtylog                           the pages dirtied by the hypervisor since the last time
    state V                            everything, for a look inside

Results are what the door answered, the hypervisor's stores in order (``w``) and a checksum of
all RAM (``crc``).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from zlib import crc32

from papvmm.bits import M64
from papvmm.clock import VirtualClock
from papvmm.engine.exits import ExitReason
from papvmm.engine.watch import Watch
from papvmm.errors import BadInput, HostCrash
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.state import ArchState
from papvmm.kvmapi.one_reg import (
    doublewords,
    get_one_reg,
    register_id,
    set_one_reg,
    unregister_areas,
)
from papvmm.kvmapi.registers import OneRegError
from papvmm.memory.door import HypervisorDoor
from papvmm.memory.guest_memory import GuestMemory
from papvmm.papr.hcalls.vpa import register_vpa
from papvmm.trace.hub import Tracer
from papvmm.vcpu.vcpu import Vcpu, VcpuRunState
from papvmm.vpa.areas import VcpuAreas, VpaArea
from papvmm.vpa.dtl import Dispatch
from papvmm.vpa.levels import Level, level_named

Result: TypeAlias = dict[str, object]

MOST_RAM: Final = 256 << 20
PAGES: Final = (4096, 65536)
MOST_VCPUS: Final = 1024
HIGHEST_VCPU_ID: Final = (1 << 31) - 1

REGISTER_NAMES: Final = {"VPA": "VPA_ADDR", "SLB": "VPA_SLB", "DTL": "VPA_DTL"}
OUTSIDE_RAM: Final = -1

_NUMBER: Final = re.compile(
    r"(-?)(?:0[xX]0*([0-9a-fA-F]{1,16})|(0[0-7]{0,22})|([1-9][0-9]{0,19}))", re.ASCII
)
_KEYS: Final = ("tb", "pcpu", "stolen", "pc", "msr")


@dataclass(frozen=True, slots=True)
class Script:
    """A parsed script; ``where`` names it in messages."""

    where: str
    id: object
    level: Level
    ram: int
    page: int
    vcpu_ids: tuple[int, ...]
    ops: tuple[str, ...]
    exp: tuple[Mapping[str, object], ...] | None


def parse_script(line: str, where: str) -> Script:
    """Return the script in a line of JSON; BadInput if it isn't one."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not JSON: {error}") from error
    fields = _object(fields, f"{where}: a script")
    config = _object(fields.get("config"), f'{where}: "config"')
    ops = fields.get("ops")
    if not isinstance(ops, list) or not all(isinstance(op, str) for op in ops):
        raise BadInput(f'{where}: "ops" must be a list of strings')
    level = fields.get("level")
    if not isinstance(level, str):
        raise BadInput(f'{where}: "level" must be a string')
    return Script(
        where,
        fields.get("id"),
        _level(level, where),
        _checked(config, "ram", where, range(1, MOST_RAM + 1)),
        _checked(config, "page", where, PAGES),
        _vcpu_ids(config.get("vcpus"), where),
        tuple(ops),
        _expected(fields["exp"], len(ops), where) if "exp" in fields else None,
    )


def _level(name: str, where: str) -> Level:
    try:
        return level_named(name)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadInput(f"{what} must be a JSON object")
    return value


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _checked(
    config: Mapping[str, object], key: str, where: str, allowed: range | tuple[int, ...]
) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        limits = (
            f"1 to {MOST_RAM}" if isinstance(allowed, range) else " or ".join(map(str, allowed))
        )
        raise BadInput(f'{where}: "{key}" must be {limits}, in bytes')
    return value


def _vcpu_ids(value: object, where: str) -> tuple[int, ...]:
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= MOST_VCPUS
        or not all(_is_integer(number) and 0 <= number <= HIGHEST_VCPU_ID for number in value)
        or len(set(value)) != len(value)
    ):
        raise BadInput(f'{where}: "vcpus" must be a list of different ids, 0 to {HIGHEST_VCPU_ID}')
    return tuple(value)


def _expected(value: object, count: int, where: str) -> tuple[Mapping[str, object], ...]:
    if (
        not isinstance(value, list)
        or len(value) != count
        or not all(isinstance(result, dict) for result in value)
    ):
        raise BadInput(f'{where}: "exp" must be a list of {count} objects, one for each operation')
    return tuple(value)


def run_script(script: Script) -> list[Result]:
    """Run a script on a machine of its own; BadInput at an operation that isn't one."""
    run = _Run(script)
    return [run.do(op) for op in script.ops]


def difference(script: Script, results: list[Result]) -> str | None:
    """Return what the first result is that differs from what the script expects.

    Only what was recorded is compared, and nothing of the look inside that ``state`` is.
    """
    for index, (expected, result) in enumerate(zip(script.exp or (), results, strict=True)):
        keys = ("w", "crc") if result["op"] == "state" else expected
        for key in keys:
            if key in expected and result.get(key) != expected[key]:
                return (
                    f"operation {index}, {script.ops[index]!r}: {key} is"
                    f" {json.dumps(result.get(key))}, expected {json.dumps(expected[key])}"
                )
    return None


class _NoGuest:
    """The engine of a vcpu that is entered, but executes nothing."""

    def __init__(self) -> None:
        self.state: Final = ArchState()
        self.breakpoints: Final[set[int]] = set()
        self.watchpoints: Final[set[Watch]] = set()
        self.interrupted: Final[list[Callable[[Interrupt], None]]] = []

    def run(self, budget: int) -> ExitReason:
        """There is nothing to run."""
        raise NotImplementedError(f"{budget} instructions of an areas script")

    def locate(self, ea: int) -> int | None:
        """There are no data."""
        raise NotImplementedError(f"data at {ea:#x} of an areas script")

    def kick(self) -> None:
        """There is nothing to interrupt."""
        raise NotImplementedError("a kick in an areas script")


class _Run:
    """A machine as far as scripts see it."""

    def __init__(self, script: Script) -> None:
        self._where: Final = script.where
        self._level: Final = script.level
        self._memory: Final = GuestMemory(script.ram)
        self._door: Final = HypervisorDoor(self._memory, VirtualClock(), Tracer())
        self._vcpus: Final = {
            number: Vcpu(
                number, _NoGuest(), VcpuAreas(number, script.level, script.page, self._door)
            )
            for number in script.vcpu_ids
        }
        self._in_guest: Final[set[int]] = set()
        self._crash: str | None = None
        self._crc = crc32(self._memory.ram)
        self._operations: Final[Mapping[str, Callable[[list[str]], Result]]] = {
            "hreg": self._hreg,
            "setreg": self._setreg,
            "getreg": self._getreg,
            "enter": self._enter,
            "tryenter": self._tryenter,
            "exit": self._exit,
            "poke": self._poke,
            "peek": self._peek,
            "reset": self._reset,
            "dirtylog": self._dirtylog,
            "state": self._state,
        }

    def do(self, op: str) -> Result:
        """Do one operation and return its result; once the host has crashed, say only that."""
        name, *args = op.split() or [""]
        operation = self._operations.get(name)
        if operation is None:
            raise BadInput(f"{self._where}: {op!r} is not an operation")
        writes = self._door.writes
        writes.clear()
        result: Result = {"op": name}
        if self._crash is None:
            try:
                result |= operation(args)
            except HostCrash as crash:
                self._crash = str(crash)
            except BadInput as error:
                raise BadInput(f"{self._where}: {op!r}: {error}") from error
        if self._crash is not None:
            result["crash"] = self._crash
        if writes or name == "poke":
            self._crc = crc32(self._memory.ram)
        result["w"] = [[f"{write.gpa:#x}", write.new.hex()] for write in writes]
        result["crc"] = f"{self._crc:08x}"
        return result

    def _hreg(self, args: list[str]) -> Result:
        caller, flags, target, gpa = _exactly(4, args)
        status = register_vpa(
            self._vcpu(caller), self._vcpus.get, _number(flags), _number(target), _number(gpa)
        )
        return {"ret": status.value}

    def _setreg(self, args: list[str]) -> Result:
        if not 3 <= len(args) <= 4:
            raise BadInput("a vcpu, a register and one or two numbers are needed")
        vcpu, reg_id = self._vcpu(args[0]), _register(args[1])
        payload = [_number(text) for text in args[2:]]
        try:
            # The payload lies in memory: there is something behind a short one.
            set_one_reg(vcpu, reg_id, (*payload, 0)[: doublewords(reg_id)])
        except OneRegError as error:
            return {"ret": -error.errno}
        return {"ret": 0}

    def _getreg(self, args: list[str]) -> Result:
        vcpu, name = _exactly(2, args)
        try:
            payload = get_one_reg(self._vcpu(vcpu), _register(name))
        except OneRegError as error:
            return {"ret": -error.errno}
        return {"ret": 0, "val": [f"{value:#x}" for value in payload]}

    def _enter(self, args: list[str]) -> Result:
        if not args:
            raise BadInput("a vcpu is needed")
        vcpu = self._vcpu(args[0])
        values = dict.fromkeys(_KEYS, 0)
        for text in args[1:]:
            key, _, value = text.partition("=")
            if key not in values:
                raise BadInput(f"{key!r} is none of {', '.join(_KEYS)}")
            values[key] = _number(value)
        vcpu.run_state = VcpuRunState.RUNNABLE
        vcpu.areas.enter(
            Dispatch(values["tb"], values["pcpu"], values["stolen"], values["pc"], values["msr"])
        )
        self._in_guest.add(vcpu.vcpu_id)
        return {"ret": 0}

    def _tryenter(self, args: list[str]) -> Result:
        (vcpu,) = _exactly(1, args)
        self._vcpu(vcpu).areas.try_enter()
        return {"ret": 0}

    def _exit(self, args: list[str]) -> Result:
        vcpu = self._vcpu(*_exactly(1, args))
        vcpu.areas.leave()
        self._in_guest.discard(vcpu.vcpu_id)
        return {"ret": 0}

    def _poke(self, args: list[str]) -> Result:
        address, text = _exactly(2, args)
        gpa = _number(address)
        try:
            data = bytes.fromhex(text)
        except ValueError as error:
            raise BadInput(f"{text!r} is not an even number of hexadecimal digits") from error
        if not self._memory.holds(gpa, len(data)):
            return {"ret": OUTSIDE_RAM}
        self._memory.write(gpa, data)
        return {"ret": 0}

    def _peek(self, args: list[str]) -> Result:
        gpa, length = map(_number, _exactly(2, args))
        if not self._memory.holds(gpa, length):
            return {"ret": OUTSIDE_RAM}
        return {"ret": 0, "val": self._memory.read(gpa, length).hex()}

    def _reset(self, args: list[str]) -> Result:
        dtl_length = _number(*_exactly(1, args)) if args else 0
        steps = [
            [number, *unregister_areas(vcpu, dtl_length)] for number, vcpu in self._vcpus.items()
        ]
        return {"ret": 0, "steps": steps}

    def _dirtylog(self, args: list[str]) -> Result:
        _exactly(0, args)
        if not self._level.dirty_log:
            raise BadInput(f"{self._level.name} has no dirty log of the areas")
        pages = set[int]().union(*(v.areas.take_dirty_pages() for v in self._vcpus.values()))
        return {"ret": 0, "pages": sorted(pages)}

    def _state(self, args: list[str]) -> Result:
        (text,) = _exactly(1, args)
        vcpu = self._vcpu(text)
        areas = vcpu.areas
        return {
            "vcpu": vcpu.vcpu_id,
            "vpa": _inside(areas.vpa),
            "slb": _inside(areas.slb_shadow),
            "dtl": _inside(areas.dtl),
            "dtl_ptr": None if areas.dtl_ptr is None else f"{areas.dtl_ptr:#x}",
            "dtl_index": areas.dtl_index,
            "in_guest": int(vcpu.vcpu_id in self._in_guest),
        }

    def _vcpu(self, text: str) -> Vcpu:
        vcpu = self._vcpus.get(_number(text))
        if vcpu is None:
            raise BadInput(f"there is no vcpu {text}")
        return vcpu


def _inside(area: VpaArea) -> Result:
    inside: Result = {
        "next_gpa": f"{area.next_gpa:#x}",
        "len": area.length,
        "pending": int(area.update_pending),
        "pinned": None,
    }
    if area.pinned:
        inside["pinned"] = f"{area.pinned.gpa:#x}"
        inside["pinned_len"] = area.pinned.end - area.pinned.gpa
    return inside


def _exactly(count: int, args: list[str]) -> list[str]:
    if len(args) != count:
        raise BadInput(f"{count} arguments are needed, not {len(args)}")
    return args


def _number(text: str) -> int:
    """Return the unsigned 64-bit number that a C literal means; -1 is the largest one."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise BadInput(f"{text!r} is not a number")
    sign, hexadecimal, octal, decimal = match.groups()
    number = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    if number > M64:
        raise BadInput(f"{text} has more than 64 bits")
    return -number & M64 if sign else number


def _register(text: str) -> int:
    return register_id(REGISTER_NAMES[text]) if text in REGISTER_NAMES else _number(text)
