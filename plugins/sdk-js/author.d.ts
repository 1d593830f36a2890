// The types of plugins that are one function. `xhost-plugin.d.ts` has those of the whole contract, generated from its WIT.

/** One row of the dataset. */
export interface Row {
  id: string;
  input: string;
  /** The answers that count as right; empty where the dataset has none. */
  targets: string[];
  /** The whole row. */
  fields: Record<string, unknown>;
}

/** The schema of each param that an experiment may set, by its name. One with a `default` may be left out. */
export type Params = Record<string, { default?: unknown; [keyword: string]: unknown }>;

/** A verdict: right or wrong, a finite number, or a class. */
export type Verdict = boolean | number | string;

/** A verdict with what a person may want to know about it. */
export interface Measure {
  value: Verdict;
  /** What was read as the answer. */
  extracted?: string;
  explanation?: string;
  extra?: Record<string, unknown>;
}

/** What else a scorer may use. */
export interface Given {
  sample: Row;
  /** The answer of a model that the experiment declares under `models`. */
  ask(model: string, question: string): string;
}

/** `export function score`: judges an answer. A single verdict is called `correct` if it is a boolean, else `score`. */
export type Score<P> = (answer: string, targets: string[], params: P, given: Given) => Verdict | Record<string, Verdict | Measure>;

/** One turn of a conversation. */
export interface Turn {
  role: "system" | "user" | "assistant";
  content: string;
}

/** `export function prompt`: what is asked next; nothing when no more is; `{ answer }` to say what the trial's answer is. */
export type Prompt<P> = (row: Row, params: P, answers: string[]) => string | Turn[] | { answer: string } | null | undefined;
