// What the official Node SDKs of OpenAI and Anthropic do with a door.
//
// Started by tests/sdk/run.py; the environment variable TOUR says where the
// door and the doubles are. One line a step; status 1 if a step failed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const stand = JSON.parse(process.env.TOUR);
const url = stand.url;
const steps = [];
const step = (name, run) => steps.push([name, run]);

// -- what is asserted again and again

const toks = (count, word = "tok") =>
  Array.from({ length: count }, (_, i) => `${word}${i} `).join("");
const user = (content) => ({ role: "user", content });

async function seen(double, requestId) {
  const stats = await (await fetch(`${stand[double]}/double/stats`)).json();
  return stats.requests.filter((one) => one.request_id === requestId);
}

async function until(what, condition, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const value = await condition();
    if (value) return value;
    await sleep(100);
  }
  assert.fail(`not within ${seconds} s: ${what}`);
}

// The ledger's record of how a request ended.
function settled(requestId) {
  const [program, ...words] = stand.export;
  const output = execFileSync(program, words, { encoding: "utf8", maxBuffer: 1 << 28 });
  const records = output.trim().split("\n").map((line) => JSON.parse(line));
  return records.find((one) => one.record === "settled" && one.request_id === requestId);
}

// Asserts that `call` rejects with the SDK's `kind` and the door's code; returns the error.
async function refused(kind, status, code, call) {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    assert.equal(error.status, status);
    assert.match(error.headers.get("x-request-id"), /^req_[0-9a-f]{32}$/);
    if (code) assert.equal(error.code, code);
    return error;
  }
  assert.fail(`no ${kind.name}`);
}

// Asserts that the door cancelled the upstream call and charged what was made.
async function clientGone(double, requestId, read) {
  const [track] = await until("the double saw the abort", async () => {
    const aborted = (await seen(double, requestId)).filter((one) => one.aborted);
    return aborted.length ? aborted : null;
  });
  const record = await until("the request is settled", () => settled(requestId));
  assert.equal(record.outcome, "client_gone");
  assert.ok(record.settled.output >= read, JSON.stringify(record));
  assert.ok(record.settled.output <= track.produced + 1, JSON.stringify([record, track]));
}

const Weather = z.object({ city: z.string(), days: z.int().min(7) });
const schema = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
const given = { city: "Paris", days: 7 };
const names = ["weather", "air"];
const openaiTools = names.map((name) => ({ type: "function", function: { name, parameters: schema } }));
const anthropicTools = names.map((name) => ({ name, input_schema: schema }));

// -- OpenAI's SDK

const gpt = new OpenAI({ baseURL: `${url}/v1`, apiKey: stand.key, maxRetries: 0, timeout: 60_000 });
const chat = (model, prompt, more = {}) => ({ model, messages: [user(prompt)], max_tokens: 100, ...more });

async function gather(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const text = choices.map((choice) => choice.delta.content ?? "").join("");
  const reasoning = choices.map((choice) => choice.delta.reasoning_content ?? "").join("");
  const finish = choices.map((choice) => choice.finish_reason).filter(Boolean);
  return { chunks, text, reasoning, finish };
}

