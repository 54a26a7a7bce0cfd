//! Where a command works: the configuration and the data directory that the
//! global options name.

use std::path::PathBuf;

use surgewall_core::config::{self, Config};
use surgewall_store::datadir::{DataDir, DataDirError, DirLock};
use surgewall_store::vault::Vault;

use crate::fault::Fault;

/// The configuration that is read where none is named.
pub(crate) const CONFIG_DEFAULT: &str = "./surgewall.toml";

/// The global options.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Place {
    /// The configuration [default: ./surgewall.toml if it is there]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "./surgewall-data",
        help_heading = "Global options"
    )]
    pub(crate) data_dir: PathBuf,
}

/// A configuration and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// What it says.
    pub(crate) config: Config,
    /// Its text: empty where there is no file.
    pub(crate) text: String,
    /// Its file, if there is one.
    pub(crate) file: Option<PathBuf>,
}

impl Place {
    /// The file that is read: the named one, or the default one if it is there.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        let default = || Some(PathBuf::from(CONFIG_DEFAULT)).filter(|path| path.exists());
        self.config.clone().or_else(default)
    }

    /// The configuration; without a file, every default.
    ///
    /// # Errors
    /// The file cannot be read or meant; the text points at the place.
    pub(crate) fn load(&self) -> Result<Loaded, Fault> {
        let Some(file) = self.config_file() else {
            let (config, text) = (config::parse("(defaults)", "")?, String::new());
            return Ok(Loaded { config, text, file: None });
        };
        let (config, text) = config::load(&file)?;
        Ok(Loaded { config, text, file: Some(file) })
    }

    /// The data directory, which must exist.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub(crate) fn data(&self) -> Result<DataDir, Fault> {
        Ok(DataDir::open(&self.data_dir)?)
    }
}

/// The lock on `data`, for `holder`.
///
/// # Errors
/// Somebody else holds it: the hint says which command can be used instead.
pub(crate) fn lock(data: &DataDir, holder: &str) -> Result<DirLock, Fault> {
    data.lock(holder).map_err(|error| {
        let locked = matches!(error, DataDirError::Locked { .. });
        let fault = Fault::from(error);
        match (locked, holder) {
            (false, _) => fault,
            (true, "serve") => fault.hint(
                "to change people and keys of the running door use `surgewall admin`, to watch it `surgewall status`; for a second door name another --data-dir",
            ),
            (true, _) => fault.hint("if a door is starting or stopping there, try again in a moment"),
        }
    })
}

/// The vault of `data`, whose keys must exist.
///
/// # Errors
/// The master key cannot be used.
pub(crate) fn vault(data: &DataDir, config: &Config) -> Result<Vault, Fault> {
    Ok(Vault::open(data, &config.vault)?)
}
