from gateway.exchange import Identity
from gateway.jose.believed import Believed
from gateway.jose.verify import Verified


def verified(mark="m"):
    return Verified(Identity("ada", "jwt"), 0.0, mark)


def test_memory_is_bounded_by_entries():
    believed = Believed(entries=10)
    for number in range(1000):
        believed.add(b"%d" % number, verified())
    assert len(believed) <= 10
    assert b"999" in believed.recent


def test_memory_is_bounded_by_bytes():
    believed = Believed(room=1000)
    for number in range(100):
        believed.add(b"%0100d" % number, verified())
    assert len(believed) <= 11


def test_what_is_asked_for_outlives_what_is_not():
    believed = Believed(entries=10)
    wanted = verified()
    believed.add(b"wanted", wanted)
    for number in range(100):
        believed.add(b"%d" % number, verified())
        if b"wanted" not in believed.recent:
            assert believed.recall(b"wanted") is wanted
            believed.add(b"wanted", wanted)
    assert believed.recall(b"0") is None


def test_what_another_key_signed_is_forgotten_in_both_halves():
    believed = Believed(entries=4)
    for number in range(4):
        believed.add(b"%d" % number, verified("old" if number % 2 else "new"))
    believed.keep_only({"new"})
    assert believed.recall(b"1") is None
    assert believed.recall(b"0") is not None
    assert set(believed.recent) == {b"2"}
