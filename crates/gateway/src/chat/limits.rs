//! How much the chat may hold. Each limit has its unit in its name.

use std::time::Duration;

use surgewall_store::conversations::{ANSWERS_PER_ACCOUNT_MAX, MESSAGE_BYTES_MAX};

/// Answers of one account that run at once: as many as the store keeps.
pub const JOBS_PER_ACCOUNT_MAX: u32 = ANSWERS_PER_ACCOUNT_MAX;
/// Answers of visitors of one network that run at once.
pub const JOBS_PER_NETWORK_MAX: u32 = 64;
/// Answers that are held in memory, those that ended lately among them.
pub const JOBS_MAX: usize = 4_096;
/// What all of them say, in bytes.
pub const HELD_BYTES_MAX: u64 = 512 << 20;
/// What one answer says, in bytes: with its model's name it fits into a message.
pub const ANSWER_BYTES_MAX: usize = MESSAGE_BYTES_MAX - (4 << 10);
/// Bytes that each part of an answer counts besides its text: a model that
/// changes between thinking and text at every letter must not fill the memory.
pub const PART_BYTES: usize = 64;
/// Pages that watch one answer at once.
pub const WATCHERS_PER_ANSWER_MAX: u32 = 16;
/// Text of one event, in bytes.
pub const EVENT_BYTES_MAX: usize = 16 << 10;
/// How long an answer that ended can still be watched.
pub const KEPT_AFTER_END: Duration = Duration::from_secs(300);
/// Bytes of checkpoints that are written in one transaction: it goes over by one
/// answer at most.
pub const CHECKPOINT_BYTES_MAX: usize = 8 << 20;
/// What of a conversation goes to the model, in bytes: what is older is left out.
pub const CONTEXT_BYTES_MAX: usize = 4 << 20;
/// Searches, pieces of exports and shared pages that are opened at once.
pub const HEAVY_AT_ONCE_MAX: usize = 4;
/// Characters of a title that the door makes.
pub const TITLE_CHARS_MAX: usize = 80;
/// Days that a share holds where nobody says.
pub const SHARE_DAYS: u64 = 30;
/// A page of the chat without script, in bytes of HTML, with an answer that is
/// written while it is looked at. With the stylesheet as browsers take it, and
/// the icon, what one sees first is within [`LITE_VISIT_BYTES_MAX`].
pub const LITE_PAGE_BYTES_MAX: usize = 11_500;
/// All that a browser loads before the first page of the chat without script
/// stands there, in bytes.
pub const LITE_VISIT_BYTES_MAX: usize = 15_000;
/// Names of models that such a page offers, in bytes of HTML.
pub const LITE_MODELS_BYTES_MAX: usize = 2_000;
/// Characters of a message that such a page lets one write: in any script, its
/// form is within the limit of forms.
pub const LITE_TEXT_CHARS_MAX: usize = 7_000;
