//! Attack, or too many users, or a slow server? One verdict for the door, once
//! a second, from what admission counted anyway.
//!
//! [`Judge::tick`] takes a [`Tick`] with the counts of every pool and gives back
//! what it makes of them ([`Judged`]) and, where an incident begins, changes,
//! goes on or ends, the event for the ledger. It has no clock, no lock and no
//! randomness of its own.
//!
//! - Only where somebody is refused or waits long is there anything to judge;
//!   everything else is `Normal`.
//! - Numbers are means over the last 5 to 30 seconds: as many as it takes to see
//!   20 requests. Capacity is what one sequence does in a second (of the calls
//!   that ended) times the sequences that the pool is trusted with.
//! - Overload is judged in work. The cause is what, taken away, takes the
//!   overload away: the repeats, the strangers, or the slowness of the servers.
//!   Where two explain it, the one that grew at least twice as much is the cause;
//!   else the verdict is `Unclear` and names both.
//! - What is usual is learnt only while nobody waits, and not from the ten
//!   seconds before somebody does.
//! - An incident opens after three bad ticks of five, has another verdict after
//!   three ticks in a row that say so, and closes after a calm minute.

mod incident;
mod judge;
mod reading;
#[cfg(test)]
mod tests;
mod tick;
mod usual;
mod window;

pub use judge::{Judge, Judged};
pub use surgewall_core::incident::{
    Against, ClassTotals, Counterfactual, IncidentEvent, Numbers, Rate, Reason, Step, Usual,
    Verdict,
};
pub use tick::{ClassTick, Flow, Health, PoolTick, Served, Tick};
