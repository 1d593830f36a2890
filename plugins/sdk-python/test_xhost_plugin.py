"""What the SDK makes of a function, without a host. Run by `tests/authors.rs`."""

import unittest
from typing import Any, Literal, Optional

from xhost_plugin import BadInput, BadParams, GIVEN_TO_SCORE, Measure, Sample, _measures, _read, schema_of


def score(answer, target: str, limit: float, mode: Literal["a", "b"] = "a", words: list[str] = [], top: Optional[int] = None,
          flag=True, size=3, anything=None):
    """Judges."""


class Schemas(unittest.TestCase):
    def test_annotations_and_defaults_become_a_schema(self):
        schema = schema_of(score, GIVEN_TO_SCORE)
        self.assertEqual(schema["required"], ["limit"])
        self.assertEqual(schema["additionalProperties"], False)
        self.assertEqual(schema["description"], "Judges.")
        self.assertEqual(schema["properties"], {
            "limit": {"type": "number"},
            "mode": {"enum": ["a", "b"], "default": "a"},
            "words": {"type": "array", "items": {"type": "string"}, "default": []},
            "top": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            "flag": {"type": "boolean", "default": True},
            "size": {"type": "number", "default": 3},
            "anything": {"default": None},
        })

    def test_keywords_of_any_name_leave_the_schema_open(self):
        def open_ended(answer, **params: Any):
            pass

        self.assertEqual(schema_of(open_ended, GIVEN_TO_SCORE)["additionalProperties"], True)
        self.assertEqual(_read('{"x": 1}', open_ended, GIVEN_TO_SCORE), {"x": 1})
        with self.assertRaises(BadParams):
            _read('{"answer": 1}', open_ended, GIVEN_TO_SCORE)

    def test_params_that_do_not_fit_the_function_are_refused(self):
        for params, words in [('{"limits": 1}', "`limits`"), ("{}", "`limit` is missing")]:
            with self.assertRaisesRegex(BadParams, words):
                _read(params, score, GIVEN_TO_SCORE)

    def test_what_a_scorer_returns_becomes_measures(self):
        self.assertEqual(_measures(True), {"correct": Measure(True)})
        self.assertEqual(_measures(0.5), {"score": Measure(0.5)})
        self.assertEqual(_measures({"a": "b", "c": Measure(1)}), {"a": Measure("b"), "c": Measure(1)})
        for wrong in [None, {}, [1], {"a": None}]:
            with self.assertRaises(TypeError):
                _measures(wrong)

    def test_a_sample_without_a_target_is_refused(self):
        with self.assertRaises(BadInput):
            Sample("1", "x").target


if __name__ == "__main__":
    unittest.main()
