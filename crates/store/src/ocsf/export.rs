//! Events on their way to a file or a server: a bounded queue and a thread.
//! Whoever has an event never waits; what does not fit is lost, counted, and said
//! where it would have gone.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use surgewall_core::clock::Clock;
use surgewall_core::config::syslog::Syslog;
use surgewall_core::decision::{Admitted, Record};

use super::file::{Bounds, FileError, Lines, outside};
use super::names::Names;
use super::syslog::Server;
use super::{Source, event};
use crate::datadir::DataDir;
use crate::findings::FindingView;
use crate::ledger::Tap;

/// Events that wait for one destination at once; further ones are lost.
pub const EVENTS_WAITING_MAX: usize = 8_192;
/// Events that are written with one call.
const BATCH_EVENTS_MAX: usize = 1_024;

/// What became of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fates {
    /// Those that were taken.
    pub written: u64,
    /// Those that were lost.
    pub lost: u64,
}

/// Where events go: to each destination by a queue and a thread of its own, so
/// that a slow one keeps none from the others. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Export {
    destinations: Vec<Arc<Destination>>,
}

#[derive(Debug)]
struct Destination {
    name: &'static str,
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

/// What takes events, as lines.
enum Sink {
    File(Lines),
    Syslog(Server),
    Taker(Taker),
}

/// Takes lines of events, a batch at a time; it may wait, on the thread of its own.
pub type Taker = Box<dyn FnMut(&[Vec<u8>]) -> std::io::Result<()> + Send>;

impl Sink {
    /// Takes `lines`, and says how many also where it fails.
    fn append(&mut self, lines: &[Vec<u8>]) -> (usize, std::io::Result<()>) {
        match self {
            Self::File(file) => file.append(lines),
            Self::Syslog(server) => server.append(lines),
            Self::Taker(taker) => {
                let taken = taker(lines);
                (if taken.is_ok() { lines.len() } else { 0 }, taken)
            }
        }
    }
}

impl Export {
    /// Also to the file at `path`, which is outside of `directory`.
    ///
    /// # Errors
    /// It lies inside, or cannot be written.
    pub fn to_file(
        self,
        path: &Path,
        directory: &DataDir,
        names: Box<dyn Names>,
        clock: Clock,
    ) -> Result<Self, FileError> {
        outside(path, directory)?;
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let lines = Lines::open(path, Bounds::default()).map_err(failed)?;
        self.begin(Sink::File(lines), EVENTS_WAITING_MAX, names, clock).map_err(failed)
    }

    /// Also to a syslog server. Whether it is there shows with the first event.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn to_syslog(
        self,
        server: Syslog,
        names: Box<dyn Names>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        self.begin(Sink::Syslog(Server::new(server)), EVENTS_WAITING_MAX, names, clock)
    }

    /// Also to `taker`.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn to_taker(
        self,
        taker: Taker,
        names: Box<dyn Names>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        self.begin(Sink::Taker(taker), EVENTS_WAITING_MAX, names, clock)
    }

    fn begin(
        mut self,
        sink: Sink,
        waiting_max: usize,
        names: Box<dyn Names>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let name = match sink {
            Sink::File(_) => "file",
            Sink::Syslog(_) => "syslog",
            Sink::Taker(_) => "webhook",
        };
        let (sender, queue) = sync_channel(waiting_max);
        let counts = Arc::new(Counts::default());
        let writer = Writer { name, queue, sink, names, clock, counts: counts.clone(), said: 0 };
        let thread = thread::Builder::new().name(format!("ocsf-{name}"));
        let thread = thread.spawn(move || writer.run())?;
        let (queue, thread) = (RwLock::new(Some(sender)), Mutex::new(Some(thread)));
        self.destinations.push(Arc::new(Destination { name, queue, thread, counts }));
        Ok(self)
    }

    /// Whether events go nowhere.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    /// A finding has another state, as `view` says.
    pub fn finding(&self, view: &FindingView) {
        self.push(|| Source::Finding(Box::new(view.clone())));
    }

    fn push(&self, source: impl Fn() -> Source) {
        for destination in &self.destinations {
            let queue = destination.queue.read().unwrap_or_else(PoisonError::into_inner);
            let Some(queue) = queue.as_ref() else { continue };
            if queue.try_send(source()).is_err() {
                destination.counts.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What became of events so far, by destination.
    pub fn fates(&self) -> impl Iterator<Item = (&'static str, Fates)> {
        self.destinations.iter().map(|destination| {
            let counts = &destination.counts;
            let fates = Fates {
                written: counts.written.load(Ordering::Relaxed),
                lost: counts.lost.load(Ordering::Relaxed),
            };
            (destination.name, fates)
        })
    }

    /// Writes what waits and ends; what comes later is not written.
    pub async fn close(&self) {
        for destination in &self.destinations {
            drop(destination.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        }
        for destination in &self.destinations {
            let thread = destination.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(thread) = thread else { continue };
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!(to = destination.name, "the thread that writes events panicked");
            }
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
    name: &'static str,
    queue: Receiver<Source>,
    sink: Sink,
    names: Box<dyn Names>,
    clock: Clock,
    counts: Arc<Counts>,
    /// Lost events that the destination has been told of.
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
                    tracing::error!(%error, to = self.name, "events cannot be written");
                }
                (true, None) => tracing::info!(to = self.name, "events can be written again"),
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
        let (done, written) = self.sink.append(&lines);
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
