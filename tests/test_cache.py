"""The cache of steps: found by content, computed once, never believed when damaged, never lost when killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.cache import Cache, NotCachedError, Output, code_hash
from harness.cache.entry import NOTE
from harness.cache.eviction import shrink, stored_entries
from harness.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


def square(number: int) -> Output:
    return Output({"square": number**2}, {"square.txt": f"{number**2}\n".encode() * 500})


def never() -> Output:
    raise AssertionError("computed again")


def test_a_step_is_computed_once_and_found_by_other_processes_by_its_inputs(tmp_path: Path) -> None:
    first = Cache(tmp_path).get("square", {"number": 3, "code": "1"}, lambda: square(3))
    assert first.fresh
    again = Cache(tmp_path).get("square", {"code": "1", "number": 3}, never)
    assert (again.values, again.fresh, again.content) == ({"square": 9}, False, first.content)
    assert again.read("square.txt") == first.read("square.txt")
    assert Cache(tmp_path).get("square", {"number": 3, "code": "2"}, lambda: square(3)).fresh


def test_equal_results_of_different_inputs_have_equal_contents(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    contents = [cache.get("square", {"number": number}, lambda n=number: square(n)).content for number in (-2, 2, 3)]
    assert contents[0] == contents[1] != contents[2]


def test_what_fails_is_not_stored_and_the_next_one_computes(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(ZeroDivisionError):
        cache.get("square", {}, lambda: Output({"never": 1 // 0}))
    assert cache.get("square", {}, lambda: square(2)).fresh


def damage_note(folder: Path) -> None:
    text = (folder / NOTE).read_text()
    (folder / NOTE).write_text(text.replace('"square": 9', '"square": 8'))


DAMAGES = {
    "a bit of a file": lambda folder: (folder / "square.txt").write_bytes(
        b"8" + (folder / "square.txt").read_bytes()[1:]
    ),
    "a file cut short": lambda folder: os.truncate(folder / "square.txt", 7),
    "a missing file": lambda folder: (folder / "square.txt").unlink(),
    "a file that cannot be run any more": lambda folder: (folder / "square.txt").chmod(0o755),
    "a value": damage_note,
    "a note cut short": lambda folder: os.truncate(folder / NOTE, 100),
    "an empty note": lambda folder: os.truncate(folder / NOTE, 0),
    "a note of random bytes": lambda folder: (folder / NOTE).write_bytes(bytes(range(128, 256))),
    "a missing note": lambda folder: (folder / NOTE).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_not_believed_and_made_anew(tmp_path: Path, damage) -> None:
    folder = Cache(tmp_path).get("square", {"number": 3}, lambda: square(3)).folder
    damage(folder)
    assert Cache(tmp_path).find("square", {"number": 3}) is None
    mended = Cache(tmp_path).get("square", {"number": 3}, lambda: square(3))
    assert mended.fresh
    assert Cache(tmp_path).get("square", {"number": 3}, never).read("square.txt") == b"9\n" * 500


def test_threads_that_want_the_same_step_wait_for_the_first(tmp_path: Path) -> None:
    caches, computed = [Cache(tmp_path) for _ in range(4)], []

    def slow() -> Output:
        computed.append(1)
        time.sleep(0.1)
        return square(5)

    def ask(cache: Cache) -> None:
        assert cache.get("square", {"number": 5}, slow).values == {"square": 25}

    threads = [threading.Thread(target=ask, args=(cache,)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed == [1]


def test_a_cache_asked_for_what_it_has_computes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotCachedError):
        Cache(tmp_path, only_stored=True).get("square", {}, never)


def test_a_fresh_cache_counts_only_what_its_own_suite_made(tmp_path: Path) -> None:
    Cache(tmp_path).get("square", {}, lambda: square(2))
    assert Cache(tmp_path, fresh=True, maker="suite").get("square", {}, lambda: square(2)).fresh
    assert not Cache(tmp_path, fresh=True, maker="suite").get("square", {}, never).fresh
    assert not Cache(tmp_path).get("square", {}, never).fresh


def test_the_oldest_in_use_go_first_and_nothing_goes_while_another_uses_the_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(4):
        entry = cache.get("square", {"number": number}, lambda n=number: square(n))
        os.utime(entry.folder / NOTE, (number, number))
    Cache(tmp_path).get("square", {"number": 0}, never)  # used just now
    size = stored_entries(cache)[0].size_bytes
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, env=environment())
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"using\n"
        assert shrink(cache, 0) is None
    finally:
        other.kill()
        other.communicate()
    (tmp_path / "half-written" / "of-a-killed-process").mkdir(parents=True, exist_ok=True)
    removed = shrink(cache, 2 * size + size // 2)
    assert removed is not None
    assert len(removed) == 2
    assert [number for number in range(4) if cache.find("square", {"number": number})] == [0, 3]
    assert not (tmp_path / "half-written").exists()


def test_a_limit_that_is_no_size_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.cache.eviction import limit_bytes

    monkeypatch.setenv("HARNESS_CACHE_LIMIT", "much")
    with pytest.raises(InputError, match=r"HARNESS_CACHE_LIMIT: 'much' is no size"):
        limit_bytes()


def test_the_code_of_a_step_is_part_of_its_key_and_has_to_exist() -> None:
    assert code_hash("cost") != code_hash("cost", "trace")
    assert code_hash("cost", "trace") == code_hash("trace", "cost")
    with pytest.raises(FileNotFoundError):
        code_hash("no-such-part")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


HOLD = """
import sys
from pathlib import Path
from harness.cache import Cache

