//! Probes against real servers, as Debian has them: `./test.sh` installs them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use surgewall_scan::exposure::limits::Patience;
use surgewall_scan::exposure::{Outcome, Report, Target, named};
use tempfile::TempDir;

/// The longest wait for a server to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of its own, ended with the test.
struct Server {
    child: Child,
    port: u16,
    // Removed after the server has ended.
    folder: TempDir,
}

impl Server {
    /// Starts `command`, which has to listen on `port`.
    fn start(mut command: Command, port: u16, folder: TempDir) -> Self {
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let errors = log.try_clone().expect("the same log");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().expect("the server is installed: ./test.sh does it");
        let mut server = Self { child, port, folder };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().expect("it can be waited for").is_some();
            assert!(!ended && Instant::now() < end, "it does not listen:\n{}", server.log());
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Whether it is told from what it is not, without a long wait for its silence.
    fn is_unknown_as(&self, scheme: &str) -> bool {
        let answer = Duration::from_secs(1);
        let report = look(&format!("{scheme}://127.0.0.1:{}", self.port), answer);
        report.seen[0].outcome == Outcome::Unknown
    }

    /// The outcome of looking at it as `scheme`; as an unknown port without one.
    fn outcome(&self, scheme: &str) -> (Outcome, Option<&'static str>) {
        let text = match scheme {
            "" => format!("127.0.0.1:{}", self.port),
            scheme => format!("{scheme}://127.0.0.1:{}", self.port),
        };
        let seen = look(&text, PATIENCE).seen.pop().expect("it listens");
        (seen.outcome, seen.service.map(|kind| kind.id))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn look(target: &str, answer: Duration) -> Report {
    let patience = Patience { answer, ..Patience::default() };
    let target: Target = target.parse().expect("a target");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(named(&[target], patience))
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("its address").port()
}

fn redis(more: &[&str]) -> Server {
    let (folder, port) = (TempDir::new().expect("a folder"), free_port());
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]).args(more);
    command.current_dir(folder.path());
    Server::start(command, port, folder)
}

#[test]
fn a_real_redis() {
    let open = redis(&[]);
    assert_eq!(open.outcome("redis"), (Outcome::Open, Some("redis")));
    assert_eq!(open.outcome(""), (Outcome::Open, Some("redis")));
    assert!(open.is_unknown_as("postgres"));
    // What it carried out, in its own words: nothing that reads or writes data.
    let mut stream = TcpStream::connect(("127.0.0.1", open.port)).expect("it listens");
    stream.write_all(b"INFO commandstats\r\nQUIT\r\n").expect("it reads");
    let mut stats = String::new();
    stream.read_to_string(&mut stats).expect("it answers");
    let carried_out = stats.lines().filter(|line| !line.contains(":calls=0,"));
    let words = carried_out.filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    let words: Vec<_> = words.filter(|word| !["info", "quit"].contains(word)).collect();
    assert_eq!(words, ["ping"], "{stats}");
    assert!(open.is_unknown_as("http"));
    let guarded = redis(&["--requirepass", "planted-password"]);
    assert_eq!(guarded.outcome("redis"), (Outcome::AuthRequired, Some("redis")));
    assert_eq!(guarded.outcome("").0, Outcome::AuthRequired);
}

/// Where Debian keeps PostgreSQL's programs, the newest version.
fn postgres_program(name: &str) -> PathBuf {
    let versions =
        fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: ./test.sh does it");
    let mut programs: Vec<_> =
        versions.flatten().map(|entry| entry.path().join("bin").join(name)).collect();
    programs.retain(|path| path.exists());
    programs.sort();
    programs.pop().expect("PostgreSQL is installed whole")
}

/// A command that is not root's: PostgreSQL refuses to be.
fn unprivileged(program: &Path, folder: &Path) -> Command {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout != b"0\n" {
        return Command::new(program);
    }
    let given = Command::new("chown").arg("-R").arg("postgres").arg(folder).status();
    assert!(given.expect("chown runs").success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn postgres(method: &str) -> Server {
    let (folder, port) = (TempDir::new().expect("a folder"), free_port());
    let data = folder.path().join("data");
    fs::write(folder.path().join("password"), "planted-password\n").expect("a file");
    let mut made = unprivileged(&postgres_program("initdb"), folder.path());
    made.args(["--username=postgres", "--no-sync", "--auth", method, "--pwfile"]);
    made.arg(folder.path().join("password")).arg("--pgdata").arg(&data);
    let made = made.stdin(Stdio::null()).output().expect("initdb runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut command = unprivileged(&postgres_program("postgres"), folder.path());
    command.arg("-D").arg(&data).arg("-k").arg(folder.path()).arg("-p").arg(port.to_string());
    // Another time zone, and every statement in the log.
    command.args(["-h", "127.0.0.1", "-F", "-c", "timezone=Asia/Tokyo", "-c", "log_statement=all"]);
    command.args(["-c", "log_connections=on"]);
    Server::start(command, port, folder)
}

#[test]
fn a_real_postgresql() {
    let open = postgres("trust");
    let until = Instant::now() + PATIENCE;
    // It takes connections a moment before it is ready.
    while open.outcome("postgres").0 != Outcome::Open {
        assert!(Instant::now() < until, "{}", open.log());
    }
    assert_eq!(open.outcome(""), (Outcome::Open, Some("postgres")));
    assert!(open.is_unknown_as("redis") && open.is_unknown_as("clickhouse"));
    let log = open.log();
    assert!(log.contains("connection authorized: user=postgres"), "{log}");
    assert!(!log.contains("statement:"), "{log}");
    let guarded = postgres("scram-sha-256");
    let asked = || guarded.outcome("postgres");
    while asked().0 == Outcome::Unknown {
        assert!(Instant::now() < until, "{}", guarded.log());
    }
    assert_eq!(asked(), (Outcome::AuthRequired, Some("postgres")));
    assert_eq!(guarded.outcome("").0, Outcome::AuthRequired);
}

#[test]
fn a_real_prometheus() {
    let (folder, port) = (TempDir::new().expect("a folder"), free_port());
    fs::write(folder.path().join("prometheus.yml"), "").expect("a file");
    let mut command = Command::new("prometheus");
    command.arg("--config.file").arg(folder.path().join("prometheus.yml"));
    command.arg("--storage.tsdb.path").arg(folder.path().join("data"));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let open = Server::start(command, port, folder);
    let until = Instant::now() + PATIENCE;
    while open.outcome("prometheus") != (Outcome::Open, Some("prometheus")) {
        assert!(Instant::now() < until, "{}", open.log());
    }
    assert_eq!(open.outcome(""), (Outcome::Open, Some("prometheus")));
    assert!(open.is_unknown_as("vllm") && open.is_unknown_as("postgres"));
}
