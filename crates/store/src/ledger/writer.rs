//! Who writes: whoever adds a job and finds the writer idle writes it in place,
//! a few at a time; all else is done by a thread.
//!
//! A hop to another thread and back costs more than the write itself, so a door
//! that is not busy makes none. The thread does what takes long or has nobody to
//! do it: many jobs at once, a sync before the answer
//! (`durability = "power"`), a new segment, a disk that refuses, the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use surgewall_core::config::schema::Durability;

use super::AppendError;
use super::core::Core;
use super::log::Log;
use super::queue::{Few, Queue};
use super::sync::Syncer;

/// How often a disk that refused is tried again, beside at each append.
const RETRY: Duration = Duration::from_millis(200);
/// How often an ending writer tries a disk that refuses.
const LAST_ATTEMPTS_MAX: u32 = 5;
/// Jobs and checkpoints that are written in place at once: about 20 µs each.
const JOBS_IN_PLACE_MAX: usize = 8;
/// How often one that wrote in place looks for what others added meanwhile.
const LOOKS_IN_PLACE_MAX: u32 = 4;

/// How the ledger is, readable from anywhere.
#[derive(Default)]
pub(super) struct Gauges {
    /// Whether the last write worked.
    pub(super) writable: AtomicBool,
    /// The current segment's first sequence.
    pub(super) segment: AtomicU64,
    /// The last record's sequence.
    pub(super) sequence: AtomicU64,
    /// All segments, in bytes.
    pub(super) bytes: AtomicU64,
}

impl Gauges {
    pub(super) fn set(&self, core: &Core) {
        let (first, bytes) = core.segment.as_ref().map_or((0, 0), |s| (s.first, s.bytes));
        self.writable.store(core.is_writable(), Ordering::Relaxed);
        self.segment.store(first, Ordering::Relaxed);
        self.sequence.store(core.end.next - 1, Ordering::Relaxed);
        self.bytes.store(core.other_bytes + bytes + core.log.bytes(), Ordering::Relaxed);
    }
}

/// The handle of the writer's thread.
pub(super) type Thread = JoinHandle<Result<(), AppendError>>;

/// What writes, and what waits for it.
pub(super) struct Writer {
    pub(super) queue: Queue,
    pub(super) gauges: Arc<Gauges>,
    core: Mutex<Core>,
    syncer: Arc<Syncer>,
    /// Whether whoever pushes may write: not where a write may wait for the disk.
    in_place: bool,
    log: Arc<Log>,
}

impl Writer {
    /// Starts the writer's thread, the one that makes its writes safe, and the one
    /// that publishes the tree: a tile's sync must not delay a record's.
    pub(super) fn start(mut core: Core) -> std::io::Result<(Arc<Self>, Thread)> {
        let log = Arc::clone(&core.log);
        let syncer = Arc::new(Syncer::new(move |size| log.safe(size)));
        core.syncer = Some(Arc::clone(&syncer));
        let runs = Arc::clone(&syncer);
        thread::Builder::new().name("ledger-sync".to_owned()).spawn(move || runs.run())?;
        let in_place = core.options.durability == Durability::Process;
        let (gauges, log) = (Arc::clone(&core.gauges), Arc::clone(&core.log));
        gauges.set(&core);
        let (queue, core) = (Queue::new(), Mutex::new(core));
        let writer =
            Arc::new(Self { queue, gauges, core, syncer, in_place, log: Arc::clone(&log) });
        let publisher =
            thread::Builder::new().name("ledger-log".to_owned()).spawn(move || log.run())?;
        let runs = Arc::clone(&writer);
        let thread = thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            // Also when a step panics: nobody may wait for a writer that is gone.
            let closing = CloseOnExit(&runs);
            let outcome = runs.run();
            drop(closing);
            if publisher.join().is_err() {
                tracing::error!("the thread of the ledger's log panicked");
            }
            outcome
        })?;
        Ok((writer, thread))
    }

    /// Sees to it that what was pushed gets written: in place where the writer is
    /// idle and little waits, else by the thread. What is pushed while somebody
    /// writes is theirs: they look again once they are done.
    pub(super) fn write(&self) {
        let call = CallOnDrop(&self.queue);
        // A panic within a panic would end the process.
        if !self.in_place || thread::panicking() {
            return;
        }
        for _ in 0..LOOKS_IN_PLACE_MAX {
            let mut core = match self.core.try_lock() {
                Ok(core) => core,
                Err(TryLockError::WouldBlock) => return call.forget(),
                Err(TryLockError::Poisoned(_)) => return,
            };
            if !core.is_at_ease() {
                return;
            }
            match self.queue.take_few(JOBS_IN_PLACE_MAX) {
                Few::Jobs(waiting) => core.run(waiting),
                Few::None => {}
                Few::Many => return,
            }
            self.gauges.set(&core);
            if !core.is_idle() {
                return;
            }
            drop(core);
            if self.queue.is_empty() {
                return call.forget();
            }
        }
    }

    fn run(&self) -> Result<(), AppendError> {
        let mut timeout = None;
        loop {
            self.queue.wait(timeout);
            // Only who holds the core takes jobs: they are written in their order.
            let mut core = self.lock()?;
            let waiting = self.queue.take(core.kept_refusals());
            let closing = waiting.closing;
            core.run(waiting);
            // What a batch leaves behind (an admission that nobody heard of) is next.
            if core.is_writable() && core.has_kept() {
                let waiting = self.queue.take(core.kept_refusals());
                core.run(waiting);
            }
            self.gauges.set(&core);
            if closing {
                return self.finish(&mut core);
            }
            timeout = if core.is_idle() { None } else { Some(RETRY) };
        }
    }

    /// Writes what is left and makes all of it safe.
    fn finish(&self, core: &mut Core) -> Result<(), AppendError> {
        for attempt in 0..LAST_ATTEMPTS_MAX {
            let waiting = self.queue.take(core.kept_refusals());
            core.run(waiting);
            self.gauges.set(core);
            if !core.has_kept() {
                return core.sync().map_err(|error| core.refuse(error));
            }
            if attempt > 0 {
                thread::sleep(RETRY);
            }
        }
        // What could not be written settles at its last checkpoint at the next start.
        Err(AppendError::Full { directory: core.directory.clone() })
    }

    /// The core, unless a step panicked: nothing is written after that.
    fn lock(&self) -> Result<MutexGuard<'_, Core>, AppendError> {
        self.core.lock().map_err(|_| AppendError::Closed)
    }
}

/// Calls the thread, also on the way out of a panic.
struct CallOnDrop<'a>(&'a Queue);

impl CallOnDrop<'_> {
    /// Nothing is left for the thread.
    fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for CallOnDrop<'_> {
    fn drop(&mut self) {
        self.0.call();
    }
}

struct CloseOnExit<'a>(&'a Writer);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        let Writer { queue, gauges, syncer, log, .. } = self.0;
        queue.close();
        gauges.writable.store(false, Ordering::Relaxed);
        // Dropping what came too late answers those who wait.
        drop(queue.take(0));
        syncer.close();
        log.close();
    }
}
