//! One answer: a job of the door, not of a page. It knows what was said so far;
//! pages come, watch and leave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{PublicId, RequestId};
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;
use surgewall_core::usage::Usage;
use surgewall_shield::admission::gate::Place;
use surgewall_store::conversations::{Body, ConversationId, MessageId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::limits::WATCHERS_PER_ANSWER_MAX;
use super::owner::Owner;
use super::said::{Full, Piece, Said, Voice};
use crate::admission::Spot;
use crate::sync::lock;

/// Where an answer is kept; a visitor's is not.
#[derive(Clone)]
pub(crate) struct Kept {
    /// The conversation.
    pub(crate) conversation: ConversationId,
    /// The same, as it is shown.
    pub(crate) public_id: PublicId,
    /// The message that it answers.
    pub(crate) parent: u32,
    /// The message that was looked at when it was asked for.
    pub(crate) seen: u32,
}

/// An answer.
pub(crate) struct Job {
    pub(crate) id: MessageId,
    pub(crate) owner: Owner,
    pub(crate) network: Network,
    pub(crate) kept: Option<Kept>,
    /// The model that was asked.
    pub(crate) model: String,
    /// When it was asked for.
    pub(crate) since: Timestamp,
    /// Where what was said before begins to be new.
    begun_at: u64,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    /// Ends it.
    stop: CancellationToken,
    /// What all answers count in memory, and this one among them.
    held: Arc<AtomicU64>,
}

struct State {
    phase: Phase,
    said: Said,
    request_id: Option<RequestId>,
    /// How far it is in the store.
    stored: u64,
    watchers: u32,
    unwatched_since: Instant,
    /// Whether its owner stopped it, and not the door.
    by_owner: bool,
}

/// How far an answer has come.
enum Phase {
    /// Its turn has not come; where it stands, once that is known.
    Queued(Option<Spot>),
    /// The model answers.
    Running,
    /// It is over.
    Ended(Ended, Instant),
}

/// How an answer ended.
#[derive(Clone)]
pub(crate) enum Ended {
    /// It said something, or its owner stopped it.
    Done(Done),
    /// It said nothing; what was asked is kept and can be sent again.
    Failed(Fault),
}

/// An answer that is over.
#[derive(Clone)]
pub(crate) struct Done {
    /// The message that it is now; `None` for a visitor's, and where nothing was said.
    pub(crate) message: Option<u32>,
    /// `whole`, `partial` or `stopped`.
    pub(crate) state: &'static str,
    /// What was used, where the model's server said so.
    pub(crate) usage: Option<Usage>,
    /// Why it broke off, if it did.
    pub(crate) fault: Option<Fault>,
}

/// Why an answer did not come, or broke off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// The stable code.
    pub(crate) code: String,
    /// In words.
    pub(crate) message: String,
    /// When it is worth asking again.
    pub(crate) retry_after_s: Option<u64>,
}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Self {
        let seconds = |after: std::time::Duration| after.as_millis().div_ceil(1_000).max(1);
        Self {
            code: refusal.row().code.to_owned(),
            message: refusal.public_text(),
            retry_after_s: refusal
                .retry_after()
                .map(|after| u64::try_from(seconds(after)).unwrap_or(u64::MAX)),
        }
    }
}

/// What a page is told of an answer besides its text.
#[derive(Clone)]
pub(crate) enum Standing {
    /// It waits; its place, where the gate says one.
    Queued(Option<Place>),
    /// The model answers.
    Running,
    /// It is over.
    Ended(Ended),
}

/// What a new answer is made of.
pub(super) struct New {
    pub(super) id: MessageId,
    pub(super) owner: Owner,
    pub(super) network: Network,
    pub(super) kept: Option<Kept>,
    pub(super) model: String,
    pub(super) said: Said,
    pub(super) since: Timestamp,
    pub(super) now: Instant,
}

impl Job {
    pub(super) fn new(new: New, held: Arc<AtomicU64>) -> Self {
        let New { id, owner, network, kept, model, said, since, now } = new;
        held.fetch_add(said.bytes() as u64, Ordering::Relaxed);
        Self {
            begun_at: said.end(),
            state: Mutex::new(State {
                phase: Phase::Queued(None),
                stored: said.end(),
                said,
                request_id: None,
                watchers: 0,
                unwatched_since: now,
                by_owner: false,
            }),
            changed: watch::Sender::new(()),
            stop: CancellationToken::new(),
            id,
            owner,
            network,
            kept,
            model,
            since,
            held,
        }
    }

    /// It waits at a gate.
    pub(super) fn queued(&self, spot: Spot) {
        lock(&self.state).phase = Phase::Queued(Some(spot));
        self.changed.send_replace(());
    }

