//! What waits to be written: bounded, and cheap to add to.
//!
//! Appends are bounded by permits, settlements by the requests that are open,
//! checkpoints by keeping one for each request, refusals by counting what does
//! not fit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use surgewall_core::decision::{Outcome, Progress, Record};
use surgewall_core::id::RequestId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::AppendError;

/// Appends that wait at once; more wait for their turn.
pub(super) const APPENDS_WAITING_MAX: usize = 8_192;
/// Refusals, incidents' events and moves of a capacity that wait for the writer
/// at once; more refusals are only counted, and more of the others given up.
pub(super) const REFUSALS_WAITING_MAX: usize = 4_096;
/// Codes under which lost refusals are counted; more share one.
const DROPPED_CODES_MAX: usize = 256;

/// How an append ended.
pub(super) type Outcomes = Result<u64, AppendError>;

/// One thing for the writer to do.
pub(super) enum Job {
    /// Write a record; somebody waits for it.
    Append {
        /// The record.
        record: Record,
        /// Who waits.
        ack: oneshot::Sender<Outcomes>,
        /// Its place in the queue; a settlement needs none.
        permit: Option<OwnedSemaphorePermit>,
    },
    /// Write a record, whenever it can be written.
    Detached(Record),
    /// Settle an admission that nobody waits for any more: all is refunded.
    Abandon(RequestId, Outcome),
}

/// What waits.
#[derive(Default)]
pub(super) struct Waiting {
    /// In order.
    pub(super) jobs: Vec<Job>,
    /// The last checkpoint of each request.
    pub(super) progress: HashMap<RequestId, Progress>,
    /// Refusals that were not kept, by code.
    pub(super) dropped: BTreeMap<String, u64>,
    /// Whether the writer is to end.
    pub(super) closing: bool,
    /// Refusals among the jobs.
    refusals: usize,
    /// Refusals that the writer took and may not have written.
    held: usize,
    /// Whether something other than what waits is for the writer's thread.
    called: bool,
    /// Whether the writer's thread sleeps.
    parked: bool,
}

