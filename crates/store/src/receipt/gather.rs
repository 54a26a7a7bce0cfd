//! What a receipt says, gathered: one walk over the ledger, the configuration
//! that the decision names, the proof, the signature.

use surgewall_core::clock::Timestamp;
use surgewall_core::config::data::Passport;
use surgewall_core::config::{self, Config, schema};
use surgewall_core::decision::{Admitted, Changed, Record, Settled, Who};
use surgewall_core::digest::hex;
use surgewall_core::flow::Destination;
use surgewall_core::id::RequestId;
use surgewall_core::principal::matches_model;
use surgewall_core::subject::Subject;

use super::{
    ACCESSES_MAX, Access, Carried, Hop, Kept, Known, Model, RECEIPT_FORMAT, RECEIPT_PURPOSE,
    Receipt, ReceiptError, Upstream, canonical,
};
use crate::datadir::DataDir;
use crate::export::ACCESSES;
use crate::ledger::read::{PROVEN_RECORDS_MAX, ProofError, export, prove_records};
use crate::people::sealed::open_config;
use crate::people::{People, Pick};
use crate::vault::Vault;

/// The built-in upstream.
const HANDBOOK: &str = "handbook";

/// Which receipt is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of this request.
    pub request: RequestId,
    /// Who asks for it: a person gets their own only. `None` is the operator.
    pub by: Option<Subject>,
    /// Now.
    pub now: Timestamp,
}

/// The receipt of one request. It reads the ledger, beside a running door or
/// without one, from its first record to its last: call it off the path of requests.
///
/// # Errors
/// There is no such request, or it is somebody else's, or its records are not
/// covered by a checkpoint yet (a running door signs one within five seconds).
pub async fn of<P: People>(
    people: &P,
    vault: &Vault,
    data: &DataDir,
    wanted: Wanted,
) -> Result<Receipt, ReceiptError> {
    let mut found = Found::default();
    if data.ledger().exists() {
        export(&data.ledger(), vault, |sequence, record| {
            found.take(wanted.request, sequence, record);
        })?;
    }
    let admitted = found.admitted.take().ok_or(ReceiptError::NotFound)?;
    let (subject, whose) = whose(people, &admitted.who).await?;
    if wanted.by.is_some_and(|by| by != subject) {
        return Err(ReceiptError::NotFound);
    }
    if found.records.len() > PROVEN_RECORDS_MAX {
        return Err(ProofError::TooMany.into());
    }
    let config = configuration(people, vault, &admitted.config).await?;
    let config = config.as_ref();
    let settled = found.settled.take();
    let since = admitted.at;
    let accesses = found
        .changes
        .into_iter()
        .filter(|(_, changed)| changed.at >= since && changed.subject.as_ref() == Some(&whose));
    let accesses = accesses
        .map(|(record, Changed { at, action, .. })| Access { at, action, record })
        .take(ACCESSES_MAX)
        .collect();
    let receipt = Receipt {
        format: RECEIPT_FORMAT,
        store: data.store_id().to_string(),
        issued_at: wanted.now,
        request_id: wanted.request,
        whose,
        admitted_at: admitted.at,
        ended_at: settled.as_ref().map(|settled| settled.at),
        outcome: settled.as_ref().map(|settled| settled.outcome),
        carried: Carried {
            searched: config.map(|config| config.data.classify),
            classes: admitted.carried.classes,
            redacted: admitted.carried.redacted,
            media: admitted.carried.media,
        },
        model: model(config, admitted.model),
        hops: settled.map(|settled| hops(config, &settled)),
        kept: config.map(kept),
        accesses,
        config: admitted.config,
        ledger: prove_records(data, vault, found.records)?,
        signature: String::new(),
    };
    signed(receipt, vault)
}

/// With the store's signature.
fn signed(receipt: Receipt, vault: &Vault) -> Result<Receipt, ReceiptError> {
    let mut value = serde_json::to_value(&receipt)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("signature");
    }
    let signature = vault.sign(RECEIPT_PURPOSE, canonical::text(&value).as_bytes());
    Ok(Receipt { signature: hex(&signature), ..receipt })
}

/// What the ledger says of one request, and of looks at people.
#[derive(Default)]
struct Found {
    admitted: Option<Admitted>,
    settled: Option<Settled>,
    /// The numbers of the request's own records.
    records: Vec<u64>,
    changes: Vec<(u64, Changed)>,
}

