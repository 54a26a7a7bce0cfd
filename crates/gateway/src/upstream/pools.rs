//! All pools of a configuration: which of them serve a model, in which order.

use std::collections::BTreeSet;
use std::sync::Arc;

use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::digest::hex;
use surgewall_store::vault::Vault;

use super::pool::{Pool, PoolError};
use crate::handbook::MODEL;

/// The built-in model, and the name of its pool.
pub const HANDBOOK: &str = MODEL;

/// Every pool, the built-in one first.
pub struct Pools {
    all: Vec<Arc<Pool>>,
}

/// One pool that may answer, and the model's name there.
#[derive(Clone)]
pub struct Target {
    /// The pool.
    pub pool: Arc<Pool>,
    /// The upstream's own name of the model.
    pub model: String,
}

/// The pools that serve one model.
pub struct Targets {
    /// The name that the client asked for: the model's, or an alias.
    pub asked: String,
    /// The model behind it, at the first pool that serves it: what prices and
    /// limits are about.
    pub model: String,
    /// The model as the ledger may name it: a client's own string only as a keyed hash.
    pub recorded: String,
    /// The tightest output bound that is known.
    pub output_max: Option<u64>,
    primary: Vec<Target>,
    /// Pools that may not be asked.
    barred: Vec<String>,
}

impl Pools {
    /// The pools of `config`. A pool whose section, credential and authority
    /// did not change is the one of `before`, with its health and its connections.
    ///
    /// # Errors
    /// A credential or an authority that cannot be read.
    pub fn new(config: &Config, before: Option<&Self>, now: Timestamp) -> Result<Self, PoolError> {
        let kept = |name: &str| before.and_then(|pools| pools.named(name));
        let mut all = vec![kept(HANDBOOK).unwrap_or_else(|| Arc::new(Pool::handbook(now)))];
        for section in &config.upstream {
            // Made anew each time: a credential's file may hold another one now.
            let made = Pool::new(section, now)?;
            let same = kept(&section.name).filter(|pool| pool.is_like(&made));
            all.push(same.unwrap_or_else(|| Arc::new(made)));
        }
        Ok(Self { all })
    }

    /// Every pool.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.all.iter()
    }

    /// The pool of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Pool>> {
        self.all.iter().find(|pool| pool.name() == name).cloned()
    }

    /// The pools that serve `asked`, or `None`. The handbook is asked by its
    /// name alone, and nobody else is: strangers may ask it, and a server that
    /// says it has every model must not get their words.
    #[must_use]
    pub fn resolve(&self, asked: &str, vault: &Vault) -> Option<Targets> {
        let primary: Vec<Target> = self
            .all
            .iter()
            .filter(|pool| asked != HANDBOOK || pool.name() == HANDBOOK)
            .filter_map(|pool| {
                pool.resolve(asked).map(|model| Target { pool: pool.clone(), model })
            })
            .collect();
        let bound = |target: &Target| target.pool.output_max(&target.model);
        let output_max = primary.iter().filter_map(bound).min();
        let named = primary.iter().any(|target| target.pool.is_named(asked));
        let model = primary.first()?.model.clone();
        let recorded = if named {
            model.clone()
        } else {
            format!("hash:{}", hex(&vault.keyed_hash("model", asked.as_bytes())[..8]))
        };
        let (asked, barred) = (asked.to_owned(), Vec::new());
        Some(Targets { asked, model, recorded, output_max, primary, barred })
    }

    /// Every model that clients may ask for, each once, in order.
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.all.iter().flat_map(|pool| pool.names()).collect();
        names.into_iter().collect()
    }
}

impl Targets {
    /// The pool that serves the model, if it is one alone, fallbacks aside.
    #[must_use]
    pub fn only(&self) -> Option<&Target> {
        match self.primary.as_slice() {
            [only] => Some(only).filter(|only| !self.is_barred(only)),
            _ => None,
        }
    }

    /// The pools of these names are asked by no means, also as fallbacks.
    pub fn bar(&mut self, names: impl Iterator<Item = String>) {
        self.barred.extend(names);
    }

    fn is_barred(&self, target: &Target) -> bool {
        self.barred.iter().any(|name| name == target.pool.name())
    }

    /// Whether `target` serves the model by itself, and not as a fallback.
    #[must_use]
    pub fn is_primary(&self, target: &Target) -> bool {
        self.primary.iter().any(|primary| Arc::ptr_eq(&primary.pool, &target.pool))
    }

