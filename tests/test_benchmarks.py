"""What the benchmark of servers prints and draws for given results."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import servers, stalled
from benchmarks._load import _latency
from benchmarks._plot import draw
from benchmarks._sides import Side
from tests.support import promises

PRINTED = """\
  Latency Distribution
     50%  640.00us
     75%    1.10ms
     99%    1.25s \n"""


def row(rate: float) -> dict[str, list[float]]:
    rates = [rate, rate * 2, rate / 2]
    return {"rate": rates, "p50": [0.001] * 3, "p99": [0.01] * 3, "failed": [0, 1, 0], "MiB": [50]}


RESULTS: servers.Results = {
    "fast": {
        "platform's default": {"1": row(100), "64": row(1_000)},
        "granian": {"1": row(200), "64": row(4_000)},
    },
    "a <b> & c": {"granian": {"64": row(3)}},
}
GROUPS = {"WSGI": ["platform's default", "granian", "failed"]}


def test_tables() -> None:
    """Medians, ratios to the first side in each round, and all errors."""
    lines = list(servers.tables(RESULTS, GROUPS))
    assert "| granian | 64 | 4,000 | 4.0 | 1.0 | 10.0 | 1 | 50 |" in lines
    assert "| platform's default | 1 | 100 | 1.0 | 1.0 | 10.0 | 1 | 50 |" in lines
    assert not any("failed" in line for line in lines)


def test_plot() -> None:
    """The SVG is well-formed, and names everything."""
    drawn = servers.plot(RESULTS, ["A machine & its versions"])
    texts = [node.text for node in ElementTree.fromstring(drawn).iter() if node.text]
    for name in ("platform's default", "granian", "fast", "a <b> & c", "A machine & its versions"):
        assert name in texts, name
    assert "64 connections" in texts
    assert "1 connection" in texts
    bars = [node for node in ElementTree.fromstring(drawn).iter() if node.tag.endswith("title")]
    assert len(bars) == 5


@pytest.mark.parametrize("highest", [0.0, 0.4, 3, 999, 26_235])
def test_any_numbers_can_be_drawn(highest: float) -> None:
    """This includes no numbers."""
    ElementTree.fromstring(draw({"x": {"y": {1: highest}}}, "t", []))
    ElementTree.fromstring(draw({}, "t", []))


def test_latency_as_wrk_prints_it() -> None:
    """The result is in seconds."""
    assert _latency(PRINTED, 50) == pytest.approx(0.00064)
    assert _latency(PRINTED, 99) == pytest.approx(1.25)


def test_results_that_were_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are printed and drawn without a measurement."""
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps({"machine": ["M"], "results": {"fast": RESULTS["fast"]}}))
    output = tmp_path / "docs" / "plot.svg"
    assert servers.main(["--from", str(kept), "--output", str(output)]) == 0
    assert "| granian | 1 | 200 | 2.0 |" in capsys.readouterr().out
    assert output.read_text("utf-8").startswith("<svg")


def test_the_platforms_number_of_workers(tmp_path: Path) -> None:
    """It depends on the cores that the server gets."""
    side = Side.parse("A=server --workers {workers} --bind :{port}")
    assert side.command(80, tmp_path, 2) == ["server", "--workers", "5", "--bind", ":80"]
    assert side.command(80, tmp_path, 1)[2] == "3"


@pytest.mark.integration
@pytest.mark.parametrize("kind", stalled.STALLS)
def test_stalled_clients_do_not_stop_others(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """This is a short form of the benchmark: more of them than there are threads."""
    promises.need("gunicorn", "Three hundred, which may also read nothing, do not stop others")
    words = "--groups WSGI --rows gunicorn --others 20 --unanswered 0 --deadline 20 --kinds"
    code = stalled.main([*words.split(), kind])
    assert code == 0, capsys.readouterr().out
