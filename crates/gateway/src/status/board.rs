//! What the rest of the door and the status page share: counters that requests
//! add to, what is told, and the page as it is now.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use arc_swap::ArcSwap;
use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::digest::{hex, sha256};
use surgewall_core::id::PublicId;
use surgewall_core::incident::IncidentEvent;
use surgewall_core::random;
use surgewall_shield::networks::{NetworkLimits, NetworkTable};
use surgewall_store::datadir::DataDir;
use surgewall_store::status::{PROBES_KEPT_MAX, Probe, ProbeFile, WordsError, WordsFile};
use tokio::sync::Notify;

use super::component::{Component, Pages, components};
use super::document::Snapshot;
use super::history::{DAY_MINUTES, History, minute_of};
use super::measure::Meters;
use super::stories::{AskError, Asked, Stories, Told};
use super::view::{ComponentView, Figures, View};
use crate::sync::{lock, read, write};

/// Connections of the status listener, which the public one's never take: as many
/// as the door's own descriptors leave room for.
pub const STATUS_CONNECTIONS_MAX: u32 = 512;
/// Of one network.
pub const STATUS_NETWORK_CONNECTIONS_MAX: u32 = 64;
/// Rounds of records that wait for a disk that takes nothing.
const WAITING_PROBES_MAX: usize = 16 * 1_440;

/// The status page's side of a door.
pub struct Board {
    /// What users got.
    pub meters: Meters,
    /// Connections to the status listener, by network.
    pub networks: Mutex<NetworkTable>,
    pub(super) history: Arc<RwLock<History>>,
    stories: Mutex<Stories>,
    current: ArcSwap<Snapshot>,
    files: Mutex<Files>,
    /// Whether something is told that is not on disk.
    unkept: AtomicBool,
    changed: Notify,
    address: OnceLock<SocketAddr>,
    key: [u8; 32],
}

#[derive(Default)]
struct Files {
    words: Option<WordsFile>,
    probes: Option<ProbeFile>,
    waiting: Vec<Probe>,
}

impl Board {
    /// The board of a door under `config` that signs with `key`. It knows nothing
    /// yet, and says so.
    #[must_use]
    pub fn new(config: &Config, key: [u8; 32], now: Timestamp) -> Self {
        let history = Arc::new(RwLock::new(History::default()));
        let limits = NetworkLimits {
            connections_max: STATUS_NETWORK_CONNECTIONS_MAX,
            requests_max: 0,
            total_max: STATUS_CONNECTIONS_MAX,
        };
        let empty = View {
            id: hex(&sha256(&key)[..6]),
            name: config.status.name.clone(),
            url: url(config, None),
            updated_at: now,
            made_at: now,
            components: unknown(config, now),
            stories: Stories::default(),
            notices: Vec::new(),
            subscribe: crate::subscribe::link(config),
            recorded_days: Vec::new(),
            key: hex(&key),
            stale_since: None,
        };
        Self {
            meters: Meters::default(),
            networks: Mutex::new(NetworkTable::new(limits)),
            history,
            stories: Mutex::default(),
            current: ArcSwap::from_pointee(Snapshot::new(empty, Arc::new(|_| None))),
            files: Mutex::default(),
            unkept: AtomicBool::new(false),
            changed: Notify::new(),
            address: OnceLock::new(),
            key,
        }
    }