    /// Whether the name that was asked for is one that the configuration or a
    /// server gave, and not a client's own word.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.recorded.starts_with("hash:")
    }

    /// The pools to try: first one by weight, then the others, then each one's
    /// fallbacks; no pool twice, and those that answer before those that do not.
    #[must_use]
    pub fn order(&self, pools: &Pools) -> Vec<Target> {
        let mut ordered = self.open();
        if ordered.len() > 1 {
            let first = choose(&ordered);
            ordered.swap(0, first);
        }
        self.add_fallbacks(pools, &mut ordered);
        // A pool that a health check found silent comes last, not never: it may be back.
        ordered.sort_by_key(|target| !target.pool.is_ready());
        ordered
    }

    /// Every pool that may be asked.
    #[must_use]
    pub fn candidates(&self, pools: &Pools) -> Vec<Target> {
        let mut all = self.open();
        self.add_fallbacks(pools, &mut all);
        all
    }

    /// The pools that serve the model by themselves, without those that are barred.
    fn open(&self) -> Vec<Target> {
        self.primary.iter().filter(|target| !self.is_barred(target)).cloned().collect()
    }

    /// Adds the fallbacks, also those of a pool that is barred: they stand in for it.
    fn add_fallbacks(&self, pools: &Pools, to: &mut Vec<Target>) {
        for target in self.primary.iter().flat_map(|target| self.fallbacks(pools, target)) {
            let is_there = to.iter().any(|have| have.pool.name() == target.pool.name());
            if !is_there && !self.is_barred(&target) {
                to.push(target);
            }
        }
    }

    /// A fallback serves the model under the name that was asked for, or under
    /// the name that the first pool knows it by.
    fn fallbacks(&self, pools: &Pools, target: &Target) -> Vec<Target> {
        let serve = |name: &String| {
            let pool = pools.named(name)?;
            let model = pool.resolve(&self.asked).or_else(|| pool.resolve(&target.model))?;
            Some(Target { pool, model })
        };
        target.pool.fallback().iter().filter_map(serve).collect()
    }
}

/// An index chosen at random by weight.
fn choose(targets: &[Target]) -> usize {
    let total: u64 = targets.iter().map(|target| u64::from(target.pool.weight())).sum();
    let mut at = u64::from_le_bytes(surgewall_core::random::bytes()) % total.max(1);
    for (index, target) in targets.iter().enumerate() {
        let weight = u64::from(target.pool.weight());
        if at < weight {
            return index;
        }
        at -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(key: &std::path::Path) -> Pool {
        let text = format!(
            "[[upstream]]\nname=\"a\"\nurl=\"http://10.1.2.3:9000/v1\"\napi_key={{ file = {key:?} }}\n"
        );
        let config = surgewall_core::config::parse("test.toml", &text).unwrap();
        Pool::new(&config.upstream[0], Timestamp::from_millis(0)).unwrap()
    }

    #[test]
    fn only_the_handbook_answers_as_the_handbook() {
        let upstream = |more: &str| {
            format!(
                "[[upstream]]\nname=\"a\"\nurl=\"http://127.0.0.1:9/v1\"\nweight=1000\n{more}\n"
            )
        };
        for more in ["", "models=[\"handbook\"]", "aliases={ handbook = \"big\" }"] {
            let config = surgewall_core::config::parse("test.toml", &upstream(more)).unwrap();
            let pools = Pools::new(&config, None, Timestamp::from_millis(0)).unwrap();
            let vault = vault();
            let targets = pools.resolve(HANDBOOK, &vault).unwrap();
            let names: Vec<_> =
                targets.order(&pools).iter().map(|t| t.pool.name().to_owned()).collect();
            assert_eq!(names, [HANDBOOK], "{more}");
            assert_eq!(targets.recorded, HANDBOOK);
        }
    }

    #[test]
    fn a_barred_pool_is_asked_by_no_means_and_its_fallback_stands_in_for_it() {
        let up = |name: &str, more: &str| {
            format!("[[upstream]]\nname=\"{name}\"\nurl=\"http://127.0.0.1:9/v1\"\n{more}\n")
        };
        let big = "models=[\"big\"]";
        let text = [
            up("a", &format!("{big}\nfallback=[\"c\", \"b\"]")),
            up("b", &format!("{big}\nweight=1000")),
            up("c", "models=[\"other\"]\naliases={ big = \"other\" }"),
        ];
        let config = surgewall_core::config::parse("test.toml", &text.concat()).unwrap();
        let pools = Pools::new(&config, None, Timestamp::from_millis(0)).unwrap();
        let vault = vault();
        let check = |barred: &[&str], expected: &[&str]| {
            let mut targets = pools.resolve("big", &vault).unwrap();
            targets.bar(barred.iter().map(|&name| name.to_owned()));
            for found in [targets.candidates(&pools), targets.order(&pools)] {
                let mut names: Vec<_> = found.iter().map(|to| to.pool.name()).collect();
                names.sort_unstable();
                assert_eq!(names, expected, "without {barred:?}");
            }
        };
        check(&[], &["a", "b", "c"]);
        check(&["a"], &["b", "c"]);
        check(&["a", "b"], &["c"]);
        check(&["b", "c"], &["a"]);
        check(&["a", "b", "c"], &[]);
    }

    fn vault() -> Vault {
        let dir = tempfile::tempdir().unwrap();
        let data =
            surgewall_store::datadir::DataDir::open_or_create(&dir.path().join("data")).unwrap();
        Vault::open_or_create(&data, Some(&dir.path().join("master.key"))).unwrap()
    }

    #[test]
    fn a_pool_is_made_anew_when_its_credential_changed_and_keeps_it_to_itself() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, "sk-first-key").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let before = pool(&key);
        assert!(before.is_like(&pool(&key)));
        std::fs::write(&key, "sk-second-key").unwrap();
        assert!(!before.is_like(&pool(&key)));
        let said = "bad key sk-first-key at http://10.1.2.3:9000/v1";
        assert_eq!(before.without_secrets(said), "bad key ... at http://.../v1");
    }
}
