"""The native engine: guest code as host code, made by LLVM from the same descriptions."""
