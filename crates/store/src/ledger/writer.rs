//! The writer's thread: takes what waits, writes it, and waits again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use surgewall_core::config::schema::Durability;

use super::AppendError;
use super::core::Core;
use super::queue::Queue;
use super::sync::Syncer;

/// How often a disk that refused is tried again, beside at each append.
const RETRY: Duration = Duration::from_millis(200);
/// How often an ending writer tries a disk that refuses.
const LAST_ATTEMPTS_MAX: u32 = 5;

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
        self.sequence.store(core.chain.next - 1, Ordering::Relaxed);
        self.bytes.store(core.other_bytes + bytes, Ordering::Relaxed);
    }
}

/// The handle of the writer's thread.
pub(super) type Writer = JoinHandle<Result<(), AppendError>>;

/// Starts the writer, and with it what makes its writes safe.
pub(super) fn start(mut core: Core, queue: Arc<Queue>) -> std::io::Result<Writer> {
    if core.options.durability == Durability::Process {
        let syncer = Arc::new(Syncer::default());
        core.syncer = Some(Arc::clone(&syncer));
        thread::Builder::new().name("ledger-sync".to_owned()).spawn(move || syncer.run())?;
    }
    thread::Builder::new().name("ledger".to_owned()).spawn(move || {
        // Also when a step panics: nobody may wait for a writer that is gone.
        let gauges = Arc::clone(&core.gauges);
        let _closing = CloseOnExit { queue: &queue, gauges: &gauges, syncer: core.syncer.clone() };
        run(&mut core, &queue, &gauges)
    })
}

fn run(core: &mut Core, queue: &Queue, gauges: &Gauges) -> Result<(), AppendError> {
    loop {
        let idle = core.is_writable() && !core.has_kept();
        let waiting = queue.take(if idle { None } else { Some(RETRY) }, core.kept_refusals());
        let closing = waiting.closing;
        core.run(waiting);
        // What a batch leaves behind (an admission that nobody heard of) is next.
        if core.is_writable() && core.has_kept() {
            core.run(queue.take(Some(Duration::ZERO), core.kept_refusals()));
        }
        gauges.set(core);
        if closing {
            return finish(core, queue, gauges);
        }
    }
}

/// Writes what is left and makes all of it safe.
fn finish(core: &mut Core, queue: &Queue, gauges: &Gauges) -> Result<(), AppendError> {
    for attempt in 0..LAST_ATTEMPTS_MAX {
        core.run(queue.take(Some(Duration::ZERO), core.kept_refusals()));
        gauges.set(core);
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

struct CloseOnExit<'a> {
    queue: &'a Queue,
    gauges: &'a Gauges,
    syncer: Option<Arc<Syncer>>,
}

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.queue.close();
        self.gauges.writable.store(false, Ordering::Relaxed);
        // Dropping what came too late answers those who wait.
        drop(self.queue.take(Some(Duration::ZERO), 0));
        if let Some(syncer) = &self.syncer {
            syncer.close();
        }
    }
}
