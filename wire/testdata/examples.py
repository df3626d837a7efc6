"""Reads one MessagePack value a line, in hexadecimal, and prints it; fails where writing it gives other bytes.

It is written with Debian's python3-msgpack, which shares nothing with the codec that it checks."""

import json
import sys

import msgpack


def show(value):
    if value is None:
        return "nil"
    if isinstance(value, bytes):
        return quote(value)
    if isinstance(value, str):
        return quote(value.encode())
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return str(value)


def quote(b):
    """As Go quotes: what is not printable ASCII as \\x.."""
    short = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return '"' + "".join(short.get(c) or (chr(c) if 32 <= c < 127 else "\\x%02x" % c) for c in b) + '"'


for line in sys.stdin:
    data = bytes.fromhex(line)
    value = msgpack.unpackb(data, strict_map_key=False)
    again = msgpack.packb(value, use_bin_type=True)
    if again != data:
        sys.exit("%s is written as %s" % (data.hex(), again.hex()))
    print(show(value))
