"""What a guest sees of the outside: console, clock."""
