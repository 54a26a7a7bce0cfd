//! SIGHUP: the configuration is read again, or the old one stays.

use surgewall_core::clock::Clock;
use surgewall_core::finding::Finding;
use surgewall_gateway::door::Door;
use surgewall_gateway::policy::Policy;
use surgewall_gateway::{gate, serve};
use surgewall_store::admin::Office;
use surgewall_store::people::sealed::keep_config;

use super::inbox;
use crate::commands::check::of_door;
use crate::commands::stored::first_unpriced;
use crate::fault::Fault;
use crate::place::{Loaded, Place};

/// Puts the configuration on disk in force, if it can be meant.
pub(super) async fn reload(place: &Place, door: &Door) {
    match load(place, door).await {
        Ok((hash, findings)) => {
            inbox::reloaded(door, findings).await;
            tracing::info!(config = %hash, "the configuration was read again");
        }
        Err(fault) => {
            inbox::refused(door).await;
            tracing::error!(
                "the configuration was refused and the old one stays\n{}",
                fault.to_string().trim_end()
            );
        }
    }
}

/// The hash of the configuration that is in force now, and what is found in it.
async fn load(place: &Place, door: &Door) -> Result<(String, Vec<Finding>), Fault> {
    let loaded = place.load()?;
    let findings = of_door(place, &loaded);
    let Loaded { config, text, .. } = loaded;
    let office = Office {
        people: door.people.as_ref(),
        directory: &door.directory,
        vault: &door.vault,
        clock: &Clock::System,
        config: &config,
    };
    if let Some(unpriced) = first_unpriced(&office).await? {
        return Err(unpriced.fault());
    }
    let before = door.policy();
    let policy = Policy::new(config.clone(), &text, Some(&before), door.clock.now())?;
    let hash = policy.hash.clone();
    // Decisions carry its hash: it is kept and recorded before the first of them.
    keep_config(door.people.as_ref(), &door.vault, &hash, &text, door.clock.now()).await?;
    door.record_change("config.reload", Some(hash.clone())).await?;
    serve::replace(door, policy)?;
    gate::configured(door).await?;
    Ok((hash, findings))
}
