"""What litellm says that calls cost: reads `[model, input, output, cache_read, cache_write]` as JSON lines, and writes dollars
with twelve digits, a line for each. litellm multiplies floating-point numbers; what is beyond twelve digits is their error.
"""

import decimal
import json
import os
import sys

# The table inside the wheel, not the one on the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

for line in sys.stdin:
    model, read, written, cache_read, cache_write = json.loads(line)
    cost = litellm.cost_per_token(
        model=model,
        prompt_tokens=read,
        completion_tokens=written,
        cache_read_input_tokens=cache_read,
        cache_creation_input_tokens=cache_write,
    )
    dollars = sum(decimal.Decimal(part) for part in cost).quantize(decimal.Decimal("1e-12"))
    print(f"{dollars:f}")
