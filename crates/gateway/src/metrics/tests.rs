//! The metrics, the pages that list them, and the dashboard and rules that use them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use surgewall_core::principal::Class;
use surgewall_shield::admission::capacity::{Health, Load};
use surgewall_shield::admission::gate::{PoolCounts, View};
use surgewall_shield::admission::work::Work;
use surgewall_shield::verdict::{Flow, Judged};

use super::*;
use crate::upstream::Nearness;

/// A folder or file of the repository.
fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[expect(clippy::disallowed_methods, reason = "the repository's own files are no hostile input")]
fn file(path: &str) -> String {
    std::fs::read_to_string(root(path)).unwrap()
}

/// Every metric, with a value.
fn full() -> Metrics {
    let metrics = Metrics::new();
    let now = surgewall_core::clock::Clock::System.monotonic();
    metrics.answered(crate::routes::table::all().next().unwrap(), StatusCode::OK);
    metrics.refused("overloaded");
    metrics.first_byte(now, now);
    let usage = Usage { input: 1, output: 1, ..Usage::default() };
    metrics.settled("double", Outcome::Completed, &usage);
    metrics.upstream_fault("local", UpstreamFault::Connect);
    metrics.server_up("local", true);
    metrics.available.get_or_create(&UpstreamLabel { upstream: "local".to_owned() }).set(1);
    metrics.connection_opened(Purpose::Public);
    metrics.connection_refused("full");
    metrics.shadow_hits(1);
    metrics.rule_hit("eu-only", RuleState::On, true);
    metrics.spans("delivered").inc();
    metrics.usage_implausible();
    metrics.pages.csp_report("img-src");
    metrics.people.passwords(surgewall_identity::hasher::HasherCounts::default());
    metrics.people.letters(surgewall_identity::mail::MailCounts::default());
    metrics.people.answers((1, 0));
    metrics.people.subscribers_told(&[(1, true)]);
    metrics.people.notifications(crate::notify::Fates::default());
    metrics.inbox.open(surgewall_store::findings::OpenFindings::default());
    metrics.gate.signed_up("passed");
    metrics.gate.stands(surgewall_core::gate::GateStep::Open, 0);
    metrics.inbox.events("file", surgewall_store::ocsf::Fates::default());
    let view = View {
        sequences: 4,
        tokens: Some(1),
        running: Load::default(),
        waiting: [Flow::default(); 4],
        queued_bytes: 0,
        health: Health { ttft_ratio: Some(1.0), tpot_ratio: Some(1.0), ..Health::default() },
        output_weight: 2.0,
        work_per_s: Some(1.0),
        mean_work: Some(Work(1)),
        eta_held: Some(1.0),
    };
    metrics.caches.chosen("local", Nearness { known: 1, unread: 1, passed_over: false });
    metrics.caches.reported("local", 1, 1);
    metrics.admission.pool("local", &PoolCounts::default(), &view);
    metrics.admission.turn_came("local", Class::New, Duration::from_secs(1));
    metrics.admission.judged(&Judged::default(), false);
    metrics
}

/// The names in the form that a query has: counters end in `_total`.
fn exported(metrics: &Metrics) -> BTreeSet<String> {
    let mut text = String::new();
    encode(&mut text, &metrics.registry).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let name = |(name, kind)| match kind {
        "counter" => format!("{name}_total"),
        _ => String::from(name),
    };
    types.map(name).collect()
}

/// Every `surgewall_...` in `text`; of a histogram its own name. What a log
/// filter names is no metric.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let words = words.filter(|word| word.starts_with("surgewall_"));
    let whole = |word: &str| {
        let part = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
        part.unwrap_or(word).to_owned()
    };
    words.filter(|word| *word != "surgewall_gateway").map(whole).collect()
}

#[test]
fn the_sample_has_a_value_for_every_metric_that_is_registered() {
    let metrics = full();
    let registered = format!("{:?}", metrics.registry).matches("Descriptor {").count();
    assert_eq!(exported(&metrics).len(), registered, "{:?}", exported(&metrics));
}

#[test]
fn the_page_lists_every_metric_and_no_other() {
    let page = file("docs/operations.md");
    let listed = page.lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next());
    let listed: BTreeSet<_> =
        listed.filter(|name| name.starts_with("surgewall_")).map(str::to_owned).collect();
    assert_eq!(listed, exported(&full()));
}

#[test]
fn whatever_else_names_a_metric_names_one_that_is_there() {
    let exported = exported(&full());
    let mut paths = vec![
        "deploy/grafana/surgewall.json".to_owned(),
        "deploy/prometheus/surgewall.rules.yml".to_owned(),
        "deploy/prometheus/surgewall.rules.test.yml".to_owned(),
        "README.md".to_owned(),
    ];
    for page in std::fs::read_dir(root("docs")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        paths.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    for path in &paths {
        let named = named(&file(path));
        assert!(!path.starts_with("deploy/") || !named.is_empty(), "{path}");
        let missing: Vec<_> = named.difference(&exported).collect();
        assert!(missing.is_empty(), "{path} names {missing:?}, and no such metric is exported");
    }
}

#[test]
fn the_dashboard_and_the_rules_look_at_the_words_that_labels_have() {
    let text = file("deploy/grafana/surgewall.json").replace("\\\"", "\"")
        + &file("deploy/prometheus/surgewall.rules.yml");
    let words = |label: &str| -> BTreeSet<String> {
        let label = format!("{label}=");
        let parts = text.split(&label).skip(1);
        let quoted = parts.filter_map(|part| part.trim_start_matches('~').split('"').nth(1));
        quoted.flat_map(|words| words.split('|')).map(str::to_owned).collect()
    };
    let verdicts = surgewall_core::incident::Verdict::ALL.map(|verdict| verdict.as_str());
    let decisions = ["offered", "admitted", "queued", "refused", "left"];
    let classes = Class::ALL.map(Class::as_str);
    for (label, known) in
        [("verdict", &verdicts[..]), ("decision", &decisions), ("class", &classes)]
    {
        let used = words(label);
        assert!(!used.is_empty(), "{label}");
        for word in used {
            assert!(known.contains(&word.as_str()), "{label}={word}");
        }
    }
}
