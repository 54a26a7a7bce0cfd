//! The configuration is read again, or an earlier one put in force; else the
//! one that is there stays.

use futures_util::future::BoxFuture;
use surgewall_core::clock::Clock;
use surgewall_core::config;
use surgewall_core::finding::Finding;
use surgewall_gateway::door::{Door, Program};
use surgewall_gateway::policy::Policy;
use surgewall_gateway::{gate, notify, serve};
use surgewall_store::admin::Office;
use surgewall_store::ledger::read::Story;
use surgewall_store::people::sealed::keep_config;

use super::inbox;
use crate::commands::check::of_door;
use crate::commands::stored::first_unpriced;
use crate::fault::Fault;
use crate::place::{Loaded, Place};
use crate::show;

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

/// What the admin page asks of the program around the door.
pub(super) struct Around {
    /// Where the door works.
    pub(super) place: Place,
}

impl Program for Around {
    fn tell(&self, story: &Story) -> String {
        show::incident::text(story)
    }

    fn put_in_force<'a>(
        &'a self,
        door: &'a Door,
        text: &'a str,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let restored = restore(&self.place, door, text).await;
            restored.map_err(|fault| fault.to_string())
        })
    }
}

/// Puts an earlier configuration in force.
async fn restore(place: &Place, door: &Door, text: &str) -> Result<(), Fault> {
    let config = config::parse("the kept configuration", text)?;
    let loaded = Loaded { config, text: text.to_owned(), file: place.config_file() };
    let (hash, findings) = put_in_force(place, door, loaded, "config.restore").await?;
    inbox::reloaded(door, findings).await;
    tracing::info!(config = %hash, "an earlier configuration was put in force");
    Ok(())
}

/// The hash of the configuration on disk, which is in force now, and what is found in it.
async fn load(place: &Place, door: &Door) -> Result<(String, Vec<Finding>), Fault> {
    put_in_force(place, door, place.load()?, "config.reload").await
}

async fn put_in_force(
    place: &Place,
    door: &Door,
    loaded: Loaded,
    action: &str,
) -> Result<(String, Vec<Finding>), Fault> {
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
    let told = door.notify.get().map(|notify| notify.addresses(&config.notify)).transpose()?;
    let hash = policy.hash.clone();
    // Decisions carry its hash: it is kept and recorded before the first of them.
    keep_config(door.people.as_ref(), &door.vault, &hash, &text, door.clock.now()).await?;
    door.record_change(action, Some(hash.clone())).await?;
    serve::replace(door, policy)?;
    if let Some(told) = told {
        notify::replace(door, told);
    }
    gate::configured(door).await?;
    Ok((hash, findings))
}
