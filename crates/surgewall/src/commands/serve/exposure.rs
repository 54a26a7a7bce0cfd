//! Looking for open services while the door runs: at its start and then at
//! intervals, in the background, for its inbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use surgewall_gateway::door::Door;
use surgewall_gateway::serve::Listening;
use surgewall_store::findings::Report;
use tokio::time::sleep;

use super::inbox;
use crate::commands::exposure::own;

/// Who looks.
const EXPOSURE: &str = "exposure";
/// Between two looks at whether it is time.
const TICK: Duration = Duration::from_secs(60);

/// Looks as long as the door runs.
pub(super) fn watch(listening: &Listening) {
    let door = listening.door().clone();
    let ports = [listening.public, listening.admin, listening.status].map(|at| at.port());
    door.tasks.clone().background(async move { look(&door, &ports).await });
}

async fn look(door: &Arc<Door>, ports: &[u16]) {
    let mut last: Option<(Instant, String)> = None;
    loop {
        let policy = door.policy();
        let now = door.clock.monotonic();
        // Under another configuration nothing was looked at yet.
        let same = last.as_ref().filter(|(_, hash)| *hash == policy.hash);
        if is_due(policy.config.exposure.interval_h, same.map(|(last, _)| now - *last)) {
            last = Some((now, policy.hash.clone()));
            let seen = own(&policy.config, ports).await;
            let unsure = seen.unsure().map(str::to_owned).collect();
            inbox::report(door, Report::new(EXPOSURE, seen.findings).unsure(unsure)).await;
        }
        drop(policy);
        sleep(TICK).await;
    }
}

/// Whether it is time for a look, `since` the last one.
fn is_due(interval_h: u32, since: Option<Duration>) -> bool {
    let interval = Duration::from_secs(u64::from(interval_h) * 3_600);
    interval_h > 0 && since.is_none_or(|since| since >= interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_the_start_and_after_each_interval() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
        for (interval_h, since, due) in [
            (24, None, true),
            (24, hours(23), false),
            (24, hours(24), true),
            (1, hours(2), true),
            (0, None, false),
            (0, hours(1_000), false),
        ] {
            assert_eq!(is_due(interval_h, since), due, "{interval_h} {since:?}");
        }
    }
}
