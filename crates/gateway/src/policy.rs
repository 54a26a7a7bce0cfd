//! What a configuration means, worked out once when it is loaded: pools,
//! prices, quota rules, issuers.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::config::limits::{Per, QuotaRule, RuleState};
use surgewall_core::config::schema::Price;
use surgewall_core::files::read_text;
use surgewall_core::money::Money;
use surgewall_core::principal::{Class, Principal, matches_model};
use surgewall_core::quota::{LimitError, LimitSpec, Subject};
use surgewall_core::usage::Usage;
use surgewall_guard::rules::{FILE_BYTES_MAX, RuleSet, RulesError};
use surgewall_shield::gate::{Regions, RegionsError};
use surgewall_shield::quota::{Enforcement, Limit};

use crate::disclosure::github::{KeyError, PublicKey};
use crate::jwt::{Issuers, JwtError};
use crate::outside::{Outside, OutsideError};
use crate::upstream::{PoolError, Pools};

/// A configuration in force.
pub struct Policy {
    /// The configuration itself.
    pub config: Config,
    /// The first 16 hex digits of its SHA-256: every decision carries it.
    pub hash: String,
    /// The upstreams.
    pub pools: Pools,
    /// Issuers of foreign tokens.
    pub issuers: Issuers,
    /// The mail server, and providers that people may sign in with.
    pub outside: Outside,
    /// Public keys that GitHub signs its reports of found keys with.
    pub github_keys: Vec<PublicKey>,
    /// The bearer token that `/metrics` asks for, if any.
    pub metrics_token: Option<surgewall_core::secret::SecretString>,
    /// Whether anonymous callers may ask the handbook.
    pub handbook_for_all: bool,
    /// The rules of what is personal and what is secret.
    pub rules: Arc<RuleSet>,
    /// What classes of data are found by in the text of requests; `None` where
    /// nothing is looked for.
    pub classifier: Option<Arc<RuleSet>>,
    /// In which region an address is, where the operator named files that say so.
    pub regions: Arc<Regions>,
    quotas: Vec<Quota>,
    prices: Vec<(String, Rates)>,
}

/// One configured quota rule, parsed.
struct Quota {
    per: Per,
    class: Option<Class>,
    group: Option<String>,
    spec: Arc<LimitSpec>,
    state: RuleState,
}

/// Prices of one model per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    input: Money,
    cached: Money,
    output: Money,
}

impl Rates {
    /// What `usage` costs.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Money {
        let cached = usage.cached.min(usage.input);
        self.input
            .per_million(usage.input - cached)
            .plus(self.cached.per_million(cached))
            .plus(self.output.per_million(usage.output))
    }
}

