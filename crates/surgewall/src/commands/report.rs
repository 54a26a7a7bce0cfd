//! `surgewall report usage`: who used what, and what it cost.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::Config;
use surgewall_core::finding::Finding;
use surgewall_core::money::Money;
use surgewall_core::quota::parse_window;
use surgewall_store::admin::{self, Named, Office, Reply, Request};
use surgewall_store::datadir::DataDir;
use surgewall_store::directory::{Bounds, Directory};
use surgewall_store::ledger::read::{UsageReport, UsageRow, UsageSubject, usage as read_usage};
use surgewall_store::people::{PAGE_ROWS_MAX, People as _, Pick};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use super::office::NoAudit;
use crate::cli::report::{By, Sheet, Usage};
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show::{self, csv, table};

/// The whole report.
#[derive(Serialize, Debug)]
struct Report {
    by: &'static str,
    since: Option<String>,
    until: Option<String>,
    rows: Vec<Row>,
    findings: Vec<Finding>,
}

/// One row.
#[derive(Serialize, Debug, PartialEq, Eq)]
struct Row {
    /// The public id; of a model, its name.
    id: String,
    /// The e-mail or name.
    name: Option<String>,
    requests: u64,
    input_tokens: u64,
    cached_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    total_tokens: u64,
    /// A decimal amount.
    cost: String,
    currency: Option<String>,
    /// Requests that the door itself had to count.
    estimated_requests: u64,
}

/// Prints the report.
///
/// # Errors
/// The master key is not here, a file cannot be read, or a time cannot be meant.
pub(crate) async fn usage(place: &Place, asked: &Usage) -> Result<Verdict, Fault> {
    let now = Clock::System.now();
    let since = asked.since.as_deref().map(|text| instant(text, now)).transpose()?;
    let until = asked.until.as_deref().map(|text| instant(text, now)).transpose()?;
    let data = place.data()?;
    let config = place.load()?.config;
    let vault = vault(&data, &config)
        .map_err(|fault| fault.during("the ledger cannot be opened without the master key"))?;
    let UsageReport { rows, findings } = if data.ledger().exists() {
        read_usage(&data.ledger(), &vault, asked.by.into(), since, until)?
    } else {
        UsageReport { rows: Vec::new(), findings: Vec::new() }
    };
    let names = names(&data, &vault, &config, &rows).await?;
    let currency = config.prices.values().next().map(|price| price.currency.clone());
    let mut rows: Vec<_> = rows.iter().map(|row| shown(row, &names, currency.as_ref())).collect();
    rows.sort_by(|a, b| b.total_tokens.cmp(&a.total_tokens).then_with(|| a.id.cmp(&b.id)));
    let verdict = Verdict::over(&findings);
    print(
        asked,
        &Report {
            by: asked.by.as_str(),
            since: since.map(|at| at.to_string()),
            until: until.map(|at| at.to_string()),
            rows,
            findings,
        },
    )?;
    Ok(verdict)
}

/// A day, an instant, or a time before `now`.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    if let Ok(window_s) = parse_window(text) {
        let back = Duration::from_secs(window_s).as_millis();
        let back = u64::try_from(back).unwrap_or(u64::MAX);
        return Ok(Timestamp::from_millis(now.millis().saturating_sub(back)));
    }
    day_or_instant(text).ok_or_else(|| {
        Fault::new(format!("`{text}` is no time")).hint(
            "write a day (2026-11-01), an instant (2026-11-01T12:00:00Z) or a time before now (7d)",
        )
    })
}

/// `2026-11-01`, in UTC, or `2026-11-01T12:00:00Z`.
pub(super) fn day_or_instant(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| day().map(|day| day.timestamp()));
    at.and_then(|at| u64::try_from(at.as_millisecond()).ok()).map(Timestamp::from_millis)
}

/// Public id and name of a subject, by its internal id.
type Names = HashMap<u128, (String, Option<String>)>;

/// What the people in `rows` are called.
async fn names(
    data: &DataDir,
    vault: &Vault,
    config: &Config,
    rows: &[UsageRow],
) -> Result<Names, Fault> {
    let mut names = Names::new();
    if rows.is_empty() || !data.database().exists() {
        return Ok(names);
    }
    let people = Sqlite::open(&data.database()).await?;
    let directory = Directory::new(vault.clone(), Bounds::default());
    let office =
        Office { people: &people, directory: &directory, vault, clock: &Clock::System, config };
    for rows in rows.chunks(usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX)) {
        let ids = |pick: fn(&UsageSubject) -> Option<u128>| {
            Pick::Ids(rows.iter().filter_map(|row| pick(&row.subject)).collect())
        };
        let found = people.accounts(&ids(account)).await?;
        let accounts =
            found.into_iter().map(|row| (row.id.as_u128(), row.public_id, Kind::Account));
        let found = people.groups(&ids(group)).await?;
        let groups = found.into_iter().map(|row| (row.id.as_u128(), row.public_id, Kind::Group));
        let found = people.keys(&ids(key)).await?;
        let keys = found.into_iter().map(|row| (row.id.as_u128(), row.public_id, Kind::Key));
        for (id, public_id, kind) in accounts.chain(groups).chain(keys) {
            let name = Named { name: public_id.to_string() };
            let reply = admin::execute(&office, &NoAudit, kind.show(name)).await?;
            names.insert(id, (public_id.to_string(), called(reply)));
        }
    }
    people.close().await;
    Ok(names)
}

#[derive(Clone, Copy)]
enum Kind {
    Account,
    Group,
    Key,
}

impl Kind {
    const fn show(self, named: Named) -> Request {
        match self {
            Self::Account => Request::UserShow(named),
            Self::Group => Request::GroupShow(named),
            Self::Key => Request::KeyShow(named),
        }
    }
}

