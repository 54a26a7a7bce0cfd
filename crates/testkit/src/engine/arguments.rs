//! An engine's settings on a command line.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::{BLOCK_TOKENS, Settings, StepTime};

/// The settings of an engine.
#[derive(Args, Clone, Debug)]
pub struct EngineArguments {
    /// Sequences that run at once.
    #[arg(long, default_value_t = Settings::default().seqs_max)]
    seqs: usize,
    /// Tokens of one step; longer prompts are cut into chunks.
    #[arg(long, default_value_t = Settings::default().batched_tokens_max)]
    batched_tokens: u32,
    /// Tokens that the KV blocks hold.
    #[arg(long, default_value_t = Settings::default().kv_tokens())]
    kv_tokens: u32,
    /// Milliseconds of a step: base, for each token of a prompt, for each sequence.
    #[arg(long, default_value = "12.601,0.076423,0.066844")]
    step_ms: StepMs,
    /// Keeps the blocks of prompts for later ones that begin the same.
    #[arg(long)]
    prefix_cache: bool,
}

impl EngineArguments {
    /// The settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            seqs_max: self.seqs,
            batched_tokens_max: self.batched_tokens.max(1),
            kv_blocks: self.kv_tokens / BLOCK_TOKENS,
            step: self.step_ms.0,
            prefix_cache: self.prefix_cache,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct StepMs(StepTime);

impl FromStr for StepMs {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let time = |ms: &str| {
            let ms: f64 = ms.trim().parse().ok()?;
            Duration::try_from_secs_f64(ms / 1_000.0).ok()
        };
        let times: Option<Vec<_>> = text.split(',').map(time).collect();
        match times.as_deref() {
            Some([base, per_prefill_token, per_sequence]) => Ok(Self(StepTime {
                base: *base,
                per_prefill_token: *per_prefill_token,
                per_sequence: *per_sequence,
            })),
            _ => Err("three numbers of milliseconds: base,prefill,sequence".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        engine: EngineArguments,
    }

    #[test]
    fn nothing_said_is_the_default_and_nonsense_is_refused() {
        let parse = |line: &str| Line::try_parse_from(line.split(' '));
        assert_eq!(parse("x").unwrap().engine.settings(), Settings::default());
        let said = parse("x --seqs 8 --kv-tokens 1000 --step-ms 5,0.1,0.02").unwrap();
        let step = StepTime {
            base: Duration::from_millis(5),
            per_prefill_token: Duration::from_micros(100),
            per_sequence: Duration::from_micros(20),
        };
        let wanted = Settings { seqs_max: 8, kv_blocks: 62, step, ..Settings::default() };
        assert_eq!(said.engine.settings(), wanted);
        for bad in ["x --step-ms 1,2", "x --step-ms 1,2,-3", "x --step-ms a,b,c", "x --seqs -1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
