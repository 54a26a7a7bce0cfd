//! Where log lines go: stderr, as text or JSON, never with colour unless a
//! person looks.

use std::io::IsTerminal as _;

use surgewall_core::config::env;
use surgewall_core::config::schema::LogFormat;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;

use crate::fault::Fault;

/// The HTTP/2 library warns of each frame out of order: a stranger could fill a
/// disk with it. Directives that name it stand behind this one and win.
const QUIET: &str = "h2=error";

/// Log lines in `format` from `level` on, unless `SURGEWALL_LOG` says otherwise.
///
/// # Errors
/// The variable is no filter.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<(), Fault> {
    let directives = env::read(env::LOG).filter(|text| !text.is_empty());
    let directives = directives.as_deref().unwrap_or(level);
    let filter = EnvFilter::try_new(format!("{QUIET},{directives}")).map_err(|error| {
        Fault::new(format!("{} is no log filter: {error}", env::LOG.name))
            .hint("write it like `info` or `surgewall_gateway=debug,warn`")
    })?;
    let colour = std::io::stderr().is_terminal() && env::read(env::NO_COLOR).is_none();
    // A line that cannot be written, because the disk of the log is full, is lost: to say
    // so on stderr, as the library does, would fail as well, and panic.
    let lines =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // A second subscriber is a programming mistake that costs nobody anything: the first one stays.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(colour).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
