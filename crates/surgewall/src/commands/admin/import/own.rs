//! Lines that were written for Surgewall.

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use surgewall_core::principal::{Class, Scopes};
use surgewall_store::admin::{Brought, BroughtUser, Foreign, KeyCreate};

use super::rows::Row;
use crate::commands::report::day_or_instant;

/// One key of an import.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct KeyLine {
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

/// One account of an import.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct UserLine {
    email: String,
    class: Option<Class>,
    group: Option<String>,
    first_seen: Option<String>,
    active_days: u32,
    suspended: bool,
}

/// A key, and what its account brings.
pub(super) fn key(row: Row) -> Result<(KeyCreate, Option<Brought>), String> {
    let line: KeyLine = typed(row)?;
    let history = line.history()?;
    line.key().map(|key| (key, history))
}

/// An account.
pub(super) fn user(row: Row) -> Result<BroughtUser, String> {
    let line = row.line;
    let UserLine { email, class, group, first_seen, active_days, suspended } = typed(row)?;
    if email.trim().is_empty() {
        return Err("it has no email".to_owned());
    }
    let first_seen = first_seen.as_deref().map(beginning).transpose()?;
    Ok(BroughtUser { line, email, class, group, first_seen, active_days, suspended })
}

fn beginning(text: &str) -> Result<surgewall_core::clock::Timestamp, String> {
    day_or_instant(text).ok_or_else(|| format!("first_seen: `{text}` is no date like 2024-05-01"))
}

/// The row as `T`. A text in CSV stands for what the field holds: lists are
/// separated by spaces.
fn typed<T: for<'de> Deserialize<'de>>(row: Row) -> Result<T, String> {
    let fields = row.fields.into_iter().map(|(name, value)| match value {
        Value::String(cell) => {
            let value = value_of(&name, &cell);
            (name, value)
        }
        value => (name, value),
    });
    serde_json::from_value(Value::Object(fields.collect())).map_err(|error| error.to_string())
}

fn value_of(name: &str, cell: &str) -> Value {
    match name {
        "models" | "routes" | "networks" | "limits" => cell.split_whitespace().collect(),
        "delegates" | "suspended" => cell.parse::<bool>().map_or_else(|_| cell.into(), Into::into),
        "active_days" => cell.parse::<u32>().map_or_else(|_| cell.into(), Into::into),
        _ => cell.into(),
    }
}

impl KeyLine {
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
        let first_seen = beginning(first_seen)?;
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
            own: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    fn keys(text: &str, is_csv: bool) -> Result<Vec<(KeyCreate, Option<Brought>)>, String> {
        rows::read(text, is_csv).unwrap().into_iter().map(key).collect()
    }

    #[test]
    fn both_forms_say_the_same() {
        let json = r#"{"name":"a","sha256":"ff","account":"a@b.c","first_seen":"2024-05-01","active_days":3,"models":["x","y*"],"networks":["10.0.0.0/8"],"delegates":true}"#;
        let csv = "name,sha256,models,networks,delegates,prefix,account,first_seen,active_days\na,ff,x y*,10.0.0.0/8,true,,a@b.c,2024-05-01,3\n";
        let from_json = keys(json, false).unwrap();
        assert!(from_json == keys(csv, true).unwrap());
        assert_eq!(from_json[0].0.scopes.models, ["x", "y*"]);
        let brought = from_json[0].1.as_ref().unwrap();
        assert_eq!(brought.first_seen.to_string(), "2024-05-01T00:00:00.000Z");
        assert_eq!((brought.account.as_str(), brought.active_days), ("a@b.c", 3));
    }

    #[test]
    fn a_history_has_an_account_and_a_beginning() {
        let check = |more: &str, said: &str| {
            let line = format!("{{\"name\":\"a\",\"sha256\":\"ff\"{more}}}");
            let what = keys(&line, false).err().unwrap();
            assert!(what.contains(said), "{more}: {what}");
        };
        check(r#","first_seen":"2024-05-01""#, "of an account");
        check(r#","account":"a@b.c","active_days":3"#, "from first_seen");
        check(r#","account":"a@b.c","first_seen":"May""#, "no date");
        check(r#","account":"a@b.c","first_seen":"2024-05-01","active_days":-1"#, "-1");
        check(r#","sheep":1"#, "unknown field `sheep`");
    }

    #[test]
    fn an_account_is_read_from_both_forms() {
        let json = r#"{"email":"a@b.c","class":"verified","first_seen":"2024-05-01","active_days":9,"suspended":true}"#;
        let csv = "email,class,group,first_seen,active_days,suspended\na@b.c,verified,,2024-05-01,9,true\n";
        let read = |text, is_csv| {
            let mut user = user(rows::read(text, is_csv).unwrap().remove(0)).unwrap();
            user.line = 0;
            user
        };
        let user = read(json, false);
        assert!(user == read(csv, true));
        assert_eq!(
            (user.class, user.active_days, user.suspended),
            (Some(Class::Verified), 9, true)
        );
    }
}
