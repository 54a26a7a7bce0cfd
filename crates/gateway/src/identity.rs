//! What signing in needs in memory: the one place that hashes passwords, the
//! delays after failures, tickets that were used, and who exports now.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use surgewall_identity::delay::Delays;
use surgewall_identity::hasher::{Hasher, HasherLimits};
use surgewall_identity::password::Cost;
use tokio::sync::Semaphore;

use crate::pages::Exports;
use crate::pages::tickets::Used;

/// Reads of the whole ledger for somebody's account page, at a time.
pub const LEDGER_READS_MAX: usize = 2;

/// Letters to whoever lost their way in that are written at a time.
pub const LETTERS_AT_ONCE_MAX: usize = 64;

/// The state of signing in.
pub struct Identity {
    hasher: ArcSwap<Hasher>,
    /// Delays after wrong passwords.
    pub delays: Mutex<Delays>,
    /// Delays after wrong second factors: apart, so that nothing a stranger types
    /// makes the door forget them.
    pub second_delays: Mutex<Delays>,
    /// Delays between letters that one network asks for, for one address.
    pub letter_delays: Mutex<Delays>,
    /// Room for letters that are being written to whoever lost their way in.
    pub letters: Arc<Semaphore>,
    /// Tickets that were used.
    pub used: Mutex<Used>,
    /// Room for looking who accessed what.
    pub ledger_reads: Arc<Semaphore>,
    /// Exports under way.
    pub exports: Exports,
}

impl Default for Identity {
    fn default() -> Self {
        let hasher = Hasher::new(Cost::DEFAULT, HasherLimits::default());
        Self {
            hasher: ArcSwap::from_pointee(hasher),
            delays: Mutex::default(),
            second_delays: Mutex::default(),
            letter_delays: Mutex::default(),
            letters: Arc::new(Semaphore::new(LETTERS_AT_ONCE_MAX)),
            used: Mutex::default(),
            ledger_reads: Arc::new(Semaphore::new(LEDGER_READS_MAX)),
            exports: Exports::default(),
        }
    }
}

impl Identity {
    /// The one place that hashes passwords.
    #[must_use]
    pub fn hasher(&self) -> Arc<Hasher> {
        self.hasher.load_full()
    }

    /// Passwords that wait to be hashed.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        let waiting: usize = self.hasher.load().counts().waiting.iter().sum();
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// Hashes at `cost` from now on: tests do it at the least.
    pub fn hash_at(&self, cost: Cost) {
        self.hash_within(cost, HasherLimits::default());
    }

    /// Hashes at `cost` and within `limits` from now on.
    pub fn hash_within(&self, cost: Cost, limits: HasherLimits) {
        self.hasher.store(Arc::new(Hasher::new(cost, limits)));
    }
}
