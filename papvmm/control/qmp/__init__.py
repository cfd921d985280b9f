"""QMP, QEMU's machine protocol: the control socket that management tools know."""
