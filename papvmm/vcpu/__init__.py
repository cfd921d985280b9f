"""A virtual processor: its engine, its areas and its run-state."""
