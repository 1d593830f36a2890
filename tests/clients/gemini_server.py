"""Google's Gemini API on this machine, as far as its official SDK knows it: single calls, files, batches. What comes must have
the SDK's types; what is answered is made of them; and each act must be one that the SDK's own client was seen to do here, on the
same server, before it begins to listen for another.

    python gemini_server.py KEY        # prints where it listens; ends when its input does

`GET /_seen` tells how many requests of each act came since the SDK was done. A request that the SDK would not have sent is
answered with 418 and told on stderr. Needs `google-genai` (3.4.0). The first batch of another client answers one request with an
error that passes and another not at all.
"""

import http.server
import json
import os
import re
import sys
import tempfile
import threading

os.environ["NO_PROXY"] = "*"

from google import genai
from google.genai import types

VERSION = "v1beta"
MODEL = "some-model"
MEMBERS = {
    "systemInstruction": types.Content,
    "contents": types.Content,
    "tools": types.Tool,
    "generationConfig": types.GenerationConfig,
}


class Server:
    def __init__(self, key):
        self.key = key
        self.files, self.batches = {}, {}
        self.known, self.seen, self.learning = set(), {}, True
        self.lock = threading.Lock()

    def act(self, method, path, headers, body):
        """What a request does, without what differs from one to the next."""
        path = re.sub(r"(batches/|files/)[a-z]+-?\d+", r"\1ID", path)
        path = re.sub(r"upload_id=\w+", "upload_id=ID", path)
        upload = sorted(
            f"{name}: {value}"
            for name, value in headers.items()
            if name.startswith("x-goog-upload") and not name.endswith(("length", "name")) and "offset" not in name
        )
        if "finalize" in str(upload):
            # The SDK says the first request's words again; only the command and the place count.
            return f"{method} {path} finalize"
        shape = ""
        if body and ("/upload/" in path or "batchGenerateContent" in path):
            sent = json.loads(body)
            shape = json.dumps(masked(sent), sort_keys=True)
        return f"{method} {path} {upload} {shape}".strip()

    def generate(self, path, body):
        same_types(body)
        text = body["contents"][-1]["parts"][-1]["text"]
        answer = types.GenerateContentResponse(
            candidates=[
                types.Candidate(
                    content=types.Content(role="model", parts=[types.Part(text=f"Answer to {text}")]),
                    finish_reason="STOP",
                    index=0,
                )
            ],
            model_version=MODEL,
            usage_metadata=types.GenerateContentResponseUsageMetadata(
                prompt_token_count=7, candidates_token_count=3, thoughts_token_count=2, total_token_count=12
            ),
        )
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)

    def begin_upload(self, origin, headers):
        name = f"files/f-{len(self.files) + 1}"
        self.files[name] = b""
        url = f"{origin}/upload/{VERSION}/files?upload_id={name.removeprefix('files/f-')}&upload_protocol=resumable"
        return {}, {"x-goog-upload-url": url, "x-goog-upload-status": "active"}

    def end_upload(self, path, body):
        name = "files/f-" + re.search(r"upload_id=(\d+)", path)[1]
        self.files[name] = body
        file = {"name": name, "mimeType": "application/jsonl", "sizeBytes": str(len(body)), "state": "ACTIVE"}
        return {"file": file}, {"x-goog-upload-status": "final"}

    def create(self, path, body):
        batch = body["batch"]
        name = f"batches/b-{len(self.batches) + 1}"
        lines = [json.loads(line) for line in self.files[batch["inputConfig"]["fileName"]].splitlines()]
        results, is_first = [], not self.learning and not any(one["theirs"] for one in self.batches.values())
        for number, line in enumerate(reversed(lines)):
            if sorted(line) != ["key", "request"]:
                raise ValueError(f"a line has {sorted(line)}")
            if is_first and number == 0:
                results.append({"key": line["key"], "error": {"code": 14, "message": "The service is unavailable."}})
            elif not (is_first and number == 1):
                results.append({"key": line["key"], "response": self.generate(path, line["request"])})
        file = f"files/r-{len(self.batches) + 1}"
        self.files[file] = "".join(json.dumps(result) + "\n" for result in results).encode()
        self.batches[name] = {"display": batch["displayName"], "count": len(lines), "file": file, "polls": 0, "theirs": not self.learning}
        return self.operation(name)

    def operation(self, name):
        batch = self.batches[name]
        state = "PENDING" if batch["polls"] == 0 else "RUNNING" if batch["polls"] == 1 else "SUCCEEDED"
        metadata = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "model": f"models/{MODEL}",
            "displayName": batch["display"],
            "createTime": "2026-11-28T00:00:00.123456789Z",
            "batchStats": {"requestCount": str(batch["count"]), "pendingRequestCount": str(batch["count"])},
            "state": f"BATCH_STATE_{state}",
            "name": name,
        }
        operation = {"name": name, "metadata": metadata}
        if state == "SUCCEEDED":
            metadata["output"] = {"responsesFile": batch["file"]}
            operation |= {"done": True, "response": {"responsesFile": batch["file"]}}
        return operation

    def poll(self, name):
        self.batches[name]["polls"] += 1
        return self.operation(name)

    def answer(self, method, path, headers, body, origin):
        """A body, its headers."""
        finalize = "finalize" in headers.get("x-goog-upload-command", "")
        # The SDK sends the credential to every address but that of an upload that has begun.
        if self.key in path or (headers.get("x-goog-api-key") != self.key and not finalize):
            raise ValueError("the key belongs into x-goog-api-key, and nowhere else")
        act = self.act(method, path, headers, body)
        with self.lock:
            if self.learning:
                self.known.add(act)
            elif act not in self.known:
                raise ValueError(f"the SDK does not do this: {act}; it does {sorted(self.known)}")
            self.seen[act] = self.seen.get(act, 0) + 1
            if path.startswith("/upload/"):
                return self.end_upload(path, body) if finalize else self.begin_upload(origin, headers)
            below = path.removeprefix(f"/{VERSION}/")
            if below.startswith("files/"):
                return self.files[below.split(":")[0]], {}
            if below.startswith("batches?"):
                operations = [self.operation(name) for name in reversed(self.batches)]
                return {"operations": operations}, {}
            if below.startswith("batches/"):
                name, _, verb = below.partition(":")
                return ({} if verb else self.poll(name)), {}
            call = self.create if below.endswith(":batchGenerateContent") else self.generate
            return call(path, json.loads(body)), {}


