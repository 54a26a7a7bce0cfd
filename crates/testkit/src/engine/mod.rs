//! A continuous-batching engine as vLLM's, without a model: what a request
//! waits for, what slows it and what pushes it out again.
//!
//! A pure state machine. Time is a [`Duration`] since any origin and is passed
//! in, so that a simulator runs hours in seconds and the double runs in real time.
//!
//! The scheduler follows vLLM's (V1): a step has a budget of tokens; the
//! sequences that run take theirs first, oldest first, and prompts are cut into
//! chunks; what is left admits the head of the queue, first come first served,
//! up to the bound on sequences. A sequence that needs a KV block when none is
//! left pushes out the newest one, which goes back to the head of the queue and
//! starts over with all its tokens as a prompt (preemption by recompute).

mod arguments;
mod blocks;
mod metrics;
mod schedule;
mod sequence;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use arguments::EngineArguments;
pub use metrics::{Counters, Gauges, Histogram, llama_cpp_metrics, vllm_metrics};
pub use schedule::Engine;

/// Tokens in one KV block: vLLM's default.
pub const BLOCK_TOKENS: u32 = 16;

/// How long a step takes: `base + per_prefill_token * prompt tokens in the step
/// + per_sequence * sequences that decode in it`.
///
/// The default was fitted by others to a real server: Llama 3.3 70B in bf16 on
/// four H100 under vLLM 0.8.4, the beta coefficients in `defaults.yaml` of
/// inference-sim/inference-sim (BLIS): 12 601 us, 76.423 us and 66.844 us. They
/// agree with the hardware: reading 140 GB of weights on four such devices takes
/// 10.4 ms, and 140 GFLOP for each token of a prompt take 71 us at half of the peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepTime {
    /// Of every step.
    pub base: Duration,
    /// For each token of a prompt that the step computes.
    pub per_prefill_token: Duration,
    /// For each sequence that gets its next token.
    pub per_sequence: Duration,
}

impl Default for StepTime {
    fn default() -> Self {
        Self {
            base: Duration::from_micros(12_601),
            per_prefill_token: Duration::from_nanos(76_423),
            per_sequence: Duration::from_nanos(66_844),
        }
    }
}

impl StepTime {
    /// The time of one step.
    #[must_use]
    pub fn of(&self, prefill_tokens: u32, sequences: u32) -> Duration {
        self.base + self.per_prefill_token * prefill_tokens + self.per_sequence * sequences
    }
}

/// An engine's bounds and speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Sequences that run at once (`max_num_seqs`).
    pub seqs_max: usize,
    /// Tokens of one step (`max_num_batched_tokens`); longer prompts are cut into chunks.
    pub batched_tokens_max: u32,
    /// KV blocks of [`BLOCK_TOKENS`] tokens. The default is the source's of [`StepTime`],
    /// which never runs out with 40 sequences of a chat; take fewer to see preemption.
    pub kv_blocks: u32,
    /// The time of a step.
    pub step: StepTime,
    /// Whether blocks of a prompt are kept for later prompts that begin the same.
    pub prefix_cache: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seqs_max: 40,
            batched_tokens_max: 2_048,
            kv_blocks: 128_273,
            step: StepTime::default(),
            prefix_cache: false,
        }
    }
}

impl Settings {
    /// Tokens that the KV blocks hold.
    #[must_use]
    pub fn kv_tokens(&self) -> u32 {
        self.kv_blocks.saturating_mul(BLOCK_TOKENS)
    }

    /// Seconds of a full engine that a request takes for itself: its prompt
    /// once, and for each token its own part of a step and one `seqs_max`th of
    /// what every step costs. The same sum is linear, so means give the mean.
    #[must_use]
    pub fn work_s(&self, input: f64, output: f64) -> f64 {
        let seqs = f64::from(u32::try_from(self.seqs_max).unwrap_or(u32::MAX)).max(1.0);
        let step = &self.step;
        let prompt = step.per_prefill_token.as_secs_f64() * input;
        let token = step.base.as_secs_f64() / seqs + step.per_sequence.as_secs_f64();
        prompt + token * output
    }

    /// Requests per second that a full engine finishes, where prompts have
    /// `input` and answers `output` tokens on average and no block runs out.
    #[must_use]
    pub fn requests_per_s(&self, input: f64, output: f64) -> f64 {
        1.0 / self.work_s(input, output)
    }
}

/// One request. Identities grow in the order of arrival and are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What is asked of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Tokens of the prompt; 0 counts as 1.
    pub input: u32,
    /// Tokens of the answer; 0 counts as 1.
    pub output: u32,
    /// The answer ends because the request bounds it, not by itself.
    pub is_cut: bool,
    /// For each whole block of the prompt, a hash of everything up to its end;
    /// empty where nothing can be shared.
    pub prefix: Vec<u64>,
}

/// A prompt that no block budget of this engine can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the prompt has {input} tokens and the engine holds {capacity}")]
pub struct TooLong {
    /// Tokens of the prompt.
    pub input: u32,
    /// Tokens that the engine holds, one of them for the answer.
    pub capacity: u32,
}

/// What [`Engine::step`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// One entry for each token that the step that ended has made.
    pub outputs: Vec<Output>,
    /// When to call again; `None` until something is submitted or changed.
    pub next: Option<Duration>,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Whose.
    pub id: JobId,
    /// Tokens of this job so far, this one included.
    pub produced: u32,
    /// Whether it was the last one.
    pub is_last: bool,
}
