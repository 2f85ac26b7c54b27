"""Where a container listens in place of its port. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ....azure.ports import with_port

__all__ = ["wrong_place"]


def wrong_place(listened: Sequence[tuple[str, int]], port: int) -> str:
    """Return where a container listens instead of on its port; "" if on its port, or unknown."""
    if not listened:
        return ""
    on_port = [address for address, number in listened if number == port]
    if any(not ipaddress.ip_address(address).is_loopback for address in on_port):
        return ""
    if on_port:
        shown = " and ".join(with_port(address, port) for address in on_port)
        return f"The container listens on {shown} only, which cannot be reached from outside"
    shown = " and ".join(with_port(address, number) for address, number in listened[:3])
    return f"The container listens on {shown} instead of port {port}"