    /// Begins with what `directory` holds, and keeps there what comes. What cannot
    /// be read is put aside; a page without its history says so by its bars.
    pub fn begin(&self, directory: &DataDir, retention_days: u32, now: Timestamp) {
        let words = WordsFile::new(directory);
        match words.read() {
            Ok(None) => {}
            Ok(Some(bytes)) => match serde_json::from_slice::<Stories>(&bytes) {
                Ok(stories) => *lock(&self.stories) = stories,
                Err(_) => {
                    tracing::warn!("the status page's words make no sense: it begins without")
                }
            },
            Err(error) => {
                tracing::warn!(%error, "the status page's words cannot be read: it begins without")
            }
        }
        let told = lock(&self.stories).restarted(now, || fresh("upd"));
        self.unkept.store(told, Ordering::Relaxed);
        let from = first_kept(retention_days, now);
        let mut files = lock(&self.files);
        files.words = Some(words);
        match ProbeFile::open(directory, from) {
            Ok((file, found)) => {
                if found.torn_bytes > 0 || found.damaged > 0 || found.aside.is_some() {
                    let (torn, damaged) = (found.torn_bytes, found.damaged);
                    tracing::warn!(torn, damaged, aside = ?found.aside, "not all of the status page's probes can be read");
                }
                *write(&self.history) = History::of(&found.probes);
                files.probes = Some(file);
            }
            Err(error) => {
                tracing::warn!(%error, "the status page's probes cannot be kept: its bars begin anew");
            }
        }
    }

    /// The status listener is at `address`.
    pub fn listens_at(&self, address: SocketAddr) {
        // A door listens once.
        let _ = self.address.set(address);
    }

    /// The page as it is now.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub(super) fn show(&self, snapshot: Snapshot) {
        self.current.store(Arc::new(snapshot));
    }

    /// Takes what the judge says of an incident: the page tells it within a moment.
    pub fn incident(&self, event: &IncidentEvent) {
        if lock(&self.stories).of_event(event, || fresh("upd")) {
            self.told();
        }
    }

    /// The open incident has been calm for a while.
    pub(super) fn calm(&self, incident: &PublicId, now: Timestamp) {
        if lock(&self.stories).calm(incident, now, || fresh("upd")) {
            self.told();
        }
    }

    /// Carries out what an operator asks. Whether it could be kept on disk too: on a
    /// full one it is shown all the same.
    ///
    /// # Errors
    /// It cannot be meant: nothing is changed.
    pub fn ask(
        &self,
        asked: Asked,
        config: &Config,
        now: Timestamp,
    ) -> Result<(Told, bool), AskError> {
        let changes = asked.action().is_some();
        let known: Vec<_> = self.components(config).into_iter().map(|one| one.name).collect();
        let told = lock(&self.stories).ask(asked, &known, now, fresh)?;
        if !changes {
            return Ok((told, true));
        }
        self.told();
        Ok((told, self.keep_words().is_ok()))
    }

    fn told(&self) {
        self.unkept.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Resolves when something new is told.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether something is told that is not on disk yet.
    pub(super) fn has_unkept(&self) -> bool {
        self.unkept.load(Ordering::Relaxed)
    }

    /// Writes what is told, if that is not on disk yet.
    ///
    /// # Errors
    /// The disk takes nothing; the next call tries again.
    pub(super) fn keep_words(&self) -> io::Result<()> {
        // Held while it is written: what was told later is written later.
        let files = lock(&self.files);
        let Some(words) = &files.words else { return Ok(()) };
        if !self.unkept.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&*lock(&self.stories))?;
        words.write(&bytes).inspect_err(|_| self.unkept.store(true, Ordering::Relaxed))
    }

    /// Adds the records of a minute, and writes them; a disk that takes nothing is
    /// tried again with the next ones.
    ///
    /// # Errors
    /// The disk takes nothing.
    pub(super) fn keep_probes(&self, probes: &[Probe], from_minute: u32) -> io::Result<()> {
        let taken: Vec<_> = {
            let mut history = write(&self.history);
            probes.iter().copied().filter(|probe| history.push(*probe)).collect()
        };
        let mut files = lock(&self.files);
        let Files { probes: file, waiting, .. } = &mut *files;
        let Some(file) = file else { return Ok(()) };
        waiting.extend(taken);
        let past = waiting.len().saturating_sub(WAITING_PROBES_MAX);
        waiting.drain(..past);
        let written = file.append(waiting);
        let is_full = matches!(&written, Err(error) if error.kind() == io::ErrorKind::FileTooLarge);
        if is_full {
            let kept: Vec<_> = {
                let mut history = write(&self.history);
                history.forget(from_minute);
                history.all().copied().collect()
            };
            debug_assert!(kept.len() <= PROBES_KEPT_MAX, "what is kept fits");
            file.replace(kept.iter())?;
        } else {
            written?;
        }
        waiting.clear();
        Ok(())
    }

    /// The components of a door under `config`.
    #[must_use]
    pub fn components(&self, config: &Config) -> Vec<Component> {
        components(&config.status, pages())
    }

    pub(super) fn view(&self, config: &Config, now: Timestamp, shown: Vec<ComponentView>) -> View {
        View {
            id: hex(&sha256(&self.key)[..6]),
            name: config.status.name.clone(),
            url: url(config, self.address.get().copied()),
            updated_at: now,
            made_at: now,
            components: shown,
            stories: lock(&self.stories).clone(),
            notices: Vec::new(),
            subscribe: crate::subscribe::link(config),
            recorded_days: read(&self.history).recorded_days(),
            key: hex(&self.key),
            stale_since: None,
        }
    }
}

