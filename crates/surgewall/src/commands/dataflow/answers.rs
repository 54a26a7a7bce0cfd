//! The answers to the five questions, as far as there are any.

use surgewall_core::config::Config;
use surgewall_core::config::schema::RecordTraffic;
use surgewall_core::figures::{bytes, count};
use surgewall_store::ledger::read::{DataFlow, Evidence, Source};

use super::kept::Kept;
use super::parties::{Behind, Collector, Recipient};
use super::report::{Line, Proof, Section};
use super::stores::{Keeps, Known, Stores};
use crate::show::dataflow::words;

/// The five questions, with their answers.
pub(super) fn questions(
    flow: &DataFlow,
    kept: &Kept,
    stores: &Stores,
    recipients: &[Recipient],
    collectors: &[Collector],
) -> Vec<Section> {
    vec![
        Section { title: "1. Which personal data is processed?", lines: categories(flow, kept) },
        Section { title: "2. From which sources does it come?", lines: sources(flow) },
        Section {
            title: "3. For which purposes, and on which legal basis?",
            lines: purposes(kept),
        },
        Section {
            title: "4. Where is it stored, and for how long?",
            lines: stored(kept, stores, recipients),
        },
        Section { title: "5. Who receives it?", lines: received(recipients, collectors) },
    ]
}

/// `12 of 340 requests`.
fn of(evidence: &Evidence, all: &Evidence) -> String {
    format!("{} of {}", count(evidence.requests), words::requests(all.requests))
}

fn categories(flow: &DataFlow, kept: &Kept) -> Vec<Line> {
    let people = |name: &str, number: u64, what: &str| {
        let says = format!("{what}: {}.", crate::show::count(number, name));
        Line::new(says, vec![Proof::Store { name: "door.sqlite".to_owned() }])
    };
    let Some(all) = &flow.requests else {
        return vec![people("account", kept.accounts, "E-mail addresses or names of accounts")];
    };
    let mut lines = vec![Line::on(
        format!(
            "Prompts and answers, with whatever people write in them: {}.",
            words::requests(all.requests)
        ),
        all,
    )];
    for (class, evidence) in &flow.classes {
        let says = format!("{}, found in the text of {}.", words::class(*class), of(evidence, all));
        lines.push(Line::on(says, evidence));
    }
    for (class, evidence) in &flow.redacted {
        let says = format!(
            "{}, taken out of {} before an upstream was given them.",
            words::class(*class),
            of(evidence, all)
        );
        lines.push(Line::on(says, evidence));
    }
    if let Some(evidence) = &flow.media {
        let says = format!(
            "Images, audio or documents, in {}: nothing looks into these.",
            of(evidence, all)
        );
        lines.push(Line::on(says, evidence));
    }
    lines.push(Line::on(
        "Network addresses of callers, shortened to a /24 (IPv4) or /48 (IPv6), in every decision.",
        all,
    ));
    if let Some(evidence) = flow.sources.get(&Source::EndUser) {
        let says = format!(
            "Names of end users that keys send, in {}: kept as a keyed hash, passed on as they came.",
            of(evidence, all)
        );
        lines.push(Line::on(says, evidence));
    }
    lines.push(people("account", kept.accounts, "E-mail addresses or names of accounts"));
    lines.push(people("key", kept.keys, "Names of keys"));
    lines
}

fn sources(flow: &DataFlow) -> Vec<Line> {
    let Some(all) = &flow.requests else {
        return vec![Line::new("No request ended in this period.", Vec::new())];
    };
    let mut lines: Vec<_> = flow
        .sources
        .iter()
        .map(|(source, evidence)| {
            Line::on(format!("{}: {}.", words::source(*source), of(evidence, all)), evidence)
        })
        .collect();
    for (route, evidence) in &flow.routes {
        lines.push(Line::on(
            format!("By the API route `{route}`: {}.", of(evidence, all)),
            evidence,
        ));
    }
    lines
}

fn purposes(kept: &Kept) -> Vec<Line> {
    let (hash, config) = &kept.last;
    let data = &config.data;
    let line = |says: String| Line::new(says, vec![Proof::configuration(hash)]);
    let mut lines = Vec::new();
    for (what, text) in [("Controller", &data.controller), ("Contact", &data.contact)] {
        lines.push(line(format!("{what}: {}.", words::or_unknown(text.as_deref()))));
    }
    if data.purposes.is_empty() {
        lines.push(line("Purposes: UNKNOWN.".to_owned()));
    }
    lines.extend(data.purposes.iter().map(|purpose| line(format!("Purpose: {purpose}."))));
    lines.push(line(format!("Legal basis: {}.", words::or_unknown(data.legal_basis.as_deref()))));
    lines
}

