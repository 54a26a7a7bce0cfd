//! The stage: a door of its own as a child process, before a double of a
//! model server, on loopback, in a directory that is gone afterwards.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use surgewall_core::decision::Record;
use surgewall_core::random;
use surgewall_gateway::control::{self, Answer, Question};
use surgewall_scan::ledger::{Verification, verify};
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::{Story, export, incident, incidents};
use surgewall_store::vault::Vault;
use surgewall_testkit::client::Client;
use surgewall_testkit::double::Options;
use surgewall_testkit::engine::Settings;
use surgewall_testkit::{Behaviour, Double};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::fault::Fault;

/// For the door to say that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// The upstream's name in the drill's configuration.
pub(crate) const UPSTREAM: &str = "planted-upstream-kestrel";
/// Whoever comes may make an account.
const OPEN_GATE: &str = "[gate]\nstart = \"open\"\n";
/// In `[listen]`: who connects may say for whom.
const BEHIND_PROXY: &str = "behind_proxy = [\"127.0.0.1/32\"]\n";

/// A door, the double behind it, and where both keep their things.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
    /// The model server's double.
    pub(crate) double: Double,
    door: Option<Child>,
    url: String,
    admin: String,
    status: String,
    metrics_token: String,
}

impl Stage {
    /// Sets the stage and starts the door.
    pub(crate) async fn open() -> Result<Self, Fault> {
        Self::with(Double::start(Behaviour::default()), "", "").await
    }

    /// The same before an engine, with a door that anybody may come to; networks
    /// are told in `x-forwarded-for`.
    pub(crate) async fn before(engine: Settings, more: &str) -> Result<Self, Fault> {
        let options = Options { engine: Some(engine), records_max: 0, ..Options::default() };
        let double = Double::start_with(options, Behaviour::default())?;
        Self::with(double, BEHIND_PROXY, &format!("[accounts]\nanonymous = true\n{more}")).await
    }

    /// The same with a door at which people make accounts and sign in; networks are
    /// told in `x-forwarded-for`.
    pub(crate) async fn signing_up(more: &str) -> Result<Self, Fault> {
        Self::with(Double::start(Behaviour::default()), BEHIND_PROXY, more).await
    }

    /// The same with a door that keeps records of all traffic, has these further
    /// upstreams, and lets people make accounts; networks are told in `x-forwarded-for`.
    pub(crate) async fn recording(upstreams: &[String]) -> Result<Self, Fault> {
        let double = Double::start(Behaviour::default());
        let url = double.url().to_owned();
        let upstreams = upstreams.iter().map(|name| {
            format!("[[upstream]]\nname = \"{name}\"\nurl = \"{url}/v1\"\nmodels = [\"double\"]\n")
        });
        let more: String = upstreams.collect();
        Self::with(double, BEHIND_PROXY, &format!("record = \"all\"\n{OPEN_GATE}{more}")).await
    }

    /// The same with two upstreams, of which the one called `undeclared` says
    /// nothing of who stands behind it, and a rule that keeps card numbers at the other.
    pub(crate) async fn declared(undeclared: &str) -> Result<Self, Fault> {
        let double = Double::start(Behaviour::default());
        let more = format!(
            "record = \"all\"\n\
             [[upstream]]\nname = \"{undeclared}\"\nurl = \"{}/v1\"\nmodels = [\"{undeclared}\"]\n\
             [data]\ncontroller = \"Drill Ltd\"\ncontact = \"drill@example.org\"\n\
             purposes = [\"a rehearsal\"]\nlegal_basis = \"none: nobody's data\"\nregion = \"eu\"\n\
             [[rule]]\nid = \"cards-stay\"\nkind = \"residency\"\nclasses = [\"card\"]\nregions = [\"eu\"]\n",
            double.url(),
        );
        Self::with(double, "", &more).await
    }

