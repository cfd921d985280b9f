"""From an ELF image to guest RAM, with the device tree beside it."""
