"""Live migration: a guest goes to another process, or to a file, while it runs."""
