//! `surgewall status serve` and `surgewall status key`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `status`, of the page for strangers.
#[derive(Subcommand, Debug)]
pub(crate) enum Page {
    /// Serve a signed copy of the status page, also where its door is gone
    Serve(Serve),
    /// Print the public key that signs the copies of this door's status page
    Key,
}

/// `status serve`.
#[derive(Args, Debug)]
#[command(after_help = "\
BUNDLE is what a door writes to status.bundle_dir, brought here in whatever way. Every file is held
against the signature. Once nothing new came for 30 seconds the page says since when its source is
unreachable, instead of what it last said. Without --key the copy's own key is trusted: that shows
that it is whole, not who made it. This needs no configuration and no data directory.

Example:
  surgewall status serve /srv/status --listen 0.0.0.0:8080 --key \"$(cat status.key)\"")]
pub(crate) struct Serve {
    /// The directory with the copy
    pub(crate) bundle: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7072")]
    pub(crate) listen: SocketAddr,
    /// The key that must have signed it, as `surgewall status key` prints it
    #[arg(long, value_name = "HEX")]
    pub(crate) key: Option<String>,
}