function openaiSteps(prefix, model, double) {
  step(`${prefix}chat`, async () => {
    const { data, response } = await gpt.chat.completions.create(chat(model, "say 3")).withResponse();
    assert.equal(data.object, "chat.completion");
    assert.equal(data.model, model);
    assert.equal(data.choices[0].message.content, toks(3));
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(data.usage.completion_tokens, 3);
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + 3);
    const tracks = await seen(double, response.headers.get("x-request-id"));
    assert.deepEqual(tracks.map((track) => track.finished), [true]);
  });
  step(`${prefix}stream`, async () => {
    const { chunks, text, finish } = await gather(
      await gpt.chat.completions.create(chat(model, "say 5", { stream: true })),
    );
    assert.equal(text, toks(5));
    assert.deepEqual(finish, ["stop"]);
    assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage));
  });
  step(`${prefix}stream.usage`, async () => {
    const body = chat(model, "say 5", { stream: true, stream_options: { include_usage: true } });
    const { chunks, text } = await gather(await gpt.chat.completions.create(body));
    assert.equal(text, toks(5));
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, 5);
    assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
  });
  for (const [word, prompt, called] of [
    ["one", "call the tool", names.slice(0, 1)],
    ["parallel", "call the tools", names],
  ]) {
    step(`${prefix}tools.${word}`, async () => {
      const body = chat(model, prompt, { tools: openaiTools });
      const answer = await gpt.chat.completions.create(body);
      const message = answer.choices[0].message;
      assert.equal(answer.choices[0].finish_reason, "tool_calls");
      assert.deepEqual(message.tool_calls.map((call) => call.function.name), called);
      for (const call of message.tool_calls) assert.deepEqual(JSON.parse(call.function.arguments), given);
      const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "sunny" }));
      const messages = [...body.messages, message, ...results, user("say 2")];
      const after = await gpt.chat.completions.create({ ...body, messages });
      assert.equal(after.choices[0].message.content, toks(2));
    });
    step(`${prefix}tools.${word}.stream`, async () => {
      const stream = gpt.chat.completions.stream(chat(model, prompt, { tools: openaiTools }));
      const message = await stream.finalMessage();
      assert.deepEqual(message.tool_calls.map((call) => call.function.name), called);
      for (const call of message.tool_calls) assert.deepEqual(JSON.parse(call.function.arguments), given);
    });
  }
  step(`${prefix}structured`, async () => {
    const format = zodResponseFormat(Weather, "weather");
    const answer = await gpt.chat.completions.parse(chat(model, "the weather", { response_format: format }));
    assert.deepEqual(answer.choices[0].message.parsed, given);
  });
  step(`${prefix}reasoning`, async () => {
    const body = chat(model, "say 3\n!double reasoning=2", { max_tokens: 4000 });
    const answer = await gpt.chat.completions.create(body);
    assert.equal(answer.choices[0].message.reasoning_content, toks(2, "think"));
    const { text, reasoning } = await gather(await gpt.chat.completions.create({ ...body, stream: true }));
    assert.deepEqual([reasoning, text], [toks(2, "think"), toks(3)]);
  });
  step(`${prefix}stream.broken`, async () => {
    const body = chat(model, "say 50\n!double die after=3", { stream: true });
    let text = "";
    await assert.rejects(
      async () => {
        for await (const chunk of await gpt.chat.completions.create(body)) {
          text += chunk.choices[0]?.delta.content ?? "";
        }
      },
      (error) => error instanceof OpenAI.APIError && error.code === "upstream_failed",
    );
    assert.equal(text, toks(3));
  });
  step(`${prefix}cancel`, async () => {
    const body = chat(model, "say 500\n!double rate=40", { max_tokens: 600, stream: true });
    const { data, response } = await gpt.chat.completions.create(body).withResponse();
    let read = 0;
    for await (const chunk of data) {
      read += chunk.choices[0]?.delta.content ? 1 : 0;
      if (read === 4) break; // aborts the request
    }
    await clientGone(double, response.headers.get("x-request-id"), read);
  });
}

for (const model of ["gpt-double", "claude-double"]) {
  step(`openai-node responses ${model}`, async () => {
    const answer = await gpt.responses.create({ model, input: "say 3", max_output_tokens: 50 });
    assert.deepEqual([answer.status, answer.output_text], ["completed", toks(3)]);
    assert.equal(answer.usage.output_tokens, 3);
    const stream = await gpt.responses.create({ model, input: "say 5", max_output_tokens: 50, stream: true });
    let text = "";
    let last = "";
    for await (const event of stream) {
      text += event.type === "response.output_text.delta" ? event.delta : "";
      last = event.type;
    }
    assert.deepEqual([text, last], [toks(5), "response.completed"]);
  });
}

openaiSteps("openai-node ", "gpt-double", "openai_double");
openaiSteps("openai-node to-anthropic.", "claude-double", "anthropic_double");

step("openai-node embeddings", async () => {
  const answer = await gpt.embeddings.create({ model: "embed-double", input: ["one", "two", "one"] });
  const [first, second, third] = answer.data.map((one) => one.embedding);
  assert.equal(first.length, 8);
  assert.deepEqual(first, third);
  assert.notDeepEqual(first, second);
  const plain = await gpt.embeddings.create({ model: "embed-double", input: "one", encoding_format: "float" });
  assert.deepEqual(plain.data[0].embedding, first);
});

step("openai-node models", async () => {
  const ids = [];
  for await (const model of gpt.models.list()) ids.push(model.id);
  for (const id of ["gpt-double", "claude-double", "handbook"]) assert.ok(ids.includes(id), ids.join(" "));
  assert.equal((await gpt.models.retrieve("gpt-double")).id, "gpt-double");
});

step("openai-node errors", async () => {
  const ask = (client, more) => () => client.chat.completions.create(chat("gpt-double", "say 1", more));
  const stranger = gpt.withOptions({ apiKey: `sw_live_${"0".repeat(36)}` });
  await refused(OpenAI.AuthenticationError, 401, "invalid_api_key", ask(stranger));
  await refused(OpenAI.NotFoundError, 404, "model_not_found", ask(gpt, { model: "no-such-model" }));
  await refused(OpenAI.BadRequestError, 400, "invalid_request", ask(gpt, { messages: "no list" }));
  const odd = ask(gpt, { model: "claude-double", logprobs: true });
  const error = await refused(OpenAI.BadRequestError, 400, "unsupported_parameter", odd);
  assert.equal(error.param, "logprobs");
});

