"""What the official Python SDKs of OpenAI and Anthropic do with a door.

Started by tests/sdk/run.py; the environment variable TOUR says where the door
and the doubles are. One line a step; the exit status is 1 if a step failed.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import traceback
import urllib.request

import anthropic
import openai
from pydantic import BaseModel

STAND = json.loads(os.environ["TOUR"])
URL = STAND["url"]
KEY = STAND["key"]
STEPS = []


def step(name):
    def register(function):
        STEPS.append((name, function))
        return function

    return register


# -- what is asserted again and again


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def toks(count, word="tok"):
    """The text of a double's answer of so many tokens."""
    return "".join(f"{word}{i} " for i in range(count))


def seen(double, request_id):
    with urllib.request.urlopen(f"{STAND[double]}/double/stats") as answer:
        requests = json.load(answer)["requests"]
    return [one for one in requests if one["request_id"] == request_id]


def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def settled(request_id):
    """The ledger's record of how a request ended."""
    output = subprocess.run(STAND["export"], capture_output=True, text=True, check=True).stdout
    for line in output.splitlines():
        record = json.loads(line)
        if record.get("request_id") == request_id and record.get("record") == "settled":
            return record
    return None


def refused(kind, status, code, call):
    """Asserts that `call` raises the SDK's `kind`, with the door's code; returns the error."""
    try:
        call()
    except kind as error:
        same(error.status_code, status)
        assert re.fullmatch(r"req_[0-9a-f]{32}", error.response.headers["x-request-id"])
        assert code is None or code in json.dumps(error.body), error.body
        return error
    raise AssertionError(f"no {kind.__name__}")


def client_gone(double, request_id, read):
    """Asserts that the door cancelled the upstream call and charged what was made."""
    track = until("the double saw the abort", lambda: [t for t in seen(double, request_id) if t["aborted"]])
    same(len(track), 1)
    record = until("the request is settled", lambda: settled(request_id))
    same(record["outcome"], "client_gone")
    assert read <= record["settled"]["output"] <= track[0]["produced"] + 1, (read, record, track)
    for meter in ("input", "output", "money"):
        before = record["reserved"].get(meter, 0) + record["topped_up"].get(meter, 0)
        same(before, record["settled"].get(meter, 0) + record["refunded"].get(meter, 0))


class Weather(BaseModel):
    city: str
    days: int


def tool(name):
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    return name, f"Tells the {name} of a city.", parameters


ARGUMENTS = {"city": "Paris", "days": 7}
TOOLS = [tool("weather"), tool("air")]
OPENAI_TOOLS = [
    {"type": "function", "function": {"name": n, "description": d, "parameters": p}} for n, d, p in TOOLS
]
ANTHROPIC_TOOLS = [{"name": n, "description": d, "input_schema": p} for n, d, p in TOOLS]

# -- OpenAI's SDK

gpt = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=60)


def user(prompt):
    return [{"role": "user", "content": prompt}]


def openai_chat(model, double):
    raw = gpt.chat.completions.with_raw_response.create(model=model, messages=user("say 3"), max_tokens=50)
    answer = raw.parse()
    same(answer.object, "chat.completion")
    same(answer.model, model)
    same(len(answer.choices), 1)
    same(answer.choices[0].message.role, "assistant")
    same(answer.choices[0].message.content, toks(3))
    same(answer.choices[0].finish_reason, "stop")
    same(answer.usage.completion_tokens, 3)
    assert answer.usage.prompt_tokens > 0
    same(answer.usage.total_tokens, answer.usage.prompt_tokens + 3)
    # The door's request id is the one that the model server saw.
    request_id = raw.headers["x-request-id"]
    track = seen(double, request_id)
    same([one["finished"] for one in track], [True])
    cut = gpt.chat.completions.create(model=model, messages=user("say 9"), max_tokens=4)
    same((cut.choices[0].message.content, cut.choices[0].finish_reason), (toks(4), "length"))


