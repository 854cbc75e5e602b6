// Vercel's AI SDK against one server: Responses (its default), chat, and the strict provider for compatible servers.
// Usage: node suite_ai.mjs BASE_URL API_KEY; prints what came of each act as JSON.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

const [baseURL, apiKey] = process.argv.slice(2);
const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: "here", baseURL, apiKey });
const counting = createOpenAICompatible({ name: "here", baseURL, apiKey, includeUsage: true });
const prompt = "How warm is it in Oslo?";
const schema = jsonSchema({
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
});
const tools = { weather: tool({ description: "It", inputSchema: schema, execute: ({ city, degrees }) => `${degrees} in ${city}` }) };

const kinds = { responses: openai, chat: openai.chat, compatible, "compatible with usage": counting };
const counts = ({ inputTokens, outputTokens }) => [inputTokens, outputTokens];

const ask = async (model, more = {}) => {
  const { text, finishReason, totalUsage, steps, output } = await generateText({ model, prompt, maxRetries: 0, ...more });
  return { text, finishReason, usage: counts(totalUsage), steps: steps.length, output: more.output && output };
};

const stream = async (model, more = {}) => {
  const parts = [];
  const found = streamText({ model, prompt, maxRetries: 0, onError() {}, ...more });
  for await (const { type, text, delta, toolName, error, totalUsage } of found.fullStream) {
    if (error) throw error;
    parts.push([type, text ?? delta ?? toolName, totalUsage && counts(totalUsage)]);
  }
  return parts;
};

const acts = {};
for (const [kind, model] of Object.entries(kinds)) {
  acts[kind] = () => ask(model("good-model"));
  acts[`${kind} streamed`] = () => stream(model("good-model"));
  acts[`${kind} with a tool`] = () => ask(model("good-model"), { tools, stopWhen: stepCountIs(2) });
  acts[`${kind} with a tool streamed`] = () => stream(model("good-model"), { tools, stopWhen: stepCountIs(2) });
  acts[`${kind} structured`] = () => ask(model("good-model"), { output: Output.object({ schema }) });
  acts[`${kind} not found`] = () => ask(model("refused-404"));
  acts[`${kind} too fast`] = () => ask(model("refused-429"));
  acts[`${kind} server error streamed`] = () => stream(model("refused-500"));
}
acts.embedding = async () => {
  const { embedding, usage } = await embed({ model: openai.embedding("good-model"), value: "hi", maxRetries: 0 });
  return { embedding, usage };
};
acts["error in a stream"] = () => stream(openai.chat("dies"));
acts["cut stream"] = () => stream(openai.chat("cut"));

const results = {};
for (const [name, act] of Object.entries(acts)) {
  try {
    results[name] = await act();
  } catch (error) {
    const { statusCode, message, isRetryable } = error;
    results[name] = { error: error.constructor.name, status: statusCode, message, isRetryable };
  }
}
console.log(JSON.stringify(results));
