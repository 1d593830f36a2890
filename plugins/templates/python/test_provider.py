"""Tests without a host: a provider is data in, data out. Run with `python3 -m unittest`."""

import json
import sys
import unittest

sys.path.insert(0, "sdk")

from provider import Provider
from wit_world.exports.provider import FaultKind, HttpResponse
from wit_world.imports.types import Message, Part_Text, Prompt, Role, Sampling


class Requests(unittest.TestCase):
    def test_a_request_carries_what_is_set_and_nothing_else(self) -> None:
        sampling = Sampling(16, None, None, [], None, None, None)
        prompt = Prompt([Message(Role.USER, [Part_Text("2 + 2?")])], [], sampling)
        request = Provider().encode("{}", "small", prompt)
        expected = {"model": "small", "messages": [{"role": "user", "content": "2 + 2?"}], "max_tokens": 16}
        self.assertEqual(json.loads(request.body), expected)

    def test_an_error_is_explained(self) -> None:
        fault = Provider().diagnose("{}", HttpResponse(429, [], '{"error": {"message": "slow down"}}'))
        self.assertEqual((fault.kind, fault.message), (FaultKind.RATE_LIMITED, "slow down"))


if __name__ == "__main__":
    unittest.main()
