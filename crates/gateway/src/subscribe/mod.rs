//! Subscribers of the status page: they are told of what it tells, by letter or by
//! signed request, once they confirmed and until they end it.
//!
//! The status listener has no part in it: subscribing is a page of the public
//! listener, and telling a task of its own, which reads what the page tells.

mod hook;
mod reach;
mod tell;
mod words;

use std::sync::Mutex;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::digest::sha256;
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;
use surgewall_identity::mail::Letter;
use surgewall_shield::gate::Velocity;
use surgewall_shield::gcra::Rate;
use surgewall_store::sqlite::Sqlite;
use surgewall_store::subscribers::{Asked, Subscriber, SubscriberKind, Subscribers};
use tokio::sync::Semaphore;

pub(crate) use self::tell::watch;
use crate::door::Door;
use crate::pages::links::public_origin;
use crate::sync::lock;

/// How often one network may ask: so many an hour.
pub const ASKS_PER_NETWORK_MAX: u32 = 10;
/// How often one address may be asked to confirm: so many an hour.
pub const ASKS_PER_ADDRESS_MAX: u32 = 3;
/// Requests that ask an address to confirm, at once.
pub const CONFIRMS_AT_ONCE_MAX: usize = 8;
/// Letters of an e-mail or a URL.
pub const ADDRESS_BYTES_MAX: usize = 500;

const HOUR: Duration = Duration::from_secs(3_600);

/// What the door remembers of those who ask.
pub struct Subscribe {
    networks: Mutex<Velocity>,
    addresses: Mutex<Velocity>,
    /// One asks at a time: the bound on how many there are is counted and held.
    asking: tokio::sync::Mutex<()>,
    confirms: std::sync::Arc<Semaphore>,
}

impl Default for Subscribe {
    fn default() -> Self {
        Self {
            networks: Mutex::default(),
            addresses: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            confirms: std::sync::Arc::new(Semaphore::new(CONFIRMS_AT_ONCE_MAX)),
        }
    }
}

/// What somebody who asked is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Whatever came of it: that the address is asked to confirm, if it can be.
    Fine,
    /// It is no address of this kind.
    NoAddress,
    /// Its network asked often; when it may again.
    Often(Duration),
    /// There are as many as may be.
    Full,
}

/// Whether anybody may subscribe, and by what.
pub(crate) fn offered(config: &Config) -> bool {
    config.status.subscribe
}

/// Where to subscribe, for the status page.
pub(crate) fn link(config: &Config) -> Option<String> {
    let origin = offered(config).then(|| public_origin(&config.listen)).flatten()?;
    Some(format!("{origin}/status/subscribe"))
}

/// The subscribers of `door`.
pub(crate) fn of(door: &Door) -> Subscribers<'_, Sqlite> {
    Subscribers::new(door.people.as_ref(), &door.vault)
}

/// Somebody in `network` asks that `address` be told.
///
/// # Errors
/// The store failed.
pub(crate) async fn ask(
    door: &Door,
    kind: SubscriberKind,
    address: &str,
    network: Network,
) -> Result<Heard, Refusal> {
    let (config, now) = (door.policy(), door.clock.now());
    let config = &config.config;
    let address = address.trim();
    let Some(address) = meant(config, kind, address) else { return Ok(Heard::NoAddress) };
    let hourly = |most: u32| Rate::new(most, HOUR, most);
    let by_network = key(network.to_string().as_bytes());
    let admitted =
        lock(&door.subscribe.networks).admit(by_network, now, hourly(ASKS_PER_NETWORK_MAX));
    if let Err(after) = admitted {
        return Ok(Heard::Often(after));
    }
    let by_address = key(address.as_bytes());
    let admitted =
        lock(&door.subscribe.addresses).admit(by_address, now, hourly(ASKS_PER_ADDRESS_MAX));
    if admitted.is_err() {
        // Whoever has the address is not asked more often, whoever asks for it.
        return Ok(Heard::Fine);
    }
    let _alone = door.subscribe.asking.lock().await;
    let asked = of(door).ask(kind, &address, network, now).await;
    match asked.map_err(|error| Refusal::Internal { why: error.to_string() })? {
        Asked::Full => return Ok(Heard::Full),
        Asked::There => {}
        Asked::Confirm(subscriber) => confirm(door, config, *subscriber, now),
    }
    Ok(Heard::Fine)
}

/// `address` as it is told, if it is one of this kind that may be told.
fn meant(config: &Config, kind: SubscriberKind, address: &str) -> Option<String> {
    if address.is_empty() || address.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    match kind {
        SubscriberKind::Email => {
            let (name, domain) = address.rsplit_once('@')?;
            let is_plain =
                !name.is_empty() && domain.contains('.') && !address.contains(char::is_whitespace);
            // The part before the @ is its owner's to spell; the domain is not.
            is_plain.then(|| format!("{name}@{}", domain.to_lowercase()))
        }
        SubscriberKind::Webhook => {
            reach::may_be_told(address, &config.status.webhook_networks).then(|| address.to_owned())
        }
    }
}

/// Asks the address itself. Who asked for it is told nothing of how that goes.
fn confirm(door: &Door, config: &Config, subscriber: Subscriber, now: Timestamp) {
    let Some(links) = Links::of(config, &subscriber.token) else { return };
    if subscriber.kind == SubscriberKind::Webhook {
        let Ok(place) = door.subscribe.confirms.clone().try_acquire_owned() else { return };
        let Ok(caller) = hook::Caller::new(&config.status.webhook_networks) else { return };
        let message = words::confirm(config, &links, now);
        let clock = door.clock.clone();
        door.tasks.background(async move {
            let _place = place;
            // It can be asked for again.
            let _ = caller.tell(&subscriber, &message, &clock).await;
        });
        return;
    }
    let policy = door.policy();
    let Some(mailer) = &policy.outside.mailer else { return };
    let letter = Letter::StatusConfirm {
        page: &config.status.name,
        url: &links.confirm,
        unsubscribe: &links.end,
    };
    if let Err(error) = mailer.send(&subscriber.address, &letter, now) {
        tracing::warn!(%error, "a letter to confirm a subscription is not sent");
    }
}

/// The links that a subscriber is sent.
pub(crate) struct Links {
    confirm: SecretString,
    end: SecretString,
}

impl Links {
    fn of(config: &Config, token: &SecretString) -> Option<Self> {
        let origin = public_origin(&config.listen)?;
        let link = |page: &str| {
            SecretString::new(format!("{origin}/status/{page}?token={}", token.expose()))
        };
        Some(Self { confirm: link("confirm"), end: link("unsubscribe") })
    }
}

/// What is counted by.
fn key(text: &[u8]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256(text)[..16]);
    u128::from_be_bytes(half)
}
