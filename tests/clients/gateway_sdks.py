"""The official SDKs as clients of the gateway of `xhost serve`: they send its token as their key, parse its answers and its
errors, and the second identical call does not reach the provider behind it.

    xhost simulate --listen 127.0.0.1:8080 --key provider-key &
    OPENAI_API_KEY=provider-key OPENAI_BASE_URL=http://127.0.0.1:8080/v1 ANTHROPIC_API_KEY=provider-key \\
      ANTHROPIC_BASE_URL=http://127.0.0.1:8080 XHOST_SERVE_TOKEN=TOKEN xhost serve --listen 127.0.0.1:8090 &
    python gateway_sdks.py http://127.0.0.1:8090 TOKEN http://127.0.0.1:8080

Needs openai (3.54.0) and anthropic (2.12.0). Ends with 1 and a line for each mismatch.
"""

import asyncio
import json
import os
import sys
import traceback
import urllib.request

os.environ["NO_PROXY"] = "*"

import anthropic
import openai

CHAT = {"model": "m", "messages": [{"role": "user", "content": "What is two plus two?"}]}
MESSAGE = {**CHAT, "max_tokens": 64}


class Mismatch(Exception):
    pass


def same(what, seen, expected):
    if seen != expected:
        raise Mismatch(f"{what}: expected {expected!r}, saw {seen!r}")


def refusal(what, kind, call):
    """The error of that class which the call must end with."""
    try:
        seen = call()
    except Exception as error:
        if type(error) is not kind:
            raise Mismatch(f"{what}: expected {kind.__name__}, saw {type(error).__name__}: {error}") from error
        return error
    raise Mismatch(f"{what}: expected {kind.__name__}, saw an answer: {seen!r}")


class Stage:
    def __init__(self, gateway, token, simulator):
        self.gateway, self.token, self.simulator = gateway, token, simulator

    def chat(self, key=None):
        key = key or self.token
        return openai.OpenAI(base_url=f"{self.gateway}/v1", api_key=key, _strict_response_validation=True)

    def messages(self, key=None, **more):
        key = key or self.token
        return anthropic.Anthropic(base_url=self.gateway, api_key=key, _strict_response_validation=True, **more)

    def calls(self):
        with urllib.request.urlopen(f"{self.simulator}/stats", timeout=10) as response:
            return json.load(response)["calls"]

    def stats(self):
        request = urllib.request.Request(f"{self.gateway}/stats", headers={"x-api-key": self.token})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


def openai_answers(stage):
    create = stage.chat().chat.completions.with_raw_response.create
    first, second = create(**CHAT), create(**CHAT)
    same("where they come from", [one.headers["x-xhost-answer"] for one in (first, second)], ["call", "hit"])
    same("digests", first.headers["x-xhost-digest"], second.headers["x-xhost-digest"])
    same("bytes", first.content, second.content)
    completion = second.parse()
    same("a completion", (completion.object, completion.choices[0].finish_reason), ("chat.completion", "stop"))
    other = create(**CHAT, extra_headers={"x-xhost-draw": "2"})
    same("another draw", other.headers["x-xhost-answer"], "call")
    same("is another answer", other.parse().id != completion.id, True)
    same("and is kept", create(**CHAT, extra_headers={"x-xhost-draw": "2"}).content, other.content)
    return 2


def anthropic_answers(stage):
    create = stage.messages().messages.with_raw_response.create
    first, second = create(**MESSAGE), create(**MESSAGE)
    same("where they come from", [one.headers["x-xhost-answer"] for one in (first, second)], ["call", "hit"])
    same("content", second.parse().content[0].type, "text")
    same("ids", first.parse().id, second.parse().id)
    old = stage.messages(default_headers={"anthropic-version": "2023-06-01"}).messages
    same("another version is another request", old.create(**MESSAGE).content[0].type, "text")
    beta = stage.messages().beta.messages.create(**MESSAGE, betas=["some-2026-01-01"])
    same("so is a feature", beta.type, "message")
    token = anthropic.Anthropic(base_url=stage.gateway, auth_token=stage.token).messages
    same("a bearer token", token.create(**MESSAGE).id, first.parse().id)
    return 3


def at_once(stage):
    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{stage.gateway}/v1", api_key=stage.token) as client:
            chat = {**CHAT, "model": "at-once"}
            return await asyncio.gather(*(client.chat.completions.create(**chat) for _ in range(50)))

    answers = asyncio.run(all_of_them())
    same("answers", len({answer.id for answer in answers}), 1)
    return 1


def openai_errors(stage):
    create = stage.chat().chat.completions.create
    error = refusal("a stream", openai.BadRequestError, lambda: create(**CHAT, stream=True))
    same("a stream", (error.type, "leave `stream` out" in error.message), ("invalid_request_error", True))
    error = refusal("another key", openai.AuthenticationError, lambda: stage.chat("sk-mine").chat.completions.create(**CHAT))
    same("it says what to send", "token" in error.message and "sk-mine" not in error.message, True)
    error = refusal("another API", openai.NotFoundError, lambda: stage.chat().responses.create(model="m", input="x"))
    same("another API", (error.type, "/v1/chat/completions" in error.message), ("invalid_request_error", True))
    refusal("models", openai.NotFoundError, lambda: stage.chat().models.list())
    # The provider's own refusal, as the provider's kind of error, asked once.
    error = refusal("temperature 3", openai.BadRequestError, lambda: create(**CHAT, temperature=3))
    same("its words", "decimal_above_max_value" in error.message or "<= 2" in error.message, True)
    return 1


def anthropic_errors(stage):
    create = stage.messages().messages.create
    error = refusal("a stream", anthropic.BadRequestError, lambda: create(**MESSAGE, stream=True))
    same("a stream", (error.body["type"], error.body["error"]["type"]), ("error", "invalid_request_error"))
    error = refusal("another key", anthropic.AuthenticationError, lambda: stage.messages("mine").messages.create(**MESSAGE))
    same("another key", error.body["error"]["type"], "authentication_error")
    call = lambda: stage.messages().messages.count_tokens(**CHAT)
    same("another API", refusal("another API", anthropic.NotFoundError, call).body["error"]["type"], "not_found_error")
    return 0


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    stage = Stage(*sys.argv[1:])
    wrong = 0
    for check in [openai_answers, anthropic_answers, at_once, openai_errors, anthropic_errors]:
        before = stage.calls()
        try:
            expected = check(stage)
            same("calls that reached the provider", stage.calls() - before, expected)
            print(f"ok   {check.__name__}")
        except Mismatch as mismatch:
            wrong += 1
            print(f"FAIL {check.__name__}: {mismatch}", file=sys.stderr)
        except Exception:
            wrong += 1
            print(f"FAIL {check.__name__}: {traceback.format_exc()}", file=sys.stderr)
    print(json.dumps(stage.stats()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