    /// The model answers, under `request_id`.
    pub(super) fn started(&self, request_id: RequestId) {
        {
            let mut state = lock(&self.state);
            state.phase = Phase::Running;
            state.request_id = Some(request_id);
        }
        self.changed.send_replace(());
    }

    /// The request that it runs under.
    pub(super) fn runs_under(&self, request_id: RequestId) {
        lock(&self.state).request_id = Some(request_id);
    }

    /// More was said.
    ///
    /// # Errors
    /// It is as long as an answer may be.
    pub(super) fn say(&self, voice: Voice, text: &str) -> Result<(), Full> {
        let grown = lock(&self.state).said.say(voice, text)?;
        self.held.fetch_add(grown as u64, Ordering::Relaxed);
        self.changed.send_replace(());
        Ok(())
    }

    /// Whether anything was said since it began.
    pub(super) fn has_spoken(&self) -> bool {
        lock(&self.state).said.end() > self.begun_at
    }

    /// It is over.
    pub(super) fn end(&self, ended: Ended, now: Instant) {
        lock(&self.state).phase = Phase::Ended(ended, now);
        self.changed.send_replace(());
    }

    /// All of it, as a message.
    pub(super) fn body(&self) -> Body {
        let state = lock(&self.state);
        let model = Some(self.model.clone());
        Body { model, request_id: state.request_id, ..state.said.body() }
    }

    /// What to write, if more was said than is in the store.
    pub(super) fn checkpoint(&self) -> Option<Body> {
        {
            let mut state = lock(&self.state);
            let is_over = matches!(state.phase, Phase::Ended(..));
            if is_over || state.said.end() == state.stored {
                return None;
            }
            state.stored = state.said.end();
        }
        Some(self.body())
    }

    /// The piece that begins at `from`, and where the next one begins.
    pub(super) fn piece(&self, from: u64) -> Option<(Piece, u64)> {
        lock(&self.state).said.piece(from)
    }

    /// How it stands. Its place at the gate is asked for anew.
    pub(crate) fn standing(&self) -> Standing {
        match &lock(&self.state).phase {
            Phase::Queued(spot) => Standing::Queued(spot.as_ref().and_then(Spot::tell)),
            Phase::Running => Standing::Running,
            Phase::Ended(ended, _) => Standing::Ended(ended.clone()),
        }
    }

    /// The request that it ran under, once one did.
    pub(super) fn request_id(&self) -> Option<RequestId> {
        lock(&self.state).request_id
    }

    /// Since when it is over, if it is.
    pub(super) fn ended_since(&self) -> Option<Instant> {
        match &lock(&self.state).phase {
            Phase::Ended(_, since) => Some(*since),
            Phase::Queued(_) | Phase::Running => None,
        }
    }

    /// Whether it is over without an answer: it may be asked for again.
    pub(super) fn has_failed(&self) -> bool {
        matches!(lock(&self.state).phase, Phase::Ended(Ended::Failed(_), _))
    }

    /// Since when nobody watches it; `None` while somebody does.
    pub(super) fn unwatched_since(&self) -> Option<Instant> {
        let state = lock(&self.state);
        (state.watchers == 0).then_some(state.unwatched_since)
    }

    /// Its owner wants no more of it.
    pub(super) fn stop_by_owner(&self) {
        {
            let mut state = lock(&self.state);
            if matches!(state.phase, Phase::Ended(..)) {
                return;
            }
            state.by_owner = true;
        }
        self.stop.cancel();
    }

    /// Nobody watches it any more, or there is no room for it.
    pub(super) fn stop_by_door(&self) {
        self.stop.cancel();
    }

    /// Whether its owner stopped it.
    pub(super) fn was_stopped_by_owner(&self) -> bool {
        lock(&self.state).by_owner
    }

    /// Resolves when it has to end.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Another page watches it.
    ///
    /// # Errors
    /// [`WATCHERS_PER_ANSWER_MAX`] do already.
    pub(super) fn watch(
        self: &Arc<Self>,
        door: &Arc<crate::door::Door>,
    ) -> Result<Watcher, Refusal> {
        let mut state = lock(&self.state);
        if state.watchers >= WATCHERS_PER_ANSWER_MAX {
            let most = WATCHERS_PER_ANSWER_MAX.into();
            return Err(Refusal::Full { whose: "an answer", most, what: "watchers at once" });
        }
        state.watchers += 1;
        Ok(Watcher { job: self.clone(), door: door.clone(), changed: self.changed.subscribe() })
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let bytes = lock(&self.state).said.bytes() as u64;
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A page that watches; it leaves when this is dropped.
pub(super) struct Watcher {
    pub(super) job: Arc<Job>,
    door: Arc<crate::door::Door>,
    pub(super) changed: watch::Receiver<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = lock(&self.job.state);
        state.watchers = state.watchers.saturating_sub(1);
        state.unwatched_since = self.door.clock.monotonic();
    }
}
