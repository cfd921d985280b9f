"""From effective to real addresses."""
