"""Sends the lab's probes from inside a network namespace, and answers them outside.

Requests are JSON objects, one a line, on standard input; each is answered by one line with its `id`. Python has what
Node has not: SO_MARK, SO_BINDTODEVICE, AF_PACKET, ping sockets and packet information. The schemas are in prober.ts.
"""

import ctypes
import errno
import fcntl
import json
import os
import selectors
import socket
import struct
import sys
import time

SO_MARK = 36
SO_ORIGINAL_DST = 80
IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
PAYLOAD = b"atlantic-lab-probe"

selector = selectors.DefaultSelector()
held = {}
packet_sockets = {}
tun_descriptor = None
tun_tags = []
redirected = []
received = []


def family_of(probe):
    return socket.AF_INET if probe["family"] == 4 else socket.AF_INET6


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(family, tag):
    """An ICMP echo request; the kernel fills in the ICMPv6 checksum, and the identifier of ping sockets."""
    kind = 8 if family == 4 else 128
    head = struct.pack("!BBHHH", kind, 0, 0, tag, 1) + PAYLOAD
    return head[:2] + struct.pack("!H", checksum(head)) + head[4:] if family == 4 else head


def pseudo_header(source, destination, family, number, length):
    pack = lambda address: socket.inet_pton(family, address)
    if family == socket.AF_INET:
        return pack(source) + pack(destination) + struct.pack("!BBH", 0, number, length)
    return pack(source) + pack(destination) + struct.pack("!II", length, number)


def ip_packet(source, destination, family, number, body):
    if family == socket.AF_INET:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, number, 0)
        head += socket.inet_pton(family, source) + socket.inet_pton(family, destination)
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
    head = struct.pack("!IHBB", 0x60000000, len(body), number, 255)
    return head + socket.inet_pton(family, source) + socket.inet_pton(family, destination) + body


def udp_packet(source, destination, family, source_port, port, payload=PAYLOAD):
    body = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload
    total = checksum(pseudo_header(source, destination, family, 17, len(body)) + body) or 0xFFFF
    body = body[:6] + struct.pack("!H", total) + body[8:]
    return ip_packet(source, destination, family, 17, body)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def socket_of(user, family, kind, number=0):
    """A socket of another user's: rules know it by the user that the kernel checks files for when it is made."""
    if user is None:
        return socket.socket(family, kind, number)
    kernel = ctypes.CDLL(None)
    kernel.setfsuid(user)
    try:
        return socket.socket(family, kind, number)
    finally:
        kernel.setfsuid(0)


def send_frame(link, frame, ether_type, bypass=False, mark=None, user=None):
    # Kept: the kernel waits for all its readers when a packet socket is closed.
    if (bypass, mark, user) not in packet_sockets:
        raw = packet_sockets[bypass, mark, user] = socket_of(user, socket.AF_PACKET, socket.SOCK_RAW)
        if bypass:
            raw.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        if mark is not None:
            raw.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    packet_sockets[bypass, mark, user].sendto(frame, (link, ether_type))


def raw_frame(probe):
    raw = probe["raw"]
    family = family_of(probe)
    packet = udp_packet(raw["source"], probe["to"], family, probe["tag"], probe["port"])
    ether_type = 0x0800 if probe["family"] == 4 else 0x86DD
    tags = b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in raw["vlans"])
    return mac(raw["destinationMac"]) + mac(raw["sourceMac"]) + tags + struct.pack("!H", ether_type) + packet


def send_raw(probe):
    raw = probe["raw"]
    ether_type = 0x8100 if raw["vlans"] else 0x0800 if probe["family"] == 4 else 0x86DD
    send_frame(raw["link"], raw_frame(probe), ether_type, raw["bypass"], probe.get("mark"), raw.get("user"))


def socket_for(probe):
    """An unconnected, non-blocking socket whose source port (or echo identifier) is the probe's tag."""
    family, protocol = family_of(probe), probe["protocol"]
    if protocol == "icmp":
        number = socket.IPPROTO_ICMP if probe["family"] == 4 else socket.IPPROTO_ICMPV6
        sock = socket.socket(family, socket.SOCK_DGRAM, number)
    else:
        sock = socket_of(probe.get("user"), family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.get("device"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, probe["device"].encode())
        if probe.get("mark") is not None:
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, probe["mark"])
        if protocol == "udp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if probe.get("source"):
            link = (0, socket.if_nametoindex(probe["device"])) if probe["family"] == 6 else ()
            sock.bind((probe["source"], probe["tag"], *link))
        else:
            sock.bind(("0.0.0.0" if probe["family"] == 4 else "::", probe["tag"]))
    except OSError:
        sock.close()
        raise
    return sock


