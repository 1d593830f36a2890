"""my-plugin: an xhost provider for an API that speaks like OpenAI's chat completions.

It says as data what to send and what came back. The host opens the sockets, adds the credential, waits and retries.
The types are the contract's own; `sdk` holds them for your editor and your tests.
"""

from __future__ import annotations

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.provider import (
    Allowance,
    Auth_Bearer,
    Fault,
    FaultKind,
    Header,
    HttpRequest,
    HttpResponse,
    Method,
    Profile,
)
from wit_world.imports.types import (
    Completion,
    Part_Text,
    Prompt,
    Refusal_Unsupported,
    StopReason,
    Usage,
)

STOP_REASONS = {"stop": StopReason.END, "length": StopReason.MAX_TOKENS, "content_filter": StopReason.FILTERED}


class Provider(exports.Provider):
    """What the component exports."""

    def schema(self) -> str:
        return json.dumps({"type": "object", "properties": {}, "additionalProperties": False})

    def describe(self, params: str) -> Profile:
        return Profile(
            api="my-plugin.chat",
            base_url="https://api.example.com/v1",
            base_url_variable=None,
            auth=Auth_Bearer(),
            key_variable="EXAMPLE_API_KEY",
            response_headers=["retry-after"],
            batch=None,
        )

    def encode(self, params: str, model: str, prompt: Prompt) -> HttpRequest:
        sampling = prompt.sampling
        settings = {
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": sampling.stop or None,
            "seed": sampling.seed,
        }
        body = {"model": model, "messages": [{"role": m.role.name.lower(), "content": text(m.parts)} for m in prompt.messages]}
        # Only what the experiment sets is sent.
        body |= {name: value for name, value in settings.items() if value is not None}
        body |= json.loads(sampling.extra or "{}")
        return HttpRequest(Method.POST, "/chat/completions", [], [], json.dumps(body))

    def decode(self, params: str, body: str) -> Completion:
        answer = json.loads(body)
        try:
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            said = choice["message"]["content"] or ""
        except (KeyError, IndexError, TypeError):
            raise Err(Fault(FaultKind.MALFORMED, "the answer has no message", None))
        return Completion(
            parts=[Part_Text(said)],
            stop_reason=STOP_REASONS.get(choice.get("finish_reason"), StopReason.OTHER),
            usage=Usage(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0), 0, 0, 0),
            model=answer.get("model", ""),
            extra=None,
        )

    def diagnose(self, params: str, response: HttpResponse) -> Fault:
        kinds = {401: FaultKind.DENIED, 403: FaultKind.DENIED, 429: FaultKind.RATE_LIMITED}
        kind = kinds.get(response.status, FaultKind.OVERLOADED if response.status >= 500 else FaultKind.REJECTED)
        wait = next((h.value for h in response.headers if h.name == "retry-after"), "")
        return Fault(kind, message(response.body), int(wait) * 1000 if wait.isdigit() else None)

    def allowances(self, headers: list[Header]) -> list[Allowance]:
        return []


def text(parts: list) -> str:
    """The text of a message; this API takes nothing else."""
    if not all(isinstance(part, Part_Text) for part in parts):
        raise Err(Refusal_Unsupported("my-plugin takes text alone"))
    return "".join(part.value for part in parts)


def message(body: str) -> str:
    """The provider's own words, where it has any."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "an error without an explanation"
