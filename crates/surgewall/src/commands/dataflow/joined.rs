//! Decisions joined with the configurations that they name by hash: who stands
//! behind an upstream, and what is known of a model.

use std::collections::BTreeMap;

use surgewall_core::config::Config;
use surgewall_core::config::data::{Passport, Rule, Statement};
use surgewall_core::config::schema::Upstream;
use surgewall_core::flow::Destination;
use surgewall_core::principal::matches_model;
use surgewall_store::ledger::read::{DataFlow, Evidence, Flow};

use super::kept::Kept;
use super::parties::{Behind, Collector, Model, Recipient, Ruled, Terms};

/// The built-in model, and its upstream.
const HANDBOOK: &str = "handbook";

/// Who was given requests: flows that say the same of the same upstream are one.
pub(super) fn recipients(flow: &DataFlow, kept: &Kept) -> Vec<Recipient> {
    let mut found: Vec<Recipient> = Vec::new();
    for flow in &flow.flows {
        let behind = behind(flow, kept);
        let same = |known: &&mut Recipient| known.to == flow.to && known.behind == behind;
        match found.iter_mut().find(same) {
            Some(known) => {
                add(known, flow);
                known.searched &= is_searched(flow, kept);
            }
            None => found.push(Recipient {
                to: flow.to.clone(),
                behind,
                evidence: flow.evidence.clone(),
                classes: flow.classes.clone(),
                media: flow.media,
                searched: is_searched(flow, kept),
                configurations: vec![flow.config.clone()],
            }),
        }
    }
    found.sort_by(|a, b| a.to.cmp(&b.to).then(a.evidence.first.at.cmp(&b.evidence.first.at)));
    found
}

fn add(to: &mut Recipient, flow: &Flow) {
    to.evidence.join(&flow.evidence);
    to.media += flow.media;
    for (class, requests) in &flow.classes {
        *to.classes.entry(*class).or_default() += requests;
    }
    to.configurations.push(flow.config.clone());
}

/// Whether it is known that the text of `flow` was searched.
fn is_searched(flow: &Flow, kept: &Kept) -> bool {
    let config = kept.configs.get(&flow.config).and_then(Option::as_ref);
    config.is_some_and(|config| config.data.classify)
}

fn behind(flow: &Flow, kept: &Kept) -> Behind {
    let Destination { upstream, .. } = &flow.to;
    if upstream == HANDBOOK {
        return Behind::BuiltIn;
    }
    let section = |config: &Config| config.upstream.iter().find(|s| s.name == *upstream).cloned();
    match kept.configs.get(&flow.config) {
        Some(Some(config)) => section(config).map_or(Behind::Gone, |s| Behind::Declared(terms(s))),
        Some(None) | None => Behind::Gone,
    }
}

fn terms(section: Upstream) -> Terms {
    let servers = section.servers.into_iter().map(|server| server.url);
    Terms {
        provider: section.provider,
        legal_entity: section.legal_entity,
        endpoints: section.url.into_iter().chain(servers).collect(),
        retention_days: section.retention_days,
        trains_on_data: section.trains_on_data,
        terms_source: section.terms_source,
        terms_date: section.terms_date,
    }
}

/// Who was told of the period's requests, without their content.
pub(super) fn collectors(flow: &DataFlow, kept: &Kept) -> Vec<Collector> {
    let mut found: BTreeMap<(&str, String), Collector> = BTreeMap::new();
    for (hash, evidence) in &flow.configs {
        let config = kept.configs.get(hash).and_then(Option::as_ref);
        for (what, endpoint) in config.into_iter().flat_map(told) {
            found
                .entry((what, endpoint.clone()))
                .and_modify(|known| {
                    known.evidence.join(evidence);
                    known.configurations.push(hash.clone());
                })
                .or_insert_with(|| Collector {
                    what,
                    endpoint,
                    evidence: evidence.clone(),
                    configurations: vec![hash.clone()],
                });
        }
    }
    found.into_values().collect()
}

/// Whom a door under `config` tells what.
fn told(config: &Config) -> Vec<(&'static str, String)> {
    const EVENTS: &str = "decisions and findings as events";
    let telemetry = &config.telemetry;
    let traces = telemetry.otlp_endpoint.iter().map(|to| ("traces", format!("the collector {to}")));
    let file = telemetry.ocsf_file.iter().map(|to| (EVENTS, format!("the file {}", to.display())));
    let syslog = telemetry.syslog.iter();
    let syslog = syslog.map(|to| (EVENTS, format!("the syslog server {}", to.address)));
    traces.chain(file).chain(syslog).collect()
}

/// Each model that was used, with its passport in the configuration that was in force last.
pub(super) fn models(flow: &DataFlow, kept: &Kept) -> Vec<Model> {
    let passports = &kept.last.1.passport;
    let model = |(name, evidence): (&String, &Evidence)| {
        let fitting = passports.iter().filter(|passport| matches_model(&passport.model, name));
        let passport = fitting.max_by_key(|passport| passport.model.len());
        Model::new(name, evidence, passport)
    };
    let used = flow.models.iter().filter(|(name, _)| *name != HANDBOOK);
    used.map(model).collect()
}

/// Each rule of the configuration that was in force last, and those
/// that refused requests and are gone.
pub(super) fn rules(flow: &DataFlow, kept: &Kept) -> Vec<Ruled> {
    let mut found: Vec<_> = kept.last.1.rule.iter().filter_map(|rule| ruled(flow, rule)).collect();
    let refused = flow.refused.keys().flatten();
    for id in refused.chain(flow.shadow.keys()) {
        if !found.iter().any(|rule| rule.id == *id) {
            found.push(Ruled {
                id: id.clone(),
                rule: None,
                refused: flow.refused.get(&Some(id.clone())).cloned(),
                shadow: flow.shadow.get(id).cloned(),
            });
        }
    }
    found
}

fn ruled(flow: &DataFlow, rule: &Rule) -> Option<Ruled> {
    // Where the service is offered is no question of where data goes.
    if let Rule::Availability(_) = rule {
        return None;
    }
    Some(Ruled {
        id: rule.id().to_owned(),
        rule: Some(rule.clone()),
        refused: flow.refused.get(&Some(rule.id().to_owned())).cloned(),
        shadow: flow.shadow.get(rule.id()).cloned(),
    })
}

impl Model {
    fn new(name: &str, evidence: &Evidence, passport: Option<&Passport>) -> Self {
        let said = |statement: fn(&Passport) -> &Statement| {
            passport.map_or_else(Statement::default, |passport| statement(passport).clone())
        };
        Self {
            model: name.to_owned(),
            evidence: evidence.clone(),
            passport: passport.map(|passport| passport.model.clone()),
            maker: said(|passport| &passport.maker),
            licence: said(|passport| &passport.licence),
            training_data: said(|passport| &passport.training_data),
            weights: said(|passport| &passport.weights),
        }
    }
}
