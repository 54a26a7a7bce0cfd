//! All answers that run or ended lately, within their limits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use surgewall_core::id::AccountId;
use surgewall_core::quota::Meter;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Checkpoint, ConversationId, MessageId, write_checkpoints};

use super::job::{Job, New};
use super::limits::{
    CHECKPOINT_BYTES_MAX, HELD_BYTES_MAX, JOBS_MAX, JOBS_PER_ACCOUNT_MAX, JOBS_PER_NETWORK_MAX,
    KEPT_AFTER_END,
};
use super::owner::Owner;
use crate::door::Door;
use crate::sync::lock;
use crate::ticks::every;

/// Between two looks at all answers: what was said since goes to the store.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// When it is worth asking again where too many answers run.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// All answers.
#[derive(Default)]
pub(crate) struct Jobs {
    /// The owner stands in the key: somebody else's answer is not found.
    jobs: Mutex<HashMap<(Owner, MessageId), Arc<Job>>>,
    /// What they count in memory, in bytes.
    held: Arc<AtomicU64>,
}

/// What became of asking for an answer.
pub(super) enum Begun {
    /// It begins.
    New(Arc<Job>),
    /// It is there already.
    There,
}

impl Jobs {
    /// Begins an answer. One that is there already is not begun again, unless it
    /// failed.
    ///
    /// # Errors
    /// Its owner, its visitor's network or the door has as many as may be.
    pub(super) fn begin(&self, new: New) -> Result<Begun, Refusal> {
        let mut jobs = lock(&self.jobs);
        let key = (new.owner, new.id);
        if jobs.get(&key).is_some_and(|job| !job.has_failed()) {
            return Ok(Begun::There);
        }
        allowed(&jobs, &new)?;
        if jobs.len() >= JOBS_MAX || self.held.load(Ordering::Relaxed) >= HELD_BYTES_MAX {
            evict(&mut jobs);
        }
        if jobs.len() >= JOBS_MAX || self.held.load(Ordering::Relaxed) >= HELD_BYTES_MAX {
            let why = "no room for another answer of the chat".to_owned();
            return Err(Refusal::Overloaded {
                why,
                wait_s: 1,
                retry_after: RETRY_AFTER,
                offer: None,
            });
        }
        let job = Arc::new(Job::new(new, self.held.clone()));
        jobs.insert(key, job.clone());
        Ok(Begun::New(job))
    }

    /// It never began after all, or ended long ago.
    pub(super) fn forget(&self, job: &Arc<Job>) {
        let mut jobs = lock(&self.jobs);
        let key = (job.owner, job.id);
        // It may have been asked for anew meanwhile.
        if jobs.get(&key).is_some_and(|there| Arc::ptr_eq(there, job)) {
            jobs.remove(&key);
        }
    }

    /// The answer `id` of one of `owners`.
    ///
    /// # Errors
    /// None of them has one.
    pub(super) fn find(
        &self,
        mut owners: impl Iterator<Item = Owner>,
        id: MessageId,
    ) -> Result<Arc<Job>, Refusal> {
        let jobs = lock(&self.jobs);
        let found = owners.find_map(|owner| jobs.get(&(owner, id)).cloned());
        found.ok_or(Refusal::NotFound { what: "answer" })
    }

    /// The answers to a conversation's messages that did not become messages.
    pub(super) fn of(&self, account: AccountId, conversation: ConversationId) -> Vec<Arc<Job>> {
        let jobs = lock(&self.jobs);
        let here = |job: &&Arc<Job>| {
            let kept = job.kept.as_ref();
            job.owner == Owner::Account(account)
                && kept.is_some_and(|kept| kept.conversation == conversation)
        };
        jobs.values().filter(here).cloned().collect()
    }

    /// Whether what is held in memory is within its limit; what ended lately
    /// makes room.
    pub(super) fn has_room(&self) -> bool {
        if self.held.load(Ordering::Relaxed) <= HELD_BYTES_MAX {
            return true;
        }
        evict(&mut lock(&self.jobs));
        self.held.load(Ordering::Relaxed) <= HELD_BYTES_MAX
    }

    /// How many there are, and what they count in memory.
    #[must_use]
    pub(crate) fn sizes(&self) -> (usize, u64) {
        (lock(&self.jobs).len(), self.held.load(Ordering::Relaxed))
    }