def openai_stream(model, include_usage):
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    stream = gpt.chat.completions.create(
        model=model, messages=user("say 5"), max_tokens=50, stream=True, **options
    )
    chunks = list(stream)
    assert all(chunk.object == "chat.completion.chunk" for chunk in chunks)
    same(len({chunk.id for chunk in chunks}), 1)
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    same("".join(choice.delta.content or "" for choice in choices), toks(5))
    same([choice.finish_reason for choice in choices if choice.finish_reason], ["stop"])
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    if include_usage:
        same(len(usages), 1)
        same(chunks[-1].choices, [])
        same(usages[0].completion_tokens, 5)
        same(usages[0].total_tokens, usages[0].prompt_tokens + 5)
    else:
        same(usages, [])
        assert all(chunk.choices for chunk in chunks), "a chunk without choices that nobody asked for"


def openai_tools(model, prompt, names):
    answer = gpt.chat.completions.create(
        model=model, messages=user(prompt), tools=OPENAI_TOOLS, max_tokens=100
    )
    same(answer.choices[0].finish_reason, "tool_calls")
    calls = answer.choices[0].message.tool_calls
    same([call.function.name for call in calls], names)
    same([json.loads(call.function.arguments) for call in calls], [ARGUMENTS] * len(names))
    same(len({call.id for call in calls}), len(names))
    # The results go back, and the conversation goes on.
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    messages = [*user(prompt), answer.choices[0].message, *results, *user("say 2")]
    after = gpt.chat.completions.create(model=model, messages=messages, tools=OPENAI_TOOLS, max_tokens=100)
    same(after.choices[0].message.content, toks(2))


def openai_tools_stream(model, prompt, names):
    with gpt.chat.completions.stream(
        model=model, messages=user(prompt), tools=OPENAI_TOOLS, max_tokens=100
    ) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_completion()
    same(kinds.count("tool_calls.function.arguments.done"), len(names))
    assert kinds.count("tool_calls.function.arguments.delta") >= len(names)
    calls = answer.choices[0].message.tool_calls
    same([call.function.name for call in calls], names)
    same([json.loads(call.function.arguments) for call in calls], [ARGUMENTS] * len(names))
    same(answer.choices[0].finish_reason, "tool_calls")


def openai_structured(model):
    schema = {"name": "weather", "strict": True, "schema": TOOLS[0][2]}
    answer = gpt.chat.completions.create(
        model=model,
        messages=user("the weather"),
        max_tokens=100,
        response_format={"type": "json_schema", "json_schema": schema},
    )
    same(json.loads(answer.choices[0].message.content), ARGUMENTS)
    parsed = gpt.chat.completions.parse(
        model=model, messages=user("the weather"), max_tokens=100, response_format=Weather
    )
    same(parsed.choices[0].message.parsed, Weather(**ARGUMENTS))
    with gpt.chat.completions.stream(
        model=model, messages=user("the weather"), max_tokens=100, response_format=Weather
    ) as stream:
        final = stream.get_final_completion()
    same(final.choices[0].message.parsed, Weather(**ARGUMENTS))


def openai_reasoning(model):
    prompt = "say 3\n!double reasoning=2"
    answer = gpt.chat.completions.create(
        model=model, messages=user(prompt), max_tokens=4000, reasoning_effort="low"
    )
    same(answer.choices[0].message.reasoning_content, toks(2, "think"))
    same(answer.choices[0].message.content, toks(3))
    same(answer.usage.completion_tokens, 5)
    stream = gpt.chat.completions.create(model=model, messages=user(prompt), max_tokens=4000, stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]
    same("".join(getattr(d, "reasoning_content", None) or "" for d in deltas), toks(2, "think"))
    same("".join(d.content or "" for d in deltas), toks(3))


def openai_cancel(model, double):
    stream = gpt.chat.completions.create(
        model=model, messages=user("say 500\n!double rate=40"), max_tokens=600, stream=True
    )
    request_id = stream.response.headers["x-request-id"]
    read = 0
    for chunk in stream:
        read += bool(chunk.choices and chunk.choices[0].delta.content)
        if read == 4:
            break
    stream.close()
    client_gone(double, request_id, read)


def openai_broken(model):
    stream = gpt.chat.completions.create(
        model=model, messages=user("say 50\n!double die after=3"), max_tokens=60, stream=True
    )
    text = ""
    try:
        for chunk in stream:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    except openai.APIConnectionError:
        raise
    except openai.APIError as error:
        assert error.message and error.code == "upstream_failed", (error.message, error.code)
    else:
        raise AssertionError("a stream that broke ended as if it were whole")
    same(text, toks(3))


