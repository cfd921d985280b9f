"""The guest's door: hypercalls, RTAS and the device tree, as PAPR has them."""
