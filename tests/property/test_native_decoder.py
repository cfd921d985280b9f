"""The native decoder makes of every word what the fields of the descriptions say."""

import ctypes
import gzip
import json
from pathlib import Path
from random import Random
from struct import Struct

import pytest

from papvmm.bits import M64, ones
from papvmm.engine.code_marks import CODE_NATIVE, CODE_NATIVE_NEXT
from papvmm.engine.native import codegen, layout
from papvmm.engine.native.code import NativeCode, address_of, private
from papvmm.engine.native.executable import Executable
from papvmm.engine.native.interpreter import InterpreterSource
from papvmm.engine.native.workshop import Workshop
from papvmm.isa.binding import plan
from papvmm.isa.decode import decode
from papvmm.isa.ir import Branch, Const, Immediate, Pure, fold
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory

VECTORS = Path(__file__).parents[1] / "data" / "isa-vectors.jsonl.gz"
WORDS = PAGE // 4
AT = 0x3000
MODES = range(layout.REAL_MODES)
FOUND = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
MADE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)


class NoCompiler:
    def submit(self, job):
        pass

    def finished(self):
        return ()


class NothingKept:
    def load(self, name):
        return []


class Decoder:
    """The decoder of an interpreter whose functions are known by name."""

    def __init__(self, source, code, isa):
        self.isa = isa
        self.source = source
        self.code = Executable(code.text)
        self.offsets = code.offsets
        self.names = {self.code.address + offset: name for name, offset in code.offsets.items()}
        self.memory = GuestMemory(1 << 20)
        self.guest = NativeCode(self.memory, Workshop(NoCompiler(), NothingKept()), isa=isa)
        self.vcpu = private(layout.VCPU_SIZE)
        for field, value in (
            (layout.RAM_BASE, self.memory.host_address),
            (layout.MARKS, self.guest.marks_address),
            (layout.SHARED, self.guest.shared_address),
        ):
            Struct("<Q").pack_into(self.vcpu, field, value)

    def function(self, kind, name):
        return kind(self.code.address + self.offsets[name])

    def records(self, words, mode):
        """Return the op records of a page of words: name of the handler, slots, word."""
        order = "little" if layout.is_little_endian(mode) else "big"
        self.memory.write(AT, b"".join(word.to_bytes(4, order) for word in words))
        page = self.function(MADE, "new_page")(self.guest.shared_address, AT, mode)
        decoder = self.function(FOUND, "decode")
        for number in range(len(words)):
            handler = decoder(address_of(self.vcpu), page + number * layout.UNIT)
            record = ctypes.string_at(page + number * layout.UNIT, layout.UNIT)
            first, wide, *small, heat, word = layout.RECORD.unpack(record)
            assert (first, heat) == (handler, 0)
            yield self.names[handler], wide, tuple(small), word

    def expected(self, word, mode, within):
        """Return what a record must be, given the word's distance from its page's beginning."""
        decoded = decode(word)
        problem_state = layout.is_problem_state(mode)
        number = 0 if decoded is None else self.source.handled(word)[problem_state]
        row = self.source.handlings[number]
        if number == 0 or not row.versions & self.isa:
            return "odd", 0, (0, 0, 0, 0), word
        assert decode(word, self.isa) == decoded
        template = decoded.instruction.template(
            decoded.statics, problem_state=problem_state, isa=self.isa
        )
        wide, small = slots(template, word)
        stays = isinstance(template.end, Branch) and (within + wide & M64) < PAGE
        names = row.near if stays else row.far
        return names[layout.is_little_endian(mode)], wide, small, word


def slots(template, word):
    """Evaluate the slots of an instruction word, with ``Operand.decode`` and the IR's own rules."""
    values = {}
    for number, op in enumerate(template.ops):
        match op:
            case Const(_, value):
                values[number] = value
            case Immediate(width, operand):
                values[number] = operand.decode(word) & ones(width)
            case Pure(_, _, args) if values.keys() >= set(args):
                values[number] = fold(op, [values[arg] for arg in args])
    planned = plan(template)
    small = [values[s] if isinstance(s, int) else place(s, word) for s in planned.small]
    wide = 0 if planned.wide is None else values[planned.wide]
    return wide, (*small, *[0] * (4 - len(small)))


def place(register, word):
    return register.cell.at(register.element_for(register.operand.decode(word)))


@pytest.fixture(scope="module")
def compiled():
    source = InterpreterSource()
    return source, codegen.compile_handlers(source.text())


@pytest.fixture(params=Isa)
def decoder(request, compiled):
    """The decoder of a guest whose processors implement a version of the ISA."""
    return Decoder(*compiled, request.param)


def of_variants(random):
    """Yield a word of every variant of every instruction, its other fields at random."""
    for instruction in INSTRUCTIONS:
        for statics in instruction.variants():
            word = random.getrandbits(32)
            for operand, value in zip(instruction.statics, statics, strict=True):
                word = word & ~operand.encode(ones(operand.width)) | operand.encode(value)
            yield word & ~instruction.form.mask | instruction.form.match


def of_vectors():
    with gzip.open(VECTORS, "rt") as lines:
        vectors = [json.loads(line) for line in lines]
    return sorted({int(vector["insn"], 16) for vector in vectors})


def of_any_kind(random, count):
    """Yield random words, most with a primary opcode that many instructions share."""
    for opcode in (random.choice((4, 19, 30, 31, 59, 60, 63, None)) for _ in range(count)):
        word = random.getrandbits(32)
        yield word if opcode is None else word & ones(26) | opcode << 26


def differences(decoder, words):
    found = []
    for start in range(0, len(words), WORDS):
        page = words[start : start + WORDS]
        for mode in MODES:
            for number, got in enumerate(decoder.records(page, mode)):
                wanted = decoder.expected(page[number], mode, 4 * number)
                if got != wanted:
                    found.append((hex(page[number]), mode, got, wanted))
            decoder.guest.make_room(AT)
    return found


def test_every_variant_of_every_instruction_is_decoded(decoder):
    words = list(of_variants(Random(1)))

    assert differences(decoder, words) == []


def test_the_words_of_the_vectors_are_decoded(decoder):
    words = of_vectors()

    assert len(words) > 1000
    assert differences(decoder, words) == []


def test_words_at_random_are_decoded(decoder):
    assert differences(decoder, list(of_any_kind(Random(2), 2 * WORDS))) == []


@pytest.mark.slow
def test_many_words_at_random_are_decoded(decoder):
    assert differences(decoder, list(of_any_kind(Random(3), 64 * WORDS))) == []


def test_lines_that_records_are_derived_from_are_marked(decoder):
    decoder.memory.code[:] = bytes(len(decoder.memory.code))

    list(decoder.records([0x60000000] * 33, 0))

    line = AT // CODE_LINE
    assert decoder.memory.code[line - 1] == CODE_NATIVE_NEXT
    assert decoder.memory.code[line] == CODE_NATIVE | CODE_NATIVE_NEXT
    assert decoder.memory.code[line + 1] == CODE_NATIVE
    assert not decoder.memory.code[line + 2]
