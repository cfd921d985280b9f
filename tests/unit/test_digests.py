"""The digests that files are known by."""

import hashlib

from papvmm.digests import SIZE, sha256


def test_a_digest_is_that_of_the_standard():
    digest = sha256(b"a")
    digest.update(b"bc")

    assert digest.hexdigest() == (  # FIPS 180-2, B.1
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert digest.digest() == hashlib.sha256(b"abc").digest()
    assert len(digest.digest()) == SIZE
