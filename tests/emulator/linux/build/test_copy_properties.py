"""For any trees and links: the site is unchanged, the copy equals it, nothing else is changed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appsvc_runtime.emulator.linux.build.copy import copy_changes
from appsvc_runtime.emulator.linux.build.state import OURS, State
from appsvc_runtime.system import own_folder
from appsvc_runtime.system.own_folder import OwnFolder
from tests.support.trees import CONTENTS, KINDS, edit, snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links ask for a right there")

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)
EDITS = st.lists(
    st.tuples(PATHS, st.sampled_from(KINDS), st.sampled_from(CONTENTS)), min_size=1, max_size=6
)
# What changes between two builds: the site, and changes in the copy by the build or its user.
ROUNDS = st.lists(st.tuples(EDITS, st.one_of(st.just([]), EDITS)), min_size=1, max_size=4)


@pytest.fixture(params=[True, False], ids=["descriptors", "paths"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use both ways of writing without following links."""
    monkeypatch.setattr(own_folder, "BY_DESCRIPTOR", request.param)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rounds=ROUNDS, inside=st.booleans())
def test_trees(way: None, rounds: Any, inside: bool) -> None:
    """The properties hold after each build, whether the output is beside the site or in it."""
    with tempfile.TemporaryDirectory() as folder:
        outside, site = Path(folder, "outside"), Path(folder, "site")
        output = site / "out" if inside else Path(folder, "out")
        for made in (outside, site, output):
            made.mkdir()
        (outside / "file").write_text("precious")
        (outside / "a").mkdir()
        (outside / "a" / "b").write_text("precious")
        state, touched = State(), False
        for in_site, in_copy in rounds:
            for step in in_site:
                edit(site, outside, *step)
            for step in in_copy:
                touched = True
                edit(output, outside, *step)
            before = snapshot(site, "out"), snapshot(outside)
            with OwnFolder.open(output) as opened:
                copy_changes(site, opened, state)
            assert (snapshot(site, "out"), snapshot(outside)) == before
            copy = snapshot(output, *OURS)
            wanted = before[0]
            if touched:  # files made in the copy may stay, and so may changed modes of folders
                copy = {name: what for name, what in copy.items() if name in wanted}
                copy, wanted = (
                    {name: what[:1] if what[0] == "folder" else what for name, what in side.items()}
                    for side in (copy, wanted)
                )
            assert copy == wanted


def test_a_folder_that_was_moved_away(way: None, tmp_path: Path) -> None:
    """A case from practice: a link that has replaced a built folder is not followed."""
    site, output, big = tmp_path / "site", tmp_path / "out", tmp_path / "big"
    (site / "media").mkdir(parents=True)
    output.mkdir()
    (site / "media" / "one.jpg").write_text("one")
    (site / "media" / "two.jpg").write_text("two")
    state = State()
    with OwnFolder.open(output) as opened:
        copy_changes(site, opened, state)
        (site / "media").rename(big)
        (site / "media").symlink_to(big)
        copied = copy_changes(site, opened, state)
    assert snapshot(big).keys() == {"one.jpg", "two.jpg"}
    assert snapshot(output) == snapshot(site)
    assert copied.removed == 0
