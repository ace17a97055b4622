// Runs the real binary for a test file and stops it at the end.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const KEY = "sk-for-the-tests-0123456789";
const BINARY = process.env.OUTCROP_BINARY ?? join(ROOT, "target/release/outcrop");

/** Starts a server with the scripted model on a folder of its own; its base URL, and a function that ends it. */
export async function start() {
  const folder = mkdtempSync(join(tmpdir(), "outcrop-node-"));
  const config = join(folder, "outcrop.toml");
  writeFileSync(config, '[[model]]\nname = "scripted"\nprovider = "script"\n');
  const child = spawn(
    BINARY,
    ["serve", "--listen", "127.0.0.1:0", "--config", config, "--data", join(folder, "data")],
    { env: { ...process.env, OUTCROP_API_KEY: KEY }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = new Promise((resolve, reject) => child.once("exit", resolve).once("error", reject));
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith("listening on ")) continue;
    child.stdout.resume();
    return {
      base: `${line.split(" ")[2]}/v1`,
      async stop() {
        child.kill("SIGTERM");
        const status = await ended;
        rmSync(folder, { recursive: true });
        return status;
      },
    };
  }
  throw new Error(`the server ended with ${await ended}`);
}
