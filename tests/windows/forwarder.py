"""A Windows DLL of 64 bits that only forwards its functions to another one.

Wine 8 has no `bcryptprimitives.dll`, from which everything that Rust 1.78 or later builds imports
`ProcessPrng`. `SystemFunction036` of `advapi32.dll` takes the same two arguments.
"""

from __future__ import annotations

import struct

__all__ = ["forwarder"]

_BASE = 0x1000  # where the only section is loaded
_FILE_UNIT = 0x200
_READABLE_DATA = 0x40000040
_DLL_OF_64_BITS = 0x2022


def forwarder(name: str, forwards: dict[str, str]) -> bytes:
    """Return the DLL `name`, whose functions are forwarded to `DLL.FUNCTION` each."""
    exports = _export_table(name, forwards)
    room_in_file = -(-len(exports) // _FILE_UNIT) * _FILE_UNIT
    directories = [(_BASE, len(exports))] + [(0, 0)] * 15
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, room_in_file, 0, 0, 0)
    optional += struct.pack("<QIIHHHHHHI", 0x180000000, 0x1000, _FILE_UNIT, 6, 0, 0, 0, 6, 0, 0)
    optional += struct.pack("<IIIHH", 0x2000, _FILE_UNIT, 0, 3, 0x0100)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, len(directories))
    optional += b"".join(struct.pack("<II", *one) for one in directories)
    header = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, len(optional), _DLL_OF_64_BITS)
    sizes = (len(exports), _BASE, room_in_file, _FILE_UNIT, 0, 0, 0, 0, _READABLE_DATA)
    section = struct.pack("<8sIIIIIIHHI", b".rdata", *sizes)
    start = b"MZ" + b"\0" * 58 + struct.pack("<I", 64) + b"PE\0\0" + header + optional + section
    return start.ljust(_FILE_UNIT, b"\0") + exports.ljust(room_in_file, b"\0")


def _export_table(name: str, forwards: dict[str, str]) -> bytes:
    names = sorted(forwards)  # the loader searches them by halves
    count = len(names)
    functions = _BASE + 40
    name_table = functions + 4 * count
    ordinals = name_table + 4 * count
    texts, offsets = b"", {}
    for text in (name, *names, *forwards.values()):
        offsets.setdefault(text, ordinals + 2 * count + len(texts))
        texts += text.encode("ascii") + b"\0"
    table = struct.pack("<IIHHI", 0, 0, 0, 0, offsets[name])
    table += struct.pack("<IIIIII", 1, count, count, functions, name_table, ordinals)
    table += b"".join(struct.pack("<I", offsets[forwards[one]]) for one in names)
    table += b"".join(struct.pack("<I", offsets[one]) for one in names)
    return table + b"".join(struct.pack("<H", index) for index in range(count)) + texts
