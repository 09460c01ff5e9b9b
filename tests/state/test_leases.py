"""Leases: never two valid ones, tokens that only grow, dead holders released, loss noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.spec.errors import FenceLost, LockHeld
from headgate.state import State, open_state
from headgate.state.leases import Lease
from headgate.state.process import Process, this_process

TTL = 10.0
moves = st.tuples(st.sampled_from(("acquire", "renew", "release", "wait", "die")), st.integers(0, 2), st.integers(1, 12))


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A state database whose clock a test moves: `state.clock[0]` seconds."""
    state = open_state(f"sqlite:///{tmp_path_factory.mktemp('leases')}/state.db")
    clock = [1_000_000.0]
    state._database.now = lambda connection: clock[0]  # type: ignore[method-assign]
    state.clock = clock  # type: ignore[attr-defined]
    return state


_names = iter(range(1_000_000))


@settings(max_examples=150, deadline=None)
@given(plan=st.lists(moves, max_size=25))
def test_random_interleavings_never_give_two_valid_leases(clocked: State, plan: list[tuple[str, int, int]]) -> None:
    name = f"x{next(_names)}"
    clock: list[float] = clocked.clock  # type: ignore[attr-defined]
    held: dict[int, Lease] = {}
    owner: int | None = None  # the oracle: who holds it, until when
    until, tokens = 0.0, [0]
    gone = Process(this_process().host, 2**22 + 1)  # above every pid that Linux gives
    for move, who, seconds in plan:
        if move == "wait":
            clock[0] += seconds
        elif move in ("acquire", "die"):
            free = owner is None or clock[0] >= until
            lease = clocked.acquire(name, f"h{who}", TTL, process=gone if move == "die" else None)
            assert (lease is not None) == free
            if lease is not None:
                assert lease.token > tokens[-1]
                tokens.append(lease.token)
                held[who] = lease
                owner, until = (who, clock[0] + TTL) if move == "acquire" else (None, 0.0)
        elif who in held:
            newest = held[who].token == tokens[-1] and clocked.leases(name) is not None
            if move == "renew":
                if newest and owner == who:
                    held[who] = clocked.renew(held[who])
                    until = clock[0] + TTL
                elif held[who].token != tokens[-1]:
                    with pytest.raises(FenceLost):
                        clocked.renew(held[who])
            elif clocked.release(held.pop(who)) and owner == who:
                owner = None
        now = clocked.holder(name)
        assert (now.holder if now else None) == (f"h{owner}" if owner is not None and clock[0] < until else None)


def test_tokens_outlive_their_holders(state: State, state_url: str) -> None:
    first = state.acquire("lake", "a", 30)
    assert first is not None and first.token == 1
    assert state.acquire("lake", "b", 30) is None
    assert state.release(first)
    assert not state.release(first)
    with open_state(state_url) as other:
        second = other.acquire("lake", "b", 30)
    assert second is not None and second.token == 2
    with pytest.raises(FenceLost, match="token 2 was given to b"):
        state.renew(first)
    third = state.acquire("other", "c", 30, above=41)
    assert third is not None and third.token == 42
    assert [(lease.name, lease.holder) for lease in state.leases()] == [("lake", "b"), ("other", "c")]


def test_a_lapsed_lease_is_taken_over_by_the_databases_clock(state: State) -> None:
    lease = state.acquire("x", "a", 0.05)
    time.sleep(0.1)
    assert lease is not None and state.holder("x") is None
    assert state.renew(lease).token == lease.token  # nobody took it: it is still the newest
    time.sleep(0.1)
    assert state.acquire("x", "b", 30) is not None


def test_waiting_names_the_holder(state: State) -> None:
    state.acquire("run:dev", "run 7", 30)
    with pytest.raises(LockHeld, match="'run:dev' is held by run 7"):
        state.take("run:dev", "run 8", 30, wait_seconds=0.1)
    state.acquire("y", "a", 0.2)
    assert state.take("y", "b", 30, wait_seconds=5).token == 2


TAKE = """
import sys, time
from headgate.state import open_state
lease = open_state(sys.argv[1]).acquire("x", "victim", 3600)
print(lease.token, flush=True)
time.sleep(60)
"""


def test_a_killed_holder_is_released_at_once(state: State, state_url: str) -> None:
    victim = subprocess.Popen([sys.executable, "-c", TAKE, state_url], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None and victim.stdout.readline() == "1\n"
    assert state.acquire("x", "next", 30) is None
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    lease = state.acquire("x", "next", 30)
    assert lease is not None and lease.token == 2


def test_a_process_is_dead_only_when_that_is_certain() -> None:
    me = this_process()
    assert not me.dead
    assert Process(me.host, me.pid, "1").dead  # the pid was given again
    assert not Process("elsewhere", 2**22 + 1).dead
    assert not Process(me.host, 1).dead


RACE = """
import sys
from headgate.state import open_state
with open_state(sys.argv[1]) as state:
    for _ in range(12):
        lease = state.take("race", "p", 30, wait_seconds=60)
        path = sys.argv[2]
        seen = open(path).read()
        open(path, "w").write(seen + str(lease.token) + "\\n")
        state.release(lease)
"""


def test_processes_in_a_race(state: State, state_url: str) -> None:
    """What is read and written under the lease is never torn, and the tokens come in order."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "seen"
        path.write_text("")
        racing = [subprocess.Popen([sys.executable, "-c", RACE, state_url, str(path)]) for _ in range(3)]
        assert [process.wait(timeout=60) for process in racing] == [0, 0, 0]
        assert [int(line) for line in path.read_text().split()] == list(range(1, 37))


def test_the_keeper_renews_and_releases(state: State) -> None:
    lease = state.acquire("x", "a", 0.3)
    assert lease is not None
    with state.keep(lease) as keeper:
        time.sleep(0.7)
        keeper.check()
        assert state.holder("x") is not None
    assert state.holder("x") is None


def test_the_keeper_notices_a_loss(state: State) -> None:
    lease = state.acquire("x", "a", 0.3)
    assert lease is not None
    with state.keep(lease) as keeper:
        state.release(lease)
        assert state.acquire("x", "b", 30) is not None
        deadline = time.monotonic() + 5
        while not keeper.lost and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(FenceLost):
            keeper.check()
    other = state.holder("x")
    assert other is not None and other.holder == "b"


def test_a_keeper_that_cannot_renew_counts_as_lost(sqlite_url: str) -> None:
    with open_state(sqlite_url) as state:
        lease = state.acquire("x", "a", 0.2)
        assert lease is not None
        keeper = state.keep(lease)  # not entered: nothing renews
        time.sleep(0.25)
        with pytest.raises(FenceLost, match="could not be renewed"):
            keeper.check()
