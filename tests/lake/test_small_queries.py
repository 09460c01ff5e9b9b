"""Many small queries run one a thread; large ones keep all the threads there are."""

from __future__ import annotations

import threading

from lake_bench import Bench


def _threads(bench: Bench) -> int:
    return int(bench.rows("SELECT current_setting('threads')")[0][0])


def test_the_setting_lasts_as_long_as_anybody_needs_it(sqlite_bench: Bench) -> None:
    before = _threads(sqlite_bench)
    seen: list[int] = []
    with sqlite_bench.lake.one_thread_a_query():
        with sqlite_bench.lake.one_thread_a_query():
            seen.append(_threads(sqlite_bench))
        seen.append(_threads(sqlite_bench))
    assert seen == [1, 1] and _threads(sqlite_bench) == before


def test_queries_beside_the_change_of_threads_answer_right(sqlite_bench: Bench) -> None:
    before, stop, wrong = _threads(sqlite_bench), threading.Event(), []

    def ask() -> None:
        cursor = sqlite_bench.lake.cursor()
        while not stop.is_set():
            found = cursor.execute("SELECT count(DISTINCT i % 1000), sum(i) FROM range(300000) t(i)").fetchone()
            if found != (1000, 44999850000):
                wrong.append(found)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for _ in range(60):
        with sqlite_bench.lake.one_thread_a_query():
            sqlite_bench.rows("SELECT count(*) FROM range(1000)")
    stop.set()
    for asker in askers:
        asker.join()
    assert not wrong and _threads(sqlite_bench) == before
