"""Guest RAM: one anonymous mapping at a stable host address, from guest physical address 0."""

import ctypes
from collections.abc import Callable
from mmap import MADV_DONTNEED, MAP_ANONYMOUS, MAP_PRIVATE, PAGESIZE, PROT_READ, PROT_WRITE, mmap
from struct import Struct
from typing import Final, Generic, NamedTuple, TypeVar

from papvmm.errors import BadUsage, PapvmmError

_BE: Final = {1: Struct(">B"), 2: Struct(">H"), 4: Struct(">I"), 8: Struct(">Q")}
_LE: Final = {1: Struct("<B"), 2: Struct("<H"), 4: Struct("<I"), 8: Struct("<Q")}

MAP_FIXED: Final = 0x10
"""Linux's flag of mmap, which Python's module of that name doesn't know."""

PAGE: Final = 4096
"""Bytes of the smallest page there is."""

CODE_LINE: Final = 128
"""Bytes of RAM for each element of ``GuestMemory.code``: the cache line of POWER."""


_mmap: Final = ctypes.CDLL(None, use_errno=True).mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64,
)  # fmt: skip


class OutOfRange(PapvmmError):
    """An access fell outside guest RAM."""

    def __init__(self, gpa: int, length: int) -> None:
        super().__init__(f"{length} bytes at gpa {gpa:#x} are outside guest RAM")
        self.gpa = gpa
        self.length = length


T = TypeVar("T")


class Place(NamedTuple, Generic[T]):
    """Where in RAM a value is, and what to do with it.

    ``swap`` puts another value there, for which there must be room, and returns the old one.
    """

    gpa: int
    packing: Struct
    get: Callable[[], T]
    swap: Callable[[T], T]


