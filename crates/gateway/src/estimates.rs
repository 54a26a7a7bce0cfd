//! Token estimates, corrected by what upstreams report, by model.
//!
//! Where a pool serves every model, clients invent the names: some servers
//! answer to any. So the corrections are bounded, and names that nobody uses
//! any more make room for those that somebody does.

use std::collections::HashMap;
use std::sync::RwLock;

use surgewall_wire::estimate::{ByteClasses, Correction};

use crate::sync::{read, write};

/// Models in each of two generations; at the bound the older one is forgotten.
pub const ESTIMATED_MODELS_MAX: usize = 2_048;

/// One correction a model.
#[derive(Debug, Default)]
pub struct Estimates(RwLock<Generations>);

/// A model that is answered for moves into the newer generation and stays known.
#[derive(Debug, Default)]
struct Generations {
    newer: HashMap<String, Correction>,
    older: HashMap<String, Correction>,
}

impl Estimates {
    /// The correction of `model` as it stands.
    #[must_use]
    pub fn correction(&self, model: &str) -> Correction {
        let models = read(&self.0);
        models.newer.get(model).or_else(|| models.older.get(model)).cloned().unwrap_or_default()
    }

    /// Learns from one answer: `classes` of text were `tokens` tokens.
    pub fn observe(&self, model: &str, classes: &ByteClasses, tokens: u64) {
        write(&self.0).newest(model).observe(classes, tokens);
    }
}

impl Generations {
    /// The place of `model` in the newer generation.
    fn newest(&mut self, model: &str) -> &mut Correction {
        if !self.newer.contains_key(model) && self.newer.len() >= ESTIMATED_MODELS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        let known = self.older.remove(model);
        self.newer.entry(model.to_owned()).or_insert_with(|| known.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers under `count` names that nobody used before.
    fn invent(estimates: &Estimates, from: usize, count: usize) {
        let classes = ByteClasses::of("a few words");
        (from..from + count).for_each(|nth| estimates.observe(&format!("m{nth}"), &classes, 3));
    }

    /// Twice as many tokens as estimated.
    fn learn(estimates: &Estimates, model: &str) {
        let classes = ByteClasses::of(&"word ".repeat(100));
        estimates.observe(model, &classes, 2 * classes.raw_tokens());
    }

    fn is_known(estimates: &Estimates, model: &str) -> bool {
        estimates.correction(model) != Correction::default()
    }

    #[test]
    fn invented_names_are_bounded_and_lock_no_model_out() {
        let estimates = Estimates::default();
        learn(&estimates, "first");
        invent(&estimates, 0, ESTIMATED_MODELS_MAX - 1);
        assert_eq!(read(&estimates.0).newer.len(), ESTIMATED_MODELS_MAX, "at the limit");
        invent(&estimates, ESTIMATED_MODELS_MAX, 1);
        let sizes = |estimates: &Estimates| {
            let models = read(&estimates.0);
            (models.newer.len(), models.older.len())
        };
        assert_eq!(sizes(&estimates), (1, ESTIMATED_MODELS_MAX), "one past it");
        assert!(is_known(&estimates, "first"));
        learn(&estimates, "second");
        assert!(is_known(&estimates, "second"), "new names still have room");
        invent(&estimates, 2 * ESTIMATED_MODELS_MAX, 3 * ESTIMATED_MODELS_MAX);
        assert!(!is_known(&estimates, "first"), "nobody used it any more");
        let (newer, older) = sizes(&estimates);
        assert!(newer <= ESTIMATED_MODELS_MAX && older <= ESTIMATED_MODELS_MAX);
    }

    #[test]
    fn a_model_in_use_stays_known_among_invented_ones() {
        let estimates = Estimates::default();
        for round in 0..6 {
            learn(&estimates, "used");
            invent(&estimates, round * ESTIMATED_MODELS_MAX, ESTIMATED_MODELS_MAX - 1);
            assert!(is_known(&estimates, "used"), "round {round}");
        }
        let per_mille = estimates.correction("used").per_mille();
        assert!(per_mille > 1_500, "what it learnt moves with it: {per_mille}");
    }
}
