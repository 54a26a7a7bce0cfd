//! What is not known, and what would make it known. Nothing that the answers
//! leave open may be missing here.

use surgewall_core::config::data::{Statement, Status, TrainsOnData};
use surgewall_store::ledger::read::DataFlow;

use super::kept::Kept;
use super::parties::{Behind, Model, Recipient, Terms};
use super::report::{Proof, Unknown};
use super::stores::Stores;
use crate::show::dataflow::words;

/// Everything that is not known.
pub(super) fn unknown(
    flow: &DataFlow,
    kept: &Kept,
    stores: &Stores,
    recipients: &[Recipient],
    models: &[Model],
) -> Vec<Unknown> {
    let mut list = Vec::new();
    list.extend(recipients.iter().filter_map(recipient));
    operator(kept, &mut list);
    decisions(flow, &mut list);
    classified(flow, kept, &mut list);
    list.extend(models.iter().filter_map(model));
    for name in &stores.strange {
        list.push(Unknown {
            what: format!(
                "What `{name}` in the data directory holds: this version does not know it."
            ),
            to_know: "Ask the Surgewall that wrote it, or move it elsewhere.".to_owned(),
            evidence: vec![Proof::Store { name: name.clone() }],
        });
    }
    always(recipients, &mut list);
    list
}

/// What the configuration does not say of somebody who was given requests.
fn recipient(recipient: &Recipient) -> Option<Unknown> {
    let Recipient { to, behind, evidence, configurations, .. } = recipient;
    let upstream = &to.upstream;
    let (what, to_know) = match behind {
        Behind::BuiltIn => return None,
        Behind::Gone => (
            format!(
                "Who stood behind upstream `{upstream}` for {}: the configuration that they ran under is no longer kept, or cannot be read.",
                words::requests(evidence.requests)
            ),
            "The last 50 configurations are kept: make this report more often, or find the file of this hash in a backup.".to_owned(),
        ),
        Behind::Declared(terms) => {
            let lacking = lacking(to.region.is_none(), terms);
            if lacking.is_empty() {
                return None;
            }
            let (names, keys): (Vec<_>, Vec<_>) = lacking.into_iter().unzip();
            (
                format!(
                    "Of upstream `{upstream}` at {}, which was given {}: {}.",
                    terms.endpoints.join(", "),
                    words::requests(evidence.requests),
                    names.join(", ")
                ),
                format!("Set {} on its [[upstream]].", keys.join(", ")),
            )
        }
    };
    let mut proof = vec![Proof::Decisions(evidence.clone())];
    proof.extend(configurations.iter().map(|hash| Proof::configuration(hash)));
    Some(Unknown { what, to_know, evidence: proof })
}

/// What is not declared, and by which key it would be.
fn lacking(no_region: bool, terms: &Terms) -> Vec<(&'static str, &'static str)> {
    let checks = [
        (terms.provider.is_none(), "the provider", "provider"),
        (terms.legal_entity.is_none(), "the legal entity", "legal_entity"),
        (no_region, "the region", "region"),
        (terms.retention_days.is_none(), "how long data is kept there", "retention_days"),
        (
            terms.trains_on_data == TrainsOnData::Unknown,
            "whether models are trained on it",
            "trains_on_data",
        ),
        (terms.terms_source.is_none(), "where its terms were read", "terms_source and terms_date"),
    ];
    checks.into_iter().filter(|(is, ..)| *is).map(|(_, name, key)| (name, key)).collect()
}

/// What the operator does not say.
fn operator(kept: &Kept, list: &mut Vec<Unknown>) {
    let (hash, config) = &kept.last;
    let data = &config.data;
    let checks = [
        (data.controller.is_none(), "Who answers for the processing", "controller"),
        (data.contact.is_none(), "Whom people ask about their data", "contact"),
        (data.purposes.is_empty(), "For which purposes data is processed", "purposes"),
        (data.legal_basis.is_none(), "On which legal basis", "legal_basis"),
        (data.region.is_none(), "Where this door and its data directory are", "region"),
        (
            data.retention.is_none(),
            "Whether backups, exports and logs of this door are kept, where and for how long",
            "retention",
        ),
    ];
    for (_, what, key) in checks.into_iter().filter(|(is, ..)| *is) {
        list.push(Unknown {
            what: format!("{what}."),
            to_know: format!("Set {key} in [data]."),
            evidence: vec![Proof::configuration(hash)],
        });
    }
}

