"""Asks one name again and again over UDP; prints the median time to the answer in microseconds. PORT COUNT"""
import socket
import statistics
import sys
import time

port, count = int(sys.argv[1]), int(sys.argv[2])
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect(("127.0.0.1", port))
name = b"".join(bytes([len(label)]) + label for label in b"cached.popular.test-name.com".split(b".")) + b"\0"
tail = b"\x01\x00\x00\x01" + bytes(6) + name + b"\x00\x01\x00\x01"
times = []
for number in range(count + 200):
    query = number.to_bytes(2, "big") + tail
    begun = time.perf_counter_ns()
    client.send(query)
    answer = client.recv(4096)
    taken = time.perf_counter_ns() - begun
    if answer[:2] != query[:2] or answer[7] != 1:
        sys.exit("that was no answer with an address")
    # The first ones ask whoever knows.
    if number >= 200:
        times.append(taken)
print(statistics.median(times) / 1000)
