"""The official SDKs as clients of the batches of `xhost simulate`: every object that it answers validates as the SDK's own
type, pages are walked through, files and results are read, batches are cancelled.

    xhost simulate --listen 127.0.0.1:8080 --batch-delay-ms 1500 --batch-ends completed,expired,failed,errors-only &
    python simulator_batches.py http://127.0.0.1:8080

Needs openai (3.54.0) and anthropic (2.12.0). Ends with 1 and a message at the first mismatch. The SDKs themselves take any
answer; here each body is validated.
"""

import json
import os
import sys
import time

os.environ["NO_PROXY"] = "*"

import anthropic
import openai
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
from openai.types import Batch, FileObject
from openai.types.chat import ChatCompletion
from openai.types.shared import ErrorObject

LONGEST = 60


def same(what, seen, expected):
    if seen != expected:
        sys.exit(f"{what}: expected {expected!r}, saw {seen!r}")


def valid(kind, raw):
    """The object, every field of it of the SDK's type."""
    body = json.loads(raw.text if hasattr(raw, "text") and not callable(raw.text) else raw.http_response.text)
    return kind.model_validate(body, strict=True)


def until(ended, look):
    start = time.monotonic()
    while True:
        seen = look()
        if ended(seen):
            return seen
        if time.monotonic() - start > LONGEST:
            sys.exit(f"it did not end: {seen!r}")
        time.sleep(0.1)


def chat_line(name, model="m"):
    body = {"model": model, "messages": [{"role": "user", "content": f"Question {name}?"}], "max_completion_tokens": 16}
    return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body})


class OpenAi:
    def __init__(self, base):
        self.client = openai.OpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0)
        self.raw = self.client.with_raw_response

    def upload(self, lines):
        text = "\n".join(lines)
        file = valid(FileObject, self.raw.files.create(file=("x.jsonl", text.encode()), purpose="batch"))
        same("the file", (file.filename, file.purpose, file.bytes), ("x.jsonl", "batch", len(text)))
        same("the same file", valid(FileObject, self.raw.files.retrieve(file.id)), file)
        same("its content", self.client.files.content(file.id).text, text)
        return file.id

    def create(self, lines, mark):
        file = self.upload(lines)
        raw = self.raw.batches.create(
            input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata={"mark": mark}
        )
        batch = valid(Batch, raw)
        same("the batch", (batch.input_file_id, batch.metadata, batch.object), (file, {"mark": mark}, "batch"))
        return batch.id

    def look(self, id):
        return valid(Batch, self.raw.batches.retrieve(id))

    def end(self, id):
        ends = {"completed", "expired", "failed", "cancelled"}
        return until(lambda batch: batch.status in ends, lambda: self.look(id))

    def lines(self, file):
        return [json.loads(line) for line in self.client.files.content(file).text.splitlines()]

    def check(self):
        names = [f"r{number}" for number in range(4)]
        ids = [self.create([chat_line(name) for name in names], f"b{number}") for number in range(5)]
        cancelled = self.raw.batches.cancel(ids[4])
        same("a batch that is being cancelled", valid(Batch, cancelled).status in ("cancelling", "cancelled"), True)
        batches = [self.end(id) for id in ids]
        ends = ["completed", "expired", "failed", "completed", "cancelled"]
        same("how they ended", [batch.status for batch in batches], ends)
        completed, expired, failed, errors, cancelled = batches
        answers = self.lines(completed.output_file_id)
        same("who was answered", sorted(line["custom_id"] for line in answers), names)
        for line in answers:
            same("a line", (line["error"], line["response"]["status_code"]), (None, 200))
            ChatCompletion.model_validate(line["response"]["body"], strict=True)
        same("counts", completed.request_counts.to_dict(), {"completed": 4, "failed": 0, "total": 4})
        codes = [line["error"]["code"] for line in self.lines(expired.error_file_id)]
        same("who was not", (len(self.lines(expired.output_file_id)), codes), (2, ["batch_expired"] * 2))
        same("why it failed", [error.code for error in failed.errors.data], ["invalid_json_line"])
        same("a file of errors alone", (errors.output_file_id, len(self.lines(errors.error_file_id))), (None, 4))
        for line in self.lines(errors.error_file_id):
            ErrorObject.model_validate(line["response"]["body"]["error"], strict=True)
        codes = {line["error"]["code"] for line in self.lines(cancelled.error_file_id)}
        same("what was cancelled", codes, {"batch_cancelled"})
        self.pages(ids)
        self.refusals(ids[0])

    def pages(self, ids):
        walked = [batch.id for batch in self.client.batches.list(limit=2)]
        same("pages, the newest first", walked, ids[::-1])
        first = json.loads(self.raw.batches.list(limit=2).http_response.text)
        same("a page", (first["object"], first["has_more"], first["last_id"]), ("list", True, ids[3]))
        for batch in first["data"]:
            Batch.model_validate(batch, strict=True)

    def refusals(self, ended):
        for call in [
            lambda: self.client.batches.retrieve("batch_nobodys"),
            lambda: self.client.files.content("file-nobodys"),
            lambda: self.client.batches.create(
                input_file_id="file-nobodys", endpoint="/v1/chat/completions", completion_window="24h"
            ),
        ]:
            refused(openai.NotFoundError, call)
        refused(openai.ConflictError, lambda: self.client.batches.cancel(ended))
        refused(openai.BadRequestError, lambda: self.client.batches.list(limit=101))
        lines = [chat_line("a"), chat_line("a")]
        batch = self.end(self.create(lines, "twice"))
        same("a name that is there twice", [error.code for error in batch.errors.data], ["duplicate_custom_id"])
        batch = self.end(self.create([chat_line("a"), chat_line("b", "other")], "models"))
        same("two models", [error.code for error in batch.errors.data], ["model_mismatch"])


