//! The systemd unit of a door that strangers use.

use std::path::Path;

/// Where a packaged program lies.
const PROGRAM: &str = "/usr/local/bin/surgewall";

/// A hardened unit: it may bind port 443, write its data, and nothing else.
pub(super) fn unit(program: Option<&Path>, config: &Path) -> String {
    let program = program.map_or_else(|| PROGRAM.to_owned(), |path| path.display().to_string());
    let config =
        config.file_name().map_or_else(|| "surgewall.toml".into(), |name| name.to_string_lossy());
    format!(
        "\
# The door as a system service. The program was {program} when this was written.
[Unit]
Description=Surgewall, the front door of an AI service
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={PROGRAM} serve --config /etc/surgewall/{config} --data-dir /var/lib/surgewall
ExecReload=/bin/kill -HUP $MAINPID
# Running streams get limits.drain_s (30) seconds.
TimeoutStopSec=45
Restart=on-failure
User=surgewall
# The data, and the master key apart from it: back both up, and never together.
StateDirectory=surgewall surgewall-key
StateDirectoryMode=0700
Environment=XDG_CONFIG_HOME=/var/lib/surgewall-key
LimitNOFILE=1048576
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=multi-user.target
"
    )
}

/// What is left to do.
pub(super) fn next(name: &str, unit: &Path) -> String {
    format!(
        "\
next, as an administrator of {name}:
  1. put the program into {PROGRAM} and the configuration into /etc/surgewall
  2. useradd --system --no-create-home --shell /usr/sbin/nologin surgewall
  3. put the certificate and its key where [listen] tls says; the key belongs to surgewall and has mode 0600
  4. in [listen], take in the two lines for strangers
  5. cp {} /etc/systemd/system/, systemctl daemon-reload, systemctl enable --now surgewall
  6. keys: sudo -u surgewall surgewall --data-dir /var/lib/surgewall admin key create --name NAME
",
        unit.display()
    )
}
