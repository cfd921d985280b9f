"""Saved guests: a directory that carries a running guest into another process, or another day."""
