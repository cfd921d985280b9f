"""Scalar floating point in exact integers: what every engine falls back to."""
