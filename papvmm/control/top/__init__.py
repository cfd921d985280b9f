"""``papvmm top``: a running guest on one screen."""
