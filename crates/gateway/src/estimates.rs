//! Token estimates, corrected by what upstreams report, by model.

use std::collections::HashMap;
use std::sync::RwLock;

use surgewall_wire::estimate::{ByteClasses, Correction};

use crate::sync::{read, write};

/// Models whose correction is remembered: past it, new ones use none.
const MODELS_MAX: usize = 4_096;

/// One correction a model.
#[derive(Debug, Default)]
pub struct Estimates {
    by_model: RwLock<HashMap<String, Correction>>,
}

impl Estimates {
    /// The correction of `model` as it stands.
    #[must_use]
    pub fn correction(&self, model: &str) -> Correction {
        read(&self.by_model).get(model).cloned().unwrap_or_default()
    }

    /// Learns from one answer: `classes` of text were `tokens` tokens.
    pub fn observe(&self, model: &str, classes: &ByteClasses, tokens: u64) {
        let mut models = write(&self.by_model);
        if models.len() >= MODELS_MAX && !models.contains_key(model) {
            return;
        }
        models.entry(model.to_owned()).or_default().observe(classes, tokens);
    }
}