def masked(value):
    """Names and sizes differ; everything else is the form."""
    if isinstance(value, dict):
        hidden = {"display_name", "displayName", "size_bytes", "fileName"}
        return {key: "…" if key in hidden else masked(one) for key, one in value.items()}
    return value


def same_types(body):
    """The SDK's types take the request, and write it again as it is."""
    for name, value in body.items():
        for one in value if isinstance(value, list) else [value]:
            again = MEMBERS[name].model_validate(one).model_dump(mode="json", by_alias=True, exclude_unset=True)
            if again != one:
                raise ValueError(f"the SDK writes {again}, and this is {one}")


def handler(server):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def respond(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            status, extra = 200, {}
            try:
                if self.path == "/_seen":
                    answer = server.seen
                else:
                    origin = f"http://{headers['host']}"
                    answer, extra = server.answer(self.command, self.path, headers, body, origin)
            except Exception as error:
                print(f"{self.command} {self.path}: {error!r}", file=sys.stderr, flush=True)
                message = {"code": 418, "message": str(error), "status": "UNIMPLEMENTED"}
                status, answer = 418, {"error": message}
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**extra, "content-length": str(len(content)), "content-type": "application/json"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = respond

    return Handler


def as_the_sdk_does(base, key):
    """Every act that another client may do, done by the official one, and what it makes of the answers."""
    options = types.HttpOptions(base_url=base, api_version=VERSION)
    client = genai.Client(api_key=key, http_options=options)
    config = {"max_output_tokens": 5, "temperature": 0.0, "system_instruction": "s"}
    said = client.models.generate_content(model=MODEL, contents="q", config=config)
    assert said.text == "Answer to q" and said.usage_metadata.thoughts_token_count == 2, said
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as lines:
        request = {"contents": [{"role": "user", "parts": [{"text": "q"}]}]}
        lines.write(json.dumps({"key": "a", "request": request}) + "\n")
        lines.flush()
        upload = types.UploadFileConfig(display_name="d", mime_type="application/jsonl")
        file = client.files.upload(file=lines.name, config=upload)
    batch = client.batches.create(model=MODEL, src=file.name, config={"display_name": "d"})
    states = [client.batches.get(name=batch.name) for _ in range(2)]
    assert [one.state.name for one in states] == ["JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"], states
    result = json.loads(client.files.download(file=states[1].dest.file_name))
    types.GenerateContentResponse.model_validate(result["response"])
    listed = list(client.batches.list(config={"page_size": 100}))
    assert [one.display_name for one in listed] == ["d"], listed
    client.batches.cancel(name=batch.name)


def main():
    key = sys.argv[1]
    server = Server(key)
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{listener.server_port}"
    as_the_sdk_does(base, key)
    server.learning, server.seen = False, {}
    print(f"listening on {base}", flush=True)
    sys.stdin.read()


main()
