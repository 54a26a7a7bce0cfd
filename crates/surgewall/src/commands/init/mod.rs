//! `surgewall init`: finds model servers on this machine and writes the
//! configuration.

mod probe;
mod unit;
mod write;

use std::path::{Path, PathBuf};

use self::probe::{Found, KINDS, Kind};
use self::write::{Public, tls_files};
use crate::cli::init::Init;
use crate::fault::{Fault, Verdict};
use crate::place::{CONFIG_DEFAULT, Place};
use crate::show;

/// The systemd unit that `--public-name` writes.
const UNIT_FILE: &str = "surgewall.service";

/// Looks around and writes `surgewall.toml`.
///
/// # Errors
/// A file is there already or cannot be written.
pub(crate) async fn init(place: &Place, asked: &Init) -> Result<Verdict, Fault> {
    let file = place.config.clone().unwrap_or_else(|| PathBuf::from(CONFIG_DEFAULT));
    let unit = file.with_file_name(UNIT_FILE);
    let unit = asked.public_name.as_ref().map(|_| unit);
    for path in std::iter::once(&file).chain(unit.as_ref()) {
        if path.exists() && !asked.force {
            return Err(Fault::new(format!("{} is there already", path.display()))
                .hint("edit it, or overwrite it with --force; `surgewall check config` says what it means"));
        }
    }
    let found = probe::probe(&ports(asked)?).await;
    show::out(&said(&found));
    let public = asked.public_name.as_deref().map(|name| Public {
        name,
        has_certificate: tls_files(name).iter().all(|file| Path::new(file).exists()),
    });
    save(&file, &write::config(&found, public))?;
    show::out(&format!("wrote {}\n", file.display()));
    if let (Some(unit), Some(public)) = (&unit, public) {
        save(unit, &unit::unit(&file))?;
        show::out(&format!("wrote {}\n{}", unit.display(), unit::next(public, unit)));
    } else {
        show::out("next: surgewall serve\n");
    }
    Ok(Verdict::Clean)
}

/// Where to look: each kind's own port, unless a test names others.
fn ports(asked: &Init) -> Result<Vec<(Kind, u16)>, Fault> {
    let Some(named) = &asked.probe_ports else {
        return Ok(KINDS.iter().map(|kind| (*kind, kind.port())).collect());
    };
    let parse = |text: &String| {
        let (word, port) = text.split_once('=')?;
        let kind = KINDS.into_iter().find(|kind| kind.word() == word)?;
        Some((kind, port.parse().ok()?))
    };
    let ports: Option<Vec<_>> = named.iter().filter(|text| !text.is_empty()).map(parse).collect();
    ports.ok_or_else(|| Fault::new("--probe-ports takes KIND=PORT, for example ollama=11434"))
}

/// What was found, in words.
fn said(found: &[Found]) -> String {
    if found.is_empty() {
        return "no model server answers on this machine (ports 11434, 8000, 8080, 1234)\n"
            .to_owned();
    }
    let findings: Vec<_> = found.iter().map(Found::finding).collect();
    show::findings::text(&findings, show::is_colourful())
}

fn save(path: &Path, text: &str) -> Result<(), Fault> {
    std::fs::write(path, text)
        .map_err(|error| Fault::from(error).during(&path.display().to_string()))
}
