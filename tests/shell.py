"""papvmm as a shell runs it."""

import subprocess
import sys
from importlib.resources import files

IMAGES = files("papvmm").joinpath("images")
PAPVMM = (sys.executable, "-m", "papvmm")


def papvmm(*args, **options):
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60} | options
    return subprocess.run((*PAPVMM, *map(str, args)), check=False, **options)


def running(*args, **options):
    """Start a guest that never ends, and wait for its first line."""
    command = (*PAPVMM, "run", *map(str, args))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Unbuffered: communicate() leaves out what readline() has read beyond its line.
    process = subprocess.Popen(command, bufsize=0, **pipes, **options)
    process.stdout.readline()
    return process
