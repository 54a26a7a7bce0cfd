//! `surgewall admin key import`: another system's keys by their hashes.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use ipnet::IpNet;
use serde::Deserialize;
use surgewall_core::files::read_text;
use surgewall_core::principal::Scopes;
use surgewall_store::admin::{Brought, Foreign, KeyCreate, KeyImport, Reply, Request};

use crate::commands::office::{operate, unexpected};
use crate::commands::report::day_or_instant;
use crate::fault::Fault;
use crate::place::Place;
use crate::show;

/// An import file, in bytes: it crosses the control socket as one message.
const IMPORT_BYTES_MAX: u64 = 8 << 20;

/// One key of an import.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct Line {
    name: String,
    sha256: Option<String>,
    bcrypt: Option<String>,
    prefix: Option<String>,
    account: Option<String>,
    group: Option<String>,
    models: Vec<String>,
    routes: Vec<String>,
    networks: Vec<IpNet>,
    expires: Option<String>,
    delegates: bool,
    limits: Vec<String>,
    first_seen: Option<String>,
    active_days: Option<u32>,
}

/// A line: its key, and what its account brings.
type Read = (KeyCreate, Option<Brought>);

impl Line {
    fn read(self) -> Result<Read, String> {
        let history = self.history()?;
        self.key().map(|key| (key, history))
    }

    fn history(&self) -> Result<Option<Brought>, String> {
        let (Some(first_seen), Some(account)) = (&self.first_seen, &self.account) else {
            return match (&self.first_seen, self.active_days) {
                (None, None) => Ok(None),
                (None, Some(_)) => {
                    Err("active_days count from first_seen, which is not there".to_owned())
                }
                (Some(_), _) => Err("first_seen is of an account, which is not there".to_owned()),
            };
        };
        let first_seen = day_or_instant(first_seen)
            .ok_or_else(|| format!("first_seen: `{first_seen}` is no date like 2024-05-01"))?;
        let active_days = self.active_days.unwrap_or(0);
        Ok(Some(Brought { account: account.clone(), first_seen, active_days }))
    }

    fn key(self) -> Result<KeyCreate, String> {
        let foreign = match (self.sha256, self.bcrypt, self.prefix) {
            (Some(hex), None, None) => Foreign::Sha256(hex),
            (None, Some(hash), Some(prefix)) => Foreign::Bcrypt { hash, prefix },
            _ => return Err("a key has either sha256, or bcrypt and prefix".to_owned()),
        };
        let scopes = Scopes { models: self.models, routes: self.routes, networks: self.networks };
        Ok(KeyCreate {
            name: self.name,
            account: self.account,
            group: self.group,
            scopes,
            delegates: self.delegates,
            expires_in: self.expires,
            limits: self.limits,
            foreign: Some(foreign),
        })
    }
}

/// Imports the keys in `file`.
///
/// # Errors
/// The file cannot be read or meant, or a key was not accepted: then none is.
pub(super) async fn import(place: &Place, file: &Path) -> Result<(), Fault> {
    let text =
        read(file).map_err(|error| Fault::from(error).during(&file.display().to_string()))?;
    let csv = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let keys = if csv { from_csv(&text) } else { from_jsonl(&text) };
    let lines =
        keys.map_err(|(line, what)| Fault::new(format!("{}:{line}: {what}", file.display())))?;
    let (keys, history): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    let history = history.into_iter().flatten().collect();
    match operate(place, Request::KeyImport(KeyImport { keys, history })).await? {
        Reply::Imported { keys } => {
            show::err(&format!("{} accepted from now on\n", show::count(keys as u64, "key")));
            Ok(())
        }
        _ => Err(unexpected()),
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file != Path::new("-") {
        return read_text(file, IMPORT_BYTES_MAX);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(IMPORT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > IMPORT_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// The line, from 1, and what is wrong with it.
type Mistake = (usize, String);

fn from_jsonl(text: &str) -> Result<Vec<Read>, Mistake> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            let parsed = serde_json::from_str::<Line>(line).map_err(|error| error.to_string());
            parsed.and_then(Line::read).map_err(|what| (at + 1, what))
        })
        .collect()
}

/// The cells become the same JSON that a line would hold: lists are separated
/// by spaces, an empty cell is absent.
fn from_csv(text: &str) -> Result<Vec<Read>, Mistake> {
    let rows = show::csv::read(text).map_err(|at| (at, "a quote is not closed".to_owned()))?;
    let mut rows = rows.into_iter();
    let head = rows.next().unwrap_or_default();
    rows.enumerate()
        .map(|(at, row)| {
            let fields = head.iter().map(|name| name.trim()).zip(&row);
            let fields = fields.filter(|(_, cell)| !cell.is_empty());
            let fields: BTreeMap<_, _> =
                fields.map(|(name, cell)| (name, value(name, cell))).collect();
            let parsed = serde_json::from_value::<Line>(serde_json::json!(fields));
            parsed
                .map_err(|error| error.to_string())
                .and_then(Line::read)
                .map_err(|what| (at + 2, what))
        })
        .collect()
}

fn value(name: &str, cell: &str) -> serde_json::Value {
    match name {
        "models" | "routes" | "networks" | "limits" => cell.split_whitespace().collect(),
        "delegates" => cell.parse::<bool>().map_or_else(|_| cell.into(), Into::into),
        "active_days" => cell.parse::<u32>().map_or_else(|_| cell.into(), Into::into),
        _ => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let json = r#"{"name":"a","sha256":"ff","account":"a@b.c","first_seen":"2024-05-01","active_days":3,"models":["x","y*"],"networks":["10.0.0.0/8"],"delegates":true}"#;
        let csv = "name,sha256,models,networks,delegates,prefix,account,first_seen,active_days\na,ff,x y*,10.0.0.0/8,true,,a@b.c,2024-05-01,3\n";
        let from_json = from_jsonl(json).unwrap();
        assert!(from_json == from_csv(csv).unwrap());
        assert_eq!(from_json[0].0.scopes.models, ["x", "y*"]);
        let brought = from_json[0].1.as_ref().unwrap();
        assert_eq!(brought.first_seen.to_string(), "2024-05-01T00:00:00.000Z");
        assert_eq!((brought.account.as_str(), brought.active_days), ("a@b.c", 3));
    }

    #[test]
    fn a_history_has_an_account_and_a_beginning() {
        let check = |more: &str, said: &str| {
            let line = format!("{{\"name\":\"a\",\"sha256\":\"ff\"{more}}}");
            let (at, what) = from_jsonl(&line).err().unwrap();
            assert!(at == 1 && what.contains(said), "{more}: {what}");
        };
        check(r#","first_seen":"2024-05-01""#, "of an account");
        check(r#","account":"a@b.c","active_days":3"#, "from first_seen");
        check(r#","account":"a@b.c","first_seen":"May"#, "EOF");
        check(r#","account":"a@b.c","first_seen":"May""#, "no date");
        check(r#","account":"a@b.c","first_seen":"2024-05-01","active_days":-1"#, "-1");
    }

    #[test]
    fn mistakes_name_their_line() {
        let at = |result: Result<Vec<Read>, Mistake>| result.err().unwrap().0;
        assert_eq!(at(from_jsonl("{\"name\":\"a\",\"sha256\":\"f\"}\n\n{\"name\":\"b\"}")), 3);
        assert_eq!(at(from_jsonl("{\"nam\":\"a\"}")), 1);
        assert_eq!(at(from_csv("name,sha256\na,f\nb,\n")), 3);
        assert_eq!(at(from_csv("name,sheep\na,f\n")), 2);
        assert_eq!(at(from_csv("name\n\"a")), 2);
    }
}
