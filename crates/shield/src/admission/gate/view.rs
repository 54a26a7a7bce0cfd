//! How a gate stands, for the verdict, the metrics and the live view.

use surgewall_core::principal::Class;

use super::{ClassCounts, Gate, PoolCounts};
use crate::admission::capacity::{Health, Load};
use crate::admission::work::Work;
use crate::verdict::{self, ClassTick, Flow, PoolTick};

/// How a gate stands.
#[derive(Clone, Debug)]
pub struct View {
    /// The learnt limit of requests at once.
    pub sequences: u32,
    /// The learnt limit of tokens at once, where tokens were ever scarce.
    pub tokens: Option<u64>,
    /// What runs now.
    pub running: Load,
    /// What waits, by class.
    pub waiting: [Flow; 4],
    /// Bytes of what waits.
    pub queued_bytes: u64,
    /// How the upstream does.
    pub health: Health,
    /// The work of a written token, in read ones.
    pub output_weight: f64,
    /// The work that the capacity serves in a second, where it is known.
    pub work_per_s: Option<f64>,
    /// The mean work of a request that ended.
    pub mean_work: Option<Work>,
    /// The part of waits that stayed within the stated range, where some ended.
    pub eta_held: Option<f64>,
}

impl View {
    /// What the judge is told of the pool `name`, of which `counts` happened since the last time.
    #[must_use]
    pub fn tick(&self, name: &str, counts: &PoolCounts) -> PoolTick {
        let class = |(counts, waiting): (&ClassCounts, &Flow)| ClassTick {
            offered: counts.offered,
            repeated: counts.repeated,
            admitted: counts.admitted.requests,
            queued: counts.queued,
            left: counts.left,
            refused: counts.refused,
            slow: counts.slow,
            shed: counts.shed,
            waiting: *waiting,
            longest_wait_ms: counts.longest_wait_ms,
        };
        let mut classes = counts.classes.iter().zip(&self.waiting).map(class);
        PoolTick {
            classes: std::array::from_fn(|_| classes.next().unwrap_or_default()),
            grown: counts.grown,
            served: counts.served,
            sequences: self.sequences,
            in_flight: self.running.sequences,
            health: verdict::Health {
                ttft_ratio: self.health.ttft_ratio,
                tpot_ratio: self.health.tpot_ratio,
                faults: u64::from(self.health.faults),
            },
            ..PoolTick::idle(name.into())
        }
    }
}

impl<T, R> Gate<T, R> {
    /// What happened since the last call.
    pub fn take_counts(&mut self) -> PoolCounts {
        std::mem::take(&mut self.counts)
    }

    /// How the gate stands.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            sequences: self.capacity.sequences(),
            tokens: self.capacity.tokens(),
            running: self.load,
            waiting: Class::ALL.map(|class| Flow {
                requests: self.queue.len_of(class),
                work: self.queue.work_of(class).0,
            }),
            queued_bytes: self.queued_bytes.iter().sum(),
            health: self.capacity.health(),
            output_weight: self.weights.ratio(),
            work_per_s: self.predictor.work_per_s(self.capacity.sequences()),
            mean_work: self.predictor.mean_work(),
            eta_held: self.predictor.held_share(),
        }
    }
}
