import fc from "fast-check";
import { expect, test } from "vitest";
import { readDatagram, writeDatagram } from "./datagram-header.ts";

const host = fc.oneof(
  fc.ipV4(),
  fc.constantFrom("2001:db8:0:0:0:0:0:5", "::1", "::ffff:192.0.2.1", "fe80::1:2:3"),
  fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,60})$/),
);

test("a datagram is read as it was written", () => {
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), fc.uint8Array(), (name, port, content) => {
      const payload = Buffer.from(content);
      const read = readDatagram(writeDatagram({ host: name, port, payload }));
      expect(read?.port).toBe(port);
      expect(read?.payload).toEqual(payload);
      if (!name.includes(":")) expect(read?.host).toBe(name);
      else
        expect(writeDatagram({ host: read?.host ?? "", port, payload })).toEqual(
          writeDatagram({ host: name, port, payload }),
        );
    }),
  );
});

test("fragments and what cannot be read are dropped, and nothing at all is thrown", () => {
  const good = [0, 0, 0, 1, 192, 0, 2, 1, 0, 53, 1];
  expect(readDatagram(Buffer.from(good))?.host).toBe("192.0.2.1");
  expect(readDatagram(Buffer.from(good.with(2, 1)))).toBeUndefined();
  expect(readDatagram(Buffer.from(good.with(2, 128)))).toBeUndefined();
  expect(readDatagram(Buffer.from(good.with(3, 2)))).toBeUndefined();
  expect(readDatagram(Buffer.from([0, 0, 0, 3, 0, 0, 53, 1]))).toBeUndefined();
  expect(readDatagram(Buffer.from([0, 0, 0, 3, 2, 0x61, 0x20, 0, 53]))).toBeUndefined();
  expect(readDatagram(Buffer.from([0, 0, 0, 1, 192, 0, 2, 1, 0, 0]))).toBeUndefined();
  // A name with a colon that is no address could not be written again.
  expect(readDatagram(Buffer.from([0, 0, 0, 3, 3, 0x61, 0x3a, 0x62, 0, 53]))).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => void readDatagram(Buffer.from(bytes))),
    { numRuns: 2_000 },
  );
});
