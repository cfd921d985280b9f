"""LLVM text to machine code: the one file that knows llvmlite."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import llvmlite
import llvmlite.binding as llvm

from papvmm.engine.native.machine_code import MachineCode, machine_code
from papvmm.engine.native.software_fma import FUNCTION, software_fma
from papvmm.engine.native.text import FMA, FMA_DECLARATION

VERSION: Final[str] = llvmlite.__version__

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

HAS_FMA: Final = llvm.get_host_cpu_features().get("fma", True)
"""x86-64 processors before 2013, and some small ones since, have none; others name no feature."""


class CodegenFailed(Exception):
    """LLVM refused a module."""


def compile_handlers(text: str, processor: str = "") -> MachineCode:
    """Compile the interpreter: no loops, hardly any blocks, so no passes pay.

    It is for a kind of processor, by LLVM's name, or for the host's.
    """
    return _compile_plainly(text, 2, processor)


def compile_soon(text: str) -> MachineCode:
    """Compile an interpreter in a third of the time; it takes a quarter longer to run."""
    return _compile_plainly(text, 0)


def compile_regions(text: str) -> MachineCode:
    """Compile regions with few passes.

    LLVM's first level of them takes half as long again, makes code that is no faster, and keeps
    100 KiB of memory for each region (llvmlite 0.50).
    """
    with _failures():
        machine, module = _target_machine(), llvm.parse_assembly(_for_host(text))
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.add_jump_threading_pass()
        passes.add_simplify_cfg_pass()
        passes.add_dead_store_elimination_pass()
        tuning = llvm.create_pipeline_tuning_options(1)
        passes.run(module, llvm.create_pass_builder(machine, tuning))
        return machine_code(machine.emit_object(module))


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise CodegenFailed(str(error)) from error


def _for_host(text: str) -> str:
    """Return text that needs no function of a library: LLVM would call one for what is missing."""
    if HAS_FMA or text.count(f"{FMA}(") == 1:
        return text
    return text.replace(FMA_DECLARATION, software_fma()).replace(FMA, FUNCTION)


def _compile_plainly(text: str, level: int, processor: str = "") -> MachineCode:
    with _failures():
        module = llvm.parse_assembly(text if processor else _for_host(text))
        return machine_code(_target_machine(level, processor).emit_object(module))


def _target_machine(level: int = 2, processor: str = "") -> llvm.TargetMachine:
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=processor or llvm.get_host_cpu_name(),
        features="" if processor else llvm.get_host_cpu_features().flatten(),
        opt=level,
        reloc="pic",
        codemodel="small",
        jit=True,
    )
