"""The human monitor: commands as people type them at QEMU's, and answers as QEMU prints them."""
