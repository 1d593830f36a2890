// Tests without a host: a prompt builder is a function. Run with `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { prompt } from "./prompt.js";

test("the model is asked again and then no more", () => {
  const row = { id: "1", input: "2 + 2?", targets: [], fields: {} };
  const asked = (answers) => prompt(row, { rounds: 1 }, answers);
  assert.deepEqual(asked([]), [{ role: "user", content: "2 + 2?" }]);
  assert.deepEqual(asked(["4"]).map((turn) => turn.role), ["user", "assistant", "user"]);
  assert.equal(asked(["4", "4"]), null);
});
