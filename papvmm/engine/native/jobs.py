"""Doing a compiler's jobs, wherever that is: the only caller of LLVM."""

from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from papvmm.engine.native.interpretation import pack
from papvmm.engine.native.region_job import REGION
from papvmm.engine.native.starter import EVERYTHING
from papvmm.engine.native.translation import kept_as, translate
from papvmm.engine.native.workshop import INTERPRETER, STARTER, Job


def get_ready() -> None:
    """Do what takes its time before the first job; if that fails, so will the job."""
    with suppress(ImportError):
        import_module("papvmm.engine.native.codegen")


def whole_interpreter(processor: str = "") -> bytes:
    """Return an interpreter for a kind of processor, by LLVM's name, or for the host's.

    Raises ImportError where there is no llvmlite.
    """
    from papvmm.engine.native import codegen  # noqa: PLC0415 - who only asks needs no LLVM
    from papvmm.engine.native.interpreter import InterpreterSource  # noqa: PLC0415 - nor this

    code = codegen.compile_handlers(InterpreterSource().text(), processor)
    return pack(code.text, code.offsets)


def starter(request: bytes) -> bytes:
    """Return an interpreter of what a request asks for, made in a hurry."""
    from papvmm.engine.native import codegen  # noqa: PLC0415 - who only asks needs no LLVM
    from papvmm.engine.native.interpreter import InterpreterSource  # noqa: PLC0415 - nor this
    from papvmm.engine.native.variants import needed  # noqa: PLC0415

    variants = None if request == EVERYTHING else needed(request)
    code = codegen.compile_soon(InterpreterSource(variants).text())
    return pack(code.text, code.offsets)


def names(job: Job, content: bytes) -> Sequence[str]:
    """Return the names to keep under what came of a job."""
    return kept_as(content) if job.kind == REGION else [job.name] if job.name else []


def perform(job: Job) -> bytes:
    """Do a job and return what came of it; raises ``CodegenFailed`` if LLVM refuses.

    Raises ImportError where there is no llvmlite.
    """
    from papvmm.engine.native import codegen  # noqa: PLC0415 - who only asks needs no LLVM

    match job.kind:
        case INTERPRETER.kind:
            return whole_interpreter()
        case kind if kind == STARTER:
            return starter(job.request)
        case kind if kind == REGION:
            return translate(job.request, codegen.compile_regions)
        case _:
            raise ValueError(f"there is no job {job.kind!r}")