/// Carries out `asked` on the words in `directory` itself, where no door runs.
///
/// # Errors
/// It cannot be meant, or the words cannot be read or written: nothing is changed.
pub fn ask_offline(
    directory: &DataDir,
    config: &Config,
    asked: Asked,
    now: Timestamp,
) -> Result<Told, OfflineError> {
    let words = WordsFile::new(directory);
    let mut stories: Stories = match words.read()? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| OfflineError::Nonsense)?,
        None => Stories::default(),
    };
    let changes = asked.action().is_some();
    let known = components(&config.status, pages()).into_iter().map(|one| one.name);
    let told = stories.ask(asked, &known.collect::<Vec<_>>(), now, fresh)?;
    if changes {
        let bytes = serde_json::to_vec(&stories).map_err(io::Error::other)?;
        words.write(&bytes)?;
    }
    Ok(told)
}

/// Why nothing was changed on the words in a data directory.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// It cannot be meant.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The file of words cannot be read.
    #[error("what the status page tells cannot be read: {0}")]
    Words(#[from] WordsError),
    /// It can, and makes no sense.
    #[error("what the status page tells makes no sense: move the file `status/words` away")]
    Nonsense,
    /// It cannot be written.
    #[error("what the status page tells cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// The first minute that is kept.
pub(super) fn first_kept(retention_days: u32, now: Timestamp) -> u32 {
    minute_of(now).saturating_sub(retention_days * DAY_MINUTES)
}

/// A random id.
pub(super) fn fresh(prefix: &str) -> PublicId {
    PublicId::from_stored(format!("{prefix}_{}", random::base62(12)))
}

/// The pages for people that this door's public listener has.
pub(super) fn pages() -> Pages {
    use crate::listen::Purpose;
    let has = |path: &str| {
        crate::routes::table::all()
            .any(|route| route.listener == Purpose::Public && route.path == path)
    };
    Pages { chat: has("/app/me"), sign_in: has("/sign-in") }
}

/// Where strangers read the page.
fn url(config: &Config, address: Option<SocketAddr>) -> String {
    let own = || format!("http://{}", address.unwrap_or(config.listen.status));
    let url = config.status.url.clone().unwrap_or_else(own);
    url.trim_end_matches('/').to_owned()
}

/// Every component, before anything is known of it.
fn unknown(config: &Config, now: Timestamp) -> Vec<ComponentView> {
    let all = components(&config.status, pages()).into_iter();
    all.map(|one| ComponentView {
        id: one.id.text(),
        name: one.name,
        description: one.description,
        state: None,
        since: now,
        figures: Figures::default(),
        days: Vec::new(),
    })
    .collect()
}