/// What the ledger does not tell.
fn decisions(flow: &DataFlow, list: &mut Vec<Unknown>) {
    let cases = [
        (
            &flow.lost,
            "Who was given {}: they were open when the door died.",
            "The logs of the model servers name them by `x-request-id`.",
        ),
        (
            &flow.open,
            "Who was given {}: they have not ended, or their end is no longer in the ledger.",
            "Make this report again when they have ended.",
        ),
    ];
    for (evidence, what, to_know) in cases {
        let Some(evidence) = evidence else { continue };
        list.push(Unknown {
            what: what.replace("{}", &words::requests(evidence.requests)),
            to_know: to_know.to_owned(),
            evidence: vec![Proof::Decisions(evidence.clone())],
        });
    }
    if flow.left_out > 0 {
        list.push(Unknown {
            what: format!("{} entries that are too many for one report.", flow.left_out),
            to_know: "Make it for a shorter time, with --since and --until.".to_owned(),
            evidence: Vec::new(),
        });
    }
    for note in flow.notes.iter().chain(flow.findings.iter().map(|finding| &finding.evidence)) {
        list.push(Unknown {
            what: format!("What the ledger no longer tells: {note}."),
            to_know: "Look into a backup of the data directory, with --data-dir.".to_owned(),
            evidence: vec![Proof::Store { name: "ledger".to_owned() }],
        });
    }
}

/// What was not looked for in requests.
fn classified(flow: &DataFlow, kept: &Kept, list: &mut Vec<Unknown>) {
    for (hash, evidence) in &flow.configs {
        let (what, to_know) = match kept.configs.get(hash).and_then(Option::as_ref) {
            Some(config) if config.data.classify => continue,
            Some(_) => (
                "Which data was in {}: nothing looked for it.",
                "Set data.classify = true; for these it is too late.",
            ),
            None => (
                "Whether data was looked for in {}: the configuration that they ran under is no longer kept, or cannot be read.",
                "Make this report more often, or find the file of this hash in a backup.",
            ),
        };
        list.push(Unknown {
            what: what.replace("{}", &words::requests(evidence.requests)),
            to_know: to_know.to_owned(),
            evidence: vec![Proof::Decisions(evidence.clone()), Proof::configuration(hash)],
        });
    }
    if let Some(evidence) = &flow.media {
        list.push(Unknown {
            what: format!(
                "What the images, audio or documents of {} show.",
                words::requests(evidence.requests)
            ),
            to_know: "Nothing in this version looks into them.".to_owned(),
            evidence: vec![Proof::Decisions(evidence.clone())],
        });
    }
}

/// What a passport does not say.
fn model(model: &Model) -> Option<Unknown> {
    let is_open = |(_, statement): &(&str, &Statement)| statement.status == Status::Unknown;
    let open: Vec<_> =
        model.statements().into_iter().filter(is_open).map(|(name, _)| name).collect();
    if open.is_empty() {
        return None;
    }
    let to_know = if model.model.starts_with("hash:") {
        "List it in `models` of its [[upstream]]: the name was the client's own word, and only its keyed hash is kept. Then add a [[passport]].".to_owned()
    } else {
        format!("Add a [[passport]] with model = \"{}\".", model.model)
    };
    Some(Unknown {
        what: format!("Of model `{}`: {}.", model.model, open.join(", ")),
        to_know,
        evidence: vec![Proof::Decisions(model.evidence.clone())],
    })
}

/// What no configuration can make known.
fn always(recipients: &[Recipient], list: &mut Vec<Unknown>) {
    list.push(Unknown {
        what: "Names, addresses, health, opinions and whatever else no rule can tell from a text alone: nothing looks for them.".to_owned(),
        to_know: "Assume that prompts and answers hold them.".to_owned(),
        evidence: Vec::new(),
    });
    let leaves = |recipient: &&Recipient| !matches!(recipient.behind, Behind::BuiltIn);
    if recipients.iter().any(|recipient| leaves(&recipient)) {
        list.push(Unknown {
            what: "To whom the recipients pass data on, and whether they keep their terms: the door sees its own connections only.".to_owned(),
            to_know: "Ask them for their list of sub-processors and for an audit.".to_owned(),
            evidence: Vec::new(),
        });
    }
}
