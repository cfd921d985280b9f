"""What a structure in guest RAM is made of: named big-endian fields at offsets.

One table of fields for each structure serves the hypervisor, the reports and the debugger.
"""

from enum import Enum

from papvmm.values import Value


class Writer(Enum):
    """Whose stores a field is for."""

    GUEST = "guest"
    HYPERVISOR = "hypervisor"


class Field(Value):
    """``width`` bytes at ``offset``: an unsigned big-endian number where width is 1, 2, 4 or 8."""

    name: str
    offset: int
    width: int
    writer: Writer


class Structure(Value):
    """A structure of ``size`` bytes; bytes that no field names are reserved."""

    name: str
    size: int
    fields: tuple[Field, ...]

    def __getitem__(self, name: str) -> Field:
        """Return the field of this name; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name!r}")

    def field_at(self, offset: int) -> Field | None:
        """Return the field that holds the byte at ``offset``, or None."""
        for field in self.fields:
            if field.offset <= offset < field.offset + field.width:
                return field
        return None

    def name_at(self, offset: int) -> str:
        """Name the byte at ``offset``: ``yield_count``, or ``+0x123`` where no field is."""
        field = self.field_at(offset)
        return f"{self.name}.{field.name}" if field else f"{self.name}+{offset:#x}"