    /// How many are under way, and how many of these nobody watches.
    #[must_use]
    pub(crate) fn under_way(&self) -> (u64, u64) {
        let jobs = lock(&self.jobs);
        let running = jobs.values().filter(|job| job.ended_since().is_none());
        running.fold((0, 0), |(all, alone), job| {
            (all + 1, alone + u64::from(job.unwatched_since().is_some()))
        })
    }

    fn all(&self) -> Vec<Arc<Job>> {
        lock(&self.jobs).values().cloned().collect()
    }
}

/// Whether the owner may have one more.
fn allowed(jobs: &HashMap<(Owner, MessageId), Arc<Job>>, new: &New) -> Result<(), Refusal> {
    let running = jobs.values().filter(|job| job.ended_since().is_none());
    let count = |most: u32, same: &dyn Fn(&Job) -> bool| {
        running.clone().filter(|job| same(job)).count() < most as usize
    };
    match new.owner {
        Owner::Account(_) => {
            let max = JOBS_PER_ACCOUNT_MAX;
            let free = count(max, &|job| job.owner == new.owner);
            let retry_after = Some(RETRY_AFTER);
            let (scope, meter, max) = ("account", Meter::Concurrency, max.into());
            let full = Refusal::QuotaExceeded { scope, meter, max, window_s: 0, retry_after };
            if free { Ok(()) } else { Err(full) }
        }
        Owner::Visitor(_) => {
            let is_visitors = |job: &Job| matches!(job.owner, Owner::Visitor(_));
            let same = |job: &Job| is_visitors(job) && job.network == new.network;
            let max = JOBS_PER_NETWORK_MAX;
            if count(max, &same) { Ok(()) } else { Err(Refusal::NetworkBusy { max }) }
        }
    }
}

/// Forgets what ended, and is not watched, the longest ago; at least a quarter of it.
fn evict(jobs: &mut HashMap<(Owner, MessageId), Arc<Job>>) {
    let ended = |(key, job): (&(Owner, MessageId), &Arc<Job>)| {
        job.unwatched_since()?;
        Some((job.ended_since()?, *key))
    };
    let mut over: Vec<_> = jobs.iter().filter_map(ended).collect();
    over.sort_by_key(|(since, _)| *since);
    for (_, key) in over.iter().take(over.len().div_ceil(4)) {
        jobs.remove(key);
    }
}

/// Once a second, for as long as the door runs: what was said goes to the store,
/// what nobody watches is stopped, and what ended long ago is forgotten.
pub(crate) async fn watch(door: Arc<Door>) {
    let mut ticks = every(LOOK_INTERVAL);
    loop {
        ticks.tick().await;
        look(&door).await;
    }
}

async fn look(door: &Door) {
    let now = door.clock.monotonic();
    let longest = Duration::from_secs(door.policy().config.accounts.job_detached_s_max);
    let passed = |since: Instant| now.saturating_duration_since(since);
    for job in door.chat.jobs.all() {
        match (job.ended_since(), job.unwatched_since()) {
            (None, Some(since)) if passed(since) >= longest => job.stop_by_door(),
            (Some(since), _) if passed(since) >= KEPT_AFTER_END => door.chat.jobs.forget(&job),
            _ => {}
        }
    }
    checkpoint(door).await;
}

/// Writes how far answers have come, many in one transaction.
async fn checkpoint(door: &Door) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for job in door.chat.jobs.all() {
        let (Owner::Account(account), Some(kept)) = (job.owner, &job.kept) else { continue };
        let Some(body) = job.checkpoint() else { continue };
        bytes += body.len();
        let (conversation, id) = (kept.conversation, job.id);
        batch.push(Checkpoint { account, conversation, id, body });
        if bytes >= CHECKPOINT_BYTES_MAX {
            write(door, std::mem::take(&mut batch)).await;
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        write(door, batch).await;
    }
}

