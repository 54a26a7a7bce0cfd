//! The one place where Argon2 runs: so many at once, in order of priority, and
//! no more waiting than have a chance.
//!
//! Hashing is the dearest thing that a stranger can ask for. It runs on
//! blocking threads, on half of the cores, so that the door stays quick.
//! Sign-in goes before reset, reset before sign-up, and within each the
//! networks take turns: a flood of sign-ups costs a sign-in at most the one
//! hash that runs already, and a flood from a few networks at most one turn of
//! each.

mod queue;

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use surgewall_core::principal::Network;
use surgewall_core::secret::SecretString;

use crate::password::{self, Cost, Factors, PasswordFault, StoredHash};
use queue::{Permit, Turns};

pub use queue::PURPOSES;

/// What a hash is for, in the order in which they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Somebody signs in, or proves again that it is them.
    SignIn,
    /// Somebody sets a new password.
    Reset,
    /// Somebody makes an account.
    SignUp,
}

/// The bounds. Memory for hashing is at most `at_once` times the cost's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasherLimits {
    /// Hashes at a time.
    pub at_once: usize,
    /// How many may wait, of each purpose.
    pub waiting_max: usize,
    /// How many of one network may wait, of each purpose.
    pub waiting_per_network_max: usize,
    /// The longest wait.
    pub wait_max: Duration,
}

impl Default for HasherLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            at_once: (cores / 2).max(1),
            waiting_max: 256,
            waiting_per_network_max: 16,
            wait_max: Duration::from_secs(5),
        }
    }
}

/// Nothing was hashed. The text is for the person who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// As many wait as may.
    #[error("Too many people are signing in or up right now. Please try again in a few seconds.")]
    Full,
    /// Its turn did not come in time.
    #[error("This took too long because many people are signing in or up. Please try again.")]
    Waited,
    /// The machine could not do it.
    #[error("This did not work because of a fault of ours. Please try again.")]
    Failed,
}

/// A password that somebody chose.
#[derive(Debug)]
pub struct NewPassword {
    /// As typed.
    pub password: SecretString,
    /// What it stands beside.
    pub factors: Factors,
    /// What others know of the account: see [`password::check`].
    pub context: Vec<String>,
}

/// Why a new password was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It is not good enough.
    #[error(transparent)]
    Fault(#[from] PasswordFault),
    /// Nothing was judged.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// What became of a password that was typed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not the one, or there is none.
    Wrong,
    /// It is the one.
    Right {
        /// Its hash costs less than hashes cost now: hash it anew and store that.
        outdated: bool,
    },
}

/// How it goes, for metrics and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HasherCounts {
    /// Argon2 calls since the start.
    pub calls: u64,
    /// Hashes that run.
    pub running: usize,
    /// Who waits, by [`Purpose`].
    pub waiting: [usize; PURPOSES],
    /// Asked for and not done, since the start.
    pub refused: u64,
}

/// Hashes passwords, and compares them with hashes. A clone is the same hasher.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    cost: Cost,
    limits: HasherLimits,
    turns: Turns,
    calls: AtomicU64,
    refused: AtomicU64,
}

impl Hasher {
    /// A hasher at `cost`.
    #[must_use]
    pub fn new(cost: Cost, limits: HasherLimits) -> Self {
        let turns = Turns::new(limits);
        let (calls, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { cost, limits, turns, calls, refused }))
    }

    /// Whether `password` is the one whose hash is `stored`.
    ///
    /// Exactly one Argon2 call, also for an account that is not there or has no
    /// password (`None`): then against a hash that no password has. Only an
    /// account whose hash is still at a former cost takes another time.
    ///
    /// # Errors
    /// Nothing was compared.
    pub async fn verify(
        &self,
        network: Network,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<Verdict, Busy> {
        self.run(Purpose::SignIn, network, move |cost, calls| {
            let known = stored.as_deref().and_then(StoredHash::parse);
            let is_known = known.is_some();
            let hash = known.or_else(|| StoredHash::dummy(cost))?;
            let outdated = hash.is_below(cost);
            let is_right = hash.verify(&password, calls)? && is_known;
            Some(if is_right { Verdict::Right { outdated } } else { Verdict::Wrong })
        })
        .await
    }

    /// The PHC string of `password`, for [`Hasher::verify`]: one that was taken before.
    ///
    /// # Errors
    /// Nothing was hashed.
    pub async fn hash(
        &self,
        purpose: Purpose,
        network: Network,
        password: SecretString,
    ) -> Result<String, Busy> {
        self.run(purpose, network, move |cost, calls| password::hash(&password, cost, calls)).await
    }

    /// The PHC string of a password that may be set. Judging it costs a part of what
    /// hashing does, so it waits for the same turn.
    ///
    /// # Errors
    /// It may not be set, or nothing was judged.
    pub async fn take(
        &self,
        purpose: Purpose,
        network: Network,
        new: NewPassword,
    ) -> Result<String, NotTaken> {
        let taken = self.run(purpose, network, move |cost, calls| {
            let NewPassword { password, factors, context } = new;
            let context: Vec<&str> = context.iter().map(String::as_str).collect();
            match password::check(&password, factors, &context) {
                Ok(()) => password::hash(&password, cost, calls).map(Ok),
                Err(fault) => Some(Err(fault)),
            }
        });
        Ok(taken.await??)
    }

    /// How it goes.
    #[must_use]
    pub fn counts(&self) -> HasherCounts {
        let (running, waiting) = self.0.turns.counts();
        HasherCounts {
            calls: self.0.calls.load(Ordering::Relaxed),
            running,
            waiting,
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        purpose: Purpose,
        network: Network,
        work: impl FnOnce(Cost, &AtomicU64) -> Option<T> + Send + 'static,
    ) -> Result<T, Busy> {
        let permit = self.enter(purpose, network).await.inspect_err(|_| {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        let inner = Arc::clone(&self.0);
        // The permit goes with the work: who leaves does not make room before it is done.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(inner.cost, &inner.calls)
        });
        done.await.ok().flatten().ok_or(Busy::Failed)
    }

    async fn enter(&self, purpose: Purpose, network: Network) -> Result<Permit, Busy> {
        let turn = self.0.turns.enter(purpose, network)?;
        let waited = tokio::time::timeout(self.0.limits.wait_max, turn).await;
        // Who lost its turn gave way to somebody of a shorter line.
        waited.map_err(|_| Busy::Waited)?.map_err(|_| Busy::Full)
    }
}

#[cfg(test)]
mod tests;
