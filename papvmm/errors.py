"""Exceptions that cross room boundaries."""


class PapvmmError(Exception):
    """Base of every error papvmm raises on purpose."""


class BadInput(PapvmmError):
    """A file or message that papvmm was given can't be used; the text is one clear line."""


class BadUsage(PapvmmError):
    """What was asked for can't be had; the text is one clear line."""


class HostCrash(PapvmmError):
    """The hypervisor itself crashed, as KVM did before v3.7 when a VPA was unregistered."""
