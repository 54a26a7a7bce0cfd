//! Every bound of a look at a provider. None can be configured.

/// Requests to a provider in one run, at most.
pub const REQUESTS_MAX: u8 = 12;
/// Days after which terms that were read are to be read again.
pub const TERMS_DAYS_MAX: i32 = 365;
