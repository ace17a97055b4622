// The unmodified npm SDK on the other doors: responses, also over a WebSocket, chat completions, files, uploads.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";
import { KEY, start } from "./server.mjs";

const PARAMETERS = {
  type: "object",
  properties: { n: { type: "integer" } },
  required: ["n"],
  additionalProperties: false,
};
const LOOKUP = { type: "function", name: "lookup", description: "Looks it up.", parameters: PARAMETERS, strict: true };
const MODEL = "scripted";
const LIMIT = { timeout: 30_000 };

let server;
let client;

before(async () => {
  server = await start();
  client = new OpenAI({ baseURL: server.base, apiKey: KEY, maxRetries: 0, timeout: 20_000 });
}, LIMIT);

after(async () => {
  assert.equal(await server?.stop(), 0, "a server that is told to end ends with 0");
}, LIMIT);

async function collect(stream) {
  const seen = [];
  for await (const event of stream) seen.push(event);
  return seen;
}

const said = (events) =>
  events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta).join("");

test("a response is streamed, and resumed after any of its events", LIMIT, async () => {
  const seen = await collect(await client.responses.create({ model: MODEL, input: "slow 4 one two three four", stream: true }));
  assert.equal(said(seen), "one two three four");
  assert.deepEqual(seen.map((event) => event.sequence_number), seen.map((_, place) => place));
  const { id } = seen[0].response;
  for (const from of [0, 3, seen.length - 2]) {
    const rest = await collect(await client.responses.retrieve(id, { stream: true, starting_after: from }));
    assert.deepEqual(rest.map((event) => event.type), seen.slice(from + 1).map((event) => event.type));
    assert.deepEqual(rest.at(-1).response, seen.at(-1).response);
  }
});

test("the streaming helper of responses, and a chain with a call", LIMIT, async () => {
  const stream = client.responses.stream({ model: MODEL, input: 'call lookup {"n":1}\nsay done', tools: [LOOKUP] });
  const first = await stream.finalResponse();
  const [call] = first.output;
  assert.equal(call.arguments, '{"n":1}');
  const second = await client.responses.create({
    model: MODEL,
    tools: [LOOKUP],
    previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "1" }],
  });
  assert.equal(second.output_text, "done");
  const items = await collect(client.responses.inputItems.list(second.id, { order: "asc" }));
  assert.deepEqual(items.map((item) => item.type), ["function_call_output"]);
});

test("a response in the background is cancelled", LIMIT, async () => {
  const { id, status } = await client.responses.create({ model: MODEL, input: "slow 2000 and so on", background: true });
  assert.ok(["queued", "in_progress"].includes(status));
  assert.equal((await client.responses.cancel(id)).status, "cancelled");
  await client.responses.delete(id);
  await assert.rejects(() => client.responses.retrieve(id), OpenAI.NotFoundError);
});

/** The events of the next response on `socket`, up to its end. */
async function turn(socket, request) {
  const seen = [];
  socket.send({ type: "response.create", model: MODEL, ...request });
  for await (const told of socket.stream()) {
    if (told.type === "error") throw told.error;
    if (told.type !== "message") continue;
    seen.push(told.message);
    if (["response.completed", "response.failed", "response.incomplete"].includes(told.message.type)) break;
  }
  return seen;
}

test("responses go on over a WebSocket without being kept", LIMIT, async () => {
  const socket = new ResponsesWS(client);
  try {
    const first = await turn(socket, { input: 'call lookup {"n":1}\nsay done', tools: [LOOKUP], store: false });
    const { id, output } = first.at(-1).response;
    const second = await turn(socket, {
      tools: [LOOKUP],
      store: false,
      previous_response_id: id,
      input: [{ type: "function_call_output", call_id: output[0].call_id, output: "1" }],
    });
    assert.equal(said(second), "done");
    await assert.rejects(() => client.responses.retrieve(id), OpenAI.NotFoundError);
  } finally {
    socket.close();
  }
});

test("a chat is streamed", LIMIT, async () => {
  const messages = [{ role: "user", content: "slow 3 one two three" }];
  const stream = client.chat.completions.stream({ model: MODEL, messages, stream_options: { include_usage: true } });
  let told = "";
  for await (const chunk of stream) told += chunk.choices[0]?.delta.content ?? "";
  const final = await stream.finalChatCompletion();
  assert.deepEqual([told, final.choices[0].message.content], ["one two three", "one two three"]);
  assert.equal(final.usage.total_tokens, final.usage.prompt_tokens + final.usage.completion_tokens);
});

test("the SDK runs the loop of a chat's functions", LIMIT, async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    model: MODEL,
    messages: [{ role: "user", content: 'call lookup {"n":1} & call lookup {"n":2}\ncall lookup {"n":3}\nsay done' }],
    tools: [{
      type: "function",
      function: {
        name: "lookup",
        description: "Looks it up.",
        parameters: PARAMETERS,
        parse: JSON.parse,
        function: ({ n }) => {
          asked.push(n);
          return `result ${n}`;
        },
      },
    }],
  });
  assert.equal(await runner.finalContent(), "done");
  assert.deepEqual(asked, [1, 2, 3]);
});

test("files and uploads come back byte by byte", LIMIT, async () => {
  const bytes = Uint8Array.from({ length: 300_000 }, (_, place) => place % 251);
  const file = await client.files.create({ file: await toFile(bytes, "a.bin"), purpose: "user_data" });
  const read = async (id) => new Uint8Array(await (await client.files.content(id)).arrayBuffer());
  assert.deepEqual(await read(file.id), bytes);
  const upload = await client.uploads.create({
    bytes: bytes.length, filename: "b.bin", mime_type: "application/octet-stream", purpose: "user_data",
  });
  const parts = [];
  for (const half of [bytes.slice(0, 200_000), bytes.slice(200_000)]) {
    parts.push((await client.uploads.parts.create(upload.id, { data: await toFile(half, "part") })).id);
  }
  const done = await client.uploads.complete(upload.id, { part_ids: parts });
  assert.deepEqual(await read(done.file.id), bytes);
  assert.deepEqual(new Set((await collect(client.files.list())).map((one) => one.id)), new Set([file.id, done.file.id]));
  assert.equal((await client.files.delete(file.id)).deleted, true);
  await assert.rejects(() => client.files.content(file.id), OpenAI.NotFoundError);
});

test("errors of these doors have the SDK's classes", LIMIT, async () => {
  await assert.rejects(
    () => client.responses.create({ model: MODEL, input: "x", previous_response_id: "resp_none" }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === "previous_response_not_found",
  );
  await assert.rejects(() => client.chat.completions.create({ model: "nobody", messages: [{ role: "user", content: "x" }] }),
    OpenAI.NotFoundError);
});
