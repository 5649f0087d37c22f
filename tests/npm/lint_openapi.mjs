// Starts the real server, asks it for /openapi.json and lets the public linter (the one that
// package.json pins) judge it under its recommended rules: no errors and no warnings.
// usage: node lint_openapi.mjs ONWARD_BINARY WORK_FOLDER
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [binary, folder] = process.argv.slice(2);
const here = import.meta.dirname;

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

/// The linter, as the lock file has it; installed once a build folder.
function install() {
  mkdirSync(folder, { recursive: true });
  const lock = readFileSync(join(here, "package-lock.json"), "utf8");
  const installed = join(folder, "installed.json");
  if (existsSync(installed) && readFileSync(installed, "utf8") === lock) return;
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(here, file), join(folder, file));
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
    { cwd: folder, stdio: "inherit" });
  if (npm.status !== 0) throw new Error("npm ci failed");
  writeFileSync(installed, lock);
}

/// The text that a server of its own answers.
async function describe() {
  const data = mkdtempSync(join(tmpdir(), "onward-openapi-"));
  const server = spawn(binary, ["serve", "--data", data, "--listen", "127.0.0.1:0"],
    { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let said = "";
    for await (const chunk of server.stdout) {
      said += chunk;
      if (said.includes("\n")) break;
    }
    const url = said.match(/http:\/\/\S+/)?.[0];
    if (!url) throw new Error(`the server said "${said}"`);
    const answer = await fetch(`${url}/openapi.json`);
    if (answer.status !== 200) throw new Error(`/openapi.json was answered ${answer.status}`);
    return await answer.text();
  } finally {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill("SIGTERM");
      await once(server, "exit");
    }
    rmSync(data, { recursive: true, force: true });
  }
}

/// What the linter has against a description.
function lint(name, text) {
  writeFileSync(join(folder, name), text);
  const run = spawnSync(process.execPath,
    [join("node_modules", "@redocly", "cli", "bin", "cli.js"), "lint", "--extends=recommended",
      "--format=json", name],
    { cwd: folder, encoding: "utf8", maxBuffer: 1 << 26,
      env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" } });
  const report = JSON.parse(run.stdout.slice(run.stdout.indexOf("{")));
  return report.problems.map(({ ruleId, severity, message, location }) =>
    `${severity} ${ruleId}: ${message} at ${location?.[0]?.pointer ?? "?"}`);
}

install();
const text = await describe();
const problems = lint("openapi.json", text);
for (const problem of problems) fail(problem);

// That the linter looks at all: a description without one operation's security is found fault with.
const broken = JSON.parse(text);
delete broken.paths["/v1/events"].post.security;
if (lint("broken.json", JSON.stringify(broken)).length === 0)
  fail("the linter has nothing against a description that is wrong");
if (!process.exitCode) console.log(`${Object.keys(broken.paths).length} paths, no problem`);
