// The unmodified npm SDK against the release binary: streams, the loop of function calls, lists, and the page for users.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { KEY, ROOT, start } from "./server.mjs";

const LOOKUP = {
  type: "function",
  name: "lookup",
  description: "Does lookup.",
  parameters: {
    type: "object",
    properties: { n: { type: "integer" } },
    required: ["n"],
    additionalProperties: false,
  },
};
const NONE = { type: "none" };
const LIMIT = { timeout: 30_000 };

let server;
let sessions;

before(async () => {
  server = await start();
  const client = new OpenAI({ baseURL: server.base, apiKey: KEY, maxRetries: 0, timeout: 20_000 });
  sessions = client.beta.agents.sessions;
}, LIMIT);

after(async () => {
  assert.equal(await server?.stop(), 0, "a server that is told to end ends with 0");
}, LIMIT);

function create(input, more = {}) {
  return sessions.create({ agent: { model: "scripted", tools: [LOOKUP] }, environment: NONE, input, stream: true, ...more });
}

async function collect(stream) {
  const seen = [];
  for await (const event of stream) seen.push(event);
  return seen;
}

test("a created session streams its first turn", LIMIT, async () => {
  const seen = await collect(await create("hello"));
  assert.equal(seen[0].type, "agent.session.created");
  assert.equal(seen.at(-1).type, "agent.session.idle");
  assert.equal(new Set(seen.map((event) => event.event_id)).size, seen.length);
  const deltas = seen.filter((event) => event.type === "agent.session.turn.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), "echo: hello");
});

test("the SDK collects the result and goes on", LIMIT, async () => {
  const first = await (await create("one")).finalResult();
  assert.equal(first.output_text, "echo: one");
  const seen = await collect(sessions.stream(first.turn.session_id, { input: "two" }));
  assert.equal(seen.at(-1).type, "agent.session.idle");
  const spoken = [];
  for await (const item of sessions.items.list(first.turn.session_id, { order: "asc", limit: 1 })) {
    spoken.push([item.role, item.content.map((part) => part.text).join("")]);
  }
  assert.deepEqual(spoken, [["user", "one"], ["assistant", "echo: one"], ["user", "two"], ["assistant", "echo: two"]]);
});

test("the SDK runs the loop of function calls", LIMIT, async () => {
  const session = (await collect(await create("hello")))[0].session.id;
  const asked = [];
  const stream = sessions.stream(session, {
    input: 'call lookup {"n":1} & call lookup {"n":2}\ncall lookup {"n":3}\nsay done',
    toolHandlers: {
      lookup: ({ n }) => {
        asked.push(n);
        return `result ${n}`;
      },
    },
  });
  const result = await stream.finalResult();
  assert.equal(result.output_text, "done");
  assert.deepEqual(asked, [1, 2, 3]);
  const items = (await sessions.items.list(session, { order: "asc", limit: 100 })).data;
  const outputs = items.filter((item) => item.type === "function_call_output").map((item) => item.output);
  assert.deepEqual(outputs, ["result 1", "result 2", "result 3"]);
});

test("errors have the SDK's classes", LIMIT, async () => {
  await assert.rejects(() => sessions.retrieve("sess_000000000000000000000000"), OpenAI.NotFoundError);
  await assert.rejects(
    () => sessions.create({ agent: { model: "nobody" }, environment: NONE, input: "x" }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
  );
});

test("the examples in TypeScript of docs/clients.md run", LIMIT, async () => {
  const page = readFileSync(join(ROOT, "docs/clients.md"), "utf8");
  const examples = [...page.matchAll(/^```typescript\n(.*?)^```$/gms)].map((found) => found[1]);
  const expected = ["echo: Remember the number 42.", "echo: Say hello."];
  assert.equal(examples.length, expected.length);
  for (const [place, example] of examples.entries()) {
    const child = spawn(process.execPath, ["--input-type=module", "-"], {
      env: { ...process.env, OPENAI_BASE_URL: server.base, OPENAI_API_KEY: KEY, MODEL: "scripted" },
      cwd: join(ROOT, "tests/node"),
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin.end(example);
    let printed = "";
    child.stdout.on("data", (data) => (printed += data));
    const status = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(status, 0);
    assert.equal(printed, expected[place]);
  }
});
