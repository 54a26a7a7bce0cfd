//! `surgewall check provider URL`: one page about a provider of models.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use surgewall_core::clock::Clock;
use surgewall_core::config::Config;
use surgewall_core::config::data::TrainsOnData;
use surgewall_core::config::schema::Upstream;
use surgewall_core::files::{read_bounded, read_text};
use surgewall_core::finding::{Finding, Severity};
use surgewall_scan::exposure::limits::Patience;
use surgewall_scan::provider::limits::TERMS_DAYS_MAX;
use surgewall_scan::provider::{Base, Declared, Report, look};
use surgewall_shield::gate::Regions;

use super::print;
use crate::cli::check::Format;
use crate::fault::{Fault, Verdict};
use crate::place::Place;

/// A file of certificate authorities, in bytes.
const AUTHORITY_BYTES_MAX: u64 = 1 << 20;
/// A registry's delegated file, in bytes.
const REGION_BYTES_MAX: u64 = 128 << 20;

/// Looks at the provider at `url` and prints the page.
///
/// # Errors
/// The address cannot be meant, or the configuration cannot be read or meant.
pub(super) async fn check(place: &Place, url: &str, format: Format) -> Result<Verdict, Fault> {
    let base: Base = url.parse().map_err(Fault::from)?;
    let config = place.load()?.config;
    let upstream = config.upstream.iter().find(|upstream| is_at(upstream, &base));
    let authorities = upstream.and_then(|upstream| upstream.ca_file.as_deref());
    let authorities = authorities.map(read_authorities).transpose()?.unwrap_or_default();
    let declared = upstream.map(declared);
    let mut report = look(&base, declared, &authorities, Patience::default()).await;
    report.observed_region = observed(&config, &report)?;
    report.findings.extend(old_terms(&report, today()));
    match print(format, &text(&report), &report, &report.findings)? {
        Verdict::Clean if report.is_unsure() => Ok(Verdict::CouldNotTell),
        verdict => Ok(verdict),
    }
}

/// Whether a server of the upstream is the one at `base`.
fn is_at(upstream: &Upstream, base: &Base) -> bool {
    let urls = upstream.url.iter().chain(upstream.servers.iter().map(|server| &server.url));
    urls.filter_map(|url| url.parse::<Base>().ok()).any(|other| base.is_same_server(&other))
}

fn declared(upstream: &Upstream) -> Declared {
    Declared {
        upstream: upstream.name.clone(),
        provider: upstream.provider.clone(),
        legal_entity: upstream.legal_entity.clone(),
        region: upstream.region.clone(),
        retention_days: upstream.retention_days,
        trains_on_data: match upstream.trains_on_data {
            TrainsOnData::Unknown => None,
            told => Some(told.as_str()),
        },
        terms_source: upstream.terms_source.clone(),
        terms_date: upstream.terms_date.clone(),
    }
}

/// The certificate authorities of the upstream, in PEM.
fn read_authorities(path: &Path) -> Result<Vec<u8>, Fault> {
    let during = |error| Fault::from(error).during(&path.display().to_string());
    read_bounded(path, AUTHORITY_BYTES_MAX).map_err(during)
}

/// Where the registries' files say that its address is.
fn observed(config: &Config, report: &Report) -> Result<Option<String>, Fault> {
    let (Some(address), false) = (report.address, config.data.region_files.is_empty()) else {
        return Ok(None);
    };
    let read = |path: &PathBuf| {
        let during = |error| Fault::from(error).during(&path.display().to_string());
        read_text(path, REGION_BYTES_MAX).map_err(during)
    };
    let files = config.data.region_files.iter().map(read).collect::<Result<Vec<_>, Fault>>()?;
    let regions = Regions::read(files.iter().map(String::as_str));
    let regions = regions.map_err(|(_, error)| Fault::new(error.to_string()))?;
    Ok(regions.of(address).map(|region| region.as_str().to_ascii_lowercase()))
}

/// The day by UTC.
fn today() -> Date {
    let now = i64::try_from(Clock::System.now().millis()).unwrap_or(i64::MAX);
    let now = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::MAX);
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Terms change: those that were read long ago are to be read again.
fn old_terms(report: &Report, today: Date) -> Option<Finding> {
    let read = report.declared.as_ref()?.terms_date.as_ref()?;
    let days = today.since(read.parse::<Date>().ok()?).ok()?.get_days();
    let finding = Finding::new(Severity::Note, "provider.terms", &report.provider)
        .evidence(format!("Its terms were read on {read}: more than {TERMS_DAYS_MAX} days ago."))
        .advice("Read them again, and set the upstream's terms_date.");
    (days > TERMS_DAYS_MAX).then_some(finding)
}

