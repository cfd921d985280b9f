"""Metrics for those who collect them: over HTTP, or in a file."""
