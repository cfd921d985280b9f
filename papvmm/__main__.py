"""``python -m papvmm``."""

from papvmm.cli.main import main

main()
