//! What the engine counts, as vLLM's and llama.cpp's servers show it.
//!
//! Names, types and buckets are those of vLLM's `v1/metrics/loggers.py` and of
//! llama.cpp's `tools/server`, by their documentation of November 2026.

use std::fmt::Write as _;
use std::time::Duration;

use super::sequence::Sequence;

/// Upper bounds of `vllm:time_to_first_token_seconds`, in milliseconds.
const FIRST_TOKEN_MS: &[u64] = &[
    1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000, 20_000,
    40_000, 80_000, 160_000, 640_000, 2_560_000,
];
/// Upper bounds of `vllm:inter_token_latency_seconds`, in milliseconds.
const BETWEEN_TOKENS_MS: &[u64] = &[
    10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000, 20_000,
    40_000, 80_000,
];

/// How often something took how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    bounds_ms: &'static [u64],
    /// Per bound, and one more beyond the last; not cumulative.
    counts: Vec<u64>,
    sum: Duration,
}

impl Histogram {
    fn new(bounds_ms: &'static [u64]) -> Self {
        Self { bounds_ms, counts: vec![0; bounds_ms.len() + 1], sum: Duration::ZERO }
    }

    fn add(&mut self, took: Duration) {
        let within = |bound: &u64| took <= Duration::from_millis(*bound);
        let bucket = self.bounds_ms.iter().position(within).unwrap_or(self.bounds_ms.len());
        self.counts[bucket] += 1;
        self.sum += took;
    }

    /// How many were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What they add up to.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    fn render(&self, out: &mut String, name: &str, labels: &str) {
        let mut below = 0;
        for (count, bound) in self.counts.iter().zip(self.bounds_ms) {
            below += count;
            let le = Duration::from_millis(*bound).as_secs_f64();
            line(out, &format!("{name}_bucket"), &format!("le=\"{le:?}\",{labels}"), below);
        }
        line(out, &format!("{name}_bucket"), &format!("le=\"+Inf\",{labels}"), self.count());
        line(out, &format!("{name}_count"), labels, self.count());
        line(out, &format!("{name}_sum"), labels, self.sum.as_secs_f64());
    }
}

/// Sums since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Tokens of prompts, counted with their first token.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub generation_tokens: u64,
    /// Sequences that were pushed out.
    pub preemptions: u64,
    /// Answers that ended by themselves.
    pub stopped: u64,
    /// Answers that a bound ended.
    pub cut: u64,
    /// Jobs whose client went away.
    pub aborted: u64,
    /// Tokens that were looked up in the prefix cache.
    pub prefix_queries: u64,
    /// Of them, those that were there.
    pub prefix_hits: u64,
    /// From submitting to the first token.
    pub first_token: Histogram,
    /// Between two tokens of one answer.
    pub between_tokens: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            prompt_tokens: 0,
            generation_tokens: 0,
            preemptions: 0,
            stopped: 0,
            cut: 0,
            aborted: 0,
            prefix_queries: 0,
            prefix_hits: 0,
            first_token: Histogram::new(FIRST_TOKEN_MS),
            between_tokens: Histogram::new(BETWEEN_TOKENS_MS),
        }
    }
}

impl Counters {
    pub(super) fn looked_up(&mut self, sequence: &Sequence, cached: u32) {
        // As in vLLM, a sequence that comes back from being pushed out is not counted again.
        if sequence.produced == 0 {
            self.prefix_queries += u64::from(sequence.job.input);
            self.prefix_hits += u64::from(cached);
        }
    }

    pub(super) fn token(&mut self, sequence: &Sequence, now: Duration) {
        self.generation_tokens += 1;
        match sequence.last_at {
            None => {
                self.prompt_tokens += u64::from(sequence.job.input);
                self.first_token.add(now.saturating_sub(sequence.submitted));
            }
            Some(last) => self.between_tokens.add(now.saturating_sub(last)),
        }
    }

    pub(super) fn finished(&mut self, is_cut: bool) {
        if is_cut {
            self.cut += 1;
        } else {
            self.stopped += 1;
        }
    }

    /// Jobs that have ended, one way or another.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.stopped + self.cut + self.aborted
    }
}

/// What holds at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Sequences that run.
    pub running: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// KV blocks that a sequence holds.
    pub kv_blocks_used: u32,
    /// KV blocks in all.
    pub kv_blocks: u32,
}

