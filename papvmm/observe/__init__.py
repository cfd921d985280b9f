"""What people look at: reports and pictures of a run."""
