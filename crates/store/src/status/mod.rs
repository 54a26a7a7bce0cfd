//! What the status page knows over a restart: the minutes that were probed, and
//! what people and the door wrote. All of it is public, so none of it is sealed;
//! an upstream's name is in none of it.

mod probes;
mod words;

pub use probes::{
    Found, PROBE_BYTES, PROBES_BYTES_MAX, PROBES_KEPT_MAX, PROBES_VERSION, Probe, ProbeFile,
};
pub use words::{WORDS_BYTES_MAX, WordsError, WordsFile};
