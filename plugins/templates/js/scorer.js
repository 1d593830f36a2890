// my-plugin: an xhost scorer that asks whether an answer says the target.

/** What an experiment may set, as JSON Schema by name. The host checks against it before anything is paid for. */
export const params = {
  ignore_case: { type: "boolean", default: true, description: "Whether upper and lower case are the same" },
};

/** @type {import("./sdk/author.d.ts").Score<{ ignore_case: boolean }>} */
export function score(answer, targets, { ignore_case: ignoreCase }) {
  const cased = (text) => (ignoreCase ? text.toLowerCase() : text);
  return targets.some((target) => cased(answer).includes(cased(target)));
}
