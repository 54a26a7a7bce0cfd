"""The programs of the side-by-side benchmark: how each is configured, started and measured.

Only Python's standard library. Everything listens on loopback.
"""

import json
import os
import pathlib
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

READY_S = 180
TOKENS_PER_S = 200

# Real limits, too wide to be reached: every request is held against each of them.
QUOTAS = """
[[limits.quota]]
per = "key"
limit = "requests=1000000000/1m"
[[limits.quota]]
per = "key"
limit = "total_tokens=1000000000000/1d"
[[limits.quota]]
per = "key"
limit = "concurrency=1000000"
[[limits.quota]]
per = "class"
limit = "total_tokens=1000000000000/1h"
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(folder, **more):
    """No credential and no setting of the caller reaches a peer."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **more}


class Program:
    """A program pinned to one core, with all its children."""

    def __init__(self, command, core, folder, env=None, stdin=None):
        self.log = open(pathlib.Path(folder, "log"), "ab")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            cwd=folder,
            env=env or environment(folder),
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,
        )

    def line(self, seconds=READY_S):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError(f"{self.process.args[3]} said nothing; see {self.log.name}")
        return line.strip()

    def tree(self):
        """This process and all below it."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = pathlib.Path("/proc", entry, "stat").read_text()
                except OSError:
                    continue
                parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
        found = [self.process.pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    def cpu_us(self):
        """Processor time of every thread so far, by the scheduler's own account
        (the same sum as utime + stime of /proc/PID/stat, which is in steps of 10 ms)."""
        total = {}
        for pid in self.tree():
            for task in pathlib.Path("/proc", str(pid), "task").glob("*/schedstat"):
                try:
                    total[task.parent.name] = int(task.read_text().split()[0]) / 1000
                except OSError:
                    continue
        return total

    def rss_kib(self):
        total = 0
        for pid in self.tree():
            status = pathlib.Path("/proc", str(pid), "status").read_text()
            found = re.search(r"VmRSS:\s+(\d+) kB", status)
            total += int(found.group(1)) if found else 0
        return total

    def signal(self, number):
        for pid in self.tree():
            os.kill(pid, number)

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Setup:
    """Where a benchmark's programs are, which cores they have, and a folder for what they write."""

    def __init__(self, options, name):
        self.programs = pathlib.Path(options.programs).resolve()
        self.gateway_core, self.load_core = options.cores
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"surgewall-{name}-"))
        self.count = 0

    def fresh(self, name):
        """A folder that nobody had yet; it is not made."""
        self.count += 1
        return self.folder / f"{self.count}-{name}"

    def double(self, *words):
        """The model-server double, and its port."""
        folder = self.fresh("double")
        folder.mkdir()
        command = [self.programs / "model-double", "--records", "0", *words]
        program = Program(command, self.load_core, folder)
        return program, int(program.line().rpartition(":")[2])


class PeersSetup(Setup):
    """The same, with the peers that were loaded."""

    def __init__(self, options, name):
        super().__init__(options, name)
        self.made = pathlib.Path(options.made).resolve()


def cpu_between(before, after):
    """Microseconds between two readings; a thread that ended in between is missing."""
    return sum(us - before.get(task, 0) for task, us in after.items())


class Gateway:
    """What stands before the double. Stopped (SIGSTOP) while another is measured."""

    key = None
    path = "/v1/chat/completions"

    def __init__(self, setup, upstream, folder):
        self.setup, self.upstream, self.folder = setup, upstream, pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.program = self.start()
        self.await_answer()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    def run(self, command, **more):
        return Program(command, self.setup.gateway_core, self.folder, **more)

    def ask(self):
        body = {"model": "double", "messages": [{"role": "user", "content": "say 2"}]}
        headers = {"content-type": "application/json", **self.headers()}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return "tok1" in answer.read().decode()

    def headers(self):
        return {}

    def await_answer(self):
        end = time.monotonic() + READY_S
        while True:
            try:
                if self.ask():
                    return
            except OSError as error:
                if time.monotonic() > end or self.program.process.poll() is not None:
                    raise RuntimeError(f"{self.name} does not answer: {error}") from error
            time.sleep(0.2)

    def pause(self):
        self.program.signal(signal.SIGSTOP)

    def resume(self):
        self.program.signal(signal.SIGCONT)

    def stop(self):
        self.program.stop()


