//! Rows of LiteLLM, new-api and Open WebUI, as their tables and APIs have them.
//!
//! Of keys only what recognises them is taken: LiteLLM keeps SHA-256 hashes
//! itself, the others keep keys in clear, which are hashed here. Budgets are not
//! taken over: they are counted in units of the other system.

use std::collections::HashMap;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use surgewall_core::clock::Timestamp;
use surgewall_core::digest::{hex, sha256};
use surgewall_core::principal::Scopes;
use surgewall_store::admin::{Brought, BroughtUser, Foreign, KeyCreate, NAME_CHARS_MAX};

use super::rows::Row;
use crate::cli::admin::import::Source;
use crate::commands::report::day_or_instant;

/// The longest time that a key can still work, in seconds (366 days).
const EXPIRY_S_MAX: u64 = 366 * 86_400;
/// The status of what is not switched off in new-api.
const ENABLED: i64 = 1;

/// What becomes of a row.
#[derive(Debug, PartialEq)]
pub(super) enum Taken<T> {
    /// It is taken over.
    Row(T),
    /// It is left out, for this reason.
    Left(&'static str),
}

/// An account of another system.
pub(super) fn user(source: Source, row: &Row) -> Result<Taken<BroughtUser>, String> {
    let (email, created, suspended) = match source {
        Source::LiteLlm => {
            let by_id = row.text("user_id").filter(|id| id.contains('@'));
            (row.text("user_email").or(by_id), "created_at", false)
        }
        Source::NewApi => {
            let deleted = row.text("deleted_at").is_some();
            if deleted {
                return Ok(Taken::Left("deleted there"));
            }
            let disabled = row.number("status").is_some_and(|status| status != ENABLED);
            (row.text("email"), "created_at", disabled)
        }
        Source::OpenWebUi | Source::Surgewall => {
            let pending = row.text("role").is_some_and(|role| role == "pending");
            if pending {
                return Ok(Taken::Left("never let in there"));
            }
            (row.text("email"), "created_at", false)
        }
    };
    let Some(email) = email else { return Ok(Taken::Left("without an e-mail")) };
    let first_seen = row.text(created).map(|text| instant(&text)).transpose()?;
    let more =
        BroughtUser { line: row.line, email, first_seen, suspended, ..BroughtUser::default() };
    Ok(Taken::Row(more))
}

/// The e-mails of another system's users, by their ids there.
pub(super) fn emails(source: Source, rows: &[Row]) -> HashMap<String, String> {
    let id = if source == Source::LiteLlm { "user_id" } else { "id" };
    let email = if source == Source::LiteLlm { "user_email" } else { "email" };
    rows.iter().filter_map(|row| Some((row.text(id)?, row.text(email)?))).collect()
}

/// A key, and what its account brings.
pub(super) type Key = (KeyCreate, Option<Brought>);

/// Whose keys they are: by the ids there, and whether the rest are the operator's.
pub(super) struct Owners {
    pub(super) emails: HashMap<String, String>,
    pub(super) operators: bool,
}

impl Owners {
    fn of(&self, id: Option<String>) -> Result<Option<String>, String> {
        let Some(id) = id else { return Ok(None) };
        let known = self.emails.get(&id).cloned();
        match known.or_else(|| Some(id.clone()).filter(|id| id.contains('@'))) {
            Some(email) => Ok(Some(email)),
            None if self.operators => Ok(None),
            None => Err(format!(
                "nobody knows who user `{id}` is: name the users' export with --users FILE, or take such keys over as your own with --operators"
            )),
        }
    }
}

/// A key of another system, at `now`.
pub(super) fn key(
    source: Source,
    row: &Row,
    owners: &Owners,
    now: Timestamp,
) -> Result<Taken<Key>, String> {
    match source {
        Source::LiteLlm => litellm(row, owners, now),
        Source::NewApi => new_api(row, owners, now),
        Source::OpenWebUi | Source::Surgewall => open_webui(row),
    }
}

fn litellm(row: &Row, owners: &Owners, now: Timestamp) -> Result<Taken<Key>, String> {
    if row.is_set("blocked") {
        return Ok(Taken::Left("blocked there"));
    }
    let token = row.text("token").ok_or("it has no token")?;
    let name = row.text("key_alias").or_else(|| row.text("key_name"));
    let expires_in = match row.text("expires").map(|text| instant(&text)).transpose()? {
        Some(end) if end <= now => return Ok(Taken::Left("expired")),
        end => end.map(|end| until(end, now)),
    };
    let account = owners.of(row.text("user_id"))?;
    let models = row.list("models").into_iter().filter(|model| !model.starts_with("all-"));
    let limit = |field: &str, form: fn(i64) -> String| row.number(field).map(form);
    let limits = [
        limit("rpm_limit", |n| format!("requests={n}/1m")),
        limit("tpm_limit", |n| format!("total_tokens={n}/1m")),
        limit("max_parallel_requests", |n| format!("concurrency={n}")),
    ];
    let history = history(account.as_ref(), row.text("created_at"))?;
    let key = KeyCreate {
        name: named(name, row.line),
        account,
        scopes: Scopes { models: models.collect(), ..Scopes::default() },
        expires_in,
        limits: limits.into_iter().flatten().collect(),
        // An old version kept keys in clear.
        foreign: Some(if token.starts_with("sk-") {
            hashed(&token)
        } else {
            Foreign::Sha256(token)
        }),
        ..KeyCreate::default()
    };
    Ok(Taken::Row((key, history)))
}

fn new_api(row: &Row, owners: &Owners, now: Timestamp) -> Result<Taken<Key>, String> {
    if row.text("deleted_at").is_some() {
        return Ok(Taken::Left("deleted there"));
    }
    if row.number("status").is_some_and(|status| status != ENABLED) {
        return Ok(Taken::Left("switched off, expired or used up there"));
    }
    let key = row.text("key").ok_or("it has no key")?;
    if key.contains('*') {
        return Err("its key is masked: export the table `tokens` itself".to_owned());
    }
    // They are kept without the beginning with which they are sent.
    let whole = if key.starts_with("sk-") { key } else { format!("sk-{key}") };
    let expires_in = match row.number("expired_time").filter(|end| *end > 0) {
        Some(end) => {
            let end = instant(&end.to_string())?;
            if end <= now {
                return Ok(Taken::Left("expired"));
            }
            Some(until(end, now))
        }
        None => None,
    };
    let account = owners.of(row.text("user_id"))?;
    let limited = row.is_set("model_limits_enabled");
    let networks = row.list("allow_ips").into_iter().map(|text| network(&text));
    let history = history(account.as_ref(), row.text("created_time"))?;
    let key = KeyCreate {
        name: named(row.text("name"), row.line),
        account,
        scopes: Scopes {
            models: if limited { row.list("model_limits") } else { Vec::new() },
            networks: networks.collect::<Result<_, _>>()?,
            ..Scopes::default()
        },
        expires_in,
        foreign: Some(hashed(&whole)),
        ..KeyCreate::default()
    };
    Ok(Taken::Row((key, history)))
}

fn open_webui(row: &Row) -> Result<Taken<Key>, String> {
    let Some(key) = row.text("api_key") else { return Ok(Taken::Left("without a key")) };
    let account = Some(row.text("email").ok_or("it has no e-mail")?);
    let history = history(account.as_ref(), row.text("created_at"))?;
    let key = KeyCreate {
        name: named(row.text("name").map(|name| format!("Open WebUI: {name}")), row.line),
        account,
        foreign: Some(hashed(&key)),
        ..KeyCreate::default()
    };
    Ok(Taken::Row((key, history)))
}

fn hashed(key: &str) -> Foreign {
    Foreign::Sha256(hex(&sha256(key.as_bytes())))
}

/// A name that fits; one is made for a key without.
fn named(name: Option<String>, line: u64) -> String {
    let name = name.unwrap_or_else(|| format!("imported, line {line}"));
    let plain = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(NAME_CHARS_MAX).collect::<String>().trim().to_owned()
}

fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let one = || text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from);
    text.parse().ok().or_else(one).ok_or_else(|| format!("`{text}` is no network"))
}

