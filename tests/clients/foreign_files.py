"""Files as people have them, made with the official SDKs against `xhost simulate`: calls as they went over the wire, and the
files of a batch of each provider.

    xhost simulate --listen 127.0.0.1:8080 &
    python foreign_files.py http://127.0.0.1:8080 FOLDER

Needs openai (3.54.0) and anthropic (2.12.0).
"""

import json
import os
import sys
import time

os.environ["NO_PROXY"] = "*"

import anthropic
import openai

base, folder = sys.argv[1], sys.argv[2]
QUESTIONS = ["Say 0.", "Say 1, with \"quotes\", ä and 𝄞.", "Say 2,\n\tplease."]
TOOL = {"type": "object", "properties": {"word": {"type": "string"}, "a": {"type": "number"}}}


def path(name):
    return os.path.join(folder, name)


def write(name, rows):
    with open(path(name), "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")


def recorded(sdk, make, calls):
    """What goes over the wire and comes back, as text."""
    pairs = []

    def hook(response):
        response.read()
        request = response.request
        pairs.append({
            "request": {
                "url": str(request.url),
                "headers": dict(request.headers),
                "body": request.content.decode(),
            },
            "response": {"status": response.status_code, "body": response.text},
        })

    # Each SDK has an HTTP client of its own.
    with sdk.DefaultHttpxClient(event_hooks={"response": [hook]}, trust_env=False) as client:
        calls(make(client))
    return pairs


def chat(client):
    for question in QUESTIONS:
        for _ in range(2):
            client.chat.completions.create(
                model="demo",
                messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
                max_completion_tokens=64,
                temperature=0,
                seed=7,
            )


def messages(client):
    for question in QUESTIONS:
        for _ in range(2):
            client.messages.create(
                model="demo",
                system="Be brief.",
                messages=[{"role": "user", "content": question}],
                max_tokens=64,
            )


def until(ended, look):
    for _ in range(400):
        state = look()
        if ended(state):
            return state
        time.sleep(0.05)
    raise SystemExit("the batch does not end")


def chat_batch(client):
    """As the guide shows it: an input file is uploaded, an output file is downloaded."""
    rows = [
        {
            "custom_id": f"{name}-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "demo",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
                "max_completion_tokens": 64,
                "temperature": 0,
                "seed": 7,
            },
        }
        for number in range(2)
        for name, question in enumerate(QUESTIONS)
    ]
    write("openai-input.jsonl", rows)
    with open(path("openai-input.jsonl"), "rb") as file:
        uploaded = client.files.create(file=file, purpose="batch")
    batch = client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    batch = until(lambda one: one.status == "completed", lambda: client.batches.retrieve(batch.id))
    with open(path("openai-output.jsonl"), "wb") as out:
        out.write(client.files.content(batch.output_file_id).read())


def message_batch(client):
    requests = [
        {
            "custom_id": f"{name}-{number}",
            "params": {
                "model": "demo",
                "max_tokens": 64,
                "system": "Be brief.",
                "messages": [{"role": "user", "content": question}],
            },
        }
        for number in range(2)
        for name, question in enumerate(QUESTIONS)
    ]
    with open(path("anthropic-requests.json"), "w", encoding="utf-8") as out:
        json.dump({"requests": requests}, out, indent=2)
    batch = client.messages.batches.create(requests=requests)
    until(lambda one: one.processing_status == "ended", lambda: client.messages.batches.retrieve(batch.id))
    write("anthropic-results.jsonl", [result.to_dict() for result in client.messages.batches.results(batch.id)])


def openai_client(http):
    return openai.OpenAI(base_url=f"{base}/v1", api_key="k", http_client=http, max_retries=0)


def anthropic_client(http):
    return anthropic.Anthropic(base_url=base, api_key="k", http_client=http, max_retries=0)


write("openai-calls.jsonl", recorded(openai, openai_client, chat))
write("anthropic-calls.jsonl", recorded(anthropic, anthropic_client, messages))
chat_batch(openai_client(None))
message_batch(anthropic_client(None))