/// The page.
fn text(report: &Report) -> String {
    let mut text = format!(
        "{}, asked as a stranger: {} requests, none with a key\n\n",
        report.provider, report.requests
    );
    let mut line = |what: &str, said: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what:<10}  {said}");
    };
    line("TLS", &tls(report));
    for (at, asked) in report.routes.iter().enumerate() {
        let outcome = asked.outcome.as_str();
        let what = if at == 0 { "auth" } else { "" };
        line(what, &format!("{:<29}  {outcome:<17}  {}", asked.route, asked.evidence));
    }
    line("errors", &inside(report));
    let limits = report.limits.join(", ");
    line("limits", if limits.is_empty() { "UNKNOWN" } else { &limits });
    for (what, said) in terms(report) {
        line(what, &said);
    }
    if !report.unknown.is_empty() {
        text.push_str("\nUNKNOWN\n");
    }
    for unknown in &report.unknown {
        let _ = writeln!(text, "- {unknown}");
    }
    text
}

fn tls(report: &Report) -> String {
    let tls = &report.tls;
    match (tls.spoken, tls.unfit, tls.version) {
        (false, ..) => "none: the address is http://".to_owned(),
        (true, Some(unfit), version) => {
            format!("{}; its certificate {unfit}", version.unwrap_or("unknown version"))
        }
        (true, None, Some(version)) => {
            let strict =
                if tls.strict { ", and browsers are told to come by TLS alone" } else { "" };
            format!("{version}; its certificate is fit{strict}")
        }
        (true, None, None) => "UNKNOWN: no handshake in TLS 1.2 or 1.3 came to an end".to_owned(),
    }
}

fn inside(report: &Report) -> String {
    match (report.answered, report.leaks.is_empty()) {
        (false, _) => "UNKNOWN".to_owned(),
        (true, true) => "they tell nothing of its inside, as far as that is looked for".to_owned(),
        (true, false) => format!("they tell {}", report.leaks.join("; ")),
    }
}

/// What was declared, and where that was read.
fn terms(report: &Report) -> [(&'static str, String); 5] {
    let declared = report.declared.clone().unwrap_or_default();
    let unknown = || "UNKNOWN".to_owned();
    let by = format!("declared by upstream `{}`", declared.upstream);
    let told = |said: Option<String>| said.map_or_else(unknown, |said| format!("{said} ({by})"));
    let who = match (declared.provider, declared.legal_entity) {
        (Some(provider), Some(entity)) => Some(format!("{provider}, {entity}")),
        (one, other) => one.or(other),
    };
    let mut region = told(declared.region);
    if let Some(observed) = &report.observed_region {
        region.push_str(&format!("; its address is registered in {observed}"));
    }
    let retention = declared.retention_days.map(|days| match days {
        0 => "none".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    });
    let read = declared.terms_source.map(|source| match declared.terms_date {
        Some(date) => format!("{source}, read on {date}"),
        None => source,
    });
    [
        ("provider", told(who)),
        ("region", region),
        ("retention", told(retention)),
        ("training", told(declared.trains_on_data.map(str::to_owned))),
        ("terms", told(read)),
    ]
}

#[cfg(test)]
mod tests {
    use surgewall_core::config;

    use super::*;

    #[test]
    fn an_upstream_is_found_by_its_server() {
        let text = "[[upstream]]\nname = \"a\"\nservers = [{ url = \"https://h/v1\" }, { url = \"http://h:2/v1/\" }]\n";
        let config = config::parse("t.toml", text).unwrap();
        for (url, is_there) in
            [("https://h:443/beta", true), ("http://h:2", true), ("http://h/v1", false)]
        {
            assert_eq!(is_at(&config.upstream[0], &url.parse().unwrap()), is_there, "{url}");
        }
    }

    #[tokio::test]
    async fn terms_that_were_read_long_ago_are_a_note() {
        let base: Base = "http://127.0.0.1:1/v1".parse().unwrap();
        let declared =
            Declared { terms_date: Some("2026-01-01".to_owned()), ..Declared::default() };
        let report = look(&base, Some(declared), &[], Patience::default()).await;
        let on = |today: &str| old_terms(&report, today.parse().unwrap()).is_some();
        assert!(!on("2027-01-01") && on("2027-01-02") && !on("2025-01-01"));
    }
}