def start_probe(probe, patient=False):
    """`patient`: a datagram that the kernel refuses to send may still be told why, a moment later."""
    sock = socket_for(probe)
    try:
        if probe["protocol"] == "tcp":
            # A reset on close, so that nothing is sent again later.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            code = sock.connect_ex((probe["to"], probe["port"]))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        elif probe.get("source") and probe["family"] == 6:
            # From an address of the link, to one of the link: both need to know which link that is.
            link = socket.if_nametoindex(probe["device"])
            sock.sendto(PAYLOAD, (probe["to"], probe["port"], 0, link))
        else:
            # Connected, so that a refusal is told and the path's MTU can be asked for.
            sock.connect((probe["to"], probe["port"]))
            sock.send(PAYLOAD if probe["protocol"] == "udp" else echo_request(probe["family"], probe["tag"]))
    except OSError as problem:
        if patient and problem.errno == errno.EPERM:
            return sock
        sock.close()
        raise
    return sock


def send(request):
    """Sends probes; what a socket says at once is their outcome, what comes later is not waited for."""
    outcomes, sockets = [], []
    for probe in request["probes"]:
        error = None
        try:
            if probe["protocol"] == "raw":
                send_raw(probe)
            else:
                sockets.append(start_probe(probe))
        except OSError as problem:
            error = errno.errorcode.get(problem.errno, str(problem))
        outcomes.append({"tag": probe["tag"], "error": error})
    time.sleep(request["restMs"] / 1000)
    for sock in sockets:
        sock.close()
    return {"outcomes": outcomes}


def wait_for(sock, events, deadline):
    with selectors.DefaultSelector() as waiting:
        waiting.register(sock, events)
        return bool(waiting.select(max(0, deadline - time.monotonic())))


def exchange(request):
    """One probe that must be answered: connects, sends, and waits for the echo."""
    probe, deadline = request["probe"], time.monotonic() + request["timeoutMs"] / 1000
    begun, sock = time.monotonic(), None
    try:
        sock = start_probe(probe, patient=True)
        if probe["protocol"] == "tcp":
            if not wait_for(sock, selectors.EVENT_WRITE, deadline):
                raise TimeoutError("no answer to the connection")
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            sock.send(PAYLOAD)
        if not wait_for(sock, selectors.EVENT_READ, deadline):
            raise TimeoutError("no echo")
        answer = sock.recv(2048)
        error = None if PAYLOAD in answer else "EMPTY"
    except OSError as problem:
        error = errno.errorcode.get(problem.errno, str(problem)) if problem.errno else str(problem)
    if sock is not None:
        if request.get("hold") and error is None:
            held[probe["tag"]] = (probe, sock)
        else:
            sock.close()
    return {"error": error, "ms": (time.monotonic() - begun) * 1000}


def hold(request):
    """Opens flows, each with an answered exchange, and keeps them for `resume`."""
    outcomes = []
    for probe in request["probes"]:
        result = exchange({"probe": probe, "timeoutMs": request["timeoutMs"], "hold": True})
        outcomes.append({"tag": probe["tag"], "error": result["error"]})
        if result["error"] is not None:
            break
    return {"outcomes": outcomes}


def resume(request):
    """Sends once more on every flow that an exchange has held."""
    outcomes = []
    for tag, (probe, sock) in held.items():
        error = None
        try:
            sock.send(echo_request(probe["family"], tag) if probe["protocol"] == "icmp" else PAYLOAD)
        except OSError as problem:
            error = errno.errorcode.get(problem.errno, str(problem))
        outcomes.append({"tag": tag, "error": error})
    return {"outcomes": outcomes}


def fate(request):
    """Waits until every held TCP flow has ended, or for so long; tells with what each ended."""
    deadline, outcomes = time.monotonic() + request["timeoutMs"] / 1000, []
    for tag, (probe, sock) in held.items():
        if probe["protocol"] != "tcp":
            continue
        error = None
        while error is None and wait_for(sock, selectors.EVENT_READ, deadline):
            try:
                if not sock.recv(2048):
                    error = "END"
            except OSError as problem:
                error = errno.errorcode.get(problem.errno, str(problem))
        outcomes.append({"tag": tag, "error": error})
    return {"outcomes": outcomes}