impl Waiting {
    /// Only these jobs.
    pub(super) fn of(jobs: Vec<Job>) -> Self {
        Self { jobs, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.progress.is_empty() && self.dropped.is_empty()
    }
}

/// What [`Queue::take_few`] found.
pub(super) enum Few {
    /// Nothing waits.
    None,
    /// These jobs.
    Jobs(Waiting),
    /// More than a few, or something else: for the writer's thread.
    Many,
}

/// The queue between the door's tasks and the writer.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    permits: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new() -> Self {
        let permits = Arc::new(Semaphore::new(APPENDS_WAITING_MAX));
        Self { waiting: Mutex::default(), wake: Condvar::new(), permits }
    }

    /// A place among the appends.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, AppendError> {
        self.permits.clone().acquire_owned().await.map_err(|_| AppendError::Closed)
    }

    /// Adds a job, and wakes nobody. Whether it was taken: a closing queue takes
    /// no appends.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut waiting = self.lock();
        if waiting.closing && matches!(job, Job::Append { .. }) {
            return false;
        }
        if is_spare(&job) {
            if waiting.refusals + waiting.held >= REFUSALS_WAITING_MAX {
                if let Job::Detached(Record::Refused(refused)) = &job {
                    count_dropped(&mut waiting.dropped, &refused.code, refused.count);
                }
                return true;
            }
            waiting.refusals += 1;
        }
        waiting.jobs.push(job);
        true
    }

    /// Adds checkpoints, and wakes nobody; a later one of the same request takes
    /// the place of an earlier.
    pub(super) fn progress(&self, requests: Vec<Progress>) {
        self.lock().progress.extend(requests.into_iter().map(|p| (p.request_id, p)));
    }

    /// Tells the writer's thread to write what waits and end.
    pub(super) fn close(&self) {
        self.permits.close();
        let mut waiting = self.lock();
        waiting.closing = true;
        self.notify(waiting);
    }

    /// Lets the writer's thread look: what waits, or what was kept, is for it.
    pub(super) fn call(&self) {
        let mut waiting = self.lock();
        waiting.called = true;
        self.notify(waiting);
    }

    /// Waits until there is something to do, or for `timeout`.
    pub(super) fn wait(&self, timeout: Option<Duration>) {
        let mut waiting = self.lock();
        while waiting.is_empty() && !waiting.closing && !waiting.called {
            waiting.parked = true;
            match timeout {
                None => {
                    waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                Some(timeout) => {
                    let waited = self.wake.wait_timeout(waiting, timeout);
                    let (back, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
                    waiting = back;
                    if timed_out.timed_out() {
                        break;
                    }
                }
            }
        }
        waiting.parked = false;
    }

    /// Takes all that waits. `kept` refusals could not be written before and count.
    pub(super) fn take(&self, kept: usize) -> Waiting {
        let mut waiting = self.lock();
        let held = kept + waiting.refusals;
        let next = Waiting { closing: waiting.closing, held, ..Waiting::default() };
        std::mem::replace(&mut *waiting, next)
    }

    /// Takes what waits where it is a few jobs and checkpoints, and nothing else.
    pub(super) fn take_few(&self, most: usize) -> Few {
        let mut waiting = self.lock();
        if waiting.is_empty() {
            return Few::None;
        }
        let are_many = waiting.jobs.len() + waiting.progress.len() > most;
        if are_many || !waiting.dropped.is_empty() || waiting.closing || waiting.called {
            return Few::Many;
        }
        waiting.held = std::mem::take(&mut waiting.refusals);
        let progress = std::mem::take(&mut waiting.progress);
        let jobs = std::mem::take(&mut waiting.jobs);
        Few::Jobs(Waiting { progress, ..Waiting::of(jobs) })
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn notify(&self, mut waiting: MutexGuard<'_, Waiting>) {
        // A thread that is busy looks again by itself: no system call.
        if std::mem::take(&mut waiting.parked) {
            drop(waiting);
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a job may be given up while the disk is full: refusals are counted
/// then, and of an incident or a capacity the next record says how it stands.
pub(super) const fn is_spare(job: &Job) -> bool {
    matches!(job, Job::Detached(Record::Refused(_) | Record::Incident(_) | Record::Capacity(_)))
}

/// Counts refusals that were not kept.
pub(super) fn count_dropped(dropped: &mut BTreeMap<String, u64>, code: &str, count: u64) {
    let known = dropped.contains_key(code) || dropped.len() < DROPPED_CODES_MAX;
    let code = if known { code } else { "other" };
    let sum = dropped.entry(code.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;
    use surgewall_core::decision::Refused;
    use surgewall_core::incident::CapacityChanged;

    use super::*;

    fn refused(code: &str) -> Job {
        Job::Detached(Record::Refused(Box::new(Refused {
            request_id: None,
            at: Timestamp::from_millis(0),
            who: None,
            network: None,
            code: code.to_owned(),
            rule: None,
            count: 2,
        })))
    }

    #[tokio::test]
    async fn appends_beyond_the_limit_wait_for_their_turn() {
        let queue = Queue::new();
        let mut held = Vec::new();
        for _ in 0..APPENDS_WAITING_MAX {
            held.push(queue.permit().await.unwrap());
        }
        let next = tokio::select! { biased;
            permit = queue.permit() => permit.ok(),
            () = tokio::task::yield_now() => None,
        };
        assert!(next.is_none());
        held.pop();
        assert!(queue.permit().await.is_ok());
    }

    #[test]
    fn refusals_beyond_the_limit_are_counted_also_while_the_writer_holds_them() {
        let queue = Queue::new();
        for _ in 0..REFUSALS_WAITING_MAX {
            queue.push(refused("quota"));
        }
        let taken = queue.take(0);
        assert_eq!((taken.jobs.len(), taken.dropped.len()), (REFUSALS_WAITING_MAX, 0));
        queue.push(refused("quota"));
        queue.push(refused("overload"));
        let taken = queue.take(0);
        assert_eq!(taken.jobs.len(), 0);
        assert_eq!(taken.dropped.into_values().collect::<Vec<_>>(), [2, 2]);
        queue.push(refused("quota"));
        assert_eq!(queue.take(0).jobs.len(), 1);
    }

    #[test]
    fn events_of_an_incident_share_the_bound_of_refusals() {
        let moved = || {
            Job::Detached(Record::Capacity(CapacityChanged {
                at: Timestamp::from_millis(0),
                pool: "local".to_owned(),
                from: 4,
                to: 5,
                tokens: None,
                why: "good window".to_owned(),
            }))
        };
        let queue = Queue::new();
        for _ in 0..=REFUSALS_WAITING_MAX {
            queue.push(moved());
        }
        queue.push(refused("quota"));
        let taken = queue.take(0);
        assert_eq!(taken.jobs.len(), REFUSALS_WAITING_MAX);
        assert_eq!(taken.dropped.into_values().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn lost_refusals_are_counted_under_a_bounded_number_of_codes() {
        let mut dropped = BTreeMap::new();
        for code in 0..=DROPPED_CODES_MAX {
            count_dropped(&mut dropped, &format!("code-{code}"), 1);
        }
        assert_eq!(dropped.len(), DROPPED_CODES_MAX + 1);
        assert_eq!(dropped["other"], 1);
        count_dropped(&mut dropped, "code-0", 1);
        assert_eq!(dropped["code-0"], 2);
    }

    #[test]
    fn a_closing_queue_takes_no_appends_and_keeps_the_rest() {
        let queue = Queue::new();
        queue.close();
        let (ack, _answer) = oneshot::channel();
        let Job::Detached(record) = refused("quota") else { panic!("not detached") };
        assert!(!queue.push(Job::Append { record, ack, permit: None }));
        assert!(queue.push(refused("quota")));
    }
}