for name, model, double in [
    ("chat", "gpt-double", "openai_double"),
    ("to-anthropic", "claude-double", "anthropic_double"),
]:
    prefix = "openai-python " + ("" if name == "chat" else "to-anthropic.")
    for suffix, function in [
        ("chat", lambda m=model, d=double: openai_chat(m, d)),
        ("stream", lambda m=model: openai_stream(m, False)),
        ("stream.usage", lambda m=model: openai_stream(m, True)),
        ("tools.one", lambda m=model: openai_tools(m, "call the tool", ["weather"])),
        ("tools.parallel", lambda m=model: openai_tools(m, "call the tools", ["weather", "air"])),
        ("tools.one.stream", lambda m=model: openai_tools_stream(m, "call the tool", ["weather"])),
        ("tools.parallel.stream", lambda m=model: openai_tools_stream(m, "call the tools", ["weather", "air"])),
        ("structured", lambda m=model: openai_structured(m)),
        ("reasoning", lambda m=model: openai_reasoning(m)),
        ("stream.broken", lambda m=model: openai_broken(m)),
        ("cancel", lambda m=model, d=double: openai_cancel(m, d)),
    ]:
        step(prefix + suffix)(function)


def responses_text(model):
    raw = gpt.responses.with_raw_response.create(
        model=model, instructions="Count.", input="say 3", max_output_tokens=50, metadata={"a": "b"}
    )
    answer = raw.parse()
    same((answer.object, answer.status, answer.model), ("response", "completed", model))
    same(answer.output_text, toks(3))
    same((answer.store, answer.metadata, answer.max_output_tokens), (False, {"a": "b"}, 50))
    same(answer.usage.output_tokens, 3)
    same(answer.usage.total_tokens, answer.usage.input_tokens + 3)
    same(answer.usage.output_tokens_details.reasoning_tokens, 0)
    assert raw.headers["x-request-id"] in answer.id
    cut = gpt.responses.create(model=model, input=user("say 9"), max_output_tokens=4)
    same((cut.output_text, cut.status), (toks(4), "incomplete"))
    same(cut.incomplete_details.reason, "max_output_tokens")


def responses_stream(model):
    events = list(gpt.responses.create(model=model, input="say 5", max_output_tokens=50, stream=True))
    same([event.sequence_number for event in events], list(range(len(events))))
    kinds = [event.type for event in events if not event.type.endswith(".delta")]
    same(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ],
    )
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    same("".join(deltas), toks(5))
    last = events[-1].response
    same((last.output_text, last.usage.output_tokens), (toks(5), 5))
    # The SDK's own reader of streams puts the same together.
    with gpt.responses.stream(model=model, input="say 5", max_output_tokens=50) as stream:
        for _ in stream:
            pass
        same(stream.get_final_response().output_text, toks(5))


def responses_tools(model):
    tools = [{"type": "function", **tool["function"]} for tool in OPENAI_TOOLS]
    ask = {"model": model, "tools": tools, "max_output_tokens": 100}
    whole = gpt.responses.create(input="call the tool", **ask)
    events = list(gpt.responses.create(input="call the tool", stream=True, **ask))
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    same([json.loads(event.arguments) for event in done], [ARGUMENTS])
    for answer in (whole, events[-1].response):
        calls = [item for item in answer.output if item.type == "function_call"]
        same([(call.name, json.loads(call.arguments)) for call in calls], [("weather", ARGUMENTS)])
        # The items go back as they came, the results with them.
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
        after = gpt.responses.create(
            input=[*user("call the tool"), *answer.output, *results, *user("say 2")], **ask
        )
        same(after.output_text, toks(2))


def responses_structured(model):
    class Place(BaseModel):
        city: str

    answer = gpt.responses.parse(model=model, input="where?", text_format=Place, max_output_tokens=100)
    assert isinstance(answer.output_parsed, Place), answer.output


def responses_broken(model):
    text, failed = "", None
    for event in gpt.responses.create(
        model=model, input="say 50\n!double die after=3", max_output_tokens=60, stream=True
    ):
        text += event.delta if event.type == "response.output_text.delta" else ""
        failed = event.response if event.type == "response.failed" else failed
    same((text, failed.status, failed.error.code), (toks(3), "failed", "upstream_failed"))


