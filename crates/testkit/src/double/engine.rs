//! The engine behind a double, driven in real time.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::WordError;
use crate::engine::{
    Engine, Gauges, Job, JobId, Settings, TooLong, llama_cpp_metrics, vllm_metrics,
};

/// In whose words `/metrics` speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metrics {
    /// vLLM's.
    #[default]
    Vllm,
    /// llama.cpp's.
    LlamaCpp,
    /// It does not: the server has no such path.
    Silent,
}

/// A change to a double that runs. Words: `slow=10 seqs=20 waiting=0 running=0 honest restart`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    /// Every step of the engine takes so many times as long.
    Slow(f64),
    /// The bound on sequences.
    Seqs(usize),
    /// The gauge of waiting requests shows this.
    LieWaiting(usize),
    /// The gauge of running requests shows this.
    LieRunning(usize),
    /// The gauges show the truth again.
    Honest,
    /// All connections break, and what the server knew is gone. The requests
    /// seen are the test's and stay.
    Restart,
}

impl FromStr for Control {
    type Err = WordError;
    fn from_str(word: &str) -> Result<Self, WordError> {
        let parsed = match word.split_once('=') {
            None => match word {
                "honest" => Some(Self::Honest),
                "restart" => Some(Self::Restart),
                _ => None,
            },
            Some(("slow", factor)) => {
                let factor = factor.parse().ok().filter(|factor| (0.0..=1e6).contains(factor));
                factor.map(Self::Slow)
            }
            Some(("seqs", seqs)) => seqs.parse().ok().map(Self::Seqs),
            Some(("waiting", waiting)) => waiting.parse().ok().map(Self::LieWaiting),
            Some(("running", running)) => running.parse().ok().map(Self::LieRunning),
            Some(_) => None,
        };
        parsed.ok_or_else(|| WordError(word.to_owned()))
    }
}

struct Inner {
    engine: Engine,
    /// Of each job, where its tokens are waited for.
    taps: HashMap<JobId, Arc<Tap>>,
    lie_waiting: Option<usize>,
    lie_running: Option<usize>,
}

/// An engine that all connections of a double share.
pub(super) struct Driven {
    inner: Mutex<Inner>,
    changed: Notify,
    origin: Instant,
}

impl Driven {
    pub(super) fn new(settings: Settings) -> Self {
        let engine = Engine::new(settings);
        let inner = Inner { engine, taps: HashMap::new(), lie_waiting: None, lie_running: None };
        Self { inner: Mutex::new(inner), changed: Notify::new(), origin: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps the engine for ever.
    pub(super) async fn drive(&self) {
        loop {
            let next = self.turn();
            // A change during a step is seen at its end; in between it costs a look.
            let changed = self.changed.notified();
            match next {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = changed => {}
                },
            }
        }
    }

    fn turn(&self) -> Option<Instant> {
        let mut inner = self.lock();
        let turn = inner.engine.step(self.origin.elapsed());
        for output in turn.outputs {
            let Some(tap) = inner.taps.get(&output.id) else { continue };
            // The last token opens the tap: nothing more is to be waited for.
            let produced = if output.is_last { u64::MAX } else { u64::from(output.produced) };
            tap.produced.store(produced, Ordering::SeqCst);
            tap.waker.wake();
        }
        turn.next.map(|at| self.origin + at)
    }

    /// Queues a job.
    pub(super) fn submit(self: &Arc<Self>, job: Job) -> Result<Supply, TooLong> {
        let mut inner = self.lock();
        let id = inner.engine.submit(self.origin.elapsed(), job)?;
        let tap = Arc::new(Tap::default());
        inner.taps.insert(id, Arc::clone(&tap));
        drop(inner);
        self.changed.notify_one();
        Ok(Supply { driven: Arc::clone(self), id, tap })
    }

    /// The longest answer to a prompt, and the tokens of it that are there already.
    pub(super) fn look(&self, input: u32, prefix: &[u64]) -> Result<(u32, u32), TooLong> {
        let inner = self.lock();
        Ok((inner.engine.output_max(input)?, inner.engine.cached_tokens(prefix)))
    }

    /// Requests that wait, as they are.
    pub(super) fn waiting(&self) -> usize {
        self.lock().engine.gauges().waiting
    }

    /// Makes a change; connections are not this one's to break.
    pub(super) fn control(&self, control: Control) {
        let mut inner = self.lock();
        match control {
            Control::Slow(factor) => inner.engine.set_slowdown(factor),
            Control::Seqs(seqs) => inner.engine.set_seqs_max(seqs),
            Control::LieWaiting(waiting) => inner.lie_waiting = Some(waiting),
            Control::LieRunning(running) => inner.lie_running = Some(running),
            Control::Honest => (inner.lie_waiting, inner.lie_running) = (None, None),
            Control::Restart => {
                inner.engine.restart();
                inner.taps.clear();
            }
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// The text of `/metrics`; `None` where there is none.
    pub(super) fn metrics(&self, metrics: Metrics, model: &str) -> Option<String> {
        let inner = self.lock();
        let truth = inner.engine.gauges();
        let gauges = Gauges {
            waiting: inner.lie_waiting.unwrap_or(truth.waiting),
            running: inner.lie_running.unwrap_or(truth.running),
            ..truth
        };
        match metrics {
            Metrics::Vllm => Some(vllm_metrics(model, &gauges, inner.engine.counters())),
            Metrics::LlamaCpp => Some(llama_cpp_metrics(&gauges, inner.engine.counters())),
            Metrics::Silent => None,
        }
    }
}

#[derive(Default)]
struct Tap {
    produced: AtomicU64,
    waker: AtomicWaker,
}

/// The tokens of one job as they come. Dropped before the last, the job ends.
pub(super) struct Supply {
    driven: Arc<Driven>,
    id: JobId,
    tap: Arc<Tap>,
}

impl Supply {
    /// Whether token `index` is there.
    pub(super) fn has(&self, index: u64) -> bool {
        self.tap.produced.load(Ordering::SeqCst) > index
    }

    /// Waits for token `index`.
    pub(super) fn poll(&self, index: u64, cx: &Context<'_>) -> Poll<()> {
        self.tap.waker.register(cx.waker());
        if self.has(index) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Supply {
    fn drop(&mut self) {
        let mut inner = self.driven.lock();
        inner.taps.remove(&self.id);
        let left = inner.engine.cancel(self.id);
        drop(inner);
        if left {
            self.driven.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_changes() {
        for (word, control) in [
            ("slow=2.5", Control::Slow(2.5)),
            ("seqs=0", Control::Seqs(0)),
            ("waiting=3", Control::LieWaiting(3)),
            ("running=4", Control::LieRunning(4)),
            ("honest", Control::Honest),
            ("restart", Control::Restart),
        ] {
            assert_eq!(word.parse(), Ok(control));
        }
        for bad in ["", "slow", "slow=-1", "slow=nan", "seqs=x", "wait=1", "restart=1"] {
            assert_eq!(bad.parse::<Control>(), Err(WordError(bad.to_owned())));
        }
    }
}
