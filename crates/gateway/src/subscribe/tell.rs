//! Telling subscribers, in the background: a letter or a request each, whenever
//! the page tells something new. Who was told of what stands in the store, so that
//! a door that is started again goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use surgewall_core::clock::Timestamp;
use surgewall_identity::mail::Letter;
use surgewall_store::subscribers::{Subscriber, SubscriberKind};

use super::hook::Caller;
use super::words::{self, Said};
use super::{Links, of, offered};
use crate::door::Door;
use crate::letters::patient;
use crate::policy::Policy;
use crate::status::view::View;
use crate::ticks::every;

/// Between two looks at what the page tells.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Nobody is told more often: what comes meanwhile is told together.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// When whoever could not be told is tried again, if nothing new comes.
const AGAIN_EVERY: Duration = Duration::from_secs(600);
/// Subscribers that are read at once.
const PAGE_ROWS: u32 = 100;
/// Requests at once.
const CALLS_AT_ONCE_MAX: usize = 8;

/// What was told last.
#[derive(Default)]
struct Pass {
    newest: Timestamp,
    at: Timestamp,
}

/// Tells subscribers for as long as the door runs.
pub(crate) async fn watch(door: Arc<Door>) {
    let mut ticks = every(LOOK_INTERVAL);
    let mut last = Pass::default();
    loop {
        ticks.tick().await;
        let (policy, now) = (door.policy(), door.clock.now());
        let shown = door.status.current();
        let Some(newest) = words::newest(&shown.view().stories).filter(|_| offered(&policy.config))
        else {
            continue;
        };
        let pause = if newest > last.newest { TOLD_EVERY } else { AGAIN_EVERY };
        if now.since(last.at) < pause {
            continue;
        }
        last = Pass { newest, at: now };
        if let Err(error) = Box::pin(tell(&door, &policy, shown.view(), newest)).await {
            tracing::warn!(%error, "not all subscribers of the status page could be told");
        }
    }
}

/// Tells everybody who was not told of what was said up to `newest`.
async fn tell(
    door: &Door,
    policy: &Policy,
    view: &View,
    newest: Timestamp,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let caller = Caller::new(&policy.config.status.webhook_networks)?;
    let teller = Teller { door, policy, view, newest, caller };
    let mut after = None;
    loop {
        let page = of(door).due(newest, after, PAGE_ROWS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        let calls: Vec<BoxFuture<'_, _>> =
            page.into_iter().map(|subscriber| teller.one(subscriber).boxed()).collect();
        let told: Vec<_> = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE_MAX).collect().await;
        let told: Vec<(u128, bool)> = told.into_iter().flatten().collect();
        door.metrics.people.subscribers_told(&told);
        of(door).told(&told, newest).await?;
    }
}

struct Teller<'a> {
    door: &'a Door,
    policy: &'a Policy,
    view: &'a View,
    newest: Timestamp,
    caller: Caller,
}

impl Teller<'_> {
    /// Tells one; whether it went well. `None` where there is nobody to send it.
    async fn one(&self, subscriber: Subscriber) -> Option<(u128, bool)> {
        let said = words::since(&self.view.stories, subscriber.told_at, self.newest);
        if said.is_empty() {
            return Some((subscriber.id, true));
        }
        let well = match subscriber.kind {
            SubscriberKind::Email => self.letter(&subscriber, &said).await?,
            SubscriberKind::Webhook => {
                let now = self.door.clock.now();
                let message = words::update(&self.view.url, &subscriber, &said, now);
                self.caller.tell(&subscriber, &message, &self.door.clock).await
            }
        };
        Some((subscriber.id, well))
    }

    async fn letter(&self, subscriber: &Subscriber, said: &[Said<'_>]) -> Option<bool> {
        let mailer = self.policy.outside.mailer.as_ref()?;
        let links = Links::of(&self.policy.config, &subscriber.token)?;
        let (subject, text) = words::letter(&self.view.name, &self.view.url, said);
        let letter =
            Letter::StatusUpdate { subject: &subject, text: &text, unsubscribe: &links.end };
        Some(patient(mailer, &subscriber.address, &letter, &self.door.clock).await.is_ok())
    }
}