for name, model in [("", "gpt-double"), ("to-anthropic.", "claude-double")]:
    for suffix, function in [
        ("text", lambda m=model: responses_text(m)),
        ("stream", lambda m=model: responses_stream(m)),
        ("tools", lambda m=model: responses_tools(m)),
        ("structured", lambda m=model: responses_structured(m)),
        ("broken", lambda m=model: responses_broken(m)),
    ]:
        step(f"openai-python responses.{name}{suffix}")(function)


@step("openai-python responses.refusals")
def _():
    for more in (
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"background": True},
        {"tools": [{"type": "web_search"}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
    ):
        ask = {"model": "gpt-double", "input": "say 2", **more}
        refused(openai.BadRequestError, 400, "unsupported_parameter", lambda: gpt.responses.create(**ask))


@step("openai-python alias")
def _():
    for alias in ("gpt-alias", "claude-alias"):
        answer = gpt.chat.completions.create(model=alias, messages=user("say 2"), max_tokens=20)
        same(answer.choices[0].message.content, toks(2))


@step("openai-python completions")
def _():
    answer = gpt.completions.create(model="gpt-double", prompt="say 4", max_tokens=50)
    same((answer.object, answer.choices[0].text), ("text_completion", toks(4)))
    stream = gpt.completions.create(model="gpt-double", prompt="say 4", max_tokens=50, stream=True)
    same("".join(chunk.choices[0].text for chunk in stream if chunk.choices), toks(4))


@step("openai-python embeddings")
def _():
    answer = gpt.embeddings.create(model="embed-double", input=["one", "two", "one"])
    same([one.index for one in answer.data], [0, 1, 2])
    first, second, third = (one.embedding for one in answer.data)
    same((len(first), first), (8, third))
    assert first != second
    assert answer.usage.prompt_tokens > 0
    # The SDK asks for base64 unless it is told otherwise; both forms are one vector.
    plain = gpt.embeddings.create(model="embed-double", input="one", encoding_format="float")
    same(plain.data[0].embedding, first)
    small = gpt.embeddings.create(model="embed-double", input="one", dimensions=3)
    same(len(small.data[0].embedding), 3)


@step("openai-python models")
def _():
    names = {model.id for model in gpt.models.list()}
    wanted = {"gpt-double", "deepseek-double", "embed-double", "claude-double", "handbook"}
    assert wanted <= names, names
    model = gpt.models.retrieve("gpt-double")
    same((model.id, model.object), ("gpt-double", "model"))


@step("openai-python errors")
def _():
    def ask(client, **more):
        body = {"model": "gpt-double", "messages": user("say 1"), "max_tokens": 5, **more}
        return lambda: client.chat.completions.create(**body)

    stranger = gpt.with_options(api_key="sw_live_" + "0" * 36)
    refused(openai.AuthenticationError, 401, "invalid_api_key", ask(stranger))
    error = refused(openai.NotFoundError, 404, "model_not_found", ask(gpt, model="no-such-model"))
    same((error.code, error.param), ("model_not_found", "model"))
    refused(openai.NotFoundError, 404, "model_not_found", lambda: gpt.models.retrieve("no-such-model"))
    refused(openai.BadRequestError, 400, "invalid_request", ask(gpt, messages="no list"))
    refused(openai.BadRequestError, 400, "invalid_request", ask(gpt, max_tokens=-1))
    error = refused(
        openai.BadRequestError, 400, "unsupported_parameter", ask(gpt, model="claude-double", logprobs=True)
    )
    same(error.param, "logprobs")
    refused(openai.NotFoundError, 404, "route_unknown", lambda: gpt.images.generate(prompt="x", model="gpt-double"))


@step("openai-python quota")
def _():
    limited = gpt.with_options(api_key=STAND["limited"]["openai-python"])
    body = {"model": "gpt-double", "messages": user("say 1"), "max_tokens": 5}
    raw = limited.chat.completions.with_raw_response.create(**body)
    same(raw.headers["x-ratelimit-limit-requests"], "1")
    same(raw.headers["x-ratelimit-remaining-requests"], "0")
    error = refused(
        openai.RateLimitError, 429, "quota_exceeded", lambda: limited.chat.completions.create(**body)
    )
    assert "key has 1 requests per 1h" in error.message, error.message
    assert 0 < int(error.response.headers["retry-after"]) <= 3600 + 300, error.response.headers
    same(error.response.headers["x-ratelimit-scope"], "key")


@step("openai-python upstream-error")
def _():
    # What the model server says about the request is passed on, what it says about itself is not.
    error = refused(
        openai.BadRequestError,
        400,
        "The double",
        lambda: gpt.chat.completions.create(
            model="gpt-double", messages=user("say 1\n!double 400"), max_tokens=5
        ),
    )
    assert error.message
    refused(
        openai.InternalServerError,
        502,
        "upstream_failed",
        lambda: gpt.chat.completions.create(
            model="gpt-double", messages=user("say 1\n!double 500"), max_tokens=5
        ),
    )


# -- DeepSeek's way of using OpenAI's SDK

deepseek = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=60)


