//! `durability = "process"`: what was written reaches the disk soon after, off
//! the writer's path.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::file::SegmentFile;

/// How long writes gather before they are made safe; with the sync itself it
/// stays below the 50 ms that the configuration promises.
const SYNC_AFTER: Duration = Duration::from_millis(20);

/// Makes written data safe from its own thread.
#[derive(Default)]
pub(super) struct Syncer {
    state: Mutex<State>,
    wake: Condvar,
    failed: AtomicBool,
}

#[derive(Default)]
struct State {
    dirty: Option<Arc<dyn SegmentFile>>,
    closing: bool,
}

impl Syncer {
    /// `file` was written to. The writer itself syncs a file that it leaves.
    pub(super) fn dirty(&self, file: &Arc<dyn SegmentFile>) {
        let mut state = self.lock();
        match &state.dirty {
            Some(known) if Arc::ptr_eq(known, file) => {}
            Some(_) => state.dirty = Some(Arc::clone(file)),
            None => {
                state.dirty = Some(Arc::clone(file));
                drop(state);
                self.wake.notify_one();
            }
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
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.wake.wait_timeout_while(state, SYNC_AFTER, |state| !state.closing);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let Some(file) = state.dirty.take() else { continue };
            drop(state);
            if let Err(error) = file.sync() {
                tracing::warn!(%error, "the ledger could not be made safe on disk");
                self.failed.store(true, Ordering::Relaxed);
            }
            state = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
