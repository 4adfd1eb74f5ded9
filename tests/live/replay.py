"""Sends the frames of a capture out of an interface, in order and a little apart.

Usage: replay.py PCAP[.gz] INTERFACE

Ethernet, as tcpdump writes it. Prints how many frames were sent.
"""

import gzip
import socket
import struct
import sys
import time

APART = 50e-6

path, interface = sys.argv[1:3]
data = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
assert data[:4] == b"\xd4\xc3\xb2\xa1", "a little-endian pcap"
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((interface, 0))
at, sent = 24, 0
while at + 16 <= len(data):
    length = struct.unpack_from("<I", data, at + 8)[0]
    out.send(data[at + 16 : at + 16 + length])
    at += 16 + length
    sent += 1
    until = time.perf_counter() + APART
    while time.perf_counter() < until:
        pass
print(sent)
