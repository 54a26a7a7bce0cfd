//! A place of its own for each test: configuration, data directory, master key.
#![expect(clippy::expect_used, reason = "a test without its place has failed")]
#![expect(clippy::disallowed_methods, reason = "the test's own files, children and clocks")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest wait for a door to start or stop.
const PATIENCE: Duration = Duration::from_secs(30);
/// Three listeners on ports that the system chooses; what else listens on the
/// machine of a test is not looked at.
pub(crate) const ANY_PORTS: &str = "[exposure]\nlisteners = false\n[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nstatus = \"127.0.0.1:0\"\n";

/// A folder of its own, removed at the end.
pub(crate) struct Site {
    folder: TempDir,
}

impl Site {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder for the test") }
    }

    /// One with this `surgewall.toml`.
    pub(crate) fn with(config: &str) -> Self {
        let site = Self::new();
        site.write("surgewall.toml", config);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file of the test can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file of the test can be read")
    }

    /// The only file in the folder `name`.
    pub(crate) fn only_file(&self, name: &str) -> PathBuf {
        let files = fs::read_dir(self.path(name)).expect("the folder is there");
        let mut files = files.map(|file| file.expect("it can be listed").path());
        files.find(|path| path.is_file()).expect("it holds a file")
    }

    /// The master key of the only store here.
    pub(crate) fn master_key(&self) -> PathBuf {
        let files = fs::read_dir(self.path("config/surgewall")).expect("the folder is there");
        let mut files = files.map(|file| file.expect("it can be listed").path());
        files.find(|file| file.extension() == Some("key".as_ref())).expect("it holds the key")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surgewall"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the program runs")
    }

    /// As [`Site::run`], with one more variable.
    pub(crate) fn run_with(&self, words: &[&str], (name, value): (&str, &Path)) -> Output {
        self.command(words).env(name, value).output().expect("the program runs")
    }

    /// What `words` print on stdout; they must end with `status`.
    pub(crate) fn stdout(&self, words: &[&str], status: i32) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {}", lossy(&output.stderr));
        lossy(&output.stdout)
    }

    /// Exit status, stdout and stderr of `words`, without what differs from run to run.
    pub(crate) fn shown(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let text = format!(
            "$ surgewall {}\nexit status {}\n----- stdout\n{}----- stderr\n{}",
            words.join(" "),
            output.status.code().unwrap_or(-1),
            lossy(&output.stdout),
            lossy(&output.stderr)
        );
        self.steady(&text)
    }

    /// Without temporary paths, random ids and process numbers.
    fn steady(&self, text: &str) -> String {
        let folder = fs::canonicalize(self.folder.path()).expect("the folder is there");
        let text = text.replace(&folder.display().to_string(), "[SITE]");
        let text = text.replace(&self.folder.path().display().to_string(), "[SITE]");
        let mut steady = String::new();
        for word in text.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')) {
            let end =
                word.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
            steady += &format!("{}{}", name_of(end), &word[end.len()..]);
        }
        steady
    }

    /// Starts a door and waits for its line.
    pub(crate) fn serve(&self, words: &[&str]) -> Door {
        self.start(&[&["serve"], words].concat())
    }

    /// Starts what `words` say, which listens, and waits for its line.
    pub(crate) fn start(&self, words: &[&str]) -> Door {
        let log = fs::File::create(self.path("log")).expect("a log file");
        let mut child = self
            .command(words)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the door starts");
        let stdout = child.stdout.take().expect("its stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("its first line");
        assert!(line.starts_with("ready "), "{line:?}\n{}", self.read("log"));
        Door { child, line, log: self.path("log") }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What stands for a random word.
fn name_of(word: &str) -> String {
    for prefix in ["user_", "group_", "key_"] {
        if word.strip_prefix(prefix).is_some_and(|rest| rest.len() == 17) {
            return format!("{prefix}ID");
        }
    }
    let is_uuid = word.len() == 36 && word.matches('-').count() == 4;
    if is_uuid { "STORE_ID".to_owned() } else { word.to_owned() }
}

/// A door that runs, killed if the test ends first.
pub(crate) struct Door {
    child: Child,
    /// The line on its stdout.
    pub(crate) line: String,
    log: PathBuf,
}

impl Door {
    /// The address of a listener.
    pub(crate) fn address(&self, listener: &str) -> String {
        let begin = format!("{listener}=http://");
        let mut words = self.line.split_whitespace();
        words.find_map(|word| word.strip_prefix(&begin)).expect("the listener is named").to_owned()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until the log says `text`; returns the whole log.
    pub(crate) fn await_log(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(&self.log).expect("the log can be read");
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < end, "the log never said {text:?}:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end; returns its exit status.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the door can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < end, "the door does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks a listener; returns the whole answer.
    pub(crate) fn ask(&self, listener: &str, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address(listener)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers and closes");
        lossy(&answer)
    }

    /// `GET path`, with a key if there is one.
    pub(crate) fn get(&self, listener: &str, path: &str, key: Option<&str>) -> String {
        let key = key.map_or(String::new(), |key| format!("authorization: Bearer {key}\r\n"));
        let host = self.address(listener);
        self.ask(
            listener,
            &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{key}\r\n"),
        )
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Permission bits of `path`.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
}

/// Sets permission bits.
pub(crate) fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
}
