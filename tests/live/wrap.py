"""Stands in for a tunnel device that the kernel lacks: what arrives on two interfaces leaves a third one wrapped.

Usage: wrap.py KIND TO_SERVER TO_CLIENT OUT

KIND is one of those in WRAPS. The interfaces carry one direction each, and each direction has an outer address, or
outer port, of its own for every four inner connections, so that nothing outside tells which belong together. Prints
`ready` once both are open.
"""

import select
import socket
import struct
import sys

kind, to_server, to_client, out = sys.argv[1:5]

SENSOR_MAC, OWN_MAC = bytes.fromhex("02005e000009"), bytes.fromhex("02005e000001")
ETH_P_ALL, PACKET_OUTGOING = 3, 4
GRE, UDP, IPIP, SIT = 47, 17, 4, 41


def checksum(header: bytes) -> int:
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def over_ipv4(protocol: int, variant: int, payload: bytes) -> bytes:
    source, target = bytes([192, 0, 2, 10 + variant]), bytes([192, 0, 2, 9])
    fields = [0x45, 0, 20 + len(payload), 0, 0, 64, protocol]
    unsummed = struct.pack("!BBHHHBBH", *fields, 0) + source + target
    header = struct.pack("!BBHHHBBH", *fields, checksum(unsummed)) + source + target
    return SENSOR_MAC + OWN_MAC + b"\x08\x00" + header + payload


def over_ipv6(protocol: int, variant: int, payload: bytes) -> bytes:
    source, target = socket.inet_pton(socket.AF_INET6, f"fd00::1{variant}"), socket.inet_pton(socket.AF_INET6, "fd00::9")
    header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source + target
    return SENSOR_MAC + OWN_MAC + b"\x86\xdd" + header + payload


def udp(source_port: int, port: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload


def vxlan(frame: bytes, variant: int, _: int) -> bytes:
    return over_ipv4(UDP, 0, udp(40_000 + variant, 4789, struct.pack("!II", 0x0800_0000, 42 << 8) + frame))


def geneve(frame: bytes, variant: int, _: int) -> bytes:
    option = struct.pack("!HBBI", 0x0102, 1, 1, 7)
    header = struct.pack("!BBHI", len(option) // 4, 0, 0x6558, 42 << 8)
    return over_ipv4(UDP, 0, udp(40_000 + variant, 6081, header + option + frame))


def gretap(frame: bytes, variant: int, _: int) -> bytes:
    return over_ipv4(GRE, variant, struct.pack("!HHI", 0x2000, 0x6558, 42) + frame)


def erspan2(frame: bytes, variant: int, sequence: int) -> bytes:
    # Version 1 on the wire, VLAN 0, class 0, not truncated, session 42.
    header = struct.pack("!HHIII", 0x1000, 0x88BE, sequence, 1 << 28 | 42, 0)
    return over_ipv4(GRE, variant, header + frame)


def erspan3(frame: bytes, variant: int, sequence: int) -> bytes:
    header = struct.pack("!HHIIIHH", 0x1000, 0x22EB, sequence, 2 << 28 | 42, sequence, 0, 0)
    return over_ipv6(GRE, variant, header + frame)


def qinq(frame: bytes, _: int, __: int) -> bytes:
    return frame[:12] + struct.pack("!HHHH", 0x88A8, 100, 0x8100, 200) + frame[12:]


def ipip(frame: bytes, variant: int, _: int) -> bytes | None:
    return over_ipv4(IPIP, variant, frame[14:]) if frame[12:14] == b"\x08\x00" else None


def sit(frame: bytes, variant: int, _: int) -> bytes | None:
    return over_ipv4(SIT, variant, frame[14:]) if frame[12:14] == b"\x86\xdd" else None


WRAPS = {wrap.__name__: wrap for wrap in (vxlan, geneve, gretap, erspan2, erspan3, qinq, ipip, sit)}


def client_port(frame: bytes, direction: int) -> int:
    """The port that tells connections apart; 0 for what is no TCP."""
    if frame[12:14] == b"\x08\x00" and frame[23] == 6:
        ports = 14 + (frame[14] & 15) * 4
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 6:
        ports = 54
    else:
        return 0
    return struct.unpack_from("!HH", frame, ports)[direction]


def opened(interface: str) -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    packets.bind((interface, ETH_P_ALL))
    return packets


sink = opened(out)
sources = [opened(to_server), opened(to_client)]
wrap, sequence = WRAPS[kind], 0
print("ready", flush=True)
while True:
    ready, _, _ = select.select(sources, [], [])
    for source in ready:
        frame, address = source.recvfrom(65_536)
        if address[2] == PACKET_OUTGOING:
            continue
        direction = sources.index(source)
        variant = client_port(frame, direction) % 4 + 4 * direction
        if (wrapped := wrap(frame, variant, sequence)) is not None:
            sequence += 1
            sink.send(wrapped)
