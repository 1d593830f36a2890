// my-plugin: an xhost prompt builder that asks a question and then whether the model is sure.

/** What an experiment may set, as JSON Schema by name. The host checks against it before anything is paid for. */
export const params = {
  rounds: { type: "integer", minimum: 0, default: 1, description: "How often the model is asked again" },
};

/**
 * The conversation so far and one more question; `null` when nothing more is asked.
 * @type {import("./sdk/author.d.ts").Prompt<{ rounds: number }>}
 */
export function prompt(row, { rounds }, answers) {
  if (answers.length > rounds) return null;
  /** @type {import("./sdk/author.d.ts").Turn[]} */
  const turns = [{ role: "user", content: row.input }];
  for (const answer of answers) {
    turns.push({ role: "assistant", content: answer });
    turns.push({ role: "user", content: "Are you sure? Answer the question again." });
  }
  return turns;
}
