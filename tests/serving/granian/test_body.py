"""The body of a request: what arrives before the app is called, and what does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

import pytest

from appsvc_runtime.serving import defaults
from appsvc_runtime.serving.granian.body import Body
from appsvc_runtime.serving.granian.loop import ClientGoneError, LoopThread


class Message:
    """An awaitable like granian's: not ready when it is looked at, ready in the loop."""

    def __init__(self, value: dict[str, Any] | None, ready: bool) -> None:
        self._value = value
        self._ready = ready

    def __await__(self) -> Generator[Any, None, Any]:
        if self._value is None:
            yield from asyncio.sleep(3600).__await__()
        if not self._ready:
            yield
        return self._value


class Protocol:
    """A client that sends these parts; None stalls, and "gone" leaves."""

    def __init__(self, *parts: bytes | str | None, ready: bool = False) -> None:
        self._parts = list(parts)
        self._ready = ready

    def receive(self) -> Message:
        """Return the next message."""
        part = self._parts.pop(0)
        if part is None:
            return Message(None, ready=False)
        if part == "gone":
            return Message({"type": "http.disconnect"}, self._ready)
        more = bool(self._parts)
        return Message({"type": "http.request", "body": part, "more_body": more}, self._ready)


def make(protocol: Protocol, *, expects: bool = False) -> Body:
    loop: Any = None  # nothing here waits in a thread
    return Body(protocol, LoopThread(loop, contextlib.nullcontext), expects=expects)


def arrive(body: Body) -> None:
    asyncio.run(asyncio.wait_for(body.arrive(), 20))
    assert Body.arriving == 0


def test_a_body_that_is_there_needs_no_loop() -> None:
    """It is taken at once."""
    body = make(Protocol(b"abc", b"de", ready=True))
    assert body.has_arrived()
    assert (body.read(), body.read()) == (b"abcde", b"")


def test_a_body_that_comes_later_is_waited_for() -> None:
    """The message that was asked for first is not lost."""
    body = make(Protocol(b"abc", b"de"))
    assert not body.has_arrived()
    arrive(body)
    assert (body.has_arrived(), body.read(), body.read()) == (True, b"abcde", b"")


def test_a_client_that_expects_100_continue_gets_the_app_first() -> None:
    """Its body comes only when the app reads it."""
    assert make(Protocol(b"abc"), expects=True).has_arrived()


def test_of_a_long_body_the_beginning_arrives() -> None:
    """The app gets the request then."""
    part = b"x" * (defaults.BODY_BYTES // 2)
    body = make(Protocol(part, part, None))
    assert not body.has_arrived()
    arrive(body)
    assert body.has_arrived()
    assert not body.ended


def test_bodies_that_arrive_hold_a_limited_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, the app gets the request, and its thread waits for the rest."""
    monkeypatch.setattr(defaults, "UNFINISHED_BYTES", 10)
    body = make(Protocol(b"x" * 10, None))
    assert not body.has_arrived()
    arrive(body)
    assert not body.ended
    assert not body.late


def test_a_client_that_stalls_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come is not taken for the whole body."""
    monkeypatch.setattr(defaults, "STALL_SECONDS", 0.05)
    body = make(Protocol(b"abc", None))
    assert not body.has_arrived()
    arrive(body)
    assert body.late
    with pytest.raises(ClientGoneError, match="too slowly"):
        body.check()


def test_a_client_that_leaves_gives_no_whole_body() -> None:
    """The app sees an error, each time it reads on."""
    body = make(Protocol(b"abc", "gone"))
    assert not body.has_arrived()
    arrive(body)
    assert (body.late, body.read(3)) == (False, b"abc")
    for _ in range(2):
        with pytest.raises(ClientGoneError, match="closed the connection"):
            body.read(1)
