"""The least client of Shoal, written from PROTOCOL.md: hello, set, get. It needs msgpack (Debian: python3-msgpack).

    python3 docs/client.py 127.0.0.1:7400 set greeting hello 60
    python3 docs/client.py 127.0.0.1:7400 get greeting
"""

import socket
import struct
import sys
import time

import msgpack

VERSION, CLIENT = 1, 1
GET, SET = 1, 2
OK, NOT_FOUND = 0, 1
DEFAULT_LEVEL = 0


class Shoal:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
        self.last_id = 0
        self.send([VERSION, CLIENT, 0, "", 0, 0, "", 0, int(time.time() * 1000), ""])
        hello = self.receive()
        if hello[0] != VERSION or hello[9]:
            raise ConnectionError("refused by a node of version %d: %s" % (hello[0], hello[9]))
        self.cluster, self.node = hello[3], hello[6]

    def send(self, array):
        frame = msgpack.packb(array, use_bin_type=True)
        self.socket.sendall(struct.pack(">I", len(frame)) + frame)

    def receive(self):
        (length,) = struct.unpack(">I", self.exactly(4))
        return msgpack.unpackb(self.exactly(length))

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise ConnectionError("the node closed the connection")
            data += more
        return data

    def call(self, op, key, value=None, ttl_ms=0, timeout_ms=2000):
        self.last_id += 1
        self.send([op, self.last_id, DEFAULT_LEVEL, 0, 0, 0, timeout_ms, key, value, ttl_ms, []])
        response = self.receive()  # one call at a time, so it is the answer to this one
        if response[1] != self.last_id or response[0] not in (OK, NOT_FOUND):
            raise RuntimeError("status %d: %s" % (response[0], response[8]))
        return response

    def set(self, key, value, ttl_ms=0):
        self.call(SET, key, value, ttl_ms)

    def get(self, key):
        response = self.call(GET, key)
        return response[3] if response[0] == OK else None


if __name__ == "__main__":
    shoal, arguments = Shoal(sys.argv[1]), [a.encode() for a in sys.argv[3:]]
    if sys.argv[2] == "set":
        shoal.set(arguments[0], arguments[1], int(arguments[2]) * 1000 if len(arguments) > 2 else 0)
    elif (value := shoal.get(*arguments)) is not None:
        sys.stdout.buffer.write(value)
    else:
        sys.exit("not found")
