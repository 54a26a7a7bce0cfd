//! The door on real sockets, before the model-server double.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod accounts_elsewhere;
#[cfg(test)]
mod accounts_proofs;
#[cfg(test)]
mod accounts_told;
#[cfg(test)]
mod admin_page;
#[cfg(test)]
mod admission;
#[cfg(test)]
mod affinity;
/// The device in software of the identity crate's own tests.
#[cfg(test)]
#[path = "../../../identity/tests/it/authenticator.rs"]
mod authenticator;
#[cfg(test)]
mod availability;
#[cfg(test)]
mod browser;
mod calls;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod classes;
#[cfg(test)]
mod conservation;
#[cfg(test)]
mod dialects;
#[cfg(test)]
mod disclosure;
#[cfg(test)]
mod effort;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod floods_http2;
#[cfg(test)]
mod floods_idle;
#[cfg(test)]
mod floods_panic;
#[cfg(test)]
mod fuzz_replay;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod health;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod leftover;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod pages;
/// The provider of the identity crate's own tests.
#[cfg(test)]
#[expect(dead_code, reason = "what it does wrong is tried there")]
#[path = "../../../identity/tests/it/oidc/double.rs"]
mod provider;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod records;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod residency;
#[cfg(test)]
mod revoked;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod shed;
/// The mail server of the identity crate's own tests.
#[cfg(test)]
#[expect(dead_code, reason = "what it does wrong is tried there")]
#[path = "../../../identity/src/mail/worker/sink.rs"]
mod sink;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod status_page;
#[cfg(test)]
mod subscribe;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tokens;
#[cfg(feature = "otel")]
#[cfg(test)]
mod traces;
#[cfg(test)]
mod witness;
