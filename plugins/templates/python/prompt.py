"""my-plugin: an xhost prompt builder that asks a question and then whether the model is sure.

`sample` and, if it is named here, `answers` (what the model said so far) are given by the host; every other parameter is
one that an experiment may set. The function returns what is asked next, or `None` when nothing more is.
"""

from __future__ import annotations

from xhost_plugin import Sample


def prompt(sample: Sample, answers: list[str], rounds: int = 1) -> list[dict[str, str]] | None:
    """The conversation so far, and one more question."""
    if len(answers) > rounds:
        return None
    messages = [{"role": "user", "content": sample.input}]
    for answer in answers:
        messages.append({"role": "assistant", "content": answer})
        messages.append({"role": "user", "content": "Are you sure? Answer the question again."})
    return messages