/// A configuration that cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// An upstream.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// An issuer.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// The mail server, or a provider that people may sign in with.
    #[error(transparent)]
    Outside(#[from] OutsideError),
    /// A public key of GitHub's.
    #[error(transparent)]
    Github(#[from] KeyError),
    /// A limit.
    #[error("not a limit: {0}")]
    Limit(#[from] LimitError),
    /// A price.
    #[error("not a price: {0}")]
    Price(#[from] surgewall_core::money::MoneyError),
    /// The rules that classes of data are found by.
    #[error("the built-in rules cannot be read: {0}")]
    Rules(#[from] RulesError),
    /// The operator's file of such rules.
    #[error("data.rules_file: {0}")]
    RulesFile(RulesFault),
    /// A file that says in which region addresses are.
    #[error("data.region_files: {}: {why}", path.display())]
    Regions {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: RegionsFault,
    },
    /// The metrics token.
    #[error("listen.metrics_token: {0}")]
    MetricsToken(crate::credential::CredentialError),
    /// Traces, in a build without them.
    #[error(transparent)]
    Traces(#[from] crate::trace::NotBuilt),
}

/// Why the operator's rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesFault {
    /// The file cannot be read.
    #[error("{}: {why}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// It is wrong; the text names the file.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

/// Why a file of regions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegionsFault {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// It is not of the registries' form.
    #[error(transparent)]
    Form(#[from] RegionsError),
}

impl Policy {
    /// Works out what `config` means. `text` is what it was read from; pools
    /// that did not change keep their health and connections from `before`.
    ///
    /// # Errors
    /// A credential, a key set or a certificate authority that cannot be read.
    pub fn new(
        config: Config,
        text: &str,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, PolicyError> {
        let quotas = config.limits.quota.iter().map(Quota::parse).collect::<Result<_, _>>()?;
        let prices = config
            .prices
            .iter()
            .map(|(model, price)| Ok((model.clone(), Rates::parse(price)?)))
            .collect::<Result<_, PolicyError>>()?;
        crate::trace::supports(&config.telemetry)?;
        let token = config.listen.metrics_token.as_ref();
        let github_keys = config.disclosure.github_key.iter();
        let rules = guard_rules(config.data.rules_file.as_deref())?;
        Ok(Self {
            hash: surgewall_core::digest::config_hash(text),
            pools: Pools::new(&config, before.map(|policy| &policy.pools), now)?,
            issuers: Issuers::new(&config.accounts.jwt)?,
            outside: Outside::new(&config, before.map(|policy| &policy.outside))?,
            github_keys: github_keys.map(PublicKey::new).collect::<Result<_, _>>()?,
            metrics_token: token
                .map(crate::credential::read)
                .transpose()
                .map_err(PolicyError::MetricsToken)?,
            handbook_for_all: config.listen.public.ip().is_loopback(),
            classifier: config.data.classify.then(|| rules.clone()),
            rules,
            regions: Arc::new(regions(&config.data.region_files)?),
            quotas,
            prices,
            config,
        })
    }

    /// Takes the listeners' addresses from `before`, and what follows from them:
    /// sockets do not move, and who may ask what must not pretend that they did.
    pub fn stay_at(&mut self, before: &Self) {
        let (now, then) = (&mut self.config.listen, &before.config.listen);
        (now.public, now.admin, now.status) = (then.public, then.admin, then.status);
        self.handbook_for_all = before.handbook_for_all;
    }

    /// Whether `address` is a proxy before the door.
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.config.listen.behind_proxy.iter().any(|net| net.contains(&address))
    }

    /// Whether any model answers a caller without a credential.
    #[must_use]
    pub const fn answers_strangers(&self) -> bool {
        self.config.accounts.anonymous || self.handbook_for_all
    }

    /// The prices of `model`: the longest pattern that fits.
    #[must_use]
    pub fn rates(&self, model: &str) -> Option<Rates> {
        let fitting = self.prices.iter().filter(|(pattern, _)| matches_model(pattern, model));
        fitting.max_by_key(|(pattern, _)| pattern.len()).map(|(_, rates)| *rates)
    }

    /// Every limit that a request of `principal` is held against, from the
    /// widest to the narrowest: class, group, account, key, user, network.
    #[must_use]
    pub fn limits(&self, principal: &Principal) -> Vec<Held> {
        let mut held = Vec::new();
        for (subject, own) in subjects(principal) {
            held.extend(own.iter().map(|spec| Held::on(subject, Arc::new(spec.clone()))));
            let rules = self.quotas.iter().filter(|quota| quota.holds(principal, &subject));
            held.extend(rules.map(|quota| Held {
                subject,
                spec: quota.spec.clone(),
                shadow: quota.state == RuleState::Shadow,
            }));
        }
        held
    }
}

/// A file of regions, in bytes; the largest registry's has about 20 MiB.
const REGION_FILE_BYTES_MAX: u64 = 128 << 20;

/// Reads the operator's files of regions.
fn regions(files: &[PathBuf]) -> Result<Regions, PolicyError> {
    let fault = |path: &PathBuf, why| PolicyError::Regions { path: path.clone(), why };
    let text = |path: &PathBuf| {
        read_text(path, REGION_FILE_BYTES_MAX).map_err(|error| fault(path, error.into()))
    };
    let texts = files.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let read = Regions::read(texts.iter().map(String::as_str));
    read.map_err(|(at, error)| fault(&files[at], error.into()))
}

/// The rules of what is personal and what is secret: the built-in ones, read once,
/// and those of the operator's file.
fn guard_rules(file: Option<&Path>) -> Result<Arc<RuleSet>, PolicyError> {
    if let Some(file) = file {
        return own_rules(file).map(Arc::new).map_err(PolicyError::RulesFile);
    }
    static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
    if let Some(rules) = RULES.get() {
        return Ok(rules.clone());
    }
    let rules = Arc::new(RuleSet::builtin()?);
    Ok(RULES.get_or_init(|| rules).clone())
}

fn own_rules(path: &Path) -> Result<RuleSet, RulesFault> {
    let bytes_max = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let text = read_text(path, bytes_max)
        .map_err(|why| RulesFault::Read { path: path.to_owned(), why })?;
    let rules = RuleSet::with_file(&path.display().to_string(), &text)?;
    // A pattern that cannot be built is told now, and not when a text needs it.
    rules.prepare()?;
    Ok(rules)
}

/// One limit that a request is held against.
#[derive(Clone, Debug)]
pub struct Held {
    /// Whose counter.
    pub subject: Subject,
    /// The limit.
    pub spec: Arc<LimitSpec>,
    /// Whether it only counts.
    pub shadow: bool,
}

impl Held {
    const fn on(subject: Subject, spec: Arc<LimitSpec>) -> Self {
        Self { subject, spec, shadow: false }
    }

    /// Whether the limit holds for `model`.
    #[must_use]
    pub fn covers(&self, model: &str) -> bool {
        self.spec.model.as_deref().is_none_or(|pattern| matches_model(pattern, model))
    }

    /// As the counters ask for it.
    #[must_use]
    pub fn limit(&self) -> Limit<'_> {
        let enforcement = if self.shadow { Enforcement::Shadow } else { Enforcement::On };
        Limit { subject: self.subject, spec: &self.spec, enforcement }
    }
}

/// The principal's nodes of the limit tree, each with the limits of its own.
fn subjects(principal: &Principal) -> Vec<(Subject, &[LimitSpec])> {
    let mut nodes: Vec<(Subject, &[LimitSpec])> = vec![(Subject::Class(principal.class), &[])];
    if let Some(group) = principal.group() {
        nodes.push((Subject::Group(group.id), &group.limits));
    }
    if let Some(account) = principal.account() {
        nodes.push((Subject::Account(account.id), &account.limits));
    }
    if let Some(key) = principal.key() {
        nodes.push((Subject::Key(key.id), &key.limits));
        if let Some(user) = principal.delegated {
            nodes.push((Subject::User(key.id, user), key.limits_of(user)));
        }
    }
    if principal.is_anonymous() {
        nodes.push((Subject::Network(principal.network), &[]));
    }
    nodes
}

impl Quota {
    fn parse(rule: &QuotaRule) -> Result<Self, LimitError> {
        Ok(Self {
            per: rule.per,
            class: rule.class,
            group: rule.group.clone(),
            spec: Arc::new(rule.limit.parse()?),
            state: rule.state,
        })
    }

    fn holds(&self, principal: &Principal, subject: &Subject) -> bool {
        let kind = matches!(
            (self.per, subject),
            (Per::Class, Subject::Class(_))
                | (Per::Group, Subject::Group(_))
                | (Per::Account, Subject::Account(_))
                | (Per::Key, Subject::Key(_))
                | (Per::User, Subject::User(..))
                | (Per::Network, Subject::Network(_))
        );
        let group = || principal.group().map(|group| group.name.as_str());
        kind && self.state != RuleState::Off
            && self.class.is_none_or(|class| class == principal.class)
            && self.group.as_deref().is_none_or(|name| group() == Some(name))
    }
}

impl Rates {
    fn parse(price: &Price) -> Result<Self, PolicyError> {
        let input = price.input_per_million.parse()?;
        let cached = price.cached_input_per_million.as_ref();
        Ok(Self {
            input,
            cached: cached.map_or(Ok(input), |text| text.parse())?,
            output: price.output_per_million.parse()?,
        })
    }
}

#[cfg(test)]
mod tests;
