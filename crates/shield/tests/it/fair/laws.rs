//! The laws, each by itself.
