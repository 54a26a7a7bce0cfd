//! What all connections of a double share: its behaviour, its slots or its
//! engine, and what it has seen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Options;
use super::bank::Banks;
use super::behaviour::Behaviour;
use super::engine::{Control, Driven, Metrics, Supply};
use super::plan::{Model, Plan};
use super::record::Records;
use super::request::{Ask, Fnv};
use crate::engine::{Job, TooLong};
use crate::traffic;

/// What all connections of a double share.
pub(super) struct State {
    behaviour: RwLock<Arc<Behaviour>>,
    slots: RwLock<Arc<Semaphore>>,
    waiting: AtomicUsize,
    pub(super) banks: Banks,
    engine: Option<Arc<Driven>>,
    metrics: Metrics,
    /// How often the server was restarted.
    pub(super) restarts: watch::Sender<u64>,
    pub(super) records: Records,
}

impl State {
    pub(super) fn new(behaviour: Behaviour, options: &Options) -> Self {
        Self {
            slots: RwLock::new(Arc::new(semaphore(behaviour.slots))),
            behaviour: RwLock::new(Arc::new(behaviour)),
            waiting: AtomicUsize::new(0),
            banks: Banks::default(),
            engine: options.engine.map(|settings| Arc::new(Driven::new(settings))),
            metrics: options.metrics,
            restarts: watch::Sender::new(0),
            records: Records::new(options.records_max),
        }
    }

    pub(super) fn set(&self, behaviour: Behaviour) {
        let slots = Arc::new(semaphore(behaviour.slots));
        *self.slots.write().unwrap_or_else(PoisonError::into_inner) = slots;
        *self.behaviour.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(behaviour);
    }

    pub(super) fn behaviour(&self) -> Arc<Behaviour> {
        Arc::clone(&self.behaviour.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Drives the engine, if there is one, for ever.
    pub(super) async fn drive(&self) {
        match &self.engine {
            Some(engine) => engine.drive().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn control(&self, control: Control) {
        if let Some(engine) = &self.engine {
            engine.control(control);
        }
        if control == Control::Restart {
            self.restarts.send_modify(|restarts| *restarts += 1);
        }
    }

    /// The text of `/metrics`; `None` where there is none.
    pub(super) fn metrics(&self) -> Option<String> {
        let behaviour = self.behaviour();
        let model = behaviour.models.first().map_or("double", String::as_str);
        self.engine.as_ref()?.metrics(self.metrics, model)
    }

    /// What the engine brings to an answer, and how long it may be.
    pub(super) fn model(&self, ask: &Ask<'_>, body: &[u8]) -> Result<Model, TooLong> {
        let Some(engine) = &self.engine else { return Ok(Model::default()) };
        let input = u32::try_from(ask.input_tokens()).unwrap_or(u32::MAX);
        let (tokens_max, cached) = engine.look(input, &ask.blocks())?;
        let mut seed = Fnv::default();
        body.iter().for_each(|byte| seed.add(*byte));
        Ok(Model {
            tokens: u64::from(traffic::output_tokens(seed.0)),
            tokens_max: Some(u64::from(tokens_max)),
            cached: u64::from(cached),
        })
    }

    /// Has the engine, if there is one, make the tokens of an answer.
    pub(super) fn supply(&self, ask: &Ask<'_>, plan: &Plan<'_>) -> Result<Option<Supply>, TooLong> {
        let tokens = plan.tokens.saturating_add(plan.reasoning);
        let Some(engine) = self.engine.as_ref().filter(|_| tokens > 0) else { return Ok(None) };
        let count = |tokens| u32::try_from(tokens).unwrap_or(u32::MAX);
        let supply = engine.submit(Job {
            input: count(ask.input_tokens()),
            output: count(tokens),
            is_cut: plan.is_cut,
            prefix: ask.blocks(),
        });
        supply.map(Some)
    }

    /// Waits for a slot; `None` if too many wait already.
    pub(super) async fn slot(&self, queue_max: usize) -> Option<OwnedSemaphorePermit> {
        if self.engine.as_ref().is_some_and(|engine| engine.waiting() >= queue_max) {
            return None;
        }
        let slots = Arc::clone(&self.slots.read().unwrap_or_else(PoisonError::into_inner));
        if let Ok(permit) = Arc::clone(&slots).try_acquire_owned() {
            return Some(permit);
        }
        let waiter = Waiter::join(&self.waiting, queue_max)?;
        let permit = slots.acquire_owned().await.ok();
        drop(waiter);
        permit
    }
}

fn semaphore(slots: usize) -> Semaphore {
    Semaphore::new(if slots == 0 { Semaphore::MAX_PERMITS } else { slots })
}

/// One request that waits for a slot.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn join(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let before = waiting.fetch_add(1, Ordering::SeqCst);
        let waiter = Self(waiting);
        (before < max).then_some(waiter)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
