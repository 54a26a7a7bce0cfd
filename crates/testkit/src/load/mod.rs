//! Load on one server of this machine, and what it took: for benchmarks.
//!
//! Only loopback is accepted as a target. Prompts carry words for the
//! [`crate::double`], so that one double serves every kind of run.

mod answer;
mod crowd;
mod door;
mod drive;
mod idle;
mod measure;
mod report;
mod target;

pub use answer::{Eta, Outcome};
pub use crowd::{Course, crowd};
pub use door::{Door, DoorError, Keys};
pub use drive::{Mode, Plan, drive};
pub use idle::{Held, hold};
pub use measure::{Measured, Spread};
pub use report::{Etas, PopulationReport, Report, Row};
pub use target::{Target, TargetError, conversation};

#[expect(clippy::disallowed_methods, reason = "the program ends with its runtime")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
