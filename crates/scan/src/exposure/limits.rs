//! Every bound of the probes. None can be configured: they are what makes a
//! probe harmless.

use std::time::Duration;

/// Requests that one port is sent in one run, at most.
pub const REQUESTS_PER_PORT_MAX: u8 = 2;
/// Connections that one port is opened in one run, at most.
pub const CONNECTIONS_PER_PORT_MAX: u8 = 3;
/// Bytes of one answer that are read, at most; a longer one is judged by its beginning.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Bytes of the head of an HTTP answer.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// Ports that are looked at at the same time.
pub const PORTS_AT_ONCE_MAX: usize = 16;
/// Targets of one run.
pub const TARGETS_MAX: usize = 256;
/// Addresses of one name that are tried until one takes a connection.
pub const ADDRESSES_MAX: usize = 4;
/// Bytes of the kernel's list of sockets that are read: listening ones come first.
pub const SOCKET_LIST_BYTES_MAX: u64 = 1 << 20;
/// Listeners of this machine that are told of, at most.
pub const LISTENERS_MAX: usize = 1_024;

/// How long a port is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For all of one answer.
    pub answer: Duration,
    /// For a server that may speak first.
    pub greeting: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(5),
            greeting: Duration::from_millis(500),
        }
    }
}
