// `same-words`: an xhost scorer that asks whether an answer has the target's words, in any order.
//
// It is written against the WIT files alone, as anybody's plugin may be. It never looks at punctuation.

import { log } from "xhost:plugin/log@0.1.0";

const SCHEMA = {
  type: "object",
  properties: {
    ignore_case: { type: "boolean" },
    extra_words: { type: "integer", minimum: 0 },
  },
  additionalProperties: false,
};

const DEFAULTS = { ignore_case: true, extra_words: 0 };

export const scorer = {
  schema: () => JSON.stringify(SCHEMA),

  judge(params, subject, _asked) {
    const { ignoreCase, extraWords } = read(params);
    const { targets } = subject.sample;
    if (targets.length === 0) {
      throw { tag: "bad-input", val: "same-words: the sample has no target" };
    }
    const answer = words(subject.answer, ignoreCase);
    const [best] = targets
      .map((target) => compare(words(target, ignoreCase), answer))
      .sort((a, b) => a.missing.length - b.missing.length || a.extra.length - b.extra.length);
    log("debug", `missing: ${best.missing.join(" ") || "-"}; extra: ${best.extra.join(" ") || "-"}`);
    return {
      tag: "done",
      val: [
        {
          name: "same",
          value: { tag: "boolean", val: best.missing.length === 0 && best.extra.length <= extraWords },
          extracted: answer.join(" "),
          explanation: undefined,
          extra: JSON.stringify(best),
        },
      ],
    };
  },
};

/** The params with their defaults, or a refusal that says what to change. */
function read(text) {
  const params = JSON.parse(text);
  for (const name of Object.keys(params)) {
    if (!(name in DEFAULTS)) {
      throw { tag: "bad-params", val: `same-words: there is no param \`${name}\`` };
    }
  }
  const { ignore_case: ignoreCase, extra_words: extraWords } = { ...DEFAULTS, ...params };
  if (!Number.isInteger(extraWords) || extraWords < 0) {
    throw { tag: "bad-params", val: "same-words: `extra_words` must be a whole number, 0 or more" };
  }
  return { ignoreCase, extraWords };
}

/** Runs of letters and digits, sorted. */
function words(text, ignoreCase) {
  const cased = ignoreCase ? text.toLowerCase() : text;
  return (cased.match(/[\p{L}\p{N}]+/gu) ?? []).sort();
}

/** What the answer lacks of the target, and what it has beyond it. */
function compare(target, answer) {
  const extra = [...answer];
  const missing = target.filter((word) => {
    const at = extra.indexOf(word);
    if (at < 0) return true;
    extra.splice(at, 1);
    return false;
  });
  return { missing, extra };
}
