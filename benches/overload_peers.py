"""The doors of the overload benchmark: how each is told who is who, and what the model server can do.

Keys are of the form est-..., ver-..., new-..., yng-...: a peer without accounts maps the prefix to
a class. Surgewall takes the same keys over by their hashes, as `admin key import` does.
"""

import datetime
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time

from gateways import Envoy, Gateway, LiteLlm, Nginx, Surgewall, drain, environment

# The double's engine, full, at the trace's sizes: what peers are told, as their operators would
# measure it. Surgewall and Envoy are told nothing and learn.
SLOTS = 40
CAPACITY_PER_S = 5.92
# Who comes with which prefix; the crowd's own numbers.
ACCOUNTS = {"established": ("est", 60), "verified": ("ver", 100), "new": ("new", 30), "young": ("yng", 1_000)}
SHARES = {"established": 0.45, "verified": 0.25, "new": 0.15, "anonymous": 0.15}
LONGEST_WAIT_S = {"established": 120, "verified": 60, "new": 30, "anonymous": 20}
DAY_MS = 86_400_000
# nginx delays the requests of strangers for so long.
BURST_S = 5


def make_keys():
    """The same keys for every door."""
    return {
        name: [f"{prefix}-{secrets.token_hex(20)}" for _ in range(count)]
        for name, (prefix, count) in ACCOUNTS.items()
    }


class Bare(Gateway):
    """No door: the crowd asks the double itself."""

    name = "bare"
    label = "bare double"
    version = ""
    note = "No door: the engine's own queue, first come first served, without a bound."

    def start(self):
        self.port = self.upstream
        return None

    def stop(self):
        pass


class HaProxy(Gateway):
    name = "haproxy"
    label = "HAProxy"
    note = (
        f"`maxconn {SLOTS}` on the server, the queue ordered by `http-request set-priority-class` from the key's prefix "
        f"(established, verified, new, then anonymous), `timeout queue {min(LONGEST_WAIT_S.values())}s` (the shortest "
        "longest wait: a longer one serves more that came too late), `option abortonclose`, so that a client that left costs nothing."
    )

    def start(self):
        found = shutil.which("haproxy")
        binary = found or str(self.setup.made / "haproxy/usr/sbin/haproxy")
        env = environment(self.folder)
        if not found:
            libraries = next(self.setup.made.joinpath("haproxy/usr/lib").glob("*-linux-gnu"))
            env["LD_LIBRARY_PATH"] = str(libraries)
        said = subprocess.run([binary, "-v"], capture_output=True, text=True, env=env, check=True).stdout
        self.version = re.search(r"version (\S+)", said).group(1)
        self.folder.joinpath("haproxy.cfg").write_text(f"""
global
  maxconn 9000
  nbthread 1
defaults
  mode http
  option abortonclose
  option http-no-delay
  timeout connect 2s
  timeout client 600s
  timeout server 600s
  timeout queue {min(LONGEST_WAIT_S.values())}s
frontend public
  bind 127.0.0.1:{self.port} backlog 4096
  http-request set-priority-class int(-300) if {{ req.hdr(authorization) -m beg "Bearer est-" }}
  http-request set-priority-class int(-200) if {{ req.hdr(authorization) -m beg "Bearer ver-" }}
  http-request set-priority-class int(-100) if {{ req.hdr(authorization) -m beg "Bearer new-" "Bearer yng-" }}
  default_backend double
backend double
  server double 127.0.0.1:{self.upstream} maxconn {SLOTS}
""")
        program = self.run([binary, "-db", "-f", self.folder / "haproxy.cfg"], env=env)
        drain(program)
        return program