/// When a key of a known account was made: as long at least its account is known.
fn history(account: Option<&String>, created: Option<String>) -> Result<Option<Brought>, String> {
    let (Some(account), Some(created)) = (account, created) else { return Ok(None) };
    let first_seen = instant(&created)?;
    Ok(Some(Brought { account: account.clone(), first_seen, active_days: 0 }))
}

/// How long a key still works, at most as long as one can.
fn until(end: Timestamp, now: Timestamp) -> String {
    format!("{}s", end.since(now).as_secs().clamp(1, EXPIRY_S_MAX))
}

/// An instant as these systems write it: seconds, milli-, micro- or nanoseconds
/// since 1970, or a date with or without a zone (then it is UTC).
fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(number) = text.parse::<u64>() {
        let millis = match number {
            0..100_000_000_000 => number * 1_000,
            100_000_000_000..100_000_000_000_000 => number,
            100_000_000_000_000..100_000_000_000_000_000 => number / 1_000,
            _ => number / 1_000_000,
        };
        return Ok(Timestamp::from_millis(0).plus(Duration::from_millis(millis)));
    }
    if !text.contains(':') {
        return day_or_instant(text).ok_or_else(|| format!("`{text}` is no date"));
    }
    let text = text.replace(' ', "T");
    let zoned = text.parse::<jiff::Timestamp>().ok();
    let civil = || {
        let at: DateTime = text.parse().ok()?;
        at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
    };
    let found = zoned.or_else(civil).and_then(|at| u64::try_from(at.as_millisecond()).ok());
    let found = found.map(Timestamp::from_millis);
    found.ok_or_else(|| format!("`{text}` is no date"))
}

