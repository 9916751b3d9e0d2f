"""Sends whatever a machine could send, again and again, from before its network comes up until its process 1 ends.

usage: sender.py LINK MAC LOG. After each round in which LINK was up, LOG gets a line: milliseconds since 1970.
Packets go to 100.100.1.1 and 2001:db8:100:1::1; raw frames to MAC. What is refused is tried again in the next round.
"""

import errno
import os
import socket
import struct
import sys
import time

TO = {socket.AF_INET: "100.100.1.1", socket.AF_INET6: "2001:db8:100:1::1"}
PORTS = (53, 443)
PAUSE_S = 0.02

link, mac, log_path = sys.argv[1:4]


def is_up():
    try:
        with open(f"/sys/class/net/{link}/flags") as flags:
            return int(flags.read(), 16) & 1 == 1
    except OSError:
        return False


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def open_socket(family, kind, protocol=0, bound=False):
    opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)
    if bound:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
    return opened


def datagram(family, bound, port):
    with open_socket(family, socket.SOCK_DGRAM, bound=bound) as sender:
        sender.sendto(b"lab", (TO[family], port))


def connection(family, bound, port):
    beginning = open_socket(family, socket.SOCK_STREAM, bound=bound)
    connections.append(beginning)
    result = beginning.connect_ex((TO[family], port))
    if result not in (0, errno.EINPROGRESS):
        raise OSError(result, os.strerror(result))


def echo(family, bound, _port):
    protocol, kind = (socket.IPPROTO_ICMP, 8) if family == socket.AF_INET else (socket.IPPROTO_ICMPV6, 128)
    empty = struct.pack("!BBHHH", kind, 0, 0, 1, 1)
    # The kernel sums ICMPv6 by itself.
    packet = empty[:2] + struct.pack("!H", checksum(empty)) + empty[4:]
    with open_socket(family, socket.SOCK_RAW, protocol, bound) as sender:
        sender.sendto(packet, (TO[family], 0))


def frame(family, _bound, port):
    """UDP in a frame of its own, past the IP stack."""
    body = struct.pack("!HHHH", 9, port, 8, 0)
    if family == socket.AF_INET:
        start = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0,
                            socket.inet_aton("192.168.77.2"), socket.inet_aton(TO[family]))
        packet = start[:10] + struct.pack("!H", checksum(start)) + start[12:] + body
    else:
        packet = struct.pack("!IHBB16s16s", 0x60000000, len(body), 17, 64,
                             socket.inet_pton(family, "fd77::2"), socket.inet_pton(family, TO[family])) + body
    ether_type = 0x0800 if family == socket.AF_INET else 0x86DD
    if not frames.getsockname()[0]:
        frames.bind((link, 0))
    own = frames.getsockname()[4]
    frames.send(bytes.fromhex(mac.replace(":", "")) + own + struct.pack("!H", ether_type) + packet)


connections = []
# One for all: to close such a socket takes the kernel many milliseconds.
frames = open_socket(socket.AF_PACKET, socket.SOCK_RAW)
os.makedirs(os.path.dirname(log_path), exist_ok=True)
with open(log_path, "a", buffering=1) as log:
    while True:
        was_up = is_up()
        for family in TO:
            for port in PORTS:
                for send in (datagram, connection, echo, frame):
                    for bound in (False, True):
                        try:
                            send(family, bound, port)
                        except OSError:
                            pass  # Refused, or there is no way yet.
        if was_up:
            log.write(f"{time.time() * 1000:.0f}\n")
        time.sleep(PAUSE_S)
        for each in connections:
            each.close()
        connections.clear()
