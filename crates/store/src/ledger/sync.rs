//! What was written reaches the disk soon after, off the writer's path: all of it
//! with `durability = "process"`, what nobody acts on with `"power"`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::file::SegmentFile;

/// How long writes gather before they are made safe; with the sync itself it
/// stays below the 50 ms that the configuration promises.
const SYNC_AFTER: Duration = Duration::from_millis(30);

/// Makes written data safe from its own thread.
pub(super) struct Syncer {
    state: Mutex<State>,
    wake: Condvar,
    failed: AtomicBool,
    /// Hears how many of the ledger's records are safe.
    safe: Box<dyn Fn(u64) + Send + Sync>,
}

#[derive(Default)]
struct State {
    /// What was written to, and how many records the ledger has with that.
    dirty: Option<(Arc<dyn SegmentFile>, u64)>,
    /// The thread looks only when it is woken.
    asleep: bool,
    closing: bool,
}

impl Syncer {
    /// `safe` hears, after each sync, how many of the ledger's records are safe.
    pub(super) fn new(safe: impl Fn(u64) + Send + Sync + 'static) -> Self {
        let (state, wake, failed) = Default::default();
        Self { state, wake, failed, safe: Box::new(safe) }
    }

    /// `file` was written to, and the ledger has `size` records with that. The
    /// writer itself syncs a file that it leaves.
    pub(super) fn dirty(&self, file: &Arc<dyn SegmentFile>, size: u64) {
        let mut state = self.lock();
        match &mut state.dirty {
            Some((known, end)) if Arc::ptr_eq(known, file) => *end = size,
            other => *other = Some((Arc::clone(file), size)),
        }
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.wake.notify_one();
        }
    }

    /// The first `size` records were made safe by the writer itself.
    pub(super) fn made_safe(&self, size: u64) {
        let mut state = self.lock();
        if state.dirty.as_ref().is_some_and(|(_, end)| *end <= size) {
            state.dirty = None;
        }
    }

    /// Whether a sync failed since this was asked last.
    pub(super) fn take_failed(&self) -> bool {
        self.has_failed() && self.failed.swap(false, Ordering::Relaxed)
    }

    /// Whether a sync failed and nobody took notice.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Ends the thread; what is dirty is left to the writer.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// The thread.
    pub(super) fn run(&self) {
        let mut state = self.lock();
        while !state.closing {
            if state.dirty.is_none() {
                // Under load something is dirty again by now. Else it is woken: looking by
                // itself meanwhile costs an idle machine more than the few wakes that it saves.
                state = self.sleep(state);
                continue;
            }
            let waited = self.wake.wait_timeout_while(state, SYNC_AFTER, |state| !state.closing);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if let Some((file, size)) = state.dirty.take() {
                drop(state);
                self.sync(&*file, size);
                state = self.lock();
            }
        }
    }

    /// Waits for the first write.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.asleep = state.dirty.is_none();
        let waited = self.wake.wait_while(state, |state| state.asleep && !state.closing);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn sync(&self, file: &dyn SegmentFile, size: u64) {
        match file.sync() {
            Ok(()) => (self.safe)(size),
            Err(error) => {
                tracing::warn!(%error, "the ledger could not be made safe on disk");
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    use super::*;

    /// Tells of each sync.
    struct Told(Sender<()>);

    impl SegmentFile for Told {
        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn truncate(&self, _len: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            self.0.send(()).map_err(io::Error::other)
        }
    }

    #[test]
    fn what_is_written_is_synced_whether_the_thread_is_awake_or_asleep() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let (tell, syncs) = channel();
        let file: Arc<dyn SegmentFile> = Arc::new(Told(tell));
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        let syncer = Arc::new(Syncer::new(move |size| hears.lock().unwrap().push(size)));
        let runs = Arc::clone(&syncer);
        let thread = thread::spawn(move || runs.run());
        for (asleep, size) in [(true, 1), (false, 2), (true, 3)] {
            while asleep && !syncer.lock().asleep {
                thread::yield_now();
            }
            syncer.dirty(&file, size);
            syncs.recv_timeout(PATIENCE).unwrap();
        }
        syncer.close();
        thread.join().unwrap();
        assert!(syncs.try_recv().is_err(), "nothing is synced that was not written");
        assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
    }
}