impl Found {
    fn take(&mut self, wanted: RequestId, sequence: u64, record: Record) {
        match record {
            Record::Admitted(admitted) if admitted.request_id == wanted => {
                self.admitted = Some(*admitted);
            }
            Record::Settled(settled) if settled.request_id == wanted => {
                self.settled = Some(*settled);
            }
            // Whose look it was is known only when the request was found: it may come later.
            Record::Changed(changed)
                if self.admitted.is_some() && ACCESSES.contains(&changed.action.as_str()) =>
            {
                self.changes.push((sequence, changed));
                return;
            }
            _ => return,
        }
        self.records.push(sequence);
    }
}

/// Whose request it is, and how that is shown.
async fn whose<P: People>(people: &P, who: &Who) -> Result<(Subject, String), ReceiptError> {
    if let Some(user) = who.user {
        return Ok((Subject::Delegated(user), user.to_string()));
    }
    if let Some(account) = who.account {
        let rows = people.accounts(&Pick::Ids(vec![account.as_u128()])).await?;
        let shown = rows.first().map(|row| row.public_id.to_string());
        return Ok((Subject::Account(account), shown.unwrap_or_else(|| "gone".to_owned())));
    }
    if let Some(key) = who.key {
        let rows = people.keys(&Pick::Ids(vec![key.as_u128()])).await?;
        let shown = rows.first().map(|row| row.public_id.to_string());
        return Ok((Subject::Key(key), shown.unwrap_or_else(|| "gone".to_owned())));
    }
    Ok((Subject::Strangers, "anonymous".to_owned()))
}

/// The configuration that a decision names, where it is kept and can be read.
async fn configuration<P: People>(
    people: &P,
    vault: &Vault,
    hash: &str,
) -> Result<Option<Config>, ReceiptError> {
    let kept = people.configs().await?;
    let row = kept.iter().find(|row| row.hash == hash);
    let text = row.and_then(|row| open_config(vault, row).ok());
    Ok(text.and_then(|text| config::parse("(kept)", &text).ok()))
}

fn model(config: Option<&Config>, id: String) -> Model {
    let passports = config.map(|config| config.passport.as_slice()).unwrap_or_default();
    let fitting = passports.iter().filter(|passport| matches_model(&passport.model, &id));
    let passport = fitting.max_by_key(|passport: &&Passport| passport.model.len());
    Model { passport: passport.map(Known::from), id }
}

fn kept(config: &Config) -> Kept {
    Kept {
        records: config.vault.record,
        record_days: config.vault.record_retention_days,
        ledger_days: config.ledger.retention_days,
    }
}

/// Everybody who was given the request, in the order in which they were.
fn hops(config: Option<&Config>, settled: &Settled) -> Vec<Hop> {
    let data = config.map(|config| &config.data);
    let door = Hop::Door {
        controller: data.and_then(|data| data.controller.clone()),
        contact: data.and_then(|data| data.contact.clone()),
        region: data.and_then(|data| data.region.clone()),
    };
    // The ledger has the last one first, and then those before it in their order.
    let mut given: Vec<_> = settled.went.destinations(settled.upstream.as_deref()).collect();
    if !given.is_empty() && !settled.went.unsent && settled.upstream.is_some() {
        given.rotate_left(1);
    }
    let given = given.into_iter().map(|to| {
        let sections = config.map(|config| config.upstream.as_slice()).unwrap_or_default();
        let section = sections.iter().find(|section| section.name == to.upstream);
        Hop::Upstream(Box::new(upstream(section, to)))
    });
    std::iter::once(door).chain(given).collect()
}

fn upstream(section: Option<&schema::Upstream>, to: Destination) -> Upstream {
    let own = |text: fn(&schema::Upstream) -> &Option<String>| {
        section.and_then(|section| text(section).clone())
    };
    let provided = section.filter(|section| section.provider.is_some());
    let endpoints = provided.map(|section| {
        let servers = section.servers.iter().map(|server| &server.url);
        section.url.iter().chain(servers).cloned().collect()
    });
    Upstream {
        built_in: to.upstream == HANDBOOK,
        provider: own(|section| &section.provider),
        legal_entity: own(|section| &section.legal_entity),
        endpoints: endpoints.unwrap_or_default(),
        region: to.region,
        observed: to.observed,
        retention_days: section.and_then(|section| section.retention_days),
        trains_on_data: section.map(|section| section.trains_on_data),
        terms_source: own(|section| &section.terms_source),
        terms_date: own(|section| &section.terms_date),
        name: to.upstream,
    }
}
