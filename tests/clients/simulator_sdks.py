"""The official SDKs as clients of `xhost simulate`: they parse its answers, errors and limits, and obey its `retry-after`.

    xhost simulate --listen 127.0.0.1:8080 --rpm 60 --tpm 100000 &
    python simulator_sdks.py http://127.0.0.1:8080

Needs openai (3.54.0) and anthropic (2.12.0). Ends with 1 and a line for each mismatch, with 2 where it cannot begin.
Each check has keys of its own, and so limits of its own.
"""

import asyncio
import datetime
import email.utils
import json
import os
import sys
import time
import traceback
import urllib.request

os.environ["NO_PROXY"] = "*"

import anthropic
import openai

LIMIT = "start it with --rpm from 2 to 120 and --tpm 100000, without --fail, --replies and --key"


class Mismatch(Exception):
    pass


def same(what, seen, expected):
    if seen != expected:
        raise Mismatch(f"{what}: expected {expected!r}, saw {seen!r}")


def true(what, fact):
    if not fact:
        raise Mismatch(what)


def refusal(what, kind, call):
    """The error of that class which the call must end with."""
    try:
        seen = call()
    except Exception as error:
        if type(error) is not kind:
            raise Mismatch(f"{what}: expected {kind.__name__}, saw {type(error).__name__}: {error}") from error
        return error
    raise Mismatch(f"{what}: expected {kind.__name__}, saw an answer: {seen!r}")


def chat_client(base, key, **more):
    more.setdefault("max_retries", 0)
    return openai.OpenAI(base_url=f"{base}/v1", api_key=key, _strict_response_validation=True, **more)


def message_client(base, key, **more):
    more.setdefault("max_retries", 0)
    return anthropic.Anthropic(base_url=base, api_key=key, _strict_response_validation=True, **more)


CHAT = {"model": "m", "messages": [{"role": "user", "content": "What is two plus two?"}]}
MESSAGE = {**CHAT, "max_tokens": 64}


