"""Sends packets that can be told apart (send), and tells which came (watch DEVICE); sends to an address as many as it
can until its input ends, and tells how many it tried (flood ADDRESS PORT). For tests, inside a namespace.

A probe is told by its number: the source port is 30000 and the number, of an echo it is the identifier.
"""
import json
import os
import select
import socket
import struct
import sys

FIRST_PORT = 30000
SO_MARK = 36
ALL = socket.htons(3)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def attempt(action):
    try:
        action()
    except OSError:
        pass  # Refused, which is what is to be found out by who gets it.


def ordinary(probe, kind):
    family = family_of(probe["to"])
    with socket.socket(family, kind) as s:
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if "mark" in probe:
            s.setsockopt(socket.SOL_SOCKET, SO_MARK, probe["mark"])
        if "device" in probe:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, probe["device"].encode())
        s.bind(("", FIRST_PORT + probe["id"]))
        s.connect((probe["to"], probe["port"]))
        if kind == socket.SOCK_DGRAM:
            s.send(b"probe")


def echo(probe):
    v6 = family_of(probe["to"]) == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    with socket.socket(family_of(probe["to"]), socket.SOCK_RAW, protocol) as s:
        if "mark" in probe:
            s.setsockopt(socket.SOL_SOCKET, SO_MARK, probe["mark"])
        head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, probe["id"], 1)
        s.sendto(head[:2] + struct.pack("!H", checksum(head)) + head[4:], (probe["to"], 0))


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def udp4(probe):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 33, 0, 0, 64, 17, 0,
                       socket.inet_aton("192.0.2.1"), socket.inet_aton(probe["to"]))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + struct.pack("!HHHH", FIRST_PORT + probe["id"], probe["port"], 13, 0) + b"probe"


def frame(probe):
    tag = bytes.fromhex("81000005") if probe.get("vlan") else b""
    written = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + tag + b"\x08\x00" + udp4(probe)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        if "mark" in probe:
            s.setsockopt(socket.SOL_SOCKET, SO_MARK, probe["mark"])
        if probe.get("bypass"):
            s.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
        s.sendto(written, (probe["device"], probe.get("claims", 0x0800)))


def end(device):
    """An ARP request for 192.0.2.255, which may leave in every state: what was sent before it has come before it."""
    written = (b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + bytes.fromhex("08060001080006040001")
               + b"\x02\x00\x00\x00\x00\x01" + socket.inet_aton("192.0.2.1") + b"\0" * 6 + socket.inet_aton("192.0.2.255"))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.sendto(written, (device, 0x0806))


def send():
    for probe in json.load(sys.stdin):
        kind = probe["kind"]
        if kind == "tcp":
            attempt(lambda: ordinary(probe, socket.SOCK_STREAM))
        elif kind == "udp":
            attempt(lambda: ordinary(probe, socket.SOCK_DGRAM))
        elif kind == "icmp":
            attempt(lambda: echo(probe))
        elif kind == "frame":
            attempt(lambda: frame(probe))
        elif kind == "end":
            end(probe["device"])


def told(data):
    """The number of the probe in a frame, "end", or None."""
    at = 14
    kind = data[12:14]
    if kind == b"\x81\x00":
        kind, at = data[16:18], 18
    if kind == b"\x08\x06":
        return "end" if data[at + 24:at + 28] == socket.inet_aton("192.0.2.255") else None
    if kind == b"\x08\x00":
        protocol, at = data[at + 9], at + (data[at] & 15) * 4
    elif kind == b"\x86\xdd":
        protocol, at = data[at + 6], at + 40
    else:
        return None
    if protocol in (6, 17):
        port = struct.unpack("!H", data[at:at + 2])[0]
        return port - FIRST_PORT if FIRST_PORT <= port < FIRST_PORT + 2000 else None
    if (protocol, data[at]) in ((1, 8), (58, 128)):
        return struct.unpack("!H", data[at + 4:at + 6])[0]
    return None


def watch(device):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ALL) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        s.bind((device, 3))
        # A tag that the kernel took out of the frame makes no difference here.
        print("ready", flush=True)
        while True:
            number = told(s.recv(2048))
            if number is not None:
                print(number, flush=True)


def flood(address, port):
    tried = 0
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            for _ in range(500):
                attempt(lambda: s.sendto(b"probe", (address, port)))
            tried += 500
    print(tried, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send()
    elif sys.argv[1] == "flood":
        flood(sys.argv[2], int(sys.argv[3]))
    else:
        watch(sys.argv[2])
    os._exit(0)
