//! The gate on a running door: who may make an account now.
//!
//! [`pass`] is the one way to a [`GatePermit`], without which no account is made
//! by signing up. Whoever has an account never comes here: a flood of sign-ups
//! meets a bounded room of its own, for each network and in all, before anything
//! dear is done, and moves the gate if it lasts.

mod held;
mod list;
mod offered;
mod pace;
mod room;
mod watch;
mod work;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};

use surgewall_core::clock::Timestamp;
use surgewall_core::config::availability::Applies;
use surgewall_core::config::gate::Gate as Section;
use surgewall_core::gate::{GateStep, GateView};
use surgewall_core::id::AccountId;
use surgewall_core::principal::Network;
use surgewall_shield::gate::{Need, Proof, enough, has_prefix};
use surgewall_store::admin::{AdminError, ErrorKind, Signed};
use surgewall_store::gate::{Desk, Entry, GateReply, GateRequest};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

pub use held::Held;
pub use list::{join, place};
pub use watch::configured;
pub(crate) use watch::watch;
pub use work::WorkAsked;

use crate::door::Door;
use crate::pipeline::availability::offered;
use crate::policy::Policy;
use crate::sync::lock;
use offered::Offered;
use pace::{Counted, Pace};
use room::{Room, Seat};
use work::Works;

/// How many passwords wait to be hashed.
type Hashing = Box<dyn Fn() -> u32 + Send + Sync>;

/// What a door needs for its gate.
pub struct Gate {
    desk: Desk<Sqlite>,
    room: Arc<Room>,
    works: Works,
    offered: Mutex<Offered>,
    pace: Arc<Pace>,
    hashing: OnceLock<Hashing>,
}

impl Gate {
    /// A gate that stands where `policy` starts it.
    pub(crate) fn new(policy: &Policy, people: Arc<Sqlite>, vault: Vault, now: Timestamp) -> Self {
        let (gate, listen) = (&policy.config.gate, &policy.config.listen);
        let start = (gate.start_on(listen), gate.start_reason());
        Self {
            desk: Desk::new(people, vault, start, now),
            room: Arc::default(),
            works: Works::default(),
            offered: Mutex::default(),
            pace: Arc::default(),
            hashing: OnceLock::new(),
        }
    }

    /// Says where it is counted how many passwords wait to be hashed. The first one
    /// that is said stays.
    pub fn hashing_from(&self, waiting: impl Fn() -> u32 + Send + Sync + 'static) {
        // A door has one hasher.
        let _ = self.hashing.set(Box::new(waiting));
    }

    /// How many wait for an invite.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.desk.waiting()
    }

    /// Reads where it stands.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn load(&self) -> Result<(), AdminError> {
        Ok(self.desk.load().await?)
    }
}

/// Where the gate stands, why and since when: one value for every page.
#[must_use]
pub fn view(door: &Door) -> GateView {
    door.gate.desk.view()
}

/// Somebody who wants an account.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Their network.
    pub network: Network,
    /// Their address.
    pub address: IpAddr,
    /// Their e-mail address, as typed or proven.
    pub email: Option<&'a str>,
    /// Whether it was proven that the address is theirs.
    pub proven: bool,
    /// Their phone number in international form, if it was proven.
    pub phone: Option<&'a str>,
    /// What [`WorkAsked`] was answered with: a bid, or the ticket after its wait.
    pub work: Option<&'a str>,
    /// Whether another service, or a mail and a passkey, vouch for them.
    pub verified: bool,
    /// The token of an invite, or the ticket of a place on the waiting list.
    pub invite: Option<&'a str>,
}

impl Attempt<'_> {
    /// The address in lower case, if it was proven: what is kept of it is told to
    /// nobody else.
    fn proven_email(&self) -> Option<String> {
        self.email.filter(|_| self.proven).map(normal)
    }
}

