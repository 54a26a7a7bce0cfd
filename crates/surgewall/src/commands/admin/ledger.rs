//! `surgewall admin ledger export`: every record as one JSON object a line.

use std::collections::HashMap;
use std::io::{BufWriter, Write as _};

use serde_json::{Map, Value};
use surgewall_core::decision::Record;
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::export_watched;
use surgewall_store::people::{PAGE_ROWS_MAX, People as _, Pick};
use surgewall_store::sqlite::Sqlite;

use crate::cli::admin::Ledger;
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show;
use crate::show::progress::Progress;

/// What an internal id is called where it is no longer known.
const UNKNOWN: &str = "unknown";

/// Internal ids and the public ids that are shown for them.
type Names = HashMap<String, String>;

/// Exports the ledger.
///
/// # Errors
/// The master key is not here, or a file cannot be read.
pub(crate) async fn ledger(place: &Place, asked: &Ledger) -> Result<Verdict, Fault> {
    let Ledger::Export { format: _ } = asked;
    let data = place.data()?;
    let config = place.load()?.config;
    let vault = vault(&data, &config)
        .map_err(|fault| fault.during("the ledger cannot be opened without the master key"))?;
    let names = names(&data).await?;
    if !data.ledger().exists() {
        return Ok(Verdict::Clean);
    }
    let mut lines = BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let each = |sequence, record: Record| {
        if written.is_ok() {
            written = line(sequence, &record, &names)
                .map_err(std::io::Error::from)
                .and_then(|line| lines.write_all(line.as_bytes()));
        }
    };
    // Where the records themselves pass by on the terminal, they say how far it is.
    let mut progress = Progress::new("exporting the ledger", !show::is_terminal());
    let mut watch = |reading| progress.step(reading);
    let findings = export_watched(&data.ledger(), &vault, each, &mut watch)?;
    drop(progress);
    match written.and_then(|()| lines.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    show::err(&show::findings::text(&findings, false));
    Ok(Verdict::over(&findings))
}

fn line(sequence: u64, record: &Record, names: &Names) -> serde_json::Result<String> {
    let mut object = Map::new();
    object.insert("sequence".to_owned(), sequence.into());
    if let Value::Object(fields) = serde_json::to_value(record)? {
        let (tag, rest): (Vec<_>, Vec<_>) =
            fields.into_iter().partition(|(name, _)| name == "record");
        object.extend(tag);
        for (name, value) in rest {
            match value {
                // Who asked stands beside what was asked.
                Value::Object(who) if name == "who" => object.extend(who),
                value => drop(object.insert(name, value)),
            }
        }
    }
    let mut line = Value::Object(object);
    rename(&mut line, names);
    Ok(line.to_string() + "\n")
}

/// Shows public ids in place of internal ones, which tell when a thing was made.
fn rename(value: &mut Value, names: &Names) {
    match value {
        Value::String(text) if is_internal(text) => {
            *text = names.get(text.as_str()).cloned().unwrap_or_else(|| UNKNOWN.to_owned());
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, names)),
        Value::Object(fields) => fields.values_mut().for_each(|value| rename(value, names)),
        _ => {}
    }
}

/// Whether a text has the form of a UUIDv7.
fn is_internal(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.get(14) == Some(&b'7')
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The public id of everybody in the database.
async fn names(data: &DataDir) -> Result<Names, Fault> {
    let mut names = Names::new();
    if !data.database().exists() {
        return Ok(names);
    }
    let people = Sqlite::open(&data.database()).await?;
    let after = |id| Pick::After { id, rows_max: PAGE_ROWS_MAX };
    let (mut groups, mut accounts, mut keys) = (0, 0, 0);
    loop {
        let rows = people.groups(&after(groups)).await?;
        let Some(last) = rows.last() else { break };
        groups = last.id.as_u128();
        names.extend(rows.iter().map(|row| (format!("{:?}", row.id), row.public_id.to_string())));
    }
    loop {
        let rows = people.accounts(&after(accounts)).await?;
        let Some(last) = rows.last() else { break };
        accounts = last.id.as_u128();
        names.extend(rows.iter().map(|row| (format!("{:?}", row.id), row.public_id.to_string())));
    }
    loop {
        let rows = people.keys(&after(keys)).await?;
        let Some(last) = rows.last() else { break };
        keys = last.id.as_u128();
        names.extend(rows.iter().map(|row| (format!("{:?}", row.id), row.public_id.to_string())));
    }
    people.close().await;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;
    use surgewall_core::decision::Refused;
    use surgewall_core::id::{KeyId, RequestId};
    use surgewall_core::principal::{Class, Network};

    use super::*;

    #[test]
    fn a_line_is_flat_and_names_public_ids_only() {
        let id = KeyId::new(Timestamp::from_millis(1_700_000_000_000));
        let network = Network::of([127, 0, 0, 1].into());
        let who = surgewall_core::decision::Who {
            class: Class::Verified,
            key: Some(id),
            account: None,
            group: None,
            user: None,
            network,
        };
        let record = Record::Refused(Box::new(Refused {
            request_id: Some(RequestId::from_u128(1)),
            at: Timestamp::from_millis(5),
            who: Some(who),
            network: Some(network),
            code: "x".into(),
            count: 1,
        }));
        let names = Names::from([(format!("{id:?}"), "key_a".to_owned())]);
        let shown = line(7, &record, &names).unwrap();
        assert_eq!(
            shown,
            "{\"sequence\":7,\"record\":\"refused\",\"request_id\":\"req_00000000000000000000000000000001\",\"at\":5,\"class\":\"verified\",\"key\":\"key_a\",\"network\":\"127.0.0.0/24\",\"code\":\"x\",\"count\":1}\n"
        );
        assert!(line(7, &record, &Names::new()).unwrap().contains("\"key\":\"unknown\""));
    }
}