@step("deepseek-python chat")
def _():
    prompt = "say 3\n!double reasoning=2 cached=1"
    answer = deepseek.chat.completions.create(
        model="deepseek-double", messages=user(prompt), max_tokens=50
    )
    message = answer.choices[0].message
    same((message.reasoning_content, message.content), (toks(2, "think"), toks(3)))
    same(answer.usage.prompt_cache_hit_tokens, 1)
    same(answer.usage.prompt_cache_miss_tokens, answer.usage.prompt_tokens - 1)
    same(answer.usage.completion_tokens_details.reasoning_tokens, 2)


@step("deepseek-python stream")
def _():
    stream = deepseek.chat.completions.create(
        model="deepseek-double",
        messages=user("say 3\n!double reasoning=2 cached=1"),
        max_tokens=50,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    same("".join(getattr(d, "reasoning_content", None) or "" for d in deltas), toks(2, "think"))
    same("".join(d.content or "" for d in deltas), toks(3))
    same(chunks[-1].usage.prompt_cache_hit_tokens, 1)


@step("deepseek-python models")
def _():
    assert "deepseek-double" in {model.id for model in deepseek.models.list()}
    same(deepseek.models.retrieve("deepseek-double").id, "deepseek-double")


@step("deepseek-python beta")
def _():
    beta = deepseek.with_options(base_url=f"{URL}/beta")
    answer = beta.completions.create(model="deepseek-double", prompt="say 4", suffix="end", max_tokens=9)
    same(answer.choices[0].text, toks(4))
    messages = [*user("say 2"), {"role": "assistant", "content": "tok", "prefix": True}]
    answer = beta.chat.completions.create(model="deepseek-double", messages=messages, max_tokens=9)
    same(answer.choices[0].message.content, toks(2))


@step("deepseek-python balance")
def _():
    free = deepseek.get("/user/balance", cast_to=object)
    same(free, {"is_available": True, "balance_infos": []})
    limited = deepseek.with_options(api_key=STAND["budget_key"])
    [before] = limited.get("/user/balance", cast_to=object)["balance_infos"]
    same((before["currency"], float(before["total_balance"])), ("USD", 5.0))
    limited.chat.completions.create(model="deepseek-double", messages=user("say 100"), max_tokens=200)
    # 100 tokens at 0.20 a million, and what the prompt cost.
    after = until(
        "the cost is charged",
        lambda: [
            info
            for info in limited.get("/user/balance", cast_to=object)["balance_infos"]
            if 4.9999 < float(info["total_balance"]) <= 5.0 - 100 * 0.20 / 1e6
        ],
    )
    assert after


# -- Anthropic's SDK

claude = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=60)


def anthropic_chat(model, double):
    raw = claude.messages.with_raw_response.create(
        model=model, max_tokens=50, messages=user("say 3"), system="Be short."
    )
    message = raw.parse()
    same((message.type, message.role, message.model), ("message", "assistant", model))
    same([(block.type, block.text) for block in message.content], [("text", toks(3))])
    same((message.stop_reason, message.stop_sequence), ("end_turn", None))
    same(message.usage.output_tokens, 3)
    assert message.usage.input_tokens > 0
    same([one["finished"] for one in seen(double, raw.headers["x-request-id"])], [True])
    cut = claude.messages.create(model=model, max_tokens=4, messages=user("say 9"))
    same((cut.content[0].text, cut.stop_reason), (toks(4), "max_tokens"))


