#!/usr/bin/env python3
"""Fits the constants of crates/testkit/src/traffic/fitted.rs to a trace of requests.

    python3 benches/fit_traffic.py AzureLLMInferenceTrace_conv.csv

The trace is a CSV with the columns TIMESTAMP (YYYY-MM-DD hh:mm:ss.fffffff),
ContextTokens and GeneratedTokens, in order of time: the Azure LLM inference
trace 2023, conversation service (Azure/AzurePublicDataset, CC-BY 4.0; Patel et
al., "Splitwise: Efficient generative LLM inference using phase splitting",
ISCA 2024). It is not part of this project. What is printed is Rust.

Tokens: knots of the quantile function. Arrivals: the rate changes slowly (a
log-normal AR(1) per window), and within a window the gaps are gamma.
"""

import csv
import datetime
import math
import sys

WINDOW_S = 10
STEPS = 32
TAIL = [0.98, 0.99, 0.995, 0.999, 1.0]


def seconds(stamp):
    whole, fraction = stamp.split(".")
    parsed = datetime.datetime.strptime(whole, "%Y-%m-%d %H:%M:%S")
    return parsed.replace(tzinfo=datetime.timezone.utc).timestamp() + float("0." + fraction)


def mean(values):
    return sum(values) / len(values)


def variance(values):
    middle = mean(values)
    return mean([(value - middle) ** 2 for value in values])


def quantiles(tokens):
    tokens = sorted(tokens)
    last = len(tokens) - 1
    body = [f"{tokens[round(step / STEPS * last)]}.0" for step in range(STEPS)]
    tail = [f"({knot}, {tokens[round(knot * last)]}.0)" for knot in TAIL]
    return f"Quantiles {{ body: [{', '.join(body)}], tail: [{', '.join(tail)}] }}"


def arrivals(times):
    windows = int((times[-1] - times[0]) // WINDOW_S)
    counts, gaps = [0] * windows, [[] for _ in range(windows)]
    for before, now in zip(times, times[1:]):
        window = int((before - times[0]) // WINDOW_S)
        if window < windows:
            counts[window] += 1
            gaps[window].append(now - before)
    # What the counts vary more than Poisson's do is the rate's own variance.
    middle, extra = mean(counts), variance(counts) - mean(counts)
    pairs = zip(counts, counts[1:])
    together = mean([(one - middle) * (two - middle) for one, two in pairs])
    squared = [(variance(some) / mean(some) ** 2, len(some)) for some in gaps if len(some) > 20]
    cv_squared = sum(cv * weight for cv, weight in squared) / sum(weight for _, weight in squared)
    return math.sqrt(math.log(1 + extra / middle**2)), together / extra, 1 / cv_squared


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, column in (("INPUT_TOKENS", "ContextTokens"), ("OUTPUT_TOKENS", "GeneratedTokens")):
        tokens = [int(row[column]) for row in rows]
        print(f"pub(super) const {name}: Quantiles = {quantiles(tokens)};  // mean {mean(tokens):.0f}")
    spread, memory, shape = arrivals([seconds(row["TIMESTAMP"]) for row in rows])
    print(f"pub(super) const RATE_SIGMA: f64 = {spread:.3f};")
    print(f"pub(super) const RATE_MEMORY: f64 = {memory:.3f};")
    print(f"pub(super) const GAP_SHAPE: f64 = {shape:.3f};")


main()
