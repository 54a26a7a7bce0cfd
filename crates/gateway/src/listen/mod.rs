//! Listeners: sockets, the accept loop, TLS, and the bounds of a connection.
//!
//! `axum::serve` hides the header-read timeout, the HTTP/2 reset caps and the
//! per-network accept limits, so the loop is our own, on hyper.

mod accept;
mod address;
mod alone;
mod connection;
mod frames;
mod io;
mod leftover;
mod protocol;
mod socket;
mod streams;
pub mod tls;
mod watch;

pub use accept::{Purpose, run};
pub use address::client_address;
pub use alone::run_alone;
pub(crate) use connection::HTTP1_BUFFER_BYTES;
pub use connection::Peer;
pub use socket::{BindError, Bound, bind, inherited, raise_descriptor_limit};
