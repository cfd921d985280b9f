"""What the benchmark guests compute in a unit of work, as recorded on QEMU 7.2."""

CHECKSUMS = {
    "fib": "fff4a85b2871311e",
    "sieve": "92382ca8e1d83b27",
}
