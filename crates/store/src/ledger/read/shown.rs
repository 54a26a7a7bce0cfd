//! A record as people see it: flat, with public ids in place of internal ones,
//! which tell when a thing was made.

use std::collections::HashMap;

use serde_json::{Map, Value};
use surgewall_core::decision::Record;

use crate::people::{PAGE_ROWS_MAX, People, Pick, StoreError};

/// What an internal id is called where it is no longer known.
const UNKNOWN: &str = "unknown";

/// Internal ids and the public ids that are shown for them.
pub type Names = HashMap<String, String>;

/// The public id of everybody in `people`.
///
/// # Errors
/// The store failed.
pub async fn names(people: &impl People) -> Result<Names, StoreError> {
    let mut names = Names::new();
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
    Ok(names)
}

/// `record` as one flat object. Ids that `names` does not know are `unknown`.
///
/// # Errors
/// It has no JSON form.
pub fn shown(sequence: u64, record: &Record, names: &Names) -> serde_json::Result<Value> {
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
    let mut shown = Value::Object(object);
    rename(&mut shown, names);
    Ok(shown)
}

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

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;
    use surgewall_core::decision::{Refused, Who};
    use surgewall_core::id::{KeyId, RequestId};
    use surgewall_core::principal::{Class, Network};

    use super::*;

    #[test]
    fn a_record_is_flat_and_names_public_ids_only() {
        let id = KeyId::new(Timestamp::from_millis(1_700_000_000_000));
        let network = Network::of([127, 0, 0, 1].into());
        let who = Who {
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
            rule: None,
            count: 1,
        }));
        let names = Names::from([(format!("{id:?}"), "key_a".to_owned())]);
        let line = shown(7, &record, &names).unwrap().to_string();
        assert_eq!(
            line,
            "{\"sequence\":7,\"record\":\"refused\",\"request_id\":\"req_00000000000000000000000000000001\",\"at\":5,\"class\":\"verified\",\"key\":\"key_a\",\"network\":\"127.0.0.0/24\",\"code\":\"x\",\"count\":1}"
        );
        let line = shown(7, &record, &Names::new()).unwrap().to_string();
        assert!(line.contains("\"key\":\"unknown\""));
    }
}
