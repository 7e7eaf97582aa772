from gateway.exchange import Identity
from gateway.jose.believed import Believed
from gateway.jose.verify import Verified


def verified(mark="m"):
    return Verified(Identity("ada", "jwt"), 0.0, mark)


def test_memory_is_bounded_by_entries():
    believed = Believed(entries=10)
    for number in range(1000):
        believed.add(str(number), verified())
    assert len(believed) <= 10
    assert "999" in believed.recent


def test_memory_is_bounded_by_characters():
    believed = Believed(characters=1000)
    for number in range(100):
        believed.add(f"{number:0100}", verified())
    assert len(believed) <= 11


def test_what_is_asked_for_outlives_what_is_not():
    believed = Believed(entries=10)
    wanted = verified()
    believed.add("wanted", wanted)
    for number in range(100):
        believed.add(str(number), verified())
        if "wanted" not in believed.recent:
            assert believed.recall("wanted") is wanted
            believed.add("wanted", wanted)
    assert believed.recall("0") is None


def test_what_another_key_signed_is_forgotten_in_both_halves():
    believed = Believed(entries=4)
    for number in range(4):
        believed.add(str(number), verified("old" if number % 2 else "new"))
    believed.keep_only({"new"})
    assert believed.recall("1") is None
    assert believed.recall("0") is not None
    assert set(believed.recent) == {"2"}
