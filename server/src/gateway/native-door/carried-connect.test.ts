import { expect, test } from "vitest";
import { connectRequestIn } from "./carried-connect.ts";

const asked = (target: string, fields: string, rest = "") =>
  Buffer.from(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${fields}\r\n${rest}`, "latin1");

test("a request that was read before is read the same again, whoever comes between and whatever follows", () => {
  const wishes = Array.from({ length: 600 }, (_, index) =>
    asked(`site${index}.test:443`, `Proxy-Authorization: Basic ${index}\r\n`),
  );
  for (let round = 0; round < 2; round++) {
    wishes.forEach((bytes, index) => {
      const found = connectRequestIn(Buffer.concat([bytes, Buffer.from(`early${round}`)]));
      expect(found?.used).toBe(bytes.length);
      expect(found?.asked.request.target).toMatchObject({ host: `site${index}.test`, port: 443 });
      expect(found?.asked.request.authorization).toBe(`Basic ${index}`);
    });
  }
});

test("what is not for the engine stays so, however often it is said", () => {
  const others = [
    asked("site.test:443", "Host: other.test\r\n"),
    asked("site.test", ""),
    asked("site.test:443", "X-Atlantic-Nodes: abc\r\n"),
    asked("site.test:443", "").subarray(0, 20),
    Buffer.from("GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n"),
  ];
  for (let round = 0; round < 3; round++) {
    for (const bytes of others) expect(connectRequestIn(bytes)).toBeUndefined();
  }
});
