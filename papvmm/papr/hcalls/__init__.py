"""Hypercall handlers, one module for each PAPR function set."""
