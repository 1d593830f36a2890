"""Holds what goes to providers against the types of their official SDKs.

Reads JSON lines {"kind": "...", "body": {...}} on stdin; exits with 1 and a message at the first that an SDK would not have
sent. A kind is a dialect, for a request's body, or a dialect with `.batch` or `.line`, for what makes a batch and for a line
of one. A row with `"wrong": true` is one that must be found. Needs `openai`, `anthropic`, `mistralai` and `google-genai` from PyPI.
"""

import json
import sys
import warnings

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from anthropic.types.messages.batch_create_params import BatchCreateParams as AnthropicBatch
from google.genai import batches as google_batches
from google.genai import types as google
from mistralai.client import models as mistral
from openai.types.batch_create_params import BatchCreateParams as OpenAiBatch
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter
from pydantic_core import core_schema

warnings.filterwarnings("ignore")

# The SDKs declare iterables, which pydantic validates lazily: whoever does not walk through them has checked nothing. As
# lists they are validated at once.
core_schema.generator_schema = lambda items, **_: core_schema.list_schema(items)

# Sampling parameters left Anthropic's types with the API version 2026-10-21; older versions take them as extras.
ANTHROPIC_EXTRAS = {"temperature", "top_p", "top_k"}


class Mismatch(Exception):
    pass


def same(what, seen, expected):
    if seen != expected:
        raise Mismatch(f"{what}: the SDK has {json.dumps(expected)}, and this is {json.dumps(seen)}")


def typed(kind, body, extras=frozenset()):
    """A body that a TypedDict describes, without keys that it does not know."""
    bases = [base for base in getattr(kind, "__orig_bases__", ()) if hasattr(base, "__annotations__")]
    known = set(kind.__annotations__).union(*(base.__annotations__ for base in bases))
    unknown = set(body) - known - extras
    if unknown:
        raise Mismatch(f"no SDK sends {sorted(unknown)}")
    TypeAdapter(kind).validate_python({key: value for key, value in body.items() if key not in extras})


def returned(model, body):
    """What the SDK's own model makes of a body, and writes again, is the body: it dropped nothing and added nothing."""
    again = model.model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)
    same(model.__name__, body, again)


def openai(body):
    typed(CompletionCreateParamsNonStreaming, body)


def openai_line(line):
    same("keys", sorted(line), ["body", "custom_id", "method", "url"])
    same("where it goes", (line["method"], line["url"]), ("POST", "/v1/chat/completions"))
    openai(line["body"])


def anthropic(body):
    typed(MessageCreateParamsNonStreaming, body, ANTHROPIC_EXTRAS)


def anthropic_batch(body):
    for request in body["requests"]:
        anthropic(request["params"])
        for name in ANTHROPIC_EXTRAS:
            request["params"].pop(name, None)
    typed(AnthropicBatch, body)


def mistral_body(body):
    returned(mistral.ChatCompletionRequest, body)


def mistral_line(line):
    returned(mistral.BatchRequest, line)
    if "model" in line["body"]:
        raise Mismatch("the model belongs to the job")
    mistral_body({"model": "m", **line["body"]})


def gemini(body):
    members = {
        "systemInstruction": (google.Content, False),
        "contents": (google.Content, True),
        "tools": (google.Tool, True),
        "generationConfig": (google.GenerationConfig, False),
        "safetySettings": (google.SafetySetting, True),
    }
    for name, value in body.items():
        if name not in members:
            raise Mismatch(f"no SDK sends {name}")
        model, is_list = members[name]
        for one in value if is_list else [value]:
            returned(model, one)


def gemini_batch(body):
    source = google.BatchJobSource(file_name=body["batch"]["inputConfig"]["fileName"])
    config = google.CreateBatchJobConfig(display_name=body["batch"]["displayName"])
    parameters = google._CreateBatchJobParameters(model="m", src=source, config=config)
    client = type("Client", (), {"vertexai": False})()
    sent = google_batches._CreateBatchJobParameters_to_mldev(client, parameters)
    same("batch", body, {"batch": sent["batch"]})


def gemini_line(line):
    same("keys", sorted(line), ["key", "request"])
    gemini(line["request"])


KINDS = {
    "openai": openai,
    "openai.batch": lambda body: typed(OpenAiBatch, body),
    "openai.line": openai_line,
    "anthropic": anthropic,
    "anthropic.batch": anthropic_batch,
    "mistral": mistral_body,
    "mistral.batch": lambda body: returned(mistral.CreateBatchJobRequest, body),
    "mistral.line": mistral_line,
    "gemini": gemini,
    "gemini.batch": gemini_batch,
    "gemini.line": gemini_line,
}


def main():
    count = 0
    for row in map(json.loads, sys.stdin):
        told = json.dumps(row["body"])
        try:
            KINDS[row["kind"]](row["body"])
            error = None
        except Exception as found:
            error = found
        if row.get("wrong") and error is None:
            sys.exit(f"{row['kind']}: nobody finds what is wrong with {told}")
        if error and not row.get("wrong"):
            sys.exit(f"{row['kind']}: {error}\n{told}")
        count += 1
    print(f"{count} rows are as the SDKs' types have them")


main()