/// Leave to make one account. It holds a place among the sign-ups under way, and
/// one use of an invite if there is one, until it is dropped; dropped before the
/// sign-up began, it is not counted against its network either.
#[derive(Debug)]
pub struct GatePermit {
    step: GateStep,
    entry: Option<Entry>,
    counted: Option<Counted>,
    _seat: Seat,
}

impl GatePermit {
    /// Where the gate stood.
    #[must_use]
    pub const fn step(&self) -> GateStep {
        self.step
    }

    /// Whether an invite or a turn on the waiting list is used.
    #[must_use]
    pub const fn is_invited(&self) -> bool {
        self.entry.is_some()
    }

    /// The sign-up begins, whether an account comes of it or not: the address may be
    /// taken, and what is counted must not tell.
    pub fn begun(&mut self) {
        if let Some(counted) = &mut self.counted {
            counted.stays();
        }
    }

    /// `account` was made: the invite's use, or the place on the waiting list, is
    /// used now.
    ///
    /// # Errors
    /// The store failed, or the invite was revoked in the meantime: the account
    /// should not stay.
    pub async fn made(mut self, door: &Door, account: AccountId) -> Result<(), Held> {
        self.begun();
        door.metrics.gate.signed_up("made");
        let Some(entry) = self.entry else { return Ok(()) };
        match door.gate.desk.used(entry, account, door.clock.now()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Held::InviteBad),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Asks the gate for leave to make an account.
///
/// # Errors
/// What it holds them back by, in words for them.
pub async fn pass(door: &Door, attempt: &Attempt<'_>) -> Result<GatePermit, Held> {
    passed(door, judge(door, attempt, true).await)
}

/// The same for somebody whom it let begin before, and who was counted then: it
/// may have moved since.
///
/// # Errors
/// As [`pass`].
pub async fn pass_again(door: &Door, attempt: &Attempt<'_>) -> Result<GatePermit, Held> {
    passed(door, judge(door, attempt, false).await)
}

fn passed(door: &Door, passed: Result<GatePermit, Held>) -> Result<GatePermit, Held> {
    door.metrics.gate.signed_up(passed.as_ref().map_or_else(Held::as_str, |_| "passed"));
    passed
}

async fn judge(door: &Door, attempt: &Attempt<'_>, counts: bool) -> Result<GatePermit, Held> {
    let (gate, policy, now) = (&door.gate, door.policy(), door.clock.now());
    let section = &policy.config.gate;
    // All that is offered presses on the door, whatever becomes of it.
    if counts {
        lock(&gate.offered).count(now);
    }
    // Where the service is not offered, nobody can make an account either.
    offered(door, &policy, attempt.address, Applies::SignUp)
        .map_err(|refusal| Held::NotOffered { words: refusal.public_text() })?;
    // A flood has a bounded room: what it costs is bounded before it costs anything.
    let seat = gate.room.enter(attempt.network, section).ok_or(Held::Busy)?;
    let view = gate.desk.view();
    let entry = entry(door, attempt, now).await?;
    shown(door, attempt, view.step, entry.is_some(), &policy).await?;
    // Nobody makes accounts faster than people do.
    let domain = attempt.email.map(|email| gate.desk.domain_key(email));
    let count = || gate.pace.count(attempt.network, domain, section, now);
    let counted = counts.then(count).transpose();
    let counted = counted.map_err(|retry_after| Held::TooMany { retry_after })?;
    Ok(GatePermit { step: view.step, entry, counted, _seat: seat })
}

/// The invite or the place by which they come, if one is good.
async fn entry(door: &Door, attempt: &Attempt<'_>, now: Timestamp) -> Result<Option<Entry>, Held> {
    let desk = &door.gate.desk;
    if let Some(token) = attempt.invite.filter(|token| !token.trim().is_empty())
        && let Some(entry) = desk.by_invite(token, now).await.map_err(|error| failed(&error))?
    {
        return Ok(Some(entry));
    }
    let Some(email) = attempt.proven_email() else { return Ok(None) };
    desk.by_place(&email, now).await.map_err(|error| failed(&error))
}

/// Whether what they show is enough at `step`.
async fn shown(
    door: &Door,
    attempt: &Attempt<'_>,
    step: GateStep,
    invited: bool,
    policy: &Policy,
) -> Result<(), Held> {
    let gate = &door.gate;
    let proof = Proof {
        worked: false,
        verified: attempt.verified,
        invited,
        in_region: step == GateStep::Region && in_region(policy, attempt),
    };
    let Err(need) = enough(step, proof) else { return Ok(()) };
    let bad_invite = attempt.invite.is_some_and(|token| !token.trim().is_empty());
    match need {
        Need::Work => {
            let (network, now) = (attempt.network, door.clock.now());
            let section = &policy.config.gate;
            let worked =
                attempt.work.is_some_and(|work| gate.works.done(now, network, work, section));
            if worked { Ok(()) } else { Err(Held::Work(gate.works.ask(now, network, section))) }
        }
        Need::Invite => Err(match list::position(door, attempt).await? {
            Some(position) => Held::Waiting { position },
            None if bad_invite => Held::InviteBad,
            None => Held::NeedsInvite,
        }),
        Need::Verified if bad_invite => Err(Held::InviteBad),
        Need::Verified => Err(Held::NeedsVerified),
        Need::Region => Err(Held::Region),
        Need::Closed => Err(Held::Closed),
    }
}

/// Whether they come from a chosen region, or have a chosen phone prefix.
fn in_region(policy: &Policy, attempt: &Attempt<'_>) -> bool {
    let section = &policy.config.gate;
    let region = policy.regions.of(attempt.address);
    let chosen = |code: &str| section.regions.iter().any(|chosen| chosen == code);
    region.is_some_and(|region| chosen(region.as_str()))
        || attempt.phone.is_some_and(|phone| has_prefix(phone, &section.phone_prefixes))
}

/// What a browser may do at the step `work`, for the page that asks it to.
#[must_use]
pub fn work(door: &Door, network: Network) -> WorkAsked {
    door.gate.works.ask(door.clock.now(), network, &door.policy().config.gate)
}

/// Whether `ticket` is one of [`work`] that is worth keeping: its wait goes on, or
/// is over and was not used.
#[must_use]
pub fn waits(door: &Door, network: Network, ticket: &str) -> bool {
    door.gate.works.waits(door.clock.now(), network, ticket, &door.policy().config.gate)
}

/// Carries out a request on the running door that an operator made on the machine.
///
/// # Errors
/// Why it was not carried out, in an operator's words.
pub async fn ask(door: &Door, request: GateRequest) -> Result<GateReply, AdminError> {
    ask_by(door, Signed::machine(&door.ledger), request).await
}

/// As [`ask`], for whoever signed it.
pub(crate) async fn ask_by(
    door: &Door,
    signed: Signed<'_>,
    request: GateRequest,
) -> Result<GateReply, AdminError> {
    meant(&door.policy().config.gate, &request)?;
    let reply = door.gate.desk.ask(Some(signed), request, door.clock.now()).await?;
    if let GateReply::LetIn(let_in) = &reply {
        list::tell(door, let_in.places.clone());
    }
    Ok(reply)
}

/// Holds an operator's request to what `section` makes possible.
///
/// # Errors
/// It would let in nobody.
pub fn meant(section: &Section, request: &GateRequest) -> Result<(), AdminError> {
    let none = section.regions.is_empty() && section.phone_prefixes.is_empty();
    if none && matches!(request, GateRequest::Move { to: GateStep::Region, .. }) {
        return Err(AdminError {
            kind: ErrorKind::Invalid,
            message: "no region and no phone prefix is chosen: nobody could come".into(),
            hint: Some("add gate.regions or gate.phone_prefixes to the configuration".into()),
        });
    }
    Ok(())
}

/// An address as it is looked up.
fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

fn failed(error: &dyn std::error::Error) -> Held {
    tracing::error!(%error, "the gate could not be asked");
    Held::Failed
}
