//! A log database that answers strangers is found by asking as one; a locked
//! one, and the door's admin listener, are not.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::acts::{Played, held};
use super::stage::Stage;
use crate::fault::Fault;

/// What a ClickHouse answers to `SELECT 1` that asks nobody for a login.
const OPEN: &str = "HTTP/1.1 200 OK\r\nX-ClickHouse-Format: TabSeparated\r\nContent-Length: 2\r\nConnection: close\r\n\r\n1\n";
/// What one answers that does.
const LOCKED: &str = "HTTP/1.1 403 Forbidden\r\nX-ClickHouse-Exception-Code: 516\r\nContent-Length: 43\r\nConnection: close\r\n\r\nCode: 516. DB::Exception: default: no login";
/// The head of a probe, in bytes.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// Asks an open store, a locked one, and a running door.
pub(super) async fn exposure() -> Played {
    let (open, locked) = (store(OPEN).await?, store(LOCKED).await?);
    let (status, findings) = check(&[&open]).await?;
    let named = findings.to_string().contains("exposure.clickhouse");
    held(status == 1 && named, || format!("an open store ended with {status}: {findings}"))?;
    let (status, findings) = check(&[&locked]).await?;
    held(status == 0, || format!("a locked store ended with {status}: {findings}"))?;
    let mut stage = Stage::open().await?;
    // The public one answers strangers on purpose: on loopback they may ask the handbook.
    let (status, findings) = check(&[stage.admin()]).await?;
    held(status != 1, || format!("the admin listener ended with {status}: {findings}"))?;
    stage.stop().await?;
    Ok("a store without a login was found by one harmless question, a locked one and the admin listener were not".to_owned())
}

/// `surgewall check exposure TARGET...`: its exit status and findings.
async fn check(targets: &[&str]) -> Result<(i32, Value), Fault> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["check", "exposure", "--format", "json"]).args(targets);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let findings = serde_json::from_slice(&output.stdout)
        .map_err(|error| Fault::new(format!("check exposure: {error}")))?;
    Ok((output.status.code().unwrap_or(-1), findings))
}

/// A store on loopback that gives every connection this answer, for as long as the drill runs.
async fn store(answer: &'static str) -> Result<String, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = format!("clickhouse://{}", listener.local_addr()?);
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no door here whose drain would wait for it"
    )]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who leaves early is no fault of the store's.
            let _ = reply(stream, answer).await;
        }
    });
    Ok(target)
}

async fn reply(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        head.push(stream.read_u8().await?);
    }
    let asked = head.starts_with(b"GET /?query=SELECT%201 ");
    stream.write_all(if asked { answer } else { LOCKED }.as_bytes()).await?;
    stream.shutdown().await
}
