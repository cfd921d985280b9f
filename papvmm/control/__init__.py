"""Steering a running machine from outside: QMP, saving and restoring."""