class NginxLimits(Nginx):
    name = "nginx"
    label = "nginx"
    note = (
        "`limit_req` for each class at its share of the capacity (45, 25, 15 and 15 % of "
        f"{CAPACITY_PER_S} requests/s), with a `burst` of its longest wait for established and verified and of "
        f"{BURST_S} s for the others (a delayed request keeps its turn when its client has left, so longer ones serve nobody); "
        f"`limit_conn {SLOTS}` over all but the established. The class is a `map` of the key's prefix. "
        "nginx without its commercial `queue` can lend no unused share."
    )

    def start(self):
        binary = shutil.which("nginx") or str(self.setup.made / "nginx/usr/sbin/nginx")
        said = subprocess.run([binary, "-v"], capture_output=True, text=True).stderr
        self.version = said.strip().rpartition("/")[2]
        zones, uses = [], []
        for name, share in SHARES.items():
            rate = round(60 * share * CAPACITY_PER_S)
            wait_s = BURST_S if name in ("new", "anonymous") else LONGEST_WAIT_S[name]
            burst = round(share * CAPACITY_PER_S * wait_s)
            zones.append(f"map $class $is_{name} {{ {name} {name}; default ''; }}")
            zones.append(f"limit_req_zone $is_{name} zone={name}:1m rate={rate}r/m;")
            uses.append(f"limit_req zone={name} burst={burst};")
        lines = "\n  ".join(zones)
        self.folder.joinpath("nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log crit;
{"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 9000; }}
http {{
  access_log off; client_body_buffer_size 128k; limit_req_status 503; limit_conn_status 503;
  client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  map $http_authorization $class {{
    ~^Bearer.est- established; ~^Bearer.ver- verified; ~^Bearer.(new|yng)- new; default anonymous;
  }}
  {lines}
  map $class $counted {{ established ''; default all; }}
  limit_conn_zone $counted zone=all:1m;
  upstream double {{ server 127.0.0.1:{self.upstream}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    location / {{
      {" ".join(uses)}
      limit_conn all {SLOTS};
      proxy_pass http://double; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 600s; proxy_send_timeout 600s;
    }}
  }}
}}
""")
        return self.run([binary, "-p", self.folder, "-c", self.folder / "nginx.conf"])


class EnvoyAdaptive(Envoy):
    name = "envoy"
    label = "Envoy"
    note = (
        "The adaptive concurrency filter's documented example, with a measurement that can end: a request here takes "
        "7 s and not 7 ms, so `request_count` 10 instead of 50, `min_concurrency` 10 instead of 3 and "
        "`concurrency_update_interval` 5 s instead of 0.1 s. The filter knows no classes: established callers pass it by "
        "(`ExtensionWithMatcher`, by the key's prefix). It has no queue."
    )
    # Who passes the filter by.
    passes = "Bearer est-"
    measured = {"requests": 10, "at_least": 10, "every": "5s"}
    at_once_max = 9000

    def filters(self):
        return [self.adaptive()]

    def adaptive(self):
        """The filter, passed by where the key's prefix says so."""
        kind = "type.googleapis.com/envoy.extensions"
        at_least = {"min_concurrency": self.measured["at_least"]} if self.measured["at_least"] else {}
        adaptive = {
            "@type": f"{kind}.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
            "gradient_controller_config": {
                "sample_aggregate_percentile": {"value": 90},
                "concurrency_limit_params": {"concurrency_update_interval": self.measured["every"]},
                "min_rtt_calc_params": {
                    "jitter": {"value": 10}, "interval": "60s", "request_count": self.measured["requests"], **at_least,
                },
            },
            "enabled": {"default_value": True, "runtime_key": "adaptive_concurrency.enabled"},
        }
        if not self.passes:
            return {"name": "adaptive", "typed_config": adaptive}
        header = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
        skip = {"@type": f"{kind}.filters.common.matcher.action.v3.SkipFilter"}
        return {"name": "adaptive", "typed_config": {
            "@type": f"{kind}.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {"name": "adaptive_concurrency", "typed_config": adaptive},
            "xds_matcher": {"matcher_tree": {
                "input": {
                    "name": "key", "typed_config": {"@type": header, "header_name": "authorization"},
                },
                "prefix_match_map": {"map": {self.passes: {"action": {"name": "skip", "typed_config": skip}}}},
            }},
        }}


class EnvoyPlain(EnvoyAdaptive):
    name = "envoy-plain"
    label = "Envoy, the documented example"
    note = "The adaptive concurrency filter's documented example as it is: nobody passes it by."
    passes = None
    measured = {"requests": 50, "at_least": None, "every": "0.1s"}


LITELLM_AUTH = """
from litellm.proxy._types import UserAPIKeyAuth

TEAMS = {"est-": "established", "ver-": "verified", "new-": "new", "yng-": "new"}
RPM = %s


async def user_api_key_auth(request, api_key):
    api_key = api_key or "anonymous"
    team = TEAMS.get(api_key[:4], "anonymous")
    return UserAPIKeyAuth(api_key=api_key, user_id=api_key, team_id=team, team_rpm_limit=RPM.get(team))
"""


class LiteLlmLimits(LiteLlm):
    name = "litellm"
    label = "LiteLLM"
    note = (
        f"`rpm: {round(60 * CAPACITY_PER_S)}` (the capacity) and `max_parallel_requests: {SLOTS}` of the deployment; "
        "a team for each class with its share of the capacity as `rpm_limit` (25, 15 and 15 %), and none for the "
        "established; the team comes from the key's prefix by `custom_auth`. Its reservation by priority needs a licence. "
        "No retries, one worker, neither database nor Redis."
    )
    # The established have none: the deployment's own is above what they ask for.
    limited = ("verified", "new", "anonymous")

    def prepare(self):
        self.folder.joinpath("custom_auth.py").write_text(self.auth())

    def auth(self):
        """Who a key is: the module that `custom_auth` names."""
        return LITELLM_AUTH % {name: round(60 * SHARES[name] * CAPACITY_PER_S) for name in self.limited}

    def configuration(self):
        return {
            "model_list": [{
                "model_name": "double",
                "litellm_params": {
                    "model": "openai/double",
                    "api_base": f"http://127.0.0.1:{self.upstream}/v1",
                    "api_key": "unused",
                    "rpm": round(60 * CAPACITY_PER_S),
                    "max_parallel_requests": SLOTS,
                },
            }],
            "general_settings": {
                "custom_auth": "custom_auth.user_api_key_auth",
                "master_key": "sk-" + secrets.token_hex(24),
            },
            "litellm_settings": {
                "telemetry": False,
                "num_retries": 0,
            },
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        }


class Door(Surgewall):
    """The door, open to strangers, before a proxy that tells their networks."""

    name = "surgewall"
    label = "Surgewall"
    note = (
        "Its defaults, with strangers let in: told neither the capacity nor the slots. The ledger, metrics and the "
        "keys of 1,190 accounts are on; the 1,000 young ones are of today."
    )
    more = ""

    def seed(self):
        """The accounts are made once; every run begins with a copy of them."""
        seeded = self.setup.folder / "seeded"
        if not seeded.exists():
            first = Seeding(self.setup, self.upstream, self.setup.folder / "seeding")
            first.make_accounts()
            first.stop()
            left_behind = shutil.ignore_patterns("*.sock", "lock", "log", "surgewall.toml")
            shutil.copytree(first.folder, seeded, ignore=left_behind)
        shutil.copytree(seeded, self.folder, dirs_exist_ok=True)

    def start(self):
        self.seed()
        binary = self.setup.programs / "surgewall"
        said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
        self.version = said.split()[-1]
        self.folder.joinpath("surgewall.toml").write_text(self.configuration())
        words = [binary, "--config", self.folder / "surgewall.toml", "--data-dir", self.folder / "data"]
        env = environment(self.folder, XDG_CONFIG_HOME=str(self.folder / "config"), SURGEWALL_LOG="info")
        program = self.run([*words, "serve"], env=env)
        assert program.line().startswith("ready "), "surgewall did not become ready"
        drain(program)
        return program

    def configuration(self):
        return f"""
[listen]
public = "127.0.0.1:{self.port}"
admin = "127.0.0.1:0"
status = "127.0.0.1:0"
behind_proxy = ["127.0.0.1/32"]
[[upstream]]
name = "double"
url = "http://127.0.0.1:{self.upstream}/v1"
models = ["double"]
[accounts]
anonymous = true
{self.more}"""

    def asked(self, question):
        """An answer of the control socket, which only the door's own user can open."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(60)
            line.connect(str(self.folder / "data/control.sock"))
            line.sendall(json.dumps(question).encode() + b"\n")
            read = b"".join(iter(lambda: line.recv(1 << 16), b""))
        return json.loads(read)

    def gate(self):
        """How the gate before the double stands: fields of `surgewall status`."""
        return self.asked("status")["status"]["upstreams"]["double"]["gate"]


class Seeding(Door):
    """A door that is only asked to make the accounts and to take their keys over."""

    def seed(self):
        pass

    def make_accounts(self):
        began = time.monotonic()
        keys, history = [], []
        now = int(datetime.datetime.now().timestamp() * 1000)
        for name, all_keys in self.setup.keys.items():
            for index, key in enumerate(all_keys):
                email = f"{name}-{index}@bench.example"
                user = {"op": "user_create", "email": email}
                if name in ("established", "verified"):
                    user["class"] = name
                self.changed(user)
                digest = hashlib.sha256(key.encode()).hexdigest()
                keys.append({"name": f"{name}-{index}", "account": email, "foreign": {"sha256": digest}})
                if name == "new":
                    # New, but not of this week.
                    history.append({"account": email, "first_seen": now - 20 * DAY_MS, "active_days": 5})
        self.changed({"op": "key_import", "keys": keys, "history": history})
        print(f"{len(keys)} accounts and keys in {time.monotonic() - began:.1f} s", flush=True)

    def changed(self, request):
        answer = self.asked({"admin": request})
        assert "admin" in answer, f"{request['op']}: {answer}"


PEERS = {
    kind.name: kind
    for kind in (Door, EnvoyAdaptive, EnvoyPlain, HaProxy, NginxLimits, LiteLlmLimits, Bare)
}