step("openai-node quota", async () => {
  const limited = gpt.withOptions({ apiKey: stand.limited["openai-node"] });
  await limited.chat.completions.create(chat("gpt-double", "say 1"));
  const again = () => limited.chat.completions.create(chat("gpt-double", "say 1"));
  const error = await refused(OpenAI.RateLimitError, 429, "quota_exceeded", again);
  assert.ok(Number(error.headers.get("retry-after")) > 0);
  assert.equal(error.headers.get("x-ratelimit-scope"), "key");
});

step("openai-node many", async () => {
  const counts = Array.from({ length: 20 }, (_, i) => i + 1);
  const ask = async (count) => {
    const stream = await gpt.chat.completions.create(chat("gpt-double", `say ${count}`, { stream: true }));
    return (await gather(stream)).text;
  };
  assert.deepEqual(await Promise.all(counts.map(ask)), counts.map((count) => toks(count)));
});

step("openai-node handbook", async () => {
  const nobody = { headers: { authorization: null } };
  const body = { model: "handbook", messages: [user("How do I make a key?")] };
  const answer = await gpt.chat.completions.create(body, nobody);
  assert.match(answer.choices[0].message.content, /surgewall admin key create/);
  const ask = () => gpt.chat.completions.create({ ...body, model: "gpt-double" }, nobody);
  await refused(OpenAI.AuthenticationError, 401, "credential_missing", ask);
});

// -- DeepSeek's way of using OpenAI's SDK

const deepseek = gpt.withOptions({ baseURL: url });

step("deepseek-node chat", async () => {
  const body = chat("deepseek-double", "say 3\n!double reasoning=2 cached=1");
  const answer = await deepseek.chat.completions.create(body);
  assert.equal(answer.choices[0].message.reasoning_content, toks(2, "think"));
  assert.equal(answer.choices[0].message.content, toks(3));
  assert.equal(answer.usage.prompt_cache_hit_tokens, 1);
  const { text, reasoning } = await gather(await deepseek.chat.completions.create({ ...body, stream: true }));
  assert.deepEqual([reasoning, text], [toks(2, "think"), toks(3)]);
});

step("deepseek-node balance", async () => {
  assert.deepEqual(await deepseek.get("/user/balance"), { is_available: true, balance_infos: [] });
});

// -- Anthropic's SDK

const claude = new Anthropic({ baseURL: url, apiKey: stand.key, maxRetries: 0, timeout: 60_000 });

function anthropicSteps(prefix, model, double) {
  step(`${prefix}chat`, async () => {
    const { data, response } = await claude.messages
      .create(chat(model, "say 3", { system: "Be short." }))
      .withResponse();
    assert.deepEqual([data.type, data.role, data.model], ["message", "assistant", model]);
    assert.deepEqual(data.content.map((block) => [block.type, block.text]), [["text", toks(3)]]);
    assert.equal(data.stop_reason, "end_turn");
    assert.equal(data.usage.output_tokens, 3);
    assert.ok(data.usage.input_tokens > 0);
    const tracks = await seen(double, response.headers.get("x-request-id"));
    assert.deepEqual(tracks.map((track) => track.finished), [true]);
  });
  step(`${prefix}stream`, async () => {
    let text = "";
    const stream = claude.messages.stream(chat(model, "say 5")).on("text", (piece) => (text += piece));
    const final = await stream.finalMessage();
    assert.deepEqual([text, final.content[0].text], [toks(5), toks(5)]);
    assert.deepEqual([final.stop_reason, final.usage.output_tokens], ["end_turn", 5]);
  });
  for (const [word, prompt, called] of [
    ["one", "call the tool", names.slice(0, 1)],
    ["parallel", "call the tools", names],
  ]) {
    const calls = called.map((name) => [name, given]);
    step(`${prefix}tools.${word}`, async () => {
      const body = chat(model, prompt, { tools: anthropicTools });
      const message = await claude.messages.create(body);
      assert.equal(message.stop_reason, "tool_use");
      assert.deepEqual(message.content.map((call) => [call.name, call.input]), calls);
      const results = message.content.map((call) => ({
        type: "tool_result",
        tool_use_id: call.id,
        content: "sunny",
      }));
      const messages = [
        ...body.messages,
        { role: "assistant", content: message.content },
        user([...results, { type: "text", text: "say 2" }]),
      ];
      const after = await claude.messages.create({ ...body, messages });
      assert.equal(after.content[0].text, toks(2));
    });
    step(`${prefix}tools.${word}.stream`, async () => {
      const final = await claude.messages.stream(chat(model, prompt, { tools: anthropicTools })).finalMessage();
      assert.deepEqual(final.content.map((call) => [call.name, call.input]), calls);
      assert.equal(final.stop_reason, "tool_use");
    });
  }
  step(`${prefix}structured`, async () => {
    const body = chat(model, "the weather", { output_config: { format: zodOutputFormat(Weather) } });
    const message = await claude.messages.parse(body);
    assert.deepEqual(message.parsed_output, given);
  });
  step(`${prefix}thinking`, async () => {
    const thinking = { type: "enabled", budget_tokens: 2000 };
    const body = chat(model, "say 3\n!double reasoning=2", { max_tokens: 4000, thinking });
    for (const message of [
      await claude.messages.create(body),
      await claude.messages.stream(body).finalMessage(),
    ]) {
      assert.deepEqual(message.content.map((block) => block.type), ["thinking", "text"]);
      assert.deepEqual([message.content[0].thinking, message.content[1].text], [toks(2, "think"), toks(3)]);
    }
  });
  step(`${prefix}stream.broken`, async () => {
    const body = chat(model, "say 50\n!double die after=3", { stream: true });
    let text = "";
    await assert.rejects(
      async () => {
        for await (const event of await claude.messages.create(body)) {
          text += event.type === "content_block_delta" ? event.delta.text : "";
        }
      },
      (error) => error instanceof Anthropic.APIError && error.error.error.type === "api_error",
    );
    assert.equal(text, toks(3));
  });
  step(`${prefix}cancel`, async () => {
    const body = chat(model, "say 500\n!double rate=40", { max_tokens: 600, stream: true });
    const { data, response } = await claude.messages.create(body).withResponse();
    let read = 0;
    for await (const event of data) {
      read += event.type === "content_block_delta" ? 1 : 0;
      if (read === 4) break; // aborts the request
    }
    await clientGone(double, response.headers.get("x-request-id"), read);
  });
}