def openai_answers(base):
    client = chat_client(base, "answers")
    completion = client.chat.completions.create(
        **CHAT,
        n=2,
        max_completion_tokens=64,
        temperature=0.2,
        response_format={"type": "text"},
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    )
    true(f"an id of OpenAI's form: {completion.id}", completion.id.startswith("chatcmpl-"))
    same("object", completion.object, "chat.completion")
    same("indexes", [choice.index for choice in completion.choices], [0, 1])
    same("finish reasons", {choice.finish_reason for choice in completion.choices}, {"stop"})
    true("a text", completion.choices[0].message.content)
    same("no tool is called", completion.choices[0].message.tool_calls, None)
    usage = completion.usage
    same("total tokens", usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    true(f"a request id: {completion._request_id}", (completion._request_id or "").startswith("req_"))

    cut = client.chat.completions.create(**CHAT, max_tokens=2)
    same("a cut answer", (cut.choices[0].finish_reason, cut.usage.completion_tokens), ("length", 2))
    stopped = client.chat.completions.create(**CHAT, stop=["answer"])
    same("a stopped answer", (stopped.choices[0].finish_reason, stopped.choices[0].message.content), ("stop", "The "))
    again = [client.chat.completions.create(**CHAT, seed=7) for _ in range(2)]
    same("equal requests say the same", *(one.choices[0].message.content for one in again))
    true("and have ids of their own", again[0].id != again[1].id)
    bare = openai.OpenAI(base_url=base, api_key="answers", max_retries=0).chat.completions.create(**CHAT)
    true("a base URL without /v1", bare.choices[0].message.content)
    true("models", [model.id for model in client.models.list()])
    return 6


def openai_errors(base):
    client = chat_client(base, "errors")
    create = client.chat.completions.create
    error = refusal("temperature 3", openai.BadRequestError, lambda: create(**CHAT, temperature=3))
    same("temperature 3", (error.param, error.code, error.type), ("temperature", "decimal_above_max_value", "invalid_request_error"))
    true(f"its words: {error.message}", "Expected a value <= 2" in error.message)
    raw = lambda body: lambda: client.post("/chat/completions", body=body, cast_to=object)
    error = refusal("no messages", openai.BadRequestError, raw({"model": "m"}))
    same("no messages", (error.param, error.code), ("messages", "missing_required_parameter"))
    error = refusal("no model", openai.BadRequestError, raw({"messages": []}))
    true(f"no model: {error.message}", "you must provide a model parameter" in error.message)
    error = refusal("an unknown role", openai.BadRequestError, raw({"model": "m", "messages": [{"role": "x"}]}))
    same("an unknown role", (error.param, error.code), ("messages[0].role", "invalid_value"))
    error = refusal("a stream", openai.BadRequestError, lambda: create(**CHAT, stream=True))
    true(f"a stream: {error.message}", "not simulated" in error.message)
    error = refusal("another API", openai.NotFoundError, lambda: client.responses.create(model="m", input="x"))
    same("another API", (error.code, error.type), ("unknown_url", "invalid_request_error"))
    return 0


def anthropic_answers(base):
    client = message_client(base, "answers")
    message = client.messages.create(**MESSAGE, system="Be brief.")
    true(f"an id of Anthropic's form: {message.id}", message.id.startswith("msg_"))
    same("type, role", (message.type, message.role), ("message", "assistant"))
    same("content", [block.type for block in message.content], ["text"])
    same("why it ends", (message.stop_reason, message.stop_sequence), ("end_turn", None))
    true("tokens", message.usage.input_tokens > 0 and message.usage.output_tokens > 0)
    true(f"a request id: {message._request_id}", (message._request_id or "").startswith("req_"))
    cut = client.messages.create(**{**MESSAGE, "max_tokens": 2})
    same("a cut answer", (cut.stop_reason, cut.usage.output_tokens), ("max_tokens", 2))
    stopped = client.messages.create(**MESSAGE, stop_sequences=["answer"])
    same("a stopped answer", (stopped.stop_reason, stopped.stop_sequence), ("stop_sequence", "answer"))
    old = message_client(base, "answers", default_headers={"anthropic-version": "2023-06-01"})
    true("a temperature in the old version", old.messages.create(**MESSAGE, extra_body={"temperature": 0}).content)
    token = anthropic.Anthropic(base_url=base, auth_token="answers", max_retries=0)
    true("a bearer token", token.messages.create(**MESSAGE).content)
    true("models", [model.id for model in client.models.list()])
    return 5


def anthropic_errors(base):
    client = message_client(base, "errors")
    for name in ["temperature", "top_p", "top_k"]:
        call = lambda: client.messages.create(**MESSAGE, extra_body={name: 1})
        error = refusal(f"{name} in 2026-10-21", anthropic.BadRequestError, call)
        body = error.body
        same(f"{name}: the message", body["error"]["message"], f"{name}: Extra inputs are not permitted")
        same(f"{name}: the kinds", (body["type"], body["error"]["type"]), ("error", "invalid_request_error"))
        same(f"{name}: the request's id", body["request_id"], error.response.headers["request-id"])
    raw = lambda body, **headers: lambda: client.post("/v1/messages", body=body, cast_to=object, options={"headers": headers})
    error = refusal("no max_tokens", anthropic.BadRequestError, raw(CHAT))
    same("no max_tokens", error.body["error"]["message"], "max_tokens: Field required")
    error = refusal("no version", anthropic.BadRequestError, raw(MESSAGE, **{"anthropic-version": anthropic.Omit()}))
    same("no version", error.body["error"]["message"], "anthropic-version: header is required")
    call = lambda: client.messages.count_tokens(**CHAT)
    same("another API", refusal("another API", anthropic.NotFoundError, call).body["error"]["type"], "not_found_error")
    return 0


def openai_limits(base):
    client = chat_client(base, "limits")
    raw = client.chat.completions.with_raw_response.create(**CHAT, max_tokens=100)
    limit = int(raw.headers.get("x-ratelimit-limit-requests", 0))
    true(f"x-ratelimit-limit-requests is {limit}: {LIMIT}", 1 < limit <= 120)
    same("requests remaining", raw.headers["x-ratelimit-remaining-requests"], str(limit - 1))
    spent = raw.parse().usage.prompt_tokens + 100
    same("tokens", (raw.headers["x-ratelimit-limit-tokens"], raw.headers["x-ratelimit-remaining-tokens"]), ("100000", str(100000 - spent)))
    for name in ["requests", "tokens"]:
        reset = raw.headers[f"x-ratelimit-reset-{name}"]
        true(f"a duration: {reset}", reset.endswith("s") and reset[0].isdigit())
    error = drain("openai", openai.RateLimitError, lambda: client.chat.completions.create(**CHAT), limit)
    same("the error", (error.code, error.type, error.response.headers["x-ratelimit-remaining-requests"]), ("rate_limit_exceeded", "requests", "0"))
    call = lambda: client.chat.completions.create(**CHAT, max_tokens=200_000)
    too_large = refusal("more than a minute's tokens", openai.RateLimitError, call)
    same("more than a minute's tokens", (too_large.type, too_large.response.headers.get("retry-after")), ("tokens", None))
    obeys(error, client, lambda: client.with_options(max_retries=3).chat.completions.create(**CHAT))
    return None


def anthropic_limits(base):
    client = message_client(base, "limits")
    raw = client.messages.with_raw_response.create(**MESSAGE)
    header = lambda dimension, what: raw.headers[f"anthropic-ratelimit-{dimension}-{what}"]
    limit = int(header("requests", "limit"))
    limits = {name: header(name, "limit") for name in ["input-tokens", "output-tokens", "tokens"]}
    same("limits", limits, {"input-tokens": "100000", "output-tokens": "100000", "tokens": "200000"})
    same("remaining", header("input-tokens", "remaining"), str(100000 - raw.parse().usage.input_tokens))
    date = email.utils.parsedate_to_datetime(raw.headers["date"])
    for name in ["requests", *limits]:
        reset = datetime.datetime.fromisoformat(header(name, "reset"))
        true(f"{name}: reset {reset} is not within a minute of {date}", 0 <= (reset - date).total_seconds() <= 61)
    error = drain("anthropic", anthropic.RateLimitError, lambda: client.messages.create(**MESSAGE), limit)
    same("the error", error.body["error"]["type"], "rate_limit_error")
    obeys(error, client, lambda: client.with_options(max_retries=3).messages.create(**MESSAGE))
    return None


def drain(name, kind, call, limit):
    """The first refusal of calls as fast as they go."""
    for _ in range(3 * limit):
        try:
            call()
        except kind as error:
            return error
    raise Mismatch(f"{name}: {3 * limit} calls at once and none was too fast; {LIMIT}")


def obeys(error, client, call):
    """The SDK reads the wait, takes it, and is answered."""
    wait = client._parse_retry_after_header(error.response.headers)
    true(f"retry-after {wait} is 1 to 60 whole seconds", wait is not None and wait == int(wait) and 1 <= wait <= 60)
    for _ in range(100):  # Whatever has come back meanwhile is used up.
        start = time.monotonic()
        try:
            call()
        except Exception as failure:
            raise Mismatch(f"after retry-after the SDK was refused: {failure}") from failure
        if time.monotonic() - start > wait * 0.7:
            return
    raise Mismatch("no call had to wait")


def many_at_once(base):
    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="many", max_retries=0) as chat:
            calls = [chat.chat.completions.create(**{**CHAT, "model": f"m{number}"}) for number in range(200)]
            return await asyncio.gather(*calls)

    answers = asyncio.run(all_of_them())
    same("models", [answer.model for answer in answers], [f"m{number}" for number in range(200)])
    true("models answer differently", len({answer.choices[0].message.content for answer in answers}) > 100)
    return 200


def stats(base):
    with urllib.request.urlopen(f"{base}/stats", timeout=10) as response:
        return json.load(response)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    base = sys.argv[1].rstrip("/").removesuffix("/v1")
    try:
        stats(base)
    except OSError as error:
        print(f"{base} does not answer: {error}", file=sys.stderr)
        return 2
    wrong = 0
    checks = [openai_answers, openai_errors, anthropic_answers, anthropic_errors, many_at_once, openai_limits, anthropic_limits]
    for check in checks:
        before = stats(base)
        try:
            answered = check(base)
            after = stats(base)
            if answered is not None:
                same("calls counted as answered", after["answered"] - before["answered"], answered)
            same("counters", after["distinct"] + after["repeated"], after["answered"])
            print(f"ok   {check.__name__}")
        except Mismatch as mismatch:
            wrong += 1
            print(f"FAIL {check.__name__}: {mismatch}", file=sys.stderr)
        except Exception:
            wrong += 1
            print(f"FAIL {check.__name__}: {traceback.format_exc()}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
