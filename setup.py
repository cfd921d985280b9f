"""What pyproject.toml can't say: the native engine's interpreter is compiled at installation."""

import os
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class BuildWithInterpreter(build_py):
    """Builds the package, and puts the interpreter into it where there is an LLVM for that."""

    def run(self) -> None:
        """Build."""
        super().run()
        sys.path.insert(0, str(HERE))
        from papvmm.engine.native.jobs import whole_interpreter  # noqa: PLC0415 - not before now
        from papvmm.machine.shipped import MACHINE, PROCESSOR, ship  # noqa: PLC0415

        if os.uname().machine != MACHINE:
            return
        package = (HERE if self.editable_mode else Path(self.build_lib)) / "papvmm"
        try:
            ship(whole_interpreter(PROCESSOR), str(package))
        except ImportError as error:
            self.warn(f"the first run of a guest will compile its interpreter: {error}")


setup(cmdclass={"build_py": BuildWithInterpreter})
