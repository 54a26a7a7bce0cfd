//! What the door finds about itself goes into its inbox. Whatever looks on a
//! schedule reports by [`Door::report`] in the same way.

use surgewall_core::finding::{Finding, Severity};
use surgewall_gateway::door::Door;
use surgewall_store::findings::Report;

/// Who looks at the configuration in force.
const CONFIG: &str = "config";
/// Who looks at whether it could be read again.
const RELOAD: &str = "reload";

/// At the start: counts what is stored, and reports what is found in the
/// configuration that the door started with.
pub(super) async fn begin(door: &Door, findings: Vec<Finding>) {
    if let Err(error) = door.findings.count().await {
        tracing::error!(%error, "the findings could not be counted");
    }
    reloaded(door, findings).await;
}

/// A configuration was put in force, and this is found in it.
pub(super) async fn reloaded(door: &Door, findings: Vec<Finding>) {
    report(door, Report::new(CONFIG, findings)).await;
    report(door, Report::new(RELOAD, Vec::new())).await;
}

/// The configuration on disk was refused: the one before it is in force. Its own
/// text may quote the file, so it stays in the log.
pub(super) async fn refused(door: &Door) {
    let refused = Finding::new(Severity::Warning, "config.reload", "configuration")
        .evidence("The file was changed and refused: the door runs under the configuration before it, and would not start again.")
        .advice("`surgewall check config` says what is wrong with it.");
    report(door, Report::new(RELOAD, vec![refused])).await;
}

/// The door goes on also where its inbox does not.
pub(super) async fn report(door: &Door, report: Report) {
    let producer = report.producer;
    if let Err(error) = door.report(report).await {
        tracing::error!(%error, producer, "findings could not be put into the inbox");
    }
}