def anthropic_stream(model):
    with claude.messages.stream(model=model, max_tokens=50, messages=user("say 5")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    same((text, final.content[0].text), (toks(5), toks(5)))
    same((final.stop_reason, final.usage.output_tokens), ("end_turn", 5))
    assert final.usage.input_tokens > 0
    raw = claude.messages.create(model=model, max_tokens=50, messages=user("say 5"), stream=True)
    kinds = [event.type for event in raw if event.type != "ping"]
    same(kinds[:2], ["message_start", "content_block_start"])
    same(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])
    same(kinds.count("content_block_delta"), 5)


def anthropic_tools(model, prompt, names):
    message = claude.messages.create(
        model=model, max_tokens=100, messages=user(prompt), tools=ANTHROPIC_TOOLS
    )
    same(message.stop_reason, "tool_use")
    calls = [block for block in message.content if block.type == "tool_use"]
    same([(call.name, call.input) for call in calls], [(name, ARGUMENTS) for name in names])
    same(len({call.id for call in calls}), len(names))
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]
    asked = [*results, {"type": "text", "text": "say 2"}]
    messages = [
        *user(prompt),
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": asked},
    ]
    after = claude.messages.create(
        model=model, max_tokens=100, messages=messages, tools=ANTHROPIC_TOOLS
    )
    same(after.content[0].text, toks(2))


