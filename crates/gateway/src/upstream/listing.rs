//! Which models a pool serves: as configured, and as its servers list them.

use std::collections::BTreeMap;

use surgewall_core::principal::matches_model;
use surgewall_wire::models::UpstreamModel;

/// Models that one pool may list.
pub(crate) const MODELS_MAX: usize = 4_096;

/// What a pool serves.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Names and patterns, as configured.
    patterns: Vec<String>,
    /// Other names: alias to model.
    aliases: BTreeMap<String, String>,
    /// What the servers said when last asked: model to its output bound; `None`
    /// while none of them ever said.
    listed: Option<BTreeMap<String, Option<u64>>>,
}

impl Listing {
    /// As configured.
    #[must_use]
    pub fn new(patterns: &[String], aliases: &BTreeMap<String, String>) -> Self {
        Self { patterns: patterns.to_vec(), aliases: aliases.clone(), listed: None }
    }

    /// Whether the servers have to be asked what they serve.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.ends_with('*'))
    }

    /// Takes what the servers list.
    pub fn learn(&mut self, models: Vec<UpstreamModel>) {
        let fitting = models.into_iter().filter(|model| self.fits(&model.id)).take(MODELS_MAX);
        self.listed = Some(fitting.map(|model| (model.id, model.output_max)).collect());
    }

    /// The upstream's own name of the model that a client calls `asked`, if
    /// this pool serves it. A pool of `*` whose servers never said what they
    /// serve is taken at its word.
    #[must_use]
    pub fn resolve(&self, asked: &str) -> Option<String> {
        if let Some(model) = self.aliases.get(asked) {
            return Some(model.clone());
        }
        if self.patterns.iter().any(|pattern| pattern == asked) {
            return Some(asked.to_owned());
        }
        match &self.listed {
            Some(listed) => listed.contains_key(asked).then(|| asked.to_owned()),
            None => self.fits(asked).then(|| asked.to_owned()),
        }
    }

    /// The output bound that the servers gave for `model`.
    #[must_use]
    pub fn output_max(&self, model: &str) -> Option<u64> {
        self.listed.as_ref()?.get(model).copied().flatten()
    }

    /// Every name under which clients may ask.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let plain = self.patterns.iter().filter(|pattern| !pattern.ends_with('*'));
        let listed = self.listed.iter().flat_map(|listed| listed.keys());
        plain.chain(listed).chain(self.aliases.keys()).map(String::as_str)
    }

    /// Whether `asked` is a name that the configuration or the servers gave.
    #[must_use]
    pub fn is_named(&self, asked: &str) -> bool {
        self.names().any(|name| name == asked)
    }

    fn fits(&self, model: &str) -> bool {
        self.patterns.iter().any(|pattern| matches_model(pattern, model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str) -> UpstreamModel {
        UpstreamModel { id: id.to_owned(), context: None, output_max: Some(7) }
    }

    #[test]
    fn a_pool_serves_what_is_configured_and_what_it_lists() {
        let aliases = BTreeMap::from([("gpt".to_owned(), "llama-3".to_owned())]);
        let mut listing = Listing::new(&["tiny".to_owned(), "llama-*".to_owned()], &aliases);
        assert_eq!(listing.resolve("llama-9").as_deref(), Some("llama-9"));
        listing.learn(vec![model("llama-3"), model("other")]);
        assert_eq!(listing.resolve("llama-9"), None);
        assert_eq!(listing.resolve("llama-3").as_deref(), Some("llama-3"));
        assert_eq!(listing.resolve("gpt").as_deref(), Some("llama-3"));
        assert_eq!(listing.resolve("tiny").as_deref(), Some("tiny"));
        assert_eq!(listing.resolve("other"), None);
        assert_eq!(listing.names().collect::<Vec<_>>(), ["tiny", "llama-3", "gpt"]);
        assert_eq!(listing.output_max("llama-3"), Some(7));
    }
}
