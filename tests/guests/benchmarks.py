"""What the benchmark guests compute in a unit of work, as recorded on QEMU 7.2."""

CHECKSUMS = {
    "fib": "fff4a85b2871311e",
    "sieve": "92382ca8e1d83b27",
    "sort": "f7cb656f3864e236",
    "matmul": "1cc1358d44003d92",
    "memops": "eccb62ed3dbcdd87",
    "crc32": "0000000027073975",
    "branchy": "ebef200503ded387",
    "indirect": "f721ec537e08c0b5",
    "chase": "79c2fd4318ec5d02",
    "interp": "301056f8aa947458",
    "bigcode": "1ccc5bc659cdd52c",
    "hardfloat": "7c2088f590606e09",
    "chasefar": "714f9bc73edfe7ad",
    "codedata": "8e7c977febefb28c",
    "datafar": "8e7c977febefb28c",
    "coldcode": "16f8effe294f4a21",
    "hcall": "f4522142f0c2b05a",
    "scrfid": "08b37c997f6f56c1",
    "smc": "1fdd05960bee4de0",
}