class GuestMemory:
    """RAM of one guest, of ``size`` bytes.

    Bounds are checked here and nowhere else. Accessors name their byte order:
    PAPR structures are big-endian whatever MSR[LE] says, and a silent default
    is how a little-endian guest ends up with a byte-swapped lppaca.

    Engines use ``ram`` directly. They mark the lines they derived code from in ``code``, and
    whoever writes a marked line calls ``wrote``, which drops what was derived from it.
    """

    __slots__ = (
        "_is_over_file", "_mapping", "_on_code_write", "_on_write", "code", "host_address", "ram",
        "size",
    )  # fmt: skip

    def __init__(self, size: int) -> None:
        self._mapping: Final = _mapped(size)
        self.size: Final = size
        self.ram: Final = memoryview(self._mapping)
        self.host_address: Final = ctypes.addressof(ctypes.c_char.from_buffer(self._mapping))
        self.code: Final = _mapped(-(-size // CODE_LINE))
        self._is_over_file = False
        self._on_code_write: Final[list[Callable[[int, int], None]]] = []
        self._on_write: Final[list[Callable[[int, int], None]]] = []

    def read(self, gpa: int, length: int) -> bytes:
        """Return a copy of ``length`` bytes."""
        self._check(gpa, length)
        return self.ram[gpa : gpa + length].tobytes()

    def write(self, gpa: int, data: bytes | memoryview) -> None:
        """Put bytes into RAM: the loader's, the debugger's and the library's way."""
        self._check(gpa, len(data))
        self.ram[gpa : gpa + len(data)] = data
        self.wrote(gpa, len(data))

    def clear(self, gpa: int, length: int) -> None:
        """Put zeroes into RAM; whole pages go back to the host, which costs next to nothing."""
        self._check(gpa, length)
        first, end = -(-gpa // PAGESIZE) * PAGESIZE, (gpa + length) // PAGESIZE * PAGESIZE
        if self._is_over_file:
            for place in range(gpa, gpa + length, PAGESIZE):
                self._zero(place, min(PAGESIZE, gpa + length - place))
        elif first < end:
            self._mapping.madvise(MADV_DONTNEED, first, end - first)
            self.ram[gpa:first] = bytes(first - gpa)
            self.ram[end : gpa + length] = bytes(gpa + length - end)
        else:
            self.ram[gpa : gpa + length] = bytes(length)
        self.wrote(gpa, length)

    def _zero(self, gpa: int, length: int) -> None:
        """Put zeroes where there are none, so that no page is copied for nothing."""
        if self.ram[gpa : gpa + length].tobytes().strip(b"\0"):
            self.ram[gpa : gpa + length] = bytes(length)

    def map_over(self, file: int, gpa: int, length: int) -> None:
        """Map whole pages privately over a file that holds there what RAM holds.

        ``file`` is a descriptor. Pages that are stored into are copied from then on.
        """
        access, how, place = (
            PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_FIXED,
            self.host_address + gpa,
        )
        if _mmap(place, length, access, how, file, gpa) != place:
            raise OSError(ctypes.get_errno(), "mmap of guest RAM over a file")
        self._is_over_file = True

    def drop_copies(self, gpa: int, length: int) -> None:
        """Let go of the copies of whole pages, so that RAM is there what the file under it is."""
        self._mapping.madvise(MADV_DONTNEED, gpa, length)

    def number(self, gpa: int, width: int) -> Place[int]:
        """Return the place of a big-endian unsigned integer of 1, 2, 4 or 8 bytes."""
        return self._place(gpa, _BE[width])

    def run(self, gpa: int, length: int) -> Place[bytes]:
        """Return the place of so many bytes, one at least."""
        return self._place(gpa, Struct(f"{length}s"))

    def _place(self, gpa: int, packing: Struct) -> Place[T]:
        self._check(gpa, packing.size)
        ram, code, watched, wrote = self.ram, self.code, self._on_write, self.wrote
        unpack, pack, length = packing.unpack_from, packing.pack_into, packing.size
        first, last = gpa // CODE_LINE, (gpa + length - 1) // CODE_LINE
        long = last - first > 1

        def get() -> T:
            value: T = unpack(ram, gpa)[0]
            return value

        def swap(value: T) -> T:
            old: T = unpack(ram, gpa)[0]
            pack(ram, gpa, value)
            if long or code[first] or code[last] or watched:
                wrote(gpa, length)
            return old

        return Place(gpa, packing, get, swap)

    def view(self, gpa: int, length: int) -> memoryview:
        """Return a window on RAM, to read through; it stays valid as long as the memory."""
        self._check(gpa, length)
        return self.ram[gpa : gpa + length]

    def load_be(self, gpa: int, width: int) -> int:
        """Read a big-endian unsigned integer of 1, 2, 4 or 8 bytes."""
        if not 0 <= gpa <= self.size - width:
            raise OutOfRange(gpa, width)
        value: int = _BE[width].unpack_from(self.ram, gpa)[0]
        return value

    def load_le(self, gpa: int, width: int) -> int:
        """Read a little-endian unsigned integer of 1, 2, 4 or 8 bytes."""
        self._check(gpa, width)
        value: int = _LE[width].unpack_from(self.ram, gpa)[0]
        return value

    def store_be(self, gpa: int, width: int, value: int) -> None:
        """Write a big-endian unsigned integer of 1, 2, 4 or 8 bytes."""
        self.write(gpa, _BE[width].pack(value))

    def store_le(self, gpa: int, width: int, value: int) -> None:
        """Write a little-endian unsigned integer of 1, 2, 4 or 8 bytes."""
        self.write(gpa, _LE[width].pack(value))

    def holds(self, gpa: int, length: int) -> bool:
        """Tell whether RAM contains the ``length`` bytes at ``gpa``."""
        return 0 <= gpa <= self.size - length and length >= 0

    def on_code_write(self, drop: Callable[[int, int], None]) -> None:
        """Have ``drop(gpa, length)`` called when bytes that code was derived from change."""
        self._on_code_write.append(drop)

    def on_write(self, see: Callable[[int, int], None]) -> None:
        """Have ``see(gpa, length)`` called for all bytes that an engine has not stored itself."""
        self._on_write.append(see)

    def wrote(self, gpa: int, length: int) -> None:
        """Drop what engines derived from these bytes, which have just changed."""
        for see in self._on_write:
            see(gpa, length)
        first, last = gpa // CODE_LINE, (gpa + length - 1) // CODE_LINE
        # strip() is any(), fast for megabytes.
        if self.code[first] if first == last else self.code[first : last + 1].strip(b"\0"):
            for drop in self._on_code_write:
                drop(gpa, length)

    def _check(self, gpa: int, length: int) -> None:
        if not 0 <= gpa <= self.size - length or length < 0:
            raise OutOfRange(gpa, length)


def _mapped(size: int) -> mmap:
    try:
        return mmap(-1, size, MAP_PRIVATE | MAP_ANONYMOUS)
    except OSError as error:
        raise BadUsage(
            f"the host has no {size >> 20} MiB of RAM to give: {error.strerror}"
        ) from None