def refused(kind, call):
    try:
        seen = call()
    except kind:
        return
    except Exception as error:
        sys.exit(f"expected {kind.__name__}, saw {error!r}")
    sys.exit(f"expected {kind.__name__}, saw {seen!r}")


class Anthropic:
    def __init__(self, base):
        self.client = anthropic.Anthropic(base_url=base, api_key="k", max_retries=0)
        self.batches = self.client.messages.batches
        self.raw = self.batches.with_raw_response

    def create(self, names):
        message = [{"role": "user", "content": "Hi."}]
        params = {"model": "m", "max_tokens": 16, "messages": message}
        raw = self.raw.create(requests=[{"custom_id": name, "params": params} for name in names])
        return message_batch(raw).id

    def end(self, id):
        look = lambda: message_batch(self.raw.retrieve(id))
        return until(lambda batch: batch.processing_status == "ended", look)

    def check(self):
        names = [f"r{number}" for number in range(4)]
        ids = [self.create(names) for _ in range(3)]
        batch = message_batch(self.raw.cancel(ids[2]))
        same("a batch that is being cancelled", batch.processing_status in ("canceling", "ended"), True)
        ended = [self.end(id) for id in ids]
        counts = [batch.request_counts.to_dict() for batch in ended]
        none = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        same("counts", counts, [{**none, "succeeded": 4}] * 2 + [{**none, "canceled": 4}])
        for batch, kind in zip(ended, ["succeeded", "succeeded", "canceled"], strict=True):
            results = [validated(result) for result in self.batches.results(batch.id)]
            same("whose results", sorted(result.custom_id for result in results), names)
            same("how they ended", {result.result.type for result in results}, {kind})
        walked = [batch.id for batch in self.batches.list(limit=2)]
        same("pages, the newest first", walked, ids[::-1])
        refused(anthropic.NotFoundError, lambda: self.batches.retrieve("msgbatch_nobodys"))
        refused(anthropic.BadRequestError, lambda: self.create(["a", "a"]))
        refused(anthropic.BadRequestError, lambda: self.create(["x" * 65]))
        refused(anthropic.BadRequestError, lambda: self.batches.cancel(ids[0]))


def validated(result):
    return MessageBatchIndividualResponse.model_validate_json(json.dumps(result.to_dict(mode="json")))


def message_batch(raw):
    """Its instants are texts in JSON."""
    return MessageBatch.model_validate_json(raw.http_response.text, strict=True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    OpenAi(sys.argv[1]).check()
    Anthropic(sys.argv[1]).check()
    print("both SDKs understand the batches")


main()
