// Tests without a host: a provider is data in, data out. Run with `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { provider } from "./provider.js";

test("a request carries what is set and nothing else", () => {
  const messages = [{ role: "user", parts: [{ tag: "text", val: "2 + 2?" }] }];
  const { body } = provider.encode("{}", "small", { messages, tools: [], sampling: { maxTokens: 16, stop: [] } });
  assert.deepEqual(JSON.parse(body), { model: "small", messages: [{ role: "user", content: "2 + 2?" }], max_tokens: 16 });
});

test("an error is explained", () => {
  const fault = provider.diagnose("{}", { status: 429, headers: [], body: '{"error": {"message": "slow down"}}' });
  assert.equal(fault.kind, "rate-limited");
  assert.equal(fault.message, "slow down");
});
