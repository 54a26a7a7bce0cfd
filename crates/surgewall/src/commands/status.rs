//! `surgewall status`: how a running door does.

use std::fmt::Write as _;
use std::time::Duration;

use surgewall_gateway::control::{self, Answer, Question, Status as Door};

use super::office::{broken, unexpected};
use crate::cli::{Shape, Status};
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::show::{self, table};

/// Between two looks.
const REFRESH: Duration = Duration::from_secs(1);
/// Cursor home, clear to the end.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows the door, once or until it stops or the user does.
///
/// # Errors
/// No door runs here.
pub(crate) async fn status(place: &Place, asked: &Status) -> Result<Verdict, Fault> {
    if asked.format == Shape::Json {
        show::json(&ask(place).await?.ok_or_else(|| nobody(place))?)?;
        return Ok(Verdict::Clean);
    }
    let mut seen = false;
    loop {
        match ask(place).await? {
            None if seen => {
                show::err("the door has stopped\n");
                return Ok(Verdict::Clean);
            }
            None => return Err(nobody(place)),
            Some(door) => {
                let clear = match (asked.once, show::is_colourful()) {
                    (false, true) => CLEAR,
                    (false, false) if seen => "\n",
                    _ => "",
                };
                show::out(&format!("{clear}{}", text(&door)));
            }
        }
        if asked.once {
            return Ok(Verdict::Clean);
        }
        seen = true;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Verdict::Clean),
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}

async fn ask(place: &Place) -> Result<Option<Door>, Fault> {
    let socket = place.data()?.control_socket();
    match control::ask(&socket, &Question::Status).await.map_err(broken)? {
        None => Ok(None),
        Some(Answer::Status(door)) => Ok(Some(*door)),
        Some(Answer::Error { message }) => Err(Fault::new(message)),
        Some(Answer::Admin(_)) => Err(unexpected()),
    }
}

fn nobody(place: &Place) -> Fault {
    Fault::new(format!("no door is running on {}", place.data_dir.display()))
        .hint("start one with `surgewall serve`, or name its data directory with --data-dir")
}

fn text(door: &Door) -> String {
    let state = if door.draining { "draining" } else { "serving" };
    let ledger =
        if door.ledger_writable { "writable" } else { "NOT writable: new requests are refused" };
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "door        {state}, process {}, configuration {}\n\
         requests    {} in flight, {}\n\
         ledger      {ledger}; {}, {}\n\
         people      {}, {}\n\n",
        door.pid,
        door.config,
        door.open_requests,
        show::count(door.connections as u64, "connection"),
        show::count(door.ledger_sequence, "record"),
        bytes(door.ledger_bytes),
        show::count(door.keys as u64, "key"),
        show::count(door.accounts as u64, "account"),
    );
    let rows = door.upstreams.iter().map(|(name, upstream)| {
        let servers = upstream.servers;
        let state = match servers.available {
            0 => "down".to_owned(),
            some if some == servers.all => "up".to_owned(),
            some => format!("{some} of {} up", servers.all),
        };
        vec![name.clone(), state, servers.all.to_string(), servers.in_flight.to_string()]
    });
    let columns = [
        table::Column::Left("upstream"),
        table::Column::Left("state"),
        table::Column::Right("servers"),
        table::Column::Right("in flight"),
    ];
    text + &table::table(&columns, rows.collect())
}

/// A size in words.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} bytes");
    }
    let at = (usize::try_from(bytes.ilog2()).unwrap_or(0) / 10).clamp(1, UNITS.len());
    let tenths = (u128::from(bytes) * 10) >> (10 * at);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[at - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (size, shown) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(size), shown);
        }
    }
}