def anthropic_tools_stream(model, prompt, names):
    with claude.messages.stream(
        model=model, max_tokens=100, messages=user(prompt), tools=ANTHROPIC_TOOLS
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    same(kinds.count("content_block_stop"), len(names))
    assert kinds.count("input_json") >= len(names), kinds
    same([(call.name, call.input) for call in final.content], [(name, ARGUMENTS) for name in names])
    same(final.stop_reason, "tool_use")


def anthropic_structured(model):
    config = {"format": {"type": "json_schema", "schema": TOOLS[0][2]}}
    message = claude.messages.create(
        model=model, max_tokens=100, messages=user("the weather"), output_config=config
    )
    same(json.loads(message.content[0].text), ARGUMENTS)
    parsed = claude.messages.parse(
        model=model, max_tokens=100, messages=user("the weather"), output_format=Weather
    )
    same(parsed.parsed_output, Weather(**ARGUMENTS))


def anthropic_thinking(model):
    body = {
        "model": model,
        "max_tokens": 4000,
        "messages": user("say 3\n!double reasoning=2"),
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    message = claude.messages.create(**body)
    same([block.type for block in message.content], ["thinking", "text"])
    same((message.content[0].thinking, message.content[1].text), (toks(2, "think"), toks(3)))
    with claude.messages.stream(**body) as stream:
        final = stream.get_final_message()
    same([block.type for block in final.content], ["thinking", "text"])
    same((final.content[0].thinking, final.content[1].text), (toks(2, "think"), toks(3)))
    # Thinking goes back with the conversation.
    messages = [*body["messages"], {"role": "assistant", "content": final.content}, *user("say 2")]
    after = claude.messages.create(**{**body, "messages": messages})
    same(after.content[-1].text, toks(2))


def anthropic_cancel(model, double):
    stream = claude.messages.create(
        model=model, max_tokens=600, messages=user("say 500\n!double rate=40"), stream=True
    )
    request_id = stream.response.headers["x-request-id"]
    read = 0
    for event in stream:
        read += event.type == "content_block_delta"
        if read == 4:
            break
    stream.close()
    client_gone(double, request_id, read)


def anthropic_broken(model):
    stream = claude.messages.create(
        model=model, max_tokens=60, messages=user("say 50\n!double die after=3"), stream=True
    )
    text = ""
    try:
        for event in stream:
            text += event.delta.text if event.type == "content_block_delta" else ""
    except anthropic.APIStatusError as error:
        same(error.body["error"]["type"], "api_error")
    else:
        raise AssertionError("a stream that broke ended as if it were whole")
    same(text, toks(3))


for name, model, double in [
    ("chat", "claude-double", "anthropic_double"),
    ("to-openai", "gpt-double", "openai_double"),
]:
    prefix = "anthropic-python " + ("" if name == "chat" else "to-openai.")
    for suffix, function in [
        ("chat", lambda m=model, d=double: anthropic_chat(m, d)),
        ("stream", lambda m=model: anthropic_stream(m)),
        ("tools.one", lambda m=model: anthropic_tools(m, "call the tool", ["weather"])),
        ("tools.parallel", lambda m=model: anthropic_tools(m, "call the tools", ["weather", "air"])),
        ("tools.one.stream", lambda m=model: anthropic_tools_stream(m, "call the tool", ["weather"])),
        (
            "tools.parallel.stream",
            lambda m=model: anthropic_tools_stream(m, "call the tools", ["weather", "air"]),
        ),
        ("structured", lambda m=model: anthropic_structured(m)),
        ("thinking", lambda m=model: anthropic_thinking(m)),
        ("stream.broken", lambda m=model: anthropic_broken(m)),
        ("cancel", lambda m=model, d=double: anthropic_cancel(m, d)),
    ]:
        step(prefix + suffix)(function)


@step("anthropic-python count_tokens")
def _():
    words = "one two three four five six seven eight nine ten " * 10
    for model in ("claude-double", "gpt-double"):
        few = claude.messages.count_tokens(model=model, messages=user("one two"))
        many = claude.messages.count_tokens(model=model, messages=user(words))
        assert 1 <= few.input_tokens < 20, (model, few)
        assert few.input_tokens * 4 < many.input_tokens < 400, (model, few, many)


@step("anthropic-python models")
def _():
    names = {model.id for model in claude.models.list()}
    assert {"claude-double", "gpt-double", "handbook"} <= names, names
    model = claude.models.retrieve("claude-double")
    same((model.id, model.type), ("claude-double", "model"))
    assert model.display_name and model.created_at.year >= 1970


@step("anthropic-python under-anthropic")
def _():
    under = claude.with_options(base_url=f"{URL}/anthropic")
    message = under.messages.create(model="claude-double", max_tokens=9, messages=user("say 2"))
    same(message.content[0].text, toks(2))
    counted = under.messages.count_tokens(model="claude-double", messages=user("one two"))
    assert counted.input_tokens > 0


@step("anthropic-python bearer")
def _():
    bearer = anthropic.Anthropic(base_url=URL, api_key=None, auth_token=KEY, max_retries=0)
    message = bearer.messages.create(model="claude-double", max_tokens=9, messages=user("say 2"))
    same(message.content[0].text, toks(2))


@step("anthropic-python errors")
def _():
    def ask(client, **more):
        body = {"model": "claude-double", "messages": user("say 1"), "max_tokens": 5, **more}
        return lambda: client.messages.create(**body)

    def kind(error):
        same(error.body["type"], "error")
        return error.body["error"]["type"]

    stranger = claude.with_options(api_key="sw_live_" + "0" * 36)
    same(kind(refused(anthropic.AuthenticationError, 401, None, ask(stranger))), "authentication_error")
    same(kind(refused(anthropic.NotFoundError, 404, None, ask(claude, model="no-such"))), "not_found_error")
    refused(anthropic.NotFoundError, 404, None, lambda: claude.models.retrieve("no-such"))
    error = refused(anthropic.BadRequestError, 400, None, ask(claude, messages="no list"))
    same(kind(error), "invalid_request_error")


@step("anthropic-python quota")
def _():
    limited = claude.with_options(api_key=STAND["limited"]["anthropic-python"])
    body = {"model": "claude-double", "max_tokens": 5, "messages": user("say 1")}
    limited.messages.create(**body)
    error = refused(anthropic.RateLimitError, 429, None, lambda: limited.messages.create(**body))
    same(error.body["error"]["type"], "rate_limit_error")
    assert "key has 1 requests per 1h" in error.body["error"]["message"], error.body
    assert 0 < int(error.response.headers["retry-after"]) <= 3600 + 300, error.response.headers


# -- the async clients


@step("openai-python async")
def _():
    async def main():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:

            async def stream(count):
                parts = await client.chat.completions.create(
                    model="gpt-double", messages=user(f"say {count}"), max_tokens=99, stream=True
                )
                return "".join([c.choices[0].delta.content or "" async for c in parts if c.choices])

            counts = range(1, 21)
            same(await asyncio.gather(*map(stream, counts)), [toks(count) for count in counts])
            models = [model.id async for model in client.models.list()]
            assert "gpt-double" in models

    asyncio.run(main())


@step("anthropic-python async")
def _():
    async def main():
        async with anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0) as client:

            async def stream(count):
                async with client.messages.stream(
                    model="claude-double", messages=user(f"say {count}"), max_tokens=99
                ) as events:
                    return "".join([text async for text in events.text_stream])

            counts = range(1, 21)
            same(await asyncio.gather(*map(stream, counts)), [toks(count) for count in counts])

    asyncio.run(main())


@step("openai-python async.cancel")
def _():
    async def main():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
            stream = await client.chat.completions.create(
                model="gpt-double", messages=user("say 500\n!double rate=40"), max_tokens=600, stream=True
            )
            request_id = stream.response.headers["x-request-id"]

            async def read_all():
                async for _ in stream:
                    pass

            task = asyncio.create_task(read_all())
            await asyncio.sleep(0.3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await stream.close()
            return request_id

    client_gone("openai_double", asyncio.run(main()), 1)


# -- the handbook, without a key


@step("openai-python handbook")
def _():
    nobody = {"extra_headers": {"Authorization": openai.Omit()}}
    question = user("How do I make a key?")
    answer = gpt.chat.completions.create(model="handbook", messages=question, **nobody)
    text = answer.choices[0].message.content
    assert "surgewall admin key create" in text and "keys.md" in text, text
    stream = gpt.chat.completions.create(model="handbook", messages=question, stream=True, **nobody)
    same("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices), text)
    refused(
        openai.AuthenticationError,
        401,
        "credential_missing",
        lambda: gpt.chat.completions.create(model="gpt-double", messages=question, **nobody),
    )


@step("anthropic-python handbook")
def _():
    question = user("How do I make a key?")
    message = claude.messages.create(model="handbook", max_tokens=2000, messages=question)
    assert "surgewall admin key create" in message.content[0].text, message.content
    nobody = claude.with_options(default_headers={"X-Api-Key": anthropic.Omit()})
    again = nobody.messages.create(model="handbook", max_tokens=2000, messages=question)
    same(again.content[0].text, message.content[0].text)


def behind(call):
    """Runs `call` while another stream holds the only place of the upstream."""
    first = gpt.chat.completions.create(
        model="narrow-double", messages=user("say 40\n!double rate=20"), max_tokens=100, stream=True
    )
    holder = iter(first)
    next(holder)
    try:
        return call()
    finally:
        same("".join(chunk.choices[0].delta.content or "" for chunk in holder if chunk.choices).strip()[-5:], "tok39")


def told_its_place(headers):
    assert int(headers["x-queue-position"]) >= 1 and int(headers["x-queue-eta-s"]) >= 1, dict(headers)


@step("openai-python queued")
def _():
    def call():
        raw = gpt.chat.completions.with_raw_response.create(
            model="narrow-double", messages=user("say 5"), max_tokens=100, stream=True
        )
        told_its_place(raw.headers)
        chunks = list(raw.parse())
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    same(behind(call), toks(5))


@step("openai-python queued.status")
def _():
    def call():
        raw = gpt.chat.completions.with_raw_response.create(
            model="narrow-double", messages=user("say 5"), max_tokens=100, stream=True,
            extra_headers={"x-surgewall-queue": "status"},
        )
        assert "x-queue-position" not in raw.headers, dict(raw.headers)
        return "".join(chunk.choices[0].delta.content or "" for chunk in raw.parse() if chunk.choices)

    same(behind(call), toks(5))


@step("anthropic-python queued")
def _():
    def call():
        with claude.messages.stream(model="narrow-double", max_tokens=100, messages=user("say 5")) as stream:
            told_its_place(stream.response.headers)
            return stream.get_final_text()

    same(behind(call), toks(5))


def main(tour="python tour"):
    only = sys.argv[1:]
    failed = 0
    for name, function in STEPS:
        if only and not any(word in name for word in only):
            continue
        try:
            function()
            print(f"ok {name}", flush=True)
        except Exception:  # noqa: BLE001 - one failed step must not hide the others
            failed += 1
            print(f"FAILED {name}", flush=True)
            print(traceback.format_exc().strip()[-1500:], flush=True)
    print(f"{tour}: {len(STEPS)} steps, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
