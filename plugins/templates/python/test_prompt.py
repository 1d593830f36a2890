"""Tests without a host: a prompt builder is a function. Run with `python3 -m unittest`."""

import sys
import unittest

sys.path.insert(0, "sdk")

from prompt import prompt
from xhost_plugin import Sample


class Prompt(unittest.TestCase):
    def test_the_model_is_asked_again_and_then_no_more(self) -> None:
        sample = Sample("1", "2 + 2?")
        self.assertEqual(prompt(sample, []), [{"role": "user", "content": "2 + 2?"}])
        again = prompt(sample, ["4"])
        self.assertEqual([message["role"] for message in again], ["user", "assistant", "user"])
        self.assertIsNone(prompt(sample, ["4", "4"]))


if __name__ == "__main__":
    unittest.main()
