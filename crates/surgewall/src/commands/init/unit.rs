//! The systemd unit of a door that strangers use.

use std::path::Path;

use super::write::{Public, tls_files};

/// Where a packaged program lies.
const PROGRAM: &str = "/usr/local/bin/surgewall";

/// A hardened unit: it may bind port 443, write its data, and nothing else.
pub(super) fn unit(config: &Path) -> String {
    let name = config.file_name().unwrap_or(config.as_os_str()).to_string_lossy();
    format!(
        "\
[Unit]
Description=Surgewall, the front door of an AI service
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={PROGRAM} serve --config /etc/surgewall/{name} --data-dir /var/lib/surgewall
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
pub(super) fn next(public: Public<'_>, unit: &Path) -> String {
    let Public { name, has_certificate } = public;
    let [cert_file, key_file] = tls_files(name);
    let unit = unit.display();
    let certificate = if has_certificate {
        format!(
            "{cert_file} and {key_file} are there; the key belongs to surgewall and has mode 0600"
        )
    } else {
        format!(
            "put the certificate into {cert_file} and its key into {key_file} (owner surgewall, mode 0600), \
             then take in the lines for strangers in [listen]"
        )
    };
    format!(
        "\
next, as an administrator of {name}:
  1. put the program into {PROGRAM} and the configuration into /etc/surgewall
  2. useradd --system --no-create-home --shell /usr/sbin/nologin surgewall
  3. {certificate}
  4. cp {unit} /etc/systemd/system/, systemctl daemon-reload, systemctl enable --now surgewall
  5. keys: sudo -u surgewall surgewall --data-dir /var/lib/surgewall admin key create --name NAME
"
    )
}