cache = Cache(Path(sys.argv[1]))
print("using", flush=True)
sys.stdin.read()
"""

WORK = """
import sys
from pathlib import Path
from harness.cache import Cache, Output

cache, numbers = Cache(Path(sys.argv[1])), range(int(sys.argv[2]))
print("ready", flush=True)
for number in numbers:
    made = cache.get("step", {"number": number}, lambda: Output({"n": number}, {"data": bytes([number]) * 60_000}))
    assert made.values == {"n": number} and made.read("data") == bytes([number]) * 60_000
    print(number, flush=True)
"""


def survive(folder: Path, kills: int, steps: int) -> int:
    """Kill two processes that fill one cache `kills` times at random points; return how many steps had been told."""
    chance = random.Random(1)
    told: set[int] = set()
    for _ in range(kills):
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORK, str(folder), str(steps)], stdout=subprocess.PIPE, env=environment()
            )
            for _ in range(2)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.01))
        for worker in workers:
            worker.kill()
        for worker in workers:
            output, _ = worker.communicate()
            told |= {int(line) for line in output.split(b"\n")[:-1]}
        for number in told:
            entry = Cache(folder).find("step", {"number": number})
            assert entry is not None, f"step {number} had been finished and is lost"
            assert entry.read("data") == bytes([number]) * 60_000
    return len(told)


def test_nothing_finished_is_lost_and_nothing_half_written_believed_when_processes_are_killed(tmp_path: Path) -> None:
    assert survive(tmp_path, kills=12, steps=200) > 0
    finished = subprocess.run(
        [sys.executable, "-c", WORK, str(tmp_path), "200"],
        capture_output=True,
        env=environment(),
        timeout=60,
        check=True,
    )
    assert len(finished.stdout.splitlines()) == 201


@pytest.mark.long
def test_the_same_over_hundreds_of_kills(tmp_path: Path) -> None:
    assert survive(tmp_path, kills=400, steps=250) > 0


def test_the_note_of_an_entry_says_what_it_depends_on(tmp_path: Path) -> None:
    entry = Cache(tmp_path).get("square", {"number": 3}, lambda: square(3))
    note = json.loads((entry.folder / NOTE).read_text().partition("\n")[2])
    assert (note["step"], note["inputs"], note["values"]) == ("square", {"number": 3}, {"square": 9})