def icmp6(request):
    """Sends ICMPv6 as the kernel would: from a link-local address, with the hop limit that neighbours check."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, request["link"].encode())
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
        if request.get("source"):
            sock.bind((request["source"], 0, 0, socket.if_nametoindex(request["link"])))
        head = struct.pack("!BBH", request["type"], 0, 0)
        body = bytes.fromhex(request["hex"])
        try:
            sock.sendto(head + body, (request["to"], 0, 0, socket.if_nametoindex(request["link"])))
        except OSError as problem:  # Refused by the rules: that it is not seen outside says so.
            if problem.errno not in (errno.EPERM, errno.ENOBUFS):
                raise
    return {}


def too_big(request):
    """Tells the sender of a TCP segment, as a router, that the path takes less (RFC 1191, RFC 4443), and quotes it."""
    family = family_of(request)
    segment = struct.pack("!HHIIBBHHH", request["tag"], request["port"], request["sequence"], 0, 0x50, 0x10, 1, 0, 0)
    quoted = ip_packet(request["sender"], request["target"], family, socket.IPPROTO_TCP, segment)
    if request["family"] == 4:
        body = struct.pack("!BBHHH", 3, 4, 0, 0, request["mtu"]) + quoted
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.bind((request["router"], 0))
            sock.sendto(body, (request["sender"], 0))
    else:
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.bind((request["router"], 0))
            sock.sendto(struct.pack("!BBHI", 2, 0, 0, request["mtu"]) + quoted, (request["sender"], 0))
    return {}


def drop(request):
    """Closes every held flow, TCP with a reset."""
    for _, sock in held.values():
        sock.close()
    held.clear()
    return {}


def path_mtu(request):
    """What the kernel believes of the path to the peer of a held flow."""
    probe, sock = held[request["tag"]]
    level, option = (socket.IPPROTO_IP, 14) if probe["family"] == 4 else (socket.IPPROTO_IPV6, 24)
    return {"mtu": sock.getsockopt(level, option)}


def sequence(request):
    """The number of the next byte that a held TCP flow sends: the kernel believes no error about another one."""
    _, sock = held[request["tag"]]
    option = lambda name, value: sock.setsockopt(socket.IPPROTO_TCP, name, value)
    option(TCP_REPAIR, 1)
    option(TCP_REPAIR_QUEUE, 2)  # What is sent.
    number = sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ)
    option(TCP_REPAIR, -1)  # And no packet for it.
    return {"sequence": number & 0xFFFFFFFF}


def frame(request):
    data = bytes.fromhex(request["hex"])
    try:
        send_frame(request["link"], data, struct.unpack("!H", data[12:14])[0])
    except OSError as problem:
        if problem.errno != errno.ENOBUFS:  # Refused by the rules: that it is not seen outside says so.
            raise
    return {}


def serve(request):
    """Echoes TCP and UDP on ports of every address, IPv4 and IPv6; answers come from the address that was asked."""
    for port in request["ports"]:
        for family in (socket.AF_INET, socket.AF_INET6):
            serve_tcp(family, request.get("host", ""), port)
            serve_udp(family, request.get("host", ""), port)
    return {}


def serve_tcp(family, host, port):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((host or ("0.0.0.0" if family == socket.AF_INET else "::"), port))
    listener.listen(1024)
    listener.setblocking(False)

    def accept():
        try:
            connection, peer = listener.accept()
        except BlockingIOError:  # Taken in the same turn.
            return
        connection.setblocking(False)
        original = original_destination(connection)
        redirected.append({**original, "at": connection.getsockname()[1], "from": peer[1]})
        selector.register(connection, selectors.EVENT_READ, lambda: echo(connection))

    selector.register(listener, selectors.EVENT_READ, accept)


def original_destination(connection):
    """Where a redirected connection was going to; its own address where it was not redirected."""
    family = connection.family
    level = socket.IPPROTO_IP if family == socket.AF_INET else socket.IPPROTO_IPV6
    try:
        data = connection.getsockopt(level, SO_ORIGINAL_DST, 28)
    except OSError:
        return {"address": connection.getsockname()[0], "port": connection.getsockname()[1]}
    port = struct.unpack("!H", data[2:4])[0]
    address = data[4:8] if family == socket.AF_INET else data[8:24]
    return {"address": socket.inet_ntop(family, address), "port": port}


def echo(connection):
    try:
        data = connection.recv(65536)
        if data:
            connection.send(data)
            return
    except BlockingIOError:
        return
    except OSError:
        pass
    selector.unregister(connection)
    connection.close()


def serve_udp(family, host, port):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    sock.bind((host or ("0.0.0.0" if family == socket.AF_INET else "::"), port))
    sock.setblocking(False)
    level, kind = (socket.IPPROTO_IP, IP_PKTINFO) if family == socket.AF_INET else (socket.IPPROTO_IPV6, IPV6_PKTINFO)

    def answer():
        try:
            data, ancillary, _, peer = sock.recvmsg(65536, 256)
        except OSError:
            return
        asked = [value for at, what, value in ancillary if (at, what) == (level, kind)]
        # Link 0 leaves the link to the route; the address is the source of the answer.
        if family == socket.AF_INET:
            info = [(level, kind, b"\0" * 4 + value[8:12] + b"\0" * 4) for value in asked]
        else:
            info = [(level, kind, value[:16] + b"\0" * 4) for value in asked]
        try:
            sock.sendmsg([data], info, 0, peer)
        except OSError:
            pass

    selector.register(sock, selectors.EVENT_READ, answer)


def tun(request):
    """Makes the tunnel's device and keeps it until `untun`; what is sent into it is read and kept."""
    global tun_descriptor
    tun_descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun_descriptor, TUNSETIFF, struct.pack("16sH22x", request["name"].encode(), IFF_TUN | IFF_NO_PI))
    selector.register(tun_descriptor, selectors.EVENT_READ, read_tun)
    return {"index": socket.if_nametoindex(request["name"])}


