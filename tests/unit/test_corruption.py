"""Two witnesses of a corruption: what the hypervisor stored, and what the kernel found."""

import re
from dataclasses import replace

from papvmm.observe.corruption import by_field, changed_words, corruption_in
from papvmm.observe.record import Line, RunRecord, Spot
from papvmm.trace.events import HvWrite
from tests.played_reboot import BASE, STRIDE, played_reboot

KEEP = played_reboot(keep=True)
UNREGISTER = played_reboot(keep=False)


def saying(record: RunRecord, *lines: str) -> RunRecord:
    return replace(record, console=tuple(Line(record.end, line) for line in lines))


def test_the_fields_hit_are_those_of_the_causal_chain_at_their_places_in_the_areas():
    fields = [
        (re.sub(r"\d+", "N", hits.name), hits.gpa - BASE - STRIDE * hits.write.vcpu_id)
        for hits in by_field(corruption_in(KEEP).hits)
        if hits.write.area == "VPA"
    ]

    assert fields == 2 * [
        ("lppaca.yield_count", 0x100),
        ("lppaca.enqueue_dispatch_tb", 0x158),
        ("lppaca.dtl_idx", 0x218),
    ]


def test_every_entry_after_the_tables_were_laid_adds_48_bytes_to_the_old_log():
    logs = [hits for hits in by_field(corruption_in(KEEP).hits) if hits.write.area == "DTL"]

    assert [len(log.spots) for log in logs] == [10, 10]
    assert all(len(spot.now) == 48 for log in logs for spot in log.spots)
    for log in logs:
        places = [spot.first.gpa for spot in log.spots]
        assert places == list(range(log.gpa, log.gpa + 480, 48))


def test_the_yield_count_drifts_by_two_a_round_trip():
    hit = corruption_in(KEEP).hits[0]

    drift = int.from_bytes(hit.now, "big") - int.from_bytes(hit.first.old, "big")

    assert (drift, hit.count) == (20, 20)


def test_both_witnesses_agree_on_a_corruption_and_on_none():
    corrupted, clean = corruption_in(KEEP), corruption_in(UNREGISTER)

    assert corrupted.corrupted
    assert corrupted.agreed
    assert not clean.corrupted
    assert clean.agreed
    assert clean.gpas == ()


def test_a_kernel_that_finds_another_number_of_words_contradicts_the_stores():
    corruption = corruption_in(saying(KEEP, "kernel B: 3 words changed"))

    assert not corruption.agreed


def test_a_kernel_that_finds_a_word_nobody_stored_to_contradicts_the_stores():
    words = len(corruption_in(KEEP).gpas)
    record = saying(
        KEEP,
        "kernel B: 0x600000: expected c000000000000186, found 0000000000000000 in round 1",
        f"kernel B: {words} words changed",
    )

    assert not corruption_in(record).agreed


def test_an_intact_memory_contradicts_hits_and_silence_is_no_agreement():
    denied = corruption_in(saying(KEEP, "kernel B: memory intact"))
    silent = corruption_in(saying(KEEP, "kernel B: 2 cpus"))

    assert denied.corrupted
    assert not denied.agreed
    assert silent.testimony is None
    assert not silent.agreed


def foreign_spot(old: bytes, new: bytes) -> Spot:
    write = HvWrite(0x100, old, new, "enter", "DTL", "dtl[0]", 0, 1, 5, None)
    return Spot(write, write, foreign=True, now=new)


def test_a_foreign_store_of_the_same_bytes_is_no_hit():
    record = replace(KEEP, spots=(foreign_spot(bytes(8), bytes(8)),))

    assert corruption_in(record).hits == ()


def test_a_hit_changes_the_words_in_which_a_byte_differs_and_no_others():
    spot = foreign_spot(bytes(24), bytes(8) + b"\1" + bytes(15))

    assert changed_words(spot) == (0x108,)


def test_hits_after_the_kernel_has_looked_are_late():
    first = corruption_in(KEEP).first
    assert first is not None
    looked = first.first.icount + 1
    record = replace(KEEP, console=(Line(looked, "kernel B: 1 words changed"),))

    corruption = corruption_in(record)

    assert all(hit.first.icount < looked for hit in corruption.hits)
    assert all(hit.first.icount >= looked for hit in corruption.late)
    assert len(corruption.hits) + len(corruption.late) == 26
