// What `xhost plugin build` appends to an author's file that exports `score` or `prompt` instead of a contract's interface.
// Every name begins with `xhost`, so that it meets none of the author's.

/** A contract's refusal, to be thrown: `throw badInput("the sample has no target")`. */
function xhostRefusal(tag, text) {
  return { tag, val: text };
}

/** The schema of `params`, an object of property schemas, and their values with the defaults filled in. */
function xhostParams(properties) {
  const required = Object.keys(properties).filter((name) => !("default" in properties[name]));
  const schema = JSON.stringify({ type: "object", properties, additionalProperties: false, ...(required.length ? { required } : {}) });
  const read = (text) => {
    const values = JSON.parse(text);
    for (const name of Object.keys(values)) {
      if (!(name in properties)) throw xhostRefusal("bad-params", `there is no param \`${name}\``);
    }
    for (const name of required) {
      if (!(name in values)) throw xhostRefusal("bad-params", `the param \`${name}\` is missing`);
    }
    const defaults = Object.entries(properties).map(([name, property]) => [name, property.default]);
    return { ...Object.fromEntries(defaults), ...values };
  };
  return { schema, read };
}

function xhostSample(sample) {
  return { id: sample.id, input: sample.input, targets: sample.targets, fields: JSON.parse(sample.fields) };
}

/** What the model said: neither reasoning nor tool calls. */
function xhostText(exchange) {
  return exchange.completion.parts.map((part) => (part.tag === "text" ? part.val : "")).join("");
}

/** A prompt from a text, or from messages as `{ role, content }`. */
function xhostPrompt(asked) {
  const messages = typeof asked === "string" ? [{ role: "user", content: asked }] : asked;
  return {
    messages: messages.map(({ role, content }) => ({ role, parts: [{ tag: "text", val: content }] })),
    tools: [],
    sampling: { stop: [] },
  };
}

function xhostValue(value) {
  if (typeof value === "boolean") return { tag: "boolean", val: value };
  if (typeof value === "number") return { tag: "number", val: value };
  if (typeof value === "string") return { tag: "label", val: value };
  throw new TypeError(`\`score\` must return a boolean, a number, a string, or an object of those; it returned ${typeof value}`);
}

/** A measure: a plain value, or `{ value, extracted, explanation, extra }`. */
function xhostScore([name, measure]) {
  const whole = measure !== null && typeof measure === "object" ? measure : { value: measure };
  const extra = whole.extra === undefined ? undefined : JSON.stringify(whole.extra);
  return { name, value: xhostValue(whole.value), extracted: whole.extracted, explanation: whole.explanation, extra };
}

/** Leaves the author's function while a judge's answer is missing. */
class XhostQuestion {
  constructor(model, question) {
    this.model = model;
    this.question = question;
  }
}

function xhostScorer(score, properties) {
  const params = xhostParams(properties);
  return {
    schema: () => params.schema,
    judge(text, subject, asked) {
      const answers = asked.map(xhostText);
      const ask = (model, question) => {
        if (answers.length === 0) throw new XhostQuestion(model, question);
        return answers.shift();
      };
      const sample = xhostSample(subject.sample);
      let result;
      try {
        result = score(subject.answer, sample.targets, params.read(text), { sample, ask });
      } catch (thrown) {
        if (!(thrown instanceof XhostQuestion)) throw thrown;
        return { tag: "ask", val: [{ model: thrown.model, prompt: xhostPrompt(thrown.question) }] };
      }
      const plain = result === null || typeof result !== "object";
      const name = typeof result === "boolean" ? "correct" : "score";
      return { tag: "done", val: (plain ? [[name, result]] : Object.entries(result)).map(xhostScore) };
    },
  };
}

function xhostPromptBuilder(prompt, properties) {
  const params = xhostParams(properties);
  return {
    schema: () => params.schema,
    next(text, sample, asked) {
      const result = prompt(xhostSample(sample), params.read(text), asked.map(xhostText));
      if (result === null || result === undefined) return { tag: "done", val: undefined };
      if (!Array.isArray(result) && typeof result === "object") return { tag: "done", val: result.answer };
      return { tag: "ask", val: [xhostPrompt(result)] };
    },
  };
}