def read_tun():
    if tun_descriptor is None:  # Taken away in the same turn.
        return
    try:
        packet = os.read(tun_descriptor, 65536)
    except BlockingIOError:
        return
    version = packet[0] >> 4
    number, body = (packet[9], packet[(packet[0] & 15) * 4 :]) if version == 4 else (packet[6], packet[40:])
    if number in (6, 17):
        tun_tags.append(struct.unpack("!H", body[:2])[0])
    elif number in (1, 58) and body[0] in (8, 128):
        tun_tags.append(struct.unpack("!H", body[4:6])[0])


def untun(request):
    global tun_descriptor
    if tun_descriptor is not None:
        selector.unregister(tun_descriptor)
        os.close(tun_descriptor)
        tun_descriptor = None
    return {}


def into_tun(request):
    """Writes a UDP packet into the device, as the far end of the tunnel would."""
    family = family_of(request)
    os.write(tun_descriptor, udp_packet(request["from"], request["to"], family, request["port"], request["tag"]))
    return {}


def seen(request):
    """What came out of the device, what was accepted, and what a receiver got; forgets it."""
    while selector_turn(0):
        pass
    answer = {"tags": tun_tags[:], "redirected": redirected[:], "received": received[:]}
    tun_tags.clear()
    redirected.clear()
    received.clear()
    return answer


def receive(request):
    """Receives what the machine lets in: UDP on a port, or ICMPv6 of every type."""
    family = family_of(request)
    if request["what"] == "icmp6":
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    else:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0" if request["family"] == 4 else "::", request["port"]))
    sock.setblocking(False)

    def take():
        data, peer = sock.recvfrom(2048)
        received.append({"what": request["what"], "from": peer[0].split("%")[0], "first": data[0] if data else 0})

    selector.register(sock, selectors.EVENT_READ, take)
    return {}


operations = {
    "send": send,
    "exchange": exchange,
    "hold": hold,
    "resume": resume,
    "fate": fate,
    "icmp6": icmp6,
    "tooBig": too_big,
    "drop": drop,
    "pathMtu": path_mtu,
    "sequence": sequence,
    "frame": frame,
    "serve": serve,
    "tun": tun,
    "untun": untun,
    "intoTun": into_tun,
    "seen": seen,
    "receive": receive,
}


def read_request():
    global pending
    data = os.read(0, 1 << 20)
    if not data:
        sys.exit(0)
    pending += data
    while b"\n" in pending:
        line, pending = pending.split(b"\n", 1)
        request = json.loads(line)
        try:
            answer = operations[request["op"]](request)
        except Exception as problem:  # The one that asked must be told, whatever it is.
            answer = {"failure": f"{type(problem).__name__}: {problem}"}
        print(json.dumps({"id": request["id"], **answer}), flush=True)


def selector_turn(timeout):
    """Serves what is ready, but for requests; tells whether there was anything."""
    ready = [key for key, _ in selector.select(timeout) if key.fd != 0]
    for key in ready:
        serve_ready(key)
    return bool(ready)


def serve_ready(key):
    """What was ready may have been served and closed meanwhile, by a request in the same turn."""
    if selector.get_map().get(key.fd) == key:
        key.data()


pending = b""
if len(sys.argv) > 1:
    user = int(sys.argv[1])
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
selector.register(0, selectors.EVENT_READ, read_request)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        serve_ready(key)
