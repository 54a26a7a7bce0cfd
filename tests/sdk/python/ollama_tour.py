"""What Ollama's official Python client does with a door: its own dialect to servers of others.

Started by tests/sdk/run.py, as tour.py is.
"""

import sys

import ollama
from tour import ARGUMENTS, KEY, OPENAI_TOOLS, STEPS, URL, Weather, main, same, step, toks, user

client = ollama.Client(host=URL, headers={"authorization": f"Bearer {KEY}"}, timeout=60)
BOUND = {"num_predict": 100}
# Only the steps of this file are run.
STEPS.clear()


def text(answer):
    return answer.message.content or ""


def chat(model):
    answer = client.chat(model=model, messages=user("say 3"), options=BOUND)
    same((answer.model, answer.done, answer.done_reason), (model, True, "stop"))
    same((text(answer), answer.eval_count), (toks(3), 3))
    assert answer.prompt_eval_count > 0
    cut = client.chat(model=model, messages=user("say 9"), options={"num_predict": 4})
    same((text(cut), cut.done_reason), (toks(4), "length"))


def stream(model):
    lines = list(client.chat(model=model, messages=user("say 5"), options=BOUND, stream=True))
    same("".join(text(line) for line in lines), toks(5))
    same([line.done for line in lines].count(True), 1)
    same((lines[-1].done, lines[-1].eval_count), (True, 5))


def tools(model):
    question = user("call the tools")
    answer = client.chat(model=model, messages=question, tools=OPENAI_TOOLS, options=BOUND)
    calls = answer.message.tool_calls
    same([(call.function.name, call.function.arguments) for call in calls], [("weather", ARGUMENTS), ("air", ARGUMENTS)])
    results = [{"role": "tool", "tool_name": call.function.name, "content": "sunny"} for call in calls]
    messages = [*question, answer.message, *results, *user("say 2")]
    after = client.chat(model=model, messages=messages, tools=OPENAI_TOOLS, options=BOUND)
    same(text(after), toks(2))
    lines = list(client.chat(model=model, messages=question, tools=OPENAI_TOOLS, options=BOUND, stream=True))
    streamed = [call for line in lines for call in line.message.tool_calls or []]
    same([(call.function.name, call.function.arguments) for call in streamed], [("weather", ARGUMENTS), ("air", ARGUMENTS)])


def structured(model):
    answer = client.chat(
        model=model, messages=user("the weather"), format=Weather.model_json_schema(), options=BOUND
    )
    same(Weather.model_validate_json(text(answer)), Weather(**ARGUMENTS))


def thinking(model):
    answer = client.chat(
        model=model, messages=user("say 3\n!double reasoning=2"), think=True, options={"num_predict": 4000}
    )
    same((answer.message.thinking, text(answer)), (toks(2, "think"), toks(3)))


def broken(model):
    got = ""
    try:
        for line in client.chat(model=model, messages=user("say 50\n!double die after=3"), options=BOUND, stream=True):
            got += text(line)
    except ollama.ResponseError as error:
        assert error.error, error
    else:
        raise AssertionError("a stream that broke ended as if it were whole")
    same(got, toks(3))


def generate(model):
    answer = client.generate(model=model, prompt="say 4", options=BOUND)
    same((answer.response, answer.done), (toks(4), True))
    lines = client.generate(model=model, prompt="say 4", options=BOUND, stream=True)
    same("".join(line.response for line in lines), toks(4))


for name, model in [("to-openai", "gpt-double"), ("to-anthropic", "claude-double")]:
    for function in (chat, stream, tools, structured, thinking, broken, generate):
        step(f"ollama-python {name}.{function.__name__}")(lambda f=function, m=model: f(m))


@step("ollama-python embed")
def _():
    answer = client.embed(model="embed-double", input=["one", "two", "one"])
    first, second, third = answer.embeddings
    same((len(first), first), (8, third))
    assert first != second


@step("ollama-python models")
def _():
    names = {model.model for model in client.list().models}
    assert {"gpt-double", "claude-double", "handbook"} <= names, names


@step("ollama-python errors")
def _():
    for status, ask in [
        (404, lambda: client.chat(model="no-such-model", messages=user("say 1"))),
        (401, lambda: ollama.Client(host=URL).chat(model="gpt-double", messages=user("say 1"))),
        (400, lambda: client.chat(model="gpt-double", messages=user("say 1"), options={"num_ctx": 4096})),
    ]:
        try:
            ask()
        except ollama.ResponseError as error:
            same(error.status_code, status)
        else:
            raise AssertionError(f"no {status}")


if __name__ == "__main__":
    sys.exit(main("ollama tour"))