fn stored(kept: &Kept, stores: &Stores, recipients: &[Recipient]) -> Vec<Line> {
    let (hash, config) = &kept.last;
    let proof = || vec![Proof::configuration(hash)];
    let region = words::or_unknown(config.data.region.as_deref());
    let mut lines = vec![Line::new(
        format!("This door and its data directory are in the region {region}."),
        proof(),
    )];
    lines.extend(stores.known.iter().map(|store| own(store, hash, config)));
    lines.push(Line::new(content(config.vault.record), proof()));
    if let Some(text) = &config.data.retention {
        lines.push(Line::new(format!("Outside of this door: {text}."), proof()));
    }
    lines.extend(recipients.iter().filter_map(|recipient| {
        let Behind::Declared(terms) = &recipient.behind else { return None };
        let says = format!("At `{}`: {}.", recipient.to.upstream, words::kept_for(terms));
        Some(Line::new(says, configurations(&recipient.configurations)))
    }));
    lines
}

/// What becomes of prompts and answers themselves.
const fn content(record: RecordTraffic) -> &'static str {
    match record {
        RecordTraffic::Off => "Prompts and answers: not stored by this door.",
        RecordTraffic::Chat => {
            "Prompts and answers of the web chat: a record, redacted and sealed."
        }
        RecordTraffic::All => "Prompts and answers: a record, redacted and sealed.",
    }
}

fn own(store: &Known, hash: &str, config: &Config) -> Line {
    let Config { ledger, vault, .. } = config;
    let kept_for = match store.keeps {
        Keeps::Ledger => format!(
            "for {} days, or until all of it is {}: the oldest goes first",
            ledger.retention_days,
            bytes(ledger.bytes_max)
        ),
        Keeps::Records => format!(
            "for {} days, or until all of it is {}: the oldest goes first",
            vault.record_retention_days,
            bytes(vault.record_bytes_max)
        ),
        Keeps::Deleted => "until an operator deletes it".to_owned(),
        Keeps::Use => "as long as it is of use".to_owned(),
    };
    let holds = store.holds.unwrap_or_default();
    let says = format!("In this door's `{}`: {holds}; kept {kept_for}.", store.name);
    let name = store.name.to_owned();
    Line::new(says, vec![Proof::Store { name }, Proof::configuration(hash)])
}

fn received(recipients: &[Recipient], collectors: &[Collector]) -> Vec<Line> {
    let mut lines: Vec<_> = recipients.iter().map(recipient).collect();
    for collector in collectors {
        let says = format!(
            "To {} go {}, without content: {} ran while that was configured.",
            collector.endpoint,
            collector.what,
            words::requests(collector.evidence.requests)
        );
        let mut line = Line::on(says, &collector.evidence);
        line.evidence.extend(configurations(&collector.configurations));
        lines.push(line);
    }
    if lines.is_empty() {
        lines.push(Line::new("Nobody was given a request that ended in this period.", Vec::new()));
    }
    lines
}

fn recipient(recipient: &Recipient) -> Line {
    let Recipient { to, behind, evidence, configurations: hashes, .. } = recipient;
    let requests = words::requests(evidence.requests);
    let (says, mut details) = match behind {
        Behind::BuiltIn => {
            let says = format!(
                "The built-in model `{}` answered {requests} inside this door.",
                to.upstream
            );
            (says, Vec::new())
        }
        Behind::Declared(terms) => {
            let says = format!(
                "{} was given {requests}, as upstream `{}`.",
                terms.provider.as_deref().unwrap_or("A provider that is UNKNOWN"),
                to.upstream
            );
            (says, words::terms(terms))
        }
        Behind::Gone => {
            let says = format!(
                "Upstream `{}` was given {requests}; who that was is UNKNOWN.",
                to.upstream
            );
            (says, Vec::new())
        }
    };
    if !matches!(behind, Behind::BuiltIn) {
        details.insert(0, words::regions(to));
    }
    details.push(held(recipient));
    let mut line = Line::on(says, evidence);
    line.details = details;
    line.evidence.extend(configurations(hashes));
    line
}

/// What was in what a recipient was given.
fn held(recipient: &Recipient) -> String {
    let Recipient { classes, media, searched, .. } = recipient;
    let each = classes.iter().map(|(class, requests)| format!("{class} in {}", count(*requests)));
    let media = (*media > 0).then(|| format!("images, audio or documents in {}", count(*media)));
    let all: Vec<_> = each.chain(media).collect();
    let found =
        if all.is_empty() { "nothing that a rule can tell".to_owned() } else { all.join(", ") };
    let searched =
        if *searched { "" } else { "; not all of them were searched, or it is not known" };
    format!("Found in them: {found}{searched}.")
}

fn configurations(hashes: &[String]) -> Vec<Proof> {
    hashes.iter().map(|hash| Proof::configuration(hash)).collect()
}
