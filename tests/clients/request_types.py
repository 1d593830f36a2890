"""Holds request bodies against the types of the official SDKs.

Reads JSON lines {"dialect": "openai" | "anthropic", "body": {...}} on stdin; exits with 1 and a message at the first that
an SDK would not have sent. Needs `openai` and `anthropic` from PyPI.
"""

import json
import sys
import warnings

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter
from pydantic_core import core_schema

warnings.filterwarnings("ignore")

# The SDKs declare iterables, which pydantic validates lazily: whoever does not walk through them has checked nothing. As
# lists they are validated at once.
core_schema.generator_schema = lambda items, **_: core_schema.list_schema(items)

# Sampling parameters left Anthropic's types with the API version 2026-10-21; older versions take them as extras.
EXTRAS = {"openai": set(), "anthropic": {"temperature", "top_p", "top_k"}}
TYPES = {"openai": CompletionCreateParamsNonStreaming, "anthropic": MessageCreateParamsNonStreaming}


def main():
    count = 0
    for line in sys.stdin:
        row = json.loads(line)
        dialect, body = row["dialect"], row["body"]
        kind = TYPES[dialect]
        known = set(kind.__annotations__) | set().union(*(base.__annotations__ for base in kind.__orig_bases__ if hasattr(base, "__annotations__")))
        unknown = set(body) - known - EXTRAS[dialect]
        if unknown:
            sys.exit(f"{dialect}: no SDK sends {sorted(unknown)}: {body}")
        plain = {key: value for key, value in body.items() if key not in EXTRAS[dialect]}
        try:
            TypeAdapter(kind).validate_python(plain)
        except Exception as error:
            sys.exit(f"{dialect}: {error}\n{json.dumps(body)}")
        count += 1
    print(f"{count} bodies have the SDKs' types")


main()
