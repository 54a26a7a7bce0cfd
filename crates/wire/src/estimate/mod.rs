//! Token counts without a tokenizer: byte classes, a correction per model that
//! is learnt from observed usage, and a test of what upstreams report.

mod classes;
mod correction;
mod plausible;

pub use classes::ByteClasses;
pub use correction::Correction;
pub use plausible::plausible;

use bytes::Bytes;

/// Tokens assumed for one image: what the large providers bill for a picture
/// of about a megapixel.
pub const IMAGE_TOKENS: u64 = 1_600;
/// Tokens assumed for the template around one message.
pub const MESSAGE_TOKENS: u64 = 4;

/// The answer to Anthropic's count_tokens: `{"input_tokens": N}`.
#[must_use]
pub fn render_count(tokens: u64) -> Bytes {
    Bytes::from(format!("{{\"input_tokens\":{tokens}}}"))
}
