"""The gdb remote protocol: a debugger looks at a guest, steers it, and goes back in its time."""