#[cfg(test)]
mod tests {
    use surgewall_core::principal::Class;

    use super::super::rows;
    use super::super::source::{Kind, recognise};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn read(text: &str, is_csv: bool) -> Vec<Row> {
        rows::read(text, is_csv).unwrap()
    }

    fn users(text: &str, is_csv: bool) -> (Source, Vec<Taken<BroughtUser>>) {
        let rows = read(text, is_csv);
        let source = recognise(Kind::Users, &rows).unwrap();
        let users = rows.iter().map(|row| user(source, row).unwrap()).collect();
        (source, users)
    }

    fn keys(text: &str, owners: &Owners) -> (Source, Vec<Result<Taken<Key>, String>>) {
        let rows = read(text, false);
        let source = recognise(Kind::Keys, &rows).unwrap();
        (source, rows.iter().map(|row| key(source, row, owners, NOW)).collect())
    }

    fn nobody() -> Owners {
        Owners { emails: HashMap::new(), operators: false }
    }

    fn shown(user: &Taken<BroughtUser>) -> String {
        match user {
            Taken::Left(why) => (*why).to_owned(),
            Taken::Row(user) => {
                assert_eq!((user.class, user.group.as_ref()), (None::<Class>, None));
                let since = user.first_seen.map_or_else(|| "-".to_owned(), |at| at.to_string());
                format!("{} {since} {}", user.email, user.suspended)
            }
        }
    }

    #[test]
    fn users_of_each_system_are_recognised_and_read() {
        let litellm = r#"{"users":[{"user_id":"u1","user_email":"a@b.c","user_role":"internal_user","created_at":"2024-05-01T10:00:00.000Z"},{"user_id":"d@e.f","user_email":null,"created_at":"2024-05-02 10:00:00.5"},{"user_id":"default_user_id","user_email":null}]}"#;
        let (source, found) = users(litellm, false);
        assert_eq!(source, Source::LiteLlm);
        let found: Vec<_> = found.iter().map(shown).collect();
        assert_eq!(
            found,
            [
                "a@b.c 2024-05-01T10:00:00.000Z false",
                "d@e.f 2024-05-02T10:00:00.500Z false",
                "without an e-mail"
            ]
        );

        let new_api = r#"[{"id":1,"username":"root","display_name":"Root","email":"","status":1,"quota":5},{"id":2,"username":"ann","email":"a@b.c","status":2,"quota":0,"created_at":1714557600},{"id":3,"username":"bob","email":"d@e.f","status":1,"quota":0,"deleted_at":"2024-06-01"}]"#;
        let (source, found) = users(new_api, false);
        assert_eq!(source, Source::NewApi);
        let found: Vec<_> = found.iter().map(shown).collect();
        assert_eq!(
            found,
            ["without an e-mail", "a@b.c 2024-05-01T10:00:00.000Z true", "deleted there"]
        );

        let open_webui = "id,name,email,role\n7,Ann,a@b.c,user\n8,Bob,d@e.f,pending\n";
        let (source, found) = users(open_webui, true);
        assert_eq!(source, Source::OpenWebUi);
        let found: Vec<_> = found.iter().map(shown).collect();
        assert_eq!(found, ["a@b.c - false", "never let in there"]);
        assert_eq!(users("email,class\na@b.c,new\n", true).0, Source::Surgewall);
    }

