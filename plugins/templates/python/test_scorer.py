"""Tests without a host: a scorer is a function. Run with `python3 -m unittest`."""

import unittest

from scorer import score


class Score(unittest.TestCase):
    def test_an_answer_that_says_the_target_is_correct(self) -> None:
        self.assertTrue(score("it is four", ["Four"]))
        self.assertFalse(score("it is four", ["Four"], ignore_case=False))
        self.assertFalse(score("five", ["Four"]))


if __name__ == "__main__":
    unittest.main()