class Nginx(Gateway):
    name = "nginx"
    label = "nginx `proxy_pass`"
    fast = True

    def start(self):
        binary = shutil.which("nginx") or str(self.setup.made / "nginx/usr/sbin/nginx")
        said = subprocess.run([binary, "-v"], capture_output=True, text=True).stderr
        self.version = said.strip().rpartition("/")[2]
        self.folder.joinpath("nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log warn;
{"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_buffer_size 128k;
  client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  upstream double {{ server 127.0.0.1:{self.upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    location / {{
      proxy_pass http://double; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 600s; proxy_send_timeout 600s;
    }}
  }}
}}
""")
        return self.run([binary, "-p", self.folder, "-c", self.folder / "nginx.conf"])


class Surgewall(Gateway):
    """The door with its keys, quotas, ledger and metrics."""

    name = "surgewall"
    label = "Surgewall"
    fast = True
    durability = "process"
    bare = False

    def start(self):
        binary = self.setup.programs / "surgewall"
        said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
        self.version = said.split()[-1]
        self.folder.joinpath("surgewall.toml").write_text(self.configuration())
        words = [binary, "--config", self.folder / "surgewall.toml", "--data-dir", self.folder / "data"]
        env = environment(self.folder, XDG_CONFIG_HOME=str(self.folder / "config"), SURGEWALL_LOG="warn")
        program = self.run([*words, "serve"], env=env)
        assert program.line().startswith("ready "), "surgewall did not become ready"
        if not self.bare:
            made = subprocess.run(
                [*words, "admin", "key", "create", "--name", "bench"],
                capture_output=True, text=True, env=env, check=True,
            )
            self.key = made.stdout.strip()
        return program

    def configuration(self):
        return f"""
[listen]
public = "127.0.0.1:{self.port}"
admin = "127.0.0.1:0"
status = "127.0.0.1:0"
[[upstream]]
name = "double"
url = "http://127.0.0.1:{self.upstream}/v1"
models = ["double"]
idle_gap_timeout_s = 600
[accounts]
anonymous = {str(self.bare).lower()}
[ledger]
durability = "{self.durability}"
[telemetry]
metrics = {str(not self.bare).lower()}
[limits]
network_connections_max = 20000
network_requests_max = 20000
{"" if self.bare else QUOTAS}
"""


class SurgewallPower(Surgewall):
    name = "surgewall-power"
    label = "Surgewall, durability `power`"
    durability = "power"


class SurgewallBare(Surgewall):
    name = "surgewall-bare"
    label = "Surgewall, no keys, quotas or metrics"
    bare = True


class LiteLlm(Gateway):
    name = "litellm"
    label = "LiteLLM"
    fast = False

    def start(self):
        python = self.setup.made / "litellm/bin"
        say = "import importlib.metadata as m; print(m.version('litellm'))"
        self.version = subprocess.run(
            [python / "python", "-c", say], capture_output=True, text=True, check=True
        ).stdout.strip()
        self.prepare()
        self.folder.joinpath("config.yaml").write_text(json.dumps(self.configuration()))
        env = environment(
            self.folder,
            PATH=f"{python}:{os.environ['PATH']}",
            LITELLM_LOCAL_MODEL_COST_MAP="True",
            LITELLM_MODE="PRODUCTION",
            LITELLM_LOG="ERROR",
            LITELLM_TELEMETRY="False",
            NO_PROXY="*",
        )
        command = [python / "litellm", "--config", "config.yaml", "--host", "127.0.0.1"]
        command += ["--port", self.port, "--num_workers", "1"]
        program = self.run(command, env=env)
        drain(program)
        return program

    def prepare(self):
        """What has to be there before its configuration."""
        self.key = "sk-" + secrets.token_hex(24)

    def configuration(self):
        return {
            "model_list": [{
                "model_name": "double",
                "litellm_params": {
                    "model": "openai/double",
                    "api_base": f"http://127.0.0.1:{self.upstream}/v1",
                    "api_key": "unused",
                },
            }],
            "general_settings": {"master_key": self.key},
            "litellm_settings": {"telemetry": False},
        }


class Portkey(Gateway):
    """Listens on every address, whatever HOST says: run.sh gives it a network of its own."""

    name = "portkey"
    label = "Portkey"
    fast = False

    def start(self):
        package = self.setup.made / "portkey/node_modules/@portkey-ai/gateway"
        self.version = json.loads(package.joinpath("package.json").read_text())["version"]
        env = environment(self.folder, TRUSTED_CUSTOM_HOSTS="127.0.0.1", NODE_ENV="production")
        program = self.run(
            ["node", package / "build/start-server.js", f"--port={self.port}", "--headless"], env=env
        )
        drain(program)
        return program

    def headers(self):
        return {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{self.upstream}/v1",
        }


class Envoy(Gateway):
    name = "envoy"
    label = "Envoy"
    fast = True
    # Requests and connections at once that its own bounds allow: far more than come.
    at_once_max = 20000

    def filters(self):
        """HTTP filters before the router."""
        return []

    def start(self):
        binary = next(self.setup.made.joinpath("envoy").rglob("_bin/envoy"))
        said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
        self.version = re.search(r"/(\d+\.\d+\.\d+)", said).group(1)

        def address(port):
            return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

        kind = "type.googleapis.com/envoy.extensions.filters"
        manager = {
            "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "http_filters": [
                *self.filters(),
                {"name": "router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}},
            ],
            "route_config": {"virtual_hosts": [{
                "name": "all", "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "double", "timeout": "0s"}}],
            }]},
        }
        chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
        endpoint = {"endpoint": {"address": address(self.upstream)}}
        self.folder.joinpath("envoy.json").write_text(json.dumps({"static_resources": {
            "listeners": [{"name": "l", "address": address(self.port), "filter_chains": [chain]}],
            "clusters": [{
                "name": "double", "type": "STATIC", "connect_timeout": "2s",
                "load_assignment": {"cluster_name": "double", "endpoints": [{"lb_endpoints": [endpoint]}]},
                "circuit_breakers": {"thresholds": [
                    dict.fromkeys(("max_connections", "max_requests", "max_pending_requests"), self.at_once_max)
                ]},
            }],
        }}))
        program = self.run([binary, "-c", "envoy.json", "--concurrency", "1", "--log-level", "error"])
        drain(program)
        return program


def drain(program):
    """Reads what a chatty program prints, so that it never waits for us."""
    import threading

    threading.Thread(target=lambda: [None for _ in program.process.stdout], daemon=True).start()


PEERS = {kind.name: kind for kind in (Nginx, Surgewall, SurgewallPower, SurgewallBare, LiteLlm, Portkey, Envoy)}