    #[test]
    fn litellms_keys_are_taken_by_their_hashes_with_what_limits_them() {
        let hash = "a".repeat(64);
        let text = format!(
            r#"{{"keys":[{{"token":"{hash}","key_alias":"lab","key_name":"sk-...abcd","user_id":"u1","models":["m1","all-team-models"],"rpm_limit":60,"tpm_limit":null,"max_parallel_requests":4,"expires":"2025-10-10T08:53:20Z","created_at":"2024-05-01T10:00:00Z","blocked":null}},{{"token":"{hash}","key_alias":null,"blocked":true}},{{"token":"x","key_name":"sk-...old","expires":"2024-01-01T00:00:00Z"}},{{"token":"sk-plain","key_alias":null,"key_name":"sk-...y","user_id":"nobody"}}]}}"#
        );
        let emails = HashMap::from([("u1".to_owned(), "a@b.c".to_owned())]);
        let (source, found) = keys(&text, &Owners { emails, operators: false });
        assert_eq!(source, Source::LiteLlm);
        let Ok(Taken::Row((key, Some(brought)))) = &found[0] else {
            panic!("{:?}", found[0].as_ref().err())
        };
        assert_eq!((key.name.as_str(), key.account.as_deref()), ("lab", Some("a@b.c")));
        assert_eq!(key.scopes.models, ["m1"]);
        assert_eq!(key.limits, ["requests=60/1m", "concurrency=4"]);
        assert_eq!(key.expires_in.as_deref(), Some("86400s"));
        assert!(key.foreign == Some(Foreign::Sha256(hash)));
        assert_eq!(brought.first_seen.to_string(), "2024-05-01T10:00:00.000Z");
        assert!(matches!(&found[1], Ok(Taken::Left("blocked there"))));
        assert!(matches!(&found[2], Ok(Taken::Left("expired"))));
        assert!(found[3].as_ref().err().unwrap().contains("--users FILE"));
        let (_, found) = keys(&text, &Owners { operators: true, ..nobody() });
        let Ok(Taken::Row((key, None))) = &found[3] else { panic!() };
        assert!(key.account.is_none() && key.foreign == Some(hashed("sk-plain")));
    }

    #[test]
    fn new_apis_keys_are_hashed_as_they_are_sent() {
        let text = r#"[{"id":1,"user_id":2,"key":"abc","name":"app","status":1,"created_time":1714557600,"expired_time":-1,"model_limits_enabled":true,"model_limits":"m1,m2","allow_ips":"10.0.0.0/8\n192.0.2.1"},{"id":2,"user_id":2,"key":"def","name":"off","status":2},{"id":3,"user_id":2,"key":"a**********z","name":"masked","status":1},{"id":4,"user_id":2,"key":"ghi","name":"bad","status":1,"allow_ips":"here"},{"id":5,"user_id":2,"key":"jkl","name":"far","status":1,"expired_time":4000000000}]"#;
        let emails = HashMap::from([("2".to_owned(), "a@b.c".to_owned())]);
        let (source, found) = keys(text, &Owners { emails, operators: false });
        assert_eq!(source, Source::NewApi);
        let Ok(Taken::Row((key, Some(_)))) = &found[0] else { panic!() };
        assert!(key.foreign == Some(hashed("sk-abc")));
        assert_eq!((key.scopes.models.len(), key.scopes.networks.len()), (2, 2));
        assert_eq!((key.account.as_deref(), key.expires_in.as_ref()), (Some("a@b.c"), None));
        assert!(matches!(&found[1], Ok(Taken::Left(_))));
        assert!(found[2].as_ref().err().unwrap().contains("masked"));
        assert!(found[3].as_ref().err().unwrap().contains("no network"));
        let Ok(Taken::Row((key, _))) = &found[4] else { panic!() };
        assert_eq!(key.expires_in.as_deref(), Some("31622400s"), "as long as a key can work");
    }

    #[test]
    fn open_webuis_keys_are_their_owners() {
        let text = r#"[{"id":"7","name":"Ann","email":"a@b.c","api_key":"sk-1","created_at":1714557600},{"id":"8","name":"Bob","email":"d@e.f","api_key":null}]"#;
        let (source, found) = keys(text, &nobody());
        assert_eq!(source, Source::OpenWebUi);
        let Ok(Taken::Row((key, Some(_)))) = &found[0] else { panic!() };
        assert_eq!((key.name.as_str(), key.account.as_deref()), ("Open WebUI: Ann", Some("a@b.c")));
        assert!(key.foreign == Some(hashed("sk-1")));
        assert!(matches!(&found[1], Ok(Taken::Left("without a key"))));
    }

    #[test]
    fn instants_are_read_as_they_are_written() {
        let expected = "2024-05-01T10:00:00.000Z";
        for text in [
            "1714557600",
            "1714557600000",
            "1714557600000000",
            "1714557600000000000",
            "2024-05-01T10:00:00Z",
            "2024-05-01 10:00:00",
            "2024-05-01 12:00:00+02:00",
        ] {
            assert_eq!(instant(text).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(instant("2024-05-01").unwrap().to_string(), "2024-05-01T00:00:00.000Z");
        assert!(instant("May").is_err());
    }
}