impl Gauges {
    /// The part of the KV blocks that is held, 0 to 1.
    #[must_use]
    pub fn kv_usage(&self) -> f64 {
        f64::from(self.kv_blocks_used) / f64::from(self.kv_blocks.max(1))
    }
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name}{labels} {value}");
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The text of vLLM's `/metrics`, for one model and engine.
///
/// The KV usage has both names: `vllm:gpu_cache_usage_perc` was the one until 0.10.
#[must_use]
pub fn vllm_metrics(model: &str, gauges: &Gauges, counters: &Counters) -> String {
    let labels = format!("engine=\"0\",model_name=\"{}\"", escaped(model));
    let mut out = String::new();
    let kv = "KV-cache usage. 1 means 100 percent usage.";
    for (name, help, value) in [
        (
            "num_requests_running",
            "Number of requests in model execution batches.",
            gauges.running.to_string(),
        ),
        (
            "num_requests_waiting",
            "Number of requests waiting to be processed.",
            gauges.waiting.to_string(),
        ),
        ("kv_cache_usage_perc", kv, gauges.kv_usage().to_string()),
        ("gpu_cache_usage_perc", kv, gauges.kv_usage().to_string()),
    ] {
        head(&mut out, &format!("vllm:{name}"), "gauge", help);
        line(&mut out, &format!("vllm:{name}"), &labels, value);
    }
    for (name, help, value) in [
        (
            "num_preemptions",
            "Cumulative number of preemption from the engine.",
            counters.preemptions,
        ),
        ("prompt_tokens", "Number of prefill tokens processed.", counters.prompt_tokens),
        ("generation_tokens", "Number of generation tokens processed.", counters.generation_tokens),
        (
            "prefix_cache_queries",
            "Prefix cache queries, in terms of number of queried tokens.",
            counters.prefix_queries,
        ),
        (
            "prefix_cache_hits",
            "Prefix cache hits, in terms of number of cached tokens.",
            counters.prefix_hits,
        ),
    ] {
        let name = format!("vllm:{name}_total");
        head(&mut out, &name, "counter", help);
        line(&mut out, &name, &labels, value);
    }
    let name = "vllm:request_success_total";
    head(&mut out, name, "counter", "Count of successfully processed requests.");
    let reasons =
        [("stop", counters.stopped), ("length", counters.cut), ("abort", counters.aborted)];
    for (reason, value) in reasons {
        line(&mut out, name, &format!("{labels},finished_reason=\"{reason}\""), value);
    }
    let name = "vllm:time_to_first_token_seconds";
    head(&mut out, name, "histogram", "Histogram of time to first token in seconds.");
    counters.first_token.render(&mut out, name, &labels);
    let name = "vllm:inter_token_latency_seconds";
    head(&mut out, name, "histogram", "Histogram of inter-token latency in seconds.");
    counters.between_tokens.render(&mut out, name, &labels);
    out
}

/// The text of llama.cpp's `/metrics`, as far as admission reads it.
#[must_use]
pub fn llama_cpp_metrics(gauges: &Gauges, counters: &Counters) -> String {
    let mut out = String::new();
    for (name, kind, help, value) in [
        (
            "prompt_tokens_total",
            "counter",
            "Number of prompt tokens processed.",
            counters.prompt_tokens,
        ),
        (
            "tokens_predicted_total",
            "counter",
            "Number of generation tokens processed.",
            counters.generation_tokens,
        ),
        (
            "requests_processing",
            "gauge",
            "Number of requests processing.",
            u64::try_from(gauges.running).unwrap_or(u64::MAX),
        ),
        (
            "requests_deferred",
            "gauge",
            "Number of requests deferred.",
            u64::try_from(gauges.waiting).unwrap_or(u64::MAX),
        ),
    ] {
        let name = format!("llamacpp:{name}");
        head(&mut out, &name, kind, help);
        line(&mut out, &name, "", value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_servers() {
        let gauges = Gauges { running: 3, waiting: 7, kv_blocks_used: 1, kv_blocks: 4 };
        let mut counters = Counters { generation_tokens: 12, cut: 2, ..Counters::default() };
        counters.first_token.add(Duration::from_millis(250));
        counters.first_token.add(Duration::from_secs(10_000));
        let text = vllm_metrics("a\"b", &gauges, &counters);
        let labels = "engine=\"0\",model_name=\"a\\\"b\"";
        for line in [
            format!(
                "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{{labels}}} 3\n"
            ),
            format!("vllm:num_requests_waiting{{{labels}}} 7\n"),
            format!("vllm:kv_cache_usage_perc{{{labels}}} 0.25\n"),
            format!("vllm:gpu_cache_usage_perc{{{labels}}} 0.25\n"),
            format!(
                "# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{{{labels}}} 12\n"
            ),
            format!("vllm:request_success_total{{{labels},finished_reason=\"length\"}} 2\n"),
            format!("vllm:time_to_first_token_seconds_bucket{{le=\"0.1\",{labels}}} 0\n"),
            format!("vllm:time_to_first_token_seconds_bucket{{le=\"0.25\",{labels}}} 1\n"),
            format!("vllm:time_to_first_token_seconds_bucket{{le=\"2560.0\",{labels}}} 1\n"),
            format!("vllm:time_to_first_token_seconds_bucket{{le=\"+Inf\",{labels}}} 2\n"),
            format!("vllm:time_to_first_token_seconds_sum{{{labels}}} 10000.25\n"),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        let text = llama_cpp_metrics(&gauges, &counters);
        assert!(text.contains("\nllamacpp:requests_processing 3\n"), "{text}");
        assert!(text.contains("\nllamacpp:requests_deferred 7\n"), "{text}");
    }
}
