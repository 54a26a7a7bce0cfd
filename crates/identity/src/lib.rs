//! Sign-in: who somebody is, proven by a passkey, a password, a code or another
//! identity provider. No HTTP server and no store: the door has both.
//!
//! Nothing here keeps state of an account. What has to be kept for a while
//! (a passkey's challenge, a code that was sent, a trip to a provider) is a
//! value that the caller keeps, on the server, and gives back once.

mod authority;
pub mod codes;
pub mod delay;
mod generations;
pub mod hasher;
pub mod mail;
pub mod oidc;
pub mod passkey;
pub mod password;
pub mod recovery;
pub mod totp;
