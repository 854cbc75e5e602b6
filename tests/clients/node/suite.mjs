// What the official JavaScript client makes of one server: `node suite.mjs BASE_URL` prints one JSON object,
// name of the act -> its result or its error. The same acts run directly and through Dashcam; both must be equal.
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "sk-real-key", maxRetries: 0 });
const retrying = new OpenAI({ baseURL: process.argv[2], apiKey: "sk-real-key", maxRetries: 1 });
const messages = [{ role: "user", content: "hi" }];

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const chat = (user, more = {}, by = client) => by.chat.completions.create({ model: "m", messages, user, ...more });
const streamed = async (user, more = {}) => all(await chat(user, { stream: true, ...more }));

const schema = { type: "json_schema", json_schema: { name: "w", schema: { type: "object" }, strict: true } };
const refused = Object.fromEntries(
  [400, 401, 403, 404, 409, 422, 429, 500, 503].map((status) => [`status ${status}`, () => chat(`status ${status}`)]),
);

const acts = {
  ...refused,
  chat: () => chat("whole"),
  stream: () => streamed("stream"),
  "stream with usage": () => streamed("stream", { stream_options: { include_usage: true } }),
  "error in a stream": () => streamed("error event"),
  "cut stream": () => streamed("cut"),
  "too fast, then not": () => chat("429 once", {}, retrying),
  "page instead of an error": () => chat("page"),
  responses: async () => all(await client.responses.create({ model: "m", input: "hi", stream: true })),
  embeddings: () => client.embeddings.create({ model: "m", input: ["a", "b"] }),
  models: async () => all(await client.models.list()),
  file: async () => client.files.create({ file: await toFile(Buffer.from("a\n"), "a.jsonl"), purpose: "batch" }),
  speech: async () => Buffer.from(await (await client.audio.speech.create({ model: "t", input: "hi", voice: "a" })).arrayBuffer()).toString("hex"),
  transcription: async () => client.audio.transcriptions.create({ model: "w", file: await toFile(Buffer.from("RIFF"), "a.wav") }),
  "responses cut": async () => all(await client.responses.create({ model: "cut", input: "hi", stream: true })),
  parsed: () => client.chat.completions.parse({ model: "m", messages, user: "json", response_format: schema }),
  "parsed stream": async () => (await client.chat.completions.stream({ model: "m", messages, user: "stream" }).finalChatCompletion()).choices,
  raw: async () => (await chat("whole").asResponse()).text(),
  "file content": async () => (await client.files.content("file-1")).text(),
  "request id": async () => (await chat("whole").withResponse()).request_id,
};

const results = {};
for (const [name, act] of Object.entries(acts)) {
  try {
    results[name] = await act();
  } catch (error) {
    const { status, code, type, param, message } = error;
    results[name] = { error: error.constructor.name, status, code, type, param, message, request: error.requestID };
  }
}
console.log(JSON.stringify(results));
