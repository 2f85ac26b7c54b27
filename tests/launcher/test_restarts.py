"""When a worker is started again: histories from a table, without a real clock or chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.launcher.restarts import SLOW_AFTER, Decision, Restarts
from appsvc_runtime.system.process import exit_code

NEVER = 0.0  # chance shortens no pause
ALWAYS = 1.0  # chance shortens pauses as much as possible


def pauses(restarts: Restarts, runs: list[tuple[float, int]]) -> list[float | None]:
    """Return the pause after each run, rounded as in the table."""
    found = [restarts.after(seconds, code).pause for seconds, code in runs]
    return [None if pause is None else round(pause, 3) for pause in found]


CRASH = (0.0, 1)
LASTED = (10.0, 1)
DOUBLING = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]


@pytest.mark.parametrize(
    ("options", "runs", "expected"),
    [
        pytest.param({}, [CRASH] * 12, DOUBLING, id="crash-loop-doubles-to-a-minute"),
        pytest.param({}, [(0.0, 0)] * 4, DOUBLING[:4], id="short-runs-that-went-well-too"),
        pytest.param({}, [(9.99, 0)] * 2, DOUBLING[:2], id="just-too-short"),
        pytest.param({}, [LASTED] * 3, [0.0] * 3, id="at-once-after-a-good-run"),
        pytest.param(
            {}, [CRASH, CRASH, LASTED, CRASH], [0.1, 0.2, 0.0, 0.1], id="a-good-run-forgets"
        ),
        pytest.param({}, [(0.0, -9)] * 2, DOUBLING[:2], id="signals-count-as-failures"),
        pytest.param(
            {"healthy_after": 0.5}, [(0.5, 1), (0.4, 1)], [0.0, 0.1], id="healthy-after-as-given"
        ),
        pytest.param({"healthy_after": 0.0}, [CRASH] * 3, [0.0] * 3, id="healthy-at-once"),
        pytest.param({"mode": "never"}, [CRASH], [None], id="never"),
        pytest.param({"mode": "never"}, [LASTED], [None], id="never-after-a-good-run"),
        pytest.param(
            {"mode": "on-failure"}, [CRASH, (0.0, 0)], [0.1, None], id="on-failure-ends-with-0"
        ),
        pytest.param({"mode": "on-failure"}, [(20.0, 0)], [None], id="on-failure-good-run-0"),
        pytest.param({"mode": "on-failure"}, [LASTED], [0.0], id="on-failure-good-run-1"),
        pytest.param({"give_up_after": 1}, [CRASH], [None], id="give-up-after-1"),
        pytest.param({"give_up_after": 3}, [CRASH] * 3, [0.1, 0.2, None], id="give-up-after-3"),
        pytest.param(
            {"give_up_after": 2}, [CRASH, LASTED, CRASH, CRASH], [0.1, 0.0, 0.1, None],
            id="give-up-counts-from-a-good-run",
        ),
        pytest.param(
            {"give_up_after": 2}, [CRASH, (0.0, 0), CRASH], [0.1, 0.2, 0.4],
            id="give-up-counts-failures-in-a-row",
        ),
        pytest.param({"kudu": True}, [CRASH, CRASH], [60.0, 60.0], id="kudu-waits-a-minute"),
        pytest.param({"kudu": True}, [(119.9, 0), (120.0, 0)], [60.0, 0.0], id="kudu-2-minutes"),
        pytest.param(
            {"kudu": True, "kudu_pause": 5.0}, [(30.0, 1)], [5.0], id="kudu-restart-time"
        ),
        pytest.param(
            {"kudu": True, "give_up_after": 2}, [CRASH, CRASH], [60.0, None], id="kudu-gives-up"
        ),
    ],
)  # fmt: skip
def test_history(
    options: dict[str, object], runs: list[tuple[float, int]], expected: list[float | None]
) -> None:
    """The pause after each run is that in the table."""
    restarts = Restarts(chance=lambda: NEVER, **options)  # type: ignore[arg-type]
    assert pauses(restarts, runs) == expected


@given(chances=st.lists(st.floats(0, 1), min_size=40, max_size=40), lasts=st.floats(0, 5))
def test_crash_loop_starts_at_most_ten_times_in_its_first_minute(
    chances: list[float], lasts: float
) -> None:
    """At most ten, whatever chance does, and however short the runs are."""
    values = iter(chances)
    restarts = Restarts(chance=lambda: next(values))
    clock, starts = 0.0, 0
    while clock < 60:
        starts += 1
        clock += lasts
        pause = restarts.after(lasts, 1).pause
        assert pause is not None
        clock += pause
    assert starts <= 10


def test_chance_shortens_a_pause_by_a_fifth_at_most() -> None:
    """Workers that fail together do not restart together, and none waits longer because of it."""
    assert pauses(Restarts(chance=lambda: ALWAYS), [CRASH] * 2) == [0.08, 0.16]


def test_many_failures_are_said_once() -> None:
    """It continues, and logs once that it restarts slowly now."""
    restarts = Restarts()
    notes = [restarts.after(0, 1).note for _ in range(3 * SLOW_AFTER)]
    assert [bool(note) for note in notes].count(True) == 1
    assert f"failed {SLOW_AFTER} times in a row" in notes[SLOW_AFTER - 1]


def test_giving_up_says_why() -> None:
    """The reason is a sentence."""
    assert Restarts(give_up_after=1).after(0, 3) == Decision(
        None, "It has failed once, each within 10 s."
    )


@pytest.mark.parametrize(
    ("code", "expected"), [(0, 0), (1, 1), (255, 255), (-9, 137), (-15, 143)], ids=str
)
def test_exit_code(code: int, expected: int) -> None:
    """A signal becomes the exit code that a shell reports."""
    assert exit_code(code) == expected
