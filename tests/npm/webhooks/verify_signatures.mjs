// verify_signatures.mjs BINARY FOLDER: installs the public library of Standard Webhooks into FOLDER,
// lets BINARY send signed requests to a receiver that verifies them with it, before, during and
// after a rotation of the secret, and checks that the library refuses what was tampered with.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [binary, folder] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const patience = 30_000;

mkdirSync(folder, { recursive: true });
for (const name of ["package.json", "package-lock.json"]) copyFileSync(join(here, name), join(folder, name));
execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit" });
const { Webhook } = createRequire(join(folder, "package.json"))("standardwebhooks");

const work = mkdtempSync(join(tmpdir(), "onward-webhooks-"));
const data = join(work, "data");
// Not the synchronous kind: the receiver answers in this process.
const onward = (args, input = "") =>
  new Promise((done, failed) => {
    const child = execFile(binary, [...args, "--data", data], (error, out) =>
      error ? failed(error) : done(out),
    );
    child.stdin.end(input);
  });

// A receiver that keeps what comes, byte for byte.
const received = [];
let wake = () => {};
const receiver = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    received.push({ headers: request.headers, body: Buffer.concat(parts).toString("utf8") });
    response.end("ok");
    wake();
  });
});
await new Promise((done) => receiver.listen(0, "127.0.0.1", done));
const port = receiver.address().port;

const arrived = async (count) => {
  const until = Date.now() + patience;
  while (received.length < count) {
    assert.ok(Date.now() < until, `only ${received.length} of ${count} requests came`);
    await new Promise((done) => {
      wake = done;
      setTimeout(done, 100);
    });
  }
  return received[count - 1];
};
const accepts = (webhook, { headers, body }) => {
  try {
    webhook.verify(body, headers);
    return true;
  } catch {
    return false;
  }
};

let server;
try {
  const portFile = join(work, "port");
  server = spawn(
    binary,
    ["serve", "--data", data, "--listen", "127.0.0.1:0", "--port-file", portFile, "--quiet",
     "--allow-host", `127.0.0.1:${port}`],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await new Promise((done, failed) => {
    server.stdout.once("data", done);
    server.once("exit", () => failed(new Error("the server did not start")));
  });

  const first = (await onward(["secret", "set", "hook", "--generate", "--host", "127.0.0.1"])).match(/whsec_\S+/)[0];
  const file = join(work, "relay.yaml");
  writeFileSync(
    file,
    `scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "http://127.0.0.1:${port}/in", sign: hook,
          additional: { note: "äöü €" }, next: end }
`,
  );
  await onward(["apply", file]);
  await onward(["activate", "relay"]);
  const send = (who) => onward(["events", "send", "opened", "--contact", who]);

  await send("a");
  const one = await arrived(1);
  assert.ok(accepts(new Webhook(first), one), "the library refuses what the binary signed");
  assert.match(one.headers["webhook-id"], /^evt_[A-Za-z0-9]+$/);
  assert.match(one.headers["webhook-signature"], /^v1,[A-Za-z0-9+/]+=*$/);
  assert.ok(!accepts(new Webhook(first), { ...one, body: one.body.replace('"a"', '"b"') }));
  assert.ok(!accepts(new Webhook(first), { ...one, headers: { ...one.headers, "webhook-id": "evt_x" } }));
  assert.ok(!accepts(new Webhook("whsec_" + Buffer.from("another").toString("base64")), one));

  const second = (await onward(["secret", "set", "hook", "--rotate", "--generate"])).match(/whsec_\S+/)[0];
  assert.notEqual(first, second);
  await send("b");
  const two = await arrived(2);
  assert.equal(two.headers["webhook-signature"].split(" ").length, 2);
  assert.ok(accepts(new Webhook(first), two), "the old secret fits no more while it is rotated");
  assert.ok(accepts(new Webhook(second), two), "the new secret does not fit yet");
  assert.ok(!accepts(new Webhook(first), { ...two, body: two.body + " " }));

  await onward(["secret", "set", "hook", "--drop-old"]);
  await send("c");
  const three = await arrived(3);
  assert.ok(!accepts(new Webhook(first), three), "the old secret still fits after its end");
  assert.ok(accepts(new Webhook(second), three));

  // A text without the prefix is a key as it stands: the library wants to be told so.
  await onward(["secret", "set", "hook"], "a secret of words\n");
  await send("d");
  const four = await arrived(4);
  assert.ok(accepts(new Webhook("a secret of words", { format: "raw" }), four));

  // The test button signs as well.
  await onward(["webhook", "test", "relay", "tell"]);
  const five = await arrived(5);
  assert.match(five.headers["webhook-id"], /^test_evt_[A-Za-z0-9]{25}$/);
  assert.ok(accepts(new Webhook("a secret of words", { format: "raw" }), five));
  console.log(`verified ${received.length} requests`);
} finally {
  if (server) {
    const gone = new Promise((done) => server.once("exit", done));
    if (server.exitCode === null && server.kill("SIGTERM")) await gone;
  }
  receiver.close();
  rmSync(work, { recursive: true, force: true });
}
