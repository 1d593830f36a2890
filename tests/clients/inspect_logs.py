"""Logs of Inspect, made by Inspect itself with its own providers against `xhost simulate`: the raw calls in them are what
the providers' SDKs were told to send.

    xhost simulate --listen 127.0.0.1:8080 &
    python inspect_logs.py http://127.0.0.1:8080 FOLDER

Needs inspect-ai (0.3.285), openai (3.57.0) and anthropic (2.14.0). Writes openai.eval, openai.json, anthropic.eval and
cached.eval (with marks for the provider's cache, as Inspect sets them unless told otherwise).
"""

import os
import shutil
import sys
import tempfile

os.environ["NO_PROXY"] = "*"

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, system_message

base, folder = sys.argv[1], sys.argv[2]
QUESTIONS = ["Say 0.", "Say 1, with \"quotes\", ä and 𝄞. " + "And a little more. " * 9, "Say 2,\n\tplease."]


def log(name, model, **more):
    form = name.rsplit(".", 1)[1]
    samples = [Sample(id=f"r{at}", input=question, target="x") for at, question in enumerate(QUESTIONS)]
    task = Task(
        name="imports", dataset=samples, solver=[system_message("Be brief."), generate()], scorer=includes()
    )
    with tempfile.TemporaryDirectory() as logs:
        [ended] = eval(
            task, model=model, epochs=2, log_format=form, log_dir=logs, display="none", max_tokens=64, **more
        )
        if ended.status != "success":
            raise SystemExit(f"{name}: {ended.status}: {ended.error}")
        shutil.copyfile(ended.location, os.path.join(folder, name))


openai = get_model("openai/gpt-4o-mini", base_url=f"{base}/v1", api_key="k", responses_api=False)
anthropic = get_model("anthropic/demo", base_url=base, api_key="k")
log("openai.eval", openai, temperature=0)
log("openai.json", openai, temperature=0)
log("anthropic.eval", anthropic, cache_prompt=False)
log("cached.eval", anthropic)
