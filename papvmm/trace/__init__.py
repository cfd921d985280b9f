"""What can be observed: typed events, and the hub that hands them to listeners."""
