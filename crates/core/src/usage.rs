//! What a request used, in tokens.

use serde::{Deserialize, Serialize};

/// Tokens of one request. `cached` and `cache_write` are parts of `input`;
/// `reasoning` is a part of `output`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub input: u64,
    /// Input tokens read from the upstream's prefix cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// Input tokens written to the upstream's prefix cache (Anthropic).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Output tokens spent on reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Usage {
    /// Input and output together, held at the largest number.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// Where a token count comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The upstream's own `usage`, found plausible.
    Upstream,
    /// The door's byte-class estimate.
    Estimated,
}