anthropicSteps("anthropic-node ", "claude-double", "anthropic_double");
anthropicSteps("anthropic-node to-openai.", "gpt-double", "openai_double");

step("anthropic-node count_tokens", async () => {
  for (const model of ["claude-double", "gpt-double"]) {
    const { input_tokens: few } = await claude.messages.countTokens({ model, messages: [user("one two")] });
    const long = "one two three four five ".repeat(20);
    const { input_tokens: many } = await claude.messages.countTokens({ model, messages: [user(long)] });
    assert.ok(few >= 1 && few < 20 && many > few * 4 && many < 400, `${model}: ${few} ${many}`);
  }
});

step("anthropic-node models", async () => {
  const ids = [];
  for await (const model of claude.models.list()) ids.push(model.id);
  for (const id of ["gpt-double", "claude-double", "handbook"]) assert.ok(ids.includes(id), ids.join(" "));
  const model = await claude.models.retrieve("claude-double");
  assert.deepEqual([model.id, model.type], ["claude-double", "model"]);
});

step("anthropic-node errors", async () => {
  const ask = (client, more) => () => client.messages.create(chat("claude-double", "say 1", more));
  const kind = (error) => error.error.error.type;
  const stranger = claude.withOptions({ apiKey: `sw_live_${"0".repeat(36)}` });
  const unknown = await refused(Anthropic.AuthenticationError, 401, null, ask(stranger));
  assert.equal(kind(unknown), "authentication_error");
  const missing = await refused(Anthropic.NotFoundError, 404, null, ask(claude, { model: "no-such" }));
  assert.equal(kind(missing), "not_found_error");
  const bad = await refused(Anthropic.BadRequestError, 400, null, ask(claude, { messages: "no list" }));
  assert.equal(kind(bad), "invalid_request_error");
});

step("anthropic-node quota", async () => {
  const limited = claude.withOptions({ apiKey: stand.limited["anthropic-node"] });
  await limited.messages.create(chat("claude-double", "say 1"));
  const again = () => limited.messages.create(chat("claude-double", "say 1"));
  const error = await refused(Anthropic.RateLimitError, 429, null, again);
  assert.equal(error.error.error.type, "rate_limit_error");
  assert.ok(Number(error.headers.get("retry-after")) > 0);
});

step("anthropic-node handbook", async () => {
  const body = chat("handbook", "How do I make a key?", { max_tokens: 2000 });
  const message = await claude.messages.create(body, { headers: { "x-api-key": null } });
  assert.match(message.content[0].text, /surgewall admin key create/);
});

const only = process.argv.slice(2);
let failed = 0;
for (const [name, run] of steps) {
  if (only.length && !only.some((word) => name.includes(word))) continue;
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n${String(error.stack ?? error).slice(0, 1500)}`);
  }
}
console.log(`node tour: ${steps.length} steps, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
