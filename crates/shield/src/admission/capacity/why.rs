//! Why a limit moved, in words for an operator.

use std::{fmt, time::Instant};

/// What the controller allows in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sequences at once.
    pub sequences: u32,
    /// Tokens at once; `None` as long as they were never scarce.
    pub tokens: Option<u64>,
}

/// One move of the limits.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// Before.
    pub from: Limits,
    /// After.
    pub to: Limits,
    /// What was seen.
    pub why: Why,
}

/// What was seen when a limit moved. `Display` says it in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Requests started in time while the limit was full, and its end is not known yet.
    Seeking {
        /// Answers that were seen since the last change.
        samples: u32,
    },
    /// A window without congestion in which the limit held somebody back.
    Room {
        /// Answers that were seen in the window.
        samples: u32,
    },
    /// The limit held somebody back, and the server says that nobody waits in it.
    ServerRoom {
        /// What it says to compute.
        running: u32,
    },
    /// First tokens come late: requests wait inside the server.
    Queue {
        /// Requests that wait there, estimated.
        waiting: u32,
        /// The median time to the first token over what it is without load, per mille.
        ratio_per_mille: u64,
    },
    /// Tokens come slowly: too much is computed at once.
    SlowTokens {
        /// The median time per token over what it is without load, per mille.
        ratio_per_mille: u64,
    },
    /// The server itself says that requests wait, and no first token contradicts it.
    ServerQueue {
        /// What it says.
        waiting: u32,
    },
    /// The server's cache is full: it drops running requests, or holds back new ones.
    Cache {
        /// Requests that it dropped and must compute again, since the last window.
        preemptions: u64,
        /// Requests that wait in the server, estimated.
        waiting: u32,
    },
    /// The server refused because of load.
    Refused {
        /// Such answers since the last change.
        answers: u32,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        if from.sequences != to.sequences {
            write!(f, "{} -> {} sequences", from.sequences, to.sequences)?;
        }
        if from.tokens != to.tokens {
            let comma = if from.sequences == to.sequences { "" } else { ", " };
            write!(f, "{comma}{} -> {} tokens", Tokens(from.tokens), Tokens(to.tokens))?;
        }
        write!(f, ": {}", self.why)
    }
}

struct Tokens(Option<u64>);

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(tokens) => write!(f, "{tokens}"),
            None => f.write_str("unlimited"),
        }
    }
}

/// A ratio in per mille, as "2.4 times".
struct Times(u64);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} times", self.0 / 1_000, self.0 % 1_000 / 100)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seeking { samples } => {
                write!(
                    f,
                    "the limit was full and {samples} answers started in time; looking for its end"
                )
            }
            Self::Room { samples } => {
                write!(f, "the limit was full and {samples} answers show no congestion")
            }
            Self::ServerRoom { running } => write!(
                f,
                "the limit was full, and the server says that it runs {running} and nobody waits in it"
            ),
            Self::Queue { waiting, ratio_per_mille } => write!(
                f,
                "about {waiting} requests wait inside the server: first tokens take {} as long as without load",
                Times(ratio_per_mille)
            ),
            Self::SlowTokens { ratio_per_mille } => {
                write!(f, "tokens take {} as long as without load", Times(ratio_per_mille))
            }
            Self::ServerQueue { waiting } => {
                write!(f, "the server says that {waiting} requests wait in it")
            }
            Self::Cache { preemptions: 0, waiting } => {
                write!(f, "the server's cache is full: about {waiting} requests wait in it")
            }
            Self::Cache { preemptions, .. } => {
                write!(f, "the server's cache is full: it set back {preemptions} running requests")
            }
            Self::Refused { answers } => {
                write!(f, "the server refused {answers} requests because of load")
            }
        }
    }
}
