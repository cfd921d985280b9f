"""The command line: arguments, exit codes, the event loop."""
