//! Events on their way to the file: a bounded queue and a thread. Whoever has an
//! event never waits; what does not fit is lost, counted, and said in the file.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use surgewall_core::clock::Clock;
use surgewall_core::decision::{Admitted, Record};

use super::file::{Bounds, FileError, Lines, outside};
use super::names::Names;
use super::{Source, event};
use crate::datadir::DataDir;
use crate::findings::FindingView;
use crate::ledger::Tap;

/// Events that wait for the file at once; further ones are lost.
pub const EVENTS_WAITING_MAX: usize = 8_192;
/// Events that are written with one call.
const BATCH_EVENTS_MAX: usize = 1_024;

/// What became of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fates {
    /// Those in the file.
    pub written: u64,
    /// Those that were lost.
    pub lost: u64,
}

/// Where events go. Clones share it.
#[derive(Clone, Debug)]
pub struct Export {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Gone once it is closed.
    queue: RwLock<Option<SyncSender<Source>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
}

impl Export {
    /// Begins to write events to the file at `path`, which is outside of `directory`.
    ///
    /// # Errors
    /// It lies inside, or cannot be written.
    pub fn start(
        path: &Path,
        directory: &DataDir,
        names: Box<dyn Names>,
        clock: Clock,
    ) -> Result<Self, FileError> {
        outside(path, directory)?;
        Self::begin(path, Bounds::default(), EVENTS_WAITING_MAX, names, clock)
    }

    fn begin(
        path: &Path,
        bounds: Bounds,
        waiting_max: usize,
        names: Box<dyn Names>,
        clock: Clock,
    ) -> Result<Self, FileError> {
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let lines = Lines::open(path, bounds).map_err(failed)?;
        let (sender, queue) = sync_channel(waiting_max);
        let counts = Arc::new(Counts::default());
        let writer = Writer { queue, lines, names, clock, counts: counts.clone(), said: 0 };
        let thread = thread::Builder::new().name("ocsf".to_owned());
        let thread = thread.spawn(move || writer.run()).map_err(failed)?;
        let (queue, thread) = (RwLock::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(Self { shared: Arc::new(Shared { queue, thread, counts }) })
    }

    /// A finding has another state, as `view` says.
    pub fn finding(&self, view: &FindingView) {
        self.push(|| Source::Finding(Box::new(view.clone())));
    }

    fn push(&self, source: impl FnOnce() -> Source) {
        let queue = self.shared.queue.read().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queue.as_ref() else { return };
        if queue.try_send(source()).is_err() {
            self.shared.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of events so far.
    #[must_use]
    pub fn fates(&self) -> Fates {
        let counts = &self.shared.counts;
        Fates {
            written: counts.written.load(Ordering::Relaxed),
            lost: counts.lost.load(Ordering::Relaxed),
        }
    }

    /// Writes what waits and ends; what comes later is not written.
    pub async fn close(&self) {
        drop(self.shared.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread that writes events panicked");
        }
    }
}

impl Tap for Export {
    fn written(&self, sequence: u64, record: &Record, admitted: Option<&Admitted>) {
        if matches!(record, Record::Progress { .. } | Record::Finding(_)) {
            return;
        }
        self.push(|| Source::Record {
            sequence,
            record: Box::new(record.clone()),
            admitted: admitted.cloned().map(Box::new),
        });
    }
}

/// The thread's side.
struct Writer {
    queue: Receiver<Source>,
    lines: Lines,
    names: Box<dyn Names>,
    clock: Clock,
    counts: Arc<Counts>,
    /// Lost events that the file has been told of.
    said: u64,
}

impl Writer {
    fn run(mut self) {
        let mut failing = false;
        while let Ok(first) = self.queue.recv() {
            let mut batch = vec![first];
            batch.extend(self.queue.try_iter().take(BATCH_EVENTS_MAX - 1));
            let failed = self.write(&batch).err();
            match (failing, &failed) {
                (false, Some(error)) => {
                    tracing::error!(%error, "events cannot be written to telemetry.ocsf_file");
                }
                (true, None) => tracing::info!("events can be written again"),
                _ => {}
            }
            failing = failed.is_some();
        }
    }

    /// Writes a batch, after what was lost before it.
    fn write(&mut self, batch: &[Source]) -> std::io::Result<()> {
        let lost = self.counts.lost.load(Ordering::Relaxed);
        let at = self.clock.now();
        let news = (lost > self.said).then(|| Source::Lost { events: lost - self.said, at });
        let told = usize::from(news.is_some());
        let lines: Vec<_> =
            news.iter().chain(batch).filter_map(|source| line(source, &mut *self.names)).collect();
        let (done, written) = self.lines.append(&lines);
        if done >= told {
            self.said = lost;
        }
        let done = done.saturating_sub(told);
        let all = lines.len() - told;
        self.counts.written.fetch_add(done as u64, Ordering::Relaxed);
        self.counts.lost.fetch_add((all - done) as u64, Ordering::Relaxed);
        written
    }
}

fn line(source: &Source, names: &mut dyn Names) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(&event(source, names)?).ok()?;
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests;
