//! How much one account may keep. Each limit has its unit in its name.

/// A title, in bytes.
pub const TITLE_BYTES_MAX: usize = 512;
/// A system prompt, in bytes.
pub const SYSTEM_PROMPT_BYTES_MAX: usize = 32 << 10;
/// A message's text and thinking together, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Messages of one conversation, on all branches.
pub const MESSAGES_PER_CONVERSATION_MAX: u32 = 10_000;
/// Conversations of one account, temporary and archived ones included.
pub const CONVERSATIONS_PER_ACCOUNT_MAX: u32 = 10_000;
/// Sealed content of one account in conversations, in bytes.
pub const ACCOUNT_BYTES_MAX: u64 = 1 << 30;
/// Attachments of one message.
pub const ATTACHMENTS_PER_MESSAGE_MAX: usize = 16;
/// An attachment's text, in bytes.
pub const ATTACHMENT_BYTES_MAX: usize = 1 << 20;
/// An attachment's name, in bytes.
pub const ATTACHMENT_NAME_BYTES_MAX: usize = 255;
/// A draft, in bytes.
pub const DRAFT_BYTES_MAX: usize = 256 << 10;
/// Answers of one account that are being written at once.
pub const ANSWERS_PER_ACCOUNT_MAX: u32 = 16;
/// Shares of one conversation.
pub const SHARES_PER_CONVERSATION_MAX: u32 = 16;
/// Days that a share holds at most.
pub const SHARE_DAYS_MAX: u64 = 365;
/// Hours after which a temporary conversation that nobody touches goes.
pub const TEMPORARY_HOURS_MAX: u64 = 24;

/// Conversations in one page of a list.
pub const PAGE_CONVERSATIONS_MAX: u32 = 250;
/// Messages in one page of a conversation.
pub const PAGE_MESSAGES_MAX: u32 = 200;
/// Sealed bytes after which a page of messages ends: it goes over by one message
/// at most.
pub const PAGE_BYTES_MAX: u64 = 4 << 20;
/// Messages that a scan over a conversation reads at once.
pub const SCAN_MESSAGES_MAX: u32 = 32;

/// What is searched for, in bytes.
pub const SEARCH_TEXT_BYTES_MAX: usize = 256;
/// Places that one search gives.
pub const SEARCH_HITS_MAX: usize = 50;
/// Conversations and messages that one search opens.
pub const SEARCH_ROWS_MAX: usize = 4_096;
/// Bytes that one search opens, after which it ends: it goes over by one scan at most.
pub const SEARCH_BYTES_MAX: usize = 32 << 20;
