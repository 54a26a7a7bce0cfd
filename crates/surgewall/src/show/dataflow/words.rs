//! The words of a data flow report.

use surgewall_core::config::data::{Statement, Status, TrainsOnData};
use surgewall_core::data::DataClass;
use surgewall_core::figures::{count, second};
use surgewall_core::flow::Destination;
use surgewall_store::ledger::read::{Decision, Evidence, Source};

use crate::commands::{DataflowProof as Proof, DataflowRuled as Ruled, DataflowTerms as Terms};
use crate::show::plain;

/// `1 request`, `1,200 requests`.
pub(crate) fn requests(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{} requests", count(number)) }
}

/// What is said, or that nothing is.
pub(crate) fn or_unknown(text: Option<&str>) -> &str {
    text.unwrap_or("UNKNOWN")
}

/// A class of data, as people call it.
pub(crate) const fn class(class: DataClass) -> &'static str {
    match class {
        DataClass::Secret => "Credentials: keys, passwords, tokens",
        DataClass::Email => "E-mail addresses",
        DataClass::Phone => "Telephone numbers",
        DataClass::Card => "Payment card numbers",
        DataClass::Iban => "Bank account numbers",
        DataClass::NationalId => "Numbers that a state gives to a person",
        DataClass::Network => "Network addresses",
    }
}

/// Whom requests came from.
pub(crate) const fn source(source: Source) -> &'static str {
    match source {
        Source::Account => "From people with an account here",
        Source::EndUser => "From end users whom the owner of a key names",
        Source::OperatorKey => "From holders of the operator's own keys",
        Source::Stranger => "From strangers, who gave nothing but their network",
    }
}

/// Where an upstream is.
pub(crate) fn regions(to: &Destination) -> String {
    let seen = to.observed.map(|seen| {
        format!(
            "the connection led to {} (observed): this machine or a private network",
            seen.as_str()
        )
    });
    match (&to.region, seen) {
        (Some(region), Some(seen)) => format!("Region: {region} (declared); {seen}."),
        (Some(region), None) => format!("Region: {region} (declared, not observed)."),
        (None, Some(seen)) => format!("Region: UNKNOWN; {seen}."),
        (None, None) => "Region: UNKNOWN.".to_owned(),
    }
}

/// What is declared of an upstream.
pub(crate) fn terms(terms: &Terms) -> Vec<String> {
    let read = match (&terms.terms_source, &terms.terms_date) {
        (Some(source), Some(date)) => format!("{source}, read on {date}"),
        _ => "UNKNOWN".to_owned(),
    };
    vec![
        format!("Legal entity: {}.", or_unknown(terms.legal_entity.as_deref())),
        format!("Endpoint: {}.", terms.endpoints.join(", ")),
        format!("It is {}.", kept_for(terms)),
        format!(
            "Models are trained on it: {}.",
            match terms.trains_on_data {
                TrainsOnData::Unknown => "UNKNOWN",
                said => said.as_str(),
            }
        ),
        format!("Terms: {read}."),
    ]
}

/// How long an upstream keeps what it was given.
pub(crate) fn kept_for(terms: &Terms) -> String {
    match terms.retention_days {
        None => "kept for a time that is UNKNOWN".to_owned(),
        Some(0) => "not kept after the answer, as declared".to_owned(),
        Some(1) => "kept for 1 day, as declared".to_owned(),
        Some(days) => format!("kept for {} days, as declared", count(days.into())),
    }
}

/// A statement of a passport.
pub(crate) fn statement(name: &str, statement: &Statement) -> String {
    let Statement { status, value, source, date } = statement;
    let (Status::Verified | Status::Claimed, Some(value)) = (status, value) else {
        return format!("{name}: UNKNOWN.");
    };
    format!(
        "{name}: {value} ({}; {}, {}).",
        status.as_str(),
        or_unknown(source.as_deref()),
        or_unknown(date.as_deref())
    )
}

/// What a rule asks, and what it did.
pub(crate) fn rule(ruled: &Ruled) -> String {
    let asks = match &ruled.rule {
        None => "not in the last configuration".to_owned(),
        Some(rule) => format!("{}: {}", rule.state().as_str(), rule.says()),
    };
    let did = |evidence: &Option<Evidence>| evidence.as_ref().map_or(0, |seen| seen.requests);
    let mut text = format!("`{}` ({asks}): {} refused", ruled.id, requests(did(&ruled.refused)));
    if ruled.shadow.is_some() {
        text += &format!(
            "; in shadow it would have kept {} from an upstream",
            requests(did(&ruled.shadow))
        );
    }
    text + "."
}

/// What a line stands on.
pub(crate) fn proof(proof: &Proof) -> String {
    match proof {
        Proof::Configuration { hash } => format!("configuration {hash}"),
        Proof::Store { name } => format!("data directory: {}", plain(name)),
        Proof::Decisions(Evidence { first, last, .. }) => {
            let name = |decision: &Decision| {
                decision.request_id.map_or_else(|| "counted".to_owned(), |id| id.to_string())
            };
            if first.sequence == last.sequence {
                return format!(
                    "ledger record {} ({}, {})",
                    first.sequence,
                    name(first),
                    second(first.at)
                );
            }
            format!(
                "ledger records {} to {} ({} to {}; {} to {})",
                first.sequence,
                last.sequence,
                name(first),
                name(last),
                second(first.at),
                second(last.at)
            )
        }
    }
}
