// my-plugin: an xhost provider for an API that speaks like OpenAI's chat completions.
//
// It says as data what to send and what came back. The host opens the sockets, adds the credential, waits and retries.

const STOP_REASONS = { stop: "end", length: "max-tokens", content_filter: "filtered" };

/** @type {import("xhost:plugin").Provider} */
export const provider = {
  schema: () => JSON.stringify({ type: "object", properties: {}, additionalProperties: false }),

  describe: () => ({
    api: "my-plugin.chat",
    baseUrl: "https://api.example.com/v1",
    auth: { tag: "bearer" },
    keyVariable: "EXAMPLE_API_KEY",
    responseHeaders: ["retry-after"],
  }),

  encode(_params, model, { messages, sampling }) {
    const body = {
      model,
      messages: messages.map(({ role, parts }) => ({ role, content: text(parts) })),
      // What is undefined is not written: only what the experiment sets is sent.
      max_tokens: sampling.maxTokens,
      temperature: sampling.temperature,
      top_p: sampling.topP,
      stop: sampling.stop.length > 0 ? sampling.stop : undefined,
      seed: sampling.seed,
      ...JSON.parse(sampling.extra ?? "{}"),
    };
    return { method: "post", path: "/chat/completions", query: [], headers: [], body: JSON.stringify(body) };
  },

  decode(_params, body) {
    const { choices, usage, model } = JSON.parse(body);
    const said = choices?.[0]?.message;
    if (said === undefined) throw { kind: "malformed", message: "the answer has no message" };
    return {
      parts: [{ tag: "text", val: said.content ?? "" }],
      stopReason: STOP_REASONS[choices[0].finish_reason] ?? "other",
      usage: {
        input: usage?.prompt_tokens ?? 0,
        output: usage?.completion_tokens ?? 0,
        cacheRead: 0,
        cacheWrite: 0,
        reasoning: 0,
      },
      model: model ?? "",
    };
  },

  diagnose(_params, { status, headers, body }) {
    const wait = headers.find((header) => header.name === "retry-after")?.value;
    const retryAfterMs = /^\d+$/.test(wait ?? "") ? Number(wait) * 1000 : undefined;
    return { kind: kind(status), message: message(body), retryAfterMs };
  },

  allowances: () => [],
};

/** The text of a message; this API takes nothing else. */
function text(parts) {
  if (parts.some((part) => part.tag !== "text")) throw { tag: "unsupported", val: "my-plugin takes text alone" };
  return parts.map((part) => part.val).join("");
}

/** What a status means for what the host does next. */
function kind(status) {
  if (status === 401 || status === 403) return "denied";
  if (status === 429) return "rate-limited";
  return status >= 500 ? "overloaded" : "rejected";
}

/** The provider's own words, where it has any. */
function message(body) {
  try {
    return String(JSON.parse(body).error.message);
  } catch {
    return "an error without an explanation";
  }
}