fn called(reply: Reply) -> Option<String> {
    match reply {
        Reply::User(user) => user.email.or(user.external.map(|external| external.subject)),
        Reply::Group(group) => Some(group.name),
        Reply::Key(key) => Some(key.name),
        _ => None,
    }
}

fn account(subject: &UsageSubject) -> Option<u128> {
    if let UsageSubject::Account(id) = subject { Some(id.as_u128()) } else { None }
}
fn group(subject: &UsageSubject) -> Option<u128> {
    if let UsageSubject::Group(id) = subject { Some(id.as_u128()) } else { None }
}
fn key(subject: &UsageSubject) -> Option<u128> {
    match subject {
        UsageSubject::Key(id) | UsageSubject::User(id, _) => Some(id.as_u128()),
        _ => None,
    }
}

fn shown(row: &UsageRow, names: &Names, currency: Option<&String>) -> Row {
    let id = account(&row.subject).or_else(|| group(&row.subject)).or_else(|| key(&row.subject));
    let known = id.and_then(|id| names.get(&id).cloned());
    let (id, name) = match &row.subject {
        UsageSubject::Model(model) => (model.clone(), None),
        UsageSubject::None => ("none".to_owned(), None),
        UsageSubject::Others => ("others".to_owned(), None),
        _ => known.unwrap_or_else(|| ("unknown".to_owned(), None)),
    };
    let cost = Money::from_nanos(i64::try_from(row.cost).unwrap_or(i64::MAX));
    Row {
        id,
        name,
        requests: row.requests,
        input_tokens: row.usage.input,
        cached_tokens: row.usage.cached,
        cache_write_tokens: row.usage.cache_write,
        output_tokens: row.usage.output,
        reasoning_tokens: row.usage.reasoning,
        total_tokens: row.usage.total(),
        cost: cost.to_string(),
        currency: currency.cloned(),
        estimated_requests: row.estimated_requests,
    }
}

fn print(asked: &Usage, report: &Report) -> Result<(), Fault> {
    if asked.format == Sheet::Json {
        return show::json(report);
    }
    match asked.format {
        Sheet::Csv => show::out(&as_csv(&report.rows)),
        _ if report.rows.is_empty() => show::err("no request ended in this period\n"),
        _ => show::out(&as_text(asked.by, &report.rows)),
    }
    show::err(&show::findings::text(&report.findings, false));
    Ok(())
}

fn as_text(by: By, rows: &[Row]) -> String {
    let estimated = |row: &Row| match row.estimated_requests {
        0 => "-".to_owned(),
        some => format!("{some} of {}", row.requests),
    };
    let cells = rows.iter().map(|row| {
        let currency =
            row.currency.as_ref().map_or(String::new(), |currency| format!(" {currency}"));
        vec![
            row.name.clone().unwrap_or_else(|| row.id.clone()),
            row.requests.to_string(),
            row.input_tokens.to_string(),
            row.cached_tokens.to_string(),
            row.output_tokens.to_string(),
            row.total_tokens.to_string(),
            format!("{}{currency}", row.cost),
            estimated(row),
        ]
    });
    let columns = [
        table::Column::Left(by.as_str()),
        table::Column::Right("requests"),
        table::Column::Right("input"),
        table::Column::Right("of it cached"),
        table::Column::Right("output"),
        table::Column::Right("tokens"),
        table::Column::Right("cost"),
        table::Column::Right("estimated"),
    ];
    table::table(&columns, cells.collect())
}

fn as_csv(rows: &[Row]) -> String {
    let head = [
        "id",
        "name",
        "requests",
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "total_tokens",
        "cost",
        "currency",
        "estimated_requests",
    ];
    let lines = rows.iter().map(|row| {
        csv::line(&[
            row.id.clone(),
            row.name.clone().unwrap_or_default(),
            row.requests.to_string(),
            row.input_tokens.to_string(),
            row.cached_tokens.to_string(),
            row.cache_write_tokens.to_string(),
            row.output_tokens.to_string(),
            row.reasoning_tokens.to_string(),
            row.total_tokens.to_string(),
            row.cost.clone(),
            row.currency.clone().unwrap_or_default(),
            row.estimated_requests.to_string(),
        ])
    });
    std::iter::once(csv::line(&head.map(str::to_owned))).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_instants_or_windows_back() {
        let now = Timestamp::from_millis(1_000_000_000_000);
        let at =
            |text: &str| instant(text, now).map(|at| at.to_string()).map_err(|f| f.to_string());
        assert_eq!(at("2026-11-01").unwrap(), "2026-11-01T00:00:00.000Z");
        assert_eq!(at("2026-11-01T12:00:00+02:00").unwrap(), "2026-11-01T10:00:00.000Z");
        assert_eq!(at("1d").unwrap(), "2001-09-08T01:46:40.000Z");
        assert!(at("yesterday").unwrap_err().contains("is no time"));
        assert!(at("1900-01-01").is_err());
    }

    #[test]
    fn a_row_is_the_same_in_every_form() {
        let row = Row {
            id: "key_a".into(),
            name: Some("=lab, 1".into()),
            requests: 3,
            input_tokens: 10,
            cached_tokens: 1,
            cache_write_tokens: 0,
            output_tokens: 5,
            reasoning_tokens: 2,
            total_tokens: 15,
            cost: "0.27".into(),
            currency: Some("USD".into()),
            estimated_requests: 1,
        };
        insta::assert_snapshot!(format!(
            "{}\n{}",
            as_text(By::Key, std::slice::from_ref(&row)),
            as_csv(&[row])
        ));
    }
}
