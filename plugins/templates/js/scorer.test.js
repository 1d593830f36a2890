// Tests without a host: a scorer is a function. Run with `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { score } from "./scorer.js";

test("an answer that says the target is correct", () => {
  const judged = (answer, ignore_case) => score(answer, ["Four"], { ignore_case });
  assert.equal(judged("it is four", true), true);
  assert.equal(judged("it is four", false), false);
  assert.equal(judged("five", true), false);
});