async fn write(door: &Door, batch: Vec<Checkpoint>) {
    let (answers, now) = (batch.len(), door.clock.now());
    if let Err(error) = write_checkpoints(door.people.as_ref(), &door.vault, batch, now).await {
        tracing::warn!(answers, %error, "answers could not be checkpointed");
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::{Clock, Timestamp};
    use surgewall_core::principal::Network;

    use super::super::job::{Ended, Fault};
    use super::super::owner::Visitor;
    use super::super::said::{Said, Voice};
    use super::*;

    fn new(owner: Owner, network: &str) -> New {
        New {
            id: MessageId::random(),
            owner,
            network: Network::of(network.parse().unwrap()),
            kept: None,
            model: "tiny".to_owned(),
            said: Said::default(),
            since: Timestamp::from_millis(0),
            now: Clock::System.monotonic(),
        }
    }

    fn begin(jobs: &Jobs, new: New) -> Result<Arc<Job>, &'static str> {
        match jobs.begin(new) {
            Ok(Begun::New(job)) => Ok(job),
            Ok(Begun::There) => Err("there"),
            Err(refusal) => Err(refusal.row().code),
        }
    }

    fn fail(job: &Job) {
        let (code, message) = ("draining".to_owned(), String::new());
        let fault = Fault { code, message, retry_after_s: None };
        job.end(Ended::Failed(fault), Clock::System.monotonic());
    }

    #[test]
    fn running_answers_are_bounded_for_an_account_and_for_a_visitors_network() {
        let account = |nth: u128| Owner::Account(AccountId::from_u128(nth));
        let jobs = Jobs::default();
        let first = begin(&jobs, new(account(1), "192.0.2.1")).unwrap();
        for _ in 1..JOBS_PER_ACCOUNT_MAX {
            begin(&jobs, new(account(1), "192.0.2.1")).unwrap();
        }
        assert_eq!(begin(&jobs, new(account(1), "192.0.2.1")).err(), Some("quota_exceeded"));
        assert!(begin(&jobs, new(account(2), "192.0.2.1")).is_ok());
        fail(&first);
        assert!(begin(&jobs, new(account(1), "192.0.2.1")).is_ok(), "one ended");

        let visitor = || Owner::Visitor(Visitor::random());
        for nth in 0..JOBS_PER_NETWORK_MAX {
            let address = format!("198.51.100.{nth}");
            begin(&jobs, new(visitor(), &address)).unwrap();
        }
        assert_eq!(begin(&jobs, new(visitor(), "198.51.100.200")).err(), Some("network_busy"));
        assert!(begin(&jobs, new(visitor(), "198.51.101.1")).is_ok());
    }

    #[test]
    fn an_answer_begins_once_unless_it_failed() {
        let jobs = Jobs::default();
        let owner = Owner::Visitor(Visitor::random());
        let asked = || New { id: MessageId::from_u128(7), ..new(owner, "192.0.2.1") };
        let job = begin(&jobs, asked()).unwrap();
        assert_eq!(begin(&jobs, asked()).err(), Some("there"));
        fail(&job);
        assert!(begin(&jobs, asked()).is_ok());
        let other = Owner::Visitor(Visitor::random());
        let find = |owner| jobs.find([owner].into_iter(), MessageId::from_u128(7)).is_ok();
        assert!(find(owner) && !find(other), "somebody else's is not found");
        let foreign = New { id: MessageId::from_u128(7), ..new(other, "192.0.2.1") };
        assert!(begin(&jobs, foreign).is_ok(), "and does not stand in the way");
    }

    #[test]
    fn what_is_held_is_bounded_and_what_ended_makes_room_for_it() {
        let jobs = Jobs::default();
        let visitor = || new(Owner::Visitor(Visitor::random()), "192.0.2.1");
        let over = begin(&jobs, visitor()).unwrap();
        over.say(Voice::Text, "over").unwrap();
        let held = jobs.sizes().1;
        jobs.held.fetch_add(HELD_BYTES_MAX - held, Ordering::Relaxed);
        assert!(jobs.has_room());
        jobs.held.fetch_add(1, Ordering::Relaxed);
        assert!(!jobs.has_room());
        assert_eq!(begin(&jobs, visitor()).err(), Some("overloaded"));
        fail(&over);
        drop(over);
        assert!(jobs.has_room() && jobs.sizes().0 == 0, "what ended is forgotten for it");
    }

    #[test]
    fn what_ended_makes_room() {
        let jobs = Jobs::default();
        let visitor = |nth: usize| {
            let network = format!("10.{}.{}.1", nth / 250, nth % 250);
            new(Owner::Visitor(Visitor::random()), &network)
        };
        let mut all: Vec<_> =
            (0..JOBS_MAX).map(|nth| begin(&jobs, visitor(nth)).unwrap()).collect();
        assert_eq!(begin(&jobs, visitor(0)).err(), Some("overloaded"));
        all[0].say(Voice::Text, "something").unwrap();
        assert!(jobs.sizes().1 > 0);
        fail(&all[0]);
        all.remove(0);
        assert!(begin(&jobs, visitor(0)).is_ok());
        assert_eq!(jobs.sizes(), (JOBS_MAX, 0), "and what it held is given back");
    }
}