    async fn with(double: Double, listen: &str, more: &str) -> Result<Self, Fault> {
        let dir = tempfile::tempdir()?;
        let (token, token_file) = (random::base62(32), dir.path().join("metrics.token"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&token_file)?.write_all(token.as_bytes())?;
        let config = format!(
            "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nstatus = \"127.0.0.1:0\"\n\
             metrics_token = {{ file = \"{}\" }}\n{listen}\
             [[upstream]]\nname = \"{UPSTREAM}\"\nurl = \"{}/v1\"\nmodels = [\"double\"]\n\
             provider = \"Drill\"\nlegal_entity = \"Drill Ltd\"\nregion = \"eu\"\n\
             [vault]\nkey_file = \"{}\"\n{more}",
            token_file.display(),
            double.url(),
            dir.path().join("master.key").display(),
        );
        std::fs::write(dir.path().join("surgewall.toml"), config)?;
        let (url, admin, status) = (String::new(), String::new(), String::new());
        let mut stage = Self { dir, double, door: None, url, admin, status, metrics_token: token };
        stage.start().await?;
        Ok(stage)
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What the door wrote on stderr, over all of its lives.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.dir.path().join("door.log")
    }

    fn command(&self, data_dir: &Path) -> Result<Command, Fault> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--config").arg(self.dir.path().join("surgewall.toml"));
        command.arg("--data-dir").arg(data_dir);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// A copy of the data directory as it is now, as a backup would make it.
    pub(crate) fn copy_of_data(&self) -> Result<PathBuf, Fault> {
        let copy = self.dir.path().join("copy");
        copy_files(&self.data_dir(), &copy)?;
        Ok(copy)
    }

    /// Starts the door and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Result<(), Fault> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut child = self
            .command(&self.data_dir())?
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Fault::new("the door has no stdout"))?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = timeout(READY_TIMEOUT, lines.next_line()).await;
        let Ok(Ok(Some(line))) = ready else {
            return Err(Fault::new("the drill's door did not start")
                .hint(format!("see {}", self.log_file().display())));
        };
        self.url = listener(&line, "public=")?;
        self.admin = listener(&line, "admin=")?;
        self.status = listener(&line, "status=")?;
        self.door = Some(child);
        Ok(())
    }

    /// Kills the door: no time to write anything down.
    pub(crate) async fn kill(&mut self) -> Result<(), Fault> {
        if let Some(mut door) = self.door.take() {
            door.kill().await?;
        }
        Ok(())
    }

    /// Stops the door by SIGTERM and waits for its end.
    pub(crate) async fn stop(&mut self) -> Result<(), Fault> {
        let Some(mut door) = self.door.take() else { return Ok(()) };
        let id = door.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            kill_process(id, Signal::TERM)?;
        }
        door.wait().await?;
        Ok(())
    }

    /// Runs `surgewall ARGS` against the running door; what it prints.
    pub(crate) async fn surgewall(&self, args: &[&str]) -> Result<String, Fault> {
        self.surgewall_in(&self.data_dir(), args).await
    }

    /// The same, as JSON.
    pub(crate) async fn json(&self, args: &[&str]) -> Result<serde_json::Value, Fault> {
        let printed = self.surgewall(args).await?;
        serde_json::from_str(&printed)
            .map_err(|error| Fault::new(format!("{}: {error}", args.join(" "))))
    }

    /// Runs `surgewall ARGS` on another data directory.
    pub(crate) async fn surgewall_in(&self, dir: &Path, args: &[&str]) -> Result<String, Fault> {
        let output = self.command(dir)?.args(args).output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Fault::new(format!("surgewall {}: {said}", args.join(" "))));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A new key of this name.
    pub(crate) async fn key(&self, name: &str, more: &[&str]) -> Result<String, Fault> {
        self.surgewall(&[&["admin", "key", "create", "--name", name], more].concat()).await
    }

    /// A client without a credential.
    pub(crate) fn stranger(&self) -> Client {
        Client::new(&self.url)
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> Result<String, Fault> {
        let client = Client::new(&self.admin).with_key(&self.metrics_token);
        let answer = client.get("/metrics").await?;
        let told = answer.text();
        if answer.status == 200 { Ok(told) } else { Err(Fault::new(format!("/metrics: {told}"))) }
    }

    /// What the status page tells of incidents that are not over.
    pub(crate) async fn told(&self) -> Result<serde_json::Value, Fault> {
        let page = Client::new(&self.status);
        let answer = page.get("/api/v2/incidents/unresolved.json").await?;
        let told: serde_json::Value = serde_json::from_str(&answer.text())?;
        Ok(told["incidents"].clone())
    }

    /// The address of the admin listener.
    pub(crate) fn admin(&self) -> &str {
        self.admin.trim_start_matches("http://")
    }

    /// Where the door listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The door's process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.door.as_ref().and_then(Child::id)
    }

    /// Asks the running door by its control socket.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Answer, Fault> {
        let socket = DataDir::open(&self.data_dir())?.control_socket();
        let answer = control::ask(&socket, question).await?;
        answer.ok_or_else(|| Fault::new("the drill's door does not answer"))
    }

    /// The incidents that the ledger tells of, oldest first.
    pub(crate) fn incidents(&self) -> Result<Vec<Story>, Fault> {
        let (directory, vault) = self.vault()?;
        let ledger = directory.ledger();
        let (found, _) = incidents(&ledger, &vault)?;
        let stories = found.iter().map(|one| Ok(incident(&ledger, &vault, &one.id)?.0));
        stories.filter_map(Result::transpose).collect()
    }

    fn vault(&self) -> Result<(DataDir, Vault), Fault> {
        let directory = DataDir::open(&self.data_dir())?;
        let vault = Vault::open(&directory, Some(&self.dir.path().join("master.key")))?;
        Ok((directory, vault))
    }

    /// What `check ledger` says.
    pub(crate) fn verify(&self) -> Result<Verification, Fault> {
        let (directory, vault) = self.vault()?;
        Ok(verify(&directory.ledger(), Some(&vault))?)
    }

    /// The requests that the ledger admitted.
    pub(crate) fn admitted(&self) -> Result<std::collections::HashSet<String>, Fault> {
        let (directory, vault) = self.vault()?;
        let mut ids = std::collections::HashSet::new();
        export(&directory.ledger(), &vault, |_, record| {
            if let Record::Admitted(admitted) = record {
                ids.insert(admitted.request_id.to_string());
            }
        })?;
        Ok(ids)
    }
}

/// Copies the files below `from`; sockets stay.
fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (entry, kind) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind)))?;
        let to = to.join(entry.file_name());
        if kind.is_dir() {
            copy_files(&entry.path(), &to)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// The address of a listener in the line that says that the door is ready.
fn listener(line: &str, name: &str) -> Result<String, Fault> {
    let found = line.split_whitespace().find_map(|word| word.strip_prefix(name));
    found.map(str::to_owned).ok_or_else(|| Fault::new(format!("the ready line has no `{name}`")))
}
