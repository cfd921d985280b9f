"""Recordings: a directory from which a guest's run can be done again, exactly."""
