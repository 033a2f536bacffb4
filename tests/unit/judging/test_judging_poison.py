from __future__ import annotations

from bridge.judging.poison import KEPT, Poison


async def test_only_the_very_picture_is_poison() -> None:
    """Not one of the same size, nor one that begins alike."""
    poison = Poison()
    await poison.add([b"abc"])
    assert [await poison.has(one) for one in (b"abc", b"abd", b"abcd", b"")] == [True, False, False, False]


async def test_the_latest_are_remembered_and_the_memory_is_bounded() -> None:
    poison = Poison()
    await poison.add([str(number).encode() for number in range(KEPT + 10)])
    assert not await poison.has(b"9")
    assert await poison.has(b"10")
    assert await poison.has(str(KEPT + 9).encode())


async def test_one_that_comes_again_is_the_latest() -> None:
    """It does not give way before others that were seen once."""
    poison = Poison()
    await poison.add([b"again"])
    await poison.add([str(number).encode() for number in range(KEPT - 1)])
    await poison.add([b"again", b"new"])
    assert await poison.has(b"again")
