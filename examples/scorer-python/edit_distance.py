"""`edit-distance`: an xhost scorer that says how much of an answer would have to be typed anew to make it a target.

It is written against the WIT files alone, as anybody's plugin may be. Imports stand at the top of the file: a guest has
no file system to import from once it runs.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.scorer import Score, Step_Done, Value_Boolean, Value_Number
from wit_world.imports.log import Level, log
from wit_world.imports.types import Refusal_BadInput, Refusal_BadParams

SCHEMA = {
    "type": "object",
    "properties": {
        "threshold": {"type": "number", "minimum": 0, "maximum": 1},
        "ignore_case": {"type": "boolean"},
    },
    "additionalProperties": False,
}

DEFAULTS = {"threshold": 0.9, "ignore_case": True}


class Scorer(exports.Scorer):
    """What the component exports."""

    def schema(self):
        return json.dumps(SCHEMA)

    def judge(self, params, subject, asked):
        params = read(params)
        if not subject.sample.targets:
            raise Err(Refusal_BadInput("edit-distance: the sample has no target"))
        answer = subject.answer.strip()
        similarity, target = max(
            (compare(answer, target, params["ignore_case"]), target)
            for target in subject.sample.targets
        )
        log(Level.DEBUG, f"nearest target: {target!r}")
        return Step_Done([
            Score("similarity", Value_Number(similarity), answer, f"compared with {target!r}", None),
            Score("similar", Value_Boolean(similarity >= params["threshold"]), None, None, None),
        ])


def read(text):
    """The params with their defaults, or a refusal that says what to change."""
    params = json.loads(text)
    unknown = sorted(params.keys() - DEFAULTS.keys())
    if unknown:
        raise Err(Refusal_BadParams(f"edit-distance: there is no param `{unknown[0]}`"))
    params = DEFAULTS | params
    if not 0 <= params["threshold"] <= 1:
        raise Err(Refusal_BadParams("edit-distance: `threshold` must lie between 0 and 1"))
    return params


def compare(answer, target, ignore_case):
    """1 for equal texts, 0 for texts that have nothing in common."""
    if ignore_case:
        answer, target = answer.casefold(), target.casefold()
    longest = max(len(answer), len(target))
    return 1.0 if longest == 0 else 1 - distance(answer, target) / longest


def distance(left, right):
    """Levenshtein's: insertions, deletions and replacements of one character each."""
    above = list(range(len(right) + 1))
    for row, a in enumerate(left, 1):
        line = [row]
        for column, b in enumerate(right, 1):
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (a != b)))
        above = line
    return above[-1]
