import { expect, test } from "vitest";
import { macosStore } from "./macos-store.ts";
import type { RunCommand } from "./run-command.ts";
import { changesTo, restorationOf, valuesOf } from "./setting-change.ts";

/** Answers as the manual page and people's transcripts of networksetup show them. */
const answers: Record<string, string> = {
  "-listallnetworkservices":
    "An asterisk (*) denotes that a network service is disabled.\nWi-Fi\n*Thunderbolt Bridge\nUSB 10/100 LAN\n",
  "-getwebproxy Wi-Fi":
    "Enabled: Yes\nServer: proxy.corp.example\nPort: 3128\nAuthenticated Proxy Enabled: 0\n",
  "-getsecurewebproxy Wi-Fi": "Enabled: No\nServer: \nPort: 0\nAuthenticated Proxy Enabled: 0\n",
  "-getsocksfirewallproxy Wi-Fi": "Enabled: No\nServer: \nPort: 0\nAuthenticated Proxy Enabled: 0\n",
  "-getproxybypassdomains Wi-Fi": "*.local\n169.254/16\n",
  "-getautoproxyurl Wi-Fi": "URL: http://wpad.corp.example/wpad.dat\nEnabled: Yes\n",
  "-getproxyautodiscovery Wi-Fi": "Auto Proxy Discovery: On\n",
  "-getwebproxy USB 10/100 LAN": "Enabled: No\nServer: \nPort: 0\nAuthenticated Proxy Enabled: 0\n",
  "-getsecurewebproxy USB 10/100 LAN": "Enabled: No\nServer: \nPort: 0\nAuthenticated Proxy Enabled: 0\n",
  "-getsocksfirewallproxy USB 10/100 LAN": "Enabled: No\nServer: \nPort: 0\nAuthenticated Proxy Enabled: 0\n",
  "-getproxybypassdomains USB 10/100 LAN": "There aren't any bypass domains set on USB 10/100 LAN.\n",
  "-getautoproxyurl USB 10/100 LAN": "URL: (null)\nEnabled: No\n",
  "-getproxyautodiscovery USB 10/100 LAN": "Auto Proxy Discovery: Off\n",
};

function mac(change: Record<string, string> = {}) {
  const written: string[] = [];
  const run: RunCommand = async (program, words) => {
    expect(program).toBe("networksetup");
    const asked = words.join(" ");
    const out = { ...answers, ...change }[asked];
    if (out === undefined) written.push(words.map((word) => (word === "" ? '""' : word)).join(" "));
    return { code: 0, out: out ?? "", err: "" };
  };
  return { store: macosStore(run), written };
}

test("every service that is on is pointed at the proxy, scripts and discovery go off, and all comes back", async () => {
  const { store, written } = mac();
  const now = await store.read();
  const changes = changesTo(store.wanted({ host: "127.0.0.1", port: 9151 }, now), now);
  await store.write(valuesOf(changes));
  expect(written.splice(0)).toEqual([
    "-setwebproxy Wi-Fi 127.0.0.1 9151 off",
    "-setwebproxystate Wi-Fi on",
    "-setsecurewebproxy Wi-Fi 127.0.0.1 9151 off",
    "-setsecurewebproxystate Wi-Fi on",
    "-setsocksfirewallproxy Wi-Fi 127.0.0.1 9151 off",
    "-setsocksfirewallproxystate Wi-Fi on",
    "-setproxybypassdomains Wi-Fi localhost 127.0.0.1 ::1",
    "-setautoproxyurl Wi-Fi http://wpad.corp.example/wpad.dat",
    "-setautoproxystate Wi-Fi off",
    "-setproxyautodiscovery Wi-Fi off",
    "-setwebproxy USB 10/100 LAN 127.0.0.1 9151 off",
    "-setwebproxystate USB 10/100 LAN on",
    "-setsecurewebproxy USB 10/100 LAN 127.0.0.1 9151 off",
    "-setsecurewebproxystate USB 10/100 LAN on",
    "-setsocksfirewallproxy USB 10/100 LAN 127.0.0.1 9151 off",
    "-setsocksfirewallproxystate USB 10/100 LAN on",
    "-setproxybypassdomains USB 10/100 LAN localhost 127.0.0.1 ::1",
  ]);
  await store.write(restorationOf(changes, valuesOf(changes)).values);
  expect(written).toEqual([
    "-setproxybypassdomains USB 10/100 LAN Empty",
    '-setsocksfirewallproxy USB 10/100 LAN "" 0 off',
    "-setsocksfirewallproxystate USB 10/100 LAN off",
    '-setsecurewebproxy USB 10/100 LAN "" 0 off',
    "-setsecurewebproxystate USB 10/100 LAN off",
    '-setwebproxy USB 10/100 LAN "" 0 off',
    "-setwebproxystate USB 10/100 LAN off",
    "-setproxyautodiscovery Wi-Fi on",
    "-setautoproxyurl Wi-Fi http://wpad.corp.example/wpad.dat",
    "-setautoproxystate Wi-Fi on",
    "-setproxybypassdomains Wi-Fi *.local 169.254/16",
    '-setsocksfirewallproxy Wi-Fi "" 0 off',
    "-setsocksfirewallproxystate Wi-Fi off",
    '-setsecurewebproxy Wi-Fi "" 0 off',
    "-setsecurewebproxystate Wi-Fi off",
    "-setwebproxy Wi-Fi proxy.corp.example 3128 off",
    "-setwebproxystate Wi-Fi on",
  ]);
});

test("a proxy with a login cannot be put back, so nothing is begun", async () => {
  const login = "Enabled: Yes\nServer: p\nPort: 1\nAuthenticated Proxy Enabled: 1\n";
  const { store } = mac({ "-getwebproxy Wi-Fi": login });
  await expect(store.read()).rejects.toThrow(/Wi-Fi has a proxy with a login/);
});
