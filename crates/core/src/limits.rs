//! Named limits that are not configuration: the door's own bounds.
//!
//! A limit that an operator may change stands in [`crate::config::limits`].

/// A configuration file, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// A key file, certificate or JWKS, in bytes.
pub const CREDENTIAL_FILE_BYTES_MAX: u64 = 1 << 20;
/// A credential in a request header, in bytes (a JWT with many claims fits).
pub const CREDENTIAL_BYTES_MAX: usize = 8 << 10;
/// A delegated user's name, in bytes (DeepSeek's `user_id` limit).
pub const DELEGATED_NAME_BYTES_MAX: usize = 512;
/// A model's name in a request, in bytes.
pub const MODEL_NAME_BYTES_MAX: usize = 256;
/// One event of an upstream's stream, in bytes.
pub const SSE_EVENT_BYTES_MAX: usize = 1 << 20;
/// An upstream's answer that is not a stream, in bytes.
pub const UPSTREAM_BODY_BYTES_MAX: usize = 32 << 20;
/// An upstream's error body, in bytes: more is cut.
pub const UPSTREAM_ERROR_BYTES_MAX: usize = 64 << 10;
/// One message on the control socket, in bytes.
pub const CONTROL_BYTES_MAX: usize = 16 << 20;
/// One ledger record, in bytes.
pub const LEDGER_RECORD_BYTES_MAX: usize = 1 << 20;
/// A ledger segment, in bytes: the next record opens a new one.
pub const LEDGER_SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Kept configurations.
pub const CONFIGS_KEPT_MAX: usize = 50;
/// Refusals by one rule to one network that are written one by one, per second.
pub const REFUSALS_RECORDED_PER_S_MAX: u32 = 5;
/// Networks whose refusals are counted at once; past it they share one counter.
pub const REFUSAL_NETWORKS_MAX: usize = 65_536;
